//! How a resource that arrives is put together with the one that stands at its place, so that the
//! result does not depend on the order or the number of deliveries.
//!
//! Each element of a person, a visit or a diagnosis is a register of its own: what was said later
//! stays, and between equal times the greater text, so that any order gives the same. Lists are
//! united item by item. Everything else (a result, a document) is one register as a whole. When
//! something was said is the time of its message, kept in `meta.extension` ([`SAID`]) as
//! `element=YYYYMMDDhhmmss` pairs; a message that has no authority over a resource says nothing of
//! the time, and fills gaps only.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use tongmai_engine::bundle::Combine;
use tongmai_fhir::json::Json;

use crate::build::{Node, object, push, text};

/// The extension of `meta` that says when each element was said.
pub const SAID: &str = "urn:tongmai:said";
/// The mark of what stands for all elements that are not named.
const ALL: &str = "*";

/// When each element was said.
type Times<'a> = BTreeMap<Cow<'a, str>, Cow<'a, str>>;

/// Marks a resource as said at a time (`YYYYMMDDhhmmss`).
pub fn said(node: &mut Node, time: &str) {
    if !time.is_empty() {
        let value = object([("url", text(SAID)), ("valueString", text(format!("{ALL}={time}")))]);
        push(crate::build::property(node, "meta"), "extension", value);
    }
}

/// Puts resources together, and counts the elements that came after a newer word on the same.
#[derive(Debug, Default)]
pub struct Together {
    older: AtomicUsize,
}

impl Together {
    /// How many elements came after a newer word on the same.
    pub fn older(&self) -> usize {
        self.older.load(Ordering::Relaxed)
    }
}

impl Combine for Together {
    fn combine<'a>(&self, stands: &Json<'_>, arriving: Json<'a>) -> Json<'a> {
        combine(stands, arriving, &self.older)
    }
}

/// A resource in the order that [`combine`] gives it, so that the same message twice changes nothing.
pub fn settled(node: Node) -> Node {
    let older = AtomicUsize::new(0);
    match is_by_element(&node) {
        true => combine(&node, node.clone(), &older),
        false => node,
    }
}

/// Whether the elements of a resource are registers of their own.
fn is_by_element(node: &Json<'_>) -> bool {
    matches!(
        node.text("resourceType").unwrap_or_default(),
        "Patient" | "Encounter" | "Condition" | "Organization" | "Practitioner" | "Location"
    )
}

/// What becomes of two; counts in `older` the elements that came after a newer word on the same.
pub fn combine<'a>(stands: &Json<'_>, arriving: Json<'a>, older: &AtomicUsize) -> Json<'a> {
    if is_by_element(&arriving) {
        return by_element(stands, arriving, older);
    }
    let (before, after) = (times(stands), times(&arriving));
    let (before, after) = (at(&before, ALL), at(&after, ALL));
    let stays = match after.cmp(before) {
        std::cmp::Ordering::Less => {
            older.fetch_add(1, Ordering::Relaxed);
            true
        }
        std::cmp::Ordering::Equal => content(stands) > content(&arriving),
        std::cmp::Ordering::Greater => false,
    };
    if stays { stands.clone().into_owned() } else { arriving }
}

/// A resource without its meta, as text.
fn content(node: &Json<'_>) -> String {
    let mut out = String::new();
    for (name, value) in node.as_object().into_iter().flatten() {
        if !matches!(name.as_ref(), "meta" | "id") {
            out.push_str(name);
            value.write(&mut out);
        }
    }
    out
}

fn times<'a>(node: &'a Json<'_>) -> Times<'a> {
    let mut times = Times::new();
    let extensions = node.get("meta").map_or(&[][..], |meta| meta.items("extension"));
    let said = extensions.iter().find(|extension| extension.text("url") == Some(SAID));
    for pair in said.and_then(|said| said.text("valueString")).unwrap_or_default().split(' ') {
        if let Some((name, time)) = pair.split_once('=') {
            times.insert(name.into(), time.into());
        }
    }
    times
}

