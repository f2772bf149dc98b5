//! Why a case is in its group: every rule tried, every test with the code that
//! decided it, what was excluded, the nearest miss, and what would change it.
//!
//! A [`Trace`] is small (a place and a bit a test), so that a million cases can
//! be traced; it is put into words only when somebody reads it. What-if
//! statements are regrouped before they are said and are never ranked by
//! payment: this is a tool for right coding.

use crate::case::{Case, usual_code};
use crate::condition::{Comparison, Condition, Field, Level, Position};
use crate::expression::Expression;
use crate::grouper::{Compiled, Grouper, NONE, Outcome, Place, Reason, Scratch, Status, check, numbers};
use serde::Serialize;
use serde_json::{Value, json};
use std::borrow::Cow;

/// A case with one thing changed: what was changed in words, the case, and the numbers that were set.
type Changed<'a> = (String, Case<'a>, Vec<(&'static str, i32)>);

/// The way of one case through the rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace {
    /// The rules tried in order, each with whether it held and where its tests end in `tests`.
    pub rules: Vec<(Place, bool, u32)>,
    /// The answers of the tests in the order in which they were asked.
    pub tests: Vec<bool>,
    /// The result.
    pub outcome: Outcome,
}

/// "With this change it would be that group", checked by grouping again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Counterfactual {
    /// The change in words.
    pub change: String,
    /// The group that the changed case gets.
    pub drg: String,
    /// Its status.
    pub status: &'static str,
    /// The changed diagnoses, the principal one first.
    pub diagnoses: Vec<String>,
    /// The changed procedures, the main one first.
    pub procedures: Vec<String>,
    /// The changed numbers.
    pub numbers: Vec<(&'static str, i32)>,
}

impl Grouper {
    /// Groups a case and records the way.
    pub fn trace(&self, case: &Case<'_>, scratch: &mut Scratch) -> Trace {
        let mut trace = Trace {
            rules: Vec::with_capacity(64),
            tests: Vec::with_capacity(128),
            outcome: Outcome::invalid(check(case)),
        };
        if trace.outcome.reason != Reason::None {
            return trace;
        }
        let (unknown, rewritten) = self.load(case, scratch);
        let (rules, tests) = (&mut trace.rules, &mut trace.tests);
        let mut outcome = match self.principal(scratch) {
            Reason::None => self.route(&mut |place, rule| {
                let held = rule.holds(&mut |condition| {
                    let answer = self.test(condition, case, scratch);
                    tests.push(answer);
                    answer
                });
                rules.push((place, held, tests.len() as u32));
                held
            }),
            reason => Outcome { status: Status::Ungrouped, ..Outcome::invalid(reason) },
        };
        (outcome.unknown, outcome.rewritten) = (unknown, rewritten);
        trace.outcome = outcome;
        trace
    }

    /// The group that follows from the recorded answers alone, without the case.
    pub fn replay(&self, trace: &Trace) -> Outcome {
        if trace.rules.is_empty() {
            return trace.outcome;
        }
        let mut answers = trace.tests.iter().copied();
        let mut outcome = self.route(&mut |_, rule| rule.holds(&mut |_| answers.next().unwrap_or(false)));
        (outcome.unknown, outcome.rewritten) = (trace.outcome.unknown, trace.outcome.rewritten);
        outcome
    }

    pub(crate) fn rule_at(&self, place: Place) -> Option<(&str, &str, &Compiled)> {
        let mdc = self.mdcs.get(usize::from(place.mdc))?;
        if place.adrg == NONE {
            return Some((&mdc.code, &mdc.source, &mdc.rule));
        }
        let adrg = mdc.adrgs.get(usize::from(place.adrg))?;
        if place.drg == NONE {
            return Some((&adrg.code, &adrg.source, &adrg.rule));
        }
        let drg = adrg.drgs.get(usize::from(place.drg))?;
        Some((&drg.code, &drg.source, &drg.rule))
    }

