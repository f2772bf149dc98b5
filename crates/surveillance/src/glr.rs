//! Likelihood-ratio charts for Poisson and negative binomial counts with a
//! seasonal in-control mean: CUSUM with a known shift and generalised
//! likelihood ratio (GLR) with an unknown one (Höhle and Paul, Computational
//! Statistics & Data Analysis 2008;52:4357), as R `surveillance::algo.glrnb`.

use crate::regression::{Errors, Season};
use crate::series::{Point, Reason, Series, last_half_year};
use serde::Deserialize;

/// Kind of change looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Change {
    /// The mean is multiplied by a factor.
    Intercept,
    /// Each case brings further ones (Poisson only).
    Epi,
}

/// Direction of the change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Direction {
    /// More cases.
    Inc,
    /// Fewer cases.
    Dec,
}

/// What is returned as `upperbound`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Returned {
    /// The statistic.
    Value,
    /// The count that would alarm.
    Cases,
}

/// In-control model, R's list `mu0`.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct InControl {
    /// Pairs of sine and cosine.
    #[serde(rename = "S")]
    pub harmonics: usize,
    /// Linear trend.
    pub trend: bool,
    /// Fit anew after each alarm.
    pub refit: bool,
}

impl Default for InControl {
    fn default() -> Self {
        InControl { harmonics: 1, trend: false, refit: false }
    }
}

/// Parameters, named as in R's `algo.glrnb`. The points before `range` are the
/// training data, so that the range matters: the last half year when absent.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LikelihoodRatio {
    /// First and last monitored point, from 1.
    pub range: Option<(usize, usize)>,
    /// Alarm at this value of the statistic.
    #[serde(rename = "c.ARL")]
    pub c_arl: f64,
    /// In-control model.
    pub mu0: Option<InControl>,
    /// Overdispersion: variance `μ + α μ²`; 0 is Poisson.
    pub alpha: f64,
    /// Fewest points from which a change is estimated.
    #[serde(rename = "Mtilde")]
    pub least_window: usize,
    /// Most points to go back; −1 is all.
    #[serde(rename = "M")]
    pub window: i64,
    /// Kind of change.
    pub change: Change,
    /// Known change of the logarithm of the mean: a CUSUM instead of a GLR.
    pub theta: Option<f64>,
    /// Direction.
    pub dir: Direction,
    /// What is returned.
    pub ret: Returned,
}

impl Default for LikelihoodRatio {
    /// R's defaults for the Poisson chart.
    fn default() -> Self {
        LikelihoodRatio {
            range: None,
            c_arl: 5.0,
            mu0: None,
            alpha: 0.0,
            least_window: 1,
            window: -1,
            change: Change::Intercept,
            theta: None,
            dir: Direction::Inc,
            ret: Returned::Value,
        }
    }
}

/// A run of the chart from its start or restart.
struct Run<'a> {
    x: &'a [f64],
    mu0: &'a [f64],
    /// The count before the run, 0 at the very start.
    before: f64,
}

/// Value of the chart at one point.
struct Step {
    value: f64,
    cases: f64,
    alarm: bool,
}

impl LikelihoodRatio {
    /// Monitors the range, restarting the chart after each alarm.
    pub fn detect(&self, series: &Series) -> Vec<Point> {
        let n = series.observed.len();
        let (first, last) = self.range.unwrap_or_else(|| last_half_year(series));
        let (first, last) = (first.max(1), last.min(n));
        let all = |reason| (first..=last).map(|t| Point::without(t, reason)).collect();
        let unsupported = self.change == Change::Epi && self.alpha > 0.0;
        if unsupported || first > last {
            return all(Reason::NoThreshold);
        }
        let x = &series.observed[first - 1..last];
        if x.iter().any(|y| y.is_nan()) {
            return all(Reason::NoObservation);
        }
        let Some(mut mu0) = self.in_control(series, first, last) else {
            return all(Reason::NoConvergence);
        };
        let mut points = Vec::with_capacity(x.len());
        let mut start = 0;
        let mut last_sum = 0.0;
        while points.len() < x.len() {
            let at = points.len() - start;
            let before = if start == 0 { 0.0 } else { x[start - 1] };
            let run = Run { x: &x[start..], mu0: &mu0[start..], before };
            let step = self.step(&run, at, last_sum);
            last_sum = step.value;
            let shown = if self.ret == Returned::Cases { step.cases } else { step.value };
            let upper = if shown.is_nan() { 0.0 } else { shown.max(0.0) };
            let t = first + points.len();
            points.push(Point {
                expected: mu0[points.len()],
                score: step.value / self.c_arl,
                ..Point::judged(t, upper, step.alarm)
            });
            if step.alarm {
                start = points.len();
                last_sum = 0.0;
                if self.mu0.as_ref().is_some_and(|m| m.refit) && start < x.len() {
                    match self.in_control(series, first + start, last) {
                        Some(refitted) => mu0.splice(start.., refitted),
                        None => return all(Reason::NoConvergence),
                    };
                }
            }
        }
        points
    }

