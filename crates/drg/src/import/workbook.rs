//! The official configuration workbook of CHS-DRG 3.0, as a user supplies it.
//!
//! The program ships none of its tables. Sheets are known by words in their names, columns by words in
//! their headings, so that a covering sheet, a changed order or an added column does no harm:
//!
//! | sheet whose name has | columns whose headings have |
//! |---|---|
//! | `MDC` | `MDC` + 编码, 名称, 条件 |
//! | `ADRG` | `MDC` + 编码, `ADRG` + 编码, 名称, 条件 |
//! | `DRG` (and not `ADRG`) | `ADRG` + 编码, `DRG` + 编码 (not `ADRG`), 名称, 条件 |
//! | 编码集 or 列表 | 集合 or 列表, 编码, 名称, perhaps 标签 |
//! | `MCC`, and `CC` without `MCC` | 编码, 名称, 排除 |
//! | 排除 | 排除, 编码 |
//! | 灰码 | 类别, 编码, 名称 |
//! | `QY` | `MDC` + 编码 |
//!
//! Conditions are read by [`super::rule`]. What a release must hold is asserted: 3.0 has 26 MDC, 492 ADRG,
//! 825 DRG and 21 categories with an ambiguous group (歧义组).

use super::template::{self, Sheets};
use crate::condition::{Comparison, Condition, Field, Position};
use crate::expression::Expression;
use crate::grouper::{GREY_DIAGNOSES, GREY_PROCEDURES};
use crate::import::opendrg::VALID;
use crate::pack::{Adrg, Pack};
use std::collections::BTreeSet;
use tongmai_base::Finding;

/// What a release of the scheme holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expected {
    /// Major diagnostic categories.
    pub mdcs: usize,
    /// Adjacent groups.
    pub adrgs: usize,
    /// Groups.
    pub drgs: usize,
    /// Categories whose ambiguous group is live.
    pub ambiguous: usize,
}

/// CHS-DRG 3.0, as published on 2026-09-09.
pub const CHS_DRG_3: Expected = Expected { mdcs: 26, adrgs: 492, drgs: 825, ambiguous: 21 };

/// The categories of 3.0 that have no ambiguous group, beside the pre-category.
const WITHOUT_AMBIGUOUS: [&str; 5] = ["A", "S", "T", "X", "Y"];

/// A sheet: its name and its cells, the heading somewhere in the first rows.
pub type Sheet = (String, Vec<Vec<String>>);

/// Rows before the heading that are let pass.
const PREAMBLE: usize = 10;

/// The rows below the heading, each as the cells of the wanted columns.
struct Table {
    rows: Vec<Vec<String>>,
}

/// A column: all of these words stand in its heading, and none of those.
type Column<'c> = (&'c [&'c str], &'c [&'c str]);

fn table(sheet: &Sheet, needed: usize, columns: &[Column<'_>]) -> Option<Table> {
    let fits = |cell: &str, (words, without): &Column<'_>| {
        words.iter().all(|word| cell.contains(word)) && !without.iter().any(|word| cell.contains(word))
    };
    for (at, heading) in sheet.1.iter().enumerate().take(PREAMBLE) {
        let places: Vec<Option<usize>> =
            columns.iter().map(|column| heading.iter().position(|cell| fits(cell, column))).collect();
        if places.iter().take(needed).all(Option::is_some) {
            let cell = |row: &Vec<String>, place: &Option<usize>| {
                place.and_then(|at| row.get(at)).map_or(String::new(), |cell| cell.trim().to_string())
            };
            let rows =
                sheet.1[at + 1..].iter().map(|row| places.iter().map(|place| cell(row, place)).collect());
            let rows = rows.filter(|row: &Vec<String>| !row[0].is_empty()).collect();
            return Some(Table { rows });
        }
    }
    None
}

fn named<'s>(
    sheets: &'s [Sheet],
    words: &'s [&'s str],
    without: &'s [&'s str],
) -> impl Iterator<Item = &'s Sheet> {
    sheets.iter().filter(move |(name, _)| {
        let name = name.to_uppercase();
        words.iter().any(|word| name.contains(word)) && !without.iter().any(|word| name.contains(word))
    })
}

