//! The signals board, and one signal with its evidence packet.

use std::sync::Arc;

use askama::Template;
use tongmai_engine::{Failure, Outcome};
use tongmai_http::{Answer, Asked};
use tongmai_surveillance::case::Phase;
use tongmai_surveillance::signal::{Level, REASONS, SignalState, SignalStep};
use tongmai_views::surveillance::{Card, Cases, Signal, VisibleCases};

use super::curve::{self, Week};
use super::{Desk, Form, age_of, clock_text, disease_name, shown_name};
use crate::format::When;
use crate::frame::{Frame, encoded};
use crate::language::Language;
use crate::{Site, framed, markup, render, reply};

/// Signals on the board.
const ROWS: usize = 60;
/// Cases of an evidence packet on the page.
const PACKET: usize = 50;

struct Row {
    id: String,
    level: &'static str,
    disease: String,
    code: String,
    place: String,
    when: When,
    rule: String,
    counts: String,
    chance: String,
    state: String,
    phase: &'static str,
    clock: String,
    open: bool,
}

struct Tally {
    open: i64,
    overdue: i64,
    cards_waiting: i64,
    cards_overdue: i64,
    rejected: i64,
}

#[derive(Template)]
#[template(path = "surveillance/board.html")]
struct Board {
    page: Frame,
    l: Language,
    part: Part,
    chosen: String,
    counties: Vec<String>,
    diseases: Vec<(String, String)>,
}

framed!(Board);

#[derive(Template)]
#[template(path = "surveillance/board-part.html")]
struct Part {
    l: Language,
    rows: Vec<Row>,
    tally: Tally,
    position: String,
    desk: String,
}

/// The live part, the desk, and the filters that are offered.
type Parts = (Part, Desk, Vec<String>, Vec<(String, String)>);

async fn part_of(site: &Arc<Site>, frame: &Frame) -> Outcome<Parts> {
    let (l, now) = (frame.language, site.engine.now());
    super::show(site, frame, |cases, desk| {
        let mut signals: Vec<&Signal> =
            cases.signals().filter(|it| desk.is_above() || it.item("county") == desk.county()).collect();
        signals.sort_by_key(|it| (it.state().is_closed(), std::cmp::Reverse((it.level(), it.created))));
        let waits = |card: &&Card| card.state().is_waiting();
        let late = |phase: Phase| phase >= Phase::Overdue;
        let tally = Tally {
            open: signals.iter().filter(|it| !it.state().is_closed()).count() as i64,
            overdue: signals
                .iter()
                .filter(|it| it.state() == SignalState::Open && late(it.clock().phase(now, it.written)))
                .count() as i64,
            cards_waiting: cases.cards().filter(waits).count() as i64,
            cards_overdue: cases
                .cards()
                .filter(waits)
                .filter(|it| late(it.clock().phase(now, it.written)))
                .count() as i64,
            rejected: cases.cards().filter(|card| card.state == "rejected").count() as i64,
        };
        let positions = signals.iter().take(ROWS).map(|signal| signal.position).collect();
        let rows = signals.into_iter().take(ROWS).map(|signal| row(cases, l, signal, now)).collect();
        let part = Part { l, rows, tally, position: When::moment(now).show(), desk: encoded(desk.query()) };
        let day = site.today();
        let mut diseases: Vec<(String, String)> = cases
            .rules()
            .pack
            .on(day)
            .map(|it| (it.code.clone(), disease_name(cases, l, &it.code)))
            .collect();
        diseases.push((
            tongmai_views::surveillance::UNEXPLAINED.into(),
            l.say("disease-unexplained").into_owned(),
        ));
        ((part, desk.clone(), cases.counties().iter().cloned().collect(), diseases), positions)
    })
    .await
}

fn row(cases: &Cases, l: Language, signal: &Signal, now: i64) -> Row {
    let (phase, clock) = clock_text(l, &signal.clock(), now, signal.written);
    let place = [signal.item("county"), signal.item("town")].join(" ").trim().to_owned();
    let counts = match signal.number("expected") {
        Some(expected) => format!("{} / {expected:.1}", signal.item("observed")),
        None => signal.item("observed").to_owned(),
    };
    Row {
        id: signal.id.clone(),
        level: signal.level().code(),
        disease: disease_name(cases, l, &signal.disease),
        code: signal.disease.clone(),
        place,
        when: When::moment(signal.created),
        rule: l.code("rule", signal.item("rule")).into_owned(),
        counts,
        chance: percent(signal.number("predictive-value")),
        state: l.code("signal-state", &signal.state).into_owned(),
        phase: phase.code(),
        clock,
        open: signal.state() == SignalState::Open,
    }
}

