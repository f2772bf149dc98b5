//! The workshop's check of a payment scheme beside the pack whose groups it pays: does every group have a
//! weight, do the weights rise with severity, and does each budget close.

use crate::condition::{Condition, Level};
use crate::pack::{Adrg, Drg, Pack};
use crate::payment::{Decimal, yuan};
use crate::settlement::scheme::{Pay, Scheme};
use crate::settlement::{Settled, Stay, settle};
use std::collections::BTreeSet;
use tongmai_base::{Finding, Severity};

/// Most hospitals of a scheme that the trial year is played with.
const HOSPITALS: usize = 24;
/// Costs of the trial year's cases, as tenths of the mean: a low outlier, two ordinary cases, a high outlier.
const COSTS: [i64; 4] = [2, 9, 12, 70];
/// Fen that a trial case costs on average where the scheme has no standard, for a weight of one.
const MEAN_FEN: i128 = 1_000_000;
/// Codes that one finding names.
const SHOWN: usize = 8;

/// Checks a scheme against its pack.
///
/// The budgets are played through: a trial year of every weighted group in every hospital (at most 24), each as a
/// low outlier, two ordinary cases and a high one. Payments and what the cap held back must be the budget, to the
/// fen, and in one hospital a group of more weight must not be paid less at the same cost against its mean.
pub fn check(pack: &Pack, scheme: &Scheme) -> Vec<Finding> {
    let mut findings = scheme.check();
    if !scheme.pack.is_empty() && scheme.pack != pack.manifest.id {
        let message = format!("the scheme pays groups of {}, the pack is {}", scheme.pack, pack.manifest.id);
        findings.push(Finding::warning("pack", "other-pack", message));
    }
    findings.extend(weights(pack, scheme));
    findings.extend(order(pack, scheme));
    findings.extend(communities(scheme));
    findings.extend(closure(scheme));
    findings
}

/// The codes that a case may be paid by: groups, and ADRGs that have none.
fn payable(pack: &Pack) -> BTreeSet<&str> {
    let adrgs = pack.mdcs.iter().flat_map(|mdc| &mdc.adrgs).filter(|adrg| !adrg.ambiguous);
    adrgs
        .flat_map(|adrg| match adrg.drgs.as_slice() {
            [] => vec![adrg.code.as_str()],
            drgs => drgs.iter().map(|drg| drg.code.as_str()).collect(),
        })
        .collect()
}

fn some(codes: &[&str]) -> String {
    let shown = codes.iter().take(SHOWN).copied().collect::<Vec<_>>().join(", ");
    if codes.len() > SHOWN { format!("{shown} …") } else { shown }
}

fn weights(pack: &Pack, scheme: &Scheme) -> Vec<Finding> {
    let payable = payable(pack);
    let without: Vec<&str> =
        payable.iter().copied().filter(|code| !scheme.weights.contains_key(*code)).collect();
    let known = |code: &str| {
        payable.contains(code) || pack.mdcs.iter().any(|mdc| mdc.adrgs.iter().any(|adrg| adrg.code == code))
    };
    let foreign: Vec<&str> = scheme.weights.keys().map(String::as_str).filter(|code| !known(code)).collect();
    let mut findings = Vec::new();
    if !without.is_empty() {
        let message = format!(
            "{} of {} groups have no weight, their cases are paid nothing: {}",
            without.len(),
            payable.len(),
            some(&without)
        );
        findings.push(
            Finding::error("weights", "group-without-weight", message)
                .with_repair("add their weights, or say in the scheme that they are judged one by one"),
        );
    }
    if !foreign.is_empty() {
        let message = format!(
            "{} weights are of groups that the pack does not have: {}",
            foreign.len(),
            some(&foreign)
        );
        findings.push(Finding::warning("weights", "weight-without-group", message));
    }
    findings
}

/// How severe the cases of a group are: 2 with MCC, 1 with CC, 0 without either; `None` when its rule asks
/// for other things.
fn severity(drg: &Drg) -> Option<u8> {
    let (mut level, mut other) = (0, false);
    drg.rule.visit(&mut |condition| match condition {
        Condition::Severity(Level::Mcc) => level = 2,
        Condition::Severity(Level::Cc) => level = level.max(1),
        _ => other = true,
    });
    (!other).then_some(level)
}

/// Groups of one ADRG whose weight falls although their severity rises.
fn order(pack: &Pack, scheme: &Scheme) -> Vec<Finding> {
    let adrgs = pack.mdcs.iter().flat_map(|mdc| mdc.adrgs.iter().map(move |adrg| (mdc, adrg)));
    let of = |adrg: &Adrg| -> Option<Finding> {
        let mut rows: Vec<(u8, Decimal, &str)> = adrg
            .drgs
            .iter()
            .filter_map(|drg| Some((severity(drg)?, scheme.weight(&drg.code)?, drg.code.as_str())))
            .collect();
        rows.sort_unstable();
        let wrong = rows.windows(2).find(|pair| pair[0].0 < pair[1].0 && pair[0].1 > pair[1].1)?;
        let message = format!(
            "{} is the more severe and weighs {}, {} weighs {}",
            wrong[1].2, wrong[1].1, wrong[0].2, wrong[0].1
        );
        Some(Finding::warning(format!("weights.{}", wrong[1].2), "weight-order", message))
    };
    adrgs.filter_map(|(_, adrg)| of(adrg)).collect()
}

