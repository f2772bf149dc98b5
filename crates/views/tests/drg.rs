//! Discharges of the synthetic county: grouped as they arrive, again on late data and a new pack.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tongmai_access::{Policy, Requester, Sight};
use tongmai_drg::demo;
use tongmai_engine::bundle::Ids;
use tongmai_engine::views::{Kept, View, run};
use tongmai_engine::{Engine, Surroundings, Validation};
use tongmai_region::County;
use tongmai_region::fhir::Counts;
use tongmai_region::person::Class;
use tongmai_store::memory::MemoryStore;
use tongmai_views::drg::{Desk, Discharges, Held, Shelf};

/// 2026-11-21T09:00 in China.
fn now() -> i64 {
    1_795_222_800_000
}

const TODAY: i64 = 20_778;

fn random() -> [u8; 16] {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let mut bytes = [0; 16];
    let next = NEXT.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    bytes[..8].copy_from_slice(&next.to_be_bytes());
    bytes
}

fn sight(requester: &Requester) -> Sight {
    Policy::Open.sight(requester)
}

fn empty() -> Arc<Engine> {
    let store = Arc::new(MemoryStore::new([7; 32]));
    Arc::new(Engine::start(store, Surroundings { now, random }, Validation::Reject).expect("an engine"))
}

async fn load(engine: &Engine, bundle: &str) {
    let requester = Requester::installation("test", "HSYSADMIN");
    let done = engine.process_counting(&sight(&requester), bundle.as_bytes(), Ids::Of("test")).await;
    for result in done.expect("the bundle is taken") {
        if let tongmai_engine::bundle::EntryResult::Failed(failure) = result {
            panic!("{failure}");
        }
    }
}

/// A county in a store, and how many stays it had that are over.
async fn county(people: usize) -> (Arc<Engine>, usize) {
    let engine = empty();
    let county = County::new(1, people, TODAY);
    let (mut counts, mut bundle, mut stays) = (Counts::default(), String::new(), 0);
    county.write_directory_bundle(&mut bundle, &mut counts);
    load(&engine, &bundle).await;
    for person in county.everyone() {
        bundle.clear();
        county.write_bundle(&person, &mut bundle, &mut counts);
        load(&engine, &bundle).await;
        stays +=
            person.visits.iter().filter(|v| v.class == Class::Inpatient && v.end <= county.now()).count();
    }
    (engine, stays)
}

fn group_of(desk: &Desk, engine: &Engine, encounter: &str) -> String {
    desk.look(engine, |grouping, _| grouping.stays[encounter].group.clone()).expect("a look")
}

