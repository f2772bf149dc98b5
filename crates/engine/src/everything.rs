//! A patient's whole record, and the export of many.

use tongmai_access::{Operation, Point, Sealed, Sight};
use tongmai_base::limits;
use tongmai_fhir::definition::ResourceTypeId;
use tongmai_store::{EventKind, NO_DATE, NumberCursor, NumberRange, Order, Seq, TYPE_SLOT};

use crate::Engine;
use crate::failure::{Failure, Outcome, Reason};
use crate::rows::patient_type;
use crate::search::{Page, PageStart};

/// Parameters of `$everything`.
#[derive(Debug, Clone, Default)]
pub struct Everything {
    /// Only resources whose clinical date is not before this, in milliseconds since 1970.
    pub start: Option<i64>,
    /// Only resources whose clinical date is before this.
    pub end: Option<i64>,
    /// Only resources written since.
    pub since: Option<i64>,
    /// Only these types; all when empty.
    pub types: Vec<ResourceTypeId>,
    /// Resources on a page; all when absent.
    pub count: Option<usize>,
}

impl Engine {
    /// The record of a patient: the patient first, then everything in the patient's compartment and
    /// what that refers to outside of it, by type and clinical date.
    pub fn everything(
        &self,
        sight: &Sight,
        id: &str,
        asked: &Everything,
        start: Option<PageStart>,
    ) -> Outcome<Sealed<Page>> {
        let patient_type = patient_type().ok_or_else(|| Failure::not_found("Patient"))?;
        let key = self.keys.resource(patient_type, id);
        let mut snapshot = self.store.snapshot()?;
        let current = snapshot
            .current(key)?
            .filter(|current| !current.deleted)
            .ok_or_else(|| Failure::not_found(format!("Patient/{id}")))?;
        let now = self.now();
        // Before the eye is made: two in one hand would wait for a writer between them.
        let (start, mut shown) = self.page_start(sight, &mut *snapshot, start)?;
        let eye = self.eye(sight, &mut *snapshot)?;
        let guarded = eye.guards(Point::Everything);
        if guarded && !eye.verdicts(&mut *snapshot, &[current.seq])?.iter().all(|verdict| verdict.visible) {
            return Err(Failure::not_found(format!("Patient/{id}")));
        }
        let start = match start {
            Some(start) if now - start.made > limits::PAGE_LINK_SECONDS * 1000 => {
                return Err(Failure::new(Reason::Gone, "", "expired", "this page link has expired")
                    .repair("begin again"));
            }
            Some(start) => start,
            None => PageStart::first(snapshot.position(), now),
        };
        let record_key = snapshot.record_key(key)?.unwrap_or(current.record_key);
        let mut hits = Vec::new();
        snapshot.record(record_key, None, None, start.as_of, &mut hits)?;
        let wanted = |type_id| asked.types.is_empty() || asked.types.contains(&type_id);
        let in_time = |date: i64| {
            date == NO_DATE
                || (asked.start.is_none_or(|start| date >= start) && asked.end.is_none_or(|end| date < end))
        };
        // A resource with several codes has several rows, in the order of type, code and date.
        let mut seen = std::collections::HashSet::new();
        let mut seqs: Vec<Seq> = Vec::with_capacity(hits.len());
        if current.seq <= start.as_of && wanted(patient_type) {
            seen.insert(current.seq);
            seqs.push(current.seq);
        }
        for hit in &hits {
            if wanted(hit.row.type_id) && in_time(hit.row.date) && seen.insert(hit.seq) {
                seqs.push(hit.seq);
            }
        }
        if let Some(since) = asked.since {
            let from = snapshot.position_at(since)?;
            seqs.retain(|&seq| seq >= from);
        }
        if guarded {
            let verdicts = eye.verdicts(&mut *snapshot, &seqs)?;
            let mut visible = verdicts.iter().map(|verdict| verdict.visible);
            seqs.retain(|_| visible.next().unwrap_or(false));
        }
        let offset = start.offset as usize;
        let count = asked.count.unwrap_or(usize::MAX);
        let end = offset.saturating_add(count).min(seqs.len());
        let mut page = Page { as_of: start.as_of, total: Some(seqs.len() as u64), ..Page::default() };
        for event in snapshot.events(&seqs[offset.min(seqs.len())..end])? {
            if guarded {
                page.matches.extend(eye.show(&mut *snapshot, &event)?);
            } else {
                page.matches.push(self.resource(&event)?);
            }
        }
        if end < seqs.len() {
            let mut next = PageStart { offset: end as u64, ..start };
            if sight.limits().is_some() {
                shown.extend(page.matches.iter().map(|resource| resource.seq));
                next.kept = self.keep_link(sight, next, shown);
            }
            page.next = Some(next);
        }
        let positions = page.matches.iter().map(|resource| resource.seq).collect();
        Ok(Sealed::new(page, Operation::Everything, positions))
    }

