//! The few invariants of R4 that are checked here because stores and searches
//! lean on them: ext-1, per-1, bdl-7, bdl-8 and absolute `fullUrl`s.

use std::collections::HashSet;

use super::Validator;
use crate::json::{Json, Object};
use crate::place::Place;
use crate::search::date;

impl Validator<'_> {
    /// An extension holds either a value or extensions.
    pub(super) fn extension(&mut self, properties: &Object<'_>, place: &Place<'_>) {
        let is_value = |name: &str| name.strip_prefix('_').unwrap_or(name).starts_with("value");
        let value = properties.iter().any(|(name, _)| is_value(name));
        let nested = properties.iter().any(|(name, _)| name == "extension");
        if value == nested {
            let message = match value {
                true => "an extension has both a value and extensions",
                false => "an extension has neither a value nor extensions",
            };
            self.error(place, "extension", message.into(), "give it a value, or extensions within it");
        }
    }

    /// A period does not end before it starts.
    pub(super) fn period(&mut self, properties: &Object<'_>, place: &Place<'_>) {
        let bound = |name: &str| {
            let value = properties.iter().find(|(key, _)| key == name);
            value.and_then(|(_, value)| value.as_str()).and_then(date::parse)
        };
        if let (Some(start), Some(end)) = (bound("start"), bound("end"))
            && end.high <= start.low
        {
            self.error(place, "period", "the period ends before it starts".into(), "mend its start or end");
        }
    }

    /// Entries of a Bundle have absolute addresses, each once unless it is a history.
    pub(super) fn bundle(&mut self, properties: &Object<'_>, place: &Place<'_>) {
        let get = |name: &str| properties.iter().find(|(key, _)| key == name).map(|(_, value)| value);
        let Some(Json::Array(entries)) = get("entry") else { return };
        let is_history = get("type").and_then(Json::as_str) == Some("history");
        let list = place.property("entry");
        let mut known = HashSet::new();
        for (index, entry) in entries.iter().enumerate() {
            let Some(url) = entry.text("fullUrl") else { continue };
            let item = list.item(index);
            let place = item.property("fullUrl");
            if !url.contains(':') {
                let message = "fullUrl is not an absolute address".into();
                self.error(&place, "bundle", message, "write http://…/Type/id or urn:uuid:…");
            }
            if url.contains("/_history/") {
                let message = "fullUrl names a version".into();
                self.error(
                    &place,
                    "bundle",
                    message,
                    "leave out /_history/… and give the version in meta.versionId",
                );
            }
            let meta = entry.get("resource").and_then(|resource| resource.get("meta"));
            let version = meta.and_then(|meta| meta.text("versionId"));
            if !is_history && !known.insert((url, version)) {
                let message = "fullUrl is used by an earlier entry".into();
                self.error(&place, "bundle", message, "give each entry its own fullUrl");
            }
        }
    }
}
