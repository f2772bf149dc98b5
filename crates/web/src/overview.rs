//! The overview of the region: how many, how much today, where.

use std::sync::Arc;

use askama::Template;
use tongmai_access::{Aggregates, Operation, Sealed};
use tongmai_base::time::civil_from_days;
use tongmai_engine::Outcome;
use tongmai_http::{Answer, Asked};

use crate::county::Figures;
use crate::format::{When, grouped};
use crate::frame::Frame;
use crate::language::Language;
use crate::{Site, chart, framed, markup, render, reply};

/// Days of the columns.
const DAYS: i64 = 14;
/// Lines of a list of bars.
const BARS: usize = 12;

/// A line of a list of bars.
pub struct Bar {
    name: String,
    count: String,
    /// Length in hundredths of the longest.
    share: i64,
}

#[derive(Template)]
#[template(path = "overview.html")]
struct Overview {
    page: Frame,
    l: Language,
    live: String,
}

framed!(Overview);

/// The part that follows the ledger.
#[derive(Template)]
#[template(path = "live.html")]
struct Live {
    l: Language,
    f: Arc<Figures>,
    visits: Vec<(String, String)>,
    visits_total: i64,
    visits_chart: String,
    today: Vec<Bar>,
    today_total: String,
    people: String,
    records: String,
    encounters: String,
    all: String,
    providers: Vec<Bar>,
    more_providers: i64,
    types: Vec<Bar>,
    now: When,
    /// Whether the reader may open the ledger's page.
    ledger: bool,
}

/// A count as the reader's sight shows it.
fn cell(sees: Aggregates, count: i64) -> String {
    match sees.hides(count) {
        true if sees == Aggregates::None => "–".to_owned(),
        true => format!("<{}", Aggregates::SMALL),
        false => grouped(count),
    }
}

fn bars(sees: Aggregates, counts: Vec<(String, i64)>) -> Vec<Bar> {
    let most = counts.iter().map(|(_, count)| *count).max().unwrap_or(0).max(1);
    let bar = |(name, count): (String, i64)| {
        // A hidden count must not show in its length either.
        let share = if sees.hides(count) { 1 } else { (count * 100 / most).max(1) };
        Bar { name, count: cell(sees, count), share }
    };
    counts.into_iter().map(bar).collect()
}

async fn live(site: &Arc<Site>, l: Language) -> Outcome<String> {
    // A long ledger is counted behind the page's back; a short one is done before it is shown.
    let counting = site.work(|site| site.counter.advance(&site.engine));
    if let Ok(counted) = tokio::time::timeout(std::time::Duration::from_millis(400), counting).await {
        counted?;
    }
    let f = site.counter.figures();
    let today = site.today();
    let named = |counts: Vec<(&'static str, i64)>| -> Vec<(String, i64)> {
        counts.into_iter().map(|(kind, count)| (l.code("type", kind).into_owned(), count)).collect()
    };
    let days: Vec<(i64, i64)> = (today - DAYS + 1..=today)
        .map(|day| (day, i32::try_from(day).ok().and_then(|d| f.visits_by_day.get(&d)).copied().unwrap_or(0)))
        .collect();
    let date = |day: i64| {
        let (year, month, day) = civil_from_days(day);
        format!("{year:04}-{month:02}-{day:02}")
    };
    let mut arrived = named(f.arrived_on(today));
    let today_total = arrived.iter().map(|(_, count)| count).sum();
    arrived.truncate(BARS);
    let mut types = named(f.resources.clone());
    types.truncate(2 * BARS);
    let mut providers = f.visits_by_provider.clone();
    let more_providers = providers.len().saturating_sub(BARS) as i64;
    providers.truncate(BARS);
    let sees = site.sight().aggregates();
    let drawn: Vec<(i64, i64)> =
        days.iter().map(|&(day, count)| (day, if sees.hides(count) { 0 } else { count })).collect();
    let live = Live {
        l,
        visits: days.iter().rev().map(|(day, count)| (date(*day), cell(sees, *count))).collect(),
        visits_total: days.iter().map(|day| day.1).sum(),
        visits_chart: chart::columns(&drawn, &l.say("visits-by-day")),
        today: bars(sees, arrived),
        today_total: cell(sees, today_total),
        providers: bars(sees, providers),
        more_providers,
        types: bars(sees, types),
        ledger: site.accounts.is_none() || crate::gate::opens(&site.requester, "ledger"),
        now: When::moment(site.engine.now()),
        people: cell(sees, f.people.cast_signed()),
        records: cell(sees, f.of("Patient")),
        encounters: cell(sees, f.of("Encounter")),
        all: cell(sees, f.total()),
        f,
    };
    // Counts come from no single version; that somebody looked at them is logged.
    let live = site.release(Sealed::new(live, Operation::Page, Vec::new())).await?;
    markup(&live.into_inner())
}

/// `/`
pub async fn page(site: &Arc<Site>, asked: &Asked, frame: Frame) -> Outcome<Answer> {
    let (l, page) = (frame.language, frame.in_section("nav-overview"));
    render(asked, 200, &Overview { live: live(site, l).await?, l, page })
}

/// `/live`: the figures alone.
pub async fn part(site: &Arc<Site>, asked: &Asked, frame: Frame) -> Outcome<Answer> {
    Ok(reply::part(asked, live(site, frame.language).await?))
}
