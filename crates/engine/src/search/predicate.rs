//! What a search asks of a resource, in terms of index rows.

use tongmai_fhir::definition::ResourceTypeId;
use tongmai_fhir::search::query::Prefix;
use tongmai_fhir::search::{ParameterId, SearchValue, Token, fold};
use tongmai_store::{IndexRows, NumberRow};

use crate::rows::{DATE_LIMIT, LONG_PERIOD};
use crate::slots::ENDS;

/// A row of a given value; `extra` narrows it where one is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Equal {
    pub slot: u16,
    pub value: i64,
    pub extra: Option<i64>,
}

/// Numbers from `low` to `high`, inclusive, of a unit if one is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NumberBetween {
    pub slot: u16,
    pub low: i64,
    pub high: i64,
    pub extra: Option<i64>,
    /// Outside instead of inside.
    pub outside: bool,
}

/// Bounds on a period `[begin, end)`; each is inclusive as named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    pub begin_from: i64,
    pub begin_to: i64,
    pub end_from: i64,
    pub end_to: i64,
    /// The complement instead.
    pub outside: bool,
}

/// How a text is compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TextMatch {
    /// Begins with this folded text.
    Begins(String),
    /// Holds this folded text.
    Contains(String),
}

/// One condition on a resource.
#[derive(Debug, Clone)]
pub enum Predicate {
    /// Its id is one of these.
    Ids(Vec<String>),
    /// It has one of these rows.
    Equal(Vec<Equal>),
    /// It has a number in one of these ranges.
    Numbers(Vec<NumberBetween>),
    /// One of its periods is as one of these says.
    Dates { slot: u16, any: Vec<Period> },
    /// One of its texts matches one of these.
    Texts { slot: u16, any: Vec<TextMatch> },
    /// It was last written within one of these.
    Updated(Vec<Period>),
    /// It refers, through one of these slots, to a resource of a type that fits.
    Chain { slots: Vec<u16>, target: ResourceTypeId, inner: Vec<Predicate> },
    /// A resource of a type that fits refers to it through one of these slots.
    Has { source: ResourceTypeId, slots: Vec<u16>, inner: Vec<Predicate> },
    /// It has a value in one of these slots.
    Present { slots: Vec<u16>, text_slots: Vec<u16> },
    /// One of these holds.
    Any(Vec<Predicate>),
    /// All of these hold.
    All(Vec<Predicate>),
    /// This does not hold.
    Not(Box<Predicate>),
    /// Only its values can tell.
    Values(ParameterId, ValueMatch),
}

/// A condition on the values of a parameter that index rows do not carry.
#[derive(Debug, Clone)]
pub enum ValueMatch {
    /// `:exact`: one of these texts, to the letter.
    ExactText(Vec<String>),
    /// `:contains` and prefixes longer than an index row.
    LongText(Vec<TextMatch>),
    /// `:text`: the display or text of a token begins with one of these.
    TokenText(Vec<String>),
    /// A token of a system that no row has yet: system and code.
    Token(String, String),
    /// `:of-type`: type system, type code, value.
    OfType(Vec<(String, String, String)>),
    /// A quantity's unit with this system.
    UnitSystem(Vec<(String, String)>),
    /// A canonical with this version.
    Version(Vec<(String, String)>),
    /// `:below` and `:above` of a URI.
    UriBelow(Vec<String>),
    /// See [`ValueMatch::UriBelow`].
    UriAbove(Vec<String>),
    /// Each alternative has a condition for each component, on one item.
    Composite(Vec<Vec<ComponentMatch>>),
}

/// A condition on one component of a composite value.
#[derive(Debug, Clone)]
pub enum ComponentMatch {
    Token { system: Option<String>, code: Option<String> },
    Text(String),
    Period(Period),
    Number { low: f64, high: f64, outside: bool, code: Option<String>, system: Option<String> },
    Reference(String),
    Uri(String),
}

impl Period {
    /// Anything at all.
    const ANY: Period = Period {
        begin_from: -DATE_LIMIT,
        begin_to: DATE_LIMIT,
        end_from: -DATE_LIMIT,
        end_to: DATE_LIMIT,
        outside: false,
    };

