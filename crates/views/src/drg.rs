//! Discharges and their groups: each is grouped as it arrives from Encounter, Condition and Procedure, again
//! when late data or another pack comes, and the result is written where FHIR expects it.
//!
//! - [`facts`]: the fold, what the ledger says of each stay;
//! - [`discharge`]: one stay as grouping, checks and payment see it;
//! - [`shelf`]: the packs in force, and what each pays;
//! - [`desk`]: groups what has changed and writes the results, each a version of one resource;
//! - [`special`]: 特例单议 as a Task;
//! - [`result`]: the result as an ExplanationOfBenefit of use `predetermination`.

pub mod desk;
pub mod discharge;
pub mod facts;
mod reading;
pub mod result;
pub mod shelf;
pub mod special;

pub use desk::{Desk, Grouped};
pub use discharge::Discharge;
pub use facts::Discharges;
pub use shelf::{Held, Shelf};
