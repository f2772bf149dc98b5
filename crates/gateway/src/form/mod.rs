//! Forms: records of named values, as tables say what each column is.
//!
//! Front pages, settlement lists, report cards and the views of a hospital's database all are
//! records whose columns have a name, a code, a data element and rules. A table ([`table`]) says
//! for each where it belongs in FHIR; the same rows read ([`read`]) and write ([`write`]). Records
//! come from CSV and Excel ([`sheet`]) or JSON ([`tree`]).

pub mod door;
pub mod pull;
pub mod read;
pub mod sheet;
pub mod table;
pub mod tree;
pub mod value;
pub mod write;

pub use table::Form;

/// One value of a record: the column, which of the repeated ones from 0, and the text as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    /// Number of the column in the form.
    pub column: usize,
    /// Which of repeated columns; 0 where there is one.
    pub number: usize,
    /// The text.
    pub text: String,
}

/// One record.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Record {
    /// Where it stands: `row 12`, `input`; empty where there is only one.
    pub place: String,
    /// Its values, of columns that the form knows.
    pub cells: Vec<Cell>,
    /// Names that the form does not know, with their texts.
    pub unknown: Vec<(String, String)>,
}

impl Record {
    /// The text of a column; nothing where a placeholder stands.
    pub fn text(&self, column: usize, number: usize) -> Option<String> {
        let cell = self.cells.iter().find(|cell| cell.column == column && cell.number == number)?;
        Some(value::clean(&cell.text)).filter(|text| !text.is_empty())
    }
}
