//! The FHIR REST interactions.

use std::sync::Arc;

use hyper::Method;
use hyper::header::{
    ACCEPT, CONTENT_TYPE, HeaderValue, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, LOCATION,
};
use tongmai_access::{Policy, Released, Requester, Role, Sealed, Sight};
use tongmai_base::limits;
use tongmai_base::time::Instant;
use tongmai_engine::bundle::{EntryResult, Ids, parse_etag, parse_pairs};
use tongmai_engine::everything::Everything;
use tongmai_engine::patch::Patch;
use tongmai_engine::read::HistoryPage;
use tongmai_engine::search::{Page, Part, Query};
use tongmai_engine::write::{Conditions, Did, Target, Written};
use tongmai_engine::{Failure, Reason, Resource};
use tongmai_fhir::compartment::Compartment;
use tongmai_fhir::definition::{ResourceTypeId, resource_type_id};
use tongmai_fhir::json::{Json, write_string};
use tongmai_fhir::search::date;

use crate::answer::{Answer, failed, fhir, outcome, refuse, stamp, status_of};
use crate::bundle::{self, type_name};
use crate::request::Asked;
use crate::{Service, audit, capability, drg, export, identity};

type Outcome<T> = Result<T, Failure>;

/// What the answer to a write shows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shown {
    Minimal,
    Representation,
    Outcome,
}

/// Answers a request below `/fhir`.
pub(crate) async fn answer(service: &Arc<Service>, asked: Asked) -> Answer {
    if let Some(answer) = refuse_format(&asked) {
        return answer;
    }
    // What the server is able to do is nobody's record.
    if asked.requester.is_nobody() && asked.path.trim_end_matches('/') != "/fhir/metadata" {
        return crate::answer::login_needed();
    }
    if !has_rules(service, &asked) {
        let repair = "come in by the pages, or serve synthetic data with --open";
        return refuse(403, "forbidden", "no rules decide here what a token may read", repair);
    }
    let head = asked.method == Method::HEAD;
    let result = route(service, asked).await;
    let mut answer = result.unwrap_or_else(|failure| failed(&failure));
    if head {
        let (parts, _) = answer.into_parts();
        answer = crate::plain(200, "text/plain", "");
        *answer.status_mut() = parts.status;
        *answer.headers_mut() = parts.headers;
    }
    answer
}

/// Whether somebody decides what may be read: with a login, but without rules for each record, a token would
/// open everything. The log of reads has a decision of its own.
fn has_rules(service: &Service, asked: &Asked) -> bool {
    let free = ["/fhir/metadata", "/fhir/AuditEvent"];
    service.accounts.is_none()
        || !matches!(service.access.policy(), Policy::Open)
        || asked.requester.is(Role::Installation)
        || free.contains(&asked.path.trim_end_matches('/'))
}

/// XML and the like are refused by name.
fn refuse_format(asked: &Asked) -> Option<Answer> {
    let format =
        parse_pairs(&asked.query).into_iter().find(|(name, _)| name == "_format").map(|(_, value)| value);
    let accepted = format.as_deref().unwrap_or_else(|| asked.header(ACCEPT));
    let known = accepted.is_empty()
        || accepted.contains("json")
        || accepted.contains("*/*")
        || accepted.contains("text/html")
        || accepted.contains("application/*")
        || accepted.contains("ndjson");
    if !known {
        return Some(refuse(406, "not-supported", "only JSON is served", "ask for application/fhir+json"));
    }
    let sent = asked.header(CONTENT_TYPE);
    if !asked.body.is_empty() && sent.contains("xml") {
        return Some(refuse(415, "not-supported", "only JSON is taken", "send application/fhir+json"));
    }
    None
}

fn type_of(name: &str) -> Outcome<ResourceTypeId> {
    resource_type_id(name).ok_or_else(|| {
        Failure::new(Reason::NotFound, "", "not-found", format!("'{name}' is not a resource type of FHIR R4"))
    })
}

