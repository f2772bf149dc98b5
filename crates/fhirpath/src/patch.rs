//! What the two kinds of patch share: the error that tells which operation failed and why.

use std::fmt;

/// Why a patch was refused. The document is left as it was: a patch applies as a whole or not at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatchError {
    /// Position of the operation in the patch, from 0; `None` when the patch itself has the wrong shape.
    pub operation: Option<usize>,
    /// The path of that operation as it was written; empty when it has none.
    pub path: String,
    /// The rule that was broken.
    pub rule: String,
}

impl PatchError {
    pub(crate) fn shape(rule: impl Into<String>) -> PatchError {
        PatchError { operation: None, path: String::new(), rule: rule.into() }
    }

    pub(crate) fn at(operation: usize, path: &str, rule: impl Into<String>) -> PatchError {
        PatchError { operation: Some(operation), path: path.to_owned(), rule: rule.into() }
    }
}

impl fmt::Display for PatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.operation {
            Some(index) => write!(f, "operation {index} at '{}': {}", self.path, self.rule),
            None => f.write_str(&self.rule),
        }
    }
}

impl std::error::Error for PatchError {}
