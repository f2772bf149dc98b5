//! What patients report of themselves: scores, adaptive tests, and when to ask again.

pub mod adaptive;
pub mod dlqi;
pub mod schedule;
