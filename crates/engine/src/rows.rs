//! The index rows of a resource.

use tongmai_fhir::compartment;
use tongmai_fhir::definition::{ResourceTypeId, resource_type_id};
use tongmai_fhir::json::Json;
use tongmai_fhir::search::{self, Reference, SearchValue, fold};
use tongmai_store::{
    IndexRows, NO_DATE, NumberRow, RecordRow, Result, Store, TEXT_BYTES, TYPE_SLOT, TextRow,
};

use crate::keys::{Keys, short_code};
use crate::slots::{self, ENDS, IDENTIFIERS};

/// Dates are kept within this distance of 1970, which also stands for an open side: some 4,400 years.
pub const DATE_LIMIT: i64 = 1 << 47;
/// A period longer than this is also filed by its end.
pub const LONG_PERIOD: i64 = 86_400_000;

/// An instant as the index keeps it.
pub fn clamp_date(milliseconds: i64) -> i64 {
    milliseconds.clamp(-DATE_LIMIT, DATE_LIMIT)
}

/// A number as an integer of the same order.
pub fn ordered(number: f64) -> i64 {
    let bits = (number + 0.0).to_bits() as i64;
    bits ^ (((bits >> 63) as u64) >> 1) as i64
}

/// A text as the index keeps it: folded and cut.
pub fn cut(text: &str) -> String {
    let mut folded = fold(text);
    if folded.len() > TEXT_BYTES {
        let mut end = TEXT_BYTES;
        while !folded.is_char_boundary(end) {
            end -= 1;
        }
        folded.truncate(end);
    }
    folded
}

/// Filed rows and whom the resource concerns.
pub struct Filed {
    /// Rows for the store; the record keys of `records` are still to be filled in.
    pub rows: IndexRows,
    /// Ids of the patients in whose record it belongs; for a Patient its own.
    pub patients: Vec<String>,
    /// The record rows without their record key: one for each code.
    pub record: Vec<RecordRow>,
}

impl Filed {
    /// Gives all rows the label of their version.
    pub fn label(&mut self, label: u16) {
        relabel(&mut self.rows, label);
        self.record.iter_mut().for_each(|row| row.label = label);
    }
}

/// Gives all rows the label of their version.
pub fn relabel(rows: &mut IndexRows, label: u16) {
    rows.numbers.iter_mut().for_each(|row| row.label = label);
    rows.texts.iter_mut().for_each(|row| row.label = label);
    rows.records.iter_mut().for_each(|row| row.label = label);
}

/// Works out the rows of a resource with this id.
pub fn file(
    store: &dyn Store,
    keys: &Keys,
    type_id: ResourceTypeId,
    id: &str,
    resource: &Json<'_>,
) -> Result<Filed> {
    let mut rows = IndexRows::default();
    rows.numbers.push(NumberRow { slot: TYPE_SLOT, value: i64::from(type_id), extra: 0, label: 0 });
    let clinical_date = slots::clinical_date(type_id);
    let code_slot = search::parameter(type_id, "code").map(|parameter| parameter.id);
    let mut date = NO_DATE;
    let mut codes: Vec<u16> = Vec::new();
    let mut failure = None;
    search::extract_each(resource, type_id, &mut |parameter, value| {
        if clinical_date == Some(parameter)
            && date == NO_DATE
            && let SearchValue::Date { low, .. } = value
        {
            date = clamp_date(low);
        }
        let Some(slot) = slots::own_slot(type_id, parameter) else { return };
        if code_slot == Some(parameter)
            && let SearchValue::Token(token) = &value
            && let Some(code) = token.code
        {
            let short = short_code(keys.code(code));
            if !codes.contains(&short) {
                codes.push(short);
            }
        }
        if let Err(error) = add(store, keys, slot, &value, &mut rows) {
            failure = Some(error);
        }
    });
    if let Some(error) = failure {
        return Err(error);
    }
    rows.numbers.sort_unstable();
    rows.numbers.dedup();
    rows.texts.sort_unstable();
    rows.texts.dedup();
    let mut patients: Vec<String> = Vec::new();
    if Some(type_id) == patient_type() {
        patients.push(id.to_owned());
    } else {
        for reference in compartment::patient_references(resource, type_id) {
            if let (Some(id), true) = (reference.id, reference.is_relative())
                && !patients.iter().any(|known| known == id)
            {
                patients.push(id.to_owned());
            }
        }
    }
    if codes.is_empty() {
        codes.push(0);
    }
    let record = codes
        .into_iter()
        .map(|code| RecordRow { record_key: tongmai_store::REGION_RECORD, type_id, code, date, label: 0 })
        .collect();
    Ok(Filed { rows, patients, record })
}

