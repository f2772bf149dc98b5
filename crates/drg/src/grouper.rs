//! The engine: a pack compiled to bit tests, and a case through it.
//!
//! The order is that of every published pack: categories (MDC) in their order,
//! the first whose gate holds and one of whose adjacent groups (ADRG) is
//! entered; within the ADRG the first group whose split holds. A case that
//! passes a gate and enters no ADRG falls through to the next category.

use crate::case::{Case, Number, usual_code};
use crate::codes::{Bits, Codes, Memberships};
use crate::condition::{Condition, FIELDS, Field, Level, Position};
use crate::expression::Expression;
use crate::pack::{Manifest, Pack};
use std::collections::HashMap;

/// Sets of this name hold grey codes (灰码): no principal diagnosis may be one.
pub const GREY_DIAGNOSES: &str = "GREY_DIAGNOSES";
/// Sets of this name hold grey procedures: as the main one they count as none, others are dropped.
pub const GREY_PROCEDURES: &str = "GREY_PROCEDURES";

/// What became of a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// In a group.
    Grouped,
    /// In an ADRG that has no group for it; the ADRG stands for the group.
    AdrgOnly,
    /// In the ambiguous group (歧义组) of its category.
    Ambiguous,
    /// In no group: `0000`.
    Ungrouped,
    /// Not tried, the case being incomplete or contradictory: `0000`.
    Invalid,
}

impl Status {
    /// The word written to results.
    pub fn code(self) -> &'static str {
        match self {
            Status::Grouped => "grouped",
            Status::AdrgOnly => "adrg-only",
            Status::Ambiguous => "ambiguous",
            Status::Ungrouped => "ungrouped",
            Status::Invalid => "invalid",
        }
    }
}

/// Why a case is not in a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// It is in one.
    None,
    /// Sex is neither 1 nor 2.
    Sex,
    /// Age is missing.
    AgeMissing,
    /// Age is not a whole number of years between 0 and 150.
    AgeInvalid,
    /// Age is 0 and the age in days is missing.
    AgeDaysMissing,
    /// Age in days is no number, negative, or contradicts the age in years.
    AgeDaysInvalid,
    /// The birth weight of a newborn (to 28 days) is missing.
    BirthWeightMissing,
    /// The birth weight is no number, negative or above 15 kg.
    BirthWeightInvalid,
    /// The length of stay is no number or negative.
    StayInvalid,
    /// There is no diagnosis.
    NoDiagnosis,
    /// No table of the pack knows the principal diagnosis.
    PrincipalUnknown,
    /// The principal diagnosis is a grey code.
    PrincipalGrey,
    /// The principal diagnosis passes no gate.
    NoMdc,
    /// A gate was passed but no ADRG entered.
    NoAdrg,
    /// An ADRG was entered but none of its groups.
    NoSplit,
    /// A valid procedure that no surgical ADRG of the category takes.
    UnrelatedProcedure,
    /// The record could not be read.
    Unreadable,
}

impl Reason {
    /// The code written to results; empty for [`Reason::None`].
    pub fn code(self) -> &'static str {
        match self {
            Reason::None => "",
            Reason::Sex => "sex-invalid",
            Reason::AgeMissing => "age-missing",
            Reason::AgeInvalid => "age-invalid",
            Reason::AgeDaysMissing => "age-days-missing",
            Reason::AgeDaysInvalid => "age-days-invalid",
            Reason::BirthWeightMissing => "birth-weight-missing",
            Reason::BirthWeightInvalid => "birth-weight-invalid",
            Reason::StayInvalid => "stay-invalid",
            Reason::NoDiagnosis => "no-diagnosis",
            Reason::PrincipalUnknown => "principal-diagnosis-unknown",
            Reason::PrincipalGrey => "principal-diagnosis-grey",
            Reason::NoMdc => "no-mdc",
            Reason::NoAdrg => "no-adrg",
            Reason::NoSplit => "no-split",
            Reason::UnrelatedProcedure => "unrelated-procedure",
            Reason::Unreadable => "unreadable",
        }
    }
}

/// No index.
pub const NONE: u16 = u16::MAX;

/// The result of one case: small, so that millions fit; the words are the grouper's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Outcome {
    /// What became of it.
    pub status: Status,
    /// Why it is in no group.
    pub reason: Reason,
    /// Index of the category, [`NONE`] when there is none.
    pub mdc: u16,
    /// Index of the ADRG entry within the category.
    pub adrg: u16,
    /// Index of the group within the entry.
    pub drg: u16,
    /// How many codes no table of the pack knows.
    pub unknown: u8,
    /// How many codes were found only in their usual writing.
    pub rewritten: u8,
}

