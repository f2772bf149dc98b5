//! One requester's sight, joined with what the ledger says: judges versions, and blanks elements.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::{Arc, RwLockReadGuard};

use tongmai_access::{Limits, Point, Sight};
use tongmai_consent::{Action, BreakGlass, Category, Item, Request, Role, Rule, Side, Subject, Ward};
use tongmai_fhir::compartment;
use tongmai_fhir::json::Json;
use tongmai_store::{Event, RecordKey, Seq, Snapshot};

use super::Rights;
use crate::failure::{Failure, Outcome, Reason};
use crate::labels::{Label, Of, UNLABELLED};
use crate::rows::patient_type;
use crate::{Engine, Resource};

/// What a requester sees of a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// The version is there at all.
    pub visible: bool,
    /// Sensitivities of elements that are blanked, as a mask.
    pub hidden: u8,
    /// Nothing of this kind is ever blanked for this requester: by policy, whatever the version holds.
    pub full: bool,
}

impl Verdict {
    const ALL: Verdict = Verdict { visible: true, hidden: 0, full: true };
    const NOTHING: Verdict = Verdict { visible: false, hidden: u8::MAX, full: false };

    /// What both allow.
    fn and(self, other: Verdict) -> Verdict {
        Verdict {
            visible: self.visible && other.visible,
            hidden: self.hidden | other.hidden,
            full: self.full && other.full,
        }
    }
}

/// A sight at work in one operation.
pub(crate) struct Eye<'e> {
    engine: &'e Engine,
    limited: Option<Limited<'e>>,
}

struct Limited<'e> {
    limits: Arc<Limits>,
    rights: RwLockReadGuard<'e, Rights>,
    requests: Vec<Request>,
    /// By ward: categories that were released, as a mask.
    released: HashMap<u64, u16>,
    judged: RefCell<HashMap<(u64, u16), Verdict>>,
}

/// The categories of a kind that a person releases to somebody of the family, as a mask: the words of their pages,
/// or a category itself. Whoever speaks for a person knows who that is.
fn released_kinds(code: &str) -> u16 {
    let of =
        |kinds: &[Category]| kinds.iter().fold(Category::Demographics.bit(), |mask, kind| mask | kind.bit());
    match code {
        "results" => of(&[Category::Laboratory, Category::Imaging, Category::Observation]),
        "medicines" => of(&[Category::Medication]),
        "problems" => of(&[Category::Diagnosis, Category::Allergy]),
        "visits" => of(&[Category::Encounter, Category::Procedure, Category::Plan, Category::Immunization]),
        "payment" => of(&[Category::Billing]),
        "identity" => of(&[]),
        "other" => of(&[Category::Document, Category::Reported, Category::Governance]),
        code => Category::from_code(code).map_or(0, |kind| of(&[kind])),
    }
}

