//! A file of generated people deduplicated, with what it cost and what it is worth.
//!
//! `cargo run --release -p tongmai-identity --example dedupe -- FILE [errors]`
//!
//! FILE is what `tongmai identity generate --out FILE` writes. Reading, learning and clusters are counted;
//! the truth (`entity`) is looked at afterwards. With `errors`, the false automatic links, the commonest kinds
//! of missed pairs (objection, and the level of each attribute) and a sample of them are printed.

use std::collections::{HashMap, HashSet};
use std::time::Instant;
use tongmai_identity::compare::{Comparer, level};
use tongmai_identity::evaluate::{clusters, pairs};
use tongmai_identity::link::{Settings, Zone, link};
use tongmai_identity::population::{Builder, Population, RecordId};
use tongmai_identity::schema::Schema;

const MAPPING: &str = "rec_id = \"record_id\"\nname = \"full_name\"\nsex = \"sex\"\ndob = \"birth_date\"\n\
    id_no = \"national_id\"\nmi_no = \"national_id\"\nphone = \"phone\"\naddr = \"address\"\n\
    mother = \"mother_name\"\n";

/// Seconds of processor time of this process.
fn processor() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let rest = stat.rsplit(')').next().unwrap_or("");
    let ticks =
        |at: usize| rest.split_whitespace().nth(at).and_then(|n| n.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / 100.0
}

fn peak_megabytes() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or("");
    line.split_whitespace().nth(1).and_then(|kb| kb.parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
}

/// The lower 95 % bound of a share of true links (Wilson score interval).
fn lower_bound(hits: usize, all: usize) -> f64 {
    let (n, z) = (all.max(1) as f64, 1.96f64);
    let p = hits as f64 / n;
    let middle = p + z * z / (2.0 * n);
    let width = z * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt();
    (middle - width) / (1.0 + z * z / n)
}

fn main() {
    let path = std::env::args().nth(1).expect("the file that `tongmai identity generate` wrote");
    let errors = std::env::args().nth(2).is_some();
    let begun = Instant::now();
    let (schema, _) = Schema::read(MAPPING).expect("the mapping is a constant");
    let text = std::fs::read_to_string(&path).expect("a readable file");
    let mut lines = text.lines();
    let header: Vec<&str> = lines.next().unwrap_or("").split(',').collect();
    let place = |name: &str| header.iter().position(|column| *column == name).expect("a column");
    let places: Vec<usize> = schema.columns.iter().map(|column| place(&column.name)).collect();
    let entity = place("entity");
    let mut builder = Builder::new(schema);
    let mut truth: Vec<String> = Vec::new();
    for line in lines {
        let fields: Vec<&str> = line.split(',').collect();
        let chosen: Vec<&str> = places.iter().map(|at| fields[*at]).collect();
        builder.push(0, "", &chosen);
        truth.push(fields[entity].to_owned());
    }
    let (people, _) = builder.finish();
    let read = processor();
    let outcome = link(&people, &Settings::default());
    println!(
        "{} records: {:.1} s processor ({read:.1} reading), {:.1} s in all, {:.0} MB at most, {} pairs compared",
        people.len(),
        processor(),
        begun.elapsed().as_secs_f64(),
        peak_megabytes(),
        outcome.compared
    );
    let automatic: Vec<(RecordId, RecordId)> =
        outcome.pairs.iter().filter(|p| p.zone == Zone::Automatic).map(|p| (p.left, p.right)).collect();
    let mut members: HashMap<&str, Vec<RecordId>> = HashMap::new();
    for (record, entity) in truth.iter().enumerate() {
        members.entry(entity).or_default().push(record as RecordId);
    }
    let wanted: Vec<(RecordId, RecordId)> = members
        .values()
        .flat_map(|group| {
            group.iter().enumerate().flat_map(|(at, a)| group[at + 1..].iter().map(move |b| (*a, *b)))
        })
        .collect();
    let found = pairs(&automatic, &wanted);
    println!(
        "automatic from {:.6}: F1 {:.5}, precision {:.6} (bound {:.6}), recall {:.5}, {} false, {} missed",
        outcome.automatic,
        found.f1(),
        found.precision(),
        lower_bound(found.hits as usize, automatic.len()),
        found.recall(),
        found.false_links,
        found.missed
    );
    println!("clusters: F1 {:.5}", clusters(&outcome.clusters, &truth).f1());
    calibration(&outcome, &truth);
    if errors {
        let rows: Vec<&str> = text.lines().skip(1).collect();
        let mut zones: HashMap<(RecordId, RecordId), (f64, Zone)> = HashMap::new();
        for pair in &outcome.pairs {
            zones.insert((pair.left, pair.right), (pair.score.probability(), pair.zone));
        }
        let same = |pair: &&(RecordId, RecordId)| truth[pair.0 as usize] == truth[pair.1 as usize];
        for (a, b) in automatic.iter().filter(|pair| !same(pair)) {
            println!("false {:?}\n  {}\n  {}", zones[&(*a, *b)], rows[*a as usize], rows[*b as usize]);
        }
        let linked: HashSet<&PairOf> = automatic.iter().collect();
        kinds(&people, &wanted, &linked, &zones);
        for (a, b) in wanted.iter().filter(|pair| !linked.contains(pair)).step_by(37) {
            let zone = zones.get(&(*a, *b));
            let together = outcome.clusters[*a as usize] == outcome.clusters[*b as usize];
            println!("missed {zone:?} {together}\n  {}\n  {}", rows[*a as usize], rows[*b as usize]);
        }
    }
}

