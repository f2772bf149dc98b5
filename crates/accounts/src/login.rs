//! Coming in and going out: password and second factor, lockout, invitations, emergency access.

use std::sync::{Arc, PoisonError};

use tongmai_access::{Emergency, Requester};

use crate::account::{Account, Binding, Event, Invitation};
use crate::secret::{fingerprint, hash_password, is_password, printed_code, read_code, same, step_of_code};
use crate::session::Session;
use crate::{Accounts, Refused, refused, requester_of};

/// Failures after which an account has to wait, and how long, in milliseconds.
const FAILURES: u32 = 5;
const WAIT_MILLISECONDS: i64 = 15 * 60 * 1000;
/// Names whose failures are remembered.
const REMEMBERED: usize = 10_000;
/// Wrong proofs after which an invitation is over.
const INVITATION_TRIES: u32 = 5;
/// How long an emergency access lasts, in milliseconds.
pub const EMERGENCY_MILLISECONDS: i64 = 60 * 60 * 1000;
/// Shortest reason of an emergency access, in characters.
const REASON_CHARACTERS: usize = 6;

/// Failures of one name in a row.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Failures {
    count: u32,
    last: i64,
}

/// Why a login was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoginRefused {
    /// Account, password or code is wrong; which of them is not said.
    Wrong,
    /// The password is right, and the code is missing.
    CodeNeeded,
    /// Too many failures: wait, in seconds.
    Wait(i64),
    /// The account was locked by an administrator.
    Locked,
    /// The yearly training is over.
    Training,
}

/// An invitation as it is printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrintedInvitation {
    /// The code, once.
    pub code: String,
    /// When it ends, in milliseconds since 1970.
    pub until: i64,
}

impl Accounts {
    /// Checks password and second factor, and begins a session: its token. Takes tens of milliseconds.
    ///
    /// # Errors
    /// Why not; an account that does not exist is answered as one whose password is wrong, and as slowly.
    pub fn login(&self, id: &str, password: &str, code: &str) -> Result<String, LoginRefused> {
        let now = self.now();
        self.refuse_hasty(id, now)?;
        let kept = self.state().accounts.get(id).cloned();
        let hashed = kept.as_ref().and_then(|kept| kept.password.as_deref());
        let long = password.len() > crate::secret::PASSWORD_BYTES;
        if !is_password(if long { "" } else { password }, hashed) {
            return Err(self.failed(id, now));
        }
        let Some(kept) = kept else { return Err(self.failed(id, now)) };
        if !kept.locked.is_empty() {
            return Err(LoginRefused::Locked);
        }
        let has_factor = kept.code_key.is_some() || !kept.codes.is_empty();
        if has_factor || kept.account.needs_second_factor() {
            if code.trim().is_empty() {
                return Err(LoginRefused::CodeNeeded);
            }
            if !self.use_code(id, code) {
                return Err(self.failed(id, now));
            }
        }
        if kept.account.trained_until.is_some_and(|until| now >= until) {
            return Err(LoginRefused::Training);
        }
        self.failures.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
        let requester = Arc::new(requester_of(&kept, now));
        Ok(self.sessions().begin(requester, now, self.random()))
    }

    fn refuse_hasty(&self, id: &str, now: i64) -> Result<(), LoginRefused> {
        let failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let failed = failures.get(id).copied().unwrap_or_default();
        let free = failed.last + WAIT_MILLISECONDS;
        if failed.count >= FAILURES && now < free {
            return Err(LoginRefused::Wait((free - now) / 1000 + 1));
        }
        Ok(())
    }

    fn failed(&self, id: &str, now: i64) -> LoginRefused {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        if failures.len() >= REMEMBERED {
            failures.retain(|_, failed| now < failed.last + WAIT_MILLISECONDS);
            // A flood of invented names pushes out invented names, not one that is being guessed at.
            let weakest = failures.iter().min_by_key(|(_, failed)| (failed.count, failed.last));
            if failures.len() >= REMEMBERED
                && let Some(weakest) = weakest.map(|(name, _)| name.clone())
            {
                failures.remove(&weakest);
            }
        }
        let failed = failures.entry(id.to_owned()).or_default();
        if now >= failed.last + WAIT_MILLISECONDS {
            failed.count = 0;
        }
        failed.count += 1;
        failed.last = now;
        LoginRefused::Wrong
    }

    /// Uses a time-based or a printed code, each once.
    fn use_code(&self, id: &str, typed: &str) -> bool {
        let now = self.now();
        let used = self.record(|state| {
            let kept = state.accounts.get(id).ok_or_else(|| refused("no account"))?;
            let digits: String = typed.chars().filter(char::is_ascii_digit).collect();
            if let Some(key) = &kept.code_key
                && digits.len() == 6
                && let Some(step) = step_of_code(key, &digits, now, kept.code_step)
            {
                return Ok(((), vec![Event::CodeStep { id: id.to_owned(), step }]));
            }
            let fingerprint = fingerprint(&format!("{id} {}", read_code(typed)));
            if kept.codes.contains(&fingerprint) {
                return Ok(((), vec![Event::CodeUsed { id: id.to_owned(), fingerprint }]));
            }
            Err(refused("the code is wrong"))
        });
        used.is_ok()
    }

    /// Ends the session of a token.
    pub fn logout(&self, token: &str) {
        self.sessions().end(token);
    }

    /// Who asks in the session of a token; `None` when it is over or its account was locked.
    pub fn in_session(&self, token: &str) -> Option<Arc<Requester>> {
        let now = self.now();
        let session = self.sessions().of(token, now).cloned()?;
        let locked = self.state().accounts.get(&session.account).is_none_or(|kept| !kept.locked.is_empty());
        if locked {
            self.sessions().end_all(&session.account);
            return None;
        }
        // An emergency ends by itself; what the person may do without it goes on.
        if session.emergency.as_ref().is_some_and(|emergency| now >= emergency.until) {
            return self.requester(&session.account).map(Arc::new);
        }
        Some(session.requester)
    }

