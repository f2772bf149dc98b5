//! Records from JSON, and back: a column's code is the path of its value (`diseinfo[*].diag_code`).

use tongmai_fhir::json::Json;

use super::table::Form;
use super::{Cell, Record};
use crate::build::{Node, item, property, text};

impl Form {
    /// The record of a JSON object. Paths that no column has are its unknown names.
    pub fn record_of_tree(&self, root: &Json<'_>, place: &str) -> Record {
        let mut record = Record { place: place.to_owned(), ..Record::default() };
        self.walk(root, "", &mut record);
        record
    }

    fn walk(&self, node: &Json<'_>, path: &str, record: &mut Record) {
        let written = match node {
            Json::Object(properties) => {
                for (name, value) in properties {
                    let inner = if path.is_empty() { name.to_string() } else { format!("{path}.{name}") };
                    self.walk(value, &inner, record);
                }
                return;
            }
            Json::Array(items) => {
                for (index, value) in items.iter().enumerate() {
                    self.walk(value, &format!("{path}[{index}]"), record);
                }
                return;
            }
            Json::Null => return,
            Json::String(text) => text.to_string(),
            other => other.to_string(),
        };
        match self.column(path) {
            Some((column, number)) => record.cells.push(Cell { column, number, text: written }),
            None => record.unknown.push((path.to_owned(), written)),
        }
    }

    /// A record as a JSON object.
    pub fn tree(&self, record: &Record) -> Node {
        let mut root = Json::Object(Vec::new());
        for cell in &record.cells {
            let code = self.columns[cell.column].code_of(cell.number);
            let mut node = &mut root;
            for step in code.split('.') {
                let (name, index) = match step.split_once('[') {
                    Some((name, index)) => (name, index.trim_end_matches(']').parse::<usize>().ok()),
                    None => (step, None),
                };
                node = property(node, name);
                if let Some(index) = index {
                    node = item(node, index);
                }
            }
            *node = text(cell.text.as_str());
        }
        root
    }
}