fn decode(part: &str) -> String {
    if part.contains('%') {
        // A path has no '+' for a space.
        parse_pairs(&format!("x={}", part.replace('+', "%2B")))
            .pop()
            .map_or(String::new(), |(_, value)| value)
    } else {
        part.to_owned()
    }
}

async fn route(service: &Arc<Service>, asked: Asked) -> Outcome<Answer> {
    let path = asked.path.strip_prefix("/fhir").unwrap_or("").trim_matches('/').to_owned();
    let parts: Vec<String> = if path.is_empty() { Vec::new() } else { path.split('/').map(decode).collect() };
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let read = matches!(asked.method, Method::GET | Method::HEAD);
    if read
        && parts == ["AuditEvent"]
        && let Some(answer) = audit::search(service, &asked).await
    {
        return answer;
    }
    match parts.as_slice() {
        ["metadata"] if read => {
            Ok(fhir(200, capability::statement(&asked.base(), &Instant(service.engine.now()).to_fhir())))
        }
        [] if asked.method == Method::POST => process(service, &asked).await,
        [] | ["_search"] => search(service, &asked, None, "", None).await,
        ["_history"] if read => history(service, &asked, None, None).await,
        ["$export"] => export::begin(service, &asked, None).await,
        ["Patient", "$export"] => export::begin(service, &asked, Some("Patient")).await,
        ["$drg-group"] if asked.method == Method::POST => drg::case(service, &asked).await,
        ["Encounter", id, "$drg-group"] => drg::encounter(service, &asked, id).await,
        ["Patient", "$match"] if asked.method == Method::POST => identity::matches(service, &asked).await,
        ["Patient", "$merge"] if asked.method == Method::POST => identity::merge(service, &asked).await,
        ["Patient", "$ihe-pix"] if read => identity::cross_reference(service, &asked).await,
        ["Patient", "$match" | "$merge" | "$ihe-pix"] => Ok(wrong_method(&asked)),
        ["Person", id] if read && identity::person_number(id).is_some() => {
            identity::person_numbered(service, &asked, identity::person_number(id).unwrap_or(0)).await
        }
        ["Patient", id, "$person"] if read => identity::person(service, &asked, id).await,
        ["$export-status", job] => export::status(service, &asked, job).await,
        ["$export-file", job, file] if read => export::file(service, &asked, job, file).await,
        [name] | [name, "_search"] => {
            let type_id = type_of(name)?;
            match (asked.method.as_str(), parts.len()) {
                ("GET" | "HEAD", _) | ("POST", 2) => {
                    search(service, &asked, Some(type_id), &format!("/{name}"), None).await
                }
                ("POST", _) => create(service, &asked, type_id).await,
                ("PUT", 1) => update(service, &asked, type_id, conditional(service, &asked, type_id)?).await,
                ("PATCH", 1) => patch(service, &asked, type_id, conditional(service, &asked, type_id)?).await,
                ("DELETE", 1) => {
                    delete(service, &asked, type_id, conditional(service, &asked, type_id)?).await
                }
                _ => Ok(wrong_method(&asked)),
            }
        }
        [name, "_history"] if read => history(service, &asked, Some(type_of(name)?), None).await,
        ["Patient", id, "$everything"] => everything(service, &asked, id).await,
        [name, id] => {
            let type_id = type_of(name)?;
            match asked.method.as_str() {
                "GET" | "HEAD" => read_one(service, &asked, type_id, id).await,
                "PUT" => update(service, &asked, type_id, Target::Id((*id).to_owned())).await,
                "PATCH" => patch(service, &asked, type_id, Target::Id((*id).to_owned())).await,
                "DELETE" => delete(service, &asked, type_id, Target::Id((*id).to_owned())).await,
                _ => Ok(wrong_method(&asked)),
            }
        }
        [name, id, "_history"] if read => history(service, &asked, Some(type_of(name)?), Some(id)).await,
        [name, id, "_history", version] if read => {
            let version = version.parse().map_err(|_| Failure::not_found(format!("version {version}")))?;
            let (type_id, id) = (type_of(name)?, (*id).to_owned());
            let sight = sight(service, &asked);
            let sealed =
                service.work(false, move |s| s.engine.read_version(&sight, type_id, &id, version)).await?;
            let resource = release(service, &asked.requester, sealed).await?;
            Ok(show(resource))
        }
        [name, id, "$findings"] if read => findings(service, &asked, type_of(name)?, id, None).await,
        [name, id, "_history", version, "$findings"] if read => {
            let version = version.parse().map_err(|_| Failure::not_found(format!("version {version}")))?;
            findings(service, &asked, type_of(name)?, id, Some(version)).await
        }
        [name, id, inner] | [name, id, inner, "_search"] => {
            let compartment = Compartment::from_name(name).ok_or_else(|| {
                Failure::not_found(format!("a compartment or operation '{name}/{id}/{inner}'"))
            })?;
            let type_id = if *inner == "*" { None } else { Some(type_of(inner)?) };
            let at = format!("/{name}/{id}/{inner}");
            search(service, &asked, type_id, &at, Some((compartment, (*id).to_owned()))).await
        }
        _ => Err(Failure::not_found(format!("/{path}"))),
    }
}

