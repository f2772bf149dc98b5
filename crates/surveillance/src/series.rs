//! A series of counts, and what makes a point impossible to test.

use std::fmt;
use tongmai_base::Finding;

/// Largest count believed; a larger one is taken for a slip and treated as missing.
pub const LARGEST_COUNT: f64 = 1e9;
/// Longest series accepted, in points.
pub const LONGEST_SERIES: usize = 100_000;

/// Counts at equal steps in time.
#[derive(Debug, Clone, Default)]
pub struct Series {
    /// Counts; `NaN` is a missing one.
    pub observed: Vec<f64>,
    /// Population at risk or another denominator; one value a point.
    pub population: Vec<f64>,
    /// Points in a year: 52, 12 or 365.
    pub frequency: usize,
    /// Number of the first point within its year, from 1.
    pub start_period: usize,
    /// Days since 1970-01-01 of every point, when the series has dates.
    pub dates: Option<Vec<i64>>,
}

/// Why a point has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The count of this point is missing.
    NoObservation,
    /// The baseline reaches back before the first point.
    TooLittleHistory,
    /// A count that the method needs is missing.
    MissingBaseline,
    /// Fewer recent cases than the method asks for (`limit54`).
    TooFewRecentCases,
    /// The model did not converge, as for a history of zeros only.
    NoConvergence,
    /// The baseline does not vary, so that nothing can be standardised.
    NoVariation,
    /// The threshold is not a number, or infinite.
    NoThreshold,
}

impl Reason {
    /// Stable code.
    pub fn code(self) -> &'static str {
        match self {
            Reason::NoObservation => "no-observation",
            Reason::TooLittleHistory => "too-little-history",
            Reason::MissingBaseline => "missing-baseline",
            Reason::TooFewRecentCases => "too-few-recent-cases",
            Reason::NoConvergence => "no-convergence",
            Reason::NoVariation => "no-variation",
            Reason::NoThreshold => "no-threshold",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Reason::NoObservation => "the count of this point is missing",
            Reason::TooLittleHistory => "the baseline reaches back before the first point",
            Reason::MissingBaseline => "a count of the baseline is missing",
            Reason::TooFewRecentCases => "too few cases in the last weeks",
            Reason::NoConvergence => "the model did not converge, as with a history of zeros",
            Reason::NoVariation => "the baseline does not vary",
            Reason::NoThreshold => "no finite threshold could be computed",
        })
    }
}

/// What a method says of one point. A number that the method does not give is `NaN`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// Number of the point, from 1.
    pub t: usize,
    /// Threshold, in cases or in the method's own statistic.
    pub upperbound: f64,
    /// Alarm; `None` when the point cannot be judged.
    pub alarm: Option<bool>,
    /// Expected count.
    pub expected: f64,
    /// Exceedance score: 1 at the threshold.
    pub score: f64,
    /// 1 when a time trend is in the model, 0 when not.
    pub trend: f64,
    /// Probability of a count at least as large.
    pub pvalue: f64,
    /// Mean of the predictive distribution.
    pub mu0: f64,
    /// Dispersion of the counts, at least 1.
    pub phi: f64,
    /// Why there is no alarm value or no threshold.
    pub reason: Option<Reason>,
}

impl Point {
    /// A point with nothing known yet.
    pub fn empty(t: usize) -> Self {
        let nan = f64::NAN;
        Point {
            t,
            upperbound: nan,
            alarm: None,
            expected: nan,
            score: nan,
            trend: nan,
            pvalue: nan,
            mu0: nan,
            phi: nan,
            reason: None,
        }
    }

    /// A point that cannot be judged.
    pub fn without(t: usize, reason: Reason) -> Self {
        Point { reason: Some(reason), ..Point::empty(t) }
    }

    /// A point judged by its threshold alone.
    pub fn judged(t: usize, upperbound: f64, alarm: bool) -> Self {
        Point { upperbound, alarm: Some(alarm), ..Point::empty(t) }
    }
}

/// The last half year of a series, as numbers from 1: the points that a method
/// monitors whose baseline is everything before the first monitored point.
pub fn last_half_year(series: &Series) -> (usize, usize) {
    let n = series.observed.len();
    (n.saturating_sub((series.frequency / 2).max(1)) + 1, n)
}

