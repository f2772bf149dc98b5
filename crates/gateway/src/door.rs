//! The doors of an installation: every format behind one pipeline, over HTTP and as the pages see them.
//!
//! `POST /door/{format}` takes in one message (or a batch of them) and answers after the commit with
//! an OperationOutcome, an HL7 v2 acknowledgement or a SOAP envelope, as the format wants it, and
//! with the number of the message in `Tongmai-Message`.

use std::borrow::Cow;
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tongmai_access::{Access, Sealed, Sight};
use tongmai_base::{Finding, Severity, limits};
use tongmai_engine::bundle::Ids;
use tongmai_engine::{Engine, Failure, Outcome, Resource};
use tongmai_fhir::definition::resource_type_id;
use tongmai_fhir::json::Json;

use crate::combine::Together;
use crate::fhir::Bundles;
use crate::form::door::Sheets;
use crate::insurance::door::Insurance;
use crate::insurance::envelope::{Gate, Keys};
use crate::pipeline::channel::Channels;
use crate::pipeline::original::{CATEGORY, DIGEST, Original, State};
use crate::pipeline::queue::Queue;
use crate::pipeline::{Kept, Pipeline, Receipt, number};
use crate::service::door::Services;
use crate::{Entry, Request, Understood, hl7v2, hqms, report_card, stable_id, wst500};

mod codes;
pub mod http;

use codes::Codes;
pub use codes::Decided;

/// Originals that are erased between two searches.
const PRUNED: usize = 200;
/// How often the queue is looked at.
const LOOK: Duration = Duration::from_millis(500);

/// One format: bytes in, what was understood of each message out.
pub trait Format: Send + Sync {
    /// Its name, as in addresses and on the command line.
    fn name(&self) -> &'static str;
    /// Media type of its messages.
    fn content_type(&self) -> &'static str;
    /// The messages of a batch; most formats have one.
    fn split<'b>(&self, bytes: &'b [u8]) -> Vec<Cow<'b, [u8]>> {
        vec![Cow::Borrowed(bytes)]
    }
    /// Understands one message.
    fn understand(&self, bytes: &[u8]) -> Understood;
}

/// HL7 v2.
struct Hl7v2 {
    options: hl7v2::Options,
}

impl Format for Hl7v2 {
    fn name(&self) -> &'static str {
        "hl7v2"
    }

    fn content_type(&self) -> &'static str {
        hl7v2::CONTENT_TYPE
    }

    fn understand(&self, bytes: &[u8]) -> Understood {
        hl7v2::understand(bytes, &self.options)
    }
}

/// Shared documents of WS/T 500.
struct Wst500;

impl Format for Wst500 {
    fn name(&self) -> &'static str {
        "wst500"
    }

    fn content_type(&self) -> &'static str {
        "application/xml"
    }

    fn understand(&self, bytes: &[u8]) -> Understood {
        wst500::read(bytes)
    }
}

/// All doors of an installation.
pub struct Doors {
    pipeline: Pipeline,
    formats: Vec<Box<dyn Format>>,
    queue: Queue,
    channels: Channels,
    options: hl7v2::Options,
    codes: Codes,
    gate: Arc<Gate>,
    now: fn() -> i64,
}

impl Doors {
    /// The doors over an engine; messages that must wait lie in `folder`. `now` gives milliseconds since 1970.
    ///
    /// # Errors
    /// When the folder cannot be used.
    pub fn open(
        engine: Arc<Engine>,
        access: Arc<Access>,
        folder: &Path,
        options: hl7v2::Options,
        now: fn() -> i64,
    ) -> std::io::Result<Doors> {
        let gate = Arc::new(Gate::default());
        let formats: Vec<Box<dyn Format>> = vec![
            Box::new(Hl7v2 { options: options.clone() }),
            Box::new(Wst500),
            Box::new(Services),
            Box::new(Bundles),
            Box::new(Insurance::new(gate.clone())),
            Box::new(Sheets::new("hqms", hqms::form())),
            Box::new(Sheets::new("report-card", report_card::form())),
        ];
        let pipeline = Pipeline::new(engine, access);
        Ok(Doors {
            pipeline,
            formats,
            queue: Queue::open(folder)?,
            channels: Channels::default(),
            options,
            codes: Codes::default(),
            gate,
            now,
        })
    }

    /// Adds a format.
    #[must_use]
    pub fn with(mut self, format: Box<dyn Format>) -> Doors {
        self.formats.push(format);
        self
    }

    /// Makes the keys known by which institutions sign the insurer's messages, by their codes.
    #[must_use]
    pub fn with_institutions(self, keys: HashMap<String, Keys>) -> Doors {
        self.gate.learn(keys);
        self
    }

    /// Who judges the envelopes of the insurer's messages.
    pub fn gate(&self) -> &Arc<Gate> {
        &self.gate
    }

