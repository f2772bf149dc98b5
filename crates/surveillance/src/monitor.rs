//! The daily watch over a county: counts by stratum, kept as cases come, late ones too, and one
//! judgement a day over the county and the places in it.
//!
//! The background of a week is what the same weeks of former years held, scaled by how this season
//! compares with them; former outbreaks are cut to what a week could hold by chance. From there it goes
//! down: a county is expected to have its share of what the region has *now*, and a place its share of what the
//! rest of its county has now. So a season that comes early, everywhere, is no signal, while five cases in one
//! school are. Windows of three, seven and fourteen days are judged together, so that a point source is seen
//! in days and a slow one in weeks.

pub mod odds;

use crate::counts::CountDistribution;

/// Counts of one stratum by day, days without a case left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DailyCounts {
    days: Vec<(i32, u32)>,
}

impl DailyCounts {
    /// Adds cases to a day, or takes some away; the order of the days does not matter.
    pub fn add(&mut self, day: i64, cases: i32) {
        let day = day as i32;
        match self.days.binary_search_by_key(&day, |entry| entry.0) {
            Ok(at) => {
                self.days[at].1 = self.days[at].1.saturating_add_signed(cases);
                if self.days[at].1 == 0 {
                    self.days.remove(at);
                }
            }
            Err(at) if cases > 0 => self.days.insert(at, (day, cases.unsigned_abs())),
            Err(_) => {}
        }
    }

    /// Cases from one day to another, both included.
    pub fn between(&self, first: i64, last: i64) -> u32 {
        let from = self.days.partition_point(|entry| i64::from(entry.0) < first);
        self.days[from..].iter().take_while(|entry| i64::from(entry.0) <= last).map(|entry| entry.1).sum()
    }

    /// All cases.
    pub fn total(&self) -> u32 {
        self.days.iter().map(|entry| entry.1).sum()
    }

    /// Days with cases, in order.
    pub fn days(&self) -> impl Iterator<Item = (i64, u32)> {
        self.days.iter().map(|entry| (i64::from(entry.0), entry.1))
    }
}

/// What a week of a stratum holds by chance.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Background {
    /// Mean of seven days.
    pub week: f64,
    /// Variance over mean.
    pub dispersion: f64,
}

/// Settings of the watch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Watch {
    /// Most former years.
    pub years: i64,
    /// Weeks before and behind the same week of a former year.
    pub weeks_around: i64,
    /// Weeks that tell how this season compares.
    pub recent_weeks: i64,
    /// Least cases of an alarm.
    pub least_cases: u32,
    /// Least variance over mean: cases of a household come in twos.
    pub least_dispersion: f64,
    /// Relative variance of a county around its share of the region: its own waves.
    pub county_variance: f64,
    /// Relative variance of a place around its share of the county.
    pub place_variance: f64,
    /// Cases' worth of "as usual" against which what is going on now is weighed.
    pub inertia: f64,
    /// Share of cases that bring a second one in their household.
    pub household_share: f64,
    /// Days after which half of these second cases are there: within few days a place's cases are single ones.
    pub household_days: f64,
    /// How the chance that an outbreak lies in a place grows with the cases the place had in a year: 0 not at all, 1 in
    /// proportion.
    pub place_exponent: f64,
    /// Days of the rest of the county that tell its level now, at least.
    pub level_days: i64,
}

/// What a region has on a day: the counts of all its counties, and what a week of it holds by history.
#[derive(Debug, Clone, Copy)]
pub struct Region<'r> {
    /// Counts.
    pub counts: &'r DailyCounts,
    /// Mean of seven days.
    pub week: f64,
}

/// A county with more than this share of its region is its own region.
const ALONE: f64 = 0.8;
/// Own cases that a share of the year before is worth against the last weeks'.
const SHARE_INERTIA: f64 = 20.0;

impl Default for Watch {
    fn default() -> Self {
        Watch {
            years: 4,
            weeks_around: 2,
            recent_weeks: 8,
            least_cases: 2,
            least_dispersion: 1.2,
            county_variance: 0.06,
            place_variance: 0.02,
            inertia: 5.0,
            household_share: 0.1,
            household_days: 0.0,
            place_exponent: 0.0,
            level_days: 0,
        }
    }
}

/// Lengths of the windows in days.
pub const WINDOWS: [i64; 3] = [3, 7, 14];

