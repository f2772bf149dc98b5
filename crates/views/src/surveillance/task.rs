//! Report cards, signals and contacts as they stand in the ledger: each a FHIR Task, each step a version.
//!
//! A Task already says what is to be done, for whom, by when, how far it has come and what came of it;
//! its history is the history of the work. What is written on it are its inputs, what 网络直报 answered
//! its outputs, and who did what and why its notes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tongmai_base::time::Instant;
use tongmai_fhir::json::Json;
use tongmai_fhir::search::date;
use tongmai_surveillance::case::{CardState, Classification, Clock};
use tongmai_surveillance::signal::{Level, SignalState};

/// Code system of the kinds of Task.
pub const WORK: &str = "urn:tongmai:surveillance";
/// Code system of diseases.
pub const DISEASE: &str = "urn:tongmai:notifiable-disease";
/// Code system of the items of a card.
pub const ITEM: &str = "urn:tongmai:report-card-item";
/// Code system of states.
pub const STATE: &str = "urn:tongmai:surveillance-state";
/// Identifiers that 网络直报 gave.
pub const NATIONAL: &str = "urn:tongmai:national-report-number";

/// What is written on a card, a signal or a contact beside its state: code and text.
pub type Items = BTreeMap<String, String>;

/// What was done, when, by whom and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// Milliseconds since 1970.
    pub time: i64,
    /// Who.
    pub who: String,
    /// What and why.
    pub text: String,
}

/// A report card 传染病报告卡.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Card {
    /// Id of its Task.
    pub id: String,
    /// Version of its Task.
    pub version: u32,
    /// The patient's id; further records of the same person behind it.
    pub patients: Vec<String>,
    /// Reference to the encounter; empty without one.
    pub encounter: String,
    /// Reference to the organisation that found the disease and reports it; empty when it is not known.
    #[serde(default)]
    pub provider: String,
    /// Code of the disease; `unexplained` for one without a code.
    pub disease: String,
    /// Class of the case.
    pub classification: String,
    /// State.
    pub state: String,
    /// Beginning of the clock.
    pub start: i64,
    /// Hours to report.
    pub hours: u32,
    /// When the card was drafted.
    pub created: i64,
    /// When its Task was last written.
    pub written: i64,
    /// What is written on it.
    pub items: Items,
    /// References to the evidence.
    pub evidence: Vec<String>,
    /// Number, time and remarks of 网络直报.
    pub answers: Items,
    /// What was done.
    pub notes: Vec<Note>,
    /// Position of the version in the ledger, where the view knows it: what is shown is logged by it.
    #[serde(default)]
    pub position: u64,
}

impl Card {
    /// Its state.
    pub fn state(&self) -> CardState {
        CardState::of(&self.state).unwrap_or(CardState::Draft)
    }

    /// Its class.
    pub fn classification(&self) -> Classification {
        Classification::of(&self.classification).unwrap_or(Classification::Suspected)
    }

    /// Its clock.
    pub fn clock(&self) -> Clock {
        Clock { start: self.start, hours: self.hours }
    }

    /// An item; empty when it is not filled.
    pub fn item(&self, code: &str) -> &str {
        self.items.get(code).map_or("", String::as_str)
    }

    /// The Task of this card.
    pub fn to_task(&self) -> Value {
        let (status, intent) = match self.state() {
            CardState::Draft => ("requested", "order"),
            CardState::Submitted => ("in-progress", "order"),
            CardState::Accepted | CardState::Prefecture | CardState::Province => ("completed", "order"),
            CardState::Rejected => ("rejected", "order"),
            CardState::Withdrawn => ("cancelled", "order"),
        };
        let mut inputs = inputs(&self.items);
        inputs.push(input("classification", &self.classification));
        for source in &self.evidence {
            inputs.push(json!({"type": kind("evidence"), "valueReference": {"reference": source}}));
        }
        for other in self.patients.iter().skip(1) {
            let reference = format!("Patient/{other}");
            inputs.push(json!({"type": kind("same-person"), "valueReference": {"reference": reference}}));
        }
        let mut task = head("report-card", &self.id, &self.disease, status, intent, &self.state);
        if let Some(number) = self.answers.get("national-number") {
            task["identifier"] = json!([{"system": NATIONAL, "value": number}]);
        }
        if let Some(patient) = self.patients.first() {
            task["for"] = json!({"reference": format!("Patient/{patient}")});
        }
        if !self.encounter.is_empty() {
            task["encounter"] = json!({"reference": self.encounter});
        }
        if !self.provider.is_empty() {
            task["requester"] = json!({"reference": self.provider});
        }
        if let Some(reason) = self.answers.get("rejection").filter(|_| self.state() == CardState::Rejected) {
            task["statusReason"] = json!({"text": reason});
        }
        task["executionPeriod"] = json!({"start": Instant(self.start).to_fhir()});
        task["restriction"] = json!({"period": {"end": Instant(self.clock().deadline()).to_fhir()}});
        task["authoredOn"] = json!(Instant(self.created).to_fhir());
        task["lastModified"] = json!(Instant(self.written).to_fhir());
        task["input"] = Value::Array(inputs);
        finish(task, &self.answers, &self.notes)
    }

