//! Why a request was refused: what the one who asked is told.

use std::fmt;

use tongmai_base::Finding;
use tongmai_store::StoreError;

use crate::writer::WriteError;

/// Kinds of refusal; a door turns them into its own codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The request itself is wrong.
    Invalid,
    /// The content breaks a rule of FHIR.
    Unprocessable,
    /// The one who asks has no right to write this.
    Forbidden,
    /// There is no such resource, version or type.
    NotFound,
    /// The resource was deleted, or the page link has expired.
    Gone,
    /// Somebody else wrote at the same time, or the version is not the expected one.
    Conflict,
    /// A precondition (`If-Match`, a condition with several matches) does not hold.
    Precondition,
    /// The request is over a limit.
    TooLarge,
    /// This is not supported.
    NotSupported,
    /// Too much is under way: try again.
    Busy,
    /// The server's own fault.
    Internal,
}

/// A refusal with its findings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What kind it is.
    pub reason: Reason,
    /// What is wrong, where, and how to mend it.
    pub findings: Vec<Finding>,
}

impl Failure {
    /// A refusal with one finding.
    pub fn new(reason: Reason, path: &str, code: &str, message: impl Into<String>) -> Failure {
        Failure { reason, findings: vec![Finding::error(path, code, message)] }
    }

    /// The same with the words that tell how to mend it.
    #[must_use]
    pub fn repair(mut self, repair: impl Into<String>) -> Failure {
        if let Some(last) = self.findings.last_mut() {
            last.repair = repair.into();
        }
        self
    }

    /// No such resource.
    pub fn not_found(what: impl fmt::Display) -> Failure {
        Failure::new(Reason::NotFound, "", "not-found", format!("{what} is not known here"))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, finding) in self.findings.iter().enumerate() {
            if index > 0 {
                f.write_str("; ")?;
            }
            finding.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Failure {}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Failure {
        Failure::new(Reason::Internal, "", "exception", error.0)
    }
}

impl From<tongmai_codec::Damaged> for Failure {
    fn from(error: tongmai_codec::Damaged) -> Failure {
        Failure::new(Reason::Internal, "", "exception", error.to_string())
    }
}

impl From<WriteError> for Failure {
    fn from(error: WriteError) -> Failure {
        match error {
            WriteError::Rejected(_) => {
                Failure::new(Reason::Conflict, "", "conflict", "somebody else changed it at the same time")
                    .repair("read it again and repeat the change")
            }
            WriteError::Store(error) => error.into(),
            WriteError::Busy => Failure::new(Reason::Busy, "", "throttled", "too many writes are waiting")
                .repair("try again in a second"),
        }
    }
}

/// Result of an engine operation.
pub type Outcome<T> = Result<T, Failure>;
