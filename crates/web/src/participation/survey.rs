//! Choice surveys: one question a page, one press an answer, no script; each answer is kept when it is given, so
//! that an old phone that loses its line loses nothing.

use std::fmt::Write;
use std::sync::Arc;

use tongmai_engagement::institution::Poll;
use tongmai_engagement::institution::fact::{Answering, Chosen, Fact};
use tongmai_engagement::opinion::LEAST_SHOWN;
use tongmai_engagement::preference::survey::{MOST_TASKS, Tastes, tastes};
use tongmai_engine::{Failure, Outcome};
use tongmai_http::{Answer, Asked};

use super::block::{Block, Card, Cell, Form, Kind, Table};
use super::enter::{again, failure, field, pairs, write};
use super::{Sheet, State, date, options, share, show};
use crate::frame::Frame;
use crate::language::Language;
use crate::{Site, problem, reply};

/// Names of the alternatives.
const LETTERS: [&str; 2] = ["A", "B"];

fn poll<'s>(state: &'s State, id: &str) -> Outcome<&'s Poll> {
    state.surveys.get(id).ok_or_else(|| Failure::not_found(format!("survey {id}")))
}

fn address(id: &str) -> String {
    format!("/participation/survey/{id}")
}

/// The surveys of a project, or of all, as cards; nothing when there are none.
pub fn cards(state: &State, project: Option<&str>, l: Language, today: i64) -> Vec<Block> {
    let own = state.surveys.iter().filter(|(_, poll)| project.is_none_or(|p| poll.survey.project == p));
    let cards: Vec<Card> = own
        .map(|(id, poll)| {
            let open = (poll.survey.opens..=poll.survey.closes).contains(&today);
            let until = l.name("pa-open-until", &date(poll.survey.closes)).into_owned();
            Card {
                title: poll.survey.title.clone(),
                link: address(id),
                tag: if open { until } else { l.say("pa-closed").into_owned() },
                strong: open,
                lines: vec![
                    l.count("ca-questions", poll.design.len() as i64).into_owned(),
                    l.count("ca-people-answered", poll.complete() as i64).into_owned(),
                ],
                ..Card::default()
            }
        })
        .collect();
    if cards.is_empty() {
        return Vec::new();
    }
    vec![Block::Heading(l.say("ca-surveys").into_owned()), Block::Cards(cards)]
}

/// The form with which a survey is opened.
pub fn form(l: Language, project: &str, back: &str, today: i64) -> Form {
    let say = |key: &str| l.say(key).into_owned();
    Form::enter("survey", back)
        .titled(say("ca-open-survey"))
        .with("project", project)
        .field("title", say("pa-field-title"), Kind::Line(120))
        .field("purpose", say("ca-field-purpose"), Kind::Area)
        .field("attributes", say("ca-field-attributes"), Kind::Area)
        .holding(say("ca-attributes-example"))
        .field("tasks", say("ca-field-tasks"), Kind::Number(2, i64::from(MOST_TASKS)))
        .holding("8")
        .field("opens", say("pa-field-opens"), Kind::Day)
        .holding(date(today))
        .field("closes", say("pa-field-closes"), Kind::Day)
        .holding(date(today + 30))
        .button("", say("pa-open"))
}

/// `/participation/survey/{id}`: what it is about, before anything is asked.
pub async fn intro(site: &Arc<Site>, asked: &Asked, frame: Frame, id: &str) -> Outcome<Answer> {
    let (state, l) = (State::now(site).await?, frame.language);
    let poll = poll(&state, id)?;
    let say = |key: &str| l.say(key).into_owned();
    let minutes = poll.design.len().div_ceil(2) as i64;
    let mut blocks =
        vec![Block::Heading(say("ca-what-it-measures")), Block::Text(poll.survey.purpose.clone())];
    blocks.push(Block::Text(l.count("ca-how-long", minutes).into_owned()));
    if (poll.survey.opens..=poll.survey.closes).contains(&site.today()) {
        blocks.push(Block::Form(
            Form { action: "/participation/answering".into(), ..Form::default() }
                .with("survey", id)
                .field(
                    "role",
                    say("pa-field-role"),
                    Kind::Radio(options(l, "pa-role", &["patient", "carer"])),
                )
                .button("", say("ca-begin")),
        ));
    } else {
        let closed = l.name("ca-survey-closed", &date(poll.survey.closes));
        blocks.push(Block::Attention(closed.into_owned()));
    }
    blocks.push(Block::Links(vec![(format!("{}/results", address(id)), say("pa-results"))]));
    sheet(asked, frame, poll, say("ca-survey-lead"), blocks)
}

