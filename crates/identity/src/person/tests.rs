use super::*;
use crate::text::mix;

fn event(time: i64, action: Action) -> Event {
    Event { action, actor: "desk".into(), reason: "test".into(), time }
}

fn add(record: RecordKey, name: &str) -> Action {
    let fields = Fields::from([("name".to_owned(), name.to_owned())]);
    Action::Add { record, source: "h1".into(), fields }
}

fn name(links: &Links, person: PersonId) -> &str {
    &links.person(person).unwrap().golden["name"].value
}

#[test]
fn an_unlink_rebuilds_the_golden_record() {
    let mut links = Links::default();
    for (time, action) in [(1, add(1, "王芳")), (2, add(2, "王芬")), (3, Action::Merge { from: 1, into: 0 })]
    {
        links.apply(&event(time, action)).unwrap();
    }
    assert_eq!(name(&links, 0), "王芬");
    links.apply(&event(4, Action::Undo { event: 2 })).unwrap();
    assert_eq!((name(&links, 0), name(&links, 1)), ("王芳", "王芬"));
    // The undo can be undone.
    links.apply(&event(5, Action::Undo { event: 3 })).unwrap();
    assert_eq!(links.person(0).unwrap().records.len(), 2);
    links.apply(&event(6, Action::NotSame { left: 1, right: 2 })).unwrap();
    let apart = links.record(2).unwrap().person;
    assert_eq!(links.apply(&event(7, Action::Merge { from: apart, into: 0 })), Err(Refusal::CannotLink));
    assert_eq!(links.apply(&event(8, Action::Undo { event: 2 })), Err(Refusal::Overtaken));
}

#[test]
fn survivorship_rules() {
    let record = |source: &str, time, value: &str| Record {
        source: source.into(),
        fields: Fields::from([("phone".to_owned(), value.to_owned())]),
        time,
        written_by: 0,
        person: 0,
        linked_by: 0,
    };
    let records =
        [record("a", 1, "12111"), record("b", 2, "122"), record("c", 3, "12"), record("a", 0, "122")];
    for (rule, expected) in [
        (Survivorship::MostRecent, "12"),
        (Survivorship::MostFrequent, "122"),
        (Survivorship::Longest, "12111"),
        (Survivorship::Sources(vec!["b".into()]), "122"),
    ] {
        let policy = Policy { fields: BTreeMap::new(), otherwise: rule };
        let found = golden(records.iter().enumerate().map(|(key, record)| (key as u64, record)), &policy);
        assert_eq!(found["phone"].value, expected);
    }
}

/// Draws one action that may or may not make sense in the state.
fn action(links: &Links, draw: &mut impl FnMut(u64) -> u64) -> Action {
    let record = |draw: &mut dyn FnMut(u64) -> u64| draw(14);
    let person = |links: &Links, draw: &mut dyn FnMut(u64) -> u64| {
        links.record(draw(14)).map_or(draw(30), |record| record.person)
    };
    let fields = |draw: &mut dyn FnMut(u64) -> u64| {
        ["name", "phone", "address"]
            .iter()
            .filter_map(|field| {
                let value = draw(4);
                (value > 0).then(|| ((*field).to_owned(), "x".repeat(value as usize)))
            })
            .collect::<Fields>()
    };
    match draw(16) {
        0..=3 => Action::Add { record: record(draw), source: format!("h{}", draw(3)), fields: fields(draw) },
        4..=5 => Action::Change { record: record(draw), fields: fields(draw) },
        6..=9 => Action::Merge { from: person(links, draw), into: person(links, draw) },
        10 => Action::Unmerge { record: record(draw) },
        11 => {
            Action::Split { person: person(links, draw), records: (0..draw(4)).map(|_| draw(14)).collect() }
        }
        12 => Action::NotSame { left: record(draw), right: record(draw) },
        13 => {
            let rule = match draw(4) {
                0 => Survivorship::MostRecent,
                1 => Survivorship::MostFrequent,
                2 => Survivorship::Longest,
                _ => Survivorship::Sources(vec!["h2".into(), "h0".into()]),
            };
            Action::Policy(Policy { fields: BTreeMap::from([("phone".into(), rule)]), ..Policy::default() })
        }
        _ => Action::Undo { event: draw(links.events().max(1)) },
    }
}

#[test]
fn ten_thousand_histories_equal_their_rebuild_and_lose_no_link() {
    for seed in 0..10_000u64 {
        let mut state = mix(seed, 77);
        let mut draw = move |below: u64| {
            state = mix(state, 3);
            (state >> 20) % below.max(1)
        };
        let (mut links, mut ledger) = (Links::default(), Vec::new());
        for time in 0..24 {
            // Times repeat, so that ties are met.
            let next = event(time / 2, action(&links, &mut draw));
            let _ = links.apply(&next);
            ledger.push(next);
        }
        let rebuilt = Links::rebuild(&ledger);
        assert_eq!(links, rebuilt, "seed {seed}");
        let added = ledger.iter().filter_map(|event| match event.action {
            Action::Add { record, .. } => Some(record),
            _ => None,
        });
        for key in added {
            let record = links.record(key).unwrap_or_else(|| panic!("seed {seed}: record {key} lost"));
            let holders: Vec<PersonId> =
                links.persons().filter(|(_, p)| p.records.contains(&key)).map(|(id, _)| id).collect();
            assert_eq!(holders, [record.person], "seed {seed}: record {key}");
        }
        for (id, person) in links.persons() {
            let fresh =
                golden(person.records.iter().map(|key| (*key, links.record(*key).unwrap())), links.policy());
            assert_eq!(person.golden, fresh, "seed {seed}: person {id}");
            for (a, b) in &links.bans {
                assert!(
                    !(person.records.contains(a) && person.records.contains(b)),
                    "seed {seed}: {a} with {b}"
                );
            }
        }
    }
}
