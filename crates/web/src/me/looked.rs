//! *Who looked at my record*: grouped by visit, in words, with a proof for each line.

use std::sync::Arc;

use askama::Template;
use data_encoding::HEXLOWER;
use tongmai_access::Operation;
use tongmai_audit::Entry;
use tongmai_engine::{Failure, Outcome};
use tongmai_http::{Answer, Asked};

use super::request::{self, Kind};
use super::{Person, chosen, people};
use crate::account::Form;
use crate::format::When;
use crate::frame::Frame;
use crate::language::Language;
use crate::{Site, asset, framed, problem, render, reply};

/// Reads on the page.
const READS: usize = 300;

/// Reads of one person on one day.
struct Visit {
    day: String,
    first: String,
    last: String,
    /// Name of who looked, and of their organisation.
    who: String,
    organization: String,
    purpose: String,
    /// Kinds of what was shown, in words.
    kinds: Vec<String>,
    /// The same as one text.
    shown: String,
    items: i64,
    reads: i64,
    emergency: bool,
    own: bool,
    /// Where the newest of the reads is proved.
    place: u64,
    record: u64,
    actor: String,
}

#[derive(Template)]
#[template(path = "me/looked.html")]
struct Looked {
    page: Frame,
    l: Language,
    person: Person,
    others: Vec<Person>,
    visits: Vec<Visit>,
    total: i64,
    whole: bool,
    witnessed: Option<String>,
    asked: bool,
}

framed!(Looked);

/// The category of a resource type, as family accounts are released by.
pub fn category(kind: &str) -> &'static str {
    match kind {
        "Observation" | "DiagnosticReport" | "Specimen" | "ImagingStudy" => "results",
        "MedicationRequest" | "MedicationStatement" | "MedicationDispense" | "MedicationAdministration" => {
            "medicines"
        }
        "Condition" | "AllergyIntolerance" | "FamilyMemberHistory" => "problems",
        "Encounter" | "Procedure" | "CarePlan" | "Appointment" | "ServiceRequest" | "Immunization" => {
            "visits"
        }
        "Patient" | "RelatedPerson" | "Person" => "identity",
        "Claim" | "ClaimResponse" | "ExplanationOfBenefit" | "Coverage" => "payment",
        _ => "other",
    }
}

/// Who an account is, in words: name and organisation.
pub fn who(site: &Site, actor: &str, l: Language) -> (String, String) {
    let account = site.accounts.as_ref().and_then(|accounts| accounts.account(actor));
    match account {
        Some(account) => (account.name, account.organization_name),
        None => (l.code("actor", actor).into_owned(), String::new()),
    }
}

/// Names of kinds, each once.
fn kinds(site: &Site, entry: &Entry, person: &Person, l: Language) -> Outcome<Vec<String>> {
    let types = site.engine.types_at(&entry.shown)?;
    let released = |kind: &&&str| match &person.categories {
        Some(categories) => categories.iter().any(|one| one == category(kind)),
        None => true,
    };
    Ok(types.iter().filter(released).map(|kind| l.code("type", kind).into_owned()).collect())
}

/// The reads of a person, grouped by who looked on a day.
fn visits(site: &Site, person: &Person, l: Language) -> Outcome<(Vec<Visit>, i64, bool)> {
    let Some(trail) = &site.trail else { return Ok((Vec::new(), 0, true)) };
    trail.follow(&site.engine, &site.access)?;
    let mut records = Vec::new();
    for patient in &person.patients {
        records.extend(site.engine.record_of(patient)?);
    }
    let reads = trail.of_records(&records, READS)?;
    let mut visits: Vec<Visit> = Vec::new();
    let mut gaps = false;
    let mut next: std::collections::HashMap<u64, u64> = std::collections::HashMap::new();
    let total = reads.len() as i64;
    for (place, entry) in reads {
        // Newest first: the counter of a record falls by one each time.
        let expected = next.insert(entry.record, entry.count - 1);
        gaps |= expected.is_some_and(|expected| expected != entry.count);
        let kinds = kinds(site, &entry, person, l)?;
        if kinds.is_empty() && !person.own {
            continue;
        }
        let when = When::moment(entry.time);
        let (day, time) = (when.date(), when.show().split(' ').nth(1).unwrap_or("").to_owned());
        let emergency = entry.purpose == "ETREAT";
        let same = visits
            .iter_mut()
            .find(|visit| visit.day == day && visit.actor == entry.actor && visit.emergency == emergency);
        match same {
            Some(visit) => {
                visit.first = time;
                visit.items += entry.shown.len() as i64;
                visit.reads += 1;
                for kind in kinds {
                    if !visit.kinds.contains(&kind) {
                        visit.kinds.push(kind);
                    }
                }
            }
            None => {
                let (who, organization) = who(site, &entry.actor, l);
                visits.push(Visit {
                    day,
                    first: time.clone(),
                    last: time,
                    who,
                    organization,
                    purpose: l.code("purpose", &entry.purpose).into_owned(),
                    kinds,
                    shown: String::new(),
                    items: entry.shown.len() as i64,
                    reads: 1,
                    emergency,
                    own: entry.actor == site.requester.actor,
                    place,
                    record: entry.record,
                    actor: entry.actor,
                });
            }
        }
    }
    for visit in &mut visits {
        visit.shown = visit.kinds.join(&l.say("comma"));
    }
    Ok((visits, total, !gaps))
}

