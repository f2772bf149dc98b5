//! From the model of a document to XML that the schema of its type accepts.
//!
//! Places and values come from the model; order, structural attributes and
//! elements that must stand come from the schema. Nothing about the patient is
//! made up: what the schema demands and the record does not have is named in a
//! finding.

use tongmai_base::{Finding, Severity, limits};

use super::convert;
use super::document::{Document, Leaf, Section, Statement, Value};
use super::table::{CATALOGUE, Content, Grammar, Kind, Slot, tables};
use crate::xml::Element;

/// Identifiers of kinds, where the schema wants a root and the record has none.
const STAFF: &str = "2.16.156.10011.1.4";
const ORGANIZATION: &str = "2.16.156.10011.1.5";
const DOCUMENT: &str = "2.16.156.10011.1.1";
const LOINC: &str = "2.16.840.1.113883.6.1";

/// Gives a value for a place that the schema demands and the model has nothing for.
pub type Fill<'f> = &'f dyn Fn(&str, &Kind) -> Option<String>;

struct Writer<'w> {
    grammar: &'w Grammar,
    fill: Fill<'w>,
    findings: &'w mut Vec<Finding>,
}

/// The XML tree of a document.
pub fn to_xml(
    document: &Document,
    grammar: &Grammar,
    fill: Fill<'_>,
    findings: &mut Vec<Finding>,
) -> Element<'static> {
    let mut writer = Writer { grammar, fill, findings };
    let mut root = Element::new("ClinicalDocument");
    for leaf in &document.head {
        if !put(&mut root, &grammar.root, leaf) {
            writer.no_room(&format!("/ClinicalDocument/{}", leaf.path), &leaf.value);
        }
    }
    writer.body(document, &mut root);
    writer.complete(&mut root, &grammar.root, "");
    root
}

