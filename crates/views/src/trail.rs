//! The log of reads, told apart by record and chained into a tree: who looked at whose record.
//!
//! A fold over the log of reads of [`Access`], which is durable before anything is released. The trail
//! follows it: each entry there is one leaf here, in the same order. Leaves and heads lie in `audit/` as lines
//! of JSON, so that an auditor needs no program of ours to read them.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::Ed25519KeyPair;
use tongmai_access::{Access, ReadEntry};
use tongmai_audit::head::public_key;
use tongmai_audit::log::Read as OneRead;
use tongmai_audit::tree::Hash;
use tongmai_audit::{Cosignature, Fault, Leaf, Log, Profile, SignedHead, Witnesses, entry};
use tongmai_engine::{Engine, Failure, Outcome, Reason};

/// A head is signed at most so often, in milliseconds.
const HEAD_MILLISECONDS: i64 = 10_000;

/// The trail of an installation.
pub struct Trail {
    folder: PathBuf,
    pair: Ed25519KeyPair,
    name: String,
    state: Mutex<Kept>,
}

struct Kept {
    log: Log,
    file: File,
    /// Where each leaf begins in the file.
    places: Vec<u64>,
    end: u64,
    heads: Vec<SignedHead>,
    faults: Vec<String>,
}

/// A leaf with what proves it.
#[derive(Debug, Clone, PartialEq)]
pub struct Proof {
    /// The leaf, with the entries of the one record alone.
    pub entry: entry::Entry,
    /// The salt of the entry.
    pub salt: Hash,
    /// Place of the leaf.
    pub index: u64,
    /// The commitments of the leaf.
    pub commitments: Vec<Hash>,
    /// The audit path.
    pub path: Vec<Hash>,
    /// The head to which it leads.
    pub head: SignedHead,
}

/// What a check of the whole trail came to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Report {
    /// Leaves.
    pub leaves: u64,
    /// Heads that were signed.
    pub heads: usize,
    /// Entries of the log of reads.
    pub reads: u64,
    /// Names of the witnesses of the newest head.
    pub witnesses: Vec<String>,
    /// What is wrong.
    pub faults: Vec<String>,
}

fn trouble(what: &Path, error: &dyn std::fmt::Display) -> Failure {
    Failure::new(Reason::Internal, "", "exception", format!("{}: {error}", what.display()))
}

/// A secret file, made at first.
fn secret_file(file: &Path, make: impl FnOnce() -> io::Result<Vec<u8>>) -> io::Result<Vec<u8>> {
    match std::fs::read(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let bytes = make()?;
            let mut options = OpenOptions::new();
            options.write(true).create_new(true);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            let mut made = options.open(file)?;
            made.write_all(&bytes)?;
            made.sync_all()?;
            Ok(bytes)
        }
        read => read,
    }
}

