//! Reads of one consistent state.

use std::cmp::Ordering;
use std::ops::Bound;

use rusqlite::{CachedStatement, Connection, OptionalExtension, Row, params};
use tongmai_store::{
    Current, Event, EventKind, NumberCursor, NumberHit, NumberRange, Order, RecordHit, RecordKey, RecordRow,
    ResourceKey, Result, Seq, Snapshot, StoreError, TYPE_SLOT, TextHit, TextRange, dump,
};

use crate::SqliteStore;
use crate::readers::Reader;
use crate::schema::error;

fn failed(e: rusqlite::Error) -> StoreError {
    error("reading")(e)
}

/// A reading connection inside a transaction.
pub(crate) struct SqliteSnapshot<'s> {
    store: &'s SqliteStore,
    /// Taken out only when the snapshot ends.
    reader: Option<Reader>,
}

impl<'s> SqliteSnapshot<'s> {
    pub(crate) fn begin(store: &'s SqliteStore) -> Result<SqliteSnapshot<'s>> {
        Ok(SqliteSnapshot { store, reader: Some(store.readers.at_now(store)?) })
    }

    fn reader(&self) -> &Reader {
        self.reader.as_ref().expect("present until the snapshot ends")
    }

    fn connection(&self) -> &Connection {
        self.reader().connection()
    }

    fn statement(&self, sql: &str) -> Result<CachedStatement<'_>> {
        self.connection().prepare_cached(sql).map_err(failed)
    }

    /// Whether rows that were current at `as_of` may lie in the old tables.
    fn looks_back(&self, as_of: Seq) -> bool {
        as_of < self.reader().position()
    }

    fn collect_events(&self, sql: &str, values: impl rusqlite::Params) -> Result<Vec<Event>> {
        let mut statement = self.statement(sql)?;
        let rows = statement.query_map(values, read_event).map_err(failed)?;
        rows.collect::<rusqlite::Result<Vec<Event>>>().map_err(failed)
    }

    #[expect(clippy::too_many_arguments, reason = "the arguments of a scan, and which table")]
    fn scan_table(
        &self,
        old: bool,
        range: &NumberRange,
        order: Order,
        after: Option<NumberCursor>,
        as_of: Seq,
        limit: usize,
        out: &mut Vec<NumberHit>,
    ) -> Result<()> {
        let mut sql = String::with_capacity(220);
        sql.push_str("SELECT value, seq, extra, record_key, label FROM search");
        sql.push_str(if old { "_old" } else { "" });
        let single = range.low == range.high;
        // A cursor outside the one value leaves all of it or nothing.
        let after = match after.map(|cursor| (cursor.value.cmp(&range.low), order)) {
            Some((Ordering::Less, Order::Ascending) | (Ordering::Greater, Order::Descending)) if single => {
                None
            }
            Some((Ordering::Less | Ordering::Greater, _)) if single => return Ok(()),
            _ => after,
        };
        sql.push_str(if single {
            " WHERE slot = ?1 AND value = ?2"
        } else {
            " WHERE slot = ?1 AND value BETWEEN ?2 AND ?3"
        });
        let descending = order == Order::Descending;
        if after.is_some() {
            sql.push_str(match (single, descending) {
                (true, false) => " AND (seq, extra) > (?6, ?7)",
                (true, true) => " AND (seq, extra) < (?6, ?7)",
                (false, false) => " AND (value, seq, extra) > (?5, ?6, ?7)",
                (false, true) => " AND (value, seq, extra) < (?5, ?6, ?7)",
            });
        }
        if self.looks_back(as_of) {
            sql.push_str(if old { " AND seq <= ?4 AND until > ?4" } else { " AND seq <= ?4" });
        }
        sql.push_str(if descending {
            " ORDER BY value DESC, seq DESC, extra DESC LIMIT ?8"
        } else {
            " ORDER BY value, seq, extra LIMIT ?8"
        });
        let cursor = after.unwrap_or(NumberCursor { value: 0, seq: 0, extra: 0 });
        let mut statement = self.statement(&sql)?;
        let values: [i64; 8] = [
            i64::from(range.slot),
            range.low,
            range.high,
            as_of as i64,
            cursor.value,
            cursor.seq as i64,
            cursor.extra,
            limit as i64,
        ];
        for (index, value) in values.iter().enumerate() {
            if sql.contains(PLACEHOLDERS[index]) {
                statement.raw_bind_parameter(index + 1, value).map_err(failed)?;
            }
        }
        let mut rows = statement.raw_query();
        while let Some(row) = rows.next().map_err(failed)? {
            out.push(number_hit(row).map_err(failed)?);
        }
        Ok(())
    }

