//! Reads of one consistent state: a read-only transaction at repeatable read.

use std::ops::Bound;

use tokio_postgres::Row;
use tongmai_store::{
    Current, Event, EventKind, NumberCursor, NumberHit, NumberRange, Order, RecordHit, RecordKey, RecordRow,
    ResourceKey, Result, Seq, Snapshot, StoreError, TextHit, TextRange, dump,
};

use crate::PostgresStore;
use crate::pool::{Connection, Parameters};

/// Rows that a dump fetches at once.
const DUMP_ROWS: usize = 5000;

/// A number as the database holds it; what lies beyond its range is as good as its end.
pub(crate) fn integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A connection inside a transaction.
pub(crate) struct PostgresSnapshot<'s> {
    store: &'s PostgresStore,
    /// Taken out only when the snapshot ends.
    connection: Option<Connection>,
    position: Seq,
}

/// The columns of an event, in the order of [`event`].
macro_rules! event_columns {
    () => {
        "SELECT e.seq, e.origin, e.origin_seq, e.parents, e.hybrid_time, e.kind, e.type, e.key, e.version, \
         e.record_key, e.label, e.actor, e.purpose, e.body, e.commitment FROM "
    };
}

fn event(row: &Row) -> Result<Event> {
    let number = |column: usize| row.get::<_, i64>(column);
    let damaged = |what: &str| StoreError(format!("event {}: its {what} is damaged", number(0)));
    let kind = u8::try_from(row.get::<_, i32>(5)).ok().and_then(EventKind::from_number);
    let commitment: Option<&[u8]> = row.get(14);
    Ok(Event {
        seq: number(0) as Seq,
        origin: number(1) as u32,
        origin_seq: number(2) as u64,
        parents: row.get::<_, Vec<i64>>(3).into_iter().map(|parent| parent as Seq).collect(),
        hybrid_time: number(4) as u64,
        kind: kind.ok_or_else(|| damaged("kind"))?,
        type_id: row.get::<_, i32>(6) as u16,
        key: ResourceKey(number(7)),
        version: number(8) as u32,
        record_key: RecordKey(number(9) as u64),
        label: row.get::<_, i32>(10) as u16,
        actor: number(11) as u32,
        purpose: number(12) as u32,
        body: row.get(13),
        commitment: commitment.map(|hash| hash.try_into().map_err(|_| damaged("commitment"))).transpose()?,
    })
}

fn number_hit(row: &Row) -> NumberHit {
    NumberHit {
        value: row.get(0),
        seq: row.get::<_, i64>(1) as Seq,
        extra: row.get(2),
        record_key: RecordKey(row.get::<_, i64>(3) as u64),
        label: row.get::<_, i32>(4) as u16,
    }
}

fn text_hit(row: &Row) -> Result<TextHit> {
    let text = String::from_utf8(row.get(0));
    Ok(TextHit {
        text: text.map_err(|_| StoreError("a text row is damaged".to_owned()))?,
        seq: row.get::<_, i64>(1) as Seq,
        record_key: RecordKey(row.get::<_, i64>(2) as u64),
        label: row.get::<_, i32>(3) as u16,
    })
}

fn record_hit(row: &Row) -> RecordHit {
    RecordHit {
        row: RecordRow {
            record_key: RecordKey(row.get::<_, i64>(0) as u64),
            type_id: row.get::<_, i32>(1) as u16,
            code: row.get::<_, i32>(2) as u16,
            date: row.get(3),
            label: row.get::<_, i32>(4) as u16,
        },
        seq: row.get::<_, i64>(5) as Seq,
    }
}

/// Asks the table of current rows, and for an earlier position also that of superseded ones.
/// `$2` is the position.
fn both(back: bool, select: &str, table: &str, condition: &str, order: &str) -> String {
    let now = format!("{select} FROM {table} WHERE {condition} AND seq <= $2 {order}");
    if !back {
        return now;
    }
    let then = format!("{select} FROM {table}_old WHERE {condition} AND seq <= $2 AND until > $2 {order}");
    format!("SELECT * FROM (({now}) UNION ALL ({then})) found {order}")
}

