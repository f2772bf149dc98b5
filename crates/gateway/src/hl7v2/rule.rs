//! What tables cannot say: rules in code, known to the tables by name.
//!
//! Each is general; none knows a sender or a message. HL7's sheets state them in
//! prose (the chain of locations, the assembly of a name) or leave them to the
//! implementer (what the address of a local namespace is).

use std::borrow::Cow;

use tongmai_fhir::json::Json;

use super::convert::Run;
use super::value::Value;
use crate::build::{Node, item, object, property, reference, text};

/// A rule in code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// HD as the address of a system: an OID or UUID as its URN, a name below the site's own address.
    AssignerUri,
    /// EI's namespace and universal identifier (components 2 to 4) as the address of a system.
    EntityUri,
    /// The name of a coding system as its address (table 0396 and what is in use).
    CodeSystemUri,
    /// PL as a chain of locations, the finest one referred to.
    Locations,
    /// A name as one text.
    NameText,
    /// The text of a field with all its parts.
    WholeText,
    /// Text before a decimal number is cut off into nothing: only the number counts.
    Number,
    /// ED's type and subtype of data (tables 0191 and 0291) as a media type.
    MediaType,
    /// Base64 data, or text that is encoded so.
    Data,
}

const RULES: &[(&str, Rule)] = &[
    ("HD[uri]", Rule::AssignerUri),
    ("EI[uri]", Rule::EntityUri),
    ("CWE[uri]", Rule::CodeSystemUri),
    ("PL[Location]", Rule::Locations),
    ("XPN[string]", Rule::NameText),
    ("TX[string]", Rule::WholeText),
    ("NM[decimal]", Rule::Number),
    ("ED[code]", Rule::MediaType),
    ("ED[base64Binary]", Rule::Data),
];

/// The rule of this name.
pub fn find(name: &str) -> Option<Rule> {
    RULES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, rule)| *rule)
}

/// Components of PL from the finest to the coarsest, with their codes in FHIR's
/// `location-physical-type`; the point of care has none there, and is a level.
const GRANULARITY: &[(usize, &str)] = &[(3, "bd"), (2, "ro"), (1, "lvl"), (8, "lvl"), (7, "bu"), (4, "si")];

impl Run<'_, '_> {
    /// Makes a value by a rule; `None` when there is nothing to make.
    pub(super) fn by_rule(&mut self, rule: Rule, value: Value<'_>) -> Option<Node> {
        match rule {
            Rule::AssignerUri => self.assigner_uri([1, 2, 3].map(|at| value.part(at).text())).map(text),
            Rule::EntityUri => self.assigner_uri([2, 3, 4].map(|at| value.part(at).text())).map(text),
            Rule::CodeSystemUri => self.code_system_uri(value.text().trim()).map(text),
            Rule::Locations => self.locations(value),
            Rule::NameText => {
                let parts: Vec<_> = [5, 2, 3, 1, 4, 6].map(|at| value.part(at).text().into_owned()).into();
                let parts: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).collect();
                Some(text(parts.join(" ")))
            }
            Rule::WholeText => Some(text(value.unescaped().into_owned())),
            Rule::Number => {
                let digits = value.text();
                let digits = digits.trim().trim_start_matches('+');
                tongmai_fhir::format::is_decimal(digits).then(|| crate::build::number(digits))
            }
            Rule::MediaType => media_type(value).map(text),
            Rule::Data => data(value),
        }
    }

    /// Namespaces of a site have no address of their own; below its base they get one.
    fn assigner_uri(&self, parts: [Cow<'_, str>; 3]) -> Option<String> {
        let [name, id, kind] = parts.each_ref().map(|part| part.trim());
        match kind {
            "ISO" if !id.is_empty() => Some(format!("urn:oid:{id}")),
            "UUID" | "GUID" if !id.is_empty() => Some(format!("urn:uuid:{}", id.to_ascii_lowercase())),
            "URI" | "URL" if tongmai_fhir::format::is_uri(id) && !id.is_empty() => Some(id.to_owned()),
            _ => {
                let own = if name.is_empty() { id } else { name };
                (!own.is_empty()).then(|| self.local("Identifier", own))
            }
        }
    }

    pub(super) fn code_system_uri(&self, name: &str) -> Option<String> {
        if name.is_empty() {
            return None;
        }
        if let Some(known) = self.tables.meaning("CodingSystem", name) {
            return Some(known.code.clone());
        }
        // HL7's own tables, with the number as it is written: HL70001, HL7 0001, 0001.
        let digits = name.strip_prefix("HL7").unwrap_or(name).trim_start_matches([' ', '-', '_']);
        if digits.len() == 4 && digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Some(format!("http://terminology.hl7.org/CodeSystem/v2-{digits}"));
        }
        if name.starts_with("http://") || name.starts_with("https://") || name.starts_with("urn:") {
            return Some(name.to_owned());
        }
        if tongmai_fhir::format::is_oid(&format!("urn:oid:{name}")) {
            return Some(format!("urn:oid:{name}"));
        }
        Some(self.local("CodeSystem", name))
    }

    /// One location for each level that is given; each is part of the next coarser one.
    fn locations(&mut self, value: Value<'_>) -> Option<Node> {
        let levels: Vec<_> = GRANULARITY.iter().filter(|(at, _)| value.part(*at).is_valued()).collect();
        let description = match value.part(9).text() {
            given if !given.is_empty() => given.into_owned(),
            _ => joined(value),
        };
        let mut coarser: Option<String> = None;
        let mut way = String::new();
        for (at, kind) in levels.iter().rev() {
            let level = value.part(*at);
            let mut node = object([("resourceType", text("Location"))]);
            *property(&mut node, "name") = text(level.part(1).text().into_owned());
            way = if way.is_empty() {
                level.part(1).text().into_owned()
            } else {
                format!("{way}/{}", level.part(1).text())
            };
            if let Some(uri) = self
                .assigner_uri([1, 2, 3].map(|at| level.part(at).text()))
                .filter(|_| level.part(2).is_valued())
            {
                let identifier = item(property(&mut node, "identifier"), 0);
                *property(identifier, "system") = text("urn:ietf:rfc:3986");
                *property(identifier, "value") = text(uri);
            }
            // The way from the coarsest level down is what tells a place from its namesakes.
            let own = object([
                ("system", text(self.local("Identifier", "location"))),
                ("value", text(way.as_str())),
            ]);
            crate::build::push(&mut node, "identifier", own);
            if !description.is_empty() {
                *property(&mut node, "description") = text(description.as_str());
            }
            *property(&mut node, "mode") = text("instance");
            let coding = item(property(property(&mut node, "physicalType"), "coding"), 0);
            *property(coding, "system") =
                text("http://terminology.hl7.org/CodeSystem/location-physical-type");
            *property(coding, "code") = text(*kind);
            if let Some(coarser) = &coarser {
                *property(&mut node, "partOf") = reference(coarser);
            }
            // A bed of the same name in another room is another bed.
            let key = format!("PL\n{at}\n{}\n{}", coarser.as_deref().unwrap_or_default(), level.raw());
            coarser = Some(self.shared("Location", &key, node));
        }
        coarser.map(text)
    }
}

