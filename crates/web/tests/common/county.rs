//! A small county behind the pages.

#![allow(dead_code, reason = "each test file uses its part")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tongmai_access::{Access, Policy, Requester, Rulebook};
use tongmai_engine::bundle::Ids;
use tongmai_engine::{Engine, Surroundings, Validation};
use tongmai_gateway::door::Doors;
use tongmai_gateway::emit::county::story;
use tongmai_gateway::emit::insurer;
use tongmai_gateway::hl7v2::Options;
use tongmai_http::Pages;
use tongmai_region::County;
use tongmai_region::fhir::Counts;
use tongmai_store::memory::MemoryStore;
use tongmai_web::Settings;

/// 2026-11-21T09:00 in China.
pub const NOW: i64 = 1_795_222_800_000;
/// The day of it.
pub const TODAY: i64 = 20_778;

pub struct Site {
    pub engine: Arc<Engine>,
    pub access: Arc<Access>,
    pub doors: Arc<Doors>,
    pub pages: Pages,
    pub folder: tempfile::TempDir,
}

fn now() -> i64 {
    NOW
}

fn random() -> [u8; 16] {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(
        &NEXT.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes(),
    );
    bytes
}

/// As an installation is served: under the law of the mainland, every organisation with an agreement. The
/// installation itself, as which most tests ask, sees everything.
fn policy() -> Policy {
    let book = Rulebook::builtin("mainland").expect("a pack");
    Policy::Rules(Arc::new(book.with_others(Rulebook::full_agreement())))
}

/// An empty region.
pub fn empty() -> Site {
    with(Validation::Reject)
}

/// An empty region that refuses, or keeps, what breaks a rule.
pub fn with(validation: Validation) -> Site {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Arc::new(MemoryStore::new([7; 32]));
    let engine = Engine::start(store, Surroundings { now, random }, validation).expect("an engine");
    let engine = Arc::new(engine);
    let access = Arc::new(Access::open(policy(), folder.path(), now).expect("a log of reads"));
    let queue = folder.path().join("queue");
    let doors = Doors::open(engine.clone(), access.clone(), &queue, Options::default(), now).expect("doors");
    let keys = insurer::keys(&County::new(1, 10, TODAY));
    let doors = Arc::new(doors.with_institutions(keys));
    let folder_of_views = Some(folder.path().join("views"));
    let settings = Settings { folder: folder_of_views, doors: Some(doors.clone()), ..Settings::default() };
    let pages = tongmai_web::pages_with(engine.clone(), access.clone(), settings);
    Site { engine, access, doors, pages, folder }
}

/// A county with so many people.
pub async fn county(people: usize) -> Site {
    let site = empty();
    let county = County::new(1, people, TODAY);
    let (mut counts, mut bundle) = (Counts::default(), String::new());
    county.write_directory_bundle(&mut bundle, &mut counts);
    site.load(&bundle).await;
    for person in county.everyone() {
        bundle.clear();
        county.write_bundle(&person, &mut bundle, &mut counts);
        site.load(&bundle).await;
    }
    site
}

impl Site {
    /// Carries out a Bundle.
    pub async fn load(&self, bundle: &str) {
        let requester = Requester::installation("test", "HSYSADMIN");
        let done = self
            .engine
            .process_counting(&self.access.sight(&requester), bundle.as_bytes(), Ids::Of("test"))
            .await;
        done.expect("the bundle is taken");
    }

    /// Delivers what the pages of the doors show; the number of the story's document.
    pub async fn deliver_some(&self) -> String {
        let result = "MSH|^~\\&|LIS|H1|T|R|20261121080000||ORU^R01|1|P|2.4\rPID|1||P1^^^H1^MR||王^芳\r\
                      OBR|1||F77|HB^血红蛋白^L|||20261121080000\rOBX|1|NM|HB^血红蛋白^L||121|g/L|||||F\r";
        let (_, document) = story("0845", 1, NOW).expect("a document");
        let messages =
            [("hl7v2", result.as_bytes().to_vec()), ("hl7v2", b"MSH|HIS|H1".to_vec()), ("wst500", document)];
        let mut number = String::new();
        for (door, bytes) in messages {
            let format = self.doors.format(door).expect("a door");
            number = self.doors.receive(format, &bytes).await.number;
        }
        number
    }

    /// Citizens' numbers of so many residents.
    pub fn numbers(&self, count: usize) -> Vec<String> {
        let county = County::new(1, 400, TODAY);
        let people = county.everyone().filter(|person| person.household > 1 && person.died.is_none());
        people.filter_map(|person| person.identity_number.clone()).take(count).collect()
    }

    /// How many resources of a type there are, up to a page of them.
    pub fn count(&self, kind: &str) -> usize {
        let kind = tongmai_fhir::definition::resource_type_id(kind).expect("a type");
        let pairs = [("_count".into(), "1000".into())];
        let query = self.engine.query(&[kind], None, &pairs, false).expect("a query");
        let sealed =
            self.engine.search(&self.access.sight(&Requester::local()), &query, None).expect("an answer");
        let release = || self.access.release_blocking(&Requester::local(), sealed);
        tokio::task::block_in_place(release).expect("released").matches.len()
    }

    /// The ids of the patients that a search finds.
    pub fn patients(&self, name: &str, value: &str) -> Vec<String> {
        let kind = tongmai_fhir::definition::resource_type_id("Patient").expect("a type");
        let query = self.engine.query(&[kind], None, &[(name.into(), value.into())], false).expect("a query");
        let sealed =
            self.engine.search(&self.access.sight(&Requester::local()), &query, None).expect("an answer");
        let release = || self.access.release_blocking(&Requester::local(), sealed);
        let page = tokio::task::block_in_place(release).expect("released");
        page.matches.iter().map(|patient| patient.id.clone()).collect()
    }
}
