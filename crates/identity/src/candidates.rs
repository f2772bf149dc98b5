//! Which pairs are worth comparing.
//!
//! Each rule makes a few keys of a record; records that share a key are
//! candidates. Rare keys first: every rule has a budget of pairs, and its
//! largest groups are left out when the budget is spent.

use crate::population::{Population, RecordId, Role};
use crate::text::mix;
use rayon::prelude::*;

/// What keys are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// Sound of the given name and of the family name, each for itself.
    EachSound,
    /// Consonants of the given name and of the family name, each for itself.
    EachSkeleton,
    /// Both sounds in any order.
    BothSounds,
    /// Both consonant keys in any order.
    BothSkeletons,
    /// Each further word of the name.
    EachWord,
    /// First value of a role.
    First(Role),
    /// Each value of a role.
    Each(Role),
    /// Year of birth.
    Year,
    /// Month and day of birth.
    MonthDay,
    /// First half of the postcode.
    Area,
    /// First units of each address.
    AddressHead,
    /// Each half of each number.
    NumberHalf,
}

use Part::{
    AddressHead, Area, BothSkeletons, BothSounds, Each, EachSkeleton, EachSound, EachWord, First, MonthDay,
    NumberHalf, Year,
};

/// The rules for every population, the most telling first.
const RULES: &[&[Part]] = &[
    &[Each(Role::Identifier)],
    &[Each(Role::Phone)],
    &[BothSounds, First(Role::BirthDate)],
    &[EachSound, First(Role::BirthDate)],
    &[Each(Role::Other)],
    &[Each(Role::Address)],
    &[BothSounds, Year],
    &[BothSounds, First(Role::Locality)],
    &[BothSounds, Area],
];

/// Further rules for populations of at most [`THOROUGH`] records, where time allows to look for
/// records that share little.
const THOROUGH_RULES: &[&[Part]] = &[
    &[BothSounds],
    &[BothSkeletons],
    &[EachSkeleton, First(Role::BirthDate)],
    &[First(Role::BirthDate)],
    &[First(Role::BirthDate), First(Role::Postcode)],
    &[First(Role::BirthDate), First(Role::Locality)],
    &[EachSkeleton, First(Role::Postcode)],
    &[EachSkeleton, First(Role::Locality)],
    &[EachSkeleton, MonthDay],
    &[EachSkeleton, Year, First(Role::Sex)],
    &[EachSound, Each(Role::Address)],
    &[EachSound, First(Role::Mother)],
    &[EachWord, First(Role::BirthDate)],
    &[EachWord, First(Role::Postcode)],
    &[EachWord, EachSound],
    &[EachSkeleton, Each(Role::Other)],
    &[First(Role::Postcode)],
    &[EachSkeleton, AddressHead],
    &[First(Role::Locality), AddressHead],
    &[NumberHalf],
];

/// Most records for which the thorough rules run.
const THOROUGH: usize = 200_000;

/// Most keys that one rule makes of one record.
const MOST_KEYS: usize = 12;

/// What making keys needs, kept from record to record.
#[derive(Default)]
struct Room {
    keys: Vec<u64>,
    heads: Vec<u64>,
    parts: Vec<u64>,
}

/// Records whose keys are made in one go.
const CHUNK: usize = 1 << 14;

/// Makes the keys of records.
struct Keys<'a> {
    people: &'a Population,
    names: bool,
    words: bool,
    birth: Option<usize>,
    postcode: Option<usize>,
}

