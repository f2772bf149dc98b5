//! A durable append-only log in numbered files, with group commit.
//!
//! Entries wait in a buffer. A writing thread takes all that wait, writes them with
//! one call, syncs once, and then tells every waiter: under load a sync is shared by
//! many. Two threads take turns, so that one batch is gathered and written while the
//! one before is being synced; a batch is acknowledged only after all before it are.
//! A file is a sequence of frames `length (u32) ‖ CRC-32 (u32) ‖ entry`; a torn frame
//! at the end, which a power cut leaves, is cut off when the log is opened and was
//! never acknowledged. Behind the last frame stand zeros, written ahead: a sync that
//! changes no length of a file writes only what was logged.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use tokio::sync::oneshot;

/// A file is closed and the next begun at this size.
const FILE_BYTES: u64 = 64 << 20;
/// So many zeros are written ahead at once.
const AHEAD_BYTES: u64 = 1 << 20;
/// Longest entry.
pub const ENTRY_BYTES: usize = 1 << 20;
/// Batches that may be under way to the disk at once.
const WRITERS: usize = 2;

type Done = oneshot::Sender<Result<(), String>>;

/// Resolves when the entry is on disk, or says why it is not.
pub type Durable = oneshot::Receiver<Result<(), String>>;

/// An open log.
pub struct Journal {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    folder: PathBuf,
}

impl Journal {
    /// Opens the log in `folder`, making it if there is none, and cuts off a torn end.
    pub fn open(folder: &Path) -> io::Result<Journal> {
        std::fs::create_dir_all(folder)?;
        let number = files(folder)?.last().map_or(1, |(number, _)| *number);
        let path = file_path(folder, number);
        let length = match File::open(&path) {
            Ok(file) => whole_frames(file)?,
            Err(e) if e.kind() == io::ErrorKind::NotFound => 0,
            Err(e) => return Err(e),
        };
        let file = OpenOptions::new().create(true).write(true).truncate(false).open(&path)?;
        file.set_len(length)?;
        file.sync_all()?;
        File::open(folder)?.sync_all()?;
        let folder = folder.to_owned();
        Journal::start(End { folder, file: Arc::new(file), number, length, ready: length, next: 0 })
    }

    fn start(end: End) -> io::Result<Journal> {
        let folder = end.folder.clone();
        let shared = Arc::new(Shared {
            waiting: Mutex::new(Waiting::default()),
            arrived: Condvar::new(),
            end: Mutex::new(end),
            settled: Mutex::new(Settled::default()),
            one_settled: Condvar::new(),
        });
        let mut threads = Vec::new();
        for _ in 0..WRITERS {
            let shared = shared.clone();
            threads.push(std::thread::Builder::new().name("read log".into()).spawn(move || shared.run())?);
        }
        Ok(Journal { shared, threads, folder })
    }

    /// Hands an entry to the writers; it is durable when the answer says so.
    pub fn append(&self, entry: Vec<u8>) -> Durable {
        let (done, durable) = oneshot::channel();
        if entry.is_empty() {
            let _ = done.send(Err("an empty entry cannot be logged".into()));
            return durable;
        }
        if entry.len() > ENTRY_BYTES {
            let _ = done
                .send(Err(format!("an entry of {} bytes is over the limit of {ENTRY_BYTES}", entry.len())));
            return durable;
        }
        let mut waiting = lock(&self.shared.waiting);
        frame(&entry, &mut waiting.frames);
        waiting.done.push(done);
        // Writers that are busy look again by themselves.
        if waiting.done.len() == 1 {
            self.shared.arrived.notify_one();
        }
        durable
    }

