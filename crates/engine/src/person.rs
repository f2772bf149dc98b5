//! Who is who: patients and rulings of the ledger, folded into persons.
//!
//! The state follows the ledger's versions of Patient and of the Provenances that say what a person of
//! the desk decided ([`ruling`]). Only positions of these two types are read, so that a ledger full of
//! observations costs nothing. A restart goes on from the checkpoint that [`Engine::keep_persons`] asks
//! for. When something is erased, or the rules are others, everything is folded anew from the first
//! position: a replay gives the same persons, what is erased leaves the matcher too, and no hospital
//! has to send anything again.

pub mod cross;
pub mod demographics;
mod keep;
pub mod look;
pub mod matching;
pub mod merge;
pub mod ruling;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tongmai_access::{Point, Sealed, Sight};
use tongmai_fhir::definition::{ResourceTypeId, resource_type_id};
use tongmai_fhir::json::Json;
use tongmai_identity::linker::{self, Decision, Demographics, Linker, Review};
use tongmai_identity::person::{Golden, RecordKey, Refusal};
use tongmai_identity::rules::Rules;
use tongmai_store::{Event, EventKind, ResourceKey, Seq, Snapshot};

pub use tongmai_identity::link::Zone;
pub use tongmai_identity::linker::{Band, Proposal, Statistics, Weighed};
pub use tongmai_identity::person::Action;
pub use tongmai_identity::register::FIELDS;
pub use tongmai_identity::rules::words as survivorship_words;

use crate::failure::{Failure, Outcome, Reason};
use crate::rights::eye::Eye;
use crate::rows::patient_type;
use crate::write::{Conditions, Written};
use crate::{Engine, Resource};
use ruling::{Kind, Ruling};

/// Events that are folded between two looks at the ledger.
const CHUNK: usize = 500;
/// Most patients that one ruling may name.
pub const RULED_PATIENTS: usize = 100;
/// Longest reason and name of a ruling, in bytes.
pub const RULING_TEXT: usize = 2_000;

/// Who is who, up to a position.
///
/// A record is known to the matcher by the position of its patient's first version.
#[derive(Default)]
pub(crate) struct Desk {
    linker: Linker,
    position: Seq,
    numbers: HashMap<ResourceKey, RecordKey>,
    current: BTreeMap<RecordKey, Seq>,
    rulings: HashMap<ResourceKey, Seq>,
    rules: Arc<Rules>,
    keeper: keep::Keeper,
}

impl Desk {
    /// Nobody yet, under the same rules and with the same checkpoint.
    fn empty(&self) -> Desk {
        Desk {
            linker: Linker::with_weights(self.rules.weights.clone()),
            rules: self.rules.clone(),
            keeper: self.keeper.clone(),
            ..Desk::default()
        }
    }
}

impl Desk {
    /// The records of a patient's person: the number of each, and the position of its current version.
    pub(crate) fn members_of(&self, patient: ResourceKey) -> Vec<(RecordKey, Seq)> {
        let Some(number) = self.numbers.get(&patient).filter(|number| self.linker.is_there(**number)) else {
            return Vec::new();
        };
        let together = self.linker.together(*number);
        together.into_iter().filter_map(|other| Some((other, *self.current.get(&other)?))).collect()
    }

    /// Whether people of the desk said, one by one, that all of these are one person.
    pub(crate) fn confirmed(&self, records: &[RecordKey]) -> bool {
        let Some((first, others)) = records.split_first() else { return true };
        let mut reached = vec![*first];
        let mut at = 0;
        while let Some(&record) = reached.get(at) {
            at += 1;
            let said = self.linker.decisions().iter().filter(|decision| {
                decision.by_person
                    && decision.refusal.is_none()
                    && matches!(decision.action, tongmai_identity::person::Action::Merge { .. })
                    && decision.records.contains(&record)
            });
            for other in said.flat_map(|decision| &decision.records) {
                if !reached.contains(other) {
                    reached.push(*other);
                }
            }
        }
        others.iter().all(|other| reached.contains(other))
    }
}

/// A patient as a record of a person.
#[derive(Debug, Clone, PartialEq)]
pub struct Member {
    /// The Patient.
    pub resource: Resource,
    /// What it says, as the matcher reads it.
    pub said: Demographics,
    /// Its number to the matcher: the position of its first version.
    pub record: RecordKey,
}

/// A person: records, what survives of them, and how it came about.
#[derive(Debug, Clone, PartialEq)]
pub struct Person {
    /// Number of the person.
    pub number: u64,
    /// Rises with each change of the set.
    pub version: u32,
    /// The records.
    pub members: Vec<Member>,
    /// The surviving value of each field.
    pub golden: Golden,
    /// What was decided of these records, oldest first.
    pub history: Vec<HistoryEntry>,
}

