//! From the tree of a document to resources, by the tables.

use std::collections::{HashMap, HashSet};

use tongmai_base::{Finding, Severity, limits};
use tongmai_fhir::json::Json;

use super::select::Found;
use super::table::{Block, Conversion, Tables};
use super::value;
use crate::build::{Node, number, object, prune, reference, text};
use crate::understood::by_identifier;
use crate::xml::{Element, Places};
use crate::{Entry, Request, Source, Understood, stable_id};

/// Types of which one identifier names one thing for good.
const THINGS: &[&str] = &["Patient", "Practitioner", "Organization", "Encounter", "Location"];
/// Elements that say something clinical: each is used, or named in a finding.
const STATEMENTS: &[&str] =
    &["act", "encounter", "observation", "organizer", "procedure", "substanceAdministration", "supply"];

/// Reads a document into resources.
pub fn convert(
    document: &Element<'_>,
    tables: &Tables,
    places: &Places<'_>,
    findings: Vec<Finding>,
) -> Understood {
    let id = document.child("id");
    let part = |name: &str| id.and_then(|id| id.attribute(name)).unwrap_or_default();
    let custodian = document.at("custodian/assignedCustodian/representedCustodianOrganization/id");
    let message_id = [part("root"), part("extension")];
    let source = Source {
        format: super::FORMAT.to_owned(),
        sender: custodian.and_then(|id| id.attribute("root")).unwrap_or_default().to_owned(),
        message_id: message_id.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/"),
        kind: document.child("code").and_then(|code| code.attribute("code")).unwrap_or_default().to_owned(),
        ..Source::default()
    };
    let mut maker = Maker {
        tables,
        places,
        source,
        entries: Vec::new(),
        known: HashMap::new(),
        made: HashMap::new(),
        used: HashSet::new(),
        patient: None,
        encounter: None,
        section: String::new(),
        findings,
    };
    maker.document(document);
    let Maker { source, entries, findings, .. } = maker;
    let mut understood = Understood { source, entries, findings };
    understood.settle();
    if understood.entries.is_empty() && !understood.is_fatal() {
        understood.findings.push(
            Finding::new(Severity::Fatal, "/", "nothing-understood", "no part of the document could be used")
                .with_repair("send a C-CDA document with a recordTarget and sections"),
        );
    }
    understood
}

struct Maker<'e, 't> {
    tables: &'e Tables,
    places: &'e Places<'t>,
    source: Source,
    entries: Vec<Entry>,
    /// Content of a resource → its address: what is the same is said once.
    known: HashMap<String, String>,
    /// Where an element stands → the resources that were made of it, with their block.
    made: HashMap<usize, Vec<(String, String)>>,
    /// Where elements stand of which something was used.
    used: HashSet<usize>,
    patient: Option<String>,
    encounter: Option<String>,
    /// Code of the section at hand.
    section: String,
    findings: Vec<Finding>,
}

impl<'e, 't> Maker<'e, 't> {
    fn document(&mut self, document: &'e Element<'t>) {
        let tables = self.tables;
        if let Some(block) = tables.block("patient") {
            let role = document.at("recordTarget/patientRole");
            self.patient = role.and_then(|role| self.resource(block, role));
        }
        if self.patient.is_none() {
            self.found(
                document,
                Severity::Error,
                "no-patient",
                "the document names no patient".to_owned(),
                "name the patient in recordTarget",
            );
        }
        if let (Some(block), Some(encounter)) =
            (tables.block("visit"), document.at("componentOf/encompassingEncounter"))
        {
            self.encounter = self.resource(block, encounter);
        }
        if let Some(block) = tables.block("related") {
            for guardian in
                document.at("recordTarget/patientRole/patient").into_iter().flat_map(|p| p.all("guardian"))
            {
                self.resource(block, guardian);
            }
        }
        if let Some(body) = document.at("component/structuredBody") {
            for section in body.all("component").filter_map(|component| component.child("section")) {
                self.section(section, 0);
            }
        }
        if let Some(block) = tables.block("composition") {
            self.resource(block, document);
        }
        if let Some(body) = document.at("component/structuredBody") {
            self.name_unused(body);
        }
    }