impl Outcome {
    /// A case that was not tried.
    pub fn invalid(reason: Reason) -> Outcome {
        let (mdc, adrg, drg) = (NONE, NONE, NONE);
        Outcome { status: Status::Invalid, reason, mdc, adrg, drg, unknown: 0, rewritten: 0 }
    }
}

fn ungrouped(reason: Reason) -> Outcome {
    Outcome { status: Status::Ungrouped, ..Outcome::invalid(reason) }
}

/// Which rule of the pack: [`NONE`] where the level is not reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Place {
    /// Index of the category.
    pub mdc: u16,
    /// Index of the ADRG entry.
    pub adrg: u16,
    /// Index of the group.
    pub drg: u16,
}

pub(crate) type Compiled = Expression<Condition<u16>>;

#[derive(Debug)]
pub(crate) struct DrgRule {
    pub code: String,
    pub name: String,
    pub rule: Compiled,
    pub source: String,
}

#[derive(Debug)]
pub(crate) struct AdrgRule {
    pub code: String,
    pub rule: Compiled,
    pub drgs: Vec<DrgRule>,
    pub source: String,
    pub ambiguous: bool,
}

#[derive(Debug)]
pub(crate) struct MdcRule {
    pub code: String,
    pub rule: Compiled,
    pub adrgs: Vec<AdrgRule>,
    pub source: String,
}

/// Level and exclusion tables of one diagnosis; 0 is none.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Weighing {
    pub mcc: u16,
    pub cc: u16,
    pub exclusion: u16,
}

/// A compiled pack.
#[derive(Debug)]
pub struct Grouper {
    /// The pack's origin and validity.
    pub manifest: Manifest,
    pub(crate) diagnoses: Codes,
    pub(crate) procedures: Codes,
    pub(crate) diagnosis_sets: Memberships,
    pub(crate) procedure_sets: Memberships,
    pub(crate) set_names: Vec<String>,
    /// Labels of the labelled sets: set → code → label.
    pub(crate) labels: HashMap<u16, HashMap<u32, String>>,
    pub(crate) weighing: Vec<Weighing>,
    pub(crate) exclusion_tables: Vec<String>,
    pub(crate) mdcs: Vec<MdcRule>,
    pub(crate) diagnosis_map: HashMap<String, String>,
    pub(crate) procedure_map: HashMap<String, String>,
    grey_diagnoses: Option<u16>,
    grey_procedures: Option<u16>,
}

/// The working memory of one thread.
#[derive(Debug, Clone)]
pub struct Scratch {
    pub(crate) diagnoses: Vec<Option<u32>>,
    pub(crate) procedures: Vec<Option<u32>>,
    principal: Bits,
    other_diagnoses: Bits,
    main: Bits,
    other_procedures: Bits,
    numbers: [Option<i32>; FIELDS],
    mcc: bool,
    cc: bool,
}

