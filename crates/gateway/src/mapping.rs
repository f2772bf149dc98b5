//! Mapping by table: messages of elements and attributes to FHIR and back, without code.
//!
//! A rule says what the end of a path is in FHIR: `patientPerson/birthTime/@value|Patient.birthDate|date`.
//! The rule with the longest end that fits a value counts. `item[OID]/@extension` fits only an item
//! whose `root` is that OID; `Condition:dx*reason.code…` makes one resource for each element `reason`.
//! `=word` in place of a path is a constant for every resource of that name. The platform's 69
//! services and the local services of a site are such tables.

use std::collections::BTreeMap;

use tongmai_base::{Finding, limits};
use tongmai_fhir::json::Json;

use crate::build::{Node, object, property, prune, push, reference, text};
use crate::wst500::table::Conversion;
use crate::wst500::{Target, is_filler, resource, to_fhir};
use crate::xml::Element;
use crate::{Entry, Request, stable_id};

/// One line of a table.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Beginning of the names of the services that it is for; `*` for all.
    pub family: String,
    /// The end of the path, outermost first; an attribute is `@name`.
    pub path: Vec<String>,
    /// The OID that the element's `root` must be; empty for any.
    pub root: String,
    /// Where it stands in FHIR.
    pub target: Target,
    /// The element that repeats with the resource; empty for a single one.
    pub each: String,
    /// How the value is written.
    pub conversion: Conversion,
    /// What every resource of this name has.
    pub constant: Option<String>,
}

/// A table of rules.
#[derive(Debug, Default)]
pub struct Rules {
    rules: Vec<Rule>,
}

impl Rules {
    /// Reads a table: `family|path|target|conversion` a line; `#` begins a remark.
    ///
    /// # Errors
    /// The line and what is wrong with it.
    pub fn parse(table: &str) -> Result<Rules, Finding> {
        let mut rules = Rules::default();
        for (number, line) in table.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            rules.rules.push(rule(line).map_err(|(what, repair)| {
                Finding::error(format!("line {}", number + 1), "table", what).with_repair(repair)
            })?);
        }
        Ok(rules)
    }

    /// Adds a rule.
    pub fn add(&mut self, rule: Rule) {
        self.rules.push(rule);
    }

    /// The rules of a service.
    pub fn of<'r, 's>(&'r self, service: &'s str) -> impl Iterator<Item = &'r Rule> + use<'r, 's> {
        self.rules.iter().filter(move |rule| rule.family == "*" || service.starts_with(&rule.family))
    }

    /// The rule for a value at a path.
    pub fn find(&self, service: &str, path: &[&str], root: &str) -> Option<&Rule> {
        let fits = |rule: &&Rule| {
            rule.constant.is_none()
                && rule.path.len() <= path.len()
                && rule.path.iter().rev().zip(path.iter().rev()).all(|(a, b)| a == b)
                && (rule.root.is_empty() || rule.root == root)
        };
        let rank = |rule: &&Rule| (rule.path.len(), !rule.root.is_empty(), rule.family.len());
        self.of(service).filter(fits).max_by_key(rank)
    }
}

/// Reads a line; what is wrong and the repair where it cannot be read.
pub fn rule(line: &str) -> Result<Rule, (String, &'static str)> {
    let parts: Vec<&str> = line.split('|').map(str::trim).collect();
    let [family, path, target, conversion] = parts.as_slice() else {
        return Err((format!("'{line}' has {} parts", parts.len()), "write family|path|target|conversion"));
    };
    let conversion = Conversion::named(conversion).ok_or((
        format!("'{conversion}' is no conversion"),
        "write text, date, ts, dec, int, gender or oid",
    ))?;
    // `Type:key*element.path`; a `*` within brackets is a running number.
    let star = target.find('*').filter(|at| !target[..*at].ends_with('['));
    let (target, each) = match star.map(|at| (&target[..at], &target[at + 1..])) {
        Some((head, rest)) => {
            let (each, path) = rest.split_once('.').unwrap_or((rest, ""));
            (format!("{head}.{path}"), each.to_owned())
        }
        None => ((*target).to_owned(), String::new()),
    };
    let target = Target::parse(&target);
    if target.resource.is_empty() {
        return Err((format!("'{target}' begins with no resource type"), "begin it as in Patient.birthDate"));
    }
    let constant = path.strip_prefix('=').map(str::to_owned);
    let (mut steps, mut root) = (Vec::new(), String::new());
    for step in path.split('/').filter(|_| constant.is_none()) {
        match step.split_once('[') {
            Some((name, oid)) => {
                steps.push(name.to_owned());
                oid.trim_end_matches(']').clone_into(&mut root);
            }
            None => steps.push(step.to_owned()),
        }
    }
    Ok(Rule { family: (*family).to_owned(), path: steps, root, target, each, conversion, constant })
}

