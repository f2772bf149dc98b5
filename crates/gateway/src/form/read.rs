//! From a record to resources.

use std::collections::HashMap;

use tongmai_base::{Finding, Severity, limits};
use tongmai_fhir::json::Json;

use super::table::{Check, Column, Conversion, Form, Order, is_running, type_of};
use super::{Cell, Record, value};
use crate::build::{Node, number, object, property, push, reference, text};
use crate::understood::{by_identifier, escaped};
use crate::wst500::path::REPETITIONS;
use crate::{Entry, Request, Source, Understood, stable_id};

/// Catalogue of data elements.
pub(super) const ELEMENTS: &str = "urn:oid:2.16.156.10011.2.2.1";
/// Beginning of the systems by which a form's resources are known, record by record.
pub const RECORD: &str = "urn:tongmai:form:";
/// Types of which one identifier names one thing for good; others are known by their record.
const THINGS: &[&str] = &["Patient", "Practitioner", "Organization", "Location"];

/// Systems whose numbers are given once in the country: identity card, health card, institution,
/// staff, the insurer's numbers of persons and institutions.
const EVERYWHERE: &[&str] = &[
    "urn:oid:2.16.156.10011.1.3",
    "urn:tongmai:insurance:psn_no",
    "urn:oid:2.16.156.10011.1.19",
    "urn:oid:2.16.156.10011.1.5",
    "urn:tongmai:insurance:fixmedins_code",
];

impl Form {
    /// Reads a record. Values that break a rule stand in findings that name the column, its data
    /// element, the rule and the repair; what cannot be read is left out, and said.
    pub fn understand(&self, record: &Record) -> Understood {
        let known = self.identifier.iter().filter_map(|at| record.text(*at, 0));
        let mut maker = Maker {
            form: self,
            record,
            source: Source {
                format: self.format.clone(),
                sender: self.sender.and_then(|at| record.text(at, 0)).unwrap_or_default(),
                message_id: known.collect::<Vec<_>>().join("/"),
                kind: self.kind.clone(),
                sent: self.sent_of(record),
                ..Source::default()
            },
            made: Vec::new(),
            by_key: HashMap::new(),
            findings: Vec::new(),
        };
        // In the order of the table, so that the order of the source makes no difference.
        let mut cells: Vec<&Cell> = record.cells.iter().collect();
        cells.sort_by_key(|cell| (cell.column, cell.number));
        for cell in cells {
            maker.cell(cell);
        }
        maker.required();
        maker.rules();
        maker.fixed();
        for (name, written) in &record.unknown {
            if !value::clean(written).is_empty() {
                let message = format!(
                    "column '{}' is not in the table of this form; its value is not used",
                    short(name)
                );
                maker.findings.push(
                    Finding::warning(place(&record.place, name), "column-unmapped", message)
                        .with_repair("add the column to the table, or leave it out"),
                );
            }
        }
        maker.finish()
    }
}

impl Form {
    /// When a record was said, as its own columns tell.
    fn sent_of(&self, record: &Record) -> String {
        let mut written = self.sent.iter().filter_map(|at| record.text(*at, 0));
        written.find_map(|text| crate::wst500::convert::time(&value::half_width(&text))).unwrap_or_default()
    }
}

struct Maker<'f> {
    form: &'f Form,
    record: &'f Record,
    source: Source,
    made: Vec<(String, usize, Node)>,
    by_key: HashMap<(String, usize), usize>,
    findings: Vec<Finding>,
}

