//! Every row of the reference output of R `surveillance` 1.20.3.

use std::collections::HashMap;
use tongmai_surveillance::detect::has_model_columns;
use tongmai_surveillance::historical::{MovingPercentile, PERCENTILES, quantile};
use tongmai_surveillance::table::NamedSeries;
use tongmai_surveillance::{Point, config, table};

const FOLDER: &str = "surveillance";

fn load(relative: &str) -> Option<String> {
    tongmai_testkit::data(&format!("{FOLDER}/{relative}")).map(|path| tongmai_testkit::read_text(&path))
}

fn all_series() -> Option<HashMap<(String, String), NamedSeries>> {
    let (series, _) = table::read_series(&load("inputs/sts_series.csv")?).expect("a readable table");
    Some(series.into_iter().map(|s| ((s.dataset.clone(), s.unit.clone()), s)).collect())
}

fn value(cell: &str) -> f64 {
    match cell.trim() {
        "" | "NA" => f64::NAN,
        "Inf" => f64::INFINITY,
        "-Inf" => f64::NEG_INFINITY,
        number => number.parse().expect("a number"),
    }
}

fn agree(ours: f64, theirs: f64, tolerance: f64) -> bool {
    ours == theirs
        || (ours.is_nan() && theirs.is_nan())
        || (ours - theirs).abs() <= tolerance * theirs.abs().max(1e-300)
}

/// Compares one file: alarms must be equal, numbers within the tolerance.
fn check(file: &str, tolerance: f64) {
    let (Some(text), Some(series), Some(configs)) = (load(file), all_series(), load("ref/configs.json"))
    else {
        return;
    };
    let configs: serde_json::Value = serde_json::from_str(&configs).expect("JSON");
    let mut results: HashMap<(String, String, String), HashMap<usize, Point>> = HashMap::new();
    let (mut rows, mut noise, mut wrong) = (0, 0, Vec::new());
    for line in text.lines().skip(1) {
        let cells: Vec<&str> = line.split(',').collect();
        let [algo, name, dataset, unit] = [cells[0], cells[1], cells[2], cells[3]];
        let points = results.entry((name.into(), dataset.into(), unit.into())).or_insert_with(|| {
            let keys = [format!("{algo}/{name}"), name.to_owned()];
            let (key, entry) = keys.iter().find_map(|k| Some((k, configs.get(k)?))).expect("a configuration");
            let named = config::parse(&serde_json::json!({ key: entry }).to_string()).expect("parameters");
            let algorithm = config::algorithm(algo, &named.parameters).expect("a method");
            let series = &series[&(dataset.to_owned(), unit.to_owned())].series;
            algorithm.detect(series).into_iter().map(|p| (p.t, p)).collect()
        });
        rows += 1;
        let Some(point) = points.get(&cells[4].parse().expect("t")) else {
            wrong.push(format!("{line}: no answer"));
            continue;
        };
        let alarm = match cells[6] {
            "NA" => None,
            other => Some(other == "1"),
        };
        let mut same = point.alarm == alarm && agree(point.upperbound, value(cells[5]), tolerance);
        if algo == "farringtonFlexible" {
            let ours = [point.expected, point.score, point.pvalue, point.mu0, point.phi];
            let theirs = [cells[7], cells[8], cells[10], cells[11], cells[12]];
            let diagnostics = ours.iter().zip(theirs).all(|(a, b)| agree(*a, value(b), tolerance));
            if !diagnostics || point.trend != value(cells[9]) {
                // A row without a bound, for the window holds next to no case: its slope, score and p-value
                // are what rounding left over, in R as here. Alarm and bound are compared all the same.
                same &= point.upperbound.is_nan();
                noise += 1;
            }
        }
        if !same {
            wrong.push(format!("{line}\n    {point:?}"));
        }
    }
    assert!(rows > 0);
    assert!(noise <= 30, "the diagnostics of {noise} rows without a bound differ");
    let first: Vec<_> = wrong.iter().take(5).collect();
    assert!(wrong.is_empty(), "{} of {rows} rows differ: {first:#?}", wrong.len());
}

#[test]
fn farrington_flexible() {
    check("ref/farringtonFlexible.csv.gz", 1e-6);
}

#[test]
fn farrington() {
    check("ref/farrington.csv.gz", 1e-6);
}

#[test]
fn ears() {
    check("ref/earsC.csv.gz", 1e-9);
}

#[test]
fn rki_bayes_and_cdc() {
    for file in ["rki1", "rki3", "bayes1", "bayes3", "cdc"] {
        check(&format!("ref/{file}.csv.gz"), 1e-9);
    }
}

#[test]
fn charts() {
    for file in ["cusum", "glrpois", "glrnb", "outbreakP"] {
        check(&format!("ref/{file}.csv.gz"), 1e-6);
    }
}

#[test]
fn moving_percentile() {
    let (Some(text), Some(series)) = (load("ref/mpm_5wk.csv"), all_series()) else { return };
    let mut rows = 0;
    for line in text.lines().skip(1) {
        let cells: Vec<&str> = line.split(',').collect();
        let series = &series[&(cells[0].to_owned(), cells[1].to_owned())].series;
        let (t, years): (usize, usize) = (cells[2].parse().expect("t"), cells[3].parse().expect("years"));
        let method = MovingPercentile { years, ..MovingPercentile::default() };
        let baseline = method.baseline(series, t - 1).expect("a baseline");
        assert_eq!(series.observed[t - 1], value(cells[4]), "{line}");
        for (p, cell) in PERCENTILES.iter().zip(&cells[5..]) {
            assert!(agree(quantile(&baseline, *p), value(cell), 1e-9), "{line}");
        }
        rows += 1;
    }
    assert!(rows > 9_000);
}

/// Only Farrington Flexible fills the model's columns in the reference.
#[test]
fn columns_of_the_model() {
    let method = config::algorithm("earsC", &Default::default()).expect("a method");
    assert!(!has_model_columns(&method));
}
