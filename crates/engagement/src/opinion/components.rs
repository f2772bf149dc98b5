//! Principal components of a vote matrix with missing votes at their column's mean.
//!
//! Once the means are taken off, a missing vote is exactly 0: the centred matrix
//! is as sparse as the votes. Its two leading right singular vectors come from
//! the Lanczos method with full reorthogonalisation (Golub and Van Loan 2013,
//! §10.1), run until the residual is at rounding.

use super::votes::Votes;
use crate::random::Random;

/// Means, components and the places of participants and statements on the map.
#[derive(Debug, Clone)]
pub struct Components {
    /// Mean vote by statement; 0 where excluded.
    pub mean: Vec<f64>,
    /// Two unit vectors over statements, the largest entry of each positive.
    pub axes: [Vec<f64>; 2],
    /// The two largest singular values.
    pub singular: [f64; 2],
    /// Place of each participant.
    pub participants: Vec<[f64; 2]>,
    /// Place of a participant who only agreed with the statement.
    pub statements: Vec<[f64; 2]>,
}

impl Components {
    /// How far a statement drives people apart: the length of its place.
    pub fn extremity(&self, statement: usize) -> f64 {
        let [x, y] = self.statements[statement];
        (x * x + y * y).sqrt()
    }
}

/// Computes means, components and places.
///
/// A place counts the votes seen only, pushed out by `√(statements / votes seen)`
/// so that rare voters are not drawn to the middle; excluded statements count as
/// seen by everybody.
pub fn components(votes: &Votes) -> Components {
    let columns = Columns::of(votes);
    let mean = columns.mean(votes);
    let space = leading(votes, &mean, 2);
    placed(votes, &columns, mean, &space)
}

/// What the means are made of.
#[derive(Debug, Clone)]
pub(super) struct Columns {
    /// Agreements less disagreements by statement.
    pub sum: Vec<i64>,
    /// Votes by statement.
    pub seen: Vec<u32>,
}

impl Columns {
    pub(super) fn of(votes: &Votes) -> Columns {
        let count = votes.statements.len();
        let mut columns = Columns { sum: vec![0; count], seen: vec![0; count] };
        for (&c, &v) in votes.columns.iter().zip(&votes.values) {
            columns.sum[c as usize] += i64::from(v);
            columns.seen[c as usize] += 1;
        }
        columns
    }

    pub(super) fn mean(&self, votes: &Votes) -> Vec<f64> {
        let mean = |c: usize| match self.seen[c] {
            0 => 0.0,
            _ if votes.excluded[c] => 0.0,
            seen => self.sum[c] as f64 / f64::from(seen),
        };
        (0..self.sum.len()).map(mean).collect()
    }
}

/// The directions of greatest spread.
#[derive(Debug, Clone)]
pub(super) struct Space {
    /// Unit vectors over statements, the two axes first; further ones are good approximations only.
    pub vectors: Vec<Vec<f64>>,
    /// Spread along each: an eigenvalue of `XᵀX`.
    pub values: Vec<f64>,
}

/// Places on the axes of a space.
pub(super) fn placed(votes: &Votes, columns: &Columns, mean: Vec<f64>, space: &Space) -> Components {
    let n = mean.len();
    let none = vec![0.0; n];
    let axis = |at: usize| facing_up(space.vectors.get(at).unwrap_or(&none).clone());
    let axes = [axis(0), axis(1)];
    let singular = [0, 1].map(|at| space.values.get(at).map_or(0.0, |value| value.max(0.0).sqrt()));
    let used = columns.seen.iter().zip(&votes.excluded).filter(|(s, e)| **s > 0 || **e).count();
    let excluded = votes.excluded.iter().filter(|e| **e).count();
    let place = |row: usize| {
        let (mut counted, mut x, mut y) = (excluded, 0.0, 0.0);
        for (c, v) in votes.row(row).filter(|&(c, _)| !votes.excluded[c]) {
            let d = f64::from(v) - mean[c];
            x += d * axes[0][c];
            y += d * axes[1][c];
            counted += 1;
        }
        let push = (used as f64 / counted.max(1) as f64).sqrt();
        [push * x, push * y]
    };
    let participants = (0..votes.participants.len()).map(place).collect();
    let push = (used as f64).sqrt();
    let statements = (0..n)
        .map(|c| {
            let d = if votes.excluded[c] { 0.0 } else { push * (1.0 - mean[c]) };
            [d * axes[0][c], d * axes[1][c]]
        })
        .collect();
    Components { mean, axes, singular, participants, statements }
}

