//! The store on PostgreSQL 15 and later.
//!
//! The tables are those of `tongmai_store`, with the shard leading every key.
//! Any number of servers may open the same database: appends of a shard are
//! serialised there, each commit is one transaction, and a snapshot is a
//! read-only transaction at repeatable read.
//!
//! The interface is synchronous. A store has a small runtime of its own for its
//! connections; a thread of another one that calls it waits as long as the database takes.

mod commit;
mod given;
mod plan;
mod pool;
mod schema;
mod snapshot;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tongmai_store::{
    Committed, RecordKey, Rejection, ResourceKey, Result, Seq, Snapshot, Store, StoreError, Transaction,
};

use commit::Ending;
use given::Given;
use pool::{Background, Connection, Pool};
pub use schema::FORMAT_VERSION;
use snapshot::{PostgresSnapshot, integer};

/// How long a commit whose connection broke asks the server whether it is durable.
const DOUBT: Duration = Duration::from_secs(30);
/// Superseded rows that are dropped at once, while appends wait.
const FORGET_ROWS: i64 = 10_000;

/// One shard of the ledger in a PostgreSQL database.
pub struct PostgresStore {
    runtime: Background,
    pool: Arc<Pool>,
    shard: i32,
    secret: [u8; 32],
    given: Given,
}

impl PostgresStore {
    /// Opens a shard in the database at a `postgres://` address, making the tables if there are none.
    pub fn open(url: &str, shard: u32) -> Result<PostgresStore> {
        let config = url.parse().map_err(|error| StoreError(format!("the address of the store: {error}")))?;
        let shard = i32::try_from(shard).map_err(|_| StoreError(format!("no shard has number {shard}")))?;
        let runtime = Background::start()?;
        let pool = Arc::new(Pool::new(config));
        let mut connection = pool.take(&runtime)?;
        let secret = runtime.block_on(schema::prepare(&mut connection))?;
        pool.give(connection);
        Ok(PostgresStore { runtime, pool, shard, secret, given: Given::default() })
    }

    /// Runs something on a connection. One that failed may be in the middle of something, and goes.
    fn on_connection<T>(&self, work: impl AsyncFnOnce(&mut Connection) -> Result<T>) -> Result<T> {
        let mut connection = self.pool.take(&self.runtime)?;
        let result = self.runtime.block_on(work(&mut connection));
        match result.is_ok() {
            true => self.pool.give(connection),
            false => self.pool.drop_one(),
        }
        result
    }

    /// Finds out how a commit ended whose connection broke.
    fn resolve(
        &self,
        outcomes: Vec<std::result::Result<Committed, Rejection>>,
        position: Seq,
        head: [u8; 32],
        error: StoreError,
    ) -> Result<Vec<std::result::Result<Committed, Rejection>>> {
        let begin = Instant::now();
        loop {
            let durable = self.on_connection(async |connection| {
                commit::is_durable(connection, self.shard, position, &head).await
            });
            match durable {
                Ok(true) => return Ok(outcomes),
                Ok(false) => return Err(error),
                Err(_) if begin.elapsed() < DOUBT => std::thread::sleep(Duration::from_millis(50)),
                Err(_) => return Err(StoreError(format!("{error}; whether it is durable is not known"))),
            }
        }
    }
}

