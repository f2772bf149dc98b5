//! 对账: what the insurer returned beside what we expect, case by case.

use serde::Serialize;
use std::collections::BTreeMap;

/// A case on either side.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entry {
    /// Its number.
    pub id: String,
    /// Group.
    pub group: String,
    /// Fen; `None` when that side does not say.
    pub payment: Option<i64>,
}

/// In what the two sides differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Difference {
    /// Sent, and not returned.
    NotReturned,
    /// Returned, and never sent.
    NotSent,
    /// The number stands more than once.
    Repeated,
    /// In another group.
    Group,
    /// In the same group with another payment.
    Payment,
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    /// The case.
    pub id: String,
    /// What differs.
    pub difference: Difference,
    /// Our group.
    pub expected_group: String,
    /// Theirs.
    pub returned_group: String,
    /// Our payment in fen.
    pub expected: Option<i64>,
    /// Theirs.
    pub returned: Option<i64>,
}

/// The result: the differences, and the sums that they add up to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reconciliation {
    /// Cases that agree.
    pub agree: u64,
    /// Differences in the order of the numbers.
    pub rows: Vec<Row>,
    /// Fen that we expect.
    pub expected: i64,
    /// Fen that were returned.
    pub returned: i64,
    /// Returned less expected in fen, of the cases that agree within the tolerance.
    pub within: i64,
    /// By difference: cases, and returned less expected in fen. With `within` it adds up to the
    /// difference of the sums.
    pub sums: BTreeMap<Difference, (u64, i64)>,
}

/// Compares both sides; payments within `tolerance` fen agree.
pub fn reconcile(expected: &[Entry], returned: &[Entry], tolerance: i64) -> Reconciliation {
    let (ours, again) = by_id(expected);
    let (theirs, twice) = by_id(returned);
    let mut result = Reconciliation {
        expected: expected.iter().filter_map(|entry| entry.payment).sum(),
        returned: returned.iter().filter_map(|entry| entry.payment).sum(),
        ..Reconciliation::default()
    };
    let mut note = |ours: Option<&Entry>, theirs: Option<&Entry>, difference| {
        let side =
            |entry: Option<&Entry>| entry.map_or((String::new(), None), |e| (e.group.clone(), e.payment));
        let ((expected_group, expected), (returned_group, returned)) = (side(ours), side(theirs));
        let id = ours.or(theirs).map_or(String::new(), |entry| entry.id.clone());
        let sum = result.sums.entry(difference).or_default();
        *sum = (sum.0 + 1, sum.1 + returned.unwrap_or(0) - expected.unwrap_or(0));
        result.rows.push(Row { id, difference, expected_group, returned_group, expected, returned });
    };
    let (mut agree, mut within) = (0, 0);
    again.iter().for_each(|entry| note(Some(entry), None, Difference::Repeated));
    twice.iter().for_each(|entry| note(None, Some(entry), Difference::Repeated));
    for (id, our) in &ours {
        match theirs.get(id) {
            None => note(Some(our), None, Difference::NotReturned),
            Some(their) if our.group != their.group => note(Some(our), Some(their), Difference::Group),
            Some(their) => {
                let (a, b) = (our.payment.unwrap_or(0), their.payment.unwrap_or(0));
                if (a - b).abs() <= tolerance {
                    within += b - a;
                    agree += 1;
                } else {
                    note(Some(our), Some(their), Difference::Payment);
                }
            }
        }
    }
    for (_, their) in theirs.iter().filter(|(id, _)| !ours.contains_key(*id)) {
        note(None, Some(their), Difference::NotSent);
    }
    (result.agree, result.within) = (agree, within);
    result.rows.sort_by(|a, b| (&a.id, a.difference).cmp(&(&b.id, b.difference)));
    result
}

/// Entries by their number, the first of each, and those that repeat one.
fn by_id(entries: &[Entry]) -> (BTreeMap<&str, &Entry>, Vec<&Entry>) {
    let (mut by_id, mut again) = (BTreeMap::new(), Vec::new());
    for entry in entries {
        if by_id.contains_key(entry.id.as_str()) {
            again.push(entry);
        } else {
            by_id.insert(entry.id.as_str(), entry);
        }
    }
    (by_id, again)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(id: &str, group: &str, payment: i64) -> Entry {
        Entry { id: id.into(), group: group.into(), payment: Some(payment) }
    }

    #[test]
    fn every_difference_is_found_and_the_sums_add_up() {
        let ours = [
            entry("1", "A", 100),
            entry("2", "B", 200),
            entry("3", "C", 300),
            entry("4", "D", 400),
            entry("4", "D", 400),
        ];
        let theirs = [entry("1", "A", 100), entry("2", "BB", 150), entry("3", "C", 310), entry("5", "E", 50)];
        let result = reconcile(&ours, &theirs, 0);
        let found: Vec<(&str, Difference)> =
            result.rows.iter().map(|row| (row.id.as_str(), row.difference)).collect();
        let expected = [
            ("2", Difference::Group),
            ("3", Difference::Payment),
            ("4", Difference::NotReturned),
            ("4", Difference::Repeated),
            ("5", Difference::NotSent),
        ];
        assert_eq!(found, expected);
        assert_eq!(result.agree, 1);
        let sum: i64 = result.sums.values().map(|(_, fen)| fen).sum();
        assert_eq!(sum, result.returned - result.expected);
    }

    #[test]
    fn a_tolerance_lets_fen_pass() {
        let result = reconcile(&[entry("1", "A", 100)], &[entry("1", "A", 101)], 1);
        assert_eq!((result.agree, result.rows.len()), (1, 0));
        assert_eq!(reconcile(&[entry("1", "A", 100)], &[entry("1", "A", 102)], 1).rows.len(), 1);
    }
}
