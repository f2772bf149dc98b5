//! What a form says, as a fact: read by the names of its fields, checked against the state, written through the engine.

use std::sync::Arc;

use serde_json::{Map, Value};
use tongmai_base::time::days_from_civil;
use tongmai_engagement::institution::fact::Fact;
use tongmai_engine::write::{Conditions, Target};
use tongmai_engine::{Failure, Outcome, Reason};
use tongmai_fhir::definition::resource_type_id;
use tongmai_http::{Answer, Asked};
use tongmai_views::participation::resource;

use super::block::{Block, Form, Kind};
use super::{Sheet, State, right, rule, show};
use crate::frame::Frame;
use crate::{Site, problem, reply};

/// Fields that are days.
const DAYS: [&str; 11] =
    ["day", "from", "until", "opens", "closes", "published", "launch", "due", "notice", "served", "gathered"];
/// Days that are today's when a form does not name them.
const TODAY: [&str; 2] = ["day", "notice"];

/// A form that was sent, within its limits and from our own page.
pub fn pairs(asked: &Asked) -> Option<Vec<(String, String)>> {
    if !matches!(asked.header("sec-fetch-site"), "" | "same-origin" | "none") {
        return None;
    }
    Some(tongmai_engine::bundle::parse_pairs(std::str::from_utf8(&asked.body).ok()?))
}

/// The first value of a field.
pub fn field<'p>(pairs: &'p [(String, String)], name: &str) -> &'p str {
    pairs.iter().find(|pair| pair.0 == name).map_or("", |pair| pair.1.trim())
}

/// Where to go back to: only to our own pages.
pub fn back(pairs: &[(String, String)]) -> String {
    let back = field(pairs, "back");
    let sane = back.starts_with("/participation") && back.bytes().all(|b| (0x21..0x7f).contains(&b));
    if sane { back.to_owned() } else { "/participation".into() }
}

/// The fact `name` with the values of a form. What a field holds is what the fact holds there by default.
///
/// # Errors
/// The field and the rule.
pub fn fact(name: &str, pairs: &[(String, String)], today: i64) -> Result<Fact, String> {
    let mut fields = Map::new();
    fields.insert("fact".into(), name.into());
    let empty: Fact = serde_json::from_value(Value::Object(fields))
        .map_err(|_| format!("{name}: there is no such fact"))?;
    let mut value = serde_json::to_value(&empty).map_err(|e| e.to_string())?;
    fill(&mut value, "", pairs, today)?;
    serde_json::from_value(value).map_err(|e| format!("{name}: {e}"))
}

fn fill(value: &mut Value, prefix: &str, pairs: &[(String, String)], today: i64) -> Result<(), String> {
    let Value::Object(fields) = value else { return Ok(()) };
    for (name, held) in fields.iter_mut() {
        if name == "fact" {
            continue;
        }
        let full = format!("{prefix}{name}");
        if held.is_object() {
            fill(held, &format!("{full}."), pairs, today)?;
            continue;
        }
        let given: Vec<&str> = pairs.iter().filter(|pair| pair.0 == full).map(|pair| pair.1.trim()).collect();
        let filled = given.iter().any(|text| !text.is_empty());
        if filled {
            *held = read(name, held, &given).map_err(|why| format!("{full}: {why}"))?;
        } else if TODAY.contains(&name.as_str()) {
            *held = today.into();
        } else if name == "dissent" && !given.is_empty() {
            // An empty answer to this question is an answer.
            *held = "".into();
        }
    }
    Ok(())
}

fn read(name: &str, held: &Value, given: &[&str]) -> Result<Value, String> {
    let one = given.first().copied().unwrap_or("");
    let number =
        |text: &str| text.parse::<i64>().map(Value::from).map_err(|_| format!("{text:?} is no whole number"));
    if DAYS.contains(&name) {
        if held.is_array() {
            return given.iter().map(|text| day(text)).collect::<Result<Vec<_>, _>>().map(Value::from);
        }
        return day(one).map(Value::from);
    }
    match (name, held) {
        ("ages", _) => given.iter().map(|text| number(text)).collect::<Result<Vec<_>, _>>().map(Value::from),
        ("rural", Value::Null) => number(one),
        (_, Value::Number(_)) => number(one),
        (_, Value::Bool(_)) => Ok(matches!(one, "yes" | "on" | "true").into()),
        (_, Value::Array(_)) => {
            let lines = given.iter().flat_map(|text| text.lines()).map(str::trim);
            Ok(lines.filter(|line| !line.is_empty()).map(Value::from).collect())
        }
        _ => Ok(one.into()),
    }
}

