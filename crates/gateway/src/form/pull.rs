//! Pulling a view of a hospital's database again and again: what is new, what was corrected, what
//! came late, what is gone, and whether counts and sums agree with the source.
//!
//! Pure: the caller reads the source, commits what [`plan`] names, and keeps the [`State`]. The state
//! holds a digest of each row, so a correction is seen however late it comes and whatever its
//! time says; the watermark only says how far the source's clock has got.

use std::collections::{BTreeMap, BTreeSet};

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};
use tongmai_base::Finding;

use super::table::Form;
use super::{Record, value};

/// First line of a kept state.
const HEAD: &str = "tongmai-pull 1";

/// What a site says of a view, by the names of its columns.
#[derive(Debug, Clone, Default)]
pub struct View {
    /// Columns that together name a row; those of the form where none are named.
    pub key: Vec<String>,
    /// Column of the last change; empty where the view has none.
    pub watermark: String,
    /// Columns whose sums are compared with the source.
    pub sums: Vec<String>,
}

/// What is known of a row that was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Digest of its values.
    pub digest: String,
    /// How often it was taken; a correction back to earlier values is a new version too.
    pub version: u32,
    /// Its amounts, in the order of the view's sums.
    pub amounts: Vec<String>,
}

/// What was taken so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct State {
    /// The latest time of change that was seen.
    pub watermark: String,
    /// Rows by key.
    pub rows: BTreeMap<String, Row>,
}

/// What a row is to what was taken before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Not seen before.
    New,
    /// Seen with other values.
    Corrected,
    /// Seen with these values.
    Unchanged,
}

/// A row of the source, judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// Which of the records.
    pub index: usize,
    /// Its key.
    pub key: String,
    /// What is kept of it once it is taken.
    pub row: Row,
    /// Its time of change.
    pub changed: String,
    /// What it is.
    pub change: Change,
    /// Whether its time of change is before the watermark: a late correction or arrival.
    pub late: bool,
}

/// What is to be done with a source.
#[derive(Debug, Default)]
pub struct Plan {
    /// Its rows in order.
    pub rows: Vec<Planned>,
    /// Keys that were taken and are not in the source any more.
    pub gone: Vec<String>,
    /// Rows that cannot be told apart, and the like.
    pub findings: Vec<Finding>,
}

/// The text of a column of a record, known to the form or not.
fn text_of(form: &Form, record: &Record, name: &str) -> Option<String> {
    if let Some((column, number)) = form.column(name) {
        return record.text(column, number);
    }
    let wanted = value::normal(name);
    let found = record.unknown.iter().find(|(known, _)| value::normal(known) == wanted)?;
    Some(value::clean(&found.1)).filter(|text| !text.is_empty())
}

/// Judges the rows of a source against what was taken.
pub fn plan(form: &Form, view: &View, records: &[Record], state: &State) -> Plan {
    let mut plan = Plan::default();
    let mut seen = BTreeSet::new();
    for (index, record) in records.iter().enumerate() {
        let parts: Vec<Option<String>> = match view.key.is_empty() {
            true => form.identifier.iter().map(|column| record.text(*column, 0)).collect(),
            false => view.key.iter().map(|name| text_of(form, record, name)).collect(),
        };
        let key = parts.into_iter().collect::<Option<Vec<String>>>().map(|parts| parts.join("/"));
        let Some(key) = key.filter(|key| !key.is_empty()) else {
            let finding = Finding::error(
                &*record.place,
                "no-key",
                "a column of the key is empty: the row is not taken",
            );
            plan.findings.push(finding.with_repair("fill the columns that name a row"));
            continue;
        };
        if !seen.insert(key.clone()) {
            let message = format!("the key {key} stands twice; the first row counts");
            let finding = Finding::warning(&*record.place, "key-twice", message);
            plan.findings.push(finding.with_repair("name columns that are different in each row"));
            continue;
        }
        let changed = text_of(form, record, &view.watermark)
            .and_then(|text| crate::wst500::convert::time(&value::half_width(&text)));
        let changed = changed.unwrap_or_default();
        let amounts = view.sums.iter().map(|name| text_of(form, record, name).unwrap_or_default()).collect();
        let before = state.rows.get(&key);
        let version = before.map_or(1, |known| known.version.saturating_add(1));
        let row = Row { digest: digest(record), version, amounts };
        let change = match before {
            None => Change::New,
            Some(known) if known.digest == row.digest => Change::Unchanged,
            Some(_) => Change::Corrected,
        };
        let late = change != Change::Unchanged && !changed.is_empty() && changed < state.watermark;
        plan.rows.push(Planned { index, key, row, changed, change, late });
    }
    plan.gone = state.rows.keys().filter(|key| !seen.contains(*key)).cloned().collect();
    plan
}

