//! The data keys of the records, wrapped.
//!
//! One file of slots, `keys/table` in the data folder unless it was put elsewhere:
//!
//! | bytes | holds |
//! |---|---|
//! | 8 | format of this file |
//! | 1 | number of the suite |
//! | 16 | random id of the keyring |
//! | 61 | the wrapping key, sealed under the master key |
//! | to 128 | 0 |
//! | 64 a slot | the data key of record *n* in slot *n*, sealed under the wrapping key; its first byte says 1 for a key, 2 for one that was destroyed, 3 for a new one in the place of a destroyed one |
//!
//! Keys are made a thousand at a time, so that taking in new patients seldom waits for this file. Destroying
//! keys writes the whole file anew under a new wrapping key, and puts it in the place of the old one.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use quick_cache::sync::Cache;
use tongmai_store::{RecordKey, Result, StoreError};

use crate::seal::{Cipher, KEY_BYTES, NONCE_BYTES, Profile, Suite, TAG_BYTES, opened, sealed};
use crate::{dice, failed};

const FORMAT: &[u8; 8] = b"TMkeys01";
const HEAD: usize = 128;
const SLOT: usize = 64;
/// Head byte, nonce, key, tag.
const WRAPPED: usize = 1 + NONCE_BYTES + KEY_BYTES + TAG_BYTES;
/// Where the wrapping key begins.
const WRAPPING: usize = 8 + 1 + 16;
/// Slots that are filled at once.
const BLOCK: u64 = 1024;
/// A record number beyond this is a fault of the store.
const MOST_RECORDS: u64 = 1 << 36;
/// Ciphers that are kept ready, of about 1 KiB each.
const READY: usize = 4096;
/// State of a slot with a key.
const KEY: u8 = 1;
/// State of a slot whose key was destroyed.
const DESTROYED: u8 = 2;

/// State of a slot whose key was destroyed, and whose record takes in again.
const RENEWED: u8 = 3;

/// The key of a record, ready for use.
#[derive(Clone)]
pub struct Keyed {
    /// The cipher under the key.
    pub cipher: Arc<dyn Cipher>,
    /// An earlier key of the record was destroyed: what does not open was erased.
    pub renewed: bool,
}

/// The wrapped data keys of an installation.
pub struct Keyring {
    path: PathBuf,
    suite: Profile,
    id: [u8; 16],
    master: Box<dyn Cipher>,
    table: RwLock<Table>,
    ready: Cache<u64, Keyed>,
}

struct Table {
    file: Mutex<File>,
    wrapping: Box<dyn Cipher>,
    slots: u64,
}

impl Table {
    /// Writes slots from a record on, durably.
    fn write(&self, from: u64, bytes: &[u8]) -> std::io::Result<()> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(HEAD as u64 + from * SLOT as u64))?;
        file.write_all(bytes)?;
        file.sync_data()
    }
}

/// What stands in a slot.
enum Slot {
    Key([u8; KEY_BYTES], u8),
    Destroyed,
    Nothing,
}

impl Keyring {
    /// Opens the keyring in a folder, making one with `profile` if there is none.
    ///
    /// # Errors
    /// When the file cannot be read or written, is damaged, or another master key sealed it.
    pub fn open(folder: &Path, master: &[u8; KEY_BYTES], profile: Profile) -> Result<Keyring> {
        let path = folder.join("table");
        if !Keyring::is_in(folder) {
            std::fs::create_dir_all(folder).map_err(failed("making", folder))?;
            let mut id = [0; 16];
            dice(&mut id)?;
            let file = write_new(&path, profile, &id, &*profile.cipher(master), &mut |_| Ok(None))?.0;
            drop(file);
        }
        let opened_file = OpenOptions::new().read(true).write(true).open(&path);
        let mut file = opened_file.map_err(failed("opening", &path))?;
        let mut head = [0; HEAD];
        file.read_exact(&mut head).map_err(failed("reading", &path))?;
        let damaged = || StoreError(format!("{} is no keyring of this release", path.display()));
        if head[..8] != *FORMAT {
            return Err(damaged());
        }
        let suite = Profile::from_number(head[8]).ok_or_else(damaged)?;
        let id: [u8; 16] = head[9..WRAPPING].try_into().map_err(|_| damaged())?;
        let master = suite.cipher(master);
        let wrapping = opened(&*master, &id, &head[WRAPPING..WRAPPING + WRAPPED]).ok_or_else(|| {
            StoreError(format!(
                "the key does not open {}: give the key file that was in use when it was made",
                path.display()
            ))
        })?;
        let wrapping: [u8; KEY_BYTES] = wrapping.try_into().map_err(|_| damaged())?;
        let length = file.metadata().map_err(failed("reading", &path))?.len();
        let slots = length.saturating_sub(HEAD as u64) / SLOT as u64;
        let table = Table { file: Mutex::new(file), wrapping: suite.cipher(&wrapping), slots };
        Ok(Keyring { path, suite, id, master, table: RwLock::new(table), ready: Cache::new(READY) })
    }

