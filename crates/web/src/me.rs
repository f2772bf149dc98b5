//! The resident's own pages: record, who looked, sharing, requests, family.

mod family;
pub mod looked;
pub mod request;
pub mod sharing;

use std::sync::Arc;

use askama::Template;
use hyper::Method;
use serde_json::Value;
use tongmai_engine::write::Conditions;
use tongmai_engine::{Failure, Outcome, Reason, Resource};
use tongmai_fhir::definition::resource_type_id;
use tongmai_http::{Answer, Asked};

use crate::frame::Frame;
use crate::language::Language;
use crate::{Site, framed, problem, render};

#[derive(Template)]
#[template(path = "me/home.html")]
struct Me {
    page: Frame,
    l: Language,
    name: String,
    record: Option<String>,
    family: Vec<Person>,
}

framed!(Me);

/// Somebody whose record the resident may open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Ids of their Patient resources.
    pub patients: Vec<String>,
    /// Their name.
    pub name: String,
    /// Categories that were released to the resident; `None` for all.
    pub categories: Option<Vec<String>>,
    /// It is the resident.
    pub own: bool,
}

impl Person {
    /// The first of their records, which stands in addresses.
    pub fn id(&self) -> &str {
        self.patients.first().map_or("", String::as_str)
    }

    /// Whether the reader is told of all requests about them: the resident is, and family to whom everything, or
    /// what is in no category of its own, is released.
    pub fn tells_requests(&self) -> bool {
        let released = self.categories.as_ref();
        self.own || released.is_none_or(|released| released.iter().any(|kind| kind == "other"))
    }
}

/// The resident and those for whom they speak now.
pub fn people(site: &Site) -> Vec<Person> {
    let accounts = site.accounts.as_ref();
    let state = accounts.map(|accounts| accounts.state());
    let kept = state.as_ref().and_then(|state| state.accounts.get(&site.requester.actor));
    let mut people = Vec::new();
    if !site.requester.own.is_empty() {
        let name = kept.map_or(String::new(), |kept| kept.account.name.clone());
        let patients = site.requester.own.clone();
        people.push(Person { patients, name, categories: None, own: true });
    }
    let now = site.engine.now();
    for one in site.requester.represents.iter().filter(|one| one.until.is_none_or(|until| now < until)) {
        let known = kept.and_then(|kept| kept.represents.iter().find(|kept| kept.patients == one.patients));
        let name = known.map_or(String::new(), |known| known.name.clone());
        let (patients, categories) = (one.patients.clone(), one.categories.clone());
        people.push(Person { patients, name, categories, own: false });
    }
    people
}

/// The person of the parameter `of`, or the resident; nobody else.
fn chosen(site: &Site, of: Option<&str>) -> Outcome<Person> {
    let people = people(site);
    let found = match of {
        None | Some("") => people.into_iter().next(),
        Some(id) => people.into_iter().find(|person| person.patients.iter().any(|patient| patient == id)),
    };
    found.ok_or_else(|| Failure::not_found("a record of yours"))
}

/// Answers `/me` and what lies below.
pub async fn answer(site: &Arc<Site>, asked: &Asked, frame: Frame, path: &[&str]) -> Outcome<Answer> {
    let post = asked.method == Method::POST;
    match path {
        [] if !post => home(site, asked, frame),
        ["looked"] if post => looked::ask(site, asked).await,
        ["looked"] => looked::page(site, asked, frame).await,
        ["looked", place, record] if !post => looked::proof(site, asked, frame, place, record).await,
        ["sharing"] if post => sharing::change(site, asked, frame).await,
        ["sharing"] => sharing::page(site, asked, frame).await,
        ["sharing", "code"] if post => sharing::begin(site, asked, frame).await,
        ["sharing", "code"] => sharing::code(site, asked, frame),
        ["sharing", "live"] if !post => sharing::live(site, asked, frame),
        ["sharing", "answer"] if post => sharing::answer(site, asked).await,
        ["requests", "appeal"] if post => request::appeal(site, asked).await,
        ["requests"] if post => request::file(site, asked).await,
        ["requests"] => request::page(site, asked, frame).await,
        ["copy"] if !post => request::copy(site, asked).await,
        ["family"] if post => family::change(site, asked).await,
        ["family"] => family::page(site, asked, frame).await,
        _ => Ok(problem::show(asked, frame, 404, "lost", "")),
    }
}

