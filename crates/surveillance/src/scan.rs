//! Space–time scan statistics with cylindrical windows: the permutation model
//! (Kulldorff et al., PLoS Medicine 2005;2:e59) and the discrete Poisson model
//! (Kulldorff, J R Stat Soc A 2001;164:61), as SaTScan 10 computes them.

mod poisson;
mod random;
mod space;

pub use poisson::{Census, expected};
pub use space::{Place, great_circle_km};

use random::Random;
use rayon::prelude::*;
use space::Circles;

/// Which clusters are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alive {
    /// Only windows that last until the end: prospective.
    Prospective,
    /// All windows: retrospective.
    Retrospective,
}

/// Parameters of a scan.
#[derive(Debug, Clone, Copy)]
pub struct Scan {
    /// Prospective or retrospective.
    pub alive: Alive,
    /// Longest window in time steps.
    pub longest: usize,
    /// Largest share of all cases (permutation) or of the population (Poisson) in a circle.
    pub largest_share: f64,
    /// Largest radius in kilometres.
    pub largest_radius: Option<f64>,
    /// Fewest cases in a cluster.
    pub fewest_cases: u32,
    /// Monte Carlo replications.
    pub replications: usize,
    /// Seed of the replications.
    pub seed: u64,
}

/// Cases by place and time step.
#[derive(Debug, Clone)]
pub struct Cases {
    /// Place and time step of every case.
    pub cases: Vec<(u32, u32)>,
    /// Number of time steps.
    pub steps: usize,
}

/// A cluster.
#[derive(Debug, Clone, PartialEq)]
pub struct Cluster {
    /// Places in the circle, nearest to its centre first.
    pub places: Vec<usize>,
    /// Radius in kilometres.
    pub radius: f64,
    /// First and last time step.
    pub window: (usize, usize),
    /// Cases inside.
    pub cases: u32,
    /// Cases expected inside.
    pub expected: f64,
    /// Logarithm of the likelihood ratio.
    pub statistic: f64,
    /// Monte Carlo p-value; `NaN` without replications.
    pub p: f64,
}

/// A window that beats the others of its circle's centre.
#[derive(Debug, Clone, Copy)]
struct Best {
    statistic: f64,
    centre: usize,
    size: usize,
    window: (usize, usize),
    cases: u32,
    expected: f64,
}

/// Logarithm of the generalised likelihood ratio of `c` cases where `e` were
/// expected, of `total`; zero when there is no excess.
fn likelihood_ratio(c: f64, e: f64, total: f64) -> f64 {
    if c <= e {
        return 0.0;
    }
    let outside = if c < total { (total - c) * ((total - c) / (total - e)).ln() } else { 0.0 };
    c * (c / e).ln() + outside
}

impl Scan {
    /// Space–time permutation scan: needs no population.
    pub fn permutation(&self, places: &[Place], cases: &Cases) -> Result<Vec<Cluster>, String> {
        check(places.len(), cases)?;
        let total = cases.cases.len();
        let mut by_place = vec![0u32; places.len()];
        for &(place, _) in &cases.cases {
            by_place[place as usize] += 1;
        }
        let weights: Vec<f64> = by_place.iter().map(|&n| f64::from(n)).collect();
        let circles = Circles::new(places, &weights, self.largest_share * total as f64, self.largest_radius);
        let model = Permutation::new(self, &circles, cases, &by_place);
        let place_of: Vec<u32> = cases.cases.iter().map(|c| c.0).collect();
        let step_of: Vec<u32> = cases.cases.iter().map(|c| c.1).collect();
        let found = model.scan(&place_of, &step_of);
        let mut clusters = separate(found, &circles);
        let simulated: Vec<f64> = (0..self.replications)
            .into_par_iter()
            .map_init(
                || (model.buffers(), step_of.clone()),
                |(buffers, steps), replication| {
                    steps.copy_from_slice(&step_of);
                    let mut random = Random::new(self.seed, replication as u64);
                    model.shuffle(steps, &mut random);
                    model.largest(&place_of, steps, buffers)
                },
            )
            .collect();
        give_p_values(&mut clusters, &simulated);
        Ok(clusters)
    }
}

fn check(places: usize, cases: &Cases) -> Result<(), String> {
    if cases.cases.is_empty() {
        return Err("there are no cases".into());
    }
    if cases.cases.iter().any(|&(p, s)| p as usize >= places || s as usize >= cases.steps) {
        return Err("a case lies outside the places or the period".into());
    }
    Ok(())
}

