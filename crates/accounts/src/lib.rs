//! Accounts, sessions and tokens: who somebody is, and how they prove it.
//!
//! The state of all accounts is a fold over a durable log of its own ([`tongmai_journal`]); sessions and
//! access tokens live in memory and end with the process. Nothing here says what somebody may see: a door
//! gets an [`access::Requester`](tongmai_access::Requester) and `access` decides.

pub mod account;
pub mod bounds;
pub mod family;
pub mod oauth;
pub mod secret;
pub mod session;

mod administration;
mod login;

use std::collections::HashMap;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};

use tongmai_access::{Credentials, Identify, InvalidToken, Represented, Requester, Role};
use tongmai_journal::Journal;

pub use account::{Account, Binding, Event, Invitation, Kept, Representation, State};
pub use login::{LoginRefused, PrintedInvitation};
use session::Sessions;

/// What the accounts are given from outside.
#[derive(Clone, Copy)]
pub struct Surroundings {
    /// Milliseconds since 1970.
    pub now: fn() -> i64,
    /// Sixteen random bytes.
    pub random: fn() -> [u8; 16],
}

/// Why something was not done, in words for the person who asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused(pub String);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refused {}

fn refused(why: impl Into<String>) -> Refused {
    Refused(why.into())
}

/// All accounts of an installation.
pub struct Accounts {
    journal: Journal,
    state: RwLock<State>,
    /// Held from the decision until it is durable and applied: the log has one order.
    writing: Mutex<()>,
    sessions: Mutex<Sessions>,
    failures: Mutex<HashMap<String, login::Failures>>,
    oauth: Mutex<oauth::Memory>,
    signer: oauth::jwt::Signer,
    quotas: bounds::Quotas,
    refusals: bounds::Refusals,
    surroundings: Surroundings,
}

impl Accounts {
    /// Opens the accounts that are kept in `folder`, making it if there is none.
    ///
    /// # Errors
    /// The folder cannot be read or written, or an entry of its log is none of this version.
    pub fn open(folder: &Path, surroundings: Surroundings) -> std::io::Result<Accounts> {
        let journal = Journal::open(folder)?;
        let mut state = State::default();
        let mut broken = None;
        journal.read(&mut |bytes| match serde_json::from_slice::<Event>(bytes) {
            Ok(event) => state.apply(event),
            Err(error) => broken = Some(error.to_string()),
        })?;
        if let Some(error) = broken {
            return Err(std::io::Error::new(std::io::ErrorKind::InvalidData, error));
        }
        Ok(Accounts {
            journal,
            state: RwLock::new(state),
            writing: Mutex::new(()),
            sessions: Mutex::new(Sessions::default()),
            failures: Mutex::new(HashMap::new()),
            oauth: Mutex::new(oauth::Memory::default()),
            signer: oauth::jwt::Signer::open(&folder.join("signing.p8"))?,
            quotas: bounds::Quotas::default(),
            refusals: bounds::Refusals::new(folder),
            surroundings,
        })
    }

    fn now(&self) -> i64 {
        (self.surroundings.now)()
    }

    fn random(&self) -> fn() -> [u8; 16] {
        self.surroundings.random
    }

    /// What they were given from outside.
    pub fn surroundings(&self) -> Surroundings {
        self.surroundings
    }

    fn sessions(&self) -> MutexGuard<'_, Sessions> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn oauth(&self) -> MutexGuard<'_, oauth::Memory> {
        self.oauth.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state of all accounts.
    pub fn state(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Decides on the state, makes the events durable, and applies them. Blocks for a sync of the disk.
    fn record<T>(
        &self,
        decide: impl FnOnce(&State) -> Result<(T, Vec<Event>), Refused>,
    ) -> Result<T, Refused> {
        let _turn = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let (done, events) = decide(&self.state())?;
        for event in events {
            let bytes = serde_json::to_vec(&event).map_err(|error| refused(error.to_string()))?;
            match self.journal.append(bytes).blocking_recv() {
                Ok(Ok(())) => {}
                Ok(Err(why)) => return Err(refused(format!("the log of accounts cannot be written: {why}"))),
                Err(_) => return Err(refused("the log of accounts has stopped")),
            }
            self.state.write().unwrap_or_else(PoisonError::into_inner).apply(event);
        }
        Ok(done)
    }

    /// Counts a request; `false` when whoever asks has had enough of this minute.
    pub fn may_ask(&self, requester: &Requester) -> bool {
        // Of nobody it is not known who they are: their requests are refused anyway, and cost little.
        requester.is_nobody() || requester.is(Role::Service) || self.quotas.take(&requester.actor, self.now())
    }

    /// Notes a refusal in the bounded log of refusals.
    pub fn note_refusal(&self, requester: &Requester, what: &str, status: u16) {
        self.refusals.note(self.now(), &requester.actor, what, status);
    }

    /// Who an account is, for a session of the pages; `None` when there is none or it is locked.
    pub fn requester(&self, id: &str) -> Option<Requester> {
        let state = self.state();
        let kept = state.accounts.get(id).filter(|kept| kept.locked.is_empty())?;
        Some(requester_of(kept, self.now()))
    }

    /// The account of an id.
    pub fn account(&self, id: &str) -> Option<Account> {
        self.state().accounts.get(id).map(|kept| kept.account.clone())
    }
}

/// What an account stands for at `now`.
fn requester_of(kept: &Kept, now: i64) -> Requester {
    let account = &kept.account;
    let live = kept.represents.iter().filter(|one| one.frozen.is_none());
    let live = live.filter(|one| one.until.is_none_or(|until| now < until));
    let represents = live.map(|one| Represented {
        patients: one.patients.clone(),
        basis: one.basis.code().to_owned(),
        categories: one.categories.clone(),
        until: one.until,
    });
    Requester {
        actor: account.id.clone(),
        purpose: account.purpose.clone(),
        organization: account.organization.clone(),
        roles: account.known_roles(),
        own: kept.bindings.iter().flat_map(|binding| binding.patients.iter().cloned()).collect(),
        represents: represents.collect(),
        ..Requester::default()
    }
}

impl Identify for Accounts {
    fn identify(&self, credentials: Credentials<'_>) -> Result<Arc<Requester>, InvalidToken> {
        if let Some(token) = credentials.bearer {
            return self.bearer(token).ok_or(InvalidToken);
        }
        let session = credentials.session.and_then(|token| self.in_session(token));
        Ok(session.unwrap_or_else(|| Arc::new(Requester::nobody())))
    }
}
