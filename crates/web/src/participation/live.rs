//! Conversations that pages follow: between two looks only the ballots that were counted since are taken in.
//!
//! What is published is computed anew from the files each time (`result.json`); pages show what was followed,
//! which is the same to six digits of the map.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tongmai_ballots::Room;
use tongmai_engagement::opinion::live::Live;
use tongmai_engagement::opinion::{self, LEAST_SHOWN, Votes};
use tongmai_engine::Outcome;

use super::State;
use super::conversation::{Computed, comments};
use super::voting::{forum, room};
use crate::Site;

/// A conversation, with or without the ballots of others' hands.
type Conversation = (String, bool);

/// Conversations by id, with and without the ballots that proxies carried.
#[derive(Default)]
pub struct Followed(Mutex<HashMap<Conversation, Arc<Mutex<Watch>>>>);

/// The row of a ballot in the published matrix.
type Row = [u8; 32];

#[derive(Default)]
struct Watch {
    /// Ballots of the log that were looked at.
    taken: usize,
    /// Votes by row and number of the statement, in the order of the log.
    votes: Vec<(Row, u32, i8)>,
    /// How many of them the conversation holds.
    cast: usize,
    /// Votes by statement.
    seen: HashMap<u32, usize>,
    /// Statements that are shown.
    shown: Vec<u32>,
    excluded: Vec<bool>,
    live: Option<Live<Row>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The conversation as it stands; `None` when there are too few ballots to show.
pub async fn followed(
    site: &Arc<Site>,
    state: &State,
    id: &str,
    with_proxies: bool,
) -> Outcome<Option<Computed>> {
    let forum = forum(state, id)?;
    let (statements, comments) = (forum.statements.len() as u32, comments(state, forum));
    let room = room(site, id).await?;
    let watch = lock(&site.followed.0).entry((id.to_owned(), with_proxies)).or_default().clone();
    Ok(site.work(move |_| lock(&watch).look(&room, statements, &comments, with_proxies)).await)
}

impl Watch {
    fn look(&mut self, room: &Room, statements: u32, comments: &str, with_proxies: bool) -> Option<Computed> {
        let fresh = room.rows_since(self.taken);
        self.taken += fresh.len();
        for (row, ballot) in fresh.into_iter().filter(|(_, ballot)| with_proxies || !ballot.proxy) {
            self.votes.push((row, ballot.statement, ballot.vote));
            *self.seen.entry(ballot.statement).or_default() += 1;
        }
        // A statement with fewer votes would show who cast them.
        let shown: Vec<u32> =
            (0..statements).filter(|s| self.seen.get(s).is_some_and(|votes| *votes >= LEAST_SHOWN)).collect();
        let excluded = excluded(&shown, comments)?;
        if self.live.is_none() || shown != self.shown || excluded != self.excluded {
            let names = shown.iter().map(u32::to_string).collect();
            self.live = Live::new(names, excluded.clone(), &[]).ok();
            (self.shown, self.excluded, self.cast) = (shown, excluded, 0);
        }
        let column = |statement: &u32| self.shown.binary_search(statement).ok().map(|at| at as u32);
        let batch: Vec<(Row, u32, i8)> = self.votes[self.cast..]
            .iter()
            .filter_map(|(row, statement, vote)| Some((*row, column(statement)?, *vote)))
            .collect();
        let live = self.live.as_mut()?;
        if !batch.is_empty() && live.cast(&batch).is_err() {
            // A batch that is no batch cannot be: rather begin anew at the next look.
            self.live = None;
            return None;
        }
        self.cast = self.votes.len();
        let many = live.votes().participants.len() >= LEAST_SHOWN;
        many.then(|| Computed { votes: live.votes().clone(), opinion: live.opinion().clone() })
    }
}

/// Which of the statements were moderated out.
fn excluded(shown: &[u32], comments: &str) -> Option<Vec<bool>> {
    let statements: Vec<String> = shown.iter().map(u32::to_string).collect();
    let none = vec![false; statements.len()];
    let mut probe = Votes { statements, excluded: none.clone(), meta: none, ..Votes::default() };
    probe.moderate(&opinion::read_comments(comments).ok()?, false);
    Some(probe.excluded)
}
