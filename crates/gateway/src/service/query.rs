//! Answers of queries: what is asked for is searched in the ledger, and what is found is written as the
//! services write it.

use data_encoding::BASE64;
use tongmai_access::{Requester, Sealed, Sight};
use tongmai_engine::{Engine, Outcome, Resource};
use tongmai_fhir::definition::{resource_type_id, resource_type_name};
use tongmai_fhir::json::Json;

use super::emit::{Record, subject};
use super::understand::rules;
use super::{Judged, Key, element, tables};
use crate::build::Node;
use crate::pipeline::original::{DOOR, Original};
use crate::xml::Element;
use crate::{charset, xml};

/// Most records of one answer.
const RECORDS: usize = 50;

/// What a family of services is about.
struct Family {
    /// Beginning of the names of its services.
    prefix: &'static str,
    /// The service whose requests carry the records.
    carrier: &'static str,
    kind: &'static str,
    /// The table's name for the resource.
    key: &'static str,
    includes: &'static [&'static str],
}

const VISIT: &[&str] = &[
    "Encounter:patient",
    "Encounter:service-provider",
    "Encounter:location",
    "Encounter:participant",
    "Encounter:diagnosis",
];
const ORDER: &[&str] = &[
    "ServiceRequest:patient",
    "ServiceRequest:encounter",
    "ServiceRequest:requester",
    "ServiceRequest:specimen",
];
const STATE: &[&str] = &["Task:patient", "Task:encounter"];
const BOOKING: &[&str] = &["Appointment:actor"];

macro_rules! families {
    ($(($prefix:literal, $carrier:literal, $kind:literal, $key:literal, $includes:expr)),* $(,)?) => {
        &[$(Family { prefix: $prefix, carrier: $carrier, kind: $kind, key: $key, includes: $includes }),*]
    };
}

const FAMILIES: &[Family] = families![
    ("PatientInfo", "PatientInfoRegister", "Patient", "Patient", &["Patient:organization"]),
    ("EncounterCardInfo", "EncounterCardInfoAdd", "Patient", "Patient", &["Patient:organization"]),
    ("OrganizationInfo", "OrganizationInfoRegister", "Organization", "Organization:organization", &[]),
    ("ProviderInfo", "ProviderInfoRegister", "Practitioner", "Practitioner:staff", &[]),
    ("Terminology", "TerminologyRegister", "ValueSet", "ValueSet:terms", &[]),
    ("InPatientInfo", "InPatientInfoAdd", "Encounter", "Encounter", VISIT),
    ("OutPatientInfo", "OutPatientInfoAdd", "Encounter", "Encounter", VISIT),
    ("DischargeInfo", "DischargeInfoAdd", "Encounter", "Encounter", VISIT),
    ("TransferInfo", "TransferInfoAdd", "Encounter", "Encounter", VISIT),
    ("OrderInfo", "OrderInfoAdd", "ServiceRequest", "ServiceRequest:order0", ORDER),
    ("BloodTransAppInfo", "BloodTransAppInfoAdd", "ServiceRequest", "ServiceRequest:application", ORDER),
    ("OperationAppInfo", "OperationAppInfoAdd", "ServiceRequest", "ServiceRequest:application", ORDER),
    ("ExamAppInfo", "ExamAppInfoAdd", "ServiceRequest", "ServiceRequest:application", ORDER),
    ("CheckAppInfo", "CheckAppInfoAdd", "ServiceRequest", "ServiceRequest:application", ORDER),
    ("PathologyAppInfo", "PathologyAppInfoAdd", "ServiceRequest", "ServiceRequest:application", ORDER),
    (
        "OutPatientAppointStatus",
        "OutPatientAppointStatusInfoAdd",
        "Appointment",
        "Appointment:appointment",
        BOOKING
    ),
    ("CheckAppointStatus", "CheckAppointStatusInfoAdd", "Appointment", "Appointment:appointment", BOOKING),
    ("OperationSchedule", "OperationScheduleInfoAdd", "Appointment", "Appointment:appointment", BOOKING),
    ("SourceAndSchedule", "SourceAndScheduleInfoAdd", "Schedule", "Schedule:schedule", &["Schedule:actor"]),
    ("ExamStatus", "ExamStatusInfoUpdate", "Task", "Task:state", STATE),
    ("CheckStatus", "CheckStatusInfoUpdate", "Task", "Task:state", STATE),
    ("OperationStatus", "OperationStatusInfoUpdate", "Task", "Task:state", STATE),
    ("OrderFillerStatus", "OrderFillerStatusInfoUpdate", "Task", "Task:state", STATE),
];

/// What a search found: resources, those first that were asked for.
pub struct Found {
    asked: Vec<Resource>,
    beside: Vec<Resource>,
    family: Option<&'static Family>,
}

