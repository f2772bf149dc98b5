//! Methods that compare a point with a plain summary of former points: the
//! systems of the Robert Koch Institute (RKI), Bayes and CDC as in R
//! `surveillance`, the moving percentile of CIDARS 国家传染病自动预警系统, and a
//! fixed threshold.

use crate::counts::CountDistribution;
use crate::series::{Point, Reason, Series};
use crate::special::normal_quantile;
use serde::Deserialize;

/// Reference values of RKI and Bayes, named as in R.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Reference {
    /// First and last point to test, from 1.
    pub range: Option<(usize, usize)>,
    /// Years back.
    pub b: usize,
    /// Half width of the windows of former years; number of points of this year.
    pub w: usize,
    /// Take in the `w` points before this one.
    #[serde(rename = "actY")]
    pub act_y: bool,
    /// Level (Bayes only).
    pub alpha: f64,
}

impl Default for Reference {
    /// RKI 3 and Bayes 3.
    fn default() -> Self {
        Reference { range: None, b: 2, w: 4, act_y: false, alpha: 0.05 }
    }
}

/// Upper 95 % limits of a Poisson mean for 0 to 20 observed cases
/// (Crow and Gardner, Biometrika 1959;46:441).
const CROW_GARDNER_UPPER: [f64; 21] = [
    3.285, 5.323, 6.686, 8.102, 9.598, 11.177, 12.817, 13.765, 14.921, 16.768, 17.633, 19.050, 20.335,
    21.364, 22.945, 23.762, 25.400, 26.306, 27.735, 28.966, 30.017,
];

impl Reference {
    fn values(&self, series: &Series, index: usize) -> Result<Vec<f64>, Reason> {
        let y = &series.observed;
        let back = self.b * series.frequency + self.w;
        let start = index.checked_sub(back).ok_or(Reason::TooLittleHistory)?;
        let mut values = Vec::with_capacity(self.w + self.b * (2 * self.w + 1));
        if self.act_y {
            values.extend_from_slice(&y[index - self.w..index]);
        }
        for year in (1..=self.b).rev() {
            let first = start + (self.b - year) * series.frequency;
            // A window wider than a year would reach past the tested point.
            values.extend_from_slice(&y[first..(first + 2 * self.w + 1).min(index)]);
        }
        if values.is_empty() {
            return Err(Reason::TooLittleHistory);
        }
        if values.iter().any(|v| v.is_nan()) {
            return Err(Reason::MissingBaseline);
        }
        Ok(values)
    }

    fn each(&self, series: &Series, judge: impl Fn(usize, f64, &[f64]) -> Point) -> Vec<Point> {
        let n = series.observed.len();
        let (first, last) = self.range.unwrap_or((self.b * series.frequency + self.w + 1, n));
        (first.max(1)..=last.min(n))
            .map(|t| {
                let y = series.observed[t - 1];
                match self.values(series, t - 1) {
                    _ if y.is_nan() => Point::without(t, Reason::NoObservation),
                    Err(reason) => Point::without(t, reason),
                    Ok(values) => judge(t, y, &values),
                }
            })
            .collect()
    }

    /// RKI: mean plus two standard deviations above a mean of 20, else the
    /// tabulated upper limit of the Poisson mean.
    pub fn rki(&self, series: &Series) -> Vec<Point> {
        self.each(series, |t, y, values| {
            let (mean, sigma) = mean_and_sd(values);
            let upper = if mean > 20.0 { mean + 2.0 * sigma } else { CROW_GARDNER_UPPER[mean as usize] };
            Point { expected: mean, ..Point::judged(t, upper, y > upper) }
        })
    }

    /// Bayes: quantile of the negative binomial that predicts the next count
    /// after a Gamma(1/2, 0) prior (Riebler 2004, in Höhle 2007).
    pub fn bayes(&self, series: &Series) -> Vec<Point> {
        self.each(series, |t, y, values| {
            let n = values.len() as f64;
            let size = values.iter().sum::<f64>() + 0.5;
            let predictive = CountDistribution::NegativeBinomial { size, excess: 1.0 / n };
            let upper = predictive.quantile(1.0 - self.alpha);
            let pvalue = predictive.above(y - 1.0);
            Point { expected: size / n, pvalue, ..Point::judged(t, upper, y > upper) }
        })
    }
}

fn mean_and_sd(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|v| (v - mean) * (v - mean)).sum();
    (mean, (squares / (n - 1.0)).sqrt())
}

/// CDC: sums of four weeks against those of the same and the neighbouring
/// months of former years (Stroup et al., Statistics in Medicine 1989;8:323).
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Cdc {
    /// First and last point to test, from 1.
    pub range: Option<(usize, usize)>,
    /// Years back.
    pub b: usize,
    /// Months to either side.
    pub m: usize,
    /// Level of the two-sided prediction interval.
    pub alpha: f64,
}

impl Default for Cdc {
    /// R's defaults.
    fn default() -> Self {
        Cdc { range: None, b: 5, m: 1, alpha: 0.025 }
    }
}

