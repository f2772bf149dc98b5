//! Clauses on what a snapshot answers.

use std::ops::Bound;
use std::sync::atomic::{AtomicBool, Ordering as Memory};

use super::super::*;
use crate::{NO_DATE, NumberCursor, RecordHit, TextHit, TextRange};

use EventKind::{Delete, Move, Purge, Put};
use Expectation::Absent;

/// Events and keys are given in the order asked for; a position without an event is left out.
pub fn events_come_in_the_order_asked(fixture: impl Fixture) {
    let store = fixture.store();
    commit(store, (1..=5).map(|key| put(key * 10, Absent)).collect());
    let mut now = snapshot(store);
    let events = now.events(&[4, 99, 2, 0, 5, 2, Seq::MAX]).expect("events");
    assert_eq!(events.iter().map(|event| event.seq).collect::<Vec<_>>(), [4, 2, 5, 2]);
    assert_eq!(now.keys(&[3, 1, 3]).expect("keys"), [30, 10, 30].map(ResourceKey));
    assert!(now.events(&[]).expect("events").is_empty());
}

/// Pages of the feed join to the whole ledger.
pub fn feed_is_paged_without_gaps(fixture: impl Fixture) {
    let store = fixture.store();
    for key in 0..23 {
        commit(store, vec![put(key, Absent)]);
    }
    let mut now = snapshot(store);
    let whole = all_events(&mut *now);
    assert_eq!(whole.len(), 23);
    let mut joined = Vec::new();
    loop {
        let page = now.feed(joined.len() as Seq, 5).expect("feed");
        if page.is_empty() {
            break;
        }
        joined.extend(page);
    }
    assert_eq!(joined, whole);
}

/// A reader that follows the feed while a writer appends misses nothing, and sees each group whole.
pub fn feed_follows_a_writer(fixture: impl Fixture) {
    const CALLS: i64 = 60;
    let store = fixture.store();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut seen = 0;
            loop {
                let last_round = done.load(Memory::SeqCst);
                let mut now = snapshot(store);
                assert_eq!(now.position() % 3, 0, "half of a transaction is visible");
                for event in now.feed(seen, 1000).expect("feed") {
                    assert_eq!(event.seq, seen + 1, "the feed skipped");
                    seen = event.seq;
                }
                assert_eq!(seen, now.position());
                let heads = now.chain(0, 1000).expect("chain");
                assert_eq!(heads.last().map_or(0, |(seq, _)| *seq), seen);
                if last_round {
                    return seen;
                }
            }
        });
        for call in 0..CALLS {
            commit(store, (0..3).map(|key| put(call * 3 + key, Absent)).collect());
        }
        done.store(true, Memory::SeqCst);
        assert_eq!(reader.join().expect("reader"), CALLS as Seq * 3);
    });
}

/// A snapshot shows the state at which it was taken, whatever is written and forgotten meanwhile.
pub fn snapshots_stand_still(fixture: impl Fixture) {
    let store = fixture.store();
    let first = put(1, Absent).with(&[(3, 30)]);
    commit(store, vec![first.clone(), put(2, Absent).with(&[(3, 31)])]);
    let mut before = snapshot(store);
    let lines = dump(&mut *before);
    commit(store, vec![first.then(Put, 1).with(&[(3, 32)]), put(3, Absent).with(&[(3, 33)])]);
    let mut between = snapshot(store);
    commit(store, vec![put(2, Absent).with(&[(3, 31)]).then(Purge, 2)]);
    store.forget_superseded(5).expect("forget");

    assert_eq!(before.position(), 2);
    assert_eq!(dump(&mut *before), lines);
    assert_eq!(all_events(&mut *before).len(), 2);
    assert_eq!(before.current(first.key).expect("current").expect("kept").seq, 1);
    assert_eq!(before.current(ResourceKey(3)).expect("current"), None);
    assert_eq!(before.events(&[2]).expect("events")[0].body, b"body of 2");
    assert_eq!(found(&mut *before, 3, 2), [1, 2]);
    assert_eq!(between.position(), 4);
    assert_eq!(found(&mut *between, 3, 4), [2, 3, 4]);
    assert_eq!(found(&mut *between, 3, 2), [1, 2], "rows forgotten since are still here");
    assert_eq!(found(&mut *snapshot(store), 3, 5), [3, 4]);
}

/// A store whose slot 3 holds rows of few values, several versions a value and several extras a version.
fn crowded(store: &dyn Store) {
    let changes = (0..12i64).map(|key| {
        let mut change = put(key, Absent);
        change.add.numbers = (0..2)
            .map(|extra| NumberRow { slot: 3, value: [-7, 0, 9][key as usize % 3], extra, label: key as u16 })
            .collect();
        change.add.texts = vec![text(3, ["甲", "ab", "b"][key as usize % 3])];
        change
    });
    for change in changes {
        commit(store, vec![change]);
    }
}

