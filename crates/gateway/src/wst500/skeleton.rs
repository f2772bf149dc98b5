//! What resources must have beyond what a document says, and how those of one document hang together.

use tongmai_fhir::json::Json;

use super::document::Document;
use super::reader::{IDENTITY_CARD, Making};
use super::table::{CATALOGUE, Grammar};
use crate::Request;
use crate::build::{Node, item, object, property, push, reference, text};

fn coding(system: &str, code: &str) -> Node {
    object([("system", text(system)), ("code", text(code))])
}

fn concept(system: &str, code: &str) -> Node {
    object([("coding", Json::Array(vec![coding(system, code)]))])
}

/// The coding that names a data element.
pub fn element_coding(code: &str, display: &str) -> Node {
    let system = format!("urn:oid:{CATALOGUE}");
    object([("system", text(system)), ("code", text(code)), ("display", text(display))])
}

/// The category of an observation.
pub fn category(code: &str) -> Node {
    Json::Array(vec![concept("http://terminology.hl7.org/CodeSystem/observation-category", code)])
}

/// The tables' word for statements that stand within a resource of a type.
pub fn context(resource: &str) -> &'static str {
    match resource {
        "Condition" => "Condition",
        "ServiceRequest" => "ServiceRequest",
        _ => "Observation",
    }
}

/// A resource of a type with what FHIR wants of it.
pub fn resource(kind: &str) -> Node {
    let mut node = object([("resourceType", text(kind))]);
    let mut set = |name: &str, value: Node| *property(&mut node, name) = value;
    match kind {
        "Observation" | "DiagnosticReport" | "RiskAssessment" => set("status", text("final")),
        "Composition" => set("status", text("final")),
        "Encounter" => set("status", text("finished")),
        "Procedure" | "SupplyDelivery" | "MedicationAdministration" => set("status", text("completed")),
        "FamilyMemberHistory" => {
            set("status", text("partial"));
            set("relationship", object([("text", text("家族"))]));
        }
        "ServiceRequest" => {
            set("status", text("active"));
            set("intent", text("order"));
        }
        "MedicationRequest" => {
            set("status", text("active"));
            set("intent", text("order"));
        }
        "RequestGroup" => {
            set("status", text("active"));
            set("intent", text("order"));
        }
        "CarePlan" => {
            set("status", text("active"));
            set("intent", text("plan"));
        }
        "Consent" => {
            set("status", text("active"));
            set("scope", concept("http://terminology.hl7.org/CodeSystem/consentscope", "treatment"));
            set("category", Json::Array(vec![concept("http://loinc.org", "59284-0")]));
            set("policyRule", object([("text", text("知情同意书"))]));
        }
        "Coverage" => set("status", text("active")),
        "Invoice" => set("status", text("issued")),
        _ => {}
    }
    match kind {
        "MedicationRequest" | "MedicationAdministration" => {
            let medication = object([("resourceType", text("Medication")), ("id", text("m"))]);
            set("contained", Json::Array(vec![medication]));
            set("medicationReference", reference("#m"));
        }
        "SupplyDelivery" => {
            let device = object([("resourceType", text("Device")), ("id", text("m"))]);
            set("contained", Json::Array(vec![device]));
            *property(property(&mut node, "suppliedItem"), "itemReference") = reference("#m");
        }
        _ => {}
    }
    node
}

