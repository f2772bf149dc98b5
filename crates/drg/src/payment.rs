//! Payment: published price tables, the rate they follow, and settlement to the fen.
//!
//! Amounts are whole fen, weights and coefficients whole millionths of a millionth: nothing is
//! lost between the case and the sum. Weight × rate × coefficient and shares of a budget (points;
//! DIP is the same with its score as the weight) are two ways to the same record.

use serde::de::{Deserialize, Deserializer, Error};
use serde::ser::{Serialize, Serializer};
use std::collections::BTreeMap;
use std::fmt;
use tongmai_base::Finding;

/// A published table of weights and payment standards.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PriceTable {
    /// The kinds of price: hospital levels as the heading names them.
    pub levels: Vec<String>,
    /// The groups.
    pub rows: Vec<PriceRow>,
}

/// One group of a table.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PriceRow {
    /// Code.
    pub drg: String,
    /// Name.
    pub name: String,
    /// Relative weight (RW).
    pub weight: Option<f64>,
    /// Remarks of the region: 基础病组, 单议病组, 病组类型 …
    pub flags: Vec<(String, String)>,
    /// For each level the hospital coefficient and the standard in yuan.
    pub prices: Vec<(Option<f64>, Option<f64>)>,
}

/// The rate that a table follows, and where it does not.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Inference {
    /// Yuan a weight of 1 at coefficient 1.
    pub rate: f64,
    /// Coefficient of each level where the table has none of its own.
    pub coefficients: Vec<Option<f64>>,
    /// Priced cells that were compared.
    pub compared: usize,
    /// Cells further than 0.01 yuan from weight × rate × coefficient.
    pub exceptions: Vec<Exception>,
}

/// A price that does not follow the rate.
#[derive(Debug, Clone, PartialEq)]
pub struct Exception {
    /// Group.
    pub drg: String,
    /// Level.
    pub level: String,
    /// Published, in yuan.
    pub published: f64,
    /// Weight × rate × coefficient.
    pub computed: f64,
}

fn number(text: &str) -> Option<f64> {
    let text = text.trim().replace(',', "");
    text.parse::<f64>().ok().filter(|number| number.is_finite())
}

impl PriceTable {
    /// Reads the cells of a table, the heading first.
    ///
    /// # Errors
    /// A finding when there is no column of codes or weights.
    pub fn read(cells: &[Vec<String>]) -> Result<(PriceTable, Vec<Finding>), Finding> {
        let heading: Vec<&str> =
            cells.first().into_iter().flatten().map(|c| c.trim_matches(['\u{feff}', ' '])).collect();
        let find = |words: &[&str]| heading.iter().position(|h| words.iter().any(|word| h.contains(word)));
        let missing =
            |what: &str| Finding::error("heading", "missing-column", format!("there is no column of {what}"));
        let code = find(&["编码", "DRG代码", "病组代码"])
            .or_else(|| heading.iter().position(|h| *h == "DRG"))
            .ok_or_else(|| missing("codes"))?;
        let weight = find(&["RW", "权重", "标准分值"]).ok_or_else(|| missing("weights"))?;
        let name = find(&["名称"]).unwrap_or(code);
        let standards: Vec<usize> =
            (0..heading.len()).filter(|at| heading[*at].contains("支付标准")).collect();
        let level = |text: &str| text.replace("支付标准", "").replace("系数", "");
        let coefficients: Vec<usize> =
            (0..heading.len()).filter(|at| heading[*at].contains("系数")).collect();
        let pairs: Vec<(usize, Option<usize>)> = standards
            .iter()
            .map(|at| (*at, coefficients.iter().copied().find(|c| level(heading[*c]) == level(heading[*at]))))
            .collect();
        let used = |at: &usize| {
            *at == code || *at == weight || *at == name || standards.contains(at) || coefficients.contains(at)
        };
        let flags: Vec<usize> = (0..heading.len()).filter(|at| !used(at)).collect();
        let mut findings = Vec::new();
        let mut rows = Vec::new();
        for (line, cells) in cells.iter().enumerate().skip(1) {
            let mut cells: Vec<&str> = cells.iter().map(|c| c.trim()).collect();
            if cells.len() == heading.len() + 1 && cells[0] == cells[1] {
                cells.remove(0);
                let path = format!("line {}", line + 1);
                findings.push(Finding::warning(
                    path,
                    "repeated-code",
                    "the code stands twice; read without it",
                ));
            }
            let cell = |at: usize| cells.get(at).copied().unwrap_or_default();
            if cell(code).is_empty() {
                continue;
            }
            rows.push(PriceRow {
                drg: cell(code).to_string(),
                name: cell(name).to_string(),
                weight: number(cell(weight)),
                flags: flags
                    .iter()
                    .filter(|at| !cell(**at).is_empty())
                    .map(|at| (heading[*at].to_string(), cell(*at).to_string()))
                    .collect(),
                prices: pairs
                    .iter()
                    .map(|(s, c)| (c.and_then(|c| number(cell(c))), number(cell(*s))))
                    .collect(),
            });
        }
        let levels = standards.iter().map(|at| level(heading[*at])).collect();
        Ok((PriceTable { levels, rows }, findings))
    }

