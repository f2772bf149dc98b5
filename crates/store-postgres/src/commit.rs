//! Commits a group of transactions in one database transaction.
//!
//! Appends of a shard are serialised by an advisory lock that is held until the
//! commit is visible. So positions become visible in their order, whichever of
//! several servers wrote them, and a reader of the feed never skips one.

use std::collections::{BTreeMap, HashMap};

use tokio_postgres::types::ToSql;
use tongmai_store::{
    Committed, Current, Event, EventKind, Guard, RecordKey, Rejection, ResourceKey, Result, Seq, StoreError,
    Transaction, chain,
};

use crate::given::{Given, Pending};
use crate::plan::{Filed, NumberKey, Plan, RecordRowKey, Rows, Stored, TextKey, Versioned};
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

/// A column of new or former rows, as an array parameter.
struct Column<'r> {
    name: &'static str,
    kind: &'static str,
    values: Box<dyn ToSql + Sync + 'r>,
}

fn column<'r, I: IntoIterator, T: ToSql + Sync + 'r>(
    name: &'static str,
    kind: &'static str,
    rows: I,
    value: impl Fn(I::Item) -> T,
) -> Column<'r> {
    let values: Vec<T> = rows.into_iter().map(value).collect();
    Column { name, kind, values: Box::new(values) }
}

/// An index table: its rows are known by their key.
trait Indexed: Versioned + Sized + 'static {
    const TABLE: &'static str;
    /// Whether the record is a column beside the key.
    const RECORD: bool = true;

    /// The columns of the key after the shard.
    fn columns<'r>(keys: impl Iterator<Item = &'r Self> + Clone) -> Vec<Column<'r>>;
}

impl Indexed for NumberKey {
    const TABLE: &'static str = "search";

    fn columns<'r>(keys: impl Iterator<Item = &'r Self> + Clone) -> Vec<Column<'r>> {
        vec![
            column("slot", "int4", keys.clone(), |key| i32::from(key.0)),
            column("value", "int8", keys.clone(), |key| key.1),
            column("seq", "int8", keys.clone(), |key| integer(key.2)),
            column("extra", "int8", keys, |key| key.3),
        ]
    }
}

impl Indexed for TextKey {
    const TABLE: &'static str = "search_text";

    fn columns<'r>(keys: impl Iterator<Item = &'r Self> + Clone) -> Vec<Column<'r>> {
        vec![
            column("slot", "int4", keys.clone(), |key| i32::from(key.0)),
            column("text", "bytea", keys.clone(), |key| key.1.as_bytes()),
            column("seq", "int8", keys, |key| integer(key.2)),
        ]
    }
}

impl Indexed for RecordRowKey {
    const TABLE: &'static str = "record";
    const RECORD: bool = false;

    fn columns<'r>(keys: impl Iterator<Item = &'r Self> + Clone) -> Vec<Column<'r>> {
        vec![
            column("record_key", "int8", keys.clone(), |key| integer(key.0.0)),
            column("type", "int4", keys.clone(), |key| i32::from(key.1)),
            column("code", "int4", keys.clone(), |key| i32::from(key.2)),
            column("date", "int8", keys.clone(), |key| key.3),
            column("seq", "int8", keys, |key| integer(key.4)),
        ]
    }
}

/// Key and other columns of rows of an index table.
fn filed<'r, K: Indexed>(rows: impl Iterator<Item = (&'r K, &'r Filed)> + Clone) -> Vec<Column<'r>> {
    let mut columns = K::columns(rows.clone().map(|(key, _)| key));
    if K::RECORD {
        columns.push(column("record_key", "int8", rows.clone(), |(_, filed)| integer(filed.record_key.0)));
    }
    columns.push(column("label", "int4", rows, |(_, filed)| i32::from(filed.label)));
    columns
}

/// `name, name …`
fn names(columns: &[Column]) -> String {
    columns.iter().map(|column| column.name).collect::<Vec<_>>().join(", ")
}