/// Ties the resources of a document together. `address` gives each its address.
pub fn link(made: &mut [Making], document: &Document, grammar: &Grammar, address: &dyn Fn(&str) -> String) {
    let find = |made: &[Making], key: &str| made.iter().position(|making| making.key == key);
    let to = |made: &[Making], key: &str| find(made, key).map(|_| reference(&address(key)));
    let patient = to(made, "Patient").unwrap_or(Json::Null);
    let encounter = to(made, "Encounter").unwrap_or(Json::Null);
    for making in made.iter_mut() {
        let kind = making.key.split(':').next().unwrap_or_default().to_owned();
        let node = &mut making.node;
        let (subject, visit) = match kind.as_str() {
            "Observation" | "Condition" | "ServiceRequest" | "MedicationRequest" | "DiagnosticReport"
            | "CarePlan" | "RiskAssessment" | "Procedure" | "Composition" | "RequestGroup" => {
                ("subject", "encounter")
            }
            "MedicationAdministration" => ("subject", "context"),
            "AllergyIntolerance" => ("patient", "encounter"),
            "Specimen" | "Encounter" | "Invoice" => ("subject", ""),
            "FamilyMemberHistory" | "Consent" | "SupplyDelivery" | "RelatedPerson" => ("patient", ""),
            "Coverage" => ("beneficiary", ""),
            _ => continue,
        };
        *property(node, subject) = patient.clone();
        if !visit.is_empty() {
            *property(node, visit) = encounter.clone();
        }
        match kind.as_str() {
            "Coverage" => *property(node, "payor") = Json::Array(vec![patient.clone()]),
            "DiagnosticReport" => *property(node, "code") = object([("text", text(grammar.title))]),
            "ServiceRequest" => provenances(node),
            "MedicationAdministration" => {
                let url = "http://hl7.org/fhir/StructureDefinition/data-absent-reason";
                let absent = object([("url", text(url)), ("valueCode", text("unknown"))]);
                *property(node, "_effectiveDateTime") = object([("extension", Json::Array(vec![absent]))]);
            }
            _ => {}
        }
    }
    visit(made, document, grammar, &to);
    composition(made, grammar, &to, address);
    for (child, parent) in [
        ("Location:bed", "Location:room"),
        ("Location:room", "Location:ward"),
        ("Organization:department", "Organization:hospital"),
    ] {
        if let (Some(index), Some(parent)) = (find(made, child), to(made, parent)) {
            *property(&mut made[index].node, "partOf") = parent;
        }
    }
    for (key, code) in [("Location:bed", "bd"), ("Location:room", "ro"), ("Location:ward", "wa")] {
        if let Some(index) = find(made, key) {
            let system = "http://terminology.hl7.org/CodeSystem/location-physical-type";
            *property(&mut made[index].node, "physicalType") = concept(system, code);
        }
    }
    if let (Some(index), Some(applicant)) =
        (find(made, "ServiceRequest:application"), to(made, "Organization:applicant"))
    {
        *property(&mut made[index].node, "requester") = applicant;
    }
    if let Some(index) = find(made, "Patient") {
        if let Some(provider) = to(made, "Organization:provider") {
            *property(&mut made[index].node, "managingOrganization") = provider;
        }
        telecoms(&mut made[index].node);
    }
}

/// What was done with an order besides writing it is told by contained provenances.
fn provenances(order: &mut Node) {
    let Json::Array(contained) = property(order, "contained") else { return };
    let mut history = Vec::new();
    for (number, event) in contained.iter_mut().enumerate() {
        if matches!(event, Json::Null) {
            continue;
        }
        let id = format!("p{number}");
        *property(event, "resourceType") = text("Provenance");
        *property(event, "id") = text(id.as_str());
        *property(event, "target") = Json::Array(vec![object([("display", text("医嘱"))])]);
        if event.text("recorded").is_none() {
            let url = "http://hl7.org/fhir/StructureDefinition/data-absent-reason";
            let absent = object([("url", text(url)), ("valueCode", text("unknown"))]);
            *property(event, "_recorded") = object([("extension", Json::Array(vec![absent]))]);
        }
        history.push(reference(&format!("#{id}")));
    }
    *property(order, "relevantHistory") = Json::Array(history);
}

fn telecoms(patient: &mut Node) {
    let Json::Array(items) = property(patient, "telecom") else { return };
    for item in items {
        let system =
            if item.text("value").is_some_and(|value| value.contains('@')) { "email" } else { "phone" };
        *property(item, "system") = text(system);
    }
}

fn visit(
    made: &mut [Making],
    document: &Document,
    grammar: &Grammar,
    to: &dyn Fn(&[Making], &str) -> Option<Node>,
) {
    let department = to(made, "Organization:department");
    let provider = department
        .or_else(|| to(made, "Organization:provider"))
        .or_else(|| to(made, "Organization:hospital"));
    let places: Vec<Node> =
        ["Location:bed", "Location:room", "Location:ward"].iter().filter_map(|key| to(made, key)).collect();
    let Some(encounter) = made.iter_mut().find(|making| making.key == "Encounter") else { return };
    let node = &mut encounter.node;
    if let Some(provider) = provider {
        *property(node, "serviceProvider") = provider;
    }
    for place in places {
        push(node, "location", object([("location", place)]));
    }
    let patient_type = document.head.iter().find(|leaf| leaf.path.ends_with("patienttypeCode/@code"));
    let inpatient =
        document.head.iter().any(|leaf| leaf.mark == "2.16.156.10011.1.12") || grammar.code >= "C0017";
    let class = match patient_type.map(|leaf| leaf.value.as_str()) {
        Some("1") => "AMB",
        Some("2") => "EMER",
        Some("3") => "IMP",
        _ if inpatient => "IMP",
        _ => "AMB",
    };
    *property(node, "class") = coding("http://terminology.hl7.org/CodeSystem/v3-ActCode", class);
}

