//! One disease: its curve with the expected band, and by place, age and sex; and the tile map.

use std::sync::Arc;

use askama::Template;
use bytes::Bytes;
use hyper::header::{CONTENT_DISPOSITION, CONTENT_TYPE, HeaderValue};
use tongmai_engine::Outcome;
use tongmai_http::{Answer, Asked, plain};
use tongmai_views::surveillance::cases::{AGE_UNKNOWN, AGES, ALL_AGES, VISITS};
use tongmai_views::surveillance::{Cases, Stratum, watch_date};

use super::boundaries;
use super::curve::{self, Week};
use super::tiles::{self, Tile};
use super::{Desk, csv_row, disease_name};
use crate::frame::{Frame, encoded};
use crate::language::Language;
use crate::{Site, framed, render, reply};

/// Weeks of the curve.
const WEEKS: i64 = 52;
/// Days that the tables and the map count.
const DAYS: i64 = 28;

struct Bar {
    name: String,
    count: String,
    share: i64,
}

#[derive(Template)]
#[template(path = "surveillance/disease.html")]
struct DiseasePage {
    page: Frame,
    l: Language,
    name: String,
    code: String,
    desk: String,
    county: String,
    curve: String,
    weeks: Vec<Week>,
    towns: Vec<Bar>,
    ages: Vec<(String, String, String, String)>,
    total: String,
    per_visits: String,
    diseases: Vec<(String, String)>,
}

framed!(DiseasePage);

/// The county that a desk looks at: its own, or the first.
pub(super) fn looked_at(cases: &Cases, desk: &Desk) -> String {
    if desk.county().is_empty() { Desk::first(cases) } else { desk.county().to_owned() }
}

fn is_class_a(cases: &Cases, code: &str, today: i64) -> bool {
    cases.rules().disease(code, today).is_some_and(|disease| disease.as_class_a)
}

fn recent(cases: &Cases, code: &str, stratum: &Stratum, today: i64) -> u32 {
    cases.counts(code, stratum).map_or(0, |counts| counts.between(today - DAYS + 1, today))
}

/// Townships with cases of a disease ever, by name, with the recent count.
fn towns(cases: &Cases, code: &str, county: &str, today: i64) -> Vec<(String, u32)> {
    let own = |it: &Stratum| it.county == county && !it.town.is_empty() && it.age == ALL_AGES;
    let of = cases.strata(code).filter(|entry| own(entry.0));
    let mut towns: Vec<(String, u32)> =
        of.map(|(it, counts)| (it.town.clone(), counts.between(today - DAYS + 1, today))).collect();
    towns.sort();
    towns
}

/// `/surveillance/disease/{code}`
pub async fn page(site: &Arc<Site>, asked: &Asked, frame: Frame, code: &str) -> Outcome<Answer> {
    let (l, today) = (frame.language, site.today());
    let built = super::show(site, &frame, |cases, desk| {
        let county = looked_at(cases, desk);
        let class_a = is_class_a(cases, code, today);
        let towns = towns(cases, code, &county, today);
        let most = towns.iter().map(|town| town.1).max().unwrap_or(0).max(1);
        let bars = towns.into_iter().filter(|town| town.1 > 0).map(|(name, count)| Bar {
            name,
            count: desk.cell(count, class_a),
            // A hidden count must not show in its length either.
            share: if desk.hides(count, class_a) { 1 } else { i64::from(100 * count / most) },
        });
        let mut bars: Vec<Bar> = bars.collect();
        bars.sort_by_key(|bar| std::cmp::Reverse(bar.share));
        let ages = (0..=AGE_UNKNOWN).filter_map(|age| {
            let of =
                |sex: &str| Stratum { county: county.clone(), town: String::new(), age, sex: sex.into() };
            let counts = ["f", "m", ""].map(|sex| recent(cases, code, &of(sex), today));
            let band = AGES
                .get(usize::from(age))
                .map_or_else(|| l.say("age-unknown").into_owned(), |it| it.1.into());
            let [women, men, all] = counts.map(|count| desk.cell(count, class_a));
            (counts[2] > 0).then_some((band, women, men, all))
        });
        let total = recent(cases, code, &Stratum::county(&county), today);
        let visits = recent(cases, VISITS, &Stratum::county(&county), today);
        let rate = if visits == 0 { 0.0 } else { 1_000.0 * f64::from(total) / f64::from(visits) };
        let others = cases.rules().pack.on(today).filter(|it| cases.strata(&it.code).next().is_some());
        let page = DiseasePage {
            l,
            name: disease_name(cases, l, code),
            code: code.to_owned(),
            desk: encoded(desk.query()),
            curve: String::new(),
            weeks: curve::weeks(cases, desk, code, &county, today, WEEKS),
            towns: bars,
            ages: ages.collect(),
            total: desk.cell(total, class_a),
            per_visits: format!("{rate:.2}"),
            diseases: others.map(|it| (it.code.clone(), disease_name(cases, l, &it.code))).collect(),
            county,
            page: frame.clone(),
        };
        (page, Vec::new())
    })
    .await?;
    let title = format!("{} {}", built.name, l.say("curve-title"));
    render(asked, 200, &DiseasePage { curve: curve::draw(&built.weeks, &title), ..built })
}