    #[expect(clippy::too_many_arguments, reason = "the arguments of a scan, and which table")]
    fn scan_text_table(
        &self,
        old: bool,
        range: &TextRange,
        order: Order,
        after: Option<(&str, Seq)>,
        as_of: Seq,
        limit: usize,
        out: &mut Vec<TextHit>,
    ) -> Result<()> {
        let mut sql = String::from("SELECT text, seq, record_key, label FROM search_text");
        sql.push_str(if old { "_old" } else { "" });
        sql.push_str(" WHERE slot = :slot AND text >= :low");
        let high = match &range.high {
            Bound::Unbounded => None,
            Bound::Included(high) => {
                sql.push_str(" AND text <= :high");
                Some(high)
            }
            Bound::Excluded(high) => {
                sql.push_str(" AND text < :high");
                Some(high)
            }
        };
        let descending = order == Order::Descending;
        if after.is_some() {
            sql.push_str(if descending {
                " AND (text, seq) < (:text, :seq)"
            } else {
                " AND (text, seq) > (:text, :seq)"
            });
        }
        let back = self.looks_back(as_of);
        if back {
            sql.push_str(if old { " AND seq <= :as_of AND until > :as_of" } else { " AND seq <= :as_of" });
        }
        sql.push_str(if descending { " ORDER BY text DESC, seq DESC" } else { " ORDER BY text, seq" });
        sql.push_str(" LIMIT :limit");
        let mut values: Vec<(&str, &dyn rusqlite::ToSql)> =
            vec![(":slot", &range.slot), (":low", &range.low)];
        let (as_of, limit) = (as_of as i64, limit as i64);
        let (text, seq) = after.map_or(("", 0), |(text, seq)| (text, seq as i64));
        if let Some(high) = &high {
            values.push((":high", high));
        }
        if after.is_some() {
            values.push((":text", &text));
            values.push((":seq", &seq));
        }
        if back {
            values.push((":as_of", &as_of));
        }
        values.push((":limit", &limit));
        let mut statement = self.statement(&sql)?;
        let mut rows = statement.query(&values[..]).map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            out.push(text_hit(row).map_err(failed)?);
        }
        Ok(())
    }

    fn record_table(
        &self,
        old: bool,
        record_key: RecordKey,
        type_id: Option<u16>,
        code: Option<u16>,
        as_of: Seq,
        out: &mut Vec<RecordHit>,
    ) -> Result<()> {
        let mut sql = String::from("SELECT record_key, type, code, date, label, seq FROM record");
        sql.push_str(if old { "_old" } else { "" });
        sql.push_str(" WHERE record_key = ?1");
        sql.push_str(match (type_id, code) {
            (None, _) => "",
            (Some(_), None) => " AND type = ?2",
            (Some(_), Some(_)) => " AND type = ?2 AND code = ?3",
        });
        let back = self.looks_back(as_of);
        if back {
            sql.push_str(if old { " AND seq <= ?4 AND until > ?4" } else { " AND seq <= ?4" });
        }
        sql.push_str(" ORDER BY type, code, date, seq");
        let mut statement = self.statement(&sql)?;
        let values = [
            record_key.0 as i64,
            i64::from(type_id.unwrap_or(0)),
            i64::from(code.unwrap_or(0)),
            as_of as i64,
        ];
        for (index, value) in values.iter().enumerate() {
            if sql.contains(PLACEHOLDERS[index]) {
                statement.raw_bind_parameter(index + 1, value).map_err(failed)?;
            }
        }
        let mut rows = statement.raw_query();
        while let Some(row) = rows.next().map_err(failed)? {
            out.push(record_hit(row).map_err(failed)?);
        }
        Ok(())
    }
}

