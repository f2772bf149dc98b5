//! Donations: what came in for which purpose, what went out, and when it must be told.
//!
//! The platform records and links; it never collects money. Amounts are whole
//! fen. Money given for a purpose is spent on that purpose only.

use std::collections::BTreeMap;

/// One line of the ledger, in fen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// A donation for a fund.
    Receipt {
        /// Fund it is earmarked for.
        fund: String,
        /// Amount in fen.
        fen: u64,
    },
    /// Help paid out of a fund.
    Payment {
        /// Fund.
        fund: String,
        /// Amount in fen.
        fen: u64,
    },
    /// What is left of a fund whose purpose is fulfilled goes to another of like purpose, as its charter says.
    Transfer {
        /// Fund that closes.
        from: String,
        /// Fund of like purpose.
        to: String,
        /// Amount in fen.
        fen: u64,
        /// The clause of the charter.
        clause: String,
    },
}

/// Why an entry was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// An amount of nothing.
    Nothing,
    /// More than the fund holds.
    Overdrawn,
    /// A transfer without a clause of the charter.
    NoClause,
    /// More than can be counted.
    TooLarge,
}

/// Funds and their entries.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    entries: Vec<Entry>,
    balances: BTreeMap<String, u64>,
}

impl Ledger {
    /// Writes an entry.
    ///
    /// # Errors
    /// Why not; nothing is changed.
    pub fn write(&mut self, entry: Entry) -> Result<(), Refusal> {
        let (from, to, fen) = match &entry {
            Entry::Receipt { fund, fen } => (None, Some(fund), *fen),
            Entry::Payment { fund, fen } => (Some(fund), None, *fen),
            Entry::Transfer { clause, .. } if clause.trim().is_empty() => return Err(Refusal::NoClause),
            Entry::Transfer { from, to, fen, .. } => (Some(from), Some(to), *fen),
        };
        if fen == 0 {
            return Err(Refusal::Nothing);
        }
        let rest = match from {
            Some(fund) => Some(self.balance(fund).checked_sub(fen).ok_or(Refusal::Overdrawn)?),
            None => None,
        };
        let sum = match to {
            Some(fund) if from == to => Some(self.balance(fund)),
            Some(fund) => Some(self.balance(fund).checked_add(fen).ok_or(Refusal::TooLarge)?),
            None => None,
        };
        if let (Some(fund), Some(rest)) = (from, rest) {
            self.balances.insert(fund.clone(), rest);
        }
        if let (Some(fund), Some(sum)) = (to, sum) {
            self.balances.insert(fund.clone(), sum);
        }
        self.entries.push(entry);
        Ok(())
    }

    /// What a fund holds, in fen.
    pub fn balance(&self, fund: &str) -> u64 {
        self.balances.get(fund).copied().unwrap_or(0)
    }

    /// Received, paid and held, in fen. Received is always paid and held together.
    pub fn totals(&self) -> (u128, u128, u128) {
        let sum = |of: fn(&Entry) -> u64| self.entries.iter().map(|e| u128::from(of(e))).sum();
        let received = sum(|e| if let Entry::Receipt { fen, .. } = e { *fen } else { 0 });
        let paid = sum(|e| if let Entry::Payment { fen, .. } = e { *fen } else { 0 });
        (received, paid, self.balances.values().map(|b| u128::from(*b)).sum())
    }

    /// All entries.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }
}

/// Days on which the ledger is disclosed, as days since 1970-01-01, by the Charity Law of
/// China (2023): in an emergency receipts every five days (article 72); raising funds or
/// running longer than six months, at least every three months; and a full report within
/// three months of the end (article 79). Months are counted as 30 days, the stricter side.
pub fn disclosure_days(start: i64, end: i64, emergency: bool) -> Vec<i64> {
    const MONTH: i64 = 30;
    let every = if emergency {
        Some(5)
    } else if end - start > 6 * MONTH {
        Some(3 * MONTH)
    } else {
        None
    };
    let mut days: Vec<i64> = match every {
        Some(every) => (1..).map(|n| start + n * every).take_while(|day| *day < end).collect(),
        None => Vec::new(),
    };
    days.push(end + 3 * MONTH);
    days
}
