//! Nothing acknowledged is lost and nothing is there in part: when the power fails, and when the process is
//! killed.

mod check;
mod disk;
mod kill;
mod power;
mod vfs;

use check::run_all;
use disk::Kind;
use power::Tally;

#[test]
fn a_power_cut_loses_nothing() {
    let runs = run_all(0..1000, |seed| power::run(seed, None), |_| {}).expect_all();
    let sum = Tally::sum(&runs);
    println!("{}", sum.line());
    assert!(sum.opening > 20 && sum.committing > 300 && sum.closing > 20 && sum.kept > 20, "{}", sum.line());
}

/// A disk that does not keep what it says must be found out, or the test above shows nothing.
#[test]
fn a_lying_disk_is_found_out() {
    for (kind, least) in [(Kind::Log, 30), (Kind::Main, 10)] {
        let summary = run_all(0..60, |seed| power::run(seed, Some(kind)), |_| {});
        let found = summary.failed.len();
        println!("{kind:?}: found out in {found} of 60 runs");
        assert!(found >= least, "{kind:?}: found out in {found} of 60 runs only");
    }
}

/// Also the program of the processes that it kills: those find the store that they write to in the environment.
#[test]
fn a_killed_process_loses_nothing() {
    if kill::is_child() {
        return kill::child();
    }
    let runs: Vec<kill::Killed> = (0..10)
        .flat_map(|seed| kill::run(seed, 4, &["--exact", "a_killed_process_loses_nothing", "--nocapture"]))
        .collect();
    println!("{}", kill::line(&runs));
    assert!(runs.iter().filter(|run| run.acknowledged > 0).count() > 20, "{}", kill::line(&runs));
}
