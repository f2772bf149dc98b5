//! `tongmai surveil`: outbreak detection on files.

use crate::input;
use anyhow::{Context, Result, anyhow, bail};
use clap::Subcommand;
use rayon::prelude::*;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use tongmai_base::Finding;
use tongmai_base::time::civil_from_days;
use tongmai_surveillance::combined::Combined;
use tongmai_surveillance::detect::has_model_columns;
use tongmai_surveillance::evaluate::{Judged, Tally};
use tongmai_surveillance::historical::{MovingPercentile, PERCENTILES, quantile};
use tongmai_surveillance::knox::{Event, knox};
use tongmai_surveillance::nowcast::{Method, Nowcast};
use tongmai_surveillance::reproduction::{Prior, discretised_serial_interval, estimate};
use tongmai_surveillance::satscan::Parameters;
use tongmai_surveillance::table::{
    NamedSeries, RESULT_HEADER, number, parse_date, quoted, read_series, result_row,
};
use tongmai_surveillance::{Algorithm, Series, config};

/// Arguments of `tongmai surveil`.
#[derive(clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Judge every point of series by one method.
    Detect(Detect),
    /// Reproduction number Rt from daily new cases.
    Rt(Rt),
    /// Final number of cases of the last days, from dates of onset and report.
    Nowcast(NowcastArguments),
    /// Space-time scan of a study set up for SaTScan.
    Scan(ScanArguments),
    /// Knox's test of space-time interaction.
    Knox(KnoxArguments),
    /// Sensitivity, probability of detection, predictive value, false alarms and delay on simulated truth.
    Evaluate(Evaluate),
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<()> {
    match &arguments.command {
        Command::Detect(arguments) => detect(arguments),
        Command::Rt(arguments) => reproduction(arguments),
        Command::Nowcast(arguments) => nowcast(arguments),
        Command::Scan(arguments) => scan(arguments),
        Command::Knox(arguments) => knox_test(arguments),
        Command::Evaluate(arguments) => evaluate(arguments),
    }
}

#[derive(clap::Args)]
struct Detect {
    /// Method: farringtonFlexible, farrington, earsC, rki1, bayes1, cdc, cusum, glrpois, glrnb, outbreakP, mpm, fixed, …
    #[arg(long)]
    algorithm: String,
    /// Parameters in JSON under one key: {"farringtonFlexible/ff_default": {…}}
    #[arg(long)]
    config: PathBuf,
    /// Series in long form with the columns dataset,unit,t,freq,observed and, if known, date,period,population
    #[arg(long = "in")]
    input: PathBuf,
    /// Result, one row a point
    #[arg(long)]
    out: PathBuf,
    /// Every repair of the input and every point without an answer, with its reason
    #[arg(long)]
    findings: Option<PathBuf>,
}

fn detect(arguments: &Detect) -> Result<()> {
    let text = input::read_text(&arguments.config)?;
    let named = config::parse(&text)
        .map_err(|e| anyhow!(e))
        .with_context(|| arguments.config.display().to_string())?;
    let algorithm = config::algorithm(&arguments.algorithm, &named.parameters).map_err(|e| anyhow!(e))?;
    let (series, mut findings) = series_of(&arguments.input)?;
    let mut out = create(&arguments.out)?;
    if let Algorithm::MovingPercentile(method) = &algorithm {
        // Three and five years side by side unless one is asked for.
        let years = if named.parameters.contains_key("years") { vec![method.years] } else { vec![3, 5] };
        write_percentiles(&mut out, &series, method, &years)?;
    } else {
        writeln!(out, "{RESULT_HEADER}")?;
        let model = has_model_columns(&algorithm);
        for named_series in &series {
            let points = algorithm.detect(&named_series.series);
            if points.is_empty() {
                findings.push(Finding::warning(
                    format!("{}/{}", named_series.dataset, named_series.unit),
                    "too-little-history",
                    "no point of the series has the history that the method needs",
                ));
            }
            let names =
                [arguments.algorithm.as_str(), &named.config, &named_series.dataset, &named_series.unit];
            for point in &points {
                writeln!(out, "{}", result_row(names, point, model))?;
                if let Some(reason) = point.reason {
                    let at = format!("{}/{} t={}", named_series.dataset, named_series.unit, point.t);
                    findings.push(Finding::warning(at, reason.code(), reason.to_string()));
                }
            }
        }
    }
    out.flush()?;
    report(&findings, arguments.findings.as_deref())
}