    /// The formats.
    pub fn formats(&self) -> impl Iterator<Item = &dyn Format> {
        self.formats.iter().map(AsRef::as_ref)
    }

    /// The format of a name.
    pub fn format(&self, name: &str) -> Option<&dyn Format> {
        self.formats().find(|format| format.name() == name)
    }

    /// Rates, delays and faults of the channels.
    pub fn channels(&self) -> &Channels {
        &self.channels
    }

    /// The messages that wait.
    pub fn queue(&self) -> &Queue {
        &self.queue
    }

    /// The pipeline behind the doors.
    pub fn pipeline(&self) -> &Pipeline {
        &self.pipeline
    }

    /// What HL7 v2 messages are read with.
    pub fn hl7v2_options(&self) -> &hl7v2::Options {
        &self.options
    }

    /// Milliseconds since 1970.
    pub fn now(&self) -> i64 {
        (self.now)()
    }

    /// Takes in one message by the door of a format. What the store cannot take now waits in the queue.
    pub async fn receive(&self, format: &dyn Format, bytes: &[u8]) -> Receipt {
        let (understood, took) = self.understand(format, bytes);
        self.keep(format, understood, bytes, took).await
    }

    /// Keeps what was understood elsewhere, counted like everything that comes by a door.
    pub async fn keep(
        &self,
        format: &dyn Format,
        mut understood: Understood,
        bytes: &[u8],
        took: Duration,
    ) -> Receipt {
        let begun = Instant::now();
        self.codes.add_to(&self.pipeline, &mut understood).await;
        let sender = understood.source.sender.clone();
        let mut receipt = self.pipeline.keep(understood, bytes, format.content_type()).await;
        if receipt.kept == Kept::NotNow {
            let why = receipt.findings.last().map(ToString::to_string).unwrap_or_default();
            let put = self.queue.put(&receipt.number, format.name(), bytes, self.now(), &why);
            receipt.findings.push(match put {
                Ok(()) => {
                    Finding::warning("", "queued", "the message waits and is taken in as soon as can be")
                        .with_repair("nothing is to be done; sending it again does no harm")
                }
                Err(error) => Finding::error("", "queue", format!("the message could not be kept: {error}"))
                    .with_repair("send it again later"),
            });
        }
        self.channels.note(format.name(), &sender, &receipt, self.now(), took + begun.elapsed());
        receipt
    }

    /// Understands a message. A fault of the format's own code is a finding like any other.
    pub fn understand(&self, format: &dyn Format, bytes: &[u8]) -> (Understood, Duration) {
        let begun = Instant::now();
        let understood = if bytes.len() > limits::MESSAGE_BYTES {
            Understood { findings: vec![too_large(bytes.len())], ..Understood::default() }
        } else {
            catch_unwind(AssertUnwindSafe(|| format.understand(bytes))).unwrap_or_else(|_| {
                let finding =
                    Finding::new(Severity::Fatal, "", "internal", "the door failed on this message")
                        .with_repair("report it with the message; it is kept");
                Understood { findings: vec![finding], ..Understood::default() }
            })
        };
        let mut understood = understood;
        if understood.source.format.is_empty() {
            understood.source.format = format.name().to_owned();
        }
        (understood, begun.elapsed())
    }

    /// Works on what waits, for ever.
    pub async fn work_on_the_queue(self: Arc<Self>) {
        loop {
            match self.work_on_one().await {
                Ok(true) => {}
                Ok(false) => tokio::time::sleep(LOOK).await,
                Err(_) => tokio::time::sleep(LOOK * 10).await,
            }
        }
    }

    /// Works on the next message that is due; says whether there was one.
    ///
    /// # Errors
    /// When the folder of the queue cannot be read or written.
    pub async fn work_on_one(&self) -> std::io::Result<bool> {
        let Some((waiting, bytes)) = self.queue.due(self.now())? else { return Ok(false) };
        let Some(format) = self.format(&waiting.door) else {
            self.queue.again(&waiting.number, self.now(), "there is no such door any more");
            return Ok(true);
        };
        let (mut understood, _) = self.understand(format, &bytes);
        self.codes.add_to(&self.pipeline, &mut understood).await;
        let receipt = self.pipeline.keep(understood, &bytes, format.content_type()).await;
        if receipt.kept == Kept::NotNow {
            let why = receipt.findings.last().map(ToString::to_string).unwrap_or_default();
            self.queue.again(&waiting.number, self.now(), &why);
        } else {
            self.queue.done(&waiting.number)?;
        }
        Ok(true)
    }

