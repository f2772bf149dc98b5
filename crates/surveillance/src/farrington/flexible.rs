//! Farrington Flexible.

use super::reference::year_before;
use super::{PowerTransform, RecentCases, recent_cases, upper_quantile};
use crate::counts::CountDistribution;
use crate::glm::GroupedFit;
use crate::series::{Point, Reason, Series};
use crate::special::t_two_sided;
use serde::Deserialize;

/// How the threshold is made from the prediction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ThresholdMethod {
    /// Normal approximation on the power scale.
    Delta,
    /// Quantile of the negative binomial with the predicted mean plugged in.
    NbPlugin,
    /// The same at an upper quantile of the predicted mean.
    Muan,
}

/// Parameters, named as in R's `farringtonFlexible`.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Flexible {
    /// First and last point to test, from 1; all that have a full baseline when absent.
    pub range: Option<(usize, usize)>,
    /// Years of history.
    pub b: usize,
    /// Half width of the window, in points.
    pub w: usize,
    /// Lessen the weight of former outbreaks.
    pub reweight: bool,
    /// Anscombe residual beyond which a point loses weight.
    pub weights_threshold: f64,
    /// One-sided level of the prediction interval.
    pub alpha: f64,
    /// Try a time trend.
    pub trend: bool,
    /// Keep the trend only below this p-value.
    pub p_threshold_trend: f64,
    /// At least so many cases in so many points.
    pub limit54: RecentCases,
    /// Power transformation of the delta method.
    pub powertrans: PowerTransform,
    /// Use the logarithm of the population as offset.
    pub population_offset: bool,
    /// Number of season levels; 1 uses the windows only.
    pub no_periods: usize,
    /// Points before the tested one that stay out of the baseline; `w` when absent.
    pub past_weeks_not_included: Option<usize>,
    /// Threshold method.
    pub threshold_method: ThresholdMethod,
}

impl Default for Flexible {
    /// R's defaults.
    fn default() -> Self {
        Flexible {
            range: None,
            b: 5,
            w: 3,
            reweight: true,
            weights_threshold: 2.58,
            alpha: 0.05,
            trend: true,
            p_threshold_trend: 0.05,
            limit54: [5.0, 4.0],
            powertrans: PowerTransform::TwoThirds,
            population_offset: false,
            no_periods: 1,
            past_weeks_not_included: None,
            threshold_method: ThresholdMethod::Delta,
        }
    }
}

impl Flexible {
    /// The parameters that Noufaily et al. recommend, with the negative-binomial threshold.
    pub fn noufaily(alpha: f64) -> Self {
        Flexible {
            no_periods: 10,
            past_weeks_not_included: Some(26),
            p_threshold_trend: 1.0,
            threshold_method: ThresholdMethod::NbPlugin,
            alpha,
            ..Flexible::default()
        }
    }
}

/// Buffers that one thread keeps from fit to fit.
#[derive(Debug, Default)]
pub struct Workspace {
    fit: GroupedFit,
    levels: Vec<u8>,
}

/// A prediction from the final model.
struct Prediction {
    /// Linear predictor and its standard error.
    linear: f64,
    error: f64,
    phi: f64,
    trend: bool,
}

impl Flexible {
    /// First index (from 0) with a full baseline, as R's default range.
    pub fn first_index(&self, series: &Series) -> usize {
        series.frequency * self.b + self.w
    }

    /// Tests every point of the range.
    pub fn detect(&self, series: &Series) -> Vec<Point> {
        let n = series.observed.len();
        let (first, last) = self.range.unwrap_or((self.first_index(series) + 1, n));
        let mut workspace = Workspace::default();
        (first.max(1)..=last.min(n)).map(|t| self.test(series, t - 1, &mut workspace)).collect()
    }

    /// Tests the point at `index`, from 0.
    pub fn test(&self, series: &Series, index: usize, workspace: &mut Workspace) -> Point {
        let t = index + 1;
        let y = series.observed[index];
        if y.is_nan() {
            return Point::without(t, Reason::NoObservation);
        }
        if let Err(reason) = self.load(series, index, workspace) {
            return Point::without(t, reason);
        }
        let offset = if self.population_offset { series.population[index].ln() } else { 0.0 };
        let time = model_time(series, index);
        match self.predict(&mut workspace.fit, time, offset) {
            None => Point::without(t, Reason::NoConvergence),
            Some(prediction) => self.judge(series, index, y, &prediction),
        }
    }

    /// Gives every point of the baseline its season level and hands them to the model.
    fn load(&self, series: &Series, index: usize, workspace: &mut Workspace) -> Result<(), Reason> {
        let levels = &mut workspace.levels;
        self.season_levels(series, index, levels)?;
        let left_out = self.past_weeks_not_included.unwrap_or(self.w);
        let end = index.saturating_sub(left_out);
        let rows = (0..end).filter(|&i| levels[i] > 0 && !series.observed[i].is_nan()).map(|i| {
            let offset = if self.population_offset { series.population[i].ln() } else { 0.0 };
            (series.observed[i], model_time(series, i), levels[i] - 1, offset)
        });
        workspace.fit.load(rows, self.no_periods, self.population_offset);
        if !workspace.fit.has_group(self.no_periods as u8 - 1) {
            return Err(Reason::MissingBaseline);
        }
        Ok(())
    }

