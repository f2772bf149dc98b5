//! The privacy officer's desk: requests with their clocks, emergency accesses to review, consents, signed
//! instruments, incidents, the log.

mod incident;
mod register;

use std::sync::Arc;

use askama::Template;
use hyper::Method;
use hyper::header::{CACHE_CONTROL, CONTENT_DISPOSITION, HeaderValue};
use serde_json::{Value, json};
use tongmai_access::Role;
use tongmai_audit::SignedHead;
use tongmai_base::time::Instant;
use tongmai_engine::write::{Conditions, Target};
use tongmai_engine::{Failure, Outcome, Reason};
use tongmai_fhir::definition::resource_type_id;
use tongmai_http::{Answer, Asked};
use tongmai_views::trail::Report;

use crate::account::Form;
use crate::emergency::REVIEW;
use crate::format::When;
use crate::frame::Frame;
use crate::language::Language;
use crate::me::request::{APPEAL, Kind, SYSTEM, Shown};
use crate::me::{self, json as read_json, search};
use crate::{Site, duties, framed, gate, problem, render, reply};

/// Answers `/privacy` and what lies below.
pub async fn answer(site: &Arc<Site>, asked: &Asked, page: Frame, path: &[&str]) -> Outcome<Answer> {
    let page = page.in_section("nav-privacy");
    let post = asked.method == Method::POST;
    // Who reads the log does not decide on requests, and the other way round stays possible.
    let decides = site.requester.is(Role::PrivacyOfficer) || site.requester.is(Role::Installation);
    match path {
        [] => Ok(reply::lead(if decides { "/privacy/requests" } else { "/privacy/log" }, &[])),
        ["requests" | "emergency"] if post && decides => decide(site, asked).await,
        ["requests"] if decides => requests(site, asked, page).await,
        ["emergency"] if decides => emergencies(site, asked, page).await,
        ["consents"] if decides => consents(site, asked, page).await,
        ["register"] if post && decides => register::change(site, asked).await,
        ["register"] if decides => register::page(site, asked, page).await,
        ["incident"] if post && decides => incident::change(site, asked).await,
        ["incident"] if decides => incident::page(site, asked, page).await,
        ["log"] => log(site, asked, page, post).await,
        ["pack"] if !post => pack(site).await,
        ["requests" | "emergency" | "consents" | "register" | "incident"] => {
            let whose = gate::said_of(page.language, &[Role::PrivacyOfficer]);
            Ok(problem::show(asked, page, 403, "closed", &whose))
        }
        _ => Ok(problem::show(asked, page, 404, "lost", "")),
    }
}

/// Resources of the office itself, which are nobody's record and not open over the API: the page says who reads them.
async fn office(site: &Arc<Site>, kind: &str, pairs: &[(&str, &str)]) -> Outcome<Vec<Value>> {
    let type_id = resource_type_id(kind).ok_or_else(|| Failure::not_found(kind))?;
    let pairs: Vec<(String, String)> =
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let sealed = site
        .work(move |site| {
            let query = site.engine.query(&[type_id], None, &pairs, false)?;
            site.engine.search(&site.pen(), &query, None)
        })
        .await?;
    site.release(sealed).await?.into_inner().matches.iter().map(read_json).collect()
}

/// Changes a resource of the office.
async fn office_change(
    site: &Arc<Site>,
    kind: &str,
    id: &str,
    change: impl FnOnce(&mut Value),
) -> Outcome<()> {
    let type_id = resource_type_id(kind).ok_or_else(|| Failure::not_found(kind))?;
    let wanted = id.to_owned();
    let sealed = site.work(move |site| site.engine.read(&site.pen(), type_id, &wanted)).await?;
    let before = site.release(sealed).await?.into_inner();
    let mut resource = read_json(&before)?;
    let is_ours = match kind {
        "Contract" => resource["type"]["coding"][0]["system"] == tongmai_engine::rights::instrument::KIND,
        _ => resource["code"]["coding"][0]["code"] == incident::INCIDENT,
    };
    if !is_ours {
        return Err(Failure::not_found(format!("{kind}/{id} of this office")));
    }
    change(&mut resource);
    let text = resource.to_string();
    let checked = site.engine.check(text.as_bytes(), Some(type_id))?;
    let conditions = Conditions { if_match: Some(before.version), ..Conditions::default() };
    let sealed = site.engine.update(&site.pen(), &Target::Id(id.to_owned()), &checked, &conditions).await?;
    site.release(sealed).await.map(drop)
}

