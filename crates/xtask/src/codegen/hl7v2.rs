//! Compiles HL7's v2-to-FHIR mapping (github.com/HL7/v2-to-fhir, Apache-2.0) into
//! the tables of the HL7 v2 door.
//!
//! The sheets were written for people: conditions in near-English, extensions
//! over several rows, misspelt names. What can be said in the door's language and
//! leads to an element of R4 is kept; every other row is listed at the end of the
//! file with the reason, so that nothing of the source is lost unseen.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result};
use tongmai_fhir::definition::{self, Shape};
use tongmai_gateway::hl7v2::rule;
use tongmai_gateway::hl7v2::table::{Condition, resolve};

mod condition;

const MAPS: &str = "crates/gateway/tables/hl7v2/standard.txt";
const CODES: &str = "crates/gateway/tables/hl7v2/standard-codes.txt";

/// One row of a sheet, in the columns that matter.
struct Row {
    source: String,
    condition: String,
    narrative: String,
    attribute: String,
    extension: String,
    map: String,
    codes: String,
    assignment: String,
}

/// The text of every table, made from the folder of HL7's sheets.
pub fn tables(folder: &Path) -> Result<Vec<(&'static str, String)>> {
    let codes = code_tables(&folder.join("codesystems"))?;
    let mut sheets = BTreeMap::new();
    for part in ["segments", "datatypes"] {
        for (name, rows) in sheets_of(&folder.join(part))? {
            sheets.insert(name, rows);
        }
    }
    let is_complex =
        |name: &str| target_of(name).is_some_and(|target| definition::group_at(target).is_some());
    let names: BTreeSet<String> =
        sheets.keys().filter(|name| is_complex(name)).map(|name| name.to_ascii_lowercase()).collect();
    let mut out = String::from(
        "# HL7 v2 segments and data types in FHIR R4. Written by `cargo xtask codegen hl7v2`; do not edit.\n\
         # Source: HL7's v2-to-FHIR mapping tables (github.com/HL7/v2-to-fhir, Apache-2.0).\n\
         # README.md beside this file says how a row is read.\n",
    );
    let mut left_out = String::new();
    for (name, rows) in &sheets {
        let Some(target) = target_of(name).filter(|target| definition::group_at(target).is_some()) else {
            for row in rows.iter().filter(|row| !row.attribute.is_empty()) {
                let _ =
                    writeln!(left_out, "# {name}\t{}\t{}\tno complex type of R4", row.source, row.attribute);
            }
            continue;
        };
        let mut lines = String::new();
        let extensions = extension_urls(name, rows);
        for row in rows {
            match line(name, target, row, &extensions, &names, &codes) {
                Ok(Some(line)) => lines += &line,
                Ok(None) => {}
                Err(reason) => {
                    let attribute = if row.attribute.is_empty() { &row.extension } else { &row.attribute };
                    let one_line = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
                    let (attribute, reason) = (one_line(attribute), one_line(&reason));
                    let _ = writeln!(left_out, "# {name}\t{}\t{attribute}\t{reason}", row.source);
                }
            }
        }
        write!(out, "={name}\n{lines}")?;
    }
    out += "\n# Rows of the source that are not carried over, with the reason.\n";
    out += &left_out;
    Ok(vec![(MAPS, out), (CODES, codes_text(&codes))])
}

/// The sheets of a folder by their names (`PID[Patient]`), rows without an element dropped.
fn sheets_of(folder: &Path) -> Result<Vec<(String, Vec<Row>)>> {
    let mut sheets = Vec::new();
    for path in csv_files(folder)? {
        let file = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        let name = file.split("_ ").nth(1).and_then(|rest| rest.split(" - ").next()).unwrap_or_default();
        let mut rows = Vec::new();
        for record in records(&path)? {
            let column = |at: usize| record.get(at).unwrap_or_default().trim().to_owned();
            let row = Row {
                source: column(1),
                condition: column(6),
                narrative: column(8),
                attribute: column(9),
                extension: column(10),
                map: column(14),
                codes: column(15),
                assignment: column(16),
            };
            if !row.attribute.is_empty() || !row.extension.is_empty() {
                rows.push(row);
            }
        }
        sheets.push((name.to_owned(), rows));
    }
    Ok(sheets)
}

fn csv_files(folder: &Path) -> Result<Vec<std::path::PathBuf>> {
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .with_context(|| folder.display().to_string())?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "csv"))
        .collect();
    files.sort();
    Ok(files)
}

/// The records of a sheet below its two lines of headings.
fn records(path: &Path) -> Result<Vec<csv::StringRecord>> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_path(path)?;
    let records: Result<Vec<_>, _> = reader.records().skip(2).collect();
    records.with_context(|| path.display().to_string())
}