/// What one judgement came to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Judgement {
    /// The place within the county that speaks most for an outbreak, or the county as a whole; what follows but the
    /// two chances is of this place.
    pub place: Option<usize>,
    /// Days of the window.
    pub window: i64,
    /// Cases in it.
    pub observed: u32,
    /// Expected in it.
    pub expected: f64,
    /// Overdispersion of the background.
    pub dispersion: f64,
    /// Chance of so many or more anywhere, for all windows and places together.
    pub pvalue: f64,
    /// How much likelier all that is seen, in the county and in its places, is with an outbreak that began on one
    /// of the last [`odds::ONSETS`] days than without: the sum over these days.
    pub factor: f64,
}

impl Judgement {
    /// Cases above what was expected.
    pub fn excess(&self) -> f64 {
        (f64::from(self.observed) - self.expected).max(0.0)
    }
}

impl Watch {
    /// The background of a stratum on a day; `since` is the first day of its records.
    pub fn background(&self, counts: &DailyCounts, since: i64, day: i64) -> Background {
        let mut weeks: Vec<f64> = Vec::new();
        let mut former_recent = Vec::new();
        let reach = 7 * self.recent_weeks;
        // The last two windows may hold what is being looked for.
        let recent_end = day - 14;
        for year in 1..=self.years {
            let centre = day - 364 * year;
            if centre - 7 * self.weeks_around - 6 < since {
                break;
            }
            for offset in -self.weeks_around..=self.weeks_around {
                let end = centre + 7 * offset;
                weeks.push(f64::from(counts.between(end - 6, end)));
            }
            if recent_end - 364 * year - reach + 1 >= since {
                let end = recent_end - 364 * year;
                former_recent.push(f64::from(counts.between(end - reach + 1, end)));
            }
        }
        let first = (recent_end - reach + 1).max(since);
        let recent = f64::from(counts.between(first, recent_end));
        let recent_weeks = ((recent_end - first + 1) as f64 / 7.0).max(0.0);
        if weeks.is_empty() {
            // The first year: what the last weeks held.
            let mut last = Vec::new();
            let mut end = recent_end;
            while end - 6 >= first {
                last.push(f64::from(counts.between(end - 6, end)));
                end -= 7;
            }
            let (mean, dispersion) = moments(&trimmed(&last));
            let known = recent_weeks.max(1.0);
            return Background { week: (mean * known + 0.5) / (known + 1.0), dispersion };
        }
        let (mean, dispersion) = moments(&trimmed(&weeks));
        // Half a case in all weeks looked at: what was never seen is not impossible.
        let seasonal = mean + 0.5 / (weeks.len() as f64 + recent_weeks);
        let former = trimmed(&former_recent);
        let ratio = if former.is_empty() {
            1.0
        } else {
            let usual = former.iter().sum::<f64>() / former.len() as f64;
            // Few cases tell little of a season: five cases' worth of "as usual".
            ((recent + 5.0) / (usual + 5.0)).clamp(0.25, 4.0)
        };
        Background { week: seasonal * ratio, dispersion }
    }

