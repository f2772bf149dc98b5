//! `tongmai drg …`: rule packs, grouping, explanation and payment from the command line.

mod files;
mod front_pages;
mod group;
mod import;
mod pay;
mod quality;
mod records;
mod scheme;
mod tables;
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
    /// Check front pages and settlement lists before payment, and look for signs of coding above or below.
    Quality(quality::Arguments),
    /// Make a regional pack of a base and a patch.
    Patch(workshop::PatchArguments),
    /// What changed between two packs, and which cases move.
    Diff(workshop::DiffArguments),
    /// The rate that a published price table follows, and the prices that do not follow it.
    Price(pay::PriceArguments),
    /// Pay grouped cases by a rate or out of a budget, to the fen.
    Settle(pay::SettleArguments),
    /// Score cases by a DIP catalogue (按病种分值付费).
    Dip(scheme::DipArguments),
    /// Draw up the year's clearing, with a table for each hospital.
    Clear(scheme::ClearArguments),
    /// Sign a clearing or a pack.
    Sign(scheme::SignArguments),
    /// Check signatures and sums of a clearing or a pack; a hospital computes its payments again.
    Verify(scheme::VerifyArguments),
    /// Compare what the insurer returned with what was expected, case by case.
    Reconcile(scheme::ReconcileArguments),
}

/// Runs one DRG command.
pub fn run(arguments: &Arguments) -> Result<()> {
    match &arguments.command {
        Command::Import(command) => import::run(command),
        Command::Group(arguments) => group::run(arguments),
        Command::Check(arguments) => workshop::check(arguments),
        Command::Quality(arguments) => quality::run(arguments),
        Command::Patch(arguments) => workshop::patch(arguments),
        Command::Dip(arguments) => scheme::dip(arguments),
        Command::Clear(arguments) => scheme::clear(arguments),
        Command::Sign(arguments) => scheme::sign(arguments),
        Command::Verify(arguments) => scheme::verify(arguments),
        Command::Reconcile(arguments) => scheme::reconcile(arguments),
        Command::Diff(arguments) => workshop::diff(arguments),
        Command::Price(arguments) => pay::price(arguments),
        Command::Settle(arguments) => pay::settle(arguments),
    }
}
