//! Clauses on what a commit does.

use std::ops::Bound;

use super::super::*;
use crate::{Committed, Current, Guard, NO_DATE, RecordHit, Rejection, TEXT_BYTES, TextRange};

use EventKind::{Delete, Move, Purge, Put};
use Expectation::{Absent, At};

/// Positions run from 1 without a gap, over calls, groups and rejected transactions.
pub fn positions_are_gapless(fixture: impl Fixture) {
    let store = fixture.store();
    assert_eq!(snapshot(store).position(), 0);
    assert_eq!(commit(store, vec![put(1, Absent), put(2, Absent)]), 1);
    let group = [
        transaction(vec![put(3, Absent)]),
        transaction(vec![put(4, Absent), put(1, Absent)]),
        transaction(vec![put(5, Absent), put(6, Absent)]),
        transaction(vec![put(7, At(9))]),
        transaction(vec![put(7, Absent)]),
    ];
    let outcomes = store.commit(&group).expect("commit");
    let expected = [
        Ok(Committed { first: 3 }),
        Err(Rejection::Changed(1)),
        Ok(Committed { first: 4 }),
        Err(Rejection::Changed(0)),
        Ok(Committed { first: 6 }),
    ];
    assert_eq!(outcomes, expected);
    assert_eq!(commit(store, vec![put(8, Absent)]), 7);
    assert!(store.commit(&[]).expect("an empty call").is_empty());
    let mut now = snapshot(store);
    assert_eq!(now.position(), 7);
    let events = all_events(&mut *now);
    let seqs: Vec<Seq> = events.iter().map(|event| event.seq).collect();
    assert_eq!(seqs, [1, 2, 3, 4, 5, 6, 7]);
    let keys: Vec<i64> = events.iter().map(|event| event.key.0).collect();
    assert_eq!(keys, [1, 2, 3, 5, 6, 7, 8]);
}

/// Nothing of a rejected transaction is left, in any table.
pub fn rejection_leaves_nothing(fixture: impl Fixture) {
    let store = fixture.store();
    let first = put(1, Absent).with(&[(3, 30)]);
    let at = commit(store, vec![first.clone()]);
    let before = dump(&mut *snapshot(store));
    let mut created = put(2, Absent).with(&[(3, 31)]);
    created.add.texts.push(text(3, "nobody"));
    created.add.records.push(record_row(5, TYPE, 0, 0));
    created.patient_record = Some(RecordKey(99));
    created.source_key = Some(77);
    let purge = first.then(Purge, at);
    let outcomes = store.commit(&[transaction(vec![created.clone(), purge, put(3, At(1))])]).expect("commit");
    assert_eq!(outcomes, [Err(Rejection::Changed(2))]);

    let mut now = snapshot(store);
    assert_eq!(now.position(), 1);
    assert_eq!(dump(&mut *now), before);
    assert_eq!(now.current(created.key).expect("current"), None);
    assert_eq!(now.current_event(first.key).expect("event").expect("kept").body, first.body);
    assert_eq!(now.record_key(created.key).expect("record key"), None);
    assert_eq!(now.patient_of(RecordKey(99)).expect("patient"), None);
    assert_eq!(now.directory(77).expect("directory"), None);
    assert_eq!(now.chain(0, 9).expect("chain").len(), 1, "a call without an event has no head");
}

/// A transaction meets what earlier ones of the same call wrote: events, rows, positions.
pub fn transactions_see_earlier_ones(fixture: impl Fixture) {
    let store = fixture.store();
    let first = put(1, Absent).with(&[(3, 30)]);
    let second = first.then(Put, 1).with(&[(3, 31)]);
    let deletion = second.then(Delete, 2);
    let guarded = |slot, value| Transaction {
        guards: vec![Guard::NoNewRow { slot, value, after: 0 }],
        changes: vec![put(9, Absent)],
        ..Transaction::default()
    };
    let group = [
        transaction(vec![first]),
        transaction(vec![put(1, Absent)]),
        guarded(3, 30),
        transaction(vec![second]),
        transaction(vec![deletion]),
        guarded(3, 32),
    ];
    let outcomes = store.commit(&group).expect("commit");
    let expected = [
        Ok(Committed { first: 1 }),
        Err(Rejection::Changed(0)),
        Err(Rejection::GuardFailed),
        Ok(Committed { first: 2 }),
        Ok(Committed { first: 3 }),
        Ok(Committed { first: 4 }),
    ];
    assert_eq!(outcomes, expected);
    let mut now = snapshot(store);
    let parents: Vec<Vec<Seq>> = all_events(&mut *now).into_iter().map(|event| event.parents).collect();
    assert_eq!(parents, [vec![], vec![1], vec![2], vec![]]);
    assert!(now.current(ResourceKey(1)).expect("current").expect("written").deleted);
    assert_eq!([1, 2, 3].map(|as_of| found(&mut *now, 3, as_of)), [vec![1], vec![2], vec![]]);
}

