//! Attacks of `docs/threats.md` that reach the server over FHIR, or its store behind its back.

mod support;

use std::net::TcpListener;
use std::path::Path;
use std::time::{Duration, Instant};

use base64::Engine as _;
use serde_json::{Value, json};
use support::{Server, exchange};

/// Longest answer to something that was made to be slow, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(10);

fn create(server: &Server, body: &Value) -> String {
    let reply = server.post(&format!("/fhir/{}", body["resourceType"].as_str().expect("a type")), body);
    assert_eq!(reply.status, 201, "{}", String::from_utf8_lossy(&reply.body));
    reply.json()["id"].as_str().expect("an id").to_owned()
}

fn patient(name: &str) -> Value {
    json!({"resourceType": "Patient", "name": [{"text": name}], "gender": "female", "birthDate": "1961-03-02",
        "identifier": [{"system": "urn:oid:2.16.156.10011.1.3", "value": format!("number of {name}")}]})
}

/// Somebody with the rights of the database edits it; `tongmai verify` finds it.
#[test]
fn a_superuser_who_edits_the_store_is_noticed() {
    let server = Server::start();
    for name in ["a", "b", "c"] {
        create(&server, &patient(name));
    }
    let edits = [
        (
            "a body in another's place",
            "UPDATE event SET body = (SELECT body FROM event WHERE seq = 2) WHERE seq = 1",
        ),
        (
            "one bit of a body",
            "UPDATE event SET body = CAST(substr(body, 1, 9) || x'00' || substr(body, 11) AS BLOB) WHERE seq = 2",
        ),
        ("when it was written", "UPDATE event SET time = time - 65536 WHERE seq = 2"),
        ("who wrote it", "UPDATE event SET actor = actor + 1 WHERE seq = 3"),
        ("whose it is", "UPDATE event SET record_key = 7 WHERE seq = 3"),
        ("how sensitive it is", "UPDATE event SET label = label + 1 WHERE seq = 1"),
        (
            "an erasure that nobody asked for",
            "UPDATE event SET body = NULL, commitment = x'00' WHERE seq = 1",
        ),
        ("an event taken out", "DELETE FROM event WHERE seq = 2"),
        ("the end cut off", "DELETE FROM event WHERE seq = 3"),
        ("end and head cut off", "DELETE FROM event WHERE seq = 3; DELETE FROM chain WHERE seq = 3"),
        ("a row that hides a resource", "DELETE FROM search WHERE seq = 1"),
        ("a row that moves a resource", "UPDATE search SET record_key = record_key + 1 WHERE seq = 2"),
        ("a name that finds another", "UPDATE search_text SET text = 'zz' WHERE seq = 3"),
        ("a head", "UPDATE chain SET head = zeroblob(32) WHERE seq = 2"),
    ];
    for (number, (what, sql)) in edits.iter().enumerate() {
        let copy = server.folder.path().join(format!("copy{number}"));
        server.engine.store().backup(&copy, &mut |_, _| {}).expect("a copy");
        assert_eq!(faults(&copy), 0, "before");
        let connection = rusqlite::Connection::open(&copy).expect("opens");
        connection.execute_batch(sql).unwrap_or_else(|error| panic!("{what}: {error}"));
        drop(connection);
        assert!(faults(&copy) > 0, "{what} was not noticed");
    }
}

/// What `tongmai verify` finds wrong; a store that cannot even be walked counts too.
fn faults(path: &Path) -> usize {
    match Server::engine_over(path).verify(&mut |_, _| {}) {
        Ok(report) => report.faults.len(),
        Err(_) => usize::MAX,
    }
}

