//! Nothing is shown that is not in the log of reads: a recorder on the socket looks for marks that stand in the
//! records of single people, over fuzzed requests by every role, with the server killed among them.
//!
//! `TONGMAI_RECORDED` is the number of requests (20,000 unless it is set), `TONGMAI_SEED` the seed.

mod common;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use common::{Client, Got, Server, tongmai};
use tongmai_access::{Access, Policy, Requester};
use tongmai_engine::{Engine, Surroundings, Validation};
use tongmai_store_sqlite::SqliteStore;
use tongmai_testkit::random::Random;
use tongmai_vault::{Erasures, Keyring, Profile, Vault};

/// People whose records are marked.
const MARKED: usize = 120;
/// Connections at once.
const WORKERS: usize = 6;
/// Times that the server is killed.
const KILLS: usize = 3;
/// Who asks, and how often among sixteen.
const ACTORS: [(&str, usize); 13] = [
    ("dr-li", 4),
    ("dr-tashi", 1),
    ("coder-zhou", 2),
    ("epi-sun", 2),
    ("privacy-he", 1),
    ("insurer-gao", 1),
    ("organiser-bai", 1),
    ("policy-qin", 1),
    ("system-lu", 1),
    ("audit-jia", 1),
    ("security-fan", 1),
    ("zhuoma", 1),
    ("yangzom", 1),
];

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// The mark of a person: a word that stands nowhere else.
fn mark(person: usize) -> String {
    let mut random = Random(0x6d61_726b ^ (person as u64) << 32);
    format!("kx{:016x}{:06x}zq", random.next(), person)
}

/// The person of each mark in some bytes, each once.
fn marks(bytes: &[u8]) -> BTreeSet<usize> {
    let mut found = BTreeSet::new();
    let mut rest = bytes;
    while let Some(at) = rest.windows(2).position(|two| two == b"kx") {
        let word = &rest[at..rest.len().min(at + 26)];
        if word.len() == 26 && word.ends_with(b"zq") {
            let person =
                std::str::from_utf8(&word[18..24]).ok().and_then(|hex| usize::from_str_radix(hex, 16).ok());
            found.extend(person.filter(|person| *person < MARKED && mark(*person).as_bytes() == word));
        }
        rest = &rest[at + 2..];
    }
    found
}

