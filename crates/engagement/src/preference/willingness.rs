//! Willingness to pay `−β/β_cost` and three intervals for it.

use super::{ChoiceData, Conditional, Estimate, Refusal, Specification};
use crate::linear::{Cholesky, Symmetric};
use crate::random::{Random, normal_quantile};
use serde_json::{Value, json};

/// A 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl Interval {
    /// Whether the value lies inside.
    pub fn holds(&self, value: f64) -> bool {
        self.low <= value && value <= self.high
    }

    /// The 2.5 and 97.5 % points of a sample (R's type 7).
    fn of_sample(mut sample: Vec<f64>) -> Self {
        sample.sort_by(f64::total_cmp);
        let point = |p: f64| {
            let at = p * (sample.len() - 1) as f64;
            let below = sample[at as usize];
            let above = sample[(at as usize + 1).min(sample.len() - 1)];
            below + at.fract() * (above - below)
        };
        Interval { low: point(0.025), high: point(0.975) }
    }
}

/// What one unit of an attribute is worth in units of the cost column.
#[derive(Debug, Clone)]
pub struct Willingness {
    /// The attribute.
    pub column: String,
    /// `−β/β_cost`.
    pub value: f64,
    /// Standard error by the delta method.
    pub delta_error: f64,
    /// Interval of the delta method.
    pub delta: Interval,
    /// Percentile interval of draws from the estimate's normal distribution (Krinsky and Robb 1986).
    pub krinsky_robb: Option<Interval>,
    /// Percentile interval of refits to samples of persons.
    pub bootstrap: Option<Interval>,
}

impl Willingness {
    pub(super) fn to_json(&self) -> Value {
        let pair = |i: Interval| json!([i.low, i.high]);
        let mut out = json!({ "wtp": self.value, "se_delta": self.delta_error, "delta": pair(self.delta) });
        if let Some(interval) = self.krinsky_robb {
            out["krinsky_robb"] = pair(interval);
        }
        if let Some(interval) = self.bootstrap {
            out["bootstrap"] = pair(interval);
        }
        out
    }
}

/// Willingness to pay for attribute `i` given cost `c`: value and delta-method standard error.
pub fn delta(coefficients: &[f64], variance: &Symmetric, i: usize, c: usize) -> (f64, f64) {
    let (b, cost) = (coefficients[i], coefficients[c]);
    let mut gradient = vec![0.0; coefficients.len()];
    gradient[i] = -1.0 / cost;
    gradient[c] += b / (cost * cost);
    (-b / cost, variance.form(&gradient, &gradient).sqrt())
}

/// Draws of the coefficients from their estimated normal distribution.
///
/// # Errors
/// The column at which the variance matrix is not positive definite.
pub fn krinsky_robb(
    coefficients: &[f64],
    variance: &Symmetric,
    draws: usize,
    seed: u64,
) -> Result<Vec<Vec<f64>>, usize> {
    let factor = Cholesky::new(variance)?;
    let mut random = Random::new(seed);
    Ok((0..draws)
        .map(|_| {
            let z: Vec<f64> = coefficients.iter().map(|_| random.normal()).collect();
            factor.transform(&z).iter().zip(coefficients).map(|(e, b)| b + e).collect()
        })
        .collect())
}

/// Coefficients refitted to samples of persons drawn with replacement. Samples
/// without a finite estimate are left out.
///
/// # Errors
/// What [`Conditional::new`] refuses.
pub fn bootstrap(data: &ChoiceData, samples: usize, seed: u64) -> Result<Vec<Vec<f64>>, Refusal> {
    let mut model = Conditional::new(data)?;
    let persons = data.person.iter().max().map_or(0, |&p| p as usize + 1);
    let mut random = Random::new(seed);
    let mut out = Vec::with_capacity(samples);
    for _ in 0..samples {
        let mut times = vec![0.0; persons];
        for _ in 0..persons {
            times[random.below(persons)] += 1.0;
        }
        let weights: Vec<f64> = data.person.iter().map(|&p| times[p as usize]).collect();
        model.set_weights(&weights);
        out.extend(model.fit().ok().map(|fit| fit.coefficients));
    }
    Ok(out)
}

/// Every attribute's willingness to pay, with the intervals the specification asks for.
pub(super) fn all(
    estimate: &Estimate,
    tasks: &ChoiceData,
    cost: &str,
    specification: &Specification,
) -> Result<Vec<Willingness>, Refusal> {
    let missing = || Refusal::Specification(format!("the cost {cost:?} is not among the columns"));
    let c = estimate.columns.iter().position(|n| n == cost).ok_or_else(missing)?;
    let (b, v) = (&estimate.coefficients, &estimate.variance);
    let drawn = match specification.krinsky_robb {
        0 => Vec::new(),
        n => krinsky_robb(b, v, n, specification.seed)
            .map_err(|i| Refusal::Dependent(estimate.columns[i].clone()))?,
    };
    let refitted = match specification.bootstrap {
        0 => Vec::new(),
        n => bootstrap(tasks, n, specification.seed)?,
    };
    let interval = |sample: &[Vec<f64>], i: usize| {
        (!sample.is_empty()).then(|| Interval::of_sample(sample.iter().map(|b| -b[i] / b[c]).collect()))
    };
    let z = normal_quantile(0.975);
    Ok((0..b.len())
        .filter(|&i| i != c)
        .map(|i| {
            let (value, delta_error) = delta(b, v, i, c);
            Willingness {
                column: estimate.columns[i].clone(),
                value,
                delta_error,
                delta: Interval { low: value - z * delta_error, high: value + z * delta_error },
                krinsky_robb: interval(&drawn, i),
                bootstrap: interval(&refitted, i),
            }
        })
        .collect())
}
