//! Answers: original and enhanced mode (HL7 v2.8.2 chapter 2, sections 2.9.2 and 2.9.3).
//!
//! In original mode one answer says `AA`, `AE` or `AR`. A sender that fills MSH-15
//! or MSH-16 asks for enhanced mode: an accept answer (`CA`, `CE`, `CR`) once the
//! message is safe, and an application answer once it is worked on, each only when
//! asked for (`AL` always, `NE` never, `ER` on error, `SU` on success).

use tongmai_base::{Finding, Severity};

use super::message::{Delimiters, Message};

/// Most ERR segments of an answer.
const MOST_ERRORS: usize = 10;

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Committed.
    Accepted,
    /// Not understood or refused by a rule: sending it again as it is will not help.
    Error,
    /// Cannot be taken now or never by this system (version, kind, no room): not the content's fault.
    Rejected,
}

/// Which answer is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The only answer of the original mode, or the application answer of the enhanced one.
    Application,
    /// The accept answer of the enhanced mode: the message is in safe hands.
    Accept,
}

/// Whether the sender asks for enhanced mode.
pub fn is_enhanced(message: &Message<'_>) -> bool {
    let header = message.header();
    header.field(15).is_valued() || header.field(16).is_valued()
}

/// Whether the sender wants this answer.
pub fn is_wanted(message: &Message<'_>, step: Step, outcome: Outcome) -> bool {
    if !is_enhanced(message) {
        return step == Step::Application;
    }
    let field = message.header().field(if step == Step::Accept { 15 } else { 16 });
    match field.text().as_ref() {
        "AL" => true,
        "ER" => outcome != Outcome::Accepted,
        "SU" => outcome == Outcome::Accepted,
        // Absent in enhanced mode means never, as `NE` says.
        _ => false,
    }
}

impl Outcome {
    /// What findings say of a message that was not committed for them.
    pub fn of(findings: &[Finding]) -> Outcome {
        if findings.iter().any(|finding| finding.severity == Severity::Fatal) {
            Outcome::Error
        } else {
            Outcome::Accepted
        }
    }

    fn code(self, step: Step) -> &'static str {
        match (step, self) {
            (Step::Application, Outcome::Accepted) => "AA",
            (Step::Application, Outcome::Error) => "AE",
            (Step::Application, Outcome::Rejected) => "AR",
            (Step::Accept, Outcome::Accepted) => "CA",
            (Step::Accept, Outcome::Error) => "CE",
            (Step::Accept, Outcome::Rejected) => "CR",
        }
    }
}

/// The answer to a message: MSH, MSA and, unless it was accepted without a word, an ERR for each
/// finding. `now` is the time as HL7 v2 writes it, `id` the answer's own MSH-10. Without a message,
/// of which not even the header could be read, the answer can name nothing but the fault.
pub fn answer(
    message: Option<&Message<'_>>,
    step: Step,
    outcome: Outcome,
    findings: &[Finding],
    now: &str,
    id: &str,
) -> String {
    let usual = Delimiters::default();
    let delimiters = message.map_or(&usual, Message::delimiters);
    let mut writer = Writer { delimiters, out: String::with_capacity(256) };
    let raw = |field: usize| message.map_or("", |message| message.header().field(field).raw());
    let component =
        |field: usize, part: usize| message.map_or("", |m| m.header().field(field).part(part).raw());
    writer.header();
    // The answer goes back: the receiver of the message is its sender.
    for field in [5, 6, 3, 4] {
        writer.field(raw(field));
    }
    writer.field(now);
    writer.field("");
    let event = component(9, 2);
    let kind = ["ACK", event, "ACK"];
    writer.components(if event.is_empty() { &kind[..1] } else { &kind });
    writer.text(id);
    let processing = raw(11);
    writer.field(if processing.is_empty() { "P" } else { processing });
    let version = raw(12);
    writer.field(if version.is_empty() { "2.4" } else { version });
    for _ in 13..=17 {
        writer.field("");
    }
    writer.field("UNICODE UTF-8");
    writer.end("MSA");
    writer.field(outcome.code(step));
    writer.field(raw(10));
    let grave = |finding: &&Finding| finding.severity >= Severity::Warning;
    let worst = findings.iter().filter(grave).max_by_key(|finding| finding.severity);
    if let (Some(worst), true) = (worst, outcome != Outcome::Accepted) {
        writer.text(&worst.message);
    }
    let mut told: Vec<&Finding> = findings.iter().filter(grave).collect();
    told.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    for finding in told.into_iter().take(MOST_ERRORS) {
        writer.error(finding);
    }
    writer.out.push('\r');
    writer.out
}

