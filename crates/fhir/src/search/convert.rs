//! From an element to index values, by the tables of R4's search page (clause
//! 3.1.1.5): which data type gives what for which kind of parameter.

use tongmai_terminology::ValueSet;

use super::Kind;
use super::date;
use super::value::{IdentifierType, Reference, SearchValue, Token};
use crate::definition;
use crate::json::Json;

/// How the values of an element are made.
#[derive(Clone, Copy)]
pub(super) enum Conversion {
    /// A token from a boolean, string or number; the value set tells the system of a code.
    TokenPrimitive(Option<&'static ValueSet>),
    Coding,
    Concept,
    Identifier,
    ContactPoint,
    StringPrimitive,
    HumanName,
    Address,
    ConceptText,
    Reference,
    Canonical,
    /// The resource within a Bundle's entry.
    Entry,
    Date,
    Period,
    Timing,
    Number,
    Quantity,
    Money,
    Range,
    SampledData,
    Uri,
}

impl Conversion {
    /// The conversion of a data type for a kind of parameter; `None` when R4 has none.
    pub(super) fn of(kind: Kind, type_name: &str, codes: Option<&'static ValueSet>) -> Option<Conversion> {
        Some(match (kind, type_name) {
            (Kind::Token, "Coding") => Conversion::Coding,
            (Kind::Token, "CodeableConcept") => Conversion::Concept,
            (Kind::Token, "Identifier") => Conversion::Identifier,
            (Kind::Token, "ContactPoint") => Conversion::ContactPoint,
            (Kind::String, "HumanName") => Conversion::HumanName,
            (Kind::String, "Address") => Conversion::Address,
            (Kind::String, "CodeableConcept") => Conversion::ConceptText,
            (Kind::String, "string" | "markdown" | "code" | "id" | "uri") => Conversion::StringPrimitive,
            (Kind::Reference, "Reference") => Conversion::Reference,
            (Kind::Reference, "canonical" | "uri" | "url") => Conversion::Canonical,
            (Kind::Reference, "Resource") => Conversion::Entry,
            (Kind::Date, "date" | "dateTime" | "instant") => Conversion::Date,
            (Kind::Date, "Period") => Conversion::Period,
            (Kind::Date, "Timing") => Conversion::Timing,
            (Kind::Number, "integer" | "decimal" | "positiveInt" | "unsignedInt") => Conversion::Number,
            (Kind::Quantity, "Money") => Conversion::Money,
            (Kind::Quantity, "Range") => Conversion::Range,
            (Kind::Quantity, "SampledData") => Conversion::SampledData,
            (Kind::Quantity, name) if definition::is_a(name, "Quantity") => Conversion::Quantity,
            (Kind::Uri, "uri" | "url" | "canonical" | "oid" | "uuid") => Conversion::Uri,
            (Kind::Token, name) if definition::Primitive::from_name(name).is_some() => {
                Conversion::TokenPrimitive(codes.filter(|_| name == "code"))
            }
            _ => return None,
        })
    }

