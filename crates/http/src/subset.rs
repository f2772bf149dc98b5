//! `_summary` and `_elements`: a resource with some of its elements.

use std::borrow::Cow;

use tongmai_engine::Resource;
use tongmai_engine::search::Part;
use tongmai_fhir::definition::{self, Group};
use tongmai_fhir::json::Json;

const SUBSETTED: &str =
    "{\"system\":\"http://terminology.hl7.org/CodeSystem/v3-ObservationValue\",\"code\":\"SUBSETTED\"}";

/// The text of a resource with the wanted elements, the mandatory ones and the mark that it is not whole.
pub(crate) fn subset(resource: &Resource, part: &Part) -> String {
    let Ok(Json::Object(properties)) = Json::parse(&resource.text) else { return "{}".into() };
    let group = definition::resource_group(resource.type_id);
    let kept = properties.into_iter().filter(|(name, _)| {
        matches!(name.as_ref(), "resourceType" | "id" | "meta")
            || group.is_none_or(|group| keeps(group, name, part))
    });
    let kept = kept.map(|(name, value)| if name == "meta" { (name, marked(value)) } else { (name, value) });
    Json::Object(kept.collect()).to_string()
}

fn keeps(group: &Group, name: &str, part: &Part) -> bool {
    // `_birthDate` goes with `birthDate`.
    let plain = name.strip_prefix('_').unwrap_or(name);
    let Some(property) = group.property(plain) else { return false };
    let (element, _) = group.typed(property);
    let mandatory = element.min > 0;
    match part {
        Part::Summary => element.summary || mandatory,
        Part::Text => mandatory || plain == "text",
        Part::Data => plain != "text",
        Part::Elements(wanted) => {
            let names = |asked: &String| {
                let last = asked.rsplit_once('.').map_or(asked.as_str(), |(_, last)| last);
                last == element.name || last == plain
            };
            mandatory || wanted.iter().any(names)
        }
        Part::Whole | Part::Count => true,
    }
}

/// `meta` with the tag SUBSETTED.
fn marked(meta: Json<'_>) -> Json<'_> {
    let Json::Object(mut properties) = meta else { return meta };
    let tag = Json::parse_str(SUBSETTED).unwrap_or(Json::Null);
    match properties.iter_mut().find(|(name, _)| name == "tag") {
        Some((_, Json::Array(tags))) => tags.push(tag),
        _ => properties.push((Cow::Borrowed("tag"), Json::Array(vec![tag]))),
    }
    Json::Object(properties)
}
