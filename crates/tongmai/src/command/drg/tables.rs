//! Tables as people keep them: a folder of CSV files, one CSV file, or an Excel workbook.

use crate::input;
use anyhow::{Context, Result, bail};
use calamine::{Data, Reader};
use std::io::{Cursor, Read};
use std::path::Path;
use tongmai_drg::import::template::Sheets;

/// Rows that are read of one sheet.
const ROWS: usize = 2_000_000;

/// A text in UTF-8 or, as half of the offices write it, in GBK.
pub fn text(bytes: Vec<u8>) -> String {
    match String::from_utf8(bytes) {
        Ok(text) => text.trim_start_matches('\u{feff}').to_string(),
        Err(error) => encoding_rs::GB18030.decode(error.as_bytes()).0.into_owned(),
    }
}

/// The cells of CSV text.
pub fn cells(text: &str, name: &str) -> Result<Vec<Vec<String>>> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
    let rows = reader.records().take(ROWS).map(|row| row.map(|row| row.iter().map(str::to_string).collect()));
    rows.collect::<Result<_, _>>().with_context(|| format!("{name} is no CSV table"))
}

/// Every sheet of a workbook, in their order.
pub fn workbook(path: &Path) -> Result<Vec<(String, Vec<Vec<String>>)>> {
    let mut bytes = Vec::new();
    input::open(path)?.reader.read_to_end(&mut bytes)?;
    let mut book = calamine::open_workbook_auto_from_rs(Cursor::new(bytes))
        .with_context(|| format!("{} is no Excel workbook", path.display()))?;
    let mut sheets = Vec::new();
    for name in book.sheet_names() {
        let range =
            book.worksheet_range(&name).with_context(|| format!("the sheet {name} cannot be read"))?;
        let rows = range.rows().take(ROWS).map(|row| row.iter().map(cell).collect()).collect();
        sheets.push((name, rows));
    }
    Ok(sheets)
}

/// A cell as text: whole numbers without a point, dates as Excel shows them.
fn cell(data: &Data) -> String {
    match data {
        Data::Empty => String::new(),
        Data::String(text) => text.clone(),
        Data::Float(number) if number.fract() == 0.0 && number.abs() < 1e15 => format!("{number:.0}"),
        Data::DateTime(moment) if moment.is_datetime() => {
            let (year, month, day, hour, minute, second, _) = moment.to_ymd_hms_milli();
            format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
        }
        other => other.to_string(),
    }
}

/// Whether a file is an Excel workbook, by its name.
pub fn is_workbook(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
    let plain = name.trim_end_matches(".zst").trim_end_matches(".gz");
    [".xlsx", ".xls", ".xlsm", ".xlsb", ".ods"].iter().any(|end| plain.ends_with(end))
}

/// The tables below a folder (`groups.csv`, plain or packed), or the sheets of a workbook, by name.
pub fn sheets(path: &Path) -> Result<Sheets> {
    if is_workbook(path) {
        return Ok(workbook(path)?
            .into_iter()
            .map(|(name, rows)| (name.trim().to_lowercase(), rows))
            .collect());
    }
    if !path.is_dir() {
        bail!("{} is neither a folder of CSV tables nor an Excel workbook", path.display());
    }
    let mut sheets = Sheets::new();
    for entry in std::fs::read_dir(path).with_context(|| format!("cannot list {}", path.display()))? {
        let path = entry?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let plain = name.trim_end_matches(".zst").trim_end_matches(".gz");
        let Some(table) = plain.strip_suffix(".csv") else { continue };
        let mut bytes = Vec::new();
        input::open(&path)?.reader.read_to_end(&mut bytes)?;
        sheets.insert(table.to_lowercase(), cells(&text(bytes), &name)?);
    }
    Ok(sheets)
}

/// The rows of one CSV file or of a workbook's first sheet.
pub fn rows(path: &Path) -> Result<Vec<Vec<String>>> {
    if is_workbook(path) {
        let first = workbook(path)?.into_iter().next();
        return Ok(first.map_or_else(Vec::new, |(_, rows)| rows));
    }
    let mut bytes = Vec::new();
    input::open(path)?.reader.read_to_end(&mut bytes)?;
    cells(&text(bytes), &path.display().to_string())
}
