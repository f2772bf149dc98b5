//! Who may see what, and who looked.
//!
//! Every read of the ledger comes out of the engine as [`Sealed`]: nothing can
//! look inside but this crate. [`Access::release`] writes to the log of reads,
//! waits until the entry is on disk, and only then hands out [`Released`], the
//! one type that a page or an API may show. So a read that was not logged
//! cannot be shown: it does not compile.
//!
//! What may be read is decided before: the engine reads nothing without a [`Sight`], which only this
//! crate makes from the policy in force. [`Policy::Open`] sees everything, and the binary allows it on a
//! loopback address alone; [`Policy::Rules`] is default deny.

mod requester;
mod sight;

use std::fmt;
use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;

use tongmai_journal::Journal;

pub use requester::{
    Credentials, Emergency, EverybodyIsLocal, Identify, InvalidToken, Represented, Requester, Role,
};
pub use sight::{Aggregates, Limits, Point, Rulebook, Sight, categories_of, category_of};

/// Which rules decide.
#[derive(Debug, Clone)]
pub enum Policy {
    /// Everybody may see everything: for synthetic data on one machine.
    Open,
    /// What a law, roles, agreements and consents say; what they do not open is closed.
    Rules(Arc<Rulebook>),
}

impl Policy {
    /// What a requester sees under these rules at `now`, in milliseconds since 1970.
    fn sight_at(&self, requester: &Requester, now: i64) -> Sight {
        match self {
            Policy::Open => Sight::unlimited(requester),
            Policy::Rules(book) => Sight::under(book, requester, now),
        }
    }

    /// What a requester sees where no clock is needed: under [`Policy::Open`]. Rules are made to judge
    /// at an instant, so under them nobody but the installation sees anything here.
    pub fn sight(&self, requester: &Requester) -> Sight {
        self.sight_at(requester, i64::MIN)
    }
}

/// What kind of read it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Operation {
    /// One resource.
    Read = 1,
    /// One version.
    VersionRead = 2,
    /// A history.
    History = 3,
    /// A search.
    Search = 4,
    /// A patient's whole record.
    Everything = 5,
    /// A bulk export.
    Export = 6,
    /// A page for people.
    Page = 7,
    /// What the answer to a write shows of the resource.
    Write = 8,
}

/// Content that nobody can look into before it is released.
pub struct Sealed<T> {
    content: T,
    operation: Operation,
    positions: Vec<u64>,
}

impl<T> Sealed<T> {
    /// Seals content that was made from the events at `positions`.
    pub fn new(content: T, operation: Operation, positions: Vec<u64>) -> Sealed<T> {
        Sealed { content, operation, positions }
    }

    /// Positions of the events that it was made from.
    pub fn positions(&self) -> &[u64] {
        &self.positions
    }

    /// Changes the content without opening the seal; what it was made from stays noted.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Sealed<U> {
        Sealed { content: change(self.content), operation: self.operation, positions: self.positions }
    }
}

/// Content that may be shown: its read is in the log, on disk.
pub struct Released<T>(T);

impl<T> Released<T> {
    /// The content.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> Deref for Released<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

/// Why nothing was released.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFailure(pub String);

impl fmt::Display for LogFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for LogFailure {}

/// One entry of the log of reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadEntry {
    /// When, in milliseconds since 1970.
    pub time: i64,
    /// Who.
    pub actor: String,
    /// Why.
    pub purpose: String,
    /// What kind of read, as [`Operation`] numbers it.
    pub operation: u8,
    /// The events that were shown.
    pub positions: Vec<u64>,
}

/// Decides and logs.
pub struct Access {
    policy: Policy,
    journal: Journal,
    now: fn() -> i64,
}

impl Access {
    /// Opens the log of reads in `folder`; `now` gives milliseconds since 1970.
    pub fn open(policy: Policy, folder: &Path, now: fn() -> i64) -> std::io::Result<Access> {
        Ok(Access { policy, journal: Journal::open(folder)?, now })
    }

    /// What a requester may see now.
    pub fn sight(&self, requester: &Requester) -> Sight {
        self.policy.sight_at(requester, (self.now)())
    }

    /// Under what a form of a page writes. The page has decided that this person may send it, and writes
    /// what the form says and nothing else; the entry in the ledger names the person. So a role needs no
    /// right to deposit whole kinds of resources over the API for the few things that it enters by a form.
    pub fn pen(&self, requester: &Requester) -> Sight {
        Sight::unlimited(requester)
    }

