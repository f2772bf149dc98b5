//! The opinion engine against published conversations.

use serde_json::Value;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use tongmai_engagement::opinion::{self, Opinion, Side, Votes};
use tongmai_testkit::{data, read_text};

fn conversations() -> Vec<PathBuf> {
    let Some(folder) = data("engagement/polis") else { return Vec::new() };
    let mut found: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    found.sort();
    found
}

fn is_production(folder: &Path) -> bool {
    folder.join("votes.json").exists()
}

fn load(folder: &Path) -> Votes {
    let (votes, comments) = match is_production(folder) {
        true => ("votes.json", "comments.json"),
        false => ("participants-votes.csv", "comments.csv"),
    };
    let (mut votes, findings) = opinion::read_votes(&read_text(&folder.join(votes))).unwrap();
    assert!(findings.is_empty(), "{findings:?}");
    let comments = opinion::read_comments(&read_text(&folder.join(comments))).unwrap();
    assert!(votes.orient(&comments).is_none(), "all of these store agree as 1");
    votes.moderate(&comments, false);
    votes
}

fn json(path: &Path) -> Value {
    serde_json::from_str(&read_text(path)).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap_or(0.0)).collect()
}

fn close(got: f64, want: f64, what: &str) {
    assert!((got - want).abs() <= 1e-9 * want.abs().max(1.0), "{what}: {got} against {want}");
}

/// Production's groups, by participant.
fn gold(folder: &Path) -> HashMap<String, u32> {
    if is_production(folder) {
        let math = json(&folder.join("math-pca2.json"));
        let base = &math["base-clusters"];
        let ids = base["id"].as_array().unwrap();
        let mut groups = HashMap::new();
        for group in math["group-clusters"].as_array().unwrap() {
            for member in group["members"].as_array().unwrap() {
                let at = ids.iter().position(|id| id == member).unwrap();
                for participant in base["members"][at].as_array().unwrap() {
                    groups.insert(participant.to_string(), group["id"].as_u64().unwrap() as u32);
                }
            }
        }
        return groups;
    }
    let text = read_text(&folder.join("participants-votes.csv"));
    let column = text.lines().next().unwrap().split(',').position(|h| h == "group-id").unwrap();
    let of = |line: &str| {
        let fields: Vec<&str> = line.split(',').take(column + 1).collect();
        fields[column].parse().ok().map(|g| (fields[0].to_owned(), g))
    };
    text.lines().skip(1).filter_map(of).collect()
}

/// Hubert and Arabie's adjusted Rand index over participants in both.
fn adjusted_rand(votes: &Votes, opinion: &Opinion, gold: &HashMap<String, u32>) -> f64 {
    let (mut cells, mut rows, mut columns) = (HashMap::new(), HashMap::new(), HashMap::new());
    let mut n = 0.0;
    for (participant, group) in votes.participants.iter().zip(&opinion.group_of) {
        if let (Some(mine), Some(theirs)) = (group, gold.get(participant)) {
            *cells.entry((mine, theirs)).or_insert(0.0) += 1.0;
            *rows.entry(mine).or_insert(0.0) += 1.0;
            *columns.entry(theirs).or_insert(0.0) += 1.0;
            n += 1.0;
        }
    }
    let pairs = |x: &f64| x * (x - 1.0) / 2.0;
    let cells: f64 = cells.values().map(pairs).sum();
    let (rows, columns): (f64, f64) = (rows.values().map(pairs).sum(), columns.values().map(pairs).sum());
    let expected = rows * columns / pairs(&n);
    (cells - expected) / ((rows + columns) / 2.0 - expected)
}

/// Means, components and places of every conversation with a reference, up to the sign of an axis.
#[test]
fn components_equal_every_reference() {
    for folder in conversations().iter().filter(|f| f.join("reference.json").exists()) {
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        let reference = json(&folder.join("reference.json"));
        let votes = load(folder);
        let components = opinion::components(&votes);
        for (got, want) in components.mean.iter().zip(numbers(&reference["mean"])) {
            close(*got, want, &format!("{name} mean"));
        }
        for (axis, key) in components.axes.iter().zip(["pc1", "pc2"]) {
            for (got, want) in axis.iter().zip(numbers(&reference[key])) {
                close(*got, want, &format!("{name} {key}"));
            }
        }
        for (got, want) in components.singular.iter().zip(numbers(&reference["singular_values"])) {
            close(*got, want, &format!("{name} singular value"));
        }
        // The reference keeps the file's order of participants.
        let places: HashMap<&str, usize> =
            votes.participants.iter().enumerate().map(|(i, p)| (p.as_str(), i)).collect();
        for (axis, key) in ["x", "y"].iter().enumerate() {
            let wanted = numbers(&reference[key]);
            for (participant, want) in reference["participants"].as_array().unwrap().iter().zip(wanted) {
                let at = places[participant.to_string().as_str()];
                close(components.participants[at][axis], want, &format!("{name} {key} of {participant}"));
            }
        }
    }
}

