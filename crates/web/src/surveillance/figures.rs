//! Figures: what became of signals, how timely cards are, the search for missed reports, and the daily
//! reconciliation with the national system.

use std::collections::BTreeMap;
use std::sync::Arc;

use askama::Template;
use tongmai_engine::{Failure, Outcome, Reason};
use tongmai_http::{Answer, Asked};
use tongmai_surveillance::signal::{Measures, SignalState};
use tongmai_views::surveillance::reconcile::{self, Difference};
use tongmai_views::surveillance::{VisibleCases, predictive_value, watch_date};

use super::{Desk, Form, disease_name};
use crate::format::When;
use crate::frame::{Frame, encoded};
use crate::language::Language;
use crate::{Site, framed, render, reply};

/// Missed reports on the page.
const MISSED: usize = 50;

struct Rule {
    name: String,
    disease: String,
    signals: i64,
    answered: i64,
    confirmed: i64,
    value: String,
}

struct Missed {
    patient: String,
    disease: String,
    code: String,
    found: String,
    evidence: String,
    late: bool,
}

#[derive(Template)]
#[template(path = "surveillance/figures.html")]
struct Figures {
    page: Frame,
    l: Language,
    facts: Vec<(String, String)>,
    rules: Vec<Rule>,
    reasons: Vec<(String, i64)>,
    missed: Vec<Missed>,
    missed_total: i64,
    above: bool,
    desk: String,
    differences: Vec<(String, String)>,
    compared: bool,
    applied: i64,
    last: Option<Last>,
    list: String,
}

/// The last reconciliation.
struct Last {
    when: When,
    rows: String,
    open: i64,
}

framed!(Figures);

/// `/surveillance/figures`
pub async fn page(site: &Arc<Site>, asked: &Asked, frame: Frame) -> Outcome<Answer> {
    let built = build(site, frame).await?;
    render(asked, 200, &built)
}

async fn build(site: &Arc<Site>, frame: Frame) -> Outcome<Figures> {
    let l = frame.language;
    let shown = super::show(site, &frame, |cases, desk| {
        let (missed, positions, total) = missed(cases, l, desk);
        let last = cases.last_reconciliation().map(|it| Last {
            when: When::moment(it.written),
            rows: it.number("rows").to_string(),
            open: it.number("differences"),
        });
        ((facts(cases, l), rules(cases, l), reasons(cases, l), missed, total, desk.clone(), last), positions)
    });
    let (facts, rules, reasons, missed, missed_total, desk, last) = shown.await?;
    Ok(Figures {
        l,
        page: frame,
        facts,
        rules,
        reasons,
        missed,
        missed_total,
        above: desk.is_above(),
        desk: encoded(desk.query()),
        differences: Vec::new(),
        compared: false,
        applied: 0,
        last,
        list: String::new(),
    })
}

fn facts(cases: &VisibleCases<'_>, l: Language) -> Vec<(String, String)> {
    let signals = || cases.signals();
    let measured = Measures::of(
        signals()
            .map(|it| (it.state(), it.level().hours(), it.answered.map(|answered| answered - it.created))),
    );
    let share = |part: u64, of: u64| {
        if of == 0 {
            "–".to_owned()
        } else {
            format!("{:.1}% ({part}/{of})", 100.0 * part as f64 / of as f64)
        }
    };
    let reported: Vec<_> = cases.cards().filter(|card| card.state().is_reported()).collect();
    let in_time = reported.iter().filter(|card| card.written <= card.clock().deadline()).count() as u64;
    let minutes = measured
        .median_answer
        .map_or("–".to_owned(), |time| l.count("span-minutes", time / 60_000).into_owned());
    vec![
        (l.say("measure-signals").into_owned(), measured.signals.to_string()),
        (l.say("measure-answered").into_owned(), share(measured.answered, measured.signals)),
        (l.say("measure-in-time").into_owned(), share(measured.in_time, measured.signals)),
        (l.say("measure-median").into_owned(), minutes),
        (l.say("measure-suspected").into_owned(), share(measured.suspected, measured.signals)),
        (l.say("measure-value").into_owned(), share(measured.closed.confirmed, measured.closed.answered)),
        (l.say("measure-cards").into_owned(), cases.cards().count().to_string()),
        (l.say("measure-timely").into_owned(), share(in_time, reported.len() as u64)),
    ]
}