    /// The trace in words. The case must be the one that was traced.
    pub fn in_words(&self, case: &Case<'_>, trace: &Trace, scratch: &mut Scratch) -> Value {
        self.load(case, scratch);
        let mut start = 0;
        let mut rules = Vec::new();
        for (place, held, end) in &trace.rules {
            let answers = &trace.tests[start..*end as usize];
            start = *end as usize;
            let Some((code, source, rule)) = self.rule_at(*place) else { continue };
            let mut tests = Vec::new();
            let mut at = 0;
            rule.holds(&mut |condition| {
                let answer = answers.get(at).copied().unwrap_or(false);
                at += 1;
                tests.push(self.test_in_words(condition, answer, case, scratch));
                answer
            });
            rules.push(json!({"rule": code, "source": source, "holds": held, "tests": tests}));
        }
        json!({
            "pack": self.manifest.id,
            "rules": rules,
            "severity": self.weighed(scratch),
            "nearest_miss": self.nearest_miss(case, trace, scratch),
        })
    }

    fn test_in_words(
        &self,
        condition: &Condition<u16>,
        answer: bool,
        case: &Case<'_>,
        facts: &Scratch,
    ) -> Value {
        let text = self.condition_text(condition);
        let by = self.deciding(condition, case, facts);
        json!({"test": text, "holds": answer, "by": by})
    }

    pub(crate) fn condition_text(&self, condition: &Condition<u16>) -> String {
        let name = |set: &u16| self.set_names[usize::from(*set)].clone();
        match condition {
            Condition::Diagnosis { position, set } => {
                Condition::Diagnosis { position: *position, set: name(set) }.to_string()
            }
            Condition::Procedure { position, set } => {
                Condition::Procedure { position: *position, set: name(set) }.to_string()
            }
            Condition::Labels { set, at_least } => {
                Condition::Labels { set: name(set), at_least: *at_least }.to_string()
            }
            Condition::Labelled { set, label } => {
                Condition::Labelled { set: name(set), label: label.clone() }.to_string()
            }
            other => other.to_string(),
        }
    }

    /// The codes or the number that decided a test.
    fn deciding(&self, condition: &Condition<u16>, case: &Case<'_>, facts: &Scratch) -> Vec<String> {
        let range = |position: Position, count: usize| match position {
            Position::Main => 0..count.min(1),
            Position::Other => 1.min(count)..count,
            Position::Any => 0..count,
        };
        match condition {
            Condition::Diagnosis { position, set } => range(*position, facts.diagnoses.len())
                .filter(|at| facts.diagnoses[*at].is_some_and(|id| self.diagnosis_sets.of(id).contains(set)))
                .map(|at| case.diagnoses[at].to_string())
                .collect(),
            Condition::Procedure { position, set } => range(*position, facts.procedures.len())
                .filter(|at| facts.procedures[*at].is_some_and(|id| self.procedure_sets.of(id).contains(set)))
                .map(|at| case.procedures[at].to_string())
                .collect(),
            Condition::Labels { set, .. } => {
                let Some(labels) = self.labels.get(set) else { return Vec::new() };
                let pairs = facts.diagnoses.iter().zip(&case.diagnoses);
                pairs.filter_map(|(id, code)| Some(format!("{code} {}", labels.get(&(*id)?)?))).collect()
            }
            Condition::Labelled { set, label } => {
                let Some(labels) = self.labels.get(set) else { return Vec::new() };
                let pairs = facts.procedures.iter().zip(&case.procedures);
                pairs
                    .filter(|(id, _)| id.is_some_and(|id| labels.get(&id) == Some(label)))
                    .map(|(_, code)| code.to_string())
                    .collect()
            }
            Condition::Severity(level) => self
                .weighed(facts)
                .into_iter()
                .filter(|w| w["level"] == level.code() && w["counts"] == true)
                .filter_map(|w| w["code"].as_str().map(str::to_string))
                .collect(),
            Condition::Number { field, .. } | Condition::Stated(field) => {
                numbers(case)[*field as usize].iter().map(i32::to_string).collect()
            }
            Condition::Discharge(_) => vec![case.discharge.to_string()],
            Condition::Department(_) => vec![case.department.to_string()],
        }
    }

