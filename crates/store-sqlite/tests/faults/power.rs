//! Power cuts: a seeded history on a disk that loses its power, up to four times in one run.

use std::path::Path;
use std::sync::Arc;

use rusqlite::{Connection, OpenFlags};
use tongmai_store::contract::Random;
use tongmai_store::contract::script::{Outcome, Script, same_state};
use tongmai_store::memory::MemoryStore;
use tongmai_store::{Seq, Store, Transaction};
use tongmai_store_sqlite::SqliteStore;

use crate::check::{self, Promises};
use crate::disk::{Disk, Kind};
use crate::vfs;

/// Calls of the history between two cuts, at most.
const CALLS: u64 = 30;

/// What happened in one run, or in many.
#[derive(Default, Clone, Copy)]
pub struct Tally {
    /// Calls answered with success.
    pub acknowledged: usize,
    /// Power cuts.
    pub cuts: usize,
    /// Cuts while the store was opened, recovery and the making of tables included.
    pub opening: usize,
    /// Cuts while a call was under way.
    pub committing: usize,
    /// Calls under way in a cut that were found durable.
    pub kept: usize,
    /// Cuts while the store was closed.
    pub closing: usize,
}

impl Tally {
    /// The sum of many runs.
    pub fn sum(runs: &[Tally]) -> Tally {
        runs.iter().fold(Tally::default(), |sum, run| Tally {
            acknowledged: sum.acknowledged + run.acknowledged,
            cuts: sum.cuts + run.cuts,
            opening: sum.opening + run.opening,
            committing: sum.committing + run.committing,
            kept: sum.kept + run.kept,
            closing: sum.closing + run.closing,
        })
    }

    /// One line for people.
    pub fn line(&self) -> String {
        format!(
            "{} power cuts ({} while opening, {} during a commit, {} while closing), {} acknowledged calls, \
             {} calls under way found whole",
            self.cuts, self.opening, self.committing, self.closing, self.acknowledged, self.kept
        )
    }
}

/// A history under way.
struct History {
    script: Script,
    /// The state after all calls but the last.
    before: MemoryStore,
    /// The last call, as long as it is not acknowledged, and what the model answered.
    open: Option<(Vec<Transaction>, Vec<Outcome>)>,
}

impl History {
    fn new(seed: u64, secret: [u8; 32]) -> History {
        History { script: Script::new(seed, secret), before: MemoryStore::new(secret), open: None }
    }

    /// Commits the call that was lost, or the next one.
    fn commit(&mut self, store: &SqliteStore, place: &str) -> tongmai_store::Result<()> {
        let (transactions, expected) = self.open.take().unwrap_or_else(|| {
            self.before = self.script.model().clone();
            self.script.call()
        });
        match store.commit(&transactions) {
            Ok(outcomes) => {
                let places = |outcomes: &[Outcome]| -> Vec<Option<Seq>> {
                    outcomes.iter().map(|outcome| outcome.ok().map(|committed| committed.first)).collect()
                };
                assert_eq!(places(&outcomes), places(&expected), "answers, {place}");
                Ok(())
            }
            Err(error) => {
                self.open = Some((transactions, expected));
                Err(error)
            }
        }
    }

    /// After a crash: all acknowledged calls are there whole, and the open one whole or not at all. Returns
    /// whether an open one is there.
    fn check(&mut self, store: &SqliteStore, place: &str) -> bool {
        let position = |store: &dyn Store| store.snapshot().expect("snapshot").position();
        let held = position(store);
        if self.open.is_some() && held == position(&self.before) {
            same_state(store, &self.before, place);
            return false;
        }
        same_state(store, self.script.model(), place);
        self.open.take().is_some()
    }
}

/// A run under way.
struct Run {
    seed: u64,
    random: Random,
    disk: Arc<Disk>,
    path: String,
    /// From the first time that the store opened.
    history: Option<History>,
    promises: Promises,
    tally: Tally,
}