fn home(site: &Arc<Site>, asked: &Asked, frame: Frame) -> Outcome<Answer> {
    let page = frame.in_section("nav-me");
    let (own, family): (Vec<Person>, Vec<Person>) = people(site).into_iter().partition(|person| person.own);
    let own = own.into_iter().next();
    let account = site.accounts.as_ref().and_then(|accounts| accounts.account(&site.requester.actor));
    let name = account.map_or(String::new(), |account| account.name);
    let record = own.map(|own| own.id().to_owned());
    render(asked, 200, &Me { l: page.language, page, name, record, family })
}

/// Searches, and has what was found released.
pub async fn search(site: &Arc<Site>, kind: &str, pairs: &[(&str, &str)]) -> Outcome<Vec<Resource>> {
    let type_id = resource_type_id(kind).ok_or_else(|| Failure::not_found(kind))?;
    let pairs: Vec<(String, String)> =
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let sealed = site
        .work(move |site| {
            let query = site.engine.query(&[type_id], None, &pairs, false)?;
            site.engine.search(&site.sight(), &query, None)
        })
        .await?;
    Ok(site.release(sealed).await?.into_inner().matches)
}

/// Requests that people filed with the office. They lie in the office's own files and not in a record, so the page
/// says who reads them, and shows nobody the requests of others.
pub async fn filed(site: &Arc<Site>, pairs: &[(&str, &str)]) -> Outcome<Vec<Resource>> {
    let type_id = resource_type_id("Task").ok_or_else(|| Failure::not_found("Task"))?;
    let pairs: Vec<(String, String)> =
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let sealed = site
        .work(move |site| {
            let query = site.engine.query(&[type_id], None, &pairs, false)?;
            site.engine.search(&site.pen(), &query, None)
        })
        .await?;
    Ok(site.release(sealed).await?.into_inner().matches)
}

/// Writes a new resource as whoever asks; gives its id.
pub async fn write(site: &Arc<Site>, resource: &Value) -> Outcome<String> {
    let kind = resource["resourceType"].as_str().unwrap_or("");
    let type_id = resource_type_id(kind).ok_or_else(|| Failure::not_found(kind))?;
    let text = resource.to_string();
    let checked = site.engine.check(text.as_bytes(), Some(type_id))?;
    let sealed = site.engine.create(&site.pen(), &checked, &Conditions::default()).await?;
    let written = site.release(sealed).await?.into_inner();
    Ok(written.resource.map(|resource| resource.id).unwrap_or_default())
}

/// Changes a resource by a function over its JSON, which refuses what is not the asker's to change.
pub async fn change(
    site: &Arc<Site>,
    kind: &str,
    id: &str,
    change: impl FnOnce(&mut Value) -> Outcome<()>,
) -> Outcome<()> {
    let type_id = resource_type_id(kind).ok_or_else(|| Failure::not_found(kind))?;
    let wanted = id.to_owned();
    let is_filed = kind == "Task";
    let read = move |site: &Site| {
        let sight = if is_filed { site.pen() } else { site.sight() };
        site.engine.read(&sight, type_id, &wanted)
    };
    let sealed = site.work(read).await?;
    let before = site.release(sealed).await?.into_inner();
    let mut resource = json(&before)?;
    change(&mut resource)?;
    let text = resource.to_string();
    let checked = site.engine.check(text.as_bytes(), Some(type_id))?;
    // Whoever was overtaken by another change hears of it instead of undoing that.
    let conditions = Conditions { if_match: Some(before.version), ..Conditions::default() };
    let target = tongmai_engine::write::Target::Id(id.to_owned());
    let sealed = site.engine.update(&site.pen(), &target, &checked, &conditions).await?;
    site.release(sealed).await.map(drop)
}

/// The JSON of a resource.
pub fn json(resource: &Resource) -> Outcome<Value> {
    serde_json::from_slice(&resource.text)
        .map_err(|error| Failure::new(Reason::Internal, "", "exception", error.to_string()))
}

/// The id of the Patient of a reference.
pub fn patient_of<'v>(resource: &'v Value, element: &str) -> &'v str {
    resource[element]["reference"].as_str().and_then(|r| r.strip_prefix("Patient/")).unwrap_or("")
}
