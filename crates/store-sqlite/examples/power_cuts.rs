//! Many power cuts: `cargo run --release -p tongmai-store-sqlite --example power_cuts -- [RUNS] [log|main]`.
//! With the last argument the disk lies about the syncs of the log or of the database, and runs must fail.

#[path = "../tests/faults/check.rs"]
mod check;
#[path = "../tests/faults/disk.rs"]
mod disk;
#[path = "../tests/faults/power.rs"]
mod power;
#[path = "../tests/faults/vfs.rs"]
mod vfs;

use disk::Kind;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let runs = arguments.next().map_or(10_000, |number| number.parse().expect("a number of runs"));
    let lies_about = arguments.next().map(|kind| match kind.as_str() {
        "log" => Kind::Log,
        "main" => Kind::Main,
        other => panic!("log or main, not {other}"),
    });
    let progress = |done: u64| {
        if done.is_multiple_of(100) || done == runs {
            eprint!("\r{done} of {runs} runs");
        }
    };
    let summary = check::run_all(0..runs, |seed| power::run(seed, lies_about), progress);
    eprintln!();
    println!("{} of {runs} runs held: {}", summary.held.len(), power::Tally::sum(&summary.held).line());
    if lies_about.is_some() {
        assert!(!summary.failed.is_empty(), "the disk lied and nobody noticed");
    } else {
        summary.expect_all();
    }
}
