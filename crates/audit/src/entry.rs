//! What a leaf commits to.

use data_encoding::HEXLOWER;
use ring::hmac;
use serde::{Deserialize, Serialize};

use crate::tree::{Hash, Profile};

/// What is said of one read of one record: what the resident is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The record: the number under which the ledger keeps a source system's patient.
    pub record: u64,
    /// The how-manieth read of this record it is, from 1.
    pub count: u64,
    /// When, in milliseconds since 1970.
    pub time: i64,
    /// Account or client.
    pub actor: String,
    /// Purpose of use, as HL7 `v3-PurposeOfUse` codes it.
    pub purpose: String,
    /// What kind of read.
    pub operation: u8,
    /// Positions of the ledger that were shown of this record.
    pub shown: Vec<u64>,
}

impl Entry {
    /// The text that is committed to: JSON with its members in this order.
    pub fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// A leaf: one read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leaf {
    /// Its place, from 0.
    pub index: u64,
    /// When, in milliseconds since 1970.
    pub time: i64,
    /// One entry for each record that was shown, in the order of the records.
    pub entries: Vec<Entry>,
}

/// The salt of an entry. Nobody without the installation's secret can try out what a commitment hides;
/// a resident is given the salts of their own entries.
pub fn salt(secret: &[u8; 32], entry: &Entry) -> Hash {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    let mut context = hmac::Context::with_key(&key);
    context.update(&entry.record.to_be_bytes());
    context.update(&entry.count.to_be_bytes());
    let mut salt = [0; 32];
    salt.copy_from_slice(context.sign().as_ref());
    salt
}

/// The commitment to an entry: `H(salt ‖ text)`.
pub fn commitment(profile: Profile, salt: &Hash, text: &str) -> Hash {
    profile.hash(&[salt, text.as_bytes()])
}

/// The data of a leaf from its commitments: lines of text, so that a page can check them.
pub fn leaf_data(index: u64, time: i64, commitments: &[Hash]) -> String {
    let mut data = format!("tongmai read 1\n{index}\n{time}\n");
    for commitment in commitments {
        HEXLOWER.encode_append(commitment, &mut data);
        data.push('\n');
    }
    data
}

impl Leaf {
    /// The commitments to its entries.
    pub fn commitments(&self, profile: Profile, secret: &[u8; 32]) -> Vec<Hash> {
        let commit = |entry: &Entry| commitment(profile, &salt(secret, entry), &entry.text());
        self.entries.iter().map(commit).collect()
    }

    /// Its hash in the tree.
    pub fn hash(&self, profile: Profile, secret: &[u8; 32]) -> Hash {
        let data = leaf_data(self.index, self.time, &self.commitments(profile, secret));
        profile.leaf(data.as_bytes())
    }
}
