//! The FHIRPath Patch cases of HL7's test set.

mod common;

use common::{Xml, resource};
use tongmai_fhir::json::Json;
use tongmai_fhirpath::{fhirpath_patch, json_patch};

/// The document with runs of white space in narratives as one blank, and none around tags: the cases differ
/// in the layout of their XHTML only.
fn laid_out(value: Json<'static>) -> Json<'static> {
    match value {
        Json::String(text) if text.starts_with("<div") => {
            let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
            text.replace("> ", ">").replace(" <", "<").replace("&quot;", "\"").into()
        }
        Json::Array(items) => Json::Array(items.into_iter().map(laid_out).collect()),
        Json::Object(properties) => {
            Json::Object(properties.into_iter().map(|(name, value)| (name, laid_out(value))).collect())
        }
        other => other,
    }
}

#[test]
fn official_fhirpath_patch_cases() {
    let Some(path) = tongmai_testkit::data("fhir/patch/fhir-patch-tests.xml") else { return };
    let cases = Xml::parse(&tongmai_testkit::read_text(&path));
    let cases: Vec<&Xml> = cases.all("case").collect();
    assert_eq!(cases.len(), 34);
    for case in cases {
        let name = case.attribute("name").expect("a name");
        let part = |name: &str| case.child(name).and_then(|part| part.children.first()).map(resource);
        let result = fhirpath_patch::apply(&part("input").expect("input"), &part("diff").expect("diff"));
        match part("output") {
            Some(expected) => {
                let result = laid_out(result.unwrap_or_else(|e| panic!("{name}: {e}")));
                let expected = laid_out(expected);
                let test = Json::Array(vec![Json::Object(vec![
                    ("op".into(), "test".into()),
                    ("path".into(), "".into()),
                    ("value".into(), expected.clone()),
                ])]);
                assert!(json_patch::apply(&result, &test).is_ok(), "{name}:\n{result}\n{expected}");
            }
            None => {
                assert!(case.child("error").is_some(), "{name}: neither output nor error");
                assert!(result.is_err(), "{name}");
            }
        }
    }
}
