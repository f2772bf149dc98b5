//! Pages of residents: what is going on, *Have my say*, *Where did my words go*, *Help*.

use std::sync::Arc;

use tongmai_engagement::answer::{self, Standing};
use tongmai_engagement::institution::fact::ActorKind;
use tongmai_engagement::institution::{Institution, Said};
use tongmai_engine::Outcome;
use tongmai_http::{Answer, Asked};

use super::block::{Block, Card, Form, Kind};
use super::{Sheet, State, date, options, share, show};
use crate::Site;
use crate::format::grouped;
use crate::frame::Frame;
use crate::language::Language;

/// Statements on a page.
const SHOWN: usize = 40;
/// Kinds of help that can be asked for and offered.
pub const HELP: [&str; 8] =
    ["foot_care", "equipment", "training", "peer_support", "counselling", "transport", "fund", "home_help"];
/// Diseases with a word of their own.
pub const DISEASES: [&str; 5] = ["hypertension", "diabetes", "skin", "rare", "other"];
/// Stages of illness, as `care` names them.
pub const STAGES: [&str; 7] =
    ["at_risk", "newly", "treated", "stable", "complicated", "advanced", "palliative"];

/// `/participation`
pub async fn home(site: &Arc<Site>, asked: &Asked, frame: Frame) -> Outcome<Answer> {
    let (state, l) = (State::now(site).await?, frame.language);
    let states: Vec<answer::Statement> = state.statements.values().map(|said| said.state.clone()).collect();
    let rates = answer::rates(&states);
    let kept = state.promises.values().filter(|p| p.closure.as_ref().is_some_and(|c| c.kept)).count();
    let number = |n: usize| grouped(n as i64);
    let mut blocks = vec![Block::Figures(vec![
        (number(state.statements.len()), l.say("pa-figure-statements").into_owned()),
        (share(rates.answered), l.say("pa-figure-answered").into_owned()),
        (share(rates.changed), l.say("pa-figure-changed").into_owned()),
        (share(rates.disputed), l.say("pa-figure-disputed").into_owned()),
        (number(kept), l.say("pa-figure-kept").into_owned()),
    ])];
    blocks.push(Block::Heading(l.say("pa-open-conversations").into_owned()));
    blocks.push(conversations(&state, l, site.today()));
    blocks.push(Block::Heading(l.say("pa-projects").into_owned()));
    let cards: Vec<Card> = state
        .projects
        .iter()
        .map(|(id, file)| Card {
            title: file.project.title.clone(),
            link: format!("/participation/trace/{id}"),
            tag: stage(l, file.gate.stage.map(tongmai_engagement::gate::Stage::code)),
            strong: file.gate.stage.is_some(),
            lines: vec![agency(&state, &file.project.agency)],
            ..Card::default()
        })
        .collect();
    blocks.push(if cards.is_empty() {
        Block::Empty(l.say("pa-no-projects").into_owned())
    } else {
        Block::Cards(cards)
    });
    let (year, _, _) = tongmai_base::time::civil_from_days(site.today());
    blocks.push(Block::Links(vec![(
        format!("/participation/report/{year}"),
        l.name("pa-report-of", &year.to_string()).into_owned(),
    )]));
    let sheet = Sheet {
        title: l.say("pa-home-title").into_owned(),
        lead: l.say("pa-home-lead").into_owned(),
        tab: "pa-home",
        blocks,
        ..Sheet::default()
    };
    show(asked, frame, 200, sheet)
}

/// The stage of a project in words.
pub fn stage(l: Language, code: Option<&str>) -> String {
    l.code("pa-stage", code.unwrap_or("over")).into_owned()
}

/// The name of an actor.
pub fn agency(state: &Institution, id: &str) -> String {
    state.actors.get(id).map_or_else(String::new, |actor| actor.name.clone())
}

fn conversations(state: &Institution, l: Language, today: i64) -> Block {
    let cards: Vec<Card> = state
        .conversations
        .iter()
        .map(|(id, forum)| {
            let open = (forum.conversation.opens..=forum.conversation.closes).contains(&today);
            let until = l.name("pa-open-until", &date(forum.conversation.closes)).into_owned();
            Card {
                title: forum.conversation.title.clone(),
                link: format!("/participation/conversation/{id}"),
                tag: if open { until } else { l.say("pa-closed").into_owned() },
                strong: open,
                lines: vec![l.count("pa-statements", forum.statements.len() as i64).into_owned()],
                ..Card::default()
            }
        })
        .collect();
    if cards.is_empty() {
        Block::Empty(l.say("pa-no-conversations").into_owned())
    } else {
        Block::Cards(cards)
    }
}