impl Trail {
    /// Opens the trail in `folder`, making it if there is none. What is wrong with it is kept for the page of
    /// the log's health; it goes on, since a log that stops helps only who broke it.
    pub fn open(folder: &Path, name: &str, profile: Profile) -> io::Result<Trail> {
        std::fs::create_dir_all(folder)?;
        let random = SystemRandom::new();
        let broken = || io::Error::other("no random bytes");
        let secret = secret_file(&folder.join("secret"), || {
            let mut bytes = vec![0; 32];
            random.fill(&mut bytes).map_err(|_| broken())?;
            Ok(bytes)
        })?;
        let key = secret_file(&folder.join("signing.p8"), || {
            let made = Ed25519KeyPair::generate_pkcs8(&random).map_err(|_| broken())?;
            Ok(made.as_ref().to_vec())
        })?;
        let invalid = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
        let pair = Ed25519KeyPair::from_pkcs8(&key).map_err(|_| invalid("the signing key is broken"))?;
        let secret = secret.try_into().map_err(|_| invalid("the secret has not 32 bytes"))?;
        let mut options = OpenOptions::new();
        let file = options.create(true).read(true).append(true).open(folder.join("leaves.jsonl"))?;
        let mut kept = Kept {
            log: Log::new(profile, secret),
            file,
            places: Vec::new(),
            end: 0,
            heads: Vec::new(),
            faults: Vec::new(),
        };
        kept.read_leaves()?;
        kept.read_heads(&folder.join("heads.jsonl"))?;
        let key = public_key(&pair);
        kept.faults
            .extend(kept.heads.iter().filter_map(|head| kept.log.check(head, &key)).map(|f| f.to_string()));
        Ok(Trail { folder: folder.to_owned(), pair, name: name.to_owned(), state: Mutex::new(kept) })
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The public key of the log, in base 64.
    pub fn key(&self) -> String {
        public_key(&self.pair)
    }

    /// Takes in what the log of reads has more, makes it durable, and signs a head when one is due.
    ///
    /// # Errors
    /// A store or a file that cannot be read or written.
    pub fn follow(&self, engine: &Engine, access: &Access) -> Outcome<()> {
        let mut kept = self.kept();
        let (mut place, known) = (0u64, kept.log.tree().size());
        let mut more: Vec<ReadEntry> = Vec::new();
        let read = access.entries(&mut |entry| {
            if place >= known {
                more.push(entry);
            }
            place += 1;
        });
        read.map_err(|error| trouble(&self.folder, &error))?;
        if place < known {
            let fault = format!("the log of reads has {place} entries, and {known} are in the tree");
            if !kept.faults.contains(&fault) {
                kept.faults.push(fault);
            }
        }
        let mut lines = Vec::new();
        for entry in more {
            let shown = engine.records_of(&entry.positions)?;
            let leaf = kept.log.append(&read_of(entry, shown));
            let at = kept.end + lines.len() as u64;
            kept.places.push(at);
            serde_json::to_writer(&mut lines, &leaf).map_err(|error| trouble(&self.folder, &error))?;
            lines.push(b'\n');
        }
        if !lines.is_empty() {
            let written = kept.file.write_all(&lines).and_then(|()| kept.file.sync_data());
            written.map_err(|error| trouble(&self.folder, &error))?;
            kept.end += lines.len() as u64;
        }
        self.sign_head(&mut kept, engine.now())
    }

    fn sign_head(&self, kept: &mut Kept, now: i64) -> Outcome<()> {
        let size = kept.log.tree().size();
        if let Some(last) = kept.heads.last()
            && (last.head.size == size || now - last.head.time < HEAD_MILLISECONDS)
        {
            return Ok(());
        }
        let head = kept.log.head(&self.name, now);
        let head =
            SignedHead { signature: Cosignature::sign(&self.pair, &head), head, witnesses: Vec::new() };
        self.keep_head(kept, head)
    }

    fn keep_head(&self, kept: &mut Kept, head: SignedHead) -> Outcome<()> {
        let path = self.folder.join("heads.jsonl");
        let write = || -> io::Result<()> {
            let mut file = OpenOptions::new().create(true).append(true).open(&path)?;
            let mut line = serde_json::to_vec(&head)?;
            line.push(b'\n');
            file.write_all(&line)?;
            file.sync_data()
        };
        write().map_err(|error| trouble(&path, &error))?;
        kept.heads.retain(|other| other.head != head.head);
        kept.heads.push(head);
        Ok(())
    }

    /// The newest reads of some records, newest first, at most `most`; each with the place of its leaf.
    pub fn of_records(&self, records: &[u64], most: usize) -> Outcome<Vec<(u64, entry::Entry)>> {
        let mut kept = self.kept();
        let mut places: Vec<u64> = records.iter().flat_map(|r| kept.log.places(*r)).copied().collect();
        places.sort_unstable();
        places.dedup();
        let mut found = Vec::new();
        for place in places.into_iter().rev() {
            let leaf = kept.leaf(place).map_err(|error| trouble(&self.folder, &error))?;
            let own = leaf.entries.into_iter().filter(|entry| records.contains(&entry.record));
            found.extend(own.map(|entry| (place, entry)));
            if found.len() >= most {
                break;
            }
        }
        Ok(found)
    }

    /// How many reads of a record there are.
    pub fn count(&self, record: u64) -> u64 {
        self.kept().log.count(record)
    }

    /// The newest reads of all, newest first, at most `most`.
    pub fn newest(&self, most: usize) -> Outcome<Vec<Leaf>> {
        let mut kept = self.kept();
        let size = kept.log.tree().size();
        let mut found = Vec::new();
        for place in (0..size).rev().take(most) {
            found.push(kept.leaf(place).map_err(|error| trouble(&self.folder, &error))?);
        }
        Ok(found)
    }

    /// The proof that a read of a record is in the log, up to the newest signed head.
    pub fn proof(&self, place: u64, record: u64) -> Outcome<Option<Proof>> {
        let mut kept = self.kept();
        let Some(head) = kept.heads.iter().rev().find(|head| head.head.size > place).cloned() else {
            return Ok(None);
        };
        if place >= kept.log.tree().size() {
            return Ok(None);
        }
        let leaf = kept.leaf(place).map_err(|error| trouble(&self.folder, &error))?;
        let (profile, secret) = (kept.log.tree().profile(), *kept.log.secret());
        let commitments = leaf.commitments(profile, &secret);
        let Some(entry) = leaf.entries.into_iter().find(|entry| entry.record == record) else {
            return Ok(None);
        };
        let path = kept.log.tree().inclusion(place, head.head.size);
        let salt = entry::salt(&secret, &entry);
        Ok(path.map(|path| Proof { salt, index: place, commitments, path, head, entry }))
    }

    /// The newest signed head.
    pub fn head(&self) -> Option<SignedHead> {
        self.kept().heads.last().cloned()
    }

    /// The proof that the newest head extends that of `old` leaves.
    pub fn consistency(&self, old: u64) -> Option<(SignedHead, Vec<Hash>)> {
        let kept = self.kept();
        let head = kept.heads.last()?.clone();
        let proof = if old == 0 { Vec::new() } else { kept.log.tree().consistency(old, head.head.size)? };
        Some((head, proof))
    }

    /// Keeps the signature of a witness over a head.
    ///
    /// # Errors
    /// A signature that is none of a known witness over a head of this log.
    pub fn cosigned(&self, size: u64, cosignature: Cosignature) -> Outcome<()> {
        let invalid = |why: &str| Failure::new(Reason::Invalid, "cosignature", "invalid", why);
        if !self.witnesses().known.iter().any(|(_, key)| *key == cosignature.key) {
            return Err(invalid("the key is of no known witness"));
        }
        let mut kept = self.kept();
        let head = kept.heads.iter().find(|head| head.head.size == size).cloned();
        let mut head = head.ok_or_else(|| invalid("there is no head of this size"))?;
        if !cosignature.is_of(&head.head) {
            return Err(invalid("it is no signature over the head of this size"));
        }
        head.witnesses.retain(|other| other.key != cosignature.key);
        head.witnesses.push(cosignature);
        self.keep_head(&mut kept, head)
    }

    /// Who watches the log, as `witnesses.json` in its folder says.
    pub fn witnesses(&self) -> Witnesses {
        let read = std::fs::read(self.folder.join("witnesses.json")).ok();
        read.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
    }

    /// Checks everything again from the files: order, counters, heads, signatures, and each leaf against the
    /// log of reads.
    pub fn verify(&self, engine: &Engine, access: &Access) -> Outcome<Report> {
        self.follow(engine, access)?;
        let kept = self.kept();
        let mut report = Report { faults: kept.faults.clone(), heads: kept.heads.len(), ..Report::default() };
        let mut fresh = Log::new(kept.log.tree().profile(), *kept.log.secret());
        let file = File::open(self.folder.join("leaves.jsonl")).map_err(|e| trouble(&self.folder, &e))?;
        let mut lines = BufReader::new(file).lines();
        let mut faults: Vec<Fault> = Vec::new();
        let read = access.entries(&mut |entry| {
            report.reads += 1;
            let line = lines.next().and_then(Result::ok);
            let Some(leaf) = line.and_then(|line| serde_json::from_str::<Leaf>(&line).ok()) else {
                faults.push(Fault::Differs { at: report.reads - 1 });
                return;
            };
            faults.extend(fresh.take(&leaf));
            if !is_of(&leaf, &entry) {
                faults.push(Fault::Differs { at: leaf.index });
            }
        });
        read.map_err(|error| trouble(&self.folder, &error))?;
        let more = lines.filter(|line| line.as_ref().is_ok_and(|line| !line.is_empty())).count();
        if more > 0 {
            report.faults.push(format!("the tree has {more} leaves that the log of reads has not"));
        }
        let key = self.key();
        faults.extend(kept.heads.iter().filter_map(|head| fresh.check(head, &key)));
        report.leaves = fresh.tree().size();
        for fault in faults {
            let said = fault.to_string();
            if !report.faults.contains(&said) {
                report.faults.push(said);
            }
        }
        if let Some(head) = kept.heads.last() {
            report.witnesses = self.witnesses().of(head).into_iter().map(str::to_owned).collect();
        }
        Ok(report)
    }
}

fn read_of(entry: ReadEntry, shown: Vec<(u64, Vec<u64>)>) -> OneRead {
    let ReadEntry { time, actor, purpose, operation, .. } = entry;
    OneRead { time, actor, purpose, operation, shown }
}

/// Whether a leaf says what the log of reads says, of those positions that belong to records.
fn is_of(leaf: &Leaf, read: &ReadEntry) -> bool {
    leaf.time == read.time
        && leaf.entries.iter().all(|entry| {
            entry.time == read.time
                && entry.actor == read.actor
                && entry.purpose == read.purpose
                && entry.operation == read.operation
                && entry.shown.iter().all(|position| read.positions.contains(position))
        })
}

impl Kept {
    fn read_leaves(&mut self) -> io::Result<()> {
        let mut reader = BufReader::new(self.file.try_clone()?);
        reader.seek(SeekFrom::Start(0))?;
        let mut line = Vec::new();
        loop {
            line.clear();
            let length = reader.read_until(b'\n', &mut line)?;
            if length == 0 {
                break;
            }
            if line.last() != Some(&b'\n') {
                // A power cut in the middle of a line: the log of reads still has its entry.
                self.file.set_len(self.end)?;
                break;
            }
            self.places.push(self.end);
            self.end += length as u64;
            match serde_json::from_slice::<Leaf>(&line) {
                Ok(leaf) => self.faults.extend(self.log.take(&leaf).iter().map(Fault::to_string)),
                Err(error) => {
                    self.faults.push(format!("leaf {} cannot be read: {error}", self.places.len() - 1));
                    let at = self.places.len() as u64 - 1;
                    self.log.take(&Leaf { index: at, time: 0, entries: Vec::new() });
                }
            }
        }
        Ok(())
    }

    fn read_heads(&mut self, path: &Path) -> io::Result<()> {
        let text = match std::fs::read_to_string(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            read => read?,
        };
        for line in text.lines() {
            match serde_json::from_str::<SignedHead>(line) {
                Ok(head) => {
                    // A head that witnesses signed stands there again.
                    self.heads.retain(|other| other.head != head.head);
                    self.heads.push(head);
                }
                Err(error) => self.faults.push(format!("a head cannot be read: {error}")),
            }
        }
        self.heads.sort_by_key(|head| head.head.size);
        Ok(())
    }

    fn leaf(&mut self, place: u64) -> io::Result<Leaf> {
        let unknown = || io::Error::new(io::ErrorKind::InvalidData, format!("there is no leaf {place}"));
        let place = usize::try_from(place).map_err(|_| unknown())?;
        let begin = *self.places.get(place).ok_or_else(unknown)?;
        let end = self.places.get(place + 1).copied().unwrap_or(self.end);
        let mut file = &self.file;
        file.seek(SeekFrom::Start(begin))?;
        let mut line = vec![0; usize::try_from(end - begin).map_err(|_| unknown())?];
        file.read_exact(&mut line)?;
        Ok(serde_json::from_slice(&line)?)
    }
}
