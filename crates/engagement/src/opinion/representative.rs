//! What a group stands for: counts, tests, consensus and the order of questions.

use super::components::Components;
use super::votes::Votes;

/// Votes on one statement: agree, disagree and seen (pass included).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Count {
    /// Agreed.
    pub agree: u32,
    /// Disagreed.
    pub disagree: u32,
    /// Voted, be it a pass.
    pub seen: u32,
}

impl Count {
    fn add(&mut self, vote: i8) {
        self.agree += u32::from(vote > 0);
        self.disagree += u32::from(vote < 0);
        self.seen += 1;
    }

    fn plus(self, other: Count) -> Count {
        Count {
            agree: self.agree + other.agree,
            disagree: self.disagree + other.disagree,
            seen: self.seen + other.seen,
        }
    }

    fn of(self, side: Side) -> u32 {
        match side {
            Side::Agree => self.agree,
            Side::Disagree => self.disagree,
        }
    }
}

/// Which way a group leans on a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// For it.
    Agree,
    /// Against it.
    Disagree,
}

impl Side {
    /// `agree` or `disagree`.
    pub fn name(self) -> &'static str {
        match self {
            Side::Agree => "agree",
            Side::Disagree => "disagree",
        }
    }
}

/// Beyond this a one-sided test at 90 % is significant.
const SIGNIFICANT: f64 = 1.2816;
/// Most statements that represent a group, and most of the consensus on each side.
const MOST_SHOWN: usize = 5;

/// Share that would vote so, with one added vote on either side.
pub fn probability(votes: u32, seen: u32) -> f64 {
    f64::from(votes + 1) / f64::from(seen + 2)
}

/// Test of a share against one half: `2 √(n+1) ((s+1)/(n+1) − ½)`.
pub fn one_share_test(votes: u32, seen: u32) -> f64 {
    let n = f64::from(seen + 1);
    2.0 * n.sqrt() * (f64::from(votes + 1) / n - 0.5)
}

/// Pooled test of two shares, one added to every count.
pub fn two_share_test(inside: u32, inside_seen: u32, outside: u32, outside_seen: u32) -> f64 {
    let [a, n, b, m] = [inside, inside_seen, outside, outside_seen].map(|x| f64::from(x + 1));
    let pooled = (a + b) / (n + m);
    if pooled == 1.0 {
        return 0.0;
    }
    (a / n - b / m) / (pooled * (1.0 - pooled) * (1.0 / n + 1.0 / m)).sqrt()
}

/// Votes on every statement by group; excluded statements are counted as they were voted.
pub fn count_by_group(votes: &Votes, group_of: &[Option<u32>], groups: usize) -> Vec<Vec<Count>> {
    let mut counts = vec![vec![Count::default(); votes.statements.len()]; groups];
    for (participant, group) in group_of.iter().enumerate() {
        if let Some(group) = group {
            let counts = &mut counts[*group as usize];
            votes.row(participant).for_each(|(statement, vote)| counts[statement].add(vote));
        }
    }
    counts
}

/// Votes on every statement by all participants.
pub fn count_all(votes: &Votes) -> Vec<Count> {
    let mut counts = vec![Count::default(); votes.statements.len()];
    votes.columns.iter().zip(&votes.values).for_each(|(&c, &v)| counts[c as usize].add(v));
    counts
}

/// Group-informed consensus on one statement, for and against: `Π (votes+1)/(seen+2)` over groups.
pub fn group_informed(counts: &[Vec<Count>], statement: usize) -> (f64, f64) {
    let product = |side: Side| {
        counts.iter().map(|g| probability(g[statement].of(side), g[statement].seen)).product::<f64>()
    };
    (product(Side::Agree), product(Side::Disagree))
}

/// How a group votes on a statement, next to the others.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stance {
    /// Statement by index.
    pub statement: usize,
    /// Which way the group leans more than the others.
    pub side: Side,
    /// Votes that way, in the group.
    pub votes: u32,
    /// Votes on the statement, in the group.
    pub seen: u32,
    /// Probability of that vote in the group.
    pub probability: f64,
    /// Its test against one half.
    pub test: f64,
    /// The probability relative to that of all others.
    pub ratio: f64,
    /// Test of the group's share against the others'.
    pub ratio_test: f64,
    /// Shown first, as what the group agrees on.
    pub best_agree: bool,
}

impl Stance {
    fn new(statement: usize, side: Side, inside: Count, outside: Count) -> Self {
        let (votes, seen) = (inside.of(side), inside.seen);
        let share = probability(votes, seen);
        Stance {
            statement,
            side,
            votes,
            seen,
            probability: share,
            test: one_share_test(votes, seen),
            ratio: share / probability(outside.of(side), outside.seen),
            ratio_test: two_share_test(votes, seen, outside.of(side), outside.seen),
            best_agree: false,
        }
    }

    /// By which statements are ordered.
    pub fn metric(&self) -> f64 {
        self.ratio * self.ratio_test * self.probability * self.test
    }

    fn significant(&self) -> bool {
        self.ratio_test > SIGNIFICANT && self.test > SIGNIFICANT
    }
}