    /// Gives every value of the element to `emit`.
    pub(super) fn run<'v>(self, value: &'v Json<'_>, emit: &mut dyn FnMut(SearchValue<'v>)) {
        match self {
            Conversion::TokenPrimitive(codes) => token_primitive(value, codes, emit),
            Conversion::Coding => coding(value, emit),
            Conversion::Concept => concept(value, emit),
            Conversion::Identifier => identifier(value, emit),
            Conversion::ContactPoint => {
                let (system, code) = (value.text("system"), value.text("value"));
                if code.is_some() {
                    emit(SearchValue::Token(Token { system, code, ..Token::default() }));
                }
            }
            Conversion::StringPrimitive => strings(value, &[], emit),
            Conversion::HumanName => strings(value, &["family", "given", "prefix", "suffix", "text"], emit),
            Conversion::Address => {
                let parts = ["text", "line", "city", "district", "state", "postalCode", "country"];
                strings(value, &parts, emit);
            }
            Conversion::ConceptText => {
                strings(value, &["text"], emit);
                value.items("coding").iter().for_each(|coding| strings(coding, &["display"], emit));
            }
            Conversion::Reference => {
                if let Some(reference) = reference(value) {
                    emit(SearchValue::Reference(reference));
                }
            }
            Conversion::Canonical => {
                if let Some(raw) = value.as_str() {
                    emit(SearchValue::Reference(Reference::parse_canonical(raw)));
                }
            }
            Conversion::Entry => entry(value, emit),
            Conversion::Date => {
                if let Some(read) = value.as_str().and_then(date::parse) {
                    emit(SearchValue::Date { low: read.low, high: read.high });
                }
            }
            Conversion::Period => {
                if let Some((low, high)) = period(value) {
                    emit(SearchValue::Date { low, high });
                }
            }
            Conversion::Timing => {
                if let Some((low, high)) = timing(value) {
                    emit(SearchValue::Date { low, high });
                }
            }
            Conversion::Number => {
                if let Some(number) = number(value) {
                    emit(SearchValue::Number { low: number, high: number });
                }
            }
            Conversion::Quantity => quantity(value, emit),
            Conversion::Money => {
                if let Some(number) = value.get("value").and_then(number) {
                    let code = value.text("currency");
                    let system = code.map(|_| "urn:iso:std:iso:4217");
                    emit(SearchValue::Quantity { low: number, high: number, system, code, unit: None });
                }
            }
            Conversion::Range => range(value, emit),
            Conversion::SampledData => sampled_data(value, emit),
            Conversion::Uri => {
                if let Some(uri) = value.as_str() {
                    emit(SearchValue::Uri(uri));
                }
            }
        }
    }
}

fn token_primitive<'v>(
    value: &'v Json<'_>,
    codes: Option<&'static ValueSet>,
    emit: &mut dyn FnMut(SearchValue<'v>),
) {
    let code: &'v str = match value {
        Json::Bool(true) => "true",
        Json::Bool(false) => "false",
        Json::String(text) | Json::Number(text) => text,
        _ => return,
    };
    let system = codes.and_then(|set| set.system_of(code));
    emit(SearchValue::Token(Token { system, code: Some(code), ..Token::default() }));
}

fn coding<'v>(value: &'v Json<'_>, emit: &mut dyn FnMut(SearchValue<'v>)) {
    let (system, code, text) = (value.text("system"), value.text("code"), value.text("display"));
    if system.is_some() || code.is_some() || text.is_some() {
        emit(SearchValue::Token(Token { system, code, text, types: Vec::new() }));
    }
}

fn concept<'v>(value: &'v Json<'_>, emit: &mut dyn FnMut(SearchValue<'v>)) {
    value.items("coding").iter().for_each(|item| coding(item, emit));
    if let Some(text) = value.text("text") {
        emit(SearchValue::Token(Token { text: Some(text), ..Token::default() }));
    }
}

fn identifier<'v>(value: &'v Json<'_>, emit: &mut dyn FnMut(SearchValue<'v>)) {
    let (system, code) = (value.text("system"), value.text("value"));
    if system.is_none() && code.is_none() {
        return;
    }
    let of_type = value.get("type");
    let codings = of_type.map_or(&[][..], |of_type| of_type.items("coding"));
    let types = codings
        .iter()
        .filter_map(|coding| {
            Some(IdentifierType { system: coding.text("system"), code: coding.text("code")? })
        })
        .collect();
    let text = of_type.and_then(|of_type| of_type.text("text"));
    emit(SearchValue::Token(Token { system, code, text, types }));
}

/// The strings of an object's properties, each a string or a list of them; without names the value itself.
fn strings<'v>(value: &'v Json<'_>, names: &[&str], emit: &mut dyn FnMut(SearchValue<'v>)) {
    let mut give = |value: &'v Json<'_>| {
        if let Some(text) = value.as_str().filter(|text| !text.is_empty()) {
            emit(SearchValue::String(text));
        }
    };
    if names.is_empty() {
        return give(value);
    }
    for (name, value) in value.as_object().map_or(&[][..], Vec::as_slice) {
        if names.contains(&name.as_ref()) {
            match value {
                Json::Array(items) => items.iter().for_each(&mut give),
                single => give(single),
            }
        }
    }
}

