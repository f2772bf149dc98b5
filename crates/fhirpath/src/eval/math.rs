//! Numbers and their boundaries.

use rust_decimal::prelude::ToPrimitive;
use rust_decimal::{Decimal, MathematicalOps, RoundingStrategy};

use super::{Evaluator, Values};
use crate::error::Error;
use crate::function::Math;
use crate::quantity::Quantity;
use crate::value::Value;

/// Most digits behind the point that a decimal may have here.
const DIGITS: i64 = 28;
/// Digits behind the point to which irrational results are rounded, so that `16.log(2)` is 4.
const IRRATIONAL_DIGITS: u32 = 16;

impl<'r> Evaluator<'_, 'r> {
    /// `argument` is `None` when the function was called without one, `Some(None)` when it is empty.
    pub(super) fn math(
        &self,
        at: usize,
        function: Math,
        value: Option<Value<'r>>,
        argument: Option<Option<Value<'r>>>,
    ) -> Result<Values<'r>, Error> {
        let Some(value) = value else { return Ok(Vec::new()) };
        let argument = match argument {
            Some(None) => return Ok(Vec::new()),
            Some(Some(argument)) => argument.system(),
            None => None,
        };
        // Powers and logarithms cost more than a look-up.
        self.spend(at, 64)?;
        let refused =
            || Error::execution(at, format!("the function does not take {}", value.type_info().name));
        let value = value.system().ok_or_else(refused)?;
        let out = match function {
            Math::LowBoundary | Math::HighBoundary => {
                let high = function == Math::HighBoundary;
                let digits = match argument {
                    None => None,
                    Some(Value::Integer(digits)) => Some(digits),
                    Some(_) => return Err(Error::execution(at, "a precision is an integer")),
                };
                boundary(&value, high, digits).ok_or_else(refused)?
            }
            Math::Precision => match &value {
                Value::Integer(_) => Some(Value::Integer(0)),
                Value::Decimal(value) => Some(Value::Integer(i64::from(value.scale()))),
                Value::Temporal(value) => Some(Value::Integer(i64::from(value.digits()))),
                _ => return Err(refused()),
            },
            Math::Comparable => match (&value, &argument) {
                (Value::Quantity(left), Some(Value::Quantity(right))) => {
                    Some(Value::Boolean(left.comparable(right)))
                }
                _ => return Err(Error::execution(at, "comparable() takes quantities")),
            },
            _ => self.number_function(function, &value, argument).ok_or_else(refused)?,
        };
        Ok(out.into_iter().collect())
    }

    /// The outer `None` means that the function does not take the value, the inner one that it has no result.
    fn number_function(
        &self,
        function: Math,
        value: &Value<'r>,
        argument: Option<Value<'r>>,
    ) -> Option<Option<Value<'r>>> {
        match (function, value) {
            (Math::Abs, Value::Integer(value)) => return Some(value.checked_abs().map(Value::Integer)),
            (Math::Abs, Value::Quantity(quantity)) => {
                let (value, unit) = (quantity.value.abs(), quantity.unit.clone());
                return Some(Some(Value::Quantity(Quantity { value, unit })));
            }
            (Math::Power, Value::Integer(base)) => {
                if let Some(Value::Integer(exponent)) = argument
                    && let Ok(exponent) = u32::try_from(exponent)
                {
                    return Some(base.checked_pow(exponent).map(Value::Integer));
                }
            }
            _ => {}
        }
        let number = value.number()?;
        let integer = |value: Decimal| value.to_i64().map(Value::Integer);
        let rounded = |value: Option<Decimal>| {
            value.map(|value| Value::Decimal(value.round_dp(IRRATIONAL_DIGITS).normalize()))
        };
        Some(match function {
            Math::Abs => Some(Value::Decimal(number.abs())),
            Math::Ceiling => integer(number.ceil()),
            Math::Floor => integer(number.floor()),
            Math::Truncate => integer(number.trunc()),
            Math::Exp => rounded(number.checked_exp()),
            Math::Ln => rounded(number.checked_ln()),
            Math::Log => {
                let base = argument?.number()?;
                let quotient = || number.checked_ln()?.checked_div(base.checked_ln()?);
                rounded(quotient())
            }
            Math::Power => {
                let exponent = argument?.number()?;
                // A negative base has only whole powers.
                if number.is_sign_negative() && !number.is_zero() && !exponent.fract().is_zero() {
                    None
                } else if exponent.fract().is_zero() {
                    exponent.to_i64().and_then(|e| number.checked_powi(e)).map(Value::Decimal)
                } else {
                    rounded(number.checked_powd(exponent))
                }
            }
            Math::Round => {
                let digits = match argument {
                    None => 0,
                    Some(Value::Integer(digits)) => u32::try_from(digits).ok()?,
                    Some(_) => return None,
                };
                let strategy = RoundingStrategy::MidpointAwayFromZero;
                Some(Value::Decimal(number.round_dp_with_strategy(digits, strategy)))
            }
            Math::Sqrt => rounded(number.sqrt()),
            _ => return None,
        })
    }
}

/// The outer `None` means that the value has no boundary, the inner one that it has none of that precision.
fn boundary<'r>(value: &Value<'r>, high: bool, digits: Option<i64>) -> Option<Option<Value<'r>>> {
    if let Value::Temporal(value) = value {
        let digits = match digits.map(u32::try_from) {
            Some(Err(_)) => return Some(None),
            Some(Ok(digits)) => Some(digits),
            None => None,
        };
        return Some(value.boundary(high, digits).map(Value::Temporal));
    }
    let digits = digits.unwrap_or(8);
    if let Value::Quantity(quantity) = value {
        let value = decimal_boundary(quantity.value, high, digits);
        return Some(value.map(|value| Value::Quantity(Quantity { value, unit: quantity.unit.clone() })));
    }
    Some(decimal_boundary(value.number()?, high, digits).map(Value::Decimal))
}

/// The least or greatest number that, rounded to the digits of `value`, gives `value`, written with `digits`
/// digits and rounded outwards. A value of which nothing is left at that many digits is 0 there.
fn decimal_boundary(value: Decimal, high: bool, digits: i64) -> Option<Decimal> {
    if !(0..=DIGITS).contains(&digits) {
        return None;
    }
    let digits = digits as u32;
    if value.trunc_with_scale(digits).is_zero() && !value.is_zero() {
        return Decimal::try_new(0, digits).ok();
    }
    let half = Decimal::try_new(5, value.scale() + 1).ok()?;
    let edge = if high { value.checked_add(half)? } else { value.checked_sub(half)? };
    let strategy =
        if high { RoundingStrategy::ToPositiveInfinity } else { RoundingStrategy::ToNegativeInfinity };
    let mut rounded = edge.round_dp_with_strategy(digits, strategy);
    rounded.rescale(digits);
    Some(rounded)
}
