//! What can be diagnosed, measured, prescribed, done and given in the county.
//!
//! Codes come from LOINC, ICD-10 (WHO), SNOMED CT's international edition, ATC,
//! CVX and ICD-9-CM-3; Chinese names are those in everyday hospital use. Prices
//! are invented, in fen.

mod analytes;
mod conditions;
mod treatments;

pub use analytes::*;
pub use conditions::*;
pub use treatments::*;

/// Code system URIs.
pub mod system {
    /// LOINC.
    pub const LOINC: &str = "http://loinc.org";
    /// SNOMED CT.
    pub const SNOMED: &str = "http://snomed.info/sct";
    /// ICD-10 of the WHO.
    pub const ICD10: &str = "http://hl7.org/fhir/sid/icd-10";
    /// ICD-9-CM volume 3, of which the Chinese procedure table is a descendant.
    pub const ICD9CM: &str = "http://hl7.org/fhir/sid/icd-9-cm";
    /// Anatomical Therapeutic Chemical classification.
    pub const ATC: &str = "http://www.whocc.no/atc";
    /// CVX, vaccines administered.
    pub const CVX: &str = "http://hl7.org/fhir/sid/cvx";
    /// Identity number of a citizen (OID of WS/T 500).
    pub const CITIZEN: &str = "urn:oid:2.16.156.10011.1.3";
    /// Number of the resident health record 健康档案标识号.
    pub const HEALTH_RECORD: &str = "urn:oid:2.16.156.10011.1.2";
    /// Organisation code 机构代码.
    pub const ORGANIZATION: &str = "urn:oid:2.16.156.10011.1.5";
    /// Number of a person on the medical insurance 医保个人编号, in the invented county.
    pub const INSURED: &str = "https://qinghe.example/sid/insured";
    /// Staff number.
    pub const PRACTITIONER: &str = "https://qinghe.example/sid/practitioner";
    /// Department, ward or building.
    pub const LOCATION: &str = "https://qinghe.example/sid/location";
    /// Visit numbers of a provider; the provider's code follows.
    pub const VISIT: &str = "https://qinghe.example/sid/visit/";
    /// Patient numbers of a provider; the provider's code follows.
    pub const PATIENT: &str = "https://qinghe.example/sid/patient/";
    /// Charge items of the county's price list.
    pub const CHARGE: &str = "https://qinghe.example/CodeSystem/charge-item";
}

/// A coded concept in both languages.
#[derive(Debug)]
pub struct Term {
    /// Code system.
    pub system: &'static str,
    /// Code; empty when only the text is sure.
    pub code: &'static str,
    /// English display, as the code system gives it.
    pub english: &'static str,
    /// Chinese text.
    pub chinese: &'static str,
}
