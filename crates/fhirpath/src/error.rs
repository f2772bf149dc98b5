//! Why an expression was refused or stopped.

use std::fmt;

/// What kind of fault an [`Error`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The text is not FHIRPath.
    Syntax,
    /// The text is FHIRPath but names something that cannot be: a function, a type, an element.
    Semantic,
    /// The evaluation met values that the operation does not take.
    Execution,
    /// A limit on length, nesting or work was passed.
    Limit,
}

/// An error with its place in the expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// What kind of fault this is.
    pub kind: ErrorKind,
    /// Byte offset in the expression.
    pub position: usize,
    /// What was found or expected.
    pub message: String,
}

impl Error {
    pub(crate) fn syntax(position: usize, message: impl Into<String>) -> Error {
        Error { kind: ErrorKind::Syntax, position, message: message.into() }
    }

    pub(crate) fn semantic(position: usize, message: impl Into<String>) -> Error {
        Error { kind: ErrorKind::Semantic, position, message: message.into() }
    }

    pub(crate) fn execution(position: usize, message: impl Into<String>) -> Error {
        Error { kind: ErrorKind::Execution, position, message: message.into() }
    }

    pub(crate) fn limit(position: usize, message: impl Into<String>) -> Error {
        Error { kind: ErrorKind::Limit, position, message: message.into() }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}", self.message, self.position)
    }
}

impl std::error::Error for Error {}
