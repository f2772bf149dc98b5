//! What a conversation came to: the map, what all groups share, and the files with which anybody computes it again.

use std::fmt::Write;
use std::sync::Arc;

use hyper::header::{CACHE_CONTROL, HeaderValue};
use tongmai_engagement::answer::Standing;
use tongmai_engagement::institution::Forum;
use tongmai_engagement::opinion::{self, LEAST_SHOWN, Opinion, Votes, capture};
use tongmai_engine::{Failure, Outcome};
use tongmai_http::{Answer, Asked, plain};

use super::block::{Block, Card, Cell, Table};
use super::live::followed;
use super::voting::{forum, room, translated};
use super::{Sheet, State, share, show};
use crate::Site;
use crate::format::grouped;
use crate::frame::Frame;
use crate::language::Language;

/// Statements that all groups share.
pub const SHARED: usize = 5;

/// A conversation computed from what is published of it.
#[derive(Clone)]
pub struct Computed {
    /// Votes as the published matrix has them.
    pub votes: Votes,
    /// What they come to.
    pub opinion: Opinion,
}

/// The files that are published.
struct Files {
    /// `votes.csv`; none below eleven ballots.
    pub votes: Option<String>,
    /// The same without what proxies carried.
    pub without_proxies: Option<String>,
    /// `comments.csv`
    pub comments: String,
}

impl Files {
    /// Computes the conversation as anybody can; `None` when there are no votes to publish.
    fn compute(&self) -> Option<Computed> {
        let (mut votes, _) = opinion::read_votes(self.votes.as_ref()?).ok()?;
        let comments = opinion::read_comments(&self.comments).ok()?;
        votes.orient(&comments);
        votes.moderate(&comments, false);
        let opinion = opinion::opinion(&votes);
        Some(Computed { votes, opinion })
    }
}

impl Computed {
    /// `result.json`, as `tongmai engage opinion` writes it.
    fn result(&self) -> String {
        let mut text = serde_json::to_string(&self.opinion.to_json(&self.votes)).unwrap_or_default();
        text.push('\n');
        text
    }

    /// Numbers of the statements that all groups agree on most, with the chance that all do.
    pub fn shared(&self) -> Vec<(u32, f64)> {
        let ranked = capture::ranking(&self.opinion.counts, &self.statements());
        let with = |s: usize| Some((self.number(s)?, opinion::group_informed(&self.opinion.counts, s).0));
        ranked.into_iter().filter_map(with).take(SHARED).collect()
    }

    fn statements(&self) -> Vec<usize> {
        (0..self.votes.statements.len()).filter(|s| !self.votes.excluded[*s]).collect()
    }

    fn number(&self, statement: usize) -> Option<u32> {
        self.votes.statements.get(statement)?.parse().ok()
    }

    /// Voters whose ballots are in the map.
    pub fn participants(&self) -> usize {
        self.votes.participants.len()
    }
}

/// The files of a conversation.
async fn files(site: &Arc<Site>, state: &State, id: &str) -> Outcome<Files> {
    let forum = forum(state, id)?;
    let room = room(site, id).await?;
    let count = forum.statements.len() as u32;
    let (votes, without_proxies) =
        site.work(move |_| (room.matrix(count, true), room.matrix(count, false))).await;
    Ok(Files { votes, without_proxies, comments: comments(state, forum) })
}

/// Statements with their moderation, as `tongmai engage opinion` reads them.
pub fn comments(state: &State, forum: &Forum) -> String {
    let mut text = String::from("comment-id,moderated,comment-body\n");
    for id in &forum.statements {
        let Some(said) = state.statements.get(id) else { continue };
        let moderated = match said.state.standing {
            Standing::Received => 0,
            Standing::Refused { .. } | Standing::Merged { .. } => -1,
            _ => 1,
        };
        let _ = writeln!(text, "{},{moderated},{}", said.number, quoted(&said.statement.text));
    }
    text
}

/// A cell of words that people wrote: a spreadsheet must not take them for a formula.
fn quoted(text: &str) -> String {
    let mark =
        if text.trim_start().starts_with(['=', '+', '-', '@']) || text.starts_with('\t') { "'" } else { "" };
    format!("\"{mark}{}\"", text.replace('"', "\"\"").replace(['\r', '\n'], " "))
}

