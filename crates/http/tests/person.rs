//! Person matching as a client meets it: `$match`, persons, rulings, replay.

mod support;

use serde_json::{Value, json};
use support::{Server, wait};
use tongmai_access::{Policy, Requester};
use tongmai_engine::bundle::Ids;
use tongmai_region::County;
use tongmai_region::fhir::Counts;

const CITIZEN: &str = "urn:oid:2.16.156.10011.1.3";

fn patient(name: &str, birth: &str, number: &str, phone: &str) -> Value {
    let mut patient = json!({"resourceType": "Patient", "name": [{"text": name}], "birthDate": birth});
    if !number.is_empty() {
        patient["identifier"] = json!([{"system": CITIZEN, "value": number}]);
    }
    if !phone.is_empty() {
        patient["telecom"] = json!([{"system": "phone", "value": phone}]);
    }
    patient
}

fn id(reply: &support::Reply) -> String {
    assert_eq!(reply.status, 201, "{}", String::from_utf8_lossy(&reply.body));
    reply.json()["id"].as_str().expect("an id").to_owned()
}

fn question(patient: &Value, more: &[Value]) -> Value {
    let mut parameters = vec![json!({"name": "resource", "resource": patient})];
    parameters.extend_from_slice(more);
    json!({"resourceType": "Parameters", "parameter": parameters})
}

fn grade(entry: &Value) -> &str {
    let extensions = entry["search"]["extension"].as_array().expect("extensions");
    let grade = extensions.iter().find(|e| e["url"] == "http://hl7.org/fhir/StructureDefinition/match-grade");
    grade.expect("a grade")["valueCode"].as_str().expect("a code")
}

/// The ids of the records of a patient's person, sorted.
fn together(server: &Server, id: &str) -> Vec<String> {
    let reply = server.get(&format!("/fhir/Patient/{id}/$person"));
    assert_eq!(reply.status, 200, "{}", String::from_utf8_lossy(&reply.body));
    let person = reply.json();
    let links = person["link"].as_array().expect("links").iter();
    let mut ids: Vec<String> = links
        .map(|link| {
            link["target"]["reference"].as_str().expect("a reference").rsplit('/').next().expect("id").into()
        })
        .collect();
    ids.sort();
    ids
}

fn sorted(ids: &[&String]) -> Vec<String> {
    let mut ids: Vec<String> = ids.iter().map(|id| (*id).clone()).collect();
    ids.sort();
    ids
}

fn ruling(code: &str, ids: &[&String], undone: Option<&str>) -> Value {
    let targets: Vec<Value> = ids.iter().map(|id| json!({"reference": format!("Patient/{id}")})).collect();
    let mut provenance = json!({"resourceType": "Provenance", "target": targets, "recorded": "2026-11-22T04:00:00Z",
        "reason": [{"text": "looked at both cards"}], "agent": [{"who": {"display": "李"}}],
        "activity": {"coding": [{"system": "urn:tongmai:person-ruling", "code": code}]}});
    if let Some(undone) = undone {
        provenance["entity"] =
            json!([{"role": "source", "what": {"reference": format!("Provenance/{undone}")}}]);
    }
    provenance
}

/// What is folded in one go equals what was folded step by step.
fn replays(server: &Server) {
    let before = server.engine.persons_canonical().expect("a state");
    server.engine.forget_persons();
    assert_eq!(server.engine.persons_canonical().expect("a state"), before);
}

#[test]
fn a_match_is_graded_and_explained() {
    let server = Server::start();
    let zhuoma =
        id(&server
            .post("/fhir/Patient", &patient("卓玛", "1961-03-08", "990123196103086764", "12900000001")));
    id(&server.post("/fhir/Patient", &patient("王芳", "1996-05-12", "990123199605125026", "12900000002")));
    // A homophone and the number of 15 digits.
    let asked = patient("卓马", "1961-03-08", "990123610308676", "");
    let reply = server.post("/fhir/Patient/$match", &question(&asked, &[]));
    assert_eq!(reply.status, 200, "{}", String::from_utf8_lossy(&reply.body));
    let bundle = reply.json();
    assert_eq!((&bundle["type"], &bundle["total"]), (&json!("searchset"), &json!(1)));
    let entry = &bundle["entry"][0];
    assert_eq!(entry["resource"]["id"], json!(zhuoma));
    assert_eq!(grade(entry), "certain");
    assert!(entry["search"]["score"].as_f64().expect("a score") > 0.9999);
    let fields = entry["search"]["extension"][1]["extension"].as_array().expect("a waterfall");
    let bits =
        |field: &str| fields.iter().find(|f| f["url"] == field).and_then(|f| f["valueDecimal"].as_f64());
    assert!(bits("prior").expect("a prior") < 0.0 && bits("identity-number").expect("bits") > 20.0);
    // A name and a birth date alone are for a person to judge; certain matches only leave them out.
    let weak = patient("卓玛", "1961-03-08", "", "");
    let bundle = server.post("/fhir/Patient/$match", &question(&weak, &[])).json();
    assert!(matches!(grade(&bundle["entry"][0]), "probable" | "possible"), "{bundle}");
    let certain = [
        json!({"name": "onlyCertainMatches", "valueBoolean": true}),
        json!({"name": "count", "valueInteger": 1}),
    ];
    let bundle = server.post("/fhir/Patient/$match", &question(&weak, &certain)).json();
    assert_eq!((bundle.get("entry"), &bundle["total"]), (None, &json!(0)));
    let statement = server.get("/fhir/metadata").json().to_string();
    assert!(statement.contains("OperationDefinition/Patient-match"));
}

