//! The code systems and value sets that FHIR R4 ships: membership and hierarchy.
//!
//! What R4 does not ship (LOINC, SNOMED CT, UCUM, ICD …) is answered with
//! `None`, never with a guess: "not shipped" and "not a member" are two things.
//! The tables are text, written by `cargo xtask codegen`; their index is read
//! at first use, a system's or a set's codes when it is first asked for.
//! Nothing here knows FHIR's JSON, stores or the network.

mod system;
mod value_set;

pub use system::{CodeSystem, code_system, code_systems};
pub use value_set::{ValueSet, value_set, value_sets};

/// Whether `code` of `system` belongs to the value set `url` (a `|version` is ignored).
/// `None`: the set, or a part of it that would have to be known to say no, is not shipped.
pub fn in_value_set(url: &str, system: &str, code: &str) -> Option<bool> {
    value_set(url)?.contains(system, code)
}

/// `code` and all codes below it; `None` when the system or the code is not shipped.
pub fn descendants(system: &str, code: &str) -> Option<Vec<&'static str>> {
    code_system(system)?.descendants(code)
}

/// `code` and all codes above it, nearest first; `None` when the system or the code is not shipped.
pub fn ancestors(system: &str, code: &str) -> Option<Vec<&'static str>> {
    code_system(system)?.ancestors(code)
}

/// The canonical address without its `|version`.
fn without_version(url: &str) -> &str {
    url.split_once('|').map_or(url, |(address, _)| address)
}

/// Cuts a table into its blocks: what stands behind the mark on a line, and the lines below it.
fn blocks(table: &'static str, mark: &'static str) -> impl Iterator<Item = (&'static str, &'static str)> {
    let start = table.find(mark).map_or(table.len(), |at| at + mark.len());
    table[start..].split(mark).map(|block| block.split_once('\n').unwrap_or((block, "")))
}