/// `/participation/conversation/{id}/{votes.csv|votes-without-proxies.csv|comments.csv|result.json|moderation.csv|key.pem}`
pub async fn file(site: &Arc<Site>, _: &Asked, _: Frame, id: &str, name: &str) -> Outcome<Answer> {
    let state = State::now(site).await?;
    let missing =
        || Failure::not_found(format!("{name}: there are fewer than {LEAST_SHOWN} ballots, or no such file"));
    let (media, text) = match name {
        "key.pem" => {
            let room = room(site, id).await?;
            ("application/x-pem-file", room.public_key().to_pem().map_err(super::enter::failure)?)
        }
        "moderation.csv" => ("text/csv; charset=utf-8", moderation(&state, forum(&state, id)?)),
        _ => {
            let files = files(site, &state, id).await?;
            match name {
                "votes.csv" => ("text/csv; charset=utf-8", files.votes.ok_or_else(missing)?),
                "votes-without-proxies.csv" => {
                    ("text/csv; charset=utf-8", files.without_proxies.ok_or_else(missing)?)
                }
                "comments.csv" => ("text/csv; charset=utf-8", files.comments),
                "result.json" => {
                    let computed = site.work(move |_| files.compute()).await.ok_or_else(missing)?;
                    ("application/json", computed.result())
                }
                _ => return Err(missing()),
            }
        }
    };
    let mut answer = plain(200, media, text);
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    Ok(answer)
}

/// The log of moderation.
fn moderation(state: &State, forum: &Forum) -> String {
    let mut text = String::from("statement,decision,clause,into,who,day\n");
    for x in &forum.moderation {
        let number =
            |id: &str| state.statements.get(id).map_or(String::new(), |said| said.number.to_string());
        let _ = writeln!(
            text,
            "{},{},{},{},{},{}",
            number(&x.statement),
            x.decision,
            quoted(&x.clause),
            number(&x.into),
            quoted(&x.who),
            super::date(x.day)
        );
    }
    text
}

/// `/participation/conversation/{id}/results`
pub async fn results(site: &Arc<Site>, asked: &Asked, frame: Frame, id: &str) -> Outcome<Answer> {
    let (state, l) = (State::now(site).await?, frame.language);
    let forum = forum(&state, id)?;
    let figures = room(site, id).await?.figures();
    let computed = followed(site, &state, id, true).await?;
    let without = followed(site, &state, id, false).await?;
    let say = |key: &str| l.say(key).into_owned();
    let number = |n: usize| grouped(n as i64);
    let mut blocks = vec![Block::Figures(vec![
        (number(figures.issued), say("pa-ballots-issued")),
        (number(figures.voted), say("pa-ballots-voted")),
        (number(figures.counted), say("pa-votes-counted")),
        (number(figures.proxy), say("pa-votes-proxy")),
        (number(figures.waiting), say("pa-votes-waiting")),
    ])];
    match &computed {
        None => blocks.push(Block::Empty(l.count("pa-too-few", LEAST_SHOWN as i64).into_owned())),
        Some(computed) => {
            let text = |number: u32| statement(&state, forum, number, l);
            blocks.push(Block::Heading(l.count("pa-groups", computed.opinion.groups as i64).into_owned()));
            blocks.push(Block::Text(say("pa-map-words")));
            blocks.push(Block::Drawing(map(computed, &say("pa-map")), say("pa-map-caption")));
            blocks.push(Block::Heading(say("pa-shared")));
            blocks.push(Block::Text(say("pa-shared-words")));
            blocks.push(Block::Table(shared_table(computed, without.as_ref(), &text, l)));
            blocks.push(Block::Heading(say("pa-stands-for")));
            blocks.push(Block::Table(groups_table(computed, &text, l)));
            blocks.extend(flagged(computed, &text, l));
        }
    }
    blocks.push(Block::Heading(say("pa-recompute")));
    blocks.push(Block::Text(say("pa-recompute-words")));
    let here = format!("/participation/conversation/{id}");
    let mut links: Vec<(String, String)> = Vec::new();
    if computed.is_some() {
        links.extend(["votes.csv", "result.json"].map(|name| (format!("{here}/{name}"), name.to_owned())));
    }
    links.extend(
        ["comments.csv", "moderation.csv", "key.pem"].map(|name| (format!("{here}/{name}"), name.to_owned())),
    );
    blocks.push(Block::Links(links));
    blocks.push(Block::Print(
        "tongmai engage replay --votes votes.csv --comments comments.csv --result result.json".into(),
    ));
    let sheet = Sheet {
        title: l.name("pa-results-of", &forum.conversation.title).into_owned(),
        lead: say("pa-results-lead"),
        tab: "pa-say",
        blocks,
        ..Sheet::default()
    };
    show(asked, frame, 200, sheet)
}

/// The words of a statement by its number.
pub fn statement(state: &State, forum: &Forum, number: u32, l: Language) -> String {
    let said = forum.statements.get(number as usize).and_then(|id| state.statements.get(id));
    said.map_or_else(String::new, |s| translated(&s.statement.text, &s.statement.translations, l.tag()))
}

