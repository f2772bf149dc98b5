//! One person's record, put together from the records that several providers keep.

use std::collections::{BTreeMap, HashMap};

use tongmai_engine::Resource;
use tongmai_fhir::definition::resource_type_name;
use tongmai_fhir::json::Json;

use crate::chart::Line;
use crate::county::citizen_number;
use crate::format::{When, concept, first_code, number, person_name, quantity};
use crate::language::Language;

/// What a value says about the person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Flag {
    /// Normal, or nobody said.
    #[default]
    None,
    /// Above its range.
    High,
    /// Below its range.
    Low,
    /// Abnormal without a direction, or positive.
    Abnormal,
}

impl Flag {
    fn of(observation: &Json) -> Flag {
        let codes = observation.items("interpretation").iter().filter_map(first_code);
        codes.map(Flag::from_code).find(|flag| *flag != Flag::None).unwrap_or_default()
    }

    /// The meaning of a code of HL7's ObservationInterpretation.
    fn from_code(code: &str) -> Flag {
        match code {
            "H" | "HH" | "HU" => Flag::High,
            "L" | "LL" | "LU" => Flag::Low,
            "A" | "AA" | "POS" | "DET" => Flag::Abnormal,
            _ => Flag::None,
        }
    }

    /// The sign that stands beside the value.
    pub fn sign(self) -> &'static str {
        match self {
            Flag::None => "",
            Flag::High => "↑",
            Flag::Low => "↓",
            Flag::Abnormal => "!",
        }
    }

    /// The key of its word.
    pub fn key(self) -> &'static str {
        match self {
            Flag::None => "flag-none",
            Flag::High => "flag-high",
            Flag::Low => "flag-low",
            Flag::Abnormal => "flag-abnormal",
        }
    }

    /// Whether there is one.
    pub fn is_set(self) -> bool {
        self != Flag::None
    }
}

/// One entry of the record.
#[derive(Debug, Clone, Default)]
pub struct Fact {
    /// Resource type.
    pub kind: &'static str,
    /// Id of the resource.
    pub id: String,
    /// What it is.
    pub name: String,
    /// Its first code.
    pub code: String,
    /// Value, dosage, or what else there is to say.
    pub detail: String,
    /// The value's flag.
    pub flag: Flag,
    /// Clinical date.
    pub when: Option<When>,
    /// Who keeps it.
    pub organization: String,
    /// Status code.
    pub status: String,
    visit: String,
}

impl Fact {
    /// Where its own page is.
    pub fn address(&self) -> String {
        format!("/resource/{}/{}", self.kind, self.id)
    }
}

/// A visit with what was found, ordered and done in it.
#[derive(Debug, Clone, Default)]
pub struct Visit {
    /// Id of the Encounter.
    pub id: String,
    /// When it began.
    pub start: Option<When>,
    /// When it ended.
    pub end: Option<When>,
    /// Code of its class: `AMB`, `IMP` …
    pub class: String,
    /// Kind of service.
    pub service: String,
    /// Where.
    pub organization: String,
    /// Why.
    pub reason: String,
    /// It has not ended.
    pub under_way: bool,
    /// Everything of it but what lies within the normal.
    pub facts: Vec<Fact>,
    /// Results within the normal.
    pub normal: Vec<Fact>,
}

impl Visit {
    /// The dates from beginning to end, one if it is the same day.
    pub fn dates(&self) -> String {
        let Some(start) = &self.start else { return String::new() };
        match &self.end {
            Some(end) if end.day() != start.day() => format!("{} – {}", start.date(), end.date()),
            _ => start.show(),
        }
    }
}

/// A value in a table of a trend.
#[derive(Debug, Clone)]
pub struct Reading {
    /// When it was measured.
    pub when: When,
    /// The values as they were written, with their flags; two for a blood pressure.
    pub values: Vec<(String, Flag)>,
    /// Who measured it.
    pub organization: String,
    /// Id of the Observation.
    pub id: String,
}

impl Reading {
    /// Whether a value is outside of its range.
    pub fn flag(&self) -> Flag {
        self.values.iter().map(|value| value.1).find(|flag| flag.is_set()).unwrap_or_default()
    }

