//! Decides a whole call of `commit` in memory, on what was read under the shard's lock, so that it is
//! then written with a handful of statements, however many changes it holds.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use tongmai_store::{
    Change, Committed, Current, Event, EventKind, Expectation, Guard, IndexRows, RecordKey, Rejection,
    ResourceKey, Seq, Transaction, chain,
};

/// Slot, value, position, extra.
pub(crate) type NumberKey = (u16, i64, Seq, i64);
/// Slot, text, position.
pub(crate) type TextKey = (u16, String, Seq);
/// Record, type, code, date, position.
pub(crate) type RecordRowKey = (RecordKey, u16, u16, i64, Seq);

/// What an index row holds beside its key.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Filed {
    pub record_key: RecordKey,
    pub label: u16,
}

/// What happens to the rows of one index table.
#[derive(Debug)]
pub(crate) struct Rows<K> {
    /// New rows that are current after the call.
    pub added: BTreeMap<K, Filed>,
    /// New rows that are superseded already, and where.
    pub passed: BTreeMap<K, (Filed, Seq)>,
    /// Stored rows that are superseded, and where; nowhere when they are purged.
    pub removed: BTreeMap<K, Option<Seq>>,
}

/// The key of an index row, which tells the version it belongs to.
pub(crate) trait Versioned: Ord {
    fn seq(&self) -> Seq;
}

impl Versioned for NumberKey {
    fn seq(&self) -> Seq {
        self.2
    }
}

impl Versioned for TextKey {
    fn seq(&self) -> Seq {
        self.2
    }
}

impl Versioned for RecordRowKey {
    fn seq(&self) -> Seq {
        self.4
    }
}

impl<K> Default for Rows<K> {
    fn default() -> Rows<K> {
        Rows { added: BTreeMap::new(), passed: BTreeMap::new(), removed: BTreeMap::new() }
    }
}

impl<K: Versioned> Rows<K> {
    fn add(&mut self, key: K, filed: Filed) {
        self.added.entry(key).or_insert(filed);
    }

    /// The row ends at `until`, or without a trace. Rows up to `stored` lie in the database.
    fn supersede(&mut self, key: K, until: Option<Seq>, stored: Seq) {
        if key.seq() <= stored {
            self.removed.entry(key).or_insert(until);
        } else if let Some(filed) = self.added.remove(&key)
            && let Some(until) = until
        {
            self.passed.insert(key, (filed, until));
        }
    }

    /// No trace is left of rows of these versions that this call superseded before.
    fn erase(&mut self, seqs: &BTreeSet<Seq>) {
        self.passed.retain(|key, _| !seqs.contains(&key.seq()));
        for (key, until) in &mut self.removed {
            if seqs.contains(&key.seq()) {
                *until = None;
            }
        }
    }
}

/// What the database held when the lock was taken.
#[derive(Debug, Default)]
pub(crate) struct Stored {
    pub position: Seq,
    pub head: chain::Hash,
    pub current: HashMap<ResourceKey, Current>,
    /// Slot and value of each guarded row, with the newest rows behind the guard's position: at
    /// least one more than the call removes.
    pub guarded: HashMap<(u16, i64, Seq), Vec<(Seq, i64)>>,
    /// Events with a body or without a commitment, of resources that the call wants to purge.
    pub bodies: HashMap<ResourceKey, Vec<(Seq, Vec<u8>)>>,
}

/// What the call does to the database.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    pub outcomes: Vec<Result<Committed, Rejection>>,
    pub events: Vec<Event>,
    pub head: chain::Hash,
    pub resources: BTreeMap<ResourceKey, Current>,
    pub numbers: Rows<NumberKey>,
    pub texts: Rows<TextKey>,
    pub records: Rows<RecordRowKey>,
    pub patients: BTreeMap<ResourceKey, RecordKey>,
    pub directory: BTreeMap<i64, ResourceKey>,
    /// Commitments that take the place of stored bodies.
    pub erased: BTreeMap<Seq, chain::Hash>,
}

impl Plan {
    /// Plans the call on what is stored.
    pub(crate) fn new(stored: &Stored, secret: &chain::Hash, transactions: &[Transaction]) -> Plan {
        let mut plan = Plan { outcomes: Vec::with_capacity(transactions.len()), ..Plan::default() };
        for transaction in transactions {
            let first = plan.position(stored) + 1;
            let outcome = plan.check(stored, transaction).map(|()| Committed { first });
            if outcome.is_ok() {
                for change in &transaction.changes {
                    plan.apply(stored, secret, transaction, change);
                }
            }
            plan.outcomes.push(outcome);
        }
        plan.head = chain::next(&stored.head, secret, &plan.events);
        plan
    }

    pub(crate) fn position(&self, stored: &Stored) -> Seq {
        stored.position + self.events.len() as Seq
    }

    fn current(&self, stored: &Stored, key: ResourceKey) -> Option<Current> {
        self.resources.get(&key).or_else(|| stored.current.get(&key)).copied()
    }

