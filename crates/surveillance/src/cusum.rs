//! Cumulative sums of standardised counts, as R `surveillance::algo.cusum`
//! (Rossi, Lampugnani and Marchi, Statistics in Medicine 1999;18:2111).

use crate::regression::{Errors, Season};
use crate::series::{Point, Reason, Series, last_half_year};
use serde::Deserialize;

/// How counts are made nearly normal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Transform {
    /// `(x − m) / √m`.
    Standard,
    /// Rossi's, the mean of the standardised count and twice the root difference.
    Rossi,
    /// Anscombe's residual.
    Anscombe,
    /// Anscombe's residual with a second-order mean.
    Anscombe2nd,
    /// Pearson residual of the negative binomial.
    PearsonNegBin,
    /// The count as it is.
    None,
}

/// Expected count.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum Expected {
    /// A fixed value.
    Value(f64),
    /// `"glm"`: a seasonal Poisson regression on what came before the range.
    Model(String),
}

/// Parameters, named as in R's `algo.cusum`. The points before `range` are the
/// training data, so that the range matters: the last half year when absent.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Cusum {
    /// First and last monitored point, from 1.
    pub range: Option<(usize, usize)>,
    /// Reference value.
    pub k: f64,
    /// Decision limit.
    pub h: f64,
    /// Expected count; the mean of the training data when absent.
    pub m: Option<Expected>,
    /// Transformation.
    pub trans: Transform,
    /// Overdispersion of the negative binomial transformations.
    pub alpha: Option<f64>,
}

impl Default for Cusum {
    /// R's defaults.
    fn default() -> Self {
        Cusum { range: None, k: 1.04, h: 2.26, m: None, trans: Transform::Standard, alpha: None }
    }
}

impl Cusum {
    /// Monitors the range.
    pub fn detect(&self, series: &Series) -> Vec<Point> {
        let n = series.observed.len();
        let (first, last) = self.range.unwrap_or_else(|| last_half_year(series));
        let (first, last) = (first.max(1), last.min(n));
        let expected = match self.expected(series, first, last) {
            Ok(expected) => expected,
            Err(reason) => return (first..=last).map(|t| Point::without(t, reason)).collect(),
        };
        let mut sum = 0.0_f64;
        (first..=last)
            .zip(expected)
            .map(|(t, m)| {
                let x = series.observed[t - 1];
                if x.is_nan() {
                    // The sum waits for the next known count.
                    return Point::without(t, Reason::NoObservation);
                }
                let before = sum;
                sum = (before + self.standardise(x, m) - self.k).max(0.0);
                let bound = self.bound(m, before, sum);
                let upper = if bound.is_nan() { 0.0 } else { bound.max(0.0) };
                Point { expected: m, score: sum / self.h, ..Point::judged(t, upper, sum >= self.h) }
            })
            .collect()
    }

    /// Expected count of every monitored point.
    fn expected(&self, series: &Series, first: usize, last: usize) -> Result<Vec<f64>, Reason> {
        let count = (last + 1).saturating_sub(first);
        let training = &series.observed[..first - 1];
        match &self.m {
            Some(Expected::Value(m)) => Ok(vec![*m; count]),
            None => {
                let known: Vec<f64> = training.iter().copied().filter(|y| !y.is_nan()).collect();
                let mean = known.iter().sum::<f64>() / known.len() as f64;
                if known.is_empty() {
                    return Err(Reason::TooLittleHistory);
                }
                if mean == 0.0 {
                    return Err(Reason::NoVariation);
                }
                Ok(vec![mean; count])
            }
            Some(Expected::Model(_)) => {
                let season = Season { period: series.frequency as f64, harmonics: 1, trend: false };
                let time = |index: usize| (series.start_period + index) as f64;
                season
                    .fit_and_predict(
                        (0..first - 1).map(time),
                        training,
                        Errors::Poisson,
                        (first - 1..last).map(time),
                    )
                    .ok_or(Reason::NoConvergence)
            }
        }
    }

    fn standardise(&self, x: f64, m: f64) -> f64 {
        let alpha = self.alpha.unwrap_or(0.1);
        match self.trans {
            Transform::Standard => (x - m) / m.sqrt(),
            Transform::Rossi => (x - 3.0 * m + 2.0 * (x * m).sqrt()) / (2.0 * m.sqrt()),
            Transform::Anscombe => 1.5 * (two_thirds(x) - two_thirds(m)) / sixth(m),
            Transform::Anscombe2nd => {
                (two_thirds(x) - (two_thirds(m) - 1.0 / (9.0 * m.cbrt()))) / (2.0 / 3.0 * sixth(m))
            }
            Transform::PearsonNegBin => (x - m) / (m + alpha * m * m).sqrt(),
            Transform::None => x,
        }
    }

    /// Count at which the sum would reach the limit, by each transformation's inverse.
    fn bound(&self, m: f64, before: f64, after: f64) -> f64 {
        let alpha = self.alpha.unwrap_or(0.1);
        let room = self.h + self.k - before;
        let root = m.sqrt();
        match self.trans {
            Transform::Standard => (root * room + m).ceil(),
            Transform::Rossi => {
                2.0 * room * root + 5.0 * m - 2.0 * (4.0 * m * m + 2.0 * m * root * room).sqrt()
            }
            Transform::Anscombe => (2.0 / 3.0 * sixth(m) * room + two_thirds(m)).max(0.0).powf(1.5),
            Transform::Anscombe2nd => {
                (2.0 / 3.0 * sixth(m) * room + two_thirds(m) - m.cbrt() / 9.0).max(0.0).powf(1.5)
            }
            Transform::PearsonNegBin => (m + alpha * m * m).sqrt() * room + m,
            Transform::None => self.h - after,
        }
    }
}

fn two_thirds(x: f64) -> f64 {
    (x * x).cbrt()
}

fn sixth(x: f64) -> f64 {
    x.sqrt().cbrt()
}
