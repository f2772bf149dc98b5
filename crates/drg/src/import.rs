//! Readers of published rule collections into packs.

pub mod opendrg;
pub mod python;
pub mod text;
