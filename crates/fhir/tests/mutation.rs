//! Mutated bytes of real and made resources never make anything panic.

use tongmai_fhir::json::Json;
use tongmai_fhir::reference::{for_each_reference, for_each_reference_mut};
use tongmai_fhir::search::{self, query};
use tongmai_fhir::{compartment, definition, narrative, validate};

/// A small generator (SplitMix64) whose seed is printed by a failing assertion.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % limit as u64) as usize
    }
}

/// Everything that reads a stranger's bytes.
fn use_bytes(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let _ = narrative::check(&text);
    let _ = query::parse_date_query(&text);
    let _ = query::parse_number_query(&text);
    let _ = query::parse_quantity_query(&text);
    let _ = search::Reference::parse(&text);
    let folded = search::fold(&text);
    assert_eq!(search::fold(&folded), folded, "folding twice");
    let Ok(mut resource) = Json::parse(bytes) else { return false };
    for finding in validate::validate(&resource, &validate::Options::default()) {
        assert!(!finding.path.is_empty() && !finding.code.is_empty() && !finding.message.is_empty());
    }
    for id in [
        definition::resource_type_id("Patient"),
        resource.text("resourceType").and_then(definition::resource_type_id),
    ] {
        let Some(id) = id else { continue };
        search::extract(&resource, id);
        compartment::patient_references(&resource, id);
    }
    let mut count = 0;
    for_each_reference(&resource, &mut |place, _| count += place.to_string().len().min(1));
    for_each_reference_mut(&mut resource, &mut |_| count -= 1);
    assert_eq!(count, 0, "both walks find the same references");
    true
}

/// The resources of the fixtures.
fn seeds() -> Vec<Vec<u8>> {
    [include_str!("cases/validate.txt"), include_str!("cases/extract.txt")]
        .iter()
        .flat_map(|text| text.lines())
        .filter(|line| line.starts_with('{'))
        .map(|line| line.as_bytes().to_vec())
        .collect()
}

#[test]
fn mutated_bytes_never_panic() {
    let seeds = seeds();
    let pieces: [&[u8]; 16] = [
        b"null",
        b"{}",
        b"[]",
        b"\"\"",
        b"1e999",
        b"-",
        b"\"_",
        b"[[",
        b"}",
        b",",
        b"\"reference\":\"#\"",
        b"\xff",
        b"\"\\ud800\"",
        "扎".as_bytes(),
        b"9999999999",
        b"true",
    ];
    let mut parsed = 0;
    for round in 0..6000u64 {
        let mut random = Random(round);
        let mut bytes = seeds[random.below(seeds.len())].clone();
        for _ in 0..=random.below(4) {
            let at = random.below(bytes.len());
            match random.below(4) {
                0 => bytes[at] = random.below(256) as u8,
                1 => drop(bytes.splice(at..at, pieces[random.below(pieces.len())].iter().copied())),
                2 => drop(bytes.drain(at..(at + 1 + random.below(8)).min(bytes.len()))),
                _ => {
                    // Put the text of one value in the place of another.
                    let from = random.below(bytes.len());
                    let piece = bytes[from..(from + random.below(30)).min(bytes.len())].to_vec();
                    bytes.splice(at..at, piece);
                }
            }
            if bytes.is_empty() {
                bytes.push(b'0');
            }
        }
        parsed += usize::from(use_bytes(&bytes));
    }
    assert!(parsed > 300, "only {parsed} mutants were JSON");
}

#[test]
fn many_of_everything_takes_linear_time() {
    let many = |text: &dyn Fn(usize) -> String| (0..20_000).map(text).collect::<Vec<_>>().join(",");
    let start = std::time::Instant::now();
    for text in [
        format!(
            r##"{{"resourceType":"List","contained":[{}],"entry":[{}]}}"##,
            many(&|i| format!(r#"{{"resourceType":"Patient","id":"{i}"}}"#)),
            many(&|i| format!(r##"{{"item":{{"reference":"#{i}"}}}}"##)),
        ),
        format!(
            r#"{{"resourceType":"Group","member":[{}]}}"#,
            many(&|i| format!(r#"{{"entity":{{"reference":"Patient/{i}"}}}}"#))
        ),
        format!(
            r#"{{"resourceType":"Observation","code":{{"coding":[{0}]}},"valueCodeableConcept":{{"coding":[{0}]}}}}"#,
            many(&|i| format!(r#"{{"code":"{i}"}}"#))
        ),
        format!(r#"{{"resourceType":"Patient",{}}}"#, many(&|i| format!(r#""x{i}":null"#))),
        format!(
            r#"{{"resourceType":"Bundle","entry":[{}]}}"#,
            many(&|i| format!(r#"{{"fullUrl":"urn:{i}"}}"#))
        ),
    ] {
        assert!(use_bytes(text.as_bytes()));
    }
    // A quadratic walk over any of them takes minutes.
    assert!(start.elapsed().as_secs() < 20, "{:?}", start.elapsed());
}

#[test]
fn values_in_each_others_place_never_panic() {
    // Mutants that stay JSON: any value of any seed in the place of any other.
    let seeds: Vec<Vec<u8>> = seeds();
    let trees: Vec<Json<'_>> = seeds.iter().map(|bytes| Json::parse(bytes).expect("JSON")).collect();
    let mut values = Vec::new();
    for tree in &trees {
        collect(tree, &mut values);
    }
    for round in 0..4000u64 {
        let mut random = Random(!round);
        let mut tree = trees[random.below(trees.len())].clone();
        let wanted = random.below(60);
        replace(&mut tree, &mut (wanted as i64), values[random.below(values.len())]);
        assert!(use_bytes(tree.to_string().as_bytes()), "seed {round}: {tree}");
    }
}

fn collect<'v, 'a>(value: &'v Json<'a>, into: &mut Vec<&'v Json<'a>>) {
    into.push(value);
    match value {
        Json::Array(items) => items.iter().for_each(|item| collect(item, into)),
        Json::Object(properties) => properties.iter().for_each(|(_, value)| collect(value, into)),
        _ => {}
    }
}

fn replace<'a>(value: &mut Json<'a>, left: &mut i64, with: &Json<'a>) {
    *left -= 1;
    if *left == 0 {
        *value = with.clone();
        return;
    }
    match value {
        Json::Array(items) => items.iter_mut().for_each(|item| replace(item, left, with)),
        Json::Object(properties) => properties.iter_mut().for_each(|(_, value)| replace(value, left, with)),
        _ => {}
    }
}
