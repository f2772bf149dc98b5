//! The original of a message as it stands in the ledger: a DocumentReference with the bytes, the
//! digest, the door, the sender, and what became of it.

use data_encoding::BASE64;
use tongmai_fhir::json::Json;

use crate::build::{Node, object, property, prune, reference, text};
use crate::{Entry, Request, Source, Understood, combine, stable_id};

/// System of the digests of originals.
pub const DIGEST: &str = "urn:tongmai:original:sha256";
/// System of the states of originals.
pub const CATEGORY: &str = "urn:tongmai:original";
/// System of the names of doors.
pub const DOOR: &str = "urn:tongmai:door";
/// Extension that names the sender.
const SENDER: &str = "urn:tongmai:sender";

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Nothing of it was understood or could be committed.
    SetAside,
    /// Somebody decided that nothing is to be done.
    Dismissed,
    /// A repaired message took its place.
    Mended,
    /// What was understood is committed.
    Understood,
}

impl State {
    /// All of them.
    pub const ALL: [State; 4] = [State::SetAside, State::Dismissed, State::Mended, State::Understood];

    /// Its code within [`CATEGORY`].
    pub fn code(self) -> &'static str {
        match self {
            State::SetAside => "set-aside",
            State::Dismissed => "dismissed",
            State::Mended => "mended",
            State::Understood => "original",
        }
    }

    /// The time that stands for it: a later state stays, in whatever order they come.
    fn rank(self) -> &'static str {
        match self {
            State::SetAside => "0",
            State::Dismissed => "1",
            State::Mended => "2",
            State::Understood => "3",
        }
    }
}

/// The original as an entry of the transaction. It refers to the message and its patient.
pub fn entry(
    understood: &Understood,
    original: &[u8],
    digest: &str,
    content_type: &str,
    state: State,
    fault: &str,
) -> Entry {
    let mut node = resource(&understood.source, original, digest, content_type, state, fault);
    let of_type = |name: &str| {
        let mut entries = understood.entries.iter();
        entries
            .find(|entry| entry.resource.text("resourceType") == Some(name))
            .map(|entry| entry.full_url.as_str())
    };
    if let Some(patient) = of_type("Patient") {
        *property(&mut node, "subject") = reference(patient);
    }
    let mut context = Json::Null;
    if let Some(visit) = of_type("Encounter") {
        *property(&mut context, "encounter") = Json::Array(vec![reference(visit)]);
    }
    let related = ["MessageHeader", "Composition"].into_iter().filter_map(of_type);
    *property(&mut context, "related") = Json::Array(related.map(reference).collect());
    *property(&mut node, "context") = context;
    prune(&mut node);
    combine::said(&mut node, state.rank());
    at_its_place(node, digest)
}

/// The entry of an original, whose place follows from its digest.
fn at_its_place(node: Node, digest: &str) -> Entry {
    Entry {
        full_url: format!("urn:uuid:{}", stable_id(&["original", digest])),
        resource: node,
        request: Request::Create,
    }
}

fn resource(
    source: &Source,
    original: &[u8],
    digest: &str,
    content_type: &str,
    state: State,
    fault: &str,
) -> Node {
    let identifier = |system: String, value: &str| object([("system", text(system)), ("value", text(value))]);
    let concept = |system: &str, code: &str, words: &str| {
        let coding = object([("system", text(system)), ("code", text(code))]);
        object([("coding", Json::Array(vec![coding])), ("text", text(words))])
    };
    let attachment = object([("contentType", text(content_type)), ("data", text(BASE64.encode(original)))]);
    let sender = object([("url", text(SENDER)), ("valueString", text(source.sender.as_str()))]);
    let sender = if source.sender.is_empty() { Json::Null } else { Json::Array(vec![sender]) };
    let master = match source.message_id.as_str() {
        "" => Json::Null,
        id => identifier(format!("urn:tongmai:{}:{}", source.format, word(&source.sender)), id),
    };
    let is_valid = matches!(state, State::SetAside | State::Understood);
    object([
        ("resourceType", text("DocumentReference")),
        ("extension", sender),
        ("masterIdentifier", master),
        ("identifier", Json::Array(vec![identifier(DIGEST.to_owned(), digest)])),
        ("status", text(if is_valid { "current" } else { "superseded" })),
        ("type", concept(DOOR, &source.format, &source.kind)),
        ("category", Json::Array(vec![concept(CATEGORY, state.code(), "")])),
        ("description", text(fault)),
        ("content", Json::Array(vec![object([("attachment", attachment)])])),
    ])
}

