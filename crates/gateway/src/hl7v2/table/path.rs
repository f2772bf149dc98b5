//! Ways through FHIR: `participant[1].individual->Practitioner.name.given`.

use std::fmt;

use tongmai_fhir::definition::{self, Group, Primitive, Shape};

/// One step of the way to an element.
#[derive(Debug, Clone)]
pub struct Step {
    /// The JSON name; `_name` where an extension of a primitive follows.
    pub name: String,
    /// Whether it is an array.
    pub many: bool,
    /// Rows with the same key share one item of the array; empty: the rows of one field do.
    pub key: String,
    /// What the item is.
    pub then: Then,
}

/// What a step leads into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Then {
    /// The value itself or an object.
    Inside,
    /// An extension with this address.
    Extension(String),
    /// A reference to a resource of this type, in which the way goes on.
    Resource(&'static str),
}

/// The type that a way ends in.
#[derive(Debug, Clone, Copy)]
pub struct Leaf {
    /// `string`, `CodeableConcept`, `Reference`, or the type of a resource after `->`.
    pub type_name: &'static str,
    /// Its JSON form.
    pub shape: Shape,
}

/// Resolves a way from a group of elements; the error says which step is wrong.
pub fn resolve(group: &'static Group, text: &str) -> Result<(Vec<Step>, Leaf), String> {
    let mut at = group;
    let mut steps = Vec::new();
    let mut rest = text;
    loop {
        let (mut step, after) = read(rest)?;
        let found = at.property(&step.name).map(|property| at.typed(property));
        let (element, of_type) = match found {
            Some(found) => found,
            None if step.name == "$this" && after.is_empty() && steps.is_empty() => {
                let leaf = Leaf { type_name: group.type_name, shape: Shape::Resource };
                return Ok((steps, leaf));
            }
            None => return Err(format!("{} has no element {}", at.path, step.name)),
        };
        step.many = element.many;
        let mut shape = of_type.shape;
        let mut type_name = of_type.name;
        if let Then::Resource(target) = step.then {
            if type_name != "Reference" {
                return Err(format!("{} is no reference", step.name));
            }
            let fits = of_type.targets.is_empty()
                || definition::resource_type_id(target).is_some_and(|id| of_type.targets.contains(&id));
            if !fits {
                return Err(format!("{}.{} does not refer to a {target}", at.path, step.name));
            }
            at = definition::group_at(target).ok_or("no such resource")?;
            shape = Shape::Resource;
            type_name = target;
        } else if !after.is_empty() {
            at = match shape {
                Shape::Group(id) => definition::group(id),
                Shape::Primitive(_) if element.many => {
                    return Err(format!("items of {} cannot have extensions here", step.name));
                }
                Shape::Primitive(_) => {
                    step.name.insert(0, '_');
                    step.many = false;
                    definition::group_at("Element").ok_or("no Element")?
                }
                Shape::Resource => return Err(format!("{} is a whole resource", step.name)),
            };
        }
        steps.push(step);
        if after.is_empty() {
            return Ok((steps, Leaf { type_name, shape }));
        }
        rest = after;
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name.trim_start_matches('_'))?;
        if !self.key.is_empty() {
            write!(f, "[{}]", self.key)?;
        }
        match &self.then {
            Then::Inside => Ok(()),
            Then::Extension(url) => write!(f, "<{url}>"),
            Then::Resource(type_name) => write!(f, "->{type_name}"),
        }
    }
}

impl Leaf {
    /// The primitive type, if it is one.
    pub fn primitive(&self) -> Option<Primitive> {
        match self.shape {
            Shape::Primitive(primitive) => Some(primitive),
            _ => None,
        }
    }
}

/// Reads one step: a name, `[key]`, `<address of an extension>`, `->Type`.
fn read(text: &str) -> Result<(Step, &str), String> {
    let end = text.find(['.', '[', '<', '-']).unwrap_or(text.len());
    let (name, mut rest) = text.split_at(end);
    if name.is_empty() {
        return Err(format!("a step is missing before '{text}'"));
    }
    let mut step = Step { name: name.to_owned(), many: false, key: String::new(), then: Then::Inside };
    if let Some(after) = rest.strip_prefix('[') {
        let (key, after) = after.split_once(']').ok_or("a [ without ]")?;
        step.key = key.to_owned();
        rest = after;
    }
    if let Some(after) = rest.strip_prefix('<') {
        let (url, after) = after.split_once('>').ok_or("a < without >")?;
        step.then = Then::Extension(url.to_owned());
        rest = after;
    }
    if let Some(after) = rest.strip_prefix("->") {
        let end = after.find('.').unwrap_or(after.len());
        let id = definition::resource_type_id(&after[..end])
            .ok_or_else(|| format!("FHIR has no resource {}", &after[..end]))?;
        step.then = Then::Resource(definition::resource_type_name(id).unwrap_or_default());
        rest = &after[end..];
    }
    match rest.strip_prefix('.') {
        Some(after) => Ok((step, after)),
        None if rest.is_empty() => Ok((step, "")),
        None => Err(format!("'{rest}' cannot follow {name}")),
    }
}
