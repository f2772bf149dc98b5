//! Single values: from the words of a document to those of FHIR and back.

use tongmai_fhir::json::Json;

use super::document::Value;
use super::table::Conversion;
use crate::build::{Node, number, object, text};

/// The data type catalogue of terminologies for a whole identifier.
const OID: &str = "urn:oid:";

/// A value of FHIR, or the name of what was expected.
pub fn to_fhir(conversion: Conversion, value: &str) -> Result<Node, &'static str> {
    let value = value.trim();
    match conversion {
        Conversion::Text => Ok(text(value)),
        Conversion::Oid => {
            let is_oid =
                value.split('.').all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()));
            Ok(text(if is_oid {
                format!("{OID}{value}")
            } else {
                format!("urn:tongmai:system:{}", slug(value))
            }))
        }
        Conversion::DateTime => time(value).map(text).ok_or("a date and time: YYYYMMDDhhmmss"),
        Conversion::Date => {
            time(value).map(|time| text(time.split('T').next().unwrap_or_default())).ok_or("a date: YYYYMMDD")
        }
        Conversion::Instant => match time(value) {
            Some(time) if time.contains('T') => Ok(text(time)),
            Some(day) if day.len() == 10 => Ok(text(format!("{day}T00:00:00+08:00"))),
            _ => Err("a date and time: YYYYMMDDhhmmss"),
        },
        Conversion::Integer => {
            decimal(value).filter(|n| !n.contains('.')).map(number).ok_or("a whole number")
        }
        Conversion::Decimal => decimal(value).map(number).ok_or("a number"),
        Conversion::Gender => match value {
            "1" => Ok(text("male")),
            "2" => Ok(text("female")),
            "0" => Ok(text("unknown")),
            "9" => Ok(text("other")),
            _ => Err("a code of GB/T 2261.1: 0, 1, 2 or 9"),
        },
        Conversion::Use => match value {
            "H" | "HP" | "home" => Ok(text("home")),
            "WP" | "work" => Ok(text("work")),
            "MC" | "mobile" => Ok(text("mobile")),
            "TMP" => Ok(text("temp")),
            _ => Err("a use: H, WP or MC"),
        },
    }
}

/// The words of a document.
pub fn from_fhir(conversion: Conversion, node: &Node) -> Option<String> {
    let plain = match node {
        Json::String(text) => text.to_string(),
        Json::Number(digits) => digits.to_string(),
        Json::Bool(flag) => flag.to_string(),
        _ => return None,
    };
    match conversion {
        Conversion::Oid => {
            let slug = || plain.strip_prefix("urn:tongmai:system:");
            plain.strip_prefix(OID).or_else(slug).map(str::to_owned).or(Some(plain.clone()))
        }
        Conversion::DateTime | Conversion::Date | Conversion::Instant => Some(stamp(&plain)),
        Conversion::Gender => Some(
            match plain.as_str() {
                "male" => "1",
                "female" => "2",
                "other" => "9",
                _ => "0",
            }
            .to_owned(),
        ),
        Conversion::Use => Some(
            match plain.as_str() {
                "work" => "WP",
                "mobile" => "MC",
                "temp" => "TMP",
                _ => "H",
            }
            .to_owned(),
        ),
        _ => Some(plain),
    }
}

/// A word that may stand in a URI.
fn slug(value: &str) -> String {
    value.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' || c == '.' { c } else { '-' }).collect()
}