impl<'a> Keys<'a> {
    fn new(people: &'a Population) -> Keys<'a> {
        Keys {
            people,
            names: people.slot(Role::Given).is_some(),
            words: people.slot(Role::Others).is_some(),
            birth: people.slot(Role::BirthDate),
            postcode: people.slot(Role::Postcode),
        }
    }

    /// Whether the population has what a rule needs.
    fn serves(&self, rule: &[Part]) -> bool {
        rule.iter().all(|part| match part {
            EachSound | EachSkeleton | BothSounds | BothSkeletons => self.names,
            EachWord => self.words,
            First(role) | Each(role) => self.people.slot(*role).is_some(),
            Year | MonthDay => self.birth.is_some(),
            Area => self.postcode.is_some(),
            AddressHead => self.people.slot(Role::Address).is_some(),
            NumberHalf => self.people.slot(Role::Identifier).is_some(),
        })
    }

    /// Leaves the keys of a record by a rule in `room.keys`.
    fn make(&self, rule: &[Part], record: RecordId, room: &mut Room) {
        room.keys.clear();
        room.keys.push(0);
        for part in rule {
            room.parts.clear();
            self.part(*part, record, &mut room.parts);
            std::mem::swap(&mut room.keys, &mut room.heads);
            room.keys.clear();
            for head in &room.heads {
                room.keys.extend(room.parts.iter().take(MOST_KEYS).map(|part| mix(*head, *part)));
            }
            room.keys.truncate(MOST_KEYS);
        }
        if room.keys.len() > 1 {
            room.keys.sort_unstable();
            room.keys.dedup();
        }
    }

    fn part(&self, part: Part, record: RecordId, out: &mut Vec<u64>) {
        let row = self.people.row(record);
        let pair = |table: &[u64], surnames: &[u64]| {
            let (given, family) = (table[row[0] as usize], surnames[row[1] as usize]);
            (row[0] > 0 && row[1] > 0).then(|| mix(given.min(family), given.max(family)))
        };
        let date = |slot: usize| self.people.attributes[slot].dates[row[slot] as usize];
        match part {
            BothSounds => out.extend(pair(&self.people.sounds, &self.people.surname_sounds)),
            BothSkeletons => out.extend(pair(&self.people.skeletons, &self.people.skeletons)),
            EachSound => {
                out.extend((row[0] > 0).then(|| self.people.sounds[row[0] as usize]));
                out.extend((row[1] > 0).then(|| self.people.surname_sounds[row[1] as usize]));
            }
            EachSkeleton => {
                out.extend(
                    row[..2].iter().filter(|value| **value > 0).map(|v| self.people.skeletons[*v as usize]),
                );
            }
            EachWord => {
                let words = self.people.word_sets[row[3] as usize].iter().copied();
                out.extend(words.chain(row[..2].iter().copied()).filter(|v| *v > 0).map(u64::from));
            }
            First(role) => {
                out.extend(
                    self.people.slot(role).filter(|slot| row[*slot] > 0).map(|slot| u64::from(row[slot])),
                );
            }
            Each(role) => {
                for (slot, attribute) in self.people.attributes.iter().enumerate() {
                    if attribute.role == role && row[slot] > 0 {
                        // Addresses may have changed columns: they share one space of keys by their text.
                        let key = match role {
                            Role::Address => hash_units(attribute.values.get(row[slot])),
                            _ => mix(slot as u64, u64::from(row[slot])),
                        };
                        out.push(key);
                    }
                }
            }
            Year => out.extend(self.birth.map(date).filter(|d| *d > 0).map(|d| u64::from(d / 10_000))),
            MonthDay => {
                out.extend(self.birth.map(date).filter(|d| *d % 10_000 > 101).map(|d| u64::from(d % 10_000)))
            }
            AddressHead => {
                for (slot, attribute) in self.people.attributes.iter().enumerate() {
                    if attribute.role == Role::Address && row[slot] > 0 {
                        let units = attribute.values.get(row[slot]);
                        out.push(hash_units(&units[..units.len().min(5)]));
                    }
                }
            }
            NumberHalf => {
                for (slot, attribute) in self.people.attributes.iter().enumerate() {
                    if attribute.role == Role::Identifier && row[slot] > 0 {
                        let units = attribute.values.get(row[slot]);
                        let (head, tail) = units.split_at(units.len() / 2);
                        out.extend([mix(hash_units(head), slot as u64), mix(!hash_units(tail), slot as u64)]);
                    }
                }
            }
            Area => {
                if let Some(slot) = self.postcode.filter(|slot| row[*slot] > 0) {
                    let units = self.people.attributes[slot].values.get(row[slot]);
                    out.push(hash_units(&units[..units.len().div_ceil(2)]));
                }
            }
        }
    }
}

fn hash_units(units: &[u16]) -> u64 {
    units.iter().fold(1, |state, unit| mix(state, u64::from(*unit)))
}

/// Candidate pairs `(smaller, larger)` in order, each once. `across` keeps
/// only pairs of different sources. `budget` bounds the pairs of one rule.
pub fn candidates(people: &Population, across: bool, budget: usize) -> Vec<(RecordId, RecordId)> {
    let keys = Keys::new(people);
    let mut pairs: Vec<u64> = Vec::new();
    let thorough = if people.len() <= THOROUGH { THOROUGH_RULES } else { &[] };
    for rule in RULES.iter().chain(thorough).filter(|rule| keys.serves(rule)) {
        let chunks: Vec<Vec<u64>> = (0..people.len().div_ceil(CHUNK))
            .into_par_iter()
            .map(|chunk| {
                let (mut room, mut entries) = (Room::default(), Vec::with_capacity(CHUNK));
                for record in chunk * CHUNK..people.len().min((chunk + 1) * CHUNK) {
                    keys.make(rule, record as RecordId, &mut room);
                    // Half of the hash is enough: two keys that meet by chance cost one comparison.
                    entries.extend(room.keys.iter().map(|key| key >> 32 << 32 | record as u64));
                }
                entries
            })
            .collect();
        let mut entries = chunks.concat();
        drop(chunks);
        sort_by_key(&mut entries);
        collect_pairs(people, &entries, across, budget, &mut pairs);
        // Rules find the same pairs again and again: now and then that takes too much room.
        if pairs.len() > MOST_UNSORTED {
            pairs.par_sort_unstable();
            pairs.dedup();
        }
    }
    pairs.par_sort_unstable();
    pairs.dedup();
    pairs.into_iter().map(|pair| ((pair >> 32) as RecordId, pair as RecordId)).collect()
}

/// Pairs that may wait before those found twice are thrown away.
const MOST_UNSORTED: usize = 6_000_000;

/// Sorts entries that are in order of records by their keys, the upper 32 bits: three
/// passes of counting, each of which keeps the order of the one before.
fn sort_by_key(entries: &mut Vec<u64>) {
    const BITS: u32 = 11;
    const SHIFTS: [u32; 3] = [32, 32 + BITS, 32 + 2 * BITS];
    let digit = |entry: u64, shift: u32| (entry >> shift) as usize & ((1 << BITS) - 1);
    let mut from = std::mem::take(entries);
    let mut to = vec![0u64; from.len()];
    let mut counts = [const { [0usize; 1 << BITS] }; SHIFTS.len()];
    for entry in &from {
        for (count, shift) in counts.iter_mut().zip(SHIFTS) {
            count[digit(*entry, shift)] += 1;
        }
    }
    for (starts, shift) in counts.iter_mut().zip(SHIFTS) {
        let mut next = 0;
        for start in starts.iter_mut() {
            next += std::mem::replace(start, next);
        }
        for entry in &from {
            let place = &mut starts[digit(*entry, shift)];
            to[*place] = *entry;
            *place += 1;
        }
        std::mem::swap(&mut from, &mut to);
    }
    *entries = from;
}

/// Adds the pairs of all groups of equal keys, the smallest groups first, until the budget is spent.
fn collect_pairs(people: &Population, entries: &[u64], across: bool, budget: usize, pairs: &mut Vec<u64>) {
    const BUCKETS: usize = 4096;
    let mut cost = vec![0usize; BUCKETS];
    let groups = || entries.chunk_by(|a, b| a >> 32 == b >> 32);
    for group in groups().filter(|group| group.len() < BUCKETS) {
        cost[group.len()] += group.len() * (group.len() - 1) / 2;
    }
    let (mut spent, mut largest) = (0, 1);
    for (size, cost) in cost.iter().enumerate().skip(2) {
        spent += cost;
        if spent > budget {
            break;
        }
        largest = size;
    }
    for group in groups().filter(|group| (2..=largest).contains(&group.len())) {
        for (at, left) in group.iter().enumerate() {
            for right in &group[at + 1..] {
                let (left, right) = (*left as RecordId, *right as RecordId);
                if left != right && (!across || people.source(left) != people.source(right)) {
                    pairs.push(u64::from(left) << 32 | u64::from(right));
                }
            }
        }
    }
}
