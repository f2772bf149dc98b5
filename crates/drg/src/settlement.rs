//! What the stays of a period are paid by a scheme: every case by a named rule, every pool to the fen.
//!
//! Each case gets points: weight × coefficient; outliers more or fewer; long stays by the day; cases that
//! experts judged are paid the amount they approved, out of the same pool. Points are worth a rate, or share
//! a budget. What a cap holds back stays in the pool as its reserve: payments + reserve = budget, always.

pub mod clearing;
pub mod community;
pub mod reconcile;
pub mod scheme;
pub mod signature;
pub mod special;

use crate::payment::{Decimal, shared};
use scheme::{Pay, Scheme};
use std::collections::BTreeMap;
use tongmai_base::Finding;

/// One discharge as payment sees it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stay {
    /// Its number, unique in the settlement.
    pub id: String,
    /// Code of the hospital.
    pub hospital: String,
    /// Department.
    pub department: String,
    /// Code of the insurance.
    pub insurance: String,
    /// Group (DRG or DIP); empty or unknown to the scheme when there is none.
    pub group: String,
    /// Total cost in fen.
    pub cost: i64,
    /// Days in hospital.
    pub days: u32,
    /// Day of discharge, `YYYY-MM-DD`.
    pub discharged: String,
    /// The person is insured elsewhere (异地就医).
    pub elsewhere: bool,
    /// The 医共体 whose budget pays for the person.
    pub community: String,
    /// Fen that experts approved (特例单议).
    pub approved: Option<i64>,
}

/// By which rule a case is paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Weight × coefficient.
    Normal,
    /// High outlier (高倍率): the excess is paid too.
    High,
    /// Beyond the multiple, but over the hospital's share of high outliers: paid as an ordinary case.
    HighOverShare,
    /// Low outlier (低倍率): paid by cost.
    Low,
    /// Long stay: paid by the day.
    LongStay,
    /// Judged by experts (特例单议).
    Special,
    /// The group has no weight, or the case has no group: not paid.
    Unpriced,
    /// The scheme does not know the insurance: not paid.
    Uninsured,
}

impl Kind {
    /// The word written to results.
    pub fn code(self) -> &'static str {
        match self {
            Kind::Normal => "normal",
            Kind::High => "high",
            Kind::HighOverShare => "high-over-share",
            Kind::Low => "low",
            Kind::LongStay => "long-stay",
            Kind::Special => "special",
            Kind::Unpriced => "unpriced",
            Kind::Uninsured => "uninsured",
        }
    }
}

/// What one case is paid, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line {
    /// The rule.
    pub kind: Kind,
    /// Cost as a multiple of the group's mean at this hospital.
    pub ratio: Option<Decimal>,
    /// Weight × coefficient of an ordinary case.
    pub base: Decimal,
    /// Points that are paid.
    pub points: Decimal,
    /// Fen that a cap held back.
    pub capped: i64,
    /// Fen.
    pub payment: i64,
}

/// A pool after settlement.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pool {
    /// Fen of the budget; `None` for a rate.
    pub budget: Option<i64>,
    /// Fen paid for cases, those of experts included.
    pub paid: i64,
    /// Fen of them that experts approved.
    pub special: i64,
    /// Fen left in the pool: paid + reserve = budget.
    pub reserve: i64,
    /// Points that share the budget, or that the rate multiplies.
    pub points: Decimal,
    /// Yuan a point.
    pub point_value: Decimal,
}

/// A hospital after settlement.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Share {
    /// Cases.
    pub cases: u64,
    /// Cases that are paid nothing, for want of a weight or an insurance.
    pub unpaid: u64,
    /// High outliers.
    pub high: u64,
    /// Low outliers.
    pub low: u64,
    /// Long stays.
    pub long: u64,
    /// Cases of experts.
    pub special: u64,
    /// Fen that the stays cost.
    pub cost: i64,
    /// Points.
    pub points: Decimal,
    /// Fen paid.
    pub payment: i64,
}

/// A settlement: a line a stay, in their order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settled {
    /// Lines.
    pub lines: Vec<Line>,
    /// Pools by insurance.
    pub pools: BTreeMap<String, Pool>,
    /// Hospitals by code.
    pub hospitals: BTreeMap<String, Share>,
}

