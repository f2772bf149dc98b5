//! `/home`: where the work of a role begins, two clicks from its daily task.

use std::sync::Arc;

use askama::Template;
use tongmai_access::{Requester, Role};
use tongmai_engine::Outcome;
use tongmai_http::{Answer, Asked};

use crate::frame::Frame;
use crate::language::Language;
use crate::{Site, framed, render, reply};

/// Something to do: its address, the key of its name, and the key of a line beside it.
struct Task {
    address: &'static str,
    key: &'static str,
    what: String,
}

#[derive(Template)]
#[template(path = "account/home.html")]
struct Home {
    page: Frame,
    l: Language,
    name: String,
    organization: String,
    roles: Vec<&'static str>,
    tasks: Vec<Task>,
}

framed!(Home);

/// The daily tasks of a role, the most frequent first. An area that is built later adds its line here.
fn tasks(role: Role) -> &'static [(&'static str, &'static str)] {
    match role {
        Role::Resident => &[
            ("/me", "task-record"),
            ("/me/looked", "task-looked"),
            ("/me/sharing", "task-sharing"),
            ("/me/requests", "task-requests"),
            ("/me/family", "task-family"),
        ],
        Role::Doctor | Role::Nurse => {
            &[("/people", "task-find"), ("/share", "task-share"), ("/desk", "task-desk")]
        }
        Role::VillageDoctor => &[("/people", "task-find"), ("/share", "task-share")],
        Role::Epidemiologist => {
            &[("/surveillance", "task-surveillance"), ("/", "task-overview"), ("/tour", "task-tour")]
        }
        Role::Insurer | Role::Coder => {
            &[("/drg", "task-drg"), ("/", "task-overview"), ("/tour", "task-tour")]
        }
        Role::Researcher | Role::Organiser | Role::PolicyOffice => {
            &[("/participation", "task-participation"), ("/", "task-overview"), ("/tour", "task-tour")]
        }
        Role::PrivacyOfficer => &[
            ("/privacy/emergency", "task-emergency"),
            ("/privacy/requests", "task-inbox"),
            ("/privacy/consents", "task-consents"),
            ("/privacy/register", "task-register"),
            ("/privacy/incident", "task-incident"),
            ("/privacy/log", "task-log"),
            ("/duties", "task-duties"),
        ],
        Role::SystemAdministrator => &[("/", "task-overview"), ("/ledger", "task-ledger")],
        Role::SecurityAdministrator => &[("/duties", "task-duties")],
        Role::AuditAdministrator => &[("/privacy/log", "task-log"), ("/ledger", "task-ledger")],
        Role::Installation | Role::Service => &[("/", "task-overview"), ("/tour", "task-tour")],
    }
}

/// The address of somebody's home.
pub fn address(requester: &Requester) -> &'static str {
    if requester.roles == [Role::Resident] { "/me" } else { "/home" }
}

/// The page.
pub async fn page(site: &Arc<Site>, asked: &Asked, page: Frame) -> Outcome<Answer> {
    if address(&site.requester) != "/home" {
        return Ok(reply::lead(address(&site.requester), &[]));
    }
    let account = site.accounts.as_ref().and_then(|accounts| accounts.account(&site.requester.actor));
    let account = account.unwrap_or_default();
    let mut shown: Vec<Task> = Vec::new();
    for (address, key) in site.requester.roles.iter().flat_map(|role| tasks(*role)) {
        if !shown.iter().any(|task| task.address == *address) {
            shown.push(Task { address, key, what: format!("{key}-what") });
        }
    }
    let roles = site.requester.roles.iter().map(|role| role.code()).collect();
    let (name, organization) = (account.name, account.organization_name);
    render(asked, 200, &Home { l: page.language, page, name, organization, roles, tasks: shown })
}
