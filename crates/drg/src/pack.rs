//! A rule pack: everything that turns a case into a group, as data.
//!
//! A pack is written as one `pack.json` (manifest, strategy, rules) and tables
//! of tab-separated text named by the SHA-256 of their content, so that packs
//! share the tables in which they agree.

use crate::condition::{Condition, Level};
use crate::expression::Expression;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use tongmai_base::Finding;

/// The version of the written form.
pub const FORMAT: u32 = 1;

/// A rule over the named code sets of its pack.
pub type Rule = Expression<Condition<String>>;

/// Where a pack comes from and when it holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Short name, e.g. `chs_drg_11`.
    pub id: String,
    /// `chs` or `ms`.
    pub scheme: String,
    /// Version of the scheme, e.g. `1.1`; empty when the source does not say.
    #[serde(default)]
    pub version: String,
    /// Pooling area (统筹区); empty for a national pack.
    #[serde(default)]
    pub region: String,
    /// First day on which the pack holds (ISO 8601); empty when unknown.
    #[serde(default)]
    pub effective_from: String,
    /// Last day on which the pack holds; empty when open.
    #[serde(default)]
    pub effective_to: String,
    /// Code system that the rules are written in.
    #[serde(default)]
    pub code_system: String,
    /// The document that the rules were read from.
    #[serde(default)]
    pub source: String,
    /// Licence of the source.
    #[serde(default)]
    pub licence: String,
    /// Remarks of the import, kept with the pack.
    #[serde(default)]
    pub remarks: Vec<String>,
}

/// What differs between regions and is not a code list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Strategy {
    /// Input codes may be mapped through the pack's map (only when the user declares them to be 国临).
    #[serde(default)]
    pub map_input: bool,
    /// Codes that may not be principal diagnosis or main procedure (灰码).
    #[serde(default)]
    pub grey_codes: Vec<String>,
}

/// A named list of codes, some labelled.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CodeSet {
    /// Unique in the pack, e.g. `BB1/adrg_ss`.
    pub name: String,
    /// The codes with their labels (empty when the set has none).
    pub members: Vec<(String, String)>,
}

/// One group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drg {
    /// Code, e.g. `BB11`. Its suffix is opaque: the meaning is that of the rule.
    pub code: String,
    /// Name.
    #[serde(default)]
    pub name: String,
    /// The rule of the split; the first group whose rule holds is taken.
    pub rule: Rule,
    /// Where in the source the rule stands.
    #[serde(default)]
    pub source: String,
}

/// One way into an adjacent group (ADRG); a group with several ways has several entries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Adrg {
    /// Code, e.g. `BB1`.
    pub code: String,
    /// The rule of entry.
    pub rule: Rule,
    /// Its groups in the order of trial.
    pub drgs: Vec<Drg>,
    /// Where in the source the rule stands.
    #[serde(default)]
    pub source: String,
    /// Ends the search as ambiguous (歧义组, `{MDC}QY`) rather than as a group.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ambiguous: bool,
}

/// A major diagnostic category.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mdc {
    /// Code, e.g. `MDCB`.
    pub code: String,
    /// The rule of the gate. A case that passes it and enters no ADRG falls through to the next category.
    pub rule: Rule,
    /// The ADRGs in the order of trial.
    pub adrgs: Vec<Adrg>,
    /// Where in the source the rule stands.
    #[serde(default)]
    pub source: String,
}

/// A whole pack in memory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pack {
    /// Origin and validity.
    pub manifest: Manifest,
    /// Regional flags.
    pub strategy: Strategy,
    /// The categories in the order of trial.
    pub mdcs: Vec<Mdc>,
    /// The code sets that rules name.
    pub sets: Vec<CodeSet>,
    /// Secondary diagnoses that weigh: code, level, number of the exclusion table.
    pub severity: Vec<(String, Level, String)>,
    /// Principal diagnosis → number of the exclusion table that it switches off.
    pub exclusions: Vec<(String, String)>,
    /// Names of diagnoses.
    pub diagnosis_names: Vec<(String, String)>,
    /// Names of procedures.
    pub procedure_names: Vec<(String, String)>,
    /// 国临 → 医保 codes of diagnoses.
    pub diagnosis_map: Vec<(String, String)>,
    /// 国临 → 医保 codes of procedures.
    pub procedure_map: Vec<(String, String)>,
    /// Names of groups that the source lists without a rule.
    pub unused_names: Vec<(String, String)>,
}

#[derive(Serialize, Deserialize)]
struct Written {
    format: u32,
    manifest: Manifest,
    #[serde(default)]
    strategy: Strategy,
    mdcs: Vec<Mdc>,
    /// Role → hash of the table.
    tables: BTreeMap<String, String>,
}

/// The files of a written pack: relative path and content.
pub type Files = BTreeMap<String, Vec<u8>>;

fn table(rows: impl IntoIterator<Item = [String; 3]>) -> String {
    let mut out = String::new();
    for [a, b, c] in rows {
        out.push_str(&a);
        out.push('\t');
        out.push_str(&b);
        if !c.is_empty() {
            out.push('\t');
            out.push_str(&c);
        }
        out.push('\n');
    }
    out
}

fn pairs(rows: &[(String, String)]) -> String {
    table(rows.iter().map(|(a, b)| [a.clone(), b.clone(), String::new()]))
}