    fn read(common: Common, json: &Json<'_>) -> Option<Card> {
        let mut items = common.items;
        let classification = items.remove("classification").unwrap_or_default();
        let mut patients: Vec<String> = Vec::new();
        let subject = json.get("for").and_then(|subject| subject.text("reference"));
        patients.extend(subject.and_then(|it| it.strip_prefix("Patient/")).map(str::to_owned));
        let mut evidence = Vec::new();
        for (code, reference) in common.references {
            match (code.as_str(), reference.strip_prefix("Patient/")) {
                ("same-person", Some(other)) => patients.push(other.to_owned()),
                ("evidence", _) => evidence.push(reference),
                _ => {}
            }
        }
        let start = json.get("executionPeriod").and_then(|period| moment(period, "start"))?;
        let end = json.get("restriction").and_then(|it| it.get("period")).and_then(|it| moment(it, "end"))?;
        Some(Card {
            id: common.id,
            version: common.version,
            patients,
            encounter: json.get("encounter").and_then(|it| it.text("reference")).unwrap_or("").to_owned(),
            provider: json.get("requester").and_then(|it| it.text("reference")).unwrap_or("").to_owned(),
            disease: common.disease,
            classification,
            state: common.state,
            start,
            hours: u32::try_from((end - start) / 3_600_000).unwrap_or(24),
            created: moment(json, "authoredOn").unwrap_or(start),
            written: moment(json, "lastModified").unwrap_or(start),
            items,
            evidence,
            answers: common.answers,
            notes: common.notes,
            position: 0,
        })
    }
}

/// A signal: an alarm with its evidence packet, and how it is answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Signal {
    /// Id of its Task.
    pub id: String,
    /// Version of its Task.
    pub version: u32,
    /// Code of the disease.
    pub disease: String,
    /// State.
    pub state: String,
    /// When it was raised.
    pub created: i64,
    /// When its Task was last written.
    pub written: i64,
    /// When the county first answered.
    pub answered: Option<i64>,
    /// County, place, day, window, observed, expected, p, q, predictive value, level, rule, reason …
    pub items: Items,
    /// References to what it rests on: cards, or what made the cases.
    pub evidence: Vec<String>,
    /// What was done.
    pub notes: Vec<Note>,
    /// Position of the version in the ledger, where the view knows it: what is shown is logged by it.
    #[serde(default)]
    pub position: u64,
}

impl Signal {
    /// Its state.
    pub fn state(&self) -> SignalState {
        SignalState::of(&self.state).unwrap_or(SignalState::Open)
    }

    /// Its level.
    pub fn level(&self) -> Level {
        Level::of(self.item("level")).unwrap_or(Level::Blue)
    }

    /// The clock of the county's answer.
    pub fn clock(&self) -> Clock {
        Clock { start: self.created, hours: self.level().hours() }
    }

    /// An item; empty when it is not there.
    pub fn item(&self, code: &str) -> &str {
        self.items.get(code).map_or("", String::as_str)
    }

    /// An item as a number.
    pub fn number(&self, code: &str) -> Option<f64> {
        self.item(code).parse().ok()
    }