/// A decision, with names that a reader can follow.
#[derive(Debug, Clone, PartialEq)]
pub struct HistoryEntry {
    /// What was decided.
    pub decision: Decision,
    /// Ids of the patients that it was decided on.
    pub records: Vec<String>,
    /// Id of the Provenance, where a person decided.
    pub ruling: Option<String>,
}

/// A pair of the queue with both records.
#[derive(Debug, Clone, PartialEq)]
pub struct Pair {
    /// How they compare, and since when they wait.
    pub review: Review,
    /// The record that was written.
    pub left: Member,
    /// The record it may belong with.
    pub right: Member,
    /// To call them the same goes against the rules and takes two people.
    pub needs_two: bool,
}

/// The head of the queue.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Queue {
    /// Pairs, those first whose answer tells most.
    pub pairs: Vec<Pair>,
    /// How many wait altogether.
    pub waiting: usize,
    /// Current records.
    pub records: usize,
    /// Persons that they are.
    pub persons: usize,
    /// Pairs that one person has called the same, and that wait for a second.
    pub proposed: Vec<(Pair, Proposal)>,
    /// How the rules and the desk are doing.
    pub statistics: Statistics,
}

fn provenance_type() -> Option<ResourceTypeId> {
    resource_type_id("Provenance")
}

