//! A discharge as grouping sees it, read leniently: numbers may be text, lists
//! may be one text with commas or bars, words may be Chinese.

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::fmt;

/// A number as the source wrote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Number {
    /// Absent, empty or null.
    #[default]
    Missing,
    /// Understood.
    Is(i32),
    /// Present but not a whole number.
    Malformed,
}

impl Number {
    /// The number, if there is one.
    pub fn value(self) -> Option<i32> {
        match self {
            Number::Is(value) => Some(value),
            _ => None,
        }
    }

    /// Reads a text: blank is missing, `65`, `65.0` and full-width digits are numbers.
    pub fn parse(text: &str) -> Number {
        let folded = half_width(text);
        let text = folded.trim();
        if text.is_empty() || text == "-" || text == "—" {
            return Number::Missing;
        }
        match text.parse::<i32>() {
            Ok(value) => Number::Is(value),
            Err(_) => text.parse::<f64>().map_or(Number::Malformed, Number::from_float),
        }
    }

    fn from_float(value: f64) -> Number {
        if value.is_finite() && value.fract() == 0.0 && value.abs() < f64::from(i32::MAX) {
            Number::Is(value as i32)
        } else {
            Number::Malformed
        }
    }
}

/// One discharge.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Case<'a> {
    /// 1 male, 2 female.
    pub sex: Number,
    /// Completed years.
    pub age: Number,
    /// Days, of the newborn.
    pub age_days: Number,
    /// Birth weight in grams.
    pub birth_weight: Number,
    /// Length of stay in days.
    pub stay: Number,
    /// Hours in intensive care.
    pub intensive_care_hours: Number,
    /// 离院方式.
    pub discharge: Cow<'a, str>,
    /// Department.
    pub department: Cow<'a, str>,
    /// Diagnoses, the principal one first.
    pub diagnoses: Vec<Cow<'a, str>>,
    /// Procedures, the main one first.
    pub procedures: Vec<Cow<'a, str>>,
    /// The record already has a field that grouping writes.
    pub has_result: bool,
}

/// The fields that grouping writes.
pub const RESULT_FIELDS: [&str; 8] = ["drg", "adrg", "mdc", "status", "reason", "notes", "trace", "name"];

/// Full-width letters, digits and signs as half-width ones.
pub fn half_width(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    let fold = |c: char| match c {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(c as u32 - 0xfee0).unwrap_or(c),
        '\u{3000}' | '\u{a0}' => ' ',
        '\u{3002}' => '.',
        '\u{d7}' => 'x',
        other => other,
    };
    Cow::Owned(text.chars().map(fold).collect())
}

/// A code in its usual writing: half-width, without blanks, the letter in capitals, the
/// extension mark `x` small.
pub fn usual_code(text: &str) -> String {
    let folded = half_width(text);
    let mut code = String::with_capacity(folded.len());
    for c in folded.chars().filter(|c| !c.is_whitespace() && *c != '\u{feff}') {
        let upper = c.to_ascii_uppercase();
        code.push(if upper == 'X' && !code.is_empty() && !code.ends_with('+') { 'x' } else { upper });
    }
    code
}

enum Loose<'a> {
    Null,
    Text(Cow<'a, str>),
    Number(Number),
    List(Vec<Cow<'a, str>>),
    Other,
}

impl<'a> Loose<'a> {
    fn number(self) -> Number {
        match self {
            Loose::Null => Number::Missing,
            Loose::Number(number) => number,
            Loose::Text(text) => Number::parse(&text),
            Loose::List(_) | Loose::Other => Number::Malformed,
        }
    }

    fn sex(self) -> Number {
        match &self {
            Loose::Text(text) => match text.trim() {
                "男" | "男性" | "M" | "male" => Number::Is(1),
                "女" | "女性" | "F" | "female" => Number::Is(2),
                _ => self.number(),
            },
            _ => self.number(),
        }
    }

    fn text(self) -> Cow<'a, str> {
        match self {
            Loose::Text(text) => text,
            Loose::Number(Number::Is(number)) => Cow::Owned(number.to_string()),
            _ => Cow::Borrowed(""),
        }
    }

    fn list(self) -> Vec<Cow<'a, str>> {
        match self {
            Loose::List(items) => items,
            Loose::Text(Cow::Borrowed(text)) => split_codes(text).map(Cow::Borrowed).collect(),
            Loose::Text(Cow::Owned(text)) => {
                split_codes(&text).map(|code| Cow::Owned(code.to_string())).collect()
            }
            _ => Vec::new(),
        }
    }
}

/// The codes of one text, between commas, semicolons or bars.
pub fn split_codes(text: &str) -> impl Iterator<Item = &str> {
    text.split([',', '|', ';', '，', '；', '、']).map(str::trim).filter(|code| !code.is_empty())
}

struct LooseVisitor;

