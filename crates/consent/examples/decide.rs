//! How long a decision takes among many consents.
//!
//! `cargo run --release -p tongmai-consent --example decide [consents]` fills a register with a million
//! records, each with a consent, and half of them with a visit, and decides about random ones.

use std::time::Instant;

use tongmai_consent::{
    Action, Category, Effect, FOR_EVER, Grant, Item, Jurisdiction, Pack, Purpose, Register, Relation,
    Request, Role, Roles, Scope, builtin_packs, builtin_roles, decide,
};
use tongmai_testkit::random::Random;

const NOW: i64 = 1_795_222_800_000;
const ORGANISATIONS: usize = 400;
const DECISIONS: usize = 1_000_000;

fn main() {
    let consents: u64 = std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(1_000_000);
    let packs = builtin_packs();
    let pack = Pack::read(packs[0].1).expect("a pack");
    let roles = Roles::read(builtin_roles()).expect("roles");
    let mut random = Random(7);
    let mut register = Register::default();
    let begun = Instant::now();
    for record in 1..=consents {
        let organisation = 1 + random.below(ORGANISATIONS) as u32;
        let grant = Grant {
            effect: Effect::Permit,
            actions: Action::View.bit(),
            organisation,
            account: 0,
            purposes: Purpose::Treatment.bit(),
            categories: random.next() as u16,
            sensitivities: 0,
            border: false,
            presence: false,
            notice: 0,
            from: 0,
            until: FOR_EVER,
        };
        register.put_grants(record, record, &[grant]);
        if record % 2 == 0 {
            let relation = Relation { organisation, by: 0, corroborated: true, from: 0, until: FOR_EVER };
            register.put_relation(consents + record, record, relation);
        }
    }
    println!("{} consents registered in {:.1} s", register.grants(), begun.elapsed().as_secs_f64());
    let agreement = tongmai_consent::Agreement {
        purposes: u16::MAX,
        categories: u16::MAX,
        default_in: false,
        notice: 0,
        from: 0,
        until: FOR_EVER,
    };
    let mut request = Request {
        action: Action::View,
        purpose: Purpose::Treatment,
        role: Role::Physician,
        account: 7,
        organisation: 1,
        agreement: Some(agreement),
        scope: Scope { view: u16::MAX, deposit: 0, record: None, from: 0, until: FOR_EVER },
        own: Vec::new(),
        wards: Vec::new(),
        break_glass: None,
        assessed: false,
        destination: Jurisdiction::Mainland,
        transfer: false,
        now: NOW,
    };
    let (mut times, mut permitted) = (Vec::with_capacity(DECISIONS), 0);
    for _ in 0..DECISIONS {
        let record = 1 + random.next() % consents;
        request.organisation = 1 + random.below(ORGANISATIONS) as u32;
        let category = Category::ALL[random.below(Category::ALL.len())];
        let item = Item { category, sensitivities: 0, depositor: 1 + random.below(ORGANISATIONS) as u32 };
        let begun = Instant::now();
        let decision = register.look(record, |subject| {
            // Half of the requests come from the organisation that the person chose.
            if record.is_multiple_of(2) {
                request.organisation = subject.sides[0].grants[0].organisation;
            }
            decide(&pack, &roles, &request, &item, subject)
        });
        times.push(begun.elapsed().as_nanos() as u64);
        permitted += usize::from(decision.permit);
    }
    times.sort_unstable();
    let at = |part: f64| times[((times.len() - 1) as f64 * part) as usize] as f64 / 1000.0;
    println!("{DECISIONS} decisions, {permitted} permitted, on random records of {consents}:");
    println!(
        "p50 {:.2} µs, p99 {:.2} µs, p99.9 {:.2} µs, max {:.0} µs",
        at(0.5),
        at(0.99),
        at(0.999),
        at(1.0)
    );
}
