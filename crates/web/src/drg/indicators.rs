//! `/drg/indicators`: case mix, efficiency, margin and budget of hospitals, departments, groups and doctors.
//!
//! Sums only; the way down ends at the worklist. A doctor is shown case mix and quality, never money: a group's
//! standard must not become a doctor's limit.

use std::collections::BTreeMap;
use std::sync::Arc;

use askama::Template;
use tongmai_drg::indicators::{Reference, indicators};
use tongmai_drg::payment::{Decimal, yuan};
use tongmai_drg::settlement::Kind;
use tongmai_engine::{Failure, Outcome};
use tongmai_http::{Answer, Asked};
use tongmai_views::drg::desk::{Grouping, seen};
use tongmai_views::drg::{Grouped, Shelf};

use super::money::{self, Year};
use super::worklist::department;
use super::{VIEWS, date};
use crate::frame::{Frame, encoded};
use crate::language::Language;
use crate::{Site, framed, render};

/// Rows of the table.
const ROWS: usize = 60;

struct Row {
    name: String,
    /// The way down.
    address: String,
    cases: i64,
    groups: i64,
    entry: String,
    case_mix: String,
    cost_index: String,
    time_index: String,
    mean_days: String,
    mean_cost: String,
    payment: String,
    margin: String,
    loses: bool,
    outliers: i64,
    low_risk_deaths: i64,
    findings: String,
}

/// A month of the budget.
struct Month {
    name: String,
    paid: String,
    percent: i64,
}

