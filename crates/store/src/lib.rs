//! The ledger and its contract.
//!
//! A store keeps events and, in the same transaction, the tables that make
//! them findable: who is current, which index rows point at it, which record
//! it belongs to. It knows bytes and integers; what a FHIR element is, which
//! rows a resource has, and who may see them is decided above.
//!
//! # Key layout (the same on every engine)
//!
//! | table | key | holds |
//! |---|---|---|
//! | `event` | shard, seq | the envelope and the compressed body; for ever |
//! | `resource` | shard, key | the current event of a resource; `key` is [`ResourceKey`] |
//! | `search` | shard, slot, value, seq, extra | one row an indexed element of a *current* version |
//! | `search_text` | shard, slot, text, seq | the same for text, in folded byte order |
//! | `search_old`, `search_text_old` | as above, until | rows of superseded versions, kept while page links live |
//! | `record` | shard, record_key, type, code, date, seq | a record's resources by kind and clinical date |
//! | `record_old` | as above, until | the same of superseded versions |
//! | `patient` | shard, key | the record key reserved for a patient |
//! | `directory` | shard, source key | the resource that a source's own id became |
//! | `symbol` | id | interned texts: code systems, actors |
//! | `chain` | shard, seq | the head of the hash chain after each commit |
//!
//! A row points at a *version* (`seq`), so a search as of an earlier ledger
//! position is the same search with `seq <= position`, plus the superseded rows
//! that were current then.

pub mod chain;
pub mod contract;
pub mod dump;
pub mod memory;

use std::fmt;
use std::ops::Bound;

/// Position in a shard's ledger; the first event has 1.
pub type Seq = u64;

/// The 64-bit keyed hash of `Type/id` under which a resource is filed.
///
/// The event carries the id itself, so a collision is noticed when a resource
/// is written and refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResourceKey(pub i64);

/// The record of one patient at one source, as a small integer; [`REGION_RECORD`]
/// for what belongs to no patient or to several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordKey(pub u64);

/// The record key of what belongs to no patient or concerns several.
pub const REGION_RECORD: RecordKey = RecordKey(0);

/// The slot under which every current version is filed with its type as value, so that a type can
/// be listed; the engine adds this row like any other.
pub const TYPE_SLOT: u16 = 0;

/// What an event does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum EventKind {
    /// A version of a resource.
    Put = 1,
    /// The resource is deleted; its history stays.
    Delete = 2,
    /// The bodies of all the resource's earlier events are erased in the same commit, their
    /// commitments stay; its index rows go without being kept for page links. The resource is deleted.
    Purge = 3,
    /// Processing of a resource is restricted.
    Restrict = 4,
    /// A restriction is lifted.
    Release = 5,
    /// A resource moves from one record to another: the subject was wrong.
    Move = 6,
}

impl EventKind {
    /// The kind of a stored number.
    pub fn from_number(number: u8) -> Option<EventKind> {
        use EventKind::*;
        [Put, Delete, Purge, Restrict, Release, Move].into_iter().find(|kind| *kind as u8 == number)
    }
}

/// One event with its envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Position in the shard.
    pub seq: Seq,
    /// Node that wrote it first; 0 is this installation.
    pub origin: u32,
    /// Position in the log of that node; equals `seq` for the local origin.
    pub origin_seq: u64,
    /// Positions of the versions this one follows; empty for a first version.
    pub parents: Vec<Seq>,
    /// Hybrid logical time: milliseconds since 1970 in the upper 48 bits, a counter below.
    pub hybrid_time: u64,
    /// What it does.
    pub kind: EventKind,
    /// Resource type as `tongmai_fhir` numbers it.
    pub type_id: u16,
    /// The resource.
    pub key: ResourceKey,
    /// FHIR version number, from 1.
    pub version: u32,
    /// The record it belongs to.
    pub record_key: RecordKey,
    /// Sensitivity label of the whole resource.
    pub label: u16,
    /// Who wrote it, as a symbol.
    pub actor: u32,
    /// Why, as a symbol.
    pub purpose: u32,
    /// The body as the codec packed it; empty for a deletion, and after a purge.
    pub body: Vec<u8>,
    /// The body's commitment, kept in place of a purged body.
    pub commitment: Option<[u8; 32]>,
}

impl Event {
    /// Milliseconds since 1970 of the hybrid time.
    pub fn milliseconds(&self) -> i64 {
        (self.hybrid_time >> 16) as i64
    }
}

