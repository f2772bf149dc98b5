//! Connections: opened as needed, kept, and each with its prepared statements.

use std::collections::HashMap;
use std::ops::Deref;
use std::pin::pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Config, NoTls, Row, Statement};
use tongmai_store::{Result, StoreError};

/// Threads that serve the connections.
const THREADS: usize = 2;
/// Most connections of one store at once.
const CONNECTIONS: usize = 32;
/// How long a caller waits for a free connection, and for the server to accept one.
const PATIENCE: Duration = Duration::from_secs(10);

/// Names of tables without a schema are ours; an answer waits for the disk unless the server is set
/// up to wait for more; queries are too short to be compiled.
const SESSION: &str = "
SET search_path TO tongmai;
SET jit TO off;
SELECT set_config('synchronous_commit', 'on', false)
  WHERE current_setting('synchronous_commit') IN ('off', 'local');
";

pub(crate) type Parameters<'p> = &'p [&'p (dyn ToSql + Sync)];

/// A storage error out of a database error: its code and message, and not the detail, which would
/// show values of the row.
pub(crate) fn failed(error: tokio_postgres::Error) -> StoreError {
    match error.as_db_error() {
        Some(inner) => StoreError(format!("PostgreSQL: {} ({})", inner.message(), inner.code().code())),
        None => StoreError(format!("PostgreSQL: {error}")),
    }
}

/// One connection with what was prepared on it.
pub(crate) struct Connection {
    client: Client,
    statements: HashMap<String, Statement>,
}

impl Connection {
    async fn open(config: &Config) -> Result<Connection> {
        let (client, connection) = config.connect(NoTls).await.map_err(failed)?;
        // Ends with the client; an error on the way is told to the request under way as well.
        tokio::spawn(connection);
        client.batch_execute(SESSION).await.map_err(failed)?;
        Ok(Connection { client, statements: HashMap::new() })
    }

    pub(crate) fn closed(&self) -> bool {
        self.client.is_closed()
    }

    /// Runs statements without parameters.
    pub(crate) async fn run(&self, sql: &str) -> Result<()> {
        self.client.batch_execute(sql).await.map_err(failed)
    }

    /// The prepared form of a statement.
    async fn statement(&mut self, sql: &str) -> Result<Statement> {
        if let Some(statement) = self.statements.get(sql) {
            return Ok(statement.clone());
        }
        let statement = self.client.prepare(sql).await.map_err(failed)?;
        self.statements.insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }

    /// Runs one statement that is not worth keeping.
    pub(crate) async fn query_once(&self, sql: &str) -> Result<Vec<Row>> {
        self.client.query(sql, &[]).await.map_err(failed)
    }

    /// Runs one statement that is prepared once and kept.
    pub(crate) async fn query(&mut self, sql: &str, parameters: Parameters<'_>) -> Result<Vec<Row>> {
        let statement = self.statement(sql).await?;
        self.client.query(&statement, parameters).await.map_err(failed)
    }

    /// The one row of a statement that always has one.
    pub(crate) async fn one(&mut self, sql: &str, parameters: Parameters<'_>) -> Result<Row> {
        let row = self.query(sql, parameters).await?.into_iter().next();
        row.ok_or_else(|| StoreError("PostgreSQL: a row is missing".to_owned()))
    }

    /// Like [`query`](Connection::query), behind `first` in the same round trip.
    pub(crate) async fn query_after(
        &mut self,
        first: &str,
        sql: &str,
        parameters: Parameters<'_>,
    ) -> Result<Vec<Row>> {
        let statement = self.statement(sql).await?;
        let (first, rows) =
            tokio::join!(self.client.batch_execute(first), self.client.query(&statement, parameters));
        first.map_err(failed)?;
        rows.map_err(failed)
    }
}

/// Wakes a thread that waits.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// A runtime that may also be dropped on a worker of another one, where a plain one would panic.
pub(crate) struct Background(Option<Runtime>);

impl Background {
    pub(crate) fn start() -> Result<Background> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(THREADS)
            .thread_name("postgres")
            .enable_all()
            .build()
            .map_err(|error| StoreError(format!("starting threads: {error}")))?;
        Ok(Background(Some(runtime)))
    }

    /// Waits for something that the threads of this runtime carry on. Unlike the runtime's own method it may also be
    /// called within another runtime, whose thread waits then: an import, a door, a command.
    pub(crate) fn block_on<T>(&self, work: impl Future<Output = T>) -> T {
        let _context = self.enter();
        let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
        let mut context = Context::from_waker(&waker);
        let mut work = pin!(work);
        loop {
            match work.as_mut().poll(&mut context) {
                Poll::Ready(done) => return done,
                Poll::Pending => std::thread::park(),
            }
        }
    }
}

impl Deref for Background {
    type Target = Runtime;

    fn deref(&self) -> &Runtime {
        self.0.as_ref().expect("present until it is dropped")
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.0.take().expect("present until it is dropped").shutdown_background();
    }
}

/// The connections of a store.
pub(crate) struct Pool {
    config: Config,
    state: Mutex<State>,
    returned: Condvar,
}

#[derive(Default)]
struct State {
    idle: Vec<Connection>,
    open: usize,
}

impl Pool {
    pub(crate) fn new(mut config: Config) -> Pool {
        config.connect_timeout(PATIENCE).application_name("tongmai");
        Pool { config, state: Mutex::default(), returned: Condvar::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection that works as far as is known: a kept one, or a new one.
    pub(crate) fn take(&self, runtime: &Background) -> Result<Connection> {
        let deadline = Instant::now() + PATIENCE;
        let mut state = self.state();
        loop {
            while let Some(connection) = state.idle.pop() {
                if !connection.closed() {
                    return Ok(connection);
                }
                state.open -= 1;
            }
            if state.open < CONNECTIONS {
                break;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(StoreError(format!("all {CONNECTIONS} connections are in use")));
            }
            state = self.returned.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        state.open += 1;
        drop(state);
        let connection = runtime.block_on(Connection::open(&self.config));
        if connection.is_err() {
            self.drop_one();
        }
        connection
    }

    /// Takes a connection back, which is not inside a transaction.
    pub(crate) fn give(&self, connection: Connection) {
        if connection.closed() {
            return self.drop_one();
        }
        self.state().idle.push(connection);
        self.returned.notify_one();
    }

    /// A connection that was taken is not coming back.
    pub(crate) fn drop_one(&self) {
        self.state().open -= 1;
        self.returned.notify_one();
    }
}
