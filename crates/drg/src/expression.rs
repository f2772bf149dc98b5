//! The rule algebra: and, or, not over the tests of a scheme.
//!
//! One algebra carries every scheme; what differs is the test at the leaves
//! (a [`crate::condition::Condition`] for CHS-DRG, an attribute for MS-DRG).

use serde::{Deserialize, Serialize};

/// A boolean expression over tests of type `T`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expression<T> {
    /// True for every case.
    Always,
    /// True for no case.
    Never,
    /// True when every part is; parts are evaluated in order up to the first that is false.
    All(Vec<Expression<T>>),
    /// True when some part is; parts are evaluated in order up to the first that is true.
    Any(Vec<Expression<T>>),
    /// True when the part is false.
    Not(Box<Expression<T>>),
    /// One test.
    Test(T),
}

impl<T> Expression<T> {
    /// The value of the expression, each test being answered by `test`.
    #[inline]
    pub fn holds(&self, test: &mut impl FnMut(&T) -> bool) -> bool {
        match self {
            Expression::Always => true,
            Expression::Never => false,
            Expression::All(parts) => parts.iter().all(|part| part.holds(test)),
            Expression::Any(parts) => parts.iter().any(|part| part.holds(test)),
            Expression::Not(part) => !part.holds(test),
            Expression::Test(leaf) => test(leaf),
        }
    }

    /// The same expression with every test replaced.
    pub fn map<U>(&self, change: &mut impl FnMut(&T) -> U) -> Expression<U> {
        match self {
            Expression::Always => Expression::Always,
            Expression::Never => Expression::Never,
            Expression::All(parts) => Expression::All(parts.iter().map(|p| p.map(change)).collect()),
            Expression::Any(parts) => Expression::Any(parts.iter().map(|p| p.map(change)).collect()),
            Expression::Not(part) => Expression::Not(Box::new(part.map(change))),
            Expression::Test(leaf) => Expression::Test(change(leaf)),
        }
    }

    /// Calls `visit` with every test.
    pub fn visit<'a>(&'a self, visit: &mut impl FnMut(&'a T)) {
        match self {
            Expression::Always | Expression::Never => {}
            Expression::All(parts) | Expression::Any(parts) => parts.iter().for_each(|p| p.visit(visit)),
            Expression::Not(part) => part.visit(visit),
            Expression::Test(leaf) => visit(leaf),
        }
    }
}

impl<T: PartialEq> Expression<T> {
    /// The conjunction of `parts`, flattened, without repetitions and constants.
    pub fn all(parts: Vec<Expression<T>>) -> Expression<T> {
        let mut flat: Vec<Expression<T>> = Vec::new();
        for part in parts {
            match part {
                Expression::Always => {}
                Expression::Never => return Expression::Never,
                Expression::All(inner) => inner.into_iter().for_each(|i| {
                    if !flat.contains(&i) {
                        flat.push(i)
                    }
                }),
                other => {
                    if !flat.contains(&other) {
                        flat.push(other);
                    }
                }
            }
        }
        match flat.len() {
            0 => Expression::Always,
            1 => flat.remove(0),
            _ => Expression::All(flat),
        }
    }

    /// The disjunction of `parts`, flattened, without repetitions and constants.
    pub fn any(parts: Vec<Expression<T>>) -> Expression<T> {
        let mut flat: Vec<Expression<T>> = Vec::new();
        for part in parts {
            match part {
                Expression::Never => {}
                Expression::Always => return Expression::Always,
                Expression::Any(inner) => inner.into_iter().for_each(|i| {
                    if !flat.contains(&i) {
                        flat.push(i)
                    }
                }),
                other => {
                    if !flat.contains(&other) {
                        flat.push(other);
                    }
                }
            }
        }
        match flat.len() {
            0 => Expression::Never,
            1 => flat.remove(0),
            _ => Expression::Any(flat),
        }
    }

    /// The negation of `part`.
    pub fn negate(part: Expression<T>) -> Expression<T> {
        match part {
            Expression::Always => Expression::Never,
            Expression::Never => Expression::Always,
            Expression::Not(inner) => *inner,
            other => Expression::Not(Box::new(other)),
        }
    }
}
