//! A conversation that is followed as votes come in.
//!
//! After a batch the result is that of a full run over all votes ([`super::opinion`]): means and counts to the
//! last bit, places on the map within [`TOLERANCE`], the same groups as far as no place lies that close to
//! the middle between two centres. The axes go on from those before ([`super::follow`]); arrivals are replayed,
//! which is cheap once the map is there.

use super::components::{Columns, Components, Space, leading, placed};
use super::follow::{DIRECTIONS, follow};
use super::{Opinion, Stages, Votes, grouped};

/// Largest difference of a place from that of a full run, as a share of the reach of the map.
pub const TOLERANCE: f64 = 1e-6;

/// A conversation with what its next batch goes on from.
#[derive(Debug, Clone)]
pub struct Live<K> {
    /// Voters in ascending order; row by row those of the votes.
    voters: Vec<K>,
    votes: Votes,
    columns: Columns,
    space: Space,
    opinion: Opinion,
    full_runs: usize,
}

impl<K: Ord + Copy> Live<K> {
    /// A conversation about these statements, with the votes so far, in any order. `excluded` statements are
    /// those moderated out.
    ///
    /// # Errors
    /// As [`Live::cast`].
    pub fn new(statements: Vec<String>, excluded: Vec<bool>, votes: &[(K, u32, i8)]) -> Result<Self, String> {
        if excluded.len() != statements.len() {
            return Err("excluded: one flag for each statement".into());
        }
        let meta = vec![false; statements.len()];
        let empty = Votes { statements, excluded, meta, offsets: vec![0], ..Votes::default() };
        let columns = Columns::of(&empty);
        let components = placed(&empty, &columns, columns.mean(&empty), &Space::none());
        let opinion = grouped(&empty, components, Stages::default());
        let mut live =
            Live { voters: Vec::new(), votes: empty, columns, space: Space::none(), opinion, full_runs: 0 };
        live.cast(votes)?;
        Ok(live)
    }

    /// The votes so far; participants are numbered in the order of the voters.
    pub fn votes(&self) -> &Votes {
        &self.votes
    }

    /// What they come to.
    pub fn opinion(&self) -> &Opinion {
        &self.opinion
    }

    /// How often the axes had to be found anew, the first time included.
    pub fn full_runs(&self) -> usize {
        self.full_runs
    }

    /// Takes a batch in: voter, statement by index, and vote. A later vote of one voter on one statement
    /// replaces the earlier.
    ///
    /// # Errors
    /// A statement that the conversation does not have, or a vote that is none; then nothing was taken.
    pub fn cast(&mut self, batch: &[(K, u32, i8)]) -> Result<(), String> {
        let statements = self.votes.statements.len();
        for &(_, statement, vote) in batch {
            if statement as usize >= statements {
                return Err(format!("statement {statement}: the conversation has {statements}"));
            }
            if !(-1..=1).contains(&vote) {
                return Err(format!("vote {vote}: agree is 1, disagree −1, pass 0"));
            }
        }
        let mut sorted = batch.to_vec();
        // Stable: of two votes on one statement the later stays behind the earlier.
        sorted.sort_by_key(|&(voter, statement, _)| (voter, statement));
        self.merge(&sorted);
        let mean = self.columns.mean(&self.votes);
        match follow(&self.votes, &mean, &self.space) {
            Some((axes, values, _)) => {
                for (at, axis) in axes.into_iter().enumerate() {
                    self.space.vectors[at] = axis;
                    self.space.values[at] = values[at];
                }
            }
            None => {
                self.space = leading(&self.votes, &mean, DIRECTIONS);
                self.full_runs += 1;
            }
        }
        let components: Components = placed(&self.votes, &self.columns, mean, &self.space);
        self.opinion = grouped(&self.votes, components, Stages::default());
        Ok(())
    }

    /// Puts a sorted batch among the votes, in one pass.
    fn merge(&mut self, sorted: &[(K, u32, i8)]) {
        let old = std::mem::take(&mut self.votes.columns);
        let old_values = std::mem::take(&mut self.votes.values);
        let old_offsets = std::mem::take(&mut self.votes.offsets);
        let old_voters = std::mem::take(&mut self.voters);
        let room = old.len() + sorted.len();
        let (mut columns, mut values) = (Vec::with_capacity(room), Vec::with_capacity(room));
        let (mut offsets, mut voters) = (vec![0], Vec::with_capacity(old_voters.len() + 1));
        let mut row = 0;
        // Everybody from `row` up to `until` is left as they are.
        let unchanged = |row: usize,
                         until: usize,
                         columns: &mut Vec<u32>,
                         values: &mut Vec<i8>,
                         offsets: &mut Vec<usize>,
                         voters: &mut Vec<K>| {
            let (from, shift) = (old_offsets[row], columns.len());
            columns.extend_from_slice(&old[from..old_offsets[until]]);
            values.extend_from_slice(&old_values[from..old_offsets[until]]);
            offsets.extend(old_offsets[row + 1..=until].iter().map(|at| at - from + shift));
            voters.extend_from_slice(&old_voters[row..until]);
        };
        for own in sorted.chunk_by(|a, b| a.0 == b.0) {
            let Some(&(voter, _, _)) = own.first() else { continue };
            let at = row + old_voters[row..].partition_point(|v| *v < voter);
            unchanged(row, at, &mut columns, &mut values, &mut offsets, &mut voters);
            let known = old_voters.get(at) == Some(&voter);
            let before = if known { old_offsets[at]..old_offsets[at + 1] } else { 0..0 };
            let mut before = old[before.clone()].iter().zip(&old_values[before]).peekable();
            for (index, &(_, statement, vote)) in own.iter().enumerate() {
                if own.get(index + 1).is_some_and(|next| next.1 == statement) {
                    continue;
                }
                while let Some((&c, &v)) = before.next_if(|(c, _)| **c < statement) {
                    columns.push(c);
                    values.push(v);
                }
                let c = statement as usize;
                match before.next_if(|(c, _)| **c == statement) {
                    Some((_, &earlier)) => self.columns.sum[c] -= i64::from(earlier),
                    None => self.columns.seen[c] += 1,
                }
                self.columns.sum[c] += i64::from(vote);
                columns.push(statement);
                values.push(vote);
            }
            for (&c, &v) in before {
                columns.push(c);
                values.push(v);
            }
            offsets.push(columns.len());
            voters.push(voter);
            row = at + usize::from(known);
        }
        unchanged(row, old_voters.len(), &mut columns, &mut values, &mut offsets, &mut voters);
        for number in self.votes.participants.len()..voters.len() {
            self.votes.participants.push(number.to_string());
        }
        self.voters = voters;
        (self.votes.columns, self.votes.values, self.votes.offsets) = (columns, values, offsets);
    }
}

impl Space {
    fn none() -> Space {
        Space { vectors: Vec::new(), values: Vec::new() }
    }
}
