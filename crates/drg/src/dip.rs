//! DIP: payment by disease and score (按病种分值付费), as about half of the pooling areas use it.
//!
//! A case is keyed by the first four characters of its principal diagnosis (`I21.0`) and its procedures.
//! A *core* group of the catalogue is that diagnosis with a set of procedures, all of which the case has; the
//! one that covers the most of them is taken, among equals the one with the highest score. A case in no core
//! group goes to the *comprehensive* group (综合病种) of its category (`I21`), chapter letter (`I`) or, last, of
//! all (`*`), by the treatment that its procedures amount to. Auxiliary catalogues (辅助目录: complications,
//! tumours, age, stays …) multiply the score. Scores are paid like weights ([`crate::settlement`]).
//!
//! | table | columns |
//! |---|---|
//! | `catalogue` | `diagnosis` 诊断编码, `procedures` 手术操作编码 (joined by `+`), `score` 分值, `name` 病种名称, `kind` 类型 (core 核心 / comprehensive 综合), `treatment` 治疗方式, `cost` 均次费用 |
//! | `treatments` | `procedure` 手术操作编码, `treatment` 治疗方式: `operation` 手术, `therapeutic` 治疗性操作, `diagnostic` 诊断性操作 |
//! | `auxiliary` | `name` 名称, `rule` 条件, `factor` 系数 |
//! | `lists`, `severity`, `exclusions` | as in [`crate::import::template`], for the rules of the auxiliary catalogues |

use crate::case::{Case, usual_code};
use crate::grouper::{Grouper, Reason, Scratch, check};
use crate::import::template::{self, Sheets};
use crate::payment::Decimal;
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};
use tongmai_base::Finding;

/// How a case was treated, from little to much.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Treatment {
    /// Without a procedure (保守治疗).
    Conservative,
    /// 诊断性操作.
    Diagnostic,
    /// 治疗性操作.
    Therapeutic,
    /// 手术.
    Operation,
}

impl Treatment {
    fn read(text: &str) -> Option<Treatment> {
        Some(match text.trim() {
            "" | "conservative" | "保守治疗" => Treatment::Conservative,
            "diagnostic" | "诊断性操作" => Treatment::Diagnostic,
            "therapeutic" | "治疗性操作" => Treatment::Therapeutic,
            "operation" | "手术" | "相关手术" => Treatment::Operation,
            _ => return None,
        })
    }

    /// The word written to results.
    pub fn code(self) -> &'static str {
        match self {
            Treatment::Conservative => "conservative",
            Treatment::Diagnostic => "diagnostic",
            Treatment::Therapeutic => "therapeutic",
            Treatment::Operation => "operation",
        }
    }
}

/// A group of the catalogue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Its key: diagnosis, `:`, procedures or treatment.
    pub code: String,
    /// Name.
    pub name: String,
    /// Procedures of a core group, sorted.
    pub procedures: Vec<String>,
    /// Score (分值).
    pub score: Decimal,
    /// Mean cost in yuan, where the catalogue says it.
    pub cost: Option<Decimal>,
    /// Line of the catalogue.
    pub source: String,
}

/// A factor of an auxiliary catalogue.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Auxiliary {
    name: String,
    factor: Decimal,
}

/// A compiled catalogue.
#[derive(Debug)]
pub struct Catalogue {
    /// Name.
    pub id: String,
    core: HashMap<String, Vec<Group>>,
    comprehensive: HashMap<(String, Treatment), Group>,
    treatments: HashMap<String, Treatment>,
    auxiliary: Vec<Auxiliary>,
    /// The rules of the auxiliary catalogues, each as an ADRG of its one category.
    rules: Grouper,
}

/// What became of a case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Scored {
    /// The group; empty when there is none.
    pub group: String,
    /// Its name.
    pub name: String,
    /// `core`, `comprehensive`, `ungrouped` or `invalid`.
    pub status: &'static str,
    /// Why there is none.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub reason: &'static str,
    /// Score of the group.
    pub score: Decimal,
    /// Score with every factor that holds.
    pub points: Decimal,
    /// Mean cost of the group in yuan.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost: Option<Decimal>,
    /// The explanation.
    pub why: Why,
}