struct Writer<'d> {
    delimiters: &'d Delimiters,
    out: String,
}

impl Writer<'_> {
    fn header(&mut self) {
        let Delimiters { field, component, repetition, escape, subcomponent } = *self.delimiters;
        self.out.push_str("MSH");
        for byte in [field, component, repetition, escape, subcomponent] {
            self.out.push(byte as char);
        }
    }

    /// A field as it is, in the message's own escapes.
    fn field(&mut self, raw: &str) {
        self.out.push(self.delimiters.field as char);
        self.out.push_str(raw);
    }

    fn components(&mut self, parts: &[&str]) {
        self.out.push(self.delimiters.field as char);
        for (at, part) in parts.iter().enumerate() {
            if at > 0 {
                self.out.push(self.delimiters.component as char);
            }
            self.out.push_str(part);
        }
    }

    /// A field of plain text, escaped.
    fn text(&mut self, text: &str) {
        self.out.push(self.delimiters.field as char);
        self.escaped(text);
    }

    fn escaped(&mut self, text: &str) {
        let d = *self.delimiters;
        for letter in text.chars() {
            let code = match u8::try_from(letter) {
                Ok(byte) if byte == d.field => 'F',
                Ok(byte) if byte == d.component => 'S',
                Ok(byte) if byte == d.repetition => 'R',
                Ok(byte) if byte == d.escape => 'E',
                Ok(byte) if byte == d.subcomponent => 'T',
                Ok(b'\r' | b'\n') => ' ',
                _ => {
                    self.out.push(letter);
                    continue;
                }
            };
            if code == ' ' {
                self.out.push(' ');
            } else {
                let escape = d.escape as char;
                self.out.extend([escape, code, escape]);
            }
        }
    }

    /// Ends a segment and begins another.
    fn end(&mut self, name: &str) {
        self.out.push('\r');
        self.out.push_str(name);
    }

    /// ERR: location, code of table 0357, severity, the project's own code, what is wrong and the repair.
    fn error(&mut self, finding: &Finding) {
        self.end("ERR");
        self.field("");
        let location = location(&finding.path);
        let parts: Vec<&str> = location.iter().map(String::as_str).collect();
        self.components(&parts);
        let (code, words) = hl7_code(finding);
        self.components(&[code, words, "HL70357"]);
        self.field(if finding.severity >= Severity::Error { "E" } else { "W" });
        self.text(&finding.code);
        self.field("");
        self.text(&finding.repair);
        self.text(&finding.message);
    }
}

/// ERL (segment, its number, field, repetition, component) of a finding's path such as `OBX[3]-5.2`;
/// nothing for the path of a FHIR element.
fn location(path: &str) -> Vec<String> {
    let (segment, rest) = path.split_once('-').unwrap_or((path, ""));
    let (name, number) = segment.split_once('[').unwrap_or((segment, "1"));
    if name.len() != 3 || !name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit()) {
        return Vec::new();
    }
    let mut numbers = rest.split('.').filter(|number| !number.is_empty());
    let mut parts = vec![name.to_owned(), number.trim_end_matches(']').to_owned()];
    if let Some(field) = numbers.next() {
        parts.push(field.to_owned());
        if let Some(component) = numbers.next() {
            parts.extend(["1".to_owned(), component.to_owned()]);
        }
    }
    parts
}

