//! What one reader sees of surveillance: the cards, contacts, signals and missed reports that their sight
//! shows, and the counts, which name nobody and have rules of their own.

use std::collections::HashSet;
use std::ops::Deref;

use tongmai_access::Sight;
use tongmai_engine::{Engine, Outcome};
use tongmai_store::Seq;

use super::cases::{Case, Cases};
use super::task::{Card, Contact, Signal};

/// The view through a sight. What it does not override of [`Cases`] counts or explains, and names nobody.
pub struct VisibleCases<'c> {
    cases: &'c Cases,
    /// Positions that are seen; `None` is all.
    seen: Option<HashSet<Seq>>,
}

impl Deref for VisibleCases<'_> {
    type Target = Cases;

    fn deref(&self) -> &Cases {
        self.cases
    }
}

impl<'c> VisibleCases<'c> {
    /// Judges everything that could be shown, at one moment.
    pub(super) fn new(engine: &Engine, sight: &Sight, cases: &'c Cases) -> Outcome<VisibleCases<'c>> {
        if sight.limits().is_none() {
            return Ok(VisibleCases { cases, seen: None });
        }
        let mut positions: Vec<Seq> = cases.cards().map(|it| it.position).collect();
        positions.extend(cases.signals().map(|it| it.position));
        positions.extend(cases.contacts().map(|it| it.position));
        positions.extend(cases.missed().flat_map(|it| it.findings.iter().map(|finding| finding.position)));
        let things: Vec<&[Seq]> = positions.iter().map(std::slice::from_ref).collect();
        let verdicts = engine.sees_each(sight, &things)?;
        let seen = positions.iter().zip(verdicts).filter(|(_, seen)| *seen).map(|(at, _)| *at).collect();
        Ok(VisibleCases { cases, seen: Some(seen) })
    }

    fn sees(&self, position: Seq) -> bool {
        self.seen.as_ref().is_none_or(|seen| seen.contains(&position))
    }

    /// The card with this id.
    pub fn card(&self, id: &str) -> Option<&'c Card> {
        self.cases.card(id).filter(|card| self.sees(card.position))
    }

    /// All cards.
    pub fn cards(&self) -> impl Iterator<Item = &'c Card> {
        self.cases.cards().filter(|card| self.sees(card.position))
    }

    /// All signals.
    pub fn signals(&self) -> impl Iterator<Item = &'c Signal> {
        self.cases.signals().filter(|signal| self.sees(signal.position))
    }

    /// The signal with this id.
    pub fn signal(&self, id: &str) -> Option<&'c Signal> {
        self.cases.signal(id).filter(|signal| self.sees(signal.position))
    }

    /// All contacts.
    pub fn contacts(&self) -> impl Iterator<Item = &'c Contact> {
        self.cases.contacts().filter(|contact| self.sees(contact.position))
    }

    /// The contacts of a card.
    pub fn contacts_of(&self, card: &str) -> impl Iterator<Item = &'c Contact> {
        self.cases.contacts_of(card).filter(|contact| self.sees(contact.position))
    }

    /// Cases without a card.
    pub fn missed(&self) -> impl Iterator<Item = &'c Case> {
        self.cases.missed().filter(|case| case.findings.iter().all(|it| self.sees(it.position)))
    }

    /// Pairs of cards that look alike, both of which are seen.
    pub fn possible_duplicates(&self, most: usize) -> Vec<(&'c Card, &'c Card)> {
        let pairs = self.cases.possible_duplicates(if self.seen.is_some() { usize::MAX } else { most });
        let seen = pairs.into_iter().filter(|(a, b)| self.sees(a.position) && self.sees(b.position));
        seen.take(most).collect()
    }
}
