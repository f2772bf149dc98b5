//! EARS C1, C2 and C3 (Fricker, Hegler and Dunfee, Statistics in Medicine
//! 2008;27:3407), as R `surveillance::earsC` computes them, and the modified C2
//! of Tokars et al. (Emerg Infect Dis 2009;15:533).

use crate::series::{Point, Reason, Series};
use crate::special::{normal_cdf, normal_quantile};
use serde::Deserialize;

/// Which baseline and statistic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum Method {
    /// Baseline ends the point before.
    C1,
    /// Baseline ends three points before.
    C2,
    /// C2 with what the two points before exceeded added on.
    C3,
}

/// Parameters, named as in R's `earsC`.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Ears {
    /// First and last point to test, from 1.
    pub range: Option<(usize, usize)>,
    /// Statistic.
    pub method: Method,
    /// Length of the baseline in points, at least 3.
    pub baseline: usize,
    /// Level; 0.001 for C1 and C2, 0.025 for C3 when absent.
    pub alpha: Option<f64>,
    /// Least standard deviation.
    pub min_sigma: f64,
}

impl Default for Ears {
    /// R's defaults.
    fn default() -> Self {
        Ears { range: None, method: Method::C1, baseline: 7, alpha: None, min_sigma: 0.0 }
    }
}

impl Ears {
    /// C2 with a standard deviation of at least one and a baseline of 28 days,
    /// which raises sensitivity at the same alert rate (Tokars 2009, W2 without its weekday split).
    pub fn modified_c2(alpha: f64) -> Self {
        Ears { method: Method::C2, baseline: 28, alpha: Some(alpha), min_sigma: 1.0, ..Ears::default() }
    }

    /// Points needed before the tested one.
    pub fn reach(&self) -> usize {
        self.baseline
            + match self.method {
                Method::C1 => 0,
                Method::C2 => 2,
                Method::C3 => 4,
            }
    }

    fn threshold(&self) -> f64 {
        let default = if self.method == Method::C3 { 0.025 } else { 0.001 };
        normal_quantile(1.0 - self.alpha.unwrap_or(default))
    }

    /// Tests every point of the range.
    pub fn detect(&self, series: &Series) -> Vec<Point> {
        let n = series.observed.len();
        let (first, last) = self.range.unwrap_or((self.reach() + 1, n));
        let z = self.threshold();
        (first.max(1)..=last.min(n)).map(|t| self.test(&series.observed, t - 1, z)).collect()
    }

    fn test(&self, observed: &[f64], index: usize, z: f64) -> Point {
        let t = index + 1;
        let y = observed[index];
        if y.is_nan() {
            return Point::without(t, Reason::NoObservation);
        }
        if index < self.reach() || self.baseline < 2 {
            return Point::without(t, Reason::TooLittleHistory);
        }
        let lag = if self.method == Method::C1 { 0 } else { 2 };
        let Some((mean, sigma)) = self.baseline_at(observed, index - lag) else {
            return Point::without(t, Reason::MissingBaseline);
        };
        let upper = if self.method == Method::C3 {
            let excess = |before: usize| {
                let (mean, sigma) = self.baseline_at(observed, index - before - lag)?;
                let c2 = (observed[index - before] - mean) / sigma;
                // As R's pmax: a 0/0 stays unknown.
                Some(if c2.is_nan() { c2 } else { (c2 - 1.0).max(0.0) })
            };
            let (Some(two), Some(one)) = (excess(2), excess(1)) else {
                return Point::without(t, Reason::MissingBaseline);
            };
            let bound = y + sigma * (z - (two + one));
            if bound.is_nan() { bound } else { bound.max(0.0) }
        } else {
            mean + z * sigma
        };
        if upper.is_nan() {
            return Point::without(t, Reason::NoVariation);
        }
        Point {
            expected: mean,
            score: (y - mean) / (upper - mean),
            pvalue: normal_cdf((mean - y) / sigma),
            ..Point::judged(t, upper, y > upper)
        }
    }

    /// Mean and standard deviation (at least `min_sigma`) of the points before `end`.
    fn baseline_at(&self, observed: &[f64], end: usize) -> Option<(f64, f64)> {
        let window = &observed[end - self.baseline..end];
        let mean = window.iter().sum::<f64>() / window.len() as f64;
        let squares: f64 = window.iter().map(|y| (y - mean) * (y - mean)).sum();
        let sigma = (squares / (window.len() as f64 - 1.0)).sqrt().max(self.min_sigma);
        (!mean.is_nan()).then_some((mean, sigma))
    }
}