async fn write_all(desk: &Desk, engine: &Engine) -> usize {
    let mut all = 0;
    loop {
        match desk.write(engine, &sight(&Desk::writer())).await.expect("results are written") {
            0 => return all,
            some => all += some,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_stay_of_the_county_is_grouped_and_written_once() {
    let (engine, stays) = county(400).await;
    let desk = Desk::default();
    let (all, grouped, failed) = desk
        .look(&engine, |grouping, _| {
            let failed: Vec<String> = grouping
                .stays
                .values()
                .filter(|g| !g.is_grouped())
                .map(|g| format!("{} {:?} {:?}", g.group, g.outcome.reason, g.stay.diagnoses.first()))
                .collect();
            (grouping.stays.len(), grouping.stays.len() - failed.len(), failed)
        })
        .expect("a look");
    assert_eq!(all, stays);
    assert!(stays > 40, "{stays}");
    assert!(grouped * 100 >= all * 97, "{grouped} of {all}: {failed:#?}");
    assert_eq!(write_all(&desk, &engine).await, all);
    // What is written comes back through the feed and is known: nothing is written twice.
    assert_eq!(write_all(&desk, &engine).await, 0);
    assert_eq!(write_all(&Desk::default(), &engine).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_fold_is_the_same_in_steps_at_once_and_from_its_checkpoint() {
    let engine = empty();
    let county = County::new(3, 60, TODAY);
    let (mut counts, mut bundle) = (Counts::default(), String::new());
    county.write_directory_bundle(&mut bundle, &mut counts);
    load(&engine, &bundle).await;
    let mut kept = Kept::<Discharges>::open(&engine, None).expect("a view");
    for person in county.everyone() {
        bundle.clear();
        county.write_bundle(&person, &mut bundle, &mut counts);
        load(&engine, &bundle).await;
        run(&engine, &mut kept, &mut |_, _, _| {}).expect("a run");
    }
    let mut whole = Kept::<Discharges>::open(&engine, None).expect("a view");
    run(&engine, &mut whole, &mut |_, _, _| {}).expect("a run");
    assert_eq!(kept.view().canonical(), whole.view().canonical());
    let mut bytes = Vec::new();
    whole.view().write(&mut bytes);
    let mut reader = tongmai_engine::views::bytes::Reader::new(&bytes);
    let read = Discharges::read(&[7; 32], &mut reader).expect("what was written is read");
    assert_eq!(read.canonical(), whole.view().canonical());
}

/// One stay, written by hand.
fn stay(status: &str, end: &str) -> String {
    format!(
        r#"{{"resourceType":"Bundle","type":"transaction","entry":[
        {{"fullUrl":"urn:uuid:00000000-0000-4000-8000-000000000001","resource":{{"resourceType":"Patient","identifier":[{{"system":"urn:x","value":"p"}}],"name":[{{"text":"李四"}}],"gender":"male","birthDate":"1955-03-04"}},"request":{{"method":"PUT","url":"Patient?identifier=urn:x|p"}}}},
        {{"fullUrl":"urn:uuid:00000000-0000-4000-8000-000000000002","resource":{{"resourceType":"Encounter","identifier":[{{"system":"urn:x","value":"e"}}],"status":"{status}","class":{{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"IMP"}},"subject":{{"reference":"urn:uuid:00000000-0000-4000-8000-000000000001"}},"period":{{"start":"2026-05-01T08:00:00+08:00"{end}}},"hospitalization":{{"dischargeDisposition":{{"coding":[{{"code":"home"}}]}}}}}},"request":{{"method":"PUT","url":"Encounter?identifier=urn:x|e"}}}},
        {{"resource":{{"resourceType":"Condition","identifier":[{{"system":"urn:x","value":"c1"}}],"subject":{{"reference":"urn:uuid:00000000-0000-4000-8000-000000000001"}},"encounter":{{"reference":"urn:uuid:00000000-0000-4000-8000-000000000002"}},"code":{{"coding":[{{"system":"http://hl7.org/fhir/sid/icd-10","code":"I50.9"}}],"text":"心力衰竭"}}}},"request":{{"method":"PUT","url":"Condition?identifier=urn:x|c1"}}}}]}}"#
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn late_data_and_a_new_pack_make_further_versions() {
    let engine = empty();
    let desk = Desk::default();
    load(&engine, &stay("in-progress", "")).await;
    let waiting = desk.look(&engine, |grouping, _| grouping.stays.len()).expect("a look");
    assert_eq!(waiting, 0, "nobody is grouped before discharge");
    load(&engine, &stay("finished", r#","end":"2026-05-08T10:00:00+08:00""#)).await;
    let encounter = desk.look(&engine, |grouping, _| grouping.stays.keys().next().cloned()).expect("a look");
    let encounter = encounter.expect("the discharge is grouped");
    assert_eq!(group_of(&desk, &engine, &encounter), "FR25");
    assert_eq!(write_all(&desk, &engine).await, 1);
    // A complication comes late.
    let patient =
        desk.look(&engine, |grouping, _| grouping.stays[&encounter].stay.patient.clone()).expect("a look");
    let late = format!(
        r#"{{"resourceType":"Bundle","type":"transaction","entry":[{{"resource":{{"resourceType":"Condition","identifier":[{{"system":"urn:x","value":"c2"}}],"subject":{{"reference":"Patient/{patient}"}},"encounter":{{"reference":"Encounter/{encounter}"}},"code":{{"coding":[{{"system":"http://hl7.org/fhir/sid/icd-10","code":"N17.9"}}],"text":"急性肾衰竭"}}}},"request":{{"method":"POST","url":"Condition"}}}}]}}"#
    );
    let requester = Requester::installation("test", "HSYSADMIN");
    engine
        .process_counting(&sight(&requester), late.as_bytes(), Ids::Fresh)
        .await
        .expect("late data is taken");
    assert_eq!(group_of(&desk, &engine, &encounter), "FR21");
    assert_eq!(write_all(&desk, &engine).await, 1);
    // Another pack comes: acute kidney failure weighs nothing in it.
    let (mut pack, weights) = demo::county_2026();
    pack.severity.retain(|(code, ..)| code != "N17.9");
    let mut shelf = Shelf::default();
    shelf.put(Held::new(pack, weights));
    desk.change_shelf(shelf);
    assert_eq!(group_of(&desk, &engine, &encounter), "FR25");
    assert_eq!(write_all(&desk, &engine).await, 1);
    // Three results: three versions of one resource.
    let kind = tongmai_fhir::definition::resource_type_id("ExplanationOfBenefit").expect("a type");
    let query = engine.query(&[kind], None, &[], false).expect("a query");
    let found = engine.search(&sight(&requester), &query, None).expect("a search");
    assert_eq!(found.positions().len(), 1);
    let folder = std::env::temp_dir().join(format!("tongmai-drg-{}", std::process::id()));
    let access = tongmai_access::Access::open(Policy::Open, &folder, now).expect("a log");
    let page = tokio::task::block_in_place(|| access.release_blocking(&requester, found)).expect("released");
    assert_eq!(page.matches[0].version, 3);
    let text = String::from_utf8_lossy(&page.matches[0].text).into_owned();
    assert!(
        text.contains("urn:tongmai:drg-pack:qinghe_2026") && text.contains("\"code\":\"FR25\""),
        "{text}"
    );
    let _ = std::fs::remove_dir_all(folder);
}
