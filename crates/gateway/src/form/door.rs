//! Sheets as a door: CSV or Excel of a form, a row a message.

use std::borrow::Cow;
use std::sync::OnceLock;

use super::{Form, sheet};
use crate::Understood;
use crate::door::Format;
use crate::hqms::read_with;

/// A site's own view of its visits: an example of a table that a site writes.
pub const VISITS: &str = include_str!("../../tables/local/visits.form");

/// The form of [`VISITS`].
///
/// # Panics
/// When the shipped table cannot be read; a test reads it.
pub fn visits() -> &'static Form {
    static FORM: OnceLock<Form> = OnceLock::new();
    FORM.get_or_init(|| Form::read(VISITS).unwrap_or_else(|error| panic!("visits: {error}")))
}

/// The door of a form.
pub struct Sheets {
    name: &'static str,
    form: &'static Form,
}

impl Sheets {
    /// The door of a shipped form.
    pub fn new(name: &'static str, form: &'static Form) -> Sheets {
        Sheets { name, form }
    }

    /// The door of a site's own table (`NAME.form`); it lives as long as the program.
    ///
    /// # Errors
    /// When the name cannot stand in an address, or the table cannot be read.
    pub fn of_site(name: &str, table: &str) -> Result<Sheets, String> {
        let name = crate::local::named(name).ok_or_else(|| {
            format!("'{name}' cannot be the name of a door: write small letters, digits and - only")
        })?;
        Ok(Sheets { name, form: Box::leak(Box::new(Form::read(table)?)) })
    }
}

impl Format for Sheets {
    fn name(&self) -> &'static str {
        self.name
    }

    fn content_type(&self) -> &'static str {
        "text/csv"
    }

    /// A sheet of one row is kept as it came. The rows of a larger one are messages of their own, each with the row that
    /// names the columns, so that each can be followed, mended and sent again by itself.
    fn split<'b>(&self, bytes: &'b [u8]) -> Vec<Cow<'b, [u8]>> {
        let rows = self.form.rows_of_sheet(bytes);
        if rows.len() < 2 {
            return vec![Cow::Borrowed(bytes)];
        }
        rows.into_iter().map(|row| Cow::Owned(row.into_bytes())).collect()
    }

    fn understand(&self, bytes: &[u8]) -> Understood {
        let mut all = read_with(self.form, bytes);
        let mut understood = if all.len() == 1 { all.remove(0) } else { several(all.len()) };
        understood.source.format = self.name.to_owned();
        understood
    }
}

/// One message is one row; a sheet that was mended by hand may have become more.
fn several(rows: usize) -> Understood {
    let message = format!("{rows} rows in one message");
    let finding = tongmai_base::Finding::new(tongmai_base::Severity::Fatal, "row 2", "several-rows", message)
        .with_repair("send the sheet to the door, which takes in each row by itself");
    Understood { findings: vec![finding], ..Understood::default() }
}

impl Form {
    /// Each row of a sheet with the row that names the columns, as CSV in UTF-8; empty where the sheet cannot be read.
    fn rows_of_sheet(&self, bytes: &[u8]) -> Vec<String> {
        let (rows, _) = sheet::rows(bytes);
        let Some(header) = self.header(&rows) else { return Vec::new() };
        let body = rows.iter().enumerate().skip(header + 1);
        let body = body.filter(|(at, row)| !self.is_passed_over(*at, row, header, &rows));
        body.map(|(_, row)| {
            let mut out = String::new();
            sheet::line(rows[header].iter().cloned(), &mut out);
            sheet::line(row.iter().cloned(), &mut out);
            out
        })
        .collect()
    }
}
