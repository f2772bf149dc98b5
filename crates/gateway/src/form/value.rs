//! Texts of forms: cleaned, checked, and turned into values of FHIR and back.

use tongmai_fhir::json::Json;

use super::table::{Check, Conversion, Form};
use crate::build::{Node, number, object, text};
use crate::wst500::convert::{decimal, time};

/// What systems write where there is nothing to say.
const FILLERS: &[&str] = &["-", "--", "—", "——", "/", "\\", "无", "NULL", "null", "N/A", "未填", "不详"];

/// Full-width letters, digits, signs and blanks as half-width ones, without blanks around.
pub fn half_width(written: &str) -> String {
    let half = written.chars().map(|c| match c {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(c as u32 - 0xfee0).unwrap_or(c),
        '\u{3000}' | '\u{a0}' => ' ',
        other => other,
    });
    half.collect::<String>().trim().to_owned()
}

/// A name as it is compared: half width, small letters, without blanks and marks around.
pub fn normal(name: &str) -> String {
    let name = half_width(name.trim_start_matches('\u{feff}'));
    name.chars()
        .filter(|c| !c.is_whitespace() && !matches!(c, '"' | '\'' | '*'))
        .flat_map(char::to_lowercase)
        .collect()
}

/// A text without blanks around, or nothing where it is a filler.
pub fn clean(written: &str) -> String {
    let trimmed = written.trim_matches(|c: char| c.is_whitespace() || c == '\u{3000}' || c == '\u{feff}');
    let control = trimmed.chars().any(|c| c.is_control());
    if FILLERS.contains(&trimmed) {
        String::new()
    } else if control {
        trimmed.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>().trim().to_owned()
    } else {
        trimmed.to_owned()
    }
}

/// What a text breaks: the rule in words and how to mend it.
pub(super) fn broken(check: &Check, written: &str) -> Option<(String, String)> {
    let length = written.chars().count();
    let is = |pattern: bool, rule: String, repair: &str| (!pattern).then(|| (rule, repair.to_owned()));
    match check {
        Check::Required | Check::Site => None,
        Check::Longest(most) => {
            is(length <= *most, format!("at most {most} characters, not {length}"), "shorten the text")
        }
        Check::Length(exact) => {
            is(length == *exact, format!("exactly {exact} characters, not {length}"), "write the whole code")
        }
        Check::OneOf(codes) => {
            let listed = codes.join(", ");
            let known = codes.iter().any(|code| code == written);
            is(known, format!("one of {listed}"), &format!("write one of {listed}"))
        }
        Check::Icd10 => is(
            is_icd10(written),
            "a code of ICD-10: a letter, two digits, then a point".to_owned(),
            "write the code of the national list, such as I63.900",
        ),
        Check::Icd9 => is(
            is_icd9(written),
            "a code of ICD-9-CM-3: two digits, then a point".to_owned(),
            "write the code of the national list, such as 36.0601",
        ),
        Check::Citizen => is(
            is_citizen(written),
            "a citizen's number: 18 characters with their check digit (GB 11643)".to_owned(),
            "write the number as it stands on the identity card",
        ),
        Check::Digits => {
            is(written.bytes().all(|b| b.is_ascii_digit()), "digits only".to_owned(), "write digits")
        }
    }
}

fn is_icd10(written: &str) -> bool {
    let bytes = written.as_bytes();
    written.len() <= 20
        && bytes.len() >= 3
        && bytes[0].is_ascii_alphabetic()
        && bytes[1].is_ascii_digit()
        && bytes[2].is_ascii_digit()
        && (bytes.len() == 3 || bytes[3] == b'.' || bytes[3] == b'x' || bytes[3] == b'X')
}

fn is_icd9(written: &str) -> bool {
    let bytes = written.as_bytes();
    written.len() <= 20 && bytes.len() >= 4 && bytes[..2].iter().all(u8::is_ascii_digit) && bytes[2] == b'.'
}

/// Whether the check digit of an 18-digit number is right (GB 11643, ISO 7064 MOD 11-2).
fn is_citizen(written: &str) -> bool {
    let bytes = written.as_bytes();
    if bytes.len() != 18 || !bytes[..17].iter().all(u8::is_ascii_digit) {
        return false;
    }
    let weights = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    let sum: u32 =
        bytes[..17].iter().zip(weights).map(|(digit, weight)| u32::from(digit - b'0') * weight).sum();
    b"10X98765432"[(sum % 11) as usize] == bytes[17].to_ascii_uppercase()
}

impl Conversion {
    /// Whether full-width characters are only ways of writing half-width ones here.
    pub(super) fn is_plain(&self) -> bool {
        !matches!(self, Conversion::Text)
    }
}

