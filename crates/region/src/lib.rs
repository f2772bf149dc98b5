//! The synthetic county 清禾县 (Qinghe County) with its truth files.
//!
//! The county is invented, and so is its province, whose prefix 99 no real
//! province has; phones start with 12. [`County::new`] takes a seed, a number of
//! people and the present day, and everything follows from them, byte for byte.
//! The same seed gives the same county on every machine.
//!
//! No I/O, no clock. Rates of illness and of registration mistakes are plausible
//! guesses, not measurements of any place.

pub mod catalogue;
pub mod county;
pub mod fhir;
pub mod illness;
pub mod json;
pub mod names;
pub mod number;
pub mod person;
pub mod place;
pub mod population;
pub mod rng;
pub mod story;
pub mod truth;
mod uid;

pub use county::County;
pub use person::Person;