    /// The session of a token.
    pub fn session(&self, token: &str) -> Option<Session> {
        self.sessions().of(token, self.now()).cloned()
    }

    /// The word that every form of a session carries against forged requests; it follows from the token.
    pub fn form_word(&self, token: &str) -> String {
        fingerprint(&format!("form {token}"))[..32].to_owned()
    }

    /// Whether a form was made for the session of a token.
    pub fn is_form_word(&self, token: &str, word: &str) -> bool {
        same(self.form_word(token).as_bytes(), word.as_bytes())
    }

    /// Begins an emergency access to a person's records: a new session with a short life takes the place of
    /// the old one. Gives its token and the access.
    ///
    /// # Errors
    /// No session, nobody who treats patients, or no reason.
    pub fn begin_emergency(
        &self,
        token: &str,
        patients: &[String],
        reason: &str,
    ) -> Result<(String, Emergency), Refused> {
        let now = self.now();
        let requester = self.in_session(token).ok_or_else(|| refused("the session is over: log in again"))?;
        if !requester.is_clinical() {
            return Err(refused("only somebody who treats patients opens a record in an emergency"));
        }
        let reason = reason.trim();
        if reason.chars().count() < REASON_CHARACTERS {
            return Err(refused("say the reason in at least six characters: it is reviewed within 24 hours"));
        }
        if patients.is_empty() {
            return Err(refused("an emergency access opens the records of one person: none was named"));
        }
        let emergency = Emergency {
            id: fingerprint(&crate::secret::token(self.random()))[..24].to_owned(),
            patients: patients.to_vec(),
            reason: reason.to_owned(),
            until: now + EMERGENCY_MILLISECONDS,
        };
        let requester = Requester {
            purpose: "ETREAT".into(),
            emergency: Some(emergency.clone()),
            ..(*requester).clone()
        };
        let mut sessions = self.sessions();
        sessions.end(token);
        Ok((sessions.begin(Arc::new(requester), now, self.random()), emergency))
    }

    /// Ends an emergency access: a new session without it. Gives its token.
    pub fn end_emergency(&self, token: &str) -> Result<String, Refused> {
        let requester = self.in_session(token).ok_or_else(|| refused("the session is over: log in again"))?;
        let plain = self.requester(&requester.actor).ok_or_else(|| refused("the account is locked"))?;
        let mut sessions = self.sessions();
        sessions.end(token);
        Ok(sessions.begin(Arc::new(plain), self.now(), self.random()))
    }

    /// Prints an invitation: a clerk saw the identity document and found the records that are its bearer's.
    ///
    /// # Errors
    /// No records, or a proof that is too short.
    pub fn invite(
        &self,
        account: Account,
        binding: Binding,
        last_four: &str,
        days: i64,
    ) -> Result<PrintedInvitation, Refused> {
        if binding.patients.is_empty() || binding.checked_by.is_empty() || binding.document.is_empty() {
            return Err(refused("an invitation binds records by a document that somebody checked"));
        }
        if last_four.chars().count() != 4 {
            return Err(refused("the last four signs of the identity document are asked for"));
        }
        let code = printed_code(self.random());
        let until = self.now() + days * 86_400_000;
        let proof = fingerprint(&format!("{} {}", account.id, last_four.to_uppercase()));
        let invitation = Invitation { account, binding, proof, until, tries: 0 };
        self.record(|state| {
            if state.accounts.contains_key(&invitation.account.id) {
                return Err(refused("there is an account of this name already"));
            }
            let event = Event::Invited { fingerprint: fingerprint(&code), invitation: invitation.clone() };
            Ok(((), vec![event]))
        })?;
        Ok(PrintedInvitation { code, until })
    }

    /// Opens the account of an invitation with a password; gives its id.
    ///
    /// # Errors
    /// A code that is unknown, over or tried too often, a wrong proof, or a weak password.
    pub fn accept(&self, code: &str, last_four: &str, password: &str) -> Result<String, Refused> {
        let now = self.now();
        let key = fingerprint(&read_code(code));
        let wrong = || refused("the code, or the last four signs, are wrong");
        let invitation = self.state().invitations.get(&key).cloned();
        let invitation = invitation.filter(|invitation| now < invitation.until).ok_or_else(wrong)?;
        if invitation.tries >= INVITATION_TRIES {
            return Err(refused("the invitation was tried too often: ask for a new one at a counter"));
        }
        let id = invitation.account.id.clone();
        let proof = fingerprint(&format!("{id} {}", last_four.trim().to_uppercase()));
        if !same(proof.as_bytes(), invitation.proof.as_bytes()) {
            self.record(|_| Ok(((), vec![Event::InvitationTried { fingerprint: key.clone() }])))?;
            return Err(wrong());
        }
        if let Some(why) = crate::secret::refuse_password(password, &id) {
            return Err(refused(why));
        }
        let hash = hash_password(password, &(self.random())()).ok_or_else(|| refused("no hash"))?;
        self.record(|state| {
            // Two at once: the second finds the invitation gone.
            if !state.invitations.contains_key(&key) {
                return Err(wrong());
            }
            let events = vec![
                Event::InvitationOver { fingerprint: key.clone() },
                Event::Kept { account: invitation.account.clone() },
                Event::Bound { id: id.clone(), binding: invitation.binding.clone() },
                Event::Password { id: id.clone(), hash },
            ];
            Ok((id.clone(), events))
        })
    }
}
