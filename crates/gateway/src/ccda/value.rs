//! Datatypes of CDA R2 as those of FHIR.

use tongmai_fhir::json::Json;

use super::table::Tables;
use crate::build::{Node, number, object, property, prune, push, text};
use crate::hl7v2::time;
use crate::xml::Element;

/// Zone of times that name none, as those of C-CDA often do.
const ZONE: &str = "+00:00";

/// A time (`TS`), or the first that an interval gives.
pub fn date_time(value: &str) -> Option<String> {
    time::moment(value).map(|moment| moment.date_time(ZONE))
}

/// A time with all its parts.
pub fn instant(value: &str) -> Option<String> {
    time::moment(value)?.instant(ZONE)
}

/// Its day.
pub fn date(value: &str) -> Option<String> {
    time::moment(value).map(|moment| moment.date)
}

/// A Period: low and high, or one time for both.
pub fn period(element: &Element<'_>) -> Node {
    let at = |name: &str| element.child(name).and_then(|e| e.attribute("value")).and_then(date_time);
    let both = element.attribute("value").and_then(date_time);
    let end = |found: Option<String>| found.or_else(|| both.clone()).map_or(Json::Null, text);
    object([("start", end(at("low"))), ("end", end(at("high")))])
}

/// A Coding; empty where no code is given.
pub fn coding(element: &Element<'_>, tables: &Tables) -> Node {
    let Some(code) = element.attribute("code").filter(|code| !code.trim().is_empty()) else {
        return Json::Null;
    };
    let display = element.attribute("displayName").unwrap_or_default();
    let system = element.attribute("codeSystem").map_or(Json::Null, |oid| text(tables.system(oid)));
    object([("code", text(code)), ("display", text(display)), ("system", system)])
}

/// A CodeableConcept, with translations as further codings where they are wanted. Words that stand
/// for a code which is not given are its text.
pub fn concept(element: &Element<'_>, tables: &Tables, with_translations: bool) -> Node {
    let mut node = Json::Null;
    let translations =
        element.all("translation").filter(|_| with_translations || element.attribute("code").is_none());
    for one in std::iter::once(element).chain(translations) {
        let coding = coding(one, tables);
        if !matches!(coding, Json::Null) {
            push(&mut node, "coding", coding);
        }
    }
    let words = element.child("originalText").map(Element::deep_text).unwrap_or_default();
    if !words.is_empty() {
        *property(&mut node, "text") = text(words);
    } else if matches!(node, Json::Null) && !element.text.is_empty() {
        *property(&mut node, "text") = text(element.text.as_ref());
    }
    node
}

/// An Identifier (`II`). A root alone is itself the identifier.
pub fn identifier(element: &Element<'_>, tables: &Tables) -> Node {
    let root = element.attribute("root").unwrap_or_default().trim();
    let extension = element.attribute("extension").unwrap_or_default().trim();
    if root.is_empty() && extension.is_empty() {
        return Json::Null;
    }
    if extension.is_empty() {
        let name = if is_uuid(root) { "uuid" } else { "oid" };
        let value = format!("urn:{name}:{}", root.to_ascii_lowercase());
        return object([("system", text("urn:ietf:rfc:3986")), ("value", text(value))]);
    }
    let system = match root {
        "" => Json::Null,
        uuid if is_uuid(uuid) => text(format!("urn:uuid:{}", uuid.to_ascii_lowercase())),
        oid => text(tables.system(oid)),
    };
    object([("system", system), ("value", text(extension))])
}

fn is_uuid(text: &str) -> bool {
    tongmai_fhir::format::is_uuid(&format!("urn:uuid:{}", text.to_ascii_lowercase()))
}

/// A HumanName (`PN`).
pub fn name(element: &Element<'_>) -> Node {
    let mut node = Json::Null;
    let kind = match element.attribute("use").and_then(|uses| uses.split_whitespace().next()) {
        Some("L" | "C") => "usual",
        Some("P" | "A") => "nickname",
        Some("ASGN") => "official",
        _ => "",
    };
    *property(&mut node, "use") = text(kind);
    for child in element.children.iter().filter(|child| !child.text.is_empty()) {
        let part = text(child.text.as_ref());
        match child.name.as_ref() {
            "family" => *property(&mut node, "family") = part,
            "given" => push(&mut node, "given", part),
            "prefix" => push(&mut node, "prefix", part),
            "suffix" => push(&mut node, "suffix", part),
            _ => {}
        }
    }
    if element.children.is_empty() {
        *property(&mut node, "text") = text(element.text.as_ref());
    }
    node
}