    /// Every priced cell: row, level, weight × own coefficient, standard.
    fn priced(&self) -> impl Iterator<Item = (&PriceRow, usize, f64, bool, f64)> {
        self.rows.iter().flat_map(|row| {
            row.prices.iter().enumerate().filter_map(move |(level, (coefficient, standard))| {
                let (weight, standard) = (row.weight?, (*standard)?);
                let usable = weight > 0.0 && standard > 0.0;
                usable.then(|| {
                    (row, level, weight * coefficient.unwrap_or(1.0), coefficient.is_some(), standard)
                })
            })
        })
    }

    /// The one rate that explains the prices: the median of standard ÷ (weight × coefficient), made
    /// exact by least squares over the cells near it and rounded where rounding fits as well.
    /// Levels without coefficients of their own get one; that of 三级 is 1.
    pub fn infer(&self) -> Option<Inference> {
        let own: Vec<(f64, f64)> = self.priced().filter(|p| p.3).map(|p| (p.2, p.4)).collect();
        let mut coefficients = vec![None; self.levels.len()];
        let rate = if own.is_empty() {
            let rates: Vec<Option<f64>> = (0..self.levels.len())
                .map(|level| {
                    let cells: Vec<(f64, f64)> =
                        self.priced().filter(|p| p.1 == level).map(|p| (p.2, p.4)).collect();
                    fitted(&cells)
                })
                .collect();
            let third = self.levels.iter().position(|level| level.contains("三级"));
            let base = third.and_then(|at| rates[at]).or_else(|| rates.iter().flatten().next().copied())?;
            for (coefficient, rate) in coefficients.iter_mut().zip(&rates) {
                *coefficient = rate.map(|rate| rounded(rate / base, 1e4, 1e-7));
            }
            base
        } else {
            fitted(&own)?
        };
        let mut inference = Inference { rate, coefficients, ..Inference::default() };
        for (row, level, weight, _, published) in self.priced() {
            let computed = weight * rate * inference.coefficients[level].unwrap_or(1.0);
            inference.compared += 1;
            if (computed - published).abs() > 0.01 {
                let (drg, level) = (row.drg.clone(), self.levels[level].clone());
                inference.exceptions.push(Exception { drg, level, published, computed });
            }
        }
        Some(inference)
    }
}

