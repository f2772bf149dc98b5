//! Answers of the pages: security headers, packing, cookies.

use bytes::Bytes;
use flate2::Compression;
use hyper::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, ETAG, HeaderName, HeaderValue, LOCATION,
    REFERRER_POLICY, SET_COOKIE, VARY, X_CONTENT_TYPE_OPTIONS,
};
use sha2::{Digest, Sha256};
use tongmai_http::{Answer, Asked, plain};

use crate::asset::{Asset, pack};

/// Nothing from elsewhere, nothing written into the page itself, no frame around it.
const POLICY: &str = "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; \
                      frame-ancestors 'none'";
/// Answers smaller than this are sent as they are.
const WORTH_PACKING: usize = 600;

/// A page.
pub fn page(asked: &Asked, status: u16, markup: String, cookies: &[String]) -> Answer {
    let mut answer = packed(asked, status, Bytes::from(markup));
    // What a person sees of records is never kept by anything in between, nor on the disk.
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    for cookie in cookies {
        if let Ok(value) = HeaderValue::from_str(cookie) {
            answer.headers_mut().append(SET_COOKIE, value);
        }
    }
    answer
}

/// A part of a page that is asked for again and again: not sent when it is as it was.
pub fn part(asked: &Asked, markup: String) -> Answer {
    let hash = Sha256::digest(markup.as_bytes());
    let tag: String = hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let tag = format!("\"{tag}\"");
    let mut answer = if asked.header("if-none-match") == tag {
        guarded(plain(304, "text/html; charset=utf-8", ""))
    } else {
        packed(asked, 200, Bytes::from(markup))
    };
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    if let Ok(value) = HeaderValue::from_str(&tag) {
        answer.headers_mut().insert(ETAG, value);
    }
    answer
}

/// A redirection after a form was sent, to an address that is made of letters, digits and what URLs keep.
pub fn see(address: &str) -> Answer {
    let mut answer = see_other("/");
    if let Ok(value) = HeaderValue::from_str(address) {
        answer.headers_mut().insert(LOCATION, value);
    }
    answer
}

/// A redirection after a form was sent.
pub fn see_other(address: impl AsRef<str>) -> Answer {
    let mut answer = guarded(plain(303, "text/plain; charset=utf-8", ""));
    if let Ok(address) = HeaderValue::from_str(address.as_ref()) {
        answer.headers_mut().insert(LOCATION, address);
    }
    answer
}

/// A redirection to an address that was made; only what an address may hold gets through.
pub fn see_other_at(address: &str) -> Answer {
    let mut answer = guarded(plain(303, "text/plain; charset=utf-8", ""));
    let value = HeaderValue::from_str(address).unwrap_or(HeaderValue::from_static("/"));
    answer.headers_mut().insert(LOCATION, value);
    answer
}

/// A redirection to an address that was made here, with choices for the browser to keep.
pub fn see_other_with(address: &str, cookies: &[String]) -> Answer {
    let mut answer = guarded(plain(303, "text/plain; charset=utf-8", ""));
    if let Ok(value) = HeaderValue::from_str(address) {
        answer.headers_mut().insert(LOCATION, value);
    }
    for value in cookies.iter().filter_map(|cookie| HeaderValue::from_str(cookie).ok()) {
        answer.headers_mut().append(SET_COOKIE, value);
    }
    answer
}

/// Leads to another page of this server, with cookies for the browser to keep.
pub fn lead(address: &str, cookies: &[String]) -> Answer {
    let mut answer = lead_away(address);
    for cookie in cookies {
        if let Ok(value) = HeaderValue::from_str(cookie) {
            answer.headers_mut().append(SET_COOKIE, value);
        }
    }
    answer
}

/// Leads to the registered address of an app.
pub fn lead_away(address: &str) -> Answer {
    let mut answer = guarded(plain(303, "text/plain; charset=utf-8", ""));
    if let Ok(value) = HeaderValue::from_str(address) {
        answer.headers_mut().insert(LOCATION, value);
    }
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

/// Lets a form of the page lead on to another origin: browsers hold what a form leads to against the policy too.
pub fn may_lead_to(mut answer: Answer, origin: &str) -> Answer {
    let policy = POLICY.replace("form-action 'self'", &format!("form-action 'self' {origin}"));
    if let Ok(value) = HeaderValue::from_str(&policy) {
        answer.headers_mut().insert(CONTENT_SECURITY_POLICY, value);
    }
    answer
}

/// An asset: its address changes with its content, so it is kept for a year.
pub fn asset(asked: &Asked, asset: &'static Asset) -> Answer {
    let packs = takes_gzip(asked);
    let body = if packs { asset.packed.clone() } else { Bytes::from_static(asset.content) };
    let mut answer = guarded(plain(200, asset.media_type, body));
    let headers = answer.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable"));
    headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{}\"", asset.address)) {
        headers.insert(ETAG, tag);
    }
    if packs {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    answer
}

fn packed(asked: &Asked, status: u16, body: Bytes) -> Answer {
    let packs = body.len() >= WORTH_PACKING && takes_gzip(asked);
    let body = if packs { pack(&body, Compression::new(6)) } else { body };
    let mut answer = guarded(plain(status, "text/html; charset=utf-8", body));
    let headers = answer.headers_mut();
    headers.insert(VARY, HeaderValue::from_static("accept-encoding, accept-language, cookie"));
    if packs {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    answer
}

/// Adds the headers that guard every answer.
pub fn guarded(mut answer: Answer) -> Answer {
    let headers = answer.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // Addresses of pages name records: other places never hear them.
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    let same = HeaderName::from_static("cross-origin-opener-policy");
    headers.insert(same, HeaderValue::from_static("same-origin"));
    answer
}

fn takes_gzip(asked: &Asked) -> bool {
    asked.header("accept-encoding").split(',').any(|part| {
        let (name, quality) = part.split_once(';').unwrap_or((part, ""));
        name.trim() == "gzip" && quality.trim() != "q=0"
    })
}
