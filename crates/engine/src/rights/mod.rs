//! What the ledger says of rights: consents, visits, restrictions, links, folded into a register.
//!
//! Like who is who, it is in memory and follows the ledger; after a restart it is folded anew when
//! somebody with limits first asks. Before a read is answered it has seen everything that the read's
//! snapshot shows, so the first read after a withdrawal is denied.

pub mod consent;
pub(crate) mod eye;
pub mod instrument;
pub(crate) mod links;

use std::collections::{BTreeSet, HashMap};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use tongmai_consent::{Agreement, Purpose, Register, Relation};
use tongmai_fhir::definition::{ResourceTypeId, resource_type_id};
use tongmai_fhir::json::Json;
use tongmai_fhir::search::date;
use tongmai_store::{Event, EventKind, NumberCursor, NumberRange, Order, Seq, Snapshot, TYPE_SLOT};

use self::instrument::Instrument;
use crate::Engine;
use crate::failure::Outcome;
use crate::rows::patient_type;

/// How long a visit that has ended counts as care: results come in, letters are written.
const AFTER_CARE: i64 = 30 * 86_400_000;
/// Rows taken at once.
const STEP: usize = 1_000;

/// The register with the position up to which it has seen the ledger.
#[derive(Default)]
pub(crate) struct Rights {
    pub(crate) register: Register,
    position: Seq,
    /// Records of which a consent speaks: only their links matter.
    spoken_of: BTreeSet<u64>,
    restricted: HashMap<i64, u64>,
    instruments: HashMap<u64, Signed>,
}

/// An instrument with numbers instead of names.
enum Signed {
    Agreement(u32, Agreement),
    Assessment { purposes: u16, from: i64, until: i64 },
}

impl Rights {
    /// The agreement of an organisation that counts now for a purpose, where the ledger holds any of it; of
    /// several the one that covers most kinds. One that is over leaves an agreement for nothing. `None` where the
    /// ledger says nothing of the organisation.
    pub(crate) fn agreement(&self, organisation: u32, purpose: Purpose, now: i64) -> Option<Agreement> {
        let of = self.instruments.values().filter_map(|signed| match signed {
            Signed::Agreement(whose, agreement) if *whose == organisation => Some(*agreement),
            _ => None,
        });
        of.max_by_key(|it| {
            let counts = it.from <= now && now < it.until && it.purposes & purpose.bit() != 0;
            (counts, it.categories.count_ones())
        })
    }

    /// Purposes of which an impact assessment stands now, as a mask.
    pub(crate) fn assessed(&self, now: i64) -> u16 {
        self.instruments.values().fold(0, |all, signed| match signed {
            Signed::Assessment { purposes, from, until } if (*from..*until).contains(&now) => all | purposes,
            _ => all,
        })
    }
}

pub(crate) type RightsCell = RwLock<Rights>;

fn type_of(name: &str) -> Option<ResourceTypeId> {
    resource_type_id(name)
}

