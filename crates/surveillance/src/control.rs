//! What keeps the number of signals answerable: control of the false discovery
//! rate over one run, a budget of alerts, and a positive predictive value
//! learnt per rule and place from what became of former signals.

/// Benjamini and Hochberg's q-values (J R Stat Soc B 1995;57:289), in the order
/// of the p-values. A p-value that is not a number gets none and does not count.
pub fn false_discovery(pvalues: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..pvalues.len()).filter(|&i| !pvalues[i].is_nan()).collect();
    order.sort_by(|&a, &b| pvalues[b].total_cmp(&pvalues[a]));
    let tests = order.len() as f64;
    let mut q = vec![f64::NAN; pvalues.len()];
    let mut least = 1.0_f64;
    for (position, &i) in order.iter().enumerate() {
        least = least.min(pvalues[i] * tests / (tests - position as f64));
        q[i] = least;
    }
    q
}

/// The `budget` best signals: indices by falling score, those without a number left out.
pub fn within_budget(scores: &[f64], budget: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..scores.len()).filter(|&i| !scores[i].is_nan()).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]).then(a.cmp(&b)));
    order.truncate(budget);
    order
}

/// How many signals were answered, and how many of them were events.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Outcomes {
    /// Signals confirmed as events.
    pub confirmed: u64,
    /// Signals answered, confirmed ones included.
    pub answered: u64,
}

impl Outcomes {
    /// Adds what became of one signal.
    pub fn record(&mut self, confirmed: bool) {
        self.answered += 1;
        self.confirmed += u64::from(confirmed);
    }

    /// The sum of two tallies, so that shards merge.
    #[must_use]
    pub fn plus(self, other: Outcomes) -> Outcomes {
        Outcomes { confirmed: self.confirmed + other.confirmed, answered: self.answered + other.answered }
    }

    fn share(self, prior: f64, weight: f64) -> f64 {
        (self.confirmed as f64 + prior * weight) / (self.answered as f64 + weight)
    }
}

/// Positive predictive value of a rule in a place, learnt from the outcomes
/// there, drawn towards the rule's outcomes everywhere, and these towards
/// `prior`: a beta-binomial mean in which each upper level weighs as much as
/// `weight` signals.
pub fn learnt_predictive_value(here: Outcomes, everywhere: Outcomes, prior: f64, weight: f64) -> f64 {
    here.share(everywhere.share(prior, weight), weight)
}

/// Predictive value before anything is learnt of a rule, and how many signals it weighs.
pub const PRIOR: (f64, f64) = (0.4, 5.0);

/// Whether a q-value is small enough, at a false discovery rate that holds for a rule of the prior value: a
/// rule whose signals turned out real more often may be less sure, one that cried wolf must be surer (a
/// weighted false discovery rate, Genovese, Roeder and Wasserman, Biometrika 2006;93:509, with the learnt value as weight).
pub fn is_discovery(qvalue: f64, rate: f64, learnt_value: f64) -> bool {
    let weight = (learnt_value / PRIOR.0).powf(1.5);
    qvalue <= (rate * weight).min(0.9)
}

/// Odds, before anything is learnt, that an outbreak of a given disease begins in a given county on a given day:
/// one in thirty years.
pub const PRIOR_ODDS: f64 = 1e-4;

/// The least chance at which a signal is raised. Most signals are far surer: at this edge, about four in ten of
/// all that are raised are real (example `province_year`).
pub const LEAST_CHANCE: f64 = 0.05;

/// What the signals of a disease promised, as chances, and what was kept.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Promise {
    /// Signals that were confirmed.
    pub confirmed: f64,
    /// Sum of the chances that they were raised with.
    pub promised: f64,
}

impl Promise {
    /// Promises that weigh as much as nothing known.
    const WEIGHT: f64 = 3.0;

    /// Adds what became of a signal.
    pub fn record(&mut self, chance: f64, confirmed: bool) {
        self.promised += chance;
        self.confirmed += f64::from(u8::from(confirmed));
    }

    /// The chance that a signal with this Bayes factor is real: the prior odds times the factor, times how signals
    /// of the disease kept what they promised (a gamma–Poisson mean around one).
    pub fn chance(self, factor: f64) -> f64 {
        let kept = (self.confirmed + Promise::WEIGHT) / (self.promised + Promise::WEIGHT);
        let odds = PRIOR_ODDS * factor * kept;
        odds / (1.0 + odds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `p.adjust(c(.01, .02, .03, .5, .04), "BH")` of R.
    #[test]
    fn q_values_are_those_of_r() {
        let q = false_discovery(&[0.01, 0.02, f64::NAN, 0.03, 0.5, 0.04]);
        for (q, expected) in q.iter().zip([0.05, 0.05, f64::NAN, 0.05, 0.5, 0.05]) {
            assert!((q - expected).abs() < 1e-12 || (q.is_nan() && expected.is_nan()));
        }
    }

    #[test]
    fn budget_takes_the_best() {
        assert_eq!(within_budget(&[0.1, f64::NAN, 0.9, 0.5, 0.9], 3), [2, 4, 3]);
    }

    #[test]
    fn who_cried_wolf_must_be_surer() {
        assert!(is_discovery(0.2, 0.2, 0.4) && !is_discovery(0.21, 0.2, 0.4));
        assert!(!is_discovery(0.1, 0.2, 0.1) && is_discovery(0.5, 0.2, 0.8));
        assert!(!is_discovery(f64::NAN, 0.2, 0.4));
    }

    #[test]
    fn a_disease_that_promised_too_much_must_promise_more() {
        let mut promise = Promise::default();
        let fresh = promise.chance(1e4);
        assert!((fresh - 0.5).abs() < 1e-12);
        (0..6).for_each(|_| promise.record(0.5, false));
        assert!((promise.chance(1e4) - 1.0 / 3.0).abs() < 1e-12);
        (0..6).for_each(|_| promise.record(0.5, true));
        assert!(promise.chance(1e4) > 0.49);
        assert_eq!(promise.chance(0.0), 0.0);
    }

    #[test]
    fn few_outcomes_weigh_little() {
        let mut here = Outcomes::default();
        let everywhere = Outcomes { confirmed: 40, answered: 100 };
        let start = learnt_predictive_value(here, everywhere, 0.1, 10.0);
        assert!((start - 41.0 / 110.0).abs() < 1e-12);
        here.record(false);
        assert!(learnt_predictive_value(here, everywhere, 0.1, 10.0) < start);
    }
}