/// Group votes and group-informed consensus, given production's own groups.
#[test]
fn consensus_equals_every_reference() {
    for folder in conversations().iter().filter(|f| f.join("reference.json").exists()) {
        let reference = json(&folder.join("reference.json"));
        let votes = load(folder);
        let gold = gold(folder);
        let groups = gold.values().max().unwrap() + 1;
        let group_of: Vec<Option<u32>> = votes.participants.iter().map(|p| gold.get(p).copied()).collect();
        let counts = opinion::count_by_group(&votes, &group_of, groups as usize);
        for s in 0..votes.statements.len() {
            for (g, group) in counts.iter().enumerate() {
                let want = &reference["group_vote_counts"][g.to_string()];
                let got = [group[s].agree, group[s].disagree, group[s].seen];
                assert_eq!(got.map(u64::from), ["na", "nd", "ns"].map(|k| want[k][s].as_u64().unwrap()));
            }
            let (agree, disagree) = opinion::group_informed(&counts, s);
            close(agree, reference["gac_agree"][s].as_f64().unwrap(), "agree");
            close(disagree, reference["gac_disagree"][s].as_f64().unwrap(), "disagree");
        }
    }
}

/// Everything production published, given its own groups, where it had the same votes.
#[test]
fn results_equal_production_on_the_same_votes() {
    for folder in conversations().iter().filter(|f| is_production(f)) {
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        let math = json(&folder.join("math-pca2.json"));
        let votes = load(folder);
        let published: u64 =
            math["user-vote-counts"].as_object().unwrap().values().map(|v| v.as_u64().unwrap()).sum();
        if published != votes.columns.len() as u64 {
            continue;
        }
        let at: HashMap<&str, usize> =
            votes.statements.iter().enumerate().map(|(i, s)| (s.as_str(), i)).collect();
        let components = opinion::components(&votes);
        let tids: Vec<usize> =
            math["tids"].as_array().unwrap().iter().map(|t| at[t.to_string().as_str()]).collect();
        // Production computes with agree as −1, and the sign of an axis is arbitrary.
        for (i, &s) in tids.iter().enumerate() {
            close(components.mean[s], -numbers(&math["pca"]["center"])[i], &format!("{name} centre"));
            close(
                components.extremity(s),
                numbers(&math["pca"]["comment-extremity"])[i],
                &format!("{name} extremity"),
            );
        }
        for (axis, want) in components.axes.iter().zip(math["pca"]["comps"].as_array().unwrap()) {
            let want = numbers(want);
            let sign = tids.iter().zip(&want).map(|(&s, w)| axis[s] * w).sum::<f64>().signum();
            for (&s, w) in tids.iter().zip(&want) {
                close(axis[s], sign * w, &format!("{name} component"));
            }
        }
        let gold = gold(folder);
        let groups = gold.values().max().unwrap() + 1;
        let group_of: Vec<Option<u32>> = votes.participants.iter().map(|p| gold.get(p).copied()).collect();
        let counts = opinion::count_by_group(&votes, &group_of, groups as usize);
        for (tid, want) in math["group-aware-consensus"].as_object().unwrap() {
            close(
                opinion::group_informed(&counts, at[tid.as_str()]).0,
                want.as_f64().unwrap(),
                &format!("{name} {tid}"),
            );
        }
        check_consensus(&name, &math, &votes, &at);
        check_representative(&name, &math, &votes, &counts);
        let urgent = opinion::priorities(&votes, &components, &counts);
        for (tid, want) in math["comment-priorities"].as_object().unwrap() {
            close(urgent[at[tid.as_str()]], want.as_f64().unwrap(), &format!("{name} priority of {tid}"));
        }
    }
}

fn check_consensus(name: &str, math: &Value, votes: &Votes, at: &HashMap<&str, usize>) {
    for side in [Side::Agree, Side::Disagree] {
        let got = opinion::consensus(votes, &opinion::count_all(votes), side);
        let want = math["consensus"][side.name()].as_array().unwrap();
        assert_eq!(got.len(), want.len(), "{name}");
        for (got, want) in got.iter().zip(want) {
            assert_eq!(got.statement, at[want["tid"].to_string().as_str()], "{name}");
            close(got.probability, want["p-success"].as_f64().unwrap(), name);
            close(got.test, want["p-test"].as_f64().unwrap(), name);
        }
    }
}

