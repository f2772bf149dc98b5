//! Evaluates a tree over a resource.
//!
//! Each value that is visited costs a step, and text costs a step for every few
//! bytes: what no limit on the expression can see (nested `repeat`, a product
//! of collections, strings that double) ends at [`limits::STEPS`].

mod collection;
mod convert;
mod lambda;
mod math;
mod operator;
mod special;
mod text;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use regex::Regex;
use tongmai_fhir::definition;
use tongmai_fhir::json::Json;

use crate::compare;
use crate::error::Error;
use crate::function::Function;
use crate::limits;
use crate::syntax::{Cast, Kind, LinkKind, Node, Step, StepKind, TypeName};
use crate::temporal::Temporal;
use crate::value::{Element, TypeInfo, Value};

/// Finds the resource that a reference names.
pub type Resolver<'r> = &'r dyn Fn(&str) -> Option<&'r Json<'r>>;

/// What an expression may know beside the resource.
#[derive(Clone)]
pub struct Environment<'r> {
    /// The time that `now()`, `today()` and `timeOfDay()` tell: a dateTime to the millisecond with its offset.
    pub now: Option<Temporal>,
    /// Values of `%name`.
    pub variables: Vec<(&'r str, Vec<Value<'r>>)>,
    /// How `resolve()` finds what is not contained in the resource.
    pub resolver: Option<Resolver<'r>>,
    /// Refuse names of elements that the type does not have, instead of finding nothing there.
    pub strict: bool,
    /// Steps that one evaluation may take.
    pub steps: u64,
}

impl Default for Environment<'_> {
    fn default() -> Self {
        Environment { now: None, variables: Vec::new(), resolver: None, strict: false, steps: limits::STEPS }
    }
}

/// A collection.
type Values<'r> = Vec<Value<'r>>;

/// What `$this`, `$index` and `$total` stand for; a path without a start begins at `this`.
#[derive(Clone, Copy)]
struct Scope<'s, 'r> {
    this: &'s [Value<'r>],
    index: Option<usize>,
    total: Option<&'s [Value<'r>]>,
}

pub(crate) struct Evaluator<'e, 'r> {
    environment: &'e Environment<'r>,
    resource: &'r Json<'r>,
    steps: &'e Cell<u64>,
    patterns: RefCell<HashMap<String, Regex>>,
}

/// Evaluates `node` over a resource, taking its steps from `steps`.
pub(crate) fn evaluate<'r>(
    node: &Node,
    resource: &'r Json<'r>,
    environment: &Environment<'r>,
    steps: &Cell<u64>,
) -> Result<Values<'r>, Error> {
    let evaluator = Evaluator { environment, resource, steps, patterns: RefCell::new(HashMap::new()) };
    let this = [Value::Element(Element::resource(resource))];
    evaluator.node(node, Scope { this: &this, index: None, total: None })
}