#[test]
fn bad_questions_are_refused_by_name() {
    let server = Server::start();
    let good = patient("卓玛", "1961-03-08", "", "");
    let limit = tongmai_base::limits::MATCH_CANDIDATES;
    for (body, status, part) in [
        (json!({"resourceType": "Parameters"}), 400, "there is no Patient"),
        (json!({"resourceType": "Observation"}), 400, "where a Patient belongs"),
        (json!([]), 400, "resourceType is missing"),
        (question(&json!({"resourceType": "Patient"}), &[]), 400, "nothing in this Patient"),
        (question(&good, &[json!({"name": "count", "valueInteger": 0})]), 400, "count"),
        (question(&good, &[json!({"name": "count", "valueInteger": limit + 1})]), 400, "from 1 to"),
        (question(&good, &[json!({"name": "count", "valueInteger": limit})]), 200, "Bundle"),
        (question(&good, &[json!({"name": "onlyCertainMatches", "valueString": "yes"})]), 400, "boolean"),
        (question(&good, &[json!({"name": "best"})]), 400, "no parameter 'best'"),
        (question(&json!({"resourceType": "Patient", "birthDate": "1961-13-08"}), &[]), 422, "birthDate"),
    ] {
        let reply = server.post("/fhir/Patient/$match", &body);
        let text = String::from_utf8_lossy(&reply.body);
        assert_eq!(reply.status, status, "{body}: {text}");
        assert!(text.contains(part), "{body}: {text}");
    }
    assert_eq!(server.send("POST", "/fhir/Patient/$match", &[], b"{\"a\":").status, 400);
    assert_eq!(server.get("/fhir/Patient/$match").status, 405);
    assert_eq!(server.get("/fhir/Patient/nobody/$person").status, 404);
}

#[test]
fn rulings_are_kept_undone_and_replayed() {
    let server = Server::start();
    let number = "110105194912310038";
    let a = id(&server.post("/fhir/Patient", &patient("于颖娜", "1949-12-31", number, "13800000001")));
    let b = id(&server.post("/fhir/Patient", &patient("于颖娜", "1949-12-31", number, "")));
    let c = id(&server.post("/fhir/Patient", &patient("王刚", "1961-11-28", "", "12912345678")));
    assert_eq!(together(&server, &a), sorted(&[&a, &b]));
    let before = server.get(&format!("/fhir/Patient/{a}/$person")).json();
    assert_eq!(before["telecom"][0]["value"], "13800000001");
    wait(1000);
    let split = id(&server.post("/fhir/Provenance", &ruling("apart", &[&b], None)));
    assert_eq!((together(&server, &a), together(&server, &b)), (sorted(&[&a]), sorted(&[&b])));
    assert!(server.get(&format!("/fhir/Patient/{b}/$person")).json().get("telecom").is_none());
    // The hospital sends the record again: what a person parted stays parted.
    let mut again = server.get(&format!("/fhir/Patient/{b}")).json();
    again["active"] = json!(true);
    let sent = server.send("PUT", &format!("/fhir/Patient/{b}"), &[], again.to_string().as_bytes());
    assert_eq!(sent.status, 200);
    assert_eq!(together(&server, &b), sorted(&[&b]));
    replays(&server);
    id(&server.post("/fhir/Provenance", &ruling("undo", &[&b], Some(&split))));
    assert_eq!(together(&server, &b), sorted(&[&a, &b]));
    let after = server.get(&format!("/fhir/Patient/{a}/$person")).json();
    assert_eq!((&after["link"], &after["telecom"]), (&before["link"], &before["telecom"]));
    // Nothing speaks for it: it takes a second person who says the same.
    id(&server.post("/fhir/Provenance", &ruling("same", &[&a, &c], None)));
    assert_eq!(together(&server, &c), sorted(&[&c]));
    let mut second = ruling("same", &[&a, &c], None);
    second["agent"] = json!([{"who": {"display": "赵"}}]);
    let merged = id(&server.post("/fhir/Provenance", &second));
    assert_eq!(together(&server, &c), sorted(&[&a, &b, &c]));
    id(&server.post("/fhir/Provenance", &ruling("undo", &[&a], Some(&merged))));
    assert_eq!(together(&server, &c), sorted(&[&c]));
    replays(&server);
    // What is deleted is no longer found, and a replay knows no more than that.
    assert_eq!(server.send("DELETE", &format!("/fhir/Patient/{b}"), &[], b"").status, 204);
    assert_eq!(together(&server, &a), sorted(&[&a]));
    replays(&server);
    let report = server.engine.verify(&mut |_, _| {}).expect("verified");
    assert_eq!(report.faults, [""; 0]);
}

