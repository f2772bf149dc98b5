//! FHIR REST and bulk data over HTTP.
