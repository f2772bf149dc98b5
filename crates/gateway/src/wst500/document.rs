//! A shared document as places with values: what its XML says, freed from the XML.
//!
//! The header is a list of leaves (a path and a value). The body is sections of
//! statements; a statement has a code, a value, leaves of its own and statements
//! within it. Organizers and acts only group, and what they group stands in their
//! place.

use std::collections::HashMap;

use tongmai_base::{Finding, limits};

use crate::xml::{Element, Places};

/// Attributes that say how the document is built and nothing of the patient. `codeSystemName`
/// follows from `codeSystem`.
const STRUCTURAL: &[&str] = &[
    "classCode",
    "moodCode",
    "typeCode",
    "determinerCode",
    "contextControlCode",
    "contextConductionInd",
    "inversionInd",
    "codeSystemName",
    "codeSystemVersion",
    "type",
    "schemaLocation",
    "assigningAuthorityName",
    "nullFlavor",
];
/// Elements of the header that are the same in every document.
const CONSTANT: &[&str] = &["realmCode", "typeId", "templateId"];
/// What only groups statements.
const GROUPS: &[&str] = &["organizer", "act"];
/// What is a statement.
const STATEMENTS: &[&str] = &["observation", "procedure", "substanceAdministration"];

/// A value at a path. The path has no numbers; `number` is that of the repeated element within it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Leaf {
    /// `author/assignedAuthor/id/@extension`; `id{root}` where identifiers are told apart so.
    pub path: String,
    /// What stands in the braces.
    pub mark: String,
    /// Which of several elements of the same name.
    pub number: usize,
    /// The text.
    pub value: String,
}

/// What a statement says of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Code {
    pub code: String,
    pub system: String,
    pub display: String,
    /// The displayed name of a qualifier.
    pub qualifier: String,
}

/// A value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// `ST` and what has no type.
    Text(String),
    /// `CD` and its kin.
    Code { code: String, system: String, display: String },
    /// `PQ`, and `REAL` without a unit.
    Quantity { value: String, unit: String },
    /// `BL`.
    Flag(String),
    /// `TS`.
    Time(String),
    /// `INT`.
    Number(String),
    /// `MO`.
    Money { value: String, currency: String },
}

/// What stands in a section.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Statement {
    /// `observation`, `procedure` or `substanceAdministration`.
    pub kind: &'static str,
    /// What an observation says of; other kinds carry their code among the leaves.
    pub code: Code,
    pub value: Option<Value>,
    pub leaves: Vec<Leaf>,
    pub within: Vec<Statement>,
    /// Whether it is intended rather than done (`moodCode` other than `EVN`).
    pub planned: bool,
    /// Where it begins, in bytes.
    pub offset: usize,
}

/// A section.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Section {
    pub code: String,
    pub title: String,
    /// Its narrative.
    pub text: String,
    pub statements: Vec<Statement>,
}

/// A document.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Document {
    /// `C0032`.
    pub code: String,
    /// The part of WS/T 483 that its template names, 1 to 20; 0 for documents of WS/T 500.
    pub health_record: u8,
    pub head: Vec<Leaf>,
    pub sections: Vec<Section>,
}

/// Reads the tree of a document. What has no place in the model stands in `findings`.
pub fn from_xml(root: &Element<'_>, places: &Places<'_>, findings: &mut Vec<Finding>) -> Document {
    let mut reader = Reader { places, findings };
    let code = root.child("code").and_then(|code| code.attribute("code")).unwrap_or_default();
    // The templates of WS/T 483 are the twenty before those of WS/T 500.
    let part = root.all("templateId").find_map(|template| {
        let number = template.attribute("root")?.strip_prefix("2.16.156.10011.2.1.1.")?.parse().ok()?;
        (1..=20).contains(&number).then_some(number)
    });
    let health_record = part.unwrap_or(0);
    let mut document = Document { code: code.to_owned(), health_record, ..Document::default() };
    for (number, child) in numbered(&root.children) {
        match child.name.as_ref() {
            "component" => reader.body(child, &mut document),
            name if CONSTANT.contains(&name) => {}
            _ => leaves(child, "", number, true, &mut document.head),
        }
    }
    document
}

/// Children with their number among those of the same name.
fn numbered<'e, 't>(children: &'e [Element<'t>]) -> Vec<(usize, &'e Element<'t>)> {
    let mut counts: HashMap<&str, usize> = HashMap::with_capacity(children.len());
    let mut number = |child: &'e Element<'t>| {
        let count = counts.entry(child.name.as_ref()).or_insert(0);
        *count += 1;
        *count - 1
    };
    children.iter().map(|child| (number(child), child)).collect()
}

