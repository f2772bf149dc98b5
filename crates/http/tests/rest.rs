//! The REST interactions as a client meets them.

mod support;

use serde_json::{Value, json};
use support::{Server, next_link, wait};
use tongmai_engine::Validation;

fn patient(family: &str) -> Value {
    json!({"resourceType": "Patient", "name": [{"family": family}], "gender": "female", "birthDate": "1959-03-02"})
}

fn observation(patient: &str, code: &str, date: &str, value: f64) -> Value {
    json!({"resourceType": "Observation", "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": code, "display": "x"}]},
        "subject": {"reference": format!("Patient/{patient}")}, "effectiveDateTime": date,
        "valueQuantity": {"value": value, "unit": "mmHg", "system": "http://unitsofmeasure.org", "code": "mm[Hg]"}})
}

fn created(reply: &support::Reply) -> String {
    assert_eq!(reply.status, 201, "{}", String::from_utf8_lossy(&reply.body));
    reply.json()["id"].as_str().expect("an id").to_owned()
}

#[test]
fn a_resource_lives_through_its_versions() {
    let server = Server::start();
    let reply = server.post("/fhir/Patient", &patient("卓"));
    let id = created(&reply);
    assert_eq!(reply.header("etag"), "W/\"1\"");
    assert!(reply.header("location").ends_with(&format!("/fhir/Patient/{id}/_history/1")));
    let address = format!("/fhir/Patient/{id}");
    let mut second = server.get(&address).json();
    second["birthDate"] = json!("1960-03-02");
    let body = second.to_string();
    let stale = server.send("PUT", &address, &[("If-Match", "W/\"7\"")], body.as_bytes());
    assert_eq!(stale.status, 412);
    let updated = server.send("PUT", &address, &[("If-Match", "W/\"1\"")], body.as_bytes());
    assert_eq!((updated.status, updated.header("etag")), (200, "W/\"2\""));
    assert_eq!(server.get(&format!("{address}/_history/1")).json()["birthDate"], "1959-03-02");
    assert_eq!(server.send("GET", &address, &[("If-None-Match", "W/\"2\"")], b"").status, 304);
    let patch = json!([{"op": "replace", "path": "/gender", "value": "male"}]).to_string();
    let patched =
        server.send("PATCH", &address, &[("Content-Type", "application/json-patch+json")], patch.as_bytes());
    assert_eq!(patched.json()["gender"], "male");
    assert_eq!(server.send("DELETE", &address, &[], b"").status, 204);
    assert_eq!(server.get(&address).status, 410);
    let history = server.get(&format!("{address}/_history")).json();
    let versions: Vec<&Value> = history["entry"].as_array().expect("entries").iter().collect();
    assert_eq!(versions.len(), 4);
    assert_eq!(versions[0]["request"]["method"], "DELETE");
    assert_eq!(server.search("Patient?family=卓"), [""; 0]);
    let back = server.send("PUT", &address, &[], body.as_bytes());
    assert_eq!((back.status, back.header("etag")), (201, "W/\"5\""));
    let report = server.engine.verify(&mut |_, _| {}).expect("verified");
    assert_eq!(report.faults, [""; 0]);
}

/// Rule and path of each issue of `$findings`.
fn findings(server: &Server, address: &str) -> Vec<(String, String)> {
    let reply = server.get(&format!("/fhir/{address}/$findings"));
    assert_eq!(reply.status, 200, "{address}");
    let outcome = reply.json();
    let text = |value: &Value| value.as_str().unwrap_or("").to_owned();
    let issues = outcome["issue"].as_array().expect("issues").iter();
    let rule = |issue: &Value| text(&issue["details"]["coding"][0]["code"]);
    issues.map(|issue| (rule(issue), text(&issue["expression"][0]))).filter(|of| !of.0.is_empty()).collect()
}

