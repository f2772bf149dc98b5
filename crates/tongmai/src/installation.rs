//! One installation: a data folder with its store, its read log and its lock.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, anyhow, bail};
use tongmai_access::{Access, Policy, Requester};
use tongmai_engine::{Engine, Surroundings, Validation};
use tongmai_identity::rules::Rules;
use tongmai_store::Store;
use tongmai_store_postgres::PostgresStore;
use tongmai_store_sqlite::SqliteStore;
use tongmai_vault::{Erasures, Keyring, Profile, Vault};

use crate::master_key;

/// Folder of the checkpoints of views.
pub const VIEWS: &str = "views";

/// Milliseconds since 1970.
pub fn now() -> i64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_millis() as i64)
}

/// Sixteen random bytes.
pub fn random() -> [u8; 16] {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
    bytes
}

/// Where an installation keeps its data.
#[derive(clap::Args, Clone)]
pub struct Place {
    /// Folder of the installation: store, read log, exports.
    #[arg(long, value_name = "DIR", default_value = "data")]
    pub data: PathBuf,
    /// A store on PostgreSQL instead of the embedded one: postgres://user@host/database.
    #[arg(long, value_name = "URL")]
    pub store: Option<String>,
    /// File with the master key under which bodies are sealed, outside the data folder; make one with 'tongmai key'.
    #[arg(long, value_name = "FILE")]
    pub key_file: Option<PathBuf>,
    /// How bodies are sealed; the keys that an installation has already say so themselves.
    #[arg(long, value_enum, default_value_t)]
    pub cipher: Cipher,
}

/// A way to seal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Cipher {
    /// AES-256-GCM.
    #[default]
    Aes256,
    /// SM4-GCM (GB/T 32907).
    Sm4,
}

impl Cipher {
    fn profile(self) -> Profile {
        match self {
            Cipher::Aes256 => Profile::Aes256,
            Cipher::Sm4 => Profile::Sm4,
        }
    }
}

/// An open installation.
pub struct Installation {
    pub engine: Arc<Engine>,
    pub access: Arc<Access>,
    pub folder: PathBuf,
    pub remote_store: bool,
    /// Keys and erasures of the store.
    pub vault: Arc<Vault>,
    /// File of the master key, where bodies are sealed.
    pub key_file: Option<PathBuf>,
    /// Held as long as the installation is open.
    _lock: File,
}

impl Installation {
    /// Opens an installation, making it if there is none; nothing decides on records but the commands themselves.
    pub fn open(place: &Place, validation: Validation) -> Result<Installation> {
        Installation::under(place, validation, Policy::Open)
    }

    /// Opens an installation whose records are read under a policy.
    pub fn under(place: &Place, validation: Validation, policy: Policy) -> Result<Installation> {
        let folder = place.data.clone();
        std::fs::create_dir_all(&folder)
            .with_context(|| format!("cannot make the folder {}", folder.display()))?;
        let lock = File::create(folder.join("lock"))?;
        if lock.try_lock().is_err() {
            bail!(
                "{} is in use by another tongmai: stop that one first, or name another folder",
                folder.display()
            );
        }
        let master = master_key::find(place.key_file.as_deref(), &folder)?;
        let keyring = keyring(&folder.join("keys"), master.as_ref(), place.cipher)?;
        let erasures = Erasures::open(&folder.join("erasures"))?;
        let vault = Arc::new(Vault::over(open_store(place, &folder)?, keyring, erasures)?);
        let surroundings = Surroundings { now, random };
        let engine = Arc::new(Engine::start(vault.clone(), surroundings, validation)?);
        erase_again(&engine, &vault, &folder)?;
        engine.keep_persons(Some(folder.join(VIEWS)), person_rules(&folder)?);
        let access = Arc::new(Access::open(policy, &folder.join("reads"), now)?);
        let remote_store = place.store.is_some();
        let key_file = master.map(|found| found.file);
        Ok(Installation { engine, access, folder, remote_store, vault, key_file, _lock: lock })
    }
}

/// The keys of the records, where there is a master key.
fn keyring(folder: &Path, master: Option<&master_key::Found>, cipher: Cipher) -> Result<Option<Keyring>> {
    match master {
        Some(found) => Ok(Some(Keyring::open(folder, &found.key, cipher.profile())?)),
        None if Keyring::is_in(folder) => bail!(
            "bodies here are sealed: give --key-file FILE, set TONGMAI_KEY_FILE, or let systemd load the \
             credential tongmai-key"
        ),
        None => Ok(None),
    }
}

/// A store that came back from a backup may hold what was erased since: it is erased again before anybody reads.
fn erase_again(engine: &Engine, vault: &Vault, folder: &Path) -> Result<()> {
    let forgotten = vault.forgotten()?;
    if forgotten.is_empty() {
        return Ok(());
    }
    let resources: Vec<_> = forgotten.iter().map(|erasure| (erasure.key, erasure.type_id)).collect();
    let sight = Policy::Open.sight(&Requester::installation("erasure", "HCOMPL"));
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let erased = runtime.block_on(engine.erase_all(&sight, &resources));
    let erased = erased.map_err(|failure| anyhow!("erasing again what was erased before: {failure}"))?;
    engine.store().leave_no_trace()?;
    let views = folder.join(VIEWS);
    if views.is_dir() {
        std::fs::remove_dir_all(&views).with_context(|| format!("cannot empty {}", views.display()))?;
    }
    println!("{erased} resources that had been erased were in this store again, and are erased now");
    Ok(())
}

/// The rules of person matching: those of the installation where it brings its own.
fn person_rules(folder: &Path) -> Result<Rules> {
    let file = folder.join("person-rules.toml");
    match std::fs::read_to_string(&file) {
        Ok(text) => Rules::read(&text).with_context(|| format!("{} cannot be used", file.display())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Rules::standard()),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", file.display())),
    }
}

fn open_store(place: &Place, folder: &Path) -> Result<Arc<dyn Store>> {
    Ok(match &place.store {
        None => Arc::new(SqliteStore::open(&store_file(folder))?),
        Some(url) if url.starts_with("postgres://") || url.starts_with("postgresql://") => {
            Arc::new(PostgresStore::open(url, 0)?)
        }
        Some(url) => bail!("'{url}' is no store: write postgres://user@host/database, or leave out --store"),
    })
}

/// The embedded store's file in a data folder.
pub fn store_file(folder: &Path) -> PathBuf {
    folder.join("store.tongmai")
}