/// A change is accepted on exactly the state it was prepared on.
pub fn expectations_hold(fixture: impl Fixture) {
    let store = fixture.store();
    let first = put(1, Absent);
    commit(store, vec![first.clone()]);
    commit(store, vec![first.then(Put, 1)]);
    let rejected = |changes: Vec<Change>, index| {
        let outcomes = store.commit(&[transaction(changes)]).expect("commit");
        assert_eq!(outcomes, [Err(Rejection::Changed(index))]);
    };
    rejected(vec![put(1, Absent)], 0);
    rejected(vec![put(1, At(1))], 0);
    rejected(vec![put(1, At(3))], 0);
    rejected(vec![put(2, At(2))], 0);
    rejected(vec![put(2, Absent), put(3, Absent), put(1, At(1))], 2);
    rejected(vec![put(2, Absent), put(2, Absent)], 1);
    commit(store, vec![first.then(Delete, 2)]);
    rejected(vec![put(1, Absent)], 0);
    commit(store, vec![first.then(Put, 3)]);
    commit(store, vec![first.then(Purge, 4)]);
    rejected(vec![put(1, Absent)], 0);
    assert_eq!(snapshot(store).position(), 5);
}

/// Guards see what others wrote since, and not what their own transaction writes.
pub fn guards_hold(fixture: impl Fixture) {
    let store = fixture.store();
    let new_row = |value, after| Guard::NoNewRow { slot: 3, value, after };
    let attempt = |guards: Vec<Guard>, changes: Vec<Change>| {
        let transaction = Transaction { changes, guards, ..Transaction::default() };
        store.commit(&[transaction]).expect("commit")[0].map(|committed| committed.first)
    };
    let failed = Err(Rejection::GuardFailed);
    // Create unless one exists, twice.
    assert_eq!(attempt(vec![new_row(5, 0)], vec![put(1, Absent).with(&[(3, 5)])]), Ok(1));
    assert_eq!(attempt(vec![new_row(5, 0)], vec![put(2, Absent).with(&[(3, 5)])]), failed);
    assert_eq!(attempt(vec![new_row(5, 1)], vec![put(2, Absent).with(&[(3, 5)])]), Ok(2));
    assert_eq!(attempt(vec![new_row(6, 0), new_row(5, 1)], vec![put(3, Absent)]), failed);
    assert_eq!(attempt(vec![Guard::NoNewRow { slot: 4, value: 5, after: 0 }], vec![put(3, Absent)]), Ok(3));
    // A row that is superseded by now does not matter any more.
    let second = put(2, Absent).with(&[(3, 5)]);
    commit(store, vec![second.then(Delete, 2)]);
    assert_eq!(attempt(vec![new_row(5, 1)], vec![put(5, Absent)]), Ok(5));
    assert_eq!(attempt(vec![Guard::NothingSince(4)], vec![put(6, Absent)]), failed);
    assert_eq!(attempt(vec![Guard::NothingSince(5)], vec![put(6, Absent), put(7, Absent)]), Ok(6));
    assert_eq!(snapshot(store).position(), 7);
}

/// Every field of the envelope comes back as it was written.
pub fn events_come_as_written(fixture: impl Fixture) {
    let store = fixture.store();
    let first = put(-3, Absent);
    commit(store, vec![first.clone()]);
    let change = Change {
        version: 2,
        record_key: RecordKey(12),
        label: 3,
        hybrid_time: (1_700_000_000_001 << 16) | 5,
        body: vec![0, 255, 10, 0],
        ..first.then(Move, 1)
    };
    let transaction = Transaction { changes: vec![change.clone()], guards: Vec::new(), actor: 8, purpose: 9 };
    store.commit(&[transaction]).expect("commit")[0].expect("accepted");
    let expected = Event {
        seq: 2,
        origin: 0,
        origin_seq: 2,
        parents: vec![1],
        hybrid_time: change.hybrid_time,
        kind: Move,
        type_id: TYPE,
        key: first.key,
        version: 2,
        record_key: RecordKey(12),
        label: 3,
        actor: 8,
        purpose: 9,
        body: change.body,
        commitment: None,
    };
    let mut now = snapshot(store);
    assert_eq!(now.current_event(first.key).expect("event"), Some(expected.clone()));
    assert_eq!(now.events(&[2]).expect("events"), [expected]);
    let current =
        Current { seq: 2, version: 2, record_key: RecordKey(12), deleted: false, restricted: false };
    assert_eq!(now.current(first.key).expect("current"), Some(current));
    assert_eq!(now.current(ResourceKey(3)).expect("current"), None);
    assert_eq!(now.current_event(ResourceKey(3)).expect("event"), None);
}

