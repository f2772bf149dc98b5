//! What is wrong with a record, kept beside it and shown with it.
//!
//! What validation found in content that was accepted although it breaks a rule is
//! the note of the version's body ([`tongmai_codec::note`]): a list of lists of five
//! texts, `[severity, path, code, message, repair]`. So it is in the hash chain and in a
//! backup with its version, and a purge erases both. That a reference points at
//! nothing is not kept: the target may come, and is looked for whenever somebody asks.

use tongmai_access::{Operation, Point, Sealed, Sight};
use tongmai_base::{Finding, Severity};
use tongmai_fhir::definition::{ResourceTypeId, resource_type_name};
use tongmai_fhir::json::{Json, write_string};
use tongmai_fhir::search::Reference;
use tongmai_fhir::validate::is_invalid;
use tongmai_store::{Event, ResourceKey, Snapshot};

use crate::failure::Outcome;
use crate::rights::eye::Eye;
use crate::{Engine, Resource};

/// References of one resource that are looked for; one that has more names its first ones.
const LOOKED_FOR: usize = 1_000;

/// One version with everything the ledger knows of it.
#[derive(Debug)]
pub struct Inspected {
    /// The version.
    pub resource: Resource,
    /// Who wrote it.
    pub actor: String,
    /// Why, as HL7 `v3-PurposeOfUse` codes it.
    pub purpose: String,
    /// What was found when it was written and accepted, then its references that point at nothing now.
    pub findings: Vec<Finding>,
}

impl Engine {
    /// One version, the current one if none is named, with who wrote it and what is wrong with it.
    ///
    /// # Errors
    /// As [`Engine::read`] and [`Engine::read_version`].
    pub fn inspect(
        &self,
        sight: &Sight,
        type_id: ResourceTypeId,
        id: &str,
        version: Option<u32>,
    ) -> Outcome<Sealed<Inspected>> {
        let (resource, event) = match version {
            None => self.newest(sight, Point::Findings, type_id, id)?,
            Some(version) => self.version_at(sight, Point::Findings, type_id, id, version)?,
        };
        let mut findings = kept(&event)?;
        let mut snapshot = self.store.snapshot()?;
        let eye = self.eye(sight, &mut *snapshot)?;
        if sight.limits().is_some() && !eye.of_event(&mut *snapshot, &event)?.full {
            // What was found wrong may name what is blanked.
            findings.clear();
        }
        findings.extend(self.dangling(&eye, &mut *snapshot, &resource)?);
        let text = |symbol| self.store.symbol_text(symbol).map(Option::unwrap_or_default);
        let (actor, purpose) = (text(event.actor)?, text(event.purpose)?);
        let operation = if version.is_some() { Operation::VersionRead } else { Operation::Read };
        Ok(Sealed::new(Inspected { resource, actor, purpose, findings }, operation, vec![event.seq]))
    }

    /// A finding for each reference of a resource whose target is not in the store.
    fn dangling(
        &self,
        eye: &Eye<'_>,
        snapshot: &mut dyn Snapshot,
        resource: &Resource,
    ) -> Outcome<Vec<Finding>> {
        let json = Json::parse(&resource.text).map_err(|_| tongmai_codec::Damaged)?;
        let mut targets = Vec::new();
        let mut path = resource_type_name(resource.type_id).unwrap_or("").to_owned();
        each_target(&json, &mut path, &mut |path, type_id, id| {
            if targets.len() < LOOKED_FOR {
                targets.push((path.to_owned(), type_id, id.to_owned()));
            }
        });
        let mut findings = Vec::new();
        for (path, type_id, id) in targets {
            let mut current = snapshot.current(self.keys.resource(type_id, &id))?;
            if let Some(there) = current.filter(|_| eye.guards(Point::Dangling))
                && !eye.verdicts(snapshot, &[there.seq])?.iter().all(|verdict| verdict.visible)
            {
                current = None;
            }
            if current.is_none_or(|current| current.deleted) {
                let name = resource_type_name(type_id).unwrap_or("");
                let (what, repair) = match current {
                    None => ("is not here yet", "write it, or correct the reference"),
                    Some(_) => ("was deleted", "correct the reference, or write the target again"),
                };
                let finding = Finding::warning(path, "dangling-reference", format!("{name}/{id} {what}"));
                findings.push(finding.with_repair(repair));
            }
        }
        Ok(findings)
    }

