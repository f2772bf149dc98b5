//! Reads `tables/types.txt` into the model.
//!
//! The table is written by `cargo xtask codegen` and checked by tests, so a
//! line that does not fit is a programming error and panics.

use std::collections::HashMap;

use super::names::Index;
use super::{
    Binding, Element, ElementType, Group, GroupId, Model, Primitive, Property, ResourceTypeId, Shape,
    Strength,
};

static TABLE: &str = include_str!("../../tables/types.txt");

/// Ids for which `Primitive` does not matter are resolved through this.
struct Names {
    groups: HashMap<&'static str, GroupId>,
    resource_types: Vec<&'static str>,
    open_types: Vec<&'static str>,
}

/// A group as the table has it, before its references to other groups are known.
struct Draft {
    path: &'static str,
    base: &'static str,
    kind: u8,
    lines: Vec<&'static str>,
}

pub(super) fn read() -> Model {
    let drafts = drafts();
    let groups: HashMap<&'static str, GroupId> =
        drafts.iter().enumerate().map(|(id, draft)| (draft.path, id as GroupId)).collect();
    let mut resource_types: Vec<&'static str> =
        drafts.iter().filter(|draft| draft.kind == b'r').map(|draft| draft.path).collect();
    resource_types.sort_unstable();
    let open_line =
        drafts[usize::from(groups["Extension"])].lines.iter().find(|line| line.starts_with("value[x]"));
    let open_types = open_line.expect("Extension has a value").split(' ').skip(3).collect();
    let names = Names { groups, resource_types, open_types };

    let mut built: Vec<Option<Group>> = (0..drafts.len()).map(|_| None).collect();
    for id in 0..drafts.len() {
        build(id, &drafts, &names, &mut built);
    }
    let resource_types_by_name = Index::new(&names.resource_types);
    let resource_types = names.resource_types.iter().map(|name| (*name, names.groups[name])).collect();
    Model {
        groups: built.into_iter().flatten().collect(),
        by_path: names.groups,
        resource_types,
        resource_types_by_name,
    }
}

/// Cuts the table into groups: types, and within them the parts in braces.
fn drafts() -> Vec<Draft> {
    let mut drafts: Vec<Draft> = Vec::new();
    // Positions in `drafts` of the groups that are open, outermost first.
    let mut open: Vec<usize> = Vec::new();
    for line in TABLE.lines().filter(|line| !line.starts_with('#')) {
        if let Some(head) = line.strip_prefix('=') {
            let mut fields = head.split(' ');
            let path = fields.next().expect("name");
            let kind = fields.next().expect("kind").as_bytes()[0];
            let base = fields.next().expect("base");
            open = vec![drafts.len()];
            drafts.push(Draft { path, base: if base == "-" { "" } else { base }, kind, lines: Vec::new() });
            continue;
        }
        let content = line.trim_start_matches('.');
        open.truncate(line.len() - content.len() + 1);
        let parent = *open.last().expect("a type is open");
        drafts[parent].lines.push(content);
        let mut fields = content.split(' ');
        let name = fields.next().expect("name");
        if let Some(group) = fields.nth(2).and_then(|types| types.strip_prefix('{')) {
            let path = leak(format!("{}.{name}", drafts[parent].path));
            open.push(drafts.len());
            let base = if group.is_empty() { "BackboneElement" } else { group };
            drafts.push(Draft { path, base, kind: b'g', lines: Vec::new() });
        }
    }
    drafts
}

fn leak(text: String) -> &'static str {
    Box::leak(text.into_boxed_str())
}

/// Builds the group `id`, and before it what it inherits from.
fn build(id: usize, drafts: &[Draft], names: &Names, built: &mut Vec<Option<Group>>) {
    if built[id].is_some() {
        return;
    }
    let draft = &drafts[id];
    let base = names.groups.get(draft.base).map(|base| usize::from(*base));
    let mut elements: Vec<Element> = Vec::new();
    let mut is_resource = draft.path == "Resource";
    if let Some(base) = base {
        build(base, drafts, names, built);
        let inherited = built[base].as_ref().expect("just built");
        elements.extend_from_slice(inherited.elements);
        is_resource |= inherited.is_resource;
    }
    for line in &draft.lines {
        let element = element(line, draft.path, names);
        match elements.iter_mut().find(|known| known.name == element.name) {
            Some(known) => *known = element,
            None => elements.push(element),
        }
    }
    let type_name = match draft.path {
        "SimpleQuantity" | "MoneyQuantity" => "Quantity",
        path => path,
    };
    let properties = properties(&elements);
    built[id] = Some(Group {
        path: draft.path,
        type_name: if draft.kind == b'g' { draft.base } else { type_name },
        base: base.map(|base| drafts[base].path),
        is_abstract: draft.kind == b'a',
        is_resource,
        by_name: Index::new(&properties.iter().map(|property| property.name).collect::<Vec<_>>()),
        properties,
        elements: elements.leak(),
    });
}

