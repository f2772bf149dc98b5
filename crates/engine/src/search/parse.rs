//! Reads the parameters of a search request.
//!
//! Each kind of parameter has its module. What is not known is refused with a finding that names the parameter, unless
//! the one who asks is lenient; then the answer lists what was ignored.

mod chain;
mod composite;
mod number;
mod reference;
mod shape;
mod text;
mod token;

use tongmai_base::limits;
use tongmai_fhir::compartment::{self, Compartment};
use tongmai_fhir::definition::{ResourceTypeId, resource_type_id, resource_type_name};
use tongmai_fhir::search::{self, Kind, SearchParameter};

use super::predicate::{Equal, Predicate};
use super::{Query, TypeQuery};
use crate::Engine;
use crate::failure::{Failure, Outcome, Reason};
use crate::slots::{self, IDENTIFIERS};
use number::join_dates;

/// Parameters that shape the answer and stand in no index.
const SHAPING: &[&str] = &[
    "_sort",
    "_count",
    "_total",
    "_summary",
    "_elements",
    "_include",
    "_revinclude",
    "_type",
    "_format",
    "_pretty",
    "_page",
    "_contained",
    "_containedType",
];

/// The code system behind `:in`, `:below` … is not here; the finding says so.
fn unsupported(name: &str, why: impl Into<String>) -> Failure {
    Failure::new(Reason::NotSupported, name, "not-supported", why)
}

fn invalid(name: &str, why: impl Into<String>) -> Failure {
    Failure::new(Reason::Invalid, name, "invalid", why)
}

impl Engine {
    /// Reads a search of `types` (all when it is empty), within a compartment if one is given.
    ///
    /// # Errors
    /// An unknown parameter, modifier or malformed value, and anything over a limit; with `lenient`
    /// unknown and unsupported parameters are listed in [`Query::ignored`] instead.
    pub fn query(
        &self,
        types: &[ResourceTypeId],
        compartment: Option<(Compartment, &str)>,
        parameters: &[(String, String)],
        lenient: bool,
    ) -> Outcome<Query> {
        if parameters.len() > limits::SEARCH_PARAMETERS {
            return Err(Failure::new(
                Reason::TooLarge,
                "",
                "too-many",
                format!("a search has at most {} parameters", limits::SEARCH_PARAMETERS),
            ));
        }
        let mut query = Query { count: limits::PAGE_DEFAULT, ..Query::default() };
        let types = self.types_asked(types, parameters)?;
        for &type_id in &types {
            query.types.push(TypeQuery { type_id, predicates: Vec::new() });
        }
        for (name, value) in parameters {
            if value.is_empty() && !name.is_empty() && !SHAPING.contains(&name.as_str()) {
                continue;
            }
            let read = if SHAPING.contains(&name.split(':').next().unwrap_or(name)) {
                self.shape(&mut query, name, value)
            } else {
                self.condition(&mut query, name, value)
            };
            match read {
                Ok(()) => {}
                Err(failure)
                    if lenient
                        && failure
                            .findings
                            .iter()
                            .any(|f| matches!(f.code.as_str(), "not-supported" | "unknown")) =>
                {
                    query.ignored.push(format!("{name}={value}"));
                }
                Err(failure) => return Err(failure),
            }
        }
        if let Some((compartment, id)) = compartment {
            self.confine(&mut query, compartment, id)?;
        }
        query.types.iter_mut().for_each(|of| join_dates(&mut of.predicates));
        Ok(query)
    }

