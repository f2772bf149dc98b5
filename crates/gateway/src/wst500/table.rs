//! The tables of the shared documents: what a document holds, where, and what it is in FHIR.
//!
//! Compiled in as text and parsed once.

use std::collections::HashMap;
use std::sync::OnceLock;

use super::path::Target;

const GRAMMAR: &str = include_str!("../../tables/wst500/grammar.txt");
const ELEMENTS: &str = include_str!("../../tables/wst500/elements.txt");
const FHIR: &str = include_str!("../../tables/wst500/fhir.txt");
const SECTIONS: &str = include_str!("../../tables/wst500/sections.txt");
const SYSTEMS: &str = include_str!("../../tables/wst500/systems.txt");

/// The catalogue of data elements (卫生信息数据元目录).
pub const CATALOGUE: &str = "2.16.156.10011.2.2.1";
/// Beginning of the value sets' identifiers.
const VALUE_SETS: &str = "2.16.156.10011.2.3.";

/// How often an element stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Occurrence {
    /// Once.
    One,
    /// At most once.
    Optional,
    /// Any number of times.
    Any,
    /// At least once.
    Some,
}

impl Occurrence {
    /// Whether it must stand.
    pub fn required(self) -> bool {
        matches!(self, Occurrence::One | Occurrence::Some)
    }

    /// Whether it may stand again.
    pub fn repeats(self) -> bool {
        matches!(self, Occurrence::Any | Occurrence::Some)
    }
}

/// What a text or an attribute may be.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// Text of a least and a greatest length.
    Text(usize, usize),
    /// A whole number within bounds.
    Integer(i64, i64),
    /// A decimal with so many digits behind the point, or any.
    Decimal(Option<u8>),
    /// `YYYYMMDDhhmmss`.
    Stamp,
    /// `YYYYMMDD`.
    Date,
    /// `true` or `false`.
    Flag,
    /// One of a list.
    OneOf(&'static [&'static str]),
}

/// What stands between the tags of an element.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// Anything: a value whose type `xsi:type` names.
    Anything,
    /// Elements in order.
    Elements,
    /// Elements in any order.
    Choice,
    /// Elements and text.
    Mixed,
    /// Text.
    Text(Kind),
}

/// An attribute.
#[derive(Debug, Clone)]
pub struct Attribute {
    pub name: &'static str,
    pub required: bool,
    pub kind: Kind,
}

/// An element of a document type.
#[derive(Debug, Clone)]
pub struct Slot {
    pub name: &'static str,
    pub occurrence: Occurrence,
    pub content: Content,
    pub attributes: Vec<Attribute>,
    pub children: Vec<Slot>,
}

impl Slot {
    /// The child of a name.
    pub fn child(&self, name: &str) -> Option<&Slot> {
        self.children.iter().find(|child| child.name == name)
    }

    /// The slot at a path of names.
    pub fn at(&self, path: &str) -> Option<&Slot> {
        path.split('/').filter(|name| !name.is_empty()).try_fold(self, |slot, name| slot.child(name))
    }

    /// The attribute of a name.
    pub fn attribute(&self, name: &str) -> Option<&Attribute> {
        self.attributes.iter().find(|attribute| attribute.name == name)
    }
}

/// What a document of one type may hold.
#[derive(Debug)]
pub struct Grammar {
    pub code: &'static str,
    pub title: &'static str,
    pub root: Slot,
    /// The types that `xsi:type` may name, with their attributes.
    pub types: Vec<Slot>,
}

impl Grammar {
    /// What a section may hold.
    pub fn section(&self) -> Option<&Slot> {
        self.root.at("component/structuredBody/component/section")
    }

    /// A type that `xsi:type` may name.
    pub fn named(&self, name: &str) -> Option<&Slot> {
        self.types.iter().find(|slot| slot.name == name)
    }
}

