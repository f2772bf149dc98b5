//! The identity desk 身份核对台: pairs of records that wait for a person, persons with their reasons, and
//! the registration of newborns.

mod newborn;
mod pair;
mod person;

use std::sync::Arc;

use askama::Template;
use hyper::Method;
use tongmai_engine::bundle::parse_pairs;
use tongmai_engine::person::ruling::{Kind, Ruling};
use tongmai_engine::{Failure, Outcome, Reason};
use tongmai_fhir::definition::resource_type_id;
use tongmai_http::{Answer, Asked};

use self::pair::{Shown, shown};
use crate::format::When;
use crate::frame::Frame;
use crate::language::Language;
use crate::{Site, framed, problem, render, reply};

/// Pairs that are listed beside the one that is open.
const PAIRS: usize = 25;

/// A pair that one person has called the same.
struct Proposed {
    pair: Shown,
    who: String,
    why: String,
}

/// Rulings of one band of probability.
struct Ruled {
    band: String,
    ruled: i64,
    same: i64,
    expected: String,
}

/// How the rules and the desk are doing.
struct Counted {
    oldest: Option<When>,
    median: Option<When>,
    expected_waiting: String,
    automatic: i64,
    expected_false: String,
    reversed: i64,
    ruled: i64,
    agreement: Option<String>,
    bands: Vec<Ruled>,
}

#[derive(Template)]
#[template(path = "desk/queue.html")]
struct Desk {
    page: Frame,
    l: Language,
    who: String,
    open: Option<Shown>,
    together: bool,
    pairs: Vec<Shown>,
    proposed: Vec<Proposed>,
    counted: Counted,
    waiting: i64,
    records: i64,
    persons: i64,
}

framed!(Desk);

/// Everything under `/desk`.
pub async fn answer(site: &Arc<Site>, asked: &Asked, frame: Frame, path: &[&str]) -> Outcome<Answer> {
    let page = frame.in_section("nav-desk");
    if asked.method == Method::POST {
        if !matches!(asked.header("sec-fetch-site"), "" | "same-origin" | "none") {
            return Ok(problem::show(asked, page, 403, "wrong", ""));
        }
        return match path {
            [] => rule(site, asked).await,
            ["newborn"] => newborn::register(site, asked, page).await,
            _ => Ok(problem::show(asked, page, 405, "wrong", "")),
        };
    }
    match path {
        [] => queue(site, asked, page).await,
        ["newborn"] => newborn::form(asked, page),
        ["person", id] => person::page(site, asked, page, id).await,
        _ => Ok(problem::show(asked, page, 404, "lost", "")),
    }
}

/// `/desk`, or `/desk?pair=left.right` with another pair open than the first.
async fn queue(site: &Arc<Site>, asked: &Asked, page: Frame) -> Outcome<Answer> {
    let l = page.language;
    let sealed = site.work(|site| site.engine.review_queue(&site.sight(), PAIRS)).await?;
    let queue = site.release(sealed).await?.into_inner();
    let mut pairs: Vec<Shown> = queue.pairs.iter().map(|pair| shown(pair, l)).collect();
    let wanted = page.parameter("pair").and_then(|pair| pair.split_once('.'));
    let (open, together) = match wanted {
        Some((left, right)) => {
            let (left, right) = (left.to_owned(), right.to_owned());
            pairs.retain(|pair| (&pair.left, &pair.right) != (&left, &right));
            let sealed =
                site.work(move |site| site.engine.compare_patients(&site.sight(), &left, &right)).await?;
            let compared = site.release(sealed).await?;
            (Some(shown(&compared.pair, l)), compared.together)
        }
        None if pairs.is_empty() => (None, false),
        None => (Some(pairs.remove(0)), false),
    };
    let proposed = queue.proposed.iter().map(|(pair, proposal)| Proposed {
        pair: shown(pair, l),
        who: proposal.actor.clone(),
        why: proposal.reason.clone(),
    });
    let desk = Desk {
        l,
        who: tongmai_http::cookie(&asked.headers, WHO).map(decoded).unwrap_or_default(),
        open,
        together,
        pairs,
        proposed: proposed.collect(),
        counted: counted(&queue.statistics),
        waiting: queue.waiting as i64,
        records: queue.records as i64,
        persons: queue.persons as i64,
        page,
    };
    render(asked, 200, &desk)
}

fn counted(found: &tongmai_engine::person::Statistics) -> Counted {
    let share = |probability: f64| format!("{:.0}", 100.0 * probability);
    let bands = found.bands.iter().filter(|band| band.ruled > 0).map(|band| Ruled {
        band: format!("{}–{} %", share(band.from), share(band.to)),
        ruled: band.ruled as i64,
        same: band.same as i64,
        expected: format!("{:.1}", band.expected),
    });
    Counted {
        oldest: found.oldest.map(When::moment),
        median: found.median.map(When::moment),
        expected_waiting: format!("{:.1}", found.expected_waiting),
        automatic: found.automatic as i64,
        expected_false: format!("{:.2}", found.expected_false),
        reversed: found.reversed.cast_signed(),
        ruled: found.ruled as i64,
        agreement: (found.ruled > 0).then(|| share(found.agreed as f64 / found.ruled as f64)),
        bands: bands.collect(),
    }
}

/// The cookie that keeps who works at the desk, so that a decision is one key.
const WHO: &str = "desk-who";

fn decoded(text: &str) -> String {
    parse_pairs(&format!("x={text}")).pop().map_or_else(String::new, |(_, value)| value)
}

/// `POST /desk`: a person decides on a pair.
async fn rule(site: &Arc<Site>, asked: &Asked) -> Outcome<Answer> {
    let invalid = |what: &str| Failure::new(Reason::Invalid, what, "invalid", "the form is not complete");
    let body = std::str::from_utf8(&asked.body).map_err(|_| invalid("form"))?;
    let pairs = parse_pairs(body);
    let field = |name: &str| pairs.iter().find(|pair| pair.0 == name).map_or("", |pair| pair.1.as_str());
    let kind = match field("decision") {
        "same" => Kind::Same,
        "not-same" => Kind::NotSame,
        "undo" => Kind::Undo,
        _ => return Err(invalid("decision").repair("choose one of the two buttons")),
    };
    let undone = (kind == Kind::Undo).then(|| field("ruling").to_owned());
    let patients = match kind {
        Kind::Undo => Vec::new(),
        _ => vec![field("left").to_owned(), field("right").to_owned()],
    };
    let who = field("who").trim().to_owned();
    let ruling = Ruling { kind, patients, undone, who: who.clone(), why: field("why").to_owned() };
    // Who may not see both records does not say whether they are one person's.
    for id in ruling.patients.iter() {
        let kind = resource_type_id("Patient").unwrap_or_default();
        let wanted = id.clone();
        let sealed = site.work(move |site| site.engine.read(&site.sight(), kind, &wanted)).await?;
        site.release(sealed).await?;
    }
    let sealed = site.engine.rule(&site.pen(), &ruling).await?;
    site.release(sealed).await?;
    let kept =
        format!("{WHO}={}; Path=/desk; Max-Age=43200; SameSite=Lax; HttpOnly", crate::frame::encoded(&who));
    let to = match field("from") {
        from if from.starts_with("/desk") => from.to_owned(),
        _ => "/desk".to_owned(),
    };
    Ok(reply::see_other_with(&to, &[kept]))
}
