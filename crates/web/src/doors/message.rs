//! A message side by side: the original, what it is in FHIR, what was found.

use std::sync::Arc;

use askama::Template;
use tongmai_engine::{Failure, Outcome};
use tongmai_gateway::charset;
use tongmai_gateway::door::Doors;
use tongmai_gateway::pipeline::original::{Original, State};
use tongmai_http::{Answer, Asked, plain};

use crate::format::When;
use crate::frame::Frame;
use crate::language::Language;
use crate::{Site, framed, render};

/// Most of an original or of a resource that the page shows, in characters.
const SHOWN: usize = 20_000;
/// Most resources and findings on the page.
const MOST: usize = 60;

struct Made {
    kind: String,
    text: String,
}

struct Found {
    severity: &'static str,
    place: String,
    code: String,
    words: String,
    repair: String,
}

#[derive(Template)]
#[template(path = "doors/message.html")]
struct Message {
    page: Frame,
    l: Language,
    original: Original,
    state: &'static str,
    text: String,
    when: Option<When>,
    made: Vec<Made>,
    made_all: i64,
    found: Vec<Found>,
    found_all: i64,
    waits: bool,
    number: String,
}

framed!(Message);

#[derive(Template)]
#[template(path = "doors/waits.html")]
struct Waits {
    page: Frame,
    l: Language,
    number: String,
}

framed!(Waits);

async fn find(site: &Arc<Site>, doors: &Arc<Doors>, number: &str) -> Outcome<Option<Original>> {
    let (of, asked) = (doors.clone(), number.to_owned());
    let sealed = site.work(move |site| of.message(&site.sight(), &asked)).await?;
    Ok(site.release(sealed).await?.into_inner())
}

/// `/doors/message/{number}`
pub async fn page(
    site: &Arc<Site>,
    doors: &Arc<Doors>,
    asked: &Asked,
    page: Frame,
    number: &str,
) -> Outcome<Answer> {
    let waits = doors.queue().waiting().iter().any(|message| message.number == number);
    let Some(original) = find(site, doors, number).await? else {
        if waits {
            return render(asked, 200, &Waits { l: page.language, page, number: number.to_owned() });
        }
        return Err(Failure::not_found(format!("message {number}")));
    };
    let of = doors.clone();
    let shown = site
        .work(move |_| {
            let understood = of.format(&original.door).map(|format| of.understand(format, &original.bytes).0);
            (understood.unwrap_or_default(), original)
        })
        .await;
    let (understood, original) = shown;
    let mut findings = understood.findings;
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    let (made_all, found_all) = (understood.entries.len() as i64, findings.len() as i64);
    let text = charset::decode(&original.bytes, None, "").text.replace('\r', "\n");
    let message = Message {
        l: page.language,
        state: match original.state {
            State::SetAside => "set-aside",
            State::Dismissed => "dismissed",
            State::Mended => "mended",
            State::Understood => "understood",
        },
        text: text.chars().take(SHOWN).collect(),
        when: When::read(&original.written),
        made: understood.entries.iter().take(MOST).map(|entry| made(&entry.resource)).collect(),
        made_all,
        found: findings
            .into_iter()
            .take(MOST)
            .map(|finding| Found {
                severity: finding.severity.code(),
                place: finding.path,
                code: finding.code,
                words: finding.message,
                repair: finding.repair,
            })
            .collect(),
        found_all,
        waits,
        number: number.to_owned(),
        original,
        page,
    };
    render(asked, 200, &message)
}

fn made(resource: &tongmai_fhir::json::Json<'_>) -> Made {
    let mut text = String::new();
    pretty(resource, 0, &mut text);
    Made {
        kind: resource.text("resourceType").unwrap_or_default().to_owned(),
        text: text.chars().take(SHOWN).collect(),
    }
}

/// JSON with a line for each value.
fn pretty(json: &tongmai_fhir::json::Json<'_>, depth: usize, out: &mut String) {
    use tongmai_fhir::json::Json;
    let pad = |out: &mut String, depth: usize| out.extend(std::iter::repeat_n("  ", depth));
    match json {
        Json::Object(properties) => {
            out.push_str("{\n");
            for (at, (name, value)) in properties.iter().enumerate() {
                pad(out, depth + 1);
                out.push_str(name);
                out.push_str(": ");
                pretty(value, depth + 1, out);
                out.push_str(if at + 1 < properties.len() { ",\n" } else { "\n" });
            }
            pad(out, depth);
            out.push('}');
        }
        Json::Array(items) if items.iter().any(|item| matches!(item, Json::Object(_))) => {
            out.push_str("[\n");
            for (at, item) in items.iter().enumerate() {
                pad(out, depth + 1);
                pretty(item, depth + 1, out);
                out.push_str(if at + 1 < items.len() { ",\n" } else { "\n" });
            }
            pad(out, depth);
            out.push(']');
        }
        other => other.write(out),
    }
}

/// `/doors/message/{number}/original`: the bytes as they came.
pub async fn original(site: &Arc<Site>, doors: &Arc<Doors>, number: &str) -> Outcome<Answer> {
    let original = find(site, doors, number).await?;
    let original = original.ok_or_else(|| Failure::not_found(format!("message {number}")))?;
    // Never shown as a page: what a stranger sent must not run here.
    let mut answer = plain(200, "application/octet-stream", original.bytes);
    let name = format!("attachment; filename=\"{}.original\"", &number[..number.len().min(16)]);
    if let Ok(value) = name.parse() {
        answer.headers_mut().insert("content-disposition", value);
    }
    if let Ok(value) = "nosniff".parse() {
        answer.headers_mut().insert("x-content-type-options", value);
    }
    if let Ok(value) = "no-store".parse() {
        answer.headers_mut().insert("cache-control", value);
    }
    Ok(answer)
}
