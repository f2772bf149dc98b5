//! Checks a store: the hash chain is walked, and every index is compared with
//! what the bodies say it should be.

use std::collections::{BTreeMap, HashMap, HashSet};

use tongmai_fhir::definition::ResourceTypeId;
use tongmai_fhir::json::Json;
use tongmai_store::{
    Event, EventKind, NumberHit, RecordHit, ResourceKey, Seq, Snapshot, TextHit, chain, dump,
};

use crate::Engine;
use crate::failure::Outcome;
use crate::{findings, rows};

/// What a check found.
#[derive(Debug, Default)]
pub struct Report {
    /// Events that were walked.
    pub events: u64,
    /// Heads of the chain that were compared.
    pub heads: u64,
    /// Index rows that were compared.
    pub rows: u64,
    /// References to what is not in the store, by the type that refers and the type that is
    /// missing. No fault: the target may come.
    pub dangling: BTreeMap<(ResourceTypeId, ResourceTypeId), u64>,
    /// Current versions that were accepted although they break a rule, by type.
    pub accepted: BTreeMap<ResourceTypeId, u64>,
    /// What is wrong, in words; empty when the store is whole.
    pub faults: Vec<String>,
}

/// What is worth knowing of the current versions and breaks nothing.
#[derive(Default)]
struct Notes {
    dangling: BTreeMap<(ResourceTypeId, ResourceTypeId), u64>,
    accepted: BTreeMap<ResourceTypeId, u64>,
}

/// Faults that are listed; further ones are only counted in the last line.
const LISTED: usize = 50;

impl Engine {
    /// Walks the hash chain and rebuilds every index in memory to compare it.
    pub fn verify(&self, progress: &mut dyn FnMut(u64, u64)) -> Outcome<Report> {
        let mut report = Report::default();
        let mut snapshot = self.store.snapshot()?;
        let end = snapshot.position();
        let secret = self.store.secret();
        let mut current: HashMap<ResourceKey, Seq> = HashMap::new();
        let mut head = chain::GENESIS;
        let mut waiting = Vec::new();
        let mut heads = std::collections::VecDeque::new();
        let mut head_at = 0;
        let mut at = 0;
        loop {
            let events = snapshot.feed_as_kept(at, 1000)?;
            let Some(last) = events.last() else { break };
            for (index, event) in events.iter().enumerate() {
                if event.seq != at + 1 + index as u64 {
                    report.fault(format!("event {} is missing", at + 1 + index as u64));
                }
            }
            at = last.seq;
            for event in events {
                report.events += 1;
                match event.kind {
                    EventKind::Delete | EventKind::Purge => current.remove(&event.key),
                    _ => current.insert(event.key, event.seq),
                };
                let seq = event.seq;
                waiting.push(event);
                if heads.is_empty() {
                    heads.extend(snapshot.chain(head_at, 1000)?);
                }
                if let Some(&(position, expected)) = heads.front()
                    && position == seq
                {
                    head = chain::next(&head, &secret, &waiting);
                    if head != expected {
                        report.fault(format!("the hash chain does not fit at event {seq}"));
                        head = expected;
                    }
                    waiting.clear();
                    heads.pop_front();
                    head_at = position;
                    report.heads += 1;
                }
            }
            progress(at, 2 * end);
        }
        if !waiting.is_empty() {
            report.fault(format!("{} events at the end have no head in the hash chain", waiting.len()));
        }
        let mut seqs: Vec<Seq> = current.values().copied().collect();
        seqs.sort_unstable();
        let mut notes = Notes::default();
        // Sums of keyed hashes first: they need no memory, and nearly always there is no more to say.
        let mut expected = (0u64, 0u128);
        let mut noted = |event: &Event, json: &Json<'_>| self.note(event, json, &current, &mut notes);
        self.rebuilt(&mut *snapshot, &seqs, progress, &mut report, &mut noted, &mut |line| {
            expected = (expected.0 + 1, expected.1.wrapping_add(self.line_hash(line)));
        })?;
        let mut found = (0u64, 0u128);
        snapshot
            .dump_indexes(&mut |line| found = (found.0 + 1, found.1.wrapping_add(self.line_hash(line))))?;
        report.rows = found.0;
        (report.dangling, report.accepted) = (notes.dangling, notes.accepted);
        if expected != found {
            self.compare_rows(&mut *snapshot, &seqs, &mut report)?;
        }
        Ok(report)
    }

