//! Create, update, patch and delete, each with its conditional form.
//!
//! A change is prepared outside the writer — parsed, validated, indexed, packed
//! — and carries what it was decided on: the version that was read, the search
//! that was answered. The writer checks that still holds; if not, the change is
//! decided again, a few times, before the one who asked hears of a conflict.

use std::borrow::Cow;
use std::fmt::Write as _;

use tongmai_access::{Operation, Point, Sealed, Sight};
use tongmai_base::time::Instant;
use tongmai_base::{Finding, Severity};
use tongmai_fhir::definition::{ResourceTypeId, resource_type_id, resource_type_name};
use tongmai_fhir::json::{Json, write_string};
use tongmai_fhir::validate::{self, validate};
use tongmai_store::{
    Change, Current, EventKind, Expectation, Guard, IndexRows, REGION_RECORD, RecordKey, ResourceKey,
    Snapshot, Transaction,
};

use crate::failure::{Failure, Outcome, Reason};
use crate::labels::{Label, UNLABELLED, own_organisation};
use crate::rows::{self, Filed, patient_type};
use crate::search::Query;
use crate::writer::WriteError;
use crate::{Engine, Resource, Validation, findings};

/// How often a change is decided again when somebody else was faster.
const ATTEMPTS: usize = 8;

/// What a write did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Did {
    /// A resource came into being.
    Created,
    /// A new version was written.
    Updated,
    /// Nothing had to be written.
    Nothing,
    /// The resource is deleted now.
    Deleted,
}

/// A write's result: what it did, and the resource as it is now.
pub struct Written {
    /// What was done.
    pub did: Did,
    /// The resource; `None` when nothing is left to show.
    pub resource: Option<Resource>,
    /// Findings that were accepted.
    pub findings: Vec<Finding>,
}

/// Which resource a write is about.
#[derive(Debug, Clone)]
pub enum Target {
    /// The one with this id.
    Id(String),
    /// The one that a search finds.
    Matching(Query),
    /// A new one.
    New,
}

/// Conditions of a write.
#[derive(Debug, Clone, Default)]
pub struct Conditions {
    /// `If-Match`: the version that must be current.
    pub if_match: Option<u32>,
    /// `If-None-Match: *`: there must be no current version.
    pub if_none_match: bool,
    /// `If-None-Exist`: write only when this search finds nothing.
    pub if_none_exist: Option<Query>,
}

/// One decided change, ready for the writer.
pub(crate) struct Decided {
    pub did: Did,
    pub change: Option<Change>,
    pub guards: Vec<Guard>,
    pub resource: Option<Resource>,
    pub findings: Vec<Finding>,
}

/// A document that was read and validated, before it has an id.
pub struct Checked<'a> {
    /// Its type.
    pub type_id: ResourceTypeId,
    /// The document.
    pub json: Json<'a>,
    /// What was found and accepted.
    pub findings: Vec<Finding>,
}

