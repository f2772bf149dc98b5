//! The elements of a DICOM file, up to its pixels.
//!
//! `dicom-object` reads the structure. It knows one character set a file and no escapes, so the
//! Specific Character Set is taken out of the bytes before: all text then comes as ISO 8859-1, which
//! keeps every byte, and is decoded by [`crate::charset`].

use std::io::Cursor;

use dicom_core::value::Value;
use dicom_core::{Tag, VR};
use dicom_dictionary_std::tags;
use dicom_object::{FileDicomObject, InMemDicomObject, OpenFileOptions};
use tongmai_base::{Finding, Severity, limits};

use crate::{charset, lengths};

/// Where the preamble ends and the file's own word begins.
const MAGIC: usize = 128;
/// How far from its beginning a data set may hold its character set.
const NEAR: usize = 256;

/// A file's elements.
pub struct Header {
    object: FileDicomObject<InMemDicomObject>,
    sets: Vec<String>,
    /// What was found wrong, though it could be read.
    pub findings: Vec<Finding>,
}

/// Reads a file. `Err` says why it is no DICOM file that can be read.
pub fn read(bytes: &[u8]) -> Result<Header, Finding> {
    let refuse = |code: &str, message: String, repair: &str| {
        Err(Finding::new(Severity::Fatal, "file", code, message).with_repair(repair))
    };
    if bytes.len() > limits::IMAGE_BYTES {
        let message = format!("{} bytes, {} are allowed", bytes.len(), limits::IMAGE_BYTES);
        return refuse("size", message, "send a smaller file");
    }
    if bytes.get(MAGIC..MAGIC + 4) != Some(b"DICM") {
        let message = "the file does not begin with a preamble of 128 bytes and DICM".to_owned();
        return refuse("not-dicom", message, "send a file of DICOM PS3.10");
    }
    if let Some((tag, length, left)) = lengths::first_too_long(bytes) {
        let message = format!("element {tag} claims {length} bytes, {left} are left");
        return refuse("malformed", message, "send the whole file, as it was written");
    }
    let mut plain = bytes.to_vec();
    let sets = take_character_set(&mut plain);
    let options = OpenFileOptions::new().read_until(tags::PIXEL_DATA);
    let object = match options.from_reader(Cursor::new(plain)) {
        Ok(object) => object,
        Err(error) => {
            let message = format!("the file cannot be read: {}", chain(&error));
            return refuse(
                "malformed",
                message,
                "send the whole file, in a transfer syntax without deflation",
            );
        }
    };
    let mut findings = Vec::new();
    for set in sets.iter().filter(|set| !charset::is_known(set)) {
        let message =
            format!("the character set '{set}' is not known; text that is not UTF-8 is read as GB 18030");
        findings.push(
            Finding::warning("(0008,0005) SpecificCharacterSet", "charset-unknown", message)
                .with_repair("name ISO_IR 192 or GB18030"),
        );
    }
    Ok(Header { object, sets, findings })
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text = format!("{text}: {inner}");
        source = inner.source();
    }
    text
}

/// Blanks the value of (0008,0005) and gives what stood there.
fn take_character_set(bytes: &mut [u8]) -> Vec<String> {
    // (0002,0000) says how long the group of the file's own elements is.
    let length = match bytes.get(132..144) {
        Some(&[2, 0, 0, 0, b'U', b'L', 4, 0, a, b, c, d]) => u32::from_le_bytes([a, b, c, d]) as usize,
        _ => 0,
    };
    let from = 144_usize.saturating_add(length).min(bytes.len());
    let end = (from + NEAR).min(bytes.len());
    let near = &bytes[from..end];
    let find = |pattern: &[u8]| near.windows(pattern.len()).position(|part| part == pattern);
    let number = |at: usize| near.get(at..at + 4).map(|b| [b[0], b[1], b[2], b[3]]);
    let (at, length) = if let Some(at) = find(b"\x08\x00\x05\x00CS") {
        (at + 8, number(at + 6).map_or(0, |b| usize::from(u16::from_le_bytes([b[0], b[1]]))))
    } else if let Some(at) = find(b"\x00\x08\x00\x05CS") {
        (at + 8, number(at + 6).map_or(0, |b| usize::from(u16::from_be_bytes([b[0], b[1]]))))
    } else if let Some(at) = find(b"\x08\x00\x05\x00") {
        (at + 8, number(at + 4).map_or(0, |b| u32::from_le_bytes(b) as usize))
    } else {
        return Vec::new();
    };
    let Some(value) = bytes.get_mut(from + at..from + at + length.min(NEAR)) else { return Vec::new() };
    let text: String = value.iter().map(|byte| char::from(*byte)).collect();
    value.fill(b' ');
    text.split('\\').map(|set| set.trim_matches(['\0', ' ']).to_owned()).collect()
}

impl Header {
    /// The text of an element; values are parted by `\`. `None` where it is absent or empty.
    pub fn text(&self, tag: Tag) -> Option<String> {
        text_of(&self.object, tag, &self.sets)
    }

    /// The UID of the transfer syntax that the pixels are written in.
    pub fn transfer_syntax(&self) -> String {
        self.object.meta().transfer_syntax().trim_end_matches(['\0', ' ']).to_owned()
    }

    /// The elements, for those who walk them.
    pub fn elements(&self) -> &InMemDicomObject {
        &self.object
    }

    /// The values of Specific Character Set.
    pub fn character_sets(&self) -> &[String] {
        &self.sets
    }
}

/// The text of an element of an object.
pub fn text_of(object: &InMemDicomObject, tag: Tag, sets: &[String]) -> Option<String> {
    let element = object.get(tag)?;
    let Value::Primitive(value) = element.value() else { return None };
    let written = value.to_multi_str().join("\\");
    let decoded = match element.vr() {
        VR::LO | VR::LT | VR::PN | VR::SH | VR::ST | VR::UC | VR::UT => {
            let bytes: Option<Vec<u8>> = written.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect();
            bytes.map_or(written, |bytes| charset::decode(&bytes, sets))
        }
        _ => written,
    };
    let trimmed = decoded.trim_matches(['\0', ' ']).to_owned();
    Some(trimmed).filter(|text| !text.is_empty())
}

/// The groups of a person's name: alphabetic, ideographic, phonetic.
pub fn name_groups(name: &str) -> [String; 3] {
    let mut groups = name.split('=').map(|group| group.trim().trim_end_matches('^').to_owned());
    [groups.next().unwrap_or_default(), groups.next().unwrap_or_default(), groups.next().unwrap_or_default()]
}
