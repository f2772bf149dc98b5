//! What the transaction asks for each resource, and that nothing stands in it twice.

use std::collections::HashMap;

use tongmai_fhir::json::Json;
use tongmai_fhir::reference::for_each_reference_mut;

use super::{Draft, merge};
use crate::understood::escaped as encoded;
use crate::{Request, Source, stable_id};

/// Types of which one identifier names one thing for good. Findings and orders carry identifiers
/// too, but systems give one to several of them.
const THINGS: &[&str] = &[
    "Account",
    "Appointment",
    "Device",
    "Encounter",
    "EpisodeOfCare",
    "Location",
    "Organization",
    "Patient",
    "Practitioner",
];

/// Types whose numbers are their sender's own when they name no system.
const OWN_NUMBERS: &[&str] = &["Account", "Encounter", "Patient"];

/// Most identifiers in the search for one thing.
const MOST_IDENTIFIERS: usize = 4;

/// Gives each resource its request. Two that ask for the same thing become one, and a thing whose
/// identifier has no system gets an address that its sender's next message gives it, too.
pub(super) fn requests(drafts: Vec<Draft>, source: &Source) -> Vec<(Draft, Request)> {
    let mut out: Vec<(Draft, Request)> = Vec::with_capacity(drafts.len());
    let mut by_query: HashMap<String, usize> = HashMap::new();
    let mut moved: HashMap<String, String> = HashMap::new();
    for mut draft in drafts {
        let type_name = draft.node.text("resourceType").unwrap_or_default().to_owned();
        let identifiers = match THINGS.contains(&type_name.as_str()) {
            true => identifiers(&draft, OWN_NUMBERS.contains(&type_name.as_str())),
            false => Vec::new(),
        };
        let Some((system, value)) = identifiers.first() else {
            out.push((draft, Request::Create));
            continue;
        };
        let key = format!("{type_name}\n{identifiers:?}");
        if let Some(at) = by_query.get(&key) {
            let first = &mut out[*at].0;
            moved.insert(draft.full_url, first.full_url.clone());
            fill(&mut first.node, draft.node);
            continue;
        }
        by_query.insert(key, out.len());
        let request = if system.is_empty() {
            let address = stable_id(&["hl7v2", &source.sender, &type_name, value]);
            let address = format!("urn:uuid:{address}");
            moved.insert(std::mem::replace(&mut draft.full_url, address.clone()), address);
            Request::Create
        } else {
            let terms: Vec<String> = identifiers
                .iter()
                .map(|(system, value)| format!("identifier={}%7C{}", encoded(system), encoded(value)))
                .collect();
            asked(&draft, &type_name, &source.kind, &terms.join("&"))
        };
        out.push((draft, request));
    }
    if !moved.is_empty() {
        for (draft, _) in &mut out {
            for_each_reference_mut(&mut draft.node, &mut |target| {
                if let Some(address) = moved.get(target.as_ref()) {
                    *target = address.clone().into();
                }
            });
        }
    }
    out
}

/// What tells a thing from others: for a person or visit its first identifier with a system, or the
/// sender's own number; for a place the way to it; for the rest all that have a system.
fn identifiers(draft: &Draft, is_own: bool) -> Vec<(String, String)> {
    let identifiers = draft.node.items("identifier").iter();
    let valued = identifiers.filter_map(|identifier| {
        let value = identifier.text("value").filter(|value| !value.is_empty())?;
        Some((identifier.text("system").unwrap_or_default().to_owned(), value.to_owned()))
    });
    let all: Vec<(String, String)> = valued.collect();
    let mut named: Vec<(String, String)> =
        all.iter().filter(|(system, _)| !system.is_empty()).cloned().collect();
    if is_own {
        return named.into_iter().next().or_else(|| all.into_iter().next()).into_iter().collect();
    }
    if draft.node.text("resourceType") == Some("Location") {
        named.drain(..named.len().saturating_sub(1));
    }
    named.truncate(MOST_IDENTIFIERS);
    named
}

/// Messages about persons and visits bring them up to date; others only need them to be there.
fn asked(draft: &Draft, type_name: &str, kind: &str, query: &str) -> Request {
    let is_person = matches!(type_name, "Patient" | "Encounter");
    if draft.is_subject && (kind.starts_with("ADT") || !is_person) {
        Request::Update(query.to_owned())
    } else {
        Request::CreateUnless(query.to_owned())
    }
}

/// What the other has and this one lacks.
fn fill(one: &mut crate::build::Node, other: crate::build::Node) {
    if let Json::Object(properties) = other {
        for (name, value) in properties {
            let known = one.get(&name).is_some();
            if !known {
                merge(crate::build::property(one, &name), value);
            }
        }
    }
}
