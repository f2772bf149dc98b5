//! Tongmai 通脉: a regional health platform in one binary.
//!
//! This crate is the rim of the rim: the only reader of the environment,
//! configuration and clock. Each command is one module under `command/`.

mod command;
mod input;

use clap::{Parser, Subcommand};

/// Tongmai 通脉: one region's health records, kept and found.
#[derive(Parser)]
#[command(name = "tongmai", version, about, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// One person, one record: find and link the records of a person.
    Identity(command::identity::Arguments),
    /// Diagnosis-related groups: rule packs, grouping, explanation, payment.
    Drg(command::drg::Arguments),
    /// Participation: opinion groups, preferences, health states, matching.
    Engage(command::engage::Arguments),
    /// Surveillance: outbreak detection, reproduction number, nowcast, scan.
    Surveil(command::surveil::Arguments),
}

fn main() -> std::process::ExitCode {
    let arguments = Arguments::parse();
    let result: anyhow::Result<()> = match arguments.command {
        Command::Identity(arguments) => command::identity::run(&arguments),
        Command::Drg(arguments) => command::drg::run(&arguments),
        Command::Engage(arguments) => command::engage::run(&arguments),
        Command::Surveil(arguments) => command::surveil::run(&arguments),
    };
    match result {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            std::process::ExitCode::FAILURE
        }
    }
}