pub(crate) fn hash(content: &str) -> String {
    Sha256::digest(content.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Pack {
    /// The written form: `pack.json` and `tables/<hash>.tsv`.
    pub fn files(&self) -> Files {
        let contents = [
            ("sets", self.sets_text()),
            (
                "severity",
                table(self.severity.iter().map(|(c, l, t)| [c.clone(), l.code().into(), t.clone()])),
            ),
            ("exclusions", pairs(&self.exclusions)),
            ("diagnosis_names", pairs(&self.diagnosis_names)),
            ("procedure_names", pairs(&self.procedure_names)),
            ("diagnosis_map", pairs(&self.diagnosis_map)),
            ("procedure_map", pairs(&self.procedure_map)),
            ("unused_names", pairs(&self.unused_names)),
        ];
        let mut files = Files::new();
        let mut tables = BTreeMap::new();
        for (role, content) in contents {
            if content.is_empty() {
                continue;
            }
            let name = hash(&content);
            files.insert(format!("tables/{name}.tsv"), content.into_bytes());
            tables.insert(role.to_string(), name);
        }
        let written = Written {
            format: FORMAT,
            manifest: self.manifest.clone(),
            strategy: self.strategy.clone(),
            mdcs: self.mdcs.clone(),
            tables,
        };
        let json = serde_json::to_vec(&written).expect("a pack has text keys only");
        files.insert("pack.json".into(), json);
        files
    }

    /// One row a member, so that a code is written once a set: `set`, `code`, `label`.
    fn sets_text(&self) -> String {
        let mut out = String::new();
        for set in &self.sets {
            out.push('#');
            out.push_str(&set.name);
            out.push('\n');
            for (code, label) in &set.members {
                out.push_str(code);
                if !label.is_empty() {
                    out.push('\t');
                    out.push_str(label);
                }
                out.push('\n');
            }
        }
        out
    }

    /// Reads the written form. `file` gives the content of a relative path.
    ///
    /// # Errors
    /// A finding when `pack.json` or one of its tables is absent, is not what its hash says, or cannot be read.
    pub fn read(file: &mut dyn FnMut(&str) -> Option<Vec<u8>>) -> Result<Pack, Finding> {
        let bytes = file("pack.json")
            .ok_or_else(|| Finding::error("pack.json", "missing-file", "the pack has no pack.json"))?;
        let written: Written = serde_json::from_slice(&bytes)
            .map_err(|e| Finding::error("pack.json", "unreadable", format!("not a pack: {e}")))?;
        if written.format != FORMAT {
            let message = format!("written in format {}, this program reads {FORMAT}", written.format);
            return Err(Finding::error("pack.json", "format", message));
        }
        let mut contents: BTreeMap<String, String> = BTreeMap::new();
        for (role, name) in &written.tables {
            let path = format!("tables/{name}.tsv");
            let bytes = file(&path).ok_or_else(|| {
                Finding::error(&path, "missing-file", format!("the {role} table is absent"))
            })?;
            let text = String::from_utf8(bytes)
                .map_err(|_| Finding::error(&path, "unreadable", "the table is not UTF-8"))?;
            if hash(&text) != *name {
                let message = format!("the {role} table is not the one that the pack was made with");
                return Err(Finding::error(&path, "hash", message));
            }
            contents.insert(role.clone(), text);
        }
        let text = |role: &str| contents.get(role).map(String::as_str).unwrap_or_default();
        Ok(Pack {
            manifest: written.manifest,
            strategy: written.strategy,
            mdcs: written.mdcs,
            sets: read_sets(text("sets")),
            severity: text("severity").lines().filter_map(severity_row).collect(),
            exclusions: read_pairs(text("exclusions")),
            diagnosis_names: read_pairs(text("diagnosis_names")),
            procedure_names: read_pairs(text("procedure_names")),
            diagnosis_map: read_pairs(text("diagnosis_map")),
            procedure_map: read_pairs(text("procedure_map")),
            unused_names: read_pairs(text("unused_names")),
        })
    }

    /// The set of this name.
    pub fn set(&self, name: &str) -> Option<&CodeSet> {
        self.sets.iter().find(|set| set.name == name)
    }

    /// Every group in the order of the rules.
    pub fn drgs(&self) -> impl Iterator<Item = (&Mdc, &Adrg, &Drg)> {
        self.mdcs.iter().flat_map(|m| m.adrgs.iter().flat_map(move |a| a.drgs.iter().map(move |d| (m, a, d))))
    }
}

fn read_sets(text: &str) -> Vec<CodeSet> {
    let mut sets: Vec<CodeSet> = Vec::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix('#') {
            sets.push(CodeSet { name: name.to_string(), members: Vec::new() });
        } else if let Some(set) = sets.last_mut() {
            let (code, label) = line.split_once('\t').unwrap_or((line, ""));
            set.members.push((code.to_string(), label.to_string()));
        }
    }
    sets
}

fn read_pairs(text: &str) -> Vec<(String, String)> {
    text.lines().filter_map(|l| l.split_once('\t')).map(|(a, b)| (a.to_string(), b.to_string())).collect()
}

fn severity_row(line: &str) -> Option<(String, Level, String)> {
    let mut cells = line.split('\t');
    let code = cells.next()?;
    let level = match cells.next()? {
        "MCC" => Level::Mcc,
        "CC" => Level::Cc,
        _ => return None,
    };
    Some((code.to_string(), level, cells.next().unwrap_or_default().to_string()))
}
