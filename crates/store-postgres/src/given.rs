//! Record keys and symbols: given out at once, durable with the next commit.
//!
//! They are committed without waiting for the disk. A commit that waits, which
//! every append does, writes them through as well, being later in the same
//! log. Only if the server crashed in between are they lost, so each commit
//! first makes sure of those given out since the last one.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tongmai_store::{RecordKey, ResourceKey, Result, StoreError};

use crate::pool::Connection;
use crate::schema::{COMMON_LOCK, LOCK};
use crate::snapshot::integer;

/// The first number of the locks under which record keys are given out: not those of appends, which
/// are held while a commit waits for the disk.
const RECORD_LOCK: i32 = LOCK + 1;

/// What was given out and is not known to be durable.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pending {
    records: BTreeMap<ResourceKey, RecordKey>,
    symbols: BTreeMap<Arc<str>, u32>,
}

/// What one store has given out.
#[derive(Default)]
pub(crate) struct Given(Mutex<State>);

#[derive(Default)]
struct State {
    pending: Pending,
    /// All symbols that were asked for: there are as many as code systems and actors.
    by_text: HashMap<Arc<str>, u32>,
    by_id: HashMap<u32, Arc<str>>,
}

impl Given {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn pending(&self) -> Pending {
        self.state().pending.clone()
    }

    /// These are durable now.
    pub(crate) fn settle(&self, durable: &Pending) {
        let pending = &mut self.state().pending;
        pending.records.retain(|key, _| !durable.records.contains_key(key));
        pending.symbols.retain(|text, _| !durable.symbols.contains_key(text));
    }

    pub(crate) fn symbol(&self, text: &str) -> Option<u32> {
        self.state().by_text.get(text).copied()
    }

    pub(crate) fn text(&self, symbol: u32) -> Option<String> {
        self.state().by_id.get(&symbol).map(|text| text.to_string())
    }

    pub(crate) fn record_key(&self, patient: ResourceKey) -> Option<RecordKey> {
        self.state().pending.records.get(&patient).copied()
    }

    pub(crate) fn remember_symbol(&self, text: &str, symbol: u32, new: bool) {
        let (text, mut state): (Arc<str>, _) = (text.into(), self.state());
        if new {
            state.pending.symbols.insert(text.clone(), symbol);
        }
        state.by_text.insert(text.clone(), symbol);
        state.by_id.insert(symbol, text);
    }

    pub(crate) fn remember_record_key(&self, patient: ResourceKey, record_key: RecordKey) {
        self.state().pending.records.insert(patient, record_key);
    }

    /// Forgets everything, after the server lost some of it and gave it to others.
    pub(crate) fn forget(&self) {
        *self.state() = State::default();
    }
}

impl Pending {
    /// Makes sure, within a commit, that all of it is stored. `false` when something was lost in a
    /// crash and given to another since.
    pub(crate) async fn write(&self, connection: &mut Connection, shard: i32) -> Result<bool> {
        let mut kept = true;
        if !self.records.is_empty() {
            let keys: Vec<i64> = self.records.keys().map(|key| key.0).collect();
            let records: Vec<i64> = self.records.values().map(|record_key| integer(record_key.0)).collect();
            let sql = "INSERT INTO patient (shard, key, record_key) SELECT $1, * \
                       FROM unnest($2::int8[], $3::int8[]) ON CONFLICT DO NOTHING";
            connection.query(sql, &[&shard, &keys, &records]).await?;
            let sql = "SELECT count(*) FROM unnest($2::int8[], $3::int8[]) AS given (key, record_key) \
                       JOIN patient USING (key, record_key) WHERE shard = $1";
            let found: i64 = connection.one(sql, &[&shard, &keys, &records]).await?.get(0);
            kept &= found as usize == keys.len();
        }
        if !self.symbols.is_empty() {
            let ids: Vec<i64> = self.symbols.values().map(|symbol| i64::from(*symbol)).collect();
            let texts: Vec<&[u8]> = self.symbols.keys().map(|text| text.as_bytes()).collect();
            let sql = "INSERT INTO symbol (id, text) SELECT * FROM unnest($1::int8[], $2::bytea[]) \
                       ON CONFLICT DO NOTHING";
            connection.query(sql, &[&ids, &texts]).await?;
            let sql = "SELECT count(*) FROM unnest($1::int8[], $2::bytea[]) AS given (id, text) \
                       JOIN symbol USING (id, text)";
            let found: i64 = connection.one(sql, &[&ids, &texts]).await?.get(0);
            kept &= found as usize == ids.len();
        }
        Ok(kept)
    }
}

/// Begins a short transaction that does not wait for the disk, under a lock.
async fn begin(connection: &mut Connection, lock: i32, shard: i32) -> Result<()> {
    let begin = "BEGIN; SET LOCAL synchronous_commit TO off";
    connection.query_after(begin, "SELECT pg_advisory_xact_lock($1, $2)", &[&lock, &shard]).await?;
    Ok(())
}

/// The record key of a patient, and whether it is a new one.
pub(crate) async fn reserve(
    connection: &mut Connection,
    shard: i32,
    patient: ResourceKey,
) -> Result<(RecordKey, bool)> {
    let find = "SELECT record_key FROM patient WHERE shard = $1 AND key = $2";
    if let Some(row) = connection.query(find, &[&shard, &patient.0]).await?.first() {
        return Ok((RecordKey(row.get::<_, i64>(0) as u64), false));
    }
    begin(connection, RECORD_LOCK, shard).await?;
    let insert = "INSERT INTO patient (shard, key, record_key) \
                  SELECT $1, $2, coalesce(max(record_key), 0) + 1 FROM patient WHERE shard = $1 \
                  ON CONFLICT (shard, key) DO NOTHING";
    connection.query(insert, &[&shard, &patient.0]).await?;
    let record_key: i64 = connection.one(find, &[&shard, &patient.0]).await?.get(0);
    connection.run("COMMIT").await?;
    Ok((RecordKey(record_key as u64), true))
}

/// The symbol of a text, if it has one.
pub(crate) async fn find_symbol(connection: &mut Connection, text: &str) -> Result<Option<u32>> {
    let sql = "SELECT id FROM symbol WHERE sha256(text) = sha256($1) AND text = $1";
    let rows = connection.query(sql, &[&text.as_bytes()]).await?;
    Ok(rows.first().map(|row| row.get::<_, i64>(0) as u32))
}

/// The text of a symbol.
pub(crate) async fn symbol_text(connection: &mut Connection, symbol: u32) -> Result<Option<String>> {
    let rows = connection.query("SELECT text FROM symbol WHERE id = $1", &[&i64::from(symbol)]).await?;
    let text = |row: &tokio_postgres::Row| String::from_utf8(row.get(0));
    rows.first().map(text).transpose().map_err(|_| StoreError(format!("symbol {symbol} is damaged")))
}

/// Gives a text a symbol, unless another has done so meanwhile.
pub(crate) async fn give_symbol(connection: &mut Connection, text: &str) -> Result<u32> {
    begin(connection, LOCK, COMMON_LOCK).await?;
    let sql = "INSERT INTO symbol (id, text) SELECT coalesce(max(id), 0) + 1, $1 FROM symbol \
               ON CONFLICT (sha256(text)) DO NOTHING";
    connection.query(sql, &[&text.as_bytes()]).await?;
    let symbol = find_symbol(connection, text).await?;
    connection.run("COMMIT").await?;
    symbol.ok_or_else(|| StoreError("a symbol is missing that was just given".to_owned()))
}