impl Maker<'_> {
    fn cell(&mut self, cell: &Cell) {
        let form = self.form;
        let column = &form.columns[cell.column];
        let mut written = value::clean(&cell.text);
        if written.is_empty() {
            return;
        }
        let half = value::half_width(&written);
        if half != written && is_code(column) {
            let message =
                format!("'{}' is written in full width and read as '{}'", short(&written), short(&half));
            let repair = "write half-width characters";
            self.found(Severity::Information, column, cell.number, "full-width", message, repair);
            written = half;
        }
        if cell.number >= REPETITIONS {
            let message = format!("more than {REPETITIONS} repetitions");
            self.found(Severity::Error, column, cell.number, "limit", message, "send fewer in one record");
            return;
        }
        for check in &column.checks {
            if let Some((rule, repair)) = value::broken(check, &written) {
                let message = format!("'{}' breaks the rule: {rule}", short(&written));
                self.found(Severity::Warning, column, cell.number, "rule", message, &repair);
            }
        }
        if column.conversion == Conversion::Unmapped {
            return;
        }
        match value::to_fhir(form, &column.conversion, &written) {
            Ok(node) => self.place(column, cell.number, &written, node),
            Err(expected) => {
                let message = format!("'{}' is not {expected}; it is left out", short(&written));
                self.found(
                    Severity::Error,
                    column,
                    cell.number,
                    "value",
                    message,
                    &format!("write {expected}"),
                );
            }
        }
    }

    fn place(&mut self, column: &Column, number: usize, written: &str, node: Node) {
        let key = column.target.resource.as_str();
        if !column.target.steps.is_empty() {
            let at = self.resource(key, if is_running(key) { number } else { 0 });
            // The same value twice is no contradiction: each fee of a list names its visit.
            if super::table::at(&column.target, &self.made[at].2, number) == Some(&node) {
                return;
            }
            if !column.target.set(&mut self.made[at].2, number, "", node) {
                let message = format!("'{}' stands for what another column gave already", short(written));
                self.found(
                    Severity::Warning,
                    column,
                    number,
                    "twice",
                    message,
                    "write the value in one column",
                );
            }
            return;
        }
        match type_of(key) {
            "Invoice" => {
                let at = self.resource("Invoice", 0);
                let coding = element_coding(column, number);
                let item = object([("coding", Json::Array(vec![coding]))]);
                let price = object([("type", text("base")), ("amount", node)]);
                let line = object([
                    ("chargeItemCodeableConcept", item),
                    ("priceComponent", Json::Array(vec![price])),
                ]);
                push(&mut self.made[at].2, "lineItem", line);
            }
            _ => {
                let at = self.resource(&format!("Observation:{}", column.code), number);
                let observation = &mut self.made[at].2;
                *property(observation, "status") = text("final");
                let code = object([
                    ("coding", Json::Array(vec![element_coding(column, number)])),
                    ("text", text(column.name_of(number))),
                ]);
                *property(observation, "code") = code;
                let (name, value) = match (&column.conversion, node) {
                    (Conversion::Code(_), coding) => {
                        ("valueCodeableConcept", object([("coding", Json::Array(vec![coding]))]))
                    }
                    (Conversion::Quantity(_), quantity) => ("valueQuantity", quantity),
                    (Conversion::Boolean, flag) => ("valueBoolean", flag),
                    (Conversion::Integer, number) => ("valueInteger", number),
                    (Conversion::DateTime | Conversion::Date, time) => ("valueDateTime", time),
                    (Conversion::Decimal | Conversion::Money, number) => (
                        "valueQuantity",
                        if number.get("value").is_some() { number } else { object([("value", number)]) },
                    ),
                    (_, words) => ("valueString", words),
                };
                *property(observation, name) = value;
            }
        }
    }

    /// The resource of a key, made where it is absent.
    fn resource(&mut self, key: &str, number: usize) -> usize {
        if let Some(at) = self.by_key.get(&(key.to_owned(), number)) {
            return *at;
        }
        let at = self.made.len();
        self.made.push((key.to_owned(), number, object([("resourceType", text(type_of(key)))])));
        self.by_key.insert((key.to_owned(), number), at);
        at
    }

    /// The numbers of a key that are there.
    fn numbers(&self, key: &str) -> Vec<usize> {
        self.made.iter().filter(|(made, ..)| made == key).map(|(_, number, _)| *number).collect()
    }

    fn required(&mut self) {
        let form = self.form;
        for (at, column) in form.columns.iter().enumerate() {
            if !column.is_required() || column.repeats || self.record.text(at, 0).is_some() {
                continue;
            }
            let message = format!("{} must have a value", column.name_of(0));
            self.found(
                Severity::Error,
                column,
                0,
                "required",
                message,
                "fill the column in the source system",
            );
        }
    }

    fn rules(&mut self) {
        let form = self.form;
        for rule in &form.rules {
            let Some(left) = self.record.text(rule.left, 0) else { continue };
            let right: Vec<String> = rule.right.iter().filter_map(|at| self.record.text(*at, 0)).collect();
            if right.is_empty() {
                continue;
            }
            let holds = match rule.order {
                Order::NotLess => match (comparable(&left), comparable(&right[0])) {
                    (Some(left), Some(right)) => left >= right,
                    _ => true,
                },
                Order::Equal => {
                    let sum: Option<i128> = right.iter().map(|text| cents(text)).sum();
                    match (cents(&left), sum) {
                        (Some(left), Some(sum)) => left == sum,
                        _ => true,
                    }
                }
            };
            if !holds {
                let column = &form.columns[rule.left];
                let message =
                    format!("{} ({} against {})", rule.message, short(&left), short(&right.join(" + ")));
                self.found(Severity::Warning, column, 0, &rule.code, message, &rule.repair);
            }
        }
    }

    fn fixed(&mut self) {
        let form = self.form;
        for fixed in &form.fixed {
            for number in self.numbers(&fixed.when) {
                let holder = &fixed.target.resource;
                let at = match self.by_key.get(&(holder.clone(), if is_running(holder) { number } else { 0 }))
                {
                    Some(at) => *at,
                    None if holder == &fixed.when => continue,
                    None => self.resource(holder, 0),
                };
                let value = match (fixed.value.as_str(), fixed.value.strip_prefix('#')) {
                    (_, Some(more)) => {
                        self::number((number + more.parse::<usize>().unwrap_or(0)).to_string())
                    }
                    ("true", _) => Json::Bool(true),
                    ("false", _) => Json::Bool(false),
                    (words, _) => text(words),
                };
                fixed.target.set(&mut self.made[at].2, number, "", value);
            }
        }
        for link in &form.links {
            for number in self.numbers(&link.to) {
                let url = self.url(&link.to, number);
                let holder = &link.target.resource;
                let holders =
                    if is_running(&link.to) && !is_running(holder) { vec![0] } else { self.numbers(holder) };
                for held in holders {
                    let both_run = is_running(&link.to) && is_running(holder);
                    if both_run && held != number {
                        continue;
                    }
                    if let Some(at) = self.by_key.get(&(holder.clone(), held)) {
                        let target = object([("reference", text(url.as_str()))]);
                        link.target.set(&mut self.made[*at].2, number, "", target);
                    }
                }
            }
        }
        self.link_observations();
    }

    /// Observations and the invoice belong to the patient and the encounter.
    fn link_observations(&mut self) {
        let patient = self.by_key.contains_key(&("Patient".to_owned(), 0)).then(|| self.url("Patient", 0));
        let encounter =
            self.by_key.contains_key(&("Encounter".to_owned(), 0)).then(|| self.url("Encounter", 0));
        for (key, _, node) in &mut self.made {
            let is_invoice = key == "Invoice";
            if !is_invoice && type_of(key) != "Observation" {
                continue;
            }
            if let Some(patient) = patient.as_deref().filter(|_| node.get("subject").is_none()) {
                *property(node, "subject") = reference(patient);
            }
            if let Some(encounter) =
                encounter.as_deref().filter(|_| !is_invoice && node.get("encounter").is_none())
            {
                *property(node, "encounter") = reference(encounter);
            }
            if is_invoice && node.get("status").is_none() {
                *property(node, "status") = text("issued");
            }
        }
    }

    fn url(&self, key: &str, number: usize) -> String {
        let source = &self.source;
        let parts = [
            &source.format,
            &source.sender,
            &source.message_id,
            &self.place_if_unknown(),
            key,
            &number.to_string(),
        ];
        let parts: Vec<&str> = parts.iter().map(|part| part.as_ref()).collect();
        format!("urn:uuid:{}", stable_id(&parts))
    }

    /// What tells records without an identifier apart.
    fn place_if_unknown(&self) -> String {
        if self.source.message_id.is_empty() { self.record.place.clone() } else { String::new() }
    }

    fn found(
        &mut self,
        severity: Severity,
        column: &Column,
        number: usize,
        code: &str,
        message: String,
        repair: &str,
    ) {
        if self.findings.len() > limits::MESSAGE_FINDINGS {
            return;
        }
        let mut path = place(&self.record.place, &column.code_of(number));
        path.push(' ');
        path.push_str(&column.name_of(number));
        if !column.element.is_empty() {
            path.push_str(&format!(" ({})", column.element));
        }
        self.findings.push(Finding::new(severity, path, code, message).with_repair(repair));
    }

    fn finish(mut self) -> Understood {
        let system = format!("{RECORD}{}:{}", self.form.format, escaped(&self.source.sender));
        let record = self.source.message_id.clone();
        let urls: Vec<String> = self.made.iter().map(|(key, number, _)| self.url(key, *number)).collect();
        let mut entries = Vec::new();
        for ((key, number, mut node), full_url) in std::mem::take(&mut self.made).into_iter().zip(urls) {
            let is_thing = THINGS.contains(&type_of(&key));
            let known = Some(&node).filter(|_| self.form.existing.contains(&key)).and_then(by_identifier);
            let request = if let Some(query) = known {
                Request::CreateUnless(query)
            } else if is_thing {
                let query = thing_query(&mut node, &format!("{system}:{}", type_of(&key)));
                query.map_or(Request::Create, Request::CreateUnless)
            } else if record.is_empty() {
                Request::Create
            } else {
                // The record's own name of it, so that a corrected record takes its place.
                let value = format!("{record}/{}/{number}", key.replace([':', '[', ']', '*'], "-"));
                let query = format!("identifier={}%7C{}", escaped(&system), escaped(&value));
                push(
                    &mut node,
                    "identifier",
                    object([("system", text(system.as_str())), ("value", text(value))]),
                );
                Request::Update(query)
            };
            entries.push(Entry { full_url, resource: node, request });
        }
        let mut understood = Understood { source: self.source, entries, findings: self.findings };
        understood.settle();
        if understood.entries.is_empty() {
            let path = place(&self.record.place, "record");
            understood.findings.push(
                Finding::new(
                    Severity::Fatal,
                    path,
                    "nothing-understood",
                    "no value of the record could be used",
                )
                .with_repair("send the columns that the form names"),
            );
        }
        understood
    }
}

