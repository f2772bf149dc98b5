//! The county is what it says: the same for the same seed, as many resources as
//! the truth counts, nobody real, everyone referred to, outbreaks to be seen.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::LazyLock;

use serde_json::Value;
use sha2::{Digest, Sha256};
use tongmai_base::time::days_from_civil;
use tongmai_region::fhir::{Counts, Kind, Lines};
use tongmai_region::truth::Truth;
use tongmai_region::{County, number, story};

const SEED: u64 = 7;
const PEOPLE: usize = 1_000;

/// A county of a thousand, with every Bundle parsed.
struct Sample {
    county: County,
    truth: Truth,
    /// The directory's Bundle, then one of each person.
    bundles: Vec<Value>,
}

fn today() -> i64 {
    days_from_civil(2026, 11, 21)
}

static SAMPLE: LazyLock<Sample> = LazyLock::new(|| {
    let county = County::new(SEED, PEOPLE, today());
    let mut text = String::new();
    let mut counts = Counts::default();
    county.write_directory_bundle(&mut text, &mut counts);
    let mut bundles = vec![serde_json::from_str(&text).expect("the directory is JSON")];
    for person in county.everyone() {
        text.clear();
        county.write_bundle(&person, &mut text, &mut counts);
        bundles.push(serde_json::from_str(&text).unwrap_or_else(|e| panic!("person {}: {e}", person.index)));
    }
    Sample { truth: county.truth(), county, bundles }
});

fn resources() -> impl Iterator<Item = &'static Value> {
    let entries = SAMPLE.bundles.iter().flat_map(|b| b["entry"].as_array().expect("entries"));
    entries.map(|e| &e["resource"])
}

