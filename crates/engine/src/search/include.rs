//! `_include` and `_revinclude`: what matches refer to, and what refers to them.

use std::collections::HashSet;

use memchr::memmem;
use tongmai_base::limits;
use tongmai_fhir::definition::ResourceTypeId;
use tongmai_fhir::search::{self as fhir_search, Kind, Reference};
use tongmai_store::{NumberCursor, NumberRange, Order, ResourceKey, Seq};

use super::execute::{BATCH, Run};
use super::{Include, Page, Query};
use crate::failure::Outcome;
use crate::slots;

/// A resource whose references are followed.
struct Node {
    seq: Seq,
    type_id: ResourceTypeId,
    key: ResourceKey,
    text: Vec<u8>,
}

/// Adds what the includes of a query ask for to a page.
pub(super) fn add(run: &mut Run<'_>, query: &Query, matches: &[Seq], page: &mut Page) -> Outcome<()> {
    if query.include.is_empty() && query.revinclude.is_empty() {
        return Ok(());
    }
    let keys = run.snapshot.keys(matches)?;
    let mut seen: HashSet<ResourceKey> = keys.iter().copied().collect();
    let mut round: Vec<Node> = page
        .matches
        .iter()
        .zip(&keys)
        .map(|(resource, &key)| Node {
            seq: resource.seq,
            type_id: resource.type_id,
            key,
            text: resource.text.clone(),
        })
        .collect();
    for number in 0..limits::INCLUDE_ROUNDS {
        let mut found: Vec<ResourceKey> = Vec::new();
        for include in query.include.iter().filter(|include| number == 0 || include.iterate) {
            for node in &round {
                forward(run, include, node, &mut found)?;
            }
        }
        for include in query.revinclude.iter().filter(|include| number == 0 || include.iterate) {
            for node in &round {
                backward(run, include, node, &mut found)?;
            }
        }
        found.retain(|key| seen.insert(*key));
        if found.is_empty() {
            break;
        }
        let room = limits::INCLUDED_RESOURCES - page.included.len();
        if found.len() > room {
            found.truncate(room);
            page.includes_cut = true;
        }
        round = Vec::with_capacity(found.len());
        for key in found {
            let Some(seq) = run.version_of(key)? else { continue };
            let Some(event) = run.snapshot.events(&[seq])?.pop() else { continue };
            let resource = run.engine.resource(&event)?;
            round.push(Node { seq, type_id: event.type_id, key, text: resource.text.clone() });
            page.included.push(resource);
        }
        if page.includes_cut {
            break;
        }
    }
    Ok(())
}

/// The slots of a reference parameter of a type, or of all of them.
fn slots_of(type_id: ResourceTypeId, code: Option<&str>) -> (Vec<u16>, Option<ResourceTypeId>) {
    match code.and_then(|code| fhir_search::parameter(type_id, code)) {
        Some(parameter) => {
            let place = slots::place(type_id, parameter);
            (place.slots, place.only_target)
        }
        None if code.is_some() => (Vec::new(), None),
        None => {
            let all = fhir_search::parameters(type_id)
                .filter(|parameter| parameter.kind == Kind::Reference)
                .filter_map(|parameter| slots::own_slot(type_id, parameter.id))
                .collect();
            (all, None)
        }
    }
}

/// What a resource refers to. References are looked for in the text, and the index tells of which
/// parameter each is: that spares reading the whole document.
fn forward(run: &mut Run<'_>, include: &Include, node: &Node, found: &mut Vec<ResourceKey>) -> Outcome<()> {
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
        if found.contains(&key) {
            continue;
        }
        for &slot in &slots {
            let mut is_there = Vec::new();
            run.snapshot.probe(slot, key.0, None, run.as_of, &[node.seq], &mut is_there)?;
            if is_there == [true] {
                found.push(key);
                break;
            }
        }
    }
    Ok(())
}

/// What refers to a resource.
fn backward(run: &mut Run<'_>, include: &Include, node: &Node, found: &mut Vec<ResourceKey>) -> Outcome<()> {
    let Some(source) = include.source else { return Ok(()) };
    let (slots, only) = slots_of(source, include.code.as_deref());
    if include.target.or(only).is_some_and(|target| target != node.type_id) {
        return Ok(());
    }
    for slot in slots {
        let range = NumberRange { slot, low: node.key.0, high: node.key.0 };
        let mut after = None;
        loop {
            let mut hits = Vec::new();
            run.snapshot.scan(&range, Order::Descending, after, run.as_of, BATCH, &mut hits)?;
            let Some(last) = hits.last() else { break };
            after = Some(NumberCursor { value: last.value, seq: last.seq, extra: last.extra });
            let seqs: Vec<Seq> = hits.iter().map(|hit| hit.seq).collect();
            found.extend(run.snapshot.keys(&seqs)?);
            if hits.len() < BATCH || found.len() > limits::INCLUDED_RESOURCES {
                break;
            }
        }
    }
    Ok(())
}
