//! What a developer of Tongmai does, as commands.

use std::process::Command as Process;

use anyhow::{Context, Result, ensure};
use clap::{Parser, Subcommand};

mod bench;
mod codegen;
mod dictionary;
mod test;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "What a developer of Tongmai does, as commands")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// The whole test suite, with what it needs
    Test(test::Arguments),
    /// The spine under load, beside the limits of the machine
    Bench(bench::Arguments),
    /// Write the FHIR tables anew from the official R4 definitions
    Codegen(codegen::Arguments),
    /// Train the dictionary of stored bodies on the synthetic county
    TrainDictionary,
}

fn main() -> Result<()> {
    match Arguments::parse().command {
        Command::Test(arguments) => test::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Codegen(arguments) => codegen::run(&arguments),
        Command::TrainDictionary => dictionary::train(),
    }
}

/// Runs a program and fails when it does.
fn shell(program: &str, arguments: &[&str]) -> Result<()> {
    println!("$ {program} {}", arguments.join(" "));
    let status = Process::new(program)
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .status()
        .with_context(|| format!("cannot run {program}"))?;
    ensure!(status.success(), "{program} {} failed", arguments.join(" "));
    Ok(())
}
