//! The conditional logit, fitted by Newton's method on exact derivatives.

use super::{ChoiceData, Refusal};
use crate::linear::{Cholesky, Symmetric};

/// Choice tasks made ready for fitting. Columns are scaled to unit root mean
/// square within tasks, so that units do not matter to the search.
///
/// A task with one chosen alternative is kept as the differences of the others
/// from it: then `log P = −log(1 + Σ exp(dⱼ·β))`, which neither overflows nor
/// cancels. Tasks with several chosen (matched sets) have the exact conditional
/// likelihood.
pub struct Conditional {
    columns: Vec<String>,
    scale: Vec<f64>,
    /// Differences, row after row, and where each single-choice task starts.
    differences: Vec<f64>,
    offsets: Vec<usize>,
    /// Task in the table of each single-choice task.
    singles: Vec<usize>,
    sets: Vec<MatchedSet>,
    weights: Vec<f64>,
}

/// A task with several chosen: attributes about their mean, chosen ones first.
struct MatchedSet {
    task: usize,
    cases: usize,
    rows: Vec<f64>,
}

/// A maximum of the likelihood.
#[derive(Debug, Clone)]
pub struct Fit {
    /// Coefficients in the units of the table.
    pub coefficients: Vec<f64>,
    /// Inverse of the observed information.
    pub variance: Symmetric,
    /// Log-likelihood there.
    pub log_likelihood: f64,
    /// Newton steps.
    pub iterations: usize,
}

/// Log-likelihood with its gradient and information (negative Hessian).
struct Derivatives {
    log_likelihood: f64,
    gradient: Vec<f64>,
    information: Symmetric,
}

impl Conditional {
    /// Prepares `data`. Tasks without a choice, or with everything chosen, say nothing and are skipped.
    ///
    /// # Errors
    /// No informative task, or a column that never varies within one.
    pub fn new(data: &ChoiceData) -> Result<Self, Refusal> {
        let k = data.columns.len();
        let mut model = Conditional {
            columns: data.columns.clone(),
            scale: vec![0.0; k],
            differences: Vec::with_capacity(data.values.len()),
            offsets: vec![0],
            singles: Vec::new(),
            sets: Vec::new(),
            weights: vec![1.0; data.strata()],
        };
        for task in 0..data.strata() {
            let rows = data.offsets[task]..data.offsets[task + 1];
            let cases = rows.clone().filter(|&r| data.chosen[r]).count();
            if cases == 0 || cases == rows.len() {
                continue;
            }
            if cases == 1 {
                let chosen = rows.clone().find(|&r| data.chosen[r]).unwrap_or(rows.start);
                for row in rows.filter(|&r| r != chosen) {
                    model.differences.extend(data.row(row).iter().zip(data.row(chosen)).map(|(a, b)| a - b));
                }
                model.singles.push(task);
                model.offsets.push(model.differences.len() / k.max(1));
            } else {
                model.sets.push(MatchedSet::new(data, task, cases));
            }
        }
        if model.singles.is_empty() && model.sets.is_empty() || k == 0 {
            return Err(Refusal::NoChoices);
        }
        model.rescale()?;
        Ok(model)
    }

    fn rescale(&mut self) -> Result<(), Refusal> {
        let k = self.columns.len();
        let blocks = || self.sets.iter().map(|s| &s.rows).chain([&self.differences]);
        let rows: usize = blocks().map(Vec::len).sum::<usize>() / k;
        let mut squares = vec![0.0; k];
        for row in blocks().flat_map(|b| b.chunks_exact(k)) {
            squares.iter_mut().zip(row).for_each(|(s, x)| *s += x * x);
        }
        for (i, sum) in squares.into_iter().enumerate() {
            if sum.is_nan() || sum <= 0.0 {
                return Err(Refusal::Constant(self.columns[i].clone()));
            }
            self.scale[i] = (sum / rows as f64).sqrt();
        }
        let scale = &self.scale;
        for row in self.differences.chunks_exact_mut(k) {
            row.iter_mut().zip(scale).for_each(|(x, s)| *x /= s);
        }
        for row in self.sets.iter_mut().flat_map(|s| s.rows.chunks_exact_mut(k)) {
            row.iter_mut().zip(scale).for_each(|(x, s)| *x /= s);
        }
        Ok(())
    }

