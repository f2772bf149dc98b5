//! The view: findings become cases, cases are counted, and the Tasks of surveillance are followed.
//!
//! Everything about one patient is worked out anew from that patient's findings whenever one of them
//! changes, so that a correction, a late result or an erasure leaves the same state as if it had always
//! been so.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tongmai_engine::views::View;
use tongmai_engine::views::bytes::{Reader, put, put_text};
use tongmai_fhir::definition::resource_type_name;
use tongmai_fhir::json::Json;
use tongmai_fhir::search::date;
use tongmai_store::{Event, EventKind, Seq};
use tongmai_surveillance::case::{CardState, LATE_ARRIVAL};
use tongmai_surveillance::monitor::DailyCounts;

use super::fact::{self, Finding, day_of};
use super::rules::{Rules, counted_as};
use super::sign::{self, Sign};
use super::task::{self, Card, Contact, Reconciliation, Signal, Work};

/// First years of the age bands, with their names.
pub const AGES: [(i64, &str); 9] = [
    (0, "0–"),
    (1, "1–4"),
    (5, "5–9"),
    (10, "10–14"),
    (15, "15–24"),
    (25, "25–44"),
    (45, "45–59"),
    (60, "60–74"),
    (75, "75+"),
];
/// The band of an unknown age.
pub const AGE_UNKNOWN: u8 = AGES.len() as u8;
/// The name under which visits are counted, as a denominator.
pub const VISITS: &str = "visits";

/// What the view knows of a patient.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// Day of birth.
    pub birth: Option<i64>,
    /// `m`, `f` or `u`.
    pub sex: String,
    /// County of residence.
    pub county: String,
    /// Province, as the address writes it.
    #[serde(default)]
    pub province: String,
    /// Township or street in it.
    pub town: String,
    /// Tells two records apart without a name: a keyed hash of name, sex and day of birth.
    pub likeness: u64,
    /// Findings by the resource that made them.
    pub findings: BTreeMap<i64, Vec<Finding>>,
    /// Syndromes by the resource that speaks of them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub signs: BTreeMap<i64, Sign>,
}

impl Subject {
    /// Where and whom a case or visit of a day is counted for.
    fn stratum(&self, day: i64) -> Stratum {
        Stratum {
            county: self.county.clone(),
            town: self.town.clone(),
            age: age_band(self.birth, day),
            sex: if self.sex.is_empty() { "u".into() } else { self.sex.clone() },
        }
    }
}

/// A case: one illness of one patient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// The patient's id.
    pub patient: String,
    /// Code of the disease.
    pub disease: String,
    /// Its part, where it is named.
    pub item: String,
    /// Hours to report.
    pub hours: u32,
    /// The surest of its findings.
    pub certainty: u8,
    /// Day of the first finding.
    pub day: i64,
    /// When it was first found, in milliseconds since 1970.
    pub at: i64,
    /// When the first finding came in.
    pub received: i64,
    /// Its findings, the first first.
    pub findings: Vec<Finding>,
    /// Encounter of the first finding.
    pub encounter: String,
    /// Stratum.
    pub stratum: Stratum,
}

impl Case {
    /// Whether it came in long after it was found: history, which the search for missed reports shows.
    pub fn is_late(&self) -> bool {
        self.received - self.at > LATE_ARRIVAL
    }
}

/// Where and whom a count is about; empty texts and [`u8::MAX`] stand for all.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stratum {
    /// County.
    pub county: String,
    /// Township.
    pub town: String,
    /// Age band.
    pub age: u8,
    /// `m`, `f`, `u`; empty for all.
    pub sex: String,
}

/// All ages.
pub const ALL_AGES: u8 = u8::MAX;

impl Stratum {
    /// A whole county.
    pub fn county(county: &str) -> Stratum {
        Stratum { county: county.into(), town: String::new(), age: ALL_AGES, sex: String::new() }
    }

    /// The strata in which a case of this one is counted: the county, its age, its sex, both, and its township.
    pub fn counted(&self) -> [Stratum; 5] {
        let county = Stratum::county(&self.county);
        [
            county.clone(),
            Stratum { age: self.age, ..county.clone() },
            Stratum { sex: self.sex.clone(), ..county.clone() },
            Stratum { age: self.age, sex: self.sex.clone(), ..county.clone() },
            Stratum { town: self.town.clone(), ..county },
        ]
    }
}

