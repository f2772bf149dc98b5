//! You said, we did: every statement reaches an answer, and the asker has the last word on whether it is one.

use serde::{Deserialize, Serialize};

/// Days within which an answer is due.
pub const ANSWER_DAYS: i64 = 30;

/// What an answer says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// Whether something changes.
    pub changed: bool,
    /// Why.
    pub why: String,
    /// Who answers, by name and office.
    pub who: String,
    /// Day of it.
    pub day: i64,
}

/// Where a statement stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Waits for moderation.
    Received,
    /// Published, waits for its answer.
    Open,
    /// Not published, with the clause of the moderation policy it breaks.
    Refused {
        /// The clause.
        clause: String,
    },
    /// Said before: its answer is the other statement's.
    Merged {
        /// The other statement.
        into: u64,
    },
    /// Answered.
    Answered(Answer),
    /// Answered, but the asker says it is no answer; it waits again.
    NotAnswered(Answer),
}

/// What can happen to a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Moderation lets it through.
    Accept,
    /// Moderation refuses it.
    Refuse {
        /// The clause of the policy.
        clause: String,
    },
    /// It repeats another.
    Merge {
        /// The other statement.
        into: u64,
    },
    /// An answer is given.
    Answer(Answer),
    /// The asker says the answer is none.
    Dispute,
}

/// A statement on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// Number.
    pub id: u64,
    /// Day it was made.
    pub day: i64,
    /// Where it stands.
    pub standing: Standing,
    /// How often the asker sent an answer back.
    pub disputes: u32,
}

impl Statement {
    /// A new statement.
    pub fn new(id: u64, day: i64) -> Self {
        Statement { id, day, standing: Standing::Received, disputes: 0 }
    }

    /// Applies an event.
    ///
    /// # Errors
    /// Why it cannot happen now; nothing is changed.
    pub fn apply(&mut self, event: Event) -> Result<(), &'static str> {
        use Standing::{Answered, Merged, NotAnswered, Open, Received, Refused};
        self.standing = match (&self.standing, event) {
            (Received, Event::Accept) => Open,
            (Received, Event::Refuse { clause }) if !clause.trim().is_empty() => Refused { clause },
            (Received, Event::Refuse { .. }) => return Err("a refusal names the clause of the policy"),
            (Received | Open, Event::Merge { into }) if into != self.id => Merged { into },
            (Open | NotAnswered(_), Event::Answer(answer)) => {
                if answer.why.trim().is_empty() || answer.who.trim().is_empty() {
                    return Err("an answer says why and who");
                }
                if answer.day < self.day {
                    return Err("an answer cannot come before the statement");
                }
                Answered(answer)
            }
            (Answered(answer), Event::Dispute) => {
                self.disputes += 1;
                NotAnswered(answer.clone())
            }
            _ => return Err("this cannot happen to a statement that stands as it does"),
        };
        Ok(())
    }

    /// Whether it has come to rest: answered, refused with a clause, or merged.
    pub fn is_settled(&self) -> bool {
        !matches!(self.standing, Standing::Received | Standing::Open | Standing::NotAnswered(_))
    }

    /// Days by which the answer is late on `today`; 0 when it is not.
    pub fn days_late(&self, today: i64) -> i64 {
        if self.is_settled() { 0 } else { (today - self.day - ANSWER_DAYS).max(0) }
    }
}

/// Rates that are published; none of them is typed by hand.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Rates {
    /// Statements let through.
    pub published: usize,
    /// Share of them with an answer that stands.
    pub answered: f64,
    /// Share of answers by which something changed.
    pub changed: f64,
    /// Share of answered statements whose answer the asker has sent back at least once.
    pub disputed: f64,
    /// Median days to the answer.
    pub median_days: Option<i64>,
}

/// The rates over `statements`; shares of nothing are 0.
pub fn rates(statements: &[Statement]) -> Rates {
    let share = |part: usize, whole: usize| if whole == 0 { 0.0 } else { part as f64 / whole as f64 };
    let mut days = Vec::new();
    let (mut published, mut changed, mut disputed, mut replied) = (0, 0, 0, 0);
    for statement in statements {
        match &statement.standing {
            Standing::Open => published += 1,
            Standing::Answered(answer) => {
                published += 1;
                replied += 1;
                changed += usize::from(answer.changed);
                disputed += usize::from(statement.disputes > 0);
                days.push(answer.day - statement.day);
            }
            Standing::NotAnswered(_) => {
                published += 1;
                replied += 1;
                disputed += 1;
            }
            Standing::Received | Standing::Refused { .. } | Standing::Merged { .. } => {}
        }
    }
    days.sort_unstable();
    Rates {
        published,
        answered: share(days.len(), published),
        changed: share(changed, days.len()),
        disputed: share(disputed, replied),
        median_days: days.get(days.len() / 2).copied(),
    }
}
