//! Voting: a ballot for everybody entitled, spent without a name.
//!
//! A device that can blinds its token itself (`assets/ballot.mjs`); for every other one the office makes the
//! token and forgets it, and the page says so.

use std::sync::Arc;

use data_encoding::BASE64URL_NOPAD;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use tongmai_ballots::{Cast, Room, Token, Trouble};
use tongmai_engagement::ballot::Channel;
use tongmai_engagement::institution::Forum;
use tongmai_engine::{Failure, Outcome, Reason};
use tongmai_fhir::definition::resource_type_id;
use tongmai_http::{Answer, Asked, cookie, plain};

use super::block::{Block, Card, Form, Kind};
use super::enter::{failure, field, pairs};
use super::{Sheet, State, date, options, right, show};
use crate::frame::Frame;
use crate::{Site, people, problem, reply};

/// Statements on a voting page.
const CARDS: usize = 12;

/// The polling room of a conversation.
pub async fn room(site: &Arc<Site>, id: &str) -> Outcome<Arc<Room>> {
    let id = id.to_owned();
    site.work(move |site| match &site.ballots {
        Some(office) => office.room(&id).map_err(trouble),
        None => Err(Failure::new(Reason::Internal, "", "exception", "this installation has no ballot box")),
    })
    .await
}

/// A trouble of the office as a failure of the page.
pub fn trouble(trouble: Trouble) -> Failure {
    match trouble {
        Trouble::Disk(_) | Trouble::Journal(_) => {
            Failure::new(Reason::Internal, "", "exception", trouble.to_string())
        }
        other => failure(other),
    }
}

/// The conversation with this id.
pub fn forum<'s>(state: &'s State, id: &str) -> Outcome<&'s Forum> {
    state.conversations.get(id).ok_or_else(|| Failure::not_found(format!("conversation {id}")))
}

fn token(asked: &Asked, id: &str) -> Option<Token> {
    Token::from_text(cookie(&asked.headers, &format!("ballot-{id}"))?)
}

