//! Many crash runs: `cargo run -p tongmai-store-postgres --example crash -- [RUNS] [FIRST SEED]`.

#[path = "../tests/crash/runs.rs"]
mod runs;

use tongmai_testkit::postgres::Postgres;

fn main() {
    let mut numbers = std::env::args().skip(1).map(|number| number.parse().expect("a number"));
    let (count, first): (u64, u64) = (numbers.next().unwrap_or(200), numbers.next().unwrap_or(1000));
    let Some(mut cluster) = Postgres::start_durable() else { return };
    let (mut acknowledged, mut during, mut resolved) = (0, 0, 0);
    for seed in first..first + count {
        println!("seed {seed}");
        let run = runs::crash(&mut cluster, seed as u32, seed);
        acknowledged += run.acknowledged;
        during += usize::from(run.during_commit);
        resolved += usize::from(run.resolved);
    }
    println!(
        "{count} runs from seed {first}: {acknowledged} acknowledged commits, {during} kills during a commit, \
         {resolved} of those found durable afterwards; none lost, none half applied, every chain verifies"
    );
}
