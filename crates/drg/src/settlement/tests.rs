use super::clearing::{clear, closes, lines, recompute};
use super::community::balances;
use super::scheme::*;
use super::*;

fn decimal(text: &str) -> Decimal {
    Decimal::parse(text).unwrap()
}

fn scheme(pay: &str) -> Scheme {
    let text = format!(
        r#"{{"id": "s", "insurances": {{"resident": {{"pay": {pay}}}}},
            "levels": {{"county": "1", "township": 0.8}},
            "hospitals": {{"H": {{"level": "county", "community": "c"}}, "T": {{"level": "township", "community": "c"}}, "P": {{"coefficient": "0.9"}}}},
            "weights": {{"A": "1", "B": "2.5", "C": "0.5"}}, "standards": {{"A": {{"cost": "10000"}}, "B": {{"cost": "25000"}}}},
            "basic_groups": ["C"], "high": [{{"up_to_weight": "1", "above": "3"}}, {{"above": "2"}}],
            "low": "0.4", "long_stay": {{"days": 60, "daily_weight": "0.05"}}, "cap": "1.3",
            "special": {{"quota": "0.05", "reviewers": 2}}, "elsewhere": "0.95", "prepaid": "0.95",
            "communities": {{"c": {{"budget": "100000", "retained": "0.6", "borne": "0.3"}}}}}}"#
    );
    let (scheme, findings) = Scheme::from_json(&text).unwrap();
    assert_eq!(findings, []);
    scheme
}

fn stay(id: &str, hospital: &str, group: &str, yuan: i64, days: u32) -> Stay {
    Stay {
        id: id.into(),
        hospital: hospital.into(),
        insurance: "resident".into(),
        group: group.into(),
        cost: yuan * 100,
        days,
        discharged: "2026-03-01".into(),
        ..Stay::default()
    }
}

