//! The rules by name. Each can be switched off in a test, which must then notice.

use crate::request::coded;

coded! {
    /// A rule that can decide.
    Rule: u32 {
        // Gates: without them nothing is looked at further.
        /// The law's pack is not in force.
        Regime = "regime",
        /// The token is not valid now.
        Token = "token",
        /// The token does not cover it.
        Scope = "scope",
        /// The role has no such right.
        Role = "role",
        /// The organisation has no agreement that covers it.
        Agreement = "agreement",
        /// The purpose needs an impact assessment and has none.
        Assessment = "assessment",
        // Bases: one of them must hold.
        /// It is nobody's: a directory.
        Impersonal = "impersonal",
        /// The person asks.
        Own = "own-record",
        /// A guardian or substitute decision maker asks.
        Proxy = "proxy",
        /// The organisation deposited it itself.
        Depositor = "depositor",
        /// A duty by statute.
        Statutory = "statutory-duty",
        /// An emergency, with a reason.
        Emergency = "emergency",
        /// Care, where the law takes that as a basis.
        Care = "care",
        /// The person joined, and the organisation is one to whom sharing is then taken as agreed.
        DefaultIn = "default-in",
        /// The person agreed.
        Consent = "consent",
        /// The person joined, so records may be deposited.
        Joined = "joined",
        // Refusals: each undoes the bases that it applies to.
        /// Nobody of this organisation cares for the person now.
        Relationship = "relationship",
        /// The only relation was made by the one whom it serves.
        Corroboration = "corroboration",
        /// Processing is restricted.
        Restriction = "restriction",
        /// The person refuses.
        Refusal = "refusal",
        /// A sensitive kind needs a release of its own.
        Release = "release",
        /// Proxies do not see what an adolescent told in confidence, or suspected abuse.
        Youth = "youth",
        /// It would cross a border without a ground for that and a separate consent.
        Border = "border",
        /// The consent was to another notice than the present one.
        Notice = "notice",
        /// Another record is linked, not yet confirmed, and has no such grant.
        Link = "link",
        /// Nothing opens it.
        NoBasis = "no-basis",
    }
}

/// The bases in the order in which they are tried.
pub(crate) const BASES: [Rule; 10] = [
    Rule::Impersonal,
    Rule::Own,
    Rule::Proxy,
    Rule::Depositor,
    Rule::Statutory,
    Rule::Emergency,
    Rule::Care,
    Rule::DefaultIn,
    Rule::Consent,
    Rule::Joined,
];

/// Which rules are in use: all, but for one that a test leaves out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules(u32);

impl Rules {
    /// Every rule.
    pub const ALL: Rules = Rules(u32::MAX);

    /// All but one.
    pub fn without(rule: Rule) -> Rules {
        Rules(!rule.bit())
    }

    pub(crate) fn has(self, rule: Rule) -> bool {
        self.0 & rule.bit() != 0
    }
}

impl Rule {
    /// What would change the answer, for a reader.
    pub fn repair(self) -> &'static str {
        match self {
            Rule::Regime => "wait until the law is in force, or choose the pack that is",
            Rule::Token => "sign in again",
            Rule::Scope => "ask for a token that covers this",
            Rule::Role => "ask somebody whose role covers this",
            Rule::Agreement => "the organisation signs an agreement for this purpose and category",
            Rule::Assessment => "the privacy officer signs an impact assessment of this purpose",
            Rule::Relationship => "register a visit or a referral, or let the person show a code",
            Rule::Corroboration => {
                "let the person show a code or card, or let somebody else confirm the visit"
            }
            Rule::Restriction => "the person or the privacy officer lifts the restriction",
            Rule::Refusal => "the person takes the refusal back",
            Rule::Release => "the person releases this sensitive kind for this occasion",
            Rule::Youth => "the adolescent releases it, or comes in person",
            Rule::Border => "a filed ground for the transfer, and the person's separate consent to it",
            Rule::Notice => "the person consents to the present notice",
            Rule::Link => "the identity desk confirms the link, or the person consents for that record too",
            Rule::NoBasis => "the person consents, or another legal basis is shown",
            Rule::Impersonal
            | Rule::Own
            | Rule::Proxy
            | Rule::Depositor
            | Rule::Statutory
            | Rule::Emergency
            | Rule::Care
            | Rule::DefaultIn
            | Rule::Consent
            | Rule::Joined => "this basis ends with its token, mandate, relation or consent",
        }
    }
}
