//! The way behind every door: the original is kept and what was understood is
//! committed in one transaction, and only then is there an answer.
//!
//! receive → keep the original → understand (the door) → [`link`](crate::link) → commit, put
//! together with what stands there ([`combine`](crate::combine)) → answer. The original stands as a
//! DocumentReference with the sender's identifier, a digest and the bytes. Its digest is the number
//! by which a message can be followed, and recognises one that comes twice. A message that could not
//! be understood is kept in the same way, with its first fault, for the desk of what was set aside
//! (`DocumentReference?category=set-aside`). What the store cannot take now is tried again for a
//! moment, and then waits in the [`queue`].

use std::sync::Arc;
use std::time::Duration;

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};
use tongmai_access::{Access, Requester, Sight};
use tongmai_base::{Finding, Severity};
use tongmai_engine::bundle::{EntryResult, Ids};
use tongmai_engine::write::Did;
use tongmai_engine::{Engine, Failure, Reason};
use tongmai_fhir::definition::resource_type_id;
use tongmai_fhir::json::Json;

use crate::combine::Together;
use crate::{Request, Understood, link};

pub mod channel;
pub mod original;
pub mod queue;
mod turn;

use original::State;
use turn::Turns;

/// The name under which ids are derived: the same key gives the same id, whichever door it came by.
pub(crate) const DOORS: &str = "doors";
/// How often a message is tried before its sender is told to wait.
const ATTEMPTS: u32 = 6;
/// The pause before the second attempt; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(20);

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// Committed with its original.
    Committed,
    /// The same bytes were committed before; nothing was done.
    Before,
    /// Only the original was committed; the findings say why.
    SetAside,
    /// Nothing was committed: send it again later.
    NotNow,
}

/// The end of a message's way.
#[derive(Debug)]
pub struct Receipt {
    /// The number by which the message can be followed: the SHA-256 of its bytes, in hexadecimal digits.
    pub number: String,
    /// What became of it.
    pub kept: Kept,
    /// Everything that was found on the way.
    pub findings: Vec<Finding>,
    /// What was written or found written, as `Type/id`.
    pub resources: Vec<String>,
}

/// The number of a message.
pub fn number(original: &[u8]) -> String {
    HEXLOWER.encode(&Sha256::digest(original))
}

/// Engine and log of reads, as every door uses them.
#[derive(Clone)]
pub struct Pipeline {
    engine: Arc<Engine>,
    access: Arc<Access>,
    requester: Requester,
    turns: Arc<Turns>,
}

impl Pipeline {
    /// A pipeline in the name of the gateway.
    pub fn new(engine: Arc<Engine>, access: Arc<Access>) -> Pipeline {
        let requester = Requester::installation("gateway", "HSYSADMIN");
        Pipeline { engine, access, requester, turns: Arc::default() }
    }

    /// The engine below.
    pub fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    /// The log of reads.
    pub fn access(&self) -> &Arc<Access> {
        &self.access
    }

    /// In whose name the pipeline writes.
    pub fn requester(&self) -> &Requester {
        &self.requester
    }

    /// What the pipeline may see.
    pub fn sight(&self) -> Sight {
        self.access.sight(&self.requester)
    }

    /// Commits what was understood of `original`.
    pub async fn keep(&self, mut understood: Understood, original: &[u8], content_type: &str) -> Receipt {
        let number = number(original);
        let mut findings = std::mem::take(&mut understood.findings);
        if !understood.entries.is_empty() && !is_fatal(&findings) {
            self.recall_the_stay(&mut understood).await;
            link::settle(&mut understood, &number);
            understood.entries.push(original::entry(
                &understood,
                original,
                &number,
                content_type,
                State::Understood,
                "",
            ));
            let turn = self.turns.take(&understood).await;
            let mut done = self.commit(&understood).await;
            if let Err(failure) = &done
                && failure.findings.iter().any(|finding| finding.code == "multiple-matches")
            {
                findings.push(undecided());
                stand_alone(&mut understood);
                done = self.commit(&understood).await;
            }
            drop(turn);
            match done {
                Ok(done) => {
                    findings.extend(done.older());
                    let kept = if done.is_known { Kept::Before } else { Kept::Committed };
                    return Receipt { number, kept, findings, resources: done.resources };
                }
                Err(failure) if is_passing(&failure) => return not_now(number, findings, failure),
                Err(failure) => findings.extend(failure.findings),
            }
        }
        let worst = findings.iter().max_by_key(|finding| finding.severity).map(ToString::to_string);
        let fault = worst.unwrap_or_else(|| "nothing in it was understood".to_owned());
        understood.entries.clear();
        let aside = original::entry(&understood, original, &number, content_type, State::SetAside, &fault);
        understood.entries.push(aside);
        match self.commit(&understood).await {
            // What was understood before stays so, whatever the tables say now.
            Ok(done) => Receipt { number, kept: Kept::SetAside, findings, resources: done.resources },
            Err(failure) => not_now(number, findings, failure),
        }
    }