/// `/participation/conversation/{id}`
pub async fn page(site: &Arc<Site>, asked: &Asked, frame: Frame, id: &str) -> Outcome<Answer> {
    let (state, l) = (State::now(site).await?, frame.language);
    let forum = forum(&state, id)?;
    let room = room(site, id).await?;
    let say = |key: &str| l.say(key).into_owned();
    let talk = &forum.conversation;
    let open = (talk.opens..=talk.closes).contains(&site.today());
    let here = format!("/participation/conversation/{id}");
    let mut blocks = vec![Block::Links(vec![(format!("{here}/results"), say("pa-results"))])];
    if !talk.evidence.is_empty() {
        blocks.push(Block::Heading(say("pa-evidence-beside")));
        let cards = talk.evidence.iter().map(|line| Card { title: line.clone(), ..Card::default() });
        blocks.push(Block::Cards(cards.collect()));
    }
    match (open, token(asked, id)) {
        (false, _) => blocks.push(Block::Attention(l.name("pa-was-open", &date(talk.closes)).into_owned())),
        (true, None) => {
            blocks.push(Block::Heading(say("pa-get-ballot")));
            blocks.push(Block::Text(say("pa-ballot-notice")));
            let mut form =
                Form { action: "/participation/ballot".into(), script: "ballot", ..Form::default() }
                    .with("conversation", id)
                    .field("number", say("pa-citizen-number"), Kind::Line(18))
                    .button("", say("pa-get-ballot"));
            let (n, e) = room.public_numbers();
            form = form.with("n", BASE64URL_NOPAD.encode(&n)).with("e", BASE64URL_NOPAD.encode(&e));
            blocks.push(Block::Form(form));
        }
        (true, Some(token)) => {
            let mine = {
                let (room, token) = (room.clone(), token.clone());
                site.work(move |_| room.votes_of(&token)).await
            };
            let mut form =
                Form { action: "/participation/vote".into(), ..Form::default() }.with("conversation", id);
            let open: Vec<_> =
                state.published(forum).filter(|(_, said)| !mine.contains_key(&said.number)).collect();
            for (_, said) in open.iter().take(CARDS) {
                let text = translated(&said.statement.text, &said.statement.translations, l.tag());
                let votes = Kind::Radio(options(l, "pa-vote", &["1", "-1", "0"]));
                form = form.optional(&format!("v{}", said.number), text, votes);
            }
            blocks.push(Block::Heading(l.count("pa-to-vote", open.len() as i64).into_owned()));
            if open.is_empty() {
                blocks.push(Block::Empty(say("pa-all-voted")));
            } else {
                blocks.push(Block::Text(say("pa-vote-notice")));
                blocks.push(Block::Form(form.button("", say("pa-cast"))));
            }
            blocks.push(Block::Text(l.count("pa-my-votes", mine.len() as i64).into_owned()));
        }
    }
    if open {
        blocks.push(Block::Heading(say("pa-add-statement")));
        blocks.push(Block::Text(say("pa-statement-notice")));
        let longest = if talk.longest == 0 { 200 } else { talk.longest };
        let form = Form::enter("statement", &here)
            .with("conversation", id)
            .field("text", say("pa-field-statement"), Kind::Line(longest))
            .field("name", say("pa-chosen-name"), Kind::Line(40))
            .button("", say("pa-say-it"));
        blocks.push(Block::Form(form));
    }
    blocks.push(Block::Heading(say("pa-policy")));
    let clauses = talk.policy.iter().enumerate();
    let cards = clauses.map(|(n, clause)| Card { title: format!("{}. {clause}", n + 1), ..Card::default() });
    blocks.push(Block::Cards(cards.collect()));
    let sheet = Sheet {
        title: talk.title.clone(),
        lead: say("pa-conversation-lead"),
        tab: "pa-say",
        narrow: true,
        blocks,
    };
    show(asked, frame, 200, sheet)
}

/// The words in the reader's language, when somebody translated them.
pub fn translated(text: &str, translations: &[String], tag: &str) -> String {
    let found = translations.iter().find_map(|line| line.strip_prefix(tag)?.strip_prefix(':'));
    found.map_or(text, str::trim).to_owned()
}

/// Whether somebody of this number is a resident: the register decides who may vote.
async fn entitled(site: &Arc<Site>, number: &str) -> Outcome<bool> {
    let number = number.to_owned();
    let sealed = site
        .work(move |site| {
            let kind = resource_type_id("Patient").unwrap_or_default();
            let pairs = [("identifier".into(), people::token(&number)), ("_count".into(), "50".into())];
            let query = site.engine.query(&[kind], None, &pairs, false)?;
            site.engine.search(&site.sight(), &query, None)
        })
        .await?;
    let found = site.release(sealed).await?.into_inner().matches;
    let patients: Vec<String> = found.into_iter().map(|patient| patient.id).collect();
    Ok(!patients.is_empty() && right::may_vote_as(&site.requester, &patients))
}

/// The conversation of a form, when it is open today, and who asks for a ballot.
async fn asks(site: &Arc<Site>, pairs: &[(String, String)]) -> Outcome<(String, String)> {
    let id = field(pairs, "conversation").to_owned();
    let number = field(pairs, "number").to_ascii_uppercase();
    let state = State::now(site).await?;
    let talk = &forum(&state, &id)?.conversation;
    if !(talk.opens..=talk.closes).contains(&site.today()) {
        return Err(failure("conversation: is not open today"));
    }
    if number.is_empty() || !entitled(site, &number).await? {
        return Err(failure(
            "number: no resident has this number, or it is not yours; look at the identity card",
        ));
    }
    Ok((id, number))
}

