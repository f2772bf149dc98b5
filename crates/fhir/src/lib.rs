//! FHIR R4 as data: element tables, JSON views, structural validation and
//! search values.
//!
//! Nothing here knows a store, the network or a page.

pub mod compartment;
pub mod definition;
pub mod format;
pub mod json;
pub mod narrative;
pub mod place;
pub mod reference;
pub mod search;
pub mod validate;

pub use validate::validate;
