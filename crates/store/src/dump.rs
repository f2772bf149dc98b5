//! The canonical text lines of [`Snapshot::dump_indexes`](crate::Snapshot::dump_indexes).
//!
//! Tables come in the order `search`, `search_text`, `record`, each in the order of its key, one line a
//! row, columns parted by tabs. Texts are written as Rust writes them, so that no text can break a line.

use crate::{NumberHit, RecordHit, Seq, TextHit};

/// A row of `search`, under the slot it was found in.
pub fn number(slot: u16, hit: &NumberHit) -> String {
    let NumberHit { value, seq, extra, record_key, label } = hit;
    format!("search\t{slot}\t{value}\t{seq}\t{extra}\t{}\t{label}", record_key.0)
}

/// A row of `search_text`, under the slot it was found in.
pub fn text(slot: u16, hit: &TextHit) -> String {
    let TextHit { text, seq, record_key, label } = hit;
    format!("search_text\t{slot}\t{text:?}\t{seq}\t{}\t{label}", record_key.0)
}

/// A row of `record`.
pub fn record(hit: &RecordHit) -> String {
    let (row, seq): (_, Seq) = (&hit.row, hit.seq);
    let (record_key, type_id, code) = (row.record_key.0, row.type_id, row.code);
    format!("record\t{record_key}\t{type_id}\t{code}\t{}\t{seq}\t{}", row.date, row.label)
}
