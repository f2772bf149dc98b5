//! Doors over HTTP, without a word about the server: a call in, a reply out.

use tongmai_base::{Finding, limits};
use tongmai_fhir::json::write_string;

use super::Doors;
use crate::hl7v2;
use crate::pipeline::{Kept, Receipt};

/// A request to a door.
pub struct Call<'c> {
    /// `GET`, `POST` …
    pub method: &'c str,
    /// Address below `/door/`.
    pub path: &'c str,
    /// The query, still encoded.
    pub query: &'c str,
    /// The body.
    pub body: &'c [u8],
}

/// The answer.
#[derive(Debug)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// Media type.
    pub content_type: &'static str,
    /// Further headers.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// Media type of outcomes.
const OUTCOME: &str = "application/fhir+json; charset=utf-8";

impl Doors {
    /// Answers a request to a door.
    pub async fn answer(&self, call: &Call<'_>) -> Reply {
        let name = call.path.trim_matches('/');
        match (call.method, name) {
            ("POST", "hl7v2") => self.hl7v2(call.body).await,
            ("POST", "service") => self.serve(call.body).await,
            ("POST", "insurance") => self.insurance(call.body).await,
            ("POST", name) => match self.format(name) {
                Some(_) => self.batch(name, call.body).await,
                None => refused(404, "door", format!("there is no door '{name}'"), &self.names()),
            },
            _ => refused(405, "method", "a door takes in messages".to_owned(), "send the message by POST"),
        }
    }

    fn names(&self) -> String {
        let names: Vec<&str> = self.formats().map(super::Format::name).collect();
        format!("name one of {}", names.join(", "))
    }

    /// Messages of a format; the answer speaks of all of them.
    async fn batch(&self, name: &str, body: &[u8]) -> Reply {
        let Some(format) = self.format(name) else { return refused(404, "door", String::new(), "") };
        let messages = format.split(body);
        if messages.len() > limits::BATCH_MESSAGES {
            let words = format!("{} messages, {} are allowed", messages.len(), limits::BATCH_MESSAGES);
            return refused(413, "too-many", words, "send several batches");
        }
        let mut receipts = Vec::with_capacity(messages.len());
        for message in &messages {
            receipts.push(self.receive(format, message).await);
        }
        reply(&receipts)
    }

    /// HL7 v2 over HTTP: the answer is an acknowledgement, as over MLLP.
    async fn hl7v2(&self, body: &[u8]) -> Reply {
        let (text, _) = hl7v2::text(body);
        let (messages, _) = hl7v2::batch::split(&text);
        // One message is taken as it came, in its own character set.
        if messages.len() <= 1 {
            let (answers, receipt) = hl7v2::listen::take_in(self, body).await;
            return acknowledged(answers.concat(), &[receipt]);
        }
        let (mut all, mut receipts) = (String::new(), Vec::new());
        for message in messages {
            let (answers, receipt) = hl7v2::listen::take_in(self, message.as_bytes()).await;
            all.push_str(&answers.concat());
            receipts.push(receipt);
        }
        acknowledged(all, &receipts)
    }
}

fn acknowledged(answer: String, receipts: &[Receipt]) -> Reply {
    let mut reply = reply(receipts);
    reply.content_type = hl7v2::CONTENT_TYPE;
    reply.body = answer.into_bytes();
    reply
}

/// The status that tells the worst of several ends.
fn status(receipts: &[Receipt]) -> u16 {
    let worst = |kept: Kept| receipts.iter().any(|receipt| receipt.kept == kept);
    if worst(Kept::NotNow) {
        503
    } else if worst(Kept::SetAside) {
        422
    } else if worst(Kept::Committed) {
        201
    } else {
        200
    }
}

/// The outcome of messages, with the numbers by which they can be followed.
pub fn reply(receipts: &[Receipt]) -> Reply {
    let mut body = String::from("{\"resourceType\":\"OperationOutcome\",\"issue\":[");
    for receipt in receipts {
        let said = match receipt.kept {
            Kept::Committed => "committed",
            Kept::Before => "committed before; nothing was done",
            Kept::SetAside => "set aside: the original is kept, nothing else",
            Kept::NotNow => "not taken in yet",
        };
        let severity = match receipt.kept {
            Kept::Committed | Kept::Before => "information",
            Kept::SetAside | Kept::NotNow => "error",
        };
        let words = format!("{said}: {}", receipt.number);
        issue(&mut body, severity, "informational", &words, "", &receipt.resources);
        for finding in &receipt.findings {
            finding_issue(&mut body, finding);
        }
    }
    body.push_str("]}");
    let numbers: Vec<&str> = receipts.iter().map(|receipt| receipt.number.as_str()).take(100).collect();
    let mut headers = vec![("tongmai-message", numbers.join(","))];
    if let [only] = receipts {
        headers.push(("location", format!("/doors/message/{}", only.number)));
    }
    let status = status(receipts);
    if status == 503 {
        headers.push(("retry-after", "5".to_owned()));
    }
    Reply { status, content_type: OUTCOME, headers, body: body.into_bytes() }
}

/// A refusal before any message was read.
pub fn refused(status: u16, code: &str, message: String, repair: &str) -> Reply {
    let mut body = String::from("{\"resourceType\":\"OperationOutcome\",\"issue\":[");
    finding_issue(&mut body, &Finding::error("", code, message).with_repair(repair));
    body.push_str("]}");
    Reply { status, content_type: OUTCOME, headers: Vec::new(), body: body.into_bytes() }
}

fn finding_issue(out: &mut String, finding: &Finding) {
    let words = match finding.repair.as_str() {
        "" => finding.message.clone(),
        repair => format!("{} — {repair}", finding.message),
    };
    let paths = if finding.path.is_empty() { Vec::new() } else { vec![finding.path.clone()] };
    issue(out, finding.severity.code(), "processing", &words, &finding.code, &paths);
}

fn issue(out: &mut String, severity: &str, code: &str, words: &str, detail: &str, paths: &[String]) {
    if out.ends_with('}') {
        out.push(',');
    }
    out.push_str("{\"severity\":\"");
    out.push_str(severity);
    out.push_str("\",\"code\":\"");
    out.push_str(code);
    out.push('"');
    if !detail.is_empty() {
        out.push_str(",\"details\":{\"coding\":[{\"system\":\"urn:tongmai:finding\",\"code\":");
        write_string(detail, out);
        out.push_str("}]}");
    }
    out.push_str(",\"diagnostics\":");
    write_string(words, out);
    if !paths.is_empty() {
        out.push_str(",\"expression\":[");
        for (at, path) in paths.iter().enumerate() {
            if at > 0 {
                out.push(',');
            }
            write_string(path, out);
        }
        out.push(']');
    }
    out.push('}');
}
