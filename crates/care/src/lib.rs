//! Whole-course care: follow-up rules, stages of illness, goals of both sides, adherence. Pure.
//!
//! Days are counted since 1970-01-01. Nothing here reads a clock: today is an argument.

pub mod adherence;
pub mod follow_up;
pub mod goal;
pub mod stage;