impl Store for PostgresStore {
    fn snapshot(&self) -> Result<Box<dyn Snapshot + '_>> {
        Ok(Box::new(PostgresSnapshot::begin(self)?))
    }

    fn commit(&self, transactions: &[Transaction]) -> Result<Vec<std::result::Result<Committed, Rejection>>> {
        let pending = self.given.pending();
        let ending = self.on_connection(async |connection| {
            commit::commit(connection, self.shard, &self.secret, &self.given, &pending, transactions).await
        })?;
        let outcomes = match ending {
            Ending::Committed(outcomes) => outcomes,
            Ending::InDoubt { outcomes, position, head, error } => {
                self.resolve(outcomes, position, head, error)?
            }
        };
        self.given.settle(&pending);
        Ok(outcomes)
    }

    fn symbol(&self, text: &str) -> Result<u32> {
        if let Some(symbol) = self.find_symbol(text)? {
            return Ok(symbol);
        }
        let symbol = self.on_connection(async |connection| given::give_symbol(connection, text).await)?;
        self.given.remember_symbol(text, symbol, true);
        Ok(symbol)
    }

    fn find_symbol(&self, text: &str) -> Result<Option<u32>> {
        if let Some(symbol) = self.given.symbol(text) {
            return Ok(Some(symbol));
        }
        let found = self.on_connection(async |connection| given::find_symbol(connection, text).await)?;
        if let Some(symbol) = found {
            self.given.remember_symbol(text, symbol, false);
        }
        Ok(found)
    }

    fn symbol_text(&self, symbol: u32) -> Result<Option<String>> {
        if let Some(text) = self.given.text(symbol) {
            return Ok(Some(text));
        }
        let found = self.on_connection(async |connection| given::symbol_text(connection, symbol).await)?;
        if let Some(text) = &found {
            self.given.remember_symbol(text, symbol, false);
        }
        Ok(found)
    }

    fn reserve_record_key(&self, patient: ResourceKey) -> Result<RecordKey> {
        if let Some(record_key) = self.given.record_key(patient) {
            return Ok(record_key);
        }
        let (record_key, new) =
            self.on_connection(async |connection| given::reserve(connection, self.shard, patient).await)?;
        if new {
            self.given.remember_record_key(patient, record_key);
        }
        Ok(record_key)
    }

    fn forget_superseded(&self, position: Seq) -> Result<u64> {
        let mut forgotten = 0;
        for table in ["search_old", "search_text_old", "record_old"] {
            let sql = format!(
                "DELETE FROM {table} WHERE ctid = ANY(ARRAY(SELECT ctid FROM {table} \
                 WHERE shard = $1 AND until <= $2 LIMIT $3)) AND shard = $1 RETURNING 1"
            );
            loop {
                // Under the lock of appends, so that no purge waits for rows that wait for it.
                let rows = self.on_connection(async |connection| {
                    commit::lock(connection, self.shard).await?;
                    let rows =
                        connection.query(&sql, &[&self.shard, &integer(position), &FORGET_ROWS]).await?;
                    connection.run("COMMIT").await?;
                    Ok(rows.len() as i64)
                })?;
                forgotten += rows as u64;
                if rows < FORGET_ROWS {
                    break;
                }
            }
        }
        Ok(forgotten)
    }

    fn forget_rows_of(&self, seqs: &[Seq]) -> Result<u64> {
        let seqs: Vec<i64> = seqs.iter().map(|seq| integer(*seq)).collect();
        self.on_connection(async |connection| {
            commit::lock(connection, self.shard).await?;
            let mut forgotten = 0;
            for table in schema::INDEXES {
                let sql = format!("DELETE FROM {table} WHERE shard = $1 AND seq = ANY($2) RETURNING 1");
                forgotten += connection.query(&sql, &[&self.shard, &seqs]).await?.len() as u64;
            }
            connection.run("COMMIT").await?;
            Ok(forgotten)
        })
    }

    fn leave_no_trace(&self) -> Result<()> {
        self.on_connection(async |connection| {
            for table in schema::TABLES {
                connection.run(&format!("VACUUM FULL {table}")).await?;
            }
            Ok(())
        })?;
        // Beyond the rights of many roles. Without it the files of before go at the next checkpoint; segments of
        // the write-ahead log go then too, where the server does not use them again (wal_recycle = off).
        for statement in ["SELECT pg_switch_wal()", "CHECKPOINT"] {
            let _ = self.on_connection(async |connection| connection.run(statement).await);
        }
        Ok(())
    }

    fn secret(&self) -> [u8; 32] {
        self.secret
    }

    fn size(&self) -> Result<Vec<(String, u64)>> {
        let sql = "SELECT pg_total_relation_size(('tongmai.' || name)::regclass) \
                   FROM unnest($1::text[]) WITH ORDINALITY AS asked (name, n) ORDER BY n";
        let tables = schema::TABLES;
        let rows = self.on_connection(async |connection| connection.query(sql, &[&&tables[..]]).await)?;
        let bytes = rows.iter().map(|row| row.get::<_, i64>(0) as u64);
        let mut sizes = vec![("total".to_owned(), bytes.clone().sum())];
        sizes.extend(tables.iter().map(|table| (*table).to_owned()).zip(bytes));
        Ok(sizes)
    }

    fn backup(&self, _: &Path, _: &mut dyn FnMut(u64, u64)) -> Result<()> {
        Err(StoreError(
            "a database is backed up with PostgreSQL's own tools: pg_basebackup for the cluster, or \
             pg_dump --schema=tongmai for this store"
                .to_owned(),
        ))
    }
}
