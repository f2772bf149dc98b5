//! Code systems: which codes there are, and which lies below which.

use std::collections::HashMap;
use std::sync::OnceLock;

use crate::{blocks, without_version};

static TABLE: &str = include_str!("../tables/systems.txt");

/// A code system that R4 ships.
pub struct CodeSystem {
    url: &'static str,
    complete: bool,
    ignores_case: bool,
    lines: &'static str,
    codes: OnceLock<Codes>,
}

struct Codes {
    /// Codes in hierarchy order, each with its depth: what lies below a code follows it directly.
    tree: Vec<(&'static str, u16)>,
    /// Positions in `tree`, sorted by code (in lower case where case does not matter).
    by_code: Vec<u16>,
}

/// The system with this address (a `|version` is ignored), if R4 ships its codes.
pub fn code_system(url: &str) -> Option<&'static CodeSystem> {
    index().get(without_version(url))
}

/// All systems, in no particular order.
pub fn code_systems() -> impl Iterator<Item = &'static CodeSystem> {
    index().values()
}

fn index() -> &'static HashMap<&'static str, CodeSystem> {
    static INDEX: OnceLock<HashMap<&'static str, CodeSystem>> = OnceLock::new();
    INDEX.get_or_init(|| {
        blocks(TABLE, "\n=\t")
            .map(|(head, lines)| {
                let (url, flags) = head.split_once('\t').unwrap_or((head, ""));
                let system = CodeSystem {
                    url,
                    complete: flags.contains('c'),
                    ignores_case: flags.contains('i'),
                    lines,
                    codes: OnceLock::new(),
                };
                (url, system)
            })
            .collect()
    })
}

impl CodeSystem {
    /// Its canonical address.
    pub fn url(&self) -> &'static str {
        self.url
    }

    /// Whether every code of the system is listed; a fragment or an example lists only some.
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// Whether `code` is listed.
    pub fn contains(&self, code: &str) -> bool {
        self.position(code).is_some()
    }

    /// All listed codes, in the order of the hierarchy.
    pub fn codes(&self) -> impl Iterator<Item = &'static str> {
        self.read().tree.iter().map(|(code, _)| *code)
    }

    /// `code` and all codes below it; `None` when it is not listed.
    pub fn descendants(&self, code: &str) -> Option<Vec<&'static str>> {
        let at = self.position(code)?;
        let tree = &self.read().tree;
        let depth = tree[at].1;
        let below = tree[at + 1..].iter().take_while(|(_, d)| *d > depth).map(|(code, _)| *code);
        Some(std::iter::once(tree[at].0).chain(below).collect())
    }

    /// `code` and all codes above it, nearest first; `None` when it is not listed.
    pub fn ancestors(&self, code: &str) -> Option<Vec<&'static str>> {
        let at = self.position(code)?;
        let tree = &self.read().tree;
        let (code, mut depth) = tree[at];
        let mut found = vec![code];
        for (above, d) in tree[..at].iter().rev() {
            if *d < depth {
                found.push(above);
                depth = *d;
            }
        }
        Some(found)
    }

    fn position(&self, code: &str) -> Option<usize> {
        let codes = self.read();
        let found = if self.ignores_case {
            let wanted = code.to_lowercase();
            codes.by_code.binary_search_by(|&at| codes.tree[usize::from(at)].0.to_lowercase().cmp(&wanted))
        } else {
            codes.by_code.binary_search_by(|&at| codes.tree[usize::from(at)].0.cmp(code))
        };
        found.ok().map(|at| usize::from(codes.by_code[at]))
    }

    fn read(&self) -> &Codes {
        self.codes.get_or_init(|| {
            let tree: Vec<(&'static str, u16)> = self
                .lines
                .lines()
                .map(|line| {
                    let code = line.trim_start_matches('\t');
                    (code, (line.len() - code.len()) as u16)
                })
                .collect();
            let mut by_code: Vec<u16> = (0..tree.len() as u16).collect();
            if self.ignores_case {
                by_code.sort_by_cached_key(|&at| tree[usize::from(at)].0.to_lowercase());
            } else {
                by_code.sort_by_key(|&at| tree[usize::from(at)].0);
            }
            Codes { tree, by_code }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROLE: &str = "http://terminology.hl7.org/CodeSystem/v3-RoleCode";

    #[test]
    fn hierarchies_are_walked_both_ways() {
        let system = code_system(ROLE).expect("shipped");
        assert_eq!(
            system.ancestors("NMTH"),
            Some(vec!["NMTH", "MTH", "PRN", "FAMMEMB", "_PersonalRelationshipRoleType"])
        );
        let parents = system.descendants("PRN").expect("listed");
        assert!(parents.contains(&"NMTH") && parents.contains(&"PRN") && !parents.contains(&"SIB"));
        for code in system.codes() {
            for above in system.ancestors(code).expect("listed") {
                assert!(system.descendants(above).expect("listed").contains(&code), "{above} above {code}");
            }
        }
    }

    #[test]
    fn what_is_not_shipped_is_not_guessed() {
        assert!(code_system("http://loinc.org").is_none());
        assert!(code_system(ROLE).expect("shipped").descendants("no-such-code").is_none());
        assert!(!code_system("http://snomed.info/sct").is_some_and(CodeSystem::is_complete));
    }

    #[test]
    fn a_code_may_look_like_a_mark() {
        let system = code_system("http://hl7.org/fhir/filter-operator").expect("shipped");
        assert!(system.contains("=") && system.contains("is-a"));
        let signs = code_system("http://hl7.org/fhir/questionnaire-enable-operator").expect("shipped");
        assert_eq!(signs.codes().collect::<Vec<_>>(), ["exists", "=", "!=", ">", "<", ">=", "<="]);
    }

    #[test]
    fn no_code_of_a_system_is_listed_twice() {
        for system in code_systems() {
            let codes = system.read();
            for pair in codes.by_code.windows(2) {
                let (a, b) = (codes.tree[usize::from(pair[0])].0, codes.tree[usize::from(pair[1])].0);
                assert_ne!(a, b, "{}", system.url);
            }
        }
    }
}