    /// Every secondary diagnosis on a CC or MCC list, and whether it counts or is excluded.
    fn weighed(&self, facts: &Scratch) -> Vec<Value> {
        let Some(Some(principal)) = facts.diagnoses.first() else { return Vec::new() };
        let exclusion = self.weighing[*principal as usize].exclusion;
        let mut out = Vec::new();
        for id in facts.diagnoses.iter().skip(1).flatten() {
            let weighing = self.weighing[*id as usize];
            for (level, table) in [(Level::Mcc, weighing.mcc), (Level::Cc, weighing.cc)] {
                if table == 0 {
                    continue;
                }
                let name = &self.exclusion_tables[usize::from(table) - 1];
                out.push(json!({
                    "code": self.diagnoses.text(*id), "level": level.code(), "table": name,
                    "counts": table != exclusion,
                }));
            }
        }
        out
    }

    /// The ADRG tried before the group whose entry lacked the fewest tests.
    fn nearest_miss(&self, case: &Case<'_>, trace: &Trace, facts: &Scratch) -> Value {
        let tried =
            trace.rules.iter().filter(|(place, held, _)| !held && place.adrg != NONE && place.drg == NONE);
        let missed = tried.filter_map(|(place, _, _)| {
            let (code, source, rule) = self.rule_at(*place)?;
            let mut lacking = Vec::new();
            let cost = lack(rule, true, &mut |c| self.test(c, case, facts), &mut lacking);
            Some((cost, code, source, lacking))
        });
        match missed.min_by_key(|(cost, ..)| *cost) {
            Some((_, code, source, lacking)) => {
                let texts: Vec<String> = lacking
                    .iter()
                    .map(|(condition, wanted)| {
                        let text = self.condition_text(condition);
                        if *wanted { text } else { format!("not: {text}") }
                    })
                    .collect();
                json!({"adrg": code, "source": source, "lacking": texts})
            }
            None => Value::Null,
        }
    }

    /// What is remarkable about the codes: unknown ones and those read in their usual writing.
    pub fn notes(&self, case: &Case<'_>) -> Vec<String> {
        let mut notes = Vec::new();
        for (kind, codes, table) in [
            ("diagnosis", &case.diagnoses, &self.diagnoses),
            ("procedure", &case.procedures, &self.procedures),
        ] {
            for (at, code) in codes.iter().enumerate() {
                if table.find(code).is_some() {
                    continue;
                }
                let usual = usual_code(code);
                notes.push(match table.find(&usual) {
                    Some(_) => format!("{kind} {} {code:?} read as {usual}", at + 1),
                    None => format!("{kind} {} {code:?} is in no table of the pack", at + 1),
                });
            }
        }
        notes
    }

    /// Single changes that lead to another group, in the order principal diagnosis, main
    /// procedure, removals, an added CC or MCC, numbers. Each was grouped again.
    pub fn counterfactuals(&self, case: &Case<'_>, scratch: &mut Scratch) -> Vec<Counterfactual> {
        let now = self.group(case, scratch);
        let mut changes: Vec<Changed<'_>> = Vec::new();
        for at in 1..case.diagnoses.len() {
            let mut changed = case.clone();
            changed.diagnoses.swap(0, at);
            changes.push((
                format!("with {} as principal diagnosis", case.diagnoses[at]),
                changed,
                Vec::new(),
            ));
        }
        for at in 1..case.procedures.len() {
            let mut changed = case.clone();
            changed.procedures.swap(0, at);
            changes.push((format!("with {} as main procedure", case.procedures[at]), changed, Vec::new()));
        }
        for at in 1..case.diagnoses.len() {
            let mut changed = case.clone();
            let code = changed.diagnoses.remove(at);
            changes.push((format!("without diagnosis {code}"), changed, Vec::new()));
        }
        for at in 0..case.procedures.len() {
            let mut changed = case.clone();
            let code = changed.procedures.remove(at);
            changes.push((format!("without procedure {code}"), changed, Vec::new()));
        }
        for level in [Level::Cc, Level::Mcc] {
            if let Some(code) = self.sample(level, case) {
                let mut changed = case.clone();
                changed.diagnoses.push(Cow::Owned(code.clone()));
                let change =
                    format!("with a further diagnosis that is a counting {} (such as {code})", level.code());
                changes.push((change, changed, Vec::new()));
            }
        }
        changes.extend(self.number_changes(case, &now));
        let mut out: Vec<Counterfactual> = Vec::new();
        for (change, changed, numbers) in changes {
            let outcome = self.group(&changed, scratch);
            let drg = self.drg(&outcome);
            if drg == self.drg(&now) || outcome.status == Status::Invalid {
                continue;
            }
            out.push(Counterfactual {
                change,
                drg: drg.to_string(),
                status: outcome.status.code(),
                diagnoses: changed.diagnoses.iter().map(ToString::to_string).collect(),
                procedures: changed.procedures.iter().map(ToString::to_string).collect(),
                numbers,
            });
        }
        out
    }

