//! Participation: opinion groups, preferences, patient-reported outcomes, gates, allocation. Pure.
//!
//! Nothing here reads a file, a clock or a source of randomness: text comes in
//! as `&str`, seeds as arguments. The only threads are rayon's, in the mixed
//! logit and in the opinion engine, and no result depends on their number.

pub mod answer;
pub mod ballot;
pub mod disclosure;
pub mod dossier;
pub mod eq5d;
pub mod feasibility;
pub mod gate;
pub mod institution;
pub mod ledger;
pub mod linear;
pub mod matching;
pub mod opinion;
pub mod outcome;
pub mod preference;
pub mod random;
pub mod reported;
pub mod trial;
