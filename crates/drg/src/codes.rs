//! Codes as small numbers, and the sets that each code is a member of.

/// Texts numbered in the order in which they were first seen; one arena, one hash table.
#[derive(Debug, Default, Clone)]
pub struct Codes {
    arena: String,
    ends: Vec<u32>,
    slots: Vec<u32>,
}

const EMPTY: u32 = u32::MAX;

fn hash(text: &[u8]) -> u64 {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut value = text.len() as u64;
    let mut chunks = text.chunks_exact(8);
    for chunk in &mut chunks {
        let word = u64::from_le_bytes(chunk.try_into().expect("eight bytes"));
        value = (value.rotate_left(5) ^ word).wrapping_mul(FACTOR);
    }
    let mut tail = [0; 8];
    let rest = chunks.remainder();
    tail[..rest.len()].copy_from_slice(rest);
    value = (value.rotate_left(5) ^ u64::from_le_bytes(tail)).wrapping_mul(FACTOR);
    value ^ (value >> 32)
}

impl Codes {
    /// How many codes.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The text of a number that this table gave.
    pub fn text(&self, id: u32) -> &str {
        let end = self.ends[id as usize] as usize;
        let start = if id == 0 { 0 } else { self.ends[id as usize - 1] as usize };
        &self.arena[start..end]
    }

    /// The number of a text that was seen.
    #[inline]
    pub fn find(&self, text: &str) -> Option<u32> {
        if self.slots.is_empty() {
            return None;
        }
        let mask = self.slots.len() - 1;
        let mut slot = hash(text.as_bytes()) as usize & mask;
        loop {
            match self.slots[slot] {
                EMPTY => return None,
                id if self.text(id) == text => return Some(id),
                _ => slot = (slot + 1) & mask,
            }
        }
    }

    /// The number of a text, giving it one when it is new.
    pub fn intern(&mut self, text: &str) -> u32 {
        if let Some(id) = self.find(text) {
            return id;
        }
        if (self.ends.len() + 1) * 2 > self.slots.len() {
            self.grow();
        }
        let id = self.ends.len() as u32;
        self.arena.push_str(text);
        self.ends.push(self.arena.len() as u32);
        self.place(id);
        id
    }

    fn place(&mut self, id: u32) {
        let mask = self.slots.len() - 1;
        let mut slot = hash(self.text(id).as_bytes()) as usize & mask;
        while self.slots[slot] != EMPTY {
            slot = (slot + 1) & mask;
        }
        self.slots[slot] = id;
    }

    fn grow(&mut self) {
        self.slots = vec![EMPTY; (self.slots.len() * 2).max(1024)];
        for id in 0..self.ends.len() as u32 {
            self.place(id);
        }
    }
}

/// For each code the numbers of the sets that it is in.
#[derive(Debug, Default, Clone)]
pub struct Memberships {
    starts: Vec<u32>,
    sets: Vec<u16>,
}

impl Memberships {
    /// From (code, set) pairs, for `codes` codes.
    pub fn new(codes: usize, pairs: &[(u32, u16)]) -> Memberships {
        let mut starts = vec![0u32; codes + 1];
        for (code, _) in pairs {
            starts[*code as usize + 1] += 1;
        }
        for at in 0..codes {
            starts[at + 1] += starts[at];
        }
        let mut next = starts.clone();
        let mut sets = vec![0u16; pairs.len()];
        for (code, set) in pairs {
            let place = &mut next[*code as usize];
            sets[*place as usize] = *set;
            *place += 1;
        }
        Memberships { starts, sets }
    }

    /// The sets of a code.
    #[inline]
    pub fn of(&self, code: u32) -> &[u16] {
        let at = code as usize;
        &self.sets[self.starts[at] as usize..self.starts[at + 1] as usize]
    }
}

/// A set of small numbers as bits.
#[derive(Debug, Default, Clone)]
pub struct Bits(Vec<u64>);

impl Bits {
    /// Room for `count` numbers, none in the set.
    pub fn new(count: usize) -> Bits {
        Bits(vec![0; count.div_ceil(64)])
    }

    /// Takes every number out.
    #[inline]
    pub fn clear(&mut self) {
        self.0.fill(0);
    }

    /// Puts a number in.
    #[inline]
    pub fn set(&mut self, at: u16) {
        self.0[usize::from(at >> 6)] |= 1 << (at & 63);
    }

    /// Whether the number is in.
    #[inline]
    pub fn has(&self, at: u16) -> bool {
        self.0[usize::from(at >> 6)] >> (at & 63) & 1 == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_keep_their_number() {
        let mut codes = Codes::default();
        let texts: Vec<String> = (0..5000).map(|n| format!("A{:02}.{n:03}x{n}", n % 100)).collect();
        for (n, text) in texts.iter().enumerate() {
            assert_eq!(codes.intern(text), n as u32);
        }
        for (n, text) in texts.iter().enumerate() {
            assert_eq!(codes.find(text), Some(n as u32));
            assert_eq!(codes.text(n as u32), text);
        }
        assert_eq!(codes.find("B"), None);
    }

    #[test]
    fn memberships_are_those_given() {
        let members = Memberships::new(3, &[(2, 7), (0, 1), (2, 3)]);
        assert_eq!(members.of(0), [1]);
        assert_eq!(members.of(1), [0u16; 0]);
        assert_eq!(members.of(2), [7, 3]);
    }
}