impl Grouper {
    /// Compiles a pack.
    pub fn new(pack: &Pack) -> Grouper {
        let set_names: Vec<String> = pack.sets.iter().map(|set| set.name.clone()).collect();
        let index: HashMap<&str, u16> =
            set_names.iter().enumerate().map(|(at, name)| (name.as_str(), at as u16)).collect();
        let uses = uses(pack, &index);
        let (mut diagnoses, mut procedures) = (Codes::default(), Codes::default());
        let (mut in_diagnoses, mut in_procedures) = (Vec::new(), Vec::new());
        let mut labels: HashMap<u16, HashMap<u32, String>> = HashMap::new();
        for (at, set) in pack.sets.iter().enumerate() {
            let at16 = at as u16;
            let (as_diagnoses, as_procedures, as_labels) = uses[at];
            for (code, label) in &set.members {
                if as_diagnoses {
                    let id = diagnoses.intern(code);
                    in_diagnoses.push((id, at16));
                    if as_labels && !label.is_empty() {
                        labels.entry(at16).or_default().insert(id, label.clone());
                    }
                }
                if as_procedures {
                    let id = procedures.intern(code);
                    in_procedures.push((id, at16));
                    if as_labels && !label.is_empty() {
                        labels.entry(at16).or_default().insert(id, label.clone());
                    }
                }
            }
        }
        let mut tables = Codes::default();
        let mut weighing: Vec<Weighing> = Vec::new();
        let mut of = |codes: &mut Codes, code: &str, change: &mut dyn FnMut(&mut Weighing)| {
            let id = codes.intern(code) as usize;
            if weighing.len() <= id {
                weighing.resize(id + 1, Weighing::default());
            }
            change(&mut weighing[id]);
        };
        for (code, level, table) in &pack.severity {
            let number = tables.intern(table) as u16 + 1;
            of(&mut diagnoses, code, &mut |w| match level {
                Level::Mcc => w.mcc = number,
                Level::Cc => w.cc = number,
            });
        }
        for (code, table) in &pack.exclusions {
            let number = tables.intern(table) as u16 + 1;
            of(&mut diagnoses, code, &mut |w| w.exclusion = number);
        }
        pack.diagnosis_names.iter().for_each(|(code, _)| _ = diagnoses.intern(code));
        pack.procedure_names.iter().for_each(|(code, _)| _ = procedures.intern(code));
        weighing.resize(diagnoses.len(), Weighing::default());
        let compile = |rule: &crate::pack::Rule| compile(rule, &index);
        Grouper {
            manifest: pack.manifest.clone(),
            diagnosis_sets: Memberships::new(diagnoses.len(), &in_diagnoses),
            procedure_sets: Memberships::new(procedures.len(), &in_procedures),
            diagnoses,
            procedures,
            labels,
            weighing,
            exclusion_tables: (0..tables.len() as u32).map(|id| tables.text(id).to_string()).collect(),
            mdcs: pack
                .mdcs
                .iter()
                .map(|mdc| MdcRule {
                    code: mdc.code.clone(),
                    rule: compile(&mdc.rule),
                    source: mdc.source.clone(),
                    adrgs: mdc
                        .adrgs
                        .iter()
                        .map(|adrg| AdrgRule {
                            code: adrg.code.clone(),
                            rule: compile(&adrg.rule),
                            source: adrg.source.clone(),
                            ambiguous: adrg.ambiguous,
                            drgs: adrg
                                .drgs
                                .iter()
                                .map(|drg| DrgRule {
                                    code: drg.code.clone(),
                                    name: drg.name.clone(),
                                    rule: compile(&drg.rule),
                                    source: drg.source.clone(),
                                })
                                .collect(),
                        })
                        .collect(),
                })
                .collect(),
            diagnosis_map: pack.diagnosis_map.iter().cloned().collect(),
            procedure_map: pack.procedure_map.iter().cloned().collect(),
            grey_diagnoses: index.get(GREY_DIAGNOSES).copied(),
            grey_procedures: index.get(GREY_PROCEDURES).copied(),
            set_names,
        }
    }

    /// Working memory for this pack.
    pub fn scratch(&self) -> Scratch {
        let bits = Bits::new(self.set_names.len());
        Scratch {
            diagnoses: Vec::new(),
            procedures: Vec::new(),
            principal: bits.clone(),
            other_diagnoses: bits.clone(),
            main: bits.clone(),
            other_procedures: bits,
            numbers: [None; FIELDS],
            mcc: false,
            cc: false,
        }
    }

    /// Groups one case.
    pub fn group(&self, case: &Case<'_>, scratch: &mut Scratch) -> Outcome {
        let reason = check(case);
        if reason != Reason::None {
            return Outcome::invalid(reason);
        }
        let (unknown, rewritten) = self.load(case, scratch);
        let mut outcome = match self.principal(scratch) {
            Reason::None => self.route(&mut |_, rule| rule.holds(&mut |c| self.test(c, case, scratch))),
            reason => ungrouped(reason),
        };
        (outcome.unknown, outcome.rewritten) = (unknown, rewritten);
        outcome
    }

    /// What is wrong with the principal diagnosis.
    pub(crate) fn principal(&self, facts: &Scratch) -> Reason {
        let Some(Some(principal)) = facts.diagnoses.first() else { return Reason::PrincipalUnknown };
        let sets = self.diagnosis_sets.of(*principal);
        if self.grey_diagnoses.is_some_and(|grey| sets.contains(&grey)) {
            Reason::PrincipalGrey
        } else {
            Reason::None
        }
    }

