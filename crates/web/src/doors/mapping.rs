//! The mapping workbench 对码台: local codes, the standard codes most alike, and a person who confirms.

use std::sync::Arc;

use askama::Template;
use tongmai_engine::{Failure, Outcome, Reason};
use tongmai_gateway::door::{Decided, Doors};
use tongmai_http::{Answer, Asked};

use super::Form;
use crate::frame::Frame;
use crate::language::Language;
use crate::{Site, framed, render, reply};

/// Local codes on the page.
const CODES: usize = 20;
/// Mapped codes on the page.
const MAPPED: usize = 100;

struct Suggested {
    value: String,
    shown: String,
    alike: u32,
}

struct Local {
    system: String,
    code: String,
    display: String,
    times: i64,
    suggested: Vec<Suggested>,
}

#[derive(Template)]
#[template(path = "doors/mapping.html")]
struct Mapping {
    page: Frame,
    l: Language,
    local: Vec<Local>,
    waiting: i64,
    mapped: Vec<(String, String, String, String)>,
}

framed!(Mapping);

/// `/doors/mapping`
pub async fn page(site: &Arc<Site>, asked: &Asked, page: Frame) -> Outcome<Answer> {
    let (local, waiting, mapped) = site
        .work(|site| {
            site.local_codes.now(&site.engine, |view, _| {
                let unmapped = view.unmapped();
                let local: Vec<Local> = unmapped
                    .iter()
                    .take(CODES)
                    .map(|((system, code), said)| Local {
                        system: system.clone(),
                        code: code.clone(),
                        display: said.display.clone(),
                        times: said.times.cast_signed(),
                        suggested: view
                            .suggestions(&said.display)
                            .into_iter()
                            .map(|((system, code), to, alike)| Suggested {
                                value: format!("{system}|{code}|{}", to.display),
                                shown: format!("{} {code} {}", short(system), to.display),
                                alike,
                            })
                            .collect(),
                    })
                    .collect();
                let mapped: Vec<_> = view
                    .mapped()
                    .take(MAPPED)
                    .map(|((_, code), (to, target, display))| {
                        (code.clone(), short(to).to_owned(), target.clone(), display.clone())
                    })
                    .collect();
                (local, unmapped.len() as i64, mapped)
            })
        })
        .await?;
    render(asked, 200, &Mapping { l: page.language, page, local, waiting, mapped })
}

/// A code system in one word.
fn short(system: &str) -> &str {
    match system {
        "http://loinc.org" => "LOINC",
        "http://snomed.info/sct" => "SNOMED CT",
        "http://hl7.org/fhir/sid/icd-10" => "ICD-10",
        "http://hl7.org/fhir/sid/icd-9-cm" => "ICD-9-CM-3",
        "http://www.whocc.no/atc" => "ATC",
        other => other.strip_prefix("urn:oid:").unwrap_or(other),
    }
}

/// `POST /doors/mapping`: a person confirms.
pub async fn decide(doors: &Arc<Doors>, form: &Form) -> Outcome<Answer> {
    let chosen = match form.field("other").trim() {
        "" => form.wanted("chosen")?,
        other => other,
    };
    let mut parts = chosen.splitn(3, '|').map(str::trim);
    let (to_system, to_code) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    if to_system.is_empty() || to_code.is_empty() {
        return Err(Failure::new(Reason::Invalid, "other", "invalid", "that is no code with its system")
            .repair("write it as http://loinc.org|718-7|血红蛋白"));
    }
    let decided = Decided {
        system: form.field("system").to_owned(),
        code: form.wanted("code")?.to_owned(),
        display: form.field("display").to_owned(),
        to_system: to_system.to_owned(),
        to_code: to_code.to_owned(),
        to_display: parts.next().unwrap_or_default().to_owned(),
        who: form.wanted("who")?.to_owned(),
        when: doors.now(),
    };
    doors.map_code(&decided).await?;
    Ok(reply::see_other("/doors/mapping"))
}