impl Engine {
    /// Who is who, up to date with what is committed now.
    pub(crate) fn desk(&self) -> Outcome<MutexGuard<'_, Desk>> {
        let mut desk = self.desk.lock().unwrap_or_else(|poisoned| {
            // Whoever broke off in the middle left half a state.
            self.desk.clear_poison();
            let mut desk = poisoned.into_inner();
            *desk = desk.empty();
            desk
        });
        if desk.position == 0 {
            self.restore(&mut desk)?;
        }
        if let Err(failure) = self.follow(&mut desk) {
            *desk = desk.empty();
            return Err(failure);
        }
        self.save(&mut desk)?;
        Ok(desk)
    }

    fn follow(&self, desk: &mut Desk) -> Outcome<()> {
        let mut snapshot = self.store.snapshot()?;
        let end = snapshot.position();
        if desk.position >= end {
            return Ok(());
        }
        let mut seqs = Vec::new();
        for type_id in [patient_type(), provenance_type()].into_iter().flatten() {
            positions(&mut *snapshot, type_id, desk.position, &mut seqs)?;
        }
        seqs.sort_unstable();
        for chunk in seqs.chunks(CHUNK) {
            for event in snapshot.events(chunk)? {
                if event.kind == EventKind::Purge && desk.position > 0 {
                    // What was made from erased content must go: all of it is made anew.
                    *desk = desk.empty();
                    desk.keeper.erased();
                    drop(snapshot);
                    return self.follow(desk);
                }
                self.fold(desk, &event)?;
            }
        }
        desk.position = end;
        Ok(())
    }

    fn fold(&self, desk: &mut Desk, event: &Event) -> Outcome<()> {
        let is_patient = Some(event.type_id) == patient_type();
        let writes = matches!(event.kind, EventKind::Put | EventKind::Move | EventKind::Release);
        if is_patient && !writes {
            if let Some(number) = desk.numbers.get(&event.key) {
                desk.linker.remove(*number);
            }
            return Ok(());
        }
        if event.body.is_empty() || !(is_patient || (event.version == 1 && event.kind == EventKind::Put)) {
            return Ok(());
        }
        let resource = self.resource(event)?;
        let json = Json::parse(&resource.text).map_err(|_| tongmai_codec::Damaged)?;
        if is_patient {
            let number = *desk.numbers.entry(event.key).or_insert(event.seq);
            desk.current.insert(number, event.seq);
            let source = json.get("managingOrganization").and_then(|of| of.text("reference")).unwrap_or("");
            let mut said = demographics::read(&json, &desk.rules);
            if let (Some(mother), Some(id)) = (&mut said.mother, demographics::mother_id(&json)) {
                mother.record = self.number(desk, id);
            }
            desk.linker.write(event.seq, number, source, &said, event.milliseconds());
        } else if let Some(ruling) = Ruling::read(&json) {
            desk.rulings.insert(event.key, event.seq);
            let (decided, who, why) = (self.ruling(desk, &ruling), &ruling.who, &ruling.why);
            // A refused ruling is kept with its refusal; the ledger says the same.
            let _ = desk.linker.decide(event.seq, &decided, who, why, event.milliseconds());
        }
        Ok(())
    }

    /// A ruling in the numbers of the matcher; an unknown patient is a number that no record has.
    fn ruling(&self, desk: &Desk, ruling: &Ruling) -> linker::Ruling {
        const NOBODY: RecordKey = RecordKey::MAX;
        let numbers: Vec<RecordKey> =
            ruling.patients.iter().map(|id| self.number(desk, id).unwrap_or(NOBODY)).collect();
        let at = |index: usize| numbers.get(index).copied().unwrap_or(NOBODY);
        match ruling.kind {
            Kind::Same => linker::Ruling::Same(at(0), at(1)),
            Kind::NotSame => linker::Ruling::NotSame(at(0), at(1)),
            Kind::Apart => linker::Ruling::Apart(numbers),
            Kind::Undo => {
                let key = ruling.undone.as_deref().zip(provenance_type());
                let key = key.map(|(id, type_id)| self.keys.resource(type_id, id));
                linker::Ruling::Undo(key.and_then(|key| desk.rulings.get(&key).copied()).unwrap_or(0))
            }
        }
    }

    fn number(&self, desk: &Desk, patient: &str) -> Option<RecordKey> {
        desk.numbers.get(&self.keys.resource(patient_type()?, patient)).copied()
    }

    fn member(&self, snapshot: &mut dyn Snapshot, desk: &Desk, record: RecordKey) -> Outcome<Option<Member>> {
        let Some(seq) = desk.current.get(&record) else { return Ok(None) };
        let Some(event) = snapshot.events(&[*seq])?.pop() else { return Ok(None) };
        let resource = self.resource(&event)?;
        if resource.text.is_empty() {
            return Ok(None);
        }
        let json = Json::parse(&resource.text).map_err(|_| tongmai_codec::Damaged)?;
        let said = demographics::read(&json, &desk.rules);
        Ok(Some(Member { resource, said, record }))
    }

    /// A record as somebody sees it; `None` when it is not visible, or not there.
    pub(crate) fn seen_member(
        &self,
        eye: &Eye<'_>,
        point: Point,
        snapshot: &mut dyn Snapshot,
        desk: &Desk,
        record: RecordKey,
    ) -> Outcome<Option<Member>> {
        let Some(mut member) = self.member(snapshot, desk, record)? else { return Ok(None) };
        if eye.guards(point) {
            let verdicts = eye.verdicts(snapshot, &[member.resource.seq])?;
            let Some(verdict) = verdicts.first().filter(|verdict| verdict.visible) else { return Ok(None) };
            member.resource = eye.blank(member.resource, *verdict)?;
        }
        Ok(Some(member))
    }

    /// A person of the desk decides: the ruling is written to the ledger and takes effect.
    ///
    /// # Errors
    /// Nothing is written when a text is missing or too long, a patient is unknown, or nothing would
    /// change. When somebody else's ruling came in between, this one stays in the ledger without effect.
    pub async fn rule(&self, sight: &Sight, ruling: &Ruling) -> Outcome<Sealed<Written>> {
        if sight.limits().is_some() {
            for patient in &ruling.patients {
                self.now_of(sight, patient)?;
            }
        }
        let ruling = &self.admit(ruling)?;
        let text = ruling.to_provenance(self.now());
        let checked = self.check(text.as_bytes(), provenance_type())?;
        let written = self.create(sight, &checked, &Conditions::default()).await?;
        let position = written.positions().first().copied();
        let desk = self.desk()?;
        let decision =
            desk.linker.decisions().iter().rev().find(|decision| Some(decision.position) == position);
        match decision.and_then(|decision| decision.refusal) {
            // A proposal is kept as well; it waits for a second person.
            None | Some(Refusal::Waiting) => Ok(written),
            Some(refusal) => Err(refused(refusal)),
        }
    }

    /// Checks a ruling before it is written; an undo comes to name the patients of what it takes back.
    fn admit(&self, ruling: &Ruling) -> Outcome<Ruling> {
        let invalid = |path: &str, code: &str, message: &str, repair: &str| {
            Err(Failure::new(Reason::Invalid, path, code, message).repair(repair))
        };
        for (path, text) in [("who", &ruling.who), ("why", &ruling.why)] {
            if text.trim().is_empty() {
                return invalid(path, "required", "a ruling says who decided and why", "name it");
            }
            if text.len() > RULING_TEXT {
                return invalid(path, "too-long", "the text is longer than 2000 bytes", "shorten it");
            }
        }
        let needed = match ruling.kind {
            Kind::Same | Kind::NotSame => 2..=2,
            Kind::Apart => 1..=RULED_PATIENTS,
            Kind::Undo => 0..=RULED_PATIENTS,
        };
        if !needed.contains(&ruling.patients.len()) {
            return invalid(
                "patients",
                "cardinality",
                "the ruling names too few or too many patients",
                "name two",
            );
        }
        let desk = self.desk()?;
        let mut numbers = Vec::new();
        for id in &ruling.patients {
            let number = self.number(&desk, id).filter(|number| desk.linker.is_there(*number));
            numbers.push(number.ok_or_else(|| Failure::not_found(format!("Patient/{id}")))?);
        }
        let person = |at: usize| numbers.get(at).and_then(|number| desk.linker.person_of(*number));
        let banned = || desk.linker.links().is_banned(numbers[0], numbers[1]);
        match ruling.kind {
            Kind::Same if person(0) == person(1) => Err(refused(Refusal::NothingToDo)),
            Kind::Same | Kind::NotSame if banned() => Err(refused(match ruling.kind {
                Kind::Same => Refusal::CannotLink,
                _ => Refusal::NothingToDo,
            })),
            Kind::Apart if desk.linker.together(numbers[0]).len() < 2 => Err(refused(Refusal::NothingToDo)),
            Kind::Undo => Ok(Ruling { patients: self.concerned(&desk, ruling)?, ..ruling.clone() }),
            _ => Ok(ruling.clone()),
        }
    }

    /// The patients of the ruling that an undo takes back.
    fn concerned(&self, desk: &Desk, undo: &Ruling) -> Outcome<Vec<String>> {
        let linker::Ruling::Undo(position) = self.ruling(desk, undo) else { return Ok(Vec::new()) };
        let earlier = desk.linker.decisions().iter().find(|decision| decision.position == position);
        let earlier = earlier.filter(|_| position > 0).ok_or_else(|| refused(Refusal::Unknown))?;
        let mut snapshot = self.store.snapshot()?;
        let mut patients = Vec::new();
        for record in earlier.records.iter().take(RULED_PATIENTS) {
            patients.extend(self.member(&mut *snapshot, desk, *record)?.map(|member| member.resource.id));
        }
        if patients.is_empty() { Err(refused(Refusal::Unknown)) } else { Ok(patients) }
    }

    /// The rules in force.
    pub fn person_rules(&self) -> Arc<Rules> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner).rules.clone()
    }

    /// The state of all persons as a text that is the same however it was reached.
    pub fn persons_canonical(&self) -> Outcome<String> {
        Ok(self.desk()?.linker.canonical())
    }

    /// Forgets who is who, so that the next question folds the ledger from its beginning, or from the
    /// checkpoint.
    pub fn forget_persons(&self) {
        let mut desk = self.desk.lock().unwrap_or_else(PoisonError::into_inner);
        let mut empty = desk.empty();
        empty.keeper.again();
        *desk = empty;
    }

    /// Brings who is who up to date, so that whoever asks next does not wait; nothing is done, and no
    /// memory taken, until somebody has asked for the first time.
    pub fn follow_persons(&self) -> Outcome<()> {
        let asked = self.desk.lock().unwrap_or_else(PoisonError::into_inner).position > 0;
        if asked { self.desk().map(|_| ()) } else { Ok(()) }
    }
}