#[test]
fn what_was_accepted_keeps_its_findings() {
    let server = Server::with(Validation::Accept);
    let mut bad = patient("卓");
    bad["colour"] = json!("a red secret");
    let id = created(&server.post("/fhir/Patient", &bad));
    let address = format!("Patient/{id}");
    let unknown = [("unknown-element".to_owned(), "Patient.colour".to_owned())];
    assert_eq!(findings(&server, &address), unknown);
    let shown = server.get(&format!("/fhir/{address}")).json();
    assert_eq!((&shown["colour"], shown.get("issue")), (&json!("a red secret"), None));

    // They belong to their version: a restriction has the same content, a repair has not.
    let type_id = tongmai_fhir::definition::resource_type_id("Patient").expect("a type");
    let local = tongmai_access::Policy::Open.sight(&tongmai_access::Requester::local());
    server.runtime.block_on(server.engine.restrict(&local, type_id, &id, true)).expect("restricted");
    assert_eq!(findings(&server, &address), unknown);
    let mut good = patient("卓");
    good["id"] = json!(id);
    assert_eq!(server.send("PUT", &format!("/fhir/{address}"), &[], good.to_string().as_bytes()).status, 200);
    assert_eq!(findings(&server, &address), []);
    assert_eq!(findings(&server, &format!("{address}/_history/1")), unknown);

    // A restart and a backup have them; one bad record among the current ones is counted.
    created(&server.post("/fhir/Patient", &bad));
    let backup = server.folder.path().join("backup");
    server.engine.store().backup(&backup, &mut |_, _| {}).expect("a backup");
    for path in [server.folder.path().join("store"), backup] {
        let engine = Server::engine_over(&path);
        let report = engine.verify(&mut |_, _| {}).expect("verified");
        assert_eq!((report.faults.len(), report.accepted.get(&type_id)), (0, Some(&1)));
    }
    // A purge erases them with the bodies they may quote.
    server.runtime.block_on(server.engine.purge(&local, type_id, &id)).expect("purged");
    assert_eq!(server.get(&format!("/fhir/{address}/_history/1/$findings")).status, 410);
    let events = server.engine.store().snapshot().and_then(|mut s| s.feed(0, 100)).expect("the ledger");
    let erased = events.iter().filter(|event| event.commitment.is_some() && event.body.is_empty());
    assert_eq!(erased.count(), 3);
    assert_eq!(server.engine.verify(&mut |_, _| {}).expect("verified").faults, [""; 0]);
}

#[test]
fn a_reference_without_its_target_is_a_finding_until_it_comes() {
    let server = Server::start();
    let id = created(&server.post("/fhir/Observation", &observation("later", "8867-4", "2026-03-01", 70.0)));
    let address = format!("Observation/{id}");
    let dangling = [("dangling-reference".to_owned(), "Observation.subject".to_owned())];
    assert_eq!(findings(&server, &address), dangling);
    let type_id = |name| tongmai_fhir::definition::resource_type_id(name).expect("a type");
    let counted = || server.engine.verify(&mut |_, _| {}).expect("verified").dangling;
    let pair = (type_id("Observation"), type_id("Patient"));
    assert_eq!(counted(), [(pair, 1)].into());
    let mut target = patient("来");
    target["id"] = json!("later");
    let target = target.to_string();
    assert_eq!(server.send("PUT", "/fhir/Patient/later", &[], target.as_bytes()).status, 201);
    assert_eq!((findings(&server, &address), counted()), (Vec::new(), [].into()));
    assert_eq!(server.send("DELETE", "/fhir/Patient/later", &[], b"").status, 204);
    assert_eq!((findings(&server, &address), counted()), (dangling.to_vec(), [(pair, 1)].into()));
}