fn parameters(list: &[(&str, Value)]) -> Value {
    let list: Vec<Value> = list
        .iter()
        .map(|(name, value)| match value {
            Value::Bool(_) => json!({"name": name, "valueBoolean": value}),
            Value::Object(_) => json!({"name": name, "valueIdentifier": value}),
            _ => json!({"name": name, "valueReference": {"reference": value}}),
        })
        .collect();
    json!({"resourceType": "Parameters", "parameter": list})
}

#[test]
fn a_merge_marks_both_records_and_can_be_taken_back() {
    let server = Server::start();
    let a = id(&server.post("/fhir/Patient", &patient("王伟", "1961-11-28", "990123196111280012", "")));
    let b = id(&server.post("/fhir/Patient", &patient("王伟", "1961-11-28", "", "12912345678")));
    assert_eq!(together(&server, &a), sorted(&[&a]));
    let (source, target) = (json!(format!("Patient/{b}")), json!(format!("Patient/{a}")));
    let both = [("source-patient", source.clone()), ("target-patient", target.clone())];
    let preview = server
        .post("/fhir/Patient/$merge", &parameters(&[both.as_slice(), &[("preview", json!(true))]].concat()));
    assert_eq!(preview.status, 200, "{}", String::from_utf8_lossy(&preview.body));
    let result = &preview.json()["parameter"][2]["resource"];
    assert_eq!(result["link"][0]["other"]["reference"], json!(format!("Patient/{b}")));
    assert_eq!(together(&server, &a), sorted(&[&a]));
    let waits = preview.json()["parameter"][1]["resource"]["issue"].to_string().contains("second person");
    assert!(!waits);
    let merged = server.post("/fhir/Patient/$merge", &parameters(&both));
    assert_eq!(merged.status, 200, "{}", String::from_utf8_lossy(&merged.body));
    assert_eq!(together(&server, &a), sorted(&[&a, &b]));
    let replaced = server.get(&format!("/fhir/Patient/{b}")).json();
    assert_eq!((&replaced["active"], &replaced["link"][0]["type"]), (&json!(false), &json!("replaced-by")));
    assert_eq!(replaced["telecom"][0]["value"], "12912345678");
    let person = server.get(&format!("/fhir/Patient/{a}/$person")).json();
    let own = person["id"].as_str().expect("an id");
    assert_eq!(server.get(&format!("/fhir/Person/{own}")).json(), person);
    assert_eq!(server.get("/fhir/Person/tongmai-999999").status, 404);
    // Again: they are one already. And bad questions are refused by name.
    assert_eq!(server.post("/fhir/Patient/$merge", &parameters(&both)).status, 409);
    for (list, part) in [
        (vec![("source-patient", source.clone())], "target-patient"),
        (vec![("source-patient", source.clone()), ("target-patient", source.clone())], "one record"),
        (vec![("source-patient", json!("Group/7")), ("target-patient", target.clone())], "source-patient"),
        (
            vec![
                ("source-patient-identifier", json!({"system": CITIZEN, "value": "0"})),
                ("target-patient", target),
            ],
            "no Patient has",
        ),
    ] {
        let reply = server.post("/fhir/Patient/$merge", &parameters(&list));
        let text = String::from_utf8_lossy(&reply.body);
        assert!(reply.status == 400 && text.contains(part), "{part}: {} {text}", reply.status);
    }
    let ruling_of = merged.json()["parameter"].to_string();
    let at = ruling_of.find("Provenance/").expect("a ruling") + "Provenance/".len();
    let made: String = ruling_of[at..].chars().take_while(|c| *c != '"').collect();
    id(&server.post("/fhir/Provenance", &ruling("undo", &[&a], Some(&made))));
    assert_eq!(together(&server, &a), sorted(&[&a]));
    replays(&server);
}

