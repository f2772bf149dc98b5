//! National follow-up rules 随访 for chronic illness, as data: who is due, what a visit means, when to come again.
//!
//! A programme is a table of thresholds with the days that follow from them. A visit comes out as one of
//! four: controlled (come again in three months), not controlled for the first time or with a side effect
//! (change the treatment, come again in two weeks), not controlled again or with a new complication (refer,
//! look again within two weeks), or in danger (refer at once, look again within two weeks).

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// All programmes of one edition of the rules.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Rules {
    /// Short name.
    pub id: String,
    /// Name as shown.
    pub name: String,
    /// The regulation.
    pub source: String,
    /// In force from.
    pub effective: String,
    /// Programmes.
    pub programmes: Vec<Programme>,
}

/// One programme.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Programme {
    /// Short name.
    pub id: String,
    /// Codes (ICD-10) whose bearers are enrolled: each stands for all codes that begin so.
    pub conditions: Vec<String>,
    /// Visits that a year owes at least.
    pub visits_a_year: u32,
    /// Days to the next visit when controlled.
    pub next_when_controlled: i64,
    /// Days to the next visit when not.
    pub next_when_not: i64,
    /// Days within which a referral is looked after.
    pub after_referral: i64,
    /// Days past the due day before a visit counts as late.
    pub grace: i64,
    /// Days between two full examinations.
    pub yearly_examination: i64,
    /// Visits not controlled in a row that lead to a referral.
    pub refer_after_failures: u32,
    /// One that holds is a danger.
    pub urgent: Vec<Limit>,
    /// Signs that are a danger.
    pub urgent_signs: Vec<String>,
    /// All that were measured must hold for control.
    pub controlled: Vec<Limit>,
    /// Other limits for the old.
    #[serde(default)]
    pub controlled_from_age: Option<FromAge>,
}

/// Limits that hold from an age on.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct FromAge {
    /// First year of age.
    pub age: u32,
    /// The limits.
    pub controlled: Vec<Limit>,
}

/// A threshold of a measure; what is not given does not bind.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
pub struct Limit {
    /// `systolic`, `diastolic` (mmHg), `fasting_glucose` (mmol/L), `temperature` (°C), `heart_rate` (1/min).
    pub measure: String,
    /// Holds at this value and above.
    #[serde(default)]
    pub at_least: Option<f64>,
    /// Holds at this value and below.
    #[serde(default)]
    pub at_most: Option<f64>,
    /// Holds below this value.
    #[serde(default)]
    pub below: Option<f64>,
}

impl Limit {
    fn holds(&self, value: f64) -> bool {
        self.at_least.is_none_or(|limit| value >= limit)
            && self.at_most.is_none_or(|limit| value <= limit)
            && self.below.is_none_or(|limit| value < limit)
    }
}

/// What was found at a visit.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Visit {
    /// Day.
    pub day: i64,
    /// Measures by name.
    pub measures: BTreeMap<String, f64>,
    /// Signs of danger, as the programme names them.
    pub signs: Vec<String>,
    /// A side effect of a medicine.
    pub side_effect: bool,
    /// A complication that is new, or an old one that grew worse.
    pub complication: bool,
}

/// What a visit means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Under control.
    Controlled,
    /// Change the treatment.
    Adjust,
    /// Refer to a higher hospital.
    Refer,
    /// Handle and refer at once.
    UrgentReferral,
    /// Nothing that the programme judges by was measured.
    NotMeasured,
}

/// What follows from a visit.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Decision {
    /// What it means.
    pub outcome: Outcome,
    /// Every limit and sign that led to it, in the order of the rules.
    pub reasons: Vec<String>,
    /// Day of the next visit at the latest.
    pub next: i64,
    /// Visits not controlled in a row, this one included.
    pub failures: u32,
}

/// Whether somebody is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Due {
    /// The next visit is on this day.
    Later(i64),
    /// It is today, or was within the grace.
    Now(i64),
    /// It is late since this day.
    Late(i64),
    /// After a referral: somebody must ask what became of it by this day.
    CheckReferral(i64),
    /// That day has passed.
    ReferralUnchecked(i64),
}

impl Rules {
    /// Reads rules.
    ///
    /// # Errors
    /// JSON of another shape, or a limit that binds nothing, by name.
    pub fn read(json: &str) -> Result<Rules, String> {
        let rules: Rules = serde_json::from_str(json).map_err(|e| e.to_string())?;
        for programme in &rules.programmes {
            let old = programme.controlled_from_age.iter().flat_map(|from| &from.controlled);
            for limit in programme.urgent.iter().chain(&programme.controlled).chain(old) {
                if limit.at_least.is_none() && limit.at_most.is_none() && limit.below.is_none() {
                    return Err(format!("{}: the limit of {} binds nothing", programme.id, limit.measure));
                }
            }
        }
        Ok(rules)
    }

