//! Compartments: whose record a resource belongs to.
//!
//! R4's CompartmentDefinitions name, for each resource type, the search
//! parameters whose references put a resource into the compartment of a
//! patient, an encounter, a practitioner, a related person or a device.

use std::collections::{HashMap, HashSet};
use std::sync::OnceLock;

use crate::definition::{self, ResourceTypeId};
use crate::json::Json;
use crate::search::{self, Reference, SearchParameter, SearchValue};

/// The types that have a compartment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names are FHIR's own")]
pub enum Compartment {
    Device,
    Encounter,
    Patient,
    Practitioner,
    RelatedPerson,
}

impl Compartment {
    /// The compartment of a resource type, if it has one.
    pub fn from_name(name: &str) -> Option<Compartment> {
        Some(match name {
            "Device" => Compartment::Device,
            "Encounter" => Compartment::Encounter,
            "Patient" => Compartment::Patient,
            "Practitioner" => Compartment::Practitioner,
            "RelatedPerson" => Compartment::RelatedPerson,
            _ => return None,
        })
    }
}

/// The codes of the search parameters through which resources of a type are in a
/// compartment; empty when the type is never in it. `{def}` stands for the
/// resource whose compartment it is.
pub fn parameter_codes(compartment: Compartment, resource_type: ResourceTypeId) -> &'static [&'static str] {
    table().get(&(compartment, resource_type)).map_or(&[], Vec::as_slice)
}

/// The search parameters through which resources of a type are in a compartment.
pub fn parameters(
    compartment: Compartment,
    resource_type: ResourceTypeId,
) -> impl Iterator<Item = &'static SearchParameter> {
    let codes = parameter_codes(compartment, resource_type).iter();
    codes.filter_map(move |code| search::parameter(resource_type, code))
}

/// The resource types of a compartment.
pub fn members(compartment: Compartment) -> impl Iterator<Item = ResourceTypeId> {
    (0..definition::resource_types().len() as ResourceTypeId)
        .filter(move |id| !parameter_codes(compartment, *id).is_empty())
}

fn table() -> &'static HashMap<(Compartment, ResourceTypeId), Vec<&'static str>> {
    static TABLE: OnceLock<HashMap<(Compartment, ResourceTypeId), Vec<&'static str>>> = OnceLock::new();
    TABLE.get_or_init(|| {
        let mut table = HashMap::new();
        let mut compartment = None;
        for line in include_str!("../tables/compartments.txt").lines().filter(|line| !line.starts_with('#')) {
            if let Some(name) = line.strip_prefix('=') {
                compartment = Compartment::from_name(name);
                continue;
            }
            let mut fields = line.split(' ');
            let of_type = fields.next().and_then(definition::resource_type_id);
            if let Some(key) = compartment.zip(of_type) {
                table.insert(key, fields.collect());
            }
        }
        table
    })
}

/// The patients in whose compartment a resource is, in the order in which the resource names
/// them, each once. A patient's own compartment is not listed: only those of the patients that
/// it links to. References that do not name their type (`urn:uuid:…`) are left out: resolve
/// them first.
pub fn patient_references<'v>(resource: &'v Json<'_>, resource_type: ResourceTypeId) -> Vec<Reference<'v>> {
    let mut found: Vec<Reference<'v>> = Vec::new();
    let (Some(tree), Some(patient)) = (patient_tree(resource_type), definition::resource_type_id("Patient"))
    else {
        return found;
    };
    tree.run(resource, &mut |_, value| {
        if let SearchValue::Reference(reference) = value
            && reference.resource_type == Some(patient)
            && reference.id.is_some()
        {
            found.push(reference);
        }
    });
    if found.len() > 1 {
        let mut known = HashSet::new();
        found.retain(|reference| known.insert(reference.raw));
    }
    found
}

fn patient_tree(resource_type: ResourceTypeId) -> Option<&'static search::Tree> {
    static TREES: OnceLock<Vec<OnceLock<search::Tree>>> = OnceLock::new();
    let trees =
        TREES.get_or_init(|| (0..definition::resource_types().len()).map(|_| OnceLock::new()).collect());
    let slot = trees.get(usize::from(resource_type))?;
    Some(slot.get_or_init(|| {
        search::Tree::compile(resource_type, parameters(Compartment::Patient, resource_type))
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_of_a_compartment_is_a_parameter() {
        for compartment in ["Device", "Encounter", "Patient", "Practitioner", "RelatedPerson"] {
            let compartment = Compartment::from_name(compartment).expect("a compartment");
            assert!(members(compartment).count() > 10, "{compartment:?}");
            for of_type in members(compartment) {
                for code in parameter_codes(compartment, of_type).iter().filter(|code| **code != "{def}") {
                    assert!(search::parameter(of_type, code).is_some(), "{compartment:?} {of_type} {code}");
                }
            }
        }
    }

    #[test]
    fn a_resource_names_its_patients() {
        let check = |name: &str, text: &str, expected: &[&str]| {
            let resource = Json::parse_str(text).expect("JSON");
            let of_type = definition::resource_type_id(name).expect("type");
            let raw: Vec<&str> = patient_references(&resource, of_type).iter().map(|r| r.raw).collect();
            assert_eq!(raw, expected, "{text}");
        };
        check(
            "Observation",
            r#"{"subject":{"reference":"Patient/1"},"performer":[{"reference":"Patient/1"},{"reference":"Practitioner/2"}]}"#,
            &["Patient/1"],
        );
        check("Observation", r#"{"subject":{"reference":"Group/1"}}"#, &[]);
        check(
            "Group",
            r#"{"member":[{"entity":{"reference":"Patient/1"}},{"entity":{"reference":"http://a.org/Patient/2"}}]}"#,
            &["Patient/1", "http://a.org/Patient/2"],
        );
        check("Patient", r#"{"id":"1","link":[{"other":{"reference":"Patient/2"}}]}"#, &["Patient/2"]);
        check(
            "Observation",
            r#"{"subject":{"reference":"urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0"}}"#,
            &[],
        );
        check("Organization", r#"{"id":"1"}"#, &[]);
    }
}
