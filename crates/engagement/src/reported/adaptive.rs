//! Adaptive tests of the PROMIS kind: the graded response model (Samejima 1969) and expected a posteriori scores.
//!
//! An item with discrimination `a` and thresholds `b₁ < … < bₘ` is answered at level `k` or above with
//! probability `1 / (1 + exp(−a(θ − bₖ)))`. The score is the mean of θ given the answers under a standard
//! normal prior, by quadrature over 81 even points from −4 to 4, as the PROMIS assessment software does; the next item is
//! the one with the most information at the score (maximum Fisher information, van der Linden 1998), and
//! the test stops when the standard error is small enough.

use serde::{Deserialize, Serialize};

/// Points of the quadrature.
const POINTS: usize = 81;
/// The scale of θ that is integrated over.
const WIDEST: f64 = 4.0;

/// One question of a bank.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Item {
    /// Its linkId in the Questionnaire.
    pub id: String,
    /// Discrimination.
    pub slope: f64,
    /// Thresholds in rising order: one fewer than levels.
    pub thresholds: Vec<f64>,
}

/// A bank of items with the rule by which a test stops.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Bank {
    /// Name.
    pub name: String,
    /// Where the parameters come from.
    pub source: String,
    /// Items.
    pub items: Vec<Item>,
    /// The test stops below this standard error of θ …
    pub precise: f64,
    /// … but not before so many items …
    pub least: usize,
    /// … and in any case after so many.
    pub most: usize,
}

/// A score.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Score {
    /// Mean of θ.
    pub theta: f64,
    /// Its standard deviation.
    pub error: f64,
}

impl Score {
    /// On the scale with mean 50 and standard deviation 10 of the reference population.
    pub fn t(&self) -> f64 {
        50.0 + 10.0 * self.theta
    }
}

impl Item {
    /// Probability of each level at θ.
    pub fn probabilities(&self, theta: f64) -> Vec<f64> {
        let above = |b: &f64| 1.0 / (1.0 + (-self.slope * (theta - b)).exp());
        let mut boundary = 1.0;
        let mut levels = Vec::with_capacity(self.thresholds.len() + 1);
        for next in self.thresholds.iter().map(above).chain([0.0]) {
            levels.push(boundary - next);
            boundary = next;
        }
        levels
    }

    /// Fisher information at θ.
    pub fn information(&self, theta: f64) -> f64 {
        let slope = |p: f64| p * (1.0 - p);
        let above = |b: &f64| 1.0 / (1.0 + (-self.slope * (theta - b)).exp());
        let (mut sum, mut boundary) = (0.0, 1.0);
        for next in self.thresholds.iter().map(above).chain([0.0]) {
            let change = slope(boundary) - slope(next);
            sum += change * change / (boundary - next).max(1e-300);
            boundary = next;
        }
        self.slope * self.slope * sum
    }
}

impl Bank {
    /// Reads a bank.
    ///
    /// # Errors
    /// JSON of another shape, or an item whose slope is not positive or whose thresholds do not rise.
    pub fn read(json: &str) -> Result<Bank, String> {
        let bank: Bank = serde_json::from_str(json).map_err(|e| e.to_string())?;
        for item in &bank.items {
            let rising = item.thresholds.windows(2).all(|pair| pair[0] < pair[1]);
            if !(item.slope > 0.0 && item.slope.is_finite() && rising && !item.thresholds.is_empty()) {
                return Err(format!("item {}: the slope is positive and thresholds rise", item.id));
            }
        }
        Ok(bank)
    }

    /// The score of answers `(item, level)`; levels count from 0.
    ///
    /// # Errors
    /// An item or level that the bank does not have.
    pub fn score(&self, answers: &[(usize, usize)]) -> Result<Score, String> {
        for &(item, level) in answers {
            let found =
                self.items.get(item).ok_or_else(|| format!("item {item}: the bank has no such item"))?;
            if level > found.thresholds.len() {
                return Err(format!("{}: level {level} is above {}", found.id, found.thresholds.len()));
            }
        }
        let (mut whole, mut first, mut second) = (0.0, 0.0, 0.0);
        for point in 0..POINTS {
            let theta = WIDEST * (2.0 * point as f64 / (POINTS - 1) as f64 - 1.0);
            let likelihood: f64 =
                answers.iter().map(|&(item, level)| self.items[item].probabilities(theta)[level]).product();
            let weight = likelihood * (-0.5 * theta * theta).exp();
            whole += weight;
            first += weight * theta;
            second += weight * theta * theta;
        }
        let theta = first / whole;
        Ok(Score { theta, error: (second / whole - theta * theta).max(0.0).sqrt() })
    }

    /// The item to ask next; `None` when the test is over.
    ///
    /// # Errors
    /// As [`Bank::score`].
    pub fn next(&self, answers: &[(usize, usize)]) -> Result<Option<usize>, String> {
        let score = self.score(answers)?;
        let enough = answers.len() >= self.least && score.error < self.precise;
        if enough || answers.len() >= self.most {
            return Ok(None);
        }
        let open = (0..self.items.len()).filter(|item| !answers.iter().any(|(asked, _)| asked == item));
        Ok(open.max_by(|&a, &b| {
            let information = |item: usize| self.items[item].information(score.theta);
            information(a).total_cmp(&information(b)).then(b.cmp(&a))
        }))
    }
}