/// The state.
#[derive(Debug, Clone, Default)]
pub struct Cases {
    secret: [u8; 32],
    rules: Arc<Rules>,
    subjects: BTreeMap<String, Subject>,
    /// Patient of each resource that made findings, and of each patient's own resource.
    owners: HashMap<i64, String>,
    /// Counties and days of visits.
    visits: BTreeMap<i64, (String, i64)>,
    /// Organisation of each encounter, by reference.
    encounters: HashMap<String, String>,
    /// Tasks by the resource's key.
    cards: BTreeMap<i64, Card>,
    signals: BTreeMap<i64, Signal>,
    contacts: BTreeMap<i64, Contact>,
    reconciliations: BTreeMap<i64, Reconciliation>,
    // What follows is worked out from the above.
    cases: BTreeMap<String, Vec<Case>>,
    counts: BTreeMap<(String, Stratum), DailyCounts>,
    /// Visits of each patient with a syndrome: its bit, day and stratum, as they are counted.
    visited: BTreeMap<String, Vec<(u8, i64, Stratum)>>,
    card_keys: BTreeMap<String, i64>,
    /// Cards of which one is an alarm.
    class_a: BTreeSet<String>,
    counties: BTreeSet<String>,
    towns: BTreeMap<String, BTreeSet<String>>,
    /// Province of each county, as addresses write it.
    provinces: BTreeMap<String, String>,
    cards_of: BTreeMap<String, BTreeSet<String>>,
    contacts_of: BTreeMap<String, BTreeSet<i64>>,
    alike: BTreeMap<u64, BTreeSet<String>>,
    /// Cases without a card: those that are drafted, and history.
    pending: BTreeSet<(String, usize)>,
    missed: BTreeSet<(String, usize)>,
    /// Likenesses of two patients or more with cards.
    groups: BTreeSet<u64>,
    /// Position at which the counts of a disease in a county last changed.
    touched: HashMap<(String, String), Seq>,
    position: Seq,
    /// First day with a visit or case: what lies before is unknown, not zero.
    since: Option<i64>,
}

#[derive(Serialize, Deserialize)]
struct Written {
    rules: u64,
    subjects: BTreeMap<String, Subject>,
    owners: BTreeMap<i64, String>,
    visits: BTreeMap<i64, (String, i64)>,
    encounters: BTreeMap<String, String>,
    cards: BTreeMap<i64, Card>,
    signals: BTreeMap<i64, Signal>,
    contacts: BTreeMap<i64, Contact>,
    #[serde(default)]
    reconciliations: BTreeMap<i64, Reconciliation>,
}

impl Cases {
    /// The state before the first event, under these rules.
    pub fn under(rules: Arc<Rules>, secret: &[u8; 32]) -> Cases {
        Cases { secret: *secret, rules, ..Cases::default() }
    }

    /// The rules in force.
    pub fn rules(&self) -> &Arc<Rules> {
        &self.rules
    }

    /// All cases.
    pub fn cases(&self) -> impl Iterator<Item = &Case> {
        self.cases.values().flatten()
    }

    /// Cases of a patient.
    pub fn cases_of(&self, patient: &str) -> &[Case] {
        self.cases.get(patient).map_or(&[], Vec::as_slice)
    }

    /// What is known of a patient.
    pub fn subject(&self, patient: &str) -> Option<&Subject> {
        self.subjects.get(patient)
    }

    /// Cases that should have a card and have none, history left out.
    pub fn pending(&self) -> Vec<Case> {
        self.pending.iter().filter_map(|entry| self.case(entry)).cloned().collect()
    }

    /// Cases without a card, history too: the search for missed reports 漏报.
    pub fn missed(&self) -> impl Iterator<Item = &Case> {
        self.pending.iter().chain(&self.missed).filter_map(|entry| self.case(entry))
    }

    fn case(&self, (patient, at): &(String, usize)) -> Option<&Case> {
        self.cases.get(patient)?.get(*at)
    }

