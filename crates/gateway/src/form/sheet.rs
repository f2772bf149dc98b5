//! Records from CSV and Excel, and back to CSV.
//!
//! The first row of a sheet that names columns of the form is its header; rows above it (titles) are
//! passed over. A second header row of names beneath one of codes is recognised. Quotes, commas,
//! tabs, semicolons and bars as separators, UTF-8, GB 18030 and GBK are.

use std::io::Cursor;

use calamine::{Data, Reader};
use tongmai_base::{Finding, Severity, limits};

use super::table::Form;
use super::{Cell, Record};
use crate::charset;

/// How many rows may stand above the header.
const TITLES: usize = 10;

/// The rows of a sheet as texts, with what was found wrong.
pub fn rows(bytes: &[u8]) -> (Vec<Vec<String>>, Vec<Finding>) {
    if bytes.len() > limits::MESSAGE_BYTES {
        let message = format!("{} bytes, {} are allowed", bytes.len(), limits::MESSAGE_BYTES);
        let finding =
            Finding::new(Severity::Fatal, "/", "size", message).with_repair("send the file in parts");
        return (Vec::new(), vec![finding]);
    }
    if bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"\xd0\xcf\x11\xe0") {
        return workbook(bytes);
    }
    let decoded = charset::decode(bytes, None, "/");
    let rows = separated(&decoded.text);
    (rows, decoded.findings)
}

/// The first sheet of a workbook that holds anything.
fn workbook(bytes: &[u8]) -> (Vec<Vec<String>>, Vec<Finding>) {
    let broken = |message: String| {
        let finding = Finding::new(Severity::Fatal, "/", "workbook", message);
        (Vec::new(), vec![finding.with_repair("save the workbook again as .xlsx, or as CSV")])
    };
    let mut book = match calamine::open_workbook_auto_from_rs(Cursor::new(bytes)) {
        Ok(book) => book,
        Err(error) => return broken(format!("the workbook cannot be read: {error}")),
    };
    for name in book.sheet_names() {
        let Ok(range) = book.worksheet_range(&name) else { continue };
        if range.is_empty() {
            continue;
        }
        let rows =
            range.rows().map(|row| row.iter().map(cell_text).collect()).take(limits::SHEET_ROWS + TITLES);
        return (rows.collect(), Vec::new());
    }
    broken("no sheet holds anything".to_owned())
}

fn cell_text(cell: &Data) -> String {
    match cell {
        Data::Empty | Data::Error(_) => String::new(),
        // Whole numbers lie in workbooks as floating ones.
        Data::Float(value) if value.fract() == 0.0 && value.abs() < 1e15 => format!("{value:.0}"),
        Data::DateTime(time) => {
            let (year, month, day, hour, minute, second, _) = time.to_ymd_hms_milli();
            if (hour, minute, second) == (0, 0, 0) {
                format!("{year:04}-{month:02}-{day:02}")
            } else {
                format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
            }
        }
        other => other.to_string(),
    }
}

/// Rows of separated values (RFC 4180), by the separator that the first lines use most.
fn separated(text: &str) -> Vec<Vec<String>> {
    let head = text.lines().take(3).collect::<String>();
    let separator = [',', '\t', '|', ';'].into_iter().max_by_key(|c| head.matches(*c).count()).unwrap_or(',');
    let (mut rows, mut row, mut field, mut quoted) = (Vec::new(), Vec::new(), String::new(), false);
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' if quoted && characters.peek() == Some(&'"') => {
                characters.next();
                field.push('"');
            }
            '"' if quoted => quoted = false,
            '"' if field.trim().is_empty() => {
                field.clear();
                quoted = true;
            }
            '\n' if !quoted => {
                row.push(std::mem::take(&mut field));
                rows.push(std::mem::take(&mut row));
                if rows.len() > limits::SHEET_ROWS + TITLES {
                    return rows;
                }
            }
            '\r' if !quoted => {}
            other if other == separator && !quoted => row.push(std::mem::take(&mut field)),
            other => field.push(other),
        }
    }
    if !field.is_empty() || !row.is_empty() {
        row.push(field);
        rows.push(row);
    }
    rows
}

