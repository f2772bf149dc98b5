//! A claim: `{"age":18,"sex":1,"discharge_status":1,"pdx":{"code":"I70218"},"sdx":[…],"procedures":[…]}`.

use serde::Deserialize;
use std::borrow::Cow;

/// One inpatient claim.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Claim<'a> {
    /// Years; the groups do not ask for it.
    #[serde(default)]
    pub age: Option<i32>,
    /// 0 male, 1 female, anything else unknown.
    #[serde(default)]
    pub sex: Option<i32>,
    /// UB-04 discharge status; 20 is died.
    #[serde(default)]
    pub discharge_status: Option<i32>,
    /// Principal diagnosis.
    #[serde(default, borrow)]
    pub pdx: Option<Code<'a>>,
    /// Secondary diagnoses.
    #[serde(default, borrow)]
    pub sdx: Vec<Code<'a>>,
    /// Procedures.
    #[serde(default, borrow)]
    pub procedures: Vec<Code<'a>>,
}

/// A code with its present-on-admission indicator.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Code<'a> {
    /// ICD-10-CM or ICD-10-PCS.
    #[serde(borrow)]
    pub code: Cow<'a, str>,
    /// `Y`, `N`, `U`, `W`, `1` or absent.
    #[serde(default, borrow)]
    pub poa: Option<Cow<'a, str>>,
}

impl Code<'_> {
    /// Present on admission, or clinically undetermined (`Y`, `W`).
    pub(crate) fn present(&self) -> bool {
        matches!(self.poa.as_deref(), Some("Y" | "y" | "W" | "w"))
    }

    /// The indicator is neither of `Y`, `W`, `N`, `U`.
    pub(crate) fn without_indicator(&self) -> bool {
        !self.present() && !matches!(self.poa.as_deref(), Some("N" | "n" | "U" | "u"))
    }
}

impl<'a> Claim<'a> {
    /// Reads one JSON object.
    ///
    /// # Errors
    /// What is wrong with the JSON.
    pub fn from_json(line: &'a str) -> Result<Claim<'a>, String> {
        serde_json::from_str(line).map_err(|error| error.to_string())
    }
}
