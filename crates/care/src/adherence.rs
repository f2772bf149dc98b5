//! Adherence as the proportion of days covered (PDC; Pharmacy Quality Alliance), from what was supplied.
//!
//! A day is covered when a supply reaches it. An early refill is used up after the one before it, as the
//! measure prescribes, and nothing beyond the last day counts. 0.8 and above is called adherent.

/// One supply of a medicine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Supply {
    /// First day.
    pub day: i64,
    /// Days it lasts.
    pub days: i64,
}

/// Days of a period, and how many of them were covered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Covered {
    /// Covered days.
    pub covered: i64,
    /// All days from the first supply to the end of the period.
    pub of: i64,
}

impl Covered {
    /// In thousandths; `None` when nothing was supplied.
    pub fn thousandths(self) -> Option<i64> {
        (self.of > 0).then(|| (1000 * self.covered + self.of / 2) / self.of)
    }

    /// 80 % and above.
    pub fn is_adherent(self) -> bool {
        self.of > 0 && 10 * self.covered >= 8 * self.of
    }
}

/// Days covered in `from ..= until`, counted from the first supply in it. Supplies may come in any order;
/// the ones before the period are not carried into it.
pub fn covered(supplies: &[Supply], from: i64, until: i64) -> Covered {
    let mut within: Vec<Supply> =
        supplies.iter().filter(|s| (from..=until).contains(&s.day) && s.days > 0).copied().collect();
    within.sort_by_key(|s| (s.day, s.days));
    let Some(first) = within.first() else { return Covered::default() };
    let (start, mut free, mut covered) = (first.day, first.day, 0);
    for supply in within {
        let begins = supply.day.max(free);
        let ends = begins.saturating_add(supply.days).min(until + 1);
        covered += (ends - begins).max(0);
        free = ends.max(free);
    }
    Covered { covered, of: until - start + 1 }
}

/// Days covered by every one of several medicines that are meant to be taken together.
pub fn covered_by_all(medicines: &[Vec<Supply>], from: i64, until: i64) -> Covered {
    let first = medicines.iter().flatten().filter(|s| (from..=until).contains(&s.day)).map(|s| s.day).min();
    let Some(start) = first else { return Covered::default() };
    let days = (until - start + 1).max(0) as usize;
    let mut all = vec![true; days];
    for supplies in medicines {
        let mut within: Vec<Supply> =
            supplies.iter().filter(|s| (from..=until).contains(&s.day)).copied().collect();
        within.sort_by_key(|s| s.day);
        let (mut this, mut free) = (vec![false; days], start);
        for supply in within {
            let begins = supply.day.max(free);
            let ends = begins.saturating_add(supply.days.max(0)).min(until + 1);
            (begins..ends).for_each(|day| this[(day - start) as usize] = true);
            free = ends.max(free);
        }
        all.iter_mut().zip(this).for_each(|(all, this)| *all &= this);
    }
    Covered { covered: all.iter().filter(|day| **day).count() as i64, of: days as i64 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn supply(day: i64, days: i64) -> Supply {
        Supply { day, days }
    }

    #[test]
    fn an_early_refill_is_used_later() {
        assert_eq!(covered(&[supply(0, 30), supply(20, 30)], 0, 89), Covered { covered: 60, of: 90 });
        assert_eq!(covered(&[supply(10, 90)], 0, 89), Covered { covered: 80, of: 80 });
        assert_eq!(covered(&[], 0, 89).thousandths(), None);
        assert!(covered(&[supply(0, 72)], 0, 89).is_adherent());
        assert!(!covered(&[supply(0, 71)], 0, 89).is_adherent());
    }

    proptest! {
        /// One medicine alone gives the same by both functions, and never more than was supplied.
        #[test]
        fn both_ways_agree(raw in prop::collection::vec((0i64..400, 0i64..60), 0..20)) {
            let supplies: Vec<Supply> = raw.iter().map(|(day, days)| supply(*day, *days)).collect();
            let one = covered(&supplies, 30, 300);
            let within: Vec<Supply> = supplies.iter().filter(|s| s.days > 0).copied().collect();
            prop_assert_eq!(one, covered_by_all(&[within], 30, 300));
            prop_assert!(one.covered <= supplies.iter().map(|s| s.days).sum::<i64>());
            prop_assert!(one.covered <= one.of);
        }
    }
}
