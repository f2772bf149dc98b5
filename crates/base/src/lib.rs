//! What every crate of Tongmai may know: findings, limits, time.
//!
//! Knows nothing of FHIR, stores, the network or the clock.

pub mod finding;
pub mod limits;
pub mod time;

pub use finding::{Finding, Severity};
