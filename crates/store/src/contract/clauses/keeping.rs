//! Clauses on what is kept for ever, what is erased, and what is given out.

use std::collections::BTreeSet;
use std::ops::Bound;

use super::super::*;
use crate::{TextRange, chain, memory::MemoryStore};

use EventKind::{Delete, Purge, Put, Release, Restrict};
use Expectation::{Absent, At};

/// A purge erases bodies and rows of every earlier version, and the chain still verifies.
pub fn purge_erases(fixture: impl Fixture) {
    let store = fixture.store();
    let mut first = put(1, Absent).with(&[(3, 30)]);
    first.add.texts = vec![text(3, "secret")];
    first.add.records = vec![record_row(4, TYPE, 0, 0)];
    let second = Change { add: first.add.clone(), ..first.then(Put, 1) };
    commit(store, vec![first.clone(), put(2, Absent).with(&[(3, 30)])]);
    commit(store, vec![second.clone()]);
    commit(store, vec![first.then(Delete, 3)]);
    let third = Change { remove: IndexRows::default(), add: first.add.clone(), ..first.then(Put, 4) };
    commit(store, vec![third]);
    let bodies: Vec<Vec<u8>> =
        all_events(&mut *snapshot(store)).into_iter().map(|event| event.body).collect();
    let heads = snapshot(store).chain(0, 99).expect("chain");
    assert_eq!(found(&mut *snapshot(store), 3, 2), [1, 2]);
    assert_eq!(commit(store, vec![first.then(Purge, 5)]), 6);

    let mut now = snapshot(store);
    let events = all_events(&mut *now);
    for seq in [1, 3, 4, 5] {
        let event = &events[seq - 1];
        let commitment = chain::commitment(&store.secret(), seq as Seq, &bodies[seq - 1]);
        assert!(event.body.is_empty(), "the body of {seq} is still there");
        assert_eq!(event.commitment, Some(commitment), "of {seq}");
    }
    assert_eq!((events[1].body.as_slice(), events[1].commitment), (&b"body of 2"[..], None));
    assert_eq!(events[5].commitment, None);
    let current = now.current(first.key).expect("current").expect("known");
    assert!(current.deleted);
    assert_eq!(current.seq, 6);
    assert_eq!(now.chain(0, 99).expect("chain")[..4], heads);
    drop(now);
    verify_chain(store);

    let mut now = snapshot(store);
    for as_of in 1..=6 {
        let others = if as_of == 1 { vec![] } else { vec![2] };
        assert_eq!(found(&mut *now, 3, as_of), others, "rows as of {as_of}");
        let range = TextRange { slot: 3, low: String::new(), high: Bound::Unbounded };
        let mut texts = Vec::new();
        now.scan_text(&range, Order::Ascending, None, as_of, 9, &mut texts).expect("scan");
        assert!(texts.is_empty(), "text as of {as_of}");
        let mut records = Vec::new();
        now.record(RecordKey(4), None, None, as_of, &mut records).expect("record");
        assert!(records.is_empty(), "record as of {as_of}");
    }
    drop(now);
    // The same within one call, and once more over what is erased already.
    let fourth = Change { remove: IndexRows::default(), ..first.then(Put, 6).with(&[(3, 31)]) };
    let group = [
        transaction(vec![fourth.clone()]),
        transaction(vec![fourth.then(Put, 7).with(&[(3, 32)])]),
        transaction(vec![Change { remove: rows(&[(3, 32)]), ..fourth.then(Purge, 8) }]),
    ];
    assert!(store.commit(&group).expect("commit").iter().all(|outcome| outcome.is_ok()));
    let mut now = snapshot(store);
    let kept = all_events(&mut *now).iter().filter(|event| !event.body.is_empty()).count();
    assert_eq!(kept, 1, "only the other resource");
    assert_eq!([7, 8, 9].map(|as_of| found(&mut *now, 3, as_of)), [vec![2], vec![2], vec![2]]);
    drop(now);
    verify_chain(store);
}

