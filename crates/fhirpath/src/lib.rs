//! FHIRPath over FHIR JSON, and the patches (JSON Patch, FHIRPath Patch) that are built on it.

pub mod json_patch;
mod patch;

pub use patch::PatchError;