#[test]
fn numbers_of_a_person_are_cross_referenced() {
    let server = Server::start();
    let number = "110105194912310038";
    let with = |system: &str, own: &str| {
        let mut patient = patient("于颖娜", "1949-12-31", number, "");
        let more = json!({"system": system, "value": own, "type": {"coding": [{"code": "MR"}]}});
        patient["identifier"].as_array_mut().expect("identifiers").push(more);
        patient
    };
    let a = id(&server.post("/fhir/Patient", &with("urn:hospital", "17")));
    let b = id(&server.post("/fhir/Patient", &with("urn:clinic", "A|3")));
    let ask = |query: &str| server.get(&format!("/fhir/Patient/$ihe-pix?{query}"));
    let reply = ask("sourceIdentifier=urn:hospital%7C17");
    assert_eq!(reply.status, 200, "{}", String::from_utf8_lossy(&reply.body));
    let found = reply.json();
    let values: Vec<&str> = found["parameter"]
        .as_array()
        .expect("parameters")
        .iter()
        .filter_map(|p| p["valueIdentifier"]["value"].as_str())
        .collect();
    assert!(values.contains(&number) && values.contains(&"A|3") && !values.contains(&"17"), "{found}");
    let patients = found.to_string();
    assert!(patients.contains(&format!("Patient/{a}")) && patients.contains(&format!("Patient/{b}")));
    let narrow = ask("sourceIdentifier=urn:hospital%7C17&targetSystem=urn:clinic").json().to_string();
    assert!(narrow.contains("A|3") && !narrow.contains(number), "{narrow}");
    for (query, status) in [
        ("", 400),
        ("sourceIdentifier=17", 400),
        ("sourceIdentifier=urn:hospital%7C18", 404),
        ("sourceIdentifier=urn:nobody%7C17", 400),
        ("sourceIdentifier=urn:hospital%7C17&targetSystem=urn:nobody", 403),
        ("sourceIdentifier=urn:hospital%7C17&who=me", 400),
    ] {
        assert_eq!(ask(query).status, status, "{query}");
    }
    assert_eq!(server.post("/fhir/Patient/$ihe-pix", &json!({})).status, 405);
    // PDQm asks a search of Patient, by any of these.
    for query in
        ["family=于&given=颖娜", "identifier=urn:clinic%7CA%5C%7C3", "birthdate=1949-12-31", "name=于颖娜"]
    {
        let query = query.replace('于', "%E4%BA%8E").replace("颖娜", "%E9%A2%96%E5%A8%9C");
        assert!(server.get(&format!("/fhir/Patient?{query}")).status == 200, "{query}");
    }
    let statement = server.get("/fhir/metadata").json().to_string();
    assert!(statement.contains("Patient-merge") && statement.contains("IHE.PIXm.pix"));
}

#[test]
fn a_restart_goes_on_from_the_checkpoint_and_other_rules_weigh_anew() {
    use tongmai_identity::rules::{Rules, STANDARD};
    let server = Server::start();
    let folder = server.folder.path().join("views");
    server.engine.keep_persons(Some(folder.clone()), Rules::standard());
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let mut entries = Vec::new();
    for (at, record) in tongmai_identity::generate::Generator::new(4).take(5_200).enumerate() {
        let [name, _, birth, number, _, phone, ..] = &record.fields;
        let mut patient = patient(name, birth, number, phone);
        patient["id"] = json!(format!("p{at}"));
        entries.push(
            json!({"resource": patient, "request": {"method": "PUT", "url": format!("Patient/p{at}")}}),
        );
    }
    for chunk in entries.chunks(400) {
        let bundle = json!({"resourceType": "Bundle", "type": "batch", "entry": chunk}).to_string();
        let done = runtime.block_on(server.engine.process(
            &Policy::Open.sight(&Requester::local()),
            bundle.as_bytes(),
            Ids::Fresh,
        ));
        assert!(done.is_ok());
    }
    let before = server.engine.persons_canonical().expect("a state");
    let file = folder.join("persons.checkpoint");
    let bytes = std::fs::read(&file).expect("a checkpoint");
    println!("{} bytes for {} records", bytes.len(), entries.len());
    // From the checkpoint, from a torn one, and from the beginning: the same persons.
    replays(&server);
    std::fs::write(&file, &bytes[..bytes.len() / 2]).expect("written");
    replays(&server);
    // A lower bar links more, by nothing but the ledger; the old rules give the old persons again.
    let lower = STANDARD.replace("automatic = 0.9999", "automatic = 0.6");
    server.engine.keep_persons(Some(folder.clone()), Rules::read(&lower).expect("rules"));
    let more = server.engine.persons_canonical().expect("a state");
    assert_ne!(more, before);
    server.engine.keep_persons(Some(folder), Rules::standard());
    assert_eq!(server.engine.persons_canonical().expect("a state"), before);
}

