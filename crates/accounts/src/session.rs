//! Sessions of the pages. They live in memory: a restart ends them all.

use std::collections::HashMap;
use std::sync::Arc;

use tongmai_access::{Emergency, Requester};

use crate::secret::{fingerprint, token};

/// A session ends when nobody did anything for so long; MLPS level 3 asks for a lock.
pub const IDLE_MILLISECONDS: i64 = 20 * 60 * 1000;
/// … and in any case after so long.
pub const LONGEST_MILLISECONDS: i64 = 12 * 3600 * 1000;
/// Most sessions of one account; the oldest goes.
const SESSIONS: usize = 8;

/// One session.
#[derive(Debug, Clone)]
pub struct Session {
    /// Id of the account.
    pub account: String,
    /// When it began, in milliseconds since 1970.
    pub begun: i64,
    /// When it was last used.
    pub seen: i64,
    /// Under which emergency access it stands.
    pub emergency: Option<Emergency>,
    /// Who asks in it.
    pub requester: Arc<Requester>,
}

/// All sessions, by the fingerprint of their token.
#[derive(Debug, Default)]
pub struct Sessions(HashMap<String, Session>);

impl Sessions {
    /// Begins a session and gives its token.
    pub fn begin(&mut self, requester: Arc<Requester>, now: i64, random: fn() -> [u8; 16]) -> String {
        self.sweep(now);
        let account = requester.actor.clone();
        let mut own: Vec<(i64, String)> = self
            .0
            .iter()
            .filter(|(_, session)| session.account == account)
            .map(|(key, session)| (session.seen, key.clone()))
            .collect();
        own.sort();
        for (_, oldest) in own.iter().take((own.len() + 1).saturating_sub(SESSIONS)) {
            self.0.remove(oldest);
        }
        let token = token(random);
        let emergency = requester.emergency.clone();
        let session = Session { account, begun: now, seen: now, emergency, requester };
        self.0.insert(fingerprint(&token), session);
        token
    }

    /// The session of a token, used now.
    pub fn of(&mut self, token: &str, now: i64) -> Option<&Session> {
        let key = fingerprint(token);
        let session = self.0.get_mut(&key)?;
        // A clock that went back does not lengthen a session.
        let over = now - session.seen > IDLE_MILLISECONDS
            || now - session.begun > LONGEST_MILLISECONDS
            || now < session.begun;
        if over {
            self.0.remove(&key);
            return None;
        }
        session.seen = session.seen.max(now);
        self.0.get(&key)
    }

    /// Ends a session.
    pub fn end(&mut self, token: &str) {
        self.0.remove(&fingerprint(token));
    }

    /// Ends all sessions of an account.
    pub fn end_all(&mut self, account: &str) {
        self.0.retain(|_, session| session.account != account);
    }

    /// Accounts with a session, and how many they have.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    fn sweep(&mut self, now: i64) {
        self.0.retain(|_, session| {
            now - session.seen <= IDLE_MILLISECONDS && now - session.begun <= LONGEST_MILLISECONDS
        });
    }
}
