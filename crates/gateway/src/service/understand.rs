//! What a service's message is in FHIR, by the table `tables/service/fhir.txt`.

use std::sync::OnceLock;

use data_encoding::BASE64;
use tongmai_base::{Finding, Severity};
use tongmai_fhir::json::Json;

use super::{Acknowledgement, Judged, judge_and};
use crate::build::{Node, object, property, text};
use crate::mapping::{self, Made, Rules};
use crate::xml::Element;
use crate::{Source, Understood, wst500};

const TABLE: &str = include_str!("../../tables/service/fhir.txt");
/// What belongs to the message and not to its content.
const WRAPPER: &[&str] = &[
    "id",
    "creationTime",
    "interactionId",
    "processingCode",
    "processingModeCode",
    "acceptAckCode",
    "receiver",
    "sender",
    "@ITSVersion",
    "@schemaLocation",
];

/// The table of the platform services.
pub fn rules() -> &'static Rules {
    static RULES: OnceLock<Rules> = OnceLock::new();
    RULES.get_or_init(|| Rules::parse(TABLE).expect("the shipped table is tested"))
}

/// How many of the fields that a service's table names have a rule: mapped, and all.
pub fn mapped(service: &str) -> (usize, usize) {
    let fields = super::tables().fields.keys().filter(|(of, path)| *of == service && path.contains("/@"));
    let (mut known, mut all) = (0, 0);
    for (_, path) in fields {
        let steps: Vec<&str> = path.split('/').filter(|step| !step.is_empty()).collect();
        if steps.first() != Some(&"controlActProcess") {
            continue;
        }
        all += 1;
        let roots = ["", "2.16.156.10011.1.12", "2.16.156.10011.2.5.1.9"];
        known += usize::from(roots.iter().any(|root| rules().find(service, &steps, root).is_some()));
    }
    (known, all)
}

/// Judges a message and understands what it registers; a query has nothing to be kept.
pub fn understand(bytes: &[u8]) -> (Judged, Understood) {
    let (judged, understood) = judge_and(bytes, |judged, message| content(judged, message));
    let mut understood = understood.unwrap_or_default();
    understood.source.format = "service".to_owned();
    let refused = judged.acknowledgement != Acknowledgement::Accept;
    understood.findings.splice(0..0, judged.findings.iter().cloned());
    if refused {
        understood.entries.clear();
        let worst = judged.findings.iter().max_by_key(|finding| finding.severity);
        let message = worst.map_or("the message is refused".to_owned(), |worst| worst.message.clone());
        let path = worst.map(|worst| worst.path.clone()).unwrap_or_default();
        let repair = worst.map(|worst| worst.repair.clone()).unwrap_or_default();
        let finding = Finding::new(Severity::Fatal, path, "refused", message).with_repair(repair);
        understood.findings.push(finding);
    }
    (judged, understood)
}

fn content(judged: &Judged, message: &Element<'_>) -> Understood {
    let sent = message.at("creationTime").and_then(|time| time.attribute("value")).unwrap_or_default();
    let mut source = Source {
        format: "service".to_owned(),
        sender: judged.sender.clone(),
        message_id: judged.message_id.clone(),
        kind: judged.service.to_owned(),
        sent: wst500::time(sent).unwrap_or_default(),
        ..Source::default()
    };
    if judged.query.is_some() {
        return Understood { source, ..Understood::default() };
    }
    let mut findings = Vec::new();
    let mut made = mapping::read(rules(), judged.service, message, WRAPPER, &mut findings);
    visit(judged.service, &mut made);
    let mut entries = Vec::new();
    let stored = message.at("controlActProcess/subject/clinicalDocument/storageCode/originalText");
    if let Some(document) = stored.and_then(|element| element.attribute("value")) {
        findings.retain(|finding| !finding.path.contains("storageCode"));
        source.message_id = document_id(&made).unwrap_or(source.message_id);
        let inner = deposited(document, &mut findings);
        if !inner.entries.is_empty() {
            // The document tells all of it, and better.
            made.clear();
            source.organization = inner.source.sender;
            entries = inner.entries;
        }
    }
    made.retain(|made| made.key != "DocumentReference:document");
    let identity = ["service", judged.sender.as_str(), judged.message_id.as_str(), judged.service];
    entries.extend(mapping::entries(made, &identity));
    let mut understood = Understood { source, entries, findings };
    understood.settle();
    understood
}

fn document_id(made: &[Made]) -> Option<String> {
    let document = made.iter().find(|made| made.key == "DocumentReference:document")?;
    document.node.get("masterIdentifier")?.text("value").map(str::to_owned)
}

/// The bytes of a document as the register carries them: in base64, with white space between.
pub fn decoded(document: &str) -> Option<Vec<u8>> {
    let dense: String = document.chars().filter(|letter| !letter.is_whitespace()).collect();
    BASE64.decode(dense.as_bytes()).ok()
}

fn deposited(document: &str, findings: &mut Vec<Finding>) -> Understood {
    let path = "/controlActProcess/subject/clinicalDocument/storageCode/originalText/@value";
    let Some(bytes) = decoded(document) else {
        let finding = Finding::error(path, "base64", "the document is not in base64");
        findings.push(finding.with_repair("encode the document as base64"));
        return Understood::default();
    };
    let inner = wst500::read(&bytes);
    findings.extend(inner.findings.iter().map(|finding| {
        // A document that is none of the 53 types is kept all the same.
        let severity = finding.severity.min(Severity::Error);
        Finding { severity, ..finding.clone() }
    }));
    Understood { findings: Vec::new(), ..inner }
}

/// Class and status of a visit, which the services say by their names.
fn visit(service: &str, made: &mut [Made]) {
    let Some(visit) = made.iter_mut().find(|made| made.key == "Encounter") else { return };
    let node = &mut visit.node;
    let told = node.items("type").first().and_then(|kind| kind.items("coding").first());
    let code = told.and_then(|coding| coding.text("code")).map(str::to_owned);
    let numbers = node.items("identifier").iter();
    let is_inpatient =
        numbers.clone().any(|number| number.text("system") == Some("urn:oid:2.16.156.10011.1.12"));
    let class = match (service, code.as_deref()) {
        (_, Some("1")) => "AMB",
        (_, Some("2")) => "EMER",
        (_, Some("3")) => "IMP",
        (service, _) if service.starts_with("OutPatient") => "AMB",
        (service, _) if ["InPatient", "Discharge", "Transfer"].iter().any(|of| service.starts_with(of)) => {
            "IMP"
        }
        _ if is_inpatient => "IMP",
        _ => "AMB",
    };
    let system = "http://terminology.hl7.org/CodeSystem/v3-ActCode";
    *property(node, "class") = object([("system", text(system)), ("code", text(class))]);
    let is_over = service.starts_with("Discharge")
        || node.get("period").is_some_and(|period| period.text("end").is_some())
        || class == "AMB";
    set_status(node, if is_over { "finished" } else { "in-progress" });
}

fn set_status(node: &mut Node, status: &str) {
    *property(node, "status") = Json::String(status.to_owned().into());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_can_be_read_and_serves_most_fields() {
        let (mut known, mut all) = (0, 0);
        assert!(Rules::parse(TABLE).is_ok());
        for (service, _) in super::super::services() {
            let (of, fields) = mapped(service);
            known += of;
            all += fields;
        }
        println!("{known} of {all} fields of the services have a rule");
        assert!(known * 100 >= all * 50, "{known} of {all}");
    }
}
