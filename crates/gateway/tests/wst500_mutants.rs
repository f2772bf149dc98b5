//! Damaged documents: nothing panics, what was understood is valid, and each finding says where and
//! how to mend it.
//!
//! The long run: `TONGMAI_MUTANTS=1000000 cargo test --release -p tongmai-gateway --test wst500_mutants -- --ignored`.

use std::panic::catch_unwind;

use tongmai_base::Severity;
use tongmai_fhir::validate::{Options, is_invalid, validate};
use tongmai_gateway::wst500;
use tongmai_testkit::Random;

/// Mutants of the everyday run; `TONGMAI_MUTANTS` and the long run ask for more.
const MUTANTS: u64 = 20_000;

/// What systems write where a value is missing or another one belongs.
const DIRT: &[&str] = &[
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
    "\u{1f9ec}",
];

fn mutant(examples: &[String], random: &mut Random) -> Vec<u8> {
    let mut lines: Vec<String> = examples[random.below(examples.len())].lines().map(str::to_owned).collect();
    for _ in 0..=random.below(4) {
        let at = random.below(lines.len());
        match random.below(9) {
            0 => {
                lines.remove(at);
            }
            1 => lines.insert(at, lines[at].clone()),
            2 => {
                let other = random.below(lines.len());
                lines.swap(at, other);
            }
            3 => lines.truncate(at.max(1)),
            // The value of an attribute.
            4 | 5 => {
                let parts: Vec<&str> = lines[at].split('"').collect();
                if parts.len() > 2 {
                    let which = random.below(parts.len() / 2) * 2 + 1;
                    let mut parts: Vec<String> = parts.into_iter().map(str::to_owned).collect();
                    parts[which] = random.of(DIRT).to_owned();
                    lines[at] = parts.join("\"");
                }
            }
            6 => lines[at] = lines[at].replace('甲', random.of(DIRT)),
            7 => lines.insert(
                at,
                format!(
                    "<{0}><{0} value=\"{1}\"/>",
                    random.of(&["observation", "entry", "x", "id"]),
                    random.of(DIRT)
                ),
            ),
            _ => {
                lines[at] =
                    lines[at].replace(random.of(&["/>", "\"", ">", "observation", "value"]), random.of(DIRT))
            }
        }
        if lines.is_empty() {
            lines.push(String::new());
        }
    }
    let text = lines.join("\n");
    let mut bytes = if random.below(8) == 0 {
        encoding_rs::GB18030.encode(&text).0.into_owned()
    } else {
        text.into_bytes()
    };
    for _ in 0..random.below(3) {
        if random.below(4) == 0 && !bytes.is_empty() {
            let at = random.below(bytes.len());
            bytes[at] = random.next() as u8;
        }
    }
    bytes
}

fn run(seeds: std::ops::Range<u64>) {
    let examples: Vec<String> = wst500::types().filter_map(|(code, _)| wst500::example::xml(code)).collect();
    assert_eq!(examples.len(), 53);
    let cores = std::thread::available_parallelism().map_or(1, usize::from) as u64;
    let examples = &examples;
    std::thread::scope(|scope| {
        for core in 0..cores {
            let seeds = seeds.clone();
            scope.spawn(move || {
                for seed in seeds.filter(|seed| seed % cores == core) {
                    let bytes = mutant(examples, &mut Random(seed));
                    let understood = catch_unwind(|| wst500::read(&bytes));
                    let understood = understood.unwrap_or_else(|_| panic!("seed {seed} panics"));
                    for finding in &understood.findings {
                        let silent = finding.severity == Severity::Information;
                        assert!(silent || !finding.path.is_empty(), "seed {seed}: no place: {finding}");
                        assert!(!finding.repair.is_empty(), "seed {seed}: no repair: {finding}");
                    }
                    let refused =
                        understood.findings.iter().any(|finding| finding.severity == Severity::Fatal);
                    assert!(
                        refused || !understood.entries.is_empty(),
                        "seed {seed}: nothing and no word why"
                    );
                    for entry in &understood.entries {
                        let faults = validate(&entry.resource, &Options::default());
                        assert!(!is_invalid(&faults), "seed {seed}: {} {faults:?}", entry.resource);
                    }
                }
            });
        }
    });
}

#[test]
fn damaged_documents_are_read_as_far_as_they_go() {
    run(0..MUTANTS);
}

/// Documents that are large in one way: each is read within seconds, and what is left out is named.
#[test]
fn documents_made_to_be_slow_are_not() {
    let text = wst500::example::xml("C0032").expect("a type");
    let many = |part: &str| part.repeat(60_000);
    for (from, to) in [
        ("<structuredBody>", format!("<structuredBody>{}", many("<component><section/></component>"))),
        (
            "<entry typeCode=\"COMP\">",
            format!(
                "<entry typeCode=\"COMP\">{}",
                many("<observation><code code=\"DE04.01.119.00\"/><value>x</value></observation>")
            ),
        ),
        ("<custodian", format!("{}<custodian", many("<authenticator><time value=\"1\"/></authenticator>"))),
        (
            "<patientRole classCode=\"PAT\">",
            format!("<patientRole classCode=\"PAT\">{}", many("<telecom value=\"1\"/>")),
        ),
        (
            "<performer",
            format!("{}<performer", many("<participant><time value=\"20260101\"/></participant>")),
        ),
    ] {
        assert!(text.contains(from), "{from}");
        let started = std::time::Instant::now();
        let understood = wst500::read(text.replacen(from, &to, 1).as_bytes());
        assert!(started.elapsed().as_secs() < 20, "{from} takes {:?}", started.elapsed());
        assert!(understood.entries.len() <= tongmai_base::limits::BUNDLE_ENTRIES + 10, "{from}");
        let limited = understood
            .findings
            .iter()
            .any(|finding| finding.code == "limit" || finding.code == "findings-limit");
        assert!(limited || from == "<structuredBody>", "{from}: {} findings", understood.findings.len());
    }
}

#[test]
#[ignore = "long: TONGMAI_MUTANTS says how many"]
fn very_many_damaged_documents() {
    let many = std::env::var("TONGMAI_MUTANTS").ok().and_then(|many| many.parse().ok()).unwrap_or(1_000_000);
    run(MUTANTS..MUTANTS + many);
}
