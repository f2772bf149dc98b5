//! One module a command; each holds its `clap` arguments and a `run`.

pub mod engage;
pub mod identity;
