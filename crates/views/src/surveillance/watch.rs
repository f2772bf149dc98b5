//! The watch: judges what changed, and raises signals with their evidence packet.

use std::collections::BTreeMap;

use tongmai_base::time::civil_from_days;
use tongmai_engine::Outcome;
use tongmai_store::Seq;
use tongmai_surveillance::control::{
    LEAST_CHANCE, Outcomes, PRIOR, Promise, false_discovery, learnt_predictive_value,
};
use tongmai_surveillance::monitor::{DailyCounts, Judgement, Watch};
use tongmai_surveillance::signal::{Level, SignalState};

use super::Surveillance;
use super::cases::{AGES, ALL_AGES, Cases, Stratum};
use super::fact::day_of;
use super::task::{Items, Signal};
use super::work::stable_id;

/// Days for which a signal stands for its place and disease: no second one is raised.
const STANDS: i64 = 14;
/// Signals that one run may raise for each county, single cases of class A apart.
const BUDGET: usize = 3;
/// Confirmed signals of which no disease has more: beyond what they could make of a factor nothing is looked up.
const MANY: f64 = 60.0;
/// References to cases in an evidence packet.
const PACKET: usize = 50;

/// What was judged today, so that all tests of a day share one false discovery rate.
#[derive(Debug, Default)]
pub struct Run {
    day: i64,
    position: Seq,
    judged: BTreeMap<(String, String), Judgement>,
}

impl Run {
    /// Diseases and counties that were judged on the day of the run.
    pub fn judged(&self) -> usize {
        self.judged.len()
    }
}

/// A day as it is written.
pub fn date_of(day: i64) -> String {
    let (year, month, day) = civil_from_days(day);
    format!("{year:04}-{month:02}-{day:02}")
}

/// What became of the signals of a rule for a disease, in a county and everywhere.
pub fn outcomes(cases: &Cases, rule: &str, disease: &str, county: &str) -> (Outcomes, Outcomes) {
    let (mut here, mut everywhere) = (Outcomes::default(), Outcomes::default());
    for signal in cases.signals().filter(|signal| signal.item("rule") == rule && signal.state().is_closed()) {
        let confirmed = signal.state() == SignalState::Confirmed;
        everywhere.record(confirmed);
        if signal.disease == disease && signal.item("county") == county {
            here.record(confirmed);
        }
    }
    (here, everywhere)
}

/// The predictive value that was learnt for a rule.
pub fn predictive_value(cases: &Cases, rule: &str, disease: &str, county: &str) -> f64 {
    let (here, everywhere) = outcomes(cases, rule, disease, county);
    learnt_predictive_value(here, everywhere, PRIOR.0, PRIOR.1)
}

/// What the cluster signals of a disease promised, and what became of them.
fn promise(cases: &Cases, disease: &str) -> Promise {
    let mut promise = Promise::default();
    let closed =
        |it: &&Signal| it.item("rule") == "cluster" && it.disease == disease && it.state().is_closed();
    for signal in cases.signals().filter(closed) {
        promise.record(signal.number("chance").unwrap_or(PRIOR.0), signal.state() == SignalState::Confirmed);
    }
    promise
}

impl Surveillance {
    /// Judges the strata that changed since the last run and writes the signals that are due.
    pub(super) async fn raise(&self) -> Outcome<usize> {
        let today = self.today();
        let now = self.engine.now();
        let signals = self.running.now(&self.engine, |cases, position| {
            let mut due = single_cases(cases, now);
            due.extend(self.clusters(cases, position, today, now));
            due
        })?;
        let mut raised = 0;
        for signal in signals {
            raised += usize::from(self.put_once(&signal.to_task()).await?);
        }
        Ok(raised)
    }

