//! Detection of outbreaks in series and point patterns. Pure.
//!
//! Every method takes its data and its parameters and gives back one answer a
//! point, or the reason why there is none. Nothing here reads a file, a clock
//! or a random device: who simulates hands in a seed.

mod assertion;
pub mod batch;
pub mod case;
pub mod chain;
pub mod combined;
pub mod config;
pub mod control;
pub mod counts;
pub mod cusum;
pub mod detect;
pub mod ears;
pub mod evaluate;
pub mod farrington;
pub mod glm;
pub mod glr;
pub mod historical;
pub mod knox;
pub mod monitor;
pub mod notifiable;
pub mod nowcast;
pub mod outbreak_p;
pub mod regression;
pub mod reproduction;
pub mod rules;
pub mod satscan;
pub mod scan;
pub mod series;
pub mod signal;
pub mod special;
pub mod syndrome;
pub mod table;
pub mod trigger;

pub use detect::Algorithm;
pub use series::{Point, Reason, Series};
