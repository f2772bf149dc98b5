//! Crash runs: commits of a seeded history, in the middle of which every process of the server is
//! killed. Used by the test and, for many runs, by the example `crash`.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tongmai_store::contract::{Random, script};
use tongmai_store::{Store, chain};
use tongmai_store_postgres::PostgresStore;
use tongmai_testkit::postgres::Postgres;

/// What one run found.
pub struct Run {
    /// Calls of commit that were answered with success.
    pub acknowledged: usize,
    /// The server was killed while a call was under way.
    pub during_commit: bool,
    /// The call under way was answered with success after the server was back.
    pub resolved: bool,
}

/// Kills the server in the middle of the history of `seed`, starts it again, and compares what it
/// holds with the model.
///
/// # Panics
/// When an acknowledged call is lost, one is half applied, or the chain does not verify.
pub fn crash(cluster: &mut Postgres, shard: u32, seed: u64) -> Run {
    let url = cluster.url();
    let store = PostgresStore::open(&url, shard).expect("open");
    let (acknowledged, under_way) = (AtomicUsize::new(0), AtomicBool::new(false));
    let killed = AtomicBool::new(false);
    let mut random = Random(seed ^ 0x6372_6173_6800);
    // From before the first commit to well into the history.
    let delay = Duration::from_micros(random.below(250_000));
    let (during_commit, after_kill) = std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut history = script::Script::new(seed, store.secret());
            while !killed.load(Ordering::SeqCst) {
                let (transactions, expected) = history.call();
                under_way.store(true, Ordering::SeqCst);
                let answer = store.commit(&transactions);
                under_way.store(false, Ordering::SeqCst);
                match answer {
                    Ok(outcomes) => assert_eq!(outcomes.len(), expected.len()),
                    Err(_) => return,
                }
                acknowledged.fetch_add(1, Ordering::SeqCst);
            }
        });
        let begin = Instant::now();
        while begin.elapsed() < delay {
            std::thread::sleep(Duration::from_micros(200));
        }
        let during_commit = under_way.load(Ordering::SeqCst);
        cluster.kill();
        killed.store(true, Ordering::SeqCst);
        let after_kill = acknowledged.load(Ordering::SeqCst);
        cluster.restart();
        writer.join().expect("writer");
        (during_commit, after_kill)
    });
    drop(store);

    let store = PostgresStore::open(&url, shard).expect("open again");
    let acknowledged = acknowledged.load(Ordering::SeqCst);
    let held = script::recovered(&store, seed, acknowledged);
    verify_chain(&store, seed);
    // It goes on from there.
    let mut history = script::Script::new(seed, store.secret());
    (0..held).for_each(|_| drop(history.call()));
    for _ in 0..3 {
        store.commit(&history.call().0).expect("commit after the crash");
    }
    script::same_state(&store, history.model(), &format!("seed {seed}, after going on"));
    Run { acknowledged, during_commit, resolved: acknowledged > after_kill }
}

fn verify_chain(store: &dyn Store, seed: u64) {
    let mut snapshot = store.snapshot().expect("snapshot");
    let (mut head, mut from) = (chain::GENESIS, 0);
    for (seq, stored) in snapshot.chain(0, 1 << 40).expect("chain") {
        let events = snapshot.feed(from, (seq - from) as usize).expect("feed");
        head = chain::next(&head, &store.secret(), &events);
        assert_eq!(head, stored, "seed {seed}: head at {seq}");
        from = seq;
    }
    assert_eq!(from, snapshot.position(), "seed {seed}: events without a head");
}
