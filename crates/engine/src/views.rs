//! Views over the change feed: each a pure fold with its own checkpoint.
//!
//! A view sees every event once, in the order of the ledger, and can be thrown
//! away and rebuilt. [`run`] brings one up to date and saves state and position
//! together now and then, so that a restart goes on from there. A checkpoint that is
//! torn, that another definition of the view made, or that belongs to another ledger
//! counts as none: the view is rebuilt.

pub mod bytes;
mod census;
pub(crate) mod checkpoint;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use tongmai_store::{Event, EventKind, Seq, Store, chain};

use crate::Engine;
use crate::failure::Outcome;
pub use census::Census;

/// Events folded in one step.
const STEP: usize = 1_000;
/// A checkpoint is due after so many events …
pub(crate) const DUE_EVENTS: u64 = 5_000;
/// … and after this part of the ledger: what is written grows no faster than the ledger.
pub(crate) const DUE_PART: u64 = 16;

/// A fold over the feed of a shard.
pub trait View: Sized {
    /// The name of its checkpoint.
    const NAME: &'static str;
    /// What the state means. It changes with [`View::apply`] and [`View::write`], and makes the
    /// checkpoints of the definition before worthless.
    const DEFINITION: &'static str;

    /// The state before the first event; the installation's secret keys what it hashes.
    fn new(secret: &[u8; 32]) -> Self;

    /// Takes in one event. It must depend on nothing but the state and the event.
    fn apply(&mut self, event: &Event);

    /// A text that is the same for the same state, however it was reached.
    fn canonical(&self) -> String;

    /// Appends the state to `out`.
    fn write(&self, out: &mut Vec<u8>);

    /// The state that [`View::write`] wrote; `None` when it is none.
    fn read(secret: &[u8; 32], from: &mut bytes::Reader<'_>) -> Option<Self>;
}

/// A view with the position up to which it has seen the feed, and the file of its checkpoint.
pub struct Kept<V> {
    view: V,
    position: Seq,
    /// What the last event looked like: the ledger is still the same one.
    mark: chain::Hash,
    file: Option<PathBuf>,
    /// Position of the checkpoint on disk.
    saved: Seq,
    /// Something was purged since: the checkpoint on disk may still know of it.
    erased: bool,
    trouble: Option<String>,
}

impl<V: View> Kept<V> {
    /// The view as its checkpoint in `folder` has it, or a new one; without a folder it is not saved.
    pub fn open(engine: &Engine, folder: Option<&Path>) -> Outcome<Kept<V>> {
        Kept::over(&*engine.store, folder)
    }

    fn over(store: &dyn Store, folder: Option<&Path>) -> Outcome<Kept<V>> {
        let secret = store.secret();
        let file = folder.map(|folder| folder.join(format!("{}.checkpoint", V::NAME)));
        let mut kept = Kept {
            view: V::new(&secret),
            position: 0,
            mark: chain::GENESIS,
            file,
            saved: 0,
            erased: false,
            trouble: None,
        };
        let read = |file: &PathBuf| checkpoint::read::<V>(&std::fs::read(file).ok()?, &secret);
        if let Some(found) = kept.file.as_ref().and_then(read) {
            let there = store.snapshot()?.events(&[found.position])?;
            if there.first().is_some_and(|event| mark(&secret, event) == found.mark) {
                (kept.view, kept.mark) = (found.view, found.mark);
                (kept.position, kept.saved) = (found.position, found.position);
            }
        }
        Ok(kept)
    }

    /// The state.
    pub fn view(&self) -> &V {
        &self.view
    }

    /// The last position that it has seen.
    pub fn watermark(&self) -> Seq {
        self.position
    }

    /// Why the last checkpoint could not be saved, told once; the view itself goes on.
    pub fn take_trouble(&mut self) -> Option<String> {
        self.trouble.take()
    }

    fn is_due(&self, at_end: bool) -> bool {
        let since = self.position - self.saved;
        since >= DUE_EVENTS.max(self.position / DUE_PART) || (at_end && self.erased)
    }

    fn save(&mut self) {
        let Some(file) = &self.file else { return };
        match checkpoint::put(file, &checkpoint::write(&self.view, self.position, &self.mark)) {
            Ok(()) => self.erased = false,
            Err(error) => self.trouble = Some(format!("{}: {error}", file.display())),
        }
        // After a failure, too, it is tried again only when the next one is due.
        self.saved = self.position;
    }
}

/// A view that several threads look at: opened when it is first asked for, and brought up to date
/// before each look.
pub struct Running<V> {
    folder: Option<PathBuf>,
    state: Mutex<Option<Kept<V>>>,
}

impl<V: View> Running<V> {
    /// A view with its checkpoint in `folder`; without one it is folded anew after a restart.
    pub fn new(folder: Option<PathBuf>) -> Running<V> {
        Running { folder, state: Mutex::new(None) }
    }

    /// Brings the view up to date and looks at it; `look` is given its watermark too.
    pub fn now<T>(&self, engine: &Engine, look: impl FnOnce(&V, Seq) -> T) -> Outcome<T> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = match &mut *state {
            Some(kept) => kept,
            none => none.insert(Kept::open(engine, self.folder.as_deref())?),
        };
        run(engine, kept, &mut |_, _, _| {})?;
        Ok(look(&kept.view, kept.position))
    }

    /// Why the last checkpoint could not be saved, told once; the view itself goes on.
    pub fn take_trouble(&self) -> Option<String> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).as_mut()?.take_trouble()
    }
}

pub(crate) fn mark(secret: &chain::Hash, event: &Event) -> chain::Hash {
    chain::next(&chain::GENESIS, secret, [event])
}

/// Brings a view up to date with what is committed now. After every step `each` is given the view,
/// its watermark and the end of the ledger.
pub fn run<V: View>(engine: &Engine, kept: &mut Kept<V>, each: &mut dyn FnMut(&V, Seq, Seq)) -> Outcome<()> {
    run_in_steps(&*engine.store, kept, STEP, each)
}

fn run_in_steps<V: View>(
    store: &dyn Store,
    kept: &mut Kept<V>,
    step: usize,
    each: &mut dyn FnMut(&V, Seq, Seq),
) -> Outcome<()> {
    let secret = store.secret();
    loop {
        let mut snapshot = store.snapshot()?;
        let end = snapshot.position();
        let events = snapshot.feed(kept.position, step)?;
        drop(snapshot);
        for event in &events {
            kept.view.apply(event);
            kept.erased |= event.kind == EventKind::Purge;
        }
        if let Some(last) = events.last() {
            (kept.position, kept.mark) = (last.seq, mark(&secret, last));
        }
        each(&kept.view, kept.position, end);
        let at_end = events.is_empty() || kept.position >= end;
        if kept.is_due(at_end) {
            kept.save();
        }
        if at_end {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests;
