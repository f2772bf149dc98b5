//! Trial matching where the record lives: the patient sees the match, the sponsor sees a count.
//!
//! A criterion is judged on facts of one record. What the record does not say makes it *unknown*, never
//! met: a person decides. The sponsor sees counts of [`LEAST_PUBLISHED`] and more, and names nobody before the patient says yes.

use crate::disclosure::{Cell, LEAST_PUBLISHED};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One criterion. An exclusion is a criterion that must not hold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Criterion {
    /// Shown to the patient.
    pub text: String,
    /// What is asked.
    pub ask: Ask,
    /// Must not hold.
    #[serde(default)]
    pub excludes: bool,
}

/// What a criterion asks of a record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ask {
    /// Age in whole years, both ends included.
    Age {
        /// Youngest.
        from: u32,
        /// Oldest.
        to: u32,
    },
    /// Sex, as FHIR codes it.
    Sex(String),
    /// A condition whose code begins so (ICD-10).
    Condition(String),
    /// A medicine whose code begins so (ATC).
    Medicine(String),
    /// The last value of a laboratory test or measurement by LOINC, both ends included.
    Value {
        /// LOINC code.
        code: String,
        /// Lowest.
        from: f64,
        /// Highest.
        to: f64,
        /// Oldest age of the value, in days.
        within_days: i64,
    },
}

/// A study that looks for people.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// Title.
    pub title: String,
    /// The sponsor.
    pub sponsor: String,
    /// Criteria.
    pub criteria: Vec<Criterion>,
}

/// What is known of one person.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Known {
    /// Age in years.
    pub age: Option<u32>,
    /// Sex.
    pub sex: Option<String>,
    /// Codes of conditions; `None` when the record holds no problem list at all.
    pub conditions: Option<Vec<String>>,
    /// Codes of medicines.
    pub medicines: Option<Vec<String>>,
    /// Last value of each test, with its day.
    pub values: BTreeMap<String, (f64, i64)>,
}

/// How a criterion comes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It is met.
    Met,
    /// It is not met.
    NotMet,
    /// The record does not say.
    Unknown,
}

/// Judges one criterion on `today`.
pub fn judge(criterion: &Criterion, known: &Known, today: i64) -> Outcome {
    let has = |codes: &Option<Vec<String>>, prefix: &str| {
        codes.as_ref().map(|codes| codes.iter().any(|code| code.starts_with(prefix)))
    };
    let holds = match &criterion.ask {
        Ask::Age { from, to } => known.age.map(|age| (*from..=*to).contains(&age)),
        Ask::Sex(sex) => known.sex.as_ref().map(|known| known == sex),
        Ask::Condition(prefix) => has(&known.conditions, prefix),
        Ask::Medicine(prefix) => has(&known.medicines, prefix),
        Ask::Value { code, from, to, within_days } => known
            .values
            .get(code)
            .filter(|(_, day)| today - day <= *within_days)
            .map(|(value, _)| (*from..=*to).contains(value)),
    };
    match holds {
        None => Outcome::Unknown,
        Some(holds) if holds != criterion.excludes => Outcome::Met,
        Some(_) => Outcome::NotMet,
    }
}

/// What the patient sees: each criterion with its outcome, and whether nothing speaks against it.
pub fn judge_all(trial: &Trial, known: &Known, today: i64) -> (Vec<Outcome>, bool) {
    let outcomes: Vec<Outcome> = trial.criteria.iter().map(|c| judge(c, known, today)).collect();
    let open = !outcomes.contains(&Outcome::NotMet);
    (outcomes, open)
}

/// What the sponsor sees: how many may fit, as a published cell; `None` below eleven. Each person comes
/// with the secret key of their record.
pub fn count<'k>(
    trial: &Trial,
    people: impl IntoIterator<Item = (u64, &'k Known)>,
    today: i64,
) -> Option<u64> {
    let mut cell = Cell::default();
    for (key, known) in people {
        if judge_all(trial, known, today).1 {
            cell.add(key);
        }
    }
    cell.published().filter(|count| *count >= LEAST_PUBLISHED)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trial() -> Trial {
        let criterion = |text: &str, ask, excludes| Criterion { text: text.into(), ask, excludes };
        let glycated = Ask::Value { code: "4548-4".into(), from: 7.0, to: 11.0, within_days: 180 };
        Trial {
            title: "foot care".into(),
            sponsor: "s".into(),
            criteria: vec![
                criterion("adults", Ask::Age { from: 18, to: 80 }, false),
                criterion("type 2 diabetes", Ask::Condition("E11".into()), false),
                criterion("HbA1c 7–11 %", glycated, false),
                criterion("no insulin", Ask::Medicine("A10A".into()), true),
            ],
        }
    }

    fn person(age: u32, glycated: f64) -> Known {
        Known {
            age: Some(age),
            conditions: Some(vec!["E11.9".into()]),
            medicines: Some(vec!["A10BA02".into()]),
            values: [("4548-4".to_owned(), (glycated, 100))].into(),
            ..Known::default()
        }
    }

    #[test]
    fn what_the_record_does_not_say_is_unknown() {
        assert!(judge_all(&trial(), &person(67, 8.9), 120).1);
        assert!(!judge_all(&trial(), &person(81, 8.9), 120).1);
        let (outcomes, open) = judge_all(&trial(), &person(67, 8.9), 400);
        assert_eq!((outcomes[2], open), (Outcome::Unknown, true));
        let mut insulin = person(67, 8.9);
        insulin.medicines = Some(vec!["A10AE04".into()]);
        assert_eq!(judge_all(&trial(), &insulin, 120).0[3], Outcome::NotMet);
    }

    #[test]
    fn the_sponsor_sees_no_small_count() {
        let people: Vec<Known> = (0..40).map(|i| person(40 + i, 8.0)).collect();
        let keyed = |n: usize| people[..n].iter().enumerate().map(|(i, k)| (i as u64 * 977, k));
        assert_eq!(count(&trial(), keyed(10), 120), None);
        assert!(count(&trial(), keyed(40), 120).is_some_and(|n| n >= 11 && n.abs_diff(40) <= 4));
    }
}