impl<'s> PostgresSnapshot<'s> {
    pub(crate) fn begin(store: &'s PostgresStore) -> Result<PostgresSnapshot<'s>> {
        let mut connection = store.pool.take(&store.runtime)?;
        // The first read fixes the state.
        let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
        let sql = "SELECT seq FROM chain WHERE shard = $1 ORDER BY seq DESC LIMIT 1";
        match store.runtime.block_on(connection.query_after(begin, sql, &[&store.shard])) {
            Ok(rows) => {
                let position = rows.first().map_or(0, |row| row.get::<_, i64>(0) as Seq);
                Ok(PostgresSnapshot { store, connection: Some(connection), position })
            }
            Err(error) => {
                store.pool.drop_one();
                Err(error)
            }
        }
    }

    fn query(&mut self, sql: &str, parameters: Parameters<'_>) -> Result<Vec<Row>> {
        let connection = self.connection.as_mut().expect("present until the snapshot ends");
        self.store.runtime.block_on(connection.query(sql, parameters))
    }

    fn events_by(&mut self, sql: &str, parameters: Parameters<'_>) -> Result<Vec<Event>> {
        self.query(sql, parameters)?.iter().map(event).collect()
    }

    fn back(&self, as_of: Seq) -> bool {
        as_of < self.position
    }

    /// Fetches all rows of a query, some at a time.
    fn fetch_all(&mut self, sql: &str, row: &mut dyn FnMut(&Row) -> Result<()>) -> Result<()> {
        let connection = self.connection.as_mut().expect("present until the snapshot ends");
        self.store.runtime.block_on(async {
            connection.run(&format!("DECLARE dump NO SCROLL CURSOR FOR {sql}")).await?;
            let fetch = format!("FETCH {DUMP_ROWS} FROM dump");
            loop {
                let rows = connection.query_once(&fetch).await?;
                rows.iter().try_for_each(&mut *row)?;
                if rows.len() < DUMP_ROWS {
                    return connection.run("CLOSE dump").await;
                }
            }
        })
    }
}

impl Drop for PostgresSnapshot<'_> {
    fn drop(&mut self) {
        let Some(connection) = self.connection.take() else { return };
        let pool = self.store.pool.clone();
        // Nobody waits for the end of a read.
        self.store.runtime.spawn(async move {
            match connection.run("COMMIT").await {
                Ok(()) => pool.give(connection),
                Err(_) => pool.drop_one(),
            }
        });
    }
}

