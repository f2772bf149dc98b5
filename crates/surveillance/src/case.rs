//! The way of a report card 传染病报告卡: what may follow what, and its clock.

/// Class of a case 病例分类, as the national card has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Classification {
    /// 疑似病例.
    Suspected,
    /// 临床诊断病例.
    Clinical,
    /// 病原携带者.
    Carrier,
    /// 确诊病例.
    Confirmed,
}

impl Classification {
    /// All of them, with code and name.
    pub const ALL: [(Classification, &'static str, &'static str); 4] = [
        (Classification::Suspected, "suspected", "疑似病例"),
        (Classification::Clinical, "clinical", "临床诊断病例"),
        (Classification::Carrier, "carrier", "病原携带者"),
        (Classification::Confirmed, "confirmed", "确诊病例"),
    ];

    /// Its code.
    pub fn code(self) -> &'static str {
        Classification::ALL.iter().find(|entry| entry.0 == self).map_or("", |entry| entry.1)
    }

    /// Its name on the national card.
    pub fn name(self) -> &'static str {
        Classification::ALL.iter().find(|entry| entry.0 == self).map_or("", |entry| entry.2)
    }

    /// The class with this code.
    pub fn of(code: &str) -> Option<Classification> {
        Classification::ALL.iter().find(|entry| entry.1 == code).map(|entry| entry.0)
    }
}

/// Where a card stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CardState {
    /// Filled from the record, waits for review 待审.
    Draft,
    /// Reviewed by the hospital and sent 已上报, no answer yet.
    Submitted,
    /// 网络直报 took it: it has a number.
    Accepted,
    /// The prefecture has reviewed it 市级审核.
    Prefecture,
    /// The province has reviewed it 省级审核.
    Province,
    /// 网络直报 sent it back 退卡: an alarm.
    Rejected,
    /// Withdrawn 作废.
    Withdrawn,
}

/// What is done with a card.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// Reviewed and sent.
    Submit,
    /// 网络直报 gave a number.
    Accept,
    /// Reviewed by the prefecture.
    ReviewPrefecture,
    /// Reviewed by the province.
    ReviewProvince,
    /// Sent back.
    Reject,
    /// Something on it changed 订正; it has to be sent again.
    Correct,
    /// Withdrawn with a reason.
    Withdraw,
}

const STATES: [(CardState, &str); 7] = [
    (CardState::Draft, "draft"),
    (CardState::Submitted, "submitted"),
    (CardState::Accepted, "accepted"),
    (CardState::Prefecture, "prefecture"),
    (CardState::Province, "province"),
    (CardState::Rejected, "rejected"),
    (CardState::Withdrawn, "withdrawn"),
];

const STEPS: [(Step, &str); 7] = [
    (Step::Submit, "submit"),
    (Step::Accept, "accept"),
    (Step::ReviewPrefecture, "review-prefecture"),
    (Step::ReviewProvince, "review-province"),
    (Step::Reject, "reject"),
    (Step::Correct, "correct"),
    (Step::Withdraw, "withdraw"),
];

impl CardState {
    /// Its code.
    pub fn code(self) -> &'static str {
        STATES.iter().find(|entry| entry.0 == self).map_or("", |entry| entry.1)
    }

    /// The state with this code.
    pub fn of(code: &str) -> Option<CardState> {
        STATES.iter().find(|entry| entry.1 == code).map(|entry| entry.0)
    }

    /// Whether the card counts as reported: only what 网络直报 has accepted does.
    pub fn is_reported(self) -> bool {
        matches!(self, CardState::Accepted | CardState::Prefecture | CardState::Province)
    }

    /// Whether its clock runs.
    pub fn is_waiting(self) -> bool {
        matches!(self, CardState::Draft | CardState::Submitted | CardState::Rejected)
    }

    /// The state after a step; `None` where the step has no place.
    pub fn after(self, step: Step) -> Option<CardState> {
        use CardState::*;
        match (self, step) {
            (Draft | Rejected, Step::Submit) => Some(Submitted),
            (Submitted, Step::Accept) => Some(Accepted),
            (Submitted | Accepted | Prefecture, Step::Reject) => Some(Rejected),
            (Accepted, Step::ReviewPrefecture) => Some(Prefecture),
            (Prefecture, Step::ReviewProvince) => Some(Province),
            (Withdrawn, _) => None,
            (_, Step::Correct) => Some(Draft),
            (_, Step::Withdraw) => Some(Withdrawn),
            _ => None,
        }
    }
}