    /// The way through the rules, `holds` answering each of them.
    pub(crate) fn route(&self, holds: &mut impl FnMut(Place, &Compiled) -> bool) -> Outcome {
        let mut passed = false;
        for (m, mdc) in self.mdcs.iter().enumerate() {
            let place = Place { mdc: m as u16, adrg: NONE, drg: NONE };
            if !holds(place, &mdc.rule) {
                continue;
            }
            // The pre-category stands open to every valid procedure: passing it says nothing.
            passed |= m > 0;
            for (a, adrg) in mdc.adrgs.iter().enumerate() {
                let place = Place { adrg: a as u16, ..place };
                if !holds(place, &adrg.rule) {
                    continue;
                }
                let mut splits = adrg.drgs.iter().enumerate();
                let drg = splits
                    .find(|(d, drg)| holds(Place { drg: *d as u16, ..place }, &drg.rule))
                    .map(|(d, _)| d);
                let (status, reason) = match drg {
                    Some(_) => (Status::Grouped, Reason::None),
                    None if adrg.ambiguous => (Status::Ambiguous, Reason::UnrelatedProcedure),
                    None => (Status::AdrgOnly, Reason::NoSplit),
                };
                return Outcome {
                    status,
                    reason,
                    mdc: m as u16,
                    adrg: a as u16,
                    drg: drg.map_or(NONE, |d| d as u16),
                    unknown: 0,
                    rewritten: 0,
                };
            }
        }
        ungrouped(if passed { Reason::NoAdrg } else { Reason::NoMdc })
    }

    /// Looks the codes up and prepares every fact that rules test.
    pub(crate) fn load(&self, case: &Case<'_>, facts: &mut Scratch) -> (u8, u8) {
        let (mut unknown, mut rewritten) = (0u8, 0u8);
        let mut find = |codes: &Codes, text: &str| {
            codes.find(text).or_else(|| {
                let found = codes.find(&usual_code(text));
                let count = if found.is_some() { &mut rewritten } else { &mut unknown };
                *count = count.saturating_add(1);
                found
            })
        };
        facts.diagnoses.clear();
        facts.diagnoses.extend(case.diagnoses.iter().map(|code| find(&self.diagnoses, code)));
        facts.procedures.clear();
        facts.procedures.extend(case.procedures.iter().map(|code| find(&self.procedures, code)));
        facts.numbers = numbers(case);
        for bits in
            [&mut facts.principal, &mut facts.other_diagnoses, &mut facts.main, &mut facts.other_procedures]
        {
            bits.clear();
        }
        for (at, id) in facts.diagnoses.iter().enumerate() {
            let bits = if at == 0 { &mut facts.principal } else { &mut facts.other_diagnoses };
            id.iter().for_each(|id| self.diagnosis_sets.of(*id).iter().for_each(|set| bits.set(*set)));
        }
        for (at, id) in facts.procedures.iter().enumerate() {
            let Some(id) = id else { continue };
            let sets = self.procedure_sets.of(*id);
            if self.grey_procedures.is_some_and(|grey| sets.contains(&grey)) {
                continue;
            }
            let bits = if at == 0 { &mut facts.main } else { &mut facts.other_procedures };
            sets.iter().for_each(|set| bits.set(*set));
        }
        let exclusion =
            facts.diagnoses.first().copied().flatten().map_or(0, |id| self.weighing[id as usize].exclusion);
        let counts = |table: u16| table != 0 && table != exclusion;
        (facts.mcc, facts.cc) = (false, false);
        for id in facts.diagnoses.iter().skip(1).flatten() {
            let weighing = self.weighing[*id as usize];
            facts.mcc |= counts(weighing.mcc);
            facts.cc |= counts(weighing.cc);
        }
        (unknown, rewritten)
    }

    #[inline]
    pub(crate) fn test(&self, condition: &Condition<u16>, case: &Case<'_>, facts: &Scratch) -> bool {
        match condition {
            Condition::Diagnosis { position, set } => match position {
                Position::Main => facts.principal.has(*set),
                Position::Other => facts.other_diagnoses.has(*set),
                Position::Any => facts.principal.has(*set) || facts.other_diagnoses.has(*set),
            },
            Condition::Procedure { position, set } => match position {
                Position::Main => facts.main.has(*set),
                Position::Other => facts.other_procedures.has(*set),
                Position::Any => facts.main.has(*set) || facts.other_procedures.has(*set),
            },
            Condition::Severity(Level::Mcc) => facts.mcc,
            Condition::Severity(Level::Cc) => facts.cc,
            Condition::Number { field, is, value } => {
                facts.numbers[*field as usize].is_some_and(|number| is.holds(number, *value))
            }
            Condition::Stated(field) => facts.numbers[*field as usize].is_some(),
            Condition::Discharge(codes) => codes.iter().any(|code| *code == case.discharge),
            Condition::Department(names) => names.iter().any(|name| *name == case.department),
            Condition::Labels { set, at_least } => {
                let Some(labels) = self.labels.get(set) else { return false };
                let mut seen: Vec<&str> = Vec::new();
                for label in facts.diagnoses.iter().flatten().filter_map(|id| labels.get(id)) {
                    if !seen.contains(&label.as_str()) {
                        seen.push(label);
                    }
                }
                seen.len() >= usize::from(*at_least)
            }
            Condition::Labelled { set, label } => self.labels.get(set).is_some_and(|labels| {
                facts.procedures.iter().flatten().any(|id| labels.get(id) == Some(label))
            }),
        }
    }

