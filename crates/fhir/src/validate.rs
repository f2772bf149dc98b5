//! Structural validation: is a resource what R4's tables say?
//!
//! Checked are unknown elements, JSON forms and primitive formats, cardinality,
//! choices, required bindings to the value sets that R4 ships, the types that
//! references point to, extensions, contained resources, and that nothing is
//! empty. Profiles are not, nor the invariants of FHIRPath but for a few.

use std::collections::HashMap;

use tongmai_base::{Finding, Severity};

use crate::definition::{
    self, Binding, Element, ElementType, Group, Primitive, ResourceTypeId, Shape, Strength,
};
use crate::format;
use crate::json::{Json, Object};
use crate::place::Place;

mod reference;
mod rules;

/// What to check.
#[derive(Debug, Clone)]
pub struct Options {
    /// Findings are collected up to this number; then checking stops.
    pub most_findings: usize,
    /// Whether codes are checked against value sets.
    pub bindings: bool,
}

impl Default for Options {
    fn default() -> Self {
        Options { most_findings: 100, bindings: true }
    }
}

/// Checks a resource. A [`Finding`]'s path is a FHIRPath (`Patient.contact[0].name.family`); its
/// code is one of `resource-type`, `unknown-element`, `type`, `format`, `cardinality`, `choice`,
/// `binding`, `reference`, `extension`, `contained`, `narrative`, `period`, `bundle`, `null`, `empty`.
pub fn validate(resource: &Json<'_>, options: &Options) -> Vec<Finding> {
    let name = resource.text("resourceType").unwrap_or("Resource");
    let mut validator = Validator { options, findings: Vec::new(), contained: Contained::default() };
    validator.resource(resource, &Place::root(name), true);
    validator.findings
}

/// Whether any finding says that the resource is invalid.
pub fn is_invalid(findings: &[Finding]) -> bool {
    findings.iter().any(|finding| finding.severity >= Severity::Error)
}

/// The contained resources of an outer resource. Made once for each, since references
/// and contained resources may both be many.
#[derive(Default)]
struct Contained<'r> {
    /// The type of the outer resource, which `#` alone means.
    outer: Option<ResourceTypeId>,
    /// The type of each contained resource, by its id.
    types: HashMap<&'r str, Option<ResourceTypeId>>,
}

struct Validator<'r> {
    options: &'r Options,
    findings: Vec<Finding>,
    /// What references of the form `#id` mean within the outer resource at hand.
    contained: Contained<'r>,
}

impl<'r> Validator<'r> {
    fn full(&self) -> bool {
        self.findings.len() >= self.options.most_findings
    }

    /// Kept out of line: nothing is put into words for what is right.
    #[cold]
    fn error(&mut self, place: &Place<'_>, code: &str, message: String, repair: impl Into<String>) {
        if !self.full() {
            self.findings.push(Finding::error(place.to_string(), code, message).with_repair(repair));
        }
    }

    /// Checks a whole resource: the outermost one, one in a Bundle or Parameters, or a contained one.
    fn resource(&mut self, value: &'r Json<'_>, place: &Place<'_>, is_outer: bool) {
        let Json::Object(properties) = value else {
            return self.wrong_form(place, value, "a resource", "an object");
        };
        let Some(name) = value.get("resourceType") else {
            return self.error(
                place,
                "resource-type",
                "resourceType is missing".into(),
                "name the type of the resource",
            );
        };
        let id = name.as_str().and_then(definition::resource_type_id);
        let Some(group) = id.and_then(definition::resource_group) else {
            let message = format!("{} is not a resource type of R4", shown(name));
            return self.error(
                place,
                "resource-type",
                message,
                "write one of R4's resource types, such as Patient",
            );
        };
        if !is_outer {
            return self.object(group, properties, place);
        }
        let inner = value.items("contained");
        let types =
            inner.iter().filter_map(|inner| Some((inner.text("id")?, reference::type_of(inner)))).collect();
        let before = std::mem::replace(&mut self.contained, Contained { outer: id, types });
        self.object(group, properties, place);
        if !inner.is_empty() {
            self.contained(value, inner, place);
        }
        self.contained = before;
    }

