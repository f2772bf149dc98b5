//! The policy office: projects at their gates, what patients say of a draft, and the answers they are owed.

use std::sync::Arc;

use tongmai_engagement::feasibility::{self, By, Rating};
use tongmai_engagement::gate::{Evidence, Missing, Participation, Stage};
use tongmai_engagement::institution::fact::{Attached, Fact};
use tongmai_engagement::institution::{Forum, ProjectFile};
use tongmai_engine::{Failure, Outcome};
use tongmai_http::{Answer, Asked};
use tongmai_views::outcome::{MEASURES, PLACES};

use super::block::{Block, Card, Cell, Form, Kind, Table};
use super::conversation::statement;
use super::enter::{again, back, field, pairs, write};
use super::live::followed;
use super::residents::{DISEASES, agency, stage, standing};
use super::{Sheet, State, date, options, percent, show};
use crate::format::grouped;
use crate::frame::Frame;
use crate::language::Language;
use crate::{Site, problem, reply};

/// Kinds of projects.
const KINDS: [&str; 4] = ["policy", "service_change", "research", "drug_development"];

/// `/participation/office`
pub async fn office(site: &Arc<Site>, asked: &Asked, frame: Frame) -> Outcome<Answer> {
    let (state, l) = (State::now(site).await?, frame.language);
    let say = |key: &str| l.say(key).into_owned();
    let today = site.today();
    let cards: Vec<Card> = state
        .projects
        .iter()
        .map(|(id, file)| {
            let missing = state.missing(id, today).unwrap_or_default();
            let mut lines = vec![format!(
                "{} · {}",
                l.code("pa-kind", &file.project.kind),
                agency(&state, &file.project.agency)
            )];
            if !missing.is_empty() {
                lines.push(l.count("pa-missing-count", missing.len() as i64).into_owned());
            }
            Card {
                title: file.project.title.clone(),
                link: format!("/participation/project/{id}"),
                tag: stage(l, file.gate.stage.map(Stage::code)),
                strong: missing.is_empty(),
                lines,
                ..Card::default()
            }
        })
        .collect();
    let mut blocks =
        vec![if cards.is_empty() { Block::Empty(say("pa-no-projects")) } else { Block::Cards(cards) }];
    let (year, _, _) = tongmai_base::time::civil_from_days(today);
    blocks.push(Block::Links(vec![
        (format!("/participation/report/{year}"), l.name("pa-report-of", &year.to_string()).into_owned()),
        ("/participation/protected".into(), say("pa-protected")),
    ]));
    let agencies: Vec<(String, String)> =
        state.actors.iter().map(|(id, a)| (id.clone(), a.name.clone())).collect();
    let mut needs = vec![(String::new(), say("pa-own-idea"))];
    needs.extend(state.statements.iter().map(|(id, said)| (id.clone(), said.statement.text.clone())));
    if agencies.is_empty() {
        blocks.push(Block::Empty(say("pa-register-first")));
    } else {
        blocks.push(Block::Form(
            Form::enter("project", "/participation/office")
                .titled(say("pa-begin-project"))
                .field("title", say("pa-field-title"), Kind::Line(120))
                .field("kind", say("pa-field-kind"), Kind::Choice(options(l, "pa-kind", &KINDS)))
                .optional("major", say("pa-field-major"), Kind::Check)
                .holding("yes")
                .field("agency", say("pa-field-agency"), Kind::Choice(agencies))
                .optional("need", say("pa-field-need"), Kind::Choice(needs))
                .optional(
                    "disease",
                    say("pa-field-disease"),
                    Kind::Choice(options(l, "pa-disease", &DISEASES)),
                )
                .field("affected", say("pa-field-affected"), Kind::Number(1, 2_000_000_000))
                .button("", say("pa-begin")),
        ));
    }
    blocks.push(Block::Form(
        Form::enter("conversation", "/participation/office")
            .titled(say("pa-listen-title"))
            .field("title", say("pa-field-question"), Kind::Line(160))
            .field("opens", say("pa-field-opens"), Kind::Day)
            .holding(date(today))
            .field("closes", say("pa-field-closes"), Kind::Day)
            .holding(date(today + 365))
            .field("policy", say("pa-field-policy"), Kind::Area)
            .holding(say("pa-policy-default"))
            .button("", say("pa-open")),
    ));
    blocks.push(gate_pack(&state, l));
    let sheet = Sheet {
        title: say("pa-office"),
        lead: say("pa-office-lead"),
        tab: "pa-office",
        blocks,
        ..Sheet::default()
    };
    show(asked, frame, 200, sheet)
}

