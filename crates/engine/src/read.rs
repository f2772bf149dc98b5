//! Reads by id: the current version, one version, and histories.

use tongmai_access::{Operation, Sealed, Sight};
use tongmai_fhir::definition::{ResourceTypeId, resource_type_name};
use tongmai_store::{Event, Seq};

use crate::failure::{Failure, Outcome, Reason};
use crate::{Engine, Resource};

/// A page of a history, newest first.
#[derive(Debug, Default)]
pub struct HistoryPage {
    /// Versions; of a resource that was deleted, the deletion too.
    pub versions: Vec<Resource>,
    /// For a resource's own history: how many versions there are.
    pub total: Option<u64>,
    /// Position before which the next page begins.
    pub next: Option<Seq>,
}

impl Engine {
    /// The current version of a resource.
    ///
    /// # Errors
    /// Not found, or gone when it was deleted.
    pub fn read(&self, sight: &Sight, type_id: ResourceTypeId, id: &str) -> Outcome<Sealed<Resource>> {
        let (resource, event) = self.newest(sight, type_id, id)?;
        Ok(Sealed::new(resource, Operation::Read, vec![event.seq]))
    }

    /// One version of a resource.
    pub fn read_version(
        &self,
        sight: &Sight,
        type_id: ResourceTypeId,
        id: &str,
        version: u32,
    ) -> Outcome<Sealed<Resource>> {
        let (resource, event) = self.version_at(sight, type_id, id, version)?;
        Ok(Sealed::new(resource, Operation::VersionRead, vec![event.seq]))
    }

    pub(crate) fn newest(
        &self,
        sight: &Sight,
        type_id: ResourceTypeId,
        id: &str,
    ) -> Outcome<(Resource, Event)> {
        let key = self.keys.resource(type_id, id);
        let event = self.store.newest_event(key)?.ok_or_else(|| unknown(type_id, id))?;
        let mut resource = self.resource(&event)?;
        if resource.deleted {
            let name = resource_type_name(type_id).unwrap_or("");
            return Err(Failure::new(Reason::Gone, "", "deleted", format!("{name}/{id} was deleted")));
        }
        if resource.id != id {
            return Err(unknown(type_id, id));
        }
        resource.type_id = type_id;
        Ok((resource, event))
    }

    pub(crate) fn version_at(
        &self,
        sight: &Sight,
        type_id: ResourceTypeId,
        id: &str,
        version: u32,
    ) -> Outcome<(Resource, Event)> {
        let key = self.keys.resource(type_id, id);
        let mut snapshot = self.store.snapshot()?;
        let mut before = Seq::MAX >> 1;
        loop {
            let events = snapshot.history(key, before, 100)?;
            let Some(last) = events.last() else {
                return Err(Failure::not_found(format!(
                    "version {version} of {}/{id}",
                    resource_type_name(type_id).unwrap_or("")
                )));
            };
            before = last.seq;
            if let Some(event) = events.into_iter().find(|event| event.version == version) {
                let mut resource = self.resource(&event)?;
                resource.id = id.to_owned();
                if resource.deleted || resource.erased {
                    let what = if resource.deleted { "is the deletion" } else { "was erased" };
                    return Err(Failure::new(
                        Reason::Gone,
                        "",
                        "deleted",
                        format!("version {version} {what}"),
                    ));
                }
                return Ok((resource, event));
            }
        }
    }

    /// The versions of one resource, newest first, older than `before`, not older than `since`.
    pub fn history(
        &self,
        sight: &Sight,
        type_id: ResourceTypeId,
        id: &str,
        before: Option<Seq>,
        since: Option<i64>,
        count: usize,
    ) -> Outcome<Sealed<HistoryPage>> {
        let key = self.keys.resource(type_id, id);
        let mut snapshot = self.store.snapshot()?;
        let current = snapshot.current(key)?.ok_or_else(|| unknown(type_id, id))?;
        let events = snapshot.history(key, before.unwrap_or(Seq::MAX >> 1), count + 1)?;
        let mut page = self.history_page(&events, since, count)?;
        page.total = since.is_none().then_some(u64::from(current.version));
        for version in &mut page.versions {
            version.id = id.to_owned();
        }
        let positions = page.versions.iter().map(|version| version.seq).collect();
        Ok(Sealed::new(page, Operation::History, positions))
    }

    /// The versions of all resources of a type, or of all types, newest first.
    pub fn type_history(
        &self,
        sight: &Sight,
        type_id: Option<ResourceTypeId>,
        before: Option<Seq>,
        since: Option<i64>,
        count: usize,
    ) -> Outcome<Sealed<HistoryPage>> {
        let mut snapshot = self.store.snapshot()?;
        let events = snapshot.type_history(type_id, before.unwrap_or(Seq::MAX >> 1), count + 1)?;
        let mut page = self.history_page(&events, since, count)?;
        // A deletion has no body; its id stands in the version before.
        for (version, event) in
            page.versions.iter_mut().zip(&events).filter(|(version, _)| version.id.is_empty())
        {
            if let Some(earlier) = snapshot.history(event.key, event.seq, 1)?.first() {
                version.id = self.resource(earlier)?.id;
            }
        }
        let positions = page.versions.iter().map(|version| version.seq).collect();
        Ok(Sealed::new(page, Operation::History, positions))
    }

    fn history_page(&self, events: &[Event], since: Option<i64>, count: usize) -> Outcome<HistoryPage> {
        let mut page = HistoryPage::default();
        for event in events.iter().take(count) {
            if since.is_some_and(|since| event.milliseconds() < since) {
                return Ok(page);
            }
            page.versions.push(self.resource(event)?);
        }
        if events.len() > count {
            page.next = page.versions.last().map(|version| version.seq);
        }
        Ok(page)
    }
}

fn unknown(type_id: ResourceTypeId, id: &str) -> Failure {
    Failure::not_found(format!("{}/{id}", resource_type_name(type_id).unwrap_or("")))
}
