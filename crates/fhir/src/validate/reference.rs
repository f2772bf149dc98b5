//! Rules of references.

use std::collections::HashSet;

use super::Validator;
use crate::definition::{self, ElementType, ResourceTypeId};
use crate::json::Json;
use crate::place::Place;
use crate::search::Reference;

impl Validator<'_> {
    /// Checks where a reference may point to.
    pub(super) fn reference(&mut self, of_type: &'static ElementType, value: &Json<'_>, place: &Place<'_>) {
        let Some(raw) = value.text("reference") else { return };
        let named = value.text("type").and_then(definition::resource_type_id);
        let target = if let Some(id) = raw.strip_prefix('#') {
            match self.contained_type(id) {
                Ok(target) => target,
                Err(message) => {
                    return self.error(
                        place,
                        "reference",
                        message,
                        "contain the resource, or refer to it as Type/id",
                    );
                }
            }
        } else {
            let parsed = Reference::parse(raw);
            let conditional = raw.split_once('?').and_then(|(name, _)| definition::resource_type_id(name));
            let known = parsed.resource_type.or(conditional);
            if known.is_none() && !raw.contains(':') {
                let message = format!("'{raw}' is not a reference");
                return self.error(
                    place,
                    "reference",
                    message,
                    "write Type/id, an absolute address, urn:uuid:… or #id",
                );
            }
            known
        };
        if let (Some(target), Some(named)) = (target, named)
            && target != named
        {
            let message = format!("the reference is to {}, but its type says {}", name(target), name(named));
            self.error(place, "reference", message, "leave out the type, or write the same");
        }
        let target = target.or(named);
        if let Some(target) =
            target.filter(|target| !of_type.targets.is_empty() && !of_type.targets.contains(target))
        {
            let allowed: Vec<&str> = of_type.targets.iter().map(|target| name(*target)).collect();
            let message = format!("a reference to {} may not stand here", name(target));
            self.error(place, "reference", message, format!("refer to {}", allowed.join(", ")));
        }
    }

    /// The type of the contained resource `id`; of the outer resource for an empty id.
    fn contained_type(&self, id: &str) -> Result<Option<ResourceTypeId>, String> {
        if id.is_empty() {
            return Ok(self.contained.outer);
        }
        let known = self.contained.types.get(id).copied();
        known.ok_or_else(|| format!("no contained resource has the id '{id}'"))
    }
}

fn name(id: ResourceTypeId) -> &'static str {
    definition::resource_type_name(id).unwrap_or("")
}

/// The type that a resource says it is.
pub(super) fn type_of(resource: &Json<'_>) -> Option<ResourceTypeId> {
    resource.text("resourceType").and_then(definition::resource_type_id)
}

/// What stands behind the `#` of every string within `value` that begins with one.
pub(super) fn fragments<'v>(value: &'v Json<'_>) -> HashSet<&'v str> {
    fn walk<'v>(value: &'v Json<'_>, found: &mut HashSet<&'v str>) {
        match value {
            Json::String(text) => found.extend(text.strip_prefix('#')),
            Json::Array(items) => items.iter().for_each(|item| walk(item, found)),
            Json::Object(properties) => properties.iter().for_each(|(_, value)| walk(value, found)),
            _ => {}
        }
    }
    let mut found = HashSet::new();
    walk(value, &mut found);
    found
}
