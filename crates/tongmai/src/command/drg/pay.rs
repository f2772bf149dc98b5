//! `tongmai drg price` and `tongmai drg settle`: price tables and payment.

use super::files;
use crate::input;
use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::io::{BufRead, Read, Write};
use std::path::{Path, PathBuf};
use tongmai_drg::payment::{Bill, Decimal, Method, Outliers, PriceTable, settle as settled};

/// Arguments of `drg price`.
#[derive(Args)]
pub struct PriceArguments {
    /// The price table (.csv in UTF-8 or GBK).
    table: PathBuf,
}

/// The cells of a CSV file in UTF-8 or GBK.
fn cells(path: &Path) -> Result<Vec<Vec<String>>> {
    let mut bytes = Vec::new();
    input::open(path)?.reader.read_to_end(&mut bytes)?;
    let text = match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => encoding_rs::GB18030.decode(error.as_bytes()).0.into_owned(),
    };
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
    let rows = reader.records().map(|row| row.map(|row| row.iter().map(str::to_string).collect()));
    rows.collect::<Result<_, _>>().with_context(|| format!("{} is no CSV table", path.display()))
}

fn prices(path: &Path) -> Result<PriceTable> {
    let (table, findings) = PriceTable::read(&cells(path)?)
        .map_err(|finding| anyhow::anyhow!("{}: {finding}", path.display()))?;
    findings.iter().for_each(|finding| eprintln!("{finding}"));
    Ok(table)
}

/// Runs `drg price`.
pub fn price(arguments: &PriceArguments) -> Result<()> {
    let table = prices(&arguments.table)?;
    let inference = table.infer().context("the table has no prices")?;
    println!("rate {}", inference.rate);
    for (level, coefficient) in table.levels.iter().zip(&inference.coefficients) {
        if let Some(coefficient) = coefficient {
            println!("coefficient of {level}: {coefficient}");
        }
    }
    for exception in &inference.exceptions {
        println!(
            "{}\t{}\tpublished {}\tweight × rate × coefficient {:.4}",
            exception.drg, exception.level, exception.published, exception.computed
        );
    }
    let within = inference.compared - inference.exceptions.len();
    println!("{within} of {} prices are within 0.01 yuan", inference.compared);
    Ok(())
}

/// Arguments of `drg settle`.
#[derive(Args)]
pub struct SettleArguments {
    /// Table of weights (.csv with a column of codes and one of RW, 权重 or 标准分值).
    #[arg(long, value_name = "FILE")]
    weights: PathBuf,
    /// Grouped cases (.jsonl) with `drg`, `cost` in yuan, `hospital` and perhaps `coefficient`.
    #[arg(long = "in", value_name = "FILE")]
    input: PathBuf,
    /// Where the cases with their payment go.
    #[arg(long, value_name = "FILE", default_value = "-")]
    out: PathBuf,
    /// Yuan a weight of 1.
    #[arg(long, conflicts_with = "budget", required_unless_present = "budget", value_parser = decimal)]
    rate: Option<Decimal>,
    /// Budget in yuan that weight × coefficient share (points, DIP scores); spent to the fen.
    #[arg(long, value_parser = decimal)]
    budget: Option<Decimal>,
    /// Above this multiple of the standard the excess is paid too (with --rate).
    #[arg(long, value_parser = decimal)]
    high: Option<Decimal>,
    /// Below this multiple of the standard the cost itself is paid (with --rate).
    #[arg(long, value_parser = decimal)]
    low: Option<Decimal>,
}

fn decimal(text: &str) -> Result<Decimal, String> {
    Decimal::parse(text).filter(|d| d.0 >= 0).ok_or_else(|| format!("{text} is no amount"))
}

/// A number or its text, exactly.
fn exact(value: &Value) -> Option<Decimal> {
    match value {
        Value::String(text) => Decimal::parse(text),
        Value::Number(number) => Decimal::parse(&number.to_string()),
        _ => None,
    }
}

/// Runs `drg settle`.
pub fn settle(arguments: &SettleArguments) -> Result<()> {
    let table = prices(&arguments.weights)?;
    let weights: HashMap<&str, Decimal> = table
        .rows
        .iter()
        .filter_map(|row| Some((row.drg.as_str(), Decimal::parse(&row.weight?.to_string())?)))
        .collect();
    let opened = input::open(&arguments.input)?;
    let (mut records, mut bills) = (Vec::new(), Vec::new());
    let mut unpaid = 0;
    for (at, line) in opened.reader.lines().enumerate() {
        let line = line?;
        if line.trim().is_empty() {
            continue;
        }
        let record: Value =
            serde_json::from_str(&line).with_context(|| format!("line {} is no JSON", at + 1))?;
        let group = record["drg"].as_str().unwrap_or_default().to_string();
        let weight = weights.get(group.as_str()).copied();
        unpaid += usize::from(weight.is_none());
        bills.push(Bill {
            hospital: record["hospital"].as_str().unwrap_or_default().to_string(),
            weight: weight.unwrap_or_default(),
            coefficient: exact(&record["coefficient"]).unwrap_or(Decimal::ONE),
            cost: exact(&record["cost"]).map_or(0, Decimal::fen),
            group,
        });
        records.push(record);
    }
    opened.progress.finish_and_clear();
    let method = match (arguments.rate, arguments.budget) {
        (Some(rate), _) => Method::Rate(rate),
        (None, Some(budget)) => Method::Budget(budget.fen()),
        (None, None) => bail!("--rate or --budget is needed"),
    };
    let outliers = Outliers { high: arguments.high, low: arguments.low };
    let settlement = settled(&bills, method, outliers).map_err(|finding| anyhow::anyhow!("{finding}"))?;
    let mut out = files::create(&arguments.out)?;
    for (record, payment) in records.iter_mut().zip(&settlement.payments) {
        record["payment"] = json!(yuan(*payment));
        writeln!(out, "{record}")?;
    }
    out.flush()?;
    for (hospital, (count, cost, payment)) in &settlement.hospitals {
        eprintln!("{hospital}\t{count} cases\tcost {}\tpayment {}", yuan(*cost), yuan(*payment));
    }
    eprintln!(
        "{} cases, {unpaid} without a weight; paid {}",
        bills.len(),
        yuan(settlement.payments.iter().sum())
    );
    if let Some(value) = settlement.point_value {
        eprintln!("a weight of 1 is worth about {} yuan", yuan(value.fen()));
    }
    Ok(())
}

/// Fen as yuan with two places.
fn yuan(fen: i64) -> String {
    format!("{}{}.{:02}", if fen < 0 { "-" } else { "" }, fen.unsigned_abs() / 100, fen.unsigned_abs() % 100)
}
