//! The fold: what the ledger says of stays in hospital.

use std::collections::{BTreeMap, BTreeSet};

use tongmai_engine::views::View;
use tongmai_engine::views::bytes::{Reader, put, put_text};
use tongmai_fhir::definition::resource_type_name;
use tongmai_fhir::json::Json;
use tongmai_store::{Event, EventKind, ResourceKey, Seq};

use super::reading;
use super::result;

/// Reads a code and its name from a concept.
type ReadCode<'r> = &'r dyn Fn(Option<&Json<'_>>) -> Option<(String, String)>;

/// One resource, as far as a stay needs it. Texts are ids unless they say otherwise.
#[allow(missing_docs, reason = "what the fields are is said of each variant")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// Day of birth and sex (1 male, 2 female, 0 unknown).
    Patient { born: Option<i64>, sex: u8, name: String },
    /// A stay; conditions in the order of their rank.
    Encounter {
        patient: String,
        admitted: Option<i64>,
        discharged: Option<i64>,
        disposition: String,
        hospital: String,
        hospital_name: String,
        department: String,
        doctor: String,
        number: String,
        conditions: Vec<String>,
    },
    /// A diagnosis with code and name.
    Condition { encounter: String, code: String, name: String },
    /// A procedure with code, name and day.
    Procedure { encounter: String, code: String, name: String, day: Option<i64>, at: String },
    /// A result: LOINC, the number as it was written, whether it is positive.
    Result { encounter: String, code: String, value: String, positive: bool },
    /// A bill: fen by stay, the coverage, and the settlement list that it carries (codes).
    Claim { encounter: String, fen: i64, coverage: String, list: Option<(Vec<String>, Vec<String>)> },
    /// A coverage: 310 employees (职工), 390 residents (居民).
    Coverage { kind: String },
    /// Fen that experts approved for a stay.
    Approved { encounter: String, fen: i64 },
    /// What was written of a stay: pack, group, fingerprint of the case.
    Written { encounter: String, pack: String, group: String, fingerprint: String },
}

impl Fact {
    /// The stay that it belongs to.
    fn encounter(&self) -> Option<&str> {
        match self {
            Fact::Condition { encounter, .. }
            | Fact::Procedure { encounter, .. }
            | Fact::Result { encounter, .. }
            | Fact::Claim { encounter, .. }
            | Fact::Approved { encounter, .. }
            | Fact::Written { encounter, .. } => Some(encounter),
            Fact::Patient { .. } | Fact::Encounter { .. } | Fact::Coverage { .. } => None,
        }
    }
}

/// What the ledger says of stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Discharges {
    /// Facts by the resource's key, with its position in the ledger and its id.
    facts: BTreeMap<ResourceKey, (Seq, String, Fact)>,
    /// Keys by `Type/id`.
    by_id: BTreeMap<String, ResourceKey>,
    /// What belongs to a stay, by its id, in the order of keys.
    parts: BTreeMap<String, BTreeSet<ResourceKey>>,
    /// Stays of a patient.
    stays: BTreeMap<String, BTreeSet<String>>,
    /// Stays whose Encounter names a diagnosis, by its id.
    cited: BTreeMap<String, BTreeSet<String>>,
    /// Visits that are no stays: what belongs to them is not kept.
    visits: BTreeSet<u64>,
    /// Position of the last event that touched each stay, both ways.
    touched: BTreeMap<String, Seq>,
    order: BTreeSet<(Seq, String)>,
    /// Position of the event being applied.
    now: Seq,
}