#[derive(Template)]
#[template(path = "drg/indicators.html")]
struct Page {
    page: Frame,
    l: Language,
    views: [(&'static str, &'static str); 6],
    view: &'static str,
    by: &'static str,
    ways: [(&'static str, String); 4],
    scope: Vec<String>,
    money: bool,
    rows: Vec<Row>,
    total: Option<Row>,
    months: Vec<Month>,
    year: i64,
    years: Vec<i64>,
    budget: String,
    paid: String,
    share: i64,
    pack: String,
}

framed!(Page);

/// What is shown, and of which part.
struct Wanted {
    by: &'static str,
    hospital: String,
    department: String,
    group: String,
    year: Option<i64>,
}

const BY: [&str; 4] = ["hospital", "department", "group", "doctor"];

impl Wanted {
    fn of(frame: &Frame) -> Wanted {
        let text = |name: &str| frame.parameter(name).unwrap_or("").to_owned();
        let by = frame.parameter("by").and_then(|by| BY.into_iter().find(|known| *known == by));
        Wanted {
            by: by.unwrap_or("hospital"),
            hospital: text("hospital"),
            department: text("department"),
            group: text("group"),
            year: frame.parameter("year").and_then(|year| year.parse().ok()),
        }
    }

    fn fits(&self, grouped: &Grouped) -> bool {
        let is = |wanted: &str, found: &str| wanted.is_empty() || wanted == found;
        is(&self.hospital, &grouped.stay.hospital_name)
            && is(&self.department, &department_of(grouped))
            && is(&self.group, &grouped.group)
    }

    fn key(&self, grouped: &Grouped) -> String {
        match self.by {
            "department" => department_of(grouped),
            "group" => grouped.group.clone(),
            "doctor" => grouped.stay.doctor.clone(),
            _ => grouped.stay.hospital_name.clone(),
        }
    }

    fn address(&self, by: &str, hospital: &str, department: &str, group: &str, year: i64) -> String {
        let mut address = format!("/drg/indicators?by={by}&year={year}");
        for (name, value) in [("hospital", hospital), ("department", department), ("group", group)] {
            if !value.is_empty() {
                address.push_str(&format!("&{name}={}", encoded(value)));
            }
        }
        address
    }

    /// One step further down: from hospitals to departments to groups to the cases themselves.
    fn down(&self, key: &str, year: i64) -> String {
        match self.by {
            "hospital" => self.address("department", key, "", &self.group, year),
            "department" => self.address("group", &self.hospital, key, "", year),
            "group" => {
                let words = format!("{key} {} {}", self.hospital, self.department);
                format!("/drg?filter={}", encoded(words.trim()))
            }
            _ => String::new(),
        }
    }
}

fn department_of(grouped: &Grouped) -> String {
    department(&grouped.stay.department, &grouped.stay.hospital_name)
}

fn shown(value: Option<Decimal>, places: usize) -> String {
    value.map_or_else(|| "–".into(), |value| format!("{value:.places$}"))
}

pub async fn page(site: &Arc<Site>, asked: &Asked, frame: Frame) -> Outcome<Answer> {
    let wanted = Wanted::of(&frame);
    let page = site
        .work(move |site| super::look(site, |grouping, shelf, _| build(frame, &wanted, grouping, shelf)))
        .await??;
    let page = site.release(super::sealed(page, Vec::new())).await?.into_inner();
    render(asked, 200, &page)
}

fn build(frame: Frame, wanted: &Wanted, grouping: &Grouping, shelf: &Shelf) -> Outcome<Page> {
    let l = frame.language;
    let years = money::years(grouping);
    let year = wanted.year.or(years.first().copied()).unwrap_or(0);
    // Before the first stay is seen there is no year; the newest pack then explains what will stand here.
    let held = shelf.on(&format!("{year}-06-30")).or_else(|| shelf.all().last());
    let held = held.ok_or_else(|| Failure::not_found("a pack"))?;
    let settled = money::settled(grouping, held, year, money::SHARE)?;
    let all = settled.stays.iter().zip(&settled.settled.lines).map(|(grouped, line)| {
        let outlier = matches!(line.kind, Kind::High | Kind::HighOverShare | Kind::Low | Kind::LongStay);
        (grouped, seen(grouped, Some(held), line.payment, outlier))
    });
    let all: Vec<_> = all.collect();
    let reference = Reference::of(all.iter().map(|(_, discharge)| *discharge));
    let mut parts: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    let inside: Vec<usize> = (0..all.len()).filter(|at| wanted.fits(all[*at].0)).collect();
    for &at in &inside {
        parts.entry(wanted.key(all[at].0)).or_default().push(at);
    }
    let row = |name: String, address: String, of: &[usize]| {
        let i = indicators(of.iter().map(|at| all[*at].1), &reference);
        let cases = i64::try_from(i.cases).unwrap_or(i64::MAX);
        let findings: u32 = of.iter().map(|at| all[*at].0.findings[0] + all[*at].0.findings[1]).sum();
        Row {
            name,
            address,
            cases,
            groups: i.groups as i64,
            entry: shown(i.entry_rate().map(|rate| Decimal(rate.0 * 100)), 1),
            case_mix: shown(i.case_mix, 3),
            cost_index: shown(i.cost_index, 2),
            time_index: shown(i.time_index, 2),
            mean_days: shown(i.mean_days(), 1),
            mean_cost: yuan(i.cost / cases.max(1)),
            payment: yuan(i.payment),
            margin: yuan(i.margin()),
            loses: i.margin() < 0,
            outliers: i.outliers as i64,
            low_risk_deaths: i.low_risk.1 as i64,
            findings: format!("{:.1}", f64::from(findings) * 100.0 / i.cases.max(1) as f64),
        }
    };
    let mut rows: Vec<Row> = parts
        .iter()
        .map(|(key, of)| {
            let name = match wanted.by {
                "group" => format!("{key} {}", all[of[0]].0.name),
                _ => key.clone(),
            };
            row(name, wanted.down(key, year), of)
        })
        .collect();
    rows.sort_by_key(|row| std::cmp::Reverse(row.cases));
    rows.truncate(ROWS);
    let total = (!inside.is_empty()).then(|| row(l.say("drg-total").into_owned(), String::new(), &inside));
    let ways = BY.map(|by| (by, wanted.address(by, &wanted.hospital, &wanted.department, "", year)));
    let scope = [&wanted.hospital, &wanted.department, &wanted.group];
    let (budget, paid, months) = burn(&settled, &inside);
    Ok(Page {
        l,
        views: VIEWS,
        view: "drg-indicators",
        by: wanted.by,
        ways,
        scope: scope.into_iter().filter(|part| !part.is_empty()).cloned().collect(),
        money: wanted.by != "doctor",
        rows,
        total,
        months,
        year,
        years,
        budget,
        paid,
        share: money::SHARE,
        pack: held.id().to_owned(),
        page: frame,
    })
}

/// The budget by months: what these stays were paid, added up, as per cent of the year's budget.
fn burn(year: &Year, inside: &[usize]) -> (String, String, Vec<Month>) {
    let budget: i64 = year.settled.pools.values().filter_map(|pool| pool.budget).sum();
    let mut months: BTreeMap<String, i64> = BTreeMap::new();
    for &at in inside {
        let day = year.stays[at].stay.discharged.map_or(String::new(), date);
        *months.entry(day.get(..7).unwrap_or("").to_owned()).or_default() += year.settled.lines[at].payment;
    }
    let mut sum = 0;
    let months = months
        .into_iter()
        .map(|(name, fen)| {
            sum += fen;
            Month { name, paid: yuan(sum), percent: sum * 100 / budget.max(1) }
        })
        .collect();
    (yuan(budget), yuan(sum), months)
}
