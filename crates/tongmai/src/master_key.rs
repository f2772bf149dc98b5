//! The master key under which the keys of records are kept: a file of 64 hexadecimal digits outside the data
//! folder, whose path is told by `--key-file`, by `TONGMAI_KEY_FILE`, or by systemd, which hands over the
//! credential `tongmai-key` in memory (`LoadCredentialEncrypted=`, sealed by a TPM where there is one).

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use data_encoding::HEXLOWER_PERMISSIVE;

/// The demo's key, in its own folder: it protects invented people.
const OF_THE_DEMO: &str = "demo.key";

/// Where the master key was found.
pub struct Found {
    /// The key.
    pub key: [u8; 32],
    /// Its file.
    pub file: PathBuf,
}

/// The file of the demo's key.
pub fn of_the_demo(folder: &Path) -> PathBuf {
    folder.join(OF_THE_DEMO)
}

/// Does a file lie in the folder that its key protects?
pub fn is_within(file: &Path, folder: &Path) -> bool {
    match (file.canonicalize(), folder.canonicalize()) {
        (Ok(file), Ok(folder)) => file.starts_with(folder),
        _ => false,
    }
}

/// Finds the master key of an installation; `None` where none is named.
pub fn find(named: Option<&Path>, folder: &Path) -> Result<Option<Found>> {
    let by_variable = || std::env::var_os("TONGMAI_KEY_FILE").map(PathBuf::from);
    let by_credential = || {
        let file = PathBuf::from(std::env::var_os("CREDENTIALS_DIRECTORY")?).join("tongmai-key");
        file.exists().then_some(file)
    };
    let demo = of_the_demo(folder);
    let file = named.map(Path::to_owned).or_else(by_variable).or_else(by_credential);
    let file = file.or_else(|| demo.exists().then(|| demo.clone()));
    let Some(file) = file else { return Ok(None) };
    if file != demo && is_within(&file, folder) {
        bail!(
            "the key {} lies in the folder that it protects: who takes the folder has both; put it elsewhere",
            file.display()
        );
    }
    let key = read(&file).with_context(|| format!("the key file {}", file.display()))?;
    Ok(Some(Found { key, file }))
}

fn read(file: &Path) -> Result<[u8; 32]> {
    let text =
        std::fs::read_to_string(file).context("it cannot be read: make one with 'tongmai key FILE'")?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let mode = std::fs::metadata(file)?.mode();
        if mode & 0o077 != 0 {
            bail!("others may read it (mode {:o}): chmod 600", mode & 0o777);
        }
    }
    let key = HEXLOWER_PERMISSIVE.decode(text.trim().as_bytes()).ok().and_then(|key| key.try_into().ok());
    key.context("it is no key: 64 hexadecimal digits are expected; make one with 'tongmai key FILE'")
}

/// Makes a new key in a file that is not there yet, for its owner alone.
pub fn make(file: &Path) -> Result<()> {
    let mut key = [0; 32];
    getrandom::fill(&mut key).map_err(|error| anyhow::anyhow!("no randomness: {error}"))?;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut out = options.open(file).with_context(|| format!("cannot make {}", file.display()))?;
    writeln!(out, "{}", HEXLOWER_PERMISSIVE.encode(&key))?;
    out.sync_all()?;
    Ok(())
}
