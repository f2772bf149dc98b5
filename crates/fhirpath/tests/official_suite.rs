//! The official FHIRPath suite for R4. What fails is listed with its reason in
//! `official_suite_failures.txt`; the test demands exactly that list.

mod common;

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use common::{Xml, resource};
use tongmai_fhir::json::Json;
use tongmai_fhirpath::{Environment, Temporal, Value, compile};

const FAILURES: &str = include_str!("official_suite_failures.txt");

fn input(folder: &Path, name: &str) -> Json<'static> {
    let text = tongmai_testkit::read_text(&folder.join(name));
    if name.ends_with(".json") {
        return Json::parse_str(&text).expect(name).into_owned();
    }
    resource(&Xml::parse(&text))
}

/// Why the outcome is not what the test expects.
fn outcome(test: &Xml, resource: &Json<'static>) -> Result<(), String> {
    let expression = test.child("expression").expect("an expression");
    let invalid = expression.attribute("invalid");
    let strict = [test.attribute("mode"), expression.attribute("mode")].contains(&Some("strict"));
    let environment = Environment {
        now: Temporal::date_time("2026-11-21T23:45:00.000+08:00"),
        strict: strict || invalid == Some("semantic"),
        ..Environment::default()
    };
    let result = compile(&expression.text).and_then(|compiled| compiled.evaluate(resource, &environment));
    let values = match (result, invalid) {
        (Err(_), Some(_)) => return Ok(()),
        (Ok(values), Some(invalid)) => {
            let shown: Vec<String> = values.iter().map(Value::to_string).collect();
            return Err(format!("{invalid} error expected, found {shown:?}"));
        }
        (Err(error), None) => return Err(error.to_string()),
        (Ok(values), None) => values,
    };
    let mut found: Vec<(String, String)> = values.iter().map(shown).collect();
    if test.attribute("predicate") == Some("true") {
        found = vec![("boolean".into(), (!values.is_empty()).to_string())];
    }
    let mut expected: Vec<(String, String)> = test
        .all("output")
        .map(|output| {
            let text = output.text.trim_start_matches('@').trim_start_matches('T').to_owned();
            (output.attribute("type").unwrap_or("").to_owned(), text)
        })
        .collect();
    if test.attribute("ordered") == Some("false") {
        found.sort();
        expected.sort();
    }
    let agree = found.len() == expected.len()
        && found.iter().zip(&expected).all(|(found, expected)| {
            (expected.0.is_empty() || found.0 == expected.0) && same_text(&found.1, &expected.1)
        });
    if agree { Ok(()) } else { Err(format!("expected {expected:?}, found {found:?}")) }
}

/// A zero has no sign here.
fn same_text(found: &str, expected: &str) -> bool {
    found == expected || (found == "0.0" && expected == "-0.0")
}

/// Type and text of a value as the suite writes them.
fn shown(value: &Value<'_>) -> (String, String) {
    let info = value.type_info();
    let name = match (info.namespace, info.name) {
        ("System", "DateTime") => "dateTime".to_owned(),
        ("System", "Quantity") | ("FHIR", _) => info.name.to_owned(),
        (_, name) => name.to_lowercase(),
    };
    (name, value.to_string())
}

#[test]
fn official_suite() {
    let Some(folder) = tongmai_testkit::data("fhir/fhirpath") else { return };
    let suite = Xml::parse(&tongmai_testkit::read_text(&folder.join("tests-fhir-r4.xml")));
    let mut inputs: HashMap<String, Json<'static>> = HashMap::new();
    let (mut count, mut failures) = (0, BTreeMap::new());
    for group in suite.all("group") {
        for test in group.all("test") {
            let file = test.attribute("inputfile").unwrap_or("patient-example.xml");
            let resource =
                inputs.entry(file.to_owned()).or_insert_with(|| input(&folder.join("input"), file));
            count += 1;
            if let Err(why) = outcome(test, resource) {
                let group = group.attribute("name").unwrap_or_default();
                failures.insert(format!("{group}/{}", test.attribute("name").unwrap_or_default()), why);
            }
        }
    }
    println!("{} of {count} pass", count - failures.len());
    for (name, why) in &failures {
        println!("{name}: {why}");
    }
    assert_eq!(count, 935);
    let listed: Vec<&str> = FAILURES
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
        .map(|line| line.split_once(": ").expect("a name and a reason").0)
        .collect();
    assert_eq!(failures.keys().map(String::as_str).collect::<Vec<_>>(), listed);
}
