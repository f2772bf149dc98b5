//! Which records are one person, and whether a person of the desk said so.

use std::collections::{BTreeMap, BTreeSet};

use tongmai_store::RecordKey;

use crate::Engine;
use crate::failure::Outcome;

/// A record, those that are the same person, and whether somebody confirmed all of it.
pub(crate) type Linked = (u64, Vec<u64>, bool);

impl Engine {
    /// For each of the records and each that is linked to one of them: its links. A record that stands
    /// alone has an empty list, so that a link that was undone goes.
    pub(crate) fn linked_records(&self, records: &BTreeSet<u64>) -> Outcome<Vec<Linked>> {
        let desk = self.desk()?;
        let mut snapshot = self.store.snapshot()?;
        let mut linked = BTreeMap::new();
        for &record in records {
            let Some(patient) = snapshot.patient_of(RecordKey(record))? else { continue };
            let members = desk.members_of(patient);
            let mut keys = Vec::with_capacity(members.len());
            for (number, seq) in &members {
                for key in snapshot.keys(&[*seq])? {
                    keys.extend(snapshot.record_key(key)?.map(|key| (*number, key.0)));
                }
            }
            let numbers: Vec<u64> = keys.iter().map(|(number, _)| *number).collect();
            let confirmed = desk.confirmed(&numbers);
            let all: Vec<u64> = keys.into_iter().map(|(_, key)| key).collect();
            linked.entry(record).or_insert((Vec::new(), true));
            for &one in &all {
                let others = all.iter().copied().filter(|other| *other != one).collect();
                linked.insert(one, (others, confirmed));
            }
        }
        Ok(linked.into_iter().map(|(record, (others, confirmed))| (record, others, confirmed)).collect())
    }
}