    /// The state that an export begun now shows, and how many resources it has of each of the types,
    /// most first; types without any are left out.
    pub fn export_plan(
        &self,
        sight: &Sight,
        types: &[ResourceTypeId],
    ) -> Outcome<(Seq, Vec<(ResourceTypeId, usize)>)> {
        let mut snapshot = self.store.snapshot()?;
        let as_of = snapshot.position();
        let mut plan = Vec::new();
        for &type_id in types {
            if sight.limits().is_some_and(|limits| limits.guards(Point::Export)) {
                // How many there are would tell of what may not be seen.
                plan.push((type_id, 0));
                continue;
            }
            let value = i64::from(type_id);
            let range = NumberRange { slot: TYPE_SLOT, low: value, high: value };
            match snapshot.count(&range, as_of, usize::MAX >> 1)? {
                0 => {}
                count => plan.push((type_id, count)),
            }
        }
        plan.sort_by_key(|&(type_id, count)| (std::cmp::Reverse(count), type_id));
        Ok((as_of, plan))
    }

    /// Current resources of a type behind `after`, oldest first: a chunk of an export as of a position.
    /// Each is the packed body's text; `since` leaves out what was written before.
    pub fn export_chunk(
        &self,
        sight: &Sight,
        type_id: ResourceTypeId,
        after: Seq,
        as_of: Seq,
        since: Option<i64>,
        limit: usize,
    ) -> Outcome<Sealed<ExportChunk>> {
        let mut snapshot = self.store.snapshot()?;
        let value = i64::from(type_id);
        let range = NumberRange { slot: TYPE_SLOT, low: value, high: value };
        let mut hits = Vec::with_capacity(limit);
        let cursor = NumberCursor { value, seq: after, extra: i64::MAX };
        snapshot.scan(&range, Order::Ascending, Some(cursor), as_of, limit, &mut hits)?;
        let next = if hits.len() == limit { hits.last().map(|hit| hit.seq) } else { None };
        let mut chunk = ExportChunk { next, ..ExportChunk::default() };
        if let Some(since) = since {
            let from = snapshot.position_at(since)?;
            hits.retain(|hit| hit.seq >= from);
        }
        let seqs: Vec<Seq> = hits.iter().map(|hit| hit.seq).collect();
        let eye = self.eye(sight, &mut *snapshot)?;
        if !eye.guards(Point::Export) {
            for event in snapshot.events(&seqs)? {
                tongmai_codec::unpack(&event.body, &mut chunk.lines)?;
                chunk.lines.push(b'\n');
            }
            chunk.count = seqs.len();
            return Ok(Sealed::new(chunk, Operation::Export, seqs));
        }
        let mut shown = Vec::new();
        for event in snapshot.events(&seqs)? {
            if let Some(resource) = eye.show(&mut *snapshot, &event)? {
                chunk.lines.extend_from_slice(&resource.text);
                chunk.lines.push(b'\n');
                shown.push(event.seq);
            }
        }
        chunk.count = shown.len();
        Ok(Sealed::new(chunk, Operation::Export, shown))
    }
}

impl Engine {
    /// May the resources in the lines of an export still be shown, as they are now? What was erased since, or
    /// may not be seen any more, may not.
    pub fn lines_stand(&self, sight: &Sight, type_id: ResourceTypeId, lines: &[u8]) -> Outcome<bool> {
        let mut snapshot = self.store.snapshot()?;
        let eye = self.eye(sight, &mut *snapshot)?;
        for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let Some(id) = crate::id_in(line) else { return Ok(false) };
            let key = self.keys.resource(type_id, id);
            let Some(current) = snapshot.current(key)? else { return Ok(false) };
            if current.deleted {
                let newest = snapshot.events(&[current.seq])?;
                if newest.first().is_none_or(|event| event.kind == EventKind::Purge) {
                    return Ok(false);
                }
            }
            if eye.guards(Point::Export)
                && eye.verdicts(&mut *snapshot, &[current.seq])?.iter().any(|verdict| !verdict.visible)
            {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// How often something was erased since this process began.
    pub fn erasures(&self) -> u64 {
        self.texts.erasures()
    }
}

/// A piece of an export: newline-delimited JSON.
#[derive(Debug, Default)]
pub struct ExportChunk {
    /// The lines.
    pub lines: Vec<u8>,
    /// How many they are.
    pub count: usize,
    /// Where the next chunk begins; `None` at the end.
    pub next: Option<Seq>,
}