    /// What a region has on a day.
    pub fn region<'r>(&self, counts: &'r DailyCounts, since: i64, day: i64) -> Region<'r> {
        Region { counts, week: self.background(counts, since, day).week }
    }

    /// Share of a part in a whole: of the year before, moved by the last weeks.
    fn share(&self, part: &DailyCounts, whole: &DailyCounts, parts: f64, day: i64) -> f64 {
        let end = day - 14;
        let of = |counts: &DailyCounts, days: i64| f64::from(counts.between(end - days + 1, end));
        let year = (of(part, 364) + 0.5) / (of(whole, 364) + 0.5 * parts);
        let days = 7 * self.recent_weeks;
        let usual = year * of(whole, days);
        (year * (of(part, days) + SHARE_INERTIA) / (usual + SHARE_INERTIA)).min(1.0)
    }

    /// How what is there now compares with what is usual.
    fn now(&self, observed: f64, usual: f64) -> f64 {
        (observed + self.inertia) / (usual + self.inertia)
    }

    /// Judges a day of a county: as a whole and by part. `places` hold the counts of each place of the
    /// county, or of each of its age groups. `None` when there are too few cases for any alarm.
    pub fn judge(
        &self,
        region: &Region<'_>,
        county: &DailyCounts,
        places: &[&DailyCounts],
        since: i64,
        day: i64,
    ) -> Option<Judgement> {
        if county.between(day - WINDOWS[2] + 1, day) < self.least_cases {
            return None;
        }
        let share = self.share(county, region.counts, 2.0, day);
        let alone = share > ALONE;
        let week = if alone { self.background(county, since, day).week } else { share * region.week };
        let expected = |window: i64| {
            let usual = week * window as f64 / 7.0;
            if alone {
                return usual;
            }
            let of = |counts: &DailyCounts| f64::from(counts.between(day - window + 1, day));
            let others = (of(region.counts) - of(county)).max(0.0);
            usual * self.now(others, region.week * window as f64 / 7.0 * (1.0 - share))
        };
        let means = WINDOWS.map(expected);
        let since_onset: [f64; odds::ONSETS] = std::array::from_fn(|at| expected(at as i64 + 1));
        let variance = if alone { 2.0 * self.county_variance } else { self.county_variance };
        let spread = |mean: f64| self.least_dispersion + variance * mean;
        let own = self.best(county, means, means.map(spread), day, 1.0, None);
        let onset_spread = |days: i64, mean: f64| self.households(days) + variance * mean;
        let whole = factor(county, &since_onset, onset_spread, day);
        let mut sum = Scanned { pvalue: own.map_or(1.0, |own| own.pvalue), factors: 0.0, most: (whole, own) };
        let weights = self.weights(places, day);
        for (index, place) in places.iter().enumerate() {
            if place.between(day - WINDOWS[2] + 1, day) < self.least_cases {
                // A single case speaks for nothing; none, hardly against it.
                continue;
            }
            let share = self.share(place, county, places.len() as f64, day);
            let own = f64::from(place.between(day - 377, day - 14));
            // A share that few cases tell is uncertain itself.
            let variance = self.place_variance + 1.0 / (own + SHARE_INERTIA);
            let spread = |mean: f64| self.least_dispersion + mean * variance;
            let of_place = |days: i64, mean: f64, level_days: i64| {
                let level_days = level_days.max(days);
                let of = |counts: &DailyCounts| f64::from(counts.between(day - level_days + 1, day));
                let others = (of(county) - of(place)).max(0.0);
                let usual = mean * level_days as f64 / days as f64;
                share * mean * self.now(others, usual * (1.0 - share))
            };
            let expected = std::array::from_fn(|at| of_place(WINDOWS[at], means[at], 0));
            let found =
                self.best(place, expected, expected.map(spread), day, places.len() as f64, Some(index));
            let expected =
                std::array::from_fn(|at| of_place(at as i64 + 1, since_onset[at], self.level_days));
            let onset_spread = |days: i64, mean: f64| self.households(days) + variance * mean;
            let speaks = factor(place, &expected, onset_spread, day);
            sum.add(found, speaks, weights[index]);
        }
        sum.judgement(whole, places.is_empty())
    }

    /// Variance over mean that households make within so many days.
    fn households(&self, days: i64) -> f64 {
        1.0 + 2.0 * self.household_share * days as f64 / (days as f64 + self.household_days)
    }

    /// The chance of each place that an outbreak lies in it, all together one.
    fn weights(&self, places: &[&DailyCounts], day: i64) -> Vec<f64> {
        let cases = |place: &&DailyCounts| f64::from(place.between(day - 377, day - 14)) + 0.1;
        let weights: Vec<f64> = places.iter().map(|place| cases(place).powf(self.place_exponent)).collect();
        let sum: f64 = weights.iter().sum();
        weights.into_iter().map(|weight| weight / sum).collect()
    }

    fn best(
        &self,
        counts: &DailyCounts,
        means: [f64; WINDOWS.len()],
        dispersions: [f64; WINDOWS.len()],
        day: i64,
        tests: f64,
        place: Option<usize>,
    ) -> Option<Judgement> {
        let mut best: Option<Judgement> = None;
        for ((window, expected), dispersion) in WINDOWS.into_iter().zip(means).zip(dispersions) {
            let observed = counts.between(day - window + 1, day);
            if observed < self.least_cases {
                continue;
            }
            let chance = at_least(observed, expected, dispersion);
            // The windows overlap: they count for two.
            let pvalue = (chance * tests * 2.0).min(1.0);
            if best.is_none_or(|best| pvalue < best.pvalue) {
                best = Some(Judgement { place, window, observed, expected, dispersion, pvalue, factor: 0.0 });
            }
        }
        best
    }
}

