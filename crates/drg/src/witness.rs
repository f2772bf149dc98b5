//! A case that reaches a group: proof that the group can be reached.

use crate::case::{Case, Number};
use crate::condition::{Comparison, Condition, Field, Level, Position};
use crate::expression::Expression;
use crate::grouper::{Grouper, Scratch};
use crate::pack::{Pack, Rule};
use std::collections::{HashMap, HashSet};

/// Most cases that are tried for one group.
const TRIES: usize = 20_000;

/// One way to satisfy a rule: tests that must hold and tests that must not.
type Way<'a> = Vec<(&'a Condition<String>, bool)>;

/// Looks for a case of each group; `None` where none was found.
pub fn witnesses(pack: &Pack, grouper: &Grouper) -> Vec<(String, Option<Case<'static>>)> {
    let finder = Finder::new(pack, grouper);
    let mut scratch = grouper.scratch();
    let mut found: Vec<(String, Option<Case<'static>>)> = Vec::new();
    for (mdc, adrg, drg) in pack.drgs() {
        let at = found.iter().position(|(code, _)| *code == drg.code);
        if at.is_some_and(|at| found[at].1.is_some()) {
            continue;
        }
        let rules = [&mdc.rule, &adrg.rule, &drg.rule];
        let case = finder.find(&rules, &drg.code, &mut scratch);
        match at {
            Some(at) => found[at].1 = case,
            None => found.push((drg.code.clone(), case)),
        }
    }
    found
}

struct Finder<'a> {
    grouper: &'a Grouper,
    sets: HashMap<&'a str, Vec<(&'a str, &'a str)>>,
    severity: HashMap<Level, Vec<&'a str>>,
}

