//! FHIR R4 as data: element tables, JSON views, structural validation and search values.
