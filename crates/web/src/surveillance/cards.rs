//! The report-card desk 报卡台: cards with their clocks, one card, look-alikes side by side.

use std::sync::Arc;

use askama::Template;
use bytes::Bytes;
use hyper::header::{CONTENT_DISPOSITION, HeaderValue};
use serde_json::Value;
use tongmai_engine::{Failure, Outcome, Reason};
use tongmai_fhir::definition::resource_type_id;
use tongmai_http::{Answer, Asked, plain};
use tongmai_surveillance::case::{Classification, Step};
use tongmai_views::surveillance::{Card, Cases, FILLED, document as documents};

use super::{Desk, Form, age_of, clock_text, disease_name, shown_name};
use crate::format::When;
use crate::frame::{Frame, encoded};
use crate::language::Language;
use crate::{Site, framed, render, reply};

/// Cards on the desk.
const ROWS: usize = 100;
/// Pairs of look-alikes on their page.
const PAIRS: usize = 10;

struct Row {
    id: String,
    name: String,
    sex: String,
    age: String,
    disease: String,
    class: String,
    organization: String,
    found: When,
    state: String,
    state_code: String,
    phase: &'static str,
    clock: String,
    waiting: bool,
}

fn row(cases: &Cases, l: Language, card: &Card, now: i64) -> Row {
    let (phase, clock) = clock_text(l, &card.clock(), now, card.written);
    Row {
        id: card.id.clone(),
        name: shown_name(card).into_owned(),
        sex: l.code("gender", card.item("sex")).into_owned(),
        age: age_of(l, card),
        disease: disease_name(cases, l, &card.disease),
        class: l.code("class", &card.classification).into_owned(),
        organization: card.item("organization").to_owned(),
        found: When::moment(card.start),
        state: l.code("card-state", &card.state).into_owned(),
        state_code: card.state.clone(),
        phase: phase.code(),
        clock,
        waiting: card.state().is_waiting(),
    }
}

#[derive(Template)]
#[template(path = "surveillance/cards.html")]
struct CardsPage {
    page: Frame,
    l: Language,
    rows: Vec<Row>,
    counts: Vec<(String, String, i64)>,
    chosen: String,
    desk: String,
    above: bool,
    duplicates: i64,
}

framed!(CardsPage);

/// `/surveillance/cards?state=…`
pub async fn desk(site: &Arc<Site>, asked: &Asked, frame: Frame) -> Outcome<Answer> {
    let (l, now) = (frame.language, site.engine.now());
    let chosen = frame.parameter("state").unwrap_or("").to_owned();
    let shown = super::show(site, &frame, |cases, desk| {
        let wanted = |card: &&Card| match chosen.as_str() {
            "" => card.state().is_waiting(),
            "all" => true,
            state => card.state == state,
        };
        let mut cards: Vec<&Card> = match desk.is_above() {
            true => Vec::new(),
            false => cases.cards().filter(wanted).filter(|it| of_county(it, desk)).collect(),
        };
        cards.sort_by_key(|card| (!card.state().is_waiting(), card.clock().deadline()));
        cards.truncate(ROWS);
        let count = |code: &str| cases.cards().filter(|card| card.state == code).count() as i64;
        let states = ["draft", "submitted", "rejected", "accepted", "prefecture", "province", "withdrawn"];
        let counts =
            states.map(|code| (code.to_owned(), l.code("card-state", code).into_owned(), count(code)));
        let rows = cards.iter().map(|card| row(cases, l, card, now)).collect::<Vec<_>>();
        let positions = cards.iter().map(|card| card.position).collect();
        let duplicates = cases.possible_duplicates(PAIRS).len() as i64;
        ((rows, counts.to_vec(), encoded(desk.query()), desk.is_above(), duplicates), positions)
    });
    let (rows, counts, desk, above, duplicates) = shown.await?;
    render(asked, 200, &CardsPage { l, page: frame, rows, counts, chosen, desk, above, duplicates })
}

/// Whether a card is the business of a desk: a card without a county is everybody's.
pub fn of_county(card: &Card, desk: &Desk) -> bool {
    !desk.is_above() && (card.item("county").is_empty() || card.item("county") == desk.county())
}

struct Field {
    code: &'static str,
    name: String,
    value: String,
    wide: bool,
}

