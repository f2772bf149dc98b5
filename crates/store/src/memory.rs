//! The in-memory model of a store: the shortest program that is obviously right.
//!
//! Every index row carries the position at which it was superseded, so that one
//! table serves the present and the past, and a snapshot is a shared copy of
//! the whole state. Nothing here is fast; other stores are compared with it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::path::Path;
use std::sync::{Arc, Mutex};

use crate::*;

/// The position at which a row that is still current was superseded: never.
const NEVER: Seq = Seq::MAX;

/// What an index row holds beside its key.
#[derive(Debug, Clone, Copy)]
struct Filed {
    record_key: RecordKey,
    label: u16,
    until: Seq,
}

impl Filed {
    /// Was the row current at `as_of`, if its version was written at `seq`?
    fn visible(&self, seq: Seq, as_of: Seq) -> bool {
        seq <= as_of && as_of < self.until
    }
}

/// Everything the store knows.
#[derive(Debug, Clone, Default)]
struct State {
    secret: [u8; 32],
    /// The event of position `n` lies at `n - 1`.
    events: Vec<Event>,
    current: BTreeMap<ResourceKey, Current>,
    /// Slot, value, position, extra.
    numbers: BTreeMap<(u16, i64, Seq, i64), Filed>,
    /// Slot, text, position.
    texts: BTreeMap<(u16, String, Seq), Filed>,
    /// Record, type, code, date, position. The record key in the value is that of the key.
    records: BTreeMap<(RecordKey, u16, u16, i64, Seq), Filed>,
    patients: BTreeMap<ResourceKey, RecordKey>,
    directory: BTreeMap<i64, ResourceKey>,
    symbols: Vec<String>,
    chain: Vec<(Seq, [u8; 32])>,
}

/// A store in memory; its clone is an independent copy.
#[derive(Debug)]
pub struct MemoryStore {
    state: Mutex<Arc<State>>,
}

impl Clone for MemoryStore {
    fn clone(&self) -> Self {
        MemoryStore { state: Mutex::new(self.state()) }
    }
}

impl MemoryStore {
    /// An empty store with this secret.
    pub fn new(secret: [u8; 32]) -> MemoryStore {
        MemoryStore { state: Mutex::new(Arc::new(State { secret, ..State::default() })) }
    }

    fn state(&self) -> Arc<State> {
        self.state.lock().expect("no panic under the lock").clone()
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(Arc::make_mut(&mut self.state.lock().expect("no panic under the lock")))
    }
}

impl State {
    fn position(&self) -> Seq {
        self.events.len() as Seq
    }

    fn event(&self, seq: Seq) -> Option<&Event> {
        self.events.get(usize::try_from(seq.checked_sub(1)?).ok()?)
    }

