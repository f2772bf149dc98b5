//! `Patient/$merge`, shaped as FHIR R5 has it, over R4.
//!
//! A merge moves no data: it is a ruling that two records are one person. Beside the ruling, the source
//! is marked as replaced (`active` false, `link` replaced-by) and the target as replacing it, as the
//! operation demands; all in one transaction. It is taken back by undoing the ruling.

use tongmai_access::{Operation, Point, Sealed, Sight};
use tongmai_base::limits;
use tongmai_fhir::json::{Json, write_string};

use super::ruling::{Kind, Ruling};
use crate::bundle::{EntryResult, How, Ids};
use crate::failure::{Failure, Outcome, Reason};
use crate::{Engine, Resource};

/// What is to be merged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merge {
    /// Id of the Patient that is replaced.
    pub source: String,
    /// Id of the Patient that stays.
    pub target: String,
    /// Only say what would become of it.
    pub preview: bool,
    /// Who, and why.
    pub who: String,
    /// See `who`.
    pub why: String,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Merged {
    /// The target, as it is now or would be.
    pub target: Resource,
    /// The ruling; `None` for a preview.
    pub ruling: Option<String>,
    /// A second person must say the same before the two are one person.
    pub waits: bool,
}

const EXAMPLE: &str = "send Parameters with source-patient and target-patient as references to Patients";

fn invalid(path: &str, message: impl Into<String>) -> Failure {
    Failure::new(Reason::Invalid, path, "invalid", message).repair(EXAMPLE)
}

/// The text of a Patient with another `active` and one more `link`; what else it says stays.
fn linked(resource: &Resource, active: bool, other: &str, kind: &'static str) -> Outcome<String> {
    let Ok(Json::Object(mut fields)) = Json::parse(&resource.text) else {
        return Err(tongmai_codec::Damaged.into());
    };
    let mut links = match fields.iter().position(|(name, _)| name == "link").map(|at| fields.remove(at)) {
        Some((_, Json::Array(links))) => links,
        _ => Vec::new(),
    };
    let reference = Json::Object(vec![("reference".into(), Json::String(format!("Patient/{other}").into()))]);
    links.push(Json::Object(vec![("other".into(), reference), ("type".into(), Json::String(kind.into()))]));
    fields.retain(|(name, _)| name != "active");
    fields.push(("active".into(), Json::Bool(active)));
    fields.push(("link".into(), Json::Array(links)));
    let mut text = String::new();
    Json::Object(fields).write(&mut text);
    Ok(text)
}

impl Engine {
    /// Reads the Parameters of `$merge`; whose `sight` it is decides.
    pub fn merge_question(&self, text: &[u8], sight: &Sight) -> Outcome<Merge> {
        let json = Json::parse(text).map_err(|error| {
            let (line, column) = error.position(text);
            Failure::new(Reason::Invalid, &format!("{line}:{column}"), "json", error.message).repair(EXAMPLE)
        })?;
        let parameters = json.items("parameter");
        if json.text("resourceType") != Some("Parameters") || parameters.len() > limits::SEARCH_PARAMETERS {
            return Err(invalid("Parameters", "it is no Parameters, or has too many"));
        }
        let (mut source, mut target, mut preview) = (None, None, false);
        let mut why = String::new();
        for parameter in parameters {
            match parameter.text("name").unwrap_or("") {
                "source-patient" => source = Some(reference("source-patient", parameter)?),
                "target-patient" => target = Some(reference("target-patient", parameter)?),
                "source-patient-identifier" => {
                    source = Some(self.by_identifier(sight, "source-patient-identifier", parameter)?)
                }
                "target-patient-identifier" => {
                    target = Some(self.by_identifier(sight, "target-patient-identifier", parameter)?)
                }
                "preview" => preview = matches!(parameter.get("valueBoolean"), Some(Json::Bool(true))),
                "reason" => parameter.text("valueString").unwrap_or("").clone_into(&mut why),
                other => return Err(invalid(other, format!("$merge has no parameter '{other}'"))),
            }
        }
        let source = source.ok_or_else(|| invalid("source-patient", "it is missing"))?;
        let target = target.ok_or_else(|| invalid("target-patient", "it is missing"))?;
        if source == target {
            return Err(invalid("target-patient", "source and target are one record"));
        }
        if why.trim().is_empty() {
            "merged by Patient/$merge".clone_into(&mut why);
        }
        Ok(Merge { source, target, preview, who: sight.requester().actor.clone(), why })
    }

