//! `/drg/settlement`: a year regrouped under another pack, what shifts per hospital, and the budget to the fen.

use std::sync::Arc;

use askama::Template;
use tongmai_drg::payment::yuan;
use tongmai_drg::settlement::special::candidates;
use tongmai_drg::settlement::{Kind, shift};
use tongmai_engine::{Failure, Outcome};
use tongmai_http::{Answer, Asked};
use tongmai_views::drg::Shelf;
use tongmai_views::drg::desk::Grouping;

use super::{VIEWS, money, sealed};
use crate::frame::Frame;
use crate::language::Language;
use crate::{Site, framed, render};

/// Candidates for a single review that are shown.
const CANDIDATES: usize = 10;

struct Row {
    hospital: String,
    cases: i64,
    points_before: String,
    points_after: String,
    before: String,
    after: String,
    change: String,
    percent: String,
    loses: bool,
    share: i64,
}

struct Pool {
    insurance: String,
    budget: String,
    before: String,
    after: String,
    reserve: String,
    value_before: String,
    value_after: String,
    closes: bool,
}

struct Candidate {
    id: String,
    hospital: String,
    group: String,
    reasons: Vec<&'static str>,
    loss: String,
}

#[derive(Template)]
#[template(path = "drg/settlement.html")]
struct Page {
    page: Frame,
    l: Language,
    views: [(&'static str, &'static str); 6],
    view: &'static str,
    packs: Vec<String>,
    old: String,
    new: String,
    year: i64,
    years: Vec<i64>,
    share: i64,
    rows: Vec<Row>,
    pools: Vec<Pool>,
    rules: Vec<(&'static str, i64, i64)>,
    candidates: Vec<Candidate>,
    cases: i64,
    moved: i64,
    milliseconds: i64,
    budget: String,
    sum: String,
    closes: bool,
}

framed!(Page);

struct Wanted {
    old: Option<String>,
    new: Option<String>,
    year: Option<i64>,
    share: i64,
}

pub async fn page(site: &Arc<Site>, asked: &Asked, frame: Frame) -> Outcome<Answer> {
    let number = |name: &str| frame.parameter(name).and_then(|text| text.parse::<i64>().ok());
    let wanted = Wanted {
        old: frame.parameter("old").map(str::to_owned),
        new: frame.parameter("new").map(str::to_owned),
        year: number("year"),
        share: number("share").unwrap_or(money::SHARE).clamp(10, 200),
    };
    let page = site
        .work(move |site| {
            super::look(site, |grouping, shelf, singles| {
                let mut page = build(frame, &wanted, grouping, shelf, &|| site.engine.now())?;
                page.candidates.retain(|candidate| singles.has(&candidate.id));
                let named = page.candidates.iter().filter_map(|candidate| grouping.stays.get(&candidate.id));
                let positions = named.flat_map(|grouped| grouped.stay.positions.clone()).collect();
                Ok::<_, Failure>(sealed(page, positions))
            })
        })
        .await??;
    let page = site.release(page).await?.into_inner();
    render(asked, 200, &page)
}

fn build(
    frame: Frame,
    wanted: &Wanted,
    grouping: &Grouping,
    shelf: &Shelf,
    now: &dyn Fn() -> i64,
) -> Outcome<Page> {
    let all = shelf.all();
    let chosen = |name: &Option<String>, otherwise: usize| {
        let held = match name {
            Some(name) => shelf.named(name),
            None => all.get(otherwise).or_else(|| all.last()),
        };
        held.ok_or_else(|| Failure::not_found("the pack"))
    };
    let (old, new) = (chosen(&wanted.old, 0)?, chosen(&wanted.new, 1)?);
    let years = money::years(grouping);
    let year = wanted.year.or(years.first().copied()).unwrap_or(0);
    let begun = now();
    let before = money::settled(grouping, old, year, wanted.share)?;
    let after = money::settled(grouping, new, year, wanted.share)?;
    let milliseconds = now() - begun;
    let name = |code: &str| {
        let found = before.stays.iter().find(|grouped| grouped.stay.hospital == code);
        found.map_or_else(|| code.to_owned(), |grouped| grouped.stay.hospital_name.clone())
    };
    let shifts = shift(&before.settled, &after.settled);
    let widest = shifts.values().map(|s| (s.after - s.before).abs()).max().unwrap_or(0).max(1);
    let mut rows: Vec<(i64, Row)> = shifts
        .iter()
        .map(|(code, shift)| {
            let change = shift.after - shift.before;
            let row = Row {
                hospital: name(code),
                cases: shift.cases as i64,
                points_before: format!("{:.2}", shift.points_before),
                points_after: format!("{:.2}", shift.points_after),
                before: yuan(shift.before),
                after: yuan(shift.after),
                change: yuan(change),
                percent: format!("{:+.2}", change as f64 * 100.0 / shift.before.max(1) as f64),
                loses: change < 0,
                share: change.abs() * 50 / widest,
            };
            (shift.before, row)
        })
        .collect();
    rows.sort_by_key(|(paid, _)| std::cmp::Reverse(*paid));
    let pools: Vec<Pool> = after
        .settled
        .pools
        .iter()
        .map(|(code, pool)| {
            let earlier = before.settled.pools.get(code).copied().unwrap_or_default();
            let budget = pool.budget.unwrap_or(0);
            Pool {
                insurance: code.clone(),
                budget: yuan(budget),
                before: yuan(earlier.paid),
                after: yuan(pool.paid),
                reserve: yuan(pool.reserve),
                value_before: format!("{:.4}", earlier.point_value),
                value_after: format!("{:.4}", pool.point_value),
                closes: pool.paid + pool.reserve == budget,
            }
        })
        .collect();
    let kinds = [
        Kind::Normal,
        Kind::High,
        Kind::HighOverShare,
        Kind::Low,
        Kind::LongStay,
        Kind::Special,
        Kind::Unpriced,
        Kind::Uninsured,
    ];
    let count = |year: &money::Year, kind: Kind| {
        year.settled.lines.iter().filter(|line| line.kind == kind).count() as i64
    };
    let rules = kinds.map(|kind| (kind.code(), count(&before, kind), count(&after, kind)));
    let pairs = before.stays.iter().zip(&after.stays);
    let moved = pairs.filter(|(a, b)| a.group != b.group).count() as i64;
    let proposed = candidates(&after.scheme, &after.paid, &after.settled);
    let budget: i64 = after.settled.pools.values().filter_map(|pool| pool.budget).sum();
    let sum: i64 = after.settled.pools.values().map(|pool| pool.paid + pool.reserve).sum();
    Ok(Page {
        l: frame.language,
        views: VIEWS,
        view: "drg-settlement",
        packs: all.iter().map(|held| held.id().to_owned()).collect(),
        old: old.id().to_owned(),
        new: new.id().to_owned(),
        year,
        years,
        share: wanted.share,
        rows: rows.into_iter().map(|(_, row)| row).collect(),
        closes: pools.iter().all(|pool| pool.closes) && budget == sum,
        pools,
        rules: rules.into_iter().filter(|(_, a, b)| a + b > 0).collect(),
        candidates: proposed
            .iter()
            .take(CANDIDATES)
            .map(|candidate| Candidate {
                id: after.paid[candidate.stay].id.clone(),
                hospital: after.stays[candidate.stay].stay.hospital_name.clone(),
                group: after.stays[candidate.stay].group.clone(),
                reasons: candidate.reasons.clone(),
                loss: yuan(candidate.loss),
            })
            .collect(),
        cases: after.stays.len() as i64,
        moved,
        milliseconds,
        budget: yuan(budget),
        sum: yuan(sum),
        page: frame,
    })
}
