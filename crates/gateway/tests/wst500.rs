//! The shared documents of WS/T 500: every type out, in, and out again.

use std::collections::BTreeMap;
use std::process::Command;

use tongmai_base::Severity;
use tongmai_gateway::{Understood, wst500};

fn emitted(understood: &Understood, code: &str) -> String {
    let resources = understood.entries.iter().map(|entry| (entry.full_url.clone(), &entry.resource));
    wst500::write(resources, code).expect("a type").0
}

fn example(code: &str) -> String {
    wst500::example::xml(code).expect("a type")
}

#[test]
fn every_type_comes_back_as_it_went_out() {
    let mut differing = Vec::new();
    for (code, title) in wst500::types() {
        let first = example(code);
        let understood = wst500::read(first.as_bytes());
        let second = emitted(&understood, code);
        let (before, after) = (wst500::canonical(&first), wst500::canonical(&second));
        assert!(before.len() > 20, "{code} has {} values", before.len());
        if before != after {
            differing.push(code);
            println!("== {code} {title}");
            for line in before.iter().filter(|line| !after.contains(line)) {
                println!("  - {line}");
            }
            for line in after.iter().filter(|line| !before.contains(line)) {
                println!("  + {line}");
            }
        }
    }
    assert!(differing.is_empty(), "{} differ: {differing:?}", differing.len());
}

#[test]
fn examples_are_understood_without_remainder() {
    let mut codes: BTreeMap<String, usize> = BTreeMap::new();
    for (code, _) in wst500::types() {
        let understood = wst500::read(example(code).as_bytes());
        assert!(understood.entries.len() > 3, "{code}");
        for finding in &understood.findings {
            if finding.severity >= Severity::Warning {
                println!("{code} {finding}");
                *codes.entry(finding.code.clone()).or_default() += 1;
            }
        }
    }
    assert!(codes.is_empty(), "{codes:?}");
}

#[test]
fn what_is_emitted_is_valid() {
    let Some(schemas) = tongmai_testkit::data("cn-standards/hip_schemas/cdas") else { return };
    if Command::new("xmllint").arg("--version").output().is_err() {
        tongmai_testkit::skipped("xmllint is not installed (libxml2-utils)");
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let mut invalid = 0;
    for (code, _) in wst500::types() {
        let understood = wst500::read(example(code).as_bytes());
        for (name, text) in [("example", example(code)), ("emitted", emitted(&understood, code))] {
            let path = folder.path().join(format!("{code}-{name}.xml"));
            std::fs::write(&path, text).expect("written");
            let schema = schemas.join(format!("{code}.xsd"));
            let run = Command::new("xmllint").arg("--noout").arg("--schema").arg(schema).arg(&path).output();
            let run = run.expect("xmllint runs");
            if !run.status.success() {
                invalid += 1;
                println!("== {code} {name}\n{}", String::from_utf8_lossy(&run.stderr));
            }
        }
    }
    assert_eq!(invalid, 0, "documents that their schema does not accept");
}

#[test]
fn the_coverage_page_is_what_the_tables_say() {
    let page = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/gateway/wst500-coverage.md");
    let written = std::fs::read_to_string(page).expect("the page");
    assert!(written == wst500::coverage::page(), "run cargo xtask coverage-wst500");
    let all = wst500::coverage::all();
    let (rows, mapped) = all.iter().fold((0, 0), |(rows, mapped), c| (rows + c.rows, mapped + c.mapped));
    assert!(rows >= 2199 && mapped * 100 >= rows * 95, "{mapped} of {rows}");
    assert!(all.iter().all(|c| c.rows == c.mapped + c.unmapped.len()));
}
