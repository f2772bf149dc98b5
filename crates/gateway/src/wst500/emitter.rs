//! From FHIR resources to the model of a document.

use std::collections::HashMap;

use tongmai_base::{Finding, Severity, limits};
use tongmai_fhir::json::Json;

use super::convert::{self, from_fhir};
use super::document::{Code, Document, Leaf, Section, Statement, Value};
use super::layout::{Layout, has, layout};
use super::path::Target;
use super::reader::{DISCUSSIONS, IDENTITY_CARD, is_catalogue};
use super::table::{CATALOGUE, Grammar, Meaning, Place, tables};
use crate::build::Node;

mod roles;

use roles::roles;

/// Resources that a document is emitted of, with their addresses.
pub struct Record<'r> {
    resources: Vec<(String, &'r Node)>,
    by_address: HashMap<String, usize>,
    /// The resources that are told within another, by the number of that.
    within: HashMap<usize, Vec<usize>>,
}

impl<'r> Record<'r> {
    /// Of resources and the addresses by which others refer to them (`urn:uuid:…`, `Patient/1`).
    pub fn new(resources: impl IntoIterator<Item = (String, &'r Node)>) -> Self {
        let resources: Vec<(String, &'r Node)> = resources.into_iter().collect();
        let by_address =
            resources.iter().enumerate().map(|(index, (address, _))| (address.clone(), index)).collect();
        let mut record = Record { resources, by_address, within: HashMap::new() };
        for child in 0..record.resources.len() {
            let parent = record.index(record.resources[child].1.items("focus").first());
            if let Some(parent) = parent.filter(|parent| *parent != child) {
                record.within.entry(parent).or_default().push(child);
            }
        }
        record
    }

    fn first(&self, kind: &str) -> Option<&'r Node> {
        self.all(kind).next()
    }

    fn all<'s>(&'s self, kind: &'s str) -> impl Iterator<Item = &'r Node> + use<'s, 'r> {
        self.resources
            .iter()
            .map(|(_, node)| *node)
            .filter(move |node| node.text("resourceType") == Some(kind))
    }

    fn index(&self, reference: Option<&Node>) -> Option<usize> {
        self.by_address.get(reference?.text("reference")?).copied()
    }

    fn follow(&self, reference: Option<&Node>) -> Option<&'r Node> {
        self.index(reference).map(|index| self.resources[index].1)
    }
}

/// The model of a document of a type; what of the record has no place in it stands in `findings`.
pub fn document(record: &Record<'_>, grammar: &'static Grammar, findings: &mut Vec<Finding>) -> Document {
    let emitter = Emitter { record, grammar, layout: layout(grammar.code), roles: roles(record) };
    let mut document = Document { code: grammar.code.to_owned(), ..Document::default() };
    emitter.head(&mut document.head, findings);
    document.sections = emitter.sections(findings);
    document
}

struct Emitter<'e, 'r> {
    record: &'e Record<'r>,
    grammar: &'static Grammar,
    layout: &'static Layout,
    /// Resources by the tables' names for them.
    roles: HashMap<&'static str, Vec<&'r Node>>,
}

impl Emitter<'_, '_> {
    fn head(&self, out: &mut Vec<Leaf>, findings: &mut Vec<Finding>) {
        let discussion = DISCUSSIONS.contains(&self.grammar.code);
        // Two places may say the same; the schema decides which of them stands.
        let mut without: Vec<(String, String)> = Vec::new();
        let mut with: Vec<String> = Vec::new();
        for place in &tables().head {
            if place.path.starts_with("participant/associatedEntity/")
                && !place.path.contains("scoping")
                && place.repeats != discussion
            {
                continue;
            }
            // The type and its title are those of the document that is emitted.
            if matches!(
                place.path.as_str(),
                "code/@code" | "code/@codeSystem" | "code/@displayName" | "title"
            ) {
                continue;
            }
            // The way in is told in the body where the type has it there.
            let way_in = place.path.starts_with("componentOf/encompassingEncounter/code");
            if way_in && self.layout.body_element("DE06.00.339.00").is_some() {
                continue;
            }
            let nodes = self.roles.get(place.target.resource.as_str()).map_or(&[][..], Vec::as_slice);
            let room = has(&self.grammar.root, &bare(&place.path));
            for (number, node) in nodes.iter().enumerate() {
                let several = place.target.resource == "Practitioner:authenticator";
                let mut leaves = Vec::new();
                self.leaves_of(place, node, if several { Some(number) } else { None }, &mut leaves);
                for leaf in leaves {
                    let what = format!("{:?}", place.target.steps);
                    if room {
                        with.push(what);
                        out.push(leaf);
                    } else {
                        without.push((what, format!("{}: {}", leaf.path, leaf.value)));
                    }
                }
                if !several {
                    break;
                }
            }
        }
        for (what, shown) in without {
            if !with.contains(&what) {
                let message = format!("a document of type {} has no place for {shown}", self.grammar.code);
                findings.push(
                    Finding::new(Severity::Information, "/ClinicalDocument", "no-room", message)
                        .with_repair("emit a type that has it, or read it from the record"),
                );
            }
        }
    }

