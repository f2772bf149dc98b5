//! The linker written down and read again, so that a restart need not weigh every record anew.

use super::newborn::{Mother, Newborn};
use super::{Decision, Entry, Linker, Proposal, Review, Weighed};
use crate::bytes::{Reader, put, put_fraction, put_signed, put_text};
use crate::link::Zone;
use crate::person::{Action, Links, RecordKey, Refusal};
use crate::register::{FIELDS, Register, Weights};
use std::collections::{BTreeMap, BTreeSet};

const ZONES: [Zone; 3] = [Zone::Automatic, Zone::Review, Zone::Apart];
const REFUSALS: [Refusal; 6] = [
    Refusal::Unknown,
    Refusal::Exists,
    Refusal::NothingToDo,
    Refusal::CannotLink,
    Refusal::Overtaken,
    Refusal::Waiting,
];

/// Appends the place of a value in a list of all.
fn put_place<T: PartialEq>(value: &T, all: &[T], out: &mut Vec<u8>) {
    out.push(all.iter().position(|known| known == value).unwrap_or(0) as u8);
}

fn place<T: Copy>(from: &mut Reader<'_>, all: &[T]) -> Option<T> {
    all.get(from.byte()? as usize).copied()
}

fn put_list(list: &[RecordKey], out: &mut Vec<u8>) {
    put(list.len() as u64, out);
    list.iter().for_each(|key| put(*key, out));
}

fn put_weighed(weighed: &Weighed, out: &mut Vec<u8>) {
    put_fraction(weighed.probability, out);
    put_place(&weighed.zone, &ZONES, out);
    put_fraction(weighed.prior, out);
    weighed.evidence.iter().for_each(|bits| put_fraction(*bits, out));
    out.push(u8::from(weighed.objection));
}

fn weighed(from: &mut Reader<'_>) -> Option<Weighed> {
    let (probability, zone, prior) = (from.fraction()?, place(from, &ZONES)?, from.fraction()?);
    let mut evidence = [0.0; FIELDS.len()];
    for bits in &mut evidence {
        *bits = from.fraction()?;
    }
    Some(Weighed { probability, zone, prior, evidence, objection: from.byte()? != 0 })
}

/// The actions that a decision can hold; records are written by none.
fn put_action(action: &Action, out: &mut Vec<u8>) {
    let mut three = |kind: u8, a: u64, b: u64| {
        out.push(kind);
        put(a, out);
        put(b, out);
    };
    match action {
        Action::Merge { from, into } => three(0, *from, *into),
        Action::Unmerge { record } => three(1, *record, 0),
        Action::NotSame { left, right } => three(2, *left, *right),
        Action::Undo { event } => three(3, *event, 0),
        Action::Split { person, records } => {
            three(4, *person, 0);
            put_list(records, out);
        }
        Action::Add { .. } | Action::Change { .. } | Action::Policy(_) => three(3, u64::MAX, 0),
    }
}

fn action(from: &mut Reader<'_>) -> Option<Action> {
    let (kind, a, b) = (from.byte()?, from.number()?, from.number()?);
    Some(match kind {
        0 => Action::Merge { from: a, into: b },
        1 => Action::Unmerge { record: a },
        2 => Action::NotSame { left: a, right: b },
        3 => Action::Undo { event: a },
        4 => Action::Split { person: a, records: from.list(Reader::number)? },
        _ => return None,
    })
}

fn put_decision(decision: &Decision, out: &mut Vec<u8>) {
    put(decision.position, out);
    put_action(&decision.action, out);
    put_list(&decision.records, out);
    put_text(&decision.actor, out);
    put_text(&decision.reason, out);
    put_signed(decision.time, out);
    out.push(
        u8::from(decision.refusal.is_some())
            | u8::from(decision.evidence.is_some()) << 1
            | u8::from(decision.by_person) << 2,
    );
    decision.refusal.iter().for_each(|refusal| put_place(refusal, &REFUSALS, out));
    decision.evidence.iter().for_each(|evidence| put_weighed(evidence, out));
}

fn decision(from: &mut Reader<'_>) -> Option<Decision> {
    let (position, action, records) = (from.number()?, action(from)?, from.list(Reader::number)?);
    let (actor, reason, time) = (from.text()?.to_owned(), from.text()?.to_owned(), from.signed()?);
    let flags = from.byte()?;
    let refusal = if flags & 1 != 0 { Some(place(from, &REFUSALS)?) } else { None };
    let evidence = if flags & 2 != 0 { Some(weighed(from)?) } else { None };
    let by_person = flags & 4 != 0;
    Some(Decision { position, action, records, actor, reason, time, refusal, evidence, by_person })
}

