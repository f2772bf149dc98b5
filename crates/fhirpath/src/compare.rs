//! Equality, equivalence and order of items and collections.

use std::cmp::Ordering;
use std::fmt::Write;

use tongmai_fhir::json::{Json, write_string};

use crate::quantity::{Quantity, equivalent_decimals};
use crate::temporal::{Temporal, TemporalKind};
use crate::value::{Value, decimal};

/// Two System values brought to one type, if they have one in common.
enum Pair<'r> {
    Boolean(bool, bool),
    Number(rust_decimal::Decimal, rust_decimal::Decimal),
    String(Value<'r>, Value<'r>),
    Temporal(Temporal, Temporal),
    Quantity(Quantity, Quantity),
}

fn pair<'r>(left: &Value<'r>, right: &Value<'r>) -> Option<Pair<'r>> {
    let (left, right) = (left.system()?, right.system()?);
    if let (Some(left), Some(right)) = (left.number(), right.number()) {
        return Some(Pair::Number(left, right));
    }
    Some(match (left, right) {
        (Value::Boolean(left), Value::Boolean(right)) => Pair::Boolean(left, right),
        (left @ Value::String(_), right @ Value::String(_)) => Pair::String(left, right),
        (Value::Temporal(left), Value::Temporal(right)) => {
            if (left.kind == TemporalKind::Time) != (right.kind == TemporalKind::Time) {
                return None;
            }
            Pair::Temporal(left, right)
        }
        (Value::Quantity(left), Value::Quantity(right)) => Pair::Quantity(left, right),
        (Value::Quantity(left), right) => Pair::Quantity(left, Quantity::new(right.number()?, "1")),
        (left, Value::Quantity(right)) => Pair::Quantity(Quantity::new(left.number()?, "1"), right),
        _ => return None,
    })
}

/// Equality of two items; `None` when it cannot be known.
pub(crate) fn equal(left: &Value<'_>, right: &Value<'_>) -> Option<bool> {
    match pair(left, right) {
        Some(Pair::Boolean(left, right)) => Some(left == right),
        Some(Pair::Number(left, right)) => Some(left == right),
        Some(Pair::String(Value::String(left), Value::String(right))) => Some(*left == *right),
        Some(Pair::Temporal(left, right)) => left.compare(&right).map(Ordering::is_eq),
        Some(Pair::Quantity(left, right)) => left.compare(&right).map(Ordering::is_eq),
        _ => Some(key(left) == key(right)),
    }
}

/// Order of two items: `Err` when their types have none, `Ok(None)` when it cannot be known.
pub(crate) fn order(left: &Value<'_>, right: &Value<'_>) -> Result<Option<Ordering>, ()> {
    match pair(left, right) {
        Some(Pair::Number(left, right)) => Ok(Some(left.cmp(&right))),
        Some(Pair::String(Value::String(left), Value::String(right))) => Ok(Some(left.cmp(&*right))),
        Some(Pair::Temporal(left, right)) => Ok(left.compare(&right)),
        Some(Pair::Quantity(left, right)) => Ok(left.compare(&right)),
        _ => Err(()),
    }
}

/// Equivalence of two items.
pub(crate) fn equivalent(left: &Value<'_>, right: &Value<'_>) -> bool {
    match pair(left, right) {
        Some(Pair::Boolean(left, right)) => left == right,
        Some(Pair::Number(left, right)) => equivalent_decimals(left, right),
        Some(Pair::String(Value::String(left), Value::String(right))) => folded(&left) == folded(&right),
        Some(Pair::Temporal(left, right)) => left.compare(&right) == Some(Ordering::Equal),
        Some(Pair::Quantity(left, right)) => left.equivalent(&right),
        _ => match (left, right) {
            (Value::Element(left), Value::Element(right)) => match (left.value, right.value) {
                (Some(left), Some(right)) => equivalent_json(left, right),
                _ => false,
            },
            _ => key(left) == key(right),
        },
    }
}