fn write_percentiles(
    out: &mut impl Write,
    series: &[NamedSeries],
    method: &MovingPercentile,
    years: &[usize],
) -> Result<()> {
    let names: Vec<String> = PERCENTILES.iter().map(|p| format!("P{:.0}", p * 100.0)).collect();
    writeln!(out, "dataset,unit,t,years,observed,{}", names.join(","))?;
    for NamedSeries { dataset, unit, series } in series {
        for &years in years {
            let method = MovingPercentile { years, ..method.clone() };
            let (first, last) = method.testable(series);
            for t in first..=last {
                let observed = number(series.observed[t - 1]);
                write!(out, "{},{},{t},{years},{observed}", quoted(dataset), quoted(unit))?;
                let baseline = method.baseline(series, t - 1).ok();
                for p in PERCENTILES {
                    let value = baseline.as_ref().map_or(f64::NAN, |values| quantile(values, p));
                    write!(out, ",{}", number(value))?;
                }
                writeln!(out)?;
            }
        }
    }
    Ok(())
}

fn series_of(path: &Path) -> Result<(Vec<NamedSeries>, Vec<Finding>)> {
    let text = input::read_text(path)?;
    read_series(&text).map_err(|e| anyhow!(e)).with_context(|| path.display().to_string())
}

fn create(path: &Path) -> Result<BufWriter<File>> {
    let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(BufWriter::new(file))
}

/// Writes all findings to `path`; without one, says on standard error how many
/// there are of each kind.
fn report(findings: &[Finding], path: Option<&Path>) -> Result<()> {
    let Some(path) = path else {
        let mut kinds = std::collections::BTreeMap::<&str, (usize, &Finding)>::new();
        for finding in findings {
            kinds.entry(&finding.code).or_insert((0, finding)).0 += 1;
        }
        for (kind, (count, first)) in kinds {
            eprintln!("{count} × {kind}, first at {}: {}", first.path, first.message);
        }
        return Ok(());
    };
    let mut out = create(path)?;
    writeln!(out, "severity,at,code,message")?;
    for finding in findings {
        let Finding { severity, path, code, message, .. } = finding;
        writeln!(out, "{},{},{code},{}", severity.code(), quoted(path), quoted(message))?;
    }
    out.flush()?;
    Ok(())
}

#[derive(clap::Args)]
struct Rt {
    /// New cases: columns dataset,t,I
    #[arg(long = "in")]
    input: PathBuf,
    /// Serial interval: columns dataset,lag,w from lag 0
    #[arg(long, conflicts_with_all = ["si_mean", "si_sd"])]
    si: Option<PathBuf>,
    /// Mean serial interval in days, when no distribution is given
    #[arg(long, requires = "si_sd")]
    si_mean: Option<f64>,
    /// Standard deviation of the serial interval
    #[arg(long, requires = "si_mean")]
    si_sd: Option<f64>,
    /// Length of the windows in days
    #[arg(long, default_value_t = 7)]
    window: usize,
    /// Prior mean of Rt
    #[arg(long, default_value_t = 5.0)]
    prior_mean: f64,
    /// Prior standard deviation of Rt
    #[arg(long, default_value_t = 5.0)]
    prior_sd: f64,
    /// Name in the column config
    #[arg(long, default_value = "weekly")]
    config: String,
    /// Result, one row a window
    #[arg(long)]
    out: PathBuf,
}

