//! The desk: groups what has changed, remembers it for the pages, and writes it into the ledger.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use sha2::{Digest, Sha256};
use tongmai_access::{Requester, Sight};
use tongmai_base::Finding;
use tongmai_drg::indicators::Reference;
use tongmai_drg::quality::Rules;
use tongmai_drg::{Outcome, Scratch, Status};
use tongmai_engine::bundle::Ids;
use tongmai_engine::views::Running;
use tongmai_engine::{Engine, Outcome as Result};
use tongmai_store::Seq;

use super::discharge::Discharge;
use super::facts::{Discharges, Fact};
use super::result;
use super::shelf::{Held, Shelf};

/// Results that are written in one transaction.
const WRITTEN_AT_ONCE: usize = 100;

/// A stay with its group.
#[derive(Debug, Clone, PartialEq)]
pub struct Grouped {
    /// The stay.
    pub stay: Discharge,
    /// Name of the pack.
    pub pack: String,
    /// What became of it.
    pub outcome: Outcome,
    /// Code of the group, as the pack writes it.
    pub group: String,
    /// Code of the ADRG.
    pub adrg: String,
    /// Name of the group.
    pub name: String,
    /// Findings of the checks: errors, warnings, hints.
    pub findings: [u32; 3],
    /// What was grouped, as 16 hexadecimal digits.
    pub fingerprint: String,
}

impl Grouped {
    /// Whether it is in a group.
    pub fn is_grouped(&self) -> bool {
        self.outcome.status == Status::Grouped
    }
}

/// All grouped stays of one moment.
#[derive(Debug, Default)]
pub struct Grouping {
    /// By the Encounter's id.
    pub stays: BTreeMap<String, Arc<Grouped>>,
    /// Results that are not in the ledger yet.
    pending: BTreeSet<String>,
    /// Up to where the ledger has been seen.
    seen: Option<Seq>,
    /// Which shelf it was grouped with.
    edition: u64,
}

/// Groups discharges as they arrive.
pub struct Desk {
    facts: Running<Discharges>,
    shelf: RwLock<(Arc<Shelf>, u64)>,
    grouping: Mutex<Grouping>,
}

impl Default for Desk {
    fn default() -> Desk {
        Desk::new(None, Shelf::default())
    }
}

impl Desk {
    /// A desk over these packs; the checkpoint of its view lies in `folder`.
    pub fn new(folder: Option<PathBuf>, shelf: Shelf) -> Desk {
        Desk {
            facts: Running::new(folder),
            shelf: RwLock::new((Arc::new(shelf), 0)),
            grouping: Mutex::default(),
        }
    }

    /// The packs in force.
    pub fn shelf(&self) -> Arc<Shelf> {
        self.shelf.read().unwrap_or_else(PoisonError::into_inner).0.clone()
    }

    /// Puts other packs in force; every discharge is grouped again when it is next looked at.
    pub fn change_shelf(&self, shelf: Shelf) {
        let mut held = self.shelf.write().unwrap_or_else(PoisonError::into_inner);
        *held = (Arc::new(shelf), held.1 + 1);
    }

    /// Why the last checkpoint could not be saved, told once.
    pub fn take_trouble(&self) -> Option<String> {
        self.facts.take_trouble()
    }

    /// Brings the groups up to date and looks at them.
    pub fn look<T>(&self, engine: &Engine, look: impl FnOnce(&Grouping, &Shelf) -> T) -> Result<T> {
        let (shelf, edition) = {
            let held = self.shelf.read().unwrap_or_else(PoisonError::into_inner);
            (held.0.clone(), held.1)
        };
        let mut grouping = self.grouping.lock().unwrap_or_else(PoisonError::into_inner);
        self.facts.now(engine, |facts, position| {
            let since = grouping.seen.filter(|_| grouping.edition == edition);
            if since.is_none() {
                *grouping = Grouping { edition, ..Grouping::default() };
            }
            grouping.advance(facts, &shelf, since);
            grouping.seen = Some(position);
        })?;
        Ok(look(&grouping, &shelf))
    }

    /// As whom results are written.
    pub fn writer() -> Requester {
        Requester::installation("drg", "HPAYMT")
    }

    /// Writes what has been grouped anew into the ledger, under the sight of [`Desk::writer`]; gives how many
    /// results were written.
    pub async fn write(&self, engine: &Engine, sight: &Sight) -> Result<usize> {
        let now = engine.now();
        let (bundle, ids) = self.look(engine, |grouping, shelf| {
            let ids: Vec<String> = grouping.pending.iter().take(WRITTEN_AT_ONCE).cloned().collect();
            let resources = ids.iter().filter_map(|id| {
                let grouped = grouping.stays.get(id)?;
                let held = shelf.named(&grouped.pack)?;
                Some((
                    id,
                    result::resource(
                        &grouped.stay.as_paid(),
                        held,
                        &grouped.outcome,
                        &grouped.fingerprint,
                        now,
                    ),
                ))
            });
            (transaction(resources), ids)
        })?;
        if ids.is_empty() {
            return Ok(0);
        }
        engine.process_counting(sight, bundle.as_bytes(), Ids::Fresh).await?;
        let mut grouping = self.grouping.lock().unwrap_or_else(PoisonError::into_inner);
        ids.iter().for_each(|id| _ = grouping.pending.remove(id));
        Ok(ids.len())
    }
}

