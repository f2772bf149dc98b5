//! What a door returns, and how it is made fit for the engine.

use std::collections::{HashMap, HashSet};

use sha2::{Digest, Sha256};
use tongmai_base::{Finding, Severity, limits};
use tongmai_fhir::json::Json;
use tongmai_fhir::reference::{for_each_reference, for_each_reference_mut};
use tongmai_fhir::validate::{self, Options};

use crate::build::{Node, object, prune, text};

/// How often a resource is mended and checked again before it is set aside.
const REPAIR_ROUNDS: usize = 4;

/// Where something came from, in the words of its format.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Source {
    /// The format's name as on the command line: `hl7v2`, `wst500`, …
    pub format: String,
    /// Who sent it: application and facility, organisation code; empty when it does not say.
    pub sender: String,
    /// The sender's own identifier of the message or document.
    pub message_id: String,
    /// What kind it is: `ADT^A01`, `C0032`, …
    pub kind: String,
    /// When it was sent or written, as FHIR writes times; empty when it does not say.
    pub sent: String,
    /// Code of the organisation that it speaks for; empty when that has to be found out.
    pub organization: String,
}

/// What the transaction asks of the store for one resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// A new resource each time.
    Create,
    /// A new one, unless a search of this query finds one; that one is referred to then.
    CreateUnless(String),
    /// In place of what a search of this query finds, or new.
    Update(String),
}

/// One resource of what was understood.
#[derive(Debug, Clone)]
pub struct Entry {
    /// `urn:uuid:…`, by which the other entries refer to it.
    pub full_url: String,
    /// The resource, without an id of its own.
    pub resource: Node,
    /// What the transaction asks for it.
    pub request: Request,
}

/// What a door understood of one message or document.
#[derive(Debug, Default)]
pub struct Understood {
    /// Where it came from.
    pub source: Source,
    /// Resources, each referring to others by their `full_url`.
    pub entries: Vec<Entry>,
    /// What was repaired, assumed, unmapped or refused.
    pub findings: Vec<Finding>,
}

/// A UUID (version 8, RFC 9562) that the same parts always give: the first bits of the SHA-256 of
/// the parts, each with its length. Used for `urn:uuid:` addresses, so that the same message always
/// makes the same transaction.
pub fn stable_id(parts: &[&str]) -> String {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update((part.len() as u64).to_le_bytes());
        digest.update(part.as_bytes());
    }
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest.finalize()[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid().to_string()
}

/// A value of a search, escaped as FHIR and addresses want it.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' | b':' => {
                out.push(byte as char);
            }
            b'\\' | b'|' | b',' | b'$' => out.push_str(&format!("%5C%{byte:02X}")),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// The search that finds what carries the first whole identifier of a resource.
pub(crate) fn by_identifier(node: &Node) -> Option<String> {
    node.items("identifier").iter().find_map(|identifier| {
        let (system, value) = (identifier.text("system")?, identifier.text("value")?);
        let whole = !system.is_empty() && !value.trim().is_empty();
        whole.then(|| format!("identifier={}%7C{}", escaped(system), escaped(value)))
    })
}

impl Understood {
    /// Whether a finding says that nothing can be used.
    pub fn is_fatal(&self) -> bool {
        self.findings.iter().any(|finding| finding.severity == Severity::Fatal)
    }

    /// Whether anything can be committed.
    pub fn is_refused(&self) -> bool {
        self.entries.is_empty() || self.is_fatal()
    }

    /// Makes every resource pass structural validation. What breaks a rule is taken out and stands
    /// in a finding of code `invalid-…`; a resource that cannot be mended so is set aside whole, and
    /// references to it go. Findings beyond the limit are counted in a last one.
    pub fn settle(&mut self) {
        let mut gone = HashSet::new();
        let findings = &mut self.findings;
        self.entries.retain_mut(|entry| {
            prune(&mut entry.resource);
            let stays = mend(&mut entry.resource, findings);
            if !stays {
                gone.insert(entry.full_url.clone());
            }
            stays
        });
        while !gone.is_empty() {
            self.drop_references(&mut gone);
        }
        if self.findings.len() > limits::MESSAGE_FINDINGS {
            let more = self.findings.len() - limits::MESSAGE_FINDINGS;
            self.findings.truncate(limits::MESSAGE_FINDINGS);
            self.findings.push(
                Finding::warning("/", "findings-limit", format!("{more} further findings are not shown"))
                    .with_repair("mend those that are shown, and send again"),
            );
        }
    }

