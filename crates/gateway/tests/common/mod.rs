//! A site with doors over a store in memory.

#![allow(dead_code, reason = "each test file uses its part")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use tongmai_access::{Access, Policy, Requester, Sealed};
use tongmai_engine::{Engine, Surroundings, Validation};
use tongmai_fhir::definition::resource_type_id;
use tongmai_fhir::json::Json;
use tongmai_gateway::door::Doors;
use tongmai_gateway::emit::{Visit, insurer};
use tongmai_gateway::form::door::{Sheets, visits};
use tongmai_gateway::hl7v2::Options;
use tongmai_gateway::link;
use tongmai_gateway::pipeline::Kept;
use tongmai_region::County;
use tongmai_store::Store;
use tongmai_store::memory::MemoryStore;

/// 2026-11-21, days since 1970.
pub const TODAY: i64 = 20_778;

static NOW: AtomicI64 = AtomicI64::new(1_795_222_800_000);

pub fn now() -> i64 {
    NOW.load(Ordering::Relaxed)
}

pub fn random() -> [u8; 16] {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let mut bytes = [7; 16];
    bytes[..8].copy_from_slice(&NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes());
    bytes
}

pub struct Site {
    pub doors: Arc<Doors>,
    pub engine: Arc<Engine>,
    pub access: Arc<Access>,
    fails: Arc<AtomicBool>,
    _folder: tempfile::TempDir,
}

/// A store whose commits fail while it is told so.
struct Failing {
    store: MemoryStore,
    fails: Arc<AtomicBool>,
}

impl Store for Failing {
    fn snapshot(&self) -> tongmai_store::Result<Box<dyn tongmai_store::Snapshot + '_>> {
        self.store.snapshot()
    }

    fn commit(
        &self,
        transactions: &[tongmai_store::Transaction],
    ) -> tongmai_store::Result<Vec<Result<tongmai_store::Committed, tongmai_store::Rejection>>> {
        if self.fails.load(Ordering::Relaxed) {
            return Err(tongmai_store::StoreError("the disk is full".into()));
        }
        self.store.commit(transactions)
    }

    fn symbol(&self, text: &str) -> tongmai_store::Result<u32> {
        self.store.symbol(text)
    }

    fn find_symbol(&self, text: &str) -> tongmai_store::Result<Option<u32>> {
        self.store.find_symbol(text)
    }

    fn symbol_text(&self, symbol: u32) -> tongmai_store::Result<Option<String>> {
        self.store.symbol_text(symbol)
    }

    fn reserve_record_key(
        &self,
        patient: tongmai_store::ResourceKey,
    ) -> tongmai_store::Result<tongmai_store::RecordKey> {
        self.store.reserve_record_key(patient)
    }

    fn forget_superseded(&self, position: u64) -> tongmai_store::Result<u64> {
        self.store.forget_superseded(position)
    }

    fn forget_rows_of(&self, seqs: &[u64]) -> tongmai_store::Result<u64> {
        self.store.forget_rows_of(seqs)
    }

    fn leave_no_trace(&self) -> tongmai_store::Result<()> {
        self.store.leave_no_trace()
    }

    fn secret(&self) -> [u8; 32] {
        self.store.secret()
    }

    fn size(&self) -> tongmai_store::Result<Vec<(String, u64)>> {
        self.store.size()
    }

    fn backup(
        &self,
        target: &std::path::Path,
        progress: &mut dyn FnMut(u64, u64),
    ) -> tongmai_store::Result<()> {
        self.store.backup(target, progress)
    }
}