/// `POST /participation/ballot`: a ballot for somebody whose device cannot blind.
pub async fn ballot(site: &Arc<Site>, asked: &Asked, frame: Frame) -> Outcome<Answer> {
    let Some(pairs) = pairs(asked) else { return Ok(problem::show(asked, frame, 403, "wrong", "")) };
    let (id, number) = asks(site, &pairs).await?;
    let room = room(site, &id).await?;
    let token = room.issue_here(&number).await.map_err(trouble)?;
    let mut answer = reply::see(&format!("/participation/conversation/{id}"));
    // The browser alone keeps it, until the conversation is over.
    let cookie =
        format!("ballot-{id}={}; Path=/participation; Max-Age=7776000; SameSite=Strict", token.to_text());
    if let Ok(value) = HeaderValue::from_str(&cookie) {
        answer.headers_mut().append(hyper::header::SET_COOKIE, value);
    }
    Ok(answer)
}

/// `POST /participation/ballot/blind`: signs what a device blinded.
pub async fn blind(site: &Arc<Site>, asked: &Asked) -> Outcome<Answer> {
    let answer = |status, text: String| {
        let mut answer = plain(status, "text/plain; charset=utf-8", text);
        answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        Ok(answer)
    };
    let Some(pairs) = pairs(asked) else { return answer(403, String::new()) };
    let done = async {
        let (id, number) = asks(site, &pairs).await?;
        let blinded = BASE64URL_NOPAD.decode(field(&pairs, "blinded").as_bytes());
        let blinded = blinded.map_err(|_| failure("blinded: is no base64url"))?;
        room(site, &id).await?.issue(&number, &blinded).await.map_err(trouble)
    };
    match done.await {
        Ok(signed) => answer(200, BASE64URL_NOPAD.encode(&signed)),
        Err(refusal) => answer(400, refusal.to_string()),
    }
}

/// The votes of a form: fields `v{number}`, for statements that can be voted on.
pub fn votes(state: &State, forum: &Forum, pairs: &[(String, String)]) -> Vec<(u32, i8)> {
    let open: Vec<u32> = state.published(forum).map(|(_, said)| said.number).collect();
    let read = |(name, value): &(String, String)| {
        let number: u32 = name.strip_prefix('v')?.parse().ok()?;
        let vote: i8 = value.trim().parse().ok()?;
        (open.contains(&number) && (-1..=1).contains(&vote)).then_some((number, vote))
    };
    pairs.iter().filter_map(read).collect()
}

/// Hands in a ballot and counts, when enough others wait.
pub async fn hand_in(
    site: &Arc<Site>,
    room: Arc<Room>,
    token: Token,
    votes: Vec<(u32, i8)>,
    channel: Channel,
) -> Outcome<Vec<Cast>> {
    let outcome = {
        let room = room.clone();
        site.work(move |_| room.cast(&token, &votes, channel)).await.map_err(trouble)?
    };
    room.count(false).await.map_err(trouble)?;
    Ok(outcome)
}

/// `POST /participation/vote`
pub async fn vote(site: &Arc<Site>, asked: &Asked, frame: Frame) -> Outcome<Answer> {
    let Some(pairs) = pairs(asked) else { return Ok(problem::show(asked, frame, 403, "wrong", "")) };
    let id = field(&pairs, "conversation").to_owned();
    let state = State::now(site).await?;
    let forum = forum(&state, &id)?;
    let talk = &forum.conversation;
    if !(talk.opens..=talk.closes).contains(&site.today()) {
        return Err(failure("conversation: is not open today"));
    }
    let token = token(asked, &id).ok_or_else(|| failure("ballot: get one first; this browser has none"))?;
    let votes = votes(&state, forum, &pairs);
    let outcome = hand_in(site, room(site, &id).await?, token, votes, Channel::Online).await?;
    if outcome.contains(&Cast::Forged) {
        return Err(failure("ballot: it is not one of this conversation; get another"));
    }
    Ok(reply::see(&format!("/participation/conversation/{id}")))
}
