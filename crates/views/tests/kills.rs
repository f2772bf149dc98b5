//! No card is lost or doubled when the process is killed: a child takes in diagnoses and drafts cards,
//! is killed at a random moment, and comes again over the same store. `TONGMAI_KILLS` says how often
//! (10 when absent).

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tongmai_access::{Access, Policy, Requester};
use tongmai_engine::bundle::Ids;
use tongmai_engine::{Engine, Surroundings, Validation};
use tongmai_store_sqlite::SqliteStore;
use tongmai_testkit::Random;
use tongmai_views::surveillance::Surveillance;

const FOLDER: &str = "TONGMAI_KILLS_FOLDER";
const FIRST: &str = "TONGMAI_KILLS_FIRST";

fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| since.as_millis() as i64)
}

fn random() -> [u8; 16] {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let mut bytes = [0; 16];
    bytes[..4].copy_from_slice(&std::process::id().to_le_bytes());
    bytes[4..8].copy_from_slice(&(NEXT.fetch_add(1, Ordering::Relaxed) as u32).to_le_bytes());
    bytes[8..].copy_from_slice(&now().to_le_bytes());
    bytes
}

fn open(folder: &Path) -> (Arc<Engine>, Arc<Surveillance>) {
    let store = Arc::new(SqliteStore::open(&folder.join("store")).expect("a store"));
    let surroundings = Surroundings { now, random };
    let engine = Arc::new(Engine::start(store, surroundings, Validation::Reject).expect("an engine"));
    let access = Arc::new(Access::open(Policy::Open, &folder.join("reads"), now).expect("a log of reads"));
    let surveillance = Surveillance::new(engine.clone(), access, Some(folder.join("views")));
    (engine, Arc::new(surveillance))
}

/// The child: takes in one patient with a diagnosis after the other and says which were acknowledged.
#[test]
fn child() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let first: u64 = std::env::var(FIRST).ok().and_then(|it| it.parse().ok()).unwrap_or(0);
    let (engine, surveillance) = open(Path::new(&folder));
    surveillance.follow().expect("a thread");
    println!("begun");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    runtime.block_on(async {
        for number in first.. {
            let code = ["A00.9", "B05.9", "A38", "B26.9"][number as usize % 4];
            let bundle = format!(
                r#"{{"resourceType":"Bundle","type":"transaction","entry":[
                {{"resource":{{"resourceType":"Patient","id":"k{number}","name":[{{"text":"病人{number}"}}],"gender":"male"}},
                  "request":{{"method":"PUT","url":"Patient/k{number}"}}}},
                {{"resource":{{"resourceType":"Condition","id":"k{number}","subject":{{"reference":"Patient/k{number}"}},
                  "code":{{"coding":[{{"system":"http://hl7.org/fhir/sid/icd-10","code":"{code}"}}]}}}},
                  "request":{{"method":"PUT","url":"Condition/k{number}"}}}}]}}"#
            );
            let done = engine.process_counting(&Policy::Open.sight(&Requester::local()), bundle.as_bytes(), Ids::Fresh).await;
            done.expect("taken in");
            println!("acknowledged {number}");
        }
    });
}

#[test]
fn no_card_is_lost_in_kills() {
    if std::env::var_os(FOLDER).is_some() {
        return;
    }
    let kills: usize = std::env::var("TONGMAI_KILLS").ok().and_then(|it| it.parse().ok()).unwrap_or(10);
    let folder = tempfile::tempdir().expect("a folder");
    let mut random = Random(20_261_127);
    let mut acknowledged = 0;
    for kill in 1..=kills {
        let mut child = Command::new(std::env::current_exe().expect("this test"))
            .args(["--exact", "child", "--nocapture"])
            .env(FOLDER, folder.path())
            .env(FIRST, acknowledged.to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("a child");
        let out = child.stdout.take().expect("its words");
        let (tell, begun) = std::sync::mpsc::channel();
        let reader = std::thread::spawn(move || {
            let lines = BufReader::new(out).lines().map_while(Result::ok);
            let said = lines.inspect(|line| {
                if line.contains("begun") {
                    let _ = tell.send(());
                }
            });
            said.filter_map(|line| line.split("acknowledged ").nth(1)?.parse::<u64>().ok()).max()
        });
        // One in five is killed while it opens the store, the others at work.
        if kill % 5 != 0 {
            let _ = begun.recv_timeout(Duration::from_secs(10));
        }
        std::thread::sleep(Duration::from_millis(random.below(100) as u64));
        child.kill().expect("killed");
        child.wait().expect("gone");
        // What was taken in and not acknowledged is written again by the next child.
        acknowledged = reader.join().expect("read").map_or(acknowledged, |last| last + 1);
        if kill % 100 == 0 || kill == kills {
            let (cards, wrong) = check(folder.path(), acknowledged);
            println!(
                "{kill} kills, {acknowledged} acknowledged, {cards} cards, {} lost or doubled",
                wrong.len()
            );
            assert!(wrong.is_empty(), "after {kill} kills (seed 20261127): {wrong:?}");
        }
    }
    assert!(acknowledged > 0, "no child got far enough to take anything in");
}

/// Patients with cards after the kills, and those with none or more than one.
fn check(folder: &Path, acknowledged: u64) -> (usize, Vec<(String, usize)>) {
    let (_engine, surveillance) = open(folder);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    runtime.block_on(surveillance.catch_up()).expect("caught up");
    let look = surveillance.look(|cases| {
        let mut cards: BTreeMap<String, usize> = BTreeMap::new();
        cases.cards().for_each(|card| *cards.entry(card.patients[0].clone()).or_default() += 1);
        let patients = (0..acknowledged).map(|number| format!("k{number}"));
        let counted = patients.map(|patient| (cards.get(&patient).copied().unwrap_or(0), patient));
        let wrong = counted.filter(|entry| entry.0 != 1).map(|(count, patient)| (patient, count));
        (cards.len(), wrong.collect())
    });
    look.expect("a view")
}