fn check_representative(name: &str, math: &Value, votes: &Votes, counts: &[Vec<opinion::Count>]) {
    for (group, got) in opinion::representative(votes, counts).iter().enumerate() {
        let want = math["repness"][group.to_string()].as_array().unwrap();
        let statements = |g: &opinion::Stance| votes.statements[g.statement].clone();
        let got_ids: Vec<String> = got.iter().map(statements).collect();
        let want_ids: Vec<String> = want.iter().map(|w| w["tid"].to_string()).collect();
        assert_eq!(got_ids, want_ids, "{name} group {group}");
        for (got, want) in got.iter().zip(want) {
            assert_eq!(got.side.name(), want["repful-for"], "{name}");
            assert_eq!(u64::from(got.votes), want["n-success"].as_u64().unwrap(), "{name}");
            close(got.probability, want["p-success"].as_f64().unwrap(), name);
            close(got.test, want["p-test"].as_f64().unwrap(), name);
            close(got.ratio, want["repness"].as_f64().unwrap(), name);
            // Published in single precision.
            let single = want["repness-test"].as_f64().unwrap();
            assert!((got.ratio_test - single).abs() < 1e-6 * single.abs().max(1.0), "{name}");
        }
    }
}

/// Groups against production's; the figures are those of docs/conformance/engagement.md.
#[test]
fn groups_agree_with_production() {
    let mut open = Vec::new();
    for folder in conversations() {
        let votes = load(&folder);
        let opinion = opinion::opinion(&votes);
        let index = adjusted_rand(&votes, &opinion, &gold(&folder));
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        println!("{name}: {} groups, adjusted Rand index {index:.3}", opinion.groups);
        if is_production(&folder) {
            assert!(index >= 0.95, "{name}: {index}");
        } else {
            open.push(index);
        }
    }
    open.sort_by(f64::total_cmp);
    if let [.., _] = open.as_slice() {
        let median = (open[(open.len() - 1) / 2] + open[open.len() / 2]) / 2.0;
        println!("median of the {} open conversations: {median:.3}", open.len());
        assert!(median >= 0.6, "{median}");
    }
}

/// The same votes in another order of lines give the same bytes; few participants give no map.
#[test]
fn results_depend_on_the_votes_alone() {
    let head = "participant,group-id,1,2,3,4,5,6,7,8\n";
    let line = |p: usize| {
        let votes: Vec<String> =
            (0..8).map(|s| ((p * 7 + s * (1 + p % 3)) % 3) as i32 - 1).map(|v| v.to_string()).collect();
        format!("{p},{},{}\n", p % 2, votes.join(","))
    };
    let text =
        |order: &mut dyn Iterator<Item = usize>| head.to_owned() + &order.map(line).collect::<String>();
    let result = |text: &str| {
        let (votes, findings) = opinion::read_votes(text).unwrap();
        assert!(findings.is_empty());
        serde_json::to_string(&opinion::opinion(&votes).to_json(&votes)).unwrap()
    };
    assert_eq!(result(&text(&mut (0..40))), result(&text(&mut (0..40).rev())));
    let small: Value = serde_json::from_str(&result(&text(&mut (0..10)))).unwrap();
    assert!(small["groups"].as_object().unwrap().is_empty());
    assert!(small["projections"].as_object().unwrap().is_empty());
    assert_eq!(opinion::LEAST_SHOWN, 11);
}

/// A store that keeps agree as −1 is recognised by the counts of its statements.
#[test]
fn inverted_votes_are_turned_round() {
    let votes = r#"[{"pid":1,"tid":0,"vote":-1},{"pid":2,"tid":0,"vote":-1},{"pid":2,"tid":1,"vote":1}]"#;
    let comments = r#"[{"tid":0,"mod":1,"agree_count":2,"disagree_count":0},{"tid":1,"agree_count":0,"disagree_count":1}]"#;
    let (mut votes, _) = opinion::read_votes(votes).unwrap();
    assert!(votes.orient(&opinion::read_comments(comments).unwrap()).is_some());
    assert_eq!(votes.values, [1, 1, -1]);
}

/// Whatever the file holds, nothing panics.
#[test]
fn dirty_input_is_found_not_fatal() {
    let (votes, findings) = opinion::read_votes("participant,1,2\na,1,x\na,1,1\nb,,\n").unwrap();
    assert_eq!(findings.len(), 2);
    assert_eq!((votes.participants.len(), votes.columns.len()), (2, 1));
    let result = opinion::opinion(&votes).to_json(&votes);
    assert_eq!(result["votes"], 1);
    for text in ["", "participant\n", "[]", "participant,1\n", "{"] {
        if let Ok((votes, _)) = opinion::read_votes(text) {
            opinion::opinion(&votes).to_json(&votes);
        }
    }
}