const PLACEHOLDERS: [&str; 8] = ["?1", "?2", "?3", "?4", "?5", "?6", "?7", "?8"];

impl Drop for SqliteSnapshot<'_> {
    fn drop(&mut self) {
        if let Some(reader) = self.reader.take() {
            self.store.readers.give_back(reader);
        }
    }
}

fn number_hit(row: &Row<'_>) -> rusqlite::Result<NumberHit> {
    Ok(NumberHit {
        value: row.get(0)?,
        seq: row.get::<_, i64>(1)? as Seq,
        extra: row.get(2)?,
        record_key: RecordKey(row.get::<_, i64>(3)? as u64),
        label: row.get(4)?,
    })
}

fn text_hit(row: &Row<'_>) -> rusqlite::Result<TextHit> {
    Ok(TextHit {
        text: row.get(0)?,
        seq: row.get::<_, i64>(1)? as Seq,
        record_key: RecordKey(row.get::<_, i64>(2)? as u64),
        label: row.get(3)?,
    })
}

fn record_hit(row: &Row<'_>) -> rusqlite::Result<RecordHit> {
    Ok(RecordHit {
        row: RecordRow {
            record_key: RecordKey(row.get::<_, i64>(0)? as u64),
            type_id: row.get(1)?,
            code: row.get(2)?,
            date: row.get(3)?,
            label: row.get(4)?,
        },
        seq: row.get::<_, i64>(5)? as Seq,
    })
}

const EVENT: &str = "SELECT e.seq, e.kind, e.type, e.key, e.version, e.record_key, e.label, e.time, e.actor, \
                     e.purpose, e.previous, e.lineage, e.body, e.commitment FROM event e";

fn read_event(row: &Row<'_>) -> rusqlite::Result<Event> {
    let seq = row.get::<_, i64>(0)? as Seq;
    let kind = EventKind::from_number(row.get(1)?).unwrap_or(EventKind::Put);
    let previous = row.get::<_, i64>(10)? as Seq;
    let lineage = row.get_ref(11)?.as_blob_or_null()?;
    let (origin, origin_seq) = decode_origin(lineage, seq);
    Ok(Event {
        seq,
        origin,
        origin_seq,
        parents: decode_parents(lineage, previous),
        hybrid_time: row.get::<_, i64>(7)? as u64,
        kind,
        type_id: row.get(2)?,
        key: ResourceKey(row.get(3)?),
        version: row.get(4)?,
        record_key: RecordKey(row.get::<_, i64>(5)? as u64),
        label: row.get(6)?,
        actor: row.get(8)?,
        purpose: row.get(9)?,
        body: row.get_ref(12)?.as_blob_or_null()?.unwrap_or_default().to_vec(),
        commitment: row.get_ref(13)?.as_blob_or_null()?.and_then(|hash| hash.try_into().ok()),
    })
}

/// Origin and further parents of an event that another node wrote, or that joins siblings: origin
/// (4 bytes), position there (8), then every parent but the previous version (8 each). Events of
/// this node with at most one parent, which is nearly all, have none.
pub(crate) fn encode_lineage(event: &Event) -> Option<Vec<u8>> {
    if event.origin == 0 && event.origin_seq == event.seq && event.parents.len() <= 1 {
        return None;
    }
    let mut bytes = event.origin.to_be_bytes().to_vec();
    bytes.extend(event.origin_seq.to_be_bytes());
    for parent in event.parents.iter().skip(1) {
        bytes.extend(parent.to_be_bytes());
    }
    Some(bytes)
}

fn decode_origin(lineage: Option<&[u8]>, seq: Seq) -> (u32, u64) {
    let number = |bytes: &[u8]| bytes.iter().fold(0u64, |number, &byte| number << 8 | u64::from(byte));
    match lineage {
        Some(bytes) if bytes.len() >= 12 => (number(&bytes[..4]) as u32, number(&bytes[4..12])),
        _ => (0, seq),
    }
}

pub(crate) fn decode_parents(lineage: Option<&[u8]>, previous: Seq) -> Vec<Seq> {
    let mut parents = Vec::new();
    if previous != 0 {
        parents.push(previous);
    }
    if let Some(rest) = lineage.and_then(|bytes| bytes.get(12..)) {
        parents.extend(rest.chunks_exact(8).map(|c| c.iter().fold(0u64, |n, &b| n << 8 | u64::from(b))));
    }
    parents
}

