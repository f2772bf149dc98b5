//! What belongs to one person's record: *My goals* and *Questionnaires*.
//!
//! A goal is a FHIR Goal whose notes are its changes, each with who made it: it counts when both sides
//! accepted. An answered questionnaire is a QuestionnaireResponse. Both lie in the person's record.

use std::sync::Arc;

use serde_json::{Value, json};
use tongmai_base::time::Instant;
use tongmai_care::goal::{Act, Change, Goal, Side, Standing};
use tongmai_engagement::eq5d::{State as Health, ValueSet, decimal};
use tongmai_engagement::reported::dlqi;
use tongmai_engine::{Outcome, Resource};
use tongmai_fhir::definition::resource_type_id;
use tongmai_http::{Answer, Asked};

use super::block::{Block, Card, Form, Kind, Table};
use super::enter::{failure, field, pairs, put, replace};
use super::{Sheet, adaptive, date, options, questionnaire, right, schedule, show};
use crate::chart::{Line, trend};
use crate::format::When;
use crate::frame::{Frame, encoded};
use crate::language::Language;
use crate::{Site, people, problem, reply};

/// Resources of one kind that are shown of a person.
const SHOWN: &str = "100";
/// Where the side and the act of a goal's change stand.
const SIDE: &str = "urn:tongmai:care:side";
const ACT: &str = "urn:tongmai:care:act";
/// The questionnaires whose wording an operator uploads, under their own addresses.
pub const EQ5D: &str = "urn:tongmai:questionnaire:eq-5d-5l";
pub const DLQI: &str = "urn:tongmai:questionnaire:dlqi";
const DIMENSIONS: [&str; 5] = ["mo", "sc", "ua", "pd", "ad"];

/// Everything of a kind in a person's record, newest first.
pub async fn of_person(site: &Arc<Site>, kind: &'static str, person: &str) -> Outcome<Vec<Resource>> {
    let subject = format!("Patient/{person}");
    search(site, kind, &[("subject", subject), ("_count", SHOWN.into()), ("_sort", "-_lastUpdated".into())])
        .await
}

/// What a search finds, released.
pub async fn search(
    site: &Arc<Site>,
    kind: &'static str,
    pairs: &[(&str, String)],
) -> Outcome<Vec<Resource>> {
    let pairs: Vec<(String, String)> = pairs.iter().map(|(a, b)| ((*a).to_owned(), b.clone())).collect();
    let sealed = site
        .work(move |site| {
            let kind = resource_type_id(kind).unwrap_or_default();
            let query = site.engine.query(&[kind], None, &pairs, false)?;
            site.engine.search(&site.sight(), &query, None)
        })
        .await?;
    Ok(site.release(sealed).await?.into_inner().matches)
}

/// Whose pages these are: by the record, or by the citizen's number.
pub async fn whose(site: &Arc<Site>, frame: &Frame) -> Outcome<Option<String>> {
    let theirs = |person: &String| right::may_for(&site.requester, person, site.engine.now());
    if let Some(person) = frame.parameter("person").filter(|person| tongmai_fhir::format::is_id(person)) {
        return Ok(Some(person.to_owned()).filter(theirs));
    }
    let Some(number) = frame.parameter("number").map(str::trim).filter(|number| !number.is_empty()) else {
        return Ok(None);
    };
    let token = people::token(&number.to_ascii_uppercase());
    let found = search(site, "Patient", &[("identifier", token), ("_count", "1".into())]).await?;
    Ok(found.into_iter().next().map(|patient| patient.id).filter(theirs))
}

/// Refuses what somebody sends for a person who is not theirs.
pub fn theirs(site: &Site, person: &str) -> Outcome<()> {
    let may =
        tongmai_fhir::format::is_id(person) && right::may_for(&site.requester, person, site.engine.now());
    if may { Ok(()) } else { Err(failure("person: is not yours to speak for")) }
}

/// The form that asks whose pages are wanted.
pub fn ask(l: Language, action: &str) -> Block {
    let form = Form { action: action.into(), get: true, ..Form::default() }
        .field("number", l.say("pa-citizen-number"), Kind::Line(18))
        .button("", l.say("pa-open-mine"));
    Block::Form(form)
}

