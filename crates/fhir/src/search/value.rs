//! The values that an index holds.

use crate::definition::{self, ResourceTypeId};

/// One value of a search parameter, borrowed from the resource.
#[derive(Debug, Clone, PartialEq)]
pub enum SearchValue<'a> {
    /// A code, identifier, contact point, boolean or string that is compared as a whole.
    Token(Token<'a>),
    /// Raw text; an index keeps [`super::fold`] of it beside it.
    String(&'a str),
    /// A reference to a resource, or a canonical address.
    Reference(Reference<'a>),
    /// The time from `low` until before `high`, in milliseconds since 1970-01-01T00:00Z;
    /// an open side is `i64::MIN` or `i64::MAX`.
    Date {
        /// First millisecond.
        low: i64,
        /// The millisecond after the last.
        high: i64,
    },
    /// From `low` to `high`, both inclusive; a single number has both the same.
    Number {
        /// Least value.
        low: f64,
        /// Greatest value.
        high: f64,
    },
    /// From `low` to `high`, both inclusive; a single quantity has both the same, an open
    /// range or a comparator (`<5`) an infinity.
    Quantity {
        /// Least value.
        low: f64,
        /// Greatest value.
        high: f64,
        /// The system of the coded unit.
        system: Option<&'a str>,
        /// The coded unit; the currency of an amount of money.
        code: Option<&'a str>,
        /// The unit as people read it.
        unit: Option<&'a str>,
    },
    /// An address, compared byte by byte.
    Uri(&'a str),
    /// One value for each component, in the order of the parameter's components.
    Composite(Vec<SearchValue<'a>>),
}

/// A code with its system and what people read.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Token<'a> {
    /// The system; for an element of type `code` the system that its value set implies.
    pub system: Option<&'a str>,
    /// The code; `None` when there is only text.
    pub code: Option<&'a str>,
    /// Display, the concept's text, or the text of the identifier's type: what `:text` looks at.
    pub text: Option<&'a str>,
    /// For identifiers: the codes of their type, for `:of-type`.
    pub types: Vec<IdentifierType<'a>>,
}

/// A code of an identifier's type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdentifierType<'a> {
    /// The system of the code.
    pub system: Option<&'a str>,
    /// The code, such as `MR`.
    pub code: &'a str,
}

/// A reference, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reference<'a> {
    /// The text as it was written; empty for a reference by identifier alone.
    pub raw: &'a str,
    /// The address before `Type/id`, without the slash, when the reference is absolute.
    pub base: Option<&'a str>,
    /// The type that the reference names, in its address or its `type`.
    pub resource_type: Option<ResourceTypeId>,
    /// The id that it names.
    pub id: Option<&'a str>,
    /// The version: of `_history/3`, or behind the `|` of a canonical address.
    pub version: Option<&'a str>,
    /// A canonical address, or another one that does not end in `Type/id` (`urn:uuid:…`).
    pub url: Option<&'a str>,
    /// System and value of `Reference.identifier`, for `:identifier`.
    pub identifier: Option<(Option<&'a str>, &'a str)>,
    /// What people read.
    pub display: Option<&'a str>,
}

impl<'a> Reference<'a> {
    /// Takes the text of a reference apart: `Patient/1`, `Patient/1/_history/2`,
    /// `http://example.org/fhir/Patient/1`, `urn:uuid:…`, `#contained`, `Patient?identifier=…`.
    pub fn parse(raw: &'a str) -> Reference<'a> {
        let mut reference = Reference { raw, ..Reference::default() };
        if raw.starts_with('#') || raw.starts_with("urn:") || raw.contains('?') {
            reference.url = (!raw.starts_with('#')).then_some(raw);
            return reference;
        }
        let (plain, version) = match raw.split_once("/_history/") {
            Some((plain, version)) => (plain, Some(version)),
            None => (raw, None),
        };
        let Some((before, id)) = plain.rsplit_once('/') else {
            reference.url = Some(raw);
            return reference;
        };
        let (base, name) = match before.rsplit_once('/') {
            Some((base, name)) => (Some(base), name),
            None => (None, before),
        };
        match definition::resource_type_id(name) {
            Some(of) if crate::format::is_id(id) => {
                reference.resource_type = Some(of);
                reference.id = Some(id);
                reference.version = version;
                reference.base = base;
            }
            _ => reference.url = Some(raw),
        }
        reference
    }

    /// Takes a canonical address apart: `http://…|version`. It may end in `Type/id`.
    pub fn parse_canonical(raw: &'a str) -> Reference<'a> {
        let (url, version) = match raw.split_once('|') {
            Some((url, version)) => (url, Some(version)),
            None => (raw, None),
        };
        let parsed = Reference::parse(url);
        Reference { raw, url: Some(url), version: version.or(parsed.version), ..parsed }
    }

    /// Whether it points into the resource itself (`#…`).
    pub fn is_contained(&self) -> bool {
        self.raw.starts_with('#')
    }

    /// Whether it names a resource of this kind of server: `Type/id` without a base.
    pub fn is_relative(&self) -> bool {
        self.id.is_some() && self.base.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(raw: &str, expected: &str) {
        let r = Reference::parse(raw);
        let name = r.resource_type.and_then(definition::resource_type_name);
        let show = |part: Option<&str>| part.unwrap_or("-").to_owned();
        let shown = [show(r.base), show(name), show(r.id), show(r.version), show(r.url)].join(" ");
        assert_eq!(shown, expected, "{raw}");
    }

    #[test]
    fn references_are_taken_apart() {
        check("Patient/1", "- Patient 1 - -");
        check("Patient/1/_history/2", "- Patient 1 2 -");
        check("http://example.org/fhir/Patient/1", "http://example.org/fhir Patient 1 - -");
        check(
            "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0",
            "- - - - urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0",
        );
        check("#p1", "- - - - -");
        check("Patient?identifier=a|b", "- - - - Patient?identifier=a|b");
        check("Unknown/1", "- - - - Unknown/1");
        check("Patient/", "- - - - Patient/");
        check("x", "- - - - x");
        check("", "- - - - ");
    }

    #[test]
    fn canonical_addresses_keep_their_version() {
        let r = Reference::parse_canonical("http://x.org/Questionnaire/q1|2.0");
        assert_eq!(
            (r.url, r.version, r.id),
            (Some("http://x.org/Questionnaire/q1"), Some("2.0"), Some("q1"))
        );
    }
}