    /// Is there a keyring in a folder?
    pub fn is_in(folder: &Path) -> bool {
        folder.join("table").exists()
    }

    /// How bodies are sealed.
    pub fn suite(&self) -> Profile {
        self.suite
    }

    /// The id of this keyring, as hexadecimal digits.
    pub fn id(&self) -> String {
        self.id.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Makes sure that these records have keys on disk, or had ones that were destroyed.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn prepare(&self, records: impl IntoIterator<Item = RecordKey>) -> Result<()> {
        let Some(RecordKey(most)) = records.into_iter().max() else { return Ok(()) };
        if most < self.table.read().unwrap_or_else(PoisonError::into_inner).slots {
            return Ok(());
        }
        if most >= MOST_RECORDS {
            return Err(StoreError(format!("there is no record with number {most}")));
        }
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        let (from, to) = (table.slots, (most / BLOCK + 1) * BLOCK);
        if from >= to {
            return Ok(());
        }
        let mut bytes = Vec::with_capacity((to - from) as usize * SLOT);
        for record in from..to {
            let mut key = [0; KEY_BYTES];
            dice(&mut key)?;
            bytes.extend_from_slice(&slot(&*table.wrapping, &self.id, record, Some((&key, KEY)))?);
        }
        table.write(from, &bytes).map_err(failed("writing", &self.path))?;
        table.slots = to;
        Ok(())
    }

    /// The key of a record; `None` when it was destroyed.
    ///
    /// # Errors
    /// When the record has no key here, or its slot is damaged.
    pub fn key(&self, record: RecordKey) -> Result<Option<Keyed>> {
        if let Some(keyed) = self.ready.get(&record.0) {
            return Ok(Some(keyed));
        }
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        match self.read(&table, record.0)? {
            Slot::Key(key, state) => {
                let keyed = Keyed { cipher: self.suite.cipher(&key).into(), renewed: state == RENEWED };
                // Under the lock of the table, so that no destroyed key comes back here.
                self.ready.insert(record.0, keyed.clone());
                Ok(Some(keyed))
            }
            Slot::Destroyed => Ok(None),
            Slot::Nothing => Err(StoreError(format!(
                "record {} has no key in {}: bring the keyring that was in use with this store",
                record.0,
                self.path.display()
            ))),
        }
    }

    /// The key of a record that takes in something: after a destruction a new one, on disk when this returns.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub fn key_to_write(&self, record: RecordKey) -> Result<Keyed> {
        if let Some(keyed) = self.key(record)? {
            return Ok(keyed);
        }
        {
            let table = self.table.write().unwrap_or_else(PoisonError::into_inner);
            let mut key = [0; KEY_BYTES];
            dice(&mut key)?;
            let bytes = slot(&*table.wrapping, &self.id, record.0, Some((&key, RENEWED)))?;
            table.write(record.0, &bytes).map_err(failed("writing", &self.path))?;
        }
        self.key(record)?.ok_or_else(|| StoreError(format!("record {} has no key", record.0)))
    }

    fn read(&self, table: &Table, record: u64) -> Result<Slot> {
        if record >= table.slots {
            return Ok(Slot::Nothing);
        }
        let mut bytes = [0; SLOT];
        {
            let mut file = table.file.lock().unwrap_or_else(PoisonError::into_inner);
            let place = SeekFrom::Start(HEAD as u64 + record * SLOT as u64);
            file.seek(place)
                .and_then(|_| file.read_exact(&mut bytes))
                .map_err(failed("reading", &self.path))?;
        }
        match bytes[0] {
            DESTROYED => Ok(Slot::Destroyed),
            state @ (KEY | RENEWED) => {
                let key = opened(&*table.wrapping, &about(&self.id, record), &bytes[..WRAPPED]);
                let key = key.and_then(|key| key.try_into().ok()).ok_or_else(|| {
                    StoreError(format!("the key of record {record} in {} is damaged", self.path.display()))
                })?;
                Ok(Slot::Key(key, state))
            }
            _ => Ok(Slot::Nothing),
        }
    }