/// A resource in the making, under the name that the table gives it.
pub struct Made {
    /// `Patient`, `Condition:dx0`.
    pub key: String,
    /// The resource.
    pub node: Node,
}

/// Reads the values of a message by the rules of a service. What no rule is for is told; elements
/// whose names stand in `wrapper` belong to the message and not to its content.
pub fn read(
    rules: &Rules,
    service: &str,
    message: &Element<'_>,
    wrapper: &[&str],
    findings: &mut Vec<Finding>,
) -> Vec<Made> {
    let mut reading = Reading { rules, service, made: Vec::new(), findings, seen: BTreeMap::new() };
    for child in message.children.iter().filter(|child| !wrapper.contains(&child.name.as_ref())) {
        reading.element(child, &mut Vec::new(), &mut Vec::new());
    }
    for (name, value) in &message.attributes {
        let name = format!("@{name}");
        if !wrapper.contains(&name.as_str()) {
            reading.value(&[name.as_str()], &[], value, "");
        }
    }
    let mut made = reading.made;
    for rule in rules.of(service) {
        let Some(constant) = &rule.constant else { continue };
        let Ok(value) = to_fhir(rule.conversion, constant) else { continue };
        for of in made.iter_mut().filter(|of| is_named(&of.key, &rule.target.resource)) {
            rule.target.set(&mut of.node, 0, "", value.clone());
        }
    }
    made
}

/// Whether a key is a name, or the name with a number.
fn is_named(key: &str, name: &str) -> bool {
    key.strip_prefix(name).is_some_and(|tail| tail.bytes().all(|byte| byte.is_ascii_digit()))
}

struct Reading<'r> {
    rules: &'r Rules,
    service: &'r str,
    made: Vec<Made>,
    findings: &'r mut Vec<Finding>,
    /// How many elements were seen at each path.
    seen: BTreeMap<String, usize>,
}