/// When an element was said; empty when nobody vouches for it.
fn at<'t>(times: &'t Times<'_>, name: &str) -> &'t str {
    times.get(name).or_else(|| times.get(ALL)).map_or("", |time| time.as_ref())
}

/// Elements that are put together part by part.
const IN_PARTS: &[&str] = &["period", "hospitalization"];

fn by_element<'a>(stands: &Json<'_>, arriving: Json<'a>, older: &AtomicUsize) -> Json<'a> {
    let Json::Object(new) = arriving else { return arriving };
    let arriving = Json::Object(new);
    let (before, after) = (times(stands), times(&arriving));
    let mut both = Both { before: &before, after: &after, times: BTreeMap::new(), older };
    let mut out = both.object("", stands, &arriving);
    let meta = both.meta(stands, &arriving);
    if let Json::Object(properties) = &mut out {
        properties.retain(|(name, _)| name != "meta");
        if let Some(meta) = meta {
            properties.push((Cow::Borrowed("meta"), meta));
        }
    }
    out
}

/// Two states of a resource, and the times of what becomes of them.
struct Both<'t> {
    before: &'t Times<'t>,
    after: &'t Times<'t>,
    times: BTreeMap<String, String>,
    older: &'t AtomicUsize,
}

impl Both<'_> {
    fn object(&mut self, path: &str, stands: &Json<'_>, arriving: &Json<'_>) -> Node {
        let mut out = Vec::new();
        let mut names: Vec<&str> = Vec::new();
        for (name, _) in stands.as_object().into_iter().chain(arriving.as_object()).flatten() {
            if !names.contains(&name.as_ref()) {
                names.push(name);
            }
        }
        for name in names {
            if path.is_empty() && matches!(name, "meta" | "id") {
                continue;
            }
            let path = if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
            let value = match (stands.get(name), arriving.get(name)) {
                (Some(one), None) => self.keep(&path, self.before, one),
                (None, Some(one)) => self.keep(&path, self.after, one),
                (Some(one), Some(other)) => self.element(&path, name, one, other),
                (None, None) => continue,
            };
            out.push((Cow::Owned(name.to_owned()), value));
        }
        // In one order, whoever came first.
        out.sort_by(|(a, _), (b, _)| (a != "resourceType", a).cmp(&(b != "resourceType", b)));
        Json::Object(out)
    }

    /// What only one of the two says.
    fn keep(&mut self, path: &str, times: &Times<'_>, value: &Json<'_>) -> Node {
        if let (true, Some(parts)) = (IN_PARTS.contains(&path), value.as_object()) {
            for (name, _) in parts {
                let path = format!("{path}.{name}");
                self.note(&path, at(times, &path).to_owned());
            }
        } else {
            self.note(path, at(times, path).to_owned());
        }
        let mut value = value.clone().into_owned();
        if let (true, Json::Object(parts)) = (IN_PARTS.contains(&path), &mut value) {
            parts.sort_by(|(a, _), (b, _)| a.cmp(b));
        }
        value
    }

    fn element(&mut self, path: &str, name: &str, stands: &Json<'_>, arriving: &Json<'_>) -> Node {
        if IN_PARTS.contains(&path) {
            return self.object(path, stands, arriving);
        }
        let is_name = name == "name" && spoken(stands) == spoken(arriving);
        if let (true, Json::Array(one), Json::Array(other)) = (is_set(name) || is_name, stands, arriving) {
            let newest = at(self.before, path).max(at(self.after, path)).to_owned();
            self.note(path, newest);
            return union(one, other);
        }
        let (before, after) = (at(self.before, path), at(self.after, path));
        let newest = before.max(after).to_owned();
        let is_newer = (after, arriving.to_string()) > (before, stands.to_string());
        if after < before && stands != arriving {
            self.older.fetch_add(1, Ordering::Relaxed);
        }
        self.note(path, newest);
        if is_newer { arriving.clone().into_owned() } else { stands.clone().into_owned() }
    }

    fn note(&mut self, path: &str, time: String) {
        self.times.insert(path.to_owned(), time);
    }

    /// The meta of both, with the times of the elements: the newest stands for all, the others by name.
    fn meta(&self, stands: &Json<'_>, arriving: &Json<'_>) -> Option<Node> {
        let mut meta: Vec<(Cow<'static, str>, Node)> = Vec::new();
        for name in ["profile", "security", "tag"] {
            let one = stands.get("meta").map_or(&[][..], |meta| meta.items(name));
            let other = arriving.get("meta").map_or(&[][..], |meta| meta.items(name));
            if !(one.is_empty() && other.is_empty()) {
                meta.push((Cow::Borrowed(name), union(one, other)));
            }
        }
        let newest = self.times.values().max().filter(|time| !time.is_empty());
        if let Some(newest) = newest {
            let mut said = format!("{ALL}={newest}");
            for (path, time) in self.times.iter().filter(|(_, time)| *time != newest) {
                said.push_str(&format!(" {path}={time}"));
            }
            let said = object([("url", text(SAID)), ("valueString", text(said))]);
            meta.insert(0, (Cow::Borrowed("extension"), Json::Array(vec![said])));
        }
        (!meta.is_empty()).then_some(Json::Object(meta))
    }
}

