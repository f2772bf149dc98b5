//! The overview of the region: how many, how much today, where.

use std::sync::Arc;

use askama::Template;
use tongmai_base::time::civil_from_days;
use tongmai_engine::Outcome;
use tongmai_http::{Answer, Asked};

use crate::county::Figures;
use crate::format::When;
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
    count: i64,
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
    visits: Vec<(String, i64)>,
    visits_total: i64,
    visits_chart: String,
    today: Vec<Bar>,
    today_total: i64,
    providers: Vec<Bar>,
    more_providers: i64,
    types: Vec<Bar>,
    now: When,
}

fn bars(counts: Vec<(String, i64)>) -> Vec<Bar> {
    let most = counts.iter().map(|(_, count)| *count).max().unwrap_or(0).max(1);
    counts.into_iter().map(|(name, count)| Bar { name, count, share: (count * 100 / most).max(1) }).collect()
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
    markup(&Live {
        l,
        visits: days.iter().rev().map(|(day, count)| (date(*day), *count)).collect(),
        visits_total: days.iter().map(|day| day.1).sum(),
        visits_chart: chart::columns(&days, &l.say("visits-by-day")),
        today: bars(arrived),
        today_total,
        providers: bars(providers),
        more_providers,
        types: bars(types),
        now: When::moment(site.engine.now()),
        f,
    })
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
