//! Patients and carers rate a draft policy: how hard it is for them, how it feels, how content they are,
//! and what stands in the way.
//!
//! The three dimensions are those of the feasibility study; each is 1 (worst) to 5 (best). Means are whole
//! thousandths, so that shards add up exactly, and no row of fewer than [`LEAST_PUBLISHED`] people is told.

use crate::disclosure::LEAST_PUBLISHED;
use crate::gate::{Evidence, Participation};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Barriers that have a name, so that what was feared can be set against what was met.
pub const BARRIERS: [&str; 8] =
    ["travel", "cost", "stock", "forms", "trust", "knowledge", "equipment", "time"];

/// One person's rating.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(default)]
pub struct Rating {
    /// Project rated.
    pub project: String,
    /// Operational difficulty, 1 very hard to 5 very easy.
    pub difficulty: u8,
    /// Experience as a patient, 1 very bad to 5 very good.
    pub experience: u8,
    /// Satisfaction, 1 very dissatisfied to 5 very satisfied.
    pub satisfaction: u8,
    /// Named barriers.
    pub barriers: Vec<String>,
    /// In the rater's own words.
    pub comment: String,
    /// Where the rater lives.
    pub region: String,
    /// Disease.
    pub disease: String,
    /// Stage of illness.
    pub stage: String,
    /// `patient` or `carer`.
    pub role: String,
    /// Whether the rater lives in a village.
    pub rural: bool,
    /// Age in years.
    pub age: u8,
    /// Whether it was given in the room, on paper.
    pub on_paper: bool,
    /// Day it was given.
    pub day: i64,
}

impl Rating {
    /// Checks a rating.
    ///
    /// # Errors
    /// The field and the rule.
    pub fn check(&self) -> Result<(), String> {
        let scores = [
            ("difficulty", self.difficulty),
            ("experience", self.experience),
            ("satisfaction", self.satisfaction),
        ];
        if let Some((name, value)) = scores.into_iter().find(|(_, v)| !(1..=5).contains(v)) {
            return Err(format!("{name} is {value}: choose 1 to 5"));
        }
        if let Some(barrier) = self.barriers.iter().find(|b| !BARRIERS.contains(&b.as_str())) {
            return Err(format!("barriers: {barrier:?} has no name here; write it into the comment"));
        }
        if !matches!(self.role.as_str(), "patient" | "carer") {
            return Err(format!("role is {:?}: patients and carers rate, nobody else", self.role));
        }
        Ok(())
    }
}

/// What some raters said together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Summary {
    /// How many rated.
    pub raters: u64,
    /// Sums of difficulty, experience and satisfaction.
    pub sums: [u64; 3],
    /// How often each of [`BARRIERS`] was named.
    pub barriers: [u64; BARRIERS.len()],
}

impl Summary {
    /// Takes in a rating.
    pub fn add(&mut self, rating: &Rating) {
        self.raters += 1;
        for (sum, score) in
            self.sums.iter_mut().zip([rating.difficulty, rating.experience, rating.satisfaction])
        {
            *sum += u64::from(score);
        }
        for (count, name) in self.barriers.iter_mut().zip(BARRIERS) {
            *count += u64::from(rating.barriers.iter().any(|b| b == name));
        }
    }

    /// Whether it may be told.
    pub fn is_shown(&self) -> bool {
        self.raters >= LEAST_PUBLISHED
    }

    /// Means in thousandths, rounded; `None` below the least number.
    pub fn means(&self) -> Option<[u64; 3]> {
        self.is_shown().then(|| self.sums.map(|sum| (sum * 1000 + self.raters / 2) / self.raters))
    }

    /// Share that named each barrier, in thousandths; `None` below the least number.
    pub fn barrier_shares(&self) -> Option<[u64; BARRIERS.len()]> {
        self.is_shown().then(|| self.barriers.map(|n| (n * 1000 + self.raters / 2) / self.raters))
    }
}

/// What ratings are looked at by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// Region.
    Region,
    /// Disease.
    Disease,
    /// Stage of illness.
    Stage,
    /// Patient or carer.
    Role,
}