/// Why a case is in its group.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Why {
    /// First four characters of the principal diagnosis.
    pub diagnosis: String,
    /// Treatment that the procedures amount to.
    pub treatment: &'static str,
    /// Line of the catalogue.
    pub source: String,
    /// Procedures of the case that the group does not name.
    pub beside: Vec<String>,
    /// Core groups of the diagnosis that were not taken: their code, and the procedures that the case lacks.
    pub others: Vec<(String, Vec<String>)>,
    /// Factors: name, factor, whether it holds.
    pub factors: Vec<(String, Decimal, bool)>,
}

/// Core groups that are named in an explanation.
const OTHERS: usize = 20;

fn column(heading: &[String], words: &[&str]) -> Option<usize> {
    heading.iter().position(|cell| {
        let cell = cell.trim().trim_start_matches('\u{feff}');
        words.iter().any(|word| cell.eq_ignore_ascii_case(word) || cell.contains(word))
    })
}

/// First four characters of a diagnosis: `I21.000` → `I21.0`; a shorter code is taken as it is.
pub fn key(code: &str) -> String {
    let code = usual_code(code);
    match code.split_once('.') {
        Some((category, rest)) => match rest.chars().next() {
            Some(first) => format!("{category}.{first}"),
            None => category.to_string(),
        },
        None => code,
    }
}

impl Catalogue {
    /// Reads a catalogue.
    ///
    /// # Errors
    /// A finding when the table or one of its columns is absent.
    pub fn read(id: &str, sheets: &Sheets) -> Result<(Catalogue, Vec<Finding>), Finding> {
        let rows = sheets.get("catalogue").ok_or_else(|| {
            Finding::error("catalogue", "missing-table", "there is no table 'catalogue'")
                .with_repair("add catalogue.csv, or a sheet of this name")
        })?;
        let mut findings = Vec::new();
        let (rules, auxiliary) = auxiliaries(sheets, &mut findings)?;
        let mut catalogue = Catalogue {
            id: id.to_string(),
            core: HashMap::new(),
            comprehensive: HashMap::new(),
            treatments: treatments(sheets, &mut findings),
            auxiliary,
            rules,
        };
        catalogue.groups(rows, &mut findings)?;
        Ok((catalogue, findings))
    }

