//! The reading connections, between reads.
//!
//! To begin a reading transaction costs two locks of the file and a look for the last position. So a
//! reader that comes back keeps its transaction open as long as nothing was committed since: the next
//! read sees the same state anyway. A commit closes all that are kept, and no state is kept over one.

use std::sync::Mutex;

use rusqlite::Connection;
use tongmai_store::{Result, Seq};

use crate::schema::error;
use crate::{SqliteStore, connect, lock};

/// A reading connection.
pub(crate) struct Reader {
    connection: Connection,
    /// The open transaction, when there is one.
    state: Option<State>,
}

#[derive(Clone, Copy)]
struct State {
    /// How many commits there had been, at least.
    commits: u64,
    position: Seq,
}

impl Reader {
    pub(crate) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// The last position of the state that it looks at.
    pub(crate) fn position(&self) -> Seq {
        self.state.map_or(0, |state| state.position)
    }

    fn begin(&mut self, commits: u64) -> Result<()> {
        let failed = error("beginning to read");
        self.run("BEGIN").map_err(failed)?;
        // The first read fixes the state.
        let position = self
            .connection
            .prepare_cached("SELECT max(seq) FROM event")
            .and_then(|mut s| s.query_row([], |row| row.get::<_, Option<i64>>(0)))
            .map_err(error("beginning to read"))?
            .unwrap_or(0) as Seq;
        self.state = Some(State { commits, position });
        Ok(())
    }

    /// Closes the open transaction; `None` when the connection is of no more use.
    fn freed(mut self) -> Option<Reader> {
        if self.state.take().is_some() {
            self.run("COMMIT").ok()?;
        }
        Some(self)
    }

    fn run(&self, sql: &str) -> rusqlite::Result<()> {
        self.connection.prepare_cached(sql)?.execute([]).map(drop)
    }
}

/// The readers that nobody uses just now.
#[derive(Default)]
pub(crate) struct Readers(Mutex<Idle>);

#[derive(Default)]
struct Idle {
    commits: u64,
    readers: Vec<Reader>,
}

impl Readers {
    fn take(&self, store: &SqliteStore) -> Result<(Reader, u64)> {
        let mut idle = lock(&self.0);
        let commits = idle.commits;
        if let Some(reader) = idle.readers.pop() {
            return Ok((reader, commits));
        }
        drop(idle);
        let connection = connect(&store.path, store.vfs.as_deref(), true)?;
        Ok((Reader { connection, state: None }, commits))
    }

    /// A reader within a transaction that sees all that was committed.
    pub(crate) fn at_now(&self, store: &SqliteStore) -> Result<Reader> {
        let (mut reader, commits) = self.take(store)?;
        if reader.state.is_none() {
            reader.begin(commits)?;
        }
        Ok(reader)
    }

    /// A reader without a transaction: every statement sees what is committed then.
    pub(crate) fn free(&self, store: &SqliteStore) -> Result<Reader> {
        match self.take(store)?.0.freed() {
            Some(reader) => Ok(reader),
            None => {
                let connection = connect(&store.path, store.vfs.as_deref(), true)?;
                Ok(Reader { connection, state: None })
            }
        }
    }

    /// Takes a reader back, with its transaction when that still shows what is committed.
    pub(crate) fn give_back(&self, reader: Reader) {
        let mut idle = lock(&self.0);
        if reader.state.is_none_or(|state| state.commits == idle.commits) {
            return idle.readers.push(reader);
        }
        drop(idle);
        if let Some(reader) = reader.freed() {
            lock(&self.0).readers.push(reader);
        }
    }

    /// Closes the transactions that are kept; `committed` when something was.
    pub(crate) fn let_go(&self, committed: bool) {
        let mut idle = lock(&self.0);
        idle.commits += u64::from(committed);
        let readers = std::mem::take(&mut idle.readers);
        idle.readers.extend(readers.into_iter().filter_map(Reader::freed));
    }

    /// Closes all connections that nobody uses.
    pub(crate) fn close(&self) {
        lock(&self.0).readers.clear();
    }
}
