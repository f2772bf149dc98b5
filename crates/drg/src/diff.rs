//! What changed between two packs, and which cases move.

use crate::case::Case;
use crate::grouper::Grouper;
use crate::pack::Pack;
pub use crate::words::words;
use crate::words::{Tongue, words_in};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// One difference in the rules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// `mdc`, `adrg`, `drg`, `set`, `severity`, `exclusion` or `name`.
    pub what: &'static str,
    /// The code or set that changed.
    pub code: String,
    /// The change in words.
    pub change: String,
}

/// The rules of `new` that differ from `old`, in English.
pub fn rules(old: &Pack, new: &Pack) -> Vec<Change> {
    rules_in(old, new, Tongue::English)
}

/// The rules of `new` that differ from `old`.
pub fn rules_in(old: &Pack, new: &Pack, tongue: Tongue) -> Vec<Change> {
    let mut changes = Vec::new();
    let say = |english: &'static str, chinese: &'static str| tongue.either(english, chinese);
    let (a, b) = (entries(old, tongue), entries(new, tongue));
    for key in a.keys().chain(b.keys()).collect::<BTreeSet<_>>() {
        let (what, code) = key;
        let change = match (a.get(key), b.get(key)) {
            (Some(_), None) => say("removed", "删除").to_string(),
            (None, Some(text)) => format!("{}{text}", say("added: ", "新增：")),
            (Some(x), Some(y)) if x != y => format!("{x} → {y}"),
            _ => continue,
        };
        changes.push(Change { what, code: code.clone(), change });
    }
    changes.extend(members("set", &sets(old), &sets(new), tongue));
    let table = |number: &str| format!("{} {number}", say("table", "排除表"));
    let severity = |pack: &Pack| {
        let rows =
            pack.severity.iter().map(|(c, l, t)| (l.code().to_string(), format!("{c} ({})", table(t))));
        collect(rows)
    };
    changes.extend(members("severity", &severity(old), &severity(new), tongue));
    let exclusions = |pack: &Pack| collect(pack.exclusions.iter().map(|(c, t)| (table(t), c.clone())));
    changes.extend(members("exclusion", &exclusions(old), &exclusions(new), tongue));
    changes
}

type Sets = BTreeMap<String, BTreeSet<String>>;

fn collect(rows: impl Iterator<Item = (String, String)>) -> Sets {
    let mut sets = Sets::new();
    rows.for_each(|(set, member)| _ = sets.entry(set).or_default().insert(member));
    sets
}

fn sets(pack: &Pack) -> Sets {
    collect(pack.sets.iter().flat_map(|set| {
        set.members.iter().map(|(code, label)| {
            let member = if label.is_empty() { code.clone() } else { format!("{code} ({label})") };
            (set.name.clone(), member)
        })
    }))
}

fn members(what: &'static str, old: &Sets, new: &Sets, tongue: Tongue) -> Vec<Change> {
    let none = BTreeSet::new();
    let mut changes = Vec::new();
    for name in old.keys().chain(new.keys()).collect::<BTreeSet<_>>() {
        let (a, b) = (old.get(name).unwrap_or(&none), new.get(name).unwrap_or(&none));
        let list = |codes: Vec<&String>| {
            let some: Vec<&str> = codes.iter().take(5).map(|c| c.as_str()).collect();
            let more = if codes.len() > 5 { ", …" } else { "" };
            format!("{} ({}{more})", codes.len(), some.join(", "))
        };
        let (gone, came): (Vec<_>, Vec<_>) = (a.difference(b).collect(), b.difference(a).collect());
        let mut words = Vec::new();
        if !gone.is_empty() {
            words.push(format!("{} {}", tongue.either("without", "去掉"), list(gone)));
        }
        if !came.is_empty() {
            words.push(format!("{} {}", tongue.either("with", "加入"), list(came)));
        }
        if !words.is_empty() {
            changes.push(Change { what, code: name.clone(), change: words.join(tongue.either("; ", "；")) });
        }
    }
    changes
}

fn entries(pack: &Pack, tongue: Tongue) -> BTreeMap<(&'static str, String), String> {
    let mut entries = BTreeMap::new();
    for (m, mdc) in pack.mdcs.iter().enumerate() {
        entries.insert(("mdc", mdc.code.clone()), format!("{}. {}", m + 1, words_in(&mdc.rule, tongue)));
        let mut ways: BTreeMap<&str, usize> = BTreeMap::new();
        for adrg in &mdc.adrgs {
            let way = ways.entry(&adrg.code).or_default();
            *way += 1;
            let code = if *way == 1 { adrg.code.clone() } else { format!("{} way {way}", adrg.code) };
            entries.insert(("adrg", code), words_in(&adrg.rule, tongue));
            for (d, drg) in adrg.drgs.iter().enumerate() {
                let text = format!("{}. {}", d + 1, words_in(&drg.rule, tongue));
                entries.insert(("drg", drg.code.clone()), text);
                entries.insert(("name", drg.code.clone()), drg.name.clone());
            }
        }
    }
    entries
}

/// How many cases go from one group to another: (old, new) → cases.
pub fn moves<'a>(
    old: &Grouper,
    new: &Grouper,
    cases: impl Iterator<Item = Case<'a>>,
) -> BTreeMap<(String, String), u64> {
    let (mut a, mut b) = (old.scratch(), new.scratch());
    let mut moves = BTreeMap::new();
    for case in cases {
        let (x, y) = (old.group(&case, &mut a), new.group(&case, &mut b));
        let pair = (old.drg(&x).to_string(), new.drg(&y).to_string());
        *moves.entry(pair).or_insert(0) += 1;
    }
    moves
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo;
    use crate::expression::Expression;

    #[test]
    fn every_kind_of_change_is_said() {
        let old = demo::pack();
        assert_eq!(rules(&old, &old), []);
        let mut new = old.clone();
        new.mdcs[2].adrgs[0].drgs.remove(0);
        new.mdcs[4].adrgs[0].drgs[0].rule = Expression::Always;
        new.sets[0].members.remove(0);
        new.severity.remove(0);
        new.exclusions.remove(0);
        new.mdcs[0].adrgs[0].drgs[0].name = "x".into();
        let changes = rules(&old, &new);
        let kinds: BTreeSet<&str> = changes.iter().map(|change| change.what).collect();
        assert_eq!(kinds, BTreeSet::from(["drg", "exclusion", "name", "set", "severity"]));
        assert!(changes.iter().any(|c| c.what == "drg" && c.code == "FM11" && c.change == "removed"));
    }

    #[test]
    fn cases_that_move_are_counted() {
        let old = demo::pack();
        let mut new = old.clone();
        new.severity.retain(|(code, ..)| code != "N17.900");
        let line = r#"{"gender":1,"age":70,"zdList":["I50.900","N17.900"],"ssList":[],"inHospitalTime":9}"#;
        let cases = std::iter::repeat_with(|| Case::from_json(line).unwrap()).take(3);
        let moves = moves(&Grouper::new(&old), &Grouper::new(&new), cases);
        assert_eq!(moves, BTreeMap::from([(("FR21".to_string(), "FR25".to_string()), 3)]));
    }
}
