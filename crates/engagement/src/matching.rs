//! Needs and offers: hard constraints, a transparent score, and the best assignment of all.
//!
//! A need gets at most one offer, an offer serves as many needs as it has
//! places. Among all assignments that break no constraint the one with the
//! greatest total score is found exactly (shortest augmenting paths with
//! potentials; Ahuja, Magnanti and Orlin 1993, §12.4). Scores are whole points,
//! so nothing depends on rounding.

use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

/// What somebody needs.
#[derive(Debug, Clone, Deserialize, Default)]
#[serde(default)]
pub struct Need {
    /// Identifier.
    pub id: String,
    /// Kind of help: `training`, `equipment`, `counselling`, `fund` …
    pub kind: String,
    /// Where.
    pub region: String,
    /// For which disease.
    pub disease: String,
    /// Stage of illness.
    pub stage: String,
    /// Whether the person agreed to be matched.
    pub consent: bool,
    /// Organisations that must not serve this need (conflict of interest, refusal by the person).
    pub excluded: Vec<String>,
    /// Urgency, 0–3.
    pub urgency: u8,
    /// Days waited.
    pub waiting_days: u32,
}

/// What somebody offers. An empty list of regions, diseases or stages means all.
#[derive(Debug, Clone, Deserialize, Default)]
#[serde(default)]
pub struct Offer {
    /// Identifier.
    pub id: String,
    /// The organisation behind it.
    pub organisation: String,
    /// Kind of help.
    pub kind: String,
    /// Regions served.
    pub regions: Vec<String>,
    /// Diseases served.
    pub diseases: Vec<String>,
    /// Stages served.
    pub stages: Vec<String>,
    /// Whether this kind of help takes a licence.
    pub needs_licence: bool,
    /// Whether the organisation holds it.
    pub licensed: bool,
    /// How many needs it can serve.
    pub places: u32,
}

/// Why an offer may not serve a need. The first in this order is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The person has not agreed to be matched.
    NoConsent,
    /// Another kind of help.
    OtherKind,
    /// The organisation is excluded for this need.
    ConflictOfInterest,
    /// The help takes a licence the organisation does not hold.
    NoLicence,
    /// The region is not served.
    Region,
    /// The disease is not served.
    Disease,
    /// The stage of illness is not served.
    Stage,
    /// It would fit, but serving others brings more in total.
    PlacesTaken,
}

impl Reason {
    /// Its code.
    pub fn code(self) -> &'static str {
        match self {
            Reason::NoConsent => "no_consent",
            Reason::OtherKind => "other_kind",
            Reason::ConflictOfInterest => "conflict_of_interest",
            Reason::NoLicence => "no_licence",
            Reason::Region => "region",
            Reason::Disease => "disease",
            Reason::Stage => "stage",
            Reason::PlacesTaken => "places_taken",
        }
    }
}

/// Parts of a score, in points; their sum is the score.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Score {
    /// For every match.
    pub base: i64,
    /// For urgency.
    pub urgency: i64,
    /// For waiting, one a week, at most a year's.
    pub waiting: i64,
    /// For an offer meant for this disease rather than for all.
    pub disease: i64,
    /// For an offer meant for this region.
    pub region: i64,
    /// For an offer meant for this stage.
    pub stage: i64,
}

impl Score {
    /// The sum.
    pub fn total(&self) -> i64 {
        self.base + self.urgency + self.waiting + self.disease + self.region + self.stage
    }
}

/// Whether the offer may serve the need, and how well.
///
/// # Errors
/// The first constraint it breaks.
pub fn score(need: &Need, offer: &Offer) -> Result<Score, Reason> {
    let serves = |list: &[String], value: &String| list.is_empty() || list.contains(value);
    let broken = [
        (!need.consent, Reason::NoConsent),
        (need.kind != offer.kind, Reason::OtherKind),
        (need.excluded.contains(&offer.organisation), Reason::ConflictOfInterest),
        (offer.needs_licence && !offer.licensed, Reason::NoLicence),
        (!serves(&offer.regions, &need.region), Reason::Region),
        (!serves(&offer.diseases, &need.disease), Reason::Disease),
        (!serves(&offer.stages, &need.stage), Reason::Stage),
    ];
    if let Some((_, reason)) = broken.into_iter().find(|(is_broken, _)| *is_broken) {
        return Err(reason);
    }
    let meant = |list: &[String], points: i64| if list.is_empty() { 0 } else { points };
    Ok(Score {
        base: 100,
        urgency: 40 * i64::from(need.urgency.min(3)),
        waiting: i64::from((need.waiting_days / 7).min(52)),
        disease: meant(&offer.diseases, 20),
        region: meant(&offer.regions, 10),
        stage: meant(&offer.stages, 10),
    })
}

/// What became of one need.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    /// The need.
    pub need: String,
    /// The offer that serves it.
    pub offer: Option<String>,
    /// The score, if served.
    pub score: Option<Score>,
    /// Offers that do not serve it, counted by reason.
    pub refusals: BTreeMap<Reason, u32>,
}

impl Outcome {
    /// Why the need goes without: the reason of the offer that came closest. None when it is served.
    pub fn reason(&self) -> Option<String> {
        if self.offer.is_some() {
            return None;
        }
        Some(self.refusals.keys().max().map_or("no_offer", |reason| reason.code()).to_owned())
    }

    /// Points of the match; 0 when it is not served.
    pub fn points(&self) -> i64 {
        self.score.map_or(0, |score| score.total())
    }
}

/// The best assignment with its reasons.
#[derive(Debug, Clone, Serialize)]
pub struct Matching {
    /// Sum of scores: no other assignment has more.
    pub total: i64,
    /// One a need, in the order given.
    pub outcomes: Vec<Outcome>,
}

