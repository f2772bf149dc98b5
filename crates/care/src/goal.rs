//! Goals that count only when both sides accepted them.
//!
//! Patient and team propose, accept, refuse and change. Every change is a version with who made it and
//! when; a change of the wording takes back the other side's consent, since nobody agreed to the new words.

use serde::{Deserialize, Serialize};

/// Which side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// The patient, or whom the patient lets speak.
    Patient,
    /// The team.
    Team,
}

/// What is done to a goal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    /// New, or in other words.
    Propose(String),
    /// Agreed.
    Accept,
    /// Not agreed, with a reason.
    Refuse(String),
    /// Reached.
    Reach,
    /// Given up, with a reason.
    GiveUp(String),
}

/// One version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Which side.
    pub side: Side,
    /// By name.
    pub who: String,
    /// Day.
    pub day: i64,
    /// What.
    pub act: Act,
}

/// Where a goal stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// One side waits for the other.
    Proposed,
    /// Both accepted: it counts.
    Agreed,
    /// One side refused.
    Refused,
    /// Reached.
    Reached,
    /// Given up.
    GivenUp,
}

/// A goal as the fold of its changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Goal {
    /// The words as they are now.
    pub text: String,
    /// Where it stands.
    pub standing: Standing,
    /// Which sides accepted these words.
    accepted: [bool; 2],
    /// All versions.
    pub changes: Vec<Change>,
}

impl Goal {
    /// The goal after all changes; the first must propose.
    ///
    /// # Errors
    /// The first change that cannot be, with its rule.
    pub fn fold(changes: &[Change]) -> Result<Goal, String> {
        let mut rest = changes.iter();
        let first = rest.next().ok_or("changes: a goal begins with a proposal")?;
        let Act::Propose(text) = &first.act else {
            return Err("act: a goal begins with a proposal".into());
        };
        let mut goal = Goal {
            text: String::new(),
            standing: Standing::Proposed,
            accepted: [false; 2],
            changes: Vec::new(),
        };
        goal.propose(first, text)?;
        rest.try_for_each(|change| goal.apply(change))?;
        Ok(goal)
    }

    /// Applies one change; one that cannot be changes nothing.
    ///
    /// # Errors
    /// The rule.
    pub fn apply(&mut self, change: &Change) -> Result<(), String> {
        if self.changes.last().is_some_and(|last| change.day < last.day) {
            return Err("day: a change cannot come before the one it follows".into());
        }
        let open = matches!(self.standing, Standing::Proposed | Standing::Agreed | Standing::Refused);
        if !open {
            return Err("act: the goal has ended; propose a new one".into());
        }
        match &change.act {
            Act::Propose(text) => return self.propose(change, text),
            Act::Accept => {
                if self.standing == Standing::Refused {
                    return Err("act: it was refused; propose it in other words first".into());
                }
                self.accepted[change.side as usize] = true;
                if self.accepted == [true; 2] {
                    self.standing = Standing::Agreed;
                }
            }
            Act::Refuse(why) | Act::GiveUp(why) if why.trim().is_empty() => {
                return Err("act: say why".into());
            }
            Act::Refuse(_) => {
                self.accepted[change.side as usize] = false;
                self.standing = Standing::Refused;
            }
            Act::Reach if self.standing != Standing::Agreed => {
                return Err("act: only a goal of both sides can be reached".into());
            }
            Act::Reach => self.standing = Standing::Reached,
            Act::GiveUp(_) => self.standing = Standing::GivenUp,
        }
        self.changes.push(change.clone());
        Ok(())
    }

    fn propose(&mut self, change: &Change, text: &str) -> Result<(), String> {
        if text.trim().is_empty() || change.who.trim().is_empty() {
            return Err("text: a proposal has words, and somebody who made it".into());
        }
        self.text = text.to_owned();
        self.accepted = [false; 2];
        self.accepted[change.side as usize] = true;
        self.standing = Standing::Proposed;
        self.changes.push(change.clone());
        Ok(())
    }

    /// Whether it counts.
    pub fn counts(&self) -> bool {
        matches!(self.standing, Standing::Agreed | Standing::Reached)
    }

    /// Whether this side has still to say yes or no.
    pub fn waits_for(&self, side: Side) -> bool {
        self.standing == Standing::Proposed && !self.accepted[side as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn change(side: Side, day: i64, act: Act) -> Change {
        Change { side, who: "w".into(), day, act }
    }

    #[test]
    fn new_words_need_new_consent() {
        let mut goal =
            Goal::fold(&[change(Side::Team, 1, Act::Propose("140/90".into()))]).expect("a proposal");
        assert!(goal.waits_for(Side::Patient) && !goal.counts());
        goal.apply(&change(Side::Patient, 2, Act::Accept)).expect("accepted");
        assert!(goal.counts());
        goal.apply(&change(Side::Patient, 3, Act::Propose("150/90".into()))).expect("changed");
        assert!(!goal.counts() && goal.waits_for(Side::Team));
        assert!(goal.apply(&change(Side::Team, 4, Act::Refuse(" ".into()))).is_err());
        assert!(goal.apply(&change(Side::Team, 2, Act::Accept)).is_err());
        assert!(goal.apply(&change(Side::Team, 4, Act::Reach)).is_err());
    }

    proptest! {
        /// Written anew: a goal counts if, since the last words, the other side accepted and nobody refused after.
        #[test]
        fn a_goal_counts_only_when_both_sides_accepted(
            acts in prop::collection::vec((0u8..2, 0u8..4), 0..30)
        ) {
            let side = |s| if s == 0 { Side::Patient } else { Side::Team };
            let mut goal = Goal::fold(&[change(Side::Team, 0, Act::Propose("a".into()))]).expect("begun");
            let mut yes = [false, true];
            let mut refused = false;
            for (s, what) in acts {
                let act = match what {
                    0 => Act::Propose("b".into()),
                    1 | 2 => Act::Accept,
                    _ => Act::Refuse("no".into()),
                };
                let done = goal.apply(&change(side(s), 1, act.clone())).is_ok();
                prop_assert_eq!(done, !(matches!(act, Act::Accept) && refused));
                match act {
                    Act::Propose(_) => { yes = [s == 0, s == 1]; refused = false; }
                    Act::Accept if done => yes[usize::from(s)] = true,
                    Act::Refuse(_) => refused = true,
                    _ => {}
                }
                prop_assert_eq!(goal.counts(), yes == [true; 2] && !refused);
            }
        }
    }
}
