//! `tongmai pull`: a view of a hospital's database, pulled again and again.
//!
//! A shadow run needs no change in the hospital's system: it writes a view as CSV or Excel, and this
//! command takes what is new and what was corrected, however late, and compares counts and sums with
//! what the source says of itself.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use tongmai_base::Finding;
use tongmai_engine::Validation;
use tongmai_gateway::form::pull::{Change, State, View, plan, reconcile};
use tongmai_gateway::form::{Form, sheet};
use tongmai_gateway::pipeline::{Kept, Pipeline};
use tongmai_gateway::{hqms, report_card};

use crate::installation::{Installation, Place};

/// Arguments of `tongmai pull`.
#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    place: Place,
    /// The view: what it is, where it lies, what names a row (see docs/gateway/pull.md).
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Only say what would be taken.
    #[arg(long)]
    dry_run: bool,
    /// Where findings are written, a JSON object a line.
    #[arg(long, value_name = "FILE")]
    findings: Option<PathBuf>,
}

/// The file that says what a view is. Paths are taken from its folder.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    /// Name under which the state is kept.
    name: String,
    /// The file, CSV or Excel.
    source: PathBuf,
    /// A shipped form: hqms or report-card.
    form: Option<String>,
    /// A table of the site instead: columns to elements.
    table: Option<PathBuf>,
    /// Columns that name a row; those of the form where none are named.
    #[serde(default)]
    key: Vec<String>,
    /// Column of the last change.
    #[serde(default)]
    watermark: String,
    /// Columns whose sums are compared.
    #[serde(default)]
    sums: Vec<String>,
    /// What the source says of itself: `name,value` lines, with `count` and the sums.
    control: Option<PathBuf>,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let (config, folder) = config(&arguments.config)?;
    let own;
    let form = match (config.form.as_deref(), &config.table) {
        (Some("hqms"), None) => hqms::form(),
        (Some("report-card"), None) => report_card::form(),
        (None, Some(table)) => {
            let path = folder.join(table);
            let text =
                std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
            own = Form::read(&text).map_err(|error| anyhow::anyhow!("{}: {error}", path.display()))?;
            &own
        }
        (Some(other), None) => bail!("'{other}' is no form: write hqms or report-card, or name a table"),
        _ => bail!("{} names neither a form nor a table, or both", arguments.config.display()),
    };
    let view = View { key: config.key, watermark: config.watermark, sums: config.sums };
    let source = folder.join(&config.source);
    let bytes = std::fs::read(&source).with_context(|| format!("cannot read {}", source.display()))?;
    let (records, mut findings) = form.records_of_sheet(&bytes);
    if records.is_empty() {
        let why = findings.iter().max_by_key(|f| f.severity).map(ToString::to_string).unwrap_or_default();
        bail!("{}: no row can be read: {why}", source.display());
    }
    let installation = Installation::open(&arguments.place, Validation::Reject)?;
    let state_file = installation.folder.join("pull").join(format!("{}.state", config.name));
    let mut state = read_state(&state_file)?;
    let plan = plan(form, &view, &records, &state);
    findings.extend(plan.findings);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let pipeline = Pipeline::new(installation.engine.clone(), installation.access.clone());
    let (mut new, mut corrected, mut late, mut aside, mut waiting) = (0, 0, 0, 0, 0);
    for planned in plan.rows.iter().filter(|planned| planned.change != Change::Unchanged) {
        let mut record = records[planned.index].clone();
        record.unknown.retain(|(name, _)| !name.eq_ignore_ascii_case(&view.watermark));
        let understood = form.understand(&record);
        new += usize::from(planned.change == Change::New);
        corrected += usize::from(planned.change == Change::Corrected);
        late += usize::from(planned.late);
        if arguments.dry_run {
            findings.extend(understood.findings);
            continue;
        }
        // The version stands with the original, so that values which come back are not taken for the same message.
        let original = format!(
            "{}# version {}\n",
            form.sheet(std::slice::from_ref(&record), false),
            planned.row.version
        );
        let receipt = runtime.block_on(pipeline.keep(understood, original.as_bytes(), "text/csv"));
        findings.extend(receipt.findings);
        match receipt.kept {
            Kept::Committed | Kept::Before => state.take(planned),
            Kept::SetAside => {
                aside += 1;
                state.take(planned);
            }
            Kept::NotNow => waiting += 1,
        }
    }
    if !arguments.dry_run {
        write_state(&state_file, &state)?;
    }
    let unchanged = plan.rows.len() - new - corrected;
    println!(
        "{new} new, {corrected} corrected ({late} of them late), {unchanged} unchanged, {} gone from the source, {aside} set aside, watermark {}",
        plan.gone.len(),
        or_none(&state.watermark)
    );
    let unequal = match &config.control {
        Some(control) => reconcile(&view, &state, &control_of(&folder.join(control))?),
        None => Vec::new(),
    };
    findings.extend(unequal.iter().cloned());
    if let Some(path) = &arguments.findings {
        write_findings(path, &source, &findings)?;
    }
    if waiting > 0 {
        bail!("{waiting} rows could not be committed now; pull again");
    }
    if let Some(first) = unequal.first().filter(|_| !arguments.dry_run) {
        bail!("{} figures do not agree with the source: {first}", unequal.len());
    }
    Ok(())
}

fn or_none(text: &str) -> &str {
    if text.is_empty() { "none" } else { text }
}

/// The configuration and the folder that its paths begin at.
fn config(path: &Path) -> Result<(Config, PathBuf)> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let config: Config = toml::from_str(&text).with_context(|| path.display().to_string())?;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if config.name.is_empty() || !config.name.chars().all(plain) {
        bail!("{}: name '{}' may hold letters, digits, - and _ only", path.display(), config.name);
    }
    Ok((config, path.parent().unwrap_or(Path::new("")).to_owned()))
}

fn read_state(path: &Path) -> Result<State> {
    match std::fs::read_to_string(path) {
        Ok(text) => State::read(&text).map_err(|error| {
            anyhow::anyhow!("{}: {error}; move it away to take every row again", path.display())
        }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(State::default()),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

/// Puts the state in place whole: a torn one would take rows twice, or never.
fn write_state(path: &Path, state: &State) -> Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let beside = path.with_extension("new");
    let mut file = File::create(&beside).with_context(|| format!("cannot write {}", beside.display()))?;
    file.write_all(state.write().as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&beside, path)?;
    File::open(folder)?.sync_all()?;
    Ok(())
}

/// `name,value` lines.
fn control_of(path: &Path) -> Result<Vec<(String, String)>> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let (rows, _) = sheet::rows(&bytes);
    let pairs = rows.into_iter().filter_map(|row| match row.as_slice() {
        [name, value, ..] if !value.trim().is_empty() => {
            Some((name.trim().to_owned(), value.trim().to_owned()))
        }
        _ => None,
    });
    Ok(pairs.collect())
}

fn write_findings(path: &Path, source: &Path, findings: &[Finding]) -> Result<()> {
    let mut out = std::io::BufWriter::new(
        File::create(path).with_context(|| format!("cannot write {}", path.display()))?,
    );
    for finding in findings {
        super::convert::write_finding(&mut out, source, finding)?;
    }
    out.flush()?;
    Ok(())
}