    /// Originals that a search finds, the newest first.
    ///
    /// # Errors
    /// As a search of the engine.
    pub fn originals(
        &self,
        sight: &Sight,
        pairs: &[(&str, &str)],
        count: usize,
    ) -> Outcome<Sealed<Vec<Original>>> {
        let type_id = resource_type_id("DocumentReference").unwrap_or_default();
        let mut asked: Vec<(String, String)> =
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        asked.push(("_count".into(), count.to_string()));
        let engine = self.pipeline.engine();
        let query = engine.query(&[type_id], None, &asked, false)?;
        let page = engine.search(sight, &query, None)?;
        Ok(page.map(|page| page.matches.iter().filter_map(read).collect()))
    }

    /// The message of a number.
    ///
    /// # Errors
    /// As a search of the engine.
    pub fn message(&self, sight: &Sight, number: &str) -> Outcome<Sealed<Option<Original>>> {
        let digest = format!("{DIGEST}|{number}");
        let found = self.originals(sight, &[("identifier", &digest)], 1)?;
        Ok(found.map(|mut found| found.pop()))
    }

    /// What was set aside and waits for a person, the newest first.
    ///
    /// # Errors
    /// As a search of the engine.
    pub fn set_aside(&self, sight: &Sight, count: usize) -> Outcome<Sealed<Vec<Original>>> {
        let category = format!("{CATEGORY}|{}", State::SetAside.code());
        self.originals(sight, &[("category", &category), ("_sort", "-_lastUpdated")], count)
    }

    /// Takes in a message that was set aside once more, as it is or repaired. When the repaired one is
    /// committed, the original is marked as mended.
    ///
    /// # Errors
    /// When its door is unknown, or the mark cannot be written.
    pub async fn replay(&self, original: &Original, repaired: &[u8]) -> Outcome<Receipt> {
        let format = self.format(&original.door).ok_or_else(|| Failure::not_found(&original.door))?;
        let receipt = self.receive(format, repaired).await;
        let is_taken = matches!(receipt.kept, Kept::Committed | Kept::Before);
        if is_taken && number(repaired) != original.number {
            let why = format!("mended: {}", receipt.number);
            self.mark(original, State::Mended, &why).await?;
        }
        Ok(receipt)
    }

    /// Keeps what a person decided of a local code: a ConceptMap of the ledger, used from the next message on.
    ///
    /// # Errors
    /// As a write of the engine.
    pub async fn map_code(&self, decided: &Decided) -> Outcome<()> {
        let node = decided.concept_map();
        let full_url = format!("urn:uuid:{}", stable_id(&["map", &decided.system, &decided.code]));
        let entry = Entry { full_url, resource: node, request: Request::Create };
        let bundle = Understood { entries: vec![entry], ..Understood::default() }.transaction().to_string();
        let ids = Ids::Of(crate::pipeline::DOORS);
        self.pipeline.engine().process_counting(&self.pipeline.sight(), bundle.as_bytes(), ids).await?;
        self.codes.forget().await;
        Ok(())
    }

    /// Erases the originals that are in a state since before a time (as FHIR writes it): their bodies go for
    /// good, and what was understood of them stays. Returns how many.
    ///
    /// # Errors
    /// As a search or a write of the engine.
    pub async fn prune(&self, state: State, before: &str) -> Outcome<usize> {
        let type_id = resource_type_id("DocumentReference").unwrap_or_default();
        let category = format!("{CATEGORY}|{}", state.code());
        let (sight, mut erased) = (self.pipeline.sight(), 0);
        loop {
            let before = format!("lt{before}");
            let found =
                self.originals(&sight, &[("category", &category), ("_lastUpdated", &before)], PRUNED)?;
            let released = self.pipeline.access().release(self.pipeline.requester(), found).await;
            let failed = |failure: tongmai_access::LogFailure| {
                Failure::new(tongmai_engine::Reason::Internal, "", "read-log", failure.0)
            };
            let found = released.map_err(failed)?.into_inner();
            for original in &found {
                self.pipeline.engine().purge(&sight, type_id, &original.id).await?;
            }
            erased += found.len();
            if found.len() < PRUNED {
                return Ok(erased);
            }
        }
    }

    /// Puts a message that was set aside into another state.
    ///
    /// # Errors
    /// As a write of the engine.
    pub async fn mark(&self, original: &Original, state: State, why: &str) -> Outcome<()> {
        let entry = original.entry_in(state, why);
        let bundle = Understood { entries: vec![entry], ..Understood::default() }.transaction().to_string();
        let (ids, together) = (Ids::Of(crate::pipeline::DOORS), Together::default());
        self.pipeline
            .engine()
            .process_combining(&self.pipeline.sight(), bundle.as_bytes(), ids, &together)
            .await?;
        Ok(())
    }
}

fn read(resource: &Resource) -> Option<Original> {
    Original::read(&Json::parse(&resource.text).ok()?)
}

fn too_large(length: usize) -> Finding {
    let message = format!("{length} bytes, {} are allowed", limits::MESSAGE_BYTES);
    Finding::new(Severity::Fatal, "", "size", message).with_repair("send a smaller message")
}
