//! CHS-DRG 2.0 as published text tables: one file an ADRG, whose Chinese headings say how its
//! lists enter (about 45 forms), one file a category, MCC, CC, CCE and the invalid codes.
//!
//! Source of the form: OpenDRG/DRG_Rules and its fork with 2.0 (Apache-2.0). Every line is
//! understood or reported; none is dropped.

use crate::condition::{Comparison, Condition, Field, Level, Position};
use crate::expression::Expression;
use crate::grouper::GREY_DIAGNOSES;
use crate::pack::{Adrg, CodeSet, Drg, Manifest, Mdc, Pack, Rule};
use std::collections::{BTreeMap, BTreeSet};
use tongmai_base::{Finding, Severity};

/// The order of trial of every published pack.
const ORDER: &str = "APYZMNBCDEFGHIJKLOQRSTUVWX";
/// Procedures that are no valid operation.
const INVALID: &str = "SS_INVALID";

/// Reads the tables. `files` maps a path below the folder (`ADRG/AA1_心肺移植.dat`) to its text.
///
/// # Errors
/// A fatal finding when the list of groups is absent. Everything else is reported beside the pack.
pub fn read(files: &BTreeMap<String, String>) -> Result<(Pack, Vec<Finding>), Finding> {
    let text = |name: &str| files.get(name).map(String::as_str).unwrap_or_default();
    if text("DRG.dat").is_empty() {
        let message = "the list of groups is absent or empty";
        return Err(Finding::new(Severity::Fatal, "DRG.dat", "missing-table", message));
    }
    let mut import = Import { pack: Pack::default(), findings: Vec::new(), main_sets: BTreeMap::new() };
    import.pack.manifest = Manifest {
        id: "chs_drg_20".into(),
        scheme: "chs".into(),
        version: "2.0".into(),
        code_system: "医保2.0".into(),
        source: "OpenDRG text tables".into(),
        licence: "Apache-2.0".into(),
        ..Manifest::default()
    };
    import.tables(&text);
    let names: Vec<(String, String)> = rows(text("DRG.dat")).collect();
    let adrg_names: BTreeMap<String, String> = rows(text("ADRG.dat")).collect();
    let mut adrgs: BTreeMap<char, Vec<Adrg>> = BTreeMap::new();
    for code in adrg_names.keys() {
        match file_of(files, "ADRG/", code) {
            Some((path, text)) => {
                let adrg = import.adrg(code, &adrg_names[code], path, text, &names);
                adrgs.entry(code.chars().next().unwrap_or('?')).or_default().push(adrg);
            }
            None => import.error(code, "missing-adrg", "the ADRG is listed but has no file"),
        }
    }
    for letter in ORDER.chars() {
        let code = format!("MDC{letter}");
        match file_of(files, "MDC/", &code) {
            Some((path, text)) => {
                let adrgs = adrgs.remove(&letter).unwrap_or_default();
                import.mdc(letter, &code, path, text, adrgs);
            }
            None => import.error(&code, "missing-mdc", "the category has no file"),
        }
    }
    for (code, _) in &names {
        if !adrg_names.contains_key(code.get(..3).unwrap_or_default()) {
            import.error(code, "missing-adrg", "the group belongs to no listed ADRG");
        }
    }
    Ok((import.pack, import.findings))
}

/// The whole file of a code: `AH2_有创….dat`, not `AH2_1_有创….dat`, which repeats one of its ways.
fn file_of<'a>(files: &'a BTreeMap<String, String>, folder: &str, code: &str) -> Option<(&'a str, &'a str)> {
    let prefix = format!("{folder}{code}_");
    files
        .range(prefix.clone()..)
        .take_while(|(path, _)| path.starts_with(&prefix))
        .find(|(path, _)| {
            let rest = &path[prefix.len()..];
            let digits = rest.chars().take_while(char::is_ascii_digit).count();
            !(digits > 0 && rest[digits..].starts_with('_'))
        })
        .map(|(path, text)| (path.as_str(), text.as_str()))
}

fn rows(text: &str) -> impl Iterator<Item = (String, String)> {
    text.lines().map(|line| line.trim_start_matches('\u{feff}').trim()).filter(|line| !line.is_empty()).map(
        |line| {
            let (key, value) = line.split_once(' ').unwrap_or((line, ""));
            (key.to_string(), value.trim().to_string())
        },
    )
}

