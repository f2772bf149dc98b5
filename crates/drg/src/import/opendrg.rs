//! OpenDRG packs: one JSON of gates, sequences, lists and conditions, and the
//! tables MCC, CC, CCE (exclusions), SS_VALID, DRG beside it.
//!
//! Source of the form: OpenDRG/DRG_Python (Apache-2.0), packs extracted to JSON.
//! The extraction lost a few things, which are restored here and reported:
//! - a live ambiguity test (歧义组 QY) has no mark in `seq`, a switched-off one
//!   is written `QY:False`;
//! - some groups (35 in Changzhou 2022, one in Liaocheng 2022) have no condition;
//!   the official name states it (`年龄≤17岁`);
//! - third procedure lists (`adrg_ss2`) are absent; their ADRG can then not be entered that way.

use super::python::{self, Kind, Scope};
use crate::condition::{Comparison, Condition, Field, Level, Position};
use crate::expression::Expression;
use crate::pack::{Adrg, CodeSet, Drg, Manifest, Mdc, Pack, Rule, Strategy};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use tongmai_base::{Finding, Severity};

/// The tables of a pack as text; an absent one is empty.
#[derive(Debug, Default, Clone, Copy)]
pub struct Tables<'a> {
    /// `code table` rows of 严重并发症或合并症.
    pub mcc: &'a str,
    /// `code table` rows of 并发症或合并症.
    pub cc: &'a str,
    /// `principal diagnosis, table` rows of the exclusions.
    pub cce: &'a str,
    /// `code name` rows of the valid procedures.
    pub ss_valid: &'a str,
    /// `code name` rows of the groups.
    pub drg: &'a str,
    /// `code name` rows of the diagnoses.
    pub zd_info: &'a str,
    /// `code name` rows of the procedures.
    pub ss_info: &'a str,
    /// 国临 → 医保 diagnoses.
    pub zd_map: &'a str,
    /// 国临 → 医保 procedures.
    pub ss_map: &'a str,
}

/// How a pack treats a case with a valid procedure that enters no surgical ADRG.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ambiguity {
    /// The procedure tested: the main one or any.
    pub position: Position,
    /// Letters of the categories in which the test is live.
    pub mdcs: String,
}

