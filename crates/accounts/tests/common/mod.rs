//! Accounts with a clock that a test turns.

#![allow(dead_code, reason = "each test file uses its part")]

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};

use tongmai_accounts::{Account, Accounts, Surroundings};

/// 2026-11-21T09:00 in China.
pub const NOW: i64 = 1_795_222_800_000;
pub const MINUTE: i64 = 60_000;

thread_local! {
    static TIME: Cell<i64> = const { Cell::new(NOW) };
}

/// The clock of the test, which runs in one thread.
pub fn now() -> i64 {
    TIME.with(Cell::get)
}

/// Turns the clock on.
pub fn wait(milliseconds: i64) {
    TIME.with(|time| time.set(time.get() + milliseconds));
}

pub fn random() -> [u8; 16] {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let word = NEXT.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&word.to_be_bytes());
    bytes[8..].copy_from_slice(&word.rotate_left(17).to_le_bytes());
    bytes
}

pub struct Here {
    pub accounts: Accounts,
    pub folder: tempfile::TempDir,
}

pub fn open(folder: &std::path::Path) -> Accounts {
    Accounts::open(folder, Surroundings { now, random }).expect("accounts")
}

pub fn here() -> Here {
    let folder = tempfile::tempdir().expect("a folder");
    Here { accounts: open(folder.path()), folder }
}

pub const PASSWORD: &str = "three cups of tea";

pub fn account(id: &str, role: &str) -> Account {
    Account {
        id: id.into(),
        name: id.to_uppercase(),
        organization: if role == "resident" { String::new() } else { "hospital".into() },
        roles: vec![role.into()],
        purpose: "TREAT".into(),
        person: if role == "resident" { String::new() } else { format!("person of {id}") },
        ..Account::default()
    }
}

impl Here {
    /// An account with a password.
    pub fn with(&self, id: &str, role: &str) {
        self.accounts.keep(account(id, role)).expect("kept");
        self.accounts.set_password(id, PASSWORD).expect("set");
    }
}
