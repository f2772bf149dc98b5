//! What the overview shows: counts, folded from the change feed.
//!
//! Only counts leave this view, never a resource. It is brought up to date when
//! somebody looks, and now and then, in steps, so that a page never waits for a long
//! ledger. Its checkpoint lets it go on after a restart.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use sha2::{Digest, Sha256};
use tongmai_engine::Engine;
use tongmai_engine::views::bytes::{Reader, put, put_text};
use tongmai_engine::views::{self, Census, Kept, View};
use tongmai_fhir::definition::resource_type_name;
use tongmai_fhir::json::Json;
use tongmai_store::{Event, EventKind, ResourceKey};

use crate::format::When;

/// Identity number of a citizen, as WS/T 500 numbers its system.
pub const CITIZEN: &str = "urn:oid:2.16.156.10011.1.3";

/// Steps after which the counts are published while a long ledger is counted.
const PUBLISHED_STEPS: u32 = 20;

/// People and visits of the county, as a fold over the feed.
#[derive(Clone, Default)]
pub struct County {
    /// Keys the hashes of citizens' numbers.
    secret: [u8; 32],
    census: Census,
    /// The hash of each Patient record's citizen's number, 0 without one.
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
            let digest = Sha256::new().chain_update(self.secret).chain_update(number).finalize();
            digest[..8].iter().fold(0, |hash, byte| hash << 8 | u64::from(*byte)).max(1)
        });
        self.add_patient(key, number);
    }

    fn add_patient(&mut self, key: ResourceKey, number: u64) {
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
        self.add_visit(key, day, provider);
    }

    fn add_visit(&mut self, key: ResourceKey, day: i32, provider: u16) {
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
    const NAME: &'static str = "county";
    const DEFINITION: &'static str =
        "1: census; keyed hashes of citizens' numbers; day and provider of visits";

    fn new(secret: &[u8; 32]) -> County {
        County { secret: *secret, ..County::default() }
    }

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

    /// What can be counted again from the rest is not written.
    fn write(&self, out: &mut Vec<u8>) {
        self.census.write(out);
        put(self.providers.len() as i64, out);
        for name in &self.providers {
            put_text(name, out);
        }
        put(self.numbers.len() as i64, out);
        for (key, number) in &self.numbers {
            put(key.0, out);
            put(number.cast_signed(), out);
        }
        put(self.visits.len() as i64, out);
        for (key, (day, provider)) in &self.visits {
            put(key.0, out);
            put((*day).into(), out);
            put((*provider).into(), out);
        }
    }

    fn read(secret: &[u8; 32], from: &mut Reader<'_>) -> Option<County> {
        let mut county = County { census: Census::read(secret, from)?, ..County::new(secret) };
        from.list(&mut |item| {
            county.providers.push(item.text()?.to_owned());
            county.by_provider.push(0);
            Some(())
        })?;
        from.list(&mut |item| {
            let (key, number) = (item.number()?, item.number::<i64>()?.cast_unsigned());
            county.add_patient(ResourceKey(key), number);
            Some(())
        })?;
        from.list(&mut |item| {
            let (key, day, provider) = (item.number()?, item.number()?, item.number::<u16>()?);
            let known = usize::from(provider) < county.providers.len();
            known.then(|| county.add_visit(ResourceKey(key), day, provider))
        })?;
        Some(county)
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
    /// Where its checkpoint lies; without one it counts anew after a restart.
    folder: Option<PathBuf>,
    state: Mutex<Option<Kept<County>>>,
    published: RwLock<Arc<Figures>>,
}

impl Counter {
    /// A counter with its checkpoint in `folder`.
    pub fn new(folder: Option<PathBuf>) -> Counter {
        Counter { folder, ..Counter::default() }
    }

    /// The counts that were published last.
    pub fn figures(&self) -> Arc<Figures> {
        self.published.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Folds what came since the last time, publishing as it goes. Returns at once when another
    /// thread is at it.
    pub fn advance(&self, engine: &Engine) -> tongmai_engine::Outcome<()> {
        let Ok(mut state) = self.state.try_lock() else { return Ok(()) };
        let kept = match &mut *state {
            Some(kept) => kept,
            none => none.insert(Kept::open(engine, self.folder.as_deref())?),
        };
        let mut steps = 0;
        views::run(engine, kept, &mut |county, position, end| {
            steps += 1;
            if position >= end || steps % PUBLISHED_STEPS == 0 {
                let figures = Figures { position, end, ..county.figures() };
                *self.published.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(figures);
            }
        })?;
        if let Some(trouble) = kept.take_trouble() {
            tracing::warn!(trouble, "the counts could not be saved");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tongmai_access::{Policy, Requester};
    use tongmai_engine::bundle::Ids;
    use tongmai_engine::{Surroundings, Validation};
    use tongmai_store::Store;
    use tongmai_store::memory::MemoryStore;

    use super::*;

    /// The events of a few people of the synthetic county, one of whom is deleted.
    async fn ledger(secret: [u8; 32]) -> Vec<Event> {
        fn random() -> [u8; 16] {
            use std::sync::atomic::{AtomicU64, Ordering};
            static NEXT: AtomicU64 = AtomicU64::new(1);
            u128::from(NEXT.fetch_add(1, Ordering::Relaxed)).to_le_bytes()
        }
        let surroundings = Surroundings { now: || 1_795_222_800_000, random };
        let store = Arc::new(MemoryStore::new(secret));
        let engine = Engine::start(store.clone(), surroundings, Validation::Reject).expect("an engine");
        let county = tongmai_region::County::new(1, 12, 20_778);
        let (mut counts, mut bundle) = (Default::default(), String::new());
        county.write_directory_bundle(&mut bundle, &mut counts);
        let local = Policy::Open.sight(&Requester::local());
        engine.process_counting(&local, bundle.as_bytes(), Ids::Of("test")).await.expect("loaded");
        for person in county.everyone() {
            bundle.clear();
            county.write_bundle(&person, &mut bundle, &mut counts);
            engine.process_counting(&local, bundle.as_bytes(), Ids::Of("test")).await.expect("loaded");
        }
        let mut events = store.snapshot().and_then(|mut s| s.feed(0, 100_000)).expect("events");
        let patient = events.iter().rfind(|event| resource_type_name(event.type_id) == Some("Patient"));
        let deleted = Event { kind: EventKind::Delete, body: Vec::new(), ..patient.expect("one").clone() };
        events.push(deleted);
        events
    }

    #[tokio::test]
    async fn it_goes_on_from_what_was_written_to_the_same_counts() {
        let secret = [7; 32];
        let events = ledger(secret).await;
        let mut whole = County::new(&secret);
        let mut resumed = Vec::new();
        for (index, event) in events.iter().enumerate() {
            if index % (events.len() / 5) == 3 {
                let mut bytes = Vec::new();
                whole.write(&mut bytes);
                let mut reader = Reader::new(&bytes);
                let mut again = County::read(&secret, &mut reader).expect("what was written reads");
                assert!(reader.is_at_end());
                assert_eq!(again.canonical(), whole.canonical());
                events[index..].iter().for_each(|event| again.apply(event));
                resumed.push(again);
                // Nothing that is cut off reads, and nothing panics.
                for length in (0..bytes.len()).step_by(37) {
                    assert!(County::read(&secret, &mut Reader::new(&bytes[..length])).is_none());
                }
            }
            whole.apply(event);
        }
        let figures = whole.figures();
        assert!(figures.people > 5 && figures.of("Encounter") > 20 && resumed.len() >= 5);
        for again in resumed {
            assert_eq!(again.canonical(), whole.canonical());
        }
    }
}