    /// A front page or a settlement list does not name the number of the visit: it is that of the stored stay of the same patient
    /// which began in the same minute. Where none is stored yet, the stay is known by that until its number comes.
    async fn recall_the_stay(&self, understood: &mut Understood) {
        let Some((system, value)) = link::nameless_stay(understood) else { return };
        let kind = resource_type_id("Encounter").unwrap_or_default();
        let pairs =
            [("identifier".to_owned(), format!("{system}|{value}")), ("_count".to_owned(), "1".to_owned())];
        let found = self
            .engine
            .query(&[kind], None, &pairs, false)
            .and_then(|query| self.engine.search(&self.sight(), &query, None));
        let Ok(found) = found else { return };
        let Ok(found) = self.access.release(&self.requester, found).await else { return };
        let text = found.into_inner().matches.into_iter().next().map(|stored| stored.text);
        if let Some(stored) = text.as_deref().and_then(|text| Json::parse(text).ok()) {
            link::name_the_stay(understood, &stored.into_owned());
        }
    }

    /// Commits, again and again for a moment where the fault is not the message's.
    async fn commit(&self, understood: &Understood) -> Result<Done, Failure> {
        let bundle = understood.transaction().to_string();
        let sight = self.sight();
        let mut pause = FIRST_PAUSE;
        let mut attempt = 1;
        loop {
            let together = Together::default();
            let work = self.engine.process_combining(&sight, bundle.as_bytes(), Ids::Of(DOORS), &together);
            match work.await {
                Ok(results) => return Ok(Done::of(&results, together.older())),
                Err(failure) if is_passing(&failure) && attempt < ATTEMPTS => {
                    tokio::time::sleep(pause).await;
                    pause *= 2;
                    attempt += 1;
                }
                Err(failure) => return Err(failure),
            }
        }
    }
}

/// What a transaction came to.
struct Done {
    is_known: bool,
    older: usize,
    resources: Vec<String>,
}

impl Done {
    fn of(results: &[EntryResult], older: usize) -> Done {
        let mut done = Done { is_known: false, older, resources: Vec::with_capacity(results.len()) };
        for result in results {
            let EntryResult::Written(written) = result else { continue };
            let Some(resource) = &written.resource else { continue };
            let name = tongmai_fhir::definition::resource_type_name(resource.type_id).unwrap_or_default();
            done.resources.push(format!("{name}/{}", resource.id));
            // The original stands last.
            done.is_known = written.did == Did::Nothing;
        }
        done
    }

    /// What came after a later message on the same.
    fn older(&self) -> Option<Finding> {
        (self.older > 0).then(|| {
            let message =
                format!("{} elements were said otherwise by a later message; that stays", self.older);
            Finding::new(Severity::Information, "", "older", message)
                .with_repair("nothing is to be done: messages may come in any order")
        })
    }
}

/// Where several known things answer to one identifier, the message's own stand beside them: which
/// is meant is for a person to say, and no reason to refuse the message.
fn stand_alone(understood: &mut Understood) {
    for entry in &mut understood.entries {
        let is_original = entry.resource.text("resourceType") == Some("DocumentReference");
        if !is_original {
            entry.request = Request::Create;
        }
    }
}

fn undecided() -> Finding {
    Finding::warning(
        "",
        "several-known",
        "an identifier of this message is that of several known resources; its own stand beside them",
    )
    .with_repair("link or merge the resources with this identifier")
}

fn is_fatal(findings: &[Finding]) -> bool {
    findings.iter().any(|finding| finding.severity == Severity::Fatal)
}

/// Whether the same message may be taken in later as it is.
fn is_passing(failure: &Failure) -> bool {
    matches!(failure.reason, Reason::Busy | Reason::Internal | Reason::Conflict)
}

fn not_now(number: String, mut findings: Vec<Finding>, failure: Failure) -> Receipt {
    findings.extend(failure.findings);
    Receipt { number, kept: Kept::NotNow, findings, resources: Vec::new() }
}