    /// The rules in force.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Logs the read, waits until the entry is durable, and opens the seal.
    pub async fn release<T>(
        &self,
        requester: &Requester,
        sealed: Sealed<T>,
    ) -> Result<Released<T>, LogFailure> {
        match self.log(requester, &sealed).await {
            Ok(Ok(())) => Ok(Released(sealed.content)),
            Ok(Err(why)) => Err(LogFailure(why)),
            Err(_) => Err(LogFailure("the read log has stopped".into())),
        }
    }

    /// As [`Access::release`], for callers outside an asynchronous runtime.
    pub fn release_blocking<T>(
        &self,
        requester: &Requester,
        sealed: Sealed<T>,
    ) -> Result<Released<T>, LogFailure> {
        match self.log(requester, &sealed).blocking_recv() {
            Ok(Ok(())) => Ok(Released(sealed.content)),
            Ok(Err(why)) => Err(LogFailure(why)),
            Err(_) => Err(LogFailure("the read log has stopped".into())),
        }
    }

    fn log<T>(&self, requester: &Requester, sealed: &Sealed<T>) -> tongmai_journal::Durable {
        self.journal.append(encode(
            (self.now)(),
            &requester.actor,
            &requester.purpose,
            sealed.operation as u8,
            &sealed.positions,
        ))
    }

    /// Reads the log from its beginning.
    pub fn entries(&self, each: &mut dyn FnMut(ReadEntry)) -> std::io::Result<()> {
        self.journal.read(&mut |bytes| {
            if let Some(entry) = decode(bytes) {
                each(entry);
            }
        })
    }
}

/// Time (8 bytes), operation (1), actor and purpose (length in one byte each, cut at 255), then the
/// positions as LEB128: the first, and then zigzag differences, since one answer shows neighbours.
fn encode(time: i64, actor: &str, purpose: &str, operation: u8, positions: &[u64]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(16 + actor.len() + purpose.len() + 4 * positions.len());
    bytes.extend(time.to_le_bytes());
    bytes.push(operation);
    for text in [actor, purpose] {
        let mut end = text.len().min(255);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        bytes.push(end as u8);
        bytes.extend(&text.as_bytes()[..end]);
    }
    let mut last = 0u64;
    for &position in positions {
        let difference = position.wrapping_sub(last) as i64;
        let mut zigzag = ((difference << 1) ^ (difference >> 63)) as u64;
        while zigzag >= 0x80 {
            bytes.push(zigzag as u8 | 0x80);
            zigzag >>= 7;
        }
        bytes.push(zigzag as u8);
        last = position;
    }
    bytes
}

fn decode(bytes: &[u8]) -> Option<ReadEntry> {
    let (time, rest) = bytes.split_first_chunk::<8>()?;
    let (&operation, mut rest) = rest.split_first()?;
    let mut texts = Vec::new();
    for _ in 0..2 {
        let (&length, after) = rest.split_first()?;
        let text = after.get(..usize::from(length))?;
        texts.push(String::from_utf8(text.to_vec()).ok()?);
        rest = &after[usize::from(length)..];
    }
    let mut positions = Vec::new();
    let mut last = 0u64;
    while !rest.is_empty() {
        let mut zigzag = 0u64;
        let mut shift = 0;
        loop {
            let (&byte, after) = rest.split_first()?;
            rest = after;
            zigzag |= u64::from(byte & 0x7f).checked_shl(shift)?;
            shift += 7;
            if byte < 0x80 {
                break;
            }
        }
        last = last.wrapping_add(((zigzag >> 1) as i64 ^ -((zigzag & 1) as i64)) as u64);
        positions.push(last);
    }
    let purpose = texts.pop()?;
    Some(ReadEntry { time: i64::from_le_bytes(*time), actor: texts.pop()?, purpose, operation, positions })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_released_is_in_the_log() {
        let folder = tempfile::tempdir().expect("a folder");
        let access = Access::open(Policy::Open, folder.path(), || 42).expect("a log");
        let requester = Requester::installation("医生", "TREAT");
        let positions = vec![7, 9, 8, u64::MAX, 0, 1 << 40];
        let sealed = Sealed::new("content", Operation::Search, positions.clone());
        let released = access.release_blocking(&requester, sealed.map(str::len)).expect("logged");
        assert_eq!(*released, 7);
        let mut entries = Vec::new();
        access.entries(&mut |entry| entries.push(entry)).expect("readable");
        let expected =
            ReadEntry { time: 42, actor: "医生".into(), purpose: "TREAT".into(), operation: 4, positions };
        assert_eq!(entries, [expected]);
    }
}