#[derive(Deserialize)]
struct Json {
    #[serde(default)]
    pack: String,
    mdc_order: Vec<String>,
    mdc: BTreeMap<String, JsonMdc>,
    adrg: BTreeMap<String, JsonAdrg>,
    #[serde(default)]
    drg: BTreeMap<String, String>,
    #[serde(default)]
    names: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct JsonMdc {
    cond: String,
    #[serde(default)]
    dx: Vec<String>,
    #[serde(default)]
    seq: Vec<String>,
}

#[derive(Deserialize)]
struct JsonAdrg {
    cond: String,
    #[serde(default)]
    drgs: Vec<String>,
    #[serde(flatten)]
    lists: BTreeMap<String, serde_json::Value>,
}

/// The name of the set of valid procedures.
pub const VALID: &str = "SS_VALID";

/// Categories without an ambiguity test in every pack that has one: pre-MDC, infections,
/// mental disorders, burns, other factors and HIV.
const NEVER_AMBIGUOUS: &str = "ASTWXY";

/// Packs whose live ambiguity tests the form cannot tell, as read in their published sources
/// (OpenDRG/DRG_Python, `MDC/*.py`): id, letters.
const KNOWN_AMBIGUITY: [(&str, &str); 1] = [("suzhou_2023", "BCDEFGHIJKLMNOPQRVZ")];

/// Reads a pack.
///
/// `ambiguity` overrides what is inferred from the form.
///
/// # Errors
/// A fatal finding when the JSON is not of this form. Everything else is reported beside the pack.
pub fn read(
    json: &str,
    tables: &Tables<'_>,
    ambiguity: Option<&Ambiguity>,
) -> Result<(Pack, Vec<Finding>), Finding> {
    let source: Json = serde_json::from_str(json).map_err(|e| {
        Finding::new(Severity::Fatal, "pack", "unreadable", format!("not an OpenDRG pack: {e}"))
    })?;
    let mut import = Import {
        pack: Pack { manifest: manifest(&source), strategy: Strategy::default(), ..Pack::default() },
        findings: Vec::new(),
        made: BTreeSet::new(),
    };
    import.tables(tables);
    let names = import.names(&source, tables);
    let ambiguity = ambiguity.cloned().unwrap_or_else(|| inferred_ambiguity(&source));
    for code in &source.mdc_order {
        match source.mdc.get(code) {
            Some(mdc) => import.mdc(code, mdc, &source, &names, &ambiguity),
            None => {
                import.error(code, "missing-mdc", "the order names a category that the pack does not have")
            }
        }
    }
    for (code, _) in source.mdc.iter().filter(|(code, _)| !source.mdc_order.contains(code)) {
        import.error(code, "unordered-mdc", "the category is not in the order and is never tried");
    }
    let used: BTreeSet<String> = import.pack.drgs().map(|(_, _, d)| d.code.clone()).collect();
    import.pack.unused_names = names.into_iter().filter(|(code, _)| !used.contains(code)).collect();
    import.pack.manifest.remarks = import.findings.iter().map(ToString::to_string).collect();
    Ok((import.pack, import.findings))
}

fn manifest(source: &Json) -> Manifest {
    let (region, year) = source.pack.rsplit_once('_').unwrap_or((&source.pack, ""));
    let national = source.pack.strip_prefix("chs_drg_");
    Manifest {
        id: source.pack.clone(),
        scheme: "chs".into(),
        version: match national {
            Some(v) if v.len() == 2 => format!("{}.{}", &v[..1], &v[1..]),
            Some(v) => v.into(),
            None => year.into(),
        },
        region: if national.is_some() { String::new() } else { region.into() },
        effective_from: if national.is_none() && year.len() == 4 {
            format!("{year}-01-01")
        } else {
            String::new()
        },
        effective_to: String::new(),
        code_system: "医保2.0".into(),
        source: "OpenDRG".into(),
        licence: "Apache-2.0".into(),
        remarks: Vec::new(),
    }
}

fn inferred_ambiguity(source: &Json) -> Ambiguity {
    let letter = |code: &str| code.chars().last().unwrap_or('?');
    let off = |mdc: &JsonMdc| mdc.seq.iter().any(|step| step.starts_with("QY:"));
    let marked = source.mdc.values().any(off);
    if let (false, Some((_, letters))) = (marked, KNOWN_AMBIGUITY.iter().find(|(id, _)| *id == source.pack)) {
        return Ambiguity { position: Position::Main, mdcs: (*letters).into() };
    }
    let mdcs = source
        .mdc
        .iter()
        .filter(|(code, mdc)| !off(mdc) && !mdc.dx.is_empty() && !NEVER_AMBIGUOUS.contains(letter(code)))
        .map(|(code, _)| letter(code))
        .collect();
    Ambiguity { position: if marked { Position::Any } else { Position::Main }, mdcs }
}

/// `key value` rows, the value being the rest of the line.
fn rows(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.lines().map(|l| l.trim_start_matches('\u{feff}').trim()).filter(|l| !l.is_empty()).map(|line| {
        let (key, value) = line.split_once([' ', '\t']).unwrap_or((line, ""));
        (key, value.trim())
    })
}

fn owned(text: &str) -> Vec<(String, String)> {
    rows(text).map(|(k, v)| (k.to_string(), v.to_string())).collect()
}

struct Import {
    pack: Pack,
    findings: Vec<Finding>,
    made: BTreeSet<String>,
}

impl Import {
    fn error(&mut self, path: &str, code: &str, message: impl Into<String>) {
        self.findings.push(Finding::error(path, code, message));
    }