/// The rate of cells (weight, standard), robust against cells with a price of their own.
fn fitted(cells: &[(f64, f64)]) -> Option<f64> {
    let mut rates: Vec<f64> = cells.iter().map(|(weight, standard)| standard / weight).collect();
    rates.sort_by(f64::total_cmp);
    let median = *rates.get(rates.len() / 2)?;
    let near = cells
        .iter()
        .filter(|(weight, standard)| (standard - weight * median).abs() <= 0.02 + standard * 1e-5);
    let (top, bottom) = near.fold((0.0, 0.0), |(t, b), (w, s)| (t + w * s, b + w * w));
    let exact = if bottom > 0.0 { top / bottom } else { median };
    Some(rounded(exact, 1e2, 1e-7))
}

/// Rounded to a whole number of `1 / steps` when that changes it by less than the relative tolerance.
fn rounded(value: f64, steps: f64, tolerance: f64) -> f64 {
    let round = (value * steps).round() / steps;
    if (round - value).abs() <= value.abs() * tolerance { round } else { value }
}

/// Millionths of a millionth.
pub const UNIT: i128 = 1_000_000_000_000;

/// A decimal number with twelve places.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Decimal(pub i128);

impl Decimal {
    /// One.
    pub const ONE: Decimal = Decimal(UNIT);

    /// Reads `12.345`; more than twelve places are refused, as is anything above a million million.
    pub fn parse(text: &str) -> Option<Decimal> {
        let text = text.trim();
        let (negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (whole, places) = digits.split_once('.').unwrap_or((digits, ""));
        let plain = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        if (whole.is_empty() && places.is_empty()) || whole.len() > 12 || places.len() > 12 {
            return None;
        }
        if !plain(whole) || !plain(places) {
            return None;
        }
        let value: i128 = format!("{whole}{places:0<12}").parse().ok()?;
        Some(Decimal(if negative { -value } else { value }))
    }

    /// The product, rounded half up in magnitude.
    pub fn times(self, other: Decimal) -> Option<Decimal> {
        self.0.checked_mul(other.0).map(|product| Decimal(divided(product, UNIT)))
    }

    /// The amount in fen of a number of yuan, rounded half up.
    pub fn fen(self) -> i64 {
        divided(self.0 * 100, UNIT) as i64
    }
}

impl Decimal {
    /// The quotient, rounded half up in magnitude; `None` when dividing by nothing or out of range.
    pub fn over(self, other: Decimal) -> Option<Decimal> {
        let scaled = self.0.checked_mul(UNIT).filter(|_| other.0 != 0)?;
        Some(Decimal(divided(scaled, other.0)))
    }

    /// Rounded half up to so many places, for showing.
    pub fn rounded(self, places: u32) -> Decimal {
        let step = 10_i128.pow(12_u32.saturating_sub(places));
        Decimal(divided(self.0, step) * step)
    }
}

impl fmt::Display for Decimal {
    /// Digits without an exponent and without trailing zeros; a precision rounds to so many places.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = f.precision().map_or(*self, |places| self.rounded(places as u32)).0;
        let sign = if value < 0 { "-" } else { "" };
        let (whole, part) =
            (value.unsigned_abs() / UNIT.unsigned_abs(), value.unsigned_abs() % UNIT.unsigned_abs());
        let digits = format!("{part:012}");
        match f.precision() {
            Some(0) => write!(f, "{sign}{whole}"),
            Some(places) => write!(f, "{sign}{whole}.{}", &digits[..places.min(12)]),
            None => match digits.trim_end_matches('0') {
                "" => write!(f, "{sign}{whole}"),
                digits => write!(f, "{sign}{whole}.{digits}"),
            },
        }
    }
}

impl Serialize for Decimal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Decimal {
    /// A text or a number; never by way of a float.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Decimal, D::Error> {
        let value = serde_json::Value::deserialize(deserializer)?;
        let text = match &value {
            serde_json::Value::String(text) => text.clone(),
            serde_json::Value::Number(number) => number.to_string(),
            other => return Err(D::Error::custom(format!("{other} is no decimal number"))),
        };
        Decimal::parse(&text)
            .ok_or_else(|| D::Error::custom(format!("'{text}' is no decimal number of at most 12 places")))
    }
}

