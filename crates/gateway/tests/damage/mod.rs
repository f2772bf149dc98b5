//! What the tests of damaged inputs share: dirt, damaged bytes, the judgement of what was understood, and many seeds on all
//! processors.

#![allow(dead_code, reason = "each test file uses its part")]

use std::panic::{AssertUnwindSafe, catch_unwind};

use tongmai_base::Severity;
use tongmai_fhir::validate::{Options, is_invalid, validate};
use tongmai_gateway::Understood;
use tongmai_testkit::Random;

/// What systems write where a value is missing or another one belongs.
pub const DIRT: &[&str] = &[
    "-",
    "无",
    "/",
    "",
    "NULL",
    "2016-09-13 00:00:00",
    "ID_CARD_NO",
    "999999999999999999999999",
    "１２３",
    "<",
    "&",
    "&x;",
    "\u{0}",
    "男",
    "20160231",
    "1e400",
    "[0]",
    "true",
    "C9999",
    "{",
    "\"",
    ",",
    "\n",
    "\u{1f9ec}",
    "-1",
];

/// A text as bytes: one of so many times in a Chinese character set, and now and then with a byte that is another.
pub fn bytes(text: String, one_of: usize, random: &mut Random) -> Vec<u8> {
    let mut bytes = match random.below(one_of) {
        0 => encoding_rs::GB18030.encode(&text).0.into_owned(),
        1 => encoding_rs::GBK.encode(&text).0.into_owned(),
        _ => text.into_bytes(),
    };
    for _ in 0..random.below(3) {
        if random.below(4) == 0 && !bytes.is_empty() {
            let at = random.below(bytes.len());
            bytes[at] = random.next() as u8;
        }
    }
    bytes
}

/// Whether everything that was understood is valid, every finding says where and how to mend it, and nothing is left out
/// without a word.
///
/// # Errors
/// What is wrong.
pub fn judge(understood: &Understood) -> Result<(), String> {
    for finding in &understood.findings {
        let silent = finding.severity == Severity::Information;
        if finding.repair.is_empty() || (finding.path.is_empty() && !silent) {
            return Err(format!("a finding without place or repair: {finding:?}"));
        }
    }
    if understood.is_refused() && understood.findings.iter().all(|f| f.severity < Severity::Error) {
        return Err("refused without a reason".to_owned());
    }
    for entry in &understood.entries {
        let faults = validate(&entry.resource, &Options::default());
        if is_invalid(&faults) {
            return Err(format!("invalid: {} {faults:?}", entry.resource));
        }
    }
    Ok(())
}

/// Checks each seed on all processors; counts those of which `check` says so.
///
/// # Panics
/// With the seed that fails.
pub fn run(
    name: &str,
    seeds: std::ops::Range<u64>,
    check: &(dyn Fn(u64) -> Result<bool, String> + Sync),
) -> u64 {
    let threads = std::thread::available_parallelism().map_or(1, usize::from) as u64;
    std::thread::scope(|scope| {
        let runs: Vec<_> = (0..threads)
            .map(|thread| {
                let seeds = seeds.clone();
                scope.spawn(move || {
                    let mut counted = 0;
                    for seed in seeds.filter(|seed| seed % threads == thread) {
                        let checked = catch_unwind(AssertUnwindSafe(|| check(seed)));
                        match checked.unwrap_or_else(|_| Err("panicked".to_owned())) {
                            Ok(counts) => counted += u64::from(counts),
                            Err(why) => panic!("{name} seed {seed}: {why}"),
                        }
                    }
                    counted
                })
            })
            .collect();
        runs.into_iter().map(|run| run.join().unwrap_or_else(|_| panic!("{name}: see above"))).sum()
    })
}

/// How many mutants are wanted: `TONGMAI_MUTANTS`, or those of the everyday run.
pub fn wanted(everyday: u64) -> u64 {
    std::env::var("TONGMAI_MUTANTS").map_or(everyday, |text| text.parse().expect("a number"))
}
