//! Pair and cluster measures against a truth.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;

/// Precision, recall and F1 of links.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Links that are true.
    pub hits: u64,
    /// Links that are not.
    pub false_links: u64,
    /// True links that were not found.
    pub missed: u64,
}

impl Counts {
    /// Share of the links that are true; 1 when there is none.
    pub fn precision(&self) -> f64 {
        share(self.hits, self.hits + self.false_links)
    }

    /// Share of the true links that were found; 1 when there is none.
    pub fn recall(&self) -> f64 {
        share(self.hits, self.hits + self.missed)
    }

    /// Harmonic mean of precision and recall.
    pub fn f1(&self) -> f64 {
        share(2 * self.hits, 2 * self.hits + self.false_links + self.missed)
    }
}

fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 1.0 } else { part as f64 / whole as f64 }
}

/// Compares two groupings of the same items pair by pair: `found[i]` and
/// `truth[i]` are the groups of item `i`. Runs in the number of items.
pub fn clusters<A: Eq + Hash, B: Eq + Hash>(found: &[A], truth: &[B]) -> Counts {
    let mut both: HashMap<(&A, &B), u64> = HashMap::new();
    let mut by_found: HashMap<&A, u64> = HashMap::new();
    let mut by_truth: HashMap<&B, u64> = HashMap::new();
    for (a, b) in found.iter().zip(truth) {
        *both.entry((a, b)).or_default() += 1;
        *by_found.entry(a).or_default() += 1;
        *by_truth.entry(b).or_default() += 1;
    }
    let pairs = |count: &u64| count * (count - 1) / 2;
    let hits = both.values().map(pairs).sum::<u64>();
    Counts {
        hits,
        false_links: by_found.values().map(pairs).sum::<u64>() - hits,
        missed: by_truth.values().map(pairs).sum::<u64>() - hits,
    }
}

/// Compares sets of pairs; the order within a pair does not matter.
pub fn pairs<T: Eq + Hash + Ord + Clone>(found: &[(T, T)], truth: &[(T, T)]) -> Counts {
    let ordered = |pairs: &[(T, T)]| -> HashSet<(T, T)> {
        pairs
            .iter()
            .map(|(a, b)| if a <= b { (a.clone(), b.clone()) } else { (b.clone(), a.clone()) })
            .collect()
    };
    let (found, truth) = (ordered(found), ordered(truth));
    let hits = found.intersection(&truth).count() as u64;
    Counts { hits, false_links: found.len() as u64 - hits, missed: truth.len() as u64 - hits }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_and_clusters_agree() {
        let found = [1, 1, 1, 2, 2, 3];
        let truth = ["a", "a", "b", "b", "b", "c"];
        let expected = Counts { hits: 2, false_links: 2, missed: 2 };
        assert_eq!(clusters(&found, &truth), expected);
        let links = |groups: &[String]| -> Vec<(usize, usize)> {
            (0..6)
                .flat_map(|i| (i + 1..6).map(move |j| (i, j)))
                .filter(|(i, j)| groups[*i] == groups[*j])
                .collect()
        };
        let found: Vec<String> = found.iter().map(ToString::to_string).collect();
        let truth: Vec<String> = truth.iter().map(ToString::to_string).collect();
        assert_eq!(pairs(&links(&found), &links(&truth)), expected);
        assert_eq!((expected.precision(), expected.recall(), expected.f1()), (0.5, 0.5, 0.5));
    }
}
