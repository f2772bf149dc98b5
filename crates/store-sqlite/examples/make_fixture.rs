//! Makes the store that the next releases must open:
//! `cargo run -p tongmai-store-sqlite --example make_fixture -- TARGET.zst`. Made once for each format, and kept.

#[path = "../tests/formats/digest.rs"]
mod digest;

use std::path::Path;

use tongmai_store::contract::script::Script;
use tongmai_store::{ResourceKey, Store};
use tongmai_store_sqlite::SqliteStore;

/// The secret of a store that holds nothing worth keeping secret.
const SECRET: [u8; 32] = *b"a kept store without any secrets";

fn main() {
    let target = std::env::args().nth(1).expect("name the file to write");
    let path = std::env::temp_dir().join(format!("tongmai-fixture-{}", std::process::id()));
    drop(SqliteStore::open(&path).expect("a new store"));
    let connection = rusqlite::Connection::open(&path).expect("the new store");
    connection
        .execute("UPDATE meta SET value = ?1 WHERE name = 'secret'", [&SECRET[..]])
        .expect("the secret");
    drop(connection);
    let store = SqliteStore::open(&path).expect("the store again");
    write(&store);
    let position = store.snapshot().expect("snapshot").position();
    println!("digest {}, position {position}", digest::digest(&store));
    drop(store);
    let bytes = std::fs::read(&path).expect("the store");
    std::fs::remove_file(&path).expect("removed");
    let packed = zstd::encode_all(&bytes[..], 19).expect("packed");
    std::fs::write(Path::new(&target), packed).expect("written");
}

/// A short history of every kind of event, a symbol and a record key.
fn write(store: &SqliteStore) {
    let mut script = Script::new(1, SECRET);
    for _ in 0..12 {
        store.commit(&script.call().0).expect("commit");
    }
    store.symbol("http://loinc.org").expect("a symbol");
    store.reserve_record_key(ResourceKey(7)).expect("a record key");
    store.commit(&script.call().0).expect("commit");
}
