use super::*;

fn form(name: &str, birth: &str, number: &str, phone: &str) -> Demographics {
    let form = Form {
        name: name.into(),
        birth_date: birth.into(),
        identity_number: number.into(),
        phone: phone.into(),
        ..Form::default()
    };
    Demographics { forms: vec![form], ..Demographics::default() }
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
    // Nothing speaks for it: one person proposes, and another must say the same.
    let same = Ruling::Same(1, 4);
    assert_eq!(linker.decide(17, &same, "赵", "former name", 17), Err(Refusal::Waiting));
    assert_eq!(linker.decide(18, &same, "赵", "former name, surely", 18), Err(Refusal::Waiting));
    assert_eq!((linker.together(4), linker.proposals().count()), (vec![4], 1));
    assert_eq!(linker.decide(19, &Ruling::Undo(18), "赵", "not sure", 19), Ok(()));
    assert_eq!(linker.proposals().count(), 0);
    assert_eq!(linker.decide(20, &same, "赵", "former name", 20), Err(Refusal::Waiting));
    assert_eq!(linker.decide(21, &same, "李", "saw the register", 21), Ok(()));
    assert_eq!((linker.together(4), linker.proposals().count()), (vec![1, 2, 3, 4], 0));
    assert_eq!(linker.decide(22, &Ruling::Undo(21), "赵", "mistaken", 22), Ok(()));
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
                patient_number: format!("clinic {}|{}", at % 7, record.entity),
            };
            let key = crate::text::mix(at as u64, seed) % 500;
            let position = at as u64 + 1;
            match at % 17 {
                3 => linker.remove(key),
                7 => _ = linker.decide(position, &Ruling::Same(key, key + 1), "a", "b", 1),
                9 => _ = linker.decide(position, &Ruling::NotSame(key, key + 1), "a", "b", 1),
                11 => _ = linker.decide(position, &Ruling::Undo(position - 2), "a", "b", 1),
                _ => {
                    let said = Demographics { forms: vec![form], ..Demographics::default() };
                    linker.write(position, key, "a", &said, at as i64);
                }
            }
        }
        linker
    };
    let (first, second) = (events(5), events(5));
    assert_eq!(first.canonical(), second.canonical());
    assert!(first.links() == second.links());
    // Written down and read again it is the same, and goes on the same.
    let mut bytes = Vec::new();
    first.write_state(&mut bytes);
    let read = Linker::read_state(Weights::default(), &bytes).expect("the state that was written");
    assert_eq!(read.canonical(), first.canonical());
    assert!(read.links() == first.links());
    let mut again = Vec::new();
    read.write_state(&mut again);
    assert!(again == bytes);
    let (mut read, mut first) = (read, first);
    for (at, record) in crate::generate::Generator::new(8).take(200).enumerate() {
        let said = form(&record.fields[0], &record.fields[2], &record.fields[3], &record.fields[5]);
        read.write(2_000 + at as u64, at as u64, "a", &said, 1);
        first.write(2_000 + at as u64, at as u64, "a", &said, 1);
    }
    assert_eq!(read.canonical(), first.canonical());
    for end in (0..bytes.len()).step_by(bytes.len() / 200) {
        assert!(Linker::read_state(Weights::default(), &bytes[..end]).is_none(), "torn at {end}");
    }
    let kept: usize = second.links().persons().map(|(_, person)| person.records.len()).sum();
    assert_eq!(kept, second.links().records().count(), "a record is in exactly one person");
}

#[test]
fn newborns_find_their_mother_and_twins_stay_two() {
    let mut linker = Linker::new();
    let mut wang = form("王芳", "1996-05-12", "990123199605125026", "12900000002");
    wang.forms[0].sex = "female".into();
    linker.write(1, 1, "hospital", &wang, 0);
    // A namesake elsewhere, and a grandmother of the same name under the same telephone.
    linker.write(2, 2, "hospital", &form("王芳", "1990-01-03", "", "12911111111"), 0);
    linker.write(3, 3, "hospital", &form("王芳", "1950-01-03", "", "12900000002"), 0);
    let newborn = |order: u8, phone: &str| {
        let said = form("王芳之子", "2026-11-24", "", phone);
        Demographics { birth_order: order, ..said }
    };
    assert_eq!(linker.write(10, 10, "clinic", &newborn(1, "12900000002"), 0), Zone::Apart);
    assert_eq!(linker.write(11, 11, "clinic", &newborn(2, "12900000002"), 0), Zone::Apart);
    let kin = linker.mother(10).expect("a mother");
    assert_eq!((kin.mother, kin.women), (1, 1));
    assert!(kin.weighed.is_some_and(|weighed| weighed.evidence[2] > 0.0));
    assert_eq!((linker.twins(10), linker.twins(11)), (vec![11], vec![10]));
    assert_eq!((linker.together(10), linker.together(11), linker.together(1)), (vec![10], vec![11], vec![1]));
    // The hospital registers the second twin as well: the same mother, day and place in the birth.
    assert_eq!(linker.write(12, 12, "hospital", &newborn(2, "12900000002"), 0), Zone::Automatic);
    assert_eq!(linker.together(11), [11, 12]);
    // Whoever registers may choose the mother; nothing else need speak for her.
    let mut chosen = newborn(1, "");
    chosen.mother = Some(Mother { record: Some(2), ..Mother::default() });
    linker.write(13, 13, "clinic", &chosen, 0);
    assert_eq!(linker.mother(13).map(|kin| kin.mother), Some(2));
    assert_eq!(linker.mother(1), None);
    assert_eq!(linker.together(13), [13]);
}

#[test]
fn the_desk_is_counted() {
    let (mut linker, _) = three();
    linker.write(5, 5, "b", &form("王刚永", "1961-11-28", "", "12912345678"), 7);
    let before = linker.statistics();
    assert_eq!((before.waiting, before.oldest, before.automatic), (1, Some(7), 2));
    assert!(before.expected_false < 1e-3 && before.expected_waiting > 0.05);
    assert_eq!(linker.decide(8, &Ruling::NotSame(4, 5), "李", "twins", 8), Ok(()));
    assert_eq!(linker.decide(9, &Ruling::NotSame(1, 2), "李", "sisters", 9), Ok(()));
    let after = linker.statistics();
    assert_eq!((after.waiting, after.ruled, after.reversed), (0, 2, 1));
    assert_eq!(after.bands.iter().map(|band| band.ruled).sum::<usize>(), 2);
}
