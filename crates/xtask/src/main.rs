//! What a developer of Tongmai does, as commands.

use std::process::Command as Process;

use anyhow::{Context, Result, ensure};
use clap::{Parser, Subcommand};

mod bench;
mod codegen;
mod dictionary;
mod duties;
mod sbom;
mod test;
mod wst500;

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
    /// Write the tables of the WS/T 500 documents anew from the schemas and field lists
    CodegenWst500 {
        /// The folder `cn-standards` of the test data
        #[arg(long)]
        data: std::path::PathBuf,
    },
    /// Write the coverage page of the WS/T 500 documents from the tables
    CoverageWst500,
    /// Note what the tests of the duties came to, from the output of a test run
    Duties(duties::Arguments),
    /// Print the software bill of materials (CycloneDX), from the lock file
    Sbom,
    /// Train the dictionary of stored bodies on the synthetic county
    TrainDictionary,
}

fn main() -> Result<()> {
    match Arguments::parse().command {
        Command::Test(arguments) => test::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Codegen(arguments) => codegen::run(&arguments),
        Command::CodegenWst500 { data } => wst500::run(&data),
        Command::CoverageWst500 => wst500::coverage(),
        Command::Duties(arguments) => duties::run(&arguments),
        Command::Sbom => sbom::run(),
        Command::TrainDictionary => dictionary::train(),
    }
}

/// Runs a program and fails when it does.
fn shell(program: &str, arguments: &[&str]) -> Result<()> {
    println!("$ {program} {}", arguments.join(" "));
    let mut process = Process::new(program);
    process.args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
    // What Cargo tells this program about itself is not for the builds that it starts: build scripts would run again.
    for (name, _) in std::env::vars_os() {
        if name
            .to_str()
            .is_some_and(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_"))
        {
            process.env_remove(name);
        }
    }
    let status = process.status().with_context(|| format!("cannot run {program}"))?;
    ensure!(status.success(), "{program} {} failed", arguments.join(" "));
    Ok(())
}