    /// The values, with a stroke between them.
    pub fn shown(&self) -> String {
        self.values.iter().map(|value| value.0.as_str()).collect::<Vec<_>>().join("/")
    }
}

/// How one measurement changed.
#[derive(Debug, Clone)]
pub struct Trend {
    /// What is measured.
    pub name: String,
    /// Its code.
    pub code: String,
    /// Unit.
    pub unit: String,
    /// The lines of the chart.
    pub lines: Vec<Line>,
    /// The readings, newest first.
    pub readings: Vec<Reading>,
}

impl Trend {
    /// The reference range as text.
    pub fn range(&self) -> String {
        let one = |line: &Line| match line.range {
            (Some(low), Some(high)) => format!("{low}–{high}"),
            (Some(low), None) => format!("≥ {low}"),
            (None, Some(high)) => format!("≤ {high}"),
            (None, None) => String::new(),
        };
        self.lines.iter().map(one).filter(|range| !range.is_empty()).collect::<Vec<_>>().join(" / ")
    }

    /// The newest reading.
    pub fn newest(&self) -> Option<&Reading> {
        self.readings.first()
    }

    /// Which way it went from the reading before to the newest.
    pub fn direction(&self) -> &'static str {
        let mut last = self.lines.first().into_iter().flat_map(|line| line.points.iter().rev());
        match (last.next(), last.next()) {
            (Some(now), Some(before)) if now.1 > before.1 => "↗",
            (Some(now), Some(before)) if now.1 < before.1 => "↘",
            (Some(_), Some(_)) => "→",
            _ => "",
        }
    }
}

/// A patient record at one provider.
#[derive(Debug, Clone, Default)]
pub struct Source {
    /// Id of the Patient.
    pub id: String,
    /// Who keeps it.
    pub organization: String,
    /// The patient's number there.
    pub number: String,
    /// The name under which they are known there.
    pub name: String,
}

/// Who the person is.
#[derive(Debug, Clone, Default)]
pub struct Person {
    /// Name as it is written.
    pub name: String,
    /// Name in Latin letters.
    pub latin: String,
    /// Code of the sex.
    pub gender: String,
    /// Birth date.
    pub birth: Option<When>,
    /// Day of death.
    pub died: Option<When>,
    /// Citizen's identity number.
    pub citizen: String,
    /// Telephone.
    pub phone: String,
    /// Address.
    pub address: String,
}

impl Person {
    /// Reads a Patient.
    pub fn read(patient: &Json) -> Person {
        let (name, latin) = person_name(patient);
        let text = |name: &str| patient.text(name).unwrap_or("").to_owned();
        let phone = patient.items("telecom").iter().find(|t| t.text("system") == Some("phone"));
        Person {
            name,
            latin,
            gender: text("gender"),
            birth: patient.text("birthDate").and_then(When::read),
            died: patient.text("deceasedDateTime").and_then(When::read),
            citizen: citizen_number(patient).unwrap_or("").to_owned(),
            phone: phone.and_then(|t| t.text("value")).unwrap_or("").to_owned(),
            address: patient.items("address").first().map(address).unwrap_or_default(),
        }
    }
}

/// An Address as one line.
pub fn address(address: &Json) -> String {
    if let Some(text) = address.text("text") {
        return text.to_owned();
    }
    let mut parts: Vec<&str> = address.items("line").iter().filter_map(Json::as_str).collect();
    parts.extend(
        ["district", "city", "state", "postalCode", "country"].iter().filter_map(|p| address.text(p)),
    );
    parts.join(", ")
}

/// The record of one person.
#[derive(Debug, Default)]
pub struct Record {
    /// Who it is.
    pub person: Person,
    /// The records that it is put together from.
    pub sources: Vec<Source>,
    /// Who saw the person, and how often; the most often first.
    pub providers: Vec<(String, usize)>,
    /// Problems that are not resolved.
    pub problems: Vec<Fact>,
    /// Medicines in use.
    pub medicines: Vec<Fact>,
    /// Allergies and intolerances.
    pub allergies: Vec<Fact>,
    /// Visits, newest first.
    pub visits: Vec<Visit>,
    /// What belongs to no visit, newest first.
    pub loose: Vec<Fact>,
    /// Trends, the most telling first.
    pub trends: Vec<Trend>,
    /// How many resources were read.
    pub resources: usize,
}

