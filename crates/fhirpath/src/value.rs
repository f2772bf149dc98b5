//! What an expression works on: elements of a resource, and values of the System types.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use rust_decimal::Decimal;
use tongmai_fhir::definition::{self, Group, Shape};
use tongmai_fhir::json::Json;

use crate::quantity::Quantity;
use crate::temporal::Temporal;

/// Text that is borrowed from the document or shared.
#[derive(Debug, Clone)]
pub enum Text<'r> {
    /// Text of the document.
    Borrowed(&'r str),
    /// Text that was made.
    Shared(Arc<str>),
}

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        match self {
            Text::Borrowed(text) => text,
            Text::Shared(text) => text,
        }
    }
}

impl From<String> for Text<'_> {
    fn from(text: String) -> Self {
        Text::Shared(text.into())
    }
}

impl<'r> From<&'r str> for Text<'r> {
    fn from(text: &'r str) -> Self {
        Text::Borrowed(text)
    }
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

/// One item of a collection.
#[derive(Debug, Clone)]
pub enum Value<'r> {
    /// `System.Boolean`
    Boolean(bool),
    /// `System.Integer`, here of 64 bits.
    Integer(i64),
    /// `System.Decimal`
    Decimal(Decimal),
    /// `System.String`
    String(Text<'r>),
    /// `System.Date`, `System.DateTime` or `System.Time`
    Temporal(Temporal),
    /// `System.Quantity`
    Quantity(Quantity),
    /// An element of a resource, or a resource.
    Element(Element<'r>),
    /// What `type()` gives.
    Type(TypeInfo),
}

/// Namespace and name of a type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypeInfo {
    /// `System` or `FHIR`
    pub namespace: &'static str,
    /// `Integer`, `Patient`
    pub name: &'static str,
}

/// What is known of the type of an element.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    /// Not in R4's tables.
    Unknown,
    /// A primitive type, by its name.
    Primitive(&'static str),
    /// An object with these elements.
    Group(&'static Group),
}

impl Kind {
    pub(crate) fn name(self) -> Option<&'static str> {
        match self {
            Kind::Unknown => None,
            Kind::Primitive(name) => Some(name),
            Kind::Group(group) => Some(group.type_name),
        }
    }

    fn of_type(of_type: &definition::ElementType, value: Option<&Json<'_>>) -> Kind {
        match of_type.shape {
            Shape::Primitive(_) => Kind::Primitive(of_type.name),
            Shape::Group(id) => Kind::Group(definition::group(id)),
            Shape::Resource => value.map_or(Kind::Unknown, Kind::of_resource),
        }
    }

    pub(crate) fn of_resource(resource: &Json<'_>) -> Kind {
        let group = resource.text("resourceType").and_then(definition::group_at);
        group.filter(|group| group.is_resource).map_or(Kind::Unknown, Kind::Group)
    }
}

/// An element: its JSON value, and for primitives the object beside it (`_birthDate`).
#[derive(Debug, Clone, Copy)]
pub struct Element<'r> {
    /// The value; `None` for a primitive that has only extensions.
    pub value: Option<&'r Json<'r>>,
    /// Id and extensions of a primitive.
    pub beside: Option<&'r Json<'r>>,
    pub(crate) kind: Kind,
}

