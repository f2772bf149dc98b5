//! What the law asks, what the software does about it, and which test shows it.
//!
//! The table is data (`crates/web/duties.tsv`); the last results are what `cargo xtask duties` saw and wrote
//! (`crates/web/duties.results.tsv`). Both are evidence *for* a duty: whether it is met, an assessor says.

use askama::Template;
use serde_json::{Value, json};
use tongmai_engine::Outcome;
use tongmai_http::{Answer, Asked};

use crate::frame::Frame;
use crate::language::Language;
use crate::{framed, render};

const TABLE: &str = include_str!("../duties.tsv");
const RESULTS: &str = include_str!("../duties.results.tsv");

/// One duty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Duty {
    /// Its number in the table.
    pub id: &'static str,
    /// Law and clause.
    pub clause: &'static str,
    chinese: (&'static str, &'static str),
    english: (&'static str, &'static str),
    /// Crate and name of the test that fails when the control is taken away.
    pub test: &'static str,
}

impl Duty {
    fn words(&self, l: Language) -> (&'static str, &'static str) {
        if l.is_english() { self.english } else { self.chinese }
    }

    /// What the law asks.
    pub fn asks(&self, l: &Language) -> &'static str {
        self.words(*l).0
    }

    /// What the software does about it.
    pub fn does(&self, l: &Language) -> &'static str {
        self.words(*l).1
    }

    /// What the test came to when it was last run: `ok` or `failed`, and the day.
    pub fn result(&self) -> Option<(&'static str, &'static str)> {
        let mut lines = RESULTS.lines().map(|line| line.split('\t').collect::<Vec<_>>());
        lines.find(|cells| cells.len() == 3 && cells[0] == self.test).map(|cells| (cells[1], cells[2]))
    }
}

/// All duties of the table.
pub fn all() -> Vec<Duty> {
    let lines = TABLE.lines().skip(1).map(|line| line.split('\t').collect::<Vec<_>>());
    let whole = lines.filter(|cells| cells.len() == 7);
    whole
        .map(|cells| Duty {
            id: cells[0],
            clause: cells[1],
            chinese: (cells[2], cells[4]),
            english: (cells[3], cells[5]),
            test: cells[6],
        })
        .collect()
}

/// The table as data, for the audit pack.
pub fn data() -> Value {
    let rows = all().into_iter().map(|duty| {
        let (asks, does) = duty.english;
        json!({"id": duty.id, "clause": duty.clause, "duty": asks, "evidence_for": does, "test": duty.test,
            "last_result": duty.result().map(|(result, day)| format!("{result} {day}"))})
    });
    Value::Array(rows.collect())
}

#[derive(Template)]
#[template(path = "privacy/duties.html")]
struct Duties {
    page: Frame,
    l: Language,
    duties: Vec<Duty>,
    passed: i64,
}

framed!(Duties);

/// `/duties`
pub fn page(asked: &Asked, page: Frame) -> Outcome<Answer> {
    let duties = all();
    let passed = duties.iter().filter(|duty| duty.result().is_some_and(|result| result.0 == "ok")).count();
    render(asked, 200, &Duties { l: page.language, page, duties, passed: passed as i64 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_a_duty_with_a_test_that_exists() {
        let duties = all();
        assert_eq!(duties.len(), TABLE.lines().count() - 1, "a line has not seven cells");
        let mut ids = std::collections::BTreeSet::new();
        for duty in &duties {
            assert!(ids.insert(duty.id), "{} stands there twice", duty.id);
            let (place, name) = duty.test.split_once("::").expect(duty.test);
            let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(place);
            assert!(
                stands_in(&folder, &format!("fn {name}(")),
                "{}: there is no test {}",
                duty.id,
                duty.test
            );
        }
    }

    fn stands_in(folder: &std::path::Path, what: &str) -> bool {
        std::fs::read_dir(folder).into_iter().flatten().flatten().any(|entry| {
            let path = entry.path();
            if path.is_dir() {
                return stands_in(&path, what);
            }
            path.extension().is_some_and(|e| e == "rs")
                && std::fs::read_to_string(&path).is_ok_and(|text| text.contains(what))
        })
    }
}