/// Settles stays by a scheme.
///
/// # Errors
/// A finding when experts approved more than a budget holds, when a budget is shared by cases without a point,
/// or when an amount is out of range.
pub fn settle(scheme: &Scheme, stays: &[Stay]) -> Result<Settled, Finding> {
    let means = means(scheme, stays)?;
    let mut lines = Vec::with_capacity(stays.len());
    for (at, stay) in stays.iter().enumerate() {
        let line = line(scheme, stay, means.get(stay.group.as_str()).copied());
        lines.push(line.ok_or_else(|| too_large(at))?);
    }
    hold_to_share(scheme, stays, &mut lines);
    let mut settled = Settled { lines, ..Settled::default() };
    for (code, insurance) in &scheme.insurances {
        let pool = pay(scheme, code, insurance.pay, stays, &mut settled.lines)?;
        settled.pools.insert(code.clone(), pool);
    }
    for (stay, line) in stays.iter().zip(&settled.lines) {
        let share = settled.hospitals.entry(stay.hospital.clone()).or_default();
        share.cases += 1;
        share.cost += stay.cost;
        share.points.0 += line.points.0;
        share.payment += line.payment;
        match line.kind {
            Kind::High => share.high += 1,
            Kind::Low => share.low += 1,
            Kind::LongStay => share.long += 1,
            Kind::Special => share.special += 1,
            Kind::Unpriced | Kind::Uninsured => share.unpaid += 1,
            Kind::Normal | Kind::HighOverShare => {}
        }
    }
    Ok(settled)
}

fn too_large(at: usize) -> Finding {
    Finding::error(format!("stay {}", at + 1), "range", "the amount is too large")
}

/// Mean cost in fen at coefficient 1: the scheme's standard, or the mean of the stays themselves.
fn means(scheme: &Scheme, stays: &[Stay]) -> Result<BTreeMap<String, i64>, Finding> {
    let mut sums: BTreeMap<&str, (i128, i128)> = BTreeMap::new();
    for stay in stays.iter().filter(|stay| stay.cost > 0) {
        let coefficient = scheme.coefficient(&stay.hospital, &stay.group).0.max(1);
        let entry = sums.entry(&stay.group).or_default();
        entry.0 += i128::from(stay.cost) * Decimal::ONE.0;
        entry.1 += coefficient;
    }
    let own = sums.into_iter().map(|(group, (cost, weight))| (group.to_string(), (cost / weight) as i64));
    let mut means: BTreeMap<String, i64> = own.collect();
    for (group, standard) in &scheme.standards {
        if let Some(cost) = standard.cost {
            means.insert(group.clone(), cost.fen());
        }
    }
    Ok(means)
}

fn line(scheme: &Scheme, stay: &Stay, mean: Option<i64>) -> Option<Line> {
    let unpaid =
        |kind| Line { kind, ratio: None, base: Decimal(0), points: Decimal(0), capped: 0, payment: 0 };
    if !scheme.insurances.contains_key(&stay.insurance) {
        return Some(unpaid(Kind::Uninsured));
    }
    if let Some(amount) = stay.approved {
        return Some(Line { payment: amount, ..unpaid(Kind::Special) });
    }
    let Some(weight) = scheme.weight(&stay.group) else { return Some(unpaid(Kind::Unpriced)) };
    let mut coefficient = scheme.coefficient(&stay.hospital, &stay.group);
    if let Some(factor) = scheme.elsewhere.filter(|_| stay.elsewhere) {
        coefficient = coefficient.times(factor)?;
    }
    let base = weight.times(coefficient)?;
    let reference =
        mean.map(|mean| i128::from(mean) * coefficient.0 / Decimal::ONE.0).filter(|mean| *mean > 0);
    let ratio = reference.map(|mean| Decimal(i128::from(stay.cost) * Decimal::ONE.0 / mean));
    let line = |kind, points| Line { kind, ratio, base, points, capped: 0, payment: 0 };
    if let Some(long) = scheme.long_stay.filter(|long| stay.days > long.days) {
        let days = Decimal(i128::from(stay.days) * Decimal::ONE.0);
        return Some(line(Kind::LongStay, long.daily_weight.times(days)?.times(coefficient)?));
    }
    let Some(ratio) = ratio else { return Some(line(Kind::Normal, base)) };
    if scheme.low.is_some_and(|low| ratio < low) {
        return Some(line(Kind::Low, base.times(ratio)?));
    }
    match scheme.high_above(weight).filter(|above| ratio > *above) {
        Some(above) => {
            let excess = base.times(Decimal(ratio.0 - above.0))?;
            Some(line(Kind::High, Decimal(base.0 + excess.0)))
        }
        None => Some(line(Kind::Normal, base)),
    }
}

/// Of each hospital only so many cases are high outliers: those with the largest excess.
fn hold_to_share(scheme: &Scheme, stays: &[Stay], lines: &mut [Line]) {
    let Some(share) = scheme.high_share else { return };
    let mut cases: BTreeMap<&str, (i128, Vec<usize>)> = BTreeMap::new();
    for (at, stay) in stays.iter().enumerate() {
        let entry = cases.entry(&stay.hospital).or_default();
        entry.0 += 1;
        if lines[at].kind == Kind::High {
            entry.1.push(at);
        }
    }
    for (count, mut high) in cases.into_values() {
        let most = (count * share.0 / Decimal::ONE.0) as usize;
        high.sort_by_key(|at| (std::cmp::Reverse(lines[*at].points.0 - lines[*at].base.0), *at));
        for at in high.into_iter().skip(most) {
            lines[at] = Line { kind: Kind::HighOverShare, points: lines[at].base, ..lines[at] };
        }
    }
}

