//! An organisation's own layer beside the record: needs, visits and help given, no medicine. It is there for a
//! resident who let the organisation in, and closed to it again when they no longer want that.
//!
//! The leave is a CareTeam in the resident's record with the organisation as its member; what the organisation
//! writes is a Basic of that record with the organisation as its author. So both stand in the history, in exports
//! and among what the resident sees of their own record.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};
use tongmai_engagement::institution::fact::ActorKind;
use tongmai_engine::{Outcome, Resource};
use tongmai_fhir::json::Json;
use tongmai_http::{Answer, Asked};

use super::block::{Block, Card, Form, Kind};
use super::enter::{failure, field, pairs, put, replace};
use super::organisations::actors;
use super::personal::{ask, of_person, parsed, search, whose};
use super::{Sheet, State, date, options, right, show};
use crate::frame::{Frame, encoded};
use crate::language::Language;
use crate::record::Person;
use crate::{Site, problem, reply};

/// What marks a CareTeam and a Basic as of this layer.
const SYSTEM: &str = "urn:tongmai:layer";
const JOINED: &str = "joined";
const TEXT: &str = "urn:tongmai:layer:text";
const WHO: &str = "urn:tongmai:layer:who";
/// Kinds of entries.
const KINDS: [&str; 3] = ["need", "visit", "help"];
/// Organisations that may have a layer.
const MAY_JOIN: [ActorKind; 2] = [ActorKind::PatientOrganisation, ActorKind::Charity];
/// Residents on one page of an organisation, and the longest entry in characters.
const SHOWN: &str = "100";
const LONGEST: u32 = 500;

/// A leave: the CareTeam with its version.
struct Leave {
    id: String,
    version: u32,
    team: Value,
}

impl Leave {
    fn read(resource: &Resource) -> Option<Leave> {
        let team = parsed(resource)?;
        let coding = &team["category"][0]["coding"][0];
        let ours = coding["system"] == SYSTEM && coding["code"] == JOINED;
        ours.then(|| Leave { id: resource.id.clone(), version: resource.version, team })
    }

    fn organisation(&self) -> &str {
        let reference = self.team["participant"][0]["member"]["reference"].as_str().unwrap_or("");
        reference.strip_prefix("Organization/").unwrap_or("")
    }

    fn person(&self) -> &str {
        self.team["subject"]["reference"].as_str().and_then(|r| r.strip_prefix("Patient/")).unwrap_or("")
    }

    fn is_in_force(&self) -> bool {
        self.team["status"] == "active"
    }
}

async fn leaves(site: &Arc<Site>, person: &str) -> Outcome<Vec<Leave>> {
    Ok(of_person(site, "CareTeam", person).await?.iter().filter_map(Leave::read).collect())
}

/// An entry: organisation, kind, day, words and who wrote it.
struct Entry {
    organisation: String,
    kind: String,
    day: String,
    text: String,
    who: String,
}

async fn entries(site: &Arc<Site>, person: &str) -> Outcome<Vec<Entry>> {
    let read = |resource: &Resource| {
        let basic = parsed(resource)?;
        let coding = &basic["code"]["coding"][0];
        if coding["system"] != SYSTEM {
            return None;
        }
        let extension = |url: &str| {
            let found = basic["extension"].as_array()?.iter().find(|e| e["url"] == url)?;
            found["valueString"].as_str().map(str::to_owned)
        };
        let author = basic["author"]["reference"].as_str()?.strip_prefix("Organization/")?;
        Some(Entry {
            organisation: author.to_owned(),
            kind: coding["code"].as_str()?.to_owned(),
            day: basic["created"].as_str().unwrap_or("").to_owned(),
            text: extension(TEXT)?,
            who: extension(WHO).unwrap_or_default(),
        })
    };
    let found = of_person(site, "Basic", person).await?;
    Ok(found.iter().filter_map(read).collect())
}

fn line(entry: &Entry, l: Language) -> String {
    let kind = l.code("ca-layer-kind", &entry.kind);
    format!("{} · {kind} · {} {}", entry.day, entry.text, entry.who)
}