/// In whose name a query reads.
pub fn requester(judged: &Judged) -> Requester {
    Requester::installation(format!("service {}", judged.sender), "TREAT")
}

/// Searches for what a query asks; `None` where it names nothing to search by.
///
/// # Errors
/// As a search of the engine.
pub fn search(engine: &Engine, sight: &Sight, judged: &Judged) -> Outcome<Option<Sealed<Found>>> {
    let family = FAMILIES.iter().find(|family| judged.service.starts_with(family.prefix));
    let kind = family.map_or("DocumentReference", |family| family.kind);
    let mut asked: Vec<(String, String)> = Vec::new();
    for key in &judged.keys {
        asked.extend(condition(kind, key));
    }
    if kind == "Patient" {
        asked.extend(demographics(judged));
    }
    if asked.is_empty() {
        return Ok(None);
    }
    match family {
        Some(family) => {
            asked
                .extend(family.includes.iter().map(|include| ("_include".to_owned(), (*include).to_owned())));
        }
        None => asked.push(("type".to_owned(), format!("{DOOR}|wst500,{DOOR}|service"))),
    }
    asked.push(("_count".to_owned(), RECORDS.to_string()));
    let page = if kind == "Patient" {
        // One record of a person stands for all of them: that is what the index is asked for.
        engine.search_persons(sight, &asked)?
    } else {
        let query = engine.query(&[resource_type_id(kind).unwrap_or_default()], None, &asked, false)?;
        engine.search(sight, &query, None)?
    };
    Ok(Some(page.map(|page| Found { asked: page.matches, beside: page.included, family })))
}

/// What a query of persons asks beside identifiers. A sex alone is no question.
fn demographics(judged: &Judged) -> Vec<(String, String)> {
    let mut asked = Vec::new();
    if !judged.person_name.is_empty() {
        asked.push(("name".to_owned(), escaped(&judged.person_name)));
    }
    let names_somebody = !asked.is_empty() || !judged.keys.is_empty();
    if names_somebody && !judged.person_gender.is_empty() {
        asked.push(("gender".to_owned(), judged.person_gender.to_owned()));
    }
    asked
}

/// A value as a search takes it.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace(',', "\\,").replace('|', "\\|").replace('$', "\\$")
}

/// The search that an identifier of a query stands for; none where it only narrows what others name.
fn condition(kind: &str, key: &Key) -> Option<(String, String)> {
    let path = key.path.as_str();
    let own = |of: &str, chain: &str| if kind == of { "identifier".to_owned() } else { chain.to_owned() };
    let value = escaped(&key.value);
    let is_patient = ["/patient", "livingSubject", "parameterList/id"].iter().any(|word| path.contains(word));
    let is_visit =
        matches!(
            key.system.as_str(),
            "2.16.156.10011.1.11" | "2.16.156.10011.1.12" | "2.16.156.10011.2.5.1.9"
        ) || ["careEvent", "encompassingEncounter", "/encounter"].iter().any(|word| path.contains(word));
    let narrows = key.system == "2.16.156.10011.2.5.1.8"
        || ["author", "responsibleOrganization", "patientLocation", "Author"]
            .iter()
            .any(|word| path.contains(word));
    if narrows {
        return None;
    }
    if is_visit && kind != "Patient" {
        let chain = match kind {
            "DocumentReference" => "encounter:Encounter.identifier",
            _ => "encounter.identifier",
        };
        return Some((own("Encounter", chain), value));
    }
    if is_patient {
        let chain = match kind {
            "DocumentReference" => "subject:Patient.identifier",
            "Appointment" => "actor:Patient.identifier",
            _ => "patient.identifier",
        };
        return Some((own("Patient", chain), value));
    }
    Some(("identifier".to_owned(), value))
}

impl Found {
    /// How many records were found.
    pub fn len(&self) -> usize {
        self.asked.len()
    }

    /// The records as the service writes them.
    pub fn subjects(&self, judged: &Judged) -> Vec<Element<'static>> {
        let Some(family) = self.family else {
            let with_content = judged.service == "DocumentRetrieve";
            return self.asked.iter().filter_map(|found| document(found, with_content)).collect();
        };
        let grammar = |of: &str| tables().grammars.iter().find(|grammar| grammar.code == of);
        let all: Vec<(String, Node)> = self.asked.iter().chain(&self.beside).filter_map(parsed).collect();
        let asked = all.iter().take(self.asked.len());
        asked
            .filter_map(|(_, node)| {
                let mut record = Record { nodes: vec![(family.key.to_owned(), node)] };
                gather(node, &all, &mut record.nodes, 0);
                subject(rules(), grammar(carrier(family, node))?, &record)
            })
            .collect()
    }
}