    /// The Task of this signal.
    pub fn to_task(&self) -> Value {
        let status = match self.state() {
            SignalState::Open => "requested",
            SignalState::SuspectedEvent => "accepted",
            SignalState::FieldWork => "in-progress",
            SignalState::Confirmed => "completed",
            SignalState::Excluded => "rejected",
        };
        let mut task = head("signal", &self.id, &self.disease, status, "proposal", &self.state);
        let mut inputs = inputs(&self.items);
        for source in &self.evidence {
            inputs.push(json!({"type": kind("evidence"), "valueReference": {"reference": source}}));
        }
        let mut period = json!({"start": Instant(self.created).to_fhir()});
        if let Some(answered) = self.answered {
            period["end"] = json!(Instant(answered).to_fhir());
        }
        task["executionPeriod"] = period;
        task["restriction"] = json!({"period": {"end": Instant(self.clock().deadline()).to_fhir()}});
        task["authoredOn"] = json!(Instant(self.created).to_fhir());
        task["lastModified"] = json!(Instant(self.written).to_fhir());
        task["input"] = Value::Array(inputs);
        finish(task, &Items::new(), &self.notes)
    }

    fn read(common: Common, json: &Json<'_>) -> Option<Signal> {
        let created = moment(json, "authoredOn")?;
        let evidence = common.references.into_iter().filter(|(code, _)| code == "evidence");
        Some(Signal {
            id: common.id,
            version: common.version,
            disease: common.disease,
            state: common.state,
            created,
            written: moment(json, "lastModified").unwrap_or(created),
            answered: json.get("executionPeriod").and_then(|period| moment(period, "end")),
            items: common.items,
            evidence: evidence.map(|(_, reference)| reference).collect(),
            notes: common.notes,
            position: 0,
        })
    }
}

/// A contact of a case, and the days on which somebody asks how the contact is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact {
    /// Id of its Task.
    pub id: String,
    /// Version of its Task.
    pub version: u32,
    /// Code of the disease.
    pub disease: String,
    /// `followed`, `became-case`, `released` or `lost`.
    pub state: String,
    /// The card of the case that was met.
    pub card: String,
    /// The patient of that card, in whose record the contact lies; empty when it is not known.
    #[serde(default)]
    pub patient: String,
    /// The card that the contact got; empty while well.
    pub became: String,
    /// When it was entered.
    pub created: i64,
    /// When its Task was last written.
    pub written: i64,
    /// Name, telephone, site, relation, met-on, until, and a `day-YYYY-MM-DD` for each follow-up.
    pub items: Items,
    /// What was done.
    pub notes: Vec<Note>,
    /// Position of the version in the ledger, where the view knows it: what is shown is logged by it.
    #[serde(default)]
    pub position: u64,
}

impl Contact {
    /// An item; empty when it is not there.
    pub fn item(&self, code: &str) -> &str {
        self.items.get(code).map_or("", String::as_str)
    }

    /// The Task of this contact.
    pub fn to_task(&self) -> Value {
        let status = match self.state.as_str() {
            "released" => "completed",
            "became-case" => "completed",
            "lost" => "failed",
            _ => "in-progress",
        };
        let mut task = head("contact", &self.id, &self.disease, status, "order", &self.state);
        task["focus"] = json!({"reference": format!("Task/{}", self.card)});
        if !self.patient.is_empty() {
            task["for"] = json!({"reference": format!("Patient/{}", self.patient)});
        }
        let mut inputs = inputs(&self.items);
        if !self.became.is_empty() {
            let reference = format!("Task/{}", self.became);
            inputs.push(json!({"type": kind("became-case"), "valueReference": {"reference": reference}}));
        }
        if !self.item("until").is_empty() {
            task["restriction"] = json!({"period": {"end": self.item("until")}});
        }
        task["authoredOn"] = json!(Instant(self.created).to_fhir());
        task["lastModified"] = json!(Instant(self.written).to_fhir());
        task["input"] = Value::Array(inputs);
        finish(task, &Items::new(), &self.notes)
    }

    fn read(common: Common, json: &Json<'_>) -> Option<Contact> {
        let card = json.get("focus")?.text("reference")?.strip_prefix("Task/")?.to_owned();
        let became = common.references.iter().find(|(code, _)| code == "became-case");
        let became =
            became.and_then(|(_, reference)| reference.strip_prefix("Task/")).unwrap_or("").to_owned();
        let created = moment(json, "authoredOn").unwrap_or(0);
        let subject = json.get("for").and_then(|subject| subject.text("reference"));
        let patient = subject.and_then(|it| it.strip_prefix("Patient/"));
        Some(Contact {
            id: common.id,
            version: common.version,
            disease: common.disease,
            state: common.state,
            card,
            patient: patient.unwrap_or("").to_owned(),
            became,
            created,
            written: moment(json, "lastModified").unwrap_or(created),
            items: common.items,
            notes: common.notes,
            position: 0,
        })
    }
}

