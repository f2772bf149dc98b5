//! Bodies sealed under one key a record, over any store.
//!
//! [`Vault`] is a [`Store`](tongmai_store::Store) over another one: it seals each body on its way in and opens
//! it on its way out, so that neither the stores nor the engine know of keys. A body is packed first and sealed
//! then; the hash chain commits to what lies in the store, sealed.
//!
//! | what | where | protected by |
//! |---|---|---|
//! | master key | outside the data folder, the operator's | the operator |
//! | wrapping key | head of the [`keyring`] | sealed under the master key; a new one at each erasure |
//! | data keys, one a record | slots of the keyring | sealed under the wrapping key |
//! | bodies | the store | sealed under the data key of their record |
//!
//! Erasing a record destroys its data key, and with the wrapping key every copy of the slot that may have
//! stayed on the disk. A backup of the store holds no keys: what was erased after it was made cannot be
//! read from it either. Index rows are not sealed (they must be compared), so a backup has its
//! [`erasures`] done again before it serves.
//!
//! The ciphers are behind one seam, [`seal::Suite`]: AES-256-GCM, SM4-GCM, or a certified module of the site's.

pub mod erasures;
pub mod keyring;
pub mod seal;
mod vault;

pub use erasures::{Erasure, Erasures};
pub use keyring::Keyring;
pub use seal::Profile;
pub use vault::Vault;

use std::path::Path;

use tongmai_store::StoreError;

/// Fills bytes with randomness of the operating system.
fn dice(bytes: &mut [u8]) -> tongmai_store::Result<()> {
    getrandom::fill(bytes).map_err(|error| StoreError(format!("no randomness: {error}")))
}

/// An error of a file with what was being done.
fn failed<'p>(what: &'static str, path: &'p Path) -> impl FnOnce(std::io::Error) -> StoreError + 'p {
    move |error| StoreError(format!("{what} {}: {error}", path.display()))
}