    fn by_identifier(&self, sight: &Sight, field: &str, parameter: &Json<'_>) -> Outcome<String> {
        let identifier =
            parameter.get("valueIdentifier").ok_or_else(|| invalid(field, "it is no Identifier"))?;
        let (system, value) =
            (identifier.text("system").unwrap_or(""), identifier.text("value").unwrap_or(""));
        let found = self.patients_of(sight, system, value)?;
        match found.as_slice() {
            [one] => Ok(one.id.clone()),
            [] => Err(invalid(field, "no Patient has this identifier")),
            _ => Err(invalid(field, "several Patients have this identifier")),
        }
    }

    /// Merges, or says what would become of it.
    ///
    /// # Errors
    /// As [`Engine::rule`]: a patient is unknown, they are one already, or a ruling forbids it.
    pub async fn merge_patients(&self, sight: &Sight, merge: &Merge) -> Outcome<Sealed<Merged>> {
        let ruling = Ruling {
            kind: Kind::Same,
            patients: vec![merge.source.clone(), merge.target.clone()],
            undone: None,
            who: merge.who.clone(),
            why: merge.why.clone(),
        };
        // Who may not see one of them is told no more than that it is not there.
        let (source, target) = (self.now_of(sight, &merge.source)?, self.now_of(sight, &merge.target)?);
        let ruling = self.admit(&ruling)?;
        let result = linked(&target, true, &merge.source, "replaces")?;
        if merge.preview {
            let position = target.seq;
            let target = Resource { text: result.into_bytes(), ..target };
            let merged =
                Merged { target, ruling: None, waits: self.would_wait(&merge.source, &merge.target)? };
            return Ok(Sealed::new(merged, Operation::Read, vec![position]));
        }
        let replaced = linked(&source, false, &merge.target, "replaced-by")?;
        let mut bundle = String::from("{\"resourceType\":\"Bundle\",\"type\":\"transaction\",\"entry\":[");
        for (resource, text) in [(&source, &replaced), (&target, &result)] {
            bundle.push_str("{\"resource\":");
            bundle.push_str(text);
            bundle.push_str(",\"request\":{\"method\":\"PUT\",\"url\":");
            write_string(&format!("Patient/{}", resource.id), &mut bundle);
            bundle.push_str(&format!(",\"ifMatch\":\"W/\\\"{}\\\"\"}}}},", resource.version));
        }
        bundle.push_str("{\"resource\":");
        bundle.push_str(&ruling.to_provenance(self.now()));
        bundle.push_str(",\"request\":{\"method\":\"POST\",\"url\":\"Provenance\"}}]}");
        let (_, results) =
            self.carry_out(sight, bundle.as_bytes(), How { ids: Ids::Fresh, combine: None }).await?;
        let mut written = results.into_iter().filter_map(|result| match result {
            EntryResult::Written(written) => written.resource,
            _ => None,
        });
        let (_, target, ruling) = (written.next(), written.next(), written.next());
        let target = target.ok_or_else(|| Failure::not_found(format!("Patient/{}", merge.target)))?;
        let waits = self.would_wait(&merge.source, &merge.target)?;
        let positions = [Some(target.seq), ruling.as_ref().map(|ruling| ruling.seq)];
        let merged = Merged { target, ruling: ruling.map(|ruling| ruling.id), waits };
        Ok(Sealed::new(merged, Operation::Write, positions.into_iter().flatten().collect()))
    }

    /// Whether calling two patients the same takes a second person.
    fn would_wait(&self, left: &str, right: &str) -> Outcome<bool> {
        let desk = self.desk()?;
        let pair = self.number(&desk, left).zip(self.number(&desk, right));
        Ok(pair.is_some_and(|(a, b)| {
            desk.linker.person_of(a) != desk.linker.person_of(b)
                && desk.linker.weigh(a, b).is_some_and(|weighed| desk.linker.is_override(&weighed))
        }))
    }

    /// The current version of a patient that the matcher knows.
    pub(super) fn now_of(&self, sight: &Sight, id: &str) -> Outcome<Resource> {
        let mut snapshot = self.store.snapshot()?;
        let eye = self.eye(sight, &mut *snapshot)?;
        let desk = self.desk()?;
        let member = match self.number(&desk, id) {
            Some(record) => self.seen_member(&eye, Point::Person, &mut *snapshot, &desk, record)?,
            None => None,
        };
        member.map(|member| member.resource).ok_or_else(|| Failure::not_found(format!("Patient/{id}")))
    }
}

fn reference(field: &str, parameter: &Json<'_>) -> Outcome<String> {
    let reference = parameter.get("valueReference").and_then(|reference| reference.text("reference"));
    let id = reference.and_then(|reference| reference.rsplit("Patient/").next()).unwrap_or("");
    match reference.is_some_and(|reference| reference.contains("Patient/")) && !id.contains('/') {
        true => Ok(id.to_owned()),
        false => Err(invalid(field, "it is no reference to a Patient")),
    }
}
