//! One record against everybody: the register behind every door.
//!
//! Records are packed to 48 bytes; posting lists lead from a key (number,
//! telephone, sound of the name with the birth date, …) to records. A query
//! reads its shortest lists first and stops as soon as no record that is still
//! unseen could reach the review zone: the upper bound falls with every list
//! read, because an unseen record cannot agree on the keys already followed.

mod state;

use crate::date::{Date, Relation};
use crate::han;
use crate::identifier::{Identifier, Scheme};
use crate::link::Zone;
use crate::name::Name;
use crate::record::Sex;
use crate::text::{self, mix};
use crate::values::{ValueId, Values};
use std::collections::HashMap;

/// Number of a record in the register, in order of entry.
pub type RowId = u32;

/// What is known of a person who stands at the door; empty is unknown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Person<'a> {
    /// Full name.
    pub name: &'a str,
    /// Sex in any usual code.
    pub sex: &'a str,
    /// Birth date in any usual form.
    pub birth_date: &'a str,
    /// Identity number.
    pub identity_number: &'a str,
    /// Insurance or card number.
    pub insurance_number: &'a str,
    /// Telephone.
    pub phone: &'a str,
    /// Address.
    pub address: &'a str,
    /// Number at one provider, as `provider|number`: comparable with that provider's numbers only.
    pub patient_number: &'a str,
}

/// A packed record. 0 is unknown everywhere.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Row {
    /// Digits of a resident number (the check `X` as ten), or a hash of any other number.
    identity: u64,
    insurance: u64,
    phone: u64,
    address: u64,
    /// Hash of a provider's number together with the provider.
    patient: u64,
    given: ValueId,
    family: ValueId,
    /// `yyyymmdd`, or 0.
    birth: u32,
    sex: u8,
    /// Whether a check character confirmed the identity number.
    checked: bool,
    /// Hash of the provider whose number `patient` is; 0 where there is none.
    provider: u16,
}

/// Which lists a record stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Key {
    Identity,
    Insurance,
    Phone,
    Address,
    Patient,
    NameBirth,
    FamilyBirth,
    NameYear,
}

const KEYS: [Key; 8] = [
    Key::Identity,
    Key::Insurance,
    Key::Phone,
    Key::Address,
    Key::Patient,
    Key::NameBirth,
    Key::FamilyBirth,
    Key::NameYear,
];

/// Evidence in bits (logarithm of base 2 of m/u). Agreement on a name counts
/// by how rare the name is.
#[derive(Debug, Clone, PartialEq)]
pub struct Weights {
    /// Probability from which a record at the door is linked without asking.
    pub automatic: f64,
    /// Probability from which a person should look.
    pub review: f64,
    /// Same identity number, one slip apart, both confirmed and different, different otherwise.
    pub identity: [f64; 4],
    /// Same insurance number, different.
    pub insurance: [f64; 2],
    /// Same telephone, different.
    pub phone: [f64; 2],
    /// Same address, different.
    pub address: [f64; 2],
    /// Same number at one provider, different numbers at the same provider.
    pub patient: [f64; 2],
    /// Birth date: equal, a slip or day and month exchanged, year only or two parts, same year, different.
    pub birth: [f64; 5],
    /// Same sex, different.
    pub sex: [f64; 2],
    /// Same given name but for its writing, a shared part, different; added to the rarity of the name.
    pub given: [f64; 3],
    /// Different family name.
    pub family: f64,
    /// Most that telephone, address and family name may say together when the given names differ.
    pub household: f64,
}

impl Default for Weights {
    /// What EM learns on generated Chinese records, rounded.
    fn default() -> Weights {
        Weights {
            automatic: AUTOMATIC,
            review: REVIEW,
            identity: [23.0, 12.0, -14.0, -7.0],
            insurance: [23.0, -8.0],
            phone: [20.0, -1.5],
            address: [18.0, -1.5],
            // A provider gives numbers out anew and registers people twice: less than an identity number.
            patient: [18.0, -3.0],
            birth: [14.5, 7.0, 3.0, 0.0, -7.0],
            sex: [1.0, -7.0],
            given: [-1.0, -3.0, -7.0],
            family: -8.0,
            household: 8.0,
        }
    }
}

/// A record that may be the person.
#[derive(Debug, Clone, PartialEq)]
pub struct Match {
    /// Number of the record.
    pub row: RowId,
    /// Probability that it is the person.
    pub probability: f64,
    /// Linked, for review, or a new person.
    pub zone: Zone,
    /// Bits of evidence of each of [`FIELDS`].
    pub evidence: [f64; FIELDS.len()],
    /// Something stands against linking the two without asking, however likely they are one person:
    /// two confirmed numbers that differ, or given names that leave twins possible.
    pub objection: bool,
}

