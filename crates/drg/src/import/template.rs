//! A pack as a few plain tables, as an office keeps them in a spreadsheet.
//!
//! | table | columns |
//! |---|---|
//! | `groups` | `MDC`, `ADRG`, `DRG`, `name`, `rule`, optionally `weight`; in the order of trial. A row without `ADRG` is the gate of a category, one without `DRG` the entry of an ADRG |
//! | `lists` | `list`, `code`, optionally `label`, `name` |
//! | `severity` | `code`, `level` (`CC`, `MCC`), `table`, optionally `name` |
//! | `exclusions` | `code` (principal diagnosis), `table`, optionally `name` |
//! | `names` | `kind` (`diagnosis`, `procedure`), `code`, `name` |
//! | `manifest` | `key`, `value`: `id`, `version`, `region`, `from`, `to`, `codes`, `source`, `licence` |
//!
//! Headings may be Chinese: 列表, 编码, 标签, 名称, 级别, 排除表, 条件, 权重, 类别, 项目, 值.

use super::rule;
use crate::case::usual_code;
use crate::condition::{Condition, Level};
use crate::pack::{Adrg, CodeSet, Drg, Mdc, Pack, Rule};
use std::collections::{BTreeMap, BTreeSet};
use tongmai_base::Finding;

/// The tables by name, each as rows of cells with the heading first.
pub type Sheets = BTreeMap<String, Vec<Vec<String>>>;

/// The tables that a template may have.
pub const TABLES: [&str; 6] = ["groups", "lists", "severity", "exclusions", "names", "manifest"];

/// A row by its columns.
struct Row<'c, 's> {
    columns: &'c [Option<usize>],
    cells: &'s [String],
    line: usize,
}

impl<'s> Row<'_, 's> {
    fn cell(&self, column: usize) -> &'s str {
        self.columns[column].and_then(|at| self.cells.get(at)).map_or("", |cell| cell.trim())
    }
}

const COLUMNS: [(&str, &[(&str, &str)]); 6] = [
    (
        "groups",
        &[
            ("mdc", "主要诊断大类"),
            ("adrg", "核心病组"),
            ("drg", "病组"),
            ("name", "名称"),
            ("rule", "条件"),
            ("weight", "权重"),
        ],
    ),
    ("lists", &[("list", "列表"), ("code", "编码"), ("label", "标签"), ("name", "名称")]),
    ("severity", &[("code", "编码"), ("level", "级别"), ("table", "排除表"), ("name", "名称")]),
    ("exclusions", &[("code", "编码"), ("table", "排除表"), ("name", "名称")]),
    ("names", &[("kind", "类别"), ("code", "编码"), ("name", "名称")]),
    ("manifest", &[("key", "项目"), ("value", "值")]),
];

fn each<'s>(
    sheets: &'s Sheets,
    table: &str,
    needed: usize,
    visit: &mut dyn FnMut(Row<'_, 's>),
) -> Result<(), Finding> {
    let Some(rows) = sheets.get(table) else { return Ok(()) };
    let names = COLUMNS.iter().find(|(name, _)| *name == table).map_or(&[][..], |(_, columns)| columns);
    let heading = rows.first().map_or(&[][..], Vec::as_slice);
    let find = |english: &str, chinese: &str| {
        heading.iter().position(|cell| {
            let cell = cell.trim().trim_start_matches('\u{feff}');
            cell.eq_ignore_ascii_case(english) || cell == chinese
        })
    };
    let columns: Vec<Option<usize>> = names.iter().map(|(english, chinese)| find(english, chinese)).collect();
    if let Some(missing) = columns.iter().take(needed).position(Option::is_none) {
        let (english, chinese) = names[missing];
        let message = format!("the table has no column '{english}' ({chinese})");
        return Err(Finding::error(table, "missing-column", message).with_repair("name it in the first row"));
    }
    for (at, cells) in rows.iter().enumerate().skip(1) {
        if cells.iter().all(|cell| cell.trim().is_empty()) {
            continue;
        }
        visit(Row { columns: &columns, cells, line: at + 1 });
    }
    Ok(())
}

/// A pack, what the template says of it by name, and what was found wrong.
pub type Imported = (Pack, Vec<(String, String)>, Vec<Finding>);

