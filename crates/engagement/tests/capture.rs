//! Captured voters: five in a hundred real people who vote as one.

use tongmai_engagement::opinion::capture::{circles, counts_as_one_voice, ranking};
use tongmai_engagement::opinion::{Opinion, Votes, opinion, read_votes};
use tongmai_engagement::random::Random;

const PEOPLE: usize = 400;
const STATEMENTS: usize = 30;
const CAPTURED: usize = 20;

/// How likely each of two camps agrees with each statement: a third is shared, the rest divides.
fn camps(random: &mut Random) -> Vec<[f64; 2]> {
    (0..STATEMENTS)
        .map(|s| {
            let base = 0.1 + 0.8 * random.uniform();
            match s % 3 {
                0 => [base, (base + 0.1 * random.normal()).clamp(0.05, 0.95)],
                _ => [base, 1.0 - base],
            }
        })
        .collect()
}

/// Everybody's own votes: each sees seven of ten statements.
fn honest(random: &mut Random) -> Vec<Vec<Option<i8>>> {
    let camps = camps(random);
    (0..PEOPLE)
        .map(|person| {
            let camp = usize::from(person % 5 < 2);
            let vote = |chances: &[f64; 2], random: &mut Random| {
                if random.uniform() > 0.7 {
                    return None;
                }
                let draw = random.uniform();
                Some(if draw < 0.9 * chances[camp] {
                    1
                } else if draw < 0.9 {
                    -1
                } else {
                    0
                })
            };
            camps.iter().map(|chances| vote(chances, random)).collect()
        })
        .collect()
}

fn computed(rows: &[Vec<Option<i8>>]) -> (Votes, Opinion) {
    let mut text = String::from("participant");
    (0..STATEMENTS).for_each(|s| text += &format!(",{s}"));
    for (person, row) in rows.iter().enumerate() {
        text += &format!("\n{person}");
        row.iter().for_each(|vote| text += &vote.map_or_else(|| ",".to_owned(), |v| format!(",{v}")));
    }
    let (votes, _) = read_votes(&text).expect("votes");
    let opinion = opinion(&votes);
    (votes, opinion)
}

/// The same people of one camp follow a leaflet: one statement up, the five that all share down, the rest as
/// their camp votes; now and then one of them slips.
fn captured(
    rows: &[Vec<Option<i8>>],
    first: &[usize],
    wanted: usize,
    random: &mut Random,
) -> Vec<Vec<Option<i8>>> {
    let mut rows = rows.to_vec();
    let leaflet: Vec<i8> = (0..STATEMENTS)
        .map(|s| match s {
            s if s == wanted => 1,
            s if first.contains(&s) => -1,
            _ => [1, -1][random.below(2)],
        })
        .collect();
    for row in rows.iter_mut().filter(|_| true).step_by(PEOPLE / CAPTURED) {
        for (vote, leaflet) in row.iter_mut().zip(&leaflet) {
            let slips = random.below(50) == 0;
            *vote = (random.below(10) > 0).then_some(if slips { -leaflet } else { *leaflet });
        }
    }
    rows
}

/// How far the first five move.
fn moved(before: &[usize], after: &[usize]) -> usize {
    let place = |list: &[usize], s: usize| list.iter().position(|x| *x == s).unwrap_or(list.len());
    before.iter().take(5).enumerate().map(|(at, &s)| place(after, s).abs_diff(at)).max().unwrap_or(0)
}

#[test]
fn five_in_a_hundred_who_vote_as_one_are_flagged_and_move_little() {
    let runs: usize = std::env::var("CAPTURE_RUNS").ok().and_then(|n| n.parse().ok()).unwrap_or(60);
    let mut random = Random::new(20_261_127);
    let all: Vec<usize> = (0..STATEMENTS).collect();
    let (mut flagged, mut found, mut wrongly, mut raw_within, mut one_within) = (0, 0, 0, 0, 0);
    for _ in 0..runs {
        let rows = honest(&mut random);
        let (votes, before) = computed(&rows);
        wrongly += usize::from(!circles(&votes, &before).is_empty());
        let first = ranking(&before.counts, &all);
        let rows = captured(&rows, &first[..5], first[8], &mut random);
        let (votes, after) = computed(&rows);
        let seen = circles(&votes, &after);
        let members: usize = seen.iter().map(|circle| circle.members.len()).sum();
        flagged += usize::from(!seen.is_empty());
        found += members.min(CAPTURED);
        raw_within += usize::from(moved(&first, &ranking(&after.counts, &all)) <= 1);
        let counts = counts_as_one_voice(&votes, &after, &seen);
        one_within += usize::from(moved(&first, &ranking(&counts, &all)) <= 1);
    }
    eprintln!(
        "{runs} attacks: flagged {flagged}, members found {found} of {}, honest conversations flagged {wrongly}; \
         first five within one rank: counted in full {raw_within}, as one voice {one_within}",
        runs * CAPTURED
    );
    assert!(flagged * 10 >= runs * 9, "{flagged} of {runs}");
    assert!(wrongly * 20 <= runs, "{wrongly} of {runs} honest conversations flagged");
}
