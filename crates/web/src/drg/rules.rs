//! `/drg/rules` and `/drg/workshop`: the rules as people read them, what a check finds in a pack, and what
//! changed from one to the next.

use std::sync::Arc;

use askama::Template;
use tongmai_drg::diff;
use tongmai_drg::words::{Tongue, words_in};
use tongmai_drg::{check, condition::Condition};
use tongmai_engine::{Failure, Outcome};
use tongmai_http::{Answer, Asked};
use tongmai_views::drg::{Held, Shelf};

use super::VIEWS;
use crate::frame::Frame;
use crate::language::Language;
use crate::{Site, framed, render};

/// Codes of a list that are shown.
const CODES: usize = 200;
/// Findings and changes that are shown.
const ROWS: usize = 200;

struct Category {
    code: String,
    rule: String,
    adrgs: Vec<(String, String, i64)>,
}

#[derive(Template)]
#[template(path = "drg/rules.html")]
struct Rules {
    page: Frame,
    l: Language,
    views: [(&'static str, &'static str); 6],
    view: &'static str,
    packs: Vec<String>,
    pack: String,
    source: String,
    from: String,
    to: String,
    filter: String,
    categories: Vec<Category>,
    groups: i64,
}

framed!(Rules);

struct Split {
    code: String,
    name: String,
    rule: String,
    source: String,
    weight: String,
    cases: i64,
}

struct List {
    name: String,
    size: i64,
    codes: Vec<(String, String)>,
}

#[derive(Template)]
#[template(path = "drg/entry.html")]
struct Entry {
    page: Frame,
    l: Language,
    views: [(&'static str, &'static str); 6],
    view: &'static str,
    pack: String,
    adrg: String,
    mdc: String,
    rule: String,
    gate: String,
    source: String,
    splits: Vec<Split>,
    lists: Vec<List>,
}

framed!(Entry);

struct Finding {
    grade: &'static str,
    sign: &'static str,
    path: String,
    message: String,
}

#[derive(Template)]
#[template(path = "drg/workshop.html")]
struct Workshop {
    page: Frame,
    l: Language,
    views: [(&'static str, &'static str); 6],
    view: &'static str,
    packs: Vec<String>,
    old: String,
    new: String,
    findings: Vec<Finding>,
    changes: Vec<diff::Change>,
    moves: Vec<(String, String, i64)>,
    moved: i64,
    cases: i64,
}

framed!(Workshop);

fn chosen<'s>(shelf: &'s Shelf, name: Option<&str>, otherwise: usize) -> Outcome<&'s Held> {
    let all = shelf.all();
    let held = match name.filter(|name| !name.is_empty()) {
        Some(name) => shelf.named(name),
        None => all.get(otherwise).or_else(|| all.last()),
    };
    held.ok_or_else(|| Failure::not_found("the pack"))
}

fn tongue(l: Language) -> Tongue {
    if l.is_english() { Tongue::English } else { Tongue::Chinese }
}

fn names(shelf: &Shelf) -> Vec<String> {
    shelf.all().iter().map(|held| held.id().to_owned()).collect()
}

pub async fn page(site: &Arc<Site>, asked: &Asked, frame: Frame) -> Outcome<Answer> {
    let shelf = site.drg.shelf();
    let held = chosen(&shelf, frame.parameter("pack"), 0)?;
    let filter = frame.parameter("filter").unwrap_or("").trim().to_owned();
    let fits = |text: &str| filter.is_empty() || text.contains(&filter);
    let mut categories = Vec::new();
    for mdc in &held.pack.mdcs {
        let adrgs = mdc.adrgs.iter().filter_map(|adrg| {
            let name = adrg.drgs.last().map_or("", |drg| drg.name.as_str()).to_owned();
            let all = adrg.drgs.iter().any(|drg| fits(&drg.code) || fits(&drg.name));
            (all || fits(&adrg.code)).then(|| (adrg.code.clone(), name, adrg.drgs.len() as i64))
        });
        let adrgs: Vec<_> = adrgs.collect();
        if !adrgs.is_empty() {
            categories.push(Category {
                code: mdc.code.clone(),
                rule: words_in(&mdc.rule, tongue(frame.language)),
                adrgs,
            });
        }
    }
    let manifest = &held.pack.manifest;
    let page = Rules {
        l: frame.language,
        views: VIEWS,
        view: "drg-rules",
        packs: names(&shelf),
        pack: held.id().to_owned(),
        source: manifest.source.clone(),
        from: manifest.effective_from.clone(),
        to: manifest.effective_to.clone(),
        filter,
        categories,
        groups: held.pack.drgs().count() as i64,
        page: frame,
    };
    render(asked, 200, &page)
}

