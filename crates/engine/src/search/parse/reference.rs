//! References: by id, by address, by version, by the target's identifier.

use tongmai_fhir::definition::resource_type_id;
use tongmai_fhir::search::Reference;

use super::{Condition, invalid, split, unescape};
use crate::failure::Outcome;
use crate::rows::reference_value;
use crate::search::predicate::{Equal, Predicate, ValueMatch};
use crate::slots::{self, IDENTIFIERS};

impl Condition<'_> {
    pub(super) fn reference(&self, alternatives: &[&str]) -> Outcome<Predicate> {
        let keys = &self.engine.keys;
        let place = slots::place(self.type_id, self.parameter);
        if self.modifier == Some("identifier") {
            let mut rows = Vec::new();
            for text in alternatives {
                let (system, code) = match split(text, '|').as_slice() {
                    [code] => (None, unescape(code)),
                    [system, code] => (Some(unescape(system)), unescape(code)),
                    _ => return Err(invalid(self.name, "write value or system|value")),
                };
                let extra = match system {
                    Some(system) => match self.system(&system)? {
                        Some(extra) => Some(extra),
                        None => continue,
                    },
                    None => None,
                };
                let value = keys.code(&code);
                rows.extend(place.slots.iter().map(|slot| Equal { slot: slot | IDENTIFIERS, value, extra }));
            }
            return Ok(Predicate::Equal(rows));
        }
        let only = match self.modifier {
            None => place.only_target,
            Some(name) => Some(resource_type_id(name).ok_or_else(|| self.wrong_modifier())?),
        };
        let mut rows = Vec::new();
        let mut versions = Vec::new();
        for text in alternatives {
            let text = unescape(text);
            let canonical = Reference::parse_canonical(&text);
            if let (Some(url), Some(version)) = (canonical.url, canonical.version)
                && text.contains('|')
            {
                versions.push((url.to_owned(), version.to_owned()));
                rows.extend(self.equal(keys.address(url), None));
                continue;
            }
            let reference = Reference::parse(&text);
            if tongmai_fhir::format::is_id(&text) {
                let targets = match only {
                    Some(target) => vec![target],
                    None => self.parameter.targets.to_vec(),
                };
                for target in targets {
                    rows.extend(self.equal(keys.resource(target, &text).0, None));
                }
            } else if only.is_some() && reference.resource_type.is_some() && reference.resource_type != only {
                // A reference to another type can never match.
            } else if let Some(value) = reference_value(keys, &reference) {
                rows.extend(self.equal(value, None));
            } else {
                return Err(invalid(
                    self.name,
                    format!("'{text}' is not a reference: write id, Type/id or an address"),
                ));
            }
        }
        let found = Predicate::Equal(rows);
        Ok(if versions.is_empty() {
            found
        } else {
            Predicate::All(vec![found, Predicate::Values(self.parameter.id, ValueMatch::Version(versions))])
        })
    }
}
