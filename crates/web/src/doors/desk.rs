//! The desk of what was set aside 待处理消息: the cause, the field, and a repair that is replayed at once.

use std::sync::Arc;

use askama::Template;
use tongmai_engine::{Failure, Outcome};
use tongmai_gateway::door::Doors;
use tongmai_gateway::pipeline::original::{Original, State};
use tongmai_gateway::{charset, repair};
use tongmai_http::{Answer, Asked};

use super::{Form, set_aside};
use crate::format::When;
use crate::frame::Frame;
use crate::language::Language;
use crate::{Site, framed, render, reply};

/// Messages on the page.
const MESSAGES: usize = 20;
/// Longest original that is shown for editing, in bytes.
const EDITABLE: usize = 64 * 1024;

struct Item {
    number: String,
    door: String,
    sender: String,
    kind: String,
    fault: String,
    when: Option<When>,
    /// What was found, the gravest first: place, message, repair.
    findings: Vec<(String, String, String)>,
    /// The repair that is proposed, in words.
    proposed: Option<String>,
    /// The text to be edited: as proposed, or as it came.
    text: String,
    size: i64,
}

#[derive(Template)]
#[template(path = "doors/desk.html")]
struct Desk {
    page: Frame,
    l: Language,
    items: Vec<Item>,
}

framed!(Desk);

/// `/doors/set-aside`
pub async fn page(site: &Arc<Site>, doors: &Arc<Doors>, asked: &Asked, page: Frame) -> Outcome<Answer> {
    let originals = set_aside(site, doors, MESSAGES).await?;
    let of = doors.clone();
    let items = site.work(move |_| originals.iter().map(|original| item(&of, original)).collect()).await;
    render(asked, 200, &Desk { l: page.language, page, items })
}

fn item(doors: &Doors, original: &Original) -> Item {
    let understood = doors.format(&original.door).map(|format| doors.understand(format, &original.bytes).0);
    let mut findings = understood.map(|understood| understood.findings).unwrap_or_default();
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    let proposed = repair::propose(&original.door, &original.bytes);
    let text = match &proposed {
        Some(proposed) => String::from_utf8_lossy(&proposed.bytes).into_owned(),
        None => charset::decode(&original.bytes, None, "").text.into_owned(),
    };
    Item {
        number: original.number.clone(),
        door: original.door.clone(),
        sender: original.sender.clone(),
        kind: original.kind.clone(),
        fault: original.fault.clone(),
        when: When::read(&original.written),
        findings: findings.into_iter().take(8).map(|f| (f.path, f.message, f.repair)).collect(),
        proposed: proposed.map(|proposed| proposed.words.join("; ")),
        text: if text.len() > EDITABLE { String::new() } else { text.replace('\r', "\n") },
        size: original.bytes.len() as i64,
    }
}

/// `POST /doors/set-aside`: repair and replay, replay as it is, or leave it.
pub async fn decide(site: &Arc<Site>, doors: &Arc<Doors>, form: &Form) -> Outcome<Answer> {
    let number = form.wanted("number")?.to_owned();
    let (of, asked) = (doors.clone(), number.clone());
    let sealed = site.work(move |site| of.message(&site.sight(), &asked)).await?;
    let original = site.release(sealed).await?.into_inner();
    let original = original.ok_or_else(|| Failure::not_found(format!("message {number}")))?;
    let receipt = match form.field("action") {
        "dismiss" => {
            let why = format!("{}: {}", form.wanted("who")?, form.wanted("why")?);
            doors.mark(&original, State::Dismissed, &why).await?;
            return Ok(reply::see_other("/doors/set-aside"));
        }
        "repair" => {
            // A browser sends line ends as CR LF.
            let text = form.wanted("text")?.replace("\r\n", "\n");
            let text = if original.door == "hl7v2" { text.replace('\n', "\r") } else { text };
            doors.replay(&original, text.as_bytes()).await?
        }
        _ => doors.replay(&original, &original.bytes).await?,
    };
    Ok(reply::see_other(format!("/doors/message/{}", receipt.number)))
}