/// Reads the workbook and checks it against what the release holds.
///
/// # Errors
/// A finding when a sheet without which nothing can be grouped is absent.
pub fn read(sheets: &[Sheet], expected: Expected) -> Result<(Pack, Vec<Finding>), Finding> {
    let missing = |what: &str, columns: &str| {
        Finding::error(what, "missing-sheet", format!("the workbook has no sheet of the {what}"))
            .with_repair(format!("its columns are {columns}"))
    };
    let code: Column<'_> = (&["编码"], &["集合"]);
    let mdcs = named(sheets, &["MDC"], &["ADRG", "QY"])
        .find_map(|sheet| table(sheet, 1, &[(&["MDC", "编码"], &[]), (&["名称"], &[]), (&["条件"], &[])]))
        .ok_or_else(|| missing("MDC", "MDC编码, MDC名称, 入组条件"))?;
    let adrgs = named(sheets, &["ADRG"], &[])
        .find_map(|sheet| {
            let columns: [Column<'_>; 4] =
                [(&["ADRG", "编码"], &[]), (&["MDC", "编码"], &[]), (&["名称"], &["MDC"]), (&["条件"], &[])];
            table(sheet, 2, &columns)
        })
        .ok_or_else(|| missing("ADRG", "MDC编码, ADRG编码, ADRG名称, 入组条件"))?;
    let drgs = named(sheets, &["DRG"], &["ADRG"])
        .find_map(|sheet| {
            let columns: [Column<'_>; 4] = [
                (&["DRG", "编码"], &["ADRG"]),
                (&["ADRG", "编码"], &[]),
                (&["名称"], &["ADRG"]),
                (&["条件"], &[]),
            ];
            table(sheet, 2, &columns)
        })
        .ok_or_else(|| missing("DRG", "ADRG编码, DRG编码, DRG名称, 分组条件"))?;
    let mut tables = Sheets::new();
    tables.insert("groups".into(), groups(&mdcs, &adrgs, &drgs));
    tables.insert("lists".into(), lists(sheets, code));
    tables.insert("severity".into(), severity(sheets, code));
    let exclusions = named(sheets, &["排除"], &["CC"])
        .find_map(|s| table(s, 2, &[code, (&["排除"], &[]), (&["名称"], &[])]));
    let mut rows = vec![cells(["code", "table", "name"])];
    rows.extend(exclusions.into_iter().flat_map(|t| t.rows));
    tables.insert("exclusions".into(), rows);
    let (mut pack, _, mut findings) = template::read(&tables)?;
    pack.manifest.id = "chs_drg_30".into();
    pack.manifest.version = "3.0".into();
    pack.manifest.code_system = "医保2.0".into();
    pack.manifest.source = "configuration workbook of CHS-DRG 3.0, supplied by the user".into();
    let ambiguous = ambiguous(sheets, &mut pack);
    let counted = |what: &str, found: usize, wanted: usize| {
        (found != wanted).then(|| {
            let message = format!("{found} {what} instead of {wanted}");
            Finding::error("workbook", "count", message)
                .with_repair("supply the whole workbook of the release")
        })
    };
    findings.extend(counted("MDC", mdcs.rows.len(), expected.mdcs));
    let distinct: BTreeSet<&str> = adrgs.rows.iter().map(|row| row[0].as_str()).collect();
    findings.extend(counted("ADRG", distinct.len(), expected.adrgs));
    findings.extend(counted("DRG", drgs.rows.len(), expected.drgs));
    findings.extend(counted("categories with an ambiguous group", ambiguous, expected.ambiguous));
    Ok((pack, findings))
}

fn cells<const N: usize>(cells: [&str; N]) -> Vec<String> {
    cells.iter().map(|cell| (*cell).to_string()).collect()
}

/// Gates, entries and splits in the order of the sheets; an ADRG without a gate of its own is skipped there.
fn groups(mdcs: &Table, adrgs: &Table, drgs: &Table) -> Vec<Vec<String>> {
    let mut rows = vec![cells(["MDC", "ADRG", "DRG", "name", "rule"])];
    let or_always = |text: &str| if text.is_empty() { "always".to_string() } else { text.to_string() };
    for mdc in &mdcs.rows {
        rows.push(vec![mdc[0].clone(), String::new(), String::new(), mdc[1].clone(), or_always(&mdc[2])]);
        for adrg in adrgs.rows.iter().filter(|adrg| adrg[1] == mdc[0]) {
            rows.push(vec![
                mdc[0].clone(),
                adrg[0].clone(),
                String::new(),
                adrg[2].clone(),
                or_always(&adrg[3]),
            ]);
            for drg in drgs.rows.iter().filter(|drg| drg[1] == adrg[0]) {
                rows.push(vec![
                    mdc[0].clone(),
                    adrg[0].clone(),
                    drg[0].clone(),
                    drg[2].clone(),
                    or_always(&drg[3]),
                ]);
            }
        }
    }
    rows
}

fn lists(sheets: &[Sheet], code: Column<'_>) -> Vec<Vec<String>> {
    let mut rows = vec![cells(["list", "code", "label", "name"])];
    for sheet in named(sheets, &["编码集", "列表"], &[]) {
        for set in [(&["集合"][..], &[][..]), (&["列表"][..], &[][..])] {
            if let Some(found) = table(sheet, 2, &[set, code, (&["标签"], &[]), (&["名称"], &["集合"])])
            {
                rows.extend(found.rows);
                break;
            }
        }
    }
    for sheet in named(sheets, &["灰码"], &[]) {
        let Some(found) = table(sheet, 2, &[(&["类别"], &[]), code, (&["名称"], &[])]) else { continue };
        for row in found.rows {
            let set = if row[0].contains('诊') { GREY_DIAGNOSES } else { GREY_PROCEDURES };
            rows.push(vec![set.into(), row[1].clone(), String::new(), row[2].clone()]);
        }
    }
    rows
}

fn severity(sheets: &[Sheet], code: Column<'_>) -> Vec<Vec<String>> {
    let mut rows = vec![cells(["code", "level", "table", "name"])];
    let mut add = |found: Option<Table>, level: &str| {
        for row in found.into_iter().flat_map(|table| table.rows) {
            rows.push(vec![row[0].clone(), level.into(), row[1].clone(), row[2].clone()]);
        }
    };
    let columns: [Column<'_>; 3] = [code, (&["排除"], &[]), (&["名称"], &[])];
    add(named(sheets, &["MCC"], &[]).find_map(|sheet| table(sheet, 2, &columns)), "MCC");
    add(named(sheets, &["CC"], &["MCC"]).find_map(|sheet| table(sheet, 2, &columns)), "CC");
    rows
}

/// Puts the ambiguous group between the surgical and the medical ADRGs of the categories that have one; says
/// how many have. Without a sheet of them all but A, S, T, X and Y do.
fn ambiguous(sheets: &[Sheet], pack: &mut Pack) -> usize {
    let listed: Option<BTreeSet<String>> = named(sheets, &["QY"], &[])
        .find_map(|sheet| table(sheet, 1, &[(&["MDC"], &[])]))
        .map(|table| table.rows.into_iter().map(|mut row| row.remove(0)).collect());
    let mut count = 0;
    for mdc in &mut pack.mdcs {
        let letter = mdc.code.trim_start_matches("MDC").to_string();
        let live = match &listed {
            Some(listed) => listed.contains(&mdc.code) || listed.contains(&letter),
            None => !WITHOUT_AMBIGUOUS.contains(&letter.as_str()),
        };
        if !live {
            continue;
        }
        count += 1;
        if mdc.adrgs.iter().any(|adrg| adrg.ambiguous) {
            continue;
        }
        let mut rule =
            Expression::Test(Condition::Procedure { position: Position::Main, set: VALID.to_string() });
        if letter == "P" {
            let newborn = Condition::Number { field: Field::AgeDays, is: Comparison::Less, value: 29 };
            rule = Expression::all(vec![rule, Expression::Test(newborn)]);
        }
        let medical = |adrg: &Adrg| adrg.code.as_bytes().get(1).is_some_and(|second| *second >= b'R');
        let at = mdc.adrgs.iter().position(medical).unwrap_or(mdc.adrgs.len());
        let source = "QY list of the workbook".to_string();
        mdc.adrgs.insert(
            at,
            Adrg { code: format!("{letter}QY"), rule, drgs: Vec::new(), source, ambiguous: true },
        );
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Case, Grouper, Status};

    /// A workbook of the layout above with as many categories and groups as 3.0 has, all invented.
    fn synthetic() -> Vec<Sheet> {
        let row = |cells: &[&str]| cells.iter().map(|c| c.to_string()).collect::<Vec<_>>();
        let letters: Vec<char> = "APYZMNBCDEFGHIJKLOQRSTUVWX".chars().collect();
        let mut mdc = vec![row(&["CHS-DRG 3.0（合成）"]), row(&["MDC编码", "MDC名称", "入组条件"])];
        let mut adrg = vec![row(&["MDC编码", "ADRG编码", "ADRG名称", "入组条件"])];
        let mut drg = vec![row(&["ADRG编码", "DRG编码", "DRG名称", "分组条件"])];
        let mut sets = vec![row(&["集合", "编码", "名称"])];
        let (mut adrgs, mut drgs) = (0, 0);
        for (at, letter) in letters.iter().enumerate() {
            let gate = format!("主要诊断 属于 {letter}");
            mdc.push(row(&[&format!("MDC{letter}"), "类", &gate]));
            sets.push(row(&[&letter.to_string(), &format!("{letter}00.000"), "诊断"]));
            let count = 492 / 26 + usize::from(at < 492 % 26);
            for number in 0..count {
                let surgical = number < count / 2;
                let second = if surgical { 'B' } else { 'R' };
                let code = format!("{letter}{second}{}", char::from(b'1' + number as u8));
                let rule = if surgical { format!("主要手术 属于 {code}") } else { gate.clone() };
                if surgical {
                    sets.push(row(&[&code, &format!("{:02}.{number:02}00", at + 10), "手术"]));
                    sets.push(row(&[VALID, &format!("{:02}.{number:02}00", at + 10), "手术"]));
                }
                adrg.push(row(&[&format!("MDC{letter}"), &code, "病组", &rule]));
                adrgs += 1;
                let split = if drgs + (492 - adrgs) + 2 <= 825 { 2 } else { 1 };
                for suffix in ["1", "5"].iter().rev().take(split).rev() {
                    let rule = if *suffix == "1" { "MCC 或 CC" } else { "" };
                    drg.push(row(&[&code, &format!("{code}{suffix}"), "组", rule]));
                    drgs += 1;
                }
            }
        }
        sets.push(row(&[VALID, "99.9900", "另一手术"]));
        assert_eq!((adrgs, drgs), (492, 825));
        let mut whitelist = vec![row(&["MDC编码"])];
        whitelist
            .extend(letters.iter().filter(|l| !"ASTXY".contains(**l)).map(|l| row(&[&format!("MDC{l}")])));
        vec![
            ("说明".into(), vec![row(&["合成"])]),
            ("MDC目录".into(), mdc),
            ("ADRG目录".into(), adrg),
            ("DRG目录".into(), drg),
            ("编码集".into(), sets),
            ("MCC表".into(), vec![row(&["编码", "名称", "排除表"]), row(&["N17.900", "急性肾衰竭", "1"])]),
            ("CC表".into(), vec![row(&["编码", "名称", "排除表"]), row(&["E87.600", "低钾血症", "2"])]),
            ("排除表".into(), vec![row(&["排除表", "编码"]), row(&["2", "B00.000"])]),
            ("灰码".into(), vec![row(&["类别", "编码", "名称"]), row(&["诊断", "C00.000", "灰"])]),
            ("QY白名单".into(), whitelist),
        ]
    }

    fn group(grouper: &Grouper, line: &str) -> (String, Status) {
        let outcome = grouper.group(&Case::from_json(line).unwrap(), &mut grouper.scratch());
        (grouper.drg(&outcome).to_string(), outcome.status)
    }

    #[test]
    fn a_workbook_of_the_layout_imports_with_its_assertions() {
        let (pack, findings) = read(&synthetic(), CHS_DRG_3).unwrap();
        assert_eq!(findings, []);
        let grouper = Grouper::new(&pack);
        let case = |dx: &str, px: &str| {
            format!(r#"{{"gender":1,"age":50,"zdList":[{dx}],"ssList":[{px}],"inHospitalTime":3}}"#)
        };
        assert_eq!(group(&grouper, &case(r#""D00.000","N17.900""#, "")).0, "DR:1");
        let excluded = group(&grouper, &case(r#""B00.000","E87.600""#, ""));
        assert!(excluded.0.ends_with('5') && excluded.1 == Status::Grouped, "{excluded:?}");
        assert_eq!(group(&grouper, &case(r#""B00.000""#, r#""99.9900""#)), ("BQY".into(), Status::Ambiguous));
        assert_eq!(group(&grouper, &case(r#""C00.000""#, "")).1, Status::Ungrouped);
        // A category without an ambiguous group goes on to its medical ADRGs.
        assert_eq!(group(&grouper, &case(r#""S00.000""#, r#""99.9900""#)).1, Status::Grouped);
    }

    #[test]
    fn what_is_short_of_the_release_is_said() {
        let mut sheets = synthetic();
        sheets[3].1.pop();
        sheets[2].1.last_mut().unwrap()[3] = "主要诊断 属干 X".into();
        let (_, findings) = read(&sheets, CHS_DRG_3).unwrap();
        let codes: Vec<&str> = findings.iter().map(|f| f.code.as_str()).collect();
        assert_eq!(codes, ["condition", "count"]);
        sheets.remove(1);
        assert_eq!(read(&sheets, CHS_DRG_3).unwrap_err().code, "missing-sheet");
    }
}