    /// The periods that a date query asks for; `[low, high)` is what was written, `now` the present.
    pub fn asked(prefix: Prefix, low: i64, high: i64, now: i64) -> Period {
        match prefix {
            Prefix::Equal => Period { begin_from: low, end_to: high, ..Period::ANY },
            Prefix::NotEqual => Period { begin_from: low, end_to: high, outside: true, ..Period::ANY },
            Prefix::Greater => Period { end_from: high + 1, ..Period::ANY },
            Prefix::GreaterOrEqual => Period { end_from: low + 1, ..Period::ANY },
            Prefix::Less => Period { begin_to: low - 1, ..Period::ANY },
            Prefix::LessOrEqual => Period { begin_to: high - 1, ..Period::ANY },
            Prefix::StartsAfter => Period { begin_from: high, ..Period::ANY },
            Prefix::EndsBefore => Period { end_to: low, ..Period::ANY },
            Prefix::Approximate => {
                let slack = (now - low).abs() / 10;
                Period { begin_to: high + slack - 1, end_from: low - slack + 1, ..Period::ANY }
            }
        }
    }

    /// Whether a period fits.
    pub fn fits(&self, begin: i64, end: i64) -> bool {
        let inside = (self.begin_from..=self.begin_to).contains(&begin)
            && (self.end_from..=self.end_to).contains(&end);
        inside != self.outside
    }

    /// Both conditions in one, where that can be said.
    pub fn and(&self, other: &Period) -> Option<Period> {
        if self.outside || other.outside {
            return None;
        }
        Some(Period {
            begin_from: self.begin_from.max(other.begin_from),
            begin_to: self.begin_to.min(other.begin_to),
            end_from: self.end_from.max(other.end_from),
            end_to: self.end_to.min(other.end_to),
            outside: false,
        })
    }

    /// The scans that find every fitting period: range of values, and whether it is of the slot of
    /// ends. A period longer than [`LONG_PERIOD`] counts only in the scan of ends when there is one.
    pub fn scans(&self) -> Vec<(i64, i64, bool)> {
        if self.outside {
            return vec![(-DATE_LIMIT, DATE_LIMIT, false)];
        }
        let begin_from = self.begin_from.max(self.end_from.saturating_sub(LONG_PERIOD)).max(-DATE_LIMIT);
        let begin_to = self.begin_to.min(self.end_to);
        let mut scans = vec![(begin_from, begin_to, false)];
        if self.looks_at_ends() {
            scans.push((self.end_from, self.end_to.min(DATE_LIMIT), true));
        }
        scans
    }

    /// Whether long periods must be found by their ends: a lower bound on the end that the lower
    /// bound on the beginning does not imply.
    pub fn looks_at_ends(&self) -> bool {
        !self.outside && self.end_from > -DATE_LIMIT && self.begin_from < self.end_from
    }

    /// Whether the row of a scan is to be counted: it fits, and no other scan counts it.
    pub fn takes(&self, value: i64, width: i64, of_ends: bool) -> bool {
        let (begin, end) = if of_ends { (value - width, value) } else { (value, value + width) };
        let elsewhere = self.looks_at_ends() && !of_ends && width > LONG_PERIOD;
        !elsewhere && self.fits(begin, end)
    }
}

impl NumberBetween {
    /// Whether a row is one of these.
    pub fn takes(&self, value: i64, extra: i64) -> bool {
        ((self.low..=self.high).contains(&value) != self.outside)
            && self.extra.is_none_or(|wanted| wanted == extra)
    }
}

impl TextMatch {
    /// Whether a folded text matches.
    pub fn fits(&self, text: &str) -> bool {
        match self {
            TextMatch::Begins(wanted) => text.starts_with(wanted.as_str()),
            TextMatch::Contains(wanted) => text.contains(wanted.as_str()),
        }
    }
}

/// Most rows that are watched for one condition.
const WATCHED: usize = 16;

