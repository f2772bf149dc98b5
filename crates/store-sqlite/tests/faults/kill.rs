//! Kills: a process that commits to a real file and tells each acknowledged call is killed at any moment.

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use rusqlite::Connection;
use tongmai_store::Store;
use tongmai_store::contract::Random;
use tongmai_store::contract::script::{Script, recovered};
use tongmai_store_sqlite::SqliteStore;

use crate::check::{self, Promises};

/// Tells a process that it is to write: path of the store, seed, and calls that the store holds already.
const TASK: &str = "TONGMAI_KILL_TASK";

/// What one kill met.
pub struct Killed {
    /// Calls that the process told before it was killed.
    pub acknowledged: usize,
    /// A call was found whole that it could not tell any more.
    pub kept: bool,
}

/// Is this a process that is to be killed?
pub fn is_child() -> bool {
    std::env::var_os(TASK).is_some()
}

/// Commits until it is killed; every acknowledged call is a byte on the standard error output.
pub fn child() {
    let task = std::env::var(TASK).expect("a task");
    let mut fields = task.rsplitn(3, ' ');
    let mut number = || fields.next().expect("a field").to_owned();
    let (held, seed) = (number().parse().expect("calls"), number().parse().expect("a seed"));
    // The log is folded all the time.
    let store = SqliteStore::open_on(Path::new(&number()), None, 150).expect("open");
    let mut script = Script::new(seed, store.secret());
    (0..held).for_each(|_| drop(script.call()));
    let mut out = std::io::stderr();
    loop {
        store.commit(&script.call().0).expect("commit");
        if out.write_all(b".").is_err() {
            // Nobody is left to kill this process.
            return;
        }
    }
}

/// Kills so many processes one after the other that go on with the history of `seed` in one file, each this
/// program with `arguments`.
///
/// # Panics
/// When something acknowledged was lost, or something is there in part.
pub fn run(seed: u64, kills: usize, arguments: &[&str]) -> Vec<Killed> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("store");
    let mut random = Random(seed ^ 0x6b69_6c6c);
    let mut held = 0;
    (0..kills)
        .map(|_| {
            let mut process = Command::new(std::env::current_exe().expect("this program"))
                .args(arguments)
                .env(TASK, format!("{} {seed} {held}", path.display()))
                .stdout(Stdio::null())
                .stderr(Stdio::piped())
                .spawn()
                .expect("a process");
            // Some are killed before the store is open, others once they commit, however slow the machine is.
            let mut out = process.stderr.take().expect("piped");
            let mut told = vec![0; usize::from(random.chance(70))];
            out.read_exact(&mut told).expect("a first call");
            std::thread::sleep(Duration::from_micros(random.below(120_000)));
            process.kill().expect("kill");
            out.read_to_end(&mut told).expect("what it told");
            process.wait().expect("its end");
            let text = String::from_utf8_lossy(&told);
            assert!(told.iter().all(|byte| *byte == b'.'), "seed {seed}: {text}");

            let place = format!("seed {seed} after {held} calls and {} more", told.len());
            let store = SqliteStore::open(&path).unwrap_or_else(|error| panic!("{place}: {error}"));
            let now = recovered(&store, seed, held + told.len());
            let connection = Connection::open(&path).expect("a second connection");
            check::sound(&store, &connection, &mut Promises::default(), &place);
            let kept = now > held + told.len();
            held = now;
            Killed { acknowledged: told.len(), kept }
        })
        .collect()
}

/// One line for people.
pub fn line(runs: &[Killed]) -> String {
    format!(
        "{} kills, {} acknowledged calls, {} calls found whole that were not told any more",
        runs.len(),
        runs.iter().map(|run| run.acknowledged).sum::<usize>(),
        runs.iter().filter(|run| run.kept).count()
    )
}