/// The axis turned so that its largest entry is positive.
fn facing_up(mut axis: Vec<f64>) -> Vec<f64> {
    let largest = axis.iter().copied().fold(0.0, |m: f64, x| if x.abs() > m.abs() { x } else { m });
    if largest < 0.0 {
        axis.iter_mut().for_each(|x| *x = -*x);
    }
    axis
}

/// `Xᵀ X v` for the centred matrix `X`, without forming either.
fn gram_times(votes: &Votes, mean: &[f64], v: &[f64], out: &mut [f64]) {
    out.fill(0.0);
    // X v = votes·v − mean·v over the seen, so that one table of mean·v serves all rows.
    for row in 0..votes.participants.len() {
        let range = votes.offsets[row]..votes.offsets[row + 1];
        let (columns, values) = (&votes.columns[range.clone()], &votes.values[range]);
        let mut t = 0.0;
        for (&c, &x) in columns.iter().zip(values) {
            t += (f64::from(x) - mean[c as usize]) * v[c as usize];
        }
        for (&c, &x) in columns.iter().zip(values) {
            out[c as usize] += t * (f64::from(x) - mean[c as usize]);
        }
    }
    out.iter_mut().zip(&votes.excluded).filter(|(_, e)| **e).for_each(|(o, _)| *o = 0.0);
}

/// The two leading axes, and up to `keep` directions in all.
pub(super) fn leading(votes: &Votes, mean: &[f64], keep: usize) -> Space {
    const MOST_STEPS: usize = 400;
    let n = mean.len();
    let live: Vec<usize> = (0..n).filter(|&c| !votes.excluded[c]).collect();
    let steps = MOST_STEPS.min(live.len());
    let mut random = Random::new(1);
    let mut basis: Vec<Vec<f64>> = Vec::new();
    let (mut diagonal, mut beside) = (Vec::new(), Vec::new());
    let mut w = vec![0.0; n];
    let mut space = Space { vectors: Vec::new(), values: Vec::new() };
    for step in 0..steps {
        if step == 0 || beside.last().is_some_and(|b| *b == 0.0) {
            // The start, or an invariant space is used up: go on in a new direction.
            w.fill(0.0);
            live.iter().for_each(|&c| w[c] = random.normal());
            orthogonalise(&mut w, &basis);
        }
        let length = norm(&w);
        if length == 0.0 {
            break;
        }
        basis.push(w.iter().map(|x| x / length).collect());
        let v = &basis[step];
        gram_times(votes, mean, v, &mut w);
        diagonal.push(dot(&w, v));
        orthogonalise(&mut w, &basis);
        let rest = norm(&w);
        let scale = diagonal.iter().copied().fold(0.0, f64::max);
        let invariant = rest <= 1e-14 * scale;
        let last = step + 1 == steps;
        if last || invariant || (step + 1) % 8 == 0 {
            let (theta, vectors) = tridiagonal(&diagonal, &beside);
            let m = diagonal.len();
            let residual = |i: usize| rest * vectors[i][m - 1].abs();
            let settled = m >= 2 && (0..2).all(|i| residual(i) <= 1e-14 * theta[0].abs());
            if last || settled && !invariant || invariant && m >= 3.min(live.len()) {
                for (vector, value) in vectors.iter().zip(&theta).take(keep) {
                    let mut direction = vec![0.0; n];
                    for (b, s) in basis.iter().zip(vector) {
                        direction.iter_mut().zip(b).for_each(|(a, x)| *a += s * x);
                    }
                    space.vectors.push(direction);
                    space.values.push(*value);
                }
                break;
            }
        }
        beside.push(if invariant { 0.0 } else { rest });
    }
    space
}

pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

pub(super) fn norm(a: &[f64]) -> f64 {
    dot(a, a).sqrt()
}

/// Takes the span of `basis` out of `w`, twice, so that rounding leaves nothing of it.
pub(super) fn orthogonalise(w: &mut [f64], basis: &[Vec<f64>]) {
    for _ in 0..2 {
        for b in basis {
            let share = dot(w, b);
            w.iter_mut().zip(b).for_each(|(w, b)| *w -= share * b);
        }
    }
}

/// Eigenvalues, largest first, and eigenvectors of a symmetric tridiagonal matrix
/// (implicit QL with Wilkinson's shift; Golub and Van Loan 2013, §8.3).
fn tridiagonal(diagonal: &[f64], beside: &[f64]) -> (Vec<f64>, Vec<Vec<f64>>) {
    let m = diagonal.len();
    let mut d = diagonal.to_vec();
    let mut e = beside[..m - 1].to_vec();
    e.push(0.0);
    // Column j of the eigenvector matrix is kept as row j.
    let mut z: Vec<Vec<f64>> =
        (0..m).map(|j| (0..m).map(|i| f64::from(u8::from(i == j))).collect()).collect();
    for l in 0..m {
        for _ in 0..60 {
            let split = (l..m - 1).find(|&i| e[i].abs() <= f64::EPSILON * (d[i].abs() + d[i + 1].abs()));
            let end = split.unwrap_or(m - 1);
            if end == l {
                break;
            }
            let mut g = (d[l + 1] - d[l]) / (2.0 * e[l]);
            let mut r = g.hypot(1.0);
            g = d[end] - d[l] + e[l] / (g + r.copysign(g));
            let (mut s, mut c, mut p) = (1.0, 1.0, 0.0);
            let mut deflated = false;
            for i in (l..end).rev() {
                let f = s * e[i];
                let b = c * e[i];
                r = f.hypot(g);
                e[i + 1] = r;
                if r == 0.0 {
                    d[i + 1] -= p;
                    e[end] = 0.0;
                    deflated = true;
                    break;
                }
                s = f / r;
                c = g / r;
                g = d[i + 1] - p;
                r = (d[i] - g) * s + 2.0 * c * b;
                p = s * r;
                d[i + 1] = g + p;
                g = c * r - b;
                let (low, high) = z.split_at_mut(i + 1);
                for (a, b) in low[i].iter_mut().zip(&mut high[0]) {
                    let f = *b;
                    *b = s * *a + c * f;
                    *a = c * *a - s * f;
                }
            }
            if !deflated {
                d[l] -= p;
                e[l] = g;
                e[end] = 0.0;
            }
        }
    }
    let mut order: Vec<usize> = (0..m).collect();
    order.sort_by(|&a, &b| d[b].total_cmp(&d[a]));
    (order.iter().map(|&i| d[i]).collect(), order.iter().map(|&i| z[i].clone()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tridiagonal_matrix_is_taken_apart() {
        // Second differences: eigenvalues 2 − 2 cos(πj/(n+1)).
        let n = 12;
        let (values, vectors) = tridiagonal(&vec![2.0; n], &vec![-1.0; n - 1]);
        for (j, value) in values.iter().rev().enumerate() {
            let want = 2.0 - 2.0 * (std::f64::consts::PI * (j + 1) as f64 / (n + 1) as f64).cos();
            assert!((value - want).abs() < 1e-13);
        }
        assert!((dot(&vectors[0], &vectors[1])).abs() < 1e-13 && (norm(&vectors[3]) - 1.0).abs() < 1e-13);
    }
}
