//! From the model of a document to FHIR resources.

use std::collections::{HashMap, HashSet};

use tongmai_base::{Finding, Severity, limits};
use tongmai_fhir::json::Json;

use super::convert::to_fhir;
use super::document::{Document, Leaf, Section, is_filler, is_placeholder};
use super::layout::{Layout, Place, layout};
use super::skeleton;
use super::table::{CATALOGUE, Conversion, Element, Grammar, tables};
use crate::build::{Node, item, object, property, reference, text};
use crate::xml::Places;
use crate::{Entry, Source, Understood, stable_id};

mod statement;

/// Documents whose participants are those who took part in a discussion, not the contact of the patient.
pub const DISCUSSIONS: &[&str] = &["C0040", "C0044", "C0047", "C0051"];
/// The type whose layout health records are read by: that of a visit to an outpatient department.
const HEALTH_RECORD: &str = "C0002";
/// The identity card's number.
pub const IDENTITY_CARD: &str = "2.16.156.10011.1.3";

/// Most values that a header is read for.
const HEAD_VALUES: usize = 2_000;

/// A resource in the making.
pub struct Making {
    /// `Patient`, `Practitioner:author`, `Observation:17`.
    pub key: String,
    pub node: Node,
}

struct Builder<'d> {
    document: &'d Document,
    grammar: &'static Grammar,
    layout: &'static Layout,
    places: &'d Places<'d>,
    /// What the addresses of this document's resources are made of.
    identity: Vec<&'d str>,
    made: Vec<Making>,
    by_key: HashMap<String, usize>,
    /// Places of the header, data elements of statements and leaves of statements that were seen.
    seen: HashSet<String>,
    findings: Vec<Finding>,
}

/// Makes resources of a document. `None` when its type is none of the 53.
pub fn understand(
    document: &Document,
    places: &Places<'_>,
    findings: Vec<Finding>,
) -> Result<Understood, Vec<Finding>> {
    let mut findings = findings;
    let own = tables().grammar(&document.code);
    let shared = || {
        let is_health_record = document.health_record > 0;
        is_health_record.then(|| tables().grammar(HEALTH_RECORD)).flatten()
    };
    let Some(grammar) = own.or_else(shared) else {
        let code = if document.code.is_empty() { "none" } else { &document.code };
        findings.push(
            Finding::new(
                Severity::Fatal,
                "/ClinicalDocument/code/@code",
                "document-type",
                format!("the document's type is {code}, and not one of C0001 to C0053"),
            )
            .with_repair("write the code of WS/T 500 into /ClinicalDocument/code/@code"),
        );
        return Err(findings);
    };
    if own.is_none() {
        let part = document.health_record;
        let message = format!(
            "part {part} of WS/T 483 is read by the tables that the shared documents have in common: its header, \
             and each statement whose data element is known"
        );
        let path = "/ClinicalDocument/templateId";
        let finding = Finding::new(Severity::Information, path, "health-record", message);
        findings.push(finding.with_repair("none is needed; what has no place stands in the other findings"));
    }
    let mut builder = Builder {
        document,
        grammar,
        layout: layout(grammar.code),
        places,
        identity: identity(document),
        made: Vec::new(),
        by_key: HashMap::new(),
        seen: HashSet::new(),
        findings,
    };
    for key in ["Patient", "Encounter", "Composition"] {
        builder.make(key.to_owned());
    }
    for leaf in document.head.iter().take(HEAD_VALUES) {
        builder.head(leaf);
    }
    if document.head.len() > HEAD_VALUES {
        let message = format!("more than {HEAD_VALUES} values; the others are not read");
        builder.found(
            Severity::Error,
            "/ClinicalDocument".to_owned(),
            "limit",
            message,
            "send a smaller document",
        );
    }
    for (number, section) in document.sections.iter().enumerate() {
        builder.section(number, section);
    }
    // What a health record must hold is not in the tables.
    if own.is_some() {
        builder.missing();
    }
    Ok(builder.finish())
}

