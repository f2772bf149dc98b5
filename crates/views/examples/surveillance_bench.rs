//! How soon surveillance answers, on the embedded store: diagnosis to card, class A result to alert, all
//! strata re-tested under 2,000 events a second, look-alikes side by side among many cases, and the import of
//! contacts. `cargo run --release -p tongmai-views --example surveillance_bench [cases]`

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tongmai_access::{Access, Policy, Requester};
use tongmai_engine::bundle::Ids;
use tongmai_engine::views::View;
use tongmai_engine::{Engine, Surroundings, Validation};
use tongmai_fhir::definition::resource_type_id;
use tongmai_store::{Event, EventKind, RecordKey, ResourceKey};
use tongmai_store_sqlite::SqliteStore;
use tongmai_views::surveillance::{Card, Cases, Items, NewContact, Surveillance};

fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| since.as_millis() as i64)
}

fn random() -> [u8; 16] {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    u128::from(NEXT.fetch_add(1, Ordering::Relaxed)).wrapping_mul(0x9E37_79B9_7F4A_7C15).to_le_bytes()
}

fn patient(number: usize) -> Value {
    json!({
        "resourceType": "Patient", "id": format!("b{number}"), "name": [{"text": format!("居民{number}")}],
        "gender": if number.is_multiple_of(2) { "male" } else { "female" },
        "birthDate": format!("{}-0{}-1{}", 1940 + number % 80, 1 + number % 9, number % 9),
        "address": [{"city": "清禾县", "district": format!("第{}镇", number % 16)}],
    })
}

