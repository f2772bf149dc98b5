//! The combined method: a seasonal regression that forgives former outbreaks,
//! and on top of it a filter that follows, week by week, how likely it is that
//! an outbreak of some size and age is under way. It answers with the
//! probability that the week holds outbreak cases, so that one threshold means
//! the same in every series, and weighs this week and the weeks before
//! together, which single-week thresholds cannot.
//!
//! The background is a negative binomial whose variance is `phi` times its
//! mean. An outbreak adds cases in the shares of [`SHARES`]; its size is one of
//! [`SIZES`] standard deviations of the background.

use crate::counts::CountDistribution;
use crate::regression::{RobustFit, Season};
use crate::series::{Point, Reason, Series};

/// Total excess of an outbreak, in standard deviations of a week's background.
pub const SIZES: [f64; 6] = [1.0, 2.0, 3.5, 5.5, 8.0, 12.0];
/// Share of an outbreak's cases in its first, second, … week: a lognormal
/// epidemic curve with median one week and logarithmic deviation one half, the
/// point-source outbreak of Noufaily et al. (2013).
pub const SHARES: [f64; 4] = [0.5, 0.417, 0.069, 0.014];

/// How much the chance of an outbreak of each age counts towards an alarm:
/// what is new counts fully, what fades hardly, so that false alarms after an
/// outbreak do not use up the budget of the next one.
pub const AGE_WEIGHTS: [f64; 4] = [1.0, 1.0, 0.3, 0.0];

/// Parameters.
#[derive(Debug, Clone)]
pub struct Combined {
    /// First and last point to test, from 1; the last year when absent.
    pub range: Option<(usize, usize)>,
    /// Most years of history that the regression uses.
    pub years: usize,
    /// Pairs of sine and cosine.
    pub harmonics: usize,
    /// Fit anew after so many points.
    pub refit_every: usize,
    /// Anscombe residual beyond which a point of the history loses weight.
    pub weights_threshold: f64,
    /// Chance that an outbreak begins in a given week.
    pub onset: f64,
    /// Alarm from this probability on.
    pub alarm: f64,
}

impl Default for Combined {
    fn default() -> Self {
        Combined {
            range: None,
            years: 12,
            harmonics: 2,
            refit_every: 1,
            weights_threshold: 2.58,
            onset: 0.02,
            // One false alarm in a hundred quiet weeks of the simulated series.
            alarm: 0.225,
        }
    }
}

const STATES: usize = SIZES.len() * SHARES.len();

/// Probabilities of the states: no outbreak, then size by age.
#[derive(Debug, Clone)]
struct Filter {
    quiet: f64,
    outbreak: [f64; STATES],
}

impl Filter {
    fn new() -> Self {
        Filter { quiet: 1.0, outbreak: [0.0; STATES] }
    }

    /// One week on: outbreaks age, new ones begin with chance `onset`.
    fn advance(&mut self, onset: f64) {
        let mut next = Filter { quiet: self.quiet * (1.0 - onset), outbreak: [0.0; STATES] };
        for size in 0..SIZES.len() {
            let ages = size * SHARES.len();
            next.outbreak[ages] = self.quiet * onset / SIZES.len() as f64;
            for age in 1..SHARES.len() {
                next.outbreak[ages + age] = self.outbreak[ages + age - 1];
            }
            next.quiet += self.outbreak[ages + SHARES.len() - 1];
        }
        *self = next;
    }

    /// Takes in a count and gives back the probability that it holds cases of a
    /// recent outbreak, weighed by [`AGE_WEIGHTS`].
    fn observe(&mut self, y: f64, mean: f64, phi: f64) -> f64 {
        let deviation = (phi * mean).sqrt();
        self.quiet *= CountDistribution::with_dispersion(mean, phi).probability(y);
        let mut total = self.quiet;
        let mut fresh = 0.0;
        for (state, chance) in self.outbreak.iter_mut().enumerate() {
            if *chance == 0.0 {
                continue;
            }
            let excess = SIZES[state / SHARES.len()] * SHARES[state % SHARES.len()] * deviation;
            let dispersion = (phi * mean + excess) / (mean + excess);
            *chance *= CountDistribution::with_dispersion(mean + excess, dispersion).probability(y);
            total += *chance;
            let weight = AGE_WEIGHTS[state % SHARES.len()];
            fresh += weight * *chance * (1.0 - (-excess).exp());
        }
        if total.is_nan() || total <= 0.0 {
            // A count that no state thinks possible is an outbreak.
            *self = Filter::new();
            return f64::from(u8::from(y > mean));
        }
        self.quiet /= total;
        for chance in &mut self.outbreak {
            *chance /= total;
        }
        fresh / total
    }
}

impl Combined {
    /// First and last monitored point.
    fn monitored(&self, series: &Series) -> (usize, usize) {
        let n = series.observed.len();
        let (first, last) = self.range.unwrap_or((n.saturating_sub(series.frequency) + 1, n));
        (first.max(1), last.min(n))
    }

    /// Monitors the range. `score` is the weighed probability that the
    /// point holds cases of a recent outbreak, `pvalue` the plain upper tail of its count.
    pub fn detect(&self, series: &Series) -> Vec<Point> {
        let (first, last) = self.monitored(series);
        let mut filter = Filter::new();
        let mut model: Option<RobustFit> = None;
        (first..=last)
            .map(|t| {
                if (t - first) % self.refit_every.max(1) == 0 {
                    model = self.fit(series, t).or(model.take());
                }
                let Some(model) = &model else {
                    return Point::without(t, Reason::NoConvergence);
                };
                filter.advance(self.onset);
                let y = series.observed[t - 1];
                if y.is_nan() {
                    return Point::without(t, Reason::NoObservation);
                }
                let mean = model.mean_at(t as f64).max(LEAST_MEAN);
                let probability = filter.observe(y, mean, model.phi);
                let background = CountDistribution::with_dispersion(mean, model.phi);
                Point {
                    upperbound: background.quantile(0.99),
                    alarm: Some(probability >= self.alarm && y > mean),
                    expected: mean,
                    score: probability,
                    pvalue: background.above(y - 1.0),
                    mu0: mean,
                    phi: model.phi,
                    ..Point::empty(t)
                }
            })
            .collect()
    }

    fn fit(&self, series: &Series, t: usize) -> Option<RobustFit> {
        let start = (t - 1).saturating_sub(self.years * series.frequency);
        let season = Season { period: series.frequency as f64, harmonics: self.harmonics, trend: true };
        season.robust_fit(start + 1, &series.observed[start..t - 1], self.weights_threshold)
    }
}

/// A background below this is taken for this: a history of zeros does not
/// make a single case certain to be an outbreak.
const LEAST_MEAN: f64 = 0.01;
