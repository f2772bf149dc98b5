//! The ballot office: who may vote is known, who voted what is not.
//!
//! Each conversation has a key of its own. Whoever is entitled to vote has a token signed *blindly*
//! (RSABSSA-SHA384-PSS-Randomized, RFC 9474): the office sees who asks and a number that says nothing of
//! the token. When the token is spent nobody can tell whose it is, and it votes once on each statement,
//! whichever way the ballot came in.
//!
//! Three things lie on disk for a conversation, and none of them joins a person and a vote:
//!
//! - `issued`: keyed hashes of the persons who were given a token, in a journal;
//! - `waiting`: ballots that were taken in but not yet counted, rewritten whole in the order of their
//!   tokens, so that a ballot that was acknowledged survives a power cut and the order of arrival does not;
//! - `counted`: batches of ballots in the order of their tokens, without times, in a journal. A batch is
//!   written when ballots of at least [`BATCH_TOKENS`] tokens wait, or when the conversation closes.
//!
//! The office rolls the dice of its keys and blinding itself, with the generator of the operating system.

mod paper;
mod room;
mod token;

pub use paper::PaperBallot;
pub use room::{Cast, Figures, Room};
pub use token::{Blinding, Token};

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Ballots of at least so many tokens are counted together.
pub const BATCH_TOKENS: usize = 11;
/// Most people of one attendance list.
pub const ATTENDANCE: usize = 2_000;

/// Why the office refuses or fails.
#[derive(Debug)]
pub enum Trouble {
    /// The conversation's name is none.
    NoConversation,
    /// The person was given a token already: one person, one token.
    Issued,
    /// Too many people at once.
    TooMany,
    /// What was sent is no blinded message or token of this conversation.
    Malformed(&'static str),
    /// The signature library refused.
    Signature(blind_rsa_signatures::Error),
    /// The disk.
    Disk(std::io::Error),
    /// The journal.
    Journal(String),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trouble::NoConversation => f.write_str("conversation: letters, digits, '-' and '.', at most 64"),
            Trouble::Issued => f.write_str("person: has a ballot for this conversation already"),
            Trouble::TooMany => write!(f, "attendance: at most {ATTENDANCE} people at once"),
            Trouble::Malformed(what) => f.write_str(what),
            Trouble::Signature(error) => write!(f, "the signature: {error}"),
            Trouble::Disk(error) => write!(f, "the ballot box cannot be written: {error}"),
            Trouble::Journal(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for Trouble {}

impl From<std::io::Error> for Trouble {
    fn from(error: std::io::Error) -> Self {
        Trouble::Disk(error)
    }
}

impl From<blind_rsa_signatures::Error> for Trouble {
    fn from(error: blind_rsa_signatures::Error) -> Self {
        Trouble::Signature(error)
    }
}

/// All conversations of an installation.
pub struct Office {
    folder: PathBuf,
    secret: [u8; 32],
    rooms: Mutex<HashMap<String, Arc<Room>>>,
}

impl Office {
    /// An office over `folder`; `secret` keys the hashes of persons.
    pub fn new(folder: &Path, secret: [u8; 32]) -> Office {
        Office { folder: folder.to_owned(), secret, rooms: Mutex::new(HashMap::new()) }
    }

    /// The polling room of a conversation, with a fresh key when it is entered for the first time.
    ///
    /// # Errors
    /// A name that is none, or a disk that cannot be written.
    pub fn room(&self, conversation: &str) -> Result<Arc<Room>, Trouble> {
        let sane = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.');
        let named = (1..=64).contains(&conversation.len()) && conversation.bytes().all(sane);
        if !named || conversation.starts_with('.') {
            return Err(Trouble::NoConversation);
        }
        let mut rooms = self.rooms.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(room) = rooms.get(conversation) {
            return Ok(room.clone());
        }
        let room = Arc::new(Room::open(&self.folder.join(conversation), conversation, &self.secret)?);
        rooms.insert(conversation.to_owned(), room.clone());
        Ok(room)
    }
}
