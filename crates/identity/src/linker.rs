//! Who is who, kept up to date: every record that is written is linked, put up
//! for review, or a new person.
//!
//! A fold over two kinds of events in the order of a ledger: records that are
//! written or removed, and what people of the desk decide. The rules never undo
//! a person's decision. The same events give the same persons, to the bit: the
//! state depends on nothing else.

mod decide;
pub mod newborn;
mod state;
mod statistics;

use crate::link::Zone;
use crate::person::{Action, Event, Fields, Links, PersonId, RecordKey, Refusal};
use crate::register::{FIELDS, Match, Person, Register, RowId, Weights};
use newborn::{Mother, Newborn};
pub use statistics::{Band, Statistics};
use std::collections::{BTreeMap, BTreeSet};

/// Number of this set of rules; what it decided is worked out anew when it changes.
pub const RULES: u32 = 2;

/// Who is named where the rules decide.
pub const RULES_ACTOR: &str = "rules 2";

/// Most forms of one record that are compared: further names, numbers, telephones.
pub const MOST_FORMS: usize = 4;

/// Most records that are looked at for one that is written.
const MOST_CANDIDATES: usize = 50;

/// Bounds of the evidence of one pair in the average of a person, in bits.
const LEAST_BITS: f64 = -9.0;
const MOST_BITS: f64 = 17.0;

/// Records from which the posting lists are packed whenever their number has doubled.
const PACKED_FROM: usize = 1 << 16;

/// One way to read a record: a name, a number, a telephone of each kind. Empty is unknown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Form {
    /// Full name.
    pub name: String,
    /// Sex in any usual code.
    pub sex: String,
    /// Birth date in any usual form.
    pub birth_date: String,
    /// Identity number.
    pub identity_number: String,
    /// Insurance or health card number.
    pub insurance_number: String,
    /// Telephone.
    pub phone: String,
    /// Address.
    pub address: String,
    /// Number at one provider, as `provider|number`.
    pub patient_number: String,
}

impl Form {
    /// The same, borrowed, as the register takes it.
    pub fn person(&self) -> Person<'_> {
        Person {
            name: &self.name,
            sex: &self.sex,
            birth_date: &self.birth_date,
            identity_number: &self.identity_number,
            insurance_number: &self.insurance_number,
            phone: &self.phone,
            address: &self.address,
            patient_number: &self.patient_number,
        }
    }
}

/// What a record says of its person.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Demographics {
    /// At least one form, at most [`MOST_FORMS`]; the first is the usual one.
    pub forms: Vec<Form>,
    /// Place in a multiple birth, from 1; 0 is unknown.
    pub birth_order: u8,
    /// What the record of a newborn says of its mother.
    pub mother: Option<Mother>,
}

/// What a person of the desk decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ruling {
    /// The persons of two records are one.
    Same(RecordKey, RecordKey),
    /// Two records are not the same person, now and later.
    NotSame(RecordKey, RecordKey),
    /// These records leave the person of the first and become a person together.
    Apart(Vec<RecordKey>),
    /// Takes an earlier ruling back, named by the position at which it was given.
    Undo(u64),
}

/// What was decided: by a person, or by the rules.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// Position in the ledger.
    pub position: u64,
    /// What it did.
    pub action: Action,
    /// The records that it was decided on.
    pub records: Vec<RecordKey>,
    /// Who.
    pub actor: String,
    /// Why.
    pub reason: String,
    /// When, in milliseconds since 1970.
    pub time: i64,
    /// Why it had no effect; `None` when it had.
    pub refusal: Option<Refusal>,
    /// How the two records compared when it was decided, where it is about two.
    pub evidence: Option<Weighed>,
    /// A person decided, and not the rules.
    pub by_person: bool,
}

/// What somebody has said of two records that the rules would keep apart; it waits for a second person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// Position of the ruling.
    pub position: u64,
    /// Who said it.
    pub actor: String,
    /// Why.
    pub reason: String,
    /// When, in milliseconds since 1970.
    pub time: i64,
}

/// A compared pair.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Weighed {
    /// Probability that it is one person.
    pub probability: f64,
    /// What the rules would do.
    pub zone: Zone,
    /// Bits against any two records before they are compared.
    pub prior: f64,
    /// Bits of evidence of each of [`crate::register::FIELDS`].
    pub evidence: [f64; FIELDS.len()],
    /// Something stands against linking without asking.
    pub objection: bool,
}

impl Weighed {
    /// What the register found, with the prior it was weighed with.
    pub fn new(found: &Match, prior: f64) -> Weighed {
        Weighed {
            probability: found.probability,
            zone: found.zone,
            prior,
            evidence: found.evidence,
            objection: found.objection,
        }
    }

