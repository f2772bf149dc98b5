//! An incident with personal information 个人信息安全事件: whom to tell by when, and what a notice says.

use crate::Time;

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

/// Who runs what was hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// Critical information infrastructure 关键信息基础设施.
    CriticalInfrastructure,
    /// A central or state organ.
    CentralBody,
    /// Anybody else.
    Other,
}

impl Operator {
    /// All of them, with their codes.
    pub const ALL: [(Operator, &'static str); 3] = [
        (Operator::Other, "other"),
        (Operator::CriticalInfrastructure, "critical-infrastructure"),
        (Operator::CentralBody, "central-body"),
    ];

    /// The one of a code.
    pub fn from_code(code: &str) -> Option<Operator> {
        Operator::ALL.iter().find(|known| known.1 == code).map(|known| known.0)
    }
}

/// A duty to tell somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadline {
    /// Whom: `authority`, `people`, `public-interest`.
    pub whom: &'static str,
    /// Law and clause.
    pub clause: &'static str,
    /// By when; the time of finding itself where the law says "at once".
    pub due: Time,
}

/// Whom to tell of an incident that was found at `found`, the most urgent first.
///
/// Hours to the authority: Measures for Reporting Network Security Incidents (in force 2025-11-01).
pub fn deadlines(found: Time, operator: Operator, endangers_the_public: bool) -> Vec<Deadline> {
    let hours = match operator {
        Operator::CriticalInfrastructure => 1,
        Operator::CentralBody => 2,
        Operator::Other => 4,
    };
    let clause = "Incident Reporting Measures 2025";
    let mut all = vec![
        Deadline { whom: "people", clause: "PIPL 57", due: found },
        Deadline { whom: "authority", clause, due: found + hours * HOUR },
    ];
    if endangers_the_public {
        all.push(Deadline { whom: "public-interest", clause: "NDSR 10", due: found + DAY });
    }
    all
}

/// What a notice has to say (PIPL 57): kinds of information, cause and possible harm; what was done and what the
/// person can do; whom to ask.
pub const NOTICE: [&str; 6] = ["kinds", "cause", "harm", "measures", "self-help", "contact"];

/// What a notice does not say yet.
pub fn lacking<'t>(said: impl Fn(&str) -> &'t str) -> Vec<&'static str> {
    NOTICE.into_iter().filter(|part| said(part).trim().is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clocks_of_an_incident_are_those_of_the_law() {
        let due = |operator, public| -> Vec<(&str, i64)> {
            let all = deadlines(1_000, operator, public);
            all.iter().map(|one| (one.whom, (one.due - 1_000) / HOUR)).collect()
        };
        assert_eq!(due(Operator::Other, false), [("people", 0), ("authority", 4)]);
        assert_eq!(due(Operator::CentralBody, false), [("people", 0), ("authority", 2)]);
        let critical = due(Operator::CriticalInfrastructure, true);
        assert_eq!(critical, [("people", 0), ("authority", 1), ("public-interest", 24)]);
        for (operator, code) in Operator::ALL {
            assert_eq!(Operator::from_code(code), Some(operator));
        }
    }

    #[test]
    fn a_notice_lacks_what_it_does_not_say() {
        assert_eq!(lacking(|_| "x"), [] as [&str; 0]);
        assert_eq!(lacking(|part| if part == "contact" { " " } else { "x" }), ["contact"]);
        assert_eq!(lacking(|_| ""), NOTICE);
    }
}
