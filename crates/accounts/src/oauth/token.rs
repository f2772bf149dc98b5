//! The token endpoint, introspection (RFC 7662) and revocation (RFC 7009).

use data_encoding::{BASE64, BASE64URL_NOPAD};
use ring::digest;
use serde_json::{Value, json};

use super::client::{Client, Proof};
use super::{ACCESS_SECONDS, Code, Grant, jwt, scope};
use crate::Accounts;
use crate::account::Event;
use crate::secret::{fingerprint, same, token};

/// How far ahead an assertion may end, in seconds; SMART says five minutes.
const ASSERTION_SECONDS: i64 = 300;
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// A refusal of the token endpoint: RFC 6749, section 5.2.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRefused {
    /// `invalid_client`, `invalid_grant` …
    pub code: &'static str,
    /// What is wrong, for the client's developer.
    pub why: &'static str,
}

impl TokenRefused {
    /// The status of its answer.
    pub fn status(&self) -> u16 {
        if self.code == "invalid_client" { 401 } else { 400 }
    }

    /// The body of its answer.
    pub fn body(&self) -> String {
        json!({"error": self.code, "error_description": self.why}).to_string()
    }
}

fn no(code: &'static str, why: &'static str) -> TokenRefused {
    TokenRefused { code, why }
}

type Form<'a> = &'a [(String, String)];

fn field<'a>(form: Form<'a>, name: &str) -> Result<&'a str, TokenRefused> {
    let mut found = form.iter().filter(|pair| pair.0 == name).map(|pair| pair.1.as_str());
    let value = found.next().unwrap_or("");
    match found.next() {
        Some(_) => Err(no("invalid_request", "a parameter stands there twice")),
        None => Ok(value),
    }
}

/// Id and secret of HTTP's basic authentication.
fn basic(authorization: &str) -> Option<(String, String)> {
    let encoded = authorization.strip_prefix("Basic ").or_else(|| authorization.strip_prefix("basic "))?;
    let text = String::from_utf8(BASE64.decode(encoded.trim().as_bytes()).ok()?).ok()?;
    let (id, secret) = text.split_once(':')?;
    Some((id.to_owned(), secret.to_owned()))
}

impl Accounts {
    /// Which client asks, proved in the way that it registered.
    fn client(&self, form: Form<'_>, authorization: &str, endpoint: &str) -> Result<Client, TokenRefused> {
        let unknown = || no("invalid_client", "the client is unknown, or did not prove who it is");
        let assertion = field(form, "client_assertion")?;
        let (id, secret) = match basic(authorization) {
            Some((id, secret)) => (id, Some(secret)),
            None => {
                let secret = field(form, "client_secret")?;
                (field(form, "client_id")?.to_owned(), (!secret.is_empty()).then(|| secret.to_owned()))
            }
        };
        let id = if id.is_empty() { issuer(assertion).ok_or_else(unknown)? } else { id };
        let client = self.state().clients.get(&id).filter(|client| !client.locked).cloned();
        let client = client.ok_or_else(unknown)?;
        match (&client.proof, secret, assertion) {
            (Proof::Public, None, "") => Ok(client),
            (Proof::Secret(_), Some(secret), "") if client.is_secret(&secret) => Ok(client),
            (Proof::Keys(keys), None, assertion) if !assertion.is_empty() => {
                if field(form, "client_assertion_type")? != JWT_BEARER {
                    return Err(unknown());
                }
                let claims = jwt::verified(assertion, keys).map_err(|_| unknown())?;
                self.check_assertion(&claims, &client.id, endpoint)?;
                Ok(client)
            }
            _ => Err(unknown()),
        }
    }