/// A day's reconciliation with 网络直报: how many rows were compared, what was taken over, what still differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reconciliation {
    /// Id of its Task.
    pub id: String,
    /// When it was written.
    pub written: i64,
    /// `rows`, `applied`, `differences`, as numbers.
    pub items: Items,
    /// Who.
    pub notes: Vec<Note>,
    /// Position of the version in the ledger, where the view knows it: what is shown is logged by it.
    #[serde(default)]
    pub position: u64,
}

impl Reconciliation {
    /// One of its numbers.
    pub fn number(&self, code: &str) -> i64 {
        self.items.get(code).and_then(|text| text.parse().ok()).unwrap_or(0)
    }

    /// The Task of this reconciliation.
    pub fn to_task(&self) -> Value {
        let mut task = head("reconciliation", &self.id, "", "completed", "order", "done");
        task["authoredOn"] = json!(Instant(self.written).to_fhir());
        task["lastModified"] = json!(Instant(self.written).to_fhir());
        task["input"] = Value::Array(inputs(&self.items));
        finish(task, &Items::new(), &self.notes)
    }

    fn read(common: Common, json: &Json<'_>) -> Option<Reconciliation> {
        let (id, items, notes) = (common.id, common.items, common.notes);
        Some(Reconciliation { id, written: moment(json, "lastModified")?, items, notes, position: 0 })
    }
}

/// A Task of surveillance.
#[derive(Debug, Clone, PartialEq)]
pub enum Work {
    /// A report card.
    Card(Card),
    /// A signal.
    Signal(Signal),
    /// A contact.
    Contact(Contact),
    /// A reconciliation.
    Reconciliation(Reconciliation),
}

/// Reads a Task; `None` when it is none of surveillance.
pub fn read(json: &Json<'_>) -> Option<Work> {
    let codings = json.get("code")?.items("coding");
    let code = |system: &str| codings.iter().find(|it| it.text("system") == Some(system))?.text("code");
    let work = code(WORK)?;
    let state = json.get("businessStatus")?.items("coding").first()?.text("code")?;
    let version = json.get("meta").and_then(|meta| meta.text("versionId")).and_then(|it| it.parse().ok());
    let (mut items, mut references) = (Items::new(), Vec::new());
    for input in json.items("input") {
        let Some(code) = item_code(input) else { continue };
        if let Some(reference) = input.get("valueReference").and_then(|it| it.text("reference")) {
            references.push((code.to_owned(), reference.to_owned()));
        } else if let Some(text) = input.text("valueString") {
            items.insert(code.to_owned(), text.to_owned());
        }
    }
    let mut answers = Items::new();
    for output in json.items("output") {
        if let (Some(code), Some(text)) = (item_code(output), output.text("valueString")) {
            answers.insert(code.to_owned(), text.to_owned());
        }
    }
    let notes = json.items("note").iter().map(|note| Note {
        time: moment(note, "time").unwrap_or(0),
        who: note.text("authorString").unwrap_or("").to_owned(),
        text: note.text("text").unwrap_or("").to_owned(),
    });
    let common = Common {
        id: json.text("id")?.to_owned(),
        version: version.unwrap_or(1),
        disease: code(DISEASE).unwrap_or("").to_owned(),
        state: state.to_owned(),
        items,
        references,
        answers,
        notes: notes.collect(),
    };
    match work {
        "report-card" => Card::read(common, json).map(Work::Card),
        "signal" => Signal::read(common, json).map(Work::Signal),
        "contact" => Contact::read(common, json).map(Work::Contact),
        "reconciliation" => Reconciliation::read(common, json).map(Work::Reconciliation),
        _ => None,
    }
}

struct Common {
    id: String,
    version: u32,
    disease: String,
    state: String,
    items: Items,
    references: Vec<(String, String)>,
    answers: Items,
    notes: Vec<Note>,
}

fn item_code<'j>(entry: &'j Json<'_>) -> Option<&'j str> {
    let codings = entry.get("type")?.items("coding");
    codings.iter().find(|coding| coding.text("system") == Some(ITEM))?.text("code")
}

fn moment(json: &Json<'_>, name: &str) -> Option<i64> {
    json.text(name).and_then(date::parse).map(|read| read.low)
}

fn kind(code: &str) -> Value {
    json!({"coding": [{"system": ITEM, "code": code}]})
}

