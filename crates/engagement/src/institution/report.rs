//! The yearly report: every number is counted from facts, none is typed by hand.

use super::Institution;
use crate::answer::{self, Rates};
use crate::gate::{Participation, Stage};
use serde::Serialize;

/// Whose idea the projects were.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct AgendaShare {
    /// Projects begun in the time.
    pub projects: u64,
    /// Of them, those that patients asked for.
    pub by_patients: u64,
}

/// What a year came to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// First day.
    pub from: i64,
    /// Last day.
    pub until: i64,
    /// People who came to meetings.
    pub attended: u64,
    /// Of them, patients and carers.
    pub patients_attended: u64,
    /// People who rated drafts.
    pub raters: u64,
    /// Statements made.
    pub statements: u64,
    /// Whose idea the projects were.
    pub agenda: AgendaShare,
    /// Evidence attached, and how much of it is more than asking.
    pub evidence: u64,
    /// Evidence at least of the degree *involve*.
    pub involving: u64,
    /// Waivers in force.
    pub exceptions: u64,
    /// Minutes that participants gave.
    pub burden_minutes: u64,
    /// Paid to participants, in fen.
    pub paid_fen: u64,
    /// Answers: shares, changes, disputes, median days.
    pub rates: Rates,
    /// Rules that were changed, in words.
    pub changes: Vec<String>,
    /// Promises made before the time that were due in it, and how many were kept.
    pub due: u64,
    /// Kept.
    pub kept: u64,
    /// Given up with a reason.
    pub given_up: u64,
    /// Needs told, and needs served.
    pub needs: u64,
    /// Served.
    pub served: u64,
    /// Complaints of retaliation, and how many were dealt with.
    pub complaints: u64,
    /// Dealt with.
    pub relieved: u64,
    /// Decisions that were taken in the time.
    pub decisions: u64,
}

/// The report over the days `from ..= until`.
pub fn report(institution: &Institution, from: i64, until: i64) -> Report {
    let within = |day: i64| (from..=until).contains(&day);
    let projects = || institution.projects.values();
    let begun = || projects().filter(|file| within(file.day));
    let evidence: Vec<_> =
        projects().flat_map(|file| file.gate.evidence()).filter(|e| within(e.gathered.1)).collect();
    let held: Vec<_> = institution
        .meetings
        .values()
        .filter(|gathering| within(gathering.meeting.day))
        .filter_map(|gathering| gathering.minutes.as_ref())
        .collect();
    let said: Vec<_> = institution.statements.values().filter(|said| within(said.statement.day)).collect();
    let states: Vec<answer::Statement> = said.iter().map(|said| said.state.clone()).collect();
    let replies = || said.iter().flat_map(|said| &said.replies).filter(|reply| reply.changed);
    let promised = |promise: &&super::Promise| within(promise.commitment.due);
    let due: Vec<_> = institution.promises.values().filter(promised).collect();
    let kept = |kept: bool| {
        due.iter().filter(|p| p.closure.as_ref().is_some_and(|closure| closure.kept == kept)).count() as u64
    };
    let complaints = || institution.complaints.values().filter(|(complaint, _)| within(complaint.day));
    Report {
        from,
        until,
        attended: held.iter().map(|m| m.attended).sum(),
        patients_attended: held.iter().map(|m| m.patients).sum(),
        raters: projects().flat_map(|file| &file.ratings).filter(|r| within(r.day)).count() as u64,
        statements: said.len() as u64,
        agenda: AgendaShare {
            projects: begun().count() as u64,
            by_patients: begun().filter(|file| !file.project.need.is_empty()).count() as u64,
        },
        evidence: evidence.len() as u64,
        involving: evidence.iter().filter(|e| e.participation >= Participation::Involve).count() as u64,
        exceptions: projects()
            .flat_map(|file| file.gate.exceptions())
            .filter(|e| e.published.is_some_and(within))
            .count() as u64,
        burden_minutes: held.iter().map(|m| m.burden_minutes * m.attended).sum(),
        paid_fen: held.iter().map(|m| m.paid_fen).sum(),
        rates: answer::rates(&states),
        changes: replies().map(|reply| reply.change.clone()).filter(|change| !change.is_empty()).collect(),
        due: due.len() as u64,
        kept: kept(true),
        given_up: kept(false),
        needs: institution.needs.values().filter(|need| within(need.day)).count() as u64,
        served: institution.matches.values().filter(|m| m.served.is_some_and(within)).count() as u64,
        complaints: complaints().count() as u64,
        relieved: complaints().filter(|(_, relief)| relief.is_some()).count() as u64,
        decisions: projects()
            .flat_map(|file| file.gate.left())
            .filter(|(stage, day)| *stage == Stage::Decision && within(*day))
            .count() as u64,
    }
}
