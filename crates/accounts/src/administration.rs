//! What the security administrator does: keep accounts, lock, bind, and let people speak for others.

use crate::account::{Account, Binding, Event, Representation};
use crate::secret::{code_key, fingerprint, hash_password, printed_code, refuse_password};
use crate::{Accounts, Refused, refused};

/// Printed codes of a sheet.
const CODES: usize = 10;
/// Longest id of an account.
const ID_BYTES: usize = 64;

impl Accounts {
    /// Opens an account, or changes one; a change of roles ends its sessions and tokens.
    ///
    /// # Errors
    /// An id that is none, an unknown role, two of the three administrators in one person, or a second
    /// account of one professional at one provider.
    pub fn keep(&self, account: Account) -> Result<(), Refused> {
        let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'@');
        if account.id.is_empty() || account.id.len() > ID_BYTES || !account.id.bytes().all(fits) {
            return Err(refused("an account's id has up to 64 of a–z, 0–9, '.', '-' and '@'"));
        }
        if account.known_roles().len() != account.roles.len() || account.roles.is_empty() {
            return Err(refused(format!("a role of '{}' is unknown", account.id)));
        }
        let id = account.id.clone();
        let changed = self.record(|state| {
            if let Some(why) = state.refuse(&account) {
                return Err(refused(why));
            }
            let before = state.accounts.get(&account.id).map(|kept| &kept.account);
            let changed = before.is_some_and(|before| *before != account);
            Ok((changed, vec![Event::Kept { account: account.clone() }]))
        })?;
        if changed {
            self.end_all(&id);
        }
        Ok(())
    }

    /// Sets a password; all sessions and tokens of the account end.
    pub fn set_password(&self, id: &str, password: &str) -> Result<(), Refused> {
        if let Some(why) = refuse_password(password, id) {
            return Err(refused(why));
        }
        let hash = hash_password(password, &(self.random())()).ok_or_else(|| refused("no hash"))?;
        self.change(id, Event::Password { id: id.to_owned(), hash })?;
        self.end_all(id);
        Ok(())
    }

    /// Sets up time-based codes; gives the key for the authenticator, once.
    pub fn set_code_key(&self, id: &str) -> Result<String, Refused> {
        let key = code_key(self.random());
        self.change(id, Event::CodeKey { id: id.to_owned(), key: key.clone() })?;
        Ok(key)
    }

    /// Prints a new sheet of one-use codes; those before no longer count.
    pub fn print_codes(&self, id: &str) -> Result<Vec<String>, Refused> {
        let codes: Vec<String> = (0..CODES).map(|_| printed_code(self.random())).collect();
        let fingerprints = codes.iter().map(|code| fingerprint(&format!("{id} {code}"))).collect();
        self.change(id, Event::Codes { id: id.to_owned(), fingerprints })?;
        Ok(codes)
    }

    /// Locks an account, or opens it again when `why` is empty. What it has open ends at once.
    pub fn lock(&self, id: &str, why: &str) -> Result<(), Refused> {
        self.change(id, Event::Locked { id: id.to_owned(), why: why.to_owned() })?;
        self.end_all(id);
        Ok(())
    }

    /// Binds a resident's identity to records.
    pub fn bind(&self, id: &str, binding: Binding) -> Result<(), Refused> {
        if binding.patients.is_empty() || binding.checked_by.is_empty() || binding.document.is_empty() {
            return Err(refused("a binding names records, the document that was seen, and who saw it"));
        }
        if binding.document == "telephone" {
            return Err(refused("a telephone number is given to others again: it proves nobody's identity"));
        }
        self.change(id, Event::Bound { id: id.to_owned(), binding })?;
        self.end_all(id);
        Ok(())
    }

    /// Lets an account speak for somebody; `family::represent` says whether it may.
    pub fn represent(&self, id: &str, representation: Representation) -> Result<(), Refused> {
        if representation.patients.is_empty() || representation.evidence.trim().is_empty() {
            return Err(refused("who speaks for another shows by what: name the records and the evidence"));
        }
        self.change(id, Event::Represents { id: id.to_owned(), representation })?;
        self.end_all(id);
        Ok(())
    }

    /// Ends that an account speaks for the person of a record.
    pub fn represent_no_more(&self, id: &str, patient: &str) -> Result<(), Refused> {
        self.change(id, Event::RepresentsNoMore { id: id.to_owned(), patient: patient.to_owned() })?;
        self.end_all(id);
        Ok(())
    }

    /// Freezes everybody who speaks for the person of a record while it is disputed, or thaws them (`None`);
    /// gives how many it were.
    pub fn freeze(&self, patient: &str, why: Option<&str>) -> Result<usize, Refused> {
        let found: Vec<String> = {
            let state = self.state();
            let speaks = |one: &Representation| one.patients.iter().any(|id| id == patient);
            let found = state.accounts.values().filter(|kept| kept.represents.iter().any(speaks));
            found.map(|kept| kept.account.id.clone()).collect()
        };
        for id in &found {
            let (id, patient) = (id.clone(), patient.to_owned());
            let event = Event::Frozen { id: id.clone(), patient, why: why.map(str::to_owned) };
            self.change(&id, event)?;
            self.end_all(&id);
        }
        Ok(found.len())
    }

    fn change(&self, id: &str, event: Event) -> Result<(), Refused> {
        self.record(|state| {
            if !state.accounts.contains_key(id) {
                return Err(refused(format!("there is no account '{id}'")));
            }
            Ok(((), vec![event]))
        })
    }

    /// Ends all that an account has open.
    fn end_all(&self, id: &str) {
        self.sessions().end_all(id);
        self.oauth().end_all(id);
    }
}