fn short(id: &str) -> u64 {
    id.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

fn address(fact: &Fact, id: &str) -> Option<String> {
    match fact {
        Fact::Patient { .. } => Some(format!("Patient/{id}")),
        Fact::Encounter { .. } => Some(format!("Encounter/{id}")),
        Fact::Condition { .. } => Some(format!("Condition/{id}")),
        Fact::Coverage { .. } => Some(format!("Coverage/{id}")),
        _ => None,
    }
}

impl Discharges {
    /// The fact of `Type/id`.
    pub fn fact(&self, address: &str) -> Option<&Fact> {
        self.facts.get(self.by_id.get(address)?).map(|(_, _, fact)| fact)
    }

    /// What belongs to a stay, with ids.
    pub fn parts(&self, encounter: &str) -> impl Iterator<Item = (&str, &Fact)> {
        let keys = self.parts.get(encounter).into_iter().flatten();
        keys.filter_map(|key| self.facts.get(key)).map(|(_, id, fact)| (id.as_str(), fact))
    }

    /// Position of the current version of `Type/id`.
    pub fn position(&self, address: &str) -> Option<Seq> {
        self.facts.get(self.by_id.get(address)?).map(|(position, ..)| *position)
    }

    /// Positions of what belongs to a stay.
    pub fn positions(&self, encounter: &str) -> Vec<Seq> {
        let keys = self.parts.get(encounter).into_iter().flatten();
        keys.filter_map(|key| self.facts.get(key)).map(|(position, ..)| *position).collect()
    }

    /// Every stay's id, in the order of ids.
    pub fn encounters(&self) -> impl Iterator<Item = &str> {
        self.by_id.keys().filter_map(|address| address.strip_prefix("Encounter/"))
    }

    /// The stays of a patient.
    pub fn stays_of(&self, patient: &str) -> impl Iterator<Item = &str> {
        self.stays.get(patient).into_iter().flatten().map(String::as_str)
    }

    /// The stays that were touched after this position; all of them when there is none.
    pub fn touched_after(&self, position: Option<Seq>) -> impl Iterator<Item = &str> {
        let from = position.map_or(0, |position| position + 1);
        self.order.range((from, String::new())..).map(|(_, id)| id.as_str())
    }

    /// A diagnosis has changed: so have the stays whose Encounter names it.
    fn touch_citing(&mut self, condition: &str) {
        let citing = self.cited.get(condition).cloned().unwrap_or_default();
        citing.iter().for_each(|encounter| self.touch(encounter));
    }

    fn touch(&mut self, encounter: &str) {
        let now = self.now;
        if let Some(before) = self.touched.insert(encounter.to_owned(), now) {
            self.order.remove(&(before, encounter.to_owned()));
        }
        self.order.insert((now, encounter.to_owned()));
    }

    fn forget(&mut self, key: ResourceKey) {
        let Some((_, id, fact)) = self.facts.remove(&key) else { return };
        if let Some(address) = address(&fact, &id) {
            self.by_id.remove(&address);
        }
        if let Some(encounter) = fact.encounter().map(str::to_owned) {
            if let Some(parts) = self.parts.get_mut(&encounter) {
                parts.remove(&key);
                if parts.is_empty() {
                    self.parts.remove(&encounter);
                }
            }
            if !matches!(fact, Fact::Written { .. }) {
                self.touch(&encounter);
            }
        }
        if let Fact::Condition { .. } = fact {
            self.touch_citing(&id);
        }
        if let Fact::Encounter { patient, conditions, .. } = fact {
            for condition in &conditions {
                if let Some(citing) = self.cited.get_mut(condition) {
                    citing.remove(&id);
                    if citing.is_empty() {
                        self.cited.remove(condition);
                    }
                }
            }
            if let Some(stays) = self.stays.get_mut(&patient) {
                stays.remove(&id);
                if stays.is_empty() {
                    self.stays.remove(&patient);
                }
            }
            self.touch(&id);
        }
    }

    fn keep(&mut self, key: ResourceKey, id: String, fact: Fact) {
        if let Some(encounter) = fact.encounter().map(str::to_owned) {
            let of_visit = self.visits.contains(&short(&encounter));
            // A diagnosis made in the emergency room may be that of the stay which follows.
            if of_visit && !matches!(fact, Fact::Condition { .. }) {
                return;
            }
            if !of_visit {
                self.parts.entry(encounter.clone()).or_default().insert(key);
                if !matches!(fact, Fact::Written { .. }) {
                    self.touch(&encounter);
                }
            }
        }
        match &fact {
            Fact::Encounter { patient, conditions, .. } => {
                self.stays.entry(patient.clone()).or_default().insert(id.clone());
                for condition in conditions {
                    self.cited.entry(condition.clone()).or_default().insert(id.clone());
                }
                self.touch(&id);
            }
            Fact::Condition { .. } => self.touch_citing(&id),
            Fact::Patient { .. } => {
                let stays = self.stays.get(&id).cloned().unwrap_or_default();
                stays.iter().for_each(|stay| self.touch(stay));
            }
            _ => {}
        }
        if let Some(address) = address(&fact, &id) {
            self.by_id.insert(address, key);
        }
        self.facts.insert(key, (self.now, id, fact));
    }

    /// A visit that is no stay: what came of it already is let go.
    fn visit(&mut self, id: &str) {
        self.visits.insert(short(id));
        for key in self.parts.remove(id).unwrap_or_default() {
            if !matches!(self.facts.get(&key), Some((_, _, Fact::Condition { .. }))) {
                self.facts.remove(&key);
            }
        }
        if let Some(before) = self.touched.remove(id) {
            self.order.remove(&(before, id.to_owned()));
        }
    }
}

const KINDS: [&str; 9] = [
    "Task",
    "Patient",
    "Encounter",
    "Condition",
    "Procedure",
    "Observation",
    "Claim",
    "Coverage",
    "ExplanationOfBenefit",
];

impl View for Discharges {
    const NAME: &'static str = "drg";
    const DEFINITION: &'static str =
        "2: stays with diagnoses, procedures, results, bills, and the groups that were written of them";

    fn new(_: &[u8; 32]) -> Discharges {
        Discharges::default()
    }

    fn apply(&mut self, event: &Event) {
        self.now = event.seq;
        let Some(kind) = resource_type_name(event.type_id).filter(|kind| KINDS.contains(kind)) else {
            return;
        };
        match event.kind {
            EventKind::Put | EventKind::Move => {}
            EventKind::Delete | EventKind::Purge => return self.forget(event.key),
            EventKind::Restrict | EventKind::Release => return,
        }
        let mut text = Vec::new();
        let read = tongmai_codec::unpack(&event.body, &mut text).is_ok();
        let json = if read { Json::parse(&text).ok() } else { None };
        let Some((json, id)) = json.as_ref().and_then(|json| Some((json, json.text("id")?.to_owned())))
        else {
            return self.forget(event.key);
        };
        if kind == "Encounter" && !is_stay(json) {
            self.forget(event.key);
            return self.visit(&id);
        }
        if kind == "Encounter" {
            // A stay that was only planned before.
            self.visits.remove(&short(&id));
        }
        let fact = fact(kind, json);
        self.forget(event.key);
        if let Some(fact) = fact {
            self.keep(event.key, id, fact);
        }
    }

    fn canonical(&self) -> String {
        format!("{:?} {:?}", self.facts, self.visits)
    }

    fn write(&self, out: &mut Vec<u8>) {
        put(self.visits.len() as i64, out);
        self.visits.iter().for_each(|visit| put(visit.cast_signed(), out));
        put(self.facts.len() as i64, out);
        for (key, (position, id, fact)) in &self.facts {
            put(key.0, out);
            put(position.cast_signed(), out);
            put_text(id, out);
            write_fact(fact, out);
        }
    }

    fn read(_: &[u8; 32], from: &mut Reader<'_>) -> Option<Discharges> {
        let mut state = Discharges::default();
        from.list(&mut |item| {
            state.visits.insert(item.number::<i64>()?.cast_unsigned());
            Some(())
        })?;
        from.list(&mut |item| {
            let key = ResourceKey(item.number()?);
            state.now = item.number()?;
            let id = item.text()?.to_owned();
            let fact = read_fact(item)?;
            state.keep(key, id, fact);
            Some(())
        })?;
        Some(state)
    }
}

fn is_stay(encounter: &Json<'_>) -> bool {
    let class = encounter.get("class").and_then(|class| class.text("code")).unwrap_or("");
    matches!(class, "IMP" | "ACUTE" | "NONAC" | "SS")
        && !matches!(encounter.text("status"), Some("cancelled" | "entered-in-error" | "planned"))
}

fn fact(kind: &str, json: &Json<'_>) -> Option<Fact> {
    let encounter = || reading::id_of(json.get("encounter"), "Encounter").map(str::to_owned);
    match kind {
        "Patient" => {
            let sex = match json.text("gender") {
                Some("male") => 1,
                Some("female") => 2,
                _ => 0,
            };
            let name = json.items("name").first().and_then(|name| name.text("text")).unwrap_or("").to_owned();
            Some(Fact::Patient { born: json.text("birthDate").and_then(reading::day), sex, name })
        }
        "Encounter" => stay(json),
        "Condition" => {
            let refuted =
                matches!(reading::code(json.get("verificationStatus")), Some("refuted" | "entered-in-error"));
            let (code, name) = reading::diagnosis(json.get("code")).filter(|_| !refuted)?;
            Some(Fact::Condition { encounter: encounter()?, code, name })
        }
        "Procedure" => {
            let done = !matches!(json.text("status"), Some("not-done" | "entered-in-error" | "preparation"));
            let (code, name) = reading::procedure(json.get("code")).filter(|_| done)?;
            let period = json.get("performedPeriod").and_then(|period| period.text("start"));
            let at = json.text("performedDateTime").or(period).unwrap_or("").to_owned();
            Some(Fact::Procedure { encounter: encounter()?, code, name, day: reading::day(&at), at })
        }
        "Observation" => observation(json, encounter()?),
        "Claim" => claim(json),
        "Task" => super::special::fact(json),
        "Coverage" => {
            let codes = json.get("type").map_or(&[][..], |kind| kind.items("coding"));
            let kind = codes
                .iter()
                .filter_map(|coding| coding.text("code"))
                .find(|code| code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_digit()));
            Some(Fact::Coverage { kind: kind.unwrap_or("").to_owned() })
        }
        _ => result::read(json),
    }
}

