//! What MSH says of a message as a whole.

use super::message::Message;
use crate::Source;

/// Sender, identifier and kind of a message.
pub fn source(message: &Message<'_>) -> Source {
    let header = message.header();
    let name = |field: usize| header.field(field).part(1).text().into_owned();
    let (application, facility) = (name(3), name(4));
    let sender = match (application.is_empty(), facility.is_empty()) {
        (true, _) => facility.clone(),
        (_, true) => application,
        _ => format!("{application}@{facility}"),
    };
    let kind = header.field(9);
    let (code, event) = (kind.part(1).text(), kind.part(2).text());
    let kind = if event.is_empty() { code.into_owned() } else { format!("{code}^{event}") };
    let sent =
        crate::wst500::time(name(7).split(['+', '-', '.']).next().unwrap_or_default()).unwrap_or_default();
    Source { format: "hl7v2".to_owned(), sender, message_id: name(10), kind, sent, organization: facility }
}
