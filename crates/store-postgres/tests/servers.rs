//! Several servers on one database, formats of other releases, and what a lost connection does.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio_postgres::NoTls;
use tongmai_store::{
    Change, EventKind, Expectation, IndexRows, NumberRow, RecordKey, ResourceKey, Seq, Store, TYPE_SLOT,
    Transaction, chain,
};
use tongmai_store_postgres::{FORMAT_VERSION, PostgresStore};
use tongmai_testkit::postgres::Postgres;

fn create(key: i64) -> Transaction {
    let row = NumberRow { slot: TYPE_SLOT, value: 1, extra: 0, label: 0 };
    let change = Change {
        key: ResourceKey(key),
        expected: Expectation::Absent,
        kind: EventKind::Put,
        type_id: 1,
        version: 1,
        record_key: RecordKey(1),
        label: 0,
        hybrid_time: 0,
        body: key.to_be_bytes().to_vec(),
        add: IndexRows { numbers: vec![row], ..IndexRows::default() },
        remove: IndexRows::default(),
        patient_record: None,
        source_key: None,
    };
    Transaction { changes: vec![change], ..Transaction::default() }
}

/// Runs SQL on a connection of its own.
fn run_sql(url: &str, sql: &str) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("runtime");
    runtime.block_on(async {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("connect");
        tokio::spawn(connection);
        client.batch_execute(sql).await.expect("sql");
    });
}

/// Two servers append from several threads each, at once; a reader that follows the feed on either
/// sees every position in order, and the chain is one.
#[test]
fn the_feed_never_skips_a_late_commit() {
    const THREADS: i64 = 3;
    const COMMITS: i64 = 60;
    let Some(cluster) = Postgres::shared() else { return };
    let url = cluster.create_database();
    let stores = [0, 1].map(|_| PostgresStore::open(&url, 0).expect("open"));
    let done = AtomicBool::new(false);
    let follow = |store: &PostgresStore| {
        let mut seen: Seq = 0;
        loop {
            let last_round = done.load(Ordering::SeqCst);
            let mut snapshot = store.snapshot().expect("snapshot");
            for event in snapshot.feed(seen, 10_000).expect("feed") {
                assert_eq!(event.seq, seen + 1, "the feed skipped");
                seen = event.seq;
            }
            assert_eq!(seen, snapshot.position());
            if last_round {
                return seen;
            }
        }
    };
    std::thread::scope(|scope| {
        let readers: Vec<_> = stores.iter().map(|store| scope.spawn(|| follow(store))).collect();
        let writers: Vec<_> = (0..2 * THREADS)
            .map(|writer| {
                let store = &stores[writer as usize % 2];
                scope.spawn(move || {
                    for n in 0..COMMITS {
                        let key = writer * COMMITS + n;
                        // Groups of different sizes take different times.
                        let group: Vec<Transaction> =
                            (0..=key % 3).map(|member| create(key * 3 + member)).collect();
                        let outcomes = store.commit(&group).expect("commit");
                        assert!(outcomes.iter().all(|outcome| outcome.is_ok()));
                    }
                })
            })
            .collect();
        writers.into_iter().for_each(|writer| writer.join().expect("writer"));
        done.store(true, Ordering::SeqCst);
        let expected = (0..2 * THREADS * COMMITS).map(|key| key as Seq % 3 + 1).sum::<Seq>();
        for reader in readers {
            assert_eq!(reader.join().expect("reader"), expected);
        }
    });
    let mut snapshot = stores[0].snapshot().expect("snapshot");
    let (mut head, mut from) = (chain::GENESIS, 0);
    for (seq, stored) in snapshot.chain(0, 10_000).expect("chain") {
        let events = snapshot.feed(from, (seq - from) as usize).expect("feed");
        head = chain::next(&head, &stores[1].secret(), &events);
        assert_eq!(head, stored);
        from = seq;
    }
    assert_eq!(from, snapshot.position());
}

/// Two servers give out the same symbols and record keys.
#[test]
fn servers_agree_on_what_they_give_out() {
    let Some(cluster) = Postgres::shared() else { return };
    let url = cluster.create_database();
    let stores = [0, 1].map(|_| PostgresStore::open(&url, 0).expect("open"));
    let ask = |store: &PostgresStore| {
        let symbols: Vec<u32> = (0..50).map(|n| store.symbol(&n.to_string()).expect("symbol")).collect();
        let records: Vec<RecordKey> =
            (0..50).map(|n| store.reserve_record_key(ResourceKey(n)).expect("record key")).collect();
        (symbols, records)
    };
    let answers = std::thread::scope(|scope| {
        stores.each_ref().map(|store| scope.spawn(|| ask(store))).map(|thread| thread.join().expect("thread"))
    });
    assert_eq!(answers[0], answers[1]);
    for store in &stores {
        store.commit(&[create(store.secret()[0].into())]).expect("commit");
        assert_eq!(ask(store), answers[0]);
    }
}

/// A store of a later release is not touched.
#[test]
fn a_newer_format_is_refused() {
    let Some(cluster) = Postgres::shared() else { return };
    let url = cluster.create_database();
    drop(PostgresStore::open(&url, 0).expect("open"));
    run_sql(&url, &format!("UPDATE tongmai.meta SET format = {}", FORMAT_VERSION + 1));
    let error = PostgresStore::open(&url, 0).err().expect("refused").to_string();
    assert!(error.contains("newer release"), "{error}");
    run_sql(&url, &format!("UPDATE tongmai.meta SET format = {FORMAT_VERSION}"));
    PostgresStore::open(&url, 0).expect("open");
    for address in ["postgres://nobody@%2Fnowhere/none", "no address"] {
        assert!(PostgresStore::open(address, 0).is_err());
    }
}

/// A server that drops connections costs at most the call under way; a call that reports an error
/// has left nothing, and the next one goes through.
#[test]
fn lost_connections_are_replaced() {
    let Some(cluster) = Postgres::shared() else { return };
    let url = cluster.create_database();
    let store = PostgresStore::open(&url, 0).expect("open");
    let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
               WHERE datname = current_database() AND pid <> pg_backend_pid()";
    let done = AtomicBool::new(false);
    let acknowledged = std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let (mut acknowledged, mut key) = (Vec::new(), 0);
            while !done.load(Ordering::SeqCst) {
                if store.commit(&[create(key)]).is_ok() {
                    acknowledged.push(key);
                }
                key += 1;
            }
            acknowledged
        });
        for _ in 0..10 {
            std::thread::sleep(Duration::from_millis(30));
            run_sql(&url, cut);
        }
        done.store(true, Ordering::SeqCst);
        writer.join().expect("writer")
    });
    // A kept connection that is gone may be noticed only by its use.
    let events = (0..40).find_map(|_| store.snapshot().ok()?.feed(0, 1 << 40).ok()).expect("feed");
    let kept: Vec<i64> = events.iter().map(|event| event.key.0).collect();
    assert_eq!(kept, acknowledged, "exactly what was acknowledged");
    assert!(kept.len() > 10, "too few commits to say anything: {}", kept.len());
}

/// The end of a server drops its store on a worker of the server's own runtime.
#[test]
fn a_store_may_be_dropped_on_a_worker() {
    let Some(cluster) = Postgres::shared() else { return };
    let store = PostgresStore::open(&cluster.create_database(), 0).expect("open");
    store.commit(&[create(1)]).expect("commit");
    let runtime = tokio::runtime::Builder::new_multi_thread().build().expect("runtime");
    runtime.block_on(async { drop(store) });
}
