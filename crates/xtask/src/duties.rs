//! Keeps what the tests of the duties came to: `cargo test --workspace 2>&1 | cargo xtask duties --day 2026-11-27`.

use std::collections::BTreeMap;
use std::io::BufRead;

use anyhow::{Context, Result, ensure};

#[derive(clap::Args)]
pub struct Arguments {
    /// The day of the run.
    #[arg(long)]
    day: String,
}

/// Reads the output of a test run from the standard input, and notes each test of the table that it names.
/// What it does not name keeps its last result.
pub fn run(arguments: &Arguments) -> Result<()> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../web");
    let table = std::fs::read_to_string(format!("{folder}/duties.tsv")).context("the table of duties")?;
    let results = format!("{folder}/duties.results.tsv");
    let mut known: BTreeMap<String, (String, String)> = std::fs::read_to_string(&results)
        .unwrap_or_default()
        .lines()
        .filter_map(|line| {
            let mut cells = line.split('\t').map(str::to_owned);
            Some((cells.next()?, (cells.next()?, cells.next()?)))
        })
        .collect();
    let tests: Vec<&str> = table.lines().skip(1).filter_map(|line| line.split('\t').nth(6)).collect();
    known.retain(|test, _| tests.contains(&test.as_str()));
    let mut seen = 0;
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let Some((path, result)) = line.strip_prefix("test ").and_then(|rest| rest.split_once(" ... "))
        else {
            continue;
        };
        let name = path.rsplit("::").next().unwrap_or(path);
        for test in tests.iter().filter(|test| test.split("::").nth(1) == Some(name)) {
            let result = if result.trim() == "ok" { "ok" } else { "failed" };
            known.insert((*test).to_owned(), (result.to_owned(), arguments.day.clone()));
            seen += 1;
        }
    }
    ensure!(seen > 0, "no test of the table was run: give the output of cargo test");
    let lines = known.iter().map(|(test, (result, day))| format!("{test}\t{result}\t{day}\n"));
    std::fs::write(&results, lines.collect::<String>())?;
    let failed = known.values().filter(|(result, _)| result != "ok").count();
    println!("{seen} results noted; {} of {} tests have one, {failed} failed", known.len(), tests.len());
    Ok(())
}