    /// The leaves of one place; several where it repeats.
    fn leaves_of(&self, place: &Place, node: &Node, fixed: Option<usize>, out: &mut Vec<Leaf>) {
        let mut add = |number: usize, mark: &str| {
            let Some(value) =
                place.target.get(node, number, mark).and_then(|v| from_fhir(place.conversion, v))
            else {
                return;
            };
            let (path, mark) = match place
                .path
                .split_once('{')
                .and_then(|(before, rest)| Some((before, rest.split_once('}')?)))
            {
                Some((before, (own, after))) => {
                    (format!("{before}{{*}}{after}"), if own == "*" { mark } else { own }.to_owned())
                }
                None => (place.path.clone(), String::new()),
            };
            out.push(Leaf { path, mark, number: fixed.unwrap_or(number), value });
        };
        if place.path.contains("{*}") {
            for identifier in node.items("identifier") {
                let mark = identifier
                    .text("system")
                    .and_then(|system| system.strip_prefix("urn:oid:"))
                    .unwrap_or_default();
                if mark != IDENTITY_CARD && !mark.is_empty() {
                    add(0, mark);
                }
            }
        } else if fixed.is_some() || !place.repeats {
            add(0, "");
        } else {
            for number in 0..place.target.count(node) {
                add(number, "");
            }
        }
    }

    fn sections(&self, findings: &mut Vec<Finding>) -> Vec<Section> {
        let mut sections: Vec<Section> = Vec::new();
        let composition = self.roles.get("Composition").and_then(|nodes| nodes.first());
        let same = composition.is_some_and(|composition| {
            let coding = composition.get("type").and_then(|kind| kind.items("coding").first());
            coding.and_then(|coding| coding.text("code")) == Some(self.grammar.code)
        });
        // A record without sections is told by its resources.
        match composition.filter(|composition| !composition.items("section").is_empty()) {
            Some(composition) => {
                for from in composition.items("section") {
                    let coding = from.get("code").and_then(|code| code.items("coding").first());
                    let display = from.get("code").and_then(|code| code.text("text")).or(from.text("title"));
                    let mut section = Section {
                        code: coding.and_then(|coding| coding.text("code")).unwrap_or_default().to_owned(),
                        title: display.unwrap_or_default().to_owned(),
                        text: from
                            .get("text")
                            .and_then(|text| text.text("div"))
                            .map(narrative)
                            .unwrap_or_default(),
                        statements: Vec::new(),
                    };
                    let entries =
                        from.items("entry").iter().filter_map(|entry| self.record.index(Some(entry)));
                    for index in entries {
                        self.statements(index, &mut section.statements, findings);
                    }
                    if !same {
                        section.statements.retain(|statement| self.belongs(statement));
                    }
                    if same || !section.statements.is_empty() {
                        sections.push(section);
                    }
                }
            }
            None => {
                for index in 0..self.record.resources.len() {
                    let mut statements = Vec::new();
                    self.statements(index, &mut statements, findings);
                    for statement in statements {
                        if self.belongs(&statement) {
                            self.add(&mut sections, statement);
                        }
                    }
                }
            }
        }
        self.singles(&mut sections);
        sections
    }

    /// Whether a data element belongs to the type.
    fn belongs(&self, statement: &Statement) -> bool {
        statement.kind != "observation" || self.layout.body_element(&statement.code.code).is_some()
    }