/// One list of a file: how its heading says that it is matched.
#[derive(Debug, Clone)]
struct Section {
    /// `主要诊断`, `手术操作`, … with its number, as conditions name it.
    word: String,
    procedures: bool,
    position: Position,
    /// Joined to the section before by "or".
    or: bool,
    members: Vec<(String, String)>,
}

struct Import {
    pack: Pack,
    findings: Vec<Finding>,
    /// ADRG → set of its main procedures.
    main_sets: BTreeMap<String, String>,
}

impl Import {
    fn error(&mut self, path: &str, code: &str, message: impl Into<String>) {
        self.findings.push(Finding::error(path, code, message));
    }

    fn tables<'a>(&mut self, text: &dyn Fn(&str) -> &'a str) {
        for (level, name) in [(Level::Mcc, "MCC.dat"), (Level::Cc, "CC.dat")] {
            self.pack.severity.extend(rows(text(name)).map(|(code, table)| (code, level, table)));
        }
        self.pack.exclusions = rows(text("CCE.dat")).collect();
        for (set, name) in [(INVALID, "SS_INVALID.dat"), (GREY_DIAGNOSES, "ZD_INVALID.dat")] {
            let members = rows(text(name)).map(|(code, _)| (code, String::new())).collect();
            self.pack.sets.push(CodeSet { name: set.into(), members });
        }
        for name in ["MCC.dat", "CC.dat", "CCE.dat", "SS_INVALID.dat", "ZD_INVALID.dat"] {
            if text(name).is_empty() {
                self.error(name, "missing-table", "the table is absent or empty");
            }
        }
    }

    fn adrg(&mut self, code: &str, name: &str, path: &str, text: &str, names: &[(String, String)]) -> Adrg {
        let (sections, condition, special) = self.sections(path, text);
        let rules = self.section_rules(code, &sections);
        let mut parts = Vec::new();
        if condition.is_empty() {
            parts.push(joined(&rules, &sections));
        } else {
            match parse_condition(&condition, &sections, &rules) {
                Ok(rule) => parts.push(rule),
                Err(message) => {
                    self.error(path, "condition", format!("{message}, in: {condition}"));
                    parts.push(Expression::Never);
                }
            }
        }
        parts.extend(special);
        parts.extend(newborn(code, name));
        let drgs = names.iter().filter(|(drg, _)| drg.get(..3) == Some(code)).map(|(drg, name)| Drg {
            code: drg.clone(),
            name: name.clone(),
            rule: split_of(name),
            source: format!("DRG.dat#{drg}"),
        });
        let drgs: Vec<Drg> = drgs.collect();
        Adrg { code: code.into(), rule: Expression::all(parts), drgs, source: path.into(), ambiguous: false }
    }

    fn mdc(&mut self, letter: char, code: &str, path: &str, text: &str, adrgs: Vec<Adrg>) {
        let (sections, condition, _) = self.sections(path, text);
        if !condition.is_empty() {
            self.error(path, "condition", "a category has no conditions of its own");
        }
        let rules = self.section_rules(code, &sections);
        let mut parts = vec![joined(&rules, &sections)];
        let number = |field, is, value| Expression::Test(Condition::Number { field, is, value });
        match letter {
            'A' => parts.push(number(Field::Procedures, Comparison::AtLeast, 1)),
            'M' => parts.push(number(Field::Sex, Comparison::Equal, 1)),
            'N' => parts.push(number(Field::Sex, Comparison::Equal, 2)),
            'P' => parts.push(number(Field::Age, Comparison::Equal, 0)),
            'Z' => {
                let set = format!("{code}/1");
                parts.push(Expression::Test(Condition::Labels { set, at_least: 2 }));
            }
            _ => {}
        }
        let rule = Expression::all(parts);
        self.pack.mdcs.push(Mdc { code: code.into(), rule, adrgs, source: path.into() });
    }

    /// The lists of a file, its entry condition as text, and rules that name no list.
    fn sections(&mut self, path: &str, text: &str) -> (Vec<Section>, String, Vec<Rule>) {
        let mut sections: Vec<Section> = Vec::new();
        let (mut condition, mut special, mut label) = (String::new(), Vec::new(), String::new());
        for (at, line) in text.lines().enumerate() {
            let line = line.trim_start_matches('\u{feff}').trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if line.starts_with("入组条件") || line.starts_with("或入组条件") {
                condition.push_str(line);
            } else if is_code_row(line) {
                let code = line.split(' ').next().unwrap_or(line).to_string();
                match sections.last_mut() {
                    Some(section) => section.members.push((code, label.clone())),
                    None => {
                        self.error(&format!("{path}:{}", at + 1), "unparsed", "a code before any heading")
                    }
                }
            } else if line == "和" && !sections.is_empty() {
                let before = sections[sections.len() - 1].clone();
                sections.push(Section { members: Vec::new(), ..before });
            } else if line.ends_with("创伤") {
                label = line.to_string();
                if sections.is_empty() {
                    sections.push(section("主要诊断", false).expect("a known heading"));
                }
            } else if let Some(rule) = self.special(line) {
                special.push(rule);
            } else if let Some(found) = heading(line) {
                // Under body sites every site repeats the heading: together they are one labelled list.
                if label.is_empty() || found.procedures {
                    sections.push(found);
                }
            } else {
                self.error(&format!("{path}:{}", at + 1), "unparsed", line);
            }
        }
        (sections, condition, special)
    }

    /// Headings without codes below them.
    fn special(&self, line: &str) -> Option<Rule> {
        if line == "包含全部手术或操作" {
            return Some(valid_procedure());
        }
        if line.ends_with("且无手术或操作") {
            return Some(Expression::negate(valid_procedure()));
        }
        let adrgs = line.strip_prefix("包含")?.strip_suffix("的所有主要手术或操作")?;
        let sets = adrgs.split('、').map(|code| self.main_sets.get(code.trim()));
        let tests = sets.map(|set| {
            set.map(|set| {
                Expression::Test(Condition::Procedure { position: Position::Main, set: set.clone() })
            })
        });
        tests.collect::<Option<Vec<_>>>().map(Expression::any)
    }

    fn section_rules(&mut self, owner: &str, sections: &[Section]) -> Vec<Rule> {
        let mut rules = Vec::new();
        for (at, section) in sections.iter().enumerate() {
            let set = format!("{owner}/{}", at + 1);
            let mut seen = BTreeSet::new();
            let members =
                section.members.iter().filter(|(code, _)| seen.insert(code.clone())).cloned().collect();
            self.pack.sets.push(CodeSet { name: set.clone(), members });
            if section.procedures && section.position == Position::Main {
                self.main_sets.entry(owner.to_string()).or_insert_with(|| set.clone());
            }
            let position = section.position;
            rules.push(Expression::Test(if section.procedures {
                Condition::Procedure { position, set }
            } else {
                Condition::Diagnosis { position, set }
            }));
        }
        rules
    }
}

