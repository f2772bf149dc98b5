//! `tongmai drg group`: cases in, the same cases with their groups out.
//!
//! One thread reads blocks of lines, all cores group them, the blocks are
//! written in the order of the input.

use super::{files, records};
use crate::input;
use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use rayon::prelude::*;
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use std::io::{BufRead, Read, Write};
use std::path::PathBuf;
use std::sync::mpsc::sync_channel;
use tongmai_drg::case::RESULT_FIELDS;
use tongmai_drg::ms::{Claim, MsGrouper, MsScratch, ReturnCode};
use tongmai_drg::{Case, Grouper, Outcome, Reason, Scratch};

/// Arguments of `drg group`.
#[derive(Args)]
pub struct Arguments {
    /// The rule pack: what `drg import` wrote, or an OpenDRG JSON whose tables are found.
    #[arg(long, value_name = "PACK")]
    pack: PathBuf,
    /// Folder of the tables of an OpenDRG JSON.
    #[arg(long, value_name = "DIR")]
    tables: Option<PathBuf>,
    /// The cases: a JSON object a line (.jsonl), or a table (.csv, Excel) whose heading names the same fields, or
    /// front pages in the layout of HQMS; packed as .zst or .gz, or -.
    #[arg(long = "in", value_name = "FILE")]
    input: PathBuf,
    /// Where the cases with their groups go (.jsonl, .zst, .gz or -).
    #[arg(long, value_name = "FILE", default_value = "-")]
    out: PathBuf,
    /// Scheme of the pack.
    #[arg(long, value_enum, default_value_t = Scheme::Chs)]
    scheme: Scheme,
    /// Version of an MS-DRG pack, e.g. 43.1.
    #[arg(long)]
    version: Option<String>,
    /// Say how every case came to its group, and which single changes would lead elsewhere.
    #[arg(long)]
    trace: bool,
    /// The input is coded in 国临 and is mapped to the pack's codes first. Never do so for codes
    /// that are 医保 already: hundreds mean different things in the two.
    #[arg(long)]
    from_national_clinical: bool,
}

/// Whose rules.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Scheme {
    /// China's CHS-DRG and its regional packs.
    Chs,
    /// The MS-DRG of the United States' Medicare.
    Ms,
}

/// Bytes of input that are grouped together.
const BLOCK: usize = 8 << 20;
/// Bytes of a block that one task takes.
const SHARE: usize = 64 << 10;

