//! 紧密型县域医共体: a budget for all care of an area's people, whoever gives it.

use super::scheme::Scheme;
use super::{Settled, Stay};
use crate::payment::{Decimal, shared};
use std::collections::BTreeMap;

/// What became of a community's budget.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Balance {
    /// Fen.
    pub budget: i64,
    /// Fen paid for its people in its own hospitals.
    pub inside: i64,
    /// Fen paid for them in other hospitals of the region.
    pub outside: i64,
    /// Fen paid for them elsewhere (异地就医).
    pub elsewhere: i64,
    /// Budget less all of that.
    pub surplus: i64,
    /// Fen that its hospitals keep of a surplus, or bear of an overrun (negative).
    pub to_hospitals: i64,
    /// The same by hospital, by their points; it adds up to the fen.
    pub hospitals: BTreeMap<String, i64>,
}

/// The balance of every community of the scheme.
pub fn balances(scheme: &Scheme, stays: &[Stay], settled: &Settled) -> BTreeMap<String, Balance> {
    let mut balances = BTreeMap::new();
    for (code, community) in &scheme.communities {
        let mut balance = Balance { budget: community.budget.fen(), ..Balance::default() };
        let member = |hospital: &str| scheme.hospitals.get(hospital).is_some_and(|h| h.community == *code);
        let members = scheme.hospitals.iter().filter(|(_, hospital)| hospital.community == *code);
        let mut points: BTreeMap<String, Decimal> =
            members.map(|(hospital, _)| (hospital.clone(), Decimal(0))).collect();
        for (stay, line) in stays.iter().zip(&settled.lines) {
            if member(&stay.hospital) {
                points.entry(stay.hospital.clone()).or_default().0 += line.points.0;
            }
            if stay.community != *code {
                continue;
            }
            let place = match (stay.elsewhere, member(&stay.hospital)) {
                (true, _) => &mut balance.elsewhere,
                (false, true) => &mut balance.inside,
                (false, false) => &mut balance.outside,
            };
            *place += line.payment;
        }
        balance.surplus = balance.budget - balance.inside - balance.outside - balance.elsewhere;
        let share = if balance.surplus >= 0 { community.retained } else { community.borne };
        balance.to_hospitals = (i128::from(balance.surplus) * share.0 / Decimal::ONE.0) as i64;
        balance.hospitals = divided(balance.to_hospitals, &points);
        balances.insert(code.clone(), balance);
    }
    balances
}

fn divided(fen: i64, points: &BTreeMap<String, Decimal>) -> BTreeMap<String, i64> {
    let mut values: Vec<Decimal> = points.values().copied().collect();
    if values.iter().all(|points| points.0 == 0) {
        // Nobody was treated there: equal parts.
        values.fill(Decimal::ONE);
    }
    let total: i128 = values.iter().map(|points| points.0).sum();
    // Points are small; a sum of fen that overflowed here was refused when it was settled.
    let shares = if total > 0 { shared(fen.abs(), &values, total) } else { None };
    let shares = shares.unwrap_or_default().into_iter().map(|share| share * fen.signum());
    points.keys().cloned().zip(shares).collect()
}
