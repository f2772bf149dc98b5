//! From records to pairs and clusters, without truth and without settings.

use crate::candidates::candidates;
use crate::cluster::{self, CANNOT_LINK};
use crate::compare::{Code, Comparer, Objection};
use crate::model::{Evidence, Model, Score};
use crate::population::{Population, RecordId};
use crate::text::mix;
use rayon::prelude::*;
use std::collections::{BTreeMap, HashSet};

/// What a run may be told; the defaults serve.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Only pairs of different sources may match, and each source holds a person once.
    pub across: bool,
    /// Share of the automatic links that shall be true.
    pub wanted_precision: f64,
    /// Most candidate pairs that one rule may add.
    pub budget: usize,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings { across: false, wanted_precision: 0.9999, budget: 3_000_000 }
    }
}

/// What becomes of a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Zone {
    /// Linked without asking.
    Automatic,
    /// A person should look.
    Review,
    /// Not the same person.
    Apart,
}

impl Zone {
    /// The word in the output.
    pub fn word(self) -> &'static str {
        match self {
            Zone::Automatic => "automatic",
            Zone::Review => "review",
            Zone::Apart => "apart",
        }
    }
}

/// A compared pair.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pair {
    /// Smaller record.
    pub left: RecordId,
    /// Larger record.
    pub right: RecordId,
    /// What the comparison found.
    pub code: Code,
    /// Logarithm of the odds.
    pub score: Score,
    /// What becomes of it.
    pub zone: Zone,
}

/// What a run found.
pub struct Outcome {
    /// Pairs in the automatic and the review zone, in order of records.
    pub pairs: Vec<Pair>,
    /// For each record, the smallest record of its cluster.
    pub clusters: Vec<RecordId>,
    /// Probability from which a pair is linked without asking.
    pub automatic: f64,
    /// Probability from which a person should look.
    pub review: f64,
    /// Number of compared pairs.
    pub compared: usize,
    /// The learnt weights.
    pub model: Model,
}

/// The model is trusted by half: it counts on records that agree by chance alone.
const TRUSTED: f64 = 0.5;
/// Least probability of a pair that a person should look at.
const REVIEW: f64 = 0.05;
/// Most of the expected links that the wanted precision may cost.
const MOST_LOST: f64 = 0.05;
/// Least probability of a pair that clustering takes into account without comparing it again.
const KEPT: f64 = 1e-3;
/// Least share of records without a partner that a link of two files assumes.
const LEAST_ALONE: f64 = 0.002;
/// Pairs drawn to learn how often strangers agree.
const SAMPLE: u64 = 400_000;

/// Links the records of a population.
pub fn link(people: &Population, settings: &Settings) -> Outcome {
    let comparer = Comparer::new(people);
    let found = candidates(people, settings.across, settings.budget);
    let codes: Vec<Code> = found.par_iter().map(|(left, right)| comparer.code(*left, *right)).collect();
    let model = learn(people, settings, &comparer, &codes);
    let compared = found.len();
    let mut pairs: Vec<Pair> = found
        .into_par_iter()
        .zip(codes)
        .map(|((left, right), code)| {
            let score = model.score(people, left, code);
            Pair { left, right, code, score, zone: Zone::Apart }
        })
        .filter(|pair| pair.score.probability() >= KEPT)
        .collect();
    if settings.across {
        one_to_one(people, &model, &mut pairs);
    }
    let clusters = group(people, settings, &comparer, &model, &pairs);
    for pair in &mut pairs {
        pair.zone = zone(&comparer, pair, &clusters);
    }
    let automatic = threshold(&pairs, settings.wanted_precision);
    for pair in pairs.iter_mut().filter(|pair| pair.zone == Zone::Automatic) {
        if pair.score.probability() < automatic {
            pair.zone = Zone::Review;
        }
    }
    pairs.retain(|pair| pair.zone != Zone::Apart);
    close(people, &comparer, &model, &mut pairs);
    Outcome { pairs, clusters, automatic, review: REVIEW, compared, model }
}

/// Where each file holds a person once, the partners of a record compete: the
/// odds of a pair are taken against the other partners of its two records and
/// against the share of records that have no partner, instead of against one.
fn one_to_one(people: &Population, model: &Model, pairs: &mut [Pair]) {
    let mut sizes = [0u32; 256];
    (0..people.len() as RecordId).for_each(|record| sizes[people.source(record) as usize] += 1);
    let files = sizes.iter().filter(|size| **size > 0).count();
    if files != 2 {
        return;
    }
    let smaller = f64::from(sizes.iter().copied().filter(|size| *size > 0).min().unwrap_or(1));
    let alone = (1.0 - model.expected_matches / smaller).clamp(LEAST_ALONE, 1.0);
    let mut rivals = vec![0.0f64; people.len()];
    let odds = |pair: &Pair| pair.score.log_odds.clamp(-40.0, 40.0).exp();
    for pair in pairs.iter() {
        rivals[pair.left as usize] += odds(pair);
        rivals[pair.right as usize] += odds(pair);
    }
    for pair in pairs {
        let own = odds(pair);
        let others =
            (rivals[pair.left as usize] - own).max(0.0) + (rivals[pair.right as usize] - own).max(0.0);
        pair.score.log_odds = own.ln() - (others + alone).ln();
    }
}

