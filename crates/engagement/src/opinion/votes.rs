//! Votes and statements, read from what deliberation platforms export.

use serde::Deserialize;
use std::collections::{HashMap, HashSet};
use tongmai_base::Finding;

/// Votes of participants (rows) on statements (columns), sparse by row. Agree is +1, disagree −1, pass 0.
#[derive(Debug, Clone, Default)]
pub struct Votes {
    /// Participants in order of arrival: by number where all are numbers, else as they come.
    pub participants: Vec<String>,
    /// Statements, in the order of the file.
    pub statements: Vec<String>,
    /// Where each participant's votes start, and their number at the end.
    pub offsets: Vec<usize>,
    /// Statement of each vote, ascending within a row.
    pub columns: Vec<u32>,
    /// The votes.
    pub values: Vec<i8>,
    /// Statements whose votes count as 0 for everybody: moderated out, or about the participants (meta).
    pub excluded: Vec<bool>,
    /// Statements about the participants themselves.
    pub meta: Vec<bool>,
}

impl Votes {
    /// The votes of one participant: statement and value.
    pub fn row(&self, participant: usize) -> impl Iterator<Item = (usize, i8)> + '_ {
        let range = self.offsets[participant]..self.offsets[participant + 1];
        self.columns[range.clone()].iter().map(|&c| c as usize).zip(self.values[range].iter().copied())
    }

    /// Number of votes of one participant, on whatever statement.
    pub fn count(&self, participant: usize) -> usize {
        self.offsets[participant + 1] - self.offsets[participant]
    }

    fn from_rows(mut rows: Vec<(String, Vec<(u32, i8)>)>, statements: Vec<String>) -> Self {
        let numbers: Option<Vec<u64>> = rows.iter().map(|(p, _)| p.parse().ok()).collect();
        if let Some(numbers) = numbers
            && !numbers.is_sorted()
        {
            rows.sort_by_cached_key(|(p, _)| p.parse::<u64>().unwrap_or(u64::MAX));
        }
        let mut votes = Votes { offsets: vec![0], ..Votes::default() };
        for (participant, row) in rows {
            votes.participants.push(participant);
            votes.columns.extend(row.iter().map(|v| v.0));
            votes.values.extend(row.iter().map(|v| v.1));
            votes.offsets.push(votes.columns.len());
        }
        votes.excluded = vec![false; statements.len()];
        votes.meta = vec![false; statements.len()];
        votes.statements = statements;
        votes
    }

    /// Turns every vote round if the counts that came with the statements say
    /// that agree was stored as −1, as some platforms do.
    pub fn orient(&mut self, comments: &[Comment]) -> Option<Finding> {
        let balance: HashMap<&str, i64> = comments.iter().map(|c| (c.id.as_str(), c.balance)).collect();
        let balance: Vec<i64> =
            self.statements.iter().map(|s| balance.get(s.as_str()).copied().unwrap_or(0)).collect();
        let votes = self.columns.iter().zip(&self.values);
        let agreement: i64 = votes.map(|(&c, &v)| balance[c as usize].signum() * i64::from(v)).sum();
        if agreement >= 0 {
            return None;
        }
        self.values.iter_mut().for_each(|v| *v = -*v);
        let message = "agree is stored as −1 here; every vote is turned round";
        Some(Finding::new(tongmai_base::Severity::Information, "votes", "inverted", message))
    }

    /// Marks statements by their moderation.
    pub fn moderate(&mut self, comments: &[Comment], strict: bool) {
        let by_id: HashMap<&str, &Comment> = comments.iter().map(|c| (c.id.as_str(), c)).collect();
        for (i, statement) in self.statements.iter().enumerate() {
            let Some(comment) = by_id.get(statement.as_str()) else { continue };
            self.meta[i] = comment.meta;
            self.excluded[i] = comment.meta || comment.moderated < 0 || strict && comment.moderated == 0;
        }
    }
}

/// A statement as it was moderated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comment {
    /// Identifier, as the votes name it.
    pub id: String,
    /// 1 accepted, 0 not looked at, −1 refused.
    pub moderated: i8,
    /// About the participants themselves, so without part in the grouping.
    pub meta: bool,
    /// Agreements less disagreements, as counted by the platform; 0 when it did not count.
    pub balance: i64,
    /// The words.
    pub text: String,
}

/// Reads votes: the matrix of participants and statements, or a JSON array of single votes.
///
/// In the matrix the first column names the participant, columns whose header is
/// a number are statements, and everything else (`group-id` above all) is left
/// unread. Agree is 1; [`Votes::orient`] turns round what was stored the other way.
///
/// # Errors
/// Text that is neither.
pub fn read_votes(text: &str) -> Result<(Votes, Vec<Finding>), String> {
    if text.trim_start().starts_with('[') { read_vote_list(text) } else { read_matrix(text) }
}

fn read_matrix(text: &str) -> Result<(Votes, Vec<Finding>), String> {
    let mut findings = Vec::new();
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(text.as_bytes());
    let header = reader.headers().map_err(|e| e.to_string())?.clone();
    let is_statement = |name: &str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_digit());
    let mut column_of = vec![None; header.len()];
    let mut statements = Vec::new();
    for (at, name) in header.iter().enumerate().skip(1) {
        if is_statement(name.trim()) {
            column_of[at] = Some(statements.len() as u32);
            statements.push(name.trim().to_owned());
        }
    }
    if statements.is_empty() {
        return Err("the header names no statement (columns whose name is a number)".into());
    }
    let mut rows = Vec::new();
    let mut seen = HashSet::new();
    let mut record = csv::ByteRecord::new();
    while reader.read_byte_record(&mut record).map_err(|e| e.to_string())? {
        let participant = String::from_utf8_lossy(record.get(0).unwrap_or(b"")).trim().to_owned();
        if !seen.insert(participant.clone()) {
            let message = format!("participant {participant} appears twice; the first row counts");
            findings.push(Finding::warning(format!("participant {participant}"), "duplicate", message));
            continue;
        }
        let mut row = Vec::new();
        for (field, column) in record.iter().zip(&column_of) {
            let (Some(column), false) = (column, field.is_empty()) else { continue };
            match vote(field) {
                Some(value) => row.push((*column, value)),
                None => {
                    let path = format!("participant {participant}");
                    let message = format!("{:?} is no vote", String::from_utf8_lossy(field));
                    findings.push(Finding::warning(path, "unreadable-vote", message));
                }
            }
        }
        rows.push((participant, row));
    }
    Ok((Votes::from_rows(rows, statements), findings))
}

