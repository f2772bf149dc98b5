//! The packs in force: which one groups a discharge, and what its groups weigh.

use std::collections::BTreeMap;
use std::path::Path;

use tongmai_base::Finding;
use tongmai_drg::payment::Decimal;
use tongmai_drg::settlement::scheme::{High, Insurance, LongStay, Pay, Scheme, Special};
use tongmai_drg::{Grouper, Pack, demo};

/// A pack with its compiled rules and its weights.
#[derive(Debug)]
pub struct Held {
    /// The rules as data.
    pub pack: Pack,
    /// The rules compiled.
    pub grouper: Grouper,
    /// Weights by group.
    pub weights: BTreeMap<String, Decimal>,
}

impl Held {
    /// Compiles a pack.
    pub fn new(pack: Pack, weights: BTreeMap<String, Decimal>) -> Held {
        Held { grouper: Grouper::new(&pack), pack, weights }
    }

    /// Its short name.
    pub fn id(&self) -> &str {
        &self.pack.manifest.id
    }

    /// Whether it is in force on a date (`YYYY-MM-DD`).
    fn holds_on(&self, date: &str) -> bool {
        let manifest = &self.pack.manifest;
        (manifest.effective_from.is_empty() || manifest.effective_from.as_str() <= date)
            && (manifest.effective_to.is_empty() || date <= manifest.effective_to.as_str())
    }

    /// The name of a code, as the pack gives it.
    pub fn name_of(&self, code: &str, diagnosis: bool) -> Option<&str> {
        let names = if diagnosis { &self.pack.diagnosis_names } else { &self.pack.procedure_names };
        names.iter().find(|(known, _)| known == code).map(|(_, name)| name.as_str())
    }

    /// The demo's payment scheme over this pack: points that share the budgets given in yuan.
    pub fn scheme(&self, budgets: &BTreeMap<String, Decimal>, levels: &BTreeMap<String, Decimal>) -> Scheme {
        let tenths = |n: i128| Decimal(Decimal::ONE.0 * n / 10);
        let insurance = |(code, budget): (&String, &Decimal)| {
            (code.clone(), Insurance { name: code.clone(), pay: Pay::Budget(*budget) })
        };
        let hospital = |(code, coefficient): (&String, &Decimal)| {
            let hospital = tongmai_drg::settlement::scheme::Hospital {
                coefficient: Some(*coefficient),
                ..Default::default()
            };
            (code.clone(), hospital)
        };
        let high = [(Some(tenths(10)), tenths(30)), (Some(tenths(20)), tenths(25)), (None, tenths(20))];
        Scheme {
            id: format!("{}_points", self.id()),
            pack: self.id().to_owned(),
            insurances: budgets.iter().map(insurance).collect(),
            hospitals: levels.iter().map(hospital).collect(),
            weights: self.weights.clone(),
            high: high.into_iter().map(|(up_to_weight, above)| High { up_to_weight, above }).collect(),
            high_share: Some(Decimal(Decimal::ONE.0 / 20)),
            low: Some(tenths(4)),
            long_stay: Some(LongStay { days: 60, daily_weight: Decimal(Decimal::ONE.0 * 6 / 100) }),
            special: Some(Special { quota: Decimal(Decimal::ONE.0 / 20), reviewers: 2 }),
            ..Scheme::default()
        }
    }
}

/// The packs of an installation, in the order of their first day.
#[derive(Debug)]
pub struct Shelf {
    held: Vec<Held>,
}

impl Default for Shelf {
    /// The packs of the demo county.
    fn default() -> Shelf {
        let mut shelf = Shelf { held: Vec::new() };
        for (pack, weights) in [demo::county_2026(), demo::county_2027()] {
            shelf.put(Held::new(pack, weights));
        }
        shelf
    }
}

impl Shelf {
    /// The packs of the demo county, and those that `drg import` wrote into folders below this one, each with
    /// `weights.csv` (`group,weight`) where it has weights. A folder that holds no pack is a finding.
    pub fn open(folder: &Path) -> (Shelf, Vec<Finding>) {
        let mut shelf = Shelf::default();
        let mut findings = Vec::new();
        let Ok(entries) = std::fs::read_dir(folder) else { return (shelf, findings) };
        let mut paths: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        paths.sort();
        for path in paths.into_iter().filter(|path| path.is_dir()) {
            match Pack::read(&mut |name| std::fs::read(path.join(name)).ok()) {
                Ok(pack) => {
                    let rows = std::fs::read_to_string(path.join("weights.csv")).unwrap_or_default();
                    let rows = tongmai_drg::import::template::cells(&rows);
                    let weight =
                        |row: &Vec<String>| Some((row.first()?.clone(), Decimal::parse(row.get(1)?)?));
                    shelf.put(Held::new(pack, rows.iter().skip(1).filter_map(weight).collect()));
                }
                Err(finding) => {
                    let path = format!("{}/{}", path.display(), finding.path);
                    findings.push(Finding { path, ..finding });
                }
            }
        }
        (shelf, findings)
    }

    /// Puts a pack on the shelf, in the place of one of the same name.
    pub fn put(&mut self, held: Held) {
        self.held.retain(|other| other.id() != held.id());
        self.held.push(held);
        self.held.sort_by(|a, b| {
            let key = |held: &Held| (held.pack.manifest.effective_from.clone(), held.id().to_owned());
            key(a).cmp(&key(b))
        });
    }

    /// All packs.
    pub fn all(&self) -> &[Held] {
        &self.held
    }

    /// The pack of this name.
    pub fn named(&self, id: &str) -> Option<&Held> {
        self.held.iter().find(|held| held.id() == id)
    }

    /// The pack in force on a date: of several the youngest; before the first of all, the first.
    pub fn on(&self, date: &str) -> Option<&Held> {
        self.held.iter().rev().find(|held| held.holds_on(date)).or_else(|| self.held.first())
    }
}