/// What happened to how many cases.
#[derive(Default, Clone, Copy)]
struct Counts {
    cases: u64,
    grouped: u64,
    invalid: u64,
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<()> {
    if arguments.scheme == Scheme::Ms {
        return medicare(arguments);
    }
    let pack = files::open_pack(&arguments.pack, arguments.tables.as_deref())?;
    if pack.manifest.scheme != "chs" {
        bail!("{} is a pack of scheme {}", pack.manifest.id, pack.manifest.scheme);
    }
    let grouper = Grouper::new(&pack);
    drop(pack);
    let options = Options { trace: arguments.trace, map: arguments.from_national_clinical };
    let counts = stream(arguments, |line, worker: &mut Option<Scratch>, out| {
        let scratch = worker.get_or_insert_with(|| grouper.scratch());
        one(&grouper, line, options, scratch, out)
    })?;
    eprintln!("{} cases: {} grouped, {} invalid", counts.cases, counts.grouped, counts.invalid);
    Ok(())
}

fn medicare(arguments: &Arguments) -> Result<()> {
    if arguments.trace {
        bail!("--trace is for CHS-DRG packs");
    }
    let pack = files::open_msdrg(&arguments.pack, arguments.version.as_deref())?;
    let grouper = MsGrouper::new(&pack).map_err(|finding| anyhow::anyhow!("{finding}"))?;
    drop(pack);
    let counts = stream(arguments, |line, worker: &mut Option<MsScratch>, out| {
        let scratch = worker.get_or_insert_with(|| grouper.scratch());
        claim(&grouper, &String::from_utf8_lossy(line), scratch, out)
    })?;
    eprintln!("{} claims: {} grouped, {} invalid", counts.cases, counts.grouped, counts.invalid);
    Ok(())
}

fn claim(grouper: &MsGrouper, text: &str, scratch: &mut MsScratch, out: &mut Vec<u8>) -> Counts {
    let claim = match Claim::from_json(text) {
        Ok(claim) => claim,
        Err(message) => {
            let code = ReturnCode::InvalidClaim.code();
            let result = json!({"input": text, "drg": 999, "mdc": 0, "status": "invalid",
                "return_code": code, "notes": [message]});
            out.extend_from_slice(result.to_string().as_bytes());
            return Counts { invalid: 1, ..Counts::default() };
        }
    };
    let outcome = grouper.group(&claim, scratch);
    let grouped = outcome.code == ReturnCode::Ok;
    let status = match outcome.code {
        ReturnCode::Ok => "grouped",
        ReturnCode::Ungroupable | ReturnCode::HacMissingOnePoa => "ungrouped",
        _ => "invalid",
    };
    let result = format!(
        "\"initial_drg\":{},\"final_drg\":{},\"initial_mdc\":{},\"final_mdc\":{},\"return_code\":\"{}\",\
         \"drg\":{},\"mdc\":{},\"status\":\"{status}\"",
        outcome.initial_drg,
        outcome.final_drg,
        outcome.initial_mdc,
        outcome.final_mdc,
        outcome.code.code(),
        outcome.final_drg,
        outcome.final_mdc,
    );
    append(out, text, &result, None);
    let invalid = status == "invalid";
    Counts { cases: 1, grouped: grouped.into(), invalid: invalid.into() }
}

/// Passes every line of the input through `each` and writes what it appends.
fn stream<W: Default>(
    arguments: &Arguments,
    each: impl Fn(&[u8], &mut W, &mut Vec<u8>) -> Counts + Sync,
) -> Result<Counts> {
    let (mut reader, progress) = if records::is_table(&arguments.input) {
        let records = records::read(&arguments.input)?;
        let lines: String = records.iter().map(|record| format!("{record}\n")).collect();
        let reader: Box<dyn BufRead + Send> = Box::new(std::io::Cursor::new(lines));
        (reader, indicatif::ProgressBar::hidden())
    } else {
        let opened = input::open(&arguments.input)?;
        (opened.reader, opened.progress)
    };
    let mut writer = files::create(&arguments.out)?;
    let (sender, receiver) = sync_channel::<Result<Vec<u8>>>(2);
    let mut total = Counts::default();
    std::thread::scope(|scope| -> Result<()> {
        scope.spawn(move || {
            loop {
                match block(&mut *reader) {
                    Ok(bytes) if bytes.is_empty() => break,
                    other => {
                        let last = other.is_err();
                        if sender.send(other).is_err() || last {
                            break;
                        }
                    }
                }
            }
        });
        for bytes in receiver {
            let bytes = bytes.context("cannot read the cases")?;
            let done: Vec<(Vec<u8>, Counts)> =
                shares(&bytes).into_par_iter().map(|share| lines(share, &each)).collect();
            for (out, counts) in done {
                writer.write_all(&out).context("cannot write the groups")?;
                total.cases += counts.cases;
                total.grouped += counts.grouped;
                total.invalid += counts.invalid;
            }
        }
        writer.flush().context("cannot write the groups")
    })?;
    progress.finish_and_clear();
    Ok(total)
}

fn lines<W: Default>(
    share: &[u8],
    each: &impl Fn(&[u8], &mut W, &mut Vec<u8>) -> Counts,
) -> (Vec<u8>, Counts) {
    let mut worker = W::default();
    let mut out = Vec::with_capacity(share.len() * 5 / 4);
    let mut total = Counts::default();
    for line in share.split(|byte| *byte == b'\n') {
        if line.trim_ascii().is_empty() {
            continue;
        }
        let counts = each(line.trim_ascii(), &mut worker, &mut out);
        out.push(b'\n');
        total.cases += 1;
        total.grouped += counts.grouped;
        total.invalid += counts.invalid;
    }
    (out, total)
}

/// About [`BLOCK`] bytes up to the end of a line.
fn block(reader: &mut dyn BufRead) -> Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(BLOCK + 4096);
    reader.take(BLOCK as u64).read_to_end(&mut bytes)?;
    if bytes.len() == BLOCK && bytes.last() != Some(&b'\n') {
        reader.read_until(b'\n', &mut bytes)?;
    }
    Ok(bytes)
}

fn shares(bytes: &[u8]) -> Vec<&[u8]> {
    let mut shares = Vec::new();
    let mut rest = bytes;
    while rest.len() > SHARE {
        let end = rest[SHARE..].iter().position(|byte| *byte == b'\n').map_or(rest.len(), |at| SHARE + at);
        shares.push(&rest[..end]);
        rest = rest.get(end + 1..).unwrap_or_default();
    }
    shares.push(rest);
    shares
}