fn sheet(asked: &Asked, frame: Frame, poll: &Poll, lead: String, blocks: Vec<Block>) -> Outcome<Answer> {
    let sheet = Sheet { title: poll.survey.title.clone(), lead, tab: "pa-say", narrow: true, blocks };
    show(asked, frame, 200, sheet)
}

/// `POST /participation/answering`: somebody begins; nobody is named.
pub async fn begin(site: &Arc<Site>, asked: &Asked, frame: Frame) -> Outcome<Answer> {
    let Some(pairs) = pairs(asked) else { return Ok(problem::show(asked, frame, 403, "wrong", "")) };
    let state = State::now(site).await?;
    let survey = field(&pairs, "survey").to_owned();
    let begun = Fact::Answering(Answering {
        survey: survey.clone(),
        role: field(&pairs, "role").to_owned(),
        day: site.today(),
    });
    if let Err(why) = state.check(site.today(), &begun) {
        return again(asked, frame, "/participation/answering", &pairs, &why);
    }
    let answering = write(site, &begun).await?;
    Ok(reply::see(&format!("{}/{answering}", address(&survey))))
}

/// `/participation/survey/{id}/{answering}`: the next question, or thanks.
pub async fn question(
    site: &Arc<Site>,
    asked: &Asked,
    frame: Frame,
    id: &str,
    answering: &str,
) -> Outcome<Answer> {
    let (state, l) = (State::now(site).await?, frame.language);
    let poll = poll(&state, id)?;
    if state.answered_by(answering) != Some(id) {
        return Err(Failure::not_found(format!("answers {answering}")));
    }
    let Some(task) = poll.next(answering) else { return thanks(asked, frame, poll, id) };
    let say = |key: &str| l.say(key).into_owned();
    let mut table = Table::new(say("ca-which"), &[&say("ca-attribute"), LETTERS[0], LETTERS[1]]);
    let alternatives = poll.design.get(task as usize).map_or(&[][..], Vec::as_slice);
    for (number, attribute) in poll.attributes.iter().enumerate() {
        let mut row: Vec<Cell> = vec![attribute.name.clone().into()];
        row.extend(alternatives.iter().map(|levels| {
            Cell::from(
                levels
                    .get(number)
                    .and_then(|&level| attribute.levels.get(level))
                    .cloned()
                    .unwrap_or_default(),
            )
        }));
        table.row(row);
    }
    let mut form = Form { action: "/participation/choice".into(), ..Form::default() }
        .with("survey", id)
        .with("answering", answering)
        .with("task", task.to_string());
    for (number, letter) in LETTERS.iter().enumerate().take(alternatives.len()) {
        form = form.button(&number.to_string(), l.name("ca-choose", letter));
    }
    let asked_of = format!("{} / {}", task + 1, poll.design.len());
    let blocks = vec![
        Block::Heading(l.name("ca-question-of", &asked_of).into_owned()),
        Block::Table(table),
        Block::Form(form),
        Block::Text(say("ca-kept-so-far")),
    ];
    sheet(asked, frame, poll, say("ca-which-lead"), blocks)
}

fn thanks(asked: &Asked, frame: Frame, poll: &Poll, id: &str) -> Outcome<Answer> {
    let l = frame.language;
    let say = |key: &str| l.say(key).into_owned();
    let blocks = vec![
        Block::Heading(say("ca-thanks")),
        Block::Text(say("ca-thanks-words")),
        Block::Heading(say("ca-what-it-measures")),
        Block::Text(poll.survey.purpose.clone()),
        Block::Text(say("ca-how-measured")),
        Block::Links(vec![
            (format!("{}/results", address(id)), say("pa-results")),
            ("/participation/say".into(), say("pa-say")),
        ]),
    ];
    sheet(asked, frame, poll, String::new(), blocks)
}

/// `POST /participation/choice`: one answer.
pub async fn answer(site: &Arc<Site>, asked: &Asked, frame: Frame) -> Outcome<Answer> {
    let Some(pairs) = pairs(asked) else { return Ok(problem::show(asked, frame, 403, "wrong", "")) };
    let number = |name: &str| {
        field(&pairs, name).parse::<u32>().map_err(|_| failure(format!("{name}: is no whole number")))
    };
    let answering = field(&pairs, "answering").to_owned();
    let (task, alternative) = (number("task")?, number("button")?);
    let back = format!("{}/{answering}", address(field(&pairs, "survey")));
    let state = State::now(site).await?;
    let chosen = Fact::Chosen(Chosen { answering, task, alternative, day: site.today() });
    match state.check(site.today(), &chosen) {
        Ok(()) => drop(write(site, &chosen).await?),
        // Somebody went back and pressed once more: the first answer stands, and the next question follows.
        Err(why) if why.starts_with("task: is answered") => {}
        Err(why) => return Err(failure(why)),
    }
    Ok(reply::see(&back))
}