fn of_type(name: &'static str) -> impl Iterator<Item = &'static Value> {
    resources().filter(move |r| r["resourceType"] == name)
}

/// Calls `visit` with every member of a document.
fn members(value: &Value, visit: &mut impl FnMut(&str, &Value)) {
    match value {
        Value::Object(object) => object.iter().for_each(|(name, value)| {
            visit(name, value);
            members(value, visit);
        }),
        Value::Array(items) => items.iter().for_each(|item| members(item, visit)),
        _ => {}
    }
}

fn hash_of(seed: u64, people: usize) -> String {
    let county = County::new(seed, people, today());
    let (mut text, mut counts, mut hash) = (String::new(), Counts::default(), Sha256::new());
    county.write_directory_bundle(&mut text, &mut counts);
    for person in county.everyone() {
        county.write_bundle(&person, &mut text, &mut counts);
        hash.update(text.as_bytes());
        text.clear();
    }
    hash.finalize().iter().take(8).map(|b| format!("{b:02x}")).collect()
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    // Pinned: whoever changes what the county says changes this line, and knows it.
    assert_eq!(hash_of(1, 200), "ac16d91404802514");
    assert_ne!(hash_of(2, 200), hash_of(1, 200));
}

#[test]
fn a_small_county_is_the_beginning_of_a_large_one() {
    let (small, large) = (County::new(3, 60, today()), County::new(3, 400, today()));
    let bundle = |county: &County, person: &tongmai_region::Person| {
        let mut text = String::new();
        county.write_bundle(person, &mut text, &mut Counts::default());
        text
    };
    let whole: Vec<String> = small.everyone().map(|p| bundle(&small, &p)).collect();
    let beginning: Vec<String> = large.everyone().take(60).map(|p| bundle(&large, &p)).collect();
    assert_eq!(whole.len(), 60);
    // The last household may be cut, so that its members know fewer twins.
    assert_eq!(whole[..55], beginning[..55]);
}

#[test]
fn counts_are_those_of_the_truth() {
    let mut counted: HashMap<&str, u64> = HashMap::new();
    for resource in resources() {
        *counted.entry(resource["resourceType"].as_str().expect("a type")).or_default() += 1;
    }
    let county = &SAMPLE.county;
    let mut lines = Lines::new();
    county.write_directory_lines(&mut lines);
    county.everyone().for_each(|person| county.write_lines(&person, &mut lines));
    for &kind in Kind::ALL {
        let expected = SAMPLE.truth.counts[kind as usize];
        assert!(expected > 0, "{} is missing", kind.name());
        assert_eq!(counted.get(kind.name()).copied().unwrap_or(0), expected, "{}", kind.name());
        assert_eq!(lines.of(kind).lines().count() as u64, expected, "lines of {}", kind.name());
    }
    assert_eq!(SAMPLE.truth.records.len() as u64, SAMPLE.truth.counts[Kind::Patient as usize]);
    assert_eq!(SAMPLE.truth.people, PEOPLE as u64);
}

#[test]
fn about_thirty_resources_a_person() {
    let of_people: u64 = Kind::ALL.iter().skip(4).map(|&kind| SAMPLE.truth.counts[kind as usize]).sum();
    let mean = of_people as f64 / PEOPLE as f64;
    assert!((25.0..=35.0).contains(&mean), "{mean}");
}

#[test]
fn every_reference_leads_to_a_resource() {
    let mut fixed: HashSet<String> = HashSet::new();
    for entry in SAMPLE.bundles[0]["entry"].as_array().expect("entries") {
        let condition = entry["request"]["ifNoneExist"].as_str().expect("a conditional create");
        let kind = entry["request"]["url"].as_str().expect("a type");
        assert!(fixed.insert(format!("{kind}?{condition}")), "{condition} twice");
    }
    let mut ids = HashSet::new();
    for bundle in &SAMPLE.bundles {
        let entries = bundle["entry"].as_array().expect("entries");
        let own: HashSet<&str> = entries.iter().filter_map(|e| e["fullUrl"].as_str()).collect();
        assert_eq!(own.len(), entries.len());
        for entry in entries {
            assert!(ids.insert(entry["resource"]["id"].as_str().expect("an id")));
            members(&entry["resource"], &mut |name, value| {
                assert!(
                    *value != serde_json::json!({}) && *value != serde_json::json!([]),
                    "{name} is empty"
                );
                assert_ne!(value.as_str(), Some(""), "{name} is empty");
                if let ("reference", Some(reference)) = (name, value.as_str()) {
                    assert!(own.contains(reference) || fixed.contains(reference), "{reference}");
                }
            });
        }
    }
}

#[test]
fn lines_refer_to_lines() {
    let county = &SAMPLE.county;
    let mut lines = Lines::new();
    county.write_directory_lines(&mut lines);
    county.everyone().take(100).for_each(|person| county.write_lines(&person, &mut lines));
    let parsed: Vec<Value> = Kind::ALL
        .iter()
        .flat_map(|&kind| lines.of(kind).lines())
        .map(|line| serde_json::from_str(line).expect("a line is JSON"))
        .collect();
    let name = |r: &Value| {
        format!("{}/{}", r["resourceType"].as_str().unwrap_or(""), r["id"].as_str().unwrap_or(""))
    };
    let ids: HashSet<String> = parsed.iter().map(name).collect();
    for resource in &parsed {
        members(resource, &mut |name, value| {
            if let ("reference", Some(reference)) = (name, value.as_str()) {
                assert!(ids.contains(reference), "{reference}");
            }
        });
    }
}

#[test]
fn nobody_is_real() {
    let by_id: HashMap<String, &[_]> = SAMPLE
        .truth
        .records
        .iter()
        .map(|r| {
            let mut id = String::new();
            tongmai_region::json::uuid(&mut id, r.id);
            (id, r.variants.as_slice())
        })
        .collect();
    let (mut numbers, mut phones) = (0, 0);
    for patient in of_type("Patient") {
        let variants = by_id[patient["id"].as_str().expect("an id")];
        for identifier in patient["identifier"].as_array().expect("identifiers") {
            if identifier["system"] == "urn:oid:2.16.156.10011.1.3" {
                let value = identifier["value"].as_str().expect("a number");
                assert!(value.starts_with("99"), "{value}");
                let planted = variants.iter().any(|v| matches!(v.code(), "legacy-number" | "number-typo"));
                assert!(number::is_valid(value) || planted, "{value}");
                numbers += 1;
            }
        }
    }
    for resource in resources() {
        for telecom in resource["telecom"].as_array().into_iter().flatten() {
            let value = telecom["value"].as_str().expect("a phone");
            assert!(value.starts_with("12") && value.len() == 11, "{value}");
            phones += 1;
        }
    }
    assert!(numbers > 900 && phones > 900);
}

#[test]
fn true_numbers_are_unique_and_fit_the_person() {
    let county = County::new(11, 5_000, today());
    let mut seen = HashSet::new();
    for person in county.everyone() {
        let Some(value) = &person.identity_number else { continue };
        assert!(seen.insert(value.clone()), "{value} twice");
        assert_eq!(number::birth_of(value), Some(person.birth));
        let odd = (value.as_bytes()[16] - b'0') % 2 == 1;
        assert_eq!(odd, person.sex == tongmai_region::names::Sex::Male);
    }
}

#[test]
fn duplicates_of_every_sort_are_planted() {
    let county = County::new(SEED, 4_000, today());
    let mut truth = Truth::new(&county);
    county.everyone().for_each(|person| truth.add(&county, &person));
    let mut sorts: BTreeMap<&str, usize> = BTreeMap::new();
    for variant in truth.records.iter().flat_map(|r| &r.variants) {
        *sorts.entry(variant.code()).or_default() += 1;
    }
    assert_eq!(sorts.len(), 9, "{sorts:?}");
    let again = truth.records.len() as f64 / 4_000.0;
    assert!((1.1..1.4).contains(&again), "{again} records a person");
    let twins = truth.lookalikes.iter().filter(|l| l.why == "twins").count();
    assert!(twins >= 5, "{twins} pairs of twins");
    assert_eq!(truth.records_csv().lines().count(), truth.records.len() + 1);
    let document: Value = serde_json::from_str(&truth.to_json()).expect("the truth is JSON");
    assert_eq!(document["outbreaks"].as_array().map(Vec::len), Some(county.outbreaks.len()));
}

#[test]
fn planted_outbreaks_stand_out() {
    let county = County::new(SEED, 3_000, today());
    let mut truth = Truth::new(&county);
    // Influenza seen per village and week, as surveillance would count it.
    let mut weekly: HashMap<(usize, i64), i64> = HashMap::new();
    for person in county.everyone() {
        truth.add(&county, &person);
        for condition in person.conditions.iter().filter(|c| c.diagnosis.icd.starts_with("J1")) {
            *weekly.entry((person.village, (condition.onset - 4).div_euclid(7))).or_default() += 1;
        }
    }
    for outbreak in &truth.outbreaks {
        assert!(outbreak.cases.len() >= 8, "outbreak {} has {} cases", outbreak.index, outbreak.cases.len());
        let first = (outbreak.first_day - 4).div_euclid(7);
        let count = |week: i64| weekly.get(&(outbreak.village, week)).copied().unwrap_or(0);
        let peak = (first - 1..=first + outbreak.weeks).map(count).max().unwrap_or(0);
        let before: i64 = (first - 9..first - 1).map(count).sum();
        assert!(
            peak * 8 > 3 * before + 16,
            "outbreak {}: peak {peak}, {before} in eight weeks",
            outbreak.index
        );
    }
}

#[test]
fn names_are_of_three_peoples_and_several_scripts() {
    let county = County::new(SEED, 4_000, today());
    let names: Vec<String> = county.everyone().map(|p| p.name.text() + &p.name.script).collect();
    let some = |what: fn(char) -> bool| names.iter().filter(|n| n.chars().any(what)).count();
    assert!(some(|c| u32::from(c) > 0xFFFF) >= 5, "outside the Basic Multilingual Plane");
    assert!(some(|c| ('\u{0F00}'..'\u{0FFF}').contains(&c)) > 200, "Tibetan script");
    assert!(some(|c| c == '·') > 100, "interpuncts");
    assert!(some(|c| "喆犇翀旻珺玥彧䶮㛃".contains(c)) >= 5, "rare characters");
}

#[test]
fn bills_add_up_to_the_fen() {
    let mut claims = 0;
    for claim in of_type("Claim") {
        let fen = |value: &Value| (value["value"].as_f64().expect("an amount") * 100.0).round() as i64;
        let items = claim["item"].as_array().expect("items");
        let sum: i64 = items
            .iter()
            .map(|item| {
                let quantity = item["quantity"]["value"].as_i64().expect("a quantity");
                assert_eq!(fen(&item["unitPrice"]) * quantity, fen(&item["net"]));
                fen(&item["net"])
            })
            .sum();
        assert_eq!(sum, fen(&claim["total"]));
        claims += 1;
    }
    assert!(claims > 500);
    for benefit in of_type("ExplanationOfBenefit") {
        let fen =
            |at: usize| benefit["total"][at]["amount"]["value"].as_f64().map(|v| (v * 100.0).round() as i64);
        assert_eq!(fen(0), fen(1).zip(fen(2)).map(|(fund, patient)| fund + patient));
    }
}

#[test]
fn nothing_has_happened_in_the_future_or_after_death() {
    let county = County::new(5, 4_000, today());
    let mut deaths = 0;
    for person in county.everyone() {
        let mut last_bed = i64::MIN;
        for visit in &person.visits {
            assert!(visit.start < county.now() && visit.start < visit.end, "person {}", person.index);
            assert!(visit.start.div_euclid(1_440) >= person.birth - 1);
            assert!(person.died.is_none_or(|died| visit.start.div_euclid(1_440) <= died));
            assert!(
                visit.start >= last_bed || person.birth + 5 > visit.start / 1_440,
                "person {} in two places",
                person.index
            );
            if visit.class == tongmai_region::person::Class::Inpatient {
                last_bed = visit.end;
            }
        }
        deaths += usize::from(person.died.is_some());
    }
    assert!(deaths > 0);
    for observation in of_type("Observation") {
        let text = observation["effectiveDateTime"].as_str().expect("a time");
        assert!(text <= "2026-11-21T08:30:00+08:00", "{text}");
    }
}

#[test]
fn the_story_is_there_whatever_the_seed() {
    for seed in [1, 99] {
        let county = County::new(seed, 50, today());
        let people: Vec<_> = county.everyone().collect();
        let who = |number: &str| people.iter().find(|p| p.identity_number.as_deref() == Some(number));
        let zhuoma = who(story::ZHUOMA).expect("卓玛");
        assert_eq!(zhuoma.name.text(), "卓玛");
        let providers: HashSet<usize> = zhuoma.visits.iter().map(|v| v.provider).collect();
        assert!(providers.len() >= 5, "{providers:?}");
        let has = |icd: &str| zhuoma.conditions.iter().any(|c| c.diagnosis.icd == icd);
        assert!(has("I10") && has("E11.9") && has("E11.5") && has("F32.1"));
        let mut text = String::new();
        county.write_bundle(zhuoma, &mut text, &mut Counts::default());
        assert!(text.contains("2026-11-21T07:44:00+08:00") && text.contains("\"value\":186"));
        assert_eq!(who(story::DAUGHTER).map(|p| p.name.text()).as_deref(), Some("央金拉姆"));
        assert_eq!(who(story::WANG_FANG).map(|p| p.name.text()).as_deref(), Some("王芳"));
        let twins: Vec<_> = people.iter().filter(|p| p.name.text() == "王芳之子").collect();
        assert_eq!(twins.len(), 2);
        assert!(twins.iter().all(|t| t.identity_number.is_none() && t.twins.len() == 1));
        let tokens = story::twins(&county);
        assert!(tokens.len() == 2 && tokens[0] != tokens[1]);
        for (twin, token) in twins.iter().zip(&tokens) {
            assert!(token.ends_with(&format!("|{}", twin.records[0].number)));
        }
    }
}

#[test]
fn every_resource_is_valid_r4() {
    let county = County::new(SEED, 300, today());
    let mut lines = Lines::new();
    county.write_directory_lines(&mut lines);
    county.everyone().for_each(|person| county.write_lines(&person, &mut lines));
    let options = tongmai_fhir::validate::Options::default();
    let mut wrong: BTreeMap<String, usize> = BTreeMap::new();
    for line in Kind::ALL.iter().flat_map(|&kind| lines.of(kind).lines()) {
        let resource = tongmai_fhir::json::Json::parse_str(line).expect("JSON");
        for finding in tongmai_fhir::validate(&resource, &options) {
            *wrong.entry(finding.to_string()).or_default() += 1;
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