    /// Sets the weight of each task of the table: how often a bootstrap sample drew it.
    pub fn set_weights(&mut self, weights: &[f64]) {
        self.weights.copy_from_slice(weights);
    }

    /// Log-likelihood when all alternatives are alike.
    pub fn null_log_likelihood(&self) -> f64 {
        let singles: f64 = self
            .offsets
            .windows(2)
            .zip(&self.singles)
            .map(|(o, &task)| self.weights[task] * ((o[1] - o[0] + 1) as f64).ln())
            .sum();
        let sets: f64 = self.sets.iter().map(|s| self.weights[s.task] * s.log_ways(self.columns.len())).sum();
        -(singles + sets)
    }

    /// Finds the maximum of the likelihood.
    ///
    /// The last step leaves an error far below 1e-12 standard errors, since
    /// Newton's method squares it each time.
    ///
    /// # Errors
    /// Dependent or separating columns.
    pub fn fit(&self) -> Result<Fit, Refusal> {
        // The step that is still taken squares the error, and the information is that of a point within
        // 1e-6 standard errors of the maximum.
        const SETTLED: f64 = 1e-13;
        const FLAT: f64 = 1e8;
        let k = self.columns.len();
        let mut beta = self.start();
        let mut here = self.derivatives(&beta, 1);
        if here.log_likelihood.is_nan() || here.log_likelihood < self.null_log_likelihood() {
            beta.fill(0.0);
            here = self.derivatives(&beta, 1);
        }
        for iterations in 1..=60 {
            let factor = Cholesky::new(&here.information).map_err(|column| {
                let name = self.columns[column].clone();
                if iterations == 1 { Refusal::Dependent(name) } else { Refusal::Separated(name) }
            })?;
            let mut step = factor.solve(&here.gradient);
            let decrement: f64 = step.iter().zip(&here.gradient).map(|(s, g)| s * g).sum();
            if decrement < SETTLED {
                let variance = factor.inverse();
                // Columns have unit size here: an error this large means that the likelihood is flat.
                if let Some(column) = (0..k).find(|&i| variance.at(i, i) > FLAT) {
                    return Err(Refusal::Separated(self.columns[column].clone()));
                }
                beta.iter_mut().zip(&step).for_each(|(b, s)| *b += s);
                return Ok(self.unscaled(beta, variance, here.log_likelihood, iterations));
            }
            here = loop {
                let next: Vec<f64> = beta.iter().zip(&step).map(|(b, s)| b + s).collect();
                let there = self.derivatives(&next, 1);
                // Near the top the likelihood no longer tells steps apart, and none needs shortening.
                if there.log_likelihood >= here.log_likelihood || decrement < 1e-8 {
                    beta = next;
                    break there;
                }
                if step.iter().all(|s| s.abs() < 1e-12) {
                    return Err(Refusal::NotConverged);
                }
                step.iter_mut().for_each(|s| *s *= 0.5);
            };
            if let Some(column) = beta.iter().position(|b| b.abs() > 1e3) {
                return Err(Refusal::Separated(self.columns[column].clone()));
            }
        }
        Err(Refusal::NotConverged)
    }

    /// Where the search begins: for many tasks, close to the maximum of a part of them.
    fn start(&self) -> Vec<f64> {
        const MANY: usize = 2000;
        const EVERY: usize = 8;
        let mut beta = vec![0.0; self.columns.len()];
        if self.singles.len() < MANY {
            return beta;
        }
        for _ in 0..6 {
            let part = self.derivatives(&beta, EVERY);
            let Ok(factor) = Cholesky::new(&part.information) else { break };
            let step = factor.solve(&part.gradient);
            beta.iter_mut().zip(&step).for_each(|(b, s)| *b += s);
            if step.iter().zip(&part.gradient).map(|(s, g)| s * g).sum::<f64>() < 0.1 {
                break;
            }
        }
        beta
    }

