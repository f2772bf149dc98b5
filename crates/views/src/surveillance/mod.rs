//! Surveillance over the ledger: from the doctor's diagnosis to a card, a signal and an answer.
//!
//! [`Cases`] is the view: it finds notifiable diseases in what comes in, and follows cards, signals and
//! contacts, which are Tasks in the ledger ([`task`]). [`Surveillance`] keeps it up to date, writes the
//! drafts and signals that are due, and carries out what people decide.

pub mod cases;
pub mod document;
pub mod fact;
pub mod reconcile;
pub mod rules;
mod sign;
pub mod task;
mod visible;
mod watch;
mod work;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use tongmai_access::{Access, Operation, Released, Requester, Sealed, Sight};
use tongmai_engine::views::Running;
use tongmai_engine::{Engine, Failure, Outcome, Reason};
use tongmai_store::Seq;

pub use cases::{Case, Cases, Stratum};
pub use rules::Rules;
pub use task::{Card, Contact, Items, Signal};
pub use visible::VisibleCases;
pub use watch::{Run, date_of as watch_date, outcomes, predictive_value};
pub use work::{Decision, FILLED, NewContact, UNEXPLAINED};

/// How long the follower sleeps when this process commits nothing: another one may have.
const IDLE: Duration = Duration::from_secs(1);
/// How long it rests at least after each look at the ledger, so that a burst is folded in few steps; up to a second
/// it rests as long as it worked: half of a core is left to those who wait for answers.
const REST: Duration = Duration::from_millis(20);
/// How long it waits after a failure.
const AFTER_FAILURE: Duration = Duration::from_secs(5);

static INSTALLED: OnceLock<Arc<Rules>> = OnceLock::new();

/// Puts other rules in force for this process; only the first call counts.
pub fn install_rules(rules: Rules) -> bool {
    INSTALLED.set(Arc::new(rules)).is_ok()
}

fn rules_in_force() -> Arc<Rules> {
    INSTALLED.get().cloned().unwrap_or_else(Rules::shipped)
}

/// Surveillance over an engine.
pub struct Surveillance {
    engine: Arc<Engine>,
    access: Arc<Access>,
    running: Running<Cases>,
    run: Mutex<Run>,
    changed: tokio::sync::watch::Sender<Seq>,
    /// Only one catches up at a time, so that nothing is drafted twice.
    turn: tokio::sync::Mutex<()>,
}

impl Surveillance {
    /// Surveillance with the checkpoint of its view in `folder`; it does nothing before it is asked.
    pub fn new(engine: Arc<Engine>, access: Arc<Access>, folder: Option<PathBuf>) -> Surveillance {
        Surveillance {
            engine,
            access,
            running: Running::new(folder),
            run: Mutex::default(),
            changed: tokio::sync::watch::channel(0).0,
            turn: tokio::sync::Mutex::default(),
        }
    }

    /// The one who drafts and raises: the platform itself.
    pub fn requester() -> Requester {
        Requester::installation("surveillance", "PUBHLTH")
    }

    fn own_sight(&self) -> Sight {
        self.access.sight(&Surveillance::requester())
    }

    /// Brings the view up to date and looks at it.
    pub fn look<T>(&self, look: impl FnOnce(&Cases) -> T) -> Outcome<T> {
        self.running.now(&self.engine, |cases, _| look(cases))
    }

    /// Looks through a sight at cards, signals, contacts or counts that are to be shown: sealed, with the
    /// positions that they come from. Counts come from none.
    pub fn show<T>(
        &self,
        sight: &Sight,
        look: impl FnOnce(&VisibleCases<'_>) -> (T, Vec<Seq>),
    ) -> Outcome<Sealed<T>> {
        let shown = |cases: &Cases| Ok::<_, Failure>(look(&VisibleCases::new(&self.engine, sight, cases)?));
        let (content, mut positions) = self.look(shown)??;
        positions.sort_unstable();
        positions.dedup();
        Ok(Sealed::new(content, Operation::Page, positions))
    }

    /// Tells the position up to which cards and signals are written, for pages that follow.
    pub fn changed(&self) -> tokio::sync::watch::Receiver<Seq> {
        self.changed.subscribe()
    }

    /// What [`Surveillance::changed`] tells when the server is about to stop.
    pub const CLOSED: Seq = Seq::MAX;

    /// Lets everybody go who waits for a change.
    pub fn close(&self) {
        self.changed.send_replace(Surveillance::CLOSED);
    }

    /// The day now in China Standard Time.
    pub fn today(&self) -> i64 {
        fact::day_of(self.engine.now())
    }

    async fn release<T>(&self, requester: &Requester, sealed: Sealed<T>) -> Outcome<Released<T>> {
        let released = self.access.release(requester, sealed).await;
        released.map_err(|failure| Failure::new(Reason::Internal, "", "exception", failure.0))
    }

    fn last_run(&self) -> std::sync::MutexGuard<'_, Run> {
        self.run.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Follows the ledger in a thread of its own as long as somebody else holds this surveillance.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn follow(self: &Arc<Surveillance>) -> std::io::Result<()> {
        let surveillance = Arc::downgrade(self);
        let mut committed = self.engine.committed();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        let follow = async move {
            loop {
                let begun = Instant::now();
                let wait = match surveillance.upgrade() {
                    None => return,
                    Some(surveillance) => match surveillance.catch_up().await {
                        Ok(_) => IDLE,
                        Err(failure) => {
                            tracing::error!(%failure, "surveillance could not follow the ledger");
                            AFTER_FAILURE
                        }
                    },
                };
                if wait == AFTER_FAILURE {
                    tokio::time::sleep(wait).await;
                    continue;
                }
                tokio::time::sleep(begun.elapsed().clamp(REST, IDLE)).await;
                if let Ok(Err(_)) = tokio::time::timeout(wait, committed.changed()).await {
                    return;
                }
            }
        };
        let thread = std::thread::Builder::new().name("surveillance".into());
        thread.spawn(move || runtime.block_on(follow)).map(drop)
    }
}
