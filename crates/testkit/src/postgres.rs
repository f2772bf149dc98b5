//! A PostgreSQL cluster of a test's own, in a temporary folder, on a Unix socket.
//!
//! `initdb` and the server refuse to run as root, so a test that does drops to
//! the user `postgres`, or else `nobody`. The server is the child of a small
//! shell that waits for the end of the test process: however that ends, the
//! server ends with it and the folder is removed.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Where Debian keeps the programs of a server, newest first.
const FOLDERS: [&str; 4] = [
    "/usr/lib/postgresql/18/bin",
    "/usr/lib/postgresql/17/bin",
    "/usr/lib/postgresql/16/bin",
    "/usr/lib/postgresql/15/bin",
];
/// How long the server may take to start, recovery included.
const START: Duration = Duration::from_secs(60);
/// Runs the server until its input ends, which is when the test process ends, and then removes the
/// folder. A line `keep` ends it as well, after the server is dead; the folder stays. Being its
/// parent, the shell also takes a dead server off the list of processes, where the next would meet it.
const GUARD: &str = r#"folder="$1"; shift
"$@" & echo $!
read -r word
kill -QUIT $! 2>/dev/null; wait $!
[ "$word" = keep ] || rm -rf "$folder""#;

/// A running cluster; its end kills every process of it.
pub struct Postgres {
    programs: PathBuf,
    user: Option<(u32, u32)>,
    folder: PathBuf,
    fsync: bool,
    server: Option<Server>,
    databases: Mutex<u32>,
}

struct Server {
    guard: Child,
    pid: u32,
}

impl Postgres {
    /// Starts a cluster that writes nothing through to the disk: fast, and lost with the machine.
    /// `None`, said as a skip, where PostgreSQL is not installed.
    pub fn start() -> Option<Postgres> {
        Postgres::start_with(false)
    }

    /// Starts a cluster with fsync on, as in production.
    pub fn start_durable() -> Option<Postgres> {
        Postgres::start_with(true)
    }