    /// Puts a statement into the section where the type has it.
    fn add(&self, sections: &mut Vec<Section>, statement: Statement) {
        let key = match statement.kind {
            "procedure" => "procedure",
            "substanceAdministration" => "medication",
            _ => self.layout.section_of(&statement.code.code).unwrap_or("problem"),
        };
        let Some(row) = tables().section_of_key(key) else { return };
        let title = if row.code == "-" { row.title } else { row.name };
        let code = if row.code == "-" { "" } else { row.code };
        match sections.iter_mut().find(|section| section.code == code && section.title == title) {
            Some(section) => section.statements.push(statement),
            None => sections.push(Section {
                code: code.to_owned(),
                title: title.to_owned(),
                text: String::new(),
                statements: vec![statement],
            }),
        }
    }

    /// Data elements that are elements of the one patient or visit.
    fn singles(&self, sections: &mut Vec<Section>) {
        for (code, meaning) in tables().singles() {
            let Some(element) = self.layout.body_element(code) else { continue };
            let path = meaning.path();
            let node = self.roles.get(path.resource.as_str()).and_then(|nodes| nodes.first());
            let Some(value) =
                node.and_then(|node| path.get(node, 0, "")).and_then(|node| value_of(meaning, node))
            else {
                continue;
            };
            self.add(sections, observation(code, element.label, Some(value)));
        }
    }

    /// The statements that a resource becomes; none for one that is told within another.
    fn statements(&self, index: usize, out: &mut Vec<Statement>, findings: &mut Vec<Finding>) {
        let node = self.record.resources[index].1;
        if self.record.index(node.items("focus").first()).is_some_and(|parent| parent != index) {
            return;
        }
        self.resource(index, node, 0, out, findings);
    }

    fn resource(
        &self,
        index: usize,
        node: &Node,
        depth: usize,
        out: &mut Vec<Statement>,
        findings: &mut Vec<Finding>,
    ) {
        let kind = node.text("resourceType").unwrap_or_default();
        let first = out.len();
        let context = match kind {
            "Observation" => self.observation(node, out),
            "Condition" => {
                self.condition(node, out);
                "Condition"
            }
            "Procedure" => {
                out.push(self.act("procedure", "Procedure", node));
                "Procedure"
            }
            "MedicationRequest" | "MedicationAdministration" | "SupplyDelivery" => {
                let context = match kind {
                    "MedicationRequest" => "MedicationRequest",
                    "SupplyDelivery" => "SupplyDelivery",
                    _ => "MedicationAdministration",
                };
                out.push(self.act("substanceAdministration", context, node));
                context
            }
            "Invoice" => {
                invoice(node, out);
                return;
            }
            _ => self.tagged(node, out),
        };
        let Some(statement) = out.get_mut(first) else {
            let silent = matches!(
                kind,
                "Patient"
                    | "Encounter"
                    | "Composition"
                    | "Organization"
                    | "Practitioner"
                    | "Location"
                    | "RelatedPerson"
                    | "Specimen"
                    | "RequestGroup"
                    | "Coverage"
                    | "Consent"
                    | "ServiceRequest"
                    | "DiagnosticReport"
            );
            if !silent {
                findings.push(
                    Finding::new(
                        Severity::Information,
                        kind,
                        "no-room",
                        format!("{kind} has no data element in the tables"),
                    )
                    .with_repair("add its code to the tables"),
                );
            }
            return;
        };
        for (code, meaning) in tables().all_within(context) {
            if meaning.target == "Specimen.type" {
                if let Some(specimen) = self.record.follow(node.get("specimen")) {
                    statement.within.push(self.specimen(specimen));
                }
                continue;
            }
            let value = meaning.path().get(node, 0, "").and_then(|node| value_of(meaning, node));
            let tags = node.get("meta").map_or(&[][..], |meta| meta.items("tag"));
            let tagged =
                tags.iter().find(|tag| tag.text("code") == Some(code)).and_then(|tag| tag.text("display"));
            let label = tagged.or(self.layout.body_element(code).map(|element| element.label));
            // Two data elements may be one element of FHIR; the type has one of them.
            if let (Some(value), Some(label)) = (value, label) {
                let taken = statement.within.iter().any(|other| {
                    tables()
                        .meaning_within(&other.code.code, context)
                        .is_some_and(|of| of.target == meaning.target)
                });
                if !taken {
                    statement.within.push(observation(code, label, Some(value)));
                }
            }
        }
        let mut within = std::mem::take(&mut statement.within);
        if depth < limits::JSON_DEPTH {
            for child in self.record.within.get(&index).into_iter().flatten() {
                self.resource(*child, self.record.resources[*child].1, depth + 1, &mut within, findings);
            }
        }
        out[first].within = within;
    }

