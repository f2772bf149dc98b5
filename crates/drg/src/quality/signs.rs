//! Signs of coding above (高套分组, 高编) or below (低编) what was done: shown with their evidence.
//!
//! Three looks, each against the peers of the region, none of them a verdict:
//! - *severity*: of an ADRG, the hospital's share of cases in its dearest group beside that of all the others
//!   (two-sided, normal approximation of two proportions);
//! - *resources*: cases of a dearer group that cost less than the mean of the ADRG's cheapest group (above), and
//!   cases of the cheapest group that cost more than the mean of its dearest (below);
//! - *diagnosis*: how often a complication stands on a hospital's pages beside the peers' rate.

use std::collections::{BTreeMap, BTreeSet};

/// One grouped case.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen<'a> {
    /// Its number.
    pub id: &'a str,
    /// Hospital.
    pub hospital: &'a str,
    /// ADRG.
    pub adrg: &'a str,
    /// Group.
    pub group: &'a str,
    /// Weight of the group.
    pub weight: f64,
    /// Yuan.
    pub cost: f64,
    /// Complications that count (CC, MCC).
    pub complications: Vec<&'a str>,
}

/// Towards which side a sign points.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// Coded above what peers or resources show.
    Above,
    /// Coded below.
    Below,
}

/// A sign.
#[derive(Debug, Clone, PartialEq)]
pub struct Sign {
    /// `severity`, `resources` or `diagnosis`.
    pub look: &'static str,
    /// Side.
    pub side: Side,
    /// Hospital.
    pub hospital: String,
    /// ADRG or code of the diagnosis.
    pub about: String,
    /// The hospital's cases that were looked at.
    pub cases: usize,
    /// The hospital's share.
    pub share: f64,
    /// The peers' share.
    pub expected: f64,
    /// Standard errors between both; for `resources` the share of the cases alone counts and this is 0.
    pub z: f64,
    /// Numbers of the cases to look at, at most [`EVIDENCE`].
    pub evidence: Vec<String>,
}

/// Cases named by a sign.
pub const EVIDENCE: usize = 20;
/// Fewest cases of a hospital that are compared.
const LEAST: usize = 10;
/// Standard errors from which on a difference is shown.
const FAR: f64 = 3.0;

/// Every sign in these cases, the farthest first.
pub fn signs(cases: &[Seen<'_>]) -> Vec<Sign> {
    let mut signs = Vec::new();
    let mut by_adrg: BTreeMap<&str, Vec<&Seen<'_>>> = BTreeMap::new();
    for case in cases {
        by_adrg.entry(case.adrg).or_default().push(case);
    }
    for (adrg, cases) in &by_adrg {
        let weights: BTreeSet<u64> = cases.iter().map(|case| case.weight.to_bits()).collect();
        let (Some(least), Some(most)) = (weights.first(), weights.last()) else { continue };
        if least == most {
            continue;
        }
        let (least, most) = (f64::from_bits(*least), f64::from_bits(*most));
        shares("severity", adrg, cases, &|case| case.weight >= most, &mut signs);
        resources(adrg, cases, least, most, &mut signs);
    }
    let complications: BTreeSet<&str> =
        cases.iter().flat_map(|case| case.complications.iter().copied()).collect();
    let all: Vec<&Seen<'_>> = cases.iter().collect();
    for code in complications {
        shares("diagnosis", code, &all, &|case| case.complications.contains(&code), &mut signs);
    }
    signs.sort_by(|a, b| {
        b.z.abs().total_cmp(&a.z.abs()).then_with(|| (&a.hospital, &a.about).cmp(&(&b.hospital, &b.about)))
    });
    signs
}

fn by_hospital<'c, 'a>(cases: &[&'c Seen<'a>]) -> BTreeMap<&'a str, Vec<&'c Seen<'a>>> {
    let mut hospitals: BTreeMap<&str, Vec<&Seen<'_>>> = BTreeMap::new();
    for case in cases {
        hospitals.entry(case.hospital).or_default().push(case);
    }
    hospitals
}

