//! The long table of choice tasks, read from comma-separated text.

use super::{BestWorst, Refusal};
use serde::Deserialize;
use std::collections::{BTreeMap, HashMap};
use tongmai_base::Finding;

/// Which columns of the table mean what. Unknown keys are ignored, so that a
/// published result that repeats its specification can be handed in as it is.
#[derive(Debug, Clone, Deserialize, Default)]
#[serde(default)]
pub struct Specification {
    /// Attribute columns; each gets a coefficient.
    pub columns: Vec<String>,
    /// Column that is 1 for the chosen alternative (for the best, in best–worst tasks) and 0 otherwise.
    pub choice: String,
    /// Column that tells the choice tasks apart.
    pub stratum: String,
    /// Ranking: one column with 1, 2, … (0 or empty: not ranked), or indicator columns, best first.
    pub rank: Option<OneOrMany>,
    /// Column that is 1 for the worst alternative: makes the table one of best–worst tasks.
    pub worst: Option<String>,
    /// How best and worst arise from utilities.
    pub best_worst: BestWorst,
    /// Column with the item shown; without `columns` every item but the base gets a coefficient.
    pub item: Option<String>,
    /// The item whose utility is 0; the last one that appears when absent.
    pub base: Option<String>,
    /// Column that tells persons apart; several tasks of one person are then one panel.
    pub person: Option<String>,
    /// Columns whose coefficients vary over persons (mixed logit), with their distribution.
    pub random: BTreeMap<String, Distribution>,
    /// Halton draws a person of the mixed logit; 500 when 0.
    pub draws: usize,
    /// Column of the cost in money; asks for willingness to pay.
    pub wtp_cost: Option<String>,
    /// Krinsky–Robb draws; none when 0.
    pub krinsky_robb: usize,
    /// Bootstrap samples, drawn over persons; none when 0.
    pub bootstrap: usize,
    /// Seed of every draw.
    pub seed: u64,
}

/// One column name or several.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum OneOrMany {
    /// One column.
    One(String),
    /// Several, in order.
    Many(Vec<String>),
}

/// How a random coefficient is spread over persons, by its location `m` and scale `s`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Distribution {
    /// `m + s z`, `z` standard normal.
    #[serde(alias = "n")]
    Normal,
    /// `exp(m + s z)`: always positive.
    #[serde(alias = "ln")]
    Lognormal,
    /// `m + s u`, `u` uniform on −1 … 1.
    #[serde(alias = "u")]
    Uniform,
    /// `m + s t`, `t` symmetric triangular on −1 … 1.
    #[serde(alias = "t")]
    Triangular,
}

/// Choice tasks: alternatives grouped by stratum.
#[derive(Debug, Clone, Default)]
pub struct ChoiceData {
    /// Names of the attribute columns.
    pub columns: Vec<String>,
    /// Row at which each stratum starts, and the number of rows at the end.
    pub offsets: Vec<usize>,
    /// Attributes, row after row.
    pub values: Vec<f64>,
    /// Whether the alternative was chosen (as best).
    pub chosen: Vec<bool>,
    /// Whether it was chosen as worst; empty when the tasks have no worst.
    pub worst: Vec<bool>,
    /// Rank from 1, 0 when not ranked; empty when the tasks are not rankings.
    pub rank: Vec<u32>,
    /// Person of each stratum.
    pub person: Vec<u32>,
    /// Item of each row as an index into `item_names`; empty without an item column.
    pub item: Vec<u32>,
    /// Items in order of appearance.
    pub item_names: Vec<String>,
}

impl ChoiceData {
    /// Number of choice tasks.
    pub fn strata(&self) -> usize {
        self.offsets.len().saturating_sub(1)
    }

    /// Attributes of one alternative.
    pub fn row(&self, row: usize) -> &[f64] {
        let k = self.columns.len();
        &self.values[row * k..(row + 1) * k]
    }

    /// A table with the same columns and no tasks, to be filled by [`ChoiceData::push_row`].
    pub(super) fn derived(&self) -> ChoiceData {
        ChoiceData { columns: self.columns.clone(), offsets: vec![0], ..ChoiceData::default() }
    }

    pub(super) fn push_row(&mut self, values: impl Iterator<Item = f64>, chosen: bool) {
        self.values.extend(values);
        self.chosen.push(chosen);
    }