    fn section(&mut self, section: &'e Element<'t>, depth: usize) {
        let code = section.child("code").and_then(|code| code.attribute("code"));
        self.section = code.unwrap_or_default().to_owned();
        for entry in section.all("entry") {
            self.statements(entry);
        }
        if depth < limits::XML_DEPTH {
            for inner in section.all("component").filter_map(|component| component.child("section")) {
                self.section(inner, depth + 1);
            }
        }
    }

    /// Makes resources of what stands within an element, the outer ones after those that they refer to.
    fn statements(&mut self, element: &'e Element<'t>) {
        for child in &element.children {
            self.statements(child);
            let tables = self.tables;
            for block in &tables.blocks {
                if block.taken.as_ref().is_some_and(|taken| taken.takes(child, &self.section)) {
                    self.resource(block, child);
                }
            }
        }
    }

    /// Makes a resource of an element; the same resource twice is one.
    fn resource(&mut self, block: &'e Block, element: &'e Element<'t>) -> Option<String> {
        if self.entries.len() >= limits::BUNDLE_ENTRIES {
            return None;
        }
        let mut node = object([("resourceType", text(block.resource.as_str()))]);
        if !self.fill(&mut node, block, element, element) {
            return None;
        }
        prune(&mut node);
        let content = node.to_string();
        let address = match self.known.get(&content) {
            Some(address) => address.clone(),
            None => {
                let parts = [super::FORMAT, &self.source.sender, &self.source.message_id, &content];
                let address = format!("urn:uuid:{}", stable_id(&parts));
                let request = request(&block.resource, &node);
                self.entries.push(Entry { full_url: address.clone(), resource: node, request });
                self.known.insert(content, address.clone());
                address
            }
        };
        self.made.entry(element.offset).or_default().push((block.name.clone(), address.clone()));
        Some(address)
    }

    /// Fills a resource or a part; `false` where nothing was found that is not fixed.
    fn fill(
        &mut self,
        node: &mut Node,
        block: &'e Block,
        element: &'e Element<'t>,
        root: &'e Element<'t>,
    ) -> bool {
        let mut any = false;
        for row in &block.rows {
            let is_given = !matches!(
                row.conversion,
                Conversion::Fix(_) | Conversion::Patient | Conversion::Encounter | Conversion::Within(_)
            );
            let mut number = 0;
            for found in row.select.find(element, root) {
                if let Conversion::Same(name) = &row.conversion {
                    let block = self.tables.block(name);
                    any |= block.is_some_and(|block| self.fill(node, block, found.element, root));
                    continue;
                }
                let Some(value) = self.value(&row.conversion, found, root) else { continue };
                let values = match value {
                    Json::Array(values) => values,
                    value => vec![value],
                };
                for mut value in values {
                    if prune(&mut value) && row.place(node, &mut number, value) && is_given {
                        self.used.insert(found.element.offset);
                        any = true;
                    }
                }
            }
        }
        any
    }

    fn value(
        &mut self,
        conversion: &'e Conversion,
        found: Found<'e, 't>,
        root: &'e Element<'t>,
    ) -> Option<Node> {
        let tables = self.tables;
        let element = found.element;
        let words = || found.text.or_else(|| element.attribute("value")).unwrap_or(&element.text);
        let timed = |made: Option<String>| made.map(text);
        let value = match conversion {
            Conversion::Text => Some(text(found.text.map_or_else(|| element.deep_text(), str::to_owned))),
            Conversion::Fix(fixed) => Some(literal(fixed)),
            Conversion::Map(map) => {
                let code = found.text.or_else(|| element.attribute("code")).unwrap_or(&element.text);
                tables.mapped(map, code).map(literal)
            }
            Conversion::Coding => Some(value::coding(element, tables)),
            Conversion::Concept => Some(value::concept(element, tables, true)),
            Conversion::Plain => Some(value::concept(element, tables, false)),
            Conversion::Identifier => Some(value::identifier(element, tables)),
            Conversion::Name => Some(value::name(element)),
            Conversion::Address => Some(value::address(element)),
            Conversion::Telecom => Some(value::telecom(element)),
            Conversion::Quantity => Some(value::quantity(element)),
            Conversion::Number => value::decimal(words()).map(number),
            Conversion::DateTime => timed(value::date_time(words())),
            Conversion::Instant => timed(value::instant(words())),
            Conversion::Date => timed(value::date(words())),
            Conversion::Period => Some(value::period(element)),
            Conversion::Boolean => match words() {
                "true" => Some(Json::Bool(true)),
                "false" => Some(Json::Bool(false)),
                _ => None,
            },
            Conversion::Narrative => Some(value::narrative(element)),
            Conversion::Reference(name) => {
                let block = tables.block(name)?;
                self.resource(block, element).map(|address| reference(&address))
            }
            Conversion::Part(name) => {
                let mut part = Json::Null;
                self.fill(&mut part, tables.block(name)?, element, root).then_some(part)
            }
            Conversion::Within(name) => {
                let mut addresses = Vec::new();
                self.within(element, name.as_deref(), &mut addresses);
                Some(Json::Array(addresses.iter().map(|address| reference(address)).collect()))
            }
            Conversion::Same(_) => None,
            Conversion::Patient => self.patient.as_deref().map(reference),
            Conversion::Encounter => self.encounter.as_deref().map(reference),
        };
        if value.is_none() {
            self.not_usable(conversion, found);
        }
        value
    }

