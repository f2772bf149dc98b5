//! Patient experience data 患者体验数据 for drug development: what a study asks of people, which outcomes matter to
//! them, what they would choose, and the balance of benefit and risk in their own weights.
//!
//! One function makes the report; every number in it comes with what it was computed from.

use crate::random::Random;
use serde::{Deserialize, Serialize};

/// One visit of a study protocol.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Visit {
    /// Name.
    pub name: String,
    /// Minutes at the site.
    pub minutes: u32,
    /// Kilometres there and back, for the median participant.
    pub kilometres: u32,
    /// Whether it can be done at home or in the village.
    pub at_home: bool,
    /// Blood drawn, in millilitres.
    pub blood_millilitres: u32,
    /// Nights away.
    pub nights: u32,
    /// Paid to the participant, in fen.
    pub paid_fen: u64,
}

/// What a protocol asks of one participant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Burden {
    /// Visits away from home.
    pub journeys: u32,
    /// Hours at sites and on the road (30 km an hour), rounded up.
    pub hours: u32,
    /// Kilometres.
    pub kilometres: u32,
    /// Blood in millilitres.
    pub blood_millilitres: u32,
    /// Nights away.
    pub nights: u32,
    /// Paid, in fen.
    pub paid_fen: u64,
}

/// Adds up the visits.
pub fn burden(visits: &[Visit]) -> Burden {
    let away = || visits.iter().filter(|v| !v.at_home);
    let kilometres: u32 = away().map(|v| v.kilometres).sum();
    let minutes: u32 = visits.iter().map(|v| v.minutes).sum::<u32>() + kilometres * 2;
    Burden {
        journeys: away().count() as u32,
        hours: minutes.div_ceil(60),
        kilometres,
        blood_millilitres: visits.iter().map(|v| v.blood_millilitres).sum(),
        nights: visits.iter().map(|v| v.nights).sum(),
        paid_fen: visits.iter().map(|v| v.paid_fen).sum(),
    }
}

/// A benefit or a risk of a treatment against its comparator.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Effect {
    /// Name.
    pub name: String,
    /// Difference in the share of people with it, treatment less comparator.
    pub difference: f64,
    /// Standard error of the difference.
    pub error: f64,
    /// Patients' weight of one person having it: positive for a benefit.
    pub weight: f64,
    /// Standard error of the weight, from the preference study.
    pub weight_error: f64,
}

/// The balance of benefit and risk.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Balance {
    /// Sum of weight times difference.
    pub net: f64,
    /// 95 % interval of it, from draws of both effects and weights.
    pub interval: (f64, f64),
    /// Probability that it is above 0.
    pub favourable: f64,
    /// Contribution of each effect, in the order given.
    pub parts: Vec<(String, f64)>,
}

/// Weighs benefits and risks with both uncertainties (Monte Carlo over normal errors, as in Caster et
/// al. 2012); the same seed gives the same result.
///
/// # Errors
/// No effect, or a number that is not finite, by name.
pub fn balance(effects: &[Effect], draws: usize, seed: u64) -> Result<Balance, String> {
    if effects.is_empty() {
        return Err("effects: name at least one benefit or risk".into());
    }
    for effect in effects {
        let numbers = [effect.difference, effect.error, effect.weight, effect.weight_error];
        if numbers.iter().any(|n| !n.is_finite()) || effect.error < 0.0 || effect.weight_error < 0.0 {
            return Err(format!("{}: differences, weights and their errors are finite numbers", effect.name));
        }
    }
    let mut random = Random::new(seed);
    let mut nets: Vec<f64> = (0..draws.max(1))
        .map(|_| {
            let part = |e: &Effect, random: &mut Random| {
                (e.difference + e.error * random.normal()) * (e.weight + e.weight_error * random.normal())
            };
            effects.iter().map(|e| part(e, &mut random)).sum()
        })
        .collect();
    nets.sort_by(f64::total_cmp);
    let at = |share: f64| nets[((nets.len() - 1) as f64 * share).round() as usize];
    let parts: Vec<(String, f64)> =
        effects.iter().map(|e| (e.name.clone(), e.weight * e.difference)).collect();
    Ok(Balance {
        net: parts.iter().map(|(_, part)| part).sum(),
        interval: (at(0.025), at(0.975)),
        favourable: nets.iter().filter(|net| **net > 0.0).count() as f64 / nets.len() as f64,
        parts,
    })
}

/// One outcome that a study may measure, as patients ranked it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OutcomeChoice {
    /// Name.
    pub name: String,
    /// Times patients called it the most important, and times the least.
    pub best: u64,
    /// Least.
    pub worst: u64,
    /// Times it was shown.
    pub shown: u64,
    /// Whether the protocol measures it.
    pub measured: bool,
}

/// The whole dossier: what is handed to the reviewer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Dossier {
    /// Title.
    pub title: String,
    /// What the study asks of a participant.
    pub burden: Burden,
    /// Outcomes by best–worst score, the most important first, each with (best − worst) / shown.
    pub outcomes: Vec<(String, f64, bool)>,
    /// Of the three most important outcomes, how many the protocol measures.
    pub measured_of_top_three: usize,
    /// The balance.
    pub balance: Balance,
}

/// Makes the dossier.
///
/// # Errors
/// As [`balance`].
pub fn dossier(
    title: &str,
    visits: &[Visit],
    outcomes: &[OutcomeChoice],
    effects: &[Effect],
) -> Result<Dossier, String> {
    const DRAWS: usize = 10_000;
    let score = |o: &OutcomeChoice| (o.best as f64 - o.worst as f64) / o.shown.max(1) as f64;
    let mut ranked: Vec<(String, f64, bool)> =
        outcomes.iter().map(|o| (o.name.clone(), score(o), o.measured)).collect();
    ranked.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    Ok(Dossier {
        title: title.to_owned(),
        burden: burden(visits),
        measured_of_top_three: ranked.iter().take(3).filter(|o| o.2).count(),
        outcomes: ranked,
        balance: balance(effects, DRAWS, 1)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_balance_agrees_with_the_closed_form() {
        let effect = |name: &str, difference, error, weight, weight_error| Effect {
            name: name.into(),
            difference,
            error,
            weight,
            weight_error,
        };
        let effects = [effect("relief", 0.2, 0.03, 1.0, 0.1), effect("bleeding", 0.02, 0.01, -3.0, 0.4)];
        let balance = balance(&effects, 200_000, 7).expect("numbers");
        // Variance of a product of independent normals: a²s² + b²r² + r²s².
        let variance = |e: &Effect| {
            (e.difference * e.weight_error).powi(2)
                + (e.weight * e.error).powi(2)
                + (e.error * e.weight_error).powi(2)
        };
        let spread = effects.iter().map(variance).sum::<f64>().sqrt();
        assert!((balance.net - 0.14).abs() < 1e-12);
        assert!(((balance.interval.1 - balance.interval.0) / (2.0 * 1.96 * spread) - 1.0).abs() < 0.02);
        assert!(balance.favourable > 0.99);
        assert!(super::balance(&[effect("x", f64::NAN, 0.0, 1.0, 0.0)], 10, 1).is_err());
    }

    #[test]
    fn home_visits_cost_no_journey() {
        let visit = |at_home| Visit {
            name: "v".into(),
            minutes: 50,
            kilometres: 40,
            at_home,
            blood_millilitres: 10,
            nights: 0,
            paid_fen: 10_000,
        };
        let burden = burden(&[visit(false), visit(true)]);
        assert_eq!((burden.journeys, burden.kilometres, burden.hours, burden.paid_fen), (1, 40, 3, 20_000));
    }
}
