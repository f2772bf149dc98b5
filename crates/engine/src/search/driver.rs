//! Gives the candidates of a search in the order of its leading predicate.

use std::collections::{HashSet, VecDeque};

use roaring::RoaringTreemap;
use tongmai_access::Point;
use tongmai_fhir::compartment::{self, Compartment};
use tongmai_fhir::definition::ResourceTypeId;
use tongmai_fhir::search as fhir_search;
use tongmai_store::{
    NumberCursor, NumberHit, NumberRange, Order, REGION_RECORD, RecordKey, ResourceKey, Seq, TYPE_SLOT,
};

use super::Resume;
use super::execute::{BATCH, Run, Selection};
use super::predicate::{Equal, NumberBetween, Period, Predicate, scan_slot};
use crate::failure::Outcome;
use crate::keys::short_code;
use crate::rows::patient_type;
use crate::slots;

/// Rows counted of each predicate when it is decided which one leads; the second look is for when
/// all of them have more than the first.
const LOOKS: [usize; 2] = [256, 4096];
/// Rows of a text range, or of alternatives, that are gathered and ordered before the first is given.
const GATHERED: usize = 2_000_000;
/// Sources taken at once when what they refer to is wanted.
const REFERRED_STEP: usize = 256;

/// A candidate, and where the scan that gave it goes on behind it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lead {
    pub seq: Seq,
    pub resume: Option<Resume>,
    /// The record that the candidate belongs to, where the scan told it.
    pub record: Option<RecordKey>,
    /// The label of the version, where the scan told it.
    pub label: Option<u16>,
}

impl Lead {
    pub(super) fn of(seq: Seq) -> Lead {
        Lead { seq, resume: None, record: None, label: None }
    }

    pub(super) fn of_hit(hit: &NumberHit) -> Lead {
        Lead { record: Some(hit.record_key), label: Some(hit.label), ..Lead::of(hit.seq) }
    }

    fn before(seq: Seq) -> Lead {
        Lead { resume: Some(Resume::Before(seq)), ..Lead::of(seq) }
    }
}

/// The leading scan.
pub(super) enum Driver<'q> {
    /// Rows of equal values, newest first.
    Newest { streams: Vec<Stream>, before: Seq },
    /// Rows of ranges, highest value first.
    Ranges { stages: Vec<Stage>, stage: usize, after: Option<NumberCursor> },
    /// Known positions in their order.
    Listed { seqs: Vec<Seq>, at: usize },
    /// What refers to the resources of another selection.
    Referring {
        targets: Box<Selection<'q>>,
        slots: Vec<u16>,
        open: Option<(ResourceKey, usize, Option<NumberCursor>)>,
        seen: HashSet<Seq>,
    },
    /// What the resources of another selection refer to.
    Referred {
        sources: Box<Selection<'q>>,
        slots: Vec<u16>,
        of: ResourceTypeId,
        /// Whether a source in a patient's record can refer to no other patient than that one.
        by_record: bool,
        seen: HashSet<ResourceKey>,
        seen_records: HashSet<RecordKey>,
        ready: VecDeque<Seq>,
    },
}

/// One equal value of a merge.
pub(super) struct Stream {
    equal: Equal,
    buffer: VecDeque<(Seq, RecordKey, u16)>,
    done: bool,
}

/// One range of a scan of ranges.
pub(super) struct Stage {
    range: NumberRange,
    takes: Takes,
}

enum Takes {
    Number(NumberBetween),
    Period(Period, bool),
}

impl Takes {
    fn fits(&self, hit: &NumberHit) -> bool {
        match self {
            Takes::Number(between) => between.takes(hit.value, hit.extra),
            Takes::Period(period, of_ends) => period.takes(hit.value, hit.extra, *of_ends),
        }
    }
}

/// Stands for the list of the whole type.
const WHOLE_TYPE: u32 = u32::MAX - 1;
/// Stands for the rows of one record.
const RECORD: u32 = u32::MAX - 2;

