//! Daily reconciliation with 网络直报: what one side has and the other has not, and what the national side has
//! decided is taken over, so that nothing is typed twice beside its 前置软件.

use std::collections::BTreeMap;

use tongmai_access::Requester;
use tongmai_base::Finding;
use tongmai_engine::write::Conditions;
use tongmai_engine::{Failure, Outcome, Reason};
use tongmai_surveillance::case::{CardState, Step};

use super::fact::day_of;
use super::task::{Card, Items, Note, Reconciliation};
use super::watch::date_of;
use super::{Decision, Surveillance};

/// A row of the national system's list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its number there.
    pub number: String,
    /// Our card's id, where the list has it.
    pub card: String,
    /// Name of the patient.
    pub name: String,
    /// Name or code of the disease.
    pub disease: String,
    /// State there: `accepted`, `prefecture`, `province`, `rejected`, `withdrawn`.
    pub state: String,
    /// Why it was rejected there.
    pub reason: String,
}

/// What a reconciliation came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reconciled {
    /// Cards that took over what the national side decided.
    pub applied: usize,
    /// What differs still.
    pub differences: Vec<Difference>,
}

/// What differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// Sent here, unknown there.
    MissingThere(String),
    /// There, but no card of ours.
    MissingHere(Row),
    /// Both have it, in different states.
    State {
        /// Our card.
        card: String,
        /// State here.
        here: String,
        /// State there.
        there: String,
    },
}

/// Reads a list with the columns `number,card,name,disease,state,reason`, in any order, number and state needed.
pub fn read(text: &str) -> (Vec<Row>, Vec<Finding>) {
    let text = text.trim_start_matches('\u{feff}');
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(text.as_bytes());
    let Ok(header) = reader.headers().cloned() else { return (Vec::new(), Vec::new()) };
    let find = |name: &str| header.iter().position(|column| column.trim() == name);
    let (mut rows, mut findings) = (Vec::new(), Vec::new());
    let (Some(number), Some(state)) = (find("number"), find("state")) else {
        let what = "the columns \"number\" and \"state\" are needed";
        findings.push(
            Finding::error("header", "missing-column", what)
                .with_repair("number,card,name,disease,state,reason"),
        );
        return (rows, findings);
    };
    for (index, record) in reader.records().enumerate() {
        let at = format!("row {}", index + 2);
        let Ok(record) = record else {
            findings.push(Finding::error(at, "unreadable-row", "the row cannot be read"));
            continue;
        };
        let cell =
            |column: Option<usize>| column.and_then(|it| record.get(it)).unwrap_or("").trim().to_owned();
        let row = Row {
            number: cell(Some(number)),
            card: cell(find("card")),
            name: cell(find("name")),
            disease: cell(find("disease")),
            state: cell(Some(state)),
            reason: cell(find("reason")),
        };
        if row.number.is_empty() || CardState::of(&row.state).is_none() {
            findings.push(Finding::error(at, "bad-row", "the number is empty or the state is not known"));
            continue;
        }
        rows.push(row);
    }
    (rows, findings)
}

/// Compares the national list of a period with the cards of it.
pub fn compare<'c>(cards: impl Iterator<Item = &'c Card>, rows: &[Row]) -> Vec<Difference> {
    let by_number: BTreeMap<&str, &Row> = rows.iter().map(|row| (row.number.as_str(), row)).collect();
    let by_card: BTreeMap<&str, &Row> =
        rows.iter().filter(|row| !row.card.is_empty()).map(|row| (row.card.as_str(), row)).collect();
    let mut differences = Vec::new();
    let mut met: Vec<&str> = Vec::new();
    for card in cards {
        let number = card.answers.get("national-number").map_or("", String::as_str);
        let row = by_number.get(number).or_else(|| by_card.get(card.id.as_str()));
        match row {
            Some(row) => {
                met.push(&row.number);
                if row.state != card.state {
                    differences.push(Difference::State {
                        card: card.id.clone(),
                        here: card.state.clone(),
                        there: row.state.clone(),
                    });
                }
            }
            None if matches!(card.state(), CardState::Draft | CardState::Withdrawn) => {}
            None => differences.push(Difference::MissingThere(card.id.clone())),
        }
    }
    let missing = rows.iter().filter(|row| !met.contains(&row.number.as_str()));
    differences.extend(missing.map(|row| Difference::MissingHere(row.clone())));
    differences
}

/// The steps that bring a card to the state of its row; none when a person has to decide.
fn steps(card: &Card, row: &Row) -> Vec<Step> {
    let ladder = [
        (CardState::Submitted, Step::Accept, CardState::Accepted),
        (CardState::Accepted, Step::ReviewPrefecture, CardState::Prefecture),
        (CardState::Prefecture, Step::ReviewProvince, CardState::Province),
    ];
    let Some(there) = CardState::of(&row.state) else { return Vec::new() };
    let mut here = card.state();
    if there == CardState::Rejected {
        return if here.after(Step::Reject).is_some() { vec![Step::Reject] } else { Vec::new() };
    }
    let mut steps = Vec::new();
    while here != there {
        let Some((_, step, next)) = ladder.iter().find(|rung| rung.0 == here) else { return Vec::new() };
        steps.push(*step);
        here = *next;
    }
    steps
}

impl Surveillance {
    /// Reconciles a day's list of the national system: numbers, reviews and rejections are taken over into the
    /// cards that wait for them, and what still differs is told. The reconciliation itself is written down.
    ///
    /// # Errors
    /// Nobody is named who reconciles, or a card cannot be written.
    pub async fn reconcile(&self, requester: &Requester, rows: &[Row], who: &str) -> Outcome<Reconciled> {
        if who.trim().is_empty() {
            let what = "a reconciliation says who made it";
            return Err(Failure::new(Reason::Invalid, "who", "required", what).repair("write a name"));
        }
        let due: Vec<(String, Row, Vec<Step>)> = self.look(|cases| {
            let by = |card: &Card| {
                let number = card.answers.get("national-number").map_or("", String::as_str);
                rows.iter().find(|row| row.number == number || row.card == card.id).cloned()
            };
            let matched = cases.cards().filter_map(|card| by(card).map(|row| (card, row)));
            let due = matched.map(|(card, row)| (card.id.clone(), steps(card, &row), row));
            due.filter(|entry| !entry.1.is_empty()).map(|(id, steps, row)| (id, row, steps)).collect()
        })?;
        let mut applied = 0;
        for (card, row, steps) in &due {
            for step in steps {
                let why = match step {
                    Step::Reject if row.reason.is_empty() => row.state.as_str(),
                    Step::Reject => row.reason.as_str(),
                    _ => "",
                };
                let items = Items::from([("national-number".to_owned(), row.number.clone())]);
                let decision = Decision { who: who.to_owned(), why: why.to_owned(), items };
                self.step(requester, card, *step, &decision).await?;
            }
            applied += 1;
        }
        let differences = self.look(|cases| compare(cases.cards(), rows))?;
        let now = self.engine.now();
        let numbers = [("rows", rows.len()), ("applied", applied), ("differences", differences.len())];
        let done = Reconciliation {
            id: format!("reconciliation-{}", date_of(day_of(now))),
            written: now,
            items: numbers.into_iter().map(|(code, number)| (code.to_owned(), number.to_string())).collect(),
            notes: vec![Note { time: now, who: who.to_owned(), text: "reconciled".to_owned() }],
            position: 0,
        };
        self.put(requester, &done.to_task(), &Conditions::default()).await?;
        Ok(Reconciled { applied, differences })
    }
}
