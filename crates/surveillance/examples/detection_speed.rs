//! Speed of the batches, and of R beside them where it is installed (Debian `r-cran-surveillance`).
//! `cargo run --release -p tongmai-surveillance --example detection_speed`

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Instant;

use tongmai_surveillance::batch::{DAILY_HISTORY, Daily, PERCENTILE_VALUES, daily, farrington_flexible};
use tongmai_surveillance::farrington::Flexible;
use tongmai_surveillance::satscan::Parameters;
use tongmai_surveillance::series::{Point, Series};

/// Counties times diseases.
const SERIES: usize = 2_978 * 42;
const WEEKS: usize = 313;
const STRATA: usize = 2_500_000;
/// Series that R looks at: it takes a minute for ten thousand.
const R_SERIES: usize = 3_000;

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

/// The last week of some series through R's `farringtonFlexible`: its time a series, and whether its alarms are
/// ours. Without R nothing is said.
fn beside_r(series: &[Series], ours: &[Point]) {
    const SCRIPT: &str = "suppressPackageStartupMessages(library(surveillance)); \
        d <- t(as.matrix(read.csv('stdin', header = FALSE))); \
        s <- sts(observed = d, frequency = 52, start = c(2015, 1)); \
        c <- list(range = nrow(d), b = 5, w = 3, noPeriods = 10, pastWeeksNotIncluded = 26, \
          pThresholdTrend = 1, thresholdMethod = 'nbPlugin', alpha = 0.01, weightsThreshold = 2.58, verbose = FALSE); \
        t <- system.time(r <- suppressWarnings(farringtonFlexible(s, c)))[3]; \
        cat(t, as.integer(alarms(r)[1, ]))";
    let rscript =
        Command::new("Rscript").args(["-e", SCRIPT]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let Ok(mut rscript) = rscript else { return };
    let rows: Vec<String> = series
        .iter()
        .map(|one| one.observed.iter().map(f64::to_string).collect::<Vec<_>>().join(","))
        .collect();
    if let Some(mut input) = rscript.stdin.take() {
        // R reads all before it answers; when it does not read, its answer says so.
        let _ = input.write_all(rows.join("\n").as_bytes());
    }
    let Ok(answer) = rscript.wait_with_output() else { return };
    let text = String::from_utf8_lossy(&answer.stdout);
    let numbers: Vec<f64> = text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let Some((seconds, alarms)) = numbers.split_first().filter(|(_, alarms)| alarms.len() == ours.len())
    else {
        return println!("  R gave no answer");
    };
    let differing = alarms
        .iter()
        .zip(ours)
        .filter(|(theirs, ours)| (**theirs > 0.0) != (ours.alarm == Some(true)))
        .count();
    println!(
        "  R's farringtonFlexible: {:.2} ms a series-week, {:.0} s for all; {differing} of {} alarms differ",
        seconds * 1e3 / series.len() as f64,
        seconds * SERIES as f64 / series.len() as f64,
        series.len()
    );
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
    beside_r(&all[..R_SERIES], &every[..R_SERIES]);
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