/// The ends of every range of numbers are kept, and long, empty and odd texts and bodies.
pub fn extremes_are_kept(fixture: impl Fixture) {
    let store = fixture.store();
    let (number, label) = (|slot, value, extra| NumberRow { slot, value, extra, label: u16::MAX }, u16::MAX);
    let long = "\u{10ffff}".repeat(TEXT_BYTES / 4);
    let row = RecordRow {
        record_key: RecordKey(i64::MAX as u64),
        type_id: u16::MAX,
        code: u16::MAX,
        date: i64::MAX,
        label,
    };
    let low = RecordRow { date: NO_DATE, ..row };
    let change = Change {
        key: ResourceKey(i64::MIN),
        type_id: u16::MAX,
        version: u32::MAX,
        record_key: RecordKey(i64::MAX as u64),
        label,
        hybrid_time: (i64::MAX as u64) | 0xffff,
        body: vec![0xff; 1 << 20],
        add: IndexRows {
            numbers: vec![number(u16::MAX, i64::MIN, i64::MIN), number(u16::MAX, i64::MAX, i64::MAX)],
            texts: vec![text(u16::MAX, ""), text(u16::MAX, "nul \0 \t\n\\'"), text(u16::MAX, &long)],
            records: vec![low, row],
        },
        source_key: Some(i64::MIN),
        patient_record: Some(RecordKey(i64::MAX as u64)),
        ..put(0, Absent)
    };
    let transaction =
        Transaction { changes: vec![change.clone()], actor: u32::MAX, purpose: u32::MAX, guards: vec![] };
    store.commit(&[transaction]).expect("commit")[0].expect("accepted");
    commit(store, vec![Change { body: Vec::new(), ..put(i64::MAX, Absent) }]);

    let mut now = snapshot(store);
    let event = now.current_event(change.key).expect("event").expect("kept");
    assert_eq!((event.type_id, event.version, event.label), (u16::MAX, u32::MAX, u16::MAX));
    assert_eq!((event.actor, event.purpose, event.hybrid_time), (u32::MAX, u32::MAX, change.hybrid_time));
    assert_eq!(event.body, change.body);
    assert!(now.current_event(ResourceKey(i64::MAX)).expect("event").expect("kept").body.is_empty());
    let hits = scan_all(&mut *now, u16::MAX, Order::Ascending, 2);
    assert_eq!(
        hits.iter().map(|hit| (hit.value, hit.extra)).collect::<Vec<_>>(),
        [(i64::MIN, i64::MIN), (i64::MAX, i64::MAX)]
    );
    assert!(hits.iter().all(|hit| hit.label == u16::MAX && hit.record_key == change.record_key));
    let range = TextRange { slot: u16::MAX, low: String::new(), high: Bound::Unbounded };
    let mut texts = Vec::new();
    now.scan_text(&range, Order::Ascending, None, 2, 9, &mut texts).expect("scan");
    let texts: Vec<&str> = texts.iter().map(|hit| hit.text.as_str()).collect();
    assert_eq!(texts, ["", "nul \0 \t\n\\'", &long]);
    let mut records = Vec::new();
    now.record(row.record_key, Some(u16::MAX), Some(u16::MAX), 2, &mut records).expect("record");
    assert_eq!(records, [RecordHit { row: low, seq: 1 }, RecordHit { row, seq: 1 }]);
    assert_eq!(now.directory(i64::MIN).expect("directory"), Some(change.key));
    assert_eq!(now.patient_of(RecordKey(i64::MAX as u64)).expect("patient"), Some(change.key));
    assert_eq!(now.type_history(None, Seq::MAX, 9).expect("history").len(), 2);
}

/// Rows of one version that differ only in label become one row, and the commit goes through.
pub fn rows_that_differ_in_label(fixture: impl Fixture) {
    let store = fixture.store();
    let mut change = put(1, Absent);
    let doubled = NumberRow { slot: 3, value: 5, extra: 6, label: 1 };
    change.add.numbers = vec![doubled, NumberRow { label: 2, ..doubled }];
    change.add.texts = vec![text(3, "a"), TextRow { label: 2, ..text(3, "a") }];
    commit(store, vec![change.clone()]);
    let mut now = snapshot(store);
    assert_eq!(found(&mut *now, 3, 1), [1]);
    assert_eq!(dump(&mut *now).len(), 2);
    drop(now);
    commit(store, vec![change.then(Delete, 1)]);
    assert!(dump(&mut *snapshot(store)).is_empty());
}
