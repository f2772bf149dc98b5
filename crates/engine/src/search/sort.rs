//! Orders of a search other than its natural one.
//!
//! A page by date of one patient's resources is read off the record's own
//! index. Otherwise all matches are found, up to a limit, and ordered by the
//! values of their bodies.

use std::cmp::Ordering;

use tongmai_access::Point;
use tongmai_base::limits;
use tongmai_fhir::definition::ResourceTypeId;
use tongmai_fhir::json::Json;
use tongmai_fhir::search::{self as fhir_search, SearchValue, fold};
use tongmai_store::{NO_DATE, RecordHit, Seq};

use super::driver::{Lead, confined_to, record_of};
use super::execute::{Run, Selection, conditions};
use super::{PageStart, Query, TypeQuery};
use crate::failure::{Failure, Outcome, Reason};
use crate::slots;

/// Whether the order in which matches are found is the order that is asked for.
pub(super) fn is_natural(query: &Query) -> bool {
    query.sort.is_empty()
}

/// One page in the order that was asked for.
pub(super) fn sorted_page(
    run: &mut Run<'_>,
    query: &Query,
    start: PageStart,
) -> Outcome<(Vec<Seq>, Option<PageStart>)> {
    let skip = start.offset as usize;
    let wanted = skip + query.count + 1;
    let mut seqs = match by_record_date(run, query, wanted)? {
        Some(seqs) => seqs,
        None => by_values(run, query)?,
    };
    let more = seqs.len() > skip + query.count;
    seqs.truncate(skip + query.count);
    seqs.drain(..skip.min(seqs.len()));
    let next = more.then(|| PageStart { offset: start.offset + query.count as u64, ..start });
    Ok((seqs, next))
}

/// The first matches by clinical date, read off the index of one record.
fn by_record_date(run: &mut Run<'_>, query: &Query, wanted: usize) -> Outcome<Option<Vec<Seq>>> {
    let ([of], [key]) = (query.types.as_slice(), query.sort.as_slice()) else { return Ok(None) };
    let by_date = slots::clinical_date(of.type_id)
        .is_some_and(|date| fhir_search::parameter(of.type_id, &key.code).is_some_and(|p| p.id == date));
    if !by_date {
        return Ok(None);
    }
    let all = conditions(of);
    let mut hits = Vec::new();
    if let Some((record_key, codes)) = record_of(run, of.type_id, &all)? {
        for code in codes {
            run.snapshot.record(record_key, Some(of.type_id), Some(code), run.as_of, &mut hits)?;
        }
    } else if let Some(record_key) = confined_to(run, of.type_id, &all)? {
        run.snapshot.record(record_key, Some(of.type_id), None, run.as_of, &mut hits)?;
    } else {
        return Ok(None);
    }
    let order = |hit: &RecordHit| (hit.row.date, hit.seq);
    // What has no date comes last in either direction, as R4 leaves open and readers expect.
    hits.sort_unstable_by(|a, b| {
        let missing = (a.row.date == NO_DATE).cmp(&(b.row.date == NO_DATE));
        missing.then(if key.descending { order(b).cmp(&order(a)) } else { order(a).cmp(&order(b)) })
    });
    hits.dedup_by_key(|hit| hit.seq);
    let mut seqs = Vec::new();
    for batch in hits.chunks(wanted.clamp(8, 1024)) {
        let leads = batch.iter().map(|hit| Lead::of(hit.seq)).collect();
        for lead in run.filter(of.type_id, &all, leads)? {
            if !seqs.contains(&lead.seq) {
                seqs.push(lead.seq);
            }
        }
        if seqs.len() >= wanted {
            break;
        }
    }
    Ok(Some(seqs))
}

/// A value to sort by; what has none comes last.
#[derive(Debug, Clone, PartialEq)]
enum SortValue {
    Number(f64),
    Text(String),
    Missing,
}

