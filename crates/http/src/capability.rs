//! The CapabilityStatement, made from the tables that drive the server.

use std::fmt::Write;
use std::sync::OnceLock;

use tongmai_base::limits;
use tongmai_fhir::definition::{resource_type_id, resource_types};
use tongmai_fhir::json::write_string;
use tongmai_fhir::search::{self, Kind};

const INTERACTIONS: &[&str] = &[
    "read",
    "vread",
    "update",
    "patch",
    "delete",
    "history-instance",
    "history-type",
    "create",
    "search-type",
];

/// The statement; it is the same for as long as the server runs.
pub(crate) fn statement(base: &str, date: &str) -> String {
    static REST: OnceLock<String> = OnceLock::new();
    let rest = REST.get_or_init(rest);
    let mut out = String::with_capacity(rest.len() + 800);
    out.push_str("{\"resourceType\":\"CapabilityStatement\",\"status\":\"active\",\"date\":");
    write_string(date, &mut out);
    out.push_str(
        ",\"publisher\":\"Tongmai\",\"kind\":\"instance\",\"software\":{\"name\":\"Tongmai 通脉\",\"version\":\"",
    );
    out.push_str(env!("CARGO_PKG_VERSION"));
    out.push_str("\"},\"implementation\":{\"description\":\"Regional health record\",\"url\":");
    write_string(base, &mut out);
    out.push_str("},\"fhirVersion\":\"4.0.1\",\"format\":[\"application/fhir+json\",\"json\"],");
    out.push_str("\"patchFormat\":[\"application/json-patch+json\",\"application/fhir+json\"],");
    out.push_str(rest);
    out.push('}');
    out
}

fn rest() -> String {
    let mut out = String::from("\"rest\":[{\"mode\":\"server\",\"documentation\":");
    let table: Vec<String> =
        limits::TABLE.iter().map(|(name, value, unit)| format!("{name}: {value} {unit}")).collect();
    write_string(&format!("Limits: {}. Times without a zone are Asia/Shanghai.", table.join("; ")), &mut out);
    out.push_str(",\"resource\":[");
    // Parameters is no resource that is kept.
    let kept = resource_types().filter(|name| *name != "Parameters");
    for (index, name) in kept.enumerate() {
        if index > 0 {
            out.push(',');
        }
        resource(name, &mut out);
    }
    out.push_str("],\"interaction\":[");
    for (index, code) in ["transaction", "batch", "history-system", "search-system"].iter().enumerate() {
        let comma = if index > 0 { "," } else { "" };
        let _ = write!(out, "{comma}{{\"code\":\"{code}\"}}");
    }
    out.push_str("],\"searchParam\":[");
    common(&mut out);
    out.push_str("],\"operation\":[{\"name\":\"export\",\"definition\":\"http://hl7.org/fhir/uv/bulkdata/OperationDefinition/export\"},{\"name\":\"drg-group\",\"definition\":\"urn:tongmai:operation:drg-group\"}],");
    out.push_str("\"compartment\":[");
    for (index, name) in
        ["Device", "Encounter", "Patient", "Practitioner", "RelatedPerson"].iter().enumerate()
    {
        let comma = if index > 0 { "," } else { "" };
        let _ = write!(out, "{comma}\"http://hl7.org/fhir/CompartmentDefinition/{}\"", name.to_lowercase());
    }
    out.push_str("]}]");
    out
}

fn common(out: &mut String) {
    let mut first = true;
    for code in ["_id", "_lastUpdated", "_profile", "_security", "_source", "_tag"] {
        if let Some(parameter) = search::common_parameter(code) {
            if !std::mem::take(&mut first) {
                out.push(',');
            }
            let _ = write!(out, "{{\"name\":\"{code}\",\"type\":\"{}\"}}", parameter.kind.code());
        }
    }
}

fn resource(name: &str, out: &mut String) {
    let Some(type_id) = resource_type_id(name) else { return };
    let _ = write!(
        out,
        "{{\"type\":\"{name}\",\"profile\":\"http://hl7.org/fhir/StructureDefinition/{name}\",\"interaction\":["
    );
    for (index, code) in INTERACTIONS.iter().enumerate() {
        let comma = if index > 0 { "," } else { "" };
        let _ = write!(out, "{comma}{{\"code\":\"{code}\"}}");
    }
    out.push_str(
        "],\"versioning\":\"versioned-update\",\"readHistory\":true,\"updateCreate\":true,\
         \"conditionalCreate\":true,\"conditionalRead\":\"full-support\",\"conditionalUpdate\":true,\
         \"conditionalDelete\":\"single\",\"referencePolicy\":[\"literal\",\"logical\",\"local\"],",
    );
    let parameters: Vec<_> =
        search::parameters(type_id).filter(|p| p.is_indexed() && !p.code.starts_with('_')).collect();
    let references: Vec<&str> =
        parameters.iter().filter(|p| p.kind == Kind::Reference).map(|p| p.code).collect();
    if !references.is_empty() {
        out.push_str("\"searchInclude\":[\"*\"");
        for code in &references {
            let _ = write!(out, ",\"{name}:{code}\"");
        }
        out.push_str("],");
    }
    out.push_str("\"searchParam\":[");
    common(out);
    for parameter in parameters {
        let _ = write!(
            out,
            ",{{\"name\":\"{}\",\"definition\":\"http://hl7.org/fhir/SearchParameter/{}\",\"type\":\"{}\"}}",
            parameter.code,
            parameter.url,
            parameter.kind.code()
        );
    }
    out.push(']');
    out.push_str(",\"operation\":[{\"name\":\"findings\",\"definition\":\"urn:tongmai:operation:findings\"}");
    if name == "Patient" {
        out.push_str(",{\"name\":\"everything\",\"definition\":\"http://hl7.org/fhir/OperationDefinition/Patient-everything\"},{\"name\":\"match\",\"definition\":\"http://hl7.org/fhir/OperationDefinition/Patient-match\"},{\"name\":\"merge\",\"definition\":\"http://hl7.org/fhir/OperationDefinition/Patient-merge\"},{\"name\":\"ihe-pix\",\"definition\":\"https://profiles.ihe.net/ITI/PIXm/OperationDefinition/IHE.PIXm.pix\"},{\"name\":\"person\",\"definition\":\"urn:tongmai:operation:person\"},{\"name\":\"export\",\"definition\":\"http://hl7.org/fhir/uv/bulkdata/OperationDefinition/patient-export\"}");
    }
    out.push(']');
    out.push('}');
}
