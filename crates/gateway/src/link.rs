//! Whose record it is: the keys by which what a message says of a patient, a visit or a result is
//! found again, whichever door the next message comes by.
//!
//! - A patient of an organisation: `urn:tongmai:patient:ORG|number`, and `urn:tongmai:citizen:ORG|number`
//!   of the national number. Records of several organisations are linked to persons by the identity
//!   desk, never here.
//! - A visit: `urn:tongmai:visit:ORG|number`, organisation and encounter number.
//! - A stay: `urn:tongmai:stay:ORG|patient/YYYYMMDDhhmm`, the patient's number and the minute of the admission, for front
//!   pages and settlement lists, which do not name the visit's number.
//! - A diagnosis: the visit and the code. A result: organisation, number of the order and what was
//!   measured. These need no search: their addresses follow from the key.
//!
//! What has no key is known by the bytes of its message, so that a sender who counts from one again
//! overwrites nothing.

use std::collections::HashMap;

use tongmai_fhir::json::Json;
use tongmai_fhir::reference::for_each_reference_mut;

use crate::build::{Node, object, property, push, text};
use crate::combine::{full_name, said, settled};
use crate::form::read::RECORD;
use crate::{Entry, Request, Understood, stable_id};

/// System of citizens' identity numbers.
const CITIZEN: &str = "urn:oid:2.16.156.10011.1.3";
/// System of the codes of organisations.
const ORGANIZATION: &str = "urn:oid:2.16.156.10011.1.5";
/// Beginning of the systems of patients of an organisation.
pub const PATIENT: &str = "urn:tongmai:patient:";
/// Beginning of the systems of citizens' numbers within an organisation.
pub const CITIZEN_AT: &str = "urn:tongmai:citizen:";
/// Beginning of the systems of visits of an organisation.
pub const VISIT: &str = "urn:tongmai:visit:";
/// Beginning of the systems of stays of an organisation.
pub const STAY: &str = "urn:tongmai:stay:";

/// ICD-10 by the names that doors give it.
const ICD10: &str = "http://hl7.org/fhir/sid/icd-10";

/// Gives everything its key. `digest` is that of the original.
pub fn settle(understood: &mut Understood, digest: &str) {
    let organization = organization(understood);
    understood.source.organization = organization.clone();
    diagnoses_of_the_visit(&mut understood.entries);
    let numbers = own_numbers(&understood.entries);
    let reports = reports(&understood.entries);
    let mut keys = Keys {
        organization,
        digest,
        reports,
        numbers,
        moved: HashMap::new(),
        visits: HashMap::new(),
        results: HashMap::new(),
    };
    for entry in &mut understood.entries {
        match entry.resource.text("resourceType").unwrap_or_default() {
            "Patient" => keys.patient(entry),
            "Encounter" => keys.visit(entry),
            _ => {}
        }
    }
    let format = understood.source.format.clone();
    for entry in &mut understood.entries {
        keys.derived(entry, &format);
    }
    let Keys { moved, .. } = keys;
    redirect(&mut understood.entries, &moved);
    unite(&mut understood.entries);
    let times = Times::of(understood);
    for entry in &mut understood.entries {
        let kind = entry.resource.text("resourceType").unwrap_or_default().to_owned();
        said(&mut entry.resource, times.of_type(&kind));
        entry.resource = settled(std::mem::replace(&mut entry.resource, Json::Null));
    }
}

/// The code of the organisation that a message speaks for: the provider of its visit, else who keeps
/// its document, else its sender.
fn organization(understood: &Understood) -> String {
    if !understood.source.organization.is_empty() {
        return understood.source.organization.clone();
    }
    let by_url = |url: &str| understood.entries.iter().find(|entry| entry.full_url == url);
    let code = |entry: &Entry| {
        let mut identifiers = entry.resource.items("identifier").iter();
        let code = identifiers.find(|identifier| identifier.text("system") == Some(ORGANIZATION))?;
        code.text("value").map(str::to_owned)
    };
    let refers = |kind: &str, name: &str| {
        let mut entries = understood.entries.iter();
        let entry = entries.find(|entry| entry.resource.text("resourceType") == Some(kind))?;
        let mut at = by_url(entry.resource.get(name)?.text("reference")?)?;
        // A department belongs to its hospital.
        for _ in 0..4 {
            match at.resource.get("partOf").and_then(|of| by_url(of.text("reference")?)) {
                Some(above) => at = above,
                None => break,
            }
        }
        code(at)
    };
    let sender = || {
        let sender = &understood.source.sender;
        Some(sender.split_once('@').map_or(sender.as_str(), |(_, facility)| facility).to_owned())
    };
    let found = refers("Encounter", "serviceProvider")
        .or_else(|| refers("Composition", "custodian"))
        .or_else(|| refers("Patient", "managingOrganization"))
        .or_else(sender);
    found.unwrap_or_default()
}

