//! `_include` and `_revinclude`: what matches refer to, and what refers to them.

use std::borrow::Cow;
use std::collections::HashSet;

use memchr::memmem;
use tongmai_access::Point;
use tongmai_base::limits;
use tongmai_fhir::definition::ResourceTypeId;
use tongmai_fhir::search::{self as fhir_search, Kind, Reference};
use tongmai_store::{NumberCursor, NumberRange, Order, ResourceKey, Seq};

use super::driver::Lead;
use super::execute::{BATCH, Run};
use super::{Include, Page, Query};
use crate::Resource;
use crate::failure::Outcome;
use crate::slots;

/// Adds what the includes of a query ask for to a page.
pub(super) fn add(run: &mut Run<'_>, query: &Query, page: &mut Page) -> Outcome<()> {
    if query.include.is_empty() && query.revinclude.is_empty() {
        return Ok(());
    }
    let key_of =
        |run: &Run<'_>, resource: &Resource| run.engine.keys.resource(resource.type_id, &resource.id);
    let mut seen: HashSet<ResourceKey> = page.matches.iter().map(|resource| key_of(run, resource)).collect();
    // Which of the included resources the round before found.
    let mut fresh = 0..0;
    for number in 0..limits::INCLUDE_ROUNDS {
        let round = if number == 0 { &page.matches[..] } else { &page.included[fresh.clone()] };
        let mut found = Found::default();
        for include in query.include.iter().filter(|include| number == 0 || include.iterate) {
            for resource in round {
                forward(run, include, resource, &mut found)?;
            }
        }
        for include in query.revinclude.iter().filter(|include| number == 0 || include.iterate) {
            for resource in round {
                let key = key_of(run, resource);
                backward(run, include, resource.type_id, key, &mut found)?;
            }
        }
        let mut seqs = Vec::with_capacity(found.keys.len() + found.seqs.len());
        for key in found.keys.into_iter().filter(|key| !seen.contains(key)) {
            seqs.extend(run.version_of(key)?);
        }
        seqs.extend(found.seqs);
        fresh = page.included.len()..page.included.len();
        for event in run.snapshot.events(&seqs)? {
            if seen.contains(&event.key) {
                continue;
            }
            let resource = if run.eye.guards(Point::Include) {
                match run.eye.show(run.snapshot, &event)? {
                    Some(resource) => resource,
                    None => continue,
                }
            } else {
                run.engine.resource(&event)?
            };
            seen.insert(event.key);
            if page.included.len() == limits::INCLUDED_RESOURCES {
                page.includes_cut = true;
                return Ok(());
            }
            page.included.push(resource);
        }
        fresh.end = page.included.len();
        if fresh.is_empty() {
            break;
        }
    }
    Ok(())
}

/// What one round of includes comes upon.
#[derive(Default)]
struct Found {
    /// Resources that are referred to.
    keys: Vec<ResourceKey>,
    /// Versions that refer, as the index of the state shown has them.
    seqs: Vec<Seq>,
}

/// The slots of a reference parameter of a type, or of all of them.
fn slots_of(type_id: ResourceTypeId, code: Option<&str>) -> (Cow<'static, [u16]>, Option<ResourceTypeId>) {
    match code.and_then(|code| fhir_search::parameter(type_id, code)) {
        Some(parameter) => {
            let place = slots::place(type_id, parameter);
            (Cow::Borrowed(&place.slots), place.only_target)
        }
        None if code.is_some() => (Cow::Borrowed(&[]), None),
        None => {
            let all = fhir_search::parameters(type_id)
                .filter(|parameter| parameter.kind == Kind::Reference)
                .filter_map(|parameter| slots::own_slot(type_id, parameter.id))
                .collect();
            (Cow::Owned(all), None)
        }
    }
}

/// What a resource refers to. References are looked for in the text, and the index tells of which
/// parameter each is: that spares reading the whole document.
fn forward(run: &mut Run<'_>, include: &Include, node: &Resource, found: &mut Found) -> Outcome<()> {
    if include.source.is_some_and(|source| source != node.type_id) {
        return Ok(());
    }
    let (slots, only) = slots_of(node.type_id, include.code.as_deref());
    let target = include.target.or(only);
    for at in memmem::find_iter(&node.text, b"\"reference\":\"") {
        let start = at + b"\"reference\":\"".len();
        let Some(length) = memchr::memchr(b'"', &node.text[start..]) else { break };
        let Ok(text) = std::str::from_utf8(&node.text[start..start + length]) else { continue };
        let reference = Reference::parse(text);
        let (Some(type_id), Some(id), true) =
            (reference.resource_type, reference.id, reference.is_relative())
        else {
            continue;
        };
        if target.is_some_and(|target| target != type_id) {
            continue;
        }
        let key = run.engine.keys.resource(type_id, id);
        if found.keys.contains(&key) {
            continue;
        }
        for &slot in &*slots {
            let mut is_there = Vec::new();
            run.snapshot.probe(slot, key.0, None, run.as_of, &[node.seq], &mut is_there)?;
            if is_there == [true] {
                found.keys.push(key);
                break;
            }
        }
    }
    Ok(())
}

/// What refers to a resource.
fn backward(
    run: &mut Run<'_>,
    include: &Include,
    type_id: ResourceTypeId,
    key: ResourceKey,
    found: &mut Found,
) -> Outcome<()> {
    let Some(source) = include.source else { return Ok(()) };
    let (slots, only) = slots_of(source, include.code.as_deref());
    if include.target.or(only).is_some_and(|target| target != type_id) {
        return Ok(());
    }
    for &slot in &*slots {
        let range = NumberRange { slot, low: key.0, high: key.0 };
        let mut after = None;
        loop {
            let mut hits = Vec::new();
            run.snapshot.scan(&range, Order::Descending, after, run.as_of, BATCH, &mut hits)?;
            let Some(last) = hits.last() else { break };
            after = Some(NumberCursor { value: last.value, seq: last.seq, extra: last.extra });
            if run.eye.guards(Point::Include) {
                let leads = hits.iter().map(Lead::of_hit).collect();
                found.seqs.extend(run.referring(slot, key, leads)?.iter().map(|lead| lead.seq));
            } else {
                found.seqs.extend(hits.iter().map(|hit| hit.seq));
            }
            if hits.len() < BATCH || found.seqs.len() > limits::INCLUDED_RESOURCES {
                break;
            }
        }
    }
    Ok(())
}
