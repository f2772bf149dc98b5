//! The shared documents of WS/T 500-2016 (电子病历共享文档): all 53 types, in and out.
//!
//! A document is read in two steps, which emitting goes backwards: XML to places
//! with values ([`document`]), and those to resources by tables. The tables say
//! for each type what its schema has room for (`grammar.txt`), which data elements
//! belong to it (`elements.txt`), where they stand (`layout.txt`) and what they are
//! in FHIR (`fhir.txt`).

pub(crate) mod convert;
pub mod coverage;
pub(crate) mod document;
mod emitter;
pub mod example;
mod layout;
pub(crate) mod path;
mod reader;
mod skeleton;
pub(crate) mod table;
mod writer;

pub(crate) use convert::{from_fhir, stamp, time, to_fhir};
pub(crate) use document::is_filler;
pub(crate) use path::Target;
pub(crate) use skeleton::resource;
pub(crate) use writer::shaped;

use tongmai_base::{Finding, Severity, limits};

use crate::build::Node;
use crate::{Source, Understood, charset, xml};

/// The codes of the document types and their titles, in order.
pub fn types() -> impl Iterator<Item = (&'static str, &'static str)> {
    table::tables().grammars().iter().map(|grammar| (grammar.code, grammar.title))
}

/// Reads a document. What could not be used stands in the findings; a document of which nothing
/// could be used has no entries and a fatal finding.
pub fn read(bytes: &[u8]) -> Understood {
    let mut findings = Vec::new();
    let refused = |findings| Understood {
        source: Source { format: "wst500".to_owned(), ..Source::default() },
        entries: Vec::new(),
        findings,
    };
    if bytes.len() > limits::MESSAGE_BYTES {
        let message = format!("{} bytes, {} are allowed", bytes.len(), limits::MESSAGE_BYTES);
        findings
            .push(Finding::new(Severity::Fatal, "/", "size", message).with_repair("send a smaller document"));
        return refused(findings);
    }
    let decoded = charset::decode(bytes, xml::declared_encoding(bytes).as_deref(), "/");
    findings.extend(decoded.findings);
    let Some(root) = xml::read(&decoded.text, &mut findings) else { return refused(findings) };
    // Documents arrive within envelopes too.
    let Some(root) = xml::find(&root, "ClinicalDocument") else {
        let message = format!("the root is {}, and there is no ClinicalDocument within", root.name);
        findings.push(
            Finding::new(Severity::Fatal, "/", "not-a-document", message)
                .with_repair("send a ClinicalDocument"),
        );
        return refused(findings);
    };
    let places = xml::Places::new(&decoded.text);
    let document = document::from_xml(root, &places, &mut findings);
    reader::understand(&document, &places, findings).unwrap_or_else(refused)
}

/// Emits a document of a type (`C0032`) of resources with their addresses. `Err` when there is no
/// such type.
pub fn write<'r>(
    resources: impl IntoIterator<Item = (String, &'r Node)>,
    code: &str,
) -> Result<(String, Vec<Finding>), Finding> {
    let Some(grammar) = table::tables().grammar(code) else {
        let finding = Finding::new(Severity::Fatal, code, "document-type", "there is no such document type");
        return Err(finding.with_repair("name one of C0001 to C0053"));
    };
    let mut findings = Vec::new();
    let record = emitter::Record::new(resources);
    let document = emitter::document(&record, grammar, &mut findings);
    let tree = writer::to_xml(&document, grammar, &|_, _| None, &mut findings);
    Ok((xml::write(&tree), findings))
}

/// The canonical form of a document: each value with its place, in a fixed order. Two documents of
/// the same form say the same; they may differ in the order of entries and in what groups them.
pub fn canonical(text: &str) -> Vec<String> {
    let mut findings = Vec::new();
    let Some(root) = xml::read(text, &mut findings) else { return Vec::new() };
    xml::find(&root, "ClinicalDocument")
        .map(|root| document::from_xml(root, &xml::Places::new(text), &mut findings).canonical())
        .unwrap_or_default()
}
