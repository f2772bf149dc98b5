//! International Patient Summary (IPS), in: a FHIR document Bundle that a visitor brings.
//!
//! The document's resources become entries of one transaction: their references lead to each other
//! by `fullUrl`, their ids are given anew, and patients, practitioners and organisations with an
//! identifier are looked for first. What the summary lacks of the sections that IPS requires stands
//! in findings; it is no reason to refuse it.

use std::collections::HashMap;

use tongmai_base::{Finding, Severity, limits};
use tongmai_fhir::json::Json;
use tongmai_fhir::reference::{for_each_reference, for_each_reference_mut};

use crate::build::Node;
use crate::understood::by_identifier;
use crate::{Entry, Request, Source, Understood, stable_id};

/// Name of the format on the command line.
pub const FORMAT: &str = "ips";

/// The type of the document (LOINC).
const SUMMARY: &str = "60591-5";
/// Sections that a summary must have (IPS implementation guide, Composition profile), by LOINC.
const REQUIRED: &[(&str, &str)] =
    &[("11450-4", "problems"), ("48765-2", "allergies and intolerances"), ("10160-0", "medications")];
/// Types of which one identifier names one thing for good.
const THINGS: &[&str] = &["Patient", "Practitioner", "Organization", "Location"];

/// Reads a document Bundle.
pub fn read(bytes: &[u8]) -> Understood {
    let mut understood = Understood {
        source: Source { format: FORMAT.to_owned(), ..Source::default() },
        ..Understood::default()
    };
    if bytes.len() > limits::MESSAGE_BYTES {
        let message = format!("{} bytes, {} are allowed", bytes.len(), limits::MESSAGE_BYTES);
        return refuse(understood, "", "size", message, "send a smaller document");
    }
    let decoded = crate::charset::decode(bytes, None, "/");
    understood.findings.extend(decoded.findings);
    let root = match Json::parse_str(&decoded.text) {
        Ok(root) => root.into_owned(),
        Err(error) => return refuse(understood, "/", "json", error.to_string(), "send a Bundle as JSON"),
    };
    let kind = (root.text("resourceType").unwrap_or_default(), root.text("type").unwrap_or_default());
    if kind != ("Bundle", "document") {
        let message = format!("this is {} of type '{}', not a document Bundle", kind.0, kind.1);
        return refuse(
            understood,
            "Bundle.type",
            "not-a-document",
            message,
            "send a Bundle of type document",
        );
    }
    let entries = root.items("entry");
    if entries.len() > limits::BUNDLE_ENTRIES {
        let message = format!("{} entries, {} are allowed", entries.len(), limits::BUNDLE_ENTRIES);
        return refuse(understood, "Bundle.entry", "limit", message, "send a smaller document");
    }
    let identifier = root.get("identifier");
    let part = |name: &str| identifier.and_then(|i| i.text(name)).unwrap_or_default().to_owned();
    understood.source.sender = part("system");
    understood.source.message_id = part("value");
    let first = entries.first().and_then(|entry| entry.get("resource"));
    match first.filter(|first| first.text("resourceType") == Some("Composition")) {
        Some(composition) => sections(composition, &mut understood),
        None => understood.findings.push(
            Finding::error("Bundle.entry[0]", "no-composition", "a document begins with its Composition")
                .with_repair("write the Composition as the first entry"),
        ),
    }
    take(entries, &mut understood);
    understood.settle();
    if understood.entries.is_empty() && !understood.is_fatal() {
        let message = "no entry holds a resource that could be used".to_owned();
        return refuse(
            understood,
            "Bundle.entry",
            "nothing-understood",
            message,
            "send entries with resources",
        );
    }
    understood
}

/// What the document is, and the sections that it lacks.
fn sections(composition: &Node, understood: &mut Understood) {
    let code_of = |node: &Node, name: &str| {
        let codings = node.get(name).map(|concept| concept.items("coding")).unwrap_or_default();
        codings.iter().filter_map(|coding| coding.text("code")).map(str::to_owned).collect::<Vec<_>>()
    };
    let kinds = code_of(composition, "type");
    understood.source.kind = kinds.first().cloned().unwrap_or_default();
    if !kinds.iter().any(|code| code == SUMMARY) {
        let message = format!("the document's type is not {SUMMARY}: it is read as another FHIR document");
        understood.findings.push(
            Finding::warning("Composition.type", "not-a-summary", message)
                .with_repair(format!("write LOINC {SUMMARY} as type")),
        );
        return;
    }
    let present: Vec<String> =
        composition.items("section").iter().flat_map(|section| code_of(section, "code")).collect();
    for (code, name) in REQUIRED {
        if !present.iter().any(|found| found == code) {
            understood.findings.push(
                Finding::warning(
                    "Composition.section",
                    "section-missing",
                    format!("the section of {name} (LOINC {code}) is missing"),
                )
                .with_repair("write the section, with emptyReason where there is nothing to say"),
            );
        }
    }
}

