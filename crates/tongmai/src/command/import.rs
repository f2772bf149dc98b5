//! `tongmai import`: files of resources and Bundles, as they come.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};
use tongmai_access::{Policy, Requester, Sight};
use tongmai_base::{Finding, limits};
use tongmai_engine::bundle::Ids;
use tongmai_engine::import::LineResult;
use tongmai_engine::{Engine, Reason, Validation};

use crate::installation::{Installation, Place};

/// Lines taken in as one durable group.
const GROUP_LINES: usize = 500;
/// Bytes of lines that end a group early.
const GROUP_BYTES: usize = 4 << 20;
/// Groups and Bundles that are worked on at once.
const AT_ONCE: usize = 4;

#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    place: Place,
    /// Files and folders: NDJSON, JSON Bundles and resources, also as .gz, .zst or .zip.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Name of the system that the data is from; its ids are kept apart from those of others.
    #[arg(long, default_value = "import")]
    source: String,
    /// Keep content that breaks a rule, with its findings, instead of setting it aside.
    #[arg(long)]
    accept_invalid: bool,
    /// Where lines that were refused are written, with the reasons.
    #[arg(long, value_name = "FILE", default_value = "refused.ndjson")]
    refused: PathBuf,
}

/// What an import came to.
#[derive(Debug, Default)]
pub struct Summary {
    pub kept: u64,
    pub unchanged: u64,
    pub refused: u64,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let validation = if arguments.accept_invalid { Validation::Accept } else { Validation::Reject };
    let files = files(&arguments.paths)?;
    let installation = Installation::open(&arguments.place, validation)?;
    let begun = std::time::Instant::now();
    let summary = import(&installation.engine, &arguments.source, &files, &arguments.refused)?;
    let seconds = begun.elapsed().as_secs_f64();
    let Summary { kept, unchanged, refused } = summary;
    println!(
        "{kept} resources kept, {unchanged} unchanged, {refused} refused in {seconds:.1} s ({:.0} resources/s)",
        (kept + unchanged) as f64 / seconds.max(1e-9)
    );
    if refused > 0 {
        bail!(
            "{refused} lines or Bundles were refused; they are in {} with the reasons",
            arguments.refused.display()
        );
    }
    Ok(())
}

/// All files below the paths, in a stable order.
pub fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for path in paths {
        if path.is_dir() {
            let mut inner: Vec<PathBuf> = std::fs::read_dir(path)
                .with_context(|| format!("cannot read the folder {}", path.display()))?
                .map(|entry| entry.map(|e| e.path()))
                .collect::<std::io::Result<_>>()?;
            inner.sort();
            found.extend(files(&inner)?);
        } else if path.exists() {
            found.push(path.clone());
        } else {
            bail!("{} is not there", path.display());
        }
    }
    Ok(found)
}

/// One piece of work: lines, or a Bundle.
enum Piece {
    Lines(Vec<Vec<u8>>),
    Bundle(Vec<u8>),
}

struct Done {
    summary: Summary,
    refused: Vec<(Vec<u8>, Vec<Finding>)>,
    /// Bundles that refer to something that may come later.
    later: Vec<Vec<u8>>,
}

/// Imports files; what refers to something that is not there yet is tried again at the end.
pub fn import(engine: &Engine, source: &str, files: &[PathBuf], refused: &Path) -> Result<Summary> {
    let total: u64 = files.iter().filter_map(|file| std::fs::metadata(file).ok()).map(|m| m.len()).sum();
    let progress = ProgressBar::new(total);
    progress.set_style(ProgressStyle::with_template(
        "{bar:32} {bytes}/{total_bytes} {bytes_per_sec} ETA {eta}  {msg}",
    )?);
    let mut quarantine = Quarantine { path: refused.to_owned(), file: None };
    let mut summary = Summary::default();
    let mut later = round(engine, source, &progress, &mut quarantine, &mut summary, |sender| {
        files.iter().try_for_each(|file| read_file(file, &progress, sender))
    })?;
    // What waited for others: again, as long as that helps.
    loop {
        let before = later.len();
        later = round(engine, source, &progress, &mut quarantine, &mut summary, move |sender| {
            later.into_iter().try_for_each(|bundle| send(sender, Piece::Bundle(bundle)))
        })?;
        if later.is_empty() || later.len() == before {
            break;
        }
    }
    for bundle in later {
        let finding =
            Finding::error("Bundle", "conditional-reference", "it refers to something that is not there");
        summary.refused += 1;
        quarantine.add(&bundle, &[finding])?;
    }
    progress.finish_and_clear();
    Ok(summary)
}