    /// Code of the category, e.g. `MDCB`; empty when there is none.
    pub fn mdc(&self, outcome: &Outcome) -> &str {
        self.mdcs.get(usize::from(outcome.mdc)).map_or("", |mdc| &mdc.code)
    }

    pub(crate) fn entry(&self, outcome: &Outcome) -> Option<&AdrgRule> {
        self.mdcs.get(usize::from(outcome.mdc))?.adrgs.get(usize::from(outcome.adrg))
    }

    /// Code of the ADRG, e.g. `BB1`; `QY` for the ambiguous group, empty when there is none.
    pub fn adrg(&self, outcome: &Outcome) -> &str {
        match self.entry(outcome) {
            Some(entry) if entry.ambiguous => "QY",
            Some(entry) => &entry.code,
            None => "",
        }
    }

    /// Code of the group, e.g. `BB11`; the ADRG's where it has no group for the case, `BQY` for
    /// the ambiguous group, `0000` when there is none.
    pub fn drg(&self, outcome: &Outcome) -> &str {
        match self.entry(outcome) {
            Some(entry) => entry.drgs.get(usize::from(outcome.drg)).map_or(&entry.code, |drg| &drg.code),
            None => "0000",
        }
    }

    /// Name of the group; empty when it has none.
    pub fn name(&self, outcome: &Outcome) -> &str {
        self.entry(outcome)
            .and_then(|entry| entry.drgs.get(usize::from(outcome.drg)))
            .map_or("", |drg| &drg.name)
    }

    /// The case with its codes mapped from 国临 to 医保. Only for input that is declared to be 国临:
    /// hundreds of codes mean different things in the two.
    pub fn mapped<'a>(&self, mut case: Case<'a>) -> Case<'a> {
        for (codes, map) in
            [(&mut case.diagnoses, &self.diagnosis_map), (&mut case.procedures, &self.procedure_map)]
        {
            for code in codes.iter_mut() {
                if let Some(to) = map.get(code.as_ref()) {
                    *code = to.clone().into();
                }
            }
            codes.retain(|code| !code.is_empty() && code != "-");
        }
        case
    }

    /// Bytes that the compiled pack holds, about.
    pub fn codes(&self) -> (usize, usize) {
        (self.diagnoses.len(), self.procedures.len())
    }
}

/// For each set whether rules use it on diagnoses, on procedures, by labels.
fn uses(pack: &Pack, index: &HashMap<&str, u16>) -> Vec<(bool, bool, bool)> {
    let mut uses = vec![(false, false, false); pack.sets.len()];
    let mut note = |condition: &Condition<String>| {
        let (set, use_) = match condition {
            Condition::Diagnosis { set, .. } => (set, (true, false, false)),
            Condition::Procedure { set, .. } => (set, (false, true, false)),
            Condition::Labels { set, .. } => (set, (true, false, true)),
            Condition::Labelled { set, .. } => (set, (false, true, true)),
            _ => return,
        };
        if let Some(at) = index.get(set.as_str()) {
            let entry = &mut uses[usize::from(*at)];
            *entry = (entry.0 | use_.0, entry.1 | use_.1, entry.2 | use_.2);
        }
    };
    for mdc in &pack.mdcs {
        mdc.rule.visit(&mut note);
        for adrg in &mdc.adrgs {
            adrg.rule.visit(&mut note);
            adrg.drgs.iter().for_each(|drg| drg.rule.visit(&mut note));
        }
    }
    for (name, use_) in [
        (GREY_DIAGNOSES, (true, false, false)),
        (GREY_PROCEDURES, (false, true, false)),
        (crate::import::opendrg::VALID, (false, true, false)),
    ] {
        if let Some(at) = index.get(name) {
            let entry = &mut uses[usize::from(*at)];
            *entry = (entry.0 | use_.0, entry.1 | use_.1, entry.2);
        }
    }
    uses
}

