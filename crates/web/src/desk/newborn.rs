//! Registering a newborn that has neither name nor number: whose child it is, and which of several.

use std::sync::Arc;

use askama::Template;
use tongmai_engine::bundle::parse_pairs;
use tongmai_engine::person::Member;
use tongmai_engine::person::demographics::MOTHER;
use tongmai_engine::write::Conditions;
use tongmai_engine::{Failure, Outcome, Reason};
use tongmai_fhir::definition::resource_type_id;
use tongmai_fhir::json::write_string;
use tongmai_http::{Answer, Asked};

use crate::county::CITIZEN;
use crate::frame::Frame;
use crate::language::Language;
use crate::{Site, framed, render, reply};

/// Longest text of a field, in characters.
const LONGEST: usize = 60;

/// What was typed; it stays when something is wrong with it.
#[derive(Default, Clone)]
struct Typed {
    mother: String,
    number: String,
    phone: String,
    clinic: String,
    birth: String,
    time: String,
    sex: String,
    order: String,
}

#[derive(Template)]
#[template(path = "desk/newborn.html")]
struct Form {
    page: Frame,
    l: Language,
    typed: Typed,
    /// Key of what is wrong.
    problem: Option<&'static str>,
}

framed!(Form);

/// `/desk/newborn`
pub(super) fn form(asked: &Asked, page: Frame) -> Outcome<Answer> {
    let given = |name: &str| page.parameter(name).unwrap_or("").to_owned();
    let typed =
        Typed { mother: given("mother"), number: given("number"), phone: given("phone"), ..Typed::default() };
    render(asked, 200, &Form { l: page.language, page, typed, problem: None })
}

/// `POST /desk/newborn`: the child is written to the ledger, and its person is shown.
pub(super) async fn register(site: &Arc<Site>, asked: &Asked, page: Frame) -> Outcome<Answer> {
    let body = std::str::from_utf8(&asked.body).unwrap_or("");
    let pairs = parse_pairs(body);
    let field = |name: &str| {
        let text = pairs.iter().find(|pair| pair.0 == name).map_or("", |pair| pair.1.trim());
        text.chars().take(LONGEST).collect::<String>()
    };
    let typed = Typed {
        mother: field("mother"),
        number: field("number").to_uppercase(),
        phone: field("phone"),
        clinic: field("clinic"),
        birth: field("birth"),
        time: field("time"),
        sex: field("sex"),
        order: field("order"),
    };
    let again = |problem: &'static str| {
        render(
            asked,
            422,
            &Form { l: page.language, page: page.clone(), typed: typed.clone(), problem: Some(problem) },
        )
    };
    if let Some(problem) = wrong(&typed, site.today()) {
        return again(problem);
    }
    let mut mother = None;
    if !typed.number.is_empty() {
        let number = typed.number.clone();
        match site.work(move |site| site.engine.person_by_identifier(&site.sight(), CITIZEN, &number)).await {
            Ok(sealed) => mother = site.release(sealed).await?.members.first().cloned(),
            Err(failure) if failure.reason == Reason::NotFound => return again("newborn-mother-unknown"),
            Err(failure) if failure.reason == Reason::Conflict => return again("newborn-mother-several"),
            Err(failure) => return Err(failure),
        }
    }
    let text = patient(&typed, mother.as_ref());
    let checked = site.engine.check(text.as_bytes(), resource_type_id("Patient"))?;
    let sealed = site.engine.create(&site.sight(), &checked, &Conditions::default()).await?;
    let written = site.release(sealed).await?;
    let id = written.resource.as_ref().map(|resource| resource.id.clone());
    let lost = || Failure::new(Reason::Internal, "", "exception", "what was written is not there");
    Ok(reply::see_other_with(&format!("/desk/person/{}", id.ok_or_else(lost)?), &[]))
}

/// Key of what is wrong with the form.
fn wrong(typed: &Typed, today: i64) -> Option<&'static str> {
    let day =
        crate::format::When::read(&typed.birth).filter(|_| typed.birth.len() == 10).map(|when| when.day());
    let is_time = |time: &str| {
        let numbers: Vec<u32> = time.split(':').filter_map(|part| part.parse().ok()).collect();
        matches!(numbers[..], [0..=23, 0..=59])
    };
    match () {
        () if !typed.mother.chars().any(|c| !c.is_whitespace()) => Some("newborn-no-mother"),
        () if !matches!(typed.sex.as_str(), "male" | "female") => Some("newborn-no-sex"),
        () if day.is_none_or(|day| day > today || today - day > 366) => Some("newborn-no-birth"),
        () if !typed.time.is_empty() && !is_time(&typed.time) => Some("newborn-no-time"),
        () if !typed.order.is_empty() && !matches!(typed.order.parse(), Ok(1..=9u8)) => {
            Some("newborn-no-order")
        }
        () => None,
    }
}

