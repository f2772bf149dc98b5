//! The tables on SQLite.
//!
//! One file is one shard, so the `shard` column of the logical schema is the
//! file itself: it would cost a byte in each of a dozen index rows a resource.
//! Index tables are `WITHOUT ROWID` (the row is the key); events are a rowid
//! table, because bodies would push the keys of a `WITHOUT ROWID` tree out of
//! its inner pages.

use rusqlite::Connection;
use tongmai_store::{Result, StoreError};

/// Written into `PRAGMA user_version`; a release opens the last one's.
pub const FORMAT_VERSION: i64 = 1;
/// `PRAGMA application_id`: "TngM".
const APPLICATION_ID: i64 = 0x546e_674d;

/// Tables whose rows point at versions.
pub(crate) const INDEXES: [&str; 6] =
    ["search", "search_old", "search_text", "search_text_old", "record", "record_old"];

const TABLES: &str = "
CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE event (
  seq INTEGER PRIMARY KEY, kind INTEGER NOT NULL, type INTEGER NOT NULL, key INTEGER NOT NULL,
  version INTEGER NOT NULL, record_key INTEGER NOT NULL, label INTEGER NOT NULL,
  time INTEGER NOT NULL, actor INTEGER NOT NULL, purpose INTEGER NOT NULL,
  previous INTEGER NOT NULL, lineage BLOB, body BLOB, commitment BLOB);
CREATE TABLE resource (
  key INTEGER PRIMARY KEY, seq INTEGER NOT NULL, version INTEGER NOT NULL,
  record_key INTEGER NOT NULL, state INTEGER NOT NULL);
CREATE TABLE past (type INTEGER NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (type, seq)) WITHOUT ROWID;
CREATE TABLE search (
  slot INTEGER NOT NULL, value INTEGER NOT NULL, seq INTEGER NOT NULL, extra INTEGER NOT NULL,
  record_key INTEGER NOT NULL, label INTEGER NOT NULL,
  PRIMARY KEY (slot, value, seq, extra)) WITHOUT ROWID;
CREATE TABLE search_old (
  slot INTEGER NOT NULL, value INTEGER NOT NULL, seq INTEGER NOT NULL, extra INTEGER NOT NULL,
  until INTEGER NOT NULL, record_key INTEGER NOT NULL, label INTEGER NOT NULL,
  PRIMARY KEY (slot, value, seq, extra, until)) WITHOUT ROWID;
CREATE TABLE search_text (
  slot INTEGER NOT NULL, text TEXT NOT NULL, seq INTEGER NOT NULL,
  record_key INTEGER NOT NULL, label INTEGER NOT NULL,
  PRIMARY KEY (slot, text, seq)) WITHOUT ROWID;
CREATE TABLE search_text_old (
  slot INTEGER NOT NULL, text TEXT NOT NULL, seq INTEGER NOT NULL, until INTEGER NOT NULL,
  record_key INTEGER NOT NULL, label INTEGER NOT NULL,
  PRIMARY KEY (slot, text, seq, until)) WITHOUT ROWID;
CREATE TABLE record (
  record_key INTEGER NOT NULL, type INTEGER NOT NULL, code INTEGER NOT NULL, date INTEGER NOT NULL,
  seq INTEGER NOT NULL, label INTEGER NOT NULL,
  PRIMARY KEY (record_key, type, code, date, seq)) WITHOUT ROWID;
CREATE TABLE record_old (
  record_key INTEGER NOT NULL, type INTEGER NOT NULL, code INTEGER NOT NULL, date INTEGER NOT NULL,
  seq INTEGER NOT NULL, until INTEGER NOT NULL, label INTEGER NOT NULL,
  PRIMARY KEY (record_key, type, code, date, seq, until)) WITHOUT ROWID;
CREATE TABLE patient (key INTEGER PRIMARY KEY, record_key INTEGER NOT NULL);
CREATE TABLE patient_key (record_key INTEGER PRIMARY KEY, key INTEGER NOT NULL);
CREATE TABLE directory (source_key INTEGER PRIMARY KEY, key INTEGER NOT NULL);
CREATE TABLE symbol (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);
CREATE TABLE chain (seq INTEGER PRIMARY KEY, head BLOB NOT NULL);
";

pub(crate) fn error(context: &str) -> impl FnOnce(rusqlite::Error) -> StoreError + '_ {
    move |e| StoreError(format!("{context}: {e}"))
}

/// Whether the file is a store already; a new, empty file is not yet.
///
/// # Errors
/// The file is a database of something else, or a store that a later release wrote. It only reads.
pub(crate) fn recognise(connection: &Connection) -> Result<bool> {
    let number = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let version = number("user_version").map_err(error("reading the format version"))?;
    let application = number("application_id").map_err(error("reading the format version"))?;
    if application == APPLICATION_ID {
        return match version {
            FORMAT_VERSION => Ok(true),
            _ => Err(StoreError(format!(
                "the store has format {version}, this release reads format {FORMAT_VERSION}: use a newer release"
            ))),
        };
    }
    let tables: i64 = connection
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .map_err(error("reading the schema"))?;
    if tables != 0 || version != 0 || application != 0 {
        return Err(StoreError("the file is a database of something else: name another file".into()));
    }
    Ok(false)
}

/// Makes the tables of a new file.
pub(crate) fn prepare(connection: &Connection, secret: impl FnOnce() -> Result<[u8; 32]>) -> Result<()> {
    if recognise(connection)? {
        return Ok(());
    }
    connection
        .execute_batch(&format!("BEGIN IMMEDIATE; {TABLES} PRAGMA application_id = {APPLICATION_ID};"))
        .map_err(error("making the tables"))?;
    let secret = secret()?;
    connection
        .execute("INSERT INTO meta VALUES ('secret', ?1)", [&secret[..]])
        .map_err(error("making the tables"))?;
    connection
        .execute_batch(&format!("PRAGMA user_version = {FORMAT_VERSION}; COMMIT;"))
        .map_err(error("making the tables"))
}
