//! Folds the write-ahead log back into the file, away from the writer.
//!
//! Only a log that is folded back wholly begins anew at its start. Under steady writing that never happens by
//! itself: while the log is copied, the writer appends. So when the log has grown long, the writer copies the
//! rest after its next commit, which is short after the first copy.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tongmai_store::Result;

use crate::{connect, lock};

/// The log is folded back after so many rows …
pub(crate) const FOLD_ROWS: u64 = 60_000;
/// … or when rows have waited for so long.
const FOLD_AFTER: Duration = Duration::from_secs(2);
/// A log with a page (of 4 KiB) for so few of these rows is folded back by the writer: 60 MB.
const ROWS_A_PAGE: u64 = 4;

#[derive(Default)]
struct Signal {
    rows: u64,
    stop: bool,
}

/// The thread that folds the log back.
pub(crate) struct Checkpointer {
    fold_rows: u64,
    signal: Arc<(Mutex<Signal>, Condvar)>,
    log_is_long: Arc<AtomicBool>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Checkpointer {
    pub(crate) fn start(path: &Path, vfs: Option<&str>, fold_rows: u64) -> Result<Checkpointer> {
        let connection = connect(path, vfs, false)?;
        let signal = Arc::new((Mutex::new(Signal::default()), Condvar::new()));
        let shared = signal.clone();
        let log_is_long = Arc::new(AtomicBool::new(false));
        let is_long = log_is_long.clone();
        let long_log = (fold_rows / ROWS_A_PAGE) as i64;
        let thread = std::thread::Builder::new()
            .name("checkpoint".into())
            .spawn(move || {
                loop {
                    let mut state = lock(&shared.0);
                    while state.rows == 0 && !state.stop {
                        state = shared.1.wait(state).unwrap_or_else(PoisonError::into_inner);
                    }
                    let until = Instant::now() + FOLD_AFTER;
                    while state.rows < fold_rows && !state.stop && Instant::now() < until {
                        let left = until.saturating_duration_since(Instant::now());
                        state = shared.1.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
                    }
                    if state.stop {
                        return;
                    }
                    state.rows = 0;
                    drop(state);
                    if fold(&connection) > long_log {
                        is_long.store(true, Ordering::Relaxed);
                    }
                }
            })
            .map_err(|e| tongmai_store::StoreError(format!("cannot start a thread: {e}")))?;
        Ok(Checkpointer { fold_rows, signal, log_is_long, thread: Mutex::new(Some(thread)) })
    }

    /// Called by the writer after a commit.
    pub(crate) fn fold_long_log(&self, writer: &Connection) {
        if self.log_is_long.swap(false, Ordering::Relaxed) {
            fold(writer);
        }
    }

    /// So many rows were written.
    pub(crate) fn wrote(&self, rows: u64) {
        let mut state = lock(&self.signal.0);
        let before = state.rows;
        state.rows += rows;
        if before == 0 || (before < self.fold_rows && state.rows >= self.fold_rows) {
            self.signal.1.notify_one();
        }
    }

    pub(crate) fn stop(&self) {
        lock(&self.signal.0).stop = true;
        self.signal.1.notify_one();
        if let Some(thread) = lock(&self.thread).take() {
            let _ = thread.join();
        }
    }
}

/// Copies what no reader needs from the log to the file; returns how many pages the log has.
fn fold(connection: &Connection) -> i64 {
    // A failure shows again, and louder, at the next commit.
    connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| row.get(1)).unwrap_or(0)
}