    /// A card by its id.
    pub fn card(&self, id: &str) -> Option<&Card> {
        self.cards.get(self.card_keys.get(id)?)
    }

    /// All cards.
    pub fn cards(&self) -> impl Iterator<Item = &Card> {
        self.cards.values()
    }

    /// Cards of which one is an alarm: class A, managed as such, or unexplained.
    pub fn class_a(&self) -> impl Iterator<Item = &Card> {
        self.class_a.iter().filter_map(|id| self.card(id))
    }

    /// Cards of a patient.
    pub fn cards_of(&self, patient: &str) -> impl Iterator<Item = &Card> {
        self.cards_of.get(patient).into_iter().flatten().filter_map(|id| self.card(id))
    }

    /// All signals.
    pub fn signals(&self) -> impl Iterator<Item = &Signal> {
        self.signals.values()
    }

    /// A signal by its id.
    pub fn signal(&self, id: &str) -> Option<&Signal> {
        self.signals.values().find(|signal| signal.id == id)
    }

    /// All contacts.
    pub fn contacts(&self) -> impl Iterator<Item = &Contact> {
        self.contacts.values()
    }

    /// Contacts of a card.
    pub fn contacts_of(&self, card: &str) -> impl Iterator<Item = &Contact> {
        let keys = self.contacts_of.get(card).into_iter().flatten();
        keys.filter_map(|key| self.contacts.get(key))
    }

    /// The last reconciliation with 网络直报.
    pub fn last_reconciliation(&self) -> Option<&Reconciliation> {
        self.reconciliations.values().max_by_key(|it| it.written)
    }

    /// Other records that look like this one: same name, sex and day of birth.
    pub fn alike(&self, patient: &str) -> impl Iterator<Item = &String> {
        let likeness = self.subjects.get(patient).map_or(0, |subject| subject.likeness);
        self.alike.get(&likeness).into_iter().flatten().filter(move |other| *other != patient)
    }

    /// Pairs of cards of one disease and one episode whose patients look alike and are not known to be
    /// one person: for a person to look at side by side. At most `most`, those first that were written last.
    pub fn possible_duplicates(&self, most: usize) -> Vec<(&Card, &Card)> {
        let mut pairs = Vec::new();
        for patients in self.groups.iter().filter_map(|likeness| self.alike.get(likeness)) {
            let cards: Vec<&Card> = patients.iter().flat_map(|patient| self.cards_of(patient)).collect();
            for (index, left) in cards.iter().enumerate() {
                for right in &cards[index + 1..] {
                    if left.id != right.id && self.is_doubled(left, right) {
                        pairs.push((*left, *right));
                    }
                }
            }
        }
        pairs.sort_by_key(|(left, right)| std::cmp::Reverse(left.written.max(right.written)));
        pairs.truncate(most);
        pairs
    }

    fn is_doubled(&self, left: &Card, right: &Card) -> bool {
        let withdrawn = CardState::Withdrawn.code();
        let apart =
            |card: &Card, other: &Card| card.item("not-duplicate-of").split(' ').any(|id| id == other.id);
        left.disease == right.disease
            && left.state != withdrawn
            && right.state != withdrawn
            && self.rules.case.is_one_episode(&left.disease, day_of(left.start), day_of(right.start))
            && !apart(left, right)
            && !apart(right, left)
    }

    /// A card of one of these patients for an illness, withdrawn ones too: what was withdrawn is not
    /// drafted again.
    pub fn card_for(&self, patients: &[String], disease: &str, day: i64) -> Option<&Card> {
        let of = patients.iter().flat_map(|patient| self.cards_of(patient));
        of.filter(|card| card.disease == disease).find(|card| {
            self.rules.case.is_one_episode(disease, day_of(card.start), day) || self.covers(card, day)
        })
    }

    /// A card whose first evidence lies in the episode, wherever its clock began.
    fn covers(&self, card: &Card, day: i64) -> bool {
        let found = card.item("found-on");
        date::parse(found)
            .is_some_and(|read| self.rules.case.is_one_episode(&card.disease, day_of(read.low), day))
    }