/// Takes in what `feed` sends, several pieces at once; returns the Bundles that refer to something that may
/// come later.
fn round(
    engine: &Engine,
    source: &str,
    progress: &ProgressBar,
    quarantine: &mut Quarantine,
    summary: &mut Summary,
    feed: impl FnOnce(&SyncSender<Piece>) -> Result<()> + Send,
) -> Result<Vec<Vec<u8>>> {
    let (sender, receiver) = sync_channel::<Piece>(AT_ONCE);
    let receiver = Mutex::new(receiver);
    let (done_sender, done_receiver) = channel::<Result<Done>>();
    let mut later = Vec::new();
    std::thread::scope(|scope| -> Result<()> {
        for _ in 0..AT_ONCE {
            let (receiver, done) = (&receiver, done_sender.clone());
            scope.spawn(move || work(engine, source, receiver, &done));
        }
        drop(done_sender);
        let feeder = scope.spawn(move || feed(&sender));
        for done in done_receiver {
            later.extend(summary.add(done?, quarantine)?);
            progress.set_message(format!("{} resources", summary.kept + summary.unchanged));
        }
        feeder.join().map_err(|_| anyhow::anyhow!("reading broke off"))?
    })?;
    Ok(later)
}

fn send(sender: &SyncSender<Piece>, piece: Piece) -> Result<()> {
    sender.send(piece).map_err(|_| anyhow::anyhow!("the import broke off"))
}

impl Summary {
    fn add(&mut self, done: Done, quarantine: &mut Quarantine) -> Result<Vec<Vec<u8>>> {
        self.kept += done.summary.kept;
        self.unchanged += done.summary.unchanged;
        self.refused += done.summary.refused;
        for (line, findings) in done.refused {
            quarantine.add(&line, &findings)?;
        }
        Ok(done.later)
    }
}

fn work(engine: &Engine, source: &str, receiver: &Mutex<Receiver<Piece>>, done: &Sender<Result<Done>>) {
    let runtime = match tokio::runtime::Builder::new_current_thread().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            let _ = done.send(Err(error.into()));
            return;
        }
    };
    loop {
        let piece = receiver.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let result = match piece {
            Err(_) => return,
            Ok(Piece::Lines(lines)) => runtime.block_on(take_lines(engine, source, lines)),
            Ok(Piece::Bundle(bundle)) => runtime.block_on(take_bundle(engine, source, bundle)),
        };
        if done.send(result).is_err() {
            return;
        }
    }
}

/// The operator of this machine, who is shown counts and refusals only.
fn sight() -> Sight {
    Policy::Open.sight(&Requester::installation("import", "HSYSADMIN"))
}

async fn take_lines(engine: &Engine, source: &str, lines: Vec<Vec<u8>>) -> Result<Done> {
    let borrowed: Vec<&[u8]> = lines.iter().map(Vec::as_slice).collect();
    let results =
        engine.import_lines(&sight(), source, &borrowed).await.map_err(|f| anyhow::anyhow!("{f}"))?;
    let mut done = Done { summary: Summary::default(), refused: Vec::new(), later: Vec::new() };
    for (line, result) in lines.iter().zip(results) {
        match result {
            LineResult::Kept => done.summary.kept += 1,
            LineResult::Unchanged => done.summary.unchanged += 1,
            LineResult::Refused(findings) => {
                done.summary.refused += 1;
                done.refused.push((line.clone(), findings));
            }
        }
    }
    Ok(done)
}

