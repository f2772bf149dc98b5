//! Prints how fast a county is made: `cargo run --release -p tongmai-region --example rate -- 10000`.

use std::time::Instant;
use tongmai_region::County;
use tongmai_region::fhir::{Counts, Kind};

fn main() {
    let people = std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(10_000);
    let started = Instant::now();
    let county = County::new(1, people, 20_778);
    let planned = started.elapsed();
    let (mut counts, mut text, mut bytes) = (Counts::default(), String::new(), 0);
    county.write_directory_bundle(&mut text, &mut counts);
    for person in county.everyone() {
        bytes += text.len();
        text.clear();
        county.write_bundle(&person, &mut text, &mut counts);
    }
    let seconds = started.elapsed().as_secs_f64();
    let total: u64 = counts.iter().sum();
    for &kind in Kind::ALL {
        println!("{:>10} {}", counts[kind as usize], kind.name());
    }
    println!(
        "{total} resources of {people} people ({:.1} each, {} bytes each resource) in {seconds:.2} s: {:.0} a second; planned in {planned:?}",
        total as f64 / people as f64,
        bytes as u64 / total,
        total as f64 / seconds
    );
}