fn percent(share: Option<f64>) -> String {
    share.map_or(String::new(), |share| format!("{:.0}%", 100.0 * share))
}

/// `/surveillance`
pub async fn page(site: &Arc<Site>, asked: &Asked, frame: Frame) -> Outcome<Answer> {
    let (part, desk, counties, diseases) = part_of(site, &frame).await?;
    render(
        asked,
        200,
        &Board { l: frame.language, page: frame, part, chosen: desk.query().to_owned(), counties, diseases },
    )
}

/// `/surveillance/board`: the part that follows.
pub async fn part(site: &Arc<Site>, asked: &Asked, frame: Frame) -> Outcome<Answer> {
    let (part, ..) = part_of(site, &frame).await?;
    Ok(reply::part(asked, markup(&part)?))
}

struct Line {
    id: String,
    name: String,
    sex: String,
    age: String,
    town: String,
    found: String,
    class: String,
    site: String,
}

#[derive(Template)]
#[template(path = "surveillance/signal.html")]
struct Shown {
    page: Frame,
    l: Language,
    row: Row,
    facts: Vec<(String, String)>,
    lines: Vec<Line>,
    sites: Vec<(String, i64)>,
    curve: String,
    weeks: Vec<Week>,
    notes: Vec<(When, String, String)>,
    steps: Vec<&'static str>,
    reasons: Vec<&'static str>,
    small: bool,
    similar: (i64, i64),
}

framed!(Shown);

/// `/surveillance/signal/{id}`
pub async fn signal(site: &Arc<Site>, asked: &Asked, frame: Frame, id: &str) -> Outcome<Answer> {
    let (id, l, now, today) = (id.to_owned(), frame.language, site.engine.now(), site.today());
    let packet = super::show(site, &frame, |cases, desk| {
        let Some(signal) = cases.signal(&id) else { return (None, Vec::new()) };
        let own =
            !desk.is_above() && (signal.item("county") == desk.county() || signal.item("county").is_empty());
        let cards: Vec<&Card> = packet(cases, signal);
        let mut positions = vec![signal.position];
        if own {
            positions.extend(cards.iter().map(|card| card.position));
        }
        let shared = tongmai_surveillance::chain::shared_sites(
            exposures(cases, &cards).iter().map(|(c, s)| (c.as_str(), s.as_str())),
        )
        .into_iter()
        .map(|(site, count)| (site.to_owned(), count as i64))
        .collect::<Vec<_>>();
        let county = if signal.item("county").is_empty() { desk.county() } else { signal.item("county") };
        let weeks = curve::weeks(cases, desk, &signal.disease, county, today, 26);
        let lines = if own { cards.iter().map(|card| line(l, card)).collect() } else { Vec::new() };
        let similar = |code| signal.number(code).map_or(0, |number| number as i64);
        let shown = Packet {
            row: row(cases, l, signal, now),
            facts: facts(l, signal),
            lines,
            sites: shared,
            weeks,
            notes: signal
                .notes
                .iter()
                .map(|it| (When::moment(it.time), it.who.clone(), super::note_text(l, &it.text)))
                .collect(),
            state: signal.state(),
            small: !own,
            similar: (similar("similar-confirmed"), similar("similar-answered")),
        };
        (Some(shown), positions)
    });
    let Some(packet) = packet.await? else {
        return Err(Failure::not_found(format!("signal {id}")));
    };
    let title = format!("{} {}", packet.row.disease, l.say("curve-title"));
    let steps = [SignalStep::Suspect, SignalStep::Visit, SignalStep::Confirm, SignalStep::Exclude]
        .into_iter()
        .zip(["suspect", "visit", "confirm", "exclude"])
        .filter(|(step, _)| packet.state.after(*step).is_some())
        .map(|(_, code)| code);
    let shown = Shown {
        l,
        page: frame,
        curve: curve::draw(&packet.weeks, &title),
        steps: steps.collect(),
        reasons: REASONS.to_vec(),
        row: packet.row,
        facts: packet.facts,
        lines: packet.lines,
        sites: packet.sites,
        weeks: packet.weeks.into_iter().rev().take(12).collect(),
        notes: packet.notes,
        small: packet.small,
        similar: packet.similar,
    };
    render(asked, 200, &shown)
}

