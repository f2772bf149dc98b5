//! Distributions of counts with R's conventions: Poisson, and the negative
//! binomial with `size` and `prob`.

use crate::special::{beta_inc, gamma_pq, ln_poisson, normal_cdf};
use libm::lgamma;

/// Up to this mean a quantile is found by summing probabilities.
const SUMMED_MEAN: f64 = 2_000.0;
/// Beyond this mean a count is taken for continuous: gamma or normal.
const CONTINUOUS_MEAN: f64 = 1e9;

/// A distribution of counts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum CountDistribution {
    /// Poisson with this mean.
    Poisson(f64),
    /// Negative binomial: mean `size · excess`, variance `mean · (1 + excess)`;
    /// R's `prob` is `1 / (1 + excess)`.
    NegativeBinomial {
        /// R's `size`.
        size: f64,
        /// The variance-to-mean ratio less one.
        excess: f64,
    },
}

impl CountDistribution {
    /// A distribution of `mean` whose variance is `dispersion` times the mean;
    /// Poisson when the dispersion is at most one.
    pub fn with_dispersion(mean: f64, dispersion: f64) -> Self {
        if dispersion > 1.0 {
            let excess = dispersion - 1.0;
            CountDistribution::NegativeBinomial { size: mean / excess, excess }
        } else {
            CountDistribution::Poisson(mean)
        }
    }

    fn mean(self) -> f64 {
        match self {
            CountDistribution::Poisson(mean) => mean,
            CountDistribution::NegativeBinomial { size, excess } => size * excess,
        }
    }

    fn standard_deviation(self) -> f64 {
        match self {
            CountDistribution::Poisson(mean) => mean.sqrt(),
            CountDistribution::NegativeBinomial { size, excess } => (size * excess * (1.0 + excess)).sqrt(),
        }
    }

    /// Probability of exactly `k`.
    pub fn probability(self, k: f64) -> f64 {
        match self {
            CountDistribution::Poisson(0.0) => f64::from(u8::from(k == 0.0)),
            CountDistribution::Poisson(mean) => ln_poisson(k, mean).exp(),
            CountDistribution::NegativeBinomial { size: 0.0, .. } => f64::from(u8::from(k == 0.0)),
            CountDistribution::NegativeBinomial { size, excess } => {
                // Γ(size + k) / Γ(size) loses digits for a large size; a product does not.
                let ratio = if k <= 64.0 {
                    (0..k as u32).map(|i| (size + f64::from(i)).ln()).sum()
                } else {
                    lgamma(size + k) - lgamma(size)
                };
                (ratio - lgamma(k + 1.0) - size * excess.ln_1p() + k * (excess / (1.0 + excess)).ln()).exp()
            }
        }
    }

    /// Ratio of the probabilities of `k + 1` and `k`.
    fn step(self, k: f64) -> f64 {
        match self {
            CountDistribution::Poisson(mean) => mean / (k + 1.0),
            CountDistribution::NegativeBinomial { size, excess } => {
                (size + k) / (k + 1.0) * (excess / (1.0 + excess))
            }
        }
    }

    /// Lower and upper tail of the continuous limit for very large means.
    fn continuous(self, k: f64) -> (f64, f64) {
        match self {
            CountDistribution::NegativeBinomial { size, excess } if size < 1e9 => gamma_pq(size, k / excess),
            _ => {
                let z = (k - self.mean()) / self.standard_deviation();
                (normal_cdf(z), normal_cdf(-z))
            }
        }
    }

    /// Probability of a count above `k` (R's `lower.tail = FALSE`).
    pub fn above(self, k: f64) -> f64 {
        if k < 0.0 {
            return 1.0;
        }
        match self {
            _ if self.mean() > CONTINUOUS_MEAN => self.continuous(k).1,
            CountDistribution::Poisson(mean) => gamma_pq(k + 1.0, mean).0,
            CountDistribution::NegativeBinomial { size: 0.0, .. } => 0.0,
            CountDistribution::NegativeBinomial { size, excess } => {
                beta_inc(k + 1.0, size, excess / (1.0 + excess), 1.0 / (1.0 + excess))
            }
        }
    }