impl Builder<'_> {
    fn found(&mut self, severity: Severity, path: String, code: &str, message: String, repair: &str) {
        if self.findings.len() <= limits::MESSAGE_FINDINGS {
            self.findings.push(Finding::new(severity, path, code, message).with_repair(repair));
        }
    }

    /// The number of a resource, made where it is not there yet.
    fn make(&mut self, key: String) -> usize {
        if let Some(index) = self.by_key.get(&key) {
            return *index;
        }
        let node = skeleton::resource(key.split(':').next().unwrap_or_default());
        self.by_key.insert(key.clone(), self.made.len());
        self.made.push(Making { key, node });
        self.made.len() - 1
    }

    /// A further resource of a type.
    fn another(&mut self, resource: &str) -> usize {
        self.make(format!("{resource}:{}", self.made.len()))
    }

    fn head(&mut self, leaf: &Leaf) {
        let element = self.layout.head_element(&leaf.path, &leaf.mark);
        let path = format!("/ClinicalDocument/{}", leaf.path.replace('*', &leaf.mark));
        self.seen.insert(leaf.path.replace('*', &leaf.mark));
        if leaf.path == "recordTarget/patientRole/patient/id/@root" {
            if leaf.value != IDENTITY_CARD {
                let message =
                    format!("identifiers of persons of kind {} are taken for identity cards", leaf.value);
                self.found(
                    Severity::Information,
                    path,
                    "identifier-system",
                    message,
                    "write 2.16.156.10011.1.3",
                );
            }
            return;
        }
        // What follows from a code beside it, or is the same in every document.
        if matches!(
            leaf.path.as_str(),
            "code/@displayName"
                | "effectiveTime/@unit"
                | "confidentialityCode/@codeSystem"
                | "confidentialityCode/@displayName"
                | "recordTarget/patientRole/patient/administrativeGenderCode/@codeSystem"
                | "relatedDocument/@typeCode"
        ) {
            return;
        }
        if leaf.path == "recordTarget/patientRole/patient/administrativeGenderCode/@displayName" {
            return;
        }
        let Some((place, number)) = self.head_place(leaf) else {
            let message = format!("{}{}", named(element), leaf.value);
            self.found(
                Severity::Warning,
                path,
                "unmapped",
                message,
                "nothing is lost: the document is kept as it came",
            );
            return;
        };
        let conversion = place.conversion;
        let filler =
            if conversion == Conversion::Text { is_filler(&leaf.value) } else { is_placeholder(&leaf.value) };
        if filler {
            let message = format!("{}'{}' stands for a value that is missing", named(element), leaf.value);
            self.found(
                Severity::Warning,
                path,
                "placeholder",
                message,
                "write the value, or leave the element out",
            );
            return;
        }
        self.length(element, &leaf.value, &path);
        let value = match to_fhir(conversion, &leaf.value) {
            Ok(value) => value,
            Err(expected) => {
                let message = format!("{}'{}' is not {expected}", named(element), leaf.value);
                self.found(Severity::Error, path, "format", message, expected);
                return;
            }
        };
        let target = &place.target;
        let key = match target.resource.as_str() {
            "Practitioner:authenticator" => format!("Practitioner:authenticator.{}", leaf.number),
            other => other.to_owned(),
        };
        let index = self.make(key);
        if !target.set(&mut self.made[index].node, number, &leaf.mark, value) {
            let message =
                format!("{}'{}' comes after another value for the same", named(element), leaf.value);
            self.found(Severity::Warning, path, "repeated", message, "write it once");
        }
    }

    /// The place of a leaf of the header and the running number there.
    fn head_place(&self, leaf: &Leaf) -> Option<(&'static super::table::Place, usize)> {
        let tables = tables();
        let marked = leaf.path.contains("{*}").then(|| leaf.path.replace('*', &leaf.mark));
        let discussion = DISCUSSIONS.contains(&self.grammar.code);
        let fit = |path: &str| {
            let mut places = tables.head_places(path).filter(|place| leaf.number == 0 || place.repeats);
            let first = places.next()?;
            // A contact and those who took part stand at the same place.
            if first.repeats == discussion || !path.starts_with("participant/") {
                return Some(first);
            }
            places.find(|place| place.repeats == discussion).or(Some(first))
        };
        let found = marked
            .as_deref()
            .and_then(fit)
            .or_else(|| fit(&leaf.path))
            .or_else(|| in_attribute(&leaf.path, fit));
        found.map(|place| (place, leaf.number))
    }

    fn length(&mut self, element: Option<&Element>, value: &str, path: &str) {
        let Some(element) = element.filter(|element| too_long(Some(element), value)) else { return };
        let (length, most) = (value.chars().count(), element.length);
        let message = format!("{} {}: {length} characters, {most} are allowed", element.code, element.label);
        let repair = "shorten it; it is kept whole";
        self.found(Severity::Information, path.to_owned(), "too-long", message, repair);
    }

    fn section(&mut self, number: usize, section: &Section) {
        let mut entries = Vec::new();
        for statement in &section.statements {
            self.statement(statement, None, &mut entries);
        }
        let known = tables().section(&section.code, &section.title);
        let mut coding = Json::Null;
        if !section.code.is_empty() && !is_filler(&section.code) {
            coding = object([
                ("system", text("http://loinc.org")),
                ("code", text(section.code.as_str())),
                ("display", text(section.title.as_str())),
            ]);
        }
        let title = known.map_or(section.title.as_str(), |known| known.title);
        let code = object([("coding", Json::Array(vec![coding])), ("text", text(section.title.as_str()))]);
        let mut out = object([("title", text(title)), ("code", code)]);
        if !section.text.is_empty() {
            let div = format!("<div xmlns=\"http://www.w3.org/1999/xhtml\">{}</div>", escaped(&section.text));
            *property(&mut out, "text") = object([("status", text("additional")), ("div", text(div))]);
        }
        let references = entries.into_iter().map(|index| reference(&self.address(index))).collect();
        *property(&mut out, "entry") = Json::Array(references);
        let composition = self.make("Composition".to_owned());
        *item(property(&mut self.made[composition].node, "section"), number) = out;
    }

    /// The address of a resource: the same document always makes the same.
    fn address(&self, index: usize) -> String {
        address(&self.identity, &self.made[index].key)
    }

    /// Data elements that the standard wants and that were not seen.
    fn missing(&mut self) {
        for placed in &self.layout.placed {
            let element = placed.element;
            if !element.cardinality.starts_with('1') || self.is_seen(&placed.place, element) {
                continue;
            }
            let message = format!("{} {} is missing", element.code, element.label);
            self.found(
                Severity::Warning,
                placed.xpath(),
                "mandatory-missing",
                message,
                "fill it in where the document is written",
            );
        }
    }

    fn is_seen(&self, place: &Place, element: &Element) -> bool {
        let signed = |tail: &str| {
            ["legalAuthenticator", "authenticator"].iter().any(|signer| {
                let path = format!("{signer}/{tail}");
                self.seen.contains(&path) || self.seen.contains(&format!("{path}/@value"))
            })
        };
        match place {
            Place::Head { path, mark } => {
                let path = path.replace('*', mark);
                let element = path.rsplit_once("/@").map_or(path.as_str(), |(element, _)| element);
                self.seen.contains(&path) || self.seen.contains(element)
            }
            Place::Signer { .. } => signed("assignedEntity/assignedPerson/name"),
            Place::SignedAt { .. } => signed("time"),
            Place::Body { part, .. } if part.path.is_empty() || part.path.starts_with("value/") => {
                part.path.ends_with("displayName") || self.seen.contains(element.code)
            }
            Place::Body { part, .. } => {
                let kind = match part.kind {
                    "proc" if part.depth == 0 => "procedure",
                    "drug" if part.depth == 0 => "substanceAdministration",
                    _ => "observation",
                };
                self.seen.contains(&format!("{kind} {}", part.path.replace("{*}", "")))
            }
            Place::Nowhere => true,
        }
    }

    fn finish(mut self) -> Understood {
        let identity = std::mem::take(&mut self.identity);
        skeleton::link(&mut self.made, self.document, self.grammar, &|key| address(&identity, key));
        self.identity = identity;
        let head = |path: &str| {
            self.document.head.iter().find(|leaf| leaf.path == path).map(|leaf| leaf.value.clone())
        };
        let source = Source {
            format: "wst500".to_owned(),
            sender: head("custodian/assignedCustodian/representedCustodianOrganization/id/@extension")
                .unwrap_or_default(),
            message_id: head("id/@extension").unwrap_or_default(),
            kind: self.document.code.clone(),
            ..Source::default()
        };
        let addresses: Vec<String> = (0..self.made.len()).map(|index| self.address(index)).collect();
        let entries = self.made.into_iter().zip(addresses).map(|(making, full_url)| {
            let request = skeleton::request(&making);
            Entry { full_url, resource: making.node, request }
        });
        let mut understood = Understood { source, entries: entries.collect(), findings: self.findings };
        understood.settle();
        understood
    }
}

