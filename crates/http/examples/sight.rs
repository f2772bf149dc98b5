//! What deciding and filtering cost, and whether time tells what is hidden.
//!
//! `cargo run --release -p tongmai-http --example sight -- overhead [people]` reads and searches the
//! records of random people of a synthetic county without limits and under rules that show a part of
//! the people, in turn, in one run.
//!
//! `… --example sight -- timing [pairs]` asks two ledgers in turn that differ only in 1,000 hidden
//! rows and says how well the times tell them apart (area under the curve with its upper 95 % bound),
//! for single answers and for means of 100, and once more with a planted delay of 5 %.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use tongmai_access::{Access, Policy, Requester, Role, Rulebook, Sight};
use tongmai_consent::{Action, Effect, FOR_EVER, Grant, Purpose};
use tongmai_engine::bundle::Ids;
use tongmai_engine::rights::consent::{self, Provision, Said};
use tongmai_engine::{Engine, Surroundings, Validation};
use tongmai_fhir::definition::resource_type_id;
use tongmai_store_sqlite::SqliteStore;
use tongmai_testkit::random::Random;

const NOW: i64 = 1_795_222_800_000;
const ASKED: usize = 2_000;

fn now() -> i64 {
    NOW
}

fn random() -> [u8; 16] {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    // Spread over all bytes: an id keeps only some of them.
    let number = u128::from(NEXT.fetch_add(1, Ordering::Relaxed));
    number.wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835).to_be_bytes()
}

fn type_of(name: &str) -> u16 {
    resource_type_id(name).expect("a type")
}

struct Place {
    engine: Engine,
    access: Access,
    runtime: tokio::runtime::Runtime,
    patients: Vec<String>,
    _folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Place {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Arc::new(SqliteStore::open(&folder.path().join("store")).expect("a store"));
        let engine =
            Engine::start(store, Surroundings { now, random }, Validation::Accept).expect("an engine");
        let book = Rulebook::builtin("mainland").expect("a pack").with_others(Rulebook::full_agreement());
        let policy = Policy::Rules(Arc::new(book));
        let access = Access::open(policy, &folder.path().join("reads"), now).expect("a log");
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        Place { engine, access, runtime, patients: Vec::new(), _folder: folder }
    }

    fn load(&self, bundle: &str) {
        let requester = Requester { organization: "c".into(), ..Requester::local() };
        let sight = Policy::Open.sight(&requester);
        let work = self.engine.process(&sight, bundle.as_bytes(), Ids::Of("county"));
        self.runtime.block_on(work).unwrap_or_else(|failure| panic!("{failure}"));
    }