impl Reading<'_> {
    fn element<'e>(
        &mut self,
        element: &'e Element<'_>,
        path: &mut Vec<&'e str>,
        numbers: &mut Vec<(&'e str, usize)>,
    ) {
        path.push(element.name.as_ref());
        let count = self.seen.entry(path.join("/")).or_default();
        numbers.push((element.name.as_ref(), *count));
        *count += 1;
        let root = element.attribute("root").unwrap_or_default();
        for (name, value) in &element.attributes {
            let name = format!("@{name}");
            let mut whole = path.clone();
            whole.push(name.as_str());
            self.value(&whole, numbers, value, root);
        }
        if !element.text.is_empty() {
            self.value(path, numbers, &element.text, root);
        }
        for child in &element.children {
            self.element(child, path, numbers);
        }
        path.pop();
        numbers.pop();
    }

    fn value(&mut self, path: &[&str], numbers: &[(&str, usize)], value: &str, root: &str) {
        let value = value.trim();
        if value.is_empty() || is_structure(path.last().copied().unwrap_or_default()) {
            return;
        }
        let shown = || format!("/{}", path.join("/"));
        let Some(rule) = self.rules.find(self.service, path, root) else {
            // Names of codes and their systems go with the codes.
            if !path.last().is_some_and(|last| last.starts_with("@codeSystem")) {
                self.found(Finding::warning(shown(), "unmapped", format!("no rule is for '{value}'")).with_repair(
                    "nothing is lost: the message is kept as it came; add a line to the table to have it mapped",
                ));
            }
            return;
        };
        if is_filler(value) {
            let words = format!("'{value}' stands for a value that is missing");
            self.found(
                Finding::warning(shown(), "placeholder", words)
                    .with_repair("write the value, or leave it out"),
            );
            return;
        }
        let node = match to_fhir(rule.conversion, value) {
            Ok(node) => node,
            Err(expected) => {
                let words = format!("'{value}' is not {expected}");
                self.found(Finding::error(shown(), "format", words).with_repair(expected));
                return;
            }
        };
        let number = numbers
            .iter()
            .rev()
            .find(|(name, _)| !rule.each.is_empty() && *name == rule.each)
            .map(|(_, number)| *number);
        let key = match number {
            Some(number) => format!("{}{number}", rule.target.resource),
            None => rule.target.resource.clone(),
        };
        let at = self.make(key);
        // Items of a list are numbered by the element that the rule begins with.
        let outermost = rule.path.first().map_or("", String::as_str);
        let item = numbers.iter().rev().find(|(name, _)| *name == outermost).map_or(0, |(_, number)| *number);
        if !rule.target.set(&mut self.made[at].node, item, "", node) {
            let words = format!("'{value}' comes after another value for the same");
            self.found(Finding::warning(shown(), "repeated", words).with_repair("write it once"));
        }
    }

    fn make(&mut self, key: String) -> usize {
        if let Some(at) = self.made.iter().position(|made| made.key == key) {
            return at;
        }
        let node = begun(key.split(':').next().unwrap_or_default());
        self.made.push(Made { key, node });
        self.made.len() - 1
    }

    fn found(&mut self, finding: Finding) {
        if self.findings.len() <= limits::MESSAGE_FINDINGS {
            self.findings.push(finding);
        }
    }
}

/// A resource of a type with what FHIR wants of it.
fn begun(kind: &str) -> Node {
    let mut node = resource(kind);
    match kind {
        "Task" => {
            *property(&mut node, "status") = text("in-progress");
            *property(&mut node, "intent") = text("order");
        }
        "Appointment" => *property(&mut node, "status") = text("booked"),
        "ValueSet" => *property(&mut node, "status") = text("active"),
        "DocumentReference" => {
            *property(&mut node, "status") = text("current");
            let attachment = object([("attachment", object([("contentType", text("application/xml"))]))]);
            *property(&mut node, "content") = Json::Array(vec![attachment]);
        }
        _ => {}
    }
    node
}

/// Attributes that say how a message is built and not what it says.
fn is_structure(last: &str) -> bool {
    matches!(
        last,
        "@root"
            | "@classCode"
            | "@moodCode"
            | "@typeCode"
            | "@determinerCode"
            | "@contextConductionInd"
            | "@contextControlCode"
            | "@type"
            | "@schemaLocation"
            | "@ITSVersion"
    )
}

/// Ties resources together by their types, and gives each its request.
pub fn entries(made: Vec<Made>, identity: &[&str]) -> Vec<Entry> {
    let address = |key: &str| {
        let parts: Vec<&str> = identity.iter().copied().chain([key]).collect();
        format!("urn:uuid:{}", stable_id(&parts))
    };
    let keys: Vec<String> = made.iter().map(|made| made.key.clone()).collect();
    let to = |key: &str| keys.iter().any(|known| known == key).then(|| reference(&address(key)));
    let mut out = Vec::with_capacity(made.len());
    for Made { key, mut node } in made {
        let kind = key.split(':').next().unwrap_or_default();
        let (subject, visit) = places(kind);
        if let (Some(patient), false) = (to("Patient"), subject.is_empty()) {
            *property(&mut node, subject) = patient;
        }
        if let (Some(encounter), false) = (to("Encounter"), visit.is_empty()) {
            *property(&mut node, visit) = encounter;
        }
        further(kind, &key, &mut node, &keys, &to);
        prune(&mut node);
        let request = request(kind, &node);
        out.push(Entry { full_url: address(&key), resource: node, request });
    }
    out
}