impl Engine {
    /// The eye of a sight. It must be made before the desk is locked, since what it follows looks there.
    pub(crate) fn eye(&self, sight: &Sight, snapshot: &mut dyn Snapshot) -> Outcome<Eye<'_>> {
        let Some(limits) = sight.limits() else { return Ok(Eye { engine: self, limited: None }) };
        let rights = self.rights(snapshot.position())?;
        let requester = sight.requester();
        let mut records = |ids: &[String]| -> Outcome<Vec<u64>> {
            let mut all = Vec::new();
            for id in ids {
                if let Some(type_id) = patient_type() {
                    all.extend(snapshot.record_key(self.keys.resource(type_id, id))?.map(|key| key.0));
                }
            }
            Ok(all)
        };
        let own = records(&requester.own)?;
        let (mut wards, mut released) = (Vec::new(), HashMap::new());
        for represented in &requester.represents {
            for record in records(&represented.patients)? {
                // The account knows when a mandate ends: on a birthday, mostly.
                let until = represented.until.unwrap_or(i64::MAX);
                wards.push(Ward { record, incapable: true, from: i64::MIN, until });
                if let Some(categories) = &represented.categories {
                    let known = categories.iter().map(|code| released_kinds(code));
                    released.insert(record, known.fold(0, |mask, kinds| mask | kinds));
                }
            }
        }
        let emergency = match &requester.emergency {
            Some(emergency) if limits.now() < emergency.until => records(&emergency.patients)?,
            _ => Vec::new(),
        };
        let confined = match &requester.patient {
            // A patient that is not known confines to nothing.
            Some(id) => Some(records(std::slice::from_ref(id))?.first().copied().unwrap_or(u64::MAX)),
            None => None,
        };
        let number = |text: &str| -> Outcome<u32> {
            Ok(if text.is_empty() { 0 } else { self.store.find_symbol(text)?.unwrap_or(u32::MAX) })
        };
        let organisation = match requester.organization.as_str() {
            "" => 0,
            id => number(&format!("Organization/{id}"))?,
        };
        let account = number(&requester.actor)?;
        let mut requests = Vec::new();
        for mut request in limits.requests() {
            request.account = account;
            if !matches!(request.role, Role::Resident | Role::Proxy) {
                request.agreement =
                    rights.agreement(organisation, request.purpose, limits.now()).or(request.agreement);
            }
            if request.agreement.is_some() {
                request.organisation = organisation;
            }
            request.assessed |= rights.assessed(limits.now()) & request.purpose.bit() != 0;
            (request.own, request.wards) = (own.clone(), wards.clone());
            request.scope.record = confined;
            let reason = requester.emergency.as_ref().is_some_and(|emergency| !emergency.reason.is_empty());
            match emergency.as_slice() {
                [] => requests.push(request),
                opened => requests.extend(opened.iter().map(|&record| {
                    let glass = BreakGlass { record, from: limits.now(), reason };
                    Request { break_glass: Some(glass), ..request.clone() }
                })),
            }
        }
        let judged = RefCell::default();
        let limited = Limited { limits: limits.clone(), rights, requests, released, judged };
        Ok(Eye { engine: self, limited: Some(limited) })
    }
}

impl Engine {
    /// Whether a sight shows all that lies at these positions: for what views made from several versions.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn sees(&self, sight: &Sight, positions: &[Seq]) -> Outcome<bool> {
        Ok(self.sees_each(sight, &[positions])?.first().copied().unwrap_or(true))
    }

    /// As [`Engine::sees`], for many things at one moment. It stops at the first version of a thing that
    /// is not shown; a thing without positions is nobody's and shown.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn sees_each(&self, sight: &Sight, things: &[&[Seq]]) -> Outcome<Vec<bool>> {
        if sight.limits().is_none() {
            return Ok(vec![true; things.len()]);
        }
        let mut snapshot = self.store.snapshot()?;
        let eye = self.eye(sight, &mut *snapshot)?;
        let mut seen = Vec::with_capacity(things.len());
        for positions in things {
            let mut all = true;
            for seq in *positions {
                let marks = snapshot.marks(&[*seq])?;
                let shown = match marks.first() {
                    Some((record, number)) => eye.verdict(&mut *snapshot, *seq, *record, *number)?.visible,
                    None => false,
                };
                if !shown {
                    all = false;
                    break;
                }
            }
            seen.push(all);
        }
        Ok(seen)
    }
}

