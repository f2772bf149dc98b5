//! From voice to institution: residents, organisations, organisers, the policy office and sponsors.
//!
//! Every page is made from the view over the facts in the ledger, released by `access`; every form enters a
//! fact through the engine. Ballots alone go to the ballot office, which knows tokens and no persons.

mod adaptive;
mod block;
mod conversation;
mod due;
mod enter;
mod layer;
mod live;
mod offices;
mod organisations;
mod personal;
mod projects;
mod questionnaire;
mod report;
mod residents;
mod right;
mod rule;
mod schedule;
mod story;
mod survey;
mod trials;
mod voting;

use std::sync::Arc;

use askama::Template;
use hyper::Method;
use tongmai_access::{Operation, Sealed};
use tongmai_base::time::civil_from_days;
use tongmai_engagement::institution::{Institution, fact::Fact};
use tongmai_engine::Outcome;
use tongmai_http::{Answer, Asked};

use crate::frame::Frame;
use crate::language::Language;
use crate::{Site, asset, framed, gate, problem, render};
use block::{Block, Kind};
pub use live::Followed;

/// The pages of the area: address and key of the name.
const TABS: [(&str, &str); 10] = [
    ("/participation", "pa-home"),
    ("/participation/say", "pa-say"),
    ("/participation/words", "pa-words"),
    ("/participation/goals", "pa-goals"),
    ("/participation/questionnaires", "pa-questionnaires"),
    ("/participation/help", "pa-help"),
    ("/participation/due", "pa-due"),
    ("/participation/organisations", "pa-organisations"),
    ("/participation/office", "pa-office"),
    ("/participation/sponsors", "pa-sponsors"),
];

/// A page before it is framed.
#[derive(Default)]
struct Sheet {
    title: String,
    lead: String,
    tab: &'static str,
    /// For residents: one narrow column.
    narrow: bool,
    blocks: Vec<Block>,
}

#[derive(Template)]
#[template(path = "participation/page.html")]
struct Page {
    page: Frame,
    l: Language,
    title: String,
    lead: String,
    tab: &'static str,
    narrow: bool,
    tabs: Vec<(&'static str, &'static str)>,
    /// Address of a script that one of the forms can use; empty: none.
    own_script: &'static str,
    blocks: Vec<Block>,
}

framed!(Page);

fn show(asked: &Asked, frame: Frame, status: u16, sheet: Sheet) -> Outcome<Answer> {
    let page = frame.in_section("nav-participation");
    let l = page.language;
    let Sheet { title, lead, tab, narrow, blocks } = sheet;
    let scripted = blocks.iter().any(|block| matches!(block, Block::Form(form) if form.script == "ballot"));
    let own_script = if scripted { asset::address("ballot.mjs") } else { "" };
    let opens = |address: &str| {
        let path: Vec<&str> = address.split('/').filter(|part| !part.is_empty()).skip(1).collect();
        right::may(&page.requester, &path, false)
    };
    let tabs = TABS.into_iter().filter(|(address, _)| opens(address)).collect();
    render(asked, status, &Page { page, l, title, lead, tab, narrow, tabs, own_script, blocks })
}

/// What a page knows: the institution at one position of the ledger, released.
struct State {
    institution: Arc<Institution>,
}

impl std::ops::Deref for State {
    type Target = Institution;

    fn deref(&self) -> &Institution {
        &self.institution
    }
}

impl State {
    /// The state now; the read is logged with the position up to which facts were folded.
    async fn now(site: &Arc<Site>) -> Outcome<State> {
        let sealed = site
            .work(|site| {
                site.participation.now(&site.engine, |view, position| {
                    Sealed::new(view.state(), Operation::Page, vec![position])
                })
            })
            .await?;
        Ok(State { institution: site.release(sealed).await?.into_inner() })
    }

    fn check(&self, today: i64, fact: &Fact) -> Result<(), String> {
        self.institution.check(today, fact)
    }
}

/// A page asked for with GET.
pub async fn page(site: &Arc<Site>, asked: &Asked, frame: Frame, path: &[&str]) -> Outcome<Answer> {
    match path {
        [] => residents::home(site, asked, frame).await,
        ["say"] => residents::say(site, asked, frame).await,
        ["words"] => residents::words(site, asked, frame).await,
        ["help"] => residents::help(site, asked, frame).await,
        ["goals"] => personal::goals(site, asked, frame).await,
        ["questionnaires"] => personal::questionnaires(site, asked, frame).await,
        ["adaptive", form] => adaptive::page(site, asked, frame, form).await,
        ["due"] => due::page(site, asked, frame).await,
        ["joined"] => layer::joined(site, asked, frame).await,
        ["layer", organisation] => layer::page(site, asked, frame, organisation).await,
        ["survey", id] => survey::intro(site, asked, frame, id).await,
        ["survey", id, "results"] => survey::results(site, asked, frame, id).await,
        ["survey", id, answering] => survey::question(site, asked, frame, id, answering).await,
        ["conversation", id] => voting::page(site, asked, frame, id).await,
        ["conversation", id, "results"] => conversation::results(site, asked, frame, id).await,
        ["conversation", id, "organise"] => offices::organise(site, asked, frame, id).await,
        ["conversation", id, file] => conversation::file(site, asked, frame, id, file).await,
        ["organisations"] => organisations::page(site, asked, frame).await,
        ["office"] => projects::office(site, asked, frame).await,
        ["project", id] => projects::page(site, asked, frame, id).await,
        ["trace", id] => report::trace(site, asked, frame, id).await,
        ["report", year] => report::yearly(site, asked, frame, year).await,
        ["protected"] => offices::protected(site, asked, frame).await,
        ["sponsors"] => trials::sponsors(site, asked, frame).await,
        ["trials"] => trials::for_person(site, asked, frame).await,
        _ => Ok(problem::show(asked, frame, 404, "lost", "")),
    }
}