    fn clusters(&self, cases: &Cases, position: Seq, today: i64, now: i64) -> Vec<Signal> {
        let mut run = self.last_run();
        if run.day != today {
            // A new day: everything is judged anew.
            *run = Run { day: today, ..Run::default() };
        }
        let since = cases.since().unwrap_or(today);
        for (disease, county) in cases.touched_since(run.position) {
            let judged = judge(cases, &disease, &county, since, today);
            let key = (disease, county);
            match judged {
                Some(judged) => drop(run.judged.insert(key, judged)),
                None => drop(run.judged.remove(&key)),
            }
        }
        run.position = position;
        let tests = run.judged.len().max(cases.rules().pack.on(today).count() * cases.counties().len());
        let mut pvalues: Vec<f64> = run.judged.values().map(|judged| judged.pvalue).collect();
        pvalues.resize(tests.max(pvalues.len()), 1.0);
        let qvalues = false_discovery(&pvalues);
        let mut due: Vec<Signal> = Vec::new();
        let best = Promise { confirmed: MANY, promised: 0.0 };
        for (((disease, county), judged), q) in run.judged.iter().zip(&qvalues) {
            // Most are far from it: what became of former signals is looked up for the others.
            if best.chance(judged.factor) < LEAST_CHANCE {
                continue;
            }
            let chance = promise(cases, disease).chance(judged.factor);
            if chance < LEAST_CHANCE || stands(cases, disease, county, judged, today) {
                continue;
            }
            due.push(signal(cases, disease, county, judged, (*q, chance), now));
        }
        due.sort_by(|a, b| b.number("excess").unwrap_or(0.0).total_cmp(&a.number("excess").unwrap_or(0.0)));
        due.truncate(BUDGET * cases.counties().len().max(1));
        due
    }
}

/// Townships, age groups, and men and women of each age group, of a county with the counts of a disease.
pub fn parts<'c>(cases: &'c Cases, disease: &str, county: &str) -> Vec<(&'c Stratum, &'c DailyCounts)> {
    let own = |it: &Stratum| it.county == county && (!it.town.is_empty() || it.age != ALL_AGES);
    cases.strata(disease).filter(|entry| own(entry.0)).collect()
}

fn judge(cases: &Cases, disease: &str, county: &str, since: i64, today: i64) -> Option<Judgement> {
    let counts = cases.counts(disease, &Stratum::county(county))?;
    let parts: Vec<&DailyCounts> = parts(cases, disease, county).into_iter().map(|entry| entry.1).collect();
    let watch = Watch::default();
    let mut region = DailyCounts::default();
    for other in cases.counties() {
        let counts = cases.counts(disease, &Stratum::county(other)).into_iter().flat_map(DailyCounts::days);
        counts.for_each(|(day, count)| region.add(day, count.cast_signed()));
    }
    watch.judge(&watch.region(&region, since, today), counts, &parts, since, today)
}

/// The township, age group and sex that a judgement points to; all of the county when it points to none.
fn pointed_to(cases: &Cases, disease: &str, county: &str, judged: &Judgement) -> Stratum {
    let part = judged.place.and_then(|place| parts(cases, disease, county).get(place).map(|it| it.0.clone()));
    part.unwrap_or_else(|| Stratum::county(county))
}

fn age_name(age: u8) -> &'static str {
    AGES.get(usize::from(age)).map_or("", |band| band.1)
}

/// Whether a signal for a disease was raised lately, whatever became of it, for the same part of a county, or for
/// the county as a whole.
fn stands(cases: &Cases, disease: &str, county: &str, judged: &Judgement, today: i64) -> bool {
    let part = pointed_to(cases, disease, county, judged);
    let own = [part.town.as_str(), age_name(part.age), part.sex.as_str()];
    cases.signals().any(|signal| {
        let other = [signal.item("town"), signal.item("age"), signal.item("sex")];
        let whole = |of: &[&str; 3]| of.iter().all(|text| text.is_empty());
        signal.disease == disease
            && signal.item("county") == county
            && today - day_of(signal.created) < STANDS
            && (own == other || whole(&own) || whole(&other) || signal.item("rule") != "cluster")
    })
}

