//! The tables on PostgreSQL.
//!
//! `shard` leads every key, so that a cluster can distribute the tables by it;
//! `symbol` and `meta` are the same for all shards. Texts are kept as bytes:
//! they compare byte by byte whatever the database's encoding and collation
//! are, and may hold what `text` refuses (a NUL out of dirty input).

use tongmai_store::{Result, StoreError};

use crate::pool::Connection;

/// Written into `meta`; a release opens the last one's.
pub const FORMAT_VERSION: i32 = 1;
/// The oldest server that is supported.
const SERVER_VERSION: i32 = 150_000;

/// The first number of every advisory lock of this program: "TM".
pub(crate) const LOCK: i32 = 0x544d;
/// The lock of what belongs to no shard: the schema and the symbols. Shards are not negative.
pub(crate) const COMMON_LOCK: i32 = -1;

/// Every table, for sizes.
pub(crate) const TABLES: [&str; 13] = [
    "event",
    "resource",
    "search",
    "search_old",
    "search_text",
    "search_text_old",
    "record",
    "record_old",
    "patient",
    "directory",
    "symbol",
    "chain",
    "meta",
];

/// Tables whose rows point at versions.
pub(crate) const INDEXES: [&str; 6] =
    ["search", "search_old", "search_text", "search_text_old", "record", "record_old"];

/// Bodies are compressed already. Old rows come in the order of `until`, which is all that a
/// block-range index needs to find those to forget.
const DEFINITION: &str = "
CREATE SCHEMA IF NOT EXISTS tongmai;
CREATE TABLE meta (format integer NOT NULL, secret bytea NOT NULL);
CREATE TABLE event (
  seq bigint NOT NULL, origin_seq bigint NOT NULL, hybrid_time bigint NOT NULL, key bigint NOT NULL,
  record_key bigint NOT NULL, origin bigint NOT NULL, version bigint NOT NULL, actor bigint NOT NULL,
  purpose bigint NOT NULL, shard integer NOT NULL, kind integer NOT NULL, type integer NOT NULL,
  label integer NOT NULL, parents bigint[] NOT NULL, body bytea NOT NULL, commitment bytea,
  PRIMARY KEY (shard, seq));
ALTER TABLE event ALTER COLUMN body SET STORAGE EXTERNAL;
CREATE INDEX event_by_key ON event (shard, key, seq);
CREATE INDEX event_by_type ON event (shard, type, seq);
CREATE TABLE resource (
  key bigint NOT NULL, seq bigint NOT NULL, version bigint NOT NULL, record_key bigint NOT NULL,
  shard integer NOT NULL, deleted boolean NOT NULL, restricted boolean NOT NULL,
  PRIMARY KEY (shard, key));
CREATE TABLE search (
  value bigint NOT NULL, seq bigint NOT NULL, extra bigint NOT NULL, record_key bigint NOT NULL,
  shard integer NOT NULL, slot integer NOT NULL, label integer NOT NULL,
  PRIMARY KEY (shard, slot, value, seq, extra));
CREATE TABLE search_old (
  value bigint NOT NULL, seq bigint NOT NULL, extra bigint NOT NULL, record_key bigint NOT NULL,
  shard integer NOT NULL, slot integer NOT NULL, label integer NOT NULL, until bigint NOT NULL,
  PRIMARY KEY (shard, slot, value, seq, extra, until));
CREATE INDEX search_old_until ON search_old USING brin (until);
CREATE TABLE search_text (
  seq bigint NOT NULL, record_key bigint NOT NULL,
  shard integer NOT NULL, slot integer NOT NULL, label integer NOT NULL, text bytea NOT NULL,
  PRIMARY KEY (shard, slot, text, seq));
CREATE TABLE search_text_old (
  seq bigint NOT NULL, record_key bigint NOT NULL,
  shard integer NOT NULL, slot integer NOT NULL, label integer NOT NULL, text bytea NOT NULL,
  until bigint NOT NULL,
  PRIMARY KEY (shard, slot, text, seq, until));
CREATE INDEX search_text_old_until ON search_text_old USING brin (until);
CREATE TABLE record (
  record_key bigint NOT NULL, date bigint NOT NULL, seq bigint NOT NULL,
  shard integer NOT NULL, type integer NOT NULL, code integer NOT NULL, label integer NOT NULL,
  PRIMARY KEY (shard, record_key, type, code, date, seq));
CREATE TABLE record_old (
  record_key bigint NOT NULL, date bigint NOT NULL, seq bigint NOT NULL,
  shard integer NOT NULL, type integer NOT NULL, code integer NOT NULL, label integer NOT NULL,
  until bigint NOT NULL,
  PRIMARY KEY (shard, record_key, type, code, date, seq, until));
CREATE INDEX record_old_until ON record_old USING brin (until);
CREATE TABLE patient (
  key bigint NOT NULL, record_key bigint NOT NULL, shard integer NOT NULL,
  PRIMARY KEY (shard, key), UNIQUE (shard, record_key));
CREATE TABLE directory (
  source_key bigint NOT NULL, key bigint NOT NULL, shard integer NOT NULL,
  PRIMARY KEY (shard, source_key));
CREATE TABLE symbol (id bigint PRIMARY KEY, text bytea NOT NULL);
CREATE UNIQUE INDEX symbol_by_text ON symbol (sha256(text));
CREATE TABLE chain (
  seq bigint NOT NULL, shard integer NOT NULL, head bytea NOT NULL,
  PRIMARY KEY (shard, seq));
";

/// Makes the tables of a new database, or checks that those of an old one can be read; returns the
/// secret of the installation.
pub(crate) async fn prepare(connection: &mut Connection) -> Result<[u8; 32]> {
    connection.run("BEGIN").await?;
    connection.query("SELECT pg_advisory_xact_lock($1, $2)", &[&LOCK, &COMMON_LOCK]).await?;
    let server: i32 =
        connection.one("SELECT current_setting('server_version_num')::integer", &[]).await?.get(0);
    if server < SERVER_VERSION {
        return Err(StoreError(format!(
            "the server is PostgreSQL {}: version 15 or later is needed",
            server / 10_000
        )));
    }
    let made: bool = connection.one("SELECT to_regclass('tongmai.meta') IS NOT NULL", &[]).await?.get(0);
    if !made {
        connection.run(DEFINITION).await?;
        let mut secret = [0; 32];
        getrandom::fill(&mut secret).map_err(|error| StoreError(format!("no randomness: {error}")))?;
        let values = "INSERT INTO meta (format, secret) VALUES ($1, $2)";
        connection.query(values, &[&FORMAT_VERSION, &secret.as_slice()]).await?;
    }
    let meta = connection.one("SELECT format, secret FROM meta", &[]).await?;
    let (format, secret): (i32, &[u8]) = (meta.get(0), meta.get(1));
    if format != FORMAT_VERSION {
        return Err(StoreError(format!(
            "the store has format {format}, this release reads format {FORMAT_VERSION}: use a newer release"
        )));
    }
    let secret = secret.try_into().map_err(|_| StoreError("the secret of the store is damaged".to_owned()));
    connection.run("COMMIT").await?;
    secret
}
