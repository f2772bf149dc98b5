//! Triggers of a report card: from coded diagnoses, laboratory results and
//! running text, each with its evidence. What text asserts is read by [`crate::assertion`].

use crate::assertion;
use crate::notifiable::{Disease, Listed, Pack, longest_prefix_of};

/// What the trigger rests on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Evidence {
    /// A coded diagnosis.
    Code(String),
    /// A laboratory result: name and value.
    Laboratory(String, String),
    /// A clause of text.
    Text(String),
}

/// How sure the record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Certainty {
    /// 疑似: considered, not excluded.
    Suspected,
    /// 临床诊断: diagnosed.
    Diagnosed,
    /// The agent was found.
    Laboratory,
}

/// A disease that should be reported, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trigger<'a> {
    /// Disease, part and deadline.
    pub listed: Listed<'a>,
    /// Certainty.
    pub certainty: Certainty,
    /// Evidence.
    pub evidence: Evidence,
}

/// A coded diagnosis.
#[derive(Debug, Clone, Copy)]
pub struct Diagnosis<'a> {
    /// Code of ICD-10, international or national.
    pub code: &'a str,
    /// Marked as suspected.
    pub suspected: bool,
    /// Marked as a former illness.
    pub history: bool,
}

/// A laboratory result.
#[derive(Debug, Clone, Copy)]
pub struct LaboratoryResult<'a> {
    /// What was looked for.
    pub name: &'a str,
    /// Value or words of the result.
    pub value: &'a str,
}

/// What one encounter holds.
#[derive(Debug, Clone, Copy, Default)]
pub struct Record<'a> {
    /// Coded diagnoses.
    pub diagnoses: &'a [Diagnosis<'a>],
    /// Laboratory results.
    pub results: &'a [LaboratoryResult<'a>],
    /// Running text.
    pub texts: &'a [&'a str],
}

impl Pack {
    /// Everything in a record that should be reported on a day.
    pub fn triggers<'a>(&'a self, record: &Record, day: i64) -> Vec<Trigger<'a>> {
        let mut found = Vec::new();
        self.add_codes(record.diagnoses, day, &mut found);
        for result in record.results {
            self.add_laboratory(result, day, &mut found);
        }
        for text in record.texts {
            self.add_text(text, day, &mut found);
        }
        found
    }

    fn add_codes<'a>(&'a self, diagnoses: &[Diagnosis], day: i64, found: &mut Vec<Trigger<'a>>) {
        let current = || diagnoses.iter().filter(|diagnosis| !diagnosis.history);
        for diagnosis in current() {
            let Some(listed) = self.by_code(diagnosis.code, day) else { continue };
            let superfluous =
                current().any(|other| longest_prefix_of(other.code, &listed.disease.exclude).is_some());
            if superfluous {
                continue;
            }
            let certainty = if diagnosis.suspected { Certainty::Suspected } else { Certainty::Diagnosed };
            found.push(Trigger { listed, certainty, evidence: Evidence::Code(diagnosis.code.into()) });
        }
    }

    fn add_laboratory<'a>(&'a self, result: &LaboratoryResult, day: i64, found: &mut Vec<Trigger<'a>>) {
        if !is_positive(result.value) {
            return;
        }
        let whole = format!("{} {}", result.name, result.value);
        let longest = self
            .on(day)
            .flat_map(|disease| disease.laboratory.iter().map(move |target| (target, disease)))
            .filter(|(target, _)| whole.contains(target.as_str()))
            .max_by_key(|(target, _)| target.len());
        if let Some((target, disease)) = longest {
            // A screening antibody asks for a confirmation.
            let screening = disease.code == "hiv" && !whole.contains("确证") && !whole.contains("核酸");
            let certainty = if screening { Certainty::Suspected } else { Certainty::Laboratory };
            let evidence = Evidence::Laboratory(result.name.into(), result.value.into());
            found.push(Trigger { listed: disease.listed_as(target), certainty, evidence });
        }
    }

    fn add_text<'a>(&'a self, text: &str, day: i64, found: &mut Vec<Trigger<'a>>) {
        for asserted in assertion::read(text, &self.terms(day)) {
            let evidence = Evidence::Text(asserted.clause.into());
            let listed = asserted.disease.listed_as(asserted.term);
            found.push(Trigger { listed, certainty: asserted.certainty, evidence });
        }
    }

    /// Names of diseases on the list, longest first.
    fn terms(&self, day: i64) -> Vec<(&str, &Disease)> {
        let mut terms: Vec<(&str, &Disease)> = self
            .on(day)
            .flat_map(|disease| disease.terms.iter().map(move |term| (term.as_str(), disease)))
            .collect();
        terms.sort_by_key(|(term, _)| std::cmp::Reverse(term.len()));
        terms
    }
}

fn holds(text: &str, words: &[&str]) -> bool {
    words.iter().any(|word| text.contains(word))
}

/// Whether the words or signs of a result say that something was found.
pub(crate) fn is_positive(value: &str) -> bool {
    let value = value.trim();
    let negative =
        ["阴性", "未检出", "未见", "未发现", "未找到", "(-)", "（-）", "neg", "NEG", "Neg", "弱反应性待复查"];
    let positive =
        ["阳性", "检出", "检到", "找到", "查见", "可见", "生长", "(+", "（+", "+", "pos", "POS", "Pos"];
    !holds(value, &negative) && holds(value, &positive)
}
