//! The HL7 v2 parser beside the crate `hl7-parser`, and the whole way to FHIR.
//!
//! `TONGMAI_DATA=… cargo run --release -p tongmai-gateway --example hl7v2_bench`
//!
//! Both parsers read the same messages in turns, round by round. `hl7-parser` finds
//! every subcomponent while it parses; this parser finds segments and fields, and the
//! rest when asked. So both are measured twice: parsing alone, and parsing with a walk
//! over every subcomponent.

use std::hint::black_box;
use std::time::{Duration, Instant};

use tongmai_gateway::hl7v2::{Options, parse, understand};

const ROUNDS: usize = 30;

fn messages() -> Vec<String> {
    let Some(folder) = tongmai_testkit::data("hl7v2/messages") else { return Vec::new() };
    let mut files: Vec<_> =
        std::fs::read_dir(folder).expect("messages").map(|e| e.expect("a file").path()).collect();
    files.sort();
    files
        .iter()
        .map(|path| {
            String::from_utf8_lossy(&tongmai_testkit::read(path)).trim_start_matches('\u{feff}').to_owned()
        })
        // The other parser wants carriage returns alone.
        .map(|text| text.replace("\r\n", "\r").replace('\n', "\r").trim_end().to_owned())
        .filter(|text| hl7_parser::Message::parse(text).is_ok())
        .collect()
}

fn walk_ours(text: &str) -> usize {
    let (message, _) = parse(text);
    let Some(message) = message else { return 0 };
    let mut length = 0;
    for segment in message.segments() {
        for number in 1..=segment.last_field() {
            for repetition in segment.field(number).repetitions() {
                for component in repetition.pieces() {
                    for part in component.pieces() {
                        length += part.raw().len();
                    }
                }
            }
        }
    }
    length
}

fn walk_theirs(text: &str) -> usize {
    let message = hl7_parser::Message::parse(text).expect("it was read before");
    let mut length = 0;
    for segment in message.segments() {
        for field in segment.fields() {
            for repetition in field.repeats() {
                for component in repetition.components() {
                    for part in component.subcomponents() {
                        length += part.raw_value().len();
                    }
                }
            }
        }
    }
    length
}

fn main() {
    let messages = messages();
    let bytes: usize = messages.iter().map(String::len).sum();
    println!("{} messages, {bytes} bytes, {ROUNDS} rounds", messages.len());
    type Work = fn(&str) -> usize;
    let works: [(&str, Work); 5] = [
        ("hl7-parser, parse", |text| hl7_parser::Message::parse(text).map_or(0, |m| m.segments().count())),
        ("tongmai, parse", |text| parse(text).0.map_or(0, |message| message.len())),
        ("hl7-parser, parse and walk", walk_theirs),
        ("tongmai, parse and walk", walk_ours),
        ("tongmai, to valid FHIR", |text| understand(text.as_bytes(), &Options::default()).entries.len()),
    ];
    let mut spent = [Duration::ZERO; 5];
    for _ in 0..ROUNDS {
        for ((_, work), spent) in works.iter().zip(&mut spent) {
            let begun = Instant::now();
            for message in &messages {
                black_box(work(black_box(message)));
            }
            *spent += begun.elapsed();
        }
    }
    for ((name, _), spent) in works.iter().zip(spent) {
        let seconds = spent.as_secs_f64();
        let count = (ROUNDS * messages.len()) as f64;
        println!(
            "{name:28} {:10.0} messages/s {:8.1} MB/s",
            count / seconds,
            (ROUNDS * bytes) as f64 / seconds / 1e6
        );
    }
    let ratio = |slow: usize, fast: usize| spent[slow].as_secs_f64() / spent[fast].as_secs_f64();
    println!("ratio: parse {:.1}, parse and walk {:.1}", ratio(0, 1), ratio(2, 3));
    let resources: usize =
        messages.iter().map(|text| understand(text.as_bytes(), &Options::default()).entries.len()).sum();
    println!(
        "{resources} resources, {:.0} resources/s",
        (ROUNDS * resources) as f64 / spent[4].as_secs_f64()
    );
}
