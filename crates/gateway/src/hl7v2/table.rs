//! The mapping as data: what a segment, a data type and a code become in FHIR.
//!
//! Three layers lie on each other: HL7's v2-to-FHIR tables as `cargo xtask
//! codegen` compiled them, this project's supplement, and a user's own table
//! (Z segments, local fields). A later layer's rows for a field stand in place
//! of the earlier ones. `tables/hl7v2/README.md` says how the files are written.

use std::collections::HashMap;
use std::fmt;
use std::sync::OnceLock;

use tongmai_fhir::definition::{self, Group, Primitive, Shape};

mod condition;
mod path;

pub use condition::{Condition, Place, Term, Test};
pub use path::{Leaf, Step, Then, resolve};

use super::rule::{self, Rule};

static STANDARD: &str = include_str!("../../tables/hl7v2/standard.txt");
static STANDARD_CODES: &str = include_str!("../../tables/hl7v2/standard-codes.txt");
static SUPPLEMENT: &str = include_str!("../../tables/hl7v2/supplement.txt");
static SUPPLEMENT_CODES: &str = include_str!("../../tables/hl7v2/supplement-codes.txt");
static FLOW: &str = include_str!("../../tables/hl7v2/flow.txt");

/// What is wrong in a table, with the line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableError {
    /// Line number, from 1.
    pub line: usize,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for TableError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.message)
    }
}

impl std::error::Error for TableError {}

/// Position of a map in [`Tables`].
pub type MapId = usize;

/// How the value of a row is made.
#[derive(Debug, Clone)]
pub enum Make {
    /// Converted to the primitive type of the element.
    Primitive(Primitive),
    /// By another map, from the parts of the value.
    Map(MapId),
    /// By a rule in code.
    Rule(Rule),
    /// Text with the pieces of the value put in.
    Text(Vec<Piece>),
    /// A reference to the resource of this name that the message is at.
    Current(String),
}

/// A piece of a [`Make::Text`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// As it stands.
    Words(String),
    /// What stands at this place.
    At(Place),
}

/// One line of a map: a place in the segment or data type, and where it goes.
#[derive(Debug, Clone)]
pub struct Row {
    /// Field or component, and parts of it; field 0 means: always.
    pub source: Place,
    /// The way to the element.
    pub steps: Vec<Step>,
    /// How the value is made.
    pub make: Make,
    /// Type of the element that the steps end in.
    pub leaf: Leaf,
    /// Where the value stands, if not at the source.
    pub from: Option<Place>,
    /// The code table that translates it.
    pub codes: Option<String>,
    /// When the row holds.
    pub condition: Condition,
}

/// All rows of one segment or data type for one FHIR type.
#[derive(Debug, Default)]
pub struct Map {
    /// `PID[Patient]`, `XPN[HumanName]`.
    pub name: String,
    /// The FHIR type that it fills.
    pub type_name: &'static str,
    /// Whether it maps a segment; else a data type.
    pub of_segment: bool,
    /// In the order of the table.
    pub rows: Vec<Row>,
    /// Fields that are left out on purpose.
    pub left_out: Vec<u16>,
}

/// One step of a message's way: what a segment begins or adds to.
#[derive(Debug, Clone)]
pub struct Flow {
    /// The segment's name.
    pub segment: String,
    /// Begin, continue or add.
    pub verb: Verb,
    /// Name under which the resource is known to the segments that follow; its type unless an alias is given.
    pub context: String,
    /// The map that is applied.
    pub map: Option<MapId>,
    /// The segment that the map reads, if not the one at hand: the last of this name before it.
    pub from: Option<String>,
    /// The resource's type.
    pub type_name: &'static str,
    /// When the step is taken.
    pub condition: Condition,
    /// Links made afterwards.
    pub links: Vec<Link>,
}

/// What a step of the flow does with its resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// Begins a new one.
    New,
    /// Goes on with the current one, unless a segment of the same name was already added to it or there is none.
    The,
    /// Adds to the current one; without one nothing is done.
    On,
    /// Forgets the current one.
    Forget,
}

/// A link between two current resources.
#[derive(Debug, Clone)]
pub struct Link {
    /// The resource that holds the reference; empty for that of the step.
    pub holder: String,
    /// The way to the reference.
    pub steps: Vec<Step>,
    /// The resource that is referred to; empty for that of the step.
    pub target: String,
}

/// What a code becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meaning {
    /// The FHIR code.
    pub code: String,
    /// Its display, or empty.
    pub display: String,
    /// Its system, or empty.
    pub system: String,
}