/// Fen as yuan with two places.
pub fn yuan(fen: i64) -> String {
    format!("{}{}.{:02}", if fen < 0 { "-" } else { "" }, fen.unsigned_abs() / 100, fen.unsigned_abs() % 100)
}

fn divided(value: i128, by: i128) -> i128 {
    let half = if value < 0 { -by / 2 } else { by / 2 };
    (value + half) / by
}

/// One discharge to be paid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bill {
    /// The hospital.
    pub hospital: String,
    /// The group.
    pub group: String,
    /// Weight (DRG) or score (DIP).
    pub weight: Decimal,
    /// Coefficient of the hospital or its level.
    pub coefficient: Decimal,
    /// What the stay cost, in fen.
    pub cost: i64,
}

/// How a settlement turns weights into money.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Yuan a weight of 1.
    Rate(Decimal),
    /// A budget in fen shared by weight × coefficient (points); it is spent to the fen.
    Budget(i64),
}

/// Cases far from their standard. `None` switches a rule off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Outliers {
    /// Above this multiple of the standard the excess is paid too.
    pub high: Option<Decimal>,
    /// Below this multiple of the standard the cost itself is paid.
    pub low: Option<Decimal>,
}

/// What each bill is paid, in fen, in the order of the bills.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settlement {
    /// Fen a bill.
    pub payments: Vec<i64>,
    /// Fen a hospital: bills, costs, payments.
    pub hospitals: BTreeMap<String, (u64, i64, i64)>,
    /// Yuan a point (weight × coefficient of 1), of a budget.
    pub point_value: Option<Decimal>,
}

/// Settles bills.
///
/// # Errors
/// A finding when an amount is too large, or a budget is shared among bills without any weight.
pub fn settle(bills: &[Bill], method: Method, outliers: Outliers) -> Result<Settlement, Finding> {
    let too_large =
        |at: usize| Finding::error(format!("bill {}", at + 1), "range", "the amount is too large");
    let mut points = Vec::with_capacity(bills.len());
    for (at, bill) in bills.iter().enumerate() {
        let product =
            bill.weight.times(bill.coefficient).filter(|p| p.0 >= 0).ok_or_else(|| too_large(at))?;
        points.push(product);
    }
    let total: i128 = points.iter().map(|p| p.0).sum();
    let (payments, point_value) = match method {
        Method::Rate(rate) => {
            let mut payments = Vec::with_capacity(bills.len());
            for (at, (bill, points)) in bills.iter().zip(&points).enumerate() {
                let standard = points.times(rate).ok_or_else(|| too_large(at))?.fen();
                payments.push(adjusted(standard, bill.cost, outliers).ok_or_else(|| too_large(at))?);
            }
            (payments, None)
        }
        Method::Budget(budget) => {
            if total == 0 {
                return Err(Finding::error(
                    "bills",
                    "no-weight",
                    "no bill has a weight: the budget has no shares",
                ));
            }
            let shares = shared(budget, &points, total)
                .ok_or_else(|| Finding::error("budget", "range", "the budget is too large"))?;
            (shares, Some(Decimal(divided(i128::from(budget) * UNIT / 100 * UNIT, total))))
        }
    };
    let mut hospitals: BTreeMap<String, (u64, i64, i64)> = BTreeMap::new();
    for (bill, payment) in bills.iter().zip(&payments) {
        let entry = hospitals.entry(bill.hospital.clone()).or_default();
        *entry = (entry.0 + 1, entry.1 + bill.cost, entry.2 + payment);
    }
    Ok(Settlement { payments, hospitals, point_value })
}

fn adjusted(standard: i64, cost: i64, outliers: Outliers) -> Option<i64> {
    let multiple = |k: Decimal| Some(divided(i128::from(standard).checked_mul(k.0)?, UNIT));
    if let Some(k) = outliers.low
        && i128::from(cost) < multiple(k)?
    {
        return Some(cost);
    }
    if let Some(k) = outliers.high {
        let limit = multiple(k)?;
        if i128::from(cost) > limit {
            return i64::try_from(i128::from(standard) + i128::from(cost) - limit).ok();
        }
    }
    Some(standard)
}

