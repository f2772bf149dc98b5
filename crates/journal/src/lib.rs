//! A durable append-only log in numbered files, with group commit.
//!
//! One thread writes. It takes all entries that wait, writes them with one
//! call, syncs once, and then tells every waiter: under load a sync is shared
//! by many. A file is a sequence of frames `length (u32) ‖ CRC-32 (u32) ‖ entry`;
//! a torn frame at the end, which a power cut leaves, is cut off when the log is
//! opened and was never acknowledged. Behind the last frame stand zeros, written
//! ahead: a sync that changes no length of a file writes only what was logged.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use tokio::sync::oneshot;

/// A file is closed and the next begun at this size.
const FILE_BYTES: u64 = 64 << 20;
/// So many zeros are written ahead at once.
const AHEAD_BYTES: u64 = 1 << 20;
/// Longest entry.
pub const ENTRY_BYTES: usize = 1 << 20;

type Done = oneshot::Sender<Result<(), String>>;
type Job = (Vec<u8>, Done);

/// Resolves when the entry is on disk, or says why it is not.
pub type Durable = oneshot::Receiver<Result<(), String>>;

/// An open log.
pub struct Journal {
    sender: Mutex<Option<Sender<Job>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
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
        let (sender, receiver) = channel();
        let writer = Writer { folder: folder.to_owned(), file, number, length, ready: length };
        let thread =
            std::thread::Builder::new().name("read log".into()).spawn(move || writer.run(&receiver))?;
        Ok(Journal {
            sender: Mutex::new(Some(sender)),
            thread: Mutex::new(Some(thread)),
            folder: folder.to_owned(),
        })
    }

    /// Hands an entry to the writer; it is durable when the answer says so.
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
        let sender = self.sender.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(sender) = &*sender {
            // A writer that is gone drops `done`, which the waiter sees as an error.
            let _ = sender.send((entry, done));
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
        self.sender.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        if let Some(thread) = self.thread.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take() {
            let _ = thread.join();
        }
    }
}

/// Reads all entries of the log in `folder` in order, up to a torn end.
pub fn read(folder: &Path, each: &mut dyn FnMut(&[u8])) -> io::Result<()> {
    for (_, path) in files(folder)? {
        frames(File::open(path)?, each)?;
    }
    Ok(())
}

struct Writer {
    folder: PathBuf,
    file: File,
    number: u64,
    /// Bytes of whole frames.
    length: u64,
    /// Bytes of the file: frames, and zeros ahead.
    ready: u64,
}

impl Writer {
    fn run(mut self, receiver: &Receiver<Job>) {
        let mut buffer = Vec::new();
        let mut waiting = Vec::new();
        while let Ok(first) = receiver.recv() {
            buffer.clear();
            for (entry, done) in std::iter::once(first).chain(receiver.try_iter()) {
                frame(&entry, &mut buffer);
                waiting.push(done);
            }
            let answer = self.write(&buffer).map_err(|e| format!("the read log cannot be written: {e}"));
            for done in waiting.drain(..) {
                // Whoever no longer waits has not been answered and released nothing.
                let _ = done.send(answer.clone());
            }
        }
    }

    fn write(&mut self, buffer: &[u8]) -> io::Result<()> {
        if self.length >= FILE_BYTES {
            self.number += 1;
            // The zeros go, so that a finished file holds frames alone.
            self.file.set_len(self.length)?;
            self.file = File::create_new(file_path(&self.folder, self.number))?;
            (self.length, self.ready) = (0, 0);
            File::open(&self.folder)?.sync_all()?;
        }
        let end = self.length + buffer.len() as u64;
        let written = self.write_ahead(end).and_then(|()| {
            self.file.write_all_at(buffer, self.length)?;
            self.file.sync_data()
        });
        if let Err(error) = written {
            // Nothing half written may stand before the next entry.
            let _ = self.file.set_len(self.length);
            self.ready = self.length;
            return Err(error);
        }
        self.length = end;
        Ok(())
    }

    /// Writes zeros so that the file reaches at least to `end`.
    fn write_ahead(&mut self, end: u64) -> io::Result<()> {
        while self.ready < end {
            self.file.write_all_at(&vec![0; AHEAD_BYTES as usize], self.ready)?;
            self.ready += AHEAD_BYTES;
        }
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
    fn an_entry_over_the_limit_or_without_content_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let journal = Journal::open(folder.path()).expect("a log");
        let answer = |length| journal.append(vec![0; length]).blocking_recv().expect("an answer");
        assert!(answer(0).is_err());
        assert!(answer(ENTRY_BYTES).is_ok());
        assert!(answer(ENTRY_BYTES + 1).is_err());
    }
}