/// All parts of a value with two dashes between them: a description of last resort.
fn joined(value: Value<'_>) -> String {
    let mut parts = Vec::new();
    for at in 1..=value.parts() {
        let part = value.part(at);
        let inner = (1..=part.parts()).map(|at| part.part(at).text().into_owned());
        parts.extend(inner.filter(|text| !text.is_empty()));
    }
    parts.join("--")
}

/// `IM` and `JPEG` as `image/jpeg`, from components 2 and 3 of ED, or 3 and 4 of RP.
fn media_type(value: Value<'_>) -> Option<String> {
    let at = usize::from(!value.part(2).is_valued()) + 2;
    let (kind, subtype) = (value.part(at).text(), value.part(at + 1).text());
    let kind = match kind.as_ref() {
        "AP" | "Application" | "application" => "application",
        "AU" | "audio" => "audio",
        "IM" | "image" => "image",
        "TEXT" | "FT" | "text" => "text",
        "VI" | "video" => "video",
        "multipart" | "Multipart" => "multipart",
        // NS and the rest say nothing but that there is data.
        _ => "application",
    };
    (!subtype.is_empty()).then(|| format!("{kind}/{}", subtype.to_lowercase()))
}

/// ED: data in Base64 as they are; text of encoding A is encoded.
fn data(value: Value<'_>) -> Option<Node> {
    let (encoding, content) = (value.part(4).text(), value.part(5));
    let raw = if content.is_valued() { content.unescaped() } else { value.unescaped() };
    if encoding.eq_ignore_ascii_case("base64") {
        let compact: String = raw.chars().filter(|c| !c.is_whitespace()).collect();
        return tongmai_fhir::format::is_base64(&compact).then(|| Json::String(compact.into()));
    }
    Some(text(base64(raw.as_bytes())))
}

/// RFC 4648 Base64 with padding.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let word =
            chunk.iter().fold(0u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for at in 0..4 {
            let letter = LETTERS[(word >> (18 - 6 * at) & 63) as usize] as char;
            out.push(if at <= chunk.len() { letter } else { '=' });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::base64;

    #[test]
    fn base64_as_the_rfc_tests_it() {
        for (text, code) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(base64(text.as_bytes()), code);
        }
    }
}