/// The record of a marked person, with the mark in every text that a reader could be shown.
fn record(person: usize, hospital: &str, day: &str) -> String {
    let (m, id) = (mark(person), format!("marked-{person}"));
    let patient = format!(r#""subject":{{"reference":"Patient/{id}"}}"#);
    let visit = format!(r#""encounter":{{"reference":"Encounter/{id}-e"}}"#);
    let at = format!(r#"{{"reference":"Organization/{hospital}"}}"#);
    let code = ["I10", "E11.9", "A00.9", "J11.1", "F32.1", "B20"][person % 6];
    let diagnosis = format!(
        r#"{{"coding":[{{"system":"http://hl7.org/fhir/sid/icd-10","code":"{code}"}}],"text":"{m}"}}"#
    );
    let resources = [
        format!(
            r#"{{"resourceType":"Patient","id":"{id}","name":[{{"text":"{m}","family":"{m}"}}],"gender":"female","birthDate":"19{:02}-03-08","address":[{{"text":"{m}","city":"清禾县","district":"河湾镇"}}],"managingOrganization":{at}}}"#,
            40 + person % 60
        ),
        format!(
            r#"{{"resourceType":"Encounter","id":"{id}-e","status":"finished","class":{{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"{}"}},{patient},"period":{{"start":"{day}T08:00:00+08:00","end":"{day}T18:00:00+08:00"}},"reasonCode":[{{"text":"{m}"}}],"serviceProvider":{at}}}"#,
            if person.is_multiple_of(3) { "IMP" } else { "AMB" }
        ),
        format!(
            r#"{{"resourceType":"Condition","id":"{id}-c","code":{diagnosis},{patient},{visit},"recordedDate":"{day}","note":[{{"text":"{m}"}}]}}"#
        ),
        format!(
            r#"{{"resourceType":"Observation","id":"{id}-o","status":"final","category":[{{"coding":[{{"system":"http://terminology.hl7.org/CodeSystem/observation-category","code":"laboratory"}}]}}],"code":{{"text":"{m}"}},{patient},{visit},"effectiveDateTime":"{day}","valueString":"{m}","performer":[{at}]}}"#
        ),
        format!(
            r#"{{"resourceType":"MedicationRequest","id":"{id}-m","status":"active","intent":"order","medicationCodeableConcept":{{"text":"{m}"}},{patient},{visit}}}"#
        ),
        format!(
            r#"{{"resourceType":"DocumentReference","id":"{id}-d","status":"current","description":"{m}",{patient},"custodian":{at},"content":[{{"attachment":{{"title":"{m}"}}}}]}}"#
        ),
    ];
    let kinds =
        ["Patient", "Encounter", "Condition", "Observation", "MedicationRequest", "DocumentReference"];
    let ids = ["", "-e", "-c", "-o", "-m", "-d"];
    let entries: Vec<String> = resources
        .iter()
        .zip(kinds.iter().zip(ids))
        .map(|(text, (kind, end))| {
            format!(r#"{{"resource":{text},"request":{{"method":"PUT","url":"{kind}/{id}{end}"}}}}"#)
        })
        .collect();
    format!(r#"{{"resourceType":"Bundle","type":"transaction","entry":[{}]}}"#, entries.join(","))
}

/// Something to be asked.
struct Ask {
    method: &'static str,
    path: String,
    content: &'static str,
    body: String,
}

fn form(path: String, body: String) -> Ask {
    Ask { method: "POST", path, content: "application/x-www-form-urlencoded", body }
}

const KINDS: [&str; 6] =
    ["Patient", "Encounter", "Condition", "Observation", "MedicationRequest", "DocumentReference"];
const PAGES: [&str; 44] = [
    "/",
    "/live",
    "/home",
    "/people?q=kx",
    "/ledger",
    "/desk",
    "/desk/newborn",
    "/doors",
    "/doors/set-aside",
    "/doors/mapping",
    "/doors/coverage",
    "/doors/assessment",
    "/drg",
    "/drg/indicators",
    "/drg/quality",
    "/drg/settlement",
    "/drg/rules",
    "/drg/workshop",
    "/surveillance",
    "/surveillance/board",
    "/surveillance/cards",
    "/surveillance/cards?state=all",
    "/surveillance/lines",
    "/surveillance/lines.csv",
    "/surveillance/map",
    "/surveillance/duplicates",
    "/surveillance/figures",
    "/surveillance/disease/influenza",
    "/surveillance/disease/cholera/counts.csv",
    "/me",
    "/me/looked",
    "/me/sharing",
    "/me/requests",
    "/me/family",
    "/privacy/requests",
    "/privacy/emergency",
    "/privacy/consents",
    "/privacy/log",
    "/participation",
    "/participation/words",
    "/participation/office",
    "/participation/sponsors",
    "/tour",
    "/metrics",
];

/// A request at random: pages, interactions and operations of the API, forms, and bytes that mean nothing.
fn ask(random: &mut Random) -> Ask {
    let person = random.below(MARKED);
    let end = [
        ("Patient", ""),
        ("Encounter", "-e"),
        ("Condition", "-c"),
        ("Observation", "-o"),
        ("MedicationRequest", "-m"),
        ("DocumentReference", "-d"),
    ][random.below(6)];
    let (kind, id) = (end.0, format!("marked-{person}{}", end.1));
    let patient = format!("marked-{person}");
    let get = |path: String| Ask { method: "GET", path, content: "", body: String::new() };
    let fhir =
        |method, path: String, body: String| Ask { method, path, content: "application/fhir+json", body };
    match random.below(24) {
        0 | 1 => get(PAGES[random.below(PAGES.len())].to_owned()),
        2 => get(format!("/people?q={}", random.of(&["kx", "%E7%8E%8B", &mark(person)[..5]]))),
        3 | 4 => get(format!("/person/{patient}{}", random.of(&["", "/visits", "/trends"]))),
        5 => get(format!("/resource/{kind}/{id}{}", random.of(&["", "/1", "/2"]))),
        6 => get(format!("/drg/{}/{id}", random.of(&["case", "preview", "special", "of"]))),
        7 => get(format!("/desk/person/{patient}")),
        8 | 9 => get(format!("/fhir/{kind}/{id}{}", random.of(&["", "/_history", "/_history/1"]))),
        10 | 11 => get(format!("/fhir/{}?{}", random.of(&KINDS), parameters(random, person))),
        12 => get(format!("/fhir/Patient/{patient}/{}", random.of(&["$everything", "$person", "_history"]))),
        13 => get(format!("/fhir/Patient/{patient}/{}?{}", random.of(&KINDS), parameters(random, person))),
        14 => get(format!("/fhir/{}/_history?_count=20", random.of(&KINDS))),
        15 => form(format!("/fhir/{}/_search", random.of(&KINDS)), parameters(random, person)),
        16 => {
            let entries: Vec<String> = (0..1 + random.below(3))
                .map(|_| {
                    let other = random.below(MARKED);
                    format!(r#"{{"request":{{"method":"GET","url":"Patient/marked-{other}"}}}}"#)
                })
                .collect();
            fhir(
                "POST",
                "/fhir".into(),
                format!(r#"{{"resourceType":"Bundle","type":"batch","entry":[{}]}}"#, entries.join(",")),
            )
        }
        17 => {
            let text = format!(
                r#"{{"resourceType":"Condition","code":{{"text":"{}"}},"subject":{{"reference":"Patient/{patient}"}}}}"#,
                mark(person)
            );
            fhir("POST", "/fhir/Condition".into(), text)
        }
        18 => {
            let text = format!(
                r#"{{"resourceType":"Parameters","parameter":[{{"name":"resource","resource":{{"resourceType":"Patient","name":[{{"text":"{}"}}],"gender":"female"}}}}]}}"#,
                &mark(person)[..9]
            );
            fhir("POST", "/fhir/Patient/$match".into(), text)
        }
        19 => form("/emergency".into(), format!("patient={patient}&reason=unconscious+in+the+ward")),
        20 => form(format!("/surveillance/suspect/{patient}"), "disease=cholera&who=x&why=rice+water".into()),
        21 => form("/participation/goal".into(), format!("person={patient}&text={}", mark(person))),
        22 => get(format!("/fhir/{kind}?identifier={}&_has:Condition:patient:code=I10", random.next())),
        _ => {
            let mut path: Vec<u8> = format!("/fhir/{kind}/{id}/_history/1?_summary=true").into_bytes();
            for _ in 0..1 + random.below(3) {
                let at = 1 + random.below(path.len() - 1);
                path[at] = b"abcXYZ09/$_?&=%-"[random.below(16)];
            }
            get(String::from_utf8_lossy(&path).into_owned())
        }
    }
}

fn parameters(random: &mut Random, person: usize) -> String {
    let mut all = Vec::new();
    for _ in 0..1 + random.below(3) {
        all.push(match random.below(14) {
            0 => format!("patient=marked-{person}"),
            1 => format!("_id=marked-{person}"),
            2 => "_include=*".into(),
            3 => "_include=Condition:subject".into(),
            4 => "_revinclude=Condition:subject".into(),
            5 => "_total=accurate".into(),
            6 => "_summary=count".into(),
            7 => "_elements=name,code".into(),
            8 => "_sort=-_lastUpdated".into(),
            9 => format!("name={}", &mark(person)[..5]),
            10 => "code=I10".into(),
            11 => format!("subject:Patient.name={}", &mark(person)[..5]),
            12 => "_has:Condition:patient:code=E11.9".into(),
            _ => format!("_count={}", random.below(60)),
        });
    }
    all.join("&")
}

/// What the recorder saw: who was shown whose mark, between which instants.
#[derive(Debug, Clone)]
struct Seen {
    actor: &'static str,
    person: usize,
    from: i64,
    until: i64,
    path: String,
}

struct Recorder {
    done: AtomicUsize,
    stop: AtomicBool,
    seen: Mutex<Vec<Seen>>,
    statuses: Mutex<BTreeMap<u16, usize>>,
}

impl Recorder {
    fn work(&self, server: &Server, worker: usize, seed: u64, until: usize) {
        let mut random = Random(seed ^ (worker as u64) << 40);
        let mut clients: HashMap<&'static str, Client> = HashMap::new();
        let order: Vec<&'static str> =
            ACTORS.iter().flat_map(|(id, times)| std::iter::repeat_n(*id, *times)).collect();
        let mut statuses: BTreeMap<u16, usize> = BTreeMap::new();
        while !self.stop.load(Ordering::Relaxed) && self.done.fetch_add(1, Ordering::Relaxed) < until {
            let actor = order[random.below(order.len())];
            // Each connection has people of its own, so that what one does in an emergency is its session's.
            let client = match clients.entry(actor) {
                std::collections::hash_map::Entry::Occupied(there) => there.into_mut(),
                std::collections::hash_map::Entry::Vacant(place) => {
                    let mut client = Client::new(&server.address);
                    let body = format!("account={actor}&password={}&next=", server.password(actor));
                    if client.post("/login", &body).is_err() {
                        continue;
                    }
                    place.insert(client)
                }
            };
            let ask = ask(&mut random);
            let headers = [("content-type", ask.content), ("sec-fetch-site", "same-origin")];
            let headers = if ask.content.is_empty() { &headers[1..] } else { &headers[..] };
            let (from, mut got) = (now(), Got::default());
            let answered = client.ask_into(ask.method, &ask.path, headers, ask.body.as_bytes(), &mut got);
            let until = now();
            let mut shown = marks(&got.body);
            for (_, value) in &got.headers {
                shown.extend(marks(value.as_bytes()));
            }
            if !shown.is_empty() {
                let path = format!("{} {}", ask.method, ask.path);
                let one = |person| Seen { actor, person, from, until, path: path.clone() };
                self.seen.lock().expect("a list").extend(shown.into_iter().map(one));
            }
            *statuses.entry(if answered.is_ok() { got.status } else { 0 }).or_default() += 1;
            match answered {
                Ok(()) if got.status == 429 => std::thread::sleep(Duration::from_secs(1)),
                Ok(()) => {}
                // The connection is gone, with what had come of the answer until then.
                Err(_) => client.reset(),
            }
        }
        let mut all = self.statuses.lock().expect("a table");
        statuses.into_iter().for_each(|(status, count)| *all.entry(status).or_default() += count);
    }
}

const PEOPLE: usize = 12;

fn surroundings() -> Surroundings {
    Surroundings {
        now,
        random: || {
            static NEXT: AtomicUsize = AtomicUsize::new(1);
            let number = NEXT.fetch_add(1, Ordering::Relaxed) as u128 | (now() as u128) << 64;
            number.wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835).to_be_bytes()
        },
    }
}

/// The engine over a demo's folder that no server uses now; its bodies are sealed under the demo's own key.
fn engine(folder: &Path) -> Engine {
    let store = SqliteStore::open(&folder.join("store.tongmai")).expect("the store opens");
    let key = std::fs::read_to_string(folder.join("demo.key")).expect("a key");
    let key = data_encoding::HEXLOWER.decode(key.trim().as_bytes()).expect("digits");
    let key: [u8; 32] = key.try_into().expect("32 bytes");
    let keyring = Keyring::open(&folder.join("keys"), &key, Profile::Aes256).expect("the keys open");
    let erasures = Erasures::open(&folder.join("erasures")).expect("the erasures open");
    let vault = Vault::over(Arc::new(store), Some(keyring), erasures).expect("a vault");
    Engine::start(Arc::new(vault), surroundings(), Validation::Reject).expect("an engine")
}

/// A county with marked people, most of them of the county's hospital.
fn fill(folder: &Path) {
    let people = PEOPLE.to_string();
    let mut demo = tongmai();
    let done = demo.args(["demo", "--no-serve", "--people", &people, "--data"]).arg(folder).output();
    assert!(done.expect("it runs").status.success());
    let engine = engine(folder);
    let (requester, reads) = (Requester::installation("marks", "HSYSADMIN"), folder.join("reads"));
    let access = Access::open(Policy::Open, &reads, now).expect("the log opens");
    let sight = access.sight(&requester);
    let kind = tongmai_fhir::definition::resource_type_id("Organization").expect("a type");
    let of = |name: &str| {
        let query = engine.query(&[kind], None, &[("name".into(), name.into())], false).expect("a query");
        let sealed = engine.search(&sight, &query, None).expect("found");
        access.release_blocking(&requester, sealed).expect("logged").matches[0].id.clone()
    };
    let (hospital, village) = (of("清禾县人民医院"), of("雪原藏族乡卫生院"));
    let day = (now() + 8 * 3_600_000).div_euclid(86_400_000) - 1;
    let (year, month, date) = tongmai_base::time::civil_from_days(day);
    let day = format!("{year:04}-{month:02}-{date:02}");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    for person in 0..MARKED {
        let place = if person % 5 == 4 { &village } else { &hospital };
        let bundle = record(person, place, &day);
        let work = engine.process_counting(&sight, bundle.as_bytes(), tongmai_engine::bundle::Ids::Fresh);
        runtime.block_on(work).unwrap_or_else(|failure| panic!("{person}: {failure}"));
    }
}

/// When each actor was shown something of each marked person's record, as the log of reads says it.
fn logged(folder: &Path) -> HashMap<(String, usize), Vec<i64>> {
    let engine = engine(folder);
    let access = Access::open(Policy::Open, &folder.join("reads"), now).expect("the log opens");
    let mut entries = Vec::new();
    access.entries(&mut |entry| entries.push(entry)).expect("it can be read");
    let mut persons: HashMap<u64, usize> = HashMap::new();
    for person in 0..MARKED {
        let record = engine.record_of(&format!("marked-{person}")).expect("readable").expect("a patient");
        persons.insert(record, person);
    }
    let mut positions: Vec<u64> = entries.iter().flat_map(|entry| entry.positions.iter().copied()).collect();
    positions.sort_unstable();
    positions.dedup();
    let mut of: HashMap<u64, usize> = HashMap::new();
    for chunk in positions.chunks(1_000) {
        for (record, positions) in engine.records_of(chunk).expect("readable") {
            let Some(person) = persons.get(&record) else { continue };
            of.extend(positions.into_iter().map(|position| (position, *person)));
        }
    }
    let mut logged: HashMap<(String, usize), Vec<i64>> = HashMap::new();
    for entry in entries {
        let shown: BTreeSet<usize> = entry.positions.iter().filter_map(|at| of.get(at).copied()).collect();
        for person in shown {
            logged.entry((entry.actor.clone(), person)).or_default().push(entry.time);
        }
    }
    logged.values_mut().for_each(|times| times.sort_unstable());
    logged
}

/// What was shown and is not in the log at the time at which it was asked for.
fn missing<'s>(seen: &'s [Seen], logged: &HashMap<(String, usize), Vec<i64>>) -> Vec<&'s Seen> {
    let none = Vec::new();
    let is_there = |one: &Seen| {
        let times = logged.get(&(one.actor.to_owned(), one.person)).unwrap_or(&none);
        let at = times.partition_point(|time| *time < one.from);
        times.get(at).is_some_and(|time| *time <= one.until)
    };
    seen.iter().filter(|one| !is_there(one)).collect()
}

#[test]
fn what_is_shown_is_in_the_log_of_reads() {
    let folder = tempfile::tempdir().expect("a folder");
    let (requests, seed) = (number("TONGMAI_RECORDED", 20_000) as usize, number("TONGMAI_SEED", 1));
    fill(folder.path());
    let begun = std::time::Instant::now();
    let recorder = Recorder {
        done: AtomicUsize::new(0),
        stop: AtomicBool::new(false),
        seen: Mutex::default(),
        statuses: Mutex::default(),
    };
    for phase in 0..=KILLS {
        let server = Server::demo(folder.path(), PEOPLE);
        recorder.stop.store(false, Ordering::Relaxed);
        let until = requests * (phase + 1) / (KILLS + 1);
        std::thread::scope(|scope| {
            for worker in 0..WORKERS {
                let (recorder, server) = (&recorder, &server);
                let seed = seed.wrapping_mul(1 << 20) + (phase * WORKERS + worker) as u64;
                scope.spawn(move || recorder.work(server, worker, seed, requests));
            }
            while recorder.done.load(Ordering::Relaxed) < until {
                std::thread::sleep(Duration::from_millis(2));
            }
            // In the midst of what the others ask.
            server.strike();
            recorder.stop.store(true, Ordering::Relaxed);
        });
    }
    let seconds = begun.elapsed().as_secs_f64();
    let seen = recorder.seen.into_inner().expect("a list");
    let mut logged = logged(folder.path());
    let missed = missing(&seen, &logged);
    let people: BTreeSet<usize> = seen.iter().map(|one| one.person).collect();
    let actors: BTreeMap<&str, usize> = seen.iter().fold(BTreeMap::new(), |mut all, one| {
        *all.entry(one.actor).or_default() += 1;
        all
    });
    let statuses = recorder.statuses.into_inner().expect("a table");
    eprintln!(
        "{requests} requests in {seconds:.1} s with {} kills: marks of {} people were shown {} times, {} of them \
         are not in the log; answers {statuses:?}; shown to {actors:?}",
        KILLS + 1,
        people.len(),
        seen.len(),
        missed.len(),
    );
    for one in missed.iter().take(10) {
        eprintln!(
            "not logged: {} was answered {} with the mark of person {}",
            one.actor, one.path, one.person
        );
    }
    assert!(missed.is_empty(), "{} looks are not in the log", missed.len());
    assert!(people.len() > MARKED / 2 && seen.len() > requests / 10, "the marks are seldom shown");
    let failed: usize = statuses.range(500..=599).filter(|(code, _)| **code != 503).map(|it| it.1).sum();
    assert_eq!(failed, 0, "no request makes the server fail");
    // What the check is worth: one look left out of the log is found.
    let one = &seen[seen.len() / 2];
    logged.remove(&(one.actor.to_owned(), one.person));
    assert!(!missing(&seen, &logged).is_empty(), "a look that is left out is found");
}
