//! The store over a store.

use std::cell::RefCell;
use std::path::Path;
use std::sync::Arc;

use tongmai_store::{
    Change, Committed, Current, Event, EventKind, NumberCursor, NumberHit, NumberRange, Order, REGION_RECORD,
    RecordHit, RecordKey, Rejection, ResourceKey, Result, Seq, Snapshot, Store, StoreError, TextHit,
    TextRange, Transaction, chain,
};

use crate::seal::{NONCE_BYTES, Suite, opened, sealed};
use crate::{Erasure, Erasures, Keyring, dice};

/// A stored body that begins with this, and a suite's number in the lower half, is sealed. The forms of packed
/// bodies are below it.
const SEALED: u8 = 0x10;
/// Symbol that says that a store has sealed bodies.
const MARK: &str = "urn:tongmai:vault";
/// What a sealed blob belongs to; its name is compared with what it holds.
const BLOB: &[u8] = b"blob";
/// Nonces that are rolled at once: asking the system for each would cost more than sealing.
const NONCES: usize = 256;

type Answers = Vec<std::result::Result<Committed, Rejection>>;

/// A store whose bodies are sealed where there is a keyring, and whose erasures are noted.
pub struct Vault {
    inner: Arc<dyn Store>,
    keyring: Option<Keyring>,
    erasures: Erasures,
}

impl Vault {
    /// Puts a vault over a store. Bodies that were written without a keyring are read as they are.
    ///
    /// # Errors
    /// When the store's bodies were sealed by a keyring that is not this one.
    pub fn over(inner: Arc<dyn Store>, keyring: Option<Keyring>, erasures: Erasures) -> Result<Vault> {
        let is_sealed = inner.find_symbol(MARK)?.is_some();
        match &keyring {
            None if is_sealed => {
                return Err(StoreError(
                    "the bodies of this store are sealed: give --key-file with the key that was in use"
                        .into(),
                ));
            }
            None => {}
            Some(ring) => {
                let own = format!("{MARK}:{}", ring.id());
                if is_sealed && inner.find_symbol(&own)?.is_none() {
                    return Err(StoreError(
                        "the bodies of this store were sealed by another keyring: bring the folder keys that was \
                         in use with it"
                            .into(),
                    ));
                }
                inner.symbol(MARK)?;
                inner.symbol(&own)?;
            }
        }
        Ok(Vault { inner, keyring, erasures })
    }

    /// The keyring, where bodies are sealed.
    pub fn keyring(&self) -> Option<&Keyring> {
        self.keyring.as_ref()
    }

    /// The log of erasures.
    pub fn erasures(&self) -> &Erasures {
        &self.erasures
    }

    /// Erasures that this store does not know of, because it is an older state that came back: those that
    /// must be done again before it serves.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn forgotten(&self) -> Result<Vec<Erasure>> {
        let Some(last) = self.erasures.last() else { return Ok(Vec::new()) };
        let mut snapshot = self.inner.snapshot()?;
        let known = snapshot.events(&[last.seq])?;
        if known.first().is_some_and(|event| {
            event.kind == EventKind::Purge && event.key == last.key && event.hybrid_time == last.hybrid_time
        }) {
            return Ok(Vec::new());
        }
        let mut forgotten = Vec::new();
        for erasure in self.erasures.all() {
            let newest = snapshot.current_event(erasure.key)?;
            // What was written after the erasure, under the same name, is something else.
            if newest.is_some_and(|event| event.hybrid_time < erasure.hybrid_time) {
                forgotten.push(erasure);
            }
        }
        Ok(forgotten)
    }

    /// Opens a body in place. A body whose key was destroyed is an erased one.
    fn open(&self, event: &mut Event) -> Result<()> {
        let Some(form) = event.body.first().copied().filter(|form| form & 0xf0 == SEALED) else {
            return Ok(());
        };
        let place = || format!("the body of event {}", event.seq);
        let Some(keyring) = &self.keyring else {
            return Err(StoreError(format!("{} is sealed: give --key-file", place())));
        };
        if form & 0x0f != keyring.suite().number() {
            return Err(StoreError(format!("{} was sealed by another suite", place())));
        }
        let keyed = keyring.key(event.record_key)?;
        let about = about(event.key, event.version, event.record_key);
        let body = keyed.as_ref().and_then(|keyed| opened(&*keyed.cipher, &about, &event.body));
        match body {
            Some(body) => event.body = body,
            None if keyed.as_ref().is_none_or(|keyed| keyed.renewed) => {
                event.commitment = Some(chain::commitment(&self.inner.secret(), event.seq, &event.body));
                event.body = Vec::new();
            }
            None => {
                return Err(StoreError(format!("{} was changed behind the program's back", place())));
            }
        }
        Ok(())
    }

    fn open_all(&self, mut events: Vec<Event>) -> Result<Vec<Event>> {
        for event in &mut events {
            self.open(event)?;
        }
        Ok(events)
    }

    fn seal(&self, keyring: &Keyring, change: &Change) -> Result<Change> {
        let mut change = change.clone();
        if change.body.is_empty() {
            return Ok(change);
        }
        let keyed = keyring.key_to_write(change.record_key)?;
        let about = about(change.key, change.version, change.record_key);
        let head = SEALED | keyring.suite().number();
        change.body = sealed(&*keyed.cipher, nonce()?, &about, head, &change.body);
        Ok(change)
    }

    /// Notes the purges among transactions that were committed.
    fn note_purges(&self, transactions: &[Transaction], answers: &Answers) -> Result<()> {
        let mut purged = Vec::new();
        for (transaction, answer) in transactions.iter().zip(answers) {
            let Ok(committed) = answer else { continue };
            for (change, seq) in transaction.changes.iter().zip(committed.first..) {
                if change.kind == EventKind::Purge {
                    let Change { hybrid_time, key, type_id, .. } = *change;
                    purged.push(Erasure { seq, hybrid_time, key, type_id });
                }
            }
        }
        if purged.is_empty() { Ok(()) } else { self.erasures.add(&purged) }
    }
}

