//! The ballot log: who may vote is known, who voted what is not.
//!
//! Everybody entitled is issued one token for a conversation, signed blindly, so
//! that the issuer cannot tell it again when it is spent. The log knows tokens
//! only. A token votes once on a statement, whichever way the ballot came in:
//! online, on paper or through a village proxy; so nobody is counted twice and
//! a vote cannot be withdrawn. Ballots are written in batches sorted by token,
//! so that the order of arrival is not kept.

use std::collections::{BTreeMap, HashMap};

/// A spent token: its random serial, by which it is told apart.
pub type Serial = [u8; 16];

/// How a ballot came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Channel {
    /// By the voter's own device.
    Online,
    /// On paper.
    Paper,
    /// Through a village proxy, sealed from the proxy.
    Proxy,
}

/// One vote as it arrives. `signature` is over serial and conversation.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ballot {
    /// Serial of the token.
    pub serial: Serial,
    /// Statement voted on.
    pub statement: u32,
    /// 1 agree, −1 disagree, 0 pass.
    pub vote: i8,
    /// How it came in.
    pub channel: Channel,
    /// The issuer's signature, unblinded.
    pub signature: Vec<u8>,
}

/// Why a ballot does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Refusal {
    /// The signature is not the issuer's.
    Forged,
    /// The token has voted on this statement already.
    Spent,
    /// Neither agree, disagree nor pass.
    NoVote,
}

/// A ballot that counts, as it is published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counted {
    /// Serial of the token.
    pub serial: Serial,
    /// Statement.
    pub statement: u32,
    /// Vote.
    pub vote: i8,
    /// Through a proxy: results are shown with and without these.
    pub proxy: bool,
}

/// The log of one conversation: a fold over batches.
#[derive(Debug, Default)]
pub struct Log {
    counted: Vec<Counted>,
    spent: HashMap<(Serial, u32), usize>,
    refused: BTreeMap<Refusal, u64>,
}

/// Agree, disagree and pass on one statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Agreed.
    pub agree: u64,
    /// Disagreed.
    pub disagree: u64,
    /// Passed.
    pub pass: u64,
}

impl Log {
    /// Writes a batch. `is_issued` checks a signature over a serial. Within a batch ballots
    /// count in the order of their tokens, so that the same ballots give the same log.
    pub fn redeem(&mut self, mut batch: Vec<Ballot>, is_issued: impl Fn(&Serial, &[u8]) -> bool) {
        batch.sort();
        for ballot in batch {
            let refusal = if !is_issued(&ballot.serial, &ballot.signature) {
                Some(Refusal::Forged)
            } else if !(-1..=1).contains(&ballot.vote) {
                Some(Refusal::NoVote)
            } else if self.spent.contains_key(&(ballot.serial, ballot.statement)) {
                Some(Refusal::Spent)
            } else {
                None
            };
            if let Some(refusal) = refusal {
                *self.refused.entry(refusal).or_insert(0) += 1;
                continue;
            }
            self.spent.insert((ballot.serial, ballot.statement), self.counted.len());
            self.counted.push(Counted {
                serial: ballot.serial,
                statement: ballot.statement,
                vote: ballot.vote,
                proxy: ballot.channel == Channel::Proxy,
            });
        }
    }

    /// Ballots that count, in the order they were written.
    pub fn counted(&self) -> &[Counted] {
        &self.counted
    }

    /// How many ballots were refused, by reason: none is lost silently.
    pub fn refused(&self) -> &BTreeMap<Refusal, u64> {
        &self.refused
    }

    /// The ballot with which a token voted on a statement: a voter can see their own vote counted.
    pub fn find(&self, serial: &Serial, statement: u32) -> Option<&Counted> {
        self.spent.get(&(*serial, statement)).map(|&at| &self.counted[at])
    }

    /// Votes by statement, with or without those through proxies.
    pub fn tally(&self, with_proxies: bool) -> BTreeMap<u32, Tally> {
        let mut tallies: BTreeMap<u32, Tally> = BTreeMap::new();
        for ballot in self.counted.iter().filter(|b| with_proxies || !b.proxy) {
            let tally = tallies.entry(ballot.statement).or_default();
            match ballot.vote {
                1 => tally.agree += 1,
                -1 => tally.disagree += 1,
                _ => tally.pass += 1,
            }
        }
        tallies
    }
}
