//! The interpreter: walks a message by the flow table and applies the maps.

use std::collections::HashMap;

use tongmai_base::Finding;
use tongmai_fhir::definition::Shape;
use tongmai_fhir::json::Json;

use super::message::{Message, Segment};
use super::table::{Condition, Flow, Make, MapId, Place, Row, Step, Tables, Test, Then, Verb};
use super::value::Value;
use super::{Options, header};
use crate::build::{Node, item, object, property, reference, text};
use crate::{Entry, Source, Understood, stable_id};

mod request;
mod unmapped;
mod values;

use request::requests;

/// A resource that is being made.
struct Draft {
    full_url: String,
    node: Node,
    /// Names of the segments that added to it, so that the next of such a name begins another.
    added_by: Vec<String>,
    /// Begun by the flow, not only referred to.
    is_subject: bool,
}

/// Where items of arrays stand and which resources were begun while one map is applied.
#[derive(Default)]
struct Frame {
    items: HashMap<u64, usize>,
    resources: HashMap<u64, usize>,
}

/// What a map reads from.
#[derive(Clone, Copy)]
enum Input<'m> {
    Segment(Segment<'m>),
    Value(Value<'m>),
}

/// One conversion under way.
pub struct Run<'t, 'm> {
    pub(super) tables: &'t Tables,
    message: &'m Message<'m>,
    options: &'t Options,
    source: Source,
    drafts: Vec<Draft>,
    /// Resources that are referred to by what they were made from.
    known: HashMap<String, usize>,
    current: HashMap<String, usize>,
    findings: Vec<Finding>,
    segment: Segment<'m>,
    after: &'m str,
    /// Whether the last step began a resource.
    began: bool,
    /// Field and components that are being read, for the findings.
    trail: Vec<u16>,
}

/// Converts a message by the tables.
pub fn convert(message: &Message<'_>, tables: &Tables, options: &Options) -> Understood {
    let mut run = Run {
        tables,
        message,
        options,
        source: header::source(message),
        drafts: Vec::new(),
        known: HashMap::new(),
        current: HashMap::new(),
        findings: Vec::new(),
        segment: message.header(),
        after: "",
        began: false,
        trail: Vec::new(),
    };
    let mut previous = "";
    for segment in message.segments() {
        run.segment = segment;
        // Notes belong to what stands before all of them.
        if !matches!(segment.name(), "NTE" | "PRT" | "ROL") {
            previous = segment.name();
        }
        run.after = previous;
        run.segment();
    }
    run.finish()
}

impl<'m> Run<'_, 'm> {
    fn segment(&mut self) {
        let name = self.segment.name();
        let tables = self.tables;
        let flows = tables.flow(name);
        let mut mapped: Vec<MapId> = Vec::new();
        for flow in flows {
            if self.holds(&flow.condition, Input::Segment(self.segment), None) {
                mapped.extend(flow.map);
                self.step(flow, name);
            } else if let Some(map) = flow.map {
                // A field that only another kind of message uses is known, and no news.
                mapped.push(map);
            }
        }
        self.report_unmapped(name, &mapped);
    }

    /// Takes one step of the flow.
    fn step(&mut self, flow: &Flow, name: &str) {
        let current = self.current.get(&flow.context).copied();
        let mut began = false;
        let at = match (flow.verb, current) {
            (Verb::Forget, _) => {
                self.current.remove(&flow.context);
                return;
            }
            (Verb::On, None) => return,
            (Verb::On, Some(at)) => at,
            (Verb::The, Some(at)) if self.drafts[at].added_by.iter().all(|added| added != name) => at,
            (Verb::New | Verb::The, _) => {
                began = true;
                let key = format!("{}\n{}", flow.context, self.segment.index());
                let at = self.begin(flow.type_name, &key);
                self.drafts[at].is_subject = true;
                self.current.insert(flow.context.clone(), at);
                at
            }
        };
        if flow.verb != Verb::On {
            self.began = began;
            self.drafts[at].added_by.push(name.to_owned());
        }
        let input = match &flow.from {
            Some(other) => self.before(other),
            None => Some(self.segment),
        };
        if let (Some(map), Some(segment)) = (flow.map, input) {
            let mut node = std::mem::replace(&mut self.drafts[at].node, Json::Null);
            self.apply(map, Input::Segment(segment), &mut node);
            self.drafts[at].node = node;
        }
        for link in &flow.links {
            let holder =
                if link.holder.is_empty() { Some(at) } else { self.current.get(&link.holder).copied() };
            let target =
                if link.target.is_empty() { Some(at) } else { self.current.get(&link.target).copied() };
            let (Some(holder), Some(target)) = (holder, target) else { continue };
            let url = self.drafts[target].full_url.clone();
            let mut node = std::mem::replace(&mut self.drafts[holder].node, Json::Null);
            let mut frame = Frame::default();
            if !refers(&node, &link.steps, &url) {
                self.place(
                    &mut node,
                    &link.steps,
                    reference(&url),
                    &mut frame,
                    Key { hash: 0, field: 0, repetition: 0 },
                );
            }
            self.drafts[holder].node = node;
        }
    }

    /// Begins a resource.
    fn begin(&mut self, type_name: &str, key: &str) -> usize {
        let Source { sender, message_id, .. } = &self.source;
        let id = stable_id(&["hl7v2", sender, message_id, type_name, key]);
        self.drafts.push(Draft {
            full_url: format!("urn:uuid:{id}"),
            node: object([("resourceType", text(type_name))]),
            added_by: Vec::new(),
            is_subject: false,
        });
        self.drafts.len() - 1
    }

    /// A resource that is the same wherever it was made from the same text; its address is returned.
    pub(super) fn shared(&mut self, type_name: &str, key: &str, node: Node) -> String {
        let key = format!("{type_name}\n{key}");
        let at = match self.known.get(&key) {
            Some(at) => *at,
            None => {
                let at = self.begin(type_name, &key);
                self.drafts[at].node = node;
                self.known.insert(key, at);
                at
            }
        };
        self.drafts[at].full_url.clone()
    }

    /// An address below the site's base, for names that have no other.
    pub(super) fn local(&self, kind: &str, name: &str) -> String {
        let mut out = format!("{}{kind}/", self.options.local_base);
        for letter in name.trim().chars() {
            match letter {
                ' ' | '<' | '>' | '"' | '\\' | '^' | '`' | '{' | '|' | '}' | '\t' | '\n' | '\r' => {
                    out.push('_')
                }
                letter => out.push(letter),
            }
        }
        out
    }

    /// An address of a table: `local:` stands for the site's own base.
    fn expanded(&self, address: &str) -> String {
        match address.strip_prefix("local:") {
            Some(rest) => format!("{}{rest}", self.options.local_base),
            None => address.to_owned(),
        }
    }

    /// Applies all rows of a map to a node; says whether any did something.
    fn apply(&mut self, map: MapId, input: Input<'m>, node: &mut Node) -> bool {
        let tables = self.tables;
        let map = tables.map(map);
        let mut frame = Frame::default();
        let mut did = false;
        for row in &map.rows {
            match input {
                Input::Segment(segment) if row.source.field > 0 => {
                    let field = segment.field(usize::from(row.source.field));
                    if !field.is_valued() {
                        continue;
                    }
                    self.trail.push(row.source.field);
                    for (repetition, value) in field.repetitions().enumerate() {
                        if value.is_valued() {
                            let value = within(value, row.source.component, row.source.subcomponent);
                            did |= self.row(row, value, repetition, input, Some(value), node, &mut frame);
                        }
                    }
                    self.trail.pop();
                }
                Input::Value(whole) if row.source.field > 0 => {
                    let value = within(whole, row.source.field, row.source.component);
                    if value.is_valued() {
                        self.trail.push(row.source.field);
                        did |= self.row(row, value, 0, input, None, node, &mut frame);
                        self.trail.pop();
                    }
                }
                Input::Segment(segment) => {
                    let value = segment.field(1);
                    did |= self.row(row, value, 0, input, None, node, &mut frame);
                }
                Input::Value(whole) => did |= self.row(row, whole, 0, input, None, node, &mut frame),
            }
        }
        if let Input::Value(value) = input {
            self.report_unmapped_parts(map, value);
        }
        did
    }

    /// Applies one row to one value.
    #[allow(clippy::too_many_arguments, reason = "a row, its value, and where both stand")]
    fn row(
        &mut self,
        row: &Row,
        value: Value<'m>,
        repetition: usize,
        input: Input<'m>,
        repeated: Option<Value<'m>>,
        node: &mut Node,
        frame: &mut Frame,
    ) -> bool {
        if !self.holds(&row.condition, input, repeated.map(|value| (row.source.field, value))) {
            return false;
        }
        let value = match &row.from {
            Some(place) => self.at(place, input, None),
            None => value,
        };
        if row.from.is_some() && !value.is_valued() {
            return false;
        }
        let made = match &row.make {
            Make::Primitive(primitive) => self.primitive(*primitive, value, row),
            Make::Map(map) => self.by_map(*map, value, row),
            Make::Rule(rule) => self.by_rule(*rule, value).map(|made| match row.leaf.shape {
                Shape::Resource => object([("reference", made)]),
                _ => made,
            }),
            Make::Text(pieces) => {
                self.words(pieces, input, repeated.map(|value| (row.source.field, value)), row)
            }
            Make::Current(name) => self.current.get(name).map(|at| reference(&self.drafts[*at].full_url)),
        };
        let Some(mut made) = made else { return false };
        if let (Some(table), Make::Map(_) | Make::Rule(_)) = (&row.codes, &row.make) {
            self.translate(&mut made, table);
        }
        if row.steps.is_empty() {
            merge(node, made);
            return true;
        }
        let key = Key {
            hash: 0,
            field: if matches!(input, Input::Segment(_)) { row.source.field } else { 0 },
            repetition,
        };
        self.place(node, &row.steps, made, frame, key);
        true
    }

    /// Makes a value of a complex type, or a resource of its own, by a map.
    fn by_map(&mut self, map: MapId, value: Value<'m>, row: &Row) -> Option<Node> {
        let name = self.tables.map(map).name.clone();
        let type_name = self.tables.map(map).type_name;
        if row.steps.is_empty() || row.leaf.shape != Shape::Resource {
            let mut node = Json::Null;
            return self.apply(map, Input::Value(value), &mut node).then_some(node);
        }
        let key = format!("{name}\n{}", value.raw());
        if let Some(at) = self.known.get(&format!("{type_name}\n{key}")) {
            return Some(reference(&self.drafts[*at].full_url));
        }
        let mut node = object([("resourceType", text(type_name))]);
        if !self.apply(map, Input::Value(value), &mut node) {
            return None;
        }
        Some(reference(&self.shared(type_name, &key, node)))
    }

    /// Puts a value at the end of a way, making what is not there yet.
    fn place(&mut self, node: &mut Node, steps: &[Step], value: Node, frame: &mut Frame, key: Key) {
        let Some((step, rest)) = steps.split_first() else { return merge(node, value) };
        let key = key.step(step);
        let mut child = property(node, &step.name);
        if step.many {
            let length = child.as_array().map_or(0, <[Node]>::len);
            child = item(child, *frame.items.entry(key.hash).or_insert(length));
        }
        match &step.then {
            Then::Inside => self.place(child, rest, value, frame, key),
            Then::Extension(url) => {
                *property(child, "url") = text(self.expanded(url));
                self.place(child, rest, value, frame, key);
            }
            Then::Resource(type_name) => {
                if rest.is_empty() {
                    let url = value.text("reference").unwrap_or_default();
                    if let Some(at) = self.drafts.iter().position(|draft| draft.full_url == url) {
                        frame.resources.insert(key.hash, at);
                    }
                    *child = value;
                    return;
                }
                let at = match frame.resources.get(&key.hash) {
                    Some(at) => *at,
                    None => {
                        let within = format!("{:x} {}", key.hash, self.segment.index());
                        let at = self.begin(type_name, &within);
                        frame.resources.insert(key.hash, at);
                        at
                    }
                };
                *child = reference(&self.drafts[at].full_url);
                let mut inner = std::mem::replace(&mut self.drafts[at].node, Json::Null);
                self.place(&mut inner, rest, value, frame, key);
                self.drafts[at].node = inner;
            }
        }
    }

    /// What stands at a place, seen from a segment or a value.
    fn at(&self, place: &Place, input: Input<'m>, repeated: Option<(u16, Value<'m>)>) -> Value<'m> {
        if !place.segment.is_empty() {
            return match self.near(&place.segment) {
                Some(segment) => {
                    within(segment.field(usize::from(place.field)), place.component, place.subcomponent)
                }
                None => Value::field("", self.message.delimiters()),
            };
        }
        match (input, repeated) {
            // Within a repetition, its own field means the repetition.
            (Input::Segment(_), Some((field, value))) if field == place.field => {
                within(value, place.component, place.subcomponent)
            }
            (Input::Segment(segment), _) => {
                within(segment.field(usize::from(place.field)), place.component, place.subcomponent)
            }
            (Input::Value(value), _) if place.field == 0 => value,
            (Input::Value(value), _) => within(value, place.field, place.component),
        }
    }

    /// The nearest segment of a name: the next one before another like the one at hand, else the last before.
    fn near(&self, name: &str) -> Option<Segment<'m>> {
        let here = self.segment.index();
        if name == "MSH" {
            return Some(self.message.header());
        }
        if self.segment.name() == name {
            return Some(self.segment);
        }
        let own = self.segment.name();
        let mut following = (here + 1..self.message.len()).filter_map(|at| self.message.segment(at));
        let next = following
            .by_ref()
            .take_while(|segment| segment.name() != own)
            .find(|segment| segment.name() == name);
        next.or_else(|| {
            (0..here).rev().filter_map(|at| self.message.segment(at)).find(|segment| segment.name() == name)
        })
    }

    /// The last segment of a name before the one at hand.
    fn before(&self, name: &str) -> Option<Segment<'m>> {
        (0..self.segment.index())
            .rev()
            .filter_map(|at| self.message.segment(at))
            .find(|segment| segment.name() == name)
    }

    fn holds(&self, condition: &Condition, input: Input<'m>, repeated: Option<(u16, Value<'m>)>) -> bool {
        if condition.any.is_empty() {
            return true;
        }
        condition.any.iter().any(|all| {
            all.iter().all(|term| {
                let value = || self.at(&term.place, input, repeated);
                match &term.test {
                    Test::Valued => value().is_valued(),
                    Test::Empty => !value().is_valued(),
                    Test::In(codes) => codes.iter().any(|code| *code == value().text()),
                    Test::NotIn(codes) => !codes.iter().any(|code| *code == value().text()),
                    Test::Longer(length) => value().text().len() > *length,
                    Test::Repeats(least) => self.repetitions(&term.place, input) > *least,
                    Test::Fewer(most) => self.repetitions(&term.place, input) < *most,
                    Test::Exactly(exact) => self.repetitions(&term.place, input) == *exact,
                    Test::Began => self.began,
                    Test::After(names) => names.iter().any(|name| name == self.after),
                    Test::Current(name) => self.current.contains_key(name),
                    Test::NoCurrent(name) => !self.current.contains_key(name),
                }
            })
        })
    }

    fn repetitions(&self, place: &Place, input: Input<'m>) -> usize {
        let value = self.at(place, input, None);
        value.repetitions().filter(Value::is_valued).count()
    }

    /// Gives every resource its request, and makes all of them valid.
    fn finish(self) -> Understood {
        let entries = requests(self.drafts, &self.source).into_iter().map(|(draft, request)| Entry {
            full_url: draft.full_url,
            resource: draft.node,
            request,
        });
        let mut understood =
            Understood { entries: entries.collect(), findings: self.findings, source: self.source };
        understood.settle();
        understood
    }
}

