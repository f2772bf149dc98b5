//! The executable store contract.
//!
//! Every engine runs the same suite: [`contract!`](crate::contract!) makes one `#[test]` of each clause, on
//! stores that a [`Fixture`] opens. The clauses in [`clauses`] each say one thing; [`script`] writes seeded
//! random histories and compares every answer with that of the [model](crate::memory).
//!
//! What the clauses settle beyond the words of the trait:
//! - [`Change::remove`](crate::Change::remove) holds rows of the resource's newest event. So every event but a
//!   deletion and a purge carries the whole state, rows and body, also a restriction, a release and a move.
//! - A transaction changes a resource once; a second change of it is rejected.
//! - A row that was added after a guard's position and is superseded by now does not break the guard.
//! - Restriction lasts until it is released, whatever else is written; a restriction, release or move does not
//!   bring a deleted resource back.
//! - Two rows of one version that differ only in their label are one row; either label may stay.
//! - A purge leaves a commitment for every earlier event of the resource, also for one without a body.
//! - Nothing applied, no head: a call in which every transaction was rejected adds nothing to the chain.

pub mod clauses;
pub mod script;

use crate::{
    Change, Event, EventKind, Expectation, IndexRows, NumberHit, NumberRange, NumberRow, Order, RecordKey,
    RecordRow, ResourceKey, Seq, Snapshot, Store, TYPE_SLOT, TextRow, Transaction,
};

/// How the suite gets at the store under test.
pub trait Fixture: Sized {
    /// A store with nothing in it; `None` when the engine is not at hand, which skips the test.
    fn fresh() -> Option<Self>;

    /// The store.
    fn store(&self) -> &dyn Store;

    /// Closes the store and opens it again; `false` when it keeps nothing beyond the process.
    fn reopen(&mut self) -> bool;
}

/// Makes one test of each clause of the store contract, for the [`Fixture`](crate::contract::Fixture) named.
#[macro_export]
macro_rules! contract {
    ($fixture:ty) => {
        $crate::contract!($fixture:
            positions_are_gapless
            rejection_leaves_nothing
            transactions_see_earlier_ones
            expectations_hold
            guards_hold
            events_come_as_written
            extremes_are_kept
            rows_that_differ_in_label
            events_come_in_the_order_asked
            feed_is_paged_without_gaps
            feed_follows_a_writer
            snapshots_stand_still
            scans_run_in_both_orders
            pages_show_one_position
            probes_find_rows
            texts_are_scanned_in_byte_order
            counts_stop_at_the_limit
            records_are_filed_by_date
            history_runs_backwards
            positions_are_found_by_time
            purge_erases
            restriction_lasts
            symbols_are_stable
            symbols_are_given_out_concurrently
            record_keys_are_stable
            patients_and_sources_are_filed
            superseded_rows_are_forgotten
            chain_verifies
            everything_survives_reopening
            large_groups_commit
            size_and_backup_answer
            random_histories_equal_the_model
        );
    };
    ($fixture:ty: $($clause:ident)*) => {
        $(
            #[test]
            fn $clause() {
                if let Some(fixture) = <$fixture as $crate::contract::Fixture>::fresh() {
                    $crate::contract::clauses::$clause(fixture);
                }
            }
        )*
    };
}

/// A small deterministic generator (SplitMix64, Steele, Lea and Flood 2014): a seed makes the same history on
/// every engine and machine.
#[derive(Debug, Clone)]
pub struct Random(pub u64);