#[derive(Clone, Copy)]
struct Options {
    trace: bool,
    map: bool,
}

fn one(grouper: &Grouper, line: &[u8], options: Options, scratch: &mut Scratch, out: &mut Vec<u8>) -> Counts {
    let line = line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(line);
    // Lines that are not UTF-8 are GBK in practice.
    let (text, recoded) = match std::str::from_utf8(line) {
        Ok(text) => (Cow::Borrowed(text), false),
        Err(_) => (encoding_rs::GB18030.decode_without_bom_handling(line).0, true),
    };
    let case = match Case::from_json(&text) {
        Ok(case) => case,
        Err(message) => {
            let outcome = Outcome::invalid(Reason::Unreadable);
            let record = json!({"input": text});
            append(out, &record.to_string(), &result(grouper, &outcome, &[message]), None);
            return Counts { invalid: 1, ..Counts::default() };
        }
    };
    let has_result = case.has_result;
    let case = if options.map { grouper.mapped(case) } else { case };
    let outcome = grouper.group(&case, scratch);
    let mut notes = Vec::new();
    if recoded {
        notes.push("the line is not UTF-8 and was read as GBK".to_string());
    }
    if outcome.unknown > 0 || outcome.rewritten > 0 {
        notes.extend(grouper.notes(&case));
    }
    let trace = options.trace.then(|| explained(grouper, &case, scratch));
    let result = result(grouper, &outcome, &notes);
    if has_result {
        append(out, &without_result(&text), &result, trace.as_ref());
    } else {
        append(out, &text, &result, trace.as_ref());
    }
    let valid = outcome.status != tongmai_drg::Status::Invalid;
    let grouped = outcome.status == tongmai_drg::Status::Grouped;
    Counts { cases: 1, grouped: grouped.into(), invalid: (!valid).into() }
}

fn explained(grouper: &Grouper, case: &Case<'_>, scratch: &mut Scratch) -> Value {
    let trace = grouper.trace(case, scratch);
    let mut words = grouper.in_words(case, &trace, scratch);
    let changes = grouper.counterfactuals(case, scratch);
    words["counterfactuals"] = serde_json::to_value(changes).unwrap_or_default();
    words
}

/// The members that grouping adds, as JSON text without braces.
fn result(grouper: &Grouper, outcome: &Outcome, notes: &[String]) -> String {
    let mut text = format!(
        "\"drg\":\"{}\",\"adrg\":\"{}\",\"mdc\":\"{}\",\"status\":\"{}\"",
        escaped(grouper.drg(outcome)),
        escaped(grouper.adrg(outcome)),
        escaped(grouper.mdc(outcome)),
        outcome.status.code()
    );
    if outcome.reason != Reason::None {
        text.push_str(&format!(",\"reason\":\"{}\"", outcome.reason.code()));
    }
    if !notes.is_empty() {
        text.push_str(&format!(",\"notes\":{}", json!(notes)));
    }
    text
}

/// The code as it stands inside quotation marks; codes hardly ever need an escape.
fn escaped(code: &str) -> Cow<'_, str> {
    if code.bytes().any(|byte| byte < 0x20 || byte == b'"' || byte == b'\\') {
        let quoted = Value::from(code).to_string();
        Cow::Owned(quoted[1..quoted.len() - 1].to_string())
    } else {
        Cow::Borrowed(code)
    }
}

fn append(out: &mut Vec<u8>, record: &str, result: &str, trace: Option<&Value>) {
    let body = record.trim_end().strip_suffix('}').unwrap_or(record).trim_end();
    out.extend_from_slice(body.as_bytes());
    if !body.ends_with('{') {
        out.push(b',');
    }
    out.extend_from_slice(result.as_bytes());
    if let Some(trace) = trace {
        out.extend_from_slice(b",\"trace\":");
        out.extend_from_slice(trace.to_string().as_bytes());
    }
    out.push(b'}');
}

/// The record without the fields of an earlier result.
fn without_result(text: &str) -> String {
    let mut record: Map<String, Value> = serde_json::from_str(text).unwrap_or_default();
    record.retain(|key, _| !RESULT_FIELDS.contains(&key.as_str()));
    Value::Object(record).to_string()
}
