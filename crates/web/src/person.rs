//! One person's record across all providers.

use std::sync::Arc;

use askama::Template;
use tongmai_engine::everything::Everything;
use tongmai_engine::{Failure, Outcome, Reason, Resource};
use tongmai_fhir::definition::resource_type_id;
use tongmai_fhir::json::Json;
use tongmai_http::{Answer, Asked};

use crate::county::citizen_number;
use crate::format::age;
use crate::frame::Frame;
use crate::language::Language;
use crate::people::token;
use crate::record::{Fact, Reading, Record, Trend, Visit, assemble};
use crate::{Site, chart as draw, framed, render};

/// Visits of the summary, entries of its lists, trends: a summary has to cross a village line.
const VISITS: usize = 8;
const ENTRIES: usize = 10;
const TRENDS: usize = 4;
/// Rows of a trend's table in the summary.
const ROWS: usize = 12;
/// Visits on a page of all visits.
const PAGE: usize = 25;
/// Records of one person that are put together.
const RECORDS: &str = "50";

/// The SVG of a trend.
pub fn chart(trend: &Trend) -> String {
    draw::trend(&trend.lines, &format!("{} {}", trend.name, trend.unit))
}

#[derive(Template)]
#[template(path = "person.html")]
struct Summary {
    page: Frame,
    l: Language,
    id: String,
    r: Record,
    age: Option<String>,
    full: bool,
    visits: Vec<Visit>,
    loose: Vec<Fact>,
    problems: Vec<Fact>,
    medicines: Vec<Fact>,
    trends: Vec<Trend>,
}

#[derive(Template)]
#[template(path = "visits.html")]
struct Visits {
    page: Frame,
    l: Language,
    id: String,
    r: Record,
    age: Option<String>,
    full: bool,
    visits: Vec<Visit>,
    from: usize,
    to: usize,
    newer: Option<usize>,
    older: Option<usize>,
}

#[derive(Template)]
#[template(path = "trends.html")]
struct Trends {
    page: Frame,
    l: Language,
    id: String,
    r: Record,
    age: Option<String>,
    full: bool,
}

framed!(Summary, Visits, Trends);

impl Summary {
    fn brief(&self, fact: &Fact) -> bool {
        tells(fact)
    }

    fn shown_readings<'t>(&self, trend: &'t Trend) -> &'t [Reading] {
        &trend.readings[..trend.readings.len().min(ROWS)]
    }
}

impl Visits {
    fn brief(&self, _: &Fact) -> bool {
        true
    }
}

impl Trends {
    fn shown_readings<'t>(&self, trend: &'t Trend) -> &'t [Reading] {
        &trend.readings
    }
}

/// Everything that is kept of the person, released, with the record that was asked for first.
async fn read(site: &Arc<Site>, id: &str) -> Outcome<Vec<Vec<Resource>>> {
    let first = everything(site, id).await?;
    let number = first
        .iter()
        .find(|resource| resource.id == id)
        .and_then(|patient| Json::parse(&patient.text).ok())
        .and_then(|patient| citizen_number(&patient).map(str::to_owned));
    let mut records = vec![first];
    let Some(number) = number else { return Ok(records) };
    let sealed = site
        .work(move |site| {
            let kind = resource_type_id("Patient").unwrap_or_default();
            let pairs = [("identifier".into(), token(&number)), ("_count".into(), RECORDS.into())];
            let query = site.engine.query(&[kind], None, &pairs, false)?;
            site.engine.search(&site.sight(), &query, None)
        })
        .await?;
    for other in site.release(sealed).await?.into_inner().matches {
        if other.id != id {
            records.push(everything(site, &other.id).await?);
        }
    }
    Ok(records)
}

async fn everything(site: &Arc<Site>, id: &str) -> Outcome<Vec<Resource>> {
    let wanted = id.to_owned();
    let sealed = site
        .work(move |site| site.engine.everything(&site.sight(), &wanted, &Everything::default(), None))
        .await?;
    Ok(site.release(sealed).await?.into_inner().matches)
}

async fn record(site: &Arc<Site>, id: &str, l: Language) -> Outcome<(Record, Option<String>)> {
    let records = read(site, id).await?;
    let record = site.work(move |_| assemble(&records, l)).await;
    let last = record.person.died.as_ref().map_or(site.today(), |died| died.day());
    let age = record.person.birth.as_ref().and_then(|birth| age(l, birth, last));
    Ok((record, age))
}

/// Whether an entry stands in the summary: what was found and done, not the paper of it.
fn tells(fact: &Fact) -> bool {
    let paper = ["Claim", "ExplanationOfBenefit", "ServiceRequest", "DiagnosticReport", "Coverage"];
    !paper.contains(&fact.kind)
}

fn first<T: Clone>(list: &[T], count: usize) -> Vec<T> {
    list[..list.len().min(count)].to_vec()
}

/// `/person/{id}`
pub async fn page(site: &Arc<Site>, asked: &Asked, page: Frame, id: &str) -> Outcome<Answer> {
    let l = page.language;
    let (r, age) = match record(site, id, l).await {
        Ok(read) => read,
        // The page of the resource says whether there ever was one.
        Err(failure) if failure.reason == Reason::NotFound => {
            return crate::resource::page(site, asked, page, "Patient", id, None).await;
        }
        Err(failure) => return Err(failure),
    };
    let summary = Summary {
        l,
        id: id.to_owned(),
        age,
        full: false,
        visits: first(&r.visits, VISITS),
        loose: r.loose.iter().filter(|fact| tells(fact)).take(ENTRIES).cloned().collect(),
        problems: first(&r.problems, ENTRIES),
        medicines: first(&r.medicines, ENTRIES),
        trends: first(&r.trends, TRENDS),
        r,
        page,
    };
    render(asked, 200, &summary)
}

/// `/person/{id}/visits?from=…`
pub async fn visits(site: &Arc<Site>, asked: &Asked, page: Frame, id: &str) -> Outcome<Answer> {
    let l = page.language;
    let (r, age) = record(site, id, l).await?;
    let from = page.parameter("from").and_then(|from| from.parse().ok()).unwrap_or(0);
    if from > r.visits.len() {
        return Err(Failure::not_found(format!("visit {from}")));
    }
    let to = (from + PAGE).min(r.visits.len());
    let visits = Visits {
        l,
        id: id.to_owned(),
        age,
        full: true,
        visits: r.visits[from..to].to_vec(),
        from: (from + 1).min(to),
        to,
        newer: (from > 0).then(|| from.saturating_sub(PAGE)),
        older: (to < r.visits.len()).then_some(to),
        r,
        page,
    };
    render(asked, 200, &visits)
}

/// `/person/{id}/trends`
pub async fn trends(site: &Arc<Site>, asked: &Asked, page: Frame, id: &str) -> Outcome<Answer> {
    let l = page.language;
    let (r, age) = record(site, id, l).await?;
    render(asked, 200, &Trends { l, id: id.to_owned(), age, full: true, r, page })
}
