//! The arrows of ARCHITECTURE.md, read from `cargo metadata`, and the licences of all dependencies.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

/// Floor of each crate; an arrow may only point to a lower floor, or sideways on floors 0, 2, 4 and 5.
const FLOORS: &[(&str, u8)] = &[
    ("tongmai", 5),
    ("xtask", 5),
    ("tongmai-http", 4),
    ("tongmai-web", 4),
    ("tongmai-gateway", 4),
    ("tongmai-dicom", 4),
    ("tongmai-views", 3),
    ("tongmai-ballots", 3),
    ("tongmai-engine", 3),
    ("tongmai-access", 3),
    ("tongmai-accounts", 3),
    ("tongmai-store", 2),
    ("tongmai-store-sqlite", 2),
    ("tongmai-store-postgres", 2),
    ("tongmai-journal", 2),
    ("tongmai-blob", 2),
    ("tongmai-vault", 2),
    ("tongmai-consent", 1),
    ("tongmai-audit", 1),
    ("tongmai-identity", 1),
    ("tongmai-drg", 1),
    ("tongmai-surveillance", 1),
    ("tongmai-engagement", 1),
    ("tongmai-care", 1),
    ("tongmai-region", 1),
    ("tongmai-base", 0),
    ("tongmai-fhir", 0),
    ("tongmai-fhirpath", 0),
    ("tongmai-terminology", 0),
    ("tongmai-codec", 0),
    ("tongmai-testkit", 0),
];

/// What a domain crate must never reach: input, output and asynchrony.
const NOT_IN_THE_DOMAIN: &[&str] = &["tokio", "rusqlite", "tokio-postgres", "hyper", "getrandom", "rand"];

const LICENCES: &[&str] = &[
    "Apache-2.0",
    "MIT",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "Zlib",
    "Unicode-3.0",
    "Unicode-DFS-2016",
    "CC0-1.0",
    "0BSD",
    "Unlicense",
    "BSL-1.0",
    "MIT-0",
    "CDLA-Permissive-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "bzip2-1.0.6",
];

fn metadata() -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--offline"])
        .output()
        .expect("cargo runs");
    let output = if output.status.success() {
        output
    } else {
        // A package for another platform may not have been fetched yet.
        Command::new(env!("CARGO"))
            .args(["metadata", "--format-version", "1", "--locked"])
            .output()
            .expect("cargo runs")
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("cargo writes JSON")
}

fn is_ours(package: &Value) -> bool {
    package["source"].is_null()
}

#[test]
fn arrows_point_down() {
    let floors: BTreeMap<&str, u8> = FLOORS.iter().copied().collect();
    let metadata = metadata();
    let mut faults = Vec::new();
    for package in
        metadata["packages"].as_array().expect("packages").iter().filter(|package| is_ours(package))
    {
        let name = package["name"].as_str().expect("a name");
        let Some(&floor) = floors.get(name) else {
            faults.push(format!("{name} has no floor: add it to the table here and in ARCHITECTURE.md"));
            continue;
        };
        for dependency in package["dependencies"].as_array().expect("dependencies") {
            // Tests may use what stands beside or above.
            if dependency["kind"] == "dev" {
                continue;
            }
            let other = dependency["name"].as_str().expect("a name");
            if floor == 1 && NOT_IN_THE_DOMAIN.contains(&other) {
                faults.push(format!("{name} is of the domain and must not know {other}"));
            }
            if let Some(&below) = floors.get(other) {
                let sideways = below == floor && floor != 1;
                if below > floor || (below == floor && !sideways) {
                    faults.push(format!("{name} (floor {floor}) must not know {other} (floor {below})"));
                }
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn licences_are_known() {
    let metadata = metadata();
    let mut faults = Vec::new();
    for package in
        metadata["packages"].as_array().expect("packages").iter().filter(|package| !is_ours(package))
    {
        let licence = package["license"].as_str().unwrap_or("");
        // "A OR B" offers a choice, "A AND B" demands both; "/" is the old way to write OR.
        let fits = licence
            .replace('/', " OR ")
            .replace(['(', ')'], "")
            .split(" OR ")
            .any(|choice| choice.split(" AND ").all(|one| LICENCES.contains(&one.trim())));
        if !fits {
            faults.push(format!("{}: '{licence}'", package["name"].as_str().unwrap_or("")));
        }
    }
    assert!(faults.is_empty(), "licences to look at:\n{}", faults.join("\n"));
}

/// Every crate that one of ours names has a line in `docs/dependencies.md`, and every line a crate.
#[test]
fn dependencies_say_why_they_are_there() {
    let table = include_str!("../../../docs/dependencies.md");
    let rows = table.lines().filter(|line| line.starts_with("| ")).skip(1);
    let explained: BTreeSet<&str> = rows
        .filter(|row| row.split('|').filter(|cell| !cell.trim().is_empty()).count() == 3)
        .flat_map(|row| row.split('|').nth(1).unwrap_or("").split(',').map(str::trim))
        .collect();
    let metadata = metadata();
    let packages = metadata["packages"].as_array().expect("packages");
    let named: Vec<&Value> = packages
        .iter()
        .filter(|package| is_ours(package))
        .flat_map(|package| package["dependencies"].as_array().expect("dependencies"))
        .collect();
    let name = |dependency: &&'_ Value| dependency["name"].as_str().expect("a name").to_owned();
    let used: BTreeSet<String> = named.iter().map(name).collect();
    let foreign = named.iter().filter(|dependency| dependency["path"].is_null()).map(name);
    let unexplained: BTreeSet<String> = foreign.filter(|name| !explained.contains(name.as_str())).collect();
    let unused: Vec<_> = explained.iter().filter(|name| !used.contains(**name)).collect();
    assert!(unexplained.is_empty(), "without a line in docs/dependencies.md: {unexplained:?}");
    assert!(unused.is_empty(), "in docs/dependencies.md, but no crate names it: {unused:?}");
}

#[test]
fn pages_do_not_touch_the_store() {
    let mut folders = vec![std::path::PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../web/src"))];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let source = std::fs::read_to_string(&path).expect("a source file");
            let source = source.split("#[cfg(test)]").next().unwrap_or("");
            for word in [".store()", ".snapshot()", "dyn Store"] {
                assert!(!source.contains(word), "{}: {word} belongs into the engine", path.display());
            }
        }
    }
}

#[test]
fn sql_stands_in_stores_only() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let mut faults = Vec::new();
    let mut folders = vec![std::path::PathBuf::from(root)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let text = path.to_string_lossy().into_owned();
            if path.is_dir() {
                if !text.contains("/store-")
                    && !text.ends_with("/xtask")
                    && !text.ends_with("/testkit")
                    && !text.ends_with("/target")
                {
                    folders.push(path);
                }
            } else if text.ends_with(".rs") {
                let source = std::fs::read_to_string(&path).expect("a source file");
                if ["INSERT INTO ", "SELECT * FROM", "CREATE TABLE "].iter().any(|sql| source.contains(sql)) {
                    faults.push(text);
                }
            }
        }
    }
    assert!(faults.is_empty(), "SQL outside a store: {faults:?}");
}
