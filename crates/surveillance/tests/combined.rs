//! The combined method on a part of the simulated series; the whole is in
//! `examples/simulated_outbreaks.rs`.

use tongmai_surveillance::combined::Combined;
use tongmai_surveillance::evaluate::{Judged, Tally};
use tongmai_surveillance::series::Series;

const WEEKS: usize = 49;

#[test]
fn beats_the_best_single_method_of_r() {
    let Some(path) = tongmai_testkit::data("surveillance/inputs/noufaily42x24.csv.gz") else { return };
    let text = tongmai_testkit::read_text(&path);
    let rows: Vec<Vec<&str>> = text.lines().skip(1).map(|line| line.split(',').collect()).collect();
    let mut tally = Tally::default();
    for series in rows.chunk_by(|a, b| a[..2] == b[..2]).step_by(6) {
        let number = |row: &[&str], column: usize| row[column].parse::<f64>().expect("a number");
        let observed: Vec<f64> = series.iter().map(|row| number(row, 5)).collect();
        let first = observed.len() - WEEKS;
        let method =
            Combined { range: Some((first + 1, observed.len())), refit_every: 7, ..Combined::default() };
        let points = method.detect(&Series { observed, frequency: 52, ..Series::default() });
        tally.add(&Judged {
            alarms: points.iter().map(|point| point.alarm == Some(true)).collect(),
            outbreak: series[first..].iter().map(|row| number(row, 7)).collect(),
        });
    }
    assert_eq!(tally.series, 168);
    // R's best at such a rate, Farrington Flexible: sensitivity .19, detection .43, predictive value .53.
    assert!(tally.false_positive_rate() < 0.012, "{tally:?}");
    assert!(tally.sensitivity() > 0.30, "{tally:?}");
    assert!(tally.probability_of_detection() > 0.48, "{tally:?}");
    assert!(tally.positive_predictive_value() > 0.60, "{tally:?}");
}