/// The columns as a table of their rows; `$1` is the shard.
fn unnest(columns: &[Column]) -> String {
    let arrays = columns.iter().zip(2..).map(|(column, number)| format!("${number}::{}[]", column.kind));
    format!("unnest({}) AS given ({})", arrays.collect::<Vec<_>>().join(", "), names(columns))
}

/// Writes a plan, each table at once.
struct Writer<'c> {
    connection: &'c mut Connection,
    shard: i32,
}

impl Writer<'_> {
    async fn write(&mut self, plan: &Plan, position: Seq) -> Result<()> {
        self.erase(plan).await?;
        self.events(&plan.events).await?;
        self.resources(plan).await?;
        self.index(&plan.numbers).await?;
        self.index(&plan.texts).await?;
        self.index(&plan.records).await?;
        self.patients(plan).await?;
        let sql = "INSERT INTO chain (shard, seq, head) VALUES ($1, $2, $3)";
        let head = plan.head.as_slice();
        self.connection.query(sql, &[&self.shard, &integer(position), &head]).await?;
        Ok(())
    }

    /// Runs a statement whose first parameter is the shard and whose others are the columns.
    async fn run(&mut self, sql: &str, columns: &[Column<'_>]) -> Result<()> {
        let mut parameters: Vec<&(dyn ToSql + Sync)> = vec![&self.shard];
        parameters.extend(columns.iter().map(|column| &*column.values as &(dyn ToSql + Sync)));
        self.connection.query(sql, &parameters).await?;
        Ok(())
    }

    async fn insert(&mut self, table: &str, columns: &[Column<'_>], conflict: &str) -> Result<()> {
        let (names, given) = (names(columns), unnest(columns));
        let sql = format!("INSERT INTO {table} (shard, {names}) SELECT $1, {names} FROM {given} {conflict}");
        self.run(&sql, columns).await
    }

    /// Purges what is stored: bodies, and the rows of superseded versions.
    async fn erase(&mut self, plan: &Plan) -> Result<()> {
        if plan.erased.is_empty() {
            return Ok(());
        }
        let seqs = || column("seq", "int8", &plan.erased, |(seq, _)| integer(*seq));
        let columns = [seqs(), column("hash", "bytea", &plan.erased, |(_, hash)| hash.as_slice())];
        let sql = format!(
            "UPDATE event e SET body = '', commitment = given.hash FROM {} \
             WHERE e.shard = $1 AND e.seq = given.seq",
            unnest(&columns)
        );
        self.run(&sql, &columns).await?;
        // They lead with slot and value, so a purge, which is rare, looks at all of them.
        for table in ["search_old", "search_text_old", "record_old"] {
            let sql = format!("DELETE FROM {table} WHERE shard = $1 AND seq = ANY($2)");
            self.run(&sql, &[seqs()]).await?;
        }
        Ok(())
    }

    async fn events(&mut self, events: &[Event]) -> Result<()> {
        let columns = [
            column("seq", "int8", events, |event| integer(event.seq)),
            column("parent", "int8", events, |event| event.parents.first().map(|parent| integer(*parent))),
            column("hybrid_time", "int8", events, |event| event.hybrid_time as i64),
            column("kind", "int4", events, |event| event.kind as i32),
            column("type", "int4", events, |event| i32::from(event.type_id)),
            column("key", "int8", events, |event| event.key.0),
            column("version", "int8", events, |event| i64::from(event.version)),
            column("record_key", "int8", events, |event| integer(event.record_key.0)),
            column("label", "int4", events, |event| i32::from(event.label)),
            column("actor", "int8", events, |event| i64::from(event.actor)),
            column("purpose", "int8", events, |event| i64::from(event.purpose)),
            column("body", "bytea", events, |event| event.body.as_slice()),
            column("commitment", "bytea", events, |event| event.commitment.as_ref().map(|hash| &hash[..])),
        ];
        // Events are written by this node, and follow one version at most.
        let sql = format!(
            "INSERT INTO event (shard, origin, origin_seq, parents, seq, hybrid_time, kind, type, key, version, \
             record_key, label, actor, purpose, body, commitment) \
             SELECT $1, 0, seq, array_remove(ARRAY[parent], NULL), seq, hybrid_time, kind, type, key, version, \
             record_key, label, actor, purpose, body, commitment FROM {}",
            unnest(&columns)
        );
        self.run(&sql, &columns).await
    }

    async fn resources(&mut self, plan: &Plan) -> Result<()> {
        let resources = &plan.resources;
        let columns = [
            column("key", "int8", resources, |(key, _)| key.0),
            column("seq", "int8", resources, |(_, current)| integer(current.seq)),
            column("version", "int8", resources, |(_, current)| i64::from(current.version)),
            column("record_key", "int8", resources, |(_, current)| integer(current.record_key.0)),
            column("deleted", "bool", resources, |(_, current)| current.deleted),
            column("restricted", "bool", resources, |(_, current)| current.restricted),
        ];
        let conflict = "ON CONFLICT (shard, key) DO UPDATE SET seq = excluded.seq, \
                        version = excluded.version, record_key = excluded.record_key, \
                        deleted = excluded.deleted, restricted = excluded.restricted";
        self.insert("resource", &columns, conflict).await
    }

    /// Brings an index table and that of its superseded rows up to date.
    async fn index<K: Indexed>(&mut self, rows: &Rows<K>) -> Result<()> {
        let table = K::TABLE;
        let old_table = format!("{table}_old");
        if !rows.removed.is_empty() {
            let keys = K::columns(rows.removed.keys());
            let same: String = keys.iter().map(|key| format!(" AND t.{0} = given.{0}", key.name)).collect();
            let none = std::iter::empty::<(&K, &Filed)>();
            let names = names(&filed(none));
            let untils = column("until", "int8", rows.removed.values(), |until| until.map(integer));
            let columns: Vec<Column> = keys.into_iter().chain([untils]).collect();
            // Purged rows have no position at which they end, and are not kept.
            let sql = format!(
                "WITH gone AS (DELETE FROM {table} t USING {} WHERE t.shard = $1{same} \
                 RETURNING t.*, given.until) \
                 INSERT INTO {old_table} (shard, {names}, until) SELECT shard, {names}, until FROM gone \
                 WHERE until IS NOT NULL",
                unnest(&columns)
            );
            self.run(&sql, &columns).await?;
        }
        if !rows.added.is_empty() {
            self.insert(table, &filed(rows.added.iter()), "").await?;
        }
        if !rows.passed.is_empty() {
            let mut columns = filed(rows.passed.iter().map(|(key, (filed, _))| (key, filed)));
            columns.push(column("until", "int8", rows.passed.values(), |(_, until)| integer(*until)));
            self.insert(&old_table, &columns, "").await?;
        }
        Ok(())
    }

    async fn patients(&mut self, plan: &Plan) -> Result<()> {
        if !plan.patients.is_empty() {
            let columns = [
                column("key", "int8", &plan.patients, |(key, _)| key.0),
                column("record_key", "int8", &plan.patients, |(_, record_key)| integer(record_key.0)),
            ];
            let conflict = "ON CONFLICT (shard, key) DO UPDATE SET record_key = excluded.record_key \
                            WHERE patient.record_key <> excluded.record_key";
            self.insert("patient", &columns, conflict).await?;
        }
        if !plan.directory.is_empty() {
            let columns = [
                column("source_key", "int8", &plan.directory, |(source_key, _)| *source_key),
                column("key", "int8", &plan.directory, |(_, key)| key.0),
            ];
            let conflict = "ON CONFLICT (shard, source_key) DO UPDATE SET key = excluded.key \
                            WHERE directory.key <> excluded.key";
            self.insert("directory", &columns, conflict).await?;
        }
        Ok(())
    }
}
