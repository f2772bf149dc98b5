//! `tongmai drg quality`: front pages and settlement lists checked before payment, and signs of coding above or
//! below what was done.

use super::{files, records};
use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::{Value, json};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use tongmai_base::time::days_from_civil;
use tongmai_drg::Case;
use tongmai_drg::payment::Decimal;
use tongmai_drg::quality::signs::{Seen, Side, signs};
use tongmai_drg::quality::{FrontPage, Grade, Reading, Rules};

/// Arguments of `drg quality`.
#[derive(Args)]
pub struct Arguments {
    /// The cases (.jsonl, .csv or Excel): the fields of `drg group` and, where there are, `born`, `admitted`,
    /// `discharged`, `cost`, `results` ([{code, value, positive}]), `settlement` ({zdList, ssList}).
    #[arg(long = "in", value_name = "FILE")]
    input: PathBuf,
    /// Where the findings go, a JSON object a case that has some.
    #[arg(long, value_name = "FILE", default_value = "-")]
    out: PathBuf,
    /// A table of further rules, as docs/drg.md describes it.
    #[arg(long, value_name = "FILE")]
    rules: Option<PathBuf>,
    /// Only the rules of these families, e.g. sex,age,evidence.
    #[arg(long, value_delimiter = ',')]
    family: Vec<String>,
    /// Also look for signs of coding above or below; the cases need hospital, adrg, drg, weight and cost.
    #[arg(long)]
    signs: bool,
    /// Fail when there is an error.
    #[arg(long)]
    strict: bool,
}

fn day(text: &str) -> Option<i64> {
    let mut parts = text.get(..10)?.split(['-', '/']);
    let (year, month, day) =
        (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    ((1..=12).contains(&month) && (1..=31).contains(&day)).then(|| days_from_civil(year, month, day))
}

fn page<'r>(record: &'r Value, text: &'r str) -> Result<FrontPage<'r>, String> {
    let date = |name: &str| record[name].as_str().and_then(day);
    let reading = |value: &'r Value| Reading {
        code: Cow::Borrowed(value["code"].as_str().unwrap_or("")),
        value: value["value"].as_f64().or_else(|| value["value"].as_str()?.parse().ok()),
        positive: value["positive"] == true,
    };
    let codes = |value: &Value| match value {
        Value::Array(items) => {
            items.iter().filter_map(Value::as_str).map(|c| Cow::Owned(c.to_string())).collect()
        }
        Value::String(text) => {
            tongmai_drg::case::split_codes(text).map(|c| Cow::Owned(c.to_string())).collect()
        }
        _ => Vec::new(),
    };
    let settlement = record.get("settlement").map(|list| (codes(&list["zdList"]), codes(&list["ssList"])));
    let case = Case::from_json(text)?;
    Ok(FrontPage {
        born: date("born"),
        admitted: date("admitted"),
        discharged: date("discharged"),
        procedure_days: record["procedureDays"]
            .as_array()
            .map_or_else(Vec::new, |days| days.iter().map(|value| value.as_str().and_then(day)).collect()),
        present: Vec::new(),
        cost: records::exact(record, &["cost", "总费用"]).map(Decimal::fen),
        results: record["results"].as_array().map_or_else(Vec::new, |all| all.iter().map(reading).collect()),
        settlement,
        ratio: record["ratio"].as_f64().or_else(|| record["ratio"].as_str()?.parse().ok()),
        case,
    })
}

/// Runs `drg quality`.
pub fn run(arguments: &Arguments) -> Result<()> {
    let mut rules = Rules::standard().clone();
    if let Some(path) = &arguments.rules {
        let more = Rules::read(&crate::input::read_text(path)?).map_err(|findings| {
            findings.iter().for_each(|finding| eprintln!("{finding}"));
            anyhow::anyhow!("{}: {} lines cannot be read", path.display(), findings.len())
        })?;
        rules.0.retain(|rule| !more.0.iter().any(|other| other.id == rule.id));
        rules.0.extend(more.0);
    }
    if !arguments.family.is_empty() {
        rules.0.retain(|rule| arguments.family.iter().any(|family| family == rule.family()));
    }
    let cases = records::read(&arguments.input).context("the cases cannot be read")?;
    let mut out = files::create(&arguments.out)?;
    let mut counts: BTreeMap<(Grade, &str), u64> = BTreeMap::new();
    let (mut clean, mut unreadable) = (0_u64, 0_u64);
    for (at, record) in cases.iter().enumerate() {
        let text = record.to_string();
        let Ok(page) = page(record, &text) else {
            unreadable += 1;
            continue;
        };
        let found = rules.check(&page);
        if found.is_empty() {
            clean += 1;
            continue;
        }
        for found in &found {
            *counts.entry((found.rule.grade, &found.rule.id)).or_default() += 1;
        }
        let findings: Vec<Value> = found
            .iter()
            .map(|found| {
                json!({"rule": found.rule.id, "grade": found.rule.grade.code(), "message": found.message(0),
                    "english": found.message(1), "repair": found.rule.repair[0], "evidence": found.evidence})
            })
            .collect();
        let id = records::stay(record, at, "").id;
        writeln!(out, "{}", json!({"id": id, "findings": findings}))?;
    }
    out.flush()?;
    for ((grade, rule), count) in counts.iter().rev() {
        eprintln!("{}\t{rule}\t{count}", grade.code());
    }
    let errors: u64 =
        counts.iter().filter(|((grade, _), _)| *grade == Grade::Error).map(|(_, count)| count).sum();
    eprintln!(
        "{} rules, {} cases: {clean} without findings, {unreadable} unreadable, {errors} errors",
        rules.0.len(),
        cases.len()
    );
    if arguments.signs {
        show_signs(&cases);
    }
    if arguments.strict && errors > 0 {
        bail!("{errors} errors");
    }
    Ok(())
}

fn show_signs(cases: &[Value]) {
    let ids: Vec<String> =
        cases.iter().enumerate().map(|(at, record)| records::stay(record, at, "").id).collect();
    let number = |record: &Value, name: &str| {
        records::exact(record, &[name]).map(|d| d.0 as f64 / Decimal::ONE.0 as f64)
    };
    let seen: Vec<Seen<'_>> = cases
        .iter()
        .zip(&ids)
        .filter_map(|(record, id)| {
            Some(Seen {
                id,
                hospital: record["hospital"].as_str()?,
                adrg: record["adrg"].as_str()?,
                group: record["drg"].as_str()?,
                weight: number(record, "weight")?,
                cost: number(record, "cost").unwrap_or(0.0),
                complications: record["complications"]
                    .as_array()
                    .map_or_else(Vec::new, |codes| codes.iter().filter_map(Value::as_str).collect()),
            })
        })
        .collect();
    for sign in signs(&seen) {
        let side = if sign.side == Side::Above { "above" } else { "below" };
        eprintln!(
            "sign\t{}\t{}\t{side}\t{}\t{:.1} % of {} cases, peers {:.1} %, {:.1} standard errors\t{}",
            sign.hospital,
            sign.look,
            sign.about,
            sign.share * 100.0,
            sign.cases,
            sign.expected * 100.0,
            sign.z,
            sign.evidence.join(" ")
        );
    }
    eprintln!("a sign is a reason to look at the records, never a verdict");
}
