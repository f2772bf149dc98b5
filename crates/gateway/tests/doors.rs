//! The same visits by four doors, in any order and however often: the same record. Services are
//! answered from it, what was set aside is mended, what the store could not take waits.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use common::{Site, TODAY};
use tongmai_gateway::door::http::Call;
use tongmai_gateway::emit::{self, Visit, county, dirt, forms, insurer};
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
        "hqms" => forms::front_page(visit, true).into_iter().collect(),
        "insurance" => {
            // The sender's count of its messages follows from the number of the visit.
            let serial = visit.number.bytes().fold(0, |all, byte| (all * 31 + u32::from(byte)) % 10_000);
            forms::settlement_list(visit, &county::stamp_of(common::now()), serial).into_iter().collect()
        }
        "visits" => vec![forms::view(visit)],
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

/// Doors whose messages are forms.
const FORMS: [&str; 3] = ["hqms", "insurance", "visits"];

/// What a form does not carry, taken out of a visit; `None` for one that it does not tell of.
fn carried(door: &str, visit: &Visit) -> Option<Visit> {
    let mut visit = visit.clone();
    match door {
        // Front pages and settlement lists are of stays; the list has neither the hospital's number of the visit nor the
        // patient's own telephone number.
        "hqms" if !visit.inpatient => return None,
        "insurance" if !visit.inpatient => return None,
        "insurance" => {
            visit.number.clear();
            visit.phone.clear();
        }
        _ => {}
    }
    Some(visit)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn front_pages_lists_and_views_are_of_the_same_visits() {
    let visits = visits();
    let stays = visits.iter().filter(|visit| visit.inpatient).count();
    assert!(stays >= 3, "{stays} stays are too few");
    for door in FORMS {
        let site = Site::open();
        for message in visits.iter().flat_map(|visit| by_door(visit, door)) {
            assert_eq!(site.deliver(&message).await, Kept::Committed, "{door}");
        }
        let truth: BTreeSet<String> = visits
            .iter()
            .filter_map(|visit| carried(door, visit))
            .map(|visit| common::expected(&visit))
            .collect();
        let facts = site.facts();
        let missing: Vec<&String> = truth.difference(&facts).take(3).collect();
        let more: Vec<&String> = facts.difference(&truth).take(3).collect();
        assert!(missing.is_empty() && more.is_empty(), "{door}: missing {missing:#?}, instead {more:#?}");
    }
    // With the other doors: every visit stands once, and once with each diagnosis where the forms come last, as they do.
    let truth: BTreeSet<String> = visits.iter().map(common::expected).collect();
    let of = |doors: &[&'static str]| -> Vec<Message> {
        let doors = doors.to_vec();
        visits
            .iter()
            .flat_map(|visit| doors.iter().flat_map(|door| by_door(visit, door)).collect::<Vec<_>>())
            .collect()
    };
    for seed in [0, 1, 2] {
        let site = Site::open();
        let mut all = of(&["hl7v2", "wst500", "service", "fhir"]);
        let forms = of(&FORMS);
        if seed == 0 {
            all.extend(forms);
        } else {
            all.extend(forms);
            shuffle(&mut all, seed);
        }
        for message in &all {
            site.deliver(message).await;
        }
        let facts = site.facts();
        let missing: Vec<&String> = truth.difference(&facts).take(3).collect();
        let more: Vec<&String> = facts.difference(&truth).take(3).collect();
        assert!(
            missing.is_empty() && more.is_empty(),
            "seed {seed}: missing {missing:#?}, instead {more:#?}"
        );
        assert_eq!(site.count("Encounter", &[]), visits.len(), "seed {seed}");
        if seed == 0 {
            let told = visits.iter().map(|visit| {
                let codes: BTreeSet<&str> = visit.diagnoses.iter().map(|(code, _)| code.as_str()).collect();
                codes.len()
            });
            assert_eq!(site.count("Condition", &[]), told.sum::<usize>());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_front_page_without_the_number_finds_its_stay() {
    let visit = visits().into_iter().find(|visit| visit.inpatient).expect("a stay");
    let page = ("hqms", forms::front_page(&visit, false).expect("a page").into_bytes());
    let messages = by_door(&visit, "hl7v2");
    for page_first in [false, true] {
        let site = Site::open();
        let mut all = messages.clone();
        all.insert(if page_first { 0 } else { all.len() }, page.clone());
        for message in &all {
            assert_eq!(site.deliver(message).await, Kept::Committed);
        }
        assert_eq!(site.facts(), BTreeSet::from([common::expected(&visit)]), "page first: {page_first}");
        assert_eq!(site.count("Encounter", &[]), 1, "page first: {page_first}");
        assert_eq!(site.count("Patient", &[]), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_insurers_door_answers_after_the_commit_and_names_what_is_wrong() {
    let site = Site::open();
    let region = County::new(3, 10, TODAY);
    let time = county::stamp_of(common::now());
    let call = |body: String| {
        let site = &site;
        async move {
            let call = Call { method: "POST", path: "insurance", query: "", body: body.as_bytes() };
            let reply = site.doors.answer(&call).await;
            (reply.status, String::from_utf8(reply.body).expect("UTF-8"))
        }
    };
    let good = insurer::coverage(&region, &time, false).expect("a message");
    site.fail(true);
    let (status, answer) = call(good.clone()).await;
    assert!(status == 503 && answer.contains("\"infcode\":\"-1\""), "{answer}");
    site.fail(false);
    let (status, answer) = call(good.clone()).await;
    assert!(status == 200 && answer.contains("\"infcode\":\"0\""), "{answer}");
    assert_eq!((site.count("Coverage", &[]), site.count("Patient", &[])), (1, 1));
    // No answer came: the sender sends it again, and it is there once.
    let (_, answer) = call(good.clone()).await;
    assert!(answer.contains("\"infcode\":\"0\""), "{answer}");
    assert_eq!(site.count("DocumentReference", &[]), 1);
    for (body, code) in [
        (insurer::coverage(&region, &time, true).expect("a message"), "signature-wrong"),
        (good.replace(&insurer::code("QH99010106"), "H99999999999"), "key-unknown"),
        (insurer::coverage(&region, "20200101000000", false).expect("a message"), "message-time"),
        (good.replace("\"cainfo\"", "\"other\""), "signature-missing"),
        ("{".to_owned(), "json"),
    ] {
        let (status, answer) = call(body).await;
        assert_eq!(status, 200);
        assert!(answer.contains("\"infcode\":\"-1\"") && answer.contains(code), "{code}: {answer}");
    }
    assert_eq!(site.count("Coverage", &[]), 1, "nothing of what was refused is taken in");
    let sealed = site.doors.set_aside(&site.doors.pipeline().sight(), 10).expect("a search");
    let aside = site.release(sealed).await;
    assert_eq!(aside.len(), 5, "and its original is kept");
    // No replay gets around a signature.
    let forged = aside.iter().find(|original| original.fault.contains("SM2")).expect("the forged one");
    let receipt = site.doors.replay(forged, &forged.bytes).await.expect("replayed");
    assert_eq!(receipt.kept, Kept::SetAside);
    assert_eq!(site.count("Coverage", &[]), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_rows_of_a_sheet_are_messages_of_their_own() {
    let site = Site::open();
    let stays: Vec<Visit> = visits().into_iter().filter(|visit| visit.inpatient).take(3).collect();
    let mut sheet = String::new();
    for visit in &stays {
        let page =
            forms::front_page(&Visit { diagnoses: visit.diagnoses[..1].to_vec(), ..visit.clone() }, true);
        let page = page.expect("a page");
        let (head, row) = page.split_once('\n').expect("two lines");
        if sheet.is_empty() {
            sheet = format!("{head}\n");
        }
        sheet.push_str(row);
    }
    let body = encoding_rs::GBK.encode(&sheet).0.into_owned();
    let reply = site.doors.answer(&Call { method: "POST", path: "hqms", query: "", body: &body }).await;
    let text = String::from_utf8(reply.body).expect("UTF-8");
    assert_eq!(reply.status, 201, "{text}");
    assert_eq!(text.matches("committed: ").count(), stays.len(), "{text}");
    assert_eq!(site.count("Encounter", &[]), stays.len());
    assert_eq!(site.count("DocumentReference", &[]), stays.len());
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

/// Many senders at once, several of them with messages of one visit: nobody is told to wait.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_senders_at_once_do_not_stand_in_each_others_way() {
    let site = Arc::new(Site::open());
    let visits = visits();
    let work: Vec<_> = visits
        .iter()
        .flat_map(|visit| by_door(visit, "hl7v2").into_iter().chain(by_door(visit, "fhir")))
        .map(|message| {
            let site = site.clone();
            tokio::spawn(async move { site.deliver(&message).await })
        })
        .collect();
    for work in work {
        assert_eq!(work.await.expect("delivered"), Kept::Committed);
    }
    assert_eq!(site.facts(), visits.iter().map(common::expected).collect());
    assert_eq!(site.count("Encounter", &[]), visits.len());
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
