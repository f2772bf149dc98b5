//! Who may speak for another: parents, guardians, substitute decision makers.
//!
//! The order in which the law calls them, the birthday on which their right ends, and what it never opens.
//! A candidate is taken only when everybody whom the law calls before them is recorded as absent.

use serde::{Deserialize, Serialize};
use tongmai_base::time::{civil_from_days, days_from_civil};

/// Labels that a representative never sees: the young person's own confidence, and suspected abuse, where
/// the representative may be the one suspected.
pub const NEVER_FOR_REPRESENTATIVES: [&str; 2] = ["adolescent-confidential", "suspected-abuse"];

/// Whose law says who may speak for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Regime {
    /// Mainland China: Civil Code 民法典, articles 27, 28 and 33; PIPL 个人信息保护法, article 31.
    Mainland,
    /// Hong Kong: Electronic Health Record Sharing System Ordinance, Cap. 625, section 3.
    HongKong,
    /// United States: HIPAA, 45 CFR 164.502(g).
    Hipaa,
}

/// By which right somebody speaks for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Basis {
    /// The person themself agreed: an adult's family account 家庭账户.
    Agreement,
    /// Spouse; for adults alone.
    Spouse,
    /// Father or mother.
    Parent,
    /// Adult son or daughter; for adults alone.
    Child,
    /// Appointed by a court.
    CourtAppointed,
    /// A guardian under law or by will; in Hong Kong the Director of Social Welfare too.
    Guardian,
    /// Grandparent.
    Grandparent,
    /// Adult brother or sister, other near relative, or who lives with the person.
    Relative,
    /// The provider that treats the person, when there is nobody else.
    Provider,
}

impl Basis {
    /// All of them.
    pub const ALL: [Basis; 9] = [
        Basis::Agreement,
        Basis::Spouse,
        Basis::Parent,
        Basis::Child,
        Basis::CourtAppointed,
        Basis::Guardian,
        Basis::Grandparent,
        Basis::Relative,
        Basis::Provider,
    ];

    /// Its code.
    pub fn code(self) -> &'static str {
        match self {
            Basis::Agreement => "agreement",
            Basis::Spouse => "spouse",
            Basis::Parent => "parent",
            Basis::Child => "child",
            Basis::CourtAppointed => "court-appointed",
            Basis::Guardian => "guardian",
            Basis::Grandparent => "grandparent",
            Basis::Relative => "relative",
            Basis::Provider => "provider",
        }
    }

    /// The basis of a code.
    pub fn from_code(code: &str) -> Option<Basis> {
        Basis::ALL.into_iter().find(|basis| basis.code() == code)
    }
}

/// The age in full years on a day (days since 1970) of somebody born on another.
pub fn age(born: i64, today: i64) -> i64 {
    let ((year, month, day), (then, m, d)) = (civil_from_days(today), civil_from_days(born));
    year - then - i64::from((month, day) < (m, d))
}

/// The day on which somebody reaches an age; who was born on 29 February does so on 1 March.
pub fn birthday(born: i64, years: i64) -> i64 {
    let (year, month, day) = civil_from_days(born);
    days_from_civil(year + years, month, day)
}

/// Age from which a minor's own consent is needed for their data.
pub fn own_consent(regime: Regime) -> i64 {
    match regime {
        // PIPL, article 31: under fourteen the guardian consents.
        Regime::Mainland => 14,
        Regime::HongKong => 16,
        Regime::Hipaa => 18,
    }
}

/// Age at which somebody no longer has a representative by being young.
pub fn majority(regime: Regime) -> i64 {
    match regime {
        // Civil Code, article 17.
        Regime::Mainland => 18,
        // Cap. 625, section 3(1): a minor there is under sixteen.
        Regime::HongKong => 16,
        Regime::Hipaa => 18,
    }
}

/// The order in which the law calls: the first group first; within a group all are alike.
fn order(regime: Regime, minor: bool) -> &'static [&'static [Basis]] {
    use Basis::{Child, CourtAppointed, Grandparent, Guardian, Parent, Provider, Relative, Spouse};
    match (regime, minor) {
        // Civil Code, article 27: parents; grandparents; adult siblings; others with consent of the committee.
        (Regime::Mainland, true) => &[&[Parent], &[Grandparent], &[Relative], &[Guardian]],
        // Article 28: spouse; parents and children; other near relatives; others.
        (Regime::Mainland, false) => &[&[Spouse], &[Parent, Child], &[Relative], &[Guardian]],
        (Regime::HongKong, _) => {
            &[&[Parent, Guardian], &[CourtAppointed], &[Spouse, Child, Grandparent, Relative], &[Provider]]
        }
        (Regime::Hipaa, true) => &[&[Parent, Guardian], &[CourtAppointed]],
        (Regime::Hipaa, false) => &[&[CourtAppointed], &[Guardian]],
    }
}

/// Why somebody may not speak for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The person is of age and able to decide; only their own agreement gives a family account.
    OfAge,
    /// A minor cannot agree to a family account; their parents are theirs by law.
    Minor,
    /// The law does not call somebody of this kind at all.
    NotCalled,
    /// The law calls somebody else first, who is not recorded as absent.
    OthersFirst(Basis),
}

