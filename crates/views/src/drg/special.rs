//! 特例单议 in the ledger: a FHIR Task about the Encounter, each step an input, each version kept.

use tongmai_drg::payment::Decimal;
use tongmai_drg::settlement::scheme::Special;
use tongmai_drg::settlement::special::{State, Step, state};
use tongmai_fhir::json::{Json, write_string};

use super::discharge::Discharge;
use super::facts::Fact;

/// The identifier of an application: the Encounter's id.
pub const SYSTEM: &str = "urn:tongmai:special-review";
/// The code system of steps.
const STEP: &str = "urn:tongmai:special-step";

/// The demo's terms: five per cent of a hospital's cases, two experts.
pub const TERMS: Special = Special { quota: Decimal(Decimal::ONE.0 / 20), reviewers: 2 };

/// The steps of a Task, and the Encounter that it is about; `None` when it is something else.
pub fn read(task: &Json<'_>) -> Option<(String, Vec<Step>)> {
    let identifiers = task.items("identifier").iter();
    let encounter =
        identifiers.into_iter().find(|i| i.text("system") == Some(SYSTEM))?.text("value")?.to_owned();
    let steps =
        task.items("input").iter().filter_map(|input| serde_json::from_str(input.text("valueString")?).ok());
    Some((encounter, steps.collect()))
}

/// What the fold keeps of a Task: the amount that experts approved.
pub(super) fn fact(task: &Json<'_>) -> Option<Fact> {
    let (encounter, steps) = read(task)?;
    match state(TERMS, &steps) {
        Ok(State::Approved(fen)) => Some(Fact::Approved { encounter, fen }),
        _ => None,
    }
}

/// The transaction that puts an application with these steps in the place of the one before.
pub fn bundle(stay: &Discharge, steps: &[Step], now: State) -> String {
    let status = match now {
        State::Candidate => "draft",
        State::Review(_) => "in-progress",
        State::Approved(_) => "completed",
        State::Refused => "rejected",
        State::Withdrawn => "cancelled",
    };
    let mut out = format!(
        "{{\"resourceType\":\"Bundle\",\"type\":\"transaction\",\"entry\":[{{\"resource\":{{\"resourceType\":\"Task\",\
         \"identifier\":[{{\"system\":\"{SYSTEM}\",\"value\":\"{}\"}}],\"status\":\"{status}\",\"intent\":\"order\",\
         \"code\":{{\"text\":\"特例单议\"}},\"focus\":{{\"reference\":\"Encounter/{}\"}},\
         \"for\":{{\"reference\":\"Patient/{}\"}},\"input\":[",
        stay.encounter, stay.encounter, stay.patient
    );
    for (at, step) in steps.iter().enumerate() {
        let code = match step {
            Step::Apply { .. } => "apply",
            Step::Review { .. } => "review",
            Step::Appeal { .. } => "appeal",
            Step::Withdraw { .. } => "withdraw",
        };
        out.push_str(if at > 0 { "," } else { "" });
        out.push_str(&format!(
            "{{\"type\":{{\"coding\":[{{\"system\":\"{STEP}\",\"code\":\"{code}\"}}]}},\"valueString\":"
        ));
        write_string(&serde_json::to_string(step).unwrap_or_default(), &mut out);
        out.push('}');
    }
    out.push_str(&format!(
        "]}},\"request\":{{\"method\":\"PUT\",\"url\":\"Task?identifier={SYSTEM}%7C{}\"}}}}]}}",
        stay.encounter
    ));
    out
}