/// The search for a thing: by an identifier that is one person's or institution's everywhere; else by
/// the sender's own number or name of it, which is added as an identifier of the sender.
fn thing_query(node: &mut Node, own_system: &str) -> Option<String> {
    let whole = |identifier: &Node| {
        Some((identifier.text("system")?.to_owned(), identifier.text("value")?.to_owned()))
    };
    let known = node
        .items("identifier")
        .iter()
        .filter_map(whole)
        .find(|(system, _)| EVERYWHERE.contains(&system.as_str()));
    if let Some((system, value)) = known {
        return Some(format!("identifier={}%7C{}", escaped(&system), escaped(&value)));
    }
    let first = node.items("identifier").iter().find_map(|identifier| identifier.text("value"));
    let is_person = node.text("resourceType") == Some("Patient");
    let value = first.or_else(|| node.text("name").filter(|_| !is_person))?.to_owned();
    let query = format!("identifier={}%7C{}", escaped(own_system), escaped(&value));
    push(node, "identifier", object([("system", text(own_system)), ("value", text(value))]));
    Some(query)
}

/// The code of a column's data element, with the name of the column; a column without one is its own code.
fn element_coding(column: &Column, number: usize) -> Node {
    let (system, code) = match column.element.is_empty() {
        true => ("urn:tongmai:form-column", column.code_of(number)),
        false => (ELEMENTS, column.element.clone()),
    };
    object([("system", text(system)), ("code", text(code)), ("display", text(column.name_of(number)))])
}