/// What a body belongs to: it opens nowhere else.
fn about(key: ResourceKey, version: u32, record_key: RecordKey) -> [u8; 20] {
    let mut about = [0; 20];
    about[..8].copy_from_slice(&key.0.to_be_bytes());
    about[8..12].copy_from_slice(&version.to_be_bytes());
    about[12..].copy_from_slice(&record_key.0.to_be_bytes());
    about
}

/// The next random nonce. Random, and no counter: a store that came back from a backup must not use one twice.
fn nonce() -> Result<[u8; NONCE_BYTES]> {
    thread_local! {
        static ROLLED: RefCell<Vec<[u8; NONCE_BYTES]>> = const { RefCell::new(Vec::new()) };
    }
    ROLLED.with_borrow_mut(|rolled| {
        if rolled.is_empty() {
            let mut bytes = [0; NONCES * NONCE_BYTES];
            dice(&mut bytes)?;
            rolled.extend(bytes.as_chunks::<NONCE_BYTES>().0);
        }
        rolled.pop().ok_or_else(|| StoreError("no randomness".into()))
    })
}

impl Store for Vault {
    fn snapshot(&self) -> Result<Box<dyn Snapshot + '_>> {
        let snapshot = self.inner.snapshot()?;
        Ok(match self.keyring {
            Some(_) => Box::new(Opening { snapshot, vault: self }),
            None => snapshot,
        })
    }

    fn newest_event(&self, key: ResourceKey) -> Result<Option<Event>> {
        let mut event = self.inner.newest_event(key)?;
        if let Some(event) = &mut event {
            self.open(event)?;
        }
        Ok(event)
    }

    fn commit(&self, transactions: &[Transaction]) -> Result<Answers> {
        let answers = match &self.keyring {
            None => self.inner.commit(transactions)?,
            Some(keyring) => {
                let changes = transactions.iter().flat_map(|transaction| &transaction.changes);
                keyring.prepare(
                    changes.filter(|change| !change.body.is_empty()).map(|change| change.record_key),
                )?;
                let mut sealed = Vec::with_capacity(transactions.len());
                for transaction in transactions {
                    let changes = transaction.changes.iter().map(|change| self.seal(keyring, change));
                    sealed.push(Transaction {
                        changes: changes.collect::<Result<_>>()?,
                        guards: transaction.guards.clone(),
                        actor: transaction.actor,
                        purpose: transaction.purpose,
                    });
                }
                self.inner.commit(&sealed)?
            }
        };
        self.note_purges(transactions, &answers)?;
        Ok(answers)
    }

    fn symbol(&self, text: &str) -> Result<u32> {
        self.inner.symbol(text)
    }

    fn find_symbol(&self, text: &str) -> Result<Option<u32>> {
        self.inner.find_symbol(text)
    }

    fn symbol_text(&self, symbol: u32) -> Result<Option<String>> {
        self.inner.symbol_text(symbol)
    }

    fn reserve_record_key(&self, patient: ResourceKey) -> Result<RecordKey> {
        self.inner.reserve_record_key(patient)
    }

    fn forget_superseded(&self, position: Seq) -> Result<u64> {
        self.inner.forget_superseded(position)
    }

    fn forget_rows_of(&self, seqs: &[Seq]) -> Result<u64> {
        self.inner.forget_rows_of(seqs)
    }

    fn leave_no_trace(&self) -> Result<()> {
        self.inner.leave_no_trace()
    }

    fn secret(&self) -> [u8; 32] {
        self.inner.secret()
    }

    fn size(&self) -> Result<Vec<(String, u64)>> {
        self.inner.size()
    }

    fn backup(&self, target: &Path, progress: &mut dyn FnMut(u64, u64)) -> Result<()> {
        self.inner.backup(target, progress)
    }
}

/// A snapshot that opens the bodies of its events.
struct Opening<'v> {
    snapshot: Box<dyn Snapshot + 'v>,
    vault: &'v Vault,
}

