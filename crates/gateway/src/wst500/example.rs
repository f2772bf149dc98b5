//! A full example of each document type, made from the tables: every data element has a value.
//!
//! The values are invented and say so; they have the types and lengths of the
//! standard and the codes of the schema.

use super::document::{Code, Document, Leaf, Section, Statement, Value};
use super::layout::{Part, Place, layout};
use super::table::{CATALOGUE, Content, Element, Grammar, Kind, ValueType, tables};
use super::writer::{self, shaped};
use crate::xml;

/// A document of a type (`C0032`) as XML. `None` when there is no such type.
pub fn xml(code: &str) -> Option<String> {
    xml_with(code, &|_| {})
}

/// An example with other values in some of its places, as `lay` puts them there.
pub fn xml_with(code: &str, lay: &dyn Fn(&mut Document)) -> Option<String> {
    let grammar = tables().grammar(code)?;
    let mut findings = Vec::new();
    let (mut model, _) = model(grammar);
    lay(&mut model);
    let tree = writer::to_xml(&model, grammar, &invent, &mut findings);
    debug_assert!(findings.iter().all(|finding| finding.code != "no-room"), "{findings:?}");
    Some(xml::write(&tree))
}

/// What the schema demands beyond the data elements.
fn invent(path: &str, kind: &Kind) -> Option<String> {
    let place = path.strip_prefix("/ClinicalDocument/").unwrap_or(path);
    if matches!(kind, Kind::Text(0, _)) {
        return None;
    }
    let words = if place.ends_with("extension") { "9951" } else { "示例" };
    Some(value_for(kind, place, words))
}

/// Whether a path is that of a time.
fn is_time(path: &str) -> bool {
    ["ime/@value", "low/@value", "high/@value"].iter().any(|tail| path.ends_with(tail))
}

/// A value of a kind; `words` is the beginning of a text.
fn value_for(kind: &Kind, path: &str, words: &str) -> String {
    match kind {
        Kind::Stamp => "20260315083000".to_owned(),
        Kind::Date => "20260315".to_owned(),
        Kind::Flag => "true".to_owned(),
        Kind::Decimal(Some(4)) => "5.5600".to_owned(),
        Kind::Decimal(_) => "12.50".to_owned(),
        Kind::Integer(least, most) if path.contains("birthTime") => {
            19_800_101.clamp(*least, *most).to_string()
        }
        Kind::Integer(least, most) if is_time(path) => 20_260_315_083_000.clamp(*least, *most).to_string(),
        Kind::Integer(least, most) => 45.clamp(*least, *most).to_string(),
        Kind::OneOf(list) if path.contains("administrativeGenderCode") => {
            list.get(1).copied().unwrap_or_default().to_owned()
        }
        Kind::OneOf(list) => list.first().copied().unwrap_or_default().to_owned(),
        Kind::Text(least, most) => {
            let mut text = words.to_owned();
            while text.chars().count() < *least {
                text.push('0');
            }
            text.chars().take(*most).collect()
        }
    }
}

/// The model of a full example, and the data elements that the type's schema leaves no room for:
/// those whose place another one has.
pub fn model(grammar: &'static Grammar) -> (Document, Vec<&'static Element>) {
    let mut making = Making {
        grammar,
        document: Document::default(),
        signers: Vec::new(),
        pending_time: None,
        open: Vec::new(),
        lost: Vec::new(),
    };
    making.document.code = grammar.code.to_owned();
    // The schemas want 32 to 36 characters, but for one that wants 8 to 20.
    let id =
        if grammar.code == "C0045" { "20260315-00000001" } else { "20260315-0000-0000-0000-000000000001" };
    making.put("id/@extension", "", 0, id);
    making.put("effectiveTime/@value", "", 0, "20260315100000");
    making.put("setId", "", 0, "S1");
    making.put("versionNumber", "", 0, "1");
    for placed in &layout(grammar.code).placed {
        making.element(placed.element, &placed.place);
    }
    making.sign();
    (making.document, making.lost)
}

