//! Clusters that do not chain.
//!
//! Connected components join A to C because both resemble B. Here two groups
//! are joined by the evidence of all their pairs: agglomeration by average
//! link, and never across a pair that cannot be linked.

use crate::population::RecordId;
use std::collections::{BTreeMap, BinaryHeap, HashMap};

/// A link to consider: two records and their evidence.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Link {
    /// Smaller record.
    pub left: RecordId,
    /// Larger record.
    pub right: RecordId,
    /// Evidence; positive speaks for one person.
    pub evidence: f64,
}

/// Evidence of a pair that cannot be linked.
pub const CANNOT_LINK: f64 = f64::NEG_INFINITY;

#[derive(PartialEq)]
struct Step {
    evidence: f64,
    left: u32,
    right: u32,
}

impl Eq for Step {}

impl Ord for Step {
    fn cmp(&self, other: &Step) -> std::cmp::Ordering {
        // Strongest first; ties go to the smaller numbers, so that the result is the same in every run.
        self.evidence
            .total_cmp(&other.evidence)
            .then_with(|| (other.left, other.right).cmp(&(self.left, self.right)))
    }
}

impl PartialOrd for Step {
    fn partial_cmp(&self, other: &Step) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// Groups `records` records. `links` are the compared pairs; `absent` gives
/// the evidence of a pair that was not compared. Returns for each record the
/// smallest record of its cluster. Links are used while the average evidence
/// between two groups is above `threshold`.
pub fn average_link(
    records: usize,
    links: &[Link],
    threshold: f64,
    absent: &dyn Fn(RecordId, RecordId) -> f64,
) -> Vec<RecordId> {
    let mut group: Vec<RecordId> = (0..records as RecordId).collect();
    for component in components(records, links, threshold).chunk_by(|a, b| a.0 == b.0) {
        match component {
            // Most persons have one record or two.
            [(_, link)] => {
                if link.evidence > threshold {
                    group[link.right as usize] = link.left;
                }
            }
            _ => {
                let links: Vec<Link> = component.iter().map(|(_, link)| *link).collect();
                agglomerate(&links, threshold, absent, &mut group);
            }
        }
    }
    group
}

/// For each record, the smallest record that a chain of pairs joins it with.
pub fn joined(records: usize, pairs: impl Iterator<Item = (RecordId, RecordId)>) -> Vec<RecordId> {
    let mut parent: Vec<u32> = (0..records as u32).collect();
    fn root(parent: &mut [u32], mut at: u32) -> u32 {
        while parent[at as usize] != at {
            parent[at as usize] = parent[parent[at as usize] as usize];
            at = parent[at as usize];
        }
        at
    }
    for (left, right) in pairs {
        let (a, b) = (root(&mut parent, left), root(&mut parent, right));
        parent[a.max(b) as usize] = a.min(b);
    }
    (0..records as u32).map(|record| root(&mut parent, record)).collect()
}

/// Links with their connected component over links above the threshold, component by component.
fn components(records: usize, links: &[Link], threshold: f64) -> Vec<(RecordId, Link)> {
    let strong = links.iter().filter(|link| link.evidence > threshold);
    let root = joined(records, strong.map(|link| (link.left, link.right)));
    let within = links.iter().filter(|link| root[link.left as usize] == root[link.right as usize]);
    let mut found: Vec<(RecordId, Link)> = within.map(|link| (root[link.left as usize], *link)).collect();
    found.sort_by_key(|(component, _)| *component);
    found
}

/// Average-link agglomeration of one component.
fn agglomerate(
    links: &[Link],
    threshold: f64,
    absent: &dyn Fn(RecordId, RecordId) -> f64,
    group: &mut [RecordId],
) {
    let known: HashMap<(u32, u32), f64> =
        links.iter().map(|link| ((link.left, link.right), link.evidence)).collect();
    let mut records: Vec<u32> = links.iter().flat_map(|link| [link.left, link.right]).collect();
    records.sort_unstable();
    records.dedup();
    let mut members: HashMap<u32, Vec<u32>> = records.iter().map(|record| (*record, vec![*record])).collect();
    // Sum of evidence between groups, kept for neighbours only.
    let mut sums: HashMap<u32, BTreeMap<u32, f64>> = HashMap::new();
    let mut heap = BinaryHeap::new();
    for link in links {
        sums.entry(link.left).or_default().insert(link.right, link.evidence);
        sums.entry(link.right).or_default().insert(link.left, link.evidence);
        if link.evidence > threshold {
            heap.push(Step { evidence: link.evidence, left: link.left, right: link.right });
        }
    }
    let pair = |a: u32, b: u32| {
        let key = (a.min(b), a.max(b));
        known.get(&key).copied().unwrap_or_else(|| absent(key.0, key.1))
    };
    while let Some(step) = heap.pop() {
        let (Some(left), Some(right)) = (members.get(&step.left), members.get(&step.right)) else { continue };
        let size = (left.len() * right.len()) as f64;
        if sums[&step.left].get(&step.right).is_none_or(|sum| sum / size != step.evidence) {
            continue;
        }
        let moved = members.remove(&step.right).unwrap_or_default();
        let theirs = sums.remove(&step.right).unwrap_or_default();
        let mut ours = sums.remove(&step.left).unwrap_or_default();
        ours.remove(&step.right);
        let neighbours: Vec<u32> = ours
            .keys()
            .chain(theirs.keys())
            .copied()
            .filter(|n| *n != step.left && members.contains_key(n))
            .collect();
        let across = |from: &[u32], to: &[u32]| {
            from.iter().map(|a| to.iter().map(|b| pair(*a, *b)).sum::<f64>()).sum()
        };
        let mut joined: BTreeMap<u32, f64> = BTreeMap::new();
        for neighbour in neighbours {
            if joined.contains_key(&neighbour) {
                continue;
            }
            let others = &members[&neighbour];
            let first: f64 =
                ours.get(&neighbour).copied().unwrap_or_else(|| across(&members[&step.left], others));
            let second: f64 = theirs.get(&neighbour).copied().unwrap_or_else(|| across(&moved, others));
            joined.insert(neighbour, first + second);
        }
        let all = members.entry(step.left).or_default();
        all.extend(moved);
        let size = all.len();
        for (neighbour, sum) in &joined {
            if let Some(row) = sums.get_mut(neighbour) {
                row.remove(&step.right);
                row.insert(step.left, *sum);
            }
            let evidence = sum / (size * members[neighbour].len()) as f64;
            if evidence > threshold {
                let (left, right) = (step.left.min(*neighbour), step.left.max(*neighbour));
                heap.push(Step { evidence, left, right });
            }
        }
        sums.insert(step.left, joined);
    }
    for (head, list) in members {
        let least = list.iter().copied().min().unwrap_or(head);
        for record in list {
            group[record as usize] = least;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(left: u32, right: u32, evidence: f64) -> Link {
        Link { left, right, evidence }
    }

    #[test]
    fn a_chain_is_not_a_cluster() {
        // 0-1 and 2-3 are pairs; 1-2 alone must not join them, for 0-2, 0-3, 1-3 speak against it.
        let links = [link(0, 1, 9.0), link(1, 2, 3.0), link(2, 3, 9.0)];
        assert_eq!(average_link(5, &links, 0.0, &|_, _| -5.0), [0, 0, 2, 2, 4]);
        assert_eq!(average_link(5, &links, 0.0, &|_, _| 1.0), [0, 0, 0, 0, 4]);
    }

    #[test]
    fn a_pair_that_cannot_be_linked_keeps_its_groups_apart() {
        let links = [link(0, 1, 20.0), link(1, 2, 19.0), link(0, 2, CANNOT_LINK)];
        assert_eq!(average_link(3, &links, 0.0, &|_, _| 0.0), [0, 0, 2]);
    }
}
