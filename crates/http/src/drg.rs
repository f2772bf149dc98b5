//! Grouping for other systems: `Encounter/[id]/$drg-group`, `$drg-group` on a case, and a CDS Hooks service for
//! the coding screen.
//!
//! The operation answers with Parameters: pack, group, ADRG, category, status, reason, weight, and a `finding` for
//! each remark of the checks. The service listens to `encounter-discharge`; its cards say the group and what the
//! checks find, and propose nothing by its payment.

use std::fmt::Write;
use std::sync::Arc;

use hyper::Method;
use tongmai_drg::Case;
use tongmai_drg::quality::{Found, FrontPage, Grade, Rules};
use tongmai_engine::{Failure, Reason};
use tongmai_fhir::definition::resource_type_id;
use tongmai_fhir::json::{Json, write_string};
use tongmai_views::drg::Held;

use crate::Service;
use crate::answer::{Answer, failed, fhir, plain};
use crate::request::Asked;
use crate::rest::{release, sight};

type Outcome<T> = Result<T, Failure>;

/// What is told of one case.
struct Told {
    parameters: String,
    cards: String,
}

fn invalid(path: &str, code: &str, message: impl Into<String>, repair: &str) -> Failure {
    Failure::new(Reason::Invalid, path, code, message).repair(repair)
}

/// `Encounter/[id]/$drg-group`: the stay as the ledger knows it.
pub(crate) async fn encounter(service: &Arc<Service>, asked: &Asked, id: &str) -> Outcome<Answer> {
    let told = stay(service, asked, id).await?;
    Ok(fhir(200, told.parameters))
}

/// Groups a stay; reading it is logged as a read of the Encounter.
async fn stay(service: &Arc<Service>, asked: &Asked, id: &str) -> Outcome<Told> {
    let kind = resource_type_id("Encounter").unwrap_or_default();
    let id = id.to_owned();
    let wanted = id.clone();
    let sight = sight(service, asked);
    let sealed = service.work(true, move |service| service.engine.read(&sight, kind, &wanted)).await?;
    release(service, &asked.requester, sealed).await?;
    let base = asked.base();
    let work = move |service: &Service| {
        service.drg.look(&service.engine, |grouping, shelf| {
            let grouped = grouping.stays.get(&id)?;
            let held = shelf.named(&grouped.pack)?;
            let mean = grouping.reference().cost(&grouped.group);
            let ratio = mean.zip(grouped.stay.cost).map(|(mean, cost)| cost as f64 / mean.max(1) as f64);
            let page = grouped.stay.front_page(ratio);
            Some(tell(held, &page, &format!("{base}/Encounter/{id}")))
        })
    };
    service.work(true, work).await?.ok_or_else(|| {
        Failure::new(
            Reason::Unprocessable,
            "Encounter",
            "not-discharged",
            "this is no finished stay in a hospital",
        )
        .repair("send the Encounter with class IMP, status finished and period.end")
    })
}

/// `$drg-group` with Parameters: `case`, a JSON object of the fields of `tongmai drg group`, and perhaps `pack`.
pub(crate) async fn case(service: &Arc<Service>, asked: &Asked) -> Outcome<Answer> {
    let text = std::str::from_utf8(&asked.body)
        .map_err(|_| invalid("body", "unreadable", "the body is not UTF-8", "send UTF-8"))?;
    let body = Json::parse_str(text)
        .map_err(|_| invalid("body", "unreadable", "the body is no JSON", "send FHIR Parameters as JSON"))?;
    let parameter = |name: &str| body.items("parameter").iter().find(|p| p.text("name") == Some(name));
    let shelf = service.drg.shelf();
    let held = match parameter("pack").and_then(|p| p.text("valueString").or_else(|| p.text("valueCode"))) {
        Some(name) => shelf.named(name).ok_or_else(|| {
            let known: Vec<&str> = shelf.all().iter().map(Held::id).collect();
            invalid(
                "pack",
                "unknown",
                format!("there is no pack '{name}'"),
                &format!("one of {}", known.join(", ")),
            )
        })?,
        None => shelf
            .all()
            .first()
            .ok_or_else(|| Failure::new(Reason::Internal, "pack", "exception", "there is no pack"))?,
    };
    let case = parameter("case").and_then(|p| p.text("valueString")).ok_or_else(|| {
        invalid("case", "required", "there is no parameter 'case'", "give the case as valueString")
    })?;
    let case = Case::from_json(case)
        .map_err(|message| invalid("case", "unreadable", message, "write it as docs/drg.md shows"))?;
    let page = FrontPage { case, cost: Some(1), ..FrontPage::default() };
    Ok(fhir(200, tell(held, &page, "").parameters))
}