    /// Counts of a disease in a stratum.
    pub fn counts(&self, disease: &str, stratum: &Stratum) -> Option<&DailyCounts> {
        // A borrowed pair is no key of the map: the clone is small.
        self.counts.get(&(disease.to_owned(), stratum.clone()))
    }

    /// Counts of a disease with their strata.
    pub fn strata(&self, disease: &str) -> impl Iterator<Item = (&Stratum, &DailyCounts)> {
        let first = Stratum { county: String::new(), town: String::new(), age: 0, sex: String::new() };
        let range = self.counts.range((disease.to_owned(), first)..);
        let disease = disease.to_owned();
        range.take_while(move |entry| entry.0.0 == disease).map(|entry| (&entry.0.1, entry.1))
    }

    /// Counties with a case or a visit.
    pub fn counties(&self) -> &BTreeSet<String> {
        &self.counties
    }

    /// Townships of a county where people live that it knows.
    pub fn towns(&self, county: &str) -> impl Iterator<Item = &String> {
        self.towns.get(county).into_iter().flatten()
    }

    /// The province of a county, as addresses write it; empty when none does.
    pub fn province(&self, county: &str) -> &str {
        self.provinces.get(county).map_or("", String::as_str)
    }

    /// The first day with anything.
    pub fn since(&self) -> Option<i64> {
        self.since
    }

    /// Diseases and counties whose counts changed behind a position.
    pub fn touched_since(&self, position: Seq) -> Vec<(String, String)> {
        let mut touched: Vec<(String, String)> =
            self.touched.iter().filter(|entry| *entry.1 > position).map(|entry| entry.0.clone()).collect();
        touched.sort_unstable();
        touched
    }

    /// Keeps note of whether a group of patients who look alike has cards in two records.
    fn regroup(&mut self, likeness: u64) {
        let with_cards =
            |patient: &&String| self.cards_of.get(*patient).is_some_and(|cards| !cards.is_empty());
        let group = self.alike.get(&likeness).filter(|_| likeness != 0);
        if group.is_some_and(|group| group.iter().filter(with_cards).take(2).count() == 2) {
            self.groups.insert(likeness);
        } else {
            self.groups.remove(&likeness);
        }
    }

    fn regroup_of(&mut self, patient: &str) {
        let likeness = self.subjects.get(patient).map_or(0, |subject| subject.likeness);
        self.regroup(likeness);
    }

    fn patient(&mut self, key: i64, json: &Json<'_>) {
        let Some(id) = json.text("id").map(str::to_owned) else { return };
        let address = json.items("address").first();
        let part = |name: &str| address.and_then(|it| it.text(name)).unwrap_or("").to_owned();
        let birth = json.text("birthDate").and_then(date::parse);
        let birth = birth.filter(|read| read.precision >= date::Precision::Day).map(|read| day_of(read.low));
        let sex = match json.text("gender") {
            Some("male") => "m",
            Some("female") => "f",
            _ => "u",
        };
        let name = fact::person_name(json);
        let likeness = match birth {
            Some(birth) if !name.is_empty() => hash(&self.secret, &format!("{name}|{sex}|{birth}")),
            _ => 0,
        };
        self.owners.insert(key, id.clone());
        let subject = self.subjects.entry(id.clone()).or_default();
        let former = std::mem::replace(&mut subject.likeness, likeness);
        subject.birth = birth;
        sex.clone_into(&mut subject.sex);
        subject.county = part("city");
        subject.province = part("state");
        if !subject.province.is_empty() {
            self.provinces.insert(subject.county.clone(), subject.province.clone());
        }
        subject.town = part("district");
        if !subject.town.is_empty() {
            self.towns.entry(subject.county.clone()).or_default().insert(subject.town.clone());
        }
        if let Some(others) = self.alike.get_mut(&former) {
            others.remove(&id);
        }
        if likeness != 0 {
            self.alike.entry(likeness).or_default().insert(id.clone());
        }
        self.regroup(former);
        self.regroup(likeness);
        self.work_out(&id);
    }

