//! What has an order: dates, numbers and quantities, each with a prefix.

use tongmai_fhir::search::Kind;
use tongmai_fhir::search::query::{Prefix, parse_date_query, parse_number_query, parse_quantity_query};

use super::{Condition, invalid, unescape};
use crate::Engine;
use crate::failure::Outcome;
use crate::rows::{clamp_date, ordered};
use crate::search::predicate::{NumberBetween, Period, Predicate, ValueMatch};

impl Engine {
    /// The period that a date with a prefix asks for.
    pub(super) fn period(&self, name: &str, text: &str) -> Outcome<Period> {
        let asked = parse_date_query(&unescape(text)).map_err(|why| invalid(name, why))?;
        Ok(Period::asked(asked.prefix, clamp_date(asked.low), clamp_date(asked.high), self.now()))
    }
}

impl Condition<'_> {
    pub(super) fn date(&self, alternatives: &[&str]) -> Outcome<Predicate> {
        if self.modifier.is_some() {
            return Err(self.wrong_modifier());
        }
        let any =
            alternatives.iter().map(|text| self.engine.period(self.name, text)).collect::<Outcome<_>>()?;
        Ok(Predicate::Dates { slot: self.slot()?, any })
    }

    pub(super) fn number(&self, alternatives: &[&str]) -> Outcome<Predicate> {
        if self.modifier.is_some() {
            return Err(self.wrong_modifier());
        }
        let mut any = Vec::new();
        let mut systems = Vec::new();
        for text in alternatives {
            let text = unescape(text);
            let (number, system, code) = if self.parameter.kind == Kind::Number {
                (parse_number_query(&text).map_err(|why| invalid(self.name, why))?, None, None)
            } else {
                let asked = parse_quantity_query(&text).map_err(|why| invalid(self.name, why))?;
                (
                    asked.number,
                    asked.system.filter(|s| !s.is_empty()).map(str::to_owned),
                    asked.code.map(str::to_owned),
                )
            };
            let extra = match &code {
                Some(code) => match self.engine.store.find_symbol(code)? {
                    Some(symbol) => Some(i64::from(symbol)),
                    None => continue,
                },
                None => None,
            };
            let (low, high, outside) = number_range(number.prefix, number.value, number.low, number.high);
            let (low, high) = (ordered(low), ordered(high));
            any.extend(self.slots().iter().map(|&slot| NumberBetween { slot, low, high, extra, outside }));
            if let (Some(system), Some(code)) = (system, code) {
                systems.push((system, code));
            }
        }
        let found = Predicate::Numbers(any);
        Ok(if systems.is_empty() || self.slots().len() > 1 {
            found
        } else {
            Predicate::All(vec![found, Predicate::Values(self.parameter.id, ValueMatch::UnitSystem(systems))])
        })
    }
}

/// The inclusive range that a number with a prefix asks for, and whether it is the outside.
pub(super) fn number_range(prefix: Prefix, value: f64, low: f64, high: f64) -> (f64, f64, bool) {
    let below = |x: f64| x.next_down();
    match prefix {
        Prefix::Equal => (low, below(high), false),
        Prefix::NotEqual => (low, below(high), true),
        Prefix::Greater | Prefix::StartsAfter => (value.next_up(), f64::INFINITY, false),
        Prefix::GreaterOrEqual => (value, f64::INFINITY, false),
        Prefix::Less | Prefix::EndsBefore => (f64::NEG_INFINITY, below(value), false),
        Prefix::LessOrEqual => (f64::NEG_INFINITY, value, false),
        Prefix::Approximate => {
            let slack = value.abs() / 10.0;
            (value - slack, value + slack, false)
        }
    }
}

/// `date=ge…&date=lt…` is one range to scan.
pub(super) fn join_dates(predicates: &mut Vec<Predicate>) {
    let mut joined: Vec<Predicate> = Vec::with_capacity(predicates.len());
    for predicate in predicates.drain(..) {
        if let Predicate::Dates { slot, any } = &predicate
            && let [period] = any.as_slice()
        {
            let earlier = joined.iter_mut().find_map(|known| match known {
                Predicate::Dates { slot: s, any } if s == slot && any.len() == 1 => Some(&mut any[0]),
                _ => None,
            });
            if let Some(earlier) = earlier
                && let Some(both) = earlier.and(period)
            {
                *earlier = both;
                continue;
            }
        }
        joined.push(predicate);
    }
    *predicates = joined;
}
