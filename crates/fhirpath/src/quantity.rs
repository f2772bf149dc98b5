//! Quantities and the part of UCUM that FHIR resources use every day.
//!
//! Two quantities are brought to base units and compared there. A unit that is
//! not in the table (an annotation, an arbitrary unit such as `[iU]`) is a base
//! unit of its own: comparable with itself only.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use rust_decimal::{Decimal, MathematicalOps};

use crate::temporal::CalendarUnit;

/// A number with a unit.
#[derive(Debug, Clone)]
pub struct Quantity {
    /// The number.
    pub value: Decimal,
    /// Its unit.
    pub unit: Unit,
}

/// The unit of a [`Quantity`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unit {
    /// A calendar duration, written as a word: `day`.
    Calendar(CalendarUnit),
    /// A UCUM code.
    Ucum(Arc<str>),
}

/// Calendar words, singular and plural.
const CALENDAR: [(&str, &str, CalendarUnit); 8] = [
    ("year", "years", CalendarUnit::Year),
    ("month", "months", CalendarUnit::Month),
    ("week", "weeks", CalendarUnit::Week),
    ("day", "days", CalendarUnit::Day),
    ("hour", "hours", CalendarUnit::Hour),
    ("minute", "minutes", CalendarUnit::Minute),
    ("second", "seconds", CalendarUnit::Second),
    ("millisecond", "milliseconds", CalendarUnit::Millisecond),
];

pub(crate) fn calendar_word(word: &str) -> Option<CalendarUnit> {
    CALENDAR.iter().find(|(one, many, _)| word == *one || word == *many).map(|(_, _, unit)| *unit)
}

/// UCUM units that are known: code, factor, the units it is a multiple of, and whether it takes a prefix
/// (The Unified Code for Units of Measure, tables 3 to 25). `m`, `s`, `g`, `mol`, `C` and `K` are base units
/// here; `mol` is one of its own so that amounts of substance do not mix with counts.
const ATOMS: &[(&str, &str, &str, bool)] = &[
    ("m", "1", "m", true),
    ("s", "1", "s", true),
    ("g", "1", "g", true),
    ("mol", "1", "mol", true),
    ("C", "1", "C", true),
    ("K", "1", "K", true),
    ("cd", "1", "cd", true),
    ("rad", "1", "rad", true),
    ("%", "0.01", "", false),
    ("[ppth]", "0.001", "", false),
    ("[ppm]", "0.000001", "", false),
    ("[ppb]", "0.000000001", "", false),
    ("[pi]", "3.1415926535897932384626433833", "", false),
    ("min", "60", "s", false),
    ("h", "3600", "s", false),
    ("d", "86400", "s", false),
    ("wk", "604800", "s", false),
    ("mo", "2629800", "s", false),
    ("a", "31557600", "s", false),
    ("Hz", "1", "s-1", true),
    ("L", "0.001", "m3", true),
    ("l", "0.001", "m3", true),
    ("ar", "100", "m2", true),
    ("t", "1000000", "g", true),
    ("N", "1000", "g.m.s-2", true),
    ("Pa", "1000", "g.m-1.s-2", true),
    ("bar", "100000000", "g.m-1.s-2", true),
    ("m[Hg]", "133322000", "g.m-1.s-2", true),
    ("m[H2O]", "9806650", "g.m-1.s-2", true),
    ("J", "1000", "g.m2.s-2", true),
    ("cal", "4184", "g.m2.s-2", true),
    ("[Cal]", "4184000", "g.m2.s-2", false),
    ("W", "1000", "g.m2.s-3", true),
    ("A", "1", "C.s-1", true),
    ("V", "1000", "g.m2.s-2.C-1", true),
    ("eq", "1", "mol", true),
    ("osm", "1", "mol", true),
    ("kat", "1", "mol.s-1", true),
    ("Bq", "1", "s-1", true),
    ("Gy", "1", "m2.s-2", true),
    ("Sv", "1", "m2.s-2", true),
    ("[in_i]", "0.0254", "m", false),
    ("[ft_i]", "0.3048", "m", false),
    ("[yd_i]", "0.9144", "m", false),
    ("[mi_i]", "1609.344", "m", false),
    ("[lb_av]", "453.59237", "g", false),
    ("[oz_av]", "28.349523125", "g", false),
    ("[gr]", "0.06479891", "g", false),
    ("[stone_av]", "6350.29318", "g", false),
    ("bit", "1", "bit", false),
    ("By", "8", "bit", true),
    ("[iU]", "1", "[iU]", true),
    ("U", "1", "U", true),
    ("Cel", "1", "Cel", true),
];

