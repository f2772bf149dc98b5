//! `$drg-group` and the CDS Hooks service over a small county.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tongmai_access::{Access, Policy, Requester};
use tongmai_engine::bundle::Ids;
use tongmai_engine::{Engine, Surroundings, Validation};
use tongmai_http::Service;
use tongmai_region::County;
use tongmai_region::fhir::Counts;
use tongmai_store::memory::MemoryStore;

fn now() -> i64 {
    1_795_222_800_000
}

fn random() -> [u8; 16] {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let mut bytes = [0; 16];
    let next = NEXT.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    bytes[..8].copy_from_slice(&next.to_be_bytes());
    bytes
}

async fn ask(address: &str, method: &str, path: &str, body: &str) -> (u16, Value) {
    let mut stream = tokio::net::TcpStream::connect(address).await.expect("a connection");
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer");
    let status = answer.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    (status, serde_json::from_str(body).unwrap_or_else(|_| panic!("{path}: {answer}")))
}

fn value<'v>(parameters: &'v Value, name: &str) -> &'v Value {
    let all = parameters["parameter"].as_array().expect("parameters");
    let found = all.iter().find(|parameter| parameter["name"] == name).unwrap_or(&Value::Null);
    let keys = ["valueString", "valueCode", "valueDecimal"];
    keys.iter().map(|key| &found[*key]).find(|value| !value.is_null()).unwrap_or(&Value::Null)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stay_is_grouped_for_other_systems() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Arc::new(MemoryStore::new([7; 32]));
    let engine =
        Arc::new(Engine::start(store, Surroundings { now, random }, Validation::Reject).expect("an engine"));
    let access = Arc::new(Access::open(Policy::Open, folder.path(), now).expect("a log of reads"));
    let county = County::new(1, 20, 20_778);
    let (mut counts, mut bundle) = (Counts::default(), String::new());
    county.write_directory_bundle(&mut bundle, &mut counts);
    let requester = Requester::installation("test", "HSYSADMIN");
    engine
        .process_counting(&access.sight(&requester), bundle.as_bytes(), Ids::Of("test"))
        .await
        .expect("organisations");
    for person in county.everyone() {
        bundle.clear();
        county.write_bundle(&person, &mut bundle, &mut counts);
        engine
            .process_counting(&access.sight(&requester), bundle.as_bytes(), Ids::Of("test"))
            .await
            .expect("a person");
    }
    let service = Arc::new(Service::new(engine, access, None, folder.path().join("exports"), false));
    let stays: Vec<(String, String)> = service
        .drg
        .look(&service.engine, |grouping, _| {
            grouping.stays.values().map(|g| (g.stay.encounter.clone(), g.group.clone())).collect()
        })
        .expect("a look");
    assert!(!stays.is_empty());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    tokio::spawn(tongmai_http::serve(service, listener, std::future::pending()));

    for (encounter, group) in &stays {
        let (status, told) =
            ask(&address, "GET", &format!("/fhir/Encounter/{encounter}/$drg-group"), "").await;
        assert_eq!(status, 200, "{told}");
        assert_eq!(value(&told, "group"), group);
        assert_eq!(value(&told, "pack"), "qinghe_2026");
    }
    let (encounter, group) = &stays[0];
    let hook =
        json!({"hook": "encounter-discharge", "hookInstance": "1", "context": {"encounterId": encounter}});
    let (status, cards) = ask(&address, "POST", "/cds-services/drg-coding", &hook.to_string()).await;
    assert_eq!(status, 200, "{cards}");
    assert!(cards["cards"][0]["summary"].as_str().expect("a summary").starts_with(group.as_str()), "{cards}");
    assert!(cards["cards"][0]["source"]["label"].is_string());
    let (status, services) = ask(&address, "GET", "/cds-services", "").await;
    assert_eq!((status, &services["services"][0]["id"]), (200, &json!("drg-coding")));

    let case =
        json!({"gender": 1, "age": 70, "inHospitalTime": 9, "zdList": ["I50.9", "N17.9"], "ssList": []});
    let body = |case: String, pack: &str| {
        json!({"resourceType": "Parameters", "parameter": [
            {"name": "case", "valueString": case}, {"name": "pack", "valueString": pack}]})
        .to_string()
    };
    let (status, told) =
        ask(&address, "POST", "/fhir/$drg-group", &body(case.to_string(), "qinghe_2027")).await;
    assert_eq!((status, value(&told, "group")), (200, &json!("FR21")), "{told}");
    for (method, path, body, expected) in [
        ("POST", "/fhir/$drg-group", body(case.to_string(), "none"), 400),
        ("POST", "/fhir/$drg-group", body("{".into(), "qinghe_2027"), 400),
        ("POST", "/fhir/$drg-group", "{}".into(), 400),
        ("GET", "/fhir/Encounter/none/$drg-group", String::new(), 404),
        ("POST", "/cds-services/drg-coding", "{}".into(), 400),
        (
            "POST",
            "/cds-services/drg-coding",
            hook.to_string().replace("encounter-discharge", "order-sign"),
            400,
        ),
    ] {
        let (status, answer) = ask(&address, method, path, &body).await;
        assert_eq!(status, expected, "{path}: {answer}");
    }
}
