//! The write-ahead log stays short, however long one writes without a pause.

use tongmai_store::{
    Change, EventKind, Expectation, IndexRows, REGION_RECORD, ResourceKey, Store, Transaction,
};
use tongmai_store_sqlite::SqliteStore;

const COMMITS: i64 = 3_000;
const BODY: usize = 3_000;

fn commit_of(key: i64) -> Transaction {
    let change = Change {
        key: ResourceKey(key),
        expected: Expectation::Absent,
        kind: EventKind::Put,
        type_id: 1,
        version: 1,
        record_key: REGION_RECORD,
        label: 0,
        hybrid_time: 1 << 16,
        body: vec![key as u8; BODY],
        add: IndexRows::default(),
        remove: IndexRows::default(),
        patient_record: None,
        source_key: None,
    };
    Transaction { changes: vec![change], guards: Vec::new(), actor: 1, purpose: 1 }
}

#[test]
fn the_log_begins_anew_under_steady_writing() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("store");
    let store = SqliteStore::open_on(&path, None, 200).expect("a new store opens");
    store.symbol("somebody").expect("a symbol");
    for key in 1..=COMMITS {
        store.commit(&[commit_of(key)]).expect("a commit")[0].expect("nothing stands against it");
    }
    let log = std::fs::metadata(folder.path().join("store-wal")).expect("the log").len();
    // Each commit writes its body's page and at least one more to the log.
    let written = COMMITS as u64 * 2 * 4096;
    assert!(log < written / 3, "the log has {log} bytes after some {written} were written");
}