/// What is compared, in the order of [`Match::evidence`].
pub const FIELDS: [&str; 8] = [
    "identity-number",
    "insurance-number",
    "telephone",
    "address",
    "name",
    "birth-date",
    "sex",
    "patient-number",
];

/// Probability from which a record is linked without asking, where the rules do not say another.
pub const AUTOMATIC: f64 = 0.9999;
/// Probability from which a person should look, where the rules do not say another.
pub const REVIEW: f64 = 0.05;
/// A register with fewer records still stands for a region with so many people: the first
/// registrations of an installation are not one person because they are the only ones.
const FEWEST: usize = 10_000;
/// Of how many people who are not in a small register yet one is imagined beside its records when it is told how
/// rare a name is, and the share of them that bears it: as many as bear the commonest names anywhere (王; 卓玛 among
/// Tibetan women). So a small register trusts no name to be rare, and name and birth date alone stay for a person to
/// judge there; from [`FEWEST`] records on, nobody is imagined.
const IMAGINED: f64 = 100.0;
const COMMON_FAMILY: f64 = 0.07;
const COMMON_GIVEN: f64 = 0.02;
/// Most records of one list that are read; longer lists need a second key.
const LONGEST_LIST: usize = 20_000;

/// Posting lists of one kind of key, by hash bucket.
#[derive(Default)]
struct Lists {
    starts: Vec<u32>,
    rows: Vec<RowId>,
    /// Records that came after the lists were packed.
    recent: HashMap<u64, Vec<RowId>>,
}

impl Lists {
    fn bucket(&self, key: u64) -> usize {
        // The number of buckets is a power of two.
        (key.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) as usize & (self.starts.len() - 2)
    }

    fn packed(&self, key: u64) -> &[RowId] {
        if self.starts.is_empty() {
            return &[];
        }
        let bucket = self.bucket(key);
        &self.rows[self.starts[bucket] as usize..self.starts[bucket + 1] as usize]
    }

    fn recent(&self, key: u64) -> &[RowId] {
        self.recent.get(&key).map_or(&[], Vec::as_slice)
    }

    fn len(&self, key: u64) -> usize {
        self.packed(key).len() + self.recent(key).len()
    }
}

/// All records, ready to be asked.
#[derive(Default)]
pub struct Register {
    rows: Vec<Row>,
    names: Names,
    lists: [Lists; KEYS.len()],
    weights: Weights,
}

#[derive(Default)]
struct Names {
    values: Option<Values>,
    sounds: Vec<u64>,
    surname_sounds: Vec<u64>,
    given_counts: Vec<u32>,
    family_counts: Vec<u32>,
}

impl Names {
    fn values(&mut self) -> &mut Values {
        self.values.get_or_insert_with(Values::new)
    }

    fn intern(&mut self, word: &str) -> ValueId {
        let value = self.values().intern(word);
        if self.sounds.is_empty() {
            self.push(0, 0);
        }
        if value as usize == self.sounds.len() {
            let (sound, surname) = sounds(word);
            self.push(sound, surname);
        }
        value
    }

    fn push(&mut self, sound: u64, surname: u64) {
        self.sounds.push(sound);
        self.surname_sounds.push(surname);
        self.given_counts.push(0);
        self.family_counts.push(0);
    }

    fn units(&self, value: ValueId) -> &[u16] {
        self.values.as_ref().map_or(&[], |values| values.get(value))
    }
}

fn sounds(word: &str) -> (u64, u64) {
    let hash = |reading: String| text::hash(reading.as_bytes());
    (hash(han::name_pinyin(word)), hash(han::surname_pinyin(word)))
}

/// A person at the door, read once.
struct Query {
    row: Row,
    given: Vec<u16>,
    given_sound: u64,
    family_sound: u64,
    given_bits: f64,
    family_bits: f64,
    newborn: bool,
}

/// Kinds of insurance and health numbers that a hash tells apart in its lowest bits.
const KINDS: u64 = 8;

/// Hash of an insurance or health number; `kind|number` tells numbers of different kinds apart.
fn insurance(raw: &str) -> u64 {
    let (kind, number) = raw.rsplit_once('|').unwrap_or(("", raw));
    match hashed(&text::code(number)) {
        0 => 0,
        hash => hash / KINDS * KINDS + text::hash(kind.as_bytes()) % KINDS,
    }
}