struct Keys<'k> {
    organization: String,
    digest: &'k str,
    /// New addresses of entries, by their old ones.
    moved: HashMap<String, String>,
    /// Numbers of visits, by the address of the entry.
    visits: HashMap<String, String>,
    /// The organisation's numbers of patients, by the address of the entry.
    numbers: HashMap<String, String>,
    /// Numbers of orders, by the address of the report or of its result.
    reports: HashMap<String, String>,
    /// How often each result of an order was seen.
    results: HashMap<String, usize>,
}

/// The stay that a message tells of without the number of the visit: system and value of its key.
pub(crate) fn nameless_stay(understood: &Understood) -> Option<(String, String)> {
    let mut visits = understood.entries.iter().filter(|entry| is(entry, "Encounter"));
    let (visit, None) = (visits.next()?, visits.next()) else { return None };
    if visit.resource.items("identifier").iter().any(is_number_of_a_visit) {
        return None;
    }
    let at = word(&organization(understood));
    Some((format!("{STAY}{at}"), stay(&visit.resource, &own_numbers(&understood.entries))?))
}

/// Gives the only visit of a message the number that a stored one of the same stay has.
pub(crate) fn name_the_stay(understood: &mut Understood, stored: &Node) {
    let mut known = stored.items("identifier").iter();
    let known = known.find(|known| known.text("system").is_some_and(|system| system.starts_with(VISIT)));
    if let (Some(known), Some(visit)) =
        (known, understood.entries.iter_mut().find(|entry| is(entry, "Encounter")))
    {
        push(&mut visit.resource, "identifier", known.clone());
    }
}

/// The value of the key of a stay: the patient's number and the minute of the admission.
fn stay(visit: &Node, numbers: &HashMap<String, String>) -> Option<String> {
    let is_stay = visit.get("class")?.text("code") == Some("IMP");
    let number = numbers.get(visit.get("subject")?.text("reference")?)?;
    let start = stamp(visit.get("period")?.text("start")?);
    let minute = start.get(..12).filter(|minute| is_stay && minute.bytes().all(|b| b.is_ascii_digit()))?;
    Some(format!("{number}/{minute}"))
}

/// Whether an identifier is one by which an organisation counts its visits: not that of a form's record, nor the insurer's.
fn is_number_of_a_visit(identifier: &Node) -> bool {
    let system = identifier.text("system").unwrap_or_default();
    let others = [RECORD, "urn:tongmai:insurance:", STAY];
    !others.iter().any(|other| system.starts_with(other))
        && identifier.text("value").is_some_and(|value| !value.is_empty())
}

/// The organisation's own number of each patient, by the address of the entry.
fn own_numbers(entries: &[Entry]) -> HashMap<String, String> {
    let patients = entries.iter().filter(|entry| is(entry, "Patient"));
    let own = patients.filter_map(|entry| {
        let mut all = entry.resource.items("identifier").iter();
        let own = all.find(|identifier| !is_citizen(identifier) && is_own_number(identifier))?;
        Some((entry.full_url.clone(), own.text("value").filter(|value| !value.is_empty())?.to_owned()))
    });
    own.collect()
}

fn is(entry: &Entry, kind: &str) -> bool {
    entry.resource.text("resourceType") == Some(kind)
}

/// Diagnoses that name no visit are those of the only one that the message tells of.
fn diagnoses_of_the_visit(entries: &mut [Entry]) {
    let mut visits = entries.iter().filter(|entry| is(entry, "Encounter"));
    let (Some(visit), None) = (visits.next(), visits.next()) else { return };
    let visit = visit.full_url.clone();
    for entry in entries.iter_mut().filter(|entry| is(entry, "Condition")) {
        if entry.resource.get("encounter").is_none() {
            *property(&mut entry.resource, "encounter") = crate::build::reference(&visit);
        }
    }
}