    /// One fast cluster for all tests of a process.
    pub fn shared() -> Option<&'static Postgres> {
        static SHARED: OnceLock<Option<Postgres>> = OnceLock::new();
        SHARED.get_or_init(Postgres::start).as_ref()
    }

    fn start_with(fsync: bool) -> Option<Postgres> {
        let Some(programs) = programs() else {
            crate::skipped("PostgreSQL 15 or later is not installed");
            return None;
        };
        let folder = (0..)
            .map(|n| std::env::temp_dir().join(format!("tongmai-postgres-{}-{n}", std::process::id())))
            .find(|folder| fs::create_dir(folder).is_ok())
            .expect("one name is free");
        let user = unprivileged();
        if let Some((uid, gid)) = user {
            chown(&folder, Some(uid), Some(gid)).expect("the test owns its folder");
        }
        let mut cluster = Postgres { programs, user, folder, fsync, server: None, databases: Mutex::new(0) };
        let made = cluster
            .command("initdb")
            .args(["--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C", "--no-sync", "-D"])
            .arg(cluster.data())
            .output()
            .expect("initdb runs");
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        cluster.restart();
        Some(cluster)
    }

    /// The folder with the files of the cluster.
    pub fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// Runs SQL as the superuser, each statement by itself.
    pub fn sql(&self, statements: &[&str]) {
        let mut psql = self.command("psql");
        psql.arg("-h").arg(&self.folder).args(["-U", "postgres", "-qX", "-v", "ON_ERROR_STOP=1"]);
        for statement in statements {
            psql.args(["-c", statement]);
        }
        let ran = psql.output().expect("psql runs");
        assert!(ran.status.success(), "psql: {}", String::from_utf8_lossy(&ran.stderr));
    }

    /// Copies the first database as it is now, while nobody uses it; returns the copy's address.
    pub fn copy_database(&self) -> String {
        let mut count = self.databases.lock().unwrap_or_else(PoisonError::into_inner);
        *count += 1;
        let name = format!("copy{count}");
        self.sql(&[&format!("CREATE DATABASE {name} TEMPLATE postgres")]);
        self.url_of(&name)
    }

    /// A program of the cluster, run as its user.
    fn command(&self, program: &str) -> Command {
        self.as_user(Command::new(self.programs.join(program)))
    }

    fn as_user(&self, mut command: Command) -> Command {
        command.current_dir("/").stdin(Stdio::null()).env_remove("PGOPTIONS");
        if let Some((uid, gid)) = self.user {
            command.uid(uid).gid(gid);
        }
        command
    }

    /// Address of the first database.
    pub fn url(&self) -> String {
        self.url_of("postgres")
    }

    fn url_of(&self, database: &str) -> String {
        let host = self.folder.display().to_string().replace('/', "%2F");
        format!("postgres://postgres@{host}/{database}")
    }

    /// Makes a database with nothing in it; returns its address.
    pub fn create_database(&self) -> String {
        let mut count = self.databases.lock().unwrap_or_else(PoisonError::into_inner);
        *count += 1;
        let name = format!("test{count}");
        let made =
            self.command("createdb").arg("-h").arg(&self.folder).args(["-U", "postgres", &name]).output();
        let made = made.expect("createdb runs");
        assert!(made.status.success(), "createdb: {}", String::from_utf8_lossy(&made.stderr));
        self.url_of(&name)
    }

    /// Kills every process of the server at once, without a chance to write anything.
    pub fn kill(&mut self) {
        let Some(mut server) = self.server.take() else { return };
        // Stopped first, so that it starts no further process while they are being listed.
        signal("-STOP", &[server.pid]);
        let mut pids = children(server.pid);
        pids.push(server.pid);
        signal("-KILL", &pids);
        while pids.iter().any(|pid| alive(*pid)) {
            sleep(Duration::from_millis(1));
        }
        let mut input = server.guard.stdin.take().expect("piped");
        input.write_all(b"keep\n").and_then(|()| server.guard.wait()).expect("the guard is ours");
    }

    /// Starts the server again, which recovers what was killed.
    pub fn restart(&mut self) {
        self.kill();
        let durable = if self.fsync { "on" } else { "off" };
        let log = fs::File::options().create(true).append(true).open(self.folder.join("log"));
        let log = log.expect("the folder can be written");
        let mut guard = self.as_user(Command::new("sh"));
        guard.args(["-c", GUARD, "sh"]).arg(&self.folder).arg(self.programs.join("postgres"));
        guard.arg("-D").arg(self.data()).arg("-k").arg(&self.folder);
        for setting in ["fsync", "full_page_writes", "synchronous_commit"] {
            guard.arg("-c").arg(format!("{setting}={durable}"));
        }
        guard.args(["-c", "listen_addresses=", "-c", "shared_buffers=64MB", "-c", "max_connections=100"]);
        // A group of its own, so that a signal to the test's group does not end the guard first. Errors
        // go to a file, so that a kill does not fill the output of the test.
        guard.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log);
        let mut guard = guard.spawn().expect("sh runs");
        let mut pid = String::new();
        BufReader::new(guard.stdout.take().expect("piped")).read_line(&mut pid).expect("the guard answers");
        self.server = Some(Server { guard, pid: pid.trim().parse().expect("a process id") });
        self.wait_until_ready();
    }

    fn wait_until_ready(&self) {
        let begin = Instant::now();
        loop {
            let mut ready = self.command("pg_isready");
            ready.arg("-q").arg("-h").arg(&self.folder);
            if ready.status().is_ok_and(|status| status.success()) {
                return;
            }
            let log = || fs::read_to_string(self.folder.join("log")).unwrap_or_default();
            let runs = self.server.as_ref().is_some_and(|server| alive(server.pid));
            assert!(runs, "the server ended while it was starting: {}", log());
            assert!(begin.elapsed() < START, "the server does not start: {}", log());
            sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.kill();
        // A folder that cannot be removed is left to the system's own cleaning.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// The folder with the programs of a server: that in the search path, or Debian's.
fn programs() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(FOLDERS.iter().map(PathBuf::from));
    folders.into_iter().find(|folder| {
        ["initdb", "postgres", "createdb", "pg_isready"].iter().all(|name| folder.join(name).is_file())
    })
}

/// The user and group to drop to; `None` when the process is not root.
fn unprivileged() -> Option<(u32, u32)> {
    if fs::metadata("/proc/self").is_ok_and(|process| process.uid() != 0) {
        return None;
    }
    let users = fs::read_to_string("/etc/passwd").expect("users are listed");
    let find = |name: &str| {
        let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut numbers = line.split(':').skip(2).map(|number| number.parse().ok());
        Some((numbers.next()??, numbers.next()??))
    };
    Some(find("postgres").or_else(|| find("nobody")).expect("a user to drop to"))
}

fn signal(signal: &str, pids: &[u32]) {
    // A process that has ended by itself is as good.
    let _ =
        Command::new("kill").arg(signal).args(pids.iter().map(u32::to_string)).stderr(Stdio::null()).status();
}

/// State and parent of a process.
fn status(pid: &Path) -> Option<(char, u32)> {
    let line = fs::read_to_string(pid.join("stat")).ok()?;
    // The name before it may hold anything, also spaces and brackets.
    let mut fields = line.rsplit_once(')')?.1.split_whitespace();
    Some((fields.next()?.chars().next()?, fields.next()?.parse().ok()?))
}

fn alive(pid: u32) -> bool {
    status(&Path::new("/proc").join(pid.to_string())).is_some_and(|(state, _)| state != 'Z' && state != 'X')
}

fn children(parent: u32) -> Vec<u32> {
    let processes = fs::read_dir("/proc").expect("processes are listed").flatten();
    let mine = |process: &fs::DirEntry| status(&process.path()).is_some_and(|(_, of)| of == parent);
    processes.filter(mine).filter_map(|process| process.file_name().to_str()?.parse().ok()).collect()
}