/// Hash of a provider's number with its provider; short numbers count as well.
fn hashed_whole(number: &str) -> u64 {
    match number.split_once('|') {
        Some((provider, own)) if !provider.is_empty() && !own.trim().is_empty() => {
            text::hash(number.trim().as_bytes()) | 1 << 63
        }
        _ => 0,
    }
}

fn hashed(code: &str) -> u64 {
    if code.len() < 4 { 0 } else { text::hash(code.as_bytes()) | 1 << 63 }
}

/// Digits of a resident number in 63 bits; a hash with the highest bit set for any other.
fn packed_identity(raw: &str) -> (u64, bool) {
    let code = text::code(raw);
    let number = Identifier::read(&code, None);
    if number.scheme != Scheme::Resident {
        return (hashed(&code), number.checked);
    }
    let digit = |byte: u8| if byte == b'X' { 10 } else { u64::from(byte - b'0') };
    let (head, check) = number.canonical.as_bytes().split_at(17);
    (head.iter().fold(0, |sum, byte| sum * 10 + digit(*byte)) * 11 + digit(check[0]), number.checked)
}

/// Whether two packed resident numbers are one digit or one adjacent exchange apart, the check character aside.
fn one_slip(a: u64, b: u64) -> bool {
    if (a | b) >> 63 != 0 {
        return false;
    }
    let digits = |number: u64| {
        let mut rest = number / 11;
        std::array::from_fn::<u8, 17, _>(|_| {
            let digit = (rest % 10) as u8;
            rest /= 10;
            digit
        })
    };
    crate::similarity::edit_distance(&digits(a), &digits(b), 1) == 1
}

impl Register {
    /// An empty register with the default weights.
    pub fn new() -> Register {
        Register::default()
    }

    /// An empty register with other weights.
    pub fn with_weights(weights: Weights) -> Register {
        Register { weights, ..Register::default() }
    }

    /// Number of records.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is no record.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Enters a record that can be found at once.
    pub fn insert(&mut self, person: &Person) -> RowId {
        let row = self.append(person);
        for (at, key) in KEYS.iter().enumerate() {
            if let Some(hash) = self.key(*key, &self.rows[row as usize]) {
                self.lists[at].recent.entry(hash).or_default().push(row);
            }
        }
        row
    }

    /// Enters a record that can be found after the next [`Register::pack`]; for filling in bulk.
    pub fn append(&mut self, person: &Person) -> RowId {
        let (row, name) = read(person);
        let given = self.names.intern(&name.given);
        let family = self.names.intern(&name.family);
        self.names.given_counts[given as usize] += 1;
        self.names.family_counts[family as usize] += 1;
        self.rows.push(Row { given, family, ..row });
        (self.rows.len() - 1) as RowId
    }

    /// Packs all posting lists anew.
    pub fn pack(&mut self) {
        let buckets = self.rows.len().next_power_of_two().max(2);
        for (at, key) in KEYS.iter().enumerate() {
            let mut lists = Lists { starts: vec![0; buckets + 1], ..Lists::default() };
            for row in &self.rows {
                if let Some(hash) = self.key(*key, row) {
                    let bucket = lists.bucket(hash);
                    lists.starts[bucket + 1] += 1;
                }
            }
            for bucket in 0..buckets {
                lists.starts[bucket + 1] += lists.starts[bucket];
            }
            lists.rows = vec![0; lists.starts[buckets] as usize];
            // Filling from the last record backwards leaves each start where its list begins.
            for (number, row) in self.rows.iter().enumerate().rev() {
                if let Some(hash) = self.key(*key, row) {
                    let bucket = lists.bucket(hash);
                    lists.starts[bucket + 1] -= 1;
                    lists.rows[lists.starts[bucket + 1] as usize] = number as RowId;
                }
            }
            lists.starts.remove(0);
            lists.starts.push(lists.rows.len() as u32);
            self.lists[at] = lists;
        }
    }

    fn key(&self, key: Key, row: &Row) -> Option<u64> {
        let given = self.names.sounds.get(row.given as usize).copied().unwrap_or(0);
        let family = self.names.surname_sounds.get(row.family as usize).copied().unwrap_or(0);
        key_of(key, row, if row.given == 0 { 0 } else { given }, if row.family == 0 { 0 } else { family })
    }

