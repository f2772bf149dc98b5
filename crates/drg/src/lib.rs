//! Diagnosis-related groups: rule packs, grouping, explanation and payment. Pure.
//!
//! - [`pack`]: a rule pack as data; [`import`]: readers of published rules into packs.
//! - [`expression`], [`condition`]: the rule algebra and its tests.
//! - [`case`], [`grouper`]: a discharge, and a compiled pack that groups it;
//!   [`explain`]: why it is in that group, and what would change it.
//!
//! - [`patch`]: a region's pack as a base and its changes; [`dip`]: grouping by score (按病种分值付费).
//! - [`payment`], [`settlement`]: price tables, and what a year of stays is paid by a scheme.
//! - [`quality`]: checks of the front page before payment, as data; [`indicators`]: case mix and efficiency.
//!
//! Knows nothing of files, FHIR, stores or the clock.

pub mod case;
pub mod check;
pub mod codes;
pub mod condition;
pub mod demo;
pub mod diff;
pub mod dip;
pub mod explain;
pub mod expression;
pub mod grouper;
pub mod import;
pub mod indicators;
pub mod ms;
pub mod pack;
pub mod patch;
pub mod payment;
pub mod quality;
pub mod settlement;
pub mod witness;
pub mod words;

pub use case::Case;
pub use grouper::{Grouper, Outcome, Reason, Scratch, Status};
pub use pack::Pack;