/// Chooses the leading predicate and begins its scan. Returns its number, to be kept in page links,
/// and which predicate needs no further test.
pub(super) fn choose<'q>(
    run: &mut Run<'_>,
    type_id: ResourceTypeId,
    all: &[&'q Predicate],
    leader: Option<u32>,
    resume: Option<Resume>,
) -> Outcome<(u32, Driver<'q>, Option<usize>)> {
    let leader = match leader {
        Some(leader) => leader,
        None => decide(run, type_id, all)?,
    };
    if leader == RECORD
        && let Some((record_key, codes)) = record_of(run, type_id, all)?
    {
        let mut seqs = record_positions(run, record_key, type_id, &codes)?;
        seqs.sort_unstable_by(|a, b| b.cmp(a));
        return Ok((RECORD, listed(seqs, resume), None));
    }
    let Some(predicate) = all.get(leader as usize) else {
        return Ok((WHOLE_TYPE, newest(vec![whole_type(type_id)], resume), None));
    };
    let index = leader as usize;
    let driver = match predicate {
        Predicate::Ids(ids) => {
            let mut seqs = Vec::new();
            for id in ids {
                let key = run.engine.keys.resource(type_id, id);
                seqs.extend(run.version_of(key)?);
            }
            seqs.sort_unstable_by(|a, b| b.cmp(a));
            seqs.dedup();
            listed(seqs, resume)
        }
        Predicate::Equal(any) => newest(any.clone(), resume),
        Predicate::Numbers(any) if any.len() == 1 => {
            let between = any[0];
            let (low, high) =
                if between.outside { (i64::MIN, i64::MAX) } else { (between.low, between.high) };
            let range = NumberRange { slot: between.slot, low, high };
            ranges(vec![Stage { range, takes: Takes::Number(between) }], resume)
        }
        Predicate::Dates { slot, any } if any.len() == 1 => {
            let period = any[0];
            let stages = period
                .scans()
                .into_iter()
                .map(|(low, high, of_ends)| Stage {
                    range: NumberRange { slot: scan_slot(*slot, of_ends), low, high },
                    takes: Takes::Period(period, of_ends),
                })
                .collect();
            ranges(stages, resume)
        }
        Predicate::Chain { slots, target, inner } => Driver::Referring {
            targets: Box::new(Selection::inner(run, *target, inner.iter().collect())?),
            slots: slots.clone(),
            open: None,
            seen: HashSet::new(),
        },
        Predicate::Has { source, slots, inner } => Driver::Referred {
            sources: Box::new(Selection::inner(run, *source, inner.iter().collect())?),
            slots: slots.clone(),
            of: type_id,
            by_record: Some(type_id) == patient_type() && in_patient_compartment(*source, slots),
            seen: HashSet::new(),
            seen_records: HashSet::new(),
            ready: VecDeque::new(),
        },
        other => match run.gather(other, GATHERED)? {
            Some(set) => listed(newest_first(&set), resume),
            None => return Ok((WHOLE_TYPE, newest(vec![whole_type(type_id)], resume), None)),
        },
    };
    Ok((leader, driver, Some(index)))
}

fn newest_first(set: &RoaringTreemap) -> Vec<Seq> {
    let mut seqs: Vec<Seq> = set.iter().collect();
    seqs.reverse();
    seqs
}

fn whole_type(type_id: ResourceTypeId) -> Equal {
    Equal { slot: TYPE_SLOT, value: i64::from(type_id), extra: None }
}

fn newest(equals: Vec<Equal>, resume: Option<Resume>) -> Driver<'static> {
    let before = match resume {
        Some(Resume::Before(seq)) => seq,
        _ => Seq::MAX >> 1,
    };
    let streams =
        equals.into_iter().map(|equal| Stream { equal, buffer: VecDeque::new(), done: false }).collect();
    Driver::Newest { streams, before }
}