/// What the county and its places came to, one after the other.
struct Scanned {
    /// The least p-value.
    pvalue: f64,
    /// Factors of the places, each with its chance.
    factors: f64,
    /// The stratum whose own factor is the largest.
    most: (f64, Option<Judgement>),
}

impl Scanned {
    fn add(&mut self, found: Option<Judgement>, factor: f64, weight: f64) {
        self.pvalue = self.pvalue.min(found.map_or(1.0, |found| found.pvalue));
        self.factors += weight * factor;
        if found.is_some() && (factor > self.most.0 || self.most.1.is_none()) {
            self.most = (factor, found);
        }
    }

    /// Two questions were asked, the county and its places: each has half the chance.
    fn judgement(self, whole: f64, alone: bool) -> Option<Judgement> {
        let factor = if alone { whole } else { f64::midpoint(whole, self.factors) };
        self.most.1.map(|most| Judgement { pvalue: (2.0 * self.pvalue).min(1.0), factor, ..most })
    }
}

/// The factors of a stratum over the days on which an outbreak may have begun.
fn factor(
    counts: &DailyCounts,
    expected: &[f64; odds::ONSETS],
    spread: impl Fn(i64, f64) -> f64,
    day: i64,
) -> f64 {
    let of_onset = |(at, mean): (usize, &f64)| {
        let observed = counts.between(day - at as i64, day);
        // An outbreak's first day has a case.
        if counts.between(day - at as i64, day - at as i64) == 0 {
            return 0.0;
        }
        odds::factor(observed, *mean, spread(at as i64 + 1, *mean), at + 1)
    };
    expected.iter().enumerate().map(of_onset).sum()
}

/// Up to this mean and dispersion a surplus comes in twos.
const IN_TWOS: (f64, f64) = (8.0, 1.9);

/// Chance of so many cases or more. Where few are expected, what makes counts vary by more than chance
/// is that the cases of a household come together: singles and twos, a Hermite distribution (Kemp and
/// Kemp, Biometrika 1965;52:381), whose upper end is far lighter than a negative binomial's. Where many
/// are expected it is the waves of the place: negative binomial.
fn at_least(observed: u32, mean: f64, dispersion: f64) -> f64 {
    if mean > IN_TWOS.0 || dispersion > IN_TWOS.1 {
        return CountDistribution::with_dispersion(mean, dispersion).above(f64::from(observed) - 1.0);
    }
    // Mean a + 2b, variance a + 4b.
    let twos = mean * (dispersion - 1.0).max(0.0) / 2.0;
    let singles = (mean - 2.0 * twos).max(0.0);
    let (mut before, mut last) = (0.0, (-(singles + twos)).exp());
    let mut n = 0.0;
    // The tail is summed itself: one minus the rest would lose its digits.
    let mut tail = 0.0;
    while n < f64::from(observed) + 200.0 {
        if n >= f64::from(observed) {
            tail += last;
            if last < 1e-18 * tail || last == 0.0 && before == 0.0 {
                break;
            }
        }
        let next = (singles * last + 2.0 * twos * before) / (n + 1.0);
        (before, last) = (last, next);
        n += 1.0;
    }
    tail.min(1.0)
}

/// Values above the median by more than chance and a season's slope allow are cut down to that.
fn trimmed(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let Some(median) = sorted.get(sorted.len() / 2).copied() else { return sorted };
    let most = 2.0 * median + 3.0 * median.sqrt() + 2.0;
    sorted.iter_mut().for_each(|value| *value = value.min(most));
    sorted
}

