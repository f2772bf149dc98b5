//! The paths of all search parameters of a resource type, as one tree.
//!
//! The tree is compiled once for each type, when it is first needed. A single
//! walk over the resource then finds the values of every parameter: each JSON
//! property is looked up once, whether one parameter or ten lead through it.

use std::sync::OnceLock;

use super::convert::Conversion;
use super::expression::{self, Path, Step};
use super::value::{SearchValue, Token};
use super::{Kind, ParameterId, SearchParameter};
use crate::definition::{self, Element, ElementType, Group, ResourceTypeId};
use crate::json::Json;

/// Most values that one item gives for one composite parameter. Concepts hold a few
/// codings; only a hostile resource has hundreds on both sides.
const COMPOSITES_OF_AN_ITEM: usize = 256;

/// The values of all search parameters in a resource. The type is given and not read from
/// `resourceType`; contained resources are not looked into. References into the resource
/// itself (`#…`) are given too: see [`super::Reference::is_contained`].
pub fn extract<'v>(
    resource: &'v Json<'_>,
    resource_type: ResourceTypeId,
) -> Vec<(ParameterId, SearchValue<'v>)> {
    let mut values = Vec::with_capacity(24);
    extract_each(resource, resource_type, &mut |parameter, value| values.push((parameter, value)));
    values
}

/// Gives the values of all search parameters in a resource to `emit`, in the order in which
/// the resource has them.
pub fn extract_each<'v>(
    resource: &'v Json<'_>,
    resource_type: ResourceTypeId,
    emit: &mut dyn FnMut(ParameterId, SearchValue<'v>),
) {
    if let Some(tree) = tree(resource_type) {
        tree.run(resource, emit);
    }
}

fn tree(resource_type: ResourceTypeId) -> Option<&'static Tree> {
    static TREES: OnceLock<Vec<OnceLock<Tree>>> = OnceLock::new();
    let trees =
        TREES.get_or_init(|| (0..definition::resource_types().len()).map(|_| OnceLock::new()).collect());
    let slot = trees.get(usize::from(resource_type))?;
    Some(slot.get_or_init(|| {
        Tree::compile(resource_type, super::parameters(resource_type).filter(|p| p.is_indexed()))
    }))
}

type NodeId = u16;

/// The paths of some parameters of one resource type.
pub(crate) struct Tree {
    nodes: Vec<Node>,
    composites: Vec<Composite>,
}

#[derive(Default)]
struct Node {
    /// Where each property leads, sorted by name.
    edges: Vec<Edge>,
    /// Where an item with a certain text in a property leads.
    guards: Vec<Guard>,
    emits: Vec<Emit>,
}

struct Edge {
    property: &'static str,
    /// Only the first item of the array.
    first: bool,
    next: NodeId,
}

struct Guard {
    field: &'static str,
    value: &'static str,
    next: NodeId,
}

struct Emit {
    parameter: ParameterId,
    how: How,
}

enum How {
    Value(Conversion),
    /// References to this type only.
    ReferenceTo(ResourceTypeId, Conversion),
    /// Position in [`Tree::composites`].
    Composite(usize),
    /// Whether one of these properties is there and not `false`.
    NotFalse(Vec<&'static str>),
}

/// The components of a composite: a tree of its own for each alternative path of each.
struct Composite {
    components: Vec<Vec<Part>>,
}

struct Part {
    /// Seen from the resource, and not from the composite's item.
    from_resource: bool,
    start: NodeId,
}

/// Where a path has led: a node, and the type of the element there.
#[derive(Clone, Copy)]
struct Cursor {
    node: NodeId,
    of: Place,
}

#[derive(Clone, Copy)]
enum Place {
    Group(&'static Group),
    Element(&'static Element, &'static ElementType),
}

impl Place {
    fn group(self) -> Option<&'static Group> {
        match self {
            Place::Group(group) => Some(group),
            Place::Element(_, of_type) => of_type.group(),
        }
    }
}

impl Tree {
    /// Compiles the paths of `parameters` that begin at `resource_type`.
    pub(crate) fn compile(
        resource_type: ResourceTypeId,
        parameters: impl Iterator<Item = &'static SearchParameter>,
    ) -> Tree {
        let mut tree = Tree { nodes: vec![Node::default()], composites: Vec::new() };
        let Some(group) = definition::resource_group(resource_type) else { return tree };
        let root = Cursor { node: 0, of: Place::Group(group) };
        for parameter in parameters {
            for path in expression::parse(parameter.expression).unwrap_or_default() {
                if path.root.is_empty() || definition::is_a(group.path, path.root) {
                    tree.add(root, root, &path, parameter);
                }
            }
        }
        tree
    }