#[test]
fn searches_find_what_they_should() {
    let server = Server::start();
    let zhuo = created(&server.post("/fhir/Patient", &patient("Zhuo")));
    let wang = created(&server.post("/fhir/Patient", &patient("王")));
    let a = created(
        &server.post("/fhir/Observation", &observation(&zhuo, "8480-6", "2026-01-01T08:00:00+08:00", 186.0)),
    );
    let b = created(
        &server.post("/fhir/Observation", &observation(&zhuo, "8480-6", "2026-03-01T08:00:00+08:00", 150.0)),
    );
    let c = created(
        &server.post("/fhir/Observation", &observation(&wang, "8462-4", "2026-02-01T08:00:00+08:00", 80.0)),
    );
    let check = |path: &str, expected: &[&String]| {
        let mut found = server.search(path);
        let mut expected: Vec<String> = expected.iter().map(|id| (*id).clone()).collect();
        if !path.contains("_sort") {
            found.sort();
            expected.sort();
        }
        assert_eq!(found, expected, "{path}");
    };
    check("Observation", &[&a, &b, &c]);
    check("Observation?code=8480-6", &[&a, &b]);
    check("Observation?code=http://loinc.org|8480-6,http://loinc.org|8462-4", &[&a, &b, &c]);
    check("Observation?code=http://other.org|8480-6", &[]);
    check("Observation?code:not=8480-6", &[&c]);
    check("Observation?date=ge2026-02", &[&b, &c]);
    check("Observation?date=ge2026-02&date=lt2026-03", &[&c]);
    check("Observation?value-quantity=gt100", &[&a, &b]);
    check("Observation?value-quantity=186|http://unitsofmeasure.org|mm[Hg]", &[&a]);
    check("Observation?value-quantity=186|http://other.org|mm[Hg]", &[]);
    check("Observation?code-value-quantity=8480-6$gt160", &[&a]);
    check(&format!("Observation?patient={zhuo}"), &[&a, &b]);
    check(&format!("Observation?subject=Patient/{zhuo}&code=8480-6&_sort=date"), &[&a, &b]);
    check(&format!("Observation?patient={zhuo}&code=8480-6&_sort=-date"), &[&b, &a]);
    check("Observation?_sort=value-quantity", &[&c, &b, &a]);
    check("Observation?patient.family=zhuo", &[&a, &b]);
    check("Observation?subject:Patient.family:exact=zhuo", &[]);
    check("Patient?family:contains=HU", &[&zhuo]);
    check("Patient?_has:Observation:patient:code=8462-4", &[&wang]);
    check("Patient?_has:Observation:patient:code=8462-4&family=zhuo", &[]);
    check("Patient?family:missing=true", &[]);
    check("Patient?death-date:missing=true", &[&zhuo, &wang]);
    check(&format!("Patient?_id={wang},{zhuo}&family=王"), &[&wang]);
    check(&format!("Patient/{zhuo}/Observation?code=8480-6"), &[&a, &b]);
    check(&format!("Patient/{zhuo}/*"), &[&a, &b, &zhuo]);
    check("?_type=Patient,Observation", &[&a, &b, &c, &wang, &zhuo]);
    check("Observation?category=laboratory", &[]);
    let total = server.get("/fhir/Observation?code=8480-6&_total=accurate&_count=1").json();
    assert_eq!((total["total"].as_u64(), total["entry"].as_array().map(Vec::len)), (Some(2), Some(1)));
    let include = server.get("/fhir/Observation?code=8462-4&_include=Observation:patient").json();
    assert_eq!(include["entry"][1]["resource"]["id"], wang.as_str());
    assert_eq!(include["entry"][1]["search"]["mode"], "include");
    let reverse = server.get(&format!("/fhir/Patient?_id={zhuo}&_revinclude=Observation:subject")).json();
    assert_eq!(reverse["entry"].as_array().map(Vec::len), Some(3));
    let everything = server.get(&format!("/fhir/Patient/{zhuo}/$everything")).json();
    assert_eq!(
        (everything["total"].as_u64(), &everything["entry"][0]["resource"]["id"]),
        (Some(3), &json!(zhuo))
    );
}

#[test]
fn what_is_not_understood_is_refused_by_name() {
    let server = Server::start();
    let check = |path: &str, status: u16, expression: &str| {
        let reply = server.get(path);
        assert_eq!(reply.status, status, "{path}");
        let outcome = reply.json();
        assert_eq!(outcome["resourceType"], "OperationOutcome");
        assert_eq!(outcome["issue"][0]["expression"][0].as_str().unwrap_or(""), expression, "{path}");
    };
    check("/fhir/Patient?favourite=blue", 400, "favourite");
    check("/fhir/Patient?gender:fuzzy=male", 400, "gender:fuzzy");
    check("/fhir/Observation?date=yesterday", 400, "date");
    check("/fhir/Observation?subject.name.x=1", 400, "name.x");
    check("/fhir/Patient?gender:in=http://example.org/unknown", 400, "gender:in");
    check("/fhir/Nonsense", 404, "");
    check("/fhir/Patient/unknown", 404, "");
    check("/fhir/Patient?_page=1.2.3.4.5.6", 400, "_page");
    let lenient = server.send("GET", "/fhir/Patient?favourite=blue", &[("Prefer", "handling=lenient")], b"");
    assert_eq!(lenient.status, 200);
    let bundle = lenient.json();
    assert_eq!(bundle["entry"][0]["search"]["mode"], "outcome");
    assert!(!bundle["link"][0]["url"].as_str().expect("a link").contains("favourite"));
    let invalid =
        server.post("/fhir/Patient", &json!({"resourceType": "Patient", "gender": "unclear", "nickname": 1}));
    assert_eq!(invalid.status, 422);
    let outcome = invalid.json().to_string();
    assert!(outcome.contains("Patient.gender") && outcome.contains("Patient.nickname"), "{outcome}");
}