/// Budgets of areas that together promise more than the pools hold.
fn communities(scheme: &Scheme) -> Option<Finding> {
    let budgets: Option<i128> = scheme
        .insurances
        .values()
        .map(|insurance| match insurance.pay {
            Pay::Budget(budget) => Some(budget.0),
            Pay::Rate(_) => None,
        })
        .sum();
    let promised: i128 = scheme.communities.values().map(|community| community.budget.0).sum();
    let held = budgets.filter(|held| promised > *held)?;
    let message = format!(
        "the communities are promised {}, the pools hold {}",
        yuan(Decimal(promised).fen()),
        yuan(Decimal(held).fen())
    );
    Some(Finding::warning("communities", "more-than-the-pools", message))
}

/// The trial year of one pool.
fn year(scheme: &Scheme, insurance: &str) -> Vec<Stay> {
    let unnamed = String::new();
    let mut hospitals: Vec<&String> = scheme.hospitals.keys().take(HOSPITALS).collect();
    if hospitals.is_empty() {
        hospitals.push(&unnamed);
    }
    let mut stays = Vec::with_capacity(scheme.weights.len() * hospitals.len() * COSTS.len());
    for (group, weight) in &scheme.weights {
        let standard = scheme.standards.get(group).and_then(|standard| standard.cost);
        let mean = standard.map_or((weight.0 * MEAN_FEN / Decimal::ONE.0) as i64, Decimal::fen).max(1);
        for hospital in &hospitals {
            for tenths in COSTS {
                stays.push(Stay {
                    id: format!("{}", stays.len()),
                    hospital: (*hospital).clone(),
                    insurance: insurance.to_owned(),
                    group: group.clone(),
                    cost: mean * tenths / 10,
                    days: 7,
                    ..Stay::default()
                });
            }
        }
    }
    stays
}

/// Plays a trial year through every pool.
fn closure(scheme: &Scheme) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (code, insurance) in &scheme.insurances {
        let path = format!("insurances.{code}");
        let stays = year(scheme, code);
        let settled = match settle(scheme, &stays) {
            Ok(settled) => settled,
            Err(finding) => {
                findings.push(finding);
                continue;
            }
        };
        if let Pay::Budget(budget) = insurance.pay {
            findings.extend(closes(&path, code, budget.fen(), &settled));
        }
        if let Some(message) = falls(scheme, &stays, &settled) {
            findings.push(Finding::warning(&path, "not-monotone", message));
        }
    }
    findings
}

/// Whether payments and what the cap held back are the budget, to the fen.
fn closes(path: &str, code: &str, budget: i64, settled: &Settled) -> Vec<Finding> {
    let paid: i64 = settled.lines.iter().map(|line| line.payment).sum();
    let held: i64 = settled.lines.iter().map(|line| line.capped).sum();
    let mut findings = Vec::new();
    if settled.pools.get(code).is_none_or(|pool| pool.points.0 <= 0) {
        let message =
            format!("no case of the trial year has a point: {} would be paid to nobody", yuan(budget));
        findings.push(
            Finding::error(path, "budget-open", message).with_repair("give the groups of the pack weights"),
        );
    } else if paid + held != budget {
        let message = format!(
            "the trial year pays {}, the cap holds back {}, the budget is {}",
            yuan(paid),
            yuan(held),
            yuan(budget)
        );
        findings.push(Finding::error(path, "budget-open", message));
    } else {
        let cases = settled.lines.len();
        let message = format!(
            "the budget closes to the fen over {cases} trial cases: {} paid, {} held back by the cap",
            yuan(paid),
            yuan(held)
        );
        findings.push(Finding::new(Severity::Information, path, "budget-closes", message));
    }
    if settled.lines.iter().any(|line| line.payment < 0) {
        findings.push(Finding::error(path, "negative-payment", "a trial case is paid less than nothing"));
    }
    findings
}

/// A group of more weight that is paid less in the same hospital, both as ordinary cases.
fn falls(scheme: &Scheme, stays: &[Stay], settled: &Settled) -> Option<String> {
    use crate::settlement::Kind;
    let mut rows: Vec<(&str, Decimal, i64, &str)> = stays
        .iter()
        .zip(&settled.lines)
        .filter(|(_, line)| line.kind == Kind::Normal && line.capped == 0)
        .map(|(stay, line)| (stay.hospital.as_str(), line.points, line.payment, stay.group.as_str()))
        .collect();
    rows.sort_unstable();
    // Shares of a budget are rounded to the fen, so that two equal groups may differ by one.
    let pair = rows.windows(2).find(|pair| pair[0].0 == pair[1].0 && pair[0].2 > pair[1].2 + 1)?;
    let weight = |group: &str| scheme.weight(group).unwrap_or_default();
    Some(format!(
        "{} (weight {}) is paid {}, {} (weight {}) only {}",
        pair[0].3,
        weight(pair[0].3),
        yuan(pair[0].2),
        pair[1].3,
        weight(pair[1].3),
        yuan(pair[1].2)
    ))
}