#[derive(Template)]
#[template(path = "surveillance/card.html")]
struct CardPage {
    page: Frame,
    l: Language,
    row: Row,
    number: String,
    rejection: String,
    evidence: String,
    sources: Vec<String>,
    patients: Vec<String>,
    fields: Vec<Field>,
    classes: Vec<(&'static str, String, bool)>,
    notes: Vec<(When, String, String)>,
    steps: Vec<&'static str>,
    contacts: i64,
    deadline: When,
    under_code: bool,
    can_accept: bool,
}

framed!(CardPage);

/// `/surveillance/card/{id}`
pub async fn card(site: &Arc<Site>, asked: &Asked, frame: Frame, id: &str) -> Outcome<Answer> {
    let l = frame.language;
    let card = site.surveillance.card(&site.requester, id).await?;
    let now = site.engine.now();
    let shown = super::show(site, &frame, |cases, desk| {
        let contacts = cases.contacts_of(id).count() as i64;
        ((row(cases, l, &card, now), contacts, of_county(&card, desk)), Vec::new())
    });
    let (row, contacts, own) = shown.await?;
    if !own {
        return Err(Failure::not_found(format!("report card {id} at this desk")));
    }
    let under_code = super::UNDER_CODE.contains(&card.disease.as_str());
    let hidden = |code: &str| {
        under_code && matches!(code, "name" | "identity-number" | "phone" | "address" | "guardian")
    };
    let fields = FILLED.iter().map(|code| Field {
        code,
        name: l.say(&format!("card-{code}")).into_owned(),
        value: if hidden(code) { String::new() } else { card.item(code).to_owned() },
        wide: matches!(*code, "address" | "remark" | "exposure-site" | "workplace"),
    });
    let steps = [
        Step::Submit,
        Step::Accept,
        Step::Reject,
        Step::ReviewPrefecture,
        Step::ReviewProvince,
        Step::Correct,
        Step::Withdraw,
    ];
    let answer = |code: &str| card.answers.get(code).cloned().unwrap_or_default();
    let page = CardPage {
        l,
        number: answer("national-number"),
        rejection: answer("rejection"),
        evidence: evidence_text(l, card.item("evidence")),
        sources: card.evidence.clone(),
        patients: card.patients.clone(),
        fields: fields.filter(|field| !hidden(field.code)).collect(),
        classes: Classification::ALL
            .iter()
            .map(|(class, code, _)| {
                (*code, l.code("class", code).into_owned(), *class == card.classification())
            })
            .collect(),
        notes: card
            .notes
            .iter()
            .map(|it| (When::moment(it.time), it.who.clone(), super::note_text(l, &it.text)))
            .collect(),
        steps: steps.into_iter().filter(|step| card.state().after(*step).is_some()).map(Step::code).collect(),
        deadline: When::moment(card.clock().deadline()),
        row,
        contacts,
        under_code,
        can_accept: card.state().after(Step::Accept).is_some(),
        page: frame,
    };
    render(asked, 200, &page)
}

/// Evidence with the kinds of it in the reader's language.
fn evidence_text(l: Language, evidence: &str) -> String {
    let word = |part: &str| match part.split_once(": ") {
        Some((kind, text)) => format!("{} {text}", l.code("evidence", kind)),
        None => part.to_owned(),
    };
    evidence.split("; ").map(word).collect::<Vec<_>>().join("; ")
}

pub fn no_step(step: &str) -> Failure {
    Failure::new(Reason::Invalid, "step", "unknown", format!("\"{step}\" is no step"))
        .repair("use a button of the page")
}

/// `POST /surveillance/card/{id}`
pub async fn step(site: &Arc<Site>, asked: &Asked, id: &str) -> Outcome<Answer> {
    let form = Form::of(asked)?;
    let step = Step::of(form.field("step")).ok_or_else(|| no_step(form.field("step")))?;
    site.surveillance.step(&site.requester, id, step, &form.decision()).await?;
    Ok(reply::see_other_at(&format!("/surveillance/card/{id}")))
}

/// `POST /surveillance/suspect/{patient}`: suspected without a code.
pub async fn suspect(site: &Arc<Site>, asked: &Asked, patient: &str) -> Outcome<Answer> {
    let form = Form::of(asked)?;
    let card =
        site.surveillance.suspect(&site.requester, patient, form.field("disease"), &form.decision()).await?;
    Ok(reply::see_other_at(&format!("/surveillance/card/{}", card.id)))
}

/// `/surveillance/card/{id}/document`: the card as a FHIR document.
pub async fn document(site: &Arc<Site>, asked: &Asked, id: &str) -> Outcome<Answer> {
    let _ = asked;
    let card = site.surveillance.card(&site.requester, id).await?;
    let mut wanted: Vec<String> = card.patients.iter().take(1).map(|id| format!("Patient/{id}")).collect();
    wanted.extend(Some(card.encounter.clone()).filter(|it| !it.is_empty()));
    wanted.extend(card.evidence.iter().cloned());
    let mut resources: Vec<Value> = Vec::new();
    for reference in wanted {
        let Some((kind, id)) = reference.split_once('/') else { continue };
        let Some(kind) = resource_type_id(kind) else { continue };
        let Ok(sealed) = site.engine.read(&site.sight(), kind, id) else { continue };
        let resource = site.release(sealed).await?.into_inner();
        resources.extend(serde_json::from_slice::<Value>(&resource.text).ok());
    }
    let name = site.surveillance.look(|cases| disease_name(cases, Language::Chinese, &card.disease))?;
    let document = documents::document(&card, &name, &resources, site.engine.now());
    let mut answer = plain(200, "application/fhir+json; charset=utf-8", Bytes::from(document.to_string()));
    if let Ok(value) = HeaderValue::from_str(&format!("attachment; filename=\"{id}.json\"")) {
        answer.headers_mut().insert(CONTENT_DISPOSITION, value);
    }
    Ok(answer)
}

struct Pair {
    left: Row,
    right: Row,
    rows: Vec<(String, String, String, bool)>,
}

#[derive(Template)]
#[template(path = "surveillance/duplicates.html")]
struct Duplicates {
    page: Frame,
    l: Language,
    pairs: Vec<Pair>,
    above: bool,
    desk: String,
}

framed!(Duplicates);

/// `/surveillance/duplicates`
pub async fn duplicates(site: &Arc<Site>, asked: &Asked, frame: Frame) -> Outcome<Answer> {
    let (l, now) = (frame.language, site.engine.now());
    let shown = super::show(site, &frame, |cases, desk| {
        if desk.is_above() {
            return ((Vec::new(), true, encoded(desk.query())), Vec::new());
        }
        let pairs = cases.possible_duplicates(PAIRS);
        let positions = pairs.iter().flat_map(|(left, right)| [left.position, right.position]).collect();
        let pairs =
            pairs.into_iter().map(|(left, right)| pair(cases, l, left, right, now)).collect::<Vec<_>>();
        ((pairs, false, encoded(desk.query())), positions)
    });
    let (pairs, above, desk) = shown.await?;
    render(asked, 200, &Duplicates { l, page: frame, pairs, above, desk })
}

fn pair(cases: &Cases, l: Language, left: &Card, right: &Card, now: i64) -> Pair {
    let codes = [
        "name",
        "sex",
        "birth-date",
        "identity-number",
        "phone",
        "address",
        "onset",
        "found-on",
        "organization",
        "author",
    ];
    let rows = codes.iter().map(|code| {
        let (a, b) = (left.item(code).to_owned(), right.item(code).to_owned());
        let differs = a != b;
        let shown = |text: String| {
            if *code == "identity-number" { crate::format::covered(&text).into_owned() } else { text }
        };
        (l.say(&format!("card-{code}")).into_owned(), shown(a), shown(b), differs)
    });
    Pair {
        rows: rows.filter(|it| !(it.1.is_empty() && it.2.is_empty())).collect(),
        left: row(cases, l, left, now),
        right: row(cases, l, right, now),
    }
}

/// `POST /surveillance/duplicates`: one is withdrawn as a duplicate, or both stand.
pub async fn rule(site: &Arc<Site>, asked: &Asked) -> Outcome<Answer> {
    let form = Form::of(asked)?;
    let (left, right) = (form.field("left"), form.field("right"));
    let decision = form.decision();
    match form.field("step") {
        "apart" => site.surveillance.not_duplicate(&site.requester, left, right, &decision).await?,
        "withdraw" => drop(site.surveillance.step(&site.requester, right, Step::Withdraw, &decision).await?),
        other => return Err(no_step(other)),
    }
    Ok(reply::see_other_at("/surveillance/duplicates"))
}

#[cfg(test)]
mod tests {
    use tongmai_surveillance::case::CardState;

    use super::*;

    #[test]
    fn every_state_and_step_has_its_word() {
        for l in [Language::Chinese, Language::English] {
            for state in ["draft", "submitted", "rejected", "accepted", "prefecture", "province", "withdrawn"]
            {
                assert!(CardState::of(state).is_some());
                assert!(l.find(&format!("card-state-{state}"), None).is_some(), "{l:?} {state}");
            }
            for code in FILLED {
                assert!(l.find(&format!("card-{code}"), None).is_some(), "{l:?} {code}");
            }
        }
    }
}