/// One who signs.
struct Signer {
    role: String,
    name: Option<&'static Element>,
    time: Option<&'static Element>,
}

/// A statement that further elements may go to.
struct Open {
    section: usize,
    kind: &'static str,
    statement: usize,
}

struct Making {
    grammar: &'static Grammar,
    document: Document,
    signers: Vec<Signer>,
    /// A time that came before its signer.
    pending_time: Option<&'static Element>,
    open: Vec<Open>,
    lost: Vec<&'static Element>,
}

impl Making {
    /// Writes a leaf of the header; `false` when its place is taken.
    fn put(&mut self, path: &str, mark: &str, number: usize, value: &str) -> bool {
        let leaf = Leaf { path: path.to_owned(), mark: mark.to_owned(), number, value: value.to_owned() };
        let same =
            |other: &Leaf| other.path == leaf.path && other.mark == leaf.mark && other.number == leaf.number;
        let free = !self.document.head.iter().any(same);
        if free {
            self.document.head.push(leaf);
        }
        free
    }

    fn element(&mut self, element: &'static Element, place: &Place) {
        match place {
            Place::Head { path, mark } => self.head(element, path, mark),
            Place::Signer { role } => {
                match self.signers.iter_mut().find(|of| of.role == *role && of.name.is_none()) {
                    Some(signer) => signer.name = Some(element),
                    None => {
                        let time = self.pending_time.take();
                        self.signers.push(Signer { role: role.clone(), name: Some(element), time });
                    }
                }
            }
            Place::SignedAt { role } => {
                match self.signers.iter_mut().find(|of| of.role == *role && of.time.is_none()) {
                    Some(signer) => signer.time = Some(element),
                    None => self.lost.extend(self.pending_time.replace(element)),
                }
            }
            Place::Body { section, part } => self.body(element, section, part),
            Place::Nowhere => self.lost.push(element),
        }
    }

    fn head(&mut self, element: &'static Element, path: &str, mark: &str) {
        let (elements, attribute) = path.rsplit_once("/@").unwrap_or((path, ""));
        let Some(slot) = self.grammar.root.at(&elements.replace("{*}", "")) else { return };
        let kind = match (slot.attribute(attribute), &slot.content) {
            (Some(attribute), _) => attribute.kind.clone(),
            (None, Content::Text(kind)) => kind.clone(),
            // A place that the schema leaves open takes what the data element is.
            (None, _) => Kind::Text(0, usize::MAX),
        };
        let free = matches!(kind, Kind::Text(..));
        let words = if free && is_time(path) {
            "20260315083000".to_owned()
        } else if free && path.ends_with("age/@value") {
            "45".to_owned()
        } else if path.ends_with("/@extension") {
            format!(
                "{}{}",
                if mark.is_empty() { "9951" } else { mark.rsplit('.').next().unwrap_or_default() },
                "202603150001"
            )
        } else if path.contains("telecom") {
            "12000000001".to_owned()
        } else if path.ends_with("postalCode") {
            "610000".to_owned()
        } else {
            format!("{}甲", element.label)
        };
        let value = match &kind {
            Kind::Integer(least, most) if path.ends_with("postalCode") => {
                610_000.clamp(*least, *most).to_string()
            }
            Kind::Text(..) => shaped(&kind, &words).unwrap_or_else(|| value_for(&kind, path, &words)),
            _ => value_for(&kind, path, &words),
        };
        if !self.put(path, mark, 0, &value) {
            self.lost.push(element);
        }
        if path.ends_with("@code") {
            self.coded(path, element);
        }
        if path == "recordTarget/patientRole/patient/age/@value" {
            self.put("recordTarget/patientRole/patient/age/@unit", "", 0, "岁");
        }
    }