    fn query(&self, person: &Person) -> Query {
        let (mut row, name) = read(person);
        let find = |word: &str| self.names.values.as_ref().and_then(|values| values.find(word)).unwrap_or(0);
        (row.given, row.family) = (find(&name.given), find(&name.family));
        let sound = |word: &str| if word.is_empty() { (0, 0) } else { sounds(word) };
        Query {
            given_bits: self.bits(&self.names.given_counts, row.given, !name.given.is_empty(), COMMON_GIVEN),
            family_bits: self.bits(
                &self.names.family_counts,
                row.family,
                !name.family.is_empty(),
                COMMON_FAMILY,
            ),
            given_sound: sound(&name.given).0,
            family_sound: sound(&name.family).1,
            given: name.given.encode_utf16().collect(),
            newborn: name.newborn.is_some(),
            row,
        }
    }

    /// Takes a record out: it is never found again, and its number is not given out anew.
    pub fn remove(&mut self, number: RowId) {
        let Some(row) = self.rows.get_mut(number as usize) else { return };
        let row = std::mem::take(row);
        if let Some(count) = self.names.given_counts.get_mut(row.given as usize) {
            *count = count.saturating_sub(1);
        }
        if let Some(count) = self.names.family_counts.get_mut(row.family as usize) {
            *count = count.saturating_sub(1);
        }
    }

    /// A record that is in the register, as one who stands at the door.
    fn query_of(&self, row: Row) -> Query {
        Query {
            given_bits: self.bits(&self.names.given_counts, row.given, row.given != 0, COMMON_GIVEN),
            family_bits: self.bits(&self.names.family_counts, row.family, row.family != 0, COMMON_FAMILY),
            given_sound: self.sound(&self.names.sounds, row.given),
            family_sound: self.sound(&self.names.surname_sounds, row.family),
            given: self.names.units(row.given).to_vec(),
            // A newborn known by its mother has no given name, which says the same.
            newborn: false,
            row,
        }
    }

    fn sound(&self, sounds: &[u64], value: ValueId) -> u64 {
        if value == 0 { 0 } else { sounds.get(value as usize).copied().unwrap_or(0) }
    }

    /// How rare a name is, in bits, among the records and the imagined others, of whom the share `common` bears it:
    /// two records of one person do not make her name common, nor is a name rare because nobody else bears it yet.
    fn bits(&self, counts: &[u32], value: ValueId, known: bool, common: f64) -> f64 {
        if !known {
            return 0.0;
        }
        let count = if value == 0 { 0 } else { counts.get(value as usize).copied().unwrap_or(0) };
        let imagined = FEWEST.saturating_sub(self.rows.len()) as f64 / IMAGINED;
        let bearers = f64::from(count).max(1.0) + imagined * common;
        ((self.rows.len() as f64 + imagined).max(1.0) / bearers).log2().clamp(0.0, 16.0)
    }

    /// Birth date of a record, where it says one.
    pub fn birth(&self, row: RowId) -> Option<Date> {
        let birth = self.rows.get(row as usize)?.birth;
        (birth != 0).then(|| Date::from_number(birth))
    }

    /// Whether two records say different sexes.
    pub fn sexes_differ(&self, left: RowId, right: RowId) -> bool {
        let sex = |row: RowId| self.rows.get(row as usize).map_or(0, |row| row.sex);
        sex(left) != 0 && sex(right) != 0 && sex(left) != sex(right)
    }

    /// The weights that it judges by.
    pub fn weights(&self) -> &Weights {
        &self.weights
    }

    /// Bits that stand against any two records being one person before they are compared.
    pub fn prior(&self) -> f64 {
        -(self.rows.len().max(FEWEST) as f64).log2()
    }

    /// Two records side by side, however unlike they are; `None` for a number that was never given out.
    pub fn weigh(&self, left: RowId, right: RowId) -> Option<Match> {
        let query = self.query_of(*self.rows.get(left as usize)?);
        self.rows.get(right as usize)?;
        Some(self.compare(&query, right, self.prior()))
    }

    /// The other records that may be the person of this one, the likeliest first, at most `most`.
    pub fn find_row(&self, row: RowId, most: usize) -> Vec<Match> {
        let Some(own) = self.rows.get(row as usize) else { return Vec::new() };
        let mut found = self.search(&self.query_of(*own), most.saturating_add(1));
        found.retain(|other| other.row != row);
        found.truncate(most);
        found
    }

    /// The records that may be this person, the likeliest first, at most `most`.
    pub fn find(&self, person: &Person, most: usize) -> Vec<Match> {
        self.search(&self.query(person), most)
    }