    /// Destroys the keys of records, for ever: nothing that was sealed under them opens again. All other keys
    /// are wrapped anew, under a new wrapping key, so that an old copy of the file's blocks opens nothing.
    ///
    /// # Errors
    /// When the file cannot be read or written; then the keys are as they were.
    pub fn destroy(&self, records: &[RecordKey]) -> Result<()> {
        self.prepare(records.iter().copied())?;
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        let gone = |record: u64| records.contains(&RecordKey(record));
        let slots = table.slots;
        let mut next = |record: u64| -> Result<Option<Slot>> {
            if record >= slots {
                return Ok(None);
            }
            Ok(Some(if gone(record) { Slot::Destroyed } else { self.read(&table, record)? }))
        };
        let (file, wrapping) = write_new(&self.path, self.suite, &self.id, &*self.master, &mut next)?;
        let old = std::mem::replace(&mut *table, Table { file: Mutex::new(file), wrapping, slots });
        for record in records {
            self.ready.remove(&record.0);
        }
        drop(table);
        // The old file has no name any more. What it held is overwritten where the file system does so in
        // place; where it does not, the wrapping key is what is lost with it.
        let mut file = old.file.into_inner().unwrap_or_else(PoisonError::into_inner);
        let nothing = vec![0; HEAD + old.slots as usize * SLOT];
        let _ = file
            .seek(SeekFrom::Start(0))
            .and_then(|_| file.write_all(&nothing))
            .and_then(|()| file.sync_all());
        Ok(())
    }

    /// How many keys there are, and how many were destroyed.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn count(&self) -> Result<(u64, Vec<RecordKey>)> {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        let mut bytes = Vec::new();
        {
            let mut file = table.file.lock().unwrap_or_else(PoisonError::into_inner);
            let read = file.seek(SeekFrom::Start(HEAD as u64)).and_then(|_| file.read_to_end(&mut bytes));
            read.map_err(failed("reading", &self.path))?;
        }
        let states = || bytes.chunks_exact(SLOT).zip(0..).map(|(slot, record)| (slot[0], record));
        let destroyed =
            states().filter(|(state, _)| *state == DESTROYED).map(|(_, record)| RecordKey(record));
        Ok((
            states().filter(|(state, _)| matches!(*state, KEY | RENEWED)).count() as u64,
            destroyed.collect(),
        ))
    }
}

/// What a wrapped key belongs to.
fn about(id: &[u8; 16], record: u64) -> [u8; 24] {
    let mut about = [0; 24];
    about[..16].copy_from_slice(id);
    about[16..].copy_from_slice(&record.to_be_bytes());
    about
}

fn slot(
    wrapping: &dyn Cipher,
    id: &[u8; 16],
    record: u64,
    key: Option<(&[u8; KEY_BYTES], u8)>,
) -> Result<[u8; SLOT]> {
    let mut bytes = [0; SLOT];
    match key {
        None => bytes[0] = DESTROYED,
        Some((key, state)) => {
            let mut nonce = [0; NONCE_BYTES];
            dice(&mut nonce)?;
            bytes[..WRAPPED].copy_from_slice(&sealed(wrapping, nonce, &about(id, record), state, key));
        }
    }
    Ok(bytes)
}

