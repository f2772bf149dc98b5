//! Organisers: moderation, meetings, paper ballots; and the protected office for complaints of retaliation.

use std::sync::Arc;

use tongmai_engagement::answer::Standing;
use tongmai_engagement::ballot::Channel;
use tongmai_engine::Outcome;
use tongmai_http::{Answer, Asked};

use super::block::{Block, Card, Field, Form, Kind};
use super::enter::{failure, field, pairs};
use super::residents::standing;
use super::voting::{forum, hand_in, room, trouble, votes};
use super::{Sheet, State, date, options, show, yuan};
use crate::format::grouped;
use crate::frame::Frame;
use crate::{Site, problem, reply};

/// `/participation/conversation/{id}/organise`
pub async fn organise(site: &Arc<Site>, asked: &Asked, frame: Frame, id: &str) -> Outcome<Answer> {
    let (state, l) = (State::now(site).await?, frame.language);
    let forum = forum(&state, id)?;
    let figures = room(site, id).await?.figures();
    let say = |key: &str| l.say(key).into_owned();
    let here = format!("/participation/conversation/{id}/organise");
    let number = |n: usize| grouped(n as i64);
    let mut blocks = vec![
        Block::Figures(vec![
            (number(figures.issued), say("pa-ballots-issued")),
            (number(figures.voted), say("pa-ballots-voted")),
            (number(figures.waiting), say("pa-votes-waiting")),
        ]),
        Block::Heading(say("pa-moderation")),
    ];
    let waiting: Vec<Card> = forum
        .statements
        .iter()
        .filter_map(|id| Some((id, state.statements.get(id)?)))
        .filter(|(_, said)| said.state.standing == Standing::Received)
        .map(|(statement, said)| {
            let clauses: Vec<(String, String)> =
                forum.conversation.policy.iter().map(|c| (c.clone(), c.clone())).collect();
            let others = forum.statements.iter().filter(|other| *other != statement);
            let others =
                others.filter_map(|id| Some((id.clone(), state.statements.get(id)?.statement.text.clone())));
            let form = |decision: &str| {
                Form::enter("moderation", &here)
                    .with("statement", statement.as_str())
                    .with("decision", decision)
                    .field("who", say("pa-field-who"), Kind::Line(80))
            };
            Card {
                title: said.statement.text.clone(),
                tag: standing(l, said).0,
                lines: vec![format!("{} · {}", said.statement.name, date(said.statement.day))],
                forms: vec![
                    form("accept").button("", say("pa-accept")),
                    form("refuse")
                        .field("clause", say("pa-field-clause"), Kind::Choice(clauses))
                        .button("", say("pa-refuse")),
                    form("merge")
                        .field("into", say("pa-field-into"), Kind::Choice(others.collect()))
                        .button("", say("pa-merge")),
                ],
                ..Card::default()
            }
        })
        .collect();
    blocks.push(if waiting.is_empty() {
        Block::Empty(say("pa-nothing-waits"))
    } else {
        Block::Cards(waiting)
    });
    blocks.push(Block::Form(
        Form::enter("statement", &here)
            .titled(say("pa-seed-title"))
            .with("conversation", id)
            .with("seed", "yes")
            .with("name", say("pa-organiser"))
            .field("text", say("pa-field-statement"), Kind::Line(200))
            .optional("translations", say("pa-field-translations"), Kind::Area)
            .button("", say("pa-seed")),
    ));
    blocks.push(Block::Heading(say("pa-hall")));
    blocks.push(Block::Text(say("pa-hall-words")));
    blocks.push(Block::Form(
        Form { action: "/participation/attendance".into(), ..Form::default() }
            .titled(say("pa-attendance"))
            .with("conversation", id)
            .field("people", say("pa-field-people"), Kind::Area)
            .button("", say("pa-print-ballots")),
    ));
    let mut paper = Form { action: "/participation/paper".into(), ..Form::default() }
        .titled(say("pa-paper-title"))
        .with("conversation", id)
        .with("back", here.clone())
        .field("code", say("pa-field-code"), Kind::Line(24))
        .field(
            "channel",
            say("pa-field-channel"),
            Kind::Radio(options(l, "pa-channel", &["paper", "proxy"])),
        );
    for (_, said) in state.published(forum) {
        paper.fields.push(Field {
            name: format!("v{}", said.number),
            label: format!("{}. {}", said.number + 1, said.statement.text),
            kind: Kind::Radio(options(l, "pa-vote", &["1", "-1", "0"])),
            value: String::new(),
            required: false,
        });
    }
    blocks.push(Block::Form(paper.button("", say("pa-enter-ballot"))));
    blocks.push(Block::Text(say("pa-close-words")));
    blocks.push(Block::Form(
        Form { action: "/participation/close".into(), ..Form::default() }
            .with("conversation", id)
            .with("back", here.clone())
            .button("", say("pa-count-now")),
    ));
    blocks.extend(meetings(&state, id, &forum.conversation.project, &here, l));
    let sheet = Sheet {
        title: l.name("pa-organise-of", &forum.conversation.title).into_owned(),
        lead: say("pa-organise-lead"),
        tab: "pa-office",
        blocks,
        ..Sheet::default()
    };
    show(asked, frame, 200, sheet)
}

