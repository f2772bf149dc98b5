//! Nothing acknowledged is lost and nothing is there in part: when the power fails, and when the process is
//! killed.

mod check;
mod disk;
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
