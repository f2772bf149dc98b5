//! Who is due for a follow-up 随访: what the rules of `care` are asked about, folded from the feed.
//!
//! Of a person the id of a record, the day of birth and the village are kept; of conditions and measurements
//! a number of the record, days and values. Records of one person are put together by a keyed hash of the
//! citizen's number; without a number a record stands for itself.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{Hash, Hasher};
use std::sync::LazyLock;

use siphasher::sip::SipHasher13;
use tongmai_care::follow_up::{Decision, Due, Rules, Visit};
use tongmai_engine::views::View;
use tongmai_engine::views::bytes::{Reader, put, put_text};
use tongmai_fhir::definition::resource_type_name;
use tongmai_fhir::json::Json;
use tongmai_fhir::search::date;
use tongmai_store::{Event, EventKind, ResourceKey};

/// Identifier system of citizen's numbers 公民身份号码.
const CITIZEN: &str = "urn:oid:2.16.156.10011.1.3";
/// LOINC of what the programmes judge by, with the name that rules give it; a panel by its components.
const MEASURES: [(&str, &str); 6] = [
    ("8480-6", "systolic"),
    ("8462-4", "diastolic"),
    ("14771-0", "fasting_glucose"),
    ("1558-6", "fasting_glucose"),
    ("8310-5", "temperature"),
    ("8867-4", "heart_rate"),
];
/// What a programme must have measured for a day to be one of its visits.
const MADE_BY: [(&str, &str); 2] = [("hypertension", "systolic"), ("diabetes", "fasting_glucose")];

#[derive(Debug, Clone, PartialEq, Eq)]
struct Person {
    /// Keyed hash that its records share.
    hash: u64,
    record: u64,
    /// The Patient.
    id: String,
    birth: i64,
    place: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Condition {
    record: u64,
    code: String,
    day: i64,
}

#[derive(Debug, Clone, PartialEq)]
struct Measured {
    record: u64,
    day: i64,
    /// Place in [`MEASURES`] and value in thousandths.
    values: Vec<(u8, i64)>,
}

/// People with their chronic conditions and what was measured.
#[derive(Default)]
pub struct FollowUps {
    secret: [u8; 16],
    people: HashMap<ResourceKey, Person>,
    conditions: HashMap<ResourceKey, Condition>,
    measured: HashMap<ResourceKey, Measured>,
}

/// Somebody in a programme.
#[derive(Debug, Clone, PartialEq)]
pub struct Enrolled {
    /// Id of one Patient of the person.
    pub patient: String,
    /// Township and village.
    pub place: String,
    /// The programme.
    pub programme: String,
    /// When the next visit is due.
    pub due: Due,
    /// Day and meaning of the last visit.
    pub last: Option<(i64, Decision)>,
}

impl Enrolled {
    /// The day it is about.
    pub fn day(&self) -> i64 {
        match self.due {
            Due::Later(day)
            | Due::Now(day)
            | Due::Late(day)
            | Due::CheckReferral(day)
            | Due::ReferralUnchecked(day) => day,
        }
    }
}

impl FollowUps {
    /// Everybody enrolled in a programme, those longest overdue first. `today` in days since 1970.
    pub fn enrolled(&self, rules: &Rules, today: i64) -> Vec<Enrolled> {
        let of_record: HashMap<u64, &Person> = self.people.values().map(|p| (p.record, p)).collect();
        // One Patient stands for a person: the one with the least record, whatever the order of arrival.
        let mut faces: BTreeMap<u64, &Person> = BTreeMap::new();
        for person in self.people.values() {
            let face = faces.entry(person.hash).or_insert(person);
            if person.record < face.record {
                *face = person;
            }
        }
        let mut days: HashMap<u64, BTreeMap<i64, BTreeMap<&str, i64>>> = HashMap::new();
        let mut measured: Vec<(&ResourceKey, &Measured)> = self.measured.iter().collect();
        measured.sort_by_key(|(key, _)| key.0);
        for (_, one) in measured {
            let Some(person) = of_record.get(&one.record) else { continue };
            let day = days.entry(person.hash).or_default().entry(one.day).or_default();
            for (measure, value) in &one.values {
                // Of several readings on one day the highest counts.
                let held = day.entry(MEASURES[usize::from(*measure)].1).or_insert(*value);
                *held = (*held).max(*value);
            }
        }
        let mut enrolled = Vec::new();
        for programme in &rules.programmes {
            let made_by = MADE_BY.iter().find(|(id, _)| *id == programme.id).map_or("", |made| made.1);
            let mut since: BTreeMap<u64, i64> = BTreeMap::new();
            for condition in self.conditions.values().filter(|c| programme.enrols(&c.code)) {
                let Some(person) = of_record.get(&condition.record) else { continue };
                let day = since.entry(person.hash).or_insert(condition.day);
                *day = (*day).min(condition.day);
            }
            for (hash, since) in since {
                let Some(person) = faces.get(&hash) else { continue };
                let visits: Vec<Visit> = days
                    .get(&hash)
                    .into_iter()
                    .flat_map(|days| days.range(since..=today))
                    .filter(|(_, measures)| measures.contains_key(made_by))
                    .map(|(day, measures)| Visit {
                        day: *day,
                        measures: measures
                            .iter()
                            .map(|(name, value)| ((*name).to_owned(), *value as f64 / 1000.0))
                            .collect(),
                        ..Visit::default()
                    })
                    .collect();
                let age = |day: i64| u32::try_from((day - person.birth) * 4 / 1461).unwrap_or(0);
                let last = programme.course(&visits, age).pop();
                let due = programme.due(since, last.as_ref(), today);
                enrolled.push(Enrolled {
                    patient: person.id.clone(),
                    place: person.place.clone(),
                    programme: programme.id.clone(),
                    due,
                    last: visits.last().map(|visit| visit.day).zip(last),
                });
            }
        }
        let waits = |e: &Enrolled| match e.due {
            Due::ReferralUnchecked(_) => 0,
            Due::Late(_) => 1,
            Due::CheckReferral(_) | Due::Now(_) => 2,
            Due::Later(_) => 3,
        };
        enrolled.sort_by(|a, b| {
            (waits(a), a.day(), &a.patient, &a.programme).cmp(&(waits(b), b.day(), &b.patient, &b.programme))
        });
        enrolled
    }

