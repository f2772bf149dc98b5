//! Applies a group of transactions in one SQLite transaction.
//!
//! Index rows of the whole group are gathered, sorted and inserted last, so
//! that neighbouring keys touch the same page once.

use std::collections::HashMap;

use rusqlite::{CachedStatement, Connection, OptionalExtension, params};
use tongmai_store::{
    Change, Committed, Current, Event, EventKind, Expectation, Guard, IndexRows, NumberRow, RecordKey,
    RecordRow, Rejection, ResourceKey, Result, Seq, StoreError, TextRow, Transaction, chain,
};

use crate::schema::error;
use crate::snapshot::{encode_lineage, read_current};
use crate::{SqliteStore, lock};

type Answer = std::result::Result<Committed, Rejection>;

/// Applies `transactions`; returns the answers and how many rows were written.
pub(crate) fn commit(
    store: &SqliteStore,
    connection: &Connection,
    transactions: &[Transaction],
) -> Result<(Vec<Answer>, u64)> {
    connection.execute_batch("BEGIN IMMEDIATE").map_err(error("beginning a commit"))?;
    match Group::apply(store, connection, transactions) {
        Ok((answers, rows, given)) => {
            connection.execute_batch("COMMIT").map_err(|e| {
                let _ = connection.execute_batch("ROLLBACK");
                StoreError(format!("committing: {e}"))
            })?;
            given.settle(store);
            Ok((answers, rows))
        }
        Err(failure) => {
            // The error that matters is the first one.
            let _ = connection.execute_batch("ROLLBACK");
            Err(failure)
        }
    }
}

/// What was given out and is durable once the commit is.
struct GivenOut {
    records: Vec<ResourceKey>,
    /// Every record key that was filed is below this.
    records_below: u64,
    symbols: usize,
}

impl GivenOut {
    fn settle(self, store: &SqliteStore) {
        let mut given = lock(&store.given);
        for key in &self.records {
            given.pending.remove(key);
        }
        given.next_record_key = given.next_record_key.max(self.records_below);
        drop(given);
        let mut symbols = store.symbols.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        symbols.committed = symbols.committed.max(self.symbols);
    }
}

struct Number {
    row: NumberRow,
    seq: Seq,
    record_key: RecordKey,
}

/// A group under way.
struct Group<'c> {
    connection: &'c Connection,
    secret: [u8; 32],
    next: Seq,
    /// Positions from here on were given out by this group and their rows may still be gathered.
    gathered_from: Seq,
    current: HashMap<ResourceKey, Option<Current>>,
    numbers: Vec<Number>,
    texts: Vec<(TextRow, Seq, RecordKey)>,
    records: Vec<(RecordRow, Seq)>,
    events: Vec<Event>,
    records_below: u64,
    rows: u64,
}

fn failed(e: rusqlite::Error) -> StoreError {
    error("writing")(e)
}

impl<'c> Group<'c> {
    fn apply(
        store: &SqliteStore,
        connection: &'c Connection,
        transactions: &[Transaction],
    ) -> Result<(Vec<Answer>, u64, GivenOut)> {
        let last = connection
            .prepare_cached("SELECT seq, head FROM chain ORDER BY seq DESC LIMIT 1")
            .map_err(failed)?
            .query_row([], |row| Ok((row.get::<_, i64>(0)? as Seq, row.get::<_, [u8; 32]>(1)?)))
            .optional()
            .map_err(failed)?;
        let (position, head) = last.unwrap_or((0, chain::GENESIS));
        let mut group = Group {
            connection,
            secret: store.secret,
            next: position + 1,
            gathered_from: position + 1,
            current: HashMap::new(),
            numbers: Vec::new(),
            texts: Vec::new(),
            records: Vec::new(),
            events: Vec::new(),
            records_below: 0,
            rows: 0,
        };
        let mut answers = Vec::with_capacity(transactions.len());
        for transaction in transactions {
            answers.push(group.transaction(transaction)?);
        }
        group.flush()?;
        let given = group.write_given(store)?;
        if !group.events.is_empty() {
            let head = chain::next(&head, &group.secret, &group.events);
            group.execute("INSERT INTO chain VALUES (?1, ?2)", params![group.next as i64 - 1, &head[..]])?;
        }
        Ok((answers, group.rows, given))
    }

