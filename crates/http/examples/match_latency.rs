//! How long `Patient/$match` takes over HTTP, on a ledger of generated people:
//! `cargo run --release -p tongmai-http --example match_latency -- 1000000`.
//!
//! The server and its clients share the machine. Patients are written in transactions of 500 by the engine, as an
//! import writes them; then two clients with a connection each ask for known people and for strangers.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use serde_json::{Value, json};
use tongmai_access::{Access, Policy, Requester};
use tongmai_engine::bundle::Ids;
use tongmai_engine::{Engine, Surroundings, Validation};
use tongmai_http::Service;
use tongmai_identity::generate::{Generator, Record};
use tongmai_store_sqlite::SqliteStore;

/// Requests of each client.
const ASKED: usize = 5_000;
/// Patients of one transaction.
const TOGETHER: usize = 500;

fn now() -> i64 {
    static NOW: AtomicU64 = AtomicU64::new(1_795_222_800_000);
    NOW.fetch_add(1, Ordering::Relaxed) as i64
}

fn random() -> [u8; 16] {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    u128::from(NEXT.fetch_add(1, Ordering::Relaxed)).to_le_bytes()
}

fn patient(record: &Record) -> Value {
    let [name, sex, birth, identity, insurance, phone, address, _] = &record.fields;
    let sex = if sex == "M" { "male" } else { "female" };
    let mut patient =
        json!({"resourceType": "Patient", "name": [{"text": name}], "gender": sex, "birthDate": birth});
    let mut numbers = Vec::new();
    for (system, value) in
        [("urn:oid:2.16.156.10011.1.3", identity), ("urn:oid:2.16.156.10011.1.19", insurance)]
    {
        if !value.is_empty() {
            numbers.push(json!({"system": system, "value": value}));
        }
    }
    if !numbers.is_empty() {
        patient["identifier"] = numbers.into();
    }
    if !phone.is_empty() {
        patient["telecom"] = json!([{"system": "phone", "value": phone}]);
    }
    if !address.is_empty() {
        patient["address"] = json!([{"text": address}]);
    }
    patient
}

fn load(engine: &Engine, runtime: &tokio::runtime::Runtime, people: usize) {
    let sight = Policy::Open.sight(&Requester::local());
    let mut generator = Generator::new(1);
    let mut left = people;
    while left > 0 {
        let some: Vec<String> = generator
            .by_ref()
            .take(TOGETHER.min(left))
            .map(|record| {
                format!(
                    r#"{{"resource":{},"request":{{"method":"POST","url":"Patient"}}}}"#,
                    patient(&record)
                )
            })
            .collect();
        left -= some.len();
        let bundle =
            format!(r#"{{"resourceType":"Bundle","type":"transaction","entry":[{}]}}"#, some.join(","));
        let work = engine.process(&sight, bundle.as_bytes(), Ids::Of("generated"));
        runtime.block_on(work).unwrap_or_else(|failure| panic!("{failure}"));
    }
}

/// Asks on one connection; milliseconds of each answer, and how many found somebody.
fn ask(address: SocketAddr, questions: &[String]) -> (Vec<f64>, usize) {
    let mut connection = BufReader::new(TcpStream::connect(address).expect("a connection"));
    connection.get_ref().set_nodelay(true).expect("a socket");
    let (mut times, mut found) = (Vec::with_capacity(questions.len()), 0);
    for question in questions {
        let begun = Instant::now();
        let request = format!(
            "POST /fhir/Patient/$match HTTP/1.1\r\nHost: x\r\nContent-Type: application/fhir+json\r\n\
             Content-Length: {}\r\n\r\n{question}",
            question.len()
        );
        connection.get_mut().write_all(request.as_bytes()).expect("sent");
        let (mut length, mut line) = (0, String::new());
        let mut status = String::new();
        while line != "\r\n" {
            line.clear();
            connection.read_line(&mut line).expect("a line");
            if status.is_empty() {
                status = line.clone();
            }
            if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().expect("a length");
            }
        }
        let mut body = vec![0; length];
        connection.read_exact(&mut body).expect("a body");
        times.push(begun.elapsed().as_secs_f64() * 1e3);
        assert!(status.contains("200"), "{status}{}", String::from_utf8_lossy(&body));
        found += usize::from(body.windows(11).any(|window| window == b"match-grade"));
    }
    (times, found)
}

fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or("");
    line.split_whitespace().nth(1).and_then(|kb| kb.parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
}

fn main() {
    let people = std::env::args().nth(1).and_then(|count| count.parse().ok()).unwrap_or(100_000);
    let folder = tempfile::tempdir().expect("a folder");
    let store = Arc::new(SqliteStore::open(&folder.path().join("store")).expect("a store"));
    let engine = Engine::start(store, Surroundings { now, random }, Validation::Accept).expect("an engine");
    let engine = Arc::new(engine);
    let access = Arc::new(Access::open(Policy::Open, &folder.path().join("reads"), now).expect("a read log"));
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.worker_threads(2).enable_all().build().expect("a runtime");
    let begun = Instant::now();
    load(&engine, &runtime, people);
    println!("{people} patients written in {:.1} s", begun.elapsed().as_secs_f64());

    let service = Service::new(engine, access, None, folder.path().join("exports"), false);
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).expect("a port");
    let address = listener.local_addr().expect("an address");
    runtime
        .spawn(async move { tongmai_http::serve(Arc::new(service), listener, std::future::pending()).await });
    let question = |record: Record| {
        json!({"resourceType": "Parameters", "parameter": [{"name": "resource", "resource": patient(&record)},
            {"name": "count", "valueInteger": 5}]})
        .to_string()
    };
    let begun = Instant::now();
    let first: Vec<String> = Generator::new(1).take(1).map(question).collect();
    ask(address, &first);
    println!("persons folded in {:.1} s, {:.0} MB resident", begun.elapsed().as_secs_f64(), resident());

    let known = |step: usize| -> Vec<String> {
        Generator::new(1)
            .take(people)
            .skip(step)
            .step_by((people / ASKED).max(1))
            .take(ASKED)
            .map(question)
            .collect()
    };
    let strangers = |seed: u64| -> Vec<String> { Generator::new(seed).take(ASKED).map(question).collect() };
    for (label, questions) in
        [("known people", [known(0), known(people / ASKED / 2)]), ("strangers", [strangers(2), strangers(3)])]
    {
        let begun = Instant::now();
        let (mut times, mut found) = (Vec::new(), 0);
        std::thread::scope(|scope| {
            let clients: Vec<_> =
                questions.iter().map(|some| scope.spawn(move || ask(address, some))).collect();
            for client in clients {
                let (some, hits) = client.join().expect("a client");
                times.extend(some);
                found += hits;
            }
        });
        let each = times.len() as f64 / begun.elapsed().as_secs_f64();
        times.sort_by(f64::total_cmp);
        let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
        println!(
            "{label}: {} requests, {found} with candidates, p50 {:.2} ms, p99 {:.2} ms, longest {:.1} ms, {each:.0} a \
             second",
            times.len(),
            at(0.5),
            at(0.99),
            at(1.0)
        );
    }
}
