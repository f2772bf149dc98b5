//! Public sets with truth, at the engine's own thresholds.

use std::collections::HashMap;
use tongmai_identity::evaluate::{Counts, clusters, pairs};
use tongmai_identity::link::{Outcome, Settings, Zone, link};
use tongmai_identity::population::{Builder, Population, RecordId};
use tongmai_identity::schema::Schema;
use tongmai_testkit::{data, read_text};

/// Splits one line of CSV; quotes are all that the sets need.
fn fields(line: &str) -> Vec<String> {
    let (mut out, mut field, mut quoted) = (Vec::new(), String::new(), false);
    for c in line.trim_end_matches('\r').chars() {
        match c {
            '"' => quoted = !quoted,
            ',' if !quoted => out.push(std::mem::take(&mut field).trim().to_owned()),
            other => field.push(other),
        }
    }
    out.push(field.trim().to_owned());
    out
}

/// A set: files, mapping, and how to tell a record's person.
struct Set {
    files: &'static [&'static str],
    mapping: &'static str,
    entity: fn(&HashMap<String, String>) -> String,
    across: bool,
    /// Only persons with this test are read, to keep the test short.
    sampled: fn(&str) -> bool,
}

fn run(set: &Set) -> Option<(Population, Outcome, Vec<String>)> {
    let (schema, _) = Schema::read(set.mapping).unwrap();
    let mut builder = Builder::new(schema.clone());
    let mut truth = Vec::new();
    for (source, file) in set.files.iter().enumerate() {
        let text = read_text(&data(file)?);
        let mut lines = text.lines();
        let header = fields(lines.next()?);
        for (line, row) in lines.enumerate() {
            let row: HashMap<String, String> = header.iter().cloned().zip(fields(row)).collect();
            let entity = (set.entity)(&row);
            if !(set.sampled)(&entity) {
                continue;
            }
            let chosen: Vec<&str> =
                schema.columns.iter().map(|c| row.get(&c.name).map_or("", String::as_str)).collect();
            builder.push(source as u8, &format!("{file}:{}", line + 2), &chosen);
            truth.push(entity);
        }
    }
    let (people, _) = builder.finish();
    let outcome = link(&people, &Settings { across: set.across, ..Settings::default() });
    Some((people, outcome, truth))
}

fn pair_counts(outcome: &Outcome, truth: &[String]) -> Counts {
    let found: Vec<(RecordId, RecordId)> =
        outcome.pairs.iter().filter(|p| p.zone == Zone::Automatic).map(|p| (p.left, p.right)).collect();
    let mut members: HashMap<&str, Vec<RecordId>> = HashMap::new();
    for (record, entity) in truth.iter().enumerate() {
        members.entry(entity).or_default().push(record as RecordId);
    }
    let mut wanted = Vec::new();
    for group in members.values() {
        for (at, left) in group.iter().enumerate() {
            wanted.extend(group[at + 1..].iter().map(|right| (*left, *right)));
        }
    }
    pairs(&found, &wanted)
}

const FEBRL: &str = "rec_id = \"record_id\"\ngiven_name = \"given_name\"\nsurname = \"family_name\"\n\
    address_1 = \"address\"\nsuburb = \"locality\"\nsoc_sec_id = \"national_id\"\n\
    date_of_birth = { kind = \"birth_date\", format = \"%Y%m%d\" }\n";

fn febrl_entity(row: &HashMap<String, String>) -> String {
    row["rec_id"].split('-').nth(1).unwrap_or("").to_owned()
}

fn all(_: &str) -> bool {
    true
}

#[test]
fn febrl_is_solved_whole() {
    let three = Set {
        files: &["identity/febrl/dataset3.csv"],
        mapping: FEBRL,
        entity: febrl_entity,
        across: false,
        sampled: all,
    };
    if let Some((_, outcome, truth)) = run(&three) {
        assert_eq!(clusters(&outcome.clusters, &truth).f1(), 1.0);
    }
    let four = Set {
        files: &["identity/febrl/dataset4a.csv", "identity/febrl/dataset4b.csv"],
        mapping: FEBRL,
        entity: febrl_entity,
        across: true,
        sampled: all,
    };
    if let Some((_, outcome, truth)) = run(&four) {
        assert_eq!(pair_counts(&outcome, &truth).f1(), 1.0);
        assert_eq!(clusters(&outcome.clusters, &truth).f1(), 1.0);
    }
}

#[test]
fn small_sets_with_many_missing_fields() {
    let fake = Set {
        files: &["identity/splink/fake_1000.csv"],
        mapping: "unique_id = \"record_id\"\nfirst_name = \"given_name\"\nsurname = \"family_name\"\n\
            dob = \"birth_date\"\ncity = \"locality\"\nemail = \"other\"\n",
        entity: |row| row["cluster"].clone(),
        across: false,
        sampled: all,
    };
    if let Some((_, outcome, truth)) = run(&fake) {
        let found = clusters(&outcome.clusters, &truth);
        println!("clusters {:.4}, automatic pairs {:.4}", found.f1(), pair_counts(&outcome, &truth).f1());
        assert!(found.f1() >= 0.95, "{found:?}");
    }
}

