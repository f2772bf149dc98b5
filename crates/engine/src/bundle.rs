//! Batches and transactions.
//!
//! A transaction is decided as a whole on one state of the ledger: ids are given
//! to what is new, conditions are searched, every form of reference is resolved
//! (`urn:uuid:…`, absolute and relative addresses of other entries, conditional
//! references), and then all changes commit together. When somebody else was
//! faster, all of it is decided again.

use std::borrow::Cow;
use std::collections::HashMap;

use tongmai_access::{Operation, Point, Sealed, Sight};
use tongmai_base::{Finding, limits};
use tongmai_fhir::definition::{ResourceTypeId, resource_type_id, resource_type_name};
use tongmai_fhir::json::Json;
use tongmai_fhir::search::Reference;
use tongmai_store::{Guard, ResourceKey, Snapshot};

use crate::failure::{Failure, Outcome, Reason};
use crate::patch::Patch;
use crate::search::{Page, Query};
use crate::write::{Conditions, Decided, Did, Target, Written};
use crate::writer::WriteError;
use crate::{Engine, Resource};

/// How often a transaction is decided again when somebody else was faster.
const ATTEMPTS: usize = 8;

/// Where the ids of new resources come from.
#[derive(Debug, Clone, Copy)]
pub enum Ids<'s> {
    /// Fresh ones.
    Fresh,
    /// Derived from the source's name and its own id, so that sending again changes nothing.
    Of(&'s str),
}

/// Makes one of the current version of a resource and of one that arrives for its place.
pub trait Combine: Send + Sync {
    /// What is to stand there.
    fn combine<'a>(&self, stands: &Json<'_>, arriving: Json<'a>) -> Json<'a>;
}

/// How a Bundle is carried out.
#[derive(Clone, Copy)]
pub(crate) struct How<'s> {
    /// Where ids come from.
    pub ids: Ids<'s>,
    /// What puts resources together with those that stand at their place, if anything does.
    pub combine: Option<&'s dyn Combine>,
}

/// What one entry came to.
pub enum EntryResult {
    /// A write.
    Written(Written),
    /// A read.
    Read(Resource),
    /// A search; the text of its request beside it.
    Found(Box<Page>, String, Box<Query>),
    /// A refusal; in a batch only this entry is refused.
    Failed(Failure),
}

/// The verbs of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Verb {
    // In the order in which a transaction is carried out.
    Delete,
    Post,
    Put,
    Patch,
    Get,
}

struct Entry<'a> {
    verb: Verb,
    full_url: Option<String>,
    type_id: Option<ResourceTypeId>,
    id: Option<String>,
    query: Option<String>,
    request: String,
    if_match: Option<u32>,
    if_none_match: bool,
    if_none_exist: Option<String>,
    resource: Option<Json<'a>>,
}

impl Engine {
    /// Carries out a Bundle of type `batch` or `transaction`; the results stand in the order of its entries.
    pub async fn process(
        &self,
        sight: &Sight,
        bundle: &[u8],
        ids: Ids<'_>,
    ) -> Outcome<Sealed<(bool, Vec<EntryResult>)>> {
        let how = How { ids, combine: None };
        let (is_transaction, results) = self.carry_out(sight, bundle, how).await?;
        let mut positions = Vec::new();
        for result in &results {
            match result {
                EntryResult::Written(written) => positions.extend(written.resource.iter().map(|r| r.seq)),
                EntryResult::Read(resource) => positions.push(resource.seq),
                EntryResult::Found(page, ..) => {
                    positions.extend(page.matches.iter().chain(&page.included).map(|r| r.seq));
                }
                EntryResult::Failed(_) => {}
            }
        }
        let operation = if results.iter().all(|r| matches!(r, EntryResult::Written(_))) {
            Operation::Write
        } else {
            Operation::Search
        };
        Ok(Sealed::new((is_transaction, results), operation, positions))
    }

    /// As [`Engine::process`], for a sender that is shown only what was done and no content.
    pub async fn process_counting(
        &self,
        sight: &Sight,
        bundle: &[u8],
        ids: Ids<'_>,
    ) -> Outcome<Vec<EntryResult>> {
        let (_, mut results) = self.carry_out(sight, bundle, How { ids, combine: None }).await?;
        results.retain(|result| matches!(result, EntryResult::Written(_) | EntryResult::Failed(_)));
        for result in &mut results {
            if let EntryResult::Written(written) = result {
                written.resource = None;
            }
        }
        Ok(results)
    }