    fn unscaled(
        &self,
        beta: Vec<f64>,
        mut variance: Symmetric,
        log_likelihood: f64,
        iterations: usize,
    ) -> Fit {
        let k = beta.len();
        for i in 0..k {
            for j in 0..k {
                variance.entries[i * k + j] /= self.scale[i] * self.scale[j];
            }
        }
        let coefficients = beta.iter().zip(&self.scale).map(|(b, s)| b / s).collect();
        Fit { coefficients, variance, log_likelihood, iterations }
    }

    /// Derivatives over every `stride`-th task.
    fn derivatives(&self, beta: &[f64], stride: usize) -> Derivatives {
        let k = beta.len();
        let mut sum =
            Derivatives { log_likelihood: 0.0, gradient: vec![0.0; k], information: Symmetric::zero(k) };
        self.add_singles_fast(beta, stride, &mut sum);
        for set in self.sets.iter().step_by(stride) {
            set.add_to(&mut sum, self.weights[set.task], beta);
        }
        sum.information.mirror();
        sum
    }

    /// [`Conditional::add_singles`], with vectors of four where the processor has them. The order of the
    /// sums is the same, and no product is fused with a sum: so are the bits of the result.
    fn add_singles_fast(&self, beta: &[f64], stride: usize, sum: &mut Derivatives) {
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("avx2") {
            // SAFETY: the processor has what the function was compiled for.
            return unsafe { self.add_singles_avx2(beta, stride, sum) };
        }
        self.add_singles(beta, stride, sum);
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2")]
    fn add_singles_avx2(&self, beta: &[f64], stride: usize, sum: &mut Derivatives) {
        self.add_singles(beta, stride, sum);
    }

    /// Adds what tasks with a single choice say.
    #[inline(always)]
    fn add_singles(&self, beta: &[f64], stride: usize, sum: &mut Derivatives) {
        let k = beta.len();
        let mut products = Products::new(k);
        let (mut probabilities, mut mean) = (Vec::new(), vec![0.0; k]);
        for (window, &task) in self.offsets.windows(2).zip(&self.singles).step_by(stride) {
            let weight = self.weights[task];
            if weight == 0.0 {
                continue;
            }
            let rows = &self.differences[window[0] * k..window[1] * k];
            probabilities.clear();
            probabilities.extend(rows.chunks_exact(k).map(|d| dot(d, beta)));
            let highest = probabilities.iter().copied().fold(0.0, f64::max);
            let mut total = (-highest).exp();
            for p in &mut probabilities {
                *p = (*p - highest).exp();
                total += *p;
            }
            sum.log_likelihood -= weight * (highest + total.ln());
            mean.fill(0.0);
            for (d, p) in rows.chunks_exact(k).zip(&mut probabilities) {
                *p *= weight / total;
                mean.iter_mut().zip(d).for_each(|(m, x)| *m += *p * x);
                products.add(*p, d);
            }
            sum.gradient.iter_mut().zip(&mean).for_each(|(g, m)| *g -= m);
            // The mean was weighted once already.
            products.add(-1.0 / weight, &mean);
        }
        products.finish(&mut sum.information);
    }
}

#[inline(always)]
fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Columns are padded to a multiple of this, so that inner loops have a fixed length.
const LANES: usize = 4;

/// Sums `w z zᵀ` over rows, four at a time: each entry of the matrix is then read and written once for four.
struct Products {
    k: usize,
    /// Columns with padding.
    width: usize,
    rows: [Vec<f64>; 4],
    weights: [f64; 4],
    filled: usize,
    /// Upper triangle by blocks of [`LANES`] columns.
    sums: Vec<f64>,
}

impl Products {
    fn new(k: usize) -> Self {
        let width = k.next_multiple_of(LANES);
        let rows = std::array::from_fn(|_| vec![0.0; width]);
        Products { k, width, rows, weights: [0.0; 4], filled: 0, sums: vec![0.0; k * width] }
    }

    #[inline(always)]
    fn add(&mut self, weight: f64, row: &[f64]) {
        self.rows[self.filled][..self.k].copy_from_slice(row);
        self.weights[self.filled] = weight;
        self.filled += 1;
        if self.filled == 4 {
            self.flush();
        }
    }

