//! *You said, we did*: from a need to a number in the records, on one page; and the yearly report.

use std::sync::Arc;

use tongmai_access::{Operation, Sealed};
use tongmai_base::time::days_from_civil;
use tongmai_engagement::gate::Stage;
use tongmai_engagement::institution::fact::Indicator;
use tongmai_engagement::institution::report as yearly_report;
use tongmai_engagement::outcome::{Outcome as Result4, Share, Verdict};
use tongmai_engine::{Failure, Outcome};
use tongmai_http::{Answer, Asked};

use super::block::{Block, Card, Cell, Form, Kind, Table};
use super::conversation::statement;
use super::live::followed;
use super::residents::{agency, stage, standing};
use super::{Sheet, State, date, percent, share, show, yuan};
use crate::Site;
use crate::format::grouped;
use crate::frame::Frame;
use crate::language::Language;

/// The four shares of an indicator, counted in the records.
async fn outcome(site: &Arc<Site>, indicator: &Indicator) -> Outcome<Option<Result4>> {
    let indicator = indicator.clone();
    let sealed = site
        .work(move |site| {
            site.outcomes.now(&site.engine, |view, position| {
                // Counts of everybody: the read is logged with the position up to which was counted.
                Sealed::new(view.outcome(&indicator), Operation::Page, vec![position])
            })
        })
        .await?;
    Ok(site.release(sealed).await?.into_inner())
}

/// `/participation/trace/{project}`
pub async fn trace(site: &Arc<Site>, asked: &Asked, frame: Frame, id: &str) -> Outcome<Answer> {
    let (state, l) = (State::now(site).await?, frame.language);
    let file = state.projects.get(id).ok_or_else(|| Failure::not_found(format!("project {id}")))?;
    let say = |key: &str| l.say(key).into_owned();
    let today = site.today();
    let mut blocks = vec![Block::Heading(say("pa-trace-need"))];
    match state.statements.get(&file.project.need) {
        Some(need) => blocks.push(Block::Cards(vec![Card {
            title: need.statement.text.clone(),
            lines: vec![format!("{} · {}", need.statement.name, date(need.statement.day))],
            ..Card::default()
        }])),
        None => blocks.push(Block::Text(say("pa-own-idea"))),
    }
    blocks.push(Block::Heading(say("pa-trace-said")));
    for conversation in &file.conversations {
        let Some(forum) = state.conversations.get(conversation) else { continue };
        let computed = followed(site, &state, conversation, true).await?;
        let voters = computed.as_ref().map_or(0, super::conversation::Computed::participants);
        blocks.push(Block::Links(vec![(
            format!("/participation/conversation/{conversation}/results"),
            format!("{} · {}", forum.conversation.title, l.count("pa-voters", voters as i64)),
        )]));
        let shared = computed.map(|c| c.shared()).unwrap_or_default();
        let cards = shared.iter().filter_map(|(number, chance)| {
            let said = state.statements.get(forum.statements.get(*number as usize)?)?;
            let (tag, strong) = standing(l, said);
            let mut lines = vec![l.name("pa-all-agree-with", &share(*chance)).into_owned()];
            for reply in &said.replies {
                lines.push(format!("{} {}：{}", date(reply.day), reply.who, reply.why));
                if !reply.change.is_empty() {
                    lines.push(l.name("pa-what-changed", &reply.change).into_owned());
                }
            }
            Some(Card { title: statement(&state, forum, *number, l), tag, strong, lines, ..Card::default() })
        });
        blocks.push(Block::Cards(cards.collect()));
    }
    blocks.push(Block::Heading(say("pa-trace-decided")));
    let decided = file.gate.left().iter().find(|(stage, _)| *stage == Stage::Decision);
    blocks.push(Block::Text(match decided {
        Some((_, day)) => l.name("pa-decided-on", &date(*day)).into_owned(),
        None => l.name("pa-not-decided", &stage(l, file.gate.stage.map(Stage::code))).into_owned(),
    }));
    blocks.extend(promises(&state, id, l));
    blocks.push(Block::Heading(say("pa-trace-outcome")));
    match &file.indicator {
        None => blocks.push(Block::Empty(say("pa-no-indicator"))),
        Some(indicator) => {
            let found = outcome(site, indicator).await?;
            blocks.extend(outcome_blocks(indicator, found, today, l));
        }
    }
    blocks.push(Block::Text(l.name("pa-behind", &agency(&state, &file.project.agency)).into_owned()));
    blocks.push(Block::Links(vec![
        (format!("/resource/Basic/{id}"), say("step-record")),
        (format!("/participation/project/{id}"), say("pa-to-project")),
    ]));
    let sheet = Sheet {
        title: l.name("pa-trace-of", &file.project.title).into_owned(),
        lead: say("pa-trace-lead"),
        tab: "pa-home",
        blocks,
        ..Sheet::default()
    };
    show(asked, frame, 200, sheet)
}