/// Compares each hospital's share of cases that `is` holds for with that of all the others.
fn shares(
    look: &'static str,
    about: &str,
    cases: &[&Seen<'_>],
    is: &dyn Fn(&Seen<'_>) -> bool,
    signs: &mut Vec<Sign>,
) {
    let (n, hits) = (cases.len(), cases.iter().filter(|case| is(case)).count());
    for (hospital, own) in by_hospital(cases) {
        let (m, k) = (own.len(), own.iter().filter(|case| is(case)).count());
        let (peers, peer_hits) = (n - m, hits - k);
        if m < LEAST || peers < LEAST {
            continue;
        }
        let (share, expected) = (k as f64 / m as f64, peer_hits as f64 / peers as f64);
        let pooled = hits as f64 / n as f64;
        let error = (pooled * (1.0 - pooled) * (1.0 / m as f64 + 1.0 / peers as f64)).sqrt();
        let z = if error > 0.0 { (share - expected) / error } else { 0.0 };
        if z.abs() < FAR {
            continue;
        }
        let side = if z > 0.0 { Side::Above } else { Side::Below };
        let of_side = own.iter().filter(|case| is(case) == (side == Side::Above));
        signs.push(Sign {
            look,
            side,
            hospital: hospital.to_string(),
            about: about.to_string(),
            cases: m,
            share,
            expected,
            z,
            evidence: of_side.take(EVIDENCE).map(|case| case.id.to_string()).collect(),
        });
    }
}

fn resources(adrg: &str, cases: &[&Seen<'_>], least: f64, most: f64, signs: &mut Vec<Sign>) {
    let mean = |weight: f64| {
        let costs: Vec<f64> =
            cases.iter().filter(|c| c.weight == weight && c.cost > 0.0).map(|c| c.cost).collect();
        (costs.len() >= LEAST).then(|| costs.iter().sum::<f64>() / costs.len() as f64)
    };
    let (cheap, dear) = (mean(least), mean(most));
    for (hospital, own) in by_hospital(cases) {
        let mut look = |side, of: f64, odd: &dyn Fn(&Seen<'_>) -> bool| {
            let all = own.iter().filter(|case| case.weight == of && case.cost > 0.0).count();
            let found: Vec<&&Seen<'_>> =
                own.iter().filter(|case| case.weight == of && case.cost > 0.0 && odd(case)).collect();
            let share = if all == 0 { 0.0 } else { found.len() as f64 / all as f64 };
            if found.len() >= 3 && share >= 0.2 {
                let evidence = found.iter().take(EVIDENCE).map(|case| case.id.to_string()).collect();
                let (hospital, about) = (hospital.to_string(), adrg.to_string());
                signs.push(Sign {
                    look: "resources",
                    side,
                    hospital,
                    about,
                    cases: all,
                    share,
                    expected: 0.0,
                    z: 0.0,
                    evidence,
                });
            }
        };
        if let Some(cheap) = cheap {
            look(Side::Above, most, &|case| case.cost < cheap);
        }
        if let Some(dear) = dear {
            look(Side::Below, least, &|case| case.cost > dear);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hospital_that_codes_above_its_peers_is_shown_with_its_cases() {
        let ids: Vec<String> = (0..400).map(|at| at.to_string()).collect();
        let cases: Vec<Seen<'_>> = ids
            .iter()
            .enumerate()
            .map(|(at, id)| {
                let hospital = ["H", "P", "Q", "R"][at % 4];
                // Every fifth case is severe and dear; hospital P codes every second one so.
                let severe = (at / 4).is_multiple_of(5);
                let coded = severe || (hospital == "P" && (at / 4).is_multiple_of(2));
                let (group, weight) = if coded { ("FR21", 1.6) } else { ("FR25", 0.9) };
                let complications = if coded { vec!["J96.0"] } else { vec![] };
                Seen {
                    id,
                    hospital,
                    adrg: "FR2",
                    group,
                    weight,
                    cost: if severe { 16_000.0 } else { 8_000.0 + at as f64 },
                    complications,
                }
            })
            .collect();
        let found = signs(&cases);
        let said: Vec<(&str, Side, &str, &str)> =
            found.iter().map(|s| (s.look, s.side, s.hospital.as_str(), s.about.as_str())).collect();
        assert!(said.contains(&("severity", Side::Above, "P", "FR2")), "{said:?}");
        assert!(said.contains(&("diagnosis", Side::Above, "P", "J96.0")), "{said:?}");
        assert!(said.contains(&("resources", Side::Above, "P", "FR2")), "{said:?}");
        assert!(found.iter().all(|sign| sign.hospital == "P" && sign.evidence.len() <= EVIDENCE));
        assert_eq!(signs(&cases[..20]), []);
    }
}
