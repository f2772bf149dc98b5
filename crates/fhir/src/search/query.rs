//! Reads the values of a search request.
//!
//! An error is text for the one who asked: what was read, which rule it breaks,
//! how to write it.

use super::date;

/// How a value of the index is compared with the value asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Prefix {
    /// The value lies within what was asked for.
    #[default]
    Equal,
    /// It does not.
    NotEqual,
    /// It reaches above what was asked for.
    Greater,
    /// It reaches below.
    Less,
    /// Greater, or equal.
    GreaterOrEqual,
    /// Less, or equal.
    LessOrEqual,
    /// It begins after what was asked for.
    StartsAfter,
    /// It ends before.
    EndsBefore,
    /// It overlaps what was asked for, give or take a tenth.
    Approximate,
}

impl Prefix {
    /// Takes a prefix off a value; [`Prefix::Equal`] when there is none.
    pub fn split(text: &str) -> (Prefix, &str) {
        let prefix = match text.as_bytes() {
            [b'e', b'q', ..] => Prefix::Equal,
            [b'n', b'e', ..] => Prefix::NotEqual,
            [b'g', b't', ..] => Prefix::Greater,
            [b'l', b't', ..] => Prefix::Less,
            [b'g', b'e', ..] => Prefix::GreaterOrEqual,
            [b'l', b'e', ..] => Prefix::LessOrEqual,
            [b's', b'a', ..] => Prefix::StartsAfter,
            [b'e', b'b', ..] => Prefix::EndsBefore,
            [b'a', b'p', ..] => Prefix::Approximate,
            _ => return (Prefix::Equal, text),
        };
        (prefix, &text[2..])
    }
}

/// A date asked for: from `low` until before `high`, in milliseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DateQuery {
    /// How to compare.
    pub prefix: Prefix,
    /// First millisecond.
    pub low: i64,
    /// The millisecond after the last.
    pub high: i64,
}

/// Reads `ge2020-01`. A `+` of the zone that became a space on the way is understood.
pub fn parse_date_query(text: &str) -> Result<DateQuery, String> {
    let (prefix, value) = Prefix::split(text);
    let read = date::parse(value).or_else(|| date::parse(&value.replace(' ', "+")));
    match read {
        Some(read) => Ok(DateQuery { prefix, low: read.low, high: read.high }),
        None => Err(format!(
            "'{value}' is not a date: write yyyy, yyyy-mm, yyyy-mm-dd or yyyy-mm-ddThh:mm[:ss[.fff]][Z|+hh:mm], \
             after eq, ne, gt, lt, ge, le, sa, eb, ap or nothing"
        )),
    }
}

/// A number asked for. What is not written exactly stands for a range: `100` is
/// from 99.5 until before 100.5, `1e2` from 50 until before 150.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NumberQuery {
    /// How to compare.
    pub prefix: Prefix,
    /// The number as written.
    pub value: f64,
    /// Least value that rounds to it.
    pub low: f64,
    /// The value above the greatest that rounds to it.
    pub high: f64,
}

/// Reads `ge5.40`.
pub fn parse_number_query(text: &str) -> Result<NumberQuery, String> {
    let (prefix, digits) = Prefix::split(text);
    let refused = || format!("'{digits}' is not a number: write digits such as 100, -5.40 or 1.5e3");
    if !crate::format::is_decimal(digits) {
        return Err(refused());
    }
    let value: f64 = digits.parse().map_err(|_| refused())?;
    // Half a unit of the last digit that is written.
    let (mantissa, exponent) = digits.split_once(['e', 'E']).unwrap_or((digits, "0"));
    let decimals = mantissa.split_once('.').map_or(0, |(_, decimals)| decimals.len() as i32);
    let exponent: i32 = exponent.parse().map_err(|_| refused())?;
    let half = 0.5 * 10f64.powi(exponent.saturating_sub(decimals));
    if !value.is_finite() || !half.is_finite() {
        return Err(refused());
    }
    Ok(NumberQuery { prefix, value, low: value - half, high: value + half })
}

/// A quantity asked for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct QuantityQuery<'q> {
    /// The number.
    pub number: NumberQuery,
    /// The unit's system; `Some("")` asks for a unit without a system (`5||mg`).
    pub system: Option<&'q str>,
    /// The coded unit, or without a system the unit that people read.
    pub code: Option<&'q str>,
}

/// Reads `gt5.4|http://unitsofmeasure.org|mg`, `5.4||mg`, `5.4`.
pub fn parse_quantity_query(text: &str) -> Result<QuantityQuery<'_>, String> {
    let mut parts = text.split('|');
    let number = parse_number_query(parts.next().unwrap_or(""))?;
    let (system, code) = (parts.next(), parts.next());
    if parts.next().is_some() || (system.is_some() && code.is_none()) {
        return Err(format!("'{text}' is not a quantity: write number, number|system|code or number||code"));
    }
    Ok(QuantityQuery { number, system, code: code.filter(|code| !code.is_empty()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_with_their_prefix() {
        let day = |text| date::parse(text).map(|d| (d.low, d.high));
        let read = |text| parse_date_query(text).map(|q| (q.prefix, Some((q.low, q.high))));
        assert_eq!(read("ge2020-01"), Ok((Prefix::GreaterOrEqual, day("2020-01"))));
        assert_eq!(read("2020"), Ok((Prefix::Equal, day("2020"))));
        assert_eq!(
            read("eb2020-01-01T00:00:00 08:00"),
            Ok((Prefix::EndsBefore, day("2020-01-01")))
                .map(|(p, d)| { (p, d.map(|(low, _)| (low, low + 1000))) })
        );
        for text in ["", "ge", "2020-13", "xx2020", "geé"] {
            assert!(parse_date_query(text).is_err_and(|why| why.contains("not a date")), "{text}");
        }
    }

    #[test]
    fn numbers_stand_for_what_rounds_to_them() {
        let read = |text: &str| parse_number_query(text).map(|q| (q.prefix, q.low, q.high));
        assert_eq!(read("100"), Ok((Prefix::Equal, 99.5, 100.5)));
        assert_eq!(read("le1e2"), Ok((Prefix::LessOrEqual, 50.0, 150.0)));
        assert_eq!(read("100.00"), Ok((Prefix::Equal, 99.995, 100.005)));
        assert_eq!(read("-5.5"), Ok((Prefix::Equal, -5.55, -5.45)));
        for text in ["", "ge", "1.", "NaN", "inf", "1e999", "1e99999999999", "0x1", "5 "] {
            assert!(parse_number_query(text).is_err_and(|why| why.contains("not a number")), "{text}");
        }
    }

    #[test]
    fn quantities_have_number_system_and_code() {
        let read = |text| parse_quantity_query(text).map(|q| (q.number.value, q.system, q.code));
        assert_eq!(
            read("5.4|http://unitsofmeasure.org|mg"),
            Ok((5.4, Some("http://unitsofmeasure.org"), Some("mg")))
        );
        assert_eq!(read("5.4||mg"), Ok((5.4, Some(""), Some("mg"))));
        assert_eq!(read("5.4"), Ok((5.4, None, None)));
        assert!(read("5.4|mg").is_err());
        assert!(read("5.4|a|b|c").is_err());
        assert!(read("|a|b").is_err());
    }
}
