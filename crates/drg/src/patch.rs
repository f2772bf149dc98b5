//! A regional pack as a base and what the region changes.
//!
//! A patch is a small JSON document; rules in it are written as [`crate::import::rule`] reads them:
//!
//! ```json
//! {"id": "city_2027", "base": "city_2026", "effective_from": "2027-01-01",
//!  "lists": {"HEART_FAILURE": {"add": [["I50.2", "", "左心衰竭"]], "remove": ["I50.0"]}},
//!  "severity": {"add": [["E87.6", "CC", "9"]], "remove": ["L89.9"]},
//!  "exclusions": {"add": [["I50.9", "1"]], "remove": []},
//!  "splits": {"FR2": [{"code": "FR21", "name": "心力衰竭，伴 MCC", "rule": "MCC"}, {"code": "FR25", "rule": "always"}]},
//!  "entries": {"FR2": "principal in HEART_FAILURE"},
//!  "new": [{"mdc": "MDCF", "before": "FR2", "code": "FR9", "rule": "…", "groups": [{"code": "FR99", "rule": "always"}]}],
//!  "without": ["GZ1"]}
//! ```

use crate::condition::Level;
use crate::import::rule;
use crate::pack::{Adrg, CodeSet, Drg, Pack, Rule};
use serde::Deserialize;
use std::collections::BTreeMap;
use tongmai_base::Finding;

/// What a region changes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Patch {
    /// Name of the patched pack.
    pub id: String,
    /// Name of the pack that it is made for.
    pub base: String,
    /// Pooling area.
    pub region: String,
    /// First day.
    pub effective_from: String,
    /// Last day.
    pub effective_to: String,
    /// The document it was read from.
    pub source: String,
    /// By list: members (code, label, name) that come, codes that go.
    pub lists: BTreeMap<String, Members<(String, String, String)>>,
    /// Complications: code, level, exclusion table.
    pub severity: Members<(String, String, String)>,
    /// Exclusions: principal diagnosis, table.
    pub exclusions: Members<(String, String)>,
    /// By ADRG: its groups, all of them, in the order of trial.
    pub splits: BTreeMap<String, Vec<NewGroup>>,
    /// By ADRG: the rule of its entry.
    pub entries: BTreeMap<String, String>,
    /// New ADRGs.
    pub new: Vec<NewEntry>,
    /// ADRGs that there are no longer.
    pub without: Vec<String>,
}

/// What comes and what goes.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Members<T> {
    /// What comes.
    pub add: Vec<T>,
    /// Codes that go.
    pub remove: Vec<String>,
}

impl<T> Default for Members<T> {
    fn default() -> Members<T> {
        Members { add: Vec::new(), remove: Vec::new() }
    }
}

/// A group of a patch.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NewGroup {
    /// Code.
    pub code: String,
    /// Name; that of the base when empty.
    pub name: String,
    /// Rule.
    pub rule: String,
}

/// An ADRG of a patch.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NewEntry {
    /// The category that it belongs to.
    pub mdc: String,
    /// The ADRG that it stands before; at the end when empty.
    pub before: String,
    /// Code.
    pub code: String,
    /// Rule of entry.
    pub rule: String,
    /// Its groups.
    pub groups: Vec<NewGroup>,
}

impl Patch {
    /// Reads a patch.
    ///
    /// # Errors
    /// What is wrong with the JSON.
    pub fn from_json(text: &str) -> Result<Patch, Finding> {
        serde_json::from_str(text).map_err(|error| {
            Finding::error("patch", "unreadable", error.to_string()).with_repair("see docs/drg.md")
        })
    }

