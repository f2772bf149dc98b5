//! A request, read within its limits.

use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::body::{Body, Incoming};
use hyper::header::{HOST, HeaderName};
use hyper::{HeaderMap, Method};
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
        format!("http://{}/fhir", if sane { host } else { "localhost" })
    }
}

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

/// Reads a request in full, or says why not.
pub(crate) async fn read(request: hyper::Request<Incoming>) -> Result<Asked, Box<Answer>> {
    let (parts, body) = request.into_parts();
    let length = parts.uri.path_and_query().map_or(0, |path| path.as_str().len());
    if length > limits::URL_BYTES {
        let why = format!("the address has {length} bytes, over the limit of {}", limits::URL_BYTES);
        return Err(Box::new(refuse(414, "too-long", &why, "send long searches by POST to _search")));
    }
    let body = read_body(body).await?;
    Ok(Asked {
        method: parts.method,
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or("").to_owned(),
        headers: parts.headers,
        body,
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
