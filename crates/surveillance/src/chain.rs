//! Chains of infection: who may have infected whom, and where people met.

use std::collections::{BTreeMap, BTreeSet};

/// One exposure: a contact of a case, who may have become a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exposure {
    /// The case that was met.
    pub source: String,
    /// The contact: the key of the contact, or of the case that the contact became.
    pub contact: String,
    /// Whether the contact became a case.
    pub became_case: bool,
    /// Where they met; empty when unknown.
    pub site: String,
}

/// A node of the forest, in the order in which it is drawn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its key.
    pub key: String,
    /// Generations from the first case of its chain.
    pub generation: u32,
    /// Contacts that became cases.
    pub infected: usize,
    /// All contacts.
    pub contacts: usize,
}

/// The chains of exposures as a forest in depth-first order. A case with several possible sources
/// hangs under the first; a circle is cut where it closes.
pub fn forest(exposures: &[Exposure]) -> Vec<Node> {
    let mut children: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut contacts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut infected: BTreeSet<&str> = BTreeSet::new();
    for exposure in exposures {
        *contacts.entry(&exposure.source).or_default() += 1;
        if exposure.became_case && exposure.contact != exposure.source && infected.insert(&exposure.contact) {
            children.entry(&exposure.source).or_default().push(&exposure.contact);
        }
    }
    let all: BTreeSet<&str> =
        exposures.iter().map(|e| e.source.as_str()).chain(infected.iter().copied()).collect();
    let mut seen = BTreeSet::new();
    let mut nodes = Vec::new();
    let roots = all.iter().filter(|key| !infected.contains(**key));
    // Those left over after the true roots lie on circles.
    for &root in roots.chain(all.iter()) {
        let mut stack = vec![(root, 0)];
        while let Some((key, generation)) = stack.pop() {
            if !seen.insert(key) {
                continue;
            }
            let below = children.get(key).map_or(&[][..], Vec::as_slice);
            nodes.push(Node {
                key: key.to_owned(),
                generation,
                infected: below.len(),
                contacts: contacts.get(key).copied().unwrap_or(0),
            });
            stack.extend(below.iter().rev().map(|child| (*child, generation + 1)));
        }
    }
    nodes
}

/// Places by the number of different cases that were there, the most first; those of one case are
/// left out.
pub fn shared_sites<'a>(visits: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<(&'a str, usize)> {
    let mut sites: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (case, site) in visits.filter(|(_, site)| !site.is_empty()) {
        sites.entry(site).or_default().insert(case);
    }
    let mut shared: Vec<(&str, usize)> =
        sites.into_iter().map(|(site, cases)| (site, cases.len())).filter(|(_, cases)| *cases > 1).collect();
    shared.sort_by_key(|(site, cases)| (std::cmp::Reverse(*cases), *site));
    shared
}

#[cfg(test)]
mod tests {
    use super::*;

    fn met(source: &str, contact: &str, became_case: bool) -> Exposure {
        Exposure { source: source.into(), contact: contact.into(), became_case, site: String::new() }
    }

    #[test]
    fn chains_are_a_forest() {
        let exposures = [
            met("a", "b", true),
            met("a", "x", false),
            met("b", "c", true),
            met("d", "c", true),
            met("a", "e", true),
        ];
        let nodes = forest(&exposures);
        let shown: Vec<_> =
            nodes.iter().map(|n| (n.key.as_str(), n.generation, n.infected, n.contacts)).collect();
        assert_eq!(shown, [("a", 0, 2, 3), ("b", 1, 1, 1), ("c", 2, 0, 0), ("e", 1, 0, 0), ("d", 0, 0, 1)]);
    }

    #[test]
    fn a_circle_is_cut() {
        let nodes = forest(&[met("a", "b", true), met("b", "a", true), met("c", "c", true)]);
        assert_eq!(nodes.len(), 3);
    }

    #[test]
    fn sites_that_cases_share() {
        let visits = [("a", "market"), ("b", "market"), ("a", "market"), ("c", ""), ("c", "school")];
        assert_eq!(shared_sites(visits.into_iter()), [("market", 2)]);
    }
}