    fn encounter(&mut self, key: i64, json: &Json<'_>) {
        let id = json.text("id").unwrap_or("");
        let organization = json.get("serviceProvider").and_then(|it| it.text("display")).unwrap_or("");
        self.encounters.insert(format!("Encounter/{id}"), organization.to_owned());
        let patient = json.get("subject").and_then(|it| it.text("reference")).unwrap_or("");
        let subject = patient.strip_prefix("Patient/").and_then(|patient| self.subjects.get(patient));
        let county = subject.map_or(String::new(), |subject| subject.county.clone());
        let start = json.get("period").and_then(|it| it.text("start")).and_then(date::parse);
        let Some(day) = start.map(|read| day_of(read.low)) else { return };
        self.count_visit(key, county, day);
    }

    fn count_visit(&mut self, key: i64, county: String, day: i64) {
        self.forget_visit(key);
        self.since = Some(self.since.map_or(day, |since| since.min(day)));
        if !county.is_empty() {
            self.counties.insert(county.clone());
        }
        let counts = self.counts.entry((VISITS.to_owned(), Stratum::county(&county))).or_default();
        counts.add(day, 1);
        self.visits.insert(key, (county, day));
    }

    fn forget_visit(&mut self, key: i64) {
        if let Some((county, day)) = self.visits.remove(&key)
            && let Some(counts) = self.counts.get_mut(&(VISITS.to_owned(), Stratum::county(&county)))
        {
            counts.add(day, -1);
        }
    }

    fn said(&mut self, key: i64, kind: &str, json: &Json<'_>, received: i64) {
        let said = fact::read(&self.rules.clone(), kind, json, received);
        let sign = sign::read(&self.rules.syndromes, kind, json, received);
        let former = self.owners.remove(&key);
        if let Some(patient) = &former
            && let Some(subject) = self.subjects.get_mut(patient)
        {
            subject.findings.remove(&key);
            subject.signs.remove(&key);
        }
        let patient = said.as_ref().map(|said| &said.patient).or(sign.as_ref().map(|(patient, _)| patient));
        let patient = patient.cloned();
        if let Some(patient) = &patient {
            self.owners.insert(key, patient.clone());
            let subject = self.subjects.entry(patient.clone()).or_default();
            subject.signs.extend(sign.map(|(_, sign)| (key, sign)));
        }
        if let Some(said) = said {
            self.keep_findings(key, said);
        }
        if let Some(patient) = patient.as_ref().filter(|patient| former.as_ref() != Some(*patient)) {
            self.work_out(patient);
        }
        if let Some(patient) = former {
            self.work_out(&patient);
        }
    }

    fn keep_findings(&mut self, key: i64, mut said: fact::Said) {
        let organization = self.encounters.get(&said.encounter).cloned().unwrap_or_default();
        for finding in &mut said.findings {
            organization.clone_into(&mut finding.organization);
            finding.position = self.position;
        }
        self.subjects.entry(said.patient).or_default().findings.insert(key, said.findings);
    }

    fn task(&mut self, key: i64, json: &Json<'_>) {
        self.forget_task(key);
        let position = self.position;
        match task::read(json) {
            Some(Work::Card(card)) => self.keep_task(key, Work::Card(Card { position, ..card })),
            Some(Work::Signal(signal)) => self.keep_task(key, Work::Signal(Signal { position, ..signal })),
            Some(Work::Contact(contact)) => {
                self.keep_task(key, Work::Contact(Contact { position, ..contact }))
            }
            Some(Work::Reconciliation(done)) => {
                self.keep_task(key, Work::Reconciliation(Reconciliation { position, ..done }))
            }
            None => {}
        }
    }

    fn keep_task(&mut self, key: i64, work: Work) {
        match work {
            Work::Card(card) => self.keep_card(key, card),
            Work::Contact(contact) => {
                self.contacts_of.entry(contact.card.clone()).or_default().insert(key);
                self.contacts.insert(key, contact);
            }
            Work::Signal(signal) => drop(self.signals.insert(key, signal)),
            Work::Reconciliation(done) => drop(self.reconciliations.insert(key, done)),
        }
    }

