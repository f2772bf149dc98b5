//! The hash chain over the ledger, made so that erasure does not break it.
//!
//! The chain does not run over bodies but over salted *commitments* to them:
//! `commitment = SHA-256(salt ‖ body)` with `salt = SHA-256(secret ‖ seq)`. Whoever
//! purges a body leaves its commitment, and the chain still verifies; whoever
//! has only the commitment cannot guess the body without the secret. One head
//! is kept a commit: `head = SHA-256(previous head ‖ envelope and commitment of
//! each event)`.

use sha2::{Digest, Sha256};

use crate::Event;

/// A hash of the chain.
pub type Hash = [u8; 32];

/// The head before the first event.
pub const GENESIS: Hash = [0; 32];

/// The commitment to the body of the event at `seq`.
pub fn commitment(secret: &Hash, seq: u64, body: &[u8]) -> Hash {
    let salt: Hash = Sha256::new().chain_update(secret).chain_update(seq.to_be_bytes()).finalize().into();
    Sha256::new().chain_update(salt).chain_update(body).finalize().into()
}

/// The head after `events`, which were committed together.
pub fn next<'a>(previous: &Hash, secret: &Hash, events: impl IntoIterator<Item = &'a Event>) -> Hash {
    let mut head = Sha256::new().chain_update(previous);
    for event in events {
        head.update(envelope(event));
        head.update(event.commitment.unwrap_or_else(|| commitment(secret, event.seq, &event.body)));
    }
    head.finalize().into()
}

/// The envelope as the chain sees it: fixed fields in big-endian order, then the parents.
fn envelope(event: &Event) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(80);
    bytes.extend(event.seq.to_be_bytes());
    bytes.extend(event.origin.to_be_bytes());
    bytes.extend(event.origin_seq.to_be_bytes());
    bytes.extend(event.hybrid_time.to_be_bytes());
    bytes.push(event.kind as u8);
    bytes.extend(event.type_id.to_be_bytes());
    bytes.extend(event.key.0.to_be_bytes());
    bytes.extend(event.version.to_be_bytes());
    bytes.extend(event.record_key.0.to_be_bytes());
    bytes.extend(event.label.to_be_bytes());
    bytes.extend(event.actor.to_be_bytes());
    bytes.extend(event.purpose.to_be_bytes());
    for parent in &event.parents {
        bytes.extend(parent.to_be_bytes());
    }
    bytes
}