fn stay(json: &Json<'_>) -> Option<Fact> {
    let period = json.get("period");
    let moment = |name: &str| period.and_then(|period| period.text(name)).and_then(reading::day);
    let finished = json.text("status") == Some("finished");
    let disposition = json.get("hospitalization").and_then(|h| h.get("dischargeDisposition"));
    let provider = json.get("serviceProvider");
    let text = |value: Option<&str>| value.unwrap_or("").to_owned();
    let location = json.items("location").first().and_then(|place| place.get("location"));
    let doctor = json.items("participant").first().and_then(|p| p.get("individual"));
    let mut ranked: Vec<(i64, String)> = json
        .items("diagnosis")
        .iter()
        .enumerate()
        .filter_map(|(at, diagnosis)| {
            let rank = match diagnosis.get("rank") {
                Some(Json::Number(rank)) => rank.parse().unwrap_or(i64::MAX),
                _ => at as i64 + 1,
            };
            let admission = reading::code(diagnosis.get("use")) == Some("AD");
            let id = reading::id_of(diagnosis.get("condition"), "Condition").filter(|_| !admission)?;
            Some((rank, id.to_owned()))
        })
        .collect();
    ranked.sort_by_key(|(rank, _)| *rank);
    Some(Fact::Encounter {
        patient: reading::id_of(json.get("subject"), "Patient")?.to_owned(),
        admitted: moment("start"),
        discharged: moment("end").filter(|_| finished),
        disposition: reading::disposition(disposition).to_owned(),
        hospital: text(reading::id_of(provider, "Organization")),
        hospital_name: text(provider.and_then(|p| p.text("display"))),
        department: text(location.and_then(|place| place.text("display"))),
        doctor: text(doctor.and_then(|who| who.text("display"))),
        number: text(json.items("identifier").first().and_then(|i| i.text("value"))),
        conditions: ranked.into_iter().map(|(_, id)| id).collect(),
    })
}

