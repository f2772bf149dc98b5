//! Reads by id: the current version, one version, and histories.

use tongmai_access::{Operation, Point, Sealed, Sight};
use tongmai_fhir::definition::{ResourceTypeId, resource_type_name};
use tongmai_store::{Event, Seq, Snapshot};

use crate::failure::{Failure, Outcome, Reason};
use crate::rights::eye::Eye;
use crate::search::PageStart;
use crate::{Engine, Resource};

/// Versions looked at at once when some of them may be hidden.
const SEEN_STEP: usize = 200;

/// Gives the events before a position, newest first.
type More<'m> = &'m mut dyn FnMut(&mut dyn Snapshot, Seq) -> tongmai_store::Result<Vec<Event>>;

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
        let (resource, event) = self.newest(sight, Point::Read, type_id, id)?;
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
        let (resource, event) = self.version_at(sight, Point::VersionRead, type_id, id, version)?;
        Ok(Sealed::new(resource, Operation::VersionRead, vec![event.seq]))
    }

    /// The newest version of a resource, if it may be seen at a place.
    pub(crate) fn newest(
        &self,
        sight: &Sight,
        point: Point,
        type_id: ResourceTypeId,
        id: &str,
    ) -> Outcome<(Resource, Event)> {
        let key = self.keys.resource(type_id, id);
        let event = self.store.newest_event(key)?.ok_or_else(|| unknown(type_id, id))?;
        let mut resource = self.resource(&event)?;
        if sight.limits().is_some() {
            let mut snapshot = self.store.snapshot()?;
            let eye = self.eye(sight, &mut *snapshot)?;
            let verdict = eye.of_event(&mut *snapshot, &event)?;
            if !verdict.visible && eye.guards(point) {
                return Err(unknown(type_id, id));
            }
            resource = eye.blank(resource, verdict)?;
        }
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
        point: Point,
        type_id: ResourceTypeId,
        id: &str,
        version: u32,
    ) -> Outcome<(Resource, Event)> {
        let key = self.keys.resource(type_id, id);
        let mut snapshot = self.store.snapshot()?;
        let eye = self.eye(sight, &mut *snapshot)?;
        let mut before = Seq::MAX >> 1;
        loop {
            let events = snapshot.history(key, before, 100)?;
            let unknown = || {
                Err(Failure::not_found(format!(
                    "version {version} of {}/{id}",
                    resource_type_name(type_id).unwrap_or("")
                )))
            };
            let Some(last) = events.last() else { return unknown() };
            before = last.seq;
            if let Some(event) = events.into_iter().find(|event| event.version == version) {
                let verdict = eye.of_event(&mut *snapshot, &event)?;
                if !verdict.visible && eye.guards(point) {
                    return unknown();
                }
                let mut resource = eye.blank(self.resource(&event)?, verdict)?;
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
        let eye = self.eye(sight, &mut *snapshot)?;
        let current = snapshot.current(key)?.ok_or_else(|| unknown(type_id, id))?;
        let before = self.history_start(sight, before)?;
        let mut page;
        if eye.guards(Point::History) {
            let seen =
                self.seen(&eye, &mut *snapshot, since, usize::MAX, before, &mut |snapshot, before| {
                    snapshot.history(key, before, SEEN_STEP)
                })?;
            let all = self.seen(
                &eye,
                &mut *snapshot,
                since,
                usize::MAX,
                Seq::MAX >> 1,
                &mut |snapshot, before| snapshot.history(key, before, SEEN_STEP),
            )?;
            if all.is_empty() && since.is_none() {
                return Err(unknown(type_id, id));
            }
            page = self.cut(sight, seen, count);
            page.total = since.is_none().then_some(all.len() as u64);
        } else {
            let events = snapshot.history(key, before, count + 1)?;
            page = self.history_page(&events, since, count)?;
            page.total = since.is_none().then_some(u64::from(current.version));
        }
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
        let eye = self.eye(sight, &mut *snapshot)?;
        let before = self.history_start(sight, before)?;
        if eye.guards(Point::TypeHistory) {
            let seen =
                self.seen(&eye, &mut *snapshot, since, count + 1, before, &mut |snapshot, before| {
                    snapshot.type_history(type_id, before, SEEN_STEP)
                })?;
            let page = self.cut(sight, seen, count);
            let positions = page.versions.iter().map(|version| version.seq).collect();
            return Ok(Sealed::new(page, Operation::History, positions));
        }
        let events = snapshot.type_history(type_id, before, count + 1)?;
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

    /// Where a history goes on: a position, or under limits the number of a kept link to one.
    fn history_start(&self, sight: &Sight, before: Option<Seq>) -> Outcome<Seq> {
        match (before, sight.limits()) {
            (None, _) => Ok(Seq::MAX >> 1),
            (Some(before), None) => Ok(before),
            (Some(number), Some(_)) => Ok(self.kept_link(sight, number)?.start.as_of),
        }
    }

    /// Versions that may be seen, newest first, until there are enough or none is left.
    fn seen(
        &self,
        eye: &Eye<'_>,
        snapshot: &mut dyn Snapshot,
        since: Option<i64>,
        enough: usize,
        mut before: Seq,
        more: More<'_>,
    ) -> Outcome<Vec<Resource>> {
        let mut seen = Vec::new();
        loop {
            let events = more(snapshot, before)?;
            let Some(last) = events.last() else { return Ok(seen) };
            before = last.seq;
            for event in &events {
                if since.is_some_and(|since| event.milliseconds() < since) {
                    return Ok(seen);
                }
                let Some(mut version) = eye.show(snapshot, event)? else { continue };
                if version.id.is_empty()
                    && let Some(earlier) = snapshot.history(event.key, event.seq, 1)?.first()
                {
                    // A deletion has no body; its id stands in the version before.
                    version.id = self.resource(earlier)?.id;
                }
                seen.push(version);
                if seen.len() >= enough {
                    return Ok(seen);
                }
            }
        }
    }

    /// A page of what was seen; where the next one begins is kept here, since a position tells how
    /// much was written in between.
    fn cut(&self, sight: &Sight, mut seen: Vec<Resource>, count: usize) -> HistoryPage {
        let more = seen.len() > count;
        seen.truncate(count);
        let next = seen.last().filter(|_| more).map(|last| {
            let start = PageStart { as_of: last.seq, ..PageStart::first(0, self.now()) };
            self.keep_link(sight, start, Vec::new())
        });
        HistoryPage { versions: seen, total: None, next }
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
