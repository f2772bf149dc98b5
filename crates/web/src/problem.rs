//! Pages that say what went wrong and what to do.

use askama::Template;
use tongmai_engine::{Failure, Reason};
use tongmai_http::{Answer, Asked};

use crate::frame::Frame;
use crate::language::Language;
use crate::resource::Version;
use crate::{framed, reply};

#[derive(Template)]
#[template(path = "problem.html")]
struct Problem {
    l: Language,
    page: Frame,
    title: String,
    what: String,
    detail: String,
    versions: Vec<Version>,
    base: String,
}

framed!(Problem);

/// A page about a problem: `lost`, `unseen`, `gone`, `expired`, `broken`, `closed`, `forbidden` or `wrong`.
pub fn show(asked: &Asked, page: Frame, status: u16, kind: &str, detail: &str) -> Answer {
    with_versions(asked, page, status, kind, detail, Vec::new(), String::new())
}

/// The page of something that was deleted, with the versions that there were.
pub fn gone(asked: &Asked, page: Frame, versions: Vec<Version>, base: String) -> Answer {
    with_versions(asked, page, 410, "gone", "", versions, base)
}

fn with_versions(
    asked: &Asked,
    page: Frame,
    status: u16,
    kind: &str,
    detail: &str,
    versions: Vec<Version>,
    base: String,
) -> Answer {
    let cookies = page.cookies.clone();
    let problem = Problem {
        l: page.language,
        page,
        title: format!("{kind}-title"),
        what: format!("{kind}-what"),
        detail: detail.to_owned(),
        versions,
        base,
    };
    let markup = problem.render().unwrap_or_else(|_| "<!doctype html><title>Tongmai</title>".to_owned());
    reply::page(asked, status, markup, &cookies)
}

/// The page of a refusal.
pub fn failed(asked: &Asked, page: Frame, failure: &Failure) -> Answer {
    let expired = failure.findings.iter().any(|finding| finding.code == "expired");
    let detail = failure.findings.first().map_or("", |finding| finding.message.as_str());
    match failure.reason {
        Reason::Forbidden => {
            let repair = failure.findings.first().map_or("", |finding| finding.repair.as_str());
            show(asked, page, 403, "forbidden", format!("{detail} {repair}").trim())
        }
        // Whether it is there is not said to who may not see it; what would open it is said to everybody.
        Reason::NotFound if page.limited => show(asked, page, 404, "unseen", ""),
        Reason::NotFound => show(asked, page, 404, "lost", detail),
        Reason::Gone if expired => show(asked, page, 410, "expired", ""),
        Reason::Gone => show(asked, page, 410, "gone", detail),
        Reason::Busy => show(asked, page, 503, "broken", ""),
        Reason::Internal => {
            tracing::error!(%failure, "a page failed");
            show(asked, page, 500, "broken", "")
        }
        _ => show(asked, page, 400, "wrong", detail),
    }
}