    fn types_asked(
        &self,
        types: &[ResourceTypeId],
        parameters: &[(String, String)],
    ) -> Outcome<Vec<ResourceTypeId>> {
        let mut asked = Vec::new();
        for (_, value) in parameters.iter().filter(|(name, _)| name == "_type") {
            for name in value.split(',') {
                let id = resource_type_id(name)
                    .ok_or_else(|| invalid("_type", format!("'{name}' is not a resource type of FHIR R4")))?;
                if !asked.contains(&id) {
                    asked.push(id);
                }
            }
        }
        if types.is_empty() {
            if asked.is_empty() {
                asked = (0..tongmai_fhir::definition::resource_types().len() as ResourceTypeId).collect();
            }
            return Ok(asked);
        }
        if asked.is_empty() {
            return Ok(types.to_vec());
        }
        Ok(types.iter().copied().filter(|id| asked.contains(id)).collect())
    }

    fn confine(&self, query: &mut Query, compartment: Compartment, id: &str) -> Outcome<()> {
        let owner = resource_type_id(&format!("{compartment:?}"))
            .ok_or_else(|| invalid("", "the compartment has no resource type"))?;
        let value = self.keys.resource(owner, id).0;
        query.types.retain_mut(|of| {
            let mut rows = Vec::new();
            for parameter in compartment::parameters(compartment, of.type_id) {
                for &slot in &slots::place(of.type_id, parameter).slots {
                    rows.push(Equal { slot, value, extra: None });
                }
            }
            let mut any = Vec::new();
            if of.type_id == owner {
                any.push(Predicate::Ids(vec![id.to_owned()]));
            }
            if !rows.is_empty() {
                any.push(Predicate::Equal(rows));
            }
            match any.len() {
                0 => false,
                1 => {
                    of.predicates.extend(any);
                    true
                }
                _ => {
                    of.predicates.push(Predicate::Any(any));
                    true
                }
            }
        });
        Ok(())
    }

    fn condition(&self, query: &mut Query, name: &str, value: &str) -> Outcome<()> {
        let mut read = Vec::with_capacity(query.types.len());
        for of in &query.types {
            read.push(self.predicate(of.type_id, name, value, 0)?);
        }
        for (of, predicate) in query.types.iter_mut().zip(read) {
            of.predicates.push(predicate);
        }
        Ok(())
    }

    fn predicate(
        &self,
        type_id: ResourceTypeId,
        name: &str,
        value: &str,
        depth: usize,
    ) -> Outcome<Predicate> {
        if depth > limits::CHAIN_DEPTH {
            return Err(Failure::new(
                Reason::TooLarge,
                name,
                "too-deep",
                format!("a chain has at most {} references", limits::CHAIN_DEPTH),
            ));
        }
        if let Some(rest) = name.strip_prefix("_has:") {
            return self.has(type_id, name, rest, value, depth);
        }
        if let Some((first, rest)) = name.split_once('.') {
            return self.chain(type_id, first, rest, value, depth);
        }
        let (code, modifier) =
            name.split_once(':').map_or((name, None), |(code, modifier)| (code, Some(modifier)));
        let type_name = resource_type_name(type_id).unwrap_or("");
        let Some(parameter) = search::parameter(type_id, code) else {
            return Err(Failure::new(
                Reason::Invalid,
                name,
                "unknown",
                format!("{type_name} has no search parameter '{code}'"),
            )
            .repair("see the CapabilityStatement at [base]/metadata, or send Prefer: handling=lenient"));
        };
        let alternatives = split(value, ',');
        if alternatives.len() > limits::SEARCH_ALTERNATIVES {
            return Err(Failure::new(
                Reason::TooLarge,
                name,
                "too-many",
                format!("a parameter has at most {} alternatives", limits::SEARCH_ALTERNATIVES),
            ));
        }
        if modifier == Some("missing") {
            return self.missing(type_id, parameter, name, value);
        }
        match code {
            "_id" => match modifier {
                None => return Ok(Predicate::Ids(alternatives.iter().map(|a| unescape(a)).collect())),
                Some("not") => {
                    let ids = alternatives.iter().map(|a| unescape(a)).collect();
                    return Ok(Predicate::Not(Box::new(Predicate::Ids(ids))));
                }
                Some(other) => {
                    return Err(unsupported(name, format!("modifier :{other} has no meaning for _id")));
                }
            },
            "_lastUpdated" => {
                let any = alternatives.iter().map(|a| self.period(name, a)).collect::<Outcome<_>>()?;
                return Ok(Predicate::Updated(any));
            }
            _ => {}
        }
        let single = Condition { engine: self, type_id, parameter, name, modifier };
        match parameter.kind {
            Kind::Token => single.token(&alternatives),
            Kind::String => single.string(&alternatives),
            Kind::Reference => single.reference(&alternatives),
            Kind::Date => single.date(&alternatives),
            Kind::Number | Kind::Quantity => single.number(&alternatives),
            Kind::Uri => single.uri(&alternatives),
            Kind::Composite => single.composite(&alternatives),
            Kind::Special => Err(unsupported(name, format!("the parameter '{code}' is not supported"))),
        }
    }

