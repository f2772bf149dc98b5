//! Persons as versioned sets of record keys, folded from a ledger of decisions.
//!
//! Merging and unmerging move no data: a record keeps its key for ever, and a
//! person is the set of keys that point to it. Every decision is an event with
//! who, why and when; an undo is one more event. The state is a fold over the
//! events, so a replay gives the same state, and the golden record is a pure
//! function of the links and the survivorship policy, so an unlink rebuilds it
//! by itself.

mod state;

use std::collections::{BTreeMap, BTreeSet};

/// A source system's record, fixed for ever.
pub type RecordKey = u64;
/// A person: the number of the event that made it.
pub type PersonId = u64;

/// What a record says, by field.
pub type Fields = BTreeMap<String, String>;

/// One decision with who, why and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// What was decided.
    pub action: Action,
    /// Who decided: a person or a rule.
    pub actor: String,
    /// Why.
    pub reason: String,
    /// When, in milliseconds since 1970.
    pub time: i64,
}

/// What can be decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// A new record; it is a person of its own until it is linked.
    Add {
        /// Its key.
        record: RecordKey,
        /// Where it comes from.
        source: String,
        /// What it says.
        fields: Fields,
    },
    /// A record says something else now.
    Change {
        /// Its key.
        record: RecordKey,
        /// All that it says now.
        fields: Fields,
    },
    /// All records of one person become another's.
    Merge {
        /// The person that ends.
        from: PersonId,
        /// The person that stays.
        into: PersonId,
    },
    /// One record becomes a person of its own.
    Unmerge {
        /// Its key.
        record: RecordKey,
    },
    /// Some records of a person become a new person.
    Split {
        /// The person.
        person: PersonId,
        /// Keys that leave; those of other persons are ignored.
        records: Vec<RecordKey>,
    },
    /// A person of the desk says that two records are not the same person; they are parted and stay so.
    NotSame {
        /// One record.
        left: RecordKey,
        /// The other, which leaves when both are together.
        right: RecordKey,
    },
    /// Which value survives in which field.
    Policy(Policy),
    /// Takes an earlier event back, as far as nothing has moved on since.
    Undo {
        /// Number of the event.
        event: u64,
    },
}

/// Why an event had no effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// No such record, person or event.
    Unknown,
    /// The record is already there.
    Exists,
    /// The two are one already, or nothing would change.
    NothingToDo,
    /// A person of the desk has said that two of the records are not the same.
    CannotLink,
    /// What the event did has been overtaken by later events.
    Overtaken,
    /// A second person must say the same before it has an effect.
    Waiting,
}

/// How the surviving value of a field is chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Survivorship {
    /// From the record that was written last.
    MostRecent,
    /// What most records say.
    MostFrequent,
    /// From the first of these sources that says anything, then the most recent.
    Sources(Vec<String>),
    /// The longest value.
    Longest,
}

/// Survivorship by field, and for all other fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Rules of single fields.
    pub fields: BTreeMap<String, Survivorship>,
    /// The rule of all others.
    pub otherwise: Survivorship,
}

impl Default for Policy {
    fn default() -> Policy {
        Policy { fields: BTreeMap::new(), otherwise: Survivorship::MostRecent }
    }
}

/// A record as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Where it comes from.
    pub source: String,
    /// What it says.
    pub fields: Fields,
    /// When it last changed.
    pub time: i64,
    /// Number of the event that wrote it.
    pub written_by: u64,
    /// The person it belongs to.
    pub person: PersonId,
    /// Number of the event that put it there.
    pub linked_by: u64,
}

/// A field of a golden record and the record it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Surviving {
    /// The value.
    pub value: String,
    /// The record.
    pub record: RecordKey,
}

/// A golden record: the surviving value of each field.
pub type Golden = BTreeMap<String, Surviving>;

/// A person as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Person {
    /// Its records; empty after a merge into another.
    pub records: BTreeSet<RecordKey>,
    /// Rises by one with each change of the set.
    pub version: u32,
    /// The golden record.
    pub golden: Golden,
}

/// What an event changed, so that it can be taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Effect {
    Nothing,
    /// Records and the persons they left.
    Moved(Vec<(RecordKey, PersonId)>),
    /// A record, what it said before, and since when.
    Wrote(RecordKey, Fields, i64),
    /// A ban on a pair, and the record that had to leave a person for it.
    Banned(RecordKey, RecordKey, Option<PersonId>),
    /// The policy before.
    Policy(Policy),
}

/// The state of all persons: a fold over the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Links {
    records: BTreeMap<RecordKey, Record>,
    persons: BTreeMap<PersonId, Person>,
    bans: BTreeSet<(RecordKey, RecordKey)>,
    policy: Policy,
    policy_by: u64,
    effects: Vec<Effect>,
}