impl Writer<'_> {
    fn found(&mut self, finding: Finding) {
        if self.findings.len() <= limits::MESSAGE_FINDINGS {
            self.findings.push(finding);
        }
    }

    fn no_room(&mut self, path: &str, value: &str) {
        let message = format!("a document of type {} has no place for '{value}'", self.grammar.code);
        let finding = Finding::new(Severity::Information, path, "no-room", message);
        self.found(finding.with_repair("emit a type that has it, or read it from the record"));
    }

    fn body(&mut self, document: &Document, root: &mut Element<'static>) {
        let Some(slot) = self.grammar.root.at("component/structuredBody/component") else { return };
        let Some(section_slot) = slot.child("section") else { return };
        let Some(entry_slot) = section_slot.child("entry") else { return };
        let mut body = Element::new("structuredBody");
        for section in &document.sections {
            let mut open = head_of(section, section_slot);
            let mut queue: Vec<Statement> = section.statements.iter().rev().cloned().collect();
            while let Some(statement) = queue.pop() {
                let mut rest = Vec::new();
                let Some(entry) = self.entry(&statement, entry_slot, &mut rest) else { continue };
                queue.extend(rest.into_iter().rev());
                if !entry_slot.occurrence.repeats() && open.child("entry").is_some() {
                    let next = head_of(section, section_slot);
                    body.children.push(component(std::mem::replace(&mut open, next)));
                }
                open.children.push(entry);
            }
            body.children.push(component(open));
        }
        let mut component = Element::new("component");
        component.children.push(body);
        root.children.push(component);
    }

    /// An entry with a statement; what has no room within it goes to `rest`.
    fn entry(
        &mut self,
        statement: &Statement,
        slot: &Slot,
        rest: &mut Vec<Statement>,
    ) -> Option<Element<'static>> {
        let ways: &[&str] = match statement.kind {
            "procedure" => &["procedure"],
            "substanceAdministration" => &["substanceAdministration"],
            _ => &[
                "observation",
                "organizer/component/observation",
                "procedure/entryRelationship/observation",
                "act/entryRelationship/observation",
            ],
        };
        // The way that has room for most; of equals, the first.
        let mut best: Option<(&str, &Slot, usize)> = None;
        for way in ways {
            if let Some(found) = slot.at(way) {
                let fit = deep_fit(statement, found);
                if best.is_none_or(|(_, _, most)| fit > most) {
                    best = Some((way, found, fit));
                }
            }
        }
        let Some((way, found, _)) = best else {
            self.no_room(&format!("{} {}", statement.kind, statement.code.code), &statement.code.display);
            rest.extend(statement.within.iter().cloned());
            return None;
        };
        let mut element = self.statement(statement, found, rest);
        for name in way.rsplit('/').skip(1) {
            let mut outer = Element::new(name.to_owned());
            outer.children.push(element);
            element = outer;
        }
        let mut entry = Element::new("entry");
        entry.children.push(element);
        Some(entry)
    }

    fn statement(
        &mut self,
        statement: &Statement,
        slot: &Slot,
        rest: &mut Vec<Statement>,
    ) -> Element<'static> {
        let mut element = Element::new(statement.kind);
        if statement.planned && slot.attribute("moodCode").is_some() {
            element.set("moodCode", "INT");
        }
        if statement.kind == "observation" {
            let code = &statement.code;
            let mut own = Element::new("code");
            own.set("code", code.code.clone());
            let system = if code.system.is_empty() { CATALOGUE } else { &code.system };
            own.set("codeSystem", system.to_owned());
            own.set("codeSystemName", tables().system_name(system));
            own.set("displayName", code.display.clone());
            if !code.qualifier.is_empty() {
                if slot.at("code/qualifier").is_some() {
                    let mut name = Element::new("name");
                    name.set("displayName", code.qualifier.clone());
                    let mut qualifier = Element::new("qualifier");
                    qualifier.children.push(name);
                    own.children.push(qualifier);
                } else {
                    self.no_room(&format!("{}/qualifier", code.code), &code.qualifier);
                }
            }
            element.children.push(own);
        }
        if let Some(value) = &statement.value {
            match slot.child("value") {
                Some(slot) => element.children.push(self.value(value, slot)),
                None => self.no_room(&statement.code.code, &convert::words(value)),
            }
        }
        for leaf in &statement.leaves {
            if !put(&mut element, slot, leaf) {
                self.no_room(&format!("{}/{}", statement.code.code, leaf.path), &leaf.value);
            }
        }
        for within in &statement.within {
            self.within(within, slot, &mut element, rest);
        }
        element
    }

    /// A statement within another, or beside it where the schema has no room.
    fn within(
        &mut self,
        within: &Statement,
        slot: &Slot,
        element: &mut Element<'static>,
        rest: &mut Vec<Statement>,
    ) {
        let relationship = slot.child("entryRelationship");
        let taken = element.child("entryRelationship").is_some();
        let room = relationship.filter(|slot| slot.occurrence.repeats() || !taken);
        let own =
            room.and_then(|slot| slot.child(within.kind)).filter(|slot| fit(within, slot) == whole(within));
        match own {
            Some(slot) => {
                let inner = self.statement(within, slot, rest);
                let mut holder = Element::new("entryRelationship");
                holder.children.push(inner);
                element.children.push(holder);
            }
            None => rest.push(within.clone()),
        }
    }

    fn value(&mut self, value: &Value, slot: &Slot) -> Element<'static> {
        let mut element = Element::new("value");
        match &slot.content {
            Content::Anything => {}
            Content::Text(_) if slot.attributes.is_empty() => {
                element.text = match value {
                    Value::Code { code, .. } if !code.is_empty() => code.clone(),
                    Value::Quantity { value, .. } | Value::Money { value, .. } => value.clone(),
                    other => convert::words(other),
                }
                .into();
                return element;
            }
            _ => {}
        }
        let (names, attributes): (&[&str], Vec<(&str, &str)>) = match value {
            Value::Text(_) => (&["ST"], Vec::new()),
            Value::Code { code, system, display } => {
                (&["CD"], vec![("code", code), ("codeSystem", system), ("displayName", display)])
            }
            Value::Quantity { value, unit } if unit.is_empty() => {
                (&["REAL", "PQ", "INT"], vec![("value", value)])
            }
            Value::Quantity { value, unit } => (&["PQ"], vec![("value", value), ("unit", unit)]),
            Value::Flag(flag) => (&["BL"], vec![("value", flag)]),
            Value::Time(time) => (&["TS", "IVL_TS"], vec![("value", time)]),
            Value::Number(digits) => (&["INT"], vec![("value", digits)]),
            Value::Money { value, currency } => (&["MO"], vec![("value", value), ("currency", currency)]),
        };
        for name in names {
            let Some(named) = self.grammar.named(name) else { continue };
            let fitted: Option<Vec<(&str, String)>> = attributes
                .iter()
                .filter(|(attribute, value)| named.attribute(attribute).is_some() || !value.is_empty())
                .map(|(attribute, value)| {
                    Some((*attribute, shaped(&named.attribute(attribute)?.kind, value)?))
                })
                .collect();
            let Some(fitted) = fitted else { continue };
            element.set("type", (*name).to_owned());
            for (attribute, value) in fitted {
                element.set(attribute, value);
            }
            if let (Value::Code { system, .. }, Some(_)) = (value, named.attribute("codeSystemName")) {
                element.set("codeSystemName", tables().system_name(system));
            }
            if matches!(value, Value::Text(_)) {
                element.text = convert::words(value).into();
            }
            return element;
        }
        if self.grammar.named("ST").is_some() {
            element.set("type", "ST");
        }
        element.text = match value {
            Value::Quantity { value, .. } | Value::Money { value, .. } => value.clone(),
            other => convert::words(other),
        }
        .into();
        element
    }

    /// Puts children in order and adds what must stand.
    fn complete(&mut self, element: &mut Element<'static>, slot: &Slot, path: &str) {
        let path = format!("{path}/{}", slot.name);
        // What may be left out depends on what must stand.
        for required in [true, false] {
            for attribute in slot.attributes.iter().filter(|attribute| attribute.required == required) {
                let present = element.attribute(attribute.name).is_some_and(|value| !value.is_empty());
                if present || !required && !self.belongs(element, attribute.name, &path) {
                    continue;
                }
                if let Some(value) = self.structural(element, attribute.name, &attribute.kind, &path) {
                    element.set(attribute.name, value);
                }
            }
        }
        self.pair(element, slot);
        if let Content::Text(kind) = &slot.content
            && element.text.is_empty()
        {
            match self.structural(element, "", kind, &path) {
                Some(value) => element.text = value.into(),
                None if shaped(kind, "").is_none() => self.demanded(&path),
                None => {}
            }
        }
        if matches!(slot.content, Content::Anything) {
            return;
        }
        if slot.content != Content::Choice {
            for child in &slot.children {
                if child.occurrence.required() && element.child(child.name).is_none() {
                    element.children.push(Element::new(child.name));
                }
            }
        }
        let order =
            |name: &str| slot.children.iter().position(|child| child.name == name).unwrap_or(usize::MAX);
        element.children.sort_by_key(|child| order(&child.name));
        for child in &mut element.children {
            if let Some(slot) = slot.children.iter().find(|slot| slot.name == child.name) {
                self.complete(child, slot, &path);
            }
        }
    }

    /// Whether an attribute that may be left out is written all the same: it says what the document
    /// is, or belongs to a value that is there.
    fn belongs(&self, element: &Element<'_>, attribute: &str, path: &str) -> bool {
        let says = |name: &str| element.attribute(name).is_some_and(|value| !value.is_empty());
        match attribute {
            "root" => says("extension") || path.ends_with("Id") && path.matches('/').count() == 2,
            "codeSystem" | "codeSystemName" => says("code") || path == "/ClinicalDocument/code",
            "unit" => says("value"),
            "extension" => path.ends_with("/typeId"),
            "code" => matches!(
                path,
                "/ClinicalDocument/code"
                    | "/ClinicalDocument/realmCode"
                    | "/ClinicalDocument/languageCode"
                    | "/ClinicalDocument/confidentialityCode"
            ),
            "classCode" | "moodCode" | "typeCode" | "determinerCode" | "contextControlCode" => true,
            _ => false,
        }
    }

    #[cold]
    fn demanded(&mut self, path: &str) {
        let message = "the schema demands a value that the record does not have";
        self.found(Finding::warning(path, "mandatory-missing", message).with_repair("complete the record"));
    }

    /// The value of an attribute or text that is about the document's build; of others, what `fill`
    /// gives, or an empty one where the schema takes it.
    fn structural(
        &mut self,
        element: &Element<'_>,
        attribute: &str,
        kind: &Kind,
        path: &str,
    ) -> Option<String> {
        let constant = constant(path, attribute, self.grammar);
        if let Some(value) = constant.and_then(|value| shaped(kind, &value)) {
            return Some(value);
        }
        if let Kind::OneOf([only]) = kind {
            return Some((*only).to_owned());
        }
        if attribute == "codeSystemName" {
            let name = tables().system_name(element.attribute("codeSystem").unwrap_or_default());
            return Some(shaped(kind, name).unwrap_or_default());
        }
        let at = if attribute.is_empty() { path.to_owned() } else { format!("{path}/@{attribute}") };
        if let Some(value) = (self.fill)(&at, kind) {
            return Some(value);
        }
        if shaped(kind, "").is_some() {
            return Some(String::new());
        }
        if !attribute.is_empty() {
            self.demanded(&at);
        }
        None
    }

    /// The name that the schema gives to a code.
    fn pair(&mut self, element: &mut Element<'static>, slot: &Slot) {
        let (Some(code), Some(display)) = (slot.attribute("code"), slot.attribute("displayName")) else {
            return;
        };
        let (Kind::OneOf(codes), Kind::OneOf(names)) = (&code.kind, &display.kind) else { return };
        let at = element.attribute("code").and_then(|code| codes.iter().position(|of| *of == code));
        if let Some(name) = at.and_then(|at| names.get(at)) {
            element.set("displayName", (*name).to_owned());
        }
    }
}