    fn groups(&mut self, rows: &[Vec<String>], findings: &mut Vec<Finding>) -> Result<(), Finding> {
        let heading = rows.first().map_or(&[][..], Vec::as_slice);
        let need = |words: &[&str]| {
            column(heading, words).ok_or_else(|| {
                let message = format!("the table has no column '{}' ({})", words[0], words[1]);
                Finding::error("catalogue", "missing-column", message).with_repair("name it in the first row")
            })
        };
        let (diagnosis, score) = (need(&["diagnosis", "诊断编码"])?, need(&["score", "分值"])?);
        let procedures = column(heading, &["procedures", "手术操作编码", "手术编码", "操作编码"]);
        let name = column(heading, &["name", "病种名称", "名称"]);
        let kind = column(heading, &["kind", "类型"]);
        let treatment = column(heading, &["treatment", "治疗方式"]);
        let cost = column(heading, &["cost", "均次费用"]);
        for (at, row) in rows.iter().enumerate().skip(1) {
            let cell = |column: Option<usize>| column.and_then(|at| row.get(at)).map_or("", |c| c.trim());
            if row.iter().all(|cell| cell.trim().is_empty()) {
                continue;
            }
            let source = format!("catalogue line {}", at + 1);
            let mut wrong = |code: &str, message: String, repair: &str| {
                findings.push(Finding::error(&source, code, message).with_repair(repair));
            };
            let Some(points) = Decimal::parse(cell(Some(score))).filter(|score| score.0 > 0) else {
                let message = format!("the score is '{}'", cell(Some(score)));
                wrong("score", message, "write a positive number");
                continue;
            };
            let Some(treatment) = Treatment::read(cell(treatment)) else {
                let message = format!("the treatment is '{}'", cell(treatment));
                wrong("treatment", message, "operation, therapeutic, diagnostic or conservative");
                continue;
            };
            let mut codes: Vec<String> = cell(procedures)
                .split(['+', '|', ',', '、', ';', '/'])
                .map(usual_code)
                .filter(|code| !code.is_empty())
                .collect();
            codes.sort_unstable();
            codes.dedup();
            let comprehensive =
                cell(kind).contains("综合") || cell(kind).eq_ignore_ascii_case("comprehensive");
            let diagnosis =
                if comprehensive { usual_code(cell(Some(diagnosis))) } else { key(cell(Some(diagnosis))) };
            let tail = if comprehensive { treatment.code().to_string() } else { codes.join("+") };
            let code = if tail.is_empty() { diagnosis.clone() } else { format!("{diagnosis}:{tail}") };
            let group = Group {
                code,
                name: cell(name).to_string(),
                procedures: codes,
                score: points,
                cost: Decimal::parse(cell(cost)).filter(|cost| cost.0 > 0),
                source: source.clone(),
            };
            let twice = if comprehensive {
                self.comprehensive.insert((diagnosis, treatment), group).is_some()
            } else {
                let groups = self.core.entry(diagnosis).or_default();
                let twice = groups.iter().any(|known| known.code == group.code);
                groups.push(group);
                twice
            };
            if twice {
                findings.push(Finding::warning(&source, "repeated-code", "the same key stands above"));
            }
        }
        for groups in self.core.values_mut() {
            groups.sort_by(|a, b| {
                (b.procedures.len(), b.score, &a.code).cmp(&(a.procedures.len(), a.score, &b.code))
            });
        }
        Ok(())
    }

    /// How many core and comprehensive groups.
    pub fn size(&self) -> (usize, usize) {
        (self.core.values().map(Vec::len).sum(), self.comprehensive.len())
    }

    /// Every group with its score, for a scheme's weights.
    pub fn scores(&self) -> BTreeMap<String, Decimal> {
        let core = self.core.values().flatten();
        core.chain(self.comprehensive.values()).map(|group| (group.code.clone(), group.score)).collect()
    }

    /// Working memory.
    pub fn scratch(&self) -> Scratch {
        self.rules.scratch()
    }

    /// Scores one case, and says why.
    pub fn score(&self, case: &Case<'_>, scratch: &mut Scratch) -> Scored {
        let reason = check(case);
        let none = |status, reason: Reason, why| Scored {
            group: String::new(),
            name: String::new(),
            status,
            reason: reason.code(),
            score: Decimal(0),
            points: Decimal(0),
            cost: None,
            why,
        };
        // DIP asks for no birth weight.
        if !matches!(reason, Reason::None | Reason::BirthWeightMissing) {
            return none("invalid", reason, Why::default());
        }
        let diagnosis = key(&case.diagnoses[0]);
        let procedures: Vec<String> = case.procedures.iter().map(|code| usual_code(code)).collect();
        let treatment =
            procedures.iter().map(|code| self.treatment(code)).max().unwrap_or(Treatment::Conservative);
        let mut why = Why { diagnosis: diagnosis.clone(), treatment: treatment.code(), ..Why::default() };
        let found = self.core(&diagnosis, &procedures, &mut why).map(|group| (group, "core"));
        let found = found.or_else(|| self.comprehensive(&diagnosis, treatment).map(|g| (g, "comprehensive")));
        let Some((group, status)) = found else {
            return none("ungrouped", Reason::NoAdrg, why);
        };
        why.source.clone_from(&group.source);
        why.beside = procedures.iter().filter(|code| !group.procedures.contains(code)).cloned().collect();
        let mut points = group.score;
        self.rules.load(case, scratch);
        let entries = self.rules.mdcs.first().map_or(&[][..], |mdc| &mdc.adrgs);
        for (auxiliary, entry) in self.auxiliary.iter().zip(entries) {
            let holds = entry.rule.holds(&mut |condition| self.rules.test(condition, case, scratch));
            if holds {
                points = points.times(auxiliary.factor).unwrap_or(points);
            }
            why.factors.push((auxiliary.name.clone(), auxiliary.factor, holds));
        }
        Scored {
            group: group.code.clone(),
            name: group.name.clone(),
            status,
            reason: "",
            score: group.score,
            points,
            cost: group.cost,
            why,
        }
    }