impl Eye<'_> {
    /// Whether there are no limits.
    pub(crate) fn is_open(&self) -> bool {
        self.limited.is_none()
    }

    /// Whether there are limits, and a place is guarded.
    pub(crate) fn guards(&self, point: Point) -> bool {
        self.limited.as_ref().is_some_and(|limited| limited.limits.guards(point))
    }

    /// What is seen of a version, where its body need not be looked at: `None` for one that concerns
    /// several patients.
    fn quick(&self, record: RecordKey, number: u16) -> Option<Verdict> {
        let Some(limited) = &self.limited else { return Some(Verdict::ALL) };
        let known = (record.0, number);
        if let Some(verdict) = limited.judged.borrow().get(&known) {
            return Some(*verdict);
        }
        let label = if number == UNLABELLED { None } else { self.engine.labels.label(number) };
        let verdict = match label {
            None => Verdict::NOTHING,
            Some(label) if label.of == Of::Several => return None,
            Some(label) => limited.judge(record, &label),
        };
        limited.judged.borrow_mut().insert(known, verdict);
        Some(verdict)
    }

    /// What is seen of a version.
    pub(crate) fn verdict(
        &self,
        snapshot: &mut dyn Snapshot,
        seq: Seq,
        record: RecordKey,
        number: u16,
    ) -> Outcome<Verdict> {
        match self.quick(record, number) {
            Some(verdict) => Ok(verdict),
            None => match snapshot.events(&[seq])?.pop() {
                Some(event) => self.of_several(snapshot, &event),
                None => Ok(Verdict::NOTHING),
            },
        }
    }

    /// What is seen of an event's version.
    pub(crate) fn of_event(&self, snapshot: &mut dyn Snapshot, event: &Event) -> Outcome<Verdict> {
        match self.quick(event.record_key, event.label) {
            Some(verdict) => Ok(verdict),
            None => self.of_several(snapshot, event),
        }
    }

    /// What is seen of each of some versions.
    pub(crate) fn verdicts(&self, snapshot: &mut dyn Snapshot, seqs: &[Seq]) -> Outcome<Vec<Verdict>> {
        if self.is_open() {
            return Ok(vec![Verdict::ALL; seqs.len()]);
        }
        let marks = snapshot.marks(seqs)?;
        let mut verdicts = Vec::with_capacity(seqs.len());
        for (&seq, (record, number)) in seqs.iter().zip(marks) {
            verdicts.push(self.verdict(snapshot, seq, record, number)?);
        }
        Ok(verdicts)
    }

    /// A version of several patients is seen by whoever may see it of each of them.
    fn of_several(&self, snapshot: &mut dyn Snapshot, event: &Event) -> Outcome<Verdict> {
        let (Some(limited), Some(label)) = (&self.limited, self.engine.labels.label(event.label)) else {
            return Ok(Verdict::NOTHING);
        };
        if event.body.is_empty() {
            return Ok(Verdict::NOTHING);
        }
        let resource = self.engine.resource(event)?;
        let json = Json::parse(&resource.text).map_err(|_| tongmai_codec::Damaged)?;
        let mut verdict = Verdict::ALL;
        let Some(patient_type) = patient_type() else { return Ok(Verdict::NOTHING) };
        for reference in compartment::patient_references(&json, event.type_id) {
            let Some(id) = reference.id.filter(|_| reference.is_relative()) else { continue };
            let record = snapshot.record_key(self.engine.keys.resource(patient_type, id))?;
            verdict = verdict.and(record.map_or(Verdict::NOTHING, |record| limited.judge(record, &label)));
        }
        Ok(verdict)
    }

    /// A version as it is shown: `None` when it is not visible, with elements blanked that are not.
    pub(crate) fn show(&self, snapshot: &mut dyn Snapshot, event: &Event) -> Outcome<Option<Resource>> {
        let verdict = self.of_event(snapshot, event)?;
        if !verdict.visible && !self.is_open() {
            return Ok(None);
        }
        let resource = self.engine.resource(event)?;
        Ok(Some(self.blank(resource, verdict)?))
    }

    /// Blanks what a verdict hides.
    pub(crate) fn blank(&self, mut resource: Resource, verdict: Verdict) -> Outcome<Resource> {
        let hidden = if self.guards(Point::Redaction) { verdict.hidden } else { 0 };
        let narrative = verdict.full || !self.guards(Point::Narrative);
        if resource.text.is_empty() || (hidden == 0 && (narrative || !has_narrative(&resource.text))) {
            return Ok(resource);
        }
        let text = std::mem::take(&mut resource.text);
        let mut json = Json::parse(&text).map_err(|_| tongmai_codec::Damaged)?;
        self.engine.labels.redact(&mut json, hidden, narrative);
        let mut out = String::with_capacity(text.len());
        json.write(&mut out);
        resource.text = out.into_bytes();
        Ok(resource)
    }

    /// Refuses a deposit that nobody may make: its record, and what it would be labelled with.
    pub(crate) fn deposit(&self, record: RecordKey, number: u16) -> Outcome<()> {
        let Some(limited) = self.limited.as_ref().filter(|_| self.guards(Point::Deposit)) else {
            return Ok(());
        };
        let Some(label) = self.engine.labels.label(number) else { return Err(refused(Rule::NoBasis)) };
        let decisions = limited.decisions(Action::Deposit, record, &label, label.whole);
        match decisions.iter().any(|(permit, _)| *permit) {
            true => Ok(()),
            false => Err(refused(decisions.first().map_or(Rule::Role, |(_, rule)| *rule))),
        }
    }
}