fn wrong_method(asked: &Asked) -> Answer {
    refuse(405, "not-supported", &format!("{} is not possible here", asked.method), "see [base]/metadata")
}

/// What the one who asks may see.
pub(crate) fn sight(service: &Service, asked: &Asked) -> Sight {
    service.access.sight(&asked.requester)
}

pub(crate) async fn release<T>(
    service: &Service,
    requester: &Requester,
    sealed: Sealed<T>,
) -> Outcome<Released<T>> {
    service
        .access
        .release(requester, sealed)
        .await
        .map_err(|failure| Failure::new(Reason::Internal, "", "exception", failure.0))
}

/// A resource as the answer to a read.
fn show(resource: Released<Resource>) -> Answer {
    let mut resource = resource.into_inner();
    let text = std::mem::take(&mut resource.text);
    let mut answer = fhir(200, text);
    stamp(&mut answer, &resource);
    answer
}

async fn read_one(
    service: &Arc<Service>,
    asked: &Asked,
    type_id: ResourceTypeId,
    id: &str,
) -> Outcome<Answer> {
    let sight = sight(service, asked);
    let sealed = if service.remote_store {
        let id = id.to_owned();
        service.work(false, move |s| s.engine.read(&sight, type_id, &id)).await?
    } else {
        service.engine.read(&sight, type_id, id)?
    };
    let resource = release(service, &asked.requester, sealed).await?;
    let unchanged = match asked.header(IF_NONE_MATCH) {
        "" => {
            let since = asked.header(IF_MODIFIED_SINCE);
            !since.is_empty()
                && httpdate::parse_http_date(since).is_ok_and(|since| {
                    let since = since.duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_secs());
                    resource.updated / 1000 <= since as i64
                })
        }
        tag => tag == "*" || tag.split(',').any(|tag| parse_etag(tag) == Some(resource.version)),
    };
    if unchanged {
        let mut answer = crate::plain(304, "text/plain", "");
        stamp(&mut answer, &resource);
        return Ok(answer);
    }
    if asked.query.contains("_summary") || asked.query.contains("_elements") {
        let part = part(&asked.query);
        let mut body = Vec::new();
        bundle::write_part(&resource, &part, &mut body);
        let mut answer = fhir(200, body);
        stamp(&mut answer, &resource);
        return Ok(answer);
    }
    Ok(show(resource))
}

/// What is wrong with a version: what was found when it was accepted, and references that dangle.
async fn findings(
    service: &Arc<Service>,
    asked: &Asked,
    type_id: ResourceTypeId,
    id: &str,
    version: Option<u32>,
) -> Outcome<Answer> {
    let (sight, id) = (sight(service, asked), id.to_owned());
    let sealed = service.work(false, move |s| s.engine.inspect(&sight, type_id, &id, version)).await?;
    let inspected = release(service, &asked.requester, sealed).await?;
    let mut answer = fhir(200, outcome(&inspected.findings));
    stamp(&mut answer, &inspected.resource);
    Ok(answer)
}

