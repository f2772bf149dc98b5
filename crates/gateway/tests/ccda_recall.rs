//! How much of the reference converter's output the C-CDA door finds; `score` says how it is counted.

mod score;

use std::path::Path;

use tongmai_fhir::validate::{Options as Rules, is_invalid, validate};
use tongmai_gateway::ccda::{self, table::Tables};

use score::{Report, expected, find, ours};

/// The tables as they lie in the source tree, so that a table can be changed without a build.
fn tables() -> Tables {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tables/ccda");
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).expect(name);
    Tables::read(&[&read("resources.txt"), &read("systems.txt")]).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn recall_of_the_reference_bundles() {
    let Some(folder) = tongmai_testkit::data("ccda") else { return };
    let tables = tables();
    let mut files = Vec::new();
    find(&folder.join("expected"), &mut files);
    files.sort();
    assert_eq!(files.len(), 17);
    let mut report = Report::default();
    let only = std::env::var("TONGMAI_ONLY").unwrap_or_default();
    for path in files.iter().filter(|path| path.to_string_lossy().contains(&only)) {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let name = name.trim_end_matches("-expected.json");
        let bytes = tongmai_testkit::read(&folder.join(format!("input/{name}.ccda")));
        let understood = ccda::read_with(&bytes, &tables);
        assert!(!understood.is_refused(), "{name}: {:?}", understood.findings);
        for entry in &understood.entries {
            let findings = validate(&entry.resource, &Rules::default());
            assert!(!is_invalid(&findings), "{name}: {findings:?}");
        }
        report.compare(&expected(path), &ours(&understood), name);
    }
    let (recall, precision) = report.print();
    if only.is_empty() {
        assert!(recall >= 85.0, "recall {recall:.2} %, precision {precision:.2} %");
    }
}
