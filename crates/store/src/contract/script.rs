//! Seeded random histories, compared with the model.
//!
//! A [`Script`] writes calls of `commit` from a seed: first versions, updates, deletions, purges, moves, and
//! transactions that must be rejected. [`same_answers`] asks a store and the model the same random questions.
//! [`recovered`] is for crashes: whatever the store holds afterwards must be the state after a whole number
//! of calls, and no fewer than were acknowledged.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::{Random, all_events, dump, snapshot};
use crate::memory::MemoryStore;
use crate::*;

/// What a store answers to one transaction.
pub type Outcome = std::result::Result<Committed, Rejection>;

/// Values that rows are given; few, so that rows share them, and with both ends.
const VALUES: [i64; 9] = [i64::MIN, -1_000_000, -1, 0, 1, 2, 3, 1 << 40, i64::MAX];
/// Texts that rows are given.
const TEXTS: [&str; 10] = ["", "a", "ab", "abc", "b", "de\u{301}", "张", "张三", "\u{1f33e}", "འབྲུག"];
/// Resources of a history.
const KEYS: u64 = 60;
/// Distance of the keys.
const STEP: i64 = 0x0123_4567_89ab_cdef;
/// Slots of numbers are 1 to this, slots of texts likewise.
const SLOTS: u64 = 3;
/// Types, records and codes are below this.
const KINDS: u64 = 4;

/// The resource with a number below [`KEYS`]; half of the keys are negative.
fn resource(number: u64) -> ResourceKey {
    ResourceKey((number as i64 - KEYS as i64 / 2) * STEP)
}

/// The record key of a resource that is a patient.
fn own_record(key: ResourceKey) -> RecordKey {
    RecordKey((key.0 / STEP + 1000) as u64)
}

/// A random history.
pub struct Script {
    random: Random,
    model: MemoryStore,
    /// Rows of each resource's newest version.
    rows: BTreeMap<ResourceKey, IndexRows>,
    milliseconds: u64,
}

impl Script {
    /// The history of a seed on a store with this secret.
    pub fn new(seed: u64, secret: [u8; 32]) -> Script {
        let (model, rows) = (MemoryStore::new(secret), BTreeMap::new());
        Script { random: Random(seed), model, rows, milliseconds: 1_700_000_000_000 }
    }

    /// The model in the state after all calls so far.
    pub fn model(&self) -> &MemoryStore {
        &self.model
    }

    /// The next call of `commit`, and what the model answered to it.
    pub fn call(&mut self) -> (Vec<Transaction>, Vec<Outcome>) {
        // Written one by one on a copy, so that each transaction can build on those before it.
        let copy = self.model.clone();
        let (mut transactions, mut outcomes) = (Vec::new(), Vec::new());
        for _ in 0..1 + self.random.below(4) {
            let transaction = self.transaction(&copy);
            let outcome = copy.commit(std::slice::from_ref(&transaction)).expect("model")[0];
            if outcome.is_ok() {
                let changes = transaction.changes.iter();
                self.rows.extend(changes.map(|change| (change.key, change.add.clone())));
            }
            outcomes.push(outcome);
            transactions.push(transaction);
        }
        let together = self.model.commit(&transactions).expect("model");
        assert_eq!(together, outcomes, "the model answers a group as it answers its members");
        (transactions, outcomes)
    }

    fn transaction(&mut self, store: &MemoryStore) -> Transaction {
        let mut state = snapshot(store);
        let mut transaction = Transaction {
            actor: self.random.bits() as u32,
            purpose: self.random.below(9) as u32,
            ..Transaction::default()
        };
        for _ in 0..1 + self.random.below(4) {
            let key = resource(self.random.below(KEYS));
            let twice = transaction.changes.iter().any(|change| change.key == key);
            // A second change of a resource is rejected, which most histories should not be.
            if !twice || self.random.chance(3) {
                let current = state.current(key).expect("model");
                transaction.changes.push(self.change(key, current));
            }
        }
        if self.random.chance(25) {
            // Who decides on a call knows no position of it yet.
            let known = snapshot(&self.model).position();
            let after = known.saturating_sub(self.random.below(12));
            transaction.guards.push(if self.random.chance(20) {
                Guard::NothingSince(after)
            } else {
                let (slot, value) = (self.slot(), self.random.pick(&VALUES));
                Guard::NoNewRow { slot, value, after }
            });
        }
        transaction
    }

