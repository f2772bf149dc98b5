//! `tongmai identity`: find records of one person in files, without truth.

mod desk;

use crate::input;
use anyhow::{Context, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};
use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::Write;
use std::path::{Path, PathBuf};
use tongmai_base::Finding;
use tongmai_engine::person::ruling::Kind;
use tongmai_identity::evaluate::{self, Counts};
use tongmai_identity::generate::{Generator, HEADER};
use tongmai_identity::link::{Outcome, Settings, Zone, link};
use tongmai_identity::population::{Builder, Population, RecordId};
use tongmai_identity::schema::Schema;

/// Arguments of `tongmai identity`.
#[derive(clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Find the persons in one file.
    Dedupe(Dedupe),
    /// Find the same persons in several files, each of which holds a person once.
    Link(Dedupe),
    /// Measure clusters or pairs against a truth.
    Evaluate(Evaluate),
    /// Write invented Chinese records with their truth (`entity`), for trials and benches.
    Generate(Generate),
    /// Show the pairs of an installation that wait for a person.
    Desk(desk::Desk),
    /// Say that two patients are one person.
    Merge(desk::Decision),
    /// Say that two patients are not the same person, now and later.
    NotSame(desk::Decision),
    /// Take patients out of their person; several become one person together.
    Split(desk::Decision),
    /// Take a ruling back.
    Undo(desk::Undo),
    /// Show the person of a patient and what was decided, by whom and why.
    History(desk::History),
}

#[derive(clap::Args)]
struct Dedupe {
    /// CSV file with a header (`.gz` and `.zst` too, `-` for standard input); may be given several times.
    #[arg(long = "in", required = true)]
    inputs: Vec<PathBuf>,
    /// Which column holds what (TOML, one column a line).
    #[arg(long)]
    fields: PathBuf,
    /// Where to write `record_id,cluster_id`.
    #[arg(long)]
    out: PathBuf,
    /// Where to write `left,right,probability,zone`.
    #[arg(long)]
    pairs: Option<PathBuf>,
    /// Share of the automatic links that shall be true, from 0.5 to below 1.
    #[arg(long, value_name = "SHARE", default_value_t = Settings::default().wanted_precision)]
    precision: f64,
}

#[derive(clap::Args)]
struct Generate {
    /// Number of records.
    #[arg(long, default_value_t = 10_000)]
    records: usize,
    /// The same seed gives the same records.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where to write the CSV.
    #[arg(long)]
    out: PathBuf,
}

