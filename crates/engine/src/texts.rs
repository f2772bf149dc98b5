//! Texts of versions that were unpacked lately.
//!
//! A version never changes, so its text need not be unpacked each time it is shown. Whoever asks has
//! read the event from the store: an erased one has no body any more, and its text is never asked for.
//! What was erased leaves this memory too.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use quick_cache::Weighter;
use quick_cache::sync::Cache;
use tongmai_store::{Event, Seq};

use crate::failure::Outcome;

/// Memory for the texts.
const BYTES: u64 = 32 << 20;
/// A longer text would drive out too many others.
const LONGEST: usize = 64 << 10;
/// What a text costs beside its bytes, about.
const OVERHEAD: u64 = 64;

#[derive(Clone)]
struct Length;

impl Weighter<Seq, Arc<[u8]>> for Length {
    fn weight(&self, _: &Seq, text: &Arc<[u8]>) -> u64 {
        text.len() as u64 + OVERHEAD
    }
}

/// The texts by their positions in the ledger.
pub(crate) struct Texts {
    cache: Cache<Seq, Arc<[u8]>, Length>,
    /// How often something was erased.
    erasures: AtomicU64,
}

impl Default for Texts {
    fn default() -> Texts {
        let about = (BYTES / 1024) as usize;
        Texts { cache: Cache::with_weighter(about, BYTES, Length), erasures: AtomicU64::new(0) }
    }
}

impl Texts {
    /// The text of an event that was read from the store.
    pub(crate) fn of(&self, event: &Event) -> Outcome<Vec<u8>> {
        if event.body.is_empty() {
            return Ok(Vec::new());
        }
        if let Some(text) = self.cache.get(&event.seq) {
            return Ok(text.to_vec());
        }
        let erasures = self.erasures.load(Ordering::Acquire);
        let mut text = Vec::new();
        tongmai_codec::unpack(&event.body, &mut text)?;
        if text.len() <= LONGEST {
            self.cache.insert(event.seq, text.as_slice().into());
            if self.erasures.load(Ordering::Acquire) != erasures {
                // Perhaps it was this one, erased between the read and here.
                self.cache.remove(&event.seq);
            }
        }
        Ok(text)
    }

    /// How often something was erased.
    pub(crate) fn erasures(&self) -> u64 {
        self.erasures.load(Ordering::Acquire)
    }

    /// Something was erased.
    pub(crate) fn forget(&self) {
        self.erasures.fetch_add(1, Ordering::AcqRel);
        self.cache.clear();
    }

    #[cfg(test)]
    pub(crate) fn holds(&self, seq: Seq) -> bool {
        self.cache.peek(&seq).is_some()
    }
}

#[cfg(test)]
mod tests {
    use tongmai_store::{EventKind, RecordKey, ResourceKey};

    use super::*;

    fn event(seq: Seq, text: &str) -> Event {
        Event {
            seq,
            origin: 0,
            origin_seq: seq,
            parents: Vec::new(),
            hybrid_time: 0,
            kind: EventKind::Put,
            type_id: 1,
            key: ResourceKey(7),
            version: 1,
            record_key: RecordKey(1),
            label: 0,
            actor: 1,
            purpose: 1,
            body: tongmai_codec::pack(text.as_bytes()),
            commitment: None,
        }
    }

    #[test]
    fn a_text_is_kept_until_something_is_erased() {
        let texts = Texts::default();
        let (one, two) = (event(1, "first"), event(2, "second"));
        for _ in 0..2 {
            assert_eq!(texts.of(&one).expect("a text"), b"first");
            assert_eq!(texts.of(&two).expect("a text"), b"second");
        }
        assert!(texts.holds(1) && texts.holds(2));
        let erased = Event { body: Vec::new(), ..one.clone() };
        assert_eq!(texts.of(&erased).expect("nothing"), b"");
        texts.forget();
        assert!(!texts.holds(1) && !texts.holds(2));
        assert_eq!(texts.of(&two).expect("a text"), b"second");
    }

    #[test]
    fn a_long_text_is_not_kept() {
        let texts = Texts::default();
        for (seq, length) in [(1, LONGEST), (2, LONGEST + 1)] {
            assert_eq!(texts.of(&event(seq, &"x".repeat(length))).expect("a text").len(), length);
        }
        assert!(texts.holds(1) && !texts.holds(2));
    }
}
