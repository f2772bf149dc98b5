//! How much of a reference converter's output a door finds.
//!
//! Resources are paired by type, the most alike first (equal identifiers weigh
//! most); then leaves are compared by path and value. Ids, meta and narrative are
//! ignored, instants are compared as instants, and a reference is right when it
//! leads to the resource that its target was paired with.
//!
//! `TONGMAI_SCORE=missing` prints what is not found, by type and path;
//! `TONGMAI_SCORE=extra` what is found beyond it; `TONGMAI_SCORE=print` what was made.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use tongmai_fhir::json::Json;
use tongmai_fhir::search::date;
use tongmai_gateway::Understood;

/// A leaf: its path without numbers, and its value.
type Leaf = (String, String);

pub struct Resource {
    type_name: String,
    address: String,
    leaves: Vec<Leaf>,
    references: Vec<Leaf>,
}

fn leaves(value: &Json<'_>, path: &str, out: &mut Resource) {
    match value {
        Json::Object(properties) => {
            // Narrative, of the resource or of a section.
            if value.text("div").is_some() && value.text("status").is_some() {
                return;
            }
            for (name, value) in properties {
                let ignored =
                    path.is_empty() && matches!(name.as_ref(), "id" | "meta" | "text" | "resourceType");
                if ignored {
                    continue;
                }
                let inner = if path.is_empty() { name.to_string() } else { format!("{path}.{name}") };
                match value.as_str() {
                    Some(target) if name == "reference" => out.references.push((inner, target.to_owned())),
                    _ => leaves(value, &inner, out),
                }
            }
        }
        Json::Array(items) => items.iter().for_each(|item| leaves(item, path, out)),
        Json::String(text) => out.leaves.push((path.to_owned(), normal(text))),
        other => out.leaves.push((path.to_owned(), other.to_string())),
    }
}

