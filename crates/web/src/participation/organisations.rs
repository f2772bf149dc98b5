//! Organisations: who there is, what their members need by stage of illness, offers and the best assignment, funds to the fen.

use std::collections::BTreeMap;
use std::sync::Arc;

use tongmai_engagement::disclosure::{Cell as Counted, LEAST_PUBLISHED};
use tongmai_engagement::institution::fact::{ActorKind, Fact, Matched};
use tongmai_engagement::ledger::disclosure_days;
use tongmai_engine::Outcome;
use tongmai_http::{Answer, Asked};

use super::block::{Block, Cell, Form, Kind, Table};
use super::enter::{pairs, write};
use super::residents::{DISEASES, HELP, STAGES, agency};
use super::{Sheet, State, date, options, show, yuan};
use crate::format::grouped;
use crate::frame::Frame;
use crate::language::Language;
use crate::{Site, problem, reply};

/// Matches that one press of the button confirms at most.
const CONFIRMED: usize = 500;

/// `/participation/organisations`
pub async fn page(site: &Arc<Site>, asked: &Asked, frame: Frame) -> Outcome<Answer> {
    let (state, l) = (State::now(site).await?, frame.language);
    let today = site.today();
    let mut blocks = register(&state, l, today);
    blocks.extend(super::layer::links(site, &state, l));
    blocks.extend(needs(site, &state, l));
    blocks.extend(assignment(&state, l, today));
    blocks.extend(funds(&state, l, today));
    blocks.extend(activities(&state, l));
    let sheet = Sheet {
        title: l.say("pa-organisations").into_owned(),
        lead: l.say("pa-organisations-lead").into_owned(),
        tab: "pa-organisations",
        blocks,
        ..Sheet::default()
    };
    show(asked, frame, 200, sheet)
}

/// Actors of some kinds, as options.
pub fn actors(state: &State, kinds: &[ActorKind]) -> Vec<(String, String)> {
    let of_kind = state.actors.iter().filter(|(_, actor)| kinds.contains(&actor.kind));
    of_kind.map(|(id, actor)| (id.clone(), actor.name.clone())).collect()
}

fn heads(l: Language, keys: &[&str]) -> Vec<String> {
    keys.iter()
        .map(|key| match key.strip_prefix('#') {
            Some(key) => format!("#{}", l.say(key)),
            None => l.say(key).into_owned(),
        })
        .collect()
}

fn table(l: Language, caption: &str, keys: &[&str]) -> Table {
    let heads = heads(l, keys);
    Table::new(l.say(caption), &heads.iter().map(String::as_str).collect::<Vec<_>>())
}

const BACK: &str = "/participation/organisations";

fn register(state: &State, l: Language, today: i64) -> Vec<Block> {
    let say = |key: &str| l.say(key).into_owned();
    let mut blocks = vec![Block::Heading(say("pa-register"))];
    if state.actors.is_empty() {
        blocks.push(Block::Empty(say("pa-register-empty")));
    } else {
        let mut list = table(
            l,
            "pa-register",
            &["pa-field-name", "pa-field-kind", "pa-field-licences", "pa-field-sponsors"],
        );
        for (id, actor) in &state.actors {
            let licences: Vec<String> =
                actor.licences.iter().map(|x| l.code("pa-help-kind", x).into_owned()).collect();
            list.row(vec![
                Cell::link(actor.name.clone(), format!("/resource/Organization/{id}")),
                l.code("pa-actor", actor.kind.code()).into(),
                licences.join("、").into(),
                actor.sponsors.join("、").into(),
            ]);
        }
        blocks.push(Block::Table(list));
    }
    let codes = ActorKind::ALL.map(ActorKind::code);
    blocks.push(Block::Form(
        Form::enter("actor", BACK)
            .titled(say("pa-register-actor"))
            .field("name", say("pa-field-name"), Kind::Line(100))
            .field("kind", say("pa-field-kind"), Kind::Choice(options(l, "pa-actor", &codes)))
            .optional("registration", say("pa-field-registration"), Kind::Line(40))
            .optional("licences", say("pa-field-licences"), Kind::Checks(options(l, "pa-help-kind", &HELP)))
            .optional("sponsors", say("pa-field-sponsors"), Kind::Area)
            .button("", say("pa-enter")),
    ));
    let senders = actors(state, &[ActorKind::PatientOrganisation]);
    if !state.representatives.is_empty() {
        let mut list = table(
            l,
            "pa-representatives",
            &[
                "pa-field-name",
                "pa-field-sent-by",
                "pa-field-mandate",
                "pa-field-until",
                "pa-field-conflict",
                "#pa-field-allowance",
            ],
        );
        for who in state.representatives.values() {
            let over = if who.until < today { format!(" {}", say("pa-over")) } else { String::new() };
            let conflict =
                if who.conflict.is_empty() { say("pa-none-declared") } else { who.conflict.clone() };
            list.row(vec![
                who.name.clone().into(),
                agency(state, &who.organisation).into(),
                who.mandate.clone().into(),
                format!("{}{over}", date(who.until)).into(),
                conflict.into(),
                yuan(who.allowance_fen).into(),
            ]);
        }
        blocks.push(Block::Table(list));
    }
    if !senders.is_empty() {
        let all: Vec<(String, String)> =
            state.actors.iter().map(|(id, a)| (id.clone(), a.name.clone())).collect();
        blocks.push(Block::Form(
            Form::enter("representative", BACK)
                .titled(say("pa-name-representative"))
                .field("name", say("pa-field-name"), Kind::Line(80))
                .field("organisation", say("pa-field-sent-by"), Kind::Choice(senders))
                .field("mandate", say("pa-field-mandate"), Kind::Line(200))
                .field("from", say("pa-field-from"), Kind::Day)
                .holding(date(today))
                .field("until", say("pa-field-until"), Kind::Day)
                .holding(date(today + 730))
                .optional("conflict", say("pa-field-conflict"), Kind::Line(200))
                .optional("conflict_with", say("pa-field-conflict-with"), Kind::Checks(all))
                .field("allowance_fen", say("pa-field-allowance"), Kind::Number(1, 100_000_000))
                .button("", say("pa-enter")),
        ));
    }
    blocks
}