    /// Takes out references to what is gone, and what breaks a rule without them.
    fn drop_references(&mut self, gone: &mut HashSet<String>) {
        let lost = std::mem::take(gone);
        let findings = &mut self.findings;
        self.entries.retain_mut(|entry| {
            let mut touched = false;
            for_each_reference(&entry.resource, &mut |_, target| touched |= lost.contains(target));
            if !touched {
                return true;
            }
            for_each_reference_mut(&mut entry.resource, &mut |target| {
                if lost.contains(target.as_ref()) {
                    *target = "".into();
                }
            });
            prune(&mut entry.resource);
            let stays = mend(&mut entry.resource, findings);
            if !stays {
                gone.insert(entry.full_url.clone());
            }
            stays
        });
    }

    /// The transaction Bundle that commits all of it.
    pub fn transaction(&self) -> Node {
        let entries = self.entries.iter().map(|entry| {
            let name = entry.resource.text("resourceType").unwrap_or_default();
            let request = match &entry.request {
                Request::Create => object([("method", text("POST")), ("url", text(name))]),
                Request::CreateUnless(query) => object([
                    ("method", text("POST")),
                    ("url", text(name)),
                    ("ifNoneExist", text(query.as_str())),
                ]),
                Request::Update(query) => {
                    object([("method", text("PUT")), ("url", text(format!("{name}?{query}")))])
                }
            };
            object([
                ("fullUrl", text(entry.full_url.as_str())),
                ("resource", entry.resource.clone()),
                ("request", request),
            ])
        });
        let entries = Json::Array(entries.collect());
        object([("resourceType", text("Bundle")), ("type", text("transaction")), ("entry", entries)])
    }

    /// How many resources there are of each type.
    pub fn census(&self) -> HashMap<&str, usize> {
        let mut census = HashMap::new();
        for entry in &self.entries {
            *census.entry(entry.resource.text("resourceType").unwrap_or_default()).or_default() += 1;
        }
        census
    }
}

/// Takes out what breaks a rule until nothing does; `false` when that cannot be done.
fn mend(resource: &mut Node, findings: &mut Vec<Finding>) -> bool {
    for _ in 0..REPAIR_ROUNDS {
        let faults = validate::validate(resource, &Options::default());
        let mut faults: Vec<Finding> =
            faults.into_iter().filter(|fault| fault.severity >= Severity::Error).collect();
        if faults.is_empty() {
            return true;
        }
        // Later items first, so that the numbers of earlier ones stay what they were.
        faults.sort_by(|a, b| b.path.len().cmp(&a.path.len()).then_with(|| b.path.cmp(&a.path)));
        let mut any = false;
        for fault in faults {
            let taken = take_out(resource, &fault.path);
            any |= taken;
            let severity = if taken { Severity::Warning } else { Severity::Error };
            findings.push(Finding {
                severity,
                code: format!("invalid-{}", fault.code),
                message: fault.message,
                repair: fault.repair,
                path: fault.path,
            });
        }
        if !any || !prune(resource) {
            break;
        }
    }
    if validate::is_invalid(&validate::validate(resource, &Options::default())) {
        let name = resource.text("resourceType").unwrap_or("Resource").to_owned();
        findings.push(
            Finding::error(
                name,
                "set-aside",
                "the resource breaks rules that no repair mends; it is left out",
            )
            .with_repair("mend the elements that the findings before this one name"),
        );
        return false;
    }
    true
}

/// Takes the value at a validator's path out of its parent. A missing required element takes out
/// the object that requires it, unless that is the resource itself.
fn take_out(resource: &mut Node, path: &str) -> bool {
    let mut steps: Vec<&str> = path.split('.').skip(1).collect();
    while !steps.is_empty() {
        if steps != ["resourceType"] && remove(resource, &steps) {
            return true;
        }
        steps.pop();
    }
    false
}