    /// The system of a code.
    fn coded(&mut self, path: &str, element: &Element) {
        let system = match element.code {
            "DE02.01.040.00" => return,
            "DE02.01.018.00" => "2.16.156.10011.2.3.3.5",
            "DE02.01.025.00" => "2.16.156.10011.2.3.3.3",
            "DE02.01.015.00" => "2.16.156.10011.2.3.3.1",
            "DE02.01.041.00" => "2.16.156.10011.2.3.3.6",
            "DE02.01.052.00" => "2.16.156.10011.2.3.3.13",
            "DE02.10.024.00" => "2.16.156.10011.2.3.3.8",
            "DE06.00.339.00" => "2.16.156.10011.2.3.1.270",
            _ => "2.16.156.10011.2.3.1.271",
        };
        let path = path.replace("@code", "@codeSystem");
        if super::layout::has(&self.grammar.root, &path) {
            self.put(&path, "", 0, system);
        }
    }

    /// Those who sign: the legal authenticator first where the type has one.
    fn sign(&mut self) {
        let legal = self.grammar.root.child("legalAuthenticator").is_some();
        let mut signers = std::mem::take(&mut self.signers);
        if let Some(time) = self.pending_time.take() {
            signers.push(Signer { role: "签名者".to_owned(), name: None, time: Some(time) });
        }
        for (index, signer) in signers.into_iter().enumerate() {
            let (element, number) = match (legal, index) {
                (true, 0) => ("legalAuthenticator", 0),
                (true, index) => ("authenticator", index - 1),
                (false, index) => ("authenticator", index),
            };
            let slot =
                self.grammar.root.child(element).filter(|slot| number == 0 || slot.occurrence.repeats());
            let Some(slot) = slot else {
                self.lost.extend(signer.name.into_iter().chain(signer.time));
                continue;
            };
            let mut put = |path: &str, value: &str| {
                let room = super::layout::has(slot, path);
                room && self.put(&format!("{element}/{path}"), "", number, value)
            };
            put("assignedEntity/id/@extension", &format!("9951{index:02}"));
            // Where an agent signs, the schemas want the relation to the patient instead of the role.
            let role = if signer.role == "代理人" { "配偶" } else { &signer.role };
            put("assignedEntity/code/@displayName", role);
            put("assignedEntity/assignedPerson/name", &format!("{}甲", signer.role));
            if signer.time.is_some() {
                put("time/@value", "20260315093000");
            }
        }
    }

    fn section(&mut self, key: &str) -> usize {
        let row = tables().section_of_key(key);
        let (code, title) = match row {
            Some(row) if row.code == "-" => ("", row.title),
            Some(row) => (row.code, row.name),
            None => ("", key),
        };
        let found =
            self.document.sections.iter().position(|section| section.code == code && section.title == title);
        found.unwrap_or_else(|| {
            self.document.sections.push(Section {
                code: code.to_owned(),
                title: title.to_owned(),
                ..Section::default()
            });
            self.document.sections.len() - 1
        })
    }

    fn body(&mut self, element: &'static Element, key: &str, part: &Part) {
        let section = self.section(key);
        let alone = Part { depth: 0, opens: true, next: false, ..part.clone() };
        let part = if self.stands_alone(element, section, part) { &alone } else { part };
        let statement = self.statement(section, part, key == "plan");
        let statements = &mut self.document.sections[section].statements;
        if part.path.is_empty() && part.depth == 0 {
            // The observation itself, or the code of an order.
            let own = &mut statements[statement];
            fill(own, element, self.grammar);
        } else if part.path.is_empty() {
            let holder = match (part.depth, statements[statement].within.last_mut()) {
                (2, Some(_)) => statements[statement].within.last_mut(),
                _ => None,
            };
            let holder = match holder {
                Some(holder) => holder,
                None => &mut statements[statement],
            };
            let waiting = holder.within.iter().position(|within| within.code.code.is_empty());
            let at = waiting.unwrap_or_else(|| {
                holder.within.push(Statement { kind: "observation", ..Statement::default() });
                holder.within.len() - 1
            });
            fill(&mut holder.within[at], element, self.grammar);
        } else {
            self.leaf(element, section, statement, part);
        }
    }

