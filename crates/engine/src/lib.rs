//! Transactions, conditional operations, search and views over a store.
//!
//! The engine knows FHIR and the store's trait, and no wire: it takes parsed
//! requests and gives sealed results ([`tongmai_access::Sealed`]) that a door
//! cannot look into before the read is logged.

#![allow(
    unused_variables,
    reason = "what may be seen is passed to every read first, and obeyed in the next step"
)]

pub mod bundle;
mod concerned;
pub mod erase;
pub mod everything;
pub mod failure;
pub mod findings;
pub mod import;
mod keys;
mod labels;
mod link;
pub mod patch;
pub mod person;
pub mod read;
pub mod rights;
mod rows;
pub mod search;
mod slots;
mod texts;
pub mod verify;
pub mod views;
pub mod write;
mod writer;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tongmai_fhir::definition::ResourceTypeId;
use tongmai_store::{Event, Store};

pub use failure::{Failure, Outcome, Reason};
use keys::Keys;
use writer::Writer;

/// What the engine is given from outside: it reads no clock and rolls no dice itself.
#[derive(Clone, Copy)]
pub struct Surroundings {
    /// Milliseconds since 1970.
    pub now: fn() -> i64,
    /// Sixteen random bytes.
    pub random: fn() -> [u8; 16],
}

/// How strictly what is written is validated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Validation {
    /// Content with an error is refused.
    Reject,
    /// Content is accepted, and its findings are kept beside the record.
    Accept,
}

/// Visits whose holder is remembered.
const VISITS: usize = 50_000;

/// The engine over one store.
pub struct Engine {
    store: Arc<dyn Store>,
    writer: Writer,
    keys: Keys,
    surroundings: Surroundings,
    clock: AtomicU64,
    validation: Validation,
    texts: texts::Texts,
    /// Who held the visits that were met lately, as symbols.
    visits: quick_cache::sync::Cache<tongmai_store::ResourceKey, u32>,
    desk: person::DeskCell,
    labels: labels::Labels,
    rights: rights::RightsCell,
    links: link::Kept,
}

/// A resource as it is shown: one version with its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    /// Position in the ledger.
    pub seq: u64,
    /// Its type.
    pub type_id: ResourceTypeId,
    /// Its id.
    pub id: String,
    /// Its version.
    pub version: u32,
    /// When it was written, in milliseconds since 1970.
    pub updated: i64,
    /// This version says that it was deleted.
    pub deleted: bool,
    /// The body of this version was erased.
    pub erased: bool,
    /// The JSON text; empty for a deletion.
    pub text: Vec<u8>,
}

impl Engine {
    /// An engine over a store; starts its writing thread.
    pub fn start(
        store: Arc<dyn Store>,
        surroundings: Surroundings,
        validation: Validation,
    ) -> std::io::Result<Engine> {
        let keys = Keys::new(&store.secret());
        let labels = labels::Labels::open(&*store).map_err(std::io::Error::other)?;
        Ok(Engine {
            labels,
            rights: Default::default(),
            links: Default::default(),
            writer: Writer::start(store.clone())?,
            keys,
            surroundings,
            clock: AtomicU64::new(0),
            store,
            validation,
            texts: texts::Texts::default(),
            visits: quick_cache::sync::Cache::new(VISITS),
            desk: person::DeskCell::default(),
        })
    }

    /// The last committed position of the ledger.
    pub fn position(&self) -> Outcome<u64> {
        Ok(self.store.snapshot()?.position())
    }

    /// Changes whenever this process has committed something: who follows the ledger waits for it.
    pub fn committed(&self) -> tokio::sync::watch::Receiver<tongmai_store::Seq> {
        self.writer.committed()
    }

    /// The store below.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// The secret of the installation, for what is kept beside the ledger.
    pub fn secret(&self) -> [u8; 32] {
        self.store.secret()
    }

    /// Milliseconds since 1970.
    pub fn now(&self) -> i64 {
        (self.surroundings.now)()
    }

    /// The next hybrid time: never one that was given before, whatever the clock does.
    fn tick(&self) -> u64 {
        let now = (self.now().max(0) as u64) << 16;
        let mut last = self.clock.load(Ordering::Relaxed);
        loop {
            let next = now.max(last + 1);
            match self.clock.compare_exchange_weak(last, next, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return next,
                Err(seen) => last = seen,
            }
        }
    }

    /// A fresh id: a version 7 UUID, so that neighbours in time are neighbours in order.
    fn fresh_id(&self) -> String {
        let mut random = [0u8; 10];
        random.copy_from_slice(&(self.surroundings.random)()[..10]);
        uuid::Builder::from_unix_timestamp_millis(self.now().max(0) as u64, &random).into_uuid().to_string()
    }

    /// Unpacks an event for showing.
    fn resource(&self, event: &Event) -> Outcome<Resource> {
        let text = self.texts.of(event)?;
        let deleted =
            matches!(event.kind, tongmai_store::EventKind::Delete | tongmai_store::EventKind::Purge);
        Ok(Resource {
            seq: event.seq,
            type_id: event.type_id,
            id: id_in(&text).unwrap_or_default().to_owned(),
            version: event.version,
            updated: event.milliseconds(),
            deleted,
            erased: !deleted && event.commitment.is_some(),
            text,
        })
    }
}

/// The id of a stored text, which always begins `{"resourceType":"X","id":"…`.
fn id_in(text: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(text.get(..text.len().min(200))?).ok().or_else(|| {
        // A cut through a character of a later element does not matter.
        let cut = &text[..text.len().min(200)];
        std::str::from_utf8(cut).map_or_else(|e| std::str::from_utf8(&cut[..e.valid_up_to()]).ok(), Some)
    })?;
    let rest = text.strip_prefix("{\"resourceType\":\"")?;
    let rest = &rest[rest.find('"')?..];
    let rest = rest.strip_prefix("\",\"id\":\"")?;
    rest.get(..rest.find('"')?)
}
