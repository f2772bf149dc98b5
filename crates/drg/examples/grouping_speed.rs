//! Measures the engine: `cargo run --release -p tongmai-drg --example grouping_speed -- PACK.json TABLES CASES.jsonl`
//! with unpacked files. One thread; the cases are repeated until there are a million.

use std::path::Path;
use std::time::Instant;
use tongmai_drg::import::opendrg::{self, Tables};
use tongmai_drg::{Case, Grouper, Pack};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [pack, tables, cases] = arguments.as_slice() else {
        eprintln!("PACK.json TABLES CASES.jsonl expected");
        return;
    };
    let table = |name: &str| {
        let path = Path::new(tables).join(format!("{name}.dat"));
        std::fs::read(path).map_or_else(|_| String::new(), |bytes| String::from_utf8_lossy(&bytes).into())
    };
    let [mcc, cc, cce, valid] = ["MCC", "CC", "CCE", "SS_VALID"].map(table);
    let json = std::fs::read_to_string(pack).expect("the pack is readable");
    let tables = Tables { mcc: &mcc, cc: &cc, cce: &cce, ss_valid: &valid, ..Tables::default() };
    let (pack, _) = opendrg::read(&json, &tables, None).expect("the pack is an OpenDRG pack");
    let files = pack.files();

    let start = Instant::now();
    let grouper = Grouper::new(&Pack::read(&mut |name| files.get(name).cloned()).expect("a pack"));
    println!("pack load: {:.1} ms", start.elapsed().as_secs_f64() * 1e3);

    let text = std::fs::read_to_string(cases).expect("the cases are readable");
    let cases: Vec<Case<'_>> = text.lines().filter_map(|line| Case::from_json(line).ok()).collect();
    let rounds = 1_000_000 / cases.len().max(1) + 1;
    let count = (rounds * cases.len()) as f64;
    let mut scratch = grouper.scratch();
    let mut grouped = 0u64;
    let start = Instant::now();
    for _ in 0..rounds {
        for case in &cases {
            grouped += u64::from(grouper.group(case, &mut scratch).drg);
        }
    }
    println!("grouping: {:.0} cases/s (check {grouped})", count / start.elapsed().as_secs_f64());

    let start = Instant::now();
    let mut tests = 0;
    for _ in 0..rounds {
        for case in &cases {
            tests += grouper.trace(case, &mut scratch).tests.len();
        }
    }
    println!("with trace: {:.0} cases/s ({tests} tests)", count / start.elapsed().as_secs_f64());

    let some = &cases[..cases.len().min(2000)];
    let start = Instant::now();
    let mut bytes = 0;
    for case in some {
        let trace = grouper.trace(case, &mut scratch);
        bytes += grouper.in_words(case, &trace, &mut scratch).to_string().len();
    }
    let each = some.len() as f64 / start.elapsed().as_secs_f64();
    println!("with the trace in words: {each:.0} cases/s ({bytes} bytes)");
}
