//! `tongmai drg check` and `tongmai drg diff`: the pack workshop.

use super::files;
use crate::input;
use anyhow::{Result, bail};
use clap::Args;
use std::io::BufRead;
use std::path::PathBuf;
use tongmai_base::Severity;
use tongmai_drg::{Case, Grouper, check as checks, diff as diffs, witness};

/// Arguments of `drg check`.
#[derive(Args)]
pub struct CheckArguments {
    /// The rule pack.
    #[arg(long, value_name = "PACK")]
    pack: PathBuf,
    /// Folder of the tables of an OpenDRG JSON.
    #[arg(long, value_name = "DIR")]
    tables: Option<PathBuf>,
    /// Also look for a case of every group, and name the groups that none was found for.
    #[arg(long)]
    witness: bool,
    /// Fail when there is an error.
    #[arg(long)]
    strict: bool,
}

/// Runs `drg check`.
pub fn check(arguments: &CheckArguments) -> Result<()> {
    let pack = files::open_pack(&arguments.pack, arguments.tables.as_deref())?;
    let findings = checks::check(&pack);
    for remark in &pack.manifest.remarks {
        println!("import: {remark}");
    }
    for finding in &findings {
        println!("{finding}");
    }
    let of = |severity| findings.iter().filter(|f| f.severity == severity).count();
    let errors = of(Severity::Error);
    println!(
        "{}: {errors} errors, {} warnings, {} remarks",
        pack.manifest.id,
        of(Severity::Warning),
        of(Severity::Information)
    );
    if arguments.witness {
        let found = witness::witnesses(&pack, &Grouper::new(&pack));
        let missing: Vec<&str> =
            found.iter().filter(|(_, case)| case.is_none()).map(|(code, _)| code.as_str()).collect();
        println!(
            "{} of {} groups are reached; not reached: {}",
            found.len() - missing.len(),
            found.len(),
            missing.join(" ")
        );
    }
    if arguments.strict && errors > 0 {
        bail!("{errors} errors");
    }
    Ok(())
}

/// Arguments of `drg diff`.
#[derive(Args)]
pub struct DiffArguments {
    /// The pack before.
    old: PathBuf,
    /// The pack after.
    new: PathBuf,
    /// Folder of the tables of OpenDRG JSONs.
    #[arg(long, value_name = "DIR")]
    tables: Option<PathBuf>,
    /// Cases to group with both (.jsonl, packed or -).
    #[arg(long, value_name = "FILE")]
    cases: Option<PathBuf>,
}

/// Runs `drg diff`.
pub fn diff(arguments: &DiffArguments) -> Result<()> {
    let tables = arguments.tables.as_deref();
    let old = files::open_pack(&arguments.old, tables)?;
    let new = files::open_pack(&arguments.new, tables)?;
    let changes = diffs::rules(&old, &new);
    for change in &changes {
        println!("{}\t{}\t{}", change.what, change.code, change.change);
    }
    println!("{} changes from {} to {}", changes.len(), old.manifest.id, new.manifest.id);
    let Some(cases) = &arguments.cases else { return Ok(()) };
    let opened = input::open(cases)?;
    let lines: Vec<String> = opened.reader.lines().collect::<Result<_, _>>()?;
    opened.progress.finish_and_clear();
    let cases = lines.iter().filter_map(|line| Case::from_json(line).ok());
    let moves = diffs::moves(&Grouper::new(&old), &Grouper::new(&new), cases);
    let (mut all, mut moved) = (0, 0);
    for ((from, to), count) in &moves {
        all += count;
        if from != to {
            moved += count;
            println!("{from}\t{to}\t{count}");
        }
    }
    println!("{moved} of {all} cases change their group");
    Ok(())
}