/// A value of FHIR, or the name of what was expected.
pub(super) fn to_fhir(form: &Form, conversion: &Conversion, written: &str) -> Result<Node, String> {
    let expect = |what: &str| what.to_owned();
    let number_of = |written: &str| decimal(&written.replace([',', '，'], ""));
    match conversion {
        Conversion::Text | Conversion::Unmapped => Ok(text(written)),
        Conversion::Code(system) => Ok(object([("system", text(system.as_str())), ("code", text(written))])),
        Conversion::DateTime => time(written).map(text).ok_or_else(|| expect("a time: YYYY-MM-DD hh:mm:ss")),
        Conversion::Date => match time(written) {
            Some(time) => Ok(text(time.split('T').next().unwrap_or_default())),
            None => Err(expect("a date: YYYY-MM-DD")),
        },
        Conversion::Integer => {
            let whole = number_of(written).map(|n| n.strip_suffix(".0").map_or(n.clone(), str::to_owned));
            whole
                .filter(|n| !n.contains('.') && n.len() < 10)
                .map(number)
                .ok_or_else(|| expect("a whole number"))
        }
        Conversion::Decimal => number_of(written).map(number).ok_or_else(|| expect("a number")),
        Conversion::Quantity(unit) => match number_of(written) {
            Some(digits) => Ok(object([("value", number(digits)), ("unit", text(unit.as_str()))])),
            None => Err(format!("a number of {unit}")),
        },
        Conversion::Money => match number_of(written) {
            Some(digits) => Ok(object([("value", number(digits)), ("currency", text("CNY"))])),
            None => Err(expect("an amount: 1234.56")),
        },
        Conversion::Price(kind, words) => match number_of(written) {
            Some(digits) => Ok(object([
                ("type", text(kind.as_str())),
                ("code", object([("text", text(words.as_str()))])),
                ("amount", object([("value", number(digits)), ("currency", text("CNY"))])),
            ])),
            None => Err(expect("an amount: 1234.56")),
        },
        Conversion::Boolean => match written {
            "1" | "是" | "有" | "true" | "Y" => Ok(Json::Bool(true)),
            "0" | "2" | "否" | "false" | "N" => Ok(Json::Bool(false)),
            _ => Err(expect("1 (yes) or 2 (no)")),
        },
        Conversion::Map(map) => match form.mapped(map, written) {
            Some(code) => Ok(text(code)),
            None => Err(format!("one of {}", form.map_codes(map))),
        },
    }
}

/// The text of a value.
pub(super) fn from_fhir(form: &Form, conversion: &Conversion, node: &Node) -> Option<String> {
    let plain = |node: &Node| match node {
        Json::String(text) => Some(text.to_string()),
        Json::Number(digits) => Some(digits.to_string()),
        Json::Bool(flag) => Some(flag.to_string()),
        _ => None,
    };
    match conversion {
        Conversion::Code(system) => {
            let own = node.text("system").is_none_or(|found| found == system);
            node.text("code").filter(|_| own).map(str::to_owned)
        }
        Conversion::Quantity(_) | Conversion::Money => plain(node.get("value")?),
        Conversion::Price(_, words) => {
            let own = node.get("code").and_then(|code| code.text("text")) == Some(words);
            plain(node.get("amount")?.get("value")?).filter(|_| own)
        }
        Conversion::DateTime => plain(node).map(|time| {
            let time = time.replacen('T', " ", 1);
            time.char_indices().nth(19).map_or(time.clone(), |(at, _)| time[..at].to_owned())
        }),
        Conversion::Date => plain(node).map(|time| time.split('T').next().unwrap_or_default().to_owned()),
        Conversion::Boolean => match node {
            Json::Bool(flag) => Some(if *flag { "1" } else { "2" }.to_owned()),
            _ => None,
        },
        Conversion::Map(map) => form.mapped_back(map, &plain(node)?).map(str::to_owned),
        Conversion::Unmapped => None,
        _ => plain(node),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_width_and_fillers_are_read_as_meant() {
        assert_eq!(half_width("　Ａ１２Ｃ "), "A12C");
        assert_eq!(normal("\u{feff}主要诊断编码 "), "主要诊断编码");
        for filler in ["-", "—", " 无 ", "NULL", "　"] {
            assert_eq!(clean(filler), "", "{filler}");
        }
        assert_eq!(clean(" 无锡 "), "无锡");
    }

    #[test]
    fn rules_hold_and_break() {
        for (check, good, bad) in [
            (Check::Icd10, "I63.900", "63.9"),
            (Check::Icd10, "S72", "S7"),
            (Check::Icd9, "36.0601", "3606"),
            (Check::Citizen, "11010519491231002X", "110105194912310021"),
            (Check::OneOf(vec!["1".into(), "2".into()]), "1", "3"),
            (Check::Longest(2), "ab", "abc"),
            (Check::Length(2), "ab", "a"),
            (Check::Digits, "12", "1a"),
        ] {
            assert!(broken(&check, good).is_none(), "{check:?} {good}");
            let (rule, repair) = broken(&check, bad).expect(bad);
            assert!(!rule.is_empty() && !repair.is_empty());
        }
    }
}