/// A data element of a document type.
#[derive(Debug, Clone, Copy)]
pub struct Element {
    /// Its code: `DE02.01.039.00`.
    pub code: &'static str,
    /// Chinese label in this document.
    pub label: &'static str,
    /// Name in the source's list, which groups elements: `OrderInfo.OrderNote`.
    pub name: &'static str,
    /// Length as the source writes it: `50`, `DT15`, `D8`, `N3..5,2`, `false/true`.
    pub length: &'static str,
    /// `1..1`, `0..*` …; empty where the source has none.
    pub cardinality: &'static str,
}

/// A section.
#[derive(Debug)]
pub struct Section {
    pub key: &'static str,
    /// LOINC code, or `-`.
    pub code: &'static str,
    pub name: &'static str,
    pub title: &'static str,
}

/// A place of the header, or of a statement, and what it is in FHIR.
#[derive(Debug)]
pub struct Place {
    /// Path without the mark of repetition.
    pub path: String,
    /// Whether the path has one.
    pub repeats: bool,
    pub target: Target,
    pub conversion: Conversion,
}

/// How a text of the document becomes a value of FHIR.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conversion {
    Text,
    Oid,
    DateTime,
    Date,
    Instant,
    Integer,
    Decimal,
    Gender,
    Use,
}

impl Conversion {
    /// The conversion that a table names.
    pub fn named(name: &str) -> Option<Conversion> {
        Some(match name {
            "text" => Conversion::Text,
            "oid" => Conversion::Oid,
            "ts" => Conversion::DateTime,
            "date" => Conversion::Date,
            "instant" => Conversion::Instant,
            "int" => Conversion::Integer,
            "dec" => Conversion::Decimal,
            "gender" => Conversion::Gender,
            "use" => Conversion::Use,
            _ => return None,
        })
    }
}

/// The type of a data element's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueType {
    Text,
    Code,
    Quantity,
    Real,
    Flag,
    Time,
    Number,
    Money,
}

/// What a data element is in FHIR.
#[derive(Debug)]
pub struct Meaning {
    /// Its code, or the beginning of codes.
    element: &'static str,
    /// The type of the resource within which this holds; `-` where it stands by itself.
    within: &'static str,
    /// `Observation exam`, `Condition.code`, `Invoice`, or a path within the resource around it.
    pub target: &'static str,
    /// The value's type, unless the data element's name tells it.
    pub value: Option<ValueType>,
    /// Value set of a code, or unit of a quantity.
    pub detail: &'static str,
    /// LOINC code of an observation, or empty.
    pub loinc: &'static str,
}

impl Meaning {
    /// The path within the resource around it.
    pub fn path(&self) -> Target {
        Target::parse(self.target)
    }

    /// The value set of a code as an OID, or nothing.
    pub fn value_set(&self) -> Option<String> {
        let is_set = self.detail.starts_with(|c: char| c.is_ascii_digit());
        is_set.then(|| format!("{VALUE_SETS}{}", self.detail))
    }
}

/// All tables.
pub struct Tables {
    grammars: Vec<Grammar>,
    elements: HashMap<&'static str, Vec<Element>>,
    pub head: Vec<Place>,
    head_index: HashMap<String, Vec<usize>>,
    statement: HashMap<&'static str, Vec<Place>>,
    meanings: Vec<Meaning>,
    exact: HashMap<(&'static str, &'static str), usize>,
    pub sections: Vec<Section>,
    systems: Vec<(&'static str, &'static str)>,
}

/// The tables, parsed at first use.
pub fn tables() -> &'static Tables {
    static TABLES: OnceLock<Tables> = OnceLock::new();
    TABLES.get_or_init(Tables::parse)
}

