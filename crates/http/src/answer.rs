//! Answers and their outcomes.

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::Response;
use hyper::header::{
    CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderValue, LAST_MODIFIED, RETRY_AFTER, WWW_AUTHENTICATE,
};
use tongmai_base::{Finding, Severity};
use tongmai_engine::{Failure, Reason, Resource};
use tongmai_fhir::json::write_string;

/// An answer: whole, or a stream for large files.
pub type Answer = Response<BoxBody<Bytes, std::io::Error>>;

/// The media type of FHIR.
pub(crate) const FHIR_JSON: &str = "application/fhir+json; charset=utf-8";

/// An answer with a whole body.
pub fn plain(status: u16, content_type: &'static str, body: impl Into<Bytes>) -> Answer {
    let body = Full::new(body.into()).map_err(|never| match never {}).boxed();
    let mut answer = Response::new(body);
    *answer.status_mut() =
        hyper::StatusCode::from_u16(status).unwrap_or(hyper::StatusCode::INTERNAL_SERVER_ERROR);
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    answer
}

/// An answer in FHIR JSON.
pub(crate) fn fhir(status: u16, body: impl Into<Bytes>) -> Answer {
    plain(status, FHIR_JSON, body)
}

/// A refusal with one finding.
pub fn refuse(status: u16, code: &str, message: &str, repair: &str) -> Answer {
    fhir(status, outcome(&[Finding::error("", code, message).with_repair(repair)]))
}

pub(crate) fn busy() -> Answer {
    let mut answer = refuse(
        503,
        "throttled",
        "too many requests are under way",
        "try again after the seconds in Retry-After",
    );
    answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    answer
}

/// A bearer token that is not valid; RFC 6750, section 3.
pub(crate) fn invalid_token() -> Answer {
    let mut answer = refuse(
        401,
        "security",
        "the token is not valid",
        "ask for a new token at the token endpoint of /fhir/.well-known/smart-configuration",
    );
    let challenge = HeaderValue::from_static("Bearer realm=\"tongmai\", error=\"invalid_token\"");
    answer.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    answer
}

/// A request without a token, where one is needed; RFC 6750, section 3.
pub(crate) fn login_needed() -> Answer {
    let mut answer = refuse(
        401,
        "login",
        "nobody has said who asks",
        "send a token: /fhir/.well-known/smart-configuration says how to get one",
    );
    answer.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"tongmai\""));
    answer
}

/// An actor who asks more than their share.
pub(crate) fn too_many() -> Answer {
    let mut answer = refuse(
        429,
        "throttled",
        "this account asks too often",
        "go on in a minute; a bulk export reads many records with one request",
    );
    answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("60"));
    answer
}

/// The status that a refusal has.
pub(crate) fn status_of(reason: Reason) -> u16 {
    match reason {
        Reason::Invalid | Reason::NotSupported => 400,
        Reason::Unprocessable => 422,
        Reason::Forbidden => 403,
        Reason::NotFound => 404,
        Reason::Gone => 410,
        Reason::Conflict => 409,
        Reason::Precondition => 412,
        Reason::TooLarge => 413,
        Reason::Busy => 503,
        Reason::Internal => 500,
    }
}

/// The answer of a refusal.
pub(crate) fn failed(failure: &Failure) -> Answer {
    let status = status_of(failure.reason);
    if status == 500 {
        // What the storage said may name paths; the log has it, the client hears less.
        tracing::error!(%failure, "a request failed");
        return refuse(
            500,
            "exception",
            "the server could not do this",
            "tell the operator the time of this request",
        );
    }
    let mut answer = fhir(status, outcome(&failure.findings));
    if status == 503 {
        answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    answer
}

/// An OperationOutcome of findings.
pub(crate) fn outcome(findings: &[Finding]) -> String {
    let mut out = String::from("{\"resourceType\":\"OperationOutcome\",\"issue\":[");
    write_issues(findings, &mut out);
    out.push_str("]}");
    out
}

fn write_issues(findings: &[Finding], out: &mut String) {
    if findings.is_empty() {
        out.push_str(
            "{\"severity\":\"information\",\"code\":\"informational\",\"diagnostics\":\"all is well\"}",
        );
    }
    for (index, finding) in findings.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        out.push_str("{\"severity\":");
        write_string(finding.severity.code(), out);
        out.push_str(",\"code\":");
        write_string(issue_type(finding), out);
        out.push_str(",\"details\":{\"coding\":[{\"system\":\"urn:tongmai:rule\",\"code\":");
        write_string(&finding.code, out);
        out.push_str("}],\"text\":");
        write_string(&finding.message, out);
        out.push('}');
        let mut diagnostics = finding.message.clone();
        if !finding.repair.is_empty() {
            diagnostics = format!("{diagnostics} — {}", finding.repair);
        }
        out.push_str(",\"diagnostics\":");
        write_string(&diagnostics, out);
        if !finding.path.is_empty() {
            out.push_str(",\"expression\":[");
            write_string(&finding.path, out);
            out.push(']');
        }
        out.push('}');
    }
}

/// The code of FHIR's `issue-type` that is nearest to a rule.
fn issue_type(finding: &Finding) -> &'static str {
    match finding.code.as_str() {
        "not-found" => "not-found",
        "deleted" => "deleted",
        "conflict" | "version" => "conflict",
        "expired" => "expired",
        "multiple-matches" => "multiple-matches",
        "too-many" | "too-large" | "too-long" | "too-deep" => "too-long",
        "too-costly" => "too-costly",
        "not-supported" | "unknown" => "not-supported",
        "throttled" => "throttled",
        "timeout" => "timeout",
        "exception" => "exception",
        "security" => "security",
        "login" => "login",
        "forbidden" => "forbidden",
        "cardinality" => "required",
        "binding" => "code-invalid",
        "unknown-element" => "structure",
        _ if finding.severity == Severity::Information => "informational",
        _ => "invalid",
    }
}

/// Adds the version and the time of a resource to the headers.
pub(crate) fn stamp(answer: &mut Answer, resource: &Resource) {
    let tag = format!("W/\"{}\"", resource.version);
    if let Ok(value) = HeaderValue::from_str(&tag) {
        answer.headers_mut().insert(ETAG, value);
    }
    if let Ok(value) = HeaderValue::from_str(&http_date(resource.updated)) {
        answer.headers_mut().insert(LAST_MODIFIED, value);
    }
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
}

/// An instant as HTTP writes it, in whole seconds.
pub(crate) fn http_date(milliseconds: i64) -> String {
    let seconds = u64::try_from(milliseconds / 1000).unwrap_or(0);
    httpdate::fmt_http_date(std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds))
}
