//! Views over the change feed: each a pure fold with its own checkpoint.
//!
//! A view sees every event once, in the order of the ledger, and can be thrown
//! away and rebuilt. [`run`] brings one up to date and returns how far it got;
//! the state and its position are saved together by whoever keeps them.

use tongmai_store::{Event, Seq, Store};

use crate::failure::Outcome;

/// Events folded between two checkpoints.
const CHUNK: usize = 1_000;

/// A fold over the feed of a shard.
pub trait View {
    /// Takes in one event. It must depend on nothing but the state and the event.
    fn apply(&mut self, event: &Event);

    /// A text that is the same for the same state, however it was reached.
    fn canonical(&self) -> String;
}

/// A view with the position up to which it has seen the feed.
#[derive(Debug, Clone, Default)]
pub struct Checkpointed<V> {
    /// The state.
    pub view: V,
    /// The last position that it has seen: its watermark.
    pub position: Seq,
}

/// Brings a view up to date with what is committed now.
pub fn run<V: View>(store: &dyn Store, state: &mut Checkpointed<V>) -> Outcome<()> {
    loop {
        let events = store.snapshot()?.feed(state.position, CHUNK)?;
        let Some(last) = events.last() else { return Ok(()) };
        for event in &events {
            state.view.apply(event);
        }
        state.position = last.seq;
    }
}

/// How many resources of each type there are, and how many came in on each day: what the county
/// overview shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Census {
    /// By type: current resources.
    pub resources: std::collections::BTreeMap<u16, i64>,
    /// By day (since 1970, China Standard Time) and type: first versions.
    pub arrived: std::collections::BTreeMap<(i64, u16), i64>,
    /// Events of all kinds.
    pub events: u64,
    /// Resources that are deleted now; needed to count a resurrection.
    deleted: std::collections::BTreeSet<i64>,
}

impl View for Census {
    fn apply(&mut self, event: &Event) {
        use tongmai_store::EventKind;
        self.events += 1;
        match event.kind {
            EventKind::Put | EventKind::Move => {
                let revived = self.deleted.remove(&event.key.0);
                if event.version == 1 || revived {
                    *self.resources.entry(event.type_id).or_default() += 1;
                }
                if event.version == 1 {
                    let local = event.milliseconds() + tongmai_base::time::CHINA_OFFSET_MINUTES * 60_000;
                    *self.arrived.entry((local.div_euclid(86_400_000), event.type_id)).or_default() += 1;
                }
            }
            EventKind::Delete | EventKind::Purge => {
                if self.deleted.insert(event.key.0) {
                    *self.resources.entry(event.type_id).or_default() -= 1;
                }
            }
            EventKind::Restrict | EventKind::Release => {}
        }
    }

    fn canonical(&self) -> String {
        format!("{self:?}")
    }
}
