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
use tongmai_base::limits::CASE_BYTES;
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

/// Lines that could not be read and are named at the end; the output says it of every one.
const NAMED: usize = 20;
/// Characters of an unreadable line that the output repeats when the line is too long to be a case.
const REPEATED: usize = 200;

/// What happened to how many cases.
#[derive(Default)]
struct Counts {
    cases: u64,
    grouped: u64,
    invalid: u64,
    unreadable: u64,
    /// The first unreadable lines, with what is wrong with them.
    faults: Vec<String>,
}

impl Counts {
    fn add(&mut self, other: Counts) {
        self.cases += other.cases;
        self.grouped += other.grouped;
        self.invalid += other.invalid;
        self.unreadable += other.unreadable;
        let room = NAMED.saturating_sub(self.faults.len());
        self.faults.extend(other.faults.into_iter().take(room));
    }

    /// What a person reads at the end.
    fn tell(&self, what: &str) {
        for fault in &self.faults {
            eprintln!("{fault}");
        }
        let others = self.unreadable - self.faults.len() as u64;
        if others > 0 {
            eprintln!("{others} further lines could not be read");
        }
        eprintln!("{} {what}: {} grouped, {} invalid", self.cases, self.grouped, self.invalid);
    }
}

/// One line of the input.
#[derive(Clone, Copy)]
struct Line<'a> {
    /// From 1.
    number: u64,
    bytes: &'a [u8],
}

/// Why a line is no case, in words that name the place.
fn fault(line: Line<'_>, message: &str) -> (String, Counts) {
    // The parser counts lines within the case, which has one.
    let message = message.replace(" at line 1 column ", " at column ");
    let fault = format!("line {}: {message}", line.number);
    (message, Counts { invalid: 1, unreadable: 1, faults: vec![fault], ..Counts::default() })
}

/// The line as text, or why it is too long to be read.
fn too_long(line: Line<'_>) -> Option<String> {
    (line.bytes.len() > CASE_BYTES).then(|| {
        format!("the line has more than {CASE_BYTES} bytes and is passed over; put one case on a line")
    })
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
    counts.tell("cases");
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
        claim(&grouper, line, scratch, out)
    })?;
    counts.tell("claims");
    Ok(())
}

fn claim(grouper: &MsGrouper, line: Line<'_>, scratch: &mut MsScratch, out: &mut Vec<u8>) -> Counts {
    let text = &String::from_utf8_lossy(line.bytes);
    let read = too_long(line).map_or_else(|| Claim::from_json(text), Err);
    let claim = match read {
        Ok(claim) => claim,
        Err(message) => {
            let (message, counts) = fault(line, &message);
            let code = ReturnCode::InvalidClaim.code();
            let result = json!({"input": repeated(text), "line": line.number, "drg": 999, "mdc": 0,
                "status": "invalid", "return_code": code, "notes": [message]});
            out.extend_from_slice(result.to_string().as_bytes());
            return counts;
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
    Counts { grouped: grouped.into(), invalid: invalid.into(), ..Counts::default() }
}

/// The text of an unreadable line as the output repeats it.
fn repeated(text: &str) -> String {
    if text.len() > CASE_BYTES { text.chars().take(REPEATED).collect() } else { text.to_owned() }
}

/// Passes every line of the input through `each` and writes what it appends.
fn stream<W: Default>(
    arguments: &Arguments,
    each: impl Fn(Line<'_>, &mut W, &mut Vec<u8>) -> Counts + Sync,
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
    let (mut total, mut read) = (Counts::default(), 0);
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
            let shares = shares(&bytes);
            // The number of each share's first line. A share ends before the end of its last line, only the last
            // one of a block after it.
            let mut firsts: Vec<u64> = shares.par_iter().map(|share| newlines(share) + 1).collect();
            let mut next = read + 1;
            for first in &mut firsts {
                next += std::mem::replace(first, next);
            }
            read += newlines(&bytes);
            let done: Vec<(Vec<u8>, Counts)> =
                shares.into_par_iter().zip(firsts).map(|(share, first)| lines(share, first, &each)).collect();
            for (out, counts) in done {
                writer.write_all(&out).context("cannot write the groups")?;
                total.add(counts);
            }
        }
        writer.flush().context("cannot write the groups")
    })?;
    progress.finish_and_clear();
    Ok(total)
}

fn newlines(bytes: &[u8]) -> u64 {
    bytes.iter().map(|byte| u64::from(*byte == b'\n')).sum()
}

fn lines<W: Default>(
    share: &[u8],
    first: u64,
    each: &impl Fn(Line<'_>, &mut W, &mut Vec<u8>) -> Counts,
) -> (Vec<u8>, Counts) {
    let mut worker = W::default();
    let mut out = Vec::with_capacity(share.len() * 5 / 4);
    let mut total = Counts::default();
    for (number, line) in (first..).zip(share.split(|byte| *byte == b'\n')) {
        let bytes = line.trim_ascii();
        if bytes.is_empty() {
            continue;
        }
        let counts = each(Line { number, bytes }, &mut worker, &mut out);
        out.push(b'\n');
        total.cases += 1;
        total.add(counts);
    }
    (out, total)
}

/// About [`BLOCK`] bytes up to the end of a line. What a line has beyond [`CASE_BYTES`] is not kept.
fn block(reader: &mut dyn BufRead) -> Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(BLOCK + 4096);
    reader.take(BLOCK as u64).read_to_end(&mut bytes)?;
    if bytes.len() == BLOCK && bytes.last() != Some(&b'\n') {
        let more = reader.take(CASE_BYTES as u64 + 1).read_until(b'\n', &mut bytes)?;
        if more > CASE_BYTES && bytes.last() != Some(&b'\n') {
            skip_line(reader)?;
            bytes.push(b'\n');
        }
    }
    Ok(bytes)
}

/// Passes over the rest of a line.
fn skip_line(reader: &mut dyn BufRead) -> std::io::Result<()> {
    loop {
        let bytes = reader.fill_buf()?;
        let (used, ends) = match bytes.iter().position(|byte| *byte == b'\n') {
            Some(at) => (at + 1, true),
            None => (bytes.len(), bytes.is_empty()),
        };
        reader.consume(used);
        if ends {
            return Ok(());
        }
    }
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

fn one(
    grouper: &Grouper,
    line: Line<'_>,
    options: Options,
    scratch: &mut Scratch,
    out: &mut Vec<u8>,
) -> Counts {
    let bytes = line.bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(line.bytes);
    // Lines that are not UTF-8 are GBK in practice.
    let (text, recoded) = match std::str::from_utf8(bytes) {
        Ok(text) => (Cow::Borrowed(text), false),
        Err(_) => (encoding_rs::GB18030.decode_without_bom_handling(bytes).0, true),
    };
    let case = match too_long(line).map_or_else(|| Case::from_json(&text), Err) {
        Ok(case) => case,
        Err(message) => {
            let (message, counts) = fault(line, &message);
            let outcome = Outcome::invalid(Reason::Unreadable);
            let record = json!({"input": repeated(&text), "line": line.number});
            append(out, &record.to_string(), &result(grouper, &outcome, &[message]), None);
            return counts;
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
    Counts { grouped: grouped.into(), invalid: (!valid).into(), ..Counts::default() }
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

#[cfg(test)]
mod tests;
