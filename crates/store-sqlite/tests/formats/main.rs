//! The kept store of each format opens, answers as it did, and can be written to; what is no store of a known
//! format is refused.

#[path = "../faults/check.rs"]
#[allow(dead_code, reason = "the loop over seeds is for power cuts")]
mod check;
mod digest;

use std::path::{Path, PathBuf};

use rusqlite::Connection;
use rusqlite::config::DbConfig;
use tongmai_store::{
    Change, EventKind, Expectation, IndexRows, NumberRow, REGION_RECORD, ResourceKey, Store, TYPE_SLOT,
    Transaction,
};
use tongmai_store_sqlite::{FORMAT_VERSION, SqliteStore};

/// Kept stores, as `examples/make_fixture.rs` made them in their time, each with its digest and its position.
const KEPT: [(&str, &str, u64); 1] =
    [("format-1.store.zst", "aa4a34990b53ec031bf959b58b5672874868f6072bad42408569364565fefde9", 60)];

fn kept(folder: &Path, name: &str) -> PathBuf {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
    let path = folder.join("store");
    std::fs::write(&path, tongmai_testkit::read(&fixture)).expect("a copy");
    path
}

fn new_resource() -> Change {
    let numbers = vec![NumberRow { slot: TYPE_SLOT, value: 7, extra: 0, label: 0 }];
    Change {
        key: ResourceKey(123_456_789),
        expected: Expectation::Absent,
        kind: EventKind::Put,
        type_id: 7,
        version: 1,
        record_key: REGION_RECORD,
        label: 0,
        hybrid_time: 1_800_000_000_000 << 16,
        body: b"written by a later release".to_vec(),
        add: IndexRows { numbers, ..IndexRows::default() },
        remove: IndexRows::default(),
        patient_record: None,
        source_key: None,
    }
}

#[test]
fn kept_stores_open_and_go_on() {
    for (name, digest, position) in KEPT {
        let folder = tempfile::tempdir().expect("a folder");
        let path = kept(folder.path(), name);
        let mut promises = check::Promises::default();
        let sound = |store: &SqliteStore, promises: &mut check::Promises| {
            check::sound(store, &Connection::open(&path).expect("a second connection"), promises, name);
        };
        let store = SqliteStore::open(&path).expect("the kept store opens");
        assert_eq!(digest::digest(&store), digest, "{name}");
        assert_eq!(store.find_symbol("http://loinc.org").expect("symbol"), Some(1), "{name}");
        let reserved = store.snapshot().expect("snapshot").record_key(ResourceKey(7)).expect("record key");
        assert!(reserved.is_some_and(|key| key != REGION_RECORD), "{name}: {reserved:?}");
        sound(&store, &mut promises);

        promises.ask(&store, 1).expect("a symbol and a record key");
        let transaction = Transaction { changes: vec![new_resource()], ..Transaction::default() };
        let outcomes = store.commit(&[transaction]).expect("commit");
        assert_eq!(outcomes[0].expect("accepted").first, position + 1, "{name}");
        promises.settle();
        drop(store);
        let store = SqliteStore::open(&path).expect("it opens again");
        let event =
            store.snapshot().expect("snapshot").current_event(ResourceKey(123_456_789)).expect("event");
        assert_eq!(event.expect("written").body, b"written by a later release", "{name}");
        sound(&store, &mut promises);
    }
}

/// Why a file cannot be opened.
fn refusal(path: &Path) -> String {
    SqliteStore::open(path).err().expect("refused").to_string()
}

#[test]
fn a_newer_format_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = kept(folder.path(), KEPT[0].0);
    let newer = FORMAT_VERSION + 1;
    let connection = Connection::open(&path).expect("the store");
    connection.pragma_update(None, "user_version", newer).expect("another version");
    drop(connection);
    let message = refusal(&path);
    assert!(message.contains(&format!("format {newer}")) && message.contains("newer release"), "{message}");
}

/// The bytes of every file in a folder; the index of a write-ahead log is no content.
fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let paths = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let mut paths: Vec<PathBuf> = paths.filter(|path| !path.to_string_lossy().ends_with("-shm")).collect();
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), std::fs::read(path).expect("a file"))).collect()
}

#[test]
fn the_log_of_something_else_is_left_to_its_owner() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("other");
    let connection = Connection::open(&path).expect("a database");
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).expect("a setting");
    connection.execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE event (a);").expect("a table");
    drop(connection);
    let before = files(folder.path());
    assert_eq!(before.len(), 2, "the database and its log");
    let message = refusal(&path);
    assert!(message.contains("something else"), "{message}");
    assert!(files(folder.path()) == before, "the file or its log was changed");
}

#[test]
fn something_else_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    // Other programs number their versions too.
    for version in [0, FORMAT_VERSION, FORMAT_VERSION + 1] {
        let path = folder.path().join(format!("other {version}"));
        let connection = Connection::open(&path).expect("a database");
        connection.execute_batch("CREATE TABLE event (a); INSERT INTO event VALUES (1);").expect("a table");
        connection.pragma_update(None, "user_version", version).expect("a version");
        drop(connection);
        let before = files(folder.path());
        let message = refusal(&path);
        assert!(message.contains("something else"), "version {version}: {message}");
        assert!(files(folder.path()) == before, "version {version}: the file was changed");
    }
    let path = folder.path().join("text");
    std::fs::write(&path, "no database at all\n".repeat(100)).expect("a file");
    let message = refusal(&path);
    assert!(message.contains("not a database"), "{message}");
    assert_eq!(std::fs::read_to_string(&path).expect("the file"), "no database at all\n".repeat(100));
}