pub fn parsed(resource: &Resource) -> Option<Value> {
    serde_json::from_slice(&resource.text).ok()
}

/// A goal as its Goal resource says it.
pub fn read(goal: &Value) -> Option<Goal> {
    let change = |note: &Value| {
        let extension =
            |url: &str| note["extension"].as_array()?.iter().find(|e| e["url"] == url)?["valueCode"].as_str();
        let text = note["text"].as_str().unwrap_or("").to_owned();
        let act = match extension(ACT)? {
            "propose" => Act::Propose(text),
            "accept" => Act::Accept,
            "refuse" => Act::Refuse(text),
            "reach" => Act::Reach,
            "give-up" => Act::GiveUp(text),
            _ => return None,
        };
        let side = if extension(SIDE)? == "team" { Side::Team } else { Side::Patient };
        let day = When::read(note["time"].as_str()?)?.day();
        Some(Change { side, who: note["authorString"].as_str()?.to_owned(), day, act })
    };
    let changes: Option<Vec<Change>> = goal["note"].as_array()?.iter().map(change).collect();
    Goal::fold(&changes?).ok()
}

fn status(standing: Standing) -> &'static str {
    match standing {
        Standing::Proposed => "proposed",
        Standing::Agreed => "active",
        Standing::Refused => "rejected",
        Standing::Reached => "completed",
        Standing::GivenUp => "cancelled",
    }
}

/// `/participation/goals?person=…`
pub async fn goals(site: &Arc<Site>, asked: &Asked, frame: Frame) -> Outcome<Answer> {
    let l = frame.language;
    let say = |key: &str| l.say(key).into_owned();
    let mut blocks = Vec::new();
    match whose(site, &frame).await? {
        None => {
            blocks.push(Block::Empty(say("pa-goals-empty")));
            blocks.push(ask(l, "/participation/goals"));
        }
        Some(person) => {
            blocks.extend(schedule::reminder(site, &person, l).await?);
            let found = of_person(site, "Goal", &person).await?;
            let cards: Vec<Card> = found
                .iter()
                .filter_map(|resource| {
                    let goal = read(&parsed(resource)?)?;
                    Some(card(&goal, resource, &person, l))
                })
                .collect();
            blocks.push(if cards.is_empty() {
                Block::Empty(say("pa-no-goals"))
            } else {
                Block::Cards(cards)
            });
            let form = goal_form(&person, "propose")
                .titled(say("pa-propose-goal"))
                .field("text", say("pa-field-goal"), Kind::Line(300))
                .field(
                    "side",
                    say("pa-field-side"),
                    Kind::Radio(options(l, "pa-side-of", &["patient", "team"])),
                )
                .field("who", say("pa-field-who"), Kind::Line(80))
                .button("", say("pa-propose"));
            blocks.push(Block::Form(form));
            blocks.push(Block::Links(vec![(format!("/person/{person}"), say("pa-to-record"))]));
        }
    }
    let sheet =
        Sheet { title: say("pa-goals"), lead: say("pa-goals-lead"), tab: "pa-goals", narrow: true, blocks };
    show(asked, frame, 200, sheet)
}

fn goal_form(person: &str, act: &str) -> Form {
    Form { action: "/participation/goal".into(), ..Form::default() }.with("person", person).with("act", act)
}

