//! What a resource says of the syndrome of a visit.

use serde::{Deserialize, Serialize};
use tongmai_fhir::json::Json;
use tongmai_surveillance::syndrome::Syndromes;

use super::fact::{day_of, is_icd, names, narratives, reference, said_at};

/// The syndromes of one resource of a visit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sign {
    /// Reference to the encounter; empty without one, and the day is the visit.
    pub visit: String,
    /// Its day.
    pub day: i64,
    /// Syndromes as bits, in the order of the list in force.
    pub syndromes: u32,
}

/// Reads a resource: the patient's id and the sign; `None` when it speaks of no syndrome.
pub fn read(rules: &Syndromes, kind: &str, json: &Json<'_>, received: i64) -> Option<(String, Sign)> {
    let status = json.text("status").unwrap_or("");
    if matches!(status, "entered-in-error" | "cancelled") {
        return None;
    }
    let patient = reference(json, "subject")?.strip_prefix("Patient/")?.to_owned();
    let syndromes = match kind {
        "Encounter" => json.items("reasonCode").iter().fold(0, |bits, it| bits | concept(rules, it)),
        "Condition" if is_held(json) => json.get("code").map_or(0, |it| concept(rules, it)),
        "ClinicalImpression" => {
            let texts = [json.text("summary").unwrap_or(""), json.text("description").unwrap_or("")];
            texts.iter().fold(0, |bits, text| bits | rules.of_text(text))
        }
        "Composition" => narratives(json).iter().fold(0, |bits, text| bits | rules.of_text(text)),
        _ => 0,
    };
    if syndromes == 0 {
        return None;
    }
    let id = json.text("id").unwrap_or("");
    let own = format!("Encounter/{id}");
    let visit = if kind == "Encounter" { &own } else { reference(json, "encounter").unwrap_or("") };
    let day = day_of(said_at(kind, json).unwrap_or(received).min(received));
    Some((patient, Sign { visit: visit.to_owned(), day, syndromes }))
}

/// Whether a diagnosis still holds and is of now.
fn is_held(json: &Json<'_>) -> bool {
    let status = |name: &str| {
        let codings = json.get(name).map_or(&[][..], |concept| concept.items("coding"));
        codings.iter().find_map(|coding| coding.text("code")).unwrap_or("")
    };
    !matches!(status("verificationStatus"), "refuted" | "entered-in-error")
        && !matches!(status("clinicalStatus"), "inactive" | "remission" | "resolved")
}

fn concept(rules: &Syndromes, concept: &Json<'_>) -> u32 {
    let codings = concept.items("coding").iter();
    let codes = codings.filter_map(|coding| coding.text("code")).filter(|code| is_icd(code));
    let of_codes = codes.fold(0, |bits, code| bits | rules.of_code(code));
    of_codes | rules.of_text(&names(Some(concept)))
}