/// The first name as it is spoken.
fn spoken(names: &Json<'_>) -> String {
    names.as_array().and_then(<[_]>::first).map(full_name).unwrap_or_default()
}

/// A name in one piece, without the spaces between its parts.
pub fn full_name(name: &Json<'_>) -> String {
    let whole = match name.text("text") {
        Some(text) => text.to_owned(),
        None => {
            let given: String = name.items("given").iter().filter_map(Json::as_str).collect();
            format!("{}{given}", name.text("family").unwrap_or_default())
        }
    };
    whole.chars().filter(|letter| !letter.is_whitespace()).collect()
}

/// Lists whose items are each a fact of their own.
fn is_set(name: &str) -> bool {
    matches!(
        name,
        "identifier"
            | "telecom"
            | "participant"
            | "diagnosis"
            | "location"
            | "extension"
            | "coding"
            | "contact"
            | "communication"
            | "generalPractitioner"
            | "qualification"
            | "type"
            | "category"
            | "reasonCode"
            | "alias"
    )
}

/// What tells an item of a list from others.
fn key(item: &Json<'_>) -> String {
    let word = |name: &str| item.text(name).unwrap_or_default();
    let refers = |name: &str| item.get(name).and_then(|to| to.text("reference"));
    if let Some(reference) = ["individual", "condition", "location"].into_iter().find_map(refers) {
        return reference.to_owned();
    }
    if let Some(url) = item.text("url") {
        return url.to_owned();
    }
    let code = item.items("coding").first().and_then(|coding| coding.text("code"));
    if let Some(code) = code {
        return format!("code {code}");
    }
    let whole = match (word("value"), word("code")) {
        ("", "") => String::new(),
        (value, code) => format!("{} {value}{code}", word("system")),
    };
    if !whole.is_empty() {
        return whole;
    }
    let name = full_name(item);
    if name.is_empty() { item.to_string() } else { name }
}

/// The items of both, in the order of their keys; those of one key have the parts of both, and of two
/// words for the same part the greater.
fn union(one: &[Json<'_>], other: &[Json<'_>]) -> Node {
    let mut items: BTreeMap<String, Node> = BTreeMap::new();
    for item in one.iter().chain(other) {
        let key = key(item);
        let item = item.clone().into_owned();
        let united = match items.remove(&key) {
            Some(known) => greater(known, item),
            None => item,
        };
        items.insert(key, united);
    }
    Json::Array(items.into_values().collect())
}