fn promises(state: &State, project: &str, l: Language) -> Vec<Block> {
    let own = state.promises.iter().filter(|(_, p)| p.commitment.project == project);
    let cards: Vec<Card> = own
        .map(|(id, promise)| {
            let mut lines = vec![
                l.name("pa-due-on", &date(promise.commitment.due)).into_owned(),
                promise.commitment.who.clone(),
            ];
            let mut forms = Vec::new();
            let tag = match &promise.closure {
                Some(closure) => {
                    lines.push(closure.why.clone());
                    l.say(if closure.kept { "pa-kept" } else { "pa-given-up" }).into_owned()
                }
                None => {
                    forms.push(
                        Form::enter("closure", &format!("/participation/trace/{project}"))
                            .with("commitment", id.as_str())
                            .field("why", l.say("pa-field-done"), Kind::Line(300))
                            .optional("kept", l.say("pa-field-kept"), Kind::Check)
                            .button("", l.say("pa-close-promise")),
                    );
                    l.say("pa-open-promise").into_owned()
                }
            };
            let strong = promise.closure.as_ref().is_some_and(|closure| closure.kept);
            Card { title: promise.commitment.text.clone(), tag, strong, lines, forms, ..Card::default() }
        })
        .collect();
    if cards.is_empty() { Vec::new() } else { vec![Block::Cards(cards)] }
}

fn outcome_blocks(indicator: &Indicator, found: Option<Result4>, today: i64, l: Language) -> Vec<Block> {
    let Some(outcome) = found else { return vec![Block::Attention(l.say("pa-no-measure").into_owned())] };
    let head = [
        l.say("pa-field-where").into_owned(),
        format!("#{}", l.say("pa-before")),
        format!("#{}", l.say("pa-after")),
    ];
    let heads: Vec<&str> = head.iter().map(String::as_str).collect();
    let mut table = Table::new(l.code("pa-measure", &indicator.measure), &heads);
    let cell = |share: Share| {
        let text = share.thousandths().map(|n| format!("{} ({} / {})", percent(n), share.met, share.of));
        Cell::from(text.unwrap_or_else(|| "–".into()))
    };
    table.row(vec![l.code("pa-place", &indicator.region).into(), cell(outcome.before), cell(outcome.after)]);
    table.row(vec![
        l.code("pa-place", &indicator.comparison).into(),
        cell(outcome.comparison_before),
        cell(outcome.comparison_after),
    ]);
    let (verdict, strong) = match outcome.verdict(indicator, today) {
        Verdict::Waiting => ("waiting", false),
        Verdict::TooFew => ("too-few", false),
        Verdict::Worked => ("worked", true),
        Verdict::Harmed => ("harmed", true),
        Verdict::NotShown => ("not-shown", false),
    };
    let mut text = l.code("pa-verdict", verdict).into_owned();
    if let Some((effect, low, high)) = outcome.effect().filter(|_| verdict != "waiting") {
        text.push_str(&format!(" {} ({} … {})", percent(effect), percent(low), percent(high)));
    }
    let until = indicator.launch + indicator.days - 1;
    let when = l.name(
        "pa-outcome-when",
        &format!(
            "{} – {} / {} – {}",
            date(indicator.from),
            date(indicator.launch - 1),
            date(indicator.launch),
            date(until)
        ),
    );
    vec![
        Block::Table(table),
        if strong { Block::Heading(text) } else { Block::Text(text) },
        Block::Text(when.into_owned()),
    ]
}