    /// Reads all entries in order.
    pub fn read(&self, each: &mut dyn FnMut(&[u8])) -> io::Result<()> {
        read(&self.folder, each)
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        lock(&self.shared.waiting).closing = true;
        self.shared.arrived.notify_all();
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Reads all entries of the log in `folder` in order, up to a torn end.
pub fn read(folder: &Path, each: &mut dyn FnMut(&[u8])) -> io::Result<()> {
    for (_, path) in files(folder)? {
        frames(File::open(path)?, each)?;
    }
    Ok(())
}

struct Shared {
    waiting: Mutex<Waiting>,
    /// The first entry of a batch has arrived, or the log is being closed.
    arrived: Condvar,
    end: Mutex<End>,
    settled: Mutex<Settled>,
    one_settled: Condvar,
}

/// What the next batch will hold.
#[derive(Default)]
struct Waiting {
    frames: Vec<u8>,
    done: Vec<Done>,
    closing: bool,
}

/// Where the log ends. Who holds it takes the next batch: batches stand in the file in the order in
/// which they were taken.
struct End {
    folder: PathBuf,
    file: Arc<File>,
    number: u64,
    /// Bytes of whole frames, those of batches under way included.
    length: u64,
    /// Bytes of the file: frames, and zeros ahead.
    ready: u64,
    /// The number of the next batch.
    next: u64,
}

/// What became of the batches before.
#[derive(Default)]
struct Settled {
    /// Batches below are durable, or were given up.
    below: u64,
    /// Where the first batch that could not be written stood: nothing behind it counts.
    broken: Option<Broken>,
}

#[derive(Clone)]
struct Broken {
    length: u64,
    why: String,
}

impl Shared {
    /// Writes batches until the log is closed.
    fn run(&self) {
        let (mut frames, mut done) = (Vec::new(), Vec::new());
        loop {
            let mut end = lock(&self.end);
            if !self.take(&mut frames, &mut done) {
                return;
            }
            let room = self.make_room(&mut end, frames.len());
            let number = end.next;
            end.next += 1;
            let start = end.length;
            let written = room.and_then(|()| end.write(&frames));
            let file = end.file.clone();
            drop(end);
            let answer = self.settle(number, start, written.and_then(|()| file.sync_data()));
            for done in done.drain(..) {
                // Whoever no longer waits has not been answered and released nothing.
                let _ = done.send(answer.clone());
            }
            frames.clear();
        }
    }

    /// Takes all that waits, waiting for the first; `false` when the log is closed and nothing is left.
    fn take(&self, frames: &mut Vec<u8>, done: &mut Vec<Done>) -> bool {
        let mut waiting = lock(&self.waiting);
        while waiting.done.is_empty() {
            if waiting.closing {
                return false;
            }
            waiting = self.arrived.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
        std::mem::swap(frames, &mut waiting.frames);
        std::mem::swap(done, &mut waiting.done);
        true
    }

    /// Where a batch before failed, the file is cut off there; a file that has no room for `bytes` is left
    /// behind. Both wait until nothing is under way.
    fn make_room(&self, end: &mut End, bytes: usize) -> io::Result<()> {
        let is_full = end.length > 0 && end.length + bytes as u64 > FILE_BYTES;
        let mut settled = lock(&self.settled);
        if settled.broken.is_none() && !is_full {
            return Ok(());
        }
        while settled.below < end.next {
            settled = self.one_settled.wait(settled).unwrap_or_else(PoisonError::into_inner);
        }
        if let Some(broken) = settled.broken.take() {
            // Nothing half written may stand before the next entry.
            let _ = end.file.set_len(broken.length);
            (end.length, end.ready) = (broken.length, broken.length);
        }
        if is_full { end.begin_file() } else { Ok(()) }
    }

    /// Waits for the batches before, and tells what became of this one.
    fn settle(&self, number: u64, start: u64, result: io::Result<()>) -> Result<(), String> {
        let mut settled = lock(&self.settled);
        while settled.below < number {
            settled = self.one_settled.wait(settled).unwrap_or_else(PoisonError::into_inner);
        }
        if let (Err(error), None) = (result, &settled.broken) {
            let why = format!("the read log cannot be written: {error}");
            settled.broken = Some(Broken { length: start, why });
        }
        settled.below = number + 1;
        self.one_settled.notify_all();
        settled.broken.as_ref().map_or(Ok(()), |broken| Err(broken.why.clone()))
    }
}

impl End {
    /// Writes a batch at the end, unsynced.
    fn write(&mut self, frames: &[u8]) -> io::Result<()> {
        let end = self.length + frames.len() as u64;
        while self.ready < end {
            self.file.write_all_at(&vec![0; AHEAD_BYTES as usize], self.ready)?;
            self.ready += AHEAD_BYTES;
        }
        self.file.write_all_at(frames, self.length)?;
        self.length = end;
        Ok(())
    }

    fn begin_file(&mut self) -> io::Result<()> {
        // The zeros go, so that a finished file holds frames alone.
        self.file.set_len(self.length)?;
        let file = File::create_new(file_path(&self.folder, self.number + 1))?;
        File::open(&self.folder)?.sync_all()?;
        self.file = Arc::new(file);
        self.number += 1;
        (self.length, self.ready) = (0, 0);
        Ok(())
    }
}

fn frame(entry: &[u8], out: &mut Vec<u8>) {
    out.extend((entry.len() as u32).to_le_bytes());
    out.extend(crc32fast::hash(entry).to_le_bytes());
    out.extend(entry);
}

fn file_path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number:08}.log"))
}

fn files(folder: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let number = path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse().ok());
        if let (Some(number), Some("log")) = (number, path.extension().and_then(|e| e.to_str())) {
            found.push((number, path));
        }
    }
    found.sort();
    Ok(found)
}

/// Length of the whole frames at the beginning of a file.
fn whole_frames(file: File) -> io::Result<u64> {
    let mut length = 0;
    frames(file, &mut |entry| length += 8 + entry.len() as u64)?;
    Ok(length)
}

