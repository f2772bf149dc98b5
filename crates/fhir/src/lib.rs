//! FHIR R4 as data: element tables, JSON views, structural validation and
//! search values.
//!
//! Nothing here knows a store, the network or a page.

pub mod definition;
pub mod json;