/// Reads the tables of a pack; also gives the weights that they state, as group and text.
///
/// # Errors
/// A finding when a table or a column that is needed is absent.
pub fn read(sheets: &Sheets) -> Result<Imported, Finding> {
    if !sheets.contains_key("groups") {
        let message = "there is no table 'groups'";
        return Err(Finding::error("groups", "missing-table", message)
            .with_repair("add groups.csv, or a sheet of this name"));
    }
    let mut pack = Pack::default();
    let mut findings = Vec::new();
    manifest(sheets, &mut pack)?;
    let mut names: BTreeMap<(bool, String), String> = BTreeMap::new();
    let mut lists: BTreeMap<String, Vec<(String, String, String)>> = BTreeMap::new();
    each(sheets, "lists", 2, &mut |row| {
        let member = (usual_code(row.cell(1)), row.cell(2).to_string(), row.cell(3).to_string());
        lists.entry(row.cell(0).to_string()).or_default().push(member);
    })?;
    let mut weights = Vec::new();
    groups(sheets, &mut pack, &mut weights, &mut findings)?;
    let mut used: BTreeMap<String, bool> = BTreeMap::new();
    for rule in rules(&pack) {
        rule.visit(&mut |condition: &Condition<String>| match condition {
            Condition::Diagnosis { set, .. } | Condition::Labels { set, .. } => {
                _ = used.insert(set.clone(), true)
            }
            Condition::Procedure { set, .. } | Condition::Labelled { set, .. } => {
                used.entry(set.clone()).or_insert(false);
            }
            _ => {}
        });
    }
    for set in used.keys().filter(|set| !lists.contains_key(*set)) {
        let message = format!("a rule names the list '{set}', which the table 'lists' does not have");
        findings.push(
            Finding::error("lists", "missing-list", message)
                .with_repair("add its codes, or correct the name"),
        );
    }
    for (name, members) in lists {
        let diagnosis = used.get(&name).copied();
        if diagnosis.is_none() && !name.starts_with("GREY_") && name != super::opendrg::VALID {
            let message = format!("no rule uses the list '{name}'");
            findings.push(Finding::warning("lists", "unused-list", message));
        }
        let as_diagnosis = diagnosis.unwrap_or(name == crate::grouper::GREY_DIAGNOSES);
        for (code, _, text) in &members {
            if !text.is_empty() {
                names.entry((as_diagnosis, code.clone())).or_insert_with(|| text.clone());
            }
        }
        let members = members.into_iter().map(|(code, label, _)| (code, label)).collect();
        pack.sets.push(CodeSet { name, members });
    }
    severity(sheets, &mut pack, &mut names, &mut findings)?;
    each(sheets, "names", 3, &mut |row| {
        let diagnosis = !matches!(row.cell(0), "procedure" | "手术" | "操作");
        names.insert((diagnosis, usual_code(row.cell(1))), row.cell(2).to_string());
    })?;
    for ((diagnosis, code), name) in names {
        if diagnosis {
            pack.diagnosis_names.push((code, name))
        } else {
            pack.procedure_names.push((code, name))
        }
    }
    Ok((pack, weights, findings))
}

fn manifest(sheets: &Sheets, pack: &mut Pack) -> Result<(), Finding> {
    pack.manifest.id = "template".into();
    pack.manifest.scheme = "chs".into();
    each(sheets, "manifest", 2, &mut |row| {
        let value = row.cell(1).to_string();
        let manifest = &mut pack.manifest;
        match row.cell(0) {
            "id" | "编号" => manifest.id = value,
            "version" | "版本" => manifest.version = value,
            "region" | "统筹区" => manifest.region = value,
            "from" | "生效日期" => manifest.effective_from = value,
            "to" | "失效日期" => manifest.effective_to = value,
            "codes" | "编码体系" => manifest.code_system = value,
            "source" | "来源" => manifest.source = value,
            "licence" | "许可" => manifest.licence = value,
            _ => {}
        }
    })
}

fn groups(
    sheets: &Sheets,
    pack: &mut Pack,
    weights: &mut Vec<(String, String)>,
    findings: &mut Vec<Finding>,
) -> Result<(), Finding> {
    let mut seen = BTreeSet::new();
    each(sheets, "groups", 5, &mut |row| {
        let path = format!("groups line {}", row.line);
        let rule = rule::parse(row.cell(4)).unwrap_or_else(|message| {
            findings.push(
                Finding::error(&path, "condition", message).with_repair("write it as docs/drg.md shows"),
            );
            Rule::Never
        });
        let (mdc, adrg, drg) = (row.cell(0), row.cell(1), row.cell(2));
        if !drg.is_empty() && !seen.insert(drg.to_string()) {
            findings.push(Finding::warning(&path, "repeated-code", format!("the group {drg} stands twice")));
        }
        if pack.mdcs.last().is_none_or(|last| last.code != mdc) {
            let gate = if adrg.is_empty() { rule.clone() } else { Rule::Always };
            pack.mdcs.push(Mdc { code: mdc.into(), rule: gate, adrgs: Vec::new(), source: path.clone() });
        }
        let Some(category) = pack.mdcs.last_mut().filter(|_| !adrg.is_empty()) else { return };
        if drg.is_empty() || category.adrgs.last().is_none_or(|last| last.code != adrg) {
            let entry = if drg.is_empty() { rule.clone() } else { Rule::Always };
            let ambiguous = adrg.ends_with("QY");
            category.adrgs.push(Adrg {
                code: adrg.into(),
                rule: entry,
                drgs: Vec::new(),
                source: path.clone(),
                ambiguous,
            });
        }
        let Some(entry) = category.adrgs.last_mut().filter(|_| !drg.is_empty()) else { return };
        if !row.cell(5).is_empty() {
            weights.push((drg.to_string(), row.cell(5).to_string()));
        }
        entry.drgs.push(Drg { code: drg.into(), name: row.cell(3).into(), rule, source: path });
    })
}