impl<'r> Evaluator<'_, 'r> {
    /// Takes `amount` steps of the budget.
    fn spend(&self, at: usize, amount: usize) -> Result<(), Error> {
        match self.steps.get().checked_sub(amount as u64) {
            Some(left) => {
                self.steps.set(left);
                Ok(())
            }
            None => Err(Error::limit(at, "the evaluation takes too many steps")),
        }
    }

    /// Takes the steps that reading or making `bytes` of text costs.
    fn spend_text(&self, at: usize, bytes: usize) -> Result<(), Error> {
        if bytes > limits::STRING_BYTES {
            return Err(Error::limit(at, format!("a string is longer than {} bytes", limits::STRING_BYTES)));
        }
        self.spend(at, 1 + bytes / 8)
    }

    /// The item's key for set operations, paid for by its length.
    fn key(&self, at: usize, value: &Value<'r>) -> Result<String, Error> {
        let key = compare::key(value);
        self.spend(at, 1 + key.len() / 8)?;
        Ok(key)
    }

    fn node(&self, node: &Node, scope: Scope<'_, 'r>) -> Result<Values<'r>, Error> {
        self.spend(node.at, 1)?;
        match &node.kind {
            Kind::Literal(value) => Ok(vec![value.clone()]),
            Kind::Empty => Ok(Vec::new()),
            Kind::Variable(name) => self.variable(node.at, name),
            Kind::This => Ok(scope.this.to_vec()),
            Kind::Index => Ok(scope.index.map(|index| Value::Integer(index as i64)).into_iter().collect()),
            Kind::Total => {
                let total = scope.total.unwrap_or(&[]);
                self.spend(node.at, total.len())?;
                Ok(total.to_vec())
            }
            Kind::Path(start, steps) => self.path(start.as_deref(), steps, scope),
            Kind::Negate(inner) => operator::negate(node.at, self.node(inner, scope)?),
            Kind::Chain(first, links) => {
                let mut left = self.node(first, scope)?;
                for link in links {
                    left = match &link.kind {
                        LinkKind::Binary(operator, right) => {
                            self.binary(link.at, *operator, left, right, scope)?
                        }
                        LinkKind::Cast(cast, name) => self.cast(link.at, *cast, name, left)?,
                    };
                    self.spend(link.at, left.len())?;
                }
                Ok(left)
            }
        }
    }

    fn variable(&self, at: usize, name: &str) -> Result<Values<'r>, Error> {
        if let Some((_, values)) = self.environment.variables.iter().find(|(known, _)| *known == name) {
            self.spend(at, values.len())?;
            return Ok(values.clone());
        }
        let text = |text: &'static str| Ok(vec![Value::String(text.into())]);
        match name {
            "resource" | "rootResource" | "context" => {
                Ok(vec![Value::Element(Element::resource(self.resource))])
            }
            "ucum" => text("http://unitsofmeasure.org"),
            "sct" => text("http://snomed.info/sct"),
            "loinc" => text("http://loinc.org"),
            _ => {
                let url = if let Some(set) = name.strip_prefix("vs-") {
                    format!("http://hl7.org/fhir/ValueSet/{set}")
                } else if let Some(extension) = name.strip_prefix("ext-") {
                    format!("http://hl7.org/fhir/StructureDefinition/{extension}")
                } else {
                    return Err(Error::semantic(at, format!("there is no variable %{name}")));
                };
                Ok(vec![Value::String(url.into())])
            }
        }
    }

    fn path(&self, start: Option<&Node>, steps: &[Step], scope: Scope<'_, 'r>) -> Result<Values<'r>, Error> {
        let mut values = match start {
            Some(start) => self.node(start, scope)?,
            None => scope.this.to_vec(),
        };
        for (index, step) in steps.iter().enumerate() {
            if index == 0
                && start.is_none()
                && let StepKind::Member(name) = &step.kind
                && is_type_of(name, &values)
            {
                continue;
            }
            values = self.step(step, values, scope)?;
            self.spend(step.at, 1 + values.len())?;
        }
        Ok(values)
    }

    fn step(&self, step: &Step, values: Values<'r>, scope: Scope<'_, 'r>) -> Result<Values<'r>, Error> {
        let at = step.at;
        match &step.kind {
            StepKind::Member(name) => self.member(at, name, &values),
            StepKind::Item(index) => {
                let index = match self.single(at, self.node(index, scope)?)?.and_then(|v| v.system()) {
                    Some(Value::Integer(index)) => index,
                    Some(_) => return Err(Error::execution(at, "an index is an integer")),
                    None => return Ok(Vec::new()),
                };
                let found = usize::try_from(index).ok().and_then(|index| values.into_iter().nth(index));
                Ok(found.into_iter().collect())
            }
            StepKind::Cast(cast, name) => self.cast(at, *cast, name, values),
            StepKind::Sort(keys) => self.sort(at, keys, values, scope),
            StepKind::Call(function, arguments) => match function {
                Function::Lambda(function) => self.lambda(at, *function, values, arguments, scope),
                Function::Collection(function) => {
                    let argument = arguments.first().map(|node| self.node(node, scope)).transpose()?;
                    self.collection(at, *function, values, argument.unwrap_or_default())
                }
                Function::Text(function) => {
                    let arguments = self.arguments(arguments, scope)?;
                    self.text(at, *function, values, arguments)
                }
                Function::Math(function) => {
                    let value = self.single(at, values)?;
                    let argument = arguments.first().map(|node| self.node(node, scope)).transpose()?;
                    let argument = argument.map(|values| self.single(at, values)).transpose()?;
                    self.math(at, *function, value, argument)
                }
                Function::To(target) => {
                    let value = self.single(at, values)?;
                    Ok(value.and_then(|value| convert::to(*target, &value)).into_iter().collect())
                }
                Function::ConvertsTo(target) => {
                    let value = self.single(at, values)?;
                    Ok(value
                        .map(|v| Value::Boolean(convert::to(*target, &v).is_some()))
                        .into_iter()
                        .collect())
                }
                Function::Special(function) => {
                    let argument = arguments.first().map(|node| self.node(node, scope)).transpose()?;
                    self.special(at, *function, values, argument.unwrap_or_default())
                }
            },
        }
    }

    fn arguments(&self, nodes: &[Node], scope: Scope<'_, 'r>) -> Result<Vec<Values<'r>>, Error> {
        nodes.iter().map(|node| self.node(node, scope)).collect()
    }

    fn member(&self, at: usize, name: &str, values: &[Value<'r>]) -> Result<Values<'r>, Error> {
        let mut out = Vec::new();
        for value in values {
            match value {
                Value::Element(element) => {
                    if self.environment.strict && element.lacks(name) {
                        let of = element.type_name().unwrap_or_default();
                        return Err(Error::semantic(at, format!("{of} has no element '{name}'")));
                    }
                    element.member(name, &mut out);
                }
                Value::Type(info) => match name {
                    "namespace" => out.push(Value::String(info.namespace.into())),
                    "name" => out.push(Value::String(info.name.into())),
                    _ => {}
                },
                Value::Quantity(quantity) if name == "value" => out.push(Value::Decimal(quantity.value)),
                _ => {}
            }
        }
        Ok(out)
    }

    /// The only item of a collection, or nothing.
    fn single(&self, at: usize, values: Values<'r>) -> Result<Option<Value<'r>>, Error> {
        if values.len() > 1 {
            return Err(Error::execution(at, format!("one item was expected, there are {}", values.len())));
        }
        Ok(values.into_iter().next())
    }

    /// A collection as a truth value: its one Boolean, or true for any other single item.
    fn truth(&self, at: usize, values: Values<'r>) -> Result<Option<bool>, Error> {
        Ok(self.single(at, values)?.map(|value| match value.system() {
            Some(Value::Boolean(value)) => value,
            _ => true,
        }))
    }

    fn cast(&self, at: usize, cast: Cast, name: &TypeName, values: Values<'r>) -> Result<Values<'r>, Error> {
        let wanted = named_type(name)
            .ok_or_else(|| Error::semantic(at, format!("there is no type '{}'", name.name)))?;
        match cast {
            Cast::Is => {
                let value = self.single(at, values)?;
                Ok(value.map(|value| Value::Boolean(is_of(&value, &wanted))).into_iter().collect())
            }
            Cast::As => {
                let value = self.single(at, values)?;
                Ok(value.filter(|value| may_be_taken_as(value, &wanted)).into_iter().collect())
            }
            Cast::OfType => Ok(values.into_iter().filter(|value| may_be_taken_as(value, &wanted)).collect()),
        }
    }
}

/// Whether a path begins with the name of the type that it starts at (`Patient.name`).
fn is_type_of(name: &str, values: &[Value<'_>]) -> bool {
    let upper = name.starts_with(|c: char| c.is_ascii_uppercase());
    match values {
        [Value::Element(element)] if upper => match element.type_name() {
            Some(type_name) => definition::is_a(type_name, name),
            None => element.value.and_then(|v| v.text("resourceType")) == Some(name),
        },
        _ => false,
    }
}

const SYSTEM_TYPES: [&str; 9] =
    ["Boolean", "Integer", "Decimal", "String", "Date", "DateTime", "Time", "Quantity", "Any"];

/// A type that an expression names: of the System namespace, of FHIR, or of either.
struct Wanted {
    system: Option<&'static str>,
    fhir: Option<String>,
}

fn named_type(name: &TypeName) -> Option<Wanted> {
    let system = SYSTEM_TYPES.into_iter().find(|known| *known == name.name);
    let fhir = || definition::group_at(&name.name).map(|_| name.name.clone());
    match name.namespace.as_deref() {
        // A System type that does not exist is no type of any value.
        Some("System") => Some(Wanted { system, fhir: None }),
        Some("FHIR") => Some(Wanted { system: None, fhir: Some(fhir()?) }),
        Some(_) => None,
        None => {
            let fhir =
                fhir().or_else(|| definition::Primitive::from_name(&name.name).map(|_| name.name.clone()));
            (system.is_some() || fhir.is_some()).then_some(Wanted { system, fhir })
        }
    }
}

fn is_of(value: &Value<'_>, wanted: &Wanted) -> bool {
    let TypeInfo { namespace, name } = value.type_info();
    if namespace == "System" {
        return wanted.system.is_some_and(|wanted| wanted == name || wanted == "Any");
    }
    match &wanted.fhir {
        Some(wanted) => definition::is_a(name, wanted),
        None => false,
    }
}

/// As [`is_of`], but a primitive only as exactly its own type: a `code` is a `string`, but
/// `as(string)` and `ofType(string)` leave it out (the official suite, testFHIRPathAsFunction11 and 16).
fn may_be_taken_as(value: &Value<'_>, wanted: &Wanted) -> bool {
    match value {
        Value::Element(Element { kind: crate::value::Kind::Primitive(name), .. }) => {
            wanted.fhir.as_deref() == Some(name)
        }
        _ => is_of(value, wanted),
    }
}
