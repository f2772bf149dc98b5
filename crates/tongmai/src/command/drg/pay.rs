//! `tongmai drg price` and `tongmai drg settle`: price tables and payment.

use super::{files, scheme, tables};
use crate::input;
use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};
use tongmai_drg::payment::{Bill, Decimal, Method, Outliers, PriceTable, settle as settled, yuan};

/// Arguments of `drg price`.
#[derive(Args)]
pub struct PriceArguments {
    /// The price table (.csv in UTF-8 or GBK).
    table: PathBuf,
}

fn prices(path: &Path) -> Result<PriceTable> {
    let (table, findings) = PriceTable::read(&tables::rows(path)?)
        .map_err(|finding| anyhow::anyhow!("{}: {finding}", path.display()))?;
    findings.iter().for_each(|finding| eprintln!("{finding}"));
    Ok(table)
}

/// The weights of a published table, by group; the first row of a group counts.
pub fn weights(path: &Path) -> Result<BTreeMap<String, Decimal>> {
    let mut weights = BTreeMap::new();
    for row in prices(path)?.rows {
        if let Some(weight) = row.weight.and_then(|weight| Decimal::parse(&weight.to_string())) {
            weights.entry(row.drg).or_insert(weight);
        }
    }
    Ok(weights)
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
    #[arg(long, value_name = "FILE", required_unless_present = "scheme", conflicts_with = "scheme")]
    weights: Option<PathBuf>,
    /// A payment scheme (.json): pools, levels, outliers, long stays, caps, single reviews, communities.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["rate", "budget", "high", "low"])]
    scheme: Option<PathBuf>,
    /// Pay a month in advance, at the expected value of a point of each pool: resident=52.8,employee=53.8.
    #[arg(long, value_delimiter = ',', value_parser = expected, requires = "scheme")]
    month: Vec<(String, Decimal)>,
    /// Grouped cases (.jsonl) with `drg`, `cost` in yuan, `hospital` and perhaps `coefficient`.
    #[arg(long = "in", value_name = "FILE")]
    input: PathBuf,
    /// Where the cases with their payment go.
    #[arg(long, value_name = "FILE", default_value = "-")]
    out: PathBuf,
    /// Yuan a weight of 1.
    #[arg(long, conflicts_with = "budget", required_unless_present_any = ["budget", "scheme"], value_parser = decimal)]
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

pub fn decimal(text: &str) -> Result<Decimal, String> {
    Decimal::parse(text).filter(|d| d.0 >= 0).ok_or_else(|| format!("{text} is no amount"))
}

fn expected(text: &str) -> Result<(String, Decimal), String> {
    let (pool, value) = text.split_once('=').ok_or("POOL=YUAN expected, such as resident=52.8")?;
    Ok((pool.to_string(), decimal(value)?))
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
    if let Some(path) = &arguments.scheme {
        let month = (!arguments.month.is_empty()).then_some(arguments.month.as_slice());
        return scheme::pay(path, &arguments.input, &arguments.out, month);
    }
    let Some(weights) = &arguments.weights else { bail!("--weights or --scheme is needed") };
    let table = prices(weights)?;
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