    fn treatment(&self, procedure: &str) -> Treatment {
        let known = self.treatments.get(procedure);
        // By the shorter code, as catalogues are often written.
        let short = procedure.get(..5).and_then(|short| self.treatments.get(short));
        known.or(short).copied().unwrap_or(Treatment::Therapeutic)
    }

    fn core<'c>(&'c self, diagnosis: &str, procedures: &[String], why: &mut Why) -> Option<&'c Group> {
        let mut taken = None;
        for group in self.core.get(diagnosis)? {
            let lacks: Vec<String> =
                group.procedures.iter().filter(|code| !procedures.contains(code)).cloned().collect();
            if lacks.is_empty() && taken.is_none() {
                taken = Some(group);
            } else if why.others.len() < OTHERS {
                why.others.push((group.code.clone(), lacks));
            }
        }
        taken
    }

    fn comprehensive(&self, diagnosis: &str, treatment: Treatment) -> Option<&Group> {
        let category = diagnosis.split('.').next().unwrap_or_default();
        let chapter = category.get(..1).unwrap_or_default();
        [category, chapter, "*"]
            .iter()
            .find_map(|code| self.comprehensive.get(&((*code).to_string(), treatment)))
    }
}

fn treatments(sheets: &Sheets, findings: &mut Vec<Finding>) -> HashMap<String, Treatment> {
    let Some(rows) = sheets.get("treatments") else { return HashMap::new() };
    let heading = rows.first().map_or(&[][..], Vec::as_slice);
    let procedure = column(heading, &["procedure", "编码"]);
    let treatment = column(heading, &["treatment", "治疗方式", "类别"]);
    let mut treatments = HashMap::new();
    for (at, row) in rows.iter().enumerate().skip(1) {
        let cell = |column: Option<usize>| column.and_then(|at| row.get(at)).map_or("", |c| c.trim());
        match Treatment::read(cell(treatment)) {
            Some(treatment) => _ = treatments.insert(usual_code(cell(procedure)), treatment),
            None => {
                let message = format!("the treatment is '{}'", cell(treatment));
                findings.push(Finding::error(format!("treatments line {}", at + 1), "treatment", message));
            }
        }
    }
    treatments
}

