//! What the year of a pack pays: the settlement that indicators and the settlement page share.

use std::collections::BTreeMap;
use std::sync::Arc;

use tongmai_drg::payment::Decimal;
use tongmai_drg::settlement::scheme::Scheme;
use tongmai_drg::settlement::{Settled, Stay, settle};
use tongmai_engine::{Failure, Outcome, Reason};
use tongmai_views::drg::desk::{Grouping, grouped};
use tongmai_views::drg::{Grouped, Held};

/// Per cent of a year's cost that the demo's pools hold, unless the page says otherwise.
pub const SHARE: i64 = 85;

/// A settled year.
pub struct Year {
    /// Its stays, in the order of the lines.
    pub stays: Vec<Arc<Grouped>>,
    /// Lines, pools and hospitals.
    pub settled: Settled,
    /// The scheme.
    pub scheme: Scheme,
    /// The stays as payment saw them.
    pub paid: Vec<Stay>,
}

/// The years in which somebody was discharged, the latest first.
pub fn years(grouping: &Grouping) -> Vec<i64> {
    let mut years: Vec<i64> = grouping.stays.values().filter_map(|grouped| year_of(grouped)).collect();
    years.sort_unstable_by(|a, b| b.cmp(a));
    years.dedup();
    years
}

pub fn year_of(grouped: &Grouped) -> Option<i64> {
    Some(tongmai_base::time::civil_from_days(grouped.stay.discharged?).0)
}

/// The coefficient of a hospital of the demo, by its kind.
fn coefficient(name: &str) -> Decimal {
    let per_cent = if name.contains("卫生院") {
        80
    } else if name.contains("县人民医院") || name.contains("县医院") {
        100
    } else {
        94
    };
    Decimal(Decimal::ONE.0 * per_cent / 100)
}

/// Settles the discharges of a year with a pack, its pools holding a share (per cent) of their cost.
pub fn settled(grouping: &Grouping, held: &Held, year: i64, share: i64) -> Outcome<Year> {
    let mut scratch = held.grouper.scratch();
    let stays: Vec<Arc<Grouped>> = grouping
        .stays
        .values()
        .filter(|grouped| year_of(grouped) == Some(year))
        .map(|known| match known.pack == held.id() {
            true => known.clone(),
            false => Arc::new(grouped(known.stay.clone(), held, &mut scratch)),
        })
        .collect();
    let paid: Vec<Stay> = stays.iter().map(|grouped| grouped.stay.stay(&grouped.group)).collect();
    let mut costs: BTreeMap<String, i64> = BTreeMap::new();
    let mut levels = BTreeMap::new();
    for (stay, grouped) in paid.iter().zip(&stays) {
        if !stay.insurance.is_empty() {
            *costs.entry(stay.insurance.clone()).or_default() += stay.cost;
        }
        levels.entry(stay.hospital.clone()).or_insert_with(|| coefficient(&grouped.stay.hospital_name));
    }
    let budget = |fen: i64| Decimal(i128::from(fen * share / 100) * (Decimal::ONE.0 / 100));
    let budgets = costs.into_iter().map(|(insurance, fen)| (insurance, budget(fen))).collect();
    let scheme = held.scheme(&budgets, &levels);
    let settled = settle(&scheme, &paid).map_err(|finding| {
        Failure::new(Reason::Unprocessable, &finding.path, &finding.code, finding.message)
    })?;
    Ok(Year { stays, settled, scheme, paid })
}