/// A form that was sent.
pub async fn sent(site: &Arc<Site>, asked: &Asked, frame: Frame, path: &[&str]) -> Outcome<Answer> {
    match path {
        ["enter", fact] => enter::entered(site, asked, frame, fact).await,
        ["adaptive"] => adaptive::answered(site, asked, frame).await,
        ["answering"] => survey::begin(site, asked, frame).await,
        ["choice"] => survey::answer(site, asked, frame).await,
        ["joined"] => layer::change(site, asked, frame).await,
        ["layer", organisation] => layer::write(site, asked, frame, organisation).await,
        ["story", step] => story::step(site, asked, frame, step).await,
        ["schedule"] => schedule::schedule(site, asked, frame).await,
        ["ballot"] => voting::ballot(site, asked, frame).await,
        ["ballot", "blind"] => voting::blind(site, asked).await,
        ["vote"] => voting::vote(site, asked, frame).await,
        ["attendance"] => offices::attendance(site, asked, frame).await,
        ["paper"] => offices::paper(site, asked, frame).await,
        ["close"] => offices::close(site, asked, frame).await,
        ["rating-evidence"] => projects::rating_evidence(site, asked, frame).await,
        ["vote-evidence"] => projects::vote_evidence(site, asked, frame).await,
        ["goal"] => personal::goal(site, asked, frame).await,
        ["eq5d"] => personal::eq5d(site, asked, frame).await,
        ["answered"] => questionnaire::answered(site, asked, frame).await,
        ["dlqi"] => personal::dlqi(site, asked, frame).await,
        ["trial"] => trials::register(site, asked, frame).await,
        ["join"] => trials::join(site, asked, frame).await,
        ["dossier"] => trials::dossier_page(site, asked, frame).await,
        ["assign"] => organisations::assign(site, asked, frame).await,
        _ => Ok(problem::show(asked, frame, 404, "lost", "")),
    }
}

/// Whether a request may be answered here at all.
pub async fn answer(site: &Arc<Site>, asked: &Asked, frame: Frame, path: &[&str]) -> Outcome<Answer> {
    let is_form = asked.method == Method::POST;
    if !right::may(&site.requester, path, is_form) {
        let whose = right::roles(path, is_form).map(|roles| gate::said_of(frame.language, roles));
        return Ok(problem::show(asked, frame, 403, "closed", &whose.unwrap_or_default()));
    }
    let l = frame.language;
    let answer = match asked.method {
        Method::POST => sent(site, asked, frame, path).await,
        Method::GET | Method::HEAD => page(site, asked, frame, path).await,
        _ => Ok(problem::show(asked, frame, 405, "wrong", "")),
    };
    answer.map_err(|failure| rule::in_words(l, failure))
}

/// A day as people read it.
fn date(day: i64) -> String {
    let (year, month, day) = civil_from_days(day);
    format!("{year:04}-{month:02}-{day:02}")
}

/// Thousandths as a per cent.
fn percent(thousandths: i64) -> String {
    format!("{}.{} %", thousandths / 10, thousandths.unsigned_abs() % 10)
}

/// A share as a per cent.
fn share(part: f64) -> String {
    format!("{:.1} %", 100.0 * part)
}

/// Fen as yuan.
fn yuan(fen: u64) -> String {
    format!("¥{}.{:02}", crate::format::grouped((fen / 100).cast_signed()), fen % 100)
}

/// Options whose words are `list-code`.
fn options(l: Language, list: &str, codes: &[&str]) -> Vec<(String, String)> {
    codes.iter().map(|code| ((*code).to_owned(), l.code(list, code).into_owned())).collect()
}

/// A scale from 1 to 5 with its ends in words.
fn scale(l: Language, low: &str, high: &str) -> Kind {
    let label = |n: u8| match n {
        1 => format!("1 {}", l.say(low)),
        5 => format!("5 {}", l.say(high)),
        n => n.to_string(),
    };
    Kind::Radio((1..=5).map(|n| (n.to_string(), label(n))).collect())
}