/// The condition of HL7 table 0357 that a finding comes nearest to.
fn hl7_code(finding: &Finding) -> (&'static str, &'static str) {
    match finding.code.as_str() {
        "no-header" | "no-separator" | "separators-equal" | "line-breaks" => {
            ("100", "Segment sequence error")
        }
        "invalid-cardinality" | "set-aside" => ("101", "Required field missing"),
        "format" | "invalid-format" | "invalid-type" => ("102", "Data type error"),
        "code-unknown" | "invalid-binding" => ("103", "Table value not found"),
        "version" => ("203", "Unsupported version id"),
        "duplicate" => ("205", "Duplicate key identifier"),
        "store" => ("206", "Application record locked"),
        _ => ("207", "Application internal error"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;

    const MESSAGE: &str = "MSH|^~\\&|HIS|县医院|TM|区|20260101||ADT^A01^ADT_A01|77|P|2.5\rPID|1\r";

    fn codes(text: &str, outcome: Outcome) -> Vec<&'static str> {
        let (message, _) = parse(text);
        let message = message.expect("a message");
        let steps = [Step::Accept, Step::Application];
        steps
            .into_iter()
            .filter(|step| is_wanted(&message, *step, outcome))
            .map(|step| outcome.code(step))
            .collect()
    }

    #[test]
    fn modes_follow_msh_15_and_16() {
        let with = |accept: &str, application: &str| {
            format!("MSH|^~\\&|A|B|C|D|20260101||ADT^A01|1|P|2.5|||{accept}|{application}\r")
        };
        for (accept, application, good, bad) in [
            ("", "", vec!["AA"], vec!["AE"]),
            ("AL", "NE", vec!["CA"], vec!["CE"]),
            ("AL", "AL", vec!["CA", "AA"], vec!["CE", "AE"]),
            ("ER", "SU", vec!["AA"], vec!["CE"]),
            ("NE", "", vec![], vec![]),
        ] {
            let text = with(accept, application);
            assert_eq!(codes(&text, Outcome::Accepted), good, "{accept} {application}");
            assert_eq!(codes(&text, Outcome::Error), bad, "{accept} {application}");
        }
    }

    #[test]
    fn a_good_message_is_answered_back_to_its_sender() {
        let (message, _) = parse(MESSAGE);
        let answer = answer(message.as_ref(), Step::Application, Outcome::Accepted, &[], "20260102", "9");
        assert_eq!(
            answer,
            "MSH|^~\\&|TM|区|HIS|县医院|20260102||ACK^A01^ACK|9|P|2.5||||||UNICODE UTF-8\rMSA|AA|77\r"
        );
        let (read, findings) = parse(&answer);
        assert!(findings.is_empty() && read.is_some_and(|read| read.len() == 2));
    }

    #[test]
    fn a_refusal_names_field_reason_and_repair() {
        let (message, _) = parse(MESSAGE);
        let findings = [
            Finding::warning("OBX[3]-5.2", "format", "'x|y' is no decimal").with_repair("write digits"),
            Finding::new(Severity::Fatal, "Patient.name", "invalid-cardinality", "name is required"),
        ];
        let answer = answer(message.as_ref(), Step::Application, Outcome::Error, &findings, "20260102", "9");
        let lines: Vec<&str> = answer.split('\r').collect();
        assert_eq!(lines[1], "MSA|AE|77|name is required");
        assert_eq!(
            lines[2],
            "ERR|||101^Required field missing^HL70357|E|invalid-cardinality|||name is required"
        );
        assert_eq!(
            lines[3],
            "ERR||OBX^3^5^1^2|102^Data type error^HL70357|W|format||write digits|'x\\F\\y' is no decimal"
        );
    }

    #[test]
    fn what_cannot_be_read_is_answered_too() {
        let (message, findings) = parse("rubbish");
        let answer =
            answer(message.as_ref(), Step::Application, Outcome::of(&findings), &findings, "20260102", "9");
        assert!(answer.contains("\rMSA|AE||") && answer.contains("\rERR||MSH^1|100^"), "{answer}");
    }
}
