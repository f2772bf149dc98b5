//! R4's own search expressions over real resources.

use std::collections::HashMap;

use tongmai_fhir::definition;
use tongmai_fhir::json::Json;
use tongmai_fhir::search;
use tongmai_fhirpath::{Environment, compile};

#[test]
fn every_search_expression_compiles() {
    for parameter in search::all().iter().filter(|parameter| !parameter.expression.is_empty()) {
        for expression in
            std::iter::once(parameter.expression).chain(parameter.components.iter().map(|c| c.expression))
        {
            if let Err(error) = compile(expression) {
                panic!("{expression}: {error}");
            }
        }
    }
}

#[test]
fn search_expressions_evaluate_over_real_resources() {
    let Some(folder) = tongmai_testkit::data("synthea") else { return };
    let mut files: Vec<_> =
        std::fs::read_dir(folder).expect("a folder").map(|f| f.expect("a file").path()).collect();
    files.sort();
    let bundle = tongmai_testkit::read_text(&files[2]);
    let bundle = Json::parse_str(&bundle).expect("a bundle");
    let mut seen: HashMap<&str, usize> = HashMap::new();
    let mut found = 0;
    for entry in bundle.items("entry") {
        let resource = entry.get("resource").expect("a resource");
        let name = resource.text("resourceType").expect("a type");
        let count = seen.entry(name).or_default();
        *count += 1;
        if *count > 3 {
            continue;
        }
        let id = definition::resource_type_id(name).expect("a type of R4");
        for parameter in search::parameters(id).filter(|parameter| !parameter.expression.is_empty()) {
            let expression = compile(parameter.expression).expect("compiles");
            let values = expression.evaluate(resource, &Environment::default());
            found += values.unwrap_or_else(|e| panic!("{name} {}: {e}", parameter.expression)).len();
        }
    }
    assert!(seen.len() > 10 && found > 300, "{} types, {found} values", seen.len());
}
