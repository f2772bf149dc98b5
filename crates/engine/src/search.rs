//! Searching: what is asked for, and what is found.
//!
//! [`Engine::query`] turns the parameters of a request into a [`Query`], refusing what
//! it does not know. [`Engine::search`] answers it as of one position of the
//! ledger, so that all pages of a search show one state.

mod driver;
mod execute;
mod include;
mod parse;
mod predicate;
mod sort;

use tongmai_access::{Operation, Point, Sealed, Sight};
use tongmai_base::limits;
use tongmai_fhir::definition::ResourceTypeId;
use tongmai_store::{Guard, Seq, Snapshot};

use crate::failure::{Failure, Outcome, Reason};
use crate::{Engine, Resource};

pub(crate) use predicate::Predicate;

/// Whether the number of all matches is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Total {
    /// Not wanted: a page costs the same however many there are.
    #[default]
    None,
    /// Wanted, exactly.
    Accurate,
}

/// Which part of each resource is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Part {
    /// All of it.
    #[default]
    Whole,
    /// `_summary=true`: the elements that FHIR marks as summary.
    Summary,
    /// `_summary=text`: narrative, id, meta and mandatory elements.
    Text,
    /// `_summary=data`: all but the narrative.
    Data,
    /// `_summary=count`: only how many there are.
    Count,
    /// `_elements`: these, and the mandatory ones.
    Elements(Vec<String>),
}

/// A sort key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SortKey {
    /// Code of the parameter.
    pub code: String,
    /// Highest first.
    pub descending: bool,
}

/// An `_include` or `_revinclude`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Include {
    /// Type that has the reference; `None` for `*`.
    pub source: Option<ResourceTypeId>,
    /// Code of the reference parameter; `None` for `*`.
    pub code: Option<String>,
    /// Only targets of this type.
    pub target: Option<ResourceTypeId>,
    /// Also from what was included.
    pub iterate: bool,
}

/// What a search of one type asks for.
#[derive(Debug, Clone)]
pub struct TypeQuery {
    /// The type.
    pub type_id: ResourceTypeId,
    pub(crate) predicates: Vec<Predicate>,
}

/// A search.
#[derive(Debug, Clone, Default)]
pub struct Query {
    /// One for each type that is searched, in order.
    pub types: Vec<TypeQuery>,
    /// Sort keys, the most significant first.
    pub sort: Vec<SortKey>,
    /// Matches on a page.
    pub count: usize,
    /// Whether the total is wanted.
    pub total: Total,
    /// What is wanted of each resource.
    pub part: Part,
    /// References to follow forward.
    pub include: Vec<Include>,
    /// References to follow backward.
    pub revinclude: Vec<Include>,
    /// Parameters that were ignored on request, as they were written.
    pub ignored: Vec<String>,
}

/// Where a page begins, and the state that it shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageStart {
    /// The position of the ledger that all pages show.
    pub as_of: Seq,
    /// When the first page was made, in milliseconds since 1970.
    pub made: i64,
    /// Matches on the pages before.
    pub offset: u64,
    /// Which of the types is being listed, and which of its predicates leads.
    pub type_index: u32,
    /// The leading predicate; chosen on the first page and kept.
    pub leader: u32,
    /// Where the leading scan goes on, when it can.
    pub resume: Option<Resume>,
    /// Number of the kept link that stands for all of this under limits; 0 for none.
    pub kept: u64,
}

impl PageStart {
    /// Where the first page begins.
    pub(crate) fn first(as_of: Seq, made: i64) -> PageStart {
        PageStart { as_of, made, offset: 0, type_index: 0, leader: u32::MAX, resume: None, kept: 0 }
    }
}

/// Where a leading scan goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resume {
    /// Behind this position, newest first.
    Before(Seq),
    /// In this stage of a range scan, behind this row.
    Row {
        /// Which of the ranges.
        stage: u32,
        /// Value of the row.
        value: i64,
        /// Position of the row.
        seq: Seq,
        /// Extra of the row.
        extra: i64,
    },
}

/// A page of a search.
#[derive(Debug, Default)]
pub struct Page {
    /// What was found.
    pub matches: Vec<Resource>,
    /// What the includes added.
    pub included: Vec<Resource>,
    /// Number of all matches, when it was asked for.
    pub total: Option<u64>,
    /// Where the next page begins.
    pub next: Option<PageStart>,
    /// The state that was shown.
    pub as_of: Seq,
    /// Includes were cut at the limit.
    pub includes_cut: bool,
}