fn part(query: &str) -> Part {
    let mut part = Part::Whole;
    for (name, value) in parse_pairs(query) {
        part = match (name.as_str(), value.as_str()) {
            ("_summary", "true") => Part::Summary,
            ("_summary", "text") => Part::Text,
            ("_summary", "data") => Part::Data,
            ("_elements", list) => Part::Elements(list.split(',').map(str::to_owned).collect()),
            _ => part,
        };
    }
    part
}

fn is_lenient(asked: &Asked) -> bool {
    asked
        .headers
        .get_all("prefer")
        .iter()
        .any(|value| value.to_str().is_ok_and(|v| v.contains("handling=lenient")))
}

/// The parameters of a search: those of the address, and of a form.
fn parameters(asked: &Asked) -> Outcome<Vec<(String, String)>> {
    let mut pairs = parse_pairs(&asked.query);
    if asked.method == Method::POST && !asked.body.is_empty() {
        if !asked.header(CONTENT_TYPE).contains("application/x-www-form-urlencoded") {
            return Err(Failure::new(
                Reason::Invalid,
                "Content-Type",
                "content-type",
                "_search takes a form",
            )
            .repair("send application/x-www-form-urlencoded"));
        }
        let form = std::str::from_utf8(&asked.body)
            .map_err(|_| Failure::new(Reason::Invalid, "", "encoding", "the form is not UTF-8"))?;
        pairs.extend(parse_pairs(form));
    }
    Ok(pairs)
}

async fn search(
    service: &Arc<Service>,
    asked: &Asked,
    type_id: Option<ResourceTypeId>,
    path: &str,
    compartment: Option<(Compartment, String)>,
) -> Outcome<Answer> {
    let pairs = parameters(asked)?;
    let types: Vec<ResourceTypeId> = type_id.into_iter().collect();
    let lenient = is_lenient(asked);
    let confined = compartment.as_ref().map(|(kind, id)| (*kind, id.as_str()));
    let query = service.engine.query(&types, confined, &pairs, lenient)?;
    let start = match pairs.iter().find(|(name, _)| name == "_page") {
        Some((_, link)) => Some(service.engine.open_link(link)?),
        None => None,
    };
    let long = is_long(&query);
    let sight = sight(service, asked);
    let (sealed, query) = if long || service.remote_store {
        service.work(true, move |s| (s.engine.search(&sight, &query, start), query)).await
    } else {
        (service.engine.search(&sight, &query, start), query)
    };
    let page: Released<Page> = release(service, &asked.requester, sealed?).await?;
    Ok(fhir(200, bundle::searchset(&service.engine, &asked.base(), path, &pairs, &query, &page)))
}

/// Whether a search may take long enough to hold up others on the reactor's threads.
fn is_long(query: &Query) -> bool {
    query.count > 100
        || query.types.len() > 1
        || query.total != Default::default()
        || query.part == Part::Count
}

