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
    /// Participation: opinion groups, preferences, health states, matching.
    Engage(command::engage::Arguments),
}

fn main() -> std::process::ExitCode {
    let arguments = Arguments::parse();
    let result: anyhow::Result<()> = match arguments.command {
        Command::Identity(arguments) => command::identity::run(&arguments),
        Command::Engage(arguments) => command::engage::run(&arguments),
    };
    match result {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            std::process::ExitCode::FAILURE
        }
    }
}
