//! Swing weighting and additive scores (von Winterfeldt and Edwards 1986): what it is worth to people to swing a
//! criterion from its worst to its best, and what options come to.
//!
//! The most valued swing has 100 points, the others less; weights are points over their sum. An option's
//! score is the weighted sum of its values between worst (0) and best (1).

use serde::{Deserialize, Serialize};

/// A criterion with its range.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Criterion {
    /// Name.
    pub name: String,
    /// The worst that is considered.
    pub worst: f64,
    /// The best; it may be the smaller number.
    pub best: f64,
}

/// Weights of one respondent: points over their sum.
///
/// # Errors
/// Points that are no numbers of 0 to 100, or none that is 100.
pub fn weights(points: &[f64]) -> Result<Vec<f64>, String> {
    if let Some(at) = points.iter().position(|p| !(0.0..=100.0).contains(p)) {
        return Err(format!("points {}: a swing has 0 to 100 points", at + 1));
    }
    if !points.iter().any(|p| (p - 100.0).abs() < 1e-9) {
        return Err("points: the most valued swing has 100".into());
    }
    let sum: f64 = points.iter().sum();
    Ok(points.iter().map(|p| p / sum).collect())
}

/// Mean weights over respondents, with their standard errors.
///
/// # Errors
/// As [`weights`], or respondents with another number of criteria.
pub fn mean_weights(respondents: &[Vec<f64>]) -> Result<Vec<(f64, f64)>, String> {
    let first = respondents.first().ok_or("points: nobody answered")?.len();
    if let Some(at) = respondents.iter().position(|r| r.len() != first) {
        return Err(format!("respondent {}: has another number of criteria", at + 1));
    }
    let all: Vec<Vec<f64>> = respondents.iter().map(|points| weights(points)).collect::<Result<_, _>>()?;
    let n = all.len() as f64;
    Ok((0..first)
        .map(|i| {
            let mean = all.iter().map(|w| w[i]).sum::<f64>() / n;
            let variance = all.iter().map(|w| (w[i] - mean).powi(2)).sum::<f64>() / (n - 1.0).max(1.0);
            (mean, (variance / n).sqrt())
        })
        .collect())
}

/// Scores of options, each with its performance by criterion; what lies beyond worst or best counts as these.
///
/// # Errors
/// A criterion without a range, or an option with another number of values.
pub fn scores(criteria: &[Criterion], weights: &[f64], options: &[Vec<f64>]) -> Result<Vec<f64>, String> {
    if weights.len() != criteria.len() {
        return Err("weights: one for each criterion".into());
    }
    if let Some(flat) = criteria.iter().find(|c| !(c.best - c.worst).is_normal()) {
        return Err(format!("{}: worst and best are the same, so it decides nothing", flat.name));
    }
    options
        .iter()
        .enumerate()
        .map(|(at, option)| {
            if option.len() != criteria.len() || option.iter().any(|v| !v.is_finite()) {
                return Err(format!("option {}: one finite value for each criterion", at + 1));
            }
            let value = |(c, v): (&Criterion, &f64)| ((v - c.worst) / (c.best - c.worst)).clamp(0.0, 1.0);
            Ok(criteria.iter().zip(option).map(value).zip(weights).map(|(v, w)| v * w).sum())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_and_scores_by_hand() {
        let respondents = [vec![100.0, 50.0, 50.0], vec![60.0, 100.0, 40.0]];
        let mean = mean_weights(&respondents).expect("weights");
        assert!((mean[0].0 - 0.4).abs() < 1e-12 && (mean[1].0 - 0.375).abs() < 1e-12);
        assert!((mean[0].1 - 0.1).abs() < 1e-12);
        let criterion = |name: &str, worst, best| Criterion { name: name.into(), worst, best };
        let criteria = [criterion("days", 30.0, 0.0), criterion("share", 0.0, 1.0)];
        let scores = scores(&criteria, &[0.25, 0.75], &[vec![15.0, 0.5], vec![-3.0, 2.0]]).expect("scores");
        assert_eq!(scores, [0.5, 1.0]);
    }

    #[test]
    fn what_is_no_swing_is_refused_by_name() {
        assert!(weights(&[90.0, 20.0]).unwrap_err().contains("100"));
        assert!(weights(&[100.0, 120.0]).unwrap_err().contains("points 2"));
        let flat = [Criterion { name: "cost".into(), worst: 1.0, best: 1.0 }];
        assert!(scores(&flat, &[1.0], &[]).unwrap_err().contains("cost"));
    }
}