/// Why a deposit is refused. Only what is known of the one who asks is said; what is known of the
/// person (a refusal, a restriction) is not.
fn refused(rule: Rule) -> Failure {
    let of_the_requester = matches!(
        rule,
        Rule::Token | Rule::Scope | Rule::Role | Rule::Agreement | Rule::Assessment | Rule::Regime
    );
    let (code, repair) = match of_the_requester {
        true => (rule.code(), rule.repair()),
        false => (Rule::NoBasis.code(), Rule::NoBasis.repair()),
    };
    Failure::new(Reason::Forbidden, "", code, "you have no right to write this").repair(repair)
}

/// Whether a text may hold a narrative, its own or that of a contained resource.
fn has_narrative(text: &[u8]) -> bool {
    memchr::memmem::find(text, b"\"text\":{").is_some()
}

impl Limited<'_> {
    fn judge(&self, record: RecordKey, label: &Label) -> Verdict {
        // Every request of the list is one to view: it is judged as it stands, over one look at the person.
        self.with_subject(record, label, &|subject| {
            let sees = |mask: u8| {
                let item = Item { category: label.category, sensitivities: mask, depositor: label.depositor };
                self.requests.iter().any(|request| self.decide(request, record, &item, subject).0)
            };
            if !sees(label.whole) {
                return Verdict::NOTHING;
            }
            let mut hidden = 0;
            for bit in (0..8).map(|at| 1u8 << at).filter(|bit| label.parts & bit != 0) {
                if !sees(label.whole | bit) {
                    hidden |= bit;
                }
            }
            let full = label.of == Of::Nobody || sees(u8::MAX);
            Verdict { visible: true, hidden, full }
        })
    }

    /// What each of the requester's roles may do with an item, and the rule that says so.
    fn decisions(&self, action: Action, record: RecordKey, label: &Label, mask: u8) -> Vec<(bool, Rule)> {
        let item = Item { category: label.category, sensitivities: mask, depositor: label.depositor };
        self.with_subject(record, label, &|subject| {
            let each = |request: &Request| {
                let request = Request { action, ..request.clone() };
                self.decide(&request, record, &item, subject)
            };
            self.requests.iter().map(each).collect()
        })
    }

    fn decide(
        &self,
        request: &Request,
        record: RecordKey,
        item: &Item,
        subject: &Subject<'_>,
    ) -> (bool, Rule) {
        let decision = self.limits.decide(request, item, subject);
        let kept = decision.rule != Rule::Proxy
            || self.released.get(&record.0).is_none_or(|mask| mask & item.category.bit() != 0);
        (decision.permit && kept, decision.rule)
    }

    /// Looks at the person of a record, with the restriction that a label carries.
    fn with_subject<T>(&self, record: RecordKey, label: &Label, look: &dyn Fn(&Subject<'_>) -> T) -> T {
        if label.of == Of::Nobody {
            return look(&Subject::NOBODY);
        }
        self.rights.register.look(record.0, |subject| {
            if !label.restricted {
                return look(subject);
            }
            let mut sides: Vec<Side> = subject.sides.to_vec();
            if let Some(first) = sides.first_mut() {
                first.restricted = true;
            }
            look(&Subject { sides: &sides, confirmed: subject.confirmed })
        })
    }
}