pub(crate) type DeskCell = Mutex<Desk>;

fn refused(refusal: Refusal) -> Failure {
    let (reason, code, message, repair) = match refusal {
        Refusal::Unknown => {
            (Reason::NotFound, "not-found", "there is no such ruling or record", "look it up in the history")
        }
        Refusal::Exists | Refusal::NothingToDo => {
            (Reason::Conflict, "conflict", "nothing would change", "look at the person as it is now")
        }
        Refusal::CannotLink => (
            Reason::Conflict,
            "conflict",
            "somebody has said that two of these records are not the same person",
            "take that ruling back first",
        ),
        Refusal::Waiting => (
            Reason::Conflict,
            "conflict",
            "something stands against this: a second person must say the same",
            "ask a colleague to rule on the same two records",
        ),
        Refusal::Overtaken => (
            Reason::Conflict,
            "conflict",
            "later rulings have moved these records on",
            "take the later ones back first",
        ),
    };
    Failure::new(reason, "", code, message).repair(repair)
}

/// Positions of a type's versions behind `after`, in any order.
fn positions(
    snapshot: &mut dyn Snapshot,
    type_id: ResourceTypeId,
    after: Seq,
    out: &mut Vec<Seq>,
) -> Outcome<()> {
    let mut before = Seq::MAX >> 1;
    loop {
        let events = snapshot.type_history(Some(type_id), before, CHUNK)?;
        let newer = events.iter().take_while(|event| event.seq > after).map(|event| event.seq);
        let found = out.len();
        out.extend(newer);
        match events.last() {
            Some(last) if out.len() - found == CHUNK => before = last.seq,
            _ => return Ok(()),
        }
    }
}
