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
        if !(system[pivot][column].abs() > 1e-300) {
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