    fn load_all(&self, entries: &[String]) {
        for chunk in entries.chunks(200) {
            let entries = chunk.join(",");
            self.load(&format!(r#"{{"resourceType":"Bundle","type":"transaction","entry":[{entries}]}}"#));
        }
    }

    fn county(&mut self, people: u32) {
        let county = tongmai_region::County::new(1, people as _, 20_778);
        let (mut counts, mut bundle) = (Default::default(), String::new());
        county.write_directory_bundle(&mut bundle, &mut counts);
        self.load(&bundle);
        for person in county.everyone() {
            bundle.clear();
            county.write_bundle(&person, &mut bundle, &mut counts);
            self.load(&bundle);
        }
        let local = Requester::local();
        let pairs = [("_count".to_owned(), "1000".to_owned())];
        let query = self.engine.query(&[type_of("Patient")], None, &pairs, false).expect("a query");
        let mut start = None;
        loop {
            let sealed = self.engine.search(&Policy::Open.sight(&local), &query, start).expect("a page");
            let page = self.access.release_blocking(&local, sealed).expect("logged").into_inner();
            self.patients.extend(page.matches.into_iter().map(|patient| patient.id));
            start = page.next;
            if start.is_none() {
                return;
            }
        }
    }

    /// People agree that organisation `a` sees their record to settle bills, which needs no visit.
    fn agree(&self, patients: &[String]) {
        let grant = Grant {
            effect: Effect::Permit,
            actions: Action::View.bit(),
            organisation: 0,
            account: 0,
            purposes: Purpose::Payment.bit(),
            categories: u16::MAX,
            sensitivities: 0,
            border: false,
            presence: false,
            notice: 0,
            from: 0,
            until: FOR_EVER,
        };
        let provision = Provision { grant, organisation: "Organization/a".into(), account: String::new() };
        let entry = |id: &String| {
            let said = Said { patient: id.clone(), joined: None, provisions: vec![provision.clone()] };
            let text = consent::write(&said, "active");
            format!(r#"{{"resource":{text},"request":{{"method":"POST","url":"Consent"}}}}"#)
        };
        self.load_all(&patients.iter().map(entry).collect::<Vec<_>>());
    }

    fn read(&self, sight: &Sight, id: &str) -> usize {
        self.engine.read(sight, type_of("Patient"), id).map_or(0, |sealed| sealed.positions().len())
    }

    fn search(&self, sight: &Sight, type_name: &str, pairs: &[(&str, &str)]) -> usize {
        let pairs: Vec<(String, String)> = pairs.iter().map(|(n, v)| ((*n).into(), (*v).into())).collect();
        let query = self.engine.query(&[type_of(type_name)], None, &pairs, false).expect("a query");
        self.engine.search(sight, &query, None).map_or(0, |sealed| sealed.positions().len())
    }
}

fn coder() -> Requester {
    Requester {
        actor: "li".into(),
        purpose: "HPAYMT".into(),
        organization: "a".into(),
        roles: vec![Role::Coder],
        ..Requester::default()
    }
}

fn overhead(people: u32) {
    for percent in [1, 50, 99] {
        let mut place = Place::new();
        place.county(people);
        let few = place.patients.iter().enumerate().filter(|(at, _)| at * 37 % 100 < percent);
        let agreed: Vec<String> = few.map(|(_, id)| id.clone()).collect();
        place.agree(&agreed);
        let (open, limited) = (Policy::Open.sight(&coder()), place.access.sight(&coder()));
        // The register of consents and visits is folded once, when somebody with limits first asks.
        let begun = Instant::now();
        place.read(&limited, &place.patients[0]);
        println!(
            "{percent:>2} % visible: the register was folded in {:.1} ms",
            begun.elapsed().as_secs_f64() * 1e3
        );
        let mut random = Random(3);
        let mut some = |of: &[String]| -> Vec<String> {
            (0..ASKED).map(|_| of[random.below(of.len())].clone()).collect()
        };
        let (anybody, seen) = (some(&place.patients), some(&agreed));
        type Work<'w> = (&'static str, Box<dyn Fn(&Sight, usize) -> usize + 'w>);
        let works: [Work<'_>; 4] = [
            ("reads of anybody", Box::new(|sight, at| place.read(sight, &anybody[at]))),
            ("reads of who agreed", Box::new(|sight, at| place.read(sight, &seen[at]))),
            (
                "their conditions by date",
                Box::new(|sight, at| {
                    let patient = format!("Patient/{}", seen[at]);
                    place.search(sight, "Condition", &[("patient", &patient), ("_sort", "-recorded-date")])
                }),
            ),
            (
                "their visits",
                Box::new(|sight, at| {
                    let patient = format!("Patient/{}", seen[at]);
                    place.search(sight, "Encounter", &[("patient", &patient), ("_count", "20")])
                }),
            ),
        ];
        for (name, work) in &works {
            let (mut spent, mut found) = ([0u128; 2], [0; 2]);
            for round in 0..ASKED {
                for which in if round % 2 == 0 { [0, 1] } else { [1, 0] } {
                    let sight = if which == 0 { &open } else { &limited };
                    let begun = Instant::now();
                    found[which] += work(sight, round);
                    spent[which] += begun.elapsed().as_nanos();
                }
            }
            let [open, limited] = spent.map(|all| all as f64 / 1e3 / ASKED as f64);
            let more = (limited / open - 1.0) * 100.0;
            println!(
                "{percent:>2} % visible, {name}: {open:.1} µs open ({} found), {limited:.1} µs under rules ({} \
                 found): {more:+.1} %",
                found[0], found[1],
            );
        }
    }
}

/// Area under the curve of telling `b` from `a` by size, and its upper 95 % bound (Hanley, McNeil 1982).
fn area(a: &[f64], b: &[f64]) -> (f64, f64) {
    let of = |all: &[f64], which: bool| all.iter().map(|x| (*x, which)).collect::<Vec<_>>();
    let mut all = [of(a, false), of(b, true)].concat();
    all.sort_by(|x, y| x.0.total_cmp(&y.0));
    let (mut rank, mut at) = (0.0, 0);
    while at < all.len() {
        let end = at + all[at..].iter().take_while(|x| x.0 == all[at].0).count();
        let middle = (at + end + 1) as f64 / 2.0;
        rank += middle * all[at..end].iter().filter(|x| x.1).count() as f64;
        at = end;
    }
    let (m, n) = (a.len() as f64, b.len() as f64);
    let area = (rank - n * (n + 1.0) / 2.0) / (m * n);
    // A classifier may as well take the smaller ones.
    let area = area.max(1.0 - area);
    let (q1, q2) = (area / (2.0 - area), 2.0 * area * area / (1.0 + area));
    let spread = area * (1.0 - area) + (n - 1.0) * (q1 - area * area) + (m - 1.0) * (q2 - area * area);
    (area, area + 1.96 * (spread / (m * n)).sqrt())
}

/// A ledger with one person who agreed, and so many conditions of others who did not.
fn world(hidden: usize) -> Place {
    let condition = |code: &str, patient: &str| {
        format!(
            r#"{{"resource":{{"resourceType":"Condition","code":{{"coding":[{{"system":"http://hl7.org/fhir/sid/icd-10","code":"{code}"}}]}},"subject":{{"reference":"Patient/{patient}"}},"recordedDate":"2026-10-10"}},"request":{{"method":"POST","url":"Condition"}}}}"#
        )
    };
    let place = Place::new();
    let patient =
        r#"{"resource":{"resourceType":"Patient","id":"p"},"request":{"method":"PUT","url":"Patient/p"}}"#;
    let mut entries = vec![patient.to_owned()];
    entries.extend((0..20).map(|_| condition("I10", "p")));
    entries.extend((0..hidden).map(|number| condition("F32.1", &format!("q{number}"))));
    place.load_all(&entries);
    place.agree(&["p".into()]);
    place
}

fn timing(pairs: usize) {
    let (without, with) = (world(0), world(1_000));
    let (left, right) = (without.access.sight(&coder()), with.access.sight(&coder()));
    let asks: [(&str, &[(&str, &str)]); 2] = [
        ("a person's conditions", &[("patient", "Patient/p")]),
        ("all conditions with a hidden code", &[("code", "F32.1"), ("_total", "accurate")]),
    ];
    for (name, parameters) in asks {
        for planted in [0.0, 0.05] {
            let ask = |place: &Place, sight: &Sight, delay: f64| {
                let begun = Instant::now();
                std::hint::black_box(place.search(sight, "Condition", parameters));
                let end = begun.elapsed().as_nanos() as f64 * (1.0 + delay);
                while delay > 0.0 && (begun.elapsed().as_nanos() as f64) < end {
                    std::hint::spin_loop();
                }
                begun.elapsed().as_nanos() as f64 / 1e3
            };
            let (mut a, mut b) = (Vec::with_capacity(pairs), Vec::with_capacity(pairs));
            for number in 0..pairs {
                if number % 2 == 0 {
                    a.push(ask(&without, &left, 0.0));
                    b.push(ask(&with, &right, planted));
                } else {
                    b.push(ask(&with, &right, planted));
                    a.push(ask(&without, &left, 0.0));
                }
            }
            let mean = |all: &[f64]| all.iter().sum::<f64>() / all.len() as f64;
            let means = |all: &[f64]| all.chunks(100).map(mean).collect::<Vec<_>>();
            let (single, bound) = area(&a, &b);
            let (hundred, bound_of_hundred) = area(&means(&a), &means(&b));
            println!(
                "{name}, planted {:.0} %: AUC {single:.3} (at most {bound:.3}), of means of 100 {hundred:.3} (at \
                 most {bound_of_hundred:.3}); {:.1} and {:.1} µs",
                planted * 100.0,
                mean(&a),
                mean(&b),
            );
        }
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let number = arguments.get(2).and_then(|n| n.parse::<u32>().ok());
    match arguments.get(1).map(String::as_str) {
        Some("overhead") => overhead(number.unwrap_or(300)),
        Some("timing") => timing(number.unwrap_or(10_000) as usize),
        _ => println!("say overhead or timing"),
    }
}