/// Scans go on behind any row, in both orders, with any limit.
pub fn scans_run_in_both_orders(fixture: impl Fixture) {
    let store = fixture.store();
    crowded(store);
    let mut now = snapshot(store);
    let ascending = scan_all(&mut *now, 3, Order::Ascending, 12);
    assert_eq!(ascending.len(), 24);
    assert!(ascending.is_sorted_by_key(|hit| (hit.value, hit.seq, hit.extra)));
    assert_eq!(ascending[0].label, 0);
    let mut descending = ascending.clone();
    descending.reverse();
    assert_eq!(scan_all(&mut *now, 3, Order::Descending, 12), descending);
    for (order, whole) in [(Order::Ascending, &ascending), (Order::Descending, &descending)] {
        for (index, hit) in whole.iter().enumerate() {
            let after = Some(NumberCursor { value: hit.value, seq: hit.seq, extra: hit.extra });
            let range = NumberRange { slot: 3, low: -7, high: 9 };
            let mut page = vec![*hit];
            now.scan(&range, order, after, 12, 5, &mut page).expect("scan");
            assert_eq!(page, whole[index..whole.len().min(index + 6)], "appended behind {hit:?}");
        }
    }
    let mut zeros = Vec::new();
    now.scan(&NumberRange { slot: 3, low: 0, high: 0 }, Order::Descending, None, 12, 3, &mut zeros)
        .expect("scan");
    assert_eq!(zeros.iter().map(|hit| (hit.seq, hit.extra)).collect::<Vec<_>>(), [(11, 1), (11, 0), (8, 1)]);
}

/// Pages that look back to one position join to what a search found there, whatever is written between.
pub fn pages_show_one_position(fixture: impl Fixture) {
    let store = fixture.store();
    for order in [Order::Ascending, Order::Descending] {
        let base = snapshot(store).position() as i64;
        let created: Vec<Change> =
            (0..40).map(|n| put(base + n, Absent).with(&[(3, n % 5), (4, 1)])).collect();
        let first = commit(store, created.clone());
        let fixed = snapshot(store).position();
        let whole = scan_all(&mut *snapshot(store), 3, order, fixed);
        let records = |snapshot: &mut dyn Snapshot| snapshot.type_history(Some(TYPE), fixed + 1, 1000);
        let history = records(&mut *snapshot(store)).expect("history");
        let mut joined: Vec<NumberHit> = Vec::new();
        for (round, change) in created.iter().enumerate().take(20) {
            // The three fates of a resource, and a new one, between two pages.
            let at = first + round as Seq;
            let fate = match round % 3 {
                0 => change.then(Put, at).with(&[(3, 2), (4, 2)]),
                1 => change.then(Delete, at),
                _ => change.then(Put, at).with(&[(3, round as i64 % 5), (4, 1)]),
            };
            commit(store, vec![fate, put(base + 1000 + round as i64, Absent).with(&[(3, 2), (4, 1)])]);
            let after =
                joined.last().map(|hit| NumberCursor { value: hit.value, seq: hit.seq, extra: hit.extra });
            let range = NumberRange { slot: 3, low: i64::MIN, high: i64::MAX };
            let mut now = snapshot(store);
            now.scan(&range, order, after, fixed, 7, &mut joined).expect("scan");
            assert_eq!(now.count(&range, fixed, 1000).expect("count"), whole.len());
            let mut probed = Vec::new();
            now.probe(4, 1, None, fixed, &[at, fixed + 2], &mut probed).expect("probe");
            assert_eq!(probed, [true, false]);
            assert_eq!(records(&mut *now).expect("history"), history);
        }
        assert_eq!(joined, whole);
        // A later position sees the later state.
        let last = snapshot(store).position();
        assert!(scan_all(&mut *snapshot(store), 3, order, last) != whole);
    }
}

/// A probe answers for each position asked, with and without the extra.
pub fn probes_find_rows(fixture: impl Fixture) {
    let store = fixture.store();
    crowded(store);
    let mut now = snapshot(store);
    let mut out = vec![true];
    now.probe(3, 0, None, 12, &[2, 1, 5, 11, 99, 2], &mut out).expect("probe");
    assert_eq!(out, [true, true, false, true, true, false, true], "appended in the order asked");
    for (extra, expected) in [(0, true), (1, true), (2, false)] {
        let mut out = Vec::new();
        now.probe(3, 0, Some(extra), 12, &[2, 3], &mut out).expect("probe");
        assert_eq!(out, [expected, false]);
    }
    let mut out = Vec::new();
    now.probe(3, 0, None, 4, &[2, 5], &mut out).expect("probe");
    assert_eq!(out, [true, false], "a version after the position asked for");
    now.probe(2, 0, None, 12, &[2], &mut out).expect("probe");
    assert!(!out[2], "another slot");
}

