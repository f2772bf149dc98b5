//! What was erased: so that it is erased again in a store that comes back from a backup.
//!
//! One entry an erased resource, in a file beside the store that a backup of the store does not hold. It tells
//! which resource (by its keyed hash, which says nothing to others) and when: what was written under the same
//! name afterwards stays.
//!
//! | bytes | holds |
//! |---|---|
//! | 8 | position of the purge in the ledger |
//! | 8 | its hybrid time |
//! | 8 | key of the resource |
//! | 2 | its type |
//! | 2 | 0 |
//! | 4 | CRC-32 of the bytes before |

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use tongmai_store::{ResourceKey, Result, Seq};

use crate::failed;

const ENTRY: usize = 32;

/// One resource that was erased.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Erasure {
    /// Position of the purge in the ledger where it happened.
    pub seq: Seq,
    /// Hybrid time of the purge: versions before it are gone.
    pub hybrid_time: u64,
    /// The resource.
    pub key: ResourceKey,
    /// Its type.
    pub type_id: u16,
}

impl Erasure {
    fn write(&self) -> [u8; ENTRY] {
        let mut bytes = [0; ENTRY];
        bytes[..8].copy_from_slice(&self.seq.to_be_bytes());
        bytes[8..16].copy_from_slice(&self.hybrid_time.to_be_bytes());
        bytes[16..24].copy_from_slice(&self.key.0.to_be_bytes());
        bytes[24..26].copy_from_slice(&self.type_id.to_be_bytes());
        let sum = crc32fast::hash(&bytes[..ENTRY - 4]);
        bytes[ENTRY - 4..].copy_from_slice(&sum.to_be_bytes());
        bytes
    }

    fn read(bytes: &[u8]) -> Option<Erasure> {
        let (entry, sum) = bytes.split_last_chunk::<4>()?;
        if crc32fast::hash(entry).to_be_bytes() != *sum {
            return None;
        }
        let number = |at: usize| Some(u64::from_be_bytes(entry.get(at..at + 8)?.try_into().ok()?));
        Some(Erasure {
            seq: number(0)?,
            hybrid_time: number(8)?,
            key: ResourceKey(number(16)?.cast_signed()),
            type_id: u16::from_be_bytes([entry[24], entry[25]]),
        })
    }
}

/// The log of erasures of an installation.
pub struct Erasures {
    path: PathBuf,
    state: Mutex<State>,
}

struct State {
    file: File,
    entries: Vec<Erasure>,
}

impl Erasures {
    /// Opens the log in a file, making it if there is none. A torn entry at its end was never answered.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub fn open(path: &Path) -> Result<Erasures> {
        let opened = OpenOptions::new().read(true).append(true).create(true).open(path);
        let mut file = opened.map_err(failed("opening", path))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(failed("reading", path))?;
        let entries: Vec<Erasure> = bytes.chunks(ENTRY).map_while(Erasure::read).collect();
        let whole = (entries.len() * ENTRY) as u64;
        if whole < bytes.len() as u64 {
            file.set_len(whole).map_err(failed("mending", path))?;
        }
        Ok(Erasures { path: path.to_owned(), state: Mutex::new(State { file, entries }) })
    }

    /// Adds erasures; they are on disk when this returns.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn add(&self, erasures: &[Erasure]) -> Result<()> {
        let bytes: Vec<u8> = erasures.iter().flat_map(Erasure::write).collect();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.file.write_all(&bytes).map_err(failed("writing", &self.path))?;
        state.file.sync_data().map_err(failed("writing", &self.path))?;
        state.entries.extend_from_slice(erasures);
        Ok(())
    }

    /// All erasures, the oldest first.
    pub fn all(&self) -> Vec<Erasure> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).entries.clone()
    }

    /// The newest one.
    pub fn last(&self) -> Option<Erasure> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).entries.last().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_torn_end_is_cut_off_and_the_log_goes_on() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("erasures");
        let one = |seq| Erasure { seq, hybrid_time: seq << 16, key: ResourceKey(-7), type_id: 3 };
        Erasures::open(&path).expect("opens").add(&[one(1), one(2)]).expect("added");
        for torn in [1, 20, 31] {
            let mut bytes = std::fs::read(&path).expect("read");
            bytes.extend(&one(9).write()[..torn]);
            std::fs::write(&path, bytes).expect("written");
            let log = Erasures::open(&path).expect("opens");
            assert_eq!(log.all(), [one(1), one(2)]);
        }
        let log = Erasures::open(&path).expect("opens");
        log.add(&[one(3)]).expect("added");
        assert_eq!(Erasures::open(&path).expect("opens").last(), Some(one(3)));
    }
}
