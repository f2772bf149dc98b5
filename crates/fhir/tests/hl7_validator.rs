//! HL7's own validator cases: does our verdict (valid or not) agree with the official one?
//!
//! Taken are the R4 cases in JSON that need neither a profile, a package, a
//! supporting file nor a terminology server, and that carry the outcome of HL7's
//! validator. That one also checks what is not structure (FHIRPath invariants,
//! displays, best practice), so agreement cannot be whole; the floor only rises.

use std::path::Path;

use tongmai_fhir::json::Json;
use tongmai_fhir::validate::{Options, is_invalid, validate};

/// Keys of a case that say it needs more than the resource itself.
const NEEDS_MORE: &[&str] = &[
    "packages",
    "profile",
    "profiles",
    "supporting",
    "supporting5",
    "logical",
    "examples",
    "package-map",
    "tx-dependent",
];

/// Modules about other things than resources: terminology, CDS Hooks, signatures, other syntaxes, services.
const OTHER_MODULES: &[&str] =
    &["tx", "tx-advanced", "cdshooks", "shc", "dsig", "json5", "matchetype", "api", "logical"];

/// Share of the cases that must agree, in percent.
const FLOOR: usize = 70;

fn expected_outcome(case: &Json<'_>, folder: &Path) -> Option<bool> {
    let path = folder.join("outcomes").join(case.text("java")?);
    let bytes = std::fs::read(path).ok()?;
    let outcome = Json::parse(&bytes).ok()?;
    Some(
        outcome.items("issue").iter().all(|issue| !matches!(issue.text("severity"), Some("error" | "fatal"))),
    )
}

#[test]
fn verdicts_agree_with_the_official_validator() {
    let Some(manifest) = tongmai_testkit::data("fhir/validator/manifest.json") else { return };
    let folder = manifest.parent().expect("folder").to_owned();
    let bytes = tongmai_testkit::read(&manifest);
    let manifest = Json::parse(&bytes).expect("JSON");
    let (mut taken, mut agreed) = (0, 0);
    for case in manifest.items("test-cases") {
        let name = case.text("name").expect("name");
        let file = case.text("file").expect("file");
        let r4 = case.text("version").is_some_and(|version| version.starts_with("4.0"));
        let other = case.text("module").is_some_and(|module| OTHER_MODULES.contains(&module));
        if !r4 || other || !file.ends_with(".json") || NEEDS_MORE.iter().any(|key| case.get(key).is_some()) {
            continue;
        }
        let Some(expected) = expected_outcome(case, &folder) else { continue };
        let Ok(bytes) = std::fs::read(folder.join(file)) else { continue };
        taken += 1;
        let (valid, why) = match Json::parse(&bytes) {
            Ok(resource) => {
                let findings = validate(&resource, &Options::default());
                let why = findings.iter().take(2).map(ToString::to_string).collect::<Vec<_>>().join("; ");
                (!is_invalid(&findings), why)
            }
            Err(error) => (false, error.to_string()),
        };
        if valid == expected {
            agreed += 1;
        } else {
            eprintln!(
                "{name} ({file}): HL7 says {}, we say {why}",
                if expected { "valid" } else { "invalid" }
            );
        }
    }
    eprintln!("{agreed} of {taken} verdicts agree");
    assert!(taken > 50, "only {taken} cases found");
    assert!(agreed * 100 >= taken * FLOOR, "{agreed} of {taken} agree, the floor is {FLOOR} %");
}