/// The state of a resource: its newest event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Current {
    /// Newest event of the resource.
    pub seq: Seq,
    /// Its version number.
    pub version: u32,
    /// The record it belongs to.
    pub record_key: RecordKey,
    /// Its newest event is a deletion.
    pub deleted: bool,
    /// Processing is restricted.
    pub restricted: bool,
}

/// An index row of a number-like value: token hash, reference key, date, quantity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NumberRow {
    /// Which parameter of which type.
    pub slot: u16,
    /// Hash, date in milliseconds, or ordered number.
    pub value: i64,
    /// What the kind of parameter needs beside the value: symbol of the code system, width of a date …
    pub extra: i64,
    /// Label of the element.
    pub label: u16,
}

/// An index row of a folded text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TextRow {
    /// Which parameter of which type.
    pub slot: u16,
    /// Folded text, cut at [`TEXT_BYTES`] on a character boundary.
    pub text: String,
    /// Label of the element.
    pub label: u16,
}

/// Longest text kept in an index row.
pub const TEXT_BYTES: usize = 64;

/// A row that files a resource under a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordRow {
    /// The record; a resource that concerns two patients has two rows.
    pub record_key: RecordKey,
    /// Resource type.
    pub type_id: u16,
    /// Sixteen bits of the hash of its first code; 0 without one.
    pub code: u16,
    /// Clinical date in milliseconds; [`NO_DATE`] without one.
    pub date: i64,
    /// Label of the row.
    pub label: u16,
}

/// The date of a record row whose resource has none.
pub const NO_DATE: i64 = i64::MIN >> 16;

/// All rows that a version has in the indexes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IndexRows {
    /// Number-like values; sorted, without doubles.
    pub numbers: Vec<NumberRow>,
    /// Texts; sorted, without doubles.
    pub texts: Vec<TextRow>,
    /// Records.
    pub records: Vec<RecordRow>,
}

/// What must still be true of a resource when its change commits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expectation {
    /// It was never written.
    Absent,
    /// Its newest event is this one.
    At(Seq),
}

/// What must still be true of a search that a change was decided on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guard {
    /// No row of this value was added after the position.
    NoNewRow {
        /// Slot of the parameter.
        slot: u16,
        /// Value of the parameter.
        value: i64,
        /// Position at which the search was answered.
        after: Seq,
    },
    /// Nothing at all was written after the position.
    NothingSince(Seq),
}

/// One change of one resource, prepared outside the writer.
#[derive(Debug, Clone)]
pub struct Change {
    /// The resource.
    pub key: ResourceKey,
    /// What was read before the change was prepared.
    pub expected: Expectation,
    /// What it does.
    pub kind: EventKind,
    /// Resource type.
    pub type_id: u16,
    /// Version number that the body carries.
    pub version: u32,
    /// The record it belongs to.
    pub record_key: RecordKey,
    /// Label of the whole resource.
    pub label: u16,
    /// Hybrid time that the body carries.
    pub hybrid_time: u64,
    /// The packed body.
    pub body: Vec<u8>,
    /// Rows of the new version; empty for a deletion.
    pub add: IndexRows,
    /// Rows of the version that is superseded; empty for a first version.
    pub remove: IndexRows,
    /// For a patient: the record key that is filed under its resource key.
    pub patient_record: Option<RecordKey>,
    /// The source's own id of the resource, hashed with the source.
    pub source_key: Option<i64>,
}

/// Changes that commit together or not at all.
#[derive(Debug, Clone, Default)]
pub struct Transaction {
    /// In the order in which their events get their positions.
    pub changes: Vec<Change>,
    /// What the decision to write rests on.
    pub guards: Vec<Guard>,
    /// Who writes, as a symbol.
    pub actor: u32,
    /// Why, as a symbol.
    pub purpose: u32,
}

/// Where the changes of a transaction came to lie: the first of their consecutive positions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Committed {
    /// Position of the first change.
    pub first: Seq,
}

/// Why a transaction was not applied; nothing of it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rejection {
    /// The change with this index no longer fits what is current: read again and retry.
    Changed(usize),
    /// A guard no longer holds: search again and retry.
    GuardFailed,
}

/// An error of the storage below: the disk is full, the connection broke.
#[derive(Debug)]
pub struct StoreError(pub String);

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for StoreError {}

