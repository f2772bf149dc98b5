//! The polling room of one conversation.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use blind_rsa_signatures::reexports::rand;
use blind_rsa_signatures::reexports::rsa::PublicKeyParts;
use blind_rsa_signatures::{DefaultRng, KeyPair, Options, PublicKey, SecretKey};
use sha2::{Digest, Sha256};
use tongmai_engagement::ballot::{Ballot, Channel, Counted, Log, Serial, Tally};
use tongmai_journal::Journal;

use crate::paper::{self, PaperBallot};
use crate::token::{Blinding, MODULUS, Token};
use crate::{ATTENDANCE, BATCH_TOKENS, Trouble};

type Hash = [u8; 32];

/// What became of a ballot that was handed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cast {
    /// It waits to be counted with others.
    Taken,
    /// This token has voted on this statement already; the first vote stands.
    Spent,
    /// No token of this conversation.
    Forged,
}

/// Numbers that say nothing of anybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Figures {
    /// Tokens given out, on paper or otherwise.
    pub issued: usize,
    /// Tokens that have voted.
    pub voted: usize,
    /// Votes counted.
    pub counted: usize,
    /// Of them, carried by village proxies.
    pub proxy: usize,
    /// Votes that wait for their batch.
    pub waiting: usize,
}

/// The polling room of one conversation.
pub struct Room {
    conversation: String,
    secret: Hash,
    folder: PathBuf,
    signing: SecretKey,
    public: PublicKey,
    issued_journal: Journal,
    paper_journal: Journal,
    counted_journal: Journal,
    /// Persons who were given a token, with the hash of what they had signed.
    issued: Mutex<HashMap<Hash, Hash>>,
    paper: Mutex<HashMap<Hash, Token>>,
    ballots: Mutex<BallotBox>,
    /// One writer of the box at a time, over its waits for the disk.
    turn: Mutex<()>,
}

#[derive(Default)]
struct BallotBox {
    log: Log,
    /// Ballots that wait, in the order of their tokens.
    waiting: BTreeMap<(Serial, u32), Ballot>,
    /// Tokens whose signature was checked.
    genuine: HashSet<(Serial, Hash)>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn digest(parts: &[&[u8]]) -> Hash {
    parts.iter().fold(Sha256::new(), |hash, part| hash.chain_update(part)).finalize().into()
}

impl Room {
    pub(crate) fn open(folder: &Path, conversation: &str, secret: &Hash) -> Result<Room, Trouble> {
        std::fs::create_dir_all(folder)?;
        let (signing, public) = key(&folder.join("key"))?;
        let secret = digest(&[secret, b"ballots", conversation.as_bytes()]);
        let mut issued = HashMap::new();
        let issued_journal = Journal::open(&folder.join("issued"))?;
        issued_journal.read(&mut |entry| {
            if let Some((person, rest)) = entry.split_first_chunk::<32>() {
                issued.insert(*person, rest.try_into().unwrap_or([0; 32]));
            }
        })?;
        let mut sheets = HashMap::new();
        let paper_journal = Journal::open(&folder.join("paper"))?;
        paper_journal.read(&mut |entry| sheets.extend(paper::read(entry)))?;
        let counted_journal = Journal::open(&folder.join("counted"))?;
        let mut ballots = BallotBox::default();
        // What is in the journal was checked before it was written.
        counted_journal.read(&mut |entry| ballots.log.redeem(read_ballots(entry), |_, _| true))?;
        for ballot in read_ballots(&std::fs::read(folder.join("waiting")).unwrap_or_default()) {
            if ballots.log.find(&ballot.serial, ballot.statement).is_none() {
                ballots.waiting.insert((ballot.serial, ballot.statement), ballot);
            }
        }
        Ok(Room {
            conversation: conversation.to_owned(),
            secret,
            folder: folder.to_owned(),
            signing,
            public,
            issued_journal,
            paper_journal,
            counted_journal,
            issued: Mutex::new(issued),
            paper: Mutex::new(sheets),
            ballots: Mutex::new(ballots),
            turn: Mutex::new(()),
        })
    }

    /// The public key: with it anybody checks a token.
    pub fn public_key(&self) -> &PublicKey {
        &self.public
    }

    /// Modulus and exponent of the public key, big-endian: what a device needs to blind.
    pub fn public_numbers(&self) -> (Vec<u8>, Vec<u8>) {
        (self.public.0.n().to_bytes_be(), self.public.0.e().to_bytes_be())
    }

    /// Whether this person has a token already.
    pub fn has_token(&self, person: &str) -> bool {
        lock(&self.issued).contains_key(&self.person(person))
    }

