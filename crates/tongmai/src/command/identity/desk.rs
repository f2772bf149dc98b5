//! `tongmai identity desk` and its rulings: who is who in an installation.

use anyhow::{Result, bail};
use std::fmt::Write as _;
use tongmai_access::Requester;
use tongmai_base::time::Instant;
use tongmai_engine::person::ruling::{Kind, Ruling};
use tongmai_engine::person::{FIELDS, Member, Weighed};
use tongmai_engine::{Failure, Validation};

use crate::installation::{Installation, Place};

#[derive(clap::Args)]
pub struct Desk {
    #[command(flatten)]
    place: Place,
    /// Most pairs that are shown.
    #[arg(long, default_value_t = 20)]
    most: usize,
}

#[derive(clap::Args)]
pub struct History {
    /// Id of a Patient.
    patient: String,
    #[command(flatten)]
    place: Place,
}

/// A decision on some patients, with who and why.
#[derive(clap::Args)]
pub struct Decision {
    /// Ids of Patients.
    #[arg(required = true)]
    patients: Vec<String>,
    /// Why.
    #[arg(long)]
    why: String,
    /// Who decides.
    #[arg(long)]
    who: String,
    #[command(flatten)]
    place: Place,
}

#[derive(clap::Args)]
pub struct Undo {
    /// Id of the ruling: the Provenance that `history` names.
    ruling: String,
    /// Why.
    #[arg(long)]
    why: String,
    /// Who decides.
    #[arg(long)]
    who: String,
    #[command(flatten)]
    place: Place,
}

fn said(failure: Failure) -> anyhow::Error {
    anyhow::anyhow!("{failure}")
}

/// The requester of a person who works at this machine.
fn requester(who: &str) -> Requester {
    Requester::installation(who, "HOPERAT")
}

fn id(patient: &str) -> String {
    patient.strip_prefix("Patient/").unwrap_or(patient).to_owned()
}

/// Shows the pairs that wait for a person, those first whose answer tells most.
pub fn show(arguments: &Desk) -> Result<()> {
    let installation = Installation::open(&arguments.place, Validation::Reject)?;
    let sealed = installation
        .engine
        .review_queue(&installation.access.sight(&requester("desk")), arguments.most)
        .map_err(said)?;
    let queue = installation.access.release_blocking(&requester("desk"), sealed)?;
    println!("{} records are {} persons; {} pairs wait", queue.records, queue.persons, queue.waiting);
    let counted = &queue.statistics;
    println!(
        "{} links of the rules, {:.2} of them expected to be false, {} taken apart; people ruled on {} pairs and agreed on {}",
        counted.automatic, counted.expected_false, counted.reversed, counted.ruled, counted.agreed
    );
    for (pair, proposal) in &queue.proposed {
        println!(
            "\nwaits for a second person: {} says the same, because: {}",
            proposal.actor, proposal.reason
        );
        println!("   {}\n   {}", line(&pair.left), line(&pair.right));
    }
    for (place, pair) in queue.pairs.iter().enumerate() {
        let since = Instant(pair.review.since).to_fhir();
        println!(
            "\n{}. {:.1} % one person, since {since}",
            place + 1,
            100.0 * pair.review.weighed.probability
        );
        println!("   {}\n   {}", line(&pair.left), line(&pair.right));
        println!("   {}", waterfall(&pair.review.weighed));
        if pair.needs_two {
            println!("   to call them the same takes two people");
        }
    }
    Ok(())
}

fn line(member: &Member) -> String {
    let mut out = format!("Patient/{}", member.resource.id);
    for form in &member.said.forms {
        let parts = [
            &form.name,
            &form.sex,
            &form.birth_date,
            &form.identity_number,
            &form.insurance_number,
            &form.phone,
            &form.address,
            &form.patient_number,
        ];
        out.push_str(" |");
        for part in parts.into_iter().filter(|part| !part.is_empty()) {
            let _ = write!(out, " {part}");
        }
    }
    out
}

/// Where the odds begin and what each field adds, in bits.
fn waterfall(weighed: &Weighed) -> String {
    let mut out = format!("prior {:+.1}", weighed.prior);
    for (field, bits) in FIELDS.iter().zip(weighed.evidence).filter(|(_, bits)| *bits != 0.0) {
        let _ = write!(out, ", {field} {bits:+.1}");
    }
    if weighed.objection {
        out.push_str("; something stands against linking without asking");
    }
    out
}

/// Shows the person of a patient, what survives of its records, and what was decided.
pub fn history(arguments: &History) -> Result<()> {
    let installation = Installation::open(&arguments.place, Validation::Reject)?;
    let sealed = installation
        .engine
        .person(&installation.access.sight(&requester("desk")), &id(&arguments.patient))
        .map_err(said)?;
    let person = installation.access.release_blocking(&requester("desk"), sealed)?;
    println!("person {}, version {}", person.number, person.version);
    for (field, surviving) in &person.golden {
        println!("   {field}: {}", surviving.value);
    }
    for member in &person.members {
        println!("   {}", line(member));
    }
    for entry in &person.history {
        let decision = &entry.decision;
        println!(
            "\n{} {:?} by {}: {}",
            Instant(decision.time).to_fhir(),
            decision.action,
            decision.actor,
            decision.reason
        );
        println!("   records {}", entry.records.join(", "));
        if let Some(ruling) = &entry.ruling {
            println!("   ruling {ruling}");
        }
        if let Some(refusal) = decision.refusal {
            println!("   without effect: {refusal:?}");
        }
        if let Some(weighed) = &decision.evidence {
            println!("   {}", waterfall(weighed));
        }
    }
    Ok(())
}

/// Puts patients together, or parts them, or says that two are not the same.
pub fn decide(kind: Kind, arguments: &Decision) -> Result<()> {
    if kind != Kind::Apart && arguments.patients.len() != 2 {
        bail!("name two patients");
    }
    let ruling = Ruling {
        kind,
        patients: arguments.patients.iter().map(|patient| id(patient)).collect(),
        undone: None,
        who: arguments.who.clone(),
        why: arguments.why.clone(),
    };
    write(&arguments.place, &ruling)
}

/// Takes a ruling back.
pub fn undo(arguments: &Undo) -> Result<()> {
    let id = arguments.ruling.strip_prefix("Provenance/").unwrap_or(&arguments.ruling);
    let ruling = Ruling {
        kind: Kind::Undo,
        patients: Vec::new(),
        undone: Some(id.to_owned()),
        who: arguments.who.clone(),
        why: arguments.why.clone(),
    };
    write(&arguments.place, &ruling)
}

fn write(place: &Place, ruling: &Ruling) -> Result<()> {
    let installation = Installation::open(place, Validation::Reject)?;
    let requester = requester(&ruling.who);
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let sealed = runtime
        .block_on(installation.engine.rule(&installation.access.sight(&requester), ruling))
        .map_err(said)?;
    let written = installation.access.release_blocking(&requester, sealed)?;
    let name = written.resource.as_ref().map_or("", |resource| resource.id.as_str());
    println!(
        "done: Provenance/{name} (take it back with: tongmai identity undo {name} --who NAME --why TEXT)"
    );
    Ok(())
}