/// Result of a storage operation.
pub type Result<T> = std::result::Result<T, StoreError>;

/// A range of one index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NumberRange {
    /// Slot of the parameter.
    pub slot: u16,
    /// Lowest value, inclusive.
    pub low: i64,
    /// Highest value, inclusive.
    pub high: i64,
}

/// A range of one text index: texts from `low` (inclusive) up to `high`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextRange {
    /// Slot of the parameter.
    pub slot: u16,
    /// Lowest text, inclusive.
    pub low: String,
    /// Upper end.
    pub high: Bound<String>,
}

/// The order of a scan: by value (or text), then position, then extra; descending is the exact
/// reverse of ascending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Lowest value first, and of one value the oldest version first.
    Ascending,
    /// Highest value first, and of one value the newest version first.
    Descending,
}

/// Where a scan of numbers goes on: behind this row, in the order of the scan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NumberCursor {
    /// Value of the last row.
    pub value: i64,
    /// Position of the last row.
    pub seq: Seq,
    /// Extra of the last row.
    pub extra: i64,
}

/// A row found by a scan of numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NumberHit {
    /// Value of the row.
    pub value: i64,
    /// The version that has it.
    pub seq: Seq,
    /// Extra of the row.
    pub extra: i64,
    /// The record of the version.
    pub record_key: RecordKey,
    /// Label of the element.
    pub label: u16,
}

/// A row found by a scan of texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextHit {
    /// Text of the row.
    pub text: String,
    /// The version that has it.
    pub seq: Seq,
    /// The record of the version.
    pub record_key: RecordKey,
    /// Label of the element.
    pub label: u16,
}

/// A row found under a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordHit {
    /// The row.
    pub row: RecordRow,
    /// The version it files.
    pub seq: Seq,
}

/// A consistent view of the store at one position.
///
/// `as_of` in the methods below is the position whose state is wanted: the
/// snapshot's own position, or an earlier one that a page link fixed. Rows that
/// were superseded since are found in the old tables as long as page links live.
pub trait Snapshot {
    /// The last committed position of the shard.
    fn position(&self) -> Seq;

    /// The state of a resource now.
    fn current(&mut self, key: ResourceKey) -> Result<Option<Current>>;

    /// The newest event of a resource, with its body.
    fn current_event(&mut self, key: ResourceKey) -> Result<Option<Event>>;

    /// Events by position, in the order asked for; a position without an event is left out.
    fn events(&mut self, seqs: &[Seq]) -> Result<Vec<Event>>;

    /// The resource keys of positions, in the order asked for.
    fn keys(&mut self, seqs: &[Seq]) -> Result<Vec<ResourceKey>>;

    /// The record and the label of positions, in the order asked for; each must have an event.
    fn marks(&mut self, seqs: &[Seq]) -> Result<Vec<(RecordKey, u16)>> {
        Ok(self.events(seqs)?.iter().map(|event| (event.record_key, event.label)).collect())
    }

    /// Events behind a position in ledger order: the change feed.
    fn feed(&mut self, after: Seq, limit: usize) -> Result<Vec<Event>>;

    /// The same as they lie in the store, bodies still sealed where they are: what the hash chain runs over.
    fn feed_as_kept(&mut self, after: Seq, limit: usize) -> Result<Vec<Event>> {
        self.feed(after, limit)
    }

    /// Events of one resource, newest first, older than `before`.
    fn history(&mut self, key: ResourceKey, before: Seq, limit: usize) -> Result<Vec<Event>>;

    /// Events of a type, or of all types, newest first, older than `before`.
    fn type_history(&mut self, type_id: Option<u16>, before: Seq, limit: usize) -> Result<Vec<Event>>;

    /// The first position whose event is not older than `milliseconds`, within a minute.
    fn position_at(&mut self, milliseconds: i64) -> Result<Seq>;

    /// Appends to `out` up to `limit` rows of a range in order, behind `after`.
    fn scan(
        &mut self,
        range: &NumberRange,
        order: Order,
        after: Option<NumberCursor>,
        as_of: Seq,
        limit: usize,
        out: &mut Vec<NumberHit>,
    ) -> Result<()>;

    /// For each position: has it a row with this slot and value, and with this extra if one is given?
    fn probe(
        &mut self,
        slot: u16,
        value: i64,
        extra: Option<i64>,
        as_of: Seq,
        seqs: &[Seq],
        out: &mut Vec<bool>,
    ) -> Result<()>;

