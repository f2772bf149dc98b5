//! The operators.

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

use super::{Evaluator, Scope, Values};
use crate::compare;
use crate::error::Error;
use crate::quantity::Quantity;
use crate::syntax::{Node, Operator};
use crate::temporal::Temporal;
use crate::value::Value;

/// The unary minus.
pub(super) fn negate<'r>(at: usize, values: Values<'r>) -> Result<Values<'r>, Error> {
    let value = match values.as_slice() {
        [] => return Ok(Vec::new()),
        [value] => value.system(),
        _ => return Err(Error::execution(at, "one item was expected")),
    };
    match value {
        Some(Value::Integer(value)) => Ok(value.checked_neg().map(Value::Integer).into_iter().collect()),
        // A zero has no sign.
        Some(Value::Decimal(value)) => Ok(vec![Value::Decimal(if value.is_zero() { value } else { -value })]),
        Some(Value::Quantity(quantity)) => {
            Ok(vec![Value::Quantity(Quantity { value: -quantity.value, unit: quantity.unit })])
        }
        _ => Err(Error::execution(at, "only a number or quantity has a sign")),
    }
}

fn truth_value<'r>(value: Option<bool>) -> Values<'r> {
    value.map(Value::Boolean).into_iter().collect()
}

impl<'r> Evaluator<'_, 'r> {
    pub(super) fn binary(
        &self,
        at: usize,
        operator: Operator,
        left: Values<'r>,
        right: &Node,
        scope: Scope<'_, 'r>,
    ) -> Result<Values<'r>, Error> {
        use Operator as O;
        if matches!(operator, O::And | O::Or | O::Xor | O::Implies) {
            return self.logic(at, operator, left, right, scope);
        }
        let right = self.node(right, scope)?;
        match operator {
            O::Union => self.union(at, left, right),
            O::Equal => Ok(truth_value(self.equal(at, &left, &right)?)),
            O::NotEqual => Ok(truth_value(self.equal(at, &left, &right)?.map(|equal| !equal))),
            O::Equivalent => Ok(truth_value(Some(self.equivalent(at, &left, &right)?))),
            O::NotEquivalent => Ok(truth_value(Some(!self.equivalent(at, &left, &right)?))),
            O::In => self.membership(at, left, &right),
            O::Contains => self.membership(at, right, &left),
            O::Concatenate => self.concatenate(at, left, right),
            O::Less | O::LessOrEqual | O::Greater | O::GreaterOrEqual => {
                self.order(at, operator, left, right)
            }
            _ => {
                let (Some(left), Some(right)) = (self.single(at, left)?, self.single(at, right)?) else {
                    return Ok(Vec::new());
                };
                self.arithmetic(at, operator, &left, &right)
            }
        }
    }

    /// Three-valued logic; the right side is not evaluated when the left one decides.
    fn logic(
        &self,
        at: usize,
        operator: Operator,
        left: Values<'r>,
        right: &Node,
        scope: Scope<'_, 'r>,
    ) -> Result<Values<'r>, Error> {
        let left = self.truth(at, left)?;
        let decided = match (operator, left) {
            (Operator::And, Some(false)) => Some(false),
            (Operator::Or, Some(true)) | (Operator::Implies, Some(false)) => Some(true),
            _ => None,
        };
        if decided.is_some() {
            return Ok(truth_value(decided));
        }
        let right = self.truth(at, self.node(right, scope)?)?;
        Ok(truth_value(match operator {
            Operator::And => match (left, right) {
                (_, Some(false)) => Some(false),
                (Some(true), right) => right,
                _ => None,
            },
            Operator::Or => match (left, right) {
                (_, Some(true)) => Some(true),
                (Some(false), right) => right,
                _ => None,
            },
            Operator::Xor => left.zip(right).map(|(left, right)| left != right),
            _ => match (left, right) {
                (_, Some(true)) => Some(true),
                (Some(true), right) => right,
                _ => None,
            },
        }))
    }

    pub(super) fn equal(
        &self,
        at: usize,
        left: &[Value<'r>],
        right: &[Value<'r>],
    ) -> Result<Option<bool>, Error> {
        if left.is_empty() || right.is_empty() {
            return Ok(None);
        }
        if left.len() != right.len() {
            return Ok(Some(false));
        }
        let mut known = true;
        for (left, right) in left.iter().zip(right) {
            self.spend(at, 1 + size(left) / 8)?;
            match compare::equal(left, right) {
                Some(true) => {}
                Some(false) => return Ok(Some(false)),
                None => known = false,
            }
        }
        Ok(known.then_some(true))
    }

    fn equivalent(&self, at: usize, left: &[Value<'r>], right: &[Value<'r>]) -> Result<bool, Error> {
        // Lists are compared in any order, at every level: at the worst each part with each.
        let total = |values: &[Value<'r>]| values.iter().map(|value| 1 + size(value)).sum::<usize>();
        self.spend(at, 1 + total(left).saturating_mul(total(right)) / 256)?;
        Ok(compare::matched(left, right, compare::equivalent))
    }

    fn membership(&self, at: usize, item: Values<'r>, values: &[Value<'r>]) -> Result<Values<'r>, Error> {
        let Some(item) = self.single(at, item)? else { return Ok(Vec::new()) };
        for value in values {
            self.spend(at, 1 + size(value) / 8)?;
            if compare::equal(&item, value) == Some(true) {
                return Ok(vec![Value::Boolean(true)]);
            }
        }
        Ok(vec![Value::Boolean(false)])
    }

    fn concatenate(&self, at: usize, left: Values<'r>, right: Values<'r>) -> Result<Values<'r>, Error> {
        let mut out = String::new();
        for side in [left, right] {
            match self.single(at, side)?.map(|value| value.system()) {
                None => {}
                Some(Some(Value::String(text))) => {
                    self.spend_text(at, out.len() + text.len())?;
                    out.push_str(&text);
                }
                Some(_) => return Err(Error::execution(at, "'&' takes strings")),
            }
        }
        Ok(vec![Value::String(out.into())])
    }

    fn order(
        &self,
        at: usize,
        operator: Operator,
        left: Values<'r>,
        right: Values<'r>,
    ) -> Result<Values<'r>, Error> {
        let (Some(left), Some(right)) = (self.single(at, left)?, self.single(at, right)?) else {
            return Ok(Vec::new());
        };
        let order = compare::order(&left, &right).map_err(|()| {
            let (left, right) = (left.type_info().name, right.type_info().name);
            Error::execution(at, format!("{left} and {right} have no order"))
        })?;
        Ok(truth_value(order.map(|order| match operator {
            Operator::Less => order.is_lt(),
            Operator::LessOrEqual => order.is_le(),
            Operator::Greater => order.is_gt(),
            _ => order.is_ge(),
        })))
    }

    fn arithmetic(
        &self,
        at: usize,
        operator: Operator,
        left: &Value<'r>,
        right: &Value<'r>,
    ) -> Result<Values<'r>, Error> {
        let refused = || {
            let (left, right) = (left.type_info().name, right.type_info().name);
            Error::execution(at, format!("the operator does not take {left} and {right}"))
        };
        let (Some(left), Some(right)) = (left.system(), right.system()) else { return Err(refused()) };
        let out = match (&left, &right) {
            (Value::Integer(left), Value::Integer(right)) => integers(operator, *left, *right),
            (Value::String(left), Value::String(right)) if operator == Operator::Add => {
                self.spend_text(at, left.len() + right.len())?;
                Some(Value::String(format!("{left}{right}").into()))
            }
            (Value::Temporal(date), Value::Quantity(amount)) => {
                let sign = match operator {
                    Operator::Add => 1,
                    Operator::Subtract => -1,
                    _ => return Err(refused()),
                };
                shift(at, date, amount, sign)?.map(Value::Temporal)
            }
            (Value::Quantity(_), _) | (_, Value::Quantity(_)) => {
                let as_quantity = |value: &Value<'r>| match value {
                    Value::Quantity(quantity) => Some(quantity.clone()),
                    other => other.number().map(|number| Quantity::new(number, "1")),
                };
                let (left, right) = as_quantity(&left).zip(as_quantity(&right)).ok_or_else(refused)?;
                match operator {
                    Operator::Add => left.add(&right, false),
                    Operator::Subtract => left.add(&right, true),
                    Operator::Multiply => left.multiply(&right, false),
                    Operator::Divide => left.multiply(&right, true),
                    _ => return Err(refused()),
                }
                .map(Value::Quantity)
            }
            _ => {
                let (left, right) = left.number().zip(right.number()).ok_or_else(refused)?;
                decimals(operator, left, right)
            }
        };
        Ok(out.into_iter().collect())
    }
}

