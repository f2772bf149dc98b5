//! Erasing a person's records: what belongs to them is found by walking the whole ledger, since versions of
//! resources that were deleted long ago lie there too, and what did not become part of a record (an original
//! that nobody understood) is found by the numbers of the person that stand in it.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tongmai_access::Sight;
use tongmai_fhir::definition::{ResourceTypeId, resource_type_id, resource_type_name};
use tongmai_fhir::json::Json;
use tongmai_store::{Change, Event, EventKind, REGION_RECORD, RecordKey, ResourceKey, Seq};

use crate::Engine;
use crate::failure::{Failure, Outcome};

/// Events that are looked at at once.
const STEP: usize = 1_000;
/// Resources that are purged in one transaction.
const TOGETHER: usize = 200;
/// A number of a person that is shorter may stand for anything.
const SHORTEST_NUMBER: usize = 6;

/// What is to be erased.
#[derive(Debug, Default)]
pub struct Traces {
    /// The records.
    pub records: Vec<u64>,
    /// Resources of these records, and originals outside of any record that hold a number of the person; with
    /// their types.
    resources: BTreeMap<ResourceKey, ResourceTypeId>,
    /// What belongs to others too, or to nobody, and tells a number of the person, as `Type/id`. A person decides.
    pub mentions: BTreeSet<String>,
    /// Numbers of the person: identity numbers, record numbers, telephone numbers.
    pub numbers: BTreeSet<String>,
    /// Names of blobs (64 hexadecimal digits) that resources of the records refer to.
    pub blobs: BTreeSet<String>,
}

impl Traces {
    /// How many resources there are.
    pub fn count(&self) -> usize {
        self.resources.len()
    }

    /// Does a text hold a number of the person?
    pub fn stand_in(&self, bytes: &[u8]) -> bool {
        self.numbers.iter().any(|number| memchr::memmem::find(bytes, number.as_bytes()).is_some())
    }
}

impl Engine {
    /// All traces of patients, which should be all records of one person. Walks the ledger twice.
    ///
    /// # Errors
    /// Not found when one of them is no patient.
    pub fn traces(&self, patients: &[String]) -> Outcome<Traces> {
        let mut traces = Traces::default();
        for patient in patients {
            let unknown = || Failure::not_found(format!("Patient/{patient}"));
            traces.records.push(self.record_of(patient)?.ok_or_else(unknown)?);
        }
        self.walk(&mut |event| self.of_record(event, &mut traces))?;
        self.walk(&mut |event| self.outside_of_records(event, &mut traces))?;
        Ok(traces)
    }

    fn walk(&self, each: &mut dyn FnMut(&Event) -> Outcome<()>) -> Outcome<()> {
        let mut snapshot = self.store.snapshot()?;
        let mut at = 0;
        loop {
            let events = snapshot.feed(at, STEP)?;
            let Some(last) = events.last() else { return Ok(()) };
            at = last.seq;
            events.iter().try_for_each(&mut *each)?;
        }
    }

    /// The newest version of a resource says to which record it belongs: one that was filed under the wrong
    /// person and moved is the other's.
    fn of_record(&self, event: &Event, traces: &mut Traces) -> Outcome<()> {
        let belongs = traces.records.contains(&event.record_key.0);
        if !belongs || event.kind == EventKind::Purge {
            traces.resources.remove(&event.key);
            return Ok(());
        }
        traces.resources.insert(event.key, event.type_id);
        let text = self.texts.of(event)?;
        let Ok(json) = Json::parse(&text) else { return Ok(()) };
        if Some(event.type_id) == resource_type_id("Patient") {
            let of = |list: &str| -> Vec<String> {
                let items = json.get(list).and_then(Json::as_array).unwrap_or_default();
                items.iter().filter_map(|item| item.text("value")).map(str::to_owned).collect()
            };
            let long = |number: &String| number.len() >= SHORTEST_NUMBER;
            traces.numbers.extend(of("identifier").into_iter().chain(of("telecom")).filter(long));
        }
        traces.blobs.extend(names_of_blobs(&text));
        Ok(())
    }