/// Adds the values of an element and all within it. Empty ones are none.
fn leaves(element: &Element<'_>, before: &str, number: usize, head: bool, out: &mut Vec<Leaf>) {
    let mut path = String::with_capacity(before.len() + element.name.len() + 1);
    if !before.is_empty() {
        path.push_str(before);
        path.push('/');
    }
    path.push_str(&element.name);
    let mut mark = String::new();
    let marked = head && path == "recordTarget/patientRole/id";
    if marked {
        path.push_str("{*}");
        mark = element.attribute("root").unwrap_or_default().to_owned();
    }
    let number_here = if marked { 0 } else { number };
    for (name, value) in &element.attributes {
        let is_mark = marked && name == "root";
        // A lone root says which kind of identifier is missing.
        let lone = name == "root"
            && element.name == "id"
            && element.attribute("extension").is_none_or(str::is_empty);
        if value.is_empty() || is_mark || lone || STRUCTURAL.contains(&name.as_ref()) {
            continue;
        }
        let path = format!("{path}/@{name}");
        out.push(Leaf { path, mark: mark.clone(), number: number_here, value: value.to_string() });
    }
    if !element.text.is_empty() {
        out.push(Leaf { path: path.clone(), mark, number: number_here, value: element.text.to_string() });
    }
    for (own, child) in numbered(&element.children) {
        leaves(child, &path, if own > 0 { own } else { number }, head, out);
    }
}

struct Reader<'t, 'f> {
    places: &'f Places<'t>,
    findings: &'f mut Vec<Finding>,
}

impl Reader<'_, '_> {
    #[cold]
    fn unmapped(&mut self, element: &Element<'_>, what: &str) {
        let mut values = Vec::new();
        leaves(element, "", 0, false, &mut values);
        if values.is_empty() || self.findings.len() > limits::MESSAGE_FINDINGS {
            return;
        }
        let shown: Vec<String> =
            values.iter().take(5).map(|leaf| format!("{}={}", leaf.path, leaf.value)).collect();
        let message = format!("{what}: {}", shown.join(", "));
        self.findings.push(
            Finding::warning(self.places.of(element.offset), "unmapped", message)
                .with_repair("nothing is lost: the document is kept as it came"),
        );
    }

    fn body(&mut self, component: &Element<'_>, document: &mut Document) {
        let Some(body) = component.child("structuredBody") else {
            self.unmapped(component, "a body that is not structured");
            return;
        };
        for component in &body.children {
            match component.child("section") {
                Some(section) => self.section(section, document),
                None => self.unmapped(component, "not a section"),
            }
        }
    }

    fn section(&mut self, element: &Element<'_>, document: &mut Document) {
        let mut section = Section::default();
        for child in &element.children {
            match child.name.as_ref() {
                "code" => {
                    section.code = child.attribute("code").unwrap_or_default().to_owned();
                    section.title = child.attribute("displayName").unwrap_or_default().to_owned();
                }
                "title" if !child.text.is_empty() => section.title = child.text.to_string(),
                "text" => section.text = child.deep_text(),
                "entry" => self.statements(child, &mut section.statements),
                // Sections within sections stand beside them.
                "component" => {
                    for inner in child.all("section") {
                        self.section(inner, document);
                    }
                }
                "title" => {}
                _ => self.unmapped(child, "unknown part of a section"),
            }
        }
        document.sections.push(section);
    }

    /// The statements directly within an element, those of groups included.
    fn statements(&mut self, holder: &Element<'_>, out: &mut Vec<Statement>) {
        for child in &holder.children {
            match child.name.as_ref() {
                name if GROUPS.contains(&name) => self.group(child, out),
                name => match STATEMENTS.iter().find(|kind| **kind == name) {
                    Some(kind) => {
                        let statement = self.statement(kind, child);
                        if !statement.is_empty() {
                            out.push(statement);
                        }
                    }
                    None => self.unmapped(child, "not a statement"),
                },
            }
        }
    }

    /// What a group says of itself goes to its first statement.
    fn group(&mut self, group: &Element<'_>, out: &mut Vec<Statement>) {
        let first = out.len();
        let mut own = Vec::new();
        for (number, child) in numbered(&group.children) {
            match child.name.as_ref() {
                "component" | "entryRelationship" => self.statements(child, out),
                "code" | "statusCode" => {}
                _ => leaves(child, "", number, false, &mut own),
            }
        }
        match out.get_mut(first) {
            Some(statement) => statement.leaves.extend(own),
            None if !own.is_empty() => self.unmapped(group, "a group without statements"),
            None => {}
        }
    }

    fn statement(&mut self, kind: &'static str, element: &Element<'_>) -> Statement {
        let planned = element.attribute("moodCode").is_some_and(|mood| !matches!(mood, "" | "EVN"));
        let mut statement = Statement { kind, planned, offset: element.offset, ..Statement::default() };
        for (number, child) in numbered(&element.children) {
            match child.name.as_ref() {
                "code" if kind == "observation" => statement.code = code(child),
                "value" if statement.value.is_none() => statement.value = value(child),
                "entryRelationship" | "component" => self.statements(child, &mut statement.within),
                "statusCode" => {}
                _ => leaves(child, "", number, false, &mut statement.leaves),
            }
        }
        statement
    }
}

fn code(element: &Element<'_>) -> Code {
    let attribute = |name: &str| element.attribute(name).unwrap_or_default().to_owned();
    let qualifier = element.at("qualifier/name").and_then(|name| name.attribute("displayName"));
    Code {
        code: attribute("code"),
        system: attribute("codeSystem"),
        display: attribute("displayName"),
        qualifier: qualifier.unwrap_or_default().to_owned(),
    }
}

