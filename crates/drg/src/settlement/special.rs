//! 特例单议: cases whose cost the group cannot carry, judged one by one by experts.
//!
//! A case goes from candidate through application, reviews and perhaps an appeal to an amount. Each step is
//! checked here, whoever stores them: an applicant never reviews, nobody reviews twice, a hospital does not
//! apply for more cases than its quota.

use super::scheme::{Scheme, Special};
use super::{Kind, Settled, Stay};
use crate::payment::Decimal;
use serde::{Deserialize, Serialize};
use tongmai_base::Finding;

/// Why a case is a candidate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Which stay.
    pub stay: usize,
    /// Codes of the reasons: `cost`, `long-stay`, `over-share`, `unpriced`.
    pub reasons: Vec<&'static str>,
    /// Cost less payment, in fen.
    pub loss: i64,
}

/// The cases that a hospital might apply for, the largest loss first: proposals, never decisions.
pub fn candidates(scheme: &Scheme, stays: &[Stay], settled: &Settled) -> Vec<Candidate> {
    let two = Decimal(2 * Decimal::ONE.0);
    let mut candidates: Vec<Candidate> = stays
        .iter()
        .zip(&settled.lines)
        .enumerate()
        .filter(|(_, (_, line))| line.kind != Kind::Special)
        .filter_map(|(at, (stay, line))| {
            let mut reasons = Vec::new();
            if line.ratio.is_some_and(|ratio| ratio > two) {
                reasons.push("cost");
            }
            if scheme.long_stay.is_some_and(|long| stay.days > long.days) {
                reasons.push("long-stay");
            }
            match line.kind {
                Kind::HighOverShare => reasons.push("over-share"),
                Kind::Unpriced => reasons.push("unpriced"),
                _ => {}
            }
            let loss = stay.cost - line.payment;
            (!reasons.is_empty() && loss > 0).then_some(Candidate { stay: at, reasons, loss })
        })
        .collect();
    candidates.sort_by_key(|candidate| (std::cmp::Reverse(candidate.loss), candidate.stay));
    candidates
}

/// How many cases a hospital with so many may apply for.
pub fn quota(special: Special, cases: u64) -> u64 {
    (i128::from(cases) * special.quota.0 / Decimal::ONE.0) as u64
}

/// One step of the workflow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "kebab-case")]
pub enum Step {
    /// The hospital applies, with evidence.
    Apply {
        /// Who.
        who: String,
        /// Why the group does not fit, with references to the evidence.
        why: String,
    },
    /// An expert judges.
    Review {
        /// Who.
        who: String,
        /// Fen that the expert approves; `None` refuses.
        approves: Option<i64>,
        /// Why.
        why: String,
    },
    /// The hospital does not accept a refusal or an amount.
    Appeal {
        /// Who.
        who: String,
        /// Why.
        why: String,
    },
    /// The hospital takes the application back.
    Withdraw {
        /// Who.
        who: String,
    },
}

/// Where an application stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Nobody has applied.
    Candidate,
    /// So many reviews are still needed.
    Review(usize),
    /// Approved with this amount in fen.
    Approved(i64),
    /// Refused.
    Refused,
    /// Taken back.
    Withdrawn,
}