struct Packet {
    row: Row,
    facts: Vec<(String, String)>,
    lines: Vec<Line>,
    sites: Vec<(String, i64)>,
    weeks: Vec<Week>,
    notes: Vec<(When, String, String)>,
    state: SignalState,
    small: bool,
    similar: (i64, i64),
}

/// Cards that a signal rests on; for a single case, cases of the same disease in the county lately too.
fn packet<'c>(cases: &VisibleCases<'c>, signal: &Signal) -> Vec<&'c Card> {
    let named = signal.evidence.iter().filter_map(|reference| cases.card(reference.strip_prefix("Task/")?));
    let mut cards: Vec<&Card> = named.collect();
    let from = signal.created - 14 * 86_400_000;
    let near = cases.cards().filter(|card| {
        card.disease == signal.disease
            && card.start >= from
            && card.state != "withdrawn"
            && card.item("county") == signal.item("county")
    });
    for card in near {
        if !cards.iter().any(|known| known.id == card.id) {
            cards.push(card);
        }
    }
    cards.sort_by_key(|card| std::cmp::Reverse(card.start));
    cards.truncate(PACKET);
    cards
}

/// Where the cases of a packet were: their own site, and those of their contacts.
fn exposures(cases: &VisibleCases<'_>, cards: &[&Card]) -> Vec<(String, String)> {
    let mut visits = Vec::new();
    for card in cards {
        visits.push((card.id.clone(), card.item("exposure-site").to_owned()));
        visits.extend(cases.contacts_of(&card.id).map(|it| (card.id.clone(), it.item("site").to_owned())));
    }
    visits
}

fn line(l: Language, card: &Card) -> Line {
    Line {
        id: card.id.clone(),
        name: shown_name(card).into_owned(),
        sex: l.code("gender", card.item("sex")).into_owned(),
        age: age_of(l, card),
        town: card.item("town").to_owned(),
        found: card.item("found-on").to_owned(),
        class: l.code("class", &card.classification).into_owned(),
        site: card.item("exposure-site").to_owned(),
    }
}

fn facts(l: Language, signal: &Signal) -> Vec<(String, String)> {
    let known = ["observed", "expected", "window", "age", "sex", "dispersion", "pvalue", "qvalue", "reason"];
    let mut facts = Vec::new();
    for code in known {
        let text = signal.item(code);
        if !text.is_empty() {
            let text = match (code, text) {
                ("reason", _) => l.code("reason", text).into_owned(),
                ("sex", "m") => l.code("gender", "male").into_owned(),
                ("sex", "f") => l.code("gender", "female").into_owned(),
                ("sex", _) => l.code("gender", "unknown").into_owned(),
                _ => text.to_owned(),
            };
            facts.push((l.say(&format!("fact-{code}")).into_owned(), text));
        }
    }
    facts
}

/// `POST /surveillance/signal/{id}`
pub async fn answer(site: &Arc<Site>, asked: &Asked, id: &str) -> Outcome<Answer> {
    let form = Form::of(asked)?;
    let step = SignalStep::of(form.field("step")).ok_or_else(|| super::cards::no_step(form.field("step")))?;
    site.surveillance.answer(&site.requester, id, step, &form.decision()).await?;
    Ok(reply::see_other_at(&format!("/surveillance/signal/{id}")))
}

/// `POST /surveillance/report`: an outbreak or something unexplained, reported by hand.
pub async fn report(site: &Arc<Site>, asked: &Asked) -> Outcome<Answer> {
    let form = Form::of(asked)?;
    let mut decision = form.decision();
    let disease = decision.items.remove("disease").unwrap_or_default();
    let signal = site.surveillance.report_outbreak(&site.requester, &disease, &decision).await?;
    debug_assert_eq!(signal.level(), Level::Red);
    Ok(reply::see_other_at(&format!("/surveillance/signal/{}", signal.id)))
}