    fn outside_of_records(&self, event: &Event, traces: &mut Traces) -> Outcome<()> {
        if event.record_key != REGION_RECORD || event.body.is_empty() {
            return Ok(());
        }
        let text = self.texts.of(event)?;
        let is_document = Some(event.type_id) == resource_type_id("DocumentReference");
        if is_document && attachments(&text).iter().any(|original| traces.stand_in(original)) {
            traces.resources.insert(event.key, event.type_id);
            traces.blobs.extend(names_of_blobs(&text));
        } else if traces.stand_in(&text)
            && let Some(id) = crate::id_in(&text)
        {
            let name = resource_type_name(event.type_id).unwrap_or("");
            traces.mentions.insert(format!("{name}/{id}"));
        }
        Ok(())
    }

    /// Erases the traces from the ledger and its indexes. Returns how many resources were erased.
    pub async fn erase(&self, sight: &Sight, traces: &Traces) -> Outcome<usize> {
        let resources: Vec<_> = traces.resources.iter().map(|(key, type_id)| (*key, *type_id)).collect();
        self.erase_all(sight, &resources).await
    }

    /// Erases resources by their keys, those that are there and were not erased.
    pub async fn erase_all(
        &self,
        sight: &Sight,
        resources: &[(ResourceKey, ResourceTypeId)],
    ) -> Outcome<usize> {
        let mut erased = 0;
        let mut versions: Vec<Seq> = Vec::new();
        for part in resources.chunks(TOGETHER) {
            let changes = self.purges(part, &mut versions)?;
            if changes.is_empty() {
                continue;
            }
            erased += changes.len();
            let transaction = self.transaction(sight, changes, Vec::new())?;
            self.commit(transaction).await?;
        }
        // Rows of what a page link could still ask for, and of bodies that cannot be read any more.
        if !versions.is_empty() {
            self.store.forget_rows_of(&versions)?;
        }
        Ok(erased)
    }

    fn purges(
        &self,
        resources: &[(ResourceKey, ResourceTypeId)],
        versions: &mut Vec<Seq>,
    ) -> Outcome<Vec<Change>> {
        let mut snapshot = self.store.snapshot()?;
        let mut changes = Vec::with_capacity(resources.len());
        for &(key, type_id) in resources {
            let Some(current) = snapshot.current(key)? else { continue };
            let history = snapshot.history(key, Seq::MAX >> 1, usize::MAX >> 1)?;
            if history.first().is_some_and(|newest| newest.kind == EventKind::Purge) {
                continue;
            }
            versions.extend(history.iter().map(|event| event.seq));
            let mut decided = self.removal(&mut *snapshot, type_id, key, current)?;
            changes.extend(decided.change.take().map(|change| Change { kind: EventKind::Purge, ..change }));
        }
        Ok(changes)
    }

    /// The record keys of traces, as the store numbers them.
    pub fn record_keys(traces: &Traces) -> Vec<RecordKey> {
        traces.records.iter().map(|record| RecordKey(*record)).collect()
    }
}

/// The bytes of all attachments in a text: whatever lies under `data`.
fn attachments(text: &[u8]) -> Vec<Vec<u8>> {
    let mark = b"\"data\":\"";
    let starts = memchr::memmem::find_iter(text, mark).map(|at| at + mark.len());
    let encoded = starts.filter_map(|at| Some(&text[at..at + memchr::memchr(b'"', &text[at..])?]));
    encoded.filter_map(|encoded| STANDARD.decode(encoded).ok()).collect()
}

/// Words of exactly 64 hexadecimal digits in small letters: blobs are named so, and a word that names none
/// does no harm.
fn names_of_blobs(text: &[u8]) -> Vec<String> {
    text.split(|byte| !byte.is_ascii_alphanumeric())
        .filter(|word| word.len() == 64 && word.iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')))
        .map(|word| String::from_utf8_lossy(word).into_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn originals_and_blobs_are_found_in_a_text() {
        let digest = "0123456789abcdef".repeat(4);
        let text = format!(
            "{{\"content\":[{{\"attachment\":{{\"data\":\"{}\"}}}}],\"url\":\"urn:{digest}\",\"x\":\"{digest}0\"}}",
            STANDARD.encode("PID|||610000")
        );
        assert_eq!(attachments(text.as_bytes()), [b"PID|||610000".to_vec()]);
        assert_eq!(names_of_blobs(text.as_bytes()), [digest]);
    }
}
