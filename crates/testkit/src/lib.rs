//! Finds test data and opens compressed files; used by tests and benches only.
//!
//! Test data is not part of the project. It is looked for in `TONGMAI_DATA`
//! and then beside the checkout (`../shared/data`). A test that does not find
//! it says so and passes, unless `TONGMAI_NO_SKIP` is set, as it is in
//! continuous integration: then the skip is a failure.

pub mod postgres;
pub mod random;

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

pub use random::Random;

/// The folder of test data, if it is there.
pub fn data_root() -> Option<PathBuf> {
    if let Some(root) = std::env::var_os("TONGMAI_DATA") {
        return Some(PathBuf::from(root));
    }
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    beside.is_dir().then_some(beside)
}

/// A path below the data folder. `None` when it is absent and skipping is allowed.
///
/// # Panics
/// When the path is absent and `TONGMAI_NO_SKIP` is set.
pub fn data(relative: &str) -> Option<PathBuf> {
    let found = data_root().map(|root| root.join(relative)).filter(|path| path.exists());
    if found.is_none() {
        skipped(&format!("test data {relative} not found"));
    }
    found
}

/// Says that a test was skipped and why.
///
/// # Panics
/// When `TONGMAI_NO_SKIP` is set: nothing may be skipped there.
pub fn skipped(why: &str) {
    assert!(std::env::var_os("TONGMAI_NO_SKIP").is_none(), "skipped where nothing may be skipped: {why}");
    eprintln!("SKIPPED: {why}");
}

/// Reads a file, unpacking `.zst` and `.gz` by its name.
///
/// # Panics
/// When the file cannot be read: a test has nothing to go on with.
pub fn read(path: &Path) -> Vec<u8> {
    let file = BufReader::new(File::open(path).unwrap_or_else(|e| panic!("{}: {e}", path.display())));
    let mut bytes = Vec::new();
    let result = match path.extension().and_then(|e| e.to_str()) {
        Some("zst") => zstd::Decoder::with_buffer(file).and_then(|mut d| d.read_to_end(&mut bytes)),
        Some("gz") => flate2::bufread::MultiGzDecoder::new(file).read_to_end(&mut bytes),
        _ => {
            let mut file = file;
            file.read_to_end(&mut bytes)
        }
    };
    result.unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    bytes
}

/// Reads a text file, unpacking `.zst` and `.gz` by its name.
pub fn read_text(path: &Path) -> String {
    String::from_utf8(read(path)).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}