fn observation(json: &Json<'_>, encounter: String) -> Option<Fact> {
    let loinc = |concept: Option<&Json<'_>>| -> Option<String> {
        let codings = concept?.items("coding");
        codings.iter().find(|c| c.text("system") == Some("http://loinc.org"))?.text("code").map(str::to_owned)
    };
    // Blood pressure is a panel: its systolic part is what the rules know.
    let part =
        json.items("component").iter().find(|part| loinc(part.get("code")).as_deref() == Some("8480-6"));
    let source = part.unwrap_or(json);
    let code = loinc(source.get("code"))?;
    let value = match source.get("valueQuantity").and_then(|quantity| quantity.get("value")) {
        Some(Json::Number(digits)) => digits.to_string(),
        _ => String::new(),
    };
    let marks = json.items("interpretation").iter();
    let positive = marks.into_iter().any(|mark| matches!(reading::code(Some(mark)), Some("POS" | "DET")));
    Some(Fact::Result { encounter, code, value, positive })
}

fn claim(json: &Json<'_>) -> Option<Fact> {
    if json.text("status") != Some("active") {
        return None;
    }
    let item = json.items("item").first()?;
    let encounter = reading::id_of(item.items("encounter").first(), "Encounter")?.to_owned();
    let insurance = json.items("insurance").first().and_then(|insurance| insurance.get("coverage"));
    let coded = |items: &str, concept: &str, read: ReadCode<'_>| {
        let entries = json.items(items).iter();
        entries.filter_map(|entry| read(entry.get(concept))).map(|(code, _)| code).collect::<Vec<_>>()
    };
    let diagnoses = coded("diagnosis", "diagnosisCodeableConcept", &reading::diagnosis);
    let procedures = coded("procedure", "procedureCodeableConcept", &reading::procedure);
    Some(Fact::Claim {
        encounter,
        fen: reading::fen(json.get("total")).unwrap_or(0),
        coverage: reading::id_of(insurance, "Coverage").unwrap_or("").to_owned(),
        list: (!diagnoses.is_empty()).then_some((diagnoses, procedures)),
    })
}

