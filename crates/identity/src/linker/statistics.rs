//! How the rules and the desk are doing.

use super::Linker;
use crate::link::Zone;
use crate::person::Action;

/// Bounds of the bands of probability in which rulings are counted.
const BANDS: [f64; 5] = [0.05, 0.5, 0.9, 0.99, 1.0];

/// Pairs of one band of probability on which people ruled.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Band {
    /// Least probability.
    pub from: f64,
    /// Most.
    pub to: f64,
    /// Pairs that people ruled on.
    pub ruled: usize,
    /// Those that they called the same.
    pub same: usize,
    /// How many the rules expected to be the same.
    pub expected: f64,
}

/// The desk in numbers.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Statistics {
    /// Pairs that wait.
    pub waiting: usize,
    /// Since when the oldest of them waits, and the one in the middle, in milliseconds since 1970.
    pub oldest: Option<i64>,
    /// See `oldest`.
    pub median: Option<i64>,
    /// How many of the waiting pairs are expected to be one person.
    pub expected_waiting: f64,
    /// Links that the rules made and that still count.
    pub automatic: usize,
    /// How many of them are expected to be false, by their probabilities.
    pub expected_false: f64,
    /// Links of the rules that people have taken apart.
    pub reversed: u64,
    /// Pairs on which people ruled, same or not, with effect.
    pub ruled: usize,
    /// Those where people said what the rules held for likelier.
    pub agreed: usize,
    /// The same by probability.
    pub bands: Vec<Band>,
}

impl Linker {
    /// Counts the queue, the links of the rules, and where people agreed with them.
    pub fn statistics(&self) -> Statistics {
        let open = self.reviews();
        let mut since: Vec<i64> = open.iter().map(|review| review.since).collect();
        since.sort_unstable();
        let mut found = Statistics {
            waiting: open.len(),
            oldest: since.first().copied(),
            median: since.get(since.len() / 2).copied(),
            expected_waiting: open.iter().map(|review| review.weighed.probability).sum(),
            reversed: self.reversed,
            bands: BANDS.windows(2).map(|b| Band { from: b[0], to: b[1], ..Band::default() }).collect(),
            ..Statistics::default()
        };
        for decision in self.decisions().iter().filter(|decision| decision.refusal.is_none()) {
            let Some(weighed) = decision.evidence else { continue };
            let probability = weighed.probability;
            if !decision.by_person {
                let together = self.are_together(&decision.records) && weighed.zone == Zone::Automatic;
                if together && matches!(decision.action, Action::Merge { .. }) {
                    found.automatic += 1;
                    found.expected_false += 1.0 - probability;
                }
                continue;
            }
            let same = match decision.action {
                Action::Merge { .. } => true,
                Action::NotSame { .. } => false,
                _ => continue,
            };
            found.ruled += 1;
            found.agreed += usize::from(same == (probability >= 0.5));
            if let Some(band) = found.bands.iter_mut().rev().find(|band| probability >= band.from) {
                band.ruled += 1;
                band.same += usize::from(same);
                band.expected += probability;
            }
        }
        found
    }
}