    fn person(&self, person: &str) -> Hash {
        digest(&[&self.secret, b"person", person.as_bytes()])
    }

    /// Signs what a person had blinded, once. Whoever asks again with the same number is answered the same:
    /// the line may have broken.
    ///
    /// # Errors
    /// The person has a token; the number is none; the disk.
    pub async fn issue(&self, person: &str, blinded: &[u8]) -> Result<Vec<u8>, Trouble> {
        if blinded.len() != MODULUS {
            return Err(Trouble::Malformed("blinded: a number of 256 bytes is signed"));
        }
        let (person, asked) = (self.person(person), digest(&[blinded]));
        match lock(&self.issued).get(&person) {
            Some(before) if *before != asked => return Err(Trouble::Issued),
            _ => {}
        }
        // Signed first: a number that cannot be signed must not cost the person their vote.
        let signed = self.signing.blind_sign(&mut DefaultRng, blinded, &Options::default())?.0;
        let new = {
            let mut issued = lock(&self.issued);
            match issued.get(&person) {
                Some(before) if *before != asked => return Err(Trouble::Issued),
                Some(_) => false,
                None => issued.insert(person, asked).is_none(),
            }
        };
        if new {
            written(self.issued_journal.append([person, asked].concat()).await)?;
        }
        Ok(signed)
    }

    /// Makes a token for a person in one go, on the office's own machine: for people whose device cannot
    /// blind. The office forgets it, which the voter has to believe; a device that blinds need not believe anything.
    ///
    /// # Errors
    /// As [`Room::issue`].
    pub async fn issue_here(&self, person: &str) -> Result<Token, Trouble> {
        let blinding = Blinding::new(&self.public, &self.conversation, random())?;
        let signed = self.issue(person, blinding.blinded()).await?;
        blinding.finish(&self.public, &signed)
    }

    /// Enters an attendance list: everybody on it who has no token yet is given a sheet of paper. The sheets
    /// come shuffled.
    ///
    /// # Errors
    /// More than [`ATTENDANCE`] people, or the disk.
    pub async fn print(&self, people: &[String]) -> Result<Vec<PaperBallot>, Trouble> {
        if people.len() > ATTENDANCE {
            return Err(Trouble::TooMany);
        }
        let mut sheets = BTreeMap::new();
        let entitled: BTreeSet<&String> = people.iter().collect();
        for person in entitled {
            if self.has_token(person) {
                continue;
            }
            let token = match self.issue_here(person).await {
                Ok(token) => token,
                Err(Trouble::Issued) => continue,
                Err(trouble) => return Err(trouble),
            };
            let mut bytes = [0; 10];
            bytes.copy_from_slice(&random()[..10]);
            let code = paper::code(bytes);
            sheets.insert(paper::filed_under(&code, &self.secret), (code, token));
        }
        // In the order of their hashes: nothing of the list is left.
        for (filed, (_, token)) in &sheets {
            written(self.paper_journal.append(paper::entry(filed, token)).await)?;
        }
        let mut known = lock(&self.paper);
        let mut printed = Vec::with_capacity(sheets.len());
        for (filed, (code, token)) in sheets {
            known.insert(filed, token);
            printed.push(PaperBallot { code });
        }
        Ok(printed)
    }

    /// The token of a sheet of paper.
    pub fn token_of(&self, code: &str) -> Option<Token> {
        lock(&self.paper).get(&paper::filed_under(code, &self.secret)).cloned()
    }

    /// Takes in the votes of one ballot; each comes out as taken, spent or forged. When this returns, what
    /// was taken is on disk.
    ///
    /// # Errors
    /// A vote that is none; the disk, and then nothing was taken.
    pub fn cast(&self, token: &Token, votes: &[(u32, i8)], channel: Channel) -> Result<Vec<Cast>, Trouble> {
        if votes.iter().any(|(_, vote)| !(-1..=1).contains(vote)) {
            return Err(Trouble::Malformed("vote: agree is 1, disagree −1, pass 0"));
        }
        let proof = token.proof();
        if !self.is_genuine(&token.serial, &proof) {
            return Ok(vec![Cast::Forged; votes.len()]);
        }
        let _turn = lock(&self.turn);
        let mut ballots = lock(&self.ballots);
        let mut taken = Vec::new();
        let mut outcome = Vec::with_capacity(votes.len());
        for &(statement, vote) in votes {
            let place = (token.serial, statement);
            if ballots.log.find(&token.serial, statement).is_some() || ballots.waiting.contains_key(&place) {
                outcome.push(Cast::Spent);
                continue;
            }
            let ballot = Ballot { serial: token.serial, statement, vote, channel, signature: proof.clone() };
            ballots.waiting.insert(place, ballot);
            taken.push(place);
            outcome.push(Cast::Taken);
        }
        if !taken.is_empty()
            && let Err(error) = self.save_waiting(&ballots)
        {
            taken.iter().for_each(|place| drop(ballots.waiting.remove(place)));
            return Err(error.into());
        }
        Ok(outcome)
    }

