//! Finding a name in a small fixed list, which validation does for every property.

/// Positions of names in a list, by a hash of the name; collisions go to the next slot.
/// A search through a sorted list costs half a dozen comparisons, this mostly one.
#[derive(Debug)]
pub(super) struct Index {
    /// A power of two of slots, at least half of them [`EMPTY`].
    slots: Box<[u16]>,
}

const EMPTY: u16 = u16::MAX;

impl Index {
    pub(super) fn new(names: &[&str]) -> Index {
        let mut slots = vec![EMPTY; (names.len() * 2).next_power_of_two().max(2)].into_boxed_slice();
        for (at, name) in names.iter().enumerate() {
            let mut slot = hash(name) & (slots.len() - 1);
            while slots[slot] != EMPTY {
                slot = (slot + 1) & (slots.len() - 1);
            }
            slots[slot] = at as u16;
        }
        Index { slots }
    }

    /// The position of `name`; `name_at` gives the name at a position of the list.
    pub(super) fn find(&self, name: &str, name_at: impl Fn(usize) -> &'static str) -> Option<usize> {
        let mut slot = hash(name) & (self.slots.len() - 1);
        loop {
            match self.slots[slot] {
                EMPTY => return None,
                at if name_at(usize::from(at)) == name => return Some(usize::from(at)),
                _ => slot = (slot + 1) & (self.slots.len() - 1),
            }
        }
    }
}

/// Length, first and last bytes tell FHIR's names well enough apart.
fn hash(name: &str) -> usize {
    let bytes = name.as_bytes();
    let part = |range: std::ops::Range<usize>| {
        bytes[range].iter().fold(0u64, |word, byte| (word << 8) | u64::from(*byte))
    };
    let length = bytes.len();
    let word =
        part(0..length.min(8)) ^ part(length.saturating_sub(8)..length).rotate_left(29) ^ length as u64;
    (word.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_found_and_no_other() {
        for count in [0, 1, 2, 3, 100, 1000] {
            let names: Vec<&'static str> = (0..count)
                .map(|n: usize| &*Box::leak(format!("valueLongName{n}Type").into_boxed_str()))
                .collect();
            let index = Index::new(&names);
            for (at, name) in names.iter().enumerate() {
                assert_eq!(index.find(name, |at| names[at]), Some(at));
            }
            assert_eq!(index.find("", |at| names[at]), None);
            assert_eq!(index.find("valueLongName1", |at| names[at]), None);
        }
    }
}
