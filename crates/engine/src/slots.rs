//! Which index rows a search parameter of a type has.
//!
//! A *slot* numbers a parameter of a resource type in every store. It is the
//! position in the sorted list of all `(type, code)` of R4, so it never changes.
//! Not every parameter needs rows of its own: `Observation.patient` is
//! `Observation.subject` with another target, and `combo-code` is two others
//! together. Composite parameters have none: their components are intersected
//! and what is found is verified.

use std::collections::HashMap;
use std::sync::OnceLock;

use tongmai_fhir::definition::{self, ResourceTypeId};
use tongmai_fhir::search::{self, Kind, ParameterId, SearchParameter};

/// Slots below are the store's own.
const FIRST_SLOT: u16 = 16;
/// Set in the slot of the ends of long periods.
pub const ENDS: u16 = 0x8000;
/// Set in the slot of identifiers that stand in a reference.
pub const IDENTIFIERS: u16 = 0x4000;

/// Where the values of a parameter are to be found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The slots to look into; more than one for a parameter that joins others.
    pub slots: Vec<u16>,
    /// For a reference that only counts when it is to this type.
    pub only_target: Option<ResourceTypeId>,
}

struct Slots {
    /// By type: the slot of each parameter that has rows.
    own: Vec<HashMap<ParameterId, u16>>,
    /// By type: where to look for each parameter.
    places: Vec<HashMap<ParameterId, Place>>,
}

fn slots() -> &'static Slots {
    static SLOTS: OnceLock<Slots> = OnceLock::new();
    SLOTS.get_or_init(|| {
        let types = definition::resource_types().len() as ResourceTypeId;
        let mut own = vec![HashMap::new(); usize::from(types)];
        let mut places = vec![HashMap::new(); usize::from(types)];
        let mut by_code = HashMap::new();
        let mut next = FIRST_SLOT;
        for type_id in 0..types {
            let mut parameters: Vec<&SearchParameter> = search::parameters(type_id).collect();
            parameters.sort_by_key(|parameter| parameter.code);
            for parameter in &parameters {
                by_code.insert((type_id, parameter.code), next);
                next += 1;
            }
            for parameter in parameters {
                let narrowed = narrowed(type_id, parameter);
                let slot = |code: &str| by_code.get(&(type_id, code)).copied();
                if let Some(slot) = slot(parameter.code)
                    && has_rows(parameter)
                    && narrowed.is_none()
                {
                    own[usize::from(type_id)].insert(parameter.id, slot);
                }
                places[usize::from(type_id)].insert(parameter.id, look_up(parameter, narrowed, &slot));
            }
        }
        assert!(next < IDENTIFIERS, "more parameters than slots");
        Slots { own, places }
    })
}

/// The slot under which values of a parameter are filed; `None` when it has no rows of its own.
pub fn own_slot(type_id: ResourceTypeId, parameter: ParameterId) -> Option<u16> {
    slots().own.get(usize::from(type_id))?.get(&parameter).copied()
}

/// Where to look for a parameter.
pub fn place(type_id: ResourceTypeId, parameter: &SearchParameter) -> &'static Place {
    static NOWHERE: Place = Place { slots: Vec::new(), only_target: None };
    slots().places.get(usize::from(type_id)).and_then(|of| of.get(&parameter.id)).unwrap_or(&NOWHERE)
}

fn look_up(
    parameter: &SearchParameter,
    narrowed: Option<(&'static str, ResourceTypeId)>,
    slot: &dyn Fn(&str) -> Option<u16>,
) -> Place {
    if let Some(parts) = joined(parameter.code) {
        let slots: Vec<u16> = parts.iter().filter_map(|code| slot(code)).collect();
        if slots.len() == parts.len() {
            return Place { slots, only_target: None };
        }
    }
    if let Some((code, target)) = narrowed {
        return Place { slots: slot(code).into_iter().collect(), only_target: Some(target) };
    }
    Place { slots: slot(parameter.code).into_iter().collect(), only_target: None }
}

fn has_rows(parameter: &SearchParameter) -> bool {
    parameter.is_indexed()
        && parameter.kind != Kind::Composite
        && !matches!(parameter.code, "_id" | "_lastUpdated")
        && joined(parameter.code).is_none()
}

/// Parameters of Observation that are the union of two others.
fn joined(code: &str) -> Option<&'static [&'static str]> {
    Some(match code {
        "combo-code" => &["code", "component-code"],
        "combo-data-absent-reason" => &["data-absent-reason", "component-data-absent-reason"],
        "combo-value-concept" => &["value-concept", "component-value-concept"],
        "combo-value-quantity" => &["value-quantity", "component-value-quantity"],
        _ => return None,
    })
}

