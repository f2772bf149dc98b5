//! A request, read within its limits.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::body::{Body, Incoming};
use hyper::header::{AUTHORIZATION, COOKIE, HOST, HeaderName, HeaderValue};
use hyper::{HeaderMap, Method};
use tongmai_access::{Credentials, Identify, Requester};
use tongmai_base::limits;

use crate::SLOWEST;
use crate::answer::{Answer, refuse};

/// A request that was read in full.
#[derive(Debug)]
pub struct Asked {
    /// The method.
    pub method: Method,
    /// The path, still encoded.
    pub path: String,
    /// The query, still encoded; empty when there is none.
    pub query: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// Who asks.
    pub requester: Arc<Requester>,
}

impl Asked {
    /// The text of a header; empty when it is absent or no text.
    pub fn header(&self, name: impl Into<HeaderNameLike>) -> &str {
        self.headers.get(name.into().0).and_then(|value| value.to_str().ok()).unwrap_or("")
    }

    /// The address under which FHIR is reached, as the client wrote it.
    pub fn base(&self) -> String {
        let host = self.headers.get(HOST).and_then(|value| value.to_str().ok()).unwrap_or("localhost");
        let sane = !host.is_empty()
            && host.len() <= 255
            && host
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b':' | b'[' | b']'));
        let scheme = if self.headers.contains_key(BY_TLS) { "https" } else { "http" };
        format!("{scheme}://{}/fhir", if sane { host } else { "localhost" })
    }
}

/// Marks what came by TLS. The server alone sets it: what a client sends under this name is dropped.
const BY_TLS: HeaderName = HeaderName::from_static("tongmai-by-tls");

/// A header name, from a constant or a literal.
pub struct HeaderNameLike(HeaderName);

impl From<HeaderName> for HeaderNameLike {
    fn from(name: HeaderName) -> Self {
        HeaderNameLike(name)
    }
}

impl From<&'static str> for HeaderNameLike {
    fn from(name: &'static str) -> Self {
        HeaderNameLike(HeaderName::from_static(name))
    }
}

/// Name of the cookie that holds the token of a session.
pub const SESSION_COOKIE: &str = "session";

/// The value of a cookie.
pub fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
    let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.filter(|pair| pair.0 == name).map(|pair| pair.1).next()
}

/// Who asks, by the request's token or session.
fn requester(headers: &HeaderMap, identify: &dyn Identify) -> Result<Arc<Requester>, Box<Answer>> {
    let authorization = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let bearer = authorization.and_then(|value| {
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    });
    let credentials = Credentials { bearer, session: cookie(headers, SESSION_COOKIE) };
    identify.identify(credentials).map_err(|_| Box::new(crate::answer::invalid_token()))
}

/// Reads a request in full, or says why not.
pub(crate) async fn read(
    request: hyper::Request<Incoming>,
    identify: &dyn Identify,
    secure: bool,
) -> Result<Asked, Box<Answer>> {
    let (mut parts, body) = request.into_parts();
    let length = parts.uri.path_and_query().map_or(0, |path| path.as_str().len());
    if length > limits::URL_BYTES {
        let why = format!("the address has {length} bytes, over the limit of {}", limits::URL_BYTES);
        return Err(Box::new(refuse(414, "too-long", &why, "send long searches by POST to _search")));
    }
    parts.headers.remove(BY_TLS);
    if secure {
        parts.headers.insert(BY_TLS, HeaderValue::from_static("1"));
    }
    // A forged token is refused before its body is taken in.
    let requester = requester(&parts.headers, identify)?;
    let body = read_body(body).await?;
    Ok(Asked {
        method: parts.method,
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or("").to_owned(),
        headers: parts.headers,
        body,
        requester,
    })
}

/// Reads a body up to the limit.
pub async fn read_body(body: Incoming) -> Result<Bytes, Box<Answer>> {
    if body.is_end_stream() {
        return Ok(Bytes::new());
    }
    let too_large = || {
        let why = format!("the body is over the limit of {} bytes", limits::BODY_BYTES);
        Box::new(refuse(413, "too-large", &why, "send several smaller requests"))
    };
    if body.size_hint().lower() > limits::BODY_BYTES as u64 {
        return Err(too_large());
    }
    match tokio::time::timeout(SLOWEST, Limited::new(body, limits::BODY_BYTES).collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => Err(too_large()),
        Ok(Err(_)) => Err(Box::new(refuse(400, "body", "the body ended too early", ""))),
        Err(_) => Err(Box::new(refuse(408, "timeout", "the body took too long to arrive", "send it again"))),
    }
}