fn by_values(run: &mut Run<'_>, query: &Query) -> Outcome<Vec<Seq>> {
    let mut found: Vec<(Vec<SortValue>, Seq)> = Vec::new();
    for of in &query.types {
        let (mut selection, _) = Selection::begin(run, of, None, None)?;
        while let Some(lead) = selection.next(run, 1024)? {
            if found.len() == limits::SORTED_MATCHES {
                return Err(Failure::new(
                    Reason::TooLarge,
                    "_sort",
                    "too-costly",
                    format!("a search sorts at most {} matches", limits::SORTED_MATCHES),
                )
                .repair("narrow the search, or leave out _sort"));
            }
            let values =
                if only_position(query) { Vec::new() } else { sort_values(run, of, query, lead.seq)? };
            found.push((values, lead.seq));
        }
    }
    found.sort_by(|(a, a_seq), (b, b_seq)| {
        let mut order = Ordering::Equal;
        for (index, key) in query.sort.iter().enumerate() {
            order = order.then_with(|| {
                if key.code == "_lastUpdated" {
                    // Positions are given out in the order of time.
                    if key.descending { b_seq.cmp(a_seq) } else { a_seq.cmp(b_seq) }
                } else {
                    compare(&a[index], &b[index], key.descending)
                }
            });
        }
        order.then_with(|| b_seq.cmp(a_seq))
    });
    Ok(found.into_iter().map(|(_, seq)| seq).collect())
}

fn only_position(query: &Query) -> bool {
    query.sort.first().is_some_and(|key| key.code == "_lastUpdated")
}

fn compare(a: &SortValue, b: &SortValue, descending: bool) -> Ordering {
    let order = match (a, b) {
        (SortValue::Missing, SortValue::Missing) => return Ordering::Equal,
        (SortValue::Missing, _) => return Ordering::Greater,
        (_, SortValue::Missing) => return Ordering::Less,
        (SortValue::Number(a), SortValue::Number(b)) => a.total_cmp(b),
        (SortValue::Text(a), SortValue::Text(b)) => a.cmp(b),
        (SortValue::Number(_), SortValue::Text(_)) => Ordering::Less,
        (SortValue::Text(_), SortValue::Number(_)) => Ordering::Greater,
    };
    if descending { order.reverse() } else { order }
}

fn sort_values(run: &mut Run<'_>, of: &TypeQuery, query: &Query, seq: Seq) -> Outcome<Vec<SortValue>> {
    let event = run.snapshot.events(&[seq])?.pop().ok_or(tongmai_codec::Damaged)?;
    let mut resource = run.engine.resource(&event)?;
    if run.eye.guards(Point::Sort) {
        let verdict = run.eye.of_event(run.snapshot, &event)?;
        resource = run.eye.blank(resource, verdict)?;
    }
    let json = Json::parse(&resource.text).map_err(|_| tongmai_codec::Damaged)?;
    let values = query.sort.iter().map(|key| match key.code.as_str() {
        "_id" => SortValue::Text(resource.id.clone()),
        "_lastUpdated" => SortValue::Missing,
        code => sort_value(&json, of.type_id, code, key.descending),
    });
    Ok(values.collect())
}

/// The least value of a parameter, or the greatest for a descending order.
fn sort_value(json: &Json<'_>, type_id: ResourceTypeId, code: &str, descending: bool) -> SortValue {
    let Some(parameter) = fhir_search::parameter(type_id, code) else { return SortValue::Missing };
    let mut best = SortValue::Missing;
    fhir_search::extract_each(json, type_id, &mut |id, value| {
        if id != parameter.id {
            return;
        }
        let value = match value {
            SearchValue::Date { low, .. } => SortValue::Number(low as f64),
            SearchValue::Number { low, .. } | SearchValue::Quantity { low, .. } => SortValue::Number(low),
            SearchValue::String(text) => SortValue::Text(fold(text)),
            SearchValue::Token(token) => match token.code.or(token.text) {
                Some(text) => SortValue::Text(text.to_owned()),
                None => return,
            },
            SearchValue::Reference(reference) => SortValue::Text(reference.raw.to_owned()),
            SearchValue::Uri(uri) => SortValue::Text(uri.to_owned()),
            SearchValue::Composite(_) => return,
        };
        if compare(&value, &best, descending) == Ordering::Less {
            best = value;
        }
    });
    best
}
