//! What the resources say, in the few elements that grouping needs.

use tongmai_base::time::{CHINA_OFFSET_MINUTES, days_from_civil};
use tongmai_fhir::json::Json;

/// Day (since 1970, China Standard Time) of a FHIR date or instant.
pub fn day(text: &str) -> Option<i64> {
    let date = text.get(..10)?;
    let mut parts = date.split('-');
    let (year, month, of_month) =
        (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&of_month) {
        return None;
    }
    let day = days_from_civil(year, month, of_month);
    let Some(clock) = text.get(11..16) else { return Some(day) };
    let (hour, minute) = clock.split_once(':')?;
    let minutes = hour.parse::<i64>().ok()? * 60 + minute.parse::<i64>().ok()?;
    Some(day + (minutes - offset(&text[16..]) + CHINA_OFFSET_MINUTES).div_euclid(1_440))
}

/// Minutes east of Greenwich; China's when nothing is said.
fn offset(tail: &str) -> i64 {
    if tail.ends_with('Z') {
        return 0;
    }
    let Some(at) = tail.rfind(['+', '-']) else { return CHINA_OFFSET_MINUTES };
    let (sign, text) = (if tail[at..].starts_with('-') { -1 } else { 1 }, &tail[at + 1..]);
    let minutes =
        text.split_once(':').and_then(|(h, m)| Some(h.parse::<i64>().ok()? * 60 + m.parse::<i64>().ok()?));
    minutes.map_or(CHINA_OFFSET_MINUTES, |minutes| sign * minutes)
}

/// The id that a reference of this type names.
pub fn id_of<'j>(reference: Option<&'j Json<'_>>, kind: &str) -> Option<&'j str> {
    let text = reference?.text("reference")?;
    let rest = text.rsplit_once(kind)?.1.strip_prefix('/')?;
    Some(rest.split('/').next().unwrap_or(rest))
}

/// The code of a diagnosis (ICD-10 and its Chinese descendants) with its name.
pub fn diagnosis(concept: Option<&Json<'_>>) -> Option<(String, String)> {
    coded(concept, &|code| {
        let bytes = code.as_bytes();
        bytes.len() >= 3
            && bytes[0].is_ascii_uppercase()
            && bytes[1].is_ascii_digit()
            && bytes[2].is_ascii_digit()
    })
}

/// The code of a procedure (ICD-9-CM-3 and its Chinese descendants) with its name.
pub fn procedure(concept: Option<&Json<'_>>) -> Option<(String, String)> {
    coded(concept, &|code| {
        let bytes = code.as_bytes();
        bytes.len() >= 2
            && bytes[..2].iter().all(u8::is_ascii_digit)
            && (bytes.len() == 2 || bytes[2] == b'.')
    })
}

fn coded(concept: Option<&Json<'_>>, fits: &dyn Fn(&str) -> bool) -> Option<(String, String)> {
    let concept = concept?;
    let coding = concept.items("coding").iter().find(|coding| coding.text("code").is_some_and(fits))?;
    let name = concept.text("text").or_else(|| coding.text("display")).unwrap_or("");
    Some((coding.text("code")?.to_owned(), name.to_owned()))
}

/// The first code of a concept.
pub fn code<'j>(concept: Option<&'j Json<'_>>) -> Option<&'j str> {
    concept?.items("coding").first()?.text("code")
}

/// The fen of a FHIR Money, without a float on the way.
pub fn fen(money: Option<&Json<'_>>) -> Option<i64> {
    let Json::Number(digits) = money?.get("value")? else { return None };
    tongmai_drg::payment::Decimal::parse(digits).map(tongmai_drg::payment::Decimal::fen)
}

/// 离院方式 (RC019) of a discharge disposition: HL7's codes, or a code of the list itself.
pub fn disposition(concept: Option<&Json<'_>>) -> &'static str {
    match code(concept).unwrap_or("") {
        "home" | "1" => "1",
        "other-hcf" | "2" => "2",
        "snf" | "long" | "rehab" | "psy" | "hosp" | "3" => "3",
        "aadvice" | "4" => "4",
        "exp" | "5" => "5",
        "oth" | "alt-home" | "9" => "9",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_those_of_a_clock_in_china() {
        let new_year = days_from_civil(2026, 1, 1);
        for (text, expected) in [
            ("2026-01-01", Some(new_year)),
            ("2026-01-01T00:30:00+08:00", Some(new_year)),
            ("2025-12-31T16:00:00Z", Some(new_year)),
            ("2025-12-31T15:59:59.999Z", Some(new_year - 1)),
            ("2026-01-01T01:00:00-05:00", Some(new_year)),
            ("2026-13-01", None),
            ("2026", None),
            ("国20-01-0一", None),
        ] {
            assert_eq!(day(text), expected, "{text}");
        }
    }

    #[test]
    fn references_name_their_id() {
        for (text, id) in [
            (r#"{"reference":"Encounter/e1"}"#, Some("e1")),
            (r#"{"reference":"http://x/fhir/Encounter/e1/_history/2"}"#, Some("e1")),
            (r#"{"reference":"Patient/p"}"#, None),
            ("{}", None),
        ] {
            assert_eq!(id_of(Some(&Json::parse_str(text).unwrap()), "Encounter"), id, "{text}");
        }
    }
}