/// What the gates ask for: the pack as a table, with the law behind it.
fn gate_pack(state: &State, l: Language) -> Block {
    let head =
        ["pa-field-kind", "pa-field-stage", "pa-field-evidence", "pa-field-participation"].map(|k| l.say(k));
    let heads: Vec<&str> = head.iter().map(|h| &**h).collect();
    let mut table = Table::new(l.name("pa-gates-by", &state.pack.source), &heads);
    for r in &state.pack.requirements {
        table.row(vec![
            l.code("pa-kind", &r.kind).into(),
            stage(l, Some(r.stage.code())).into(),
            l.code("pa-evidence", &r.evidence).into(),
            l.code("pa-degree", r.least.code()).into(),
        ]);
    }
    Block::Table(table)
}

fn file<'s>(state: &'s State, id: &str) -> Outcome<&'s ProjectFile> {
    state.projects.get(id).ok_or_else(|| Failure::not_found(format!("project {id}")))
}

/// `/participation/project/{id}`
pub async fn page(site: &Arc<Site>, asked: &Asked, frame: Frame, id: &str) -> Outcome<Answer> {
    let (state, l) = (State::now(site).await?, frame.language);
    let file = file(&state, id)?;
    let today = site.today();
    let here = format!("/participation/project/{id}");
    let say = |key: &str| l.say(key).into_owned();
    let mut blocks = vec![Block::Table(stages(file, l))];
    blocks.extend(gate(&state, file, id, &here, today, l));
    blocks.extend(ratings(file, l));
    for conversation in &file.conversations {
        if let Some(forum) = state.conversations.get(conversation) {
            blocks.extend(shared(site, &state, id, conversation, forum, today, l).await?);
        }
    }
    blocks.extend(super::survey::cards(&state, Some(id), l, today));
    blocks.push(Block::Form(super::survey::form(l, id, &here, today)));
    blocks.push(Block::Form(
        Form::enter("conversation", &here)
            .titled(say("pa-open-conversation"))
            .with("project", id)
            .field("title", say("pa-field-question"), Kind::Line(160))
            .field("opens", say("pa-field-opens"), Kind::Day)
            .holding(date(today))
            .field("closes", say("pa-field-closes"), Kind::Day)
            .holding(date(today + 30))
            .field("policy", say("pa-field-policy"), Kind::Area)
            .holding(say("pa-policy-default"))
            .optional("evidence", say("pa-field-pack"), Kind::Area)
            .button("", say("pa-open")),
    ));
    let sheet = Sheet {
        title: file.project.title.clone(),
        lead: format!(
            "{} · {} · {}",
            l.code("pa-kind", &file.project.kind),
            agency(&state, &file.project.agency),
            l.count("pa-affects", file.project.affected as i64)
        ),
        tab: "pa-office",
        blocks,
        ..Sheet::default()
    };
    show(asked, frame, 200, sheet)
}

fn stages(file: &ProjectFile, l: Language) -> Table {
    let head = ["pa-field-stage", "pa-state", "pa-field-evidence"].map(|k| l.say(k));
    let heads: Vec<&str> = head.iter().map(|h| &**h).collect();
    let mut table = Table::new(l.say("pa-way"), &heads);
    for each in Stage::ALL {
        let left = file.gate.left().iter().find(|(stage, _)| *stage == each).map(|(_, day)| *day);
        let state = match left {
            Some(day) => l.name("pa-left-on", &date(day)).into_owned(),
            None if file.gate.stage == Some(each) => l.say("pa-is-here").into_owned(),
            None => "–".into(),
        };
        let waived = file.gate.exceptions().iter().filter(|e| e.stage == each);
        let waived =
            waived.map(|e| format!("{}：{}（{}）", l.code("pa-evidence", &e.evidence), e.reason, e.person));
        table.row(vec![
            stage(l, Some(each.code())).into(),
            state.into(),
            waived.collect::<Vec<_>>().join("；").into(),
        ]);
    }
    table
}

