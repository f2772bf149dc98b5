//! How many resources there are of each type, and when they came.

use std::collections::{BTreeMap, BTreeSet};

use tongmai_store::{Event, EventKind};

use super::View;
use super::bytes::{Reader, put};

/// How many resources of each type there are, and how many came in on each day: what the county
/// overview shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Census {
    /// By type: current resources.
    pub resources: BTreeMap<u16, i64>,
    /// By day (since 1970, China Standard Time) and type: first versions.
    pub arrived: BTreeMap<(i64, u16), i64>,
    /// Events of all kinds.
    pub events: u64,
    /// Resources that are deleted now; needed to count a resurrection.
    deleted: BTreeSet<i64>,
}

impl View for Census {
    const NAME: &'static str = "census";
    const DEFINITION: &'static str = "1: current resources by type, first versions by day and type";

    fn new(_: &[u8; 32]) -> Census {
        Census::default()
    }

    fn apply(&mut self, event: &Event) {
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

    fn write(&self, out: &mut Vec<u8>) {
        put(self.events.cast_signed(), out);
        put(self.resources.len() as i64, out);
        for (&kind, &count) in &self.resources {
            put(kind.into(), out);
            put(count, out);
        }
        put(self.arrived.len() as i64, out);
        for (&(day, kind), &count) in &self.arrived {
            put(day, out);
            put(kind.into(), out);
            put(count, out);
        }
        put(self.deleted.len() as i64, out);
        for &key in &self.deleted {
            put(key, out);
        }
    }

    fn read(_: &[u8; 32], from: &mut Reader<'_>) -> Option<Census> {
        let mut census = Census { events: from.number()?, ..Census::default() };
        from.list(&mut |item| {
            census.resources.insert(item.number()?, item.number()?);
            Some(())
        })?;
        from.list(&mut |item| {
            census.arrived.insert((item.number()?, item.number()?), item.number()?);
            Some(())
        })?;
        from.list(&mut |item| {
            census.deleted.insert(item.number()?);
            Some(())
        })?;
        Some(census)
    }
}
