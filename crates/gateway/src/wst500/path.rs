//! Paths into FHIR resources, as the tables write them, to be read and written alike.
//!
//! `Patient.extension{household}.valueAddress.city`, `Procedure.performer[*1].actor.display`,
//! `Practitioner:author.name[0].text`.

use std::borrow::Cow;

use tongmai_fhir::json::Json;

use crate::build::{Node, item, object, property, text};

/// Beginning of the addresses of this door's extensions.
pub const EXTENSION: &str = "urn:tongmai:wst500:";
/// Most items that one repeated element may have.
pub const REPETITIONS: usize = 200;

/// A path, and the resource that it begins at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// `Patient`, `Practitioner:author`, or empty where the resource is known.
    pub resource: String,
    pub steps: Vec<Step>,
}

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    pub name: String,
    pub which: Which,
}

/// Which item of a repeated element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// The element does not repeat.
    Only,
    /// The item of this number.
    Number(usize),
    /// The item of the number at hand and so many more.
    Running(usize),
    /// The item that a word marks; with the number at hand where the flag is set.
    Marked(String, bool),
}

impl Target {
    /// Reads a path of the tables.
    pub fn parse(path: &str) -> Target {
        let mut parts = Vec::new();
        let (mut depth, mut from) = (0, 0);
        for (at, character) in path.char_indices() {
            match character {
                '{' => depth += 1,
                '}' => depth -= 1,
                '.' if depth == 0 => {
                    parts.push(&path[from..at]);
                    from = at + 1;
                }
                _ => {}
            }
        }
        parts.push(&path[from..]);
        let named = parts[0].starts_with(|c: char| c.is_ascii_uppercase());
        let resource = if named { parts.remove(0).to_owned() } else { String::new() };
        Target { resource, steps: parts.into_iter().map(Step::parse).collect() }
    }

    /// Writes a value at the path, unless there is one already; says whether it was written.
    pub fn set(&self, root: &mut Node, number: usize, mark: &str, value: Node) -> bool {
        if self.get(root, number, mark).is_some_and(|found| !matches!(found, Json::Null)) {
            return false;
        }
        let mut node = root;
        for step in &self.steps {
            node = step.enter(node, number, mark);
        }
        *node = value;
        true
    }

    /// The value at the path.
    pub fn get<'n>(&self, root: &'n Node, number: usize, mark: &str) -> Option<&'n Node> {
        self.steps.iter().try_fold(root, |node, step| step.find(node, number, mark))
    }

    /// How many items the running number of this path may count.
    pub fn count(&self, root: &Node) -> usize {
        let mut node = root;
        for step in &self.steps {
            match &step.which {
                Which::Running(more) => {
                    return node.items(&step.name).len().saturating_sub(*more).min(REPETITIONS);
                }
                Which::Marked(mark, true) => {
                    let urls = node.items(&step.name).iter().filter_map(|item| item.text("url"));
                    let tails =
                        urls.filter_map(|url| url.strip_prefix(EXTENSION)?.strip_prefix(mark.as_str()));
                    let numbers = tails.filter_map(|tail| match tail.strip_prefix('-') {
                        Some(number) => number.parse::<usize>().ok(),
                        None => tail.is_empty().then_some(0),
                    });
                    return numbers.max().map_or(0, |last| (last + 1).min(REPETITIONS));
                }
                _ => match step.find(node, 0, "") {
                    Some(next) => node = next,
                    None => return 0,
                },
            }
        }
        1
    }
}

impl Step {
    fn parse(part: &str) -> Step {
        if let Some((name, mark)) = part.split_once('{') {
            let mark = mark.trim_end_matches('}');
            let (mark, running) = match mark.strip_suffix('*') {
                Some(rest) if !rest.is_empty() => (rest, true),
                _ => (mark, false),
            };
            return Step { name: name.to_owned(), which: Which::Marked(mark.to_owned(), running) };
        }
        let Some((name, number)) = part.split_once('[') else {
            return Step { name: part.to_owned(), which: Which::Only };
        };
        let number = number.trim_end_matches(']');
        let which = match number.strip_prefix('*') {
            Some(more) => Which::Running(more.parse().unwrap_or(0)),
            None => Which::Number(number.parse().unwrap_or(0)),
        };
        Step { name: name.to_owned(), which }
    }