/// `/surveillance/disease/{code}/counts.csv`: counts by day, township, age and sex, as this desk may see them.
pub async fn csv(site: &Arc<Site>, _asked: &Asked, frame: Frame, code: &str) -> Outcome<Answer> {
    let today = site.today();
    let text = super::show(site, &frame, |cases, desk| {
        let class_a = is_class_a(cases, code, today);
        let mut out = String::from("\u{feff}disease,county,township,age,sex,day,cases\r\n");
        for (it, counts) in cases.strata(code) {
            let age = if it.age == ALL_AGES {
                ""
            } else {
                AGES.get(usize::from(it.age)).map_or("?", |band| band.1)
            };
            for (day, count) in counts.days() {
                let (day, count) = (watch_date(day), desk.cell_of(&it.county, count, class_a));
                csv_row([code, &it.county, &it.town, age, &it.sex, &day, &count].into_iter(), &mut out);
            }
        }
        (out, Vec::new())
    })
    .await?;
    Ok(download(text, &format!("counts-{code}.csv")))
}

/// A table to keep.
pub fn download(text: String, name: &str) -> Answer {
    let mut answer = plain(200, "text/csv; charset=utf-8", Bytes::from(text));
    if let Ok(value) = HeaderValue::from_str(&format!("attachment; filename=\"{name}\"")) {
        answer.headers_mut().insert(CONTENT_DISPOSITION, value);
    }
    answer
}

#[derive(Template)]
#[template(path = "surveillance/map.html")]
struct MapPage {
    page: Frame,
    l: Language,
    name: String,
    code: String,
    desk: String,
    county: String,
    tiles: String,
    rows: Vec<Tile>,
    diseases: Vec<(String, String)>,
    counties: Vec<Tile>,
    county_tiles: String,
    country: String,
    land: String,
    review: String,
    source: String,
    unknown: i64,
}

framed!(MapPage);

