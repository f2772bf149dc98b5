//! Fellegi–Sunter weights, learnt without truth.
//!
//! Fellegi and Sunter (1969): the evidence of a pair is the ratio of how
//! likely its agreements are among matches (m) and among others (u). The
//! expectation–maximisation of Winkler (1988) runs here on the counts of
//! distinct comparison codes. Two additions:
//!
//! * The pairs that are not matches are a mixture of strangers, members of one
//!   household (who share family name, address, telephone, mother) and twins
//!   (who share the birth date as well). Without it, a shared flat looks like
//!   five independent proofs.
//! * The u of a level is its frequency among all pairs less what the matches
//!   take up, so that a file with many duplicates does not hide how rare a
//!   chance agreement is.

use crate::compare::{Code, LEVELS, SAME, level, name};
use crate::population::{Population, RecordId, Role};

/// Agreements of one class of pairs: probability of each level of each attribute.
pub type Levels = Vec<[f64; LEVELS]>;

/// What is known of the pairs before EM.
pub struct Evidence<'a> {
    /// Distinct codes of the candidate pairs with their counts, in order.
    pub candidates: &'a [(Code, u64)],
    /// Distinct codes of a sample of all pairs with their counts.
    pub sample: &'a [(Code, u64)],
    /// Number of all pairs that may match.
    pub pairs: f64,
}

/// Learnt weights.
pub struct Model {
    /// Probability of each level among matches.
    pub matches: Levels,
    /// Probability of each level among strangers.
    pub strangers: Levels,
    /// Share of all pairs that match.
    pub match_share: f64,
    /// Share of all pairs that are of one household.
    pub household_share: f64,
    /// Share of all pairs that are twins.
    pub twin_share: f64,
    /// Expected number of matches.
    pub expected_matches: f64,
    /// Logarithms of the two tables.
    logs: [Levels; 2],
    roles: Vec<Role>,
    /// For each attribute, how far the frequency of a value counts as chance.
    chance: Vec<f64>,
}

/// What a comparison says of a pair.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Score {
    /// Natural logarithm of the odds that the two records are one person.
    pub log_odds: f64,
}

impl Score {
    /// The probability that the two records are one person.
    pub fn probability(self) -> f64 {
        1.0 / (1.0 + (-self.log_odds).exp())
    }
}

/// Most household pairs and twin pairs for each record that EM may assume.
const MOST_HOUSEHOLD: f64 = 2.0;
const MOST_TWINS: f64 = 0.02;
/// Pairs that a class of pairs must explain before it counts.
const BORNE_OUT: f64 = 5.0;
const ROUNDS: usize = 40;

fn in_household(role: Role) -> bool {
    matches!(
        role,
        Role::Family | Role::Phone | Role::Address | Role::Locality | Role::Postcode | Role::Mother
    )
}

/// First guess of m: mostly full agreement, the rest falling off.
fn first_guess(levels: &[bool; LEVELS]) -> [f64; LEVELS] {
    let mut guess = [0.0; LEVELS];
    let mut weight = 1.0;
    for (at, seen) in levels.iter().enumerate().skip(1) {
        if *seen {
            guess[at] = weight;
            weight *= 0.25;
        }
    }
    normalise(&mut guess);
    guess
}

fn normalise(levels: &mut [f64; LEVELS]) {
    let total: f64 = levels[1..].iter().sum();
    if total > 0.0 {
        levels[1..].iter_mut().for_each(|share| *share /= total);
    }
}

impl Model {
    /// Learns from the codes of candidate pairs and of a sample of all pairs.
    /// `records` bounds how many households there can be.
    pub fn learn(people: &Population, evidence: &Evidence) -> Model {
        let roles: Vec<Role> = people.attributes.iter().map(|attribute| attribute.role).collect();
        let slots = roles.len();
        let records = people.len() as f64;
        let sampled: f64 = evidence.sample.iter().map(|(_, count)| *count as f64).sum();
        // Totals of each level among all pairs, by the sample; full agreement exactly, by the counts of values.
        let mut totals: Levels = vec![[0.0; LEVELS]; slots];
        for (code, count) in evidence.sample {
            for (slot, total) in totals.iter_mut().enumerate() {
                total[level(*code, slot) as usize] += *count as f64 * evidence.pairs / sampled.max(1.0);
            }
        }
        let mut candidate_totals: Levels = vec![[0.0; LEVELS]; slots];
        for (code, count) in evidence.candidates {
            for (slot, total) in candidate_totals.iter_mut().enumerate() {
                total[level(*code, slot) as usize] += *count as f64;
            }
        }
        let mut model = Model {
            matches: Vec::new(),
            strangers: vec![[0.0; LEVELS]; slots],
            match_share: 0.2 * records / evidence.pairs.max(1.0),
            household_share: 0.1 * records / evidence.pairs.max(1.0),
            twin_share: 0.001 * records / evidence.pairs.max(1.0),
            expected_matches: 0.0,
            logs: [Vec::new(), Vec::new()],
            chance: vec![1.0; slots],
            roles,
        };
        for slot in 0..slots {
            let mut seen = [false; LEVELS];
            for at in 1..LEVELS {
                // What the sample misses the candidates show.
                totals[slot][at] = totals[slot][at].max(candidate_totals[slot][at]);
                seen[at] = totals[slot][at] > 0.0;
            }
            model.matches.push(first_guess(&seen));
        }
        let none: Levels = vec![[0.0; LEVELS]; slots];
        model.subtract(&totals, &none);
        model.take_logs();
        for _ in 0..ROUNDS {
            model.round(evidence, &totals, records);
        }
        model
    }

