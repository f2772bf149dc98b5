//! Stages of a long illness, and several illnesses at once.
//!
//! A stage is judged for each illness from dated facts, and can go back: a remission is no mistake. Several
//! illnesses of one person stand side by side; the most advanced one decides how often somebody looks.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Stage of one illness.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// At risk: nothing found yet.
    AtRisk,
    /// Found, the first half year.
    Newly,
    /// Under treatment, not yet stable.
    Treated,
    /// Stable for half a year.
    Stable,
    /// With complications.
    Complicated,
    /// Advanced, with help in daily life.
    Advanced,
    /// Palliative.
    Palliative,
}

impl Stage {
    /// All, in order.
    pub const ALL: [Stage; 7] = [
        Stage::AtRisk,
        Stage::Newly,
        Stage::Treated,
        Stage::Stable,
        Stage::Complicated,
        Stage::Advanced,
        Stage::Palliative,
    ];

    /// Its code.
    pub fn code(self) -> &'static str {
        match self {
            Stage::AtRisk => "at_risk",
            Stage::Newly => "newly",
            Stage::Treated => "treated",
            Stage::Stable => "stable",
            Stage::Complicated => "complicated",
            Stage::Advanced => "advanced",
            Stage::Palliative => "palliative",
        }
    }

    /// Content and help that belong to the stage: what a newly diagnosed person needs is not what a person
    /// with ten years of illness needs.
    pub fn needs(self) -> &'static [&'static str] {
        match self {
            Stage::AtRisk => &["screening", "campaign"],
            Stage::Newly => &["explanation", "training", "peer_support"],
            Stage::Treated => &["training", "adherence", "medicine"],
            Stage::Stable => &["self_measurement", "long_prescription", "peer_mentor"],
            Stage::Complicated => &["foot_care", "equipment", "specialist", "fund"],
            Stage::Advanced => &["home_help", "equipment", "fund", "respite"],
            Stage::Palliative => &["palliative_care", "counselling", "family_support"],
        }
    }
}

/// Dated facts about one illness.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Illness {
    /// Day it was found.
    pub found: Option<i64>,
    /// First day of treatment.
    pub treated: Option<i64>,
    /// Day since which it has been under control without a break.
    pub controlled_since: Option<i64>,
    /// Day of the first complication.
    pub complicated: Option<i64>,
    /// Day from which help in daily life was needed.
    pub dependent: Option<i64>,
    /// Day palliative care was agreed on.
    pub palliative: Option<i64>,
}

/// Days that somebody counts as newly diagnosed, and that control must last to be stable.
const HALF_YEAR: i64 = 182;

/// The stage of an illness on `today`; facts of later days are not known yet.
pub fn stage(illness: &Illness, today: i64) -> Stage {
    let since = |day: Option<i64>| day.filter(|day| *day <= today);
    let Some(found) = since(illness.found) else { return Stage::AtRisk };
    if since(illness.palliative).is_some() {
        return Stage::Palliative;
    }
    if since(illness.dependent).is_some() {
        return Stage::Advanced;
    }
    if since(illness.complicated).is_some() {
        return Stage::Complicated;
    }
    if today - found < HALF_YEAR {
        return Stage::Newly;
    }
    match since(illness.controlled_since) {
        Some(day) if today - day >= HALF_YEAR => Stage::Stable,
        _ => Stage::Treated,
    }
}

/// The stage of each illness and the most advanced one; nobody without an illness has one.
pub fn course(illnesses: &BTreeMap<String, Illness>, today: i64) -> (BTreeMap<String, Stage>, Option<Stage>) {
    let stages: BTreeMap<String, Stage> =
        illnesses.iter().map(|(name, illness)| (name.clone(), stage(illness, today))).collect();
    let most = stages.values().max().copied();
    (stages, most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_illness_goes_through_its_stages_and_back() {
        let mut illness = Illness::default();
        assert_eq!(stage(&illness, 0), Stage::AtRisk);
        illness.found = Some(100);
        assert_eq!(stage(&illness, 99), Stage::AtRisk);
        assert_eq!(stage(&illness, 281), Stage::Newly);
        assert_eq!(stage(&illness, 282), Stage::Treated);
        illness.controlled_since = Some(200);
        assert_eq!(stage(&illness, 382), Stage::Stable);
        // Control was lost and began again.
        illness.controlled_since = Some(380);
        assert_eq!(stage(&illness, 382), Stage::Treated);
        illness.complicated = Some(400);
        illness.palliative = Some(900);
        assert_eq!(stage(&illness, 899), Stage::Complicated);
        assert_eq!(stage(&illness, 900), Stage::Palliative);
        let both = [("foot".to_owned(), illness), ("heart".to_owned(), Illness::default())].into();
        assert_eq!(course(&both, 900).1, Some(Stage::Palliative));
        assert!(Stage::ALL.iter().all(|stage| !stage.needs().is_empty() && !stage.code().is_empty()));
    }
}
