//! The identity desk 身份核对台: pairs of records that wait for a person.

use std::sync::Arc;

use askama::Template;
use tongmai_engine::bundle::parse_pairs;
use tongmai_engine::person::ruling::{Kind, Ruling};
use tongmai_engine::person::{FIELDS, Member, Pair};
use tongmai_engine::{Failure, Outcome, Reason};
use tongmai_http::{Answer, Asked};

use crate::format::{When, covered};
use crate::frame::Frame;
use crate::language::Language;
use crate::{Site, framed, problem, render, reply};

/// Pairs on the page.
const PAIRS: usize = 10;
/// Bits that fill half of a bar.
const WIDEST: f64 = 25.0;

/// One field of two records side by side.
struct Row {
    field: &'static str,
    left: String,
    right: String,
    differs: bool,
    bits: String,
    against: bool,
    /// Where the bar begins and how wide it is, of 100.
    bar: (i64, i64),
}

struct Shown {
    left: String,
    right: String,
    percent: String,
    since: When,
    prior: String,
    objection: bool,
    rows: Vec<Row>,
}

#[derive(Template)]
#[template(path = "desk.html")]
struct Desk {
    page: Frame,
    l: Language,
    pairs: Vec<Shown>,
    waiting: i64,
    records: i64,
    persons: i64,
}

framed!(Desk);

/// `/desk`
pub async fn page(site: &Arc<Site>, asked: &Asked, frame: Frame) -> Outcome<Answer> {
    let page = frame.in_section("nav-desk");
    let sealed = site.work(|site| site.engine.review_queue(&site.sight(), PAIRS)).await?;
    let queue = site.release(sealed).await?.into_inner();
    let language = page.language;
    let desk = Desk {
        l: page.language,
        page,
        waiting: queue.waiting as i64,
        records: queue.records as i64,
        persons: queue.persons as i64,
        pairs: queue.pairs.iter().map(|pair| shown(pair, language)).collect(),
    };
    render(asked, 200, &desk)
}

fn shown(pair: &Pair, l: Language) -> Shown {
    let weighed = &pair.review.weighed;
    let rows = FIELDS.iter().zip(weighed.evidence).map(|(field, bits)| {
        let (left, right) = (value(&pair.left, field, l), value(&pair.right, field, l));
        let half = (50.0 * (bits.abs() / WIDEST).min(1.0)).round() as i64;
        Row {
            field,
            differs: left != right,
            left,
            right,
            bits: format!("{bits:+.1}"),
            against: bits < 0.0,
            bar: (if bits < 0.0 { 50 - half } else { 50 }, half),
        }
    });
    Shown {
        left: pair.left.resource.id.clone(),
        right: pair.right.resource.id.clone(),
        percent: format!("{:.1}", 100.0 * weighed.probability),
        since: When::moment(pair.review.since),
        prior: format!("{:+.1}", weighed.prior),
        objection: weighed.objection,
        rows: rows.filter(|row| !(row.left.is_empty() && row.right.is_empty())).collect(),
    }
}

/// All that a record says of a field, numbers with their middle covered.
fn value(member: &Member, field: &str, l: Language) -> String {
    let mut found: Vec<String> = Vec::new();
    for form in &member.said.forms {
        let text = match field {
            "identity-number" => covered(&form.identity_number).into_owned(),
            "insurance-number" => covered(&form.insurance_number).into_owned(),
            "telephone" => form.phone.clone(),
            "address" => form.address.clone(),
            "name" => form.name.clone(),
            "birth-date" => form.birth_date.clone(),
            _ if form.sex.is_empty() => String::new(),
            _ => l.code("gender", &form.sex).into_owned(),
        };
        if !text.is_empty() && !found.contains(&text) {
            found.push(text);
        }
    }
    found.join(" / ")
}

/// `POST /desk`: a person decides on a pair.
pub async fn rule(site: &Arc<Site>, asked: &Asked, frame: Frame) -> Outcome<Answer> {
    if !matches!(asked.header("sec-fetch-site"), "" | "same-origin" | "none") {
        return Ok(problem::show(asked, frame, 403, "wrong", ""));
    }
    let invalid = |what: &str| Failure::new(Reason::Invalid, what, "invalid", "the form is not complete");
    let body = std::str::from_utf8(&asked.body).map_err(|_| invalid("form"))?;
    let pairs = parse_pairs(body);
    let field = |name: &str| pairs.iter().find(|pair| pair.0 == name).map_or("", |pair| pair.1.as_str());
    let kind = match field("decision") {
        "same" => Kind::Same,
        "not-same" => Kind::NotSame,
        _ => return Err(invalid("decision").repair("choose one of the two buttons")),
    };
    let ruling = Ruling {
        kind,
        patients: vec![field("left").to_owned(), field("right").to_owned()],
        undone: None,
        who: field("who").to_owned(),
        why: field("why").to_owned(),
    };
    let sealed = site.engine.rule(&site.sight(), &ruling).await?;
    site.release(sealed).await?;
    Ok(reply::see_other("/desk"))
}
