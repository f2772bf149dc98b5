//! Taking in lines of resources that another system wrote.
//!
//! A source's ids are its own: two hospitals may both have `Patient/1`. So each
//! resource gets an id derived from the source's name and its id there, and the
//! references between them are rewritten alike. Sending a line again changes
//! nothing, which makes an import that broke off easy to repeat.

use std::borrow::Cow;
use std::collections::HashSet;

use tongmai_access::Sight;
use tongmai_base::Finding;
use tongmai_fhir::definition::resource_type_name;
use tongmai_fhir::json::Json;
use tongmai_fhir::reference::for_each_reference_mut;
use tongmai_fhir::search::Reference;
use tongmai_store::Change;

use crate::Engine;
use crate::failure::{Failure, Outcome, Reason};
use crate::write::{Checked, Conditions, Did};
use crate::writer::WriteError;

/// What became of a line.
#[derive(Debug)]
pub enum LineResult {
    /// It is kept now.
    Kept,
    /// It was here already, word for word.
    Unchanged,
    /// It was not taken in.
    Refused(Vec<Finding>),
}

/// How often a group of lines is decided again when somebody else was faster.
const ATTEMPTS: usize = 8;

impl Engine {
    /// Takes in lines of one source as one durable group; each line fares on its own.
    pub async fn import_lines(
        &self,
        sight: &Sight,
        source: &str,
        lines: &[&[u8]],
    ) -> Outcome<Vec<LineResult>> {
        let mut results = Vec::with_capacity(lines.len());
        let mut rest = lines;
        while !rest.is_empty() {
            let taken = self.import_group(sight, source, rest, &mut results).await?;
            rest = &rest[taken..];
        }
        Ok(results)
    }

    /// Takes in lines up to the first that repeats a resource of the group; returns how many.
    async fn import_group(
        &self,
        sight: &Sight,
        source: &str,
        lines: &[&[u8]],
        results: &mut Vec<LineResult>,
    ) -> Outcome<usize> {
        for attempt in 1.. {
            let (mut changes, mut keys, mut group) = (Vec::new(), HashSet::new(), Vec::new());
            {
                let mut snapshot = self.store.snapshot()?;
                for line in lines {
                    let decided = self.import_line(sight, &mut *snapshot, source, line);
                    match decided {
                        Ok(Some(change)) => {
                            let change: Change = change;
                            if !keys.insert(change.key) {
                                break;
                            }
                            changes.push(change);
                            group.push(LineResult::Kept);
                        }
                        Ok(None) => group.push(LineResult::Unchanged),
                        Err(failure) if failure.reason == Reason::Internal => return Err(failure),
                        Err(failure) => group.push(LineResult::Refused(failure.findings)),
                    }
                }
            }
            let taken = group.len();
            if !changes.is_empty() {
                let transaction = self.transaction(sight, changes, Vec::new())?;
                match self.commit(transaction).await {
                    Ok(_) => {}
                    Err(WriteError::Rejected(_)) if attempt < ATTEMPTS => continue,
                    Err(error) => return Err(error.into()),
                }
            }
            results.extend(group);
            return Ok(taken);
        }
        unreachable!("the last attempt returns")
    }

    fn import_line(
        &self,
        sight: &Sight,
        snapshot: &mut dyn tongmai_store::Snapshot,
        source: &str,
        line: &[u8],
    ) -> Outcome<Option<Change>> {
        let mut json = Json::parse(line).map_err(|error| {
            Failure::new(Reason::Invalid, &error.offset.to_string(), "json", error.message)
        })?;
        let own_id = json.text("id").map(str::to_owned);
        for_each_reference_mut(&mut json, &mut |text: &mut Cow<'_, str>| {
            let reference = Reference::parse(text);
            if let (Some(type_id), Some(id), true) =
                (reference.resource_type, reference.id, reference.is_relative())
            {
                let name = resource_type_name(type_id).unwrap_or("");
                *text = Cow::Owned(format!("{name}/{}", self.derived_id(source, name, id)));
            }
        });
        let checked: Checked<'_> = self.check_json(json, None)?;
        let name = resource_type_name(checked.type_id).unwrap_or("");
        let id = match &own_id {
            Some(own) => self.derived_id(source, name, own),
            None => self.fresh_id(),
        };
        let mut decided = self.decide_put(sight, snapshot, &checked, &id, false, &Conditions::default())?;
        debug_assert!(decided.did != Did::Deleted);
        if let (Some(change), Some(own)) = (&mut decided.change, &own_id) {
            change.source_key = Some(self.keys.source(source, name, own));
        }
        Ok(decided.change)
    }

    /// The resource that a source's own id became here, as `Type/id`.
    pub fn of_source(&self, source: &str, type_name: &str, id: &str) -> Outcome<Option<String>> {
        let mut snapshot = self.store.snapshot()?;
        let Some(key) = snapshot.directory(self.keys.source(source, type_name, id))? else { return Ok(None) };
        let Some(event) = snapshot.current_event(key)? else { return Ok(None) };
        Ok(Some(format!("{type_name}/{}", self.resource(&event)?.id)))
    }
}
