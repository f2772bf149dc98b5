//! Surveillance over a ledger in memory: from what a hospital writes to cards, signals, counts and answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use tongmai_access::{Access, Policy, Requester};
use tongmai_engine::bundle::Ids;
use tongmai_engine::views::View;
use tongmai_engine::views::bytes::Reader;
use tongmai_engine::{Engine, Surroundings, Validation};
use tongmai_store::Store;
use tongmai_store::memory::MemoryStore;
use tongmai_surveillance::case::{CardState, Phase, Step};
use tongmai_surveillance::signal::SignalStep;

use tongmai_views::surveillance::{
    Card, Cases, Decision, Items, NewContact, Rules, Signal, Stratum, Surveillance, UNEXPLAINED,
    predictive_value, reconcile, rules,
};

/// 2026-11-21T09:00 in China.
const NOW: i64 = 1_795_222_800_000;
static CLOCK: AtomicI64 = AtomicI64::new(NOW);

fn random() -> [u8; 16] {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    u128::from(NEXT.fetch_add(1, Ordering::Relaxed)).wrapping_mul(0x9E37_79B9_7F4A_7C15).to_le_bytes()
}

struct Region {
    store: Arc<MemoryStore>,
    engine: Arc<Engine>,
    surveillance: Arc<Surveillance>,
    _folder: tempfile::TempDir,
}

impl Region {
    fn new() -> Region {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Arc::new(MemoryStore::new([7; 32]));
        let surroundings = Surroundings { now: || CLOCK.load(Ordering::Relaxed), random };
        let engine = Engine::start(store.clone(), surroundings, Validation::Reject).expect("an engine");
        let engine = Arc::new(engine);
        let access = Access::open(Policy::Open, folder.path(), || NOW).expect("a log of reads");
        let surveillance = Arc::new(Surveillance::new(engine.clone(), Arc::new(access), None));
        Region { store, engine, surveillance, _folder: folder }
    }

    async fn put(&self, resources: &[serde_json::Value]) {
        let entries: Vec<_> = resources
            .iter()
            .map(|it| {
                let url = format!("{}/{}", it["resourceType"].as_str().unwrap(), it["id"].as_str().unwrap());
                serde_json::json!({"resource": it, "request": {"method": "PUT", "url": url}})
            })
            .collect();
        let bundle = serde_json::json!({"resourceType": "Bundle", "type": "transaction", "entry": entries});
        let local = Requester::local();
        self.engine
            .process_counting(&Policy::Open.sight(&local), bundle.to_string().as_bytes(), Ids::Fresh)
            .await
            .expect("taken");
        self.surveillance.catch_up().await.expect("caught up");
    }

    fn cards(&self) -> Vec<Card> {
        self.surveillance.look(|cases| cases.cards().cloned().collect()).expect("a view")
    }

    fn signals(&self) -> Vec<Signal> {
        self.surveillance.look(|cases| cases.signals().cloned().collect()).expect("a view")
    }
}

fn patient(id: &str, name: &str, town: &str) -> serde_json::Value {
    serde_json::json!({
        "resourceType": "Patient", "id": id, "name": [{"text": name}], "gender": "female", "birthDate": "1990-05-01",
        "address": [{"city": "清禾县", "district": town, "text": format!("清禾县{town}1号")}],
    })
}

