//! What outcome indicators are counted from: blood pressures and prescriptions with their day and the kind
//! of place they come from.
//!
//! Nothing but a number of the record, a day and yes or no is kept of anybody.

use std::collections::{BTreeMap, HashMap};

use siphasher::sip::SipHasher13;
use std::hash::{Hash, Hasher};
use tongmai_engagement::institution::fact::Indicator;
use tongmai_engagement::outcome::{Outcome, Share, windows};
use tongmai_engine::views::View;
use tongmai_engine::views::bytes::{Reader, put};
use tongmai_fhir::definition::resource_type_name;
use tongmai_fhir::json::Json;
use tongmai_fhir::search::date;
use tongmai_store::{Event, EventKind, ResourceKey};

/// Measures that can be counted.
pub const MEASURES: [&str; 2] = ["pressure_controlled", "long_prescription"];
/// Kinds of places, by how their names end.
pub const PLACES: [&str; 3] = ["village", "township", "hospital"];

/// A prescription of four weeks and more is a long one 长期处方.
const LONG_DAYS: i64 = 28;
/// LOINC of the blood pressure panel and its parts.
const PRESSURE: [&str; 3] = ["85354-9", "8480-6", "8462-4"];

/// One count: a reading of blood pressure, or a prescription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Counted {
    measure: u8,
    record: u64,
    day: i32,
    /// Keyed hash of the visit; 0 without one.
    visit: u64,
    met: bool,
}

/// Readings and prescriptions, and the places of visits.
#[derive(Default)]
pub struct Outcomes {
    secret: [u8; 16],
    counted: HashMap<ResourceKey, Counted>,
    /// Hash of the visit and kind of its place.
    visits: HashMap<ResourceKey, (u64, u8)>,
    places: HashMap<u64, u8>,
}

impl Outcomes {
    /// The four shares of an indicator; `None` when its measure or places have no name here.
    pub fn outcome(&self, indicator: &Indicator) -> Option<Outcome> {
        let measure = position(&MEASURES, &indicator.measure)?;
        let (here, elsewhere) =
            (position(&PLACES, &indicator.region)?, position(&PLACES, &indicator.comparison)?);
        let (before, after) = windows(indicator);
        Some(Outcome {
            before: self.share(measure, here, before),
            after: self.share(measure, here, after),
            comparison_before: self.share(measure, elsewhere, before),
            comparison_after: self.share(measure, elsewhere, after),
        })
    }

    /// Blood pressures count by person, with the last reading of the time; prescriptions each.
    fn share(&self, measure: u8, place: u8, (first, last): (i64, i64)) -> Share {
        let within = self.counted.iter().filter(|(_, c)| {
            c.measure == measure
                && (first..=last).contains(&i64::from(c.day))
                && self.places.get(&c.visit) == Some(&place)
        });
        if measure != 0 {
            return within.fold(Share::default(), |sum, (_, c)| Share {
                met: sum.met + u64::from(c.met),
                of: sum.of + 1,
            });
        }
        let mut newest: BTreeMap<u64, (i32, i64, bool)> = BTreeMap::new();
        for (key, c) in within {
            let this = (c.day, key.0, c.met);
            let held = newest.entry(c.record).or_insert(this);
            *held = (*held).max(this);
        }
        let met = newest.values().filter(|(_, _, met)| *met).count() as u64;
        Share { met, of: newest.len() as u64 }
    }

    fn hash(&self, visit: &str) -> u64 {
        let mut hasher = SipHasher13::new_with_key(&self.secret);
        visit.hash(&mut hasher);
        hasher.finish().max(1)
    }

    fn forget(&mut self, key: ResourceKey) {
        self.counted.remove(&key);
        if let Some((visit, _)) = self.visits.remove(&key) {
            self.places.remove(&visit);
        }
    }

    fn visit(&mut self, key: ResourceKey, encounter: &Json) {
        let Some(id) = encounter.text("id") else { return };
        let name = encounter.get("serviceProvider").and_then(|p| p.text("display")).unwrap_or("");
        self.put_visit(key, self.hash(id), place(name));
    }

    fn put_visit(&mut self, key: ResourceKey, visit: u64, place: u8) {
        self.visits.insert(key, (visit, place));
        self.places.insert(visit, place);
    }

    fn count(&mut self, event: &Event, measure: u8, json: &Json, when: &str, met: bool) {
        let Some(day) = json.text(when).and_then(day) else { return };
        let visit = json.get("encounter").and_then(|e| e.text("reference"));
        let visit = visit.and_then(|r| r.rsplit('/').next()).map_or(0, |id| self.hash(id));
        let record = event.record_key.0;
        self.counted.insert(event.key, Counted { measure, record, day, visit, met });
    }
}

