//! The keyed hashes under which resources and values are filed.
//!
//! SipHash-2-4 under the installation's secret: nobody outside can make two
//! texts fall on one key.

use std::hash::Hasher;

use siphasher::sip::SipHasher24;
use tongmai_fhir::definition::{ResourceTypeId, resource_type_name};
use tongmai_store::ResourceKey;

/// Makes keys.
#[derive(Clone)]
pub struct Keys {
    hasher: SipHasher24,
}

/// What a hash stands for, so that a code and an address of the same text differ.
#[derive(Clone, Copy)]
enum Domain {
    Resource = 1,
    Code = 2,
    Address = 3,
    Source = 4,
}

impl Keys {
    /// Keys under a secret.
    pub fn new(secret: &[u8; 32]) -> Keys {
        let half = |bytes: &[u8]| bytes.iter().fold(0u64, |n, &b| n << 8 | u64::from(b));
        Keys { hasher: SipHasher24::new_with_keys(half(&secret[..8]), half(&secret[8..16])) }
    }

    fn hash(&self, domain: Domain, parts: &[&str]) -> i64 {
        let mut hasher = self.hasher;
        hasher.write_u8(domain as u8);
        for part in parts {
            hasher.write(part.as_bytes());
            hasher.write_u8(0xff);
        }
        hasher.finish() as i64
    }

    /// The key of `Type/id`.
    pub fn resource(&self, type_id: ResourceTypeId, id: &str) -> ResourceKey {
        ResourceKey(self.hash(Domain::Resource, &[resource_type_name(type_id).unwrap_or(""), id]))
    }

    /// The value of a token's code; its system stands beside it in the row.
    pub fn code(&self, code: &str) -> i64 {
        self.hash(Domain::Code, &[code])
    }

    /// The value of an address: a URI, a canonical, an absolute reference.
    pub fn address(&self, address: &str) -> i64 {
        self.hash(Domain::Address, &[address])
    }

    /// The key of a source's own id.
    pub fn source(&self, source: &str, type_name: &str, id: &str) -> i64 {
        self.hash(Domain::Source, &[source, type_name, id])
    }
}

/// Sixteen bits of a code's hash for a record row; never 0, which means "no code".
pub fn short_code(code_hash: i64) -> u16 {
    (code_hash as u16).max(1)
}
