//! Bundles as answers.

use std::fmt::Write;

use tongmai_base::time::Instant;
use tongmai_engine::search::{Page, Part, Query};
use tongmai_engine::{Engine, Resource};
use tongmai_fhir::definition::resource_type_name;
use tongmai_fhir::json::write_string;

use crate::answer::outcome;
use crate::subset;

/// The name of a resource's type.
pub(crate) fn type_name(resource: &Resource) -> &'static str {
    resource_type_name(resource.type_id).unwrap_or("Resource")
}

/// A page of a search as a Bundle of type `searchset`; `path` and `pairs` are the search as it was asked.
pub(crate) fn searchset(
    engine: &Engine,
    base: &str,
    path: &str,
    pairs: &[(String, String)],
    query: &Query,
    page: &Page,
) -> Vec<u8> {
    let mut out = begin("searchset", page.matches.len() + page.included.len(), page.total);
    link("self", base, path, pairs, query, None, &mut out);
    if let Some(next) = &page.next {
        out.push(',');
        link("next", base, path, pairs, query, Some(&engine.seal_link(next)), &mut out);
    }
    out.push_str("],\"entry\":[");
    let mut out = out.into_bytes();
    let mut first = true;
    for (resource, mode) in
        page.matches.iter().map(|r| (r, "match")).chain(page.included.iter().map(|r| (r, "include")))
    {
        if !std::mem::take(&mut first) {
            out.push(b',');
        }
        entry_head(base, resource, &mut out);
        write_part(resource, &query.part, &mut out);
        out.extend_from_slice(b",\"search\":{\"mode\":\"");
        out.extend_from_slice(mode.as_bytes());
        out.extend_from_slice(b"\"}}");
    }
    let mut remarks = Vec::new();
    if !query.ignored.is_empty() {
        let what = query.ignored.join(", ");
        remarks.push(tongmai_base::Finding::warning(
            "",
            "not-supported",
            format!("ignored, as you allowed: {what}"),
        ));
    }
    if page.includes_cut {
        let limit = tongmai_base::limits::INCLUDED_RESOURCES;
        remarks.push(tongmai_base::Finding::warning(
            "",
            "too-costly",
            format!("only {limit} resources are included"),
        ));
    }
    if !remarks.is_empty() {
        if !std::mem::take(&mut first) {
            out.push(b',');
        }
        out.extend_from_slice(b"{\"resource\":");
        out.extend_from_slice(outcome(&remarks).as_bytes());
        out.extend_from_slice(b",\"search\":{\"mode\":\"outcome\"}}");
    }
    end(out, first)
}

/// The beginning of a Bundle up to its links.
pub(crate) fn begin(kind: &str, resources: usize, total: Option<u64>) -> String {
    let mut out = String::with_capacity(512 + resources * 1200);
    out.push_str("{\"resourceType\":\"Bundle\",\"type\":\"");
    out.push_str(kind);
    out.push('"');
    if let Some(total) = total {
        let _ = write!(out, ",\"total\":{total}");
    }
    out.push_str(",\"link\":[");
    out
}

/// Closes the list of entries; an empty list is no JSON of FHIR, so it is taken back.
pub(crate) fn end(mut out: Vec<u8>, empty: bool) -> Vec<u8> {
    if empty && out.ends_with(b",\"entry\":[") {
        out.truncate(out.len() - b",\"entry\":[".len());
        out.push(b'}');
    } else {
        out.extend_from_slice(b"]}");
    }
    out
}

pub(crate) fn entry_head(base: &str, resource: &Resource, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"fullUrl\":\"");
    out.extend_from_slice(base.as_bytes());
    out.push(b'/');
    out.extend_from_slice(type_name(resource).as_bytes());
    out.push(b'/');
    out.extend_from_slice(resource.id.as_bytes());
    out.extend_from_slice(b"\",\"resource\":");
}

/// The part of a resource that is wanted.
pub(crate) fn write_part(resource: &Resource, part: &Part, out: &mut Vec<u8>) {
    match part {
        Part::Whole | Part::Count => out.extend_from_slice(&resource.text),
        part => out.extend_from_slice(subset::subset(resource, part).as_bytes()),
    }
}

fn link(
    relation: &str,
    base: &str,
    path: &str,
    pairs: &[(String, String)],
    query: &Query,
    page: Option<&str>,
    out: &mut String,
) {
    out.push_str("{\"relation\":\"");
    out.push_str(relation);
    out.push_str("\",\"url\":");
    let mut url = format!("{base}{path}");
    let mut separator = '?';
    // The link of this page says what was understood; the link of the next keeps all of it.
    let kept = pairs.iter().filter(|(name, value)| {
        name != "_page" && !query.ignored.iter().any(|ignored| *ignored == format!("{name}={value}"))
    });
    for (name, value) in kept {
        url.push(separator);
        separator = '&';
        encode(name, &mut url);
        url.push('=');
        encode(value, &mut url);
    }
    if let Some(page) = page {
        let _ = write!(url, "{separator}_page={page}");
    }
    write_string(&url, out);
    out.push('}');
}

/// Percent-encodes what may not stand in a query.
pub(crate) fn encode(text: &str, out: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~:/|,$@*!".contains(&byte) {
            out.push(byte as char);
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
}

/// One entry of a history.
pub(crate) fn history_entry(base: &str, resource: &Resource, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"fullUrl\":\"");
    let name = type_name(resource);
    out.extend_from_slice(format!("{base}/{name}/{}\"", resource.id).as_bytes());
    if !resource.text.is_empty() {
        out.extend_from_slice(b",\"resource\":");
        out.extend_from_slice(&resource.text);
    }
    let (method, status) = match (resource.deleted, resource.version) {
        (true, _) => ("DELETE", "204"),
        (false, 1) => ("POST", "201"),
        (false, _) => ("PUT", "200"),
    };
    let url = if method == "POST" { name.to_owned() } else { format!("{name}/{}", resource.id) };
    let time = Instant(resource.updated).to_fhir();
    out.extend_from_slice(
        format!(
            ",\"request\":{{\"method\":\"{method}\",\"url\":\"{url}\"}},\"response\":{{\"status\":\"{status}\",\
             \"etag\":\"W/\\\"{}\\\"\",\"lastModified\":\"{time}\"}}}}",
            resource.version
        )
        .as_bytes(),
    );
}
