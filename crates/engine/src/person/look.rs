//! What is shown of persons: a person whole, the queue of the desk, two records side by side.

use std::collections::BTreeSet;

use tongmai_access::{Operation, Point, Sealed, Sight};
use tongmai_identity::linker::Review;
use tongmai_identity::linker::newborn::Kin;
use tongmai_identity::person::{Record, RecordKey, golden};
use tongmai_store::{Event, Snapshot};

use super::{Desk, HistoryEntry, Member, Pair, Person, Queue, demographics, provenance_type};
use crate::Engine;
use crate::failure::{Failure, Outcome};
use crate::rights::eye::Eye;

/// Two records side by side.
#[derive(Debug, Clone, PartialEq)]
pub struct Compared {
    /// The records and how they compare.
    pub pair: Pair,
    /// They are records of one person.
    pub together: bool,
}

/// The mother and the twins of a newborn, as far as the records tell.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Family {
    /// A record of the mother, and why.
    pub mother: Option<(Member, Kin)>,
    /// Newborns of the same birth who are other persons.
    pub twins: Vec<Member>,
}

impl Engine {
    /// The person of a patient, with the golden record and the history.
    ///
    /// # Errors
    /// Not found when there is no such patient now.
    pub fn person(&self, sight: &Sight, patient: &str) -> Outcome<Sealed<Person>> {
        let unknown = || Failure::not_found(format!("Patient/{patient}"));
        let eye = self.eye(sight, &mut *self.store.snapshot()?)?;
        let desk = self.desk()?;
        let record =
            self.number(&desk, patient).filter(|at| desk.linker.is_there(*at)).ok_or_else(unknown)?;
        self.person_at(&eye, &desk, record)?.ok_or_else(unknown)
    }

    /// The person of this number, as [`Person::number`] gives it.
    ///
    /// # Errors
    /// Not found when nobody has this number now.
    pub fn person_numbered(&self, sight: &Sight, number: u64) -> Outcome<Sealed<Person>> {
        let eye = self.eye(sight, &mut *self.store.snapshot()?)?;
        let desk = self.desk()?;
        if eye.guards(Point::Person) {
            // A number tells how many persons there are: under limits a person is asked for by a record.
            return Err(Failure::not_found(format!("Person/{number}")));
        }
        let person = desk.linker.links().person(number);
        let record = person.and_then(|person| person.records.iter().find(|r| desk.linker.is_there(**r)));
        let found = record.map(|record| self.person_at(&eye, &desk, *record)).transpose()?.flatten();
        found.ok_or_else(|| Failure::not_found(format!("Person/{number}")))
    }

    /// The person of a record, as far as its records are seen; nothing when this one is not.
    pub(super) fn person_at(
        &self,
        eye: &Eye<'_>,
        desk: &Desk,
        record: RecordKey,
    ) -> Outcome<Option<Sealed<Person>>> {
        let mut snapshot = self.store.snapshot()?;
        let mut members = Vec::new();
        for other in desk.linker.together(record) {
            members.extend(self.seen_member(eye, Point::Person, &mut *snapshot, desk, other)?);
        }
        if !members.iter().any(|member| member.record == record) {
            return Ok(None);
        }
        let records: Vec<(RecordKey, Record)> = members
            .iter()
            .filter_map(|member| {
                let known = desk.linker.links().record(member.record)?.clone();
                Some((member.record, Record { fields: demographics::fields(&member.said), ..known }))
            })
            .collect();
        let Some(mut number) = desk.linker.person_of(record) else { return Ok(None) };
        let mut version = desk.linker.links().person(number).map_or(0, |person| person.version);
        let mut history = self.history_of(&mut *snapshot, desk, &members)?;
        if eye.guards(Point::Person) {
            // What was decided on records that are not seen, and how often, is not told.
            let seen = |record: &RecordKey| members.iter().any(|member| member.record == *record);
            history.retain(|entry| entry.decision.records.iter().all(seen));
            (number, version) = (record, 1);
        }
        let golden = golden(records.iter().map(|(key, record)| (*key, record)), &desk.rules.policy);
        let positions = members.iter().map(|member| member.resource.seq).collect();
        let person = Person { number, version, members, golden, history };
        Ok(Some(Sealed::new(person, Operation::Read, positions)))
    }

    fn history_of(
        &self,
        snapshot: &mut dyn Snapshot,
        desk: &Desk,
        members: &[Member],
    ) -> Outcome<Vec<HistoryEntry>> {
        let concerns = |record: &RecordKey| members.iter().any(|member| member.record == *record);
        let mut history = Vec::new();
        for decision in desk.linker.decisions() {
            if !decision.records.iter().any(concerns) {
                continue;
            }
            let mut records = Vec::new();
            for record in &decision.records {
                records.extend(self.member(snapshot, desk, *record)?.map(|member| member.resource.id));
            }
            let mut ruling = None;
            if decision.by_person
                && let Some(event) = snapshot.events(&[decision.position])?.pop()
                && Some(event.type_id) == provenance_type()
            {
                ruling = Some(self.resource(&event)?.id);
            }
            history.push(HistoryEntry { decision: decision.clone(), records, ruling });
        }
        Ok(history)
    }

