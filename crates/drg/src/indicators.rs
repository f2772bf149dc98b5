//! Case mix and efficiency of hospitals, departments, groups and doctors.
//!
//! - entry rate (入组率): cases in a group / cases;
//! - CMI: sum of weights / cases with a weight;
//! - cost and time consumption index: `Σ n_g × (own mean_g / reference mean_g) / Σ n_g`, 1 being usual;
//! - low-risk mortality: deaths / cases, of groups whose weight is below [`LOW_RISK`].
//!
//! A doctor is shown case mix and quality only: group standards must not become a doctor's limit.

use crate::payment::Decimal;
use std::collections::{BTreeMap, BTreeSet};

/// Groups below this weight are of low risk.
pub const LOW_RISK: Decimal = Decimal(Decimal::ONE.0 * 3 / 4);

/// One discharge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Discharge<'a> {
    /// Group; empty when it is in none.
    pub group: &'a str,
    /// Weight of the group.
    pub weight: Option<Decimal>,
    /// Fen; 0 when unknown.
    pub cost: i64,
    /// Days.
    pub days: u32,
    /// Fen paid or expected.
    pub payment: i64,
    /// The person died.
    pub died: bool,
    /// Paid as a high or low outlier or a long stay.
    pub outlier: bool,
}

/// Means of a group.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Sum {
    cases: i128,
    cost: i128,
    costed: i128,
    days: i128,
}

/// What the region needs for a group: the reference of the indices.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reference(BTreeMap<String, Sum>);

impl Reference {
    /// The means of these discharges.
    pub fn of<'a>(discharges: impl IntoIterator<Item = Discharge<'a>>) -> Reference {
        let mut means: BTreeMap<String, Sum> = BTreeMap::new();
        for discharge in discharges.into_iter().filter(|d| !d.group.is_empty()) {
            match means.get_mut(discharge.group) {
                Some(sum) => sum.add(&discharge),
                None => means.entry(discharge.group.to_string()).or_default().add(&discharge),
            }
        }
        Reference(means)
    }

    /// Mean cost of a group in fen.
    pub fn cost(&self, group: &str) -> Option<i64> {
        self.0.get(group).filter(|sum| sum.costed > 0).map(|sum| (sum.cost / sum.costed) as i64)
    }

    /// Mean days of a group.
    pub fn days(&self, group: &str) -> Option<Decimal> {
        self.0
            .get(group)
            .and_then(|sum| Decimal(sum.days * Decimal::ONE.0).over(Decimal(sum.cases * Decimal::ONE.0)))
    }
}

impl Sum {
    fn add(&mut self, discharge: &Discharge<'_>) {
        self.cases += 1;
        self.days += i128::from(discharge.days);
        if discharge.cost > 0 {
            self.cost += i128::from(discharge.cost);
            self.costed += 1;
        }
    }
}

/// The indicators of one hospital, department, group or doctor.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Indicators {
    /// Discharges.
    pub cases: u64,
    /// In a group.
    pub grouped: u64,
    /// Different groups.
    pub groups: u64,
    /// Sum of weights.
    pub weight: Decimal,
    /// Case-mix index.
    pub case_mix: Option<Decimal>,
    /// Cost consumption index.
    pub cost_index: Option<Decimal>,
    /// Time consumption index.
    pub time_index: Option<Decimal>,
    /// Fen.
    pub cost: i64,
    /// Fen.
    pub payment: i64,
    /// Days.
    pub days: u64,
    /// Paid as outliers or long stays.
    pub outliers: u64,
    /// Discharges of low-risk groups, and deaths among them.
    pub low_risk: (u64, u64),
}

impl Indicators {
    /// Payment less cost, in fen.
    pub fn margin(&self) -> i64 {
        self.payment - self.cost
    }

    /// Share of cases in a group.
    pub fn entry_rate(&self) -> Option<Decimal> {
        ratio(self.grouped.into(), self.cases.into())
    }

    /// Mean days.
    pub fn mean_days(&self) -> Option<Decimal> {
        ratio(self.days.into(), self.cases.into())
    }
}