/// What the automatic links of a county are worth against its truth.
struct Measured {
    linked: usize,
    truly: usize,
    wanted: usize,
    waiting: usize,
    twins_together: usize,
}

fn measure(people: usize) -> Measured {
    let server = Server::start();
    let county = County::new(1, people, 20_779);
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let (mut text, mut counts) = (String::new(), Counts::default());
    let send = |text: &str| {
        let done = runtime.block_on(server.engine.process(
            &Policy::Open.sight(&Requester::local()),
            text.as_bytes(),
            Ids::Fresh,
        ));
        assert!(done.is_ok(), "{:?}", done.err());
    };
    for person in county.everyone() {
        text.clear();
        county.write_bundle(&person, &mut text, &mut counts);
        // The patients alone, under their own ids: nothing else speaks of who is who.
        let mut bundle: Value = serde_json::from_str(&text).expect("JSON");
        let entries = bundle["entry"].as_array_mut().expect("entries");
        entries.retain(|entry| entry["resource"]["resourceType"] == "Patient");
        for entry in entries {
            let own =
                entry["fullUrl"].as_str().expect("an address").trim_start_matches("urn:uuid:").to_owned();
            entry["request"] = json!({"method": "PUT", "url": format!("Patient/{own}")});
            entry["resource"]["id"] = json!(own);
            entry["resource"].as_object_mut().expect("an object").remove("managingOrganization");
        }
        send(&bundle.to_string());
    }
    let truth = county.truth();
    let mut ids = Vec::new();
    for record in &truth.records {
        ids.push((uuid(record.id), record.person));
    }
    let persons: std::collections::HashMap<&String, u64> =
        ids.iter().map(|(id, person)| (id, *person)).collect();
    let twins: std::collections::HashSet<(u64, u64)> =
        truth.lookalikes.iter().filter(|l| l.why == "twins").map(|l| (l.first, l.second)).collect();
    let mut sizes = std::collections::HashMap::new();
    ids.iter().for_each(|(_, person)| *sizes.entry(person).or_insert(0usize) += 1);
    let wanted = sizes.values().map(|n| n * (n - 1) / 2).sum();
    let (mut linked, mut truly, mut twins_together) = (0, 0, 0);
    for (id, person) in &ids {
        for other in together(&server, id).iter().filter(|other| *other > id) {
            let theirs = persons[other];
            linked += 1;
            truly += usize::from(theirs == *person);
            let pair = ((*person).min(theirs), (*person).max(theirs));
            twins_together += usize::from(twins.contains(&pair));
        }
    }
    replays(&server);
    let queue = server.engine.review_queue(&Policy::Open.sight(&Requester::local()), 0).expect("a queue");
    let access_free = queue.map(|queue| queue.waiting);
    let folder = tempfile::tempdir().expect("a folder");
    let access =
        tongmai_access::Access::open(tongmai_access::Policy::Open, folder.path(), || 0).expect("a log");
    let waiting = *access.release_blocking(&Requester::local(), access_free).expect("released");
    Measured { linked, truly, wanted, waiting, twins_together }
}

fn uuid(id: u128) -> String {
    let hex = format!("{id:032x}");
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

fn show(people: usize) -> Measured {
    let found = measure(people);
    let share = |part: usize, whole: usize| part as f64 / whole.max(1) as f64;
    println!(
        "{people} people: {} pairs linked, {} truly (precision {:.4}), {} wanted (recall {:.4}), {} wait, twins {}",
        found.linked,
        found.truly,
        share(found.truly, found.linked),
        found.wanted,
        share(found.truly, found.wanted),
        found.waiting,
        found.twins_together
    );
    found
}

#[test]
fn the_county_is_linked_without_harm() {
    let found = show(300);
    assert_eq!(found.twins_together, 0);
    assert_eq!(found.linked, found.truly, "somebody was linked with somebody else");
    assert!(found.truly * 100 >= found.wanted * 80, "{} of {}", found.truly, found.wanted);
}

#[test]
#[ignore = "a minute: cargo test --release -p tongmai-http --test person -- --ignored --nocapture"]
fn a_larger_county_is_measured() {
    let found = show(5_000);
    assert_eq!(found.twins_together, 0);
}
