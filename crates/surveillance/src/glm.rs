//! Log-linear regression of counts by iteratively reweighted least squares,
//! with the start values, the stopping rule and the clamping of R's `glm.fit`,
//! so that fits that stop early stop where R's do.

use std::f64::consts::LN_2;

const EPSILON: f64 = 1e-8;
const ITERATIONS: usize = 25;
/// R's `.Machine$double.eps`, the smallest mean that the log link gives.
const SMALLEST_MEAN: f64 = f64::EPSILON;

/// Quasi-Poisson model with one intercept a group and, if wanted, one slope
/// in time: the normal equations are arrow-shaped, and a step costs O(n).
#[derive(Debug, Default)]
pub struct GroupedFit {
    // Per observation.
    response: Vec<f64>,
    time: Vec<f64>,
    group: Vec<u8>,
    offset: Vec<f64>,
    has_offset: bool,
    y_ln_y: Vec<f64>,
    /// Fitted means.
    pub mean: Vec<f64>,
    /// Prior weights, one until [`GroupedFit::reweight`].
    pub prior: Vec<f64>,
    weight: Vec<f64>,
    exposure: Vec<f64>,
    // Per group.
    level: Vec<f64>,
    sum_w: Vec<f64>,
    sum_wt: Vec<f64>,
    sum_wr: Vec<f64>,
    slope: f64,
    spread: f64,
    centre: f64,
    trend: bool,
    /// Whether the iteration came to rest.
    pub converged: bool,
}

impl GroupedFit {
    /// Takes in new data; `group` numbers run from 0 to `groups − 1`.
    pub fn load(&mut self, rows: impl Iterator<Item = (f64, f64, u8, f64)>, groups: usize, has_offset: bool) {
        self.response.clear();
        self.time.clear();
        self.group.clear();
        self.offset.clear();
        self.y_ln_y.clear();
        for (y, t, g, offset) in rows {
            self.response.push(y);
            self.time.push(t);
            self.group.push(g);
            self.offset.push(offset);
            self.y_ln_y.push(if y > 0.0 { y * y.ln() } else { 0.0 });
        }
        self.has_offset = has_offset;
        let n = self.response.len();
        self.centre = if n > 0 { self.time[n / 2] } else { 0.0 };
        for t in &mut self.time {
            *t -= self.centre;
        }
        for buffer in [&mut self.mean, &mut self.weight, &mut self.exposure] {
            buffer.clear();
            buffer.resize(n, 0.0);
        }
        self.prior.clear();
        self.prior.resize(n, 1.0);
        for buffer in [&mut self.level, &mut self.sum_w, &mut self.sum_wt, &mut self.sum_wr] {
            buffer.clear();
            buffer.resize(groups, 0.0);
        }
    }

    /// Number of observations.
    pub fn len(&self) -> usize {
        self.response.len()
    }

    /// Whether there is no observation.
    pub fn is_empty(&self) -> bool {
        self.response.is_empty()
    }

    /// Largest response.
    pub fn largest_response(&self) -> f64 {
        self.response.iter().copied().fold(f64::NEG_INFINITY, f64::max)
    }

    /// Sets all prior weights to one.
    pub fn reset_weights(&mut self) {
        self.prior.fill(1.0);
    }

    /// Fits with the prior weights as they are.
    pub fn fit(&mut self, trend: bool) {
        self.trend = trend;
        self.converged = false;
        let mut deviance = self.first_step();
        let mut before = self.start_deviance();
        for iteration in 0..ITERATIONS {
            if iteration > 0 {
                self.step();
                deviance = self.update_means();
            }
            if (deviance - before).abs() / (deviance.abs() + 0.1) < EPSILON {
                self.converged = true;
                break;
            }
            if !deviance.is_finite() {
                break;
            }
            before = deviance;
        }
    }

    /// Deviance at R's start values, `y + 0.1`.
    fn start_deviance(&self) -> f64 {
        let terms = self.response.iter().zip(&self.prior).map(|(&y, &prior)| {
            let mean = y + 0.1;
            prior * if y > 0.0 { y * (y / mean).ln() - (y - mean) } else { mean }
        });
        2.0 * terms.sum::<f64>()
    }

    /// The first least-squares step, from `y + 0.1`, and the means after it.
    fn first_step(&mut self) -> f64 {
        self.clear_sums();
        let (mut sum_wtt, mut sum_wtr) = (0.0, 0.0);
        for i in 0..self.len() {
            let mean = self.response[i] + 0.1;
            let g = self.group[i] as usize;
            let working = mean.ln() - self.offset[i] - 0.1 / mean;
            let (w, t) = (self.prior[i] * mean, self.time[i]);
            self.weight[i] = w;
            self.sum_w[g] += w;
            self.sum_wt[g] += w * t;
            self.sum_wr[g] += w * working;
            sum_wtt += w * t * t;
            sum_wtr += w * t * working;
        }
        self.level.fill(0.0);
        self.slope = 0.0;
        self.solve(sum_wtt, sum_wtr);
        self.update_means()
    }

    /// One more least-squares step from the current means.
    fn step(&mut self) {
        self.clear_sums();
        let (mut sum_wtt, mut sum_wtr) = (0.0, 0.0);
        for i in 0..self.response.len() {
            let g = self.group[i] as usize;
            let (prior, t, mean) = (self.prior[i], self.time[i], self.mean[i]);
            let w = prior * mean;
            let residual = prior * (self.response[i] - mean);
            self.weight[i] = w;
            self.sum_w[g] += w;
            self.sum_wt[g] += w * t;
            self.sum_wr[g] += residual;
            sum_wtt += w * t * t;
            sum_wtr += t * residual;
        }
        self.solve(sum_wtt, sum_wtr);
    }

