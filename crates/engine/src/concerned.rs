//! Whose records events belong to: for the log that residents read.

use tongmai_fhir::definition::{resource_type_id, resource_type_name};
use tongmai_store::{REGION_RECORD, RecordKey};

use crate::Engine;
use crate::failure::Outcome;

impl Engine {
    /// The records to which the events at some positions belong, each with its positions, in the order of the
    /// records. What belongs to no patient, or to several at once, is left out.
    pub fn records_of(&self, positions: &[u64]) -> Outcome<Vec<(u64, Vec<u64>)>> {
        let mut found: std::collections::BTreeMap<u64, Vec<u64>> = std::collections::BTreeMap::new();
        for event in self.store.snapshot()?.events(positions)? {
            if event.record_key != REGION_RECORD {
                found.entry(event.record_key.0).or_default().push(event.seq);
            }
        }
        Ok(found.into_iter().collect())
    }

    /// The record of a patient; `None` when there is no such patient.
    pub fn record_of(&self, patient: &str) -> Outcome<Option<u64>> {
        let Some(type_id) = resource_type_id("Patient") else { return Ok(None) };
        let event = self.store.newest_event(self.keys.resource(type_id, patient))?;
        Ok(event.filter(|event| event.record_key != REGION_RECORD).map(|event| event.record_key.0))
    }

    /// Ids of the Patients to whose records the events at some positions belong, each once.
    pub fn patients_at(&self, positions: &[u64]) -> Outcome<Vec<String>> {
        let records = self.records_of(positions)?;
        let mut snapshot = self.store.snapshot()?;
        let mut ids = Vec::with_capacity(records.len());
        for (record, _) in records {
            let Some(patient) = snapshot.patient_of(RecordKey(record))? else { continue };
            if let Some(event) = self.store.newest_event(patient)? {
                ids.push(self.resource(&event)?.id);
            }
        }
        Ok(ids)
    }

    /// The resource types of the events at some positions, each once, in the order of their names.
    pub fn types_at(&self, positions: &[u64]) -> Outcome<Vec<&'static str>> {
        let events = self.store.snapshot()?.events(positions)?;
        let names = events.iter().filter_map(|event| resource_type_name(event.type_id));
        let mut names: Vec<&'static str> = names.collect();
        names.sort_unstable();
        names.dedup();
        Ok(names)
    }
}