fn shared_table(
    computed: &Computed,
    without: Option<&Computed>,
    text: &dyn Fn(u32) -> String,
    l: Language,
) -> Table {
    let mut heads = vec![l.say("pa-statement").into_owned(), format!("#{}", l.say("pa-all-agree"))];
    heads.extend((0..computed.opinion.groups).map(|g| format!("#{} {}", l.say("pa-group"), g + 1)));
    heads.push(format!("#{}", l.say("pa-rank-without")));
    let heads: Vec<&str> = heads.iter().map(String::as_str).collect();
    let mut table = Table::new(l.say("pa-shared"), &heads);
    let place_without: Vec<u32> = without.map_or_else(Vec::new, |w| {
        capture::ranking(&w.opinion.counts, &w.statements()).into_iter().filter_map(|s| w.number(s)).collect()
    });
    for (number, chance) in computed.shared() {
        let column = computed.votes.statements.iter().position(|s| *s == number.to_string());
        let mut row: Vec<Cell> = vec![text(number).into(), share(chance).into()];
        for counts in &computed.opinion.counts {
            let count = column.map(|c| counts[c]).unwrap_or_default();
            row.push(format!("{} / {}", count.agree, count.seen).into());
        }
        let place = place_without.iter().position(|n| *n == number);
        row.push(place.map_or_else(|| "–".to_owned(), |place| (place + 1).to_string()).into());
        table.row(row);
    }
    table
}

fn groups_table(computed: &Computed, text: &dyn Fn(u32) -> String, l: Language) -> Table {
    let head = [l.say("pa-group"), l.say("pa-statement"), l.say("pa-stance")];
    let heads = [&*head[0], &*head[1], &*head[2], "#%"];
    let mut table = Table::new(l.say("pa-stands-for"), &heads);
    for (g, stances) in opinion::representative(&computed.votes, &computed.opinion.counts).iter().enumerate()
    {
        for stance in stances.iter().filter(|stance| stance.votes > 0).take(3) {
            let words = computed.number(stance.statement).map(text).unwrap_or_default();
            let of = f64::from(stance.votes) / f64::from(stance.seen.max(1));
            table.row(vec![
                format!("{}", g + 1).into(),
                words.into(),
                l.code("pa-side", stance.side.name()).into(),
                share(of).into(),
            ]);
        }
    }
    table
}

/// People who vote as one, if there are any: shown, with what the ranking would be if they were one voice.
fn flagged(computed: &Computed, text: &dyn Fn(u32) -> String, l: Language) -> Vec<Block> {
    let circles = capture::circles(&computed.votes, &computed.opinion);
    if circles.is_empty() {
        return vec![Block::Text(l.say("pa-no-circles").into_owned())];
    }
    let people: usize = circles.iter().map(|circle| circle.members.len()).sum();
    let counts = capture::counts_as_one_voice(&computed.votes, &computed.opinion, &circles);
    let ranked = capture::ranking(&counts, &computed.statements());
    let first = ranked.into_iter().filter_map(|s| computed.number(s)).take(SHARED);
    let cards = first.map(|number| Card { title: text(number), ..Card::default() }).collect();
    vec![
        Block::Attention(l.count("pa-circles", people as i64).into_owned()),
        Block::Text(l.say("pa-circles-words").into_owned()),
        Block::Cards(cards),
    ]
}

/// The map: a dot a ballot, near to those who voted alike.
fn map(computed: &Computed, title: &str) -> String {
    const SIZE: f64 = 300.0;
    const CLASSES: [&str; 4] = ["one", "two", "three", "four"];
    let places = &computed.opinion.components.participants;
    let reach = places.iter().flatten().map(|x| x.abs()).fold(1e-9, f64::max);
    let at = |x: f64| SIZE / 2.0 + x / reach * (SIZE / 2.0 - 10.0);
    let mut svg = format!("<svg viewBox=\"0 0 {SIZE} {SIZE}\" role=\"img\"><title>{title}</title>");
    for (place, group) in places.iter().zip(&computed.opinion.group_of) {
        let (x, y) = (at(place[0]), at(-place[1]));
        let class = group.and_then(|g| CLASSES.get(g as usize)).copied().unwrap_or("none");
        // Groups differ in shape as well as in colour.
        let _ = match group {
            Some(1) => write!(
                svg,
                "<rect class=\"{class}\" x=\"{:.0}\" y=\"{:.0}\" width=\"6\" height=\"6\"/>",
                x - 3.0,
                y - 3.0
            ),
            Some(2) => write!(svg, "<path class=\"{class}\" d=\"M{x:.0} {:.0}l4 7h-8z\"/>", y - 4.0),
            _ => write!(svg, "<circle class=\"{class}\" cx=\"{x:.0}\" cy=\"{y:.0}\" r=\"3.500\"/>"),
        };
    }
    svg.push_str("</svg>");
    svg
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_people_are_no_formulas() {
        for formula in ["=HYPERLINK(\"http://x\")", "+1", "-1+2", "@SUM(A1)", "\t=1", " =1", "\r=1"] {
            assert!(quoted(formula).starts_with("\"'"), "{formula:?} became {}", quoted(formula));
        }
        assert_eq!(quoted("a \"b\", c\nd"), "\"a \"\"b\"\", c d\"");
        assert_eq!(quoted("比 1-2 更多"), "\"比 1-2 更多\"");
    }
}
