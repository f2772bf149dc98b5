//! The way behind every door: the original is kept and what was understood is
//! committed in one transaction, and only then is there an answer.
//!
//! The original stands as a DocumentReference with the sender's identifier, a digest
//! and the bytes. Its digest recognises a message that comes twice; a message that
//! could not be understood is kept in the same way, with its first fault, for the
//! desk of what was set aside (`DocumentReference?category=set-aside`).

use std::sync::Arc;

use data_encoding::{BASE64, HEXLOWER};
use sha2::{Digest, Sha256};
use tongmai_access::{Access, Requester};
use tongmai_base::{Finding, Severity};
use tongmai_engine::bundle::Ids;
use tongmai_engine::{Engine, Failure, Reason};
use tongmai_fhir::definition::resource_type_id;
use tongmai_fhir::json::Json;

use crate::build::{object, reference, text};
use crate::{Entry, Request, Understood, stable_id};

/// System of the digests of originals.
const DIGEST: &str = "urn:tongmai:original:sha256";
/// System of the categories of originals.
const CATEGORY: &str = "urn:tongmai:original";

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
    /// What became of it.
    pub kept: Kept,
    /// Everything that was found on the way.
    pub findings: Vec<Finding>,
}

/// Engine and log of reads, as every door uses them.
#[derive(Clone)]
pub struct Pipeline {
    engine: Arc<Engine>,
    access: Arc<Access>,
    requester: Requester,
}

impl Pipeline {
    /// A pipeline in the name of the gateway.
    pub fn new(engine: Arc<Engine>, access: Arc<Access>) -> Pipeline {
        let requester = Requester::installation("gateway", "HSYSADMIN");
        Pipeline { engine, access, requester }
    }

    /// Commits what was understood of `original`.
    pub async fn keep(&self, mut understood: Understood, original: &[u8], content_type: &str) -> Receipt {
        let digest = HEXLOWER.encode(&Sha256::digest(original));
        match self.is_known(&digest).await {
            Ok(true) => return Receipt { kept: Kept::Before, findings: understood.findings },
            Ok(false) => {}
            Err(failure) => return not_now(understood.findings, failure),
        }
        let mut findings = std::mem::take(&mut understood.findings);
        if !understood.is_refused() && !is_fatal(&findings) {
            let kept = original_entry(&understood, original, &digest, content_type, None);
            understood.entries.push(kept);
            let mut done = self.commit(&understood).await;
            if let Err(failure) = &done
                && failure.findings.iter().any(|finding| finding.code == "multiple-matches")
            {
                findings.push(undecided());
                stand_alone(&mut understood);
                done = self.commit(&understood).await;
            }
            match done {
                Ok(()) => return Receipt { kept: Kept::Committed, findings },
                Err(failure) if is_passing(&failure) => return not_now(findings, failure),
                Err(failure) => findings.extend(failure.findings),
            }
        }
        let worst = findings.iter().max_by_key(|finding| finding.severity).map(ToString::to_string);
        understood.entries.clear();
        let aside =
            original_entry(&understood, original, &digest, content_type, Some(worst.unwrap_or_default()));
        understood.entries.push(aside);
        match self.commit(&understood).await {
            Ok(()) => Receipt { kept: Kept::SetAside, findings },
            Err(failure) => not_now(findings, failure),
        }
    }

    async fn is_known(&self, digest: &str) -> Result<bool, Failure> {
        let Some(type_id) = resource_type_id("DocumentReference") else { return Ok(false) };
        let asked = [
            ("identifier".to_owned(), format!("{DIGEST}|{digest}")),
            // What was set aside may be sent again once the tables know more.
            ("category:not".to_owned(), format!("{CATEGORY}|set-aside")),
        ];
        let query = self.engine.query(&[type_id], None, &asked, false)?;
        let page = self.engine.search(&self.access.sight(&self.requester), &query, None)?;
        let released = self.access.release(&self.requester, page.map(|page| page.matches.len())).await;
        released
            .map(|count| *count > 0)
            .map_err(|_| Failure::new(Reason::Internal, "", "read-log", "the log of reads cannot be written"))
    }

    async fn commit(&self, understood: &Understood) -> Result<(), Failure> {
        let source = format!("{}:{}", understood.source.format, understood.source.sender);
        let bundle = understood.transaction().to_string();
        let sight = self.access.sight(&self.requester);
        self.engine.process_counting(&sight, bundle.as_bytes(), Ids::Of(&source)).await.map(|_| ())
    }
}

/// The original as an entry of the transaction. It refers to the message and its patient.
fn original_entry(
    understood: &Understood,
    original: &[u8],
    digest: &str,
    content_type: &str,
    fault: Option<String>,
) -> Entry {
    let source = &understood.source;
    let category = if fault.is_some() { "set-aside" } else { "original" };
    let identifier = |system: String, value: &str| object([("system", text(system)), ("value", text(value))]);
    let concept = |code: &str| {
        let coding = object([("system", text(CATEGORY)), ("code", text(code))]);
        object([("coding", Json::Array(vec![coding]))])
    };
    let attachment = object([("contentType", text(content_type)), ("data", text(BASE64.encode(original)))]);
    let mut node = object([
        ("resourceType", text("DocumentReference")),
        (
            "masterIdentifier",
            identifier(format!("urn:tongmai:{}:{}", source.format, word(&source.sender)), &source.message_id),
        ),
        ("identifier", Json::Array(vec![identifier(DIGEST.to_owned(), digest)])),
        ("status", text("current")),
        ("type", object([("text", text(source.kind.as_str()))])),
        ("category", Json::Array(vec![concept(category)])),
        ("description", text(fault.unwrap_or_default())),
        ("content", Json::Array(vec![object([("attachment", attachment)])])),
    ]);
    let of_type = |name: &str| {
        let mut entries = understood.entries.iter();
        entries
            .find(|entry| entry.resource.text("resourceType") == Some(name))
            .map(|entry| entry.full_url.as_str())
    };
    if let Some(patient) = of_type("Patient") {
        *crate::build::property(&mut node, "subject") = reference(patient);
    }
    if let Some(message) = of_type("MessageHeader") {
        let related = object([("related", Json::Array(vec![reference(message)]))]);
        *crate::build::property(&mut node, "context") = related;
    }
    crate::build::prune(&mut node);
    if source.message_id.is_empty()
        && let Json::Object(properties) = &mut node
    {
        properties.retain(|(name, _)| name != "masterIdentifier");
    }
    Entry {
        full_url: format!("urn:uuid:{}", stable_id(&["original", &source.format, &source.sender, digest])),
        resource: node,
        // The same place, whether it is set aside or later understood.
        request: Request::Update(format!("identifier={DIGEST}%7C{digest}")),
    }
}

/// A name as part of an address.
fn word(name: &str) -> String {
    name.chars().map(|c| if c.is_whitespace() || "<>\"{}|\\^`".contains(c) { '_' } else { c }).collect()
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
        "MSH",
        "several-known",
        "an identifier of this message is that of several known resources; new ones stand beside them",
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

fn not_now(mut findings: Vec<Finding>, failure: Failure) -> Receipt {
    findings.extend(failure.findings);
    Receipt { kept: Kept::NotNow, findings }
}