    /// Would the transaction be accepted now? It may change a resource once: it cannot know the
    /// position that a second change of the same resource would have to expect.
    fn check(&self, transaction: &Transaction) -> std::result::Result<(), Rejection> {
        let holds = transaction.guards.iter().all(|guard| match *guard {
            Guard::NothingSince(position) => self.position() <= position,
            Guard::NoNewRow { slot, value, after } => !self
                .numbers
                .iter()
                .any(|(key, filed)| (key.0, key.1) == (slot, value) && key.2 > after && filed.until == NEVER),
        });
        if !holds {
            return Err(Rejection::GuardFailed);
        }
        let mut seen = BTreeSet::new();
        for (index, change) in transaction.changes.iter().enumerate() {
            let newest = self.current.get(&change.key).map(|current| current.seq);
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

    /// Writes the next event and everything that follows from it.
    fn apply(&mut self, transaction: &Transaction, change: &Change) {
        let seq = self.position() + 1;
        let before = self.current.get(&change.key).copied();
        self.events.push(Event {
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
        });
        let deleted = before.is_some_and(|current| current.deleted);
        let restricted = before.is_some_and(|current| current.restricted);
        let current = Current {
            seq,
            version: change.version,
            record_key: change.record_key,
            deleted: match change.kind {
                EventKind::Put => false,
                EventKind::Delete | EventKind::Purge => true,
                EventKind::Restrict | EventKind::Release | EventKind::Move => deleted,
            },
            restricted: match change.kind {
                EventKind::Restrict => true,
                EventKind::Release => false,
                _ => restricted,
            },
        };
        self.current.insert(change.key, current);
        if let Some(before) = before {
            self.supersede(&change.remove, before.seq, seq);
        }
        if change.kind == EventKind::Purge {
            self.erase(change.key, seq);
        }
        self.add(&change.add, change.record_key, seq);
        if let Some(record_key) = change.patient_record {
            self.patients.insert(change.key, record_key);
        }
        if let Some(source_key) = change.source_key {
            self.directory.insert(source_key, change.key);
        }
    }

    /// Files the rows of the version `seq`.
    fn add(&mut self, rows: &IndexRows, record_key: RecordKey, seq: Seq) {
        for row in &rows.numbers {
            let filed = Filed { record_key, label: row.label, until: NEVER };
            self.numbers.entry((row.slot, row.value, seq, row.extra)).or_insert(filed);
        }
        for row in &rows.texts {
            let filed = Filed { record_key, label: row.label, until: NEVER };
            self.texts.entry((row.slot, row.text.clone(), seq)).or_insert(filed);
        }
        for row in &rows.records {
            let filed = Filed { record_key: row.record_key, label: row.label, until: NEVER };
            let key = (row.record_key, row.type_id, row.code, row.date, seq);
            self.records.entry(key).or_insert(filed);
        }
    }

    /// The rows of the version `seq` belong to the past from `until` on.
    fn supersede(&mut self, rows: &IndexRows, seq: Seq, until: Seq) {
        let numbers = rows.numbers.iter().map(|row| (row.slot, row.value, seq, row.extra));
        for key in numbers {
            self.numbers.entry(key).and_modify(|filed| filed.until = until);
        }
        for row in &rows.texts {
            self.texts.entry((row.slot, row.text.clone(), seq)).and_modify(|filed| filed.until = until);
        }
        for row in &rows.records {
            let key = (row.record_key, row.type_id, row.code, row.date, seq);
            self.records.entry(key).and_modify(|filed| filed.until = until);
        }
    }

    /// Erases bodies and rows of all events of a resource before `seq`; commitments stay.
    fn erase(&mut self, key: ResourceKey, seq: Seq) {
        let earlier = |event: &&mut Event| event.key == key && event.seq < seq;
        let mut erased = Vec::new();
        for event in self.events.iter_mut().filter(earlier) {
            let commitment = || chain::commitment(&self.secret, event.seq, &event.body);
            event.commitment = Some(event.commitment.unwrap_or_else(commitment));
            event.body = Vec::new();
            erased.push(event.seq);
        }
        self.numbers.retain(|key, _| !erased.contains(&key.2));
        self.texts.retain(|key, _| !erased.contains(&key.2));
        self.records.retain(|key, _| !erased.contains(&key.4));
    }

    fn numbers(&self, range: &NumberRange, as_of: Seq) -> impl Iterator<Item = NumberHit> {
        let NumberRange { slot, low, high } = *range;
        let rows = self.numbers.iter().filter(move |(key, filed)| {
            key.0 == slot && low <= key.1 && key.1 <= high && filed.visible(key.2, as_of)
        });
        rows.map(|(&(_, value, seq, extra), &Filed { record_key, label, .. })| NumberHit {
            value,
            seq,
            extra,
            record_key,
            label,
        })
    }
}

/// Appends up to `limit` hits, which came in ascending order, as the scan wants them.
fn ordered<T>(mut hits: Vec<T>, order: Order, limit: usize, out: &mut Vec<T>) {
    if order == Order::Descending {
        hits.reverse();
    }
    out.extend(hits.into_iter().take(limit));
}

/// Does a row lie behind the last one of the page before, in the order of the scan?
fn behind<T: Ord>(place: T, after: Option<T>, order: Order) -> bool {
    after.is_none_or(|after| match order {
        Order::Ascending => place > after,
        Order::Descending => place < after,
    })
}

/// Does the text lie below the upper end of a range?
fn below(text: &str, high: &Bound<String>) -> bool {
    match high {
        Bound::Included(high) => text <= high.as_str(),
        Bound::Excluded(high) => text < high.as_str(),
        Bound::Unbounded => true,
    }
}

struct MemorySnapshot(Arc<State>);

impl Snapshot for MemorySnapshot {
    fn position(&self) -> Seq {
        self.0.position()
    }

    fn current(&mut self, key: ResourceKey) -> Result<Option<Current>> {
        Ok(self.0.current.get(&key).copied())
    }

    fn current_event(&mut self, key: ResourceKey) -> Result<Option<Event>> {
        let current = self.0.current.get(&key);
        Ok(current.and_then(|current| self.0.event(current.seq)).cloned())
    }

    fn events(&mut self, seqs: &[Seq]) -> Result<Vec<Event>> {
        Ok(seqs.iter().filter_map(|seq| self.0.event(*seq)).cloned().collect())
    }

    fn keys(&mut self, seqs: &[Seq]) -> Result<Vec<ResourceKey>> {
        Ok(seqs.iter().filter_map(|seq| self.0.event(*seq)).map(|event| event.key).collect())
    }

    fn feed(&mut self, after: Seq, limit: usize) -> Result<Vec<Event>> {
        Ok(self.0.events.iter().filter(|event| event.seq > after).take(limit).cloned().collect())
    }

    fn history(&mut self, key: ResourceKey, before: Seq, limit: usize) -> Result<Vec<Event>> {
        let events = self.0.events.iter().rev().filter(|event| event.key == key && event.seq < before);
        Ok(events.take(limit).cloned().collect())
    }

    fn type_history(&mut self, type_id: Option<u16>, before: Seq, limit: usize) -> Result<Vec<Event>> {
        let asked = |event: &&Event| type_id.is_none_or(|id| event.type_id == id) && event.seq < before;
        Ok(self.0.events.iter().rev().filter(asked).take(limit).cloned().collect())
    }

    fn position_at(&mut self, milliseconds: i64) -> Result<Seq> {
        let first = self.0.events.iter().find(|event| event.milliseconds() >= milliseconds);
        Ok(first.map_or(self.0.position() + 1, |event| event.seq))
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
        let after = after.map(|cursor| (cursor.value, cursor.seq, cursor.extra));
        let rows = self.0.numbers(range, as_of);
        let hits = rows.filter(|hit| behind((hit.value, hit.seq, hit.extra), after, order)).collect();
        ordered(hits, order, limit, out);
        Ok(())
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
        let range = NumberRange { slot, low: value, high: value };
        let rows: Vec<NumberHit> = self.0.numbers(&range, as_of).collect();
        out.extend(seqs.iter().map(|seq| {
            rows.iter().any(|hit| hit.seq == *seq && extra.is_none_or(|extra| hit.extra == extra))
        }));
        Ok(())
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
        let mut hits = Vec::new();
        for ((slot, text, seq), filed) in &self.0.texts {
            let inside = *slot == range.slot && *text >= range.low && below(text, &range.high);
            if inside && behind((text.as_str(), *seq), after, order) && filed.visible(*seq, as_of) {
                let (record_key, label) = (filed.record_key, filed.label);
                hits.push(TextHit { text: text.clone(), seq: *seq, record_key, label });
            }
        }
        ordered(hits, order, limit, out);
        Ok(())
    }

    fn count(&mut self, range: &NumberRange, as_of: Seq, limit: usize) -> Result<usize> {
        Ok(self.0.numbers(range, as_of).take(limit).count())
    }

    fn record(
        &mut self,
        record_key: RecordKey,
        type_id: Option<u16>,
        code: Option<u16>,
        as_of: Seq,
        out: &mut Vec<RecordHit>,
    ) -> Result<()> {
        for (&(record, of_type, of_code, date, seq), filed) in &self.0.records {
            let asked = record == record_key
                && type_id.is_none_or(|id| id == of_type)
                && code.is_none_or(|code| code == of_code);
            if asked && filed.visible(seq, as_of) {
                let label = filed.label;
                let row = RecordRow { record_key, type_id: of_type, code: of_code, date, label };
                out.push(RecordHit { row, seq });
            }
        }
        Ok(())
    }

    fn record_key(&mut self, patient: ResourceKey) -> Result<Option<RecordKey>> {
        Ok(self.0.patients.get(&patient).copied())
    }

    fn patient_of(&mut self, record_key: RecordKey) -> Result<Option<ResourceKey>> {
        let mut patients = self.0.patients.iter();
        Ok(patients.find(|(_, record)| **record == record_key).map(|(patient, _)| *patient))
    }

    fn directory(&mut self, source_key: i64) -> Result<Option<ResourceKey>> {
        Ok(self.0.directory.get(&source_key).copied())
    }

    fn chain(&mut self, after: Seq, limit: usize) -> Result<Vec<(Seq, [u8; 32])>> {
        Ok(self.0.chain.iter().filter(|(seq, _)| *seq > after).take(limit).copied().collect())
    }

    fn dump_indexes(&mut self, line: &mut dyn FnMut(&str)) -> Result<()> {
        for (&(slot, value, seq, extra), filed) in &self.0.numbers {
            let Filed { record_key, label, until } = *filed;
            if until == NEVER {
                line(&dump::number(slot, &NumberHit { value, seq, extra, record_key, label }));
            }
        }
        for ((slot, text, seq), filed) in &self.0.texts {
            let Filed { record_key, label, until } = *filed;
            if until == NEVER {
                let text = text.clone();
                line(&dump::text(*slot, &TextHit { text, seq: *seq, record_key, label }));
            }
        }
        for (&(record_key, type_id, code, date, seq), filed) in &self.0.records {
            let row = RecordRow { record_key, type_id, code, date, label: filed.label };
            if filed.until == NEVER {
                line(&dump::record(&RecordHit { row, seq }));
            }
        }
        Ok(())
    }
}

impl Store for MemoryStore {
    fn snapshot(&self) -> Result<Box<dyn Snapshot + '_>> {
        Ok(Box::new(MemorySnapshot(self.state())))
    }

    fn commit(&self, transactions: &[Transaction]) -> Result<Vec<std::result::Result<Committed, Rejection>>> {
        self.change(|state| {
            let before = state.events.len();
            let mut outcomes = Vec::with_capacity(transactions.len());
            for transaction in transactions {
                let first = state.position() + 1;
                let outcome = state.check(transaction).map(|()| Committed { first });
                if outcome.is_ok() {
                    transaction.changes.iter().for_each(|change| state.apply(transaction, change));
                }
                outcomes.push(outcome);
            }
            if state.events.len() > before {
                let previous = state.chain.last().map_or(chain::GENESIS, |(_, head)| *head);
                let head = chain::next(&previous, &state.secret, &state.events[before..]);
                state.chain.push((state.position(), head));
            }
            Ok(outcomes)
        })
    }

    fn symbol(&self, text: &str) -> Result<u32> {
        Ok(self.change(|state| {
            if let Some(index) = state.symbols.iter().position(|known| known == text) {
                return index as u32 + 1;
            }
            state.symbols.push(text.to_owned());
            state.symbols.len() as u32
        }))
    }

    fn find_symbol(&self, text: &str) -> Result<Option<u32>> {
        let found = self.state().symbols.iter().position(|known| known == text);
        Ok(found.map(|index| index as u32 + 1))
    }

    fn symbol_text(&self, symbol: u32) -> Result<Option<String>> {
        let index = symbol.checked_sub(1).map(|index| index as usize);
        Ok(index.and_then(|index| self.state().symbols.get(index).cloned()))
    }

    fn reserve_record_key(&self, patient: ResourceKey) -> Result<RecordKey> {
        Ok(self.change(|state| {
            let next = RecordKey(state.patients.values().max().map_or(1, |last| last.0 + 1));
            *state.patients.entry(patient).or_insert(next)
        }))
    }

    fn forget_superseded(&self, position: Seq) -> Result<u64> {
        Ok(self.change(|state| {
            let rows = |state: &State| state.numbers.len() + state.texts.len() + state.records.len();
            let before = rows(state);
            state.numbers.retain(|_, filed| filed.until > position);
            state.texts.retain(|_, filed| filed.until > position);
            state.records.retain(|_, filed| filed.until > position);
            (before - rows(state)) as u64
        }))
    }

    fn forget_rows_of(&self, seqs: &[Seq]) -> Result<u64> {
        Ok(self.change(|state| {
            let rows = |state: &State| state.numbers.len() + state.texts.len() + state.records.len();
            let before = rows(state);
            state.numbers.retain(|key, _| !seqs.contains(&key.2));
            state.texts.retain(|key, _| !seqs.contains(&key.2));
            state.records.retain(|key, _| !seqs.contains(&key.4));
            (before - rows(state)) as u64
        }))
    }

    fn leave_no_trace(&self) -> Result<()> {
        Ok(())
    }

    fn secret(&self) -> [u8; 32] {
        self.state().secret
    }

    fn size(&self) -> Result<Vec<(String, u64)>> {
        Ok(vec![("total".to_owned(), 0)])
    }

    fn backup(&self, _: &Path, _: &mut dyn FnMut(u64, u64)) -> Result<()> {
        Err(StoreError("the store in memory has nothing to back up".to_owned()))
    }
}
