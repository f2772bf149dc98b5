//! The clauses of the contract, one function each.

mod keeping;
mod reading;
mod writing;

pub use keeping::*;
pub use reading::*;
pub use writing::*;