impl Engine {
    /// The register, at least up to date with a snapshot.
    pub(crate) fn rights(&self, position: Seq) -> Outcome<RwLockReadGuard<'_, Rights>> {
        loop {
            let rights = self.rights.read().unwrap_or_else(PoisonError::into_inner);
            if rights.position >= position && position > 0 {
                return Ok(rights);
            }
            drop(rights);
            let mut rights = self.rights.write().unwrap_or_else(PoisonError::into_inner);
            if let Err(failure) = self.follow_rights(&mut rights) {
                *rights = Rights::default();
                return Err(failure);
            }
            if rights.position == 0 {
                // An empty ledger: there is nothing to know.
                drop(rights);
                return Ok(self.rights.read().unwrap_or_else(PoisonError::into_inner));
            }
        }
    }

    fn follow_rights(&self, rights: &mut Rights) -> Outcome<()> {
        let mut snapshot = self.store.snapshot()?;
        let (after, end) = (rights.position, snapshot.position());
        if after >= end {
            return Ok(());
        }
        let mut changed = BTreeSet::new();
        if let Some(type_id) = type_of("Consent") {
            for event in newer(&mut *snapshot, type_id, after)? {
                self.fold_consent(&mut *snapshot, rights, &event, &mut changed)?;
            }
        }
        self.follow_instruments(&mut *snapshot, rights, after)?;
        self.follow_visits(&mut *snapshot, rights, after)?;
        self.follow_restrictions(&mut *snapshot, rights, after)?;
        rights.position = end;
        drop(snapshot);
        let patients = patient_type().map_or(Ok(false), |type_id| self.has_newer(type_id, after))?;
        if !changed.is_empty() || (patients && !rights.spoken_of.is_empty()) {
            self.follow_links(rights)?;
        }
        Ok(())
    }

    fn has_newer(&self, type_id: ResourceTypeId, after: Seq) -> Outcome<bool> {
        let newest = self.store.snapshot()?.type_history(Some(type_id), Seq::MAX >> 1, 1)?;
        Ok(newest.first().is_some_and(|event| event.seq > after))
    }

    fn fold_consent(
        &self,
        snapshot: &mut dyn Snapshot,
        rights: &mut Rights,
        event: &Event,
        changed: &mut BTreeSet<u64>,
    ) -> Outcome<()> {
        let source = event.key.0 as u64;
        rights.register.forget(source);
        rights.register.forget_joining(source);
        let said = if event.kind == EventKind::Delete || event.body.is_empty() {
            None
        } else {
            let resource = self.resource(event)?;
            let json = Json::parse(&resource.text).map_err(|_| tongmai_codec::Damaged)?;
            consent::read(&json, self.labels.codes())
        };
        let Some(said) = said else { return Ok(()) };
        let Some(type_id) = patient_type() else { return Ok(()) };
        let Some(record) = snapshot.record_key(self.keys.resource(type_id, &said.patient))? else {
            return Ok(());
        };
        let mut grants = Vec::with_capacity(said.provisions.len());
        for provision in &said.provisions {
            let mut grant = provision.grant;
            // A name that nobody has yet is given a number, so that it means nobody else.
            if !provision.organisation.is_empty() {
                grant.organisation = self.store.symbol(&provision.organisation)?;
            }
            if !provision.account.is_empty() {
                grant.account = self.store.symbol(&provision.account)?;
            }
            grants.push(grant);
        }
        rights.register.put_grants(source, record.0, &grants);
        if let Some(joined) = said.joined {
            rights.register.join(source, record.0, joined);
        }
        rights.spoken_of.insert(record.0);
        changed.insert(record.0);
        Ok(())
    }

    /// Agreements and impact assessments.
    fn follow_instruments(
        &self,
        snapshot: &mut dyn Snapshot,
        rights: &mut Rights,
        after: Seq,
    ) -> Outcome<()> {
        let Some(type_id) = type_of("Contract") else { return Ok(()) };
        for event in newer(snapshot, type_id, after)? {
            let source = event.key.0 as u64;
            rights.instruments.remove(&source);
            if event.kind == EventKind::Delete || event.body.is_empty() {
                continue;
            }
            let resource = self.resource(&event)?;
            let json = Json::parse(&resource.text).map_err(|_| tongmai_codec::Damaged)?;
            let signed = match instrument::read(&json) {
                Some(Instrument::Agreement { organisation, agreement }) => {
                    Signed::Agreement(self.store.symbol(&organisation)?, agreement)
                }
                Some(Instrument::Assessment { purposes, from, until }) => {
                    Signed::Assessment { purposes, from, until }
                }
                None => continue,
            };
            rights.instruments.insert(source, signed);
        }
        Ok(())
    }

    /// Visits: at first those that may still count, by the index of their dates; then every new one.
    fn follow_visits(&self, snapshot: &mut dyn Snapshot, rights: &mut Rights, after: Seq) -> Outcome<()> {
        let Some(type_id) = type_of("Encounter") else { return Ok(()) };
        let events = if after > 0 { newer(snapshot, type_id, after)? } else { self.recent_visits(snapshot)? };
        for event in events {
            let source = event.key.0 as u64;
            rights.register.forget(source);
            if event.kind == EventKind::Delete || event.body.is_empty() || event.record_key.0 == 0 {
                continue;
            }
            let resource = self.resource(&event)?;
            let json = Json::parse(&resource.text).map_err(|_| tongmai_codec::Damaged)?;
            if let Some(relation) = self.visit(&json, &event)? {
                rights.register.put_relation(source, event.record_key.0, relation);
            }
        }
        Ok(())
    }

    fn recent_visits(&self, snapshot: &mut dyn Snapshot) -> Outcome<Vec<Event>> {
        let Some(type_id) = type_of("Encounter") else { return Ok(Vec::new()) };
        let slot = tongmai_fhir::search::parameter(type_id, "date")
            .and_then(|parameter| crate::slots::own_slot(type_id, parameter.id));
        let Some(slot) = slot else { return Ok(Vec::new()) };
        let since = self.now() - AFTER_CARE;
        let as_of = snapshot.position();
        let mut seqs = Vec::new();
        for (slot, low) in [(slot, since), (slot | crate::slots::ENDS, since)] {
            let range = NumberRange { slot, low, high: i64::MAX };
            let mut cursor = None;
            loop {
                let mut hits = Vec::new();
                snapshot.scan(&range, Order::Ascending, cursor, as_of, STEP, &mut hits)?;
                let Some(last) = hits.last() else { break };
                cursor = Some(NumberCursor { value: last.value, seq: last.seq, extra: last.extra });
                seqs.extend(hits.iter().map(|hit| hit.seq));
            }
        }
        seqs.sort_unstable();
        seqs.dedup();
        let mut events = Vec::new();
        for chunk in seqs.chunks(STEP) {
            events.extend(snapshot.events(chunk)?);
        }
        Ok(events)
    }

    /// The relation that a visit shows: the organisation that provides it cares for the person, from
    /// the visit's beginning until some days after its end. It proves nothing for the account that
    /// wrote it.
    fn visit(&self, json: &Json<'_>, event: &Event) -> Outcome<Option<Relation>> {
        let provider = json.get("serviceProvider").and_then(|provider| provider.text("reference"));
        let Some(provider) = provider.filter(|provider| provider.starts_with("Organization/")) else {
            return Ok(None);
        };
        if matches!(json.text("status"), Some("cancelled" | "entered-in-error" | "planned")) {
            return Ok(None);
        }
        let period = json.get("period");
        let start = period.and_then(|p| p.text("start")).and_then(date::parse).map(|p| p.low);
        let end = period.and_then(|p| p.text("end")).and_then(date::parse).map(|p| p.high);
        let from = start.unwrap_or(event.milliseconds());
        // A visit without an end is taken to last no longer than a stay that nobody closed.
        let until = end.unwrap_or(from.saturating_add(AFTER_CARE)).saturating_add(AFTER_CARE);
        let organisation = self.store.symbol(provider)?;
        Ok(Some(Relation { organisation, by: event.actor, corroborated: true, from, until }))
    }

    /// Records whose patient is restricted, by the labels in the index.
    fn follow_restrictions(
        &self,
        snapshot: &mut dyn Snapshot,
        rights: &mut Rights,
        after: Seq,
    ) -> Outcome<()> {
        let Some(type_id) = patient_type() else { return Ok(()) };
        let value = i64::from(type_id);
        let range = NumberRange { slot: TYPE_SLOT, low: value, high: value };
        let as_of = snapshot.position();
        let mut cursor = Some(NumberCursor { value, seq: after, extra: i64::MAX });
        loop {
            let mut hits = Vec::new();
            snapshot.scan(&range, Order::Ascending, cursor, as_of, STEP, &mut hits)?;
            let Some(last) = hits.last() else { return Ok(()) };
            cursor = Some(NumberCursor { value: last.value, seq: last.seq, extra: last.extra });
            for hit in hits {
                let record = hit.record_key.0;
                let restricted = self.labels.label(hit.label).is_some_and(|label| label.restricted);
                let known = rights.restricted.contains_key(&(record as i64));
                if restricted != known {
                    rights.register.side_mut(record).restricted = restricted;
                    if restricted {
                        rights.restricted.insert(record as i64, record);
                    } else {
                        rights.restricted.remove(&(record as i64));
                    }
                }
            }
        }
    }

    /// Records of which a consent speaks and those that the desk takes for the same person.
    fn follow_links(&self, rights: &mut Rights) -> Outcome<()> {
        for (record, others, confirmed) in self.linked_records(&rights.spoken_of)? {
            rights.register.link(record, &others, confirmed);
        }
        Ok(())
    }
}

/// Events of a type behind a position, oldest first.
fn newer(snapshot: &mut dyn Snapshot, type_id: ResourceTypeId, after: Seq) -> Outcome<Vec<Event>> {
    let mut all = Vec::new();
    let mut before = Seq::MAX >> 1;
    loop {
        let events = snapshot.type_history(Some(type_id), before, STEP)?;
        let length = events.len();
        before = events.last().map_or(0, |event| event.seq);
        all.extend(events.into_iter().filter(|event| event.seq > after));
        if length < STEP || before <= after {
            all.reverse();
            return Ok(all);
        }
    }
}
