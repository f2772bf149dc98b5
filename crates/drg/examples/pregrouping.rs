//! Measures what a coding screen and a region of many packs ask for:
//! `cargo run --release -p tongmai-drg --example pregrouping -- CASES.jsonl PACK…` with packs that `drg import` made.
//!
//! Pack load; how long one keystroke takes (group, trace in words, every check; the 50th and 99th of a hundred
//! thousand); and what a hundred compiled packs take in one process, the packs being loaded in turn.

use std::path::Path;
use std::time::Instant;
use tongmai_drg::quality::{FrontPage, Rules};
use tongmai_drg::{Case, Grouper, Pack};

/// Packs held at once.
const PACKS: usize = 100;
/// Keystrokes that are timed.
const KEYSTROKES: usize = 100_000;

fn open(folder: &Path) -> Grouper {
    let pack = Pack::read(&mut |name| std::fs::read(folder.join(name)).ok()).expect("a pack");
    Grouper::new(&pack)
}

/// Memory of this process in MB, on Linux.
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or("");
    line.split_whitespace().nth(1).and_then(|kb| kb.parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [cases, packs @ ..] = arguments.as_slice() else {
        eprintln!("CASES.jsonl PACK… expected");
        return;
    };
    let Some(first) = packs.first() else { return eprintln!("a pack is needed") };
    let mut loads: Vec<f64> = Vec::new();
    for _ in 0..5 {
        let begun = Instant::now();
        let grouper = open(Path::new(first));
        loads.push(begun.elapsed().as_secs_f64() * 1e3);
        drop(grouper);
    }
    loads.sort_by(f64::total_cmp);
    println!("pack load: median {:.1} ms, best {:.1} ms, worst {:.1} ms of 5", loads[2], loads[0], loads[4]);

    let text = std::fs::read_to_string(cases).expect("the cases are readable");
    let cases: Vec<Case<'_>> = text.lines().filter_map(|line| Case::from_json(line).ok()).collect();
    let grouper = open(Path::new(first));
    let mut scratch = grouper.scratch();
    let rules = Rules::standard();
    let mut times: Vec<f64> = Vec::with_capacity(KEYSTROKES);
    let mut said = 0;
    for case in cases.iter().cycle().take(KEYSTROKES) {
        let begun = Instant::now();
        let trace = grouper.trace(case, &mut scratch);
        said += grouper.in_words(case, &trace, &mut scratch).to_string().len();
        let page = FrontPage { case: case.clone(), ..FrontPage::default() };
        said += rules.check(&page).len();
        times.push(begun.elapsed().as_secs_f64() * 1e6);
    }
    times.sort_by(f64::total_cmp);
    let at = |percent: usize| times[times.len() * percent / 100 - 1];
    println!("pre-grouping with words and checks: p50 {:.0} µs, p99 {:.0} µs ({said} bytes)", at(50), at(99));

    let before = resident();
    let held: Vec<Grouper> = packs.iter().cycle().take(PACKS).map(|path| open(Path::new(path))).collect();
    println!("{} packs: {:.0} MB more, {:.0} MB in all", held.len(), resident() - before, resident());
}
