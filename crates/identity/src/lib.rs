//! Person matching: one person, one record.
//!
//! The way of a record: [`schema`] says what its columns hold; [`population`]
//! normalises every value once; [`candidates`] finds the pairs worth
//! comparing; [`compare`] turns a pair into a code of levels; [`model`] learns
//! weights from the codes without truth; [`link`] decides on pairs and
//! [`cluster`] on persons. [`linker`] keeps persons up to date while records
//! are written, one after another.
//!
//! Pure: no input or output, no clock, no randomness; threads through rayon
//! only, with results that do not depend on them.

mod bytes;
pub mod candidates;
pub mod cluster;
pub mod compare;
pub mod date;
pub mod encode;
pub mod evaluate;
pub mod generate;
pub mod han;
pub mod identifier;
pub mod link;
pub mod linker;
pub mod model;
pub mod name;
pub mod person;
pub mod population;
pub mod record;
pub mod register;
pub mod rules;
pub mod schema;
pub mod similarity;
pub mod text;
pub mod values;
