//! A year's clearing (年度清算) that four eyes sign and every hospital can compute again.
//!
//! The document says the scheme by its hash, every pool, every hospital with the hash of its lines, and
//! what was paid in advance. A hospital that has its own lines and the document can check each of its payments
//! without seeing anybody else's: a share of a budget is `floor(money × points / all points)`, or one fen more.

use super::scheme::{Pay, Scheme};
use super::signature::{self, Signed};
use super::{Kind, Settled, Stay};
use crate::payment::{Decimal, yuan};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use tongmai_base::Finding;

/// A pool in the document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolSum {
    /// Yuan of the budget; absent for a rate.
    pub budget: Option<Decimal>,
    /// Yuan that points share: the budget less what experts approved.
    pub shared: Option<Decimal>,
    /// All points.
    pub points: Decimal,
    /// Yuan a point.
    pub point_value: Decimal,
    /// Yuan paid.
    pub paid: Decimal,
    /// Yuan left.
    pub reserve: Decimal,
}

/// A hospital in the document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HospitalSum {
    /// Cases.
    pub cases: u64,
    /// Yuan that the stays cost.
    pub cost: Decimal,
    /// Points.
    pub points: Decimal,
    /// Yuan that the year is worth.
    pub payment: Decimal,
    /// Yuan kept for want of quality.
    pub withheld: Decimal,
    /// Yuan paid in advance.
    pub advanced: Decimal,
    /// Yuan that are still paid, or owed when negative.
    pub balance: Decimal,
    /// SHA-256 of the hospital's lines as [`lines`] writes them.
    pub lines: String,
}

/// A clearing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clearing {
    /// First and last day.
    pub period: (String, String),
    /// Short name of the scheme.
    pub scheme: String,
    /// SHA-256 of the scheme as JSON.
    pub scheme_hash: String,
    /// Pools.
    pub pools: BTreeMap<String, PoolSum>,
    /// Hospitals.
    pub hospitals: BTreeMap<String, HospitalSum>,
    /// Two signatures at least, `prepared` and `approved`, by different keys.
    #[serde(default)]
    pub signatures: Vec<Signed>,
}

fn amount(fen: i64) -> Decimal {
    Decimal(i128::from(fen) * (Decimal::ONE.0 / 100))
}

/// The SHA-256 of a scheme.
pub fn scheme_hash(scheme: &Scheme) -> String {
    signature::hex(&Sha256::digest(serde_json::to_vec(scheme).expect("a scheme has text keys only")))
}

/// The lines of one hospital, in the order of their ids: the table that it is given.
pub fn lines(hospital: &str, stays: &[Stay], settled: &Settled) -> String {
    let mut rows: Vec<String> = stays
        .iter()
        .zip(&settled.lines)
        .filter(|(stay, _)| stay.hospital == hospital)
        .map(|(stay, line)| {
            let (group, kind, insurance) = (&stay.group, line.kind.code(), &stay.insurance);
            let (cost, payment, capped) = (yuan(stay.cost), yuan(line.payment), yuan(line.capped));
            let (id, base, points) = (&stay.id, line.base, line.points);
            format!("{id}\t{insurance}\t{group}\t{kind}\t{cost}\t{base}\t{points}\t{capped}\t{payment}\n")
        })
        .collect();
    rows.sort_unstable();
    let heading = "stay\tinsurance\tgroup\trule\tcost\tbase\tpoints\tcapped\tpayment\n";
    std::iter::once(heading).chain(rows.iter().map(String::as_str)).collect()
}

/// Draws up a clearing. `advanced` is what each hospital was paid in advance, in fen; `quality` the share of
/// its payment that each loses for want of quality (nothing for those it does not name).
pub fn clear(
    scheme: &Scheme,
    period: (&str, &str),
    stays: &[Stay],
    settled: &Settled,
    advanced: &BTreeMap<String, i64>,
    quality: &BTreeMap<String, Decimal>,
) -> Clearing {
    let pools = settled.pools.iter().map(|(code, pool)| {
        let sum = PoolSum {
            budget: pool.budget.map(amount),
            shared: pool.budget.map(|budget| amount(budget - pool.special)),
            points: pool.points,
            point_value: pool.point_value,
            paid: amount(pool.paid),
            reserve: amount(pool.reserve),
        };
        (code.clone(), sum)
    });
    let hospitals = settled.hospitals.iter().map(|(code, share)| {
        let lost = quality.get(code).copied().unwrap_or_default();
        let withheld = (i128::from(share.payment) * lost.0 / Decimal::ONE.0) as i64;
        let paid = advanced.get(code).copied().unwrap_or(0);
        let table = lines(code, stays, settled);
        let sum = HospitalSum {
            cases: share.cases,
            cost: amount(share.cost),
            points: share.points,
            payment: amount(share.payment),
            withheld: amount(withheld),
            advanced: amount(paid),
            balance: amount(share.payment - withheld - paid),
            lines: signature::hex(&Sha256::digest(table.as_bytes())),
        };
        (code.clone(), sum)
    });
    Clearing {
        period: (period.0.to_string(), period.1.to_string()),
        scheme: scheme.id.clone(),
        scheme_hash: scheme_hash(scheme),
        pools: pools.collect(),
        hospitals: hospitals.collect(),
        signatures: Vec::new(),
    }
}

