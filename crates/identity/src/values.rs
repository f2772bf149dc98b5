//! A table of distinct values: each is kept once and known by a number.

use crate::text;
use hashbrown::HashTable;

/// Number of a value; 0 is "missing".
pub type ValueId = u32;

/// Distinct texts as UTF-16 units, numbered from 1 in order of first sight.
#[derive(Default)]
pub struct Values {
    units: Vec<u16>,
    /// Where each value ends; value `v` spans `ends[v - 1]..ends[v]`, and value 0 is empty.
    ends: Vec<u32>,
    /// Each value with half of its hash, so that a growing table need not read the texts again.
    index: HashTable<(u32, ValueId)>,
}

/// Where a value stands in the index.
fn place(half: u32) -> u64 {
    u64::from(half).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

fn hash_units(units: &[u16]) -> u64 {
    units.chunks(4).fold(units.len() as u64, |state, chunk| {
        let word = chunk.iter().fold(0u64, |word, unit| word << 16 | u64::from(*unit));
        text::mix(state, word)
    })
}

impl Values {
    /// An empty table.
    pub fn new() -> Values {
        Values { units: Vec::new(), ends: vec![0], index: HashTable::new() }
    }

    /// Number of values, the missing one not counted.
    pub fn len(&self) -> usize {
        self.ends.len() - 1
    }

    /// Whether there is no value.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The units of a value.
    pub fn get(&self, value: ValueId) -> &[u16] {
        let value = value as usize;
        if value == 0 { &[] } else { &self.units[self.ends[value - 1] as usize..self.ends[value] as usize] }
    }

    /// The value as text.
    pub fn text(&self, value: ValueId) -> String {
        String::from_utf16_lossy(self.get(value))
    }

    /// The number of `text`, given out on first sight; empty text is 0.
    pub fn intern(&mut self, text: &str) -> ValueId {
        if text.is_empty() {
            return 0;
        }
        let start = self.units.len();
        self.units.extend(text.encode_utf16());
        let half = (hash_units(&self.units[start..]) >> 32) as u32;
        let (units, ends) = (&self.units, &self.ends);
        let slice = |v: ValueId| &units[ends[v as usize - 1] as usize..ends[v as usize] as usize];
        let is_it = |(other, v): &(u32, ValueId)| *other == half && slice(*v) == &units[start..];
        if let Some((_, found)) = self.index.find(place(half), is_it) {
            let found = *found;
            self.units.truncate(start);
            return found;
        }
        let value = self.ends.len() as ValueId;
        self.ends.push(self.units.len() as u32);
        self.index.insert_unique(place(half), (half, value), |(half, _)| place(*half));
        value
    }

    /// The number of `text` if it has been seen.
    pub fn find(&self, text: &str) -> Option<ValueId> {
        let units: Vec<u16> = text.encode_utf16().collect();
        let half = (hash_units(&units) >> 32) as u32;
        let is_it = |(other, v): &(u32, ValueId)| *other == half && self.get(*v) == units;
        self.index.find(place(half), is_it).map(|(_, value)| *value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_numbered_once() {
        let mut values = Values::new();
        let numbers: Vec<ValueId> =
            ["王伟", "smith", "王伟", "", "jones"].iter().map(|t| values.intern(t)).collect();
        assert_eq!(numbers, [1, 2, 1, 0, 3]);
        assert_eq!(values.text(1), "王伟");
        assert_eq!((values.find("jones"), values.find("brown"), values.len()), (Some(3), None, 3));
    }
}
