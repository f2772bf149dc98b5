//! The axes of a map after a few more votes, from those before.
//!
//! Generalised Davidson method (Morgan and Scott 1986): the two axes of last time span a small space that
//! grows by the residuals, each divided by how far the other directions of the last full run lie from it. Few
//! products with the votes are left, each for both axes at once.

use super::components::{Space, dot, norm, orthogonalise};
use super::votes::Votes;

/// Residuals at rest, as a share of the greatest spread.
const AT_REST: f64 = 1e-9;
/// Products with the votes before a full run is the better way.
const MOST_PRODUCTS: usize = 9;
/// Directions that a full run leaves for those that follow it.
pub(super) const DIRECTIONS: usize = 40;

/// `Xᵀ X` times two vectors at once, for the centred matrix `X`.
fn gram_times_two(votes: &Votes, mean: &[f64], v: [&[f64]; 2]) -> [Vec<f64>; 2] {
    let pairs: Vec<[f64; 2]> = v[0].iter().zip(v[1]).map(|(a, b)| [*a, *b]).collect();
    let mut out = vec![[0.0; 2]; mean.len()];
    let mut centred = vec![0.0; mean.len()];
    for row in votes.offsets.windows(2) {
        let (columns, values) = (&votes.columns[row[0]..row[1]], &votes.values[row[0]..row[1]]);
        let mut along = [0.0; 2];
        for ((&c, &x), d) in columns.iter().zip(values).zip(&mut centred) {
            *d = f64::from(x) - mean[c as usize];
            let pair = pairs[c as usize];
            along[0] += *d * pair[0];
            along[1] += *d * pair[1];
        }
        for (&c, &d) in columns.iter().zip(&centred) {
            let sum = &mut out[c as usize];
            sum[0] += along[0] * d;
            sum[1] += along[1] * d;
        }
    }
    out.iter_mut().zip(&votes.excluded).filter(|(_, excluded)| **excluded).for_each(|(o, _)| *o = [0.0; 2]);
    [0, 1].map(|axis| out.iter().map(|pair| pair[axis]).collect())
}

/// The two axes of the votes, from those of `space`, and how many products it took; none when a full run is
/// the better way.
pub(super) fn follow(votes: &Votes, mean: &[f64], space: &Space) -> Option<([Vec<f64>; 2], [f64; 2], usize)> {
    let n = mean.len();
    // Squares of all centred votes, less what the known directions hold, spread over the rest.
    let squares: f64 = votes
        .columns
        .iter()
        .zip(&votes.values)
        .filter(|(c, _)| !votes.excluded[**c as usize])
        .map(|(&c, &x)| (f64::from(x) - mean[c as usize]).powi(2))
        .sum();
    let known: f64 = space.values.iter().sum();
    let rest = ((squares - known) / n.saturating_sub(space.values.len()).max(1) as f64).max(0.0);
    let (mut basis, mut images): (Vec<Vec<f64>>, Vec<Vec<f64>>) = (Vec::new(), Vec::new());
    let mut fresh = [space.vectors.first()?.clone(), space.vectors.get(1)?.clone()];
    for product in 1..=MOST_PRODUCTS {
        for direction in &mut fresh {
            orthogonalise(direction, &basis);
            let length = norm(direction);
            if length == 0.0 || !length.is_finite() {
                return None;
            }
            direction.iter_mut().for_each(|x| *x /= length);
            basis.push(direction.clone());
        }
        images.extend(gram_times_two(votes, mean, [&fresh[0], &fresh[1]]));
        let size = basis.len();
        let mut small = vec![0.0; size * size];
        for i in 0..size {
            for j in 0..size {
                small[i * size + j] = 0.5 * (dot(&basis[i], &images[j]) + dot(&basis[j], &images[i]));
            }
        }
        let (theta, vectors) = symmetric(size, small);
        let combined = |of: &[Vec<f64>], by: &[f64]| {
            let mut sum = vec![0.0; n];
            for (vector, share) in of.iter().zip(by) {
                sum.iter_mut().zip(vector).for_each(|(s, x)| *s += share * x);
            }
            sum
        };
        let axes = [0, 1].map(|axis| combined(&basis, &vectors[axis]));
        let mut settled = true;
        for axis in 0..2 {
            let mut residual = combined(&images, &vectors[axis]);
            residual.iter_mut().zip(&axes[axis]).for_each(|(r, y)| *r -= theta[axis] * y);
            settled &= norm(&residual) <= AT_REST * theta[0];
            fresh[axis] = corrected(residual, theta[axis], space, rest);
        }
        if settled {
            return Some((axes, [theta[0], theta[1]], product));
        }
    }
    None
}