fn put_entry(entry: &Entry, out: &mut Vec<u8>) {
    put(entry.rows.len() as u64, out);
    entry.rows.iter().for_each(|row| put((*row).into(), out));
    out.extend_from_slice(&[entry.birth_order, u8::from(entry.newborn.is_some())]);
    if let Some(newborn) = &entry.newborn {
        let mother = &newborn.mother;
        for text in [&mother.name, &mother.identity_number, &mother.phone, &newborn.address] {
            put_text(text, out);
        }
        put(mother.record.map_or(0, |record| record + 1), out);
        put(newborn.birth.into(), out);
    }
}

fn entry(from: &mut Reader<'_>) -> Option<Entry> {
    let rows = from.list(|from| u32::try_from(from.number()?).ok())?;
    let (birth_order, is_newborn) = (from.byte()?, from.byte()? != 0);
    let mut entry = Entry { rows, birth_order, newborn: None };
    if is_newborn {
        let mut text = || from.text().map(str::to_owned);
        let [name, identity_number, phone, address] = [text()?, text()?, text()?, text()?];
        let record = from.number()?.checked_sub(1);
        let birth = u32::try_from(from.number()?).ok()?;
        let mother = Mother { name, identity_number, phone, record };
        entry.newborn = Some(Box::new(Newborn { mother, address, birth }));
    }
    Some(entry)
}

fn put_positions<K>(map: &BTreeMap<K, BTreeSet<u64>>, out: &mut Vec<u8>, key: impl Fn(&K, &mut Vec<u8>)) {
    put(map.len() as u64, out);
    for (pair, positions) in map {
        key(pair, out);
        put_list(&positions.iter().copied().collect::<Vec<_>>(), out);
    }
}

fn pair(from: &mut Reader<'_>) -> Option<(RecordKey, RecordKey)> {
    Some((from.number()?, from.number()?))
}

fn positions(from: &mut Reader<'_>) -> Option<BTreeSet<u64>> {
    Some(from.list(Reader::number)?.into_iter().collect())
}

impl Linker {
    /// Appends the state.
    pub fn write_state(&self, out: &mut Vec<u8>) {
        self.register.write(out);
        put(self.records.len() as u64, out);
        for (key, entry) in &self.records {
            put(*key, out);
            put_entry(entry, out);
        }
        put_list(&self.owners, out);
        self.links.write(out);
        put(self.reviews.len() as u64, out);
        for review in self.reviews.values() {
            put(review.record, out);
            put(review.other, out);
            put_weighed(&review.weighed, out);
            put_signed(review.since, out);
        }
        let put_pair = |pair: &(RecordKey, RecordKey), out: &mut Vec<u8>| {
            put(pair.0, out);
            put(pair.1, out);
        };
        put_positions(&self.parted, out, put_pair);
        put_positions(&self.pinned, out, |key, out| put(*key, out));
        put(self.rulings.len() as u64, out);
        for (position, event) in &self.rulings {
            put_pair(&(*position, *event), out);
        }
        put(self.decisions.len() as u64, out);
        self.decisions.iter().for_each(|decision| put_decision(decision, out));
        put(self.proposals.len() as u64, out);
        for (pair, proposal) in &self.proposals {
            put_pair(pair, out);
            put(proposal.position, out);
            put_text(&proposal.actor, out);
            put_text(&proposal.reason, out);
            put_signed(proposal.time, out);
        }
        put(self.reversed, out);
    }

    /// Reads what [`Linker::write_state`] wrote under the same weights; `None` when it is none.
    pub fn read_state(weights: Weights, bytes: &[u8]) -> Option<Linker> {
        let from = &mut Reader::new(bytes);
        let register = Register::read(weights, from)?;
        let records = from.list(|from| Some((from.number()?, entry(from)?)))?.into_iter().collect();
        let owners = from.list(Reader::number)?;
        let links = Links::read(from)?;
        let reviews = from.list(|from| {
            let (record, other) = pair(from)?;
            let review = Review { record, other, weighed: weighed(from)?, since: from.signed()? };
            Some(((record.min(other), record.max(other)), review))
        })?;
        let parted = from.list(|from| Some((pair(from)?, positions(from)?)))?.into_iter().collect();
        let pinned = from.list(|from| Some((from.number()?, positions(from)?)))?.into_iter().collect();
        let rulings = from.list(pair)?.into_iter().collect();
        let decisions = from.list(decision)?;
        let proposals = from.list(|from| {
            let pair = pair(from)?;
            let (position, actor) = (from.number()?, from.text()?.to_owned());
            let (reason, time) = (from.text()?.to_owned(), from.signed()?);
            Some((pair, Proposal { position, actor, reason, time }))
        })?;
        let reversed = from.number()?;
        let whole = from.is_at_end() && owners.len() == register.len();
        let packed = register.len();
        whole.then(|| Linker {
            register,
            records,
            owners,
            links,
            reviews: reviews.into_iter().collect(),
            parted,
            pinned,
            rulings,
            decisions,
            proposals: proposals.into_iter().collect(),
            reversed,
            packed,
        })
    }
}
