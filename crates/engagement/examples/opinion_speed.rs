//! Times the engines on the reference sets and on ten million synthetic votes.
//!
//! `cargo run --release -p tongmai-engagement --example opinion_speed -- DATA/engagement [large]`
//! Each figure is the least of several runs on one thread.

use std::path::Path;
use std::time::{Duration, Instant};
use tongmai_engagement::opinion::live::Live;
use tongmai_engagement::random::Random;
use tongmai_engagement::{matching, opinion, preference};

fn least<T>(runs: usize, mut work: impl FnMut() -> T) -> (T, Duration) {
    let timed = |work: &mut dyn FnMut() -> T| {
        let began = Instant::now();
        (work(), began.elapsed())
    };
    (1..runs).fold(timed(&mut work), |best, _| {
        let next = timed(&mut work);
        if next.1 < best.1 { next } else { best }
    })
}

fn preferences(folder: &Path) {
    let read =
        |name: &str| std::fs::read_to_string(folder.join("dce").join(name)).expect("the reference set");
    for name in ["drugchoice_mnl", "heating_noasc", "travelmode"] {
        let table = read(&format!("{name}.long.csv"));
        let specification =
            serde_json::from_str(&read(&format!("{name}.ref.json"))).expect("a specification");
        let ((data, _), reading) = least(5, || preference::read(&table, &specification).expect("a table"));
        let (_, fitting) = least(25, || preference::estimate(&data, &specification).expect("an estimate"));
        println!("{name}: reading {reading:?}, estimating {fitting:?}");
    }
}

fn conversation(name: &str, votes: &str, comments: Option<&str>, runs: usize) {
    let whole = || {
        let (mut votes, _) = opinion::read_votes(votes).expect("votes");
        if let Some(comments) = comments {
            votes.moderate(&opinion::read_comments(comments).expect("comments"), false);
        }
        let result = opinion::opinion(&votes);
        let text = serde_json::to_string(&result.to_json(&votes)).expect("JSON");
        (votes, text.len())
    };
    let ((votes, bytes), total) = least(runs, whole);
    let (components, mapping) = least(runs, || opinion::components(&votes));
    let (_, computing) = least(runs, || opinion::opinion(&votes));
    let count = votes.columns.len();
    println!(
        "{name}: {count} votes, all {total:?} (components {mapping:?}, with groups and counts {computing:?}), {bytes} bytes"
    );
    assert_eq!(components.mean.len(), votes.statements.len());
}

/// The last votes of a conversation come in by batches.
fn batches(name: &str, votes: &str, comments: &str) {
    let (mut votes, _) = opinion::read_votes(votes).expect("votes");
    votes.moderate(&opinion::read_comments(comments).expect("comments"), false);
    let row = |p: usize| votes.row(p).map(move |(s, v)| (p as u32, s as u32, v));
    let mut casts: Vec<(u32, u32, i8)> = (0..votes.participants.len()).flat_map(row).collect();
    Random::new(1).shuffle(&mut casts);
    for size in [1, 20, 100] {
        let (early, late) = casts.split_at(casts.len() - 25 * size);
        let mut live = Live::new(votes.statements.clone(), votes.excluded.clone(), early).expect("votes");
        let mut times: Vec<Duration> = late
            .chunks(size)
            .map(|batch| {
                let began = Instant::now();
                live.cast(batch).expect("votes");
                began.elapsed()
            })
            .collect();
        times.sort();
        let (median, most) = (times[times.len() / 2], times[times.len() - 1]);
        let full = opinion::opinion(live.votes());
        let moved = full.group_of.iter().zip(&live.opinion().group_of).filter(|(a, b)| a != b).count();
        println!(
            "{name}: {} votes and batches of {size}: median {median:?}, most {most:?}; {} full runs, {moved} people in another group than after a full run",
            live.votes().columns.len(),
            live.full_runs()
        );
    }
    let components = opinion::components(&votes);
    let members = opinion::on_the_map(&votes);
    let points: Vec<[f64; 2]> = members.iter().map(|&p| components.participants[p]).collect();
    let (_, grouping) = least(9, || opinion::group(&points, opinion::Stages::default()));
    println!("{name}: groups alone {grouping:?}");
}

/// Two camps and a middle, a tenth of the statements seen by each.
fn synthetic(participants: usize, statements: usize) -> String {
    let mut random = Random::new(1);
    let mut text = String::from("participant");
    (0..statements).for_each(|s| text += &format!(",{s}"));
    text.push('\n');
    for p in 0..participants {
        text += &p.to_string();
        for s in 0..statements {
            text.push(',');
            if random.below(10) == 0 {
                let leaning = [0.7, 0.3, 0.5][(p + s * (p % 2)) % 3];
                let draw = random.uniform();
                text += if draw < leaning {
                    "1"
                } else if draw < 0.9 {
                    "-1"
                } else {
                    "0"
                };
            }
        }
        text.push('\n');
    }
    text
}

fn matches() {
    let mut random = Random::new(2);
    let edges: Vec<Vec<(usize, i64)>> = (0..100_000)
        .map(|_| (0..20).map(|_| (random.below(10_000), 100 + random.below(200) as i64)).collect())
        .collect();
    let places = vec![8; 10_000];
    let (chosen, time) = least(1, || matching::assign(&edges, &places));
    println!(
        "100,000 needs, 10,000 offers of 8 places, 20 fitting each: {time:?}, {} served",
        chosen.iter().flatten().count()
    );
}

fn main() {
    let folder = std::env::args().nth(1).expect("the folder of reference sets");
    let folder = Path::new(&folder);
    preferences(folder);
    let polis = folder.join("polis/american-assembly.bowling-green");
    let read = |name: &str| std::fs::read_to_string(polis.join(name)).expect("the reference set");
    conversation("bowling-green", &read("participants-votes.csv"), Some(&read("comments.csv")), 9);
    batches("bowling-green", &read("participants-votes.csv"), &read("comments.csv"));
    if std::env::args().nth(2).is_some() {
        matches();
        conversation("synthetic 100,000 × 1,000", &synthetic(100_000, 1000), None, 1);
    }
}
