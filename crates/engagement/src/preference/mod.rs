//! Stated preferences: what people would choose, estimated from what they chose.
//!
//! One long table holds every kind of task: a row an alternative, a column an
//! attribute, a stratum a choice task. What the [`Specification`] names decides
//! the model: the conditional logit (McFadden 1974) alone, its rank-ordered and
//! best–worst forms, which are conditional logits on derived tasks, or the
//! mixed logit when coefficients are random over persons.

mod best_worst;
mod conditional;
mod data;
pub mod design;
mod mixed;
mod ranked;
pub mod survey;
pub mod swing;
mod willingness;

pub use best_worst::{BestWorst, ItemCount, item_counts};
pub use conditional::{Conditional, Fit};
pub use data::{ChoiceData, Distribution, OneOrMany, Specification, read};
pub use mixed::mixed_logit;
pub use willingness::{Interval, Willingness, bootstrap, delta, krinsky_robb};

use crate::linear::Symmetric;
use serde_json::{Map, Value, json};
use std::fmt;

/// Why no estimate could be given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The specification asks for something the table does not hold.
    Specification(String),
    /// No task in which exactly some alternatives were chosen.
    NoChoices,
    /// The column does not vary within any choice task, so nothing can be said of it.
    Constant(String),
    /// The column is a combination of the columns before it.
    Dependent(String),
    /// The column predicts the choices perfectly: its coefficient runs away.
    Separated(String),
    /// The search did not settle.
    NotConverged,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Specification(why) => write!(f, "{why}"),
            Refusal::NoChoices => {
                write!(f, "no choice task in which some but not all alternatives were chosen")
            }
            Refusal::Constant(c) => {
                write!(f, "column {c} is the same for all alternatives of every choice task")
            }
            Refusal::Dependent(c) => {
                write!(f, "column {c} is a combination of the columns before it; leave one out")
            }
            Refusal::Separated(c) => {
                write!(f, "column {c} predicts the choices perfectly; its coefficient has no finite estimate")
            }
            Refusal::NotConverged => write!(f, "the search for the maximum of the likelihood did not settle"),
        }
    }
}

impl std::error::Error for Refusal {}

/// Estimated coefficients with what is needed to judge them.
#[derive(Debug, Clone)]
pub struct Estimate {
    /// `conditional logit`, `rank-ordered logit`, `best–worst …` or `mixed logit`.
    pub model: String,
    /// Names of the parameters.
    pub columns: Vec<String>,
    /// Coefficients, in utility per unit of the column.
    pub coefficients: Vec<f64>,
    /// Variance matrix: the inverse of the observed information.
    pub variance: Symmetric,
    /// Log-likelihood at the coefficients.
    pub log_likelihood: f64,
    /// Log-likelihood when all alternatives are alike.
    pub log_likelihood_null: f64,
    /// Alternatives (rows) used.
    pub rows: usize,
    /// Choice tasks used; the sample size of the BIC.
    pub strata: usize,
    /// Newton steps taken.
    pub iterations: usize,
    /// Willingness to pay, when the specification names a cost column.
    pub willingness: Vec<Willingness>,
    /// Best–worst counts by item, when the specification names an item column.
    pub items: Vec<ItemCount>,
}

impl Estimate {
    /// Standard errors.
    pub fn standard_errors(&self) -> Vec<f64> {
        (0..self.columns.len()).map(|i| self.variance.at(i, i).sqrt()).collect()
    }

    /// Akaike's information criterion.
    pub fn aic(&self) -> f64 {
        2.0 * (self.columns.len() as f64 - self.log_likelihood)
    }

    /// Schwarz's information criterion over choice tasks.
    pub fn bic(&self) -> f64 {
        self.columns.len() as f64 * (self.strata as f64).ln() - 2.0 * self.log_likelihood
    }

    /// The estimate as a JSON object: `coef`, `se` by column name, `vcov` in the order of `columns`.
    pub fn to_json(&self) -> Value {
        let by_name = |values: &[f64]| -> Map<String, Value> {
            self.columns.iter().cloned().zip(values.iter().map(|v| json!(v))).collect()
        };
        let errors = self.standard_errors();
        let z: Vec<f64> = self.coefficients.iter().zip(&errors).map(|(b, s)| b / s).collect();
        let parameters = self.columns.len() as f64;
        let mut out = json!({
            "model": self.model,
            "n_rows": self.rows,
            "n_strata": self.strata,
            "columns": self.columns,
            "coef": by_name(&self.coefficients),
            "se": by_name(&errors),
            "z": by_name(&z),
            "vcov": self.variance.rows(),
            "loglik": self.log_likelihood,
            "loglik_null": self.log_likelihood_null,
            "mcfadden_r2": 1.0 - self.log_likelihood / self.log_likelihood_null,
            "mcfadden_r2_adj": 1.0 - (self.log_likelihood - parameters) / self.log_likelihood_null,
            "aic": self.aic(),
            "bic": self.bic(),
            "lr_stat": 2.0 * (self.log_likelihood - self.log_likelihood_null),
            "newton_iters": self.iterations,
        });
        if !self.willingness.is_empty() {
            let wtp: Map<String, Value> =
                self.willingness.iter().map(|w| (w.column.clone(), w.to_json())).collect();
            out["wtp"] = Value::Object(wtp);
        }
        if !self.items.is_empty() {
            out["items"] = self.items.iter().map(ItemCount::to_json).collect();
        }
        out
    }
}

/// Estimates what `specification` asks of `data`.
///
/// # Errors
/// See [`Refusal`].
pub fn estimate(data: &ChoiceData, specification: &Specification) -> Result<Estimate, Refusal> {
    if !specification.random.is_empty() {
        return mixed_logit(data, specification);
    }
    let (model, derived) = if !data.rank.is_empty() {
        ("rank-ordered logit", Some(ranked::explode(data)))
    } else if !data.worst.is_empty() {
        (specification.best_worst.name(), Some(best_worst::tasks(data, specification.best_worst)))
    } else {
        ("conditional logit", None)
    };
    let tasks = derived.as_ref().unwrap_or(data);
    let conditional = Conditional::new(tasks)?;
    let fit = conditional.fit()?;
    let mut estimate = Estimate {
        model: model.into(),
        columns: data.columns.clone(),
        coefficients: fit.coefficients,
        variance: fit.variance,
        log_likelihood: fit.log_likelihood,
        log_likelihood_null: conditional.null_log_likelihood(),
        rows: data.chosen.len(),
        strata: data.strata(),
        iterations: fit.iterations,
        willingness: Vec::new(),
        items: item_counts(data),
    };
    if let Some(cost) = &specification.wtp_cost {
        estimate.willingness = willingness::all(&estimate, tasks, cost, specification)?;
    }
    Ok(estimate)
}