/// `/participation/report/{year}`
pub async fn yearly(site: &Arc<Site>, asked: &Asked, frame: Frame, year: &str) -> Outcome<Answer> {
    let Some(year) = year.parse::<i64>().ok().filter(|year| (2000..=2200).contains(year)) else {
        return Err(Failure::not_found(format!("the report of {year}")));
    };
    let (state, l) = (State::now(site).await?, frame.language);
    let say = |key: &str| l.say(key).into_owned();
    let year_of =
        |year: i64| yearly_report(&state, days_from_civil(year, 1, 1), days_from_civil(year, 12, 31));
    let (this, last) = (year_of(year), year_of(year - 1));
    let heads = [say("pa-measure-of"), format!("#{}", year - 1), format!("#{year}")];
    let heads: Vec<&str> = heads.iter().map(String::as_str).collect();
    let mut table = Table::new(l.name("pa-report-of", &year.to_string()), &heads);
    let mut row = |key: &str, of: &dyn Fn(&tongmai_engagement::institution::Report) -> String| {
        table.row(vec![l.say(key).into(), of(&last).into(), of(&this).into()]);
    };
    let number = |n: u64| grouped(n.cast_signed());
    row("pa-r-statements", &|r| number(r.statements));
    row("pa-r-raters", &|r| number(r.raters));
    row("pa-r-attended", &|r| number(r.attended));
    row("pa-r-patients", &|r| number(r.patients_attended));
    row("pa-r-agenda", &|r| format!("{} / {}", r.agenda.by_patients, r.agenda.projects));
    row("pa-r-decisions", &|r| number(r.decisions));
    row("pa-r-involving", &|r| format!("{} / {}", r.involving, r.evidence));
    row("pa-r-exceptions", &|r| number(r.exceptions));
    row("pa-r-answered", &|r| share(r.rates.answered));
    row("pa-r-changed", &|r| share(r.rates.changed));
    row("pa-r-disputed", &|r| share(r.rates.disputed));
    row("pa-r-days", &|r| r.rates.median_days.map_or_else(|| "–".into(), |days| days.to_string()));
    row("pa-r-burden", &|r| number(r.burden_minutes));
    row("pa-r-paid", &|r| yuan(r.paid_fen));
    row("pa-r-promises", &|r| format!("{} / {}", r.kept, r.due));
    row("pa-r-given-up", &|r| number(r.given_up));
    row("pa-r-needs", &|r| format!("{} / {}", r.served, r.needs));
    row("pa-r-complaints", &|r| format!("{} / {}", r.relieved, r.complaints));
    let mut blocks = vec![Block::Table(table), Block::Heading(say("pa-r-changes"))];
    let changes: Vec<Card> =
        this.changes.iter().map(|change| Card { title: change.clone(), ..Card::default() }).collect();
    blocks.push(if changes.is_empty() {
        Block::Empty(say("pa-r-no-changes"))
    } else {
        Block::Cards(changes)
    });
    blocks.push(Block::Links(vec![(
        format!("/participation/report/{}", year - 1),
        l.name("pa-report-of", &(year - 1).to_string()).into_owned(),
    )]));
    let sheet = Sheet {
        title: l.name("pa-report-of", &year.to_string()).into_owned(),
        lead: say("pa-report-lead"),
        tab: "pa-home",
        blocks,
        ..Sheet::default()
    };
    show(asked, frame, 200, sheet)
}