/// Records that automatic links join are one person, so every pair of them is linked: where A is B and
/// B is C, it needs no further proof that A is C. A cluster holds no two records that cannot be one.
fn close(people: &Population, comparer: &Comparer, model: &Model, pairs: &mut Vec<Pair>) {
    let automatic = pairs.iter().filter(|pair| pair.zone == Zone::Automatic);
    let root = cluster::joined(people.len(), automatic.map(|pair| (pair.left, pair.right)));
    for pair in pairs.iter_mut().filter(|pair| pair.zone == Zone::Review) {
        if root[pair.left as usize] == root[pair.right as usize] {
            pair.zone = Zone::Automatic;
        }
    }
    let mut members: BTreeMap<RecordId, Vec<RecordId>> = BTreeMap::new();
    for pair in pairs.iter().filter(|pair| pair.zone == Zone::Automatic) {
        let known = members.entry(root[pair.left as usize]).or_default();
        known.extend([pair.left, pair.right]);
    }
    let known: HashSet<(RecordId, RecordId)> = pairs
        .iter()
        .filter(|pair| root[pair.left as usize] == root[pair.right as usize])
        .map(|pair| (pair.left, pair.right))
        .collect();
    for records in members.values_mut() {
        records.sort_unstable();
        records.dedup();
        for (at, left) in records.iter().enumerate() {
            for right in records[at + 1..].iter().filter(|right| !known.contains(&(*left, **right))) {
                let code = comparer.code(*left, *right);
                let score = model.score(people, *left, code);
                pairs.push(Pair { left: *left, right: *right, code, score, zone: Zone::Automatic });
            }
        }
    }
    pairs.sort_unstable_by_key(|pair| (pair.left, pair.right));
}

fn histogram(mut codes: Vec<Code>) -> Vec<(Code, u64)> {
    codes.par_sort_unstable();
    codes.chunk_by(|a, b| a == b).map(|group| (group[0], group.len() as u64)).collect()
}

fn learn(people: &Population, settings: &Settings, comparer: &Comparer, codes: &[Code]) -> Model {
    let records = people.len() as u64;
    let mut pairs = records * records.saturating_sub(1) / 2;
    if settings.across {
        let mut sizes = [0u64; 256];
        (0..people.len() as RecordId).for_each(|record| sizes[people.source(record) as usize] += 1);
        pairs -= sizes.iter().map(|size| size * size.saturating_sub(1) / 2).sum::<u64>();
    }
    let may_match = |left: RecordId, right: RecordId| {
        left != right && (!settings.across || people.source(left) != people.source(right))
    };
    let sample: Vec<Code> = if records * records / 2 <= 2 * SAMPLE {
        (0..records as RecordId)
            .into_par_iter()
            .flat_map_iter(|left| (left + 1..records as RecordId).map(move |right| (left, right)))
            .filter(|(left, right)| may_match(*left, *right))
            .map(|(left, right)| comparer.code(left, right))
            .collect()
    } else {
        (0..SAMPLE)
            .into_par_iter()
            .map(|draw| ((mix(draw, 11) % records) as RecordId, (mix(draw, 29) % records) as RecordId))
            .filter(|(left, right)| may_match(*left, *right))
            .map(|(left, right)| comparer.code(left, right))
            .collect()
    };
    let candidates = histogram(codes.to_vec());
    let evidence =
        Evidence { candidates: &candidates, sample: &histogram(sample), pairs: pairs.max(1) as f64 };
    Model::learn(people, &evidence)
}

/// The probability from which the links are expected to hold the wanted
/// precision; lower where that would give up too many links.
fn threshold(pairs: &[Pair], wanted: f64) -> f64 {
    let mut probabilities: Vec<f64> = pairs
        .iter()
        .filter(|pair| pair.zone == Zone::Automatic)
        .map(|pair| pair.score.probability())
        .collect();
    probabilities.sort_unstable_by(|a, b| b.total_cmp(a));
    let all: f64 = probabilities.iter().sum();
    let (mut sum, mut least) = (0.0, 1.0f64);
    for (place, probability) in probabilities.iter().enumerate() {
        sum += probability;
        let all_false = (place + 1) as f64 - sum;
        if all_false <= TRUSTED * (1.0 - wanted) * (place + 1) as f64 || sum <= (1.0 - MOST_LOST) * all {
            least = *probability;
        }
    }
    least.clamp(0.5, 0.999_999)
}

/// A pair is linked without asking when the evidence of the whole cluster
/// carries it and nothing stands against it; a likely pair that its cluster
/// does not carry is for a person to look at.
fn zone(comparer: &Comparer, pair: &Pair, clusters: &[RecordId]) -> Zone {
    let together = clusters[pair.left as usize] == clusters[pair.right as usize];
    if together && comparer.objection(pair.left, pair.right, pair.code).is_none() {
        Zone::Automatic
    } else if together || pair.score.probability() >= REVIEW {
        Zone::Review
    } else {
        Zone::Apart
    }
}

fn group(
    people: &Population,
    settings: &Settings,
    comparer: &Comparer,
    model: &Model,
    pairs: &[Pair],
) -> Vec<RecordId> {
    let evidence = |left: RecordId, right: RecordId, code: Code, score: Score| {
        let same_source = settings.across && people.source(left) == people.source(right);
        match comparer.objection(left, right, code) {
            _ if same_source => CANNOT_LINK,
            Some(Objection::OtherNumber | Objection::RelativesNumber) => CANNOT_LINK,
            Some(Objection::PerhapsTwins) => score.log_odds.clamp(-6.0, -1.0),
            None => score.log_odds.clamp(-6.0, 12.0),
        }
    };
    let links: Vec<cluster::Link> = pairs
        .iter()
        .map(|pair| cluster::Link {
            left: pair.left,
            right: pair.right,
            evidence: evidence(pair.left, pair.right, pair.code, pair.score),
        })
        .collect();
    let absent = |left, right| {
        let code = comparer.code(left, right);
        evidence(left, right, code, model.score(people, left, code))
    };
    cluster::average_link(people.len(), &links, 0.0, &absent)
}