fn ranges(stages: Vec<Stage>, resume: Option<Resume>) -> Driver<'static> {
    match resume {
        Some(Resume::Row { stage, value, seq, extra }) => {
            Driver::Ranges { stages, stage: stage as usize, after: Some(NumberCursor { value, seq, extra }) }
        }
        _ => Driver::Ranges { stages, stage: 0, after: None },
    }
}

fn listed(seqs: Vec<Seq>, resume: Option<Resume>) -> Driver<'static> {
    let at = match resume {
        Some(Resume::Before(before)) => seqs.partition_point(|&seq| seq >= before),
        _ => 0,
    };
    Driver::Listed { seqs, at }
}

/// The record that an equal reference confines the search to, with the short codes it asks for;
/// only when a code is asked for too: then the record's own index is the shortest way.
pub(super) fn record_of(
    run: &mut Run<'_>,
    type_id: ResourceTypeId,
    all: &[&Predicate],
) -> Outcome<Option<(RecordKey, Vec<u16>)>> {
    let Some(patient) = confined_to(run, type_id, all)? else { return Ok(None) };
    let Some(code_slot) =
        fhir_search::parameter(type_id, "code").and_then(|p| slots::own_slot(type_id, p.id))
    else {
        return Ok(None);
    };
    let codes = all.iter().find_map(|predicate| match predicate {
        Predicate::Equal(any) if !any.is_empty() && any.iter().all(|equal| equal.slot == code_slot) => {
            Some(any.iter().map(|equal| short_code(equal.value)).collect::<Vec<u16>>())
        }
        _ => None,
    });
    Ok(codes.map(|codes| (patient, codes)))
}

/// The record of the one patient that a reference of the patient compartment confines the search to.
pub(super) fn confined_to(
    run: &mut Run<'_>,
    type_id: ResourceTypeId,
    all: &[&Predicate],
) -> Outcome<Option<RecordKey>> {
    for predicate in all {
        let Some((slot, value)) = predicate.single_row() else { continue };
        if in_patient_compartment(type_id, &[slot]) && patient_type().is_some() {
            // A key of something that is no patient has no record.
            return Ok(run.snapshot.record_key(ResourceKey(value))?);
        }
    }
    Ok(None)
}

/// Whether all of the slots are of references by which a resource of the type belongs to a patient.
fn in_patient_compartment(type_id: ResourceTypeId, all: &[u16]) -> bool {
    all.iter().all(|slot| {
        compartment::parameters(Compartment::Patient, type_id)
            .any(|parameter| slots::place(type_id, parameter).slots.contains(slot))
    })
}

/// The positions of a record's resources of a type with one of the codes.
pub(super) fn record_positions(
    run: &mut Run<'_>,
    record_key: RecordKey,
    type_id: ResourceTypeId,
    codes: &[u16],
) -> Outcome<Vec<Seq>> {
    let mut hits = Vec::new();
    for &code in codes {
        run.snapshot.record(record_key, Some(type_id), Some(code), run.as_of, &mut hits)?;
    }
    let mut seqs: Vec<Seq> = hits.iter().map(|hit| hit.seq).collect();
    seqs.sort_unstable();
    seqs.dedup();
    Ok(seqs)
}