/// The golden record of some records: a pure function of them and the policy.
/// Ties go to the most recent record, then to the smallest key.
pub fn golden<'a>(records: impl Iterator<Item = (RecordKey, &'a Record)>, policy: &Policy) -> Golden {
    let mut by_field: BTreeMap<&str, Vec<(RecordKey, &Record, &str)>> = BTreeMap::new();
    for (key, record) in records {
        for (field, value) in record.fields.iter().filter(|(_, value)| !value.is_empty()) {
            by_field.entry(field).or_default().push((key, record, value));
        }
    }
    by_field
        .into_iter()
        .filter_map(|(field, candidates)| {
            let rule = policy.fields.get(field).unwrap_or(&policy.otherwise);
            let rank = |record: &Record, value: &str| -> usize {
                match rule {
                    Survivorship::MostRecent => 0,
                    Survivorship::MostFrequent => {
                        candidates.iter().filter(|(_, _, other)| *other == value).count()
                    }
                    Survivorship::Longest => value.chars().count(),
                    Survivorship::Sources(order) => {
                        order.len()
                            - order.iter().position(|source| *source == record.source).unwrap_or(order.len())
                    }
                }
            };
            let (key, _, value) = candidates.iter().max_by_key(|(key, record, value)| {
                (rank(record, value), record.time, std::cmp::Reverse(*key))
            })?;
            Some((field.to_owned(), Surviving { value: (*value).to_owned(), record: *key }))
        })
        .collect()
}

impl Links {
    /// The state after all events of a ledger.
    pub fn rebuild(events: &[Event]) -> Links {
        let mut links = Links::default();
        for event in events {
            // A refused event stays in the ledger without effect, as it did when it was written.
            let _ = links.apply(event);
        }
        links
    }

    /// The record of a key.
    pub fn record(&self, key: RecordKey) -> Option<&Record> {
        self.records.get(&key)
    }

    /// All records with their keys.
    pub fn records(&self) -> impl Iterator<Item = (RecordKey, &Record)> {
        self.records.iter().map(|(key, record)| (*key, record))
    }

    /// A person, also one that has been merged away.
    pub fn person(&self, id: PersonId) -> Option<&Person> {
        self.persons.get(&id)
    }

    /// All persons that have records.
    pub fn persons(&self) -> impl Iterator<Item = (PersonId, &Person)> {
        self.persons.iter().filter(|(_, person)| !person.records.is_empty()).map(|(id, person)| (*id, person))
    }

    /// Number of events that were applied.
    pub fn events(&self) -> u64 {
        self.effects.len() as u64
    }

    /// Applies the next event. A refused event counts, but changes nothing.
    pub fn apply(&mut self, event: &Event) -> Result<(), Refusal> {
        let number = self.effects.len() as u64;
        let result = self.act(number, event);
        let (effect, answer) = match result {
            Ok(effect) => (effect, Ok(())),
            Err(refusal) => (Effect::Nothing, Err(refusal)),
        };
        self.effects.push(effect);
        answer
    }

    fn act(&mut self, number: u64, event: &Event) -> Result<Effect, Refusal> {
        match &event.action {
            Action::Add { record, source, fields } => {
                if self.records.contains_key(record) {
                    return Err(Refusal::Exists);
                }
                let new = Record {
                    source: source.clone(),
                    fields: fields.clone(),
                    time: event.time,
                    written_by: number,
                    person: number,
                    linked_by: number,
                };
                self.records.insert(*record, new);
                self.persons.entry(number).or_default().records.insert(*record);
                self.touched(number);
                Ok(Effect::Nothing)
            }
            Action::Change { record, fields } => {
                let found = self.records.get_mut(record).ok_or(Refusal::Unknown)?;
                let before = std::mem::replace(&mut found.fields, fields.clone());
                let effect = Effect::Wrote(*record, before, found.time);
                (found.time, found.written_by) = (event.time, number);
                let person = found.person;
                self.refresh(person);
                Ok(effect)
            }
            Action::Merge { from, into } => {
                if from == into {
                    return Err(Refusal::NothingToDo);
                }
                let leaving = self.members(*from)?;
                let staying = self.members(*into)?;
                if leaving.iter().any(|a| staying.iter().any(|b| self.banned(*a, *b))) {
                    return Err(Refusal::CannotLink);
                }
                Ok(self.relocate(number, &leaving, *into))
            }
            Action::Unmerge { record } => {
                let person = self.records.get(record).ok_or(Refusal::Unknown)?.person;
                if self.members(person)?.len() < 2 {
                    return Err(Refusal::NothingToDo);
                }
                Ok(self.relocate(number, &[*record], number))
            }
            Action::Split { person, records } => {
                let members = self.members(*person)?;
                let leaving: BTreeSet<RecordKey> =
                    records.iter().copied().filter(|record| members.contains(record)).collect();
                if leaving.is_empty() || leaving.len() == members.len() {
                    return Err(Refusal::NothingToDo);
                }
                Ok(self.relocate(number, &leaving.into_iter().collect::<Vec<_>>(), number))
            }
            Action::NotSame { left, right } => self.ban(number, *left, *right),
            Action::Policy(policy) => {
                let before = std::mem::replace(&mut self.policy, policy.clone());
                self.policy_by = number;
                self.refresh_all();
                Ok(Effect::Policy(before))
            }
            Action::Undo { event } => self.undo(number, *event),
        }
    }