/// Identity of the item of an array that a row means.
#[derive(Clone, Copy)]
struct Key {
    hash: u64,
    field: u16,
    repetition: usize,
}

impl Key {
    fn step(self, step: &Step) -> Key {
        let mut hash = self.hash ^ 0xcbf2_9ce4_8422_2325;
        let mut mix = |bytes: &[u8]| {
            for byte in bytes {
                hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
            }
            hash = (hash ^ 0xff).wrapping_mul(0x0000_0100_0000_01b3);
        };
        mix(step.name.as_bytes());
        mix(step.key.as_bytes());
        if step.many && step.key.is_empty() {
            mix(&self.field.to_le_bytes());
        }
        // A key that begins with = holds for all repetitions of a field together.
        if step.many && !step.key.starts_with('=') {
            mix(&self.repetition.to_le_bytes());
        }
        if let Then::Extension(url) = &step.then {
            mix(url.as_bytes());
        }
        Key { hash, ..self }
    }
}

/// Whether a reference to `url` already stands at the end of a way.
fn refers(node: &Node, steps: &[Step], url: &str) -> bool {
    match steps.split_first() {
        None => node.text("reference") == Some(url),
        Some((step, rest)) => node.items(&step.name).iter().any(|child| refers(child, rest, url)),
    }
}

fn within(value: Value<'_>, first: u16, second: u16) -> Value<'_> {
    match (first, second) {
        (0, _) => value,
        (first, 0) => value.part(usize::from(first)),
        (first, second) => value.part(usize::from(first)).part(usize::from(second)),
    }
}

/// Properties of the new value are put over those of the old one.
fn merge(old: &mut Node, new: Node) {
    match (old, new) {
        (Json::Object(properties), Json::Object(others)) => {
            for (name, value) in others {
                match properties.iter_mut().find(|(known, _)| *known == name) {
                    Some((_, known)) => merge(known, value),
                    None => properties.push((name, value)),
                }
            }
        }
        (Json::Array(items), Json::Array(others)) => items.extend(others),
        (old, new) => *old = new,
    }
}
