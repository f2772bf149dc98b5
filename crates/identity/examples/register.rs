//! Measures one record against a register of generated people.
//!
//! `cargo run --release -p tongmai-identity --example register -- 10000000`

use std::time::Instant;
use tongmai_identity::generate::{Generator, Record};
use tongmai_identity::register::{Person, Register};

fn person(record: &Record) -> Person<'_> {
    let [name, sex, birth_date, identity_number, insurance_number, phone, address, _] = &record.fields;
    Person { name, sex, birth_date, identity_number, insurance_number, phone, address, patient_number: "" }
}

/// Prints the percentiles of some queries in microseconds.
fn measure(register: &Register, label: &str, queries: &[Record]) {
    let mut times: Vec<f64> = Vec::with_capacity(queries.len());
    let mut found = 0usize;
    let start = Instant::now();
    for query in queries {
        let begun = Instant::now();
        found += register.find(&person(query), 10).len();
        times.push(begun.elapsed().as_secs_f64() * 1e6);
    }
    let all = start.elapsed().as_secs_f64();
    times.sort_by(f64::total_cmp);
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    println!(
        "{label}: {} queries, {found} matches, p50 {:.0} µs, p99 {:.0} µs, longest {:.0} µs, {:.0} a second on one core",
        queries.len(),
        at(0.5),
        at(0.99),
        at(1.0),
        queries.len() as f64 / all
    );
}

fn resident_megabytes() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap_or("");
    line.split_whitespace().nth(1).and_then(|kb| kb.parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
}

fn main() {
    let people: usize = std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(1_000_000);
    let mut register = Register::new();
    for record in Generator::new(1).take(people) {
        register.append(&person(&record));
    }
    register.pack();
    println!("{people} records, {:.0} MB resident", resident_megabytes());
    let known: Vec<Record> = Generator::new(1).step_by(people / 20_000 + 1).take(20_000).collect();
    let strangers: Vec<Record> = Generator::new(2).take(20_000).collect();
    measure(&register, "known people", &known);
    measure(&register, "strangers", &strangers);
    let common: Vec<Record> = Generator::new(2)
        .take(1_000)
        .map(|mut record| {
            record.fields[0] = "王伟".into();
            record
        })
        .collect();
    measure(&register, "王伟", &common);
}