fn vote(field: &[u8]) -> Option<i8> {
    match field {
        b"1" | b"1.0" => Some(1),
        b"-1" | b"-1.0" => Some(-1),
        b"0" | b"0.0" | b"-0.0" => Some(0),
        _ => None,
    }
}

/// A number or its text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Id {
    Number(i64),
    Text(String),
}

impl Id {
    fn into_text(self) -> String {
        match self {
            Id::Number(n) => n.to_string(),
            Id::Text(t) => t,
        }
    }
}

#[derive(Deserialize)]
struct RawVote {
    #[serde(alias = "pid")]
    participant_id: Id,
    #[serde(alias = "tid")]
    statement_id: Id,
    vote: f64,
}

/// Votes in the order given: a later vote of one participant on one statement replaces the earlier.
fn read_vote_list(text: &str) -> Result<(Votes, Vec<Finding>), String> {
    let raw: Vec<RawVote> = serde_json::from_str(text).map_err(|e| e.to_string())?;
    let mut findings = Vec::new();
    let (mut participants, mut statements) = (HashMap::new(), HashMap::new());
    let mut rows: Vec<(String, HashMap<u32, i8>)> = Vec::new();
    let mut names: Vec<String> = Vec::new();
    for vote in raw {
        let value = match vote.vote {
            1.0 => 1,
            -1.0 => -1,
            0.0 => 0,
            other => {
                findings.push(Finding::warning("votes", "unreadable-vote", format!("{other} is no vote")));
                continue;
            }
        };
        let (participant, statement) = (vote.participant_id.into_text(), vote.statement_id.into_text());
        let row = *participants.entry(participant).or_insert_with_key(|name| {
            rows.push((name.clone(), HashMap::new()));
            rows.len() - 1
        });
        let column = *statements.entry(statement).or_insert_with_key(|name| {
            names.push(name.clone());
            names.len() as u32 - 1
        });
        rows[row].1.insert(column, value);
    }
    // Statements by number, so that the order of arrival does not show.
    let mut order: Vec<usize> = (0..names.len()).collect();
    order.sort_by_key(|&i| (names[i].parse::<u64>().unwrap_or(u64::MAX), names[i].clone()));
    let mut place = vec![0u32; names.len()];
    order.iter().enumerate().for_each(|(new, &old)| place[old] = new as u32);
    let rows = rows
        .into_iter()
        .map(|(participant, row)| {
            let mut row: Vec<(u32, i8)> = row.into_iter().map(|(c, v)| (place[c as usize], v)).collect();
            row.sort_unstable();
            (participant, row)
        })
        .collect();
    let statements = order.iter().map(|&i| names[i].clone()).collect();
    Ok((Votes::from_rows(rows, statements), findings))
}

#[derive(Deserialize)]
struct RawComment {
    #[serde(alias = "tid", alias = "comment-id")]
    statement_id: Id,
    #[serde(alias = "mod", default)]
    moderated: Option<i8>,
    #[serde(default)]
    is_meta: bool,
    #[serde(default)]
    agree_count: i64,
    #[serde(default)]
    disagree_count: i64,
    #[serde(default)]
    txt: String,
}

/// Reads statements with their moderation: comma-separated (`comment-id`, `moderated`, `comment-body`) or JSON.
///
/// In the comma-separated export moderation alone keeps a statement off the map;
/// its `is-meta` column is left unread, as published references do.
///
/// # Errors
/// Text that is neither.
pub fn read_comments(text: &str) -> Result<Vec<Comment>, String> {
    if text.trim_start().starts_with('[') {
        let raw: Vec<RawComment> = serde_json::from_str(text).map_err(|e| e.to_string())?;
        let comment = |c: RawComment| Comment {
            id: c.statement_id.into_text(),
            moderated: c.moderated.unwrap_or(0),
            meta: c.is_meta,
            balance: c.agree_count - c.disagree_count,
            text: c.txt,
        };
        return Ok(raw.into_iter().map(comment).collect());
    }
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(text.as_bytes());
    let header = reader.headers().map_err(|e| e.to_string())?.clone();
    let position = |name: &str| header.iter().position(|h| h.trim() == name);
    let id = position("comment-id").ok_or("the comments have no column comment-id")?;
    let (moderated, body) = (position("moderated"), position("comment-body"));
    let (agrees, disagrees) = (position("agrees"), position("disagrees"));
    let mut comments = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|e| e.to_string())?;
        let field = |at: Option<usize>| at.and_then(|i| record.get(i)).unwrap_or("").trim();
        let number = |text: &str| text.parse::<i64>().unwrap_or(0);
        comments.push(Comment {
            id: field(Some(id)).to_owned(),
            moderated: field(moderated).parse().unwrap_or(0),
            meta: false,
            balance: number(field(agrees)) - number(field(disagrees)),
            text: field(body).to_owned(),
        });
    }
    Ok(comments)
}
