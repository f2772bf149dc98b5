//! A conversation that is followed batch by batch comes to what a full run over all votes comes to.

use tongmai_engagement::opinion::live::{Live, TOLERANCE};
use tongmai_engagement::opinion::{self, Opinion, Votes};
use tongmai_engagement::random::Random;
use tongmai_testkit::{data, read_text};

type Cast = (u32, u32, i8);

fn all(votes: &Votes) -> Vec<Cast> {
    let row = |p: usize| votes.row(p).map(move |(s, v)| (p as u32, s as u32, v));
    (0..votes.participants.len()).flat_map(row).collect()
}

/// Reach of the map, and how far places lie apart at most.
fn apart(a: &Opinion, b: &Opinion) -> f64 {
    let (a, b) = (&a.components.participants, &b.components.participants);
    assert_eq!(a.len(), b.len());
    let reach = b.iter().flatten().map(|x| x.abs()).fold(1e-9, f64::max);
    a.iter().flatten().zip(b.iter().flatten()).map(|(x, y)| (x - y).abs()).fold(0.0, f64::max) / reach
}

fn same(live: &Live<u32>, what: &str) {
    let full = opinion::opinion(live.votes());
    let followed = live.opinion();
    assert_eq!(followed.components.mean, full.components.mean, "{what}");
    assert_eq!(followed.all, full.all, "{what}");
    let apart = apart(followed, &full);
    assert!(apart <= TOLERANCE, "{what}: places lie {apart:e} of the map apart");
    assert_eq!(followed.groups, full.groups, "{what}");
    assert_eq!(followed.group_of, full.group_of, "{what}");
    assert_eq!(followed.counts, full.counts, "{what}");
}

#[test]
fn batches_come_to_what_a_full_run_comes_to() {
    let mut random = Random::new(8);
    for name in ["american-assembly.bowling-green", "brexit-consensus", "scoop-hivemind.taxes"] {
        let Some(folder) = data("engagement/polis").map(|f| f.join(name)).filter(|f| f.exists()) else {
            continue;
        };
        let (mut votes, _) = opinion::read_votes(&read_text(&folder.join("participants-votes.csv"))).unwrap();
        let comments = opinion::read_comments(&read_text(&folder.join("comments.csv"))).unwrap();
        votes.moderate(&comments, false);
        let mut casts = all(&votes);
        // Whoever votes last: any vote of anybody, so that rows change and new ones appear among old ones.
        random.shuffle(&mut casts);
        let late = 600.min(casts.len() / 8);
        let (early, late) = casts.split_at(casts.len() - late);
        let mut live = Live::new(votes.statements.clone(), votes.excluded.clone(), early).unwrap();
        for (number, batch) in late.chunks(late.len().div_ceil(6)).enumerate() {
            live.cast(batch).unwrap();
            same(&live, &format!("{name}, batch {number}"));
        }
        assert_eq!(live.full_runs(), 1, "{name}: the axes were followed");
        let once = opinion::opinion(&votes);
        assert!(apart(live.opinion(), &once) <= TOLERANCE, "{name}");
        assert_eq!(live.opinion().group_of, once.group_of, "{name}");
    }
}

/// From nothing, one vote after the other, with votes that are changed again.
#[test]
fn a_conversation_grows_from_nothing() {
    let mut random = Random::new(3);
    let statements: Vec<String> = (0..9).map(|s| s.to_string()).collect();
    let mut live =
        Live::new(statements, vec![false, false, true, false, false, false, false, false, false], &[])
            .unwrap();
    for batch in 0..40 {
        let casts: Vec<Cast> = (0..7)
            .map(|_| {
                let voter = random.below(60) as u32;
                let leaning = if voter.is_multiple_of(2) { 1 } else { -1 };
                let vote = if random.below(4) == 0 { random.below(3) as i8 - 1 } else { leaning };
                (voter, random.below(9) as u32, vote)
            })
            .collect();
        live.cast(&casts).unwrap();
        let full = opinion::opinion(live.votes());
        assert_eq!(live.opinion().all, full.all, "{batch}");
        assert_eq!(live.opinion().components.mean, full.components.mean, "{batch}");
        let total: u32 = full.all.iter().map(|c| c.seen).sum();
        assert_eq!(total as usize, live.votes().columns.len());
    }
    same(&live, "after all");
}

#[test]
fn what_is_no_vote_is_refused_whole() {
    let mut live = Live::new(vec!["0".into(), "1".into()], vec![false; 2], &[(1, 0, 1)]).unwrap();
    assert!(live.cast(&[(2, 1, 1), (2, 2, 1)]).unwrap_err().contains("statement 2"));
    assert!(live.cast(&[(2, 1, 1), (2, 1, 3)]).unwrap_err().contains("vote 3"));
    assert_eq!(live.votes().columns.len(), 1);
    assert!(Live::<u8>::new(vec!["0".into()], vec![], &[]).is_err());
    // The later of two votes counts.
    live.cast(&[(2, 1, 1), (2, 1, -1)]).unwrap();
    live.cast(&[(1, 0, 0)]).unwrap();
    assert_eq!((live.votes().values.clone(), live.opinion().all[0].agree), (vec![0, -1], 0));
}