/// The filler's number of each report, also by the addresses of its results.
fn reports(entries: &[Entry]) -> HashMap<String, String> {
    let mut reports = HashMap::new();
    for entry in entries.iter().filter(|e| e.resource.text("resourceType") == Some("DiagnosticReport")) {
        let order = entry.resource.items("identifier").iter().find(|identifier| {
            let codes = identifier.get("type").map_or(&[][..], |kind| kind.items("coding"));
            codes.iter().any(|coding| coding.text("code") == Some("FILL"))
        });
        let Some(number) = order.and_then(|order| order.text("value")) else { continue };
        reports.insert(entry.full_url.clone(), number.to_owned());
        for result in entry.resource.items("result").iter().filter_map(|result| result.text("reference")) {
            reports.insert(result.to_owned(), number.to_owned());
        }
    }
    reports
}

/// Part of an identifier system.
fn word(name: &str) -> String {
    name.chars().map(|c| if c.is_whitespace() || "<>\"{}|\\^`,".contains(c) { '_' } else { c }).collect()
}

fn identifier(system: String, value: &str) -> Node {
    object([("use", text("secondary")), ("system", text(system)), ("value", text(value))])
}

/// A value within a search.
fn sought(value: &str) -> String {
    let mut out = String::new();
    for byte in value.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' | b':' => {
                out.push(byte as char);
            }
            b'\\' | b'|' | b',' | b'$' => out.push_str(&format!("%5C%{byte:02X}")),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// Whether an identifier is the national number.
fn is_citizen(identifier: &Node) -> bool {
    let codes = identifier.get("type").map_or(&[][..], |kind| kind.items("coding"));
    identifier.text("system") == Some(CITIZEN)
        || codes.iter().any(|coding| matches!(coding.text("code"), Some("NI" | "NNCHN" | "NNCN")))
}

impl Keys<'_> {
    fn patient(&mut self, entry: &mut Entry) {
        name_in_one_piece(&mut entry.resource);
        phones(&mut entry.resource);
        let at = word(&self.organization);
        let mut keys: Vec<(String, String)> = Vec::new();
        for identifier in entry.resource.items("identifier") {
            let Some(value) = identifier.text("value").filter(|value| !value.is_empty()) else { continue };
            if is_citizen(identifier) {
                keys.push((format!("{CITIZEN_AT}{at}"), value.to_owned()));
            } else if is_own_number(identifier) && !keys.iter().any(|(system, _)| system.starts_with(PATIENT))
            {
                keys.insert(0, (format!("{PATIENT}{at}"), value.to_owned()));
            }
        }
        self.key(entry, keys);
    }

    fn visit(&mut self, entry: &mut Entry) {
        let at = word(&self.organization);
        let mut keys: Vec<(String, String)> = Vec::new();
        for identifier in entry.resource.items("identifier").iter().filter(|of| is_number_of_a_visit(of)) {
            let key = (format!("{VISIT}{at}"), identifier.text("value").unwrap_or_default().to_owned());
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
        keys.truncate(4);
        keys.extend(stay(&entry.resource, &self.numbers).map(|stay| (format!("{STAY}{at}"), stay)));
        let old = entry.full_url.clone();
        if let Some((_, number)) = keys.first() {
            self.visits.insert(old, number.clone());
        }
        self.key(entry, keys);
    }

    /// Adds the keys to the identifiers, and has the entry brought up to date where one of them is known.
    fn key(&mut self, entry: &mut Entry, keys: Vec<(String, String)>) {
        let Some((system, value)) = keys.first() else { return };
        let address = format!("urn:uuid:{}", stable_id(&["key", system, value]));
        self.moved.insert(std::mem::replace(&mut entry.full_url, address.clone()), address);
        let terms: Vec<String> =
            keys.iter().map(|(system, value)| format!("{}|{}", sought(system), sought(value))).collect();
        entry.request = Request::Update(format!("identifier={}", terms.join(",").replace('|', "%7C")));
        for (system, value) in &keys {
            let stands = entry.resource.items("identifier").iter();
            let is_of_visit = system.starts_with(VISIT) || system.starts_with(STAY);
            if is_of_visit || !stands.clone().any(|known| known.text("system") == Some(system)) {
                push(&mut entry.resource, "identifier", identifier(system.clone(), value));
            }
        }
    }

    /// The address of what is found by what it is about, or by the bytes of its message.
    fn derived(&mut self, entry: &mut Entry, format: &str) {
        let kind = entry.resource.text("resourceType").unwrap_or_default().to_owned();
        let key = match kind.as_str() {
            "Patient" | "Encounter" if matches!(entry.request, Request::Update(_)) => return,
            "Condition" => self.diagnosis(entry),
            "Observation" | "DiagnosticReport" if format == "hl7v2" => self.result(entry, &kind),
            _ => None,
        };
        let address = match key {
            Some(parts) => {
                let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
                stable_id(&parts)
            }
            // An account is known by its sender's number, a document by its own identifier.
            None if kind == "Account" || (format == "wst500" && entry.request == Request::Create) => return,
            // A thing is known by what it is searched with, whoever names it first.
            None if entry.request != Request::Create => {
                let (Request::CreateUnless(query) | Request::Update(query)) = &entry.request else { return };
                stable_id(&["thing", &kind, &query.replace("%7C", "|")])
            }
            None => stable_id(&["of", self.digest, &entry.full_url]),
        };
        let address = format!("urn:uuid:{address}");
        self.moved.insert(std::mem::replace(&mut entry.full_url, address.clone()), address);
    }

    fn diagnosis(&self, entry: &mut Entry) -> Option<Vec<String>> {
        let code = property(&mut entry.resource, "code");
        name_the_code(code);
        if let Json::Array(codings) = property(code, "coding") {
            for coding in codings.iter_mut() {
                let is_icd = coding.text("system").is_none_or(is_icd10);
                if is_icd && coding.text("code").is_some_and(looks_like_icd10) {
                    *property(coding, "system") = text(ICD10);
                }
            }
        }
        crate::build::prune(&mut entry.resource);
        let visit = entry.resource.get("encounter")?.text("reference")?;
        let number = self.visits.get(visit)?;
        let code = entry.resource.get("code")?.items("coding").first()?.text("code")?.to_ascii_uppercase();
        Some(vec!["diagnosis".into(), word(&self.organization), number.clone(), code])
    }

    /// A result is that of an order and of what was measured; a second one of the same comes beside it.
    fn result(&mut self, entry: &Entry, kind: &str) -> Option<Vec<String>> {
        let number = self.reports.get(&entry.full_url)?;
        let code = entry.resource.get("code")?;
        let code =
            code.items("coding").first().and_then(|coding| coding.text("code")).or(code.text("text"))?;
        let mut key =
            vec!["result".into(), word(&self.organization), kind.into(), number.clone(), code.into()];
        let seen = self.results.entry(key.join("\n")).or_default();
        key.push(seen.to_string());
        *seen += 1;
        Some(key)
    }
}

