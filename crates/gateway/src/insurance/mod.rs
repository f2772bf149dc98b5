//! Messages of the insurance platform (国家医疗保障信息平台): the settlement list 4101, persons
//! (1101), visits, diagnoses and fees (2201, 2203, 2204, 2301, 2401, 2402), and the envelope that
//! carries them.
//!
//! What a field is stands in `tables/insurance/<infno>.txt`; reading and writing is that of
//! [`crate::form`]. The envelope's rules stand in [`envelope`], its cryptography in [`crypto`].

pub mod crypto;
pub mod door;
pub mod envelope;

use std::sync::OnceLock;

use tongmai_base::{Finding, Severity, limits};
use tongmai_fhir::json::Json;

use crate::build::{Node, property};
use crate::form::Form;
use crate::{Source, Understood, charset};

/// Tables by the number of their message.
const TABLES: &[(&str, &str)] = &[
    ("4101", include_str!("../../tables/insurance/4101.txt")),
    ("1101", include_str!("../../tables/insurance/1101.txt")),
    ("2201", include_str!("../../tables/insurance/2201.txt")),
    ("2203", include_str!("../../tables/insurance/2203.txt")),
    ("2204", include_str!("../../tables/insurance/2204.txt")),
    ("2301", include_str!("../../tables/insurance/2204.txt")),
    ("2401", include_str!("../../tables/insurance/2401.txt")),
    ("2402", include_str!("../../tables/insurance/2402.txt")),
];

/// The numbers of messages that are understood.
pub fn numbers() -> impl Iterator<Item = &'static str> {
    TABLES.iter().map(|(number, _)| *number)
}

/// The form of a message's input.
///
/// # Panics
/// When a shipped table cannot be read; a test reads them.
pub fn form(number: &str) -> Option<&'static Form> {
    static FORMS: OnceLock<Vec<(&str, Form)>> = OnceLock::new();
    let forms = FORMS.get_or_init(|| {
        let read = |text| Form::read(text);
        TABLES
            .iter()
            .map(|(number, text)| (*number, read(text).unwrap_or_else(|error| panic!("{number}: {error}"))))
            .collect()
    });
    forms.iter().find(|(known, _)| *known == number).map(|(_, form)| form)
}

/// Reads a message: an envelope with `infno` and `input`, or the bare input of a 4101. Signatures are
/// not checked here; [`envelope::Gate`] does that.
pub fn read(bytes: &[u8]) -> Understood {
    let source = Source { format: "4101".to_owned(), ..Source::default() };
    let mut findings = Vec::new();
    if bytes.len() > limits::MESSAGE_BYTES {
        let message = format!("{} bytes, {} are allowed", bytes.len(), limits::MESSAGE_BYTES);
        return refused(source, findings, "/", "size", message, "send a smaller message");
    }
    let decoded = charset::decode(bytes, None, "/");
    findings.extend(decoded.findings);
    let root = match Json::parse_str(&decoded.text) {
        Ok(root) => root,
        Err(error) => {
            let message = format!("it is no JSON: {error}");
            return refused(source, findings, "/", "json", message, "send one whole JSON object");
        }
    };
    let number = match root.text("infno") {
        Some(number) => number.to_owned(),
        None if root.get("setlinfo").is_some() => "4101".to_owned(),
        None => String::new(),
    };
    let input = root.get("input").or_else(|| root.get("output")).unwrap_or(&root);
    if matches!(input, Json::String(_)) {
        let message = "input is encrypted, and no key is at hand here".to_owned();
        let repair = "send it to POST /door/insurance of a server that knows the institution's keys";
        return refused(source, findings, "input", "input-encryption", message, repair);
    }
    let mut understood = understand(&number, input, root.text("fixmedins_code").unwrap_or_default());
    understood.findings.splice(0..0, findings);
    understood
}

/// What the input of a message of this number says.
pub fn understand(number: &str, input: &Json<'_>, sender: &str) -> Understood {
    let Some(form) = form(number) else {
        let source = Source { format: "4101".to_owned(), ..Source::default() };
        let known = numbers().collect::<Vec<_>>().join(", ");
        let message = match number {
            "" => "it is neither an envelope with infno nor the input of a 4101 with setlinfo".to_owned(),
            _ => format!("message '{number}' has no table"),
        };
        let repair = format!("write infno with one of {known}, and the message's data in input");
        return refused(source, Vec::new(), "infno", "message-number", message, &repair);
    };
    let mut findings = Vec::new();
    let mut input = input.clone().into_owned();
    principal_first(&mut input, &mut findings);
    let mut understood = form.understand(&form.record_of_tree(&input, ""));
    if understood.source.sender.is_empty() {
        understood.source.sender = sender.to_owned();
    }
    understood.findings.splice(0..0, findings);
    understood
}

/// Writes stored resources as the input of a 4101, one for each inpatient visit.
pub fn write(stored: &[(String, &Node)]) -> (Vec<Node>, Vec<Finding>) {
    let Some(form) = form("4101") else { return (Vec::new(), Vec::new()) };
    let records = form.records(stored);
    let findings = records.iter().flat_map(|record| form.missing(record)).collect();
    (records.iter().map(|record| form.tree(record)).collect(), findings)
}

/// Puts the diagnosis that is marked as the main one first, so that its rank says so.
fn principal_first(input: &mut Node, findings: &mut Vec<Finding>) {
    if input.items("diseinfo").is_empty() {
        return;
    }
    let Json::Array(diagnoses) = property(input, "diseinfo") else { return };
    let is_main = |node: &Node| match node.get("maindiag_flag") {
        Some(Json::String(flag)) => flag.trim() == "1",
        Some(Json::Number(flag)) => flag == "1",
        _ => false,
    };
    match diagnoses.iter().position(is_main) {
        Some(0) => {}
        Some(at) => {
            let main = diagnoses.remove(at);
            diagnoses.insert(0, main);
            let message = format!("the main diagnosis stands at place {} and is read as the first", at + 1);
            let finding = Finding::new(
                Severity::Information,
                format!("diseinfo[{at}].maindiag_flag"),
                "order",
                message,
            );
            findings.push(finding.with_repair("write the main diagnosis first"));
        }
        None => findings.push(
            Finding::warning(
                "diseinfo[0].maindiag_flag",
                "no-principal",
                "no diagnosis is marked as the main one",
            )
            .with_repair("write maindiag_flag 1 for the main diagnosis"),
        ),
    }
}

fn refused(
    source: Source,
    mut findings: Vec<Finding>,
    path: &str,
    code: &str,
    message: String,
    repair: &str,
) -> Understood {
    findings.push(Finding::new(Severity::Fatal, path, code, message).with_repair(repair));
    Understood { source, entries: Vec::new(), findings }
}