/// Who is to be represented.
#[derive(Debug, Clone, Copy)]
pub struct Person {
    /// Day of birth, in days since 1970.
    pub born: i64,
    /// A court or the law's own procedure found them unable to decide.
    pub incapable: bool,
}

/// Whether somebody may speak for a person, and until which day.
///
/// # Errors
/// Why not.
pub fn represent(
    regime: Regime,
    person: Person,
    basis: Basis,
    absent: &[Basis],
    today: i64,
) -> Result<Option<i64>, Refusal> {
    let minor = age(person.born, today) < majority(regime);
    if basis == Basis::Agreement {
        return if minor {
            Err(Refusal::Minor)
        } else if person.incapable {
            Err(Refusal::NotCalled)
        } else {
            Ok(None)
        };
    }
    if !minor && !person.incapable {
        return Err(Refusal::OfAge);
    }
    let order = order(regime, minor);
    let place = order.iter().position(|group| group.contains(&basis)).ok_or(Refusal::NotCalled)?;
    let before = order[..place].iter().flat_map(|group| group.iter());
    if let Some(first) = before.copied().find(|first| !absent.contains(first)) {
        return Err(Refusal::OthersFirst(first));
    }
    Ok((minor && !person.incapable).then(|| birthday(person.born, majority(regime))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(year: i64, month: u32, day: u32) -> i64 {
        days_from_civil(year, month, day)
    }

    #[test]
    fn a_parents_right_ends_on_the_birthday_of_the_regime() {
        let born = day(2010, 11, 27);
        let child = Person { born, incapable: false };
        for (regime, years) in [(Regime::Mainland, 18), (Regime::HongKong, 16), (Regime::Hipaa, 18)] {
            let end = day(2010 + years, 11, 27);
            for today in [end - 1, end - 300] {
                assert_eq!(represent(regime, child, Basis::Parent, &[], today), Ok(Some(end)), "{regime:?}");
            }
            for today in [end, end + 1] {
                assert_eq!(represent(regime, child, Basis::Parent, &[], today), Err(Refusal::OfAge));
            }
        }
        assert_eq!(age(day(2012, 2, 29), day(2026, 2, 28)), 13);
        assert_eq!(age(day(2012, 2, 29), day(2026, 3, 1)), 14);
        assert_eq!(birthday(day(2012, 2, 29), 14), day(2026, 3, 1));
        assert_eq!(own_consent(Regime::Mainland), 14);
    }

    #[test]
    fn the_law_calls_one_after_another() {
        let today = day(2026, 11, 27);
        let child = Person { born: day(2020, 1, 1), incapable: false };
        let ask = |regime, person, basis, absent: &[Basis]| represent(regime, person, basis, absent, today);
        assert_eq!(
            ask(Regime::Mainland, child, Basis::Grandparent, &[]),
            Err(Refusal::OthersFirst(Basis::Parent))
        );
        assert!(ask(Regime::Mainland, child, Basis::Grandparent, &[Basis::Parent]).is_ok());
        assert_eq!(
            ask(Regime::Mainland, child, Basis::Relative, &[Basis::Parent]),
            Err(Refusal::OthersFirst(Basis::Grandparent))
        );
        assert_eq!(ask(Regime::Mainland, child, Basis::Provider, &[]), Err(Refusal::NotCalled));
        let old = Person { born: day(1940, 1, 1), incapable: true };
        assert_eq!(ask(Regime::Mainland, old, Basis::Spouse, &[]), Ok(None), "no birthday ends it");
        assert_eq!(ask(Regime::Mainland, old, Basis::Child, &[]), Err(Refusal::OthersFirst(Basis::Spouse)));
        assert!(ask(Regime::Mainland, old, Basis::Child, &[Basis::Spouse]).is_ok());
        assert_eq!(
            ask(Regime::HongKong, old, Basis::Provider, &[Basis::Parent, Basis::Guardian]),
            Err(Refusal::OthersFirst(Basis::CourtAppointed))
        );
        assert_eq!(ask(Regime::Hipaa, old, Basis::Spouse, &[]), Err(Refusal::NotCalled));
    }

    #[test]
    fn only_an_able_adult_agrees_to_a_family_account() {
        let today = day(2026, 11, 27);
        let able = Person { born: day(1961, 3, 8), incapable: false };
        for regime in [Regime::Mainland, Regime::HongKong, Regime::Hipaa] {
            assert_eq!(represent(regime, able, Basis::Agreement, &[], today), Ok(None));
            assert_eq!(represent(regime, able, Basis::Child, &Basis::ALL, today), Err(Refusal::OfAge));
            let unable = Person { incapable: true, ..able };
            assert!(represent(regime, unable, Basis::Agreement, &[], today).is_err());
            let minor = Person { born: day(2015, 1, 1), incapable: false };
            assert_eq!(represent(regime, minor, Basis::Agreement, &[], today), Err(Refusal::Minor));
        }
    }
}
