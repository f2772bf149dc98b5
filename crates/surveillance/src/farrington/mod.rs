//! Farrington's regression on the same weeks of former years: the method of
//! 1996 and the flexible one of Noufaily et al. (Statistics in Medicine
//! 2013;32:1206), as R `surveillance` 1.20.3 computes them.

pub mod classic;
pub mod flexible;
mod reference;

pub use classic::Classic;
pub use flexible::{Flexible, ThresholdMethod};

use crate::special::{normal_cdf, normal_quantile};
use serde::Deserialize;

/// Power to which counts are raised so that they are nearly symmetric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum PowerTransform {
    /// No power.
    #[serde(rename = "none")]
    None,
    /// Square root.
    #[serde(rename = "1/2")]
    Half,
    /// Power two thirds.
    #[serde(rename = "2/3")]
    TwoThirds,
}

/// Bounds of the predictive distribution on the power scale.
struct NormalBounds {
    upper: f64,
    /// Probability of a count at least as large.
    pvalue: f64,
}

impl PowerTransform {
    /// Upper bound at `z` standard deviations and the upper tail of `y`, for a
    /// predicted `mean` with standard error `error` (Farrington 1996, section 3.7).
    fn bounds(self, mean: f64, error: f64, phi: f64, z: f64, y: f64) -> NormalBounds {
        let tau = phi + error * error / mean;
        let (exponent, spread) = match self {
            PowerTransform::None => (1.0, (mean * tau).sqrt()),
            PowerTransform::Half => (0.5, (0.25 * tau).sqrt()),
            PowerTransform::TwoThirds => (2.0 / 3.0, (4.0 / 9.0 * mean.cbrt() * tau).sqrt()),
        };
        let centre = mean.powf(exponent);
        let upper = (centre + z * spread).powf(1.0 / exponent);
        NormalBounds { upper, pvalue: normal_cdf((centre - y.powf(exponent)) / spread) }
    }
}

/// Minimum number of cases and the number of points in which they must lie.
pub type RecentCases = [f64; 2];

/// Cases in the last points up to `k` (index from 0); `NaN` when one is missing.
fn recent_cases(observed: &[f64], k: usize, points: f64) -> f64 {
    let points = (points as usize).clamp(1, k + 1);
    observed[k + 1 - points..=k].iter().sum()
}

fn upper_quantile(alpha: f64) -> f64 {
    normal_quantile(1.0 - alpha)
}