impl Site {
    /// An empty site.
    pub fn open() -> Site {
        let folder = tempfile::tempdir().expect("a folder");
        let fails = Arc::new(AtomicBool::new(false));
        let store = Arc::new(Failing { store: MemoryStore::new([1; 32]), fails: fails.clone() });
        let engine = Engine::start(store, Surroundings { now, random }, Validation::Reject);
        let engine = Arc::new(engine.expect("an engine"));
        let reads = folder.path().join("reads");
        let access = Arc::new(Access::open(Policy::Open, &reads, now).expect("a read log"));
        let queue = folder.path().join("queue");
        let doors = Doors::open(engine.clone(), access.clone(), &queue, Options::default(), now);
        let keys = insurer::keys(&County::new(3, 10, TODAY));
        let doors = doors.expect("doors").with_institutions(keys);
        let doors = doors.with(Box::new(Sheets::new("visits", visits())));
        Site { doors: Arc::new(doors), engine, access, fails, _folder: folder }
    }

    /// Makes the store fail, or work again.
    pub fn fail(&self, fails: bool) {
        self.fails.store(fails, Ordering::Relaxed);
    }

    /// Lets time pass.
    pub fn pass(&self, milliseconds: i64) {
        NOW.fetch_add(milliseconds, Ordering::Relaxed);
    }

    /// Delivers a message by its door; what must be acknowledged is.
    pub async fn deliver(&self, (door, bytes): &(&'static str, Vec<u8>)) -> Kept {
        let format = self.doors.format(door).expect("a door");
        let receipt = match *door {
            "insurance" => self.doors.take_in_envelope(bytes).await.1,
            _ => self.doors.receive(format, bytes).await,
        };
        if receipt.kept == Kept::SetAside && std::env::var_os("TONGMAI_TELL").is_some() {
            println!("{door}: {:#?}", receipt.findings);
        }
        receipt.kept
    }

    /// The answer of the platform services.
    pub async fn serve(&self, message: &str) -> String {
        String::from_utf8(self.doors.serve(message.as_bytes()).await.body).expect("UTF-8")
    }

    pub async fn release<T>(&self, sealed: Sealed<T>) -> T {
        self.access.release(&Requester::local(), sealed).await.expect("released").into_inner()
    }

    fn found(&self, kind: &str, asked: &[(&str, &str)]) -> Vec<String> {
        let mut pairs: Vec<(String, String)> =
            asked.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        pairs.push(("_count".into(), "1000".into()));
        let (mut texts, mut start) = (Vec::new(), None);
        loop {
            let query = self.engine.query(&[resource_type_id(kind).expect("a type")], None, &pairs, false);
            let sealed = self
                .engine
                .search(&self.doors.pipeline().sight(), &query.expect("a query"), start.take())
                .expect("a page");
            let release = || self.access.release_blocking(&Requester::local(), sealed);
            let page = tokio::task::block_in_place(release).expect("released").into_inner();
            texts.extend(page.matches.into_iter().map(|found| String::from_utf8(found.text).expect("UTF-8")));
            match page.next {
                Some(next) => start = Some(next),
                None => return texts,
            }
        }
    }

    /// How many resources a search finds.
    pub fn count(&self, kind: &str, asked: &[(&str, &str)]) -> usize {
        self.found(kind, asked).len()
    }

    /// The texts of all resources of a type.
    pub fn texts(&self, kind: &str) -> Vec<String> {
        self.found(kind, &[])
    }

    fn by_address(&self, kind: &str) -> BTreeMap<String, Json<'static>> {
        let texts = self.texts(kind);
        let parsed = texts.iter().map(|text| {
            let json = Json::parse_str(text).expect("JSON").into_owned();
            (format!("{kind}/{}", json.text("id").unwrap_or_default()), json)
        });
        parsed.collect()
    }