async fn history(
    service: &Arc<Service>,
    asked: &Asked,
    type_id: Option<ResourceTypeId>,
    id: Option<&str>,
) -> Outcome<Answer> {
    let (mut count, mut since, mut before) = (limits::PAGE_DEFAULT, None, None);
    for (name, value) in parse_pairs(&asked.query) {
        let invalid = |why: &str| Failure::new(Reason::Invalid, &name, "invalid", format!("'{value}' {why}"));
        match name.as_str() {
            "_count" => {
                count = value
                    .parse::<usize>()
                    .map_err(|_| invalid("is not a number"))?
                    .clamp(1, limits::PAGE_ENTRIES)
            }
            "_since" => since = Some(date::parse(&value).ok_or_else(|| invalid("is not an instant"))?.low),
            "_page" => before = Some(value.parse::<u64>().map_err(|_| invalid("is no page"))?),
            "_format" | "_pretty" => {}
            _ if is_lenient(asked) => {}
            _ => {
                return Err(Failure::new(
                    Reason::Invalid,
                    &name,
                    "unknown",
                    format!("a history has no parameter '{name}'"),
                ));
            }
        }
    }
    let (sight, owned) = (sight(service, asked), id.map(str::to_owned));
    let sealed = service
        .work(true, move |s| match (type_id, owned) {
            (Some(type_id), Some(id)) => s.engine.history(&sight, type_id, &id, before, since, count),
            (type_id, _) => s.engine.type_history(&sight, type_id, before, since, count),
        })
        .await?;
    let page: Released<HistoryPage> = release(service, &asked.requester, sealed).await?;
    let base = asked.base();
    let path = asked.path.strip_prefix("/fhir").unwrap_or("");
    let mut out = bundle::begin("history", page.versions.len(), page.total);
    out.push_str("{\"relation\":\"self\",\"url\":");
    let own = if asked.query.is_empty() { String::new() } else { format!("?{}", asked.query) };
    write_string(&format!("{base}{path}{own}"), &mut out);
    out.push('}');
    if let Some(next) = page.next {
        out.push_str(",{\"relation\":\"next\",\"url\":");
        let since = since.map_or(String::new(), |since| {
            format!("&_since={}", Instant(since).to_fhir().replace('+', "%2B"))
        });
        write_string(&format!("{base}{path}?_count={count}{since}&_page={next}"), &mut out);
        out.push('}');
    }
    out.push_str("],\"entry\":[");
    let mut out = out.into_bytes();
    for (index, version) in page.versions.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        bundle::history_entry(&base, version, &mut out);
    }
    Ok(fhir(200, bundle::end(out, page.versions.is_empty())))
}

async fn everything(service: &Arc<Service>, asked: &Asked, id: &str) -> Outcome<Answer> {
    let pairs = parameters(asked)?;
    let mut wanted = Everything::default();
    let mut start = None;
    for (name, value) in &pairs {
        let invalid = |why: &str| Failure::new(Reason::Invalid, name, "invalid", format!("'{value}' {why}"));
        let time = || date::parse(value).ok_or_else(|| invalid("is not a date"));
        match name.as_str() {
            "start" => wanted.start = Some(time()?.low),
            "end" => wanted.end = Some(time()?.high),
            "_since" => wanted.since = Some(time()?.low),
            "_count" => {
                let count = value.parse::<usize>().map_err(|_| invalid("is not a number"))?;
                wanted.count = Some(count.clamp(1, limits::PAGE_ENTRIES));
            }
            "_type" => {
                for name in value.split(',') {
                    wanted.types.push(type_of(name).map_err(|f| Failure { reason: Reason::Invalid, ..f })?);
                }
            }
            "_page" => start = Some(service.engine.open_link(value)?),
            "_format" | "_pretty" => {}
            _ if is_lenient(asked) => {}
            _ => {
                return Err(Failure::new(
                    Reason::Invalid,
                    name,
                    "unknown",
                    format!("$everything has no parameter '{name}'"),
                ));
            }
        }
    }
    let (sight, owned) = (sight(service, asked), id.to_owned());
    let sealed = service.work(true, move |s| s.engine.everything(&sight, &owned, &wanted, start)).await?;
    let page: Released<Page> = release(service, &asked.requester, sealed).await?;
    let query = Query::default();
    let path = format!("/Patient/{id}/$everything");
    Ok(fhir(200, bundle::searchset(&service.engine, &asked.base(), &path, &pairs, &query, &page)))
}

fn conditional(service: &Service, asked: &Asked, type_id: ResourceTypeId) -> Outcome<Target> {
    let pairs: Vec<_> = parse_pairs(&asked.query).into_iter().filter(|(name, _)| name != "_format").collect();
    if pairs.is_empty() {
        return Err(Failure::new(Reason::Invalid, "", "condition", "an id or a condition is missing")
            .repair("write [base]/Type/id or [base]/Type?parameter=value"));
    }
    Ok(Target::Matching(service.engine.query(&[type_id], None, &pairs, false)?))
}

