//! Where each data element of a document type stands.
//!
//! The rules are `layout.txt`; the schema of the type decides between the
//! alternatives of a rule, for not every type has room for everything.

use std::collections::HashMap;
use std::sync::OnceLock;

use super::table::{Content, Element, Grammar, Slot, fits, tables};

const LAYOUT: &str = include_str!("../../tables/wst500/layout.txt");

/// A place in a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A path of the header; the mark tells identifiers apart.
    Head { path: String, mark: String },
    /// Name of one who signed, in this role.
    Signer { role: String },
    /// Time of a signature; the next or the same role's.
    SignedAt { role: String },
    /// Somewhere in a section.
    Body { section: &'static str, part: Part },
    /// No rule fits.
    Nowhere,
}

/// A part of a section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// `obs`, `proc`, `drug` or `order`.
    pub kind: &'static str,
    /// Whether a new statement begins with it.
    pub opens: bool,
    /// 0: the statement itself, 1: one within it, 2: one within that.
    pub depth: u8,
    /// Whether the statement is still to come.
    pub next: bool,
    /// A leaf of the statement; empty for its value.
    pub path: String,
    /// What tells repeated elements of the path apart.
    pub mark: String,
}

/// A data element and its place.
#[derive(Debug, Clone)]
pub struct Placed {
    pub element: &'static Element,
    pub place: Place,
}

/// The places of a document type.
#[derive(Debug)]
pub struct Layout {
    pub placed: Vec<Placed>,
    head: HashMap<(String, String), &'static Element>,
    body: HashMap<&'static str, &'static Element>,
}

impl Layout {
    /// The data element at a place of the header.
    pub fn head_element(&self, path: &str, mark: &str) -> Option<&'static Element> {
        let tail = |path: &str| self.head.get(&(path.to_owned(), mark.to_owned())).copied();
        tail(path).or_else(|| tail(&format!("{path}/@value"))).or_else(|| tail(&format!("{path}/@extension")))
    }

    /// The data element of a code in this document type.
    pub fn body_element(&self, code: &str) -> Option<&'static Element> {
        self.body.get(code).copied()
    }

    /// The section in which a data element of a statement stands.
    pub fn section_of(&self, code: &str) -> Option<&'static str> {
        self.placed.iter().find_map(|placed| match &placed.place {
            Place::Body { section, .. } if placed.element.code == code => Some(*section),
            _ => None,
        })
    }
}

impl Placed {
    /// The place as an XPath.
    pub fn xpath(&self) -> String {
        match &self.place {
            Place::Head { path, mark } => {
                format!("/ClinicalDocument/{}", path.replace("{*}", &predicate("@root", mark)))
            }
            Place::Signer { role } => {
                let which = predicate("assignedEntity/code/@displayName", role);
                format!(
                    "/ClinicalDocument/*[self::legalAuthenticator or self::authenticator]{which}/assignedEntity/assignedPerson/name"
                )
            }
            Place::SignedAt { role } => {
                let which = predicate("assignedEntity/code/@displayName", role);
                format!("/ClinicalDocument/*[self::legalAuthenticator or self::authenticator]{which}/time")
            }
            Place::Body { section, part } => self.body_xpath(section, part),
            Place::Nowhere => String::new(),
        }
    }

    fn body_xpath(&self, section: &str, part: &Part) -> String {
        let row = tables().section_of_key(section);
        let which = match row {
            Some(row) if row.code != "-" => predicate("code/@code", row.code),
            Some(row) => predicate("code/@displayName", row.title),
            None => String::new(),
        };
        let element = match part.kind {
            "proc" => "procedure",
            "drug" => "substanceAdministration",
            _ => "observation",
        };
        let own = predicate("code/@code", self.element.code);
        let statement = match (part.depth, part.path.is_empty()) {
            (0, true) => format!("{element}{own}/value"),
            (0, false) => format!("{element}/{}", part.path.replace("{*}", "")),
            (_, true) => format!("{element}//observation{own}/value"),
            (_, false) => format!("{element}//observation/{}", part.path),
        };
        format!("//section{which}/entry//{statement}")
    }
}

