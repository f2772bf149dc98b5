//! Readers of published rules into packs.

pub mod opendrg;
mod python;
pub mod rule;
pub mod template;
pub mod text;
pub mod workbook;