/// `/surveillance/map?disease=…`
pub async fn map(site: &Arc<Site>, asked: &Asked, frame: Frame) -> Outcome<Answer> {
    let (l, today) = (frame.language, site.today());
    let own = boundaries::read(site).await?;
    let mut page = super::show(site, &frame, |cases, desk| {
        let county = looked_at(cases, desk);
        let in_use = cases.rules().pack.on(today).filter(|it| cases.strata(&it.code).next().is_some());
        let diseases: Vec<(String, String)> =
            in_use.map(|it| (it.code.clone(), disease_name(cases, l, &it.code))).collect();
        let code = frame.parameter("disease").map(str::to_owned);
        let code = code.or_else(|| diseases.first().map(|it| it.0.clone())).unwrap_or_default();
        let class_a = is_class_a(cases, &code, today);
        let rows = shaded(towns_of_county(cases, &code, &county, today), desk, class_a);
        let all = cases.counties().iter();
        let counties =
            all.map(|it| (it.clone(), recent(cases, &code, &Stratum::county(it), today))).collect();
        // Of other counties than its own a desk sees what it sees from above.
        let above = Desk { county: None, small_hidden: true, ..desk.clone() };
        let counties = shaded(counties, if desk.rules { &above } else { desk }, class_a);
        let country = country(cases, &code, if desk.rules { &above } else { desk }, class_a, today);
        let name = disease_name(cases, l, &code);
        let page = MapPage {
            l,
            tiles: tiles::draw(&rows, &name),
            country: if country.is_empty() { String::new() } else { tiles::draw_country(&country, &name) },
            county_tiles: if counties.len() > 1 { tiles::draw(&counties, &name) } else { String::new() },
            desk: encoded(desk.query()),
            name,
            code,
            county,
            rows,
            diseases,
            counties,
            land: String::new(),
            review: String::new(),
            source: String::new(),
            unknown: 0,
            page: frame.clone(),
        };
        (page, Vec::new())
    })
    .await?;
    if let Some(own) = own {
        // The file may be of the townships or of the counties.
        let of_counties = boundaries::known(&own, &page.counties) > boundaries::known(&own, &page.rows);
        let places = if of_counties { &page.counties } else { &page.rows };
        page.unknown = (places.len() - boundaries::known(&own, places)) as i64;
        page.land = boundaries::draw(&own, places, &page.name);
        (page.review, page.source) = (own.review, own.source);
    }
    render(asked, 200, &page)
}

/// `POST /surveillance/map`: the operator's own boundaries come into use, or leave it.
pub async fn put_map(site: &Arc<Site>, asked: &Asked) -> Outcome<Answer> {
    let parts = boundaries::form_parts(asked.header(CONTENT_TYPE), &asked.body)?;
    let part = |name: &str| parts.iter().find(|part| part.0 == name).map_or(&b""[..], |part| part.1);
    let text = |name: &str| String::from_utf8_lossy(part(name)).into_owned();
    if part("remove").is_empty() {
        boundaries::replace(site, &text("review"), &text("source"), part("file")).await?;
    } else {
        boundaries::remove(site).await?;
    }
    Ok(reply::see_other_at("/surveillance/map"))
}

/// Counts by province, for counties whose province is on the list.
fn country(cases: &Cases, code: &str, desk: &Desk, class_a: bool, today: i64) -> Vec<Tile> {
    let mut counts: std::collections::BTreeMap<&str, u32> = std::collections::BTreeMap::new();
    for county in cases.counties() {
        if let Some(province) = tiles::province(cases.province(county)) {
            *counts.entry(province).or_default() += recent(cases, code, &Stratum::county(county), today);
        }
    }
    shaded(counts.into_iter().map(|(code, count)| (code.to_owned(), count)).collect(), desk, class_a)
}

/// All townships of a county, those without a case too.
fn towns_of_county(cases: &Cases, code: &str, county: &str, today: i64) -> Vec<(String, u32)> {
    let mut towns = towns(cases, code, county, today);
    for town in cases.towns(county) {
        if !towns.iter().any(|known| known.0 == *town) {
            towns.push((town.clone(), 0));
        }
    }
    towns.sort();
    towns
}

fn shaded(places: Vec<(String, u32)>, desk: &Desk, class_a: bool) -> Vec<Tile> {
    let most = places.iter().map(|place| place.1).max().unwrap_or(0);
    let tile = |(name, count): (String, u32)| Tile {
        name,
        count: desk.cell(count, class_a),
        // A hidden count must not show in the shade either.
        shade: if desk.cell(count, class_a).starts_with('<') { 1 } else { tiles::shade(count, most) },
    };
    places.into_iter().map(tile).collect()
}