/// What is the same in every document, or follows from its type.
fn constant(path: &str, attribute: &str, grammar: &Grammar) -> Option<String> {
    let element = path.rsplit('/').next().unwrap_or_default();
    let above = path.rsplit('/').nth(1).unwrap_or_default();
    let top = path.matches('/').count() == 2;
    let value = match (element, attribute) {
        ("realmCode", "code") => "CN",
        ("typeId", "root") => "2.16.840.1.113883.1.3",
        ("typeId", "extension") => "POCD_MT000040",
        ("templateId", "root") => {
            let number: u32 = grammar.code.trim_start_matches('C').parse().ok()?;
            return Some(format!("2.16.156.10011.2.1.1.{}", number + 20));
        }
        ("code", "code") if top => grammar.code,
        ("code", "codeSystem") if top => "2.16.156.10011.2.4",
        ("title", "") if top => grammar.title,
        ("languageCode", "code") => "zh-CN",
        ("confidentialityCode", "code") => "N",
        ("confidentialityCode", "codeSystem") => "2.16.840.1.113883.5.25",
        ("confidentialityCode", "displayName") => "正常访问保密级别",
        ("id", "root") if top => DOCUMENT,
        ("id", "root") => match above {
            "patient" => super::reader::IDENTITY_CARD,
            "assignedAuthor" | "assignedEntity" | "participantRole" | "associatedEntity" => STAFF,
            _ => ORGANIZATION,
        },
        ("administrativeGenderCode", "codeSystem") => "2.16.156.10011.2.3.3.4",
        ("age", "unit") => "岁",
        (_, "moodCode") => "EVN",
        (_, "determinerCode") => "INSTANCE",
        (_, "contextControlCode") => "OP",
        (_, "contextConductionInd") => "true",
        (_, "classCode") => match element {
            "observation" => "OBS",
            "procedure" => "PROC",
            "substanceAdministration" => "SBADM",
            "organizer" => "CLUSTER",
            "act" => "ACT",
            "patientRole" => "PAT",
            "patient" | "assignedPerson" | "associatedPerson" | "playingEntity" => "PSN",
            "assignedCustodian" | "assignedAuthor" | "assignedEntity" => "ASSIGNED",
            "associatedEntity" => "CON",
            "participantRole" => "ASSIGNED",
            "encompassingEncounter" => "ENC",
            "asOrganizationPartOf" => "PART",
            "place" => "PLC",
            _ => "ORG",
        },
        (_, "typeCode") => match element {
            "recordTarget" => "RCT",
            "author" => "AUT",
            "custodian" => "CST",
            "legalAuthenticator" => "LA",
            "authenticator" => "AUTHEN",
            "participant" if path.contains("structuredBody") => "ATND",
            "participant" => "NOT",
            "relatedDocument" => "RPLC",
            "entryRelationship" => "COMP",
            "performer" => "PRF",
            _ => "COMP",
        },
        _ => return None,
    };
    Some(value.to_owned())
}