fn reproduction(arguments: &Rt) -> Result<()> {
    let incidence = columns(&arguments.input, &["dataset", "I"])?;
    let intervals = arguments.si.as_deref().map(|path| columns(path, &["dataset", "w"])).transpose()?;
    let prior = Prior { mean: arguments.prior_mean, sd: arguments.prior_sd };
    let mut out = create(&arguments.out)?;
    writeln!(out, "dataset,config,t_start,t_end,mean,sd,q025,q05,median,q95,q975")?;
    for (dataset, cases) in by_first(&incidence) {
        let serial = match (&intervals, arguments.si_mean, arguments.si_sd) {
            (Some(rows), _, _) => {
                by_first(rows)
                    .into_iter()
                    .find(|(name, _)| *name == dataset)
                    .with_context(|| format!("no serial interval for {dataset}"))?
                    .1
            }
            (None, Some(mean), Some(sd)) => discretised_serial_interval(cases.len(), mean, sd),
            _ => bail!("give --si, or --si-mean and --si-sd"),
        };
        let estimates =
            estimate(&cases, &serial, arguments.window, prior).map_err(|e| anyhow!("{dataset}: {e}"))?;
        for e in estimates {
            write!(out, "{},{},{},{}", quoted(&dataset), quoted(&arguments.config), e.start, e.end)?;
            let quantiles = [0.025, 0.05, 0.5, 0.95, 0.975].map(|p| e.quantile(p));
            for value in [e.mean, e.sd].into_iter().chain(quantiles) {
                write!(out, ",{}", number(value))?;
            }
            writeln!(out)?;
        }
    }
    Ok(out.flush()?)
}

#[derive(clap::Args)]
struct NowcastArguments {
    /// Line list
    #[arg(long = "in")]
    input: PathBuf,
    /// Column of the date of onset or admission
    #[arg(long, default_value = "dHosp")]
    event: String,
    /// Column of the date of report
    #[arg(long, default_value = "dReport")]
    report: String,
    /// The day on which one stands
    #[arg(long)]
    now: String,
    /// First day of onset; the earliest in the list when absent
    #[arg(long)]
    from: Option<String>,
    /// Method: lawless or unif
    #[arg(long, default_value = "lawless")]
    method: String,
    /// Longest delay in days
    #[arg(long = "longest-delay", default_value_t = 15)]
    longest_delay: usize,
    /// Days of onset from which delays are learnt
    #[arg(long)]
    window: Option<usize>,
    /// Largest daily number thought of
    #[arg(long, default_value_t = 300)]
    largest: usize,
    /// Level of the prediction interval
    #[arg(long, default_value_t = 0.05)]
    alpha: f64,
    /// Add the uncertainty of the delays to the interval
    #[arg(long)]
    delay_uncertainty: bool,
    /// Result, one row a day
    #[arg(long)]
    out: PathBuf,
}

fn nowcast(arguments: &NowcastArguments) -> Result<()> {
    let date = |text: &str| parse_date(text).with_context(|| format!("\"{text}\" is no date"));
    let now = date(&arguments.now)?;
    let rows = columns(&arguments.input, &[&arguments.event, &arguments.report])?;
    let cases: Vec<(i64, i64)> =
        rows.iter().filter_map(|row| Some((parse_date(&row[0])?, parse_date(&row[1])?))).collect();
    if cases.len() < rows.len() {
        eprintln!("{} × missing-date: rows without both dates are left out", rows.len() - cases.len());
    }
    let earliest = cases.iter().map(|case| case.0).min().context("no case has both dates")?;
    let first = arguments.from.as_deref().map(date).transpose()?.unwrap_or(earliest);
    let method = match arguments.method.as_str() {
        "lawless" => Method::Lawless,
        "unif" => Method::Uniform,
        other => bail!("unknown method {other}: lawless or unif"),
    };
    let nowcast = Nowcast {
        method,
        longest_delay: arguments.longest_delay,
        window: arguments.window,
        largest: arguments.largest,
        alpha: arguments.alpha,
        delay_uncertainty: arguments.delay_uncertainty,
    };
    let predictions = nowcast.predict(&cases, first, now).map_err(|e| anyhow!(e))?;
    let mut out = create(&arguments.out)?;
    writeln!(out, "method,date,observed,nowcast,lwr,upr")?;
    for p in predictions {
        let row = format!("{},{},{},{}", p.observed, p.median, p.lower, p.upper);
        writeln!(out, "{},{},{row}", arguments.method, date_text(p.day))?;
    }
    Ok(out.flush()?)
}