    fn leaves(&self, context: &str, node: &Node) -> Vec<Leaf> {
        let mut leaves = Vec::new();
        for place in tables().statement_places(context) {
            self.leaves_of(place, node, None, &mut leaves);
        }
        // The same element of FHIR may have two places; the schema has one of them.
        leaves
    }

    fn act(&self, kind: &'static str, context: &str, node: &Node) -> Statement {
        let planned = matches!(node.text("status"), Some("preparation"));
        Statement { kind, planned, leaves: self.leaves(context, node), ..Statement::default() }
    }

    fn observation(&self, node: &Node, out: &mut Vec<Statement>) -> &'static str {
        if let Some(code) = tag(node).filter(|code| code.code == "DE04.30.019.00") {
            let value = node.get("code").map(convert::from_concept);
            let leaves = self.leaves("Observation", node);
            out.push(Statement { kind: "observation", code, value, leaves, ..Statement::default() });
            return "LaboratoryItem";
        }
        let codings = node.get("code").map_or(&[][..], |code| code.items("coding"));
        let own = codings.iter().find(|coding| coding.text("system").is_some_and(is_catalogue));
        let code = match own {
            Some(coding) => code_of(coding, node),
            None => {
                // Other doors name vital signs and the like by LOINC.
                let loinc = codings.iter().find(|coding| coding.text("system") == Some("http://loinc.org"));
                let element =
                    loinc.and_then(|coding| coding.text("code")).and_then(|code| self.by_loinc(code));
                let Some(element) = element else { return "Observation" };
                Code {
                    code: element.code.to_owned(),
                    system: CATALOGUE.to_owned(),
                    display: element.label.to_owned(),
                    qualifier: String::new(),
                }
            }
        };
        let value = convert::from_value_x(node);
        let value = match (value, tables().meaning(&code.code)) {
            (Some(Value::Quantity { value, unit }), Some(meaning)) if meaning.target == "Invoice" => {
                Some(Value::Money { value, currency: unit })
            }
            (value, _) => value,
        };
        out.push(Statement {
            kind: "observation",
            code,
            value,
            leaves: self.leaves("Observation", node),
            ..Statement::default()
        });
        "Observation"
    }

    fn by_loinc(&self, code: &str) -> Option<&'static super::table::Element> {
        self.layout.placed.iter().map(|placed| placed.element).find(|element| {
            tables()
                .meaning(element.code)
                .is_some_and(|meaning| !meaning.loinc.is_empty() && meaning.loinc == code)
        })
    }

    /// The name and the code of a diagnosis are a statement each.
    fn condition(&self, node: &Node, out: &mut Vec<Statement>) {
        let tags = node.get("meta").map_or(&[][..], |meta| meta.items("tag"));
        let mut codes: Vec<Code> = tags
            .iter()
            .filter(|tag| tag.text("system").is_some_and(is_catalogue))
            .map(|tag| code_of(tag, node))
            .filter(|code| {
                tables()
                    .meaning(&code.code)
                    .is_some_and(|meaning| meaning.target.starts_with("Condition.code"))
            })
            .collect();
        let concept = node.get("code");
        if codes.is_empty() {
            let element = self.layout.body_element("DE05.01.024.00");
            let display = element.map_or("疾病诊断编码", |element| element.label).to_owned();
            codes.push(Code {
                code: "DE05.01.024.00".to_owned(),
                system: CATALOGUE.to_owned(),
                display,
                qualifier: String::new(),
            });
        }
        let mut statements = codes.into_iter().map(|code| {
            let is_name =
                tables().meaning(&code.code).is_some_and(|meaning| meaning.target.ends_with(".text"));
            let coded = concept.is_some_and(|concept| !concept.items("coding").is_empty());
            let value = concept.and_then(|concept| {
                if is_name || !coded {
                    return concept.text("text").map(|words| Value::Text(words.to_owned()));
                }
                // A code alone came as text.
                match convert::from_concept(concept) {
                    Value::Code { code, system, display } if system.is_empty() && display.is_empty() => {
                        Some(Value::Text(code))
                    }
                    value => Some(value),
                }
            });
            Statement { kind: "observation", code, value, ..Statement::default() }
        });
        let Some(mut first) = statements.next() else { return };
        first.within = statements.collect();
        first.leaves = self.leaves("Condition", node);
        out.push(first);
    }

    fn specimen(&self, node: &Node) -> Statement {
        let code = tag(node).unwrap_or_else(|| observation("DE04.50.134.00", "标本类别", None).code);
        let value = node.get("type").map(convert::from_concept);
        Statement {
            kind: "observation",
            code,
            value,
            leaves: self.leaves("Specimen", node),
            ..Statement::default()
        }
    }

    /// A resource that says by its tag which data element it is.
    fn tagged(&self, node: &Node, out: &mut Vec<Statement>) -> &'static str {
        let kind = node.text("resourceType").unwrap_or_default();
        let context = super::skeleton::context(kind);
        let Some(code) = tag(node) else { return context };
        let Some(meaning) = tables().meaning(&code.code) else { return context };
        let value = meaning.path().get(node, 0, "").and_then(|node| value_of(meaning, node));
        out.push(Statement {
            kind: "observation",
            code,
            value,
            leaves: self.leaves(context, node),
            ..Statement::default()
        });
        context
    }
}