fn component(section: Element<'static>) -> Element<'static> {
    let mut component = Element::new("component");
    component.children.push(section);
    component
}

fn head_of(section: &Section, slot: &Slot) -> Element<'static> {
    let mut code = Element::new("code");
    let known = !section.code.is_empty();
    code.set("code", if known { section.code.clone() } else { "-".to_owned() });
    code.set("codeSystem", LOINC);
    code.set("codeSystemName", "LOINC");
    code.set("displayName", section.title.clone());
    let mut element = Element::new("section");
    element.children.push(code);
    if slot.child("text").is_some() {
        let mut text = Element::new("text");
        text.text = section.text.clone().into();
        element.children.push(text);
    }
    element
}

/// How many parts of a statement a slot has room for.
fn fit(statement: &Statement, slot: &Slot) -> usize {
    let leaves =
        statement.leaves.iter().filter(|leaf| super::layout::has(slot, &leaf.path.replace("{*}", "")));
    leaves.count() + usize::from(statement.value.is_some() && slot.child("value").is_some())
}

/// The same, with what stands within.
fn deep_fit(statement: &Statement, slot: &Slot) -> usize {
    let relationship = slot.child("entryRelationship");
    let most = relationship.map_or(0, |slot| if slot.occurrence.repeats() { usize::MAX } else { 1 });
    let within = statement.within.iter().take(most).filter_map(|within| {
        let slot = relationship?.child(within.kind)?;
        Some(deep_fit(within, slot))
    });
    fit(statement, slot) + within.sum::<usize>()
}