/// Restriction lasts over later versions until it is released, and brings nothing deleted back.
pub fn restriction_lasts(fixture: impl Fixture) {
    let store = fixture.store();
    let first = put(1, Absent).with(&[(3, 30)]);
    let state = |kind, seq: Seq| {
        let full = Change { add: first.add.clone(), body: first.body.clone(), ..first.then(kind, seq) };
        let ends = matches!(kind, Delete | Purge);
        let change = if ends { first.then(kind, seq) } else { full };
        commit(store, vec![change]);
        let mut now = snapshot(store);
        let current = now.current(first.key).expect("current").expect("known");
        let rows = found(&mut *now, 3, current.seq);
        assert_eq!(rows, if current.deleted { vec![] } else { vec![current.seq] });
        (current.restricted, current.deleted)
    };
    commit(store, vec![first.clone()]);
    assert_eq!(state(Restrict, 1), (true, false));
    assert_eq!(state(Put, 2), (true, false));
    assert_eq!(state(EventKind::Move, 3), (true, false));
    assert_eq!(state(Release, 4), (false, false));
    assert_eq!(state(Restrict, 5), (true, false));
    assert_eq!(state(Delete, 6), (true, true));
    let release = Change { body: Vec::new(), remove: IndexRows::default(), ..first.then(Release, 7) };
    commit(store, vec![release]);
    let current = snapshot(store).current(first.key).expect("current").expect("known");
    assert_eq!((current.restricted, current.deleted), (false, true));
}

/// A text has one symbol, from the moment it is given out.
pub fn symbols_are_stable(mut fixture: impl Fixture) {
    let store = fixture.store();
    let texts = ["http://loinc.org", "", "医生", "a\0b", &"x".repeat(3000)];
    let symbols = texts.map(|text| store.symbol(text).expect("symbol"));
    assert_eq!(BTreeSet::from(symbols).len(), texts.len());
    assert!(symbols.iter().all(|symbol| *symbol >= 1));
    let check = |store: &dyn Store| {
        for (text, symbol) in texts.iter().zip(symbols) {
            assert_eq!(store.symbol(text).expect("symbol"), symbol);
            assert_eq!(store.find_symbol(text).expect("symbol"), Some(symbol));
            assert_eq!(store.symbol_text(symbol).expect("text").as_deref(), Some(*text));
        }
        assert_eq!(store.find_symbol("never given").expect("symbol"), None);
        assert_eq!(store.symbol_text(0).expect("text"), None);
        assert_eq!(store.symbol_text(u32::MAX).expect("text"), None);
    };
    check(store);
    commit(store, vec![put(1, Absent)]);
    check(store);
    if fixture.reopen() {
        check(fixture.store());
        let another = fixture.store().symbol("another").expect("symbol");
        assert!(!symbols.contains(&another));
    }
}

/// Threads that ask at once get the same symbol for the same text and the same key for the same patient.
pub fn symbols_are_given_out_concurrently(fixture: impl Fixture) {
    let store = fixture.store();
    let ask = || {
        let symbols: Vec<u32> =
            (0..40).map(|n| store.symbol(&format!("symbol {n}")).expect("symbol")).collect();
        let records: Vec<RecordKey> =
            (0..40).map(|n| store.reserve_record_key(ResourceKey(n)).expect("record key")).collect();
        (symbols, records)
    };
    let answers: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(ask)).collect();
        threads.into_iter().map(|thread| thread.join().expect("thread")).collect()
    });
    assert!(answers.iter().all(|answer| *answer == answers[0]));
    let distinct: BTreeSet<u32> = answers[0].0.iter().copied().collect();
    assert_eq!(distinct.len(), 40);
    let distinct: BTreeSet<RecordKey> = answers[0].1.iter().copied().collect();
    assert_eq!(distinct.len(), 40);
    commit(store, vec![put(1, Absent)]);
    let mut now = snapshot(store);
    for (n, record_key) in answers[0].1.iter().enumerate() {
        assert_eq!(now.record_key(ResourceKey(n as i64)).expect("record key"), Some(*record_key));
        assert_eq!(now.patient_of(*record_key).expect("patient"), Some(ResourceKey(n as i64)));
    }
}

