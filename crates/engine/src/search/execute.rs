//! Answers a search: one predicate leads and gives candidates in its own order,
//! the others test them, until the page is full.
//!
//! So a page costs what it takes to find its matches, not what there is to be
//! found. A predicate that has no row to probe for is tested on the body, and
//! when that happens often its rows are gathered into a set once.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use roaring::RoaringTreemap;
use tongmai_access::{Point, Sight};
use tongmai_fhir::definition::ResourceTypeId;
use tongmai_fhir::json::Json;
use tongmai_fhir::search as fhir_search;
use tongmai_store::{IndexRows, NumberRange, Order, ResourceKey, Seq, Snapshot, TYPE_SLOT, TextRange};

use super::driver::{Driver, Lead, choose};
use super::predicate::{Predicate, TextMatch, scan_slot};
use super::{Page, PageStart, Part, Query, Resume, Total, TypeQuery, include, sort};
use crate::failure::Outcome;
use crate::rights::eye::Eye;
use crate::rows;
use crate::{Engine, Resource};

/// Candidates taken at once.
pub(super) const BATCH: usize = 64;
/// A predicate is gathered into a set when so many candidates were tested on their bodies …
const BODY_TESTS: usize = 48;
/// … and it has no more rows than this.
const SET_ROWS: usize = 200_000;
/// Bodies kept in memory during one search.
const LOADED: usize = 512;

/// A candidate whose body was read.
pub(super) struct Loaded {
    pub resource: Resource,
    pub rows: IndexRows,
}

/// One search under way.
pub(super) struct Run<'r> {
    pub engine: &'r Engine,
    pub eye: Eye<'r>,
    pub snapshot: &'r mut dyn Snapshot,
    pub as_of: Seq,
    loaded: HashMap<Seq, Rc<Loaded>>,
    /// By the address of the predicate, which outlives the run.
    body_tests: HashMap<usize, usize>,
    sets: HashMap<usize, Option<Rc<RoaringTreemap>>>,
    targets: HashMap<(usize, ResourceKey), bool>,
}

fn address_of(predicate: &Predicate) -> usize {
    std::ptr::from_ref(predicate) as usize
}

/// The conditions of a type, with nested conjunctions laid flat.
pub(super) fn conditions(query: &TypeQuery) -> Vec<&Predicate> {
    fn add<'p>(predicate: &'p Predicate, flat: &mut Vec<&'p Predicate>) {
        match predicate {
            Predicate::All(all) => all.iter().for_each(|inner| add(inner, flat)),
            other => flat.push(other),
        }
    }
    let mut flat = Vec::new();
    query.predicates.iter().for_each(|predicate| add(predicate, &mut flat));
    flat
}

