//! The check finds every seeded defect, and nothing in the demo pack that is not there.

use std::collections::BTreeSet;
use tongmai_base::Severity;
use tongmai_drg::condition::{Comparison, Condition, Field, Level, Position};
use tongmai_drg::expression::Expression;
use tongmai_drg::pack::{CodeSet, Mdc, Pack};
use tongmai_drg::payment::Decimal;
use tongmai_drg::settlement::scheme::Scheme;
use tongmai_drg::{check, demo};

fn codes(pack: &Pack) -> BTreeSet<String> {
    check::check(pack).into_iter().map(|finding| finding.code).collect()
}

fn mdc<'a>(pack: &'a mut Pack, code: &str) -> &'a mut Mdc {
    pack.mdcs.iter_mut().find(|mdc| mdc.code == code).unwrap()
}

fn set<'a>(pack: &'a mut Pack, name: &str) -> &'a mut CodeSet {
    pack.sets.iter_mut().find(|set| set.name == name).unwrap()
}

fn number(field: Field, is: Comparison, value: i32) -> Expression<Condition<String>> {
    Expression::Test(Condition::Number { field, is, value })
}

type Seed = (&'static str, fn(&mut Pack));

const SEEDS: [Seed; 30] = [
    ("no-id", |p| p.manifest.id.clear()),
    ("dates", |p| p.manifest.effective_to = "2020-01-01".into()),
    ("no-date", |p| p.manifest.effective_from.clear()),
    ("never", |p| mdc(p, "MDCK").adrgs[0].rule = Expression::Never),
    ("contradiction", |p| {
        let parts =
            vec![number(Field::Age, Comparison::Less, 5), number(Field::Age, Comparison::Greater, 17)];
        mdc(p, "MDCG").adrgs.last_mut().unwrap().drgs[0].rule = Expression::All(parts);
    }),
    ("missing-set", |p| p.sets.retain(|set| set.name != "KS1/adrg_zd")),
    ("empty-set", |p| set(p, "KS1/adrg_zd").members.clear()),
    ("unused-set", |p| {
        p.sets.push(CodeSet { name: "X".into(), members: vec![("A00.000".into(), String::new())] })
    }),
    ("duplicate-set", |p| {
        let copy = p.sets[1].clone();
        p.sets.push(copy);
    }),
    ("duplicate-mdc", |p| {
        let copy = p.mdcs[2].clone();
        p.mdcs.push(copy);
    }),
    ("empty-mdc", |p| mdc(p, "MDCK").adrgs.clear()),
    ("two-mdcs", |p| {
        let copy = mdc(p, "MDCG").adrgs[0].clone();
        mdc(p, "MDCF").adrgs.push(copy);
    }),
    ("letter", |p| {
        let copy = mdc(p, "MDCG").adrgs[0].clone();
        mdc(p, "MDCF").adrgs.push(copy);
    }),
    ("order", |p| {
        let adrg = mdc(p, "MDCF").adrgs.remove(0);
        mdc(p, "MDCF").adrgs.push(adrg);
    }),
    ("shadowed-adrg", |p| {
        let mut copy = mdc(p, "MDCF").adrgs[0].clone();
        copy.code = "FM2".into();
        copy.drgs.clear();
        mdc(p, "MDCF").adrgs.insert(1, copy);
    }),
    ("outside-mdc", |p| set(p, "KS1/adrg_zd").members.push(("I10.x00".into(), String::new()))),
    ("no-drg", |p| mdc(p, "MDCK").adrgs[0].drgs.clear()),
    ("duplicate-drg", |p| {
        let copy = mdc(p, "MDCK").adrgs[0].drgs[0].clone();
        mdc(p, "MDCK").adrgs[0].drgs.insert(0, copy);
    }),
    ("foreign-drg", |p| mdc(p, "MDCK").adrgs[0].drgs[0].code = "ZZ11".into()),
    ("unreachable-drg", |p| mdc(p, "MDCK").adrgs[0].drgs.reverse()),
    ("no-default", |p| {
        let drgs = &mut mdc(p, "MDCK").adrgs[0].drgs;
        drgs.pop();
    }),
    ("repeated-code", |p| set(p, "KS1/adrg_zd").members.push(("E11.900".into(), String::new()))),
    ("code-shape", |p| set(p, "KS1/adrg_zd").members.push(("117".into(), String::new()))),
    ("unknown-code", |p| set(p, "MDCK/mdc_zd").members.push(("E12.900".into(), String::new()))),
    ("two-levels", |p| p.severity.push(("E11.900".into(), Level::Mcc, "4".into()))),
    ("no-exclusion", |p| p.severity.push(("E66.900".into(), Level::Cc, String::new()))),
    ("table-without-principal", |p| p.severity.push(("E66.900".into(), Level::Cc, "77".into()))),
    ("idle-table", |p| p.exclusions.push(("E66.900".into(), "88".into()))),
    ("no-level", |p| p.severity.retain(|(_, level, _)| *level != Level::Mcc)),
    ("no-name", |p| mdc(p, "MDCK").adrgs[0].drgs[0].name.clear()),
];

#[test]
fn every_seeded_defect_is_found() {
    let clean = codes(&demo::pack());
    let mut kinds = BTreeSet::new();
    for (code, seed) in SEEDS {
        let mut pack = demo::pack();
        seed(&mut pack);
        assert!(!clean.contains(code), "{code} is found without being seeded");
        assert!(codes(&pack).contains(code), "{code} is not found; found {:?}", codes(&pack));
        kinds.insert(code);
    }
    assert!(kinds.len() >= 20);
}

#[test]
fn the_demo_pack_is_clean() {
    for finding in check::check(&demo::pack()) {
        assert!(finding.severity < Severity::Warning, "{finding}");
    }
}

#[test]
fn same_name_and_lost_rules_are_found() {
    let mut pack = demo::pack();
    let name = mdc(&mut pack, "MDCK").adrgs[0].drgs[0].name.clone();
    mdc(&mut pack, "MDCK").adrgs[0].drgs[1].name = name;
    pack.unused_names.push(("KT11".into(), "示例".into()));
    let found = codes(&pack);
    assert!(found.contains("same-name") && found.contains("name-without-rule"), "{found:?}");
    let by = Condition::Diagnosis { position: Position::Main, set: "X".to_string() };
    assert_eq!(by.to_string(), "principal diagnosis in X");
}

/// The county's scheme: its pack's weights, two pools, two levels, a cap.
fn county_scheme(pool: &str) -> (Pack, Scheme) {
    let (pack, weights) = demo::county_2026();
    let text = format!(
        r#"{{"id": "t", "insurances": {{"resident": {{"pay": {pool}}}}}, "levels": {{"a": "1", "b": "0.8"}},
            "hospitals": {{"H": {{"level": "a"}}, "T": {{"level": "b"}}}}, "high": [{{"above": "3"}}], "low": "0.4"}}"#
    );
    let (mut scheme, findings) = Scheme::from_json(&text).unwrap();
    assert_eq!(findings, []);
    scheme.pack = pack.manifest.id.clone();
    scheme.weights = weights;
    (pack, scheme)
}

