//! What is known of the person whose item is asked for.

use crate::request::{Item, Request};
use crate::{Time, within};

/// Whether a grant opens or closes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Effect {
    /// The person agrees.
    Permit,
    /// The person refuses.
    Refuse,
}

/// What a person said: one provision of a consent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Grant {
    /// Opens or closes.
    pub effect: Effect,
    /// Actions that it is about, as a mask of [`Action::bit`].
    pub actions: u8,
    /// The organisation that it is about; 0 for all.
    pub organisation: u32,
    /// The account that it is about; 0 for all.
    pub account: u32,
    /// Purposes, as a mask.
    pub purposes: u16,
    /// Categories, as a mask.
    pub categories: u16,
    /// Of a permit: the sensitivities that it releases. Of a refusal: those that it is about, where 0
    /// means everything.
    pub sensitivities: u8,
    /// It is the separate consent to a transfer across the border.
    pub border: bool,
    /// It was given in presence: a card was read, a one-use code was shown.
    pub presence: bool,
    /// Hash of the notice that was shown; 0 for none.
    pub notice: u64,
    /// It counts from here …
    pub from: Time,
    /// … until here: its end, or its withdrawal.
    pub until: Time,
}

impl Grant {
    /// Whether it speaks of this request and item at all.
    pub fn is_about(&self, request: &Request, item: &Item) -> bool {
        // To "all" is to all organisations; somebody who acts for none is meant only by name.
        let named = if request.organisation == 0 {
            self.account != 0 && self.account == request.account
        } else {
            (self.organisation == 0 || self.organisation == request.organisation)
                && (self.account == 0 || self.account == request.account)
        };
        named
            && self.actions & request.action.bit() != 0
            && self.purposes & request.purpose.bit() != 0
            && self.categories & item.category.bit() != 0
            && within(request.now, self.from, self.until)
    }

    pub(crate) fn refuses(&self, request: &Request, item: &Item) -> bool {
        self.effect == Effect::Refuse
            && self.is_about(request, item)
            && (self.sensitivities == 0 || self.sensitivities & item.sensitivities != 0)
    }

    pub(crate) fn permits(&self, request: &Request, item: &Item) -> bool {
        self.effect == Effect::Permit && !self.border && self.is_about(request, item)
    }
}

/// That an organisation cares for a person: a visit, a referral, a duty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Relation {
    /// The organisation.
    pub organisation: u32,
    /// The account that wrote it down; 0 when unknown. For that account itself it proves nothing.
    pub by: u32,
    /// Something stands behind it: a registration, another system, another person.
    pub corroborated: bool,
    /// From here …
    pub from: Time,
    /// … until here.
    pub until: Time,
}

impl Relation {
    pub(crate) fn holds(&self, request: &Request) -> bool {
        request.organisation != 0
            && self.organisation == request.organisation
            && within(request.now, self.from, self.until)
    }

    /// Somebody other than the one whom it serves stands behind it.
    pub(crate) fn is_corroborated(&self, request: &Request) -> bool {
        self.corroborated && (self.by == 0 || self.by != request.account)
    }
}

/// What is known of one record.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Side {
    /// The record.
    pub record: u64,
    /// What the person said.
    pub grants: Vec<Grant>,
    /// Who cares for the person.
    pub relations: Vec<Relation>,
    /// Since when the person has joined the exchange.
    pub joined: Option<Time>,
    /// Processing is restricted.
    pub restricted: bool,
    /// Day of birth, in days since 1970.
    pub birth: Option<i32>,
}

/// The person: the record that the item belongs to first, then those that are linked to it.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// Never empty for an item of a person; empty for what is nobody's.
    pub sides: &'a [Side],
    /// The link between the records is confirmed by a person. Until then grants intersect and
    /// refusals unite.
    pub confirmed: bool,
}

impl Subject<'_> {
    /// What is nobody's.
    pub const NOBODY: Subject<'static> = Subject { sides: &[], confirmed: true };

    pub(crate) fn record(&self) -> Option<u64> {
        self.sides.first().map(|side| side.record)
    }

    pub(crate) fn grants(&self) -> impl Iterator<Item = &Grant> {
        self.sides.iter().flat_map(|side| &side.grants)
    }

    /// Relations that count: those of the record itself, and of its links once they are confirmed.
    pub(crate) fn relations(&self) -> impl Iterator<Item = &Relation> {
        let counted = if self.confirmed { self.sides.len() } else { 1 };
        self.sides.iter().take(counted).flat_map(|side| &side.relations)
    }

    pub(crate) fn every_side(&self, test: impl Fn(&Side) -> bool) -> bool {
        self.sides.iter().all(test)
    }

    pub(crate) fn has_joined(&self, now: Time) -> bool {
        self.sides.first().is_some_and(|side| side.joined.is_some_and(|since| since <= now))
    }
}
