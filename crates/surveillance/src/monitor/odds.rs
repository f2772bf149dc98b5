//! How much likelier what is seen is if a small outbreak began in the last days than if nothing did: the Bayes
//! factor of a scan over places and days of onset (after Neill, Moore and Cooper, NIPS 2005;18:1003). Unlike a
//! p-value with Bonferroni's correction it weighs a count by how outbreaks look, and many places share their
//! chance instead of each paying for all.

use std::sync::LazyLock;

use super::at_least;
use crate::counts::CountDistribution;

/// Days ago, at most, on which an outbreak that is looked for began.
pub const ONSETS: usize = 10;
/// Cases of an outbreak, at most.
const LARGEST: usize = 60;
/// Median and logarithmic deviation of the size of an outbreak; below three cases it is none.
const SIZE: (f64, f64) = (5.0, 0.7);
const SMALLEST: usize = 3;
/// Days within which the cases of an outbreak come in, each as likely.
const SPANS: [f64; 5] = [2.0, 3.0, 4.0, 5.0, 7.0];

/// Chance of `j` cases up to the w-th day of an outbreak, by w - 1 and j.
static ARRIVED: LazyLock<Vec<Vec<f64>>> = LazyLock::new(|| {
    let weight = |size: usize| {
        let z = ((size as f64 / SIZE.0).ln()) / SIZE.1;
        (-0.5 * z * z).exp() / size as f64
    };
    let whole: f64 = (SMALLEST..=LARGEST).map(weight).sum();
    (1..=ONSETS)
        .map(|day| {
            let mut chances = vec![0.0; LARGEST + 1];
            for size in SMALLEST..=LARGEST {
                for span in SPANS {
                    let part = (day as f64 / span).min(1.0);
                    let share = weight(size) / whole / SPANS.len() as f64;
                    // The first case is the outbreak's first day; the others are there with the chance `part`.
                    for (others, chance) in binomial(size - 1, part).into_iter().enumerate() {
                        chances[others + 1] += share * chance;
                    }
                }
            }
            chances
        })
        .collect()
});

fn binomial(n: usize, part: f64) -> Vec<f64> {
    if part >= 1.0 {
        return (0..=n).map(|k| f64::from(u8::from(k == n))).collect();
    }
    let mut chance = (1.0 - part).powi(n as i32);
    (0..=n)
        .map(|k| {
            let now = chance;
            chance *= (n - k) as f64 / (k + 1) as f64 * part / (1.0 - part);
            now
        })
        .collect()
}

/// The Bayes factor of an outbreak that began `day` days ago (1 is today), `observed` cases since then.
pub fn factor(observed: u32, mean: f64, dispersion: f64, day: usize) -> f64 {
    let arrived = &ARRIVED[day.clamp(1, ONSETS) - 1];
    let null = |cases: u32| probability(cases, mean, dispersion);
    let nothing = null(observed);
    if nothing <= 0.0 {
        // So many are beyond what the background can hold at all.
        return 1e12;
    }
    let most = (observed as usize).min(LARGEST);
    let with: f64 = (1..=most).map(|j| arrived[j] * null(observed - j as u32)).sum();
    (with / nothing).min(1e12)
}

/// Chance of exactly so many cases of the background, as [`at_least`] has it.
fn probability(observed: u32, mean: f64, dispersion: f64) -> f64 {
    if mean > super::IN_TWOS.0 || dispersion > super::IN_TWOS.1 {
        return CountDistribution::with_dispersion(mean, dispersion).probability(f64::from(observed));
    }
    (at_least(observed, mean, dispersion) - at_least(observed + 1, mean, dispersion)).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chances_of_arrival_sum_to_one() {
        for (day, chances) in ARRIVED.iter().enumerate() {
            let whole: f64 = chances.iter().sum();
            assert!((whole - 1.0).abs() < 1e-9, "day {day}: {whole}");
            assert!(chances[0] == 0.0);
        }
    }

    #[test]
    fn a_cluster_speaks_for_an_outbreak_and_the_usual_against() {
        assert!(factor(4, 0.1, 1.2, 3) > 100.0);
        assert!(factor(5, 5.0, 1.2, 3) < 2.0);
        assert!(factor(0, 1.0, 1.2, 3) == 0.0);
        assert!(factor(4, 0.1, 1.2, 3) > factor(4, 1.0, 1.2, 3));
        assert!(factor(500, 0.1, 1.2, 3).is_finite());
    }
}