fn card(goal: &Goal, resource: &Resource, person: &str, l: Language) -> Card {
    let mut lines = Vec::new();
    for change in &goal.changes {
        let (act, text) = match &change.act {
            Act::Propose(text) => ("propose", text.as_str()),
            Act::Accept => ("accept", ""),
            Act::Refuse(why) => ("refuse", why.as_str()),
            Act::Reach => ("reach", ""),
            Act::GiveUp(why) => ("give-up", why.as_str()),
        };
        let side = if change.side == Side::Team { "team" } else { "patient" };
        lines.push(format!(
            "{} {}（{}）{} {text}",
            date(change.day),
            change.who,
            l.code("pa-side-of", side),
            l.code("pa-act", act)
        ));
    }
    let version = resource.version.to_string();
    let form = |act: &str, side: &str| {
        goal_form(person, act)
            .with("id", resource.id.as_str())
            .with("version", version.as_str())
            .with("side", side)
            .field("who", l.say("pa-field-who"), Kind::Line(80))
    };
    let mut forms = Vec::new();
    for (side, code) in [(Side::Patient, "patient"), (Side::Team, "team")] {
        if goal.waits_for(side) {
            let label = format!("{}：{}", l.code("pa-side-of", code), l.code("pa-act", "accept"));
            forms.push(form("accept", code).button("", label));
            let label = format!("{}：{}", l.code("pa-side-of", code), l.code("pa-act", "refuse"));
            forms.push(
                form("refuse", code).field("text", l.say("pa-field-why"), Kind::Line(300)).button("", label),
            );
        }
    }
    if goal.standing == Standing::Agreed {
        forms.push(form("reach", "patient").button("", l.code("pa-act", "reach")));
    }
    Card {
        title: goal.text.clone(),
        tag: l.code("pa-goal", status(goal.standing)).into_owned(),
        strong: goal.counts(),
        lines,
        forms,
        ..Card::default()
    }
}

/// `POST /participation/goal`: one change of a goal, as the next version of its resource.
pub async fn goal(site: &Arc<Site>, asked: &Asked, frame: Frame) -> Outcome<Answer> {
    let Some(pairs) = pairs(asked) else { return Ok(problem::show(asked, frame, 403, "wrong", "")) };
    let (person, id) = (field(&pairs, "person").to_owned(), field(&pairs, "id"));
    theirs(site, &person)?;
    let text = field(&pairs, "text").to_owned();
    let code = field(&pairs, "act");
    let act = match code {
        "propose" => Act::Propose(text.clone()),
        "accept" => Act::Accept,
        "refuse" => Act::Refuse(text.clone()),
        "reach" => Act::Reach,
        "give-up" => Act::GiveUp(text.clone()),
        _ => return Err(failure("act: choose propose, accept, refuse, reach or give-up")),
    };
    let side = if field(&pairs, "side") == "team" { Side::Team } else { Side::Patient };
    let change = Change { side, who: field(&pairs, "who").to_owned(), day: site.today(), act };
    let note = json!({
        "extension": [
            { "url": SIDE, "valueCode": if side == Side::Team { "team" } else { "patient" } },
            { "url": ACT, "valueCode": code },
        ],
        "authorString": change.who,
        "time": Instant(site.engine.now()).to_fhir(),
        "text": if text.is_empty() { code } else { &text },
    });
    let back = format!("/participation/goals?person={}", encoded(&person));
    if id.is_empty() {
        let goal = Goal::fold(std::slice::from_ref(&change)).map_err(failure)?;
        let resource = json!({
            "resourceType": "Goal",
            "lifecycleStatus": status(goal.standing),
            "description": { "text": goal.text },
            "subject": { "reference": format!("Patient/{person}") },
            "note": [note],
        });
        put(site, &resource).await?;
        return Ok(reply::see(&back));
    }
    let found =
        search(site, "Goal", &[("_id", id.to_owned()), ("subject", format!("Patient/{person}"))]).await?;
    let mut resource = found.first().and_then(parsed).ok_or_else(|| failure("id: there is no such goal"))?;
    let mut goal = read(&resource).ok_or_else(|| failure("id: this goal was not made here"))?;
    goal.apply(&change).map_err(failure)?;
    resource["lifecycleStatus"] = status(goal.standing).into();
    resource["description"] = json!({ "text": goal.text });
    if let Some(notes) = resource["note"].as_array_mut() {
        notes.push(note);
    }
    replace(site, id, field(&pairs, "version").parse().ok(), &resource).await?;
    Ok(reply::see(&back))
}