/// A reference with what stands beside it; `None` when it holds neither an address nor an identifier.
fn reference<'v>(value: &'v Json<'_>) -> Option<Reference<'v>> {
    let identifier = value
        .get("identifier")
        .and_then(|identifier| Some((identifier.text("system"), identifier.text("value")?)));
    let mut found = match value.text("reference") {
        Some(raw) => Reference::parse(raw),
        None => {
            identifier?;
            Reference::default()
        }
    };
    if found.resource_type.is_none() {
        found.resource_type = value.text("type").and_then(definition::resource_type_id);
    }
    found.identifier = identifier;
    found.display = value.text("display");
    Some(found)
}

fn entry<'v>(value: &'v Json<'_>, emit: &mut dyn FnMut(SearchValue<'v>)) {
    let of_type = value.text("resourceType").and_then(definition::resource_type_id);
    if let (Some(of_type), Some(id)) = (of_type, value.text("id")) {
        let found = Reference { resource_type: Some(of_type), id: Some(id), ..Reference::default() };
        emit(SearchValue::Reference(found));
    }
}

fn period(value: &Json<'_>) -> Option<(i64, i64)> {
    let start = value.text("start").and_then(date::parse);
    let end = value.text("end").and_then(date::parse);
    if start.is_none() && end.is_none() {
        return None;
    }
    Some((start.map_or(i64::MIN, |start| start.low), end.map_or(i64::MAX, |end| end.high)))
}

/// The outer bounds of a timing: its events, or the period that bounds its repetition.
fn timing(value: &Json<'_>) -> Option<(i64, i64)> {
    let events = value.items("event").iter().filter_map(|event| event.as_str().and_then(date::parse));
    let events = events.map(|event| (event.low, event.high));
    let bounds = value.get("repeat").and_then(|repeat| repeat.get("boundsPeriod")).and_then(period);
    events.chain(bounds).reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
}

fn number(value: &Json<'_>) -> Option<f64> {
    match value {
        Json::Number(digits) => digits.parse().ok().filter(|number: &f64| number.is_finite()),
        _ => None,
    }
}

fn quantity<'v>(value: &'v Json<'_>, emit: &mut dyn FnMut(SearchValue<'v>)) {
    let Some(number) = value.get("value").and_then(number) else { return };
    let (low, high) = match value.text("comparator") {
        Some("<" | "<=") => (f64::NEG_INFINITY, number),
        Some(">" | ">=") => (number, f64::INFINITY),
        _ => (number, number),
    };
    let (system, code, unit) = (value.text("system"), value.text("code"), value.text("unit"));
    emit(SearchValue::Quantity { low, high, system, code, unit });
}

fn range<'v>(value: &'v Json<'_>, emit: &mut dyn FnMut(SearchValue<'v>)) {
    let (low, high) = (value.get("low"), value.get("high"));
    let bound = |side: Option<&Json<'_>>| side.and_then(|side| side.get("value")).and_then(number);
    let Some(units) = low.or(high).filter(|_| bound(low).is_some() || bound(high).is_some()) else { return };
    emit(SearchValue::Quantity {
        low: bound(low).unwrap_or(f64::NEG_INFINITY),
        high: bound(high).unwrap_or(f64::INFINITY),
        system: units.text("system"),
        code: units.text("code"),
        unit: units.text("unit"),
    });
}

/// From the least to the greatest sample, in the unit of the origin.
fn sampled_data<'v>(value: &'v Json<'_>, emit: &mut dyn FnMut(SearchValue<'v>)) {
    let Some(origin) = value.get("origin") else { return };
    let zero = origin.get("value").and_then(number).unwrap_or(0.0);
    let factor = value.get("factor").and_then(number).unwrap_or(1.0);
    // E, L and U stand for an error, below and above the limits of detection.
    let samples = value.text("data").unwrap_or("").split(' ').filter_map(|sample| sample.parse::<f64>().ok());
    let bounds = samples.filter(|sample| sample.is_finite()).map(|sample| zero + factor * sample);
    let Some((low, high)) = bounds.map(|sample| (sample, sample)).reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
    else {
        return;
    };
    let (system, code, unit) = (origin.text("system"), origin.text("code"), origin.text("unit"));
    emit(SearchValue::Quantity { low, high, system, code, unit });
}