impl<'a> Finder<'a> {
    fn new(pack: &'a Pack, grouper: &'a Grouper) -> Finder<'a> {
        let mut severity: HashMap<Level, Vec<&str>> = HashMap::new();
        let mcc: HashSet<&str> =
            pack.severity.iter().filter(|(_, l, _)| *l == Level::Mcc).map(|(c, ..)| c.as_str()).collect();
        // A few codes spread over the exclusion tables: one of them counts beside any principal diagnosis.
        let mut tables = HashSet::new();
        for (code, level, table) in &pack.severity {
            if tables.insert((level, table)) && (*level == Level::Mcc || !mcc.contains(code.as_str())) {
                severity.entry(*level).or_default().push(code);
            }
        }
        let sets = pack.sets.iter().map(|set| {
            let members = set.members.iter().map(|(code, label)| (code.as_str(), label.as_str()));
            (set.name.as_str(), members.collect())
        });
        Finder { grouper, sets: sets.collect(), severity }
    }

    fn find(&self, rules: &[&'a Rule], code: &str, scratch: &mut Scratch) -> Option<Case<'static>> {
        let mut ways: Vec<Way<'a>> = vec![Vec::new()];
        for rule in rules {
            let more = expand(rule, true);
            ways = ways
                .iter()
                .flat_map(|way| more.iter().map(move |m| way.iter().chain(m).cloned().collect()))
                .take(256)
                .collect();
        }
        ways.iter().find_map(|way| self.way(way, code, scratch))
    }

    fn codes(
        &self,
        way: &Way<'a>,
        want: impl Fn(&Condition<String>) -> Option<&String>,
    ) -> Option<Vec<&'a str>> {
        let mut codes: Option<Vec<&str>> = None;
        for (condition, wanted) in way {
            let Some(set) = want(condition) else { continue };
            let members = self.sets.get(set.as_str()).map(Vec::as_slice).unwrap_or_default();
            let members: Vec<&str> = members.iter().map(|(code, _)| *code).collect();
            codes = Some(match codes {
                None if *wanted => members,
                None => continue,
                Some(before) => {
                    let set: HashSet<&str> = members.into_iter().collect();
                    before.into_iter().filter(|code| set.contains(code) == *wanted).collect()
                }
            });
        }
        codes
    }

    /// Codes for tests on other or any position: each its list.
    fn extra(&self, way: &Way<'a>, procedures: bool) -> Vec<Vec<&'a str>> {
        let mut lists = Vec::new();
        for (condition, wanted) in way {
            if !wanted {
                continue;
            }
            let set = match condition {
                Condition::Diagnosis { position, set } if !procedures && *position != Position::Main => set,
                Condition::Procedure { position, set } if procedures && *position != Position::Main => set,
                Condition::Labelled { set, label } if procedures => {
                    let members = self.sets.get(set.as_str()).map(Vec::as_slice).unwrap_or_default();
                    lists.push(members.iter().filter(|(_, l)| l == label).map(|(code, _)| *code).collect());
                    continue;
                }
                _ => continue,
            };
            let members = self.sets.get(set.as_str()).map(Vec::as_slice).unwrap_or_default();
            lists.push(members.iter().map(|(code, _)| *code).collect());
        }
        lists
    }

    fn way(&self, way: &Way<'a>, code: &str, scratch: &mut Scratch) -> Option<Case<'static>> {
        let principal = self.codes(way, |c| match c {
            Condition::Diagnosis { position: Position::Main, set } => Some(set),
            _ => None,
        });
        let main = self.codes(way, |c| match c {
            Condition::Procedure { position: Position::Main, set } => Some(set),
            _ => None,
        });
        let (diagnoses, procedures) = (self.extra(way, false), self.extra(way, true));
        let needs_procedure = way.iter().any(|(c, wanted)| {
            *wanted
                && matches!(
                    c,
                    Condition::Number { field: Field::Procedures, .. } | Condition::Procedure { .. }
                )
        });
        let free_principal = principal.is_none();
        let principal = principal.unwrap_or_else(|| {
            let first = diagnoses.first().cloned().unwrap_or_default();
            if first.is_empty() { vec!["I10.x00", "K29.500", "Z51.900"] } else { first }
        });
        let main: Vec<Option<&str>> = match main {
            Some(codes) => codes.into_iter().map(Some).collect(),
            None if needs_procedure && procedures.is_empty() => self.any_procedure(),
            None => vec![None],
        };
        let mut tries = 0;
        for (at, p) in principal.iter().enumerate() {
            for m in &main {
                tries += 1;
                if tries > TRIES || (free_principal && at > 400) {
                    return None;
                }
                for severity in self.severities(way) {
                    let case = self.case(way, p, *m, &diagnoses, &procedures, severity, at);
                    let outcome = self.grouper.group(&case, scratch);
                    if self.grouper.drg(&outcome) == code {
                        return Some(case);
                    }
                }
            }
        }
        None
    }

    fn any_procedure(&self) -> Vec<Option<&'a str>> {
        let mut codes: Vec<&str> = self
            .sets
            .iter()
            .filter(|(name, _)| !name.contains("INVALID"))
            .flat_map(|(_, members)| members.iter().take(3).map(|(code, _)| *code))
            .filter(|code| code.starts_with(|c: char| c.is_ascii_digit()))
            .collect();
        codes.sort_unstable();
        codes.dedup();
        codes.into_iter().map(Some).collect()
    }

    fn severities(&self, way: &Way<'a>) -> Vec<Option<&'a str>> {
        let wanted = way.iter().find_map(|(c, wanted)| match c {
            Condition::Severity(level) if *wanted => Some(*level),
            _ => None,
        });
        match wanted.and_then(|level| self.severity.get(&level)) {
            Some(codes) => codes.iter().take(3).map(|code| Some(*code)).collect(),
            None => vec![None],
        }
    }

    #[allow(clippy::too_many_arguments)]
    fn case(
        &self,
        way: &Way<'a>,
        principal: &str,
        main: Option<&str>,
        diagnoses: &[Vec<&str>],
        procedures: &[Vec<&str>],
        severity: Option<&str>,
        at: usize,
    ) -> Case<'static> {
        let text = |code: &str| code.to_string().into();
        let mut case =
            Case { sex: Number::Is(1), age: Number::Is(40), stay: Number::Is(10), ..Case::default() };
        case.discharge = "1".into();
        case.diagnoses.push(text(principal));
        case.procedures.extend(main.map(text));
        for list in diagnoses.iter().filter(|list| !list.is_empty() && !list.contains(&principal)) {
            case.diagnoses.push(text(list[at % list.len()]));
        }
        for list in procedures.iter().filter(|list| !list.is_empty()) {
            if !case.procedures.iter().any(|code| list.contains(&code.as_ref())) {
                case.procedures.push(text(list[at % list.len()]));
            }
        }
        case.diagnoses.extend(severity.map(text));
        for (condition, wanted) in way {
            match condition {
                Condition::Number { field, is, value } => set_number(&mut case, *field, *is, *value, *wanted),
                Condition::Discharge(codes) if *wanted => case.discharge = text(&codes[0]),
                Condition::Department(names) if *wanted => case.department = text(&names[0]),
                Condition::Labels { set, .. } => {
                    let members = self.sets.get(set.as_str()).map(Vec::as_slice).unwrap_or_default();
                    let own = members.iter().find(|(code, _)| *code == principal).map(|(_, label)| *label);
                    let other = members.iter().find(|(_, label)| Some(*label) != own);
                    case.diagnoses.extend(other.map(|(code, _)| text(code)));
                }
                _ => {}
            }
        }
        if let (Number::Is(0), Number::Missing) = (case.age, case.age_days) {
            case.age_days = Number::Is(100);
        }
        if case.age_days.value().is_some_and(|days| days <= 366) {
            case.age = Number::Is(0);
            if case.birth_weight == Number::Missing {
                case.birth_weight = Number::Is(3000);
            }
        }
        case
    }
}

fn set_number(case: &mut Case<'_>, field: Field, is: Comparison, value: i32, wanted: bool) {
    let number = match (is, wanted) {
        (Comparison::Equal, true) | (Comparison::AtMost, true) | (Comparison::AtLeast, true) => value,
        (Comparison::Greater, false) | (Comparison::Less, false) => value,
        (Comparison::Less, true) | (Comparison::AtLeast, false) => value - 1,
        (Comparison::Greater, true) | (Comparison::AtMost, false) | (Comparison::Equal, false) => value + 1,
    };
    let place = match field {
        Field::Age => &mut case.age,
        Field::AgeDays => &mut case.age_days,
        Field::BirthWeight => &mut case.birth_weight,
        Field::Stay => &mut case.stay,
        Field::IntensiveCareHours => &mut case.intensive_care_hours,
        Field::Sex => &mut case.sex,
        Field::Diagnoses | Field::Procedures => return,
    };
    // Of two bounds on one number the later one decides only when the first does not satisfy it.
    let kept = match *place {
        Number::Is(now) if field == Field::BirthWeight => is.holds(now, value) == wanted,
        _ => false,
    };
    if !kept {
        *place = Number::Is(number);
    }
}

/// The ways to make a rule true (or false).
fn expand(rule: &Rule, wanted: bool) -> Vec<Way<'_>> {
    match rule {
        Expression::Always => {
            if wanted {
                vec![Vec::new()]
            } else {
                Vec::new()
            }
        }
        Expression::Never => {
            if wanted {
                Vec::new()
            } else {
                vec![Vec::new()]
            }
        }
        Expression::Test(condition) => vec![vec![(condition, wanted)]],
        Expression::Not(part) => expand(part, !wanted),
        Expression::All(parts) | Expression::Any(parts) => {
            if matches!(rule, Expression::All(_)) == wanted {
                let mut ways: Vec<Way<'_>> = vec![Vec::new()];
                for part in parts {
                    let more = expand(part, wanted);
                    ways = ways
                        .iter()
                        .flat_map(|way| more.iter().map(move |m| way.iter().chain(m).cloned().collect()))
                        .take(64)
                        .collect();
                }
                ways
            } else {
                parts.iter().flat_map(|part| expand(part, wanted)).collect()
            }
        }
    }
}
