//! Daily reconciliation with 网络直报: what one side has and the other has not.

use std::collections::BTreeMap;

use tongmai_base::Finding;
use tongmai_surveillance::case::CardState;

use super::task::Card;

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

/// Reads a list with the columns `number,card,name,disease,state`, in any order, the first and last needed.
pub fn read(text: &str) -> (Vec<Row>, Vec<Finding>) {
    let text = text.trim_start_matches('\u{feff}');
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(text.as_bytes());
    let Ok(header) = reader.headers().cloned() else { return (Vec::new(), Vec::new()) };
    let find = |name: &str| header.iter().position(|column| column.trim() == name);
    let (mut rows, mut findings) = (Vec::new(), Vec::new());
    let (Some(number), Some(state)) = (find("number"), find("state")) else {
        let what = "the columns \"number\" and \"state\" are needed";
        findings.push(
            Finding::error("header", "missing-column", what).with_repair("number,card,name,disease,state"),
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