/// All that is known of how messages become resources.
#[derive(Debug, Default)]
pub struct Tables {
    maps: Vec<Map>,
    by_name: HashMap<String, MapId>,
    codes: HashMap<String, HashMap<String, Meaning>>,
    flow: HashMap<String, Vec<Flow>>,
}

/// The tables that Tongmai ships.
pub fn shipped() -> &'static Tables {
    static TABLES: OnceLock<Tables> = OnceLock::new();
    TABLES.get_or_init(|| {
        // A test reads every shipped table to the end; a fault cannot reach a user.
        Tables::read(&[STANDARD, SUPPLEMENT], &[STANDARD_CODES, SUPPLEMENT_CODES], &[FLOW])
            .unwrap_or_default()
    })
}

impl Tables {
    /// Reads layers of maps, of codes and of flow, later ones over earlier ones.
    pub fn read(maps: &[&str], codes: &[&str], flow: &[&str]) -> Result<Tables, TableError> {
        let mut tables = Tables::default();
        for text in maps {
            tables.declare(text)?;
        }
        for text in maps {
            tables.read_maps(text)?;
        }
        for map in &mut tables.maps {
            // Items of arrays come in the order of the fields, whichever layer a row is from.
            map.rows.sort_by_key(|row| row.source.field);
        }
        for text in codes {
            tables.read_codes(text)?;
        }
        for text in flow {
            tables.read_flow(text)?;
        }
        Ok(tables)
    }

    /// The shipped tables with a user's own on top: lines of maps and, after a line `>>`, of flow.
    pub fn with_user(text: &str) -> Result<Tables, TableError> {
        let (maps, flow) = text.split_once("\n>>").unwrap_or((text, ""));
        Tables::read(&[STANDARD, SUPPLEMENT, maps], &[STANDARD_CODES, SUPPLEMENT_CODES], &[FLOW, flow])
    }

    /// The map of this name.
    pub fn map(&self, id: MapId) -> &Map {
        &self.maps[id]
    }

    /// All maps.
    pub fn maps(&self) -> impl Iterator<Item = &Map> {
        self.maps.iter()
    }

    /// Finds a map; HL7's tables do not care about case.
    pub fn find(&self, name: &str) -> Option<MapId> {
        self.by_name.get(&name.to_ascii_lowercase()).copied()
    }

    /// What a code of a table means.
    pub fn meaning(&self, table: &str, code: &str) -> Option<&Meaning> {
        self.codes.get(table)?.get(code)
    }

    /// Whether there is a code table of this name.
    pub fn has_codes(&self, table: &str) -> bool {
        self.codes.contains_key(table)
    }

    /// The steps of a segment.
    pub fn flow(&self, segment: &str) -> &[Flow] {
        self.flow.get(segment).map_or(&[], Vec::as_slice)
    }

    fn declare(&mut self, text: &str) -> Result<(), TableError> {
        for (line, content) in lines(text) {
            let Some(name) = content.strip_prefix('=') else { continue };
            let name = name.trim_end_matches('!');
            if self.find(name).is_some() {
                continue;
            }
            let (source, target) = name
                .strip_suffix(']')
                .and_then(|name| name.split_once('['))
                .ok_or_else(|| fault(line, format!("'{name}' is no name of a map: write PID[Patient]")))?;
            let type_name = target.split('-').next().unwrap_or(target);
            let group = definition::group_at(type_name)
                .ok_or_else(|| fault(line, format!("FHIR has no type {type_name}")))?;
            self.by_name.insert(name.to_ascii_lowercase(), self.maps.len());
            self.maps.push(Map {
                name: name.to_owned(),
                type_name: group.path,
                of_segment: group.is_resource && is_segment(source),
                ..Map::default()
            });
        }
        Ok(())
    }

    fn read_maps(&mut self, text: &str) -> Result<(), TableError> {
        let mut current: Option<MapId> = None;
        // Fields whose rows this layer has already replaced in the current map.
        let mut replaced: Vec<u16> = Vec::new();
        for (line, content) in lines(text) {
            if let Some(name) = content.strip_prefix('=') {
                let id = self.find(name.trim_end_matches('!'));
                if let Some(map) = id.filter(|_| name.ends_with('!')).and_then(|id| self.maps.get_mut(id)) {
                    map.rows.clear();
                }
                current = id;
                replaced.clear();
                continue;
            }
            let Some(id) = current else {
                return Err(fault(line, "a row before the first map".to_owned()));
            };
            let row = self.row(id, content).map_err(|message| fault(line, message))?;
            let field = match &row {
                Ok(row) => row.source.field,
                Err(field) => *field,
            };
            let map = &mut self.maps[id];
            if !replaced.contains(&field) {
                map.rows.retain(|row| row.source.field != field);
                map.left_out.retain(|left_out| *left_out != field);
                replaced.push(field);
            }
            match row {
                Ok(row) => map.rows.push(row),
                Err(field) => map.left_out.push(field),
            }
        }
        Ok(())
    }