/// The main procedure is none of the invalid ones.
fn valid_procedure() -> Rule {
    let invalid = Condition::Procedure { position: Position::Main, set: INVALID.into() };
    let some = Condition::Number { field: Field::Procedures, is: Comparison::AtLeast, value: 1 };
    Expression::all(vec![Expression::Test(some), Expression::negate(Expression::Test(invalid))])
}

fn is_code_row(line: &str) -> bool {
    let bytes = line.as_bytes();
    let digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    (bytes[0].is_ascii_uppercase() && digit(1) && digit(2))
        || (digit(0) && digit(1) && bytes.get(2) == Some(&b'.'))
}

/// `包含以下主要诊断：`, `或包含以下其他诊断：`, `手术或操作 3：` …
fn heading(line: &str) -> Option<Section> {
    let line = line.strip_suffix(['：', ':'])?;
    let (or, line) = match line.strip_prefix('或') {
        Some(rest) => (true, rest),
        None => (false, line),
    };
    let line = line.strip_prefix("同时").unwrap_or(line);
    let line = line.strip_prefix("包含以下").unwrap_or(line);
    section(&short(line), or)
}

/// Blanks out; `手术或操作` without the "or" that conditions would trip over.
fn short(text: &str) -> String {
    let text: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    text.replace("主要诊断或其他诊断", "诊断").replace("手术或操作", "手术操作")
}

fn section(word: &str, or: bool) -> Option<Section> {
    let bare = word.trim_end_matches(|c: char| c.is_ascii_digit());
    let (procedures, position) = match bare {
        "主要诊断" => (false, Position::Main),
        "其他诊断" => (false, Position::Other),
        "诊断" => (false, Position::Any),
        "主要手术操作" => (true, Position::Main),
        "手术操作" => (true, Position::Any),
        _ => return None,
    };
    Some(Section { word: word.to_string(), procedures, position, or, members: Vec::new() })
}