/// A number as JSON writes it.
pub fn decimal(value: &str) -> Option<String> {
    let trimmed = value.trim().trim_start_matches('+');
    let (sign, digits) = match trimmed.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", trimmed),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() && fraction.is_empty()
        || !all_digits(whole)
        || !all_digits(fraction)
        || digits.len() > 40
    {
        return None;
    }
    let whole = whole.trim_start_matches('0');
    let whole = if whole.is_empty() { "0" } else { whole };
    Some(if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") })
}

/// A date or time of FHIR from `YYYY[MM[DD[hhmm[ss]]]]` and from the ways in which people write
/// dates (`2016-09-13 08:05:00`, `2016/9/3`). China Standard Time unless the text names a zone.
pub fn time(value: &str) -> Option<String> {
    let value = value.trim();
    if value.len() > 32 {
        return None;
    }
    let (body, zone) = match value.rfind(['+', 'Z']) {
        Some(at) if at >= 8 => (&value[..at], zone(&value[at..])?),
        _ => (value, "+08:00".to_owned()),
    };
    let body = body.split_once('.').map_or(body, |(before, _)| before);
    let numbers: Vec<u32> = if body.bytes().all(|byte| byte.is_ascii_digit()) {
        if !matches!(body.len(), 4 | 6 | 8 | 10 | 12 | 14) {
            return None;
        }
        let rest = (4..body.len()).step_by(2).map(|at| &body[at..at + 2]);
        std::iter::once(&body[..4]).chain(rest).map(|part| part.parse().ok()).collect::<Option<_>>()?
    } else {
        body.split(['-', '/', ' ', ':', 'T', '年', '月', '日'])
            .filter(|part| !part.is_empty())
            .map(|part| part.parse().ok())
            .collect::<Option<_>>()?
    };
    let at = |index: usize| numbers.get(index).copied();
    let year = at(0).filter(|year| (1800..=2200).contains(year))?;
    let Some(month) = at(1) else { return Some(format!("{year:04}")) };
    if !(1..=12).contains(&month) {
        return None;
    }
    let Some(day) = at(2) else { return Some(format!("{year:04}-{month:02}")) };
    if day == 0 || day > tongmai_base::time::days_in_month(i64::from(year), month) {
        return None;
    }
    let Some(hour) = at(3) else { return Some(format!("{year:04}-{month:02}-{day:02}")) };
    let (minute, second) = (at(4).unwrap_or(0), at(5).unwrap_or(0));
    if hour > 23 || minute > 59 || second > 59 || numbers.len() > 6 {
        return None;
    }
    Some(format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{zone}"))
}

fn zone(text: &str) -> Option<String> {
    if text == "Z" {
        return Some(text.to_owned());
    }
    let digits: String = text[1..].chars().filter(|c| *c != ':').collect();
    let is_zone = digits.len() == 4 && digits.bytes().all(|byte| byte.is_ascii_digit());
    (is_zone && digits.as_str() <= "1400").then(|| format!("{}{}:{}", &text[..1], &digits[..2], &digits[2..]))
}

/// `YYYYMMDD[hhmmss]` of a date or time of FHIR; times of other zones are told in China Standard Time.
pub fn stamp(value: &str) -> String {
    let Some((day, clock)) = value.split_once('T') else { return value.replace('-', "") };
    let (clock, offset) = match clock.find(['+', '-', 'Z']) {
        Some(at) => (&clock[..at], minutes(&clock[at..])),
        None => (clock, tongmai_base::time::CHINA_OFFSET_MINUTES),
    };
    let part =
        |text: &str, index: usize, by: char| text.split(by).nth(index).and_then(|p| p.parse::<i64>().ok());
    let seconds = clock.split('.').next().unwrap_or_default();
    let (Some(year), Some(month), Some(date)) = (part(day, 0, '-'), part(day, 1, '-'), part(day, 2, '-'))
    else {
        return value.to_owned();
    };
    let (hour, minute) = (part(seconds, 0, ':').unwrap_or(0), part(seconds, 1, ':').unwrap_or(0));
    let second = part(seconds, 2, ':').unwrap_or(0);
    let days = tongmai_base::time::days_from_civil(year, month.clamp(1, 12) as u32, date.clamp(1, 31) as u32);
    let shifted = days * 1440 + hour * 60 + minute + tongmai_base::time::CHINA_OFFSET_MINUTES - offset;
    let (y, m, d) = tongmai_base::time::civil_from_days(shifted.div_euclid(1440));
    let left = shifted.rem_euclid(1440);
    format!("{y:04}{m:02}{d:02}{:02}{:02}{second:02}", left / 60, left % 60)
}

fn minutes(zone: &str) -> i64 {
    let digits: i64 = zone[1..].chars().filter(char::is_ascii_digit).collect::<String>().parse().unwrap_or(0);
    let minutes = digits / 100 * 60 + digits % 100;
    if zone.starts_with('-') { -minutes } else { minutes }
}

/// `value[x]` of an observation: its name and value. What is not what its type says is text.
pub fn value_x(value: &Value) -> (&'static str, Node) {
    match value {
        Value::Text(words) => ("valueString", text(words.as_str())),
        Value::Code { .. } => ("valueCodeableConcept", concept(value)),
        Value::Quantity { value: digits, .. } => match decimal(digits) {
            Some(_) => ("valueQuantity", quantity(value)),
            None => ("valueString", text(digits.as_str())),
        },
        Value::Flag(flag) => match flag.as_str() {
            "true" | "1" => ("valueBoolean", Json::Bool(true)),
            "false" | "0" => ("valueBoolean", Json::Bool(false)),
            other => ("valueString", text(other)),
        },
        Value::Time(stamp) => match time(stamp) {
            Some(time) => ("valueDateTime", text(time)),
            None => ("valueString", text(stamp.as_str())),
        },
        Value::Number(digits) => match digits.trim().parse::<i32>() {
            Ok(whole) => ("valueInteger", number(whole.to_string())),
            Err(_) => ("valueString", text(digits.as_str())),
        },
        Value::Money { value: digits, .. } => match decimal(digits) {
            Some(_) => ("valueQuantity", quantity(value)),
            None => ("valueString", text(digits.as_str())),
        },
    }
}

/// The value of an observation's `value[x]`.
pub fn from_value_x(observation: &Node) -> Option<Value> {
    let plain = |name: &str| observation.text(name).map(str::to_owned);
    if let Some(words) = plain("valueString") {
        return Some(Value::Text(words));
    }
    if let Some(concept) = observation.get("valueCodeableConcept") {
        return Some(from_concept(concept));
    }
    if let Some(quantity) = observation.get("valueQuantity") {
        return from_quantity(quantity);
    }
    if let Some(Json::Bool(flag)) = observation.get("valueBoolean") {
        return Some(Value::Flag(flag.to_string()));
    }
    if let Some(time) = plain("valueDateTime") {
        return Some(Value::Time(stamp(&time)));
    }
    match observation.get("valueInteger") {
        Some(Json::Number(digits)) => Some(Value::Number(digits.to_string())),
        _ => None,
    }
}

/// A CodeableConcept of any value.
pub fn concept(value: &Value) -> Node {
    let Value::Code { code, system, display } = value else {
        return object([("text", text(words(value)))]);
    };
    if code.is_empty() {
        return object([("text", text(display.as_str()))]);
    }
    let system =
        if system.is_empty() { Json::Null } else { to_fhir(Conversion::Oid, system).unwrap_or(Json::Null) };
    let coding =
        object([("system", system), ("code", text(code.trim())), ("display", text(display.as_str()))]);
    object([("coding", Json::Array(vec![coding]))])
}

/// The value of a CodeableConcept.
pub fn from_concept(concept: &Node) -> Value {
    let Some(coding) = concept.items("coding").first() else {
        return Value::Text(concept.text("text").unwrap_or_default().to_owned());
    };
    let system =
        coding.get("system").and_then(|system| from_fhir(Conversion::Oid, system)).unwrap_or_default();
    let own = |name: &str| coding.text(name).unwrap_or_default().to_owned();
    Value::Code { code: own("code"), system, display: own("display") }
}

/// A Quantity of a quantity or a sum of money.
pub fn quantity(value: &Value) -> Node {
    let (digits, unit) = match value {
        Value::Quantity { value, unit } => (value, unit),
        Value::Money { value, currency } => (value, currency),
        _ => return Json::Null,
    };
    match decimal(digits) {
        Some(digits) => object([("value", number(digits)), ("unit", text(unit.as_str()))]),
        None => Json::Null,
    }
}

/// The value of a Quantity.
pub fn from_quantity(quantity: &Node) -> Option<Value> {
    let Some(Json::Number(digits)) = quantity.get("value") else { return None };
    let unit = quantity.text("unit").unwrap_or_default().to_owned();
    Some(Value::Quantity { value: digits.to_string(), unit })
}

/// Any value in words.
pub fn words(value: &Value) -> String {
    match value {
        Value::Text(text) | Value::Flag(text) | Value::Time(text) | Value::Number(text) => text.clone(),
        Value::Code { code, display, .. } => if display.is_empty() { code } else { display }.clone(),
        Value::Quantity { value, unit } => format!("{value} {unit}").trim().to_owned(),
        Value::Money { value, currency } => format!("{value} {currency}").trim().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_people_write_them() {
        for (written, expected) in [
            ("20160913080500", Some("2016-09-13T08:05:00+08:00")),
            ("2016-09-13 00:00:00", Some("2016-09-13T00:00:00+08:00")),
            ("2016/9/3", Some("2016-09-03")),
            ("20160913", Some("2016-09-13")),
            ("20160913080500+0000", Some("2016-09-13T08:05:00+00:00")),
            ("2016年9月13日", Some("2016-09-13")),
            ("20160931", None),
            ("-", None),
            ("001", None),
        ] {
            assert_eq!(time(written).as_deref(), expected, "{written}");
        }
        assert_eq!(stamp("2016-09-13T08:05:00+08:00"), "20160913080500");
        assert_eq!(stamp("2016-09-13T00:05:00Z"), "20160913080500");
        assert_eq!(stamp("2016-09-13"), "20160913");
    }

    #[test]
    fn numbers_are_written_as_json_wants_them() {
        for (written, expected) in [
            ("007", Some("7")),
            ("1.50", Some("1.50")),
            (".5", Some("0.5")),
            ("1e3", None),
            ("", None),
            ("-0.2", Some("-0.2")),
        ] {
            assert_eq!(decimal(written).as_deref(), expected, "{written}");
        }
    }
}