    /// The pairs that wait for a person, at most `most` of them, with what waits for a second person.
    pub fn review_queue(&self, sight: &Sight, most: usize) -> Outcome<Sealed<Queue>> {
        let eye = self.eye(sight, &mut *self.store.snapshot()?)?;
        let desk = self.desk()?;
        let mut snapshot = self.store.snapshot()?;
        let mut reviews = desk.linker.reviews();
        let there = desk.current.keys().filter(|record| desk.linker.is_there(**record));
        let persons: BTreeSet<_> =
            there.clone().filter_map(|record| desk.linker.person_of(*record)).collect();
        let mut queue = Queue {
            waiting: reviews.len(),
            records: there.count(),
            persons: persons.len(),
            statistics: desk.linker.statistics(),
            ..Queue::default()
        };
        if eye.guards(Point::Queue) {
            let mut seen = Vec::new();
            for review in reviews {
                if self.pair(&eye, &mut *snapshot, &desk, review)?.is_some() {
                    seen.push(review);
                }
            }
            // How many there are altogether would tell of records that are not seen.
            queue = Queue { waiting: seen.len(), ..Queue::default() };
            reviews = seen;
        }
        let mut positions = Vec::new();
        let proposed: BTreeSet<(RecordKey, RecordKey)> =
            desk.linker.proposals().map(|(pair, _)| pair).collect();
        for ((left, right), proposal) in desk.linker.proposals().take(most) {
            let Some(weighed) = desk.linker.weigh(left, right) else { continue };
            let review = Review { record: left, other: right, weighed, since: proposal.time };
            let pair = self.pair(&eye, &mut *snapshot, &desk, review)?;
            if let Some(pair) = pair {
                positions.extend([pair.left.resource.seq, pair.right.resource.seq]);
                queue.proposed.push((pair, proposal.clone()));
            }
        }
        let fresh = reviews.into_iter().filter(|review| {
            !proposed.contains(&(review.record.min(review.other), review.record.max(review.other)))
        });
        for review in fresh.take(most) {
            if let Some(pair) = self.pair(&eye, &mut *snapshot, &desk, review)? {
                positions.extend([pair.left.resource.seq, pair.right.resource.seq]);
                queue.pairs.push(pair);
            }
        }
        Ok(Sealed::new(queue, Operation::Page, positions))
    }

    fn pair(
        &self,
        eye: &Eye<'_>,
        snapshot: &mut dyn Snapshot,
        desk: &Desk,
        review: Review,
    ) -> Outcome<Option<Pair>> {
        let left = self.seen_member(eye, Point::Queue, snapshot, desk, review.record)?;
        let right = self.seen_member(eye, Point::Queue, snapshot, desk, review.other)?;
        let needs_two = desk.linker.is_override(&review.weighed);
        Ok(left.zip(right).map(|(left, right)| Pair { review, left, right, needs_two }))
    }

    /// Two records side by side, whatever the rules make of them.
    ///
    /// # Errors
    /// Not found when one of the patients does not exist now.
    pub fn compare_patients(&self, sight: &Sight, left: &str, right: &str) -> Outcome<Sealed<Compared>> {
        let eye = self.eye(sight, &mut *self.store.snapshot()?)?;
        let desk = self.desk()?;
        let number = |id: &str| {
            let found = self.number(&desk, id).filter(|record| desk.linker.is_there(*record));
            found.ok_or_else(|| Failure::not_found(format!("Patient/{id}")))
        };
        let (a, b) = (number(left)?, number(right)?);
        let weighed = desk.linker.weigh(a, b).ok_or_else(|| Failure::not_found(format!("Patient/{left}")))?;
        let mut snapshot = self.store.snapshot()?;
        let since = snapshot.events(&[a.max(b)])?.first().map_or(0, Event::milliseconds);
        let review = Review { record: a, other: b, weighed, since };
        let pair = self.pair(&eye, &mut *snapshot, &desk, review)?;
        let pair = pair.ok_or_else(|| Failure::not_found(format!("Patient/{right}")))?;
        let together = desk.linker.person_of(a) == desk.linker.person_of(b);
        let positions = vec![pair.left.resource.seq, pair.right.resource.seq];
        Ok(Sealed::new(Compared { pair, together }, Operation::Page, positions))
    }

    /// The mother and the twins of a newborn's record.
    ///
    /// # Errors
    /// Not found when there is no such patient now.
    pub fn newborn(&self, sight: &Sight, patient: &str) -> Outcome<Sealed<Family>> {
        let mut snapshot = self.store.snapshot()?;
        let eye = self.eye(sight, &mut *snapshot)?;
        let desk = self.desk()?;
        let unknown = || Failure::not_found(format!("Patient/{patient}"));
        let record = self.number(&desk, patient).filter(|record| desk.linker.is_there(*record));
        let record = record.ok_or_else(unknown)?;
        if self.seen_member(&eye, Point::Person, &mut *snapshot, &desk, record)?.is_none() {
            return Err(unknown());
        }
        let mut family = Family::default();
        if let Some(kin) = desk.linker.mother(record) {
            let mother = self.seen_member(&eye, Point::Person, &mut *snapshot, &desk, kin.mother)?;
            family.mother = mother.map(|mother| (mother, kin));
        }
        for twin in desk.linker.twins(record) {
            family.twins.extend(self.seen_member(&eye, Point::Person, &mut *snapshot, &desk, twin)?);
        }
        let members = family.mother.iter().map(|(mother, _)| mother).chain(&family.twins);
        let positions = members.map(|member| member.resource.seq).collect();
        Ok(Sealed::new(family, Operation::Page, positions))
    }
}