    fn keep_card(&mut self, key: i64, card: Card) {
        self.card_keys.insert(card.id.clone(), key);
        if self.rules.is_class_a(&card.disease, card.hours, day_of(card.start)) {
            self.class_a.insert(card.id.clone());
        }
        let patients = card.patients.clone();
        for patient in &patients {
            self.cards_of.entry(patient.clone()).or_default().insert(card.id.clone());
        }
        self.cards.insert(key, card);
        for patient in &patients {
            self.regroup_of(patient);
            self.work_out(patient);
        }
    }

    fn forget_task(&mut self, key: i64) {
        self.signals.remove(&key);
        self.reconciliations.remove(&key);
        if let Some(card) = self.cards.remove(&key) {
            self.card_keys.remove(&card.id);
            self.class_a.remove(&card.id);
            for patient in &card.patients {
                if let Some(cards) = self.cards_of.get_mut(patient) {
                    cards.remove(&card.id);
                }
                self.regroup_of(patient);
                self.work_out(patient);
            }
        }
        if let Some(contact) = self.contacts.remove(&key)
            && let Some(contacts) = self.contacts_of.get_mut(&contact.card)
        {
            contacts.remove(&key);
        }
    }

    fn forget(&mut self, key: i64) {
        self.forget_visit(key);
        self.forget_task(key);
        let Some(patient) = self.owners.remove(&key) else { return };
        let Some(subject) = self.subjects.get_mut(&patient) else { return };
        let (found, sign) = (subject.findings.remove(&key), subject.signs.remove(&key));
        if found.is_none() && sign.is_none() {
            // The patient's own resource: what was known of the person goes.
            let findings = std::mem::take(&mut subject.findings);
            let signs = std::mem::take(&mut subject.signs);
            let likeness = subject.likeness;
            *subject = Subject { findings, signs, ..Subject::default() };
            if let Some(others) = self.alike.get_mut(&likeness) {
                others.remove(&patient);
            }
            self.regroup(likeness);
        }
        self.work_out(&patient);
    }

    /// Works out the cases of a patient anew, and what is counted and pending of them.
    fn work_out(&mut self, patient: &str) {
        self.count(patient, -1);
        self.settle(patient);
        let subject = self.subjects.get(patient);
        let cases = subject.map_or(Vec::new(), |subject| self.illnesses(patient, subject));
        for (at, case) in cases.iter().enumerate() {
            if self.card_for(&[patient.to_owned()], &case.disease, case.day).is_none() {
                let list = if case.is_late() { &mut self.missed } else { &mut self.pending };
                list.insert((patient.to_owned(), at));
            }
        }
        if cases.is_empty() {
            self.cases.remove(patient);
        } else {
            self.cases.insert(patient.to_owned(), cases);
        }
        self.count(patient, 1);
        self.count_syndromes(patient);
    }

    /// Counts a patient's visits by syndrome anew: a visit counts once for each, whatever speaks of it.
    fn count_syndromes(&mut self, patient: &str) {
        for (bit, day, stratum) in self.visited.remove(patient).unwrap_or_default() {
            self.count_syndrome(bit, day, &stratum, -1);
        }
        let Some(subject) = self.subjects.get(patient).filter(|subject| !subject.signs.is_empty()) else {
            return;
        };
        let mut visits: BTreeMap<(&str, i64), (i64, u32)> = BTreeMap::new();
        for sign in subject.signs.values() {
            // Without an encounter the day is the visit.
            let key = (sign.visit.as_str(), if sign.visit.is_empty() { sign.day } else { 0 });
            let visit = visits.entry(key).or_insert((sign.day, 0));
            *visit = (visit.0.min(sign.day), visit.1 | sign.syndromes);
        }
        let mut counted = Vec::new();
        for (day, bits) in visits.into_values() {
            let stratum = subject.stratum(day);
            let held = (0..u32::BITS as u8).filter(|bit| bits >> bit & 1 == 1);
            counted.extend(held.map(|bit| (bit, day, stratum.clone())));
        }
        for (bit, day, stratum) in &counted {
            self.since = Some(self.since.map_or(*day, |since| since.min(*day)));
            self.count_syndrome(*bit, *day, stratum, 1);
        }
        self.visited.insert(patient.to_owned(), counted);
    }