#[derive(clap::Args)]
struct ScanArguments {
    /// Parameter file of SaTScan; the files it names are looked for beside it
    #[arg(long)]
    prm: PathBuf,
    /// Seed of the Monte Carlo replications
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Clusters as JSON
    #[arg(long)]
    out: PathBuf,
}

fn scan(arguments: &ScanArguments) -> Result<()> {
    let parameters = Parameters::parse(&input::read_text(&arguments.prm)?);
    let beside = |key: &str| arguments.prm.with_file_name(parameters.get(key));
    let cases = input::read_text(&beside("CaseFile"))?;
    let places = input::read_text(&beside("CoordinatesFile"))?;
    let population = match parameters.get("PopulationFile") {
        "" => None,
        _ => Some(input::read_text(&beside("PopulationFile"))?),
    };
    let study = parameters
        .study(&cases, &places, population.as_deref(), arguments.seed)
        .map_err(|e| anyhow!(e))
        .with_context(|| arguments.prm.display().to_string())?;
    let clusters: Vec<serde_json::Value> = study
        .run()
        .map_err(|e| anyhow!(e))?
        .iter()
        .map(|cluster| {
            let (from, to) = study.days(cluster);
            let names: Vec<&str> = cluster.places.iter().map(|&i| study.names[i].as_str()).collect();
            serde_json::json!({
                "locations": names,
                "radius_km": cluster.radius,
                "from": date_text(from),
                "to": date_text(to),
                "cases": cluster.cases,
                "expected": cluster.expected,
                "statistic": cluster.statistic,
                "p": cluster.p,
            })
        })
        .collect();
    let result = serde_json::json!({
        "total_cases": study.total_cases(),
        "locations": study.names.len(),
        "clusters": clusters,
    });
    let mut out = create(&arguments.out)?;
    writeln!(out, "{}", serde_json::to_string_pretty(&result)?)?;
    Ok(out.flush()?)
}

#[derive(clap::Args)]
struct KnoxArguments {
    /// Events with the columns time,x,y and, if known, type
    #[arg(long = "in")]
    input: PathBuf,
    /// Pairs at most so far apart in time are near
    #[arg(long)]
    near_time: f64,
    /// Pairs at most so far apart in space are near
    #[arg(long)]
    near_space: f64,
    /// Result, one row a type
    #[arg(long)]
    out: PathBuf,
}

fn knox_test(arguments: &KnoxArguments) -> Result<()> {
    let rows = columns(&arguments.input, &["time", "x", "y"])?;
    let types =
        columns(&arguments.input, &["type"]).unwrap_or_else(|_| vec![vec![String::new()]; rows.len()]);
    let mut by_type = std::collections::BTreeMap::<&str, Vec<Event>>::new();
    let mut unusable = 0;
    for (row, kind) in rows.iter().zip(&types) {
        match (row[0].parse(), row[1].parse(), row[2].parse()) {
            (Ok(time), Ok(x), Ok(y)) => by_type.entry(&kind[0]).or_default().push(Event { time, x, y }),
            _ => unusable += 1,
        }
    }
    if unusable > 0 {
        eprintln!("{unusable} × missing-value: events without time or place are left out");
    }
    let mut out = create(&arguments.out)?;
    writeln!(out, "type,eps_t,eps_s,observed,expected,p_poisson")?;
    for (kind, events) in by_type {
        let found = knox(&events, arguments.near_time, arguments.near_space);
        let names = format!("{},{},{}", quoted(kind), arguments.near_time, arguments.near_space);
        writeln!(out, "{names},{},{},{}", found.observed, number(found.expected), number(found.p_poisson))?;
    }
    Ok(out.flush()?)
}

#[derive(clap::Args)]
struct Evaluate {
    /// Simulated series with truth: columns scenario,rep,t,y,cur (outbreak cases)
    #[arg(long = "in")]
    input: PathBuf,
    /// A method as in `detect`, or `combined`
    #[arg(long, default_value = "combined")]
    algorithm: String,
    /// Parameters in JSON as in `detect`; not for `combined`
    #[arg(long)]
    config: Option<PathBuf>,
    /// Points at the end of each series that are judged
    #[arg(long, default_value_t = 49)]
    last: usize,
    /// Points in a year
    #[arg(long, default_value_t = 52)]
    frequency: usize,
    /// Alarm threshold of `combined`
    #[arg(long)]
    alarm: Option<f64>,
}

