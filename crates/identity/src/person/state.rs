//! Persons written down and read again.

use super::{Effect, Fields, Links, PersonId, Policy, Record, RecordKey, Survivorship};
use crate::bytes::{Reader, put, put_signed, put_text};

fn put_fields(fields: &Fields, out: &mut Vec<u8>) {
    put(fields.len() as u64, out);
    for (field, value) in fields {
        put_text(field, out);
        put_text(value, out);
    }
}

fn fields(from: &mut Reader<'_>) -> Option<Fields> {
    let list = from.list(|from| Some((from.text()?.to_owned(), from.text()?.to_owned())))?;
    Some(list.into_iter().collect())
}

fn put_survivorship(rule: &Survivorship, out: &mut Vec<u8>) {
    match rule {
        Survivorship::MostRecent => out.push(0),
        Survivorship::MostFrequent => out.push(1),
        Survivorship::Longest => out.push(2),
        Survivorship::Sources(sources) => {
            out.push(3);
            put(sources.len() as u64, out);
            sources.iter().for_each(|source| put_text(source, out));
        }
    }
}

fn survivorship(from: &mut Reader<'_>) -> Option<Survivorship> {
    Some(match from.byte()? {
        0 => Survivorship::MostRecent,
        1 => Survivorship::MostFrequent,
        2 => Survivorship::Longest,
        3 => Survivorship::Sources(from.list(|from| Some(from.text()?.to_owned()))?),
        _ => return None,
    })
}

fn put_policy(policy: &Policy, out: &mut Vec<u8>) {
    put(policy.fields.len() as u64, out);
    for (field, rule) in &policy.fields {
        put_text(field, out);
        put_survivorship(rule, out);
    }
    put_survivorship(&policy.otherwise, out);
}

fn policy(from: &mut Reader<'_>) -> Option<Policy> {
    let fields = from.list(|from| Some((from.text()?.to_owned(), survivorship(from)?)))?;
    Some(Policy { fields: fields.into_iter().collect(), otherwise: survivorship(from)? })
}

fn put_effect(effect: &Effect, out: &mut Vec<u8>) {
    match effect {
        Effect::Nothing => out.push(0),
        Effect::Moved(moves) => {
            out.push(1);
            put(moves.len() as u64, out);
            moves.iter().for_each(|(record, person)| {
                put(*record, out);
                put(*person, out);
            });
        }
        Effect::Wrote(record, fields, time) => {
            out.push(2);
            put(*record, out);
            put_fields(fields, out);
            put_signed(*time, out);
        }
        Effect::Banned(left, right, home) => {
            out.push(if home.is_some() { 4 } else { 3 });
            put(*left, out);
            put(*right, out);
            home.iter().for_each(|home| put(*home, out));
        }
        Effect::Policy(policy) => {
            out.push(5);
            put_policy(policy, out);
        }
    }
}

fn effect(from: &mut Reader<'_>) -> Option<Effect> {
    Some(match from.byte()? {
        0 => Effect::Nothing,
        1 => Effect::Moved(from.list(|from| Some((from.number()?, from.number()?)))?),
        2 => Effect::Wrote(from.number()?, fields(from)?, from.signed()?),
        3 => Effect::Banned(from.number()?, from.number()?, None),
        4 => Effect::Banned(from.number()?, from.number()?, Some(from.number()?)),
        5 => Effect::Policy(policy(from)?),
        _ => return None,
    })
}

impl Links {
    /// Appends the state.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        put(self.records.len() as u64, out);
        for (key, record) in &self.records {
            put(*key, out);
            put_text(&record.source, out);
            put_fields(&record.fields, out);
            put_signed(record.time, out);
            for number in [record.written_by, record.person, record.linked_by] {
                put(number, out);
            }
        }
        put(self.persons.len() as u64, out);
        for (id, person) in &self.persons {
            put(*id, out);
            put(person.version.into(), out);
        }
        put(self.bans.len() as u64, out);
        for (left, right) in &self.bans {
            put(*left, out);
            put(*right, out);
        }
        put_policy(&self.policy, out);
        put(self.policy_by, out);
        put(self.effects.len() as u64, out);
        self.effects.iter().for_each(|effect| put_effect(effect, out));
    }

    /// Reads what [`Links::write`] wrote; `None` when it is none.
    pub(crate) fn read(from: &mut Reader<'_>) -> Option<Links> {
        let records: Vec<(RecordKey, Record)> = from.list(|from| {
            let key = from.number()?;
            let (source, fields, time) = (from.text()?.to_owned(), fields(from)?, from.signed()?);
            let [written_by, person, linked_by] = [from.number()?, from.number()?, from.number()?];
            Some((key, Record { source, fields, time, written_by, person, linked_by }))
        })?;
        let versions: Vec<(PersonId, u32)> =
            from.list(|from| Some((from.number()?, u32::try_from(from.number()?).ok()?)))?;
        let bans = from.list(|from| Some((from.number()?, from.number()?)))?.into_iter().collect();
        let mut links = Links { bans, policy: policy(from)?, policy_by: from.number()?, ..Links::default() };
        links.effects = from.list(effect)?;
        for (id, version) in versions {
            links.persons.entry(id).or_default().version = version;
        }
        for (key, record) in records {
            links.persons.get_mut(&record.person)?.records.insert(key);
            links.records.insert(key, record);
        }
        links.refresh_all();
        Some(links)
    }
}