/// `/participation/joined?person=…`: whom a resident let in, and all that was written.
pub async fn joined(site: &Arc<Site>, asked: &Asked, frame: Frame) -> Outcome<Answer> {
    let l = frame.language;
    let say = |key: &str| l.say(key).into_owned();
    let mut blocks = Vec::new();
    match whose(site, &frame).await? {
        None => {
            blocks.push(Block::Empty(say("ca-joined-empty")));
            blocks.push(ask(l, "/participation/joined"));
        }
        Some(person) => {
            let state = State::now(site).await?;
            let (leaves, entries) = (leaves(site, &person).await?, entries(site, &person).await?);
            let cards: Vec<Card> = actors(&state, &MAY_JOIN)
                .into_iter()
                .map(|(id, name)| {
                    let leave = leaves.iter().find(|leave| leave.organisation() == id && leave.is_in_force());
                    let own = entries.iter().filter(|entry| entry.organisation == id);
                    let form = Form { action: "/participation/joined".into(), ..Form::default() }
                        .with("person", person.as_str())
                        .with("organisation", id.as_str());
                    let form = match leave {
                        Some(_) => form.button("leave", say("ca-leave")),
                        None => form.button("join", say("ca-join")),
                    };
                    Card {
                        title: name,
                        tag: say(if leave.is_some() { "ca-let-in" } else { "ca-not-let-in" }),
                        strong: leave.is_some(),
                        lines: own.map(|entry| line(entry, l)).collect(),
                        forms: vec![form],
                        ..Card::default()
                    }
                })
                .collect();
            blocks.push(Block::Text(say("ca-joined-words")));
            blocks.push(if cards.is_empty() {
                Block::Empty(say("pa-register-empty"))
            } else {
                Block::Cards(cards)
            });
        }
    }
    let (title, lead) = (say("ca-joined"), say("ca-joined-lead"));
    show(asked, frame, 200, Sheet { title, lead, tab: "pa-help", narrow: true, blocks })
}

/// `POST /participation/joined`: a resident lets an organisation in, or out again.
pub async fn change(site: &Arc<Site>, asked: &Asked, frame: Frame) -> Outcome<Answer> {
    let Some(pairs) = pairs(asked) else { return Ok(problem::show(asked, frame, 403, "wrong", "")) };
    let (person, organisation) =
        (field(&pairs, "person").to_owned(), field(&pairs, "organisation").to_owned());
    if !tongmai_fhir::format::is_id(&person)
        || !right::may_let_in(&site.requester, &person, site.engine.now())
    {
        return Err(failure("person: only the resident, or who speaks for them, lets somebody in"));
    }
    let state = State::now(site).await?;
    let known = actors(&state, &MAY_JOIN).into_iter().find(|(id, _)| *id == organisation);
    let (_, name) = known.ok_or_else(|| failure("organisation: stands in no register; enter it first"))?;
    let held = leaves(site, &person).await?.into_iter().find(|leave| leave.organisation() == organisation);
    let today = date(site.today());
    let joins = field(&pairs, "button") == "join";
    match held {
        Some(mut leave) => {
            leave.team["status"] = if joins { "active" } else { "inactive" }.into();
            leave.team["period"] = match joins {
                true => json!({ "start": today }),
                false => json!({ "start": leave.team["period"]["start"], "end": today }),
            };
            replace(site, &leave.id, Some(leave.version), &leave.team).await?;
        }
        None if joins => {
            let team = json!({
                "resourceType": "CareTeam",
                "status": "active",
                "category": [{ "coding": [{ "system": SYSTEM, "code": JOINED }] }],
                "name": name,
                "subject": { "reference": format!("Patient/{person}") },
                "period": { "start": today },
                "participant": [{ "member": {
                    "reference": format!("Organization/{organisation}"), "display": name,
                } }],
            });
            put(site, &team).await?;
        }
        None => {}
    }
    Ok(reply::see(&format!("/participation/joined?person={}", encoded(&person))))
}

