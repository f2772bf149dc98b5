//! The discrete Poisson model: expected cases come from a population at risk.

use super::space::{Circles, Place};
use super::{
    Alive, Best, Cases, Cluster, Scan, check, give_p_values, likelihood_ratio, random::Random, separate,
};
use rayon::prelude::*;
use std::collections::BTreeMap;

/// People at risk of one stratum (age, sex …) in one place at a date.
#[derive(Debug, Clone)]
pub struct Census {
    /// Place.
    pub place: usize,
    /// Day of the count.
    pub time: f64,
    /// People.
    pub people: f64,
    /// Name of the stratum.
    pub stratum: String,
}

/// Expected cases by place and time step, standardised indirectly: each
/// stratum has the same rate everywhere and always. People between two counts
/// change linearly; before the first and after the last they stay as counted.
/// `strata` holds the stratum of every case;
/// `bounds` are the first day of every time step and the day after the last.
pub fn expected(
    places: usize,
    bounds: &[f64],
    census: &[Census],
    strata: &[String],
) -> Result<Vec<f64>, String> {
    let steps = bounds.len().saturating_sub(1);
    let mut cases: BTreeMap<&str, f64> = BTreeMap::new();
    for stratum in strata {
        *cases.entry(stratum).or_default() += 1.0;
    }
    let mut series: BTreeMap<(usize, &str), Vec<(f64, f64)>> = BTreeMap::new();
    for row in census {
        series.entry((row.place, &row.stratum)).or_default().push((row.time, row.people));
    }
    let mut person_time: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for ((place, stratum), mut counts) in series {
        counts.sort_by(|a, b| a.0.total_cmp(&b.0));
        let cells = person_time.entry(stratum).or_insert_with(|| vec![0.0; places * steps]);
        for step in 0..steps {
            cells[place * steps + step] += people_between(&counts, bounds[step], bounds[step + 1]);
        }
    }
    let mut expected = vec![0.0; places * steps];
    for (stratum, cases) in cases {
        let cells = person_time.get(stratum).ok_or(format!("no population for the stratum \"{stratum}\""))?;
        let total: f64 = cells.iter().sum();
        if total <= 0.0 {
            return Err(format!("the population of the stratum \"{stratum}\" is zero"));
        }
        for (sum, cell) in expected.iter_mut().zip(cells) {
            *sum += cases * cell / total;
        }
    }
    Ok(expected)
}

/// Integral of a piecewise linear population from `a` to `b`.
fn people_between(counts: &[(f64, f64)], a: f64, b: f64) -> f64 {
    let at = |t: f64| match counts.iter().position(|c| c.0 >= t) {
        Some(0) => counts[0].1,
        None => counts[counts.len() - 1].1,
        Some(i) => {
            let ((t0, p0), (t1, p1)) = (counts[i - 1], counts[i]);
            p0 + (p1 - p0) * (t - t0) / (t1 - t0)
        }
    };
    let mut knots = vec![a];
    knots.extend(counts.iter().map(|c| c.0).filter(|t| *t > a && *t < b));
    knots.push(b);
    knots.windows(2).map(|pair| 0.5 * (at(pair[0]) + at(pair[1])) * (pair[1] - pair[0])).sum()
}

impl Scan {
    /// Discrete Poisson scan. `expected` holds expected cases by place and step
    /// (place-major); they are scaled to the number of cases.
    pub fn poisson(&self, places: &[Place], cases: &Cases, expected: &[f64]) -> Result<Vec<Cluster>, String> {
        check(places.len(), cases)?;
        if expected.len() != places.len() * cases.steps {
            return Err("expected cases must be given for every place and time step".into());
        }
        let sum: f64 = expected.iter().sum();
        if sum.is_nan() || sum <= 0.0 || expected.iter().any(|e| e.is_nan() || *e < 0.0) {
            return Err("expected cases must be positive numbers".into());
        }
        let total = cases.cases.len() as f64;
        let expected: Vec<f64> = expected.iter().map(|e| e * total / sum).collect();
        let by_place: Vec<f64> = expected.chunks(cases.steps).map(|row| row.iter().sum()).collect();
        let circles = Circles::new(places, &by_place, self.largest_share * total, self.largest_radius);
        let model = Poisson { scan: self, circles: &circles, expected: &expected, steps: cases.steps, total };
        let mut counts = vec![0u32; expected.len()];
        for &(place, step) in &cases.cases {
            counts[place as usize * cases.steps + step as usize] += 1;
        }
        let mut clusters = separate(model.scan(&counts), &circles);
        let mut cumulative = expected.clone();
        for i in 1..cumulative.len() {
            cumulative[i] += cumulative[i - 1];
        }
        let simulated: Vec<f64> = (0..self.replications)
            .into_par_iter()
            .map(|replication| {
                let mut random = Random::new(self.seed, replication as u64);
                let mut counts = vec![0u32; cumulative.len()];
                for _ in 0..cases.cases.len() {
                    let u = (random.next() >> 11) as f64 / (1u64 << 53) as f64 * total;
                    counts[cumulative.partition_point(|c| *c <= u).min(cumulative.len() - 1)] += 1;
                }
                model.scan(&counts).iter().map(|best| best.statistic).fold(0.0, f64::max)
            })
            .collect();
        give_p_values(&mut clusters, &simulated);
        Ok(clusters)
    }
}

struct Poisson<'a> {
    scan: &'a Scan,
    circles: &'a Circles,
    expected: &'a [f64],
    steps: usize,
    total: f64,
}

impl Poisson<'_> {
    /// Best window of every centre.
    fn scan(&self, counts: &[u32]) -> Vec<Best> {
        let steps = self.steps;
        let (mut cases, mut expected) = (vec![0u32; steps], vec![0.0; steps]);
        let mut found = Vec::new();
        for centre in 0..self.circles.centres() {
            cases.fill(0);
            expected.fill(0.0);
            let mut best: Option<Best> = None;
            for (position, &place) in self.circles.ring(centre).iter().enumerate() {
                let start = place as usize * steps;
                for step in 0..steps {
                    cases[step] += counts[start + step];
                    expected[step] += self.expected[start + step];
                }
                if self.circles.closes(centre, position) {
                    self.windows(&cases, &expected, centre, position + 1, &mut best);
                }
            }
            found.extend(best);
        }
        found
    }

    fn windows(&self, cases: &[u32], expected: &[f64], centre: usize, size: usize, best: &mut Option<Best>) {
        let first_end = if self.scan.alive == Alive::Prospective { self.steps - 1 } else { 0 };
        for to in first_end..self.steps {
            let (mut c, mut e) = (0, 0.0);
            for from in (to.saturating_sub(self.scan.longest.max(1) - 1)..=to).rev() {
                c += cases[from];
                e += expected[from];
                if c < self.scan.fewest_cases || f64::from(c) <= e {
                    continue;
                }
                let statistic = likelihood_ratio(f64::from(c), e, self.total);
                if statistic > best.map_or(0.0, |b| b.statistic + 1e-9) {
                    *best = Some(Best { statistic, centre, size, window: (from, to), cases: c, expected: e });
                }
            }
        }
    }
}