    /// Rules for contained resources: each has an id, is referred to, and holds no others.
    fn contained(&mut self, outer: &Json<'_>, contained: &[Json<'_>], place: &Place<'_>) {
        let referred = reference::fragments(outer);
        let list = place.property("contained");
        for (index, inner) in contained.iter().enumerate() {
            if self.full() {
                return;
            }
            let place = list.item(index);
            if inner.get("contained").is_some() {
                let message = "a contained resource holds contained resources".into();
                self.error(&place, "contained", message, "contain them in the outer resource");
            }
            let meta = inner.get("meta");
            for name in ["versionId", "lastUpdated", "security"] {
                if meta.is_some_and(|meta| meta.get(name).is_some()) {
                    let message = format!("a contained resource has meta.{name}");
                    let repair = "leave it out: a contained resource has no life of its own";
                    self.error(&place, "contained", message, repair);
                }
            }
            let Some(id) = inner.text("id") else {
                let message = "a contained resource has no id".into();
                self.error(&place, "contained", message, "give it an id and refer to it as #id");
                continue;
            };
            if !referred.contains(id) && !reference::fragments(inner).contains("") {
                let message = format!("nothing refers to the contained resource '{id}'");
                self.error(&place, "contained", message, format!("refer to it as #{id}, or leave it out"));
            }
        }
    }

    fn object(&mut self, group: &'static Group, properties: &'r Object<'_>, place: &Place<'_>) {
        // One bit for each element of the group, and the property that set it.
        let mut seen: u64 = 0;
        let mut choices: Vec<(u8, u8)> = Vec::new();
        if properties.is_empty() {
            self.error(place, "empty", "an object without properties".into(), "leave it out");
        }
        for (name, value) in properties {
            if self.full() {
                return;
            }
            if group.is_resource && name == "resourceType" {
                continue;
            }
            let plain = name.strip_prefix('_');
            let Some(property) = group.property(plain.unwrap_or(name)) else {
                self.unknown(group, name, place);
                continue;
            };
            let (element, of_type) = group.typed(property);
            let here = place.property(element.name);
            if element.choice {
                if choices.iter().any(|(at, of)| *at == property.element && *of != property.of_type) {
                    let message = format!("{}[x] is given in more than one type", element.name);
                    self.error(&here, "choice", message, "keep one of them");
                }
                choices.push((property.element, property.of_type));
            }
            if element.prohibited {
                let message = format!("{} may not be used here", element.name);
                self.error(&here, "cardinality", message, "leave it out");
            }
            let is_there = match plain {
                None => self.element(element, of_type, name, value, properties, &here),
                Some(_) => self.primitive_extension(element, of_type, value, &here),
            };
            if is_there {
                seen |= 1 << property.element;
            }
        }
        for (at, element) in group.elements.iter().enumerate() {
            if element.min > 0 && seen & (1 << at) == 0 {
                let message = format!("{} is required", element.name);
                self.error(&place.property(element.name), "cardinality", message, "give it a value");
            }
        }
        match group.path {
            "Extension" => self.extension(properties, place),
            "Period" => self.period(properties, place),
            "Bundle" => self.bundle(properties, place),
            _ => {}
        }
    }

    #[cold]
    fn unknown(&mut self, group: &'static Group, name: &str, place: &Place<'_>) {
        let lower = name.to_lowercase();
        let near = group.properties().iter().find(|property| property.name.to_lowercase() == lower);
        let choice = group.elements.iter().find(|element| element.choice && name.starts_with(element.name));
        let repair = match (near, choice) {
            (Some(property), _) => format!("write {}", property.name),
            (None, Some(element)) => {
                let of_element =
                    |property: &&definition::Property| group.typed(property).0.name == element.name;
                let names = group.properties().iter().filter(of_element).map(|property| property.name);
                format!("write one of {}", some_of(names))
            }
            (None, None) => "leave it out, or carry it as an extension".to_owned(),
        };
        let message = format!("{} has no element {name}", group.path);
        self.error(&place.property(name), "unknown-element", message, repair);
    }

    /// Checks the value of a property; says whether there is one.
    fn element(
        &mut self,
        element: &'static Element,
        of_type: &'static ElementType,
        name: &str,
        value: &'r Json<'_>,
        siblings: &'r Object<'_>,
        place: &Place<'_>,
    ) -> bool {
        match (element.many, value) {
            (false, Json::Array(_)) => {
                let message = format!("{name} may occur once only, but is an array");
                self.error(place, "cardinality", message, "write the value without brackets");
                true
            }
            (false, value) => {
                self.value(element, of_type, value, place);
                true
            }
            (true, Json::Array(items)) => {
                if items.is_empty() {
                    self.error(place, "empty", "an empty array".into(), "leave it out");
                }
                for (index, item) in items.iter().enumerate() {
                    let place = place.item(index);
                    match (item, of_type.shape) {
                        (Json::Null, Shape::Primitive(_)) => self.placeholder(name, index, siblings, &place),
                        _ => self.value(element, of_type, item, &place),
                    }
                    if self.full() {
                        break;
                    }
                }
                !items.is_empty()
            }
            (true, _) => {
                let message = format!("{name} may occur more than once, so its JSON form is an array");
                self.error(place, "cardinality", message, "put the value into brackets");
                true
            }
        }
    }

    /// `null` in an array of primitives stands for a value that has only an extension.
    fn placeholder(&mut self, name: &str, index: usize, siblings: &Object<'_>, place: &Place<'_>) {
        let beside = siblings.iter().find(|(key, _)| key.strip_prefix('_') == Some(name));
        let extension = beside.and_then(|(_, value)| value.as_array()).and_then(|items| items.get(index));
        if !matches!(extension, Some(Json::Object(_))) {
            let message = format!("null without an extension in _{name} at the same position");
            self.error(place, "null", message, "leave the item out");
        }
    }

    /// Checks `_name`: the id and extensions of a primitive. Says whether there is anything.
    fn primitive_extension(
        &mut self,
        element: &'static Element,
        of_type: &'static ElementType,
        value: &'r Json<'_>,
        place: &Place<'_>,
    ) -> bool {
        let Shape::Primitive(_) = of_type.shape else {
            let message = format!("_{} stands beside primitive values only", element.name);
            self.error(place, "unknown-element", message, "put the extension into the element itself");
            return false;
        };
        let Some(group) = definition::group_at("Element") else { return false };
        match (element.many, value) {
            (true, Json::Array(items)) => {
                for (index, item) in items.iter().enumerate() {
                    match item {
                        Json::Null => {}
                        Json::Object(properties) => self.object(group, properties, &place.item(index)),
                        other => self.wrong_form(
                            &place.item(index),
                            other,
                            "an extension of a value",
                            "an object or null",
                        ),
                    }
                }
                items.iter().any(|item| *item != Json::Null)
            }
            (false, Json::Object(properties)) => {
                self.object(group, properties, place);
                true
            }
            (many, other) => {
                let form = if many { "an array" } else { "an object" };
                self.wrong_form(place, other, "extensions of a value", form);
                false
            }
        }
    }

    #[cold]
    fn wrong_form(&mut self, place: &Place<'_>, value: &Json<'_>, what: &str, form: &str) {
        let (code, found) = match value {
            Json::Null => ("null", "null"),
            Json::Bool(_) => ("type", "a boolean"),
            Json::Number(_) => ("type", "a number"),
            Json::String(_) => ("type", "a string"),
            Json::Array(_) => ("type", "an array"),
            Json::Object(_) => ("type", "an object"),
        };
        self.error(place, code, format!("{what} should be {form}, not {found}"), format!("write {form}"));
    }

    /// Checks one value, items of arrays one by one.
    fn value(
        &mut self,
        element: &'static Element,
        of_type: &'static ElementType,
        value: &'r Json<'_>,
        place: &Place<'_>,
    ) {
        match of_type.shape {
            Shape::Primitive(primitive) => self.primitive(element, primitive, of_type, value, place),
            Shape::Resource => {
                self.resource(value, place, element.name != "contained");
            }
            Shape::Group(id) => {
                let Json::Object(properties) = value else {
                    return self.wrong_form(place, value, of_type.name, "an object");
                };
                self.object(definition::group(id), properties, place);
                if let Some(binding) = &element.binding {
                    self.coded(binding, of_type, value, place);
                }
                if of_type.name == "Reference" {
                    self.reference(of_type, value, place);
                }
            }
        }
    }

    fn primitive(
        &mut self,
        element: &'static Element,
        primitive: Primitive,
        of_type: &'static ElementType,
        value: &Json<'_>,
        place: &Place<'_>,
    ) {
        if matches!(value, Json::Null | Json::Object(_) | Json::Array(_)) {
            return self.wrong_form(place, value, of_type.name, "a single value");
        }
        if let Err(rule) = format::check(primitive, value) {
            let right_form = match primitive {
                Primitive::Boolean => matches!(value, Json::Bool(_)),
                Primitive::Decimal | Primitive::Integer | Primitive::PositiveInt | Primitive::UnsignedInt => {
                    matches!(value, Json::Number(_))
                }
                _ => matches!(value, Json::String(_)),
            };
            let code = if right_form { "format" } else { "type" };
            let message = format!("{} is not of type {}", shown(value), of_type.name);
            return self.error(place, code, message, format!("it should be {rule}"));
        }
        if primitive == Primitive::Xhtml
            && let Err(why) = crate::narrative::check(value.as_str().unwrap_or(""))
        {
            return self.error(place, "narrative", why, "write plain XHTML within one <div>");
        }
        let Some(binding) = element.binding.filter(|binding| binding.strength == Strength::Required) else {
            return;
        };
        let (Some(set), Some(code), true) = (binding.set, value.as_str(), self.options.bindings) else {
            return;
        };
        if set.contains_code(code) == Some(false) {
            self.not_in_set(&binding, &shown(value), place);
        }
    }

    /// Checks a CodeableConcept or Coding against the value set that it must use.
    fn coded(
        &mut self,
        binding: &Binding,
        of_type: &'static ElementType,
        value: &Json<'_>,
        place: &Place<'_>,
    ) {
        let (Some(set), Strength::Required, true) = (binding.set, binding.strength, self.options.bindings)
        else {
            return;
        };
        let codings = match of_type.name {
            "CodeableConcept" => value.items("coding"),
            "Coding" => std::slice::from_ref(value),
            _ => return,
        };
        let belongs = |coding: &Json<'_>| {
            set.contains(coding.text("system").unwrap_or(""), coding.text("code").unwrap_or(""))
                != Some(false)
        };
        if !codings.iter().any(belongs) {
            let found = match codings.first() {
                Some(coding) => {
                    format!("'{}|{}'", coding.text("system").unwrap_or(""), coding.text("code").unwrap_or(""))
                }
                None => "a concept without a code".to_owned(),
            };
            self.not_in_set(binding, &found, place);
        }
    }

    #[cold]
    fn not_in_set(&mut self, binding: &Binding, found: &str, place: &Place<'_>) {
        let listed = binding.set.into_iter().flat_map(|set| set.members_listed());
        let mut codes: Vec<&str> = listed.map(|(_, code)| code).collect();
        codes.dedup();
        let repair = format!("use one of {}", some_of(codes.into_iter()));
        self.error(place, "binding", format!("{found} is not in the value set {}", binding.url), repair);
    }
}

/// A value for a message, cut where it is long.
fn shown(value: &Json<'_>) -> String {
    let text = match value {
        Json::String(text) => text.to_string(),
        other => other.to_string(),
    };
    match text.char_indices().nth(40) {
        Some((end, _)) => format!("'{}…'", &text[..end]),
        None => format!("'{text}'"),
    }
}

/// The first dozen of some names.
fn some_of<'n>(names: impl Iterator<Item = &'n str>) -> String {
    let mut names: Vec<&str> = names.collect();
    if names.len() > 12 {
        names.truncate(12);
        names.push("…");
    }
    names.join(", ")
}
