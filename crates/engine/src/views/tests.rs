//! A view that goes on from a checkpoint is the view that was counted from the beginning.

use tongmai_store::memory::MemoryStore;
use tongmai_store::{Change, EventKind, Expectation, IndexRows, REGION_RECORD, ResourceKey, Transaction};

use super::*;

const SECRET: [u8; 32] = [7; 32];

/// A census under another definition.
struct Other(Census);

impl View for Other {
    const NAME: &'static str = Census::NAME;
    const DEFINITION: &'static str = "2: something else";

    fn new(secret: &[u8; 32]) -> Other {
        Other(Census::new(secret))
    }

    fn apply(&mut self, event: &Event) {
        self.0.apply(event);
    }

    fn canonical(&self) -> String {
        self.0.canonical()
    }

    fn write(&self, out: &mut Vec<u8>) {
        self.0.write(out);
    }

    fn read(secret: &[u8; 32], from: &mut bytes::Reader<'_>) -> Option<Other> {
        Census::read(secret, from).map(Other)
    }
}

fn commit(store: &MemoryStore, key: i64, kind: EventKind) {
    let current = store.snapshot().and_then(|mut s| s.current(ResourceKey(key))).expect("a state");
    let change = Change {
        key: ResourceKey(key),
        expected: current.map_or(Expectation::Absent, |current| Expectation::At(current.seq)),
        kind,
        type_id: (key % 3) as u16,
        version: current.map_or(1, |current| current.version + 1),
        record_key: REGION_RECORD,
        label: 0,
        hybrid_time: ((key as u64) * 40_000_000) << 16,
        body: vec![0, b'x'],
        add: IndexRows::default(),
        remove: IndexRows::default(),
        patient_record: None,
        source_key: None,
    };
    let outcomes = store.commit(&[Transaction { changes: vec![change], ..Transaction::default() }]);
    assert!(outcomes.expect("committed")[0].is_ok());
}

/// Resources that come, change, go, come back, and are erased.
fn ledger(secret: [u8; 32]) -> MemoryStore {
    use EventKind::*;
    let store = MemoryStore::new(secret);
    for (key, kind) in (1..9).map(|key| (key, Put)).chain([
        (3, Put),
        (4, Delete),
        (5, Restrict),
        (4, Put),
        (6, Purge),
        (7, Delete),
        (9, Put),
        (5, Release),
        (6, Put),
        (2, Delete),
    ]) {
        commit(&store, key, kind);
    }
    store
}

fn counted(store: &MemoryStore) -> String {
    let mut kept = Kept::<Census>::over(store, None).expect("a view");
    run_in_steps(store, &mut kept, 100, &mut |_, _, _| {}).expect("counted");
    kept.view().canonical()
}

/// The view in `folder` after it went on to the end, and where it began.
fn resumed<V: View>(store: &MemoryStore, folder: &Path) -> (String, Seq) {
    let mut kept = Kept::<V>::over(store, Some(folder)).expect("a view");
    let begun = kept.watermark();
    run_in_steps(store, &mut kept, 3, &mut |_, _, _| {}).expect("counted");
    (kept.view().canonical(), begun)
}

/// The file of a checkpoint at a position.
fn checkpoint_at(store: &MemoryStore, position: Seq) -> Vec<u8> {
    let mut kept = Kept::<Census>::over(store, None).expect("a view");
    for event in store.snapshot().and_then(|mut s| s.feed(0, position as usize)).expect("events") {
        kept.view.apply(&event);
        (kept.position, kept.mark) = (event.seq, mark(&SECRET, &event));
    }
    checkpoint::write(&kept.view, kept.position, &kept.mark)
}

#[test]
fn from_every_position_it_goes_on_to_the_same_counts() {
    let store = ledger(SECRET);
    let whole = counted(&store);
    let end = store.snapshot().expect("a snapshot").position();
    for position in 1..=end {
        let folder = tempfile::tempdir().expect("a folder");
        checkpoint::put(&folder.path().join("census.checkpoint"), &checkpoint_at(&store, position))
            .expect("saved");
        assert_eq!(resumed::<Census>(&store, folder.path()), (whole.clone(), position));
    }
}

