//! The workshop's check: what in a pack cannot be meant.
//!
//! An error is a rule that cannot do what its source says; a warning is worth a
//! look; information is a property of the scheme that a reader should know.

pub mod scheme;

use crate::condition::{Comparison, Condition, Field, Level, Position};
use crate::expression::Expression;
use crate::pack::{Adrg, Mdc, Pack, Rule};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use tongmai_base::{Finding, Severity};

/// Checks a pack.
pub fn check(pack: &Pack) -> Vec<Finding> {
    let mut check = Check { pack, sets: HashMap::new(), findings: Vec::new() };
    for set in &pack.sets {
        let codes = set.members.iter().map(|(code, _)| code.as_str()).collect();
        if check.sets.insert(&set.name, codes).is_some() {
            check.error(&set.name, "duplicate-set", "two sets have this name; the last is taken");
        }
    }
    check.manifest();
    check.rules();
    check.structure();
    check.sets();
    check.severity();
    check.names();
    check.findings
}

struct Check<'a> {
    pack: &'a Pack,
    sets: HashMap<&'a str, HashSet<&'a str>>,
    findings: Vec<Finding>,
}

/// What sets are used for.
#[derive(Default, Clone, Copy)]
struct Use {
    diagnoses: bool,
    procedures: bool,
}

impl<'a> Check<'a> {
    fn error(&mut self, path: &str, code: &str, message: impl Into<String>) {
        self.findings.push(Finding::error(path, code, message));
    }

    fn warning(&mut self, path: &str, code: &str, message: impl Into<String>) {
        self.findings.push(Finding::warning(path, code, message));
    }

    fn note(&mut self, path: &str, code: &str, message: impl Into<String>) {
        self.findings.push(Finding::new(Severity::Information, path, code, message));
    }

    fn manifest(&mut self) {
        let manifest = &self.pack.manifest;
        if manifest.id.is_empty() {
            self.error("manifest/id", "no-id", "the pack has no id");
        }
        if !manifest.effective_to.is_empty() && manifest.effective_to < manifest.effective_from {
            self.error("manifest/effective_to", "dates", "the pack ends before it begins");
        }
        if manifest.effective_from.is_empty() {
            self.note("manifest/effective_from", "no-date", "the pack does not say from when it holds");
        }
    }

    /// Every rule with its path.
    fn every_rule(&self) -> Vec<(String, &'a Rule)> {
        let mut rules = Vec::new();
        for mdc in &self.pack.mdcs {
            rules.push((mdc.code.clone(), &mdc.rule));
            for adrg in &mdc.adrgs {
                rules.push((format!("{}/{}", mdc.code, adrg.code), &adrg.rule));
                let drgs = adrg.drgs.iter().map(|drg| (format!("{}/{}", mdc.code, drg.code), &drg.rule));
                rules.extend(drgs);
            }
        }
        rules
    }

    fn rules(&mut self) {
        for (path, rule) in self.every_rule() {
            if *rule == Expression::Never {
                self.error(&path, "never", "the rule never holds: nothing can enter here");
            }
            if contradicts(rule) {
                self.error(&path, "contradiction", "the numbers that the rule asks for exclude each other");
            }
            let mut missing = BTreeSet::new();
            let mut empty = BTreeSet::new();
            rule.visit(&mut |condition| {
                if let Some(set) = set_of(condition) {
                    match self.sets.get(set) {
                        None => _ = missing.insert(set),
                        Some(codes) if codes.is_empty() => _ = empty.insert(set),
                        Some(_) => {}
                    }
                }
            });
            for set in missing {
                self.error(
                    &path,
                    "missing-set",
                    format!("the rule asks for {set}, which the pack does not have"),
                );
            }
            for set in empty {
                self.error(&path, "empty-set", format!("the rule asks for {set}, which has no codes"));
            }
        }
    }

    fn structure(&mut self) {
        let pack = self.pack;
        let mut mdcs = BTreeSet::new();
        let mut homes: BTreeMap<&str, &str> = BTreeMap::new();
        for mdc in &pack.mdcs {
            if !mdcs.insert(&mdc.code) {
                self.error(&mdc.code, "duplicate-mdc", "the category is listed twice");
            }
            if mdc.adrgs.is_empty() {
                self.error(&mdc.code, "empty-mdc", "the category has no ADRG");
            }
            for (at, adrg) in mdc.adrgs.iter().enumerate() {
                let path = format!("{}/{}", mdc.code, adrg.code);
                if let Some(home) = homes.insert(&adrg.code, &mdc.code)
                    && home != mdc.code
                {
                    self.error(&path, "two-mdcs", format!("the ADRG is also in {home}"));
                }
                if mdc.code.chars().last() != adrg.code.chars().next() {
                    self.warning(&path, "letter", "the code does not begin with the category's letter");
                }
                self.order(mdc, at, &path);
                self.shadowed(mdc, at, &path);
                self.outside(mdc, adrg, &path);
                self.splits(mdc, adrg, &path);
            }
        }
    }