impl Engine {
    /// Answers a search; `start` is given for every page but the first.
    pub fn search(&self, sight: &Sight, query: &Query, start: Option<PageStart>) -> Outcome<Sealed<Page>> {
        let mut snapshot = self.store.snapshot()?;
        let now = self.now();
        let (start, mut shown) = self.page_start(sight, &mut *snapshot, start)?;
        if let Some(start) = start {
            if now - start.made > limits::PAGE_LINK_SECONDS * 1000 || start.as_of > snapshot.position() {
                return Err(Failure::new(Reason::Gone, "", "expired", "this page link has expired")
                    .repair("begin the search again"));
            }
            self.refuse_purged(&mut *snapshot, start.as_of)?;
        }
        let first = PageStart::first(snapshot.position(), now);
        let mut page = execute::page(self, sight, &mut *snapshot, query, start.unwrap_or(first))?;
        let positions: Vec<Seq> =
            page.matches.iter().chain(&page.included).map(|resource| resource.seq).collect();
        if let Some(next) = page.next.as_mut().filter(|_| sight.limits().is_some()) {
            shown.extend(page.matches.iter().map(|resource| resource.seq));
            next.kept = self.keep_link(sight, *next, shown);
        }
        Ok(Sealed::new(page, Operation::Search, positions))
    }

    /// Where a page begins, and what the pages before have shown. A kept link is Gone when something
    /// that it showed may no longer be seen: a consent was withdrawn, a visit ended.
    pub(crate) fn page_start(
        &self,
        sight: &Sight,
        snapshot: &mut dyn Snapshot,
        start: Option<PageStart>,
    ) -> Outcome<(Option<PageStart>, Vec<Seq>)> {
        let Some(start) = start else { return Ok((None, Vec::new())) };
        let eye = self.eye(sight, snapshot)?;
        if !eye.guards(Point::PageLink) {
            let start = if start.kept == 0 { start } else { self.kept_link(sight, start.kept)?.start };
            return Ok((Some(PageStart { kept: 0, ..start }), Vec::new()));
        }
        // A link with a position in it was made for somebody without limits.
        let link = self.kept_link(sight, if start.kept == 0 { u64::MAX } else { start.kept })?;
        if eye.verdicts(snapshot, &link.shown)?.iter().any(|verdict| !verdict.visible) {
            return Err(Failure::new(Reason::Gone, "_page", "expired", "what these pages show has changed")
                .repair("begin the search again"));
        }
        Ok((Some(PageStart { kept: 0, ..link.start }), link.shown.to_vec()))
    }

    /// The first page of a search as it is now, for an entry of a Bundle, which is sealed as a whole.
    pub(crate) fn found(&self, sight: &Sight, query: &Query) -> Outcome<Page> {
        let mut snapshot = self.store.snapshot()?;
        let as_of = snapshot.position();
        let made = self.now();
        let start = PageStart::first(as_of, made);
        let mut page = execute::page(self, sight, &mut *snapshot, query, start)?;
        if let Some(next) = page.next.as_mut().filter(|_| sight.limits().is_some()) {
            let shown = page.matches.iter().map(|resource| resource.seq).collect();
            next.kept = self.keep_link(sight, *next, shown);
        }
        Ok(page)
    }

    /// A page whose state can no longer be shown in full answers Gone: something that it held was
    /// erased since.
    fn refuse_purged(&self, snapshot: &mut dyn Snapshot, as_of: Seq) -> Outcome<()> {
        let mut after = as_of;
        loop {
            let events = snapshot.feed(after, 1000)?;
            let Some(last) = events.last() else { return Ok(()) };
            after = last.seq;
            if events.iter().any(|event| event.kind == tongmai_store::EventKind::Purge) {
                return Err(Failure::new(
                    Reason::Gone,
                    "",
                    "expired",
                    "what this page showed was erased since",
                )
                .repair("begin the search again"));
            }
        }
    }

    /// The positions of up to `limit` matches of a query now, for a conditional operation.
    pub(crate) fn matches(
        &self,
        sight: &Sight,
        snapshot: &mut dyn Snapshot,
        query: &Query,
        limit: usize,
    ) -> Outcome<Vec<Seq>> {
        execute::first(self, sight, snapshot, query, limit)
    }

    /// What must still hold for the answer of [`Engine::matches`] to be true when it is used.
    ///
    /// Of a condition that names a few values, such as the numbers of one patient, it is enough that none of them was added
    /// since; of any other, nothing at all may have been written.
    pub(crate) fn guards(&self, snapshot: &dyn Snapshot, query: &Query) -> Vec<Guard> {
        let position = snapshot.position();
        if let [only] = query.types.as_slice() {
            let conditions = execute::conditions(only);
            let rows = conditions.iter().filter_map(|predicate| predicate.watched());
            if let Some(rows) = rows.min_by_key(Vec::len) {
                let guard = |(slot, value)| Guard::NoNewRow { slot, value, after: position };
                return rows.into_iter().map(guard).collect();
            }
        }
        vec![Guard::NothingSince(position)]
    }
}