    #[inline(always)]
    fn flush(&mut self) {
        let [a, b, c, d] = &self.rows;
        let [wa, wb, wc, wd] = self.weights;
        for i in 0..self.k {
            let (ai, bi, ci, di) = (wa * a[i], wb * b[i], wc * c[i], wd * d[i]);
            let from = i / LANES * LANES;
            let row = &mut self.sums[i * self.width + from..(i + 1) * self.width];
            let blocks = row
                .chunks_exact_mut(LANES)
                .zip(a[from..].chunks_exact(LANES))
                .zip(b[from..].chunks_exact(LANES))
                .zip(c[from..].chunks_exact(LANES))
                .zip(d[from..].chunks_exact(LANES));
            for ((((sum, a), b), c), d) in blocks {
                for lane in 0..LANES {
                    sum[lane] += (ai * a[lane] + bi * b[lane]) + (ci * c[lane] + di * d[lane]);
                }
            }
        }
        self.filled = 0;
    }

    #[inline(always)]
    fn finish(mut self, into: &mut Symmetric) {
        self.weights[self.filled..].fill(0.0);
        self.flush();
        for i in 0..self.k {
            for j in i..self.k {
                into.entries[i * self.k + j] += self.sums[i * self.width + j];
            }
        }
    }
}

impl MatchedSet {
    fn new(data: &ChoiceData, task: usize, cases: usize) -> Self {
        let range = data.offsets[task]..data.offsets[task + 1];
        let k = data.columns.len();
        let mut mean = vec![0.0; k];
        for row in range.clone() {
            mean.iter_mut().zip(data.row(row)).for_each(|(m, x)| *m += x / range.len() as f64);
        }
        let chosen = range.clone().filter(|&r| data.chosen[r]);
        let others = range.clone().filter(|&r| !data.chosen[r]);
        let rows =
            chosen.chain(others).flat_map(|r| data.row(r).iter().zip(&mean).map(|(x, m)| x - m)).collect();
        MatchedSet { task, cases, rows }
    }

    /// Logarithm of the number of ways to choose the cases.
    fn log_ways(&self, k: usize) -> f64 {
        let n = self.rows.len() / k;
        (0..self.cases).map(|i| ((n - i) as f64 / (i + 1) as f64).ln()).sum()
    }

    /// Adds the exact conditional likelihood: the weight of the chosen set over the
    /// sum of weights of all sets of its size, by the recursion of Gail, Lubin and
    /// Rubinstein (1981), carried on to both derivatives.
    fn add_to(&self, sum: &mut Derivatives, weight: f64, beta: &[f64]) {
        let (k, m) = (beta.len(), self.cases);
        let rows: Vec<&[f64]> = self.rows.chunks_exact(k).collect();
        let utilities: Vec<f64> = rows.iter().map(|x| dot(x, beta)).collect();
        let highest = utilities.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let mut value = vec![0.0; m + 1];
        let mut first = vec![0.0; (m + 1) * k];
        let mut second = vec![0.0; (m + 1) * k * k];
        value[0] = 1.0;
        for (seen, (x, utility)) in rows.iter().zip(&utilities).enumerate() {
            let e = (utility - highest).exp();
            for size in (1..=m.min(seen + 1)).rev() {
                let f = value[size - 1];
                for i in 0..k {
                    let gi = first[(size - 1) * k + i];
                    for j in i..k {
                        let gj = first[(size - 1) * k + j];
                        let h = second[((size - 1) * k + i) * k + j];
                        second[(size * k + i) * k + j] += e * (h + gi * x[j] + gj * x[i] + f * x[i] * x[j]);
                    }
                }
                for i in 0..k {
                    let g = first[(size - 1) * k + i];
                    first[size * k + i] += e * (g + f * x[i]);
                }
                value[size] += e * f;
            }
        }
        let total = value[m];
        let chosen: f64 = utilities[..m].iter().map(|u| u - highest).sum();
        sum.log_likelihood += weight * (chosen - total.ln());
        for i in 0..k {
            let mean = first[m * k + i] / total;
            sum.gradient[i] += weight * (rows[..m].iter().map(|x| x[i]).sum::<f64>() - mean);
            for j in i..k {
                let product = second[(m * k + i) * k + j] / total;
                sum.information.entries[i * k + j] += weight * (product - mean * first[m * k + j] / total);
            }
        }
    }
}