fn meetings(
    state: &State,
    conversation: &str,
    project: &str,
    here: &str,
    l: crate::language::Language,
) -> Vec<Block> {
    let say = |key: &str| l.say(key).into_owned();
    let mut blocks = vec![Block::Heading(say("pa-meetings"))];
    let own = state.meetings.iter().filter(|(_, g)| g.meeting.project == project);
    let cards: Vec<Card> = own
        .map(|(id, gathering)| {
            let meeting = &gathering.meeting;
            let mut lines =
                vec![format!("{} · {}", date(meeting.day), meeting.place), meeting.agenda.join(" · ")];
            let mut forms = Vec::new();
            match &gathering.minutes {
                Some(minutes) => {
                    let attended = l.count("pa-attended", minutes.attended as i64);
                    lines.push(format!("{attended} · {}", yuan(minutes.paid_fen)));
                    lines.push(minutes.text.clone());
                    lines.extend(minutes.actions.iter().map(|action| format!("→ {action}")));
                }
                None => forms.push(
                    Form::enter("minutes", here)
                        .with("meeting", id.as_str())
                        .field("attended", say("pa-field-attended"), Kind::Number(0, 100_000))
                        .field("patients", say("pa-field-patients"), Kind::Number(0, 100_000))
                        .field("text", say("pa-field-minutes"), Kind::Area)
                        .optional("actions", say("pa-field-actions"), Kind::Area)
                        .field("burden_minutes", say("pa-field-burden"), Kind::Number(0, 10_000))
                        .field("paid_fen", say("pa-field-paid"), Kind::Number(0, 1_000_000_000))
                        .button("", say("pa-write-minutes")),
                ),
            }
            Card {
                title: meeting.title.clone(),
                tag: if gathering.minutes.is_some() { say("pa-held") } else { say("pa-called") },
                strong: gathering.minutes.is_some(),
                lines,
                forms,
                ..Card::default()
            }
        })
        .collect();
    blocks.push(if cards.is_empty() { Block::Empty(say("pa-no-meetings")) } else { Block::Cards(cards) });
    blocks.push(Block::Form(
        Form::enter("meeting", here)
            .titled(say("pa-call-meeting"))
            .with("project", project)
            .with("conversation", conversation)
            .field("title", say("pa-field-title"), Kind::Line(100))
            .field("place", say("pa-field-place"), Kind::Line(100))
            .field("day", say("pa-field-day"), Kind::Day)
            .field("agenda", say("pa-field-agenda"), Kind::Area)
            .field("selection", say("pa-field-selection"), Kind::Line(200))
            .button("", say("pa-call")),
    ));
    blocks
}

