//! An incident: what was seen by an account in a time, exactly whose records, and by when whom to tell.
//!
//! The list of people follows from the log of reads, which holds everything that was shown: nobody is forgotten,
//! and nobody is told who was not affected.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use askama::Template;
use serde_json::{Value, json};
use tongmai_base::time::Instant;
use tongmai_consent::incident::{self, NOTICE, Operator};
use tongmai_engine::{Failure, Outcome, Reason};
use tongmai_fhir::search::date;
use tongmai_http::{Answer, Asked};

use super::office;
use crate::account::Form;
use crate::format::When;
use crate::frame::Frame;
use crate::language::Language;
use crate::me::request::SYSTEM;
use crate::{Site, framed, me, render, reply};

/// Code of the Task of an incident.
pub const INCIDENT: &str = "incident";
/// People on the page; the audit pack and the file hold all.
const SHOWN: usize = 200;

struct Due {
    whom: &'static str,
    clause: &'static str,
    when: When,
    over: bool,
}

struct Known {
    id: String,
    account: String,
    text: String,
    from: String,
    until: String,
    affected: Vec<String>,
    count: i64,
    due: Vec<Due>,
    lacking: Vec<&'static str>,
    closed: bool,
}

#[derive(Template)]
#[template(path = "privacy/incident.html")]
struct Incidents {
    page: Frame,
    l: Language,
    known: Vec<Known>,
    operators: Vec<&'static str>,
    parts: [&'static str; 6],
}

framed!(Incidents);

/// Ids of the patients whose records were shown to an account between two instants, by the log of reads.
pub fn affected(site: &Site, account: &str, from: i64, until: i64) -> Outcome<BTreeSet<String>> {
    let mut positions = BTreeSet::new();
    let read = site.access.entries(&mut |entry| {
        if entry.actor == account && (from..=until).contains(&entry.time) {
            positions.extend(entry.positions);
        }
    });
    read.map_err(|error| Failure::new(Reason::Internal, "", "exception", error.to_string()))?;
    let positions: Vec<u64> = positions.into_iter().collect();
    let mut people = BTreeSet::new();
    for chunk in positions.chunks(1_000) {
        people.extend(site.engine.patients_at(chunk)?);
    }
    Ok(people)
}

fn items(task: &Value) -> BTreeMap<String, String> {
    let inputs = task["input"].as_array().cloned().unwrap_or_default();
    let pair = |input: &Value| {
        Some((input["type"]["text"].as_str()?.to_owned(), input["valueString"].as_str()?.to_owned()))
    };
    inputs.iter().filter_map(pair).collect()
}

fn moment(text: &str) -> Option<i64> {
    date::parse(text).map(|period| period.low)
}

/// `/privacy/incident`
pub async fn page(site: &Arc<Site>, asked: &Asked, page: Frame) -> Outcome<Answer> {
    let code = format!("{SYSTEM}|{INCIDENT}");
    let tasks = office(site, "Task", &[("code", &code), ("_sort", "-authored-on"), ("_count", "50")]).await?;
    let now = site.engine.now();
    let mut known = Vec::new();
    for task in tasks {
        let items = items(&task);
        let item = |name: &str| items.get(name).map_or("", String::as_str);
        let (from, until) = (moment(item("from")).unwrap_or(0), moment(item("until")).unwrap_or(0));
        let account = item("account").to_owned();
        let wanted = account.clone();
        let people = site.work(move |site| affected(site, &wanted, from, until)).await?;
        let found = task["authoredOn"].as_str().and_then(moment).unwrap_or(now);
        let operator = Operator::from_code(item("operator")).unwrap_or(Operator::Other);
        let due = incident::deadlines(found, operator, item("public") == "yes");
        let closed = task["status"] == "completed";
        known.push(Known {
            id: task["id"].as_str().unwrap_or("").to_owned(),
            text: task["description"].as_str().unwrap_or("").to_owned(),
            from: item("from").to_owned(),
            until: item("until").to_owned(),
            count: people.len() as i64,
            affected: people.into_iter().take(SHOWN).collect(),
            due: due
                .into_iter()
                .map(|one| Due {
                    whom: one.whom,
                    clause: one.clause,
                    when: When::moment(one.due),
                    over: !closed && one.due < now,
                })
                .collect(),
            lacking: incident::lacking(|part| item(part)),
            account,
            closed,
        });
    }
    let operators = Operator::ALL.iter().map(|known| known.1).collect();
    render(asked, 200, &Incidents { l: page.language, page, known, operators, parts: NOTICE })
}

fn refuse(path: &str, message: &str, repair: &str) -> Failure {
    Failure::new(Reason::Invalid, path, "invalid", message).repair(repair)
}

/// `POST /privacy/incident`: one is opened, or closed once its notice says all that the law wants.
pub async fn change(site: &Arc<Site>, asked: &Asked) -> Outcome<Answer> {
    let form = Form::of(asked)?;
    if form.field("act") == "close" {
        let said: BTreeMap<&str, String> =
            NOTICE.iter().map(|part| (*part, form.field(part).trim().to_owned())).collect();
        let lacking = incident::lacking(|part| said.get(part).map_or("", String::as_str));
        if let Some(part) = lacking.first() {
            let message = format!("the notice says nothing of: {}", lacking.join(", "));
            return Err(refuse(part, &message, "PIPL 57 names what a notice says: write it"));
        }
        super::office_change(site, "Task", form.field("id"), |task| {
            task["status"] = "completed".into();
            if let Some(inputs) = task["input"].as_array_mut() {
                inputs.extend(said.iter().map(|(part, text)| input(part, text)));
            }
        })
        .await?;
        return Ok(reply::lead("/privacy/incident", &[]));
    }
    let text = form.field("text").trim();
    if text.is_empty() {
        return Err(refuse("text", "what happened is not said", "describe it"));
    }
    let bound = |name: &str| {
        let read = moment(form.field(name));
        read.ok_or_else(|| refuse(name, "this is no date and time", "write it as 2026-11-27T08:00:00+08:00"))
    };
    let (from, until) = (bound("from")?, bound("until")?);
    if from > until {
        return Err(refuse("until", "it ends before it begins", "exchange the two"));
    }
    let operator = form.field("operator");
    if Operator::from_code(operator).is_none() {
        return Err(refuse("operator", "there is no such operator", "choose one of the list"));
    }
    let public = if form.field("public").is_empty() { "no" } else { "yes" };
    let pairs = [
        ("account", form.field("account").trim()),
        ("from", form.field("from")),
        ("until", form.field("until")),
        ("operator", operator),
        ("public", public),
    ];
    let filled = pairs.iter().filter(|pair| !pair.1.is_empty());
    let inputs: Vec<Value> = filled.map(|(name, text)| input(name, text)).collect();
    let task = json!({
        "resourceType": "Task", "status": "requested", "intent": "order", "priority": "stat",
        "code": {"coding": [{"system": SYSTEM, "code": INCIDENT}]},
        "description": text, "authoredOn": Instant(site.engine.now()).to_fhir(),
        "requester": {"display": site.requester.actor},
        "input": inputs,
    });
    me::write(site, &task).await?;
    Ok(reply::lead("/privacy/incident", &[]))
}

fn input(name: &str, text: &str) -> Value {
    json!({"type": {"text": name}, "valueString": text})
}
