//! How much one actor may ask, and the bounded log of what was refused.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde_json::json;
use tongmai_base::limits;

/// Longest text of a refusal that is kept, in characters.
const TEXT: usize = 200;

/// Requests of each actor in the minute under way: nobody fills the log of reads alone.
#[derive(Debug, Default)]
pub struct Quotas(Mutex<HashMap<String, (i64, u32)>>);

impl Quotas {
    /// Counts a request; `false` when the actor has had enough of this minute.
    pub fn take(&self, actor: &str, now: i64) -> bool {
        let minute = now.div_euclid(60_000);
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(actor) {
            if count.0 != minute {
                *count = (minute, 0);
            }
            count.1 += 1;
            return count.1 <= limits::ACTOR_REQUESTS;
        }
        // Those of minutes gone by make room.
        if counts.len() >= 10_000 {
            counts.retain(|_, count| count.0 == minute);
        }
        counts.insert(actor.to_owned(), (minute, 1));
        true
    }
}

/// The log of refusals: two files of a bounded size, so that refusals never fill the disk of the reads.
#[derive(Debug)]
pub struct Refusals {
    folder: PathBuf,
    file: Mutex<Option<(File, u64)>>,
}

impl Refusals {
    /// The log in a folder.
    pub fn new(folder: &Path) -> Refusals {
        Refusals { folder: folder.to_owned(), file: Mutex::new(None) }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Notes a refusal. What was asked is a stranger's text: it is cut short, and stands as one JSON string,
    /// so that no line can be forged with it.
    pub fn note(&self, now: i64, actor: &str, what: &str, status: u16) {
        let cut = |text: &str| text.chars().take(TEXT).collect::<String>();
        let line = json!({"time": now, "actor": cut(actor), "what": cut(what), "status": status});
        // A refusal that cannot be noted is still a refusal.
        let _ = self.write(format!("{line}\n").as_bytes());
    }

    fn write(&self, line: &[u8]) -> io::Result<()> {
        let mut slot = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        if slot.as_ref().is_some_and(|(_, length)| *length >= limits::REFUSAL_BYTES) {
            *slot = None;
            std::fs::rename(self.path("refusals.jsonl"), self.path("refusals.before.jsonl"))?;
        }
        let (file, length) = match &mut *slot {
            Some(open) => open,
            none => {
                std::fs::create_dir_all(&self.folder)?;
                let mut options = OpenOptions::new();
                let file = options.create(true).append(true).open(self.path("refusals.jsonl"))?;
                let length = file.metadata()?.len();
                none.insert((file, length))
            }
        };
        file.write_all(line)?;
        *length += line.len() as u64;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_actor_has_so_many_requests_a_minute_and_others_have_theirs() {
        let quotas = Quotas::default();
        for _ in 0..limits::ACTOR_REQUESTS {
            assert!(quotas.take("greedy", 1_000));
        }
        assert!(!quotas.take("greedy", 59_999));
        assert!(quotas.take("modest", 59_999));
        assert!(quotas.take("greedy", 60_000), "the next minute");
    }

    #[test]
    fn refusals_are_bounded_and_no_line_is_forged() {
        let folder = tempfile::tempdir().expect("a folder");
        let refusals = Refusals::new(folder.path());
        let evil = "/fhir/x\n{\"time\":1,\"actor\":\"forged\"}\u{2028}\u{1b}[2J";
        refusals.note(7, "nobody", evil, 401);
        let text = std::fs::read_to_string(folder.path().join("refusals.jsonl")).expect("a file");
        assert_eq!(text.lines().count(), 1);
        assert!(!text.contains('\u{1b}'));
        let line: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!((line["actor"].as_str(), line["status"].as_u64()), (Some("nobody"), Some(401)));
        let long = "x".repeat(10_000);
        for n in 0..3 * limits::REFUSAL_BYTES / 200 {
            refusals.note(n as i64, &long, &long, 403);
        }
        let size: u64 = std::fs::read_dir(folder.path())
            .expect("a folder")
            .flatten()
            .map(|entry| entry.metadata().expect("a file").len())
            .sum();
        assert!(size <= 2 * limits::REFUSAL_BYTES + 1_000, "{size}");
    }
}
