//! The services of the hospital information platform: HL7 version 3 messages over SOAP 1.2.
//!
//! A message is taken out of its envelope, told which of the 69 services it asks
//! for, and judged: what it must have, which identifiers cannot be ones, what its
//! service does not know. The answer carries the acknowledgement code: `AA` where
//! the message is accepted, `AE` where its content is refused, `AR` where it
//! cannot be read at all. Filling the answer of a query from a store is not done here.

use std::collections::HashMap;
use std::sync::OnceLock;

use tongmai_base::{Finding, Severity, limits};

use crate::wst500::table::{Content, Grammar, Kind, Slot, grammars};

pub mod door;
mod emit;
mod query;
mod understand;

pub use emit::message;
pub use understand::{mapped, understand};

use crate::xml::{self, Element};
use crate::{charset, stable_id};

const GRAMMAR: &str = include_str!("../tables/service/grammar.txt");
const FIELDS: &str = include_str!("../tables/service/fields.txt");
/// The message that acknowledges others.
const ACKNOWLEDGEMENT: &str = "MCCI_IN000002UV01";
/// The name space of SOAP 1.2.
const SOAP: &str = "http://www.w3.org/2003/05/soap-envelope";

/// Whether a message is accepted, in the words of its acknowledgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acknowledgement {
    /// Accepted.
    Accept,
    /// Its content is refused.
    Error,
    /// It cannot be read.
    Reject,
}

impl Acknowledgement {
    /// The code: `AA`, `AE` or `AR`.
    pub fn code(self) -> &'static str {
        match self {
            Acknowledgement::Accept => "AA",
            Acknowledgement::Error => "AE",
            Acknowledgement::Reject => "AR",
        }
    }
}

/// An identifier that a query asks with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Where it stands.
    pub path: String,
    /// The kind of identifier, an OID.
    pub system: String,
    /// The identifier.
    pub value: String,
}

/// What was found out about a message.
#[derive(Debug)]
pub struct Judged {
    /// The service, as its schema is named: `PatientInfoQuery`; empty where none is known.
    pub service: &'static str,
    /// Its Chinese name, where the tables have one.
    pub title: &'static str,
    /// The message's kind: `PRPA_IN201305UV02`.
    pub interaction: String,
    /// The message's own identifier.
    pub message_id: String,
    /// Identifier of the system that sent it.
    pub sender: String,
    /// Identifier of the system that it is for.
    pub receiver: String,
    /// The identifier of the query, where it is one.
    pub query: Option<String>,
    /// The identifiers that it asks with.
    pub keys: Vec<Key>,
    /// The name of a person that it asks with; empty where it names none.
    pub person_name: String,
    /// The sex of a person that it asks with, as FHIR has it (`male`, `female`); empty where it says none.
    pub person_gender: &'static str,
    /// Whether it is accepted.
    pub acknowledgement: Acknowledgement,
    /// What was wrong, and how to mend it.
    pub findings: Vec<Finding>,
    /// Whether it came in a SOAP envelope.
    enveloped: bool,
}

/// The services, in the order of their names.
pub fn services() -> impl Iterator<Item = (&'static str, &'static str)> {
    tables().grammars.iter().map(|grammar| (grammar.code, grammar.root.name))
}

/// The services with their Chinese names, where the tables have them.
pub fn titles() -> impl Iterator<Item = (&'static str, &'static str)> {
    tables().grammars.iter().map(|grammar| (grammar.code, grammar.title))
}

struct Tables {
    grammars: Vec<Grammar>,
    /// Labels and data elements of fields, by service and path.
    fields: HashMap<(&'static str, &'static str), (&'static str, &'static str)>,
}

fn tables() -> &'static Tables {
    static TABLES: OnceLock<Tables> = OnceLock::new();
    TABLES.get_or_init(|| {
        let mut fields = HashMap::new();
        let mut service = "";
        for line in FIELDS.lines().filter(|line| !line.starts_with('#')) {
            if let Some(head) = line.strip_prefix('=') {
                service = head.split(' ').next().unwrap_or_default();
                continue;
            }
            let mut parts = line.split('|');
            let mut next = || parts.next().unwrap_or_default();
            let (path, label, element) = (next(), next(), next());
            fields.entry((service, path)).or_insert((label, element));
        }
        Tables { grammars: grammars(GRAMMAR), fields }
    })
}

