//! What a witness does: it cosigns a head only when that extends the head that it saw before.

use ring::signature::Ed25519KeyPair;
use serde::{Deserialize, Serialize};

use crate::head::{Cosignature, Head, SignedHead};
use crate::tree::{Hash, extends};

/// What a witness keeps: the key of the log that it watches, and the newest head that it saw.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watched {
    /// Public key of the log.
    pub log_key: String,
    /// The newest head; none before the first.
    pub seen: Option<Head>,
}

/// Why a witness does not cosign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alarm {
    /// The head is not signed by the log's key.
    Unsigned,
    /// The log has another name or hash function than before.
    OtherLog,
    /// It is shorter than what was seen: it was rolled back.
    RolledBack,
    /// Its clock went back.
    ClockBack,
    /// It is no extension of what was seen: entries were changed, or the log was forked.
    Forked,
}

impl Watched {
    /// Looks at a head, and cosigns it when it extends what was seen; `proof` is the consistency proof from
    /// the seen size to the head's.
    ///
    /// # Errors
    /// What is wrong; the witness keeps what it saw, so that a later proper head is cosigned again.
    pub fn cosign(
        &mut self,
        signed: &SignedHead,
        proof: &[Hash],
        pair: &Ed25519KeyPair,
    ) -> Result<Cosignature, Alarm> {
        let head = &signed.head;
        if signed.signature.key != self.log_key || !signed.signature.is_of(head) {
            return Err(Alarm::Unsigned);
        }
        let root = head.hash().ok_or(Alarm::Unsigned)?;
        if let Some(seen) = &self.seen {
            if seen.log != head.log || seen.profile != head.profile {
                return Err(Alarm::OtherLog);
            }
            if head.size < seen.size {
                return Err(Alarm::RolledBack);
            }
            if head.time < seen.time {
                return Err(Alarm::ClockBack);
            }
            let before = seen.hash().ok_or(Alarm::Forked)?;
            let empty = seen.size == 0 && proof.is_empty();
            if !empty && !extends(head.profile, seen.size, &before, head.size, &root, proof) {
                return Err(Alarm::Forked);
            }
        }
        self.seen = Some(head.clone());
        Ok(Cosignature::sign(pair, head))
    }
}
