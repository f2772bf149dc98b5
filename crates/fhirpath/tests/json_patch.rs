//! The JSON Patch cases of HL7's test set (the examples of RFC 6902, appendix A).

use tongmai_fhir::json::Json;
use tongmai_fhirpath::json_patch;

#[test]
fn official_json_patch_cases() {
    let Some(path) = tongmai_testkit::data("fhir/patch/json-patch-tests.json") else { return };
    let text = tongmai_testkit::read_text(&path);
    let cases = Json::parse_str(&text).expect("the cases");
    let cases = cases.as_array().expect("an array of cases");
    assert_eq!(cases.len(), 16);
    for case in cases {
        let name = case.text("comment").expect("a comment");
        let document = case.get("doc").expect("doc");
        let result = json_patch::apply(document, case.get("patch").expect("patch"));
        match case.get("expected") {
            Some(expected) => {
                let result = result.unwrap_or_else(|e| panic!("{name}: {e}"));
                let check = Json::Array(vec![Json::Object(vec![
                    ("op".into(), "test".into()),
                    ("path".into(), "".into()),
                    ("value".into(), expected.clone()),
                ])]);
                json_patch::apply(&result, &check).unwrap_or_else(|_| panic!("{name}: {result}"));
            }
            None => assert!(result.is_err(), "{name}"),
        }
    }
}