fn rules(pack: &Pack) -> impl Iterator<Item = &Rule> {
    pack.mdcs.iter().flat_map(|mdc| {
        let inner = mdc
            .adrgs
            .iter()
            .flat_map(|adrg| std::iter::once(&adrg.rule).chain(adrg.drgs.iter().map(|drg| &drg.rule)));
        std::iter::once(&mdc.rule).chain(inner)
    })
}

fn severity(
    sheets: &Sheets,
    pack: &mut Pack,
    names: &mut BTreeMap<(bool, String), String>,
    findings: &mut Vec<Finding>,
) -> Result<(), Finding> {
    each(sheets, "severity", 3, &mut |row| {
        let code = usual_code(row.cell(0));
        let level = match row.cell(1).to_ascii_uppercase().as_str() {
            "MCC" => Level::Mcc,
            "CC" => Level::Cc,
            other => {
                let path = format!("severity line {}", row.line);
                let message = format!("the level is '{other}'");
                findings.push(Finding::error(path, "level", message).with_repair("write CC or MCC"));
                return;
            }
        };
        if !row.cell(3).is_empty() {
            names.insert((true, code.clone()), row.cell(3).to_string());
        }
        pack.severity.push((code, level, row.cell(2).to_string()));
    })?;
    each(sheets, "exclusions", 2, &mut |row| {
        let code = usual_code(row.cell(0));
        if !row.cell(2).is_empty() {
            names.insert((true, code.clone()), row.cell(2).to_string());
        }
        pack.exclusions.push((code, row.cell(1).to_string()));
    })
}

/// The cells of a small table in plain CSV text: commas, quotation marks only where needed.
pub fn cells(text: &str) -> Vec<Vec<String>> {
    text.lines().filter(|line| !line.trim().is_empty()).map(row).collect()
}

fn row(line: &str) -> Vec<String> {
    let mut cells = Vec::new();
    let mut cell = String::new();
    let mut quoted = false;
    let mut letters = line.trim_end_matches('\r').chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if quoted && letters.next_if_eq(&'"').is_some() => cell.push('"'),
            '"' => quoted = !quoted,
            ',' if !quoted => cells.push(std::mem::take(&mut cell)),
            other => cell.push(other),
        }
    }
    cells.push(cell);
    cells
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Case, Grouper};

    fn sheets(tables: &[(&str, &str)]) -> Sheets {
        tables.iter().map(|(name, text)| (name.to_string(), cells(text))).collect()
    }

    #[test]
    fn a_small_template_groups() {
        let sheets = sheets(&[
            (
                "groups",
                "MDC,ADRG,DRG,name,rule,weight\nMDCF,,,,principal in HEART,\nMDCF,FR1,,,principal in HEART,\n\
                        MDCF,FR1,FR11,\"心梗, 伴 MCC\",MCC,1.9\nMDCF,FR1,FR15,心梗,always,1.1\n",
            ),
            ("lists", "列表,编码,名称\nHEART,i21.0,急性心肌梗死\n"),
            ("severity", "code,level,table,name\nN17.9,MCC,3,急性肾衰竭\n"),
            ("exclusions", "code,table\nI21.0,1\n"),
            ("manifest", "key,value\nid,city_2026\nfrom,2026-01-01\n"),
        ]);
        let (pack, weights, findings) = read(&sheets).unwrap();
        assert_eq!(findings, []);
        assert_eq!(
            (pack.manifest.id.as_str(), pack.manifest.effective_from.as_str()),
            ("city_2026", "2026-01-01")
        );
        assert_eq!(weights, [("FR11".to_string(), "1.9".to_string()), ("FR15".into(), "1.1".into())]);
        assert!(pack.diagnosis_names.contains(&("I21.0".into(), "急性心肌梗死".into())));
        let grouper = Grouper::new(&pack);
        let mut scratch = grouper.scratch();
        for (second, expected) in [("N17.9", "FR11"), ("J18.9", "FR15")] {
            let line = format!(r#"{{"gender":1,"age":70,"zdList":["I21.0","{second}"],"ssList":[]}}"#);
            let outcome = grouper.group(&Case::from_json(&line).unwrap(), &mut scratch);
            assert_eq!(grouper.drg(&outcome), expected);
        }
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        let sheets = sheets(&[
            ("groups", "MDC,ADRG,DRG,name,rule\nMDCF,,,,principal in NONE\nMDCF,FR1,FR11,x,age >\n"),
            ("lists", "list,code\nLOST,A00\n"),
            ("severity", "code,level,table\nA00,XX,1\n"),
        ]);
        let (_, _, findings) = read(&sheets).unwrap();
        let codes: Vec<&str> = findings.iter().map(|f| f.code.as_str()).collect();
        assert_eq!(codes, ["condition", "missing-list", "unused-list", "level"]);
        assert_eq!(findings[0].path, "groups line 3");
        let none = read(&Sheets::new()).unwrap_err();
        assert_eq!(none.code, "missing-table");
        let heading = self::sheets(&[("groups", "MDC,ADRG\n")]);
        assert_eq!(read(&heading).unwrap_err().code, "missing-column");
    }
}