/// What stands before the next stage, and the forms with which it is brought.
fn gate(state: &State, file: &ProjectFile, id: &str, here: &str, today: i64, l: Language) -> Vec<Block> {
    let say = |key: &str| l.say(key).into_owned();
    let mut blocks = Vec::new();
    let Some(at) = file.gate.stage else {
        return vec![Block::Text(say("pa-all-over"))];
    };
    let missing = state.missing(id, today).unwrap_or_default();
    blocks.push(Block::Heading(l.name("pa-gate-of", &stage(l, Some(at.code()))).into_owned()));
    if missing.is_empty() {
        blocks.push(Block::Text(say("pa-gate-open")));
    } else {
        blocks.push(Block::Attention(l.count("pa-gate-shut", missing.len() as i64).into_owned()));
        blocks.push(Block::Cards(missing.iter().map(|m| missing_card(m, id, here, today, l)).collect()));
    }
    let advance = Form::enter("advance", here)
        .with("project", id)
        .field("who", say("pa-field-who"), Kind::Line(80))
        .button("", say("pa-advance"));
    blocks.push(Block::Form(advance));
    if !file.gate.evidence().is_empty() {
        let heads = [
            "pa-field-evidence",
            "pa-gathered",
            "pa-heard",
            "pa-of-them-rural",
            "pa-ages",
            "pa-field-dissent",
            "pa-field-source",
        ];
        let head = heads.map(|k| l.say(k).into_owned());
        let head: Vec<String> = head
            .iter()
            .enumerate()
            .map(|(i, h)| if (2..4).contains(&i) { format!("#{h}") } else { h.clone() })
            .collect();
        let heads: Vec<&str> = head.iter().map(String::as_str).collect();
        let mut table = Table::new(l.say("pa-evidence-so-far"), &heads);
        for e in file.gate.evidence() {
            table.row(evidence_row(e, l));
        }
        blocks.push(Block::Table(table));
    }
    match &file.indicator {
        Some(x) => blocks.push(Block::Text(
            l.name(
                "pa-indicator-fixed",
                &format!(
                    "{} · {} / {} · {}",
                    l.code("pa-measure", &x.measure),
                    l.code("pa-place", &x.region),
                    l.code("pa-place", &x.comparison),
                    date(x.launch)
                ),
            )
            .into_owned(),
        )),
        None => blocks.push(Block::Form(
            Form::enter("indicator", here)
                .titled(say("pa-fix-indicator"))
                .with("project", id)
                .field("measure", say("pa-field-measure"), Kind::Choice(options(l, "pa-measure", &MEASURES)))
                .field("region", say("pa-field-where"), Kind::Choice(options(l, "pa-place", &PLACES)))
                .field(
                    "comparison",
                    say("pa-field-comparison"),
                    Kind::Choice(options(l, "pa-place", &PLACES)),
                )
                .holding("township")
                .field("from", say("pa-field-from"), Kind::Day)
                .holding(date(today - 90))
                .field("launch", say("pa-field-launch"), Kind::Day)
                .holding(date(today + 1))
                .field("days", say("pa-field-days"), Kind::Number(1, 3650))
                .holding("90")
                .button("", say("pa-fix")),
        )),
    }
    blocks
}

