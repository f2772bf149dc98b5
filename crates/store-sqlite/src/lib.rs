//! The embedded store: SQLite with a write-ahead log.
//!
//! One connection writes; each snapshot borrows a reading connection from a
//! pool. A commit is durable when it returns (`synchronous = FULL`). The
//! write-ahead log is folded back into the file by a thread of its own, so that
//! no writer waits for it.

mod checkpoint;
mod commit;
mod readers;
mod schema;
mod snapshot;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, OptionalExtension};
use tongmai_store::{
    Committed, Event, RecordKey, Rejection, ResourceKey, Result, Seq, Snapshot, Store, StoreError,
    Transaction,
};

use checkpoint::Checkpointer;
use readers::Readers;
pub use schema::FORMAT_VERSION;
use schema::error;

/// Memory that the writer may use for pages, in KiB.
const WRITER_CACHE_KIB: i64 = 24 * 1024;
/// Memory that each reader may use for pages, in KiB; most pages come from the mapped file.
const READER_CACHE_KIB: i64 = 2 * 1024;
/// How much of the file readers map.
const MAPPED_BYTES: i64 = 64 << 30;

/// A store in one SQLite file.
pub struct SqliteStore {
    path: PathBuf,
    vfs: Option<String>,
    secret: [u8; 32],
    writer: Mutex<Connection>,
    readers: Readers,
    given: Mutex<Given>,
    symbols: RwLock<Symbols>,
    checkpointer: Checkpointer,
}

/// Record keys given out and not yet committed.
#[derive(Default)]
pub(crate) struct Given {
    next_record_key: u64,
    pending: HashMap<ResourceKey, RecordKey>,
}

/// Interned texts, all in memory: there are as many as code systems and actors.
#[derive(Default)]
pub(crate) struct Symbols {
    by_text: HashMap<Arc<str>, u32>,
    by_id: Vec<Arc<str>>,
    /// How many are committed; those behind are pending.
    committed: usize,
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl SqliteStore {
    /// Opens the store in `path`, making it if there is none.
    pub fn open(path: &Path) -> Result<SqliteStore> {
        SqliteStore::open_on(path, None, checkpoint::FOLD_ROWS)
    }

    /// Opens the store on a registered SQLite file system and folds the log back after so many rows: for tests
    /// that inject faults.
    pub fn open_on(path: &Path, vfs: Option<&str>, fold_rows: u64) -> Result<SqliteStore> {
        let connection = open(path, vfs, false)?;
        // A file of somebody else must stay as it is: neither settings nor the fold at closing may change it.
        let keep_log = DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE;
        connection.set_db_config(keep_log, true).map_err(error("opening the store"))?;
        schema::recognise(&connection)?;
        connection.set_db_config(keep_log, false).map_err(error("opening the store"))?;
        configure(&connection, vfs, false)?;
        schema::prepare(&connection, || {
            let mut secret = [0; 32];
            getrandom::fill(&mut secret).map_err(|e| StoreError(format!("no randomness: {e}")))?;
            Ok(secret)
        })?;
        let secret: Vec<u8> = connection
            .query_row("SELECT value FROM meta WHERE name = 'secret'", [], |row| row.get(0))
            .map_err(error("reading the secret"))?;
        let secret =
            secret.try_into().map_err(|_| StoreError("the secret of the store is damaged".into()))?;
        let next_record_key: u64 = connection
            .query_row("SELECT coalesce(max(record_key), 0) + 1 FROM patient_key", [], |row| {
                row.get::<_, i64>(0)
            })
            .map_err(error("reading record keys"))? as u64;
        let symbols = load_symbols(&connection)?;
        let checkpointer = Checkpointer::start(path, vfs, fold_rows)?;
        Ok(SqliteStore {
            path: path.to_owned(),
            vfs: vfs.map(str::to_owned),
            secret,
            writer: Mutex::new(connection),
            readers: Readers::default(),
            given: Mutex::new(Given { next_record_key, pending: HashMap::new() }),
            symbols: RwLock::new(symbols),
            checkpointer,
        })
    }

    /// Gives the space of what was erased and dropped back to the machine: the file is written anew without
    /// it. Takes about as long as a copy, and nobody writes meanwhile. Returns the bytes that were given back.
    pub fn give_back(&self) -> Result<u64> {
        let length = || {
            let length = std::fs::metadata(&self.path).map(|file| file.len());
            length.map_err(|e| StoreError(format!("cannot read {}: {e}", self.path.display())))
        };
        let writer = lock(&self.writer);
        let fold = || {
            let busy = writer.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, bool>(0));
            match busy.map_err(error("folding the log"))? {
                false => Ok(()),
                true => {
                    Err(StoreError("somebody reads the log of the store: try again when nobody does".into()))
                }
            }
        };
        fold()?;
        let before = length()?;
        writer.execute_batch("VACUUM").map_err(error("giving space back"))?;
        fold()?;
        Ok(before.saturating_sub(length()?))
    }
}