impl Clearing {
    /// The digest that is signed: everything but the signatures.
    pub fn digest(&self) -> String {
        let unsigned = Clearing { signatures: Vec::new(), ..self.clone() };
        signature::hex(&Sha256::digest(serde_json::to_vec(&unsigned).expect("a clearing has text keys only")))
    }

    /// Signs it in a role. Nobody signs twice.
    ///
    /// # Errors
    /// A finding when the key or the person has signed already.
    pub fn sign(&mut self, secret: &[u8; 32], who: &str, role: &str) -> Result<(), Finding> {
        let signed = signature::sign(secret, who, role, &self.digest());
        if self.signatures.iter().any(|other| other.key == signed.key || other.who == signed.who) {
            let message = format!("{who} or this key has signed already");
            return Err(
                Finding::error("signatures", "four-eyes", message).with_repair("let a second person sign")
            );
        }
        self.signatures.push(signed);
        Ok(())
    }

    /// Whether two different persons with different keys stand for it, one having prepared and one approved it.
    pub fn check(&self, trusted: &[String]) -> Vec<Finding> {
        let digest = self.digest();
        let mut findings = signature::check(&digest, &self.signatures, trusted);
        let by = |role: &str| self.signatures.iter().find(|s| s.role == role && s.holds(&digest));
        match (by("prepared"), by("approved")) {
            (Some(one), Some(two)) if one.key != two.key && one.who != two.who => {}
            _ => findings.push(
                Finding::error("signatures", "four-eyes", "it is not prepared and approved by two persons")
                    .with_repair("sign it with --role prepared and, with another key, --role approved"),
            ),
        }
        findings
    }
}

/// A hospital computes its payments again from its own table and the document.
pub fn recompute(clearing: &Clearing, hospital: &str, table: &str, cap: Option<Decimal>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut wrong =
        |path: String, code: &str, message: String| findings.push(Finding::error(path, code, message));
    let Some(sum) = clearing.hospitals.get(hospital) else {
        return vec![Finding::error("hospitals", "unknown", format!("{hospital} is not in the clearing"))];
    };
    if signature::hex(&Sha256::digest(table.as_bytes())) != sum.lines {
        wrong("lines".into(), "hash", "the table is not the one that the clearing names".into());
    }
    let (mut payment, mut points, mut cases) = (0_i128, 0_i128, 0);
    for (at, row) in table.lines().enumerate().skip(1) {
        let cells: Vec<&str> = row.split('\t').collect();
        let path = format!("line {}", at + 1);
        let (&[id, insurance, _, rule, cost, _, share, capped, paid], true) =
            (cells.as_slice(), cells.len() == 9)
        else {
            wrong(path, "columns", "the line has not nine columns".into());
            continue;
        };
        let numbers = [cost, share, capped, paid].map(Decimal::parse);
        let [Some(cost), Some(share), Some(capped), Some(paid)] = numbers else {
            wrong(path, "number", "a number cannot be read".into());
            continue;
        };
        (payment, points, cases) = (payment + paid.0, points + share.0, cases + 1);
        if rule == Kind::Special.code() {
            continue;
        }
        let Some(pool) = clearing.pools.get(insurance) else {
            if paid.0 != 0 {
                wrong(path, "unknown-pool", format!("{id} is paid by a pool that there is not"));
            }
            continue;
        };
        let full = paid.0 + capped.0;
        let fits = match pool.shared {
            Some(_) if pool.points.0 == 0 => full == 0,
            Some(money) => {
                let fen = money.fen();
                let floor = i128::from(fen).checked_mul(share.0).map(|product| product / pool.points.0);
                let full = Decimal(full).fen();
                floor.is_some_and(|floor| (floor..=floor + 1).contains(&i128::from(full)))
            }
            None => share.times(pool.point_value).is_some_and(|yuan| yuan.fen() == Decimal(full).fen()),
        };
        if !fits {
            wrong(path.clone(), "payment", format!("{id} is paid {paid} yuan, which its points do not give"));
        }
        let most = cap.map(|cap| (i128::from(cost.fen()) * cap.0 / Decimal::ONE.0) as i64);
        if capped.0 != 0 && most != Some(paid.fen()) {
            wrong(path, "cap", format!("{id} is capped at {paid} yuan, which the cap does not give"));
        }
    }
    if payment != sum.payment.0 || points != sum.points.0 || cases != sum.cases {
        wrong("hospitals".into(), "sum", "payments, points or cases do not add up to the hospital's".into());
    }
    if sum.payment.0 - sum.withheld.0 - sum.advanced.0 != sum.balance.0 {
        wrong("balance".into(), "sum", "payment, deposit and advance do not give the balance".into());
    }
    findings
}

/// Whether the pools close: payments and reserve are the budget.
pub fn closes(clearing: &Clearing) -> bool {
    let paid: i128 = clearing.hospitals.values().map(|hospital| hospital.payment.0).sum();
    let pools: i128 = clearing.pools.values().map(|pool| pool.paid.0).sum();
    let closed = |pool: &PoolSum| pool.budget.is_none_or(|budget| budget.0 == pool.paid.0 + pool.reserve.0);
    paid == pools && clearing.pools.values().all(closed)
}

/// The yuan that a scheme's budgets hold together, where all pools have one.
pub fn budget(scheme: &Scheme) -> Option<Decimal> {
    let budgets = scheme.insurances.values().map(|insurance| match insurance.pay {
        Pay::Budget(budget) => Some(budget.0),
        Pay::Rate(_) => None,
    });
    budgets.sum::<Option<i128>>().map(Decimal)
}