impl Random {
    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`, which is not zero.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.bits() % bound
    }

    /// True in `percent` of a hundred cases.
    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// One of `choices`.
    pub fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize]
    }
}

/// The type that [`put`] gives its resources.
const TYPE: u16 = 7;

/// A first or further version without rows of its own beside the one that lists its type.
fn put(key: i64, expected: Expectation) -> Change {
    Change {
        key: ResourceKey(key),
        expected,
        kind: EventKind::Put,
        type_id: TYPE,
        version: 1,
        record_key: RecordKey(1),
        label: 0,
        hybrid_time: 1_700_000_000_000 << 16,
        body: format!("body of {key}").into_bytes(),
        add: rows(&[]),
        remove: IndexRows::default(),
        patient_record: None,
        source_key: None,
    }
}

/// The rows of a version with these (slot, value) pairs, beside the row that lists its type.
fn rows(numbers: &[(u16, i64)]) -> IndexRows {
    let mut numbers: Vec<NumberRow> =
        numbers.iter().map(|&(slot, value)| NumberRow { slot, value, extra: 0, label: 0 }).collect();
    numbers.push(NumberRow { slot: TYPE_SLOT, value: i64::from(TYPE), extra: 0, label: 0 });
    numbers.sort();
    IndexRows { numbers, ..IndexRows::default() }
}

fn text(slot: u16, text: &str) -> TextRow {
    TextRow { slot, text: text.to_owned(), label: 0 }
}

fn record_row(record_key: u64, type_id: u16, code: u16, date: i64) -> RecordRow {
    RecordRow { record_key: RecordKey(record_key), type_id, code, date, label: 0 }
}

impl Change {
    /// The next version of the resource that this change wrote at `seq`, without rows.
    fn then(&self, kind: EventKind, seq: Seq) -> Change {
        let body = if kind == EventKind::Put { b"a later body".to_vec() } else { Vec::new() };
        Change {
            expected: Expectation::At(seq),
            kind,
            version: self.version + 1,
            body,
            add: IndexRows::default(),
            remove: self.add.clone(),
            ..self.clone()
        }
    }

    fn with(mut self, numbers: &[(u16, i64)]) -> Change {
        self.add = rows(numbers);
        self
    }
}

fn transaction(changes: Vec<Change>) -> Transaction {
    Transaction { changes, ..Transaction::default() }
}

/// Commits one transaction that must be accepted; returns its first position.
fn commit(store: &dyn Store, changes: Vec<Change>) -> Seq {
    let outcomes = store.commit(&[transaction(changes)]).expect("commit");
    outcomes[0].expect("accepted").first
}

fn snapshot(store: &dyn Store) -> Box<dyn Snapshot + '_> {
    store.snapshot().expect("snapshot")
}

fn all_events(snapshot: &mut dyn Snapshot) -> Vec<Event> {
    snapshot.feed(0, usize::MAX >> 1).expect("feed")
}

fn dump(snapshot: &mut dyn Snapshot) -> Vec<String> {
    let mut lines = Vec::new();
    snapshot.dump_indexes(&mut |line| lines.push(line.to_owned())).expect("dump");
    lines
}

/// All rows of a slot as of a position.
fn scan_all(snapshot: &mut dyn Snapshot, slot: u16, order: Order, as_of: Seq) -> Vec<NumberHit> {
    let range = NumberRange { slot, low: i64::MIN, high: i64::MAX };
    let mut hits = Vec::new();
    snapshot.scan(&range, order, None, as_of, 1_000_000, &mut hits).expect("scan");
    hits
}

/// The versions that a slot finds, lowest value first.
fn found(snapshot: &mut dyn Snapshot, slot: u16, as_of: Seq) -> Vec<Seq> {
    scan_all(snapshot, slot, Order::Ascending, as_of).iter().map(|hit| hit.seq).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::MemoryStore;

    struct Memory(MemoryStore);

    impl Fixture for Memory {
        fn fresh() -> Option<Memory> {
            Some(Memory(MemoryStore::new([7; 32])))
        }

        fn store(&self) -> &dyn Store {
            &self.0
        }

        fn reopen(&mut self) -> bool {
            false
        }
    }

    crate::contract!(Memory);

    /// What a store holds after calls of the history of seed 5, as the checker after a crash sees it.
    fn crashed(kept: usize, acknowledged: usize, half: bool) -> usize {
        let store = MemoryStore::new([7; 32]);
        let mut history = script::Script::new(5, store.secret());
        for _ in 0..kept {
            store.commit(&history.call().0).expect("commit");
        }
        if half {
            let mut transactions = history.call().0;
            transactions.truncate(1);
            transactions[0].changes.truncate(1);
            transactions[0].guards.clear();
            store.commit(&transactions).expect("commit");
        }
        script::recovered(&store, 5, acknowledged)
    }

    #[test]
    fn a_call_more_than_acknowledged_is_no_loss() {
        assert_eq!(crashed(10, 10, false), 10);
        assert_eq!(crashed(11, 10, false), 11);
    }

    #[test]
    #[should_panic = "position"]
    fn a_lost_call_is_noticed() {
        crashed(9, 10, false);
    }

    #[test]
    #[should_panic = "seed 5 after 10 acknowledged calls"]
    fn half_a_call_is_noticed() {
        crashed(10, 10, true);
    }
}
