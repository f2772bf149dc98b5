//! Opens what a user names: plain, `.gz` or `.zst`, a file or `-` for standard
//! input, with a progress bar over the bytes read.

use anyhow::{Context, Result};
use indicatif::{ProgressBar, ProgressStyle};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

/// An opened input and its progress bar.
pub struct Input {
    /// The unpacked bytes.
    pub reader: Box<dyn BufRead + Send>,
    /// Moves with the bytes read from disk; hidden when standard error is no terminal.
    pub progress: ProgressBar,
}

/// Opens `path`, unpacking by its name (`.gz`, `.zst`).
pub fn open(path: &Path) -> Result<Input> {
    if path.as_os_str() == "-" {
        return Ok(Input { reader: Box::new(BufReader::new(io::stdin())), progress: ProgressBar::hidden() });
    }
    let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    let progress = ProgressBar::new(file.metadata()?.len());
    progress.set_style(
        ProgressStyle::with_template("{msg} {bar:32} {bytes}/{total_bytes} {bytes_per_sec} ETA {eta}")
            .expect("the template is a constant"),
    );
    progress.set_message(path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default());
    let counted = progress.wrap_read(file);
    let unpacked: Box<dyn Read + Send> = match path.extension().and_then(|e| e.to_str()) {
        Some("gz") => Box::new(flate2::read::MultiGzDecoder::new(counted)),
        Some("zst") => Box::new(zstd::Decoder::new(counted)?),
        _ => Box::new(counted),
    };
    Ok(Input { reader: Box::new(BufReader::with_capacity(1 << 18, unpacked)), progress })
}

/// Reads all of `path` as text, unpacking by its name.
pub fn read_text(path: &Path) -> Result<String> {
    let mut text = String::new();
    open(path)?
        .reader
        .read_to_string(&mut text)
        .with_context(|| format!("{} is not UTF-8 text", path.display()))?;
    Ok(text)
}
