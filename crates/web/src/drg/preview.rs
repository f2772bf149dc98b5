//! The group of what somebody types, and why: shown on the case page, and asked for again at every keystroke.

use std::sync::Arc;

use askama::Template;
use serde_json::Value;
use tongmai_drg::quality::{Grade, Rules};
use tongmai_engine::{Failure, Outcome};
use tongmai_http::{Answer, Asked};
use tongmai_views::drg::{Discharge, Held};

use super::{codes, sealed};
use crate::frame::Frame;
use crate::language::Language;
use crate::{Site, markup, reply};

/// Codes that a search offers.
const OFFERED: usize = 8;

/// A test of a rule.
pub struct Test {
    pub text: String,
    pub holds: bool,
    pub by: String,
}

/// A rule on the way.
pub struct Rule {
    pub code: String,
    pub source: String,
    pub tests: Vec<Test>,
}

/// A code that was typed.
pub struct Typed {
    pub code: String,
    pub name: String,
    pub first: bool,
    pub known: bool,
    /// `CC` or `MCC`.
    pub level: String,
    /// It counts; otherwise the principal diagnosis excludes it.
    pub counts: bool,
    /// Its exclusion table.
    pub table: String,
    /// `Condition/…` where the record has it.
    pub source: String,
}

/// A finding of the checks.
pub struct Finding {
    pub grade: &'static str,
    pub sign: &'static str,
    pub message: String,
    pub repair: String,
    pub rule: String,
    /// Resources that show it: address and what it says.
    pub evidence: Vec<(String, String)>,
}

/// The group and its reasons.
#[derive(Template)]
#[template(path = "drg/preview.html")]
pub struct Preview {
    pub l: Language,
    pub pack: String,
    pub group: String,
    pub name: String,
    pub status: &'static str,
    pub reason: &'static str,
    pub weight: String,
    pub way: Vec<Rule>,
    pub miss: Option<(String, String)>,
    pub diagnoses: Vec<Typed>,
    pub procedures: Vec<Typed>,
    pub findings: Vec<Finding>,
    pub offers: Vec<(String, String)>,
}