#[test]
fn expressions_made_to_be_slow_are_not() {
    let server = Server::start();
    let id = create(&server, &patient("a"));
    let long = "a".repeat(4_000);
    let bombs = [
        format!("Patient{}", ".descendants()".repeat(60)),
        format!("Patient{}", ".repeat($this.children())".repeat(60)),
        format!("Patient.{}name{}", "(".repeat(2_000), ")".repeat(2_000)),
        format!("Patient{}", ".select($this | $this)".repeat(200)),
        format!("Patient.name.where('{long}!'.matches('(a+)+$')).text"),
        format!("Patient.name.where({}true).text", "iif(true, ".repeat(500)),
        "Patient.name.where((1|2|3|4|5|6|7|8|9).aggregate($total | $this.combine($total).combine($total), {}).exists())".to_owned(),
        "Patient.name.where('a'.replace('', 'aaaaaaaaaa').replace('a', 'aaaaaaaaaa').replace('a', 'aaaaaaaaaa').replace('a', 'aaaaaaaaaa').replace('a', 'aaaaaaaaaa').replace('a', 'aaaaaaaaaa').replace('a', 'aaaaaaaaaa').replace('a', 'aaaaaaaaaa').replace('a', 'aaaaaaaaaa').length() > 0)".to_owned(),
    ];
    for bomb in &bombs {
        let part = |name: &str, value: Value| {
            let mut part = value;
            part["name"] = json!(name);
            part
        };
        let patch = json!({"resourceType": "Parameters", "parameter": [{"name": "operation", "part": [
            part("type", json!({"valueCode": "delete"})), part("path", json!({"valueString": bomb}))]}]});
        let begun = Instant::now();
        let reply = server.send("PATCH", &format!("/fhir/Patient/{id}"), &[], patch.to_string().as_bytes());
        assert!(
            reply.status < 500,
            "{}: {}",
            &bomb[..60.min(bomb.len())],
            String::from_utf8_lossy(&reply.body)
        );
        assert!(begun.elapsed() < PATIENCE, "{} took {:?}", &bomb[..60.min(bomb.len())], begun.elapsed());
    }
    assert_eq!(server.get("/health/ready").status, 200);
}

#[test]
fn includes_that_run_in_circles_end() {
    let server = Server::start();
    let entry = |number: usize, next: usize| {
        json!({"resource": {"resourceType": "Observation", "id": format!("o{number}"), "status": "final",
            "code": {"text": "x"}, "hasMember": [{"reference": format!("Observation/o{next}")}]},
            "request": {"method": "PUT", "url": format!("Observation/o{number}")}})
    };
    let entries: Vec<Value> = (0..200).map(|number| entry(number, (number + 1) % 200)).collect();
    let bundle = json!({"resourceType": "Bundle", "type": "transaction", "entry": entries});
    assert_eq!(server.post("/fhir", &bundle).status, 200);
    for query in [
        "_include:iterate=Observation:has-member",
        "_revinclude:iterate=Observation:has-member",
        "_include:iterate=*&_revinclude:iterate=*",
        "_include:iterate=Observation:has-member&_revinclude:iterate=Observation:has-member&_count=200",
    ] {
        let begun = Instant::now();
        let reply = server.get(&format!("/fhir/Observation?{query}"));
        assert!(
            reply.status == 200 || reply.status == 400 || reply.status == 413,
            "{query}: {}",
            reply.status
        );
        assert!(begun.elapsed() < PATIENCE, "{query} took {:?}", begun.elapsed());
        if reply.status == 200 {
            let bundle = reply.json();
            let urls: Vec<&str> = bundle["entry"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|entry| entry["fullUrl"].as_str())
                .collect();
            let once: std::collections::BTreeSet<&str> = urls.iter().copied().collect();
            assert_eq!(once.len(), urls.len(), "{query}: something comes twice");
        }
    }
}

/// A stored SearchParameter is a document and nothing more: it finds nothing, and changes no search.
#[test]
fn search_parameters_of_strangers_do_nothing() {
    let server = Server::start();
    let id = create(&server, &patient("a"));
    for (url, code, expression) in [
        ("http://evil.test/all", "evil", "Patient.descendants()"),
        ("http://hl7.org/fhir/SearchParameter/individual-gender", "gender", "Patient.name.text"),
    ] {
        let parameter = json!({"resourceType": "SearchParameter", "url": url, "name": "evil", "status": "active",
            "description": "x", "code": code, "base": ["Patient"], "type": "string", "expression": expression});
        let reply = server.post("/fhir/SearchParameter", &parameter);
        assert!(reply.status == 201 || reply.status == 422, "{}", String::from_utf8_lossy(&reply.body));
    }
    let second = create(&server, &patient("male"));
    assert_eq!(server.get("/fhir/Patient?evil=a").status, 400);
    assert_eq!(server.search("Patient?gender=male"), [""; 0]);
    assert_eq!(server.search("Patient?gender=female&_sort=_lastUpdated"), [id, second]);
    assert_eq!(server.engine.verify(&mut |_, _| {}).expect("verified").faults, [""; 0]);
}

