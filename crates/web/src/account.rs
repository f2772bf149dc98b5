//! Coming in and going out, and where a role's work begins.

mod authorize;
mod home;
mod invitation;
mod login;

use std::sync::Arc;

use hyper::Method;
use tongmai_engine::bundle::parse_pairs;
use tongmai_engine::{Failure, Outcome, Reason};
use tongmai_http::{Answer, Asked, SESSION_COOKIE, cookie};

use crate::frame::Frame;
use crate::{Site, problem};

pub use home::{address as home_address, page as home};

/// Answers `/login`, `/logout`, `/invitation` and `/oauth/authorize`.
pub async fn answer(site: &Arc<Site>, asked: &Asked, frame: Frame, path: &[&str]) -> Outcome<Answer> {
    if site.accounts.is_none() {
        return Ok(problem::show(asked, frame, 404, "lost", ""));
    }
    let post = asked.method == Method::POST;
    match path {
        ["login"] if post => login::come_in(site, asked, frame).await,
        ["login"] => login::page(asked, frame),
        ["logout"] if post => login::go_out(site, asked),
        ["invitation"] if post => invitation::accept(site, asked, frame).await,
        ["invitation"] => invitation::page(asked, frame),
        ["oauth", "authorize"] if post => authorize::decide(site, asked, frame).await,
        ["oauth", "authorize"] => authorize::page(site, asked, frame).await,
        _ => Ok(problem::show(asked, frame, 404, "lost", "")),
    }
}

/// The fields of a form.
pub struct Form(Vec<(String, String)>);

impl Form {
    /// Reads the body of a request.
    pub fn of(asked: &Asked) -> Outcome<Form> {
        let body = std::str::from_utf8(&asked.body)
            .map_err(|_| Failure::new(Reason::Invalid, "form", "encoding", "the form is not UTF-8"))?;
        Ok(Form(parse_pairs(body)))
    }

    /// A field; empty when it is absent.
    pub fn field(&self, name: &str) -> &str {
        self.0.iter().find(|pair| pair.0 == name).map_or("", |pair| pair.1.as_str())
    }
}

/// The token of the session in which a request was made; empty when there is none.
pub fn session(asked: &Asked) -> &str {
    cookie(&asked.headers, SESSION_COOKIE).unwrap_or("")
}

/// The cookie of a session, or of its end when the token is empty.
pub fn session_cookie(site: &Site, token: &str) -> String {
    let secure = if site.secure { "; Secure" } else { "" };
    let age = if token.is_empty() { "; Max-Age=0" } else { "" };
    format!("{SESSION_COOKIE}={token}; Path=/; HttpOnly; SameSite=Lax{secure}{age}")
}

/// An address of this server that a page may lead to after a login; anything else leads home.
pub fn own_address(next: &str) -> &str {
    let own = next.starts_with('/')
        && !next.starts_with("//")
        && !next.contains(['\\', '\n', '\r', '\t'])
        && next.bytes().all(|b| b.is_ascii_graphic());
    if own { next } else { "/home" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_leads_to_pages_of_this_server_alone() {
        for own in ["/", "/person/1?a=b", "/oauth/authorize?redirect_uri=https%3A%2F%2Fx"] {
            assert_eq!(own_address(own), own);
        }
        for other in
            ["", "//evil", "/\\evil", "https://evil", "evil", "/a\r\nSet-Cookie: x", "/\tx", "javascript:x"]
        {
            assert_eq!(own_address(other), "/home", "{other:?}");
        }
    }
}
