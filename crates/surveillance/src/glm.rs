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
    /// Stretches of one group with times one apart.
    runs: Vec<Run>,
    powers: Vec<Powers>,
    /// Powers of the small counts, kept from series to series.
    table: Vec<Powers>,
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
    next: Sums,
    slope: f64,
    spread: f64,
    centre: f64,
    trend: bool,
    /// Whether the iteration came to rest.
    pub converged: bool,
}

#[derive(Debug, Clone, Copy)]
struct Run {
    start: usize,
    end: usize,
    group: usize,
}

/// What is needed of a count again and again.
#[derive(Debug, Clone, Copy)]
struct Powers {
    y_ln_y: f64,
    two_thirds: f64,
    /// Logarithm of R's start value, `y + 0.1`.
    start: f64,
}

impl Powers {
    fn of(y: f64) -> Self {
        let y_ln_y = if y > 0.0 { y * y.ln() } else { 0.0 };
        Powers { y_ln_y, two_thirds: (y * y).cbrt(), start: (y + 0.1).ln() }
    }
}

/// Sums for the next least-squares step, gathered while means are updated.
#[derive(Debug, Default)]
struct Sums {
    w: Vec<f64>,
    wt: Vec<f64>,
    wr: Vec<f64>,
    wtt: f64,
    wtr: f64,
}

const TABLED_COUNTS: usize = 256;

impl GroupedFit {
    /// Takes in new data; `group` numbers run from 0 to `groups − 1`.
    pub fn load(&mut self, rows: impl Iterator<Item = (f64, f64, u8, f64)>, groups: usize, has_offset: bool) {
        if self.table.is_empty() {
            self.table = (0..TABLED_COUNTS).map(|y| Powers::of(y as f64)).collect();
        }
        self.response.clear();
        self.time.clear();
        self.group.clear();
        self.offset.clear();
        self.powers.clear();
        self.runs.clear();
        for (i, (y, t, g, offset)) in rows.enumerate() {
            match self.runs.last_mut() {
                Some(run) if run.group == g as usize && t - self.time[i - 1] == 1.0 => run.end = i + 1,
                _ => self.runs.push(Run { start: i, end: i + 1, group: g as usize }),
            }
            self.response.push(y);
            self.time.push(t);
            self.group.push(g);
            self.offset.push(offset);
            let tabled = self.table.get(y as usize).filter(|_| y.fract() == 0.0);
            self.powers.push(tabled.copied().unwrap_or_else(|| Powers::of(y)));
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
        let Sums { w, wt, wr, .. } = &mut self.next;
        for buffer in [&mut self.level, &mut self.sum_w, &mut self.sum_wt, &mut self.sum_wr, w, wt, wr] {
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
        let terms = self.response.iter().zip(&self.prior).zip(&self.powers).map(|((&y, &prior), powers)| {
            prior * if y > 0.0 { powers.y_ln_y - y * powers.start + 0.1 } else { 0.1 }
        });
        2.0 * terms.sum::<f64>()
    }

    /// The first least-squares step, from `y + 0.1`, and the means after it.
    fn first_step(&mut self) -> f64 {
        self.next.clear();
        for i in 0..self.len() {
            let mean = self.response[i] + 0.1;
            let g = self.group[i] as usize;
            let working = self.powers[i].start - self.offset[i] - 0.1 / mean;
            let (w, t) = (self.prior[i] * mean, self.time[i]);
            self.mean[i] = mean;
            self.next.w[g] += w;
            self.next.wt[g] += w * t;
            self.next.wr[g] += w * working;
            self.next.wtt += w * t * t;
            self.next.wtr += w * t * working;
        }
        self.level.fill(0.0);
        self.slope = 0.0;
        self.step();
        self.update_means()
    }

    /// One least-squares step with the sums at the current means.
    fn step(&mut self) {
        std::mem::swap(&mut self.sum_w, &mut self.next.w);
        std::mem::swap(&mut self.sum_wt, &mut self.next.wt);
        std::mem::swap(&mut self.sum_wr, &mut self.next.wr);
        self.solve(self.next.wtt, self.next.wtr);
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

    /// New means, their deviance, and the sums of the next step. The means of a
    /// run follow a geometric row, so that one multiplication a point replaces
    /// the exponential.
    fn update_means(&mut self) -> f64 {
        self.next.clear();
        let (slope, ratio) = (self.slope, self.slope.exp());
        let mut deviance = 0.0;
        for &Run { start, end, group } in &self.runs {
            let level = self.level[group];
            let mut growing = (level + slope * self.time[start]).exp();
            let (mut sum_w, mut sum_wt, mut sum_wr) = (0.0, 0.0, 0.0);
            let points = self.response[start..end].iter().zip(&self.time[start..end]);
            let state = self.mean[start..end].iter_mut().zip(&mut self.weight[start..end]);
            let fixed =
                self.prior[start..end].iter().zip(&self.powers[start..end]).zip(&self.offset[start..end]);
            for (((&y, &t), (mean, weight)), ((&prior, powers), &offset)) in points.zip(state).zip(fixed) {
                *weight = prior * *mean;
                let mut linear = level + slope * t;
                let mut new = growing;
                growing *= ratio;
                if self.has_offset {
                    linear += offset;
                    new *= offset.exp();
                }
                if new < SMALLEST_MEAN {
                    new = SMALLEST_MEAN;
                    linear = -52.0 * LN_2;
                }
                *mean = new;
                deviance += prior * (powers.y_ln_y - y * linear - y + new);
                let (w, residual) = (prior * new, prior * (y - new));
                sum_w += w;
                sum_wt += w * t;
                sum_wr += residual;
                self.next.wtt += w * t * t;
                self.next.wtr += t * residual;
            }
            self.next.w[group] += sum_w;
            self.next.wt[group] += sum_wt;
            self.next.wr[group] += sum_wr;
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
            let raw = 1.5 * (self.powers[i].two_thirds / root.cbrt() - root);
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

impl Sums {
    fn clear(&mut self) {
        self.w.fill(0.0);
        self.wt.fill(0.0);
        self.wr.fill(0.0);
        self.wtt = 0.0;
        self.wtr = 0.0;
    }
}