    /// Places where somebody lives who has a chronic condition.
    pub fn places(&self) -> BTreeSet<String> {
        let ill: BTreeSet<u64> = self.conditions.values().map(|c| c.record).collect();
        self.people.values().filter(|p| ill.contains(&p.record)).map(|p| p.place.clone()).collect()
    }

    fn forget(&mut self, key: ResourceKey) {
        self.people.remove(&key);
        self.conditions.remove(&key);
        self.measured.remove(&key);
    }

    fn person(&self, event: &Event, patient: &Json) -> Option<Person> {
        let number = patient.items("identifier").iter().find(|i| i.text("system") == Some(CITIZEN));
        let record = event.record_key.0;
        let hash = match number.and_then(|number| number.text("value")) {
            Some(number) => {
                let mut hasher = SipHasher13::new_with_key(&self.secret);
                number.to_ascii_uppercase().hash(&mut hasher);
                hasher.finish()
            }
            None => record,
        };
        // Nobody who died is due.
        let died = patient.get("deceasedDateTime").is_some()
            || matches!(patient.get("deceasedBoolean"), Some(Json::Bool(true)));
        if died {
            return None;
        }
        let birth = day(patient.text("birthDate")?)?;
        let address = patient.items("address").first();
        let text = |name: &str| address.and_then(|a| a.text(name)).unwrap_or("");
        let line = address.and_then(|a| a.items("line").first());
        let line = match line {
            Some(Json::String(line)) => line.as_ref(),
            _ => "",
        };
        // The number of the house is nobody's business in a list.
        let village = line.split(|c: char| c.is_ascii_digit()).next().unwrap_or("");
        let place = format!("{} {village}", text("district")).trim().to_owned();
        Some(Person { hash, record, id: patient.text("id")?.to_owned(), birth, place })
    }
}

fn day(text: &str) -> Option<i64> {
    let offset = tongmai_base::time::CHINA_OFFSET_MINUTES * 60_000;
    Some((date::parse(text)?.low + offset).div_euclid(86_400_000))
}

fn codes<'j>(json: &'j Json<'_>) -> impl Iterator<Item = &'j str> {
    json.get("code").into_iter().flat_map(|c| c.items("coding")).filter_map(|coding| coding.text("code"))
}

fn condition(event: &Event, json: &Json) -> Option<Condition> {
    let active = json.get("clinicalStatus").is_none_or(|status| {
        status
            .items("coding")
            .iter()
            .any(|c| matches!(c.text("code"), Some("active" | "recurrence" | "relapse")))
    });
    static RULES: LazyLock<Rules> = LazyLock::new(Rules::mainland_china);
    let code = codes(json).find(|code| RULES.programmes.iter().any(|p| p.enrols(code)))?;
    let when = json.text("recordedDate").or_else(|| json.text("onsetDateTime"))?;
    active.then_some(())?;
    Some(Condition { record: event.record_key.0, code: code.to_owned(), day: day(when)? })
}

fn measured(event: &Event, json: &Json) -> Option<Measured> {
    let wrong = matches!(json.text("status"), Some("entered-in-error" | "cancelled"));
    let mut values = Vec::new();
    for part in std::iter::once(json).chain(json.items("component")) {
        let measure = codes(part).find_map(|code| MEASURES.iter().position(|(loinc, _)| *loinc == code));
        let value = match part.get("valueQuantity").and_then(|q| q.get("value")) {
            Some(Json::Number(digits)) => digits.parse::<f64>().ok(),
            _ => None,
        };
        if let (Some(measure), Some(value)) = (measure, value) {
            values.push((u8::try_from(measure).ok()?, (value * 1000.0).round() as i64));
        }
    }
    if values.is_empty() || wrong {
        return None;
    }
    Some(Measured { record: event.record_key.0, day: day(json.text("effectiveDateTime")?)?, values })
}

impl View for FollowUps {
    const NAME: &'static str = "follow-ups";
    const DEFINITION: &'static str = "1: people, chronic conditions and what follow-up rules judge by";