const PREFIXES: [(&str, i32); 20] = [
    ("da", 1),
    ("Y", 24),
    ("Z", 21),
    ("E", 18),
    ("P", 15),
    ("T", 12),
    ("G", 9),
    ("M", 6),
    ("k", 3),
    ("h", 2),
    ("d", -1),
    ("c", -2),
    ("m", -3),
    ("u", -6),
    ("n", -9),
    ("p", -12),
    ("f", -15),
    ("a", -18),
    ("z", -21),
    ("y", -24),
];

/// Most parts of a unit that are read; a longer one is a unit of its own.
const UNIT_PARTS: usize = 16;

/// A unit in base units: `factor / divisor` of the product of `powers`. A fraction, since `1/min` is no
/// decimal number of `1/s`.
#[derive(Debug, Clone, PartialEq)]
struct Canonical {
    factor: Decimal,
    divisor: Decimal,
    /// Base unit and exponent, sorted, without zero exponents.
    powers: Vec<(String, i32)>,
}

impl Canonical {
    fn one() -> Canonical {
        Canonical::number(Decimal::ONE)
    }

    fn number(factor: Decimal) -> Canonical {
        Canonical { factor, divisor: Decimal::ONE, powers: Vec::new() }
    }

    fn base(name: &str) -> Canonical {
        Canonical { powers: vec![(name.to_owned(), 1)], ..Canonical::one() }
    }

    /// This unit times `other` to the power `exponent`; `None` out of range.
    fn times(mut self, other: &Canonical, exponent: i32) -> Option<Canonical> {
        let (factor, divisor) =
            if exponent < 0 { (other.divisor, other.factor) } else { (other.factor, other.divisor) };
        let power = i64::from(exponent.unsigned_abs());
        self.factor = self.factor.checked_mul(factor.checked_powi(power)?)?;
        self.divisor = self.divisor.checked_mul(divisor.checked_powi(power)?)?;
        for (name, power) in &other.powers {
            let power = power.checked_mul(exponent)?;
            match self.powers.iter_mut().find(|(known, _)| known == name) {
                Some((_, known)) => *known = known.checked_add(power)?,
                None => self.powers.push((name.clone(), power)),
            }
        }
        self.powers.retain(|(_, power)| *power != 0);
        self.powers.sort();
        Some(self)
    }

    /// A number of this unit in base units, over the divisor of `other`: what two numbers are compared by.
    fn cross(&self, value: Decimal, other: &Canonical) -> Option<Decimal> {
        value.checked_mul(self.factor)?.checked_mul(other.divisor)
    }

    /// A number of this unit as a number of `other`.
    fn convert(&self, value: Decimal, other: &Canonical) -> Option<Decimal> {
        self.cross(value, other)?.checked_div(other.factor.checked_mul(self.divisor)?)
    }

    /// Whether this unit is at most as large as `other`.
    fn is_finer(&self, other: &Canonical) -> bool {
        match (self.cross(Decimal::ONE, other), other.cross(Decimal::ONE, self)) {
            (Some(own), Some(others)) => own <= others,
            _ => true,
        }
    }

    /// The base units as a UCUM code.
    fn code(&self) -> String {
        if self.powers.is_empty() {
            return "1".to_owned();
        }
        let part = |(name, power): &(String, i32)| {
            if *power == 1 { name.clone() } else { format!("{name}{power}") }
        };
        self.powers.iter().map(part).collect::<Vec<_>>().join(".")
    }
}

/// A UCUM code in base units. What is not understood becomes a base unit by its whole spelling.
fn canonical(code: &str) -> Canonical {
    known(code).unwrap_or_else(|| Canonical::base(code))
}

