//! The rank-ordered logit as a chain of choices (Beggs, Cardell and Hausman 1981).

use super::ChoiceData;

/// Turns each ranking into choices: the first among all, the second among the rest, and so on.
///
/// Alternatives without a rank are only known to come after the ranked ones.
/// Equal ranks are a choice of several at once.
pub(super) fn explode(data: &ChoiceData) -> ChoiceData {
    let mut tasks = data.derived();
    for stratum in 0..data.strata() {
        let rows = data.offsets[stratum]..data.offsets[stratum + 1];
        let mut ranks: Vec<u32> = data.rank[rows.clone()].iter().copied().filter(|&r| r > 0).collect();
        ranks.sort_unstable();
        ranks.dedup();
        for rank in ranks {
            let left: Vec<usize> =
                rows.clone().filter(|&r| data.rank[r] == 0 || data.rank[r] >= rank).collect();
            if left.iter().all(|&r| data.rank[r] == rank) {
                continue;
            }
            for row in left {
                tasks.push_row(data.row(row).iter().copied(), data.rank[row] == rank);
            }
            tasks.close_stratum(data.person[stratum]);
        }
    }
    tasks
}