/// The child as a Patient: 王芳之子, with the mother as a contact and, where she was chosen, her record.
/// Where nothing else is said, the child lives with her and is reached through her.
fn patient(typed: &Typed, mother: Option<&Member>) -> String {
    let quoted = |text: &str| {
        let mut out = String::new();
        write_string(text, &mut out);
        out
    };
    let name = format!("{}{}", typed.mother, if typed.sex == "female" { "之女" } else { "之子" });
    let mut out = String::from("{\"resourceType\":\"Patient\"");
    let hers = mother.and_then(|mother| mother.said.forms.first()).cloned().unwrap_or_default();
    if let Some(mother) = mother {
        let reference = quoted(&format!("Patient/{}", mother.resource.id));
        out.push_str(&format!(
            ",\"extension\":[{{\"url\":\"{MOTHER}\",\"valueReference\":{{\"reference\":{reference}}}}}]"
        ));
    }
    out.push_str(&format!(",\"name\":[{{\"use\":\"temp\",\"text\":{}}}]", quoted(&name)));
    out.push_str(&format!(",\"gender\":\"{}\",\"birthDate\":\"{}\"", typed.sex, typed.birth));
    if !typed.time.is_empty() {
        let time = quoted(&format!("{}T{}:00+08:00", typed.birth, typed.time));
        out.push_str(&format!(
            ",\"_birthDate\":{{\"extension\":[{{\"url\":\"http://hl7.org/fhir/StructureDefinition/patient-birthTime\",\"valueDateTime\":{time}}}]}}"
        ));
    }
    if let Ok(order) = typed.order.parse::<u8>() {
        out.push_str(&format!(",\"multipleBirthInteger\":{order}"));
    }
    let mut telecom = String::new();
    let phone = if typed.phone.is_empty() { &hers.phone } else { &typed.phone };
    if !phone.is_empty() {
        telecom = format!(",\"telecom\":[{{\"system\":\"phone\",\"value\":{}}}]", quoted(phone));
        out.push_str(&telecom);
    }
    out.push_str(&format!(
        ",\"contact\":[{{\"relationship\":[{{\"coding\":[{{\"system\":\"http://terminology.hl7.org/CodeSystem/v3-RoleCode\",\"code\":\"MTH\"}}]}}],\"name\":{{\"text\":{}}}{telecom}}}]",
        quoted(&typed.mother)
    ));
    if !hers.address.is_empty() {
        out.push_str(&format!(",\"address\":[{{\"text\":{}}}]", quoted(&hers.address)));
    }
    if !typed.clinic.is_empty() {
        out.push_str(&format!(",\"managingOrganization\":{{\"display\":{}}}", quoted(&typed.clinic)));
    }
    out.push('}');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed() -> Typed {
        Typed {
            mother: "王芳".into(),
            birth: "2026-11-24".into(),
            sex: "male".into(),
            order: "2".into(),
            time: "03:20".into(),
            phone: "12900000002".into(),
            ..Typed::default()
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        let today = crate::format::When::read("2026-11-27").expect("a day").day();
        let with = |change: fn(&mut Typed)| {
            let mut form = typed();
            change(&mut form);
            wrong(&form, today)
        };
        assert_eq!(with(|_| {}), None);
        assert_eq!(with(|t| t.mother = " ".into()), Some("newborn-no-mother"));
        assert_eq!(with(|t| t.sex = "x".into()), Some("newborn-no-sex"));
        assert_eq!(with(|t| t.birth = "2026-11-28".into()), Some("newborn-no-birth"));
        assert_eq!(with(|t| t.birth = "2020-01-01".into()), Some("newborn-no-birth"));
        assert_eq!(with(|t| t.birth = "gestern".into()), Some("newborn-no-birth"));
        assert_eq!(with(|t| t.time = "25:00".into()), Some("newborn-no-time"));
        assert_eq!(with(|t| t.order = "0".into()), Some("newborn-no-order"));
    }

    #[test]
    fn a_child_is_a_patient_with_its_mother() {
        let text = patient(&typed(), None);
        let json = tongmai_fhir::json::Json::parse_str(&text).expect("JSON");
        assert_eq!(json.items("name")[0].text("text"), Some("王芳之子"));
        assert_eq!(json.items("contact")[0].get("name").and_then(|name| name.text("text")), Some("王芳"));
        assert!(text.contains("\"multipleBirthInteger\":2") && text.contains("T03:20:00+08:00"));
    }
}
