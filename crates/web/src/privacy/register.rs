//! The register of signed instruments: agreements with those who process for others, and impact assessments. What
//! stands here decides: a purpose that the law wants assessed opens with an assessment and closes with its end, and
//! an organisation sees what its agreement covers while it counts.

use std::sync::Arc;

use askama::Template;
use serde_json::Value;
use tongmai_consent::Purpose;
use tongmai_engine::rights::instrument;
use tongmai_engine::{Failure, Outcome, Reason};
use tongmai_http::{Answer, Asked};

use super::office;
use crate::account::Form;
use crate::format::When;
use crate::frame::Frame;
use crate::language::Language;
use crate::{Site, framed, me, render, reply};

const DAY: i64 = 86_400_000;
/// Days that an instrument counts at most: three years (PIPL 56 keeps it as long).
const LONGEST: i64 = 3 * 366;

/// An instrument as it is shown.
struct Signed {
    id: String,
    kind: String,
    organization: String,
    purposes: Vec<String>,
    until: Option<When>,
    over: bool,
    text: String,
    signer: String,
}

#[derive(Template)]
#[template(path = "privacy/register.html")]
struct Register {
    page: Frame,
    l: Language,
    signed: Vec<Signed>,
    purposes: Vec<&'static str>,
}

framed!(Register);

/// The Contracts of the office, newest first. They are nobody's record and not open over the API.
pub async fn all(site: &Arc<Site>) -> Outcome<Vec<Value>> {
    let pairs = [("_sort", "-issued"), ("_count", "200")];
    let found = office(site, "Contract", &pairs).await?;
    let own = |one: &Value| one["type"]["coding"][0]["system"] == instrument::KIND;
    Ok(found.into_iter().filter(own).collect())
}

/// `/privacy/register`
pub async fn page(site: &Arc<Site>, asked: &Asked, page: Frame) -> Outcome<Answer> {
    let now = site.engine.now();
    let text = |value: &Value| value.as_str().unwrap_or("").to_owned();
    let signed = all(site).await?.into_iter().map(|one| {
        let until = one["applies"]["end"].as_str().and_then(When::read);
        let listed = one["extension"].as_array().cloned().unwrap_or_default();
        let purposes = listed.iter().filter_map(|it| it["valueCode"].as_str());
        let purposes =
            purposes.filter(|code| Purpose::from_code(code).is_some()).map(str::to_owned).collect();
        Signed {
            id: text(&one["id"]),
            kind: text(&one["type"]["coding"][0]["code"]),
            organization: text(&one["subject"][0]["reference"]),
            purposes,
            over: one["status"] != "executed" || until.as_ref().is_some_and(|until| until.at < now),
            until,
            text: text(&one["title"]),
            signer: text(&one["subtitle"]),
        }
    });
    let purposes = Purpose::ALL.iter().map(|purpose| purpose.code()).collect();
    render(asked, 200, &Register { l: page.language, page, signed: signed.collect(), purposes })
}

fn refuse(path: &str, message: &str, repair: &str) -> Failure {
    Failure::new(Reason::Invalid, path, "invalid", message).repair(repair)
}

/// `POST /privacy/register`: one is signed, or ended.
pub async fn change(site: &Arc<Site>, asked: &Asked) -> Outcome<Answer> {
    let form = Form::of(asked)?;
    let signer = me::looked::who(site, &site.requester.actor, Language::Chinese).0;
    if form.field("act") == "end" {
        let now = tongmai_base::time::Instant(site.engine.now()).to_fhir();
        office_change(site, form.field("id"), |contract| {
            contract["status"] = "terminated".into();
            contract["applies"]["end"] = now.into();
        })
        .await?;
        return Ok(reply::lead("/privacy/register", &[]));
    }
    let kind = form.field("kind");
    let (purpose, text) = (form.field("purpose"), form.field("text").trim());
    if !matches!(kind, "agreement" | "impact-assessment") {
        return Err(refuse("kind", "there is no such instrument", "choose one of the two"));
    }
    if Purpose::from_code(purpose).is_none() {
        return Err(refuse("purpose", "the purpose is unknown", "choose one of the list"));
    }
    // PIPL 56: purpose and way, effect on people's rights and risks, and whether the measures fit.
    if text.chars().count() < 20 {
        let repair = "say what is processed and why, the risk for people, and the measures against it";
        return Err(refuse("text", "what was weighed is not written down", repair));
    }
    let days = form.field("days").parse::<i64>().ok().filter(|days| (1..=LONGEST).contains(days));
    let days =
        days.ok_or_else(|| refuse("days", "the term is no number of days up to three years", "write 365"))?;
    let organization = form.field("organization").trim();
    if kind == "agreement" {
        let type_id = tongmai_fhir::definition::resource_type_id("Organization").unwrap_or_default();
        let wanted = organization.to_owned();
        let sealed = site.work(move |site| site.engine.read(&site.pen(), type_id, &wanted)).await?;
        site.release(sealed).await?;
    }
    let now = site.engine.now();
    let subject = (kind == "agreement").then_some(organization);
    let term = (now, now + DAY * days);
    let contract = instrument::write(kind, subject, &[purpose], &[], term, (text, &signer));
    let contract: Value = serde_json::from_str(&contract)
        .map_err(|error| Failure::new(Reason::Internal, "", "exception", error.to_string()))?;
    me::write(site, &contract).await?;
    Ok(reply::lead("/privacy/register", &[]))
}

async fn office_change(site: &Arc<Site>, id: &str, change: impl FnOnce(&mut Value)) -> Outcome<()> {
    super::office_change(site, "Contract", id, change).await
}
