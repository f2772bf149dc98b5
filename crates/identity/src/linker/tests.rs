use super::*;

fn form(name: &str, birth: &str, number: &str, phone: &str) -> Demographics {
    let form = Form {
        name: name.into(),
        birth_date: birth.into(),
        identity_number: number.into(),
        phone: phone.into(),
        ..Form::default()
    };
    Demographics { forms: vec![form], birth_order: 0 }
}

const NUMBER: &str = "110105194912310038";

/// Three records of one person by number, name and birth date, and somebody else.
fn three() -> (Linker, Vec<(RecordKey, Demographics)>) {
    let records = vec![
        (1, form("于颖娜", "1949-12-31", NUMBER, "13800000001")),
        (2, form("于颖娜", "1949-12-31", NUMBER, "")),
        (3, form("Yingna Yu", "1949-12-31", NUMBER, "13800000001")),
        (4, form("王刚春", "1961-11-28", "", "12912345678")),
    ];
    let mut linker = Linker::new();
    for (key, said) in &records {
        linker.write(*key, *key, "a", said, *key as i64);
    }
    (linker, records)
}

#[test]
fn records_find_their_person() {
    let (linker, _) = three();
    assert_eq!(linker.together(3), [1, 2, 3]);
    assert_eq!(linker.together(4), [4]);
    assert_eq!(linker.reviews(), []);
    assert!(linker.decisions().iter().all(|decision| decision.evidence.is_some()));
}

#[test]
fn twins_stay_apart() {
    let mut linker = Linker::new();
    for (key, order) in [(1u64, 1u8), (2, 2)] {
        let mut said = form("王芳之子", "2026-11-19", "", "13800000001");
        said.birth_order = order;
        assert_eq!(linker.write(key, key, "a", &said, 0), Zone::Apart, "{key}");
    }
    assert_eq!(linker.reviews(), []);
    // Without the order they may be one; that is for a person to say.
    let unsaid = form("王芳之子", "2026-11-19", "", "13800000001");
    assert_eq!(linker.write(3, 3, "b", &unsaid, 0), Zone::Review);
    assert_eq!(linker.together(1), [1]);
    assert_eq!(linker.reviews().len(), 2);
}

#[test]
fn a_ruling_stands_until_it_is_taken_back() {
    let (mut linker, records) = three();
    let before = linker.canonical();
    assert_eq!(linker.decide(10, &Ruling::Apart(vec![2]), "李", "another card", 10), Ok(()));
    assert_eq!((linker.together(1), linker.together(2)), (vec![1, 3], vec![2]));
    // The record comes again, word for word: the rules leave it where the person put it.
    for key in [2, 1] {
        let said = &records[key as usize - 1].1;
        linker.write(11, key, "a", said, 11);
        assert_eq!(linker.together(2), [2], "{key}");
    }
    assert_eq!(linker.decide(12, &Ruling::Undo(10), "李", "the card was read wrongly", 12), Ok(()));
    assert_eq!(linker.together(2), [1, 2, 3]);
    assert_eq!(linker.decide(13, &Ruling::NotSame(1, 3), "李", "sisters", 13), Ok(()));
    assert_eq!(linker.together(1), [1, 2]);
    assert_eq!(linker.decide(14, &Ruling::Same(1, 3), "赵", "", 14), Err(Refusal::CannotLink));
    assert_eq!(linker.decide(15, &Ruling::Undo(13), "李", "no sisters", 15), Ok(()));
    assert_eq!(linker.together(1), [1, 2, 3]);
    assert_eq!(linker.decide(16, &Ruling::Same(1, 99), "赵", "", 16), Err(Refusal::Unknown));
    assert_eq!(linker.decide(17, &Ruling::Same(1, 4), "赵", "former name", 17), Ok(()));
    assert_eq!(linker.together(4), [1, 2, 3, 4]);
    assert_eq!(linker.decide(18, &Ruling::Undo(17), "赵", "mistaken", 18), Ok(()));
    assert_eq!(linker.together(4), [4]);
    assert_ne!(linker.canonical(), before);
}

#[test]
fn a_corrected_record_leaves() {
    let (mut linker, _) = three();
    let corrected = form("张三", "1980-02-29", "53010219200508011X", "13911111111");
    linker.write(20, 2, "a", &corrected, 20);
    assert_eq!((linker.together(2), linker.together(1)), (vec![2], vec![1, 3]));
    linker.remove(3);
    assert_eq!(linker.together(1), [1]);
}

#[test]
fn the_same_events_give_the_same_state() {
    let events = |seed: u64| {
        let mut linker = Linker::new();
        for (at, record) in crate::generate::Generator::new(seed).take(600).enumerate() {
            let [name, sex, birth, id, insurance, phone, address, _] = &record.fields;
            let form = Form {
                name: name.clone(),
                sex: sex.clone(),
                birth_date: birth.clone(),
                identity_number: id.clone(),
                insurance_number: insurance.clone(),
                phone: phone.clone(),
                address: address.clone(),
            };
            let key = crate::text::mix(at as u64, seed) % 500;
            let position = at as u64 + 1;
            match at % 17 {
                3 => linker.remove(key),
                7 => _ = linker.decide(position, &Ruling::Same(key, key + 1), "a", "b", 1),
                9 => _ = linker.decide(position, &Ruling::NotSame(key, key + 1), "a", "b", 1),
                11 => _ = linker.decide(position, &Ruling::Undo(position - 2), "a", "b", 1),
                _ => {
                    let said = Demographics { forms: vec![form], birth_order: 0 };
                    linker.write(position, key, "a", &said, at as i64);
                }
            }
        }
        linker
    };
    let (first, second) = (events(5), events(5));
    assert_eq!(first.canonical(), second.canonical());
    assert!(first.links() == second.links());
    let kept: usize = first.links().persons().map(|(_, person)| person.records.len()).sum();
    assert_eq!(kept, first.links().records().count(), "a record is in exactly one person");
}
