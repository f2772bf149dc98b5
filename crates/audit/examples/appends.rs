//! How many reads a second become leaves: `cargo run --release -p tongmai-audit --example appends [leaves]`.
//!
//! Each leaf commits to the entries of two records; a head is taken every 1,000 leaves, as a busy log
//! would. Then proofs of inclusion are made and checked.

use std::time::Instant;

use tongmai_audit::log::Read;
use tongmai_audit::tree::includes;
use tongmai_audit::{Log, Profile};

fn main() {
    let count: u64 = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(200_000);
    for profile in [Profile::Sha256, Profile::Sm3] {
        let mut log = Log::new(profile, [7; 32]);
        let mut bytes = 0;
        let begun = Instant::now();
        for n in 0..count {
            let shown = vec![(1 + n % 10_000, (n..n + 20).collect()), (20_000 + n % 977, vec![n])];
            let (actor, purpose) = (format!("dr-{}@hospital", n % 500), "TREAT".to_owned());
            let read = Read { time: n as i64, actor, purpose, operation: 5, shown };
            let leaf = log.append(&read);
            bytes += serde_json::to_vec(&leaf).map_or(0, |line| line.len() + 1);
            if n % 1_000 == 0 {
                std::hint::black_box(log.head("bench", n as i64));
            }
        }
        let seconds = begun.elapsed().as_secs_f64();
        println!(
            "{}: {count} leaves in {seconds:.2} s, {:.0} a second, {} bytes a leaf",
            profile.name(),
            count as f64 / seconds,
            bytes as u64 / count
        );
        let root = log.tree().root(count).unwrap_or_default();
        let (begun, tries) = (Instant::now(), 10_000);
        for n in 0..tries {
            let index = n * 7919 % count;
            let path = log.tree().inclusion(index, count).unwrap_or_default();
            let leaf = log.tree().leaf(index).unwrap_or_default();
            assert!(includes(profile, &leaf, index, count, &path, &root));
        }
        let each = begun.elapsed().as_secs_f64() / tries as f64;
        println!("{}: a proof is made and checked in {:.1} µs", profile.name(), each * 1e6);
    }
}