/// Whether full-width characters are only another way of writing here.
fn is_code(column: &Column) -> bool {
    let narrow = |check: &Check| matches!(check, Check::Citizen | Check::Digits | Check::Icd10 | Check::Icd9);
    column.conversion.is_plain() || column.checks.iter().any(narrow)
}

fn place(record: &str, column: &str) -> String {
    let column = if column.trim().is_empty() { "a column without a name" } else { column };
    if record.is_empty() { short(column) } else { format!("{record}, {}", short(column)) }
}

fn short(written: &str) -> String {
    written.chars().take(60).collect()
}

/// A time or a number, as text that compares as it should.
fn comparable(written: &str) -> Option<String> {
    let half = value::half_width(written);
    crate::wst500::convert::time(&half)
        .map(|time| if time.len() == 10 { format!("{time}T00:00:00") } else { time })
}

/// An amount in hundredths of a cent, exact.
pub(super) fn cents(written: &str) -> Option<i128> {
    let digits = crate::wst500::convert::decimal(&value::half_width(written).replace(',', ""))?;
    let (sign, digits) = digits.strip_prefix('-').map_or((1, digits.as_str()), |rest| (-1, rest));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let fraction: String = fraction.chars().chain("0000".chars()).take(4).collect();
    if whole.len() > 20 {
        return None;
    }
    Some(sign * (whole.parse::<i128>().ok()? * 10_000 + fraction.parse::<i128>().ok()?))
}