/// A name that only stands beside the code belongs to it.
fn name_the_code(code: &mut Node) {
    let Some(words) = code.text("text").map(str::to_owned) else { return };
    if let Json::Array(codings) = property(code, "coding")
        && let [only] = codings.as_mut_slice()
        && only.text("display").is_none()
    {
        *property(only, "display") = text(words);
    }
}

fn is_icd10(system: &str) -> bool {
    system == ICD10
        || system.starts_with("urn:oid:2.16.156.10011.2.3.3.11")
        || system.to_ascii_lowercase().contains("icd10")
        || system.to_ascii_lowercase().contains("icd-10")
        || system.ends_with("/I10")
        || system.ends_with("/I9C")
}

fn looks_like_icd10(code: &str) -> bool {
    let bytes = code.as_bytes();
    bytes.len() >= 3
        && bytes[0].is_ascii_uppercase()
        && bytes[1].is_ascii_digit()
        && bytes[2].is_ascii_alphanumeric()
}

/// A number that the organisation gave the patient: not that of a card or an account.
fn is_own_number(identifier: &Node) -> bool {
    let codes = identifier.get("type").map_or(&[][..], |kind| kind.items("coding"));
    let system = identifier.text("system").unwrap_or_default();
    let foreign = ["urn:oid:2.16.156.10011.1.19", "urn:oid:2.16.156.10011.1.2"].contains(&system);
    let own = ["MR", "PI", "PT", "PN"];
    !foreign
        && (codes.is_empty()
            || codes.iter().any(|coding| coding.text("code").is_some_and(|c| own.contains(&c))))
}

/// A number without a system is that of a phone: R4 wants one, and the same number of another door has it.
fn phones(patient: &mut Node) {
    if let Json::Array(contacts) = property(patient, "telecom") {
        for contact in contacts.iter_mut().filter(|contact| contact.get("system").is_none()) {
            let is_number = |value: &str| value.bytes().filter(u8::is_ascii_digit).count() >= 5;
            if contact.text("value").is_some_and(is_number) {
                *property(contact, "system") = text("phone");
            }
        }
    }
    crate::build::prune(patient);
}

