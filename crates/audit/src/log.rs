//! The log: leaves with their tree, the counters of the records, and what an auditor checks.

use std::collections::HashMap;
use std::fmt;

use crate::entry::{Entry, Leaf};
use crate::head::{Head, SignedHead};
use crate::tree::{Hash, Profile, Tree};

/// One read, as the log of reads has it, told apart by record.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Read {
    /// When, in milliseconds since 1970.
    pub time: i64,
    /// Account or client.
    pub actor: String,
    /// Purpose of use.
    pub purpose: String,
    /// What kind of read.
    pub operation: u8,
    /// Records with the positions that were shown of them, in the order of the records.
    pub shown: Vec<(u64, Vec<u64>)>,
}

/// The log in memory: hashes, and the counters.
#[derive(Debug, Clone, Default)]
pub struct Log {
    secret: [u8; 32],
    tree: Tree,
    counts: HashMap<u64, u64>,
    /// Leaves of each record, by index.
    places: HashMap<u64, Vec<u64>>,
    last: i64,
}

/// What is wrong with a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// A leaf does not stand where it says.
    Order {
        /// Where it stands.
        at: u64,
        /// Where it says that it stands.
        says: u64,
    },
    /// A record's counter has a gap or goes back.
    Counter {
        /// The leaf.
        at: u64,
        /// The record.
        record: u64,
        /// The count that was expected.
        expected: u64,
        /// The count that stands there.
        found: u64,
    },
    /// The log is shorter than a head that was signed.
    Truncated {
        /// Leaves of the log.
        leaves: u64,
        /// Leaves of the head.
        head: u64,
    },
    /// The leaves do not have the head that was signed.
    Changed {
        /// Leaves of the head.
        head: u64,
    },
    /// A head is not signed by the log's key.
    Unsigned {
        /// Leaves of the head.
        head: u64,
    },
    /// The log of reads and its tree differ.
    Differs {
        /// The leaf.
        at: u64,
    },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Order { at, says } => write!(f, "leaf {at} says that it is leaf {says}"),
            Fault::Counter { at, record, expected, found } => {
                write!(f, "leaf {at}: read {found} of record {record} follows where {expected} is due")
            }
            Fault::Truncated { leaves, head } => {
                write!(f, "the log has {leaves} leaves, and a head of {head} was signed")
            }
            Fault::Changed { head } => write!(f, "the first {head} leaves are not those that were signed"),
            Fault::Unsigned { head } => write!(f, "the head of {head} leaves is not signed by the log's key"),
            Fault::Differs { at } => write!(f, "leaf {at} is not what the log of reads says"),
        }
    }
}

impl Log {
    /// A log without leaves.
    pub fn new(profile: Profile, secret: [u8; 32]) -> Log {
        Log { secret, tree: Tree::new(profile), ..Log::default() }
    }

    /// The tree.
    pub fn tree(&self) -> &Tree {
        &self.tree
    }

    /// The secret of its salts.
    pub fn secret(&self) -> &[u8; 32] {
        &self.secret
    }

    /// How many reads of a record there are.
    pub fn count(&self, record: u64) -> u64 {
        self.counts.get(&record).copied().unwrap_or(0)
    }

    /// The leaves of a record.
    pub fn places(&self, record: u64) -> &[u64] {
        self.places.get(&record).map_or(&[], Vec::as_slice)
    }

    /// Makes the leaf of a read and appends it.
    pub fn append(&mut self, read: &Read) -> Leaf {
        let index = self.tree.size();
        let entries = read.shown.iter().map(|(record, shown)| Entry {
            record: *record,
            count: self.count(*record) + 1,
            time: read.time,
            actor: read.actor.clone(),
            purpose: read.purpose.clone(),
            operation: read.operation,
            shown: shown.clone(),
        });
        let leaf = Leaf { index, time: read.time, entries: entries.collect() };
        self.take(&leaf);
        leaf
    }

    /// Appends a leaf as it was kept, and says what is wrong with it.
    pub fn take(&mut self, leaf: &Leaf) -> Vec<Fault> {
        let at = self.tree.size();
        let mut faults = Vec::new();
        if leaf.index != at {
            faults.push(Fault::Order { at, says: leaf.index });
        }
        for entry in &leaf.entries {
            let count = self.counts.entry(entry.record).or_default();
            let expected = *count + 1;
            if entry.count != expected {
                faults.push(Fault::Counter { at, record: entry.record, expected, found: entry.count });
            }
            *count = entry.count;
            self.places.entry(entry.record).or_default().push(at);
        }
        self.last = self.last.max(leaf.time);
        self.tree.push(leaf.hash(self.tree.profile(), &self.secret));
        faults
    }

    /// The head now; its time never goes back, whatever the clock does.
    pub fn head(&self, log: &str, now: i64) -> Head {
        let root = self.tree.root(self.tree.size()).unwrap_or_default();
        Head::new(log, self.tree.profile(), self.tree.size(), &root, now.max(self.last))
    }

    /// What is wrong with a head that was signed at some time, given the leaves that there are.
    pub fn check(&self, signed: &SignedHead, key: &str) -> Option<Fault> {
        let head = &signed.head;
        if signed.signature.key != key || !signed.signature.is_of(head) {
            return Some(Fault::Unsigned { head: head.size });
        }
        let Some(root) = self.tree.root(head.size) else {
            return Some(Fault::Truncated { leaves: self.tree.size(), head: head.size });
        };
        let hash: Option<Hash> = head.hash();
        (hash != Some(root)).then_some(Fault::Changed { head: head.size })
    }
}
