//! Counts that may be published: small cells are withheld, and the rest carry a
//! noise that belongs to the people in the cell.
//!
//! The cell-key method (Fraser and Wooton 2005, as the Australian Bureau of
//! Statistics uses it): every record has a secret random key; the keys of the
//! people in a cell, added up, choose the noise. The same people give the same
//! count however the question is put, so asking again averages nothing out; two
//! groups that differ in one person carry unrelated noise, so taking one count
//! from another does not show the person.

/// Counts below this are withheld.
pub const LEAST_PUBLISHED: u64 = 11;
/// Largest noise, in persons, either way.
pub const MOST_NOISE: i64 = 4;

/// A count that is being made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cell {
    count: u64,
    key: u64,
}

impl Cell {
    /// Adds a record by its secret key.
    pub fn add(&mut self, record_key: u64) {
        self.count += 1;
        self.key = self.key.wrapping_add(record_key);
    }

    /// Two disjoint cells as one. Shards can be added in any order.
    #[must_use]
    pub fn merged(self, other: Cell) -> Cell {
        Cell { count: self.count + other.count, key: self.key.wrapping_add(other.key) }
    }

    /// The count as it may be published; `None` when it is withheld. No cell that holds anybody is
    /// told from one that holds nobody, and nothing between 1 and 10 is ever said.
    pub fn published(self) -> Option<u64> {
        if self.count < LEAST_PUBLISHED {
            return None;
        }
        // Mixing (SplitMix64's finaliser), so that near keys give unlike noise.
        let mut z = self.key;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        let width = 2 * MOST_NOISE as u64 + 1;
        let noise = ((u128::from(z) * u128::from(width)) >> 64) as i64 - MOST_NOISE;
        let noisy = self.count.saturating_add_signed(noise);
        (noisy >= LEAST_PUBLISHED).then_some(noisy)
    }
}