pub async fn entry(site: &Arc<Site>, asked: &Asked, frame: Frame, pack: &str, adrg: &str) -> Outcome<Answer> {
    let shelf = site.drg.shelf();
    let held = chosen(&shelf, Some(pack), 0)?;
    let found =
        held.pack.mdcs.iter().find_map(|mdc| Some((mdc, mdc.adrgs.iter().find(|entry| entry.code == adrg)?)));
    let (mdc, entry) = found.ok_or_else(|| Failure::not_found(format!("the ADRG {adrg}")))?;
    let name = pack.to_owned();
    let counted = site.work(move |site| {
        super::look(site, |grouping, _, _| {
            let mut counts = std::collections::BTreeMap::new();
            for grouped in grouping.stays.values().filter(|grouped| grouped.pack == name) {
                *counts.entry(grouped.group.clone()).or_insert(0_i64) += 1;
            }
            counts
        })
    });
    let counts = counted.await?;
    let splits = entry
        .drgs
        .iter()
        .map(|drg| Split {
            code: drg.code.clone(),
            name: drg.name.clone(),
            rule: words_in(&drg.rule, tongue(frame.language)),
            source: drg.source.clone(),
            weight: held.weights.get(&drg.code).map_or(String::new(), |weight| format!("{weight:.2}")),
            cases: counts.get(&drg.code).copied().unwrap_or(0),
        })
        .collect();
    let mut sets: Vec<(String, bool)> = Vec::new();
    let mut note = |condition: &Condition<String>| match condition {
        Condition::Diagnosis { set, .. } | Condition::Labels { set, .. } => sets.push((set.clone(), true)),
        Condition::Procedure { set, .. } | Condition::Labelled { set, .. } => sets.push((set.clone(), false)),
        _ => {}
    };
    mdc.rule.visit(&mut note);
    entry.rule.visit(&mut note);
    entry.drgs.iter().for_each(|drg| drg.rule.visit(&mut note));
    sets.dedup();
    let lists = sets
        .iter()
        .filter_map(|(set, diagnosis)| {
            let set = held.pack.set(set)?;
            let named =
                |code: &String| (code.clone(), held.name_of(code, *diagnosis).unwrap_or("").to_owned());
            let codes = set.members.iter().take(CODES).map(|(code, _)| named(code)).collect();
            Some(List { name: set.name.clone(), size: set.members.len() as i64, codes })
        })
        .collect();
    let page = Entry {
        l: frame.language,
        views: VIEWS,
        view: "drg-rules",
        pack: held.id().to_owned(),
        adrg: adrg.to_owned(),
        mdc: mdc.code.clone(),
        gate: words_in(&mdc.rule, tongue(frame.language)),
        rule: words_in(&entry.rule, tongue(frame.language)),
        source: entry.source.clone(),
        splits,
        lists,
        page: frame,
    };
    render(asked, 200, &page)
}

pub async fn workshop(site: &Arc<Site>, asked: &Asked, frame: Frame) -> Outcome<Answer> {
    let (old, new) = (frame.parameter("old").map(str::to_owned), frame.parameter("new").map(str::to_owned));
    let page = site
        .work(move |site| {
            super::look(site, |grouping, shelf, _| {
                let old = chosen(shelf, old.as_deref(), 0)?;
                let new = chosen(shelf, new.as_deref(), 1)?;
                let cases = || grouping.stays.values().map(|grouped| grouped.stay.clone());
                let stays: Vec<_> = cases().collect();
                let moves = diff::moves(&old.grouper, &new.grouper, stays.iter().map(|stay| stay.case()));
                let moved: Vec<(String, String, i64)> = moves
                    .iter()
                    .filter(|((from, to), _)| from != to)
                    .map(|((from, to), count)| (from.clone(), to.clone(), *count as i64))
                    .collect();
                let findings = check::check(&new.pack)
                    .into_iter()
                    .take(ROWS)
                    .map(|found| finding(found, frame.language))
                    .collect();
                let l = frame.language;
                let mut changes = diff::rules_in(&old.pack, &new.pack, tongue(l));
                changes.truncate(ROWS);
                Ok::<_, Failure>(Workshop {
                    l: frame.language,
                    views: VIEWS,
                    view: "drg-workshop",
                    packs: names(shelf),
                    old: old.id().to_owned(),
                    new: new.id().to_owned(),
                    findings,
                    changes,
                    moved: moved.iter().map(|(_, _, count)| count).sum(),
                    moves: moved,
                    cases: stays.len() as i64,
                    page: frame,
                })
            })
        })
        .await??;
    render(asked, 200, &page)
}

/// Kinds of findings whose message ends with the codes that it is about.
const WITH_CODES: [&str; 8] = [
    "outside-mdc",
    "repeated-code",
    "code-shape",
    "unknown-code",
    "two-levels",
    "no-exclusion",
    "table-without-principal",
    "idle-table",
];

/// What the check says, in the reader's language: the kind by its words, and the codes behind it.
fn message(finding: &tongmai_base::Finding, l: Language) -> String {
    let said = l.code("drg-checked", &finding.code);
    if l.is_english() || said == finding.code {
        return finding.message.clone();
    }
    match finding.message.rsplit_once(": ").filter(|_| WITH_CODES.contains(&finding.code.as_str())) {
        Some((_, codes)) => format!("{said}：{codes}"),
        None => said.into_owned(),
    }
}

fn finding(finding: tongmai_base::Finding, l: Language) -> Finding {
    let (grade, sign) = match finding.severity {
        tongmai_base::Severity::Error | tongmai_base::Severity::Fatal => ("error", "✕"),
        tongmai_base::Severity::Warning => ("warning", "△"),
        tongmai_base::Severity::Information => ("hint", "·"),
    };
    Finding { grade, sign, message: message(&finding, l), path: finding.path }
}