fn rules(cases: &VisibleCases<'_>, l: Language) -> Vec<Rule> {
    let mut by: BTreeMap<(&str, &str), (i64, i64, i64)> = BTreeMap::new();
    for signal in cases.signals() {
        let entry = by.entry((signal.item("rule"), &signal.disease)).or_default();
        entry.0 += 1;
        entry.1 += i64::from(signal.state().is_closed());
        entry.2 += i64::from(signal.state() == SignalState::Confirmed);
    }
    let rule = |((rule, disease), (signals, answered, confirmed)): ((&str, &str), (i64, i64, i64))| Rule {
        name: l.code("rule", rule).into_owned(),
        disease: disease_name(cases, l, disease),
        signals,
        answered,
        confirmed,
        value: format!("{:.0}%", 100.0 * predictive_value(cases, rule, disease, &Desk::first(cases))),
    };
    by.into_iter().map(rule).collect()
}

fn reasons(cases: &VisibleCases<'_>, l: Language) -> Vec<(String, i64)> {
    let mut by: BTreeMap<&str, i64> = BTreeMap::new();
    for signal in cases.signals().filter(|it| it.state().is_closed()) {
        *by.entry(signal.item("reason")).or_default() += 1;
    }
    by.into_iter().map(|(code, count)| (l.code("reason", code).into_owned(), count)).collect()
}

fn missed(cases: &VisibleCases<'_>, l: Language, desk: &Desk) -> (Vec<Missed>, Vec<u64>, i64) {
    let own = || cases.missed().filter(|case| !desk.is_above() && case.stratum.county == desk.county());
    let total = own().count() as i64;
    let mut found: Vec<_> = own().collect();
    found.sort_by_key(|case| std::cmp::Reverse(case.day));
    found.truncate(MISSED);
    let positions = found.iter().flat_map(|case| case.findings.iter().map(|it| it.position)).collect();
    let rows = found.into_iter().map(|case| Missed {
        patient: case.patient.clone(),
        disease: disease_name(cases, l, &case.disease),
        code: case.disease.clone(),
        found: watch_date(case.day),
        evidence: case.findings.iter().map(|it| it.evidence.as_str()).collect::<Vec<_>>().join("; "),
        late: case.is_late(),
    });
    (rows.collect(), positions, total)
}

/// `POST /surveillance/missed`: a case that the search found is reported late 补报.
pub async fn report_missed(site: &Arc<Site>, asked: &Asked) -> Outcome<Answer> {
    let form = Form::of(asked)?;
    let (patient, disease) = (form.field("patient"), form.field("disease"));
    let drafted = site.surveillance.report_missed(&site.requester, patient, disease).await?;
    if drafted == 0 {
        let what = "there is no such case without a card";
        return Err(Failure::new(Reason::Conflict, "patient", "conflict", what)
            .repair("look at the list as it is now"));
    }
    Ok(reply::see_other_at("/surveillance/cards"))
}

/// `POST /surveillance/reconcile`: the national system's list of the day beside ours; what it decided is taken over.
pub async fn reconcile(site: &Arc<Site>, asked: &Asked, frame: Frame) -> Outcome<Answer> {
    let form = Form::of(asked)?;
    let l = frame.language;
    let list = form.field("list").to_owned();
    let (rows, findings) = reconcile::read(&list);
    let mut done = site.surveillance.reconcile(&site.requester, &rows, form.field("who")).await?;
    let done = super::show(site, &frame, |cases, _| {
        done.differences.retain(|it| match it {
            Difference::MissingThere(card) | Difference::State { card, .. } => cases.card(card).is_some(),
            Difference::MissingHere(_) => true,
        });
        (done, cases.cards().map(|it| it.position).collect())
    });
    let done = done.await?;
    let mut built = build(site, frame).await?;
    built.compared = true;
    built.list = list;
    built.applied = done.applied as i64;
    let unreadable =
        findings.iter().map(|finding| (l.say("difference-unreadable").into_owned(), finding.to_string()));
    built.differences = unreadable.chain(done.differences.into_iter().map(|it| difference(l, it))).collect();
    render(asked, 200, &built)
}

fn difference(l: Language, difference: Difference) -> (String, String) {
    match difference {
        Difference::MissingThere(card) => (l.say("difference-missing-there").into_owned(), card),
        Difference::MissingHere(row) => (
            l.say("difference-missing-here").into_owned(),
            format!("{} {} {}", row.number, row.name, row.disease),
        ),
        Difference::State { card, here, there } => {
            let word = |state: &str| l.code("card-state", state).into_owned();
            (l.say("difference-state").into_owned(), format!("{card}: {} / {}", word(&here), word(&there)))
        }
    }
}
