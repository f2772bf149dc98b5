//! Commits a group of transactions in one database transaction.
//!
//! Appends of a shard are serialised by an advisory lock that is held until the
//! commit is visible. So positions become visible in their order, whichever of
//! several servers wrote them, and a reader of the feed never skips one.

use std::collections::{BTreeMap, HashMap};

use tokio_postgres::types::ToSql;
use tongmai_store::{
    Committed, Current, EventKind, Guard, RecordKey, Rejection, ResourceKey, Result, Seq, StoreError,
    Transaction, chain,
};

use crate::given::{Given, Pending};
use crate::plan::{Plan, Rows, Stored, TextKey};
use crate::pool::Connection;
use crate::schema::LOCK;
use crate::snapshot::integer;

type Outcomes = Vec<std::result::Result<Committed, Rejection>>;

/// How a commit ended.
pub(crate) enum Ending {
    /// It is durable.
    Committed(Outcomes),
    /// The connection broke while the server was committing: it is durable if the chain has this head.
    InDoubt { outcomes: Outcomes, position: Seq, head: chain::Hash, error: StoreError },
}

/// Takes the lock under which a shard is appended to, until the transaction ends.
pub(crate) async fn lock(connection: &mut Connection, shard: i32) -> Result<()> {
    connection.query_after("BEGIN", "SELECT pg_advisory_xact_lock($1, $2)", &[&LOCK, &shard]).await?;
    Ok(())
}

/// Applies `transactions`, and makes durable what was given out.
pub(crate) async fn commit(
    connection: &mut Connection,
    shard: i32,
    secret: &chain::Hash,
    given: &Given,
    pending: &Pending,
    transactions: &[Transaction],
) -> Result<Ending> {
    lock(connection, shard).await?;
    let stored = read(connection, shard, transactions).await?;
    let plan = Plan::new(&stored, secret, transactions);
    let position = plan.position(&stored);
    if !pending.write(connection, shard).await? {
        given.forget();
        let lost =
            "the database server crashed and has given record keys or symbols of this process to another";
        return Err(StoreError(lost.to_owned()));
    }
    if position > stored.position {
        Writer { connection, shard }.write(&plan, position).await?;
    }
    let Plan { outcomes, head, .. } = plan;
    match connection.run("COMMIT").await {
        Ok(()) => Ok(Ending::Committed(outcomes)),
        Err(error) if position > stored.position => Ok(Ending::InDoubt { outcomes, position, head, error }),
        Err(error) => Err(error),
    }
}

/// Is the head that a broken commit wrote in the chain? Asked under the lock, which the broken one
/// holds until it has ended one way or the other.
pub(crate) async fn is_durable(
    connection: &mut Connection,
    shard: i32,
    position: Seq,
    head: &chain::Hash,
) -> Result<bool> {
    lock(connection, shard).await?;
    let sql = "SELECT head FROM chain WHERE shard = $1 AND seq = $2";
    let rows = connection.query(sql, &[&shard, &integer(position)]).await?;
    connection.run("COMMIT").await?;
    Ok(rows.first().is_some_and(|row| row.get::<_, &[u8]>(0) == head))
}

/// Reads all that the decision depends on.
async fn read(connection: &mut Connection, shard: i32, transactions: &[Transaction]) -> Result<Stored> {
    let mut stored = Stored { head: chain::GENESIS, ..Stored::default() };
    let sql = "SELECT seq, head FROM chain WHERE shard = $1 ORDER BY seq DESC LIMIT 1";
    if let Some(row) = connection.query(sql, &[&shard]).await?.first() {
        stored.position = row.get::<_, i64>(0) as Seq;
        let head: &[u8] = row.get(1);
        stored.head = head.try_into().map_err(|_| StoreError("the hash chain is damaged".to_owned()))?;
    }
    let changes = || transactions.iter().flat_map(|transaction| &transaction.changes);
    let keys: Vec<i64> = changes().map(|change| change.key.0).collect();
    let sql = "SELECT key, seq, version, record_key, deleted, restricted FROM resource \
               WHERE shard = $1 AND key = ANY($2)";
    for row in connection.query(sql, &[&shard, &keys]).await? {
        let current = Current {
            seq: row.get::<_, i64>(1) as Seq,
            version: row.get::<_, i64>(2) as u32,
            record_key: RecordKey(row.get::<_, i64>(3) as u64),
            deleted: row.get(4),
            restricted: row.get(5),
        };
        stored.current.insert(ResourceKey(row.get(0)), current);
    }
    stored.guarded = read_guarded(connection, shard, transactions).await?;
    let purged: Vec<i64> =
        changes().filter(|change| change.kind == EventKind::Purge).map(|change| change.key.0).collect();
    if !purged.is_empty() {
        let sql =
            "SELECT key, seq, body FROM event WHERE shard = $1 AND key = ANY($2) AND commitment IS NULL";
        for row in connection.query(sql, &[&shard, &purged]).await? {
            let event = (row.get::<_, i64>(1) as Seq, row.get(2));
            stored.bodies.entry(ResourceKey(row.get(0))).or_default().push(event);
        }
    }
    Ok(stored)
}

