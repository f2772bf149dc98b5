//! A report card as a FHIR document in the shape of an electronic initial case report (eICR): a
//! Composition first, then what it speaks of.

use serde_json::{Value, json};
use tongmai_base::time::Instant;

use super::task::{Card, DISEASE, NATIONAL};

/// LOINC's code of a public health case report.
const CASE_REPORT: &str = "55751-2";

/// The document of a card; `resources` are the patient, the encounter and the evidence as the ledger has
/// them, each a resource with type and id.
pub fn document(card: &Card, disease_name: &str, resources: &[Value], now: i64) -> Value {
    let time = Instant(now).to_fhir();
    let subject = card.patients.first().map_or(String::new(), |id| format!("Patient/{id}"));
    let references = |wanted: &dyn Fn(&str) -> bool| {
        let known = resources.iter().filter_map(|it| {
            let kind = it["resourceType"].as_str()?;
            wanted(kind).then(|| json!({"reference": format!("{kind}/{}", it["id"].as_str().unwrap_or(""))}))
        });
        known.collect::<Vec<_>>()
    };
    let section = |code: &str, title: &str, entries: Vec<Value>, text: &str| {
        let mut section = json!({
            "title": title,
            "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
        });
        if !text.is_empty() {
            let div = format!("<div xmlns=\"http://www.w3.org/1999/xhtml\">{}</div>", escaped(text));
            section["text"] = json!({"status": "generated", "div": div});
        }
        if !entries.is_empty() {
            section["entry"] = Value::Array(entries);
        }
        section
    };
    let sections: Vec<Value> = [
        section("29762-2", "Social history", Vec::new(), card.item("exposure-site")),
        section("11450-4", "Problem list", references(&|kind| kind == "Condition"), disease_name),
        section(
            "30954-2",
            "Relevant diagnostic tests and laboratory data",
            references(&|kind| matches!(kind, "Observation" | "DiagnosticReport")),
            card.item("evidence"),
        ),
        section("29549-3", "Medications administered", references(&|kind| kind == "MedicationRequest"), ""),
    ]
    .into_iter()
    .filter(|section| section.get("entry").is_some() || section.get("text").is_some())
    .collect();
    let status = if card.state().is_reported() { "final" } else { "preliminary" };
    let author = if card.item("organization").is_empty() { "Tongmai" } else { card.item("organization") };
    let mut composition = json!({
        "resourceType": "Composition",
        "id": format!("composition-{}", card.id),
        "identifier": {"system": NATIONAL, "value": card.answers.get("national-number").unwrap_or(&card.id)},
        "status": status,
        "type": {"coding": [{"system": "http://loinc.org", "code": CASE_REPORT, "display": "Public health case report"}]},
        "category": [{"coding": [{"system": DISEASE, "code": card.disease, "display": disease_name}]}],
        "subject": {"reference": subject},
        "date": time,
        "author": [{"display": author}],
        "title": "Initial Public Health Case Report",
        "section": sections,
    });
    if !card.encounter.is_empty() {
        composition["encounter"] = json!({"reference": card.encounter});
    }
    let mut entries = vec![composition];
    entries.push(card.to_task());
    entries.extend(resources.iter().cloned());
    let entries: Vec<Value> = entries
        .into_iter()
        .map(|resource| {
            let kind = resource["resourceType"].as_str().unwrap_or("").to_owned();
            let url =
                format!("https://tongmai.invalid/fhir/{kind}/{}", resource["id"].as_str().unwrap_or(""));
            json!({"fullUrl": url, "resource": resource})
        })
        .collect();
    json!({
        "resourceType": "Bundle",
        "identifier": {"system": "urn:tongmai:report-card", "value": format!("{}/{}", card.id, card.version)},
        "type": "document",
        "timestamp": time,
        "entry": entries,
    })
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