/// The statements that represent each group: significant ones by their metric, at
/// most five, agreements first; at least one if there is any.
pub fn representative(votes: &Votes, counts: &[Vec<Count>]) -> Vec<Vec<Stance>> {
    let statements: Vec<usize> = (0..votes.statements.len()).filter(|&s| !votes.excluded[s]).collect();
    let total = |s: usize| counts.iter().map(|g| g[s]).fold(Count::default(), Count::plus);
    let totals: Vec<Count> = (0..votes.statements.len()).map(total).collect();
    counts
        .iter()
        .map(|group| {
            let mut chosen = Chosen::default();
            for &s in &statements {
                let (inside, all) = (group[s], totals[s]);
                let outside = Count {
                    agree: all.agree - inside.agree,
                    disagree: all.disagree - inside.disagree,
                    seen: all.seen - inside.seen,
                };
                let agree = Stance::new(s, Side::Agree, inside, outside);
                chosen.consider(agree, Stance::new(s, Side::Disagree, inside, outside));
            }
            chosen.finish()
        })
        .collect()
}

#[derive(Default)]
struct Chosen {
    sufficient: Vec<Stance>,
    best: Option<Stance>,
    best_agree: Option<Stance>,
    best_agree_shown: Option<Stance>,
}

impl Chosen {
    fn consider(&mut self, agree: Stance, disagree: Stance) {
        let stronger = if agree.ratio_test > disagree.ratio_test { agree } else { disagree };
        if agree.significant() || disagree.significant() {
            self.sufficient.push(stronger);
        }
        if self.sufficient.is_empty() && self.best.is_none_or(|b| stronger.ratio_test > b.ratio_test) {
            self.best = Some(stronger);
        }
        if self.beats_best_agree(&agree, &disagree) {
            // Shown by its stronger side, but remembered by its agreement.
            self.best_agree = Some(agree);
            self.best_agree_shown = Some(stronger);
        }
    }

    fn beats_best_agree(&self, agree: &Stance, disagree: &Stance) -> bool {
        if agree.votes == 0 && disagree.votes == 0 {
            return false;
        }
        match &self.best_agree {
            Some(best) if best.ratio > 1.0 => agree.metric() > best.metric(),
            Some(best) => agree.probability * agree.test > best.probability * best.test,
            None => agree.test > SIGNIFICANT || agree.ratio > 1.0 && agree.probability > 0.5,
        }
    }

    fn finish(self) -> Vec<Stance> {
        let head = self.best_agree_shown.map(|s| Stance { best_agree: true, ..s });
        if self.sufficient.is_empty() {
            return head.or(self.best).into_iter().collect();
        }
        let mut rest = self.sufficient;
        rest.retain(|s| head.is_none_or(|h| h.statement != s.statement));
        rest.sort_by(|a, b| b.metric().total_cmp(&a.metric()));
        let mut shown: Vec<Stance> = head.into_iter().chain(rest).take(MOST_SHOWN).collect();
        shown.sort_by_key(|s| s.side == Side::Disagree);
        shown
    }
}

/// A statement on which most of all participants vote one way.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Consensus {
    /// Statement by index.
    pub statement: usize,
    /// Votes that way.
    pub votes: u32,
    /// Votes on it.
    pub seen: u32,
    /// Probability of that vote.
    pub probability: f64,
    /// Its test against one half.
    pub test: f64,
}

/// At most five statements on which more than half vote `side`, significantly; strongest first.
pub fn consensus(votes: &Votes, counts: &[Count], side: Side) -> Vec<Consensus> {
    let mut found: Vec<Consensus> = (0..counts.len())
        .filter(|&s| !votes.excluded[s])
        .map(|s| {
            let (votes, seen) = (counts[s].of(side), counts[s].seen);
            let (probability, test) = (probability(votes, seen), one_share_test(votes, seen));
            Consensus { statement: s, votes, seen, probability, test }
        })
        .filter(|c| c.probability > 0.5 && c.test > SIGNIFICANT)
        .collect();
    found.sort_by(|a, b| (b.probability * b.test).total_cmp(&(a.probability * a.test)));
    found.truncate(MOST_SHOWN);
    found
}

/// `2^(−seen/5)`, from a table so that every machine gives the same bits.
fn fading(seen: u32) -> f64 {
    const FIFTHS: [f64; 5] = [
        1.0,
        0.870_550_563_296_124_1,
        0.757_858_283_255_199_1,
        0.659_753_955_386_447_4,
        0.574_349_177_498_517_4,
    ];
    FIFTHS[(seen % 5) as usize] * 0.5f64.powi((seen / 5).min(1000) as i32)
}

/// How urgently each statement should be asked next: `[(1−p)(1+E)·a·(1+8·2^(−S/5))]²`,
/// with `p` the share of passes, `a` that of agreement and `E` the extremity; 49 for meta statements.
pub fn priorities(votes: &Votes, components: &Components, counts: &[Vec<Count>]) -> Vec<f64> {
    (0..votes.statements.len())
        .map(|s| {
            if votes.meta[s] {
                return 49.0;
            }
            let all = counts.iter().map(|g| g[s]).fold(Count::default(), Count::plus);
            let passes = probability(all.seen - all.agree - all.disagree, all.seen);
            let importance =
                (1.0 - passes) * (1.0 + components.extremity(s)) * probability(all.agree, all.seen);
            let urgency = importance * (1.0 + 8.0 * fading(all.seen));
            urgency * urgency
        })
        .collect()
}