    fn warning(&mut self, path: &str, code: &str, message: impl Into<String>) {
        self.findings.push(Finding::warning(path, code, message));
    }

    fn tables(&mut self, tables: &Tables<'_>) {
        for (name, text) in
            [("MCC", tables.mcc), ("CC", tables.cc), ("CCE", tables.cce), ("SS_VALID", tables.ss_valid)]
        {
            if text.is_empty() {
                self.error(name, "missing-table", "the table is absent or empty");
            }
        }
        for (level, text) in [(Level::Mcc, tables.mcc), (Level::Cc, tables.cc)] {
            let mut seen: BTreeMap<&str, &str> = BTreeMap::new();
            for (code, table) in rows(text) {
                if let Some(before) = seen.insert(code, table)
                    && before != table
                {
                    let message =
                        format!("listed with exclusion tables {before} and {table}; the last is taken");
                    self.findings.push(Finding::warning(
                        format!("{}/{code}", level.code()),
                        "two-tables",
                        message,
                    ));
                }
            }
            self.pack.severity.extend(seen.iter().map(|(c, t)| (c.to_string(), level, t.to_string())));
        }
        let last: BTreeMap<&str, &str> = rows(tables.cce).collect();
        self.pack.exclusions = last.iter().map(|(c, t)| (c.to_string(), t.to_string())).collect();
        let members = rows(tables.ss_valid).map(|(code, _)| (code.to_string(), String::new())).collect();
        self.pack.sets.push(CodeSet { name: VALID.into(), members });
        self.pack.diagnosis_names = owned(tables.zd_info);
        self.pack.procedure_names = owned(tables.ss_info);
        self.pack.diagnosis_map = changed(tables.zd_map);
        self.pack.procedure_map = changed(tables.ss_map);
    }

    fn names(&self, source: &Json, tables: &Tables<'_>) -> BTreeMap<String, String> {
        let mut names: BTreeMap<String, String> = owned(tables.drg).into_iter().collect();
        names.extend(source.names.iter().map(|(k, v)| (k.clone(), v.clone())));
        names
    }

    fn mdc(
        &mut self,
        code: &str,
        mdc: &JsonMdc,
        source: &Json,
        names: &BTreeMap<String, String>,
        ambiguity: &Ambiguity,
    ) {
        let labelled = labelled_by_headings(&mdc.dx);
        let lists = BTreeMap::from([("mdc_zd".to_string(), labelled.clone())]);
        let mut rule = self.rule(code, &mdc.cond, &lists);
        if labelled.iter().any(|(_, label)| !label.is_empty()) {
            let set = format!("{code}/mdc_zd");
            rule = Expression::all(vec![rule, Expression::Test(Condition::Labels { set, at_least: 2 })]);
        }
        let letter = code.chars().last().unwrap_or('?');
        let mut pending = ambiguity.mdcs.contains(letter);
        let mut adrgs = Vec::new();
        for step in &mdc.seq {
            if let Some(condition) = step.strip_prefix("QY:") {
                if condition != "False" {
                    let rule = self.rule(code, condition, &lists);
                    adrgs.push(ambiguous(letter, rule));
                    pending = false;
                }
                continue;
            }
            let medical = step.chars().nth(1).is_some_and(|kind| kind >= 'R');
            if pending && medical {
                adrgs.push(ambiguous(letter, valid_procedure(ambiguity.position)));
                pending = false;
            }
            match source.adrg.get(step) {
                Some(adrg) => {
                    let made = self.adrg(step, adrg, source, names);
                    adrgs.push(made);
                }
                None => {
                    // A group with several ways in is listed once in a few packs, its ways being
                    // `JA1_1`, `JA1_2`.
                    let ways: Vec<_> = ways_of(step, source).collect();
                    let path = format!("{code}/{step}");
                    if ways.is_empty() {
                        let message = "the sequence names an ADRG that the pack does not have";
                        self.error(&path, "missing-adrg", message);
                    } else {
                        self.warning(&path, "ways-of-adrg", "stands for its numbered ways");
                    }
                    for (way, adrg) in ways {
                        let made = self.adrg(way, adrg, source, names);
                        adrgs.push(made);
                    }
                }
            }
        }
        if pending {
            adrgs.push(ambiguous(letter, valid_procedure(ambiguity.position)));
        }
        let source = format!("{}#/mdc/{code}", self.pack.manifest.id);
        self.pack.mdcs.push(Mdc { code: code.into(), rule, adrgs, source });
    }