pub(crate) fn newest_event(connection: &Connection, key: ResourceKey) -> Result<Option<Event>> {
    let sql = const_format(EVENT, " JOIN resource r ON r.seq = e.seq WHERE r.key = ?1");
    let mut statement = connection.prepare_cached(&sql).map_err(failed)?;
    statement.query_row([key.0], read_event).optional().map_err(failed)
}

pub(crate) fn read_current(connection: &Connection, key: ResourceKey) -> Result<Option<Current>> {
    connection
        .prepare_cached("SELECT seq, version, record_key, state FROM resource WHERE key = ?1")
        .map_err(failed)?
        .query_row([key.0], |row| {
            let state: i64 = row.get(3)?;
            Ok(Current {
                seq: row.get::<_, i64>(0)? as Seq,
                version: row.get(1)?,
                record_key: RecordKey(row.get::<_, i64>(2)? as u64),
                deleted: state & 1 != 0,
                restricted: state & 2 != 0,
            })
        })
        .optional()
        .map_err(failed)
}

/// Puts the rows of the old table, which `out[from..]` ends with, in their places.
fn merge<T, K: Ord>(out: &mut Vec<T>, from: usize, order: Order, limit: usize, key: impl Fn(&T) -> K) {
    out[from..].sort_by(|a, b| match order {
        Order::Ascending => key(a).cmp(&key(b)),
        Order::Descending => key(b).cmp(&key(a)),
    });
    out.truncate(from + limit);
}