    fn ban(&mut self, number: u64, left: RecordKey, right: RecordKey) -> Result<Effect, Refusal> {
        let first = self.records.get(&left).ok_or(Refusal::Unknown)?.person;
        let second = self.records.get(&right).ok_or(Refusal::Unknown)?.person;
        if left == right || !self.bans.insert((left.min(right), left.max(right))) {
            return Err(Refusal::NothingToDo);
        }
        if first != second {
            return Ok(Effect::Banned(left, right, None));
        }
        self.relocate(number, &[right], number);
        Ok(Effect::Banned(left, right, Some(first)))
    }

    /// Takes back what an event did, for all that is still as the event left it.
    fn undo(&mut self, number: u64, event: u64) -> Result<Effect, Refusal> {
        let effect = self.effects.get(event as usize).cloned().ok_or(Refusal::Unknown)?;
        match effect {
            Effect::Nothing => Err(Refusal::NothingToDo),
            Effect::Moved(moves) => self.move_back(number, event, &moves),
            Effect::Wrote(key, fields, time) => {
                let record = self.records.get_mut(&key).ok_or(Refusal::Unknown)?;
                if record.written_by != event {
                    return Err(Refusal::Overtaken);
                }
                let undone = Effect::Wrote(key, std::mem::replace(&mut record.fields, fields), record.time);
                // Written by this event now, so that the undo can itself be undone; the time is the older one.
                (record.time, record.written_by) = (time, number);
                let person = record.person;
                self.refresh(person);
                Ok(undone)
            }
            Effect::Banned(left, right, home) => {
                self.bans.remove(&(left.min(right), left.max(right)));
                match home {
                    Some(person) => self.move_back(number, event, &[(right, person)]).or(Ok(Effect::Nothing)),
                    None => Ok(Effect::Nothing),
                }
            }
            Effect::Policy(before) => {
                if self.policy_by != event {
                    return Err(Refusal::Overtaken);
                }
                let undone = Effect::Policy(std::mem::replace(&mut self.policy, before));
                self.policy_by = number;
                self.refresh_all();
                Ok(undone)
            }
        }
    }

    fn move_back(
        &mut self,
        number: u64,
        event: u64,
        moves: &[(RecordKey, PersonId)],
    ) -> Result<Effect, Refusal> {
        let mut back: BTreeMap<PersonId, Vec<RecordKey>> = BTreeMap::new();
        for (key, home) in moves {
            if self.records.get(key).is_some_and(|record| record.linked_by == event) {
                back.entry(*home).or_default().push(*key);
            }
        }
        back.retain(|home, keys| {
            let there = self.persons.get(home).map(|person| person.records.clone()).unwrap_or_default();
            !keys.iter().any(|key| there.iter().any(|other| self.banned(*key, *other)))
        });
        if back.is_empty() {
            return Err(Refusal::Overtaken);
        }
        let mut moved = Vec::new();
        for (home, keys) in back {
            if let Effect::Moved(part) = self.relocate(number, &keys, home) {
                moved.extend(part);
            }
        }
        Ok(Effect::Moved(moved))
    }

    fn members(&self, person: PersonId) -> Result<Vec<RecordKey>, Refusal> {
        let person = self.persons.get(&person).filter(|person| !person.records.is_empty());
        person.map(|person| person.records.iter().copied().collect()).ok_or(Refusal::Unknown)
    }

    /// Whether a person of the desk has said that two records are not the same person.
    pub fn is_banned(&self, a: RecordKey, b: RecordKey) -> bool {
        self.banned(a, b)
    }

    fn banned(&self, a: RecordKey, b: RecordKey) -> bool {
        self.bans.contains(&(a.min(b), a.max(b)))
    }

    /// Moves records to a person and remembers where they were.
    fn relocate(&mut self, number: u64, keys: &[RecordKey], target: PersonId) -> Effect {
        let mut moved = Vec::with_capacity(keys.len());
        let mut touched = BTreeSet::from([target]);
        for key in keys {
            let Some(record) = self.records.get_mut(key) else { continue };
            moved.push((*key, record.person));
            touched.insert(record.person);
            if let Some(home) = self.persons.get_mut(&record.person) {
                home.records.remove(key);
            }
            (record.person, record.linked_by) = (target, number);
            self.persons.entry(target).or_default().records.insert(*key);
        }
        for person in touched {
            self.touched(person);
        }
        Effect::Moved(moved)
    }

    /// The set of a person changed.
    fn touched(&mut self, id: PersonId) {
        if let Some(person) = self.persons.get_mut(&id) {
            person.version += 1;
        }
        self.refresh(id);
    }

    fn refresh(&mut self, id: PersonId) {
        let Some(person) = self.persons.get_mut(&id) else { return };
        let records = &self.records;
        person.golden =
            golden(person.records.iter().filter_map(|key| Some((*key, records.get(key)?))), &self.policy);
    }

    fn refresh_all(&mut self) {
        let ids: Vec<PersonId> = self.persons.keys().copied().collect();
        ids.into_iter().for_each(|id| self.refresh(id));
    }

    /// The policy in force.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }
}

#[cfg(test)]
#[path = "person/tests.rs"]
mod tests;
