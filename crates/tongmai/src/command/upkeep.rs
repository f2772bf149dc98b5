//! `tongmai verify`, `backup`, `restore` and `doctor`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};
use tongmai_engine::Validation;
use tongmai_vault::seal::Suite;

use crate::installation::{Installation, Place, store_file};
use crate::master_key;
use crate::volume::{self, Volume};

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
    /// The log of erasures of the installation (its file 'erasures'), where the folder has none: what was erased
    /// since the backup is erased again.
    #[arg(long, value_name = "FILE")]
    erasures: Option<PathBuf>,
    /// The keys of the installation (its folder 'keys'), where bodies are sealed and the folder has none.
    #[arg(long, value_name = "DIR")]
    keys: Option<PathBuf>,
}

pub fn restore(arguments: &RestoreArguments) -> Result<()> {
    let target = store_file(&arguments.place.data);
    if target.exists() {
        bail!("{} holds a store already: restore into an empty folder", arguments.place.data.display());
    }
    std::fs::create_dir_all(&arguments.place.data)?;
    let bring = |from: &Path, to: PathBuf| -> Result<()> {
        if to.exists() {
            bail!("{} is there already: leave the option out, or move it away", to.display());
        }
        std::fs::copy(from, &to).with_context(|| format!("cannot copy {}", from.display()))?;
        Ok(())
    };
    let erasures = arguments.place.data.join("erasures");
    match &arguments.erasures {
        Some(file) => bring(file, erasures)?,
        None if !erasures.exists() => println!(
            "no log of erasures: what was erased since the backup is in it again (give --erasures FILE)"
        ),
        None => {}
    }
    if let Some(keys) = &arguments.keys {
        std::fs::create_dir_all(arguments.place.data.join("keys"))?;
        bring(&keys.join("table"), arguments.place.data.join("keys").join("table"))?;
    }
    std::fs::copy(&arguments.from, &target)
        .with_context(|| format!("cannot copy {}", arguments.from.display()))?;
    verify(&VerifyArguments { place: arguments.place.clone() })
}

/// How what lies on the disk is protected.
fn protection(installation: &Installation) -> Result<Vec<(bool, String)>> {
    let mut told = Vec::new();
    match (installation.vault.keyring(), &installation.key_file) {
        (Some(ring), Some(file)) => {
            let (keys, destroyed) = ring.count()?;
            let name = ring.suite().name();
            told.push((
                true,
                format!("bodies are sealed by {name}: {keys} keys, {} destroyed", destroyed.len()),
            ));
            let apart = !master_key::is_within(file, &installation.folder);
            let where_it_is = match apart {
                true => "lies outside of the data folder",
                false => "lies in the folder that it protects, which protects nobody (the demo does so)",
            };
            told.push((apart, format!("the master key {} {where_it_is}", file.display())));
        }
        _ => told
            .push((true, "bodies are not sealed: make a key with 'tongmai key', and give --key-file".into())),
    }
    let folder = installation.folder.display();
    told.push((
        true,
        match volume::below(&installation.folder) {
            Volume::Encrypted(name) => format!("{folder} lies on an encrypted volume ({name})"),
            Volume::Plain => format!(
                "{folder} lies on a volume without encryption: index rows and waiting messages can be \
                 read by who takes the disk; put it on LUKS with the key in a TPM"
            ),
            Volume::Unknown => format!("whether {folder} lies on an encrypted volume cannot be told"),
        },
    ));
    if installation.remote_store {
        told.push((true, "whether the database lies on an encrypted volume must be looked up there".into()));
    }
    Ok(told)
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
            for (good, what) in protection(&installation)? {
                say(good, &what);
            }
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
