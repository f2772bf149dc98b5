//! The way of a signal: from the alarm to an answer with a reason.

use crate::control::Outcomes;

/// Level of a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// 蓝.
    Blue,
    /// 黄.
    Yellow,
    /// 橙.
    Orange,
    /// 红.
    Red,
}

impl Level {
    /// Its code.
    pub fn code(self) -> &'static str {
        match self {
            Level::Blue => "blue",
            Level::Yellow => "yellow",
            Level::Orange => "orange",
            Level::Red => "red",
        }
    }

    /// The level with this code.
    pub fn of(code: &str) -> Option<Level> {
        [Level::Blue, Level::Yellow, Level::Orange, Level::Red].into_iter().find(|level| level.code() == code)
    }

    /// The level of a signal: a single case of class A (or managed as such, or unexplained) is red; else
    /// what is at stake, the excess times the chance that the signal is real, decides.
    pub fn judged(class_a: bool, excess: f64, predictive_value: f64) -> Level {
        match excess * predictive_value {
            _ if class_a => Level::Red,
            stake if stake >= 20.0 => Level::Red,
            stake if stake >= 8.0 => Level::Orange,
            stake if stake >= 3.0 => Level::Yellow,
            _ => Level::Blue,
        }
    }

    /// Hours within which the county answers.
    pub fn hours(self) -> u32 {
        if self == Level::Red { 2 } else { 24 }
    }
}

/// Where a signal stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SignalState {
    /// Waits for the county's answer.
    Open,
    /// A suspected event 疑似事件.
    SuspectedEvent,
    /// Somebody is in the field 现场调查.
    FieldWork,
    /// An event 确认.
    Confirmed,
    /// No event 排除.
    Excluded,
}

/// What is done with a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SignalStep {
    /// The county has looked and suspects an event.
    Suspect,
    /// Field work begins.
    Visit,
    /// It is an event.
    Confirm,
    /// It is none.
    Exclude,
}

/// Why a signal was no event, or what kind of event it was; fed back to the thresholds.
pub const REASONS: [&str; 7] =
    ["outbreak", "sporadic", "season", "late-reports", "data-error", "duplicate-cases", "testing-change"];

const STATES: [(SignalState, &str); 5] = [
    (SignalState::Open, "open"),
    (SignalState::SuspectedEvent, "suspected-event"),
    (SignalState::FieldWork, "field-work"),
    (SignalState::Confirmed, "confirmed"),
    (SignalState::Excluded, "excluded"),
];

impl SignalState {
    /// Its code.
    pub fn code(self) -> &'static str {
        STATES.iter().find(|entry| entry.0 == self).map_or("", |entry| entry.1)
    }

    /// The state with this code.
    pub fn of(code: &str) -> Option<SignalState> {
        STATES.iter().find(|entry| entry.1 == code).map(|entry| entry.0)
    }

    /// Whether the answer is final.
    pub fn is_closed(self) -> bool {
        matches!(self, SignalState::Confirmed | SignalState::Excluded)
    }

    /// The state after a step; `None` where it has no place.
    pub fn after(self, step: SignalStep) -> Option<SignalState> {
        use SignalState::*;
        match (self, step) {
            (Open, SignalStep::Suspect) => Some(SuspectedEvent),
            (SuspectedEvent, SignalStep::Visit) => Some(FieldWork),
            (SuspectedEvent | FieldWork, SignalStep::Confirm) => Some(Confirmed),
            (Open | SuspectedEvent | FieldWork, SignalStep::Exclude) => Some(Excluded),
            _ => None,
        }
    }
}

impl SignalStep {
    /// The step with this code.
    pub fn of(code: &str) -> Option<SignalStep> {
        match code {
            "suspect" => Some(SignalStep::Suspect),
            "visit" => Some(SignalStep::Visit),
            "confirm" => Some(SignalStep::Confirm),
            "exclude" => Some(SignalStep::Exclude),
            _ => None,
        }
    }
}

/// What the papers on the national alert system report of a period, so that results compare.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Measures {
    /// Signals.
    pub signals: u64,
    /// Answered ones, however.
    pub answered: u64,
    /// Answered within their hours.
    pub in_time: u64,
    /// Suspected events among them.
    pub suspected: u64,
    /// Closed ones.
    pub closed: Outcomes,
    /// Median time to the first answer in milliseconds.
    pub median_answer: Option<i64>,
}

impl Measures {
    /// Of signals: state, deadline and, where it was answered, when after it was raised.
    pub fn of(signals: impl Iterator<Item = (SignalState, u32, Option<i64>)>) -> Measures {
        let (mut measures, mut times) = (Measures::default(), Vec::new());
        for (state, hours, answered) in signals {
            measures.signals += 1;
            if let Some(after) = answered {
                measures.answered += 1;
                measures.in_time += u64::from(after <= i64::from(hours) * 3_600_000);
                times.push(after);
            }
            measures.suspected += u64::from(!matches!(state, SignalState::Open | SignalState::Excluded));
            if state.is_closed() {
                measures.closed.record(state == SignalState::Confirmed);
            }
        }
        times.sort_unstable();
        measures.median_answer = times.get(times.len() / 2).copied();
        measures
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_are_answered_step_by_step() {
        use SignalState::*;
        assert_eq!(Open.after(SignalStep::Confirm), None, "nobody confirms what nobody looked at");
        assert_eq!(Open.after(SignalStep::Exclude), Some(Excluded));
        let way = [SignalStep::Suspect, SignalStep::Visit, SignalStep::Confirm];
        let end = way.into_iter().try_fold(Open, |state, step| state.after(step));
        assert_eq!(end, Some(Confirmed));
        assert!(Confirmed.is_closed() && Confirmed.after(SignalStep::Exclude).is_none());
    }

    #[test]
    fn levels_follow_what_is_at_stake() {
        assert_eq!(Level::judged(true, 1.0, 0.0), Level::Red);
        assert_eq!(Level::judged(false, 4.0, 0.4), Level::Blue);
        assert_eq!(Level::judged(false, 10.0, 0.4), Level::Yellow);
        assert_eq!(Level::judged(false, 20.0, 0.5), Level::Orange);
        assert_eq!(Level::judged(false, 60.0, 0.5), Level::Red);
    }

    #[test]
    fn measures_are_those_of_the_papers() {
        let hour = 3_600_000;
        let signals = [
            (SignalState::Excluded, 24, Some(hour)),
            (SignalState::Confirmed, 24, Some(30 * hour)),
            (SignalState::Open, 2, None),
            (SignalState::FieldWork, 24, Some(3 * hour)),
        ];
        let measures = Measures::of(signals.into_iter());
        assert_eq!((measures.signals, measures.answered, measures.in_time, measures.suspected), (4, 3, 2, 2));
        assert_eq!(measures.closed, Outcomes { confirmed: 1, answered: 2 });
        assert_eq!(measures.median_answer, Some(3 * hour));
    }
}