/// One row as it was read: the point's number, the count, the denominator.
#[derive(Debug, Clone, Copy)]
pub struct RawRow {
    /// Number of the point, from 1.
    pub t: i64,
    /// The count as read; `NaN` when it was missing or no number.
    pub observed: f64,
    /// The denominator as read; `NaN` when missing.
    pub population: f64,
    /// Day since 1970-01-01 if the row has a date.
    pub day: Option<i64>,
    /// Number of the point within its year.
    pub period: Option<usize>,
}

/// Orders rows, fills gaps with missing counts, and turns what cannot be a
/// count into a missing one, with a finding for each repair.
pub fn clean(name: &str, rows: &mut Vec<RawRow>, frequency: usize) -> (Series, Vec<Finding>) {
    let mut findings = Vec::new();
    rows.sort_by_key(|row| row.t);
    rows.retain(|row| {
        let usable = row.t >= 1 && row.t as u64 <= LONGEST_SERIES as u64;
        if !usable {
            findings.push(Finding::error(
                format!("{name} t={}", row.t),
                "bad-time",
                "the number of the point is not between 1 and the limit; the row is left out",
            ));
        }
        usable
    });
    let length = rows.last().map_or(0, |row| row.t as usize);
    let mut series = Series {
        observed: vec![f64::NAN; length],
        population: vec![f64::NAN; length],
        frequency: frequency.max(1),
        start_period: 1,
        dates: None,
    };
    let mut days = vec![None; length];
    let mut seen = vec![false; length];
    for row in rows.iter() {
        let index = row.t as usize - 1;
        let at = || format!("{name} t={}", row.t);
        if std::mem::replace(&mut seen[index], true) {
            findings.push(Finding::warning(
                at(),
                "double-point",
                "a second row for this point; the first one counts",
            ));
            continue;
        }
        series.observed[index] = believable(row.observed, &at, &mut findings);
        series.population[index] = row.population;
        days[index] = row.day;
        if row.period == Some(53) && frequency == 52 && row.day.is_none() {
            findings.push(Finding::warning(
                at(),
                "week-53",
                "week 53 in a series without dates: weeks are matched by position, and drift by one",
            ));
        }
        if let (Some(period), true) = (row.period, index == 0) {
            series.start_period = period;
        }
    }
    for (index, _) in seen.iter().enumerate().filter(|(_, seen)| !**seen) {
        findings.push(Finding::warning(
            format!("{name} t={}", index + 1),
            "gap",
            "no row for this point; its count is taken as missing, not as zero",
        ));
    }
    fill_population(&mut series.population);
    series.dates = regular_dates(&days, name, &mut findings);
    (series, findings)
}

fn believable(count: f64, at: &impl Fn() -> String, findings: &mut Vec<Finding>) -> f64 {
    let (code, message) = if count.is_nan() {
        ("missing-count", "the count is missing or no number")
    } else if count < 0.0 {
        ("negative-count", "a negative count; taken as missing")
    } else if count > LARGEST_COUNT {
        ("absurd-count", "a count beyond belief; taken as missing")
    } else if count.fract() != 0.0 {
        ("fractional-count", "a count that is not whole; taken as missing")
    } else {
        return count;
    };
    findings.push(Finding::warning(at(), code, message));
    f64::NAN
}

/// Carries the last known denominator over gaps; 1 when there is none.
fn fill_population(population: &mut [f64]) {
    let mut last = population.iter().copied().find(|p| p.is_finite() && *p > 0.0).unwrap_or(1.0);
    for value in population {
        if value.is_finite() && *value > 0.0 {
            last = *value;
        } else {
            *value = last;
        }
    }
}

/// The dates when every point has one at a constant step, filling the gaps.
fn regular_dates(days: &[Option<i64>], name: &str, findings: &mut Vec<Finding>) -> Option<Vec<i64>> {
    let known: Vec<(usize, i64)> =
        days.iter().enumerate().filter_map(|(i, day)| Some((i, (*day)?))).collect();
    let (&(first, day), rest) = known.split_first()?;
    let step = rest.first().map(|&(i, later)| (later - day) as f64 / (i - first) as f64)?;
    let mut dates = Vec::with_capacity(days.len());
    for (i, given) in days.iter().enumerate() {
        let guess = day + (step * (i as f64 - first as f64)).round() as i64;
        dates.push(given.unwrap_or(guess));
    }
    if dates.windows(2).any(|pair| pair[1] <= pair[0]) {
        findings.push(Finding::warning(name, "dates-not-rising", "the dates do not rise; they are not used"));
        return None;
    }
    Some(dates)
}
