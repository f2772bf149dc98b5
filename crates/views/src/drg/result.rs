//! The result of grouping as FHIR: an ExplanationOfBenefit of use `predetermination`, whose
//! `diagnosis.packageCode` is the group. Each regrouping is a further version of the same resource.

use tongmai_base::time::Instant;
use tongmai_fhir::json::{Json, write_string};

use super::discharge::{Coded, Discharge};
use super::facts::Fact;
use super::reading;
use super::shelf::Held;
use tongmai_drg::{Outcome, Status};

/// The identifier of a result: the Encounter's id.
pub const SYSTEM: &str = "urn:tongmai:drg-grouping";
/// The identifier of the case that was grouped: its fingerprint.
pub const CASE: &str = "urn:tongmai:drg-case";
/// The code system of groups; the pack's name follows.
pub const GROUP: &str = "urn:tongmai:drg-pack:";

/// Reads what was written; `None` when the resource is something else.
pub(super) fn read(json: &Json<'_>) -> Option<Fact> {
    let identifier = |system: &str| {
        let found = json.items("identifier").iter().find(|i| i.text("system") == Some(system))?;
        found.text("value").map(str::to_owned)
    };
    let encounter = identifier(SYSTEM)?;
    let package = json.items("diagnosis").iter().find_map(|diagnosis| diagnosis.get("packageCode"));
    let coding = package.and_then(|package| package.items("coding").first());
    let pack =
        coding.and_then(|c| c.text("system")).and_then(|s| s.strip_prefix(GROUP)).unwrap_or("").to_owned();
    let group = reading::code(package).unwrap_or("").to_owned();
    Some(Fact::Written { encounter, pack, group, fingerprint: identifier(CASE).unwrap_or_default() })
}

struct Out(String);

impl Out {
    fn text(&mut self, before: &str, text: &str) -> &mut Out {
        self.0.push_str(before);
        write_string(text, &mut self.0);
        self
    }

    fn raw(&mut self, text: &str) -> &mut Out {
        self.0.push_str(text);
        self
    }
}

/// The words of a result: group, name, and the reason where there is no group.
pub fn disposition(held: &Held, outcome: &Outcome) -> String {
    let (group, name) = (held.grouper.drg(outcome), held.grouper.name(outcome));
    match outcome.status {
        Status::Grouped => format!("{group} {name}"),
        status => format!("{group} {} {}", status.code(), outcome.reason.code()),
    }
}

/// The ExplanationOfBenefit of a stay.
pub fn resource(stay: &Discharge, held: &Held, outcome: &Outcome, fingerprint: &str, now: i64) -> String {
    let mut out = Out(String::from("{\"resourceType\":\"ExplanationOfBenefit\""));
    out.text(",\"identifier\":[{\"system\":", SYSTEM).text(",\"value\":", &stay.encounter);
    out.text("},{\"system\":", CASE).text(",\"value\":", fingerprint);
    out.raw("}],\"status\":\"active\",\"type\":{\"coding\":[{\"system\":\"http://terminology.hl7.org/CodeSystem/claim-type\",\"code\":\"institutional\"}]}");
    out.raw(",\"use\":\"predetermination\"");
    out.text(",\"patient\":{\"reference\":", &format!("Patient/{}", stay.patient));
    out.text("},\"created\":", &Instant(now).to_fhir());
    out.raw(",\"insurer\":{\"display\":\"医疗保障经办机构\"},\"provider\":{");
    match stay.hospital.as_str() {
        "" => out.text("\"display\":", if stay.hospital_name.is_empty() { "?" } else { &stay.hospital_name }),
        id => out.text("\"reference\":", &format!("Organization/{id}")),
    };
    let grouped = outcome.status == Status::Grouped;
    out.raw(if grouped { "},\"outcome\":\"complete\"" } else { "},\"outcome\":\"error\"" });
    out.text(",\"disposition\":", disposition(held, outcome).trim());
    out.raw(",\"diagnosis\":[");
    let none = [Coded { code: "-".into(), ..Coded::default() }];
    let diagnoses = if stay.diagnoses.is_empty() { &none[..] } else { &stay.diagnoses };
    for (at, diagnosis) in diagnoses.iter().enumerate() {
        out.raw(if at > 0 { ",{\"sequence\":" } else { "{\"sequence\":" }).raw(&(at + 1).to_string());
        concept(&mut out, ",\"diagnosisCodeableConcept\":", "http://hl7.org/fhir/sid/icd-10", diagnosis);
        if at == 0 {
            out.text(",\"packageCode\":{\"coding\":[{\"system\":", &format!("{GROUP}{}", held.id()));
            out.text(",\"code\":", held.grouper.drg(outcome));
            if !held.grouper.name(outcome).is_empty() {
                out.text(",\"display\":", held.grouper.name(outcome));
            }
            out.raw("}]}");
        }
        out.raw("}");
    }
    out.raw("]");
    for (at, procedure) in stay.procedures.iter().enumerate() {
        out.raw(if at > 0 { ",{\"sequence\":" } else { ",\"procedure\":[{\"sequence\":" })
            .raw(&(at + 1).to_string());
        concept(&mut out, ",\"procedureCodeableConcept\":", "http://hl7.org/fhir/sid/icd-9-cm", procedure);
        out.raw("}");
    }
    out.raw(if stay.procedures.is_empty() { "" } else { "]" });
    out.raw(",\"insurance\":[{\"focal\":true,\"coverage\":{");
    match stay.coverage.as_str() {
        "" => out.text("\"display\":", "?"),
        id => out.text("\"reference\":", &format!("Coverage/{id}")),
    };
    out.raw("}}],\"item\":[{\"sequence\":1,\"productOrService\":{\"text\":\"住院\"}");
    out.text(",\"encounter\":[{\"reference\":", &format!("Encounter/{}", stay.encounter)).raw("}]}]}");
    out.0
}

fn concept(out: &mut Out, before: &str, system: &str, coded: &Coded) {
    out.raw(before);
    out.text("{\"coding\":[{\"system\":", system).text(",\"code\":", &coded.code).raw("}]");
    if !coded.name.is_empty() {
        out.text(",\"text\":", &coded.name);
    }
    out.raw("}");
}