/// A patient has one record key, which is not the region's, and keeps it.
pub fn record_keys_are_stable(mut fixture: impl Fixture) {
    let store = fixture.store();
    let patients = [1, -1, i64::MAX, i64::MIN].map(ResourceKey);
    let keys = patients.map(|patient| store.reserve_record_key(patient).expect("record key"));
    assert_eq!(BTreeSet::from(keys).len(), patients.len());
    assert!(keys.iter().all(|key| key.0 >= 1));
    let again = |store: &dyn Store| patients.map(|patient| store.reserve_record_key(patient).expect("key"));
    assert_eq!(again(store), keys);
    let user = Change { record_key: keys[0], patient_record: Some(keys[0]), ..put(1, Absent) };
    commit(store, vec![user]);
    assert_eq!(again(store), keys);
    let check = |store: &dyn Store| {
        let mut now = snapshot(store);
        for (patient, key) in patients.iter().zip(keys) {
            assert_eq!(now.record_key(*patient).expect("record key"), Some(key));
            assert_eq!(now.patient_of(key).expect("patient"), Some(*patient));
        }
        assert_eq!(now.record_key(ResourceKey(2)).expect("record key"), None);
        assert_eq!(now.patient_of(crate::REGION_RECORD).expect("patient"), None);
    };
    check(store);
    if fixture.reopen() {
        check(fixture.store());
        assert_eq!(again(fixture.store()), keys);
        let another = fixture.store().reserve_record_key(ResourceKey(2)).expect("record key");
        assert!(!keys.contains(&another));
    }
}

/// A commit files a patient's record key and a source's own id; a key filed so is not given to another.
pub fn patients_and_sources_are_filed(fixture: impl Fixture) {
    let store = fixture.store();
    let patient = Change { patient_record: Some(RecordKey(3)), source_key: Some(-5), ..put(1, Absent) };
    commit(store, vec![patient.clone(), Change { source_key: Some(6), ..put(2, Absent) }]);
    let mut now = snapshot(store);
    assert_eq!(now.record_key(patient.key).expect("record key"), Some(RecordKey(3)));
    assert_eq!(now.patient_of(RecordKey(3)).expect("patient"), Some(patient.key));
    assert_eq!(now.directory(-5).expect("directory"), Some(patient.key));
    assert_eq!(now.directory(6).expect("directory"), Some(ResourceKey(2)));
    assert_eq!(now.directory(7).expect("directory"), None);
    drop(now);
    assert_eq!(store.reserve_record_key(patient.key).expect("record key"), RecordKey(3));
    for other in 10..15 {
        assert_ne!(store.reserve_record_key(ResourceKey(other)).expect("record key"), RecordKey(3));
    }
    // Later versions file the same again.
    commit(store, vec![Change { source_key: Some(-5), ..patient.then(Put, 1) }]);
    assert_eq!(snapshot(store).directory(-5).expect("directory"), Some(patient.key));
}

/// Forgetting drops the rows superseded up to a position, and no others.
pub fn superseded_rows_are_forgotten(fixture: impl Fixture) {
    let store = fixture.store();
    let mut first = put(1, Absent).with(&[(3, 30)]);
    first.add.texts = vec![text(3, "a")];
    first.add.records = vec![record_row(4, TYPE, 0, 0)];
    commit(store, vec![first.clone()]);
    for seq in 1..=3 {
        commit(store, vec![Change { add: first.add.clone(), ..first.then(Put, seq) }]);
    }
    let history = |store: &dyn Store| [1, 2, 3, 4].map(|as_of| found(&mut *snapshot(store), 3, as_of));
    assert_eq!(history(store), [vec![1], vec![2], vec![3], vec![4]]);
    assert_eq!(store.forget_superseded(1).expect("forget"), 0);
    assert_eq!(store.forget_superseded(2).expect("forget"), 4, "the four rows of the first version");
    assert_eq!(history(store), [vec![], vec![2], vec![3], vec![4]]);
    assert_eq!(store.forget_superseded(100).expect("forget"), 8);
    assert_eq!(history(store), [vec![], vec![], vec![], vec![4]]);
    assert_eq!(store.forget_superseded(100).expect("forget"), 0);
    assert_eq!(dump(&mut *snapshot(store)).len(), 4);
}

/// Each head follows from the one before and the events between them.
fn verify_chain(store: &dyn Store) {
    let mut now = snapshot(store);
    let (mut head, mut from) = (chain::GENESIS, 0);
    for (seq, stored) in now.chain(0, 1 << 30).expect("chain") {
        let events = now.feed(from, (seq - from) as usize).expect("feed");
        assert_eq!(events.last().expect("a head has events").seq, seq);
        head = chain::next(&head, &store.secret(), &events);
        assert_eq!(head, stored, "head at {seq}");
        from = seq;
    }
    assert_eq!(from, now.position(), "events without a head");
}

