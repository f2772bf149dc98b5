//! Resource ids: UUIDs that depend on the seed, a kind and a number, so that
//! any resource can be named before it is written.

use crate::rng::{key, mix};

/// Streams of pseudo-random numbers and kinds of ids.
pub const STREAM_STAFF: u64 = 1;
/// Make-up of a household.
pub const STREAM_HOUSEHOLD: u64 = 2;
/// Names, phones and registrations of a household's people.
pub const STREAM_PERSON: u64 = 3;
/// What happens to a person.
pub const STREAM_LIFE: u64 = 4;
/// Planted outbreaks.
pub const STREAM_OUTBREAK: u64 = 5;
/// A birth, as mother and child both see it.
pub const STREAM_BIRTH: u64 = 6;
/// Stays in a hospital; apart from a life's other numbers, so that they change nothing else.
pub const STREAM_STAYS: u64 = 7;
/// Organization.
pub const ORGANIZATION: u64 = 101;
/// Practitioner.
pub const PRACTITIONER: u64 = 102;
/// PractitionerRole.
pub const PRACTITIONER_ROLE: u64 = 103;
/// Location; the number is provider × 100 + department.
pub const LOCATION: u64 = 104;
/// Everything about a person; the key of [`of`] is then the person's own.
pub const PERSON: u64 = 105;

/// A version 4 UUID out of a key: the same key gives the same id.
pub fn of(seed: u64, kind: u64, number: u64) -> u128 {
    let high = key(seed, kind, number);
    let low = mix(high ^ 0xD6E8_FEB8_6659_FD93);
    let both = (u128::from(high) << 64) | u128::from(low);
    (both & !(0xF000 << 64) & !(0xC << 60)) | (0x4000 << 64) | (0x8 << 60)
}