fn frames(file: File, each: &mut dyn FnMut(&[u8])) -> io::Result<()> {
    let mut reader = BufReader::with_capacity(1 << 16, file);
    let mut head = [0; 8];
    let mut entry = Vec::new();
    loop {
        if !filled(&mut reader, &mut head)? {
            return Ok(());
        }
        let length = u32::from_le_bytes([head[0], head[1], head[2], head[3]]) as usize;
        let check = u32::from_le_bytes([head[4], head[5], head[6], head[7]]);
        // An entry is never empty: a length of zero is what was written ahead.
        if length == 0 || length > ENTRY_BYTES {
            return Ok(());
        }
        entry.resize(length, 0);
        if !filled(&mut reader, &mut entry)? || crc32fast::hash(&entry) != check {
            return Ok(());
        }
        each(&entry);
    }
}

/// Fills the buffer; `false` when the file ends before it is full.
fn filled(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<bool> {
    match reader.read_exact(buffer) {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(e) => Err(e),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(folder: &Path) -> Vec<Vec<u8>> {
        let mut all = Vec::new();
        read(folder, &mut |entry| all.push(entry.to_vec())).expect("the folder can be read");
        all
    }

    #[test]
    fn what_was_acknowledged_is_read_back_and_a_torn_end_is_cut_off() {
        let folder = tempfile::tempdir().expect("a folder");
        let journal = Journal::open(folder.path()).expect("a log");
        let waiting: Vec<Durable> = (0..500u32).map(|n| journal.append(n.to_be_bytes().to_vec())).collect();
        for durable in waiting {
            durable.blocking_recv().expect("an answer").expect("durable");
        }
        drop(journal);
        let path = file_path(folder.path(), 1);
        let frames = whole_frames(File::open(&path).expect("the file")).expect("readable") as usize;
        assert_eq!(frames, 500 * (8 + 4));
        let whole = &std::fs::read(&path).expect("the file")[..frames];
        let zeros = [0; 5000];
        for torn in
            [&[9u8, 0][..], &[4, 0, 0, 0, 1, 2, 3, 4, 5, 6], &[255; 40], &zeros, &[4, 0, 0, 0, 1, 0, 0]]
        {
            std::fs::write(&path, [whole, torn, if torn.len() % 2 == 0 { &zeros } else { &[] }].concat())
                .expect("written");
            let journal = Journal::open(folder.path()).expect("opens again");
            journal.append(b"after".to_vec()).blocking_recv().expect("an answer").expect("durable");
            drop(journal);
            let all = entries(folder.path());
            assert_eq!(all.len(), 501);
            assert_eq!(all[499], 499u32.to_be_bytes());
            assert_eq!(all[500], b"after");
        }
    }

    #[test]
    fn nothing_behind_a_batch_that_failed_counts() {
        let folder = tempfile::tempdir().expect("a folder");
        let journal = Journal::open(folder.path()).expect("a log");
        let shared = journal.shared.clone();
        drop(journal);
        let write = |text: &[u8]| {
            let mut end = lock(&shared.end);
            let mut frames = Vec::new();
            frame(text, &mut frames);
            shared.make_room(&mut end, frames.len()).expect("room");
            let (number, start) = (end.next, end.length);
            end.next += 1;
            end.write(&frames).expect("written");
            (number, start)
        };
        let (number, start) = write(b"first");
        assert_eq!(shared.settle(number, start, Ok(())), Ok(()));
        let lost = write(b"lost");
        let behind = write(b"behind it");
        let failed = shared.settle(lost.0, lost.1, Err(io::Error::other("no room"))).expect_err("it failed");
        assert!(failed.contains("no room"), "{failed}");
        assert_eq!(shared.settle(behind.0, behind.1, Ok(())), Err(failed));
        let (number, start) = write(b"after");
        assert_eq!(shared.settle(number, start, Ok(())), Ok(()));
        assert_eq!(entries(folder.path()), [b"first".to_vec(), b"after".to_vec()]);
    }

    #[test]
    fn a_full_file_is_followed_by_the_next() {
        let folder = tempfile::tempdir().expect("a folder");
        let journal = Journal::open(folder.path()).expect("a log");
        let waiting: Vec<Durable> = (0..70u8).map(|n| journal.append(vec![n; ENTRY_BYTES])).collect();
        for durable in waiting {
            durable.blocking_recv().expect("an answer").expect("durable");
        }
        drop(journal);
        assert_eq!(files(folder.path()).expect("files").len(), 2);
        let read: Vec<u8> = entries(folder.path()).iter().map(|entry| entry[0]).collect();
        assert_eq!(read, (0..70).collect::<Vec<u8>>());
    }

    #[test]
    fn an_entry_over_the_limit_or_without_content_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let journal = Journal::open(folder.path()).expect("a log");
        let answer = |length| journal.append(vec![0; length]).blocking_recv().expect("an answer");
        assert!(answer(0).is_err());
        assert!(answer(ENTRY_BYTES).is_ok());
        assert!(answer(ENTRY_BYTES + 1).is_err());
    }
}