    fn search(&self, query: &Query, most: usize) -> Vec<Match> {
        let prior = self.prior();
        let mut keys: Vec<(usize, usize, u64)> = KEYS
            .iter()
            .enumerate()
            .filter_map(|(at, key)| {
                let hash = key_of(*key, &query.row, query.given_sound, query.family_sound)?;
                Some((self.lists[at].len(hash), at, hash))
            })
            .collect();
        keys.sort_unstable();
        let least = (self.weights.review / (1.0 - self.weights.review)).log2();
        let mut read = [false; KEYS.len()];
        let mut seen: Vec<RowId> = Vec::new();
        for (length, at, hash) in keys {
            if length > LONGEST_LIST || prior + self.bound(query, &read) < least {
                break;
            }
            seen.extend_from_slice(self.lists[at].packed(hash));
            seen.extend_from_slice(self.lists[at].recent(hash));
            read[at] = true;
        }
        seen.sort_unstable();
        seen.dedup();
        let mut found: Vec<Match> =
            seen.into_iter().filter_map(|row| self.judge(query, row, prior)).collect();
        found.sort_by(|a, b| b.probability.total_cmp(&a.probability).then(a.row.cmp(&b.row)));
        found.truncate(most);
        found
    }

    /// The most bits that a record outside the lists already read can reach.
    fn bound(&self, query: &Query, read: &[bool; KEYS.len()]) -> f64 {
        let weights = &self.weights;
        let read = |key: Key| read[KEYS.iter().position(|k| *k == key).unwrap_or(0)];
        let numbers = [
            (query.row.identity, Key::Identity, weights.identity[0], weights.identity[1]),
            (query.row.insurance, Key::Insurance, weights.insurance[0], 0.0),
            (query.row.phone, Key::Phone, weights.phone[0], 0.0),
            (query.row.address, Key::Address, weights.address[0], 0.0),
            (query.row.patient, Key::Patient, weights.patient[0], 0.0),
        ];
        let mut most: f64 =
            numbers.iter().filter(|n| n.0 != 0).map(|n| if read(n.1) { n.3 } else { n.2 }).sum::<f64>();
        most += if query.row.sex != 0 { weights.sex[0] } else { 0.0 };
        let name = query.given_bits + query.family_bits;
        let birth = if query.row.birth == 0 { [0.0; 2] } else { [weights.birth[0], weights.birth[1]] };
        let ways = [
            (!read(Key::NameBirth), name + birth[0]),
            (!read(Key::FamilyBirth) && !read(Key::NameBirth), query.family_bits + birth[0]),
            // A slip in the year, or a date that the record lacks.
            (true, name + birth[1]),
            (true, query.given_bits.max(query.family_bits) + weights.given[1] + birth[0]),
        ];
        most + ways.iter().filter(|way| way.0).map(|way| way.1).fold(0.0, f64::max)
    }

    fn judge(&self, query: &Query, number: RowId, prior: f64) -> Option<Match> {
        let found = self.compare(query, number, prior);
        (found.zone != Zone::Apart).then_some(found)
    }