#[derive(clap::Args)]
struct Evaluate {
    /// Clusters as `dedupe` and `link` write them.
    #[arg(long)]
    clusters: Option<PathBuf>,
    /// Pairs as `dedupe` and `link` write them; those of the automatic zone are measured.
    #[arg(long)]
    pairs: Option<PathBuf>,
    /// CSV with the true person of each record.
    #[arg(long, conflicts_with = "truth_pairs", required_unless_present = "truth_pairs")]
    truth: Option<PathBuf>,
    /// Column of the record's key in the truth.
    #[arg(long, default_value = "record_id")]
    id: String,
    /// Column of the person in the truth.
    #[arg(long, default_value = "cluster_id")]
    entity: String,
    /// CSV whose first two columns are the true links.
    #[arg(long)]
    truth_pairs: Option<PathBuf>,
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<()> {
    match &arguments.command {
        Command::Dedupe(dedupe) => match_files(dedupe, false),
        Command::Link(dedupe) => {
            if dedupe.inputs.len() < 2 {
                bail!("link needs at least two files: --in A.csv --in B.csv");
            }
            match_files(dedupe, true)
        }
        Command::Evaluate(evaluate) => measure(evaluate),
        Command::Generate(generate) => invent(generate),
        Command::Desk(arguments) => desk::show(arguments),
        Command::Merge(arguments) => desk::decide(Kind::Same, arguments),
        Command::NotSame(arguments) => desk::decide(Kind::NotSame, arguments),
        Command::Split(arguments) => desk::decide(Kind::Apart, arguments),
        Command::Undo(arguments) => desk::undo(arguments),
        Command::History(arguments) => desk::history(arguments),
    }
}

fn match_files(arguments: &Dedupe, across: bool) -> Result<()> {
    if !(0.5..1.0).contains(&arguments.precision) {
        bail!(
            "--precision {} is no share of links: write one from 0.5 to below 1, such as 0.9999",
            arguments.precision
        );
    }
    let mapping = input::read_text(&arguments.fields)?;
    let (schema, mut findings) =
        Schema::read(&mapping).with_context(|| format!("{}", arguments.fields.display()))?;
    let mut builder = Builder::new(schema.clone());
    for (source, path) in arguments.inputs.iter().enumerate() {
        let source = u8::try_from(source).context("at most 256 files")?;
        read_file(path, source, &schema, &mut builder, &mut findings)?;
    }
    let (people, more) = builder.finish();
    findings.extend(more);
    report(&findings);
    let spinner = ProgressBar::new_spinner()
        .with_style(
            ProgressStyle::with_template("{spinner} {msg} {elapsed}").expect("the template is a constant"),
        )
        .with_message(format!("comparing {} records", people.len()));
    spinner.enable_steady_tick(std::time::Duration::from_millis(200));
    let settings = Settings { across, wanted_precision: arguments.precision, ..Settings::default() };
    let outcome = link(&people, &settings);
    spinner.finish_and_clear();
    write_clusters(&arguments.out, &people, &outcome)?;
    if let Some(path) = &arguments.pairs {
        write_pairs(path, &people, &outcome)?;
    }
    summarise(&people, &outcome);
    Ok(())
}

/// Rows whose bytes are not UTF-8 are read as GB 18030, as older hospital systems write.
fn decode(bytes: &[u8]) -> (Cow<'_, str>, bool) {
    match std::str::from_utf8(bytes) {
        Ok(text) => (Cow::Borrowed(text), false),
        Err(_) => (encoding_rs::GB18030.decode_without_bom_handling(bytes).0, true),
    }
}

fn read_file(
    path: &Path,
    source: u8,
    schema: &Schema,
    builder: &mut Builder,
    findings: &mut Vec<Finding>,
) -> Result<()> {
    let opened = input::open(path)?;
    let label = path.file_name().map_or_else(|| "-".into(), |name| name.to_string_lossy().into_owned());
    let mut reader = csv::ReaderBuilder::new().flexible(true).has_headers(false).from_reader(opened.reader);
    let mut row = csv::ByteRecord::new();
    if !reader.read_byte_record(&mut row)? {
        bail!("{} is empty", path.display());
    }
    let header: Vec<String> =
        row.iter().map(|field| decode(field).0.trim_start_matches('\u{feff}').trim().to_owned()).collect();
    let mut places = Vec::new();
    for column in &schema.columns {
        match header.iter().position(|name| *name == column.name) {
            Some(place) => places.push(place),
            None => bail!("{} has no column {:?}; it has {}", path.display(), column.name, header.join(", ")),
        }
    }
    let key_column =
        places[schema.columns.iter().position(|column| column.name == schema.record_id()).unwrap_or(0)];
    let mut place = String::new();
    loop {
        match reader.read_byte_record(&mut row) {
            Ok(false) => break,
            Ok(true) => {}
            Err(error) => {
                findings.push(Finding::error(&label, "unreadable-row", error.to_string()));
                continue;
            }
        }
        place.clear();
        let _ = write!(place, "{label}:{}", row.position().map_or(0, csv::Position::line));
        let mut foreign = false;
        let mut field = |at: usize| {
            let (text, other) = decode(row.get(at).unwrap_or_default());
            foreign |= other;
            text
        };
        let fields: Vec<Cow<'_, str>> = places.iter().map(|at| field(*at)).collect();
        if foreign {
            let message = "bytes are not UTF-8; read as GB 18030";
            findings
                .push(Finding::warning(&place, "encoding", message).with_repair("save the file as UTF-8"));
        }
        let surplus = row.iter().skip(header.len()).any(|field| !field.trim_ascii().is_empty());
        if surplus || row.len() < header.len() {
            let message = format!("{} fields where the header has {}", row.len(), header.len());
            findings.push(
                Finding::warning(&place, "shifted-columns", message + "; only the record's key is used")
                    .with_repair("quote fields that hold a comma"),
            );
            let only_key: Vec<&str> = places
                .iter()
                .zip(&fields)
                .map(|(at, text)| if *at == key_column { text.as_ref() } else { "" })
                .collect();
            builder.push(source, &place, &only_key);
            continue;
        }
        let chosen: Vec<&str> = fields.iter().map(Cow::as_ref).collect();
        builder.push(source, &place, &chosen);
    }
    opened.progress.finish_and_clear();
    Ok(())
}

/// Most findings that are printed.
const PRINTED: usize = 200;

fn report(findings: &[Finding]) {
    for finding in findings.iter().take(PRINTED) {
        eprintln!("{finding}");
    }
    if findings.len() > PRINTED {
        eprintln!("… and {} more findings", findings.len() - PRINTED);
    }
}

fn writer(path: &Path) -> Result<csv::Writer<Box<dyn Write>>> {
    let out: Box<dyn Write> = if path.as_os_str() == "-" {
        Box::new(std::io::stdout())
    } else {
        Box::new(std::fs::File::create(path).with_context(|| format!("cannot write {}", path.display()))?)
    };
    Ok(csv::Writer::from_writer(out))
}

fn write_clusters(path: &Path, people: &Population, outcome: &Outcome) -> Result<()> {
    let mut out = writer(path)?;
    out.write_record(["record_id", "cluster_id"])?;
    for (record, cluster) in outcome.clusters.iter().enumerate() {
        out.write_record([people.key(record as RecordId), people.key(*cluster)])?;
    }
    Ok(out.flush()?)
}

fn write_pairs(path: &Path, people: &Population, outcome: &Outcome) -> Result<()> {
    let mut out = writer(path)?;
    out.write_record(["left", "right", "probability", "zone"])?;
    for pair in &outcome.pairs {
        out.write_record([
            people.key(pair.left),
            people.key(pair.right),
            format!("{:.6}", pair.score.probability()).as_str(),
            pair.zone.word(),
        ])?;
    }
    Ok(out.flush()?)
}

fn summarise(people: &Population, outcome: &Outcome) {
    let persons = outcome.clusters.iter().enumerate().filter(|(at, head)| *at as u32 == **head).count();
    let automatic = outcome.pairs.iter().filter(|pair| pair.zone == Zone::Automatic).count();
    eprintln!(
        "{} records, {persons} persons; {} pairs compared, {automatic} linked from probability {:.4}, {} for review",
        people.len(),
        outcome.compared,
        outcome.automatic,
        outcome.pairs.len() - automatic
    );
}

fn invent(arguments: &Generate) -> Result<()> {
    let mut out = writer(&arguments.out)?;
    out.write_record(HEADER)?;
    for record in Generator::new(arguments.seed).take(arguments.records) {
        let head = [record.key.to_string(), record.entity.to_string()];
        out.write_record(head.iter().chain(&record.fields))?;
    }
    Ok(out.flush()?)
}

/// Columns of a CSV by name, or by place where the name is a number.
fn columns(path: &Path, wanted: &[&str]) -> Result<Vec<Vec<String>>> {
    let opened = input::open(path)?;
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(opened.reader);
    let header = reader.headers()?.clone();
    let places: Vec<usize> = wanted
        .iter()
        .map(|name| {
            header
                .iter()
                .position(|column| column.trim_start_matches('\u{feff}') == *name)
                .or_else(|| name.parse().ok().filter(|place| *place < header.len()))
                .with_context(|| format!("{} has no column {name:?}", path.display()))
        })
        .collect::<Result<_>>()?;
    let mut rows = Vec::new();
    for row in reader.records() {
        let row = row?;
        rows.push(places.iter().map(|place| row[*place].to_owned()).collect());
    }
    opened.progress.finish_and_clear();
    Ok(rows)
}

fn two(path: &Path, first: &str, second: &str) -> Result<Vec<(String, String)>> {
    Ok(columns(path, &[first, second])?
        .into_iter()
        .map(|mut row| (std::mem::take(&mut row[0]), std::mem::take(&mut row[1])))
        .collect())
}

/// All pairs of keys that share a group.
fn pairs_within(groups: &[(String, String)]) -> Vec<(String, String)> {
    let mut members: HashMap<&str, Vec<&str>> = HashMap::new();
    for (key, group) in groups {
        members.entry(group).or_default().push(key);
    }
    let mut pairs = Vec::new();
    for keys in members.values() {
        for (at, left) in keys.iter().enumerate() {
            pairs.extend(keys[at + 1..].iter().map(|right| ((*left).to_owned(), (*right).to_owned())));
        }
    }
    pairs
}

fn measure(arguments: &Evaluate) -> Result<()> {
    let truth_pairs = match (&arguments.truth, &arguments.truth_pairs) {
        (Some(path), _) => pairs_within(&two(path, &arguments.id, &arguments.entity)?),
        (None, Some(path)) => two(path, "0", "1")?,
        (None, None) => bail!("give --truth or --truth-pairs"),
    };
    let mut out = std::io::stdout().lock();
    writeln!(out, "measure,precision,recall,f1,hits,false,missed")?;
    let mut line = |label: &str, counts: Counts| {
        writeln!(
            out,
            "{label},{:.5},{:.5},{:.5},{},{},{}",
            counts.precision(),
            counts.recall(),
            counts.f1(),
            counts.hits,
            counts.false_links,
            counts.missed
        )
    };
    if let Some(path) = &arguments.clusters {
        let found = pairs_within(&two(path, "record_id", "cluster_id")?);
        line("cluster", evaluate::pairs(&found, &truth_pairs))?;
    }
    if let Some(path) = &arguments.pairs {
        let found: Vec<(String, String)> = columns(path, &["left", "right", "zone"])?
            .into_iter()
            .filter(|row| row[2] == Zone::Automatic.word())
            .map(|mut row| (std::mem::take(&mut row[0]), std::mem::take(&mut row[1])))
            .collect();
        line("pair", evaluate::pairs(&found, &truth_pairs))?;
    }
    Ok(())
}
