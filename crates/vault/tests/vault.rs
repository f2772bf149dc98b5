//! A vault over SQLite: what lies in the file, what is told, and what stays erased.

use std::path::Path;
use std::sync::Arc;

use tongmai_store::{
    Change, EventKind, Expectation, IndexRows, NumberRow, RecordKey, ResourceKey, Seq, Store, TYPE_SLOT,
    Transaction, chain,
};
use tongmai_store_sqlite::SqliteStore;
use tongmai_vault::{Erasures, Keyring, Profile, Vault};

const MASTER: [u8; 32] = [5; 32];
const TYPE: u16 = 7;

fn sqlite(folder: &Path) -> Arc<SqliteStore> {
    Arc::new(SqliteStore::open(&folder.join("store")).expect("the store opens"))
}

fn ring(folder: &Path, profile: Profile) -> Keyring {
    Keyring::open(&folder.join("keys"), &MASTER, profile).expect("the keyring opens")
}

fn erasures(folder: &Path) -> Erasures {
    Erasures::open(&folder.join("erasures")).expect("the log opens")
}

fn sealed(folder: &Path) -> Vault {
    let keys = ring(folder, Profile::default());
    Vault::over(sqlite(folder), Some(keys), erasures(folder)).expect("a vault")
}

fn change(key: i64, record: u64, expected: Expectation, body: &str) -> Change {
    let row = NumberRow { slot: TYPE_SLOT, value: i64::from(TYPE), extra: 0, label: 0 };
    let (version, before) = match expected {
        Expectation::Absent => (1, Vec::new()),
        Expectation::At(seq) => (seq as u32 + 1, vec![row]),
    };
    Change {
        key: ResourceKey(key),
        expected,
        kind: EventKind::Put,
        type_id: TYPE,
        version,
        record_key: RecordKey(record),
        label: 0,
        hybrid_time: u64::from(version) << 16,
        body: body.as_bytes().to_vec(),
        add: IndexRows { numbers: vec![row], ..IndexRows::default() },
        remove: IndexRows { numbers: before, ..IndexRows::default() },
        patient_record: None,
        source_key: None,
    }
}

fn purge(key: i64, record: u64, at: Seq) -> Change {
    let put = change(key, record, Expectation::At(at), "");
    Change { kind: EventKind::Purge, add: IndexRows::default(), ..put }
}

fn commit(store: &dyn Store, change: Change) -> Seq {
    let transaction = Transaction { changes: vec![change], ..Transaction::default() };
    let answers = store.commit(&[transaction]).expect("committed");
    answers[0].expect("accepted").first
}

fn body(store: &dyn Store, key: i64) -> Result<String, String> {
    let event = store.newest_event(ResourceKey(key)).map_err(|error| error.to_string())?;
    Ok(event.map_or_else(String::new, |event| String::from_utf8(event.body).expect("text")))
}

fn files(folder: &Path) -> Vec<u8> {
    let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    entries.filter(|path| path.is_file()).flat_map(|path| std::fs::read(path).expect("read")).collect()
}

fn holds(bytes: &[u8], word: &str) -> bool {
    bytes.windows(word.len()).any(|window| window == word.as_bytes())
}

/// The chain runs over what lies in the store.
fn verifies(store: &dyn Store) -> bool {
    let mut snapshot = store.snapshot().expect("a snapshot");
    let heads = snapshot.chain(0, 1_000).expect("heads");
    let events = snapshot.feed_as_kept(0, 1_000).expect("events");
    let (mut head, mut from) = (chain::GENESIS, 0);
    heads.iter().all(|(position, expected)| {
        head = chain::next(&head, &store.secret(), &events[from..*position as usize]);
        from = *position as usize;
        head == *expected
    })
}

#[test]
fn bodies_lie_sealed_and_come_back_as_they_were() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    {
        let vault = sealed(path);
        commit(&vault, change(1, 1, Expectation::Absent, "a secret of the first"));
        commit(&vault, change(2, 2, Expectation::Absent, "a secret of the second"));
        commit(&vault, change(1, 1, Expectation::At(1), "a newer secret of the first"));
        assert!(verifies(&vault));
        assert!(!holds(&files(path), "secret of"), "a body lies open on the disk");
    }
    let vault = sealed(path);
    assert_eq!(body(&vault, 1).as_deref(), Ok("a newer secret of the first"));
    let mut snapshot = vault.snapshot().expect("a snapshot");
    let texts = |events: Vec<tongmai_store::Event>| -> Vec<String> {
        events.into_iter().map(|event| String::from_utf8(event.body).expect("text")).collect()
    };
    let all = ["a secret of the first", "a secret of the second", "a newer secret of the first"];
    assert_eq!(texts(snapshot.feed(0, 9).expect("events")), all);
    assert_eq!(texts(snapshot.events(&[2]).expect("events")), all[1..2]);
    assert_eq!(texts(snapshot.history(ResourceKey(1), 9, 9).expect("events")), [all[2], all[0]]);
    assert_eq!(texts(snapshot.type_history(None, 9, 9).expect("events")), [all[2], all[1], all[0]]);
    let newest = snapshot.current_event(ResourceKey(2)).expect("read").expect("there");
    assert_eq!(newest.body, all[1].as_bytes());
    assert!(verifies(&vault));
}

#[test]
fn another_key_or_none_is_refused_with_its_repair() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    commit(&sealed(path), change(1, 1, Expectation::Absent, "a body"));
    let refused =
        |keyring| Vault::over(sqlite(path), keyring, erasures(path)).err().expect("refused").to_string();
    let without = refused(None);
    assert!(without.contains("give --key-file"), "{without}");
    let other = Keyring::open(&path.join("other"), &MASTER, Profile::default()).expect("made");
    let other = refused(Some(other));
    assert!(other.contains("bring the folder keys"), "{other}");
}

