//! Series and results as tables of text.

use crate::series::{Point, RawRow, Series, clean};
use std::collections::HashMap;
use tongmai_base::Finding;
use tongmai_base::time::{days_from_civil, days_in_month};

/// A series with the names under which its table knows it.
#[derive(Debug, Clone)]
pub struct NamedSeries {
    /// Name of the data set.
    pub dataset: String,
    /// Name of the place or stratum.
    pub unit: String,
    /// The counts.
    pub series: Series,
}

/// Columns of the result of every method, as in R's reference output.
pub const RESULT_HEADER: &str =
    "algo,config,dataset,unit,t,upperbound,alarm,expected,score,trend,pvalue,mu0,phi";

/// Reads series in long form: one row a point, with the columns `dataset`,
/// `unit`, `t`, `freq`, `observed` and, if known, `date`, `period` and
/// `population`. Series come in the order of their first row.
pub fn read_series(text: &str) -> Result<(Vec<NamedSeries>, Vec<Finding>), String> {
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(text.as_bytes());
    let header = reader.headers().map_err(|e| e.to_string())?.clone();
    let find = |name: &str| header.iter().position(|h| h.trim_start_matches('\u{feff}').trim() == name);
    let need = |name: &str| find(name).ok_or(format!("column \"{name}\" is missing"));
    let (dataset, unit, t, observed) = (need("dataset")?, need("unit")?, need("t")?, need("observed")?);
    let (freq, date, period, population) = (find("freq"), find("date"), find("period"), find("population"));
    let mut findings = Vec::new();
    let mut order: Vec<(String, String, usize, Vec<RawRow>)> = Vec::new();
    let mut index: HashMap<(String, String), usize> = HashMap::new();
    for (line, record) in reader.records().enumerate() {
        let at = format!("line {}", line + 2);
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                findings.push(Finding::error(at, "unreadable-row", error.to_string()));
                continue;
            }
        };
        let cell = |column: usize| record.get(column).unwrap_or("").trim();
        let optional = |column: Option<usize>| column.map_or("", cell);
        let Ok(point) = cell(t).parse::<i64>() else {
            findings.push(Finding::error(at, "bad-time", "the number of the point is no whole number"));
            continue;
        };
        let key = (cell(dataset).to_owned(), cell(unit).to_owned());
        let frequency = optional(freq).parse::<f64>().map_or(52, |f| f as usize);
        let slot = *index.entry(key.clone()).or_insert_with(|| {
            order.push((key.0, key.1, frequency, Vec::new()));
            order.len() - 1
        });
        order[slot].3.push(RawRow {
            t: point,
            observed: cell(observed).parse().unwrap_or(f64::NAN),
            population: optional(population).parse().unwrap_or(f64::NAN),
            day: parse_date(optional(date)),
            period: optional(period).parse().ok(),
        });
    }
    let series = order.into_iter().map(|(dataset, unit, frequency, mut rows)| {
        let (series, mut found) = clean(&format!("{dataset}/{unit}"), &mut rows, frequency);
        findings.append(&mut found);
        NamedSeries { dataset, unit, series }
    });
    Ok((series.collect(), findings))
}

/// `YYYY-MM-DD` or `YYYY/M/D` as days since 1970-01-01.
pub fn parse_date(text: &str) -> Option<i64> {
    let mut parts = text.split(['-', '/']);
    let year: i64 = parts.next()?.parse().ok()?;
    let month: u32 = parts.next()?.parse().ok()?;
    let day: u32 = parts.next()?.parse().ok()?;
    let valid = parts.next().is_none()
        && (1..=9999).contains(&year)
        && (1..=12).contains(&month)
        && (1..=days_in_month(year, month)).contains(&day);
    valid.then(|| days_from_civil(year, month, day))
}

/// A number as R writes it: empty for a missing one.
pub fn number(value: f64) -> String {
    if value.is_nan() {
        String::new()
    } else if value.is_infinite() {
        if value > 0.0 { "Inf".into() } else { "-Inf".into() }
    } else {
        format!("{value}")
    }
}

/// One row under [`RESULT_HEADER`], without its end of line. `model` writes the
/// columns of the model; without it they stay empty, as in R.
pub fn result_row(names: [&str; 4], point: &Point, model: bool) -> String {
    let alarm = match point.alarm {
        None => "NA",
        Some(true) => "1",
        Some(false) => "0",
    };
    let mut row = String::new();
    for name in names {
        row.push_str(&quoted(name));
        row.push(',');
    }
    row.push_str(&format!("{},{},{alarm}", point.t, number(point.upperbound)));
    for value in [point.expected, point.score, point.trend, point.pvalue, point.mu0, point.phi] {
        row.push(',');
        if model {
            row.push_str(&number(value));
        }
    }
    row
}

/// A cell of a comma-separated table.
pub fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}