    /// The key of each resource that a text refers to, with its type.
    pub(crate) fn targets(&self, json: &Json<'_>, each: &mut dyn FnMut(ResourceTypeId, ResourceKey)) {
        each_target(json, &mut String::new(), &mut |_, type_id, id| {
            each(type_id, self.keys.resource(type_id, id));
        });
    }
}

/// The note that is kept beside a text: nothing, unless the text breaks a rule.
pub(crate) fn note(findings: &[Finding]) -> String {
    if !is_invalid(findings) {
        return String::new();
    }
    let mut out = String::from("[");
    for (index, finding) in findings.iter().enumerate() {
        out.push_str(if index > 0 { ",[" } else { "[" });
        let Finding { severity, path, code, message, repair } = finding;
        for (index, text) in [severity.code(), path, code, message, repair].into_iter().enumerate() {
            out.push_str(if index > 0 { "," } else { "" });
            write_string(text, &mut out);
        }
        out.push(']');
    }
    out.push(']');
    out
}

/// The findings that are kept beside a version.
pub(crate) fn kept(event: &Event) -> Outcome<Vec<Finding>> {
    if event.body.is_empty() {
        return Ok(Vec::new());
    }
    let note = tongmai_codec::note(&event.body)?;
    if note.is_empty() {
        return Ok(Vec::new());
    }
    Ok(read_note(&note).ok_or(tongmai_codec::Damaged)?)
}

fn read_note(note: &[u8]) -> Option<Vec<Finding>> {
    let json = Json::parse(note).ok()?;
    let finding = |item: &Json<'_>| {
        let [severity, path, code, message, repair] = item.as_array()? else { return None };
        let grades = [Severity::Information, Severity::Warning, Severity::Error, Severity::Fatal];
        let severity = grades.into_iter().find(|grade| Some(grade.code()) == severity.as_str())?;
        let finding = Finding::new(severity, path.as_str()?, code.as_str()?, message.as_str()?);
        Some(finding.with_repair(repair.as_str()?))
    };
    json.as_array()?.iter().map(finding).collect()
}

/// Calls `each` with the path, type and id of every reference to a resource of this installation.
fn each_target(json: &Json<'_>, path: &mut String, each: &mut dyn FnMut(&str, ResourceTypeId, &str)) {
    let length = path.len();
    match json {
        // What a stored Bundle refers to stands in the Bundle.
        Json::Object(_) if json.text("resourceType") == Some("Bundle") => {}
        Json::Object(properties) => {
            for (name, value) in properties {
                if name == "reference"
                    && let Some(text) = value.as_str()
                {
                    let reference = Reference::parse(text);
                    if let (true, Some(type_id), Some(id)) =
                        (reference.is_relative(), reference.resource_type, reference.id)
                    {
                        each(path, type_id, id);
                    }
                    continue;
                }
                path.push('.');
                path.push_str(name);
                each_target(value, path, each);
                path.truncate(length);
            }
        }
        Json::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                path.push_str(&format!("[{index}]"));
                each_target(item, path, each);
                path.truncate(length);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_reads_back_as_it_was_written() {
        let findings = vec![
            Finding::error("Patient.gender", "binding", "'女\"\\' is no code").with_repair("write female"),
            Finding::warning("Patient", "other", ""),
        ];
        assert_eq!(read_note(note(&findings).as_bytes()), Some(findings.clone()));
        // What breaks no rule has no note.
        assert_eq!(note(&findings[1..]), "");
        for damaged in ["", "{}", "[[\"error\"]]", "[[\"grave\",\"\",\"\",\"\",\"\"]]", "[1]"] {
            assert_eq!(read_note(damaged.as_bytes()), None, "{damaged}");
        }
    }
}