/// The value of an observation, by its type or, where it has none, by its attributes.
fn value(element: &Element<'_>) -> Option<Value> {
    let attribute = |name: &str| element.attribute(name).unwrap_or_default().to_owned();
    let text = || if element.text.is_empty() { element.deep_text() } else { element.text.to_string() };
    let declared = element.attribute("type").unwrap_or_default();
    let declared = declared.rsplit(':').next().unwrap_or_default();
    let plain = attribute("value");
    let found = match declared {
        "CD" | "CE" | "CV" | "CO" | "CS" => Value::Code {
            code: attribute("code"),
            system: attribute("codeSystem"),
            display: Some(attribute("displayName")).filter(|name| !name.is_empty()).unwrap_or_else(text),
        },
        "PQ" | "REAL" if !plain.is_empty() => Value::Quantity { value: plain, unit: attribute("unit") },
        "BL" if !plain.is_empty() => Value::Flag(plain),
        "TS" | "IVL_TS" if !plain.is_empty() => Value::Time(plain),
        "INT" if !plain.is_empty() => Value::Number(plain),
        "MO" if !plain.is_empty() => Value::Money { value: plain, currency: attribute("currency") },
        _ if !attribute("code").is_empty() => Value::Code {
            code: attribute("code"),
            system: attribute("codeSystem"),
            display: attribute("displayName"),
        },
        _ if !attribute("unit").is_empty() => Value::Quantity { value: plain, unit: attribute("unit") },
        _ if !plain.is_empty() => Value::Text(plain),
        _ => Value::Text(text()),
    };
    let empty = match &found {
        Value::Text(text) => text.is_empty(),
        Value::Code { code, display, .. } => code.is_empty() && display.is_empty(),
        _ => false,
    };
    (!empty).then_some(found)
}

impl Value {
    /// Whether it is one of the words by which systems fill fields that they have nothing for.
    /// Words that are an answer in free text (`无`, none) are no placeholders there.
    pub fn is_placeholder(&self) -> bool {
        match self {
            Value::Text(text) => is_filler(text),
            Value::Code { code, display, .. } => {
                is_placeholder(code) && (display.is_empty() || is_filler(display))
            }
            Value::Quantity { value, .. } | Value::Money { value, .. } => is_placeholder(value),
            Value::Flag(value) | Value::Time(value) | Value::Number(value) => is_placeholder(value),
        }
    }
}

/// Marks that are never an answer.
pub fn is_filler(text: &str) -> bool {
    let text = text.trim();
    text.chars().all(|c| matches!(c, '-' | '—' | '－' | '/' | '\\' | '.' | '_' | '*' | '?' | '？' | ' '))
        || matches!(
            text.to_ascii_uppercase().as_str(),
            "NULL" | "NIL" | "N/A" | "NA" | "NONE" | "UNDEFINED" | "ID_CARD_NO"
        )
}

/// Marks and words that are no answer in a field that is not free text.
pub fn is_placeholder(text: &str) -> bool {
    is_filler(text) || matches!(text.trim(), "无" | "未知" | "不详" | "空" | "暂无")
}

impl Document {
    /// Each value with its place, in a fixed order.
    pub fn canonical(&self) -> Vec<String> {
        let mut out: Vec<String> = self
            .head
            .iter()
            .map(|leaf| format!("{}[{}] = {}", leaf.path.replace('*', &leaf.mark), leaf.number, leaf.value))
            .collect();
        for section in &self.sections {
            let place = format!("section {} {}", section.code, section.title);
            if !section.text.is_empty() {
                out.push(format!("{place} text = {}", section.text));
            }
            for statement in &section.statements {
                statement.canonical(&place, &mut out);
            }
        }
        out.sort();
        out
    }
}

impl Statement {
    /// Whether it says nothing.
    fn is_empty(&self) -> bool {
        self.code == Code::default()
            && self.value.is_none()
            && self.leaves.is_empty()
            && self.within.is_empty()
    }

    /// A statement with its leaves; what stands within another stands below the code of that.
    fn canonical(&self, place: &str, out: &mut Vec<String>) {
        let mut leaves: Vec<String> =
            self.leaves.iter().map(|leaf| format!("{}[{}]={}", leaf.path, leaf.number, leaf.value)).collect();
        leaves.sort();
        let code = &self.code;
        out.push(format!(
            "{place} {}{} {} {} {} = {:?} {}",
            self.kind,
            if self.planned { " planned" } else { "" },
            code.code,
            code.display,
            code.qualifier,
            self.value,
            leaves.join(" ")
        ));
        // Name and code of a diagnosis stand within or beside each other.
        let diagnosis = code.code.starts_with("DE05.01.02") || code.code.starts_with("DE05.10.1");
        let below = if diagnosis { place.to_owned() } else { format!("{place} > {}", code.code) };
        for within in &self.within {
            within.canonical(&below, out);
        }
    }
}