    pub(super) fn close_stratum(&mut self, person: u32) {
        self.offsets.push(self.chosen.len());
        self.person.push(person);
    }
}

/// Numbers names in order of appearance.
#[derive(Default)]
struct Names {
    index: HashMap<Vec<u8>, u32>,
    last: Option<(Vec<u8>, u32)>,
}

impl Names {
    fn number(&mut self, name: &[u8]) -> u32 {
        if let Some((last, number)) = &self.last
            && last == name
        {
            return *number;
        }
        let next = self.index.len() as u32;
        let number = match self.index.get(name) {
            Some(&number) => number,
            None => {
                self.index.insert(name.to_vec(), next);
                next
            }
        };
        self.last = Some((name.to_vec(), number));
        number
    }

    fn into_names(self) -> Vec<String> {
        let mut names = vec![String::new(); self.index.len()];
        for (name, number) in self.index {
            names[number as usize] = String::from_utf8_lossy(&name).into_owned();
        }
        names
    }
}

/// Positions of the columns a specification names.
struct Positions {
    attributes: Vec<usize>,
    choice: Option<usize>,
    stratum: usize,
    rank: Vec<usize>,
    worst: Option<usize>,
    person: Option<usize>,
    item: Option<usize>,
}

impl Positions {
    fn find(header: &csv::StringRecord, specification: &Specification) -> Result<Self, Refusal> {
        let find = |name: &str| {
            header
                .iter()
                .position(|h| h.trim_start_matches('\u{feff}').trim() == name)
                .ok_or_else(|| Refusal::Specification(format!("the table has no column {name:?}")))
        };
        let optional = |name: &Option<String>| name.as_deref().map(find).transpose();
        let rank = match &specification.rank {
            None => Vec::new(),
            Some(OneOrMany::One(name)) => vec![find(name)?],
            Some(OneOrMany::Many(names)) => names.iter().map(|n| find(n)).collect::<Result<_, _>>()?,
        };
        let choice = if specification.choice.is_empty() { None } else { Some(find(&specification.choice)?) };
        if choice.is_none() && rank.is_empty() {
            return Err(Refusal::Specification("the specification names neither `choice` nor `rank`".into()));
        }
        if specification.columns.is_empty() && specification.item.is_none() {
            return Err(Refusal::Specification("the specification names no `columns`".into()));
        }
        Ok(Positions {
            attributes: specification.columns.iter().map(|c| find(c)).collect::<Result<_, _>>()?,
            choice,
            stratum: find(&specification.stratum)?,
            rank,
            worst: optional(&specification.worst)?,
            person: optional(&specification.person)?,
            item: optional(&specification.item)?,
        })
    }
}

/// A number; `TRUE`/`FALSE` and yes/no count as 1 and 0; empty and NA as none.
fn number(field: &[u8]) -> Option<f64> {
    let text = std::str::from_utf8(field).ok()?.trim();
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() => Some(value),
        _ => match text.to_ascii_lowercase().as_str() {
            "true" | "yes" | "y" => Some(1.0),
            "false" | "no" | "n" => Some(0.0),
            _ => None,
        },
    }
}

/// One table row before the rows are brought together by stratum.
struct Raw {
    stratum: Vec<u32>,
    person: Vec<u32>,
    data: ChoiceData,
}

