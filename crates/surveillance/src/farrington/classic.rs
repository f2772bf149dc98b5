//! The method of Farrington, Andrews, Beale and Catchpole (J R Stat Soc A
//! 1996;159:547).

use super::reference::window_years_before;
use super::{PowerTransform, RecentCases, recent_cases, upper_quantile};
use crate::glm::GroupedFit;
use crate::series::{Point, Reason, Series};
use crate::special::t_two_sided;
use serde::Deserialize;

/// Parameters, named as in R's `algo.farrington`.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Classic {
    /// First and last point to test, from 1; all that have a full baseline when absent.
    pub range: Option<(usize, usize)>,
    /// Years of history.
    pub b: usize,
    /// Half width of the window, in points.
    pub w: usize,
    /// Lessen the weight of former outbreaks.
    pub reweight: bool,
    /// Two-sided level of the prediction interval.
    pub alpha: f64,
    /// Try a time trend.
    pub trend: bool,
    /// At least so many cases in so many points.
    pub limit54: RecentCases,
    /// Power transformation.
    pub powertrans: PowerTransform,
}

impl Default for Classic {
    /// R's defaults.
    fn default() -> Self {
        Classic {
            range: None,
            b: 5,
            w: 3,
            reweight: true,
            alpha: 0.05,
            trend: true,
            limit54: [5.0, 4.0],
            powertrans: PowerTransform::TwoThirds,
        }
    }
}

/// A trend is kept below this p-value; R fixes it.
const TREND_LEVEL: f64 = 0.05;
/// R fixes the residual beyond which weights fall.
const WEIGHTS_THRESHOLD: f64 = 1.0;

impl Classic {
    /// Tests every point of the range.
    pub fn detect(&self, series: &Series) -> Vec<Point> {
        let n = series.observed.len();
        let first = series.frequency * self.b + self.w + 1;
        let (first, last) = self.range.unwrap_or((first, n));
        let mut fit = GroupedFit::default();
        (first.max(1)..=last.min(n)).map(|t| self.test(series, t - 1, &mut fit)).collect()
    }

    fn test(&self, series: &Series, index: usize, fit: &mut GroupedFit) -> Point {
        let t = index + 1;
        let y = series.observed[index];
        if y.is_nan() {
            return Point::without(t, Reason::NoObservation);
        }
        let baseline = (1..=self.b)
            .rev()
            .flat_map(|year| window_years_before(series, index, year, self.w))
            .flatten()
            .filter(|&i| i < index && !series.observed[i].is_nan())
            .map(|i| (series.observed[i], (i + 1) as f64, 0, 0.0));
        fit.load(baseline, 1, false);
        if fit.is_empty() {
            return Point::without(t, Reason::TooLittleHistory);
        }
        let Some((phi, trend)) = self.model(fit, t as f64) else {
            return Point::without(t, Reason::NoConvergence);
        };
        let (linear, error) = fit.predict(t as f64, 0, 0.0);
        let mean = linear.exp().max(f64::EPSILON);
        let z = upper_quantile(self.alpha / 2.0);
        let bounds = self.powertrans.bounds(mean, error * phi.sqrt() * mean, phi, z, y);
        let enough = recent_cases(&series.observed, index, self.limit54[1]) >= self.limit54[0];
        if enough && bounds.upper.is_nan() {
            return Point::without(t, Reason::NoThreshold);
        }
        let score = (y - mean) / (bounds.upper - mean);
        Point {
            t,
            upperbound: if enough { bounds.upper } else { 0.0 },
            alarm: Some(enough && score > 1.0),
            expected: mean,
            score: if enough { score } else { 0.0 },
            trend: f64::from(u8::from(trend)),
            pvalue: bounds.pvalue,
            mu0: mean,
            phi,
            reason: (!enough).then_some(Reason::TooFewRecentCases),
        }
    }

    /// Fits, with a trend when it is worth keeping: dispersion and trend.
    fn model(&self, fit: &mut GroupedFit, time: f64) -> Option<(f64, bool)> {
        let (phi, trend) = self.fit_once(fit, self.trend)?;
        if !trend {
            return Some((phi, false));
        }
        let (slope, error) = fit.slope();
        let df = fit.len() as f64 - fit.rank() as f64;
        let p = t_two_sided(slope / (error * fit.dispersion().sqrt()), df);
        let within = fit.predict(time, 0, 0.0).0.exp() <= fit.largest_response();
        if self.b >= 3 && p < TREND_LEVEL && within {
            return Some((phi, true));
        }
        self.fit_once(fit, false)
    }

    fn fit_once(&self, fit: &mut GroupedFit, trend: bool) -> Option<(f64, bool)> {
        fit.reset_weights();
        let mut trend = trend;
        fit.fit(trend);
        if !fit.converged && trend {
            trend = false;
            fit.fit(false);
        }
        let mut phi = fit.dispersion().max(1.0);
        if self.reweight {
            fit.reweight(phi, WEIGHTS_THRESHOLD);
            fit.fit(trend);
            phi = fit.dispersion().max(1.0);
        }
        phi.is_finite().then_some((phi, trend))
    }
}