    fn change(&mut self, key: ResourceKey, current: Option<Current>) -> Change {
        use EventKind::*;
        let kind = match current {
            None => Put,
            Some(Current { deleted: true, .. }) => self.random.pick(&[Put, Put, Put, Purge]),
            Some(_) => self.random.pick(&[Put, Put, Put, Put, Delete, Purge, Restrict, Release, Move]),
        };
        let expected = match current.map(|current| current.seq) {
            Some(seq) if self.random.chance(5) => Expectation::At(seq.saturating_sub(1)),
            Some(_) if self.random.chance(3) => Expectation::Absent,
            Some(seq) => Expectation::At(seq),
            None if self.random.chance(3) => Expectation::At(1),
            None => Expectation::Absent,
        };
        let type_id = 1 + (own_record(key).0 % KINDS) as u16;
        let record_key = RecordKey(self.random.below(KINDS));
        let ends = matches!(kind, Delete | Purge);
        self.milliseconds += self.random.below(180_000);
        Change {
            key,
            expected,
            kind,
            type_id,
            version: current.map_or(1, |current| current.version + 1),
            record_key,
            label: self.random.bits() as u16,
            hybrid_time: self.milliseconds << 16 | self.random.below(1 << 16),
            body: if ends { Vec::new() } else { self.body() },
            add: if ends { IndexRows::default() } else { self.rows(type_id, record_key) },
            remove: self.rows.get(&key).cloned().unwrap_or_default(),
            patient_record: (type_id == 1).then_some(own_record(key)),
            source_key: self.random.chance(50).then_some(!key.0),
        }
    }

    fn body(&mut self) -> Vec<u8> {
        let length = self.random.below(300);
        (0..length).map(|_| self.random.bits() as u8).collect()
    }

    fn slot(&mut self) -> u16 {
        1 + self.random.below(SLOTS) as u16
    }

    fn rows(&mut self, type_id: u16, record_key: RecordKey) -> IndexRows {
        let mut numbers = BTreeMap::from([((TYPE_SLOT, i64::from(type_id), 0), 0)]);
        for _ in 0..self.random.below(6) {
            let (slot, value) = (self.slot(), self.random.pick(&VALUES));
            let extra = self.random.below(3) as i64 - 1;
            numbers.insert((slot, value, extra), self.random.below(3) as u16);
        }
        let mut texts = BTreeMap::new();
        for _ in 0..self.random.below(3) {
            texts.insert((self.slot(), self.random.pick(&TEXTS)), self.random.below(3) as u16);
        }
        let mut records = BTreeMap::new();
        for _ in 0..1 + self.random.below(2) {
            let date = self.random.pick(&[NO_DATE, -5, 0, 1_600_000_000_000, 1_700_000_000_000]);
            let key = if records.is_empty() { record_key } else { RecordKey(self.random.below(KINDS)) };
            records.entry(key).or_insert((self.random.below(3) as u16, date, self.random.below(3) as u16));
        }
        IndexRows {
            numbers: numbers
                .into_iter()
                .map(|((slot, value, extra), label)| NumberRow { slot, value, extra, label })
                .collect(),
            texts: texts
                .into_iter()
                .map(|((slot, text), label)| TextRow { slot, text: text.to_owned(), label })
                .collect(),
            records: records
                .into_iter()
                .map(|(record_key, (code, date, label))| RecordRow { record_key, type_id, code, date, label })
                .collect(),
        }
    }
}

/// Transactions with a guard and a stale expectation fail in two ways at once; which is told is free.
fn comparable(
    transaction: &Transaction,
    outcome: Outcome,
) -> std::result::Result<Committed, Option<Rejection>> {
    outcome.map_err(|rejection| transaction.guards.is_empty().then_some(rejection))
}

