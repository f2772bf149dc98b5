//! Messages about the same person or visit take turns.
//!
//! Senders pour in several messages of one visit at once. The store would let one of them win and have the others decide
//! again, over and over; here they wait for each other. This saves work and decides nothing: what is written rests on the
//! expectations of the transaction, also among several processes.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use tokio::sync::{Mutex, MutexGuard};

use crate::{Request, Understood};

/// How many turns there are; two people share one now and then, and wait without need.
const TURNS: usize = 512;

/// The turns.
pub struct Turns {
    all: Vec<Mutex<()>>,
}

impl Default for Turns {
    fn default() -> Turns {
        Turns { all: (0..TURNS).map(|_| Mutex::new(())).collect() }
    }
}

impl Turns {
    /// Waits until nobody else writes about the people and visits of a message. They are taken in one order, so that nobody
    /// waits for somebody who waits.
    pub async fn take(&self, understood: &Understood) -> Vec<MutexGuard<'_, ()>> {
        let mut turns = BTreeSet::new();
        for entry in &understood.entries {
            let kind = entry.resource.text("resourceType").unwrap_or_default();
            if matches!(kind, "Patient" | "Encounter") && entry.request != Request::Create {
                let mut hasher = DefaultHasher::new();
                entry.full_url.hash(&mut hasher);
                turns.insert(hasher.finish() as usize % TURNS);
            }
        }
        let mut taken = Vec::with_capacity(turns.len());
        for turn in turns {
            taken.push(self.all[turn].lock().await);
        }
        taken
    }
}
