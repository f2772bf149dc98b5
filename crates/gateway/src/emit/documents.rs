//! A visit as a document of each of the 53 types of WS/T 500, by the table `tables/wst500/county.txt`: what the county knows
//! stands where the type says it, everything else as in the type's example.
//!
//! [`super::wst500`] emits the two types that tell of a visit as a whole from its resources alone, with nothing of an
//! example in them; those are what the doors are compared with.

use std::collections::HashMap;
use std::sync::OnceLock;

use super::Visit;
use crate::wst500::document::{Document, Leaf, Statement, Value};
use crate::wst500::example;

const TABLE: &str = include_str!("../../tables/wst500/county.txt");

/// Where the facts stand.
#[derive(Debug, Default)]
struct Table {
    /// By path of the header; identifiers with their mark in braces.
    head: HashMap<&'static str, &'static str>,
    /// By data element: words of the label, and the fact.
    elements: HashMap<&'static str, Vec<(Vec<&'static str>, &'static str)>>,
}

fn table() -> &'static Table {
    static TABLE_READ: OnceLock<Table> = OnceLock::new();
    TABLE_READ.get_or_init(|| {
        let mut table = Table::default();
        for line in TABLE.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            match line.split('|').collect::<Vec<_>>()[..] {
                ["head", path, fact] => drop(table.head.insert(path, fact)),
                ["de", code, words, fact] => {
                    let words = words.split(',').filter(|word| *word != "-").collect();
                    table.elements.entry(code).or_default().push((words, fact));
                }
                _ => debug_assert!(false, "county.txt: {line}"),
            }
        }
        table
    })
}

/// The visit as a document of a type (`C0032`); `None` when there is no such type.
pub fn document(visit: &Visit, code: &str) -> Option<String> {
    let laying = Laying { facts: facts(visit, code), time: visit.start.clone() };
    let text = example::xml_with(code, &|document| laying.lay(document))?;
    // Times that only the schema demands are put in by the writer.
    let day = visit.start.get(..8).unwrap_or_default();
    Some(
        text.replace("\"20260315083000\"", &format!("\"{}\"", visit.start))
            .replace("\"20260315\"", &format!("\"{day}\"")),
    )
}

/// What the county knows, by the names of the table. Unknown ones are absent, and empty ones leave their place out.
fn facts(visit: &Visit, code: &str) -> HashMap<&'static str, String> {
    let id = format!("{}{}", visit.number, code.to_lowercase());
    // The schemas want 32 to 36 characters, but for one that wants 8 to 20.
    let id = if code == "C0045" { format!("{:0>20}", visit.number) } else { format!("{id:0>32}") };
    let sex = if visit.sex == "male" { ("1", "男性") } else { ("2", "女性") };
    let (diagnosis, named) = visit.diagnoses.first().cloned().unwrap_or_default();
    let mut facts = HashMap::from([
        ("document", id),
        ("serial", visit.number.clone()),
        ("patient.number", visit.patient.clone()),
        ("patient.citizen", visit.citizen.clone()),
        ("patient.name", visit.name()),
        ("patient.sex", sex.0.to_owned()),
        ("patient.sex-name", sex.1.to_owned()),
        ("patient.birth", visit.birth.clone()),
        ("patient.phone", visit.phone.clone()),
        ("visit.number", visit.number.clone()),
        ("visit.start", visit.start.clone()),
        ("visit.told", visit.told().to_owned()),
        ("organization.code", visit.organization.clone()),
        ("organization.name", visit.organization_name.clone()),
        ("department.code", visit.department.clone()),
        ("department.name", visit.department_name.clone()),
        ("doctor.code", visit.doctor.clone()),
        ("doctor.name", visit.doctor_name.clone()),
    ]);
    if visit.is_over() {
        facts.insert("visit.end", visit.end.clone());
    }
    if !diagnosis.is_empty() {
        facts.extend([("diagnosis.code", diagnosis), ("diagnosis.name", named)]);
    }
    facts.extend(visit.more.iter().map(|(name, value)| (*name, value.clone())));
    facts
}

struct Laying {
    facts: HashMap<&'static str, String>,
    time: String,
}

/// Whether a text of the example is a time: eight digits of a day, or fourteen.
fn is_example_time(text: &str) -> bool {
    text.starts_with("202603") && matches!(text.len(), 8 | 14) && text.bytes().all(|b| b.is_ascii_digit())
}

impl Laying {
    fn lay(&self, document: &mut Document) {
        document.head.retain_mut(|leaf| self.head(leaf));
        for section in &mut document.sections {
            section.statements.iter_mut().for_each(|statement| self.statement(statement));
        }
    }

    /// Puts the fact of a place into it; `false` where the visit has none of what it says.
    fn head(&self, leaf: &mut Leaf) -> bool {
        let path = leaf.path.replace("{*}", &format!("{{{}}}", leaf.mark));
        let fact = table().head.get(path.as_str()).or_else(|| table().head.get(leaf.path.as_str()));
        match fact.and_then(|fact| self.facts.get(fact)) {
            Some(value) if value.is_empty() => return false,
            Some(value) if leaf.number == 0 => leaf.value.clone_from(value),
            _ => self.time(&mut leaf.value),
        }
        true
    }

    fn time(&self, text: &mut String) {
        if is_example_time(text)
            && let Some(time) = self.time.get(..text.len())
        {
            *text = time.to_owned();
        }
    }

    fn statement(&self, statement: &mut Statement) {
        for leaf in &mut statement.leaves {
            self.time(&mut leaf.value);
        }
        let code = &statement.code;
        let rules = table().elements.get(code.code.as_str()).map_or(&[][..], Vec::as_slice);
        let rule = rules
            .iter()
            .find(|(words, _)| words.is_empty() || words.iter().any(|word| code.display.contains(word)));
        let known = rule.and_then(|(_, fact)| Some((*fact, self.facts.get(fact)?)));
        match (&mut statement.value, known) {
            (Some(Value::Time(time)), _) => self.time(time),
            (Some(Value::Code { code, display, .. }), Some((fact, value))) => {
                code.clone_from(value);
                let name = fact.replace(".code", ".name");
                display.clone_from(self.facts.get(name.as_str()).unwrap_or(value));
            }
            (Some(Value::Quantity { value: own, .. } | Value::Number(own)), Some((_, value))) => {
                own.clone_from(value);
            }
            (Some(Value::Money { value: own, .. } | Value::Text(own)), Some((_, value))) => {
                own.clone_from(value);
            }
            _ => {}
        }
        statement.within.iter_mut().for_each(|within| self.statement(within));
    }
}
