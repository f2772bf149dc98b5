//! From resources to a record.
//!
//! The writer begins at the form's root (an Encounter, say), follows the references of the table to
//! other keys, and finds the remaining ones among resources of their type that refer to what is
//! found and carry the table's fixed values.

use std::collections::{HashMap, HashSet};

use tongmai_fhir::json::Json;

use super::read::ELEMENTS;
use super::table::{Column, Form, at, is_running, type_of};
use super::{Cell, Record, value};
use crate::build::Node;
use crate::wst500::path::REPETITIONS;

/// Resources with their addresses.
pub type Stored<'r> = [(String, &'r Node)];

struct Finder<'f, 'r> {
    form: &'f Form,
    stored: &'f Stored<'r>,
    by_url: &'f HashMap<&'f str, usize>,
    found: HashMap<(String, usize), usize>,
    taken: HashSet<usize>,
}

impl Form {
    /// Writes a record for each resource that the form begins at.
    pub fn records(&self, stored: &Stored<'_>) -> Vec<Record> {
        let mut by_url: HashMap<&str, usize> = HashMap::new();
        for (at, (url, _)) in stored.iter().enumerate() {
            by_url.insert(url, at);
            // References within a server are written without its address.
            if let Some((id_at, _)) = url.rmatch_indices('/').nth(1) {
                by_url.entry(&url[id_at + 1..]).or_insert(at);
            }
        }
        let is_root =
            |node: &Node| node.text("resourceType") == Some(type_of(&self.root)) && self.is_of_kind(node);
        let roots: Vec<usize> = (0..stored.len()).filter(|at| is_root(stored[*at].1)).collect();
        roots
            .into_iter()
            .map(|root| {
                let mut finder = Finder {
                    form: self,
                    stored,
                    by_url: &by_url,
                    found: HashMap::new(),
                    taken: HashSet::new(),
                };
                finder.found.insert((self.root.clone(), 0), root);
                finder.taken.insert(root);
                finder.find();
                let cells = finder.cells();
                let place = stored[root].0.clone();
                Record { place, cells, unknown: Vec::new() }
            })
            .filter(|record| !record.cells.is_empty())
            .collect()
    }

    /// Whether a resource is of the form's kind: an inpatient visit, a reported case. Other doors write other
    /// things beside that, so only fixed codes count.
    fn is_of_kind(&self, node: &Node) -> bool {
        let codes = self.fixed.iter().filter(|fixed| {
            let is_code = fixed.target.steps.last().is_some_and(|step| step.name == "code");
            is_code && fixed.target.resource == self.root && fixed.when == self.root
        });
        codes.into_iter().all(|fixed| at(&fixed.target, node, 0).and_then(Json::as_str) == Some(&fixed.value))
    }

    /// Whether a resource carries the fixed values of a key, as far as they differ between its keys.
    fn carries_fixed(&self, key: &str, number: usize, node: &Node) -> bool {
        self.fixed.iter().filter(|fixed| fixed.target.resource == key && fixed.when == key).all(|fixed| {
            let Some(found) = at(&fixed.target, node, number) else { return false };
            let written = match found {
                Json::String(text) => text.to_string(),
                other => other.to_string(),
            };
            fixed.value.starts_with('#') || written == fixed.value
        })
    }

    /// All keys that columns, fixed values and references name, in order.
    fn keys(&self) -> Vec<&str> {
        let columns = self.columns.iter().filter(|column| !column.target.steps.is_empty());
        let mut keys: Vec<&str> = Vec::new();
        let links = self.links.iter().map(|link| link.to.as_str());
        for key in links.chain(columns.map(|column| column.target.resource.as_str())) {
            if !key.is_empty() && !keys.contains(&key) {
                keys.push(key);
            }
        }
        keys
    }
}

impl Finder<'_, '_> {
    fn find(&mut self) {
        // References lead from key to key; each round may open new ones.
        for _ in 0..4 {
            let before = self.found.len();
            self.follow();
            if self.found.len() == before {
                break;
            }
        }
        for key in self.form.keys() {
            // What is referred to is found by its reference or not at all.
            let is_target = self.form.links.iter().any(|link| link.to == key);
            if !is_target && !self.found.keys().any(|(found, _)| found == key) {
                self.search(key);
                self.follow();
            }
        }
    }

    /// Follows the references of what is found.
    fn follow(&mut self) {
        let form = self.form;
        for link in &form.links {
            let holders: Vec<(usize, usize)> = self
                .found
                .iter()
                .filter(|((key, _), _)| *key == link.target.resource)
                .map(|((_, number), at)| (*number, *at))
                .collect();
            for (held, holder) in holders {
                let node = self.stored[holder].1;
                let numbers = match is_running(&link.to) {
                    true if !is_running(&link.target.resource) => 0..link.target.count(node).max(1),
                    true => held..held + 1,
                    false => held..held + 1,
                };
                for number in numbers {
                    let target = at(&link.target, node, number).and_then(|to| to.text("reference"));
                    let Some(found) = target.and_then(|url| self.by_url.get(url)) else { continue };
                    let key = (link.to.clone(), if is_running(&link.to) { number } else { 0 });
                    let of_type = self.stored[*found].1.text("resourceType") == Some(type_of(&link.to));
                    if of_type && !self.found.contains_key(&key) {
                        self.found.insert(key, *found);
                        self.taken.insert(*found);
                    }
                }
            }
        }
    }

    /// Finds a key among the resources of its type that refer to what is found.
    fn search(&mut self, key: &str) {
        let mut number = 0;
        for at in 0..self.stored.len() {
            let node = self.stored[at].1;
            let is_free = !self.taken.contains(&at) && node.text("resourceType") == Some(type_of(key));
            if is_free && self.refers(key, number, node) && self.form.carries_fixed(key, number, node) {
                self.found.insert((key.to_owned(), number), at);
                self.taken.insert(at);
                number += 1;
                if !is_running(key) || number >= REPETITIONS {
                    return;
                }
            }
        }
    }