/// The predicate that gives the fewest candidates.
fn decide(run: &mut Run<'_>, type_id: ResourceTypeId, all: &[&Predicate]) -> Outcome<u32> {
    if all.is_empty() {
        return Ok(WHOLE_TYPE);
    }
    if all.len() > 1 && record_of(run, type_id, all)?.is_some() {
        return Ok(RECORD);
    }
    let leading: Vec<usize> = (0..all.len()).filter(|&index| can_lead(all[index])).collect();
    match leading.as_slice() {
        [] => return Ok(WHOLE_TYPE),
        [only] if all.len() == 1 => return Ok(*only as u32),
        _ => {}
    }
    if run.eye.guards(Point::Leader) {
        return Ok(by_form(type_id, all, &leading));
    }
    for limit in LOOKS {
        let mut best = (limit, WHOLE_TYPE);
        for &index in &leading {
            let count = estimate(run, all[index], limit)?;
            if count < best.0 {
                best = (count, index as u32);
            }
        }
        if best.1 != WHOLE_TYPE {
            return Ok(best.1);
        }
    }
    // All are large, and a page is soon full whichever leads: one that need not be gathered.
    let streaming = leading.iter().find(|&&index| matches!(all[index], Predicate::Equal(_)));
    Ok(streaming.or(leading.first()).map_or(WHOLE_TYPE, |&index| index as u32))
}

/// The predicate that leads under limits. How many rows each has would tell of what may not be seen,
/// through the order of the answer, so it is chosen by what is asked alone: what names one thing first.
fn by_form(type_id: ResourceTypeId, all: &[&Predicate], leading: &[usize]) -> u32 {
    let identifier =
        fhir_search::parameter(type_id, "identifier").and_then(|p| slots::own_slot(type_id, p.id));
    let rank = |predicate: &Predicate| match predicate {
        Predicate::Ids(_) => 0,
        Predicate::Equal(any) if any.iter().all(|equal| Some(equal.slot) == identifier) => 1,
        Predicate::Equal(any) if any.iter().all(|e| in_patient_compartment(type_id, &[e.slot])) => 2,
        Predicate::Chain { .. } => 3,
        Predicate::Texts { .. } => 4,
        Predicate::Equal(any) if any.iter().all(|equal| equal.extra.is_some()) => 5,
        Predicate::Equal(_) => 6,
        Predicate::Has { .. } => 7,
        _ => 8,
    };
    leading.iter().copied().min_by_key(|&index| rank(all[index])).map_or(WHOLE_TYPE, |index| index as u32)
}

fn can_lead(predicate: &Predicate) -> bool {
    match predicate {
        Predicate::Ids(_)
        | Predicate::Equal(_)
        | Predicate::Numbers(_)
        | Predicate::Dates { .. }
        | Predicate::Texts { .. }
        | Predicate::Chain { .. }
        | Predicate::Has { .. } => true,
        Predicate::Any(any) => any.iter().all(|inner| {
            matches!(
                inner,
                Predicate::Equal(_)
                    | Predicate::Numbers(_)
                    | Predicate::Dates { .. }
                    | Predicate::Texts { .. }
            )
        }),
        _ => false,
    }
}

/// How many rows a predicate has, counted no further than `limit`.
fn estimate(run: &mut Run<'_>, predicate: &Predicate, limit: usize) -> Outcome<usize> {
    let as_of = run.as_of;
    let mut total = 0;
    let mut add = |run: &mut Run<'_>, slot, low, high| -> Outcome<()> {
        if total < limit {
            total += run.snapshot.count(&NumberRange { slot, low, high }, as_of, limit - total)?;
        }
        Ok(())
    };
    match predicate {
        Predicate::Ids(ids) => return Ok(ids.len()),
        Predicate::Equal(any) => any.iter().try_for_each(|e| add(run, e.slot, e.value, e.value))?,
        Predicate::Numbers(any) => any.iter().try_for_each(|n| {
            if n.outside { add(run, n.slot, i64::MIN, i64::MAX) } else { add(run, n.slot, n.low, n.high) }
        })?,
        Predicate::Dates { slot, any } => {
            for period in any {
                for (low, high, of_ends) in period.scans() {
                    add(run, scan_slot(*slot, of_ends), low, high)?;
                }
            }
        }
        Predicate::Texts { slot, any } => {
            for wanted in any {
                let range = super::execute::text_range(*slot, wanted);
                let mut hits = Vec::new();
                run.snapshot.scan_text(&range, Order::Ascending, None, as_of, limit, &mut hits)?;
                total += hits.len();
            }
        }
        // What refers to one resource is taken for a few dozen.
        Predicate::Chain { inner, .. } | Predicate::Has { inner, .. } => {
            let mut least = limit;
            for inner in inner {
                if can_lead(inner) {
                    least = least.min(estimate(run, inner, limit)?.saturating_mul(32));
                }
            }
            return Ok(least.min(limit));
        }
        Predicate::Any(any) => {
            for inner in any {
                total += estimate(run, inner, limit)?;
            }
        }
        _ => return Ok(limit),
    }
    Ok(total)
}

