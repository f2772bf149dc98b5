//! Needs and offers: hard constraints, a transparent score, and the best assignment of all.
//!
//! A need gets at most one offer, an offer serves as many needs as it has
//! places. Among all assignments that break no constraint the one with the
//! greatest total score is found exactly, by the primal-dual (Hungarian) method
//! over the edges that exist (Ahuja, Magnanti and Orlin 1993, §12.4). Scores are
//! whole points, so nothing depends on rounding, and prices move by whole steps.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

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
    let mut search = Search::new(edges, places);
    let mut free: Vec<usize> = (0..edges.len()).filter(|&row| !search.edges[row].is_empty()).collect();
    while search.level > 0 && !free.is_empty() && search.spare > 0 {
        // As many as find a place at these prices; what the last round reached is all that can be reached.
        loop {
            let before = free.len();
            search.forget();
            free.retain(|&row| !search.augment(row));
            if free.len() == before || free.is_empty() || search.spare == 0 {
                break;
            }
        }
        search.reprice();
    }
    search.column_of
}

/// Prices `row + column` are never below a score, and equal to it where a row is assigned; a column with a
/// place to spare costs nothing. All rows without a column stand at the same price, the least of all rows:
/// when it has come down to nothing, or nothing is to spare, no assignment scores more.
struct Search {
    /// By row: columns with their scores, the highest first.
    edges: Vec<Vec<(usize, i64)>>,
    places: Vec<u32>,
    /// Places to spare in all columns.
    spare: u64,
    /// The price of all rows without a column.
    level: i64,
    row_price: Vec<i64>,
    column_price: Vec<i64>,
    column_of: Vec<Option<usize>>,
    rows_of: Vec<Vec<usize>>,
    /// What this round has reached, and each column from which row.
    rows: Vec<usize>,
    columns: Vec<usize>,
    is_reached: Vec<bool>,
    is_reached_row: Vec<bool>,
    reached_from: Vec<usize>,
    /// The least step down that joins another column.
    step: i64,
}

impl Search {
    fn new(edges: &[Vec<(usize, i64)>], places: &[u32]) -> Search {
        let sorted = |row: &Vec<(usize, i64)>| {
            let mut useful: Vec<(usize, i64)> =
                row.iter().copied().filter(|&(column, score)| score > 0 && places[column] > 0).collect();
            useful.sort_by_key(|&(column, score)| (std::cmp::Reverse(score), column));
            useful
        };
        let edges: Vec<Vec<(usize, i64)>> = edges.iter().map(sorted).collect();
        let level = edges.iter().flatten().map(|edge| edge.1).max().unwrap_or(0);
        Search {
            spare: places.iter().map(|&p| u64::from(p)).sum(),
            level,
            row_price: vec![level; edges.len()],
            column_price: vec![0; places.len()],
            column_of: vec![None; edges.len()],
            rows_of: vec![Vec::new(); places.len()],
            rows: Vec::new(),
            columns: Vec::new(),
            is_reached: vec![false; places.len()],
            is_reached_row: vec![false; edges.len()],
            reached_from: vec![usize::MAX; places.len()],
            step: level,
            places: places.to_vec(),
            edges,
        }
    }

    fn forget(&mut self) {
        self.columns.drain(..).for_each(|column| self.is_reached[column] = false);
        self.rows.drain(..).for_each(|row| self.is_reached_row[row] = false);
        self.step = self.level;
    }

    /// Looks for a path of edges at their price from a row without a column to a place to spare, and moves
    /// everybody on it one column on. What an earlier search of this round has reached leads nowhere.
    fn augment(&mut self, start: usize) -> bool {
        let mut open = vec![start];
        while let Some(row) = open.pop() {
            if std::mem::replace(&mut self.is_reached_row[row], true) {
                continue;
            }
            self.rows.push(row);
            let price = self.row_price[row];
            for at in 0..self.edges[row].len() {
                let (column, score) = self.edges[row][at];
                // Prices of columns only add to this, so that all further edges are farther away.
                if price - score >= self.step && price > score {
                    break;
                }
                if self.is_reached[column] {
                    continue;
                }
                let above = price + self.column_price[column] - score;
                if above > 0 {
                    self.step = self.step.min(above);
                    continue;
                }
                self.is_reached[column] = true;
                self.columns.push(column);
                self.reached_from[column] = row;
                if (self.rows_of[column].len() as u32) < self.places[column] {
                    self.shift(start, column);
                    return true;
                }
                open.extend(&self.rows_of[column]);
            }
        }
        false
    }

    /// Everybody on the path takes the column that was reached from them.
    fn shift(&mut self, start: usize, end: usize) {
        self.spare -= 1;
        let mut column = end;
        loop {
            let row = self.reached_from[column];
            let left = self.column_of[row].replace(column);
            self.rows_of[column].push(row);
            match left {
                Some(left) if row != start => {
                    self.rows_of[left].retain(|&r| r != row);
                    column = left;
                }
                _ => return,
            }
        }
    }

    /// Rows that were reached come down until another column is at its price, or they cost nothing.
    fn reprice(&mut self) {
        let step = self.step.clamp(1, self.level);
        self.level -= step;
        self.rows.iter().for_each(|&row| self.row_price[row] -= step);
        self.columns.iter().for_each(|&column| self.column_price[column] += step);
    }
}
