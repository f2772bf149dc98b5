//! `tongmai engage …`: participation from the command line.

use crate::input::read_text;
use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use serde_json::Value;
use std::path::{Path, PathBuf};
use tongmai_base::Finding;
use tongmai_engagement::preference;

/// Arguments of `tongmai engage`.
#[derive(Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Estimate what people prefer from choice tasks (a row an alternative).
    Preference(PreferenceArguments),
}

#[derive(Args)]
struct PreferenceArguments {
    /// Table of alternatives with a header line (.csv, .csv.gz, .csv.zst or -).
    #[arg(long = "in", value_name = "FILE")]
    input: PathBuf,
    /// JSON with at least `columns`, `choice` and `stratum`.
    #[arg(long, value_name = "FILE")]
    spec: PathBuf,
    /// Where to write the estimate as JSON; standard output when absent.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Runs one participation command.
pub fn run(arguments: &Arguments) -> Result<()> {
    match &arguments.command {
        Command::Preference(arguments) => run_preference(arguments),
    }
}

fn run_preference(arguments: &PreferenceArguments) -> Result<()> {
    let specification = serde_json::from_str(&read_text(&arguments.spec)?)
        .with_context(|| format!("{} is not a specification", arguments.spec.display()))?;
    let table = read_text(&arguments.input)?;
    let (data, findings) = preference::read(&table, &specification)?;
    show(&findings);
    let began = std::time::Instant::now();
    let estimate = preference::estimate(&data, &specification)?;
    let milliseconds = began.elapsed().as_secs_f64() * 1e3;
    eprintln!("{}: {} tasks, estimated in {milliseconds:.1} ms", estimate.model, estimate.strata);
    write_json(arguments.out.as_deref(), &estimate.to_json())
}

/// Most findings shown one by one; beyond them only their number is told.
const FINDINGS_SHOWN: usize = 20;

fn show(findings: &[Finding]) {
    for finding in findings.iter().take(FINDINGS_SHOWN) {
        eprintln!("{finding}");
    }
    if findings.len() > FINDINGS_SHOWN {
        eprintln!("… and {} more findings", findings.len() - FINDINGS_SHOWN);
    }
}

/// Writes `value` with a final newline; the same value gives the same bytes.
fn write_json(path: Option<&Path>, value: &Value) -> Result<()> {
    let mut text = serde_json::to_string_pretty(value)?;
    text.push('\n');
    match path {
        None => print!("{text}"),
        Some(path) => {
            std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
        }
    }
    Ok(())
}