fn known(code: &str) -> Option<Canonical> {
    let mut out = Canonical::one();
    let mut sign = 1;
    let mut rest = code;
    for _ in 0..UNIT_PARTS {
        if let Some(after) = rest.strip_prefix('/') {
            sign = -1;
            rest = after;
        }
        let end = part_end(rest);
        let (atom, exponent) = component(&rest[..end])?;
        out = out.times(&atom, exponent * sign)?;
        rest = &rest[end..];
        if rest.is_empty() {
            return Some(out);
        }
        if let Some(after) = rest.strip_prefix('.') {
            sign = 1;
            rest = after;
        }
    }
    None
}

/// Where a component ends: at a point or stroke outside of brackets and braces.
fn part_end(text: &str) -> usize {
    let mut inside = 0_i32;
    for (index, byte) in text.bytes().enumerate() {
        match byte {
            b'[' | b'{' => inside += 1,
            b']' | b'}' => inside -= 1,
            b'.' | b'/' if inside <= 0 => return index,
            _ => {}
        }
    }
    text.len()
}

/// A unit with its exponent, without annotation: `m2`, `10*3`, `{score}`.
fn component(text: &str) -> Option<(Canonical, i32)> {
    let text = text.split_once('{').map_or(text, |(before, _)| before);
    if text.is_empty() {
        return Some((Canonical::one(), 1));
    }
    for ten in ["10*", "10^"] {
        if let Some(exponent) = text.strip_prefix(ten) {
            let exponent: i32 = if exponent.is_empty() { 1 } else { exponent.parse().ok()? };
            return Some((Canonical::number(Decimal::TEN), exponent));
        }
    }
    if text.bytes().all(|b| b.is_ascii_digit()) {
        return Some((Canonical::number(text.parse().ok().filter(|n: &Decimal| !n.is_zero())?), 1));
    }
    let name = text.trim_end_matches(|c: char| c.is_ascii_digit());
    let name = if name.len() < text.len() { name.trim_end_matches(['+', '-']) } else { name };
    let exponent = &text[name.len()..];
    let exponent =
        if exponent.is_empty() { 1 } else { exponent.parse().ok().filter(|e: &i32| e.abs() <= 32)? };
    Some((atom(name)?, exponent))
}

fn atom(name: &str) -> Option<Canonical> {
    if let Some(unit) = ATOMS.iter().find(|unit| unit.0 == name) {
        return expanded(unit);
    }
    for (prefix, power) in PREFIXES {
        let Some(rest) = name.strip_prefix(prefix) else { continue };
        if let Some(unit) = ATOMS.iter().find(|unit| unit.0 == rest && unit.3) {
            return expanded(unit)?.times(&Canonical::number(Decimal::TEN), power);
        }
    }
    None
}

fn expanded(&(code, factor, base, _): &(&str, &str, &str, bool)) -> Option<Canonical> {
    let factor: Decimal = factor.parse().ok()?;
    if code == base {
        return Some(Canonical::base(code));
    }
    let mut out = Canonical::number(factor);
    for part in base.split('.').filter(|part| !part.is_empty()) {
        let name = part.trim_end_matches(|c: char| c.is_ascii_digit() || c == '-');
        let exponent = if name.len() == part.len() { 1 } else { part[name.len()..].parse().ok()? };
        out = out.times(&Canonical::base(name), exponent)?;
    }
    Some(out)
}

impl Unit {
    fn canonical(&self) -> Canonical {
        match self {
            // A calendar year is no fixed number of seconds: it is comparable with months only.
            Unit::Calendar(CalendarUnit::Year) => {
                Canonical { factor: Decimal::from(12), ..Canonical::base("month") }
            }
            Unit::Calendar(CalendarUnit::Month) => Canonical::base("month"),
            Unit::Calendar(unit) => canonical(definite(*unit)),
            Unit::Ucum(code) => canonical(code),
        }
    }
}