/// Needs by stage of illness: published counts, so that nobody is seen in a small cell.
fn needs(site: &Arc<Site>, state: &State, l: Language) -> Vec<Block> {
    let mut cells: BTreeMap<(&str, &str), Counted> = BTreeMap::new();
    let secret = site.engine.secret();
    let base = secret[..8].iter().fold(0u64, |hash, byte| hash << 8 | u64::from(*byte));
    for (id, need) in &state.needs {
        // The secret key of a need: the noise of a cell belongs to those who are in it.
        let key = id.bytes().fold(base, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
        cells.entry((&need.kind, &need.stage)).or_default().add(key);
    }
    let say = |key: &str| l.say(key).into_owned();
    let mut blocks = vec![Block::Heading(say("pa-needs-by-stage"))];
    if cells.is_empty() {
        blocks.push(Block::Empty(say("pa-no-needs")));
        return blocks;
    }
    let mut keys = vec!["pa-field-help".to_owned()];
    keys.extend(STAGES.iter().map(|stage| format!("pa-illness-{stage}")));
    let head: Vec<String> = keys
        .iter()
        .enumerate()
        .map(|(i, key)| if i == 0 { say(key) } else { format!("#{}", l.say(key)) })
        .collect();
    let mut list = Table::new(say("pa-needs-caption"), &head.iter().map(String::as_str).collect::<Vec<_>>());
    for kind in HELP {
        let row = STAGES.map(|stage| cells.get(&(kind, stage)).copied());
        if row.iter().all(Option::is_none) {
            continue;
        }
        let shown = |cell: Option<Counted>| match cell.map(Counted::published) {
            None => Cell::from("0"),
            Some(None) => format!("< {LEAST_PUBLISHED}").into(),
            Some(Some(count)) => grouped(count.cast_signed()).into(),
        };
        // An empty cell beside small ones would say as much as a small one.
        let any_small = row.iter().flatten().any(|cell| cell.published().is_none());
        let mut cells = vec![Cell::from(l.code("pa-help-kind", kind))];
        cells.extend(row.map(|cell| {
            if any_small && cell.is_none() { shown(Some(Counted::default())) } else { shown(cell) }
        }));
        list.row(cells);
    }
    blocks.push(Block::Table(list));
    blocks
}

fn assignment(state: &State, l: Language, today: i64) -> Vec<Block> {
    let say = |key: &str| l.say(key).into_owned();
    let mut blocks = vec![Block::Heading(say("pa-offers"))];
    let givers = actors(
        state,
        &[ActorKind::Charity, ActorKind::Enterprise, ActorKind::Platform, ActorKind::PatientOrganisation],
    );
    if !state.offers.is_empty() {
        let mut list = table(
            l,
            "pa-offers",
            &["pa-field-title", "pa-field-organisation", "pa-field-help", "#pa-field-places", "#pa-taken"],
        );
        for (id, offer) in &state.offers {
            let taken = state.matches.values().filter(|m| m.offer == *id).count() as i64;
            list.row(vec![
                offer.title.clone().into(),
                agency(state, &offer.organisation).into(),
                l.code("pa-help-kind", &offer.kind).into(),
                offer.places.to_string().into(),
                grouped(taken).into(),
            ]);
        }
        blocks.push(Block::Table(list));
        let proposal = state.proposal(today);
        let served = proposal.outcomes.iter().filter(|o| o.offer.is_some()).count() as i64;
        blocks.push(Block::Text(l.count("pa-proposal", served).into_owned()));
        let mut refusals: BTreeMap<String, u64> = BTreeMap::new();
        for outcome in &proposal.outcomes {
            if let Some(reason) = outcome.reason() {
                *refusals.entry(reason).or_default() += 1;
            }
        }
        if !refusals.is_empty() {
            let mut list = table(l, "pa-refusals", &["pa-reason", "#pa-needs"]);
            for (reason, count) in refusals {
                let shown = if count >= LEAST_PUBLISHED {
                    grouped(count.cast_signed())
                } else {
                    format!("< {LEAST_PUBLISHED}")
                };
                list.row(vec![l.code("pa-reason", &reason).into(), shown.into()]);
            }
            blocks.push(Block::Table(list));
        }
        if served > 0 {
            let form = Form { action: "/participation/assign".into(), ..Form::default() };
            blocks.push(Block::Form(form.button("", say("pa-confirm-proposal"))));
        }
    }
    if givers.is_empty() {
        blocks.push(Block::Empty(say("pa-register-first")));
        return blocks;
    }
    blocks.push(Block::Form(
        Form::enter("offer", BACK)
            .titled(say("pa-offer-title"))
            .field("organisation", say("pa-field-organisation"), Kind::Choice(givers))
            .field("kind", say("pa-field-help"), Kind::Choice(options(l, "pa-help-kind", &HELP)))
            .field("title", say("pa-field-title"), Kind::Line(120))
            .optional("diseases", say("pa-field-disease"), Kind::Checks(options(l, "pa-disease", &DISEASES)))
            .optional("stages", say("pa-field-stage"), Kind::Checks(options(l, "pa-illness", &STAGES)))
            .optional("regions", say("pa-field-regions"), Kind::Area)
            .optional("needs_licence", say("pa-field-needs-licence"), Kind::Check)
            .field("places", say("pa-field-places"), Kind::Number(1, 1_000_000))
            .button("", say("pa-offer")),
    ));
    blocks
}

/// `POST /participation/assign`: the best assignment, confirmed.
pub async fn assign(site: &Arc<Site>, asked: &Asked, frame: Frame) -> Outcome<Answer> {
    if pairs(asked).is_none() {
        return Ok(problem::show(asked, frame, 403, "wrong", ""));
    }
    let state = State::now(site).await?;
    let today = site.today();
    let proposal = state.proposal(today);
    let served = proposal.outcomes.iter().filter_map(|o| Some((o, o.offer.clone()?))).take(CONFIRMED);
    for (outcome, offer) in served {
        let points = outcome.points();
        let matched = Matched { need: outcome.need.clone(), offer, points, day: today, served: None };
        write(site, &Fact::Matched(matched)).await?;
    }
    Ok(reply::see(BACK))
}

fn funds(state: &State, l: Language, today: i64) -> Vec<Block> {
    let say = |key: &str| l.say(key).into_owned();
    let mut blocks = vec![Block::Heading(say("pa-funds")), Block::Text(say("pa-funds-words"))];
    if !state.funds.is_empty() {
        let mut list = table(
            l,
            "pa-funds",
            &[
                "pa-field-purpose",
                "pa-field-organisation",
                "#pa-received",
                "#pa-paid-out",
                "#pa-balance",
                "pa-next-disclosure",
            ],
        );
        for (id, purse) in &state.funds {
            let of = |what: &str| {
                purse.lines.iter().filter(|line| line.what == what).map(|line| line.fen).sum::<u64>()
            };
            let days = disclosure_days(purse.fund.from, purse.fund.until, purse.fund.emergency);
            let next = days.into_iter().find(|day| *day >= today).map_or_else(|| "–".to_owned(), date);
            list.row(vec![
                purse.fund.purpose.clone().into(),
                agency(state, &purse.fund.organisation).into(),
                yuan(of("receipt")).into(),
                yuan(of("payment")).into(),
                yuan(state.ledger.balance(id)).into(),
                next.into(),
            ]);
        }
        blocks.push(Block::Table(list));
        let (received, paid, held) = state.ledger.totals();
        let whole = |n: u128| yuan(u64::try_from(n).unwrap_or(u64::MAX));
        blocks.push(Block::Text(format!("{} = {} + {}", whole(received), whole(paid), whole(held))));
        let purposes: Vec<(String, String)> =
            state.funds.iter().map(|(id, p)| (id.clone(), p.fund.purpose.clone())).collect();
        let mut to = vec![(String::new(), "–".to_owned())];
        to.extend(purposes.clone());
        blocks.push(Block::Form(
            Form::enter("donation", BACK)
                .titled(say("pa-donation-title"))
                .field("fund", say("pa-field-fund"), Kind::Choice(purposes))
                .field(
                    "what",
                    say("pa-field-what"),
                    Kind::Radio(options(l, "pa-line", &["receipt", "payment", "transfer"])),
                )
                .field("fen", say("pa-field-fen"), Kind::Number(1, 9_000_000_000_000))
                .optional("to", say("pa-field-to"), Kind::Choice(to))
                .optional("clause", say("pa-field-charter"), Kind::Line(200))
                .optional("note", say("pa-field-note"), Kind::Line(200))
                .button("", say("pa-enter")),
        ));
    }
    let charities = actors(state, &[ActorKind::Charity]);
    if !charities.is_empty() {
        blocks.push(Block::Form(
            Form::enter("fund", BACK)
                .titled(say("pa-fund-title"))
                .field("organisation", say("pa-field-organisation"), Kind::Choice(charities))
                .field("purpose", say("pa-field-purpose"), Kind::Line(120))
                .field("from", say("pa-field-from"), Kind::Day)
                .holding(date(today))
                .field("until", say("pa-field-until"), Kind::Day)
                .holding(date(today + 365))
                .optional("emergency", say("pa-field-emergency"), Kind::Check)
                .button("", say("pa-open-fund")),
        ));
    }
    blocks
}

fn activities(state: &State, l: Language) -> Vec<Block> {
    let say = |key: &str| l.say(key).into_owned();
    let mut blocks = vec![Block::Heading(say("pa-activities"))];
    if state.activities.is_empty() {
        blocks.push(Block::Empty(say("pa-no-activities")));
    } else {
        let keys = [
            "pa-field-title",
            "pa-field-what",
            "pa-field-organisation",
            "#pa-field-reached",
            "#pa-field-certificates",
            "#pa-literacy",
            "pa-field-result",
        ];
        let mut list = table(l, "pa-activities", &keys);
        for activity in state.activities.values() {
            let literacy = format!(
                "{} → {}",
                super::percent(activity.literacy_before.cast_signed()),
                super::percent(activity.literacy_after.cast_signed())
            );
            let result = [activity.question.as_str(), activity.result.as_str()].join(" ");
            list.row(vec![
                activity.title.clone().into(),
                l.code("pa-activity", &activity.what).into(),
                agency(state, &activity.organisation).into(),
                grouped(activity.reached.cast_signed()).into(),
                grouped(activity.certificates.cast_signed()).into(),
                if activity.literacy_after > 0 { literacy.into() } else { "–".into() },
                result.trim().into(),
            ]);
        }
        blocks.push(Block::Table(list));
    }
    let all: Vec<(String, String)> =
        state.actors.iter().map(|(id, a)| (id.clone(), a.name.clone())).collect();
    if !all.is_empty() {
        blocks.push(Block::Form(
            Form::enter("activity", BACK)
                .titled(say("pa-activity-title"))
                .field(
                    "what",
                    say("pa-field-what"),
                    Kind::Choice(options(l, "pa-activity", &["training", "campaign", "mentoring"])),
                )
                .field("organisation", say("pa-field-organisation"), Kind::Choice(all))
                .field("title", say("pa-field-title"), Kind::Line(120))
                .optional("stage", say("pa-field-stage"), Kind::Choice(options(l, "pa-illness", &STAGES)))
                .optional("reached", say("pa-field-reached"), Kind::Number(0, 2_000_000_000))
                .optional("certificates", say("pa-field-certificates"), Kind::Number(0, 2_000_000_000))
                .optional("literacy_before", say("pa-field-literacy-before"), Kind::Number(0, 1000))
                .optional("literacy_after", say("pa-field-literacy-after"), Kind::Number(0, 1000))
                .optional("question", say("pa-field-research-question"), Kind::Line(300))
                .optional("result", say("pa-field-result"), Kind::Line(300))
                .button("", say("pa-enter")),
        ));
    }
    blocks
}