/// An observation of a data element.
pub fn observation(code: &str, display: &str, value: Option<Value>) -> Statement {
    let code = Code {
        code: code.to_owned(),
        system: CATALOGUE.to_owned(),
        display: display.to_owned(),
        qualifier: String::new(),
    };
    Statement { kind: "observation", code, value, ..Statement::default() }
}

fn code_of(coding: &Node, node: &Node) -> Code {
    let qualifier = Target::parse("extension{qualifier}.valueString");
    Code {
        code: coding.text("code").unwrap_or_default().to_owned(),
        system: CATALOGUE.to_owned(),
        display: coding.text("display").unwrap_or_default().to_owned(),
        qualifier: qualifier.get(node, 0, "").and_then(Node::as_str).unwrap_or_default().to_owned(),
    }
}

/// The data element that a resource was made from.
fn tag(node: &Node) -> Option<Code> {
    let tags = node.get("meta").map_or(&[][..], |meta| meta.items("tag"));
    let found = tags.iter().find(|tag| tag.text("system").is_some_and(is_catalogue))?;
    Some(code_of(found, node))
}

fn invoice(node: &Node, out: &mut Vec<Statement>) {
    for line in node.items("lineItem") {
        let item = line.get("chargeItemCodeableConcept");
        let Some(coding) = item.and_then(|item| item.items("coding").first()) else { continue };
        let amount = line.items("priceComponent").first().and_then(|component| component.get("amount"));
        let Some(Json::Number(digits)) = amount.and_then(|amount| amount.get("value")) else { continue };
        let value = Value::Money { value: digits.to_string(), currency: "元".to_owned() };
        let own = |name: &str| coding.text(name).unwrap_or_default();
        let mut statement = observation(own("code"), own("display"), Some(value));
        statement.code.qualifier = item.and_then(|item| item.text("text")).unwrap_or_default().to_owned();
        out.push(statement);
    }
}

/// The value of an element that a meaning names.
fn value_of(meaning: &Meaning, node: &Node) -> Option<Value> {
    let last = meaning.target.rsplit('.').next().unwrap_or_default();
    match last {
        "quantity" | "expectedSupplyDuration" | "length" => convert::from_quantity(node),
        "value" if meaning.target == "valueQuantity.value" => match node {
            Json::Number(digits) => Some(Value::Quantity { value: digits.to_string(), unit: String::new() }),
            _ => None,
        },
        "deceasedDateTime" => node.as_str().map(|time| Value::Time(convert::stamp(time))),
        _ => match node {
            Json::String(words) => Some(Value::Text(words.to_string())),
            Json::Object(_) => Some(convert::from_concept(node)),
            _ => None,
        },
    }
}

/// A path without what stands in braces.
fn bare(path: &str) -> String {
    match path.split_once('{').and_then(|(before, rest)| Some((before, rest.split_once('}')?.1))) {
        Some((before, after)) => format!("{before}{after}"),
        None => path.to_owned(),
    }
}

/// The text of a narrative.
fn narrative(div: &str) -> String {
    let mut out = String::with_capacity(div.len());
    let mut within = false;
    for character in div.chars() {
        match character {
            '<' => within = true,
            '>' => within = false,
            _ if !within => out.push(character),
            _ => {}
        }
    }
    out.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&").trim().to_owned()
}
