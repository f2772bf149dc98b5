//! How many cases of the last days will have been reported in the end: Lawless
//! (Canadian J Statistics 1994;22:15), as R `surveillance::nowcast` computes it.

use crate::special::normal_cdf;

/// How the number is predicted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// From the distribution of reporting delays.
    Lawless,
    /// Every number up to the largest alike; a yardstick.
    Uniform,
}

/// Parameters, days throughout.
#[derive(Debug, Clone, Copy)]
pub struct Nowcast {
    /// Method.
    pub method: Method,
    /// Longest delay; longer ones are counted as this one.
    pub longest_delay: usize,
    /// Days of onset used for the delays, back from now; all when absent.
    pub window: Option<usize>,
    /// Largest number of cases a day that is thought of.
    pub largest: usize,
    /// Level of the prediction interval.
    pub alpha: f64,
    /// Take in the variance of the estimated delays too. R leaves it out: a line
    /// that begins with `+` ends the statement before it.
    pub delay_uncertainty: bool,
}

impl Default for Nowcast {
    fn default() -> Self {
        Nowcast {
            method: Method::Lawless,
            longest_delay: 15,
            window: None,
            largest: 300,
            alpha: 0.05,
            delay_uncertainty: false,
        }
    }
}

/// Prediction for one day of onset.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prediction {
    /// Day since 1970-01-01.
    pub day: i64,
    /// Cases reported so far.
    pub observed: usize,
    /// Median of the final number.
    pub median: usize,
    /// Lower end of the prediction interval.
    pub lower: usize,
    /// Upper end of the prediction interval.
    pub upper: usize,
}

/// What is known of delays: cases by day of onset and delay, and the reverse
/// hazards with the numbers they rest on.
struct Delays {
    /// Cases reported by now, by day of onset.
    reported: Vec<f64>,
    /// P(delay = x | delay ≤ x).
    hazard: Vec<f64>,
    at_risk: Vec<f64>,
}

impl Nowcast {
    /// Predicts every day from `first` to `now`. `cases` are pairs of the days
    /// of onset and of report; what was reported after `now` is not looked at.
    pub fn predict(&self, cases: &[(i64, i64)], first: i64, now: i64) -> Result<Vec<Prediction>, String> {
        let last = now - first;
        if last < self.longest_delay as i64 {
            return Err("the days before now do not span the longest delay".into());
        }
        if last > 36_600 {
            return Err("more than a hundred years of days".into());
        }
        let delays = self.delays(cases, first, now);
        Ok((0..=last as usize)
            .map(|t| {
                let observed = delays.reported[t] as usize;
                let distribution = match self.method {
                    Method::Lawless => self.lawless(&delays, t, last as usize),
                    Method::Uniform => self.uniform(observed),
                };
                let at = |p: f64| distribution.iter().position(|c| *c > p).unwrap_or(self.largest);
                Prediction {
                    day: first + t as i64,
                    observed,
                    median: at(0.5),
                    lower: at(self.alpha / 2.0),
                    upper: at(1.0 - self.alpha / 2.0),
                }
            })
            .collect())
    }

    fn delays(&self, cases: &[(i64, i64)], first: i64, now: i64) -> Delays {
        let (longest, days) = (self.longest_delay, (now - first) as usize + 1);
        let mut triangle = vec![vec![0.0; longest + 1]; days];
        for &(onset, report) in cases {
            if onset < first || report > now || report < onset {
                continue;
            }
            triangle[(onset - first) as usize][((report - onset) as usize).min(longest)] += 1.0;
        }
        let oldest = self.window.map_or(0, |window| (days - 1).saturating_sub(window));
        let mut hazard = vec![0.0; longest + 1];
        let mut at_risk = vec![0.0; longest + 1];
        for delay in 0..=longest {
            let rows = &triangle[oldest.min(days - delay)..days - delay];
            let exact: f64 = rows.iter().map(|row| row[delay]).sum();
            at_risk[delay] = rows.iter().map(|row| row[..=delay].iter().sum::<f64>()).sum();
            hazard[delay] = if at_risk[delay] > 0.0 { exact / at_risk[delay] } else { 0.0 };
        }
        hazard[0] = 1.0;
        Delays { reported: triangle.iter().map(|row| row.iter().sum()).collect(), hazard, at_risk }
    }

    /// Running sum over 0, 1, … of a normal approximation cut at the reported number.
    fn lawless(&self, delays: &Delays, t: usize, last: usize) -> Vec<f64> {
        let age = last - t;
        let later = (age + 1).min(self.longest_delay + 1)..=self.longest_delay;
        let share: f64 = later.clone().map(|x| 1.0 - delays.hazard[x]).product();
        let reported = delays.reported[t];
        let mean = reported / share;
        let mut variance = reported * (1.0 - share) / (share * share);
        if self.delay_uncertainty {
            let spread: f64 = later
                .map(|x| delays.hazard[x] / (delays.at_risk[x] * (1.0 - delays.hazard[x])))
                .filter(|v| v.is_finite())
                .sum();
            variance += reported * (reported + 1.0) / (share * share) * spread;
        }
        if variance.is_nan() || variance <= 0.0 {
            return (0..=self.largest).map(|n| f64::from(u8::from(n as f64 >= mean))).collect();
        }
        let sd = variance.sqrt();
        let cut = 1.0 - normal_cdf((reported - mean) / sd);
        (0..=self.largest)
            .map(|n| {
                let n = n as f64;
                if n < reported { 0.0 } else { normal_cdf((n - mean) / sd) / cut }
            })
            .collect()
    }

    fn uniform(&self, observed: usize) -> Vec<f64> {
        let values = self.largest.saturating_sub(observed) as f64 + 1.0;
        (0..=self.largest)
            .map(|n| if n < observed { 0.0 } else { (n - observed) as f64 + 1.0 })
            .map(|count| count / values)
            .collect()
    }
}
