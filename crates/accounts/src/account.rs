//! What an account is, and the events from which the state of all accounts follows.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::{Deserialize, Serialize};
use tongmai_access::Role;

use crate::family::Basis;
use crate::oauth::client::Client;

/// An account: one for each resident, one for each professional at each provider.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Account {
    /// What is typed at the login, and stands in the log: `zhuoma`, `dr-li@county-hospital`.
    pub id: String,
    /// The person's name, as pages show it.
    pub name: String,
    /// Id of the Organization for which they work; empty for residents.
    #[serde(default)]
    pub organization: String,
    /// Name of that organisation.
    #[serde(default)]
    pub organization_name: String,
    /// Codes of their roles, as [`Role::code`] writes them.
    pub roles: Vec<String>,
    /// Purpose of use of their work, as HL7 `v3-PurposeOfUse` codes it.
    pub purpose: String,
    /// Fingerprint of the verified person behind it: of the identity document that was checked.
    #[serde(default)]
    pub person: String,
    /// Until when the yearly training counts, in milliseconds since 1970; `None` for residents.
    #[serde(default)]
    pub trained_until: Option<i64>,
    /// Invented, on a loopback address alone: a second factor is not asked for.
    #[serde(default)]
    pub synthetic: bool,
}

impl Account {
    /// Its roles.
    pub fn known_roles(&self) -> Vec<Role> {
        self.roles.iter().filter_map(|code| Role::from_code(code)).collect()
    }

    /// Whether a second factor must be given: everybody who may see the records of others.
    pub fn needs_second_factor(&self) -> bool {
        !self.synthetic && self.known_roles().iter().any(|role| *role != Role::Resident)
    }
}

/// How a resident's identity was bound to records.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binding {
    /// Ids of the Patient resources.
    pub patients: Vec<String>,
    /// Account of the clerk who saw the document, or the name of the adapter that vouched.
    pub checked_by: String,
    /// What was seen: `identity-card`, `medical-insurance-code`, `network-identity` …
    pub document: String,
}

/// Somebody for whom an account speaks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Representation {
    /// Ids of the represented person's Patient resources.
    pub patients: Vec<String>,
    /// Name of the represented person.
    pub name: String,
    /// By which right.
    pub basis: Basis,
    /// Categories that the represented person released; `None` is all that the right allows.
    pub categories: Option<Vec<String>>,
    /// When it ends, in milliseconds since 1970.
    pub until: Option<i64>,
    /// Why it is frozen, while people dispute it.
    #[serde(default)]
    pub frozen: Option<String>,
    /// What was seen: a birth certificate, a court's decision, the person's own code.
    pub evidence: String,
}

/// A printed invitation: whoever has it and knows the document's last signs opens the account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invitation {
    /// The account that it opens.
    pub account: Account,
    /// The identity check behind it.
    pub binding: Binding,
    /// Fingerprint of the last four signs of the identity document.
    pub proof: String,
    /// When it ends, in milliseconds since 1970.
    pub until: i64,
    /// Wrong proofs so far.
    #[serde(default)]
    pub tries: u32,
}

/// What happens to accounts; the log of accounts is a sequence of these.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
#[allow(missing_docs, reason = "each field is the account's id or what the event is called after")]
pub enum Event {
    /// An account was opened, or its roles and names changed.
    Kept { account: Account },
    /// A password was chosen; its hash.
    Password { id: String, hash: String },
    /// A time-based code was set up; its key.
    CodeKey { id: String, key: String },
    /// A time-based code was used; its step.
    CodeStep { id: String, step: u64 },
    /// Printed codes were given out; their fingerprints. Those before no longer count.
    Codes { id: String, fingerprints: Vec<String> },
    /// A printed code was used.
    CodeUsed { id: String, fingerprint: String },
    /// An account was locked, or opened again (`why` empty).
    Locked { id: String, why: String },
    /// A resident's identity was bound to records.
    Bound { id: String, binding: Binding },
    /// Somebody speaks for another.
    Represents { id: String, representation: Representation },
    /// They no longer do.
    RepresentsNoMore { id: String, patient: String },
    /// It is disputed (`why`), or no longer (`None`).
    Frozen { id: String, patient: String, why: Option<String> },
    /// An invitation was printed; its fingerprint.
    Invited { fingerprint: String, invitation: Invitation },
    /// An invitation met a wrong proof.
    InvitationTried { fingerprint: String },
    /// An invitation was used, or withdrawn.
    InvitationOver { fingerprint: String },
    /// A client was registered, or changed.
    Client { client: Client },
    /// A refresh token was given out, or went; its fingerprint and grant.
    Refresh { fingerprint: String, grant: Option<crate::oauth::Grant> },
}

/// What is known of one account beside itself.
#[derive(Debug, Clone, Default)]
pub struct Kept {
    /// The account.
    pub account: Account,
    /// Hash of its password.
    pub password: Option<String>,
    /// Key of its time-based codes.
    pub code_key: Option<String>,
    /// Last step whose code was used.
    pub code_step: u64,
    /// Fingerprints of printed codes that are left.
    pub codes: BTreeSet<String>,
    /// Why it is locked; empty when it is not.
    pub locked: String,
    /// Identity checks.
    pub bindings: Vec<Binding>,
    /// For whom it speaks.
    pub represents: Vec<Representation>,
}

