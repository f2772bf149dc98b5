//! Speed of the batches. `cargo run --release -p tongmai-surveillance --example detection_speed`

use std::time::Instant;
use tongmai_surveillance::batch::{DAILY_HISTORY, Daily, PERCENTILE_VALUES, daily, farrington_flexible};
use tongmai_surveillance::farrington::Flexible;
use tongmai_surveillance::satscan::Parameters;
use tongmai_surveillance::series::Series;

/// Counties times diseases.
const SERIES: usize = 2_978 * 42;
const WEEKS: usize = 313;
const STRATA: usize = 2_500_000;

/// SplitMix64, so that every run sees the same counts.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

fn uniform(state: &mut u64) -> f64 {
    (next(state) >> 11) as f64 / (1u64 << 53) as f64
}

/// Poisson count by summing exponential gaps.
fn poisson(mean: f64, state: &mut u64) -> f64 {
    let (mut sum, mut count) = (-uniform(state).max(1e-300).ln(), 0.0);
    while sum < mean {
        sum -= uniform(state).max(1e-300).ln();
        count += 1.0;
    }
    count
}

fn seasonal_series(state: &mut u64, mean: f64) -> Series {
    let observed = (0..WEEKS)
        .map(|t| poisson(mean * (1.0 + 0.5 * (t as f64 * std::f64::consts::TAU / 52.0).sin()), state))
        .collect();
    Series { observed, frequency: 52, ..Series::default() }
}

fn processor_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = text.rsplit(')').next().unwrap_or("");
    let ticks: f64 =
        after_name.split_whitespace().skip(11).take(2).filter_map(|n| n.parse::<f64>().ok()).sum();
    ticks / 100.0
}

fn peak_memory_megabytes() -> f64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with("VmHWM")).unwrap_or("");
    line.split_whitespace().nth(1).and_then(|n| n.parse::<f64>().ok()).unwrap_or(f64::NAN) / 1024.0
}

fn measure<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let (started, cpu) = (Instant::now(), processor_seconds());
    let result = work();
    let (wall, cpu) = (started.elapsed().as_secs_f64(), processor_seconds() - cpu);
    println!("{what}: {wall:.2} s wall, {cpu:.2} s CPU, peak {:.0} MB", peak_memory_megabytes());
    result
}

fn main() {
    let mut state = 20_261_121;
    // The same counts several times over keep the bench's own memory small.
    let mut different: Vec<Series> = Vec::new();
    for i in 0..SERIES / 6 {
        let mean = [0.02, 0.1, 0.5, 2.0, 6.0, 20.0][i % 6];
        different.push(seasonal_series(&mut state, mean));
    }
    let all: Vec<Series> = (0..SERIES).map(|i| different[i % different.len()].clone()).collect();
    drop(different);
    let method = Flexible::noufaily(0.01);
    let every = measure("Farrington Flexible, 125,076 series, every model fitted", || {
        farrington_flexible(&all, &method, false)
    });
    let pruned = measure("Farrington Flexible, 125,076 series, limit54 first", || {
        farrington_flexible(&all, &method, true)
    });
    assert!(every.iter().zip(&pruned).all(|(a, b)| a.alarm == Some(true) || b.alarm != Some(true)));
    drop(all);

    let mut counts = vec![0u8; STRATA * (DAILY_HISTORY + 1)];
    for (i, days) in counts.chunks_mut(DAILY_HISTORY + 1).enumerate() {
        let mean = [0.0, 0.01, 0.05, 0.3, 1.0][i % 5];
        for day in days {
            *day = if mean == 0.0 { 0 } else { poisson(mean, &mut state) as u8 };
        }
    }
    let former: Vec<u16> = (0..STRATA * PERCENTILE_VALUES).map(|_| (next(&mut state) % 8) as u16).collect();
    let alarms =
        measure("EARS C1–C3, negative binomial CUSUM, moving percentile, 2.5 million strata", || {
            daily(&counts, &former, &Daily::default())
        });
    println!("  {} strata with an alarm", alarms.iter().filter(|a| a.0 > 0).count());
    drop((counts, former, alarms));

    let load = |name: &str| {
        tongmai_testkit::data(&format!("surveillance/satscan/{name}")).map(|p| tongmai_testkit::read_text(&p))
    };
    let (Some(prm), Some(cases), Some(places)) = (load("bench.prm"), load("bench.cas"), load("bench.geo"))
    else {
        return;
    };
    measure("scan of bench.prm, 999 replications, reading included", || {
        let study = Parameters::parse(&prm).study(&cases, &places, None, 1).expect("a study");
        study.run().expect("clusters")
    });
}
