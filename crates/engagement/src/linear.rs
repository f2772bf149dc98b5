//! Small dense symmetric systems: what Newton's method on a few dozen parameters needs.

/// A symmetric matrix of order `n`, stored in full, row after row.
#[derive(Debug, Clone, PartialEq)]
pub struct Symmetric {
    /// The order.
    pub n: usize,
    /// `n × n` entries.
    pub entries: Vec<f64>,
}

impl Symmetric {
    /// The zero matrix of order `n`.
    pub fn zero(n: usize) -> Self {
        Symmetric { n, entries: vec![0.0; n * n] }
    }

    /// Copies the upper triangle onto the lower one.
    pub fn mirror(&mut self) {
        for i in 0..self.n {
            for j in 0..i {
                self.entries[i * self.n + j] = self.entries[j * self.n + i];
            }
        }
    }

    /// Entry in row `i`, column `j`.
    pub fn at(&self, i: usize, j: usize) -> f64 {
        self.entries[i * self.n + j]
    }

    /// The rows, as published results write a variance matrix.
    pub fn rows(&self) -> Vec<Vec<f64>> {
        self.entries.chunks(self.n.max(1)).map(<[f64]>::to_vec).collect()
    }

    /// The quadratic form `aᵀ M b`.
    pub fn form(&self, a: &[f64], b: &[f64]) -> f64 {
        (0..self.n).map(|i| a[i] * (0..self.n).map(|j| self.at(i, j) * b[j]).sum::<f64>()).sum()
    }
}

/// The Cholesky factor of a positive definite matrix.
///
/// The matrix is scaled to a unit diagonal first, so that columns measured in
/// yuan and in thousands of kilometres factor equally well.
#[derive(Debug, Clone)]
pub struct Cholesky {
    n: usize,
    lower: Vec<f64>,
    scale: Vec<f64>,
}

impl Cholesky {
    /// Factors `matrix`.
    ///
    /// # Errors
    /// The index of the first row that is, to rounding, a combination of those before it.
    pub fn new(matrix: &Symmetric) -> Result<Self, usize> {
        let n = matrix.n;
        let scale: Vec<f64> = (0..n).map(|i| matrix.at(i, i).sqrt()).collect();
        if let Some(i) = scale.iter().position(|s| !(s.is_finite() && *s > 0.0)) {
            return Err(i);
        }
        let mut lower = vec![0.0; n * n];
        for i in 0..n {
            for j in 0..=i {
                let mut sum = matrix.at(i, j) / (scale[i] * scale[j]);
                for k in 0..j {
                    sum -= lower[i * n + k] * lower[j * n + k];
                }
                if i == j {
                    // The share of a column that the columns before it do not explain.
                    if sum.is_nan() || sum <= 1e-13 {
                        return Err(i);
                    }
                    lower[i * n + i] = sum.sqrt();
                } else {
                    lower[i * n + j] = sum / lower[j * n + j];
                }
            }
        }
        Ok(Cholesky { n, lower, scale })
    }

    /// Logarithm of the determinant of `M`.
    pub fn log_determinant(&self) -> f64 {
        (0..self.n).map(|i| 2.0 * (self.lower[i * self.n + i] * self.scale[i]).ln()).sum()
    }

    /// Solves `M x = b`.
    pub fn solve(&self, b: &[f64]) -> Vec<f64> {
        let n = self.n;
        let mut x: Vec<f64> = b.iter().zip(&self.scale).map(|(b, s)| b / s).collect();
        for i in 0..n {
            for k in 0..i {
                x[i] -= self.lower[i * n + k] * x[k];
            }
            x[i] /= self.lower[i * n + i];
        }
        for i in (0..n).rev() {
            for k in i + 1..n {
                x[i] -= self.lower[k * n + i] * x[k];
            }
            x[i] /= self.lower[i * n + i];
        }
        x.iter().zip(&self.scale).map(|(x, s)| x / s).collect()
    }

    /// The inverse matrix, exactly symmetric.
    pub fn inverse(&self) -> Symmetric {
        let n = self.n;
        let mut inverse = Symmetric::zero(n);
        for j in 0..n {
            let mut unit = vec![0.0; n];
            unit[j] = 1.0;
            let column = self.solve(&unit);
            for (i, value) in column.into_iter().enumerate().take(j + 1) {
                inverse.entries[i * n + j] = value;
            }
        }
        inverse.mirror();
        inverse
    }

    /// `L z`, which turns independent standard normal `z` into draws with covariance `M`.
    pub fn transform(&self, z: &[f64]) -> Vec<f64> {
        let n = self.n;
        (0..n).map(|i| self.scale[i] * (0..=i).map(|k| self.lower[i * n + k] * z[k]).sum::<f64>()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_badly_scaled_system_is_solved_and_a_dependent_column_named() {
        let m = Symmetric { n: 3, entries: vec![4e-8, 2e-4, 0.0, 2e-4, 5.0, 1e4, 0.0, 1e4, 9e8] };
        let factor = Cholesky::new(&m).unwrap();
        let x = factor.solve(&[1.0, 2.0, 3.0]);
        for i in 0..3 {
            let back: f64 = (0..3).map(|j| m.at(i, j) * x[j]).sum();
            assert!((back - (i + 1) as f64).abs() < 1e-7, "{back}");
        }
        let dependent = Symmetric { n: 2, entries: vec![1.0, 2.0, 2.0, 4.0] };
        assert_eq!(Cholesky::new(&dependent).unwrap_err(), 1);
    }
}