/// The state of all accounts: a fold over their events.
#[derive(Debug, Clone, Default)]
pub struct State {
    /// By id.
    pub accounts: BTreeMap<String, Kept>,
    /// By fingerprint.
    pub invitations: HashMap<String, Invitation>,
    /// By client id.
    pub clients: BTreeMap<String, Client>,
    /// Grants of refresh tokens, by fingerprint.
    pub refresh: HashMap<String, crate::oauth::Grant>,
}

impl State {
    /// Takes in one event.
    pub fn apply(&mut self, event: Event) {
        let mut of = |id: &str, change: &mut dyn FnMut(&mut Kept)| {
            if let Some(kept) = self.accounts.get_mut(id) {
                change(kept);
            }
        };
        match event {
            Event::Kept { account } => {
                let id = account.id.clone();
                self.accounts.entry(id).or_default().account = account;
            }
            Event::Password { id, hash } => of(&id, &mut |kept| kept.password = Some(hash.clone())),
            Event::CodeKey { id, key } => of(&id, &mut |kept| {
                kept.code_key = Some(key.clone());
                kept.code_step = 0;
            }),
            Event::CodeStep { id, step } => of(&id, &mut |kept| kept.code_step = kept.code_step.max(step)),
            Event::Codes { id, fingerprints } => {
                of(&id, &mut |kept| kept.codes = fingerprints.iter().cloned().collect());
            }
            Event::CodeUsed { id, fingerprint } => of(&id, &mut |kept| {
                kept.codes.remove(&fingerprint);
            }),
            Event::Locked { id, why } => of(&id, &mut |kept| kept.locked.clone_from(&why)),
            Event::Bound { id, binding } => of(&id, &mut |kept| kept.bindings.push(binding.clone())),
            Event::Represents { id, representation } => of(&id, &mut |kept| {
                kept.represents.retain(|other| !is_same_person(other, &representation.patients));
                kept.represents.push(representation.clone());
            }),
            Event::RepresentsNoMore { id, patient } => of(&id, &mut |kept| {
                kept.represents.retain(|other| !other.patients.contains(&patient));
            }),
            Event::Frozen { id, patient, why } => of(&id, &mut |kept| {
                for one in kept.represents.iter_mut().filter(|one| one.patients.contains(&patient)) {
                    one.frozen.clone_from(&why);
                }
            }),
            Event::Invited { fingerprint, invitation } => {
                self.invitations.insert(fingerprint, invitation);
            }
            Event::InvitationTried { fingerprint } => {
                if let Some(invitation) = self.invitations.get_mut(&fingerprint) {
                    invitation.tries += 1;
                }
            }
            Event::InvitationOver { fingerprint } => {
                self.invitations.remove(&fingerprint);
            }
            Event::Client { client } => {
                self.clients.insert(client.id.clone(), client);
            }
            Event::Refresh { fingerprint, grant: Some(grant) } => {
                self.refresh.insert(fingerprint, grant);
            }
            Event::Refresh { fingerprint, grant: None } => {
                self.refresh.remove(&fingerprint);
            }
        }
    }

    /// Why an account may not be kept as it is: of the three administrators nobody is two.
    pub fn refuse(&self, account: &Account) -> Option<String> {
        let administers = |account: &Account| -> BTreeSet<Role> {
            let roles = account.known_roles().into_iter();
            roles.filter(|role| is_administrator(*role)).collect()
        };
        let own = administers(account);
        if own.len() > 1 {
            return Some("one account may hold one of the three administrators' roles only".into());
        }
        if !own.is_empty() && account.person.is_empty() {
            return Some("an administrator is a person whose identity was checked".into());
        }
        for other in self.accounts.values().map(|kept| &kept.account).filter(|other| other.id != account.id) {
            let theirs = administers(other);
            let same_person = !account.person.is_empty() && account.person == other.person;
            if same_person && !own.is_empty() && theirs.iter().any(|role| !own.contains(role)) {
                return Some(format!("the same person is already the {}", code_of(&theirs)));
            }
            if same_person && !account.organization.is_empty() && account.organization == other.organization {
                return Some(format!("the person has an account at this organisation already: {}", other.id));
            }
        }
        None
    }
}

fn code_of(roles: &BTreeSet<Role>) -> &'static str {
    roles.first().map_or("", |role| role.code())
}

fn is_same_person(representation: &Representation, patients: &[String]) -> bool {
    representation.patients.iter().any(|patient| patients.contains(patient))
}

/// One of the three administrators 三员 whom the Multi-Level Protection Scheme keeps apart.
pub fn is_administrator(role: Role) -> bool {
    matches!(role, Role::SystemAdministrator | Role::SecurityAdministrator | Role::AuditAdministrator)
}
