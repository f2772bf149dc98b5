//! Reproduction number, nowcast and Knox test against R.

use std::collections::HashMap;
use tongmai_surveillance::knox::{Event, knox};
use tongmai_surveillance::nowcast::{Method, Nowcast};
use tongmai_surveillance::reproduction::{Prior, discretised_serial_interval, estimate};
use tongmai_surveillance::table::parse_date;

fn load(relative: &str) -> Option<Vec<Vec<String>>> {
    let path = tongmai_testkit::data(&format!("surveillance/{relative}"))?;
    let text = tongmai_testkit::read_text(&path);
    let cells = |line: &str| line.split(',').map(|cell| cell.trim().trim_matches('"').to_owned()).collect();
    Some(text.lines().skip(1).map(cells).collect())
}

fn number(cell: &str) -> f64 {
    if cell.is_empty() || cell == "NA" { f64::NAN } else { cell.parse().expect("a number") }
}

fn near(ours: f64, theirs: f64, tolerance: f64) -> bool {
    (ours.is_nan() && theirs.is_nan()) || (ours - theirs).abs() <= tolerance * theirs.abs()
}

/// EpiEstim 2.2.4: every row, relative 1e-9.
#[test]
fn reproduction_number() {
    let (Some(incidence), Some(interval), Some(reference)) =
        (load("inputs/epiestim_incidence.csv"), load("inputs/epiestim_si.csv"), load("ref/epiestim_rt.csv"))
    else {
        return;
    };
    let by_dataset = |rows: &[Vec<String>]| {
        let mut all: HashMap<String, Vec<f64>> = HashMap::new();
        for row in rows {
            all.entry(row[0].clone()).or_default().push(number(&row[2]));
        }
        all
    };
    let (incidence, interval) = (by_dataset(&incidence), by_dataset(&interval));
    for row in &reference {
        let cases = &incidence[&row[0]];
        let parametric = discretised_serial_interval(cases.len(), 2.6, 1.5);
        let serial = if row[1].contains("nonparam") { &interval[&row[0]] } else { &parametric };
        let estimates = estimate(cases, serial, 7, Prior::default()).expect("an estimate");
        let start: usize = row[2].parse().expect("a day");
        let found = estimates[start - 2];
        assert_eq!(found.end.to_string(), row[3]);
        let ours = [
            found.mean,
            found.sd,
            found.quantile(0.025),
            found.quantile(0.05),
            found.quantile(0.5),
            found.quantile(0.95),
            found.quantile(0.975),
        ];
        for (ours, theirs) in ours.iter().zip(&row[4..]) {
            assert!(near(*ours, number(theirs), 1e-9), "{row:?}: {ours}");
        }
    }
    assert_eq!(reference.len(), 232);
}

/// Lawless' nowcast of the outbreak of 2011 at 2 June: medians and limits as R's.
#[test]
fn nowcast() {
    let (Some(cases), Some(reference)) =
        (load("inputs/husO104Hosp_linelist.csv"), load("ref/nowcast_hus.csv"))
    else {
        return;
    };
    let cases: Vec<(i64, i64)> =
        cases.iter().filter_map(|row| Some((parse_date(&row[0])?, parse_date(&row[1])?))).collect();
    let day = |text: &str| parse_date(text).expect("a date");
    let mut rows = 0;
    for row in reference.iter().filter(|row| !row[3].is_empty()) {
        let method = if row[0] == "lawless" { Method::Lawless } else { Method::Uniform };
        let nowcast = Nowcast { method, largest: 100, ..Nowcast::default() };
        let predictions = nowcast.predict(&cases, day("2011-05-01"), day("2011-06-02")).expect("a nowcast");
        let found = predictions.iter().find(|p| p.day == day(&row[1])).expect("the day");
        let ours = [found.observed, found.median, found.lower, found.upper];
        for (ours, theirs) in ours.iter().zip(&row[2..]) {
            assert!((*ours as f64 - number(theirs)).abs() <= 1.0, "{row:?}: {found:?}");
        }
        rows += 1;
    }
    assert_eq!(rows, 34);
}

#[test]
fn knox_test() {
    let (Some(events), Some(reference)) = (load("inputs/imdepi_events.csv"), load("ref/knox_imdepi.csv"))
    else {
        return;
    };
    for row in &reference {
        let of_type: Vec<Event> = events
            .iter()
            .filter(|event| event[4] == row[0])
            .map(|event| Event { time: number(&event[1]), x: number(&event[2]), y: number(&event[3]) })
            .collect();
        let found = knox(&of_type, number(&row[1]), number(&row[2]));
        assert_eq!(found.observed as f64, number(&row[3]));
        assert!(near(found.expected, number(&row[4]), 1e-9), "{row:?}: {found:?}");
        assert!(near(found.p_poisson, number(&row[5]), 1e-9), "{row:?}: {found:?}");
    }
}