fn conditions(service: &Service, asked: &Asked, type_id: ResourceTypeId) -> Outcome<Conditions> {
    let mut conditions = Conditions::default();
    match asked.header(IF_MATCH) {
        "" => {}
        tag => {
            let version = parse_etag(tag).ok_or_else(|| {
                Failure::new(Reason::Invalid, "If-Match", "etag", format!("'{tag}' is not W/\"version\""))
            })?;
            conditions.if_match = Some(version);
        }
    }
    conditions.if_none_match = asked.header(IF_NONE_MATCH) == "*";
    let exist = asked.header("if-none-exist");
    if !exist.is_empty() {
        let condition = exist.split_once('?').map_or(exist, |(_, condition)| condition);
        let pairs = parse_pairs(condition);
        conditions.if_none_exist = Some(service.engine.query(&[type_id], None, &pairs, false)?);
    }
    Ok(conditions)
}

fn shown(asked: &Asked) -> Shown {
    let prefer = asked.header("prefer");
    if prefer.contains("return=minimal") {
        Shown::Minimal
    } else if prefer.contains("return=OperationOutcome") {
        Shown::Outcome
    } else {
        Shown::Representation
    }
}

async fn create(service: &Arc<Service>, asked: &Asked, type_id: ResourceTypeId) -> Outcome<Answer> {
    let conditions = conditions(service, asked, type_id)?;
    let body = asked.body.clone();
    let checked = service.engine.check(&body, Some(type_id))?;
    let sealed = service.engine.create(&sight(service, asked), &checked, &conditions).await?;
    written(service, asked, sealed).await
}

async fn update(
    service: &Arc<Service>,
    asked: &Asked,
    type_id: ResourceTypeId,
    target: Target,
) -> Outcome<Answer> {
    let conditions = conditions(service, asked, type_id)?;
    let body = asked.body.clone();
    let checked = service.engine.check(&body, Some(type_id))?;
    let sealed = service.engine.update(&sight(service, asked), &target, &checked, &conditions).await?;
    written(service, asked, sealed).await
}

async fn patch(
    service: &Arc<Service>,
    asked: &Asked,
    type_id: ResourceTypeId,
    target: Target,
) -> Outcome<Answer> {
    let conditions = conditions(service, asked, type_id)?;
    let json = Json::parse(&asked.body)
        .map_err(|error| Failure::new(Reason::Invalid, "", "json", error.to_string()))?
        .into_owned();
    let patch = if asked.header(CONTENT_TYPE).contains("json-patch") || matches!(json, Json::Array(_)) {
        Patch::Json(json)
    } else {
        Patch::FhirPath(json)
    };
    let sealed = service
        .engine
        .patch(&sight(service, asked), type_id, &target, &|before| patch.apply(before), &conditions)
        .await?;
    written(service, asked, sealed).await
}

async fn delete(
    service: &Arc<Service>,
    asked: &Asked,
    type_id: ResourceTypeId,
    target: Target,
) -> Outcome<Answer> {
    let conditions = conditions(service, asked, type_id)?;
    service.engine.delete(&sight(service, asked), type_id, &target, &conditions).await?;
    Ok(crate::plain(204, "text/plain", ""))
}

async fn written(service: &Service, asked: &Asked, sealed: Sealed<Written>) -> Outcome<Answer> {
    let minimal = shown(asked) == Shown::Minimal;
    let written = release(service, &asked.requester, sealed).await?.into_inner();
    let status = match written.did {
        Did::Created => 201,
        Did::Updated | Did::Nothing => 200,
        Did::Deleted => 204,
    };
    let Some(mut resource) = written.resource else { return Ok(crate::plain(status, "text/plain", "")) };
    let mut answer = match shown(asked) {
        _ if minimal => crate::plain(status, "text/plain", ""),
        Shown::Outcome => fhir(status, outcome(&written.findings)),
        _ => fhir(status, std::mem::take(&mut resource.text)),
    };
    stamp(&mut answer, &resource);
    let place =
        format!("{}/{}/{}/_history/{}", asked.base(), type_name(&resource), resource.id, resource.version);
    if let Ok(value) = HeaderValue::from_str(&place) {
        answer.headers_mut().insert(LOCATION, value);
    }
    Ok(answer)
}

