//! The insurer's messages as a door: signed envelopes in, answered after the commit.
//!
//! A message whose envelope is wrong is kept with its fault like every other, and nothing of it is understood: the
//! signature is checked whenever the bytes are read, so that no replay gets around it. Only its time and its number are
//! judged once, when it arrives.

use std::sync::Arc;

use tongmai_base::{Finding, Severity};
use tongmai_fhir::json::Json;

use super::envelope::{self, Gate};
use crate::build::{Node, object, text};
use crate::door::http::Reply;
use crate::door::{Doors, Format};
use crate::pipeline::{Kept, Receipt, number};
use crate::{Source, Understood};

/// Name of the door.
pub const NAME: &str = "insurance";

/// Envelopes of the insurance platform.
pub struct Insurance {
    gate: Arc<Gate>,
}

impl Insurance {
    /// The door behind a gate.
    pub fn new(gate: Arc<Gate>) -> Insurance {
        Insurance { gate }
    }
}

impl Format for Insurance {
    fn name(&self) -> &'static str {
        NAME
    }

    fn content_type(&self) -> &'static str {
        "application/json"
    }

    fn understand(&self, bytes: &[u8]) -> Understood {
        let mut source = source(bytes);
        let opened = match self.gate.open(bytes) {
            Ok(opened) => opened,
            Err(findings) => return Understood { source, entries: Vec::new(), findings },
        };
        let input = match Json::parse_str(&opened.input) {
            Ok(input) => input,
            Err(error) => {
                let finding = Finding::new(Severity::Fatal, "input", "json", error.to_string())
                    .with_repair("write input as one JSON object");
                return Understood { source, entries: Vec::new(), findings: vec![finding] };
            }
        };
        let mut understood = super::understand(&opened.number, &input, &opened.institution);
        source.organization = opened.organization;
        source.sent = std::mem::take(&mut understood.source.sent);
        understood.source = source;
        understood
    }
}

/// What an envelope says of itself, also when nothing else of it can be believed.
fn source(bytes: &[u8]) -> Source {
    let mut source = Source { format: NAME.to_owned(), ..Source::default() };
    let decoded = crate::charset::decode(bytes, None, "/");
    if let Ok(root) = Json::parse_str(&decoded.text) {
        let of = |name: &str| root.text(name).unwrap_or_default().chars().take(64).collect::<String>();
        (source.sender, source.message_id, source.kind) = (of("fixmedins_code"), of("msgid"), of("infno"));
    }
    source
}

impl Doors {
    /// Takes in one envelope.
    pub async fn take_in_envelope(&self, bytes: &[u8]) -> (Source, Receipt) {
        let format = Insurance::new(self.gate().clone());
        let (mut understood, took) = self.understand(&format, bytes);
        if !understood.is_fatal() {
            let (source, seconds) = (&understood.source, self.now().div_euclid(1_000));
            let admitted = self.gate().admit(&source.message_id, &source.sender, &number(bytes), seconds);
            if let Err(faults) = admitted {
                understood.findings.extend(faults);
            }
        }
        let source = understood.source.clone();
        (source, self.keep(&format, understood, bytes, took).await)
    }

    /// Answers an envelope as the insurance platform does. `output` carries the number by which the message can be
    /// followed, and everything that was found.
    pub async fn insurance(&self, bytes: &[u8]) -> Reply {
        let (source, receipt) = self.take_in_envelope(bytes).await;
        let fault = match receipt.kept {
            Kept::Committed | Kept::Before => None,
            Kept::SetAside | Kept::NotNow => receipt.findings.iter().max_by_key(|finding| finding.severity),
        };
        let findings = receipt.findings.iter().map(finding).collect();
        let output =
            object([("tongmai_message", text(receipt.number.as_str())), ("findings", Json::Array(findings))]);
        let time = tongmai_base::time::Instant(self.now()).to_fhir();
        let time: String =
            time.chars().take(19).map(|letter| if letter == 'T' { ' ' } else { letter }).collect();
        let answer = envelope::answer(&source.message_id, fault, Some(output), &time);
        let mut headers = vec![
            ("tongmai-message", receipt.number.clone()),
            ("location", format!("/doors/message/{}", receipt.number)),
        ];
        let waits = receipt.kept == Kept::NotNow;
        if waits {
            headers.push(("retry-after", "5".to_owned()));
        }
        Reply {
            status: if waits { 503 } else { 200 },
            content_type: "application/json; charset=utf-8",
            headers,
            body: answer.to_string().into_bytes(),
        }
    }
}

fn finding(finding: &Finding) -> Node {
    object([
        ("path", text(finding.path.as_str())),
        ("code", text(finding.code.as_str())),
        ("severity", text(finding.severity.code())),
        ("message", text(finding.message.as_str())),
        ("repair", text(finding.repair.as_str())),
    ])
}