/// `/participation/survey/{id}/results`
pub async fn results(site: &Arc<Site>, asked: &Asked, frame: Frame, id: &str) -> Outcome<Answer> {
    let (state, l) = (State::now(site).await?, frame.language);
    let poll = poll(&state, id)?;
    let say = |key: &str| l.say(key).into_owned();
    let complete = poll.complete();
    let mut blocks =
        vec![Block::Heading(say("ca-what-it-measures")), Block::Text(poll.survey.purpose.clone())];
    if complete < LEAST_SHOWN {
        blocks.push(Block::Empty(l.count("ca-too-few-answered", LEAST_SHOWN as i64).into_owned()));
    } else {
        blocks.push(Block::Figures(vec![(complete.to_string(), say("ca-people"))]));
        let all = poll.answers.values().filter(|given| given.len() == poll.design.len());
        let answers: Vec<(u32, u32)> = all.flatten().map(|(task, chosen)| (*task, *chosen)).collect();
        match tastes(&poll.attributes, &poll.design, answers.into_iter()) {
            Ok(found) => blocks.extend(found_blocks(poll, &found, l)),
            Err(_) => blocks.push(Block::Attention(say("ca-not-estimated"))),
        }
    }
    let (title, lead) = (l.name("pa-results-of", &poll.survey.title).into_owned(), say("ca-results-lead"));
    show(asked, frame, 200, Sheet { title, lead, tab: "pa-say", narrow: true, blocks })
}

fn found_blocks(poll: &Poll, found: &Tastes, l: Language) -> Vec<Block> {
    let say = |key: &str| l.say(key).into_owned();
    let mut order: Vec<usize> = (0..poll.attributes.len()).collect();
    order.sort_by(|&a, &b| found.importance[b].total_cmp(&found.importance[a]));
    let mut weights =
        Table::new(say("ca-importance"), &[&say("ca-attribute"), &format!("#{}", say("ca-share"))]);
    for &at in &order {
        weights.row(vec![poll.attributes[at].name.clone().into(), share(found.importance[at]).into()]);
    }
    let heads = [say("ca-level"), format!("#{}", say("ca-worth")), format!("#{}", say("ca-interval"))];
    let mut levels = Table::new(say("ca-worths"), &heads.iter().map(String::as_str).collect::<Vec<_>>());
    for &at in &order {
        for worth in found.worths.iter().filter(|worth| worth.attribute == at) {
            let attribute = &poll.attributes[at];
            levels.row(vec![
                format!("{} · {}", attribute.name, attribute.levels[worth.level]).into(),
                format!("{:+.2}", worth.value).into(),
                format!("{:+.2} … {:+.2}", worth.value - worth.within, worth.value + worth.within).into(),
            ]);
        }
    }
    vec![
        Block::Drawing(bars(poll, found, &order, &say("ca-importance")), say("ca-importance-caption")),
        Block::Table(weights),
        Block::Text(say("ca-worths-words")),
        Block::Table(levels),
    ]
}

/// A bar an attribute, labelled directly.
fn bars(poll: &Poll, found: &Tastes, order: &[usize], title: &str) -> String {
    const WIDE: f64 = 300.0;
    const HIGH: usize = 44;
    let height = order.len() * HIGH;
    let mut svg = format!("<svg viewBox=\"0 0 {WIDE} {height}\" role=\"img\"><title>{title}</title>");
    for (row, &at) in order.iter().enumerate() {
        let (y, part) = (row * HIGH, found.importance[at]);
        let name = poll.attributes[at].name.replace('&', "&amp;").replace('<', "&lt;");
        let _ = write!(
            svg,
            "<text x=\"0\" y=\"{}\" class=\"label\">{name} {}</text><rect class=\"one\" x=\"0\" y=\"{}\" width=\"{:.1}\" height=\"16\"/>",
            y + 14,
            share(part),
            y + 20,
            (part * WIDE).max(1.0)
        );
    }
    svg.push_str("</svg>");
    svg
}