/// The type id of Patient.
pub fn patient_type() -> Option<ResourceTypeId> {
    static ID: std::sync::OnceLock<Option<ResourceTypeId>> = std::sync::OnceLock::new();
    *ID.get_or_init(|| resource_type_id("Patient"))
}

fn add(
    store: &dyn Store,
    keys: &Keys,
    slot: u16,
    value: &SearchValue<'_>,
    rows: &mut IndexRows,
) -> Result<()> {
    let symbol = |text: Option<&str>| match text {
        Some(text) if !text.is_empty() => store.symbol(text).map(i64::from),
        _ => Ok(0),
    };
    let mut number = |slot, value, extra| rows.numbers.push(NumberRow { slot, value, extra, label: 0 });
    match value {
        SearchValue::Token(token) => {
            if let Some(code) = token.code {
                number(slot, keys.code(code), symbol(token.system)?);
            }
        }
        SearchValue::String(text) => {
            let text = cut(text);
            if !text.is_empty() {
                rows.texts.push(TextRow { slot, text, label: 0 });
            }
        }
        SearchValue::Reference(reference) => {
            if let Some(value) = reference_value(keys, reference) {
                number(slot, value, 0);
            }
            if let Some((system, identifier)) = reference.identifier {
                number(slot | IDENTIFIERS, keys.code(identifier), symbol(system)?);
            }
        }
        SearchValue::Date { low, high } => {
            let (low, high) = (clamp_date(*low), clamp_date(*high));
            let width = high - low;
            number(slot, low, width);
            if width > LONG_PERIOD {
                number(slot | ENDS, high, width);
            }
        }
        SearchValue::Number { low, high } => {
            number(slot, ordered(*low), 0);
            if high > low {
                number(slot, ordered(*high), 0);
            }
        }
        SearchValue::Quantity { low, high, code, unit, .. } => {
            let unit = symbol(code.or(*unit))?;
            number(slot, ordered(*low), unit);
            if high > low {
                number(slot, ordered(*high), unit);
            }
        }
        SearchValue::Uri(uri) => number(slot, keys.address(uri), 0),
        SearchValue::Composite(_) => {}
    }
    Ok(())
}

/// The index value of a reference; `None` when it points nowhere outside the resource.
pub fn reference_value(keys: &Keys, reference: &Reference<'_>) -> Option<i64> {
    if reference.is_contained() {
        return None;
    }
    match (reference.resource_type, reference.id, reference.base) {
        (Some(type_id), Some(id), None) if reference.url.is_none() => Some(keys.resource(type_id, id).0),
        _ => {
            let address = reference.url.unwrap_or(reference.raw);
            (!address.is_empty()).then(|| keys.address(address))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_order() {
        let numbers = [
            f64::NEG_INFINITY,
            -1e300,
            -2.5,
            -1.0,
            -1e-300,
            0.0,
            1e-300,
            0.5,
            1.0,
            2.5,
            1e300,
            f64::INFINITY,
        ];
        for pair in numbers.windows(2) {
            assert!(ordered(pair[0]) < ordered(pair[1]), "{pair:?}");
        }
        assert_eq!(ordered(-0.0), ordered(0.0));
    }

    #[test]
    fn texts_are_cut_between_characters() {
        let long = "卓玛".repeat(30);
        assert!(cut(&long).len() <= TEXT_BYTES);
        assert!(long.starts_with(&cut(&long)));
    }
}