/// The strongest cluster, then those whose circles do not overlap stronger ones.
fn separate(mut found: Vec<Best>, circles: &Circles) -> Vec<Cluster> {
    found.retain(|best| best.statistic > 0.0);
    found.sort_by(|a, b| b.statistic.total_cmp(&a.statistic).then(a.size.cmp(&b.size)));
    let mut taken = vec![false; circles.centres()];
    let mut clusters = Vec::new();
    for best in found {
        let places = circles.members(best.centre, best.size);
        if places.iter().any(|&p| taken[p]) {
            continue;
        }
        for &place in &places {
            taken[place] = true;
        }
        clusters.push(Cluster {
            radius: circles.radius(best.centre, best.size),
            places,
            window: best.window,
            cases: best.cases,
            expected: best.expected,
            statistic: best.statistic,
            p: f64::NAN,
        });
    }
    clusters
}

/// Share of replications, the data among them, with a statistic as large.
fn give_p_values(clusters: &mut [Cluster], simulated: &[f64]) {
    if simulated.is_empty() {
        return;
    }
    for cluster in clusters {
        let as_large = simulated.iter().filter(|s| **s >= cluster.statistic - 1e-9).count();
        cluster.p = (as_large + 1) as f64 / (simulated.len() + 1) as f64;
    }
}

/// The permutation model: what stays fixed over all replications.
struct Permutation<'a> {
    scan: &'a Scan,
    circles: &'a Circles,
    /// For each window that ends at the end, its number of cases; prospective scan.
    windows: Vec<Window>,
    total: f64,
    by_place: &'a [u32],
    steps: usize,
    /// Largest step that no window contains is `quiet - 1`.
    quiet: usize,
    logarithms: Vec<f64>,
}

#[derive(Debug, Clone, Copy)]
struct Window {
    from: usize,
    to: usize,
    cases: f64,
}

/// Buffers that one thread keeps from replication to replication.
struct Buffers {
    /// Cases by place and step from the first step that a window can contain.
    counts: Vec<u16>,
    touched: Vec<u32>,
    is_touched: Vec<bool>,
    /// Cases of one circle by step.
    inside: Vec<u32>,
}

impl<'a> Permutation<'a> {
    fn new(scan: &'a Scan, circles: &'a Circles, cases: &Cases, by_place: &'a [u32]) -> Self {
        let mut by_step = vec![0.0; cases.steps];
        for &(_, step) in &cases.cases {
            by_step[step as usize] += 1.0;
        }
        let longest = scan.longest.clamp(1, cases.steps);
        let mut windows = Vec::new();
        let ends = match scan.alive {
            Alive::Prospective => cases.steps - 1..cases.steps,
            Alive::Retrospective => 0..cases.steps,
        };
        for to in ends {
            let mut sum = 0.0;
            for from in (to.saturating_sub(longest - 1)..=to).rev() {
                sum += by_step[from];
                windows.push(Window { from, to, cases: sum });
            }
        }
        let quiet = match scan.alive {
            Alive::Prospective => cases.steps - longest,
            Alive::Retrospective => 0,
        };
        let logarithms = (0..=cases.cases.len()).map(|n| (n as f64).ln()).collect();
        Permutation {
            scan,
            circles,
            windows,
            total: cases.cases.len() as f64,
            by_place,
            steps: cases.steps,
            quiet,
            logarithms,
        }
    }

    fn buffers(&self) -> Buffers {
        let width = self.steps - self.quiet;
        Buffers {
            counts: vec![0; self.circles.centres() * width],
            touched: Vec::new(),
            is_touched: vec![false; self.circles.centres()],
            inside: vec![0; width],
        }
    }

    /// Deals the time steps anew. Only those inside a window matter, and they
    /// are the same in number each time: it is enough to draw their owners.
    fn shuffle(&self, steps: &mut [u32], random: &mut Random) {
        let n = steps.len();
        let mut alive: Vec<u32> = Vec::new();
        for step in steps.iter_mut() {
            if *step as usize >= self.quiet {
                alive.push(*step);
                *step = 0;
            }
        }
        if alive.len() * 4 > n {
            // Nearly all cases are inside: shuffle the whole list.
            let mut all: Vec<u32> = alive;
            all.resize(n, NOWHERE);
            for i in (1..n).rev() {
                all.swap(i, random.below(i as u32 + 1) as usize);
            }
            steps.copy_from_slice(&all);
            return;
        }
        steps.fill(NOWHERE);
        for step in alive {
            loop {
                let owner = random.below(n as u32) as usize;
                if steps[owner] == NOWHERE {
                    steps[owner] = step;
                    break;
                }
            }
        }
    }