#[test]
fn a_store_that_was_open_until_now_is_read_and_sealed_from_now_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    {
        let open = Vault::over(sqlite(path), None, erasures(path)).expect("no keyring");
        // The forms of packed bodies are the first byte, below those of sealed ones.
        commit(&open, change(1, 1, Expectation::Absent, "\0written in the open"));
    }
    let vault = sealed(path);
    commit(&vault, change(2, 2, Expectation::Absent, "\0written under a seal"));
    assert_eq!(body(&vault, 1).as_deref(), Ok("\0written in the open"));
    assert_eq!(body(&vault, 2).as_deref(), Ok("\0written under a seal"));
    assert!(verifies(&vault));
    let bytes = files(path);
    assert!(holds(&bytes, "written in the open") && !holds(&bytes, "written under a seal"));
}

/// A superuser of the store puts a sealed body of one version in the place of another's.
#[test]
fn a_body_in_a_foreign_place_does_not_open() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    let vault = sealed(path);
    commit(&vault, change(1, 1, Expectation::Absent, "of the first"));
    let stolen = vault.snapshot().expect("a snapshot").feed_as_kept(0, 1).expect("events")[0].body.clone();
    drop(vault);
    let inner = sqlite(path);
    commit(&*inner, Change { body: stolen.clone(), ..change(2, 2, Expectation::Absent, "") });
    commit(&*inner, Change { body: stolen.clone(), ..change(3, 1, Expectation::Absent, "") });
    let mut spoilt = stolen;
    *spoilt.last_mut().expect("bytes") ^= 1;
    commit(&*inner, Change { body: spoilt, ..change(4, 1, Expectation::Absent, "") });
    drop(inner);
    let vault = sealed(path);
    for key in 2..=4 {
        let error = body(&vault, key).expect_err("refused");
        assert!(error.contains("changed behind the program's back"), "{error}");
    }
    assert_eq!(body(&vault, 1).as_deref(), Ok("of the first"));
}

#[test]
fn what_a_destroyed_key_sealed_is_erased_and_the_record_may_begin_anew() {
    let folder = tempfile::tempdir().expect("a folder");
    let vault = sealed(folder.path());
    commit(&vault, change(1, 1, Expectation::Absent, "of the first"));
    commit(&vault, change(2, 2, Expectation::Absent, "of the second"));
    vault.keyring().expect("a keyring").destroy(&[RecordKey(1)]).expect("destroyed");
    let erased = |vault: &Vault| {
        let event = vault.newest_event(ResourceKey(1)).expect("read").expect("there");
        (event.body.is_empty(), event.commitment.is_some())
    };
    assert_eq!(erased(&vault), (true, true));
    assert_eq!(body(&vault, 2).as_deref(), Ok("of the second"));
    assert!(verifies(&vault));
    commit(&vault, change(3, 1, Expectation::Absent, "of a new life"));
    drop(vault);
    let vault = sealed(folder.path());
    assert_eq!(erased(&vault), (true, true));
    assert_eq!(body(&vault, 3).as_deref(), Ok("of a new life"));
}

#[test]
fn a_backup_is_told_what_was_erased_since_and_nothing_else() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    let vault = sealed(path);
    commit(&vault, change(1, 1, Expectation::Absent, "erased before the backup"));
    commit(&vault, change(2, 2, Expectation::Absent, "erased after the backup"));
    commit(&vault, change(3, 3, Expectation::Absent, "erased and written again before the backup"));
    commit(&vault, purge(1, 1, 1));
    commit(&vault, purge(3, 3, 3));
    commit(
        &vault,
        Change {
            version: 9,
            hybrid_time: 9 << 16,
            remove: IndexRows::default(),
            ..change(3, 3, Expectation::At(5), "again")
        },
    );
    assert!(vault.forgotten().expect("read").is_empty());
    let backup = path.join("backup");
    vault.backup(&backup, &mut |_, _| {}).expect("a backup");
    commit(&vault, purge(2, 2, 2));
    assert!(vault.forgotten().expect("read").is_empty(), "the store itself knows");
    assert_eq!(vault.erasures().all().len(), 3);
    drop(vault);
    let restored = Arc::new(SqliteStore::open(&backup).expect("opens"));
    let restored =
        Vault::over(restored, Some(ring(path, Profile::default())), erasures(path)).expect("a vault");
    let forgotten = restored.forgotten().expect("read");
    assert_eq!(forgotten.iter().map(|erasure| erasure.key.0).collect::<Vec<_>>(), [2]);
    assert_eq!(body(&restored, 3).as_deref(), Ok("again"));
}

#[test]
fn blobs_lie_sealed_and_those_of_before_are_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let blobs = || tongmai_blob::Blobs::open(&folder.path().join("blobs")).expect("opens");
    let before = blobs().put(b"DICM of before").expect("kept");
    let vault = Arc::new(sealed(folder.path()));
    let under_seal = blobs().sealed(vault);
    let now = under_seal.put(b"DICM under a seal").expect("kept");
    assert_eq!(under_seal.put(b"DICM under a seal").expect("kept"), now);
    assert_eq!(under_seal.get(before).expect("read").as_deref(), Some(&b"DICM of before"[..]));
    assert_eq!(under_seal.get(now).expect("read").as_deref(), Some(&b"DICM under a seal"[..]));
    assert!(blobs().get(now).is_err(), "without the key it is not what its name says");
    let name = now.to_string();
    let bytes = std::fs::read(folder.path().join("blobs").join(&name[..2]).join(&name[2..])).expect("a file");
    assert!(!holds(&bytes, "DICM"));
}