    /// Reads a row; the inner error is a field that is left out on purpose.
    fn row(&self, map: MapId, content: &str) -> Result<Result<Row, u16>, String> {
        let mut columns = content.split('\t').filter(|column| !column.is_empty());
        let source = Place::parse(columns.next().unwrap_or_default())?;
        let target = columns.next().ok_or("a row names no element")?;
        if target == "-" {
            return Ok(Err(source.field));
        }
        let Map { type_name, .. } = self.maps[map];
        let group = definition::group_at(type_name).ok_or("no such type")?;
        let (steps, leaf) = path::resolve(group, target)?;
        let (mut make, mut codes, mut from, mut condition) = (None, None, None, Condition::default());
        for column in columns {
            let mut letters = column.chars();
            match (letters.next(), letters.as_str()) {
                (Some('@'), name) => make = Some(self.make(name)?),
                (Some('%'), name) => codes = Some(name.to_owned()),
                (Some('='), text) => make = Some(Make::Text(pieces(text)?)),
                (Some('$'), name) => make = Some(Make::Current(name.to_owned())),
                (Some('<'), place) => from = Some(Place::parse(place)?),
                (Some('?'), text) => condition = Condition::parse(text)?,
                _ => return Err(format!("'{column}' begins with none of @ % = $ < ?")),
            }
        }
        let make = match (make, leaf.shape) {
            (Some(make), _) => make,
            (None, Shape::Primitive(primitive)) => Make::Primitive(primitive),
            (None, _) => return Err(format!("{target} is of type {}: name a map with @", leaf.type_name)),
        };
        Ok(Ok(Row { source, steps, make, leaf, from, codes, condition }))
    }

    fn make(&self, name: &str) -> Result<Make, String> {
        if let Some(rule) = rule::find(name) {
            return Ok(Make::Rule(rule));
        }
        self.find(name).map(Make::Map).ok_or_else(|| format!("there is no map {name}"))
    }

    fn read_codes(&mut self, text: &str) -> Result<(), TableError> {
        let mut current = String::new();
        let mut system = String::new();
        for (line, content) in lines(text) {
            if let Some(name) = content.strip_prefix("=") {
                current = name.trim_end_matches('!').to_owned();
                let table = self.codes.entry(current.clone()).or_default();
                if name.ends_with('!') {
                    table.clear();
                }
                system.clear();
                continue;
            }
            if let Some(url) = content.strip_prefix('@') {
                system = url.to_owned();
                continue;
            }
            let mut columns = content.split('\t');
            let (code, meaning) = (columns.next().unwrap_or_default(), columns.next());
            let meaning = meaning.ok_or_else(|| fault(line, "a code without a meaning".to_owned()))?;
            let meaning = Meaning {
                code: meaning.to_owned(),
                display: columns.next().unwrap_or_default().to_owned(),
                system: system.clone(),
            };
            self.codes.entry(current.clone()).or_default().insert(code.to_owned(), meaning);
        }
        Ok(())
    }

    fn read_flow(&mut self, text: &str) -> Result<(), TableError> {
        let mut segment = String::new();
        for (line, content) in lines(text) {
            if let Some(name) = content.strip_prefix('>') {
                segment = name.to_owned();
                continue;
            }
            let flow = self.flow_row(&segment, content).map_err(|message| fault(line, message))?;
            self.flow.entry(segment.clone()).or_default().push(flow);
        }
        Ok(())
    }

    fn flow_row(&self, segment: &str, content: &str) -> Result<Flow, String> {
        let mut columns = content.split('\t').filter(|column| !column.is_empty());
        let verb = match columns.next() {
            Some("new") => Verb::New,
            Some("the") => Verb::The,
            Some("on") => Verb::On,
            Some("forget") => Verb::Forget,
            other => return Err(format!("{other:?} is none of new, the, on, forget")),
        };
        let resource = columns.next().ok_or("a step names no resource")?;
        let (type_name, context) = match resource.split_once(':') {
            Some((type_name, alias)) => (type_name, alias),
            None => (resource, resource),
        };
        let group = definition::group_at(type_name).ok_or_else(|| format!("FHIR has no type {type_name}"))?;
        let mut flow = Flow {
            segment: segment.to_owned(),
            verb,
            context: context.to_owned(),
            map: None,
            from: None,
            type_name: group.path,
            condition: Condition::default(),
            links: Vec::new(),
        };
        for column in columns {
            let mut letters = column.chars();
            match (letters.next(), letters.as_str()) {
                (Some('@'), name) => {
                    let id = self.find(name).ok_or_else(|| format!("there is no map {name}"))?;
                    if self.maps[id].type_name != group.path {
                        return Err(format!("{name} does not make a {type_name}"));
                    }
                    flow.map = Some(id);
                }
                (Some('?'), text) => flow.condition = Condition::parse(text)?,
                (Some('<'), name) => flow.from = Some(name.to_owned()),
                (Some('&'), link) => flow.links.push(link_of(group, link)?),
                _ => return Err(format!("'{column}' begins with none of @ < ? &")),
            }
        }
        Ok(flow)
    }
}