impl Predicate {
    /// Rows of which every match has one, few enough to be watched: a resource that begins to match has got one of them
    /// then. `None` where it cannot be said so.
    pub fn watched(&self) -> Option<Vec<(u16, i64)>> {
        match self {
            Predicate::Equal(any) => {
                let rows: Vec<(u16, i64)> = any.iter().map(|equal| (equal.slot, equal.value)).collect();
                (1..=WATCHED).contains(&rows.len()).then_some(rows)
            }
            Predicate::All(all) => all.iter().filter_map(Predicate::watched).min_by_key(Vec::len),
            Predicate::Any(any) => {
                let each: Option<Vec<_>> = any.iter().map(Predicate::watched).collect();
                let rows = each?.concat();
                (1..=WATCHED).contains(&rows.len()).then_some(rows)
            }
            _ => None,
        }
    }

    /// The one row that every match has, when that is all the predicate says.
    pub fn single_row(&self) -> Option<(u16, i64)> {
        match self {
            Predicate::Equal(rows) => match rows.as_slice() {
                [only] => Some((only.slot, only.value)),
                _ => None,
            },
            _ => None,
        }
    }

    /// Whether the rows of a resource satisfy it; `None` when rows cannot tell.
    pub fn fits_rows(&self, rows: &IndexRows) -> Option<bool> {
        Some(match self {
            Predicate::Equal(any) => any.iter().any(|equal| {
                of_slot(rows, equal.slot)
                    .any(|row| row.value == equal.value && equal.extra.is_none_or(|extra| extra == row.extra))
            }),
            Predicate::Numbers(any) => any
                .iter()
                .any(|between| of_slot(rows, between.slot).any(|row| between.takes(row.value, row.extra))),
            Predicate::Dates { slot, any } => of_slot(rows, *slot)
                .any(|row| any.iter().any(|period| period.fits(row.value, row.value + row.extra))),
            Predicate::Texts { slot, any } => rows
                .texts
                .iter()
                .any(|row| row.slot == *slot && any.iter().any(|wanted| wanted.fits(&row.text))),
            Predicate::Present { slots, text_slots } => {
                rows.numbers.iter().any(|row| slots.contains(&row.slot))
                    || rows.texts.iter().any(|row| text_slots.contains(&row.slot))
            }
            _ => return None,
        })
    }
}

fn of_slot(rows: &IndexRows, slot: u16) -> impl Iterator<Item = &NumberRow> {
    let start = rows.numbers.partition_point(|row| row.slot < slot);
    rows.numbers[start..].iter().take_while(move |row| row.slot == slot)
}

/// The slot that a scan reads.
pub fn scan_slot(slot: u16, of_ends: bool) -> u16 {
    if of_ends { slot | ENDS } else { slot }
}

impl ValueMatch {
    /// Whether a value fits.
    pub fn fits(&self, value: &SearchValue<'_>) -> bool {
        match (self, value) {
            (ValueMatch::ExactText(any), SearchValue::String(text)) => {
                any.iter().any(|wanted| wanted == text)
            }
            (ValueMatch::LongText(any), SearchValue::String(text)) => {
                let folded = fold(text);
                any.iter().any(|wanted| wanted.fits(&folded))
            }
            (ValueMatch::TokenText(any), SearchValue::Token(token)) => {
                let folded = token.text.map(fold).unwrap_or_default();
                any.iter().any(|wanted| folded.starts_with(wanted.as_str()))
            }
            (ValueMatch::Token(system, code), SearchValue::Token(token)) => {
                token_fits(token, Some(system), Some(code))
            }
            (ValueMatch::OfType(any), SearchValue::Token(token)) => {
                any.iter().any(|(system, code, value)| {
                    token.code == Some(value)
                        && token
                            .types
                            .iter()
                            .any(|t| t.code == code && (system.is_empty() || t.system == Some(system)))
                })
            }
            (ValueMatch::UnitSystem(any), SearchValue::Quantity { system, code, .. }) => {
                any.iter().any(|(s, c)| *system == Some(s) && *code == Some(c))
            }
            (ValueMatch::Version(any), SearchValue::Reference(reference)) => any
                .iter()
                .any(|(url, version)| reference.url == Some(url) && reference.version == Some(version)),
            (ValueMatch::UriBelow(any), value) => address(value).is_some_and(|uri| {
                any.iter().any(|prefix| {
                    uri.strip_prefix(prefix.as_str())
                        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || prefix.ends_with('/'))
                })
            }),
            (ValueMatch::UriAbove(any), value) => address(value).is_some_and(|uri| {
                any.iter().any(|longer| {
                    longer.strip_prefix(uri).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
                })
            }),
            (ValueMatch::Composite(any), SearchValue::Composite(parts)) => any.iter().any(|wanted| {
                wanted.len() == parts.len()
                    && wanted.iter().zip(parts).all(|(wanted, part)| wanted.fits(part))
            }),
            _ => false,
        }
    }
}