    fn bits(&self) -> f64 {
        self.prior + self.evidence.iter().sum::<f64>()
    }

    /// How much a person's answer would tell, in bits: 1 at even odds, 0 when it is certain.
    pub fn doubt(&self) -> f64 {
        let entropy = |p: f64| if p <= 0.0 { 0.0 } else { -p * p.log2() };
        entropy(self.probability) + entropy(1.0 - self.probability)
    }
}

/// A pair that a person should look at.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Review {
    /// The record that was written.
    pub record: RecordKey,
    /// The record it may belong with.
    pub other: RecordKey,
    /// How they compare.
    pub weighed: Weighed,
    /// Since when, in milliseconds since 1970.
    pub since: i64,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Entry {
    /// Its rows in the register; empty when the record was removed.
    rows: Vec<RowId>,
    birth_order: u8,
    newborn: Option<Box<Newborn>>,
}

/// Everybody, with who is who.
#[derive(Default)]
pub struct Linker {
    register: Register,
    records: BTreeMap<RecordKey, Entry>,
    owners: Vec<RecordKey>,
    links: Links,
    reviews: BTreeMap<(RecordKey, RecordKey), Review>,
    /// Pairs that a person has parted: the rules leave them so. With the positions of the rulings.
    parted: BTreeMap<(RecordKey, RecordKey), BTreeSet<u64>>,
    /// Records that a person has put together with others, with the positions of the rulings.
    pinned: BTreeMap<RecordKey, BTreeSet<u64>>,
    /// Positions of rulings, and which event of the links they were.
    rulings: BTreeMap<u64, u64>,
    decisions: Vec<Decision>,
    proposals: BTreeMap<(RecordKey, RecordKey), Proposal>,
    /// Links of the rules that people have taken apart.
    reversed: u64,
    packed: usize,
}

impl Linker {
    /// Nobody yet.
    pub fn new() -> Linker {
        Linker::default()
    }

    /// Nobody yet, by other weights.
    pub fn with_weights(weights: Weights) -> Linker {
        Linker { register: Register::with_weights(weights), ..Linker::default() }
    }

    /// The register behind it.
    pub fn register(&self) -> &Register {
        &self.register
    }

    /// Persons as sets of records.
    pub fn links(&self) -> &Links {
        &self.links
    }

    /// Everything that was decided beside new records, oldest first.
    pub fn decisions(&self) -> &[Decision] {
        &self.decisions
    }

    /// Pairs that one person has called the same although something stands against it, and that wait
    /// for a second person.
    pub fn proposals(&self) -> impl Iterator<Item = ((RecordKey, RecordKey), &Proposal)> {
        let open = |pair: &(RecordKey, RecordKey)| {
            self.person_of(pair.0) != self.person_of(pair.1) && !self.is_parted(pair.0, pair.1)
        };
        self.proposals.iter().filter(move |(pair, _)| open(pair)).map(|(pair, proposal)| (*pair, proposal))
    }

    /// The record of a row of the register.
    pub fn owner(&self, row: RowId) -> Option<RecordKey> {
        self.owners.get(row as usize).copied()
    }

    /// The person of a record.
    pub fn person_of(&self, record: RecordKey) -> Option<PersonId> {
        self.links.record(record).map(|record| record.person)
    }

    /// The records of a record's person that have not been removed, itself among them.
    pub fn together(&self, record: RecordKey) -> Vec<RecordKey> {
        let person = self.person_of(record).and_then(|id| self.links.person(id));
        let all = person.into_iter().flat_map(|person| person.records.iter().copied());
        all.filter(|record| self.is_there(*record)).collect()
    }

    /// Whether a record is known and has not been removed.
    pub fn is_there(&self, record: RecordKey) -> bool {
        self.records.get(&record).is_some_and(|entry| !entry.rows.is_empty())
    }

    /// Pairs that wait for a person, those first whose answer tells most.
    pub fn reviews(&self) -> Vec<Review> {
        let mut open: Vec<Review> =
            self.reviews.values().filter(|review| self.is_open(review)).copied().collect();
        open.sort_by(|a, b| {
            let (left, right) = (a.weighed.doubt(), b.weighed.doubt());
            right.total_cmp(&left).then(a.record.cmp(&b.record)).then(a.other.cmp(&b.other))
        });
        open
    }

    fn is_open(&self, review: &Review) -> bool {
        let persons = (self.person_of(review.record), self.person_of(review.other));
        persons.0 != persons.1
            && self.is_there(review.record)
            && self.is_there(review.other)
            && !self.is_parted(review.record, review.other)
    }

