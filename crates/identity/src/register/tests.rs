use super::*;

fn person<'a>(name: &'a str, birth: &'a str, id: &'a str, phone: &'a str) -> Person<'a> {
    Person { name, birth_date: birth, identity_number: id, phone, ..Person::default() }
}

fn register() -> Register {
    let mut register = Register::new();
    let people: Vec<_> = crate::generate::Generator::new(3).take(20_000).collect();
    for record in &people {
        let [name, sex, birth, id, insurance, phone, address, _] = &record.fields;
        register.append(&Person {
            name,
            sex,
            birth_date: birth,
            identity_number: id,
            insurance_number: insurance,
            phone,
            address,
            ..Person::default()
        });
    }
    register.append(&person("于颖娜", "1972-05-16", "110105194912310038", "13800000001"));
    register.append(&person("王刚春", "1961-11-28", "", "12912345678"));
    register.pack();
    register
}

#[test]
fn zones_at_the_door() {
    let mut register = register();
    let twin = register.insert(&person("王刚永", "1961-11-28", "", "12912345678"));
    for (query, row, zone) in [
        // Pinyin finds the characters; the telephone confirms.
        (person("于颖娜", "19720516", "", "13800000001"), Some(20_000), Zone::Automatic),
        // A twin: another given name, the same home.
        (person("王刚永", "1961-11-28", "", "12912345678"), Some(twin), Zone::Automatic),
        (person("王刚玲", "1961-11-28", "", "12912345678"), Some(20_001), Zone::Review),
        (person("尹不存在", "1911-01-01", "", ""), None, Zone::Apart),
    ] {
        let found = register.find(&query, 5);
        let best = found.first();
        assert_eq!(best.map(|m| m.row), row, "{query:?} {found:?}");
        assert_eq!(best.map_or(Zone::Apart, |m| m.zone), zone, "{query:?} {found:?}");
    }
    let both = register.find(&person("王刚春", "1961-11-28", "", "12912345678"), 5);
    assert!(both.iter().all(|m| m.zone == Zone::Automatic || m.row == twin), "{both:?}");
    assert!(both.iter().find(|m| m.row == twin).is_none_or(|m| m.zone == Zone::Review), "{both:?}");
}

#[test]
fn pruning_leaves_out_nothing_that_reaches_review() {
    let register = register();
    let records: Vec<_> = crate::generate::Generator::new(3).take(80).collect();
    for record in &records {
        let [name, sex, birth, id, insurance, phone, address, _] = &record.fields;
        let query = Person {
            name,
            sex,
            birth_date: birth,
            identity_number: id,
            insurance_number: insurance,
            phone,
            address,
            ..Person::default()
        };
        let found: Vec<RowId> = register.find(&query, usize::MAX).iter().map(|m| m.row).collect();
        let read = register.query(&query);
        let prior = -(register.len() as f64).log2();
        let everyone =
            (0..register.len() as RowId).filter(|row| register.judge(&read, *row, prior).is_some());
        let keyed = everyone.filter(|row| {
            KEYS.iter().any(|key| {
                let own = key_of(*key, &read.row, read.given_sound, read.family_sound);
                own.is_some() && own == register.key(*key, &register.rows[*row as usize])
            })
        });
        for row in keyed {
            assert!(found.contains(&row), "{name} missed {row}");
        }
    }
}

#[test]
fn numbers_are_compared_with_their_own_kind_only() {
    let mut register = register();
    let with = |number: &'static str, insurance: &'static str| Person {
        name: "王刚春",
        birth_date: "1961-11-28",
        patient_number: number,
        insurance_number: insurance,
        ..Person::default()
    };
    let row = register.insert(&with("county-hospital|0017", "health-code|A17B"));
    for (query, bits, zone) in [
        (with("county-hospital|0017", ""), [18.0, 0.0], Zone::Automatic),
        (with("county-hospital|0018", ""), [-3.0, 0.0], Zone::Automatic),
        // Another provider's number, and a number of another kind, say nothing.
        (with("clinic|0017", "insurance|A17B"), [0.0, 0.0], Zone::Automatic),
        (with("", "health-code|A17B"), [0.0, 23.0], Zone::Automatic),
        (with("", "health-code|A17C"), [0.0, -8.0], Zone::Review),
    ] {
        let found = register.find(&query, 9);
        let best = found.iter().find(|found| found.row == row).expect("a candidate");
        assert_eq!(([best.evidence[7], best.evidence[1]], best.zone), (bits, zone), "{query:?}");
    }
}