#[derive(Template)]
#[template(path = "privacy/requests.html")]
struct Requests {
    page: Frame,
    l: Language,
    /// Key of the heading.
    title: &'static str,
    address: &'static str,
    open: Vec<Shown>,
    done: Vec<Shown>,
    late: i64,
    review: bool,
}

framed!(Requests);

async fn tasks(site: &Arc<Site>, codes: &[&str]) -> Outcome<(Vec<Shown>, Vec<Shown>)> {
    let codes: Vec<String> = codes.iter().map(|code| format!("{SYSTEM}|{code}")).collect();
    let codes = codes.join(",");
    let pairs = [("code", codes.as_str()), ("_sort", "-authored-on"), ("_count", "200")];
    let now = site.engine.now();
    let mut shown = Vec::new();
    for task in me::filed(site, &pairs).await? {
        shown.push(Shown::read(&read_json(&task)?, now));
    }
    let (mut open, done): (Vec<Shown>, Vec<Shown>) = shown.into_iter().partition(Shown::is_open);
    // What is due first stands first.
    open.sort_by_key(|one| one.due.as_ref().map_or(i64::MAX, |due| due.at));
    Ok((open, done))
}

fn late(open: &[Shown]) -> i64 {
    open.iter().filter(|one| one.late).count() as i64
}

async fn requests(site: &Arc<Site>, asked: &Asked, page: Frame) -> Outcome<Answer> {
    let codes: Vec<&str> = Kind::ALL.iter().map(|kind| kind.code()).collect();
    let (open, done) = tasks(site, &codes).await?;
    let (l, late) = (page.language, late(&open));
    let (title, address) = ("task-inbox", "/privacy/requests");
    render(asked, 200, &Requests { page, l, title, address, open, done, late, review: false })
}

async fn emergencies(site: &Arc<Site>, asked: &Asked, page: Frame) -> Outcome<Answer> {
    let (open, done) = tasks(site, &[REVIEW]).await?;
    let (l, late) = (page.language, late(&open));
    let (title, address) = ("task-emergency", "/privacy/emergency");
    render(asked, 200, &Requests { page, l, title, address, open, done, late, review: true })
}

/// `POST`: a request is answered, or refused with a reason; an emergency access was fit, or was not.
async fn decide(site: &Arc<Site>, asked: &Asked) -> Outcome<Answer> {
    let form = Form::of(asked)?;
    let (id, text) = (form.field("id").to_owned(), form.field("text").trim().to_owned());
    let status = match form.field("act") {
        "done" => "completed",
        "refuse" => "rejected",
        _ => {
            let failure = Failure::new(Reason::Invalid, "act", "invalid", "nothing was decided");
            return Err(failure.repair("choose one of the buttons"));
        }
    };
    // PIPL, article 50: who refuses says why.
    if text.is_empty() {
        let failure = Failure::new(Reason::Invalid, "text", "required", "the answer has no words");
        return Err(failure.repair("say what was done, or why not"));
    }
    let now = Instant(site.engine.now()).to_fhir();
    let actor = site.requester.actor.clone();
    me::change(site, "Task", &id, |task| {
        let open = matches!(task["status"].as_str(), Some("requested" | "in-progress" | "accepted"));
        if task["code"]["coding"][0]["system"] != SYSTEM || !open {
            return Err(Failure::new(Reason::Conflict, "id", "conflict", "it was answered already"));
        }
        // Who appeals is heard by somebody else (PIPL 50; GB/T 35273, 8).
        if task["businessStatus"]["text"] == APPEAL && task["owner"]["display"] == actor {
            let message = "the appeal is against your own answer";
            return Err(Failure::new(Reason::Conflict, "id", "conflict", message)
                .repair("let another privacy officer answer it"));
        }
        task["status"] = status.into();
        task["lastModified"] = json!(now);
        task["owner"] = json!({"display": actor});
        if status == "rejected" {
            task["statusReason"] = json!({"text": text});
        }
        let note = json!({"time": now, "authorString": actor, "text": text});
        match task["note"].as_array_mut() {
            // The newest answer stands first.
            Some(notes) => notes.insert(0, note),
            None => task["note"] = json!([note]),
        }
        Ok(())
    })
    .await?;
    Ok(reply::lead(
        if asked.path.contains("emergency") { "/privacy/emergency" } else { "/privacy/requests" },
        &[],
    ))
}

struct Consented {
    id: String,
    patient: String,
    name: String,
    organization: String,
    status: String,
    when: Option<When>,
}