    fn adrg(&mut self, step: &str, adrg: &JsonAdrg, source: &Json, names: &BTreeMap<String, String>) -> Adrg {
        let mut lists = BTreeMap::new();
        for (name, value) in &adrg.lists {
            if let Some(items) = value.as_array() {
                let codes = items.iter().filter_map(|i| i.as_str()).map(|c| (c.to_string(), String::new()));
                lists.insert(name.clone(), codes.collect());
            }
        }
        let rule = self.rule(step, &adrg.cond, &lists);
        let mut drgs = Vec::new();
        for code in &adrg.drgs {
            let name = names.get(code).cloned().unwrap_or_default();
            let rule = match source.drg.get(code) {
                Some(condition) => self.rule(code, condition, &lists),
                None => self.rule_of_name(code, &name),
            };
            let source = format!("{}#/drg/{code}", self.pack.manifest.id);
            drgs.push(Drg { code: code.clone(), name, rule, source });
        }
        let code = step.split('_').next().unwrap_or(step).to_string();
        let source = format!("{}#/adrg/{step}", self.pack.manifest.id);
        Adrg { code, rule, drgs, source, ambiguous: false }
    }

    fn rule_of_name(&mut self, code: &str, name: &str) -> Rule {
        match rule_of_name(name) {
            Some(rule) => {
                let message = format!("the group has no condition; taken from its name {name}");
                self.warning(code, "condition-from-name", message);
                rule
            }
            None => {
                self.error(code, "missing-condition", "the group has no condition and its name states none");
                Expression::Never
            }
        }
    }

    fn rule(&mut self, owner: &str, condition: &str, lists: &BTreeMap<String, Members>) -> Rule {
        let labelled = condition.contains("ss_matched");
        let mut scope = Lists { owner, lists, import: self, labelled };
        match python::parse(condition, &mut scope) {
            Ok(rule) => rule,
            Err(message) => {
                let repair = "the rule never holds; complete the pack and import it again";
                let finding = Finding::error(owner, "condition", format!("{message}, in: {condition}"));
                self.findings.push(finding.with_repair(repair));
                Expression::Never
            }
        }
    }

    fn add_set(&mut self, name: String, members: Members) {
        if self.made.insert(name.clone()) {
            self.pack.sets.push(CodeSet { name, members });
        }
    }
}

type Members = Vec<(String, String)>;

fn changed(text: &str) -> Members {
    rows(text).filter(|(a, b)| a != b).map(|(a, b)| (a.to_string(), b.to_string())).collect()
}

fn ways_of<'a>(step: &'a str, source: &'a Json) -> impl Iterator<Item = (&'a str, &'a JsonAdrg)> {
    source.adrg.iter().map(|(code, adrg)| (code.as_str(), adrg)).filter(move |(code, _)| {
        code.strip_prefix(step)
            .and_then(|rest| rest.strip_prefix('_'))
            .is_some_and(|n| n.parse::<u8>().is_ok())
    })
}

fn ambiguous(letter: char, rule: Rule) -> Adrg {
    Adrg { code: format!("{letter}QY"), rule, drgs: Vec::new(), source: String::new(), ambiguous: true }
}

fn valid_procedure(position: Position) -> Rule {
    Expression::Test(Condition::Procedure { position, set: VALID.into() })
}

