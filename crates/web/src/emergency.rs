//! Emergency access 紧急访问: a clinician opens a record without a consent, says why, and is reviewed.

use std::sync::Arc;

use askama::Template;
use hyper::Method;
use serde_json::json;
use tongmai_base::time::Instant;
use tongmai_engine::{Failure, Outcome};
use tongmai_http::{Answer, Asked};

use crate::account::{Form, session, session_cookie};
use crate::frame::Frame;
use crate::language::Language;
use crate::me::request::SYSTEM;
use crate::{Site, framed, me, problem, render, reply};

/// Code of the Task under which an emergency access is reviewed.
pub const REVIEW: &str = "emergency-review";
const HOUR: i64 = 3_600_000;
/// Hours within which an emergency access is reviewed, and within which the person is told.
const REVIEW_HOURS: i64 = 24;
const NOTICE_HOURS: i64 = 1;

#[derive(Template)]
#[template(path = "privacy/emergency.html")]
struct Emergency {
    page: Frame,
    l: Language,
    patient: String,
    reason: String,
    problem: Option<String>,
}

framed!(Emergency);

/// Answers `/emergency` and what lies below.
pub async fn answer(site: &Arc<Site>, asked: &Asked, page: Frame, path: &[&str]) -> Outcome<Answer> {
    let post = asked.method == Method::POST;
    match path {
        [] if post => begin(site, asked, page).await,
        [] => {
            let patient = page.parameter("patient").unwrap_or("").to_owned();
            render(
                asked,
                200,
                &Emergency { l: page.language, page, patient, reason: String::new(), problem: None },
            )
        }
        ["end"] if post => {
            let Some(accounts) = &site.accounts else { return Err(Failure::not_found("accounts")) };
            let ended = accounts.end_emergency(session(asked));
            Ok(ended.map_or_else(
                |_| reply::lead("/login", &[]),
                |token| reply::lead("/home", &[session_cookie(site, &token)]),
            ))
        }
        _ => Ok(problem::show(asked, page, 404, "lost", "")),
    }
}

async fn begin(site: &Arc<Site>, asked: &Asked, page: Frame) -> Outcome<Answer> {
    let form = Form::of(asked)?;
    let (patient, reason) = (form.field("patient").to_owned(), form.field("reason").trim().to_owned());
    let Some(accounts) = &site.accounts else { return Err(Failure::not_found("accounts")) };
    // It has to be a patient; whether the record can be opened otherwise plays no part.
    let id = patient.clone();
    let known = site.work(move |site| site.engine.record_of(&id)).await?.is_some();
    if !known {
        return Err(Failure::not_found(format!("Patient/{patient}")));
    }
    let l = page.language;
    let again = |problem: String| Emergency {
        l,
        page,
        patient: patient.clone(),
        reason: reason.clone(),
        problem: Some(problem),
    };
    if reason.chars().count() < 6 {
        return render(asked, 400, &again(l.say("emergency-reason-short").into_owned()));
    }
    // The review is on disk before anything is opened.
    write(site, &patient, &reason).await?;
    match accounts.begin_emergency(session(asked), std::slice::from_ref(&patient), &reason) {
        Ok((token, _)) => Ok(reply::lead(&format!("/person/{patient}"), &[session_cookie(site, &token)])),
        Err(refused) => render(asked, 403, &again(refused.0)),
    }
}

/// Writes the Task of the review and the notice to the person.
async fn write(site: &Arc<Site>, patient: &str, reason: &str) -> Outcome<()> {
    let now = site.engine.now();
    let (who, organization) = me::looked::who(site, &site.requester.actor, Language::Chinese);
    let subject = json!({"reference": format!("Patient/{patient}")});
    let at = |hours: i64| Instant(now + hours * HOUR).to_fhir();
    let task = json!({
        "resourceType": "Task", "status": "requested", "intent": "order", "priority": "urgent",
        "code": {"coding": [{"system": SYSTEM, "code": REVIEW}]},
        "description": reason, "for": subject, "authoredOn": at(0),
        "requester": {"display": format!("{who} {organization} ({})", site.requester.actor)},
        "restriction": {"period": {"start": at(0), "end": at(REVIEW_HOURS)}},
    });
    me::write(site, &task).await?;
    let notice = json!({
        "resourceType": "Communication", "status": "preparation", "subject": subject,
        "category": [{"coding": [{"system": SYSTEM, "code": "emergency-notice"}]}],
        "payload": [{"contentString":
            format!("{who}（{organization}）以紧急情况为由打开了您的健康记录，最迟应于 {} 告知您。理由：{reason}",
                at(NOTICE_HOURS))}],
    });
    me::write(site, &notice).await.map(drop)
}
