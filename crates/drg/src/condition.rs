//! The tests that CHS-DRG rules make on a case.
//!
//! All thirty published packs (national, provincial, city) are built from
//! these few tests; see `docs/drg.md` for the forms they were read from.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Which of a case's diagnoses or procedures a test looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Position {
    /// The first one: 主要诊断, 主要手术操作.
    Main,
    /// All but the first: 其他诊断, 其他手术操作.
    Other,
    /// Every one.
    Any,
}

/// A number of the case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Field {
    /// Completed years of age (年龄).
    Age,
    /// Age in days (年龄天数), of the newborn.
    AgeDays,
    /// Birth weight in grams (新生儿出生体重).
    BirthWeight,
    /// Length of stay in days (住院天数).
    Stay,
    /// Hours in intensive care.
    IntensiveCareHours,
    /// Sex: 1 male, 2 female.
    Sex,
    /// How many diagnoses.
    Diagnoses,
    /// How many procedures.
    Procedures,
}

/// The number of [`Field`]s.
pub const FIELDS: usize = 8;

/// A comparison of a number with a constant. A missing number compares false.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Comparison {
    /// Equal.
    #[serde(rename = "=")]
    Equal,
    /// Less.
    #[serde(rename = "<")]
    Less,
    /// Less or equal.
    #[serde(rename = "<=")]
    AtMost,
    /// Greater.
    #[serde(rename = ">")]
    Greater,
    /// Greater or equal.
    #[serde(rename = ">=")]
    AtLeast,
}

impl Comparison {
    /// Whether `left` stands in this relation to `right`.
    #[inline]
    pub fn holds(self, left: i32, right: i32) -> bool {
        match self {
            Comparison::Equal => left == right,
            Comparison::Less => left < right,
            Comparison::AtMost => left <= right,
            Comparison::Greater => left > right,
            Comparison::AtLeast => left >= right,
        }
    }

    /// The sign that people read.
    pub fn sign(self) -> &'static str {
        match self {
            Comparison::Equal => "=",
            Comparison::Less => "<",
            Comparison::AtMost => "≤",
            Comparison::Greater => ">",
            Comparison::AtLeast => "≥",
        }
    }
}

/// The weight of a secondary diagnosis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Level {
    /// 并发症或合并症.
    Cc,
    /// 严重并发症或合并症.
    Mcc,
}

impl Level {
    /// `CC` or `MCC`.
    pub fn code(self) -> &'static str {
        match self {
            Level::Cc => "CC",
            Level::Mcc => "MCC",
        }
    }
}

/// One test on a case. `S` names a code set: its name in a pack, its number in the engine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition<S> {
    /// A diagnosis at `position` is in the set.
    Diagnosis {
        /// Which diagnoses.
        position: Position,
        /// The code set.
        set: S,
    },
    /// A procedure at `position` is in the set.
    Procedure {
        /// Which procedures.
        position: Position,
        /// The code set.
        set: S,
    },
    /// The diagnoses that are in the set carry at least so many different labels
    /// (body sites of 多发性重要创伤).
    Labels {
        /// The labelled set of diagnoses.
        set: S,
        /// The least number of different labels.
        at_least: u8,
    },
    /// Some procedure of the set carries this label.
    Labelled {
        /// The labelled set of procedures.
        set: S,
        /// The label.
        label: String,
    },
    /// A secondary diagnosis of this level counts, its exclusion table not being that of the
    /// principal diagnosis.
    Severity(Level),
    /// A number of the case compares with a constant.
    Number {
        /// The number.
        field: Field,
        /// The relation.
        is: Comparison,
        /// The constant.
        value: i32,
    },
    /// The number is stated.
    Stated(Field),
    /// The way of discharge (离院方式) is one of these.
    Discharge(Vec<String>),
    /// The department is one of these.
    Department(Vec<String>),
}

impl Field {
    /// The name in the case record.
    pub fn name(self) -> &'static str {
        match self {
            Field::Age => "age",
            Field::AgeDays => "ageDay",
            Field::BirthWeight => "weight",
            Field::Stay => "inHospitalTime",
            Field::IntensiveCareHours => "icuHours",
            Field::Sex => "gender",
            Field::Diagnoses => "number of diagnoses",
            Field::Procedures => "number of procedures",
        }
    }
}

impl Position {
    fn of(self, what: &str) -> String {
        match self {
            Position::Main => format!("principal {what}"),
            Position::Other => format!("another {what}"),
            Position::Any => format!("some {what}"),
        }
    }
}

impl<S: fmt::Display> fmt::Display for Condition<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Condition::Diagnosis { position, set } => write!(f, "{} in {set}", position.of("diagnosis")),
            Condition::Procedure { position, set } => write!(f, "{} in {set}", position.of("procedure")),
            Condition::Labels { set, at_least } => write!(f, "diagnoses of {set} at ≥ {at_least} sites"),
            Condition::Labelled { set, label } => write!(f, "a procedure of {set} labelled {label}"),
            Condition::Severity(level) => write!(f, "a counting {}", level.code()),
            Condition::Number { field, is, value } => write!(f, "{} {} {value}", field.name(), is.sign()),
            Condition::Stated(field) => write!(f, "{} is stated", field.name()),
            Condition::Discharge(codes) => write!(f, "leavingType is {}", codes.join(" or ")),
            Condition::Department(names) => write!(f, "dept is {}", names.join(" or ")),
        }
    }
}
