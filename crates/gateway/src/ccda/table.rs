//! The tables of the C-CDA door.
//!
//! A block begins with `== name Resource [element template…]`: elements of that name with one of
//! those templates become the resource, wherever they stand in a section's entries. A block without
//! an element is used by name (`ref practitioner`, `part reaction`). Its rows are
//! `FHIR path | path in the document | conversion [argument]`. `map name | code | code` rows are
//! code maps, `system OID URL` rows names of code systems.

use std::collections::HashMap;
use std::sync::OnceLock;

use tongmai_fhir::json::Json;

use super::select::{Select, Step, has_template};
use crate::build::Node;
use crate::wst500::path::{REPETITIONS, Target};
use crate::xml::Element;

/// All tables of the door.
#[derive(Debug, Default)]
pub struct Tables {
    pub(super) blocks: Vec<Block>,
    by_name: HashMap<String, usize>,
    maps: HashMap<String, HashMap<String, String>>,
    systems: HashMap<String, String>,
}

/// How one kind of element becomes one kind of resource, or a part of one.
#[derive(Debug)]
pub(super) struct Block {
    pub name: String,
    /// The type of the resource; `-` for a part.
    pub resource: String,
    /// Elements that are taken by themselves.
    pub taken: Option<Taken>,
    pub rows: Vec<Row>,
}

/// Which elements a block takes by itself.
#[derive(Debug)]
pub(super) struct Taken {
    element: Step,
    templates: Vec<String>,
    /// Codes of the sections in which they are taken, or (`false`) are not.
    sections: Vec<(bool, Vec<String>)>,
}

impl Taken {
    /// Reads `supply{@moodCode=EVN}{section=1,2}` and templates.
    fn parse(element: &str, templates: Vec<String>) -> Result<Taken, String> {
        let (mut plain, mut sections) = (String::new(), Vec::new());
        for part in element.split_inclusive('}') {
            let (before, condition) = part.split_once('{').unwrap_or((part, ""));
            let condition = condition.trim_end_matches('}');
            let (wanted, word) = (!condition.starts_with('!'), condition.trim_start_matches('!'));
            match word.strip_prefix("section=") {
                Some(codes) => {
                    plain.push_str(before);
                    sections.push((wanted, codes.split(',').map(str::to_owned).collect()));
                }
                None => plain.push_str(part),
            }
        }
        Ok(Taken { element: Step::parse(&plain)?, templates, sections })
    }

    /// Whether it takes this element of a section.
    pub fn takes(&self, element: &Element<'_>, section: &str) -> bool {
        self.element.fits(element)
            && self.templates.iter().any(|template| has_template(element, template))
            && self.sections.iter().all(|(wanted, codes)| codes.iter().any(|code| code == section) == *wanted)
    }
}

/// One row.
#[derive(Debug)]
pub(super) struct Row {
    pub target: Target,
    /// Whether the path has a running number.
    repeats: bool,
    pub select: Select,
    pub conversion: Conversion,
}

impl Row {
    /// Writes a value at the first free number, `number` or a later one; says whether it was written.
    pub fn place(&self, node: &mut Node, number: &mut usize, value: Node) -> bool {
        let is_free =
            |node: &Node, number| self.target.get(node, number, "").is_none_or(|at| matches!(at, Json::Null));
        while self.repeats && *number < REPETITIONS && !is_free(node, *number) {
            *number += 1;
        }
        let written = self.target.set(node, *number, "", value);
        *number += usize::from(self.repeats);
        written
    }
}

/// How what was found becomes a value of FHIR.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Conversion {
    /// The text as it is.
    Text,
    /// This text, wherever something is found.
    Fix(String),
    /// A code by a map; what the map does not hold gives the value of `*`, or nothing.
    Map(String),
    /// A Coding.
    Coding,
    /// A CodeableConcept; translations are further codings.
    Concept,
    /// A CodeableConcept without its translations.
    Plain,
    Identifier,
    Name,
    Address,
    Telecom,
    /// A Quantity; `age` with UCUM years.
    Quantity,
    /// The digits of a number.
    Number,
    DateTime,
    Instant,
    Date,
    /// A Period of an interval of time.
    Period,
    Boolean,
    /// The narrative of a section.
    Narrative,
    /// A reference to a resource that a block makes of the element.
    Reference(String),
    /// Rows of another block, for the same resource.
    Same(String),
    /// A part of the resource, made by a block.
    Part(String),
    /// References to all resources that were made of what stands within the element.
    Within(Option<String>),
    /// References to the patient and to the encounter of the document.
    Patient,
    Encounter,
}

/// The tables that Tongmai ships.
///
/// # Panics
/// When a shipped table cannot be read; a test reads them.
pub fn shipped() -> &'static Tables {
    static TABLES: OnceLock<Tables> = OnceLock::new();
    TABLES.get_or_init(|| {
        let texts =
            [include_str!("../../tables/ccda/resources.txt"), include_str!("../../tables/ccda/systems.txt")];
        Tables::read(&texts).unwrap_or_else(|error| panic!("shipped table: {error}"))
    })
}