/// Lists without a stated condition: all of them, those joined by "or" together.
fn joined(rules: &[Rule], sections: &[Section]) -> Rule {
    let mut parts: Vec<Vec<Rule>> = Vec::new();
    for (rule, section) in rules.iter().zip(sections) {
        match parts.last_mut() {
            Some(last) if section.or => last.push(rule.clone()),
            _ => parts.push(vec![rule.clone()]),
        }
    }
    Expression::all(parts.into_iter().map(Expression::any).collect())
}

/// `入组条件 1：主要诊断+手术或操作 1或入组条件 2：…`
fn parse_condition(text: &str, sections: &[Section], rules: &[Rule]) -> Result<Rule, String> {
    let text: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    let text = text.replace("手术或操作", "手术操作");
    let mut ways = Vec::new();
    for way in text.split("入组条件").skip(1) {
        let way = way.trim_start_matches(|c: char| c.is_ascii_digit()).trim_start_matches(['：', ':']);
        let way = way.strip_suffix('或').unwrap_or(way);
        let mut parts = Vec::new();
        for term in terms(way) {
            let choices = term.trim_matches(['（', '）', '(', ')']).split('或');
            let choices: Vec<Rule> =
                choices.map(|word| named(word, sections, rules)).collect::<Result<_, _>>()?;
            parts.push(Expression::any(choices));
        }
        ways.push(Expression::all(parts));
    }
    if ways.is_empty() { Err("no entry condition".into()) } else { Ok(Expression::any(ways)) }
}

fn terms(way: &str) -> impl Iterator<Item = &str> {
    way.split(['+', '＋']).map(str::trim).filter(|term| !term.is_empty())
}

fn named(word: &str, sections: &[Section], rules: &[Rule]) -> Result<Rule, String> {
    let exact = sections.iter().position(|section| section.word == word);
    let bare = |word: &str| word.trim_end_matches(|c: char| c.is_ascii_digit()).to_string();
    let only = || {
        let mut alike = sections.iter().enumerate().filter(|(_, section)| bare(&section.word) == bare(word));
        let first = alike.next()?;
        alike.next().is_none().then_some(first.0)
    };
    match exact.or_else(only) {
        Some(at) => Ok(rules[at].clone()),
        None => Err(format!("there is no list {word}")),
    }
}

/// The split that a group's name states; groups without one are the default.
fn split_of(name: &str) -> Rule {
    let severity = |level| Expression::Test(Condition::Severity(level));
    if name.contains("不伴") {
        Expression::Always
    } else if name.ends_with("伴严重合并症或并发症") {
        severity(Level::Mcc)
    } else if name.ends_with("伴合并症或并发症") || name.ends_with("伴一般合并症或并发症") {
        Expression::any(vec![severity(Level::Mcc), severity(Level::Cc)])
    } else {
        Expression::Always
    }
}

/// Age and birth weight that the names of the newborn's ADRGs state.
fn newborn(code: &str, name: &str) -> Vec<Rule> {
    let number = |field, is, value| Expression::Test(Condition::Number { field, is, value });
    let mut rules = Vec::new();
    if !code.starts_with('P') {
        return rules;
    }
    if name.contains("29天≤出生年龄") {
        rules.push(number(Field::AgeDays, Comparison::AtLeast, 29));
    } else if name.contains("出生年龄＜29天") || name.contains("出生体重") || name.starts_with("新生儿")
    {
        rules.push(number(Field::AgeDays, Comparison::Less, 29));
    }
    if let Some((_, rest)) = name.split_once("出生体重") {
        let digits = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>().parse().ok();
        let grams = rest.trim().split('g').next().unwrap_or_default();
        match (grams.split_once('-'), grams.chars().next(), digits(grams)) {
            (Some((low, high)), _, _) => {
                rules.extend(digits(low).map(|low| number(Field::BirthWeight, Comparison::AtLeast, low)));
                rules.extend(digits(high).map(|high| number(Field::BirthWeight, Comparison::AtMost, high)));
            }
            (None, Some('＜' | '<'), Some(limit)) => {
                rules.push(number(Field::BirthWeight, Comparison::Less, limit));
                rules.push(number(Field::BirthWeight, Comparison::Greater, 0));
            }
            (None, Some('＞' | '>'), Some(limit)) => {
                rules.push(number(Field::BirthWeight, Comparison::Greater, limit));
            }
            _ => {}
        }
    }
    rules
}
