//! The authorization endpoint: what a client asks for, and what a person grants.

use data_encoding::BASE64URL_NOPAD;
use tongmai_access::{Requester, Role};

use super::{CODE_SECONDS, Code, Grant, REFRESH_SECONDS, scope};
use crate::secret::{fingerprint, token};
use crate::{Accounts, Refused, refused};

/// How long a launch from a page waits for its app, in milliseconds.
const LAUNCH_MILLISECONDS: i64 = 120_000;

/// A launch of an app from the page of a patient.
#[derive(Debug, Clone)]
pub(crate) struct Launch {
    pub(crate) account: String,
    pub(crate) patient: String,
    pub(crate) until: i64,
}

/// A request of a client that may be shown to a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The client.
    pub client: String,
    /// Its name.
    pub name: String,
    /// Where the code goes.
    pub redirect: String,
    /// What of the asked scopes it may have.
    pub scopes: Vec<String>,
    /// Handed back as it came.
    pub state: String,
    /// For the id token.
    pub nonce: Option<String>,
    /// The patient of a launch from a page.
    pub patient: Option<String>,
    challenge: String,
}

/// Why a request is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AskRefused {
    /// Shown to the person, and sent nowhere: the address cannot be trusted.
    Here(String),
    /// Sent to the client's address: the whole of it.
    There(String),
}

/// An address with parameters added to its query.
fn with(redirect: &str, pairs: &[(&str, &str)]) -> String {
    let mut address = redirect.to_owned();
    for (name, value) in pairs.iter().filter(|pair| !pair.1.is_empty()) {
        address.push(if address.contains('?') { '&' } else { '?' });
        address.push_str(name);
        address.push('=');
        for byte in value.bytes() {
            match byte {
                b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'-' | b'.' | b'_' | b'~' => {
                    address.push(char::from(byte));
                }
                _ => address.push_str(&format!("%{byte:02X}")),
            }
        }
    }
    address
}

impl Accounts {
    /// Checks a request to the authorization endpoint at `base`, the address of FHIR.
    ///
    /// # Errors
    /// Why it is refused, and to whom that is said.
    pub fn ask(&self, pairs: &[(String, String)], base: &str) -> Result<Asked, AskRefused> {
        let one = |name: &str| -> Result<&str, AskRefused> {
            let mut found = pairs.iter().filter(|pair| pair.0 == name).map(|pair| pair.1.as_str());
            let value = found.next().unwrap_or("");
            // Two values of one parameter are how proxies are made to see another request.
            if found.next().is_some() {
                return Err(AskRefused::Here(format!("'{name}' stands there twice")));
            }
            Ok(value)
        };
        let here = |why: &str| AskRefused::Here(why.to_owned());
        let state = self.state();
        let client = state.clients.get(one("client_id")?).filter(|client| !client.locked);
        let client = client.ok_or_else(|| here("the app is not registered here"))?;
        let redirect = one("redirect_uri")?;
        if !client.redirects.iter().any(|known| known == redirect) {
            return Err(here("the address for the answer is not one that the app registered"));
        }
        let word = one("state")?.to_owned();
        let there = |code: &str, why: &str| {
            let pairs = [("error", code), ("error_description", why), ("state", word.as_str())];
            AskRefused::There(with(redirect, &pairs))
        };
        if one("response_type")? != "code" {
            return Err(there("unsupported_response_type", "only 'code' is offered"));
        }
        if word.is_empty() {
            return Err(there("invalid_request", "'state' is missing"));
        }
        let challenge = one("code_challenge")?;
        if one("code_challenge_method")? != "S256" {
            return Err(there("invalid_request", "code_challenge_method is S256 and nothing else"));
        }
        if BASE64URL_NOPAD.decode(challenge.as_bytes()).map_or(0, |bytes| bytes.len()) != 32 {
            return Err(there("invalid_request", "code_challenge is a SHA-256 in base64url"));
        }
        let audience = one("aud")?;
        if audience.trim_end_matches('/') != base.trim_end_matches('/') {
            return Err(there("invalid_request", "'aud' is not the address of this server's FHIR"));
        }
        let mut scopes = scope::granted(one("scope")?, &client.scopes);
        // A person grants nothing that a service has by itself.
        scopes.retain(|scope| !scope.starts_with("system/"));
        if scopes.is_empty() {
            return Err(there("invalid_scope", "none of the scopes is allowed to this app"));
        }
        let launch = one("launch")?;
        let patient = match launch {
            "" => None,
            launch => {
                let found = self.oauth().launches.get(&fingerprint(launch)).cloned();
                let found = found.filter(|launch| self.now() < launch.until);
                Some(found.ok_or_else(|| there("invalid_request", "the launch is over"))?.patient)
            }
        };
        let nonce = one("nonce")?;
        Ok(Asked {
            client: client.id.clone(),
            name: client.name.clone(),
            redirect: redirect.to_owned(),
            scopes,
            nonce: (!nonce.is_empty()).then(|| nonce.to_owned()),
            patient,
            challenge: challenge.to_owned(),
            state: word,
        })
    }

    /// A launch of an app from the page of a patient, for the parameter `launch`.
    pub fn launch(&self, account: &str, patient: &str) -> String {
        let word = token(self.random());
        let until = self.now() + LAUNCH_MILLISECONDS;
        let launch = Launch { account: account.to_owned(), patient: patient.to_owned(), until };
        self.oauth().launches.insert(fingerprint(&word), launch);
        word
    }

    /// A person grants what a client asked for: the address to which they are sent, with the code.
    ///
    /// # Errors
    /// A scope of a patient without one that is the person's own or in their care.
    pub fn grant(
        &self,
        asked: &Asked,
        requester: &Requester,
        patient: Option<&str>,
    ) -> Result<String, Refused> {
        let now = self.now();
        let patient = asked.patient.clone().or_else(|| patient.map(str::to_owned));
        let needs = |scope: &String| scope.starts_with("patient/") || scope == "launch/patient";
        match &patient {
            None if asked.scopes.iter().any(needs) => {
                return Err(refused("choose whose record the app may see"));
            }
            Some(patient) if requester.is(Role::Resident) && !requester.speaks_for(patient, now) => {
                return Err(refused("that record is not yours to share"));
            }
            _ => {}
        }
        let code = token(self.random());
        let grant = Grant {
            family: fingerprint(&token(self.random()))[..32].to_owned(),
            client: asked.client.clone(),
            account: requester.actor.clone(),
            scopes: asked.scopes.clone(),
            patient,
            granted: now,
            until: now + 1000 * REFRESH_SECONDS,
        };
        let kept = Code {
            grant,
            redirect: asked.redirect.clone(),
            challenge: asked.challenge.clone(),
            nonce: asked.nonce.clone(),
            until: now + 1000 * CODE_SECONDS,
            used: false,
        };
        let mut memory = self.oauth();
        memory.sweep(now);
        memory.codes.insert(fingerprint(&code), kept);
        Ok(with(&asked.redirect, &[("code", &code), ("state", &asked.state)]))
    }

    /// A person refuses: the address to which they are sent.
    pub fn deny(&self, asked: &Asked) -> String {
        with(&asked.redirect, &[("error", "access_denied"), ("state", &asked.state)])
    }
}
