//! Who asks, why, and by what right: what a door learns from a session or a token.
//!
//! A [`Requester`] says who somebody is. Whether they may see a thing is decided elsewhere: a role, a
//! scope or a bound record that stands here is a condition of a right and never a right by itself.

use std::fmt;
use std::sync::{Arc, LazyLock};

/// What a person or a client does here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// Everybody of an open installation, and the installation's own work.
    Installation,
    /// A resident with a record of their own, or who speaks for others.
    Resident,
    /// A doctor of a hospital or clinic.
    Doctor,
    /// A nurse.
    Nurse,
    /// A doctor of a village clinic 村医.
    VillageDoctor,
    /// A coder 编码员, who writes the front page of a stay.
    Coder,
    /// An epidemiologist of a centre for disease control.
    Epidemiologist,
    /// A clerk of the insurer 医保经办机构.
    Insurer,
    /// An organiser of a patient organisation.
    Organiser,
    /// The policy office.
    PolicyOffice,
    /// The privacy officer 个人信息保护负责人.
    PrivacyOfficer,
    /// Who keeps the system running 系统管理员.
    SystemAdministrator,
    /// Who keeps accounts and policies 安全管理员.
    SecurityAdministrator,
    /// Who reads the log 审计管理员.
    AuditAdministrator,
    /// Who does research 研究人员: with the person's consent to it, and an impact assessment before.
    Researcher,
    /// A client without a person: a hospital's system, an exporter.
    Service,
}

impl Role {
    /// All of them.
    pub const ALL: [Role; 16] = [
        Role::Installation,
        Role::Resident,
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
        Role::Service,
    ];

    /// Its code, as it stands in accounts, tokens and the log.
    pub fn code(self) -> &'static str {
        match self {
            Role::Installation => "installation",
            Role::Resident => "resident",
            Role::Doctor => "doctor",
            Role::Nurse => "nurse",
            Role::VillageDoctor => "village-doctor",
            Role::Coder => "coder",
            Role::Epidemiologist => "epidemiologist",
            Role::Insurer => "insurer",
            Role::Organiser => "organiser",
            Role::PolicyOffice => "policy-office",
            Role::PrivacyOfficer => "privacy-officer",
            Role::SystemAdministrator => "system-administrator",
            Role::SecurityAdministrator => "security-administrator",
            Role::AuditAdministrator => "audit-administrator",
            Role::Researcher => "researcher",
            Role::Service => "service",
        }
    }

    /// The role of a code.
    pub fn from_code(code: &str) -> Option<Role> {
        Role::ALL.into_iter().find(|role| role.code() == code)
    }

    /// Whether the role treats patients.
    pub fn is_clinical(self) -> bool {
        matches!(self, Role::Doctor | Role::Nurse | Role::VillageDoctor)
    }
}

/// A person for whom a resident speaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Represented {
    /// Ids of the Patient resources to which the person's identity was bound.
    pub patients: Vec<String>,
    /// By which right: `parent`, `guardian`, `court-appointed`, `family-account` …
    pub basis: String,
    /// Categories of data that the represented person released; `None` is all that the basis allows.
    pub categories: Option<Vec<String>>,
    /// When it ends, in milliseconds since 1970: a birthday, mostly.
    pub until: Option<i64>,
}

/// An emergency access 紧急访问 ("break-glass") that is under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Emergency {
    /// Id of the access, under which it is reviewed.
    pub id: String,
    /// Ids of the Patient resources that it opens, and no others.
    pub patients: Vec<String>,
    /// The reason that was given.
    pub reason: String,
    /// When it ends, in milliseconds since 1970.
    pub until: i64,
}