fn evaluate(arguments: &Evaluate) -> Result<()> {
    let rows = columns(&arguments.input, &["scenario", "rep", "y", "cur"])?;
    let mut all: Vec<(String, Vec<f64>, Vec<f64>)> = Vec::new();
    for row in &rows {
        let key = format!("{}/{}", row[0], row[1]);
        if all.last().is_none_or(|(last, ..)| *last != key) {
            all.push((key, Vec::new(), Vec::new()));
        }
        if let Some((_, counts, outbreak)) = all.last_mut() {
            counts.push(row[2].parse().unwrap_or(f64::NAN));
            outbreak.push(row[3].parse().unwrap_or(0.0));
        }
    }
    let named = arguments.config.as_deref().map(|path| -> Result<config::Named> {
        config::parse(&input::read_text(path)?).map_err(|e| anyhow!(e))
    });
    let parameters = named.transpose()?.map(|named| named.parameters).unwrap_or_default();
    let judged = all
        .par_iter()
        .map(|(_, counts, outbreak)| {
            let n = counts.len();
            let first = n.saturating_sub(arguments.last);
            let series =
                Series { observed: counts.clone(), frequency: arguments.frequency, ..Series::default() };
            let points = if arguments.algorithm == "combined" {
                let default = Combined::default();
                let alarm = arguments.alarm.unwrap_or(default.alarm);
                Combined { range: Some((first + 1, n)), alarm, ..default }.detect(&series)
            } else {
                let mut parameters = parameters.clone();
                parameters.insert("range".into(), serde_json::json!([first + 1, n]));
                config::algorithm(&arguments.algorithm, &parameters).map_err(|e| anyhow!(e))?.detect(&series)
            };
            let mut alarms = vec![false; n - first];
            for point in points {
                alarms[point.t - 1 - first] = point.alarm == Some(true);
            }
            Ok(Judged { alarms, outbreak: outbreak[first..].to_vec() })
        })
        .collect::<Result<Vec<Judged>>>()?;
    let mut tally = Tally::default();
    judged.iter().for_each(|judged| tally.add(judged));
    println!("series                    {}", tally.series);
    println!("false-positive rate       {:.4}", tally.false_positive_rate());
    println!("sensitivity               {:.4}", tally.sensitivity());
    println!("probability of detection  {:.4}", tally.probability_of_detection());
    println!("detected in first week    {:.4}", tally.detected_at_once());
    println!("positive predictive value {:.4}", tally.positive_predictive_value());
    println!("mean delay in points      {:.2}", tally.mean_delay());
    Ok(())
}

/// The named columns of a table, as text.
fn columns(path: &Path, names: &[&str]) -> Result<Vec<Vec<String>>> {
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(input::open(path)?.reader);
    let header = reader.headers()?.clone();
    let places = names
        .iter()
        .map(|name| {
            header.iter().position(|h| h.trim() == *name).with_context(|| format!("no column {name}"))
        })
        .collect::<Result<Vec<usize>>>()
        .with_context(|| path.display().to_string())?;
    let cell = |record: &csv::StringRecord, i: &usize| record.get(*i).unwrap_or("").trim().to_owned();
    reader
        .records()
        .map(|record| record.map(|r| places.iter().map(|i| cell(&r, i)).collect()))
        .map(|r| Ok(r?))
        .collect()
}

/// Numbers of the second column by name in the first, in the order of the table.
fn by_first(rows: &[Vec<String>]) -> Vec<(String, Vec<f64>)> {
    let mut all: Vec<(String, Vec<f64>)> = Vec::new();
    for row in rows {
        let value = row[1].parse().unwrap_or(f64::NAN);
        match all.iter_mut().find(|(name, _)| *name == row[0]) {
            Some((_, values)) => values.push(value),
            None => all.push((row[0].clone(), vec![value])),
        }
    }
    all
}

fn date_text(day: i64) -> String {
    let (year, month, day) = civil_from_days(day);
    format!("{year:04}-{month:02}-{day:02}")
}
