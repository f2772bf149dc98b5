//! The combined method on the 1,008 simulated series: measures over a range of
//! alarm thresholds. `cargo run --release -p tongmai-surveillance --example simulated_outbreaks`

use rayon::prelude::*;
use tongmai_surveillance::combined::Combined;
use tongmai_surveillance::evaluate::{Judged, Tally};
use tongmai_surveillance::series::Series;

/// Counts and outbreak cases of one series.
type Simulated = (Vec<f64>, Vec<f64>);

fn read(text: &str) -> Vec<Simulated> {
    let mut all: Vec<(String, Simulated)> = Vec::new();
    for line in text.lines().skip(1) {
        let cells: Vec<&str> = line.split(',').collect();
        let key = format!("{}/{}", cells[0], cells[1]);
        if all.last().is_none_or(|(last, _)| *last != key) {
            all.push((key, Simulated::default()));
        }
        if let Some((_, (counts, outbreak))) = all.last_mut() {
            counts.push(cells[5].parse().unwrap_or(f64::NAN));
            outbreak.push(cells[7].parse().unwrap_or(0.0));
        }
    }
    all.into_iter().map(|(_, series)| series).collect()
}

fn main() {
    let Some(path) = tongmai_testkit::data("surveillance/inputs/noufaily42x24.csv.gz") else { return };
    let simulated = read(&tongmai_testkit::read_text(&path));
    let started = std::time::Instant::now();
    let weeks = 49;
    let results: Vec<_> = simulated
        .par_iter()
        .map(|(counts, outbreak)| {
            let n = counts.len();
            let series = Series { observed: counts.clone(), frequency: 52, ..Series::default() };
            let method = Combined { range: Some((n - weeks + 1, n)), ..Combined::default() };
            (method.detect(&series), outbreak[n - weeks..].to_vec())
        })
        .collect();
    println!("{} series in {:.1} s", results.len(), started.elapsed().as_secs_f64());
    println!("threshold    FPR   sens    POD  POD1w    PPV  delay");
    for threshold in [0.15, 0.2, 0.225, 0.25, 0.3, 0.4, 0.5] {
        let mut tally = Tally::default();
        for (points, outbreak) in &results {
            let alarms = points.iter().map(|p| p.score >= threshold && p.alarm.is_some()).collect();
            tally.add(&Judged { alarms, outbreak: outbreak.clone() });
        }
        println!(
            "{threshold:9.2} {:.4} {:.4} {:.4} {:.4} {:.4} {:.2}",
            tally.false_positive_rate(),
            tally.sensitivity(),
            tally.probability_of_detection(),
            tally.detected_at_once(),
            tally.positive_predictive_value(),
            tally.mean_delay()
        );
    }
}