    /// The shared facts of every visit, a line each.
    pub fn facts(&self) -> BTreeSet<String> {
        let patients = self.by_address("Patient");
        let mut diagnoses: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for condition in self.by_address("Condition").values() {
            let visit = condition.get("encounter").and_then(|to| to.text("reference")).unwrap_or_default();
            let coding = condition.get("code").map_or(&[][..], |code| code.items("coding"));
            let Some(coding) = coding.first() else { continue };
            let word = |name: &str| coding.text(name).unwrap_or_default();
            let told = format!("{} {} {}", word("system"), word("code"), word("display"));
            diagnoses.entry(visit.to_owned()).or_default().insert(told);
        }
        let mut facts = BTreeSet::new();
        for (address, visit) in self.by_address("Encounter") {
            let own = visit.items("identifier").iter().find_map(|identifier| {
                let at = identifier.text("system")?.strip_prefix(link::VISIT)?.to_owned();
                Some((at, identifier.text("value")?.to_owned()))
            });
            // A stay whose number no message named is known by its patient and its first minute.
            let stay = || {
                let mut systems = visit.items("identifier").iter().filter_map(|known| known.text("system"));
                systems.find_map(|system| Some((system.strip_prefix(link::STAY)?.to_owned(), String::new())))
            };
            let (organization, number) = own.or_else(stay).unwrap_or_default();
            let patient = visit.get("subject").and_then(|to| patients.get(to.text("reference")?));
            let patient = patient.unwrap_or(&Json::Null);
            let citizen = patient.items("identifier").iter().find(|identifier| {
                identifier.text("system").is_some_and(|system| system.starts_with(link::CITIZEN_AT))
            });
            let period = visit.get("period").unwrap_or(&Json::Null);
            facts.insert(fact(&[
                &organization,
                &number,
                visit.get("class").and_then(|class| class.text("code")).unwrap_or_default(),
                period.text("start").unwrap_or_default(),
                period.text("end").filter(|_| is_inpatient(&visit)).unwrap_or_default(),
                citizen.and_then(|citizen| citizen.text("value")).unwrap_or_default(),
                patient.items("name").first().and_then(|name| name.text("text")).unwrap_or_default(),
                patient.text("gender").unwrap_or_default(),
                patient.text("birthDate").unwrap_or_default(),
                patient.items("telecom").first().and_then(|at| at.text("value")).unwrap_or_default(),
                &diagnoses.remove(&address).into_iter().flatten().collect::<Vec<_>>().join(", "),
            ]));
        }
        facts
    }

    /// Persons, visits and diagnoses as they stand, without ids and versions.
    pub fn things(&self) -> Vec<String> {
        let mut out = Vec::new();
        for kind in ["Patient", "Encounter", "Condition"] {
            for (_, json) in self.by_address(kind) {
                let mut text = json.to_string();
                for name in ["versionId\":\"", "lastUpdated\":\""] {
                    if let Some(at) = text.find(name) {
                        let from = at + name.len();
                        let end = from + text[from..].find('"').unwrap_or(0);
                        text.replace_range(from..end, "");
                    }
                }
                out.push(text);
            }
        }
        out
    }
}

fn is_inpatient(visit: &Json<'_>) -> bool {
    visit.get("class").and_then(|class| class.text("code")) == Some("IMP")
}

fn fact(parts: &[&str]) -> String {
    parts.join(" | ")
}

/// What must stand in the ledger of a visit.
pub fn expected(visit: &Visit) -> String {
    let instant = |time: &str| {
        if time.is_empty() {
            return String::new();
        }
        let part = |from: usize, to: usize| time.get(from..to).unwrap_or_default();
        format!(
            "{}-{}-{}T{}:{}:{}+08:00",
            part(0, 4),
            part(4, 6),
            part(6, 8),
            part(8, 10),
            part(10, 12),
            part(12, 14)
        )
    };
    let birth = format!("{}-{}-{}", &visit.birth[..4], &visit.birth[4..6], &visit.birth[6..]);
    let diagnoses: BTreeSet<String> = visit
        .diagnoses
        .iter()
        .map(|(code, name)| format!("http://hl7.org/fhir/sid/icd-10 {code} {name}"))
        .collect();
    fact(&[
        &visit.organization,
        &visit.number,
        if visit.inpatient { "IMP" } else { "AMB" },
        &instant(&visit.start),
        &if visit.inpatient && visit.is_over() { instant(&visit.end) } else { String::new() },
        &visit.citizen,
        &visit.name(),
        &visit.sex,
        &birth,
        &visit.phone,
        &diagnoses.into_iter().collect::<Vec<_>>().join(", "),
    ])
}
