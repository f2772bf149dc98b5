//! The checkpoint of who is who: a restart goes on from it.
//!
//! It is the file of a view ([`crate::views`]); its definition holds the digest of the rules, so that
//! under other rules everything is weighed anew.

use std::path::PathBuf;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use tongmai_fhir::definition::resource_types;
use tongmai_identity::linker::{Linker, RULES};
use tongmai_identity::rules::Rules;
use tongmai_store::{ResourceKey, Seq, chain};

use super::Desk;
use crate::Engine;
use crate::failure::Outcome;
use crate::views::bytes::{Reader, put};
use crate::views::{DUE_EVENTS, DUE_PART, checkpoint, mark};

/// What the state means; it changes with the fold and with how the state is written.
const DEFINITION: &str = "1: who is who, from versions of Patient and rulings";

/// Where the checkpoint lies, and how old it is.
#[derive(Debug, Clone, Default)]
pub(super) struct Keeper {
    file: Option<PathBuf>,
    /// It has been looked for.
    opened: bool,
    /// Position of the one on disk.
    saved: Seq,
    /// Something was erased since: the one on disk may still know of it.
    erased: bool,
    trouble: Option<String>,
}

impl Keeper {
    /// Something that the state was made from is gone: so must the file be that knows of it.
    pub(super) fn erased(&mut self) {
        (self.erased, self.saved) = (true, 0);
    }

    /// Looks for the file once more.
    pub(super) fn again(&mut self) {
        self.opened = false;
    }
}

fn definition(rules: &Rules) -> chain::Hash {
    let mut digest = Sha256::new();
    for text in [DEFINITION].into_iter().chain(resource_types()) {
        digest.update(text.as_bytes());
        digest.update([0]);
    }
    digest.update(RULES.to_le_bytes());
    digest.update(rules.digest().to_le_bytes());
    digest.finalize().into()
}

fn write(desk: &Desk, out: &mut Vec<u8>) {
    let mut numbers: Vec<(i64, u64)> = desk.numbers.iter().map(|(key, number)| (key.0, *number)).collect();
    numbers.sort_unstable();
    let mut rulings: Vec<(i64, u64)> = desk.rulings.iter().map(|(key, seq)| (key.0, *seq)).collect();
    rulings.sort_unstable();
    for list in [numbers, rulings] {
        put(list.len() as i64, out);
        for (key, number) in list {
            put(key, out);
            put(number.cast_signed(), out);
        }
    }
    put(desk.current.len() as i64, out);
    for (record, seq) in &desk.current {
        put(record.cast_signed(), out);
        put(seq.cast_signed(), out);
    }
    let start = out.len();
    put(0, out);
    desk.linker.write_state(out);
    let length = (out.len() - start - 8) as i64;
    out[start..start + 8].copy_from_slice(&length.to_le_bytes());
}

fn read(desk: &mut Desk, from: &mut Reader<'_>) -> Option<()> {
    let mut empty = desk.empty();
    from.list(&mut |item| {
        empty.numbers.insert(ResourceKey(item.number()?), item.number()?);
        Some(())
    })?;
    from.list(&mut |item| {
        empty.rulings.insert(ResourceKey(item.number()?), item.number()?);
        Some(())
    })?;
    from.list(&mut |item| {
        empty.current.insert(item.number()?, item.number()?);
        Some(())
    })?;
    let length = from.number()?;
    empty.linker = Linker::read_state(desk.rules.weights.clone(), from.take(length)?)?;
    from.is_at_end().then(|| *desk = empty)
}

impl Engine {
    /// From now on persons are folded by these rules, and their checkpoint lies in `folder`; without
    /// one they are folded anew after a restart.
    pub fn keep_persons(&self, folder: Option<PathBuf>, rules: Rules) {
        let mut desk = self.desk.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        desk.rules = Arc::new(rules);
        let file = folder.map(|folder| folder.join("persons.checkpoint"));
        desk.keeper = Keeper { file, ..Keeper::default() };
        *desk = desk.empty();
    }

    /// Why the last checkpoint could not be saved, told once; persons themselves go on.
    pub fn take_persons_trouble(&self) -> Option<String> {
        self.desk.lock().unwrap_or_else(std::sync::PoisonError::into_inner).keeper.trouble.take()
    }

    /// Goes on from the checkpoint, when there is one of these rules and of this ledger.
    pub(super) fn restore(&self, desk: &mut Desk) -> Outcome<()> {
        if std::mem::replace(&mut desk.keeper.opened, true) {
            return Ok(());
        }
        let Some(bytes) = desk.keeper.file.as_ref().and_then(|file| std::fs::read(file).ok()) else {
            return Ok(());
        };
        let Some((position, expected, mut state)) = checkpoint::unframe(&bytes, &definition(&desk.rules))
        else {
            return Ok(());
        };
        let there = self.store.snapshot()?.events(&[position])?;
        let secret = self.store.secret();
        if there.first().is_some_and(|event| mark(&secret, event) == expected)
            && read(desk, &mut state).is_some()
        {
            desk.position = position;
            desk.keeper.saved = position;
        }
        Ok(())
    }

    /// Saves a checkpoint when one is due.
    pub(super) fn save(&self, desk: &mut Desk) -> Outcome<()> {
        let since = desk.position.saturating_sub(desk.keeper.saved);
        let is_due = since >= DUE_EVENTS.max(desk.position / DUE_PART) || desk.keeper.erased;
        let Some(file) = desk.keeper.file.clone().filter(|_| is_due) else { return Ok(()) };
        let last = self.store.snapshot()?.events(&[desk.position])?;
        let Some(last) = last.first() else { return Ok(()) };
        let mark = mark(&self.store.secret(), last);
        let bytes = checkpoint::frame(&definition(&desk.rules), desk.position, &mark, |out| write(desk, out));
        match checkpoint::put(&file, &bytes) {
            Ok(()) => desk.keeper.erased = false,
            Err(error) => desk.keeper.trouble = Some(format!("{}: {error}", file.display())),
        }
        // After a failure, too, it is tried again only when the next one is due.
        desk.keeper.saved = desk.position;
        Ok(())
    }
}