/// Times as instants, white space as one blank.
fn normal(text: &str) -> String {
    if text.len() >= 19
        && text.as_bytes()[10] == b'T'
        && let Some(time) = date::parse(text)
    {
        return format!("@{}", time.low);
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn read(resource: &Json<'_>, address: String) -> Resource {
    let type_name = resource.text("resourceType").unwrap_or_default().to_owned();
    let mut out = Resource { type_name, address, leaves: Vec::new(), references: Vec::new() };
    leaves(resource, "", &mut out);
    out
}

/// The resources of a reference Bundle.
pub fn expected(path: &Path) -> Vec<Resource> {
    let bytes = tongmai_testkit::read(path);
    let bundle = Json::parse(&bytes).expect("JSON");
    let mut out: Vec<Resource> = Vec::new();
    for entry in bundle.items("entry") {
        let resource = entry.get("resource").expect("a resource");
        let address = format!(
            "{}/{}",
            resource.text("resourceType").unwrap_or_default(),
            resource.text("id").unwrap_or_default()
        );
        out.push(read(resource, address));
    }
    out
}

/// The resources that were understood; they and the findings are printed when asked for.
pub fn ours(understood: &Understood) -> Vec<Resource> {
    if std::env::var("TONGMAI_SCORE").is_ok_and(|wish| wish.contains("print")) {
        for entry in &understood.entries {
            println!("{} {}", entry.full_url, entry.resource);
        }
        for finding in &understood.findings {
            println!("{finding}");
        }
    }
    understood.entries.iter().map(|entry| read(&entry.resource, entry.full_url.clone())).collect()
}

/// Equal leaves of two resources; those of identifiers count more for pairing.
fn likeness(a: &Resource, b: &Resource) -> usize {
    let mut counts: HashMap<&Leaf, usize> = HashMap::new();
    for leaf in &a.leaves {
        *counts.entry(leaf).or_default() += 1;
    }
    let mut alike = 0;
    for leaf in &b.leaves {
        if let Some(count) = counts.get_mut(leaf).filter(|count| **count > 0) {
            *count -= 1;
            alike += if leaf.0 == "identifier.value" { 5 } else { 2 };
        }
    }
    let paths =
        |resource: &Resource| resource.references.iter().map(|(path, _)| path.clone()).collect::<Vec<_>>();
    let others = paths(b);
    alike + paths(a).iter().filter(|path| others.contains(path)).count().min(1)
}

/// Pairs of positions `(expected, ours)`, the most alike first.
fn pair(expected: &[Resource], ours: &[Resource]) -> Vec<(usize, usize)> {
    let mut candidates = Vec::new();
    for (at, one) in expected.iter().enumerate() {
        for (other_at, other) in ours.iter().enumerate() {
            if one.type_name == other.type_name {
                let alike = likeness(one, other);
                let size = one.leaves.len().abs_diff(other.leaves.len());
                candidates.push((std::cmp::Reverse(alike), size, at, other_at));
            }
        }
    }
    candidates.sort_unstable();
    let (mut used, mut used_ours) = (vec![false; expected.len()], vec![false; ours.len()]);
    let mut pairs = Vec::new();
    for (_, _, at, other_at) in candidates {
        if !used[at] && !used_ours[other_at] {
            (used[at], used_ours[other_at]) = (true, true);
            pairs.push((at, other_at));
        }
    }
    pairs
}

#[derive(Default)]
struct Score {
    expected: usize,
    found: usize,
    made: usize,
}

/// The counts of all files.
#[derive(Default)]
pub struct Report {
    by_type: BTreeMap<String, Score>,
    missing: BTreeMap<String, (usize, String)>,
    extra: BTreeMap<String, (usize, String)>,
}

impl Report {
    /// Counts one file.
    pub fn compare(&mut self, expected: &[Resource], ours: &[Resource], file: &str) {
        let pairs = pair(expected, ours);
        let partner: HashMap<&str, &str> =
            pairs.iter().map(|(a, b)| (expected[*a].address.as_str(), ours[*b].address.as_str())).collect();
        let of_expected: HashMap<usize, usize> = pairs.iter().copied().collect();
        for (at, one) in expected.iter().enumerate() {
            let mut wanted = one.leaves.clone();
            wanted.extend(one.references.iter().map(|(path, target)| {
                (path.clone(), partner.get(target.as_str()).unwrap_or(&"nothing").to_string())
            }));
            let mut made: HashMap<Leaf, usize> = HashMap::new();
            if let Some(other) = of_expected.get(&at) {
                for leaf in ours[*other].leaves.iter().chain(&ours[*other].references) {
                    *made.entry(leaf.clone()).or_default() += 1;
                }
            }
            let score = self.by_type.entry(one.type_name.clone()).or_default();
            score.expected += wanted.len();
            for leaf in wanted {
                match made.get_mut(&leaf).filter(|count| **count > 0) {
                    Some(count) => {
                        *count -= 1;
                        score.found += 1;
                    }
                    None => {
                        let entry = self.missing.entry(format!("{} {}", one.type_name, leaf.0)).or_default();
                        entry.0 += 1;
                        entry.1 = format!("{file}: {}", leaf.1);
                    }
                }
            }
            for ((path, value), count) in made.into_iter().filter(|(_, count)| *count > 0) {
                let entry = self.extra.entry(format!("{} {path}", one.type_name)).or_default();
                entry.0 += count;
                entry.1 = format!("{file}: {value}");
            }
        }
        let paired: Vec<usize> = pairs.iter().map(|(_, b)| *b).collect();
        for (at, one) in ours.iter().enumerate() {
            let size = one.leaves.len() + one.references.len();
            self.by_type.entry(one.type_name.clone()).or_default().made += size;
            if !paired.contains(&at) {
                let entry = self.extra.entry(format!("{} (whole)", one.type_name)).or_default();
                entry.0 += size;
                entry.1 = format!("{file}: {:?}", one.leaves.first());
            }
        }
    }

    /// Prints the table; gives recall and precision in percent.
    pub fn print(&self) -> (f64, f64) {
        let mut total = Score::default();
        println!("| type | expected | recall | precision |\n|---|---|---|---|");
        let row = |name: &str, score: &Score| {
            let share = |part: usize, whole: usize| 100.0 * part as f64 / whole.max(1) as f64;
            let (recall, precision) = (share(score.found, score.expected), share(score.found, score.made));
            println!("| {name} | {} | {recall:.1} % | {precision:.1} % |", score.expected);
            (recall, precision)
        };
        for (name, score) in &self.by_type {
            row(name, score);
            total.expected += score.expected;
            total.found += score.found;
            total.made += score.made;
        }
        let figures = row("all", &total);
        let wish = std::env::var("TONGMAI_SCORE").unwrap_or_default();
        for (name, list) in [("missing", &self.missing), ("extra", &self.extra)] {
            if wish.contains(name) {
                let mut lines: Vec<_> = list.iter().collect();
                lines.sort_by_key(|(_, (count, _))| std::cmp::Reverse(*count));
                for (path, (count, last)) in lines.into_iter().take(250) {
                    println!("{name} {count} {path}  [{last}]");
                }
            }
        }
        figures
    }
}

/// All files below a folder.
pub fn find(folder: &Path, out: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() { find(&path, out) } else { out.push(path) }
    }
}