    fn is_genuine(&self, serial: &Serial, proof: &[u8]) -> bool {
        let known = (*serial, digest(&[proof]));
        if lock(&self.ballots).genuine.contains(&known) {
            return true;
        }
        let genuine = Token::verifies(serial, proof, &self.public, &self.conversation);
        if genuine {
            lock(&self.ballots).genuine.insert(known);
        }
        genuine
    }

    fn save_waiting(&self, ballots: &BallotBox) -> std::io::Result<()> {
        let mut bytes = Vec::new();
        ballots.waiting.values().for_each(|ballot| write_ballot(ballot, &mut bytes));
        replace(&self.folder.join("waiting"), &bytes)
    }

    /// Counts what waits, when ballots of enough tokens do, or in any case at the close.
    ///
    /// # Errors
    /// The disk; then nothing was counted.
    pub async fn count(&self, close: bool) -> Result<usize, Trouble> {
        let batch: Vec<Ballot> = {
            let ballots = lock(&self.ballots);
            let tokens: HashSet<Serial> = ballots.waiting.keys().map(|(serial, _)| *serial).collect();
            if tokens.is_empty() || (tokens.len() < BATCH_TOKENS && !close) {
                return Ok(0);
            }
            ballots.waiting.values().cloned().collect()
        };
        // Written in parts that the journal takes; a part that is written twice counts once.
        for part in batch.chunks(1_000) {
            let mut bytes = Vec::new();
            part.iter().for_each(|ballot| write_ballot(ballot, &mut bytes));
            written(self.counted_journal.append(bytes).await)?;
            let _turn = lock(&self.turn);
            let mut ballots = lock(&self.ballots);
            // Somebody else may have counted the same in the meantime.
            let fresh: Vec<Ballot> = part
                .iter()
                .filter(|b| ballots.waiting.remove(&(b.serial, b.statement)).is_some())
                .cloned()
                .collect();
            ballots.log.redeem(fresh, |_, _| true);
        }
        let _turn = lock(&self.turn);
        self.save_waiting(&lock(&self.ballots))?;
        Ok(batch.len())
    }

    /// Ballots that count, in the order of the log.
    pub fn counted(&self) -> Vec<Counted> {
        lock(&self.ballots).log.counted().to_vec()
    }

    /// Votes by statement, with or without those that proxies carried.
    pub fn tally(&self, with_proxies: bool) -> BTreeMap<u32, Tally> {
        lock(&self.ballots).log.tally(with_proxies)
    }

    /// The votes of a token so far, counted or waiting: what its holder may see.
    pub fn votes_of(&self, token: &Token) -> BTreeMap<u32, i8> {
        if !self.is_genuine(&token.serial, &token.proof()) {
            return BTreeMap::new();
        }
        let ballots = lock(&self.ballots);
        let waiting = ballots.waiting.range((token.serial, 0)..=(token.serial, u32::MAX));
        let mut votes: BTreeMap<u32, i8> = waiting.map(|((_, statement), b)| (*statement, b.vote)).collect();
        let counted = ballots.log.counted().iter().filter(|c| c.serial == token.serial);
        votes.extend(counted.map(|c| (c.statement, c.vote)));
        votes
    }

    /// The numbers of the room.
    pub fn figures(&self) -> Figures {
        let issued = lock(&self.issued).len();
        let ballots = lock(&self.ballots);
        let counted = ballots.log.counted();
        Figures {
            issued,
            voted: counted.iter().map(|c| c.serial).collect::<HashSet<_>>().len(),
            counted: counted.len(),
            proxy: counted.iter().filter(|c| c.proxy).count(),
            waiting: ballots.waiting.len(),
        }
    }

    /// Counted ballots from the `from`-th of the log on, each under the hash by which its row stands in the
    /// matrix: what a page that follows the conversation has not seen yet.
    pub fn rows_since(&self, from: usize) -> Vec<([u8; 32], Counted)> {
        let ballots = lock(&self.ballots);
        let fresh = ballots.log.counted().iter().skip(from);
        fresh.map(|ballot| (digest(&[&self.secret, b"row", &ballot.serial]), *ballot)).collect()
    }

