//! The sample studies of SaTScan against what SaTScan 10.3.2 found.

use tongmai_base::time::civil_from_days;
use tongmai_surveillance::satscan::{Parameters, Study};
use tongmai_surveillance::scan::Cluster;

fn load(name: &str) -> Option<String> {
    tongmai_testkit::data(&format!("surveillance/satscan/{name}")).map(|p| tongmai_testkit::read_text(&p))
}

fn study(file: &str) -> Option<Study> {
    let parameters = Parameters::parse(&load(file)?);
    let population = match parameters.get("PopulationFile") {
        "" => None,
        name => load(name),
    };
    let (cases, places) = (load(parameters.get("CaseFile"))?, load(parameters.get("CoordinatesFile"))?);
    Some(parameters.study(&cases, &places, population.as_deref(), 20_261_121).expect("a study"))
}

fn check(name: &str, file: &str) {
    let (Some(study), Some(reference)) = (study(file), load("reference.json")) else { return };
    let reference: serde_json::Value = serde_json::from_str(&reference).expect("JSON");
    let clusters = study.run().expect("clusters");
    let date = |day: i64| {
        let (year, month, day) = civil_from_days(day);
        format!("{year:04}-{month:02}-{day:02}")
    };
    for (expected, found) in reference[name]["clusters"].as_array().expect("clusters").iter().zip(&clusters) {
        let Cluster { cases, statistic, p, .. } = found;
        let mut ours: Vec<&str> = found.places.iter().map(|&i| study.names[i].as_str()).collect();
        let mut theirs: Vec<&str> =
            expected["locations"].as_array().expect("places").iter().filter_map(|v| v.as_str()).collect();
        ours.sort_unstable();
        theirs.sort_unstable();
        assert_eq!(ours, theirs, "{name} {found:?}");
        let (from, to) = study.days(found);
        assert_eq!(date(from), expected["from"].as_str().expect("a date").replace('/', "-"));
        assert_eq!(date(to), expected["to"].as_str().expect("a date").replace('/', "-"));
        assert_eq!(u64::from(*cases), expected["cases"].as_u64().expect("a count"));
        let their_statistic = expected["statistic"].as_f64().expect("a number");
        assert!((statistic - their_statistic).abs() <= 1e-6, "{name}: {statistic} is not {their_statistic}");
        let their_p = match &expected["p"] {
            serde_json::Value::String(text) => text.parse().expect("a number"),
            value => value.as_f64().expect("a number"),
        };
        // Both sides have Monte Carlo error: four standard errors of a difference.
        let error: f64 = (2.0 * their_p * (1.0 - their_p) / 1000.0).sqrt();
        assert!((p - their_p).abs() <= 4.0 * error + 0.002, "{name}: p {p} is not {their_p}");
    }
    assert!(!clusters.is_empty());
}

#[test]
fn space_time_permutation() {
    check("NYCSpaceTimePermutation", "NYCSpaceTimePermutation.prm");
}

#[test]
fn large_permutation_study() {
    check("bench", "bench.prm");
}

#[test]
fn poisson() {
    check("NewMexicoSpaceTimePoisson", "NewMexicoSpaceTimePoisson.prm");
}