    /// The mark of an item: that of the table, or the one at hand for `{*}`.
    fn mark(&self, number: usize, at_hand: &str) -> String {
        match &self.which {
            Which::Marked(mark, _) if mark == "*" => at_hand.to_owned(),
            Which::Marked(mark, true) if number > 0 => format!("{mark}-{number}"),
            Which::Marked(mark, _) => mark.clone(),
            _ => String::new(),
        }
    }

    fn find<'n>(&self, node: &'n Node, number: usize, at_hand: &str) -> Option<&'n Node> {
        let items = || node.items(&self.name);
        match &self.which {
            Which::Only => node.get(&self.name),
            Which::Number(index) => items().get(*index),
            Which::Running(more) => items().get(number + more),
            Which::Marked(..) => {
                let mark = self.mark(number, at_hand);
                items().iter().find(|item| is_marked(item, &self.name, &mark))
            }
        }
    }

    fn enter<'n>(&self, node: &'n mut Node, number: usize, at_hand: &str) -> &'n mut Node {
        let list = property(node, &self.name);
        match &self.which {
            Which::Only => list,
            Which::Number(index) => item(list, *index),
            Which::Running(more) => item(list, (number + more).min(REPETITIONS)),
            Which::Marked(..) => {
                let mark = self.mark(number, at_hand);
                let items = match &*list {
                    Json::Array(items) => items.as_slice(),
                    _ => &[],
                };
                let at = items.iter().position(|item| is_marked(item, &self.name, &mark));
                let at = at.unwrap_or(items.len());
                let found = item(list, at);
                if matches!(found, Json::Null) {
                    *found = marked(&self.name, &mark);
                }
                found
            }
        }
    }
}

/// The system that a mark means: an OID, or an address as it is.
fn identifier_system(mark: &str) -> Cow<'_, str> {
    if mark.contains(':') { Cow::Borrowed(mark) } else { Cow::Owned(format!("urn:oid:{mark}")) }
}

fn is_marked(item: &Node, name: &str, mark: &str) -> bool {
    match name {
        "extension" => item.text("url").and_then(|url| url.strip_prefix(EXTENSION)) == Some(mark),
        "identifier" | "coding" => {
            item.text("system").is_some_and(|system| system == identifier_system(mark))
        }
        // Parts of prices and those who took part are told apart by their words.
        "priceComponent" | "totalPriceComponent" => words(item.get("code")) == Some(mark),
        "performer" => words(item.get("function")) == Some(mark),
        "participant" => words(item.items("type").first()) == Some(mark),
        _ => {
            let relationship = item.items("relationship").first();
            relationship.and_then(|r| r.items("coding").first()).and_then(|c| c.text("code")) == Some(mark)
        }
    }
}

/// The words of a concept.
fn words(concept: Option<&Node>) -> Option<&str> {
    concept.and_then(|concept| concept.text("text"))
}

/// A new item with its mark.
fn marked(name: &str, mark: &str) -> Node {
    match name {
        "extension" => object([("url", text(format!("{EXTENSION}{mark}")))]),
        "identifier" | "coding" => object([("system", text(identifier_system(mark).as_ref()))]),
        "priceComponent" | "totalPriceComponent" => object([("code", object([("text", text(mark))]))]),
        "performer" => object([("function", object([("text", text(mark))]))]),
        "participant" => object([("type", Json::Array(vec![object([("text", text(mark))])]))]),
        // Contacts are told apart by their relationship (HL7 table 0131).
        _ => {
            let coding = object([
                ("system", text("http://terminology.hl7.org/CodeSystem/v2-0131")),
                ("code", Json::String(Cow::Owned(mark.to_owned()))),
            ]);
            object([("relationship", Json::Array(vec![object([("coding", Json::Array(vec![coding]))])]))])
        }
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.resource)?;
        for (index, step) in self.steps.iter().enumerate() {
            if index > 0 || !self.resource.is_empty() {
                f.write_str(".")?;
            }
            f.write_str(&step.name)?;
            if let Which::Marked(mark, _) = &step.which {
                write!(f, "{{{mark}}}")?;
            }
        }
        Ok(())
    }
}
