//! Who asks for what: the requester's side of a decision.

use crate::Time;

/// What is to be done with an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Action {
    /// Show it to somebody.
    View = 0,
    /// Add it to the record. A right of its own: whoever may deposit need not be able to look.
    Deposit = 1,
}

impl Action {
    /// All of them.
    pub const ALL: [Action; 2] = [Action::View, Action::Deposit];

    /// Its bit in a mask of actions.
    pub const fn bit(self) -> u8 {
        1 << self as u8
    }
}

macro_rules! coded {
    ($(#[$doc:meta])* $name:ident : $mask:ty { $($(#[$item:meta])* $variant:ident = $code:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum $name { $($(#[$item])* $variant,)* }

        impl $name {
            /// All of them, in the order of their bits.
            pub const ALL: &'static [$name] = &[$($name::$variant,)*];

            /// The word for it in packs, in Consent resources and in explanations.
            pub const fn code(self) -> &'static str {
                match self { $($name::$variant => $code,)* }
            }

            /// The one with this word.
            pub fn from_code(code: &str) -> Option<$name> {
                $name::ALL.iter().copied().find(|one| one.code() == code)
            }

            /// Its bit in a mask.
            pub const fn bit(self) -> $mask {
                1 << self as u8
            }
        }
    };
}
pub(crate) use coded;

coded! {
    /// Why somebody asks, as HL7 `v3-PurposeOfUse` codes it.
    Purpose: u16 {
        /// Care of the person.
        Treatment = "TREAT",
        /// Care in an emergency, under break-glass.
        Emergency = "ETREAT",
        /// Payment and settlement.
        Payment = "HPAYMT",
        /// Running the organisation: registration, quality, privacy office.
        Operations = "HOPERAT",
        /// Statutory public health.
        PublicHealth = "PUBHLTH",
        /// Research.
        Research = "HRESCH",
        /// The person asks.
        PatientRequest = "PATRQT",
        /// Somebody of the family asks.
        FamilyRequest = "FAMRQT",
        /// A court, an authority.
        Legal = "HLEGAL",
        /// Running the machines.
        System = "HSYSADMIN",
    }
}

coded! {
    /// The kind of an item.
    Category: u16 {
        /// Who the person is.
        Demographics = "demographics",
        /// A visit.
        Encounter = "encounter",
        /// A diagnosis or problem.
        Diagnosis = "diagnosis",
        /// An allergy or adverse reaction.
        Allergy = "allergy",
        /// A prescription, dispensing or administration.
        Medication = "medication",
        /// A laboratory result.
        Laboratory = "laboratory",
        /// An image or its report.
        Imaging = "imaging",
        /// A vital sign or other observation.
        Observation = "observation",
        /// A procedure.
        Procedure = "procedure",
        /// A vaccination.
        Immunization = "immunization",
        /// A document: admission note, discharge summary.
        Document = "document",
        /// A plan, goal, task, referral.
        Plan = "plan",
        /// A claim, settlement, coverage.
        Billing = "billing",
        /// What the person reports: questionnaires.
        Reported = "reported",
        /// Consents, provenance, access records.
        Governance = "governance",
        /// Nobody's: organisations, practitioners, definitions.
        Directory = "directory",
    }
}

coded! {
    /// A kind of item that is sensitive beyond what all health data is.
    Sensitivity: u8 {
        /// Mental health.
        Mental = "mental",
        /// HIV and other sexually transmitted infections.
        Hiv = "hiv",
        /// Reproductive health.
        Reproductive = "reproductive",
        /// Use of substances.
        Substance = "substance",
        /// Violence or abuse, suspected or found.
        Abuse = "abuse",
        /// Genetic findings.
        Genetic = "genetic",
        /// Told by an adolescent in confidence.
        Adolescent = "adolescent",
        /// Marked by the person or the author as very restricted.
        Restricted = "restricted",
    }
}

coded! {
    /// What somebody is, for this request.
    Role: u16 {
        /// The person whose record it is.
        Resident = "resident",
        /// A guardian, a member of the family, a substitute decision maker.
        Proxy = "proxy",
        /// A physician.
        Physician = "physician",
        /// A nurse.
        Nurse = "nurse",
        /// A pharmacist.
        Pharmacist = "pharmacist",
        /// A doctor of a village clinic.
        VillageDoctor = "village-doctor",
        /// Who codes cases and settles them.
        Coder = "coder",
        /// Who watches outbreaks.
        Epidemiologist = "epidemiologist",
        /// Who registers people and settles identities.
        Registrar = "registrar",
        /// Who answers for privacy.
        PrivacyOfficer = "privacy-officer",
        /// Who does research.
        Researcher = "researcher",
        /// Who runs the machines.
        Administrator = "administrator",
        /// Another system that sends records.
        Service = "service",
    }
}

coded! {
    /// Where something is or goes.
    Jurisdiction: u8 {
        /// The mainland of China.
        Mainland = "CN",
        /// Hong Kong.
        HongKong = "HK",
        /// Macao.
        Macao = "MO",
        /// Anywhere else.
        Elsewhere = "elsewhere",
    }
}

/// What a token covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scope {
    /// Categories that may be viewed, as a mask.
    pub view: u16,
    /// Categories that may be deposited, as a mask.
    pub deposit: u16,
    /// The token is for the record of one person only.
    pub record: Option<u64>,
    /// It counts from here …
    pub from: Time,
    /// … and no longer here.
    pub until: Time,
}

/// What an organisation has agreed with the region.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Agreement {
    /// Purposes that it covers, as a mask.
    pub purposes: u16,
    /// Categories that it covers, as a mask.
    pub categories: u16,
    /// The organisation is one to whom sharing is taken as agreed once a person has joined.
    pub default_in: bool,
    /// The notice that people are shown before they consent, as a hash; 0 when there is none.
    pub notice: u64,
    /// In force from here …
    pub from: Time,
    /// … until here.
    pub until: Time,
}

/// A person for whom the requester may act.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ward {
    /// The record.
    pub record: u64,
    /// The mandate does not end with an age: the person cannot decide.
    pub incapable: bool,
    /// In force from here …
    pub from: Time,
    /// … until here: the end of the mandate, or the day a dispute froze it.
    pub until: Time,
}

/// A short token for an emergency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakGlass {
    /// The one record that it opens.
    pub record: u64,
    /// When it was taken.
    pub from: Time,
    /// A reason was written down.
    pub reason: bool,
}

/// A request: who, for whom, why, where to, when.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// What is to be done.
    pub action: Action,
    /// Why.
    pub purpose: Purpose,
    /// As what.
    pub role: Role,
    /// The account.
    pub account: u32,
    /// The organisation that it acts for; 0 for a resident or proxy.
    pub organisation: u32,
    /// The agreement of that organisation.
    pub agreement: Option<Agreement>,
    /// What the token covers.
    pub scope: Scope,
    /// Records that are the requester's own.
    pub own: Vec<u64>,
    /// People for whom the requester may act.
    pub wards: Vec<Ward>,
    /// An emergency token.
    pub break_glass: Option<BreakGlass>,
    /// An impact assessment of this purpose stands.
    pub assessed: bool,
    /// Where the answer goes.
    pub destination: Jurisdiction,
    /// A transfer to there stands on an assessment, a certification or a filed contract.
    pub transfer: bool,
    /// Now.
    pub now: Time,
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Item {
    /// Its kind.
    pub category: Category,
    /// Its sensitivities, as a mask.
    pub sensitivities: u8,
    /// The organisation that deposited it; 0 when unknown.
    pub depositor: u32,
}
