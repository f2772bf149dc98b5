//! Newborns: whose child, and which of several.
//!
//! A newborn is registered before it has a name or a number: 王芳之子. What ties it to a person is the
//! mother, the day, and the place in a multiple birth. The mother is *related*, never merged; two
//! newborns of one mother are one child only when both say the same place in the birth, and twins
//! stay two.

use super::{Demographics, Entry, Form, Linker, Weighed};
use crate::date::Date;
use crate::han;
use crate::name::Name;
use crate::person::{PersonId, RecordKey};
use std::collections::BTreeSet;

/// Probability from which two records that agree on mother, day and place in the birth are one child.
pub const LIKELY: f64 = 0.9;

/// A mother is so many years older than her child.
const MOTHERS_YEARS: std::ops::RangeInclusive<u32> = 11..=60;

/// Most records that are looked at for a mother.
const MOST_WOMEN: usize = 30;

/// What a record says of the mother of its newborn.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mother {
    /// Her name.
    pub name: String,
    /// Her identity number.
    pub identity_number: String,
    /// Her telephone.
    pub phone: String,
    /// Her own record, where whoever registered the child chose it.
    pub record: Option<RecordKey>,
}

/// A newborn as it was registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Newborn {
    pub mother: Mother,
    pub address: String,
    /// Day of birth as `yyyymmdd`, 0 when it is unknown.
    pub birth: u32,
}

/// The mother of a newborn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Kin {
    /// A record of hers.
    pub mother: RecordKey,
    /// How it compares with what the child's record says of her; `None` where the record was chosen.
    pub weighed: Option<Weighed>,
    /// Women who may be the mother: more than one is for a person to judge.
    pub women: usize,
}

/// Reads a newborn: a record with a mother, or with a name such as 王芳之子.
pub(super) fn read(said: &Demographics) -> Option<Newborn> {
    let form = said.forms.first()?;
    let placeholder = said.forms.iter().find_map(|form| {
        let may_be = form.name.contains(['之', '婴', '的']);
        may_be.then(|| Name::read(&form.name, "", "").newborn).flatten()
    });
    let mut mother = said.mother.clone().unwrap_or_default();
    match placeholder {
        Some(newborn) if mother.name.trim().is_empty() => mother.name = newborn.mother,
        None if said.mother.is_none() => return None,
        _ => {}
    }
    if mother.phone.is_empty() {
        mother.phone.clone_from(&form.phone);
    }
    let birth = Date::read(&form.birth_date, None).map_or(0, Date::number);
    Some(Newborn { mother, address: form.address.clone(), birth })
}

impl Linker {
    /// The mother of a newborn's record, as far as the records tell now.
    pub fn mother(&self, record: RecordKey) -> Option<Kin> {
        let entry = self.records.get(&record).filter(|entry| !entry.rows.is_empty())?;
        self.mother_of(entry)
    }

    /// Newborns of the same birth who are other persons.
    pub fn twins(&self, record: RecordKey) -> Vec<RecordKey> {
        let Some(entry) = self.records.get(&record) else { return Vec::new() };
        let Some(newborn) = entry.newborn.as_deref().filter(|newborn| newborn.birth != 0) else {
            return Vec::new();
        };
        let rows = entry.rows.iter().flat_map(|row| self.register.find_row(*row, MOST_WOMEN));
        let others: BTreeSet<RecordKey> = rows.filter_map(|found| self.owner(found.row)).collect();
        let (mut twins, mut persons) = (Vec::new(), BTreeSet::from([self.person_of(record)]));
        for other in others {
            let theirs = self.records.get(&other).and_then(|entry| Some((entry, entry.newborn.as_deref()?)));
            let Some((other_entry, other_newborn)) = theirs else { continue };
            let one_birth = other_newborn.birth == newborn.birth && self.have_one_mother(entry, other_entry);
            if one_birth && persons.insert(self.person_of(other)) {
                twins.push(other);
            }
        }
        twins
    }

    /// Both are newborns of one mother and one day, and say the same place in the birth.
    pub(super) fn is_same_newborn(&self, a: &Entry, b: &Entry) -> bool {
        let (Some(left), Some(right)) = (&a.newborn, &b.newborn) else { return false };
        let sexes = || a.rows.iter().any(|x| b.rows.iter().any(|y| self.register.sexes_differ(*x, *y)));
        a.birth_order != 0
            && a.birth_order == b.birth_order
            && left.birth != 0
            && left.birth == right.birth
            && !sexes()
            && self.have_one_mother(a, b)
    }

    fn have_one_mother(&self, a: &Entry, b: &Entry) -> bool {
        let (Some(left), Some(right)) = (&a.newborn, &b.newborn) else { return false };
        let known = |entry: &Entry| -> Option<PersonId> {
            self.mother_of(entry).filter(|kin| kin.women == 1).and_then(|kin| self.person_of(kin.mother))
        };
        match (known(a), known(b)) {
            (Some(mine), Some(theirs)) => mine == theirs,
            _ => {
                let sound = |name: &str| han::name_pinyin(&crate::text::compact(name));
                !left.mother.name.is_empty() && sound(&left.mother.name) == sound(&right.mother.name)
            }
        }
    }

    fn mother_of(&self, entry: &Entry) -> Option<Kin> {
        let newborn = entry.newborn.as_deref()?;
        if let Some(chosen) = newborn.mother.record.filter(|record| self.is_there(*record)) {
            return Some(Kin { mother: chosen, weighed: None, women: 1 });
        }
        let form = Form {
            name: newborn.mother.name.clone(),
            sex: "female".into(),
            identity_number: newborn.mother.identity_number.clone(),
            phone: newborn.mother.phone.clone(),
            address: newborn.address.clone(),
            ..Form::default()
        };
        let asked = Demographics { forms: vec![form], ..Demographics::default() };
        let mut found = self.find(&asked, MOST_WOMEN);
        found.retain(|(record, weighed)| {
            // Nothing against her name, and one thing more: number, telephone or home.
            let [identity, _, phone, address, name, ..] = weighed.evidence;
            name >= 0.0
                && identity.max(phone).max(address) > 0.0
                && self.may_be_mother(*record, newborn.birth)
        });
        let women: BTreeSet<Option<PersonId>> =
            found.iter().map(|(record, _)| self.person_of(*record)).collect();
        let (mother, weighed) = *found.first()?;
        Some(Kin { mother, weighed: Some(weighed), women: women.len() })
    }

    /// A woman of an age to have a child on that day, and no newborn herself.
    fn may_be_mother(&self, record: RecordKey, birth: u32) -> bool {
        let Some(entry) = self.records.get(&record).filter(|entry| entry.newborn.is_none()) else {
            return false;
        };
        let born = entry.rows.iter().find_map(|row| self.register.birth(*row));
        born.is_none_or(|born| {
            let years = (birth / 10_000).checked_sub(born.year());
            birth == 0 || years.is_some_and(|years| MOTHERS_YEARS.contains(&years))
        })
    }
}