async fn take_bundle(engine: &Engine, source: &str, bundle: Vec<u8>) -> Result<Done> {
    use tongmai_engine::bundle::EntryResult;
    use tongmai_engine::write::Did;
    let mut done = Done { summary: Summary::default(), refused: Vec::new(), later: Vec::new() };
    match engine.process_counting(&sight(), &bundle, Ids::Of(source)).await {
        Ok(results) => {
            for result in results {
                match result {
                    EntryResult::Written(written) if written.did == Did::Nothing => {
                        done.summary.unchanged += 1
                    }
                    EntryResult::Written(_) => done.summary.kept += 1,
                    EntryResult::Failed(failure) => {
                        done.summary.refused += 1;
                        done.refused.push((bundle.clone(), failure.findings));
                    }
                    EntryResult::Read(_) | EntryResult::Found(..) => {}
                }
            }
        }
        Err(failure) if failure.reason == Reason::Internal => bail!("{failure}"),
        Err(failure) if failure.findings.iter().any(|f| f.code == "conditional-reference") => {
            done.later.push(bundle)
        }
        Err(failure) => {
            done.summary.refused += 1;
            done.refused.push((bundle, failure.findings));
        }
    }
    Ok(done)
}

/// Lines that were refused, with the reasons.
struct Quarantine {
    path: PathBuf,
    file: Option<File>,
}

impl Quarantine {
    fn add(&mut self, line: &[u8], findings: &[Finding]) -> Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            None => {
                let file = File::create(&self.path)
                    .with_context(|| format!("cannot write {}", self.path.display()))?;
                self.file.insert(file)
            }
        };
        let reasons: Vec<String> = findings.iter().map(ToString::to_string).collect();
        let entry = serde_json::json!({ "reasons": reasons, "line": String::from_utf8_lossy(line) });
        writeln!(file, "{entry}")?;
        Ok(())
    }
}

fn read_file(path: &Path, progress: &ProgressBar, sender: &SyncSender<Piece>) -> Result<()> {
    let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    let name = path.file_name().map(|n| n.to_string_lossy().to_lowercase()).unwrap_or_default();
    if name.ends_with(".zip") {
        let mut archive =
            zip::ZipArchive::new(file).with_context(|| format!("{} is no zip archive", path.display()))?;
        for index in 0..archive.len() {
            let entry = archive.by_index(index)?;
            if entry.is_file() {
                let inner = entry.name()?.to_lowercase();
                let bounded = Bounded::new(entry.compressed_size(), entry);
                read_stream(&inner, Box::new(bounded), sender)
                    .with_context(|| format!("in {}", path.display()))?;
            }
        }
        progress.inc(std::fs::metadata(path)?.len());
        return Ok(());
    }
    let packed = file.metadata()?.len();
    let counted = progress.wrap_read(file);
    let (name, reader): (&str, Box<dyn Read>) = if let Some(inner) = name.strip_suffix(".gz") {
        (inner, Box::new(Bounded::new(packed, flate2::read::MultiGzDecoder::new(counted))))
    } else if let Some(inner) = name.strip_suffix(".zst") {
        (inner, Box::new(Bounded::new(packed, zstd::Decoder::new(counted)?)))
    } else {
        (&name, Box::new(counted))
    };
    read_stream(name, reader, sender).with_context(|| format!("in {}", path.display()))
}

/// What is unpacked of a file, until it is too much for what was packed: then it was made to fill a disk.
struct Bounded<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Bounded<R> {
    fn new(packed: u64, inner: R) -> Bounded<R> {
        let most = packed.saturating_mul(limits::IMPORT_UNPACKED_RATIO);
        Bounded { inner, left: most.saturating_add(limits::IMPORT_UNPACKED_BYTES) }
    }
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.left = self.left.checked_sub(count as u64).ok_or_else(|| {
            std::io::Error::other(format!(
                "it unpacks to more than {} times its length, which records never do: unpack it yourself, and look",
                limits::IMPORT_UNPACKED_RATIO
            ))
        })?;
        Ok(count)
    }
}

