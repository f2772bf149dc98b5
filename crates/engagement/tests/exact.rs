//! What must be exact: health-state values and assignments.

use proptest::prelude::*;
use tongmai_engagement::eq5d::{State, ValueSet, decimal};
use tongmai_engagement::matching::{self, Need, Offer, Reason};
use tongmai_testkit::{data, read_text};

#[test]
fn all_states_have_their_published_value() {
    let Some(path) = data("engagement/eq5d/cn_5l.csv") else { return };
    let set = ValueSet::mainland_china();
    let text = read_text(&path);
    let mut seen = 0;
    for line in text.lines().skip(1) {
        let (state, value) = line.split_once(',').unwrap();
        let state = State::parse(state.trim_matches('"')).unwrap();
        assert_eq!(decimal(set.thousandths(state)), value, "{state}");
        seen += 1;
    }
    assert_eq!((seen, State::all().count()), (3125, 3125));
}

#[test]
fn states_out_of_range_are_refused() {
    for text in ["", "1111", "111111", "11160", "1111x", "１1111"] {
        assert!(State::parse(text).is_err(), "{text}");
    }
}

/// All assignments, one after the other.
fn best_by_trying(edges: &[Vec<(usize, i64)>], places: &mut [u32]) -> i64 {
    let Some((first, rest)) = edges.split_first() else { return 0 };
    let mut best = best_by_trying(rest, places);
    for &(column, score) in first {
        if places[column] > 0 {
            places[column] -= 1;
            best = best.max(score + best_by_trying(rest, places));
            places[column] += 1;
        }
    }
    best
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn no_assignment_is_better(
        table in prop::collection::vec(prop::collection::vec(prop::option::weighted(0.6, 1i64..30), 4), 0..7),
        mut places in prop::collection::vec(0u32..3, 4),
    ) {
        let edges: Vec<Vec<(usize, i64)>> = table
            .iter()
            .map(|row| row.iter().enumerate().filter_map(|(j, s)| s.map(|s| (j, s))).collect())
            .collect();
        let chosen = matching::assign(&edges, &places);
        let mut used = vec![0; places.len()];
        let mut total = 0;
        for (row, column) in chosen.iter().enumerate() {
            let Some(column) = column else { continue };
            used[*column] += 1;
            total += edges[row].iter().find(|e| e.0 == *column).expect("only along an edge").1;
        }
        prop_assert!(used.iter().zip(&places).all(|(u, p)| u <= p));
        prop_assert_eq!(total, best_by_trying(&edges, &mut places));
    }
}

#[test]
fn every_refusal_has_its_reason() {
    let need = |id: &str, urgency| Need {
        id: id.into(),
        kind: "training".into(),
        region: "Yushu".into(),
        disease: "E11".into(),
        consent: true,
        urgency,
        ..Need::default()
    };
    let offer = |id: &str, regions: &[&str]| Offer {
        id: id.into(),
        organisation: "o".into(),
        kind: "training".into(),
        regions: regions.iter().map(|r| (*r).to_owned()).collect(),
        places: 1,
        ..Offer::default()
    };
    let silent = Need { consent: false, ..need("c", 3) };
    let result = matching::match_all(
        &[need("a", 0), need("b", 3), silent],
        &[offer("here", &["Yushu"]), offer("elsewhere", &["Xining"])],
    );
    assert_eq!(result.outcomes[1].offer.as_deref(), Some("here"));
    assert_eq!(result.outcomes[0].refusals, [(Reason::Region, 1), (Reason::PlacesTaken, 1)].into());
    assert_eq!(result.outcomes[2].refusals, [(Reason::NoConsent, 2)].into());
    assert_eq!(result.total, result.outcomes[1].score.unwrap().total());
}
