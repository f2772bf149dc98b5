//! Conditions on other resources: chains, and `_has`.

use tongmai_fhir::definition::{ResourceTypeId, resource_type_id, resource_type_name};
use tongmai_fhir::search::{self, Kind};

use super::invalid;
use crate::Engine;
use crate::failure::{Failure, Outcome, Reason};
use crate::search::predicate::Predicate;
use crate::slots;

impl Engine {
    pub(super) fn has(
        &self,
        type_id: ResourceTypeId,
        name: &str,
        rest: &str,
        value: &str,
        depth: usize,
    ) -> Outcome<Predicate> {
        let mut parts = rest.splitn(3, ':');
        let (Some(source), Some(code), Some(inner)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(invalid(name, "write _has:Type:reference:parameter=value"));
        };
        let source = resource_type_id(source)
            .ok_or_else(|| invalid(name, format!("'{source}' is not a resource type of FHIR R4")))?;
        let parameter = search::parameter(source, code)
            .filter(|parameter| parameter.kind == Kind::Reference)
            .ok_or_else(|| {
                Failure::new(
                    Reason::Invalid,
                    name,
                    "unknown",
                    format!("'{code}' is no reference parameter of the type"),
                )
            })?;
        let _ = type_id;
        let inner = self.predicate(source, inner, value, depth + 1)?;
        Ok(Predicate::Has {
            source,
            slots: slots::place(source, parameter).slots.clone(),
            inner: vec![inner],
        })
    }

    pub(super) fn chain(
        &self,
        type_id: ResourceTypeId,
        first: &str,
        rest: &str,
        value: &str,
        depth: usize,
    ) -> Outcome<Predicate> {
        let (code, only) = first.split_once(':').map_or((first, None), |(code, only)| (code, Some(only)));
        let name = format!("{first}.{rest}");
        let type_name = resource_type_name(type_id).unwrap_or("");
        let parameter = search::parameter(type_id, code)
            .filter(|parameter| parameter.kind == Kind::Reference)
            .ok_or_else(|| {
                let why = format!("{type_name} has no reference parameter '{code}'");
                Failure::new(Reason::Invalid, &name, "unknown", why)
            })?;
        let place = slots::place(type_id, parameter);
        let targets: Vec<ResourceTypeId> = match (only, place.only_target) {
            (Some(only), _) => vec![
                resource_type_id(only)
                    .ok_or_else(|| invalid(&name, format!("'{only}' is not a resource type of FHIR R4")))?,
            ],
            (None, Some(target)) => vec![target],
            (None, None) => parameter.targets.to_vec(),
        };
        // Several targets are possible: those that know the parameter count, as R4 says.
        let code_of_rest = rest.split(['.', ':']).next().unwrap_or(rest);
        let mut chains = Vec::new();
        for target in targets {
            let known = rest.starts_with("_has:") || search::parameter(target, code_of_rest).is_some();
            if !known && only.is_none() {
                continue;
            }
            let inner = vec![self.predicate(target, rest, value, depth + 1)?];
            chains.push(Predicate::Chain { slots: place.slots.clone(), target, inner });
        }
        match chains.len() {
            0 => Err(Failure::new(
                Reason::Invalid,
                &name,
                "unknown",
                format!("no target of '{code}' has a search parameter '{code_of_rest}'"),
            )),
            1 => Ok(chains.remove(0)),
            _ => Ok(Predicate::Any(chains)),
        }
    }
}