/// Judges a message, with or without its SOAP envelope.
pub fn judge(bytes: &[u8]) -> Judged {
    judge_and(bytes, |_, _| ()).0
}

/// Judges a message, and does something with it; `None` where it could not be read.
fn judge_and<T>(bytes: &[u8], then: impl FnOnce(&mut Judged, &Element<'_>) -> T) -> (Judged, Option<T>) {
    let mut judged = Judged {
        service: "",
        title: "",
        interaction: String::new(),
        message_id: String::new(),
        sender: String::new(),
        receiver: String::new(),
        query: None,
        keys: Vec::new(),
        person_name: String::new(),
        person_gender: "",
        acknowledgement: Acknowledgement::Reject,
        findings: Vec::new(),
        enveloped: false,
    };
    if bytes.len() > limits::MESSAGE_BYTES {
        judged.found(
            Severity::Fatal,
            "/",
            "size",
            "the message is too large".to_owned(),
            "send a smaller message",
        );
        return (judged, None);
    }
    let decoded = charset::decode(bytes, None, "/");
    judged.findings.extend(decoded.findings);
    let Some(root) = xml::read(&decoded.text, &mut judged.findings) else { return (judged, None) };
    judged.enveloped = root.name == "Envelope";
    let body = if judged.enveloped {
        root.child("Body").and_then(|body| body.children.first())
    } else {
        Some(&root)
    };
    let Some(body) = body else {
        judged.found(
            Severity::Fatal,
            "/Envelope",
            "envelope",
            "no message in the Body".to_owned(),
            "put the message there",
        );
        return (judged, None);
    };
    // Many systems send the message as a text within an operation's element.
    let text = body.deep_text();
    let inner =
        if text.trim_start().starts_with('<') { xml::read(&text, &mut judged.findings) } else { None };
    let message = match &inner {
        Some(inner) => inner,
        None => known(body).unwrap_or(body),
    };
    judged.message(message);
    let done = then(&mut judged, message);
    (judged, Some(done))
}

/// The message within an operation's element.
fn known<'e, 't>(element: &'e Element<'t>) -> Option<&'e Element<'t>> {
    if tables().grammars.iter().any(|grammar| grammar.root.name == element.name) {
        return Some(element);
    }
    element.children.iter().find_map(known)
}

impl Judged {
    #[cold]
    fn found(&mut self, severity: Severity, path: &str, code: &str, message: String, repair: &str) {
        if self.findings.len() < limits::MESSAGE_FINDINGS {
            self.findings.push(Finding::new(severity, path, code, message).with_repair(repair));
        }
    }

    fn message(&mut self, message: &Element<'_>) {
        let text = |path: &str, attribute: &str| {
            message.at(path).and_then(|element| element.attribute(attribute)).unwrap_or_default().to_owned()
        };
        self.interaction = message.name.to_string();
        self.message_id = text("id", "extension");
        self.sender = text("sender/device/id/item", "extension");
        self.receiver = text("receiver/device/id/item", "extension");
        // Several services share a kind of message; the one whose schema knows most of it is meant.
        let candidates = tables().grammars.iter().filter(|grammar| grammar.root.name == message.name);
        let Some(grammar) = candidates.max_by_key(|grammar| likeness(message, &grammar.root)) else {
            let (path, of) = (format!("/{}", message.name), message.name.to_string());
            let repair = "name one of the platform's interactions as the root";
            self.found(
                Severity::Fatal,
                &path,
                "interaction",
                format!("{of} is no message of a service"),
                repair,
            );
            return;
        };
        self.service = grammar.code;
        self.title = grammar.title;
        let root = format!("/{}", message.name);
        if self.message_id.is_empty() {
            let repair = "give each message an identifier of its own";
            self.found(
                Severity::Error,
                &format!("{root}/id/@extension"),
                "message-id",
                "the message has none".to_owned(),
                repair,
            );
        }
        let named = text("interactionId", "extension");
        if named != message.name {
            let words = format!("'{named}' is not the root's name");
            let repair = "write the root's name";
            // Accepted messages of the national assessment name the acknowledgement here: the root decides.
            self.found(
                if named.is_empty() { Severity::Error } else { Severity::Warning },
                &format!("{root}/interactionId/@extension"),
                "interaction",
                words,
                repair,
            );
        }
        let query = message.at("controlActProcess/queryByParameter");
        self.query = query.map(|query| {
            query.child("queryId").and_then(|id| id.attribute("extension")).unwrap_or_default().to_owned()
        });
        const PARAMETERS: &str = "controlActProcess/queryByParameter/parameterList";
        self.person_name =
            text(&format!("{PARAMETERS}/livingSubjectName/value/item/part"), "value").trim().to_owned();
        // GB/T 2261.1.
        self.person_gender =
            match text(&format!("{PARAMETERS}/livingSubjectAdministrativeGender/value"), "code").trim() {
                "1" => "male",
                "2" => "female",
                _ => "",
            };
        if message.child("controlActProcess").is_none() {
            let repair = "say in it what is asked for";
            self.found(Severity::Error, &root, "content", "there is no controlActProcess".to_owned(), repair);
        }
        self.check(message, &grammar.root, "", &root);
        let refused = self.findings.iter().any(|finding| finding.severity >= Severity::Error);
        self.acknowledgement = if refused { Acknowledgement::Error } else { Acknowledgement::Accept };
    }

    /// Checks an element against its slot; `path` is that of the field tables.
    fn check(&mut self, element: &Element<'_>, slot: &Slot, path: &str, shown: &str) {
        for (name, value) in &element.attributes {
            let at = format!("{path}/@{name}");
            if name == "extension" {
                self.identifier(element, value, &at, shown);
            }
            let Some(attribute) = slot.attribute(name) else { continue };
            let unfit = !value.trim().is_empty() && !fits(&attribute.kind, value);
            if unfit {
                let words =
                    format!("{}'{value}' is not what the schema of {} wants", self.label(&at), self.service);
                self.found(
                    Severity::Warning,
                    &format!("{shown}/@{name}"),
                    "format",
                    words,
                    "write the value in the schema's form",
                );
            }
        }
        for child in &element.children {
            let below = format!("{path}/{}", child.name);
            let shown = format!("{shown}/{}", child.name);
            match slot.child(&child.name) {
                Some(slot) => self.check(child, slot, &below, &shown),
                None if matches!(slot.content, Content::Anything) => {}
                None => {
                    let words = format!("{} does not know {}", self.service, child.name);
                    self.found(
                        Severity::Warning,
                        &shown,
                        "unmapped",
                        words,
                        "leave it out, or name another service",
                    );
                }
            }
        }
        for missing in slot.children.iter().filter(|child| child.occurrence.required()) {
            if element.child(missing.name).is_none() {
                let words =
                    format!("{}{} is missing", self.label(&format!("{path}/{}", missing.name)), missing.name);
                self.found(Severity::Warning, shown, "mandatory-missing", words, "add the element");
            }
        }
    }

    /// An identifier of zeros names nobody and nothing.
    fn identifier(&mut self, element: &Element<'_>, value: &str, path: &str, shown: &str) {
        let value = value.trim();
        if value.is_empty() || !path.starts_with("/controlActProcess") {
            return;
        }
        if value.bytes().all(|byte| byte == b'0') {
            let words = format!("{}'{value}' is no identifier", self.label(path));
            let repair = "write the identifier that is asked for, or leave it empty";
            self.found(Severity::Error, &format!("{shown}/@extension"), "identifier", words, repair);
        } else if !path.ends_with("queryId/@extension") && self.query.is_some() {
            let system = element.attribute("root").unwrap_or_default().to_owned();
            self.keys.push(Key { path: shown.to_owned(), system, value: value.to_owned() });
        }
    }

    /// Data element and label of a field, for the findings.
    fn label(&self, path: &str) -> String {
        match tables().fields.get(&(self.service, path)) {
            Some((label, "")) => format!("{label}: "),
            Some((label, element)) => format!("{element} {label}: "),
            None => String::new(),
        }
    }

    /// What the acknowledgement says in words.
    fn reason(&self) -> String {
        let worst = self.findings.iter().rev().max_by_key(|finding| finding.severity);
        match (self.acknowledgement, worst) {
            (Acknowledgement::Accept, _) => "处理成功".to_owned(),
            (_, Some(finding)) => format!("{} {} {}", finding.path, finding.message, finding.repair),
            (_, None) => "无法处理".to_owned(),
        }
    }

    /// The answer. `time` is `YYYYMMDDhhmmss`; `found` is how many records a query found, where that is known:
    /// none refuses it.
    pub fn answer(&self, time: &str, found: Option<usize>) -> String {
        self.answer_with(time, found, Vec::new())
    }

    /// The answer with the records that were found, each a `subject` as the service that registers such
    /// records sends them: there is no other public schema for the content of answers.
    pub fn answer_with(&self, time: &str, found: Option<usize>, subjects: Vec<Element<'static>>) -> String {
        let nothing = self.query.is_some() && found == Some(0);
        let code = if nothing && self.acknowledgement == Acknowledgement::Accept {
            Acknowledgement::Error
        } else {
            self.acknowledgement
        };
        let reason = if nothing { "未查到符合条件的记录".to_owned() } else { self.reason() };
        let mut root = element(
            ACKNOWLEDGEMENT,
            &[("ITSVersion", "XML_1.0")],
            vec![
                element(
                    "id",
                    &[
                        ("root", "2.16.156.10011.2.5.1.1"),
                        (
                            "extension",
                            &stable_id(&["service", &self.sender, &self.message_id, &self.interaction]),
                        ),
                    ],
                    vec![],
                ),
                element("creationTime", &[("value", time)], vec![]),
                element(
                    "interactionId",
                    &[("root", "2.16.156.10011.2.5.1.2"), ("extension", ACKNOWLEDGEMENT)],
                    vec![],
                ),
                element("processingCode", &[("code", "P")], vec![]),
                element("processingModeCode", &[], vec![]),
                element("acceptAckCode", &[("code", "NE")], vec![]),
                device("receiver", "RCV", &self.sender),
                device("sender", "SND", &self.receiver),
                element(
                    "acknowledgement",
                    &[("typeCode", code.code())],
                    vec![
                        element(
                            "targetMessage",
                            &[],
                            vec![element(
                                "id",
                                &[("root", "2.16.156.10011.2.5.1.1"), ("extension", &self.message_id)],
                                vec![],
                            )],
                        ),
                        element(
                            "acknowledgementDetail",
                            &[],
                            vec![element("text", &[("value", &reason)], vec![])],
                        ),
                    ],
                ),
            ],
        );
        if let Some(query) = &self.query {
            let response = match code {
                Acknowledgement::Accept => "OK",
                _ if nothing => "NF",
                _ => "AE",
            };
            let total = found.unwrap_or(0).to_string();
            let told = element(
                "queryAck",
                &[],
                vec![
                    element("queryId", &[("extension", query)], vec![]),
                    element("queryResponseCode", &[("code", response)], vec![]),
                    element("resultTotalQuantity", &[("value", &total)], vec![]),
                ],
            );
            root.children.push(element(
                "controlActProcess",
                &[("classCode", "CACT"), ("moodCode", "EVN")],
                subjects.into_iter().chain([told]).collect(),
            ));
        }
        let message = xml::write(&root);
        if !self.enveloped {
            return message;
        }
        let inner = message.split_once('\n').map_or(message.as_str(), |(_, rest)| rest);
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<soap:Envelope xmlns:soap=\"{SOAP}\">\n<soap:Body>\n{inner}</soap:Body>\n</soap:Envelope>\n"
        )
    }
}

