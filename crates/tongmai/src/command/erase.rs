//! `tongmai erase`: every trace of a person leaves an installation. `tongmai key`: a new master key.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use tongmai_access::Requester;
use tongmai_blob::{Blobs, Digest};
use tongmai_engine::erase::Traces;
use tongmai_engine::{Engine, Validation};
use tongmai_gateway::pipeline::queue::Queue;

use crate::installation::{Installation, Place, VIEWS, now};
use crate::master_key;

#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    place: Place,
    /// Id of a Patient. The records that are linked to it as one person are erased too.
    #[arg(long, value_name = "ID")]
    patient: String,
    /// Erase the record of this patient alone.
    #[arg(long)]
    only: bool,
    /// Say what would be erased, and erase nothing.
    #[arg(long)]
    dry_run: bool,
}

/// Erases a person. The server must be stopped: the store is written anew, and views are counted again.
pub fn run(arguments: &Arguments) -> Result<()> {
    let installation = Installation::open(&arguments.place, Validation::Accept)?;
    let engine = &installation.engine;
    let patients = patients(&installation, arguments)?;
    let traces = engine.traces(&patients).map_err(|failure| anyhow!("{failure}"))?;
    println!(
        "{} records, {} resources of patients {}",
        traces.records.len(),
        traces.count(),
        patients.join(", ")
    );
    for mention in &traces.mentions {
        println!("  {mention} tells a number of this person and belongs to others too: look at it yourself");
    }
    if arguments.dry_run {
        println!("nothing was erased: this was a dry run");
        return Ok(());
    }
    let queued = empty_queue(&installation.folder.join("queue"), &traces)?;
    let blobs = remove_blobs(&installation.folder.join("blobs"), &traces)?;
    let erased = erase(engine, &traces)?;
    // The keys go last: what the rows of an index are is worked out from the bodies.
    if let Some(keyring) = installation.vault.keyring() {
        keyring.destroy(&Engine::record_keys(&traces))?;
    }
    engine.store().leave_no_trace()?;
    let folder = installation.folder.clone();
    drop(installation);
    // Views and exports hold what they were made of. Both can be made again, without it.
    for name in [VIEWS, "exports"] {
        remove_folder(&folder.join(name))?;
    }
    println!("erased: {erased} resources, {blobs} blobs, {queued} waiting messages; views are counted again");
    println!(
        "copies outside of {} (backups, exports that were sent) are not reached from here:",
        folder.display()
    );
    println!(
        "  a backup has these erasures done again before it serves, from {}",
        folder.join("erasures").display()
    );
    Ok(())
}

/// The patient, and those that are linked to it.
fn patients(installation: &Installation, arguments: &Arguments) -> Result<Vec<String>> {
    let id = &arguments.patient;
    if arguments.only {
        return Ok(vec![id.clone()]);
    }
    let requester = Requester::installation("erasure", "HCOMPL");
    let sight = installation.access.sight(&requester);
    let person = installation.engine.person(&sight, id).map_err(|failure| anyhow!("{failure}"))?;
    let person = installation.access.release_blocking(&requester, person)?.into_inner();
    let mut ids: Vec<String> = person.members.into_iter().map(|member| member.resource.id).collect();
    if !ids.contains(id) {
        ids.push(id.clone());
    }
    ids.sort();
    Ok(ids)
}

fn erase(engine: &Engine, traces: &Traces) -> Result<usize> {
    let requester = Requester::installation("erasure", "HCOMPL");
    let sight = tongmai_access::Policy::Open.sight(&requester);
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    runtime.block_on(engine.erase(&sight, traces)).map_err(|failure| anyhow!("{failure}"))
}

/// Removes the waiting messages that hold a number of the person.
fn empty_queue(folder: &Path, traces: &Traces) -> Result<usize> {
    if !folder.is_dir() {
        return Ok(0);
    }
    let queue = Queue::open(folder)?;
    let mut removed = 0;
    for message in queue.waiting() {
        let bytes = queue.bytes(&message.number)?;
        if traces.stand_in(&bytes) {
            queue.done(&message.number)?;
            removed += 1;
        }
    }
    Ok(removed)
}

fn remove_blobs(folder: &Path, traces: &Traces) -> Result<usize> {
    if !folder.is_dir() {
        return Ok(0);
    }
    let blobs = Blobs::open(folder)?;
    let mut removed = 0;
    for digest in traces.blobs.iter().filter_map(|name| Digest::parse(name)) {
        removed += usize::from(blobs.remove(digest)?);
    }
    Ok(removed)
}

fn remove_folder(folder: &Path) -> Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot empty {}", folder.display()))
        }
        _ => Ok(()),
    }
}

#[derive(clap::Args)]
pub struct KeyArguments {
    /// The file; it must not exist. Keep it outside of the data folder, and a copy where neither can burn.
    file: PathBuf,
}

pub fn key(arguments: &KeyArguments) -> Result<()> {
    master_key::make(&arguments.file)?;
    println!(
        "{} holds a new master key, made {}: without it nothing that was sealed under it opens again",
        arguments.file.display(),
        tongmai_base::time::Instant(now()).to_fhir()
    );
    Ok(())
}