fn lines(text: &'static str) -> impl Iterator<Item = &'static str> {
    text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'))
}

impl Tables {
    fn parse() -> Tables {
        let mut tables = Tables {
            grammars: grammars(GRAMMAR),
            elements: elements(),
            head: Vec::new(),
            head_index: HashMap::new(),
            statement: HashMap::new(),
            meanings: Vec::new(),
            exact: HashMap::new(),
            sections: lines(SECTIONS).map(section).collect(),
            systems: lines(SYSTEMS).filter_map(|line| line.split_once('|')).collect(),
        };
        for line in lines(FHIR) {
            let fields: Vec<&'static str> = line.split('|').collect();
            let field = |index: usize| fields.get(index).copied().unwrap_or_default();
            match field(0) {
                "head" => places(field(1), field(2), field(3), &mut tables.head),
                "de" => {
                    tables.exact.entry((field(1), field(2))).or_insert(tables.meanings.len());
                    tables.meanings.push(meaning(&fields));
                }
                context => {
                    let of = context.strip_prefix("in ").unwrap_or(context);
                    places(field(1), field(2), field(3), tables.statement.entry(of).or_default());
                }
            }
        }
        for (index, place) in tables.head.iter().enumerate() {
            tables.head_index.entry(place.path.clone()).or_default().push(index);
        }
        tables
    }

    /// What a document type may hold: `C0032`.
    pub fn grammar(&self, code: &str) -> Option<&Grammar> {
        self.grammars.iter().find(|grammar| grammar.code == code)
    }

    /// All document types.
    pub fn grammars(&self) -> &[Grammar] {
        &self.grammars
    }

    /// The data elements of a document type.
    pub fn elements(&self, code: &str) -> &[Element] {
        self.elements.get(code).map_or(&[], Vec::as_slice)
    }

    /// The places of the header at a path.
    pub fn head_places(&self, path: &str) -> impl Iterator<Item = &Place> {
        self.head_index.get(path).into_iter().flatten().map(|index| &self.head[*index])
    }

    /// The places of statements that became resources of a type.
    pub fn statement_places(&self, resource: &str) -> &[Place] {
        self.statement.get(resource).map_or(&[], Vec::as_slice)
    }

    /// What a data element is that stands by itself.
    pub fn meaning(&self, element: &str) -> Option<&Meaning> {
        let exact = self.exact.get(&(element, "-")).map(|index| &self.meanings[*index]);
        exact.or_else(|| {
            self.meanings.iter().find(|meaning| meaning.within == "-" && fits(meaning.element, element))
        })
    }

    /// What a data element is within a resource of a type.
    pub fn meaning_within(&self, element: &str, resource: &str) -> Option<&Meaning> {
        self.exact.get(&(element, resource)).map(|index| &self.meanings[*index])
    }

    /// The data elements that have an element of their own within a resource of a type.
    pub fn all_within(&self, resource: &str) -> impl Iterator<Item = (&'static str, &Meaning)> {
        self.meanings.iter().filter(move |m| m.within == resource).map(|m| (m.element, m))
    }

    /// The data elements that are elements of the one patient or visit.
    pub fn singles(&self) -> impl Iterator<Item = (&'static str, &Meaning)> {
        self.meanings.iter().filter(|m| is_single(m.target) && m.within == "-").map(|m| (m.element, m))
    }

    /// The section of a code or, where it has none, of a Chinese title.
    pub fn section(&self, code: &str, title: &str) -> Option<&Section> {
        let by_title = || self.sections.iter().find(|section| !title.is_empty() && section.title == title);
        let by_code = || self.sections.iter().find(|s| s.code == code && code != "-");
        by_title().or_else(by_code)
    }

    /// The section of a key of this project.
    pub fn section_of_key(&self, key: &str) -> Option<&Section> {
        self.sections.iter().find(|section| section.key == key)
    }

    /// The name of a code system.
    pub fn system_name(&self, oid: &str) -> &'static str {
        self.systems.iter().find(|(key, _)| *key == oid).map_or("", |(_, name)| name)
    }
}

/// Whether a target is an element of the one patient or visit of a document.
pub fn is_single(target: &str) -> bool {
    target.starts_with("Encounter.") || target.starts_with("Patient.")
}

/// Whether a pattern (`DE04.10.*`, `DE04.30.0[06]*` without further meaning) is that of a code.
pub fn fits(pattern: &str, code: &str) -> bool {
    if let Some((before, rest)) = pattern.split_once('[') {
        let Some((set, after)) = rest.split_once(']') else { return false };
        let Some(tail) = code.strip_prefix(before) else { return false };
        let mut characters = tail.chars();
        return characters.next().is_some_and(|c| set.contains(c)) && fits(after, characters.as_str());
    }
    match pattern.strip_suffix('*') {
        Some(beginning) => code.starts_with(beginning),
        None => pattern == code,
    }
}