fn position(names: &[&str], name: &str) -> Option<u8> {
    names.iter().position(|known| *known == name).and_then(|at| u8::try_from(at).ok())
}

/// The kind of a place by its standard Chinese name.
fn place(name: &str) -> u8 {
    if name.ends_with("卫生室") {
        0
    } else if name.ends_with("卫生院") {
        1
    } else {
        2
    }
}

fn day(text: &str) -> Option<i32> {
    let offset = tongmai_base::time::CHINA_OFFSET_MINUTES * 60_000;
    i32::try_from((date::parse(text)?.low + offset).div_euclid(86_400_000)).ok()
}

/// Whether a panel is below 140/90; `None` when it is no whole blood pressure.
fn controlled(observation: &Json) -> Option<bool> {
    let is = |json: &Json, code: &str| {
        json.get("code")
            .is_some_and(|c| c.items("coding").iter().any(|coding| coding.text("code") == Some(code)))
    };
    if !is(observation, PRESSURE[0]) {
        return None;
    }
    let part = |code: &str| {
        let component = observation.items("component").iter().find(|c| is(c, code))?;
        match component.get("valueQuantity")?.get("value")? {
            Json::Number(digits) => digits.parse::<f64>().ok(),
            _ => None,
        }
    };
    Some(part(PRESSURE[1])? < 140.0 && part(PRESSURE[2])? < 90.0)
}

/// Days that a prescription lasts.
fn supplied(request: &Json) -> Option<i64> {
    let duration = request.get("dispenseRequest")?.get("expectedSupplyDuration")?;
    match duration.get("value")? {
        Json::Number(digits) => digits.parse::<f64>().ok().map(|days| days as i64),
        _ => None,
    }
}

impl View for Outcomes {
    const NAME: &'static str = "outcomes";
    const DEFINITION: &'static str = "1: blood pressures, prescriptions and the places of their visits";

    fn new(secret: &[u8; 32]) -> Outcomes {
        let mut key = [0; 16];
        key.copy_from_slice(&secret[..16]);
        Outcomes { secret: key, ..Outcomes::default() }
    }

    fn apply(&mut self, event: &Event) {
        let kind = resource_type_name(event.type_id).unwrap_or("");
        if !matches!(kind, "Encounter" | "Observation" | "MedicationRequest") {
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
        // Most observations are no blood pressure: they need no parsing.
        if kind == "Observation" && memchr::memmem::find(&text, PRESSURE[0].as_bytes()).is_none() {
            return;
        }
        let Ok(json) = Json::parse(&text) else { return };
        match kind {
            "Encounter" => self.visit(event.key, &json),
            "Observation" => {
                if let Some(met) = controlled(&json) {
                    self.count(event, 0, &json, "effectiveDateTime", met);
                }
            }
            _ => {
                if let Some(days) = supplied(&json) {
                    self.count(event, 1, &json, "authoredOn", days >= LONG_DAYS);
                }
            }
        }
    }

    fn canonical(&self) -> String {
        let counted: BTreeMap<i64, String> =
            self.counted.iter().map(|(key, c)| (key.0, format!("{c:?}"))).collect();
        let visits: BTreeMap<i64, (u64, u8)> = self.visits.iter().map(|(key, v)| (key.0, *v)).collect();
        format!("{counted:?} {visits:?}")
    }

    fn write(&self, out: &mut Vec<u8>) {
        put(self.counted.len() as i64, out);
        for (key, c) in &self.counted {
            put(key.0, out);
            put(c.record.cast_signed(), out);
            put(i64::from(c.day) << 9 | i64::from(c.measure) << 1 | i64::from(c.met), out);
            put(c.visit.cast_signed(), out);
        }
        put(self.visits.len() as i64, out);
        for (key, (visit, place)) in &self.visits {
            put(key.0, out);
            put(visit.cast_signed(), out);
            put((*place).into(), out);
        }
    }

    fn read(secret: &[u8; 32], from: &mut Reader<'_>) -> Option<Outcomes> {
        let mut view = Outcomes::new(secret);
        from.list(&mut |item| {
            let (key, record) = (item.number()?, item.number::<i64>()?.cast_unsigned());
            let (packed, visit) = (item.number::<i64>()?, item.number::<i64>()?.cast_unsigned());
            let measure = u8::try_from(packed >> 1 & 0xFF).ok()?;
            let day = i32::try_from(packed >> 9).ok()?;
            let counted = Counted { measure, record, day, visit, met: packed & 1 == 1 };
            view.counted.insert(ResourceKey(key), counted);
            Some(())
        })?;
        from.list(&mut |item| {
            let (key, visit, place) = (item.number()?, item.number::<i64>()?.cast_unsigned(), item.number()?);
            view.put_visit(ResourceKey(key), visit, place);
            Some(())
        })?;
        Some(view)
    }
}