    /// Whether an observation that goes within another has none to go to. The code of a diagnosis goes
    /// below its name only.
    fn stands_alone(&self, element: &Element, section: usize, part: &Part) -> bool {
        if part.kind != "obs" || part.depth == 0 || part.next {
            return false;
        }
        let current = self.open.iter().rfind(|open| open.section == section && open.kind == "obs");
        let Some(at) = current.map(|open| open.statement) else { return true };
        let statements = &self.document.sections[section].statements;
        let current = &statements[at];
        let target = |code: &str| tables().meaning(code).map_or("", |meaning| meaning.target);
        let chinese = |code: &str| code.starts_with("DE05.10.1");
        target(element.code) == "Condition.code"
            && (target(&current.code.code) != "Condition.code.text"
                || chinese(&current.code.code) != chinese(element.code)
                || current.within.iter().any(|within| within.code.code == element.code)
                // The name's own code came before it.
                || at > 0 && statements[at - 1].code.code == element.code)
    }

    /// The statement that a part belongs to, opened where there is none.
    fn statement(&mut self, section: usize, part: &Part, planned: bool) -> usize {
        let kind = match part.kind {
            "proc" => "procedure",
            "drug" => "substanceAdministration",
            _ => "observation",
        };
        let current = self.open.iter().rposition(|open| open.section == section && open.kind == part.kind);
        let statements = &self.document.sections[section].statements;
        let waits = |at: usize| {
            let statement = &statements[self.open[at].statement];
            match part.kind {
                "obs" => statement.code.code.is_empty(),
                "order" => statement.code.code.is_empty(),
                _ => !statement.leaves.iter().any(|leaf| leaf.path == part.path),
            }
        };
        let reuse = match current {
            Some(at) if part.opens || part.next && part.depth == 0 => waits(at).then_some(at),
            // A code goes below the name before it, and nothing below a code that stands alone.
            Some(at) => Some(at),
            None => None,
        };
        match reuse {
            Some(at) => self.open[at].statement,
            None => {
                let statements = &mut self.document.sections[section].statements;
                let planned = part.kind == "proc" && planned;
                statements.push(Statement { kind, planned, ..Statement::default() });
                let statement = statements.len() - 1;
                self.open.push(Open { section, kind: part.kind, statement });
                statement
            }
        }
    }

    fn leaf(&mut self, element: &'static Element, section: usize, statement: usize, part: &Part) {
        let own = &mut self.document.sections[section].statements[statement];
        if part.kind == "order" && part.path.starts_with("value/") {
            if part.path.ends_with("@code") {
                fill(own, element, self.grammar);
            }
            return;
        }
        let value = leaf_value(element, part, self.grammar);
        let target = match (part.depth, part.next) {
            (0, _) => own,
            (_, next) => {
                let fresh = own.within.last().is_none_or(|last| next && !last.code.code.is_empty());
                if fresh {
                    own.within.push(Statement { kind: "observation", ..Statement::default() });
                }
                let last = own.within.len() - 1;
                &mut own.within[last]
            }
        };
        let path = part.path.replace("{*}", "");
        let number = if part.mark.is_empty() { 0 } else { participant(target, &part.mark) };
        if target.leaves.iter().any(|leaf| leaf.path == path && leaf.number == number) {
            self.lost.push(element);
            return;
        }
        target.leaves.push(Leaf { path: path.clone(), mark: String::new(), number, value });
        if path.ends_with("Code/@code") || path == "code/@code" {
            let system = match path.as_str() {
                "routeCode/@code" => "2.16.156.10011.2.3.1.158",
                "administrationUnitCode/@code" => "2.16.156.10011.2.3.1.211",
                "targetSiteCode/@code" => "2.16.156.10011.2.3.1.266",
                _ => "2.16.156.10011.2.3.3.12",
            };
            let path = path.replace("@code", "@codeSystem");
            target.leaves.push(Leaf { path, mark: String::new(), number: 0, value: system.to_owned() });
        }
    }
}

