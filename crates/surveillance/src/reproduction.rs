//! Time-varying reproduction number Rt by the gamma–Poisson model of Cori et
//! al. (Am J Epidemiol 2013;178:1505), as R `EpiEstim` 2.2.4 computes it.

use crate::special::{gamma_pq, gamma_quantile};

/// Prior of Rt: a gamma distribution.
#[derive(Debug, Clone, Copy)]
pub struct Prior {
    /// Mean.
    pub mean: f64,
    /// Standard deviation.
    pub sd: f64,
}

impl Default for Prior {
    /// EpiEstim's.
    fn default() -> Self {
        Prior { mean: 5.0, sd: 5.0 }
    }
}

/// Posterior of Rt over a window of days.
#[derive(Debug, Clone, Copy)]
pub struct Estimate {
    /// First day of the window, from 1.
    pub start: usize,
    /// Last day of the window.
    pub end: usize,
    /// Posterior mean; `NaN` when the window ends before one mean serial interval.
    pub mean: f64,
    /// Posterior standard deviation.
    pub sd: f64,
    /// Shape of the posterior gamma.
    pub shape: f64,
    /// Scale of the posterior gamma.
    pub scale: f64,
}

impl Estimate {
    /// Posterior quantile.
    pub fn quantile(&self, p: f64) -> f64 {
        if self.shape.is_nan() { f64::NAN } else { self.scale * gamma_quantile(p, self.shape) }
    }

    /// Posterior probability that Rt is above `value`.
    pub fn above(&self, value: f64) -> f64 {
        if self.shape.is_nan() { f64::NAN } else { gamma_pq(self.shape, value / self.scale).1 }
    }
}

/// Serial interval distribution on days 0, 1, … from a gamma shifted by one
/// day with this mean and standard deviation (EpiEstim's `discr_si`).
pub fn discretised_serial_interval(days: usize, mean: f64, sd: f64) -> Vec<f64> {
    let scale = sd * sd / (mean - 1.0);
    let shape = (mean - 1.0) / scale;
    let cdf = |x: f64, shape: f64| if x <= 0.0 { 0.0 } else { gamma_pq(shape, x / scale).0 };
    (0..days)
        .map(|day| {
            let k = day as f64;
            let first =
                k * cdf(k, shape) + (k - 2.0) * cdf(k - 2.0, shape) - 2.0 * (k - 1.0) * cdf(k - 1.0, shape);
            let second = 2.0 * cdf(k - 1.0, shape + 1.0) - cdf(k - 2.0, shape + 1.0) - cdf(k, shape + 1.0);
            (first + shape * scale * second).max(0.0)
        })
        .collect()
}

/// Rt in every window of `window` days from day 2 on. `incidence` holds new
/// cases a day, those of the first day counted as brought in; a negative or
/// missing count is an error, named by its day. `serial_interval` starts at day 0.
pub fn estimate(
    incidence: &[f64],
    serial_interval: &[f64],
    window: usize,
    prior: Prior,
) -> Result<Vec<Estimate>, String> {
    if let Some(day) = incidence.iter().position(|i| !(*i >= 0.0 && i.is_finite())) {
        return Err(format!("day {}: the number of new cases is missing or negative", day + 1));
    }
    if window == 0 || !(prior.mean > 0.0 && prior.sd > 0.0) {
        return Err("window, prior mean and prior standard deviation must be above zero".into());
    }
    let total: f64 = serial_interval.iter().sum();
    if serial_interval.iter().any(|w| w.is_nan() || *w < 0.0) || (total - 1.0).abs() > 0.01 {
        return Err(format!("the serial interval must be probabilities that sum to 1, not to {total}"));
    }
    let mean_interval: f64 = serial_interval.iter().enumerate().map(|(s, w)| s as f64 * w).sum();
    let infectivity: Vec<f64> = (0..incidence.len())
        .map(|t| (0..=t).map(|s| serial_interval.get(s).unwrap_or(&0.0) * incidence[t - s]).sum())
        .collect();
    let shape_prior = (prior.mean / prior.sd).powi(2);
    let scale_prior = prior.sd * prior.sd / prior.mean;
    let windows = (2..).take_while(|start| start + window - 1 <= incidence.len());
    Ok(windows
        .map(|start| {
            let end = start + window - 1;
            let known = end as f64 > mean_interval;
            let cases: f64 = incidence[start - 1..end].iter().sum();
            let exposure: f64 = infectivity[start - 1..end].iter().sum();
            let (shape, scale) = if known {
                (shape_prior + cases, 1.0 / (1.0 / scale_prior + exposure))
            } else {
                (f64::NAN, f64::NAN)
            };
            Estimate { start, end, mean: shape * scale, sd: shape.sqrt() * scale, shape, scale }
        })
        .collect())
}