fn element(line: &'static str, path: &'static str, names: &Names) -> Element {
    let mut fields = line.split(' ');
    let name = fields.next().expect("name");
    let (min, max) = fields.next().and_then(|range| range.split_once("..")).expect("cardinality");
    let flags = fields.next().expect("flags");
    let plain = name.strip_suffix("[x]");
    let mut types = Vec::new();
    let mut binding = None;
    for field in fields {
        match field.as_bytes()[0] {
            b'!' => binding = Some(self::binding(Strength::Required, &field[1..])),
            b'+' => binding = Some(self::binding(Strength::Extensible, &field[1..])),
            b'~' => binding = Some(self::binding(Strength::Preferred, &field[1..])),
            b'*' => types.extend(names.open_types.iter().map(|of| element_type(of, "", names))),
            b'{' => {
                let of = if field == "{" { "BackboneElement" } else { "Element" };
                let group = names.groups[format!("{path}.{name}").as_str()];
                types.push(ElementType { name: of, shape: Shape::Group(group), targets: &[] });
            }
            b'@' => {
                let group = names.groups[&field[1..]];
                types.push(ElementType { name: "BackboneElement", shape: Shape::Group(group), targets: &[] });
            }
            _ => match field.split_once('(') {
                Some((of, targets)) => types.push(element_type(of, targets.trim_end_matches(')'), names)),
                None => types.push(element_type(field, "", names)),
            },
        }
    }
    Element {
        name: plain.unwrap_or(name),
        min: min.parse().expect("minimum"),
        prohibited: max == "0",
        many: max == "*",
        choice: plain.is_some(),
        summary: flags.contains('S'),
        modifier: flags.contains('M'),
        types: types.leak(),
        binding,
    }
}

fn element_type(name: &'static str, targets: &str, names: &Names) -> ElementType {
    let shape = match Primitive::from_name(name) {
        Some(primitive) => Shape::Primitive(primitive),
        None if name == "Resource" => Shape::Resource,
        None => Shape::Group(names.groups[name]),
    };
    let mut ids: Vec<ResourceTypeId> = Vec::new();
    for target in targets.split(',').filter(|target| !target.is_empty()) {
        ids.push(names.resource_types.binary_search(&target).expect("a resource type") as ResourceTypeId);
    }
    let name = if name == "SimpleQuantity" { "Quantity" } else { name };
    ElementType { name, shape, targets: ids.leak() }
}

fn binding(strength: Strength, url: &'static str) -> Binding {
    let set = if url.contains(':') {
        tongmai_terminology::value_set(url)
    } else {
        tongmai_terminology::value_set(&format!("http://hl7.org/fhir/ValueSet/{url}"))
    };
    Binding { strength, url, set }
}

/// The JSON properties of the elements, sorted by name.
fn properties(elements: &[Element]) -> &'static [Property] {
    // Validation marks what it has seen in 64 bits.
    assert!(elements.len() <= 64, "a group with too many elements");
    let mut properties = Vec::new();
    for (at, element) in elements.iter().enumerate() {
        for (of_type, kind) in element.types.iter().enumerate() {
            let name = if element.choice { choice_name(element.name, kind.name) } else { element.name };
            properties.push(Property { name, element: at as u8, of_type: of_type as u8 });
        }
    }
    properties.sort_unstable_by_key(|property| property.name);
    properties.leak()
}

/// `value` and `dateTime` give `valueDateTime`.
fn choice_name(element: &str, of_type: &str) -> &'static str {
    let (first, rest) = of_type.split_at(1);
    leak(format!("{element}{}{rest}", first.to_ascii_uppercase()))
}
