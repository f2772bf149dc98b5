//! Case rules as data: how long one illness is one case, and which medicines point to it.

use std::collections::HashMap;

use tongmai_base::Finding;

/// The rules that ship with this crate; an operator may load others.
pub const SHIPPED: &str = include_str!("../packs/case-rules.csv");

/// Days of an episode where the rules name none.
pub const EPISODE_DAYS: i64 = 30;

/// The rule of a disease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Days within which a further diagnosis is the same case; `None`: one case in a lifetime.
    pub episode_days: Option<i64>,
    /// Names of medicines that make a suspected case.
    pub medicines: Vec<String>,
}

/// All rules, by the code of the disease.
#[derive(Debug, Clone, Default)]
pub struct CaseRules {
    rules: HashMap<String, Rule>,
}

impl CaseRules {
    /// Reads rules. A row that breaks one is left out, with a finding.
    pub fn parse(text: &str) -> (CaseRules, Vec<Finding>) {
        let mut reader = csv::ReaderBuilder::new().comment(Some(b'#')).from_reader(text.as_bytes());
        let (mut rules, mut findings) = (CaseRules::default(), Vec::new());
        for (index, record) in reader.records().enumerate() {
            let at = format!("row {}", index + 1);
            let record = match record {
                Ok(record) => record,
                Err(error) => {
                    findings.push(Finding::error(at, "bad-row", error.to_string()));
                    continue;
                }
            };
            let cell = |i: usize| record.get(i).unwrap_or("").trim();
            let days = cell(1).parse::<i64>().ok().filter(|days| (0..=3_650).contains(days));
            let Some(days) = days.filter(|_| !cell(0).is_empty()) else {
                let what = format!("\"{}\" is no number of days between 0 and 3650", cell(1));
                findings.push(Finding::error(at, "bad-row", what));
                continue;
            };
            let medicines = cell(2).split('|').filter(|name| !name.is_empty()).map(str::to_owned).collect();
            let rule = Rule { episode_days: (days > 0).then_some(days), medicines };
            rules.rules.insert(cell(0).to_owned(), rule);
        }
        (rules, findings)
    }

    /// Days of an episode of a disease; `None`: one case in a lifetime.
    pub fn episode_days(&self, disease: &str) -> Option<i64> {
        self.rules.get(disease).map_or(Some(EPISODE_DAYS), |rule| rule.episode_days)
    }

    /// Whether two days belong to one case of a disease.
    pub fn is_one_episode(&self, disease: &str, one: i64, other: i64) -> bool {
        self.episode_days(disease).is_none_or(|days| (one - other).abs() <= days)
    }

    /// The disease that a medicine treats and nothing else, with the name that was found.
    pub fn by_medicine(&self, medicine: &str) -> Option<(&str, &str)> {
        let mut found: Vec<(&str, &str)> = self
            .rules
            .iter()
            .flat_map(|(disease, rule)| {
                rule.medicines.iter().map(move |name| (disease.as_str(), name.as_str()))
            })
            .filter(|(_, name)| medicine.contains(name))
            .collect();
        found.sort_unstable_by_key(|(disease, name)| (std::cmp::Reverse(name.len()), *disease));
        found.first().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_rules_are_whole_and_name_known_diseases() {
        let (rules, findings) = CaseRules::parse(SHIPPED);
        assert_eq!(findings, []);
        let (pack, _) = crate::notifiable::Pack::parse(crate::notifiable::SHIPPED);
        for disease in rules.rules.keys() {
            assert!(pack.diseases.iter().any(|known| known.code == *disease), "{disease}");
        }
        assert_eq!(rules.episode_days("hiv"), None);
        assert_eq!(rules.episode_days("cholera"), Some(30));
        assert!(rules.is_one_episode("hepatitis", 0, 9_000));
        assert!(!rules.is_one_episode("influenza", 100, 115));
        assert_eq!(rules.by_medicine("吡嗪酰胺片 0.25g"), Some(("tuberculosis", "吡嗪酰胺")));
        assert_eq!(rules.by_medicine("奥司他韦胶囊"), None);
    }

    #[test]
    fn a_bad_row_is_named() {
        let (rules, findings) = CaseRules::parse("disease,episode_days,medicines\na,x,\nb,-1,\nc,7,m\n");
        assert_eq!((rules.rules.len(), findings.len()), (1, 2));
    }
}