    /// The rules of mainland China, third edition.
    pub fn mainland_china() -> Rules {
        Rules::read(include_str!("../packs/follow-up-cn-2017.json"))
            .expect("the rules are part of the program")
    }

    /// A programme by its name.
    pub fn programme(&self, id: &str) -> Option<&Programme> {
        self.programmes.iter().find(|programme| programme.id == id)
    }
}

impl Programme {
    /// Whether somebody with this condition is enrolled.
    pub fn enrols(&self, code: &str) -> bool {
        self.conditions.iter().any(|prefix| code.starts_with(prefix))
    }

    /// What a visit means; `failures` counts visits not controlled in a row before it.
    pub fn decide(&self, visit: &Visit, age: u32, failures: u32) -> Decision {
        let holding = |limits: &[Limit]| -> Vec<String> {
            let measured =
                limits.iter().filter_map(|limit| Some((limit, *visit.measures.get(&limit.measure)?)));
            let held = measured.filter(|(limit, value)| limit.holds(*value));
            held.map(|(limit, value)| format!("{} {value}", limit.measure)).collect()
        };
        let mut danger = holding(&self.urgent);
        danger.extend(self.urgent_signs.iter().filter(|sign| visit.signs.contains(sign)).cloned());
        let decision = |outcome, reasons, days, failures| Decision {
            outcome,
            reasons,
            next: visit.day + days,
            failures,
        };
        if !danger.is_empty() {
            return decision(Outcome::UrgentReferral, danger, self.after_referral, failures + 1);
        }
        let limits = match &self.controlled_from_age {
            Some(old) if age >= old.age => &old.controlled,
            _ => &self.controlled,
        };
        let measured: Vec<(&Limit, f64)> =
            limits.iter().filter_map(|limit| Some((limit, *visit.measures.get(&limit.measure)?))).collect();
        // With a part of the measures missing nobody is called controlled.
        let complete = measured.len() == limits.len();
        let mut reasons: Vec<String> = measured
            .iter()
            .filter(|(limit, value)| !limit.holds(*value))
            .map(|(limit, value)| format!("{} {value}", limit.measure))
            .collect();
        let high = !reasons.is_empty();
        reasons.extend(visit.side_effect.then(|| "side_effect".to_owned()));
        reasons.extend(visit.complication.then(|| "complication".to_owned()));
        if visit.complication || ((high || visit.side_effect) && failures + 1 >= self.refer_after_failures) {
            return decision(Outcome::Refer, reasons, self.after_referral, failures + 1);
        }
        if high || visit.side_effect {
            return decision(Outcome::Adjust, reasons, self.next_when_not, failures + 1);
        }
        if !complete {
            return decision(Outcome::NotMeasured, reasons, self.next_when_not, failures);
        }
        decision(Outcome::Controlled, reasons, self.next_when_controlled, 0)
    }

    /// Decides a whole course of visits in the order of their days.
    pub fn course(&self, visits: &[Visit], age_on: impl Fn(i64) -> u32) -> Vec<Decision> {
        let mut failures = 0;
        let mut decisions = Vec::with_capacity(visits.len());
        for visit in visits {
            let decision = self.decide(visit, age_on(visit.day), failures);
            failures = match decision.outcome {
                // A referral is looked after by others: the count begins anew.
                Outcome::Refer | Outcome::UrgentReferral => 0,
                _ => decision.failures,
            };
            decisions.push(decision);
        }
        decisions
    }

    /// Whether somebody enrolled on `enrolled`, whose last visit came out as `last`, is due on `today`.
    /// Nobody who was never seen waits longer than the time between two visits.
    pub fn due(&self, enrolled: i64, last: Option<&Decision>, today: i64) -> Due {
        let Some(last) = last else {
            let first = enrolled + self.next_when_controlled;
            return self.by_day(first, today);
        };
        match last.outcome {
            Outcome::Refer | Outcome::UrgentReferral if today > last.next => {
                Due::ReferralUnchecked(last.next)
            }
            Outcome::Refer | Outcome::UrgentReferral => Due::CheckReferral(last.next),
            _ => self.by_day(last.next, today),
        }
    }

    fn by_day(&self, day: i64, today: i64) -> Due {
        match today - day {
            ..0 => Due::Later(day),
            late if late <= self.grace => Due::Now(day),
            _ => Due::Late(day),
        }
    }

    /// Whether the yearly examination is due.
    pub fn examination_due(&self, enrolled: i64, last: Option<i64>, today: i64) -> bool {
        today - last.unwrap_or(enrolled) >= self.yearly_examination
    }
}
