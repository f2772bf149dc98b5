//! What a FHIR Patient says of its person, as the matcher reads it.

use std::collections::BTreeMap;

use tongmai_fhir::json::Json;
use tongmai_identity::identifier::{Identifier, Scheme};
use tongmai_identity::linker::{Demographics, Form, MOST_FORMS};
use tongmai_identity::name::Name;
use tongmai_identity::person::{Policy, Survivorship};

/// What a number stands for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum NumberKind {
    /// One for life: identity card, passport.
    Identity,
    /// Insurance, health card.
    Insurance,
}

/// Kinds of numbers by their system. The object identifiers are those of WS/T 500 (居民身份证号,
/// 居民健康卡号); a region adds its electronic health code 电子健康码 and 医保码 by their type codes below.
const SYSTEMS: &[(&str, NumberKind)] = &[
    ("urn:oid:2.16.156.10011.1.3", NumberKind::Identity),
    ("urn:oid:2.16.156.10011.1.19", NumberKind::Insurance),
];

/// Kinds of numbers by their code in HL7 table 0203: national number, passport; health card,
/// member, subscriber, social number.
const TYPES: &[(&str, NumberKind)] = &[
    ("NI", NumberKind::Identity),
    ("PPN", NumberKind::Identity),
    ("HC", NumberKind::Insurance),
    ("JHN", NumberKind::Insurance),
    ("MB", NumberKind::Insurance),
    ("SN", NumberKind::Insurance),
    ("SS", NumberKind::Insurance),
];

/// A patient number of one provider is no evidence: it differs between any two providers.
fn kind_of(identifier: &Json<'_>, value: &str) -> Option<NumberKind> {
    let system = identifier.text("system").unwrap_or("");
    if let Some((_, kind)) = SYSTEMS.iter().find(|(known, _)| *known == system) {
        return Some(*kind);
    }
    let codings = identifier.get("type").map_or(&[][..], |kind| kind.items("coding"));
    let known = |code: &str| TYPES.iter().find(|(known, _)| *known == code).map(|(_, kind)| *kind);
    if let Some(kind) = codings.iter().find_map(|coding| known(coding.text("code")?)) {
        return Some(kind);
    }
    // Without a system, a number with the right check character speaks for itself.
    let number = Identifier::read(value, None);
    (codings.is_empty() && number.checked && number.scheme == Scheme::Resident)
        .then_some(NumberKind::Identity)
}

/// A whole name: the text, or the parts in the order of the script.
fn name(name: &Json<'_>) -> String {
    if let Some(text) = name.text("text").filter(|text| !text.trim().is_empty()) {
        return text.to_owned();
    }
    let family = name.text("family").unwrap_or("");
    let given: Vec<&str> = name.items("given").iter().filter_map(Json::as_str).collect();
    if is_han(family) || given.iter().any(|part| is_han(part)) {
        format!("{family}{}", given.concat())
    } else {
        format!("{} {family}", given.join(" ")).trim().to_owned()
    }
}

fn is_han(text: &str) -> bool {
    text.chars().any(tongmai_identity::han::is_han)
}

/// Names of one script: those in Chinese characters where there are any, since a name and its
/// spelling are one name and not two.
fn names(patient: &Json<'_>) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for text in patient.items("name").iter().map(name) {
        if !text.is_empty() && !all.contains(&text) {
            all.push(text);
        }
    }
    if all.iter().any(|text| is_han(text)) {
        all.retain(|text| is_han(text));
    }
    all
}

fn address(address: &Json<'_>) -> String {
    if let Some(text) = address.text("text") {
        return text.to_owned();
    }
    let part = |name: &str| address.text(name).unwrap_or("").to_owned();
    let lines: Vec<&str> = address.items("line").iter().filter_map(Json::as_str).collect();
    [part("state"), part("city"), part("district"), lines.concat()].concat()
}