    fn count_syndrome(&mut self, bit: u8, day: i64, stratum: &Stratum, visits: i32) {
        let Some(syndrome) = self.rules.syndromes.all().get(usize::from(bit)) else { return };
        let name = counted_as(&syndrome.code);
        for stratum in stratum.counted() {
            self.counts.entry((name.clone(), stratum)).or_default().add(day, visits);
        }
    }

    /// Takes a patient's cases off the list of what is pending.
    fn settle(&mut self, patient: &str) {
        let range = (patient.to_owned(), 0)..=(patient.to_owned(), usize::MAX);
        for list in [&mut self.pending, &mut self.missed] {
            let gone: Vec<(String, usize)> = list.range(range.clone()).cloned().collect();
            for entry in &gone {
                list.remove(entry);
            }
        }
    }

    fn count(&mut self, patient: &str, cases: i32) {
        let Some(of) = self.cases.remove(patient) else { return };
        for case in &of {
            self.since = Some(self.since.map_or(case.day, |since| since.min(case.day)));
            self.touched.insert((case.disease.clone(), case.stratum.county.clone()), self.position);
            if !case.stratum.county.is_empty() {
                self.counties.insert(case.stratum.county.clone());
            }
            for stratum in case.stratum.counted() {
                let key = (case.disease.clone(), stratum);
                let counts = self.counts.entry(key).or_default();
                counts.add(case.day, cases);
            }
        }
        self.cases.insert(patient.to_owned(), of);
    }

    fn illnesses(&self, patient: &str, subject: &Subject) -> Vec<Case> {
        let mut all: Vec<&Finding> = subject.findings.values().flatten().collect();
        all.sort_by_key(|finding| (&finding.disease, finding.at, finding.received, &finding.source));
        let disease = |finding: &Finding| self.rules.disease(&finding.disease, day_of(finding.at));
        let superfluous = |finding: &Finding| {
            let Some(own) = disease(finding).filter(|own| !own.exclude.is_empty()) else { return false };
            let near = |other: &&&Finding| (day_of(other.at) - day_of(finding.at)).abs() <= 3;
            all.iter().filter(near).any(|other| {
                other.disease != finding.disease && fact::is_superfluous(own, other, disease(other))
            })
        };
        let mut cases: Vec<Case> = Vec::new();
        for finding in all.iter().filter(|finding| !superfluous(finding)) {
            let day = day_of(finding.at);
            match cases.last_mut() {
                Some(case)
                    if case.disease == finding.disease
                        && self.rules.case.is_one_episode(
                            &case.disease,
                            case.findings.last().map_or(case.day, |last| day_of(last.at)),
                            day,
                        ) =>
                {
                    case.certainty = case.certainty.max(finding.certainty);
                    case.hours = case.hours.min(finding.hours);
                    case.received = case.received.min(finding.received);
                    if case.item.is_empty() {
                        case.item.clone_from(&finding.item);
                    }
                    case.findings.push((*finding).clone());
                }
                _ => cases.push(self.illness(patient, subject, finding, day)),
            }
        }
        cases
    }

    fn illness(&self, patient: &str, subject: &Subject, finding: &Finding, day: i64) -> Case {
        Case {
            patient: patient.to_owned(),
            disease: finding.disease.clone(),
            item: finding.item.clone(),
            hours: finding.hours,
            certainty: finding.certainty,
            day,
            at: finding.at,
            received: finding.received,
            findings: vec![finding.clone()],
            encounter: finding.encounter.clone(),
            stratum: subject.stratum(day),
        }
    }
}

/// The age band on a day.
pub fn age_band(birth: Option<i64>, day: i64) -> u8 {
    let Some(birth) = birth.filter(|birth| *birth <= day) else { return AGE_UNKNOWN };
    let years = (day - birth) * 10_000 / 3_652_425;
    AGES.iter().rposition(|(first, _)| years >= *first).map_or(AGE_UNKNOWN, |at| at as u8)
}

/// A keyed hash: what it was made of cannot be found by trying names.
fn hash(secret: &[u8; 32], text: &str) -> u64 {
    use sha2::{Digest, Sha256};
    let digest = Sha256::new().chain_update(secret).chain_update("likeness").chain_update(text).finalize();
    digest[..8].iter().fold(0, |hash, byte| hash << 8 | u64::from(*byte)).max(1)
}