fn tell(held: &Held, page: &FrontPage<'_>, address: &str) -> Told {
    let grouper = &held.grouper;
    let outcome = grouper.group(&page.case, &mut grouper.scratch());
    let (group, name) = (grouper.drg(&outcome), grouper.name(&outcome));
    // A case typed by itself has no dates and no bill: what is missing there is not told.
    let rules = Rules::standard().check(page);
    let found: Vec<&Found<'_>> =
        rules.iter().filter(|found| !address.is_empty() || found.rule.family() != "complete").collect();
    let mut out = String::from("{\"resourceType\":\"Parameters\",\"parameter\":[");
    let mut text = |name: &str, value: &str| {
        if !value.is_empty() {
            let _ = write!(out, "{{\"name\":\"{name}\",\"valueString\":");
            write_string(value, &mut out);
            out.push_str("},");
        }
    };
    text("pack", held.id());
    text("group", group);
    text("name", name);
    text("adrg", grouper.adrg(&outcome));
    text("mdc", grouper.mdc(&outcome));
    text("reason", outcome.reason.code());
    if let Some(weight) = held.weights.get(group) {
        let _ = write!(out, "{{\"name\":\"weight\",\"valueDecimal\":{weight}}},");
    }
    let _ = write!(out, "{{\"name\":\"status\",\"valueCode\":\"{}\"}}", outcome.status.code());
    for found in &found {
        let _ = write!(
            out,
            ",{{\"name\":\"finding\",\"part\":[{{\"name\":\"rule\",\"valueCode\":\"{}\"}}",
            found.rule.id
        );
        let _ = write!(
            out,
            ",{{\"name\":\"severity\",\"valueCode\":\"{}\"}}",
            found.rule.grade.severity().code()
        );
        for (name, value) in [("message", found.message(0)), ("repair", found.rule.repair[0].clone())] {
            let _ = write!(out, ",{{\"name\":\"{name}\",\"valueString\":");
            write_string(&value, &mut out);
            out.push('}');
        }
        out.push_str("]}");
    }
    out.push_str("]}");
    let mut cards = String::from("{\"cards\":[");
    let summary = if name.is_empty() {
        format!("{group} {}", outcome.reason.code())
    } else {
        format!("{group} {name}")
    };
    card(&mut cards, &summary, "info", &format!("{} · {}", held.id(), outcome.status.code()), address);
    for found in found.iter().filter(|found| found.rule.grade > Grade::Hint) {
        let indicator = if found.rule.grade == Grade::Error { "critical" } else { "warning" };
        cards.push(',');
        card(&mut cards, &found.message(0), indicator, &found.rule.repair[0], address);
    }
    cards.push_str("]}");
    Told { parameters: out, cards }
}

/// A card; its summary is cut at 140 characters, as CDS Hooks asks.
fn card(out: &mut String, summary: &str, indicator: &str, detail: &str, address: &str) {
    out.push_str("{\"summary\":");
    write_string(&summary.chars().take(139).collect::<String>(), out);
    let _ = write!(out, ",\"indicator\":\"{indicator}\",\"detail\":");
    write_string(detail, out);
    out.push_str(",\"source\":{\"label\":\"Tongmai DRG\"}");
    if !address.is_empty() {
        out.push_str(",\"links\":[{\"label\":\"Encounter\",\"type\":\"absolute\",\"url\":");
        write_string(address, out);
        out.push_str("}]");
    }
    out.push('}');
}

const SERVICES: &str = r#"{"services":[{"hook":"encounter-discharge","id":"drg-coding","title":"DRG coding 病组与编码质控","description":"The group of the stay, and what the checks of the front page find.","prefetch":{}}]}"#;

/// `/cds-services…`
pub(crate) async fn hooks(service: &Arc<Service>, asked: &Asked) -> Answer {
    let parts: Vec<&str> = asked.path.split('/').filter(|part| !part.is_empty()).collect();
    match (&asked.method, parts.as_slice()) {
        (&Method::GET, ["cds-services"]) => plain(200, "application/json", SERVICES),
        (&Method::POST, ["cds-services", "drg-coding"]) => match called(service, asked).await {
            Ok(told) => plain(200, "application/json", told.cards),
            Err(failure) if failure.reason == Reason::NotFound => {
                plain(200, "application/json", "{\"cards\":[]}")
            }
            Err(failure) => failed(&failure),
        },
        _ => plain(404, "application/json", "{\"cards\":[]}"),
    }
}

async fn called(service: &Arc<Service>, asked: &Asked) -> Outcome<Told> {
    let wrong = |path: &str, message: &str| {
        invalid(path, "invalid", message, "send a request as CDS Hooks 2.0 defines it")
    };
    let text = std::str::from_utf8(&asked.body).map_err(|_| wrong("body", "the body is not UTF-8"))?;
    let body = Json::parse_str(text).map_err(|_| wrong("body", "the body is no JSON"))?;
    if body.text("hook") != Some("encounter-discharge") {
        return Err(wrong("hook", "the service listens to encounter-discharge"));
    }
    if body.text("hookInstance").is_none_or(str::is_empty) {
        return Err(wrong("hookInstance", "there is no hookInstance"));
    }
    let id = body.get("context").and_then(|context| context.text("encounterId"));
    let id = id.ok_or_else(|| wrong("context.encounterId", "there is no encounterId"))?;
    stay(service, asked, id.trim_start_matches("Encounter/")).await
}
