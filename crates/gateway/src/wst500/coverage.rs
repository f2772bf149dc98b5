//! How much of the standard's tables is mapped, told from the tables themselves.

use std::fmt::Write as _;

use super::layout::{Place, layout};
use super::table::tables;

/// Rows of a document type.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Coverage {
    /// `C0032`.
    pub code: &'static str,
    /// Chinese title.
    pub title: &'static str,
    /// Rows with a data element.
    pub rows: usize,
    /// Rows that have a place and a path in FHIR.
    pub mapped: usize,
    /// Of these, rows whose path is an observation with the data element's code.
    pub observations: usize,
    /// The others: data element and label.
    pub unmapped: Vec<(&'static str, &'static str)>,
}

/// The coverage of each type.
pub fn all() -> Vec<Coverage> {
    tables()
        .grammars()
        .iter()
        .map(|grammar| {
            let mut coverage = Coverage { code: grammar.code, title: grammar.title, ..Coverage::default() };
            let (_, lost) = super::example::model(grammar);
            for placed in &layout(grammar.code).placed {
                coverage.rows += 1;
                let lost = lost.iter().any(|element| std::ptr::eq(*element, placed.element));
                match fhir(&placed.place, placed.element.code).filter(|_| !lost) {
                    Some(path) => {
                        coverage.mapped += 1;
                        coverage.observations += usize::from(path.starts_with("Observation"));
                    }
                    None => coverage.unmapped.push((placed.element.code, placed.element.label)),
                }
            }
            coverage
        })
        .collect()
}

/// The path in FHIR of a data element at a place.
fn fhir(place: &Place, element: &str) -> Option<String> {
    let tables = tables();
    match place {
        Place::Head { path, mark } => {
            let own = tables.head_places(&path.replace('*', mark)).chain(tables.head_places(path)).next();
            // Names of codes follow from the codes.
            own.map(|own| own.target.to_string()).or_else(|| {
                path.ends_with("administrativeGenderCode/@displayName").then(|| "Patient.gender".to_owned())
            })
        }
        Place::Signer { .. } => Some("Practitioner.name (Composition.attester)".to_owned()),
        Place::SignedAt { .. } => Some("Composition.attester.time".to_owned()),
        Place::Body { part, .. } => {
            let context = match part.kind {
                "proc" => "Procedure",
                "drug" => "MedicationAdministration",
                "order" => "ServiceRequest",
                _ => "",
            };
            if part.path.is_empty() || part.path.starts_with("value/") {
                let within =
                    tables.meaning_within(element, context).map(|m| format!("{context}.{}", m.target));
                return within.or_else(|| tables.meaning(element).map(|meaning| meaning.target.to_owned()));
            }
            let path = part.path.replace("{*}", "");
            let contexts: &[&str] = match part.kind {
                "proc" if part.depth == 0 => &["Procedure"],
                "drug" if part.depth == 0 => {
                    &["MedicationRequest", "MedicationAdministration", "SupplyDelivery"]
                }
                "order" if part.depth == 0 => &["ServiceRequest"],
                _ => &["Observation", "Condition", "Specimen"],
            };
            contexts.iter().find_map(|context| {
                let place = tables.statement_places(context).iter().find(|place| place.path == path)?;
                Some(format!("{context}.{}", place.target))
            })
        }
        Place::Nowhere => None,
    }
}

/// The coverage page.
pub fn page() -> String {
    let all = all();
    let sum = |of: fn(&Coverage) -> usize| all.iter().map(of).sum::<usize>();
    let (rows, mapped, observations) = (sum(|c| c.rows), sum(|c| c.mapped), sum(|c| c.observations));
    let mut out = String::new();
    let _ = writeln!(
        out,
        "# Coverage of the shared documents\n\n\
         Written by `cargo xtask coverage-wst500` from the tables in `crates/gateway/tables/wst500`; do not edit.\n\n\
         A row is a data element of a document type. It is mapped when it has a place of its own in the document\n\
         (the schema of the type must have room for it) and a path in FHIR. Where FHIR has no element of its own for a data element, it is an Observation with the data\n\
         element's code; these are counted apart. Rows of C0005 and C0033 are those of C0004 and C0032 with what\n\
         their schemas add.\n\n\
         {mapped} of {rows} rows are mapped ({:.1} %), {observations} of them as Observations.\n\n\
         | type | title | rows | mapped | of them Observations |\n|---|---|---:|---:|---:|",
        mapped as f64 * 100.0 / rows.max(1) as f64
    );
    for c in &all {
        let _ =
            writeln!(out, "| {} | {} | {} | {} | {} |", c.code, c.title, c.rows, c.mapped, c.observations);
    }
    out.push_str("\n## Unmapped\n\n");
    for c in all.iter().filter(|c| !c.unmapped.is_empty()) {
        for (element, label) in &c.unmapped {
            let _ = writeln!(out, "- {} {element} {label}", c.code);
        }
    }
    if all.iter().all(|c| c.unmapped.is_empty()) {
        out.push_str("None.\n");
    }
    out.push_str("\n## Places\n");
    for c in &all {
        let _ = writeln!(
            out,
            "\n### {} {}\n\n| data element | label | place | FHIR |\n|---|---|---|---|",
            c.code, c.title
        );
        for placed in &layout(c.code).placed {
            let fhir = fhir(&placed.place, placed.element.code).unwrap_or_default();
            let place = placed.xpath().replace('|', "\\|");
            let _ =
                writeln!(out, "| {} | {} | `{place}` | {fhir} |", placed.element.code, placed.element.label);
        }
    }
    out
}
