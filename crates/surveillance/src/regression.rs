//! Log-linear regression on a season of sines and cosines, with Poisson or
//! negative binomial errors, iterated as R's `glm.fit` does it.

/// Distribution of the counts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Errors {
    /// Poisson.
    Poisson,
    /// Negative binomial with variance `μ + α μ²`.
    NegativeBinomial {
        /// Overdispersion α, R's `1/theta`.
        alpha: f64,
    },
}

/// Intercept, optional trend and `harmonics` pairs of a wave of `period` points.
#[derive(Debug, Clone, Copy)]
pub struct Season {
    /// Points in a year.
    pub period: f64,
    /// Number of pairs of sine and cosine.
    pub harmonics: usize,
    /// Linear trend in time.
    pub trend: bool,
}

impl Season {
    fn row(&self, t: f64) -> Vec<f64> {
        let mut row = vec![1.0];
        if self.trend {
            row.push(t);
        }
        for s in 1..=self.harmonics {
            let angle = 2.0 * s as f64 * std::f64::consts::PI / self.period * t;
            row.push(angle.cos());
            row.push(angle.sin());
        }
        row
    }

    /// Fits on the times and counts and predicts the mean at `new_times`.
    /// `None` when the iteration does not come to rest.
    pub fn fit_and_predict(
        &self,
        times: impl Iterator<Item = f64>,
        counts: &[f64],
        errors: Errors,
        new_times: impl Iterator<Item = f64>,
    ) -> Option<Vec<f64>> {
        let rows: Vec<Vec<f64>> = times.map(|t| self.row(t)).collect();
        let known: Vec<usize> = (0..counts.len()).filter(|&i| !counts[i].is_nan()).collect();
        let coefficients = fit(&rows, counts, &known, errors)?;
        Some(new_times.map(|t| dot(&self.row(t), &coefficients).exp().max(f64::EPSILON)).collect())
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

fn start_mean(y: f64, errors: Errors) -> f64 {
    match errors {
        Errors::Poisson => y + 0.1,
        Errors::NegativeBinomial { .. } => y + if y == 0.0 { 1.0 / 6.0 } else { 0.0 },
    }
}

fn half_deviance(y: f64, mean: f64, errors: Errors) -> f64 {
    match errors {
        Errors::Poisson if y == 0.0 => mean,
        Errors::Poisson => y * (y / mean).ln() - (y - mean),
        Errors::NegativeBinomial { alpha } => {
            let theta = 1.0 / alpha;
            y * (y.max(1.0) / mean).ln() - (y + theta) * ((y + theta) / (mean + theta)).ln()
        }
    }
}

fn fit(rows: &[Vec<f64>], counts: &[f64], known: &[usize], errors: Errors) -> Option<Vec<f64>> {
    let width = rows.first()?.len();
    if known.len() < width {
        return None;
    }
    let mut mean: Vec<f64> = known.iter().map(|&i| start_mean(counts[i], errors)).collect();
    let mut linear: Vec<f64> = mean.iter().map(|m| m.ln()).collect();
    let deviance = |mean: &[f64]| -> f64 {
        2.0 * known.iter().zip(mean).map(|(&i, &m)| half_deviance(counts[i], m, errors)).sum::<f64>()
    };
    let mut before = deviance(&mean);
    for _ in 0..25 {
        let mut normal = vec![vec![0.0; width + 1]; width];
        for (j, &i) in known.iter().enumerate() {
            let weight = match errors {
                Errors::Poisson => mean[j],
                Errors::NegativeBinomial { alpha } => mean[j] / (1.0 + alpha * mean[j]),
            };
            let working = linear[j] + (counts[i] - mean[j]) / mean[j];
            for (a, line) in normal.iter_mut().enumerate() {
                for (cell, x) in line.iter_mut().zip(&rows[i]) {
                    *cell += weight * rows[i][a] * x;
                }
                line[width] += weight * rows[i][a] * working;
            }
        }
        let coefficients = solve(normal)?;
        for (j, &i) in known.iter().enumerate() {
            linear[j] = dot(&rows[i], &coefficients);
            mean[j] = linear[j].exp().max(f64::EPSILON);
        }
        let now = deviance(&mean);
        if (now - before).abs() / (now.abs() + 0.1) < 1e-8 {
            return Some(coefficients);
        }
        before = now;
    }
    None
}

/// Solves a small linear system, given with its right side as last column.
fn solve(mut system: Vec<Vec<f64>>) -> Option<Vec<f64>> {
    let n = system.len();
    for column in 0..n {
        let pivot =
            (column..n).max_by(|&a, &b| system[a][column].abs().total_cmp(&system[b][column].abs()))?;
        let size = system[pivot][column].abs();
        if size.is_nan() || size <= 1e-300 {
            return None;
        }
        system.swap(column, pivot);
        let lead = system[column].clone();
        for line in system.iter_mut().skip(column + 1) {
            let factor = line[column] / lead[column];
            for (cell, value) in line.iter_mut().zip(&lead).skip(column) {
                *cell -= factor * value;
            }
        }
    }
    let mut solution = vec![0.0; n];
    for row in (0..n).rev() {
        let known: f64 = (row + 1..n).map(|c| system[row][c] * solution[c]).sum();
        solution[row] = (system[row][n] - known) / system[row][row];
    }
    Some(solution)
}

/// A quasi-Poisson fit in which points far above the curve have little weight.
#[derive(Debug, Clone)]
pub struct RobustFit {
    season: Season,
    origin: f64,
    scale: f64,
    coefficients: Vec<f64>,
    /// Dispersion, at least 1.
    pub phi: f64,
}

impl RobustFit {
    /// Fitted mean at a time.
    pub fn mean_at(&self, t: f64) -> f64 {
        dot(&self.season.scaled_row(t, self.origin, self.scale), &self.coefficients).exp()
    }
}

impl Season {
    /// The row with the trend in units of the series' length, so that the
    /// normal equations are well conditioned.
    fn scaled_row(&self, t: f64, origin: f64, scale: f64) -> Vec<f64> {
        let mut row = self.row(t);
        if self.trend {
            row[1] = (t - origin) / scale;
        }
        row
    }

    /// Fits counts of the points `first`, `first + 1`, …; then once more with
    /// weight `s⁻²` for Anscombe residuals `s` above `threshold`, as in
    /// Farrington's method. A history without a case fits a mean near zero.
    pub fn robust_fit(&self, first: usize, counts: &[f64], threshold: f64) -> Option<RobustFit> {
        let scale = counts.len().max(1) as f64;
        let origin = first as f64 + scale;
        let rows: Vec<Vec<f64>> =
            (0..counts.len()).map(|i| self.scaled_row((first + i) as f64, origin, scale)).collect();
        let known: Vec<usize> = (0..counts.len()).filter(|&i| !counts[i].is_nan()).collect();
        let cases: f64 = known.iter().map(|&i| counts[i]).sum();
        let width = rows.first()?.len();
        let mut robust = RobustFit { season: *self, origin, scale, coefficients: vec![0.0; width], phi: 1.0 };
        if known.len() < 2 * width {
            return None;
        }
        if cases < width as f64 {
            // Too few cases for a curve: the plain mean, half a case added.
            robust.coefficients[0] = ((cases + 0.5) / known.len() as f64).ln();
            return Some(robust);
        }
        let mut weights = vec![1.0; known.len()];
        for round in 0..3 {
            robust.coefficients = weighted_poisson(&rows, counts, &known, &weights)?;
            let mut pearson = 0.0;
            let mut residuals = Vec::with_capacity(known.len());
            for (&i, weight) in known.iter().zip(&weights) {
                let (y, mean) = (counts[i], dot(&rows[i], &robust.coefficients).exp());
                pearson += weight * (y - mean) * (y - mean) / mean;
                residuals.push(1.5 * ((y * y).cbrt() / mean.sqrt().cbrt() - mean.sqrt()));
            }
            robust.phi = (pearson / (known.len() - width) as f64).max(1.0);
            if round == 2 {
                break;
            }
            for (weight, residual) in weights.iter_mut().zip(&residuals) {
                let s = residual / robust.phi.sqrt();
                *weight = if s > threshold { (threshold / s).powi(2) } else { 1.0 };
            }
        }
        Some(robust)
    }
}

/// Weighted Poisson regression to convergence.
fn weighted_poisson(rows: &[Vec<f64>], counts: &[f64], known: &[usize], weights: &[f64]) -> Option<Vec<f64>> {
    let width = rows.first()?.len();
    let total: f64 = known.iter().zip(weights).map(|(&i, w)| w * counts[i]).sum();
    let mut coefficients = vec![0.0; width];
    coefficients[0] = (total / weights.iter().sum::<f64>()).ln();
    let mut before = f64::INFINITY;
    for _ in 0..50 {
        let mut normal = vec![vec![0.0; width + 1]; width];
        let mut deviance = 0.0;
        for (&i, weight) in known.iter().zip(weights) {
            let row = &rows[i];
            let linear = dot(row, &coefficients).clamp(-30.0, 30.0);
            let mean = linear.exp();
            deviance += weight * (mean - counts[i] * linear);
            for a in 0..width {
                let left = weight * row[a];
                for (cell, x) in normal[a].iter_mut().zip(row) {
                    *cell += left * mean * x;
                }
                normal[a][width] += left * (counts[i] - mean);
            }
        }
        if (before - deviance).abs() <= 1e-9 * (deviance.abs() + 0.1) {
            return Some(coefficients);
        }
        before = deviance;
        for (coefficient, step) in coefficients.iter_mut().zip(solve(normal)?) {
            // A long first step would leave the range of the exponential.
            *coefficient += step.clamp(-3.0, 3.0);
        }
    }
    None
}
