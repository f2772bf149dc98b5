//! *My family*: for whom I speak, and who speaks for me.

use std::sync::Arc;

use askama::Template;
use tongmai_accounts::account::Representation;
use tongmai_engine::{Failure, Outcome, Reason};
use tongmai_http::{Answer, Asked};

use crate::account::Form;
use crate::format::When;
use crate::frame::Frame;
use crate::language::Language;
use crate::{Site, framed, render, reply};

/// Somebody who speaks for somebody.
struct Tie {
    name: String,
    account: String,
    patient: String,
    basis: &'static str,
    categories: Option<Vec<String>>,
    until: Option<When>,
    frozen: bool,
}

fn tie(one: &Representation, name: &str, account: &str) -> Tie {
    Tie {
        name: name.to_owned(),
        account: account.to_owned(),
        patient: one.patients.first().cloned().unwrap_or_default(),
        basis: one.basis.code(),
        categories: one.categories.clone(),
        until: one.until.map(When::moment),
        frozen: one.frozen.is_some(),
    }
}

#[derive(Template)]
#[template(path = "me/family.html")]
struct Family {
    page: Frame,
    l: Language,
    speaks_for: Vec<Tie>,
    speak_for_me: Vec<Tie>,
}

framed!(Family);

/// `/me/family`
pub async fn page(site: &Arc<Site>, asked: &Asked, frame: Frame) -> Outcome<Answer> {
    let page = frame.in_section("nav-family");
    let (mut speaks_for, mut speak_for_me) = (Vec::new(), Vec::new());
    if let Some(accounts) = &site.accounts {
        let state = accounts.state();
        if let Some(kept) = state.accounts.get(&site.requester.actor) {
            speaks_for.extend(kept.represents.iter().map(|one| tie(one, &one.name, &kept.account.id)));
        }
        for kept in state.accounts.values() {
            let mine = kept.represents.iter().filter(|one| is_own(site, one));
            speak_for_me.extend(mine.map(|one| tie(one, &kept.account.name, &kept.account.id)));
        }
    }
    render(asked, 200, &Family { l: page.language, page, speaks_for, speak_for_me })
}

fn is_own(site: &Site, one: &Representation) -> bool {
    one.patients.iter().any(|patient| site.requester.own.contains(patient))
}

/// `POST /me/family`: a resident ends or freezes what another may do for them, or gives up a tie of their own.
pub async fn change(site: &Arc<Site>, asked: &Asked) -> Outcome<Answer> {
    let form = Form::of(asked)?;
    let (account, patient) = (form.field("account").to_owned(), form.field("patient").to_owned());
    let own = site.requester.own.contains(&patient);
    let mine = account == site.requester.actor;
    let act = form.field("act").to_owned();
    let invalid = |why: &str| Failure::new(Reason::Invalid, "family", "invalid", why);
    // Who is represented decides; who represents may only step back.
    if !(own || (mine && act == "end")) {
        return Err(invalid("only the person themself changes who speaks for them"));
    }
    let done = site
        .work(move |site| {
            let accounts = site.accounts.as_ref()?;
            Some(match act.as_str() {
                "end" => accounts.represent_no_more(&account, &patient),
                "freeze" => accounts.freeze(&patient, Some("disputed by the person")).map(drop),
                _ => Err(tongmai_accounts::Refused("choose one of the buttons".into())),
            })
        })
        .await;
    match done {
        Some(Ok(())) => Ok(reply::see_other("/me/family")),
        Some(Err(refused)) => Err(invalid(&refused.0)),
        None => Err(invalid("there are no accounts here")),
    }
}