/// A reference parameter that is another one of the type with only one kind of target:
/// `Observation.subject.where(resolve() is Patient)`.
fn narrowed(type_id: ResourceTypeId, parameter: &SearchParameter) -> Option<(&'static str, ResourceTypeId)> {
    if parameter.kind != Kind::Reference {
        return None;
    }
    let name = definition::resource_type_name(type_id)?;
    let own = expression_of(parameter, name)?;
    let (path, rest) = own.split_once(".where(resolve() is ")?;
    let target = definition::resource_type_id(rest.strip_suffix(')')?)?;
    search::parameters(type_id)
        .find(|other| other.kind == Kind::Reference && expression_of(other, name) == Some(path))
        .map(|other| (other.code, target))
}

/// The part of a parameter's expression that is for a type.
fn expression_of(parameter: &SearchParameter, type_name: &str) -> Option<&'static str> {
    let mut parts = parameter
        .expression
        .split('|')
        .map(str::trim)
        .filter(|part| part.strip_prefix(type_name).is_some_and(|rest| rest.starts_with('.')));
    let only = parts.next()?;
    parts.next().is_none().then_some(only)
}

/// The codes of date parameters in the order in which they are taken for a resource's clinical date.
const CLINICAL_DATES: &[&str] = &[
    "date",
    "onset-date",
    "authored-on",
    "authoredon",
    "authored",
    "occurrence",
    "period",
    "started",
    "effective-time",
    "effective",
    "whenhandedover",
    "issued",
    "recorded-date",
    "created",
    "sent",
    "birthdate",
];

/// The date parameter that orders the resources of a type within a record.
pub fn clinical_date(type_id: ResourceTypeId) -> Option<ParameterId> {
    static DATES: OnceLock<Vec<Option<ParameterId>>> = OnceLock::new();
    let dates = DATES.get_or_init(|| {
        (0..definition::resource_types().len() as ResourceTypeId)
            .map(|id| {
                CLINICAL_DATES
                    .iter()
                    .filter_map(|code| search::parameter(id, code))
                    .find(|parameter| parameter.kind == Kind::Date)
                    .map(|parameter| parameter.id)
            })
            .collect()
    });
    dates.get(usize::from(type_id)).copied().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(type_name: &str, code: &str, expected: &str) {
        let type_id = definition::resource_type_id(type_name).expect("a type");
        let place = place(type_id, search::parameter(type_id, code).expect("a parameter"));
        let name = |slot: &u16| {
            search::parameters(type_id)
                .find(|parameter| own_slot(type_id, parameter.id) == Some(*slot))
                .map_or("?", |parameter| parameter.code)
        };
        let mut shown = place.slots.iter().map(name).collect::<Vec<_>>().join("+");
        if let Some(target) = place.only_target {
            shown += &format!(" to {}", definition::resource_type_name(target).unwrap_or(""));
        }
        assert_eq!(shown, expected, "{type_name}.{code}");
    }

    #[test]
    fn parameters_that_repeat_others_have_no_rows() {
        check("Observation", "patient", "subject to Patient");
        check("Encounter", "patient", "subject to Patient");
        check("Observation", "combo-code", "code+component-code");
        check("Immunization", "patient", "patient");
        check("Patient", "family", "family");
        let observation = definition::resource_type_id("Observation").expect("a type");
        let patient = search::parameter(observation, "patient").expect("a parameter");
        assert_eq!(own_slot(observation, patient.id), None);
    }

    #[test]
    fn slots_are_stable() {
        // These numbers are in stores: a change here loses data.
        let slot = |type_name: &str, code: &str| {
            let type_id = definition::resource_type_id(type_name).expect("a type");
            place(type_id, search::parameter(type_id, code).expect("a parameter")).slots[0]
        };
        let some =
            [("Account", "_content"), ("Account", "_id"), ("Observation", "code"), ("Patient", "identifier")];
        assert_eq!(some.map(|(type_name, code)| slot(type_name, code)), [16, 17, 1987, 2149]);
    }
}