/// The number of the participant of a role, who is added where not there yet.
fn participant(statement: &mut Statement, role: &str) -> usize {
    let path = "participant/participantRole/code/@displayName";
    let mut roles = statement.leaves.iter().filter(|leaf| leaf.path == path);
    if let Some(leaf) = roles.find(|leaf| leaf.value == role) {
        return leaf.number;
    }
    let number = statement.leaves.iter().filter(|leaf| leaf.path == path).count();
    statement.leaves.push(Leaf {
        path: path.to_owned(),
        mark: String::new(),
        number,
        value: role.to_owned(),
    });
    number
}

fn leaf_value(element: &Element, part: &Part, grammar: &Grammar) -> String {
    let path = part.path.replace("{*}", "");
    let (elements, attribute) = path.rsplit_once("/@").unwrap_or((&path, ""));
    // The kind that the first fitting statement of the schema wants.
    let name = match part.kind {
        "proc" => "procedure",
        "drug" => "substanceAdministration",
        _ => "observation",
    };
    let kind = grammar.section().and_then(|section| kind_of(section, name, elements, attribute));
    match kind {
        Some(
            kind @ (Kind::OneOf(_)
            | Kind::Integer(..)
            | Kind::Decimal(_)
            | Kind::Stamp
            | Kind::Date
            | Kind::Flag),
        ) => value_for(&kind, &path, element.label),
        _ if is_time(&path) => "20260315083000".to_owned(),
        _ if attribute == "value" => "2.5".to_owned(),
        _ if attribute == "code" => "A01".to_owned(),
        _ => format!("{}甲", element.label),
    }
}

fn kind_of(slot: &super::table::Slot, name: &str, elements: &str, attribute: &str) -> Option<Kind> {
    slot.children.iter().find_map(|child| {
        let own = (child.name == name).then(|| child.at(elements)).flatten();
        let kind = own.and_then(|found| found.attribute(attribute)).map(|attribute| attribute.kind.clone());
        kind.or_else(|| kind_of(child, name, elements, attribute))
    })
}

/// Gives a statement the data element's code and a value of its type.
fn fill(statement: &mut Statement, element: &Element, grammar: &Grammar) {
    statement.code = Code {
        code: element.code.to_owned(),
        system: CATALOGUE.to_owned(),
        display: element.label.to_owned(),
        qualifier: String::new(),
    };
    statement.value = Some(value(element, grammar));
}

/// A value of a data element, of the type that its meaning or its name tells.
fn value(element: &Element, grammar: &Grammar) -> Value {
    let tables = tables();
    let meaning = tables.meaning(element.code);
    let kind = value_type(element);
    match kind {
        ValueType::Code => Value::Code {
            code: if grammar.code == "C0003" { "1" } else { "A01" }.to_owned(),
            system: meaning
                .and_then(super::table::Meaning::value_set)
                .unwrap_or_else(|| "2.16.156.10011.2.3.3.11".to_owned()),
            display: format!("{}甲", element.label),
        },
        ValueType::Quantity => Value::Quantity {
            value: "36".to_owned(),
            unit: meaning.map_or("", |meaning| meaning.detail).to_owned(),
        },
        ValueType::Real => Value::Quantity { value: "5.5600".to_owned(), unit: String::new() },
        ValueType::Flag => Value::Flag("true".to_owned()),
        ValueType::Time => Value::Time("20260315083000".to_owned()),
        ValueType::Number => Value::Number("2".to_owned()),
        ValueType::Money => Value::Money { value: "120.50".to_owned(), currency: "元".to_owned() },
        ValueType::Text => Value::Text(format!("{}甲", element.label)),
    }
}

/// The type of a data element's value.
pub fn value_type(element: &Element) -> ValueType {
    let meaning = tables().meaning(element.code);
    if let Some(kind) = meaning.and_then(|meaning| meaning.value) {
        return kind;
    }
    let label = element.label;
    if element.length.contains("true") || label.ends_with("标志") || label.ends_with("标识") {
        ValueType::Flag
    } else if element.length.starts_with('D') || label.ends_with("时间") || label.ends_with("日期") {
        ValueType::Time
    } else if label.contains("代码") || label.contains("编码") {
        ValueType::Code
    } else {
        ValueType::Text
    }
}
