//! 住院病案首页, the front page of an inpatient record, in the layout of national quality reporting
//! (HQMS): CSV and Excel, in and out.
//!
//! `tables/hqms/front-page.txt` says what each column is; the reading and writing is that of
//! [`crate::form`]. A row is a visit: Encounter, diagnoses with their admission condition,
//! operations, and costs as one Invoice. Header rows may carry codes (`C03C`) or names (`主要诊断编码`).

use std::sync::OnceLock;

use tongmai_base::Finding;

use crate::build::Node;
use crate::form::Form;
use crate::{Source, Understood};

/// The form that Tongmai ships.
///
/// # Panics
/// When the shipped table cannot be read; a test reads it.
pub fn form() -> &'static Form {
    static FORM: OnceLock<Form> = OnceLock::new();
    FORM.get_or_init(|| {
        Form::read(include_str!("../../tables/hqms/front-page.txt"))
            .unwrap_or_else(|error| panic!("hqms: {error}"))
    })
}

/// Reads a sheet; one result a row. A file that cannot be read at all gives a single refused one.
pub fn read(bytes: &[u8]) -> Vec<Understood> {
    read_with(form(), bytes)
}

/// Reads a sheet of any form.
pub fn read_with(form: &Form, bytes: &[u8]) -> Vec<Understood> {
    let (records, findings) = form.records_of_sheet(bytes);
    let mut all: Vec<Understood> = records.iter().map(|record| form.understand(record)).collect();
    // What concerns the file is said with its first row.
    match all.first_mut() {
        Some(first) => first.findings.splice(0..0, findings).for_each(drop),
        None => {
            let source = Source { format: form.format.clone(), kind: form.kind.clone(), ..Source::default() };
            all.push(Understood { source, entries: Vec::new(), findings });
        }
    }
    all
}

/// Writes stored resources as a sheet: a row for each visit. Columns that must have a value and
/// have none stand in the findings.
pub fn write(stored: &[(String, &Node)]) -> (String, Vec<Finding>) {
    write_with(form(), stored)
}

/// Writes stored resources as a sheet of any form.
pub fn write_with(form: &Form, stored: &[(String, &Node)]) -> (String, Vec<Finding>) {
    let records = form.records(stored);
    let findings = records.iter().flat_map(|record| form.missing(record)).collect();
    (form.sheet(&records, false), findings)
}