#[test]
fn pages_show_one_state_whatever_is_written() {
    let server = Server::start();
    let subject = created(&server.post("/fhir/Patient", &patient("Zhuo")));
    let ids: Vec<String> = (0..30)
        .map(|n| {
            created(&server.post(
                "/fhir/Observation",
                &observation(&subject, "8480-6", &format!("2026-01-{:02}", n + 1), 120.0),
            ))
        })
        .collect();
    for path in
        ["Observation?code=8480-6", "Observation", "Observation?date=ge2026", "Observation?_sort=date"]
    {
        let first = server
            .get(&format!("/fhir/{path}{}_count=10", if path.contains('?') { "&" } else { "?" }))
            .json();
        let mut seen: Vec<String> = Vec::new();
        let mut bundle = first;
        let mut round = 0;
        loop {
            for entry in bundle["entry"].as_array().expect("entries") {
                seen.push(entry["resource"]["id"].as_str().expect("an id").to_owned());
            }
            // Between the pages one is deleted, one changes its code, and one is added.
            let gone = &ids[29 - round];
            server.send("DELETE", &format!("/fhir/Observation/{gone}"), &[], b"");
            let mut other = observation(&subject, "other", "2026-01-05", 1.0);
            other["id"] = json!(ids[round]);
            server.send(
                "PUT",
                &format!("/fhir/Observation/{}", ids[round]),
                &[],
                other.to_string().as_bytes(),
            );
            server.post("/fhir/Observation", &observation(&subject, "8480-6", "2026-01-09", 2.0));
            round += 1;
            match next_link(&bundle) {
                Some(next) => bundle = server.get(&next).json(),
                None => break,
            }
        }
        let mut sorted = seen.clone();
        sorted.sort();
        sorted.dedup();
        assert_eq!(sorted.len(), seen.len(), "{path}: nothing twice");
        assert!(seen.len() >= 28, "{path}: {} of what was there at the first page", seen.len());
        // Put the thirty back for the next search.
        for (n, id) in ids.iter().enumerate() {
            let mut again = observation(&subject, "8480-6", &format!("2026-01-{:02}", n + 1), 120.0);
            again["id"] = json!(id);
            server.send("PUT", &format!("/fhir/Observation/{id}"), &[], again.to_string().as_bytes());
        }
    }
    let first = server.get("/fhir/Observation?code=8480-6&_count=5").json();
    wait(16 * 60 * 1000);
    assert_eq!(server.get(&next_link(&first).expect("a next page")).status, 410);
}

#[test]
fn a_transaction_resolves_its_references_or_leaves_nothing() {
    let server = Server::start();
    let entry = |url: &str, resource: Value, method: &str, request: &str| json!({"fullUrl": url, "resource": resource, "request": {"method": method, "url": request}});
    let hospital = json!({"resourceType": "Organization", "name": "县医院", "identifier": [{"system": "urn:org", "value": "1"}]});
    created(&server.post("/fhir/Organization", &hospital));
    let mut observation = observation("x", "8480-6", "2026-01-01", 1.0);
    observation["subject"]["reference"] = json!("urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0");
    observation["performer"] = json!([{"reference": "Organization?identifier=urn:org|1"}]);
    let bundle = json!({"resourceType": "Bundle", "type": "transaction", "entry": [
        entry("urn:uuid:1c3151bd-1cbf-4d64-b04d-cd9187a4c6e0", observation, "POST", "Observation"),
        entry("urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0", patient("Zhuo"), "POST", "Patient"),
    ]});
    let reply = server.post("/fhir", &bundle);
    assert_eq!(reply.status, 200, "{}", String::from_utf8_lossy(&reply.body));
    let found = server.get("/fhir/Observation?patient.family=Zhuo&_include=Observation:performer").json();
    assert_eq!(found["entry"][1]["resource"]["name"], "县医院");
    let mut broken = bundle.clone();
    broken["entry"][1]["resource"]["gender"] = json!("unclear");
    let refused = server.post("/fhir", &broken);
    assert_eq!(refused.status, 422);
    assert!(String::from_utf8_lossy(&refused.body).contains("entry[1]"));
    assert_eq!(server.search("Patient").len(), 1);
    let once = json!({"resourceType": "Bundle", "type": "transaction", "entry": [
        {"resource": hospital, "request": {"method": "POST", "url": "Organization", "ifNoneExist": "identifier=urn:org|1"}}]});
    assert_eq!(server.post("/fhir", &once).status, 200);
    assert_eq!(server.search("Organization").len(), 1);
    let batch = json!({"resourceType": "Bundle", "type": "batch", "entry": [
        {"request": {"method": "GET", "url": "Patient?family=Zhuo"}},
        {"request": {"method": "GET", "url": "Patient/unknown"}},
        {"resource": patient("Li"), "request": {"method": "POST", "url": "Patient"}}]});
    let answer = server.post("/fhir", &batch).json();
    assert_eq!(answer["entry"][0]["resource"]["type"], "searchset");
    assert_eq!(answer["entry"][1]["response"]["status"], "404");
    assert_eq!(answer["entry"][2]["response"]["status"], "201 Created");
}