    /// As [`Engine::process_counting`], for senders whose resources are put together with those that
    /// stand at their place already: `combine` is given the current version and the one that arrives,
    /// in the same state of the ledger that the transaction is decided on, as often as it is decided.
    /// Of each resource only type, id and version are told.
    pub async fn process_combining(
        &self,
        sight: &Sight,
        bundle: &[u8],
        ids: Ids<'_>,
        combine: &dyn Combine,
    ) -> Outcome<Vec<EntryResult>> {
        let how = How { ids, combine: Some(combine) };
        let (_, mut results) = self.carry_out(sight, bundle, how).await?;
        results.retain(|result| matches!(result, EntryResult::Written(_) | EntryResult::Failed(_)));
        for result in &mut results {
            if let EntryResult::Written(Written { resource: Some(resource), .. }) = result {
                resource.text = Vec::new();
            }
        }
        Ok(results)
    }

    pub(crate) async fn carry_out(
        &self,
        sight: &Sight,
        bundle: &[u8],
        how: How<'_>,
    ) -> Outcome<(bool, Vec<EntryResult>)> {
        let json = self.parse_bundle(bundle)?;
        let is_transaction = match json.text("type") {
            Some("transaction") => true,
            Some("batch") => false,
            _ => {
                return Err(Failure::new(
                    Reason::Invalid,
                    "Bundle.type",
                    "bundle-type",
                    "only Bundles of type batch or transaction can be carried out",
                ));
            }
        };
        let results = if is_transaction {
            self.transaction_bundle(sight, bundle, json, how).await?
        } else {
            self.batch(sight, json, how).await?
        };
        Ok((is_transaction, results))
    }

