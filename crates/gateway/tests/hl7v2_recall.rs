//! How much of the reference converter's output the HL7 v2 door finds; `score` says how it is counted.

mod score;

use std::path::Path;

use tongmai_fhir::validate::{Options as Rules, validate};
use tongmai_gateway::hl7v2::{Options, table::Tables, understand_with};

use score::{Report, expected, find, ours};

/// The tables as they lie in the source tree, so that a table can be changed without a build.
fn tables() -> Tables {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tables/hl7v2");
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).expect(name);
    let (standard, supplement, flow) = (read("standard.txt"), read("supplement.txt"), read("flow.txt"));
    let codes = (read("standard-codes.txt"), read("supplement-codes.txt"));
    Tables::read(&[&standard, &supplement], &[&codes.0, &codes.1], &[&flow])
        .unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn recall_of_the_reference_bundles() {
    let Some(folder) = tongmai_testkit::data("hl7v2") else { return };
    let tables = tables();
    // The reference bundles were made on a machine in India, with addresses of the converter's own.
    let options = Options {
        default_zone: "+05:30".to_owned(),
        local_base: "http://example.com/v2-to-fhir-converter/".to_owned(),
    };
    let mut files = Vec::new();
    find(&folder.join("expected"), &mut files);
    files.sort();
    let mut report = Report::default();
    let only = std::env::var("TONGMAI_ONLY").unwrap_or_default();
    for path in &files {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let name = name.trim_end_matches("-expected.json");
        if !name.contains(&only) {
            continue;
        }
        let bytes = tongmai_testkit::read(&folder.join(format!("messages/{name}.hl7")));
        let understood = understand_with(&bytes, &tables, &options);
        report.compare(&expected(path), &ours(&understood), name);
    }
    let (recall, precision) = report.print();
    if only.is_empty() {
        assert!(recall >= 90.0, "recall {recall:.2} %, precision {precision:.2} %");
    }
}

#[test]
fn every_message_is_understood() {
    let Some(folder) = tongmai_testkit::data("hl7v2/messages") else { return };
    let tables = tables();
    let mut files = Vec::new();
    find(&folder, &mut files);
    for path in files {
        let understood = understand_with(&tongmai_testkit::read(&path), &tables, &Options::default());
        assert!(!understood.is_refused(), "{}", path.display());
        for entry in &understood.entries {
            let findings = validate(&entry.resource, &Rules::default());
            assert!(findings.is_empty(), "{}: {findings:?}", path.display());
        }
    }
}