/// The UCUM code of a calendar unit.
fn definite(unit: CalendarUnit) -> &'static str {
    match unit {
        CalendarUnit::Year => "a",
        CalendarUnit::Month => "mo",
        CalendarUnit::Week => "wk",
        CalendarUnit::Day => "d",
        CalendarUnit::Hour => "h",
        CalendarUnit::Minute => "min",
        CalendarUnit::Second => "s",
        CalendarUnit::Millisecond => "ms",
    }
}

impl Quantity {
    /// A quantity of a UCUM unit; a calendar word in quotes counts as that word.
    pub fn new(value: Decimal, unit: &str) -> Quantity {
        match calendar_word(unit) {
            Some(unit) => Quantity::calendar(value, unit),
            None => Quantity { value, unit: Unit::Ucum(unit.into()) },
        }
    }

    /// A calendar duration.
    pub fn calendar(value: Decimal, unit: CalendarUnit) -> Quantity {
        Quantity { value, unit: Unit::Calendar(unit) }
    }

    /// Reads `1`, `1.5 'mg'` or `4 days`.
    pub(crate) fn parse(text: &str) -> Option<Quantity> {
        let text = text.trim();
        let end = text.find(|c: char| !matches!(c, '0'..='9' | '.' | '+' | '-')).unwrap_or(text.len());
        let digits = &text[..end];
        if digits.ends_with('.') {
            return None;
        }
        let value: Decimal = digits.parse().ok()?;
        let unit = text[end..].trim_start();
        if unit.is_empty() {
            return Some(Quantity::new(value, "1"));
        }
        match unit.strip_prefix('\'') {
            Some(code) => {
                let code = code.strip_suffix('\'').filter(|code| !code.is_empty() && !code.contains('\''))?;
                Some(Quantity::new(value, code))
            }
            None => Some(Quantity::calendar(value, calendar_word(unit)?)),
        }
    }

    /// Whether both can be brought to one unit.
    pub fn comparable(&self, other: &Quantity) -> bool {
        self.unit.canonical().powers == other.unit.canonical().powers
    }

    /// Order; `None` when the units have nothing in common or a value is out of range.
    pub fn compare(&self, other: &Quantity) -> Option<Ordering> {
        if self.unit == other.unit {
            return Some(self.value.cmp(&other.value));
        }
        let (left, right) = (self.unit.canonical(), other.unit.canonical());
        if left.powers != right.powers {
            return None;
        }
        Some(left.cross(self.value, &right)?.cmp(&right.cross(other.value, &left)?))
    }

    /// Equality to the precision of the coarser of the two; calendar years and months count as UCUM's.
    pub fn equivalent(&self, other: &Quantity) -> bool {
        let definite = |unit: &Unit| match unit {
            Unit::Calendar(unit) => canonical(definite(*unit)),
            Unit::Ucum(code) => canonical(code),
        };
        let (left, right) = (definite(&self.unit), definite(&other.unit));
        if left.powers != right.powers {
            return false;
        }
        // In the coarser unit, so that the order of the operands does not matter.
        let scaled = || {
            if right.is_finer(&left) {
                Some((self.value, right.convert(other.value, &left)?))
            } else {
                Some((left.convert(self.value, &right)?, other.value))
            }
        };
        scaled().is_some_and(|(left, right)| equivalent_decimals(left, right))
    }

    /// Sum in the finer of the two units; `subtract` takes the difference.
    pub fn add(&self, other: &Quantity, subtract: bool) -> Option<Quantity> {
        let (left, right) = (self.unit.canonical(), other.unit.canonical());
        if left.powers != right.powers {
            return None;
        }
        let (left, right, unit) = if left.is_finer(&right) {
            (self.value, right.convert(other.value, &left)?, &self.unit)
        } else {
            (left.convert(self.value, &right)?, other.value, &other.unit)
        };
        let value = if subtract { left.checked_sub(right)? } else { left.checked_add(right)? };
        Some(Quantity { value, unit: unit.clone() })
    }