fn condition(id: &str, patient: &str, code: &str, when: &str, status: &str) -> serde_json::Value {
    serde_json::json!({
        "resourceType": "Condition", "id": id, "subject": {"reference": format!("Patient/{patient}")},
        "code": {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10", "code": code}]}, "recordedDate": when,
        "clinicalStatus": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/condition-clinical", "code": "active"}]},
        "verificationStatus": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/condition-ver-status", "code": status}]},
    })
}

fn toxin(id: &str, patient: &str, value: &str) -> serde_json::Value {
    serde_json::json!({
        "resourceType": "Observation", "id": id, "status": "final", "subject": {"reference": format!("Patient/{patient}")},
        "code": {"text": "霍乱毒素基因(ctxAB)核酸检测"}, "valueString": value, "issued": "2026-11-21T08:59:00+08:00",
    })
}

fn by(who: &str, why: &str, items: &[(&str, &str)]) -> Decision {
    let items = items.iter().map(|(code, text)| ((*code).to_owned(), (*text).to_owned())).collect();
    Decision { who: who.into(), why: why.into(), items }
}

#[tokio::test]
async fn from_a_result_to_a_card_and_an_alarm_and_back() {
    let region = Region::new();
    region.put(&[patient("p1", "赵敏", "河口镇"), toxin("o1", "p1", "阳性")]).await;
    let cards = region.cards();
    assert_eq!(cards.len(), 1);
    let card = &cards[0];
    assert_eq!(
        (card.disease.as_str(), card.classification.as_str(), card.hours),
        ("cholera", "confirmed", 2)
    );
    assert_eq!((card.item("name"), card.item("town")), ("赵敏", "河口镇"));
    assert_eq!(card.evidence, ["Observation/o1"]);
    assert_eq!(card.clock().phase(NOW, card.written), Phase::Running);
    let signals = region.signals();
    assert_eq!(signals.len(), 1);
    assert_eq!((signals[0].item("level"), signals[0].clock().hours), ("red", 2));
    assert_eq!(signals[0].evidence, [format!("Task/{}", card.id)]);
    // Nothing is written twice.
    assert_eq!(region.surveillance.catch_up().await.expect("caught up"), 0);
    // The hospital reviews, the national system rejects, accepts, and the case is corrected.
    let (local, id) = (Requester::local(), card.id.as_str());
    let step = async |step, decision: Decision| region.surveillance.step(&local, id, step, &decision).await;
    assert!(step(Step::Accept, by("x", "", &[("national-number", "1")])).await.is_err(), "not sent yet");
    step(Step::Submit, by("防保科 刘", "", &[("phone", "13900000000")])).await.expect("sent");
    assert!(step(Step::Reject, by("直报", "", &[])).await.is_err(), "a rejection has a reason");
    let card = step(Step::Reject, by("直报", "地址不详", &[])).await.expect("sent back");
    assert_eq!((card.state(), card.answers["rejection"].as_str()), (CardState::Rejected, "地址不详"));
    step(Step::Submit, by("刘", "", &[("address", "河口镇1号")])).await.expect("sent again");
    assert!(step(Step::Accept, by("直报", "", &[])).await.is_err(), "an accepted card has a number");
    step(Step::Accept, by("直报", "", &[("national-number", "99012026-7")])).await.expect("accepted");
    let card =
        step(Step::Correct, by("李", "复核", &[("classification", "carrier")])).await.expect("corrected");
    assert_eq!((card.classification.as_str(), card.item("kind")), ("carrier", "correction"));
    let card = step(Step::Withdraw, by("李", "实验室污染", &[])).await.expect("withdrawn");
    assert_eq!(card.notes.len(), 6);
    // What was withdrawn is not drafted again.
    assert_eq!(region.surveillance.catch_up().await.expect("caught up"), 0);
    assert_eq!(region.cards().len(), 1);
    // The signal is answered step by step, and the answer teaches the rule.
    let signal = region.signals().remove(0);
    let answer = async |step, items: &[(&str, &str)]| {
        region.surveillance.answer(&local, &signal.id, step, &by("疾控 王", "现场", items)).await
    };
    assert!(answer(SignalStep::Confirm, &[("reason", "outbreak")]).await.is_err());
    answer(SignalStep::Suspect, &[]).await.expect("suspected");
    assert!(answer(SignalStep::Exclude, &[]).await.is_err(), "a final answer has a reason");
    answer(SignalStep::Exclude, &[("reason", "data-error")]).await.expect("excluded");
    let value = region.surveillance.look(|cases| predictive_value(cases, "single-case", "cholera", "清禾县"));
    assert!(value.expect("a view") < 0.4);
}

#[tokio::test]
async fn one_illness_is_one_card() {
    let region = Region::new();
    region
        .put(&[
            patient("p2", "钱芳", "河口镇"),
            condition("c1", "p2", "A09.9", "2026-11-20T10:00:00+08:00", "confirmed"),
        ])
        .await;
    assert_eq!(region.cards()[0].disease, "diarrhoea");
    // The named one makes the unnamed superfluous; a second diagnosis within the episode is no second card.
    region.put(&[condition("c2", "p2", "A03.9", "2026-11-20T11:00:00+08:00", "confirmed")]).await;
    region.put(&[condition("c3", "p2", "A03.9", "2026-11-21T08:00:00+08:00", "confirmed")]).await;
    let mut diseases: Vec<String> = region.cards().iter().map(|card| card.disease.clone()).collect();
    diseases.sort();
    assert_eq!(diseases, ["diarrhoea", "dysentery"]);
    let counted = region.surveillance.look(|cases| cases.cases_of("p2").len()).expect("a view");
    assert_eq!(counted, 1, "one case is counted");
    // A diagnosis that is taken back is no case.
    region.put(&[condition("c2", "p2", "A03.9", "2026-11-20T11:00:00+08:00", "entered-in-error")]).await;
    region.put(&[condition("c3", "p2", "A03.9", "2026-11-21T08:00:00+08:00", "refuted")]).await;
    let left = region.surveillance.look(|cases| cases.cases_of("p2")[0].disease.clone()).expect("a view");
    assert_eq!(left, "diarrhoea");
}

#[tokio::test]
async fn findings_of_several_visits_are_evidence_of_one_card() {
    let region = Region::new();
    let at = |id: &str, when: &str| {
        let mut condition = condition(id, "p2", "A03.9", when, "confirmed");
        condition["encounter"] = serde_json::json!({"reference": format!("Encounter/v-{id}")});
        condition
    };
    let (first, second) = (at("c1", "2026-11-20T10:00:00+08:00"), at("c2", "2026-11-21T08:00:00+08:00"));
    region.put(&[patient("p2", "钱芳", "河口镇"), first, second]).await;
    assert_eq!(region.cards()[0].evidence, ["Condition/c1", "Condition/c2"]);
    let encounter = region.surveillance.look(|cases| cases.cases_of("p2")[0].encounter.clone());
    assert_eq!(encounter.expect("a view"), "Encounter/v-c1");
}

#[tokio::test]
async fn history_is_searched_and_not_drafted() {
    let region = Region::new();
    region
        .put(&[
            patient("p3", "孙丽", "河口镇"),
            condition("c4", "p3", "B05.9", "2025-03-01T10:00:00+08:00", "confirmed"),
        ])
        .await;
    assert_eq!(region.cards(), []);
    let missed = region.surveillance.look(|cases| cases.missed().count()).expect("a view");
    assert_eq!(missed, 1);
    assert_eq!(
        region.surveillance.report_missed(&Requester::local(), "p3", "measles").await.expect("drafted"),
        1
    );
    assert_eq!(region.cards()[0].start, NOW, "the clock of a missed report begins when it is found");
}

#[tokio::test]
async fn suspicions_without_a_code_and_reports_by_hand() {
    let region = Region::new();
    region.put(&[patient("p4", "李雷", "河口镇")]).await;
    let local = Requester::local();
    let suspect = async |disease: &str, why: &str| {
        region.surveillance.suspect(&local, "p4", disease, &by("村医 罗", why, &[])).await
    };
    assert!(suspect("nonsense", "x").await.is_err());
    assert!(suspect("measles", " ").await.is_err());
    let card = suspect(UNEXPLAINED, "三人同时高热出疹，原因不明").await.expect("a card");
    assert_eq!((card.hours, card.disease.as_str()), (2, UNEXPLAINED));
    assert_eq!(region.signals().len(), 1, "the unexplained is an alarm");
    let report = by("学校", "初一三班12人呕吐", &[("county", "清禾县"), ("observed", "12")]);
    region.surveillance.report_outbreak(&local, "diarrhoea", &report).await.expect("a signal");
    assert_eq!(region.signals().len(), 2);
}

#[tokio::test]
async fn look_alikes_wait_side_by_side() {
    let region = Region::new();
    let when = "2026-11-20T10:00:00+08:00";
    region
        .put(&[
            patient("a", "周静", "河口镇"),
            patient("b", "周静", "芦滩乡"),
            condition("ca", "a", "B05.9", when, "confirmed"),
            condition("cb", "b", "B05.9", when, "confirmed"),
        ])
        .await;
    let cards = region.cards();
    let pairs = region
        .surveillance
        .look(|cases| {
            let pairs = cases.possible_duplicates(10);
            pairs.iter().map(|(left, right)| (left.id.clone(), right.id.clone())).collect::<Vec<_>>()
        })
        .expect("a view");
    if cards.len() == 1 {
        // The matcher is sure: the second record stands on the first card.
        assert_eq!(cards[0].patients.len(), 2);
        assert_eq!(pairs, []);
        return;
    }
    assert_eq!(pairs.len(), 1);
    let (left, right) = &pairs[0];
    region
        .surveillance
        .not_duplicate(&Requester::local(), left, right, &by("疾控 王", "两人", &[]))
        .await
        .expect("noted");
    assert!(region.surveillance.look(|cases| cases.possible_duplicates(10).is_empty()).expect("a view"));
}

#[tokio::test]
async fn contacts_come_in_lists_and_become_cases() {
    let region = Region::new();
    region
        .put(&[patient("p5", "吴用", "河口镇"), patient("p6", "郑和", "河口镇"), toxin("o5", "p5", "检出")])
        .await;
    let card = region.cards().remove(0);
    let contact = |name: &str| NewContact {
        card: card.id.clone(),
        items: by("", "", &[("name", name), ("site", "农贸市场"), ("met-on", "2026-11-19")]).items,
    };
    let contacts: Vec<NewContact> = (0..250).map(|at| contact(&format!("接触者{at}"))).collect();
    let local = Requester::local();
    for _ in 0..2 {
        assert_eq!(region.surveillance.add_contacts(&local, &contacts).await.expect("entered"), 250);
    }
    let count = || region.surveillance.look(|cases| cases.contacts_of(&card.id).count()).expect("a view");
    assert_eq!(count(), 250, "a list that is sent again changes nothing");
    region.put(&[toxin("o6", "p6", "阳性")]).await;
    let other = region.cards().into_iter().find(|other| other.id != card.id).expect("a second card");
    let id =
        region.surveillance.look(|cases| cases.contacts().next().expect("one").id.clone()).expect("a view");
    let became = by("疾控 王", "检出", &[]);
    let bad = region.surveillance.follow_up(&local, &id, "became-case", "nothing", &became).await;
    assert!(bad.is_err());
    let contact =
        region.surveillance.follow_up(&local, &id, "became-case", &other.id, &became).await.expect("noted");
    assert_eq!((contact.became.as_str(), contact.state.as_str()), (other.id.as_str(), "became-case"));
}

#[tokio::test]
async fn the_view_is_the_same_however_it_was_reached() {
    let region = Region::new();
    let when = "2026-11-20T10:00:00+08:00";
    for number in 0..6 {
        let id = format!("v{number}");
        region
            .put(&[
                patient(&id, &format!("病人{number}"), if number % 2 == 0 { "河口镇" } else { "芦滩乡" }),
                condition(
                    &format!("vc{number}"),
                    &id,
                    ["A38", "B26.9", "A00.9"][number % 3],
                    when,
                    "confirmed",
                ),
            ])
            .await;
    }
    region.put(&[condition("vc1", "v1", "B26.9", when, "refuted")]).await;
    let mut snapshot = region.store.snapshot().expect("a snapshot");
    let events = snapshot.feed(0, 10_000).expect("events");
    let secret = region.store.secret();
    let mut whole = Cases::new(&secret);
    for (index, event) in events.iter().enumerate() {
        if index % 5 == 2 {
            let mut bytes = Vec::new();
            whole.write(&mut bytes);
            let mut reader = Reader::new(&bytes);
            let mut again = Cases::read(&secret, &mut reader).expect("what was written reads");
            assert!(reader.is_at_end());
            assert_eq!(again.canonical(), whole.canonical());
            events[index..].iter().for_each(|event| again.apply(event));
            let mut rest = whole.clone();
            events[index..].iter().for_each(|event| rest.apply(event));
            assert_eq!(again.canonical(), rest.canonical());
        }
        whole.apply(event);
    }
    assert_eq!(region.surveillance.look(View::canonical).expect("a view"), whole.canonical());
    let strata = whole.strata("scarlet-fever").count();
    assert_eq!(strata, 6, "the county, its age group, its sex, both, and two townships");
}

#[tokio::test]
async fn a_new_rule_finds_what_was_missed() {
    let region = Region::new();
    region
        .put(&[patient("r", "冯程", "河口镇"), condition("rc", "r", "L50.9", "2026-11-20", "confirmed")])
        .await;
    assert_eq!(region.cards(), []);
    let pack = format!(
        "{}\nurticaria,荨麻疹,Urticaria,C,2020-01-01,,24,0,L50,,,荨麻疹,,X\n",
        tongmai_surveillance::notifiable::SHIPPED.trim_end()
    );
    let (rules, findings) = Rules::parse(&pack, tongmai_surveillance::rules::SHIPPED);
    assert_eq!(findings, []);
    assert_ne!(rules.version, Rules::shipped().version, "a checkpoint of other rules is none");
    let mut cases = Cases::under(Arc::new(rules), &region.store.secret());
    let mut snapshot = region.store.snapshot().expect("a snapshot");
    snapshot.feed(0, 10_000).expect("events").iter().for_each(|event| cases.apply(event));
    assert_eq!(cases.missed().map(|case| case.disease.as_str()).collect::<Vec<_>>(), ["urticaria"]);
}

#[test]
fn reconciliation_names_what_differs() {
    use reconcile::{Difference, compare, read};
    let card = |id: &str, state: &str, number: &str| {
        let mut answers = Items::new();
        if !number.is_empty() {
            answers.insert("national-number".into(), number.into());
        }
        Card {
            id: id.into(),
            version: 1,
            patients: vec![],
            encounter: String::new(),
            provider: String::new(),
            disease: "measles".into(),
            classification: "clinical".into(),
            state: state.into(),
            start: 0,
            hours: 24,
            created: 0,
            written: 0,
            items: Items::new(),
            evidence: vec![],
            answers,
            notes: vec![],
            position: 0,
        }
    };
    let cards = [
        card("a", "accepted", "1"),
        card("b", "accepted", "2"),
        card("c", "submitted", ""),
        card("d", "draft", ""),
        card("e", "submitted", ""),
    ];
    let (rows, findings) =
        read("\u{feff}state,number,card\naccepted,1,\nprovince,2,\nrejected,5,c\naccepted,9,\nx,8,\n");
    assert_eq!((rows.len(), findings.len()), (4, 1));
    let differences = compare(cards.iter(), &rows);
    let state = |card: &str, here: &str, there: &str| Difference::State {
        card: card.into(),
        here: here.into(),
        there: there.into(),
    };
    assert_eq!(
        differences[..3],
        [
            state("b", "accepted", "province"),
            state("c", "submitted", "rejected"),
            Difference::MissingThere("e".into()),
        ]
    );
    assert!(matches!(&differences[3], Difference::MissingHere(row) if row.number == "9"));
    assert!(read("a,b\n").1[0].code == "missing-column");
}

#[tokio::test]
async fn the_national_list_is_taken_over_and_written_down() {
    let region = Region::new();
    region.put(&[patient("n1", "田一", "河口镇"), toxin("no1", "n1", "阳性")]).await;
    region.put(&[patient("n2", "田二", "河口镇"), toxin("no2", "n2", "阳性")]).await;
    let local = Requester::local();
    let ids: Vec<String> = region.cards().iter().map(|card| card.id.clone()).collect();
    for id in &ids {
        region.surveillance.step(&local, id, Step::Submit, &by("刘", "", &[])).await.expect("sent");
    }
    let list = format!(
        "number,card,state,reason\n7,{},prefecture,\n8,{},rejected,地址不详\n9,,accepted,\n",
        ids[0], ids[1]
    );
    let (rows, findings) = reconcile::read(&list);
    assert_eq!(findings, []);
    assert!(region.surveillance.reconcile(&local, &rows, " ").await.is_err(), "somebody reconciles");
    let done = region.surveillance.reconcile(&local, &rows, "疾控 王").await.expect("reconciled");
    assert_eq!((done.applied, done.differences.len()), (2, 1));
    let card = |id: &str| region.cards().into_iter().find(|card| card.id == id).expect("a card");
    assert_eq!(
        (card(&ids[0]).state.as_str(), card(&ids[0]).answers["national-number"].as_str()),
        ("prefecture", "7")
    );
    assert_eq!(
        (card(&ids[1]).state.as_str(), card(&ids[1]).answers["rejection"].as_str()),
        ("rejected", "地址不详")
    );
    // The same list again changes nothing.
    let again = region.surveillance.reconcile(&local, &rows, "疾控 王").await.expect("reconciled");
    assert_eq!((again.applied, again.differences), (0, done.differences));
    let last = region.surveillance.look(|cases| cases.last_reconciliation().cloned()).expect("a view");
    assert_eq!(last.map(|last| (last.number("rows"), last.number("differences"))), Some((3, 1)));
}

#[tokio::test]
async fn a_visit_counts_once_for_each_syndrome() {
    let region = Region::new();
    let visit = |id: &str, words: &str| {
        serde_json::json!({
            "resourceType": "Encounter", "id": id, "status": "finished", "subject": {"reference": "Patient/s1"},
            "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"},
            "period": {"start": "2026-11-20T08:00:00+08:00"}, "reasonCode": [{"text": words}],
        })
    };
    let mut flu = condition("sc", "s1", "J11.1", "2026-11-20T09:00:00+08:00", "confirmed");
    flu["encounter"] = serde_json::json!({"reference": "Encounter/s"});
    region.put(&[patient("s1", "周一", "河口镇"), visit("s", "发热、咳嗽2天，腹泻3次"), flu]).await;
    let counted = |syndrome: &str, stratum: &Stratum| {
        let name = rules::counted_as(syndrome);
        region
            .surveillance
            .look(|cases| cases.counts(&name, stratum).map_or(0, |it| it.total()))
            .expect("a view")
    };
    let county = Stratum::county("清禾县");
    assert_eq!(
        (counted("ili", &county), counted("diarrhoea", &county), counted("rash-fever", &county)),
        (1, 1, 0)
    );
    let women = Stratum { age: 5, sex: "f".into(), ..county.clone() };
    assert_eq!(counted("ili", &women), 1);
    // The complaint is corrected, the diagnosis taken back: what it was counted for goes.
    region.put(&[visit("s", "腹泻3次，无发热")]).await;
    assert_eq!((counted("ili", &county), counted("diarrhoea", &county)), (1, 1));
    region.put(&[condition("sc", "s1", "J11.1", "2026-11-20T09:00:00+08:00", "refuted")]).await;
    assert_eq!((counted("ili", &county), counted("diarrhoea", &county)), (0, 1));
}

