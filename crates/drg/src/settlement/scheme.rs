//! A payment scheme (支付方案) as data: what a weight or a score is worth, and how cases far from their
//! standard are paid. DRG weights and DIP scores are the same to it.

use crate::payment::Decimal;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use tongmai_base::Finding;

/// How an insurance pool turns points into money.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pay {
    /// Yuan a point (费率 × 权重): the sum is open.
    Rate(Decimal),
    /// Yuan that all points share (点数法, DIP): spent or kept to the fen.
    Budget(Decimal),
}

/// One pool: employees (职工), residents (城乡居民) …
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Insurance {
    /// Name.
    #[serde(default)]
    pub name: String,
    /// How it pays.
    pub pay: Pay,
}

/// A hospital in the scheme.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Hospital {
    /// Name.
    pub name: String,
    /// Its level, a key of [`Scheme::levels`].
    pub level: String,
    /// Its own coefficient, in place of that of its level.
    pub coefficient: Option<Decimal>,
    /// The 县域医共体 that it belongs to.
    pub community: String,
}

/// What a group costs on average, against which a case is an outlier.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Standard {
    /// Mean cost in yuan at coefficient 1.
    pub cost: Option<Decimal>,
    /// Mean days.
    pub days: Option<Decimal>,
}

/// High outliers (高倍率) of groups up to a weight.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct High {
    /// Groups up to this weight; all the others when absent.
    #[serde(default)]
    pub up_to_weight: Option<Decimal>,
    /// Multiple of the mean above which the excess is paid too.
    pub above: Decimal,
}

/// Long stays (长期住院), paid by the day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LongStay {
    /// Stays of more days than this.
    pub days: u32,
    /// Weight of one day.
    pub daily_weight: Decimal,
}

/// 特例单议: cases that experts judge one by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Special {
    /// Share of a hospital's cases that it may apply for.
    pub quota: Decimal,
    /// Reviewers that must agree; none of them the applicant.
    pub reviewers: usize,
}

/// 紧密型县域医共体: a budget for the people of an area.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Community {
    /// Name.
    #[serde(default)]
    pub name: String,
    /// Yuan for all care of its people.
    pub budget: Decimal,
    /// Share of a surplus that its hospitals keep (结余留用).
    pub retained: Decimal,
    /// Share of an overrun that its hospitals bear (合理超支分担).
    pub borne: Decimal,
}

/// A payment scheme.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Scheme {
    /// Short name.
    pub id: String,
    /// Name.
    pub name: String,
    /// The rule pack or catalogue whose groups it pays.
    pub pack: String,
    /// First day.
    pub effective_from: String,
    /// Last day.
    pub effective_to: String,
    /// Pools by the code of the insurance.
    pub insurances: BTreeMap<String, Insurance>,
    /// Coefficients of hospital levels.
    pub levels: BTreeMap<String, Decimal>,
    /// Hospitals by their code.
    pub hospitals: BTreeMap<String, Hospital>,
    /// Weights (RW) or scores (DIP 分值) of groups.
    pub weights: BTreeMap<String, Decimal>,
    /// Mean costs and days of groups. A group without one is judged by the mean of the settled cases.
    pub standards: BTreeMap<String, Standard>,
    /// Groups paid the same in every hospital (基础病组, 同病同价).
    pub basic_groups: BTreeSet<String>,
    /// Weights of groups in which Chinese medicine is preferred (中医优势病种) are multiplied by this.
    pub tcm_groups: BTreeMap<String, Decimal>,
    /// High outliers, the first that fits the weight.
    pub high: Vec<High>,
    /// Largest share of a hospital's cases that is paid as high outliers.
    pub high_share: Option<Decimal>,
    /// Below this multiple of the mean a case is paid by its cost (低倍率).
    pub low: Option<Decimal>,
    /// Long stays.
    pub long_stay: Option<LongStay>,
    /// No ordinary case is paid more than this multiple of its cost.
    pub cap: Option<Decimal>,
    /// Cases judged one by one.
    pub special: Option<Special>,
    /// Coefficient of people from elsewhere (异地就医); 1 when absent.
    pub elsewhere: Option<Decimal>,
    /// Share of a month's payment that is paid in advance; the rest is the quality deposit (质量保证金).
    pub prepaid: Option<Decimal>,
    /// Areas with a budget of their own.
    pub communities: BTreeMap<String, Community>,
}

