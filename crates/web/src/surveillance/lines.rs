//! The line list: only for the responsible county, every look at it logged.

use std::sync::Arc;

use askama::Template;
use tongmai_engine::Outcome;
use tongmai_http::{Answer, Asked};
use tongmai_views::surveillance::{Card, Cases};

use super::cards::of_county;
use super::disease::download;
use super::{Desk, age_of, csv_row, disease_name, shown_name};
use crate::frame::{Frame, encoded};
use crate::language::Language;
use crate::{Site, framed, render};

/// Lines on the page; the file holds all.
const LINES: usize = 200;

struct Line {
    id: String,
    name: String,
    sex: String,
    age: String,
    disease: String,
    class: String,
    onset: String,
    found: String,
    town: String,
    address: String,
    site: String,
    organization: String,
    state: String,
    number: String,
}

fn line(cases: &Cases, l: Language, card: &Card) -> Line {
    let under_code = super::UNDER_CODE.contains(&card.disease.as_str());
    Line {
        id: card.id.clone(),
        name: shown_name(card).into_owned(),
        sex: l.code("gender", card.item("sex")).into_owned(),
        age: age_of(l, card),
        disease: disease_name(cases, l, &card.disease),
        class: l.code("class", &card.classification).into_owned(),
        onset: card.item("onset").to_owned(),
        found: card.item("found-on").to_owned(),
        town: card.item("town").to_owned(),
        address: if under_code { String::new() } else { card.item("address").to_owned() },
        site: card.item("exposure-site").to_owned(),
        organization: card.item("organization").to_owned(),
        state: l.code("card-state", &card.state).into_owned(),
        number: card.answers.get("national-number").cloned().unwrap_or_default(),
    }
}

#[derive(Template)]
#[template(path = "surveillance/lines.html")]
struct Lines {
    page: Frame,
    l: Language,
    lines: Vec<Line>,
    total: i64,
    above: bool,
    desk: String,
    county: String,
    chosen: String,
    diseases: Vec<(String, String)>,
}

framed!(Lines);

struct Found {
    lines: Vec<Line>,
    total: i64,
    desk: Desk,
    diseases: Vec<(String, String)>,
}

async fn found(site: &Arc<Site>, frame: &Frame, most: usize) -> Outcome<Found> {
    let l = frame.language;
    let chosen = frame.parameter("disease").unwrap_or("");
    super::show(site, frame, |cases, desk| {
        let wanted = |card: &&Card| {
            of_county(card, desk)
                && card.state != "withdrawn"
                && (chosen.is_empty() || card.disease == chosen)
        };
        let mut cards: Vec<&Card> = cases.cards().filter(wanted).collect();
        cards.sort_by_key(|card| std::cmp::Reverse(card.start));
        let total = cards.len() as i64;
        cards.truncate(most);
        let positions = cards.iter().map(|card| card.position).collect();
        let lines = cards.iter().map(|card| line(cases, l, card)).collect();
        let mut codes: Vec<&str> = cases.cards().map(|card| card.disease.as_str()).collect();
        codes.sort_unstable();
        codes.dedup();
        let diseases =
            codes.into_iter().map(|code| (code.to_owned(), disease_name(cases, l, code))).collect();
        (Found { lines, total, desk: desk.clone(), diseases }, positions)
    })
    .await
}

/// `/surveillance/lines?disease=…`
pub async fn page(site: &Arc<Site>, asked: &Asked, frame: Frame) -> Outcome<Answer> {
    let found = found(site, &frame, LINES).await?;
    let page = Lines {
        l: frame.language,
        chosen: frame.parameter("disease").unwrap_or("").to_owned(),
        lines: found.lines,
        total: found.total,
        above: found.desk.is_above(),
        county: found.desk.county().to_owned(),
        desk: encoded(found.desk.query()),
        diseases: found.diseases,
        page: frame,
    };
    render(asked, if page.above { 403 } else { 200 }, &page)
}

/// `/surveillance/lines.csv`
pub async fn csv(site: &Arc<Site>, _asked: &Asked, frame: Frame) -> Outcome<Answer> {
    let found = found(site, &frame, usize::MAX).await?;
    let mut out = String::from(
        "\u{feff}card,name,sex,age,disease,class,onset,diagnosed,township,address,exposure site,reported by,state,national number\r\n",
    );
    for it in &found.lines {
        let fields = [
            &it.id,
            &it.name,
            &it.sex,
            &it.age,
            &it.disease,
            &it.class,
            &it.onset,
            &it.found,
            &it.town,
            &it.address,
            &it.site,
            &it.organization,
            &it.state,
            &it.number,
        ];
        csv_row(fields.into_iter().map(String::as_str), &mut out);
    }
    Ok(download(out, "line-list.csv"))
}