/// Writes the history of `seed`, cuts the power in the middle, and checks what is left, several times over.
/// The disk lies about files of one kind, if one is given: then the run must fail.
///
/// # Panics
/// When something acknowledged was lost, or something is there in part.
pub fn run(seed: u64, lies_about: Option<Kind>) -> Tally {
    vfs::register();
    let disk = Disk::new(!seed, lies_about);
    let path = disk.path("store");
    let random = Random(seed ^ 0x706f_7765_7200);
    let promises = Promises::default();
    let (history, tally) = (None, Tally::default());
    let mut run = Run { seed, random, disk, path, history, promises, tally };
    for _ in 0..1 + run.random.below(4) {
        let only_syncs = run.random.chance(30);
        let span = if only_syncs { 60 } else { run.random.pick(&[80, 600, 3000]) };
        run.disk.cut_after(run.random.below(span), only_syncs);
        run.write();
        // The history may have ended before.
        run.disk.cut();
        run.disk.power_on();
        run.tally.cuts += 1;
        run.check();
    }
    run.tally
}

impl Run {
    fn place(&self) -> String {
        format!(
            "seed {}, cut {}, after {} acknowledged calls",
            self.seed, self.tally.cuts, self.tally.acknowledged
        )
    }

    fn open(&mut self, fold_rows: u64) -> tongmai_store::Result<SqliteStore> {
        let store = SqliteStore::open_on(Path::new(&self.path), Some(vfs::NAME), fold_rows)?;
        let place = self.place();
        let history = self.history.get_or_insert_with(|| History::new(self.seed, store.secret()));
        assert_eq!(store.secret(), history.script.model().secret(), "secret, {place}");
        Ok(store)
    }

    /// Panics when there was no power cut to excuse the error.
    fn excuse(&self, error: tongmai_store::StoreError) {
        assert!(!self.disk.powered(), "an error with the power on, {}: {error}", self.place());
    }

    /// Writes until the power is cut, or the calls are over.
    fn write(&mut self) {
        let mut calls = self.random.below(CALLS);
        while calls > 0 && self.disk.powered() {
            // The log is folded at every call, now and then, or only when the store is closed.
            let fold_rows = self.random.pick(&[1, 1, 150, 1 << 40]);
            let store = match self.open(fold_rows) {
                Ok(store) => store,
                Err(error) => {
                    self.tally.opening += 1;
                    return self.excuse(error);
                }
            };
            let these = 1 + self.random.below(calls);
            calls -= these;
            let written = self.session(&store, these);
            let before = self.disk.powered();
            drop(store);
            self.tally.closing += usize::from(before && !self.disk.powered());
            if let Err(error) = written {
                return self.excuse(error);
            }
        }
    }

    /// Calls on an open store, with snapshots held over some of them.
    fn session(&mut self, store: &SqliteStore, calls: u64) -> tongmai_store::Result<()> {
        let mut held = None;
        for _ in 0..calls {
            match self.random.below(12) {
                0 => held = Some(store.snapshot()?),
                1..4 => held = None,
                4 => {
                    let position = store.snapshot()?.position();
                    store.forget_superseded(self.random.below(position + 1))?;
                }
                5 | 6 => {
                    let number = self.random.below(200) as i64;
                    self.promises.ask(store, number)?;
                }
                _ => {}
            }
            let before = self.disk.powered();
            let answer = self.commit(store);
            self.tally.committing += usize::from(answer.is_err() && before);
            answer?;
        }
        drop(held);
        Ok(())
    }

    fn commit(&mut self, store: &SqliteStore) -> tongmai_store::Result<()> {
        let place = self.place();
        self.history.as_mut().expect("made when the store opened").commit(store, &place)?;
        self.tally.acknowledged += 1;
        self.promises.settle();
        Ok(())
    }

    /// Opens what is left and checks it; then it goes on, and is closed or not.
    fn check(&mut self) {
        let place = self.place();
        let store = self.open(1 << 40).unwrap_or_else(|error| panic!("{place}: {error}"));
        let kept = self.history.as_mut().expect("made when the store opened").check(&store, &place);
        self.tally.kept += usize::from(kept);
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection =
            Connection::open_with_flags_and_vfs(&self.path, flags, vfs::NAME).expect("a second connection");
        check::sound(&store, &connection, &mut self.promises, &place);
        drop(connection);
        for _ in 0..self.random.below(3) {
            self.commit(&store).unwrap_or_else(|error| panic!("{place}: {error}"));
        }
        if self.random.chance(50) {
            // The process dies, the disk keeps what it may lose.
            self.disk.cut();
            drop(store);
            self.disk.power_on();
        }
    }
}