impl Snapshot for PostgresSnapshot<'_> {
    fn position(&self) -> Seq {
        self.position
    }

    fn current(&mut self, key: ResourceKey) -> Result<Option<Current>> {
        let sql = "SELECT seq, version, record_key, deleted, restricted FROM resource \
                   WHERE shard = $1 AND key = $2";
        let rows = self.query(sql, &[&self.store.shard, &key.0])?;
        Ok(rows.first().map(|row| Current {
            seq: row.get::<_, i64>(0) as Seq,
            version: row.get::<_, i64>(1) as u32,
            record_key: RecordKey(row.get::<_, i64>(2) as u64),
            deleted: row.get(3),
            restricted: row.get(4),
        }))
    }

    fn current_event(&mut self, key: ResourceKey) -> Result<Option<Event>> {
        let sql = concat!(
            event_columns!(),
            "resource r JOIN event e ON e.shard = r.shard AND e.seq = r.seq WHERE r.shard = $1 AND r.key = $2"
        );
        Ok(self.events_by(sql, &[&self.store.shard, &key.0])?.pop())
    }

    fn events(&mut self, seqs: &[Seq]) -> Result<Vec<Event>> {
        let sql = concat!(
            event_columns!(),
            "unnest($2::int8[]) WITH ORDINALITY AS asked (seq, n) \
             JOIN event e ON e.shard = $1 AND e.seq = asked.seq ORDER BY n"
        );
        let seqs: Vec<i64> = seqs.iter().map(|seq| integer(*seq)).collect();
        self.events_by(sql, &[&self.store.shard, &seqs])
    }

    fn keys(&mut self, seqs: &[Seq]) -> Result<Vec<ResourceKey>> {
        let sql = "SELECT e.key FROM unnest($2::int8[]) WITH ORDINALITY AS asked (seq, n) \
                   JOIN event e ON e.shard = $1 AND e.seq = asked.seq ORDER BY n";
        let seqs: Vec<i64> = seqs.iter().map(|seq| integer(*seq)).collect();
        let rows = self.query(sql, &[&self.store.shard, &seqs])?;
        Ok(rows.iter().map(|row| ResourceKey(row.get(0))).collect())
    }

    fn marks(&mut self, seqs: &[Seq]) -> Result<Vec<(RecordKey, u16)>> {
        let sql = "SELECT e.record_key, e.label FROM unnest($2::int8[]) WITH ORDINALITY AS asked (seq, n) \
                   JOIN event e ON e.shard = $1 AND e.seq = asked.seq ORDER BY n";
        let seqs: Vec<i64> = seqs.iter().map(|seq| integer(*seq)).collect();
        let rows = self.query(sql, &[&self.store.shard, &seqs])?;
        Ok(rows
            .iter()
            .map(|row| (RecordKey(row.get::<_, i64>(0) as u64), row.get::<_, i32>(1) as u16))
            .collect())
    }

    fn feed(&mut self, after: Seq, limit: usize) -> Result<Vec<Event>> {
        let sql =
            concat!(event_columns!(), "event e WHERE e.shard = $1 AND e.seq > $2 ORDER BY e.seq LIMIT $3");
        self.events_by(sql, &[&self.store.shard, &integer(after), &integer(limit as u64)])
    }

    fn history(&mut self, key: ResourceKey, before: Seq, limit: usize) -> Result<Vec<Event>> {
        let sql = concat!(
            event_columns!(),
            "event e WHERE e.shard = $1 AND e.key = $2 AND e.seq < $3 ORDER BY e.seq DESC LIMIT $4"
        );
        self.events_by(sql, &[&self.store.shard, &key.0, &integer(before), &integer(limit as u64)])
    }

    fn type_history(&mut self, type_id: Option<u16>, before: Seq, limit: usize) -> Result<Vec<Event>> {
        let (before, limit) = (integer(before), integer(limit as u64));
        let Some(type_id) = type_id.map(i32::from) else {
            let sql = concat!(
                event_columns!(),
                "event e WHERE e.shard = $1 AND e.seq < $2 ORDER BY e.seq DESC LIMIT $3"
            );
            return self.events_by(sql, &[&self.store.shard, &before, &limit]);
        };
        let sql = concat!(
            event_columns!(),
            "event e WHERE e.shard = $1 AND e.type = $2 AND e.seq < $3 ORDER BY e.seq DESC LIMIT $4"
        );
        self.events_by(sql, &[&self.store.shard, &type_id, &before, &limit])
    }

    fn position_at(&mut self, milliseconds: i64) -> Result<Seq> {
        let (mut low, mut high) = (1, self.position + 1);
        while low < high {
            let middle = low + (high - low) / 2;
            let sql = "SELECT hybrid_time FROM event WHERE shard = $1 AND seq = $2";
            let rows = self.query(sql, &[&self.store.shard, &integer(middle)])?;
            let time = rows.first().map(|row| row.get::<_, i64>(0) as u64 >> 16);
            let time = time.ok_or_else(|| StoreError(format!("event {middle} is missing")))?;
            if time as i64 >= milliseconds { high = middle } else { low = middle + 1 }
        }
        Ok(low)
    }

    fn scan(
        &mut self,
        range: &NumberRange,
        order: Order,
        after: Option<NumberCursor>,
        as_of: Seq,
        limit: usize,
        out: &mut Vec<NumberHit>,
    ) -> Result<()> {
        let mut condition = "shard = $1 AND slot = $3 AND value BETWEEN $4 AND $5".to_owned();
        let (behind, order) = match order {
            Order::Ascending => (">", "ORDER BY value, seq, extra LIMIT $6"),
            Order::Descending => ("<", "ORDER BY value DESC, seq DESC, extra DESC LIMIT $6"),
        };
        if after.is_some() {
            condition += &format!(" AND (value, seq, extra) {behind} ($7, $8, $9)");
        }
        let select = "SELECT value, seq, extra, record_key, label";
        let sql = both(self.back(as_of), select, "search", &condition, order);
        let cursor = after.unwrap_or(NumberCursor { value: 0, seq: 0, extra: 0 });
        let parameters: Parameters<'_> = &[
            &self.store.shard,
            &integer(as_of),
            &i32::from(range.slot),
            &range.low,
            &range.high,
            &integer(limit as u64),
            &cursor.value,
            &integer(cursor.seq),
            &cursor.extra,
        ];
        let asked = if after.is_some() { 9 } else { 6 };
        out.extend(self.query(&sql, &parameters[..asked])?.iter().map(number_hit));
        Ok(())
    }

    fn probe(
        &mut self,
        slot: u16,
        value: i64,
        extra: Option<i64>,
        as_of: Seq,
        seqs: &[Seq],
        out: &mut Vec<bool>,
    ) -> Result<()> {
        let mut condition = "shard = $1 AND slot = $3 AND value = $4 AND seq = asked.seq".to_owned();
        if extra.is_some() {
            condition += " AND extra = $6";
        }
        let rows = both(self.back(as_of), "SELECT seq", "search", &condition, "");
        let sql = format!(
            "SELECT EXISTS ({rows}) FROM unnest($5::int8[]) WITH ORDINALITY AS asked (seq, n) ORDER BY n"
        );
        let seqs: Vec<i64> = seqs.iter().map(|seq| integer(*seq)).collect();
        let value_of = extra.unwrap_or(0);
        let parameters: Parameters<'_> =
            &[&self.store.shard, &integer(as_of), &i32::from(slot), &value, &seqs, &value_of];
        let asked = if extra.is_some() { 6 } else { 5 };
        out.extend(self.query(&sql, &parameters[..asked])?.iter().map(|row| row.get::<_, bool>(0)));
        Ok(())
    }

    fn scan_text(
        &mut self,
        range: &TextRange,
        order: Order,
        after: Option<(&str, Seq)>,
        as_of: Seq,
        limit: usize,
        out: &mut Vec<TextHit>,
    ) -> Result<()> {
        let (limit, as_of, slot) = (integer(limit as u64), integer(as_of), i32::from(range.slot));
        let low = range.low.as_bytes();
        let mut parameters: Vec<&(dyn tokio_postgres::types::ToSql + Sync)> =
            vec![&self.store.shard, &as_of, &slot, &limit, &low];
        let mut condition = "shard = $1 AND slot = $3 AND text >= $5".to_owned();
        let high = match &range.high {
            Bound::Included(high) => Some(("<=", high.as_bytes())),
            Bound::Excluded(high) => Some(("<", high.as_bytes())),
            Bound::Unbounded => None,
        };
        if let Some((comparison, high)) = &high {
            parameters.push(high);
            condition += &format!(" AND text {comparison} ${}", parameters.len());
        }
        let (behind, order) = match order {
            Order::Ascending => (">", "ORDER BY text, seq LIMIT $4"),
            Order::Descending => ("<", "ORDER BY text DESC, seq DESC LIMIT $4"),
        };
        let after = after.map(|(text, seq)| (text.as_bytes(), integer(seq)));
        if let Some((text, seq)) = &after {
            parameters.extend([text as &(dyn tokio_postgres::types::ToSql + Sync), seq]);
            condition +=
                &format!(" AND (text, seq) {behind} (${}, ${})", parameters.len() - 1, parameters.len());
        }
        let back = as_of < integer(self.position);
        let sql = both(back, "SELECT text, seq, record_key, label", "search_text", &condition, order);
        for row in self.query(&sql, &parameters)? {
            out.push(text_hit(&row)?);
        }
        Ok(())
    }

    fn count(&mut self, range: &NumberRange, as_of: Seq, limit: usize) -> Result<usize> {
        let condition = "shard = $1 AND slot = $3 AND value BETWEEN $4 AND $5";
        let rows = both(self.back(as_of), "SELECT 1", "search", condition, "LIMIT $6");
        let sql = format!("SELECT count(*) FROM ({rows}) counted");
        let parameters: Parameters<'_> = &[
            &self.store.shard,
            &integer(as_of),
            &i32::from(range.slot),
            &range.low,
            &range.high,
            &integer(limit as u64),
        ];
        let rows = self.query(&sql, parameters)?;
        Ok(rows.first().map_or(0, |row| row.get::<_, i64>(0) as usize))
    }

    fn record(
        &mut self,
        record_key: RecordKey,
        type_id: Option<u16>,
        code: Option<u16>,
        as_of: Seq,
        out: &mut Vec<RecordHit>,
    ) -> Result<()> {
        let (condition, asked) = match (type_id, code) {
            (None, _) => ("shard = $1 AND record_key = $3", 3),
            (Some(_), None) => ("shard = $1 AND record_key = $3 AND type = $4", 4),
            (Some(_), Some(_)) => ("shard = $1 AND record_key = $3 AND type = $4 AND code = $5", 5),
        };
        let select = "SELECT record_key, type, code, date, label, seq";
        let order = "ORDER BY type, code, date, seq";
        let sql = both(self.back(as_of), select, "record", condition, order);
        let type_id = i32::from(type_id.unwrap_or(0));
        let code = i32::from(code.unwrap_or(0));
        let parameters: Parameters<'_> =
            &[&self.store.shard, &integer(as_of), &integer(record_key.0), &type_id, &code];
        out.extend(self.query(&sql, &parameters[..asked])?.iter().map(record_hit));
        Ok(())
    }

    fn record_key(&mut self, patient: ResourceKey) -> Result<Option<RecordKey>> {
        let sql = "SELECT record_key FROM patient WHERE shard = $1 AND key = $2";
        let rows = self.query(sql, &[&self.store.shard, &patient.0])?;
        Ok(rows.first().map(|row| RecordKey(row.get::<_, i64>(0) as u64)))
    }

    fn patient_of(&mut self, record_key: RecordKey) -> Result<Option<ResourceKey>> {
        let sql = "SELECT key FROM patient WHERE shard = $1 AND record_key = $2";
        let rows = self.query(sql, &[&self.store.shard, &integer(record_key.0)])?;
        Ok(rows.first().map(|row| ResourceKey(row.get(0))))
    }

    fn directory(&mut self, source_key: i64) -> Result<Option<ResourceKey>> {
        let sql = "SELECT key FROM directory WHERE shard = $1 AND source_key = $2";
        let rows = self.query(sql, &[&self.store.shard, &source_key])?;
        Ok(rows.first().map(|row| ResourceKey(row.get(0))))
    }

    fn chain(&mut self, after: Seq, limit: usize) -> Result<Vec<(Seq, [u8; 32])>> {
        let sql = "SELECT seq, head FROM chain WHERE shard = $1 AND seq > $2 ORDER BY seq LIMIT $3";
        let rows = self.query(sql, &[&self.store.shard, &integer(after), &integer(limit as u64)])?;
        let head = |row: &Row| {
            let hash: Option<[u8; 32]> = row.get::<_, &[u8]>(1).try_into().ok();
            Some((row.get::<_, i64>(0) as Seq, hash?))
        };
        let heads: Option<Vec<(Seq, [u8; 32])>> = rows.iter().map(head).collect();
        heads.ok_or_else(|| StoreError("the hash chain is damaged".to_owned()))
    }

    fn dump_indexes(&mut self, line: &mut dyn FnMut(&str)) -> Result<()> {
        let shard = self.store.shard;
        let sql = format!(
            "SELECT value, seq, extra, record_key, label, slot FROM search WHERE shard = {shard} \
             ORDER BY slot, value, seq, extra"
        );
        self.fetch_all(&sql, &mut |row| {
            line(&dump::number(row.get::<_, i32>(5) as u16, &number_hit(row)));
            Ok(())
        })?;
        let sql = format!(
            "SELECT text, seq, record_key, label, slot FROM search_text WHERE shard = {shard} \
             ORDER BY slot, text, seq"
        );
        self.fetch_all(&sql, &mut |row| {
            line(&dump::text(row.get::<_, i32>(4) as u16, &text_hit(row)?));
            Ok(())
        })?;
        let sql = format!(
            "SELECT record_key, type, code, date, label, seq FROM record WHERE shard = {shard} \
             ORDER BY record_key, type, code, date, seq"
        );
        self.fetch_all(&sql, &mut |row| {
            line(&dump::record(&record_hit(row)));
            Ok(())
        })
    }
}