fn element(
    name: &'static str,
    attributes: &[(&'static str, &str)],
    children: Vec<Element<'static>>,
) -> Element<'static> {
    let mut out = Element::new(name);
    for (name, value) in attributes {
        out.set(name, (*value).to_owned());
    }
    out.children = children;
    out
}

fn device(name: &'static str, code: &'static str, id: &str) -> Element<'static> {
    let item = element("item", &[("root", "2.16.156.10011.2.5.1.3"), ("extension", id)], vec![]);
    let id = element("id", &[], vec![item]);
    let device = element("device", &[("classCode", "DEV"), ("determinerCode", "INSTANCE")], vec![id]);
    element(name, &[("typeCode", code)], vec![device])
}

/// How much of a message a schema knows, less what it does not know and what it misses.
fn likeness(element: &Element<'_>, slot: &Slot) -> i64 {
    let children = element.children.iter().map(|child| match slot.child(&child.name) {
        Some(slot) => 1 + likeness(child, slot),
        None => -3,
    });
    let missing =
        slot.children.iter().filter(|of| of.occurrence.required() && element.child(of.name).is_none());
    children.sum::<i64>() - missing.count() as i64
}

fn fits(kind: &Kind, value: &str) -> bool {
    crate::wst500::shaped(kind, value).is_some()
}
