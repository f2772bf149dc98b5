//! What went through the doors since the start: a channel is a door and a sender.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tongmai_base::limits;

use super::{Kept, Receipt};

/// Minutes that are counted one by one.
pub const MINUTES: usize = 60;
/// Buckets of delays: each is twice as long as the one before, the first ends at 128 µs.
const BUCKETS: usize = 20;

/// What a channel has seen.
#[derive(Debug, Clone)]
pub struct Channel {
    /// Committed.
    pub committed: u64,
    /// The same as before.
    pub before: u64,
    /// Set aside.
    pub set_aside: u64,
    /// Told to wait.
    pub not_now: u64,
    /// When the last message came, in milliseconds since 1970.
    pub last: i64,
    /// The last fault: when, number of the message, what.
    pub fault: Option<(i64, String, String)>,
    delays: [u64; BUCKETS],
    minutes: [u32; MINUTES],
    minute: i64,
}

impl Default for Channel {
    fn default() -> Channel {
        Channel {
            committed: 0,
            before: 0,
            set_aside: 0,
            not_now: 0,
            last: 0,
            fault: None,
            delays: [0; BUCKETS],
            minutes: [0; MINUTES],
            minute: 0,
        }
    }
}

impl Channel {
    /// All messages.
    pub fn received(&self) -> u64 {
        self.committed + self.before + self.set_aside + self.not_now
    }

    /// The delay from the last byte to the answer that so many of a hundred messages stay below, in
    /// microseconds; 0 when there was none.
    pub fn delay(&self, percent: u64) -> u64 {
        let all: u64 = self.delays.iter().sum();
        let mut seen = 0;
        for (bucket, count) in self.delays.iter().enumerate() {
            seen += count;
            if all > 0 && seen * 100 >= all * percent {
                return 128 << bucket;
            }
        }
        0
    }

    /// Messages of each of the last sixty minutes, the present one last.
    pub fn rates(&self, now: i64) -> [u32; MINUTES] {
        let mut moved = self.clone();
        moved.advance(now);
        moved.minutes
    }

    fn advance(&mut self, now: i64) {
        let minute = now.div_euclid(60_000);
        let passed = usize::try_from(minute - self.minute).unwrap_or(0).min(MINUTES);
        self.minutes.rotate_left(passed % MINUTES);
        self.minutes[MINUTES - passed..].fill(0);
        self.minute = self.minute.max(minute);
    }

    fn note(&mut self, receipt: &Receipt, now: i64, took: Duration) {
        match receipt.kept {
            Kept::Committed => self.committed += 1,
            Kept::Before => self.before += 1,
            Kept::SetAside => self.set_aside += 1,
            Kept::NotNow => self.not_now += 1,
        }
        if matches!(receipt.kept, Kept::SetAside | Kept::NotNow) {
            let worst = receipt.findings.iter().max_by_key(|finding| finding.severity);
            let fault = worst.map(ToString::to_string).unwrap_or_default();
            self.fault = Some((now, receipt.number.clone(), fault));
        }
        self.last = now;
        self.advance(now);
        self.minutes[MINUTES - 1] += 1;
        let microseconds = took.as_micros().max(1) as u64;
        let bucket = (64 - (microseconds / 128).leading_zeros() as usize).min(BUCKETS - 1);
        self.delays[bucket] += 1;
    }
}

/// All channels.
#[derive(Default)]
pub struct Channels {
    all: Mutex<BTreeMap<(String, String), Channel>>,
}

impl Channels {
    /// Counts a message.
    pub fn note(&self, door: &str, sender: &str, receipt: &Receipt, now: i64, took: Duration) {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        let mut key = (door.to_owned(), sender.to_owned());
        // Senders name themselves: there must be an end to it.
        if all.len() >= limits::CHANNELS && !all.contains_key(&key) {
            key.1 = "…".to_owned();
        }
        all.entry(key).or_default().note(receipt, now, took);
    }

    /// The channels by door and sender.
    pub fn all(&self) -> Vec<(String, String, Channel)> {
        let all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().map(|((door, sender), channel)| (door.clone(), sender.clone(), channel.clone())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minutes_pass_and_delays_are_counted() {
        let channels = Channels::default();
        let receipt =
            |kept| Receipt { number: "n".into(), kept, findings: Vec::new(), resources: Vec::new() };
        for at in [0, 1_000, 61_000, 62_000, 63_000] {
            channels.note("hl7v2", "HIS", &receipt(Kept::Committed), at, Duration::from_micros(100));
        }
        channels.note("hl7v2", "HIS", &receipt(Kept::SetAside), 63_500, Duration::from_millis(30));
        let (_, _, channel) = channels.all().remove(0);
        assert_eq!((channel.received(), channel.committed, channel.set_aside), (6, 5, 1));
        assert_eq!(channel.rates(63_500)[58..], [2, 4]);
        assert_eq!(channel.rates(123_500)[57..], [2, 4, 0]);
        assert_eq!(channel.rates(100 * 60_000), [0; MINUTES]);
        assert_eq!(channel.delay(50), 128);
        assert_eq!(channel.delay(99), 32_768);
        assert_eq!(channel.fault.expect("a fault").1, "n");
    }
}
