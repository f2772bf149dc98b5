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
enum Command {}

fn main() -> std::process::ExitCode {
    let arguments = Arguments::parse();
    let result: anyhow::Result<()> = match arguments.command {};
    match result {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            std::process::ExitCode::FAILURE
        }
    }
}
