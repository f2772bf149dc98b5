//! Many kills: `cargo run --release -p tongmai-store-sqlite --example kills -- [KILLS]`.

#[path = "../tests/faults/check.rs"]
#[allow(dead_code, reason = "the loop over seeds is for power cuts")]
mod check;
#[path = "../tests/faults/kill.rs"]
mod kill;

/// Kills of one store.
const EACH: usize = 10;

fn main() {
    if kill::is_child() {
        return kill::child();
    }
    let kills: usize =
        std::env::args().nth(1).map_or(500, |number| number.parse().expect("a number of kills"));
    let mut runs = Vec::new();
    for seed in 0..kills.div_ceil(EACH) as u64 {
        runs.extend(kill::run(seed, EACH, &[]));
        eprint!("\r{} of {kills} kills", runs.len());
    }
    eprintln!("\n{}", kill::line(&runs));
}