fn target_of(name: &str) -> Option<&str> {
    let target = name.split_once('[')?.1.trim_end_matches(']');
    target.split('-').next()
}

/// The field or component of a row, without the name of its segment or data type.
fn source_of(text: &str, name: &str) -> Result<String, String> {
    let owner = name.split('[').next().unwrap_or_default();
    match text {
        "" => Ok("*".to_owned()),
        text if text == owner => Ok("*".to_owned()),
        text => {
            let rest = text.strip_prefix(owner).unwrap_or("").trim_start_matches(['-', '.']);
            let numeric = !rest.is_empty() && rest.chars().all(|c| c.is_ascii_digit() || c == '.');
            if numeric { Ok(rest.to_owned()) } else { Err(format!("'{text}' is no place in {owner}")) }
        }
    }
}

/// The addresses of extensions: rows that set `….url` say what the extension at that place is.
fn extension_urls(name: &str, rows: &[Row]) -> BTreeMap<(String, String), String> {
    let mut urls = BTreeMap::new();
    for row in rows {
        let Some(path) = raw_path(name, &row.attribute) else { continue };
        let Some(place) = path.strip_suffix(".url").or_else(|| path.strip_suffix(".uri")) else { continue };
        let url = row.assignment.trim().trim_matches('"').trim().trim_end_matches('.');
        if !url.is_empty() && !url.starts_with('/') {
            urls.insert((row.source.clone(), place.to_owned()), url.to_owned());
        }
    }
    urls
}

/// An attribute in the door's form of a way, extensions still without their addresses.
fn raw_path(name: &str, attribute: &str) -> Option<String> {
    let compact: String = attribute.chars().filter(|c| !c.is_whitespace()).collect();
    let compact = compact.split_once('=').map_or(compact.as_str(), |(path, _)| path).to_owned();
    let target = target_of(name)?;
    let compact = compact.strip_prefix(&format!("{target}.")).unwrap_or(&compact);
    let compact = compact.strip_prefix("[1].").unwrap_or(compact);
    let mut path = String::new();
    let mut letters = compact.chars().peekable();
    let mut in_type = false;
    while let Some(letter) = letters.next() {
        match letter {
            '(' => {
                path.push_str("->");
                in_type = true;
            }
            ')' => {}
            '[' if in_type => while letters.next().is_some_and(|letter| letter != ']') {},
            _ => {
                in_type &= letter.is_alphanumeric();
                path.push(letter);
            }
        }
    }
    Some(path)
}

/// Puts the addresses of extensions into a way.
fn with_urls(path: &str, source: &str, urls: &BTreeMap<(String, String), String>) -> Result<String, String> {
    let mut out = String::new();
    let mut raw = String::new();
    for step in split_steps(path) {
        if !raw.is_empty() {
            raw.push('.');
            out.push('.');
        }
        raw += step;
        out += step;
        if step == "extension" || step.starts_with("extension[") {
            let url = urls
                .get(&(source.to_owned(), raw.clone()))
                .or_else(|| urls.iter().find(|((_, place), _)| *place == raw).map(|(_, url)| url))
                .ok_or("an extension without an address")?;
            let _ = write!(out, "<{url}>");
        }
    }
    Ok(out)
}

fn split_steps(path: &str) -> impl Iterator<Item = &str> {
    path.split('.').filter(|step| !step.is_empty())
}