impl Preview {
    /// Groups a stay with a pack.
    pub fn of(l: Language, stay: &Discharge, held: &Held, ratio: Option<f64>, search: &str) -> Preview {
        let case = stay.case();
        let mut scratch = held.grouper.scratch();
        let trace = held.grouper.trace(&case, &mut scratch);
        let words = held.grouper.in_words(&case, &trace, &mut scratch);
        let outcome = trace.outcome;
        let group = held.grouper.drg(&outcome).to_owned();
        let page = stay.front_page(ratio);
        let findings = Rules::standard().check(&page).iter().map(|found| finding(l, found, stay)).collect();
        Preview {
            l,
            pack: held.id().to_owned(),
            name: held.grouper.name(&outcome).to_owned(),
            status: outcome.status.code(),
            reason: outcome.reason.code(),
            weight: held.weights.get(&group).map_or(String::new(), |weight| format!("{weight:.2}")),
            way: way(&words),
            miss: miss(&words),
            diagnoses: typed(&stay.diagnoses, held, true, &words),
            procedures: typed(&stay.procedures, held, false, &words),
            findings,
            offers: offers(held, search),
            group,
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or("").to_owned()
}

/// The rules that held, from the category to the group: the way that was taken.
fn way(words: &Value) -> Vec<Rule> {
    let rules = words["rules"].as_array().map_or(&[][..], Vec::as_slice);
    let held: Vec<&Value> = rules.iter().filter(|rule| rule["holds"] == true).collect();
    // Gates that were passed in vain stand before; the last three are the way.
    let from = held.len().saturating_sub(3);
    held[from..]
        .iter()
        .map(|rule| Rule {
            code: text(&rule["rule"]),
            source: text(&rule["source"]),
            tests: rule["tests"]
                .as_array()
                .map_or(&[][..], Vec::as_slice)
                .iter()
                .map(|test| Test {
                    text: text(&test["test"]),
                    holds: test["holds"] == true,
                    by: test["by"].as_array().map_or(String::new(), |by| {
                        by.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" ")
                    }),
                })
                .collect(),
        })
        .collect()
}

fn miss(words: &Value) -> Option<(String, String)> {
    let miss = words.get("nearest_miss")?;
    let lacking = miss["lacking"].as_array()?.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("; ");
    Some((miss["adrg"].as_str()?.to_owned(), lacking))
}

fn typed(
    coded: &[tongmai_views::drg::discharge::Coded],
    held: &Held,
    diagnosis: bool,
    words: &Value,
) -> Vec<Typed> {
    let weighed = words["severity"].as_array().map_or(&[][..], Vec::as_slice);
    coded
        .iter()
        .enumerate()
        .map(|(at, coded)| {
            let known = held.name_of(&coded.code, diagnosis);
            let severity =
                weighed.iter().find(|entry| diagnosis && at > 0 && entry["code"] == coded.code.as_str());
            Typed {
                code: coded.code.clone(),
                name: known.map_or_else(|| coded.name.clone(), str::to_owned),
                first: at == 0,
                known: known.is_some(),
                level: severity.map_or(String::new(), |entry| text(&entry["level"])),
                counts: severity.is_some_and(|entry| entry["counts"] == true),
                table: severity.map_or(String::new(), |entry| text(&entry["table"])),
                source: coded.source.clone(),
            }
        })
        .collect()
}

fn finding(l: Language, found: &tongmai_drg::quality::Found<'_>, stay: &Discharge) -> Finding {
    let language = usize::from(l.is_english());
    let (grade, sign) = match found.rule.grade {
        Grade::Error => ("error", "✕"),
        Grade::Warning => ("warning", "△"),
        Grade::Hint => ("hint", "·"),
    };
    let mut evidence: Vec<(String, String)> = Vec::new();
    for item in &found.evidence {
        let code = item.split(' ').next().unwrap_or("");
        let coded = stay.diagnoses.iter().chain(&stay.procedures).find(|coded| coded.code == code);
        let result = stay.results.iter().find(|result| result.0 == code).map(|result| &result.3);
        let source = coded.map(|coded| &coded.source).filter(|source| !source.is_empty()).or(result);
        if let Some(source) = source {
            evidence.push((format!("/resource/{source}"), item.clone()));
        }
    }
    Finding {
        grade,
        sign,
        message: found.message(language),
        repair: found.rule.repair[language].clone(),
        rule: found.rule.id.clone(),
        evidence,
    }
}

/// Codes whose number or name begins or holds what is being typed.
fn offers(held: &Held, search: &str) -> Vec<(String, String)> {
    let last = search.lines().last().unwrap_or("").trim();
    if last.chars().count() < 2 {
        return Vec::new();
    }
    let wanted = last.to_uppercase();
    let names = held.pack.diagnosis_names.iter().chain(&held.pack.procedure_names);
    let found =
        names.filter(|(code, name)| code.starts_with(&wanted) && *code != wanted || name.contains(last));
    found.take(OFFERED).cloned().collect()
}

/// `/drg/preview/{encounter}?dx=…&px=…`: the part that follows what is typed.
pub async fn part(site: &Arc<Site>, asked: &Asked, frame: Frame, id: &str) -> Outcome<Answer> {
    let (l, id) = (frame.language, id.to_owned());
    let dx = frame.parameter("dx").unwrap_or("").to_owned();
    let px = frame.parameter("px").unwrap_or("").to_owned();
    let (preview, positions) = site
        .work(move |site| {
            super::look(site, |grouping, shelf, singles| {
                let grouped = singles.get(grouping, &id)?;
                let held = shelf.named(&grouped.pack)?;
                let stay = grouped.stay.clone().typed(&codes(&dx), &codes(&px));
                let positions = stay.positions.clone();
                Some((Preview::of(l, &stay, held, None, &dx), positions))
            })
        })
        .await?
        .ok_or_else(|| Failure::not_found("the stay"))?;
    let preview = site.release(sealed(preview, positions)).await?.into_inner();
    Ok(reply::part(asked, markup(&preview)?))
}
