//! `tongmai engage …`: participation from the command line.

use crate::input::read_text;
use anyhow::{Context, Result, anyhow, bail};
use clap::{Args, Subcommand};
use serde_json::Value;
use std::path::{Path, PathBuf};
use tongmai_base::Finding;
use tongmai_engagement::eq5d::{State, ValueSet, decimal};
use tongmai_engagement::{matching, opinion, preference};

/// Arguments of `tongmai engage`.
#[derive(Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Estimate what people prefer from choice tasks (a row an alternative).
    Preference(PreferenceArguments),
    /// Opinion groups, group-informed consensus and what each group stands for.
    Opinion(OpinionArguments),
    /// Compute a published conversation anew and compare, byte by byte.
    Replay(ReplayArguments),
    /// Values of EQ-5D-5L health states.
    Eq5d(Eq5dArguments),
    /// The best assignment of offers to needs, with the reason for every refusal.
    Match(MatchArguments),
}

#[derive(Args)]
struct Conversation {
    /// Votes: participants-votes.csv (a row a participant) or votes.json (.gz, .zst or - too).
    #[arg(long, value_name = "FILE")]
    votes: PathBuf,
    /// Statements with their moderation: comments.csv or comments.json.
    #[arg(long, value_name = "FILE")]
    comments: Option<PathBuf>,
    /// Leave out statements nobody has moderated yet.
    #[arg(long)]
    strict_moderation: bool,
}

