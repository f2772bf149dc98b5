//! `cargo xtask train-dictionary`: the dictionary of stored bodies, from the synthetic county alone.

use anyhow::Result;
use tongmai_region::County;
use tongmai_region::fhir::{Kind, Lines};

/// Size of the dictionary.
const BYTES: usize = 112 * 1024;
/// People whose records it is trained on.
const PEOPLE: usize = 1_500;
/// A day in 2026, so that the same dictionary comes out whenever it is trained.
const TODAY: i64 = 20_778;

pub fn train() -> Result<()> {
    let county = County::new(1, PEOPLE, TODAY);
    let mut lines = Lines::new();
    county.write_directory_lines(&mut lines);
    for person in county.everyone() {
        county.write_lines(&person, &mut lines);
    }
    // Kinds in turn, so that no one of them fills the dictionary.
    let mut samples: Vec<Vec<u8>> = Vec::new();
    for &kind in Kind::ALL {
        let all: Vec<&str> = lines.of(kind).lines().collect();
        let step = (all.len() / 2_500).max(1);
        samples.extend(all.into_iter().step_by(step).map(|line| as_stored(line).into_bytes()));
    }
    let dictionary = zstd::dict::from_samples(&samples, BYTES)?;
    let path = "crates/codec/dictionary/1.zdict";
    std::fs::write(path, &dictionary)?;
    println!("{path}: {} bytes from {} samples", dictionary.len(), samples.len());
    Ok(())
}

/// A line with the meta that every stored body begins with.
fn as_stored(line: &str) -> String {
    const META: &str = ",\"meta\":{\"versionId\":\"1\",\"lastUpdated\":\"2026-11-21T08:30:00.000+08:00\"";
    let Some(at) = line.find("\"id\":\"") else { return line.to_owned() };
    let start = at + "\"id\":\"".len();
    let Some(end) = line[start..].find('"').map(|length| start + length + 1) else { return line.to_owned() };
    match line[end..].strip_prefix(",\"meta\":{") {
        Some(rest) => format!("{}{META},{rest}", &line[..end]),
        None => format!("{}{META}}}{}", &line[..end], &line[end..]),
    }
}