fn predicate(path: &str, value: &str) -> String {
    if value.is_empty() { String::new() } else { format!("[{path}='{value}']") }
}

/// The places of a document type's data elements.
pub fn layout(code: &str) -> &'static Layout {
    static LAYOUTS: OnceLock<HashMap<&'static str, Layout>> = OnceLock::new();
    static NONE: OnceLock<Layout> = OnceLock::new();
    let layouts = LAYOUTS.get_or_init(|| {
        let rules = rules();
        tables().grammars().iter().map(|grammar| (grammar.code, make(grammar, &rules))).collect()
    });
    layouts.get(code).unwrap_or_else(|| {
        NONE.get_or_init(|| Layout { placed: Vec::new(), head: HashMap::new(), body: HashMap::new() })
    })
}

struct Rule {
    element: &'static str,
    documents: Vec<&'static str>,
    words: Vec<&'static str>,
    places: Vec<String>,
}

fn rules() -> Vec<Rule> {
    let mut names: Vec<(&str, &str)> = Vec::new();
    let mut rules = Vec::new();
    for line in LAYOUT.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some((name, path)) = line.strip_prefix('$').and_then(|line| line.split_once('=')) {
            names.push((name, path));
            continue;
        }
        let fields: Vec<&'static str> = line.split('|').collect();
        let list = |index: usize| -> Vec<&'static str> {
            let field = fields.get(index).copied().unwrap_or_default();
            field.split(',').filter(|word| *word != "-" && !word.is_empty()).collect()
        };
        let places = fields.get(3).copied().unwrap_or_default().split(';').map(|place| {
            let mut place = place.to_owned();
            for (name, path) in &names {
                place = place.replace(&format!("${name}/"), &format!("{path}/"));
            }
            place
        });
        rules.push(Rule {
            element: fields.first().copied().unwrap_or_default(),
            documents: list(1),
            words: list(2),
            places: places.collect(),
        });
    }
    rules
}

fn make(grammar: &'static Grammar, rules: &[Rule]) -> Layout {
    let room = Room::of(grammar);
    let mut placed = Vec::new();
    let mut head = HashMap::new();
    let mut body = HashMap::new();
    for element in tables().elements(grammar.code) {
        let fitting = rules.iter().find(|rule| {
            fits(rule.element, element.code)
                && (rule.documents.is_empty() || rule.documents.contains(&grammar.code))
                && (rule.words.is_empty()
                    || rule
                        .words
                        .iter()
                        .any(|word| element.label.contains(word) || element.name.contains(word)))
        });
        let places = fitting.map(|rule| rule.places.as_slice()).unwrap_or_default();
        let place = places.iter().find_map(|place| room.place(place, element)).unwrap_or(Place::Nowhere);
        match &place {
            Place::Head { path, mark } => {
                head.entry((path.clone(), mark.clone())).or_insert(element);
            }
            Place::Signer { .. } | Place::SignedAt { .. } | Place::Nowhere => {}
            Place::Body { .. } => {
                body.entry(element.code).or_insert(element);
            }
        }
        placed.push(Placed { element, place });
    }
    Layout { placed, head, body }
}

/// What the schema of a type has room for.
struct Room<'g> {
    grammar: &'g Grammar,
    observations: Vec<&'g Slot>,
    procedures: Vec<&'g Slot>,
    drugs: Vec<&'g Slot>,
}

impl<'g> Room<'g> {
    fn of(grammar: &'g Grammar) -> Self {
        let mut room = Room { grammar, observations: Vec::new(), procedures: Vec::new(), drugs: Vec::new() };
        if let Some(section) = grammar.section() {
            room.collect(section);
        }
        room
    }

    fn collect(&mut self, slot: &'g Slot) {
        for child in &slot.children {
            match child.name {
                // What stands within another statement is found through that.
                "entryRelationship" if slot.name != "act" => continue,
                "observation" => self.observations.push(child),
                "procedure" => self.procedures.push(child),
                "substanceAdministration" => self.drugs.push(child),
                _ => {}
            }
            self.collect(child);
        }
    }

