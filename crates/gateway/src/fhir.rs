//! Bundles of FHIR by the same way as everything else: the original is kept, and what it says of a
//! visit is put together with what other doors said. (`POST /fhir` writes resources as they are.)

use tongmai_base::{Finding, Severity};
use tongmai_fhir::json::Json;

use crate::door::Format;
use crate::{Entry, Request, Source, Understood, stable_id};

/// The door of Bundles.
pub struct Bundles;

impl Format for Bundles {
    fn name(&self) -> &'static str {
        "fhir"
    }

    fn content_type(&self) -> &'static str {
        "application/fhir+json"
    }

    fn understand(&self, bytes: &[u8]) -> Understood {
        read(bytes)
    }
}

/// Reads a Bundle, or a single resource.
pub fn read(bytes: &[u8]) -> Understood {
    let mut understood = Understood {
        source: Source { format: "fhir".to_owned(), ..Source::default() },
        ..Understood::default()
    };
    let root = match Json::parse(bytes) {
        Ok(root) => root.into_owned(),
        Err(error) => {
            let (line, column) = error.position(bytes);
            let finding = Finding::new(Severity::Fatal, format!("{line}:{column}"), "json", error.message);
            understood.findings.push(finding.with_repair("send one JSON document in UTF-8"));
            return understood;
        }
    };
    let is_bundle = root.text("resourceType") == Some("Bundle");
    let identifier = root.get("identifier");
    let word = |name: &str| identifier.and_then(|id| id.text(name)).unwrap_or_default().to_owned();
    if is_bundle {
        (understood.source.sender, understood.source.message_id) = (word("system"), word("value"));
        understood.source.sent = root.text("timestamp").unwrap_or_default().to_owned();
    }
    understood.source.kind = root.text("type").filter(|_| is_bundle).unwrap_or("resource").to_owned();
    let entries = if is_bundle { root.items("entry") } else { std::slice::from_ref(&root) };
    for (index, entry) in entries.iter().enumerate() {
        let Some(resource) = (if is_bundle { entry.get("resource") } else { Some(entry) }) else { continue };
        let by_id = || Some(format!("{}/{}", resource.text("resourceType")?, resource.text("id")?));
        let own = || format!("urn:uuid:{}", stable_id(&["entry", &index.to_string()]));
        let full_url = entry.text("fullUrl").map(str::to_owned).or_else(by_id).unwrap_or_else(own);
        let mut resource = resource.clone();
        // Ids are given here: two senders may both have a Patient/1.
        if let Json::Object(properties) = &mut resource {
            properties.retain(|(name, _)| name != "id");
        }
        let request = request(&resource);
        understood.entries.push(Entry { full_url, resource, request });
    }
    if understood.entries.is_empty() {
        let finding = Finding::new(Severity::Fatal, "Bundle.entry", "empty", "there is no resource in it");
        understood.findings.push(finding.with_repair("send resources as entries of a Bundle"));
    }
    understood.settle();
    understood
}

/// Organisations and staff are those that are there already.
fn request(resource: &Json<'_>) -> Request {
    let kind = resource.text("resourceType").unwrap_or_default();
    let identifier = resource.items("identifier").iter().find_map(|identifier| {
        let (system, value) = (identifier.text("system")?, identifier.text("value")?);
        let plain = value.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        plain.then(|| format!("identifier={system}%7C{value}"))
    });
    match identifier {
        Some(query) if matches!(kind, "Organization" | "Practitioner" | "Location") => {
            Request::CreateUnless(query)
        }
        _ => Request::Create,
    }
}