#[test]
fn every_rule_pays_what_it_says() {
    let scheme = scheme(r#"{"rate": "10000"}"#);
    let mut elsewhere = stay("9", "H", "A", 10_000, 5);
    elsewhere.elsewhere = true;
    let special = Stay { approved: Some(4_000_000), ..stay("8", "H", "A", 60_000, 5) };
    let stays = [
        stay("1", "H", "A", 9_000, 5),  // ordinary
        stay("2", "H", "A", 50_000, 5), // 5 × the mean, 2 above 3
        stay("3", "H", "A", 3_000, 2),  // 0.3 × the mean
        stay("4", "H", "A", 9_000, 80), // by the day
        stay("5", "T", "A", 8_000, 5),  // township: 0.8
        stay("6", "T", "C", 6_000, 5),  // basic group: the same everywhere
        stay("7", "H", "Z", 6_000, 5),  // no weight
        special,
        elsewhere,
        stay("10", "H", "A", 5_000, 5), // capped at 1.3 × its cost
        Stay { insurance: "x".into(), ..stay("11", "H", "A", 1, 1) },
        stay("12", "H", "B", 60_000, 9), // 2.4 × the mean, 0.4 above 2
    ];
    let settled = settle(&scheme, &stays).unwrap();
    let paid: Vec<(Kind, i64)> = settled.lines.iter().map(|line| (line.kind, line.payment / 100)).collect();
    let expected = [
        (Kind::Normal, 10_000),
        (Kind::High, 30_000),
        (Kind::Low, 3_000),
        (Kind::LongStay, 40_000),
        (Kind::Normal, 8_000),
        (Kind::Normal, 5_000),
        (Kind::Unpriced, 0),
        (Kind::Special, 40_000),
        (Kind::Normal, 9_500),
        (Kind::Normal, 6_500),
        (Kind::Uninsured, 0),
        (Kind::High, 35_000),
    ];
    assert_eq!(paid, expected);
    assert_eq!(settled.lines[9].capped, 350_000);
    let hospital = settled.hospitals["H"];
    assert_eq!((hospital.cases, hospital.high, hospital.unpaid, hospital.special), (10, 2, 2, 1));
}

#[test]
fn a_share_of_high_outliers_keeps_the_largest() {
    let mut scheme = scheme(r#"{"rate": "10000"}"#);
    scheme.high_share = Some(decimal("0.34"));
    let stays =
        [stay("1", "H", "A", 40_000, 5), stay("2", "H", "A", 90_000, 5), stay("3", "H", "A", 9_000, 5)];
    let settled = settle(&scheme, &stays).unwrap();
    let kinds: Vec<Kind> = settled.lines.iter().map(|line| line.kind).collect();
    assert_eq!(kinds, [Kind::HighOverShare, Kind::High, Kind::Normal]);
}

struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

fn random_stays(dice: &mut Dice) -> Vec<Stay> {
    (0..1 + dice.below(200))
        .map(|at| {
            let hospital = ["H", "T", "P"][dice.below(3) as usize];
            let group = ["A", "B", "C", "Z"][dice.below(4) as usize];
            let mut stay =
                stay(&at.to_string(), hospital, group, dice.below(80_000) as i64, dice.below(90) as u32);
            stay.cost += dice.below(100) as i64;
            stay.approved = (dice.below(40) == 0).then(|| dice.below(100_000) as i64);
            stay.elsewhere = dice.below(9) == 0;
            stay.community = if dice.below(2) == 0 { "c".into() } else { String::new() };
            stay
        })
        .collect()
}

#[test]
fn budgets_close_to_the_fen_and_hospitals_can_compute_it_again() {
    let mut dice = Dice(20_261_127);
    for _ in 0..200 {
        let stays = random_stays(&mut dice);
        let budget = 20_000_000 + dice.below(500_000_000) as i64;
        let scheme = scheme(&format!(r#"{{"budget": "{}"}}"#, crate::payment::yuan(budget)));
        let settled = settle(&scheme, &stays).unwrap();
        let pool = settled.pools["resident"];
        assert_eq!(pool.paid + pool.reserve, budget);
        assert_eq!(settled.hospitals.values().map(|h| h.payment).sum::<i64>(), pool.paid);
        assert!(pool.reserve >= 0);
        let clearing = clear(
            &scheme,
            ("2026-01-01", "2026-12-31"),
            &stays,
            &settled,
            &BTreeMap::new(),
            &BTreeMap::new(),
        );
        assert!(closes(&clearing));
        for hospital in settled.hospitals.keys() {
            let table = lines(hospital, &stays, &settled);
            assert_eq!(recompute(&clearing, hospital, &table, scheme.cap), []);
        }
        let balance = &balances(&scheme, &stays, &settled)["c"];
        assert_eq!(balance.hospitals.values().sum::<i64>(), balance.to_hospitals);
    }
}

#[test]
fn more_points_never_get_less_of_a_budget() {
    let mut dice = Dice(7);
    for _ in 0..100 {
        let stays = random_stays(&mut dice);
        let mut scheme = scheme(r#"{"budget": "3000000"}"#);
        scheme.cap = None;
        let settled = settle(&scheme, &stays).unwrap();
        let mut lines: Vec<&Line> = settled.lines.iter().filter(|line| line.kind != Kind::Special).collect();
        lines.sort_by_key(|line| (line.points, line.payment));
        assert!(lines.windows(2).all(|pair| pair[0].payment <= pair[1].payment));
    }
}

#[test]
fn a_changed_line_is_noticed() {
    let stays =
        [stay("1", "H", "A", 9_000, 5), stay("2", "H", "B", 20_000, 5), stay("3", "T", "A", 9_000, 5)];
    let scheme = scheme(r#"{"budget": "45678.91"}"#);
    let settled = settle(&scheme, &stays).unwrap();
    let advanced = BTreeMap::from([("H".to_string(), 1_000_000)]);
    let quality = BTreeMap::from([("H".to_string(), decimal("0.01"))]);
    let mut clearing = clear(&scheme, ("2026-01-01", "2026-12-31"), &stays, &settled, &advanced, &quality);
    let table = lines("H", &stays, &settled);
    assert_eq!(recompute(&clearing, "H", &table, scheme.cap), []);
    let codes = |findings: Vec<Finding>| findings.into_iter().map(|f| f.code).collect::<Vec<_>>();
    let paid = crate::payment::yuan(settled.lines[0].payment);
    let more = table.replace(&paid, "99999.00");
    assert!(codes(recompute(&clearing, "H", &more, scheme.cap)).contains(&"payment".to_string()));
    // Four eyes: one signature does not do, and nobody signs twice.
    assert_eq!(codes(clearing.check(&[])), ["four-eyes"]);
    clearing.sign(&[1; 32], "甲", "prepared").unwrap();
    assert_eq!(clearing.sign(&[1; 32], "乙", "approved").unwrap_err().code, "four-eyes");
    assert_eq!(clearing.sign(&[2; 32], "甲", "approved").unwrap_err().code, "four-eyes");
    clearing.sign(&[2; 32], "乙", "approved").unwrap();
    assert_eq!(clearing.check(&[]), []);
    let text = serde_json::to_string(&clearing).unwrap();
    let mut read: clearing::Clearing = serde_json::from_str(&text).unwrap();
    assert_eq!(read, clearing);
    read.hospitals.get_mut("H").unwrap().balance = decimal("1");
    assert_eq!(codes(read.check(&[])), ["signature", "signature", "four-eyes"]);
}

#[test]
fn a_month_is_paid_in_advance_and_taken_off() {
    let scheme = scheme(r#"{"budget": "30000"}"#);
    let stays = [stay("1", "H", "A", 9_000, 5), stay("2", "H", "A", 11_000, 5)];
    let values = BTreeMap::from([("resident".to_string(), decimal("9000"))]);
    let month = presettle(&scheme, &stays[..1], &values).unwrap();
    assert_eq!(month.lines[0].payment, 855_000);
    assert_eq!(presettle(&scheme, &stays, &BTreeMap::new()).unwrap_err().code, "required");
    let mut open = scheme.clone();
    open.cap = None;
    let year = settle(&open, &stays).unwrap();
    let advanced = BTreeMap::from([("H".to_string(), 855_000)]);
    let clearing = clear(&open, ("2026-01-01", "2026-12-31"), &stays, &year, &advanced, &BTreeMap::new());
    assert_eq!(clearing.hospitals["H"].balance, decimal("21450"));
}

#[test]
fn what_cannot_be_meant_in_a_scheme_is_named() {
    let text = r#"{"hospitals": {"H": {"level": "x", "community": "y"}}, "weights": {"A": "0"},
        "basic_groups": ["B"], "low": "2", "high": [{"above": "1"}]}"#;
    let (_, findings) = Scheme::from_json(text).unwrap();
    let codes: Vec<&str> = findings.iter().map(|f| f.code.as_str()).collect();
    assert_eq!(
        codes,
        ["required", "unknown-level", "unknown-community", "range", "no-weight", "range", "range"]
    );
    assert!(Scheme::from_json(r#"{"wieghts": {}}"#).is_err());
    let scheme = scheme(r#"{"budget": "10"}"#);
    let special = Stay { approved: Some(2_000), ..stay("1", "H", "A", 60_000, 5) };
    assert_eq!(settle(&scheme, &[special]).unwrap_err().code, "overspent");
}
