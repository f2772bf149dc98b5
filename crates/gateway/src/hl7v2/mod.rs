//! HL7 v2.3 to 2.8, over MLLP or from files.
//!
//! [`understand`] reads the bytes of one message: character set, outer form
//! ([`parse`]), and the way of its segments through the mapping tables
//! ([`table`]) into FHIR. Rules that tables cannot say stand in [`rule`].

use std::borrow::Cow;

use tongmai_base::Finding;

pub mod ack;
pub mod batch;
mod convert;
mod header;
pub mod listen;
pub mod message;
pub mod mllp;
pub mod rule;
pub mod table;
pub mod time;
pub mod value;

pub use message::{Delimiters, Message, Segment, parse};
pub use value::Value;

use crate::{Understood, charset};
use table::Tables;

/// Media type of messages.
pub const CONTENT_TYPE: &str = "x-application/hl7-v2+er7";

/// What a site settles for its messages.
#[derive(Debug, Clone)]
pub struct Options {
    /// Zone of times that name none: `+08:00`.
    pub default_zone: String,
    /// Beginning of the addresses of namespaces and code systems that the site only has names for.
    pub local_base: String,
}

impl Default for Options {
    fn default() -> Self {
        Options { default_zone: "+08:00".to_owned(), local_base: "urn:tongmai:hl7v2:".to_owned() }
    }
}

/// Reads the text of a message: MSH-18 names its character set, if the bytes do not tell themselves.
pub fn text(bytes: &[u8]) -> (Cow<'_, str>, Vec<Finding>) {
    let first = charset::decode(bytes, None, "MSH-18");
    let named = {
        let end = first.text.find(['\r', '\n']).unwrap_or(first.text.len());
        let (header, _) = parse(&first.text[..end]);
        header.map(|header| header.header().field(18).part(1).text().into_owned()).unwrap_or_default()
    };
    // Without a name, or when the name means what was found, the first reading stands.
    if named.is_empty() {
        return (first.text, first.findings);
    }
    let second = charset::decode(bytes, Some(&named), "MSH-18");
    (second.text, second.findings)
}

/// Understands one message by the tables.
pub fn understand_with(bytes: &[u8], tables: &Tables, options: &Options) -> Understood {
    let (text, mut findings) = text(bytes);
    let (message, more) = parse(&text);
    findings.extend(more);
    let Some(message) = message else { return Understood { findings, ..Understood::default() } };
    let mut understood = convert::convert(&message, tables, options);
    findings.append(&mut understood.findings);
    Understood { findings, ..understood }
}

/// Understands one message by the tables that Tongmai ships.
pub fn understand(bytes: &[u8], options: &Options) -> Understood {
    understand_with(bytes, table::shipped(), options)
}