impl<'r> Run<'r> {
    pub(super) fn new(
        engine: &'r Engine,
        sight: &'r Sight,
        snapshot: &'r mut dyn Snapshot,
        as_of: Seq,
    ) -> Outcome<Run<'r>> {
        let eye = engine.eye(sight, snapshot)?;
        Ok(Run {
            engine,
            eye,
            snapshot,
            as_of,
            loaded: HashMap::new(),
            body_tests: HashMap::new(),
            sets: HashMap::new(),
            targets: HashMap::new(),
        })
    }

    /// The body and rows of a version.
    pub(super) fn load(&mut self, seq: Seq) -> Outcome<Rc<Loaded>> {
        if let Some(known) = self.loaded.get(&seq) {
            return Ok(known.clone());
        }
        if self.loaded.len() >= LOADED {
            self.loaded.clear();
        }
        let event = self.snapshot.events(&[seq])?.pop().ok_or(tongmai_codec::Damaged)?;
        // What is blanked for the one who asks is no part of what they search.
        let verdict = self.eye.of_event(self.snapshot, &event)?;
        let resource = self.eye.blank(self.engine.resource(&event)?, verdict)?;
        let rows = if resource.text.is_empty() {
            IndexRows::default()
        } else {
            let json = Json::parse(&resource.text).map_err(|_| tongmai_codec::Damaged)?;
            rows::file(&*self.engine.store, &self.engine.keys, event.type_id, &resource.id, &json)?.rows
        };
        let loaded = Rc::new(Loaded { resource, rows });
        self.loaded.insert(seq, loaded.clone());
        Ok(loaded)
    }

    /// Which of the candidates fit all of the predicates.
    pub(super) fn filter(
        &mut self,
        type_id: ResourceTypeId,
        predicates: &[&Predicate],
        leads: Vec<Lead>,
    ) -> Outcome<Vec<Lead>> {
        let (mut left, veiled) = self.visible(leads)?;
        if !veiled.is_empty() {
            return self.filter_veiled(type_id, predicates, left, &veiled);
        }
        for predicate in predicates {
            if left.is_empty() {
                break;
            }
            let seqs: Vec<Seq> = left.iter().map(|lead| lead.seq).collect();
            let fits = self.test(type_id, predicate, &seqs)?;
            let mut at = 0;
            left.retain(|_| {
                at += 1;
                fits[at - 1]
            });
        }
        Ok(left)
    }

    /// Leaves the candidates that may be seen; says which of them have elements that may not.
    fn visible(&mut self, leads: Vec<Lead>) -> Outcome<(Vec<Lead>, HashSet<Seq>)> {
        let mut veiled = HashSet::new();
        if !self.eye.guards(Point::Candidates) {
            return Ok((leads, veiled));
        }
        let mut left = Vec::with_capacity(leads.len());
        for lead in leads {
            let verdict = match (lead.record, lead.label) {
                (Some(record), Some(label)) => self.eye.verdict(self.snapshot, lead.seq, record, label)?,
                _ => match self.eye.verdicts(self.snapshot, &[lead.seq])?.first() {
                    Some(verdict) => *verdict,
                    None => continue,
                },
            };
            if verdict.visible {
                if verdict.hidden != 0 && self.eye.guards(Point::HiddenElements) {
                    veiled.insert(lead.seq);
                }
                left.push(lead);
            }
        }
        Ok((left, veiled))
    }

    /// As [`Run::filter`], when some candidates have elements that may not be seen: those are judged
    /// by their blanked bodies, since the index knows of what is blanked.
    fn filter_veiled(
        &mut self,
        type_id: ResourceTypeId,
        predicates: &[&Predicate],
        leads: Vec<Lead>,
        veiled: &HashSet<Seq>,
    ) -> Outcome<Vec<Lead>> {
        let mut left = Vec::with_capacity(leads.len());
        for lead in leads {
            let mut fits = true;
            for predicate in predicates {
                fits = fits
                    && if veiled.contains(&lead.seq) {
                        self.test_veiled(type_id, predicate, lead.seq)?
                    } else {
                        self.test(type_id, predicate, &[lead.seq])? == [true]
                    };
            }
            if fits {
                left.push(lead);
            }
        }
        Ok(left)
    }

    /// Tests a predicate on a blanked body.
    fn test_veiled(&mut self, type_id: ResourceTypeId, predicate: &Predicate, seq: Seq) -> Outcome<bool> {
        Ok(match predicate {
            Predicate::Any(any) => {
                let mut fits = false;
                for inner in any {
                    fits = fits || self.test_veiled(type_id, inner, seq)?;
                }
                fits
            }
            Predicate::All(all) => {
                let mut fits = true;
                for inner in all {
                    fits = fits && self.test_veiled(type_id, inner, seq)?;
                }
                fits
            }
            Predicate::Not(inner) => !self.test_veiled(type_id, inner, seq)?,
            other => match other.fits_rows(&self.load(seq)?.rows) {
                Some(fits) => fits,
                None => self.test(type_id, other, &[seq])? == [true],
            },
        })
    }

    /// Of candidates that were found by a row, those of which all conditions hold without what is
    /// blanked: a scan knows the rows of blanked elements too.
    pub(super) fn unveiled(
        &mut self,
        type_id: ResourceTypeId,
        all: &[&Predicate],
        leads: Vec<Lead>,
    ) -> Outcome<Vec<Lead>> {
        if !self.eye.guards(Point::HiddenElements) {
            return Ok(leads);
        }
        let (left, veiled) = self.visible(leads)?;
        if veiled.is_empty() {
            return Ok(left);
        }
        let mut kept = Vec::with_capacity(left.len());
        for lead in left {
            let mut fits = true;
            if veiled.contains(&lead.seq) {
                for predicate in all {
                    fits = fits && self.test_veiled(type_id, predicate, lead.seq)?;
                }
            }
            if fits {
                kept.push(lead);
            }
        }
        Ok(kept)
    }

    /// Of versions that a scan found by a reference to a resource, those that may be seen and refer to
    /// it in what may be seen.
    pub(super) fn referring(&mut self, slot: u16, key: ResourceKey, leads: Vec<Lead>) -> Outcome<Vec<Lead>> {
        if self.eye.is_open() {
            return Ok(leads);
        }
        let (left, veiled) = self.visible(leads)?;
        let mut kept = Vec::with_capacity(left.len());
        for lead in left {
            let refers = !veiled.contains(&lead.seq)
                || self.load(lead.seq)?.rows.numbers.iter().any(|row| row.slot == slot && row.value == key.0);
            if refers {
                kept.push(lead);
            }
        }
        Ok(kept)
    }

    /// For each candidate: does it fit?
    pub(super) fn test(
        &mut self,
        type_id: ResourceTypeId,
        predicate: &Predicate,
        seqs: &[Seq],
    ) -> Outcome<Vec<bool>> {
        match predicate {
            Predicate::Ids(ids) => {
                let wanted: Vec<ResourceKey> =
                    ids.iter().map(|id| self.engine.keys.resource(type_id, id)).collect();
                Ok(self.snapshot.keys(seqs)?.iter().map(|key| wanted.contains(key)).collect())
            }
            Predicate::Equal(any) => {
                let mut fits = vec![false; seqs.len()];
                for equal in any {
                    let open: Vec<usize> = (0..seqs.len()).filter(|&index| !fits[index]).collect();
                    let asked: Vec<Seq> = open.iter().map(|&index| seqs[index]).collect();
                    let mut found = Vec::with_capacity(asked.len());
                    self.snapshot.probe(
                        equal.slot,
                        equal.value,
                        equal.extra,
                        self.as_of,
                        &asked,
                        &mut found,
                    )?;
                    for (index, found) in open.into_iter().zip(found) {
                        fits[index] = found;
                    }
                }
                Ok(fits)
            }
            Predicate::Numbers(_)
            | Predicate::Dates { .. }
            | Predicate::Texts { .. }
            | Predicate::Present { .. } => self.test_rows(predicate, seqs),
            Predicate::Updated(any) => {
                let mut fits = Vec::with_capacity(seqs.len());
                for event in self.snapshot.events(seqs)? {
                    let time = event.milliseconds();
                    fits.push(any.iter().any(|period| period.fits(time, time + 1)));
                }
                Ok(fits)
            }
            Predicate::Chain { slots, target, inner } => {
                seqs.iter().map(|&seq| self.chain_fits(predicate, slots, *target, inner, seq)).collect()
            }
            Predicate::Has { source, slots, inner } => {
                let keys = self.snapshot.keys(seqs)?;
                keys.into_iter().map(|key| self.is_referred_to(slots, *source, inner, key)).collect()
            }
            Predicate::Any(any) => {
                let mut fits = vec![false; seqs.len()];
                for inner in any {
                    for (fit, more) in fits.iter_mut().zip(self.test(type_id, inner, seqs)?) {
                        *fit |= more;
                    }
                }
                Ok(fits)
            }
            Predicate::All(all) => {
                let mut fits = vec![true; seqs.len()];
                for inner in all {
                    for (fit, more) in fits.iter_mut().zip(self.test(type_id, inner, seqs)?) {
                        *fit &= more;
                    }
                }
                Ok(fits)
            }
            Predicate::Not(inner) => {
                Ok(self.test(type_id, inner, seqs)?.into_iter().map(|fit| !fit).collect())
            }
            Predicate::Values(parameter, fit) => {
                let mut fits = Vec::with_capacity(seqs.len());
                for &seq in seqs {
                    let loaded = self.load(seq)?;
                    let json = Json::parse(&loaded.resource.text).map_err(|_| tongmai_codec::Damaged)?;
                    let mut found = false;
                    fhir_search::extract_each(&json, type_id, &mut |id, value| {
                        found |= id == *parameter && fit.fits(&value);
                    });
                    fits.push(found);
                }
                Ok(fits)
            }
        }
    }

    /// Tests a predicate on index rows: on those of each body, or in a set of all of them.
    fn test_rows(&mut self, predicate: &Predicate, seqs: &[Seq]) -> Outcome<Vec<bool>> {
        let address = address_of(predicate);
        let tests = self.body_tests.entry(address).or_default();
        *tests += seqs.len();
        if *tests > BODY_TESTS {
            let set = match self.sets.get(&address) {
                Some(known) => known.clone(),
                None => {
                    let set = self.gather(predicate, SET_ROWS)?.map(Rc::new);
                    self.sets.insert(address, set.clone());
                    set
                }
            };
            if let Some(set) = set {
                return Ok(seqs.iter().map(|&seq| set.contains(seq)).collect());
            }
        }
        let mut fits = Vec::with_capacity(seqs.len());
        for &seq in seqs {
            fits.push(predicate.fits_rows(&self.load(seq)?.rows).unwrap_or(false));
        }
        Ok(fits)
    }

    /// All versions that fit a predicate on rows; `None` when there are more rows than `limit`.
    pub(super) fn gather(&mut self, predicate: &Predicate, limit: usize) -> Outcome<Option<RoaringTreemap>> {
        let mut set = RoaringTreemap::new();
        let mut rows_left = limit;
        match predicate {
            Predicate::Equal(any) => {
                for equal in any {
                    let takes = |_: i64, extra: i64| equal.extra.is_none_or(|wanted| wanted == extra);
                    let range = (equal.slot, equal.value, equal.value);
                    if !self.gather_numbers(range, &takes, &mut rows_left, &mut set)? {
                        return Ok(None);
                    }
                }
            }
            Predicate::Numbers(any) => {
                for between in any {
                    let (low, high) =
                        if between.outside { (i64::MIN, i64::MAX) } else { (between.low, between.high) };
                    let takes = |value: i64, extra: i64| between.takes(value, extra);
                    if !self.gather_numbers((between.slot, low, high), &takes, &mut rows_left, &mut set)? {
                        return Ok(None);
                    }
                }
            }
            Predicate::Dates { slot, any } => {
                for period in any {
                    for (low, high, of_ends) in period.scans() {
                        let takes = |value: i64, width: i64| period.takes(value, width, of_ends);
                        let range = (scan_slot(*slot, of_ends), low, high);
                        if !self.gather_numbers(range, &takes, &mut rows_left, &mut set)? {
                            return Ok(None);
                        }
                    }
                }
            }
            Predicate::Present { slots, text_slots } => {
                for &slot in slots {
                    if !self.gather_numbers(
                        (slot, i64::MIN, i64::MAX),
                        &|_, _| true,
                        &mut rows_left,
                        &mut set,
                    )? {
                        return Ok(None);
                    }
                }
                let all = [TextMatch::Begins(String::new())];
                for &slot in text_slots {
                    if !self.gather_texts(slot, &all, &mut rows_left, &mut set)? {
                        return Ok(None);
                    }
                }
            }
            Predicate::Texts { slot, any } => {
                if !self.gather_texts(*slot, any, &mut rows_left, &mut set)? {
                    return Ok(None);
                }
            }
            Predicate::Any(any) => {
                for inner in any {
                    match self.gather(inner, rows_left)? {
                        Some(more) => set |= more,
                        None => return Ok(None),
                    }
                }
            }
            _ => return Ok(None),
        }
        Ok(Some(set))
    }

    fn gather_numbers(
        &mut self,
        (slot, low, high): (u16, i64, i64),
        takes: &dyn Fn(i64, i64) -> bool,
        rows_left: &mut usize,
        set: &mut RoaringTreemap,
    ) -> Outcome<bool> {
        let range = NumberRange { slot, low, high };
        let mut hits = Vec::new();
        let mut after = None;
        loop {
            hits.clear();
            self.snapshot.scan(&range, Order::Ascending, after, self.as_of, 1024, &mut hits)?;
            let Some(last) = hits.last() else { return Ok(true) };
            if hits.len() > *rows_left {
                return Ok(false);
            }
            *rows_left -= hits.len();
            after = Some(tongmai_store::NumberCursor { value: last.value, seq: last.seq, extra: last.extra });
            set.extend(hits.iter().filter(|hit| takes(hit.value, hit.extra)).map(|hit| hit.seq));
        }
    }

    fn gather_texts(
        &mut self,
        slot: u16,
        any: &[TextMatch],
        rows_left: &mut usize,
        set: &mut RoaringTreemap,
    ) -> Outcome<bool> {
        for wanted in any {
            let range = text_range(slot, wanted);
            let mut after: Option<(String, Seq)> = None;
            loop {
                let mut hits = Vec::new();
                let cursor = after.as_ref().map(|(text, seq)| (text.as_str(), *seq));
                self.snapshot.scan_text(&range, Order::Ascending, cursor, self.as_of, 1024, &mut hits)?;
                let Some(last) = hits.last() else { break };
                if hits.len() > *rows_left {
                    return Ok(false);
                }
                *rows_left -= hits.len();
                after = Some((last.text.clone(), last.seq));
                set.extend(hits.iter().filter(|hit| wanted.fits(&hit.text)).map(|hit| hit.seq));
            }
        }
        Ok(true)
    }

    /// Whether one of the references of a version leads to a resource that fits.
    fn chain_fits(
        &mut self,
        predicate: &Predicate,
        slots: &[u16],
        target: ResourceTypeId,
        inner: &[Predicate],
        seq: Seq,
    ) -> Outcome<bool> {
        let loaded = self.load(seq)?;
        for row in loaded.rows.numbers.iter().filter(|row| slots.contains(&row.slot)) {
            let key = ResourceKey(row.value);
            let known = (address_of(predicate), key);
            let fits = match self.targets.get(&known) {
                Some(&fits) => fits,
                None => {
                    let fits = self.target_fits(key, target, inner)?;
                    self.targets.insert(known, fits);
                    fits
                }
            };
            if fits {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn target_fits(
        &mut self,
        key: ResourceKey,
        target: ResourceTypeId,
        inner: &[Predicate],
    ) -> Outcome<bool> {
        let Some(seq) = self.version_of(key)? else { return Ok(false) };
        let mut is_type = Vec::new();
        self.snapshot.probe(TYPE_SLOT, i64::from(target), None, self.as_of, &[seq], &mut is_type)?;
        if is_type != [true] {
            return Ok(false);
        }
        let inner: Vec<&Predicate> = inner.iter().collect();
        Ok(!self.filter(target, &inner, vec![Lead::of(seq)])?.is_empty())
    }

    /// The version of a resource that was current at the position shown; `None` when there was none.
    pub(super) fn version_of(&mut self, key: ResourceKey) -> Outcome<Option<Seq>> {
        let Some(current) = self.snapshot.current(key)? else { return Ok(None) };
        if current.seq <= self.as_of {
            return Ok((!current.deleted).then_some(current.seq));
        }
        let past = self.snapshot.history(key, self.as_of + 1, 1)?;
        Ok(past.first().filter(|event| !event.body.is_empty()).map(|event| event.seq))
    }

    /// Whether a resource of a type that fits refers to the resource.
    fn is_referred_to(
        &mut self,
        slots: &[u16],
        source: ResourceTypeId,
        inner: &[Predicate],
        key: ResourceKey,
    ) -> Outcome<bool> {
        let inner: Vec<&Predicate> = inner.iter().collect();
        for &slot in slots {
            let range = NumberRange { slot, low: key.0, high: key.0 };
            let mut after = None;
            loop {
                let mut hits = Vec::new();
                self.snapshot.scan(&range, Order::Descending, after, self.as_of, BATCH, &mut hits)?;
                let Some(last) = hits.last() else { break };
                after =
                    Some(tongmai_store::NumberCursor { value: last.value, seq: last.seq, extra: last.extra });
                let leads = hits.iter().map(Lead::of_hit).collect();
                let leads = self.referring(slot, key, leads)?;
                if !self.filter(source, &inner, leads)?.is_empty() {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }
}

/// The text range that a match is found in.
pub(super) fn text_range(slot: u16, wanted: &TextMatch) -> TextRange {
    match wanted {
        TextMatch::Contains(_) => TextRange { slot, low: String::new(), high: std::ops::Bound::Unbounded },
        TextMatch::Begins(prefix) => {
            // The highest character ends the range of a prefix: nothing sorts behind it in UTF-8.
            let high = format!("{prefix}\u{10ffff}");
            TextRange { slot, low: prefix.clone(), high: std::ops::Bound::Included(high) }
        }
    }
}

/// The candidates of one type that fit, in the order of the leading predicate.
pub(super) struct Selection<'q> {
    type_id: ResourceTypeId,
    driver: Driver<'q>,
    rest: Vec<&'q Predicate>,
    /// All conditions, that of the leading scan among them.
    all: Vec<&'q Predicate>,
    ready: std::collections::VecDeque<Lead>,
}

impl<'q> Selection<'q> {
    /// Begins; `leader` is the predicate that led on earlier pages.
    pub(super) fn begin(
        run: &mut Run<'_>,
        query: &'q TypeQuery,
        leader: Option<u32>,
        resume: Option<Resume>,
    ) -> Outcome<(Selection<'q>, u32)> {
        let all = conditions(query);
        let (leader, driver, used) = choose(run, query.type_id, &all, leader, resume)?;
        let rest =
            all.iter().enumerate().filter(|(index, _)| Some(*index) != used).map(|(_, p)| *p).collect();
        Ok((Selection { type_id: query.type_id, driver, rest, all, ready: Default::default() }, leader))
    }

    pub(super) fn inner(
        run: &mut Run<'_>,
        type_id: ResourceTypeId,
        all: Vec<&'q Predicate>,
    ) -> Outcome<Selection<'q>> {
        let (_, driver, used) = choose(run, type_id, &all, None, None)?;
        let rest =
            all.iter().enumerate().filter(|(index, _)| Some(*index) != used).map(|(_, p)| *p).collect();
        Ok(Selection { type_id, driver, rest, all, ready: Default::default() })
    }

    /// The next match; `want` is how many are still looked for.
    pub(super) fn next(&mut self, run: &mut Run<'_>, want: usize) -> Outcome<Option<Lead>> {
        while self.ready.is_empty() {
            let leads = self.driver.next(run, want.clamp(1, 1024))?;
            if leads.is_empty() {
                return Ok(None);
            }
            let leads = run.unveiled(self.type_id, &self.all, leads)?;
            self.ready.extend(run.filter(self.type_id, &self.rest, leads)?);
        }
        Ok(self.ready.pop_front())
    }
}

/// The positions of the first matches in natural order.
pub(super) fn first(
    engine: &Engine,
    sight: &Sight,
    snapshot: &mut dyn Snapshot,
    query: &Query,
    limit: usize,
) -> Outcome<Vec<Seq>> {
    let as_of = snapshot.position();
    let mut run = Run::new(engine, sight, snapshot, as_of)?;
    let mut found = Vec::new();
    for of in &query.types {
        let (mut selection, _) = Selection::begin(&mut run, of, None, None)?;
        while found.len() < limit {
            match selection.next(&mut run, limit - found.len())? {
                Some(lead) => found.push(lead.seq),
                None => break,
            }
        }
    }
    Ok(found)
}

/// One page of a search.
pub(super) fn page(
    engine: &Engine,
    sight: &Sight,
    snapshot: &mut dyn Snapshot,
    query: &Query,
    start: PageStart,
) -> Outcome<Page> {
    let mut run = Run::new(engine, sight, snapshot, start.as_of)?;
    let mut page = Page { as_of: start.as_of, ..Page::default() };
    if query.total == Total::Accurate || query.part == Part::Count {
        page.total = Some(count_all(&mut run, query)?);
    }
    if query.part == Part::Count {
        return Ok(page);
    }
    let (seqs, next) = if sort::is_natural(query) {
        natural_page(&mut run, query, start)?
    } else {
        sort::sorted_page(&mut run, query, start)?
    };
    page.next = next;
    for event in run.snapshot.events(&seqs)? {
        if run.eye.guards(Point::Matches) {
            page.matches.extend(run.eye.show(run.snapshot, &event)?);
        } else {
            page.matches.push(engine.resource(&event)?);
        }
    }
    include::add(&mut run, query, &mut page)?;
    Ok(page)
}

/// Lists the types one after the other, each in the order of its leading predicate.
fn natural_page(
    run: &mut Run<'_>,
    query: &Query,
    start: PageStart,
) -> Outcome<(Vec<Seq>, Option<PageStart>)> {
    let mut seqs = Vec::new();
    let mut last = None;
    let types = query.types.iter().enumerate().skip(start.type_index as usize);
    for (index, of) in types {
        let same = index == start.type_index as usize;
        let (leader, resume, skip) =
            if same { (start.leader, start.resume, start.offset) } else { (u32::MAX, None, 0) };
        let (mut selection, leader) =
            Selection::begin(run, of, (leader != u32::MAX).then_some(leader), resume)?;
        // Without a place to go on from, the matches of earlier pages are counted off.
        let mut skip = if resume.is_some() { 0 } else { skip };
        let mut emitted = if resume.is_some() { start.offset } else { skip };
        loop {
            let want = query.count + 1 - seqs.len() + skip as usize;
            let Some(lead) = selection.next(run, want)? else { break };
            if skip > 0 {
                skip -= 1;
                continue;
            }
            if seqs.len() == query.count {
                let next = PageStart {
                    type_index: index as u32,
                    leader,
                    offset: emitted,
                    resume: last.flatten(),
                    ..start
                };
                // The first match of this type is only known to exist.
                let next = if emitted == 0 { PageStart { resume: None, ..next } } else { next };
                return Ok((seqs, Some(next)));
            }
            seqs.push(lead.seq);
            emitted += 1;
            last = Some(lead.resume);
        }
        last = None;
    }
    Ok((seqs, None))
}

/// How many match, exactly.
fn count_all(run: &mut Run<'_>, query: &Query) -> Outcome<u64> {
    let mut total = 0;
    for of in &query.types {
        if of.predicates.is_empty() && !run.eye.guards(Point::Total) {
            let value = i64::from(of.type_id);
            let range = NumberRange { slot: TYPE_SLOT, low: value, high: value };
            total += run.snapshot.count(&range, run.as_of, usize::MAX >> 1)? as u64;
            continue;
        }
        let (mut selection, _) = Selection::begin(run, of, None, None)?;
        while selection.next(run, 1024)?.is_some() {
            total += 1;
        }
    }
    Ok(total)
}