/// A rough measure of what comparing an item costs.
fn size(value: &Value<'_>) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Element(element) => element.value.map_or(0, |value| crate::json_patch::weight(value)),
        _ => 1,
    }
}

/// Nothing where the result is out of range or division is by zero.
fn integers<'r>(operator: Operator, left: i64, right: i64) -> Option<Value<'r>> {
    match operator {
        Operator::Add => left.checked_add(right).map(Value::Integer),
        Operator::Subtract => left.checked_sub(right).map(Value::Integer),
        Operator::Multiply => left.checked_mul(right).map(Value::Integer),
        Operator::Div => left.checked_div(right).map(Value::Integer),
        Operator::Mod => left.checked_rem(right).map(Value::Integer),
        _ => decimals(operator, Decimal::from(left), Decimal::from(right)),
    }
}

fn decimals<'r>(operator: Operator, left: Decimal, right: Decimal) -> Option<Value<'r>> {
    match operator {
        Operator::Add => left.checked_add(right).map(Value::Decimal),
        Operator::Subtract => left.checked_sub(right).map(Value::Decimal),
        Operator::Multiply => left.checked_mul(right).map(Value::Decimal),
        Operator::Divide => left.checked_div(right).map(|value| Value::Decimal(value.normalize())),
        Operator::Div => left.checked_div(right)?.trunc().to_i64().map(Value::Integer),
        Operator::Mod => left.checked_rem(right).map(Value::Decimal),
        _ => None,
    }
}

/// A date and a duration; fractions of the amount are dropped.
fn shift(at: usize, date: &Temporal, amount: &Quantity, sign: i64) -> Result<Option<Temporal>, Error> {
    let (amount, unit) = amount
        .duration()
        .ok_or_else(|| Error::execution(at, format!("{amount} is no duration of the calendar")))?;
    Ok(amount.trunc().to_i64().and_then(|amount| date.add(amount.checked_mul(sign)?, unit)))
}
