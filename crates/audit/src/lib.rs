//! The log of reads as a Merkle tree: what a resident, a witness and an auditor can check.
//!
//! Every read that was released is a leaf. A leaf commits to one salted entry for each record that was
//! shown; each entry carries that record's own counter, so that a resident who sees the entries 1, 2 and 4
//! knows that one is kept from them. The head of the tree is signed, and cosigned by witnesses who only do
//! so when it is an extension of the head that they saw before.
//!
//! **What no proof can show**: a read that was never logged. That nothing is released unlogged is a property
//! of the program ([`tongmai_access`](../tongmai_access/index.html): the type that a page shows can be made
//! by the log alone) and of the machine that runs it, not of this tree.
//!
//! Pure: no files, no clock, no randomness.

pub mod entry;
pub mod head;
pub mod log;
pub mod tree;
pub mod witness;

pub use entry::{Entry, Leaf};
pub use head::{Cosignature, Head, SignedHead, Witnesses};
pub use log::{Fault, Log};
pub use tree::{Hash, Profile, Tree};
