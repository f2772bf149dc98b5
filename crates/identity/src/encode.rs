//! Keyed Bloom encodings for parties that may not show names to each other.
//!
//! Each field becomes the set of its bigrams; each bigram sets [`HASHES`] of
//! 1,024 bits, chosen by a keyed hash (HMAC-SHA-256, RFC 2104). The likeness of
//! two encodings is the Dice coefficient of their bits (Schnell, Bachteler and
//! Reiher 2009).
//!
//! **Limits.** An encoding hides a name from one who does not hold the key; it
//! does not make the data anonymous. Frequent bigrams can be found by counting
//! when many encodings with one key are at hand (Niedermeyer and others 2014;
//! Christen and others 2018), and whoever holds the key can try names. So: one
//! key for one linkage, keys never at the party that compares, encodings deleted
//! after it, and never published. Exact numbers belong into [`token`], which
//! gives nothing but equality.

use crate::text;
use sha2::{Digest, Sha256};

/// Bits of an encoding.
pub const BITS: usize = 1024;
/// Bits that each bigram sets.
pub const HASHES: u32 = 20;

/// The encoded fields of a record: 1,024 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Encoding([u64; BITS / 64]);

/// HMAC-SHA-256 (RFC 2104).
fn hmac(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut block = [0u8; 64];
    if key.len() > 64 {
        block[..32].copy_from_slice(&Sha256::digest(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let inner = Sha256::new().chain_update(block.map(|b| b ^ 0x36)).chain_update(message).finalize();
    Sha256::new().chain_update(block.map(|b| b ^ 0x5c)).chain_update(inner).finalize().into()
}

/// A keyed token of an exact value (a number, a birth date): equal tokens, equal values.
pub fn token(key: &[u8], field: &str, value: &str) -> [u8; 32] {
    hmac(key, format!("{field}\u{0}{}", text::code(value)).as_bytes())
}

impl Encoding {
    /// Encodes fields `(name, value)`; a value is normalised first, and the
    /// name of the field is part of what is hashed.
    pub fn new(key: &[u8], fields: &[(&str, &str)]) -> Encoding {
        let mut bits = [0u64; BITS / 64];
        for (field, value) in fields {
            let padded: Vec<char> = std::iter::once('_')
                .chain(text::compact(value).chars())
                .chain(std::iter::once('_'))
                .collect();
            for pair in padded.windows(2).filter(|_| padded.len() > 2) {
                let digest = hmac(key, format!("{field}\u{0}{}{}", pair[0], pair[1]).as_bytes());
                let half = |at: usize| u64::from_le_bytes(digest[at..at + 8].try_into().unwrap_or_default());
                // Double hashing: place = a + i·b (Kirsch and Mitzenmacher 2006), with b odd.
                let (a, b) = (half(0), half(8) | 1);
                for i in 0..u64::from(HASHES) {
                    let place = (a.wrapping_add(i.wrapping_mul(b)) % BITS as u64) as usize;
                    bits[place / 64] |= 1 << (place % 64);
                }
            }
        }
        Encoding(bits)
    }

    /// The bits, lowest first.
    pub fn words(&self) -> &[u64; BITS / 64] {
        &self.0
    }

    /// Dice coefficient of two encodings, 0 to 1.
    pub fn likeness(&self, other: &Encoding) -> f64 {
        let ones = |words: &[u64]| words.iter().map(|word| word.count_ones()).sum::<u32>();
        let both: u32 = self.0.iter().zip(&other.0).map(|(a, b)| (a & b).count_ones()).sum();
        let total = ones(&self.0) + ones(&other.0);
        if total == 0 { 0.0 } else { f64::from(2 * both) / f64::from(total) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hmac_of_the_standard_test_case() {
        // RFC 4231, test case 2.
        let digest = hmac(b"Jefe", b"what do ya want for nothing?");
        assert_eq!(digest[..4], [0x5b, 0xdc, 0xc1, 0x46]);
    }

    #[test]
    fn likeness_survives_slips_and_needs_the_key() {
        let one = |key: &[u8], name: &str, born: &str| Encoding::new(key, &[("name", name), ("birth", born)]);
        let base = one(b"key", "Caroline Redfield", "1856-03-30");
        assert_eq!(base.likeness(&one(b"key", "CAROLINE  redfield", "1856-03-30")), 1.0);
        assert!(base.likeness(&one(b"key", "Carolin Redfeild", "1856-03-30")) > 0.8);
        assert!(base.likeness(&one(b"key", "Thomas Barry", "1560-01-01")) < 0.5);
        assert!(base.likeness(&one(b"other", "Caroline Redfield", "1856-03-30")) < 0.5);
        assert_eq!(token(b"k", "id", "11010519491231002x"), token(b"k", "id", " 11010519491231002X"));
        assert_ne!(token(b"k", "id", "1"), token(b"k", "card", "1"));
        assert_eq!(Encoding::new(b"k", &[("name", "")]).likeness(&base), 0.0);
    }
}