fn section(line: &'static str) -> Section {
    let mut fields = line.split('|');
    let mut next = || fields.next().unwrap_or_default();
    Section { key: next(), code: next(), name: next(), title: next() }
}

fn meaning(fields: &[&'static str]) -> Meaning {
    let field = |index: usize| fields.get(index).copied().unwrap_or_default();
    let value = match field(4) {
        "ST" => Some(ValueType::Text),
        "CD" => Some(ValueType::Code),
        "PQ" => Some(ValueType::Quantity),
        "REAL" => Some(ValueType::Real),
        "BL" => Some(ValueType::Flag),
        "TS" => Some(ValueType::Time),
        "INT" => Some(ValueType::Number),
        "MO" => Some(ValueType::Money),
        _ => None,
    };
    // `mmol/L` and the like contain the separator of no table; a quantity's unit stands as it is.
    Meaning {
        element: field(1),
        within: field(2),
        target: field(3),
        value,
        detail: field(5),
        loinc: field(6),
    }
}

/// Adds the places of one line, which may stand for several.
fn places(path: &'static str, target: &'static str, conversion: &str, out: &mut Vec<Place>) {
    use Conversion::{Date, DateTime, Decimal, Gender, Instant, Integer, Oid, Text, Use};
    let mut add = |tail: &str, element: &str, conversion: Conversion| {
        let repeats = path.contains("[*]");
        let path = format!("{}{tail}", path.replace("[*]", ""));
        out.push(Place { path, repeats, target: Target::parse(&format!("{target}{element}")), conversion });
    };
    match conversion {
        "code" => {
            add("/@code", ".code", Text);
            add("/@codeSystem", ".system", Oid);
            add("/@displayName", ".display", Text);
        }
        "instance" => {
            add("/@root", ".system", Oid);
            add("/@extension", ".value", Text);
        }
        "organization" => {
            add("/id/@root", ".valueReference.identifier.system", Oid);
            add("/id/@extension", ".valueReference.identifier.value", Text);
            add("/name", ".valueReference.display", Text);
        }
        "address" => {
            add("/@use", ".use", Use);
            for (part, element) in [
                ("/state", ".state"),
                ("/city", ".city"),
                ("/county", ".district"),
                ("/township", ".extension{township}.valueString"),
                ("/streetName", ".extension{streetName}.valueString"),
                ("/houseNumber", ".extension{houseNumber}.valueString"),
                ("/postalCode", ".postalCode"),
            ] {
                add(part, element, Text);
            }
        }
        "ts" => add("", "", DateTime),
        "date" => add("", "", Date),
        "instant" => add("", "", Instant),
        "int" => add("", "", Integer),
        "dec" => add("", "", Decimal),
        "gender" => add("", "", Gender),
        "use" => add("", "", Use),
        _ => add("", "", Text),
    }
}

fn elements() -> HashMap<&'static str, Vec<Element>> {
    let mut of: HashMap<&'static str, Vec<Element>> = HashMap::new();
    let mut document = "";
    for line in lines(ELEMENTS) {
        if let Some(code) = line.strip_prefix('=') {
            document = code;
            continue;
        }
        let mut fields = line.split('|');
        let mut next = || fields.next().unwrap_or_default();
        let element =
            Element { code: next(), label: next(), name: next(), length: next(), cardinality: next() };
        of.entry(document).or_default().push(element);
    }
    of
}