/// The hash chain verifies: one head a call that wrote, over all its events.
pub fn chain_verifies(fixture: impl Fixture) {
    let store = fixture.store();
    assert!(snapshot(store).chain(0, 9).expect("chain").is_empty());
    for key in 0..5 {
        let group = [
            transaction(vec![put(key * 2, Absent)]),
            transaction(vec![put(-1, At(1))]),
            transaction(vec![put(key * 2 + 1, Absent)]),
        ];
        store.commit(&group).expect("commit");
    }
    store.commit(&[transaction(vec![put(0, Absent)])]).expect("commit");
    let heads = snapshot(store).chain(0, 99).expect("chain");
    assert_eq!(heads.iter().map(|(seq, _)| *seq).collect::<Vec<_>>(), [2, 4, 6, 8, 10]);
    assert_eq!(snapshot(store).chain(4, 2).expect("chain"), heads[2..4]);
    verify_chain(store);
}

/// What was acknowledged is there after the store was closed and opened again, and goes on from there.
pub fn everything_survives_reopening(mut fixture: impl Fixture) {
    let secret = fixture.store().secret();
    let mut history = script::Script::new(11, secret);
    let mut commit_calls = |store: &dyn Store| {
        for _ in 0..20 {
            store.commit(&history.call().0).expect("commit");
        }
        script::same_state(store, history.model(), "before reopening");
    };
    commit_calls(fixture.store());
    for _ in 0..2 {
        if !fixture.reopen() {
            return;
        }
        assert_eq!(fixture.store().secret(), secret);
        script::recovered(fixture.store(), 11, 20);
    }
    for _ in 0..10 {
        fixture.store().commit(&history.call().0).expect("commit");
    }
    script::same_state(fixture.store(), history.model(), "after reopening");
}

/// A group of thousands of changes commits whole, each with a dozen rows.
pub fn large_groups_commit(fixture: impl Fixture) {
    const CHANGES: i64 = 3000;
    let store = fixture.store();
    let model = MemoryStore::new(store.secret());
    let group: Vec<Transaction> = (0..CHANGES)
        .map(|key| {
            let mut change = put(key * 7919 % CHANGES, Absent);
            change.add = rows(&(1..10).map(|slot| (slot, key % 50)).collect::<Vec<_>>());
            change.add.texts = vec![text(1, &format!("text {}", key % 40))];
            change.add.records = vec![record_row(key as u64 % 9, TYPE, 1, key)];
            transaction(vec![change])
        })
        .collect();
    let outcomes = store.commit(&group).expect("commit");
    assert_eq!(outcomes, model.commit(&group).expect("model"));
    let mut now = snapshot(store);
    assert_eq!(now.position(), CHANGES as Seq);
    assert_eq!(dump(&mut *now), dump(&mut *snapshot(&model)));
    assert_eq!(all_events(&mut *now), all_events(&mut *snapshot(&model)));
}

/// The size is told with the total first, and a backup works or says what to use instead.
pub fn size_and_backup_answer(fixture: impl Fixture) {
    let store = fixture.store();
    commit(store, vec![put(1, Absent)]);
    let size = store.size().expect("size");
    assert_eq!(size[0].0, "total");
    assert!(size[1..].iter().all(|(_, bytes)| *bytes <= size[0].1), "a table larger than the whole");
    let target = std::env::temp_dir().join(format!("tongmai-contract-backup-{}", std::process::id()));
    let result = store.backup(&target, &mut |_, _| {});
    let written = std::fs::remove_file(&target).is_ok();
    match result {
        Ok(()) => assert!(written, "a backup without a file"),
        Err(error) => assert!(!error.0.is_empty() && !written),
    }
}

/// Random histories on the store and on the model give equal answers.
pub fn random_histories_equal_the_model<F: Fixture>(first: F) {
    let mut next = Some(first);
    for seed in 1..=4 {
        let Some(fixture) = next.take().or_else(F::fresh) else { return };
        script::run(fixture.store(), seed, 60);
    }
}
