//! Nothing acknowledged is lost when every process of the server is killed at once, fsync on.

mod runs;

use tongmai_testkit::postgres::Postgres;

#[test]
fn nothing_acknowledged_is_lost_in_a_crash() {
    let Some(mut cluster) = Postgres::start_durable() else { return };
    let runs: Vec<runs::Run> = (0..6).map(|seed| runs::crash(&mut cluster, seed as u32, seed)).collect();
    assert!(runs.iter().any(|run| run.acknowledged > 0), "no run came to its first commit");
    let (during, resolved) = (|run: &&runs::Run| run.during_commit, |run: &&runs::Run| run.resolved);
    eprintln!(
        "{} of {} kills during a commit, {} of those found durable",
        runs.iter().filter(during).count(),
        runs.len(),
        runs.iter().filter(resolved).count()
    );
}
