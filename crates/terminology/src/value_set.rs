//! Value sets: unions of code systems, parts of them and other sets.

use std::collections::HashMap;
use std::sync::OnceLock;

use crate::{blocks, code_system, without_version};

static TABLE: &str = include_str!("../tables/value-sets.txt");

/// Longest chain of value sets that take each other in.
const IMPORT_DEPTH: usize = 8;

/// A value set that R4 ships.
pub struct ValueSet {
    url: &'static str,
    lines: &'static str,
    members: OnceLock<Members>,
}

/// The members that are known, and whether there are others.
#[derive(Default)]
struct Members {
    /// `(code, system)`, sorted.
    listed: Vec<(&'static str, &'static str)>,
    /// Systems of which all codes belong, though they are not shipped.
    whole_systems: Vec<&'static str>,
    /// Whether a part could not be expanded.
    open: bool,
}

/// The set with this address (a `|version` is ignored), if R4 ships its definition.
pub fn value_set(url: &str) -> Option<&'static ValueSet> {
    index().get(without_version(url))
}

/// All sets, in no particular order.
pub fn value_sets() -> impl Iterator<Item = &'static ValueSet> {
    index().values()
}

fn index() -> &'static HashMap<&'static str, ValueSet> {
    static INDEX: OnceLock<HashMap<&'static str, ValueSet>> = OnceLock::new();
    INDEX.get_or_init(|| {
        blocks(TABLE, "\n=")
            .map(|(url, lines)| (url, ValueSet { url, lines, members: OnceLock::new() }))
            .collect()
    })
}

impl ValueSet {
    /// Its canonical address.
    pub fn url(&self) -> &'static str {
        self.url
    }

    /// Whether `code` of `system` belongs to the set; `None` when that cannot be known
    /// because a part of the set is not shipped.
    pub fn contains(&self, system: &str, code: &str) -> Option<bool> {
        let members = self.members();
        if members.listed.binary_search(&(code, system)).is_ok() {
            return Some(true);
        }
        if members.open || members.whole_systems.contains(&system) { None } else { Some(false) }
    }

    /// Whether `code` of any of the set's systems belongs to the set, as an element of type
    /// `code` has it; `None` as with [`ValueSet::contains`].
    pub fn contains_code(&self, code: &str) -> Option<bool> {
        let members = self.members();
        if self.range(code).next().is_some() {
            return Some(true);
        }
        if members.open || !members.whole_systems.is_empty() { None } else { Some(false) }
    }

    /// The system that an element of type `code` means when it holds `code`; `None` when the
    /// set does not list the code, or lists it from several systems.
    pub fn system_of(&self, code: &str) -> Option<&'static str> {
        let mut found = self.range(code);
        match (found.next(), found.next()) {
            (Some(system), None) => Some(system),
            _ => None,
        }
    }

    /// The members `(system, code)` that are known, sorted by code.
    pub fn members_listed(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        self.members().listed.iter().map(|(code, system)| (*system, *code))
    }

    /// Whether every member is known.
    pub fn is_complete(&self) -> bool {
        let members = self.members();
        !members.open && members.whole_systems.is_empty()
    }

    fn range<'a>(&'a self, code: &'a str) -> impl Iterator<Item = &'static str> + 'a {
        let listed = &self.members().listed;
        let start = listed.partition_point(|(c, _)| *c < code);
        listed[start..].iter().take_while(move |(c, _)| *c == code).map(|(_, system)| *system)
    }

    fn members(&self) -> &Members {
        self.members.get_or_init(|| expand(self, IMPORT_DEPTH))
    }
}

fn expand(set: &ValueSet, depth: usize) -> Members {
    let mut members = Members::default();
    let mut left_out = Members::default();
    for line in set.lines.lines() {
        let (target, part) = match line.split_at_checked(1) {
            Some(("+", part)) => (&mut members, part),
            Some(("-", part)) => (&mut left_out, part),
            _ => continue,
        };
        add(part, depth, target);
    }
    let excluded = |entry: &(&str, &str)| left_out.listed.contains(entry);
    members.listed.retain(|entry| !excluded(entry));
    // What cannot be expanded may leave out anything.
    if left_out.open || !left_out.whole_systems.is_empty() {
        members = Members { open: true, ..Members::default() };
    }
    members.listed.sort_unstable();
    members.listed.dedup();
    members
}

fn add(part: &'static str, depth: usize, members: &mut Members) {
    let mut fields = part.split('\t');
    let kind = fields.next().unwrap_or_default();
    let name = fields.next().unwrap_or_default();
    match kind {
        "c" => members.listed.extend(fields.map(|code| (code, name))),
        "s" => match code_system(name) {
            Some(system) => {
                members.listed.extend(system.codes().map(|code| (code, system.url())));
                members.open |= !system.is_complete();
            }
            None => members.whole_systems.push(name),
        },
        "a" | "d" => match code_system(name).zip(fields.next()) {
            Some((system, top)) => match system.descendants(top) {
                Some(codes) => {
                    let skipped = usize::from(kind == "d");
                    members.listed.extend(codes.into_iter().skip(skipped).map(|code| (code, system.url())));
                    members.open |= !system.is_complete();
                }
                None => members.open = true,
            },
            None => members.open = true,
        },
        "v" => match value_set(name) {
            Some(set) if depth > 0 => {
                let other = expand(set, depth - 1);
                members.listed.extend(other.listed);
                members.whole_systems.extend(other.whole_systems);
                members.open |= other.open;
            }
            _ => members.open = true,
        },
        _ => members.open = true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::in_value_set;

    #[test]
    fn membership_is_yes_no_or_not_shipped() {
        let gender = "http://hl7.org/fhir/ValueSet/administrative-gender";
        let system = "http://hl7.org/fhir/administrative-gender";
        assert_eq!(in_value_set(gender, system, "female"), Some(true));
        assert_eq!(in_value_set(&format!("{gender}|4.0.1"), system, "woman"), Some(false));
        assert_eq!(in_value_set(gender, "urn:other", "female"), Some(false));
        assert_eq!(
            in_value_set("http://hl7.org/fhir/ValueSet/ucum-units", "http://unitsofmeasure.org", "mg"),
            None
        );
        assert_eq!(in_value_set("urn:no-such-set", system, "female"), None);
        let set = value_set(gender).expect("shipped");
        assert_eq!(set.system_of("female"), Some(system));
        assert_eq!(set.contains_code("female"), Some(true));
        assert_eq!(set.contains_code("woman"), Some(false));
    }

    #[test]
    fn enumerated_codes_of_systems_not_shipped_are_members() {
        let set = value_set("http://hl7.org/fhir/ValueSet/units-of-time").expect("shipped");
        assert_eq!(set.contains("http://unitsofmeasure.org", "wk"), Some(true));
        assert_eq!(set.contains("http://unitsofmeasure.org", "fortnight"), Some(false));
    }

    #[test]
    fn parts_of_hierarchies_are_expanded() {
        let whole = value_sets().filter(|set| set.is_complete()).count();
        assert!(whole > 700, "{whole} of {} sets are known whole", value_sets().count());
        let set = value_set("http://hl7.org/fhir/ValueSet/inactive").expect("shipped");
        let system = "http://terminology.hl7.org/CodeSystem/v3-ActMood";
        assert_eq!(set.contains(system, "_ActMoodPredicate"), Some(false));
        assert_eq!(set.contains(system, "CRT"), Some(true));
    }
}
