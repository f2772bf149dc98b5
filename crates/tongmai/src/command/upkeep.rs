//! `tongmai verify`, `backup`, `restore` and `doctor`.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};
use tongmai_engine::Validation;

use crate::installation::{Installation, Place, store_file};

#[derive(clap::Args)]
pub struct VerifyArguments {
    #[command(flatten)]
    place: Place,
}

pub fn verify(arguments: &VerifyArguments) -> Result<()> {
    let installation = Installation::open(&arguments.place, Validation::Accept)?;
    let progress = ProgressBar::new(1);
    progress.set_style(ProgressStyle::with_template("verifying {bar:32} {percent}%  ETA {eta}")?);
    let report = installation
        .engine
        .verify(&mut |done, of| {
            progress.set_length(of);
            progress.set_position(done);
        })
        .map_err(|failure| anyhow::anyhow!("{failure}"))?;
    progress.finish_and_clear();
    println!(
        "{} events, {} heads of the hash chain, {} index rows",
        report.events, report.heads, report.rows
    );
    let name = |type_id| tongmai_fhir::definition::resource_type_name(type_id).unwrap_or("?");
    for (type_id, count) in &report.accepted {
        println!(
            "  {count} of type {} were accepted although they break a rule: see [type]/[id]/$findings",
            name(*type_id)
        );
    }
    for ((from, to), count) in &report.dangling {
        println!("  {count} references of {} point at a {} that is not here", name(*from), name(*to));
    }
    if report.faults.is_empty() {
        println!("whole: the chain verifies and every index equals its rebuild");
        return Ok(());
    }
    for fault in &report.faults {
        println!("  {fault}");
    }
    bail!("the store is damaged: restore the last backup, and keep this one for inspection")
}

#[derive(clap::Args)]
pub struct BackupArguments {
    #[command(flatten)]
    place: Place,
    /// The file to write; it must not exist.
    #[arg(long, value_name = "FILE")]
    to: PathBuf,
}

pub fn backup(arguments: &BackupArguments) -> Result<()> {
    if arguments.place.store.is_some() {
        bail!("a store on PostgreSQL is backed up by its own tools: pg_basebackup or pg_dump");
    }
    // The store is opened beside a running server: a backup is a read.
    let store = tongmai_store_sqlite::SqliteStore::open(&store_file(&arguments.place.data))?;
    let progress = ProgressBar::new(1);
    progress.set_style(ProgressStyle::with_template("backing up {bar:32} {percent}%  ETA {eta}")?);
    tongmai_store::Store::backup(&store, &arguments.to, &mut |done, of| {
        progress.set_length(of);
        progress.set_position(done);
    })?;
    progress.finish_and_clear();
    println!("{} holds the store as it was now", arguments.to.display());
    Ok(())
}

#[derive(clap::Args)]
pub struct RestoreArguments {
    #[command(flatten)]
    place: Place,
    /// The backup.
    #[arg(long, value_name = "FILE")]
    from: PathBuf,
}

pub fn restore(arguments: &RestoreArguments) -> Result<()> {
    let target = store_file(&arguments.place.data);
    if target.exists() {
        bail!("{} holds a store already: restore into an empty folder", arguments.place.data.display());
    }
    std::fs::create_dir_all(&arguments.place.data)?;
    std::fs::copy(&arguments.from, &target)
        .with_context(|| format!("cannot copy {}", arguments.from.display()))?;
    verify(&VerifyArguments { place: arguments.place.clone() })
}

#[derive(clap::Args)]
pub struct DoctorArguments {
    #[command(flatten)]
    place: Place,
}

pub fn doctor(arguments: &DoctorArguments) -> Result<()> {
    let mut sound = true;
    let mut say = |good: bool, what: &str| {
        sound &= good;
        println!("{} {what}", if good { "ok  " } else { "BAD " });
    };
    let folder = &arguments.place.data;
    match Installation::open(&arguments.place, Validation::Accept) {
        Ok(installation) => {
            say(true, &format!("the store in {} opens", folder.display()));
            let snapshot = installation.engine.store().snapshot()?;
            say(true, &format!("{} events in the ledger", snapshot.position()));
            drop(snapshot);
            for (name, bytes) in installation.engine.store().size()? {
                say(true, &format!("{name}: {:.1} MB", bytes as f64 / 1e6));
            }
            let mut reads = 0u64;
            installation.access.entries(&mut |_| reads += 1)?;
            say(true, &format!("{reads} entries in the read log"));
        }
        Err(error) => say(false, &format!("{error:#}")),
    }
    let begun = std::time::Instant::now();
    let probe = folder.join("doctor.probe");
    let synced = (|| -> std::io::Result<()> {
        use std::io::Write;
        let mut file = std::fs::File::create(&probe)?;
        for _ in 0..20 {
            file.write_all(&[0; 4096])?;
            file.sync_data()?;
        }
        Ok(())
    })();
    let _ = std::fs::remove_file(&probe);
    match synced {
        Ok(()) => {
            let each = begun.elapsed().as_secs_f64() / 20.0 * 1000.0;
            say(each < 50.0, &format!("a durable write takes {each:.2} ms"));
        }
        Err(error) => say(false, &format!("the folder cannot be written: {error}")),
    }
    let year = crate::installation::now() / 31_557_600_000 + 1970;
    say((2026..2100).contains(&year), &format!("the clock says it is {year}"));
    if !sound {
        bail!("something needs your attention");
    }
    Ok(())
}
