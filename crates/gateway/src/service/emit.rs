//! Records as the services send them: the same table read the other way.

use super::element;
use crate::build::Node;
use crate::mapping::{Rule, Rules};
use crate::wst500::from_fhir;
use crate::wst500::table::{Content, Grammar, Slot};
use crate::xml::Element;

/// The resources of a record, by the table's names for them.
pub struct Record<'r> {
    /// `Patient`, `Condition:dx0` …
    pub nodes: Vec<(String, &'r Node)>,
}

impl Record<'_> {
    fn get(&self, key: &str) -> Option<&Node> {
        self.nodes.iter().find(|(known, _)| known == key).map(|(_, node)| *node)
    }

    /// How many resources there are of a numbered name.
    fn count(&self, name: &str) -> usize {
        (0..).take_while(|number| self.get(&format!("{name}{number}")).is_some()).count()
    }
}

/// The `subject` of a record, as the requests of a service have it.
pub fn subject(rules: &Rules, grammar: &Grammar, record: &Record<'_>) -> Option<Element<'static>> {
    let slot = grammar.root.child("controlActProcess")?.child("subject")?;
    let emitter = Emitter { rules, service: grammar.code, record };
    let mut made = emitter.slot(slot, &mut vec!["controlActProcess"], 0);
    (!made.is_empty()).then(|| made.swap_remove(0))
}

struct Emitter<'e> {
    rules: &'e Rules,
    service: &'e str,
    record: &'e Record<'e>,
}

impl Emitter<'_> {
    /// The elements that a slot becomes; none where the record has nothing for it.
    fn slot<'p>(&self, slot: &'p Slot, path: &mut Vec<&'p str>, number: usize) -> Vec<Element<'static>> {
        let times = self.repeats(slot.name);
        path.push(slot.name);
        let mut out = Vec::new();
        match times {
            Some(times) => {
                for number in 0..times {
                    out.extend(self.elements(slot, path, number));
                }
            }
            None => out.extend(self.elements(slot, path, number)),
        }
        path.pop();
        out
    }

    /// How often an element stands that repeats with resources.
    fn repeats(&self, name: &str) -> Option<usize> {
        let mut rules = self.rules.of(self.service).filter(|rule| rule.each == name);
        rules.next().map(|rule| self.record.count(&rule.target.resource))
    }

    fn elements<'p>(&self, slot: &'p Slot, path: &mut Vec<&'p str>, number: usize) -> Vec<Element<'static>> {
        let mut element = Element::new(slot.name);
        if matches!(slot.content, Content::Anything) {
            element.children = self.free(path, number);
        }
        for child in &slot.children {
            element.children.extend(self.slot(child, path, number));
        }
        let mut identified = Vec::new();
        for attribute in &slot.attributes {
            let name = format!("@{}", attribute.name);
            let rules = self.rules_at(path, &name);
            for rule in rules {
                let Some(value) = self.value(rule, number) else { continue };
                if rule.root.is_empty() {
                    element.set(attribute.name, value);
                } else {
                    let mut other = Element::new(slot.name);
                    other.set("root", rule.root.clone());
                    other.set(attribute.name, value);
                    identified.push(other);
                }
            }
        }
        let says = !element.children.is_empty() || !element.attributes.is_empty();
        let mut out = identified;
        if says {
            out.push(element);
        }
        out
    }

    /// The rules for a value: those for certain roots, or else the one for any.
    fn rules_at(&self, path: &[&str], last: &str) -> Vec<&Rule> {
        let fits = |rule: &&Rule| {
            let mut whole = path.iter().copied().chain([last]).rev();
            rule.constant.is_none()
                && rule.path.len() <= path.len() + 1
                && rule.path.iter().rev().all(|step| whole.next() == Some(step))
        };
        let all: Vec<&Rule> = self.rules.of(self.service).filter(fits).collect();
        let longest = all.iter().map(|rule| rule.path.len()).max().unwrap_or(0);
        let family = all.iter().map(|rule| rule.family.len()).max().unwrap_or(0);
        let mut best: Vec<&Rule> = all
            .into_iter()
            .filter(|rule| rule.path.len() == longest && rule.family.len() == family)
            .collect();
        let named: Vec<String> =
            best.iter().filter(|rule| !rule.root.is_empty()).map(|rule| rule.target.to_string()).collect();
        best.retain(|rule| !rule.root.is_empty() || !named.contains(&rule.target.to_string()));
        best
    }

    fn value(&self, rule: &Rule, number: usize) -> Option<String> {
        let key = match rule.each.as_str() {
            "" => rule.target.resource.clone(),
            _ => format!("{}{number}", rule.target.resource),
        };
        let node = rule.target.get(self.record.get(&key)?, 0, "")?;
        from_fhir(rule.conversion, node).filter(|value| !value.is_empty())
    }

    /// What stands within an element of which the schema says nothing: the ways of the rules below it.
    fn free(&self, path: &[&str], number: usize) -> Vec<Element<'static>> {
        let mut out: Vec<Element<'static>> = Vec::new();
        for rule in self.rules.of(self.service).filter(|rule| rule.constant.is_none()) {
            let at = (1..rule.path.len()).find(|at| {
                *at <= path.len() && rule.path[..*at].iter().rev().zip(path.iter().rev()).all(|(a, b)| a == b)
            });
            let Some(at) = at.filter(|at| path[path.len() - 1] == rule.path[at - 1]) else { continue };
            let Some(value) = self.value(rule, number) else { continue };
            let mut steps = rule.path[at..].iter().rev();
            let Some(attribute) = steps.next().and_then(|last| last.strip_prefix('@')) else { continue };
            let mut below: Option<Element<'static>> = None;
            for step in steps {
                let mut element = Element::new(step.clone());
                match below.take() {
                    Some(inner) => element.children.push(inner),
                    None => element.set(attribute, value.clone()),
                }
                below = Some(element);
            }
            // The first rule for a place counts.
            if let Some(element) = below.filter(|element| !out.contains(element))
                && out.is_empty()
            {
                out.push(element);
            }
        }
        out
    }
}

/// A request of a service that carries a record; `None` where there is no such service.
pub fn message(
    service: &str,
    nodes: &[(String, &Node)],
    id: &str,
    time: &str,
    sender: &str,
) -> Option<String> {
    let grammar = super::tables().grammars.iter().find(|grammar| grammar.code == service)?;
    let record = Record { nodes: nodes.to_vec() };
    let subject = subject(super::understand::rules(), grammar, &record)?;
    let control = element("controlActProcess", &[("classCode", "CACT"), ("moodCode", "EVN")], vec![subject]);
    let name = grammar.root.name;
    let root = element(
        name,
        &[("ITSVersion", "XML_1.0")],
        vec![
            element("id", &[("root", "2.16.156.10011.2.5.1.1"), ("extension", id)], vec![]),
            element("creationTime", &[("value", time)], vec![]),
            element("interactionId", &[("root", "2.16.156.10011.2.5.1.2"), ("extension", name)], vec![]),
            element("processingCode", &[("code", "P")], vec![]),
            element("processingModeCode", &[], vec![]),
            element("acceptAckCode", &[("code", "AL")], vec![]),
            super::device("receiver", "RCV", "TONGMAI"),
            super::device("sender", "SND", sender),
            control,
        ],
    );
    Some(crate::xml::write(&root))
}