    fn statement(&self, sql: &str) -> Result<CachedStatement<'c>> {
        self.connection.prepare_cached(sql).map_err(failed)
    }

    fn execute(&self, sql: &str, values: impl rusqlite::Params) -> Result<usize> {
        self.statement(sql)?.execute(values).map_err(failed)
    }

    fn transaction(&mut self, transaction: &Transaction) -> Result<Answer> {
        if let Err(rejection) = self.admit(transaction)? {
            return Ok(Err(rejection));
        }
        let first = self.next;
        for change in &transaction.changes {
            self.change(change, transaction)?;
        }
        Ok(Ok(Committed { first }))
    }

    /// Checks everything before anything is written, so that a rejection leaves nothing behind.
    fn admit(&mut self, transaction: &Transaction) -> Result<std::result::Result<(), Rejection>> {
        for guard in &transaction.guards {
            if !self.holds(guard)? {
                return Ok(Err(Rejection::GuardFailed));
            }
        }
        // A transaction may change one resource twice only if it says so by position, which it
        // cannot know; so within it each resource is expected as it was before.
        for (index, change) in transaction.changes.iter().enumerate() {
            let now = self.lookup(change.key)?;
            let fits = match change.expected {
                Expectation::Absent => now.is_none(),
                Expectation::At(seq) => now.is_some_and(|current| current.seq == seq),
            };
            let doubled = transaction.changes[..index].iter().any(|earlier| earlier.key == change.key);
            if !fits || (transaction.changes.len() <= 64 && doubled) {
                return Ok(Err(Rejection::Changed(index)));
            }
        }
        if transaction.changes.len() > 64 {
            let mut seen = std::collections::HashSet::new();
            if let Some(index) = transaction.changes.iter().position(|change| !seen.insert(change.key)) {
                return Ok(Err(Rejection::Changed(index)));
            }
        }
        Ok(Ok(()))
    }

    fn holds(&self, guard: &Guard) -> Result<bool> {
        match *guard {
            Guard::NothingSince(position) => Ok(self.next == position + 1),
            Guard::NoNewRow { slot, value, after } => {
                if self.numbers.iter().any(|n| n.row.slot == slot && n.row.value == value) {
                    return Ok(false);
                }
                let newer = self
                    .statement("SELECT 1 FROM search WHERE slot = ?1 AND value = ?2 AND seq > ?3 LIMIT 1")?
                    .exists(params![slot, value, after as i64])
                    .map_err(failed)?;
                Ok(!newer)
            }
        }
    }

    fn lookup(&mut self, key: ResourceKey) -> Result<Option<Current>> {
        if let Some(known) = self.current.get(&key) {
            return Ok(*known);
        }
        let found = read_current(self.connection, key)?;
        self.current.insert(key, found);
        Ok(found)
    }

    fn change(&mut self, change: &Change, transaction: &Transaction) -> Result<()> {
        let seq = self.next;
        self.next += 1;
        let before = self.lookup(change.key)?;
        let event = Event {
            seq,
            origin: 0,
            origin_seq: seq,
            parents: before.map(|b| b.seq).into_iter().collect(),
            hybrid_time: change.hybrid_time,
            kind: change.kind,
            type_id: change.type_id,
            key: change.key,
            version: change.version,
            record_key: change.record_key,
            label: change.label,
            actor: transaction.actor,
            purpose: transaction.purpose,
            body: change.body.clone(),
            commitment: None,
        };
        self.write_event(&event)?;
        if let Some(before) = before {
            self.supersede(change, before, seq)?;
        }
        self.gather(&change.add, seq, change.record_key);
        let now = Current {
            seq,
            version: change.version,
            record_key: change.record_key,
            deleted: match change.kind {
                EventKind::Delete | EventKind::Purge => true,
                EventKind::Put => false,
                EventKind::Restrict | EventKind::Release | EventKind::Move => {
                    before.is_some_and(|b| b.deleted)
                }
            },
            restricted: match change.kind {
                EventKind::Restrict => true,
                EventKind::Release => false,
                _ => before.is_some_and(|b| b.restricted),
            },
        };
        self.write_current(change.key, now, before.is_none())?;
        if let Some(record_key) = change.patient_record {
            self.write_patient(change.key, record_key)?;
        }
        if let Some(source_key) = change.source_key {
            self.execute(
                "INSERT OR REPLACE INTO directory VALUES (?1, ?2)",
                params![source_key, change.key.0],
            )?;
            self.rows += 1;
        }
        self.events.push(event);
        Ok(())
    }

    fn write_event(&mut self, event: &Event) -> Result<()> {
        let previous = event.parents.first().copied().unwrap_or(0);
        self.execute(
            "INSERT INTO event VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, NULL)",
            params![
                event.seq as i64,
                event.kind as u8,
                event.type_id,
                event.key.0,
                event.version,
                event.record_key.0 as i64,
                event.label,
                event.hybrid_time as i64,
                event.actor,
                event.purpose,
                previous as i64,
                encode_lineage(event),
                if event.body.is_empty() { None } else { Some(&event.body[..]) },
            ],
        )?;
        self.rows += 1;
        Ok(())
    }

    fn write_current(&mut self, key: ResourceKey, now: Current, new: bool) -> Result<()> {
        let sql = if new {
            "INSERT INTO resource VALUES (?1, ?2, ?3, ?4, ?5)"
        } else {
            "UPDATE resource SET seq = ?2, version = ?3, record_key = ?4, state = ?5 WHERE key = ?1"
        };
        let state = i64::from(now.deleted) | i64::from(now.restricted) << 1;
        self.execute(sql, params![key.0, now.seq as i64, now.version, now.record_key.0 as i64, state])?;
        self.current.insert(key, Some(now));
        self.rows += 1;
        Ok(())
    }

    /// Moves the rows of the version before to the old tables, or drops them in a purge.
    fn supersede(&mut self, change: &Change, before: Current, seq: Seq) -> Result<()> {
        if before.seq >= self.gathered_from {
            self.flush()?;
            // Rows of this very change are gathered next.
            self.gathered_from = seq;
        }
        let keep = change.kind != EventKind::Purge;
        let (old, until, record) = (before.seq as i64, seq as i64, before.record_key.0 as i64);
        for row in &change.remove.numbers {
            self.execute(
                "DELETE FROM search WHERE slot = ?1 AND value = ?2 AND seq = ?3 AND extra = ?4",
                params![row.slot, row.value, old, row.extra],
            )?;
            if keep {
                self.execute(
                    "INSERT OR REPLACE INTO search_old VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                    params![row.slot, row.value, old, row.extra, until, record, row.label],
                )?;
            }
        }
        for row in &change.remove.texts {
            self.execute(
                "DELETE FROM search_text WHERE slot = ?1 AND text = ?2 AND seq = ?3",
                params![row.slot, row.text, old],
            )?;
            if keep {
                self.execute(
                    "INSERT OR REPLACE INTO search_text_old VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                    params![row.slot, row.text, old, until, record, row.label],
                )?;
            }
        }
        for row in &change.remove.records {
            let key = params![row.record_key.0 as i64, row.type_id, row.code, row.date, old];
            self.execute(
                "DELETE FROM record WHERE record_key = ?1 AND type = ?2 AND code = ?3 AND date = ?4 AND seq = ?5",
                key,
            )?;
            if keep {
                self.execute(
                    "INSERT OR REPLACE INTO record_old VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                    params![row.record_key.0 as i64, row.type_id, row.code, row.date, old, until, row.label],
                )?;
            }
        }
        if !before.deleted {
            self.execute("INSERT OR IGNORE INTO past VALUES (?1, ?2)", params![change.type_id, old])?;
        }
        if matches!(change.kind, EventKind::Delete | EventKind::Purge) {
            self.execute("INSERT OR IGNORE INTO past VALUES (?1, ?2)", params![change.type_id, until])?;
        }
        if !keep {
            self.erase(before.seq)?;
        }
        self.rows += 2 * (change.remove.numbers.len() + change.remove.texts.len()) as u64 + 2;
        Ok(())
    }

    /// Replaces the bodies of all versions up to `newest` by their commitments, and drops what the
    /// old index tables still hold of them.
    fn erase(&mut self, newest: Seq) -> Result<()> {
        let mut at = newest;
        while at != 0 {
            let (body, previous, purged) = self
                .statement("SELECT body, previous, commitment IS NOT NULL FROM event WHERE seq = ?1")?
                .query_row([at as i64], |row| {
                    let body: Option<Vec<u8>> = row.get(0)?;
                    Ok((body.unwrap_or_default(), row.get::<_, i64>(1)? as Seq, row.get::<_, bool>(2)?))
                })
                .map_err(failed)?;
            if !purged {
                let commitment = chain::commitment(&self.secret, at, &body);
                self.execute(
                    "UPDATE event SET body = NULL, commitment = ?2 WHERE seq = ?1",
                    params![at as i64, &commitment[..]],
                )?;
            }
            // Old rows lead with slot and value, so a purge, which is rare, looks at all of them.
            for table in ["search_old", "search_text_old", "record_old"] {
                self.execute(&format!("DELETE FROM {table} WHERE seq = ?1"), [at as i64])?;
            }
            at = previous;
        }
        Ok(())
    }

    fn gather(&mut self, rows: &IndexRows, seq: Seq, record_key: RecordKey) {
        self.numbers.extend(rows.numbers.iter().map(|&row| Number { row, seq, record_key }));
        self.texts.extend(rows.texts.iter().map(|row| (row.clone(), seq, record_key)));
        self.records.extend(rows.records.iter().map(|&row| (row, seq)));
    }

    /// Inserts the gathered rows in key order.
    fn flush(&mut self) -> Result<()> {
        self.numbers.sort_unstable_by_key(|n| (n.row.slot, n.row.value, n.seq, n.row.extra));
        let mut insert = self.statement("INSERT OR IGNORE INTO search VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?;
        for number in &self.numbers {
            let row = &number.row;
            let record = number.record_key.0 as i64;
            insert
                .execute(params![row.slot, row.value, number.seq as i64, row.extra, record, row.label])
                .map_err(failed)?;
        }
        self.texts.sort_unstable();
        let mut insert = self.statement("INSERT OR IGNORE INTO search_text VALUES (?1, ?2, ?3, ?4, ?5)")?;
        for (row, seq, record_key) in &self.texts {
            insert
                .execute(params![row.slot, row.text, *seq as i64, record_key.0 as i64, row.label])
                .map_err(failed)?;
        }
        self.records.sort_unstable();
        let mut insert = self.statement("INSERT OR IGNORE INTO record VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?;
        for (row, seq) in &self.records {
            insert
                .execute(params![
                    row.record_key.0 as i64,
                    row.type_id,
                    row.code,
                    row.date,
                    *seq as i64,
                    row.label
                ])
                .map_err(failed)?;
        }
        self.rows += (self.numbers.len() + self.texts.len() + self.records.len()) as u64;
        self.numbers.clear();
        self.texts.clear();
        self.records.clear();
        self.gathered_from = self.next;
        Ok(())
    }

    fn write_patient(&mut self, key: ResourceKey, record_key: RecordKey) -> Result<()> {
        self.records_below = self.records_below.max(record_key.0.saturating_add(1));
        let record_key = record_key.0 as i64;
        self.execute("INSERT OR IGNORE INTO patient VALUES (?1, ?2)", params![key.0, record_key])?;
        self.execute("INSERT OR IGNORE INTO patient_key VALUES (?1, ?2)", params![record_key, key.0])?;
        self.rows += 2;
        Ok(())
    }

    /// Makes the symbols and record keys durable that were given out since the last commit.
    fn write_given(&mut self, store: &SqliteStore) -> Result<GivenOut> {
        let pending: Vec<(ResourceKey, RecordKey)> =
            lock(&store.given).pending.iter().map(|(key, record)| (*key, *record)).collect();
        for (key, record_key) in &pending {
            self.write_patient(*key, *record_key)?;
        }
        let symbols = store.symbols.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        for (index, text) in symbols.by_id.iter().enumerate().skip(symbols.committed) {
            self.execute("INSERT OR IGNORE INTO symbol VALUES (?1, ?2)", params![index as i64 + 1, &**text])?;
        }
        Ok(GivenOut {
            records: pending.into_iter().map(|(key, _)| key).collect(),
            records_below: self.records_below,
            symbols: symbols.by_id.len(),
        })
    }
}