    /// The pack that comes of `base`. Every change that does not fit is a finding and is left out.
    pub fn apply(&self, base: &Pack) -> (Pack, Vec<Finding>) {
        let mut pack = base.clone();
        let mut findings = Vec::new();
        if !self.base.is_empty() && self.base != base.manifest.id {
            let message = format!("the patch is made for {}, not for {}", self.base, base.manifest.id);
            findings.push(Finding::warning("base", "other-base", message));
        }
        let manifest = &mut pack.manifest;
        for (value, place) in [
            (&self.id, &mut manifest.id),
            (&self.region, &mut manifest.region),
            (&self.effective_from, &mut manifest.effective_from),
            (&self.effective_to, &mut manifest.effective_to),
        ] {
            if !value.is_empty() {
                place.clone_from(value);
            }
        }
        manifest.source = match self.source.as_str() {
            "" => format!("{} with a patch", base.manifest.id),
            source => format!("{} with {source}", base.manifest.id),
        };
        self.change_lists(&mut pack, &mut findings);
        self.change_tables(&mut pack, &mut findings);
        self.change_rules(&mut pack, &mut findings);
        (pack, findings)
    }

    fn change_lists(&self, pack: &mut Pack, findings: &mut Vec<Finding>) {
        for (name, change) in &self.lists {
            let at = pack.sets.iter().position(|set| set.name == *name).unwrap_or_else(|| {
                pack.sets.push(CodeSet { name: name.clone(), members: Vec::new() });
                pack.sets.len() - 1
            });
            for code in &change.remove {
                let set = &mut pack.sets[at];
                let before = set.members.len();
                set.members.retain(|(member, _)| member != code);
                if set.members.len() == before {
                    let message = format!("{code} is not in the list");
                    findings.push(Finding::warning(format!("lists.{name}"), "absent-code", message));
                }
            }
            for (code, label, text) in &change.add {
                pack.sets[at].members.push((code.clone(), label.clone()));
                let known = pack.diagnosis_names.iter().chain(&pack.procedure_names).any(|(c, _)| c == code);
                if !text.is_empty() && !known {
                    let procedure = code.starts_with(|first: char| first.is_ascii_digit());
                    let names = if procedure { &mut pack.procedure_names } else { &mut pack.diagnosis_names };
                    names.push((code.clone(), text.clone()));
                }
            }
        }
    }

    fn change_tables(&self, pack: &mut Pack, findings: &mut Vec<Finding>) {
        let gone = |removed: &[String], code: &str| removed.iter().any(|r| r == code);
        pack.severity.retain(|(code, ..)| !gone(&self.severity.remove, code));
        for (code, level, table) in &self.severity.add {
            let level = match level.as_str() {
                "MCC" => Level::Mcc,
                "CC" => Level::Cc,
                other => {
                    let message = format!("the level of {code} is '{other}'");
                    findings
                        .push(Finding::error("severity", "level", message).with_repair("write CC or MCC"));
                    continue;
                }
            };
            pack.severity.retain(|(known, ..)| known != code);
            pack.severity.push((code.clone(), level, table.clone()));
        }
        pack.exclusions.retain(|(code, _)| !gone(&self.exclusions.remove, code));
        pack.exclusions.extend(self.exclusions.add.iter().cloned());
    }