/// Whether a value is longer than its data element allows.
fn too_long(element: Option<&Element>, value: &str) -> bool {
    let most = element.and_then(|element| element.length.parse::<usize>().ok());
    most.is_some_and(|most| value.len() > most && value.chars().count() > most)
}

/// What tells one document from others: its type, its identifier and who keeps it.
fn identity(document: &Document) -> Vec<&str> {
    let value = |path: &str| {
        document.head.iter().find(|leaf| leaf.path == path).map_or("", |leaf| leaf.value.as_str())
    };
    let keeper = "custodian/assignedCustodian/representedCustodianOrganization/id/@extension";
    vec!["wst500", value(keeper), value("id/@extension"), document.code.as_str()]
}

/// The address of a resource: the same document always makes the same.
fn address(identity: &[&str], key: &str) -> String {
    let parts: Vec<&str> = identity.iter().copied().chain([key]).collect();
    format!("urn:uuid:{}", stable_id(&parts))
}

fn named(element: Option<&Element>) -> String {
    element.map_or(String::new(), |element| format!("{} {}: ", element.code, element.label))
}

/// Text within XHTML.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Says that the standard's catalogue is meant.
pub fn is_catalogue(system: &str) -> bool {
    system.strip_prefix("urn:oid:") == Some(CATALOGUE)
}

/// The place of a text that should have been an attribute of its element, as `fit` finds places.
fn in_attribute<P>(path: &str, fit: impl Fn(&str) -> Option<P>) -> Option<P> {
    if path.contains('@') {
        return None;
    }
    ["/@value", "/@extension", "/@displayName"].iter().find_map(|tail| fit(&format!("{path}{tail}")))
}
