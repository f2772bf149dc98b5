//! One module a command; each holds its `clap` arguments and a `run`.

pub mod drg;
pub mod engage;
pub mod identity;
pub mod surveil;
