//! One resource: readable, raw, with its versions and where it came from.

use std::sync::Arc;

use askama::Template;
use tongmai_base::{Finding, Severity};
use tongmai_engine::findings::Inspected;
use tongmai_engine::{Failure, Outcome, Reason, Resource};
use tongmai_fhir::definition::{ResourceTypeId, resource_type_id};
use tongmai_fhir::json::{Json, write_string};
use tongmai_http::{Answer, Asked};

use crate::format::{When, concept, person_name};
use crate::frame::Frame;
use crate::language::Language;
use crate::{Site, framed, problem, render, tree};

/// Versions that are listed.
const VERSIONS: usize = 50;

/// A version in the list.
pub struct Version {
    /// Its number.
    pub version: i64,
    /// When it was written.
    pub when: When,
    /// It says that the resource was deleted, or was erased.
    pub gone: bool,
}

/// A finding as it is shown.
struct Remark {
    /// It breaks a rule; otherwise it is worth knowing.
    grave: bool,
    rule: String,
    finding: Finding,
}

#[derive(Template)]
#[template(path = "resource.html")]
struct Page {
    page: Frame,
    l: Language,
    kind: String,
    id: String,
    heading: String,
    subject: Option<(String, String)>,
    version: i64,
    old: bool,
    tree: String,
    raw: String,
    organization: String,
    written: When,
    actor: String,
    purpose: String,
    position: i64,
    versions: Vec<Version>,
    findings: Vec<Remark>,
}

framed!(Page);

/// `/resource/{kind}/{id}` and `/resource/{kind}/{id}/{version}`
pub async fn page(
    site: &Arc<Site>,
    asked: &Asked,
    page: Frame,
    kind: &str,
    id: &str,
    version: Option<&str>,
) -> Outcome<Answer> {
    let type_id = resource_type_id(kind).ok_or_else(|| Failure::not_found(kind))?;
    let version = match version.map(str::parse) {
        None => None,
        Some(Ok(version)) => Some(version),
        Some(Err(_)) => return Err(Failure::not_found(format!("{kind}/{id}"))),
    };
    let versions = versions(site, type_id, id).await?;
    let wanted = id.to_owned();
    let sealed = site.work(move |site| site.engine.inspect(&site.sight(), type_id, &wanted, version)).await;
    let sealed = match sealed {
        Ok(sealed) => sealed,
        Err(failure) if failure.reason == Reason::Gone => {
            return Ok(problem::gone(asked, page, versions, format!("/resource/{kind}/{id}")));
        }
        Err(failure) => return Err(failure),
    };
    let inspected = site.release(sealed).await?.into_inner();
    render(asked, 200, &fill(page, kind, inspected, versions)?)
}

fn fill(page: Frame, kind: &str, inspected: Inspected, versions: Vec<Version>) -> Outcome<Page> {
    let Inspected { resource, actor, purpose, findings } = inspected;
    let json = Json::parse(&resource.text)
        .map_err(|error| Failure::new(Reason::Internal, "", "exception", error.to_string()))?;
    let l = page.language;
    let mut raw = String::new();
    pretty(&json, 0, &mut raw);
    let version = i64::from(resource.version);
    Ok(Page {
        heading: heading(kind, &json, l),
        subject: subject(kind, &resource.id, &json, l),
        tree: tree::show(&json, l),
        organization: organization(&json),
        written: When::moment(resource.updated),
        position: resource.seq.cast_signed(),
        old: versions.first().is_some_and(|newest| newest.version > version),
        kind: kind.to_owned(),
        id: resource.id.clone(),
        version,
        versions,
        findings: findings.into_iter().map(|finding| remark(finding, l)).collect(),
        actor,
        purpose,
        raw,
        l,
        page,
    })
}

async fn versions(site: &Arc<Site>, type_id: ResourceTypeId, id: &str) -> Outcome<Vec<Version>> {
    let id = id.to_owned();
    let sealed =
        site.work(move |site| site.engine.history(&site.sight(), type_id, &id, None, None, VERSIONS)).await?;
    let history = site.release(sealed).await?.into_inner();
    let version = |resource: Resource| Version {
        version: resource.version.into(),
        when: When::moment(resource.updated),
        gone: resource.deleted || resource.erased,
    };
    Ok(history.versions.into_iter().map(version).collect())
}

fn remark(finding: Finding, l: Language) -> Remark {
    let rule = l.code("rule", &finding.code).into_owned();
    Remark { grave: finding.severity >= Severity::Error, rule, finding }
}

/// What the resource is called.
fn heading(kind: &str, json: &Json, l: Language) -> String {
    let named = match kind {
        "Patient" | "Practitioner" | "RelatedPerson" => person_name(json).0,
        _ => ["code", "vaccineCode", "medicationCodeableConcept", "type"]
            .iter()
            .filter_map(|name| json.items(name).first())
            .map(|code| concept(code, l))
            .find(|name| !name.is_empty())
            .unwrap_or_default(),
    };
    let texts = ["title", "name"].iter().find_map(|name| json.text(name)).unwrap_or("");
    match (texts.is_empty(), named.is_empty()) {
        (false, _) => texts.to_owned(),
        (true, false) => named,
        (true, true) => l.code("type", kind).into_owned(),
    }
}

/// Whose record it belongs to: id and name.
fn subject(kind: &str, id: &str, json: &Json, l: Language) -> Option<(String, String)> {
    if kind == "Patient" {
        return Some((id.to_owned(), person_name(json).0));
    }
    let reference = ["subject", "patient", "beneficiary"].iter().find_map(|name| json.get(name))?;
    let id = reference.text("reference")?.strip_prefix("Patient/")?;
    let name =
        reference.text("display").map_or_else(|| l.code("type", "Patient").into_owned(), str::to_owned);
    Some((id.to_owned(), name))
}

/// The organisation that the resource itself names.
fn organization(json: &Json) -> String {
    let named = ["serviceProvider", "managingOrganization", "organization", "provider", "custodian"];
    let organization = named.iter().find_map(|name| json.get(name)?.text("display"));
    let performer = || json.items("performer").iter().find_map(|p| p.text("display"));
    let source = || json.get("meta").and_then(|meta| meta.text("source"));
    organization.or_else(performer).or_else(source).unwrap_or("").to_owned()
}

/// JSON with a line for each element.
fn pretty(json: &Json, depth: usize, out: &mut String) {
    let indent = |out: &mut String, depth: usize| {
        out.push('\n');
        out.extend(std::iter::repeat_n("  ", depth));
    };
    match json {
        Json::Object(properties) if !properties.is_empty() => {
            out.push('{');
            for (index, (name, value)) in properties.iter().enumerate() {
                out.push_str(if index > 0 { "," } else { "" });
                indent(out, depth + 1);
                write_string(name, out);
                out.push_str(": ");
                pretty(value, depth + 1, out);
            }
            indent(out, depth);
            out.push('}');
        }
        Json::Array(items) if !items.is_empty() => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                out.push_str(if index > 0 { "," } else { "" });
                indent(out, depth + 1);
                pretty(item, depth + 1, out);
            }
            indent(out, depth);
            out.push(']');
        }
        other => other.write(out),
    }
}