/// `/participation/questionnaires?person=…`
pub async fn questionnaires(site: &Arc<Site>, asked: &Asked, frame: Frame) -> Outcome<Answer> {
    let l = frame.language;
    let say = |key: &str| l.say(key).into_owned();
    let mut blocks = Vec::new();
    match whose(site, &frame).await? {
        None => {
            blocks.push(Block::Empty(say("pa-questionnaires-empty")));
            blocks.push(ask(l, "/participation/questionnaires"));
        }
        Some(person) => {
            let answered: Vec<Value> =
                of_person(site, "QuestionnaireResponse", &person).await?.iter().filter_map(parsed).collect();
            blocks.extend(schedule::blocks(site, &person, &answered, l).await?);
            blocks.extend(health(&answered, l));
            blocks.push(Block::Form(health_form(&person, l)));
            blocks.extend(skin(&answered, l));
            blocks.push(Block::Form(skin_form(&person, l)));
            blocks.extend(adaptive::blocks(site, &person, &answered, l).await?);
            blocks.extend(questionnaire::blocks(site, &person, &frame).await?);
            blocks.push(Block::Form(schedule::form(site, &person, l).await?));
        }
    }
    let sheet = Sheet {
        title: say("pa-questionnaires"),
        lead: say("pa-questionnaires-lead"),
        tab: "pa-questionnaires",
        narrow: true,
        blocks,
    };
    show(asked, frame, 200, sheet)
}

/// The integer answer of an item.
fn answer(response: &Value, link: &str) -> Option<i64> {
    let item = response["item"].as_array()?.iter().find(|item| item["linkId"] == link)?;
    item["answer"][0]["valueInteger"].as_i64()
}

fn authored(response: &Value) -> Option<When> {
    When::read(response["authored"].as_str()?)
}

/// EQ-5D-5L so far: the index over time, and a table.
fn health(answered: &[Value], l: Language) -> Vec<Block> {
    let set = ValueSet::mainland_china();
    let mut rows: Vec<(When, Health, i32)> = answered
        .iter()
        .filter(|response| response["questionnaire"] == EQ5D)
        .filter_map(|response| {
            let levels =
                DIMENSIONS.map(|d| answer(response, d).and_then(|n| u8::try_from(n).ok()).unwrap_or(0));
            let state = Health::new(levels).ok()?;
            Some((authored(response)?, state, set.thousandths(state)))
        })
        .collect();
    rows.sort_by_key(|(when, ..)| when.at);
    let mut blocks = vec![Block::Heading(l.say("pa-eq5d").into_owned())];
    let Some((_, _, last)) = rows.last() else {
        blocks.push(Block::Empty(l.say("pa-eq5d-empty").into_owned()));
        return blocks;
    };
    let points = rows.iter().map(|(when, _, index)| (when.at, f64::from(*index) / 1000.0)).collect();
    let line = Line { name: String::new(), points, range: (None, None), last: decimal(*last) };
    if rows.len() > 1 {
        blocks.push(Block::Drawing(trend(&[line], &l.say("pa-eq5d")), l.say("pa-eq5d-caption").into_owned()));
    }
    let heads = [
        l.say("pa-field-day").into_owned(),
        l.say("pa-health-state").into_owned(),
        format!("#{}", l.say("pa-index")),
    ];
    let heads: Vec<&str> = heads.iter().map(String::as_str).collect();
    let mut table = Table::new(l.say("pa-eq5d"), &heads);
    for (when, state, index) in rows.iter().rev() {
        table.row(vec![when.date().into(), format!("{state}").into(), decimal(*index).into()]);
    }
    blocks.push(Block::Table(table));
    blocks
}

fn health_form(person: &str, l: Language) -> Form {
    let levels = || {
        Kind::Radio(
            (1..=5).map(|n| (n.to_string(), l.code("pa-level", &n.to_string()).into_owned())).collect(),
        )
    };
    let form = Form { action: "/participation/eq5d".into(), ..Form::default() }.with("person", person);
    DIMENSIONS
        .iter()
        .fold(form, |form, dimension| form.field(dimension, l.code("pa-eq", dimension), levels()))
        .button("", l.say("pa-hand-in"))
}

