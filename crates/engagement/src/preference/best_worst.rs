//! Best–worst scaling: counts, and choice models of best and worst (Louviere, Flynn and Marley 2015).

use super::ChoiceData;
use serde::Deserialize;
use serde_json::{Value, json};

/// How a best and a worst arise from the utilities of what was shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BestWorst {
    /// The best of all, then the worst of the rest.
    #[default]
    Sequential,
    /// The pair with the greatest difference, out of all ordered pairs.
    Maxdiff,
    /// The best of all, and independently the worst of all.
    Marginal,
}

impl BestWorst {
    pub(super) fn name(self) -> &'static str {
        match self {
            BestWorst::Sequential => "best–worst, sequential",
            BestWorst::Maxdiff => "best–worst, maximum difference",
            BestWorst::Marginal => "best–worst, marginal",
        }
    }
}

/// Choices equivalent to the best–worst tasks. Tasks without exactly one best and another worst are skipped.
pub(super) fn tasks(data: &ChoiceData, model: BestWorst) -> ChoiceData {
    let mut tasks = data.derived();
    for stratum in 0..data.strata() {
        let rows = data.offsets[stratum]..data.offsets[stratum + 1];
        let only = |flags: &[bool]| {
            let mut hits = rows.clone().filter(|&r| flags[r]);
            hits.next().filter(|_| hits.next().is_none())
        };
        let (Some(best), Some(worst)) = (only(&data.chosen), only(&data.worst)) else { continue };
        if best == worst {
            continue;
        }
        let person = data.person[stratum];
        if model == BestWorst::Maxdiff {
            for first in rows.clone() {
                for last in rows.clone().filter(|&l| l != first) {
                    let difference = data.row(first).iter().zip(data.row(last)).map(|(a, b)| a - b);
                    tasks.push_row(difference, first == best && last == worst);
                }
            }
            tasks.close_stratum(person);
            continue;
        }
        for row in rows.clone() {
            tasks.push_row(data.row(row).iter().copied(), row == best);
        }
        tasks.close_stratum(person);
        for row in rows.clone().filter(|&r| model == BestWorst::Marginal || r != best) {
            tasks.push_row(data.row(row).iter().map(|x| -x), row == worst);
        }
        tasks.close_stratum(person);
    }
    tasks
}

/// How often an item was shown, best and worst.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemCount {
    /// Name of the item.
    pub item: String,
    /// Times shown.
    pub shown: usize,
    /// Times chosen as best.
    pub best: usize,
    /// Times chosen as worst.
    pub worst: usize,
}

impl ItemCount {
    /// Best minus worst, per time shown: −1 … 1.
    pub fn score(&self) -> f64 {
        (self.best as f64 - self.worst as f64) / self.shown.max(1) as f64
    }

    pub(super) fn to_json(&self) -> Value {
        json!({
            "item": self.item,
            "shown": self.shown,
            "best": self.best,
            "worst": self.worst,
            "best_minus_worst": self.best as i64 - self.worst as i64,
            "score": self.score(),
            "square_root_ratio": (self.worst > 0).then(|| (self.best as f64 / self.worst as f64).sqrt()),
        })
    }
}

/// Counts by item; empty without an item column.
pub fn item_counts(data: &ChoiceData) -> Vec<ItemCount> {
    let empty = |item: &String| ItemCount { item: item.clone(), shown: 0, best: 0, worst: 0 };
    let mut counts: Vec<ItemCount> = data.item_names.iter().map(empty).collect();
    for (row, &item) in data.item.iter().enumerate() {
        let count = &mut counts[item as usize];
        count.shown += 1;
        count.best += usize::from(data.chosen[row]);
        count.worst += usize::from(data.worst.get(row).copied().unwrap_or(false));
    }
    counts
}