/// An Address (`AD`).
pub fn address(element: &Element<'_>) -> Node {
    let mut node = Json::Null;
    let kind = match element.attribute("use").and_then(|uses| uses.split_whitespace().next()) {
        Some("H" | "HP" | "HV") => "home",
        Some("WP" | "DIR" | "PUB") => "work",
        Some("TMP") => "temp",
        Some("BAD") => "old",
        _ => "",
    };
    *property(&mut node, "use") = text(kind);
    for child in element.children.iter().filter(|child| !child.text.is_empty()) {
        let part = text(child.text.as_ref());
        match child.name.as_ref() {
            "streetAddressLine" | "additionalLocator" | "delimiter" => push(&mut node, "line", part),
            "city" => *property(&mut node, "city") = part,
            "county" => *property(&mut node, "district") = part,
            "state" => *property(&mut node, "state") = part,
            "postalCode" => *property(&mut node, "postalCode") = part,
            "country" => *property(&mut node, "country") = part,
            _ => {}
        }
    }
    if element.children.is_empty() {
        *property(&mut node, "text") = text(element.text.as_ref());
    }
    if let Some(period) = element.child("useablePeriod") {
        *property(&mut node, "period") = self::period(period);
    }
    let mut rest = node.clone();
    if let Json::Object(properties) = &mut rest {
        properties.retain(|(name, _)| name != "use");
    }
    if prune(&mut rest) { node } else { Json::Null }
}

/// A ContactPoint (`TEL`).
pub fn telecom(element: &Element<'_>) -> Node {
    let Some(value) = element.attribute("value").filter(|value| !value.trim().is_empty()) else {
        return Json::Null;
    };
    let (scheme, rest) = value.split_once(':').unwrap_or(("", value));
    let (system, value) = match scheme.to_ascii_lowercase().as_str() {
        "tel" => ("phone", rest),
        "fax" | "x-text-fax" => ("fax", rest),
        "mailto" => ("email", rest),
        "http" | "https" | "ftp" => ("url", value),
        "" if value.contains('@') => ("email", value),
        "" => ("phone", value),
        _ => ("other", value),
    };
    let kind = match element.attribute("use").and_then(|uses| uses.split_whitespace().next()) {
        Some("H" | "HP" | "HV") => "home",
        Some("WP" | "DIR" | "PUB") => "work",
        Some("MC") => "mobile",
        Some("TMP") => "temp",
        _ => "",
    };
    object([("system", text(system)), ("value", text(value.trim())), ("use", text(kind))])
}

/// A Quantity (`PQ`, `INT`, `REAL`).
pub fn quantity(element: &Element<'_>) -> Node {
    let Some(value) = element.attribute("value").and_then(decimal) else { return Json::Null };
    let unit = element.attribute("unit").unwrap_or_default();
    object([("value", number(value)), ("unit", text(unit))])
}

/// A number as JSON writes it.
pub fn decimal(value: &str) -> Option<String> {
    crate::wst500::convert::decimal(value)
}

/// The narrative of a section as XHTML: its words, without its layout.
pub fn narrative(element: &Element<'_>) -> Node {
    let mut words = String::new();
    paragraphs(element, &mut words);
    if words.is_empty() {
        return Json::Null;
    }
    let div = format!("<div xmlns=\"http://www.w3.org/1999/xhtml\">{words}</div>");
    object([("status", text("generated")), ("div", text(div))])
}

/// Blocks become paragraphs; cells of a row stand in one.
fn paragraphs(element: &Element<'_>, out: &mut String) {
    let is_block =
        matches!(element.name.as_ref(), "paragraph" | "item" | "tr" | "caption" | "content" | "list");
    let holds_blocks = element.children.iter().any(|child| {
        matches!(child.name.as_ref(), "paragraph" | "item" | "tr" | "table" | "tbody" | "thead" | "list")
    });
    if is_block && !holds_blocks {
        let words = element.deep_text();
        if !words.trim().is_empty() {
            out.push_str("<p>");
            escape(&words, out);
            out.push_str("</p>");
        }
        return;
    }
    if !element.text.is_empty() {
        out.push_str("<p>");
        escape(&element.text, out);
        out.push_str("</p>");
    }
    element.children.iter().for_each(|child| paragraphs(child, out));
}

fn escape(words: &str, out: &mut String) {
    for character in words.chars() {
        match character {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            control if control.is_control() => out.push(' '),
            other => out.push(other),
        }
    }
}