    fn missing(
        &self,
        type_id: ResourceTypeId,
        parameter: &SearchParameter,
        name: &str,
        value: &str,
    ) -> Outcome<Predicate> {
        let missing = match value {
            "true" => true,
            "false" => false,
            _ => return Err(invalid(name, "':missing' is true or false")),
        };
        if matches!(parameter.code, "_id" | "_lastUpdated") {
            let none = Predicate::Any(Vec::new());
            return Ok(if missing { none } else { Predicate::Not(Box::new(none)) });
        }
        if parameter.kind == Kind::Composite || parameter.kind == Kind::Special {
            return Err(unsupported(name, "':missing' is not supported for this parameter"));
        }
        let slots = slots::place(type_id, parameter).slots.clone();
        let text_slots = if parameter.kind == Kind::String { slots.clone() } else { Vec::new() };
        let slots = if parameter.kind == Kind::Reference {
            slots.iter().flat_map(|slot| [*slot, slot | IDENTIFIERS]).collect()
        } else {
            slots
        };
        let present = Predicate::Present { slots, text_slots };
        Ok(if missing { Predicate::Not(Box::new(present)) } else { present })
    }
}

/// One parameter of one type, being read.
struct Condition<'c> {
    engine: &'c Engine,
    type_id: ResourceTypeId,
    parameter: &'static SearchParameter,
    name: &'c str,
    modifier: Option<&'c str>,
}

impl Condition<'_> {
    fn slots(&self) -> &'static [u16] {
        &slots::place(self.type_id, self.parameter).slots
    }

    fn slot(&self) -> Outcome<u16> {
        self.slots().first().copied().ok_or_else(|| unsupported(self.name, "the parameter has no index"))
    }

    fn wrong_modifier(&self) -> Failure {
        let modifier = self.modifier.unwrap_or("");
        unsupported(self.name, format!("modifier :{modifier} is not supported for this parameter"))
            .repair("see the CapabilityStatement at [base]/metadata")
    }

    /// All rows of `slots` with this value.
    fn equal(&self, value: i64, extra: Option<i64>) -> Vec<Equal> {
        self.slots().iter().map(|&slot| Equal { slot, value, extra }).collect()
    }

    /// The extra that a system has in the rows; `None` when nothing here has that system.
    fn system(&self, system: &str) -> Outcome<Option<i64>> {
        if system.is_empty() {
            return Ok(Some(0));
        }
        Ok(self.engine.store.find_symbol(system)?.map(i64::from))
    }
}

/// Parts of a text at a separator that no backslash stands before.
fn split(text: &str, separator: char) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut start = 0;
    let mut escaped = false;
    for (index, character) in text.char_indices() {
        if escaped {
            escaped = false;
        } else if character == '\\' {
            escaped = true;
        } else if character == separator {
            parts.push(&text[start..index]);
            start = index + character.len_utf8();
        }
    }
    parts.push(&text[start..]);
    parts
}

fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => out.extend(characters.next()),
            other => out.push(other),
        }
    }
    out
}