    fn parse_bundle<'a>(&self, bundle: &'a [u8]) -> Outcome<Json<'a>> {
        let json = Json::parse(bundle).map_err(|error| {
            let (line, column) = error.position(bundle);
            Failure::new(Reason::Invalid, &format!("{line}:{column}"), "json", error.message)
                .repair("send one JSON document in UTF-8")
        })?;
        if json.text("resourceType") != Some("Bundle") {
            return Err(Failure::new(
                Reason::Invalid,
                "resourceType",
                "resource-type",
                "a Bundle belongs here",
            ));
        }
        let entries = json.items("entry").len();
        if entries > limits::BUNDLE_ENTRIES {
            return Err(Failure::new(
                Reason::TooLarge,
                "Bundle.entry",
                "too-many",
                format!("{entries} entries are over the limit of {}", limits::BUNDLE_ENTRIES),
            )
            .repair("send several Bundles"));
        }
        Ok(json)
    }

    async fn transaction_bundle(
        &self,
        sight: &Sight,
        bundle: &[u8],
        json: Json<'_>,
        how: How<'_>,
    ) -> Outcome<Vec<EntryResult>> {
        let mut parsed = Some(json);
        for attempt in 1.. {
            let (transaction, decided, order, reads) = {
                // Deciding takes the document apart, so another attempt reads it again.
                let json = match parsed.take() {
                    Some(json) => json,
                    None => self.parse_bundle(bundle)?,
                };
                let entries = entries(json)?;
                let mut snapshot = self.store.snapshot()?;
                let (changes, decided, order, reads) =
                    self.decide_bundle(sight, &mut *snapshot, entries, how)?;
                let guards: Vec<Guard> = decided.iter().flat_map(|d: &Decided| d.guards.clone()).collect();
                (self.transaction(sight, changes, guards)?, decided, order, reads)
            };
            let first = if transaction.changes.is_empty() {
                0
            } else {
                match self.commit(transaction).await {
                    Ok(first) => first,
                    Err(WriteError::Rejected(_)) if attempt < ATTEMPTS => continue,
                    Err(error) => return Err(error.into()),
                }
            };
            return self.bundle_results(sight, decided, order, reads, first);
        }
        unreachable!("the last attempt returns")
    }

    /// Puts the results of a transaction into the order of its entries, reading what was to be read.
    fn bundle_results(
        &self,
        sight: &Sight,
        decided: Vec<Decided>,
        order: Vec<usize>,
        reads: Vec<(usize, Entry<'static>)>,
        first: u64,
    ) -> Outcome<Vec<EntryResult>> {
        let mut results: Vec<Option<EntryResult>> = Vec::new();
        results.resize_with(order.len() + reads.len(), || None);
        let mut next = first;
        for (decided, index) in decided.into_iter().zip(order) {
            let mut resource = decided.resource;
            if decided.change.is_some() || matches!(decided.did, Did::Created | Did::Updated | Did::Deleted) {
                if let Some(resource) = &mut resource {
                    resource.seq = next;
                }
                next += 1;
            }
            let written = Written { did: decided.did, resource, findings: decided.findings };
            results[index] = Some(EntryResult::Written(written));
        }
        for (index, entry) in reads {
            results[index] = Some(self.read_entry(sight, &entry)?);
        }
        Ok(results.into_iter().flatten().collect())
    }

    #[allow(clippy::type_complexity)]
    fn decide_bundle(
        &self,
        sight: &Sight,
        snapshot: &mut dyn Snapshot,
        mut entries: Vec<Entry<'_>>,
        how: How<'_>,
    ) -> Outcome<(Vec<tongmai_store::Change>, Vec<Decided>, Vec<usize>, Vec<(usize, Entry<'static>)>)> {
        let mut guards = Vec::new();
        let mut existing: HashMap<usize, Resource> = HashMap::new();
        let links = self.give_ids(sight, snapshot, &mut entries, how.ids, &mut guards, &mut existing)?;
        let mut found: HashMap<String, String> = HashMap::new();
        let mut order: Vec<usize> = (0..entries.len()).collect();
        order.sort_by_key(|&index| entries[index].verb);
        let (mut changes, mut all, mut places, mut reads) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut touched: HashMap<ResourceKey, usize> = HashMap::new();
        for index in order {
            let entry = &mut entries[index];
            if entry.verb == Verb::Get {
                reads.push((index, entry.to_read()));
                continue;
            }
            let within = |failure: Failure| in_entry(failure, index);
            let mut decided = match existing.remove(&index) {
                Some(resource) => Decided {
                    did: Did::Nothing,
                    change: None,
                    guards: Vec::new(),
                    resource: Some(resource),
                    findings: Vec::new(),
                },
                None => {
                    if let Some(resource) = &mut entry.resource {
                        self.resolve(sight, snapshot, resource, &links, &mut found, &mut guards)
                            .map_err(within)?;
                    }
                    if let Some(combine) = how.combine {
                        self.combine(snapshot, entry, combine).map_err(within)?;
                    }
                    self.decide_entry(sight, snapshot, entry).map_err(within)?
                }
            };
            if let Some(change) = decided.change.take() {
                if let Some(earlier) = touched.insert(change.key, index) {
                    let why = format!("entries {earlier} and {index} change the same resource");
                    return Err(Failure::new(
                        Reason::Invalid,
                        &format!("Bundle.entry[{index}]"),
                        "twice",
                        why,
                    ));
                }
                changes.push(change);
            }
            all.push(decided);
            places.push(index);
        }
        if let Some(first) = all.first_mut() {
            first.guards.extend(guards);
        }
        Ok((changes, all, places, reads))
    }

    /// Gives ids to new resources and says what every full address of an entry becomes.
    fn give_ids(
        &self,
        sight: &Sight,
        snapshot: &mut dyn Snapshot,
        entries: &mut [Entry<'_>],
        ids: Ids<'_>,
        guards: &mut Vec<Guard>,
        existing: &mut HashMap<usize, Resource>,
    ) -> Outcome<HashMap<String, String>> {
        let mut links = HashMap::new();
        for (index, entry) in entries.iter_mut().enumerate() {
            let within = |failure: Failure| in_entry(failure, index);
            if !matches!(entry.verb, Verb::Post | Verb::Put) {
                continue;
            }
            let Some(type_id) = entry.type_id else { continue };
            let condition = match entry.verb {
                Verb::Post => entry.if_none_exist.clone(),
                _ => entry.query.clone(),
            };
            if let Some(condition) = condition {
                let query = self.condition_query(type_id, &condition).map_err(within)?;
                match self.matches(sight, snapshot, &query, 2)?.as_slice() {
                    [] => guards.extend(self.guards(snapshot, &query)),
                    [seq] => {
                        let event = snapshot.events(&[*seq])?.pop().ok_or(tongmai_codec::Damaged)?;
                        let eye = self.eye(sight, snapshot)?;
                        let resource = eye.show(snapshot, &event)?.ok_or(tongmai_codec::Damaged)?;
                        drop(eye);
                        entry.id = Some(resource.id.clone());
                        guards.extend(self.guards(snapshot, &query));
                        if entry.verb == Verb::Post {
                            existing.insert(index, resource);
                        }
                    }
                    _ => {
                        let why = "the condition finds more than one resource";
                        return Err(within(Failure::new(
                            Reason::Precondition,
                            "request",
                            "multiple-matches",
                            why,
                        )));
                    }
                }
                if entry.id.is_none() && entry.verb == Verb::Put {
                    entry.id = entry.resource.as_ref().and_then(|r| r.text("id")).map(str::to_owned);
                }
            }
            let id = match entry.id.take() {
                Some(id) => id,
                None => match (ids, &entry.full_url) {
                    (Ids::Of(source), Some(url)) => {
                        self.derived_id(source, resource_type_name(type_id).unwrap_or(""), url)
                    }
                    _ => self.fresh_id(),
                },
            };
            let target = format!("{}/{id}", resource_type_name(type_id).unwrap_or(""));
            if let Some(url) = &entry.full_url {
                // A relative reference means the entry whose address ends so.
                let as_reference = Reference::parse(url);
                if let (Some(of), Some(own)) = (as_reference.resource_type, as_reference.id) {
                    links.insert(format!("{}/{own}", resource_type_name(of).unwrap_or("")), target.clone());
                }
                if links.insert(url.clone(), target).is_some() {
                    let why = format!("two entries have the fullUrl {url}");
                    return Err(within(Failure::new(Reason::Invalid, "fullUrl", "full-url", why)));
                }
            }
            entry.id = Some(id);
        }
        Ok(links)
    }

    /// An id that the same source and text always give.
    pub(crate) fn derived_id(&self, source: &str, type_name: &str, id: &str) -> String {
        let high = self.keys.source(source, type_name, id) as u64;
        let low = self.keys.source(id, source, type_name) as u64;
        uuid::Builder::from_custom_bytes((u128::from(high) << 64 | u128::from(low)).to_be_bytes())
            .into_uuid()
            .to_string()
    }

    fn condition_query(&self, type_id: ResourceTypeId, condition: &str) -> Outcome<Query> {
        let pairs = parse_pairs(condition);
        if pairs.is_empty() {
            return Err(Failure::new(Reason::Invalid, "request", "condition", "the condition is empty"));
        }
        self.query(&[type_id], None, &pairs, false)
    }

    /// Rewrites the references of a resource to what they mean.
    fn resolve(
        &self,
        sight: &Sight,
        snapshot: &mut dyn Snapshot,
        value: &mut Json<'_>,
        links: &HashMap<String, String>,
        found: &mut HashMap<String, String>,
        guards: &mut Vec<Guard>,
    ) -> Outcome<()> {
        match value {
            Json::Array(items) => {
                for item in items {
                    self.resolve(sight, snapshot, item, links, found, guards)?;
                }
            }
            Json::Object(properties) => {
                for (name, value) in properties {
                    let Json::String(text) = value else {
                        if matches!(value, Json::Object(_) | Json::Array(_)) {
                            self.resolve(sight, snapshot, value, links, found, guards)?;
                        }
                        continue;
                    };
                    let is_reference = name == "reference";
                    if !is_reference && !text.starts_with("urn:") {
                        continue;
                    }
                    if let Some(target) = links.get(text.as_ref()) {
                        *text = Cow::Owned(target.clone());
                    } else if is_reference && text.starts_with("urn:uuid:") {
                        return Err(Failure::new(
                            Reason::Unprocessable,
                            name,
                            "reference",
                            format!("{text} is the fullUrl of no entry"),
                        ));
                    } else if is_reference
                        && let Some((type_name, condition)) = text.split_once('?')
                        && let Some(type_id) = resource_type_id(type_name)
                    {
                        let target = match found.get(text.as_ref()) {
                            Some(target) => target.clone(),
                            None => {
                                let target =
                                    self.conditional_reference(sight, snapshot, type_id, condition, guards)?;
                                found.insert(text.to_string(), target.clone());
                                target
                            }
                        };
                        *text = Cow::Owned(target);
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn conditional_reference(
        &self,
        sight: &Sight,
        snapshot: &mut dyn Snapshot,
        type_id: ResourceTypeId,
        condition: &str,
        guards: &mut Vec<Guard>,
    ) -> Outcome<String> {
        let query = self.condition_query(type_id, condition)?;
        let name = resource_type_name(type_id).unwrap_or("");
        match self.matches(sight, snapshot, &query, 2)?.as_slice() {
            [seq] => {
                let event = snapshot.events(&[*seq])?.pop().ok_or(tongmai_codec::Damaged)?;
                guards.extend(self.guards(snapshot, &query));
                Ok(format!("{name}/{}", self.resource(&event)?.id))
            }
            none_or_many => {
                let many = if none_or_many.is_empty() { "nothing" } else { "more than one resource" };
                let why = format!("the conditional reference {name}?{condition} finds {many}");
                Err(Failure::new(Reason::Precondition, "reference", "conditional-reference", why))
            }
        }
    }

    /// Puts the resource of an entry together with what stands at its place.
    fn combine(
        &self,
        snapshot: &mut dyn Snapshot,
        entry: &mut Entry<'_>,
        combine: &dyn Combine,
    ) -> Outcome<()> {
        let (Some(type_id), Some(id), Verb::Post | Verb::Put) = (entry.type_id, &entry.id, entry.verb) else {
            return Ok(());
        };
        let current = snapshot.current(self.keys.resource(type_id, id))?;
        let Some(current) = current.filter(|current| !current.deleted) else { return Ok(()) };
        let event = snapshot.events(&[current.seq])?.pop().ok_or(tongmai_codec::Damaged)?;
        let text = self.resource(&event)?.text;
        let stands = Json::parse(&text).map_err(|_| tongmai_codec::Damaged)?;
        entry.resource = entry.resource.take().map(|arriving| combine.combine(&stands, arriving));
        Ok(())
    }

    fn decide_entry(
        &self,
        sight: &Sight,
        snapshot: &mut dyn Snapshot,
        entry: &mut Entry<'_>,
    ) -> Outcome<Decided> {
        let missing =
            |what: &str| Failure::new(Reason::Invalid, "request", "entry", format!("{what} is missing"));
        let type_id = entry.type_id.ok_or_else(|| missing("the type in request.url"))?;
        let conditions =
            Conditions { if_match: entry.if_match, if_none_match: entry.if_none_match, if_none_exist: None };
        match entry.verb {
            Verb::Post | Verb::Put => {
                let resource = entry.resource.take().ok_or_else(|| missing("the resource"))?;
                let checked = self.check_json(resource, Some(type_id))?;
                let id = entry.id.clone().ok_or_else(|| missing("an id"))?;
                if !tongmai_fhir::format::is_id(&id) {
                    let why = "an id has 1 to 64 letters, digits, '-' and '.'";
                    return Err(Failure::new(Reason::Invalid, "id", "id", why));
                }
                self.decide_put(
                    sight,
                    snapshot,
                    &checked,
                    &id,
                    entry.verb == Verb::Put && entry.query.is_none(),
                    &conditions,
                )
            }
            Verb::Delete => {
                let target = match (&entry.id, &entry.query) {
                    (Some(id), _) => Target::Id(id.clone()),
                    (None, Some(condition)) => Target::Matching(self.condition_query(type_id, condition)?),
                    (None, None) => return Err(missing("an id or a condition in request.url")),
                };
                self.decide_delete(sight, snapshot, type_id, &target, &conditions)
            }
            Verb::Patch => {
                let resource = entry.resource.take().ok_or_else(|| missing("the patch"))?;
                let patch = Patch::of_entry(&resource)?;
                let target = match (&entry.id, &entry.query) {
                    (Some(id), _) => Target::Id(id.clone()),
                    (None, Some(condition)) => Target::Matching(self.condition_query(type_id, condition)?),
                    (None, None) => return Err(missing("an id or a condition in request.url")),
                };
                self.decide_patch(sight, snapshot, type_id, &target, &|json| patch.apply(json), &conditions)
            }
            Verb::Get => Err(missing("a verb that writes")),
        }
    }

    /// Decides a write to an id that was given already; `named` when the sender named it and the
    /// resource must carry it too.
    pub(crate) fn decide_put(
        &self,
        sight: &Sight,
        snapshot: &mut dyn Snapshot,
        checked: &crate::write::Checked<'_>,
        id: &str,
        named: bool,
        conditions: &Conditions,
    ) -> Outcome<Decided> {
        if named {
            return self.decide_update(sight, snapshot, &Target::Id(id.to_owned()), checked, conditions);
        }
        let current = snapshot.current(self.keys.resource(checked.type_id, id))?;
        if let Some(current) = current
            && !current.deleted
            && let Some(same) = self.unchanged(snapshot, checked, id, current)?
        {
            return Ok(same);
        }
        let mut decided = self.version(sight, snapshot, checked, id, current.map(|c| (c.seq, c.version)))?;
        if current.is_none_or(|current| current.deleted) {
            decided.did = Did::Created;
        }
        Ok(decided)
    }

    /// Sending again what is already there writes nothing.
    fn unchanged(
        &self,
        snapshot: &mut dyn Snapshot,
        checked: &crate::write::Checked<'_>,
        id: &str,
        current: tongmai_store::Current,
    ) -> Outcome<Option<Decided>> {
        let event = snapshot.events(&[current.seq])?.pop().ok_or(tongmai_codec::Damaged)?;
        let resource = self.resource(&event)?;
        let text =
            crate::write::stored_text(checked.type_id, id, resource.version, resource.updated, &checked.json);
        Ok((text.as_bytes() == resource.text.as_slice()).then(|| Decided {
            did: Did::Nothing,
            change: None,
            guards: Vec::new(),
            resource: Some(resource),
            findings: Vec::<Finding>::new(),
        }))
    }

    fn read_entry(&self, sight: &Sight, entry: &Entry<'_>) -> Outcome<EntryResult> {
        let Some(type_id) = entry.type_id else {
            return Err(Failure::new(
                Reason::NotSupported,
                "request.url",
                "not-supported",
                "this read is not supported in a Bundle",
            ));
        };
        match &entry.id {
            Some(id) => {
                let (resource, _) = self.newest(sight, Point::Read, type_id, id)?;
                Ok(EntryResult::Read(resource))
            }
            None => {
                let pairs = parse_pairs(entry.query.as_deref().unwrap_or(""));
                let query = self.query(&[type_id], None, &pairs, false)?;
                let page = self.found(sight, &query)?;
                Ok(EntryResult::Found(Box::new(page), entry.request.clone(), Box::new(query)))
            }
        }
    }

    /// Carries out each entry for itself.
    async fn batch(&self, sight: &Sight, json: Json<'_>, how: How<'_>) -> Outcome<Vec<EntryResult>> {
        let mut results = Vec::new();
        for (index, item) in json.items("entry").iter().enumerate() {
            results.push(match self.batch_entry(sight, item, index, how).await {
                Ok(result) => result,
                Err(failure) => EntryResult::Failed(failure),
            });
        }
        Ok(results)
    }

    async fn batch_entry(
        &self,
        sight: &Sight,
        item: &Json<'_>,
        index: usize,
        how: How<'_>,
    ) -> Outcome<EntryResult> {
        for attempt in 1.. {
            let (transaction, decided) = {
                let entry = entry(item.clone(), index)?;
                if entry.verb == Verb::Get {
                    return self.read_entry(sight, &entry);
                }
                let mut snapshot = self.store.snapshot()?;
                let (changes, mut decided, ..) =
                    self.decide_bundle(sight, &mut *snapshot, vec![entry], how)?;
                let mut only = decided.pop().ok_or_else(|| Failure::not_found("the entry"))?;
                let guards = std::mem::take(&mut only.guards);
                (self.transaction(sight, changes, guards)?, only)
            };
            let mut resource = decided.resource;
            if !transaction.changes.is_empty() {
                match self.commit(transaction).await {
                    Ok(first) => {
                        if let Some(resource) = &mut resource {
                            resource.seq = first;
                        }
                    }
                    Err(WriteError::Rejected(_)) if attempt < ATTEMPTS => continue,
                    Err(error) => return Err(error.into()),
                }
            }
            return Ok(EntryResult::Written(Written {
                did: decided.did,
                resource,
                findings: decided.findings,
            }));
        }
        unreachable!("the last attempt returns")
    }
}

fn in_entry(mut failure: Failure, index: usize) -> Failure {
    for finding in &mut failure.findings {
        let place = format!("Bundle.entry[{index}]");
        finding.path = if finding.path.is_empty() { place } else { format!("{place}: {}", finding.path) };
    }
    failure
}

fn entries(json: Json<'_>) -> Outcome<Vec<Entry<'_>>> {
    let Json::Object(properties) = json else { return Ok(Vec::new()) };
    let items = properties.into_iter().find(|(name, _)| name == "entry").map(|(_, value)| value);
    let Some(Json::Array(items)) = items else { return Ok(Vec::new()) };
    items.into_iter().enumerate().map(|(index, item)| entry(item, index)).collect()
}

fn entry(item: Json<'_>, index: usize) -> Outcome<Entry<'_>> {
    let refuse = |path: &str, why: String| {
        Failure::new(Reason::Invalid, &format!("Bundle.entry[{index}].{path}"), "entry", why)
    };
    let request = item.get("request").ok_or_else(|| refuse("request", "the request is missing".into()))?;
    let verb = match request.text("method") {
        Some("GET" | "HEAD") => Verb::Get,
        Some("POST") => Verb::Post,
        Some("PUT") => Verb::Put,
        Some("PATCH") => Verb::Patch,
        Some("DELETE") => Verb::Delete,
        other => return Err(refuse("request.method", format!("'{}' is no method", other.unwrap_or("")))),
    };
    let url =
        request.text("url").ok_or_else(|| refuse("request.url", "the address is missing".into()))?.to_owned();
    let (path, query) = match url.split_once('?') {
        Some((path, query)) => (path, Some(query.to_owned())),
        None => (url.as_str(), None),
    };
    let mut parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    if parts.len() > 2 {
        // An absolute address: what counts is its end.
        let at = parts.iter().rposition(|part| resource_type_id(part).is_some());
        parts = at.map_or(Vec::new(), |at| parts.split_off(at));
    }
    let type_id = parts.first().and_then(|name| resource_type_id(name));
    if type_id.is_none() {
        return Err(refuse("request.url", format!("'{url}' names no resource type of FHIR R4")));
    }
    let id = parts.get(1).map(|id| (*id).to_owned());
    let if_match = match request.text("ifMatch") {
        None => None,
        Some(tag) => Some(
            parse_etag(tag)
                .ok_or_else(|| refuse("request.ifMatch", format!("'{tag}' is not W/\"version\"")))?,
        ),
    };
    let if_none_match = request.text("ifNoneMatch") == Some("*");
    let if_none_exist = request.text("ifNoneExist").map(|text| text.trim_start_matches('?').to_owned());
    let full_url = item.text("fullUrl").map(str::to_owned);
    let resource = match item {
        Json::Object(properties) => {
            properties.into_iter().find(|(name, _)| name == "resource").map(|(_, value)| value)
        }
        _ => None,
    };
    let request = url.clone();
    Ok(Entry {
        verb,
        full_url,
        type_id,
        id,
        query,
        request,
        if_match,
        if_none_match,
        if_none_exist,
        resource,
    })
}

impl Entry<'_> {
    fn to_read(&self) -> Entry<'static> {
        Entry {
            verb: self.verb,
            full_url: None,
            type_id: self.type_id,
            id: self.id.clone(),
            query: self.query.clone(),
            request: self.request.clone(),
            if_match: None,
            if_none_match: false,
            if_none_exist: None,
            resource: None,
        }
    }
}

/// The version of an entity tag such as `W/"3"`.
pub fn parse_etag(tag: &str) -> Option<u32> {
    let tag = tag.trim();
    let tag = tag.strip_prefix("W/").unwrap_or(tag);
    tag.strip_prefix('"')?.strip_suffix('"')?.parse().ok()
}

/// The name–value pairs of a query string, decoded.
pub fn parse_pairs(query: &str) -> Vec<(String, String)> {
    form_urlencoded::parse(query.as_bytes())
        .map(|(name, value)| (name.into_owned(), value.into_owned()))
        .collect()
}