/// The power goes at each step of saving the second checkpoint over the first.
#[test]
fn a_crash_between_any_two_steps_loses_no_count() {
    let store = ledger(SECRET);
    let whole = counted(&store);
    let (first, second) = (checkpoint_at(&store, 6), checkpoint_at(&store, 15));
    let folder = tempfile::tempdir().expect("a folder");
    let (file, new) = (folder.path().join("census.checkpoint"), folder.path().join("census.new"));
    let begun = |old: Option<&[u8]>, waiting: Option<&[u8]>| {
        for (path, bytes) in [(&file, old), (&new, waiting)] {
            let _ = std::fs::remove_file(path);
            if let Some(bytes) = bytes {
                std::fs::write(path, bytes).expect("written");
            }
        }
        let (counts, begun) = resumed::<Census>(&store, folder.path());
        assert_eq!(counts, whole);
        begun
    };
    // Nothing was saved; the new file is being written; it waits; it has taken the old one's place.
    assert_eq!(begun(None, None), 0);
    for length in 0..=second.len() {
        assert_eq!(begun(Some(&first), Some(&second[..length])), 6);
    }
    assert_eq!(begun(Some(&second), None), 15);
    // A disk that lies about its syncs tears the file itself: then everything is counted again.
    for length in 0..second.len() {
        assert_eq!(begun(Some(&second[..length]), None), 0);
    }
    for at in 0..second.len() {
        let mut torn = second.clone();
        torn[at] ^= 0x10;
        assert_eq!(begun(Some(&torn), None), 0, "byte {at}");
    }
}

#[test]
fn what_belongs_to_something_else_is_thrown_away() {
    let store = ledger(SECRET);
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("census.checkpoint");
    checkpoint::put(&file, &checkpoint_at(&store, 10)).expect("saved");
    assert_eq!(resumed::<Census>(&store, folder.path()).1, 10);
    assert_eq!(resumed::<Other>(&store, folder.path()).1, 0, "another definition");
    let foreign = ledger([8; 32]);
    assert_eq!(resumed::<Census>(&foreign, folder.path()), (counted(&foreign), 0), "another ledger");
    // A store that was set back: first it is too short, then it went another way.
    let back = MemoryStore::new(SECRET);
    for key in 1..=10 {
        assert_eq!(resumed::<Census>(&back, folder.path()), (counted(&back), 0), "{key}");
        commit(&back, key, EventKind::Put);
    }
    assert_eq!(resumed::<Census>(&back, folder.path()), (counted(&back), 0));
}

#[test]
fn a_checkpoint_is_saved_when_it_is_due_and_after_a_purge() {
    let store = MemoryStore::new(SECRET);
    let folder = tempfile::tempdir().expect("a folder");
    let mut kept = Kept::<Census>::over(&store, Some(folder.path())).expect("a view");
    let mut go_on = |store: &MemoryStore| {
        run_in_steps(store, &mut kept, 10, &mut |_, _, _| {}).expect("counted");
        assert_eq!(kept.take_trouble(), None);
    };
    let on_disk =
        |store: &MemoryStore| Kept::<Census>::over(store, Some(folder.path())).expect("a view").watermark();
    commit(&store, 1, EventKind::Put);
    go_on(&store);
    assert_eq!(on_disk(&store), 0);
    commit(&store, 1, EventKind::Purge);
    go_on(&store);
    assert_eq!(on_disk(&store), 2);
    for key in 2..2 + DUE_EVENTS as i64 {
        commit(&store, key, EventKind::Put);
    }
    go_on(&store);
    let due = on_disk(&store);
    assert!(due > DUE_EVENTS, "{due}");
    // A folder that cannot be written is told of, and the counts go on.
    let blocked = folder.path().join("census.checkpoint");
    let mut kept = Kept::<Census>::over(&store, Some(&blocked)).expect("a view");
    run_in_steps(&store, &mut kept, 1_000, &mut |_, _, _| {}).expect("counted");
    assert!(kept.take_trouble().is_some() && kept.watermark() == DUE_EVENTS + 2);
}
