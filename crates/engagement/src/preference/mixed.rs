//! The mixed logit by simulated maximum likelihood (Train 2009, chapter 6).
//!
//! The likelihood of a person is the mean, over Halton draws of the random
//! coefficients, of the product of the probabilities of their choices. Gradient
//! and Hessian of the simulated likelihood are exact, so that Newton's method
//! finds its maximum to rounding and standard errors are those of the observed
//! information.

use super::{ChoiceData, Conditional, Distribution, Estimate, Refusal, Specification, willingness};
use crate::linear::{Cholesky, Symmetric};
use crate::random::{PRIMES, halton, normal_quantile};
use rayon::prelude::*;

/// Halton elements left out at the start, where the bases run in step.
const SKIPPED: u64 = 100;
/// Persons whose sums are formed together; fixed, so that results do not depend on threads.
const CHUNK: usize = 8;

/// The choices of one person, as differences from what was chosen.
struct Person {
    rows: Vec<f64>,
    /// Row at which each task starts, and the number of rows.
    offsets: Vec<usize>,
}

struct Model {
    columns: usize,
    /// Column and distribution of each random coefficient.
    random: Vec<(usize, Distribution)>,
    persons: Vec<Person>,
    draws: usize,
}

/// Sums over persons.
struct Sums {
    log_likelihood: f64,
    gradient: Vec<f64>,
    /// Negative Hessian.
    information: Symmetric,
    /// Sum of products of the persons' gradients: positive where the Hessian is not.
    products: Symmetric,
}

impl Sums {
    fn zero(n: usize) -> Self {
        Sums {
            log_likelihood: 0.0,
            gradient: vec![0.0; n],
            information: Symmetric::zero(n),
            products: Symmetric::zero(n),
        }
    }

    fn add(&mut self, other: &Sums) {
        fn sum(a: &mut [f64], b: &[f64]) {
            a.iter_mut().zip(b).for_each(|(a, b)| *a += b);
        }
        self.log_likelihood += other.log_likelihood;
        sum(&mut self.gradient, &other.gradient);
        sum(&mut self.information.entries, &other.information.entries);
        sum(&mut self.products.entries, &other.products.entries);
    }
}

/// Estimates a mixed logit. Parameters are the location of every column, then
/// `sd.NAME`, the scale of every random one.
///
/// # Errors
/// See [`Refusal`].
pub fn mixed_logit(data: &ChoiceData, specification: &Specification) -> Result<Estimate, Refusal> {
    let k = data.columns.len();
    let mut random = Vec::new();
    for (name, &distribution) in &specification.random {
        let missing = || Refusal::Specification(format!("the random {name:?} is not among the columns"));
        random.push((data.columns.iter().position(|c| c == name).ok_or_else(missing)?, distribution));
    }
    random.sort_by_key(|&(column, _)| column);
    if random.len() > PRIMES.len() {
        let message = format!("at most {} coefficients may be random", PRIMES.len());
        return Err(Refusal::Specification(message));
    }
    let conditional = Conditional::new(data)?;
    let start = conditional.fit()?;
    let draws = if specification.draws == 0 { 500 } else { specification.draws };
    let model = Model { columns: k, random, persons: persons(data), draws };
    let (theta, sums, iterations) = model.maximise(&start.coefficients)?;
    let factor = Cholesky::new(&sums.information).map_err(|_| Refusal::NotConverged)?;
    let mut columns = data.columns.clone();
    columns.extend(model.random.iter().map(|&(c, _)| format!("sd.{}", data.columns[c])));
    let mut estimate = Estimate {
        model: format!("mixed logit, {draws} Halton draws"),
        columns,
        coefficients: theta,
        variance: factor.inverse(),
        log_likelihood: sums.log_likelihood,
        log_likelihood_null: conditional.null_log_likelihood(),
        rows: data.chosen.len(),
        strata: data.strata(),
        iterations,
        willingness: Vec::new(),
        items: Vec::new(),
    };
    // The scale's sign means nothing when the spread is symmetric.
    for (j, _) in model.random.iter().enumerate() {
        if estimate.coefficients[k + j] < 0.0 {
            flip(&mut estimate, k + j);
        }
    }
    if let Some(cost) = &specification.wtp_cost {
        if model.random.iter().any(|&(c, _)| data.columns[c] == *cost) {
            let message = format!("the cost {cost:?} is random; willingness to pay would have no mean");
            return Err(Refusal::Specification(message));
        }
        let without_bootstrap = Specification { bootstrap: 0, ..specification.clone() };
        estimate.willingness = willingness::all(&estimate, data, cost, &without_bootstrap)?;
        estimate.willingness.retain(|w| data.columns.contains(&w.column));
    }
    Ok(estimate)
}

fn flip(estimate: &mut Estimate, at: usize) {
    let n = estimate.coefficients.len();
    estimate.coefficients[at] = -estimate.coefficients[at];
    for j in (0..n).filter(|&j| j != at) {
        for entry in [at * n + j, j * n + at] {
            estimate.variance.entries[entry] = -estimate.variance.entries[entry];
        }
    }
}