    fn is_parted(&self, a: RecordKey, b: RecordKey) -> bool {
        self.links.is_banned(a, b) || self.parted.contains_key(&(a.min(b), a.max(b)))
    }

    /// A record was written: for the first time, or anew.
    pub fn write(
        &mut self,
        position: u64,
        record: RecordKey,
        source: &str,
        said: &Demographics,
        time: i64,
    ) -> Zone {
        self.withdraw(record);
        let rows =
            said.forms.iter().take(MOST_FORMS).map(|form| self.register.insert(&form.person())).collect();
        self.owners.resize(self.register.len(), record);
        if self.register.len() >= (2 * self.packed).max(PACKED_FROM) {
            self.register.pack();
            self.packed = self.register.len();
        }
        let newborn = newborn::read(said).map(Box::new);
        self.records.insert(record, Entry { rows, birth_order: said.birth_order, newborn });
        let known = self.links.record(record).is_some();
        let action = match known {
            true => Action::Change { record, fields: Fields::new() },
            false => Action::Add { record, source: source.to_owned(), fields: Fields::new() },
        };
        let event = Event { action, actor: String::new(), reason: String::new(), time };
        // Neither can be refused: the record is new, or known.
        let _ = self.links.apply(&event);
        if known && !self.is_pinned(record) {
            self.leave_if_contradicted(position, record, time);
        }
        self.place(position, record, time)
    }

    /// A record was removed.
    pub fn remove(&mut self, record: RecordKey) {
        self.withdraw(record);
        if let Some(entry) = self.records.get_mut(&record) {
            entry.rows.clear();
        }
    }

    fn withdraw(&mut self, record: RecordKey) {
        let Some(entry) = self.records.get(&record) else { return };
        entry.rows.iter().for_each(|row| self.register.remove(*row));
        self.reviews.retain(|(left, right), _| *left != record && *right != record);
    }

    fn is_pinned(&self, record: RecordKey) -> bool {
        self.pinned.contains_key(&record)
    }

    /// How two records compare, by their likest forms; `None` when one has been removed.
    pub fn weigh(&self, left: RecordKey, right: RecordKey) -> Option<Weighed> {
        let (a, b) = (self.records.get(&left)?, self.records.get(&right)?);
        let pairs = a.rows.iter().flat_map(|x| b.rows.iter().map(move |y| (*x, *y)));
        let best = pairs
            .filter_map(|(x, y)| self.register.weigh(x, y))
            .max_by(|x, y| x.probability.total_cmp(&y.probability))?;
        Some(self.with_birth_order(Weighed::new(&best, self.register.prior()), a, b))
    }

    /// Twins who say which of them they are, and say different things, are two; newborns of one mother
    /// who say the same are one.
    fn with_birth_order(&self, mut weighed: Weighed, a: &Entry, b: &Entry) -> Weighed {
        if a.birth_order != 0 && b.birth_order != 0 && a.birth_order != b.birth_order {
            (weighed.zone, weighed.objection) = (Zone::Apart, true);
        } else if weighed.zone == Zone::Review
            && weighed.probability >= newborn::LIKELY
            && self.is_same_newborn(a, b)
        {
            (weighed.zone, weighed.objection) = (Zone::Automatic, false);
        }
        weighed
    }

    /// Whether the evidence of all pairs together carries two groups of records, and nothing forbids it.
    fn carried(&self, left: &[RecordKey], right: &[RecordKey]) -> bool {
        let (mut sum, mut pairs) = (0.0, 0u32);
        for a in left {
            for b in right {
                let Some(weighed) = self.weigh(*a, *b) else { continue };
                let forbidden = weighed.objection && weighed.zone == Zone::Apart;
                if forbidden || self.is_parted(*a, *b) {
                    return false;
                }
                sum += weighed.bits().clamp(LEAST_BITS, MOST_BITS);
                pairs += 1;
            }
        }
        pairs > 0 && sum > 0.0
    }

    /// A record that the rules linked leaves when what it says now no longer carries the link.
    fn leave_if_contradicted(&mut self, position: u64, record: RecordKey, time: i64) {
        let others: Vec<RecordKey> =
            self.together(record).into_iter().filter(|other| *other != record).collect();
        if others.is_empty() {
            return;
        }
        let linked = others
            .iter()
            .any(|other| self.weigh(record, *other).is_some_and(|weighed| weighed.zone == Zone::Automatic));
        if !linked || !self.carried(&[record], &others) {
            let reason = "what the record says now no longer carries the link";
            self.rule(position, Action::Unmerge { record }, vec![record], reason, time, None);
        }
    }