async fn process(service: &Arc<Service>, asked: &Asked) -> Outcome<Answer> {
    let (body, sight) = (asked.body.clone(), sight(service, asked));
    let turn = if body.len() > crate::LARGE_BUNDLE { service.large.acquire().await.ok() } else { None };
    let sealed = {
        // A large Bundle takes its time; the reactor's threads must not wait for it.
        let service = service.clone();
        let runtime = tokio::runtime::Handle::current();
        let work = move || runtime.block_on(service.engine.process(&sight, &body, Ids::Fresh));
        match tokio::task::spawn_blocking(work).await {
            Ok(done) => done?,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    };
    drop(turn);
    let (is_transaction, results) = release(service, &asked.requester, sealed).await?.into_inner();
    let kind = if is_transaction { "transaction-response" } else { "batch-response" };
    let shown = shown(asked);
    let base = asked.base();
    let mut out = bundle::begin(kind, if shown == Shown::Representation { results.len() } else { 0 }, None)
        .into_bytes();
    out.extend_from_slice(b"{\"relation\":\"self\",\"url\":\"");
    out.extend_from_slice(base.as_bytes());
    out.extend_from_slice(b"\"}],\"entry\":[");
    for (index, result) in results.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        response_entry(service, &base, result, shown, &mut out);
    }
    Ok(fhir(200, bundle::end(out, results.is_empty())))
}

fn response_entry(service: &Service, base: &str, result: &EntryResult, shown: Shown, out: &mut Vec<u8>) {
    match result {
        EntryResult::Written(written) => {
            let status = match written.did {
                Did::Created => "201 Created",
                Did::Updated | Did::Nothing => "200 OK",
                Did::Deleted => "204 No Content",
            };
            out.push(b'{');
            if let Some(resource) = &written.resource
                && shown == Shown::Representation
            {
                bundle::entry_head(base, resource, out);
                // The head opens the object itself.
                let opened = out.iter().rposition(|b| *b == b'{').unwrap_or(0);
                out.remove(opened);
                out.extend_from_slice(&resource.text);
                out.push(b',');
            }
            out.extend_from_slice(format!("\"response\":{{\"status\":\"{status}\"").as_bytes());
            if let Some(resource) = &written.resource {
                let (name, version) = (type_name(resource), resource.version);
                let time = Instant(resource.updated).to_fhir();
                let more = format!(
                    ",\"location\":\"{name}/{}/_history/{version}\",\"etag\":\"W/\\\"{version}\\\"\",\"lastModified\":\"{time}\"",
                    resource.id
                );
                out.extend_from_slice(more.as_bytes());
            }
            if shown == Shown::Outcome {
                out.extend_from_slice(b",\"outcome\":");
                out.extend_from_slice(outcome(&written.findings).as_bytes());
            }
            out.extend_from_slice(b"}}");
        }
        EntryResult::Read(resource) => {
            bundle::entry_head(base, resource, out);
            out.extend_from_slice(&resource.text);
            let (version, time) = (resource.version, Instant(resource.updated).to_fhir());
            let more = format!(
                ",\"response\":{{\"status\":\"200 OK\",\"etag\":\"W/\\\"{version}\\\"\",\"lastModified\":\"{time}\"}}}}"
            );
            out.extend_from_slice(more.as_bytes());
        }
        EntryResult::Found(page, request, query) => {
            let (path, pairs) = request.split_once('?').unwrap_or((request, ""));
            let path = format!("/{}", path.trim_start_matches('/'));
            out.extend_from_slice(b"{\"resource\":");
            out.extend(bundle::searchset(&service.engine, base, &path, &parse_pairs(pairs), query, page));
            out.extend_from_slice(b",\"response\":{\"status\":\"200 OK\"}}");
        }
        EntryResult::Failed(failure) => {
            let status = status_of(failure.reason);
            out.extend_from_slice(
                format!("{{\"response\":{{\"status\":\"{status}\",\"outcome\":").as_bytes(),
            );
            out.extend_from_slice(outcome(&failure.findings).as_bytes());
            out.extend_from_slice(b"}}");
        }
    }
}