/// `/participation/layer/{organisation}`: residents who let the organisation in, with what it wrote.
pub async fn page(site: &Arc<Site>, asked: &Asked, frame: Frame, organisation: &str) -> Outcome<Answer> {
    let l = frame.language;
    let say = |key: &str| l.say(key).into_owned();
    if !right::may_for_organisation(&site.requester, organisation) {
        return Ok(problem::show(asked, frame, 403, "wrong", ""));
    }
    let state = State::now(site).await?;
    let known = actors(&state, &MAY_JOIN).into_iter().find(|(id, _)| id == organisation);
    let (_, name) = known.ok_or_else(|| failure("organisation: stands in no register; enter it first"))?;
    let teams = search(
        site,
        "CareTeam",
        &[
            ("participant", format!("Organization/{organisation}")),
            ("status", "active".into()),
            ("_count", SHOWN.into()),
        ],
    )
    .await?;
    let leaves: Vec<Leave> = teams.iter().filter_map(Leave::read).filter(Leave::is_in_force).collect();
    let names = names(site, &leaves).await?;
    let mut cards = Vec::new();
    for leave in &leaves {
        let person = leave.person();
        let Some(name) = names.get(person) else { continue };
        let own = entries(site, person).await?;
        let lines: Vec<String> =
            own.iter().filter(|e| e.organisation == organisation).map(|e| line(e, l)).collect();
        let form = Form { action: format!("/participation/layer/{organisation}"), ..Form::default() }
            .with("person", person)
            .field("kind", say("pa-field-kind"), Kind::Radio(options(l, "ca-layer-kind", &KINDS)))
            .field("text", say("ca-field-entry"), Kind::Line(LONGEST))
            .field("who", say("pa-field-who"), Kind::Line(80))
            .button("", say("ca-write-down"));
        cards.push(Card {
            title: name.clone(),
            tag: l.count("ca-entries", lines.len() as i64).into_owned(),
            lines,
            forms: vec![form],
            ..Card::default()
        });
    }
    let list = if cards.is_empty() { Block::Empty(say("ca-nobody-joined")) } else { Block::Cards(cards) };
    let blocks = vec![Block::Text(say("ca-layer-words")), list];
    let title = l.name("ca-layer-of", &name).into_owned();
    let lead = say("ca-layer-lead");
    show(asked, frame, 200, Sheet { title, lead, tab: "pa-organisations", blocks, ..Sheet::default() })
}

async fn names(site: &Arc<Site>, leaves: &[Leave]) -> Outcome<BTreeMap<String, String>> {
    if leaves.is_empty() {
        return Ok(BTreeMap::new());
    }
    let ids: Vec<&str> = leaves.iter().map(Leave::person).collect();
    let found = search(site, "Patient", &[("_id", ids.join(",")), ("_count", SHOWN.into())]).await?;
    let read =
        |patient: &Resource| Some((patient.id.clone(), Person::read(&Json::parse(&patient.text).ok()?).name));
    Ok(found.iter().filter_map(read).collect())
}

/// `POST /participation/layer/{organisation}`: an entry about a resident who let the organisation in.
pub async fn write(site: &Arc<Site>, asked: &Asked, frame: Frame, organisation: &str) -> Outcome<Answer> {
    let Some(pairs) = pairs(asked) else { return Ok(problem::show(asked, frame, 403, "wrong", "")) };
    if !right::may_for_organisation(&site.requester, organisation) {
        return Ok(problem::show(asked, frame, 403, "wrong", ""));
    }
    let person = field(&pairs, "person").to_owned();
    let (kind, text) = (field(&pairs, "kind"), field(&pairs, "text"));
    if !KINDS.contains(&kind) {
        return Err(failure("kind: choose need, visit or help"));
    }
    if text.is_empty() || text.chars().count() > LONGEST as usize {
        return Err(failure("text: write 1 to 500 characters"));
    }
    let let_in = tongmai_fhir::format::is_id(&person)
        && leaves(site, &person).await?.iter().any(|x| x.organisation() == organisation && x.is_in_force());
    if !let_in {
        return Err(failure("person: has not let this organisation in"));
    }
    let mut extensions = vec![json!({ "url": TEXT, "valueString": text })];
    let who = field(&pairs, "who");
    if !who.is_empty() {
        extensions.push(json!({ "url": WHO, "valueString": who }));
    }
    let entry = json!({
        "resourceType": "Basic",
        "code": { "coding": [{ "system": SYSTEM, "code": kind }] },
        "subject": { "reference": format!("Patient/{person}") },
        "created": date(site.today()),
        "author": { "reference": format!("Organization/{organisation}") },
        "extension": extensions,
    });
    put(site, &entry).await?;
    Ok(reply::see(&format!("/participation/layer/{organisation}")))
}

/// Links to the layers that the reader may open.
pub fn links(site: &Site, state: &State, l: Language) -> Vec<Block> {
    let own = actors(state, &MAY_JOIN)
        .into_iter()
        .filter(|(id, _)| right::may_for_organisation(&site.requester, id));
    let links: Vec<(String, String)> =
        own.map(|(id, name)| (format!("/participation/layer/{id}"), name)).collect();
    if links.is_empty() {
        return Vec::new();
    }
    vec![
        Block::Heading(l.say("ca-layers").into_owned()),
        Block::Text(l.say("ca-layer-words").into_owned()),
        Block::Links(links),
    ]
}
