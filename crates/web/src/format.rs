//! Dates, ages and clinical names as people read them.

use std::borrow::{Borrow, Cow};

use tongmai_base::time::{CHINA_OFFSET_MINUTES, civil_from_days};
use tongmai_fhir::json::Json;
use tongmai_fhir::search::date::{self, Precision};

use crate::language::Language;

const DAY: i64 = 86_400_000;
const OFFSET: i64 = CHINA_OFFSET_MINUTES * 60_000;

/// A date or time that was written in a resource, or the time of a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct When {
    /// First millisecond since 1970.
    pub at: i64,
    precision: Precision,
}

impl When {
    /// Reads a date or time of FHIR.
    pub fn read(text: &str) -> Option<When> {
        date::parse(text).map(|read| When { at: read.low, precision: read.precision })
    }

    /// The moment of a write.
    pub fn moment(milliseconds: i64) -> When {
        When { at: milliseconds, precision: Precision::Minute }
    }

    /// Days since 1970 in China Standard Time.
    pub fn day(&self) -> i64 {
        (self.at + OFFSET).div_euclid(DAY)
    }

    /// The day alone.
    pub fn date(&self) -> String {
        let (year, month, day) = civil_from_days(self.day());
        match self.precision {
            Precision::Year => format!("{year:04}"),
            Precision::Month => format!("{year:04}-{month:02}"),
            _ => format!("{year:04}-{month:02}-{day:02}"),
        }
    }

    /// Date and time of day in China Standard Time, as exactly as it is known.
    pub fn show(&self) -> String {
        if self.precision <= Precision::Day {
            return self.date();
        }
        let minutes = (self.at + OFFSET).rem_euclid(DAY) / 60_000;
        format!("{} {:02}:{:02}", self.date(), minutes / 60, minutes % 60)
    }

    /// For the `datetime` attribute: with its zone.
    pub fn machine(&self) -> String {
        let shown = self.show().replace(' ', "T");
        if self.precision <= Precision::Day { shown } else { shown + "+08:00" }
    }
}

/// The age on a day in the clinical way: days in the first month of life, months in the first year,
/// years and months up to six, then years.
pub fn age(language: Language, birth: &When, today: i64) -> Option<String> {
    let days = today - birth.day();
    if birth.precision < Precision::Day || days < 0 {
        return None;
    }
    let (born_year, born_month, born_day) = civil_from_days(birth.day());
    let (year, month, day) = civil_from_days(today);
    let months =
        (year - born_year) * 12 + i64::from(month) - i64::from(born_month) - i64::from(day < born_day);
    Some(match (months, months / 12, months % 12) {
        (0, ..) => language.count("age-days", days).into_owned(),
        (1..12, ..) => language.count("age-months", months).into_owned(),
        (12..72, years, rest) if rest > 0 => {
            format!("{}{}", language.count("age-years-and", years), language.count("age-and-months", rest))
        }
        (_, years, _) => language.count("age-years", years).into_owned(),
    })
}

/// Whether a text is written in Chinese characters.
pub fn is_han(text: &str) -> bool {
    text.chars()
        .any(|c| matches!(c, '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}'))
}

/// The name of a CodeableConcept in the reader's script, where it has one.
pub fn concept(json: &Json, language: Language) -> String {
    let codings = json.items("coding");
    let mut names = json.text("text").into_iter().chain(codings.iter().filter_map(|c| c.text("display")));
    let all: Vec<&str> = names.by_ref().collect();
    let fitting = all.iter().find(|name| is_han(name) != language.is_english());
    if fitting.is_none()
        && let Some(known) = codings.iter().find_map(|coding| of_hl7(coding, language))
    {
        return known;
    }
    match fitting.or(all.first()) {
        Some(name) => (*name).to_owned(),
        // A code without a name is said to be one.
        None => codings
            .iter()
            .find_map(|coding| coding.text("code"))
            .map_or(String::new(), |code| language.name("code-without-name", code).into_owned()),
    }
}

/// What a code of HL7's everyday tables means in the reader's language, where the locale says it.
fn of_hl7(coding: &Json, language: Language) -> Option<String> {
    let table = match coding.text("system")?.rsplit('/').next()? {
        "v2-0203" => "identifier-type",
        "v3-MaritalStatus" => "marital-status",
        _ => return None,
    };
    language.find(&format!("{table}-{}", coding.text("code")?), None).map(Cow::into_owned)
}

