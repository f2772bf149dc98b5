//! Quality before payment: checks of the front page (病案首页) and the settlement list (医保基金结算清单) as
//! data, and signs of coding above or below what the record shows.
//!
//! A rule is one row of a table: an id, a grade, a condition, and its words in Chinese and English. The rules of
//! the project stand in `rules/quality.tsv`; a hospital adds its own rows. What a rule finds is a proposal with
//! its evidence and a way to mend it, never a verdict.

mod atom;
pub mod page;
pub mod signs;

use atom::Test;
pub use page::{FrontPage, Reading};
use std::sync::OnceLock;
use tongmai_base::{Finding, Severity};

/// How grave a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Grade {
    /// Look at the record.
    Hint,
    /// Very likely wrong.
    Warning,
    /// Wrong: the list would be sent back.
    Error,
}

impl Grade {
    /// The word in the table and in results.
    pub fn code(self) -> &'static str {
        match self {
            Grade::Hint => "hint",
            Grade::Warning => "warning",
            Grade::Error => "error",
        }
    }

    /// The severity of FHIR's `issue-severity`.
    pub fn severity(self) -> Severity {
        match self {
            Grade::Hint => Severity::Information,
            Grade::Warning => Severity::Warning,
            Grade::Error => Severity::Error,
        }
    }
}

/// A rule.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// Stable code: its family and a number, `sex-07`.
    pub id: String,
    /// Grade.
    pub grade: Grade,
    /// The condition as the table writes it.
    pub when: String,
    /// What is wrong, Chinese and English. `{…}` is replaced by the codes that were found.
    pub message: [String; 2],
    /// How to mend it.
    pub repair: [String; 2],
    tests: Vec<Test>,
}

impl Rule {
    /// The family: `sex`, `age`, `principal`, `evidence` …
    pub fn family(&self) -> &str {
        self.id.rsplit_once('-').map_or(&self.id, |(family, _)| family)
    }
}

/// What a rule found on a page.
#[derive(Debug, Clone, PartialEq)]
pub struct Found<'r> {
    /// The rule.
    pub rule: &'r Rule,
    /// Codes and values that made it so: `E87.6`, `2823-3 4.1`.
    pub evidence: Vec<String>,
}

impl Found<'_> {
    /// The message in Chinese (0) or English (1), with the evidence in its place.
    pub fn message(&self, language: usize) -> String {
        self.rule.message[language.min(1)].replace("{}", &self.evidence.join("、"))
    }

    /// As a finding of the command line.
    pub fn finding(&self) -> Finding {
        Finding::new(self.rule.grade.severity(), self.evidence.join(", "), &self.rule.id, self.message(1))
            .with_repair(&self.rule.repair[1])
    }
}

/// A table of rules.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Rules(pub Vec<Rule>);

impl Rules {
    /// Reads a table: `id, grade, when, message, message in English, repair, repair in English`, tab-separated,
    /// the heading first, lines of `#` skipped.
    ///
    /// # Errors
    /// A finding for each line that cannot be read.
    pub fn read(text: &str) -> Result<Rules, Vec<Finding>> {
        let mut rules: Vec<Rule> = Vec::new();
        let mut wrong = Vec::new();
        for (at, line) in text.lines().enumerate().skip(1) {
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            let path = format!("line {}", at + 1);
            match rule(line) {
                Ok(rule) if rules.iter().any(|known| known.id == rule.id) => {
                    wrong.push(Finding::error(path, "repeated-id", format!("{} stands above", rule.id)));
                }
                Ok(rule) => rules.push(rule),
                Err(message) => wrong.push(Finding::error(path, "rule", message)),
            }
        }
        if wrong.is_empty() { Ok(Rules(rules)) } else { Err(wrong) }
    }

    /// The rules of the project.
    pub fn standard() -> &'static Rules {
        static RULES: OnceLock<Rules> = OnceLock::new();
        RULES.get_or_init(|| Rules::read(include_str!("../rules/quality.tsv")).unwrap_or_default())
    }

    /// Everything that the rules find on a page, the gravest first.
    pub fn check(&self, page: &FrontPage<'_>) -> Vec<Found<'_>> {
        let mut found: Vec<Found<'_>> = Vec::new();
        for rule in &self.0 {
            let mut evidence = Vec::new();
            if rule.tests.iter().all(|test| test.holds(page, &mut evidence)) {
                evidence.dedup();
                found.push(Found { rule, evidence });
            }
        }
        found.sort_by_key(|finding| std::cmp::Reverse(finding.rule.grade));
        found
    }
}

fn rule(line: &str) -> Result<Rule, String> {
    let cells: Vec<&str> = line.split('\t').map(str::trim).collect();
    let &[id, grade, when, zh, en, repair_zh, repair_en] = cells.as_slice() else {
        return Err(format!("{} columns instead of seven", cells.len()));
    };
    let grade = match grade {
        "error" => Grade::Error,
        "warning" => Grade::Warning,
        "hint" => Grade::Hint,
        other => return Err(format!("'{other}' is no grade: error, warning or hint")),
    };
    if id.is_empty() || zh.is_empty() || en.is_empty() || repair_zh.is_empty() || repair_en.is_empty() {
        return Err("id, message and repair are needed in both languages".into());
    }
    let tests = when.split_whitespace().map(Test::read).collect::<Result<Vec<_>, _>>()?;
    if tests.is_empty() {
        return Err("the condition is empty".into());
    }
    Ok(Rule {
        id: id.into(),
        grade,
        when: when.into(),
        message: [zh.into(), en.into()],
        repair: [repair_zh.into(), repair_en.into()],
        tests,
    })
}

#[cfg(test)]
mod tests;