/// A connection to a file that is known to be a store.
pub(crate) fn connect(path: &Path, vfs: Option<&str>, reader: bool) -> Result<Connection> {
    let connection = open(path, vfs, reader)?;
    configure(&connection, vfs, reader)?;
    Ok(connection)
}

fn open(path: &Path, vfs: Option<&str>, reader: bool) -> Result<Connection> {
    let mut flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    if !reader {
        flags |= OpenFlags::SQLITE_OPEN_CREATE;
    }
    let connection = match vfs {
        Some(name) => Connection::open_with_flags_and_vfs(path, flags, name),
        None => Connection::open_with_flags(path, flags),
    }
    .map_err(|e| StoreError(format!("cannot open the store {}: {e}", path.display())))?;
    connection.busy_timeout(Duration::from_secs(10)).map_err(error("opening the store"))?;
    Ok(connection)
}

fn configure(connection: &Connection, vfs: Option<&str>, reader: bool) -> Result<()> {
    let mut settings =
        String::from("PRAGMA page_size = 4096; PRAGMA journal_mode = WAL; PRAGMA temp_store = MEMORY;");
    if reader {
        settings += &format!("PRAGMA query_only = ON; PRAGMA cache_size = -{READER_CACHE_KIB};");
        if vfs.is_none() {
            settings += &format!("PRAGMA mmap_size = {MAPPED_BYTES};");
        }
    } else {
        settings += "PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0; PRAGMA secure_delete = ON;";
        settings += &format!("PRAGMA cache_size = -{WRITER_CACHE_KIB};");
    }
    connection.execute_batch(&settings).map_err(error("opening the store"))?;
    // A plan must not hang on a bound value: SQLite would compile such a statement anew for every execution.
    connection
        .set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)
        .map_err(error("opening the store"))?;
    connection.set_prepared_statement_cache_capacity(96);
    Ok(())
}

fn load_symbols(connection: &Connection) -> Result<Symbols> {
    let mut symbols = Symbols::default();
    let mut statement =
        connection.prepare("SELECT text FROM symbol ORDER BY id").map_err(error("reading symbols"))?;
    let texts = statement.query_map([], |row| row.get::<_, String>(0)).map_err(error("reading symbols"))?;
    for text in texts {
        symbols.add(text.map_err(error("reading symbols"))?.into());
    }
    symbols.committed = symbols.by_id.len();
    Ok(symbols)
}

impl Symbols {
    fn add(&mut self, text: Arc<str>) -> u32 {
        self.by_id.push(text.clone());
        let id = self.by_id.len() as u32;
        self.by_text.insert(text, id);
        id
    }
}