    /// Surgical, then procedures, then medical.
    fn order(&mut self, mdc: &Mdc, at: usize, path: &str) {
        let medical =
            |adrg: &Adrg| adrg.code.chars().nth(1).is_some_and(|kind| kind >= 'R') && !adrg.ambiguous;
        if at > 0 && medical(&mdc.adrgs[at - 1]) && !medical(&mdc.adrgs[at]) {
            let before = &mdc.adrgs[at - 1].code;
            self.warning(
                path,
                "order",
                format!("a surgical or procedure ADRG stands after the medical {before}"),
            );
        }
    }

    fn shadowed(&mut self, mdc: &Mdc, at: usize, path: &str) {
        let adrg = &mdc.adrgs[at];
        if let Some(by) = mdc.adrgs[..at].iter().find(|earlier| self.implies(&adrg.rule, &earlier.rule)) {
            let message = format!("every case that could enter is taken by {} before it", by.code);
            self.warning(path, "shadowed-adrg", message);
        }
    }

    /// Whether `a` can only hold when `b` does (for conjunctions of set tests; otherwise not known).
    fn implies(&self, a: &Rule, b: &Rule) -> bool {
        if *a == Expression::Never {
            return false;
        }
        if a == b {
            return true;
        }
        let conjuncts = |rule: &'_ Rule| -> Vec<Rule> {
            match rule {
                Expression::All(parts) => parts.clone(),
                other => vec![other.clone()],
            }
        };
        let (left, right) = (conjuncts(a), conjuncts(b));
        right.iter().all(|needed| {
            *needed == Expression::Always || left.iter().any(|given| self.covers(needed, given))
        })
    }

    /// Whether the test `needed` holds wherever the test `given` does.
    fn covers(&self, needed: &Rule, given: &Rule) -> bool {
        if needed == given {
            return true;
        }
        let (Expression::Test(needed), Expression::Test(given)) = (needed, given) else { return false };
        let wider = |a: Position, b: Position| a == b || a == Position::Any;
        let (wide, narrow) = match (needed, given) {
            (
                Condition::Diagnosis { position: p, set: wide },
                Condition::Diagnosis { position: q, set: narrow },
            )
            | (
                Condition::Procedure { position: p, set: wide },
                Condition::Procedure { position: q, set: narrow },
            ) if wider(*p, *q) => (wide, narrow),
            _ => return false,
        };
        match (self.sets.get(wide.as_str()), self.sets.get(narrow.as_str())) {
            (Some(wide), Some(narrow)) => !narrow.is_empty() && narrow.is_subset(wide),
            _ => false,
        }
    }

    /// Principal diagnoses of an ADRG that cannot pass the category's gate.
    fn outside(&mut self, mdc: &Mdc, adrg: &Adrg, path: &str) {
        let Some(gate) = principal_set(&mdc.rule).and_then(|set| self.sets.get(set)) else { return };
        let Some(own) = principal_set(&adrg.rule).and_then(|set| self.sets.get(set)) else { return };
        let mut out: Vec<&str> = own.difference(gate).copied().collect();
        out.sort_unstable();
        if !out.is_empty() {
            let some = out.iter().take(5).copied().collect::<Vec<_>>().join(", ");
            let message =
                format!("{} of {} principal diagnoses are not in {}: {some}", out.len(), own.len(), mdc.code);
            self.warning(path, "outside-mdc", message);
        }
    }

    fn splits(&mut self, mdc: &Mdc, adrg: &Adrg, path: &str) {
        if adrg.ambiguous {
            return;
        }
        if adrg.drgs.is_empty() {
            self.note(path, "no-drg", "the ADRG has no groups: its cases get the ADRG itself");
            return;
        }
        let mut seen = BTreeSet::new();
        for (at, drg) in adrg.drgs.iter().enumerate() {
            let path = format!("{}/{}", mdc.code, drg.code);
            if !seen.insert(&drg.code) {
                self.error(&path, "duplicate-drg", "the group is listed twice in its ADRG");
            }
            if !drg.code.starts_with(&adrg.code) {
                self.error(&path, "foreign-drg", format!("the code does not begin with {}", adrg.code));
            }
            if let Some(by) =
                adrg.drgs[..at].iter().find(|earlier| self.split_shadows(&earlier.rule, &drg.rule))
            {
                let message = format!("the split can never be reached: {} takes its cases before", by.code);
                self.error(&path, "unreachable-drg", message);
            }
        }
        if adrg.drgs.iter().all(|drg| drg.rule != Expression::Always) && !exhaustive(adrg) {
            let message = "no split is the default: a case may stay in the ADRG without a group";
            self.warning(path, "no-default", message);
        }
    }

    fn split_shadows(&self, earlier: &Rule, later: &Rule) -> bool {
        *earlier == Expression::Always || (*later != Expression::Always && self.implies(later, earlier))
    }

    fn uses(&self) -> BTreeMap<&'a str, Use> {
        let mut uses: BTreeMap<&str, Use> = BTreeMap::new();
        for (_, rule) in self.every_rule() {
            rule.visit(&mut |condition| match condition {
                Condition::Diagnosis { set, .. } | Condition::Labels { set, .. } => {
                    uses.entry(set).or_default().diagnoses = true;
                }
                Condition::Procedure { set, .. } | Condition::Labelled { set, .. } => {
                    uses.entry(set).or_default().procedures = true;
                }
                _ => {}
            });
        }
        uses
    }

    fn sets(&mut self) {
        let pack = self.pack;
        let uses = self.uses();
        let names = |pairs: &'a [(String, String)]| -> HashSet<&'a str> {
            pairs.iter().map(|(code, _)| code.as_str()).collect()
        };
        let (diagnoses, procedures) = (names(&pack.diagnosis_names), names(&pack.procedure_names));
        for set in &pack.sets {
            let used = uses.get(set.name.as_str()).copied().unwrap_or_default();
            let reserved = [crate::import::opendrg::VALID, "GREY_DIAGNOSES", "GREY_PROCEDURES"];
            if !used.diagnoses && !used.procedures && !reserved.contains(&set.name.as_str()) {
                self.warning(&set.name, "unused-set", "no rule asks for this set");
            }
            let mut seen = HashSet::new();
            let (mut twice, mut strange, mut unknown) = (Vec::new(), Vec::new(), Vec::new());
            for (code, _) in &set.members {
                if !seen.insert(code) {
                    twice.push(code.as_str());
                }
                if (used.diagnoses && !diagnosis_shape(code)) || (used.procedures && !procedure_shape(code)) {
                    strange.push(code.as_str());
                } else if (used.diagnoses && !diagnoses.is_empty() && !diagnoses.contains(code.as_str()))
                    || (used.procedures && !procedures.is_empty() && !procedures.contains(code.as_str()))
                {
                    unknown.push(code.as_str());
                }
            }
            self.codes(&set.name, "repeated-code", Severity::Information, "listed more than once", &twice);
            self.codes(&set.name, "code-shape", Severity::Error, "not of the shape of such codes", &strange);
            self.codes(&set.name, "unknown-code", Severity::Warning, "in no table of names", &unknown);
        }
    }

    fn codes(&mut self, path: &str, code: &str, severity: Severity, what: &str, codes: &[&str]) {
        if !codes.is_empty() {
            let some = codes.iter().take(5).copied().collect::<Vec<_>>().join(", ");
            let message = format!("{} codes {what}: {some}", codes.len());
            self.findings.push(Finding::new(severity, path, code, message));
        }
    }

    fn severity(&mut self) {
        let pack = self.pack;
        let asked = |level| {
            let mut asked = false;
            self.every_rule().iter().for_each(|(_, rule)| {
                rule.visit(&mut |c| asked |= *c == Condition::Severity(level));
            });
            asked
        };
        let (asks_mcc, asks_cc) = (asked(Level::Mcc), asked(Level::Cc));
        let mut levels: BTreeMap<&str, Level> = BTreeMap::new();
        let (mut both, mut without, mut strange) = (Vec::new(), Vec::new(), Vec::new());
        let excluding: HashSet<&str> = pack.exclusions.iter().map(|(_, table)| table.as_str()).collect();
        let mut orphans: BTreeSet<&str> = BTreeSet::new();
        for (code, level, table) in &pack.severity {
            if levels.insert(code, *level).is_some_and(|before| before != *level) {
                both.push(code.as_str());
            }
            if table.is_empty() {
                without.push(code.as_str());
            } else if !excluding.contains(table.as_str()) {
                orphans.insert(table);
            }
            if !diagnosis_shape(code) {
                strange.push(code.as_str());
            }
        }
        self.codes("severity", "two-levels", Severity::Warning, "both CC and MCC", &both);
        self.codes("severity", "no-exclusion", Severity::Warning, "without an exclusion table", &without);
        self.codes("severity", "code-shape", Severity::Error, "not of the shape of diagnoses", &strange);
        let orphans: Vec<&str> = orphans.into_iter().collect();
        let what = "are exclusion tables that exclude nothing";
        self.codes("severity", "table-without-principal", Severity::Warning, what, &orphans);
        let weighing: HashSet<&str> = pack.severity.iter().map(|(_, _, table)| table.as_str()).collect();
        let idle: BTreeSet<&str> =
            excluding.iter().filter(|table| !weighing.contains(*table)).copied().collect();
        let idle: Vec<&str> = idle.into_iter().collect();
        let what = "are exclusion tables that no CC or MCC names";
        self.codes("exclusions", "idle-table", Severity::Warning, what, &idle);
        let has = |level| pack.severity.iter().any(|(_, l, _)| *l == level);
        for (level, asks) in [(Level::Mcc, asks_mcc), (Level::Cc, asks_cc)] {
            if asks && !has(level) {
                let message = format!("splits ask for {}, but no diagnosis is one", level.code());
                self.error("severity", "no-level", message);
            }
        }
    }

    fn names(&mut self) {
        let pack = self.pack;
        let mut named: BTreeMap<&str, &str> = BTreeMap::new();
        for (mdc, _, drg) in pack.drgs() {
            if drg.name.is_empty() {
                self.warning(&format!("{}/{}", mdc.code, drg.code), "no-name", "the group has no name");
            } else if let Some(other) = named.insert(&drg.name, &drg.code)
                && other != drg.code
            {
                let path = format!("{}/{}", mdc.code, drg.code);
                self.warning(&path, "same-name", format!("{other} has the same name"));
            }
        }
        for (code, name) in &pack.unused_names {
            self.warning(
                code,
                "name-without-rule",
                format!("{name} is named but has no rule: no case gets it"),
            );
        }
    }
}

