//! The process is killed in the middle of a burst: every acknowledged message is there, once, and
//! sending everything again changes nothing.
//!
//! The everyday run is short; `TONGMAI_RUNS=500` for the full one. Power cuts below the process (torn and
//! lost writes of the disk) are run against the store itself (`store-sqlite`, 10,000 runs).

mod common;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use common::{TODAY, now, random};
use tongmai_access::{Access, Policy, Requester};
use tongmai_engine::{Engine, Surroundings, Validation};
use tongmai_fhir::definition::resource_type_id;
use tongmai_gateway::door::Doors;
use tongmai_gateway::emit::{self, county};
use tongmai_gateway::hl7v2::Options;
use tongmai_gateway::pipeline::original::{DIGEST, State};
use tongmai_gateway::pipeline::{Kept, number};
use tongmai_region::County;
use tongmai_store_sqlite::SqliteStore;
use tongmai_testkit::Random;

/// Where the child works.
const FOLDER: &str = "TONGMAI_BURST_FOLDER";
/// Senders at once.
const SENDERS: usize = 4;

/// The messages of the burst: visits by three doors, some of them unreadable.
fn messages() -> Vec<(&'static str, Vec<u8>)> {
    let county = County::new(9, 200, TODAY);
    let mut out = Vec::new();
    for (at, visit) in county::visits(&county).take(120).enumerate() {
        match at % 4 {
            0 => out.extend(emit::hl7v2(&visit).into_iter().map(|text| ("hl7v2", text.into_bytes()))),
            1 => out.push(("wst500", emit::wst500(&visit).into_bytes())),
            2 => out.push(("fhir", emit::fhir(&visit).into_bytes())),
            _ => out.push(("hl7v2", format!("no message {at}").into_bytes())),
        }
    }
    out
}

struct Site {
    engine: Arc<Engine>,
    access: Arc<Access>,
    doors: Arc<Doors>,
}

fn open(folder: &Path) -> Site {
    let store = Arc::new(SqliteStore::open(&folder.join("store.tongmai")).expect("a store"));
    let engine = Engine::start(store, Surroundings { now, random: fresh }, Validation::Reject);
    let engine = Arc::new(engine.expect("an engine"));
    let access = Arc::new(Access::open(Policy::Open, &folder.join("reads"), now).expect("a log"));
    let doors = Doors::open(engine.clone(), access.clone(), &folder.join("queue"), Options::default(), now);
    Site { engine, access, doors: Arc::new(doors.expect("doors")) }
}

/// Not the same in two processes.
fn fresh() -> [u8; 16] {
    let mut bytes = random();
    bytes[8..12].copy_from_slice(&std::process::id().to_be_bytes());
    bytes
}

/// The child: sends the burst, and says which messages were acknowledged.
#[test]
fn child() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let site = open(Path::new(&folder));
    let all = Arc::new(messages());
    runtime.expect("a runtime").block_on(async {
        let mut work = Vec::new();
        for sender in 0..SENDERS {
            let (doors, all) = (site.doors.clone(), all.clone());
            work.push(tokio::spawn(async move {
                for at in (sender..all.len()).step_by(SENDERS) {
                    let (door, bytes) = &all[at];
                    let receipt = doors.receive(doors.format(door).expect("a door"), bytes).await;
                    if receipt.kept != Kept::NotNow {
                        println!("ACK {at}");
                    }
                }
            }));
        }
        for work in work {
            work.await.expect("sent");
        }
        println!("END");
    });
}

impl Site {
    fn count(&self, kind: &str, name: &str, value: &str) -> usize {
        let asked = [(name.to_owned(), value.to_owned()), ("_count".to_owned(), "1000".to_owned())];
        let query = self.engine.query(&[resource_type_id(kind).expect("a type")], None, &asked, false);
        let sealed = self
            .engine
            .search(&self.doors.pipeline().sight(), &query.expect("a query"), None)
            .expect("a page");
        let page = self.access.release_blocking(&Requester::local(), sealed).expect("released");
        page.matches.len()
    }
}