    /// Fills the counts of the places that have cases inside a window.
    fn fill(&self, place_of: &[u32], step_of: &[u32], buffers: &mut Buffers) {
        let width = self.steps - self.quiet;
        for &place in &buffers.touched {
            let start = place as usize * width;
            buffers.counts[start..start + width].fill(0);
            buffers.is_touched[place as usize] = false;
        }
        buffers.touched.clear();
        for (&place, &step) in place_of.iter().zip(step_of) {
            if step == NOWHERE || (step as usize) < self.quiet {
                continue;
            }
            buffers.counts[place as usize * width + step as usize - self.quiet] += 1;
            if !std::mem::replace(&mut buffers.is_touched[place as usize], true) {
                buffers.touched.push(place);
            }
        }
    }

    /// Best window of every centre.
    fn scan(&self, place_of: &[u32], step_of: &[u32]) -> Vec<Best> {
        let mut buffers = self.buffers();
        self.fill(place_of, step_of, &mut buffers);
        let mut found = Vec::new();
        for centre in 0..self.circles.centres() {
            let mut best: Option<Best> = None;
            self.each_window(centre, &mut buffers, |candidate| {
                if candidate.statistic > best.map_or(0.0, |b| b.statistic + 1e-9) {
                    best = Some(candidate);
                }
            });
            found.extend(best);
        }
        found
    }

    /// Largest statistic of a replication.
    fn largest(&self, place_of: &[u32], step_of: &[u32], buffers: &mut Buffers) -> f64 {
        self.fill(place_of, step_of, buffers);
        let mut largest = 0.0_f64;
        for centre in 0..self.circles.centres() {
            self.each_window(centre, buffers, |candidate| largest = largest.max(candidate.statistic));
        }
        largest
    }

    /// Grows the circle around a centre and looks at every window in it. A circle
    /// whose last place brought no case into any window cannot be the best: it is
    /// the smaller one with a larger expectation.
    fn each_window(&self, centre: usize, buffers: &mut Buffers, mut look: impl FnMut(Best)) {
        let Buffers { counts, is_touched, inside, .. } = buffers;
        let width = inside.len();
        inside.fill(0);
        let mut in_circle = 0.0;
        let mut grown = false;
        for (position, &place) in self.circles.ring(centre).iter().enumerate() {
            let place = place as usize;
            in_circle += f64::from(self.by_place[place]);
            if is_touched[place] {
                grown = true;
                let start = place * width;
                for (sum, count) in inside.iter_mut().zip(&counts[start..start + width]) {
                    *sum += u32::from(*count);
                }
            }
            if grown && self.circles.closes(centre, position) {
                grown = false;
                self.look_at_windows(centre, position + 1, in_circle, inside, &mut look);
            }
        }
    }

    fn look_at_windows(
        &self,
        centre: usize,
        size: usize,
        in_circle: f64,
        inside: &[u32],
        look: &mut impl FnMut(Best),
    ) {
        let share = in_circle / self.total;
        let mut sum = 0u32;
        for window in &self.windows {
            // Windows come by end, each longer than the one before.
            if window.from == window.to {
                sum = 0;
            }
            sum += inside[window.from - self.quiet];
            let expected = share * window.cases;
            if sum < self.scan.fewest_cases || f64::from(sum) <= expected {
                continue;
            }
            let statistic = self.statistic(sum, expected);
            look(Best { statistic, centre, size, window: (window.from, window.to), cases: sum, expected });
        }
    }

    fn statistic(&self, cases: u32, expected: f64) -> f64 {
        let c = f64::from(cases);
        let inside = c * (self.logarithms[cases as usize] - expected.ln());
        let rest = self.total - c;
        if rest <= 0.0 {
            return inside;
        }
        inside + rest * (self.logarithms[rest as usize] - (self.total - expected).ln())
    }
}

/// Step of a case that lies outside every window.
const NOWHERE: u32 = u32::MAX;
