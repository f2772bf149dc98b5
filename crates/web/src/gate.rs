//! Which pages a role opens, and which forms are taken.
//!
//! This is about pages, not about records: what a page shows of a record is decided by `access` each time.

use hyper::header::{HOST, ORIGIN};
use tongmai_access::{Policy, Requester, Role};
use tongmai_engine::bundle::parse_pairs;
use tongmai_http::{Asked, SESSION_COOKIE, cookie};

use crate::Site;
use crate::language::Language;

/// What becomes of a request for a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gate {
    /// The page answers.
    Open,
    /// Whoever asks has to say who they are.
    Login,
    /// It is not for their role.
    Closed,
}

/// Pages that are nobody's: coming in, help, what a page is drawn with.
const FOR_EVERYBODY: [&str; 6] = ["login", "logout", "invitation", "help", "assets", "duties"];

const STAFF: [Role; 13] = [
    Role::Doctor,
    Role::Nurse,
    Role::VillageDoctor,
    Role::Coder,
    Role::Epidemiologist,
    Role::Insurer,
    Role::Organiser,
    Role::PolicyOffice,
    Role::PrivacyOfficer,
    Role::SystemAdministrator,
    Role::SecurityAdministrator,
    Role::AuditAdministrator,
    Role::Researcher,
];
const CLINICAL: [Role; 3] = [Role::Doctor, Role::Nurse, Role::VillageDoctor];

/// The roles that a page is for, by the first part of its address.
fn roles(area: &str) -> &'static [Role] {
    match area {
        "people" | "emergency" | "share" => &CLINICAL,
        // A resident opens their own record by the same page; whose it is decides there.
        "person" | "resource" => &[
            Role::Doctor,
            Role::Nurse,
            Role::VillageDoctor,
            Role::Coder,
            Role::Resident,
            Role::PrivacyOfficer,
        ],
        "me" => &[Role::Resident],
        "privacy" => &[Role::PrivacyOfficer, Role::AuditAdministrator],
        "ledger" => &[Role::SystemAdministrator, Role::AuditAdministrator, Role::PrivacyOfficer],
        "desk" => &[Role::PrivacyOfficer, Role::Doctor],
        "drg" => {
            &[Role::Coder, Role::Insurer, Role::Doctor, Role::Nurse, Role::VillageDoctor, Role::PolicyOffice]
        }
        "surveillance" => {
            &[Role::Epidemiologist, Role::Doctor, Role::Nurse, Role::VillageDoctor, Role::PolicyOffice]
        }
        "doors" => &[Role::SystemAdministrator, Role::Coder, Role::Doctor, Role::AuditAdministrator],
        "accounts" => &[Role::SecurityAdministrator],
        "home" | "tour" | "oauth" | "audit" | "participation" | "engage" => &Role::ALL,
        _ => &STAFF,
    }
}

/// Whether somebody opens the pages of an area.
pub fn opens(requester: &Requester, area: &str) -> bool {
    requester.is(Role::Installation) || roles(area).iter().any(|role| requester.is(*role))
}

/// For whom the pages of an area are, in words: a refusal says what would change it.
pub fn said(l: Language, area: &str) -> String {
    said_of(l, roles(area))
}

/// For whom a page is, in words.
pub fn said_of(l: Language, roles: &[Role]) -> String {
    let names = roles.iter().map(|role| l.code("role", role.code()).into_owned());
    let names: Vec<String> = names.collect();
    l.name("closed-roles", &names.join(&l.say("comma"))).into_owned()
}

/// What becomes of a request.
pub fn of(site: &Site, requester: &Requester, path: &[&str]) -> Gate {
    let area = path.first().copied().unwrap_or("");
    if site.accounts.is_none() || FOR_EVERYBODY.contains(&area) {
        Gate::Open
    } else if requester.is_nobody() {
        Gate::Login
    } else if opens(requester, area) && is_own_where_nothing_decides(site, requester, path) {
        Gate::Open
    } else {
        Gate::Closed
    }
}

/// Where no rules decide on each record, a resident opens the pages of their own records and those of people
/// for whom they speak, and no others. Where rules decide, they say more than this can.
fn is_own_where_nothing_decides(site: &Site, requester: &Requester, path: &[&str]) -> bool {
    if !matches!(site.access.policy(), Policy::Open) || requester.roles != [Role::Resident] {
        return true;
    }
    match path {
        ["person", id, ..] | ["resource", "Patient", id, ..] => requester.speaks_for(id, site.engine.now()),
        ["resource", ..] => false,
        _ => true,
    }
}

/// Whether a form was sent by a page of this server: what a browser says of where it comes from, or the word
/// that forms of a session carry.
pub fn is_own_form(site: &Site, asked: &Asked) -> bool {
    match asked.header("sec-fetch-site") {
        "same-origin" | "none" => return true,
        "" => {}
        _ => return false,
    }
    let session = cookie(&asked.headers, SESSION_COOKIE);
    let origin = asked.header(ORIGIN);
    if !origin.is_empty() {
        let host = asked.header(HOST);
        return origin.split_once("://").is_some_and(|(_, rest)| rest == host);
    }
    match (&site.accounts, session) {
        // An old browser says nothing of where a form comes from.
        (Some(accounts), Some(session)) => {
            let body = std::str::from_utf8(&asked.body).unwrap_or("");
            let word = parse_pairs(body).into_iter().find(|pair| pair.0 == "word");
            word.is_some_and(|(_, word)| accounts.is_form_word(session, &word))
        }
        _ => true,
    }
}
