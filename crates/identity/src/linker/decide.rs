//! Decisions: of the rules, and of people, which the rules never undo.

use super::{Decision, Linker, Proposal, RULES_ACTOR, Ruling, Weighed};
use crate::person::{Action, Event, RecordKey, Refusal};
use std::collections::BTreeSet;

/// The records that a ruling names itself.
fn named(ruling: &Ruling) -> Vec<RecordKey> {
    match ruling {
        Ruling::Same(a, b) | Ruling::NotSame(a, b) => vec![*a, *b],
        Ruling::Apart(records) => records.clone(),
        Ruling::Undo(_) => Vec::new(),
    }
}

impl Linker {
    /// Applies a decision of the rules and keeps it; whether it had an effect.
    pub(super) fn rule(
        &mut self,
        position: u64,
        action: Action,
        records: Vec<RecordKey>,
        reason: &str,
        time: i64,
        evidence: Option<Weighed>,
    ) -> bool {
        let event = Event { action: action.clone(), actor: RULES_ACTOR.into(), reason: reason.into(), time };
        let refusal = self.links.apply(&event).err();
        self.decisions.push(Decision {
            position,
            action,
            records,
            actor: event.actor,
            reason: event.reason,
            time,
            refusal,
            evidence,
            by_person: false,
        });
        refusal.is_none()
    }

    /// A person of the desk decides. A refused ruling is kept, without effect.
    ///
    /// To call two records the same against an objection of the rules takes two people: the first
    /// ruling waits ([`Refusal::Waiting`]), and the same ruling by somebody else takes effect.
    ///
    /// # Errors
    /// Why it had no effect.
    pub fn decide(
        &mut self,
        position: u64,
        ruling: &Ruling,
        actor: &str,
        reason: &str,
        time: i64,
    ) -> Result<(), Refusal> {
        let evidence = match ruling {
            Ruling::Same(a, b) | Ruling::NotSame(a, b) => self.weigh(*a, *b),
            Ruling::Apart(_) | Ruling::Undo(_) => None,
        };
        let said = Proposal { position, actor: actor.into(), reason: reason.into(), time };
        let (result, action, records) = self.attempt(ruling, evidence, said);
        self.decisions.push(Decision {
            position,
            action,
            records,
            actor: actor.into(),
            reason: reason.into(),
            time,
            refusal: result.err(),
            evidence,
            by_person: true,
        });
        result
    }

    fn attempt(
        &mut self,
        ruling: &Ruling,
        evidence: Option<Weighed>,
        said: Proposal,
    ) -> (Result<(), Refusal>, Action, Vec<RecordKey>) {
        const NO_ACTION: Action = Action::Undo { event: u64::MAX };
        if let Ruling::Undo(earlier) = ruling
            && let Some(pair) = self.proposed_at(*earlier)
        {
            self.proposals.remove(&pair);
            return (Ok(()), NO_ACTION, vec![pair.0, pair.1]);
        }
        let (action, records) = match self.action(ruling) {
            Ok(found) => found,
            Err(refusal) => return (Err(refusal), NO_ACTION, named(ruling)),
        };
        if let Ruling::Same(a, b) = ruling
            && evidence.is_some_and(|weighed| self.is_override(&weighed))
            && self.person_of(*a) != self.person_of(*b)
            && !self.is_parted(*a, *b)
        {
            let pair = ((*a).min(*b), (*a).max(*b));
            if self.proposals.get(&pair).is_none_or(|first| first.actor.trim() == said.actor.trim()) {
                self.proposals.insert(pair, said);
                return (Err(Refusal::Waiting), action, records);
            }
            self.proposals.remove(&pair);
        }
        let (parted, together) = (self.parting(ruling), self.are_together(&records));
        let event = Event { action, actor: said.actor, reason: said.reason, time: said.time };
        let number = self.links.events();
        let result = self.links.apply(&event);
        self.rulings.insert(said.position, number);
        if result.is_ok() {
            self.follow(said.position, ruling, &records, parted);
            self.reversed += u64::from(together && matches!(ruling, Ruling::NotSame(..) | Ruling::Apart(_)));
        }
        (result, event.action, records)
    }

