//! C-CDA (HL7 CDA R2 with the Consolidated templates), in: for visitors who bring a document.
//!
//! A document is a tree of elements ([`crate::xml`]); `tables/ccda/resources.txt` says which
//! templates become which resources and where each element goes ([`table`]). Paths into
//! the document are those of [`select`], datatypes those of [`value`]. What carries a
//! code or a value and was not used by any row stands in a finding.

mod convert;
mod select;
pub mod table;
mod value;

use tongmai_base::{Finding, Severity, limits};

use crate::{Source, Understood, charset, xml};

/// Name of the format on the command line and in addresses.
pub const FORMAT: &str = "ccda";

/// Reads a document by the tables that Tongmai ships.
pub fn read(bytes: &[u8]) -> Understood {
    read_with(bytes, table::shipped())
}

/// Reads a document by these tables. What could not be used stands in the findings; a document of
/// which nothing could be used has no entries and a fatal finding.
pub fn read_with(bytes: &[u8], tables: &table::Tables) -> Understood {
    let mut findings = Vec::new();
    if bytes.len() > limits::MESSAGE_BYTES {
        let message = format!("{} bytes, {} are allowed", bytes.len(), limits::MESSAGE_BYTES);
        return refused(findings, "size", message, "send a smaller document");
    }
    let decoded = charset::decode(bytes, xml::declared_encoding(bytes).as_deref(), "/");
    findings.extend(decoded.findings);
    let Some(root) = xml::read(&decoded.text, &mut findings) else {
        return Understood { source: source(), findings, ..Understood::default() };
    };
    let Some(document) = xml::find(&root, "ClinicalDocument") else {
        let message = format!("the root is {}, and there is no ClinicalDocument within", root.name);
        return refused(findings, "not-a-document", message, "send a ClinicalDocument");
    };
    let places = xml::Places::new(&decoded.text);
    convert::convert(document, tables, &places, findings)
}

fn source() -> Source {
    Source { format: FORMAT.to_owned(), ..Source::default() }
}

fn refused(mut findings: Vec<Finding>, code: &str, message: String, repair: &str) -> Understood {
    findings.push(Finding::new(Severity::Fatal, "/", code, message).with_repair(repair));
    Understood { source: source(), findings, ..Understood::default() }
}
