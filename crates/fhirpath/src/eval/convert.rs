//! Conversions between the System types.

use rust_decimal::Decimal;

use crate::function::Target;
use crate::quantity::{Quantity, Unit};
use crate::temporal::{Temporal, TemporalKind};
use crate::value::{Value, decimal};

/// The value as the target type; `None` when it has no such form.
pub(super) fn to<'r>(target: Target, value: &Value<'r>) -> Option<Value<'r>> {
    let value = value.system()?;
    match target {
        Target::Boolean => boolean(&value).map(Value::Boolean),
        Target::Integer => match &value {
            Value::Integer(value) => Some(Value::Integer(*value)),
            Value::Boolean(value) => Some(Value::Integer(i64::from(*value))),
            Value::String(text) => text.parse().ok().map(Value::Integer),
            _ => None,
        },
        Target::Decimal => match &value {
            Value::Integer(value) => Some(Value::Decimal(Decimal::from(*value))),
            Value::Decimal(value) => Some(Value::Decimal(*value)),
            Value::Boolean(value) => Some(Value::Decimal(if *value { Decimal::ONE } else { Decimal::ZERO })),
            Value::String(text) => plain_decimal(text).map(Value::Decimal),
            _ => None,
        },
        Target::Date => match &value {
            Value::Temporal(value) if value.kind != TemporalKind::Time => {
                Some(Value::Temporal(value.to_date()))
            }
            Value::String(text) => Temporal::date(text).map(Value::Temporal),
            _ => None,
        },
        Target::DateTime => match &value {
            Value::Temporal(value) if value.kind != TemporalKind::Time => {
                Some(Value::Temporal(Temporal { kind: TemporalKind::DateTime, ..*value }))
            }
            Value::String(text) => Temporal::date_time(text).map(Value::Temporal),
            _ => None,
        },
        Target::Time => match &value {
            Value::Temporal(time) if time.kind == TemporalKind::Time => Some(value),
            Value::String(text) => Temporal::time(text).map(Value::Temporal),
            _ => None,
        },
        Target::String => match &value {
            Value::Element(_) | Value::Type(_) => None,
            Value::String(_) => Some(value),
            other => Some(Value::String(other.to_string().into())),
        },
        Target::Quantity => quantity(&value).map(Value::Quantity),
    }
}

fn boolean(value: &Value<'_>) -> Option<bool> {
    match value {
        Value::Boolean(value) => Some(*value),
        Value::Integer(0) => Some(false),
        Value::Integer(1) => Some(true),
        Value::Decimal(value) if value.is_zero() => Some(false),
        Value::Decimal(value) if *value == Decimal::ONE => Some(true),
        Value::String(text) => match text.to_lowercase().as_str() {
            "true" | "t" | "yes" | "y" | "1" | "1.0" => Some(true),
            "false" | "f" | "no" | "n" | "0" | "0.0" => Some(false),
            _ => None,
        },
        _ => None,
    }
}

/// A decimal without exponent: an optional sign, digits, and digits behind a point.
fn plain_decimal(text: &str) -> Option<Decimal> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if digits(whole) && digits(fraction) { decimal(text) } else { None }
}

fn quantity(value: &Value<'_>) -> Option<Quantity> {
    let one = |value: Decimal| Quantity { value, unit: Unit::Ucum("1".into()) };
    match value {
        Value::Quantity(quantity) => Some(quantity.clone()),
        Value::Integer(value) => Some(one(Decimal::from(*value))),
        Value::Decimal(value) => Some(one(*value)),
        Value::Boolean(value) => Some(one(Decimal::from(u8::from(*value)))),
        Value::String(text) => Quantity::parse(text),
        _ => None,
    }
}