/// Reads a Patient. What it does not say stays empty.
pub fn read(patient: &Json<'_>) -> Demographics {
    let (mut identities, mut insurances) = (Vec::new(), Vec::new());
    for identifier in patient.items("identifier") {
        let Some(value) = identifier.text("value") else { continue };
        match kind_of(identifier, value) {
            Some(NumberKind::Identity) => identities.push(value.to_owned()),
            Some(NumberKind::Insurance) => insurances.push(value.to_owned()),
            None => {}
        }
    }
    let is_phone = |contact: &&Json<'_>| matches!(contact.text("system"), Some("phone" | "sms") | None);
    let phones: Vec<String> = patient
        .items("telecom")
        .iter()
        .filter(is_phone)
        .filter_map(|contact| contact.text("value").map(str::to_owned))
        .collect();
    let names = names(patient);
    let addresses: Vec<String> = patient.items("address").iter().map(address).collect();
    let lists = [&names, &identities, &insurances, &phones, &addresses];
    let count = lists.iter().map(|list| list.len()).max().unwrap_or(0).clamp(1, MOST_FORMS);
    let at = |list: &Vec<String>, at: usize| list.get(at).or(list.first()).cloned().unwrap_or_default();
    let forms = (0..count)
        .map(|index| Form {
            name: at(&names, index),
            sex: patient.text("gender").unwrap_or("").to_owned(),
            birth_date: patient.text("birthDate").unwrap_or("").to_owned(),
            identity_number: at(&identities, index),
            insurance_number: at(&insurances, index),
            phone: at(&phones, index),
            address: at(&addresses, index),
        })
        .collect();
    Demographics { forms, birth_order: birth_order(patient, &names) }
}

/// Which of several born together: as the record says it, or the name of a newborn (王芳之次子).
fn birth_order(patient: &Json<'_>, names: &[String]) -> u8 {
    let said = match patient.get("multipleBirthInteger") {
        Some(Json::Number(digits)) => digits.parse().ok(),
        _ => None,
    };
    let named = || names.iter().find_map(|name| Name::read(name, "", "").newborn?.order);
    said.or_else(named).unwrap_or(0)
}

/// The fields of a record that a golden record is made of.
pub fn fields(said: &Demographics) -> BTreeMap<String, String> {
    let Some(form) = said.forms.first() else { return BTreeMap::new() };
    let all = [
        ("name", &form.name),
        ("gender", &form.sex),
        ("birthDate", &form.birth_date),
        ("identity-number", &form.identity_number),
        ("insurance-number", &form.insurance_number),
        ("telephone", &form.phone),
        ("address", &form.address),
    ];
    all.into_iter().filter(|(_, value)| !value.is_empty()).map(|(n, v)| (n.to_owned(), v.clone())).collect()
}

/// Which value survives: what most records say where people do not change it, and the most recent
/// word otherwise.
pub fn policy() -> Policy {
    let lasting = ["name", "gender", "birthDate", "identity-number"];
    Policy {
        fields: lasting.iter().map(|field| ((*field).to_owned(), Survivorship::MostFrequent)).collect(),
        otherwise: Survivorship::MostRecent,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patient_is_read_whole() {
        let text = r#"{"resourceType":"Patient","multipleBirthInteger":2,"gender":"female","birthDate":"1949-12-31",
            "identifier":[{"type":{"coding":[{"code":"MR"}]},"value":"77"},
                {"system":"urn:oid:2.16.156.10011.1.3","value":"110105194912310038"},
                {"type":{"coding":[{"code":"HC"}]},"value":"H-9"},{"value":"110105491231003"}],
            "name":[{"family":"于","given":["颖","娜"]},{"text":"Yu Yingna"},{"text":"于丽"}],
            "telecom":[{"system":"email","value":"x@y.z"},{"system":"phone","value":"13800000001"}],
            "address":[{"state":"禾州省","line":["1号"]}]}"#;
        let said = read(&Json::parse_str(text).expect("JSON"));
        assert_eq!(said.birth_order, 2);
        let names: Vec<&str> = said.forms.iter().map(|form| form.name.as_str()).collect();
        assert_eq!(names, ["于颖娜", "于丽"]);
        let form = &said.forms[1];
        assert_eq!(
            (form.identity_number.as_str(), form.insurance_number.as_str()),
            ("110105194912310038", "H-9")
        );
        assert_eq!((form.phone.as_str(), form.address.as_str()), ("13800000001", "禾州省1号"));
    }

    #[test]
    fn a_patient_may_say_nothing() {
        let said = read(
            &Json::parse_str(r#"{"name":3,"identifier":[{}],"multipleBirthInteger":-7}"#).expect("JSON"),
        );
        assert_eq!(said, Demographics { forms: vec![Form::default()], birth_order: 0 });
    }
}
