//! The engine against the executable specification, over random cases, and against itself with a rule
//! left out.

mod common;

use common::{Case, chance, laws, spec::Specification};
use tongmai_consent::{Rule, Rules, decide, decide_with};
use tongmai_testkit::random::Random;

fn cases() -> usize {
    std::env::var("TONGMAI_MODEL_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(1_000_000)
}

#[test]
fn engine_and_specification_agree_and_every_rule_decides() {
    let (laws, specification) = (laws(), Specification::new());
    let mut random = Random(20_261_127);
    let mut decisive = vec![0u64; Rule::ALL.len()];
    let (mut permitted, total) = (0u64, cases());
    // A mutant is alive until a case is found on which it answers otherwise than the specification.
    let mut alive: Vec<Rule> = Rule::ALL.iter().copied().filter(|rule| *rule != Rule::NoBasis).collect();
    for number in 0..total {
        let case = chance::case(&mut random);
        let expected = specification.permits(&case);
        let decided = with_all(&laws, &case);
        assert_eq!(decided.0, expected, "case {number} by {:?}: {case:#?}", decided.1);
        permitted += u64::from(decided.0);
        decisive[decided.1 as usize] += 1;
        alive.retain(|rule| {
            let pack = &laws.packs[case.pack];
            let without = Rules::without(*rule);
            let subject = case.subject();
            decide_with(without, pack, &laws.roles, &case.request, &case.item, &subject).permit == expected
        });
    }
    for (rule, count) in Rule::ALL.iter().zip(&decisive) {
        println!("{:>16} decides {count} of {total}", rule.code());
    }
    for (rule, count) in Rule::ALL.iter().zip(&decisive) {
        assert!(*count >= total as u64 / 100, "'{}' decides only {count} of {total}", rule.code());
    }
    assert!(permitted * 10 >= total as u64 * 4, "only {permitted} of {total} are permitted");
    println!("{permitted} of {total} are permitted");
    assert!(alive.is_empty(), "nobody notices that these rules are left out: {alive:?}");
}

fn with_all(laws: &common::Laws, case: &Case) -> (bool, Rule) {
    let pack = &laws.packs[case.pack];
    let decision = decide(pack, &laws.roles, &case.request, &case.item, &case.subject());
    (decision.permit, decision.rule)
}

/// A grant more never closes, a refusal more never opens, a link never opens.
#[test]
fn grants_open_refusals_close_links_open_nothing() {
    let laws = laws();
    let mut random = Random(5);
    for _ in 0..50_000 {
        let case = chance::case(&mut random);
        if case.sides.is_empty() {
            continue;
        }
        let before = with_all(&laws, &case).0;
        let mut more = case.clone();
        more.sides[0].grants.push(chance::permit());
        assert!(!before || with_all(&laws, &more).0, "a consent closed it: {case:#?}");
        let mut less = case.clone();
        let refusal = tongmai_consent::Grant { effect: tongmai_consent::Effect::Refuse, ..chance::permit() };
        less.sides[0].grants.push(refusal);
        assert!(before || !with_all(&laws, &less).0, "a refusal opened it: {case:#?}");
        let mut linked = case.clone();
        linked.sides.push(tongmai_consent::Side { record: 99, ..Default::default() });
        linked.confirmed = false;
        assert!(before || !with_all(&laws, &linked).0, "a link opened it: {case:#?}");
    }
}
