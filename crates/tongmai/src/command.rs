//! One module a command; each holds its `clap` arguments and a `run`.

pub mod account;
pub mod audit;
pub mod convert;
pub mod demo;
pub mod doors;
pub mod drg;
pub mod engage;
pub mod erase;
pub mod export;
pub mod identity;
pub mod import;
pub mod pull;
pub mod retention;
pub mod serve;
pub mod surveil;
pub mod upkeep;