fn pay(scheme: &Scheme, code: &str, pay: Pay, stays: &[Stay], lines: &mut [Line]) -> Result<Pool, Finding> {
    let of: Vec<usize> = (0..stays.len()).filter(|at| stays[*at].insurance == code).collect();
    let points: Vec<Decimal> = of.iter().map(|at| lines[*at].points).collect();
    let total: i128 = points.iter().map(|points| points.0).sum();
    let special: i64 =
        of.iter().filter(|at| lines[**at].kind == Kind::Special).map(|at| lines[*at].payment).sum();
    let path = || format!("insurances.{code}");
    let mut pool = Pool { special, points: Decimal(total), ..Pool::default() };
    match pay {
        Pay::Rate(rate) => {
            pool.point_value = rate;
            for &at in &of {
                if lines[at].kind != Kind::Special {
                    lines[at].payment = lines[at].points.times(rate).ok_or_else(|| too_large(at))?.fen();
                }
            }
        }
        Pay::Budget(budget) => {
            let budget = budget.fen();
            let left = budget - special;
            if left < 0 {
                let message = "experts approved more than the budget holds";
                return Err(
                    Finding::error(path(), "overspent", message).with_repair("review the approved cases")
                );
            }
            pool.budget = Some(budget);
            if total > 0 {
                let shares = shared(left, &points, total)
                    .ok_or_else(|| Finding::error(path(), "range", "the budget is too large"))?;
                for (&at, share) in of.iter().zip(shares) {
                    if lines[at].kind != Kind::Special {
                        lines[at].payment = share;
                    }
                }
                let yuan = Decimal(i128::from(left) * (Decimal::ONE.0 / 100));
                pool.point_value = yuan.over(Decimal(total)).unwrap_or_default();
            }
        }
    }
    for &at in &of {
        let (line, cost) = (&mut lines[at], stays[at].cost);
        let ordinary = matches!(line.kind, Kind::Normal | Kind::HighOverShare);
        if let Some(cap) = scheme.cap.filter(|_| ordinary && cost > 0) {
            let most = (i128::from(cost) * cap.0 / Decimal::ONE.0) as i64;
            if line.payment > most {
                (line.capped, line.payment) = (line.payment - most, most);
            }
        }
    }
    pool.paid = of.iter().map(|at| lines[*at].payment).sum();
    pool.reserve = pool.budget.map_or(0, |budget| budget - pool.paid);
    Ok(pool)
}

/// What a hospital gains or loses between two settlements of the same stays.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Shift {
    /// Cases.
    pub cases: u64,
    /// Points before.
    pub points_before: Decimal,
    /// Points after.
    pub points_after: Decimal,
    /// Fen before.
    pub before: i64,
    /// Fen after.
    pub after: i64,
}

/// The shift of every hospital from one settlement to another: the simulation of a new scheme.
pub fn shift(before: &Settled, after: &Settled) -> BTreeMap<String, Shift> {
    let mut shifts: BTreeMap<String, Shift> = BTreeMap::new();
    for (hospital, share) in &before.hospitals {
        let shift = shifts.entry(hospital.clone()).or_default();
        (shift.cases, shift.points_before, shift.before) = (share.cases, share.points, share.payment);
    }
    for (hospital, share) in &after.hospitals {
        let shift = shifts.entry(hospital.clone()).or_default();
        (shift.cases, shift.points_after, shift.after) = (share.cases, share.points, share.payment);
    }
    shifts
}

/// The payment of a month in advance: its points at the value that the year is expected to have, less the
/// quality deposit. The year's clearing takes it off.
///
/// # Errors
/// As [`settle`].
pub fn presettle(
    scheme: &Scheme,
    month: &[Stay],
    point_values: &BTreeMap<String, Decimal>,
) -> Result<Settled, Finding> {
    let mut advance = scheme.clone();
    let share = scheme.prepaid.unwrap_or(Decimal::ONE);
    for (code, insurance) in &mut advance.insurances {
        let value = match insurance.pay {
            Pay::Rate(rate) => Some(rate),
            Pay::Budget(_) => point_values.get(code).copied(),
        };
        let value = value.ok_or_else(|| {
            Finding::error(format!("insurances.{code}"), "required", "there is no expected value of a point")
                .with_repair("give last year's")
        })?;
        let rate =
            value.times(share).ok_or_else(|| Finding::error("prepaid", "range", "the share is too large"))?;
        insurance.pay = Pay::Rate(rate);
    }
    advance.cap = None;
    settle(&advance, month)
}

#[cfg(test)]
mod tests;