/// A day as a form writes it.
pub fn day(text: &str) -> Result<i64, String> {
    let wrong = || format!("{text:?} is no day: write it as 2026-11-27");
    let parts: Vec<i64> =
        text.splitn(3, '-').map(|p| p.parse().map_err(|_| wrong())).collect::<Result<_, _>>()?;
    let &[year, month, day] = parts.as_slice() else { return Err(wrong()) };
    let sane = (1900..=2200).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day);
    if !sane {
        return Err(wrong());
    }
    Ok(days_from_civil(year, month as u32, day as u32))
}

/// Writes a fact through the engine; the id of its resource.
pub async fn write(site: &Site, fact: &Fact) -> Outcome<String> {
    put(site, &resource::write(fact)).await
}

/// Writes a new resource.
pub async fn put(site: &Site, resource: &Value) -> Outcome<String> {
    let kind = resource["resourceType"].as_str().and_then(resource_type_id);
    let text = resource.to_string();
    let checked = site.engine.check(text.as_bytes(), kind)?;
    let written = site.engine.create(&site.pen(), &checked, &Conditions::default()).await?;
    let written = site.release(written).await?.into_inner();
    Ok(written.resource.map_or_else(String::new, |resource| resource.id))
}

/// Writes the next version of a resource, when nobody was faster.
///
/// # Errors
/// Somebody changed it in the meantime; or the engine refuses it.
pub async fn replace(site: &Site, id: &str, version: Option<u32>, resource: &Value) -> Outcome<()> {
    let kind = resource["resourceType"].as_str().and_then(resource_type_id);
    let text = resource.to_string();
    let checked = site.engine.check(text.as_bytes(), kind)?;
    let conditions = Conditions { if_match: version, ..Conditions::default() };
    let target = Target::Id(id.to_owned());
    match site.engine.update(&site.pen(), &target, &checked, &conditions).await {
        Ok(sealed) => site.release(sealed).await.map(drop),
        // Somebody else was faster: both changes must be seen before one of them is made.
        Err(conflict) if matches!(conflict.reason, Reason::Precondition | Reason::Conflict) => {
            Err(failure("version: somebody changed this in the meantime; look at it again"))
        }
        Err(other) => Err(other),
    }
}

/// `POST /participation/enter/{fact}`
pub async fn entered(site: &Arc<Site>, asked: &Asked, frame: Frame, name: &str) -> Outcome<Answer> {
    let Some(pairs) = pairs(asked) else { return Ok(problem::show(asked, frame, 403, "wrong", "")) };
    let state = State::now(site).await?;
    let today = site.today();
    let mut pairs = pairs;
    if name == "statement" && !right::may(&site.requester, &["enter", "moderation"], true) {
        // Only an organiser's statement is a seed.
        pairs.retain(|pair| pair.0 != "seed");
    }
    let checked = fact(name, &pairs, today).and_then(|fact| state.check(today, &fact).map(|()| fact));
    match checked {
        Ok(fact) => {
            write(site, &fact).await?;
            Ok(reply::see(&back(&pairs)))
        }
        Err(why) => {
            // What a gate asks for is named in the reader's language.
            let l = frame.language;
            let missing = match name {
                "advance" => state.missing(field(&pairs, "project"), today).unwrap_or_default(),
                _ => Vec::new(),
            };
            let words: Vec<_> = missing.iter().map(|m| l.code("pa-evidence", &m.evidence)).collect();
            let why =
                if words.is_empty() { why } else { l.name("ca-gate-lacks", &words.join("、")).into_owned() };
            again(asked, frame, &format!("/participation/enter/{name}"), &pairs, &why)
        }
    }
}