impl<'r> Element<'r> {
    /// A whole resource.
    pub fn resource(resource: &'r Json<'r>) -> Element<'r> {
        Element { value: Some(resource), beside: None, kind: Kind::of_resource(resource) }
    }

    /// FHIR's name of the type, where the tables of R4 know it.
    pub fn type_name(&self) -> Option<&'static str> {
        self.kind.name()
    }

    /// The object that holds the parts of the element.
    fn object(&self) -> Option<&'r Json<'r>> {
        match self.value {
            Some(value @ Json::Object(_)) => Some(value),
            _ => self.beside,
        }
    }

    /// Whether the type is known and has no element of this name.
    pub(crate) fn lacks(&self, name: &str) -> bool {
        match self.kind {
            Kind::Unknown => false,
            Kind::Primitive(_) => !matches!(name, "id" | "extension"),
            Kind::Group(group) => group.element(name).is_none(),
        }
    }

    /// Appends the children of this name.
    pub(crate) fn member(&self, name: &str, out: &mut Vec<Value<'r>>) {
        let Some(object) = self.object() else { return };
        match self.kind {
            Kind::Group(group) => {
                let Some(element) = group.element(name) else { return };
                if !element.choice {
                    let of_type = element.types.first();
                    collect(
                        object,
                        name,
                        |value| of_type.map_or(Kind::Unknown, |t| Kind::of_type(t, value)),
                        out,
                    );
                    return;
                }
                for (key, _) in object.as_object().into_iter().flatten() {
                    let plain = key.strip_prefix('_').unwrap_or(key);
                    if !plain.starts_with(name) || (plain.len() < key.len() && object.get(plain).is_some()) {
                        continue;
                    }
                    let Some(property) = group.property(plain) else { continue };
                    let (found, of_type) = group.typed(property);
                    if found.name == name {
                        collect(object, plain, |value| Kind::of_type(of_type, value), out);
                    }
                }
            }
            // The extensions of a primitive.
            Kind::Primitive(_) => {
                let extension = definition::group_at("Extension").filter(|_| name == "extension");
                let kind = extension.map_or(Kind::Primitive("string"), Kind::Group);
                collect(object, name, |_| kind, out);
            }
            Kind::Unknown => collect(object, name, |_| Kind::Unknown, out),
        }
    }

    /// Appends all children, in the order in which they are written.
    pub(crate) fn children(&self, out: &mut Vec<Value<'r>>) {
        let Some(object) = self.object() else { return };
        for (key, _) in object.as_object().into_iter().flatten() {
            let name = match key.strip_prefix('_') {
                Some(plain) if object.get(plain).is_some() => continue,
                Some(plain) => plain,
                None => key,
            };
            match self.kind {
                Kind::Group(group) => {
                    let Some(property) = group.property(name) else { continue };
                    let (_, of_type) = group.typed(property);
                    collect(object, name, |value| Kind::of_type(of_type, value), out);
                }
                _ if name == "resourceType" => {}
                _ => self.member(name, out),
            }
        }
    }

    /// Whether this is a primitive that has a value.
    pub(crate) fn has_value(&self) -> bool {
        matches!(self.value, Some(Json::Bool(_) | Json::Number(_) | Json::String(_)))
    }

    /// The System value of a primitive or a quantity; `None` for anything else.
    pub(crate) fn system(&self) -> Option<Value<'r>> {
        let name = self.kind.name().unwrap_or("");
        match self.value? {
            Json::Bool(value) => Some(Value::Boolean(*value)),
            Json::Number(digits) => number(digits, name),
            Json::String(text) => Some(match name {
                "date" => Temporal::date(text).map_or(Value::String(Text::Borrowed(text)), Value::Temporal),
                "dateTime" | "instant" => {
                    Temporal::date_time(text).map_or(Value::String(Text::Borrowed(text)), Value::Temporal)
                }
                "time" => Temporal::time(text).map_or(Value::String(Text::Borrowed(text)), Value::Temporal),
                _ => Value::String(Text::Borrowed(text)),
            }),
            value @ Json::Object(_) if definition::is_a(name, "Quantity") => {
                let Some(Json::Number(digits)) = value.get("value") else { return None };
                let unit = value.text("code").or_else(|| value.text("unit")).unwrap_or("1");
                Some(Value::Quantity(Quantity::new(decimal(digits)?, unit)))
            }
            _ => None,
        }
    }
}