/// `subject=Patient`, or `Encounter/diagnosis.condition` for a reference from there to here.
fn link_of(group: &'static Group, text: &str) -> Result<Link, String> {
    let (holder, path, target) = match (text.split_once('/'), text.split_once('=')) {
        (Some((holder, path)), _) => (holder, path, ""),
        (None, Some((path, target))) => ("", path, target),
        (None, None) => {
            return Err(format!("'{text}' is no link: write element=Resource or Resource/element"));
        }
    };
    let of_holder = match holder.split_once(':') {
        Some((type_name, _)) => definition::group_at(type_name),
        None if holder.is_empty() => Some(group),
        None => definition::group_at(holder),
    };
    let of_holder = of_holder.ok_or_else(|| format!("FHIR has no type {holder}"))?;
    let (steps, leaf) = path::resolve(of_holder, path)?;
    if leaf.type_name != "Reference" {
        return Err(format!("{path} is no reference"));
    }
    let holder = holder.rsplit(':').next().unwrap_or_default();
    Ok(Link { holder: holder.to_owned(), steps, target: target.to_owned() })
}

/// Text with `{5.1}` for what stands there.
fn pieces(text: &str) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((words, after)) = rest.split_once('{') {
        let (place, after) = after.split_once('}').ok_or("a { without }")?;
        if !words.is_empty() {
            pieces.push(Piece::Words(words.to_owned()));
        }
        pieces.push(Piece::At(Place::parse(place)?));
        rest = after;
    }
    if !rest.is_empty() || pieces.is_empty() {
        pieces.push(Piece::Words(rest.to_owned()));
    }
    Ok(pieces)
}

/// Lines that say something, with their numbers.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .map(|(at, line)| (at + 1, line.trim_end()))
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
}

fn fault(line: usize, message: String) -> TableError {
    TableError { line, message }
}

fn is_segment(name: &str) -> bool {
    name.len() == 3
        && !matches!(
            name,
            "CNE"
                | "CNN"
                | "CWE"
                | "DLD"
                | "DLN"
                | "DTM"
                | "EIP"
                | "MSG"
                | "NDL"
                | "PLN"
                | "RPT"
                | "SAD"
                | "SPS"
                | "XAD"
                | "XCN"
                | "XON"
                | "XPN"
                | "XTN"
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shipped_row_leads_to_an_element_of_fhir() {
        let read = Tables::read(&[STANDARD, SUPPLEMENT], &[STANDARD_CODES, SUPPLEMENT_CODES], &[FLOW]);
        let tables = read.unwrap_or_else(|error| panic!("{error}"));
        let rows: usize = tables.maps().map(|map| map.rows.len()).sum();
        assert!(rows > 1_000, "{rows} rows");
        for map in tables.maps() {
            for row in &map.rows {
                if let Some(codes) = &row.codes {
                    assert!(tables.has_codes(codes), "{}: there is no code table {codes}", map.name);
                }
            }
        }
    }

    #[test]
    fn a_user_maps_a_segment_of_the_site() {
        let tables = Tables::with_user(
            "=ZPI[Patient]\n3\tcontact[1].name.text\n>>\n>ZPI\non\tPatient\t@ZPI[Patient]\n",
        );
        let tables = tables.expect("a table");
        assert_eq!(tables.flow("ZPI").len(), 1);
        for (text, message) in [
            ("=ZPI[Patient]\n3\tcolour", "line 2: Patient has no element colour"),
            ("=ZPI[Patient]\n3\tname", "line 2: name is of type HumanName: name a map with @"),
            ("=ZPI[Patient]\nx\tname", "line 2: 'x' is no place: write 5, 5.1 or *"),
            ("3\tname", "line 1: a row before the first map"),
            ("=ZPI[Patent]", "line 1: FHIR has no type Patent"),
        ] {
            assert_eq!(Tables::with_user(text).map_err(|e| e.to_string()).err().as_deref(), Some(message));
        }
    }
}