    fn check(&self, stored: &Stored, transaction: &Transaction) -> Result<(), Rejection> {
        if !transaction.guards.iter().all(|guard| self.holds(stored, guard)) {
            return Err(Rejection::GuardFailed);
        }
        let mut seen = BTreeSet::new();
        for (index, change) in transaction.changes.iter().enumerate() {
            let newest = self.current(stored, change.key).map(|current| current.seq);
            let expected = match change.expected {
                Expectation::Absent => None,
                Expectation::At(seq) => Some(seq),
            };
            if newest != expected || !seen.insert(change.key) {
                return Err(Rejection::Changed(index));
            }
        }
        Ok(())
    }

    fn holds(&self, stored: &Stored, guard: &Guard) -> bool {
        match *guard {
            Guard::NothingSince(position) => self.position(stored) <= position,
            Guard::NoNewRow { slot, value, after } => {
                let behind =
                    (slot, value, after.saturating_add(1), i64::MIN)..=(slot, value, Seq::MAX, i64::MAX);
                let known = stored.guarded.get(&(slot, value, after));
                let gone = |&(seq, extra): &(Seq, i64)| {
                    self.numbers.removed.contains_key(&(slot, value, seq, extra))
                };
                known.into_iter().flatten().all(gone) && self.numbers.added.range(behind).next().is_none()
            }
        }
    }

    fn apply(&mut self, stored: &Stored, secret: &chain::Hash, transaction: &Transaction, change: &Change) {
        let seq = self.position(stored) + 1;
        let before = self.current(stored, change.key);
        if let Some(before) = before {
            let until = (change.kind != EventKind::Purge).then_some(seq);
            self.supersede(&change.remove, before.seq, until, stored.position);
        }
        if change.kind == EventKind::Purge {
            self.erase(stored, secret, change.key);
        }
        self.add(&change.add, change.record_key, seq);
        self.events.push(event(transaction, change, seq, before));
        self.resources.insert(change.key, follow(change, seq, before));
        if let Some(record_key) = change.patient_record {
            self.patients.insert(change.key, record_key);
        }
        if let Some(source_key) = change.source_key {
            self.directory.insert(source_key, change.key);
        }
    }

    fn add(&mut self, rows: &IndexRows, record_key: RecordKey, seq: Seq) {
        for row in &rows.numbers {
            let filed = Filed { record_key, label: row.label };
            self.numbers.add((row.slot, row.value, seq, row.extra), filed);
        }
        for row in &rows.texts {
            self.texts.add((row.slot, row.text.clone(), seq), Filed { record_key, label: row.label });
        }
        for row in &rows.records {
            let filed = Filed { record_key: row.record_key, label: row.label };
            self.records.add((row.record_key, row.type_id, row.code, row.date, seq), filed);
        }
    }

    fn supersede(&mut self, rows: &IndexRows, seq: Seq, until: Option<Seq>, stored: Seq) {
        for row in &rows.numbers {
            self.numbers.supersede((row.slot, row.value, seq, row.extra), until, stored);
        }
        for row in &rows.texts {
            self.texts.supersede((row.slot, row.text.clone(), seq), until, stored);
        }
        for row in &rows.records {
            let key = (row.record_key, row.type_id, row.code, row.date, seq);
            self.records.supersede(key, until, stored);
        }
    }

    /// Puts commitments in the place of all bodies of a resource so far, and drops its past rows.
    fn erase(&mut self, stored: &Stored, secret: &chain::Hash, key: ResourceKey) {
        let mut seqs = BTreeSet::new();
        for (seq, body) in stored.bodies.get(&key).into_iter().flatten() {
            self.erased.entry(*seq).or_insert_with(|| chain::commitment(secret, *seq, body));
            seqs.insert(*seq);
        }
        for event in self.events.iter_mut().filter(|event| event.key == key) {
            let commitment = || chain::commitment(secret, event.seq, &event.body);
            event.commitment = Some(event.commitment.unwrap_or_else(commitment));
            event.body = Vec::new();
            seqs.insert(event.seq);
        }
        self.numbers.erase(&seqs);
        self.texts.erase(&seqs);
        self.records.erase(&seqs);
    }
}

fn event(transaction: &Transaction, change: &Change, seq: Seq, before: Option<Current>) -> Event {
    Event {
        seq,
        origin: 0,
        origin_seq: seq,
        parents: before.iter().map(|current| current.seq).collect(),
        hybrid_time: change.hybrid_time,
        kind: change.kind,
        type_id: change.type_id,
        key: change.key,
        version: change.version,
        record_key: change.record_key,
        label: change.label,
        actor: transaction.actor,
        purpose: transaction.purpose,
        body: change.body.clone(),
        commitment: None,
    }
}

/// The state of a resource after a change.
fn follow(change: &Change, seq: Seq, before: Option<Current>) -> Current {
    Current {
        seq,
        version: change.version,
        record_key: change.record_key,
        deleted: match change.kind {
            EventKind::Put => false,
            EventKind::Delete | EventKind::Purge => true,
            EventKind::Restrict | EventKind::Release | EventKind::Move => {
                before.is_some_and(|current| current.deleted)
            }
        },
        restricted: match change.kind {
            EventKind::Restrict => true,
            EventKind::Release => false,
            _ => before.is_some_and(|current| current.restricted),
        },
    }
}