/// `/me/looked?of=…`
pub async fn page(site: &Arc<Site>, asked: &Asked, frame: Frame) -> Outcome<Answer> {
    let page = frame.in_section("nav-looked");
    let l = page.language;
    let person = chosen(site, page.parameter("of"))?;
    let (of, asked_before) = (person.clone(), page.parameter("asked").is_some());
    let (visits, total, whole) = site.work(move |site| visits(site, &of, l)).await?;
    let others = people(site).into_iter().filter(|other| *other != person).collect();
    let witnessed = site.trail.as_ref().and_then(|trail| {
        let (head, witnesses) = (trail.head()?, trail.witnesses());
        witnesses.is_witnessed(&head).then(|| witnesses.of(&head).join(", "))
    });
    // What this page showed of the log is itself a read of the log, and stands in it.
    let looked = Looked { l, page, person, others, visits, total, whole, witnessed, asked: asked_before };
    let sealed = tongmai_access::Sealed::new(looked, Operation::Page, Vec::new());
    let looked = site.release(sealed).await?.into_inner();
    render(asked, 200, &looked)
}

#[derive(Template)]
#[template(path = "me/proof.html")]
struct ProofPage {
    page: Frame,
    l: Language,
    who: String,
    organization: String,
    when: When,
    text: String,
    salt: String,
    commitments: String,
    index: u64,
    time: i64,
    path: String,
    size: u64,
    root: String,
    profile: &'static str,
    key: String,
    signature: String,
    witnesses: String,
    script: &'static str,
}

framed!(ProofPage);

/// `/me/looked/{place}/{record}`: the proof that a read is in the log.
pub async fn proof(
    site: &Arc<Site>,
    asked: &Asked,
    frame: Frame,
    place: &str,
    record: &str,
) -> Outcome<Answer> {
    let page = frame.in_section("nav-looked");
    let l = page.language;
    let unknown = || Failure::not_found("this entry of the log");
    let place: u64 = place.parse().map_err(|_| unknown())?;
    let record: u64 = record.parse().map_err(|_| unknown())?;
    let patients: Vec<Person> = people(site);
    let found = site
        .work(move |site| -> Outcome<_> {
            let mut own = false;
            for patient in patients.iter().flat_map(|person| &person.patients) {
                own |= site.engine.record_of(patient)? == Some(record);
            }
            match &site.trail {
                Some(trail) if own => trail.proof(place, record),
                _ => Ok(None),
            }
        })
        .await?;
    let Some(proof) = found else {
        // A read of the last seconds has no signed head yet.
        return Ok(problem::show(asked, page, 404, "lost", &l.say("proof-later")));
    };
    let hex = |hashes: &[tongmai_audit::Hash]| {
        hashes.iter().map(|hash| HEXLOWER.encode(hash)).collect::<Vec<_>>().join(" ")
    };
    let (who, organization) = who(site, &proof.entry.actor, l);
    let witnesses = site.trail.as_ref().map(|trail| trail.witnesses()).unwrap_or_default();
    let shown = ProofPage {
        who,
        organization,
        when: When::moment(proof.entry.time),
        text: proof.entry.text(),
        salt: HEXLOWER.encode(&proof.salt),
        commitments: hex(&proof.commitments),
        index: proof.index,
        time: proof.entry.time,
        path: hex(&proof.path),
        size: proof.head.head.size,
        root: proof.head.head.root.clone(),
        profile: proof.head.head.profile.name(),
        key: proof.head.signature.key.clone(),
        signature: proof.head.signature.signature.clone(),
        witnesses: witnesses.of(&proof.head).join(", "),
        script: asset::address("proof.mjs"),
        l,
        page,
    };
    render(asked, 200, &shown)
}

/// `POST /me/looked`: a resident asks about a read, complains, or blocks who looked.
pub async fn ask(site: &Arc<Site>, asked: &Asked) -> Outcome<Answer> {
    let form = Form::of(asked)?;
    let person = chosen(site, Some(form.field("of")))?;
    let about = format!("{} {} {}", form.field("day"), form.field("who"), form.field("organization"));
    let kind = match form.field("act") {
        "complain" => Kind::Complaint,
        "block" => Kind::Restriction,
        _ => Kind::Question,
    };
    request::write(site, &person, kind, about.trim()).await?;
    Ok(reply::lead(&format!("/me/looked?of={}&asked=1", person.id()), &[]))
}
