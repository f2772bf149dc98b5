//! What a FHIR Patient says of its person, as the matcher reads it.

use std::collections::BTreeMap;

use tongmai_fhir::json::Json;
use tongmai_identity::identifier::{Identifier, Scheme};
use tongmai_identity::linker::newborn::Mother;
use tongmai_identity::linker::{Demographics, Form, MOST_FORMS};
use tongmai_identity::name::Name;
use tongmai_identity::rules::{NumberKind, Rules};

/// The extension of a newborn's Patient that names its mother's: `valueReference` to `Patient/…`.
pub const MOTHER: &str = "urn:tongmai:mother";

/// Codes of a relationship that make a contact the mother (HL7 v3 RoleCode).
const MOTHERS: &[&str] = &["MTH", "NMTH", "GESTM"];

/// What a number stands for, by the rules: its system, or the code of its type.
fn kind_of(identifier: &Json<'_>, value: &str, rules: &Rules) -> Option<NumberKind> {
    let system = identifier.text("system").unwrap_or("");
    let codings = identifier.get("type").map_or(&[][..], |kind| kind.items("coding"));
    let codes = codings.iter().filter_map(|coding| coding.text("code"));
    let kind = rules.kind(system, "").or_else(|| codes.into_iter().find_map(|code| rules.kind("", code)));
    if kind.is_some() {
        return kind;
    }
    // Without a system, a number with the right check character speaks for itself.
    let number = Identifier::read(value, None);
    (codings.is_empty() && number.checked && number.scheme == Scheme::Resident)
        .then_some(NumberKind::Identity)
}

/// A provider's number with the provider, or with whoever else gave it.
fn of_provider(identifier: &Json<'_>, patient: &Json<'_>, value: &str) -> Option<String> {
    let organisation = |of: Option<&Json<'_>>| {
        let of = of?;
        of.text("reference").or_else(|| of.text("display")).map(str::to_owned)
    };
    let system = identifier.text("system").filter(|system| !system.is_empty()).map(str::to_owned);
    let giver = system
        .or_else(|| organisation(identifier.get("assigner")))
        .or_else(|| organisation(patient.get("managingOrganization")))?;
    Some(format!("{}|{value}", giver.replace('|', " ")))
}

/// What a newborn's record says of its mother.
fn mother(patient: &Json<'_>) -> Option<Mother> {
    let is_mother = |contact: &&Json<'_>| {
        let codings = contact.items("relationship").iter().flat_map(|kind| kind.items("coding"));
        codings.filter_map(|coding| coding.text("code")).any(|code| MOTHERS.contains(&code))
    };
    let contact = patient.items("contact").iter().find(is_mother);
    if contact.is_none() && mother_id(patient).is_none() {
        return None;
    }
    let phone = contact.and_then(|contact| {
        contact.items("telecom").iter().find_map(|telecom| telecom.text("value")).map(str::to_owned)
    });
    let name = contact.and_then(|contact| contact.get("name")).map(name);
    Some(Mother { name: name.unwrap_or_default(), phone: phone.unwrap_or_default(), ..Mother::default() })
}

/// The id of the mother's Patient, where whoever registered the child chose it.
pub fn mother_id<'j>(patient: &'j Json<'_>) -> Option<&'j str> {
    let extension = patient.items("extension").iter().find(|e| e.text("url") == Some(MOTHER))?;
    extension.get("valueReference")?.text("reference")?.rsplit("Patient/").next()
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
pub fn read(patient: &Json<'_>, rules: &Rules) -> Demographics {
    let (mut identities, mut insurances, mut own) = (Vec::new(), Vec::new(), Vec::new());
    for identifier in patient.items("identifier") {
        let Some(value) = identifier.text("value") else { continue };
        match kind_of(identifier, value, rules) {
            Some(NumberKind::Identity) => identities.push(value.to_owned()),
            // Of their own kind only: a health code says nothing of an insurance number.
            Some(kind @ (NumberKind::HealthCode | NumberKind::InsuranceCode)) => {
                insurances.push(format!("{}|{value}", kind.word()));
            }
            Some(NumberKind::Insurance) => insurances.push(value.to_owned()),
            Some(NumberKind::Patient) => own.extend(of_provider(identifier, patient, value)),
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
    let lists = [&names, &identities, &insurances, &phones, &addresses, &own];
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
            patient_number: at(&own, index),
        })
        .collect();
    Demographics { forms, birth_order: birth_order(patient, &names), mother: mother(patient) }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newborn_names_its_mother() {
        let text = r#"{"name":[{"text":"王芳之子"}],"multipleBirthInteger":2,
            "extension":[{"url":"urn:tongmai:mother","valueReference":{"reference":"Patient/m1"}}],
            "contact":[{"relationship":[{"coding":[{"code":"FTH"}]}],"name":{"text":"陈志强"}},
                {"relationship":[{"coding":[{"code":"MTH"}]}],"name":{"family":"王","given":["芳"]},
                 "telecom":[{"system":"phone","value":"12900000002"}]}]}"#;
        let json = Json::parse_str(text).expect("JSON");
        let mother = read(&json, &Rules::standard()).mother.expect("a mother");
        assert_eq!((mother.name.as_str(), mother.phone.as_str()), ("王芳", "12900000002"));
        assert_eq!(mother_id(&json), Some("m1"));
    }

    #[test]
    fn numbers_keep_their_kind_and_their_giver() {
        let text = r#"{"managingOrganization":{"reference":"Organization/h1"},"identifier":[
            {"type":{"coding":[{"code":"MR"}]},"value":"0017"},
            {"type":{"coding":[{"code":"EHC"}]},"value":"A17B"},
            {"type":{"coding":[{"code":"XX"}]},"value":"9"}]}"#;
        let said = read(&Json::parse_str(text).expect("JSON"), &Rules::standard());
        let form = &said.forms[0];
        assert_eq!(
            (form.patient_number.as_str(), form.insurance_number.as_str(), form.identity_number.as_str()),
            ("Organization/h1|0017", "health-code|A17B", "")
        );
    }

    #[test]
    fn a_patient_is_read_whole() {
        let text = r#"{"resourceType":"Patient","multipleBirthInteger":2,"gender":"female","birthDate":"1949-12-31",
            "identifier":[{"type":{"coding":[{"code":"MR"}]},"value":"77"},
                {"system":"urn:oid:2.16.156.10011.1.3","value":"110105194912310038"},
                {"type":{"coding":[{"code":"HC"}]},"value":"H-9"},{"value":"110105491231003"}],
            "name":[{"family":"于","given":["颖","娜"]},{"text":"Yu Yingna"},{"text":"于丽"}],
            "telecom":[{"system":"email","value":"x@y.z"},{"system":"phone","value":"13800000001"}],
            "address":[{"state":"禾州省","line":["1号"]}]}"#;
        let said = read(&Json::parse_str(text).expect("JSON"), &Rules::standard());
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
            &Json::parse_str(r#"{"name":3,"identifier":[{}],"multipleBirthInteger":-7,"contact":[{}]}"#)
                .expect("JSON"),
            &Rules::standard(),
        );
        assert_eq!(said, Demographics { forms: vec![Form::default()], ..Demographics::default() });
    }
}