/// `/participation/say`
pub async fn say(site: &Arc<Site>, asked: &Asked, frame: Frame) -> Outcome<Answer> {
    let (state, l) = (State::now(site).await?, frame.language);
    let mut blocks = vec![conversations(&state, l, site.today())];
    blocks.extend(super::survey::cards(&state, None, l, site.today()));
    let projects: Vec<(String, String)> =
        state.projects.iter().map(|(id, file)| (id.clone(), file.project.title.clone())).collect();
    if !projects.is_empty() {
        blocks.push(Block::Heading(l.say("pa-rate-title").into_owned()));
        blocks.push(Block::Text(l.say("pa-rate-lead").into_owned()));
        blocks.push(Block::Form(rating_form(l, projects, "/participation/say")));
    }
    let sheet = Sheet {
        title: l.say("pa-say").into_owned(),
        lead: l.say("pa-say-lead").into_owned(),
        tab: "pa-say",
        narrow: true,
        blocks,
    };
    show(asked, frame, 200, sheet)
}

/// The form with which a draft is rated.
fn rating_form(l: Language, projects: Vec<(String, String)>, back: &str) -> Form {
    let say = |key: &str| l.say(key).into_owned();
    let barriers = options(l, "pa-barrier", &tongmai_engagement::feasibility::BARRIERS);
    Form::enter("rating", back)
        .field("rating.project", say("pa-field-project"), Kind::Choice(projects))
        .field("rating.difficulty", say("pa-field-difficulty"), super::scale(l, "pa-hard", "pa-easy"))
        .field("rating.experience", say("pa-field-experience"), super::scale(l, "pa-bad", "pa-good"))
        .field("rating.satisfaction", say("pa-field-satisfaction"), super::scale(l, "pa-bad", "pa-good"))
        .optional("rating.barriers", say("pa-field-barriers"), Kind::Checks(barriers))
        .optional("rating.comment", say("pa-field-comment"), Kind::Area)
        .field("rating.role", say("pa-field-role"), Kind::Radio(options(l, "pa-role", &["patient", "carer"])))
        .field("rating.age", say("pa-field-age"), Kind::Number(0, 120))
        .optional("rating.rural", say("pa-field-rural"), Kind::Check)
        .optional("rating.region", say("pa-field-region"), Kind::Line(60))
        .field("rating.disease", say("pa-field-disease"), Kind::Choice(options(l, "pa-disease", &DISEASES)))
        .field("rating.stage", say("pa-field-stage"), Kind::Choice(options(l, "pa-illness", &STAGES)))
        .button("", say("pa-rate"))
}

/// Where a statement stands, in words; and whether it is good news.
pub fn standing(l: Language, said: &Said) -> (String, bool) {
    let (code, strong) = match &said.state.standing {
        Standing::Received => ("received", false),
        Standing::Open => ("open", false),
        Standing::Refused { .. } => ("refused", false),
        Standing::Merged { .. } => ("merged", false),
        Standing::Answered(answer) if answer.changed => ("changed", true),
        Standing::Answered(_) => ("answered", true),
        Standing::NotAnswered(_) => ("not-answered", false),
    };
    (l.code("pa-standing", code).into_owned(), strong)
}

/// `/participation/words?name=…`
pub async fn words(site: &Arc<Site>, asked: &Asked, frame: Frame) -> Outcome<Answer> {
    let (state, l) = (State::now(site).await?, frame.language);
    let name = frame.parameter("name").unwrap_or("").trim().to_owned();
    let find = Form { action: "/participation/words".into(), get: true, ..Form::default() }
        .optional("name", l.say("pa-chosen-name"), Kind::Line(60))
        .holding(name.clone())
        .button("", l.say("pa-find-words"));
    let mut blocks = vec![Block::Form(find)];
    let own = |said: &&(&String, &Said)| name.is_empty() || said.1.statement.name == name;
    let said: Vec<(&String, &Said)> = state.statements.iter().collect();
    let today = site.today();
    let cards: Vec<Card> = said
        .iter()
        .rev()
        .filter(own)
        .take(SHOWN)
        .map(|(id, said)| {
            let (tag, strong) = standing(l, said);
            let mut lines = vec![format!("{} · {}", said.statement.name, date(said.statement.day))];
            if let Some(reply) = said.replies.last() {
                lines.push(format!("{}：{}", reply.who, reply.why));
                if !reply.change.is_empty() {
                    lines.push(l.name("pa-what-changed", &reply.change).into_owned());
                }
            }
            if let Standing::Refused { clause } = &said.state.standing {
                lines.push(l.name("pa-refused-clause", clause).into_owned());
            }
            let late = said.state.days_late(today);
            if late > 0 {
                lines.push(l.count("pa-late", late).into_owned());
            }
            let answered = matches!(said.state.standing, Standing::Answered(_));
            let back = format!("/participation/words?name={}", crate::frame::encoded(&name));
            let dispute = Form::enter("dispute", &back)
                .with("statement", id.as_str())
                .button("", l.say("pa-no-answer"));
            let forms = if answered && !name.is_empty() { vec![dispute] } else { Vec::new() };
            Card { title: said.statement.text.clone(), tag, strong, lines, forms, ..Card::default() }
        })
        .collect();
    blocks.push(if cards.is_empty() {
        Block::Empty(l.say("pa-no-words").into_owned())
    } else {
        Block::Cards(cards)
    });
    let sheet = Sheet {
        title: l.say("pa-words").into_owned(),
        lead: l.say("pa-words-lead").into_owned(),
        tab: "pa-words",
        narrow: true,
        blocks,
    };
    show(asked, frame, 200, sheet)
}