/// Shares of a budget by points; what rounding down leaves goes, a fen each, to the largest
/// remainders (among equals to the most points, then to the first).
pub(crate) fn shared(budget: i64, points: &[Decimal], total: i128) -> Option<Vec<i64>> {
    let mut shares = Vec::with_capacity(points.len());
    let mut remainders = Vec::with_capacity(points.len());
    for (at, point) in points.iter().enumerate() {
        let product = i128::from(budget).checked_mul(point.0)?;
        shares.push(i64::try_from(product / total).ok()?);
        remainders.push((product % total, point.0, std::cmp::Reverse(at)));
    }
    let left = budget - shares.iter().sum::<i64>();
    remainders.sort_unstable_by(|a, b| b.cmp(a));
    for (_, _, std::cmp::Reverse(at)) in remainders.iter().take(usize::try_from(left).ok()?) {
        shares[*at] += 1;
    }
    Some(shares)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn random(seed: &mut u64) -> u64 {
        *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        *seed >> 33
    }

    fn bills(seed: &mut u64) -> Vec<Bill> {
        let count = 1 + random(seed) % 300;
        (0..count)
            .map(|_| Bill {
                hospital: format!("H{}", random(seed) % 7),
                group: String::new(),
                weight: Decimal(i128::from(1 + random(seed) % 30_000_000) * 1_000_000),
                coefficient: Decimal(i128::from(500 + random(seed) % 800) * UNIT / 1000),
                cost: (random(seed) % 10_000_000) as i64,
            })
            .collect()
    }

    #[test]
    fn budgets_close_to_the_fen_and_more_points_never_get_less() {
        let mut seed = 20_261_121;
        for _ in 0..300 {
            let bills = bills(&mut seed);
            let budget = (random(&mut seed) % 50_000_000_000) as i64;
            let settled = settle(&bills, Method::Budget(budget), Outliers::default()).unwrap();
            assert_eq!(settled.payments.iter().sum::<i64>(), budget);
            assert_eq!(settled.hospitals.values().map(|h| h.2).sum::<i64>(), budget);
            let mut order: Vec<usize> = (0..bills.len()).collect();
            order.sort_by_key(|at| bills[*at].weight.times(bills[*at].coefficient).unwrap());
            assert!(order.windows(2).all(|w| settled.payments[w[0]] <= settled.payments[w[1]]));
        }
    }

    #[test]
    fn outliers_are_paid_by_their_rule() {
        let bill = |cost: i64| Bill {
            hospital: "H".into(),
            group: "BB11".into(),
            weight: Decimal::parse("1.5").unwrap(),
            coefficient: Decimal::ONE,
            cost,
        };
        let outliers = Outliers { high: Decimal::parse("3"), low: Decimal::parse("0.4") };
        let rate = Method::Rate(Decimal::parse("10000").unwrap());
        let bills = [bill(1_500_000), bill(5_000_000), bill(500_000), bill(4_500_000), bill(600_000)];
        let settled = settle(&bills, rate, outliers).unwrap();
        assert_eq!(settled.payments, [1_500_000, 2_000_000, 500_000, 1_500_000, 1_500_000]);
    }

    #[test]
    fn decimals_are_exact() {
        let parse = |text| Decimal::parse(text).unwrap();
        assert_eq!(parse("23.99262817").times(parse("12000")), Some(parse("287911.53804")));
        assert_eq!(parse("0.005").fen(), 1);
        assert_eq!(parse("-0.005").fen(), -1);
        for bad in ["", ".", "1e3", "1.0000000000001", "٣", "--1"] {
            assert_eq!(Decimal::parse(bad), None, "{bad}");
        }
    }
}