/// A name's text: family and given in one piece, as Chinese names are written.
fn name_in_one_piece(patient: &mut Node) {
    let Json::Array(names) = property(patient, "name") else {
        crate::build::prune(patient);
        return;
    };
    for name in names {
        let whole = full_name(name);
        let is_chinese = whole.chars().any(|letter| ('\u{3400}'..='\u{9fff}').contains(&letter));
        if is_chinese && name.text("text").is_none() {
            *property(name, "text") = text(whole);
        }
    }
}

fn redirect(entries: &mut [Entry], moved: &HashMap<String, String>) {
    if moved.is_empty() {
        return;
    }
    for entry in entries {
        for_each_reference_mut(&mut entry.resource, &mut |target| {
            if let Some(address) = moved.get(target.as_ref()) {
                *target = address.clone().into();
            }
        });
    }
}

/// Entries that came to the same address, or ask for the same thing, become one.
fn unite(entries: &mut Vec<Entry>) {
    let mut first: HashMap<String, usize> = HashMap::new();
    let mut moved: HashMap<String, String> = HashMap::new();
    let mut kept: Vec<Entry> = Vec::with_capacity(entries.len());
    for entry in entries.drain(..) {
        let kind = entry.resource.text("resourceType").unwrap_or_default();
        let asks = match &entry.request {
            Request::Create => None,
            Request::CreateUnless(query) | Request::Update(query) => Some(format!("{kind}?{query}")),
        };
        let same = first.get(&entry.full_url).or_else(|| first.get(asks.as_ref()?)).copied();
        match same {
            Some(at) => {
                moved.insert(entry.full_url.clone(), kept[at].full_url.clone());
                fill(&mut kept[at].resource, entry.resource);
            }
            None => {
                first.insert(entry.full_url.clone(), kept.len());
                first.extend(asks.map(|asks| (asks, kept.len())));
                kept.push(entry);
            }
        }
    }
    moved.retain(|from, to| from != to);
    redirect(&mut kept, &moved);
    *entries = kept;
}

/// What the other has and this one lacks.
fn fill(one: &mut Node, other: Node) {
    if let Json::Object(properties) = other {
        for (name, value) in properties {
            if one.get(&name).is_none() {
                *property(one, &name) = value;
            }
        }
    }
}

/// Who vouches for what, and when it was said.
struct Times {
    sent: String,
    is_about_people: bool,
    is_about_visits: bool,
}

impl Times {
    fn of(understood: &Understood) -> Times {
        let source = &understood.source;
        let composed = || {
            let mut entries = understood.entries.iter();
            let composition =
                entries.find(|entry| entry.resource.text("resourceType") == Some("Composition"));
            composition.and_then(|entry| entry.resource.text("date")).unwrap_or_default().to_owned()
        };
        let sent = if source.sent.is_empty() { composed() } else { source.sent.clone() };
        let kind = source.kind.as_str();
        let (is_about_people, is_about_visits) = match source.format.as_str() {
            "hl7v2" => (kind.starts_with("ADT"), !(kind.starts_with("OR") || kind.starts_with("OML"))),
            "wst500" => (false, true),
            "service" => (
                // A registration that leaves out what only the person's service asks for looks like that of a card.
                kind.starts_with("PatientInfo") || kind.starts_with("EncounterCardInfo"),
                ["InPatient", "OutPatient", "Discharge", "Transfer"].iter().any(|of| kind.starts_with(of)),
            ),
            _ => (true, true),
        };
        Times { sent: stamp(&sent), is_about_people, is_about_visits }
    }

    fn of_type(&self, kind: &str) -> &str {
        match kind {
            "Patient" if !self.is_about_people => "",
            "Encounter" if !self.is_about_visits => "",
            "Organization" | "Practitioner" | "Location" | "MessageHeader" => "",
            _ => &self.sent,
        }
    }
}

/// `YYYYMMDDhhmmss` in China Standard Time.
fn stamp(time: &str) -> String {
    let mut stamp = crate::wst500::stamp(time);
    while (8..14).contains(&stamp.len()) {
        stamp.push('0');
    }
    stamp.truncate(14);
    stamp
}