/// Writes a table with a new wrapping key beside its place, and puts it there when it is whole on disk.
/// `next` gives the slots in order.
fn write_new(
    path: &Path,
    suite: Profile,
    id: &[u8; 16],
    master: &dyn Cipher,
    next: &mut dyn FnMut(u64) -> Result<Option<Slot>>,
) -> Result<(File, Box<dyn Cipher>)> {
    let (mut wrapping, mut nonce) = ([0; KEY_BYTES], [0; NONCE_BYTES]);
    dice(&mut wrapping)?;
    dice(&mut nonce)?;
    let mut bytes = Vec::with_capacity(HEAD);
    bytes.extend_from_slice(FORMAT);
    bytes.push(suite.number());
    bytes.extend_from_slice(id);
    bytes.extend_from_slice(&sealed(master, nonce, id, KEY, &wrapping));
    bytes.resize(HEAD, 0);
    let cipher = suite.cipher(&wrapping);
    let mut record = 0;
    while let Some(found) = next(record)? {
        match found {
            Slot::Key(key, state) => {
                bytes.extend_from_slice(&slot(&*cipher, id, record, Some((&key, state)))?);
            }
            Slot::Destroyed => bytes.extend_from_slice(&slot(&*cipher, id, record, None)?),
            Slot::Nothing => bytes.extend_from_slice(&[0; SLOT]),
        }
        record += 1;
    }
    let beside = path.with_extension("new");
    let put = || -> std::io::Result<File> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&beside)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        std::fs::rename(&beside, path)?;
        #[cfg(unix)]
        if let Some(folder) = path.parent() {
            File::open(folder)?.sync_all()?;
        }
        Ok(file)
    };
    Ok((put().map_err(failed("writing", path))?, cipher))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MASTER: [u8; KEY_BYTES] = [5; KEY_BYTES];

    fn sealed_by(ring: &Keyring, record: u64) -> Vec<u8> {
        let keyed = ring.key_to_write(RecordKey(record)).expect("a key");
        sealed(&*keyed.cipher, [1; NONCE_BYTES], b"", 0x10, b"a body")
    }

    fn opens(ring: &Keyring, record: u64, bytes: &[u8]) -> bool {
        let keyed = ring.key(RecordKey(record)).expect("read");
        keyed.is_some_and(|keyed| opened(&*keyed.cipher, b"", bytes).as_deref() == Some(b"a body"))
    }

    #[test]
    fn keys_stay_until_they_are_destroyed_and_then_for_ever() {
        let folder = tempfile::tempdir().expect("a folder");
        for profile in [Profile::Aes256, Profile::Sm4] {
            let keys = folder.path().join(profile.name());
            let ring = Keyring::open(&keys, &MASTER, profile).expect("made");
            assert!(ring.key(RecordKey(0)).is_err(), "nothing was prepared");
            ring.prepare([RecordKey(3), RecordKey(1500)]).expect("prepared");
            let bodies: Vec<(u64, Vec<u8>)> =
                [0, 3, 1500, 2047].into_iter().map(|record| (record, sealed_by(&ring, record))).collect();
            assert!(!opens(&ring, 0, &bodies[1].1), "each record has a key of its own");
            let before = std::fs::read(keys.join("table")).expect("read");
            drop(ring);

            let ring = Keyring::open(&keys, &MASTER, Profile::Aes256).expect("opens as it was made");
            assert_eq!(ring.suite(), profile);
            assert!(bodies.iter().all(|(record, body)| opens(&ring, *record, body)));
            ring.destroy(&[RecordKey(3), RecordKey(2047)]).expect("destroyed");
            let left = |ring: &Keyring| {
                [0, 3, 1500, 2047].map(|record| {
                    opens(ring, record, &bodies.iter().find(|(of, _)| *of == record).expect("sealed").1)
                })
            };
            assert_eq!(left(&ring), [true, false, true, false]);
            let after = std::fs::read(keys.join("table")).expect("read");
            let same =
                |slot: usize| before[HEAD + slot * SLOT..][..SLOT] == after[HEAD + slot * SLOT..][..SLOT];
            assert!((0..2048).all(|slot| !same(slot)), "every key was wrapped anew");
            drop(ring);
            let ring = Keyring::open(&keys, &MASTER, profile).expect("opens");
            assert_eq!(left(&ring), [true, false, true, false]);
            ring.prepare([RecordKey(5000)]).expect("prepared");
            assert_eq!(left(&ring), [true, false, true, false]);
            assert_eq!(ring.count().expect("read").1, [RecordKey(3), RecordKey(2047)]);
            // An erased record may take in again: under a new key, that opens nothing of before.
            let again = sealed_by(&ring, 3);
            drop(ring);
            let ring = Keyring::open(&keys, &MASTER, profile).expect("opens");
            assert!(opens(&ring, 3, &again) && ring.key(RecordKey(3)).expect("read").expect("a key").renewed);
            assert_eq!(left(&ring), [true, false, true, false]);
            ring.destroy(&[RecordKey(3)]).expect("destroyed");
            assert!(!opens(&ring, 3, &again));
        }
    }

    #[test]
    fn another_master_key_and_damage_are_told() {
        let folder = tempfile::tempdir().expect("a folder");
        let open = |master| Keyring::open(folder.path(), master, Profile::Aes256);
        open(&MASTER).expect("made").prepare([RecordKey(1)]).expect("prepared");
        let error = open(&[6; KEY_BYTES]).err().expect("refused").to_string();
        assert!(error.contains("give the key file that was in use"), "{error}");
        let path = folder.path().join("table");
        let whole = std::fs::read(&path).expect("read");
        let mut spoilt = whole.clone();
        spoilt[HEAD + SLOT + 20] ^= 1;
        std::fs::write(&path, &spoilt).expect("written");
        let ring = open(&MASTER).expect("opens");
        assert!(ring.key(RecordKey(1)).err().expect("refused").to_string().contains("record 1"));
        assert!(ring.key(RecordKey(0)).is_ok());
        // A slot in another's place is noticed too.
        let mut swapped = whole;
        swapped.copy_within(HEAD..HEAD + SLOT, HEAD + SLOT);
        std::fs::write(&path, &swapped).expect("written");
        assert!(open(&MASTER).expect("opens").key(RecordKey(1)).is_err());
        std::fs::write(&path, b"something else").expect("written");
        assert!(open(&MASTER).is_err());
    }
}
