//! OAuth 2 and OpenID Connect for the embedded installation: SMART App Launch 2.2.
//!
//! What is offered is little on purpose: the code grant with PKCE (S256 alone), refresh tokens that are
//! used once, client credentials with a signed assertion. There is no implicit grant, no password grant,
//! no `plain`, no redirect that was not registered letter by letter, and no key that is fetched from a
//! client's address.

pub mod authorize;
pub mod client;
pub mod jwt;
pub mod scope;
pub mod token;

use std::collections::HashMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tongmai_access::{Requester, Role};

use crate::secret::fingerprint;
use crate::{Accounts, requester_of};

/// How long an access token counts, in seconds.
pub const ACCESS_SECONDS: i64 = 300;
/// How long a code counts, in seconds.
pub const CODE_SECONDS: i64 = 60;
/// How long a refresh token counts, in seconds.
pub const REFRESH_SECONDS: i64 = 30 * 86_400;
/// Tokens, codes and assertions that are remembered at once.
const REMEMBERED: usize = 100_000;

/// What was granted to a client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// The same for all tokens that follow from one consent: a misuse of one ends all.
    pub family: String,
    /// The client.
    pub client: String,
    /// The account that granted it; empty when the client acts for itself.
    pub account: String,
    /// Scopes, as they were granted.
    pub scopes: Vec<String>,
    /// Id of the Patient in context.
    pub patient: Option<String>,
    /// When it was granted, in milliseconds since 1970.
    pub granted: i64,
    /// When it ends.
    pub until: i64,
}

/// A code that waits to be exchanged.
#[derive(Debug, Clone)]
pub(crate) struct Code {
    grant: Grant,
    redirect: String,
    challenge: String,
    nonce: Option<String>,
    until: i64,
    used: bool,
}

/// What lives in memory: it ends with the process.
#[derive(Debug, Default)]
pub struct Memory {
    codes: HashMap<String, Code>,
    access: HashMap<String, Grant>,
    /// Refresh tokens that were used, with their family: who brings one again stole it or was robbed.
    spent: HashMap<String, String>,
    /// Assertions that were seen, until when they count.
    assertions: HashMap<String, i64>,
    launches: HashMap<String, authorize::Launch>,
}

impl Memory {
    pub(crate) fn end_all(&mut self, account: &str) {
        self.codes.retain(|_, code| code.grant.account != account);
        self.access.retain(|_, grant| grant.account != account);
        self.launches.retain(|_, launch| launch.account != account);
    }

    fn end_family(&mut self, family: &str) {
        self.access.retain(|_, grant| grant.family != family);
    }

    fn sweep(&mut self, now: i64) {
        if self.access.len() + self.codes.len() + self.assertions.len() < REMEMBERED {
            return;
        }
        self.codes.retain(|_, code| now < code.until + 600_000);
        self.access.retain(|_, grant| now < grant.until);
        self.assertions.retain(|_, until| now < *until);
        self.launches.retain(|_, launch| now < launch.until);
    }
}

impl Accounts {
    /// Who asks with an access token; `None` when it does not count, or its account or client was locked.
    pub(crate) fn bearer(&self, token: &str) -> Option<Arc<Requester>> {
        let grant = self.granted(token)?;
        let state = self.state();
        let client = state.clients.get(&grant.client).filter(|client| !client.locked)?;
        let requester = if grant.account.is_empty() {
            Requester {
                actor: client.id.clone(),
                purpose: client.purpose.clone(),
                organization: client.organization.clone(),
                roles: vec![Role::Service],
                ..Requester::default()
            }
        } else {
            let kept = state.accounts.get(&grant.account).filter(|kept| kept.locked.is_empty())?;
            requester_of(kept, self.now())
        };
        Some(Arc::new(Requester {
            scopes: Some(grant.scopes),
            client: grant.client,
            patient: grant.patient,
            ..requester
        }))
    }

    /// The grant of an access token that counts.
    fn granted(&self, token: &str) -> Option<Grant> {
        let now = self.now();
        let memory = self.oauth();
        memory.access.get(&fingerprint(token)).filter(|grant| now < grant.until).cloned()
    }
}
