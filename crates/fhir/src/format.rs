//! The formats of FHIR's primitive types.
//!
//! Written by hand after the expressions in R4's data type definitions
//! (clause 2.24.0.1): a resource passes them hundreds of times.

use crate::definition::Primitive;
use crate::json::Json;
use crate::search::date::{self, Precision};

/// What a primitive value should have been; the text completes "should be …".
pub(crate) type Rule = &'static str;

/// Checks the JSON form and the format of a primitive value.
pub(crate) fn check(primitive: Primitive, value: &Json<'_>) -> Result<(), Rule> {
    let (ok, rule) = match (primitive, value) {
        (Primitive::Boolean, value) => (matches!(value, Json::Bool(_)), "true or false, without quotes"),
        (Primitive::Decimal, value) => (matches!(value, Json::Number(_)), "a number, without quotes"),
        (Primitive::Integer, Json::Number(n)) => (is_integer(n, i64::from(i32::MIN)), INTEGER),
        (Primitive::Integer, _) => (false, INTEGER),
        (Primitive::UnsignedInt, Json::Number(n)) => (is_integer(n, 0), UNSIGNED),
        (Primitive::UnsignedInt, _) => (false, UNSIGNED),
        (Primitive::PositiveInt, Json::Number(n)) => (is_integer(n, 1), POSITIVE),
        (Primitive::PositiveInt, _) => (false, POSITIVE),
        (primitive, Json::String(text)) => return check_text(primitive, text),
        _ => (false, "a string, in quotes"),
    };
    if ok { Ok(()) } else { Err(rule) }
}

const INTEGER: Rule = "a whole number from -2147483648 to 2147483647, without quotes";
const UNSIGNED: Rule = "a whole number from 0 to 2147483647, without quotes";
const POSITIVE: Rule = "a whole number from 1 to 2147483647, without quotes";

fn check_text(primitive: Primitive, text: &str) -> Result<(), Rule> {
    if text.is_empty() {
        return Err("left out when there is no value: a string is never empty");
    }
    let (ok, rule) = match primitive {
        Primitive::Base64Binary => (is_base64(text), "base64: groups of four of A-Z a-z 0-9 + / ="),
        Primitive::Canonical | Primitive::Uri | Primitive::Url => (is_uri(text), "an address without spaces"),
        Primitive::Code => (is_code(text), "a code: no space at its ends, only single ones within"),
        Primitive::Date => (is_date(text), "a date that exists: yyyy, yyyy-mm or yyyy-mm-dd"),
        Primitive::DateTime => (
            is_date_time(text),
            "yyyy, yyyy-mm, yyyy-mm-dd or yyyy-mm-ddThh:mm:ss with a zone such as +08:00",
        ),
        Primitive::Id => (is_id(text), "1 to 64 letters, digits, '-' and '.'"),
        Primitive::Instant => (is_instant(text), "yyyy-mm-ddThh:mm:ss with a zone such as +08:00"),
        Primitive::Markdown | Primitive::String => {
            (is_text(text), "at most 1 MB of text without control characters")
        }
        Primitive::Oid => (is_oid(text), "urn:oid: followed by numbers parted by points"),
        Primitive::Time => (is_time(text), "hh:mm:ss without a zone"),
        Primitive::Uuid => {
            (is_uuid(text), "urn:uuid: followed by 8-4-4-4-12 hexadecimal digits in lower case")
        }
        // Numbers and booleans have no text; a narrative has rules of its own.
        _ => (true, ""),
    };
    if ok { Ok(()) } else { Err(rule) }
}

/// `id`: 1 to 64 letters, digits, `-` and `.`.
pub fn is_id(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.')
}

/// `code`: no white space at its ends, and only single spaces within.
pub fn is_code(text: &str) -> bool {
    if text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return !text.is_empty();
    }
    let mut space = true;
    for c in text.chars() {
        let white = c.is_whitespace();
        if white && space {
            return false;
        }
        space = white;
    }
    !space
}