/// Reads the newest rows behind each guard: one more than the call may remove.
async fn read_guarded(
    connection: &mut Connection,
    shard: i32,
    transactions: &[Transaction],
) -> Result<HashMap<(u16, i64, Seq), Vec<(Seq, i64)>>> {
    let mut limits: BTreeMap<(u16, i64), i64> = BTreeMap::new();
    let mut guards = Vec::new();
    for guard in transactions.iter().flat_map(|transaction| &transaction.guards) {
        if let Guard::NoNewRow { slot, value, after } = *guard {
            limits.insert((slot, value), 1);
            guards.push((slot, value, after));
        }
    }
    if guards.is_empty() {
        return Ok(HashMap::new());
    }
    let changes = transactions.iter().flat_map(|transaction| &transaction.changes);
    for row in changes.flat_map(|change| &change.remove.numbers) {
        limits.entry((row.slot, row.value)).and_modify(|limit| *limit += 1);
    }
    let slots: Vec<i32> = guards.iter().map(|guard| i32::from(guard.0)).collect();
    let values: Vec<i64> = guards.iter().map(|guard| guard.1).collect();
    let afters: Vec<i64> = guards.iter().map(|guard| integer(guard.2)).collect();
    let limits: Vec<i64> = guards.iter().map(|guard| limits[&(guard.0, guard.1)]).collect();
    let sql = "SELECT n, seq, extra FROM unnest($2::int4[], $3::int8[], $4::int8[], $5::int8[]) \
               WITH ORDINALITY AS guard (slot, value, after, most, n), \
               LATERAL (SELECT seq, extra FROM search s WHERE s.shard = $1 AND s.slot = guard.slot \
               AND s.value = guard.value AND s.seq > guard.after \
               ORDER BY s.seq DESC LIMIT guard.most) found";
    let mut guarded: HashMap<(u16, i64, Seq), Vec<(Seq, i64)>> = HashMap::new();
    for row in connection.query(sql, &[&shard, &slots, &values, &afters, &limits]).await? {
        let guard = guards[row.get::<_, i64>(0) as usize - 1];
        guarded.entry(guard).or_default().push((row.get::<_, i64>(1) as Seq, row.get(2)));
    }
    Ok(guarded)
}

/// Writes a plan, each table at once.
struct Writer<'c> {
    connection: &'c mut Connection,
    shard: i32,
}

/// One column of rows, as an array parameter.
fn column<I: IntoIterator, T>(rows: I, value: impl Fn(I::Item) -> T) -> Vec<T> {
    rows.into_iter().map(value).collect()
}