    fn check_assertion(&self, claims: &Value, client: &str, endpoint: &str) -> Result<(), TokenRefused> {
        let unknown = |why| no("invalid_client", why);
        let text = |name: &str| claims[name].as_str().unwrap_or("");
        if text("iss") != client || text("sub") != client {
            return Err(unknown("iss and sub of an assertion are the client's id"));
        }
        let audience = match &claims["aud"] {
            Value::String(one) => one == endpoint,
            Value::Array(many) => many.len() == 1 && many[0].as_str() == Some(endpoint),
            _ => false,
        };
        if !audience {
            return Err(unknown("aud of an assertion is the address of the token endpoint"));
        }
        let now = self.now();
        let until = claims["exp"].as_i64().unwrap_or(0).saturating_mul(1000);
        if until <= now || until > now + 1000 * (ASSERTION_SECONDS + 60) {
            return Err(unknown("an assertion ends within five minutes"));
        }
        if claims["nbf"].as_i64().is_some_and(|from| from.saturating_mul(1000) > now + 60_000) {
            return Err(unknown("the assertion does not count yet"));
        }
        let id = text("jti");
        if id.is_empty() || id.len() > 256 {
            return Err(unknown("an assertion has a jti"));
        }
        let mut memory = self.oauth();
        memory.sweep(now);
        let key = fingerprint(&format!("{client} {id}"));
        match memory.assertions.get(&key) {
            Some(seen) if now < *seen => Err(unknown("the assertion was used before")),
            _ => {
                memory.assertions.insert(key, until);
                Ok(())
            }
        }
    }

    /// Answers the token endpoint at `endpoint`; blocks for a sync of the disk when a refresh token is given.
    ///
    /// # Errors
    /// RFC 6749's refusals.
    pub fn token(&self, form: Form<'_>, authorization: &str, endpoint: &str) -> Result<Value, TokenRefused> {
        let client = self.client(form, authorization, endpoint)?;
        match field(form, "grant_type")? {
            "authorization_code" => self.exchange(&client, form, endpoint),
            "refresh_token" => self.refresh(&client, form),
            "client_credentials" => self.service(&client, form),
            _ => Err(no("unsupported_grant_type", "authorization_code, refresh_token or client_credentials")),
        }
    }

    fn exchange(&self, client: &Client, form: Form<'_>, endpoint: &str) -> Result<Value, TokenRefused> {
        let invalid = |why| no("invalid_grant", why);
        let now = self.now();
        let code = self.take_code(field(form, "code")?, &client.id)?;
        if now >= code.until {
            return Err(invalid("the code is over"));
        }
        if field(form, "redirect_uri")? != code.redirect {
            return Err(invalid("redirect_uri is not the one of the request"));
        }
        let verifier = field(form, "code_verifier")?;
        let sign = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~');
        if !(43..=128).contains(&verifier.len()) || !verifier.bytes().all(sign) {
            return Err(invalid("code_verifier has 43 to 128 signs"));
        }
        let hashed = digest::digest(&digest::SHA256, verifier.as_bytes());
        if !same(BASE64URL_NOPAD.encode(hashed.as_ref()).as_bytes(), code.challenge.as_bytes()) {
            return Err(invalid("code_verifier is not the one of the challenge"));
        }
        let mut answer = self.access_token(&code.grant);
        if code.grant.scopes.iter().any(|scope| matches!(scope.as_str(), "offline_access" | "online_access"))
        {
            answer["refresh_token"] = Value::String(self.refresh_token(&code.grant)?);
        }
        if code.grant.scopes.iter().any(|scope| scope == "openid") {
            answer["id_token"] = Value::String(self.id_token(&code, endpoint)?);
        }
        Ok(answer)
    }

    /// A code, once: who brings it again ends everything that came of it.
    fn take_code(&self, code: &str, client: &str) -> Result<Code, TokenRefused> {
        let invalid = || no("invalid_grant", "the code does not count");
        let key = fingerprint(code);
        let mut memory = self.oauth();
        let kept = memory.codes.get_mut(&key).ok_or_else(invalid)?;
        let family = kept.grant.family.clone();
        if kept.used || kept.grant.client != client {
            memory.codes.remove(&key);
            memory.end_family(&family);
            drop(memory);
            self.end_refresh(&family);
            return Err(invalid());
        }
        kept.used = true;
        Ok(kept.clone())
    }