impl Store for SqliteStore {
    fn snapshot(&self) -> Result<Box<dyn Snapshot + '_>> {
        Ok(Box::new(snapshot::SqliteSnapshot::begin(self)?))
    }

    fn newest_event(&self, key: ResourceKey) -> Result<Option<Event>> {
        let reader = self.readers.at_now(self)?;
        let event = snapshot::newest_event(reader.connection(), key)?;
        self.readers.give_back(reader);
        Ok(event)
    }

    fn commit(&self, transactions: &[Transaction]) -> Result<Vec<std::result::Result<Committed, Rejection>>> {
        let writer = lock(&self.writer);
        // The log cannot begin anew below a reader that looks at it.
        self.readers.let_go(false);
        let committed = commit::commit(self, &writer, transactions);
        self.readers.let_go(true);
        let (answers, rows) = committed?;
        self.checkpointer.fold_long_log(&writer);
        drop(writer);
        self.checkpointer.wrote(rows);
        Ok(answers)
    }

    fn symbol(&self, text: &str) -> Result<u32> {
        if let Some(symbol) = self.find_symbol(text)? {
            return Ok(symbol);
        }
        let mut symbols = self.symbols.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(&symbol) = symbols.by_text.get(text) {
            return Ok(symbol);
        }
        Ok(symbols.add(text.into()))
    }

    fn find_symbol(&self, text: &str) -> Result<Option<u32>> {
        Ok(self.symbols.read().unwrap_or_else(PoisonError::into_inner).by_text.get(text).copied())
    }

    fn symbol_text(&self, symbol: u32) -> Result<Option<String>> {
        let symbols = self.symbols.read().unwrap_or_else(PoisonError::into_inner);
        Ok(symbols.by_id.get((symbol as usize).wrapping_sub(1)).map(|text| text.to_string()))
    }

    fn reserve_record_key(&self, patient: ResourceKey) -> Result<RecordKey> {
        // Looked up under the lock: two callers must not both find nothing and reserve twice.
        let mut given = lock(&self.given);
        if let Some(&record_key) = given.pending.get(&patient) {
            return Ok(record_key);
        }
        // Not in a state that a reader kept: what was committed a moment ago counts.
        let reader = self.readers.free(self)?;
        let found = reader
            .connection()
            .prepare_cached("SELECT record_key FROM patient WHERE key = ?1")
            .and_then(|mut s| s.query_row([patient.0], |row| row.get::<_, i64>(0)).optional())
            .map_err(error("reading a record key"));
        self.readers.give_back(reader);
        if let Some(record_key) = found? {
            return Ok(RecordKey(record_key as u64));
        }
        let record_key = RecordKey(given.next_record_key);
        given.next_record_key += 1;
        given.pending.insert(patient, record_key);
        Ok(record_key)
    }

    fn forget_superseded(&self, position: Seq) -> Result<u64> {
        let writer = lock(&self.writer);
        let mut forgotten = 0;
        for table in ["search_old", "search_text_old", "record_old"] {
            forgotten += writer
                .execute(&format!("DELETE FROM {table} WHERE until <= ?1"), [position as i64])
                .map_err(error("forgetting superseded rows"))? as u64;
        }
        self.readers.let_go(true);
        Ok(forgotten)
    }

    fn forget_rows_of(&self, seqs: &[Seq]) -> Result<u64> {
        let writer = lock(&self.writer);
        let run = || -> rusqlite::Result<u64> {
            let transaction = writer.unchecked_transaction()?;
            transaction.execute_batch("CREATE TEMP TABLE IF NOT EXISTS erased (seq INTEGER PRIMARY KEY)")?;
            {
                let mut insert = transaction.prepare("INSERT OR IGNORE INTO temp.erased VALUES (?1)")?;
                for &seq in seqs {
                    insert.execute([seq as i64])?;
                }
            }
            let mut forgotten = 0;
            for table in schema::INDEXES {
                let sql = format!("DELETE FROM {table} WHERE seq IN (SELECT seq FROM temp.erased)");
                forgotten += transaction.execute(&sql, [])? as u64;
            }
            transaction.execute_batch("DROP TABLE temp.erased")?;
            transaction.commit()?;
            Ok(forgotten)
        };
        let forgotten = run().map_err(error("forgetting erased rows"))?;
        self.readers.let_go(true);
        Ok(forgotten)
    }

    fn leave_no_trace(&self) -> Result<()> {
        self.readers.let_go(false);
        let given_back = self.give_back();
        self.readers.let_go(true);
        given_back.map(drop)
    }

    fn secret(&self) -> [u8; 32] {
        self.secret
    }

    fn size(&self) -> Result<Vec<(String, u64)>> {
        let reader = self.readers.free(self)?;
        let mut sizes = Vec::new();
        let pragma =
            |name: &str| reader.connection().pragma_query_value(None, name, |row| row.get::<_, i64>(0));
        let pages = pragma("page_count").map_err(error("reading the size"))?;
        let page_size = pragma("page_size").map_err(error("reading the size"))?;
        sizes.push(("total".to_owned(), (pages * page_size) as u64));
        self.readers.give_back(reader);
        Ok(sizes)
    }

    fn backup(&self, target: &Path, progress: &mut dyn FnMut(u64, u64)) -> Result<()> {
        if target.exists() {
            return Err(StoreError(format!("{} exists already: name a new file", target.display())));
        }
        let reader = self.readers.free(self)?;
        let mut copy = Connection::open(target).map_err(error("opening the backup"))?;
        {
            let backup = rusqlite::backup::Backup::new(reader.connection(), &mut copy)
                .map_err(error("beginning the backup"))?;
            loop {
                let step = backup.step(1024).map_err(error("copying pages"))?;
                let state = backup.progress();
                let total = state.pagecount.max(0) as u64;
                progress(total - state.remaining.max(0) as u64, total);
                match step {
                    rusqlite::backup::StepResult::Done => break,
                    rusqlite::backup::StepResult::More => {}
                    _ => std::thread::sleep(Duration::from_millis(5)),
                }
            }
        }
        self.readers.give_back(reader);
        copy.execute_batch("PRAGMA journal_mode = WAL;").map_err(error("closing the backup"))
    }
}

impl Drop for SqliteStore {
    fn drop(&mut self) {
        self.checkpointer.stop();
        self.readers.close();
        let writer = lock(&self.writer);
        // Best effort: what is not folded back now is read from the log at the next start.
        let _ = writer.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
    }
}