/// Matches needs to offers.
pub fn match_all(needs: &[Need], offers: &[Offer]) -> Matching {
    let mut edges: Vec<Vec<(usize, i64)>> = Vec::with_capacity(needs.len());
    let mut refusals: Vec<BTreeMap<Reason, u32>> = Vec::with_capacity(needs.len());
    for need in needs {
        let mut fitting = Vec::new();
        let mut refused = BTreeMap::new();
        for (j, offer) in offers.iter().enumerate() {
            match score(need, offer) {
                Ok(score) => fitting.push((j, score.total())),
                Err(reason) => *refused.entry(reason).or_insert(0) += 1,
            }
        }
        edges.push(fitting);
        refusals.push(refused);
    }
    let places: Vec<u32> = offers.iter().map(|o| o.places).collect();
    let chosen = assign(&edges, &places);
    let mut total = 0;
    let outcomes = needs
        .iter()
        .zip(refusals)
        .enumerate()
        .map(|(i, (need, mut refusals))| {
            let taken = edges[i].len() as u32 - u32::from(chosen[i].is_some());
            if taken > 0 {
                refusals.insert(Reason::PlacesTaken, taken);
            }
            let score = chosen[i].and_then(|j| score(need, &offers[j]).ok());
            total += score.map_or(0, |s| s.total());
            Outcome { need: need.id.clone(), offer: chosen[i].map(|j| offers[j].id.clone()), score, refusals }
        })
        .collect();
    Matching { total, outcomes }
}

/// The assignment of greatest total: for each row a column or none, with at most
/// `places[column]` rows a column. `edges[row]` lists columns with their score;
/// staying unassigned scores 0, so edges of 0 or less are never needed.
pub fn assign(edges: &[Vec<(usize, i64)>], places: &[u32]) -> Vec<Option<usize>> {
    let mut search = Search {
        edges,
        places,
        row_price: vec![0; edges.len()],
        column_price: vec![0; places.len()],
        column_of: vec![None; edges.len()],
        rows_of: vec![Vec::new(); places.len()],
        distance: vec![i64::MAX; places.len()],
        reached_from: vec![usize::MAX; places.len()],
        settled: vec![false; places.len()],
    };
    for row in 0..edges.len() {
        search.augment(row);
    }
    search.column_of
}

/// Costs are negative scores; prices keep every reduced cost at 0 or more, and at 0 on what is assigned.
struct Search<'a> {
    edges: &'a [Vec<(usize, i64)>],
    places: &'a [u32],
    row_price: Vec<i64>,
    column_price: Vec<i64>,
    column_of: Vec<Option<usize>>,
    rows_of: Vec<Vec<usize>>,
    distance: Vec<i64>,
    reached_from: Vec<usize>,
    settled: Vec<bool>,
}

/// Where a shortest path ends: a column with a free place, or a row that goes without.
#[derive(Clone, Copy)]
enum End {
    Column(usize),
    Without(usize),
}

impl Search<'_> {
    fn augment(&mut self, start: usize) {
        let mut queue = BinaryHeap::new();
        let mut touched = Vec::new();
        let mut rows = vec![(start, 0)];
        // Going without costs nothing, less the row's price.
        let mut best = (-self.row_price[start], End::Without(start));
        self.relax(start, 0, &mut queue, &mut touched);
        let mut settled_columns = Vec::new();
        while let Some(Reverse((distance, column))) = queue.pop() {
            if distance >= best.0 {
                break;
            }
            if self.settled[column] || distance > self.distance[column] {
                continue;
            }
            self.settled[column] = true;
            settled_columns.push(column);
            if (self.rows_of[column].len() as u32) < self.places[column] {
                best = (distance, End::Column(column));
                break;
            }
            for row in self.rows_of[column].clone() {
                rows.push((row, distance));
                if distance - self.row_price[row] < best.0 {
                    best = (distance - self.row_price[row], End::Without(row));
                }
                self.relax(row, distance, &mut queue, &mut touched);
            }
        }
        let (length, end) = best;
        for (row, distance) in rows {
            self.row_price[row] += length - distance;
        }
        for column in settled_columns {
            self.column_price[column] -= length - self.distance[column];
        }
        self.shift(start, end);
        for column in touched {
            self.distance[column] = i64::MAX;
            self.settled[column] = false;
        }
    }

    fn relax(
        &mut self,
        row: usize,
        so_far: i64,
        queue: &mut BinaryHeap<Reverse<(i64, usize)>>,
        touched: &mut Vec<usize>,
    ) {
        for &(column, score) in &self.edges[row] {
            if self.settled[column] || self.places[column] == 0 || self.column_of[row] == Some(column) {
                continue;
            }
            let through = so_far - score - self.row_price[row] - self.column_price[column];
            if through < self.distance[column] {
                if self.distance[column] == i64::MAX {
                    touched.push(column);
                }
                self.distance[column] = through;
                self.reached_from[column] = row;
                queue.push(Reverse((through, column)));
            }
        }
    }

    /// Moves everybody on the path one column on.
    fn shift(&mut self, start: usize, end: End) {
        let mut vacated = match end {
            End::Column(column) => Some(column),
            End::Without(row) => self.leave(row),
        };
        // Each vacated column is taken by the row it was reached from, which vacates its own.
        while let Some(column) = vacated {
            let row = self.reached_from[column];
            vacated = self.leave(row);
            self.column_of[row] = Some(column);
            self.rows_of[column].push(row);
            if row == start {
                break;
            }
        }
    }

    /// Takes the row out of its column, which is returned.
    fn leave(&mut self, row: usize) -> Option<usize> {
        let column = self.column_of[row].take()?;
        self.rows_of[column].retain(|&r| r != row);
        Some(column)
    }
}
