//! Bad series give a reason a point: no crash, no silent zero.

use tongmai_surveillance::table::read_series;
use tongmai_surveillance::{Algorithm, Point, Series, config};

fn every_method() -> Vec<Algorithm> {
    let glrnb = serde_json::json!({"alpha": 0.1}).as_object().cloned().unwrap_or_default();
    config::NAMES
        .iter()
        .map(|name| {
            let parameters = if *name == "glrnb" { glrnb.clone() } else { Default::default() };
            config::algorithm(name, &parameters).expect("a method")
        })
        .collect()
}

fn points(series: &Series) -> Vec<Point> {
    every_method().iter().flat_map(|method| method.detect(series)).collect()
}

/// A year-round series of small counts, spoilt at some points.
fn spoilt(length: usize, spoil: impl Fn(usize) -> Option<&'static str>) -> String {
    let mut text = String::from("dataset,unit,t,date,period,freq,observed,population\n");
    for t in 1..=length {
        match spoil(t) {
            Some("gap") => {}
            Some(value) => text.push_str(&format!("d,u,{t},NA,{},52,{value},1\n", (t - 1) % 52 + 1)),
            None => text.push_str(&format!("d,u,{t},NA,{},52,{},1\n", (t - 1) % 52 + 1, t * 7 % 5)),
        }
    }
    text
}

fn check(text: &str, code: &str) -> Vec<Point> {
    let (series, findings) = read_series(text).expect("a table");
    assert!(findings.iter().any(|finding| finding.code == code), "{code}: {findings:?}");
    let points = points(&series[0].series);
    for point in &points {
        assert!(point.alarm.is_some() || point.reason.is_some(), "{code}: {point:?}");
    }
    points
}

#[test]
fn gaps_missing_negative_absurd_and_fractional_counts() {
    for (value, code) in [
        ("gap", "gap"),
        ("NA", "missing-count"),
        ("", "missing-count"),
        ("-3", "negative-count"),
        ("1e300", "absurd-count"),
        ("inf", "absurd-count"),
        ("2.5", "fractional-count"),
        ("many", "missing-count"),
    ] {
        let last = check(&spoilt(330, |t| (t % 40 == 10).then_some(value)), code);
        assert!(last.iter().any(|point| point.reason.is_some()), "{code}");
        let at_end = check(&spoilt(330, |t| (t == 329).then_some(value)), code);
        let missing: Vec<_> = at_end.iter().filter(|point| point.t == 329).collect();
        assert!(!missing.is_empty() && missing.iter().all(|p| p.alarm != Some(true)), "{code}: {missing:?}");
    }
}

#[test]
fn a_history_of_zeros_has_reasons_and_no_alarm() {
    let (series, _) = read_series(&spoilt(330, |_| Some("0"))).expect("a table");
    for point in points(&series[0].series) {
        assert_ne!(point.alarm, Some(true), "{point:?}");
        assert!(point.alarm.is_some() || point.reason.is_some(), "{point:?}");
    }
}

#[test]
fn week_53_bad_times_and_double_rows_are_named() {
    let mut text = spoilt(330, |_| None);
    text.push_str("d,u,331,NA,53,52,4,1\nd,u,331,NA,53,52,9,1\nd,u,0,NA,1,52,4,1\nd,u,99999999999,NA,1,52,4,1\nd,u,x,NA,1,52,4,1\n");
    for code in ["week-53", "double-point", "bad-time"] {
        check(&text, code);
    }
    let (series, _) = read_series(&text).expect("a table");
    assert_eq!(series[0].series.observed.len(), 331);
    assert_eq!(series[0].series.observed[330], 4.0);
}

#[test]
fn short_and_empty_series_do_no_harm() {
    for length in [0, 1, 2, 5, 51, 53, 60, 170] {
        let observed: Vec<f64> = (0..length).map(|t| (t % 3) as f64).collect();
        let population = vec![1.0; length];
        let series = Series { observed, population, frequency: 52, start_period: 1, dates: None };
        for point in points(&series) {
            assert!(point.alarm.is_some() || point.reason.is_some(), "{length}: {point:?}");
        }
    }
}

#[test]
fn wrong_parameters_are_named() {
    let wrong = serde_json::json!({"alhpa": 0.1}).as_object().cloned().unwrap_or_default();
    assert!(config::algorithm("earsC", &wrong).is_err_and(|e| e.contains("alhpa")));
    assert!(config::algorithm("psychic", &Default::default()).is_err_and(|e| e.contains("psychic")));
    assert!(config::parse("{}").is_err());
    assert!(config::parse("{\"a\": [1]}").is_err());
}