/// Lines of NDJSON, or one JSON document.
fn read_stream(name: &str, reader: Box<dyn Read + '_>, sender: &SyncSender<Piece>) -> Result<()> {
    let mut reader = BufReader::with_capacity(1 << 20, reader);
    if name.ends_with(".ndjson") || name.ends_with(".jsonl") {
        let (mut lines, mut bytes) = (Vec::new(), 0);
        loop {
            let mut line = Vec::new();
            let end = reader.by_ref().take(limits::BODY_BYTES as u64 + 1).read_until(b'\n', &mut line)? == 0;
            if line.len() > limits::BODY_BYTES {
                bail!("a line has more than {} bytes: one resource stands in each line", limits::BODY_BYTES);
            }
            while line.last().is_some_and(u8::is_ascii_whitespace) {
                line.pop();
            }
            if !line.is_empty() {
                bytes += line.len();
                lines.push(line);
            }
            if lines.len() >= GROUP_LINES || bytes >= GROUP_BYTES || (end && !lines.is_empty()) {
                bytes = 0;
                send(sender, Piece::Lines(std::mem::take(&mut lines)))?;
            }
            if end {
                return Ok(());
            }
        }
    }
    if !name.ends_with(".json") {
        // Folders hold other things too.
        return Ok(());
    }
    let mut text = Vec::new();
    reader.take(limits::IMPORT_DOCUMENT_BYTES as u64 + 1).read_to_end(&mut text)?;
    if text.len() > limits::IMPORT_DOCUMENT_BYTES {
        bail!(
            "{name} has more than {} bytes: write its resources as lines (.ndjson)",
            limits::IMPORT_DOCUMENT_BYTES
        );
    }
    let head = String::from_utf8_lossy(&text[..text.len().min(400)]).into_owned();
    let is_bundle = head.contains("\"Bundle\"");
    let piece = if is_bundle { Piece::Bundle(text) } else { Piece::Lines(vec![text]) };
    send(sender, piece)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads a file and returns the bytes that were handed on, or why it was refused.
    fn taken(path: &Path) -> std::result::Result<usize, String> {
        let (sender, receiver) = sync_channel(AT_ONCE);
        let counted = std::thread::spawn(move || {
            let bytes = |piece| match piece {
                Piece::Lines(lines) => lines.iter().map(Vec::len).sum::<usize>(),
                Piece::Bundle(bundle) => bundle.len(),
            };
            receiver.into_iter().map(bytes).sum::<usize>()
        });
        let read = read_file(path, &ProgressBar::hidden(), &sender).map_err(|error| format!("{error:#}"));
        drop(sender);
        let bytes = counted.join().expect("counted");
        read.map(|()| bytes)
    }

    /// Lines that nothing is in, so that they cost no time, and the same as one document.
    fn bomb(bytes: u64) -> impl Read {
        std::io::repeat(b' ').take(bytes)
    }

    #[test]
    fn bombs_are_refused_in_every_packing() {
        let folder = tempfile::tempdir().expect("a folder");
        let most = limits::IMPORT_UNPACKED_BYTES * 3;
        for inner in ["lines.ndjson", "document.json"] {
            let zst = folder.path().join(format!("{inner}.zst"));
            let file = File::create(&zst).expect("made");
            zstd::stream::copy_encode(bomb(most), file, 3).expect("packed");
            let gz = folder.path().join(format!("{inner}.gz"));
            let file = File::create(&gz).expect("made");
            let mut packer = flate2::write::GzEncoder::new(file, flate2::Compression::best());
            std::io::copy(&mut bomb(most), &mut packer).expect("packed");
            packer.finish().expect("packed");
            let zip = folder.path().join(format!("{inner}.zip"));
            let mut archive = zip::ZipWriter::new(File::create(&zip).expect("made"));
            archive.start_file(inner, zip::write::SimpleFileOptions::default()).expect("begun");
            std::io::copy(&mut bomb(most), &mut archive).expect("packed");
            archive.finish().expect("packed");
            for path in [zst, gz, zip] {
                let why = taken(&path).expect_err("refused");
                let said = why.contains("times its length") || why.contains("a line has more than");
                assert!(said, "{}: {why}", path.display());
            }
        }
    }

    #[test]
    fn what_records_are_packed_to_is_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("patients.ndjson.zst");
        let line = "{\"resourceType\":\"Patient\",\"gender\":\"female\"}\n";
        let text = line.repeat(500_000);
        zstd::stream::copy_encode(text.as_bytes(), File::create(&path).expect("made"), 3).expect("packed");
        assert_eq!(taken(&path), Ok((line.len() - 1) * 500_000));
    }
}
