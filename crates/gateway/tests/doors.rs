//! The same visits by four doors, in any order and however often: the same record. Services are
//! answered from it, what was set aside is mended, what the store could not take waits.

mod common;

use std::collections::{BTreeMap, BTreeSet};

use common::{Site, TODAY};
use tongmai_gateway::door::http::Call;
use tongmai_gateway::emit::{self, Visit, county, dirt};
use tongmai_gateway::pipeline::original::State;
use tongmai_gateway::pipeline::{Kept, number};
use tongmai_region::County;
use tongmai_testkit::Random;

/// Visits of the everyday run; `TONGMAI_VISITS=1000` for the full one.
fn wanted() -> usize {
    std::env::var("TONGMAI_VISITS").ok().and_then(|text| text.parse().ok()).unwrap_or(60)
}

/// Visits that are over, at most two of a person, of several providers.
fn visits() -> Vec<Visit> {
    let county = County::new(3, wanted() * 2, TODAY);
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut all = Vec::new();
    for visit in county::visits(&county) {
        let of_person = seen.entry(format!("{}{}", visit.citizen, visit.name())).or_default();
        *of_person += 1;
        let is_fit = !visit.end.is_empty() && !visit.citizen.is_empty() && !visit.diagnoses.is_empty();
        if *of_person <= 2 && is_fit {
            all.push(visit);
        }
    }
    all.truncate(wanted());
    assert_eq!(all.len(), wanted());
    all
}

