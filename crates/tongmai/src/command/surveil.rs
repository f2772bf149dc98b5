//! `tongmai surveil`: outbreak detection on files.

use crate::input;
use anyhow::{Context, Result, anyhow};
use clap::Subcommand;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use tongmai_base::Finding;
use tongmai_surveillance::detect::has_model_columns;
use tongmai_surveillance::historical::{MovingPercentile, PERCENTILES, quantile};
use tongmai_surveillance::table::{NamedSeries, RESULT_HEADER, number, quoted, read_series, result_row};
use tongmai_surveillance::{Algorithm, config};

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
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<()> {
    match &arguments.command {
        Command::Detect(arguments) => detect(arguments),
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
