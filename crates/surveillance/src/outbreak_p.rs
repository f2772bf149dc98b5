//! OutbreakP: likelihood ratio of a rising against a constant mean
//! (Frisén, Andersson and Schiöler, Statistics in Medicine 2009;28:1321).

use crate::series::{Point, Reason, Series};
use serde::Deserialize;

/// What is returned as `upperbound`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Returned {
    /// The statistic, multiplied out as R does it; with large counts the
    /// product loses itself in 0 · ∞, and the point has no answer.
    Value,
    /// Its natural logarithm, which always has one.
    Log,
}

/// Parameters, named as in R's `algo.outbreakP`.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OutbreakP {
    /// What is returned.
    pub ret: Returned,
    /// First and last point to test, from 1.
    pub range: Option<(usize, usize)>,
    /// Alarm above this value of the statistic.
    pub k: f64,
}

impl Default for OutbreakP {
    /// R's default threshold.
    fn default() -> Self {
        OutbreakP { ret: Returned::Value, range: None, k: 100.0 }
    }
}

/// Stretch of points with one mean in the rising fit.
struct Plateau {
    sum: f64,
    length: f64,
}

impl OutbreakP {
    /// Tests every point of the range, each against everything before it.
    pub fn detect(&self, series: &Series) -> Vec<Point> {
        let n = series.observed.len();
        let (first, last) = self.range.unwrap_or((1, n));
        let mut plateaus: Vec<Plateau> = Vec::new();
        let (mut mean, mut known) = (0.0, 0.0);
        let mut points = Vec::new();
        for t in 1..=last.min(n) {
            let y = series.observed[t - 1];
            if y.is_nan() {
                if t >= first {
                    points.push(Point::without(t, Reason::NoObservation));
                }
                continue;
            }
            known += 1.0;
            mean += (y - mean) / known;
            add_rising(&mut plateaus, y);
            if t >= first {
                points.push(self.judge(&series.observed[..t], &plateaus, mean));
            }
        }
        points
    }

    fn judge(&self, observed: &[f64], plateaus: &[Plateau], mean: f64) -> Point {
        let t = observed.len();
        if self.ret == Returned::Log {
            let terms =
                plateaus.iter().filter(|p| p.sum > 0.0).map(|p| p.sum * (p.sum / p.length / mean).ln());
            let logarithm: f64 = terms.sum();
            return Point::judged(t, logarithm, logarithm > self.k.ln());
        }
        let mut counts = observed.iter().filter(|y| !y.is_nan());
        let mut statistic = 1.0;
        for plateau in plateaus {
            let fitted = plateau.sum / plateau.length;
            let ratio = if fitted == 0.0 && mean == 0.0 { 1.0 } else { fitted / mean };
            for y in counts.by_ref().take(plateau.length as usize) {
                statistic *= ratio.powf(*y);
            }
        }
        if statistic.is_nan() {
            return Point::without(t, Reason::NoThreshold);
        }
        Point::judged(t, statistic, statistic > self.k)
    }
}

/// Adds a value to the rising fit, merging stretches that would fall.
fn add_rising(plateaus: &mut Vec<Plateau>, y: f64) {
    let mut last = Plateau { sum: y, length: 1.0 };
    while let Some(before) = plateaus.pop_if(|p| last.sum / last.length <= p.sum / p.length) {
        last.sum += before.sum;
        last.length += before.length;
    }
    plateaus.push(last);
}