fn ratio(part: i128, whole: i128) -> Option<Decimal> {
    Decimal(part * Decimal::ONE.0).over(Decimal(whole * Decimal::ONE.0))
}

/// The indicators of the discharges of one key against the reference.
pub fn indicators<'a>(
    discharges: impl IntoIterator<Item = Discharge<'a>>,
    reference: &Reference,
) -> Indicators {
    let mut result = Indicators::default();
    let mut own: BTreeMap<&str, Sum> = BTreeMap::new();
    let mut groups = BTreeSet::new();
    let mut weighed = 0;
    for discharge in discharges {
        result.cases += 1;
        result.cost += discharge.cost;
        result.payment += discharge.payment;
        result.days += u64::from(discharge.days);
        result.outliers += u64::from(discharge.outlier);
        if !discharge.group.is_empty() {
            result.grouped += 1;
            groups.insert(discharge.group);
            own.entry(discharge.group).or_default().add(&discharge);
        }
        if let Some(weight) = discharge.weight {
            weighed += 1;
            result.weight.0 += weight.0;
            if weight < LOW_RISK {
                result.low_risk.0 += 1;
                result.low_risk.1 += u64::from(discharge.died);
            }
        }
    }
    result.groups = groups.len() as u64;
    result.case_mix = result.weight.over(Decimal(weighed * Decimal::ONE.0));
    let (mut cost, mut costed, mut time, mut timed) = (0_i128, 0_i128, 0_i128, 0_i128);
    for (group, sum) in &own {
        let Some(of) = reference.0.get(*group) else { continue };
        // n × (own mean / reference mean), the means being sums over counts.
        if of.cost > 0 && sum.costed > 0 {
            cost += sum.cost * of.costed * 1_000_000 / of.cost;
            costed += sum.costed;
        }
        if of.days > 0 {
            time += sum.days * of.cases * 1_000_000 / of.days;
            timed += sum.cases;
        }
    }
    result.cost_index = ratio(cost, costed * 1_000_000);
    result.time_index = ratio(time, timed * 1_000_000);
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    fn discharge(group: &'static str, cost: i64, days: u32) -> Discharge<'static> {
        let weight = (!group.is_empty()).then_some(Decimal::ONE);
        Discharge { group, weight, cost, days, payment: 100, died: false, outlier: false }
    }

    #[test]
    fn indices_are_those_of_their_definition() {
        let all =
            [discharge("A", 100, 4), discharge("A", 300, 8), discharge("B", 1_000, 10), discharge("", 50, 1)];
        let reference = Reference::of(all);
        assert_eq!((reference.cost("A"), reference.days("B")), (Some(200), Decimal::parse("10")));
        let whole = indicators(all, &reference);
        assert_eq!((whole.cost_index, whole.time_index), (Some(Decimal::ONE), Some(Decimal::ONE)));
        assert_eq!((whole.cases, whole.grouped, whole.groups), (4, 3, 2));
        assert_eq!(whole.case_mix, Some(Decimal::ONE));
        assert_eq!(whole.entry_rate(), Decimal::parse("0.75"));
        // One dear A (1.5) and one usual B (1): 1.25. Days 8/6 and 1: 1.166667.
        let one = indicators([all[1], all[2]], &reference);
        assert_eq!(one.cost_index, Decimal::parse("1.25"));
        assert_eq!(one.time_index.map(|t| t.rounded(3)), Decimal::parse("1.167"));
        assert_eq!(one.margin(), -1_100);
        assert_eq!(indicators([], &reference), Indicators::default());
    }

    #[test]
    fn deaths_count_where_the_risk_is_low() {
        let mut low = discharge("A", 1, 1);
        low.weight = Decimal::parse("0.3");
        let dead = Discharge { died: true, ..low };
        let high = Discharge { died: true, ..discharge("B", 1, 1) };
        let all = [low, dead, high];
        assert_eq!(indicators(all, &Reference::of(all)).low_risk, (2, 1));
    }
}