/// Reads a table of grammars.
pub(crate) fn grammars(table: &'static str) -> Vec<Grammar> {
    let mut lists: Vec<&'static [&'static str]> = Vec::new();
    let mut grammars: Vec<Grammar> = Vec::new();
    // The slots that are open, from the root of the document at hand.
    let mut open: Vec<Slot> = Vec::new();
    let close = |open: &mut Vec<Slot>, depth: usize, grammars: &mut Vec<Grammar>| {
        while open.len() > depth {
            let Some(slot) = open.pop() else { break };
            match (open.last_mut(), grammars.last_mut()) {
                (Some(parent), _) => parent.children.push(slot),
                (None, Some(grammar)) => grammar.root = slot,
                (None, None) => {}
            }
        }
    };
    for line in lines(table) {
        if let Some(list) = line.strip_prefix('%') {
            let values = list.split_once(' ').map_or("", |(_, values)| values);
            lists.push(Box::leak(values.split('|').collect::<Vec<_>>().into_boxed_slice()));
        } else if let Some(head) = line.strip_prefix('=') {
            close(&mut open, 0, &mut grammars);
            let (code, title) = head.split_once(' ').unwrap_or((head, ""));
            grammars.push(Grammar { code, title, root: slot("", &lists), types: Vec::new() });
        } else if let Some(named) = line.strip_prefix('!') {
            if let Some(grammar) = grammars.last_mut() {
                grammar.types.push(slot(named, &lists));
            }
        } else {
            let body = line.trim_start_matches('.');
            close(&mut open, line.len() - body.len() - 1, &mut grammars);
            open.push(slot(body, &lists));
        }
    }
    close(&mut open, 0, &mut grammars);
    grammars
}

fn slot(line: &'static str, lists: &[&'static [&'static str]]) -> Slot {
    let mut parts = line.split(' ');
    let name = parts.next().unwrap_or_default();
    let (name, occurrence) = match name.as_bytes().last() {
        Some(b'?') => (&name[..name.len() - 1], Occurrence::Optional),
        Some(b'*') => (&name[..name.len() - 1], Occurrence::Any),
        Some(b'+') => (&name[..name.len() - 1], Occurrence::Some),
        _ => (name, Occurrence::One),
    };
    let content = match parts.next().unwrap_or_default() {
        "any" => Content::Anything,
        "elements" => Content::Elements,
        "choice" => Content::Choice,
        "mixed" => Content::Mixed,
        text => Content::Text(kind(text, lists)),
    };
    let attributes = parts.filter_map(|part| part.strip_prefix('@')).map(|part| {
        let (name, shape) = part.split_once(':').unwrap_or((part, "str"));
        let required = !name.ends_with('?');
        Attribute { name: name.trim_end_matches('?'), required, kind: kind(shape, lists) }
    });
    Slot { name, occurrence, content, attributes: attributes.collect(), children: Vec::new() }
}

fn kind(text: &'static str, lists: &[&'static [&'static str]]) -> Kind {
    // A fixed value follows the type and says more.
    let text = text.rsplit(':').next().unwrap_or(text);
    if let Some(number) = text.strip_prefix('%').and_then(|number| number.parse::<usize>().ok()) {
        return Kind::OneOf(lists.get(number).copied().unwrap_or_default());
    }
    if let Some(bounds) = text.strip_prefix("int") {
        let (least, most) = bounds.trim_matches(['[', ']']).split_once(',').unwrap_or_default();
        return Kind::Integer(least.parse().unwrap_or(i64::MIN), most.parse().unwrap_or(i64::MAX));
    }
    match text {
        "ts" => Kind::Stamp,
        "date" => Kind::Date,
        "bool" => Kind::Flag,
        "dec" => Kind::Decimal(None),
        "dec2" => Kind::Decimal(Some(2)),
        "dec4" => Kind::Decimal(Some(4)),
        _ => {
            let mut bounds = (0, usize::MAX);
            for facet in text.split(',').skip(1) {
                let number = |prefix: &str| facet.strip_prefix(prefix).and_then(|n| n.parse().ok());
                if let Some(length) = number("len") {
                    bounds = (length, length);
                } else if let Some(least) = number("min") {
                    bounds.0 = least;
                } else if let Some(most) = number("max") {
                    bounds.1 = most;
                }
            }
            Kind::Text(bounds.0, bounds.1)
        }
    }
}
