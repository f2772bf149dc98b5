//! `/invitation`: a resident opens their account with the code that a counter printed.

use std::sync::Arc;

use askama::Template;
use tongmai_engine::Outcome;
use tongmai_http::{Answer, Asked};

use super::{Form, session_cookie};
use crate::frame::Frame;
use crate::language::Language;
use crate::{Site, framed, render, reply};

#[derive(Template)]
#[template(path = "account/invitation.html")]
struct Invited {
    page: Frame,
    l: Language,
    problem: Option<String>,
    code: String,
}

framed!(Invited);

/// The form.
pub fn page(asked: &Asked, page: Frame) -> Outcome<Answer> {
    let code = page.parameter("code").unwrap_or("").to_owned();
    render(asked, 200, &Invited { l: page.language, page, problem: None, code })
}

/// The account is opened, and its owner is in.
pub async fn accept(site: &Arc<Site>, asked: &Asked, page: Frame) -> Outcome<Answer> {
    let form = Form::of(asked)?;
    let code = form.field("code").to_owned();
    let (printed, last, password) =
        (code.clone(), form.field("last").to_owned(), form.field("password").to_owned());
    let done = site
        .work(move |site| {
            let accounts = site.accounts.as_ref()?;
            Some(accounts.accept(&printed, &last, &password).map(|id| accounts.login(&id, &password, "")))
        })
        .await;
    match done {
        Some(Ok(Ok(token))) => Ok(reply::lead("/home", &[session_cookie(site, &token)])),
        Some(Ok(Err(_))) | None => Ok(reply::lead("/login", &[])),
        Some(Err(refused)) => {
            render(asked, 400, &Invited { l: page.language, page, problem: Some(refused.0), code })
        }
    }
}