/// Mean and variance over mean, at least one.
fn moments(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    if n < 1.0 {
        return (0.0, 1.0);
    }
    let mean = values.iter().sum::<f64>() / n;
    if n < 3.0 || mean <= 0.0 {
        return (mean, 1.0);
    }
    let variance = values.iter().map(|value| (value - mean) * (value - mean)).sum::<f64>() / (n - 1.0);
    (mean, (variance / mean).max(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 20_000;

    /// `weekly` cases on the same weekday for five years.
    fn steady(weekly: i32) -> DailyCounts {
        let mut counts = DailyCounts::default();
        for week in 1..=260 {
            counts.add(DAY - 7 * week, weekly);
        }
        counts
    }

    #[test]
    fn counts_take_late_cases_and_give_back_what_was_wrong() {
        let mut counts = DailyCounts::default();
        for day in [5, 3, 5, 9] {
            counts.add(day, 1);
        }
        counts.add(9, -1);
        counts.add(8, -1);
        assert_eq!(counts.days().collect::<Vec<_>>(), [(3, 1), (5, 2)]);
        assert_eq!((counts.between(4, 9), counts.total()), (2, 3));
    }

    #[test]
    fn a_cluster_in_one_place_is_found_where_the_county_is_quiet() {
        let watch = Watch::default();
        let county = steady(10);
        let alone = |county: &DailyCounts, places: &[&DailyCounts]| {
            watch.judge(&watch.region(county, 0, DAY), county, places, 0, DAY)
        };
        let quiet = alone(&county, &[]);
        assert!(quiet.is_none_or(|found| found.pvalue > 0.05), "{quiet:?}");
        let mut places = vec![DailyCounts::default(); 20];
        for week in 1..=260 {
            for case in 0..10 {
                places[(week + 2 * case) % 20].add(DAY - 7 * week as i64, 1);
            }
        }
        let mut county = county;
        for day in [DAY - 2, DAY - 1, DAY - 1, DAY, DAY, DAY] {
            county.add(day, 1);
            places[7].add(day, 1);
        }
        let places: Vec<&DailyCounts> = places.iter().collect();
        let found = alone(&county, &places).expect("cases");
        assert_eq!((found.place, found.window), (Some(7), 3));
        assert!(found.pvalue < 0.01, "{found:?}");
    }

    #[test]
    fn what_was_never_seen_alarms_at_the_second_case() {
        let watch = Watch::default();
        let mut county = DailyCounts::default();
        county.add(DAY - 1, 1);
        assert_eq!(watch.judge(&watch.region(&county, 0, DAY), &county, &[], 0, DAY), None);
        county.add(DAY, 1);
        let found = watch.judge(&watch.region(&county, 0, DAY), &county, &[], 0, DAY).expect("two cases");
        assert!(found.pvalue < 5e-2 && found.excess() > 1.9, "{found:?}");
    }

    #[test]
    fn a_season_that_comes_everywhere_is_no_signal_and_one_county_alone_is() {
        let watch = Watch::default();
        let mut counties: Vec<DailyCounts> = (0..10).map(|_| steady(10)).collect();
        let mut region = DailyCounts::default();
        for week in 1..=260 {
            region.add(DAY - 7 * week, 100);
        }
        let judged = |region: &DailyCounts, county: &DailyCounts| {
            watch.judge(&watch.region(region, 0, DAY), county, &[], 0, DAY).map_or(1.0, |found| found.pvalue)
        };
        // Thirty where ten are usual, in every county.
        counties.iter_mut().for_each(|county| county.add(DAY, 30));
        region.add(DAY, 300);
        assert!(judged(&region, &counties[0]) > 0.05);
        counties[0].add(DAY, 60);
        region.add(DAY, 60);
        assert!(judged(&region, &counties[0]) < 0.01, "{}", judged(&region, &counties[0]));
    }

    #[test]
    fn the_tail_is_that_of_singles_and_twos() {
        // Without twos it is Poisson's: 1 - exp(-1) (1 + 1).
        assert!((at_least(2, 1.0, 1.0) - (1.0 - 2.0 * (-1.0_f64).exp())).abs() < 1e-12);
        assert!((at_least(0, 0.3, 1.2) - 1.0).abs() < 1e-12);
        // Mean 1, dispersion 1.5: a = b·… singles 0.5, twos 0.25; P(0) = exp(-0.75), P(1) = 0.5 P(0).
        let nothing = (-0.75_f64).exp();
        assert!((at_least(2, 1.0, 1.5) - (1.0 - 1.5 * nothing)).abs() < 1e-12);
        assert!(at_least(5, 0.02, 1.2) < 1e-6 && at_least(5, 0.02, 1.2) > 0.0);
    }

    #[test]
    fn a_former_outbreak_does_not_hide_the_next_one() {
        let watch = Watch::default();
        let mut county = steady(2);
        let calm = watch.background(&county, 0, DAY).week;
        county.add(DAY - 364, 60);
        let after = watch.background(&county, 0, DAY).week;
        assert!(after < 2.0 * calm, "{calm} {after}");
    }
}