    /// In-control means of the range, fitted to everything before it.
    fn in_control(&self, series: &Series, first: usize, last: usize) -> Option<Vec<f64>> {
        let model = self.mu0.clone().unwrap_or_default();
        let season =
            Season { period: series.frequency as f64, harmonics: model.harmonics, trend: model.trend };
        let errors =
            if self.alpha == 0.0 { Errors::Poisson } else { Errors::NegativeBinomial { alpha: self.alpha } };
        let time = |t: usize| t as f64;
        season.fit_and_predict(
            (1..first).map(time),
            &series.observed[..first - 1],
            errors,
            (first..=last).map(time),
        )
    }

    fn step(&self, run: &Run, n: usize, last_sum: f64) -> Step {
        match (self.change, self.theta) {
            (Change::Intercept, Some(theta)) => self.known_shift(run, n, last_sum, theta),
            (Change::Intercept, None) => {
                let value = self.shift_statistic(run.x, run.mu0, n);
                let cases = if self.ret == Returned::Cases { self.cases_to_alarm(run, n) } else { f64::NAN };
                Step { value, cases, alarm: value >= self.c_arl && n >= self.first_point() }
            }
            (Change::Epi, _) => {
                let value = self.epidemic_statistic(run, n);
                Step { value, cases: f64::NAN, alarm: value > self.c_arl }
            }
        }
    }

    fn windowed(&self) -> bool {
        self.window > 0
    }

    /// First point of a run that has a statistic. R's windowed Poisson chart
    /// leaves out one point more than the others.
    fn first_point(&self) -> usize {
        if self.alpha == 0.0 && self.windowed() {
            self.least_window
        } else {
            self.least_window.saturating_sub(1)
        }
    }

    /// CUSUM for a known shift `theta` of the log mean.
    fn known_shift(&self, run: &Run, n: usize, last_sum: f64, theta: f64) -> Step {
        let (x, m) = (run.x[n], run.mu0[n]);
        let (gain, loss) = if self.alpha == 0.0 {
            (theta, (theta.exp() - 1.0) * m)
        } else {
            let ratio = ((1.0 + self.alpha * m) / (1.0 + self.alpha * m * theta.exp())).ln();
            (theta + ratio, -ratio / self.alpha)
        };
        let value = (last_sum + gain * x - loss).max(0.0);
        Step { value, cases: (self.c_arl - last_sum + loss) / gain, alarm: value > self.c_arl }
    }

    fn lowest_start(&self, n: usize) -> usize {
        if self.window < 0 { 0 } else { n.saturating_sub(self.window as usize) }
    }

    fn shift_statistic(&self, x: &[f64], mu0: &[f64], n: usize) -> f64 {
        if n < self.first_point() {
            return 0.0;
        }
        if self.alpha == 0.0 {
            self.poisson_shift(x, mu0, n)
        } else {
            self.negative_binomial_shift(x, mu0, n)
        }
    }

    fn allowed(&self, kappa: f64) -> f64 {
        match self.dir {
            Direction::Inc => kappa.max(0.0),
            Direction::Dec => kappa.min(0.0),
        }
    }