fn write_list(list: &[String], out: &mut Vec<u8>) {
    put(list.len() as i64, out);
    list.iter().for_each(|text| put_text(text, out));
}

fn read_list(from: &mut Reader<'_>) -> Option<Vec<String>> {
    let mut list = Vec::new();
    from.list(&mut |item| {
        list.push(item.text()?.to_owned());
        Some(())
    })?;
    Some(list)
}

fn write_day(day: Option<i64>, out: &mut Vec<u8>) {
    put(day.unwrap_or(i64::from(i32::MIN)), out);
}

fn read_day(from: &mut Reader<'_>) -> Option<Option<i64>> {
    let day: i64 = from.number()?;
    Some((day != i64::from(i32::MIN)).then_some(day))
}

fn write_fact(fact: &Fact, out: &mut Vec<u8>) {
    let texts = |texts: &[&String], out: &mut Vec<u8>| texts.iter().for_each(|text| put_text(text, out));
    match fact {
        Fact::Patient { born, sex, name } => {
            put(0, out);
            write_day(*born, out);
            put((*sex).into(), out);
            put_text(name, out);
        }
        Fact::Encounter {
            patient,
            admitted,
            discharged,
            disposition,
            hospital,
            hospital_name,
            department,
            doctor,
            number,
            conditions,
        } => {
            put(1, out);
            write_day(*admitted, out);
            write_day(*discharged, out);
            texts(&[patient, disposition, hospital, hospital_name, department, doctor, number], out);
            write_list(conditions, out);
        }
        Fact::Condition { encounter, code, name } => {
            put(2, out);
            texts(&[encounter, code, name], out);
        }
        Fact::Procedure { encounter, code, name, day, at } => {
            put(3, out);
            write_day(*day, out);
            texts(&[encounter, code, name, at], out);
        }
        Fact::Result { encounter, code, value, positive } => {
            put(4, out);
            put((*positive).into(), out);
            texts(&[encounter, code, value], out);
        }
        Fact::Claim { encounter, fen, coverage, list } => {
            put(5, out);
            put(*fen, out);
            texts(&[encounter, coverage], out);
            put(list.is_some().into(), out);
            if let Some((diagnoses, procedures)) = list {
                write_list(diagnoses, out);
                write_list(procedures, out);
            }
        }
        Fact::Coverage { kind } => {
            put(6, out);
            put_text(kind, out);
        }
        Fact::Approved { encounter, fen } => {
            put(8, out);
            put(*fen, out);
            put_text(encounter, out);
        }
        Fact::Written { encounter, pack, group, fingerprint } => {
            put(7, out);
            texts(&[encounter, pack, group, fingerprint], out);
        }
    }
}

fn read_fact(from: &mut Reader<'_>) -> Option<Fact> {
    let kind: i64 = from.number()?;
    let text = |from: &mut Reader<'_>| from.text().map(str::to_owned);
    Some(match kind {
        0 => Fact::Patient { born: read_day(from)?, sex: from.number()?, name: text(from)? },
        1 => {
            let (admitted, discharged) = (read_day(from)?, read_day(from)?);
            Fact::Encounter {
                admitted,
                discharged,
                patient: text(from)?,
                disposition: text(from)?,
                hospital: text(from)?,
                hospital_name: text(from)?,
                department: text(from)?,
                doctor: text(from)?,
                number: text(from)?,
                conditions: read_list(from)?,
            }
        }
        2 => Fact::Condition { encounter: text(from)?, code: text(from)?, name: text(from)? },
        3 => {
            let day = read_day(from)?;
            Fact::Procedure {
                day,
                encounter: text(from)?,
                code: text(from)?,
                name: text(from)?,
                at: text(from)?,
            }
        }
        4 => {
            let positive = from.number::<i64>()? == 1;
            Fact::Result { positive, encounter: text(from)?, code: text(from)?, value: text(from)? }
        }
        5 => {
            let (fen, encounter, coverage) = (from.number()?, text(from)?, text(from)?);
            let list = match from.number::<i64>()? {
                0 => None,
                _ => Some((read_list(from)?, read_list(from)?)),
            };
            Fact::Claim { encounter, fen, coverage, list }
        }
        6 => Fact::Coverage { kind: text(from)? },
        7 => Fact::Written {
            encounter: text(from)?,
            pack: text(from)?,
            group: text(from)?,
            fingerprint: text(from)?,
        },
        8 => {
            let fen = from.number()?;
            Fact::Approved { fen, encounter: text(from)? }
        }
        _ => return None,
    })
}