/// Rows that end in 创伤 are headings: the codes below carry them as their label (body site).
/// A code under two headings keeps the last.
fn labelled_by_headings(codes: &[String]) -> Members {
    let mut label = String::new();
    let mut members: Members = Vec::new();
    let mut at: HashMap<&str, usize> = HashMap::new();
    for code in codes {
        if code.ends_with("创伤") {
            label.clone_from(code);
            continue;
        }
        match at.get(code.as_str()) {
            Some(index) => members[*index].1.clone_from(&label),
            None => {
                at.insert(code, members.len());
                members.push((code.clone(), label.clone()));
            }
        }
    }
    members
}

struct Lists<'a> {
    owner: &'a str,
    lists: &'a BTreeMap<String, Members>,
    import: &'a mut Import,
    labelled: bool,
}

impl Scope for Lists<'_> {
    fn list(&mut self, name: &str, _: Kind) -> Option<String> {
        if name == VALID {
            return Some(VALID.into());
        }
        let members = self.lists.get(name)?;
        let set = format!("{}/{name}", self.owner);
        let mut seen = BTreeSet::new();
        let unique = members.iter().filter(|(code, _)| seen.insert(code.clone())).cloned().collect();
        self.import.add_set(set.clone(), unique);
        Some(set)
    }

    fn literal(&mut self, codes: Vec<String>, _: Kind) -> String {
        let set = format!("{}/[{}]", self.owner, codes.join(" "));
        let members = codes.into_iter().map(|code| (code, String::new())).collect();
        self.import.add_set(set.clone(), members);
        set
    }

    fn labelled(&mut self) -> Option<String> {
        let (codes, labels) = (self.lists.get("adrg_ss")?, self.lists.get("adrg_ss1")?);
        if !self.labelled || codes.len() != labels.len() {
            return None;
        }
        let mut seen = BTreeSet::new();
        let pairs = codes.iter().zip(labels).map(|((code, _), (label, _))| (code.clone(), label.clone()));
        let members = pairs.filter(|(code, _)| seen.insert(code.clone())).collect();
        let set = format!("{}/labelled", self.owner);
        self.import.add_set(set.clone(), members);
        Some(set)
    }

    fn texts(&mut self, name: &str) -> Option<Vec<String>> {
        Some(self.lists.get(name)?.iter().map(|(text, _)| text.clone()).collect())
    }
}

/// The condition that an official group name states: age, length of stay, early death or
/// transfer, complications.
pub fn rule_of_name(name: &str) -> Option<Rule> {
    let mut parts = Vec::new();
    for (word, unit, field) in
        [("年龄", "岁", Field::Age), ("住院时间", "天", Field::Stay), ("住院天数", "天", Field::Stay)]
    {
        if let Some((_, rest)) = name.split_once(word) {
            let sign = rest.chars().next()?;
            let is = match sign {
                '≤' => Comparison::AtMost,
                '<' | '＜' => Comparison::Less,
                '≥' => Comparison::AtLeast,
                '>' | '＞' => Comparison::Greater,
                _ => return None,
            };
            let value = rest[sign.len_utf8()..].split(unit).next()?.trim().parse().ok()?;
            parts.push(Expression::Test(Condition::Number { field, is, value }));
        }
    }
    if let Some((before, _)) = name.split_once("天内死亡或转院") {
        let digits: String = before.chars().rev().take_while(char::is_ascii_digit).collect();
        let days: String = digits.chars().rev().collect();
        let value = days.parse().ok()?;
        parts.push(Expression::Test(Condition::Number { field: Field::Stay, is: Comparison::Less, value }));
        parts.push(Expression::Test(Condition::Discharge(vec!["2".into(), "5".into()])));
    }
    let severity = |level| Expression::Test(Condition::Severity(level));
    if name.contains("伴严重并发症或合并症") {
        parts.push(severity(Level::Mcc));
    } else if name.contains("伴并发症或合并症") && !name.contains("不伴") {
        parts.push(Expression::any(vec![severity(Level::Mcc), severity(Level::Cc)]));
    }
    if parts.is_empty() { None } else { Some(Expression::all(parts)) }
}