/// `POST /participation/eq5d`
pub async fn eq5d(site: &Arc<Site>, asked: &Asked, frame: Frame) -> Outcome<Answer> {
    answered(site, asked, frame, EQ5D, &DIMENSIONS, 1..=5).await
}

/// The ten questions of the DLQI, by number.
const QUESTIONS: [&str; 10] = ["q1", "q2", "q3", "q4", "q5", "q6", "q7", "q8", "q9", "q10"];

fn skin(answers: &[Value], l: Language) -> Vec<Block> {
    let own = answers.iter().filter(|response| response["questionnaire"] == DLQI);
    let scored: Vec<(When, u8)> = own
        .filter_map(|response| {
            let answers = QUESTIONS.map(|q| answer(response, q).and_then(|n| u8::try_from(n).ok()));
            Some((authored(response)?, dlqi::score(&answers).ok()?))
        })
        .collect();
    let mut blocks = vec![Block::Heading(l.say("pa-dlqi").into_owned())];
    if scored.is_empty() {
        blocks.push(Block::Empty(l.say("pa-dlqi-empty").into_owned()));
        return blocks;
    }
    let heads = [
        l.say("pa-field-day").into_owned(),
        format!("#{}", l.say("pa-score")),
        l.say("pa-band").into_owned(),
    ];
    let heads: Vec<&str> = heads.iter().map(String::as_str).collect();
    let mut table = Table::new(l.say("pa-dlqi"), &heads);
    for (when, score) in &scored {
        let band = format!("{:?}", dlqi::band(*score));
        table.row(vec![when.date().into(), score.to_string().into(), l.code("pa-band", &band).into()]);
    }
    blocks.push(Block::Table(table));
    blocks
}

fn skin_form(person: &str, l: Language) -> Form {
    let form = Form { action: "/participation/dlqi".into(), ..Form::default() }.with("person", person);
    QUESTIONS
        .iter()
        .enumerate()
        .fold(form, |form, (n, question)| {
            let kind = Kind::Radio(options(l, "pa-much", &["0", "1", "2", "3"]));
            form.optional(question, l.count("pa-question", n as i64 + 1), kind)
        })
        .button("", l.say("pa-hand-in"))
}

/// `POST /participation/dlqi`
pub async fn dlqi(site: &Arc<Site>, asked: &Asked, frame: Frame) -> Outcome<Answer> {
    answered(site, asked, frame, DLQI, &QUESTIONS, 0..=3).await
}

/// Keeps an answered questionnaire whose answers are whole numbers of a range.
async fn answered(
    site: &Arc<Site>,
    asked: &Asked,
    frame: Frame,
    questionnaire: &str,
    links: &[&str],
    range: std::ops::RangeInclusive<i64>,
) -> Outcome<Answer> {
    let Some(pairs) = pairs(asked) else { return Ok(problem::show(asked, frame, 403, "wrong", "")) };
    let person = field(&pairs, "person").to_owned();
    theirs(site, &person)?;
    let mut items = Vec::new();
    for link in links {
        let text = field(&pairs, link);
        if text.is_empty() {
            continue;
        }
        let value: i64 = text.parse().map_err(|_| failure(format!("{link}: is no whole number")))?;
        if !range.contains(&value) {
            return Err(failure(format!("{link}: choose {} to {}", range.start(), range.end())));
        }
        items.push(json!({ "linkId": link, "answer": [{ "valueInteger": value }] }));
    }
    if items.len() + 1 < links.len() || (questionnaire == EQ5D && items.len() < links.len()) {
        return Err(failure("answers: some are missing; answer every question"));
    }
    let response = json!({
        "resourceType": "QuestionnaireResponse",
        "questionnaire": questionnaire,
        "status": "completed",
        "subject": { "reference": format!("Patient/{person}") },
        "authored": Instant(site.engine.now()).to_fhir(),
        "item": items,
    });
    put(site, &response).await?;
    Ok(reply::see(&format!("/participation/questionnaires?person={}", encoded(&person))))
}