    fn clear_sums(&mut self) {
        self.sum_w.fill(0.0);
        self.sum_wt.fill(0.0);
        self.sum_wr.fill(0.0);
    }

    /// Moves levels and slope by the solution of the arrow-shaped normal equations.
    fn solve(&mut self, sum_wtt: f64, sum_wtr: f64) {
        let (mut spread, mut cross) = (sum_wtt, sum_wtr);
        for g in 0..self.sum_w.len() {
            if self.sum_w[g] > 0.0 {
                spread -= self.sum_wt[g] * self.sum_wt[g] / self.sum_w[g];
                cross -= self.sum_wt[g] * self.sum_wr[g] / self.sum_w[g];
            }
        }
        self.spread = spread;
        let move_slope = if self.trend { cross / spread } else { 0.0 };
        self.slope += move_slope;
        for g in 0..self.sum_w.len() {
            if self.sum_w[g] > 0.0 {
                self.level[g] += (self.sum_wr[g] - move_slope * self.sum_wt[g]) / self.sum_w[g];
            }
        }
    }

    /// New means and their deviance. The means of one group follow a geometric
    /// row, so that one multiplication a point replaces the exponential.
    fn update_means(&mut self) -> f64 {
        for (g, level) in self.level.iter().enumerate() {
            self.sum_wr[g] = level.exp();
        }
        let ratio = self.slope.exp();
        let mut growth = self.time.first().map_or(1.0, |t| (self.slope * t).exp());
        let mut last_time = self.time.first().copied().unwrap_or(0.0);
        let mut deviance = 0.0;
        for i in 0..self.response.len() {
            let t = self.time[i];
            if self.slope != 0.0 && t != last_time {
                growth = if t - last_time == 1.0 { growth * ratio } else { (self.slope * t).exp() };
                last_time = t;
            }
            let g = self.group[i] as usize;
            let mut linear = self.level[g] + self.slope * t;
            let mut mean = self.sum_wr[g] * growth;
            if self.has_offset {
                linear += self.offset[i];
                mean *= self.offset[i].exp();
            }
            if mean < SMALLEST_MEAN {
                mean = SMALLEST_MEAN;
                linear = -52.0 * LN_2;
            }
            self.mean[i] = mean;
            let y = self.response[i];
            deviance += self.prior[i] * (self.y_ln_y[i] - y * linear - y + mean);
        }
        2.0 * deviance
    }

    /// Number of coefficients estimated.
    pub fn rank(&self) -> usize {
        self.sum_w.iter().filter(|w| **w > 0.0).count() + usize::from(self.trend)
    }

    /// Pearson dispersion with the weights of the last step, as `summary.glm` computes it.
    pub fn dispersion(&self) -> f64 {
        self.scaled_residuals(&self.weight)
    }

    /// The same with the prior weights in the place of the working weights,
    /// which is what R `surveillance` does after it has reweighted.
    pub fn dispersion_of_prior_weights(&self) -> f64 {
        self.scaled_residuals(&self.prior)
    }

    fn scaled_residuals(&self, weight: &[f64]) -> f64 {
        let sum: f64 = (0..self.len())
            .map(|i| {
                let residual = (self.response[i] - self.mean[i]) / self.mean[i];
                weight[i] * residual * residual
            })
            .sum();
        sum / (self.len() as f64 - self.rank() as f64)
    }

    /// Slope in time and its standard error for dispersion 1.
    pub fn slope(&self) -> (f64, f64) {
        (self.slope, self.spread.sqrt().recip())
    }

    /// Linear predictor and its standard error for dispersion 1, at `time` in `group`.
    pub fn predict(&self, time: f64, group: u8, offset: f64) -> (f64, f64) {
        let g = group as usize;
        let t = time - self.centre;
        let linear = self.level[g] + self.slope * t + offset;
        (linear, (1.0 / self.sum_w[g] + self.trend_leverage(g, t)).sqrt())
    }

    fn trend_leverage(&self, g: usize, t: f64) -> f64 {
        if !self.trend {
            return 0.0;
        }
        let distance = t - self.sum_wt[g] / self.sum_w[g];
        distance * distance / self.spread
    }

    /// Whether a group has any observation.
    pub fn has_group(&self, group: u8) -> bool {
        self.group.contains(&group)
    }

    /// Lessens the prior weight of observations far above their mean, by the
    /// standardised Anscombe residual `s`: weight ∝ s⁻² beyond `threshold`
    /// (Farrington et al., J R Stat Soc A 1996;159:547, section 3.5).
    pub fn reweight(&mut self, dispersion: f64, threshold: f64) {
        let n = self.len();
        let mut total = 0.0;
        for i in 0..n {
            let g = self.group[i] as usize;
            let w = self.weight[i];
            let mut leverage = w / self.sum_w[g] + w * self.trend_leverage(g, self.time[i]);
            if leverage >= 1.0 - 10.0 * f64::EPSILON {
                leverage = 1.0;
            }
            let root = self.mean[i].sqrt();
            let raw = 1.5 * (two_thirds_power(self.response[i]) / root.cbrt() - root);
            let s = raw / (dispersion * (1.0 - leverage)).sqrt();
            let factor = if s > threshold { 1.0 / (s * s) } else { 1.0 };
            self.exposure[i] = factor;
            total += factor;
        }
        let gamma = n as f64 / total;
        for i in 0..n {
            self.prior[i] = gamma * self.exposure[i];
        }
    }
}

fn two_thirds_power(y: f64) -> f64 {
    if y == 0.0 { 0.0 } else { (y * y).cbrt() }
}