/// `decimal`: as JSON writes a number.
pub fn is_decimal(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (mantissa, exponent) = match digits.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (digits, None),
    };
    let (whole, part) = match mantissa.split_once('.') {
        Some((whole, part)) => (whole, Some(part)),
        None => (mantissa, None),
    };
    let all_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let exponent = exponent.map(|text| text.strip_prefix(['-', '+']).unwrap_or(text));
    all_digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && part.is_none_or(all_digits)
        && exponent.is_none_or(all_digits)
}

/// A JSON number without fraction or exponent, from `least` to 2³¹ − 1.
fn is_integer(digits: &str, least: i64) -> bool {
    digits.parse().is_ok_and(|number: i64| (least..=i64::from(i32::MAX)).contains(&number))
}

/// `uri`, `url` and `canonical`: no white space; `urn:uuid:` and `urn:oid:` are held to their form.
pub fn is_uri(text: &str) -> bool {
    if let Some(hex) = text.strip_prefix("urn:uuid:") {
        return is_hex_uuid(hex, true);
    }
    if text.starts_with("urn:oid:") {
        return is_oid(text);
    }
    text.bytes().all(|byte| byte.is_ascii_graphic()) || !text.chars().any(char::is_whitespace)
}

/// `oid`: `urn:oid:` and numbers parted by points.
pub fn is_oid(text: &str) -> bool {
    let Some(numbers) = text.strip_prefix("urn:oid:") else { return false };
    let mut numbers = numbers.split('.');
    matches!(numbers.next(), Some("0" | "1" | "2"))
        && numbers.clone().next().is_some()
        && numbers.all(|n| {
            !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()) && (n == "0" || !n.starts_with('0'))
        })
}

/// `uuid`: `urn:uuid:` and hexadecimal digits in lower case.
pub fn is_uuid(text: &str) -> bool {
    text.strip_prefix("urn:uuid:").is_some_and(|hex| is_hex_uuid(hex, false))
}

fn is_hex_uuid(hex: &str, capitals: bool) -> bool {
    hex.len() == 36
        && hex.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f') || (capitals && byte.is_ascii_hexdigit()),
        })
}

/// `string` and `markdown`: at most 1 MB, no control characters but tab and line ends.
fn is_text(text: &str) -> bool {
    text.len() <= 1024 * 1024
        && text.bytes().all(|byte| byte >= 0x20 || matches!(byte, b'\t' | b'\n' | b'\r'))
}

/// `base64Binary`: groups of four characters, white space between them, padding at the end.
pub fn is_base64(text: &str) -> bool {
    let (mut count, mut padding) = (0usize, 0usize);
    for byte in text.bytes() {
        match byte {
            b' ' | b'\t' | b'\n' | b'\r' => continue,
            b'=' => padding += 1,
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'+' | b'/' if padding == 0 => {}
            _ => return false,
        }
        count += 1;
    }
    count > 0 && count.is_multiple_of(4) && padding <= 2
}

/// `date`: a year, month or day that exists.
pub fn is_date(text: &str) -> bool {
    text.len() <= 10 && date::parse(text).is_some()
}

/// `dateTime`: a date, or a time with seconds and a zone.
pub fn is_date_time(text: &str) -> bool {
    date::parse(text).is_some_and(|read| read.precision <= Precision::Day || is_full(read))
}

/// `instant`: a time with seconds and a zone.
pub fn is_instant(text: &str) -> bool {
    date::parse(text).is_some_and(is_full)
}

fn is_full(read: date::DateTime) -> bool {
    read.precision >= Precision::Second && read.has_zone
}