/// Texts are compared byte by byte, with every kind of upper end, in both orders.
pub fn texts_are_scanned_in_byte_order(fixture: impl Fixture) {
    let store = fixture.store();
    let texts = ["", "A", "Z", "a", "a b", "ab", "b", "zz", "ü", "张三", "李", "\u{1f33e}"];
    let mut changes: Vec<Change> = (0..texts.len() as i64).map(|key| put(key, Absent)).collect();
    for (change, folded) in changes.iter_mut().zip(texts) {
        change.add.texts = vec![text(3, folded)];
    }
    // A second version of the first text, to see ties.
    let mut tie = put(99, Absent);
    tie.add.texts = vec![text(3, "a")];
    commit(store, changes.into_iter().chain([tie]).collect());

    let mut sorted: Vec<(&str, Seq)> =
        texts.iter().enumerate().map(|(index, text)| (*text, index as Seq + 1)).chain([("a", 13)]).collect();
    sorted.sort();
    let mut now = snapshot(store);
    let mut scan = |low: &str, high: Bound<&str>, order, after, limit| -> Vec<(String, Seq)> {
        let range = TextRange { slot: 3, low: low.to_owned(), high: high.map(str::to_owned) };
        let mut hits: Vec<TextHit> = Vec::new();
        now.scan_text(&range, order, after, 13, limit, &mut hits).expect("scan");
        hits.into_iter().map(|hit| (hit.text, hit.seq)).collect()
    };
    let owned = |pairs: &[(&str, Seq)]| -> Vec<(String, Seq)> {
        pairs.iter().map(|(text, seq)| ((*text).to_owned(), *seq)).collect()
    };
    let reversed: Vec<(&str, Seq)> = sorted.iter().rev().copied().collect();
    for (order, whole) in [(Order::Ascending, &sorted), (Order::Descending, &reversed)] {
        assert_eq!(scan("", Bound::Unbounded, order, None, 99), owned(whole));
        for (index, after) in whole.iter().enumerate() {
            let rest = &whole[index + 1..whole.len().min(index + 4)];
            assert_eq!(scan("", Bound::Unbounded, order, Some(*after), 3), owned(rest));
        }
    }
    let pairs = owned(&[("a", 4), ("a", 13), ("a b", 5), ("ab", 6)]);
    assert_eq!(scan("a", Bound::Excluded("b"), Order::Ascending, None, 99), pairs);
    assert_eq!(scan("a", Bound::Included("a"), Order::Ascending, None, 99), pairs[..2]);
    assert_eq!(
        scan("张", Bound::Excluded("张\u{10ffff}"), Order::Ascending, None, 99),
        owned(&[("张三", 10)])
    );
}

/// A count goes no further than it is asked to.
pub fn counts_stop_at_the_limit(fixture: impl Fixture) {
    let store = fixture.store();
    crowded(store);
    let mut now = snapshot(store);
    let mut count = |low, high, as_of, limit| {
        now.count(&NumberRange { slot: 3, low, high }, as_of, limit).expect("count")
    };
    assert_eq!(count(i64::MIN, i64::MAX, 12, 1000), 24);
    assert_eq!(count(i64::MIN, i64::MAX, 12, 24), 24);
    assert_eq!(count(i64::MIN, i64::MAX, 12, 23), 23);
    assert_eq!(count(0, 0, 12, 1000), 8);
    assert_eq!(count(0, 8, 2, 1000), 2);
    assert_eq!(count(1, 8, 12, 1000), 0);
}