impl Step {
    /// Its code.
    pub fn code(self) -> &'static str {
        STEPS.iter().find(|entry| entry.0 == self).map_or("", |entry| entry.1)
    }

    /// The step with this code.
    pub fn of(code: &str) -> Option<Step> {
        STEPS.iter().find(|entry| entry.1 == code).map(|entry| entry.0)
    }
}

const HOUR: i64 = 3_600_000;
/// A diagnosis that came in later than this is history: it is not drafted, the search for missed reports finds it.
pub const LATE_ARRIVAL: i64 = 10 * 24 * HOUR;

/// A deadline. It is worked out from what the ledger says and nothing else, so that it survives a
/// restart; a wall clock that was set back cannot take back what has been reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clock {
    /// When it began, in milliseconds since 1970.
    pub start: i64,
    /// Hours to report.
    pub hours: u32,
}

/// How far a clock has come; each stage tells one more desk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// First half: the doctor and the desk of the hospital know.
    Running,
    /// Second half: the hospital's desk is reminded.
    Reminded,
    /// Past the deadline: the county's centre for disease control is told.
    Overdue,
    /// Past twice the deadline: the county's health commission is told.
    Escalated,
}

impl Phase {
    /// Its code.
    pub fn code(self) -> &'static str {
        match self {
            Phase::Running => "running",
            Phase::Reminded => "reminded",
            Phase::Overdue => "overdue",
            Phase::Escalated => "escalated",
        }
    }
}

impl Clock {
    /// The clock of a diagnosis said to be made at `said` that came in at `received`. What lies in the
    /// future is a wrong clock at the sender; what is history begins when it came in.
    pub fn of(said: Option<i64>, received: i64, hours: u32) -> Clock {
        let start =
            said.filter(|said| (received - LATE_ARRIVAL..=received).contains(said)).unwrap_or(received);
        Clock { start, hours }
    }

    /// The end of the time to report.
    pub fn deadline(&self) -> i64 {
        self.start + i64::from(self.hours) * HOUR
    }

    /// How far the clock has come at `now`; `written` is when the card was last written, which no wall
    /// clock can undercut.
    pub fn phase(&self, now: i64, written: i64) -> Phase {
        let (gone, all) = (now.max(written) - self.start, i64::from(self.hours) * HOUR);
        match gone {
            gone if gone >= 2 * all => Phase::Escalated,
            gone if gone >= all => Phase::Overdue,
            gone if 2 * gone >= all => Phase::Reminded,
            _ => Phase::Running,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_counts_when_the_national_system_took_it() {
        let mut state = CardState::Draft;
        for (step, reported) in [
            (Step::Submit, false),
            (Step::Reject, false),
            (Step::Submit, false),
            (Step::Accept, true),
            (Step::ReviewPrefecture, true),
            (Step::Correct, false),
            (Step::Submit, false),
            (Step::Accept, true),
            (Step::ReviewPrefecture, true),
            (Step::ReviewProvince, true),
            (Step::Withdraw, false),
        ] {
            state = state.after(step).expect("the step has a place");
            assert_eq!(state.is_reported(), reported, "{step:?}");
        }
        for (step, _) in STEPS {
            assert_eq!(CardState::Withdrawn.after(step), None);
            assert_eq!(Step::of(step.code()), Some(step));
        }
        assert_eq!(CardState::Draft.after(Step::Accept), None);
        assert_eq!(CardState::Accepted.after(Step::Submit), None);
        assert_eq!(CardState::Submitted.after(Step::Submit), None);
    }

    #[test]
    fn clocks_survive_steps_of_the_wall_clock() {
        let received = 1_000 * HOUR;
        let clock = Clock::of(Some(received - HOUR), received, 2);
        assert_eq!(clock.deadline(), received + HOUR);
        assert_eq!(clock.phase(received - HOUR + 1, 0), Phase::Running);
        assert_eq!(clock.phase(received, 0), Phase::Reminded);
        assert_eq!(clock.phase(received + HOUR, 0), Phase::Overdue);
        assert_eq!(clock.phase(received + 3 * HOUR, 0), Phase::Escalated);
        // The wall clock was set back by a day after the card was written late.
        assert_eq!(clock.phase(received - 24 * HOUR, received + HOUR), Phase::Overdue);
        // A diagnosis in the future, and one of last year, begin when they came in.
        for said in [None, Some(received + 1), Some(received - LATE_ARRIVAL - 1)] {
            assert_eq!(Clock::of(said, received, 24).start, received);
        }
    }
}
