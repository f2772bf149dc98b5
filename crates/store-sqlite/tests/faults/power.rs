//! Power cuts: a seeded history on a disk that loses its power, up to four times in one run.

use std::path::Path;
use std::sync::Arc;

use rusqlite::{Connection, OpenFlags};
use tongmai_store::Store;
use tongmai_store::contract::{Random, script::Script, script::same_state};
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

/// A run under way.
struct Run {
    seed: u64,
    random: Random,
    disk: Arc<Disk>,
    path: String,
    /// How many calls of the history the store must hold.
    acknowledged: usize,
    /// Known from the first time that the store opened.
    secret: Option<[u8; 32]>,
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
    let (acknowledged, secret, tally) = (0, None, Tally::default());
    let mut run = Run { seed, random, disk, path, acknowledged, secret, promises, tally };
    for _ in 0..1 + run.random.below(4) {
        let span = run.random.pick(&[80, 600, 3000]);
        run.disk.cut_after(run.random.below(span));
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
    fn open(&mut self, fold_rows: u64) -> tongmai_store::Result<SqliteStore> {
        let store = SqliteStore::open_on(Path::new(&self.path), Some(vfs::NAME), fold_rows)?;
        let secret = *self.secret.get_or_insert(store.secret());
        assert_eq!(store.secret(), secret, "seed {}: another secret", self.seed);
        Ok(store)
    }

    /// Panics when there was no power cut to excuse the error.
    fn excuse(&self, error: tongmai_store::StoreError) {
        assert!(!self.disk.powered(), "seed {}: an error with the power on: {error}", self.seed);
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
        let mut script = Script::new(self.seed, store.secret());
        (0..self.acknowledged).for_each(|_| drop(script.call()));
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
            let (transactions, expected) = script.call();
            let before = self.disk.powered();
            let answer = store.commit(&transactions);
            if answer.is_err() && before {
                self.tally.committing += 1;
            }
            let same = check::same_outcomes(&answer?, &expected);
            assert!(same, "seed {}: other answers than the model's", self.seed);
            self.acknowledged += 1;
            self.tally.acknowledged += 1;
            self.promises.settle();
        }
        drop(held);
        Ok(())
    }

    /// Opens what is left and checks it; then it goes on, and is closed or not.
    fn check(&mut self) {
        let seed = self.seed;
        if self.acknowledged == 0 {
            // A store that was never made whole is made anew.
            self.secret = None;
        }
        let store = self.open(1 << 40).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection =
            Connection::open_with_flags_and_vfs(&self.path, flags, vfs::NAME).expect("a second connection");
        let held = check::whole(&store, &connection, seed, self.acknowledged, &mut self.promises);
        drop(connection);
        self.tally.kept += held - self.acknowledged;
        self.acknowledged = held;
        if self.random.chance(30) {
            let mut script = Script::new(seed, store.secret());
            (0..held).for_each(|_| drop(script.call()));
            for _ in 0..2 {
                store.commit(&script.call().0).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
                self.acknowledged += 1;
                self.promises.settle();
            }
            same_state(&store, script.model(), &format!("seed {seed}, after going on"));
        }
        if self.random.chance(50) {
            // The process dies, the disk keeps what it may lose.
            self.disk.cut();
            drop(store);
            self.disk.power_on();
        }
    }
}