/// Makes entries, with references by the addresses that they get.
fn take(entries: &[Node], understood: &mut Understood) {
    let mut addresses: HashMap<String, String> = HashMap::new();
    let mut taken = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        let Some(resource) = entry.get("resource") else {
            let path = format!("Bundle.entry[{index}]");
            let finding = Finding::warning(path, "no-resource", "the entry holds no resource");
            understood.findings.push(finding.with_repair("leave the entry out"));
            continue;
        };
        let kind = resource.text("resourceType").unwrap_or_default();
        let source = &understood.source;
        let parts = [FORMAT, &source.sender, &source.message_id, kind, &resource.to_string()];
        let address = format!("urn:uuid:{}", stable_id(&parts));
        if let Some(id) = resource.text("id") {
            addresses.insert(format!("{kind}/{id}"), address.clone());
        }
        if let Some(url) = entry.text("fullUrl") {
            addresses.insert(url.to_owned(), address.clone());
            // A reference may be written with less of the address than the entry.
            let tail: Vec<&str> = url.rsplit('/').take(2).collect();
            if let [id, kind] = tail[..] {
                addresses.entry(format!("{kind}/{id}")).or_insert_with(|| address.clone());
            }
        }
        taken.push((address, resource.clone()));
    }
    for (full_url, mut resource) in taken {
        if let Node::Object(properties) = &mut resource {
            properties.retain(|(name, _)| name != "id" && name != "meta");
        }
        lead(&mut resource, &addresses, &mut understood.findings);
        let kind = resource.text("resourceType").unwrap_or_default();
        let query = Some(&resource).filter(|_| THINGS.contains(&kind)).and_then(by_identifier);
        let request = query.map_or(Request::Create, Request::CreateUnless);
        // The same resource twice is one.
        if !understood.entries.iter().any(|entry| entry.full_url == full_url) {
            understood.entries.push(Entry { full_url, resource, request });
        }
    }
}

/// Leads references to the new addresses. One that leads nowhere loses its target and keeps its words.
fn lead(resource: &mut Node, addresses: &HashMap<String, String>, findings: &mut Vec<Finding>) {
    let mut lost = Vec::new();
    for_each_reference(resource, &mut |path, target| {
        let is_inner = target.starts_with('#') || target.is_empty();
        if !is_inner && !addresses.contains_key(target) {
            lost.push((path.to_string(), target.to_owned()));
        }
    });
    for (path, target) in &lost {
        let finding =
            Finding::warning(path.as_str(), "dangling-reference", format!("{target} is not in the document"));
        findings.push(finding.with_repair("include every resource that the document refers to"));
    }
    for_each_reference_mut(resource, &mut |target| {
        if let Some(address) = addresses.get(target.as_ref()) {
            *target = address.clone().into();
        } else if !target.starts_with('#') {
            *target = "".into();
        }
    });
}

fn refuse(mut understood: Understood, path: &str, code: &str, message: String, repair: &str) -> Understood {
    let path = if path.is_empty() { "/" } else { path };
    understood.entries.clear();
    understood.findings.push(Finding::new(Severity::Fatal, path, code, message).with_repair(repair));
    understood
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(sections: &str, subject: &str) -> String {
        format!(
            r#"{{"resourceType":"Bundle","type":"document","identifier":{{"system":"urn:x","value":"1"}},"entry":[
            {{"fullUrl":"http://x/fhir/Composition/c","resource":{{"resourceType":"Composition","id":"c","status":"final",
              "type":{{"coding":[{{"system":"http://loinc.org","code":"60591-5"}}]}},"date":"2026-11-27","title":"IPS",
              "subject":{{"reference":"{subject}"}},"author":[{{"display":"A"}}],"section":[{sections}]}}}},
            {{"fullUrl":"http://x/fhir/Patient/p","resource":{{"resourceType":"Patient","id":"p",
              "identifier":[{{"system":"urn:y","value":"7"}}],"birthDate":"1960-01-02"}}}}]}}"#
        )
    }

    fn check(text: &str, entries: usize, codes: &[&str]) -> Understood {
        let understood = read(text.as_bytes());
        assert_eq!(understood.entries.len(), entries, "{:?}", understood.findings);
        let found: Vec<&str> = understood.findings.iter().map(|f| f.code.as_str()).collect();
        assert_eq!(found, codes);
        assert!(understood.findings.iter().all(|f| !f.path.is_empty() && !f.repair.is_empty()));
        understood
    }

    #[test]
    fn a_summary_becomes_one_transaction() {
        let all: Vec<String> = REQUIRED
            .iter()
            .map(|(code, _)| format!(r#"{{"code":{{"coding":[{{"system":"http://loinc.org","code":"{code}"}}]}},"text":{{"status":"empty","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">none</div>"}}}}"#))
            .collect();
        let understood = check(&document(&all.join(","), "Patient/p"), 2, &[]);
        let patient = &understood.entries[1];
        assert_eq!(patient.request, Request::CreateUnless("identifier=urn:y%7C7".to_owned()));
        let subject = understood.entries[0].resource.get("subject").and_then(|s| s.text("reference"));
        assert_eq!(subject, Some(patient.full_url.as_str()));
        assert!(patient.resource.get("id").is_none());
        check(&document(&all[..2].join(","), "http://x/fhir/Patient/p"), 2, &["section-missing"]);
        check(&document(&all.join(","), "Patient/other"), 2, &["dangling-reference"]);
    }

    #[test]
    fn what_is_no_document_is_refused_by_name() {
        check("{", 0, &["json"]);
        check(r#"{"resourceType":"Patient"}"#, 0, &["not-a-document"]);
        check(r#"{"resourceType":"Bundle","type":"document"}"#, 0, &["no-composition", "nothing-understood"]);
    }
}
