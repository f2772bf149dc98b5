//! `/login` and `/logout`.

use std::sync::Arc;

use askama::Template;
use tongmai_accounts::LoginRefused;
use tongmai_engine::Outcome;
use tongmai_http::{Answer, Asked};

use super::{Form, own_address, session, session_cookie};
use crate::frame::Frame;
use crate::language::Language;
use crate::{Site, framed, render, reply};

#[derive(Template)]
#[template(path = "account/login.html")]
struct Login {
    page: Frame,
    l: Language,
    problem: Option<String>,
    account: String,
    next: String,
    /// The password was right, a code is missing.
    code: bool,
}

framed!(Login);

/// The form.
pub fn page(asked: &Asked, page: Frame) -> Outcome<Answer> {
    let next = own_address(page.parameter("next").unwrap_or("")).to_owned();
    let login = Login { l: page.language, page, problem: None, account: String::new(), next, code: false };
    render(asked, 200, &login)
}

/// Somebody says who they are.
pub async fn come_in(site: &Arc<Site>, asked: &Asked, page: Frame) -> Outcome<Answer> {
    let form = Form::of(asked)?;
    let next = own_address(form.field("next")).to_owned();
    let account = form.field("account").trim().to_lowercase();
    let (id, password) = (account.clone(), form.field("password").to_owned());
    let code = form.field("code").to_owned();
    let done = site
        .work(move |site| match &site.accounts {
            Some(accounts) => accounts.login(&id, &password, &code),
            None => Err(LoginRefused::Wrong),
        })
        .await;
    let refused = match done {
        Ok(token) => {
            // A session that the browser had before ends: the new one has another token.
            if let Some(accounts) = &site.accounts {
                accounts.logout(session(asked));
            }
            return Ok(reply::lead(&next, &[session_cookie(site, &token)]));
        }
        Err(refused) => refused,
    };
    let l = page.language;
    let problem = match refused {
        LoginRefused::Wrong => l.say("login-wrong").into_owned(),
        LoginRefused::CodeNeeded => l.say("login-code-needed").into_owned(),
        LoginRefused::Wait(seconds) => l.count("login-wait", seconds / 60 + 1).into_owned(),
        LoginRefused::Locked => l.say("login-locked").into_owned(),
        LoginRefused::Training => l.say("login-training").into_owned(),
    };
    let code = refused == LoginRefused::CodeNeeded;
    render(asked, 403, &Login { l, page, problem: Some(problem), account, next, code })
}

/// Somebody goes.
pub fn go_out(site: &Arc<Site>, asked: &Asked) -> Outcome<Answer> {
    if let Some(accounts) = &site.accounts {
        accounts.logout(session(asked));
    }
    Ok(reply::lead("/login", &[session_cookie(site, "")]))
}