    /// Whether a resource that would be `key` refers to the found ones as the table says.
    fn refers(&self, key: &str, number: usize, node: &Node) -> bool {
        let mut any = false;
        for link in self.form.links.iter().filter(|link| link.target.resource == key) {
            let wanted = if is_running(&link.to) { number } else { 0 };
            let Some(found) = self.found.get(&(link.to.clone(), wanted)) else { continue };
            let target = at(&link.target, node, number).and_then(|to| to.text("reference"));
            if target.and_then(|url| self.by_url.get(url)) == Some(found) {
                any = true;
                continue;
            }
            // One place may refer to one thing or to another: to the insurer, or to the patient who pays.
            let others = self.form.links.iter().filter(|other| other.target == link.target);
            if others.count() == 1 {
                return false;
            }
        }
        any || !self.form.links.iter().any(|link| link.target.resource == key)
    }

    fn cells(&self) -> Vec<Cell> {
        let form = self.form;
        let mut cells = Vec::new();
        let columns = form.columns.iter().enumerate().filter(|(_, column)| !column.is_of_site());
        for (index, column) in columns {
            let key = &column.target.resource;
            if column.target.steps.is_empty() {
                self.elements(index, column, &mut cells);
                continue;
            }
            let mut holders: Vec<(usize, usize)> = self
                .found
                .iter()
                .filter(|((found, _), _)| found == key)
                .map(|((_, number), at)| (*number, *at))
                .collect();
            holders.sort_unstable();
            for (held, holder) in holders {
                let node = self.stored[holder].1;
                let numbers = match column.repeats && !is_running(key) {
                    true => 0..column.target.count(node),
                    false => held..held + 1,
                };
                for number in numbers {
                    let written = at(&column.target, node, number)
                        .and_then(|found| value::from_fhir(form, &column.conversion, found));
                    if let Some(text) = written.filter(|text| !text.is_empty()) {
                        cells.push(Cell { column: index, number, text });
                    }
                }
            }
        }
        cells
    }

    /// Values that are Observations and lines of invoices, by their data element and name.
    fn elements(&self, index: usize, column: &Column, cells: &mut Vec<Cell>) {
        let anchors: Vec<&str> = ["Encounter", "Patient"]
            .iter()
            .filter_map(|key| self.found.get(&((*key).to_owned(), 0)))
            .map(|at| self.stored[*at].0.as_str())
            .collect();
        let is_ours = |coding: &Node, number: usize| {
            let code =
                if column.element.is_empty() { column.code_of(number) } else { column.element.clone() };
            let name = column.name_of(number);
            let system_fits = column.element.is_empty() || coding.text("system") == Some(ELEMENTS);
            let named = coding.text("display").is_none_or(|display| display == name);
            system_fits && coding.text("code") == Some(code.as_str()) && named
        };
        let numbers = if column.repeats { REPETITIONS } else { 1 };
        for (_, node) in self.stored {
            let refers = ["encounter", "subject"]
                .iter()
                .filter_map(|name| node.get(name)?.text("reference"))
                .any(|url| anchors.contains(&url));
            if !refers {
                continue;
            }
            match (node.text("resourceType"), type_of(&column.target.resource)) {
                (Some("Invoice"), "Invoice") => {
                    for line in node.items("lineItem") {
                        let item = line.get("chargeItemCodeableConcept");
                        let codings = item.map(|item| item.items("coding")).unwrap_or_default();
                        let amount =
                            line.items("priceComponent").first().and_then(|price| price.get("amount"));
                        for number in (0..numbers).filter(|n| codings.iter().any(|c| is_ours(c, *n))) {
                            self.push(index, column, number, amount, cells);
                        }
                    }
                }
                (Some("Observation"), "Observation") => {
                    let codings = node.get("code").map(|code| code.items("coding")).unwrap_or_default();
                    let value =
                        ["valueQuantity", "valueBoolean", "valueInteger", "valueDateTime", "valueString"]
                            .iter()
                            .find_map(|name| node.get(name))
                            .or_else(|| node.get("valueCodeableConcept")?.items("coding").first());
                    for number in (0..numbers).filter(|n| codings.iter().any(|c| is_ours(c, *n))) {
                        self.push(index, column, number, value, cells);
                    }
                }
                _ => {}
            }
        }
    }

    fn push(
        &self,
        index: usize,
        column: &Column,
        number: usize,
        value: Option<&Node>,
        cells: &mut Vec<Cell>,
    ) {
        let known = cells.iter().any(|cell| cell.column == index && cell.number == number);
        let written = value.and_then(|value| {
            value::from_fhir(self.form, &column.conversion, value)
                .or_else(|| value.get("value").map(|digits| digits.to_string()))
        });
        if let Some(text) = written.filter(|_| !known) {
            cells.push(Cell { column: index, number, text });
        }
    }
}

impl Form {
    /// Columns that must have a value and have none in a record that is to be written.
    pub fn missing(&self, record: &Record) -> Vec<tongmai_base::Finding> {
        let lacks = |at: usize, column: &Column| {
            column.is_required() && !column.repeats && record.text(at, 0).is_none()
        };
        let columns = self.columns.iter().enumerate().filter(|(at, column)| lacks(*at, column));
        columns
            .map(|(_, column)| {
                let path =
                    format!("{}, {} {} ({})", record.place, column.code, column.name_of(0), column.element);
                tongmai_base::Finding::warning(path, "required", "nothing stored gives the column its value")
                    .with_repair(format!("store {}", column.place()))
            })
            .collect()
    }
}