/// `/participation/help`
pub async fn help(site: &Arc<Site>, asked: &Asked, frame: Frame) -> Outcome<Answer> {
    let (state, l) = (State::now(site).await?, frame.language);
    let say = |key: &str| l.say(key).into_owned();
    let givers = super::organisations::actors(&state, &[ActorKind::Charity, ActorKind::Enterprise]);
    let form = Form::enter("need", "/participation/help")
        .field("kind", say("pa-field-help"), Kind::Choice(options(l, "pa-help-kind", &HELP)))
        .field("region", say("pa-field-region"), Kind::Line(60))
        .field("disease", say("pa-field-disease"), Kind::Choice(options(l, "pa-disease", &DISEASES)))
        .field("stage", say("pa-field-stage"), Kind::Choice(options(l, "pa-illness", &STAGES)))
        .field(
            "urgency",
            say("pa-field-urgency"),
            Kind::Radio(options(l, "pa-urgency", &["0", "1", "2", "3"])),
        )
        .optional("text", say("pa-field-text"), Kind::Area)
        .optional("excluded", say("pa-field-excluded"), Kind::Checks(givers))
        .optional("consent", say("pa-consent-match"), Kind::Check)
        .button("", say("pa-ask-help"));
    let joined = Block::Links(vec![("/participation/joined".into(), say("ca-joined"))]);
    let mut blocks = vec![Block::Form(form), joined, Block::Heading(say("pa-offers"))];
    let cards: Vec<Card> = state
        .offers
        .iter()
        .map(|(id, offer)| {
            let taken = state.matches.values().filter(|m| m.offer == *id).count() as i64;
            let sponsors = state.actors.get(&offer.organisation).map_or(&[][..], |a| a.sponsors.as_slice());
            let mut lines = vec![agency(&state, &offer.organisation)];
            if !sponsors.is_empty() {
                lines.push(l.name("pa-sponsored-by", &sponsors.join("、")).into_owned());
            }
            Card {
                title: offer.title.clone(),
                tag: l.count("pa-places", i64::from(offer.places) - taken).into_owned(),
                strong: i64::from(offer.places) > taken,
                lines,
                ..Card::default()
            }
        })
        .collect();
    blocks.push(if cards.is_empty() { Block::Empty(say("pa-no-offers")) } else { Block::Cards(cards) });
    blocks.push(Block::Heading(say("pa-cases")));
    let cases: Vec<Card> = state
        .cases
        .values()
        .map(|case| Card {
            title: case.name.clone(),
            tag: l.code("pa-illness", &case.stage).into_owned(),
            lines: vec![case.text.clone()],
            ..Card::default()
        })
        .collect();
    blocks.push(if cases.is_empty() { Block::Empty(say("pa-no-cases")) } else { Block::Cards(cases) });
    let case = Form::enter("case", "/participation/help")
        .titled(say("pa-share-case"))
        .field("name", say("pa-chosen-name"), Kind::Line(60))
        .field("disease", say("pa-field-disease"), Kind::Choice(options(l, "pa-disease", &DISEASES)))
        .field("stage", say("pa-field-stage"), Kind::Choice(options(l, "pa-illness", &STAGES)))
        .field("text", say("pa-field-story"), Kind::Area)
        .field("consent", say("pa-consent-case"), Kind::Check)
        .button("", say("pa-share"));
    blocks.push(Block::Form(case));
    let complaint = Form::enter("complaint", "/participation/help")
        .titled(say("pa-complaint-title"))
        .field("text", say("pa-field-complaint"), Kind::Area)
        .optional("against", say("pa-field-against"), Kind::Line(100))
        .button("", say("pa-complain"));
    blocks.push(Block::Text(say("pa-complaint-lead")));
    blocks.push(Block::Form(complaint));
    let sheet =
        Sheet { title: say("pa-help"), lead: say("pa-help-lead"), tab: "pa-help", narrow: true, blocks };
    show(asked, frame, 200, sheet)
}