/// The elements of a type that refer to the patient and to the visit.
fn places(kind: &str) -> (&'static str, &'static str) {
    match kind {
        "Observation" | "Condition" | "ServiceRequest" | "MedicationRequest" | "DiagnosticReport"
        | "Procedure" | "CarePlan" => ("subject", "encounter"),
        "Encounter" | "Specimen" => ("subject", ""),
        "Task" => ("for", "encounter"),
        "Coverage" => ("beneficiary", ""),
        "RelatedPerson" | "AllergyIntolerance" => ("patient", ""),
        _ => ("", ""),
    }
}

/// What resources of a type refer to besides.
fn further(kind: &str, key: &str, node: &mut Node, keys: &[String], to: &dyn Fn(&str) -> Option<Node>) {
    match kind {
        "Patient" => {
            if let Some(provider) = to("Organization:provider") {
                *property(node, "managingOrganization") = provider;
            }
        }
        "Encounter" => {
            if let Some(provider) = to("Organization:provider") {
                *property(node, "serviceProvider") = provider;
            }
            if let Some(doctor) = to("Practitioner:doctor") {
                push(node, "participant", object([("individual", doctor)]));
            }
            for place in ["Location:department", "Location:ward", "Location:room", "Location:bed"] {
                if let Some(location) = to(place) {
                    push(node, "location", object([("location", location)]));
                }
            }
            for (rank, condition) in keys.iter().filter(|key| key.starts_with("Condition:")).enumerate() {
                let Some(condition) = to(condition) else { continue };
                let rank = crate::build::number((rank + 1).to_string());
                push(node, "diagnosis", object([("condition", condition), ("rank", rank)]));
            }
        }
        "Coverage" => {
            if let Some(patient) = to("Patient") {
                *property(node, "payor") = Json::Array(vec![patient]);
            }
        }
        "Appointment" => {
            for who in ["Patient", "Practitioner:doctor", "Location:department", "Device:device"] {
                if let Some(actor) = to(who) {
                    push(node, "participant", object([("actor", actor), ("status", text("accepted"))]));
                }
            }
        }
        "ServiceRequest" | "MedicationRequest" => {
            if let Some(doctor) = to("Practitioner:doctor") {
                *property(node, "requester") = doctor;
            }
            if let (Some(specimen), "ServiceRequest") = (to("Specimen:specimen"), kind) {
                push(node, "specimen", specimen);
            }
        }
        "Organization" if key == "Organization:organization" => {
            if let Some(above) = to("Organization:above") {
                *property(node, "partOf") = above;
            }
        }
        "Slot" => {
            if let Some(schedule) = to("Schedule:schedule") {
                *property(node, "schedule") = schedule;
            }
        }
        "Schedule" => {
            for who in ["Practitioner:doctor", "Location:department", "Organization:department"] {
                if let Some(actor) = to(who) {
                    push(node, "actor", actor);
                }
            }
        }
        _ => {}
    }
}

/// Things that others name too are found by their identifiers.
fn request(kind: &str, node: &Node) -> Request {
    let identifier = node.items("identifier").iter().find_map(|identifier| {
        let (system, value) = (identifier.text("system")?, identifier.text("value")?);
        let plain =
            value.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_'));
        plain.then(|| format!("identifier={system}%7C{value}"))
    });
    match (kind, identifier) {
        ("Organization" | "Practitioner" | "Location" | "Device", Some(query)) => {
            Request::CreateUnless(query)
        }
        (
            "ServiceRequest" | "MedicationRequest" | "Appointment" | "Task" | "Schedule" | "Slot"
            | "Specimen" | "Coverage" | "ValueSet" | "Observation" | "Procedure" | "DiagnosticReport",
            Some(query),
        ) => Request::Update(query),
        _ => Request::Create,
    }
}