#[derive(Args)]
struct OpinionArguments {
    #[command(flatten)]
    conversation: Conversation,
    /// Where to write the result as JSON; standard output when absent.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Args)]
struct ReplayArguments {
    #[command(flatten)]
    conversation: Conversation,
    /// The published result.
    #[arg(long, value_name = "FILE")]
    result: PathBuf,
}

#[derive(Args)]
struct Eq5dArguments {
    /// Table with a column `state` (such as 21143), or with the columns mo, sc, ua, pd, ad.
    #[arg(long = "in", value_name = "FILE")]
    input: PathBuf,
    /// Value set: `cn` (mainland China) or a JSON file of the same form.
    #[arg(long, default_value = "cn")]
    set: String,
    /// Where to write the table with a column `index`; standard output when absent.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Args)]
struct MatchArguments {
    /// JSON array of needs.
    #[arg(long, value_name = "FILE")]
    needs: PathBuf,
    /// JSON array of offers.
    #[arg(long, value_name = "FILE")]
    offers: PathBuf,
    /// Where to write the matching as JSON; standard output when absent.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Args)]
struct PreferenceArguments {
    /// Table of alternatives with a header line (.csv, .csv.gz, .csv.zst or -).
    #[arg(long = "in", value_name = "FILE")]
    input: PathBuf,
    /// JSON with at least `columns`, `choice` and `stratum`.
    #[arg(long, value_name = "FILE")]
    spec: PathBuf,
    /// Where to write the estimate as JSON; standard output when absent.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Runs one participation command.
pub fn run(arguments: &Arguments) -> Result<()> {
    match &arguments.command {
        Command::Preference(arguments) => run_preference(arguments),
        Command::Opinion(arguments) => run_opinion(arguments),
        Command::Replay(arguments) => run_replay(arguments),
        Command::Eq5d(arguments) => run_eq5d(arguments),
        Command::Match(arguments) => run_match(arguments),
    }
}

fn run_preference(arguments: &PreferenceArguments) -> Result<()> {
    let specification = serde_json::from_str(&read_text(&arguments.spec)?)
        .with_context(|| format!("{} is not a specification", arguments.spec.display()))?;
    let table = read_text(&arguments.input)?;
    let (data, findings) = preference::read(&table, &specification)?;
    show(&findings);
    let began = std::time::Instant::now();
    let estimate = preference::estimate(&data, &specification)?;
    let milliseconds = began.elapsed().as_secs_f64() * 1e3;
    eprintln!("{}: {} tasks, estimated in {milliseconds:.1} ms", estimate.model, estimate.strata);
    write_json(arguments.out.as_deref(), &estimate.to_json())
}

/// The result of a conversation as it is published: one line, with a final newline.
fn conversation_result(conversation: &Conversation) -> Result<String> {
    let text = read_text(&conversation.votes)?;
    let began = std::time::Instant::now();
    let because = |path: &Path| format!("{} cannot be read", path.display());
    let (mut votes, mut findings) =
        opinion::read_votes(&text).map_err(|e| anyhow!(e)).with_context(|| because(&conversation.votes))?;
    drop(text);
    if let Some(path) = &conversation.comments {
        let comments = opinion::read_comments(&read_text(path)?)
            .map_err(|e| anyhow!(e))
            .with_context(|| because(path))?;
        findings.extend(votes.orient(&comments));
        votes.moderate(&comments, conversation.strict_moderation);
    }
    show(&findings);
    let result = opinion::opinion(&votes);
    let mut text = serde_json::to_string(&result.to_json(&votes))?;
    text.push('\n');
    let milliseconds = began.elapsed().as_secs_f64() * 1e3;
    eprintln!(
        "{} votes of {} participants on {} statements: {} groups, in {milliseconds:.0} ms",
        votes.columns.len(),
        votes.participants.len(),
        votes.statements.len(),
        result.groups
    );
    Ok(text)
}

fn run_opinion(arguments: &OpinionArguments) -> Result<()> {
    write_text(arguments.out.as_deref(), &conversation_result(&arguments.conversation)?)
}

fn run_replay(arguments: &ReplayArguments) -> Result<()> {
    let published = read_text(&arguments.result)?;
    let replayed = conversation_result(&arguments.conversation)?;
    if published == replayed {
        println!("identical: {} bytes", replayed.len());
        return Ok(());
    }
    let differs = published.bytes().zip(replayed.bytes()).position(|(a, b)| a != b);
    let at = differs.unwrap_or(published.len().min(replayed.len()));
    bail!("the published result is not what the votes give: it differs from byte {at} on");
}

fn run_eq5d(arguments: &Eq5dArguments) -> Result<()> {
    let set = match arguments.set.as_str() {
        "cn" => ValueSet::mainland_china(),
        path => ValueSet::read(&read_text(Path::new(path))?)?,
    };
    let text = read_text(&arguments.input)?;
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let header = reader.headers()?.clone();
    let position = |name: &str| header.iter().position(|h| h.trim().eq_ignore_ascii_case(name));
    let dimensions: Option<Vec<usize>> = ["mo", "sc", "ua", "pd", "ad"].into_iter().map(position).collect();
    let columns = position("state").map(|at| vec![at]).or(dimensions);
    let columns = columns.context("the table has neither a column state nor mo, sc, ua, pd and ad")?;
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(header.iter().filter(|h| *h != "index").chain(["index"]))?;
    let index = position("index");
    let mut findings = Vec::new();
    for record in reader.records() {
        let record = record?;
        let state: String = columns.iter().map(|&at| record.get(at).unwrap_or("").trim()).collect();
        let value = State::parse(&state).map(|s| decimal(set.thousandths(s))).unwrap_or_else(|why| {
            let line = record.position().map_or(0, csv::Position::line);
            findings.push(Finding::warning(format!("line {line}"), "no-state", why.to_string()));
            String::new()
        });
        let kept = record.iter().enumerate().filter(|(at, _)| Some(*at) != index).map(|(_, field)| field);
        writer.write_record(kept.chain([value.as_str()]))?;
    }
    show(&findings);
    let table = writer.into_inner().map_err(|e| anyhow!("{e}"))?;
    write_text(arguments.out.as_deref(), &String::from_utf8(table)?)
}

fn run_match(arguments: &MatchArguments) -> Result<()> {
    let needs: Vec<matching::Need> = serde_json::from_str(&read_text(&arguments.needs)?)
        .with_context(|| format!("{} is no array of needs", arguments.needs.display()))?;
    let offers: Vec<matching::Offer> = serde_json::from_str(&read_text(&arguments.offers)?)
        .with_context(|| format!("{} is no array of offers", arguments.offers.display()))?;
    let result = matching::match_all(&needs, &offers);
    let served = result.outcomes.iter().filter(|o| o.offer.is_some()).count();
    eprintln!("{served} of {} needs served, {} points", needs.len(), result.total);
    write_json(arguments.out.as_deref(), &serde_json::to_value(&result)?)
}

/// Most findings shown one by one; beyond them only their number is told.
const FINDINGS_SHOWN: usize = 20;

fn show(findings: &[Finding]) {
    for finding in findings.iter().take(FINDINGS_SHOWN) {
        eprintln!("{finding}");
    }
    if findings.len() > FINDINGS_SHOWN {
        eprintln!("… and {} more findings", findings.len() - FINDINGS_SHOWN);
    }
}

/// Writes `value` with a final newline; the same value gives the same bytes.
fn write_json(path: Option<&Path>, value: &Value) -> Result<()> {
    let mut text = serde_json::to_string_pretty(value)?;
    text.push('\n');
    write_text(path, &text)
}

fn write_text(path: Option<&Path>, text: &str) -> Result<()> {
    match path {
        None => print!("{text}"),
        Some(path) => {
            std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
        }
    }
    Ok(())
}