/// Who asks, and why.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Requester {
    /// The account or client, as a stable text: `local` in an open installation; empty for nobody.
    pub actor: String,
    /// The purpose of use, as HL7 `v3-PurposeOfUse` codes it: `TREAT`, `ETREAT`, `HOPERAT` …
    pub purpose: String,
    /// Id of the Organization for which they act; empty when there is none.
    pub organization: String,
    /// What they do there.
    pub roles: Vec<Role>,
    /// SMART App Launch scopes of a token, as they were granted. `None` is a session of the pages,
    /// which has no client that could be narrower than the person.
    pub scopes: Option<Vec<String>>,
    /// Id of the client through which they ask; empty for the pages.
    pub client: String,
    /// Id of the Patient in the context of a launch, to which scopes of `patient/` are narrowed.
    pub patient: Option<String>,
    /// Ids of the Patient resources to which a resident's identity was bound.
    pub own: Vec<String>,
    /// For whom they speak.
    pub represents: Vec<Represented>,
    /// An emergency access under way.
    pub emergency: Option<Emergency>,
}

impl Requester {
    /// The only requester of an open installation.
    pub fn local() -> Requester {
        Requester::installation("local", "TREAT")
    }

    /// The local requester, to be shared.
    pub fn shared_local() -> Arc<Requester> {
        static LOCAL: LazyLock<Arc<Requester>> = LazyLock::new(|| Arc::new(Requester::local()));
        LOCAL.clone()
    }

    /// The installation itself at work: an import, a door, a command of its operator.
    pub fn installation(actor: impl Into<String>, purpose: impl Into<String>) -> Requester {
        Requester {
            actor: actor.into(),
            purpose: purpose.into(),
            roles: vec![Role::Installation],
            ..Requester::default()
        }
    }

    /// Somebody who has not said who they are: no roles, no records.
    pub fn nobody() -> Requester {
        Requester::default()
    }

    /// Whether nobody has said who asks.
    pub fn is_nobody(&self) -> bool {
        self.actor.is_empty()
    }

    /// Whether they have a role.
    pub fn is(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }

    /// Whether they treat patients.
    pub fn is_clinical(&self) -> bool {
        self.roles.iter().any(|role| role.is_clinical())
    }

    /// Whether a Patient is their own record, or of somebody for whom they speak at `now`.
    pub fn speaks_for(&self, patient: &str, now: i64) -> bool {
        let has = |patients: &[String]| patients.iter().any(|id| id == patient);
        has(&self.own)
            || self.represents.iter().any(|r| r.until.is_none_or(|until| now < until) && has(&r.patients))
    }
}

/// What a request brings to say who asks.
#[derive(Debug, Clone, Copy, Default)]
pub struct Credentials<'a> {
    /// Token of the `Authorization: Bearer` header.
    pub bearer: Option<&'a str>,
    /// Token of the session's cookie.
    pub session: Option<&'a str>,
}

/// A token that is not valid: forged, expired, revoked, or of a locked account. Says no more, on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidToken;

impl fmt::Display for InvalidToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the token is not valid")
    }
}

impl std::error::Error for InvalidToken {}

/// Says who asks.
pub trait Identify: Send + Sync {
    /// The requester of a request; [`Requester::nobody`] when it brings nothing, or a session that is over.
    ///
    /// # Errors
    /// A bearer token that is not valid.
    fn identify(&self, credentials: Credentials<'_>) -> Result<Arc<Requester>, InvalidToken>;
}

/// Everybody is the local requester: for synthetic data on one machine, for tests and benches.
#[derive(Debug, Clone, Copy, Default)]
pub struct EverybodyIsLocal;

impl Identify for EverybodyIsLocal {
    fn identify(&self, _: Credentials<'_>) -> Result<Arc<Requester>, InvalidToken> {
        Ok(Requester::shared_local())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_roles_are_read_back() {
        for role in Role::ALL {
            assert_eq!(Role::from_code(role.code()), Some(role));
        }
        assert_eq!(Role::from_code("king"), None);
    }

    #[test]
    fn somebody_speaks_for_their_own_record_and_for_others_until_the_day() {
        let daughter = Represented {
            patients: vec!["d1".into()],
            basis: "parent".into(),
            categories: None,
            until: Some(100),
        };
        let mother = Requester { own: vec!["m1".into()], represents: vec![daughter], ..Requester::default() };
        assert!(mother.speaks_for("m1", 1_000));
        assert!(mother.speaks_for("d1", 99));
        assert!(!mother.speaks_for("d1", 100));
        assert!(!mother.speaks_for("other", 0));
        assert!(!Requester::nobody().speaks_for("", 0));
    }
}
