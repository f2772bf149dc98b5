//! Messages a second from the door to the ledger, durable and indexed, on a store of its own on disk.
//!
//! `cargo run --release -p tongmai-gateway --example doors_bench [seconds]`

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tongmai_access::{Access, Policy};
use tongmai_engine::{Engine, Surroundings, Validation};
use tongmai_gateway::door::Doors;
use tongmai_gateway::emit::{self, Visit, county};
use tongmai_gateway::hl7v2::Options;
use tongmai_gateway::pipeline::Kept;
use tongmai_region::County;
use tongmai_store_sqlite::SqliteStore;

/// Senders at once.
const SENDERS: usize = 64;

fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| since.as_millis() as i64)
}

fn random() -> [u8; 16] {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let mut bytes = [3; 16];
    bytes[..8].copy_from_slice(&NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes());
    bytes
}

/// Processor time of the process.
fn processor_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux tells processor time");
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
    let ticks = |at: usize| fields.get(at).and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
    Duration::from_millis((ticks(11) + ticks(12)) * 10)
}

fn open(folder: &std::path::Path) -> Arc<Doors> {
    let store = Arc::new(SqliteStore::open(&folder.join("store.tongmai")).expect("a store"));
    let engine = Engine::start(store, Surroundings { now, random }, Validation::Reject).expect("an engine");
    let access = Access::open(Policy::Open, &folder.join("reads"), now).expect("a log");
    let queue = folder.join("queue");
    let doors = Doors::open(Arc::new(engine), Arc::new(access), &queue, Options::default(), now);
    Arc::new(doors.expect("doors"))
}

/// Sends as fast as it is answered for so long.
async fn as_fast_as_can_be(name: &str, messages: Vec<(&'static str, Vec<u8>)>, seconds: u64) {
    let folder = tempfile::tempdir().expect("a folder");
    let doors = open(folder.path());
    let (all, next) = (Arc::new(messages), Arc::new(AtomicUsize::new(0)));
    let bytes: usize = all.iter().map(|(_, bytes)| bytes.len()).sum();
    let (begun, spent) = (Instant::now(), processor_time());
    let mut work = Vec::new();
    for _ in 0..SENDERS {
        let (doors, all, next) = (doors.clone(), all.clone(), next.clone());
        work.push(tokio::spawn(async move {
            let (mut sent, mut resources) = (0_u64, 0_u64);
            while begun.elapsed() < Duration::from_secs(seconds) {
                let Some((door, bytes)) = all.get(next.fetch_add(1, Ordering::Relaxed)) else { break };
                let receipt = doors.receive(doors.format(door).expect("a door"), bytes).await;
                assert_eq!(receipt.kept, Kept::Committed, "{:?}", receipt.findings.last());
                (sent, resources) = (sent + 1, resources + receipt.resources.len() as u64);
            }
            (sent, resources)
        }));
    }
    let (mut sent, mut resources) = (0, 0);
    for work in work {
        let (messages, made) = work.await.expect("sent");
        (sent, resources) = (sent + messages, resources + made);
    }
    let (took, spent) = (begun.elapsed().as_secs_f64(), (processor_time() - spent).as_secs_f64());
    let size: u64 =
        doors.pipeline().engine().store().size().map_or(0, |all| all.first().map_or(0, |of| of.1));
    println!(
        "{name:<28} {:>7.0}/s  {:>7.0}/s of two busy cores  {:.1} resources and {:.0} bytes a message, {sent} sent, store {size} bytes",
        sent as f64 / took,
        sent as f64 / spent * 2.0,
        resources as f64 / sent.max(1) as f64,
        bytes as f64 / all.len() as f64,
    );
}

/// Sends at a steady rate and tells the delays.
async fn at_a_rate(messages: Vec<(&'static str, Vec<u8>)>, rate: u64, seconds: u64) {
    let folder = tempfile::tempdir().expect("a folder");
    let doors = open(folder.path());
    let begun = Instant::now();
    let mut work = Vec::new();
    for (at, (door, bytes)) in messages.into_iter().take((rate * seconds) as usize).enumerate() {
        let due = begun + Duration::from_micros(at as u64 * 1_000_000 / rate);
        tokio::time::sleep_until(due.into()).await;
        let doors = doors.clone();
        work.push(tokio::spawn(async move {
            let receipt = doors.receive(doors.format(door).expect("a door"), &bytes).await;
            assert_eq!(receipt.kept, Kept::Committed, "{:?}", receipt.findings.last());
            due.elapsed()
        }));
    }
    let mut delays = Vec::new();
    for work in work {
        delays.push(work.await.expect("sent"));
    }
    let took = begun.elapsed();
    delays.sort_unstable();
    let at = |per_mille: usize| {
        delays[(delays.len() * per_mille / 1_000).min(delays.len() - 1)].as_secs_f64() * 1e3
    };
    println!(
        "mixed, {rate}/s for {:.1} s        p50 {:.1} ms  p90 {:.1} ms  p99 {:.1} ms  worst {:.1} ms",
        took.as_secs_f64(),
        at(500),
        at(900),
        at(990),
        at(1_000),
    );
}

fn main() {
    let seconds = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(10);
    let county = County::new(5, 20_000, 20_778);
    let mut visits: Vec<Visit> = county::visits(&county).take(60_000).collect();
    // As a region sends them: one after the other in time, not person by person.
    visits.sort_by(|a, b| (&a.start, &a.number).cmp(&(&b.start, &b.number)));
    let v2 = |visit: &Visit| emit::hl7v2(visit).into_iter().map(|text| ("hl7v2", text.into_bytes()));
    let document = |visit: &Visit| ("wst500", emit::wst500(visit).into_bytes());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime").block_on(async {
        as_fast_as_can_be("HL7 v2", visits.iter().flat_map(v2).collect(), seconds).await;
        as_fast_as_can_be("WS/T 500", visits.iter().take(20_000).map(document).collect(), seconds).await;
        let mixed = visits.iter().enumerate().flat_map(|(at, visit)| match at % 10 {
            0 => vec![document(visit)],
            1 => vec![("fhir", emit::fhir(visit).into_bytes())],
            _ => v2(visit).collect(),
        });
        at_a_rate(mixed.take(40_000).collect(), 1_000, seconds).await;
        let mixed = visits.iter().skip(5_000).enumerate().flat_map(|(at, visit)| match at % 10 {
            0 => vec![document(visit)],
            1 => vec![("fhir", emit::fhir(visit).into_bytes())],
            _ => v2(visit).collect(),
        });
        at_a_rate(mixed.take(40_000).collect(), 300, seconds).await;
    });
}