/// Puts a record together; `records` holds what each provider keeps, the one asked for first.
pub fn assemble(records: &[Vec<Resource>], language: Language) -> Record {
    let mut builder =
        Builder { language, record: Record::default(), facts: Vec::new(), trends: BTreeMap::new() };
    for resources in records {
        builder.source(resources);
    }
    builder.finish()
}

struct Builder {
    language: Language,
    record: Record,
    facts: Vec<Fact>,
    trends: BTreeMap<(String, String), Trend>,
}

impl Builder {
    fn source(&mut self, resources: &[Resource]) {
        let parsed: Vec<(&'static str, &str, Json)> = resources
            .iter()
            .filter_map(|resource| {
                let name = resource_type_name(resource.type_id)?;
                Some((name, resource.id.as_str(), Json::parse(&resource.text).ok()?))
            })
            .collect();
        let mut source = Source::default();
        if let Some((_, id, patient)) = parsed.iter().find(|(kind, ..)| *kind == "Patient") {
            if self.record.sources.is_empty() {
                self.record.person = Person::read(patient);
            }
            source.id = (*id).to_owned();
            source.name = person_name(patient).0;
            source.organization = display(patient.get("managingOrganization"));
            let own =
                patient.items("identifier").iter().find(|i| i.text("system") != Some(crate::county::CITIZEN));
            source.number = own.and_then(|i| i.text("value")).unwrap_or("").to_owned();
        }
        let mut places = HashMap::new();
        for (kind, id, json) in &parsed {
            if *kind == "Encounter" {
                let visit = self.visit(id, json, &source.organization);
                places.insert(format!("Encounter/{id}"), visit.organization.clone());
                self.record.visits.push(visit);
            }
        }
        for (kind, id, json) in &parsed {
            self.record.resources += 1;
            self.entry(kind, id, json, &places, &source);
        }
        self.record.sources.push(source);
    }

    fn visit(&self, id: &str, json: &Json, keeper: &str) -> Visit {
        let when = |end: &str| json.get("period").and_then(|p| p.text(end)).and_then(When::read);
        let provider = display(json.get("serviceProvider"));
        Visit {
            id: id.to_owned(),
            start: when("start"),
            end: when("end"),
            class: json.get("class").and_then(|class| class.text("code")).unwrap_or("").to_owned(),
            service: json.items("type").first().map(|t| concept(t, self.language)).unwrap_or_default(),
            organization: if provider.is_empty() { keeper.to_owned() } else { provider },
            reason: json.items("reasonCode").first().map(|r| concept(r, self.language)).unwrap_or_default(),
            under_way: json.text("status") == Some("in-progress"),
            ..Visit::default()
        }
    }

    fn entry(
        &mut self,
        kind: &'static str,
        id: &str,
        json: &Json,
        places: &HashMap<String, String>,
        source: &Source,
    ) {
        if matches!(kind, "Patient" | "Encounter" | "RelatedPerson" | "Organization" | "Practitioner") {
            return;
        }
        let visit = ["encounter", "context"].iter().find_map(|name| json.get(name)?.text("reference"));
        let visit = visit.unwrap_or("").to_owned();
        let named = ["code", "medicationCodeableConcept", "vaccineCode", "type"];
        let title = named.iter().find_map(|name| json.get(name)).map(|code| concept(code, self.language));
        let mut fact = Fact {
            kind,
            id: id.to_owned(),
            name: title
                .filter(|name| !name.is_empty())
                .or_else(|| json.text("title").map(str::to_owned))
                .unwrap_or_else(|| self.language.code("type", kind).into_owned()),
            code: named.iter().find_map(|name| first_code(json.get(name)?)).unwrap_or("").to_owned(),
            when: clinical_date(json),
            organization: places.get(&visit).unwrap_or(&source.organization).clone(),
            status: json.text("status").unwrap_or("").to_owned(),
            visit,
            ..Fact::default()
        };
        match kind {
            "Observation" => self.observation(json, &mut fact),
            "Condition" => {
                fact.status = json.get("clinicalStatus").and_then(first_code).unwrap_or("").to_owned();
                if fact.status != "resolved" && fact.status != "inactive" {
                    unite(&mut self.record.problems, &fact);
                }
            }
            "MedicationRequest" | "MedicationStatement" => {
                fact.detail = json
                    .items("dosageInstruction")
                    .first()
                    .and_then(|d| d.text("text"))
                    .unwrap_or("")
                    .to_owned();
                if fact.status == "active" {
                    unite(&mut self.record.medicines, &fact);
                }
            }
            "AllergyIntolerance" => {
                let reaction = json.items("reaction").iter().find_map(|r| r.items("manifestation").first());
                fact.detail = reaction.map(|r| concept(r, self.language)).unwrap_or_default();
                fact.status = json.text("criticality").unwrap_or("").to_owned();
                unite(&mut self.record.allergies, &fact);
            }
            "Claim" | "ExplanationOfBenefit" => {
                let total = json.get("total");
                let amount = total.and_then(|t| {
                    t.get("value").or_else(|| t.as_array()?.first()?.get("amount")?.get("value"))
                });
                fact.detail = amount.and_then(number).map(|n| format!("¥{n}")).unwrap_or_default();
            }
            _ => {}
        }
        self.facts.push(fact);
    }

    /// Value and flag of an observation; numbers join the trend of their code and unit.
    fn observation(&mut self, json: &Json, fact: &mut Fact) {
        let parts: Vec<&Json> = match json.items("component") {
            [] => vec![json],
            components => components.iter().collect(),
        };
        let mut values = Vec::new();
        let mut lines = Vec::new();
        let mut unit = String::new();
        for part in parts {
            let Some((value, its_unit)) = part.get("valueQuantity").and_then(quantity) else {
                let coded = part.get("valueCodeableConcept").map(|v| concept(v, self.language));
                fact.detail.push_str(
                    &coded.or_else(|| part.text("valueString").map(str::to_owned)).unwrap_or_default(),
                );
                continue;
            };
            unit = its_unit;
            lines.push(line_of(part, &value, fact.when.as_ref(), self.language));
            values.push((value, Flag::of(part)));
        }
        fact.flag = values.iter().map(|v| v.1).find(|f| f.is_set()).unwrap_or_else(|| Flag::of(json));
        if values.is_empty() {
            return;
        }
        let Some(when) = fact.when.clone() else { return };
        let reading = Reading { when, values, organization: fact.organization.clone(), id: fact.id.clone() };
        fact.detail = format!("{} {unit}", reading.shown()).trim_end().to_owned();
        let key = (if fact.code.is_empty() { fact.name.clone() } else { fact.code.clone() }, unit.clone());
        let trend = self.trends.entry(key).or_insert_with(|| Trend {
            name: fact.name.clone(),
            code: fact.code.clone(),
            unit,
            lines: Vec::new(),
            readings: Vec::new(),
        });
        for (index, line) in lines.into_iter().enumerate() {
            match trend.lines.get_mut(index) {
                Some(there) => there.points.extend(line.points),
                None => trend.lines.push(line),
            }
            // The range that came last holds.
            trend.lines[index].range = line_range(&trend.lines[index], json, index);
        }
        trend.readings.push(reading);
    }

    fn finish(self) -> Record {
        let mut record = self.record;
        for visit in &record.visits {
            match record.providers.iter_mut().find(|provider| provider.0 == visit.organization) {
                Some(provider) => provider.1 += 1,
                None => record.providers.push((visit.organization.clone(), 1)),
            }
        }
        record.providers.sort_by_key(|provider| std::cmp::Reverse(provider.1));
        let newest_first = |a: &Option<When>, b: &Option<When>| {
            b.as_ref().map(|when| when.at).cmp(&a.as_ref().map(|when| when.at))
        };
        let at: HashMap<String, usize> =
            record.visits.iter().enumerate().map(|(i, v)| (format!("Encounter/{}", v.id), i)).collect();
        for fact in self.facts {
            match at.get(&fact.visit) {
                Some(&index) if fact.kind == "Observation" && !fact.flag.is_set() => {
                    record.visits[index].normal.push(fact);
                }
                Some(&index) => record.visits[index].facts.push(fact),
                None => record.loose.push(fact),
            }
        }
        for visit in &mut record.visits {
            visit.facts.sort_by_key(|fact| rank(fact.kind));
        }
        record.visits.sort_by(|a, b| newest_first(&a.start, &b.start));
        for facts in [&mut record.loose, &mut record.problems, &mut record.medicines] {
            facts.sort_by(|a, b| newest_first(&a.when, &b.when));
        }
        let mut trends: Vec<Trend> = self.trends.into_values().collect();
        for trend in &mut trends {
            trend.readings.sort_by_key(|reading| -reading.when.at);
            for (index, line) in trend.lines.iter_mut().enumerate() {
                line.points.sort_by_key(|point| point.0);
                if let Some((value, flag)) = trend.readings.first().and_then(|r| r.values.get(index)) {
                    line.last = format!("{value} {}", flag.sign()).trim_end().to_owned();
                }
            }
        }
        trends.sort_by_key(|trend| {
            let flagged = trend.newest().is_some_and(|reading| reading.flag().is_set());
            (trend.readings.len() < 2, !flagged, std::cmp::Reverse(trend.readings.len()))
        });
        record.trends = trends;
        record
    }
}

/// The same problem, medicine or allergy from several providers is one line, the newest.
fn unite(list: &mut Vec<Fact>, fact: &Fact) {
    let same = |there: &&mut Fact| there.name == fact.name;
    let Some(there) = list.iter_mut().find(same) else { return list.push(fact.clone()) };
    let newer = fact.when.as_ref().map(|when| when.at) > there.when.as_ref().map(|when| when.at);
    if newer {
        *there = fact.clone();
    }
}

/// In which order the entries of a visit stand.
fn rank(kind: &str) -> u8 {
    match kind {
        "Condition" => 0,
        "AllergyIntolerance" => 1,
        "Observation" => 2,
        "Procedure" => 3,
        "MedicationRequest" | "MedicationStatement" => 4,
        "Immunization" => 5,
        "DiagnosticReport" => 6,
        _ => 7,
    }
}

fn display(reference: Option<&Json>) -> String {
    reference.and_then(|r| r.text("display")).unwrap_or("").to_owned()
}

/// The date that tells when something was so, not when it was written down.
pub fn clinical_date(json: &Json) -> Option<When> {
    let periods = ["effectivePeriod", "performedPeriod", "period", "billablePeriod", "occurrencePeriod"];
    let instants = [
        "effectiveDateTime",
        "effectiveInstant",
        "performedDateTime",
        "occurrenceDateTime",
        "onsetDateTime",
        "recordedDate",
        "authoredOn",
        "issued",
        "created",
        "date",
    ];
    instants
        .iter()
        .find_map(|name| json.text(name))
        .or_else(|| periods.iter().find_map(|name| json.get(name)?.text("start")))
        .and_then(When::read)
}

fn line_of(part: &Json, value: &str, when: Option<&When>, language: Language) -> Line {
    let point = when.zip(value.trim_start_matches(['<', '>', '=']).parse().ok()).map(|(w, v)| (w.at, v));
    Line {
        name: part.get("code").map(|code| concept(code, language)).unwrap_or_default(),
        points: point.into_iter().collect(),
        range: reference_range(part),
        last: String::new(),
    }
}

fn reference_range(part: &Json) -> (Option<f64>, Option<f64>) {
    let Some(range) = part.items("referenceRange").first() else { return (None, None) };
    let end = |name: &str| range.get(name).and_then(|q| q.get("value")).and_then(number)?.parse().ok();
    (end("low"), end("high"))
}

fn line_range(line: &Line, json: &Json, index: usize) -> (Option<f64>, Option<f64>) {
    let part = json.items("component").get(index).unwrap_or(json);
    match reference_range(part) {
        (None, None) => line.range,
        range => range,
    }
}