#[test]
fn ugandan_clients_are_solved_whole() {
    let clients = Set {
        files: &["identity/opencr/uganda_data_v21_20201501.csv"],
        mapping: "rec_id = \"record_id\"\nsex = \"sex\"\ndate_of_birth = { kind = \"birth_date\", format = \"%Y%m%d\" }\n\
            given_name = \"given_name\"\nsurname = \"family_name\"\nphone_number = \"phone\"\n\
            uganda_nin = \"national_id\"\nart_number = \"national_id\"\n",
        // rec-2762-org and rec-2762-dup-0 are one person.
        entity: febrl_entity,
        across: false,
        sampled: all,
    };
    if let Some((_, outcome, truth)) = run(&clients) {
        assert_eq!(clusters(&outcome.clusters, &truth).f1(), 1.0);
    }
}

#[test]
fn people_of_history_with_many_records() {
    let historical = Set {
        files: &["identity/splink/historical_50k_half.csv"],
        mapping: "unique_id = \"record_id\"\nfull_name = \"full_name\"\nfirst_name = \"given_name\"\n\
            surname = \"family_name\"\ndob = \"birth_date\"\nbirth_place = \"locality\"\n\
            postcode_fake = \"postcode\"\ngender = \"sex\"\noccupation = \"other\"\n",
        entity: |row| row["cluster"].clone(),
        across: false,
        sampled: all,
    };
    if let Some((_, outcome, truth)) = run(&historical) {
        let (grouped, linked) = (clusters(&outcome.clusters, &truth), pair_counts(&outcome, &truth));
        println!("clusters {:.4}, automatic pairs {:.4}", grouped.f1(), linked.f1());
        assert!(grouped.f1() >= 0.92, "{grouped:?}");
        assert!(linked.f1() >= 0.85, "{linked:?}");
    }
}

#[test]
fn chinese_twins_stay_apart() {
    // A third of the persons, with their twins: neighbours in the numbering.
    let chinese = Set {
        files: &["identity/cn_30k.csv"],
        mapping: "rec_id = \"record_id\"\nname = \"full_name\"\nsex = \"sex\"\ndob = \"birth_date\"\n\
            id_no = \"national_id\"\nmi_no = \"national_id\"\nphone = \"phone\"\naddr = \"address\"\n\
            mother = \"mother_name\"\n",
        entity: |row| row["entity"].clone(),
        across: false,
        sampled: |entity| entity.parse::<u32>().is_ok_and(|e| e / 10 % 3 == 0),
    };
    let Some((people, outcome, truth)) = run(&chinese) else { return };
    let found = pair_counts(&outcome, &truth);
    println!("{} records: automatic pairs {:.4}, {} false", people.len(), found.f1(), found.false_links);
    assert!(found.f1() >= 0.997, "{found:?}");
    let birth = people.slot(tongmai_identity::population::Role::BirthDate).unwrap();
    for pair in outcome.pairs.iter().filter(|pair| pair.zone == Zone::Automatic) {
        let (left, right) = (pair.left as usize, pair.right as usize);
        let number = |record: usize| truth[record].parse::<i64>().unwrap();
        let twins = number(left).abs_diff(number(right)) == 1
            && people.row(pair.left)[birth] == people.row(pair.right)[birth];
        assert!(!twins, "{} and {} are twins", people.key(pair.left), people.key(pair.right));
    }
}

#[test]
fn a_run_is_the_same_to_the_bit() {
    let make = || {
        let (schema, _) = Schema::read(
            "rec_id = \"record_id\"\nname = \"full_name\"\nsex = \"sex\"\ndob = \"birth_date\"\n\
             id_no = \"national_id\"\nphone = \"phone\"\naddr = \"address\"\n",
        )
        .unwrap();
        let mut builder = Builder::new(schema);
        for record in tongmai_identity::generate::Generator::new(9).take(4000) {
            let [name, sex, birth, id, _, phone, address, _] = &record.fields;
            builder.push(0, "g", &[&record.key.to_string(), name, sex, birth, id, phone, address]);
        }
        link(&builder.finish().0, &Settings::default())
    };
    let (first, second) = (make(), make());
    assert_eq!(first.clusters, second.clusters);
    let bits = |outcome: &Outcome| -> Vec<u64> {
        outcome.pairs.iter().map(|pair| pair.score.log_odds.to_bits()).collect()
    };
    assert_eq!(bits(&first), bits(&second));
}
