//! Page links: where a page begins, as a short text that cannot be forged.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tongmai_access::{Requester, Sight};
use tongmai_store::Seq;

use crate::Engine;
use crate::failure::{Failure, Outcome, Reason};
use crate::search::{PageStart, Resume};

/// Links that are kept for requesters with limits, over all; the oldest go first.
const KEPT: usize = 20_000;

/// Links of requesters with limits. Such a link says nothing but its number: a position in the ledger
/// would tell how much was written that may not be seen.
#[derive(Default)]
pub(crate) struct Kept(Mutex<State>);

#[derive(Default)]
struct State {
    next: u64,
    links: BTreeMap<u64, Link>,
}

/// A kept link.
#[derive(Clone)]
pub(crate) struct Link {
    actor: String,
    purpose: String,
    /// Where the page begins.
    pub start: PageStart,
    /// What the pages before have shown: positions of versions.
    pub shown: Arc<Vec<Seq>>,
}

impl Engine {
    /// Keeps where a page begins, and returns the number of the link.
    pub(crate) fn keep_link(&self, sight: &Sight, start: PageStart, shown: Vec<Seq>) -> u64 {
        let mut state = self.links.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.next += 1;
        let number = state.next;
        let Requester { actor, purpose, .. } = sight.requester();
        let link = Link { actor: actor.clone(), purpose: purpose.clone(), start, shown: Arc::new(shown) };
        state.links.insert(number, link);
        while state.links.len() > KEPT {
            state.links.pop_first();
        }
        number
    }

    /// A kept link, for the one for whom it was kept.
    pub(crate) fn kept_link(&self, sight: &Sight, number: u64) -> Outcome<Link> {
        let state = self.links.0.lock().unwrap_or_else(PoisonError::into_inner);
        let requester = sight.requester();
        state
            .links
            .get(&number)
            .filter(|link| link.actor == requester.actor && link.purpose == requester.purpose)
            .cloned()
            .ok_or_else(|| {
                Failure::new(Reason::Gone, "_page", "expired", "this page link has expired")
                    .repair("begin the search again")
            })
    }

    /// The text of a page's beginning.
    pub fn seal_link(&self, start: &PageStart) -> String {
        if start.kept != 0 {
            let body = format!("k{}", start.kept);
            let seal = self.keys.source("page link", "", &body);
            return format!("{body}.{:x}", seal as u64);
        }
        let mut numbers: Vec<i128> = vec![
            start.as_of.into(),
            start.made.into(),
            start.offset.into(),
            start.type_index.into(),
            start.leader.into(),
        ];
        match start.resume {
            None => {}
            Some(Resume::Before(seq)) => numbers.push(seq.into()),
            Some(Resume::Row { stage, value, seq, extra }) => {
                numbers.extend([i128::from(stage), value.into(), seq.into(), extra.into()]);
            }
        }
        let body = numbers.iter().map(i128::to_string).collect::<Vec<_>>().join(".");
        let seal = self.keys.source("page link", "", &body);
        format!("{body}.{:x}", seal as u64)
    }

    /// Reads what [`Engine::seal_link`] wrote.
    pub fn open_link(&self, text: &str) -> Outcome<PageStart> {
        let refused = || {
            Failure::new(Reason::Invalid, "_page", "page-link", "this page link was not made here")
                .repair("follow the links of the answer as they are")
        };
        let (body, seal) = text.rsplit_once('.').ok_or_else(refused)?;
        if u64::from_str_radix(seal, 16).ok() != Some(self.keys.source("page link", "", body) as u64) {
            return Err(refused());
        }
        if let Some(kept) = body.strip_prefix('k').and_then(|number| number.parse().ok()) {
            return Ok(PageStart { kept, ..PageStart::first(0, 0) });
        }
        let numbers: Vec<i128> =
            body.split('.').map(|n| n.parse().map_err(|_| refused())).collect::<Outcome<_>>()?;
        let [as_of, made, offset, type_index, leader, rest @ ..] = numbers.as_slice() else {
            return Err(refused());
        };
        let resume = match rest {
            [] => None,
            [seq] => Some(Resume::Before(*seq as u64)),
            [stage, value, seq, extra] => Some(Resume::Row {
                stage: *stage as u32,
                value: *value as i64,
                seq: *seq as u64,
                extra: *extra as i64,
            }),
            _ => return Err(refused()),
        };
        Ok(PageStart {
            as_of: *as_of as u64,
            made: *made as i64,
            offset: *offset as u64,
            type_index: *type_index as u32,
            leader: *leader as u32,
            resume,
            kept: 0,
        })
    }
}
