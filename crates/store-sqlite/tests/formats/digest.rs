//! A digest of what a store keeps.

use sha2::{Digest, Sha256};
use tongmai_store::Store;

/// SHA-256 in hex over the bodies, the heads of the chain, which commit to the rest of every event, and the
/// index rows.
pub fn digest(store: &dyn Store) -> String {
    let mut snapshot = store.snapshot().expect("snapshot");
    let mut hash = Sha256::new();
    for event in snapshot.feed(0, 1 << 30).expect("feed") {
        hash.update(event.seq.to_be_bytes());
        hash.update((event.body.len() as u64).to_be_bytes());
        hash.update(&event.body);
        hash.update(event.commitment.unwrap_or_default());
    }
    for (seq, head) in snapshot.chain(0, 1 << 30).expect("chain") {
        hash.update(seq.to_be_bytes());
        hash.update(head);
    }
    snapshot.dump_indexes(&mut |line| hash.update(format!("{line}\n"))).expect("dump");
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