#[derive(Template)]
#[template(path = "privacy/consents.html")]
struct Consents {
    page: Frame,
    l: Language,
    consents: Vec<Consented>,
}

framed!(Consents);

async fn consents(site: &Arc<Site>, asked: &Asked, page: Frame) -> Outcome<Answer> {
    let text = |value: &Value| value.as_str().unwrap_or("").to_owned();
    let mut consents = Vec::new();
    for consent in search(site, "Consent", &[("_sort", "-date"), ("_count", "100")]).await? {
        let consent = read_json(&consent)?;
        consents.push(Consented {
            id: text(&consent["id"]),
            patient: me::patient_of(&consent, "patient").to_owned(),
            name: text(&consent["patient"]["display"]),
            organization: text(&consent["provision"]["actor"][0]["reference"]["display"]),
            status: text(&consent["status"]),
            when: consent["dateTime"].as_str().and_then(When::read),
        });
    }
    render(asked, 200, &Consents { l: page.language, page, consents })
}

#[derive(Template)]
#[template(path = "privacy/log.html")]
struct LogHealth {
    page: Frame,
    l: Language,
    head: Option<SignedHead>,
    size: i64,
    leaves: i64,
    signed: Option<When>,
    witnesses: String,
    witnessed: bool,
    key: String,
    report: Option<Report>,
}

framed!(LogHealth);

async fn log(site: &Arc<Site>, asked: &Asked, page: Frame, check: bool) -> Outcome<Answer> {
    let report = site
        .work(move |site| -> Outcome<Option<Report>> {
            let Some(trail) = &site.trail else { return Ok(None) };
            if check {
                return trail.verify(&site.engine, &site.access).map(Some);
            }
            trail.follow(&site.engine, &site.access).map(|()| None)
        })
        .await?;
    let head = site.trail.as_ref().and_then(|trail| trail.head());
    let known = site.trail.as_ref().map(|trail| trail.witnesses()).unwrap_or_default();
    let witnesses = head.as_ref().map(|head| known.of(head).join(", ")).unwrap_or_default();
    let health = LogHealth {
        l: page.language,
        page,
        signed: head.as_ref().map(|head| When::moment(head.head.time)),
        witnessed: head.as_ref().is_some_and(|head| known.is_witnessed(head)),
        witnesses,
        key: site.trail.as_ref().map(|trail| trail.key()).unwrap_or_default(),
        size: head.as_ref().map_or(0, |head| head.head.size as i64),
        leaves: report.as_ref().map_or(0, |report| report.leaves as i64),
        head,
        report,
    };
    render(asked, 200, &health)
}

/// `/privacy/pack`: everything that an auditor asks for first, in one file.
async fn pack(site: &Arc<Site>) -> Outcome<Answer> {
    let codes: Vec<&str> = Kind::ALL.iter().map(|kind| kind.code()).chain([REVIEW]).collect();
    let (open, done) = tasks(site, &codes).await?;
    let consents = search(site, "Consent", &[("_count", "1000")]).await?;
    let report = site
        .work(|site| match &site.trail {
            Some(trail) => trail.verify(&site.engine, &site.access).map(Some),
            None => Ok(None),
        })
        .await?
        .unwrap_or_default();
    let head = site.trail.as_ref().and_then(|trail| trail.head());
    let mut roles = std::collections::BTreeMap::<String, usize>::new();
    if let Some(accounts) = &site.accounts {
        let state = accounts.state();
        for role in state.accounts.values().flat_map(|kept| &kept.account.roles) {
            *roles.entry(role.clone()).or_default() += 1;
        }
    }
    let body = json!({
        "made": Instant(site.engine.now()).to_fhir(),
        "by": site.requester.actor,
        "ledger_position": site.engine.position()?,
        "accounts_by_role": roles,
        "requests": {"open": open.len(), "late": late(&open), "answered": done.len()},
        "consents": consents.len(),
        "log": {"leaves": report.leaves, "heads": report.heads, "reads": report.reads,
            "witnesses": report.witnesses, "faults": report.faults, "head": head,
            "note": "a read that was never logged cannot be found by a proof"},
        "duties": duties::data(),
    });
    let text = serde_json::to_string_pretty(&body).unwrap_or_default();
    let mut answer = reply::guarded(tongmai_http::plain(200, "application/json", text));
    let name = HeaderValue::from_static("attachment; filename=\"audit-pack.json\"");
    answer.headers_mut().insert(CONTENT_DISPOSITION, name);
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(answer)
}
