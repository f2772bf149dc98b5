//! Grouped cases as records: a JSON object a line, or a table with a heading.

use super::{front_pages, tables};
use crate::input;
use anyhow::{Context, Result};
use serde_json::{Map, Value};
use std::io::{BufRead, Read};
use std::path::Path;
use tongmai_drg::payment::Decimal;
use tongmai_drg::settlement::Stay;

/// Whether a file holds a table rather than JSON lines, by its name.
pub fn is_table(path: &Path) -> bool {
    let name = path.to_string_lossy().to_lowercase();
    tables::is_workbook(path) || name.trim_end_matches(".zst").trim_end_matches(".gz").ends_with(".csv")
}

/// Every record of a file: `.jsonl` (plain, `.zst`, `.gz`, `-`), `.csv` or Excel; front pages in the layout of HQMS
/// become cases.
pub fn read(path: &Path) -> Result<Vec<Value>> {
    if is_table(path) {
        let mut bytes = Vec::new();
        input::open(path)?.reader.read_to_end(&mut bytes).with_context(|| path.display().to_string())?;
        if let Some(cases) = front_pages::cases(&bytes) {
            return Ok(cases);
        }
        let rows = tables::rows(path)?;
        let Some((heading, rows)) = rows.split_first() else { return Ok(Vec::new()) };
        let record = |row: &Vec<String>| {
            let pairs = heading
                .iter()
                .zip(row)
                .map(|(name, cell)| (name.trim().to_string(), Value::from(cell.trim())));
            Value::Object(pairs.collect::<Map<_, _>>())
        };
        return Ok(rows.iter().map(record).collect());
    }
    let opened = input::open(path)?;
    let mut records = Vec::new();
    for (at, line) in opened.reader.lines().enumerate() {
        let line = line?;
        if !line.trim().is_empty() {
            records.push(serde_json::from_str(&line).with_context(|| format!("line {} is no JSON", at + 1))?);
        }
    }
    opened.progress.finish_and_clear();
    Ok(records)
}

/// The text of the first member that has one.
pub fn text(record: &Value, names: &[&str]) -> String {
    let found = names.iter().find_map(|name| match &record[*name] {
        Value::String(text) if !text.trim().is_empty() => Some(text.trim().to_string()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    });
    found.unwrap_or_default()
}

/// A number or its text, exactly.
pub fn exact(record: &Value, names: &[&str]) -> Option<Decimal> {
    Decimal::parse(&text(record, names).replace(',', ""))
}

/// A grouped case as payment sees it: `id`/`Index`, `hospital`, `department`, `insurance`, `drg` or `dip`,
/// `cost` in yuan, `inHospitalTime`/`days`, `discharged`, `elsewhere`, `community`, `approved` in yuan.
pub fn stay(record: &Value, at: usize, insurance: &str) -> Stay {
    let or = |text: String, otherwise: &str| if text.is_empty() { otherwise.to_string() } else { text };
    Stay {
        id: or(text(record, &["id", "Index", "index", "结算编号", "病案号"]), &(at + 1).to_string()),
        hospital: text(record, &["hospital", "医疗机构"]),
        department: text(record, &["department", "dept", "科室"]),
        insurance: or(text(record, &["insurance", "险种"]), insurance),
        group: text(record, &["dip", "drg", "group", "病组", "DRG编码"]),
        cost: exact(record, &["cost", "总费用"]).map_or(0, Decimal::fen),
        days: text(record, &["days", "inHospitalTime", "住院天数"]).parse().unwrap_or(0),
        discharged: text(record, &["discharged", "出院日期"]),
        elsewhere: matches!(text(record, &["elsewhere", "异地"]).as_str(), "true" | "1" | "是"),
        community: text(record, &["community", "医共体"]),
        approved: exact(record, &["approved", "核定金额"]).map(Decimal::fen),
    }
}