/// A name as part of an address.
fn word(name: &str) -> String {
    name.chars().map(|c| if c.is_whitespace() || "<>\"{}|\\^`".contains(c) { '_' } else { c }).collect()
}

/// An original as it was read back.
#[derive(Debug, Clone)]
pub struct Original {
    /// Id of the DocumentReference.
    pub id: String,
    /// The message's number.
    pub number: String,
    /// Name of the door.
    pub door: String,
    /// Who sent it.
    pub sender: String,
    /// The sender's identifier of it.
    pub message_id: String,
    /// What kind it is.
    pub kind: String,
    /// What became of it.
    pub state: State,
    /// The first fault.
    pub fault: String,
    /// Media type.
    pub content_type: String,
    /// The bytes, as they came.
    pub bytes: Vec<u8>,
    /// When its state was last written, as FHIR writes times.
    pub written: String,
    /// References to what it says something of.
    pub about: Vec<String>,
}

impl Original {
    /// Reads a DocumentReference; `None` when it is no original.
    pub fn read(node: &Json<'_>) -> Option<Original> {
        let mut identifiers = node.items("identifier").iter();
        let digest = identifiers.find(|identifier| identifier.text("system") == Some(DIGEST))?;
        let number = digest.text("value")?.to_owned();
        let category = node.items("category").first()?.items("coding").first()?.text("code")?;
        let attachment = node.items("content").first()?.get("attachment")?;
        let kind = node.get("type");
        let door = kind.and_then(|kind| kind.items("coding").first()).and_then(|coding| coding.text("code"));
        let sender = node.items("extension").iter().find(|extension| extension.text("url") == Some(SENDER));
        let owned = |text: Option<&str>| text.unwrap_or_default().to_owned();
        let refers = |of: &Json<'_>| of.text("reference").map(str::to_owned);
        let context = node.get("context");
        let listed = |name: &str| context.map_or(&[][..], |context| context.items(name)).iter();
        let mut about: Vec<String> = node.get("subject").and_then(refers).into_iter().collect();
        about.extend(listed("encounter").chain(listed("related")).filter_map(refers));
        Some(Original {
            id: owned(node.text("id")),
            number,
            door: owned(door),
            sender: owned(sender.and_then(|sender| sender.text("valueString"))),
            message_id: owned(node.get("masterIdentifier").and_then(|master| master.text("value"))),
            kind: owned(kind.and_then(|kind| kind.text("text"))),
            state: State::ALL.into_iter().find(|state| state.code() == category)?,
            fault: owned(node.text("description")),
            content_type: owned(attachment.text("contentType")),
            bytes: BASE64.decode(attachment.text("data")?.as_bytes()).ok()?,
            written: owned(node.get("meta").and_then(|meta| meta.text("lastUpdated"))),
            about,
        })
    }

    /// The same in another state, as an entry.
    pub fn entry_in(&self, state: State, why: &str) -> Entry {
        let source = Source {
            format: self.door.clone(),
            sender: self.sender.clone(),
            message_id: self.message_id.clone(),
            kind: self.kind.clone(),
            ..Source::default()
        };
        let mut node = resource(&source, &self.bytes, &self.number, &self.content_type, state, why);
        prune(&mut node);
        combine::said(&mut node, state.rank());
        at_its_place(node, &self.number)
    }
}
