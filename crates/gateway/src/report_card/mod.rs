//! 传染病报告卡, the notifiable disease report card: the sheet that 网络直报 exports, or one card as
//! JSON, in and out. `tables/report-card/card.txt` says what each column is.
//!
//! A card is one case of one disease: Patient, a Condition of category `report-card`, and the unit
//! that reports. Doctors draft cards in the surveillance module; this door takes in cards that were
//! filled elsewhere, and writes them for the national system.

use std::sync::OnceLock;

use tongmai_base::Finding;
use tongmai_fhir::json::Json;

use crate::build::Node;
use crate::form::Form;
use crate::{Understood, hqms};

/// The form that Tongmai ships.
///
/// # Panics
/// When the shipped table cannot be read; a test reads it.
pub fn form() -> &'static Form {
    static FORM: OnceLock<Form> = OnceLock::new();
    FORM.get_or_init(|| {
        let text = include_str!("../../tables/report-card/card.txt");
        Form::read(text).unwrap_or_else(|error| panic!("report card: {error}"))
    })
}

/// Reads a sheet of cards, or one card (or an array of them) as JSON with the columns' codes or names.
pub fn read(bytes: &[u8]) -> Vec<Understood> {
    let is_json =
        bytes.iter().find(|byte| !byte.is_ascii_whitespace()).is_some_and(|b| matches!(b, b'{' | b'['));
    if is_json && let Ok(root) = Json::parse(bytes) {
        let cards = match &root {
            Json::Array(cards) => cards.as_slice(),
            card => std::slice::from_ref(card),
        };
        let numbered = cards.len() > 1;
        return cards
            .iter()
            .take(tongmai_base::limits::SHEET_ROWS)
            .enumerate()
            .map(|(at, card)| {
                let place = if numbered { format!("card {}", at + 1) } else { String::new() };
                form().understand(&form().record_of_tree(card, &place))
            })
            .collect();
    }
    hqms::read_with(form(), bytes)
}

/// Writes the cards among stored resources as a sheet.
pub fn write(stored: &[(String, &Node)]) -> (String, Vec<Finding>) {
    hqms::write_with(form(), stored)
}