/// A residual over the distance of its parts from `theta`: along each known direction the distance of its
/// value, and in all others that of their mean.
fn corrected(residual: Vec<f64>, theta: f64, space: &Space, rest: f64) -> Vec<f64> {
    let apart = |value: f64| {
        let distance = theta - value;
        if distance.abs() < 1e-3 * theta.abs() { (1e-3 * theta.abs()).copysign(distance) } else { distance }
    };
    let shares: Vec<f64> = space.vectors.iter().map(|direction| dot(direction, &residual)).collect();
    let mut correction = residual;
    let others = apart(rest);
    correction.iter_mut().for_each(|x| *x /= others);
    for (at, (direction, share)) in space.vectors.iter().zip(&shares).enumerate() {
        // The axes themselves are in the space already.
        let wanted = if at < 2 { 0.0 } else { share / apart(space.values[at]) };
        let change = wanted - share / others;
        correction.iter_mut().zip(direction).for_each(|(x, d)| *x += change * d);
    }
    correction
}

/// Eigenvalues, largest first, and eigenvectors of a small symmetric matrix (cyclic Jacobi; Golub and Van
/// Loan 2013, §8.5).
fn symmetric(size: usize, mut a: Vec<f64>) -> (Vec<f64>, Vec<Vec<f64>>) {
    const MOST_SWEEPS: usize = 30;
    let mut vectors: Vec<Vec<f64>> =
        (0..size).map(|i| (0..size).map(|j| f64::from(u8::from(i == j))).collect()).collect();
    for _ in 0..MOST_SWEEPS {
        let diagonal: f64 = (0..size).map(|i| a[i * size + i].powi(2)).sum();
        let beside: f64 =
            (0..size).flat_map(|i| (0..i).map(move |j| (i, j))).map(|(i, j)| a[i * size + j].powi(2)).sum();
        if beside <= 1e-30 * diagonal {
            break;
        }
        for p in 0..size {
            for q in p + 1..size {
                let apq = a[p * size + q];
                if apq == 0.0 {
                    continue;
                }
                let tau = (a[q * size + q] - a[p * size + p]) / (2.0 * apq);
                let t = 1.0f64.copysign(tau) / (tau.abs() + tau.hypot(1.0));
                let c = 1.0 / t.hypot(1.0);
                let s = t * c;
                for k in 0..size {
                    let (x, y) = (a[k * size + p], a[k * size + q]);
                    (a[k * size + p], a[k * size + q]) = (c * x - s * y, s * x + c * y);
                }
                for k in 0..size {
                    let (x, y) = (a[p * size + k], a[q * size + k]);
                    (a[p * size + k], a[q * size + k]) = (c * x - s * y, s * x + c * y);
                }
                let (low, high) = vectors.split_at_mut(q);
                for (x, y) in low[p].iter_mut().zip(&mut high[0]) {
                    (*x, *y) = (c * *x - s * *y, s * *x + c * *y);
                }
            }
        }
    }
    let mut order: Vec<usize> = (0..size).collect();
    order.sort_by(|&i, &j| a[j * size + j].total_cmp(&a[i * size + i]));
    (order.iter().map(|&i| a[i * size + i]).collect(), order.iter().map(|&i| vectors[i].clone()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_matrix_is_taken_apart() {
        let n = 9;
        let entry = |i: usize, j: usize| match i.abs_diff(j) {
            0 => 2.0,
            1 => -1.0,
            _ => 0.0,
        };
        let matrix: Vec<f64> = (0..n * n).map(|at| entry(at / n, at % n)).collect();
        let (values, vectors) = symmetric(n, matrix);
        for (j, value) in values.iter().rev().enumerate() {
            let want = 2.0 - 2.0 * (std::f64::consts::PI * (j + 1) as f64 / (n + 1) as f64).cos();
            assert!((value - want).abs() < 1e-12);
        }
        assert!(dot(&vectors[0], &vectors[1]).abs() < 1e-13 && (norm(&vectors[4]) - 1.0).abs() < 1e-13);
    }
}