/// `POST /participation/attendance`: sheets of paper for everybody on the list who has no ballot yet.
pub async fn attendance(site: &Arc<Site>, asked: &Asked, frame: Frame) -> Outcome<Answer> {
    let Some(pairs) = pairs(asked) else { return Ok(problem::show(asked, frame, 403, "wrong", "")) };
    let id = field(&pairs, "conversation").to_owned();
    let state = State::now(site).await?;
    let forum = forum(&state, &id)?;
    let people: Vec<String> = field(&pairs, "people")
        .lines()
        .map(|line| line.trim().to_ascii_uppercase())
        .filter(|line| !line.is_empty())
        .collect();
    let sheets = room(site, &id).await?.print(&people).await.map_err(trouble)?;
    let l = frame.language;
    let mut print = String::new();
    for sheet in &sheets {
        print.push_str(&format!("{}\n", sheet.code));
    }
    let sheet = Sheet {
        title: l.name("pa-sheets-of", &forum.conversation.title).into_owned(),
        lead: l.say("pa-sheets-lead").into_owned(),
        tab: "pa-office",
        blocks: vec![
            Block::Figures(vec![
                (grouped(people.len() as i64), l.say("pa-on-list").into_owned()),
                (grouped(sheets.len() as i64), l.say("pa-sheets").into_owned()),
            ]),
            Block::Print(print),
            Block::Links(vec![(
                format!("/participation/conversation/{id}/organise"),
                l.say("pa-back").into_owned(),
            )]),
        ],
        ..Sheet::default()
    };
    show(asked, frame, 200, sheet)
}

/// `POST /participation/paper`: a ballot that was filled in on paper.
pub async fn paper(site: &Arc<Site>, asked: &Asked, frame: Frame) -> Outcome<Answer> {
    let Some(pairs) = pairs(asked) else { return Ok(problem::show(asked, frame, 403, "wrong", "")) };
    let id = field(&pairs, "conversation").to_owned();
    let state = State::now(site).await?;
    let room = room(site, &id).await?;
    let channel = match field(&pairs, "channel") {
        "proxy" => Channel::Proxy,
        _ => Channel::Paper,
    };
    let code = field(&pairs, "code");
    let token =
        room.token_of(code).ok_or_else(|| failure("code: no sheet has it; compare it letter by letter"))?;
    let votes = votes(&state, forum(&state, &id)?, &pairs);
    hand_in(site, room, token, votes, channel).await?;
    Ok(reply::see(&super::enter::back(&pairs)))
}

/// `POST /participation/close`: counts what waits.
pub async fn close(site: &Arc<Site>, asked: &Asked, frame: Frame) -> Outcome<Answer> {
    let Some(pairs) = pairs(asked) else { return Ok(problem::show(asked, frame, 403, "wrong", "")) };
    let id = field(&pairs, "conversation").to_owned();
    let state = State::now(site).await?;
    let over = site.today() > forum(&state, &id)?.conversation.closes;
    // Before the end a handful of ballots would show who cast them.
    room(site, &id).await?.count(over).await.map_err(trouble)?;
    Ok(reply::see(&super::enter::back(&pairs)))
}

/// `/participation/protected`: complaints of retaliation, read by the protected office alone.
pub async fn protected(site: &Arc<Site>, asked: &Asked, frame: Frame) -> Outcome<Answer> {
    let (state, l) = (State::now(site).await?, frame.language);
    let say = |key: &str| l.say(key).into_owned();
    let today = site.today();
    let cards: Vec<Card> = state
        .complaints
        .iter()
        .map(|(id, (complaint, relief))| {
            let late = today - complaint.day - tongmai_engagement::institution::COMPLAINT_DAYS;
            let mut lines = vec![complaint.text.clone(), date(complaint.day)];
            let mut forms = Vec::new();
            match relief {
                Some(relief) => lines.push(format!("{}：{}", relief.who, relief.text)),
                None => {
                    if late > 0 {
                        lines.push(l.count("pa-late", late).into_owned());
                    }
                    forms.push(
                        Form::enter("relief", "/participation/protected")
                            .with("complaint", id.as_str())
                            .field("text", say("pa-field-relief"), Kind::Area)
                            .field("who", say("pa-field-who"), Kind::Line(80))
                            .button("", say("pa-relieve")),
                    );
                }
            }
            let tag = if relief.is_some() { say("pa-dealt-with") } else { say("pa-waits") };
            Card {
                title: complaint.against.clone(),
                tag,
                strong: relief.is_some(),
                lines,
                forms,
                ..Card::default()
            }
        })
        .collect();
    let blocks = if cards.is_empty() {
        vec![Block::Empty(say("pa-no-complaints"))]
    } else {
        vec![Block::Cards(cards)]
    };
    let sheet = Sheet {
        title: say("pa-protected"),
        lead: say("pa-protected-lead"),
        tab: "pa-office",
        blocks,
        ..Sheet::default()
    };
    show(asked, frame, 200, sheet)
}