/// The form once more, with everything that was typed and what is wrong with it.
pub fn again(
    asked: &Asked,
    frame: Frame,
    action: &str,
    pairs: &[(String, String)],
    why: &str,
) -> Outcome<Answer> {
    let l = frame.language;
    let mut form = Form { action: action.to_owned(), ..Form::default() };
    for (name, value) in pairs {
        let hidden = matches!(name.as_str(), "back" | "button") || (value.len() < 80 && is_reference(name));
        if hidden {
            form = form.with(name, value);
        } else {
            let kind = if value.len() > 60 || value.contains('\n') { Kind::Area } else { Kind::Line(4000) };
            form = form
                .optional(name, l.code("pa-field", name.rsplit('.').next().unwrap_or(name)), kind)
                .holding(value);
        }
    }
    let form = form.button("", l.say("pa-again"));
    let blocks = vec![
        Block::Attention(l.name("pa-refused", &rule::told(l, why)).into_owned()),
        Block::Text(l.say("pa-refused-repair").into_owned()),
        Block::Form(form),
    ];
    show(
        asked,
        frame,
        400,
        Sheet { title: l.say("pa-refused-title").into_owned(), blocks, ..Sheet::default() },
    )
}

fn is_reference(name: &str) -> bool {
    matches!(
        name,
        "project"
            | "conversation"
            | "statement"
            | "meeting"
            | "need"
            | "offer"
            | "fund"
            | "complaint"
            | "commitment"
    )
}

/// A failure of a page of ours.
pub fn failure(why: impl std::fmt::Display) -> Failure {
    Failure::new(Reason::Invalid, "", "invalid", why.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
    }

    #[test]
    fn every_fact_can_be_entered_by_its_fields() {
        for name in Fact::NAMES {
            assert_eq!(fact(name, &[], 20_778).map(|fact| fact.name()), Ok(*name));
        }
        assert!(fact("festival", &[], 0).is_err());
    }

    #[test]
    fn fields_are_read_as_what_they_are() {
        let form = pairs(&[
            ("project", "p"),
            ("evidence.kind", "deliberation"),
            ("evidence.gathered", "2026-11-01"),
            ("evidence.gathered", "2026-11-20"),
            ("evidence.affected", "900"),
            ("evidence.heard", "40"),
            ("evidence.rural", "30"),
            ("evidence.ages", "0"),
            ("evidence.ages", "10"),
            ("evidence.ages", "10"),
            ("evidence.ages", "20"),
            ("evidence.dissent", ""),
            ("evidence.participation", "involve"),
        ]);
        let Ok(Fact::Attached(attached)) = fact("evidence", &form, 20_778) else { panic!("evidence") };
        let evidence = attached.evidence;
        assert_eq!(evidence.gathered, (20_758, 20_777));
        assert_eq!((evidence.rural, evidence.ages), (Some(30), Some([0, 10, 10, 20])));
        assert_eq!(evidence.dissent.as_deref(), Some(""));
        let agenda = pairs(&[("agenda", "one\r\n\r\n two "), ("day", "2026-12-24")]);
        let Ok(Fact::Meeting(meeting)) = fact("meeting", &agenda, 20_778) else { panic!("a meeting") };
        assert_eq!(meeting.agenda, ["one", "two"]);
        assert_eq!((meeting.notice, meeting.day), (20_778, 20_811));
        let wrong = pairs(&[("day", "24.12.2026")]);
        assert!(fact("meeting", &wrong, 0).expect_err("no day").starts_with("day: "));
        let many = pairs(&[("fen", "many")]);
        assert!(fact("donation", &many, 0).expect_err("no number").starts_with("fen: "));
    }

    #[test]
    fn a_form_leads_back_to_our_own_pages_only() {
        assert_eq!(back(&pairs(&[("back", "/participation/say")])), "/participation/say");
        for evil in ["//evil", "/person/1", "/participation\r\nX: y", "https://evil/participation"] {
            assert_eq!(back(&pairs(&[("back", evil)])), "/participation");
        }
    }
}
