//! Which codes are sensitive.

use std::collections::HashMap;

use crate::pack::{PackError, lines, wrong};
use crate::request::Sensitivity;

/// A table of sensitive codes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SensitiveCodes {
    whole: HashMap<String, u8>,
    /// Ranges of prefixes: family, first, last, mask.
    ranges: Vec<(Family, String, String, u8)>,
}

/// What the address of a code system stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    Icd,
    Loinc,
    Atc,
    Snomed,
    Label,
}

impl Family {
    fn from_word(word: &str) -> Option<Family> {
        use Family::*;
        Some(match word {
            "icd" => Icd,
            "loinc" => Loinc,
            "atc" => Atc,
            "snomed" => Snomed,
            "label" => Label,
            _ => return None,
        })
    }

    /// By the address of a code system. Chinese editions of ICD-10 have addresses of many forms.
    fn of(system: &str) -> Option<Family> {
        let has = |part: &str| {
            system.as_bytes().windows(part.len()).any(|w| w.eq_ignore_ascii_case(part.as_bytes()))
        };
        Some(match system {
            "http://loinc.org" => Family::Loinc,
            "http://snomed.info/sct" => Family::Snomed,
            "http://www.whocc.no/atc" => Family::Atc,
            "http://terminology.hl7.org/CodeSystem/v3-ActCode"
            | "http://terminology.hl7.org/CodeSystem/v3-Confidentiality" => Family::Label,
            _ if has("icd-10") || has("icd10") || has("2.16.156.10011.2.3.3.11") => Family::Icd,
            _ => return None,
        })
    }
}

impl SensitiveCodes {
    /// Reads a table.
    ///
    /// # Errors
    /// An unknown kind or system, a line of another shape.
    pub fn read(text: &str) -> Result<SensitiveCodes, PackError> {
        let mut all = SensitiveCodes::default();
        for (line, text) in lines(text) {
            let parts: Vec<&str> = text.split('|').map(str::trim).collect();
            let [kind, family, codes] = parts.as_slice() else {
                return wrong(line, "write: kind | system | codes");
            };
            let Some(kind) = Sensitivity::from_code(kind) else {
                return wrong(line, format!("there is no kind '{kind}'"));
            };
            let Some(of) = Family::from_word(family) else {
                return wrong(line, format!("there is no system '{family}'"));
            };
            for code in codes.split_whitespace() {
                let (low, high) = match (code.strip_suffix('*'), of, code.split_once('-')) {
                    (Some(prefix), ..) => (prefix, prefix),
                    (_, Family::Icd, Some((low, high))) => (low, high),
                    (_, Family::Icd, None) => (code, code),
                    _ => {
                        *all.whole.entry(code.to_owned()).or_default() |= kind.bit();
                        continue;
                    }
                };
                all.ranges.push((of, low.to_owned(), high.to_owned(), kind.bit()));
            }
        }
        Ok(all)
    }

    /// The sensitivities of a code, as a mask.
    pub fn of(&self, system: &str, code: &str) -> u8 {
        let Some(family) = Family::of(system) else { return 0 };
        if matches!(family, Family::Loinc | Family::Snomed | Family::Label) {
            return self.whole.get(code).copied().unwrap_or(0);
        }
        let begins = |length: usize| code.get(..length).unwrap_or(code);
        self.ranges
            .iter()
            .filter(|(of, low, high, _)| {
                *of == family && begins(low.len()) >= low.as_str() && begins(high.len()) <= high.as_str()
            })
            .fold(0, |mask, (.., kind)| mask | kind)
    }
}

/// The table that comes with the crate.
pub fn builtin_sensitive_codes() -> &'static str {
    include_str!("../packs/sensitive.txt")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_sensitive_as_their_chapters_say() {
        let codes = SensitiveCodes::read(builtin_sensitive_codes()).expect("a table");
        let check = |system: &str, code: &str, expected: &[Sensitivity]| {
            let mask = expected.iter().fold(0, |mask, kind| mask | kind.bit());
            assert_eq!(codes.of(system, code), mask, "{system}|{code}");
        };
        let icd = "http://hl7.org/fhir/sid/icd-10";
        check(icd, "F32.1", &[Sensitivity::Mental]);
        check(icd, "F10.2", &[Sensitivity::Substance]);
        check(icd, "F19.9", &[Sensitivity::Substance]);
        check(icd, "B20", &[Sensitivity::Hiv]);
        check(icd, "B24.x01", &[Sensitivity::Hiv]);
        check(icd, "B25.9", &[]);
        check(icd, "I10", &[]);
        check(icd, "F", &[]);
        check(icd, "", &[]);
        check("urn:oid:2.16.156.10011.2.3.3.11", "O04.9", &[Sensitivity::Reproductive]);
        check("http://www.whocc.no/atc", "J05AR10", &[Sensitivity::Hiv]);
        check("http://www.whocc.no/atc", "J05AB01", &[]);
        check("http://loinc.org", "68961-2", &[Sensitivity::Hiv]);
        check("http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "R", &[Sensitivity::Restricted]);
        check("http://example.org/other", "R", &[]);
    }

    #[test]
    fn a_table_says_where_it_is_wrong() {
        for (text, expected) in
            [("secret | icd | F00", "no kind"), ("mental | icd", "write:"), ("hiv | x | y", "no system")]
        {
            let error = SensitiveCodes::read(text).expect_err(expected);
            assert!(error.to_string().contains(expected), "{error}");
        }
    }
}