type PairOf = (RecordId, RecordId);

/// The commonest kinds of missed pairs: what was decided, what stood against it, how the attributes compared.
fn kinds(
    people: &Population,
    wanted: &[PairOf],
    linked: &HashSet<&PairOf>,
    zones: &HashMap<PairOf, (f64, Zone)>,
) {
    let comparer = Comparer::new(people);
    let roles: Vec<String> = people.attributes.iter().map(|a| format!("{:?}", a.role)).collect();
    println!("attributes: {}", roles.join(" "));
    let mut kinds: HashMap<String, usize> = HashMap::new();
    for pair in wanted.iter().filter(|pair| !linked.contains(pair)) {
        let (left, right) = (pair.0.min(pair.1), pair.0.max(pair.1));
        let code = comparer.code(left, right);
        let levels: Vec<String> = (0..roles.len()).map(|slot| level(code, slot).to_string()).collect();
        let zone = zones.get(&(left, right)).map_or("none".to_owned(), |(p, zone)| {
            format!("{zone:?} {}", if *p >= 0.5 { "likely" } else { "unlikely" })
        });
        let kind = format!("{zone} {:?} {}", comparer.objection(left, right, code), levels.join(" "));
        *kinds.entry(kind).or_default() += 1;
    }
    let mut kinds: Vec<(String, usize)> = kinds.into_iter().collect();
    kinds.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
    for (kind, count) in kinds.iter().take(60) {
        println!("missed {count}: {kind}");
    }
}

/// Predicted and observed shares of true pairs, by decile of the probability.
fn calibration(outcome: &tongmai_identity::link::Outcome, truth: &[String]) {
    let mut deciles = [(0usize, 0.0f64, 0usize); 10];
    for pair in &outcome.pairs {
        let probability = pair.score.probability();
        let decile = &mut deciles[((probability * 10.0) as usize).min(9)];
        decile.0 += 1;
        decile.1 += probability;
        decile.2 += usize::from(truth[pair.left as usize] == truth[pair.right as usize]);
    }
    for (at, (count, sum, hits)) in deciles.iter().enumerate().filter(|(_, decile)| decile.0 > 0) {
        let share = |part: f64| part / *count as f64;
        println!(
            "  .{at} to .{}: {count} pairs, predicted {:.4}, observed {:.4}",
            at + 1,
            share(*sum),
            share(*hits as f64)
        );
    }
}