    fn change_rules(&self, pack: &mut Pack, findings: &mut Vec<Finding>) {
        let mut read = |path: String, text: &str| {
            rule::parse(text).unwrap_or_else(|message| {
                findings.push(Finding::error(path, "condition", message));
                Rule::Never
            })
        };
        let named: BTreeMap<String, String> =
            pack.drgs().map(|(_, _, drg)| (drg.code.clone(), drg.name.clone())).collect();
        let mut group = |new: &NewGroup, path: &str| Drg {
            code: new.code.clone(),
            name: if new.name.is_empty() {
                named.get(&new.code).cloned().unwrap_or_default()
            } else {
                new.name.clone()
            },
            rule: read(format!("{path}.{}", new.code), &new.rule),
            source: format!("patch {}", self.id),
        };
        let mut absent = Vec::new();
        for mdc in &mut pack.mdcs {
            mdc.adrgs.retain(|adrg| !self.without.contains(&adrg.code));
        }
        for (code, groups) in &self.splits {
            let drgs: Vec<Drg> = groups.iter().map(|new| group(new, &format!("splits.{code}"))).collect();
            let mut entries = pack
                .mdcs
                .iter_mut()
                .flat_map(|mdc| &mut mdc.adrgs)
                .filter(|adrg| adrg.code == *code)
                .peekable();
            if entries.peek().is_none() {
                absent.push(("splits", code.clone()));
            }
            entries.for_each(|entry| entry.drgs.clone_from(&drgs));
        }
        for new in &self.new {
            let drgs: Vec<Drg> = new.groups.iter().map(|g| group(g, &format!("new.{}", new.code))).collect();
            let Some(mdc) = pack.mdcs.iter_mut().find(|mdc| mdc.code == new.mdc) else {
                absent.push(("new", new.mdc.clone()));
                continue;
            };
            let at = mdc.adrgs.iter().position(|adrg| adrg.code == new.before).unwrap_or(mdc.adrgs.len());
            let rule = rule::parse(&new.rule);
            if let Err(message) = &rule {
                absent.push(("new", format!("{}: {message}", new.code)));
            }
            let (code, source) = (new.code.clone(), format!("patch {}", self.id));
            mdc.adrgs
                .insert(at, Adrg { code, rule: rule.unwrap_or(Rule::Never), drgs, source, ambiguous: false });
        }
        for (code, text) in &self.entries {
            let rule = rule::parse(text);
            let mut entries =
                pack.mdcs.iter_mut().flat_map(|mdc| &mut mdc.adrgs).filter(|adrg| adrg.code == *code);
            match (rule, entries.next()) {
                (Ok(rule), Some(entry)) => entry.rule = rule,
                (Err(message), _) => absent.push(("entries", format!("{code}: {message}"))),
                (_, None) => absent.push(("entries", code.clone())),
            }
        }
        for (path, what) in absent {
            let message = format!("{what}: the base has no such rule, or the new one cannot be read");
            findings.push(
                Finding::error(path, "absent-rule", message)
                    .with_repair("compare with the base by `drg diff`"),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{demo, diff};

    #[test]
    fn a_patch_changes_what_it_says_and_nothing_else() {
        let base = demo::pack();
        let patch = r#"{"id": "demo_2027", "effective_from": "2027-01-01",
            "severity": {"add": [["J18.900", "MCC", "2"]], "remove": ["K25.400"]},
            "splits": {"FV1": [{"code": "FV13", "name": "x", "rule": "CC"}, {"code": "FV15", "rule": "always"}]},
            "new": [{"mdc": "MDCK", "code": "KZ1", "rule": "always", "groups": [{"code": "KZ19", "rule": "always"}]}],
            "without": ["AE1"]}"#;
        let (pack, findings) = Patch::from_json(patch).unwrap().apply(&base);
        assert_eq!(findings, []);
        assert_eq!(pack.manifest.id, "demo_2027");
        let changes = diff::rules(&base, &pack);
        let said: Vec<(&str, &str)> = changes.iter().map(|c| (c.what, c.code.as_str())).collect();
        let expected = [
            ("adrg", "AE1"),
            ("adrg", "KZ1"),
            ("drg", "AE19"),
            ("drg", "FV13"),
            ("drg", "FV15"),
            ("drg", "FV19"),
            ("drg", "KZ19"),
            ("name", "AE19"),
            ("name", "FV13"),
            ("name", "FV15"),
            ("name", "FV19"),
            ("name", "KZ19"),
            ("severity", "CC"),
            ("severity", "MCC"),
        ];
        assert_eq!(said, expected);
    }

    #[test]
    fn what_does_not_fit_is_said() {
        let patch = r#"{"lists": {"MDCF/mdc_zd": {"remove": ["Z99"]}}, "splits": {"QQ1": []},
            "entries": {"FR1": "age >"}, "new": [{"mdc": "MDCQ"}], "severity": {"add": [["A", "C", "1"]]}}"#;
        let (_, findings) = Patch::from_json(patch).unwrap().apply(&demo::pack());
        let codes: Vec<&str> = findings.iter().map(|f| f.code.as_str()).collect();
        assert_eq!(codes, ["absent-code", "level", "absent-rule", "absent-rule", "absent-rule"]);
        assert!(Patch::from_json(r#"{"lsits": {}}"#).is_err());
    }
}