    /// Probability of a count of `k` or less.
    pub fn up_to(self, k: f64) -> f64 {
        if k < 0.0 {
            return 0.0;
        }
        match self {
            _ if self.mean() > CONTINUOUS_MEAN => self.continuous(k).0,
            CountDistribution::Poisson(mean) => gamma_pq(k + 1.0, mean).1,
            CountDistribution::NegativeBinomial { size: 0.0, .. } => 1.0,
            CountDistribution::NegativeBinomial { size, excess } => {
                beta_inc(size, k + 1.0, 1.0 / (1.0 + excess), excess / (1.0 + excess))
            }
        }
    }

    /// Smallest count whose distribution function reaches `p`, with the small
    /// tolerance that R allows at a jump.
    pub fn quantile(self, p: f64) -> f64 {
        if p.is_nan() || self.mean().is_nan() {
            return f64::NAN;
        }
        if p >= 1.0 {
            return f64::INFINITY;
        }
        let target = p * (1.0 - 8.0 * f64::EPSILON);
        if self.mean() > SUMMED_MEAN {
            return self.bisect(target);
        }
        let mut k = 0.0;
        let mut probability = self.probability(0.0);
        let mut sum = probability;
        if probability < 1e-280 {
            // Too far from zero to sum from there: start well below the mean.
            k = (self.mean() - 8.0 * self.standard_deviation()).floor().max(0.0);
            sum = self.up_to(k);
            probability = self.probability(k);
            if sum >= target {
                return self.bisect(target);
            }
        }
        while sum < target && (k < self.mean() || probability > 1e-300) {
            probability *= self.step(k);
            k += 1.0;
            sum += probability;
        }
        k
    }

    /// The quantile by halving an interval; beyond counts that can be told
    /// apart it is as coarse as the number itself.
    fn bisect(self, target: f64) -> f64 {
        let mut high = (self.mean() + self.standard_deviation()).ceil();
        let mut low = -1.0;
        while self.up_to(high) < target {
            low = high;
            high *= 2.0;
            if high.is_infinite() {
                return high;
            }
        }
        while high - low > 1.0 {
            let middle = (low + (high - low) / 2.0).floor();
            if middle <= low || middle >= high {
                break;
            }
            if self.up_to(middle) >= target { high = middle } else { low = middle }
        }
        high
    }
}

#[cfg(test)]
mod tests {
    use super::CountDistribution::{NegativeBinomial, Poisson};

    /// Values of R 4.2.2: `pnbinom`, `qnbinom`, `ppois`, `qpois`.
    #[test]
    fn agree_with_r() {
        let near = |value: f64, expected: f64| {
            assert!((value - expected).abs() <= 1e-11 * expected, "{value} is not {expected}");
        };
        let nb = NegativeBinomial { size: 10.0, excess: 0.5 };
        near(nb.above(20.0), 4.433_035_294_013_636e-5);
        assert_eq!(nb.quantile(0.99), 13.0);
        near(Poisson(7.3).above(20.0), 2.642_197_832_772_675_6e-5);
        assert_eq!(Poisson(7.3).quantile(0.99), 14.0);
        assert_eq!(Poisson(50_000.0).quantile(0.999), 50_692.0);
        assert_eq!(NegativeBinomial { size: 2000.0 / 0.0001, excess: 0.0001 }.quantile(0.95), 2074.0);
    }

    #[test]
    fn quantile_inverts_the_distribution_function() {
        for &mean in &[0.3, 4.0, 120.0, 9_000.0] {
            for &dispersion in &[1.0, 1.3, 8.0] {
                let distribution = super::CountDistribution::with_dispersion(mean, dispersion);
                for &p in &[0.005, 0.5, 0.95, 0.9999] {
                    let k = distribution.quantile(p);
                    assert!(distribution.up_to(k) >= p * (1.0 - 1e-12));
                    assert!(k == 0.0 || distribution.up_to(k - 1.0) < p);
                }
            }
        }
    }
}