/// The state after these steps.
///
/// # Errors
/// A finding for the first step that may not be taken.
pub fn state(special: Special, steps: &[Step]) -> Result<State, Finding> {
    let needed = special.reviewers.max(1);
    let mut state = State::Candidate;
    let mut applicants: Vec<&str> = Vec::new();
    let mut round: Vec<(&str, Option<i64>)> = Vec::new();
    let mut reviewed: Vec<&str> = Vec::new();
    let mut appealed = false;
    for (at, step) in steps.iter().enumerate() {
        let refuse = |code: &str, message: &str, repair: &str| {
            Err(Finding::error(format!("step {}", at + 1), code, message).with_repair(repair))
        };
        state = match (step, state) {
            (Step::Apply { who, why }, State::Candidate) => {
                if who.trim().is_empty() || why.trim().is_empty() {
                    return refuse(
                        "required",
                        "an application names the applicant and the evidence",
                        "name both",
                    );
                }
                applicants.push(who);
                State::Review(needed)
            }
            (Step::Review { who, approves, why }, State::Review(_)) => {
                if applicants.contains(&who.as_str()) {
                    return refuse(
                        "four-eyes",
                        "whoever applied does not review",
                        "let another expert review",
                    );
                }
                if reviewed.contains(&who.as_str()) {
                    return refuse(
                        "four-eyes",
                        "nobody reviews twice, nor the appeal from their own review",
                        "let another expert review",
                    );
                }
                if why.trim().is_empty() || approves.is_some_and(|amount| amount < 0) {
                    return refuse(
                        "required",
                        "a review says why, and approves no negative amount",
                        "complete it",
                    );
                }
                round.push((who, *approves));
                reviewed.push(who);
                decided(&round, needed)
            }
            (Step::Appeal { who, .. }, State::Refused | State::Approved(_)) => {
                if appealed {
                    return refuse("appealed", "there is one appeal", "the decision stands");
                }
                appealed = true;
                applicants.push(who);
                round.clear();
                State::Review(needed)
            }
            (Step::Withdraw { .. }, State::Review(_)) => State::Withdrawn,
            _ => {
                return refuse(
                    "order",
                    "the application does not stand where this step can be taken",
                    "look at its state",
                );
            }
        };
    }
    Ok(state)
}

/// Approved when all experts approve: the lowest amount; refused when one does not.
fn decided(round: &[(&str, Option<i64>)], needed: usize) -> State {
    if round.iter().any(|(_, amount)| amount.is_none()) {
        return State::Refused;
    }
    if round.len() < needed {
        return State::Review(needed - round.len());
    }
    round.iter().filter_map(|(_, amount)| *amount).min().map_or(State::Refused, State::Approved)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPECIAL: Special = Special { quota: Decimal(Decimal::ONE.0 / 20), reviewers: 2 };

    fn apply() -> Step {
        Step::Apply { who: "coder".into(), why: "ECMO".into() }
    }

    fn review(who: &str, approves: Option<i64>) -> Step {
        Step::Review { who: who.into(), approves, why: "evidence read".into() }
    }

    #[test]
    fn two_experts_approve_the_lower_amount() {
        let steps = [apply(), review("a", Some(900)), review("b", Some(700))];
        assert_eq!(state(SPECIAL, &steps[..1]), Ok(State::Review(2)));
        assert_eq!(state(SPECIAL, &steps[..2]), Ok(State::Review(1)));
        assert_eq!(state(SPECIAL, &steps), Ok(State::Approved(700)));
        assert_eq!(quota(SPECIAL, 59), 2);
    }

    #[test]
    fn one_refusal_refuses_and_one_appeal_is_heard_by_others() {
        let appeal = Step::Appeal { who: "head".into(), why: "new evidence".into() };
        let mut steps = vec![apply(), review("a", None)];
        assert_eq!(state(SPECIAL, &steps), Ok(State::Refused));
        steps.push(appeal.clone());
        assert_eq!(state(SPECIAL, &steps), Ok(State::Review(2)));
        let code = |steps: &[Step]| state(SPECIAL, steps).unwrap_err().code;
        assert_eq!(code(&[steps.clone(), vec![review("a", Some(1))]].concat()), "four-eyes");
        assert_eq!(code(&[steps.clone(), vec![review("head", Some(1))]].concat()), "four-eyes");
        steps.extend([review("b", Some(5)), review("c", Some(6))]);
        assert_eq!(state(SPECIAL, &steps), Ok(State::Approved(5)));
        steps.push(appeal);
        assert_eq!(code(&steps), "appealed");
    }

    #[test]
    fn nobody_judges_their_own_case_or_out_of_turn() {
        let code = |steps: &[Step]| state(SPECIAL, steps).unwrap_err().code;
        assert_eq!(code(&[apply(), review("coder", Some(1))]), "four-eyes");
        assert_eq!(code(&[review("a", Some(1))]), "order");
        assert_eq!(code(&[apply(), review("a", Some(-1))]), "required");
        assert_eq!(code(&[Step::Apply { who: " ".into(), why: "x".into() }]), "required");
        assert_eq!(state(SPECIAL, &[apply(), Step::Withdraw { who: "coder".into() }]), Ok(State::Withdrawn));
    }
}
