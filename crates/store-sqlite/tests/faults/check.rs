//! What must hold of a store after a crash, and the parallel loop over many seeds.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, Once};

use rusqlite::Connection;
use tongmai_store::{RecordKey, ResourceKey, Store, chain};

/// Symbols and record keys that were given out before a call that was acknowledged.
#[derive(Default)]
pub struct Promises {
    pending: Vec<Promise>,
    settled: Vec<Promise>,
}

struct Promise {
    number: i64,
    symbol: u32,
    record_key: RecordKey,
}

/// Patients with these keys are no resources of the history.
fn patient(number: i64) -> ResourceKey {
    ResourceKey(i64::MAX - number)
}

fn text(number: i64) -> String {
    format!("symbol {number}")
}

impl Promises {
    /// Asks for a symbol and a record key.
    pub fn ask(&mut self, store: &dyn Store, number: i64) -> tongmai_store::Result<()> {
        let symbol = store.symbol(&text(number))?;
        let record_key = store.reserve_record_key(patient(number))?;
        self.pending.push(Promise { number, symbol, record_key });
        Ok(())
    }

    /// A call was acknowledged.
    pub fn settle(&mut self) {
        self.settled.append(&mut self.pending);
    }

    /// After a crash: what was pending may be gone.
    fn check(&mut self, store: &dyn Store, place: &str) {
        self.pending.clear();
        for Promise { number, symbol, record_key } in &self.settled {
            assert_eq!(store.find_symbol(&text(*number)).expect("symbol"), Some(*symbol), "{place}");
            assert_eq!(store.reserve_record_key(patient(*number)).expect("key"), *record_key, "{place}");
        }
    }
}

/// Checks what must hold of a store after a crash beside the state of its history: the hash chain, what was
/// promised, and the file itself over a second connection.
///
/// # Panics
/// When something does not hold.
pub fn sound(store: &dyn Store, connection: &Connection, promises: &mut Promises, place: &str) {
    verify_chain(store, place);
    promises.check(store, place);
    let mut statement = connection.prepare("PRAGMA integrity_check").expect("check");
    let lines: Vec<String> =
        statement.query_map([], |row| row.get(0)).expect("check").collect::<Result<_, _>>().expect("check");
    assert_eq!(lines, ["ok"], "integrity, {place}");
}

fn verify_chain(store: &dyn Store, place: &str) {
    let mut snapshot = store.snapshot().expect("snapshot");
    let (mut head, mut from) = (chain::GENESIS, 0);
    for (seq, stored) in snapshot.chain(0, 1 << 40).expect("chain") {
        let events = snapshot.feed(from, (seq - from) as usize).expect("feed");
        assert!((from + 1..=seq).eq(events.iter().map(|event| event.seq)), "gap before {seq}, {place}");
        head = chain::next(&head, &store.secret(), &events);
        assert_eq!(head, stored, "head at {seq}, {place}");
        from = seq;
    }
    assert_eq!(from, snapshot.position(), "events without a head, {place}");
}

/// What the runs of many seeds came to.
pub struct Summary<T> {
    /// Results of the runs that held.
    pub held: Vec<T>,
    /// Seeds of the runs that did not, with what was found.
    pub failed: Vec<(u64, String)>,
}

/// Threads of this name keep their panics to themselves: they are told in the summary.
const RUNNER: &str = "runner";

fn quiet_runners() {
    static SET: Once = Once::new();
    SET.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if std::thread::current().name() != Some(RUNNER) {
                before(panic);
            }
        }));
    });
}

/// Runs every seed, on all processors, and calls `progress` with the number that are done.
pub fn run_all<T: Send>(
    seeds: std::ops::Range<u64>,
    run: impl Fn(u64) -> T + Sync,
    progress: impl Fn(u64) + Sync,
) -> Summary<T> {
    let (next, done) = (AtomicU64::new(seeds.start), AtomicU64::new(0));
    let summary = Mutex::new(Summary { held: Vec::new(), failed: Vec::new() });
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return;
            }
            let result = catch_unwind(AssertUnwindSafe(|| run(seed)));
            let mut summary = summary.lock().expect("no panic under the lock");
            match result {
                Ok(result) => summary.held.push(result),
                Err(panic) => {
                    let message = panic.downcast_ref::<String>().cloned();
                    let text = panic.downcast_ref::<&str>().map(|text| text.to_string());
                    summary.failed.push((seed, message.or(text).unwrap_or_default()));
                }
            }
            drop(summary);
            progress(done.fetch_add(1, Ordering::Relaxed) + 1);
        }
    };
    quiet_runners();
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, |count| count.get()) {
            std::thread::Builder::new().name(RUNNER.into()).spawn_scoped(scope, work).expect("a thread");
        }
    });
    summary.into_inner().expect("no panic under the lock")
}

impl<T> Summary<T> {
    /// All runs held.
    ///
    /// # Panics
    /// When one did not; the message names its seed.
    pub fn expect_all(self) -> Vec<T> {
        let seeds: Vec<u64> = self.failed.iter().map(|(seed, _)| *seed).collect();
        assert!(seeds.is_empty(), "failed at the seeds {seeds:?}; the first: {}", self.failed[0].1);
        self.held
    }
}