fn address<'v>(value: &SearchValue<'v>) -> Option<&'v str> {
    match value {
        SearchValue::Uri(uri) => Some(uri),
        SearchValue::Reference(reference) => reference.url,
        _ => None,
    }
}

impl ComponentMatch {
    fn fits(&self, value: &SearchValue<'_>) -> bool {
        match (self, value) {
            (ComponentMatch::Token { system, code }, SearchValue::Token(token)) => {
                token_fits(token, system.as_deref(), code.as_deref())
            }
            (ComponentMatch::Text(prefix), SearchValue::String(text)) => {
                fold(text).starts_with(prefix.as_str())
            }
            (ComponentMatch::Period(period), SearchValue::Date { low, high }) => {
                period.fits(crate::rows::clamp_date(*low), crate::rows::clamp_date(*high))
            }
            (
                ComponentMatch::Number { low, high, outside, code, system },
                SearchValue::Quantity { low: from, high: to, system: s, code: c, unit },
            ) => {
                ((from >= low && to <= high) != *outside)
                    && code.as_deref().is_none_or(|code| *c == Some(code) || *unit == Some(code))
                    && system.as_deref().is_none_or(|system| system.is_empty() || *s == Some(system))
            }
            (
                ComponentMatch::Number { low, high, outside, .. },
                SearchValue::Number { low: from, high: to },
            ) => (from >= low && to <= high) != *outside,
            (ComponentMatch::Reference(wanted), SearchValue::Reference(reference)) => {
                reference.raw == wanted || reference.url == Some(wanted)
            }
            (ComponentMatch::Uri(wanted), SearchValue::Uri(uri)) => wanted == uri,
            _ => false,
        }
    }
}

/// Whether a token is `system|code`: no system asked for fits any, an empty one fits none given.
fn token_fits(token: &Token<'_>, system: Option<&str>, code: Option<&str>) -> bool {
    let system_fits = match system {
        None => true,
        Some("") => token.system.is_none_or(str::is_empty),
        Some(system) => token.system == Some(system),
    };
    system_fits && code.is_none_or(|code| token.code == Some(code))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400_000;

    /// Every period is found by the scans exactly once if it fits, and never if it does not.
    #[test]
    fn scans_find_each_fitting_period_once() {
        let lengths = [1, DAY / 2, DAY, DAY + 1, 5 * DAY, 2 * DATE_LIMIT];
        let prefixes = [
            Prefix::Equal,
            Prefix::NotEqual,
            Prefix::Greater,
            Prefix::GreaterOrEqual,
            Prefix::Less,
            Prefix::LessOrEqual,
            Prefix::StartsAfter,
            Prefix::EndsBefore,
            Prefix::Approximate,
        ];
        for prefix in prefixes {
            for (low, high) in [(10 * DAY, 11 * DAY), (10 * DAY, 10 * DAY + 1), (9 * DAY, 40 * DAY)] {
                let asked = Period::asked(prefix, low, high, 20 * DAY);
                let narrowed = asked.and(&Period::asked(Prefix::LessOrEqual, 12 * DAY, 13 * DAY, 0));
                for period in std::iter::once(asked).chain(narrowed) {
                    for begin in (0..50 * DAY).step_by(DAY as usize / 3).chain([-DATE_LIMIT]) {
                        for length in lengths {
                            let end = (begin + length).min(DATE_LIMIT);
                            let width = end - begin;
                            let mut found = 0;
                            for (from, to, of_ends) in period.scans() {
                                let value = if of_ends { end } else { begin };
                                let filed = !of_ends || width > LONG_PERIOD;
                                if filed
                                    && (from..=to).contains(&value)
                                    && period.takes(value, width, of_ends)
                                {
                                    found += 1;
                                }
                            }
                            let expected = usize::from(period.fits(begin, end));
                            assert_eq!(found, expected, "{prefix:?} {period:?} [{begin}, {end})");
                        }
                    }
                }
            }
        }
    }
}