impl<'de> Visitor<'de> for LooseVisitor {
    type Value = Loose<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }
    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Loose<'de>, E> {
        Ok(Loose::Text(Cow::Borrowed(text)))
    }
    fn visit_str<E>(self, text: &str) -> Result<Loose<'de>, E> {
        Ok(Loose::Text(Cow::Owned(text.to_string())))
    }
    fn visit_i64<E>(self, number: i64) -> Result<Loose<'de>, E> {
        Ok(Loose::Number(i32::try_from(number).map_or(Number::Malformed, Number::Is)))
    }
    fn visit_u64<E>(self, number: u64) -> Result<Loose<'de>, E> {
        Ok(Loose::Number(i32::try_from(number).map_or(Number::Malformed, Number::Is)))
    }
    fn visit_f64<E>(self, number: f64) -> Result<Loose<'de>, E> {
        Ok(Loose::Number(Number::from_float(number)))
    }
    fn visit_bool<E>(self, _: bool) -> Result<Loose<'de>, E> {
        Ok(Loose::Other)
    }
    fn visit_unit<E>(self) -> Result<Loose<'de>, E> {
        Ok(Loose::Null)
    }
    fn visit_none<E>(self) -> Result<Loose<'de>, E> {
        Ok(Loose::Null)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Loose<'de>, A::Error> {
        let mut list = Vec::with_capacity(8);
        while let Some(item) = items.next_element::<Loose<'de>>()? {
            let code = match item {
                // A code inside an object, as claims write it.
                Loose::List(mut inner) if inner.len() == 1 => inner.remove(0),
                other => other.text(),
            };
            if !code.trim().is_empty() {
                list.push(code);
            }
        }
        Ok(Loose::List(list))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Loose<'de>, A::Error> {
        let mut code = Vec::new();
        while let Some(key) = entries.next_key::<Cow<'de, str>>()? {
            if key == "code" {
                code.push(entries.next_value::<Loose<'de>>()?.text());
            } else {
                entries.next_value::<IgnoredAny>()?;
            }
        }
        Ok(Loose::List(code))
    }
}

impl<'de> Deserialize<'de> for Loose<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(LooseVisitor)
    }
}

/// A key borrowed where the text allows it.
struct Key<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Loose::deserialize(deserializer).map(|loose| Key(loose.text()))
    }
}

struct CaseVisitor;

impl<'de> Visitor<'de> for CaseVisitor {
    type Value = Case<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a case as one JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Case<'de>, A::Error> {
        let mut case = Case::default();
        while let Some(Key(key)) = entries.next_key()? {
            case.set(&key, &mut entries)?;
        }
        Ok(case)
    }
}

impl<'de> Case<'de> {
    fn set<A: MapAccess<'de>>(&mut self, key: &str, entries: &mut A) -> Result<(), A::Error> {
        match key {
            "gender" | "sex" => self.sex = entries.next_value::<Loose>()?.sex(),
            "age" => self.age = entries.next_value::<Loose>()?.number(),
            "ageDay" => self.age_days = entries.next_value::<Loose>()?.number(),
            "weight" => self.birth_weight = entries.next_value::<Loose>()?.number(),
            "inHospitalTime" => self.stay = entries.next_value::<Loose>()?.number(),
            "icuHours" => self.intensive_care_hours = entries.next_value::<Loose>()?.number(),
            "leavingType" => self.discharge = entries.next_value::<Loose>()?.text(),
            "dept" => self.department = entries.next_value::<Loose>()?.text(),
            "zdList" => self.diagnoses = entries.next_value::<Loose>()?.list(),
            "ssList" => self.procedures = entries.next_value::<Loose>()?.list(),
            other => {
                self.has_result |= RESULT_FIELDS.contains(&other);
                entries.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for Case<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(CaseVisitor)
    }
}

impl<'a> Case<'a> {
    /// Reads one JSON object.
    ///
    /// # Errors
    /// What is wrong with the JSON.
    pub fn from_json(line: &'a str) -> Result<Case<'a>, String> {
        serde_json::from_str(line).map_err(|error| error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_is_read_leniently() {
        let line = r#"{"gender":"女","age":"６５","ageDay":null,"weight":"","inHospitalTime":3.0,
            "leavingType":1,"zdList":"A01.100,B02.200|C03","ssList":[{"code":"37.5100"},""],"x":{"y":[1]}}"#;
        let case = Case::from_json(line).unwrap();
        assert_eq!(case.sex, Number::Is(2));
        assert_eq!(case.age, Number::Is(65));
        assert_eq!((case.age_days, case.birth_weight), (Number::Missing, Number::Missing));
        assert_eq!(case.stay, Number::Is(3));
        assert_eq!(case.discharge, "1");
        assert_eq!(case.diagnoses, ["A01.100", "B02.200", "C03"]);
        assert_eq!(case.procedures, ["37.5100"]);
        assert!(!case.has_result);
    }

    #[test]
    fn numbers_that_are_none_are_malformed() {
        for text in ["abc", "1.5", "9999999999", "1e99", "NaN"] {
            assert_eq!(Number::parse(text), Number::Malformed, "{text}");
        }
        assert_eq!(Number::parse(" - "), Number::Missing);
    }

    #[test]
    fn codes_have_a_usual_writing() {
        assert_eq!(usual_code(" ａ01．100Ｘ005＋j17.0* "), "A01.100x005+J17.0*");
        assert_eq!(usual_code("x59.900X001"), "X59.900x001");
    }
}