fn persons(data: &ChoiceData) -> Vec<Person> {
    let count = data.person.iter().max().map_or(0, |&p| p as usize + 1);
    let mut persons: Vec<Person> =
        (0..count).map(|_| Person { rows: Vec::new(), offsets: vec![0] }).collect();
    for task in 0..data.strata() {
        let range = data.offsets[task]..data.offsets[task + 1];
        let mut chosen = range.clone().filter(|&r| data.chosen[r]);
        let (Some(first), None) = (chosen.next(), chosen.next()) else { continue };
        let person = &mut persons[data.person[task] as usize];
        for row in range.filter(|&r| r != first) {
            person.rows.extend(data.row(row).iter().zip(data.row(first)).map(|(a, b)| a - b));
        }
        person.offsets.push(person.rows.len() / data.columns.len());
    }
    persons.retain(|p| p.offsets.len() > 1);
    persons
}

/// A point of the standard form of a distribution.
fn standard(distribution: Distribution, u: f64) -> f64 {
    match distribution {
        Distribution::Normal | Distribution::Lognormal => normal_quantile(u),
        Distribution::Uniform => 2.0 * u - 1.0,
        Distribution::Triangular if u < 0.5 => (2.0 * u).sqrt() - 1.0,
        Distribution::Triangular => 1.0 - (2.0 * (1.0 - u)).sqrt(),
    }
}

impl Model {
    fn maximise(&self, means: &[f64]) -> Result<(Vec<f64>, Sums, usize), Refusal> {
        let mut theta = means.to_vec();
        for &(column, distribution) in &self.random {
            if distribution == Distribution::Lognormal {
                theta[column] = means[column].max(0.05).ln();
            }
        }
        theta.extend(self.random.iter().map(|&(column, distribution)| match distribution {
            Distribution::Lognormal => 0.5,
            _ => (0.3 * means[column].abs()).max(0.05),
        }));
        let mut here = self.sums(&theta);
        for iterations in 1..=200 {
            let factor = Cholesky::new(&here.information)
                .or_else(|_| Cholesky::new(&here.products))
                .map_err(|_| Refusal::NotConverged)?;
            let mut step = factor.solve(&here.gradient);
            let decrement: f64 = step.iter().zip(&here.gradient).map(|(s, g)| s * g).sum();
            if decrement < 1e-14 {
                return Ok((theta, here, iterations));
            }
            here = loop {
                let next: Vec<f64> = theta.iter().zip(&step).map(|(t, s)| t + s).collect();
                let there = self.sums(&next);
                if there.log_likelihood >= here.log_likelihood || decrement < 1e-9 {
                    theta = next;
                    break there;
                }
                if step.iter().zip(&theta).all(|(s, t)| s.abs() < 1e-10 * (1.0 + t.abs())) {
                    return Err(Refusal::NotConverged);
                }
                step.iter_mut().for_each(|s| *s *= 0.5);
            };
        }
        Err(Refusal::NotConverged)
    }

    fn sums(&self, theta: &[f64]) -> Sums {
        let chunks: Vec<Sums> = self
            .persons
            .par_chunks(CHUNK)
            .enumerate()
            .map(|(chunk, persons)| {
                let mut sums = Sums::zero(theta.len());
                for (i, person) in persons.iter().enumerate() {
                    self.add_person(&mut sums, person, chunk * CHUNK + i, theta);
                }
                sums
            })
            .collect();
        let mut total = Sums::zero(theta.len());
        chunks.iter().for_each(|s| total.add(s));
        total.information.mirror();
        total.products.mirror();
        total
    }

    /// Standard draws of one person, draw after draw.
    fn standard_draws(&self, person: usize) -> Vec<f64> {
        let first = SKIPPED + (person * self.draws) as u64;
        (0..self.draws as u64)
            .flat_map(|r| {
                let bases = self.random.iter().zip(PRIMES);
                bases.map(move |(&(_, distribution), base)| standard(distribution, halton(first + r, base)))
            })
            .collect()
    }

    fn coefficients(&self, theta: &[f64], z: &[f64], beta: &mut [f64]) {
        beta.copy_from_slice(&theta[..self.columns]);
        for (j, &(column, distribution)) in self.random.iter().enumerate() {
            beta[column] += theta[self.columns + j] * z[j];
            if distribution == Distribution::Lognormal {
                beta[column] = beta[column].exp();
            }
        }
    }