impl Driver<'_> {
    /// The next candidates, at least one while there are any; about `want` of them.
    pub(super) fn next(&mut self, run: &mut Run<'_>, want: usize) -> Outcome<Vec<Lead>> {
        match self {
            Driver::Newest { streams, before } => merge(run, streams, before, want),
            Driver::Ranges { stages, stage, after } => {
                let mut hits = Vec::new();
                while let Some(now) = stages.get(*stage) {
                    hits.clear();
                    let limit = want.max(BATCH);
                    run.snapshot.scan(&now.range, Order::Descending, *after, run.as_of, limit, &mut hits)?;
                    let Some(last) = hits.last() else {
                        *stage += 1;
                        *after = None;
                        continue;
                    };
                    *after = Some(NumberCursor { value: last.value, seq: last.seq, extra: last.extra });
                    let leads: Vec<Lead> = hits
                        .iter()
                        .filter(|hit| now.takes.fits(hit))
                        .map(|hit| row_lead(*stage, hit))
                        .collect();
                    if !leads.is_empty() {
                        return Ok(leads);
                    }
                }
                Ok(Vec::new())
            }
            Driver::Listed { seqs, at } => {
                let end = (*at + want.max(BATCH)).min(seqs.len());
                let leads = seqs[*at..end].iter().map(|&seq| Lead::before(seq)).collect();
                *at = end;
                Ok(leads)
            }
            Driver::Referring { targets, slots, open, seen } => loop {
                let (key, slot, after) = match open.take() {
                    Some(place) => place,
                    None => match targets.next(run, want)? {
                        None => return Ok(Vec::new()),
                        Some(target) => {
                            let key =
                                run.snapshot.keys(&[target.seq])?.pop().ok_or(tongmai_codec::Damaged)?;
                            (key, 0, None)
                        }
                    },
                };
                let Some(&number) = slots.get(slot) else { continue };
                let range = NumberRange { slot: number, low: key.0, high: key.0 };
                let mut hits = Vec::new();
                run.snapshot.scan(&range, Order::Descending, after, run.as_of, want.max(8), &mut hits)?;
                *open = Some(match hits.last() {
                    Some(last) => (
                        key,
                        slot,
                        Some(NumberCursor { value: last.value, seq: last.seq, extra: last.extra }),
                    ),
                    None => (key, slot + 1, None),
                });
                let leads: Vec<Lead> =
                    hits.iter().filter(|hit| seen.insert(hit.seq)).map(Lead::of_hit).collect();
                let leads = run.referring(number, key, leads)?;
                if !leads.is_empty() {
                    return Ok(leads);
                }
            },
            Driver::Referred { sources, slots, of, by_record, seen, seen_records, ready } => {
                while ready.is_empty() {
                    // Many sources may refer to one target, so they are taken in larger steps.
                    let Some(source) = sources.next(run, REFERRED_STEP)? else { return Ok(Vec::new()) };
                    let record = source.record.filter(|record| *by_record && *record != REGION_RECORD);
                    if record.is_some_and(|record| seen_records.contains(&record)) {
                        continue;
                    }
                    let of_record = match record {
                        Some(record) => referred_patient(run, source.seq, record, slots)?,
                        None => None,
                    };
                    let keys = match of_record {
                        Some(key) => {
                            seen_records.extend(record);
                            vec![key]
                        }
                        None => referred(run, source.seq, slots)?,
                    };
                    for key in keys {
                        if !seen.insert(key) {
                            continue;
                        }
                        let Some(seq) = run.version_of(key)? else { continue };
                        let mut is_type = Vec::new();
                        run.snapshot.probe(
                            TYPE_SLOT,
                            i64::from(*of),
                            None,
                            run.as_of,
                            &[seq],
                            &mut is_type,
                        )?;
                        if is_type == [true] {
                            ready.push_back(seq);
                        }
                    }
                }
                Ok(ready.drain(..).map(Lead::of).collect())
            }
        }
    }
}

