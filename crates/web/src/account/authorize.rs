//! `/oauth/authorize`: an app asks, a person grants or refuses.

use std::sync::Arc;

use askama::Template;
use tongmai_access::Role;
use tongmai_accounts::oauth::authorize::{AskRefused, Asked as AskedFor};
use tongmai_accounts::oauth::scope::{Level, Scope};
use tongmai_engine::Outcome;
use tongmai_engine::bundle::parse_pairs;
use tongmai_http::{Answer, Asked};

use super::Form;
use crate::frame::Frame;
use crate::language::Language;
use crate::{Site, framed, problem, render, reply};

/// A scope in words.
struct Line {
    level: &'static str,
    kind: String,
    reads: bool,
    writes: bool,
    query: String,
}

#[derive(Template)]
#[template(path = "account/authorize.html")]
struct Authorize {
    page: Frame,
    l: Language,
    name: String,
    host: String,
    lines: Vec<Line>,
    offline: bool,
    /// Records from which to choose: id and name.
    records: Vec<(String, String)>,
    /// The whole request, handed back with the decision.
    request: String,
    problem: Option<String>,
}

framed!(Authorize);

fn line(scope: &str, l: Language) -> Option<Line> {
    let Scope::Resource { level, kind, acts, query } = Scope::parse(scope)? else { return None };
    Some(Line {
        level: match level {
            Level::Patient => "scope-patient",
            Level::User => "scope-user",
            Level::System => "scope-system",
        },
        kind: if kind == "*" { l.say("scope-all").into_owned() } else { l.code("type", &kind).into_owned() },
        reads: acts.contains(['r', 's']),
        writes: acts.contains(['c', 'u', 'd']),
        query,
    })
}

fn shown(site: &Site, page: Frame, asked: AskedFor, request: String, problem: Option<String>) -> Authorize {
    let l = page.language;
    let needs = asked.scopes.iter().any(|scope| scope.starts_with("patient/") || scope == "launch/patient");
    let mut records = Vec::new();
    if needs && asked.patient.is_none() && site.requester.is(Role::Resident) {
        let own = site.requester.own.iter().map(|id| (id.clone(), l.say("scope-own").into_owned()));
        records.extend(own.take(1));
        let others = site.requester.represents.iter().filter_map(|one| one.patients.first());
        records.extend(others.map(|id| (id.clone(), l.name("scope-of", id).into_owned())));
    }
    let host = asked.redirect.split("://").nth(1).unwrap_or("").split('/').next().unwrap_or("").to_owned();
    Authorize {
        lines: asked.scopes.iter().filter_map(|scope| line(scope, l)).collect(),
        offline: asked.scopes.iter().any(|scope| scope == "offline_access"),
        name: asked.name,
        host,
        records,
        request,
        problem,
        l,
        page,
    }
}

fn refused(asked: &Asked, page: Frame, refused: AskRefused) -> Answer {
    match refused {
        AskRefused::Here(why) => problem::show(asked, page, 400, "wrong", &why),
        AskRefused::There(address) => reply::lead_away(&address),
    }
}

/// The question.
pub async fn page(site: &Arc<Site>, asked: &Asked, page: Frame) -> Outcome<Answer> {
    let Some(accounts) = &site.accounts else { return Ok(problem::show(asked, page, 404, "lost", "")) };
    match accounts.ask(&parse_pairs(&asked.query), &asked.base()) {
        Ok(wanted) => {
            let parts: Vec<&str> = wanted.redirect.splitn(4, '/').take(3).collect();
            let origin = parts.join("/");
            let answer = render(asked, 200, &shown(site, page, wanted, asked.query.clone(), None))?;
            Ok(reply::may_lead_to(answer, &origin))
        }
        Err(why) => Ok(refused(asked, page, why)),
    }
}

/// The decision.
pub async fn decide(site: &Arc<Site>, asked: &Asked, page: Frame) -> Outcome<Answer> {
    let Some(accounts) = &site.accounts else { return Ok(problem::show(asked, page, 404, "lost", "")) };
    let form = Form::of(asked)?;
    let request = form.field("request").to_owned();
    // The request is checked again: what stands in a form is the browser's, not ours.
    let wanted = match accounts.ask(&parse_pairs(&request), &asked.base()) {
        Ok(wanted) => wanted,
        Err(why) => return Ok(refused(asked, page, why)),
    };
    if form.field("decision") != "grant" {
        return Ok(reply::lead_away(&accounts.deny(&wanted)));
    }
    let record = Some(form.field("record")).filter(|record| !record.is_empty());
    match accounts.grant(&wanted, &site.requester, record) {
        Ok(address) => Ok(reply::lead_away(&address)),
        Err(why) => render(asked, 400, &shown(site, page, wanted, request, Some(why.0))),
    }
}
