//! One installation: a data folder with its store, its read log and its lock.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use tongmai_access::{Access, Policy};
use tongmai_engine::{Engine, Surroundings, Validation};
use tongmai_identity::rules::Rules;
use tongmai_store::Store;
use tongmai_store_postgres::PostgresStore;
use tongmai_store_sqlite::SqliteStore;

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
}

/// An open installation.
pub struct Installation {
    pub engine: Arc<Engine>,
    pub access: Arc<Access>,
    pub folder: PathBuf,
    pub remote_store: bool,
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
        let store = open_store(place, &folder)?;
        let surroundings = Surroundings { now, random };
        let engine = Arc::new(Engine::start(store, surroundings, validation)?);
        engine.keep_persons(Some(folder.join("views")), person_rules(&folder)?);
        let access = Arc::new(Access::open(policy, &folder.join("reads"), now)?);
        Ok(Installation { engine, access, folder, remote_store: place.store.is_some(), _lock: lock })
    }
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
