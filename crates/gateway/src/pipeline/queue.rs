//! Messages that the store could not take when they came, kept until it can.
//!
//! Each message is one file of the folder, put there whole (written beside, synced, renamed, and
//! the folder synced), and removed when its content is committed: what is done takes no space, and
//! what waits can be counted with `ls`. A message whose commit was cut off by a power cut is taken
//! in again; its digest and its keys make sure that nothing stands there twice.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use tongmai_base::limits;

/// First line of a file.
const FORM: &str = "tongmai message 1";
/// The pause before the first retry, in milliseconds; each further one is twice as long.
const FIRST_PAUSE: i64 = 1_000;
/// The longest pause, in milliseconds.
const LONGEST_PAUSE: i64 = 5 * 60_000;

/// A message that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// Its number: the digest of its bytes.
    pub number: String,
    /// The door that it came by.
    pub door: String,
    /// When it came, in milliseconds since 1970.
    pub since: i64,
    /// How often it was tried since.
    pub tries: u32,
    /// When it is tried next.
    pub due: i64,
    /// Why it could not be taken in the last time.
    pub why: String,
}

/// The queue over a folder.
pub struct Queue {
    folder: PathBuf,
    waiting: Mutex<Vec<Waiting>>,
}

impl Queue {
    /// Opens the queue in a folder. Files that were not finished are removed: nobody was told of them.
    pub fn open(folder: &Path) -> io::Result<Queue> {
        fs::create_dir_all(folder)?;
        let mut waiting = Vec::new();
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            match path.extension().and_then(|extension| extension.to_str()) {
                Some("message") => waiting.push(read(&path)?.0),
                Some("part") => fs::remove_file(&path)?,
                _ => {}
            }
        }
        waiting.sort_by_key(|message: &Waiting| message.since);
        Ok(Queue { folder: folder.to_owned(), waiting: Mutex::new(waiting) })
    }

    /// Keeps a message; it is on disk when this returns.
    pub fn put(&self, number: &str, door: &str, bytes: &[u8], now: i64, why: &str) -> io::Result<()> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.iter().any(|message| message.number == number) {
            return Ok(());
        }
        if waiting.len() >= limits::WAITING_MESSAGES {
            return Err(io::Error::other("the queue is full"));
        }
        let part = self.folder.join(format!("{number}.part"));
        let mut file = File::create(&part)?;
        write!(file, "{FORM}\n{door}\n{now}\n")?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&part, self.path(number))?;
        File::open(&self.folder)?.sync_all()?;
        waiting.push(Waiting {
            number: number.to_owned(),
            door: door.to_owned(),
            since: now,
            tries: 0,
            due: now + FIRST_PAUSE,
            why: why.to_owned(),
        });
        Ok(())
    }

    /// The messages that wait, the oldest first.
    pub fn waiting(&self) -> Vec<Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The next message that is due, with its bytes.
    pub fn due(&self, now: i64) -> io::Result<Option<(Waiting, Vec<u8>)>> {
        let next = self.waiting().into_iter().find(|message| message.due <= now);
        let Some(next) = next else { return Ok(None) };
        match read(&self.path(&next.number)) {
            Ok((_, bytes)) => Ok(Some((next, bytes))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.forget(&next.number);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// The bytes of a waiting message.
    pub fn bytes(&self, number: &str) -> io::Result<Vec<u8>> {
        read(&self.path(number)).map(|(_, bytes)| bytes)
    }

    /// A message was tried in vain: the next try is twice as far away.
    pub fn again(&self, number: &str, now: i64, why: &str) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(message) = waiting.iter_mut().find(|message| message.number == number) {
            message.tries += 1;
            let pause = FIRST_PAUSE << message.tries.min(20);
            message.due = now + pause.min(LONGEST_PAUSE);
            message.why = why.to_owned();
        }
    }

    /// A message is committed: its space is given back.
    pub fn done(&self, number: &str) -> io::Result<()> {
        self.forget(number);
        match fs::remove_file(self.path(number)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Bytes that the waiting messages take on disk.
    pub fn size(&self) -> u64 {
        let waiting = self.waiting();
        let files = waiting.iter().filter_map(|message| fs::metadata(self.path(&message.number)).ok());
        files.map(|file| file.len()).sum()
    }

    fn forget(&self, number: &str) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.retain(|message| message.number != number);
    }

    fn path(&self, number: &str) -> PathBuf {
        self.folder.join(format!("{number}.message"))
    }
}

fn read(path: &Path) -> io::Result<(Waiting, Vec<u8>)> {
    let mut all = Vec::new();
    File::open(path)?.read_to_end(&mut all)?;
    let mut parts = all.splitn(4, |byte| *byte == b'\n');
    let mut line = || parts.next().map(|line| String::from_utf8_lossy(line).into_owned()).unwrap_or_default();
    let (form, door, since) = (line(), line(), line());
    if form != FORM {
        return Err(io::Error::other(format!("{} is no message", path.display())));
    }
    let number = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default().to_owned();
    let since = since.parse().unwrap_or(0);
    let bytes = parts.next().unwrap_or_default().to_vec();
    Ok((Waiting { number, door, since, tries: 0, due: since, why: String::new() }, bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_is_there_after_a_restart_and_takes_no_space_when_it_is_done() {
        let folder = tempfile::tempdir().expect("a folder");
        let queue = Queue::open(folder.path()).expect("a queue");
        let bytes = b"MSH|\n\r\n\xff".to_vec();
        queue.put("aa", "hl7v2", &bytes, 1_000, "busy").expect("kept");
        queue.put("aa", "hl7v2", &bytes, 2_000, "busy").expect("kept once");
        fs::write(folder.path().join("bb.part"), b"torn").expect("written");
        assert!(queue.due(1_500).expect("read").is_none());
        let (message, read) = queue.due(2_000).expect("read").expect("due");
        assert_eq!((message.door.as_str(), &read), ("hl7v2", &bytes));
        // Each try in vain makes the next one later, up to the longest pause.
        let mut now = 2_000;
        let mut pauses = Vec::new();
        for _ in 0..12 {
            queue.again("aa", now, "busy");
            let due = queue.waiting()[0].due;
            pauses.push(due - now);
            now = due;
        }
        assert_eq!(pauses[..3], [2_000, 4_000, 8_000]);
        assert_eq!(pauses[11], LONGEST_PAUSE);
        let again = Queue::open(folder.path()).expect("a queue");
        assert_eq!(again.waiting().len(), 1);
        assert!(again.size() > 0);
        again.done("aa").expect("removed");
        assert_eq!((again.waiting().len(), again.size()), (0, 0));
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 0);
    }
}