fn set_of(condition: &Condition<String>) -> Option<&str> {
    match condition {
        Condition::Diagnosis { set, .. }
        | Condition::Procedure { set, .. }
        | Condition::Labels { set, .. }
        | Condition::Labelled { set, .. } => Some(set),
        _ => None,
    }
}

/// The set that the principal diagnosis must be in.
fn principal_set(rule: &Rule) -> Option<&str> {
    match rule {
        Expression::Test(Condition::Diagnosis { position: Position::Main, set }) => Some(set),
        Expression::All(parts) => parts.iter().find_map(principal_set),
        _ => None,
    }
}

/// Whether the numbers asked for in a conjunction exclude each other.
fn contradicts(rule: &Rule) -> bool {
    match rule {
        Expression::All(parts) => {
            let mut bounds: HashMap<Field, (i64, i64)> = HashMap::new();
            for part in parts {
                if contradicts(part) {
                    return true;
                }
                let Expression::Test(Condition::Number { field, is, value }) = part else { continue };
                let (low, high) = bounds.entry(*field).or_insert((i64::MIN, i64::MAX));
                let value = i64::from(*value);
                match is {
                    Comparison::Equal => (*low, *high) = ((*low).max(value), (*high).min(value)),
                    Comparison::Less => *high = (*high).min(value - 1),
                    Comparison::AtMost => *high = (*high).min(value),
                    Comparison::Greater => *low = (*low).max(value + 1),
                    Comparison::AtLeast => *low = (*low).max(value),
                }
            }
            bounds.values().any(|(low, high)| low > high)
        }
        Expression::Any(parts) => !parts.is_empty() && parts.iter().all(contradicts),
        _ => false,
    }
}