/// The rows of a record come in the order of type, code and date, narrowed as asked.
pub fn records_are_filed_by_date(fixture: impl Fixture) {
    let store = fixture.store();
    let filed = [
        record_row(4, 1, 0, NO_DATE),
        record_row(4, 1, 0, -1),
        record_row(4, 1, 0, 20),
        record_row(4, 1, 9, 10),
        record_row(4, 2, 0, 15),
    ];
    // Written in another order than they are read; each is also filed under a second record.
    for index in [4, 2, 0, 3, 1] {
        let mut change = put(index as i64, Absent);
        change.add.records = vec![filed[index], RecordRow { record_key: RecordKey(5), ..filed[index] }];
        commit(store, vec![change]);
    }
    let mut now = snapshot(store);
    let mut ask = |record_key, type_id, code| {
        let mut hits: Vec<RecordHit> = Vec::new();
        now.record(RecordKey(record_key), type_id, code, 5, &mut hits).expect("record");
        hits.into_iter().map(|hit| (hit.row, hit.seq)).collect::<Vec<_>>()
    };
    let all: Vec<(RecordRow, Seq)> = filed.into_iter().zip([3, 5, 2, 4, 1]).collect();
    assert_eq!(ask(4, None, None), all);
    assert_eq!(ask(4, Some(1), None), all[..4]);
    assert_eq!(ask(4, Some(1), Some(0)), all[..3]);
    assert_eq!(ask(4, Some(2), None), all[4..]);
    assert_eq!(ask(4, Some(3), None), []);
    assert_eq!(ask(5, Some(1), Some(9)).len(), 1);
    assert_eq!(ask(6, None, None), []);
    drop(now);

    // A move takes the row along; the position before it still shows the old record.
    let mut moved = put(2, Absent);
    moved.add.records = vec![filed[2], RecordRow { record_key: RecordKey(5), ..filed[2] }];
    let mut moved = moved.then(Move, 2);
    moved.record_key = RecordKey(6);
    moved.add.records = vec![RecordRow { record_key: RecordKey(6), ..filed[2] }];
    commit(store, vec![moved]);
    let mut now = snapshot(store);
    let mut seqs = |record_key, as_of| {
        let mut hits = Vec::new();
        now.record(RecordKey(record_key), Some(1), Some(0), as_of, &mut hits).expect("record");
        hits.iter().map(|hit| hit.seq).collect::<Vec<_>>()
    };
    assert_eq!((seqs(4, 6), seqs(6, 6)), (vec![3, 5], vec![6]));
    assert_eq!((seqs(4, 5), seqs(6, 5)), (vec![3, 5, 2], vec![]));
}

/// Histories of one resource, of a type and of all run backwards, in pages.
pub fn history_runs_backwards(fixture: impl Fixture) {
    let store = fixture.store();
    let first = put(1, Absent);
    let mut other = put(2, Absent);
    other.type_id = 8;
    other.add.numbers[0].value = 8;
    commit(store, vec![first.clone(), other.clone()]);
    commit(store, vec![first.then(Put, 1).with(&[]), other.then(Delete, 2)]);
    commit(store, vec![first.then(Delete, 3)]);
    commit(store, vec![Change { remove: IndexRows::default(), ..first.then(Put, 5).with(&[]) }]);
    let mut now = snapshot(store);
    let seqs = |events: crate::Result<Vec<Event>>| {
        events.expect("history").iter().map(|event| event.seq).collect::<Vec<Seq>>()
    };
    assert_eq!(seqs(now.history(first.key, Seq::MAX >> 1, 99)), [6, 5, 3, 1]);
    assert_eq!(seqs(now.history(first.key, 6, 2)), [5, 3]);
    assert_eq!(seqs(now.history(first.key, 3, 2)), [1]);
    assert_eq!(seqs(now.history(first.key, 1, 2)), []);
    assert_eq!(seqs(now.history(ResourceKey(3), 99, 2)), []);
    assert_eq!(seqs(now.type_history(Some(TYPE), 99, 99)), [6, 5, 3, 1]);
    assert_eq!(seqs(now.type_history(Some(8), 99, 99)), [4, 2]);
    assert_eq!(seqs(now.type_history(Some(8), 4, 99)), [2]);
    assert_eq!(seqs(now.type_history(Some(9), 99, 99)), []);
    assert_eq!(seqs(now.type_history(None, 5, 3)), [4, 3, 2]);
    let kinds: Vec<EventKind> =
        now.history(first.key, 99, 99).expect("history").iter().map(|event| event.kind).collect();
    assert_eq!(kinds, [Put, Delete, Put, Put]);
    drop(now);
    // A purge empties the history, and does not shorten it.
    commit(store, vec![first.then(Purge, 6)]);
    assert_eq!(seqs(snapshot(store).history(first.key, 99, 99)), [7, 6, 5, 3, 1]);
    assert_eq!(seqs(snapshot(store).type_history(Some(TYPE), 99, 99)), [7, 6, 5, 3, 1]);
}

/// The first position that is not older than a time is found.
pub fn positions_are_found_by_time(fixture: impl Fixture) {
    const HOUR: i64 = 3_600_000;
    let store = fixture.store();
    assert_eq!(snapshot(store).position_at(0).expect("position"), 1);
    for hour in 1..=20 {
        let hybrid_time = (hour * HOUR) as u64 * 65536;
        commit(store, vec![Change { hybrid_time, ..put(hour, Absent) }]);
    }
    let mut now = snapshot(store);
    for hour in 1..=20 {
        let halfway = hour * HOUR - HOUR / 2;
        assert_eq!(now.position_at(halfway).expect("position"), hour as Seq);
    }
    assert_eq!(now.position_at(i64::MIN).expect("position"), 1);
    assert_eq!(now.position_at(21 * HOUR).expect("position"), 21, "the next one to be written");
    assert_eq!(now.position_at(i64::MAX).expect("position"), 21);
}