/// Addresses that strangers write are kept and never asked.
#[test]
fn no_address_of_a_stranger_is_fetched() {
    let server = Server::start();
    let trap = TcpListener::bind("127.0.0.1:0").expect("a port");
    trap.set_nonblocking(true).expect("set");
    let url = format!("http://{}/x", trap.local_addr().expect("an address"));
    let id = create(&server, &patient("a"));
    let subject = json!({"reference": format!("Patient/{id}")});
    let all = [
        json!({"resourceType": "Patient", "photo": [{"url": url}], "link": [{"other": {"reference": url}, "type": "seealso"}]}),
        json!({"resourceType": "DocumentReference", "status": "current", "subject": subject, "content": [{"attachment": {"contentType": "application/pdf", "url": url}}]}),
        json!({"resourceType": "Subscription", "status": "requested", "reason": "x", "criteria": "Patient?", "channel": {"type": "rest-hook", "endpoint": url}}),
        json!({"resourceType": "Observation", "meta": {"profile": [url]}, "status": "final", "code": {"coding": [{"system": url, "code": "x"}]}, "subject": {"reference": url}}),
        json!({"resourceType": "ValueSet", "status": "active", "url": url, "compose": {"include": [{"system": url, "valueSet": [url]}]}}),
        json!({"resourceType": "StructureDefinition", "status": "active", "url": url, "name": "x", "kind": "resource", "abstract": false, "type": "Patient", "baseDefinition": url}),
    ];
    for body in &all {
        server.post(&format!("/fhir/{}", body["resourceType"].as_str().expect("a type")), body);
    }
    for path in [
        format!("Observation?code={url}|x"),
        format!("Observation?subject={url}"),
        format!("Observation?code:in={url}"),
        format!("Patient?_profile={url}"),
        format!("Patient/{id}/$everything"),
    ] {
        server.get(&format!("/fhir/{path}"));
    }
    std::thread::sleep(Duration::from_millis(200));
    let came = trap.accept();
    assert!(came.is_err(), "somebody came to the trap: {came:?}");
}

/// What is stored with a script in it is given back as data, under a type that no browser runs.
#[test]
fn scripts_come_back_as_data() {
    let server = Server::start();
    let script = "<svg xmlns=\"http://www.w3.org/2000/svg\" onload=\"alert(1)\"/>";
    let data = base64::engine::general_purpose::STANDARD.encode(script);
    let id =
        create(&server, &json!({"resourceType": "Binary", "contentType": "image/svg+xml", "data": data}));
    for accept in ["*/*", "image/svg+xml", "text/html", "application/fhir+json"] {
        let mut connection = std::net::TcpStream::connect(server.address).expect("a connection");
        let path = format!("/fhir/Binary/{id}");
        let reply = exchange(&mut connection, "GET", &path, &[("Accept", accept)], b"").expect("an answer");
        let kind = reply.header("content-type");
        assert!(kind.starts_with("application/fhir+json"), "{accept}: {kind}");
        assert!(!String::from_utf8_lossy(&reply.body).contains("<svg"), "{accept}");
    }
}

#[test]
fn xml_with_entities_is_not_read() {
    let server = Server::start();
    let text = "<!DOCTYPE r [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><Patient xmlns=\"http://hl7.org/fhir\"><id value=\"&x;\"/></Patient>";
    for kind in ["application/fhir+xml", "application/xml", "text/xml", "application/fhir+json"] {
        let reply = server.send("POST", "/fhir/Patient", &[("Content-Type", kind)], text.as_bytes());
        let body = String::from_utf8_lossy(&reply.body).into_owned();
        assert!((400..500).contains(&reply.status), "{kind}: {} {body}", reply.status);
        assert!(!body.contains("root:"), "{kind}");
    }
}