/// Reads the columns that `specification` names from comma-separated text with a header line.
///
/// A row with a missing or unreadable attribute is left out and found; the other
/// rows of its task stay, as is customary for matched sets.
///
/// # Errors
/// A column that is not there, or a table that cannot be split into fields.
pub fn read(text: &str, specification: &Specification) -> Result<(ChoiceData, Vec<Finding>), Refusal> {
    let mut findings = Vec::new();
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(text.as_bytes());
    let header = reader.headers().map_err(|e| Refusal::Specification(e.to_string()))?.clone();
    let positions = Positions::find(&header, specification)?;
    let (mut strata, mut persons, mut items) = (Names::default(), Names::default(), Names::default());
    let mut raw = Raw { stratum: Vec::new(), person: Vec::new(), data: ChoiceData::default() };
    let mut record = csv::ByteRecord::new();
    let mut values = Vec::with_capacity(positions.attributes.len());
    let mut seen_strata = 0;
    loop {
        match reader.read_byte_record(&mut record) {
            Ok(true) => {}
            Ok(false) => break,
            Err(e) => {
                findings.push(Finding::error("table", "unreadable-row", e.to_string()));
                continue;
            }
        }
        let line = record.position().map_or(0, csv::Position::line);
        let field = |at: usize| record.get(at).unwrap_or(b"");
        values.clear();
        values.extend(positions.attributes.iter().map_while(|&at| number(field(at))));
        if let Some(&at) = positions.attributes.get(values.len()) {
            let message = format!("column {:?} holds no number; the row is left out", &header[at]);
            findings.push(Finding::warning(format!("line {line}"), "missing-value", message));
            continue;
        }
        let stratum = strata.number(field(positions.stratum));
        seen_strata = seen_strata.max(stratum as usize + 1);
        raw.stratum.push(stratum);
        raw.person.push(positions.person.map_or(stratum, |at| persons.number(field(at))));
        raw.data.values.extend_from_slice(&values);
        let yes = |at: usize| number(field(at)).is_some_and(|v| v != 0.0);
        let rank = match positions.rank.as_slice() {
            [] => 0,
            [at] => number(field(*at)).map_or(0, |r| r as u32),
            several => several.iter().position(|&at| yes(at)).map_or(0, |i| i as u32 + 1),
        };
        if !positions.rank.is_empty() {
            raw.data.rank.push(rank);
        }
        raw.data.chosen.push(positions.choice.map_or(rank == 1, yes));
        if let Some(at) = positions.worst {
            raw.data.worst.push(yes(at));
        }
        if let Some(at) = positions.item {
            raw.data.item.push(items.number(field(at)));
        }
    }
    raw.data.columns.clone_from(&specification.columns);
    raw.data.item_names = items.into_names();
    let mut data = group(raw, seen_strata);
    if specification.columns.is_empty() {
        add_item_columns(&mut data, specification.base.as_deref())?;
    }
    Ok((data, findings))
}

/// Brings the rows of each stratum together, in order of first appearance.
fn group(raw: Raw, strata: usize) -> ChoiceData {
    let rows = raw.stratum.len();
    let mut offsets = vec![0usize; strata + 1];
    for &s in &raw.stratum {
        offsets[s as usize + 1] += 1;
    }
    for s in 0..strata {
        offsets[s + 1] += offsets[s];
    }
    let mut person = vec![0; strata];
    for (&s, &p) in raw.stratum.iter().zip(&raw.person) {
        person[s as usize] = p;
    }
    if raw.stratum.is_sorted() {
        return ChoiceData { offsets, person, ..raw.data };
    }
    let mut next = offsets.clone();
    let mut order = vec![0usize; rows];
    for (row, &s) in raw.stratum.iter().enumerate() {
        order[next[s as usize]] = row;
        next[s as usize] += 1;
    }
    fn arranged<T: Copy>(values: &[T], order: &[usize]) -> Vec<T> {
        if values.is_empty() { Vec::new() } else { order.iter().map(|&row| values[row]).collect() }
    }
    ChoiceData {
        values: order.iter().flat_map(|&row| raw.data.row(row)).copied().collect(),
        chosen: arranged(&raw.data.chosen, &order),
        worst: arranged(&raw.data.worst, &order),
        rank: arranged(&raw.data.rank, &order),
        item: arranged(&raw.data.item, &order),
        columns: raw.data.columns,
        item_names: raw.data.item_names,
        offsets,
        person,
    }
}

/// Gives every item but the base an indicator column.
fn add_item_columns(data: &mut ChoiceData, base: Option<&str>) -> Result<(), Refusal> {
    let base = match base {
        None => data.item_names.len().saturating_sub(1),
        Some(name) => data
            .item_names
            .iter()
            .position(|n| n == name)
            .ok_or_else(|| Refusal::Specification(format!("no item is called {name:?}")))?,
    };
    let kept: Vec<usize> = (0..data.item_names.len()).filter(|&i| i != base).collect();
    data.columns = kept.iter().map(|&i| data.item_names[i].clone()).collect();
    data.values = data
        .item
        .iter()
        .flat_map(|&item| kept.iter().map(move |&i| f64::from(u8::from(i == item as usize))))
        .collect();
    Ok(())
}