/// One line of the table; `None` for rows that are part of others.
fn line(
    name: &str,
    target: &str,
    row: &Row,
    urls: &BTreeMap<(String, String), String>,
    names: &BTreeSet<String>,
    codes: &BTreeMap<String, Vec<Code>>,
) -> Result<Option<String>, String> {
    if row.attribute.is_empty() {
        return Err("HL7 names an extension that is not defined yet".to_owned());
    }
    let source = source_of(&row.source, name)?;
    let raw = raw_path(name, &row.attribute).ok_or("no target")?;
    if raw.ends_with(".url")
        && urls.contains_key(&(row.source.clone(), raw.trim_end_matches(".url").to_owned()))
        || raw.ends_with(".uri")
            && urls.contains_key(&(row.source.clone(), raw.trim_end_matches(".uri").to_owned()))
    {
        return Ok(None);
    }
    if row.condition.is_empty()
        && !row.narrative.is_empty()
        && row.narrative.to_lowercase().starts_with("if ")
    {
        return Err("the condition is in words only".to_owned());
    }
    let path = with_urls(&raw, &row.source, urls)?;
    let group = definition::group_at(target).ok_or("no such type")?;
    let (mut steps, leaf) = resolve(group, &path)?;
    if group.is_resource {
        // Without a number HL7 means the same item in all fields of a segment.
        steps
            .iter_mut()
            .filter(|step| step.many && step.key.is_empty())
            .for_each(|step| step.key = "1".to_owned());
    }
    let path = steps.iter().map(ToString::to_string).collect::<Vec<_>>().join(".");
    let path = if path.is_empty() { "$this".to_owned() } else { path };
    let mut out = format!("{source}\t{path}");
    let inline = row.attribute.split_once('=').map(|(_, value)| value.trim().to_owned());
    let assignment = inline.unwrap_or_else(|| row.assignment.clone());
    // An address beside a reference is a slip of the sheet: the resource is what its map makes.
    let is_resource = leaf.shape == Shape::Resource;
    if let Some(text) = constant(&assignment, name)?.filter(|_| !is_resource) {
        let _ = write!(out, "\t={text}");
    } else {
        let map = canonical_map(&row.map);
        let known = rule::find(&map).is_some() || names.contains(&map.to_ascii_lowercase());
        let fills = target_of(&map).is_some_and(|made| {
            made == leaf.type_name || definition::is_a(leaf.type_name, made) || rule::find(&map).is_some()
        });
        match (leaf.primitive(), known && fills) {
            (None, false) if row.map.is_empty() => return Err("no map for the data type".to_owned()),
            (None, false) => return Err(format!("no map {map} for a {}", leaf.type_name)),
            (None, true) => {
                let _ = write!(out, "\t@{map}");
            }
            (Some(_), _) if rule::find(&map).is_some() => {
                let _ = write!(out, "\t@{map}");
            }
            (Some(_), _) => {}
        }
    }
    let table = row.codes.split_whitespace().collect::<String>().replace('/', "");
    if codes.contains_key(&table) {
        let _ = write!(out, "\t%{table}");
    }
    if !row.condition.is_empty() {
        let text = condition::translate(&row.condition, name)?;
        Condition::parse(&text)?;
        let _ = write!(out, "\t?{text}");
    }
    out.push('\n');
    Ok(Some(out))
}

/// HL7 writes `XPN[String]` and `PL[location]`; the sheets are named otherwise.
fn canonical_map(name: &str) -> String {
    name.split_whitespace()
        .collect::<String>()
        .replace("[location]", "[Location]")
        .replace("[String]", "[string]")
}

/// `"text"`, or pieces joined by `+`, as constant text of the door's language.
fn constant(text: &str, name: &str) -> Result<Option<String>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    if text.starts_with('/') {
        return Err("the assignment is in words only".to_owned());
    }
    let mut out = String::new();
    for piece in text.split('+') {
        let piece = piece.trim();
        match piece.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
            Some(words) => out += words.trim_matches('"'),
            None => {
                let place = source_of(piece, name)
                    .map_err(|_| format!("the assignment '{text}' is not understood"))?;
                let _ = write!(out, "{{{place}}}");
            }
        }
    }
    Ok(Some(out.trim().to_owned()))
}

/// A code of HL7 v2 and what it becomes.
struct Code {
    code: String,
    meaning: String,
    display: String,
    system: String,
}

fn code_tables(folder: &Path) -> Result<BTreeMap<String, Vec<Code>>> {
    let mut tables = BTreeMap::new();
    for path in csv_files(folder)? {
        let file = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        let Some(name) = file.split("_ ").nth(1).and_then(|rest| rest.rsplit_once(" - ")) else { continue };
        let mut codes = Vec::new();
        for record in records(&path)? {
            let column = |at: usize| {
                record.get(at).unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ")
            };
            let (code, meaning, system) = (column(0), column(6), column(9));
            // Marks of the table's own form cannot be codes in it.
            if code.is_empty()
                || meaning.is_empty()
                || code.starts_with(['=', '@', '#'])
                || meaning.contains(' ')
            {
                continue;
            }
            let display = if column(8).is_empty() { column(1) } else { column(8) };
            codes.push(Code { code, meaning, display, system });
        }
        if !codes.is_empty() {
            tables.insert(name.0.to_owned(), codes);
        }
    }
    Ok(tables)
}

fn codes_text(tables: &BTreeMap<String, Vec<Code>>) -> String {
    let mut out = String::from(
        "# HL7 v2 codes and what they become in FHIR R4. Written by `cargo xtask codegen hl7v2`; do not edit.\n\
         # Source: HL7's v2-to-FHIR mapping tables (github.com/HL7/v2-to-fhir, Apache-2.0).\n\
         # =table, @system of the codes that follow, then v2 code, FHIR code, display, parted by tabs.\n",
    );
    for (name, codes) in tables {
        let _ = writeln!(out, "={name}");
        let mut system = "";
        for code in codes {
            if code.system != system {
                system = &code.system;
                let _ = writeln!(out, "@{system}");
            }
            let _ = writeln!(out, "{}\t{}\t{}", code.code, code.meaning, code.display);
        }
    }
    out
}