fn input(code: &str, text: &str) -> Value {
    json!({"type": kind(code), "valueString": text})
}

/// FHIR's texts are never empty: what is not filled has no input.
fn inputs(items: &Items) -> Vec<Value> {
    items.iter().filter(|(_, text)| !text.trim().is_empty()).map(|(code, text)| input(code, text)).collect()
}

fn head(work: &str, id: &str, disease: &str, status: &str, intent: &str, state: &str) -> Value {
    let mut codings = vec![json!({"system": WORK, "code": work})];
    if !disease.is_empty() {
        codings.push(json!({"system": DISEASE, "code": disease}));
    }
    json!({
        "resourceType": "Task",
        "id": id,
        "status": status,
        "businessStatus": {"coding": [{"system": STATE, "code": state}]},
        "intent": intent,
        "code": {"coding": codings},
    })
}

fn finish(mut task: Value, answers: &Items, notes: &[Note]) -> Value {
    if task["input"].as_array().is_some_and(Vec::is_empty)
        && let Some(members) = task.as_object_mut()
    {
        members.remove("input");
    }
    let outputs = inputs(answers);
    if !outputs.is_empty() {
        task["output"] = Value::Array(outputs);
    }
    if !notes.is_empty() {
        let notes = notes.iter().map(|note| {
            let mut out = json!({"time": Instant(note.time).to_fhir(), "text": note.text});
            if !note.who.is_empty() {
                out["authorString"] = json!(note.who);
            }
            out
        });
        task["note"] = Value::Array(notes.collect());
    }
    task
}

#[cfg(test)]
mod tests {
    use tongmai_fhir::validate::{Options, validate};

    use super::*;

    fn items(pairs: &[(&str, &str)]) -> Items {
        pairs.iter().map(|(code, text)| ((*code).to_owned(), (*text).to_owned())).collect()
    }

    /// What is written is a valid Task and is read back the same.
    fn round(work: Work, task: Value) {
        let text = task.to_string();
        let json = Json::parse_str(&text).expect("JSON");
        assert_eq!(validate(&json, &Options::default()), [], "{text}");
        assert_eq!(read(&json), Some(work), "{text}");
    }

    #[test]
    fn what_is_written_is_read() {
        let note = Note { time: 1_795_222_800_000, who: "李医生".into(), text: "审核".into() };
        let card = Card {
            id: "card-1".into(),
            version: 1,
            patients: vec!["p".into(), "q".into()],
            encounter: "Encounter/e".into(),
            provider: "Organization/h".into(),
            disease: "cholera".into(),
            classification: "confirmed".into(),
            state: "rejected".into(),
            start: 1_795_222_800_000,
            hours: 2,
            created: 1_795_222_800_500,
            written: 1_795_222_900_000,
            items: items(&[("name", "王<小>明"), ("onset", "2026-11-20")]),
            evidence: vec!["Observation/o".into()],
            answers: items(&[("rejection", "地址不详"), ("national-number", "990123")]),
            notes: vec![note.clone()],
            position: 0,
        };
        round(Work::Card(card.clone()), card.to_task());
        let signal = Signal {
            id: "signal-1".into(),
            version: 1,
            disease: "cholera".into(),
            state: "field-work".into(),
            created: 1_795_222_800_000,
            written: 1_795_222_800_000,
            answered: Some(1_795_222_860_000),
            items: items(&[("level", "red"), ("observed", "3")]),
            evidence: vec!["Task/card-1".into()],
            notes: vec![],
            position: 0,
        };
        round(Work::Signal(signal.clone()), signal.to_task());
        let contact = Contact {
            id: "contact-1".into(),
            version: 1,
            disease: "cholera".into(),
            state: "became-case".into(),
            card: "card-1".into(),
            patient: "p".into(),
            became: "card-2".into(),
            created: 1_795_222_800_000,
            written: 1_795_222_800_000,
            items: items(&[("name", "张三"), ("site", "农贸市场"), ("until", "2026-11-26")]),
            notes: vec![note.clone()],
            position: 0,
        };
        round(Work::Contact(contact.clone()), contact.to_task());
        let reconciliation = Reconciliation {
            id: "reconciliation-2026-11-21".into(),
            written: 1_795_222_800_000,
            items: items(&[("rows", "3"), ("applied", "1"), ("differences", "0")]),
            notes: vec![note],
            position: 0,
        };
        round(Work::Reconciliation(reconciliation.clone()), reconciliation.to_task());
    }
}
