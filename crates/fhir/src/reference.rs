//! Every reference within a resource, wherever it stands.

use std::borrow::Cow;

use crate::json::Json;
use crate::place::Place;

/// Gives every `Reference.reference` of a resource to `visit`, those of contained resources
/// and of resources in a Bundle included, with the place of the Reference.
pub fn for_each_reference(resource: &Json<'_>, visit: &mut dyn FnMut(&Place<'_>, &str)) {
    walk(resource, &Place::root(resource.text("resourceType").unwrap_or("Resource")), visit);
}

fn walk(value: &Json<'_>, place: &Place<'_>, visit: &mut dyn FnMut(&Place<'_>, &str)) {
    match value {
        Json::Object(properties) => {
            for (name, value) in properties {
                match value {
                    Json::String(text) if name == "reference" && is_reference(value, properties) => {
                        visit(place, text)
                    }
                    Json::Object(_) | Json::Array(_) => walk(value, &place.property(name), visit),
                    _ => {}
                }
            }
        }
        Json::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                if matches!(item, Json::Object(_) | Json::Array(_)) {
                    walk(item, &place.item(index), visit);
                }
            }
        }
        _ => {}
    }
}

/// Gives the text of every `Reference.reference` of a resource to `change`, which may replace it.
pub fn for_each_reference_mut<'a>(resource: &mut Json<'a>, change: &mut dyn FnMut(&mut Cow<'a, str>)) {
    match resource {
        Json::Object(properties) => {
            let at = properties
                .iter()
                .position(|(name, value)| name == "reference" && is_reference(value, properties));
            if let Some((_, Json::String(text))) = at.map(|at| &mut properties[at]) {
                change(text);
            }
            for (_, value) in properties {
                if matches!(value, Json::Object(_) | Json::Array(_)) {
                    for_each_reference_mut(value, change);
                }
            }
        }
        Json::Array(items) => items.iter_mut().for_each(|item| for_each_reference_mut(item, change)),
        _ => {}
    }
}

/// Whether the string `reference` of an object makes it a Reference. Three other elements of R4
/// have that name and hold a `uri`. They stand beside properties that no Reference has; only
/// `Immunization.education` may hold the address alone, and then passes for a Reference.
fn is_reference(value: &Json<'_>, properties: &[(Cow<'_, str>, Json<'_>)]) -> bool {
    const OF_A_REFERENCE: &[&str] =
        &["reference", "_reference", "type", "_type", "identifier", "display", "_display", "id", "extension"];
    matches!(value, Json::String(_))
        && properties.iter().all(|(name, _)| OF_A_REFERENCE.contains(&name.as_ref()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"{"resourceType":"CarePlan","contained":[{"resourceType":"Goal","subject":{"reference":"Patient/2"}}],
        "subject":{"reference":"Patient/1","display":"x"},"activity":[{"reference":{"reference":"Task/1"}}],
        "extension":[{"url":"u","valueExpression":{"reference":"http://x","language":"text/cql"}}]}"#;

    #[test]
    fn references_are_found_with_their_place() {
        let resource = Json::parse_str(TEXT).expect("JSON");
        let mut found = Vec::new();
        for_each_reference(&resource, &mut |place, text| found.push(format!("{place} {text}")));
        assert_eq!(
            found,
            [
                "CarePlan.contained[0].subject Patient/2",
                "CarePlan.subject Patient/1",
                "CarePlan.activity[0].reference Task/1"
            ]
        );
    }

    #[test]
    fn references_are_replaced() {
        let mut resource = Json::parse_str(TEXT).expect("JSON");
        let mut count = 0;
        for_each_reference_mut(&mut resource, &mut |text| {
            *text = Cow::Owned(format!("{text}0"));
            count += 1;
        });
        assert_eq!(count, 3);
        let text = resource.to_string();
        assert!(text.contains("Patient/10") && text.contains("Task/10") && text.contains(r#""http://x""#));
    }
}