type Message = (&'static str, Vec<u8>);

fn by_door(visit: &Visit, door: &'static str) -> Vec<Message> {
    let texts = match door {
        "hl7v2" => emit::hl7v2(visit),
        "wst500" => vec![emit::wst500(visit)],
        "service" => emit::services(visit),
        _ => vec![emit::fhir(visit)],
    };
    texts.into_iter().map(|text| (door, text.into_bytes())).collect()
}

fn shuffle(messages: &mut [Message], seed: u64) {
    let mut random = Random(seed);
    for at in (1..messages.len()).rev() {
        messages.swap(at, random.below(at + 1));
    }
}

const DOORS: [&str; 4] = ["hl7v2", "wst500", "service", "fhir"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_visits_by_four_doors_are_the_same_record() {
    let visits = visits();
    let mut facts: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for door in DOORS {
        let site = Site::open();
        for message in visits.iter().flat_map(|visit| by_door(visit, door)) {
            site.deliver(&message).await;
        }
        facts.insert(door, site.facts());
    }
    let truth: BTreeSet<String> = visits.iter().map(common::expected).collect();
    let record = |visit: &emit::Visit| (visit.organization.clone(), visit.citizen.clone());
    let stayed: BTreeSet<_> = visits.iter().filter(|visit| visit.inpatient).map(record).collect();
    for (door, facts) in &facts {
        // The services of outpatient visits have no field for a diagnosis, and the schema of the discharge, which is
        // that of the admission, none for its end.
        let carried = visits.iter().cloned().map(|mut visit| {
            if *door == "service" && !visit.inpatient {
                visit.diagnoses.clear();
            }
            if *door == "service" && visit.inpatient {
                visit.end.clear();
            }
            // The outpatient document has neither the hour of the visit nor a telephone number; the person's number
            // comes with the document of a stay.
            if *door == "wst500" && !visit.inpatient {
                visit.start.clear();
                if !stayed.contains(&record(&visit)) {
                    visit.phone.clear();
                }
            }
            common::expected(&visit)
        });
        let truth: BTreeSet<String> = carried.collect();
        let missing: Vec<&String> = truth.difference(facts).take(3).collect();
        let more: Vec<&String> = facts.difference(&truth).take(3).collect();
        assert!(missing.is_empty() && more.is_empty(), "{door}: missing {missing:#?}, instead {more:#?}");
    }
    // All doors together, in shuffled order and with repetitions: the same facts, and the same resources
    // byte for byte, whatever the order was.
    let mut seen: BTreeSet<Vec<String>> = BTreeSet::new();
    for seed in [1, 2] {
        let site = Site::open();
        let mut all: Vec<Message> =
            visits.iter().flat_map(|visit| DOORS.into_iter().flat_map(|door| by_door(visit, door))).collect();
        let again: Vec<Message> = all.iter().step_by(3).cloned().collect();
        all.extend(again);
        shuffle(&mut all, seed);
        for message in &all {
            site.deliver(message).await;
        }
        assert_eq!(site.facts(), truth, "seed {seed}");
        assert_eq!(site.count("Encounter", &[]), visits.len(), "seed {seed}");
        seen.insert(site.things());
    }
    if seen.len() != 1 {
        let all: Vec<_> = seen.iter().collect();
        let differ = all[0].iter().zip(all[1].iter()).find(|(a, b)| a != b);
        panic!("the order of the messages is seen in the record: {differ:#?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn services_are_answered_from_the_ledger() {
    let site = Site::open();
    let visit = visits().into_iter().find(|visit| visit.inpatient).unwrap_or_else(|| {
        let mut visit = visits().remove(0);
        visit.inpatient = true;
        visit
    });
    let document = emit::wst500(&visit);
    for message in by_door(&visit, "service") {
        site.deliver(&message).await;
    }
    site.deliver(&("wst500", document.clone().into_bytes())).await;
    let ask = |root: &str, parameters: &str| {
        format!(
            "<{root} xmlns=\"urn:hl7-org:v3\"><id extension=\"q1\"/><creationTime value=\"20260101000000\"/>\
             <interactionId extension=\"{root}\"/><sender><device><id><item extension=\"HIS\"/></id></device></sender>\
             <controlActProcess><queryByParameter><queryId extension=\"7\"/>{parameters}</queryByParameter>\
             </controlActProcess></{root}>"
        )
    };
    let patient = format!(
        "<parameterList><livingSubjectId><value><item root=\"2.16.156.10011.1.3\" extension=\"{}\"/></value></livingSubjectId></parameterList>",
        visit.citizen
    );
    let answer = site.serve(&ask("PRPA_IN201305UV02", &patient)).await;
    assert!(
        answer.contains("typeCode=\"AA\"") && answer.contains("queryResponseCode code=\"OK\""),
        "{answer}"
    );
    assert!(answer.contains(&visit.name()) && answer.contains(&visit.patient), "{answer}");
    let care = format!(
        "<careEventID><value><item root=\"2.16.156.10011.1.12\" extension=\"{}\"/></value></careEventID><patientId/><responsibleOrganization/><typeOfEncounter/><encounterTimeframe/>",
        visit.number
    );
    let answer = site.serve(&ask("PRPA_IN900300UV", &care)).await;
    assert!(
        answer.contains("code=\"OK\"")
            && answer.contains(&visit.start)
            && answer.contains(&visit.diagnoses[0].0),
        "{answer}"
    );
    let retrieve = format!(
        "<clinicalDocument.code/><clinicalDocument.id><value extension=\"{}\"/></clinicalDocument.id><patient.id/>",
        document_id(&document)
    );
    let answer = site.serve(&ask("RCMR_IN000031UV01", &retrieve)).await;
    let packed = data_encoding::BASE64.encode(document.as_bytes());
    assert!(answer.contains(&packed), "{answer}");
    // Nobody of that number.
    let nobody = patient.replace(&visit.citizen, "990123190001010000");
    let answer = site.serve(&ask("PRPA_IN201305UV02", &nobody)).await;
    assert!(answer.contains("typeCode=\"AE\"") && answer.contains("code=\"NF\""), "{answer}");
}

fn document_id(document: &str) -> String {
    let after = document.split("<id ").nth(1).expect("an id");
    let value = after.split("extension=\"").nth(1).expect("an extension");
    value.split('"').next().expect("a value").to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_corrected_result_takes_the_place_of_the_first_in_any_order() {
    let result = |id: &str, time: &str, status: &str, value: &str| {
        format!(
            "MSH|^~\\&|LIS|H1|T|R|{time}||ORU^R01|{id}|P|2.4\rPID|1||P1^^^H1^MR||王^芳\rPV1|1|O|||||||||||||||||V1^^^H1\r\
             OBR|1||F77|718-7^血红蛋白^LN|||{time}\rOBX|1|NM|718-7^血红蛋白^LN||{value}|g/L|||||{status}\r"
        )
    };
    let (first, second) =
        (result("1", "20260101080000", "F", "121"), result("1", "20260101090000", "C", "112"));
    for order in [[&first, &second], [&second, &first]] {
        let site = Site::open();
        for message in order {
            assert_eq!(site.deliver(&("hl7v2", message.clone().into_bytes())).await, Kept::Committed);
        }
        assert_eq!(site.count("Observation", &[]), 1);
        let found = site.texts("Observation").remove(0);
        assert!(found.contains("112") && !found.contains("121"), "{found}");
        assert_eq!(site.count("Encounter", &[]), 1);
        assert_eq!(site.count("DocumentReference", &[]), 2);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_document_with_dashes_is_understood_with_its_findings() {
    let county = County::new(1, 10, TODAY);
    let visit = county::clinic_visit(&county).expect("a visit");
    let document = dirt::placeholders(&emit::wst500(&visit), 3);
    let site = Site::open();
    let format = site.doors.format("wst500").expect("a door");
    let receipt = site.doors.receive(format, document.as_bytes()).await;
    assert_eq!(receipt.kept, Kept::Committed);
    let dashes = receipt.findings.iter().filter(|finding| finding.code == "placeholder").count();
    assert_eq!(dashes, 3, "{:#?}", receipt.findings);
    let sealed = site.doors.message(&site.doors.pipeline().sight(), &receipt.number).expect("a search");
    let original = site.release(sealed).await.expect("the original");
    assert_eq!(original.bytes, document.as_bytes());
    assert_eq!(original.state, State::Understood);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_set_aside_is_repaired_and_replayed() {
    let site = Site::open();
    let broken = b"MSH|^~\\&HIS no separators".to_vec();
    assert_eq!(site.deliver(&("hl7v2", broken.clone())).await, Kept::SetAside);
    let sealed = site.doors.set_aside(&site.doors.pipeline().sight(), 10).expect("a search");
    let waiting = site.release(sealed).await;
    assert_eq!(waiting.len(), 1);
    assert_eq!(waiting[0].number, number(&broken));
    assert!(!waiting[0].fault.is_empty());
    // As it is it is set aside again, and stands there once.
    let receipt = site.doors.replay(&waiting[0], &broken).await.expect("replayed");
    assert_eq!(receipt.kept, Kept::SetAside);
    assert_eq!(site.count("DocumentReference", &[]), 1);
    let repaired = "MSH|^~\\&|HIS|H1|T|R|20260101||ADT^A01|1|P|2.4\rPID|1||P1^^^H1^MR||王^芳\r";
    let receipt = site.doors.replay(&waiting[0], repaired.as_bytes()).await.expect("replayed");
    assert_eq!(receipt.kept, Kept::Committed);
    let sealed = site.doors.set_aside(&site.doors.pipeline().sight(), 10).expect("a search");
    assert!(site.release(sealed).await.is_empty());
    assert_eq!(site.count("Patient", &[]), 1);
    let sealed = site.doors.message(&site.doors.pipeline().sight(), &number(&broken)).expect("a search");
    let original = site.release(sealed).await.expect("still there");
    assert_eq!((original.state, original.bytes), (State::Mended, broken));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_store_cannot_take_waits_and_is_taken_in_once() {
    let site = Site::open();
    let visit = visits().remove(0);
    let message = emit::hl7v2(&visit).remove(0).into_bytes();
    site.fail(true);
    assert_eq!(site.deliver(&("hl7v2", message.clone())).await, Kept::NotNow);
    assert_eq!(site.doors.queue().waiting().len(), 1);
    assert_eq!(site.count("Patient", &[]), 0);
    site.pass(2_000);
    assert!(site.doors.work_on_one().await.expect("a queue"), "it is tried, in vain");
    assert_eq!(site.doors.queue().waiting()[0].tries, 1);
    site.fail(false);
    site.pass(60_000);
    assert!(site.doors.work_on_one().await.expect("a queue"));
    assert_eq!(site.doors.queue().waiting().len(), 0);
    assert_eq!(site.doors.queue().size(), 0);
    // The sender, who was told to wait, sends it again.
    assert_eq!(site.deliver(&("hl7v2", message)).await, Kept::Before);
    assert_eq!((site.count("Patient", &[]), site.count("DocumentReference", &[])), (1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn doors_answer_over_http() {
    let site = Site::open();
    let visit = visits().remove(0);
    let call = |path: &'static str, body: Vec<u8>| (path, body);
    for ((path, body), status, words) in [
        (call("wst500", emit::wst500(&visit).into_bytes()), 201, "committed"),
        (call("wst500", emit::wst500(&visit).into_bytes()), 200, "committed before"),
        (call("wst500", b"<a/>".to_vec()), 422, "set aside"),
        (call("hl7v2", emit::hl7v2(&visit).remove(0).into_bytes()), 201, "MSA|AA|"),
        (call("service", emit::services(&visit).remove(0).into_bytes()), 200, "typeCode=\"AA\""),
        (call("fhir", emit::fhir(&visit).into_bytes()), 201, "committed"),
        (call("nothing", Vec::new()), 404, "there is no door"),
    ] {
        let reply = site.doors.answer(&Call { method: "POST", path, query: "", body: &body }).await;
        let text = String::from_utf8(reply.body).expect("UTF-8");
        assert_eq!(reply.status, status, "{path}: {text}");
        assert!(text.contains(words), "{path}: {text}");
        if status == 201 {
            assert!(reply.headers.iter().any(|(name, _)| *name == "tongmai-message"));
        }
    }
    let reply = site.doors.answer(&Call { method: "GET", path: "wst500", query: "", body: b"" }).await;
    assert_eq!(reply.status, 405);
    let channels = site.doors.channels().all();
    assert!(channels.iter().any(|(door, _, channel)| door == "wst500" && channel.committed == 1));
}