    fn add_person(&self, sums: &mut Sums, person: &Person, index: usize, theta: &[f64]) {
        let (k, n, randoms) = (self.columns, theta.len(), self.random.len());
        let draws = self.standard_draws(index);
        let mut beta = vec![0.0; k];
        let logs: Vec<f64> = (0..self.draws)
            .map(|r| {
                self.coefficients(theta, &draws[r * randoms..(r + 1) * randoms], &mut beta);
                person.log_probability(&beta)
            })
            .collect();
        let highest = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let total: f64 = logs.iter().map(|l| (l - highest).exp()).sum();
        sums.log_likelihood += highest + (total / self.draws as f64).ln();

        let mut gradient = vec![0.0; n];
        let mut draw = Draw::new(k, n);
        for (r, log) in logs.iter().enumerate() {
            let weight = (log - highest).exp() / total;
            // A draw this unlikely adds nothing that a double could hold.
            if weight < 1e-18 {
                continue;
            }
            let z = &draws[r * randoms..(r + 1) * randoms];
            self.coefficients(theta, z, &mut draw.beta);
            person.derivatives(&mut draw);
            self.chain(&mut draw, z);
            for (i, slope) in gradient.iter_mut().enumerate().take(n) {
                *slope += weight * draw.score[i];
                for j in i..n {
                    let product = draw.score[i] * draw.score[j] - draw.curvature[i * n + j];
                    sums.information.entries[i * n + j] -= weight * product;
                }
            }
        }
        for i in 0..n {
            sums.gradient[i] += gradient[i];
            for j in i..n {
                sums.information.entries[i * n + j] += gradient[i] * gradient[j];
                sums.products.entries[i * n + j] += gradient[i] * gradient[j];
            }
        }
    }

    /// Carries score and information from the coefficients to the parameters.
    fn chain(&self, draw: &mut Draw, z: &[f64]) {
        let (k, n) = (self.columns, draw.score.len());
        // Each parameter moves one coefficient: which, and how fast.
        let mut moves: Vec<(usize, f64)> = (0..k).map(|c| (c, 1.0)).collect();
        for (j, &(column, distribution)) in self.random.iter().enumerate() {
            if distribution == Distribution::Lognormal {
                moves[column].1 = draw.beta[column];
            }
            moves.push((column, moves[column].1 * z[j]));
        }
        for (i, &(ci, di)) in moves.iter().enumerate() {
            draw.score[i] = draw.slope[ci] * di;
            for (j, &(cj, dj)) in moves.iter().enumerate().skip(i) {
                draw.curvature[i * n + j] = draw.information[ci.min(cj) * k + ci.max(cj)] * di * dj;
            }
        }
        for (j, &(column, distribution)) in self.random.iter().enumerate() {
            if distribution == Distribution::Lognormal {
                let second = draw.slope[column] * draw.beta[column];
                draw.curvature[column * n + column] -= second;
                draw.curvature[column * n + k + j] -= second * z[j];
                draw.curvature[(k + j) * n + k + j] -= second * z[j] * z[j];
            }
        }
    }
}

/// Derivatives of the log-probability of a person's choices at one draw.
struct Draw {
    beta: Vec<f64>,
    /// By coefficient.
    slope: Vec<f64>,
    /// Negative second derivatives by coefficient, upper triangle.
    information: Vec<f64>,
    /// By parameter.
    score: Vec<f64>,
    /// Negative second derivatives by parameter, upper triangle.
    curvature: Vec<f64>,
    mean: Vec<f64>,
    probabilities: Vec<f64>,
}

impl Draw {
    fn new(k: usize, n: usize) -> Self {
        Draw {
            beta: vec![0.0; k],
            slope: vec![0.0; k],
            information: vec![0.0; k * k],
            score: vec![0.0; n],
            curvature: vec![0.0; n * n],
            mean: vec![0.0; k],
            probabilities: Vec::new(),
        }
    }
}

impl Person {
    fn tasks(&self, k: usize) -> impl Iterator<Item = &[f64]> {
        self.offsets.windows(2).map(move |w| &self.rows[w[0] * k..w[1] * k])
    }

    fn log_probability(&self, beta: &[f64]) -> f64 {
        let k = beta.len();
        let utility = |d: &[f64]| d.iter().zip(beta).map(|(x, b)| x * b).sum::<f64>();
        self.tasks(k)
            .map(|task| {
                // Capped: a choice of probability e⁻⁷⁰⁰ weighs nothing anyway.
                -(1.0 + task.chunks_exact(k).map(|d| utility(d).min(700.0).exp()).sum::<f64>()).ln()
            })
            .sum()
    }

    fn derivatives(&self, draw: &mut Draw) {
        let k = draw.beta.len();
        draw.slope.fill(0.0);
        draw.information.fill(0.0);
        for task in self.tasks(k) {
            draw.probabilities.clear();
            for d in task.chunks_exact(k) {
                let utility: f64 = d.iter().zip(&draw.beta).map(|(x, b)| x * b).sum();
                draw.probabilities.push(utility.min(700.0).exp());
            }
            let total = 1.0 + draw.probabilities.iter().sum::<f64>();
            draw.mean.fill(0.0);
            for (d, e) in task.chunks_exact(k).zip(&draw.probabilities) {
                let p = e / total;
                for i in 0..k {
                    draw.mean[i] += p * d[i];
                    for j in i..k {
                        draw.information[i * k + j] += p * d[i] * d[j];
                    }
                }
            }
            for i in 0..k {
                draw.slope[i] -= draw.mean[i];
                for j in i..k {
                    draw.information[i * k + j] -= draw.mean[i] * draw.mean[j];
                }
            }
        }
    }
}