/// The five failures of eCRNow that its users reported (issues 427, 745, 747, 776 and 1050).
#[tokio::test]
async fn failures_of_others_do_not_happen_here() {
    let region = Region::new();
    let visit = |id: &str, patient: &str, reason: Option<&str>| {
        let mut visit = serde_json::json!({
            "resourceType": "Encounter", "id": id, "status": "finished", "subject": {"reference": format!("Patient/{patient}")},
            "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"},
            "period": {"start": "2026-11-21T08:00:00+08:00", "end": "2026-11-21T08:20:00+08:00"},
        });
        if let Some(code) = reason {
            let coding = serde_json::json!([{"system": "http://hl7.org/fhir/sid/icd-10", "code": code}]);
            visit["reasonCode"] = serde_json::json!([{"coding": coding}]);
        }
        visit
    };
    let in_visit = |id: &str, patient: &str, code: &str, visit: &str| {
        let mut condition = condition(id, patient, code, "2026-11-21T08:10:00+08:00", "confirmed");
        condition["encounter"] = serde_json::json!({"reference": format!("Encounter/{visit}")});
        condition
    };
    region
        .put(&[
            patient("e1", "甲一", "河口镇"),
            patient("e2", "乙二", "河口镇"),
            patient("e3", "丙三", "河口镇"),
            visit("v1", "e1", None),
            visit("v2", "e1", None),
            // 427 and 1050: a finished ambulatory visit with cholera, and its card is of that visit.
            in_visit("x1", "e1", "A00.0", "v2"),
            in_visit("x2", "e1", "I10", "v1"),
            // 745: both codes of one visit are kept.
            in_visit("x3", "e1", "B05.9", "v2"),
            // 747: the reason of a visit counts.
            visit("v3", "e2", Some("A38")),
            // 776: without a trigger there is no report.
            visit("v4", "e3", Some("J06.9")),
            in_visit("x4", "e3", "I10", "v4"),
        ])
        .await;
    let mut cards: Vec<(String, String)> =
        region.cards().into_iter().map(|card| (card.disease, card.encounter)).collect();
    cards.sort();
    let expected =
        [("cholera", "Encounter/v2"), ("measles", "Encounter/v2"), ("scarlet-fever", "Encounter/v3")];
    assert_eq!(cards, expected.map(|(disease, visit)| (disease.to_owned(), visit.to_owned())));
}
