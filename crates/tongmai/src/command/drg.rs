//! `tongmai drg …`: rule packs, grouping, explanation and payment from the command line.

mod files;
mod group;
mod import;

use anyhow::Result;
use clap::{Args, Subcommand};

/// Arguments of `tongmai drg`.
#[derive(Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make a rule pack from a published collection.
    #[command(subcommand)]
    Import(import::Command),
    /// Group cases, a JSON object a line.
    Group(group::Arguments),
}

/// Runs one DRG command.
pub fn run(arguments: &Arguments) -> Result<()> {
    match &arguments.command {
        Command::Import(command) => import::run(command),
        Command::Group(arguments) => group::run(arguments),
    }
}
