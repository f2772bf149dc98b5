//! Cross-references of numbers: which other numbers has the person of this one?
//!
//! What IHE PIXm asks (ITI-83, `Patient/$ihe-pix`), and what the platform's services of persons answer.

use std::collections::BTreeSet;

use tongmai_access::{Operation, Point, Sealed, Sight};
use tongmai_base::limits;
use tongmai_fhir::json::Json;

use super::Person;
use crate::failure::{Failure, Outcome, Reason};
use crate::rows::patient_type;
use crate::search::Page;
use crate::{Engine, Resource};

/// A number of a person and the record that says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Number {
    /// Its system; empty where the record names none.
    pub system: String,
    /// The number.
    pub value: String,
    /// Id of the Patient.
    pub patient: String,
}

/// The numbers of one person.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CrossReference {
    /// Numbers in the asked systems, the asked number itself left out.
    pub numbers: Vec<Number>,
    /// Ids of the person's records.
    pub patients: Vec<String>,
}

/// The numbers that a Patient says.
fn numbers(resource: &Resource) -> Outcome<Vec<Number>> {
    let json = Json::parse(&resource.text).map_err(|_| tongmai_codec::Damaged)?;
    let identifiers = json.items("identifier").iter();
    Ok(identifiers
        .filter_map(|identifier| {
            let value = identifier.text("value")?.to_owned();
            let system = identifier.text("system").unwrap_or("").to_owned();
            Some(Number { system, value, patient: resource.id.clone() })
        })
        .collect())
}

impl Engine {
    /// The records of one number, as `system|value`.
    pub(super) fn patients_of(&self, sight: &Sight, system: &str, value: &str) -> Outcome<Vec<Resource>> {
        let escape = |text: &str| {
            text.replace('\\', "\\\\").replace(',', "\\,").replace('$', "\\$").replace('|', "\\|")
        };
        let token = format!("{}|{}", escape(system), escape(value));
        let kind = patient_type().unwrap_or_default();
        let query = self.query(&[kind], None, &[("identifier".into(), token)], false)?;
        Ok(self.found(sight, &query)?.matches)
    }

    /// Whether any record has a number of this system.
    fn is_known_system(&self, sight: &Sight, system: &str) -> Outcome<bool> {
        let kind = patient_type().unwrap_or_default();
        let token = format!("{}|", system.replace('|', "\\|"));
        let pairs = [("identifier".into(), token), ("_count".into(), "1".into())];
        let query = self.query(&[kind], None, &pairs, false)?;
        Ok(!self.found(sight, &query)?.matches.is_empty())
    }

    /// A search of Patient whose answer also holds the other records of each person that it finds, behind those
    /// that were found: what a query of a master patient index asks. `asked` are the pairs of a search.
    ///
    /// # Errors
    /// As a search.
    pub fn search_persons(&self, sight: &Sight, asked: &[(String, String)]) -> Outcome<Sealed<Page>> {
        let kind = patient_type().unwrap_or_default();
        let query = self.query(&[kind], None, asked, false)?;
        let found = self.found(sight, &query)?.matches;
        let mut ids: Vec<String> = found.into_iter().map(|patient| patient.id).collect();
        if ids.is_empty() {
            return self.search(sight, &query, None);
        }
        let mut others = Vec::new();
        {
            let mut snapshot = self.store.snapshot()?;
            let eye = self.eye(sight, &mut *snapshot)?;
            let desk = self.desk()?;
            for record in ids.iter().filter_map(|id| self.number(&desk, id)) {
                for other in desk.linker.together(record) {
                    let member = self.seen_member(&eye, Point::Person, &mut *snapshot, &desk, other)?;
                    others.extend(member.map(|member| member.resource.id));
                }
            }
        }
        for other in others {
            if !ids.contains(&other) {
                ids.push(other);
            }
        }
        ids.truncate(limits::SEARCH_ALTERNATIVES);
        let mut pairs = vec![("_id".to_owned(), ids.join(","))];
        pairs.extend(asked.iter().filter(|(name, _)| name.starts_with('_')).cloned());
        let query = self.query(&[kind], None, &pairs, false)?;
        let place = move |patient: &Resource| ids.iter().position(|id| *id == patient.id);
        Ok(self.search(sight, &query, None)?.map(|mut page| {
            page.matches.sort_by_key(place);
            page
        }))
    }

    /// The person of a number.
    ///
    /// # Errors
    /// Not found when no record has it; a conflict when records of several persons have it.
    pub fn person_by_identifier(&self, sight: &Sight, system: &str, value: &str) -> Outcome<Sealed<Person>> {
        let found = self.patients_of(sight, system, value)?;
        let eye = self.eye(sight, &mut *self.store.snapshot()?)?;
        let desk = self.desk()?;
        let records: Vec<_> = found.iter().filter_map(|patient| self.number(&desk, &patient.id)).collect();
        let persons: BTreeSet<_> =
            records.iter().filter_map(|record| desk.linker.person_of(*record)).collect();
        let unknown = || {
            Failure::new(Reason::NotFound, "sourceIdentifier", "not-found", "no record has this number")
                .repair("check the number and its system")
        };
        if persons.len() > 1 {
            let message = "records of several persons have this number";
            return Err(Failure::new(Reason::Conflict, "sourceIdentifier", "conflict", message)
                .repair("let a person look at them on the identity desk"));
        }
        let record = *records.first().ok_or_else(unknown)?;
        self.person_at(&eye, &desk, record)?.ok_or_else(unknown)
    }

    /// The other numbers of the person who has this one; with `targets`, those of these systems only.
    ///
    /// # Errors
    /// As IHE PIXm asks: not found for a number that no record has, invalid for a source system that none has,
    /// forbidden for such a target system.
    pub fn cross_reference(
        &self,
        sight: &Sight,
        system: &str,
        value: &str,
        targets: &[String],
    ) -> Outcome<Sealed<CrossReference>> {
        for (field, asked) in std::iter::once(("sourceIdentifier", system))
            .chain(targets.iter().map(|t| ("targetSystem", t.as_str())))
        {
            if !self.is_known_system(sight, asked)? {
                // ITI-83: 400 where the source's authority is not known (case 4), 403 where a target's is not (case 5).
                let reason = if field == "targetSystem" { Reason::Forbidden } else { Reason::Invalid };
                let message = format!("no record has a number of the system '{asked}'");
                return Err(Failure::new(reason, field, "code-invalid", message)
                    .repair("name the system as the records do"));
            }
        }
        let person = self.person_by_identifier(sight, system, value)?;
        let positions = person.positions().to_vec();
        let (mut answer, mut failed) = (CrossReference::default(), None);
        let _ = person.map(|person| {
            for member in &person.members {
                answer.patients.push(member.resource.id.clone());
                match numbers(&member.resource) {
                    Ok(found) => answer.numbers.extend(found),
                    Err(failure) => failed = Some(failure),
                }
            }
        });
        if let Some(failure) = failed {
            return Err(failure);
        }
        let wanted = |number: &Number| {
            (number.system.as_str(), number.value.as_str()) != (system, value)
                && (targets.is_empty() || targets.contains(&number.system))
        };
        answer.numbers.retain(wanted);
        answer.numbers.dedup_by(|a, b| a.system == b.system && a.value == b.value);
        Ok(Sealed::new(answer, Operation::Search, positions))
    }
}
