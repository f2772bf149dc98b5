//! Clients: apps of residents and staff, and services.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::jwt::PublicKey;
use super::scope;
use crate::account::Event;
use crate::secret::{fingerprint, same, token};
use crate::{Accounts, Refused, refused};

/// How a client proves who it is at the token endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Proof {
    /// It cannot: an app on a device of its user. PKCE binds it.
    Public,
    /// A secret, of which the fingerprint is kept.
    Secret(String),
    /// Public keys, given at the registration: SMART's asymmetric authentication.
    Keys(Vec<PublicKey>),
}

/// A client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Client {
    /// Its id.
    pub id: String,
    /// Its name, as people who grant it something read it.
    pub name: String,
    /// Id of the Organization that runs it.
    pub organization: String,
    /// How it proves who it is.
    pub proof: Proof,
    /// Addresses to which codes may be sent, letter by letter.
    pub redirects: Vec<String>,
    /// Scopes that it may ask for.
    pub scopes: Vec<String>,
    /// The one purpose for which it acts, as HL7 `v3-PurposeOfUse` codes it.
    pub purpose: String,
    /// An administrator locked it.
    #[serde(default)]
    pub locked: bool,
}

impl Client {
    /// Why a client cannot be registered.
    fn fault(&self) -> Option<String> {
        let sign = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
        if self.id.is_empty() || self.id.len() > 64 || !self.id.bytes().all(sign) {
            return Some("a client's id has up to 64 letters, digits, '.', '-' and '_'".into());
        }
        for redirect in &self.redirects {
            // The device itself may be spoken to without TLS (RFC 8252, section 7.3).
            let local = ["http://127.0.0.1", "http://[::1]", "http://localhost"];
            let local = local
                .iter()
                .any(|prefix| redirect.strip_prefix(prefix).is_some_and(|rest| rest.starts_with([':', '/'])));
            let own = redirect.starts_with("https://") || local;
            if !own || redirect.contains(['#', '*', ' ', '\\', '\n', '\r']) || redirect.contains("/..") {
                return Some(format!("'{redirect}' is no address for codes: https, whole, without '#'"));
            }
        }
        if let Some(bad) = self.scopes.iter().find(|scope| scope::Scope::parse(scope).is_none()) {
            return Some(format!("'{bad}' is no scope of SMART App Launch 2.2"));
        }
        let services = self.scopes.iter().any(|scope| scope.starts_with("system/"));
        if services && !matches!(self.proof, Proof::Keys(_)) {
            return Some("a client with scopes of 'system/' proves itself by keys".into());
        }
        match &self.proof {
            Proof::Keys(keys) if keys.is_empty() => {
                Some("a client that proves itself by keys has some".into())
            }
            _ => None,
        }
    }

    pub(crate) fn is_secret(&self, secret: &str) -> bool {
        match &self.proof {
            Proof::Secret(kept) => same(fingerprint(secret).as_bytes(), kept.as_bytes()),
            _ => false,
        }
    }
}

impl Accounts {
    /// Registers a client, or changes one.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn register(&self, client: Client) -> Result<(), Refused> {
        if let Some(fault) = client.fault() {
            return Err(refused(fault));
        }
        self.record(|_| Ok(((), vec![Event::Client { client }])))
    }

    /// A secret for a client, and its fingerprint for [`Proof::Secret`].
    pub fn client_secret(&self) -> (String, Proof) {
        let secret = token(self.random());
        let proof = Proof::Secret(fingerprint(&secret));
        (secret, proof)
    }
}

/// The keys of a JSON Web Key Set.
///
/// # Errors
/// A set that is none, or a key of a kind that is not taken.
pub fn keys_of(set: &Value) -> Result<Vec<PublicKey>, Refused> {
    let keys = set["keys"].as_array().ok_or_else(|| refused("a key set has 'keys'"))?;
    keys.iter().map(PublicKey::read).collect()
}