fn remove(node: &mut Node, steps: &[&str]) -> bool {
    let Some((step, rest)) = steps.split_first() else { return false };
    let (name, index) = match step.split_once('[') {
        Some((name, index)) => (name, index.trim_end_matches(']').parse::<usize>().ok()),
        None => (*step, None),
    };
    let Json::Object(properties) = node else { return false };
    // A choice's path carries its name without the type.
    let is_it = |key: &str| {
        key == name
            || key.strip_prefix(name).is_some_and(|tail| tail.starts_with(|c: char| c.is_ascii_uppercase()))
    };
    let exact = properties.iter().position(|(key, _)| key == name);
    let Some(at) = exact.or_else(|| properties.iter().position(|(key, _)| is_it(key))) else { return false };
    if rest.is_empty() && index.is_none() {
        properties.remove(at);
        return true;
    }
    let value = &mut properties[at].1;
    match (value, index) {
        (Json::Array(items), Some(index)) if index < items.len() => {
            if rest.is_empty() {
                // Nulls go when the resource is pruned; until then numbers stay valid.
                items[index] = Json::Null;
                true
            } else {
                remove(&mut items[index], rest)
            }
        }
        (value, _) if !rest.is_empty() => remove(value, rest),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn understood(resources: &[&str]) -> Understood {
        let entries = resources.iter().enumerate().map(|(index, text)| Entry {
            full_url: format!("urn:uuid:{}", stable_id(&["test", &index.to_string()])),
            resource: Json::parse_str(text).expect("JSON").into_owned(),
            request: Request::Create,
        });
        Understood { entries: entries.collect(), ..Understood::default() }
    }

    fn check(input: &str, expected: &str, codes: &[&str]) {
        let mut understood = understood(&[input]);
        understood.settle();
        let left = understood.entries.first().map(|entry| entry.resource.to_string()).unwrap_or_default();
        assert_eq!(left, expected);
        assert_eq!(understood.findings.iter().map(|f| f.code.as_str()).collect::<Vec<_>>(), codes);
        assert!(understood.findings.iter().all(|f| !f.path.is_empty() && !f.repair.is_empty()));
    }

    #[test]
    fn what_breaks_a_rule_is_taken_out_and_named() {
        check(
            r#"{"resourceType":"Patient","gender":"男","name":[{"family":"王"}]}"#,
            r#"{"resourceType":"Patient","name":[{"family":"王"}]}"#,
            &["invalid-binding"],
        );
        check(
            r#"{"resourceType":"Patient","birthDate":"20010230","colour":"red","name":[{"family":"王","use":"x"}]}"#,
            r#"{"resourceType":"Patient","name":[{"family":"王"}]}"#,
            &["invalid-binding", "invalid-format", "invalid-unknown-element"],
        );
        // What lacks a required element goes as a whole.
        check(
            r#"{"resourceType":"Patient","link":[{"type":"seealso"}],"active":true}"#,
            r#"{"resourceType":"Patient","active":true}"#,
            &["invalid-cardinality"],
        );
        check(
            r#"{"resourceType":"Observation","status":"final"}"#,
            "",
            &["invalid-cardinality", "set-aside"],
        );
    }

    #[test]
    fn references_to_what_was_set_aside_go() {
        let mut two = understood(&[
            r#"{"resourceType":"Observation","status":"final"}"#,
            r#"{"resourceType":"DiagnosticReport","status":"final","code":{"text":"x"},"result":[{"reference":""}]}"#,
        ]);
        let first = two.entries[0].full_url.clone();
        for_each_reference_mut(&mut two.entries[1].resource, &mut |target| *target = first.clone().into());
        two.settle();
        assert_eq!(
            two.entries.iter().map(|entry| entry.resource.to_string()).collect::<Vec<_>>(),
            [r#"{"resourceType":"DiagnosticReport","status":"final","code":{"text":"x"}}"#]
        );
    }

    #[test]
    fn the_same_parts_give_the_same_id() {
        assert_eq!(stable_id(&["a", "bc"]), stable_id(&["a", "bc"]));
        assert_ne!(stable_id(&["a", "bc"]), stable_id(&["ab", "c"]));
        assert!(tongmai_fhir::format::is_uuid(&format!("urn:uuid:{}", stable_id(&["a"]))));
    }
}