fn row_lead(stage: usize, hit: &NumberHit) -> Lead {
    let resume = Resume::Row { stage: stage as u32, value: hit.value, seq: hit.seq, extra: hit.extra };
    Lead { resume: Some(resume), ..Lead::of_hit(hit) }
}

/// The patient of a record, if the version refers to that patient through one of the slots.
fn referred_patient(
    run: &mut Run<'_>,
    seq: Seq,
    record: RecordKey,
    slots: &[u16],
) -> Outcome<Option<ResourceKey>> {
    if !run.eye.is_open() {
        // The index knows of blanked elements: the body is looked at instead.
        return Ok(None);
    }
    let Some(patient) = run.snapshot.patient_of(record)? else { return Ok(None) };
    let mut refers = Vec::new();
    for &slot in slots {
        run.snapshot.probe(slot, patient.0, None, run.as_of, &[seq], &mut refers)?;
    }
    Ok(refers.contains(&true).then_some(patient))
}

/// The keys that a version refers to through the slots.
fn referred(run: &mut Run<'_>, seq: Seq, slots: &[u16]) -> Outcome<Vec<ResourceKey>> {
    let loaded = run.load(seq)?;
    Ok(loaded
        .rows
        .numbers
        .iter()
        .filter(|row| slots.contains(&row.slot))
        .map(|row| ResourceKey(row.value))
        .collect())
}

/// Merges streams, newest first, each position once.
fn merge(run: &mut Run<'_>, streams: &mut [Stream], before: &mut Seq, want: usize) -> Outcome<Vec<Lead>> {
    let mut leads = Vec::with_capacity(want);
    while leads.len() < want {
        let mut newest: Option<(Seq, RecordKey, u16)> = None;
        for stream in streams.iter_mut() {
            fill(run, stream, *before, want)?;
            newest = newest.max(stream.buffer.front().copied());
        }
        let Some((seq, record, label)) = newest else { break };
        for stream in streams.iter_mut() {
            while stream.buffer.front().is_some_and(|front| front.0 == seq) {
                stream.buffer.pop_front();
            }
        }
        *before = seq;
        leads.push(Lead { record: Some(record), label: Some(label), ..Lead::before(seq) });
    }
    Ok(leads)
}

fn fill(run: &mut Run<'_>, stream: &mut Stream, before: Seq, want: usize) -> Outcome<()> {
    let mut after = NumberCursor { value: stream.equal.value, seq: before, extra: i64::MIN };
    while stream.buffer.is_empty() && !stream.done {
        let range =
            NumberRange { slot: stream.equal.slot, low: stream.equal.value, high: stream.equal.value };
        let mut hits = Vec::new();
        let limit = want.clamp(4, 1024);
        run.snapshot.scan(&range, Order::Descending, Some(after), run.as_of, limit, &mut hits)?;
        stream.done = hits.len() < limit;
        if let Some(last) = hits.last() {
            after = NumberCursor { value: last.value, seq: last.seq, extra: last.extra };
        }
        let wanted = stream.equal.extra;
        stream.buffer.extend(
            hits.iter()
                .filter(|hit| wanted.is_none_or(|extra| extra == hit.extra))
                .map(|hit| (hit.seq, hit.record_key, hit.label)),
        );
    }
    Ok(())
}