    /// Finds the person of a record.
    fn place(&mut self, position: u64, record: RecordKey, time: i64) -> Zone {
        let mut zone = Zone::Apart;
        for (other, weighed) in self.candidates(record) {
            if self.person_of(other) == self.person_of(record) {
                zone = Zone::Automatic;
                continue;
            }
            if weighed.zone == Zone::Automatic && self.may_join(record, other) {
                let (Some(a), Some(b)) = (self.person_of(record), self.person_of(other)) else { continue };
                // The older person stays.
                let action = Action::Merge { from: a.max(b), into: a.min(b) };
                let reason = "the evidence of all their records carries the link";
                if self.rule(position, action, vec![record, other], reason, time, Some(weighed)) {
                    zone = Zone::Automatic;
                    continue;
                }
            }
            let pair = (record.min(other), record.max(other));
            self.reviews.insert(pair, Review { record, other, weighed, since: time });
            zone = if zone == Zone::Automatic { zone } else { Zone::Review };
        }
        zone
    }

    fn may_join(&self, record: RecordKey, other: RecordKey) -> bool {
        self.carried(&self.together(record), &self.together(other))
    }

    /// The records that may be a person who stands at the door, the likeliest first, at most `most`.
    pub fn find(&self, said: &Demographics, most: usize) -> Vec<(RecordKey, Weighed)> {
        let prior = self.register.prior();
        let newborn = newborn::read(said).map(Box::new);
        let own = Entry { rows: Vec::new(), birth_order: said.birth_order, newborn };
        let forms = said.forms.iter().take(MOST_FORMS);
        let found =
            forms.flat_map(|form| self.register.find(&form.person(), most.saturating_mul(MOST_FORMS)));
        let mut found = self.best_of(&own, found.map(|found| (found.row, Weighed::new(&found, prior))));
        found.truncate(most);
        found
    }

    /// The best pair with each record, automatic ones first, then the likeliest.
    fn best_of(
        &self,
        own: &Entry,
        found: impl Iterator<Item = (RowId, Weighed)>,
    ) -> Vec<(RecordKey, Weighed)> {
        let mut best: BTreeMap<RecordKey, Weighed> = BTreeMap::new();
        for (row, weighed) in found {
            let Some(other) = self.owner(row) else { continue };
            let Some(theirs) = self.records.get(&other) else { continue };
            let weighed = self.with_birth_order(weighed, own, theirs);
            if weighed.zone == Zone::Apart {
                continue;
            }
            let known = best.entry(other).or_insert(weighed);
            if weighed.probability > known.probability {
                *known = weighed;
            }
        }
        let mut found: Vec<(RecordKey, Weighed)> = best.into_iter().collect();
        let rank = |weighed: &Weighed| (weighed.zone == Zone::Automatic, weighed.probability);
        found.sort_by(|(a, x), (b, y)| {
            let ((first, p), (second, q)) = (rank(x), rank(y));
            second.cmp(&first).then(q.total_cmp(&p)).then(a.cmp(b))
        });
        found
    }

    /// The best pair of each other person that this record may belong to, the likeliest first.
    fn candidates(&self, record: RecordKey) -> Vec<(RecordKey, Weighed)> {
        let Some(entry) = self.records.get(&record) else { return Vec::new() };
        let prior = self.register.prior();
        let found = entry.rows.iter().flat_map(|row| self.register.find_row(*row, MOST_CANDIDATES));
        let mut found = self.best_of(entry, found.map(|found| (found.row, Weighed::new(&found, prior))));
        found.retain(|(other, _)| *other != record && !self.is_parted(record, *other));
        let mut persons = BTreeSet::new();
        found.retain(|(other, _)| self.person_of(*other).is_some_and(|person| persons.insert(person)));
        found
    }

    /// A text that is the same for the same state, however it was reached: persons with their
    /// records and versions, decisions, and the pairs that wait.
    pub fn canonical(&self) -> String {
        use std::fmt::Write;
        let mut out = String::new();
        for (id, person) in self.links.persons() {
            let _ = writeln!(out, "person {id} version {} records {:?}", person.version, person.records);
        }
        for decision in &self.decisions {
            let _ = writeln!(out, "{decision:?}");
        }
        for review in self.reviews.values() {
            let _ = writeln!(out, "{review:?}");
        }
        for proposal in &self.proposals {
            let _ = writeln!(out, "{proposal:?}");
        }
        out
    }
}

#[cfg(test)]
#[path = "linker/tests.rs"]
mod tests;