/// The service whose requests carry a record. Queries of visits share one kind of message: a visit without
/// a transfer is told as what it is.
fn carrier(family: &Family, node: &Node) -> &'static str {
    let extensions = node.items("extension").iter().filter_map(|extension| extension.text("url"));
    if family.prefix != "TransferInfo" || extensions.into_iter().any(|url| url.contains("transfer")) {
        return family.carrier;
    }
    match node.get("class").and_then(|class| class.text("code")) {
        Some("IMP") => "InPatientInfoAdd",
        _ => "OutPatientInfoAdd",
    }
}

fn parsed(resource: &Resource) -> Option<(String, Node)> {
    let name = resource_type_name(resource.type_id)?;
    Some((format!("{name}/{}", resource.id), Json::parse(&resource.text).ok()?.into_owned()))
}

/// Names what a resource refers to as the table does.
fn gather<'r>(node: &'r Node, all: &'r [(String, Node)], out: &mut Vec<(String, &'r Node)>, depth: usize) {
    let mut referred: Vec<&str> = Vec::new();
    tongmai_fhir::reference::for_each_reference(node, &mut |_, target| {
        if let Some((address, _)) = all.iter().find(|(address, _)| address == target) {
            referred.push(address);
        }
    });
    for address in referred {
        let Some((_, to)) = all.iter().find(|(known, _)| known == address) else { continue };
        if out.iter().any(|(_, known)| std::ptr::eq(*known, to)) {
            continue;
        }
        let key = match to.text("resourceType").unwrap_or_default() {
            "Organization" => "Organization:provider".to_owned(),
            "Practitioner" => "Practitioner:doctor".to_owned(),
            "Specimen" => "Specimen:specimen".to_owned(),
            "Location" => place(to).to_owned(),
            "Condition" => {
                let number = out.iter().filter(|(key, _)| key.starts_with("Condition:dx")).count();
                format!("Condition:dx{number}")
            }
            other => other.to_owned(),
        };
        out.push((key, to));
        if depth < 2 {
            gather(to, all, out, depth + 1);
        }
    }
}

/// Which level a location is, told by the system of its identifier.
fn place(location: &Node) -> &'static str {
    let systems = location.items("identifier").iter().filter_map(|identifier| identifier.text("system"));
    for system in systems {
        match system {
            "urn:oid:2.16.156.10011.1.27" => return "Location:ward",
            "urn:oid:2.16.156.10011.1.21" => return "Location:room",
            "urn:oid:2.16.156.10011.1.22" => return "Location:bed",
            _ => {}
        }
    }
    "Location:department"
}

/// A document as the register's requests have it; its bytes only where it is retrieved.
fn document(found: &Resource, with_content: bool) -> Option<Element<'static>> {
    let original = Original::read(&Json::parse(&found.text).ok()?)?;
    let bytes = content(&original)?;
    let head = crate::wst500::read(&bytes);
    let kind = match head.source.kind.as_str() {
        "" => original.kind.clone(),
        kind => kind.to_owned(),
    };
    let title = crate::wst500::types().find(|(code, _)| *code == kind).map_or("", |(_, title)| title);
    let composition =
        head.entries.iter().find(|entry| entry.resource.text("resourceType") == Some("Composition"));
    let date = composition.and_then(|entry| entry.resource.text("date")).unwrap_or_default();
    let id = element("id", &[], vec![element("item", &[("extension", &original.message_id)], vec![])]);
    let name = element("displayName", &[("value", title)], vec![]);
    let mut children = vec![
        id,
        element("code", &[("code", &kind), ("codeSystem", "2.16.156.10011.2.4")], vec![name]),
        element("effectiveTime", &[("value", &crate::wst500::stamp(date))], vec![]),
    ];
    if with_content {
        let text = element("originalText", &[("value", &BASE64.encode(&bytes))], vec![]);
        children.push(element("storageCode", &[], vec![text]));
    }
    Some(element("subject", &[], vec![element("clinicalDocument", &[], children)]))
}

/// The bytes of the document itself.
fn content(original: &Original) -> Option<Vec<u8>> {
    if original.door == "wst500" {
        return Some(original.bytes.clone());
    }
    let text = charset::decode(&original.bytes, None, "/");
    let root = xml::read(&text.text, &mut Vec::new())?;
    let stored = find(&root, "storageCode")?;
    super::understand::decoded(stored.at("originalText")?.attribute("value")?)
}

fn find<'e, 't>(element: &'e Element<'t>, name: &str) -> Option<&'e Element<'t>> {
    if element.name == name {
        return Some(element);
    }
    element.children.iter().find_map(|child| find(child, name))
}
