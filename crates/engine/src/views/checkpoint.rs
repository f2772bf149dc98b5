//! The file of a checkpoint.
//!
//! | bytes | holds |
//! |---|---|
//! | 8 | format of this file |
//! | 32 | digest of the view's definition and of the numbers of the resource types |
//! | 32 | what the event at the position looked like |
//! | 8 | position |
//! | … | the state |
//! | 32 | SHA-256 of everything before |
//!
//! A new file takes the place of the old one when it is whole on disk, so that there is always one or the other.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use sha2::{Digest, Sha256};
use tongmai_fhir::definition::resource_types;
use tongmai_store::{Seq, chain::Hash};

use super::View;
use super::bytes::{Reader, put as put_number};

const FORMAT: &[u8; 8] = b"TMview01";

/// A checkpoint as it was read.
pub(super) struct Found<V> {
    pub view: V,
    pub position: Seq,
    pub mark: Hash,
}

fn definition<V: View>() -> Hash {
    let mut digest = Sha256::new();
    for text in [V::NAME, V::DEFINITION].into_iter().chain(resource_types()) {
        digest.update(text.as_bytes());
        digest.update([0]);
    }
    digest.finalize().into()
}

pub(super) fn write<V: View>(view: &V, position: Seq, mark: &Hash) -> Vec<u8> {
    frame(&definition::<V>(), position, mark, |out| view.write(out))
}

/// The file for a state of this definition.
pub(crate) fn frame(
    definition: &Hash,
    position: Seq,
    mark: &Hash,
    state: impl FnOnce(&mut Vec<u8>),
) -> Vec<u8> {
    let mut bytes = FORMAT.to_vec();
    bytes.extend_from_slice(definition);
    bytes.extend_from_slice(mark);
    put_number(position.cast_signed(), &mut bytes);
    state(&mut bytes);
    let sum = Sha256::digest(&bytes);
    bytes.extend_from_slice(&sum);
    bytes
}

/// Position, mark and state of a whole file of this definition.
pub(crate) fn unframe<'b>(bytes: &'b [u8], definition: &Hash) -> Option<(Seq, Hash, Reader<'b>)> {
    let (bytes, sum) = bytes.split_last_chunk::<32>()?;
    if Hash::from(Sha256::digest(bytes)) != *sum {
        return None;
    }
    let mut reader = Reader::new(bytes);
    if reader.take(8)? != FORMAT || reader.take(32)? != definition {
        return None;
    }
    let mark = reader.take(32)?.try_into().ok()?;
    Some((reader.number()?, mark, reader))
}

pub(super) fn read<V: View>(bytes: &[u8], secret: &Hash) -> Option<Found<V>> {
    let (position, mark, mut reader) = unframe(bytes, &definition::<V>())?;
    let view = V::read(secret, &mut reader)?;
    reader.is_at_end().then_some(Found { view, position, mark })
}

/// Puts a checkpoint on disk in the place of the one before.
pub(crate) fn put(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let new = path.with_extension("new");
    let mut file = File::create(&new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    drop(file);
    std::fs::rename(&new, path)?;
    #[cfg(unix)]
    File::open(folder)?.sync_all()?;
    Ok(())
}