impl Cdc {
    /// Tests every point of the range.
    pub fn detect(&self, series: &Series) -> Vec<Point> {
        let n = series.observed.len();
        let reach = self.b * series.frequency + self.m * 4 + 3;
        let (first, last) = self.range.unwrap_or((reach + 1, n));
        let z = normal_quantile(1.0 - self.alpha / 2.0);
        (first.max(1)..=last.min(n)).map(|t| self.test(series, t - 1, reach, z)).collect()
    }

    fn test(&self, series: &Series, index: usize, reach: usize, z: f64) -> Point {
        let (t, y) = (index + 1, &series.observed);
        if index < reach {
            return Point::without(t, Reason::TooLittleHistory);
        }
        let mut months = Vec::with_capacity(self.b * (2 * self.m + 1));
        for year in (1..=self.b).rev() {
            let first = index - year * series.frequency - self.m * 4 - 3;
            for month in 0..2 * self.m + 1 {
                months.push(y[first + 4 * month..first + 4 * month + 4].iter().sum());
            }
        }
        let (mean, sigma) = mean_and_sd(&months);
        let upper = mean + z * sigma * (1.0 + 1.0 / months.len() as f64).sqrt();
        let now: f64 = y[index - 3..=index].iter().sum();
        match (now.is_nan(), upper.is_nan()) {
            (true, _) => Point::without(t, Reason::NoObservation),
            (_, true) => Point::without(t, Reason::MissingBaseline),
            _ => Point { expected: mean, ..Point::judged(t, upper, now > upper) },
        }
    }
}

/// The percentiles that the command writes out.
pub const PERCENTILES: [f64; 8] = [0.50, 0.60, 0.70, 0.75, 0.80, 0.85, 0.90, 0.95];

/// Moving percentile of CIDARS: the count against a percentile of the counts
/// in the same five points of the former years (Yang et al., PLoS ONE
/// 2011;6:e24750; percentiles per disease in China CDC practice).
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MovingPercentile {
    /// First and last point to test, from 1.
    pub range: Option<(usize, usize)>,
    /// Years back, 3 or 5.
    pub years: usize,
    /// Half width of the window, in points.
    pub w: usize,
    /// Percentile, as a fraction.
    pub percentile: f64,
}

impl Default for MovingPercentile {
    fn default() -> Self {
        MovingPercentile { range: None, years: 3, w: 2, percentile: 0.9 }
    }
}

impl MovingPercentile {
    /// Sorted baseline of the point at `index`, from 0.
    pub fn baseline(&self, series: &Series, index: usize) -> Result<Vec<f64>, Reason> {
        let start =
            index.checked_sub(self.years * series.frequency + self.w).ok_or(Reason::TooLittleHistory)?;
        let mut values = Vec::with_capacity(self.years * (2 * self.w + 1));
        for year in 0..self.years {
            let first = start + year * series.frequency;
            values.extend_from_slice(&series.observed[first..(first + 2 * self.w + 1).min(index)]);
        }
        if values.iter().any(|v| v.is_nan()) || values.is_empty() {
            return Err(Reason::MissingBaseline);
        }
        values.sort_by(f64::total_cmp);
        Ok(values)
    }

    /// First and last point that can be tested.
    pub fn testable(&self, series: &Series) -> (usize, usize) {
        let n = series.observed.len();
        self.range.unwrap_or((self.years * series.frequency + self.w + 1, n))
    }

    /// Tests every point of the range: an alarm when the count reaches the
    /// percentile and is not zero.
    pub fn detect(&self, series: &Series) -> Vec<Point> {
        let (first, last) = self.testable(series);
        (first.max(1)..=last.min(series.observed.len()))
            .map(|t| {
                let y = series.observed[t - 1];
                match self.baseline(series, t - 1) {
                    _ if y.is_nan() => Point::without(t, Reason::NoObservation),
                    Err(reason) => Point::without(t, reason),
                    Ok(values) => {
                        let upper = quantile(&values, self.percentile);
                        Point::judged(t, upper, y > 0.0 && y >= upper)
                    }
                }
            })
            .collect()
    }
}

/// Quantile of sorted values by linear interpolation (R's type 7).
pub fn quantile(sorted: &[f64], p: f64) -> f64 {
    let position = p.clamp(0.0, 1.0) * (sorted.len() - 1) as f64;
    let below = position.floor() as usize;
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + (position - below as f64) * (sorted[above] - sorted[below])
}

/// A fixed number of cases in the last points, as for diseases of which a
/// single case is an event.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Fixed {
    /// Number of cases that alarms.
    pub cases: f64,
    /// Points over which cases are summed.
    pub points: usize,
}

impl Default for Fixed {
    fn default() -> Self {
        Fixed { cases: 1.0, points: 1 }
    }
}

impl Fixed {
    /// Tests every point.
    pub fn detect(&self, series: &Series) -> Vec<Point> {
        let width = self.points.max(1);
        (0..series.observed.len())
            .map(|index| {
                let window = &series.observed[(index + 1).saturating_sub(width)..=index];
                let known: f64 = window.iter().filter(|y| !y.is_nan()).sum();
                // Missing days cannot take an alarm back, but they forbid an all-clear.
                if known < self.cases && window.iter().any(|y| y.is_nan()) {
                    return Point::without(index + 1, Reason::NoObservation);
                }
                Point::judged(index + 1, self.cases, known >= self.cases)
            })
            .collect()
    }
}
