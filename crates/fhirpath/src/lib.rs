//! FHIRPath over FHIR JSON, and the patches (JSON Patch, FHIRPath Patch) that are built on it.
