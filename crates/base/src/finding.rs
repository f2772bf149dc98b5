//! A finding says what was wrong with an input, where, and how to mend it.
//!
//! Bad input is normal: a door returns what it understood together with its
//! findings, and never panics or drops something silently.

use std::fmt;

/// How grave a finding is. The words are those of FHIR's `issue-severity`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Understood; worth knowing.
    Information,
    /// Understood after a repair or an assumption.
    Warning,
    /// This part could not be understood or breaks a rule.
    Error,
    /// Nothing of the input could be used.
    Fatal,
}

impl Severity {
    /// The code of FHIR's `issue-severity` value set.
    pub fn code(self) -> &'static str {
        match self {
            Severity::Information => "information",
            Severity::Warning => "warning",
            Severity::Error => "error",
            Severity::Fatal => "fatal",
        }
    }
}

/// One remark on an input: where, which rule, what, and the repair.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Finding {
    /// How grave it is.
    pub severity: Severity,
    /// Where: a FHIRPath-like path, an XPath, or `line:column` — whatever the format's users say.
    pub path: String,
    /// The rule that was broken, as a short stable code (`unknown-element`, `cardinality`, …).
    pub code: String,
    /// What is wrong, in words, without patient data beyond the offending token.
    pub message: String,
    /// How to mend it; empty when there is nothing to do.
    pub repair: String,
}

impl Finding {
    /// A finding without a repair.
    pub fn new(severity: Severity, path: impl Into<String>, code: &str, message: impl Into<String>) -> Self {
        Finding {
            severity,
            path: path.into(),
            code: code.into(),
            message: message.into(),
            repair: String::new(),
        }
    }

    /// An error at `path`.
    pub fn error(path: impl Into<String>, code: &str, message: impl Into<String>) -> Self {
        Finding::new(Severity::Error, path, code, message)
    }

    /// A warning at `path`.
    pub fn warning(path: impl Into<String>, code: &str, message: impl Into<String>) -> Self {
        Finding::new(Severity::Warning, path, code, message)
    }

    /// The same finding with the words that tell how to mend it.
    #[must_use]
    pub fn with_repair(mut self, repair: impl Into<String>) -> Self {
        self.repair = repair.into();
        self
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} [{}] {}: {}", self.severity.code(), self.code, self.path, self.message)?;
        if !self.repair.is_empty() {
            write!(f, " — {}", self.repair)?;
        }
        Ok(())
    }
}