    fn new(secret: &[u8; 32]) -> FollowUps {
        let mut key = [0; 16];
        key.copy_from_slice(&secret[..16]);
        FollowUps { secret: key, ..FollowUps::default() }
    }

    fn apply(&mut self, event: &Event) {
        let kind = resource_type_name(event.type_id).unwrap_or("");
        if !matches!(kind, "Patient" | "Condition" | "Observation") {
            return;
        }
        match event.kind {
            EventKind::Put | EventKind::Move => {}
            EventKind::Delete | EventKind::Purge => return self.forget(event.key),
            EventKind::Restrict | EventKind::Release => return,
        }
        self.forget(event.key);
        let mut text = Vec::new();
        if tongmai_codec::unpack(&event.body, &mut text).is_err() {
            return;
        }
        // Most observations say nothing that a programme judges by.
        let judged =
            || MEASURES.iter().any(|(loinc, _)| memchr::memmem::find(&text, loinc.as_bytes()).is_some());
        if kind == "Observation" && !judged() {
            return;
        }
        let Ok(json) = Json::parse(&text) else { return };
        match kind {
            "Patient" => {
                self.person(event, &json).map(|person| self.people.insert(event.key, person));
            }
            "Condition" => {
                condition(event, &json).map(|condition| self.conditions.insert(event.key, condition));
            }
            _ => {
                measured(event, &json).map(|measured| self.measured.insert(event.key, measured));
            }
        }
    }

    fn canonical(&self) -> String {
        let people: BTreeMap<i64, &Person> = self.people.iter().map(|(key, p)| (key.0, p)).collect();
        let conditions: BTreeMap<i64, &Condition> =
            self.conditions.iter().map(|(key, c)| (key.0, c)).collect();
        let measured: BTreeMap<i64, &Measured> = self.measured.iter().map(|(key, m)| (key.0, m)).collect();
        format!("{people:?} {conditions:?} {measured:?}")
    }

    fn write(&self, out: &mut Vec<u8>) {
        put(self.people.len() as i64, out);
        for (key, p) in &self.people {
            put(key.0, out);
            put(p.hash.cast_signed(), out);
            put(p.record.cast_signed(), out);
            put(p.birth, out);
            put_text(&p.id, out);
            put_text(&p.place, out);
        }
        put(self.conditions.len() as i64, out);
        for (key, c) in &self.conditions {
            put(key.0, out);
            put(c.record.cast_signed(), out);
            put(c.day, out);
            put_text(&c.code, out);
        }
        put(self.measured.len() as i64, out);
        for (key, m) in &self.measured {
            put(key.0, out);
            put(m.record.cast_signed(), out);
            put(m.day, out);
            put(m.values.len() as i64, out);
            for (measure, value) in &m.values {
                put((*measure).into(), out);
                put(*value, out);
            }
        }
    }

    fn read(secret: &[u8; 32], from: &mut Reader<'_>) -> Option<FollowUps> {
        let mut view = FollowUps::new(secret);
        from.list(&mut |item| {
            let key = ResourceKey(item.number()?);
            let (hash, record) =
                (item.number::<i64>()?.cast_unsigned(), item.number::<i64>()?.cast_unsigned());
            let birth = item.number()?;
            let (id, place) = (item.text()?.to_owned(), item.text()?.to_owned());
            view.people.insert(key, Person { hash, record, id, birth, place });
            Some(())
        })?;
        from.list(&mut |item| {
            let key = ResourceKey(item.number()?);
            let (record, day) = (item.number::<i64>()?.cast_unsigned(), item.number()?);
            let code = item.text()?.to_owned();
            view.conditions.insert(key, Condition { record, code, day });
            Some(())
        })?;
        from.list(&mut |item| {
            let key = ResourceKey(item.number()?);
            let (record, day) = (item.number::<i64>()?.cast_unsigned(), item.number()?);
            let mut values = Vec::new();
            item.list(&mut |value| {
                let measure: u8 = value.number()?;
                if usize::from(measure) >= MEASURES.len() {
                    return None;
                }
                values.push((measure, value.number()?));
                Some(())
            })?;
            view.measured.insert(key, Measured { record, day, values });
            Some(())
        })?;
        Some(view)
    }
}