    /// u from the totals of all pairs less the expected matches.
    fn subtract(&mut self, totals: &Levels, matched: &Levels) {
        for slot in 0..totals.len() {
            let known: f64 = totals[slot][1..].iter().sum();
            for at in 1..LEVELS {
                let total = totals[slot][at];
                if total == 0.0 {
                    continue;
                }
                // Never below half a pair: an agreement that has not been seen by chance may still be.
                self.strangers[slot][at] = (total - matched[slot][at]).max(0.5).max(total * 1e-4) / known;
            }
            let own = self.strangers[slot][SAME as usize] * known;
            self.chance[slot] = (own / totals[slot][SAME as usize].max(1.0)).min(1.0);
            normalise(&mut self.strangers[slot]);
        }
    }

    fn round(&mut self, evidence: &Evidence, totals: &Levels, records: f64) {
        let mut matched: Levels = vec![[0.0; LEVELS]; totals.len()];
        let (mut matches, mut households, mut twins) = (0.0, 0.0, 0.0);
        for (code, count) in evidence.candidates {
            let parts = self.parts(|slot| (level(*code, slot), None));
            let top = parts.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let weights = parts.map(|part| (part - top).exp());
            let total: f64 = weights.iter().sum();
            let share = weights.map(|weight| weight / total * *count as f64);
            matches += share[0];
            households += share[2];
            twins += share[3];
            for (slot, levels) in matched.iter_mut().enumerate() {
                levels[level(*code, slot) as usize] += share[0];
            }
        }
        self.expected_matches = matches;
        self.match_share = (matches / evidence.pairs).clamp(1e-15, 0.5);
        // A class must be borne out by several pairs, or it fades away.
        let bounded = |found: f64, most: f64| (found - BORNE_OUT).clamp(1e-6 * records, most * records);
        self.household_share = (bounded(households, MOST_HOUSEHOLD) / evidence.pairs).min(0.3);
        self.twin_share = (bounded(twins, MOST_TWINS) / evidence.pairs).min(0.1);
        for (slot, levels) in matched.iter().enumerate() {
            let known: f64 = levels[1..].iter().sum();
            for at in 1..LEVELS {
                if totals[slot][at] > 0.0 {
                    self.matches[slot][at] = (levels[at] + 0.5) / (known + 0.5 * LEVELS as f64);
                }
            }
            normalise(&mut self.matches[slot]);
        }
        self.subtract(totals, &matched);
        self.take_logs();
    }

    fn take_logs(&mut self) {
        let logs =
            |levels: &Levels, least: f64| levels.iter().map(|row| row.map(|p| p.max(least).ln())).collect();
        self.logs = [logs(&self.matches, 1e-9), logs(&self.strangers, 1e-12)];
    }

    /// Logarithms of share times likelihood: match, stranger, household, twin.
    /// `at` gives the level of an attribute and, where the two agree on a
    /// value, how often a chance record has that value.
    fn parts(&self, at: impl Fn(usize) -> (u8, Option<f64>)) -> [f64; 4] {
        let rest = 1.0 - self.match_share - self.household_share - self.twin_share;
        let mut parts = [self.match_share, rest, self.household_share, self.twin_share].map(f64::ln);
        for (slot, role) in self.roles.iter().enumerate() {
            let (level, frequency) = at(slot);
            if level == 0 {
                continue;
            }
            let m = self.logs[0][slot][level as usize];
            let u = match frequency {
                Some(frequency) => frequency.ln(),
                None => self.logs[1][slot][level as usize],
            };
            let household = if in_household(*role) { m } else { u };
            parts[0] += m;
            parts[1] += u;
            parts[2] += household;
            parts[3] += if *role == Role::BirthDate { m } else { household };
        }
        parts
    }

    /// The score of two compared records, with the frequency of what they agree on.
    pub fn score(&self, people: &Population, left: RecordId, code: Code) -> Score {
        let row = people.row(left);
        // A given name tells the sex of its bearer mostly, so that the same sex is no news beside the same name.
        let named_alike =
            self.roles.first() == Some(&Role::Given) && matches!(level(code, 0), SAME | name::SOUND);
        let parts = self.parts(|slot| match level(code, slot) {
            SAME if named_alike && self.roles[slot] == Role::Sex => (0, None),
            level => (level, self.frequency(people, slot, level, row[slot])),
        });
        let others = parts[1..].iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = parts[1..].iter().map(|part| (part - others).exp()).sum();
        Score { log_odds: parts[0] - others - sum.ln() }
    }

    /// How often a stranger has this value, where the two agree on it.
    fn frequency(&self, people: &Population, slot: usize, level: u8, value: u32) -> Option<f64> {
        let attribute = &people.attributes[slot];
        if level != SAME || matches!(attribute.role, Role::Sex | Role::Order | Role::Others) || value == 0 {
            return None;
        }
        let share = |slot: usize| {
            let attribute = &people.attributes[slot];
            let count = f64::from(attribute.counts.get(value as usize).copied().unwrap_or(0));
            (1.0 + (count - 1.0).max(0.0) * self.chance[slot]) / f64::from(attribute.present.max(1))
        };
        // A name may have been compared crosswise: a family name is no rare given name.
        let share = match attribute.role {
            Role::Given => share(slot).max(share(slot + 1)),
            Role::Family => share(slot).max(share(slot - 1)),
            _ => share(slot),
        };
        Some(share.min(1.0))
    }

    /// The evidence of each attribute in bits, for an explanation.
    pub fn bits(&self, code: Code) -> Vec<f64> {
        (0..self.roles.len())
            .map(|slot| {
                let at = level(code, slot) as usize;
                if at == 0 {
                    0.0
                } else {
                    (self.matches[slot][at] / self.strangers[slot][at].max(1e-12)).log2()
                }
            })
            .collect()
    }
}
