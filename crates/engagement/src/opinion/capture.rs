//! Voters who vote as one: found, counted and shown, never struck out.
//!
//! Two people who are of one mind agree often; two ballots that follow one paper agree always, on
//! questions where their own group is divided too. For each pair the evidence is summed in bits: how much
//! likelier their common votes are if one is a copy of the other than if both vote as their group does
//! (a likelihood ratio test between independence within the group and copying with a few slips). A group too
//! small to be a camp of its own is measured against everybody: a circle that stands alone on the map would
//! otherwise explain itself. Pairs with enough bits are linked; by chance a few honest pairs are, but no honest
//! person is linked with several others who are linked among themselves. What is left when everybody with
//! fewer links than a circle has members is taken away, again and again, is flagged (a k-core, Seidman 1983). A flag is no verdict: real
//! people may follow a leaflet, so their votes count, and the ranking is published with the circle counted in full and counted as one voice.

use super::{Count, Opinion, Votes, count_by_group, group_informed};

/// A copy differs in so many votes of a hundred.
const SLIPS: f64 = 0.04;
/// Statements that two people must both have seen before they are compared.
const LEAST_COMMON: usize = 8;
/// A circle is at least so many people …
const LEAST_PEOPLE: usize = 5;
/// … and this share of all.
const LEAST_SHARE: f64 = 0.015;
/// So many honest pairs may be linked by chance, as a power of two: no circle comes of them.
const CHANCE_LINKS_BITS: f64 = 4.0;
/// A group of a smaller share is no camp.
const LEAST_CAMP: f64 = 0.15;
/// Beyond this many participants every n-th is looked at.
const MOST_COMPARED: usize = 4000;

/// People who vote as one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Circle {
    /// Participants by index.
    pub members: Vec<usize>,
}

/// Circles among the participants, the largest first.
pub fn circles(votes: &Votes, opinion: &Opinion) -> Vec<Circle> {
    let people = votes.participants.len();
    let stride = people.div_ceil(MOST_COMPARED).max(1);
    let compared: Vec<usize> = (0..people)
        .step_by(stride)
        .filter(|&p| votes.count(p) >= LEAST_COMMON && opinion.group_of[p].is_some())
        .collect();
    let expected = expected_votes(opinion, votes.statements.len());
    let rows: Vec<Vec<Option<i8>>> = compared.iter().map(|&p| row(votes, p)).collect();
    let pairs = (compared.len() * compared.len().saturating_sub(1) / 2).max(1) as f64;
    let threshold = pairs.log2() - CHANCE_LINKS_BITS;
    let mut links: Vec<Vec<usize>> = vec![Vec::new(); compared.len()];
    for i in 0..compared.len() {
        for j in 0..i {
            let (a, b) = (opinion.group_of[compared[i]], opinion.group_of[compared[j]]);
            // Copies stand at the same place of the map, so in the same group.
            if let (Some(a), Some(b)) = (a, b)
                && a == b
                && bits(&rows[i], &rows[j], &expected[a as usize]) > threshold
            {
                links[i].push(j);
                links[j].push(i);
            }
        }
    }
    let least = LEAST_PEOPLE.max((compared.len() as f64 * LEAST_SHARE).ceil() as usize);
    let core = core(&links, least - 1);
    let mut circles = components(&links, &core);
    circles.retain(|circle| circle.len() >= least);
    circles.sort_by_key(|circle| (std::cmp::Reverse(circle.len()), circle.first().copied()));
    let person = |circle: Vec<usize>| Circle { members: circle.into_iter().map(|i| compared[i]).collect() };
    circles.into_iter().map(person).collect()
}

/// Who is left when everybody with fewer than `least` links to others who are left is taken away.
fn core(links: &[Vec<usize>], least: usize) -> Vec<bool> {
    let mut degree: Vec<usize> = links.iter().map(Vec::len).collect();
    let mut left = vec![true; links.len()];
    let mut out: Vec<usize> = (0..links.len()).filter(|&i| degree[i] < least).collect();
    while let Some(i) = out.pop() {
        if !std::mem::replace(&mut left[i], false) {
            continue;
        }
        for &j in &links[i] {
            degree[j] -= 1;
            if left[j] && degree[j] < least {
                out.push(j);
            }
        }
    }
    left
}

/// Those who are left, in connected circles.
fn components(links: &[Vec<usize>], left: &[bool]) -> Vec<Vec<usize>> {
    let mut seen = vec![false; links.len()];
    let mut circles = Vec::new();
    for start in (0..links.len()).filter(|&i| left[i]) {
        let (mut circle, mut stack) = (Vec::new(), vec![start]);
        while let Some(i) = stack.pop() {
            if left[i] && !std::mem::replace(&mut seen[i], true) {
                circle.push(i);
                stack.extend(&links[i]);
            }
        }
        circle.sort_unstable();
        if !circle.is_empty() {
            circles.push(circle);
        }
    }
    circles
}

/// Statements from the most to the least agreed on by all groups at once; of equal ones the earlier.
pub fn ranking(counts: &[Vec<Count>], statements: &[usize]) -> Vec<usize> {
    let mut ranked = statements.to_vec();
    ranked.sort_by(|&a, &b| {
        group_informed(counts, b).0.total_cmp(&group_informed(counts, a).0).then(a.cmp(&b))
    });
    ranked
}

/// Votes by group with every circle counted as one voice: its first member's.
pub fn counts_as_one_voice(votes: &Votes, opinion: &Opinion, circles: &[Circle]) -> Vec<Vec<Count>> {
    let mut group_of = opinion.group_of.clone();
    for circle in circles {
        circle.members.iter().skip(1).for_each(|&p| group_of[p] = None);
    }
    count_by_group(votes, &group_of, opinion.groups)
}

/// Shares of disagree, pass and agree by group and statement, with one added to each.
fn expected_votes(opinion: &Opinion, statements: usize) -> Vec<Vec<[f64; 3]>> {
    let share = |count: &Count| {
        let pass = count.seen.saturating_sub(count.agree + count.disagree);
        let all = f64::from(count.seen) + 3.0;
        [count.disagree, pass, count.agree].map(|n| (f64::from(n) + 1.0) / all)
    };
    let on_the_map = opinion.group_of.iter().flatten().count() as f64;
    let size = |g: usize| opinion.group_of.iter().flatten().filter(|&&x| x as usize == g).count() as f64;
    let reference =
        |g: usize| if size(g) < LEAST_CAMP * on_the_map { &opinion.all } else { &opinion.counts[g] };
    (0..opinion.groups).map(|g| reference(g).iter().take(statements).map(share).collect()).collect()
}

fn row(votes: &Votes, participant: usize) -> Vec<Option<i8>> {
    let mut row = vec![None; votes.statements.len()];
    votes.row(participant).for_each(|(statement, vote)| row[statement] = Some(vote));
    row
}

fn bits(a: &[Option<i8>], b: &[Option<i8>], expected: &[[f64; 3]]) -> f64 {
    let (mut sum, mut common) = (0.0, 0);
    for ((a, b), shares) in a.iter().zip(b).zip(expected) {
        let (Some(a), Some(b)) = (a, b) else { continue };
        common += 1;
        let chance = shares[(b + 1).clamp(0, 2) as usize];
        // A slip falls on any vote as the group casts it.
        let copied = SLIPS * chance + if a == b { 1.0 - SLIPS } else { 0.0 };
        sum += (copied / chance).log2();
    }
    if common < LEAST_COMMON { f64::NEG_INFINITY } else { sum }
}