/// A digest of the values of a record, in an order of their own.
fn digest(record: &Record) -> String {
    let mut values: Vec<String> = record
        .cells
        .iter()
        .map(|cell| format!("{}\u{1f}{}\u{1f}{}", cell.column, cell.number, value::clean(&cell.text)))
        .chain(record.unknown.iter().map(|(name, text)| format!("{name}\u{1f}{}", value::clean(text))))
        .collect();
    values.sort();
    HEXLOWER.encode(&Sha256::digest(values.join("\u{1e}"))[..16])
}

impl State {
    /// Notes that a row was taken.
    pub fn take(&mut self, planned: &Planned) {
        self.rows.insert(planned.key.clone(), planned.row.clone());
        if planned.changed > self.watermark {
            self.watermark.clone_from(&planned.changed);
        }
    }

    /// Reads a kept state. `Err` where it is torn or of another kind.
    pub fn read(text: &str) -> Result<State, String> {
        let mut lines = text.lines();
        let head = lines.next().unwrap_or_default();
        let watermark = head.strip_prefix(HEAD).ok_or("the file is no state of a pull")?.trim();
        let mut state = State { watermark: watermark.to_owned(), ..State::default() };
        let mut whole = false;
        for line in lines {
            if let Some(count) = line.strip_prefix("= ") {
                whole = count.parse() == Ok(state.rows.len());
                continue;
            }
            let mut parts = line.split('\t').map(str::to_owned);
            let (key, digest) = (parts.next(), parts.next());
            let version = parts.next().and_then(|version| version.parse().ok());
            let (Some(key), Some(digest), Some(version)) = (key, digest, version) else {
                return Err(format!("'{line}' is no row of a state"));
            };
            state.rows.insert(key, Row { digest, version, amounts: parts.collect() });
        }
        if whole { Ok(state) } else { Err("the end of the state is missing".to_owned()) }
    }

    /// The state as text; its last line says how many rows there are.
    pub fn write(&self) -> String {
        let mut out = format!("{HEAD} {}\n", self.watermark);
        for (key, row) in &self.rows {
            out.push_str(&format!("{key}\t{}\t{}", row.digest, row.version));
            row.amounts.iter().for_each(|amount| out.push_str(&format!("\t{amount}")));
            out.push('\n');
        }
        out.push_str(&format!("= {}\n", self.rows.len()));
        out
    }

    /// The sum of an amount over all rows, in ten-thousandths; `None` where one is no number.
    fn sum(&self, at: usize) -> Option<i128> {
        let amounts =
            self.rows.values().filter_map(|row| row.amounts.get(at)).filter(|amount| !amount.is_empty());
        amounts.map(|amount| super::read::cents(amount)).sum()
    }
}