impl Writer<'_> {
    /// Runs a statement whose first parameter is the shard and whose others are columns.
    async fn rows(&mut self, sql: &str, columns: &[&(dyn ToSql + Sync)]) -> Result<()> {
        let parameters: Vec<&(dyn ToSql + Sync)> =
            std::iter::once(&self.shard as _).chain(columns.iter().copied()).collect();
        self.connection.query(sql, &parameters).await?;
        Ok(())
    }

    async fn write(&mut self, plan: &Plan, position: Seq) -> Result<()> {
        self.erase(plan).await?;
        self.events(plan).await?;
        self.resources(plan).await?;
        self.numbers(plan).await?;
        self.texts(&plan.texts).await?;
        self.records(plan).await?;
        self.patients(plan).await?;
        let sql = "INSERT INTO chain (shard, seq, head) VALUES ($1, $2, $3)";
        self.rows(sql, &[&integer(position), &plan.head.as_slice()]).await
    }

    /// Purges what is stored: bodies, and the rows of superseded versions.
    async fn erase(&mut self, plan: &Plan) -> Result<()> {
        if plan.erased.is_empty() {
            return Ok(());
        }
        let seqs = column(&plan.erased, |(seq, _)| integer(*seq));
        let commitments = column(&plan.erased, |(_, hash)| hash.as_slice());
        let sql = "UPDATE event e SET body = '', commitment = erased.commitment \
                   FROM unnest($2::int8[], $3::bytea[]) AS erased (seq, commitment) \
                   WHERE e.shard = $1 AND e.seq = erased.seq";
        self.rows(sql, &[&seqs, &commitments]).await?;
        // They lead with slot and value, so a purge, which is rare, looks at all of them.
        for table in ["search_old", "search_text_old", "record_old"] {
            let sql = format!("DELETE FROM {table} WHERE shard = $1 AND seq = ANY($2)");
            self.rows(&sql, &[&seqs]).await?;
        }
        Ok(())
    }

    async fn events(&mut self, plan: &Plan) -> Result<()> {
        let events = &plan.events;
        let sql = "INSERT INTO event (shard, seq, origin, origin_seq, parents, hybrid_time, kind, type, key, \
                   version, record_key, label, actor, purpose, body, commitment) \
                   SELECT $1, seq, 0, seq, CASE WHEN parent = 0 THEN '{}' ELSE ARRAY[parent] END, time, kind, \
                   type, key, version, record_key, label, actor, purpose, body, commitment \
                   FROM unnest($2::int8[], $3::int8[], $4::int8[], $5::int4[], $6::int4[], $7::int8[], \
                   $8::int8[], $9::int8[], $10::int4[], $11::int8[], $12::int8[], $13::bytea[], $14::bytea[]) \
                   AS new (seq, parent, time, kind, type, key, version, record_key, label, actor, purpose, \
                   body, commitment)";
        self.rows(
            sql,
            &[
                &column(events, |event| integer(event.seq)),
                &column(events, |event| event.parents.first().map_or(0, |parent| integer(*parent))),
                &column(events, |event| event.hybrid_time as i64),
                &column(events, |event| event.kind as i32),
                &column(events, |event| i32::from(event.type_id)),
                &column(events, |event| event.key.0),
                &column(events, |event| i64::from(event.version)),
                &column(events, |event| integer(event.record_key.0)),
                &column(events, |event| i32::from(event.label)),
                &column(events, |event| i64::from(event.actor)),
                &column(events, |event| i64::from(event.purpose)),
                &column(events, |event| event.body.as_slice()),
                &column(events, |event| event.commitment.as_ref().map(|hash| hash.as_slice())),
            ],
        )
        .await
    }

    async fn resources(&mut self, plan: &Plan) -> Result<()> {
        let resources = &plan.resources;
        let sql = "INSERT INTO resource (shard, key, seq, version, record_key, deleted, restricted) \
                   SELECT $1, * FROM unnest($2::int8[], $3::int8[], $4::int8[], $5::int8[], $6::bool[], \
                   $7::bool[]) \
                   ON CONFLICT (shard, key) DO UPDATE SET seq = excluded.seq, version = excluded.version, \
                   record_key = excluded.record_key, deleted = excluded.deleted, \
                   restricted = excluded.restricted";
        self.rows(
            sql,
            &[
                &column(resources, |(key, _)| key.0),
                &column(resources, |(_, current)| integer(current.seq)),
                &column(resources, |(_, current)| i64::from(current.version)),
                &column(resources, |(_, current)| integer(current.record_key.0)),
                &column(resources, |(_, current)| current.deleted),
                &column(resources, |(_, current)| current.restricted),
            ],
        )
        .await
    }

    async fn numbers(&mut self, plan: &Plan) -> Result<()> {
        let Rows { added, passed, removed } = &plan.numbers;
        if !removed.is_empty() {
            // Purged rows have no position at which they end, and are not kept.
            let sql = "WITH gone AS (DELETE FROM search s USING unnest($2::int4[], $3::int8[], $4::int8[], \
                       $5::int8[], $6::int8[]) AS old (slot, value, seq, extra, until) \
                       WHERE s.shard = $1 AND s.slot = old.slot AND s.value = old.value AND s.seq = old.seq \
                       AND s.extra = old.extra RETURNING s.*, old.until) \
                       INSERT INTO search_old (shard, slot, value, seq, extra, record_key, label, until) \
                       SELECT shard, slot, value, seq, extra, record_key, label, until FROM gone \
                       WHERE until IS NOT NULL";
            self.rows(
                sql,
                &[
                    &column(removed, |(key, _)| i32::from(key.0)),
                    &column(removed, |(key, _)| key.1),
                    &column(removed, |(key, _)| integer(key.2)),
                    &column(removed, |(key, _)| key.3),
                    &column(removed, |(_, until)| until.map(integer)),
                ],
            )
            .await?;
        }
        let sql = "INSERT INTO search (shard, slot, value, seq, extra, record_key, label) SELECT $1, * \
                   FROM unnest($2::int4[], $3::int8[], $4::int8[], $5::int8[], $6::int8[], $7::int4[])";
        let slots = column(added, |(key, _)| i32::from(key.0));
        let values = column(added, |(key, _)| key.1);
        let seqs = column(added, |(key, _)| integer(key.2));
        let extras = column(added, |(key, _)| key.3);
        let records = column(added, |(_, filed)| integer(filed.record_key.0));
        let labels = column(added, |(_, filed)| i32::from(filed.label));
        self.rows(sql, &[&slots, &values, &seqs, &extras, &records, &labels]).await?;
        if passed.is_empty() {
            return Ok(());
        }
        let sql = "INSERT INTO search_old (shard, slot, value, seq, extra, record_key, label, until) \
                   SELECT $1, * FROM unnest($2::int4[], $3::int8[], $4::int8[], $5::int8[], $6::int8[], \
                   $7::int4[], $8::int8[])";
        self.rows(
            sql,
            &[
                &column(passed, |(key, _)| i32::from(key.0)),
                &column(passed, |(key, _)| key.1),
                &column(passed, |(key, _)| integer(key.2)),
                &column(passed, |(key, _)| key.3),
                &column(passed, |(_, (filed, _))| integer(filed.record_key.0)),
                &column(passed, |(_, (filed, _))| i32::from(filed.label)),
                &column(passed, |(_, (_, until))| integer(*until)),
            ],
        )
        .await
    }

    async fn texts(&mut self, rows: &Rows<TextKey>) -> Result<()> {
        let Rows { added, passed, removed } = rows;
        if !removed.is_empty() {
            let sql = "WITH gone AS (DELETE FROM search_text s USING unnest($2::int4[], $3::bytea[], \
                       $4::int8[], $5::int8[]) AS old (slot, text, seq, until) WHERE s.shard = $1 \
                       AND s.slot = old.slot AND s.text = old.text AND s.seq = old.seq \
                       RETURNING s.*, old.until) \
                       INSERT INTO search_text_old (shard, slot, text, seq, record_key, label, until) \
                       SELECT shard, slot, text, seq, record_key, label, until FROM gone \
                       WHERE until IS NOT NULL";
            self.rows(
                sql,
                &[
                    &column(removed, |(key, _)| i32::from(key.0)),
                    &column(removed, |(key, _)| key.1.as_bytes()),
                    &column(removed, |(key, _)| integer(key.2)),
                    &column(removed, |(_, until)| until.map(integer)),
                ],
            )
            .await?;
        }
        let sql = "INSERT INTO search_text (shard, slot, text, seq, record_key, label) SELECT $1, * \
                   FROM unnest($2::int4[], $3::bytea[], $4::int8[], $5::int8[], $6::int4[])";
        let slots = column(added, |(key, _)| i32::from(key.0));
        let texts = column(added, |(key, _)| key.1.as_bytes());
        let seqs = column(added, |(key, _)| integer(key.2));
        let records = column(added, |(_, filed)| integer(filed.record_key.0));
        let labels = column(added, |(_, filed)| i32::from(filed.label));
        self.rows(sql, &[&slots, &texts, &seqs, &records, &labels]).await?;
        if passed.is_empty() {
            return Ok(());
        }
        let sql = "INSERT INTO search_text_old (shard, slot, text, seq, record_key, label, until) SELECT $1, * \
                   FROM unnest($2::int4[], $3::bytea[], $4::int8[], $5::int8[], $6::int4[], $7::int8[])";
        self.rows(
            sql,
            &[
                &column(passed, |(key, _)| i32::from(key.0)),
                &column(passed, |(key, _)| key.1.as_bytes()),
                &column(passed, |(key, _)| integer(key.2)),
                &column(passed, |(_, (filed, _))| integer(filed.record_key.0)),
                &column(passed, |(_, (filed, _))| i32::from(filed.label)),
                &column(passed, |(_, (_, until))| integer(*until)),
            ],
        )
        .await
    }

    async fn records(&mut self, plan: &Plan) -> Result<()> {
        let Rows { added, passed, removed } = &plan.records;
        if !removed.is_empty() {
            let sql = "WITH gone AS (DELETE FROM record r USING unnest($2::int8[], $3::int4[], $4::int4[], \
                       $5::int8[], $6::int8[], $7::int8[]) AS old (record_key, type, code, date, seq, until) \
                       WHERE r.shard = $1 AND r.record_key = old.record_key AND r.type = old.type \
                       AND r.code = old.code AND r.date = old.date AND r.seq = old.seq \
                       RETURNING r.*, old.until) \
                       INSERT INTO record_old (shard, record_key, type, code, date, seq, label, until) \
                       SELECT shard, record_key, type, code, date, seq, label, until FROM gone \
                       WHERE until IS NOT NULL";
            self.rows(
                sql,
                &[
                    &column(removed, |(key, _)| integer(key.0.0)),
                    &column(removed, |(key, _)| i32::from(key.1)),
                    &column(removed, |(key, _)| i32::from(key.2)),
                    &column(removed, |(key, _)| key.3),
                    &column(removed, |(key, _)| integer(key.4)),
                    &column(removed, |(_, until)| until.map(integer)),
                ],
            )
            .await?;
        }
        let sql = "INSERT INTO record (shard, record_key, type, code, date, seq, label) SELECT $1, * \
                   FROM unnest($2::int8[], $3::int4[], $4::int4[], $5::int8[], $6::int8[], $7::int4[])";
        let records = column(added, |(key, _)| integer(key.0.0));
        let types = column(added, |(key, _)| i32::from(key.1));
        let codes = column(added, |(key, _)| i32::from(key.2));
        let dates = column(added, |(key, _)| key.3);
        let seqs = column(added, |(key, _)| integer(key.4));
        let labels = column(added, |(_, filed)| i32::from(filed.label));
        self.rows(sql, &[&records, &types, &codes, &dates, &seqs, &labels]).await?;
        if passed.is_empty() {
            return Ok(());
        }
        let sql = "INSERT INTO record_old (shard, record_key, type, code, date, seq, label, until) \
                   SELECT $1, * FROM unnest($2::int8[], $3::int4[], $4::int4[], $5::int8[], $6::int8[], \
                   $7::int4[], $8::int8[])";
        self.rows(
            sql,
            &[
                &column(passed, |(key, _)| integer(key.0.0)),
                &column(passed, |(key, _)| i32::from(key.1)),
                &column(passed, |(key, _)| i32::from(key.2)),
                &column(passed, |(key, _)| key.3),
                &column(passed, |(key, _)| integer(key.4)),
                &column(passed, |(_, (filed, _))| i32::from(filed.label)),
                &column(passed, |(_, (_, until))| integer(*until)),
            ],
        )
        .await
    }

    async fn patients(&mut self, plan: &Plan) -> Result<()> {
        if !plan.patients.is_empty() {
            let sql = "INSERT INTO patient (shard, key, record_key) SELECT $1, * \
                       FROM unnest($2::int8[], $3::int8[]) \
                       ON CONFLICT (shard, key) DO UPDATE SET record_key = excluded.record_key \
                       WHERE patient.record_key <> excluded.record_key";
            let keys = column(&plan.patients, |(key, _)| key.0);
            let records = column(&plan.patients, |(_, record_key)| integer(record_key.0));
            self.rows(sql, &[&keys, &records]).await?;
        }
        if !plan.directory.is_empty() {
            let sql = "INSERT INTO directory (shard, source_key, key) SELECT $1, * \
                       FROM unnest($2::int8[], $3::int8[]) \
                       ON CONFLICT (shard, source_key) DO UPDATE SET key = excluded.key \
                       WHERE directory.key <> excluded.key";
            let sources = column(&plan.directory, |(source_key, _)| *source_key);
            let keys = column(&plan.directory, |(_, key)| key.0);
            self.rows(sql, &[&sources, &keys]).await?;
        }
        Ok(())
    }
}