    /// Addresses of what was made within an element, in the order of the document.
    fn within(&self, element: &Element<'_>, name: Option<&str>, out: &mut Vec<String>) {
        for child in &element.children {
            for (block, address) in self.made.get(&child.offset).into_iter().flatten() {
                if name.is_none_or(|name| name == block) && !out.contains(address) {
                    out.push(address.clone());
                }
            }
            self.within(child, name, out);
        }
    }

    /// A value that is written but is not what its place asks for.
    fn not_usable(&mut self, conversion: &Conversion, found: Found<'e, 't>) {
        let expected = match conversion {
            Conversion::DateTime | Conversion::Instant | Conversion::Date => {
                "a time: YYYYMMDDhhmmss+ZZZZ".to_owned()
            }
            Conversion::Number => "a number".to_owned(),
            Conversion::Boolean => "true or false".to_owned(),
            Conversion::Map(map) => format!("one of the codes {}", self.tables.codes(map)),
            _ => return,
        };
        let element = found.element;
        let written = found.text.or_else(|| element.attribute("value")).or_else(|| element.attribute("code"));
        let Some(written) = written.filter(|written| !written.is_empty()) else { return };
        let message = format!("{} '{}' is not {expected}", element.name, short(written));
        self.found(element, Severity::Warning, "value", message, &format!("write {expected}"));
    }

    /// Names statements that carry a code or a value of which nothing was used.
    fn name_unused(&mut self, element: &'e Element<'t>) {
        for child in &element.children {
            if STATEMENTS.contains(&child.name.as_ref()) && !self.is_used(child) {
                let template = child.child("templateId").and_then(|t| t.attribute("root")).unwrap_or("none");
                let code = child.child("code");
                let code =
                    code.and_then(|c| c.attribute("displayName").or(c.attribute("code"))).unwrap_or("none");
                let message = format!(
                    "{} of template {template}, code {}, has no place in the tables",
                    child.name,
                    short(code)
                );
                self.found(
                    child,
                    Severity::Information,
                    "unmapped",
                    message,
                    "add a block for its template to the table",
                );
            } else {
                self.name_unused(child);
            }
        }
    }

    fn is_used(&self, element: &Element<'_>) -> bool {
        self.used.contains(&element.offset) || element.children.iter().any(|child| self.is_used(child))
    }

    fn found(
        &mut self,
        element: &Element<'_>,
        severity: Severity,
        code: &str,
        message: String,
        repair: &str,
    ) {
        if self.findings.len() <= limits::MESSAGE_FINDINGS {
            let path = self.places.of(element.offset);
            self.findings.push(Finding::new(severity, path, code, message).with_repair(repair));
        }
    }
}

/// A text of the table as a value: `true` and `false` are flags.
fn literal(word: &str) -> Node {
    match word {
        "true" => Json::Bool(true),
        "false" => Json::Bool(false),
        other => text(other),
    }
}

fn short(written: &str) -> String {
    written.chars().take(60).collect()
}

/// Things with an identifier are looked for before a new one is made.
fn request(type_name: &str, node: &Node) -> Request {
    let query = Some(node).filter(|_| THINGS.contains(&type_name)).and_then(by_identifier);
    query.map_or(Request::Create, Request::CreateUnless)
}