    fn access_token(&self, grant: &Grant) -> Value {
        let now = self.now();
        let access = token(self.random());
        let ends = Grant { until: now + 1000 * ACCESS_SECONDS, ..grant.clone() };
        let mut memory = self.oauth();
        memory.sweep(now);
        memory.access.insert(fingerprint(&access), ends);
        let mut answer = json!({"access_token": access, "token_type": "Bearer", "expires_in": ACCESS_SECONDS,
            "scope": grant.scopes.join(" ")});
        if let Some(patient) = &grant.patient {
            answer["patient"] = json!(patient);
        }
        answer
    }

    fn refresh_token(&self, grant: &Grant) -> Result<String, TokenRefused> {
        let refresh = token(self.random());
        let event = Event::Refresh { fingerprint: fingerprint(&refresh), grant: Some(grant.clone()) };
        let kept = self.record(|_| Ok(((), vec![event])));
        kept.map_err(|_| no("server_error", "the token could not be kept"))?;
        Ok(refresh)
    }

    fn id_token(&self, code: &Code, endpoint: &str) -> Result<String, TokenRefused> {
        let now = self.now() / 1000;
        let account = self.account(&code.grant.account).unwrap_or_default();
        let issuer = endpoint.strip_suffix("/oauth/token").unwrap_or(endpoint);
        let mut claims = json!({"iss": issuer, "sub": account.id, "aud": code.grant.client,
            "iat": now, "exp": now + ACCESS_SECONDS, "name": account.name});
        if let Some(nonce) = &code.nonce {
            claims["nonce"] = json!(nonce);
        }
        if code.grant.scopes.iter().any(|scope| scope == "fhirUser")
            && let Some(user) = self.fhir_user(&account.id)
        {
            claims["fhirUser"] = json!(format!("{issuer}/fhir/{user}"));
        }
        self.signer.sign(&claims).ok_or_else(|| no("server_error", "the id token could not be signed"))
    }

    /// The resource that stands for an account: a resident's own Patient.
    fn fhir_user(&self, id: &str) -> Option<String> {
        let state = self.state();
        let own = state.accounts.get(id)?.bindings.first()?.patients.first()?.clone();
        Some(format!("Patient/{own}"))
    }

    fn refresh(&self, client: &Client, form: Form<'_>) -> Result<Value, TokenRefused> {
        let invalid = || no("invalid_grant", "the refresh token does not count");
        let key = fingerprint(field(form, "refresh_token")?);
        let grant = self.state().refresh.get(&key).cloned();
        let Some(grant) = grant.filter(|grant| grant.client == client.id && self.now() < grant.until) else {
            // A token that was used before: somebody stole it, and nobody can tell who.
            let family = self.oauth().spent.get(&key).cloned();
            if let Some(family) = family {
                self.oauth().end_family(&family);
                self.end_refresh(&family);
            }
            return Err(invalid());
        };
        let account = self.state().accounts.get(&grant.account).is_some_and(|kept| kept.locked.is_empty());
        if !account {
            return Err(invalid());
        }
        let asked = field(form, "scope")?;
        let scopes =
            if asked.is_empty() { grant.scopes.clone() } else { scope::granted(asked, &grant.scopes) };
        if scopes.is_empty() {
            return Err(no("invalid_scope", "none of the scopes was granted"));
        }
        let gone = Event::Refresh { fingerprint: key.clone(), grant: None };
        let taken = self.record(|state| match state.refresh.contains_key(&key) {
            true => Ok(((), vec![gone])),
            false => Err(crate::refused("used")),
        });
        taken.map_err(|_| invalid())?;
        self.oauth().spent.insert(key, grant.family.clone());
        let mut answer = self.access_token(&Grant { scopes, ..grant.clone() });
        answer["refresh_token"] = Value::String(self.refresh_token(&grant)?);
        Ok(answer)
    }

    fn service(&self, client: &Client, form: Form<'_>) -> Result<Value, TokenRefused> {
        if !matches!(client.proof, Proof::Keys(_)) {
            return Err(no("unauthorized_client", "a client for itself proves itself by a key"));
        }
        let mut scopes = scope::granted(field(form, "scope")?, &client.scopes);
        scopes.retain(|scope| scope.starts_with("system/"));
        if scopes.is_empty() {
            return Err(no("invalid_scope", "none of the scopes is allowed to this client"));
        }
        let now = self.now();
        Ok(self.access_token(&Grant {
            family: fingerprint(&token(self.random()))[..32].to_owned(),
            client: client.id.clone(),
            account: String::new(),
            scopes,
            patient: None,
            granted: now,
            until: now + 1000 * ACCESS_SECONDS,
        }))
    }