/// `time`: hours, minutes and seconds without a zone.
pub fn is_time(text: &str) -> bool {
    // The same rules as behind a date, so that one reader does.
    text.is_ascii()
        && text.len() >= 8
        && date::parse(&format!("2000-01-01T{text}"))
            .is_some_and(|read| !read.has_zone && read.precision >= Precision::Second)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// For each type: texts that fit, then texts that do not.
    fn check(primitive: Primitive, good: &[&str], bad: &[&str]) {
        for text in good {
            assert!(check_text(primitive, text).is_ok(), "{primitive:?} {text}");
        }
        for text in bad {
            assert!(check_text(primitive, text).is_err(), "{primitive:?} {text}");
        }
    }

    #[test]
    fn texts_are_held_to_their_format() {
        let long = "a".repeat(65);
        check(Primitive::Id, &["a", "A-1.b", &long[..64]], &["", &long, "a_b", "a b", "é"]);
        check(Primitive::Code, &["a", "a b", "<=", "男"], &[" a", "a ", "a  b", "a\n", ""]);
        check(
            Primitive::Date,
            &["2024", "2024-02-29"],
            &["2023-02-29", "24", "2024-01-01T00:00:00Z", "01.01.2024"],
        );
        check(
            Primitive::DateTime,
            &["2024", "2024-02", "2024-02-29", "2024-02-29T00:00:00Z", "2024-02-29T00:00:00.1+08:00"],
            &["2024-02-29T00:00:00", "2024-02-29T00:00Z", "2024-02-29T24:00:00Z", "2024-02-29 00:00:00Z"],
        );
        check(Primitive::Instant, &["2024-02-29T00:00:00Z"], &["2024-02-29", "2024-02-29T00:00:00"]);
        check(
            Primitive::Time,
            &["00:00:00", "23:59:60", "12:30:00.123"],
            &["24:00:00", "12:30", "12:30:00Z", "12:30:00+08:00"],
        );
        check(
            Primitive::Oid,
            &["urn:oid:2.16.156.10011"],
            &["2.16", "urn:oid:", "urn:oid:2", "urn:oid:3.1", "urn:oid:1.02", "urn:oid:1."],
        );
        check(
            Primitive::Uuid,
            &["urn:uuid:c757873d-ec9a-4326-a141-556f43239520"],
            &[
                "c757873d-ec9a-4326-a141-556f43239520",
                "urn:uuid:C757873D-EC9A-4326-A141-556F43239520",
                "urn:uuid:1",
            ],
        );
        check(
            Primitive::Uri,
            &["http://a.org/b", "a", "urn:oid:1.2"],
            &["http://a b", "urn:uuid:x", "urn:oid:x"],
        );
        check(
            Primitive::Base64Binary,
            &["QUJD", "QUI=", "QQ==", "QUJD QUJD"],
            &["QUJ", "Q===", "QU=D", "QUI*"],
        );
        check(Primitive::String, &["a\n\tb", "𠮷"], &["", "a\u{b}"]);
    }

    #[test]
    fn numbers_are_held_to_their_range() {
        let check =
            |primitive, text: &str| super::check(primitive, &Json::parse_str(text).expect("JSON")).is_ok();
        for (primitive, good, bad) in [
            (
                Primitive::Integer,
                vec!["0", "-2147483648", "2147483647"],
                vec!["2147483648", "1.0", "1e2", "\"1\""],
            ),
            (Primitive::UnsignedInt, vec!["0", "2147483647"], vec!["-1", "99999999999999999999"]),
            (Primitive::PositiveInt, vec!["1"], vec!["0", "true"]),
            (Primitive::Decimal, vec!["1.10", "-1e-7"], vec!["\"1\"", "true"]),
            (Primitive::Boolean, vec!["true", "false"], vec!["\"true\"", "1"]),
            (Primitive::String, vec!["\"a\""], vec!["1", "true", "{}"]),
        ] {
            for text in good {
                assert!(check(primitive, text), "{primitive:?} {text}");
            }
            for text in bad {
                assert!(!check(primitive, text), "{primitive:?} {text}");
            }
        }
    }
}