/// Runs a history on an empty store and compares every answer with the model's, now and then over a snapshot
/// that was taken some calls before.
///
/// # Panics
/// When an answer differs; the seed is in the message.
pub fn run(store: &dyn Store, seed: u64, calls: usize) {
    let mut script = Script::new(seed, store.secret());
    let mut questions = Random(!seed);
    let mut forgotten = 0;
    // A snapshot of the store and one of the model, and the earliest position they can look back to.
    let mut held: Option<(Box<dyn Snapshot + '_>, MemoryStore, Seq)> = None;
    for call in 0..calls {
        let place = format!("seed {seed}, call {call}");
        let (transactions, expected) = script.call();
        let outcomes = store.commit(&transactions).expect("commit");
        assert_eq!(outcomes.len(), expected.len(), "{place}");
        for (transaction, (outcome, expected)) in transactions.iter().zip(outcomes.into_iter().zip(expected))
        {
            assert_eq!(comparable(transaction, outcome), comparable(transaction, expected), "{place}");
        }
        same_answers(&mut *snapshot(store), script.model(), &mut questions, forgotten, &place);
        let key = resource(questions.below(KEYS));
        same("newest_event", &place, (store.newest_event(key), script.model().newest_event(key)));
        if call % 5 == 4 {
            if let Some((mut earlier, model, from)) = held.take() {
                same_answers(
                    &mut *earlier,
                    &model,
                    &mut questions,
                    from,
                    &format!("{place}, earlier snapshot"),
                );
            }
            held = Some((snapshot(store), script.model().clone(), forgotten));
        }
        if call % 11 == 10 {
            forgotten = forgotten.max(snapshot(script.model()).position().saturating_sub(20));
            let dropped = store.forget_superseded(forgotten).expect("forget");
            assert_eq!(dropped, script.model().forget_superseded(forgotten).expect("model"), "{place}");
        }
    }
    drop(held);
    same_state(store, script.model(), &format!("seed {seed}"));
}

/// Everything that is kept is the same: events, index rows and hash chain.
pub fn same_state(store: &dyn Store, model: &MemoryStore, place: &str) {
    let (mut one, mut other) = (snapshot(store), snapshot(model));
    assert_eq!(one.position(), other.position(), "position, {place}");
    assert_eq!(all_events(&mut *one), all_events(&mut *other), "events, {place}");
    let heads = one.chain(0, 1 << 40).expect("chain");
    assert_eq!(heads, other.chain(0, 1 << 40).expect("chain"), "chain, {place}");
    assert_eq!(dump(&mut *one), dump(&mut *other), "index rows, {place}");
    for seq in 1..=one.position() {
        let key = one.keys(&[seq]).expect("keys")[0];
        assert_eq!(one.current(key).expect("current"), other.current(key).expect("current"), "{place}");
    }
}

/// After a crash: the store holds the first `k` calls of the history, where `k` is at least the number that was
/// acknowledged and at most one more, whole and with a chain that verifies. Returns `k`.
///
/// # Panics
/// When the store holds anything else; the seed is in the message.
pub fn recovered(store: &dyn Store, seed: u64, acknowledged: usize) -> usize {
    let mut script = Script::new(seed, store.secret());
    let position = snapshot(store).position();
    for _ in 0..acknowledged {
        script.call();
    }
    let mut calls = acknowledged;
    if snapshot(script.model()).position() < position {
        script.call();
        calls += 1;
    }
    same_state(store, script.model(), &format!("seed {seed} after {acknowledged} acknowledged calls"));
    calls
}

/// Asks a snapshot and the model the same random questions, as of positions from `forgotten` on.
fn same_answers(
    asked: &mut dyn Snapshot,
    model: &MemoryStore,
    random: &mut Random,
    forgotten: Seq,
    place: &str,
) {
    let model = &mut *snapshot(model);
    let position = model.position();
    assert_eq!(asked.position(), position, "position, {place}");
    let any_seq = |random: &mut Random| random.below(position + 2);
    let limit = random.pick(&[1, 2, 3, 7, 1000]);
    for _ in 0..3 {
        let key = resource(random.below(KEYS));
        let before = any_seq(random);
        same("current", place, (asked.current(key), model.current(key)));
        same("current_event", place, (asked.current_event(key), model.current_event(key)));
        same("history", place, (asked.history(key, before, limit), model.history(key, before, limit)));
        same("record_key", place, (asked.record_key(key), model.record_key(key)));
        same("directory", place, (asked.directory(!key.0), model.directory(!key.0)));
        let record = own_record(key);
        same("patient_of", place, (asked.patient_of(record), model.patient_of(record)));
    }
    let after = any_seq(random);
    same("feed", place, (asked.feed(after, limit), model.feed(after, limit)));
    same("chain", place, (asked.chain(after, limit), model.chain(after, limit)));
    let type_id = random.pick(&[None, Some(1), Some(2), Some(3), Some(4), Some(9)]);
    let histories = (asked.type_history(type_id, after, limit), model.type_history(type_id, after, limit));
    same("type_history", place, histories);
    let seqs: Vec<Seq> = (0..5).map(|_| any_seq(random)).collect();
    same("events", place, (asked.events(&seqs), model.events(&seqs)));
    let known: Vec<Seq> = seqs.iter().copied().filter(|seq| (1..=position).contains(seq)).collect();
    same("keys", place, (asked.keys(&known), model.keys(&known)));
    for _ in 0..3 {
        let as_of = forgotten + random.below(position - forgotten.min(position) + 1);
        let as_of = if random.chance(30) { position } else { as_of.min(position) };
        same_rows(asked, model, random, as_of, limit, place);
    }
    if random.chance(10) {
        assert_eq!(dump(asked), dump(model), "index rows, {place}");
    }
}

/// Asks for index rows as of one position.
fn same_rows(
    asked: &mut dyn Snapshot,
    model: &mut dyn Snapshot,
    random: &mut Random,
    as_of: Seq,
    limit: usize,
    place: &str,
) {
    let place = &format!("as of {as_of}, {place}");
    let slot = random.below(SLOTS + 1) as u16;
    let (a, b) = (random.pick(&VALUES), random.pick(&VALUES));
    let single = random.chance(40);
    let range =
        NumberRange { slot, low: if single { a } else { a.min(b) }, high: if single { a } else { a.max(b) } };
    let order = random.pick(&[Order::Ascending, Order::Descending]);
    let seq = random.below(as_of + 2);
    let extra = random.below(3) as i64 - 1;
    let value = random.pick(&VALUES);
    let after = random.chance(50).then_some(NumberCursor { value, seq, extra });
    let scan = |snapshot: &mut dyn Snapshot| {
        let mut hits = Vec::new();
        snapshot.scan(&range, order, after, as_of, limit, &mut hits).map(|()| hits)
    };
    same(&format!("scan {range:?} {order:?} {after:?} limit {limit}"), place, (scan(asked), scan(model)));
    let counts = (asked.count(&range, as_of, limit), model.count(&range, as_of, limit));
    same(&format!("count {range:?}"), place, counts);

    let seqs: Vec<Seq> = (0..8).map(|_| 1 + random.below(as_of + 1)).collect();
    let extra = random.chance(50).then_some(extra);
    let probe = |snapshot: &mut dyn Snapshot| {
        let mut found = Vec::new();
        snapshot.probe(slot, value, extra, as_of, &seqs, &mut found).map(|()| found)
    };
    same(&format!("probe {slot} {value} {extra:?} {seqs:?}"), place, (probe(asked), probe(model)));

    let (a, b) = (random.pick(&TEXTS), random.pick(&TEXTS));
    let high = match random.below(3) {
        0 => Bound::Included(a.max(b).to_owned()),
        1 => Bound::Excluded(a.max(b).to_owned()),
        _ => Bound::Unbounded,
    };
    let range = TextRange { slot, low: a.min(b).to_owned(), high };
    let text = random.pick(&TEXTS);
    let after = random.chance(50).then_some((text, seq));
    let scan = |snapshot: &mut dyn Snapshot| {
        let mut hits = Vec::new();
        snapshot.scan_text(&range, order, after, as_of, limit, &mut hits).map(|()| hits)
    };
    same(&format!("scan_text {range:?} {order:?} {after:?}"), place, (scan(asked), scan(model)));

    let record_key = RecordKey(random.below(KINDS));
    let type_id = random.chance(60).then_some(1 + random.below(KINDS) as u16);
    let code = type_id.and(random.chance(50).then_some(random.below(3) as u16));
    let record = |snapshot: &mut dyn Snapshot| {
        let mut hits = Vec::new();
        snapshot.record(record_key, type_id, code, as_of, &mut hits).map(|()| hits)
    };
    same(&format!("record {record_key:?} {type_id:?} {code:?}"), place, (record(asked), record(model)));
}

/// Both answered, and the same.
fn same<T: PartialEq + std::fmt::Debug>(question: &str, place: &str, answers: (Result<T>, Result<T>)) {
    let asked = answers.0.unwrap_or_else(|error| panic!("{question}, {place}: {error}"));
    let model = answers.1.unwrap_or_else(|error| panic!("{question}, {place}, model: {error}"));
    assert_eq!(asked, model, "{question}, {place}");
}