fn condition(number: usize, patient: usize, code: &str) -> Value {
    json!({
        "resourceType": "Condition", "id": format!("d{number}"), "subject": {"reference": format!("Patient/b{patient}")},
        "code": {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10", "code": code}]},
    })
}

async fn send(engine: &Engine, resources: &[Value]) {
    let entries = resources.iter().map(|resource| {
        let text = |name: &str| resource[name].as_str().unwrap_or("").to_owned();
        let url = format!("{}/{}", text("resourceType"), text("id"));
        json!({"resource": resource, "request": {"method": "PUT", "url": url}})
    });
    let entries: Vec<Value> = entries.collect();
    let bundle = json!({"resourceType": "Bundle", "type": "transaction", "entry": entries}).to_string();
    engine
        .process_counting(&Policy::Open.sight(&Requester::local()), bundle.as_bytes(), Ids::Fresh)
        .await
        .expect("taken in");
}

fn quantiles(name: &str, mut times: Vec<Duration>, target: &str) {
    times.sort_unstable();
    let at =
        |share: f64| times[((times.len() as f64 * share) as usize).min(times.len() - 1)].as_secs_f64() * 1e3;
    println!(
        "{name}: {} times, p50 {:.1} ms, p99 {:.1} ms (target p99 {target})",
        times.len(),
        at(0.5),
        at(0.99)
    );
}

/// From the acknowledged diagnosis until its card, or its alarm, is there.
async fn latency(
    engine: &Engine,
    surveillance: &Surveillance,
    number: usize,
    code: &str,
    alarm: bool,
) -> Duration {
    send(engine, &[condition(number, number, code)]).await;
    let begun = Instant::now();
    let mut changed = surveillance.changed();
    let patient = format!("b{number}");
    loop {
        let there = surveillance.look(|cases| {
            let Some(card) = cases.cards_of(&patient).next() else { return false };
            let reference = format!("Task/{}", card.id);
            !alarm || cases.signals().any(|signal| signal.evidence.contains(&reference))
        });
        if there.expect("a view") {
            return begun.elapsed();
        }
        let _ = tokio::time::timeout(Duration::from_millis(5), changed.changed()).await;
    }
}

#[tokio::main]
async fn main() {
    let cases: usize = std::env::args().nth(1).and_then(|it| it.parse().ok()).unwrap_or(1_000_000);
    let folder = tempfile::tempdir().expect("a folder");
    let store = Arc::new(SqliteStore::open(&folder.path().join("store")).expect("a store"));
    let surroundings = Surroundings { now, random };
    let engine = Arc::new(Engine::start(store, surroundings, Validation::Reject).expect("an engine"));
    let access = Arc::new(Access::open(Policy::Open, &folder.path().join("reads"), now).expect("a log"));
    let surveillance = Arc::new(Surveillance::new(engine.clone(), access, None));
    surveillance.follow().expect("a thread");
    let people = 20_000;
    for chunk in (0..people).collect::<Vec<_>>().chunks(500) {
        let resources: Vec<Value> = chunk.iter().map(|number| patient(*number)).collect();
        send(&engine, &resources).await;
    }
    surveillance.catch_up().await.expect("caught up");
    let mut times = Vec::new();
    for number in 0..400 {
        times.push(
            latency(&engine, &surveillance, number, ["B05.9", "A38", "B26.9"][number % 3], false).await,
        );
    }
    quantiles("diagnosis to card", times, "500 ms");
    let mut times = Vec::new();
    for number in 400..600 {
        times.push(latency(&engine, &surveillance, number, "A00.9", true).await);
    }
    quantiles("class A to alert", times, "2 s");
    under_load(&engine, &surveillance, people).await;
    contacts(&surveillance).await;
    look_alikes(cases);
}

/// 2,000 events a second for ten seconds, one in fifty of them a notifiable disease: how long after its
/// commit each hundred was followed, and its strata tested.
async fn under_load(engine: &Engine, surveillance: &Arc<Surveillance>, people: usize) {
    const RATE: usize = 2_000;
    let begun = Instant::now();
    let (mut sent, mut waiting) = (0, Vec::new());
    while sent < 10 * RATE {
        let due = (begun.elapsed().as_secs_f64() * RATE as f64) as usize;
        if due < sent + 100 {
            tokio::time::sleep(Duration::from_millis(2)).await;
            continue;
        }
        let resources: Vec<Value> = (sent..sent + 100)
            .map(|number| {
                let code =
                    if number % 50 == 0 { ["J10.1", "A09.9", "B08.4"][number / 50 % 3] } else { "I10" };
                condition(100_000 + number, 1_000 + number * 7 % (people - 1_000), code)
            })
            .collect();
        send(engine, &resources).await;
        sent += 100;
        let (at, position) = (Instant::now(), engine.position().expect("a position"));
        let mut changed = surveillance.changed();
        waiting.push(tokio::spawn(async move {
            while *changed.borrow_and_update() < position {
                if changed.changed().await.is_err() {
                    break;
                }
            }
            at.elapsed()
        }));
    }
    println!("{sent} events at {:.0} a second", sent as f64 / begun.elapsed().as_secs_f64());
    let mut behind = Vec::new();
    for one in waiting {
        behind.push(one.await.expect("followed"));
    }
    quantiles("re-test under load", behind, "2 s");
}

async fn contacts(surveillance: &Surveillance) {
    let card = surveillance.look(|cases| cases.cards().next().expect("a card").id.clone()).expect("a view");
    let list: Vec<NewContact> = (0..100_000)
        .map(|number| NewContact {
            card: card.clone(),
            items: Items::from([
                ("name".to_owned(), format!("接触者{number}")),
                ("phone".to_owned(), format!("139{number:08}")),
                ("site".to_owned(), format!("车厢{}", number % 40)),
            ]),
        })
        .collect();
    let begun = Instant::now();
    let entered = surveillance.add_contacts(&Requester::local(), &list).await.expect("entered");
    println!("{entered} contacts imported in {:.1} s (target 60 s)", begun.elapsed().as_secs_f64());
}

/// Look-alikes among very many cases: the view alone, folded from events that no store holds.
fn look_alikes(count: usize) {
    let mut view = Cases::new(&[7; 32]);
    let mut seq = 0;
    let mut apply = |view: &mut Cases, kind: &str, resource: &Value, key: i64| {
        seq += 1;
        view.apply(&Event {
            seq,
            origin: 0,
            origin_seq: seq,
            parents: Vec::new(),
            hybrid_time: (now() as u64) << 16,
            kind: EventKind::Put,
            type_id: resource_type_id(kind).expect("a type"),
            key: ResourceKey(key),
            version: 1,
            record_key: RecordKey(key as u64),
            label: 0,
            actor: 0,
            purpose: 0,
            body: tongmai_codec::pack(resource.to_string().as_bytes()),
            commitment: None,
        });
    };
    let begun = Instant::now();
    for number in 0..count {
        // One in fifty looks like the one before.
        let like = if number % 50 == 49 { number - 1 } else { number };
        let mut person = patient(like);
        person["id"] = json!(format!("b{number}"));
        apply(&mut view, "Patient", &person, 2 * number as i64);
        let card = Card {
            id: format!("card-{number}"),
            version: 1,
            patients: vec![format!("b{number}")],
            encounter: String::new(),
            provider: String::new(),
            disease: "measles".into(),
            classification: "clinical".into(),
            state: "draft".into(),
            start: now(),
            hours: 24,
            created: now(),
            written: now(),
            items: Items::from([("name".into(), format!("居民{like}"))]),
            evidence: Vec::new(),
            answers: Items::new(),
            notes: Vec::new(),
            position: 0,
        };
        apply(&mut view, "Task", &card.to_task(), 2 * number as i64 + 1);
    }
    println!("{count} cards folded in {:.1} s", begun.elapsed().as_secs_f64());
    let mut times = Vec::new();
    for _ in 0..200 {
        let begun = Instant::now();
        let pairs = view.possible_duplicates(10);
        assert_eq!(pairs.len(), 10.min(count / 50));
        times.push(begun.elapsed());
    }
    quantiles("look-alikes side by side", times, "300 ms");
}
