//! What the overview shows: counts, folded from the change feed.
//!
//! Only counts leave this view, never a resource. It is brought up to date when
//! somebody looks, in steps, so that a page never waits for a long ledger.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use tongmai_engine::Engine;
use tongmai_engine::views::{Census, Checkpointed, View};
use tongmai_fhir::definition::resource_type_name;
use tongmai_fhir::json::Json;
use tongmai_store::{Event, EventKind, ResourceKey};

use crate::format::When;

/// Identity number of a citizen, as WS/T 500 numbers its system.
pub const CITIZEN: &str = "urn:oid:2.16.156.10011.1.3";

/// Events folded before the counts are published.
const STEP: usize = 1_000;

/// People and visits of the county, as a fold over the feed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct County {
    census: Census,
    /// Patient records that carry a citizen's number, by the hash of the number.
    numbers: HashMap<ResourceKey, u64>,
    /// Patient records of each number.
    people: HashMap<u64, u32>,
    /// Patient records without a number: each counts as a person.
    nameless: u64,
    /// Where and when each visit was.
    visits: HashMap<ResourceKey, (i32, u16)>,
    by_day: BTreeMap<i32, i64>,
    /// Providers by the number in which they were first seen.
    providers: Vec<String>,
    by_provider: Vec<i64>,
}

impl County {
    fn forget(&mut self, key: ResourceKey) {
        if let Some(number) = self.numbers.remove(&key) {
            if number == 0 {
                self.nameless -= 1;
            } else if let Some(records) = self.people.get_mut(&number) {
                *records -= 1;
                if *records == 0 {
                    self.people.remove(&number);
                }
            }
        }
        if let Some((day, provider)) = self.visits.remove(&key) {
            *self.by_day.entry(day).or_default() -= 1;
            self.by_provider[usize::from(provider)] -= 1;
        }
    }

    fn patient(&mut self, key: ResourceKey, patient: &Json) {
        let number = citizen_number(patient).map_or(0, |number| {
            let hasher = BuildHasherDefault::<DefaultHasher>::default();
            hasher.hash_one(number).max(1)
        });
        self.numbers.insert(key, number);
        if number == 0 {
            self.nameless += 1;
        } else {
            *self.people.entry(number).or_default() += 1;
        }
    }

    fn visit(&mut self, key: ResourceKey, encounter: &Json) {
        let start = encounter.get("period").and_then(|period| period.text("start"));
        let Some(when) = start.and_then(When::read) else { return };
        let name = encounter.get("serviceProvider").and_then(|p| p.text("display")).unwrap_or("");
        let provider = self.providers.iter().position(|known| known == name).unwrap_or_else(|| {
            self.providers.push(name.to_owned());
            self.by_provider.push(0);
            self.providers.len() - 1
        });
        let (Ok(day), Ok(provider)) = (i32::try_from(when.day()), u16::try_from(provider)) else { return };
        self.visits.insert(key, (day, provider));
        *self.by_day.entry(day).or_default() += 1;
        self.by_provider[usize::from(provider)] += 1;
    }
}

/// The citizen's identity number of a Patient.
pub fn citizen_number<'j>(patient: &'j Json) -> Option<&'j str> {
    patient.items("identifier").iter().find(|i| i.text("system") == Some(CITIZEN))?.text("value")
}

impl View for County {
    fn apply(&mut self, event: &Event) {
        self.census.apply(event);
        let kind = resource_type_name(event.type_id).unwrap_or("");
        if !matches!(kind, "Patient" | "Encounter") {
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
        if let Ok(json) = Json::parse(&text) {
            match kind {
                "Patient" => self.patient(event.key, &json),
                _ => self.visit(event.key, &json),
            }
        }
    }

    fn canonical(&self) -> String {
        let sorted = |map: &HashMap<u64, u32>| map.iter().map(|(k, v)| (*k, *v)).collect::<BTreeMap<_, _>>();
        format!(
            "{} {:?} {} {:?}",
            self.census.canonical(),
            sorted(&self.people),
            self.nameless,
            self.figures()
        )
    }
}

/// The counts of one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Figures {
    /// The last position that was counted.
    pub position: u64,
    /// The last position of the ledger when it was counted.
    pub end: u64,
    /// Different people: citizen's numbers, and patient records without one.
    pub people: u64,
    /// Resources by type, the most first.
    pub resources: Vec<(&'static str, i64)>,
    /// First versions that arrived by day (China Standard Time) and type.
    pub arrived: BTreeMap<(i64, u16), i64>,
    /// Visits by the day on which they began.
    pub visits_by_day: BTreeMap<i32, i64>,
    /// Visits by provider, the most first.
    pub visits_by_provider: Vec<(String, i64)>,
}

impl Figures {
    /// Current resources of a type.
    pub fn of(&self, kind: &str) -> i64 {
        self.resources.iter().find(|(name, _)| *name == kind).map_or(0, |(_, count)| *count)
    }

    /// All current resources.
    pub fn total(&self) -> i64 {
        self.resources.iter().map(|(_, count)| count).sum()
    }

    /// What arrived on a day, by type, the most first.
    pub fn arrived_on(&self, day: i64) -> Vec<(&'static str, i64)> {
        let on_day = self.arrived.range((day, 0)..=(day, u16::MAX));
        let mut counts: Vec<_> =
            on_day.map(|((_, kind), n)| (resource_type_name(*kind).unwrap_or(""), *n)).collect();
        counts.sort_by_key(|(name, count)| (-count, *name));
        counts
    }
}

impl County {
    fn figures(&self) -> Figures {
        let mut resources: Vec<_> = self
            .census
            .resources
            .iter()
            .filter(|(_, count)| **count > 0)
            .map(|(kind, count)| (resource_type_name(*kind).unwrap_or(""), *count))
            .collect();
        resources.sort_by_key(|(name, count)| (-count, *name));
        let mut visits_by_provider: Vec<(String, i64)> = self
            .providers
            .iter()
            .cloned()
            .zip(self.by_provider.iter().copied())
            .filter(|p| p.1 > 0)
            .collect();
        visits_by_provider.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        Figures {
            position: 0,
            end: 0,
            people: self.people.len() as u64 + self.nameless,
            resources,
            arrived: self.census.arrived.clone(),
            visits_by_day: self.by_day.iter().filter(|day| *day.1 > 0).map(|(d, n)| (*d, *n)).collect(),
            visits_by_provider,
        }
    }
}

/// The view with what it last published.
#[derive(Default)]
pub struct Counter {
    state: Mutex<Checkpointed<County>>,
    published: RwLock<Arc<Figures>>,
}

impl Counter {
    /// The counts that were published last.
    pub fn figures(&self) -> Arc<Figures> {
        self.published.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Folds what came since the last time, publishing as it goes. Returns at once when another
    /// thread is at it.
    pub fn advance(&self, engine: &Engine) -> tongmai_engine::Outcome<()> {
        let Ok(mut state) = self.state.try_lock() else { return Ok(()) };
        let mut steps = 0;
        loop {
            let mut snapshot = engine.store().snapshot()?;
            let end = snapshot.position();
            let events = snapshot.feed(state.position, STEP)?;
            drop(snapshot);
            for event in &events {
                state.view.apply(event);
            }
            state.position = events.last().map_or(state.position, |last| last.seq);
            let done = state.position >= end;
            steps += 1;
            if done || steps % 20 == 0 {
                let figures = Figures { position: state.position, end, ..state.view.figures() };
                *self.published.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(figures);
            }
            if done || events.is_empty() {
                return Ok(());
            }
        }
    }
}
