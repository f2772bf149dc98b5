//! An index of what is known of each record, changed one consent or relation at a time.

use std::collections::HashMap;

use crate::subject::{Grant, Relation, Side};
use crate::{Subject, Time};

/// What is known of every record, by source: a consent or a visit that changes replaces what it said.
#[derive(Debug, Default)]
pub struct Register {
    records: HashMap<u64, Entry>,
    /// Which records a source speaks of, so that it can be replaced.
    sources: HashMap<u64, Vec<u64>>,
    linked: HashMap<u64, (Vec<u64>, bool)>,
    /// By source: the record that joined, and when.
    joins: HashMap<u64, (u64, Time)>,
}

#[derive(Debug, Default)]
struct Entry {
    side: Side,
    /// For each grant and relation: the source that said so.
    grants_of: Vec<u64>,
    relations_of: Vec<u64>,
}

impl Register {
    /// Takes in what a source (a consent) says of a record, in place of what it said before.
    pub fn put_grants(&mut self, source: u64, record: u64, grants: &[Grant]) {
        self.forget(source);
        let entry = self.entry(record);
        entry.side.grants.extend_from_slice(grants);
        entry.grants_of.extend(std::iter::repeat_n(source, grants.len()));
        self.sources.entry(source).or_default().push(record);
    }

    /// Takes in a relation of a record that a source (a visit, a referral) shows.
    pub fn put_relation(&mut self, source: u64, record: u64, relation: Relation) {
        self.forget(source);
        let entry = self.entry(record);
        entry.side.relations.push(relation);
        entry.relations_of.push(source);
        self.sources.entry(source).or_default().push(record);
    }

    /// What a source said is no longer so: it was withdrawn, deleted or erased.
    pub fn forget(&mut self, source: u64) {
        for record in self.sources.remove(&source).unwrap_or_default() {
            let Some(entry) = self.records.get_mut(&record) else { continue };
            let mut kept = entry.grants_of.iter().map(|of| *of != source);
            entry.side.grants.retain(|_| kept.next().unwrap_or(true));
            entry.grants_of.retain(|of| *of != source);
            let mut kept = entry.relations_of.iter().map(|of| *of != source);
            entry.side.relations.retain(|_| kept.next().unwrap_or(true));
            entry.relations_of.retain(|of| *of != source);
        }
    }

    /// The person of a record joined the exchange, as a source says.
    pub fn join(&mut self, source: u64, record: u64, since: Time) {
        self.joins.insert(source, (record, since));
        self.entry(record).side.joined = Some(since);
    }

    /// The source no longer says that somebody joined.
    pub fn forget_joining(&mut self, source: u64) {
        let Some((record, _)) = self.joins.remove(&source) else { return };
        let others = self.joins.values().filter(|(of, _)| *of == record);
        let earliest = others.map(|(_, since)| *since).min();
        self.entry(record).side.joined = earliest;
    }

    /// The record itself, to note joining, restriction and birth.
    pub fn side_mut(&mut self, record: u64) -> &mut Side {
        &mut self.entry(record).side
    }

    /// Says with which other records a record is one person, and whether somebody confirmed that.
    pub fn link(&mut self, record: u64, others: &[u64], confirmed: bool) {
        if others.is_empty() {
            self.linked.remove(&record);
        } else {
            self.linked.insert(record, (others.to_vec(), confirmed));
        }
    }

    /// Gives what is known of a record to `look`. The sides of linked records are copied; one that
    /// stands alone, as nearly all do, is not.
    pub fn look<T>(&self, record: u64, look: impl FnOnce(&Subject<'_>) -> T) -> T {
        let unknown = Side { record, ..Side::default() };
        let side = |record: &u64| self.records.get(record).map(|entry| &entry.side);
        match self.linked.get(&record) {
            None => {
                let side = side(&record).unwrap_or(&unknown);
                look(&Subject { sides: std::slice::from_ref(side), confirmed: true })
            }
            Some((others, confirmed)) => {
                let mut sides = vec![side(&record).cloned().unwrap_or(unknown)];
                for other in others {
                    let nothing = || Side { record: *other, ..Side::default() };
                    sides.push(side(other).cloned().unwrap_or_else(nothing));
                }
                look(&Subject { sides: &sides, confirmed: *confirmed })
            }
        }
    }

    /// How many grants there are.
    pub fn grants(&self) -> usize {
        self.records.values().map(|entry| entry.side.grants.len()).sum()
    }

    /// Drops relations that ended before `now`, which no decision can rest on any more.
    pub fn forget_ended(&mut self, now: Time) {
        let mut ended = Vec::new();
        for entry in self.records.values() {
            let of = entry.side.relations.iter().zip(&entry.relations_of);
            ended.extend(of.filter(|(relation, _)| relation.until <= now).map(|(_, source)| *source));
        }
        ended.into_iter().for_each(|source| self.forget(source));
    }

    fn entry(&mut self, record: u64) -> &mut Entry {
        let new = || Entry { side: Side { record, ..Side::default() }, ..Entry::default() };
        self.records.entry(record).or_insert_with(new)
    }
}