impl Engine {
    /// Parses and validates a document that a stranger sent; `expected` is the type of the address.
    pub fn check<'a>(&self, text: &'a [u8], expected: Option<ResourceTypeId>) -> Outcome<Checked<'a>> {
        let json = Json::parse(text).map_err(|error| {
            let (line, column) = error.position(text);
            Failure::new(Reason::Invalid, &format!("{line}:{column}"), "json", error.message)
                .repair("send one JSON document in UTF-8")
        })?;
        self.check_json(json, expected)
    }

    pub(crate) fn check_json<'a>(
        &self,
        json: Json<'a>,
        expected: Option<ResourceTypeId>,
    ) -> Outcome<Checked<'a>> {
        let Some(name) = json.text("resourceType") else {
            return Err(Failure::new(Reason::Invalid, "", "resource-type", "resourceType is missing")
                .repair("name the type: {\"resourceType\": \"Patient\", …}"));
        };
        let Some(type_id) = resource_type_id(name) else {
            return Err(Failure::new(
                Reason::Invalid,
                "resourceType",
                "resource-type",
                format!("'{name}' is not a resource type of FHIR R4"),
            ));
        };
        if let Some(expected) = expected
            && expected != type_id
        {
            let wanted = resource_type_name(expected).unwrap_or("");
            return Err(Failure::new(
                Reason::Invalid,
                "resourceType",
                "resource-type",
                format!("a {name} was sent where a {wanted} belongs"),
            )
            .repair(format!("send it to [base]/{name}")));
        }
        let findings = validate(&json, &validate::Options::default());
        let grave = findings.iter().any(|finding| finding.severity >= Severity::Error);
        if grave && (self.validation == Validation::Reject) {
            return Err(Failure { reason: Reason::Unprocessable, findings });
        }
        Ok(Checked { type_id, json, findings })
    }

    /// Creates a resource with a fresh id.
    pub async fn create(
        &self,
        sight: &Sight,
        checked: &Checked<'_>,
        conditions: &Conditions,
    ) -> Outcome<Sealed<Written>> {
        self.write(sight, |engine, snapshot| engine.decide_create(sight, snapshot, checked, conditions)).await
    }

    /// Writes a new version, or the first one when the id is new.
    pub async fn update(
        &self,
        sight: &Sight,
        target: &Target,
        checked: &Checked<'_>,
        conditions: &Conditions,
    ) -> Outcome<Sealed<Written>> {
        self.write(sight, |engine, snapshot| {
            engine.decide_update(sight, snapshot, target, checked, conditions)
        })
        .await
    }

    /// Applies a patch to the current version.
    pub async fn patch(
        &self,
        sight: &Sight,
        type_id: ResourceTypeId,
        target: &Target,
        apply: &(dyn Fn(&Json<'_>) -> Outcome<Json<'static>> + Sync),
        conditions: &Conditions,
    ) -> Outcome<Sealed<Written>> {
        self.write(sight, |engine, snapshot| {
            engine.decide_patch(sight, snapshot, type_id, target, apply, conditions)
        })
        .await
    }

    /// Deletes a resource; one that is not there counts as deleted.
    pub async fn delete(
        &self,
        sight: &Sight,
        type_id: ResourceTypeId,
        target: &Target,
        conditions: &Conditions,
    ) -> Outcome<Sealed<Written>> {
        self.write(sight, |engine, snapshot| {
            engine.decide_delete(sight, snapshot, type_id, target, conditions)
        })
        .await
    }

    /// Erases all versions of a resource: bodies go, commitments stay, and so does the hash chain.
    pub async fn purge(&self, sight: &Sight, type_id: ResourceTypeId, id: &str) -> Outcome<Sealed<Written>> {
        self.write(sight, |engine, snapshot| {
            let key = engine.keys.resource(type_id, id);
            let Some(current) = snapshot.current(key)? else {
                return Err(Failure::not_found(format!(
                    "{}/{id}",
                    resource_type_name(type_id).unwrap_or("")
                )));
            };
            let mut decided = engine.removal(snapshot, type_id, key, current)?;
            if let Some(change) = &mut decided.change {
                change.kind = EventKind::Purge;
            }
            Ok(decided)
        })
        .await
    }

    /// Restricts the processing of a resource, or lifts the restriction; its content stays.
    pub async fn restrict(
        &self,
        sight: &Sight,
        type_id: ResourceTypeId,
        id: &str,
        restricted: bool,
    ) -> Outcome<Sealed<Written>> {
        self.write(sight, |engine, snapshot| {
            let (_, event) = engine.present(snapshot, type_id, id)?;
            let resource = engine.resource(&event)?;
            let json = Json::parse(&resource.text).map_err(|_| tongmai_codec::Damaged)?;
            // The content is the same, and so is what was found wrong with it.
            let checked = Checked { type_id, json, findings: findings::kept(&event)? };
            let current = Some((event.seq, event.version));
            let mut decided = engine.version(sight, snapshot, &checked, id, current)?;
            if let Some(change) = &mut decided.change {
                change.kind = if restricted { EventKind::Restrict } else { EventKind::Release };
                // Who deposited it stays so: restricting is no deposit.
                if let Some(label) = engine.labels.label(event.label) {
                    let number = engine.labels.number(&*engine.store, &Label { restricted, ..label })?;
                    change.label = number;
                    rows::relabel(&mut change.add, number);
                }
            }
            Ok(decided)
        })
        .await
    }

    async fn write(
        &self,
        sight: &Sight,
        decide: impl Fn(&Engine, &mut dyn Snapshot) -> Outcome<Decided>,
    ) -> Outcome<Sealed<Written>> {
        let mut attempt = 0;
        loop {
            let decided = {
                let mut snapshot = self.store.snapshot()?;
                decide(self, &mut *snapshot)?
            };
            let Decided { did, change, guards, mut resource, findings } = decided;
            let Some(change) = change else {
                let positions = resource.iter().map(|r| r.seq).collect();
                return Ok(Sealed::new(Written { did, resource, findings }, Operation::Write, positions));
            };
            let transaction = self.transaction(sight, vec![change], guards)?;
            match self.commit(transaction).await {
                Ok(first) => {
                    if let Some(resource) = &mut resource {
                        resource.seq = first;
                    }
                    return Ok(Sealed::new(
                        Written { did, resource, findings },
                        Operation::Write,
                        vec![first],
                    ));
                }
                Err(WriteError::Rejected(_)) if attempt + 1 < ATTEMPTS => attempt += 1,
                Err(error) => return Err(error.into()),
            }
        }
    }

    pub(crate) fn transaction(
        &self,
        sight: &Sight,
        changes: Vec<Change>,
        guards: Vec<Guard>,
    ) -> Outcome<Transaction> {
        if sight.limits().is_some() {
            let eye = self.eye(sight, &mut *self.store.snapshot()?)?;
            for change in &changes {
                eye.deposit(change.record_key, change.label)?;
            }
        }
        Ok(Transaction {
            changes,
            guards,
            actor: self.store.symbol(&sight.requester().actor)?,
            purpose: self.store.symbol(&sight.requester().purpose)?,
        })
    }

    /// Commits durably; the position of the first change.
    pub(crate) async fn commit(&self, transaction: Transaction) -> Result<u64, WriteError> {
        let erases = transaction.changes.iter().any(|change| change.kind == EventKind::Purge);
        let answer = self.writer.submit(transaction).await;
        if erases {
            self.texts.forget();
        }
        match answer {
            Ok(answer) => answer.map(|committed| committed.first),
            Err(_) => Err(WriteError::Store(tongmai_store::StoreError("the writer has stopped".into()))),
        }
    }

    pub(crate) fn decide_create(
        &self,
        sight: &Sight,
        snapshot: &mut dyn Snapshot,
        checked: &Checked<'_>,
        conditions: &Conditions,
    ) -> Outcome<Decided> {
        let mut guards = Vec::new();
        if let Some(query) = &conditions.if_none_exist {
            let found = self.matches(sight, snapshot, query, 2)?;
            match found.as_slice() {
                [] => guards.extend(self.guards(snapshot, query)),
                [seq] => {
                    let event = snapshot.events(&[*seq])?.pop().ok_or(tongmai_codec::Damaged)?;
                    let eye = self.eye(sight, snapshot)?;
                    let resource = eye.show(snapshot, &event)?;
                    return Ok(Decided {
                        did: Did::Nothing,
                        change: None,
                        guards,
                        resource,
                        findings: Vec::new(),
                    });
                }
                _ => return Err(several()),
            }
        }
        let id = self.fresh_id();
        let mut decided = self.version(sight, snapshot, checked, &id, None)?;
        decided.guards.extend(guards);
        Ok(decided)
    }

    pub(crate) fn decide_update(
        &self,
        sight: &Sight,
        snapshot: &mut dyn Snapshot,
        target: &Target,
        checked: &Checked<'_>,
        conditions: &Conditions,
    ) -> Outcome<Decided> {
        let own_id = checked.json.text("id");
        let mut guards = Vec::new();
        let id = match target {
            Target::Id(id) => {
                if own_id != Some(id) {
                    return Err(Failure::new(
                        Reason::Invalid,
                        "id",
                        "id-mismatch",
                        "the id of the resource is not the id of the address",
                    )
                    .repair(format!("write \"id\": \"{id}\"")));
                }
                id.clone()
            }
            Target::Matching(query) => match self.matches(sight, snapshot, query, 2)?.as_slice() {
                [] => {
                    guards.extend(self.guards(snapshot, query));
                    match own_id {
                        Some(id) => id.to_owned(),
                        None => self.fresh_id(),
                    }
                }
                [seq] => {
                    let event = snapshot.events(&[*seq])?.pop().ok_or(tongmai_codec::Damaged)?;
                    let found = self.resource(&event)?.id;
                    if own_id.is_some_and(|id| id != found) {
                        return Err(Failure::new(
                            Reason::Precondition,
                            "id",
                            "id-mismatch",
                            "the condition finds a resource with another id",
                        ));
                    }
                    guards.extend(self.guards(snapshot, query));
                    found
                }
                _ => return Err(several()),
            },
            Target::New => self.fresh_id(),
        };
        if !tongmai_fhir::format::is_id(&id) {
            return Err(Failure::new(
                Reason::Invalid,
                "id",
                "id",
                "an id has 1 to 64 letters, digits, '-' and '.'",
            ));
        }
        let key = self.keys.resource(checked.type_id, &id);
        let current = snapshot.current(key)?;
        if !self.may_change(sight, snapshot, current)?
            || (current.is_none() && own_id.is_some() && guards_client_ids(sight))
        {
            // Whether there is such a resource that may not be seen must not show.
            return Err(Failure::not_found(format!(
                "{}/{id}",
                resource_type_name(checked.type_id).unwrap_or("")
            )));
        }
        let alive = current.filter(|current| !current.deleted);
        expect_version(conditions, alive)?;
        let mut decided = self.version(sight, snapshot, checked, &id, current.map(|c| (c.seq, c.version)))?;
        decided.did = if alive.is_some() { Did::Updated } else { Did::Created };
        decided.guards.extend(guards);
        Ok(decided)
    }

    pub(crate) fn decide_patch(
        &self,
        sight: &Sight,
        snapshot: &mut dyn Snapshot,
        type_id: ResourceTypeId,
        target: &Target,
        apply: &(dyn Fn(&Json<'_>) -> Outcome<Json<'static>> + Sync),
        conditions: &Conditions,
    ) -> Outcome<Decided> {
        let mut guards = Vec::new();
        let id = match target {
            Target::Id(id) => id.clone(),
            Target::New => {
                return Err(Failure::new(
                    Reason::Invalid,
                    "",
                    "target",
                    "a patch needs an id or a condition",
                ));
            }
            Target::Matching(query) => match self.matches(sight, snapshot, query, 2)?.as_slice() {
                [] => return Err(Failure::not_found("a resource that fits the condition")),
                [seq] => {
                    guards.extend(self.guards(snapshot, query));
                    let event = snapshot.events(&[*seq])?.pop().ok_or(tongmai_codec::Damaged)?;
                    self.resource(&event)?.id
                }
                _ => return Err(several()),
            },
        };
        let (current, event) =
            self.present(snapshot, type_id, &id).map_err(|failure| match sight.limits() {
                // That it was deleted is told only to those who may see it.
                Some(_) => Failure::not_found(format!("{}/{id}", resource_type_name(type_id).unwrap_or(""))),
                None => failure,
            })?;
        if !self.may_change(sight, snapshot, Some(current))? {
            return Err(Failure::not_found(format!("{}/{id}", resource_type_name(type_id).unwrap_or(""))));
        }
        expect_version(conditions, Some(current))?;
        let before = self.resource(&event)?;
        let json = Json::parse(&before.text).map_err(|_| tongmai_codec::Damaged)?;
        let patched = apply(&json)?;
        if patched.text("resourceType") != json.text("resourceType") || patched.text("id") != Some(&id) {
            return Err(Failure::new(
                Reason::Unprocessable,
                "",
                "patch-identity",
                "a patch may not change resourceType or id",
            ));
        }
        let mut text = String::new();
        patched.write(&mut text);
        let checked = self.check(text.as_bytes(), Some(type_id))?;
        let mut decided =
            self.version(sight, snapshot, &checked, &id, Some((current.seq, current.version)))?;
        decided.did = Did::Updated;
        decided.guards.extend(guards);
        Ok(decided)
    }

    pub(crate) fn decide_delete(
        &self,
        sight: &Sight,
        snapshot: &mut dyn Snapshot,
        type_id: ResourceTypeId,
        target: &Target,
        conditions: &Conditions,
    ) -> Outcome<Decided> {
        let nothing = || Decided {
            did: Did::Nothing,
            change: None,
            guards: Vec::new(),
            resource: None,
            findings: Vec::new(),
        };
        let mut guards = Vec::new();
        let key = match target {
            Target::New => return Ok(nothing()),
            Target::Id(id) => self.keys.resource(type_id, id),
            Target::Matching(query) => match self.matches(sight, snapshot, query, 2)?.as_slice() {
                [] => return Ok(nothing()),
                [seq] => {
                    guards.extend(self.guards(snapshot, query));
                    snapshot.keys(&[*seq])?.pop().ok_or(tongmai_codec::Damaged)?
                }
                _ => return Err(several()),
            },
        };
        let Some(current) = snapshot.current(key)?.filter(|current| !current.deleted) else {
            return Ok(nothing());
        };
        if !self.may_change(sight, snapshot, Some(current))? {
            return Ok(nothing());
        }
        expect_version(conditions, Some(current))?;
        let mut decided = self.removal(snapshot, type_id, key, current)?;
        decided.guards = guards;
        Ok(decided)
    }

    /// Whether a resource may be changed: `false` when it may not be seen, so that it is not there.
    ///
    /// # Errors
    /// It is seen, but not in full by policy: a new version would lose what is blanked.
    fn may_change(
        &self,
        sight: &Sight,
        snapshot: &mut dyn Snapshot,
        current: Option<Current>,
    ) -> Outcome<bool> {
        let Some(current) = current.filter(|_| sight.limits().is_some()) else { return Ok(true) };
        let eye = self.eye(sight, snapshot)?;
        if !eye.guards(Point::Change) {
            return Ok(true);
        }
        let verdicts = eye.verdicts(snapshot, &[current.seq])?;
        match verdicts.first() {
            Some(verdict) if verdict.visible && verdict.full => Ok(true),
            Some(verdict) if verdict.visible => Err(Failure::new(
                Reason::Forbidden,
                "",
                "not-in-full",
                "who may not see all kinds of this record cannot replace a part of it",
            )
            .repair("ask the organisation that deposited it")),
            _ => Ok(false),
        }
    }

    /// The current version of a resource that must be there.
    pub(crate) fn present(
        &self,
        snapshot: &mut dyn Snapshot,
        type_id: ResourceTypeId,
        id: &str,
    ) -> Outcome<(Current, tongmai_store::Event)> {
        let key = self.keys.resource(type_id, id);
        let name = resource_type_name(type_id).unwrap_or("");
        let current = snapshot.current(key)?.ok_or_else(|| Failure::not_found(format!("{name}/{id}")))?;
        if current.deleted {
            return Err(Failure::new(Reason::Gone, "", "deleted", format!("{name}/{id} was deleted")));
        }
        let event = snapshot.events(&[current.seq])?.pop().ok_or(tongmai_codec::Damaged)?;
        Ok((current, event))
    }

    pub(crate) fn removal(
        &self,
        snapshot: &mut dyn Snapshot,
        type_id: ResourceTypeId,
        key: ResourceKey,
        current: Current,
    ) -> Outcome<Decided> {
        let change = Change {
            key,
            expected: Expectation::At(current.seq),
            kind: EventKind::Delete,
            type_id,
            version: current.version + 1,
            record_key: current.record_key,
            label: snapshot.marks(&[current.seq])?.first().map_or(UNLABELLED, |(_, label)| *label),
            hybrid_time: self.tick(),
            body: Vec::new(),
            add: IndexRows::default(),
            remove: self.rows_of(snapshot, current.seq)?,
            patient_record: None,
            source_key: None,
        };
        Ok(Decided {
            did: Did::Deleted,
            change: Some(change),
            guards: Vec::new(),
            resource: None,
            findings: Vec::new(),
        })
    }

    /// Prepares the next version of a resource; `before` is its newest event and version number.
    pub(crate) fn version(
        &self,
        sight: &Sight,
        snapshot: &mut dyn Snapshot,
        checked: &Checked<'_>,
        id: &str,
        before: Option<(u64, u32)>,
    ) -> Outcome<Decided> {
        let hybrid_time = self.tick();
        let version = before.map_or(1, |(_, version)| version + 1);
        let updated = (hybrid_time >> 16) as i64;
        let text = stored_text(checked.type_id, id, version, updated, &checked.json);
        let mut filed = rows::file(&*self.store, &self.keys, checked.type_id, id, &checked.json)?;
        let key = self.keys.resource(checked.type_id, id);
        let label = self.label(sight, snapshot, key, checked, filed.patients.len())?;
        filed.label(label);
        let (rows, record_key) = self.place_in_record(filed)?;
        let remove = match before {
            Some((seq, _)) => self.rows_of(snapshot, seq)?,
            None => IndexRows::default(),
        };
        let note = findings::note(&checked.findings);
        let body = tongmai_codec::pack_with_note(text.as_bytes(), note.as_bytes());
        let change = Change {
            key,
            expected: before.map_or(Expectation::Absent, |(seq, _)| Expectation::At(seq)),
            kind: EventKind::Put,
            type_id: checked.type_id,
            version,
            record_key,
            label,
            hybrid_time,
            body,
            add: rows,
            remove,
            patient_record: (Some(checked.type_id) == patient_type()).then_some(record_key),
            source_key: None,
        };
        let resource = Resource {
            seq: 0,
            type_id: checked.type_id,
            id: id.to_owned(),
            version,
            updated,
            deleted: false,
            erased: false,
            text: text.into_bytes(),
        };
        let did = if before.is_some() { Did::Updated } else { Did::Created };
        Ok(Decided {
            did,
            change: Some(change),
            guards: Vec::new(),
            resource: Some(resource),
            findings: checked.findings.clone(),
        })
    }

    /// The number of the label of a version that `sight`'s requester writes.
    fn label(
        &self,
        sight: &Sight,
        snapshot: &mut dyn Snapshot,
        key: ResourceKey,
        checked: &Checked<'_>,
        patients: usize,
    ) -> Outcome<u16> {
        let mut label = self.labels.of(checked.type_id, &checked.json, patients);
        let organisation = match sight.requester().organization.as_str() {
            // The installation files what others bring, who are named in it.
            "" => own_organisation(&checked.json).map(Cow::Borrowed),
            id => Some(Cow::Owned(format!("Organization/{id}"))),
        };
        label.depositor = match organisation {
            Some(organisation) => self.store.symbol(&organisation)?,
            None => self.holder_of_visit(snapshot, &checked.json)?,
        };
        if resource_type_name(checked.type_id) == Some("Encounter") && label.depositor != 0 {
            self.visits.insert(key, label.depositor);
        }
        Ok(self.labels.number(&*self.store, &label)?)
    }

    /// Who held the visit in which something was found or done: it is theirs, where it names nobody itself.
    /// Zero where that is not known, or the visit is not there yet.
    fn holder_of_visit(&self, snapshot: &mut dyn Snapshot, json: &Json<'_>) -> Outcome<u32> {
        let reference = json.get("encounter").and_then(|visit| visit.text("reference"));
        let id = reference.and_then(|reference| reference.strip_prefix("Encounter/"));
        let (Some(id), Some(type_id)) = (id, resource_type_id("Encounter")) else { return Ok(0) };
        let key = self.keys.resource(type_id, id);
        if let Some(holder) = self.visits.get(&key) {
            return Ok(holder);
        }
        let Some(visit) = snapshot.current(key)? else { return Ok(0) };
        let number = snapshot.marks(&[visit.seq])?.first().map_or(UNLABELLED, |mark| mark.1);
        let holder =
            if number == UNLABELLED { 0 } else { self.labels.label(number).map_or(0, |l| l.depositor) };
        self.visits.insert(key, holder);
        Ok(holder)
    }

    /// Reserves the record keys of the patients and files the resource under them.
    pub(crate) fn place_in_record(&self, filed: Filed) -> Outcome<(IndexRows, RecordKey)> {
        let Filed { mut rows, patients, record } = filed;
        let mut keys = Vec::with_capacity(patients.len());
        if let Some(patient_type) = patient_type() {
            for patient in &patients {
                keys.push(self.store.reserve_record_key(self.keys.resource(patient_type, patient))?);
            }
        }
        for &record_key in &keys {
            rows.records.extend(record.iter().map(|row| tongmai_store::RecordRow { record_key, ..*row }));
        }
        rows.records.sort_unstable();
        rows.records.dedup();
        Ok((rows, if keys.len() == 1 { keys[0] } else { REGION_RECORD }))
    }

    /// The rows that the version at `seq` has, worked out again from its body.
    pub(crate) fn rows_of(&self, snapshot: &mut dyn Snapshot, seq: u64) -> Outcome<IndexRows> {
        let event = snapshot.events(&[seq])?.pop().ok_or(tongmai_codec::Damaged)?;
        if event.body.is_empty() {
            return Ok(IndexRows::default());
        }
        let resource = self.resource(&event)?;
        let json = Json::parse(&resource.text).map_err(|_| tongmai_codec::Damaged)?;
        let mut filed = rows::file(&*self.store, &self.keys, event.type_id, &resource.id, &json)?;
        filed.label(event.label);
        Ok(self.place_in_record(filed)?.0)
    }
}

/// Whether ids that the client chooses are refused: an answer would tell whether one is taken.
fn guards_client_ids(sight: &Sight) -> bool {
    sight.limits().is_some_and(|limits| limits.guards(Point::ClientId))
}

fn several() -> Failure {
    Failure::new(Reason::Precondition, "", "multiple-matches", "the condition finds more than one resource")
        .repair("narrow the condition until it finds one")
}

fn expect_version(conditions: &Conditions, current: Option<Current>) -> Outcome<()> {
    if conditions.if_none_match && current.is_some() {
        return Err(Failure::new(
            Reason::Precondition,
            "If-None-Match",
            "exists",
            "the resource exists already",
        ));
    }
    let Some(wanted) = conditions.if_match else { return Ok(()) };
    match current {
        Some(current) if current.version == wanted => Ok(()),
        Some(current) => Err(Failure::new(
            Reason::Precondition,
            "If-Match",
            "version",
            format!("version {} is current, not {wanted}", current.version),
        )
        .repair("read the current version and repeat the change on it")),
        None => Err(Failure::new(Reason::Precondition, "If-Match", "version", "there is no current version")),
    }
}

/// The text that is stored: type, id and meta first, then everything else as it was written.
pub(crate) fn stored_text(
    type_id: ResourceTypeId,
    id: &str,
    version: u32,
    updated: i64,
    json: &Json<'_>,
) -> String {
    let mut out = String::with_capacity(1024);
    out.push_str("{\"resourceType\":\"");
    out.push_str(resource_type_name(type_id).unwrap_or(""));
    out.push_str("\",\"id\":\"");
    out.push_str(id);
    let _ = write!(out, "\",\"meta\":{{\"versionId\":\"{version}\",\"lastUpdated\":\"");
    Instant(updated).write_fhir(&mut out);
    out.push('"');
    if let Some(Json::Object(meta)) = json.get("meta") {
        for (name, value) in meta {
            if name != "versionId" && name != "lastUpdated" {
                out.push(',');
                write_string(name, &mut out);
                out.push(':');
                value.write(&mut out);
            }
        }
    }
    out.push('}');
    if let Json::Object(properties) = json {
        for (name, value) in properties {
            if !matches!(name.as_ref(), "resourceType" | "id" | "meta") {
                out.push(',');
                write_string(name, &mut out);
                out.push(':');
                value.write(&mut out);
            }
        }
    }
    out.push('}');
    out
}
