//! From the model of a document to FHIR resources.

use std::collections::HashSet;

use tongmai_base::{Finding, Severity, limits};
use tongmai_fhir::json::Json;

use super::convert::{self, to_fhir};
use super::document::{Document, Leaf, Section, Statement, Value, is_filler, is_placeholder};
use super::layout::{Layout, Place, layout};
use super::skeleton;
use super::table::{CATALOGUE, Conversion, Element, Grammar, Meaning, is_single, tables};
use crate::build::{Node, item, object, property, push, reference, text};
use crate::{Entry, Source, Understood, stable_id, xml};

/// Documents whose participants are those who took part in a discussion, not the contact of the patient.
pub const DISCUSSIONS: &[&str] = &["C0040", "C0044", "C0047", "C0051"];
/// The identity card's number.
pub const IDENTITY_CARD: &str = "2.16.156.10011.1.3";

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
    source: &'d str,
    made: Vec<Making>,
    /// Places of the header, data elements of statements and leaves of statements that were seen.
    seen: HashSet<String>,
    findings: Vec<Finding>,
}

/// The resource around a statement.
#[derive(Clone, Copy)]
struct Around {
    index: usize,
    /// Its type in the tables' words.
    context: &'static str,
}

/// Makes resources of a document. `None` when its type is none of the 53.
pub fn understand(
    document: &Document,
    source: &str,
    findings: Vec<Finding>,
) -> Result<Understood, Vec<Finding>> {
    let Some(grammar) = tables().grammar(&document.code) else {
        let mut findings = findings;
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
    let mut builder = Builder {
        document,
        grammar,
        layout: layout(grammar.code),
        source,
        made: Vec::new(),
        seen: HashSet::new(),
        findings,
    };
    for key in ["Patient", "Encounter", "Composition"] {
        builder.make(key.to_owned());
    }
    for leaf in &document.head {
        builder.head(leaf);
    }
    for (number, section) in document.sections.iter().enumerate() {
        builder.section(number, section);
    }
    builder.missing();
    Ok(builder.finish())
}

impl Builder<'_> {
    fn found(&mut self, severity: Severity, path: String, code: &str, message: String, repair: &str) {
        if self.findings.len() < limits::MESSAGE_FINDINGS {
            self.findings.push(Finding::new(severity, path, code, message).with_repair(repair));
        }
    }

    /// The number of a resource, made where it is not there yet.
    fn make(&mut self, key: String) -> usize {
        if let Some(index) = self.made.iter().position(|making| making.key == key) {
            return index;
        }
        let node = skeleton::resource(key.split(':').next().unwrap_or_default());
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
        let found = marked.as_deref().and_then(fit).or_else(|| fit(&leaf.path)).or_else(|| {
            let bare = !leaf.path.contains('@');
            bare.then(|| {
                ["/@value", "/@extension", "/@displayName"]
                    .iter()
                    .find_map(|tail| fit(&format!("{}{tail}", leaf.path)))
            })
            .flatten()
        });
        found.map(|place| (place, leaf.number))
    }

    fn length(&mut self, element: Option<&Element>, value: &str, path: &str) {
        let Some(element) = element else { return };
        let Ok(most) = element.length.parse::<usize>() else { return };
        let length = value.chars().count();
        if length > most {
            let message =
                format!("{} {}: {length} characters, {most} are allowed", element.code, element.label);
            self.found(
                Severity::Information,
                path.to_owned(),
                "too-long",
                message,
                "shorten it; it is kept whole",
            );
        }
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
        let id = self
            .document
            .head
            .iter()
            .find(|leaf| leaf.path == "id/@extension")
            .map_or("", |leaf| &leaf.value);
        let organization = "custodian/assignedCustodian/representedCustodianOrganization/id/@extension";
        let from =
            self.document.head.iter().find(|leaf| leaf.path == organization).map_or("", |leaf| &leaf.value);
        format!("urn:uuid:{}", stable_id(&["wst500", from, id, &self.document.code, &self.made[index].key]))
    }

    fn place_of(&self, statement: &Statement) -> String {
        let at = xml::place(self.source, statement.offset);
        format!("{at} {} {}", statement.code.code, statement.code.display).trim_end().to_owned()
    }

    fn leaf_place(&self, statement: &Statement, leaf: &Leaf) -> String {
        format!("{} {}", self.place_of(statement), leaf.path)
    }

    fn statement(&mut self, statement: &Statement, around: Option<Around>, entries: &mut Vec<usize>) {
        let own = match statement.kind {
            "procedure" => {
                let around = self.act("Procedure", "Procedure", statement, entries);
                if statement.planned {
                    *property(&mut self.made[around.index].node, "status") = text("preparation");
                }
                Some(around)
            }
            "substanceAdministration" => {
                let kind = match self.grammar.code {
                    "C0004" | "C0005" => "MedicationRequest",
                    "C0022" => "SupplyDelivery",
                    _ => "MedicationAdministration",
                };
                Some(self.act(kind, kind, statement, entries))
            }
            _ => self.observation(statement, around, entries),
        };
        let next = own.or(around);
        for within in &statement.within {
            self.statement(within, next, entries);
        }
    }

    /// A resource with the leaves of a statement.
    fn act(
        &mut self,
        resource: &str,
        context: &'static str,
        statement: &Statement,
        entries: &mut Vec<usize>,
    ) -> Around {
        let index = self.another(resource);
        entries.push(index);
        self.leaves(index, context, statement);
        Around { index, context }
    }

    fn leaves(&mut self, index: usize, context: &str, statement: &Statement) {
        for leaf in &statement.leaves {
            self.seen.insert(format!("{} {}", statement.kind, leaf.path));
            let places = tables().statement_places(context);
            let fit = |path: &str| {
                places.iter().find(|place| place.path == path && (leaf.number == 0 || place.repeats))
            };
            let place = fit(&leaf.path).or_else(|| {
                let bare = !leaf.path.contains('@');
                bare.then(|| {
                    ["/@value", "/@extension", "/@displayName"]
                        .iter()
                        .find_map(|tail| fit(&format!("{}{tail}", leaf.path)))
                })
                .flatten()
            });
            let Some(place) = place else {
                let (path, message) = (self.leaf_place(statement, leaf), leaf.value.clone());
                self.found(
                    Severity::Warning,
                    path,
                    "unmapped",
                    message,
                    "nothing is lost: the document is kept as it came",
                );
                continue;
            };
            let filler = if place.conversion == Conversion::Text {
                is_filler(&leaf.value)
            } else {
                is_placeholder(&leaf.value)
            };
            if filler {
                let (path, message) = (
                    self.leaf_place(statement, leaf),
                    format!("'{}' stands for a value that is missing", leaf.value),
                );
                self.found(
                    Severity::Warning,
                    path,
                    "placeholder",
                    message,
                    "write the value, or leave the element out",
                );
                continue;
            }
            match to_fhir(place.conversion, &leaf.value) {
                Ok(value) => {
                    if !place.target.set(&mut self.made[index].node, leaf.number, &leaf.mark, value) {
                        let (path, message) = (
                            self.leaf_place(statement, leaf),
                            format!("'{}' comes after another value for the same", leaf.value),
                        );
                        self.found(Severity::Warning, path, "repeated", message, "write it once");
                    }
                }
                Err(expected) => {
                    let (path, message) =
                        (self.leaf_place(statement, leaf), format!("'{}' is not {expected}", leaf.value));
                    self.found(Severity::Error, path, "format", message, expected);
                }
            }
        }
    }

    fn observation(
        &mut self,
        statement: &Statement,
        around: Option<Around>,
        entries: &mut Vec<usize>,
    ) -> Option<Around> {
        let code = statement.code.code.as_str();
        if self.layout.body_element(code).is_some() {
            self.seen.insert(code.to_owned());
        }
        let placeholder = statement.value.as_ref().is_some_and(Value::is_placeholder);
        if placeholder {
            let shown = statement.value.as_ref().map(convert::words).unwrap_or_default();
            let message = format!("'{shown}' stands for a value that is missing");
            self.found(
                Severity::Warning,
                self.place_of(statement),
                "placeholder",
                message,
                "write the value, or leave the element out",
            );
        }
        let value = statement.value.as_ref().filter(|_| !placeholder);
        if value.is_none() && statement.leaves.is_empty() {
            return around;
        }
        if let Some(value) = value {
            let element = self.layout.body_element(code);
            self.length(element, &convert::words(value), &self.place_of(statement));
        }
        if let (Some(around), Some(value)) = (around, value)
            && self.into(around, statement, value)
        {
            return Some(around);
        }
        let meaning = tables().meaning(code)?;
        if !code.starts_with("DE") {
            let message = format!("{code:?} is no data element");
            self.found(
                Severity::Information,
                self.place_of(statement),
                "code",
                message,
                "write the data element's code (DE…) of the catalogue",
            );
        }
        self.alone(meaning, statement, value, around, entries)
    }

    /// Writes a value into the resource around it, where that has an element for it.
    fn into(&mut self, around: Around, statement: &Statement, value: &Value) -> bool {
        let Some(meaning) = tables().meaning_within(&statement.code.code, around.context) else {
            return false;
        };
        if meaning.target == "Specimen.type" {
            let index = self.another("Specimen");
            self.tag(index, statement);
            *property(&mut self.made[index].node, "type") = convert::concept(value);
            self.leaves(index, "Specimen", statement);
            let address = self.address(index);
            *property(&mut self.made[around.index].node, "specimen") = reference(&address);
            return true;
        }
        if !statement.leaves.is_empty() || !statement.code.qualifier.is_empty() {
            return false;
        }
        let target = meaning.path();
        let Some(node) = fitting(meaning, value) else { return false };
        if !target.set(&mut self.made[around.index].node, 0, "", node) {
            return false;
        }
        // The table's words are not repeated; others are kept.
        let label = self.layout.body_element(&statement.code.code).map(|element| element.label);
        if label != Some(statement.code.display.as_str()) {
            self.tag(around.index, statement);
        }
        true
    }

    /// A statement that becomes a resource of its own, or an element of the patient or visit.
    fn alone(
        &mut self,
        meaning: &'static Meaning,
        statement: &Statement,
        value: Option<&Value>,
        around: Option<Around>,
        entries: &mut Vec<usize>,
    ) -> Option<Around> {
        let target = meaning.target;
        if let Some(category) = target.strip_prefix("Observation ") {
            return Some(self.plain_observation(category, meaning, statement, value, around, entries));
        }
        match (target, value) {
            ("LaboratoryItem", Some(value)) => {
                let index = self.another("Observation");
                entries.push(index);
                self.tag(index, statement);
                let node = &mut self.made[index].node;
                *property(node, "category") = skeleton::category("laboratory");
                *property(node, "code") = convert::concept(value);
                self.leaves(index, "Observation", statement);
                Some(Around { index, context: "LaboratoryItem" })
            }
            ("Invoice", Some(value @ Value::Money { .. })) if statement.leaves.is_empty() => {
                self.invoice(statement, value, entries);
                around
            }
            ("Condition.code" | "Condition.code.text", Some(value))
                if around.is_none_or(|a| a.context == "Condition" || a.context == "Observation") =>
            {
                self.condition(meaning, statement, value, around, entries)
            }
            (target, Some(value))
                if is_single(target)
                    && statement.leaves.is_empty()
                    && statement.code.qualifier.is_empty() =>
            {
                let path = meaning.path();
                let index = self.make(path.resource.clone());
                let node = fitting(meaning, value);
                if node.is_some_and(|node| path.set(&mut self.made[index].node, 0, "", node)) {
                    return around;
                }
                Some(self.plain_observation("survey", meaning, statement, Some(value), around, entries))
            }
            (target, Some(value)) if around.is_none() && target.contains('.') && !is_single(target) => {
                let path = meaning.path();
                let Some(node) = fitting(meaning, value) else {
                    return Some(self.plain_observation(
                        "survey",
                        meaning,
                        statement,
                        Some(value),
                        around,
                        entries,
                    ));
                };
                let index = self.another(&path.resource);
                entries.push(index);
                self.tag(index, statement);
                path.set(&mut self.made[index].node, 0, "", node);
                let context = skeleton::context(&path.resource);
                self.leaves(index, context, statement);
                Some(Around { index, context })
            }
            _ => Some(self.plain_observation("survey", meaning, statement, value, around, entries)),
        }
    }

    fn plain_observation(
        &mut self,
        category: &str,
        meaning: &Meaning,
        statement: &Statement,
        value: Option<&Value>,
        around: Option<Around>,
        entries: &mut Vec<usize>,
    ) -> Around {
        let index = self.another("Observation");
        entries.push(index);
        let mut codings = vec![skeleton::element_coding(&statement.code.code, &statement.code.display)];
        if !meaning.loinc.is_empty() {
            codings.push(object([("system", text("http://loinc.org")), ("code", text(meaning.loinc))]));
        }
        let words =
            Some(&statement.code.qualifier).filter(|q| !q.is_empty()).unwrap_or(&statement.code.display);
        let code = object([("coding", Json::Array(codings)), ("text", text(words.as_str()))]);
        let parent = around.map(|around| self.address(around.index));
        let node = &mut self.made[index].node;
        *property(node, "category") = skeleton::category(category);
        *property(node, "code") = code;
        if let Some(value) = value {
            let (name, value) = convert::value_x(value);
            *property(node, name) = value;
        }
        if let Some(parent) = parent {
            push(node, "focus", reference(&parent));
        }
        if !statement.code.qualifier.is_empty() {
            let qualifier = super::path::Target::parse("extension{qualifier}.valueString");
            qualifier.set(node, 0, "", text(statement.code.qualifier.as_str()));
        }
        self.leaves(index, "Observation", statement);
        Around { index, context: "Observation" }
    }

    /// The data element that a resource was made from, and the words for it.
    fn tag(&mut self, index: usize, statement: &Statement) {
        let coding = skeleton::element_coding(&statement.code.code, &statement.code.display);
        let node = &mut self.made[index].node;
        push(property(node, "meta"), "tag", coding);
        if !statement.code.qualifier.is_empty() {
            let qualifier = super::path::Target::parse("extension{qualifier}.valueString");
            qualifier.set(node, 0, "", text(statement.code.qualifier.as_str()));
        }
    }

    /// A diagnosis: its name and its code are two statements, which make one condition.
    fn condition(
        &mut self,
        meaning: &Meaning,
        statement: &Statement,
        value: &Value,
        around: Option<Around>,
        entries: &mut Vec<usize>,
    ) -> Option<Around> {
        let is_name = meaning.target.ends_with("text");
        let chinese = statement.code.code.starts_with("DE05.10.1");
        let candidate = match around {
            Some(around) => Some(around.index),
            None => entries.last().copied(),
        };
        let other = candidate.filter(|index| {
            let making = &self.made[*index];
            let code = making.node.get("code");
            let taken = code.and_then(|code| code.get(if is_name { "text" } else { "coding" })).is_some();
            let tag = making.node.get("meta").and_then(|meta| meta.items("tag").first());
            let same =
                tag.and_then(|tag| tag.text("code")).is_some_and(|of| of.starts_with("DE05.10.1") == chinese);
            making.key.starts_with("Condition:") && !taken && same && statement.leaves.is_empty()
        });
        let index = match other {
            Some(index) => index,
            None => {
                let index = self.another("Condition");
                entries.push(index);
                index
            }
        };
        self.tag(index, statement);
        let code = property(&mut self.made[index].node, "code");
        match (is_name, value) {
            (true, value) => *property(code, "text") = text(convert::words(value)),
            (false, Value::Code { .. }) => {
                if let Some(coding) = convert::concept(value).items("coding").first() {
                    *property(code, "coding") = Json::Array(vec![coding.clone()]);
                } else {
                    *property(code, "text") = text(convert::words(value));
                }
            }
            // A code that the schema leaves no attributes for.
            (false, value) => {
                let coding = object([("code", text(convert::words(value)))]);
                let is_code = convert::words(value).bytes().all(|b| b.is_ascii_graphic());
                match is_code {
                    true => *property(code, "coding") = Json::Array(vec![coding]),
                    false => *property(code, "text") = text(convert::words(value)),
                }
            }
        }
        self.leaves(index, "Condition", statement);
        Some(Around { index, context: "Condition" })
    }

    fn invoice(&mut self, statement: &Statement, value: &Value, entries: &mut Vec<usize>) {
        let index = self.make("Invoice:fees".to_owned());
        if !entries.contains(&index) {
            entries.push(index);
        }
        let Value::Money { value, currency } = value else { return };
        let amount = match convert::decimal(value) {
            Some(digits) => object([("value", crate::build::number(digits)), ("currency", text("CNY"))]),
            None => {
                let message = format!("'{value}' is not an amount");
                self.found(
                    Severity::Error,
                    self.place_of(statement),
                    "format",
                    message,
                    "a number with two decimals",
                );
                return;
            }
        };
        let component = object([("type", text("base")), ("amount", amount)]);
        let coding = skeleton::element_coding(&statement.code.code, &statement.code.display);
        let item = object([
            ("coding", Json::Array(vec![coding])),
            ("text", text(statement.code.qualifier.as_str())),
        ]);
        let line =
            object([("chargeItemCodeableConcept", item), ("priceComponent", Json::Array(vec![component]))]);
        push(&mut self.made[index].node, "lineItem", line);
        if !matches!(currency.as_str(), "" | "元" | "CNY" | "RMB") {
            let message = format!("'{currency}' is taken for 元");
            self.found(Severity::Warning, self.place_of(statement), "currency", message, "write 元");
        }
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
        skeleton::link(&mut self.made, self.document, self.grammar, &|made: &[Making], index: usize| {
            let id = self
                .document
                .head
                .iter()
                .find(|leaf| leaf.path == "id/@extension")
                .map_or("", |leaf| &leaf.value);
            let organization = "custodian/assignedCustodian/representedCustodianOrganization/id/@extension";
            let from = self
                .document
                .head
                .iter()
                .find(|leaf| leaf.path == organization)
                .map_or("", |leaf| &leaf.value);
            format!("urn:uuid:{}", stable_id(&["wst500", from, id, &self.document.code, &made[index].key]))
        });
        let head = |path: &str| {
            self.document.head.iter().find(|leaf| leaf.path == path).map(|leaf| leaf.value.clone())
        };
        let source = Source {
            format: "wst500".to_owned(),
            sender: head("custodian/assignedCustodian/representedCustodianOrganization/id/@extension")
                .unwrap_or_default(),
            message_id: head("id/@extension").unwrap_or_default(),
            kind: self.document.code.clone(),
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

/// A value as the element that a meaning names wants it; nothing where it does not fit.
fn fitting(meaning: &Meaning, value: &Value) -> Option<Node> {
    let last = meaning.target.rsplit('.').next().unwrap_or_default();
    match last {
        "quantity" | "expectedSupplyDuration" | "length" => match value {
            Value::Quantity { .. } => {
                Some(convert::quantity(value)).filter(|node| !matches!(node, Json::Null))
            }
            _ => None,
        },
        "value" if meaning.target == "valueQuantity.value" => match value {
            Value::Quantity { value, unit } if unit.is_empty() => {
                convert::decimal(value).map(crate::build::number)
            }
            _ => None,
        },
        "deceasedDateTime" => match value {
            Value::Time(stamp) => convert::time(stamp).map(text),
            _ => None,
        },
        "text" | "display" | "value" | "unit" | "valueString" | "description" | "conclusion" => match value {
            Value::Text(words) => Some(text(words.as_str())),
            _ => None,
        },
        _ => match value {
            Value::Code { .. } | Value::Text(_) => Some(convert::concept(value)),
            _ => None,
        },
    }
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