fn evidence_row(e: &Evidence, l: Language) -> Vec<Cell> {
    let ages = e.ages.map_or_else(String::new, |ages| ages.map(|n| n.to_string()).join(" · "));
    let dissent = match e.dissent.as_deref() {
        None => "–".to_owned(),
        Some("") => l.say("pa-no-dissent").into_owned(),
        Some(text) => text.to_owned(),
    };
    vec![
        l.code("pa-evidence", &e.kind).into(),
        format!("{} – {}", date(e.gathered.0), date(e.gathered.1)).into(),
        format!("{} / {}", e.heard, e.affected).into(),
        e.rural.map_or_else(|| "–".to_owned(), |n| n.to_string()).into(),
        ages.into(),
        dissent.into(),
        e.source.clone().into(),
    ]
}

/// One missing requirement with the form that brings it: from what people said, or from a document.
fn missing_card(missing: &Missing, id: &str, here: &str, today: i64, l: Language) -> Card {
    let say = |key: &str| l.say(key).into_owned();
    let kind = missing.evidence.as_str();
    let computed = match kind {
        "patient_rating" => Some("/participation/rating-evidence"),
        "deliberation" | "public_comment" | "need_statements" => Some("/participation/vote-evidence"),
        _ => None,
    };
    let form = match computed {
        Some(action) => Form { action: action.into(), ..Form::default() }
            .with("project", id)
            .with("kind", kind)
            .with("back", here)
            .optional("dissent", say("pa-field-dissent"), Kind::Area)
            .button("", say("pa-attach-computed")),
        None => Form::enter("evidence", here)
            .with("project", id)
            .with("evidence.kind", kind)
            .with("evidence.gathered", date(today))
            .with("evidence.gathered", date(today))
            .field("evidence.source", say("pa-field-source"), Kind::Line(300))
            .button("", say("pa-attach")),
    };
    let waive = Form::enter("exception", here)
        .with("project", id)
        .with("exception.stage", missing.stage.code())
        .with("exception.evidence", kind)
        .with("exception.published", date(today))
        .field("exception.person", say("pa-field-person"), Kind::Line(80))
        .field("exception.reason", say("pa-field-reason"), Kind::Line(300))
        .button("", say("pa-waive"));
    let faults = missing.faults.iter().map(|fault| l.code("pa-fault", fault.code()).into_owned());
    Card {
        title: l.code("pa-evidence", kind).into_owned(),
        tag: say("pa-is-missing"),
        lines: faults.collect(),
        forms: vec![form, waive],
        ..Card::default()
    }
}

/// What patients and carers say of the draft: as a table by stage of illness, region and role.
fn ratings(file: &ProjectFile, l: Language) -> Vec<Block> {
    let say = |key: &str| l.say(key).into_owned();
    let mut blocks = vec![Block::Heading(say("pa-ratings"))];
    if file.ratings.is_empty() {
        blocks.push(Block::Empty(say("pa-no-ratings")));
        return blocks;
    }
    let head = [
        say("pa-raters-who"),
        say("pa-raters"),
        say("pa-field-difficulty"),
        say("pa-field-experience"),
        say("pa-field-satisfaction"),
    ];
    let heads: Vec<String> =
        head.iter().enumerate().map(|(i, h)| if i > 0 { format!("#{h}") } else { h.clone() }).collect();
    let heads: Vec<&str> = heads.iter().map(String::as_str).collect();
    let mut table = Table::new(say("pa-ratings-caption"), &heads);
    let mut row = |name: String, summary: feasibility::Summary| {
        let cells = match summary.means() {
            Some(means) => means.map(|m| format!("{}.{:02}", m / 1000, m % 1000 / 10)),
            None => [(); 3].map(|()| "–".to_owned()),
        };
        let raters = if summary.is_shown() { grouped(summary.raters.cast_signed()) } else { "< 11".into() };
        let mut all: Vec<Cell> = vec![name.into(), raters.into()];
        all.extend(cells.map(Cell::from));
        table.row(all);
    };
    row(say("pa-everybody"), feasibility::summary(&file.ratings));
    for (by, list) in [
        (By::Role, "pa-role"),
        (By::Stage, "pa-illness"),
        (By::Disease, "pa-disease"),
        (By::Region, "pa-region"),
    ] {
        for (name, summary) in feasibility::by(&file.ratings, by) {
            let named = if name.is_empty() { "–".into() } else { l.code(list, &name) };
            row(named.into_owned(), summary);
        }
    }
    blocks.push(Block::Table(table));
    let launch = file.indicator.as_ref().map_or(i64::MAX, |x| x.launch);
    let heads = [say("pa-field-barriers"), format!("#{}", say("pa-feared")), format!("#{}", say("pa-met"))];
    let heads: Vec<&str> = heads.iter().map(String::as_str).collect();
    let mut table = Table::new(say("pa-barriers-caption"), &heads);
    for (name, before, after) in feasibility::feared_and_met(&file.ratings, launch) {
        let cell =
            |n: Option<u64>| Cell::from(n.map_or_else(|| "–".to_owned(), |n| percent(n.cast_signed())));
        table.row(vec![l.code("pa-barrier", name).into(), cell(before), cell(after)]);
    }
    blocks.push(Block::Table(table));
    blocks
}