impl Snapshot for SqliteSnapshot<'_> {
    fn position(&self) -> Seq {
        self.reader().position()
    }

    fn current(&mut self, key: ResourceKey) -> Result<Option<Current>> {
        read_current(self.connection(), key)
    }

    fn current_event(&mut self, key: ResourceKey) -> Result<Option<Event>> {
        newest_event(self.connection(), key)
    }

    fn events(&mut self, seqs: &[Seq]) -> Result<Vec<Event>> {
        let mut statement = self.statement(&const_format(EVENT, " WHERE e.seq = ?1"))?;
        let mut events = Vec::with_capacity(seqs.len());
        for &seq in seqs {
            if let Some(event) = statement.query_row([seq as i64], read_event).optional().map_err(failed)? {
                events.push(event);
            }
        }
        Ok(events)
    }

    fn keys(&mut self, seqs: &[Seq]) -> Result<Vec<ResourceKey>> {
        let mut statement = self.statement("SELECT key FROM event WHERE seq = ?1")?;
        seqs.iter()
            .map(|&seq| statement.query_row([seq as i64], |row| row.get(0)).map(ResourceKey).map_err(failed))
            .collect()
    }

    fn feed(&mut self, after: Seq, limit: usize) -> Result<Vec<Event>> {
        let sql = const_format(EVENT, " WHERE e.seq > ?1 ORDER BY e.seq LIMIT ?2");
        self.collect_events(&sql, params![after as i64, limit as i64])
    }

    fn history(&mut self, key: ResourceKey, before: Seq, limit: usize) -> Result<Vec<Event>> {
        let Some(current) = self.current(key)? else { return Ok(Vec::new()) };
        let mut events = Vec::new();
        let mut at = current.seq;
        let mut previous = self.statement("SELECT previous FROM event WHERE seq = ?1")?;
        let mut wanted = Vec::new();
        while at != 0 && wanted.len() < limit {
            if at < before {
                wanted.push(at);
            }
            at = previous.query_row([at as i64], |row| row.get::<_, i64>(0)).map_err(failed)? as Seq;
        }
        drop(previous);
        events.extend(self.events(&wanted)?);
        Ok(events)
    }

    fn type_history(&mut self, type_id: Option<u16>, before: Seq, limit: usize) -> Result<Vec<Event>> {
        let before = i64::try_from(before).unwrap_or(i64::MAX);
        let Some(type_id) = type_id else {
            let sql = const_format(EVENT, " WHERE e.seq < ?1 ORDER BY e.seq DESC LIMIT ?2");
            return self.collect_events(&sql, params![before, limit as i64]);
        };
        let seqs: Vec<Seq> = {
            let mut statement = self.statement(
                "SELECT seq FROM (SELECT seq FROM search WHERE slot = ?1 AND value = ?2 AND seq < ?3 \
                 ORDER BY seq DESC LIMIT ?4) UNION SELECT seq FROM (SELECT seq FROM past WHERE type = ?2 \
                 AND seq < ?3 ORDER BY seq DESC LIMIT ?4) ORDER BY seq DESC LIMIT ?4",
            )?;
            let rows = statement
                .query_map(params![TYPE_SLOT, type_id, before, limit as i64], |row| {
                    row.get::<_, i64>(0).map(|seq| seq as Seq)
                })
                .map_err(failed)?;
            rows.collect::<rusqlite::Result<_>>().map_err(failed)?
        };
        self.events(&seqs)
    }

    fn position_at(&mut self, milliseconds: i64) -> Result<Seq> {
        let mut statement = self.statement("SELECT time FROM event WHERE seq = ?1")?;
        let (mut low, mut high) = (1, self.position() + 1);
        while low < high {
            let middle = low + (high - low) / 2;
            let time = statement.query_row([middle as i64], |row| row.get::<_, i64>(0)).map_err(failed)?;
            if (time as u64 >> 16) as i64 >= milliseconds { high = middle } else { low = middle + 1 }
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
        let from = out.len();
        self.scan_table(false, range, order, after, as_of, limit, out)?;
        if self.looks_back(as_of) {
            self.scan_table(true, range, order, after, as_of, limit, out)?;
            merge(out, from, order, limit, |hit| (hit.value, hit.seq, hit.extra));
        }
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
        let from = out.len();
        let with_extra = if extra.is_some() { " AND extra = ?4" } else { "" };
        let mut statement = self.statement(&format!(
            "SELECT 1 FROM search WHERE slot = ?1 AND value = ?2 AND seq = ?3{with_extra} LIMIT 1"
        ))?;
        let back = self.looks_back(as_of);
        for &seq in seqs {
            let found = match extra {
                Some(extra) => statement.exists(params![slot, value, seq as i64, extra]),
                None => statement.exists(params![slot, value, seq as i64]),
            };
            out.push(found.map_err(failed)? && seq <= as_of);
        }
        if back && out[from..].contains(&false) {
            let mut statement = self.statement(&format!(
                "SELECT 1 FROM search_old WHERE slot = ?1 AND value = ?2 AND seq = ?3 AND seq <= ?5 AND until > ?5{with_extra} LIMIT 1"
            ))?;
            for (index, &seq) in
                seqs.iter().enumerate().filter(|(index, _)| !out[from + index]).collect::<Vec<_>>()
            {
                statement.raw_bind_parameter(1, slot).map_err(failed)?;
                statement.raw_bind_parameter(2, value).map_err(failed)?;
                statement.raw_bind_parameter(3, seq as i64).map_err(failed)?;
                if let Some(extra) = extra {
                    statement.raw_bind_parameter(4, extra).map_err(failed)?;
                }
                statement.raw_bind_parameter(5, as_of as i64).map_err(failed)?;
                out[from + index] = statement.raw_query().next().map_err(failed)?.is_some();
            }
        }
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
        let from = out.len();
        self.scan_text_table(false, range, order, after, as_of, limit, out)?;
        if self.looks_back(as_of) {
            self.scan_text_table(true, range, order, after, as_of, limit, out)?;
            merge(out, from, order, limit, |hit| (hit.text.clone(), hit.seq));
        }
        Ok(())
    }

    fn count(&mut self, range: &NumberRange, as_of: Seq, limit: usize) -> Result<usize> {
        let single = range.low == range.high;
        let condition = if single { "value = ?2" } else { "value BETWEEN ?2 AND ?3" };
        let mut total = 0;
        let back = self.looks_back(as_of);
        for old in [false, true] {
            if old && !back {
                break;
            }
            let table = if old { "search_old" } else { "search" };
            let bound = match (back, old) {
                (false, _) => "",
                (true, false) => " AND seq <= ?4",
                (true, true) => " AND seq <= ?4 AND until > ?4",
            };
            let sql = format!(
                "SELECT count(*) FROM (SELECT 1 FROM {table} WHERE slot = ?1 AND {condition}{bound} LIMIT ?5)"
            );
            let mut statement = self.statement(&sql)?;
            let values = [i64::from(range.slot), range.low, range.high, as_of as i64, limit as i64];
            for (index, value) in values.iter().enumerate() {
                if sql.contains(PLACEHOLDERS[index]) {
                    statement.raw_bind_parameter(index + 1, value).map_err(failed)?;
                }
            }
            let mut rows = statement.raw_query();
            if let Some(row) = rows.next().map_err(failed)? {
                total += row.get::<_, i64>(0).map_err(failed)? as usize;
            }
        }
        Ok(total.min(limit))
    }

    fn record(
        &mut self,
        record_key: RecordKey,
        type_id: Option<u16>,
        code: Option<u16>,
        as_of: Seq,
        out: &mut Vec<RecordHit>,
    ) -> Result<()> {
        let from = out.len();
        self.record_table(false, record_key, type_id, code, as_of, out)?;
        if self.looks_back(as_of) {
            self.record_table(true, record_key, type_id, code, as_of, out)?;
            out[from..].sort_by_key(|hit| (hit.row.type_id, hit.row.code, hit.row.date, hit.seq));
        }
        Ok(())
    }

    fn record_key(&mut self, patient: ResourceKey) -> Result<Option<RecordKey>> {
        self.statement("SELECT record_key FROM patient WHERE key = ?1")?
            .query_row([patient.0], |row| row.get::<_, i64>(0).map(|key| RecordKey(key as u64)))
            .optional()
            .map_err(failed)
    }

    fn patient_of(&mut self, record_key: RecordKey) -> Result<Option<ResourceKey>> {
        self.statement("SELECT key FROM patient_key WHERE record_key = ?1")?
            .query_row([record_key.0 as i64], |row| row.get(0).map(ResourceKey))
            .optional()
            .map_err(failed)
    }

    fn directory(&mut self, source_key: i64) -> Result<Option<ResourceKey>> {
        self.statement("SELECT key FROM directory WHERE source_key = ?1")?
            .query_row([source_key], |row| row.get(0).map(ResourceKey))
            .optional()
            .map_err(failed)
    }

    fn chain(&mut self, after: Seq, limit: usize) -> Result<Vec<(Seq, [u8; 32])>> {
        let mut statement =
            self.statement("SELECT seq, head FROM chain WHERE seq > ?1 ORDER BY seq LIMIT ?2")?;
        let rows = statement
            .query_map(params![after as i64, limit as i64], |row| {
                Ok((row.get::<_, i64>(0)? as Seq, row.get(1)?))
            })
            .map_err(failed)?;
        rows.collect::<rusqlite::Result<_>>().map_err(failed)
    }

    fn dump_indexes(&mut self, line: &mut dyn FnMut(&str)) -> Result<()> {
        let mut statement = self.statement(
            "SELECT value, seq, extra, record_key, label, slot FROM search ORDER BY slot, value, seq, extra",
        )?;
        let mut rows = statement.query([]).map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            let slot = row.get(5).map_err(failed)?;
            line(&dump::number(slot, &number_hit(row).map_err(failed)?));
        }
        let mut statement = self.statement(
            "SELECT text, seq, record_key, label, slot FROM search_text ORDER BY slot, text, seq",
        )?;
        let mut rows = statement.query([]).map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            let slot = row.get(4).map_err(failed)?;
            line(&dump::text(slot, &text_hit(row).map_err(failed)?));
        }
        let mut statement = self.statement(
            "SELECT record_key, type, code, date, label, seq FROM record \
             ORDER BY record_key, type, code, date, seq",
        )?;
        let mut rows = statement.query([]).map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            line(&dump::record(&record_hit(row).map_err(failed)?));
        }
        Ok(())
    }
}

fn const_format(head: &str, tail: &str) -> String {
    let mut sql = String::with_capacity(head.len() + tail.len());
    sql.push_str(head);
    sql.push_str(tail);
    sql
}