/// A transaction that puts each result in the place of the one before.
fn transaction<'i>(resources: impl Iterator<Item = (&'i String, String)>) -> String {
    let mut out = String::from("{\"resourceType\":\"Bundle\",\"type\":\"transaction\",\"entry\":[");
    for (at, (id, resource)) in resources.enumerate() {
        if at > 0 {
            out.push(',');
        }
        out.push_str("{\"resource\":");
        out.push_str(&resource);
        out.push_str(",\"request\":{\"method\":\"PUT\",\"url\":\"ExplanationOfBenefit?identifier=");
        out.push_str(&format!("{}%7C{id}\"}}}}", result::SYSTEM));
    }
    out.push_str("]}");
    out
}

impl Grouping {
    fn advance(&mut self, facts: &Discharges, shelf: &Shelf, since: Option<Seq>) {
        let mut scratches: BTreeMap<String, Scratch> = BTreeMap::new();
        for id in facts.touched_after(since) {
            self.pending.remove(id);
            let Some(stay) = Discharge::of(facts, id).filter(|stay| stay.discharged.is_some()) else {
                self.stays.remove(id);
                continue;
            };
            let Some(grouped) = group(stay, shelf, &mut scratches) else { continue };
            let written = facts.parts(id).any(|(_, fact)| {
                matches!(fact, Fact::Written { pack, group, fingerprint, .. }
                    if *pack == grouped.pack && *group == grouped.group && *fingerprint == grouped.fingerprint)
            });
            if !written {
                self.pending.insert(id.to_owned());
            }
            self.stays.insert(id.to_owned(), Arc::new(grouped));
        }
    }

    /// The same with these stays alone.
    pub fn part(&self, keep: impl Fn(&Grouped) -> bool) -> Grouping {
        let kept = self.stays.iter().filter(|(_, grouped)| keep(grouped));
        Grouping {
            stays: kept.map(|(id, grouped)| (id.clone(), grouped.clone())).collect(),
            pending: BTreeSet::new(),
            seen: self.seen,
            edition: self.edition,
        }
    }

    /// Results that are not in the ledger yet.
    pub fn waiting(&self) -> usize {
        self.pending.len()
    }

    /// Up to where the ledger has been seen.
    pub fn watermark(&self) -> Seq {
        self.seen.unwrap_or(0)
    }

    /// The means of all groups.
    pub fn reference(&self) -> Reference {
        Reference::of(self.stays.values().map(|grouped| seen(grouped, None, 0, false)))
    }
}

/// A stay as the indicators see it.
pub fn seen<'g>(
    grouped: &'g Grouped,
    held: Option<&Held>,
    payment: i64,
    outlier: bool,
) -> tongmai_drg::indicators::Discharge<'g> {
    let group = if grouped.is_grouped() { grouped.group.as_str() } else { "" };
    tongmai_drg::indicators::Discharge {
        group,
        weight: held.and_then(|held| held.weights.get(group).copied()),
        cost: grouped.stay.cost.unwrap_or(0),
        days: grouped.stay.days().unwrap_or(0),
        payment,
        died: grouped.stay.died(),
        outlier,
    }
}

fn group(stay: Discharge, shelf: &Shelf, scratches: &mut BTreeMap<String, Scratch>) -> Option<Grouped> {
    let date = stay.stay("").discharged;
    let held = shelf.on(&date)?;
    let scratch = scratches.entry(held.id().to_owned()).or_insert_with(|| held.grouper.scratch());
    Some(grouped(stay, held, scratch))
}

/// Groups one stay with a pack, by its settlement list where there is one, and checks it.
pub fn grouped(stay: Discharge, held: &Held, scratch: &mut Scratch) -> Grouped {
    let paid = stay.as_paid();
    let outcome = held.grouper.group(&paid.case(), scratch);
    let mut findings = [0; 3];
    for found in Rules::standard().check(&stay.front_page(None)) {
        findings[match found.rule.grade {
            tongmai_drg::quality::Grade::Error => 0,
            tongmai_drg::quality::Grade::Warning => 1,
            tongmai_drg::quality::Grade::Hint => 2,
        }] += 1;
    }
    Grouped {
        pack: held.id().to_owned(),
        group: held.grouper.drg(&outcome).to_owned(),
        adrg: held.grouper.adrg(&outcome).to_owned(),
        name: held.grouper.name(&outcome).to_owned(),
        fingerprint: fingerprint(&paid),
        findings,
        outcome,
        stay,
    }
}

fn fingerprint(stay: &Discharge) -> String {
    let mut digest = Sha256::new();
    let case = stay.case();
    digest.update(format!(
        "{:?} {:?} {:?} {:?} {:?}",
        case.sex, case.age, case.age_days, case.birth_weight, case.stay
    ));
    digest.update(format!("{} {:?} {:?}", case.discharge, case.diagnoses, case.procedures));
    digest.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// Opens the packs below a folder, and says what could not be read.
pub fn open(views: Option<PathBuf>, packs: Option<PathBuf>) -> (Desk, Vec<Finding>) {
    let (shelf, findings) =
        packs.map_or_else(|| (Shelf::default(), Vec::new()), |folder| Shelf::open(&folder));
    (Desk::new(views, shelf), findings)
}