    /// Product; with `divide`, the quotient. The unit is in base units unless one side has none.
    pub fn multiply(&self, other: &Quantity, divide: bool) -> Option<Quantity> {
        if divide && other.value.is_zero() {
            return None;
        }
        let value = if divide {
            self.value.checked_div(other.value)?
        } else {
            self.value.checked_mul(other.value)?
        };
        let (left, right) = (self.unit.canonical(), other.unit.canonical());
        if right == Canonical::one() {
            return Some(Quantity { value, unit: self.unit.clone() });
        }
        if left == Canonical::one() && !divide {
            return Some(Quantity { value, unit: other.unit.clone() });
        }
        let product = left.times(&right, if divide { -1 } else { 1 })?;
        let value = value.checked_mul(product.factor)?.checked_div(product.divisor)?.normalize();
        Some(Quantity { value, unit: Unit::Ucum(product.code().into()) })
    }

    /// Amount and unit of a duration for date arithmetic; UCUM's year and month are no calendar durations.
    pub(crate) fn duration(&self) -> Option<(Decimal, CalendarUnit)> {
        let unit = match &self.unit {
            Unit::Calendar(unit) => *unit,
            Unit::Ucum(code) => match code.as_ref() {
                "wk" => CalendarUnit::Week,
                "d" => CalendarUnit::Day,
                "h" => CalendarUnit::Hour,
                "min" => CalendarUnit::Minute,
                "s" => CalendarUnit::Second,
                "ms" => CalendarUnit::Millisecond,
                _ => return None,
            },
        };
        Some((self.value, unit))
    }

    /// The number in base units, as far as it is in range.
    pub(crate) fn base_value(&self) -> Decimal {
        self.unit.canonical().convert(self.value, &Canonical::one()).unwrap_or(self.value)
    }

    /// Equal quantities have equal keys.
    pub(crate) fn key(&self) -> String {
        let canonical = self.unit.canonical();
        match canonical.convert(self.value, &Canonical::one()) {
            Some(value) => format!("{} {}", value.normalize(), canonical.code()),
            None => format!("{} {self}", self.value.normalize()),
        }
    }
}

/// Equality after rounding to the decimals of the coarser operand; zeros at the end do not count as precision.
pub(crate) fn equivalent_decimals(left: Decimal, right: Decimal) -> bool {
    let (left, right) = (left.normalize(), right.normalize());
    let scale = left.scale().min(right.scale());
    let rounded = |value: Decimal| {
        value.round_dp_with_strategy(scale, rust_decimal::RoundingStrategy::MidpointAwayFromZero)
    };
    rounded(left) == rounded(right)
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Quantity) -> bool {
        self.compare(other) == Some(Ordering::Equal)
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.unit {
            Unit::Calendar(unit) => {
                let words = CALENDAR.iter().find(|(_, _, known)| known == unit);
                let (one, many, _) = words.expect("every unit has its words");
                write!(f, "{} {}", self.value, if self.value == Decimal::ONE { one } else { many })
            }
            Unit::Ucum(code) => write!(f, "{} '{code}'", self.value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compare(left: &str, right: &str) -> Option<Ordering> {
        Quantity::parse(left).expect(left).compare(&Quantity::parse(right).expect(right))
    }

    #[test]
    fn units_are_brought_to_their_base() {
        assert_eq!(compare("1 'g/L'", "1 'mg/mL'"), Some(Ordering::Equal));
        assert_eq!(compare("120 'mm[Hg]'", "15.998640 'kPa'"), Some(Ordering::Equal));
        assert_eq!(compare("5.5 'mmol/L'", "5500 'umol/L'"), Some(Ordering::Equal));
        assert_eq!(compare("1 '10*9/L'", "1000 '10*6/L'"), Some(Ordering::Equal));
        assert_eq!(compare("72 '{beats}/min'", "1.2 'Hz'"), Some(Ordering::Equal));
        assert_eq!(compare("1 'kg/m2'", "1000 'g.m-2'"), Some(Ordering::Equal));
        assert_eq!(compare("1 '[iU]/L'", "2 'm[iU]/mL'"), Some(Ordering::Less));
        assert_eq!(compare("1 'cm'", "1 's'"), None);
        assert_eq!(compare("1 year", "12 months"), Some(Ordering::Equal));
        assert_eq!(compare("1 year", "1 'a'"), None);
    }
}