    /// The published matrix: a row a token, a column a statement, as `tongmai engage opinion` reads it. Rows
    /// are numbered in the order of a hash of their tokens, so that no row number means anything. Nothing
    /// below eleven rows, and no statement with fewer than eleven votes: a rare vote would show its voter.
    pub fn matrix(&self, statements: u32, with_proxies: bool) -> Option<String> {
        let ballots = lock(&self.ballots);
        let mut rows: BTreeMap<Hash, BTreeMap<u32, i8>> = BTreeMap::new();
        let mut seen: BTreeMap<u32, usize> = BTreeMap::new();
        for ballot in ballots.log.counted().iter().filter(|b| with_proxies || !b.proxy) {
            let row = rows.entry(digest(&[&self.secret, b"row", &ballot.serial])).or_default();
            row.insert(ballot.statement, ballot.vote);
            *seen.entry(ballot.statement).or_default() += 1;
        }
        let shown: Vec<u32> =
            (0..statements).filter(|s| seen.get(s).is_some_and(|votes| *votes >= BATCH_TOKENS)).collect();
        // A row of nothing but rare votes would be empty.
        rows.retain(|_, row| shown.iter().any(|statement| row.contains_key(statement)));
        if rows.len() < BATCH_TOKENS {
            return None;
        }
        let mut text = String::from("participant");
        shown.iter().for_each(|s| text.push_str(&format!(",{s}")));
        text.push('\n');
        for (number, row) in rows.values().enumerate() {
            text.push_str(&number.to_string());
            for statement in &shown {
                text.push(',');
                if let Some(vote) = row.get(statement) {
                    text.push_str(&vote.to_string());
                }
            }
            text.push('\n');
        }
        Some(text)
    }
}

/// The key pair of a file, made when there is none.
fn key(path: &Path) -> Result<(SecretKey, PublicKey), Trouble> {
    const BITS: usize = 8 * MODULUS;
    let signing = match std::fs::read(path) {
        Ok(der) => SecretKey::from_der(&der)?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let pair = KeyPair::generate(&mut DefaultRng, BITS)?;
            replace(path, &pair.sk.to_der()?)?;
            pair.sk
        }
        Err(error) => return Err(error.into()),
    };
    let public = signing.public_key()?;
    Ok((signing, public))
}

/// Puts a file in place whole, readable by its owner alone.
fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let fresh = path.with_extension("new");
    let mut options = File::options();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&fresh)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&fresh, path)?;
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

fn random() -> Serial {
    rand::random()
}

fn written<E>(answer: Result<Result<(), String>, E>) -> Result<(), Trouble> {
    match answer {
        Ok(Ok(())) => Ok(()),
        Ok(Err(why)) => Err(Trouble::Journal(why)),
        Err(_) => Err(Trouble::Journal("the journal of the ballot box has stopped".into())),
    }
}

/// Serial (16), statement (4), vote (1), channel (1), length of the proof (2), proof.
fn write_ballot(ballot: &Ballot, out: &mut Vec<u8>) {
    out.extend(ballot.serial);
    out.extend(ballot.statement.to_le_bytes());
    out.push(ballot.vote.cast_unsigned());
    out.push(ballot.channel as u8);
    out.extend((ballot.signature.len() as u16).to_le_bytes());
    out.extend(&ballot.signature);
}

fn read_ballots(mut bytes: &[u8]) -> Vec<Ballot> {
    let mut ballots = Vec::new();
    while let Some((ballot, rest)) = read_ballot(bytes) {
        ballots.push(ballot);
        bytes = rest;
    }
    ballots
}

fn read_ballot(bytes: &[u8]) -> Option<(Ballot, &[u8])> {
    let (serial, rest) = bytes.split_first_chunk::<16>()?;
    let (statement, rest) = rest.split_first_chunk::<4>()?;
    let (&[vote, channel], rest) = rest.split_first_chunk::<2>()?;
    let (length, rest) = rest.split_first_chunk::<2>()?;
    let (signature, rest) = rest.split_at_checked(u16::from_le_bytes(*length).into())?;
    let channel = [Channel::Online, Channel::Paper, Channel::Proxy].into_iter().nth(channel.into())?;
    let ballot = Ballot {
        serial: *serial,
        statement: u32::from_le_bytes(*statement),
        vote: vote.cast_signed(),
        channel,
        signature: signature.to_vec(),
    };
    Some((ballot, rest))
}