/// Appends the values of one property with what stands beside them.
fn collect<'r>(
    object: &'r Json<'r>,
    name: &str,
    kind: impl Fn(Option<&'r Json<'r>>) -> Kind,
    out: &mut Vec<Value<'r>>,
) {
    let mut push = |value: Option<&'r Json<'r>>, beside: Option<&'r Json<'r>>| {
        let value = value.filter(|v| **v != Json::Null);
        let beside = beside.filter(|b| b.as_object().is_some());
        if value.is_some() || beside.is_some() {
            out.push(Value::Element(Element { value, beside, kind: kind(value) }));
        }
    };
    let value = object.get(name);
    // Only a primitive has something beside it, and only then is the second look-up worth its while.
    let primitive = match value {
        Some(Json::Array(items)) => !matches!(items.first(), Some(Json::Object(_))),
        Some(Json::Object(_)) => false,
        _ => true,
    };
    let beside = if primitive { object.get(&format!("_{name}")) } else { None };
    match (value, beside) {
        (Some(Json::Array(values)), beside) => {
            let besides = beside.and_then(Json::as_array).unwrap_or(&[]);
            for index in 0..values.len().max(besides.len()) {
                push(values.get(index), besides.get(index));
            }
        }
        (None, Some(Json::Array(besides))) => besides.iter().for_each(|beside| push(None, Some(beside))),
        (value, beside) => push(value, beside),
    }
}

/// A JSON number as a decimal, if it has no more digits than one can hold.
pub(crate) fn decimal(digits: &str) -> Option<Decimal> {
    if digits.contains(['e', 'E']) {
        return Decimal::from_scientific(digits).ok();
    }
    Decimal::from_str_exact(digits).ok()
}

fn number(digits: &str, type_name: &str) -> Option<Value<'static>> {
    if type_name != "decimal"
        && let Ok(integer) = digits.parse()
    {
        return Some(Value::Integer(integer));
    }
    decimal(digits).map(Value::Decimal)
}

impl<'r> Value<'r> {
    /// The System value behind an element, or the value itself.
    pub fn system(&self) -> Option<Value<'r>> {
        match self {
            Value::Element(element) => element.system(),
            other => Some(other.clone()),
        }
    }

    /// A number, of either type.
    pub(crate) fn number(&self) -> Option<Decimal> {
        match self {
            Value::Integer(value) => Some(Decimal::from(*value)),
            Value::Decimal(value) => Some(*value),
            _ => None,
        }
    }

    /// The type as `type()` tells it.
    pub fn type_info(&self) -> TypeInfo {
        let system = |name| TypeInfo { namespace: "System", name };
        match self {
            Value::Boolean(_) => system("Boolean"),
            Value::Integer(_) => system("Integer"),
            Value::Decimal(_) => system("Decimal"),
            Value::String(_) => system("String"),
            Value::Temporal(value) => system(match value.kind {
                crate::temporal::TemporalKind::Date => "Date",
                crate::temporal::TemporalKind::DateTime => "DateTime",
                crate::temporal::TemporalKind::Time => "Time",
            }),
            Value::Quantity(_) => system("Quantity"),
            Value::Type(_) => system("TypeInfo"),
            Value::Element(element) => {
                TypeInfo { namespace: "FHIR", name: element.type_name().unwrap_or("Element") }
            }
        }
    }
}

impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Boolean(value) => write!(f, "{value}"),
            Value::Integer(value) => write!(f, "{value}"),
            Value::Decimal(value) => write!(f, "{value}"),
            Value::String(text) => f.write_str(text),
            Value::Temporal(value) => write!(f, "{value}"),
            Value::Quantity(value) => write!(f, "{value}"),
            Value::Type(info) => write!(f, "{}.{}", info.namespace, info.name),
            Value::Element(element) => match (element.value, element.beside) {
                (Some(Json::String(text)), _) => f.write_str(text),
                (Some(value), _) | (None, Some(value)) => write!(f, "{value}"),
                (None, None) => Ok(()),
            },
        }
    }
}
