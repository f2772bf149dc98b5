//! The endpoints of OAuth 2 that clients speak to. The one that people see, where they grant, is a page.

use std::sync::Arc;

use hyper::Method;
use hyper::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, HeaderValue, WWW_AUTHENTICATE};
use serde_json::Value;
use tongmai_accounts::Accounts;
use tongmai_accounts::oauth::token::{TokenRefused, discovery};
use tongmai_engine::bundle::parse_pairs;

use crate::answer::{Answer, plain};
use crate::request::Asked;

/// Answers a request to one of the endpoints; `None` when the address is none of them.
pub(crate) async fn answer(accounts: &Arc<Accounts>, asked: &Asked) -> Option<Answer> {
    let origin = asked.base().strip_suffix("/fhir").unwrap_or("").to_owned();
    let read = matches!(asked.method, Method::GET | Method::HEAD);
    match asked.path.as_str() {
        "/fhir/.well-known/smart-configuration"
        | "/.well-known/smart-configuration"
        | "/.well-known/openid-configuration"
        | "/.well-known/oauth-authorization-server"
            if read =>
        {
            Some(json(200, &discovery(&origin)))
        }
        "/oauth/jwks" if read => Some(json(200, &accounts.key_set())),
        "/oauth/token" | "/oauth/introspect" | "/oauth/revoke" => Some(post(accounts, asked, origin).await),
        _ => None,
    }
}

fn json(status: u16, body: &Value) -> Answer {
    let mut answer = plain(status, "application/json", body.to_string());
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

fn refuse(refused: &TokenRefused) -> Answer {
    let mut answer = plain(refused.status(), "application/json", refused.body());
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if refused.status() == 401 {
        let challenge = HeaderValue::from_static("Basic realm=\"tongmai\"");
        answer.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    }
    answer
}

async fn post(accounts: &Arc<Accounts>, asked: &Asked, origin: String) -> Answer {
    let wrong = |why| refuse(&TokenRefused { code: "invalid_request", why });
    if asked.method != Method::POST {
        return wrong("this endpoint is asked by POST");
    }
    if !asked.header(CONTENT_TYPE).starts_with("application/x-www-form-urlencoded") {
        return wrong("the request is a form: application/x-www-form-urlencoded");
    }
    // What stands in an address is kept in the logs of proxies: no secret may.
    if !asked.query.is_empty() {
        return wrong("parameters stand in the body alone");
    }
    let Ok(text) = std::str::from_utf8(&asked.body) else { return wrong("the form is not UTF-8") };
    let form = parse_pairs(text);
    let authorization = asked.header(AUTHORIZATION).to_owned();
    let (accounts, path) = (accounts.clone(), asked.path.clone());
    let endpoint = format!("{origin}/oauth/token");
    // Keeping a refresh token waits for the disk.
    let work = move || match path.as_str() {
        "/oauth/token" => accounts.token(&form, &authorization, &endpoint),
        "/oauth/introspect" => accounts.introspect(&form, &authorization, &endpoint),
        _ => accounts.revoke(&form, &authorization, &endpoint).map(|()| Value::Null),
    };
    match tokio::task::spawn_blocking(work).await {
        Ok(Ok(Value::Null)) => plain(200, "application/json", "{}"),
        Ok(Ok(body)) => json(200, &body),
        Ok(Err(refused)) => refuse(&refused),
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
