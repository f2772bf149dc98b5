//! Whether a change worked: the indicator that was fixed before it began, counted in the records, where the
//! change came and where it did not.
//!
//! The difference in differences of two shares: what changed where the rule changed, less what changed
//! elsewhere in the same time. Its error is that of four independent shares. Counts below eleven are not told.

use crate::disclosure::LEAST_PUBLISHED;
use crate::institution::fact::Indicator;
use serde::Serialize;

/// So many of so many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Share {
    /// For whom the measure is met.
    pub met: u64,
    /// Of all.
    pub of: u64,
}

impl Share {
    /// In thousandths, rounded; `None` below eleven.
    pub fn thousandths(self) -> Option<i64> {
        (self.of >= LEAST_PUBLISHED).then(|| ((1000 * self.met + self.of / 2) / self.of).cast_signed())
    }

    fn variance(self) -> f64 {
        let share = self.met as f64 / self.of as f64;
        share * (1.0 - share) / self.of as f64
    }
}

/// The four shares of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Outcome {
    /// Where the change came, before it.
    pub before: Share,
    /// Where the change came, after it.
    pub after: Share,
    /// Elsewhere, before.
    pub comparison_before: Share,
    /// Elsewhere, after.
    pub comparison_after: Share,
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The time after the launch is not over.
    Waiting,
    /// Fewer than eleven people in one of the four shares.
    TooFew,
    /// Better than elsewhere, beyond chance.
    Worked,
    /// Worse than elsewhere, beyond chance.
    Harmed,
    /// Not to be told from chance.
    NotShown,
}

impl Outcome {
    /// Difference in differences in thousandths, and its 95 % interval.
    pub fn effect(&self) -> Option<(i64, i64, i64)> {
        let change = |after: Share, before: Share| Some(after.thousandths()? - before.thousandths()?);
        let effect =
            change(self.after, self.before)? - change(self.comparison_after, self.comparison_before)?;
        let shares = [self.before, self.after, self.comparison_before, self.comparison_after];
        let error = shares.map(Share::variance).iter().sum::<f64>().sqrt();
        let half = (1960.0 * error).round() as i64;
        Some((effect, effect - half, effect + half))
    }

    /// The verdict on `today`.
    pub fn verdict(&self, indicator: &Indicator, today: i64) -> Verdict {
        if today < indicator.launch + indicator.days {
            return Verdict::Waiting;
        }
        match self.effect() {
            None => Verdict::TooFew,
            Some((_, low, _)) if low > 0 => Verdict::Worked,
            Some((_, _, high)) if high < 0 => Verdict::Harmed,
            Some(_) => Verdict::NotShown,
        }
    }
}

/// The days before and after the launch that an indicator looks at, both ends included.
pub fn windows(indicator: &Indicator) -> ((i64, i64), (i64, i64)) {
    let after = (indicator.launch, indicator.launch + indicator.days - 1);
    ((indicator.from, indicator.launch - 1), after)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_set_against_what_changed_anyway() {
        let share = |met, of| Share { met, of };
        let outcome = Outcome {
            before: share(400, 1000),
            after: share(600, 1000),
            comparison_before: share(400, 1000),
            comparison_after: share(450, 1000),
        };
        let (effect, low, high) = outcome.effect().expect("enough");
        assert_eq!(effect, 150);
        assert!(low > 80 && high < 220, "{low} {high}");
        let indicator = Indicator { launch: 100, days: 90, from: 10, ..Indicator::default() };
        assert_eq!(windows(&indicator), ((10, 99), (100, 189)));
        assert_eq!(outcome.verdict(&indicator, 189), Verdict::Waiting);
        assert_eq!(outcome.verdict(&indicator, 190), Verdict::Worked);
        let few = Outcome { comparison_after: share(9, 10), ..outcome };
        assert_eq!(few.verdict(&indicator, 190), Verdict::TooFew);
        let same = Outcome { comparison_after: share(600, 1000), ..outcome };
        assert_eq!(same.verdict(&indicator, 190), Verdict::NotShown);
    }
}