#[test]
fn every_acknowledged_message_is_there_once() {
    if std::env::var(FOLDER).is_ok() {
        return;
    }
    let runs: u64 = std::env::var("TONGMAI_RUNS").ok().and_then(|text| text.parse().ok()).unwrap_or(4);
    let all = messages();
    let (mut acknowledged, mut cut) = (0, 0);
    for seed in 0..runs {
        let folder = tempfile::tempdir().expect("a folder");
        let mut child = Command::new(std::env::current_exe().expect("this test"))
            .args(["--exact", "child", "--nocapture"])
            .env(FOLDER, folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("a child");
        let lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        let mut random = Random(seed);
        let wait = Duration::from_millis(random.below(250) as u64);
        // The cut comes some time after the first acknowledgement.
        let (tell, told) = std::sync::mpsc::channel();
        let reader = std::thread::spawn(move || {
            let mut seen = Vec::new();
            for line in lines.map_while(Result::ok) {
                if let Some(at) = line.rsplit("ACK ").next().filter(|_| line.contains("ACK ")) {
                    seen.extend(at.trim().parse::<usize>().ok());
                    let _ = tell.send(());
                }
            }
            seen
        });
        let _ = told.recv_timeout(Duration::from_secs(60));
        std::thread::sleep(wait);
        child.kill().expect("killed");
        child.wait().expect("ended");
        let seen = reader.join().expect("read");
        acknowledged += seen.len();
        cut += usize::from(seen.len() < all.len());
        let site = open(folder.path());
        for at in &seen {
            let (_, bytes) = &all[*at];
            let digest = format!("{DIGEST}|{}", number(bytes));
            assert_eq!(
                site.count("DocumentReference", "identifier", &digest),
                1,
                "seed {seed}: message {at}"
            );
        }
        verify(&site, &all, seed);
    }
    println!("{runs} runs, {cut} of them cut in the middle, {acknowledged} messages acknowledged");
}

/// Everything is sent again, and stands there once.
fn verify(site: &Site, all: &[(&'static str, Vec<u8>)], seed: u64) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        for (door, bytes) in all {
            let receipt = site.doors.receive(site.doors.format(door).expect("a door"), bytes).await;
            assert_ne!(receipt.kept, Kept::NotNow, "seed {seed}");
        }
    });
    let category = |state: State| format!("urn:tongmai:original|{}", state.code());
    let aside = all.iter().filter(|(_, bytes)| bytes.starts_with(b"no message")).count();
    assert_eq!(site.count("DocumentReference", "category", &category(State::SetAside)), aside, "seed {seed}");
    let kept = all.len() - aside;
    assert_eq!(
        site.count("DocumentReference", "category", &category(State::Understood)),
        kept,
        "seed {seed}"
    );
    let visits = 120 - aside;
    assert_eq!(site.count("Encounter", "class:not", "none"), visits, "seed {seed}");
    let report = site.engine.verify(&mut |_, _| {}).expect("a check");
    assert!(report.faults.is_empty(), "seed {seed}: {:?}", report.faults);
}

#[test]
fn retention_gives_disk_space_back() {
    if std::env::var(FOLDER).is_ok() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("store.tongmai");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let mut random = Random(7);
    runtime.block_on(async {
        let site = open(folder.path());
        let format = site.doors.format("hl7v2").expect("a door");
        for at in 0..120 {
            let noise: String = (0..20_000).map(|_| char::from(b'a' + (random.below(26)) as u8)).collect();
            let receipt = site.doors.receive(format, format!("broken {at} {noise}").as_bytes()).await;
            assert_eq!(receipt.kept, Kept::SetAside);
        }
        let waiting = site.doors.set_aside(&site.doors.pipeline().sight(), 200).expect("a search");
        let waiting = site.access.release(&Requester::local(), waiting).await.expect("released").into_inner();
        assert_eq!(waiting.len(), 120);
        for original in &waiting {
            site.doors.mark(original, State::Dismissed, "nothing to be done").await.expect("marked");
        }
        // What is younger than the time stays.
        assert_eq!(site.doors.prune(State::Dismissed, "2020-01-01").await.expect("pruned"), 0);
        assert_eq!(site.doors.prune(State::Dismissed, "2099-01-01").await.expect("pruned"), 120);
        assert!(site.engine.verify(&mut |_, _| {}).expect("a check").faults.is_empty());
    });
    let before = std::fs::metadata(&path).expect("the store").len();
    let store = SqliteStore::open(&path).expect("a store");
    let given = store.give_back().expect("given back");
    drop(store);
    let after = std::fs::metadata(&path).expect("the store").len();
    println!("{before} bytes before, {after} after, {given} given back");
    assert!(after * 3 < before && given > 0, "{before} bytes before, {after} after");
    let site = open(folder.path());
    assert!(site.engine.verify(&mut |_, _| {}).expect("a check").faults.is_empty());
}
