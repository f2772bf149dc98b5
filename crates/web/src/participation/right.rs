//! Who may do what here. Reading what is published is open to everybody; saying takes an account, deciding takes a
//! role, and a person's goals and questionnaires are theirs and their team's.

use tongmai_access::{Requester, Role};

/// What a form or a page takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Takes {
    /// Nothing: it is published.
    Nothing,
    /// Somebody who said who they are.
    Somebody,
    /// An organiser or the policy office.
    Organiser,
    /// The policy office.
    PolicyOffice,
    /// The protected office.
    Protected,
    /// A doctor, a nurse or a village doctor.
    Clinical,
}

/// What a path under `/participation` takes.
fn takes(path: &[&str], sent: bool) -> Takes {
    match path {
        ["protected"] | ["enter", "relief"] => Takes::Protected,
        ["due"] => Takes::Clinical,
        // Which organisation's it is decides the page itself.
        ["layer", _] => Takes::Somebody,
        ["conversation", _, "organise"] => Takes::Organiser,
        _ if !sent => Takes::Nothing,
        [
            "enter",
            "statement" | "dispute" | "rating" | "need" | "case" | "complaint" | "answering" | "choice",
        ] => Takes::Somebody,
        [
            "enter",
            "moderation" | "meeting" | "minutes" | "activity" | "offer" | "fund" | "donation" | "match",
        ]
        | ["attendance" | "paper" | "close" | "assign" | "trial" | "dossier"]
        | ["story", _] => Takes::Organiser,
        ["enter", _] | ["rating-evidence" | "vote-evidence"] => Takes::PolicyOffice,
        _ => Takes::Somebody,
    }
}

/// The roles that open a page or send a form; `None` is everybody, or everybody who said who they are.
pub fn roles(path: &[&str], sent: bool) -> Option<&'static [Role]> {
    match takes(path, sent) {
        Takes::Nothing | Takes::Somebody => None,
        Takes::Organiser => Some(&[Role::Organiser, Role::PolicyOffice]),
        Takes::PolicyOffice => Some(&[Role::PolicyOffice]),
        Takes::Protected => Some(&[Role::PrivacyOfficer]),
        Takes::Clinical => Some(&[Role::Doctor, Role::Nurse, Role::VillageDoctor]),
    }
}

/// Whether the requester may open the page, or send the form.
pub fn may(requester: &Requester, path: &[&str], sent: bool) -> bool {
    let is_public = takes(path, sent) == Takes::Nothing;
    requester.is(Role::Installation)
        || match roles(path, sent) {
            Some(roles) => roles.iter().any(|role| requester.is(*role)),
            None => is_public || !requester.is_nobody(),
        }
}

/// Whether the requester may act on what belongs to a person's record.
pub fn may_for(requester: &Requester, person: &str, now: i64) -> bool {
    requester.is(Role::Installation) || requester.is_clinical() || requester.speaks_for(person, now)
}

/// Whether the requester may let an organisation into a person's own affairs: the person, or who speaks for
/// them, and no clinician.
pub fn may_let_in(requester: &Requester, person: &str, now: i64) -> bool {
    requester.is(Role::Installation) || requester.speaks_for(person, now)
}

/// Whether the requester works for this organisation.
pub fn may_for_organisation(requester: &Requester, organisation: &str) -> bool {
    let works = requester.is(Role::Organiser) && requester.organization == organisation;
    requester.is(Role::Installation) || (works && !organisation.is_empty())
}

/// Whether the requester may ask for a ballot of these patients' person: it is their own, or they stand at the desk.
pub fn may_vote_as(requester: &Requester, patients: &[String]) -> bool {
    let own = patients.iter().any(|patient| requester.own.contains(patient));
    own || requester.is(Role::Installation)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_open_their_own_doors() {
        let with = |role| Requester { actor: "a".into(), roles: vec![role], ..Requester::default() };
        let nobody = Requester::nobody();
        assert!(may(&nobody, &["conversation", "c", "results"], false));
        assert!(!may(&nobody, &["enter", "statement"], true));
        assert!(may(&with(Role::Resident), &["enter", "statement"], true));
        assert!(!may(&with(Role::Resident), &["enter", "advance"], true));
        assert!(may(&with(Role::PolicyOffice), &["enter", "advance"], true));
        assert!(!may(&with(Role::PolicyOffice), &["protected"], false));
        assert!(may(&with(Role::PrivacyOfficer), &["protected"], false));
        assert!(!may(&with(Role::Organiser), &["enter", "relief"], true));
        assert!(may(&with(Role::Organiser), &["attendance"], true));
        let own = Requester { actor: "a".into(), own: vec!["p".into()], ..Requester::default() };
        assert!(may_for(&own, "p", 0) && !may_for(&own, "q", 0) && may_for(&with(Role::Doctor), "q", 0));
        assert!(may_let_in(&own, "p", 0) && !may_let_in(&with(Role::Doctor), "p", 0));
        assert!(
            may(&with(Role::VillageDoctor), &["due"], false) && !may(&with(Role::Organiser), &["due"], false)
        );
        let organiser = Requester { organization: "o".into(), ..with(Role::Organiser) };
        assert!(may_for_organisation(&organiser, "o") && !may_for_organisation(&organiser, "q"));
        assert!(
            !may_for_organisation(&with(Role::Organiser), "")
                && !may_for_organisation(&with(Role::Doctor), "o")
        );
        assert!(may_vote_as(&own, &["p".into()]) && !may_vote_as(&with(Role::Doctor), &["p".into()]));
    }
}