impl Form {
    /// The records of a sheet. What concerns the file as a whole stands in the findings.
    pub fn records_of_sheet(&self, bytes: &[u8]) -> (Vec<Record>, Vec<Finding>) {
        let (rows, mut findings) = rows(bytes);
        if findings.iter().any(|finding| finding.severity == Severity::Fatal) {
            return (Vec::new(), findings);
        }
        let Some(header_at) = self.header(&rows) else {
            let example = self.columns.first().map(|column| format!("{} {}", column.code, column.name_of(0)));
            let message = "no row names a column of this form".to_owned();
            let repair =
                format!("begin with a row of column codes or names, such as {}", example.unwrap_or_default());
            findings.push(Finding::new(Severity::Fatal, "row 1", "header", message).with_repair(repair));
            return (Vec::new(), findings);
        };
        let header = &rows[header_at];
        let columns: Vec<Option<(usize, usize)>> = header.iter().map(|name| self.column(name)).collect();
        let mut records = Vec::new();
        for (at, row) in rows.iter().enumerate().skip(header_at + 1) {
            if self.is_passed_over(at, row, header_at, &rows) {
                continue;
            }
            if records.len() >= limits::SHEET_ROWS {
                let message = format!("more than {} rows; what follows is not read", limits::SHEET_ROWS);
                let finding = Finding::error(format!("row {}", at + 1), "limit", message);
                findings.push(finding.with_repair("send the rows in several files"));
                break;
            }
            records.push(self.record(at, row, header, &columns));
        }
        if records.is_empty() {
            let finding =
                Finding::new(Severity::Fatal, "row 2", "empty", "the sheet holds no row beneath its header");
            findings.push(finding.with_repair("send rows with values"));
        }
        (records, findings)
    }

    /// How many of these names the form knows.
    fn known(&self, row: &[String]) -> usize {
        row.iter().filter(|name| self.column(name).is_some()).count()
    }

    /// Where the row stands that names the columns: beneath titles, if there are any.
    pub(super) fn header(&self, rows: &[Vec<String>]) -> Option<usize> {
        let first = rows.iter().take(TITLES + 1).enumerate();
        let best = first.max_by_key(|(at, row)| (self.known(row), usize::MAX - at));
        best.filter(|(_, row)| self.known(row) > 0).map(|(at, _)| at)
    }

    /// Whether a row beneath the header is no record: empty, or a second header of names.
    pub(super) fn is_passed_over(
        &self,
        at: usize,
        row: &[String],
        header_at: usize,
        rows: &[Vec<String>],
    ) -> bool {
        let second_header = at == header_at + 1 && self.known(row) * 2 > rows[header_at].len().max(1);
        second_header || row.iter().all(|text| text.trim().is_empty())
    }

    fn record(
        &self,
        at: usize,
        row: &[String],
        header: &[String],
        columns: &[Option<(usize, usize)>],
    ) -> Record {
        let mut record = Record { place: format!("row {}", at + 1), ..Record::default() };
        for (index, text) in row.iter().enumerate() {
            if text.trim().is_empty() {
                continue;
            }
            match columns.get(index).copied().flatten() {
                Some((column, number)) => record.cells.push(Cell { column, number, text: text.clone() }),
                None => {
                    let name = header.get(index).map_or("", String::as_str).trim();
                    let name = if name.is_empty() { format!("{}", index + 1) } else { name.to_owned() };
                    record.unknown.push((name, text.clone()));
                }
            }
        }
        record
    }

    /// A sheet of records as CSV: a header of codes, or of names, and a row each. Repeated columns
    /// are written as often as any record needs them.
    pub fn sheet(&self, records: &[Record], by_names: bool) -> String {
        let most = |column: usize| {
            let cells = records.iter().flat_map(|record| &record.cells);
            cells.filter(|cell| cell.column == column).map(|cell| cell.number + 1).max().unwrap_or(0)
        };
        let mut places = Vec::new();
        for (index, column) in self.columns.iter().enumerate() {
            let count = if column.repeats || column.is_of_site() { most(index) } else { 1 };
            places.extend((0..count).map(|number| (index, number)));
        }
        let mut out = String::new();
        let names = places.iter().map(|(index, number)| {
            let column = &self.columns[*index];
            if by_names { column.name_of(*number) } else { column.code_of(*number) }
        });
        line(names, &mut out);
        for record in records {
            let texts = places.iter().map(|(index, number)| {
                let mut cells = record.cells.iter();
                let found = cells.find(|cell| cell.column == *index && cell.number == *number);
                found.map(|cell| cell.text.clone()).unwrap_or_default()
            });
            line(texts, &mut out);
        }
        out
    }
}

pub(super) fn line(texts: impl Iterator<Item = String>, out: &mut String) {
    for (at, text) in texts.enumerate() {
        if at > 0 {
            out.push(',');
        }
        if text.contains(['"', ',', '\n', '\r']) {
            out.push('"');
            out.push_str(&text.replace('"', "\"\""));
            out.push('"');
        } else {
            out.push_str(&text);
        }
    }
    out.push('\n');
}