    /// A code of this level that would count beside the case's principal diagnosis.
    fn sample(&self, level: Level, case: &Case<'_>) -> Option<String> {
        let principal = self.diagnoses.find(&usual_code(case.diagnoses.first()?))?;
        let exclusion = self.weighing[principal as usize].exclusion;
        let counts = |table: u16| table != 0 && table != exclusion;
        (0..self.diagnoses.len() as u32)
            .find(|id| {
                let weighing = self.weighing[*id as usize];
                match level {
                    Level::Mcc => counts(weighing.mcc),
                    Level::Cc => counts(weighing.cc) && weighing.mcc == 0,
                }
            })
            .map(|id| self.diagnoses.text(id).to_string())
    }

    /// The other side of each number that the splits of the ADRG ask for.
    fn number_changes<'a>(&self, case: &Case<'a>, now: &Outcome) -> Vec<Changed<'a>> {
        let Some(entry) = self.entry(now) else { return Vec::new() };
        let mut wanted: Vec<(Field, i32)> = Vec::new();
        for drg in &entry.drgs {
            drg.rule.visit(&mut |condition| {
                let Condition::Number { field: field @ (Field::Age | Field::Stay), is, value } = condition
                else {
                    return;
                };
                let number = numbers(case)[*field as usize].unwrap_or(0);
                let holds = is.holds(number, *value);
                let other = match (is, holds) {
                    (Comparison::Equal, true) | (Comparison::AtMost, true) => value + 1,
                    (Comparison::Greater, false) => value + 1,
                    (Comparison::Less, false) | (Comparison::AtLeast, true) => value - 1,
                    _ => *value,
                };
                if other >= 0 && !wanted.contains(&(*field, other)) {
                    wanted.push((*field, other));
                }
            });
        }
        let changed = |(field, value): (Field, i32)| {
            let mut changed = case.clone();
            let number = crate::case::Number::Is(value);
            let mut numbers = vec![(field.name(), value)];
            match field {
                Field::Age => {
                    changed.age = number;
                    // The age in days must not contradict the age.
                    let days = value * 365;
                    changed.age_days = crate::case::Number::Is(days);
                    numbers.push((Field::AgeDays.name(), days));
                }
                _ => changed.stay = number,
            }
            (format!("with {} {value}", field.name()), changed, numbers)
        };
        wanted.into_iter().filter(|(f, v)| *f != Field::Age || *v > 0).map(changed).collect()
    }
}

/// How many tests would have to turn for the rule to become `wanted`, and which.
fn lack<'a, T>(
    rule: &'a Expression<T>,
    wanted: bool,
    test: &mut impl FnMut(&T) -> bool,
    lacking: &mut Vec<(&'a T, bool)>,
) -> usize {
    const NEVER: usize = 1_000;
    match rule {
        Expression::Always => {
            if wanted {
                0
            } else {
                NEVER
            }
        }
        Expression::Never => {
            if wanted {
                NEVER
            } else {
                0
            }
        }
        Expression::Test(condition) => {
            let turned = test(condition) != wanted;
            if turned {
                lacking.push((condition, wanted));
            }
            usize::from(turned)
        }
        Expression::Not(part) => lack(part, !wanted, test, lacking),
        Expression::All(parts) | Expression::Any(parts) => {
            let every = matches!(rule, Expression::All(_)) == wanted;
            if every {
                return parts.iter().map(|part| lack(part, wanted, test, lacking)).sum();
            }
            let mut best: Option<(usize, Vec<(&'a T, bool)>)> = None;
            for part in parts {
                let mut list = Vec::new();
                let cost = lack(part, wanted, test, &mut list);
                if best.as_ref().is_none_or(|(least, _)| cost < *least) {
                    best = Some((cost, list));
                }
            }
            let (cost, list) = best.unwrap_or((NEVER, Vec::new()));
            lacking.extend(list);
            cost
        }
    }
}
