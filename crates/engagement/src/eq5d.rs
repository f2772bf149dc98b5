//! Values of EQ-5D-5L health states.
//!
//! A value set is data: what each level of each dimension takes off full health,
//! in thousandths, so that values are exact. Only scoring is here; the wording of
//! the questionnaire belongs to the EuroQol Research Foundation, and the
//! operator brings it under their own permission.

use serde::Deserialize;
use std::fmt;

/// A state: levels 1–5 of mobility, self-care, usual activities, pain/discomfort, anxiety/depression.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct State([u8; 5]);

/// Why a state or a value set was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused(pub String);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refused {}

impl State {
    /// Levels 1–5 in the order of the questionnaire.
    ///
    /// # Errors
    /// A level out of range.
    pub fn new(levels: [u8; 5]) -> Result<Self, Refused> {
        match levels.iter().find(|l| !(1..=5).contains(*l)) {
            None => Ok(State(levels)),
            Some(level) => Err(Refused(format!("{level} is no level; levels go from 1 to 5"))),
        }
    }

    /// Reads the five digits of a state, such as `21143`.
    ///
    /// # Errors
    /// Anything else.
    pub fn parse(text: &str) -> Result<Self, Refused> {
        let digits: Vec<u8> = text.trim().bytes().map(|b| b.wrapping_sub(b'0')).collect();
        let levels = digits.try_into().map_err(|_| Refused(format!("{text:?} does not have five digits")))?;
        State::new(levels)
    }

    /// All 3,125 states.
    pub fn all() -> impl Iterator<Item = State> {
        (0..3125u32).map(|n| State([625, 125, 25, 5, 1].map(|place| (n / place % 5) as u8 + 1)))
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|level| write!(f, "{level}"))
    }
}

/// What the levels of each dimension take off full health.
#[derive(Debug, Clone, Deserialize)]
pub struct ValueSet {
    /// Short name (`cn`).
    pub id: String,
    /// Name as shown.
    pub name: String,
    /// Where it was published.
    pub source: String,
    /// Version of the set.
    pub version: String,
    decrements: Decrements,
}

/// Thousandths taken off by levels 2–5.
#[derive(Debug, Clone, Deserialize)]
struct Decrements {
    mobility: [i32; 4],
    self_care: [i32; 4],
    usual_activities: [i32; 4],
    pain_discomfort: [i32; 4],
    anxiety_depression: [i32; 4],
}

impl ValueSet {
    /// Reads a value set from JSON.
    ///
    /// # Errors
    /// JSON of another shape, or a level that takes off less than a milder one.
    pub fn read(json: &str) -> Result<Self, Refused> {
        let set: ValueSet = serde_json::from_str(json).map_err(|e| Refused(e.to_string()))?;
        match set.dimensions().iter().any(|d| d[0] < 0 || !d.is_sorted()) {
            true => Err(Refused(format!("{}: a worse level takes off less than a milder one", set.id))),
            false => Ok(set),
        }
    }

    /// The set of mainland China.
    pub fn mainland_china() -> Self {
        ValueSet::read(include_str!("../packs/eq5d-5l-cn.json")).expect("the pack is part of the program")
    }

    fn dimensions(&self) -> [&[i32; 4]; 5] {
        let d = &self.decrements;
        [&d.mobility, &d.self_care, &d.usual_activities, &d.pain_discomfort, &d.anxiety_depression]
    }

    /// Value of a state in thousandths: 1000 is full health, 0 as bad as death.
    pub fn thousandths(&self, state: State) -> i32 {
        let taken = self.dimensions().into_iter().zip(state.0).map(|(d, level)| match level {
            1 => 0,
            _ => d[usize::from(level) - 2],
        });
        1000 - taken.sum::<i32>()
    }
}

/// Thousandths as a decimal: `-0.391`, `0.95`, `1`.
pub fn decimal(thousandths: i32) -> String {
    let sign = if thousandths < 0 { "-" } else { "" };
    let (whole, rest) = (thousandths.unsigned_abs() / 1000, thousandths.unsigned_abs() % 1000);
    let text = format!("{sign}{whole}.{rest:03}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