fn compile(rule: &crate::pack::Rule, index: &HashMap<&str, u16>) -> Compiled {
    // A set that the pack does not have is empty: number NONE is never looked up.
    let known = |set: &String| index.contains_key(set.as_str());
    match rule {
        Expression::Always => Expression::Always,
        Expression::Never => Expression::Never,
        Expression::All(parts) => Expression::all(parts.iter().map(|p| compile(p, index)).collect()),
        Expression::Any(parts) => Expression::any(parts.iter().map(|p| compile(p, index)).collect()),
        Expression::Not(part) => Expression::negate(compile(part, index)),
        Expression::Test(condition) => match condition {
            Condition::Diagnosis { set, .. }
            | Condition::Procedure { set, .. }
            | Condition::Labels { set, .. }
            | Condition::Labelled { set, .. }
                if !known(set) =>
            {
                Expression::Never
            }
            other => Expression::Test(renamed(other, index)),
        },
    }
}

fn renamed(condition: &Condition<String>, index: &HashMap<&str, u16>) -> Condition<u16> {
    let number = |set: &String| index[set.as_str()];
    match condition {
        Condition::Diagnosis { position, set } => {
            Condition::Diagnosis { position: *position, set: number(set) }
        }
        Condition::Procedure { position, set } => {
            Condition::Procedure { position: *position, set: number(set) }
        }
        Condition::Labels { set, at_least } => Condition::Labels { set: number(set), at_least: *at_least },
        Condition::Labelled { set, label } => Condition::Labelled { set: number(set), label: label.clone() },
        Condition::Severity(level) => Condition::Severity(*level),
        Condition::Number { field, is, value } => Condition::Number { field: *field, is: *is, value: *value },
        Condition::Stated(field) => Condition::Stated(*field),
        Condition::Discharge(codes) => Condition::Discharge(codes.clone()),
        Condition::Department(names) => Condition::Department(names.clone()),
    }
}

pub(crate) fn numbers(case: &Case<'_>) -> [Option<i32>; FIELDS] {
    let mut numbers = [None; FIELDS];
    numbers[Field::Age as usize] = case.age.value();
    // Many systems write 0 days for everybody who is not an infant: that states nothing.
    let newborn = case.age.value() == Some(0);
    numbers[Field::AgeDays as usize] = case.age_days.value().filter(|days| newborn || *days > 0);
    numbers[Field::BirthWeight as usize] = case.birth_weight.value();
    numbers[Field::Stay as usize] = case.stay.value();
    numbers[Field::IntensiveCareHours as usize] = case.intensive_care_hours.value();
    numbers[Field::Sex as usize] = case.sex.value();
    numbers[Field::Diagnoses as usize] = Some(case.diagnoses.len() as i32);
    numbers[Field::Procedures as usize] = Some(case.procedures.len() as i32);
    numbers
}

/// Whether the case is complete and free of contradictions.
pub(crate) fn check(case: &Case<'_>) -> Reason {
    if !matches!(case.sex, Number::Is(1 | 2)) {
        return Reason::Sex;
    }
    let age = match case.age {
        Number::Missing => return Reason::AgeMissing,
        Number::Is(age @ 0..=150) => age,
        _ => return Reason::AgeInvalid,
    };
    let newborn = match (age, case.age_days) {
        (_, Number::Malformed) | (_, Number::Is(i32::MIN..=-1)) => return Reason::AgeDaysInvalid,
        (0, Number::Missing) => return Reason::AgeDaysMissing,
        (0, Number::Is(367..)) => return Reason::AgeDaysInvalid,
        // A year has 365 days; a day or two of counting practice is let pass.
        (1.., Number::Is(days)) if days > 0 && days < age * 365 - 3 => return Reason::AgeDaysInvalid,
        (0, Number::Is(days)) => days <= 28,
        _ => false,
    };
    match case.birth_weight {
        Number::Missing if newborn => return Reason::BirthWeightMissing,
        Number::Malformed | Number::Is(i32::MIN..=-1 | 15_001..) => return Reason::BirthWeightInvalid,
        _ => {}
    }
    if matches!(case.stay, Number::Malformed | Number::Is(i32::MIN..=-1)) {
        return Reason::StayInvalid;
    }
    if case.diagnoses.is_empty() { Reason::NoDiagnosis } else { Reason::None }
}
