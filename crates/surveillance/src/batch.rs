//! Many series at once, on all cores: the nightly run over every county and
//! disease, and the daily one over every stratum.

use crate::farrington::Flexible;
use crate::farrington::flexible::Workspace;
use crate::series::{Point, Reason, Series};
use crate::special::normal_quantile;
use rayon::prelude::*;

/// Tests the last point of every series by Farrington Flexible. Where too few
/// cases came lately for an alarm (`limit54`) and `prune` is set, the model is
/// not fitted: the answer is the same, without the model's columns.
pub fn farrington_flexible(series: &[Series], method: &Flexible, prune: bool) -> Vec<Point> {
    series
        .par_iter()
        .map_init(Workspace::default, |workspace, series| {
            let n = series.observed.len();
            if n == 0 {
                return Point::without(0, Reason::NoObservation);
            }
            let recent = n.saturating_sub(method.limit54[1] as usize);
            let cases: f64 = series.observed[recent..].iter().sum();
            if prune && cases < method.limit54[0] {
                return Point { alarm: Some(false), ..Point::without(n, Reason::TooFewRecentCases) };
            }
            method.test(series, n - 1, workspace)
        })
        .collect()
}

/// What the daily run looks at in every stratum.
#[derive(Debug, Clone, Copy)]
pub struct Daily {
    /// EARS level of C1 and C2.
    pub alpha: f64,
    /// Level of C3.
    pub alpha_c3: f64,
    /// Least standard deviation.
    pub min_sigma: f64,
    /// Overdispersion α of the negative binomial CUSUM.
    pub overdispersion: f64,
    /// Factor by which an outbreak multiplies the mean.
    pub shift: f64,
    /// The CUSUM alarms at this value.
    pub limit: f64,
    /// Percentile of the moving percentile.
    pub percentile: f64,
}

impl Default for Daily {
    fn default() -> Self {
        Daily {
            alpha: 0.001,
            alpha_c3: 0.025,
            min_sigma: 1.0,
            overdispersion: 0.2,
            shift: 2.0,
            limit: 4.0,
            percentile: 0.9,
        }
    }
}

/// Days of the rows that [`daily`] reads: the longest of C3's reach and the
/// training of the CUSUM.
pub const DAILY_HISTORY: usize = 56;
/// Values of the moving percentile: five weeks in each of five years.
pub const PERCENTILE_VALUES: usize = 25;

/// Which methods alarm in a stratum.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DailyAlarms(pub u8);

impl DailyAlarms {
    /// EARS C1.
    pub const C1: u8 = 1;
    /// EARS C2.
    pub const C2: u8 = 2;
    /// EARS C3.
    pub const C3: u8 = 4;
    /// Negative binomial CUSUM.
    pub const CUSUM: u8 = 8;
    /// Moving percentile.
    pub const PERCENTILE: u8 = 16;
}

/// Judges the last day of every stratum. `counts` holds [`DAILY_HISTORY`] days
/// and today for each stratum, `former` its [`PERCENTILE_VALUES`] sums of seven
/// days of former years. A stratum without any case is passed over at once.
pub fn daily(counts: &[u8], former: &[u16], parameters: &Daily) -> Vec<DailyAlarms> {
    let z = normal_quantile(1.0 - parameters.alpha);
    let z_c3 = normal_quantile(1.0 - parameters.alpha_c3);
    let chart = NegativeBinomialChart::new(parameters);
    counts
        .par_chunks(DAILY_HISTORY + 1)
        .zip(former.par_chunks(PERCENTILE_VALUES))
        .with_min_len(4_096)
        .map(|(days, former)| {
            let mut alarms = 0;
            if days.iter().all(|d| *d == 0) {
                return DailyAlarms(0);
            }
            alarms |= ears(days, z, z_c3, parameters.min_sigma);
            if chart.alarms(days) {
                alarms |= DailyAlarms::CUSUM;
            }
            let week: u16 = days[days.len() - 7..].iter().map(|d| u16::from(*d)).sum();
            if week > 0 && f64::from(week) >= percentile(former, parameters.percentile) {
                alarms |= DailyAlarms::PERCENTILE;
            }
            DailyAlarms(alarms)
        })
        .collect()
}

/// EARS on whole counts: sums and sums of squares of seven days.
fn ears(days: &[u8], z: f64, z_c3: f64, min_sigma: f64) -> u8 {
    let today = days.len() - 1;
    let baseline = |end: usize| {
        let (mut sum, mut squares) = (0u32, 0u32);
        for day in &days[end - 7..end] {
            sum += u32::from(*day);
            squares += u32::from(*day) * u32::from(*day);
        }
        let mean = f64::from(sum) / 7.0;
        let variance = (f64::from(squares) - mean * f64::from(sum)).max(0.0) / 6.0;
        (mean, variance.sqrt().max(min_sigma))
    };
    let y = f64::from(days[today]);
    let (mean, sigma) = baseline(today);
    let mut alarms = u8::from(y > mean + z * sigma) * DailyAlarms::C1;
    let (mean, sigma) = baseline(today - 2);
    alarms |= u8::from(y > mean + z * sigma) * DailyAlarms::C2;
    let excess = |before: usize| {
        let (mean, sigma) = baseline(today - before - 2);
        ((f64::from(days[today - before]) - mean) / sigma - 1.0).max(0.0)
    };
    // R's bound of C3 is y + σ (z − excess of the two days before), cut at zero.
    let bound = (y + sigma * (z_c3 - excess(1) - excess(2))).max(0.0);
    alarms | (u8::from(y > bound) * DailyAlarms::C3)
}

fn percentile(former: &[u16], p: f64) -> f64 {
    let mut sorted = [0u16; PERCENTILE_VALUES];
    sorted.copy_from_slice(former);
    sorted.sort_unstable();
    let position = p * (PERCENTILE_VALUES - 1) as f64;
    let below = position as usize;
    let above = (below + 1).min(PERCENTILE_VALUES - 1);
    let (low, high) = (f64::from(sorted[below]), f64::from(sorted[above]));
    low + (position - below as f64) * (high - low)
}

/// CUSUM of the likelihood ratio of a multiplied mean (Höhle and Paul 2008).
struct NegativeBinomialChart {
    parameters: Daily,
}

impl NegativeBinomialChart {
    fn new(parameters: &Daily) -> Self {
        NegativeBinomialChart { parameters: *parameters }
    }

    /// Trains on the first four weeks and runs over the rest.
    fn alarms(&self, days: &[u8]) -> bool {
        let (training, watched) = days.split_at(DAILY_HISTORY / 2);
        let cases: u32 = training.iter().map(|d| u32::from(*d)).sum();
        let mean = (f64::from(cases) + 0.5) / training.len() as f64;
        let Daily { overdispersion: alpha, shift, limit, .. } = self.parameters;
        let ratio = ((1.0 + alpha * mean) / (1.0 + alpha * mean * shift)).ln();
        let (gain, loss) = (shift.ln() + ratio, -ratio / alpha);
        let mut sum = 0.0_f64;
        for day in watched {
            sum = (sum + gain * f64::from(*day) - loss).max(0.0);
        }
        sum > limit
    }
}
