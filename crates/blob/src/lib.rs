//! Large things beside the ledger (images, PDF, sound), by the digest of their content.
//!
//! A blob lies in `ab/cdef…` below the store's folder, named by the hexadecimal SHA-256 of its bytes.
//! It is written beside its place, synced, and put there whole: what has a name is complete, and what
//! was acknowledged stays after a power cut. The same bytes twice are one file. Reading compares the
//! digest, so that a damaged file is an error and never an answer.
//!
//! Where there is a [`Seal`], the files are sealed, under the name of what they hold; files from before are read as
//! they are.
//!
//! The store knows neither patients nor rights: who asks for a blob has its name from a released resource.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

/// The name of a blob: the SHA-256 of its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest([u8; 32]);

impl Digest {
    /// Of these bytes.
    pub fn of(bytes: &[u8]) -> Digest {
        Digest(Sha256::digest(bytes).into())
    }

    /// Reads 64 hexadecimal digits in small letters; `None` when it is not that.
    pub fn parse(text: &str) -> Option<Digest> {
        if text.len() != 64 {
            return None;
        }
        HEXLOWER.decode(text.as_bytes()).ok()?.try_into().ok().map(Digest)
    }
}

impl std::fmt::Display for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

/// Encrypts what lies in files.
pub trait Seal: Send + Sync {
    /// Seals bytes.
    ///
    /// # Errors
    /// When there is no key or no randomness.
    fn seal(&self, bytes: &[u8]) -> io::Result<Vec<u8>>;

    /// Opens what [`Seal::seal`] made; `None` when it is not that.
    ///
    /// # Errors
    /// When there is no key.
    fn open(&self, sealed: &[u8]) -> io::Result<Option<Vec<u8>>>;
}

/// A folder of blobs.
pub struct Blobs {
    folder: PathBuf,
    next: AtomicU64,
    seal: Option<Arc<dyn Seal>>,
}

impl Blobs {
    /// Opens a folder, making it where there is none. What an earlier process left half-written goes.
    ///
    /// # Errors
    /// When the folder cannot be made or read.
    pub fn open(folder: &Path) -> io::Result<Blobs> {
        let beside = folder.join("new");
        if beside.is_dir() {
            fs::remove_dir_all(&beside)?;
        }
        fs::create_dir_all(&beside)?;
        sync(folder)?;
        Ok(Blobs { folder: folder.to_owned(), next: AtomicU64::new(0), seal: None })
    }

    /// The same, sealing what is put from now on.
    #[must_use]
    pub fn sealed(mut self, seal: Arc<dyn Seal>) -> Blobs {
        self.seal = Some(seal);
        self
    }

    fn place(&self, digest: Digest) -> PathBuf {
        let name = digest.to_string();
        self.folder.join(&name[..2]).join(&name[2..])
    }

    /// Keeps bytes; they are on disk when this returns.
    ///
    /// # Errors
    /// When they cannot be written; then nothing has the name.
    pub fn put(&self, bytes: &[u8]) -> io::Result<Digest> {
        let digest = Digest::of(bytes);
        let place = self.place(digest);
        let sealed = self.seal.as_ref().map(|seal| seal.seal(bytes)).transpose()?;
        let bytes = sealed.as_deref().unwrap_or(bytes);
        // A file of the right length is whole, since it was put there whole; a torn disk shows when it is read.
        if fs::metadata(&place).is_ok_and(|known| known.len() == bytes.len() as u64) {
            return Ok(digest);
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let beside = self.folder.join("new").join(number.to_string());
        let mut file = File::create(&beside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        let parent = place.parent().unwrap_or(&self.folder);
        if !parent.is_dir() {
            fs::create_dir_all(parent)?;
            sync(&self.folder)?;
        }
        fs::rename(&beside, &place)?;
        sync(parent)?;
        Ok(digest)
    }

    /// The bytes of a blob; `None` where there is none of this name.
    ///
    /// # Errors
    /// `InvalidData` when the file is not what its name says; others when it cannot be read.
    pub fn get(&self, digest: Digest) -> io::Result<Option<Vec<u8>>> {
        let bytes = match fs::read(self.place(digest)) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let bytes = match &self.seal {
            Some(seal) => seal.open(&bytes)?.unwrap_or(bytes),
            None => bytes,
        };
        if Digest::of(&bytes) != digest {
            return Err(io::Error::new(io::ErrorKind::InvalidData, format!("blob {digest} is damaged")));
        }
        Ok(Some(bytes))
    }

    /// Takes a blob away; says whether it was there.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn remove(&self, digest: Digest) -> io::Result<bool> {
        let place = self.place(digest);
        match fs::remove_file(&place) {
            Ok(()) => sync(place.parent().unwrap_or(&self.folder)).map(|()| true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// A name is durable once its folder is synced.
fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_kept_once_and_come_back() {
        let folder = tempfile::tempdir().expect("a folder");
        let blobs = Blobs::open(folder.path()).expect("opens");
        let digest = blobs.put(b"image").expect("kept");
        assert_eq!(blobs.put(b"image").expect("kept"), digest);
        assert_eq!(Digest::parse(&digest.to_string()), Some(digest));
        assert_eq!(blobs.get(digest).expect("read").as_deref(), Some(&b"image"[..]));
        assert_eq!(
            Blobs::open(folder.path()).expect("opens").get(digest).expect("read"),
            Some(b"image".to_vec())
        );
        assert_eq!(blobs.get(Digest::of(b"other")).expect("read"), None);
        assert!(blobs.remove(digest).expect("removed"));
        assert!(!blobs.remove(digest).expect("gone"));
    }

    #[test]
    fn damage_is_an_error_and_leftovers_go() {
        let folder = tempfile::tempdir().expect("a folder");
        let blobs = Blobs::open(folder.path()).expect("opens");
        let digest = blobs.put(b"image").expect("kept");
        fs::write(blobs.place(digest), b"imagf").expect("damaged");
        assert_eq!(blobs.get(digest).expect_err("an error").kind(), io::ErrorKind::InvalidData);
        fs::write(folder.path().join("new/7"), b"half").expect("a leftover");
        Blobs::open(folder.path()).expect("opens");
        assert!(!folder.path().join("new/7").exists());
        for name in ["", "x", &"g".repeat(64), &"A".repeat(64), "../../etc/passwd"] {
            assert!(Digest::parse(name).is_none(), "{name}");
        }
    }
}
