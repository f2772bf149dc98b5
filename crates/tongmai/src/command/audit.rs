//! `tongmai audit`: checks the log of reads, and what a witness does with it.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Subcommand;
use data_encoding::HEXLOWER;
use ring::rand::SystemRandom;
use ring::signature::Ed25519KeyPair;
use serde::{Deserialize, Serialize};
use tongmai_audit::witness::Watched;
use tongmai_audit::{Cosignature, SignedHead, Witnesses, head};
use tongmai_engine::Validation;

use crate::installation::{Installation, Place};
use crate::login;

#[derive(clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Check every leaf, counter, head and signature, and each leaf against the log of reads.
    Verify(Verify),
    /// Print the newest head with the proof that it extends an older one, for a witness.
    Head(Head),
    /// As a witness: cosign a head if it extends the one seen before.
    Cosign(Cosign),
    /// Take in the signature of a witness.
    Take(Take),
    /// Name a witness by its public key.
    Witness(NameWitness),
}

#[derive(clap::Args)]
struct Verify {
    #[command(flatten)]
    place: Place,
}

#[derive(clap::Args)]
struct Head {
    #[command(flatten)]
    place: Place,
    /// Leaves of the head that the witness saw last.
    #[arg(long, default_value_t = 0)]
    since: u64,
}

#[derive(clap::Args)]
struct Cosign {
    /// Folder in which the witness keeps its key and what it saw.
    #[arg(long, value_name = "DIR")]
    keep: PathBuf,
    /// What `tongmai audit head` printed.
    head: PathBuf,
}

#[derive(clap::Args)]
struct Take {
    #[command(flatten)]
    place: Place,
    /// What `tongmai audit cosign` printed.
    cosignature: PathBuf,
}

#[derive(clap::Args)]
struct NameWitness {
    #[command(flatten)]
    place: Place,
    /// Name of the witness.
    name: String,
    /// Its public key, as `tongmai audit cosign` prints it.
    key: String,
    /// How many witnesses must cosign before pages say that a head is witnessed.
    #[arg(long, default_value_t = 1)]
    needed: usize,
}

/// A head with its proof, as it goes to a witness.
#[derive(Serialize, Deserialize)]
struct Sent {
    head: SignedHead,
    proof: Vec<String>,
}

/// What comes back.
#[derive(Serialize, Deserialize)]
struct Returned {
    size: u64,
    cosignature: Cosignature,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    match &arguments.what {
        What::Verify(verify) => check(&verify.place),
        What::Head(asked) => {
            let installation = Installation::open(&asked.place, Validation::Accept)?;
            let trail = login::trail(&installation.folder)?;
            trail.follow(&installation.engine, &installation.access).map_err(|f| anyhow::anyhow!("{f}"))?;
            let Some((head, proof)) = trail.consistency(asked.since) else {
                bail!("there is no head that extends one of {} leaves", asked.since);
            };
            let proof = proof.iter().map(|hash| HEXLOWER.encode(hash)).collect();
            println!("{}", serde_json::to_string(&Sent { head, proof })?);
            Ok(())
        }
        What::Cosign(asked) => cosign(asked),
        What::Take(asked) => {
            let installation = Installation::open(&asked.place, Validation::Accept)?;
            let returned: Returned = serde_json::from_slice(&std::fs::read(&asked.cosignature)?)?;
            let trail = login::trail(&installation.folder)?;
            let done = trail.cosigned(returned.size, returned.cosignature);
            done.map_err(|failure| anyhow::anyhow!("{failure}"))?;
            println!("the head of {} leaves is cosigned", returned.size);
            Ok(())
        }
        What::Witness(named) => {
            let file = named.place.data.join("audit").join("witnesses.json");
            std::fs::create_dir_all(named.place.data.join("audit"))?;
            let known = std::fs::read(&file).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
            let mut witnesses: Witnesses = known.unwrap_or_default();
            witnesses.needed = named.needed;
            witnesses.known.retain(|(name, _)| *name != named.name);
            witnesses.known.push((named.name.clone(), named.key.clone()));
            std::fs::write(&file, serde_json::to_vec_pretty(&witnesses)?)?;
            println!("{} of {} witnesses are needed", witnesses.needed, witnesses.known.len());
            Ok(())
        }
    }
}

fn check(place: &Place) -> Result<()> {
    let installation = Installation::open(place, Validation::Accept)?;
    let trail = login::trail(&installation.folder)?;
    let report = trail.verify(&installation.engine, &installation.access);
    let report = report.map_err(|failure| anyhow::anyhow!("{failure}"))?;
    println!("{} reads, {} leaves, {} heads", report.reads, report.leaves, report.heads);
    match report.witnesses.is_empty() {
        true => println!("the newest head is not witnessed"),
        false => println!("the newest head is cosigned by {}", report.witnesses.join(", ")),
    }
    println!("a read that was never logged cannot be found by a proof");
    if report.faults.is_empty() {
        println!("whole: leaves, counters and heads agree with the log of reads");
        return Ok(());
    }
    for fault in &report.faults {
        println!("  {fault}");
    }
    bail!("the log of reads was changed: keep it as it is, and tell the witnesses")
}

fn pair(folder: &Path) -> Result<Ed25519KeyPair> {
    std::fs::create_dir_all(folder)?;
    let file = folder.join("witness.p8");
    if !file.exists() {
        let made = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new());
        let made = made.map_err(|_| anyhow::anyhow!("no key could be made"))?;
        std::fs::write(&file, made.as_ref())?;
    }
    let bytes = std::fs::read(&file)?;
    Ed25519KeyPair::from_pkcs8(&bytes).map_err(|_| anyhow::anyhow!("{} is no key", file.display()))
}

fn cosign(asked: &Cosign) -> Result<()> {
    let pair = pair(&asked.keep)?;
    let sent: Sent = serde_json::from_slice(&std::fs::read(&asked.head)?).context("the head is none")?;
    let file = asked.keep.join("seen.json");
    let mut watched = match std::fs::read(&file) {
        Ok(bytes) => serde_json::from_slice(&bytes)?,
        // The first head is trusted: whoever begins to watch takes the log's key with it.
        Err(_) => Watched { log_key: sent.head.signature.key.clone(), seen: None },
    };
    let mut proof = Vec::new();
    for hash in &sent.proof {
        let bytes = HEXLOWER.decode(hash.as_bytes()).ok().and_then(|bytes| bytes.try_into().ok());
        proof.push(bytes.context("a hash of the proof is none")?);
    }
    let cosignature = match watched.cosign(&sent.head, &proof, &pair) {
        Ok(cosignature) => cosignature,
        Err(alarm) => bail!("ALARM, nothing was cosigned: {alarm:?}; seen before: {:?}", watched.seen),
    };
    std::fs::write(&file, serde_json::to_vec(&watched)?)?;
    eprintln!("witness key {}", head::public_key(&pair));
    println!("{}", serde_json::to_string(&Returned { size: sent.head.head.size, cosignature })?);
    Ok(())
}