/// The first code of a CodeableConcept.
pub fn first_code<'j>(json: &'j Json) -> Option<&'j str> {
    json.items("coding").iter().find_map(|coding| coding.text("code"))
}

/// The digits of a number as they were written.
pub fn number<'j>(json: &'j Json) -> Option<&'j str> {
    match json {
        Json::Number(digits) => Some(digits),
        _ => None,
    }
}

/// A quantity: comparator, number and unit apart.
pub fn quantity(json: &Json) -> Option<(String, String)> {
    let value = number(json.get("value")?)?;
    let unit = json.text("unit").or_else(|| json.text("code")).unwrap_or("");
    Some((format!("{}{value}", json.text("comparator").unwrap_or("")), unit.to_owned()))
}

/// A name of a person as it is written first, and in Latin letters where that is another one.
pub fn person_name(patient: &Json) -> (String, String) {
    let mut shown: Vec<String> =
        patient.items("name").iter().map(human_name).filter(|n| !n.is_empty()).collect();
    if shown.is_empty() {
        return (String::new(), String::new());
    }
    let first = shown.remove(0);
    let latin = shown.into_iter().find(|name| name.is_ascii()).filter(|_| !first.is_ascii());
    (first, latin.unwrap_or_default())
}

/// One HumanName as text.
pub fn human_name(name: &Json) -> String {
    if let Some(text) = name.text("text") {
        return text.to_owned();
    }
    let given: Vec<&str> = name.items("given").iter().filter_map(Json::as_str).collect();
    let family = name.text("family").unwrap_or("");
    if is_han(family) || given.iter().any(|part| is_han(part)) {
        format!("{family}{}", given.concat())
    } else {
        [given.as_slice(), &[family]].concat().join(" ").trim().to_owned()
    }
}

/// An identity number with its middle covered: enough to tell two people apart.
pub fn covered(number: &str) -> Cow<'_, str> {
    let length = number.chars().count();
    if length < 12 {
        return Cow::Borrowed(number);
    }
    let head: String = number.chars().take(6).collect();
    let tail: String = number.chars().skip(length - 4).collect();
    Cow::Owned(format!("{head}…{tail}"))
}

/// A count with thin spaces between its thousands.
pub fn grouped(count: impl Borrow<i64>) -> String {
    let digits = count.borrow().to_string();
    let mut out = String::with_capacity(digits.len() + 6);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 && !out.ends_with('-') {
            out.push('\u{2009}');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use tongmai_base::time::days_from_civil;

    use super::*;

    #[test]
    fn ages_are_clinical() {
        let today = days_from_civil(2026, 11, 22);
        let cases = [
            ("2026-11-19", "3 天", "3 days"),
            ("2026-10-23", "30 天", "30 days"),
            ("2026-03-22", "8 月", "8 months"),
            ("2025-11-22", "1 岁", "1 year"),
            ("2024-08-30", "2 岁 2 月", "2 years 2 months"),
            ("1959-11-22", "67 岁", "67 years"),
            ("1959-11-23", "66 岁", "66 years"),
        ];
        for (birth, chinese, english) in cases {
            let birth = When::read(birth).expect("a date");
            assert_eq!(age(Language::Chinese, &birth, today).as_deref(), Some(chinese));
            assert_eq!(age(Language::English, &birth, today).as_deref(), Some(english));
        }
        assert_eq!(age(Language::Chinese, &When::read("1960").expect("a year"), today), None);
        assert_eq!(age(Language::Chinese, &When::read("2027-01-01").expect("a day"), today), None);
    }

    #[test]
    fn times_are_shown_in_china_standard_time() {
        let when = When::read("2026-11-21T23:40:00Z").expect("a time");
        assert_eq!(when.show(), "2026-11-22 07:40");
        assert_eq!(when.machine(), "2026-11-22T07:40+08:00");
        assert_eq!(When::read("2026-11").expect("a month").show(), "2026-11");
    }

    #[test]
    fn names_follow_the_reader() {
        let json = Json::parse_str(
            r#"{"coding":[{"code":"I10","display":"原发性高血压"},{"code":"5","display":"Hypertension"}],"text":"高血压"}"#,
        )
        .expect("JSON");
        assert_eq!(concept(&json, Language::Chinese), "高血压");
        assert_eq!(concept(&json, Language::English), "Hypertension");
        let bare = Json::parse_str(r#"{"coding":[{"code":"I10"}]}"#).expect("JSON");
        assert!(concept(&bare, Language::English).contains("I10"));
        assert_eq!(covered("990123196103086764"), "990123…6764");
    }
}