    /// Adds a path that begins at `start`, a place within the resource whose place is `root`.
    fn add(&mut self, root: Cursor, start: Cursor, path: &Path, parameter: &'static SearchParameter) {
        let mut cursors = vec![start];
        let mut only_to = None;
        for (at, step) in path.steps.iter().enumerate() {
            match *step {
                Step::Field(name) => match path.steps.get(at + 1) {
                    Some(Step::NotFalse) => {
                        let properties = start.of.group().map(|group| properties_of(group, name));
                        return self.emit_at(start, parameter, How::NotFalse(properties.unwrap_or_default()));
                    }
                    next => {
                        cursors = cursors.iter().flat_map(|from| self.field(*from, name, next)).collect();
                    }
                },
                Step::Where(field, value) => {
                    for cursor in &mut cursors {
                        cursor.node = self.guard(cursor.node, field, value);
                    }
                }
                Step::ResolveIs(name) => only_to = definition::resource_type_id(name),
                // Taken into account with the field before it.
                Step::As(_) | Step::First | Step::NotFalse => {}
            }
        }
        for cursor in cursors {
            if parameter.kind == Kind::Composite {
                let how = self.composite(root, cursor, parameter);
                self.emit_at(cursor, parameter, how);
            } else if let Place::Element(element, of_type) = cursor.of
                && let Some(how) = value_of(element, of_type, only_to, parameter)
            {
                self.emit_at(cursor, parameter, how);
            }
        }
    }

    fn emit_at(&mut self, cursor: Cursor, parameter: &'static SearchParameter, how: How) {
        self.nodes[usize::from(cursor.node)].emits.push(Emit { parameter: parameter.id, how });
    }

    /// Goes into an element: one cursor for each type that it may have and that the next step allows.
    fn field(&mut self, from: Cursor, name: &str, next: Option<&Step>) -> Vec<Cursor> {
        let Some(group) = from.of.group() else { return Vec::new() };
        let mut cursors = Vec::new();
        for property in group.properties() {
            let (element, of_type) = group.typed(property);
            let allowed = !matches!(next, Some(Step::As(wanted)) if *wanted != of_type.name);
            if element.name == name && allowed {
                let node = self.edge(from.node, property.name, next == Some(&Step::First));
                cursors.push(Cursor { node, of: Place::Element(element, of_type) });
            }
        }
        cursors
    }

    fn new_node(&mut self) -> NodeId {
        self.nodes.push(Node::default());
        (self.nodes.len() - 1) as NodeId
    }

    fn edge(&mut self, from: NodeId, property: &'static str, first: bool) -> NodeId {
        let edges = &self.nodes[usize::from(from)].edges;
        if let Some(known) = edges.iter().find(|edge| edge.property == property && edge.first == first) {
            return known.next;
        }
        let next = self.new_node();
        let edges = &mut self.nodes[usize::from(from)].edges;
        let at = edges.partition_point(|edge| edge.property < property);
        edges.insert(at, Edge { property, first, next });
        next
    }

    fn guard(&mut self, from: NodeId, field: &'static str, value: &'static str) -> NodeId {
        let guards = &self.nodes[usize::from(from)].guards;
        if let Some(known) = guards.iter().find(|guard| guard.field == field && guard.value == value) {
            return known.next;
        }
        let next = self.new_node();
        self.nodes[usize::from(from)].guards.push(Guard { field, value, next });
        next
    }

    fn composite(&mut self, root: Cursor, item: Cursor, parameter: &'static SearchParameter) -> How {
        let mut components = Vec::new();
        for component in parameter.components {
            let definition = &super::all()[usize::from(component.definition)];
            let mut parts = Vec::new();
            for path in expression::parse_component(component.expression).unwrap_or_default() {
                let from_resource = !path.root.is_empty();
                let of = if from_resource { root.of } else { item.of };
                let start = Cursor { node: self.new_node(), of };
                self.add(root, start, &path, definition);
                parts.push(Part { from_resource, start: start.node });
            }
            components.push(parts);
        }
        self.composites.push(Composite { components });
        How::Composite(self.composites.len() - 1)
    }