impl Scheme {
    /// Reads a scheme and checks it.
    ///
    /// # Errors
    /// What is wrong with the JSON.
    pub fn from_json(text: &str) -> Result<(Scheme, Vec<Finding>), Finding> {
        let scheme: Scheme = serde_json::from_str(text).map_err(|error| {
            Finding::error("scheme", "unreadable", error.to_string())
                .with_repair("see the example in docs/drg.md")
        })?;
        let findings = scheme.check();
        Ok((scheme, findings))
    }

    /// What cannot be meant.
    pub fn check(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        let mut wrong = |path: String, code: &str, message: String, repair: &str| {
            findings.push(Finding::error(path, code, message).with_repair(repair));
        };
        if self.insurances.is_empty() {
            wrong("insurances".into(), "required", "there is no insurance".into(), "name at least one pool");
        }
        for (code, insurance) in &self.insurances {
            let (Pay::Rate(amount) | Pay::Budget(amount)) = insurance.pay;
            if amount.0 < 0 {
                wrong(
                    format!("insurances.{code}"),
                    "range",
                    "the amount is negative".into(),
                    "give an amount of yuan",
                );
            }
        }
        for (code, hospital) in &self.hospitals {
            if hospital.coefficient.is_none() && !self.levels.contains_key(&hospital.level) {
                let message = format!("the level '{}' has no coefficient", hospital.level);
                wrong(format!("hospitals.{code}"), "unknown-level", message, "add it to 'levels'");
            }
            if !hospital.community.is_empty() && !self.communities.contains_key(&hospital.community) {
                let message = format!("there is no community '{}'", hospital.community);
                wrong(format!("hospitals.{code}"), "unknown-community", message, "add it to 'communities'");
            }
        }
        for (group, weight) in &self.weights {
            if weight.0 <= 0 {
                wrong(
                    format!("weights.{group}"),
                    "range",
                    "the weight is not positive".into(),
                    "give a weight above 0",
                );
            }
        }
        for group in self.basic_groups.iter().filter(|group| !self.weights.contains_key(*group)) {
            wrong(
                format!("basic_groups.{group}"),
                "no-weight",
                "the basic group has no weight".into(),
                "add its weight",
            );
        }
        let shares = [("low", self.low), ("high_share", self.high_share), ("prepaid", self.prepaid)];
        let quota = self.special.map(|special| special.quota);
        for (path, share) in shares.into_iter().chain([("special.quota", quota)]) {
            if share.is_some_and(|share| share.0 < 0 || share > Decimal::ONE) {
                wrong(
                    path.into(),
                    "range",
                    "the share is not between 0 and 1".into(),
                    "write 0.05 for five per cent",
                );
            }
        }
        if self.high.iter().any(|high| high.above <= Decimal::ONE) {
            wrong("high".into(), "range", "the multiple is not above 1".into(), "a usual value is 3");
        }
        findings
    }

    /// The coefficient of a hospital for a group.
    pub fn coefficient(&self, hospital: &str, group: &str) -> Decimal {
        if self.basic_groups.contains(group) {
            return Decimal::ONE;
        }
        let Some(hospital) = self.hospitals.get(hospital) else { return Decimal::ONE };
        let level = self.levels.get(&hospital.level).copied();
        hospital.coefficient.or(level).unwrap_or(Decimal::ONE)
    }

    /// The weight of a group, with what Chinese medicine adds.
    pub fn weight(&self, group: &str) -> Option<Decimal> {
        let weight = *self.weights.get(group)?;
        match self.tcm_groups.get(group) {
            Some(factor) => weight.times(*factor),
            None => Some(weight),
        }
    }

    /// The multiple above which a case of this weight is a high outlier.
    pub fn high_above(&self, weight: Decimal) -> Option<Decimal> {
        self.high
            .iter()
            .find(|high| high.up_to_weight.is_none_or(|limit| weight <= limit))
            .map(|high| high.above)
    }
}
