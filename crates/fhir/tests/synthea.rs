//! Real records: every resource of the Synthea bundles is valid, and is found by its parameters.

use std::collections::BTreeMap;

use tongmai_fhir::json::Json;
use tongmai_fhir::search::{self, SearchValue};
use tongmai_fhir::{compartment, definition, validate};

/// Gives every resource of every bundle to `visit`.
fn for_each_resource(mut visit: impl FnMut(&str, &Json<'_>)) {
    let Some(folder) = tongmai_testkit::data("synthea") else { return };
    let mut files: Vec<_> =
        std::fs::read_dir(folder).expect("folder").map(|file| file.expect("file").path()).collect();
    files.sort();
    for file in files {
        let bytes = tongmai_testkit::read(&file);
        let bundle = Json::parse(&bytes).expect("JSON");
        for entry in bundle.items("entry") {
            let resource = entry.get("resource").expect("resource");
            visit(resource.text("resourceType").expect("type"), resource);
        }
    }
}

#[test]
fn every_resource_is_valid() {
    let mut rules: BTreeMap<String, (usize, String)> = BTreeMap::new();
    let mut count = 0;
    for_each_resource(|name, resource| {
        count += 1;
        for finding in validate::validate(resource, &validate::Options::default()) {
            let shown = finding.to_string();
            rules.entry(format!("{name} {}", finding.code)).or_insert((0, shown)).0 += 1;
        }
    });
    assert!(rules.is_empty(), "of {count} resources: {rules:#?}");
}

#[test]
fn every_resource_gives_values() {
    let patient = definition::resource_type_id("Patient");
    let mut without_patient = BTreeMap::new();
    for_each_resource(|name, resource| {
        let id = definition::resource_type_id(name).expect("type");
        let values = search::extract(resource, id);
        assert!(
            values.iter().any(|(parameter, _)| search::by_id(*parameter).is_some_and(|p| p.code == "_id"))
        );
        for (parameter, value) in &values {
            let parameter = search::by_id(*parameter).expect("known");
            assert!(parameter.is_for(name), "{name} {}", parameter.url);
            if let SearchValue::Composite(parts) = value {
                assert_eq!(parts.len(), parameter.components.len());
            }
        }
        // The bundles refer to patients by urn:uuid, which do not name their type.
        if Some(id) != patient && compartment::patient_references(resource, id).is_empty() {
            *without_patient.entry(name.to_owned()).or_insert(0) += 1;
        }
    });
    assert!(without_patient.len() < 30);
}