/// Cards of class A, managed as such, or unexplained: one is an alarm.
fn single_cases(cases: &Cases, now: i64) -> Vec<Signal> {
    let known: std::collections::BTreeSet<&str> = cases.signals().map(|signal| signal.id.as_str()).collect();
    let due = cases.class_a().filter_map(|card| {
        let id = format!("signal-{}", stable_id(&["single", &card.id]));
        if known.contains(id.as_str()) || card.state == "withdrawn" {
            return None;
        }
        let value = predictive_value(cases, "single-case", &card.disease, card.item("county"));
        let mut items = Items::new();
        let pairs = [
            ("rule", "single-case".to_owned()),
            ("level", Level::Red.code().to_owned()),
            ("county", card.item("county").to_owned()),
            ("town", card.item("town").to_owned()),
            ("day", card.item("found-on").to_owned()),
            ("observed", "1".to_owned()),
            ("predictive-value", format!("{value:.3}")),
        ];
        items.extend(pairs.into_iter().map(|(code, text)| (code.to_owned(), text)));
        items.extend(similar(cases, "single-case", &card.disease));
        Some(Signal {
            id,
            version: 1,
            disease: card.disease.clone(),
            state: SignalState::Open.code().to_owned(),
            created: now,
            written: now,
            answered: None,
            items,
            evidence: vec![format!("Task/{}", card.id)],
            notes: Vec::new(),
            position: 0,
        })
    });
    due.collect()
}

/// What became of similar signals.
fn similar(cases: &Cases, rule: &str, disease: &str) -> Items {
    let mut closed = Outcomes::default();
    let of = cases.signals().filter(|it| it.item("rule") == rule && it.disease == disease);
    for signal in of.filter(|it| it.state().is_closed()) {
        closed.record(signal.state() == SignalState::Confirmed);
    }
    let pairs = [("similar-answered", closed.answered), ("similar-confirmed", closed.confirmed)];
    pairs.into_iter().map(|(code, number)| (code.to_owned(), number.to_string())).collect()
}

fn signal(
    cases: &Cases,
    disease: &str,
    county: &str,
    judged: &Judgement,
    (qvalue, chance): (f64, f64),
    now: i64,
) -> Signal {
    let today = day_of(now);
    let part = pointed_to(cases, disease, county, judged);
    let (town, age, sex) = (part.town.as_str(), part.age, part.sex.as_str());
    let level = Level::judged(false, judged.excess(), chance);
    let pairs = [
        ("rule", "cluster".to_owned()),
        ("level", level.code().to_owned()),
        ("county", county.to_owned()),
        ("town", town.to_owned()),
        ("age", age_name(age).to_owned()),
        ("sex", sex.to_owned()),
        ("day", date_of(today)),
        ("window", judged.window.to_string()),
        ("observed", judged.observed.to_string()),
        ("expected", format!("{:.2}", judged.expected)),
        ("excess", format!("{:.2}", judged.excess())),
        ("dispersion", format!("{:.2}", judged.dispersion)),
        ("pvalue", format!("{:.2e}", judged.pvalue)),
        ("qvalue", format!("{qvalue:.2e}")),
        ("factor", format!("{:.1}", judged.factor)),
        ("chance", format!("{chance:.3}")),
        ("predictive-value", format!("{chance:.3}")),
    ];
    let mut items: Items = pairs.into_iter().map(|(code, text)| (code.to_owned(), text)).collect();
    items.extend(similar(cases, "cluster", disease));
    let in_window = |day: i64| (today - judged.window + 1..=today).contains(&day);
    let of = cases.cases().filter(|case| {
        case.disease == disease
            && case.stratum.county == county
            && in_window(case.day)
            && (town.is_empty() || case.stratum.town == town)
            && (age == ALL_AGES || case.stratum.age == age)
            && (sex.is_empty() || case.stratum.sex == sex)
    });
    let evidence = of.take(PACKET).map(|case| {
        let card = cases.card_for(std::slice::from_ref(&case.patient), disease, case.day);
        card.map_or_else(|| case.findings[0].source.clone(), |card| format!("Task/{}", card.id))
    });
    Signal {
        id: format!(
            "signal-{}",
            stable_id(&["cluster", disease, county, town, age_name(age), sex, &date_of(today)])
        ),
        version: 1,
        disease: disease.to_owned(),
        state: SignalState::Open.code().to_owned(),
        created: now,
        written: now,
        answered: None,
        items,
        evidence: evidence.collect(),
        notes: Vec::new(),
        position: 0,
    }
}
