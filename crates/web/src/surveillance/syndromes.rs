//! Visits by syndrome: what comes through the doors before anybody has named the disease.

use std::sync::Arc;

use askama::Template;
use tongmai_engine::Outcome;
use tongmai_http::{Answer, Asked};
use tongmai_surveillance::monitor::Watch;
use tongmai_views::surveillance::cases::VISITS;
use tongmai_views::surveillance::rules::counted_as;
use tongmai_views::surveillance::{Cases, Stratum};

use super::curve::{self, Week};
use super::disease::looked_at;
use super::{Desk, disease_name};
use crate::frame::{Frame, encoded};
use crate::language::Language;
use crate::{Site, framed, render};

/// Weeks of the curve.
const WEEKS: i64 = 26;

struct Row {
    code: String,
    name: String,
    week: String,
    former: String,
    expected: String,
    share: String,
    above: bool,
    chosen: bool,
}

#[derive(Template)]
#[template(path = "surveillance/syndromes.html")]
struct Syndromes {
    page: Frame,
    l: Language,
    desk: String,
    county: String,
    visits: String,
    rows: Vec<Row>,
    name: String,
    code: String,
    curve: String,
    weeks: Vec<Week>,
}

framed!(Syndromes);

/// `/surveillance/syndromes?syndrome=…`
pub async fn page(site: &Arc<Site>, asked: &Asked, frame: Frame) -> Outcome<Answer> {
    let (l, today) = (frame.language, site.today());
    let built = super::show(site, &frame, |cases, desk| {
        let county = looked_at(cases, desk);
        let all = cases.rules().syndromes.all();
        let chosen = frame.parameter("syndrome").filter(|code| all.iter().any(|it| it.code == *code));
        let chosen = chosen.or(all.first().map(|it| it.code.as_str())).unwrap_or("").to_owned();
        let visits = of_week(cases, VISITS, &county, today);
        let rows = all.iter().map(|it| row(cases, l, desk, &county, &it.code, visits, today));
        let rows = rows.map(|row| Row { chosen: row.code == chosen, ..row }).collect();
        let counted = counted_as(&chosen);
        let page = Syndromes {
            l,
            desk: encoded(desk.query()),
            visits: desk.cell(visits, false),
            rows,
            name: disease_name(cases, l, &counted),
            weeks: curve::weeks(cases, desk, &counted, &county, today, WEEKS),
            code: counted,
            curve: String::new(),
            county,
            page: frame.clone(),
        };
        (page, Vec::new())
    })
    .await?;
    let title = format!("{} {}", built.name, l.say("curve-title"));
    render(asked, 200, &Syndromes { curve: curve::draw(&built.weeks, &title), ..built })
}

/// Visits of the last seven days.
fn of_week(cases: &Cases, name: &str, county: &str, today: i64) -> u32 {
    cases.counts(name, &Stratum::county(county)).map_or(0, |counts| counts.between(today - 6, today))
}

fn row(cases: &Cases, l: Language, desk: &Desk, county: &str, code: &str, visits: u32, today: i64) -> Row {
    let counted = counted_as(code);
    let week = of_week(cases, &counted, county, today);
    let since = cases.since().unwrap_or(today);
    let background = cases
        .counts(&counted, &Stratum::county(county))
        .map(|counts| Watch::default().background(counts, since, today));
    let bound = background.map_or(0.0, |it| it.week + 2.0 * (it.week * it.dispersion).sqrt());
    let share = if visits == 0 { 0.0 } else { 1_000.0 * f64::from(week) / f64::from(visits) };
    // A share would tell a hidden count.
    let hidden = desk.cell(week, false).starts_with('<');
    Row {
        name: disease_name(cases, l, &counted),
        week: desk.cell(week, false),
        former: desk.cell(of_week(cases, &counted, county, today - 7), false),
        expected: background.map_or("–".to_owned(), |it| format!("{:.1}", it.week)),
        share: if hidden { "–".to_owned() } else { format!("{share:.1}") },
        above: week >= 2 && f64::from(week) > bound && !hidden,
        code: code.to_owned(),
        chosen: false,
    }
}