/// The statements that all groups share, each with the answer it is owed.
async fn shared(
    site: &Arc<Site>,
    state: &State,
    project: &str,
    id: &str,
    forum: &Forum,
    today: i64,
    l: Language,
) -> Outcome<Vec<Block>> {
    let say = |key: &str| l.say(key).into_owned();
    let here = format!("/participation/project/{project}");
    let computed = followed(site, state, id, true).await?;
    let mut blocks = vec![
        Block::Heading(forum.conversation.title.clone()),
        Block::Links(vec![
            (format!("/participation/conversation/{id}/results"), say("pa-results")),
            (format!("/participation/conversation/{id}/organise"), say("pa-organise")),
        ]),
    ];
    let ranked = computed.as_ref().map(super::conversation::Computed::shared).unwrap_or_default();
    // Without votes the statements stand in the order in which they were made.
    let numbers: Vec<u32> = if ranked.is_empty() {
        state.published(forum).map(|(_, said)| said.number).take(super::conversation::SHARED).collect()
    } else {
        ranked.iter().map(|(number, _)| *number).collect()
    };
    let card = |number: &u32| {
        let statement_id = forum.statements.get(*number as usize)?;
        let said = state.statements.get(statement_id)?;
        let (tag, strong) = standing(l, said);
        let mut lines: Vec<String> = said
            .replies
            .iter()
            .map(|reply| format!("{}：{} {}", reply.who, reply.why, reply.change))
            .collect();
        let late = said.state.days_late(today);
        if late > 0 {
            lines.push(l.count("pa-late", late).into_owned());
        }
        let waits = matches!(
            said.state.standing,
            tongmai_engagement::answer::Standing::Open | tongmai_engagement::answer::Standing::NotAnswered(_)
        );
        let mut forms = Vec::new();
        if waits {
            forms.push(
                Form::enter("answer", &here)
                    .with("statement", statement_id.as_str())
                    .field("why", say("pa-field-why"), Kind::Area)
                    .field("who", say("pa-field-who"), Kind::Line(80))
                    .optional("changed", say("pa-field-changed"), Kind::Check)
                    .optional("change", say("pa-field-change"), Kind::Line(300))
                    .button("", say("pa-answer")),
            );
        }
        Some(Card {
            title: statement(state, forum, *number, l),
            tag,
            strong,
            lines,
            forms,
            ..Card::default()
        })
    };
    blocks.push(Block::Cards(numbers.iter().filter_map(card).collect()));
    blocks.push(Block::Form(
        Form::enter("commitment", &here)
            .titled(say("pa-promise-title"))
            .with("project", project)
            .field("text", say("pa-field-promise"), Kind::Line(300))
            .field("who", say("pa-field-who"), Kind::Line(80))
            .field("due", say("pa-field-due"), Kind::Day)
            .holding(date(today + 90))
            .button("", say("pa-promise")),
    ));
    Ok(blocks)
}