/// How many parts a statement has.
fn whole(statement: &Statement) -> usize {
    statement.leaves.len() + usize::from(statement.value.is_some())
}

/// Writes a leaf below an element; `false` where the slot has no room.
fn put(element: &mut Element<'static>, slot: &Slot, leaf: &Leaf) -> bool {
    let (elements, attribute) = match leaf.path.rsplit_once("/@") {
        Some((elements, attribute)) => (elements, attribute),
        None => (leaf.path.as_str(), ""),
    };
    if !super::layout::has(slot, &leaf.path.replace("{*}", "")) {
        return false;
    }
    let (mut at, mut here) = (element, slot);
    // The number counts the first element on the way that may stand more than once.
    let mut number = leaf.number;
    for name in elements.split('/') {
        let (name, marked) = match name.strip_suffix("{*}") {
            Some(name) => (name, true),
            None => (name, false),
        };
        let Some(next) = here.child(name) else { return false };
        let nth = if next.occurrence.repeats() && !marked { std::mem::take(&mut number) } else { 0 };
        let found = if marked {
            at.children.iter().position(|c| c.name == name && c.attribute("root") == Some(&leaf.mark))
        } else {
            at.children.iter().enumerate().filter(|(_, c)| c.name == name).nth(nth).map(|(index, _)| index)
        };
        let index = match found {
            Some(index) => index,
            None => {
                let stand = at.children.iter().filter(|c| c.name == name).count();
                let missing = if marked { 1 } else { (nth + 1).saturating_sub(stand) };
                if stand > 0 && !next.occurrence.repeats() {
                    return false;
                }
                for _ in 0..missing {
                    at.children.push(Element::new(name.to_owned()));
                }
                at.children.len() - 1
            }
        };
        if marked {
            at.children[index].set("root", leaf.mark.clone());
        }
        at = &mut at.children[index];
        here = next;
    }
    if number > 0 {
        return false;
    }
    let (kind, in_attribute) = match (here.attribute(attribute), &here.content) {
        (Some(found), _) => (&found.kind, true),
        (None, Content::Text(kind)) => (kind, false),
        (None, _) => (&Kind::Text(0, usize::MAX), !attribute.is_empty()),
    };
    let value = shaped(kind, &leaf.value).unwrap_or_else(|| leaf.value.clone());
    if in_attribute {
        if at.attribute(attribute).is_some_and(|old| !old.is_empty() && old != value) {
            return false;
        }
        at.set(attribute, value);
    } else if at.text.is_empty() || at.text == value {
        at.text = value.into();
    } else {
        return false;
    }
    true
}

/// A value in the shape that the schema wants, or nothing where it has none.
pub fn shaped(kind: &Kind, value: &str) -> Option<String> {
    let keep = || Some(value.to_owned());
    match kind {
        Kind::Text(least, most) => {
            (*least..=*most).contains(&value.chars().count()).then(|| value.to_owned())
        }
        Kind::OneOf(list) => list.contains(&value).then(|| value.to_owned()),
        Kind::Flag => matches!(value, "true" | "false" | "0" | "1").then(|| value.to_owned()),
        Kind::Integer(least, most) => {
            let whole = value.split_once('.').map_or(value, |(whole, rest)| {
                if rest.bytes().all(|byte| byte == b'0') { whole } else { value }
            });
            let number: i64 = whole.parse().ok()?;
            (*least..=*most).contains(&number).then(|| whole.to_owned())
        }
        Kind::Decimal(None) => convert::decimal(value).and_then(|_| keep()),
        Kind::Decimal(Some(places)) => {
            let digits = convert::decimal(value)?;
            let (whole, fraction) = digits.split_once('.').unwrap_or((&digits, ""));
            let places = usize::from(*places);
            (fraction.len() <= places).then(|| format!("{whole}.{fraction:0<places$}"))
        }
        Kind::Stamp => {
            let digits = value.bytes().all(|byte| byte.is_ascii_digit());
            (digits && matches!(value.len(), 8 | 14)).then(|| format!("{value:0<14}"))
        }
        Kind::Date => {
            let digits = value.bytes().all(|byte| byte.is_ascii_digit());
            (digits && matches!(value.len(), 8 | 14)).then(|| value[..8].to_owned())
        }
    }
}