    fn compare(&self, query: &Query, number: RowId, prior: f64) -> Match {
        let weights = &self.weights;
        let row = &self.rows[number as usize];
        let compare = |a: u64, b: u64, bits: [f64; 2]| match (a, b) {
            (0, _) | (_, 0) => 0.0,
            (a, b) if a == b => bits[0],
            _ => bits[1],
        };
        let own = &query.row;
        let identity = match (own.identity, row.identity) {
            (0, _) | (_, 0) => 0.0,
            (a, b) if a == b => weights.identity[0],
            _ if own.checked && row.checked => weights.identity[2],
            (a, b) if one_slip(a, b) => weights.identity[1],
            _ => weights.identity[3],
        };
        // Numbers of different kinds (insurance, health code) say nothing of each other.
        let insurance = match own.insurance % KINDS == row.insurance % KINDS {
            true => compare(own.insurance, row.insurance, weights.insurance),
            false => 0.0,
        };
        let patient = match own.provider == row.provider {
            true => compare(own.patient, row.patient, weights.patient),
            false => 0.0,
        };
        let mut phone = compare(own.phone, row.phone, weights.phone);
        let mut address = compare(own.address, row.address, weights.address);
        let (name, given) = self.compare_names(query, row);
        let birth = match (own.birth, row.birth) {
            (0, _) | (_, 0) => 0.0,
            (a, b) => match Date::from_number(a).relate(Date::from_number(b)) {
                Relation::Equal => weights.birth[0],
                Relation::Swapped | Relation::OneSlip => weights.birth[1],
                Relation::YearOnly | Relation::TwoParts => weights.birth[2],
                Relation::TwoSlips | Relation::SameYear => weights.birth[3],
                Relation::Different => weights.birth[4],
            },
        };
        let sex = compare(u64::from(own.sex), u64::from(row.sex), weights.sex);
        let equal = |a: u64, b: u64| usize::from(a != 0 && a == b);
        let numbers = equal(own.identity, row.identity)
            + equal(own.insurance, row.insurance)
            + equal(own.patient, row.patient);
        let open = given != Given::Same;
        if open && phone.max(0.0) + address.max(0.0) > weights.household {
            // A shared home is one proof, not two.
            let scale = weights.household / (phone.max(0.0) + address.max(0.0));
            (phone, address) = (phone * scale, address * scale);
        }
        let evidence = [identity, insurance, phone, address, name, birth, sex, patient];
        let bits = prior + evidence.iter().sum::<f64>();
        let probability = 1.0 / (1.0 + (-bits).exp2());
        let differs = identity == weights.identity[2] && own.checked && row.checked;
        let needed = if given == Given::Different { 2 } else { 1 };
        let objection = (differs && numbers == 0) || ((open || query.newborn) && numbers < needed);
        let zone = match probability {
            p if p < weights.review => Zone::Apart,
            p if p >= weights.automatic && !objection => Zone::Automatic,
            _ => Zone::Review,
        };
        Match { row: number, probability, zone, evidence, objection }
    }

    /// Bits of the name, and how the given names relate.
    fn compare_names(&self, query: &Query, row: &Row) -> (f64, Given) {
        let weights = &self.weights;
        let mut bits = 0.0;
        if query.family_sound != 0 && row.family != 0 {
            bits += match () {
                () if query.row.family == row.family => query.family_bits,
                () if query.family_sound == self.names.surname_sounds[row.family as usize] => {
                    query.family_bits - 1.0
                }
                () => weights.family,
            };
        }
        if query.given.is_empty() || row.given == 0 {
            return (bits, Given::Open);
        }
        if query.row.given == row.given {
            return (bits + query.given_bits, Given::Same);
        }
        if query.given_sound == self.names.sounds[row.given as usize] {
            return (bits + query.given_bits + weights.given[0], Given::Same);
        }
        let theirs = self.names.units(row.given);
        let shared = query.given.iter().filter(|unit| theirs.contains(unit)).count();
        if shared > 0 && (shared == query.given.len() || shared == theirs.len()) {
            (bits + weights.given[1], Given::Open)
        } else {
            (bits + weights.given[2], Given::Different)
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Given {
    Same,
    Open,
    Different,
}

fn read<'a>(person: &Person<'a>) -> (Row, Name) {
    let (identity, checked) = packed_identity(person.identity_number);
    let sex = Sex::read(person.sex).map_or(0, |sex| sex as u8 + 1);
    let birth = Date::read(person.birth_date, None).map_or(0, Date::number);
    let provider = person.patient_number.split_once('|').map_or("", |(provider, _)| provider);
    let row = Row {
        identity,
        insurance: insurance(person.insurance_number),
        patient: hashed_whole(person.patient_number),
        provider: if provider.is_empty() { 0 } else { text::hash(provider.as_bytes()) as u16 | 1 },
        phone: hashed(&text::digits(person.phone)),
        address: hashed(&text::compact(person.address)),
        given: 0,
        family: 0,
        birth,
        sex,
        checked,
    };
    (row, Name::read(person.name, "", ""))
}

fn key_of(key: Key, row: &Row, given: u64, family: u64) -> Option<u64> {
    let number = |value: u64| (value != 0).then_some(value);
    let born = |value: u32| (row.birth != 0).then_some(u64::from(value));
    // Both sounds in any order, so that `YU YINGNA` finds 于颖娜.
    let name = (given != 0 && family != 0).then(|| mix(given.min(family), given.max(family)));
    match key {
        Key::Identity => number(row.identity),
        Key::Insurance => number(row.insurance),
        Key::Phone => number(row.phone),
        Key::Address => number(row.address),
        Key::Patient => number(row.patient),
        Key::NameBirth => Some(mix(name?, born(row.birth)?)),
        Key::FamilyBirth => Some(mix(number(family)?, born(row.birth)?)),
        Key::NameYear => Some(mix(name?, born(row.birth / 10_000)?)),
    }
}

#[cfg(test)]
#[path = "register/tests.rs"]
mod tests;