    /// What a ruling means for the rules: they leave what people have put together or parted.
    fn follow(
        &mut self,
        position: u64,
        ruling: &Ruling,
        records: &[RecordKey],
        parted: Vec<(RecordKey, RecordKey)>,
    ) {
        match ruling {
            Ruling::Same(..) => records.iter().for_each(|record| {
                self.pinned.entry(*record).or_default().insert(position);
            }),
            Ruling::Apart(_) => parted.into_iter().for_each(|pair| {
                self.parted.entry(pair).or_default().insert(position);
            }),
            Ruling::Undo(earlier) => {
                let keep = |rulings: &mut BTreeSet<u64>| {
                    rulings.remove(earlier);
                    !rulings.is_empty()
                };
                self.pinned.retain(|_, rulings| keep(rulings));
                self.parted.retain(|_, rulings| keep(rulings));
            }
            Ruling::NotSame(..) => {}
        }
    }

    /// Whether calling two records the same goes against the rules, so that a second person must agree.
    pub fn is_override(&self, weighed: &Weighed) -> bool {
        weighed.objection || weighed.probability < self.register.weights().review
    }

    fn proposed_at(&self, position: u64) -> Option<(RecordKey, RecordKey)> {
        let found = self.proposals.iter().find(|(_, proposal)| proposal.position == position);
        found.map(|(pair, _)| *pair)
    }

    pub(super) fn are_together(&self, records: &[RecordKey]) -> bool {
        let mut persons = records.iter().map(|record| self.person_of(*record));
        let first = persons.next().flatten();
        first.is_some() && persons.all(|person| person == first)
    }

    /// The pairs that a ruling parts: each record that leaves with each that stays.
    fn parting(&self, ruling: &Ruling) -> Vec<(RecordKey, RecordKey)> {
        let Ruling::Apart(leaving) = ruling else { return Vec::new() };
        let person = leaving.first().and_then(|record| self.person_of(*record));
        let Some(person) = person.and_then(|id| self.links.person(id)) else { return Vec::new() };
        let (leaving, staying): (Vec<RecordKey>, Vec<RecordKey>) =
            person.records.iter().partition(|record| leaving.contains(record));
        leaving.iter().flat_map(|a| staying.iter().map(|b| (*a.min(b), *a.max(b)))).collect()
    }

    /// What a ruling does to the links as they are now.
    fn action(&self, ruling: &Ruling) -> Result<(Action, Vec<RecordKey>), Refusal> {
        let person = |record: &RecordKey| self.person_of(*record).ok_or(Refusal::Unknown);
        Ok(match ruling {
            Ruling::Same(a, b) => {
                let (left, right) = (person(a)?, person(b)?);
                (Action::Merge { from: left.max(right), into: left.min(right) }, vec![*a, *b])
            }
            Ruling::NotSame(left, right) => {
                (Action::NotSame { left: *left, right: *right }, vec![*left, *right])
            }
            Ruling::Apart(records) => {
                let person = person(records.first().ok_or(Refusal::Unknown)?)?;
                let members = self.links.person(person).map(|person| person.records.clone());
                // Those who stay are concerned as well.
                let staying = members.into_iter().flatten().filter(|member| !records.contains(member));
                let concerned = records.iter().copied().chain(staying).collect();
                (Action::Split { person, records: records.clone() }, concerned)
            }
            Ruling::Undo(position) => {
                let event = *self.rulings.get(position).ok_or(Refusal::Unknown)?;
                let earlier = self.decisions.iter().find(|decision| decision.position == *position);
                (Action::Undo { event }, earlier.map(|d| d.records.clone()).unwrap_or_default())
            }
        })
    }
}
