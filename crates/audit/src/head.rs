//! Heads of the tree: signed by the log, cosigned by witnesses.

use data_encoding::{BASE64, HEXLOWER};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use serde::{Deserialize, Serialize};

use crate::tree::{Hash, Profile};

/// A head: what the whole log was at an instant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Name of the log.
    pub log: String,
    /// Its hash function.
    pub profile: Profile,
    /// Leaves.
    pub size: u64,
    /// Head of the tree in hexadecimal digits.
    pub root: String,
    /// When it was signed, in milliseconds since 1970.
    pub time: i64,
}

impl Head {
    /// A head of a tree.
    pub fn new(log: &str, profile: Profile, size: u64, root: &Hash, time: i64) -> Head {
        Head { log: log.to_owned(), profile, size, root: HEXLOWER.encode(root), time }
    }

    /// The text that is signed.
    pub fn text(&self) -> String {
        let profile = self.profile.name();
        format!("tongmai log head 1\n{}\n{profile}\n{}\n{}\n{}\n", self.log, self.size, self.root, self.time)
    }

    /// The hash of the tree.
    pub fn hash(&self) -> Option<Hash> {
        HEXLOWER.decode(self.root.as_bytes()).ok()?.try_into().ok()
    }
}

/// A signature of somebody over a head.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cosignature {
    /// The public key (Ed25519) in base 64.
    pub key: String,
    /// The signature in base 64.
    pub signature: String,
}

impl Cosignature {
    /// Signs a head.
    pub fn sign(pair: &Ed25519KeyPair, head: &Head) -> Cosignature {
        let signature = pair.sign(head.text().as_bytes());
        Cosignature { key: public_key(pair), signature: BASE64.encode(signature.as_ref()) }
    }

    /// Whether it is a signature of its key over a head.
    pub fn is_of(&self, head: &Head) -> bool {
        let key = BASE64.decode(self.key.as_bytes());
        let signature = BASE64.decode(self.signature.as_bytes());
        let (Ok(key), Ok(signature)) = (key, signature) else { return false };
        UnparsedPublicKey::new(&ED25519, key).verify(head.text().as_bytes(), &signature).is_ok()
    }
}

/// The public key of a pair in base 64.
pub fn public_key(pair: &Ed25519KeyPair) -> String {
    BASE64.encode(pair.public_key().as_ref())
}

/// A head with its signatures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedHead {
    /// The head.
    pub head: Head,
    /// The log's own signature.
    pub signature: Cosignature,
    /// Signatures of witnesses.
    #[serde(default)]
    pub witnesses: Vec<Cosignature>,
}

/// Who must have cosigned a head before a page calls it witnessed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Witnesses {
    /// How many of them.
    pub needed: usize,
    /// Name and public key of each.
    pub known: Vec<(String, String)>,
}

impl Witnesses {
    /// The names of those who cosigned a head.
    pub fn of<'a>(&'a self, signed: &SignedHead) -> Vec<&'a str> {
        let has = |key: &str| signed.witnesses.iter().any(|one| one.key == key && one.is_of(&signed.head));
        self.known.iter().filter(|(_, key)| has(key)).map(|(name, _)| name.as_str()).collect()
    }

    /// Whether enough of them cosigned it. Without any it never is.
    pub fn is_witnessed(&self, signed: &SignedHead) -> bool {
        self.needed > 0 && self.of(signed).len() >= self.needed
    }
}