/// `POST /participation/rating-evidence`: the ratings as evidence, with their denominators.
pub async fn rating_evidence(site: &Arc<Site>, asked: &Asked, frame: Frame) -> Outcome<Answer> {
    let Some(pairs) = pairs(asked) else { return Ok(problem::show(asked, frame, 403, "wrong", "")) };
    let state = State::now(site).await?;
    let id = field(&pairs, "project").to_owned();
    let file = file(&state, &id)?;
    let ratings: Vec<Rating> = file.ratings.clone();
    let shown = feasibility::summary(&ratings).is_shown();
    let dissent = Some(field(&pairs, "dissent").to_owned());
    let source = format!("/participation/project/{id}");
    let evidence = feasibility::evidence(&ratings, file.project.affected, dissent, &source).filter(|_| shown);
    attach(
        site,
        asked,
        frame,
        &state,
        &id,
        &pairs,
        evidence.ok_or("rating: fewer than eleven people rated the draft"),
    )
    .await
}

/// `POST /participation/vote-evidence`: what was said and voted as evidence: statements of need, the period
/// of public comment, or the deliberation. Whom it heard is taken from the ratings given beside the votes,
/// since ballots tell nobody's age or village.
pub async fn vote_evidence(site: &Arc<Site>, asked: &Asked, frame: Frame) -> Outcome<Answer> {
    let Some(pairs) = pairs(asked) else { return Ok(problem::show(asked, frame, 403, "wrong", "")) };
    let state = State::now(site).await?;
    let id = field(&pairs, "project").to_owned();
    let file = file(&state, &id)?;
    let kind = field(&pairs, "kind").to_owned();
    let found = gathered(&state, file, &kind, site.today());
    let evidence = found.map(|(first, last)| {
        let profile =
            feasibility::evidence(&file.ratings, file.project.affected, None, "").unwrap_or_default();
        Evidence {
            participation: if kind == "deliberation" {
                Participation::Involve
            } else {
                Participation::Consult
            },
            dissent: Some(field(&pairs, "dissent").to_owned()),
            source: format!("/participation/project/{id}"),
            gathered: (first, last),
            affected: file.project.affected,
            kind,
            ..profile
        }
    });
    attach(site, asked, frame, &state, &id, &pairs, evidence).await
}

/// The days over which a kind of evidence was gathered.
fn gathered(state: &State, file: &ProjectFile, kind: &str, today: i64) -> Result<(i64, i64), &'static str> {
    let talks = || file.conversations.iter().filter_map(|id| state.conversations.get(id));
    match kind {
        "need_statements" => {
            let own = state.statements.get(&file.project.need).map(|said| said.statement.day);
            let talked = talks().flat_map(|forum| state.published(forum)).map(|(_, said)| said.statement.day);
            let days: Vec<i64> = talked.chain(own).collect();
            days.iter()
                .min()
                .copied()
                .zip(days.iter().max().copied())
                .ok_or("need_statements: nobody has said anything yet")
        }
        "public_comment" => {
            let first = talks().map(|forum| forum.conversation.opens).min();
            let last = talks().map(|forum| forum.conversation.closes.min(today)).max();
            first.zip(last).ok_or("public_comment: open a conversation first")
        }
        _ => {
            let held =
                file.meetings.iter().filter_map(|id| state.meetings.get(id)).filter(|g| g.minutes.is_some());
            let days: Vec<i64> = held.map(|gathering| gathering.meeting.day).collect();
            let (first, last) = (days.iter().min().copied(), days.iter().max().copied());
            first.zip(last).ok_or("deliberation: hold a meeting and write its minutes first")
        }
    }
}

async fn attach(
    site: &Arc<Site>,
    asked: &Asked,
    frame: Frame,
    state: &State,
    id: &str,
    pairs: &[(String, String)],
    evidence: Result<Evidence, &str>,
) -> Outcome<Answer> {
    let fact = evidence.map_err(str::to_owned).and_then(|evidence| {
        let fact = Fact::Attached(Attached { project: id.to_owned(), evidence });
        state.check(site.today(), &fact).map(|()| fact)
    });
    match fact {
        Ok(fact) => {
            write(site, &fact).await?;
            Ok(reply::see(&back(pairs)))
        }
        Err(why) => again(asked, frame, &asked.path, pairs, &why),
    }
}