    /// Level `no_periods` in the windows around the same week of every year,
    /// levels 1 to `no_periods − 1` in equal blocks between them; 0 is outside.
    fn season_levels(&self, series: &Series, index: usize, levels: &mut Vec<u8>) -> Result<(), Reason> {
        let (w, periods) = (self.w, self.no_periods.clamp(1, 200));
        levels.clear();
        levels.resize(index + 1, 0);
        let mut later = index;
        for year in 1..=self.b {
            let middle = year_before(series, index, year)
                .filter(|&m| m >= w && m + w < later)
                .ok_or(Reason::TooLittleHistory)?;
            levels[middle - w..=middle + w].fill(periods as u8);
            if periods > 1 {
                let between = (later - middle)
                    .checked_sub(2 * w + 1)
                    .filter(|&gap| gap + 2 * w + 1 >= periods)
                    .ok_or(Reason::TooLittleHistory)?;
                let (size, rest) = (between / (periods - 1), between % (periods - 1));
                let mut start = middle + w + 1;
                for block in 0..periods - 1 {
                    let length = size + usize::from(block < rest);
                    levels[start..start + length].fill(block as u8 + 1);
                    start += length;
                }
            }
            later = middle;
        }
        Ok(())
    }

    /// Fits with a trend, drops it when it is not significant, spans under
    /// three years or predicts above all that was seen, and predicts.
    fn predict(&self, fit: &mut GroupedFit, time: f64, offset: f64) -> Option<Prediction> {
        let window = self.no_periods as u8 - 1;
        let (mut phi, with_trend) = self.fit_once(fit, self.trend)?;
        let mut keep = false;
        if with_trend {
            let (slope, error) = fit.slope();
            let df = fit.len() as f64 - fit.rank() as f64;
            let p = t_two_sided(slope / (error * self.model_dispersion(fit).sqrt()), df);
            let predicted = fit.predict(time, window, offset).0.exp();
            keep = self.b >= 3 && p < self.p_threshold_trend && predicted <= fit.largest_response();
            if !keep {
                phi = self.fit_once(fit, false)?.0;
            }
        }
        let (linear, error) = fit.predict(time, window, offset);
        Some(Prediction { linear, error: error * self.model_dispersion(fit).sqrt(), phi, trend: keep })
    }

    /// R overwrites the working weights by the prior ones after reweighting, and
    /// reads the dispersion of standard errors from what it finds there.
    fn model_dispersion(&self, fit: &GroupedFit) -> f64 {
        if self.reweight { fit.dispersion_of_prior_weights() } else { fit.dispersion() }
    }

    /// One fit and, if wanted, a second with lessened weights: the dispersion
    /// (at least 1) and whether the trend is in the model. `None`: no convergence.
    fn fit_once(&self, fit: &mut GroupedFit, trend: bool) -> Option<(f64, bool)> {
        fit.reset_weights();
        let mut trend = trend;
        fit.fit(trend);
        if !fit.converged && trend {
            trend = false;
            fit.fit(false);
        }
        if !fit.converged {
            return None;
        }
        let mut phi = fit.dispersion().max(1.0);
        if self.reweight {
            fit.reweight(phi, self.weights_threshold);
            fit.fit(trend);
            phi = fit.dispersion().max(1.0);
        }
        Some((phi, trend))
    }

    fn judge(&self, series: &Series, index: usize, y: f64, prediction: &Prediction) -> Point {
        let &Prediction { linear, error, phi, trend } = prediction;
        let response = self.threshold_method == ThresholdMethod::Delta;
        // The log link of R never gives a mean below the machine's epsilon.
        let fit = if response { linear.exp().max(f64::EPSILON) } else { linear };
        let fit_error = if response { error * fit } else { error };
        // Outside the plug-in method R takes the quantile on whichever scale `fit` has.
        let mu0 = match self.threshold_method {
            ThresholdMethod::NbPlugin => linear.exp(),
            _ => (fit + upper_quantile(self.alpha) * fit_error).exp(),
        };
        let (upper, pvalue) = if response {
            let bounds = self.powertrans.bounds(fit, fit_error, phi, upper_quantile(self.alpha), y);
            (bounds.upper, bounds.pvalue)
        } else if mu0.is_infinite() {
            (f64::NAN, f64::NAN)
        } else {
            let distribution = CountDistribution::with_dispersion(mu0, phi);
            (distribution.quantile(1.0 - self.alpha), distribution.above(y - 1.0))
        };
        let score = if upper.is_nan() { f64::NAN } else { (y - fit) / (upper - fit) };
        let enough = recent_cases(&series.observed, index, self.limit54[1]) >= self.limit54[0];
        let reason = match (enough, upper.is_nan()) {
            (false, _) => Some(Reason::TooFewRecentCases),
            (true, true) => Some(Reason::NoThreshold),
            _ => None,
        };
        let shown = |value: f64| if reason.is_none() { value } else { f64::NAN };
        Point {
            t: index + 1,
            upperbound: if enough { upper } else { f64::NAN },
            alarm: Some(enough && score > 1.0 && y != 0.0),
            expected: shown(if response { fit } else { linear.exp() }),
            score,
            trend: f64::from(u8::from(trend)),
            pvalue,
            mu0,
            phi,
            reason,
        }
    }
}

/// Time in the model: the number of the point, or weeks by date.
fn model_time(series: &Series, index: usize) -> f64 {
    match &series.dates {
        None => (index + 1) as f64,
        Some(dates) => (dates[index] - dates[0]) as f64 / (dates[1] - dates[0]) as f64,
    }
}