impl Tables {
    /// Reads tables from their texts. `Err` names the line that cannot be read.
    pub fn read(texts: &[&str]) -> Result<Tables, String> {
        let mut tables = Tables::default();
        for text in texts {
            for (number, line) in text.lines().enumerate() {
                let line = line.trim();
                if !line.is_empty() && !line.starts_with('#') {
                    tables.line(line).map_err(|error| format!("line {}: {error}: {line}", number + 1))?;
                }
            }
        }
        for (index, block) in tables.blocks.iter().enumerate() {
            tables.by_name.insert(block.name.clone(), index);
        }
        for row in tables.blocks.iter().flat_map(|block| &block.rows) {
            match &row.conversion {
                Conversion::Reference(name) | Conversion::Part(name) | Conversion::Same(name)
                    if !tables.by_name.contains_key(name) =>
                {
                    return Err(format!("there is no block '{name}'"));
                }
                Conversion::Map(name) if !tables.maps.contains_key(name) => {
                    return Err(format!("there is no map '{name}'"));
                }
                _ => {}
            }
        }
        Ok(tables)
    }

    fn line(&mut self, line: &str) -> Result<(), String> {
        if let Some(head) = line.strip_prefix("== ") {
            let mut words = head.split_whitespace().map(str::to_owned);
            let name = words.next().ok_or("a block without a name")?;
            let resource = words.next().ok_or("a block without a resource")?;
            let element = words.next();
            let taken = element.map(|element| Taken::parse(&element, words.collect())).transpose()?;
            self.blocks.push(Block { name, resource, taken, rows: Vec::new() });
            return Ok(());
        }
        if let Some(rest) = line.strip_prefix("system ").filter(|rest| !rest.contains('|')) {
            let (oid, url) = rest.split_once(' ').ok_or("a system without an address")?;
            self.systems.insert(oid.to_owned(), url.trim().to_owned());
            return Ok(());
        }
        let parts: Vec<&str> = line.split(" | ").map(str::trim).collect();
        let [first, second, third] = parts[..] else { return Err("not three parts".to_owned()) };
        if let Some(map) = first.strip_prefix("map ") {
            let map = self.maps.entry(map.to_owned()).or_default();
            map.insert(second.to_owned(), third.to_owned());
            return Ok(());
        }
        let block = self.blocks.last_mut().ok_or("a row before the first block")?;
        block.rows.push(Row {
            target: Target::parse(first),
            repeats: first.contains("[*"),
            select: Select::parse(second)?,
            conversion: Conversion::parse(third)?,
        });
        Ok(())
    }

    pub(super) fn block(&self, name: &str) -> Option<&Block> {
        self.by_name.get(name).map(|at| &self.blocks[*at])
    }

    pub(super) fn mapped(&self, map: &str, code: &str) -> Option<&str> {
        let map = self.maps.get(map)?;
        map.get(code).or_else(|| map.get("*")).map(String::as_str)
    }

    /// The codes that a map knows, in order.
    pub(super) fn codes(&self, map: &str) -> String {
        let mut codes: Vec<&str> =
            self.maps.get(map).into_iter().flatten().map(|(code, _)| code.as_str()).collect();
        codes.sort_unstable();
        codes.join(", ")
    }

    /// The address of a code system or a name space.
    pub(super) fn system(&self, oid: &str) -> String {
        self.systems.get(oid).cloned().unwrap_or_else(|| format!("urn:oid:{oid}"))
    }
}

impl Conversion {
    fn parse(text: &str) -> Result<Conversion, String> {
        let (word, argument) = text.split_once(' ').unwrap_or((text, ""));
        let argument = argument.trim().to_owned();
        Ok(match word {
            "text" => Conversion::Text,
            "fix" => Conversion::Fix(argument),
            "map" => Conversion::Map(argument),
            "coding" => Conversion::Coding,
            "concept" => Conversion::Concept,
            "plain" => Conversion::Plain,
            "id" => Conversion::Identifier,
            "name" => Conversion::Name,
            "address" => Conversion::Address,
            "telecom" => Conversion::Telecom,
            "quantity" => Conversion::Quantity,
            "number" => Conversion::Number,
            "time" => Conversion::DateTime,
            "instant" => Conversion::Instant,
            "date" => Conversion::Date,
            "period" => Conversion::Period,
            "bool" => Conversion::Boolean,
            "narrative" => Conversion::Narrative,
            "ref" => Conversion::Reference(argument),
            "same" => Conversion::Same(argument),
            "part" => Conversion::Part(argument),
            "within" => Conversion::Within(Some(argument).filter(|name| !name.is_empty())),
            "patient" => Conversion::Patient,
            "encounter" => Conversion::Encounter,
            _ => return Err(format!("'{word}' is no conversion")),
        })
    }
}