    /// Counts what a current version refers to in vain, and whether it was accepted with errors.
    fn note(
        &self,
        event: &Event,
        json: &Json<'_>,
        current: &HashMap<ResourceKey, Seq>,
        notes: &mut Notes,
    ) -> Outcome<()> {
        self.targets(json, &mut |type_id, key| {
            if !current.contains_key(&key) {
                *notes.dangling.entry((event.type_id, type_id)).or_default() += 1;
            }
        });
        if !findings::kept(event)?.is_empty() {
            *notes.accepted.entry(event.type_id).or_default() += 1;
        }
        Ok(())
    }

    fn line_hash(&self, line: &str) -> u128 {
        u128::from(self.keys.address(line) as u64) << 64 | u128::from(self.keys.code(line) as u64)
    }

    /// Names the rows that are missing and those that should not be there.
    fn compare_rows(&self, snapshot: &mut dyn Snapshot, seqs: &[Seq], report: &mut Report) -> Outcome<()> {
        let mut there = HashSet::new();
        snapshot.dump_indexes(&mut |line| {
            there.insert(self.line_hash(line));
        })?;
        let mut wanted = HashSet::new();
        let mut missing = Vec::new();
        self.rebuilt(snapshot, seqs, &mut |_, _| {}, report, &mut |_, _| Ok(()), &mut |line| {
            let hash = self.line_hash(line);
            wanted.insert(hash);
            if !there.contains(&hash) && missing.len() <= LISTED {
                missing.push(line.to_owned());
            }
        })?;
        missing.into_iter().for_each(|line| report.fault(format!("a row is missing: {line}")));
        snapshot.dump_indexes(&mut |line| {
            if !wanted.contains(&self.line_hash(line)) {
                report.fault(format!("a row is there that should not be: {line}"));
            }
        })?;
        Ok(())
    }

    /// Gives every current version, and all index rows as the bodies say they should be, as lines of the dump in some order.
    fn rebuilt(
        &self,
        snapshot: &mut dyn Snapshot,
        seqs: &[Seq],
        progress: &mut dyn FnMut(u64, u64),
        report: &mut Report,
        version: &mut dyn FnMut(&Event, &Json<'_>) -> Outcome<()>,
        line: &mut dyn FnMut(&str),
    ) -> Outcome<()> {
        let total = seqs.len() as u64;
        for (done, chunk) in seqs.chunks(500).enumerate() {
            for event in snapshot.events(chunk)? {
                let resource = self.resource(&event)?;
                let Ok(json) = Json::parse(&resource.text) else {
                    report.fault(format!("the body of event {} is not JSON", event.seq));
                    continue;
                };
                version(&event, &json)?;
                let mut filed = rows::file(&*self.store, &self.keys, event.type_id, &resource.id, &json)?;
                filed.label(event.label);
                let (rows, record_key) = self.place_in_record(filed)?;
                let seq = event.seq;
                for row in rows.numbers {
                    let hit =
                        NumberHit { value: row.value, seq, extra: row.extra, record_key, label: row.label };
                    line(&dump::number(row.slot, &hit));
                }
                for row in rows.texts {
                    line(&dump::text(
                        row.slot,
                        &TextHit { text: row.text, seq, record_key, label: row.label },
                    ));
                }
                for row in rows.records {
                    line(&dump::record(&RecordHit { row, seq }));
                }
            }
            progress(total + done as u64 * 500, 2 * total);
        }
        Ok(())
    }
}

impl Report {
    fn fault(&mut self, what: String) {
        if self.faults.len() < LISTED {
            self.faults.push(what);
        } else if self.faults.len() == LISTED {
            self.faults.push("and more".into());
        }
    }
}