/// Lower case, with each run of white space as one blank.
fn folded(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

/// Equivalence of complex elements: strings folded, lists in any order, ids left out.
fn equivalent_json(left: &Json<'_>, right: &Json<'_>) -> bool {
    match (left, right) {
        (Json::String(left), Json::String(right)) => folded(left) == folded(right),
        (Json::Number(left), Json::Number(right)) => match (decimal(left), decimal(right)) {
            (Some(left), Some(right)) => equivalent_decimals(left, right),
            _ => left == right,
        },
        (Json::Array(left), Json::Array(right)) => {
            matched(left, right, |left, right| equivalent_json(left, right))
        }
        (Json::Object(left), Json::Object(right)) => {
            let mut left: Vec<_> = left.iter().filter(|(name, _)| name != "id").collect();
            let mut right: Vec<_> = right.iter().filter(|(name, _)| name != "id").collect();
            left.sort_unstable_by(|a, b| a.0.cmp(&b.0));
            right.sort_unstable_by(|a, b| a.0.cmp(&b.0));
            left.len() == right.len()
                && left.iter().zip(right).all(|(l, r)| l.0 == r.0 && equivalent_json(&l.1, &r.1))
        }
        (left, right) => left == right,
    }
}

/// Whether each item of one list has a partner of its own in the other.
pub(crate) fn matched<T>(left: &[T], right: &[T], same: impl Fn(&T, &T) -> bool) -> bool {
    if left.len() != right.len() {
        return false;
    }
    let mut free: Vec<&T> = right.iter().collect();
    left.iter().all(|item| match free.iter().position(|other| same(item, other)) {
        Some(index) => {
            free.remove(index);
            true
        }
        None => false,
    })
}

/// A text that two items have in common exactly when they are equal.
pub(crate) fn key(value: &Value<'_>) -> String {
    let mut out = String::new();
    match value.system() {
        Some(Value::Boolean(value)) => out.push_str(if value { "b1" } else { "b0" }),
        Some(Value::Integer(value)) => {
            let _ = write!(out, "n{value}");
        }
        Some(Value::Decimal(value)) => {
            let _ = write!(out, "n{}", value.normalize());
        }
        Some(Value::String(text)) => {
            out.push('s');
            out.push_str(&text);
        }
        Some(Value::Temporal(value)) => {
            let mut utc = value.to_utc();
            // 30 and 30.000 seconds are equal.
            if utc.precision >= crate::temporal::Precision::Second {
                (utc.precision, utc.fraction_digits) = (crate::temporal::Precision::Fraction, 9);
            }
            let _ = write!(out, "t{utc}");
        }
        Some(Value::Quantity(value)) => {
            let _ = write!(out, "q{}", value.key());
        }
        Some(Value::Type(info)) => {
            let _ = write!(out, "i{}.{}", info.namespace, info.name);
        }
        Some(Value::Element(_)) | None => {
            let Value::Element(element) = value else { return out };
            for part in [element.value, element.beside] {
                out.push('e');
                if let Some(part) = part {
                    json_key(part, &mut out);
                }
            }
        }
    }
    out
}

/// JSON with sorted properties and numbers without zeros at the end.
fn json_key(value: &Json<'_>, out: &mut String) {
    match value {
        Json::Number(digits) => match decimal(digits) {
            Some(value) => {
                let _ = write!(out, "{}", value.normalize());
            }
            None => out.push_str(digits),
        },
        Json::Array(items) => {
            out.push('[');
            for item in items {
                json_key(item, out);
                out.push(',');
            }
            out.push(']');
        }
        Json::Object(properties) => {
            let mut properties: Vec<_> = properties.iter().collect();
            properties.sort_unstable_by(|a, b| a.0.cmp(&b.0));
            out.push('{');
            for (name, value) in properties {
                write_string(name, out);
                out.push(':');
                json_key(value, out);
                out.push(',');
            }
            out.push('}');
        }
        other => other.write(out),
    }
}

/// What a sort compares: a total order over all items, empty first.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum SortKey {
    Empty,
    Boolean(bool),
    Number(rust_decimal::Decimal),
    String(String),
    Other(String),
}

pub(crate) fn sort_key(value: Option<&Value<'_>>) -> SortKey {
    let Some(value) = value else { return SortKey::Empty };
    match value.system() {
        Some(Value::Boolean(value)) => SortKey::Boolean(value),
        Some(Value::String(text)) => SortKey::String(text.to_string()),
        Some(Value::Quantity(quantity)) => SortKey::Number(quantity.base_value()),
        Some(other) => match other.number() {
            Some(number) => SortKey::Number(number),
            // Dates in UTC sort as text.
            None => SortKey::Other(key(&other)),
        },
        None => SortKey::Other(key(value)),
    }
}
