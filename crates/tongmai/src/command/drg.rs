//! `tongmai drg …`: rule packs, grouping, explanation and payment from the command line.

mod files;
mod group;
mod import;
mod pay;
mod workshop;

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
    /// Look for what cannot be meant in a pack.
    Check(workshop::CheckArguments),
    /// What changed between two packs, and which cases move.
    Diff(workshop::DiffArguments),
    /// The rate that a published price table follows, and the prices that do not follow it.
    Price(pay::PriceArguments),
    /// Pay grouped cases by a rate or out of a budget, to the fen.
    Settle(pay::SettleArguments),
}

/// Runs one DRG command.
pub fn run(arguments: &Arguments) -> Result<()> {
    match &arguments.command {
        Command::Import(command) => import::run(command),
        Command::Group(arguments) => group::run(arguments),
        Command::Check(arguments) => workshop::check(arguments),
        Command::Diff(arguments) => workshop::diff(arguments),
        Command::Price(arguments) => pay::price(arguments),
        Command::Settle(arguments) => pay::settle(arguments),
    }
}