    /// Largest likelihood ratio over all starts of the change; its size has a closed form.
    fn poisson_shift(&self, x: &[f64], mu0: &[f64], n: usize) -> f64 {
        // R's windowed chart sums Mtilde points before it looks; the plain one looks from the last.
        let (skip, lowest) = if self.windowed() { (self.least_window, self.lowest_start(n)) } else { (0, 0) };
        let (mut sum_x, mut sum_mu, mut best) = (0.0, 0.0, f64::NEG_INFINITY);
        for k in (lowest..=n).rev() {
            sum_x += x[k];
            sum_mu += mu0[k];
            if n - k >= skip {
                let kappa = self.allowed(f64::ln(sum_x / sum_mu));
                best = f64::max(best, kappa * sum_x + (1.0 - kappa.exp()) * sum_mu);
            }
        }
        best
    }

    /// The same for the negative binomial, where Newton's method finds the size.
    fn negative_binomial_shift(&self, x: &[f64], mu0: &[f64], n: usize) -> f64 {
        let alpha = self.alpha;
        let (mut best, mut size) = (f64::NEG_INFINITY, 0.5);
        for k in self.lowest_start(n)..=n + 1 - self.least_window.max(1) {
            let (mut old, mut new) = (0.4_f64, size);
            let mut rounds = 0;
            while new > -18.0 && (new - old).abs() > 1e-6 && rounds < 1000 {
                rounds += 1;
                old = new;
                let factor = old.exp();
                let (mut score, mut information) = (0.0, 0.0);
                for i in k..=n {
                    let down = 1.0 + alpha * factor * mu0[i];
                    score += (x[i] - factor * mu0[i]) / down;
                    information += mu0[i] * (alpha * x[i] + 1.0) / (down * down);
                }
                new = old + score / (factor * information);
            }
            size = self.allowed(new);
            let ratio: f64 = (k..=n)
                .map(|i| {
                    let change = ((1.0 + alpha * mu0[i]) / (1.0 + alpha * mu0[i] * size.exp())).ln();
                    size * x[i] + (x[i] + 1.0 / alpha) * change
                })
                .sum();
            best = f64::max(best, ratio);
        }
        best
    }

    /// Largest likelihood ratio of an epidemic term `λ · x(t − 1)` in the mean.
    fn epidemic_statistic(&self, run: &Run, n: usize) -> f64 {
        if n < self.least_window.saturating_sub(1) {
            return 0.0;
        }
        let previous = |i: usize| if i == 0 { run.before } else { run.x[i - 1] };
        let (mut best, mut lambda) = (f64::NEG_INFINITY, 0.5_f64);
        for k in self.lowest_start(n)..=n + 1 - self.least_window.max(1) {
            let (mut old, mut new) = (2.0_f64, lambda.ln());
            let mut rounds = 0;
            while new > -18.0 && (new.exp() - old.exp()).abs() > 1e-6 && rounds < 1000 {
                rounds += 1;
                old = new;
                let factor = old.exp();
                let (mut score, mut curve) = (0.0, 0.0);
                for i in k..=n {
                    let mean = factor * previous(i) + run.mu0[i];
                    score += run.x[i] * previous(i) / mean - previous(i);
                    curve += run.x[i] * previous(i) * previous(i) / (mean * mean);
                }
                score *= factor;
                new = old + score / (factor * factor * curve - score);
            }
            lambda = new.exp();
            let ratio: f64 = (k..=n)
                .map(|i| run.x[i] * (lambda * previous(i) / run.mu0[i] + 1.0).ln() - lambda * previous(i))
                .sum();
            best = f64::max(best, ratio);
        }
        best
    }

    /// Smallest count at `n` (largest when looking for a decrease) that alarms.
    fn cases_to_alarm(&self, run: &Run, n: usize) -> f64 {
        let mut x = run.x[..=n].to_vec();
        let alarms = |x: &[f64]| self.shift_statistic(x, run.mu0, n) >= self.c_arl;
        let largest = 10.0 * (run.x[n] + run.mu0[n] + self.c_arl) + 1_000.0;
        let mut count = 0.0;
        while count <= largest {
            x[n] = count;
            let hit = alarms(&x);
            if self.dir == Direction::Inc && hit {
                return count;
            }
            if self.dir == Direction::Dec && !hit {
                return count;
            }
            count += 1.0;
        }
        f64::NAN
    }
}