/// Ratings in groups; every group stands there, and [`Summary::means`] says which may be told.
pub fn by<'r>(ratings: impl IntoIterator<Item = &'r Rating>, by: By) -> BTreeMap<String, Summary> {
    let mut groups: BTreeMap<String, Summary> = BTreeMap::new();
    for rating in ratings {
        let name = match by {
            By::Region => &rating.region,
            By::Disease => &rating.disease,
            By::Stage => &rating.stage,
            By::Role => &rating.role,
        };
        groups.entry(name.clone()).or_default().add(rating);
    }
    groups
}

/// Everybody together.
pub fn summary<'r>(ratings: impl IntoIterator<Item = &'r Rating>) -> Summary {
    let mut all = Summary::default();
    ratings.into_iter().for_each(|rating| all.add(rating));
    all
}

/// What was feared before the launch beside what was met after it, in thousandths, by barrier; `None`
/// where fewer than eleven people said it.
pub fn feared_and_met(ratings: &[Rating], launched: i64) -> Vec<(&'static str, Option<u64>, Option<u64>)> {
    let before = summary(ratings.iter().filter(|r| r.day < launched)).barrier_shares();
    let after = summary(ratings.iter().filter(|r| r.day >= launched)).barrier_shares();
    BARRIERS
        .into_iter()
        .enumerate()
        .map(|(i, name)| (name, before.map(|shares| shares[i]), after.map(|shares| shares[i])))
        .collect()
}

/// The evidence that ratings are: their days, their number, who lives in villages, and ages.
/// `dissent` is what the patient representatives say of it; an empty text says they agree.
pub fn evidence(
    ratings: &[Rating],
    affected: u64,
    dissent: Option<String>,
    source: &str,
) -> Option<Evidence> {
    let first = ratings.iter().map(|r| r.day).min()?;
    let last = ratings.iter().map(|r| r.day).max()?;
    let mut ages = [0u64; 4];
    for rating in ratings {
        ages[age_group(rating.age)] += 1;
    }
    Some(Evidence {
        kind: "patient_rating".into(),
        gathered: (first, last),
        affected,
        heard: ratings.len() as u64,
        rural: Some(ratings.iter().filter(|r| r.rural).count() as u64),
        ages: Some(ages),
        dissent,
        participation: Participation::Involve,
        source: source.into(),
    })
}

/// Under 18, 18–44, 45–64, 65 and over, as evidence counts ages.
pub fn age_group(age: u8) -> usize {
    match age {
        0..18 => 0,
        18..45 => 1,
        45..65 => 2,
        _ => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rating(region: &str, score: u8, day: i64) -> Rating {
        Rating {
            difficulty: score,
            experience: score,
            satisfaction: 5,
            barriers: vec!["travel".into()],
            region: region.into(),
            role: "patient".into(),
            age: 67,
            rural: true,
            day,
            ..Rating::default()
        }
    }

    #[test]
    fn small_groups_are_not_told_and_evidence_adds_up() {
        let mut ratings: Vec<Rating> = (0..11).map(|i| rating("a", 1 + (i % 5) as u8, i)).collect();
        ratings.extend((0..10).map(|i| rating("b", 3, 20 + i)));
        let groups = by(&ratings, By::Region);
        assert_eq!(groups["a"].means(), Some([2818, 2818, 5000]));
        assert_eq!(groups["b"].means(), None);
        let evidence = evidence(&ratings, 900, Some(String::new()), "ratings").expect("ratings");
        assert_eq!((evidence.heard, evidence.rural, evidence.ages), (21, Some(21), Some([0, 0, 0, 21])));
        assert_eq!(evidence.gathered, (0, 29));
        let met = feared_and_met(&ratings, 15);
        assert_eq!(met[0], ("travel", Some(1000), None));
    }

    #[test]
    fn a_rating_outside_its_scale_is_refused_by_name() {
        assert!(rating("a", 6, 0).check().unwrap_err().contains("difficulty"));
        assert!(Rating { role: "doctor".into(), ..rating("a", 3, 0) }.check().unwrap_err().contains("role"));
        let odd = Rating { barriers: vec!["dragons".into()], ..rating("a", 3, 0) };
        assert!(odd.check().unwrap_err().contains("dragons"));
        assert!(rating("a", 3, 0).check().is_ok());
    }
}