impl Snapshot for Opening<'_> {
    fn position(&self) -> Seq {
        self.snapshot.position()
    }

    fn current(&mut self, key: ResourceKey) -> Result<Option<Current>> {
        self.snapshot.current(key)
    }

    fn current_event(&mut self, key: ResourceKey) -> Result<Option<Event>> {
        let mut event = self.snapshot.current_event(key)?;
        if let Some(event) = &mut event {
            self.vault.open(event)?;
        }
        Ok(event)
    }

    fn events(&mut self, seqs: &[Seq]) -> Result<Vec<Event>> {
        let events = self.snapshot.events(seqs)?;
        self.vault.open_all(events)
    }

    fn keys(&mut self, seqs: &[Seq]) -> Result<Vec<ResourceKey>> {
        self.snapshot.keys(seqs)
    }

    fn marks(&mut self, seqs: &[Seq]) -> Result<Vec<(RecordKey, u16)>> {
        self.snapshot.marks(seqs)
    }

    fn feed(&mut self, after: Seq, limit: usize) -> Result<Vec<Event>> {
        let events = self.snapshot.feed(after, limit)?;
        self.vault.open_all(events)
    }

    fn feed_as_kept(&mut self, after: Seq, limit: usize) -> Result<Vec<Event>> {
        self.snapshot.feed_as_kept(after, limit)
    }

    fn history(&mut self, key: ResourceKey, before: Seq, limit: usize) -> Result<Vec<Event>> {
        let events = self.snapshot.history(key, before, limit)?;
        self.vault.open_all(events)
    }

    fn type_history(&mut self, type_id: Option<u16>, before: Seq, limit: usize) -> Result<Vec<Event>> {
        let events = self.snapshot.type_history(type_id, before, limit)?;
        self.vault.open_all(events)
    }

    fn position_at(&mut self, milliseconds: i64) -> Result<Seq> {
        self.snapshot.position_at(milliseconds)
    }

    fn scan(
        &mut self,
        range: &NumberRange,
        order: Order,
        after: Option<NumberCursor>,
        as_of: Seq,
        limit: usize,
        out: &mut Vec<NumberHit>,
    ) -> Result<()> {
        self.snapshot.scan(range, order, after, as_of, limit, out)
    }

    fn probe(
        &mut self,
        slot: u16,
        value: i64,
        extra: Option<i64>,
        as_of: Seq,
        seqs: &[Seq],
        out: &mut Vec<bool>,
    ) -> Result<()> {
        self.snapshot.probe(slot, value, extra, as_of, seqs, out)
    }

    fn scan_text(
        &mut self,
        range: &TextRange,
        order: Order,
        after: Option<(&str, Seq)>,
        as_of: Seq,
        limit: usize,
        out: &mut Vec<TextHit>,
    ) -> Result<()> {
        self.snapshot.scan_text(range, order, after, as_of, limit, out)
    }

    fn count(&mut self, range: &NumberRange, as_of: Seq, limit: usize) -> Result<usize> {
        self.snapshot.count(range, as_of, limit)
    }

    fn record(
        &mut self,
        record_key: RecordKey,
        type_id: Option<u16>,
        code: Option<u16>,
        as_of: Seq,
        out: &mut Vec<RecordHit>,
    ) -> Result<()> {
        self.snapshot.record(record_key, type_id, code, as_of, out)
    }

    fn record_key(&mut self, patient: ResourceKey) -> Result<Option<RecordKey>> {
        self.snapshot.record_key(patient)
    }

    fn patient_of(&mut self, record_key: RecordKey) -> Result<Option<ResourceKey>> {
        self.snapshot.patient_of(record_key)
    }

    fn directory(&mut self, source_key: i64) -> Result<Option<ResourceKey>> {
        self.snapshot.directory(source_key)
    }

    fn chain(&mut self, after: Seq, limit: usize) -> Result<Vec<(Seq, [u8; 32])>> {
        self.snapshot.chain(after, limit)
    }

    fn dump_indexes(&mut self, line: &mut dyn FnMut(&str)) -> Result<()> {
        self.snapshot.dump_indexes(line)
    }
}

/// Blobs are sealed under the key of what belongs to no patient: whose an image is is known only when its study is
/// committed. They are erased as files.
impl tongmai_blob::Seal for Vault {
    fn seal(&self, bytes: &[u8]) -> std::io::Result<Vec<u8>> {
        let failed = |error: StoreError| std::io::Error::other(error.0);
        let Some(keyring) = &self.keyring else { return Ok(bytes.to_vec()) };
        keyring.prepare([REGION_RECORD]).map_err(failed)?;
        let keyed = keyring.key_to_write(REGION_RECORD).map_err(failed)?;
        let head = SEALED | keyring.suite().number();
        Ok(sealed(&*keyed.cipher, nonce().map_err(failed)?, BLOB, head, bytes))
    }

    fn open(&self, bytes: &[u8]) -> std::io::Result<Option<Vec<u8>>> {
        let Some(keyring) = &self.keyring else { return Ok(None) };
        if bytes.first().is_none_or(|form| form & 0xf0 != SEALED) {
            return Ok(None);
        }
        let keyed = keyring.key_to_write(REGION_RECORD).map_err(|error| std::io::Error::other(error.0))?;
        Ok(opened(&*keyed.cipher, BLOB, bytes))
    }
}