#[test]
fn one_of_many_conditional_creates_wins() {
    let server = Server::start();
    let body =
        json!({"resourceType": "Patient", "identifier": [{"system": "urn:mrn", "value": "7"}]}).to_string();
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let sends: Vec<_> = (0..16)
            .map(|_| {
                scope.spawn(|| {
                    server
                        .send(
                            "POST",
                            "/fhir/Patient",
                            &[("If-None-Exist", "identifier=urn:mrn|7")],
                            body.as_bytes(),
                        )
                        .status
                })
            })
            .collect();
        sends.into_iter().map(|send| send.join().expect("sent")).collect()
    });
    assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 1, "{statuses:?}");
    assert!(statuses.iter().all(|status| matches!(status, 200 | 201)), "{statuses:?}");
    assert_eq!(server.search("Patient?identifier=urn:mrn|7").len(), 1);
}

#[test]
fn limits_answer_clearly_at_the_limit_and_one_past_it() {
    use tongmai_base::limits;
    let server = Server::start();
    let parameters = |count: usize| vec!["gender=male"; count].join("&");
    assert_eq!(server.get(&format!("/fhir/Patient?{}", parameters(limits::SEARCH_PARAMETERS))).status, 200);
    assert_eq!(
        server.get(&format!("/fhir/Patient?{}", parameters(limits::SEARCH_PARAMETERS + 1))).status,
        413
    );
    let values = |count: usize| vec!["x"; count].join(",");
    assert_eq!(
        server.get(&format!("/fhir/Patient?gender={}", values(limits::SEARCH_ALTERNATIVES))).status,
        200
    );
    assert_eq!(
        server.get(&format!("/fhir/Patient?gender={}", values(limits::SEARCH_ALTERNATIVES + 1))).status,
        413
    );
    let path =
        |length: usize| format!("/fhir/Patient?name={}", "x".repeat(length - "/fhir/Patient?name=".len()));
    assert_eq!(server.get(&path(limits::URL_BYTES)).status, 200);
    assert_eq!(server.get(&path(limits::URL_BYTES + 1)).status, 414);
    let entries = |count: usize| {
        let entry = json!({"request": {"method": "DELETE", "url": "Patient/x"}});
        json!({"resourceType": "Bundle", "type": "transaction", "entry": vec![entry; count]})
    };
    assert_eq!(server.post("/fhir", &entries(limits::BUNDLE_ENTRIES)).status, 200);
    assert_eq!(server.post("/fhir", &entries(limits::BUNDLE_ENTRIES + 1)).status, 413);
    let nested = |depth: usize| {
        format!("{{\"resourceType\":\"Basic\",\"x\":{}{}}}", "[".repeat(depth), "]".repeat(depth))
    };
    let too_deep = server.send("POST", "/fhir/Basic", &[], nested(limits::JSON_DEPTH + 1).as_bytes());
    assert_eq!(too_deep.status, 400);
    let large = vec![b' '; limits::BODY_BYTES + 1];
    let mut connection = std::net::TcpStream::connect(server.address).expect("a connection");
    // The answer may come before all of the body is taken.
    let refused = support::exchange(&mut connection, "POST", "/fhir/Basic", &[], &large);
    assert!(refused.map_or(true, |reply| reply.status == 413));
}

#[test]
fn an_export_holds_everything_once() {
    let server = Server::start();
    let ids: Vec<String> =
        (0..1_200).map(|n| created(&server.post("/fhir/Patient", &patient(&format!("P{n}"))))).collect();
    let begun = server.get("/fhir/$export?_type=Patient");
    assert_eq!(begun.status, 202);
    let place = begun.header("content-location");
    let place = place[place.find("/fhir").expect("a path")..].to_owned();
    let manifest = loop {
        let status = server.get(&place);
        if status.status == 200 {
            break status.json();
        }
        assert_eq!(status.status, 202);
        std::thread::sleep(std::time::Duration::from_millis(20));
    };
    assert_eq!(manifest["output"][0]["count"], 1_200);
    let url = manifest["output"][0]["url"].as_str().expect("an address");
    let file = server.get(&url[url.find("/fhir").expect("a path")..]);
    let mut exported: Vec<String> = file
        .body
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| {
            serde_json::from_slice::<Value>(line).expect("JSON")["id"].as_str().expect("an id").to_owned()
        })
        .collect();
    let mut expected = ids;
    exported.sort();
    expected.sort();
    assert_eq!(exported, expected);
}