fn greater(one: Node, other: Node) -> Node {
    match (one, other) {
        (Json::Object(one), Json::Object(other)) => {
            let mut parts: BTreeMap<String, Node> = BTreeMap::new();
            for (name, value) in one.into_iter().chain(other) {
                let value = match parts.remove(name.as_ref()) {
                    Some(known) => greater(known, value),
                    None => value,
                };
                parts.insert(name.into_owned(), value);
            }
            Json::Object(parts.into_iter().map(|(name, value)| (Cow::Owned(name), value)).collect())
        }
        (one, other) => {
            if other.to_string() > one.to_string() {
                other
            } else {
                one
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(text: &str, time: &str) -> Node {
        let mut node = Json::parse_str(text).expect("JSON").into_owned();
        said(&mut node, time);
        node
    }

    fn fold(of: &[Node]) -> String {
        let older = AtomicUsize::new(0);
        let (first, rest) = of.split_first().expect("one");
        // As the ledger keeps them: the first is combined with itself, which settles its order.
        let first = combine(first, first.clone(), &older);
        rest.iter().fold(first, |stands, next| combine(&stands, next.clone(), &older)).to_string()
    }

    #[test]
    fn every_order_and_any_repetition_gives_the_same() {
        let admission = node(
            r#"{"resourceType":"Encounter","status":"in-progress","class":{"code":"IMP"},"period":{"start":"2026-01-01"},"identifier":[{"system":"a","value":"1"}]}"#,
            "20260101080000",
        );
        let discharge = node(
            r#"{"resourceType":"Encounter","status":"finished","class":{"code":"IMP"},"period":{"start":"2026-01-01","end":"2026-01-09"},"identifier":[{"system":"b","value":"2"}]}"#,
            "20260109080000",
        );
        let corrected = node(
            r#"{"resourceType":"Encounter","status":"finished","period":{"end":"2026-01-08"}}"#,
            "20260110080000",
        );
        let casual =
            node(r#"{"resourceType":"Encounter","status":"unknown","serviceType":{"text":"x"}}"#, "");
        let all = [admission, discharge, corrected, casual];
        let mut seen = std::collections::BTreeSet::new();
        for order in [[0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1], [1, 3, 0, 2], [0, 2, 1, 3], [3, 0, 1, 2]] {
            let mut delivered: Vec<Node> = order.iter().map(|at| all[*at].clone()).collect();
            seen.insert(fold(&delivered));
            delivered.extend(order.iter().rev().map(|at| all[*at].clone()));
            seen.insert(fold(&delivered));
        }
        assert_eq!(seen.len(), 1, "{seen:#?}");
        let only = seen.first().expect("one");
        assert!(only.contains(r#""end":"2026-01-08""#) && only.contains(r#""status":"finished""#), "{only}");
        assert!(only.contains(r#""serviceType":{"text":"x"}"#), "{only}");
    }

    #[test]
    fn a_result_is_replaced_by_a_later_one_and_an_earlier_one_is_counted() {
        let first = node(r#"{"resourceType":"Observation","status":"final","valueString":"4"}"#, "20260101");
        let second =
            node(r#"{"resourceType":"Observation","status":"corrected","valueString":"5"}"#, "20260102");
        let older = AtomicUsize::new(0);
        assert_eq!(combine(&first, second.clone(), &older), second);
        assert_eq!(older.load(Ordering::Relaxed), 0);
        assert_eq!(combine(&second, first, &older), second);
        assert_eq!(older.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn names_with_the_same_sound_are_one_and_a_corrected_one_takes_the_place() {
        let parts = r#"{"resourceType":"Patient","name":[{"family":"王","given":["小明"]}]}"#;
        let whole = r#"{"resourceType":"Patient","name":[{"text":"王小明"}]}"#;
        let united = fold(&[node(parts, "20260101"), node(whole, "20260102")]);
        assert!(united.contains(r#""family":"王""#) && united.contains(r#""text":"王小明""#), "{united}");
        let other = r#"{"resourceType":"Patient","name":[{"text":"王晓明"}]}"#;
        let corrected = fold(&[node(parts, "20260101"), node(other, "20260102")]);
        assert!(!corrected.contains("小明"), "{corrected}");
    }
}