    /// Appends to `out` up to `limit` rows of a text range in order, behind `(text, seq)`.
    fn scan_text(
        &mut self,
        range: &TextRange,
        order: Order,
        after: Option<(&str, Seq)>,
        as_of: Seq,
        limit: usize,
        out: &mut Vec<TextHit>,
    ) -> Result<()>;

    /// How many rows a range has, counted no further than `limit`.
    fn count(&mut self, range: &NumberRange, as_of: Seq, limit: usize) -> Result<usize>;

    /// The rows of a record, of one type if given and one code if given (a code needs a type), in the
    /// order of type, code, date, position.
    fn record(
        &mut self,
        record_key: RecordKey,
        type_id: Option<u16>,
        code: Option<u16>,
        as_of: Seq,
        out: &mut Vec<RecordHit>,
    ) -> Result<()>;

    /// The record key reserved for a patient.
    fn record_key(&mut self, patient: ResourceKey) -> Result<Option<RecordKey>>;

    /// The patient for whom a record key was reserved.
    fn patient_of(&mut self, record_key: RecordKey) -> Result<Option<ResourceKey>>;

    /// The resource that a source's own id became.
    fn directory(&mut self, source_key: i64) -> Result<Option<ResourceKey>>;

    /// All heads of the hash chain: position and hash, in order.
    fn chain(&mut self, after: Seq, limit: usize) -> Result<Vec<(Seq, [u8; 32])>>;

    /// Every index row of current versions, table by table, in key order, as canonical text lines:
    /// what `verify` compares with a rebuild.
    fn dump_indexes(&mut self, line: &mut dyn FnMut(&str)) -> Result<()>;
}

/// A store: one engine that keeps the ledger.
pub trait Store: Send + Sync {
    /// A consistent view of what is committed now.
    fn snapshot(&self) -> Result<Box<dyn Snapshot + '_>>;

    /// The newest committed event of a resource, with its body: what a read by id needs, for which
    /// an engine may know a shorter way than a snapshot.
    fn newest_event(&self, key: ResourceKey) -> Result<Option<Event>> {
        self.snapshot()?.current_event(key)
    }

    /// Applies transactions in order, each whole or not at all, and makes all that were applied
    /// durable before it returns. Called by one writer at a time.
    ///
    /// Positions are consecutive from 1. In the same commit: symbols and record keys given out
    /// since the last one, and the new head of the hash chain ([`chain::next`]). Rows in
    /// [`Change::remove`] move to the old tables with the position of the change as `until`
    /// (a purge drops them); a transaction sees the changes before it in the same call.
    /// A storage error leaves nothing of the whole call behind.
    fn commit(&self, transactions: &[Transaction]) -> Result<Vec<std::result::Result<Committed, Rejection>>>;

    /// The small integer of a text (from 1), giving it one if it has none; durable like record keys.
    fn symbol(&self, text: &str) -> Result<u32>;

    /// The small integer of a text, if it has one.
    fn find_symbol(&self, text: &str) -> Result<Option<u32>>;

    /// The text of a symbol.
    fn symbol_text(&self, symbol: u32) -> Result<Option<String>>;

    /// The record key of a patient, reserving one if it has none. Given out at once and made
    /// durable with the next commit, at the latest by the one that uses it.
    fn reserve_record_key(&self, patient: ResourceKey) -> Result<RecordKey>;

    /// Drops superseded index rows that were superseded at or before `position`.
    fn forget_superseded(&self, position: Seq) -> Result<u64>;

    /// Drops every index row of these versions, current and superseded, by looking at all rows: for
    /// erased versions whose rows cannot be worked out any more. Returns how many there were.
    fn forget_rows_of(&self, seqs: &[Seq]) -> Result<u64>;

    /// Gives back the space of what was erased and forgotten, so that nothing of it is left in the files of
    /// the store. Takes as long as a copy of the store, and nobody writes meanwhile.
    fn leave_no_trace(&self) -> Result<()>;

    /// The secret of this installation under which keys and hashes are made.
    fn secret(&self) -> [u8; 32];

    /// Bytes on disk: everything, and by table where the engine can tell.
    fn size(&self) -> Result<Vec<(String, u64)>>;

    /// Copies the store to a file while it is in use. Engines with their own tools say so.
    fn backup(&self, target: &std::path::Path, progress: &mut dyn FnMut(u64, u64)) -> Result<()>;
}