fn composition(
    made: &mut [Making],
    grammar: &Grammar,
    to: &dyn Fn(&[Making], &str) -> Option<Node>,
    address: &dyn Fn(&str) -> String,
) {
    let author = to(made, "Practitioner:author");
    let organization = to(made, "Organization:authorOrganization");
    let custodian = to(made, "Organization:custodian");
    let informant = to(made, "RelatedPerson:informant");
    let mut attesters = Vec::new();
    for making in made.iter() {
        let mode = match making.key.as_str() {
            "Practitioner:legal" => "legal",
            key if key.starts_with("Practitioner:authenticator.") => "professional",
            _ => continue,
        };
        let signed = super::path::Target::parse("extension{signed}.valueDateTime");
        let time = signed.get(&making.node, 0, "").cloned().unwrap_or(Json::Null);
        let party = reference(&address(&making.key));
        attesters.push(object([("mode", text(mode)), ("time", time), ("party", party)]));
    }
    let fallback = made.iter().find(|making| making.key == "Composition").and_then(|making| {
        super::path::Target::parse("extension{recorded}.valueDateTime").get(&making.node, 0, "").cloned()
    });
    let Some(composition) = made.iter_mut().find(|making| making.key == "Composition") else { return };
    let node = &mut composition.node;
    let authors: Vec<Node> = author.into_iter().chain(organization).collect();
    let authors = if authors.is_empty() { vec![object([("display", text("未说明"))])] } else { authors };
    *property(node, "author") = Json::Array(authors);
    if let Some(custodian) = custodian {
        *property(node, "custodian") = custodian;
    }
    *property(node, "attester") = Json::Array(attesters);
    if let Some(informant) = informant {
        let target = super::path::Target::parse("extension{informant}.valueReference");
        target.set(node, 0, "", informant);
    }
    if node.text("title").is_none() {
        *property(node, "title") = text(grammar.title);
    }
    if node.text("date").is_none() {
        *property(node, "date") = fallback.unwrap_or(Json::Null);
        if node.text("date").is_none() {
            let url = "http://hl7.org/fhir/StructureDefinition/data-absent-reason";
            let absent = object([("url", text(url)), ("valueCode", text("unknown"))]);
            *property(node, "_date") = object([("extension", Json::Array(vec![absent]))]);
        }
    }
    if let Json::Array(items) = property(node, "relatesTo") {
        for related in items {
            *property(related, "code") = text("replaces");
            if related.get("targetIdentifier").is_none() {
                *property(property(related, "targetIdentifier"), "value") = text("未说明");
            }
        }
    }
    let kind = item(property(property(node, "type"), "coding"), 0);
    if kind.text("display").is_none() {
        *property(kind, "display") = text(grammar.title);
    }
}

/// What the store is asked for a resource: those that other documents name as well are found by
/// their identifiers.
pub fn request(making: &Making) -> Request {
    let by_identifier = |system: Option<&str>| {
        making.node.items("identifier").iter().find_map(|identifier| {
            let of = identifier.text("system")?;
            let value = identifier.text("value")?;
            let wanted = system.is_none_or(|system| of == format!("urn:oid:{system}"));
            let plain = value.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
            (wanted && plain).then(|| format!("identifier={of}|{value}"))
        })
    };
    let kind = making.key.split(':').next().unwrap_or_default();
    let query = match kind {
        "Patient" => by_identifier(Some(IDENTITY_CARD)).or_else(|| by_identifier(None)),
        "Organization" | "Practitioner" => by_identifier(None),
        _ => None,
    };
    match query {
        Some(query) => Request::CreateUnless(query),
        None => Request::Create,
    }
}