const BUDGET: &str = r#"{"budget": "5000000.01"}"#;

#[test]
fn the_budgets_of_a_scheme_close_to_the_fen() {
    for (pool, cap) in [(BUDGET, None), (BUDGET, Some("1.3")), (r#"{"rate": "8000"}"#, None)] {
        let (pack, mut scheme) = county_scheme(pool);
        scheme.cap = cap.and_then(Decimal::parse);
        let findings = check::scheme::check(&pack, &scheme);
        let closed = findings.iter().filter(|finding| finding.code == "budget-closes").count();
        assert_eq!(closed, usize::from(pool == BUDGET), "{findings:?}");
        for finding in &findings {
            assert!(finding.severity < Severity::Warning, "{finding}");
        }
    }
}

/// The code of a finding, and what seeds the defect that it names.
type SchemeSeed = (&'static str, fn(&mut Scheme));

#[test]
fn seeded_defects_of_a_scheme_are_found() {
    let seeds: [SchemeSeed; 6] = [
        ("other-pack", |s| s.pack = "elsewhere_2020".into()),
        ("group-without-weight", |s| _ = s.weights.pop_first()),
        ("weight-without-group", |s| _ = s.weights.insert("ZZ99".into(), Decimal::ONE)),
        ("budget-open", |s| s.weights.clear()),
        ("range", |s| s.weights.values_mut().take(1).for_each(|weight| *weight = Decimal(-1))),
        ("more-than-the-pools", |s| {
            let text = r#"{"budget": "9000000", "retained": "0.6", "borne": "0.3"}"#;
            s.communities.insert("c".into(), serde_json::from_str(text).unwrap());
        }),
    ];
    for (code, seed) in seeds {
        let (pack, mut scheme) = county_scheme(BUDGET);
        seed(&mut scheme);
        let found = check::scheme::check(&pack, &scheme);
        assert!(found.iter().any(|finding| finding.code == code), "{code}: {found:?}");
    }
    // The more severe group must not weigh less.
    let (pack, mut scheme) = county_scheme(BUDGET);
    let adrg = pack.mdcs.iter().flat_map(|mdc| &mdc.adrgs).find(|adrg| adrg.drgs.len() > 1).unwrap();
    scheme.weights.insert(adrg.drgs[0].code.clone(), Decimal(1));
    let found = check::scheme::check(&pack, &scheme);
    assert!(found.iter().any(|finding| finding.code == "weight-order"), "{adrg:?} {found:?}");
}