impl View for Cases {
    const NAME: &'static str = "surveillance";
    const DEFINITION: &'static str =
        "2: findings with their encounters, signs, visits and Tasks; cases and counts are worked out";

    fn new(secret: &[u8; 32]) -> Cases {
        Cases::under(super::rules_in_force(), secret)
    }

    fn apply(&mut self, event: &Event) {
        let kind = resource_type_name(event.type_id).unwrap_or("");
        let is_ours = matches!(kind, "Patient" | "Task") || fact::is_read(kind);
        match event.kind {
            _ if !is_ours => return,
            EventKind::Put | EventKind::Move => {}
            EventKind::Delete | EventKind::Purge => return self.forget(event.key.0),
            EventKind::Restrict | EventKind::Release => return,
        }
        self.position = event.seq;
        let mut text = Vec::new();
        if tongmai_codec::unpack(&event.body, &mut text).is_err() {
            return;
        }
        let Ok(json) = Json::parse(&text) else { return };
        match kind {
            "Patient" => self.patient(event.key.0, &json),
            "Encounter" => {
                self.encounter(event.key.0, &json);
                self.said(event.key.0, kind, &json, event.milliseconds());
            }
            "Task" => self.task(event.key.0, &json),
            _ => self.said(event.key.0, kind, &json, event.milliseconds()),
        }
    }

    fn canonical(&self) -> String {
        let mut out = Vec::new();
        self.write(&mut out);
        let counts: BTreeMap<_, _> = self.counts.iter().filter(|entry| entry.1.total() > 0).collect();
        format!("{}{counts:?}{:?}{:?}", String::from_utf8_lossy(&out), self.pending, self.missed)
    }

    fn write(&self, out: &mut Vec<u8>) {
        let written = Written {
            rules: self.rules.version,
            subjects: self.subjects.clone(),
            owners: self.owners.iter().map(|(key, owner)| (*key, owner.clone())).collect(),
            visits: self.visits.clone(),
            encounters: self.encounters.iter().map(|(key, name)| (key.clone(), name.clone())).collect(),
            cards: self.cards.clone(),
            signals: self.signals.clone(),
            contacts: self.contacts.clone(),
            reconciliations: self.reconciliations.clone(),
        };
        let text = serde_json::to_string(&written).unwrap_or_default();
        put(1, out);
        put_text(&text, out);
    }

    fn read(secret: &[u8; 32], from: &mut Reader<'_>) -> Option<Cases> {
        if from.number::<i64>()? != 1 {
            return None;
        }
        let written: Written = serde_json::from_str(from.text()?).ok()?;
        let mut cases = Cases::new(secret);
        if written.rules != cases.rules.version {
            // Other rules: every record is looked at again.
            return None;
        }
        for (id, subject) in &written.subjects {
            if !subject.province.is_empty() {
                cases.provinces.insert(subject.county.clone(), subject.province.clone());
            }
            if !subject.town.is_empty() {
                cases.towns.entry(subject.county.clone()).or_default().insert(subject.town.clone());
            }
            if subject.likeness != 0 {
                cases.alike.entry(subject.likeness).or_default().insert(id.clone());
            }
        }
        cases.subjects = written.subjects;
        cases.owners = written.owners.into_iter().collect();
        cases.encounters = written.encounters.into_iter().collect();
        written.visits.into_iter().for_each(|(key, (county, day))| cases.count_visit(key, county, day));
        written.cards.into_iter().for_each(|(key, card)| cases.keep_task(key, Work::Card(card)));
        written.signals.into_iter().for_each(|(key, signal)| cases.keep_task(key, Work::Signal(signal)));
        written.contacts.into_iter().for_each(|(key, contact)| cases.keep_task(key, Work::Contact(contact)));
        cases.reconciliations = written.reconciliations;
        let patients: Vec<String> = cases.subjects.keys().cloned().collect();
        patients.iter().for_each(|patient| cases.work_out(patient));
        Some(cases)
    }
}