/// The rules of the auxiliary catalogues as a pack of one category.
fn auxiliaries(sheets: &Sheets, findings: &mut Vec<Finding>) -> Result<(Grouper, Vec<Auxiliary>), Finding> {
    let mut groups = vec![["MDC", "ADRG", "DRG", "name", "rule"].map(String::from).to_vec()];
    groups.push(["AUX", "", "", "", "always"].map(String::from).to_vec());
    let mut auxiliary = Vec::new();
    if let Some(rows) = sheets.get("auxiliary") {
        let heading = rows.first().map_or(&[][..], Vec::as_slice);
        let columns = [&["name", "名称"][..], &["rule", "条件"], &["factor", "系数"]]
            .map(|words| column(heading, words));
        for (at, row) in rows.iter().enumerate().skip(1) {
            let [name, rule, factor] =
                columns.map(|at| at.and_then(|at| row.get(at)).map_or("", |c| c.trim()));
            let Some(factor) = Decimal::parse(factor).filter(|factor| factor.0 > 0) else {
                let message = format!("the factor is '{factor}'");
                findings.push(
                    Finding::error(format!("auxiliary line {}", at + 1), "factor", message)
                        .with_repair("write a positive number"),
                );
                continue;
            };
            groups.push(vec!["AUX".into(), format!("X{at}"), String::new(), name.into(), rule.into()]);
            auxiliary.push(Auxiliary { name: name.into(), factor });
        }
    }
    let mut tables: Sheets = [("groups".to_string(), groups)].into();
    for name in ["lists", "severity", "exclusions"] {
        if let Some(rows) = sheets.get(name) {
            tables.insert(name.into(), rows.clone());
        }
    }
    let (pack, _, found) = template::read(&tables)?;
    findings.extend(found);
    Ok((Grouper::new(&pack), auxiliary))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn catalogue() -> Catalogue {
        let tables = [
            (
                "catalogue",
                "诊断编码,手术操作编码,分值,病种名称,类型,治疗方式,均次费用\n\
                 I21.0,36.0700+88.5600,2100.5,心梗支架加造影,核心,,31000\nI21.0,36.0700,1800,心梗支架,核心,,\n\
                 I21.0,,700,心梗保守,核心,,9000\nI21,,900,心梗综合手术,综合,手术,\n\
                 K,,300,消化综合,综合,保守治疗,\n*,,100,其他,综合,保守治疗,\nX,,-1,坏,核心,,\n",
            ),
            ("treatments", "编码,类别\n36.0700,手术\n88.5600,诊断性操作\n45.1600,诊断性操作\n"),
            ("auxiliary", "名称,条件,系数\n严重并发症,MCC,1.2\n高龄,age >= 80,1.05\n"),
            ("severity", "code,level,table\nN17.9,MCC,3\n"),
        ];
        let sheets =
            tables.into_iter().map(|(name, text)| (name.to_string(), template::cells(text))).collect();
        let (catalogue, findings) = Catalogue::read("demo", &sheets).unwrap();
        assert_eq!(findings.iter().map(|f| f.code.as_str()).collect::<Vec<_>>(), ["score"]);
        assert_eq!(catalogue.size(), (3, 3));
        catalogue
    }

    fn score(catalogue: &Catalogue, age: u32, dx: &str, px: &str) -> Scored {
        let line =
            format!(r#"{{"gender":1,"age":{age},"zdList":"{dx}","ssList":"{px}","inHospitalTime":5}}"#);
        catalogue.score(&Case::from_json(&line).unwrap(), &mut catalogue.scratch())
    }

    #[test]
    fn a_case_is_scored_and_explained() {
        let catalogue = catalogue();
        let both = score(&catalogue, 81, "I21.000,N17.9", "88.5600,36.0700,39.9500");
        assert_eq!((both.group.as_str(), both.status), ("I21.0:36.0700+88.5600", "core"));
        assert_eq!(both.points, Decimal::parse("2646.63").unwrap());
        assert_eq!(both.why.beside, ["39.9500"]);
        assert_eq!(both.why.others.len(), 2);
        assert_eq!(both.why.factors.iter().map(|f| f.2).collect::<Vec<_>>(), [true, true]);
        let one = score(&catalogue, 60, "I21.001", "36.0700");
        assert_eq!((one.group.as_str(), one.points), ("I21.0:36.0700", Decimal::parse("1800").unwrap()));
        assert_eq!(one.why.others[0].1, ["88.5600"]);
        assert_eq!(score(&catalogue, 60, "I21.0", "").group, "I21.0");
    }

    #[test]
    fn what_is_in_no_core_group_goes_to_a_comprehensive_one() {
        let catalogue = catalogue();
        assert_eq!(score(&catalogue, 60, "I21.900", "36.0700").name, "心梗综合手术");
        assert_eq!(score(&catalogue, 60, "K29.500", "").name, "消化综合");
        assert_eq!(score(&catalogue, 60, "A00.000", "").name, "其他");
        let none = score(&catalogue, 60, "A00.000", "45.1600");
        assert_eq!((none.status, none.reason, none.points), ("ungrouped", "no-adrg", Decimal(0)));
        let invalid = score(&catalogue, 200, "A00", "");
        assert_eq!((invalid.status, invalid.reason), ("invalid", "age-invalid"));
        assert_eq!((key("I21"), key("i21.x00"), key("I21.")), ("I21".into(), "I21.x".into(), "I21".into()));
    }
}