    fn end_refresh(&self, family: &str) {
        let _ = self.record(|state| {
            let of_family = state.refresh.iter().filter(|(_, grant)| grant.family == family);
            let gone = of_family.map(|(key, _)| Event::Refresh { fingerprint: key.clone(), grant: None });
            Ok(((), gone.collect()))
        });
    }

    /// What a token stands for; RFC 7662. Only a client that proves who it is may ask.
    ///
    /// # Errors
    /// The client is unknown or public.
    pub fn introspect(
        &self,
        form: Form<'_>,
        authorization: &str,
        endpoint: &str,
    ) -> Result<Value, TokenRefused> {
        let client = self.client(form, authorization, endpoint)?;
        if client.proof == Proof::Public {
            return Err(no("invalid_client", "only a client that proves who it is may ask"));
        }
        let Some(grant) = self.granted(field(form, "token")?) else { return Ok(json!({"active": false})) };
        let mut answer = json!({"active": true, "scope": grant.scopes.join(" "), "client_id": grant.client,
            "token_type": "Bearer", "exp": grant.until / 1000, "iat": grant.granted / 1000});
        if !grant.account.is_empty() {
            answer["sub"] = json!(grant.account);
            answer["username"] = json!(grant.account);
        }
        if let Some(patient) = grant.patient {
            answer["patient"] = json!(patient);
        }
        Ok(answer)
    }

    /// Ends a token of the client's own and all that came of the same grant; RFC 7009. A token that is
    /// none is answered as one that was ended.
    ///
    /// # Errors
    /// The client is unknown.
    pub fn revoke(&self, form: Form<'_>, authorization: &str, endpoint: &str) -> Result<(), TokenRefused> {
        let client = self.client(form, authorization, endpoint)?;
        let key = fingerprint(field(form, "token")?);
        let refresh = self.state().refresh.get(&key).cloned();
        let grant = refresh.or_else(|| self.oauth().access.get(&key).cloned());
        if let Some(grant) = grant.filter(|grant| grant.client == client.id) {
            self.oauth().end_family(&grant.family);
            self.end_refresh(&grant.family);
        }
        Ok(())
    }

    /// The public keys of id tokens.
    pub fn key_set(&self) -> Value {
        self.signer.key_set()
    }
}

/// The issuer that an assertion names, before anything of it was checked.
fn issuer(assertion: &str) -> Option<String> {
    let claims = assertion.split('.').nth(1)?;
    let claims: Value = serde_json::from_slice(&BASE64URL_NOPAD.decode(claims.as_bytes()).ok()?).ok()?;
    claims["iss"].as_str().map(str::to_owned)
}

/// What a client has to know: SMART App Launch 2.2, section 2.
pub fn discovery(origin: &str) -> Value {
    json!({
        "issuer": origin,
        "jwks_uri": format!("{origin}/oauth/jwks"),
        "authorization_endpoint": format!("{origin}/oauth/authorize"),
        "token_endpoint": format!("{origin}/oauth/token"),
        "introspection_endpoint": format!("{origin}/oauth/introspect"),
        "revocation_endpoint": format!("{origin}/oauth/revoke"),
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "private_key_jwt"],
        "token_endpoint_auth_signing_alg_values_supported": ["ES384", "RS384", "ES256"],
        "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials"],
        "response_types_supported": ["code"],
        "code_challenge_methods_supported": ["S256"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"],
        "scopes_supported": ["openid", "fhirUser", "launch", "launch/patient", "offline_access", "online_access",
            "patient/*.rs", "user/*.cruds", "system/*.rs"],
        "capabilities": ["launch-ehr", "launch-standalone", "client-public", "client-confidential-symmetric",
            "client-confidential-asymmetric", "sso-openid-connect", "context-ehr-patient",
            "context-standalone-patient", "permission-patient", "permission-user", "permission-offline",
            "permission-online", "permission-v1", "permission-v2"],
    })
}
