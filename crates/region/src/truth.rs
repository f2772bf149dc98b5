//! The truth about the county: who is who, who must not be merged, where an
//! outbreak was planted, how many resources there are.

use std::collections::HashMap;

use crate::County;
use crate::fhir::{Counts, Kind};
use crate::json::{Json, date, uuid};
use crate::person::{Person, Variant};
use crate::place;

/// One record and whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordTruth {
    /// Resource id of the Patient.
    pub id: u128,
    /// Organisation code of the provider that registered it.
    pub provider: String,
    /// The provider's patient number.
    pub number: String,
    /// Number of the person in the county.
    pub person: u64,
    /// In what it differs from the person's true data.
    pub variants: Vec<Variant>,
}

/// Two people who look alike and are not the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lookalike {
    /// The one.
    pub first: u64,
    /// The other.
    pub second: u64,
    /// Why they look alike: `twins` or `namesake` (same name and date of birth).
    pub why: &'static str,
}

/// A planted outbreak with the cases that came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutbreakTruth {
    /// Number of the outbreak.
    pub index: usize,
    /// Number of the village.
    pub village: usize,
    /// Its first day.
    pub first_day: i64,
    /// Weeks.
    pub weeks: i64,
    /// Person and day of each case.
    pub cases: Vec<(u64, i64)>,
}

/// Everything that is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Truth {
    /// Every Patient.
    pub records: Vec<RecordTruth>,
    /// Pairs that must not be merged.
    pub lookalikes: Vec<Lookalike>,
    /// Planted outbreaks.
    pub outbreaks: Vec<OutbreakTruth>,
    /// Resources by type, indexed by [`Kind`].
    pub counts: Counts,
    /// Number of people.
    pub people: u64,
    namesakes: HashMap<(String, i64), u64>,
}

impl Truth {
    /// The truth of a county in which nobody has been looked at yet.
    pub fn new(county: &County) -> Truth {
        let outbreak = |o: &crate::illness::Outbreak| OutbreakTruth {
            index: o.index,
            village: o.village,
            first_day: o.first_day,
            weeks: o.weeks,
            cases: Vec::new(),
        };
        Truth { outbreaks: county.outbreaks.iter().map(outbreak).collect(), ..Truth::default() }
    }

    /// Adds a person; people come in order.
    pub fn add(&mut self, county: &County, person: &Person) {
        self.people += 1;
        for record in &person.records {
            self.records.push(RecordTruth {
                id: record.id,
                provider: county.directory.providers[record.provider].code.clone(),
                number: record.number.clone(),
                person: person.index,
                variants: record.variants.clone(),
            });
        }
        for &other in person.twins.iter().filter(|&&other| other > person.index && other < county.people) {
            self.lookalikes.push(Lookalike { first: person.index, second: other, why: "twins" });
        }
        let known = self.namesakes.insert((person.name.text(), person.birth), person.index);
        if let Some(first) = known.filter(|first| !person.twins.contains(first)) {
            self.lookalikes.push(Lookalike { first, second: person.index, why: "namesake" });
        }
        for &(outbreak, day) in &person.outbreaks {
            self.outbreaks[outbreak].cases.push((person.index, day));
        }
    }

    /// The file of records: `record,provider,number,person,variants`.
    pub fn records_csv(&self) -> String {
        let mut out = String::from("record,provider,number,person,variants\n");
        for record in &self.records {
            uuid(&mut out, record.id);
            let variants: Vec<&str> = record.variants.iter().map(|v| v.code()).collect();
            out.push_str(&format!(
                ",{},{},{},{}\n",
                record.provider,
                record.number,
                record.person,
                variants.join(" ")
            ));
        }
        out
    }

    /// The file of pairs that must not be merged: `first,second,why`.
    pub fn lookalikes_csv(&self) -> String {
        let lines = self.lookalikes.iter().map(|l| format!("{},{},{}\n", l.first, l.second, l.why));
        std::iter::once("first,second,why\n".to_string()).chain(lines).collect()
    }

    /// Outbreaks and counts as one JSON document.
    pub fn to_json(&self) -> String {
        let mut out = String::new();
        let mut json = Json(&mut out);
        json.open().integer("people", self.people as i64).integer("records", self.records.len() as i64);
        json.object("counts");
        for &kind in Kind::ALL {
            json.integer(kind.name(), self.counts[kind as usize] as i64);
        }
        json.close().array("outbreaks");
        for outbreak in &self.outbreaks {
            let (township, village, _) = place::village(outbreak.village);
            let (east, north) = place::village_place(outbreak.village);
            json.open().text("disease", "J10,J11").text("township", township.name).text("village", village);
            json.decimal("kilometresEast", east, 1).decimal("kilometresNorth", north, 1);
            json.date("firstDay", outbreak.first_day).integer("weeks", outbreak.weeks).array("cases");
            for &(person, day) in &outbreak.cases {
                let mut when = String::new();
                date(&mut when, day);
                json.open().integer("person", person as i64).text("day", &when).close();
            }
            json.end().close();
        }
        json.end().close();
        out.push('\n');
        out
    }
}

impl County {
    /// The whole truth. It makes everyone once: while a county is being written
    /// anyway, [`Truth::add`] costs nothing more.
    pub fn truth(&self) -> Truth {
        let mut truth = Truth::new(self);
        let mut text = String::new();
        let mut counts = Counts::default();
        self.write_directory_bundle(&mut text, &mut counts);
        for person in self.everyone() {
            text.clear();
            self.write_bundle(&person, &mut text, &mut counts);
            truth.add(self, &person);
        }
        truth.counts = counts;
        truth
    }
}