/// Compares what was taken with what the source says of itself: `count`, and sums by column.
pub fn reconcile(view: &View, state: &State, control: &[(String, String)]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, said) in control {
        let (ours, theirs) = if value::normal(name) == "count" {
            (Some(state.rows.len() as i128 * 10_000), super::read::cents(said))
        } else {
            let at = view.sums.iter().position(|column| value::normal(column) == value::normal(name));
            match at {
                Some(at) => (state.sum(at), super::read::cents(said)),
                None => {
                    let finding =
                        Finding::warning(&**name, "not-compared", format!("{name} is no sum of this view"));
                    findings.push(finding.with_repair("name the column under sums"));
                    continue;
                }
            }
        };
        if ours.is_none() || ours != theirs {
            let shown = ours.map_or("not a number".to_owned(), amount);
            let message = format!("the source says {name} {said}, taken is {shown}");
            findings.push(
                Finding::error(&**name, "not-reconciled", message)
                    .with_repair("pull again; if it stays, compare the rows that the source counts"),
            );
        }
    }
    findings
}

fn amount(ten_thousandths: i128) -> String {
    let (whole, rest) = (ten_thousandths / 10_000, (ten_thousandths % 10_000).abs());
    let text = format!("{whole}.{rest:04}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view() -> View {
        View { key: vec!["A48".into()], watermark: "UPDATED".into(), sums: vec!["D01".into()] }
    }

    fn pull(state: &mut State, rows: &[(&str, &str, &str)]) -> (Vec<(Change, bool)>, Vec<String>) {
        let form = crate::hqms::form();
        let mut text = "A48,D01,UPDATED\n".to_owned();
        rows.iter().for_each(|(key, sum, time)| text.push_str(&format!("{key},{sum},{time}\n")));
        let (records, _) = form.records_of_sheet(text.as_bytes());
        let plan = plan(form, &view(), &records, state);
        plan.rows.iter().filter(|row| row.change != Change::Unchanged).for_each(|row| state.take(row));
        (plan.rows.iter().map(|row| (row.change, row.late)).collect(), plan.gone)
    }

    #[test]
    fn new_late_and_corrected_rows_are_told_apart() {
        use Change::{Corrected, New, Unchanged};
        let mut state = State::default();
        let first = [("1", "10.50", "2026-11-20"), ("2", "20", "2026-11-21")];
        assert_eq!(pull(&mut state, &first).0, [(New, false), (New, false)]);
        assert_eq!(pull(&mut state, &first).0, [(Unchanged, false), (Unchanged, false)]);
        // A correction that the source did not date anew, and a row that came late.
        let second = [("1", "11.50", "2026-11-20"), ("3", "1", "2026-11-19"), ("2", "20", "2026-11-21")];
        assert_eq!(pull(&mut state, &second).0, [(Corrected, true), (New, true), (Unchanged, false)]);
        assert_eq!(state.rows["1"].version, 2);
        assert_eq!(pull(&mut state, &second[..1]).1, ["2", "3"]);
        // Back to the first values is a correction too.
        assert_eq!(pull(&mut state, &first[..1]).0, [(Corrected, true)]);
        assert_eq!(state.rows["1"].version, 3);
        assert_eq!(State::read(&state.write()), Ok(state.clone()));
        let torn = state.write();
        assert!(State::read(&torn[..torn.len() - 4]).is_err() && State::read("x").is_err());
    }

    #[test]
    fn counts_and_sums_are_compared_with_the_source() {
        let mut state = State::default();
        pull(&mut state, &[("1", "10.50", ""), ("2", "0.1", "")]);
        let control =
            |count: &str, sum: &str| vec![("count".into(), count.into()), ("D01".into(), sum.into())];
        assert!(reconcile(&view(), &state, &control("2", "10.60")).is_empty());
        let findings = reconcile(&view(), &state, &control("3", "10.61"));
        assert_eq!(
            findings.iter().map(|f| f.code.as_str()).collect::<Vec<_>>(),
            ["not-reconciled", "not-reconciled"]
        );
        assert!(findings[1].message.contains("10.6"), "{}", findings[1].message);
    }
}