    fn slots(&self, kind: &str) -> &[&'g Slot] {
        match kind {
            "proc" => &self.procedures,
            "drug" => &self.drugs,
            _ => &self.observations,
        }
    }

    fn place(&self, text: &str, element: &Element) -> Option<Place> {
        let words: Vec<&str> = text.split(' ').collect();
        match words.as_slice() {
            ["head", path] => {
                let (path, mark) = unmarked(path);
                has(&self.grammar.root, &path.replace("{*}", "")).then_some(Place::Head { path, mark })
            }
            ["sign"] => self.signs().then(|| Place::Signer { role: role(element.label) }),
            ["sign-time"] => self.signs().then(|| Place::SignedAt { role: role(element.label) }),
            [section, shape, rest @ ..] => {
                self.part(section, shape, rest.first().copied().unwrap_or_default())
            }
            _ => None,
        }
    }

    fn signs(&self) -> bool {
        self.grammar.root.child("authenticator").is_some()
            || self.grammar.root.child("legalAuthenticator").is_some()
    }

    fn part(&self, section: &str, shape: &str, path: &str) -> Option<Place> {
        let section = tables().section_of_key(section)?.key;
        let kind = ["obs", "proc", "drug", "order"].into_iter().find(|kind| shape.starts_with(kind))?;
        let marks = &shape[kind.len()..];
        let depth = marks.bytes().filter(|byte| *byte == b'+').count() as u8;
        let (path, mark) = unmarked(path);
        let bare = path.replace("{*}", "");
        let slots = self.slots(kind);
        let fits = match (kind, depth) {
            ("obs", 0) if path.is_empty() => true,
            ("obs", _) if path.is_empty() => true,
            ("obs", 0) => slots.iter().any(|slot| has(slot, &bare)),
            (_, 0) => slots.iter().any(|slot| has(slot, &bare)),
            _ => slots.iter().any(|slot| {
                let within = slot.at("entryRelationship/observation");
                within.is_some_and(|within| path.is_empty() || has(within, &bare))
            }),
        };
        let part = Part {
            kind,
            opens: marks.contains('!') || (kind == "obs" && depth == 0 && path.is_empty()),
            depth,
            next: marks.contains('>'),
            path,
            mark,
        };
        fits.then_some(Place::Body { section, part })
    }
}

/// A path without its mark: `id{root}` is `id{*}` and `root`.
fn unmarked(path: &str) -> (String, String) {
    match path
        .split_once('{')
        .and_then(|(before, rest)| rest.split_once('}').map(|(mark, after)| (before, mark, after)))
    {
        Some((before, mark, after)) => (format!("{before}{{*}}{after}"), mark.to_owned()),
        None => (path.to_owned(), String::new()),
    }
}

/// Whether a slot has a place: an attribute, or text where an attribute of the usual kind would say it.
pub fn has(slot: &Slot, path: &str) -> bool {
    let (elements, attribute) = match path.rsplit_once("/@") {
        Some((elements, attribute)) => (elements, Some(attribute)),
        None => (path, None),
    };
    let Some(found) = slot.at(elements) else { return false };
    match attribute {
        None => matches!(found.content, Content::Text(_) | Content::Anything),
        Some(_) if found.content == Content::Anything => true,
        Some(name) if found.attribute(name).is_some() => true,
        Some(name) => {
            found.attributes.is_empty()
                && matches!(found.content, Content::Text(_))
                && matches!(name, "value" | "extension" | "displayName")
        }
    }
}

/// Whose signature it is: the label without the words for name, signature and time.
fn role(label: &str) -> String {
    let mut role = label;
    for word in [
        "签名日期时间",
        "签名时间",
        "签名日期",
        "日期时间",
        "时间",
        "签名姓名",
        "签名",
        "姓名",
        "名称",
        "名字",
        "名单",
    ] {
        role = role.strip_suffix(word).unwrap_or(role);
    }
    if role.is_empty() { label.to_owned() } else { role.to_owned() }
}