/// Whether two splits on one number cover every value (`age<=14`, `age>14`).
fn exhaustive(adrg: &Adrg) -> bool {
    let single = |rule: &Rule| match rule {
        Expression::Test(Condition::Number { field, is, value }) => match is {
            Comparison::AtMost => Some((*field, true, *value)),
            Comparison::Less => Some((*field, true, value - 1)),
            Comparison::Greater => Some((*field, false, value + 1)),
            Comparison::AtLeast => Some((*field, false, *value)),
            Comparison::Equal => None,
        },
        _ => None,
    };
    let bounds: Vec<(Field, bool, i32)> = adrg.drgs.iter().filter_map(|drg| single(&drg.rule)).collect();
    bounds.iter().any(|(field, low, to)| {
        *low && bounds.iter().any(|(other, upper, from)| other == field && !upper && *from <= to + 1)
    })
}

/// `A00.0…`, also with a dagger part: a letter and two digits at the beginning.
fn diagnosis_shape(code: &str) -> bool {
    let bytes = code.as_bytes();
    bytes.len() >= 3
        && bytes[0].is_ascii_uppercase()
        && bytes[1].is_ascii_digit()
        && bytes[2].is_ascii_alphanumeric()
        && (bytes.len() == 3 || bytes[3] == b'.')
}

/// `00.0…`: two digits and a point.
fn procedure_shape(code: &str) -> bool {
    let bytes = code.as_bytes();
    bytes.len() >= 4 && bytes[0].is_ascii_digit() && bytes[1].is_ascii_digit() && bytes[2] == b'.'
}
