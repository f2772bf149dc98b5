//! Spoilt messages: nothing panics, every rejection names its place and its repair, and what is
//! understood stays valid.
//!
//! 20,000 mutants run with the other tests; `TONGMAI_MUTANTS=1000000 cargo test --release -p
//! tongmai-gateway --test hl7v2_mutants` runs a million. A seed that fails is printed.

mod damage;

use tongmai_gateway::hl7v2::{Options, understand};
use tongmai_testkit::Random;

/// What real messages hold where a value should be, and what strangers send.
const PLACEHOLDERS: &[&str] = &[
    "-",
    "无",
    "\"\"",
    "不详",
    "99999999",
    "20260230",
    "１２３",
    "^^^",
    "~~~",
    "\\X0\\",
    "\u{0}",
    "&&&",
    "|||||",
];

fn mutant(seed: u64, messages: &[Vec<u8>]) -> Vec<u8> {
    let mut random = Random(seed);
    let mut bytes = messages[random.below(messages.len())].clone();
    for _ in 0..=random.below(4) {
        if bytes.is_empty() {
            break;
        }
        let at = random.below(bytes.len());
        let segments: Vec<&[u8]> = bytes.split(|byte| *byte == b'\r').collect();
        match random.below(10) {
            0 => bytes.truncate(at),
            1 => bytes[at] = random.next() as u8,
            2 => drop(bytes.remove(at)),
            3 => bytes.insert(at, b"|^~&\\\r\n\x0b\x1c\""[random.below(10)]),
            4 => {
                // A segment twice.
                let which = segments[random.below(segments.len())].to_vec();
                bytes.splice(at..at, [b"\r", which.as_slice(), b"\r"].concat());
            }
            5 => {
                // A segment gone, or two in the wrong order.
                let mut kept: Vec<Vec<u8>> = segments.iter().map(|segment| segment.to_vec()).collect();
                let (one, other) = (random.below(kept.len()), random.below(kept.len()));
                if random.below(2) == 0 {
                    drop(kept.remove(one))
                } else {
                    kept.swap(one, other)
                }
                bytes = kept.join(&b'\r');
            }
            6 | 7 => {
                // A field replaced by a placeholder.
                let end = bytes[at..]
                    .iter()
                    .position(|byte| *byte == b'|')
                    .map_or(bytes.len(), |length| at + length);
                let word = PLACEHOLDERS[random.below(PLACEHOLDERS.len())];
                bytes.splice(at..end, word.bytes());
            }
            8 => {
                // Another character set than the one that is named.
                let text = String::from_utf8_lossy(&bytes).replace('A', "王");
                bytes = encoding_rs::GBK.encode(&text).0.into_owned();
            }
            _ => {
                // A stretch doubled.
                let end = (at + random.below(40)).min(bytes.len());
                let stretch = bytes[at..end].to_vec();
                bytes.splice(at..at, stretch);
            }
        }
    }
    bytes
}

#[test]
fn spoilt_messages_are_salvaged_or_refused_with_reasons() {
    let Some(folder) = tongmai_testkit::data("hl7v2/messages") else { return };
    let mut files: Vec<_> =
        std::fs::read_dir(folder).expect("messages").map(|e| e.expect("a file").path()).collect();
    files.sort();
    let messages: Vec<Vec<u8>> = files.iter().map(|path| tongmai_testkit::read(path)).collect();
    let count = damage::wanted(20_000);
    let check = |seed| {
        let understood = understand(&mutant(seed, &messages), &Options::default());
        damage::judge(&understood).map(|()| understood.is_refused())
    };
    let refused = damage::run("hl7v2", 0..count, &check);
    println!("{count} mutants, {refused} refused");
    assert!(refused < count / 2, "{refused} of {count} were refused");
}