    /// Gives every value in `resource` to `emit`.
    pub(crate) fn run<'v>(&self, resource: &'v Json<'_>, emit: &mut dyn FnMut(ParameterId, SearchValue<'v>)) {
        self.visit(0, resource, resource, emit);
    }

    fn visit<'v>(
        &self,
        node: NodeId,
        value: &'v Json<'_>,
        resource: &'v Json<'_>,
        emit: &mut dyn FnMut(ParameterId, SearchValue<'v>),
    ) {
        let node = &self.nodes[usize::from(node)];
        for found in &node.emits {
            self.emit(found, value, resource, emit);
        }
        for guard in &node.guards {
            if value.text(guard.field) == Some(guard.value) {
                self.visit(guard.next, value, resource, emit);
            }
        }
        let Json::Object(properties) = value else { return };
        if node.edges.is_empty() {
            return;
        }
        for (name, value) in properties {
            let start = node.edges.partition_point(|edge| edge.property < name.as_ref());
            for edge in node.edges[start..].iter().take_while(|edge| edge.property == name.as_ref()) {
                match value {
                    Json::Array(items) => {
                        let count = if edge.first { 1 } else { items.len() };
                        items.iter().take(count).for_each(|item| self.visit(edge.next, item, resource, emit));
                    }
                    single => self.visit(edge.next, single, resource, emit),
                }
            }
        }
    }

    fn emit<'v>(
        &self,
        found: &Emit,
        value: &'v Json<'_>,
        resource: &'v Json<'_>,
        emit: &mut dyn FnMut(ParameterId, SearchValue<'v>),
    ) {
        match &found.how {
            How::Value(conversion) => conversion.run(value, &mut |value| emit(found.parameter, value)),
            How::ReferenceTo(target, conversion) => conversion.run(value, &mut |value| {
                if matches!(&value, SearchValue::Reference(r) if r.resource_type == Some(*target)) {
                    emit(found.parameter, value);
                }
            }),
            How::NotFalse(properties) => {
                let is =
                    properties.iter().any(|name| value.get(name).is_some_and(|v| *v != Json::Bool(false)));
                let code = Some(if is { "true" } else { "false" });
                emit(found.parameter, SearchValue::Token(Token { code, ..Token::default() }));
            }
            How::Composite(at) => {
                for values in self.composite_values(&self.composites[*at], value, resource) {
                    emit(found.parameter, SearchValue::Composite(values));
                }
            }
        }
    }

    /// Every combination of the components' values.
    fn composite_values<'v>(
        &self,
        composite: &Composite,
        item: &'v Json<'_>,
        resource: &'v Json<'_>,
    ) -> Vec<Vec<SearchValue<'v>>> {
        let mut combined: Vec<Vec<SearchValue<'v>>> = vec![Vec::new()];
        for parts in &composite.components {
            let mut values = Vec::new();
            for part in parts {
                let from = if part.from_resource { resource } else { item };
                self.visit(part.start, from, resource, &mut |_, value| values.push(value));
            }
            // A concept's text alone is no code to combine.
            values.retain(|value| !matches!(value, SearchValue::Token(Token { code: None, .. })));
            if values.is_empty() {
                return Vec::new();
            }
            let longer = combined.iter().flat_map(|before| {
                values.iter().map(move |value| before.iter().cloned().chain([value.clone()]).collect())
            });
            combined = longer.take(COMPOSITES_OF_AN_ITEM).collect();
        }
        combined
    }
}

/// How the values of an element are made for a parameter; `None` when R4 has no way.
fn value_of(
    element: &Element,
    of_type: &ElementType,
    only_to: Option<ResourceTypeId>,
    parameter: &SearchParameter,
) -> Option<How> {
    let codes = element.binding.and_then(|binding| binding.set);
    let conversion = Conversion::of(parameter.kind, of_type.name, codes)?;
    // The first entry of a Bundle counts only when it is what the parameter is about.
    let only_to = match (conversion, parameter.targets) {
        (Conversion::Entry, [target]) => Some(*target),
        _ => only_to,
    };
    Some(match only_to {
        Some(target) => How::ReferenceTo(target, conversion),
        None => How::Value(conversion),
    })
}

fn properties_of(group: &'static Group, name: &str) -> Vec<&'static str> {
    let of_element = group.properties().iter().filter(|property| group.typed(property).0.name == name);
    of_element.map(|property| property.name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_parameter_leads_to_values() {
        let mut dead = Vec::new();
        for (id, name) in definition::resource_types().enumerate() {
            for parameter in super::super::parameters(id as ResourceTypeId).filter(|p| p.is_indexed()) {
                let tree = Tree::compile(id as ResourceTypeId, std::iter::once(parameter));
                let live = tree
                    .nodes
                    .iter()
                    .any(|node| node.emits.iter().any(|emit| emit.parameter == parameter.id));
                if !live {
                    dead.push(format!("{name} {} {}", parameter.url, parameter.expression));
                }
            }
        }
        assert!(dead.is_empty(), "{dead:#?}");
    }
}
